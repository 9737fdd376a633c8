//! Hosts as they were written, with the patterns that they are.

use cronbox_runtime::network::{HostError, HostPattern};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::OnceLock;

/// Hosts that somebody names: each as it was written, so that it is stored and shown like that, and its pattern.
///
/// Many who read a script's row do not ask for its hosts: they are parsed when the patterns are first asked for, once. A
/// host that cannot be parsed fails whoever asks for the patterns, and not the reader of the row that it is in.
#[derive(Clone, Debug, Default)]
pub struct WrittenHosts {
    texts: Vec<String>,
    patterns: OnceLock<Result<Vec<HostPattern>, BadHost>>,
}

/// The first host that cannot be parsed: its place in the list, and why.
type BadHost = (usize, HostError);

impl PartialEq for WrittenHosts {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Eq for WrittenHosts {}

impl WrittenHosts {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// As they were written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }

    /// The patterns.
    ///
    /// # Errors
    /// The first host that cannot be parsed, and why.
    pub fn patterns(&self) -> Result<Vec<HostPattern>, (&str, HostError)> {
        let parse = |(place, text): (usize, &String)| text.parse().map_err(|error| (place, error));
        let parsed = self.patterns.get_or_init(|| self.texts.iter().enumerate().map(parse).collect());
        let named = |(place, error)| (self.texts.get(place).map(String::as_str).unwrap_or_default(), error);
        parsed.clone().map_err(named)
    }
}

impl<T: Into<String>> FromIterator<T> for WrittenHosts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        WrittenHosts { texts: texts.into_iter().map(Into::into).collect(), patterns: OnceLock::new() }
    }
}

impl Serialize for WrittenHosts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.texts())
    }
}

impl<'de> Deserialize<'de> for WrittenHosts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Vec::<String>::deserialize(from)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_written_back_as_they_were() {
        let text = r#"["API.example.com","*.example.org:443"]"#;
        let hosts: WrittenHosts = serde_json::from_str(text).expect("reads");
        assert_eq!(serde_json::to_string(&hosts).expect("writes"), text);
        let patterns: Vec<String> = hosts.patterns().expect("reads").iter().map(ToString::to_string).collect();
        assert_eq!(patterns, ["api.example.com", "*.example.org:443"]);
    }

    #[test]
    fn a_host_that_cannot_be_parsed_is_kept_and_told() {
        let hosts: WrittenHosts = ["a.example.com", "https://x/"].into_iter().collect();
        assert_eq!(hosts.patterns().expect_err("refuses").0, "https://x/");
        assert_eq!(hosts.texts().collect::<Vec<_>>(), ["a.example.com", "https://x/"]);
    }
}
