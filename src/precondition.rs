//! What something must still be for a change of it to be made, so that two who change it at once do not overwrite one another.

use crate::clock::{Time, micros};

/// What must hold before a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// There is none yet.
    Absent,
    /// There is one.
    Present,
    /// It has one of these tags.
    Tagged(Vec<String>),
}

impl Precondition {
    /// Whether it holds for what has this tag now; none: for nothing.
    pub fn holds(&self, now: Option<&str>) -> bool {
        match self {
            Precondition::None => true,
            Precondition::Absent => now.is_none(),
            Precondition::Present => now.is_some(),
            Precondition::Tagged(tags) => now.is_some_and(|now| tags.iter().any(|tag| tag == now)),
        }
    }

    /// The number of the first tag that is asked for: the version or revision that a change was made to.
    pub fn number(&self) -> Option<i64> {
        match self {
            Precondition::Tagged(tags) => tags.first().and_then(|tag| number_of(tag)),
            _ => None,
        }
    }
}

/// The tag of something at this number of its changes, which was made or last changed then: another of the same name has
/// another tag.
pub fn tag(number: i64, at: Time) -> String {
    format!("{number}-{:x}", micros(at))
}

/// The number in a tag.
pub fn number_of(tag: &str) -> Option<i64> {
    tag.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;

    #[test]
    fn a_change_is_made_to_what_was_seen() {
        let now = tag(3, from_micros(255));
        assert_eq!((now.as_str(), number_of(&now)), ("3-ff", Some(3)));
        let tagged = |tags: &[&str]| Precondition::Tagged(tags.iter().map(|tag| (*tag).to_owned()).collect());
        for (asked, there, nothing) in [
            (Precondition::None, true, true),
            (Precondition::Absent, false, true),
            (Precondition::Present, true, false),
            (tagged(&["3-ff"]), true, false),
            (tagged(&["2-ff", "3-ff"]), true, false),
            (tagged(&["3-fe"]), false, false),
            (tagged(&[]), false, false),
        ] {
            assert_eq!((asked.holds(Some(&now)), asked.holds(None)), (there, nothing), "{asked:?}");
        }
        assert_eq!(tagged(&["2-ff"]).number(), Some(2));
        assert_eq!(tagged(&["x"]).number(), None);
    }
}
