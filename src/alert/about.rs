//! What an alert is about.

use crate::script::{MAX_LABEL, Name};
use std::fmt;

/// What an alert is about.
#[derive(Clone, Debug, PartialEq)]
pub enum About {
    /// A script, by its name.
    Script(Name),
    /// A schedule, by its name.
    Schedule(Name),
    /// The scripts with a label of this key and value.
    Label(String, String),
    /// Every script.
    Everything,
}

/// A text that says nothing that an alert can be about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAbout(pub String);

impl About {
    /// The label `key=value`.
    ///
    /// # Errors
    /// It cannot be a label.
    pub fn label(text: &str) -> Result<About, BadAbout> {
        let fine = |text: &str| text.chars().count() <= MAX_LABEL && !text.contains(char::is_control);
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() && fine(key) && fine(value) => {
                Ok(About::Label(key.to_owned(), value.to_owned()))
            }
            _ => Err(BadAbout("a label is written key=value, such as team=data".into())),
        }
    }

    /// By which alerts about it are found: `script:price`, `schedule:daily`, `label:team=data`, `*`. Names in lower case.
    pub fn key(&self) -> String {
        match self {
            About::Script(name) => format!("script:{}", name.key()),
            About::Schedule(name) => format!("schedule:{}", name.key()),
            About::Label(key, value) => format!("label:{key}={value}"),
            About::Everything => "*".to_owned(),
        }
    }

    /// The one subject that it has; none when it is about many.
    pub fn only(&self) -> Option<&str> {
        match self {
            About::Script(name) | About::Schedule(name) => Some(name.key()),
            About::Label(..) | About::Everything => None,
        }
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            About::Script(name) => write!(f, "script {name}"),
            About::Schedule(name) => write!(f, "schedule {name}"),
            About::Label(key, value) => write!(f, "label {key}={value}"),
            About::Everything => f.write_str("everything"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_key_of_its_own() {
        let script = About::Script(Name::parse("Price").expect("a name"));
        assert_eq!((script.key().as_str(), script.only()), ("script:price", Some("price")));
        let label = About::label("team=data=x").expect("a label");
        assert_eq!((label.key().as_str(), label.only()), ("label:team=data=x", None));
        for bad in ["team", "=data", "a\n=b"] {
            assert!(About::label(bad).is_err(), "{bad}");
        }
    }
}
