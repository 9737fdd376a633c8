//! Limits as they were written, with what they mean.

use super::{BadLimit, RequestedLimits, one};
use crate::quantity::Quantity;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// A table of limits: each as somebody wrote it, so that it is stored and shown like that, and what it means, which is
/// parsed once, when the request, the script or the row is read.
///
/// A limit that cannot be parsed fails whoever asks what the table means, and not the reader of the row that it is in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WrittenLimits(BTreeMap<String, Written>);

#[derive(Clone, Debug, PartialEq)]
struct Written {
    quantity: Quantity,
    /// Only this limit.
    asked: Result<RequestedLimits, BadLimit>,
}

impl WrittenLimits {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A limit as it was written.
    pub fn written(&self, name: &str) -> Option<&Quantity> {
        self.0.get(name).map(|written| &written.quantity)
    }

    /// What is asked for. The error is the first limit that cannot be parsed.
    pub fn asked(&self) -> Result<RequestedLimits, BadLimit> {
        self.0
            .values()
            .try_fold(RequestedLimits::default(), |all, written| Ok(all.or(written.asked.as_ref()?)))
            .map_err(|error: &BadLimit| error.clone())
    }

    /// These, and the others for names that are not in them.
    pub fn or(&self, other: &WrittenLimits) -> WrittenLimits {
        let mut all = other.0.clone();
        all.extend(self.0.iter().map(|(name, written)| (name.clone(), written.clone())));
        WrittenLimits(all)
    }
}

impl FromIterator<(String, Quantity)> for WrittenLimits {
    fn from_iter<I: IntoIterator<Item = (String, Quantity)>>(table: I) -> Self {
        let parsed = |(name, quantity): (String, Quantity)| {
            let asked = one(&name, &quantity);
            (name, Written { quantity, asked })
        };
        WrittenLimits(table.into_iter().map(parsed).collect())
    }
}

impl Serialize for WrittenLimits {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, written)| (name, &written.quantity)))
    }
}

impl<'de> Deserialize<'de> for WrittenLimits {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::<String, Quantity>::deserialize(from)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn table(text: &str) -> WrittenLimits {
        serde_json::from_str(text).expect("reads")
    }

    #[test]
    fn limits_are_read_by_name() {
        let asked = table(r#"{"memory": "64MiB", "timeout": "5m", "fuel": 2e9, "output": 7}"#).asked().expect("reads");
        assert_eq!((asked.memory, asked.fuel, asked.output), (Some(64 << 20), Some(2_000_000_000), Some(7)));
        assert_eq!(asked.timeout, Some(Duration::from_secs(300)));
        assert_eq!(WrittenLimits::default().asked(), Ok(RequestedLimits::default()));
    }

    #[test]
    fn a_limit_that_cannot_be_parsed_is_kept_and_told() {
        let text = r#"{"memory":"64MiB","memroy":1}"#;
        let why = table(text).asked().expect_err("there is no such limit");
        assert_eq!(why.name, "memroy");
        assert!(why.why.contains("did you mean memory?"), "{why}");
        assert_eq!(serde_json::to_string(&table(text)).expect("writes"), text);
        assert_eq!(table(r#"{"fuel": "much"}"#).asked().expect_err("refuses").name, "fuel");
    }

    /// Rows of before hold what somebody wrote: it is written back as it was.
    #[test]
    fn limits_are_written_back_as_they_were() {
        for text in [r#"{"fuel":2000000000.0,"memory":"256 MiB","timeout":90}"#, r#"{"timeout":"1h30m"}"#, "{}"] {
            assert_eq!(serde_json::to_string(&table(text)).expect("writes"), text);
        }
    }

    #[test]
    fn names_are_joined_one_by_one() {
        let both = table(r#"{"memory": "1MiB"}"#).or(&table(r#"{"memory": "much", "timeout": 5}"#));
        let asked = both.asked().expect("what was overridden is not asked for");
        assert_eq!((asked.memory, asked.timeout), (Some(1 << 20), Some(Duration::from_secs(5))));
        assert_eq!(both.written("memory").map(ToString::to_string).as_deref(), Some("1MiB"));
    }
}
