//! What is known of an image of packages, wherever it is made or used.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Most bytes that an image can change or add to the interpreter's memory.
pub(crate) const MOST_CHANGED: usize = 96 << 20;
/// The environment that every run has, unless its script sets a variable otherwise. Images are made in it.
pub const ENVIRONMENT: [(&str, &str); 4] =
    [("HOME", "/tmp"), ("TMPDIR", "/tmp"), ("USER", "cronbox"), ("LOGNAME", "cronbox")];

/// Returns [`ENVIRONMENT`] as runs take it.
pub fn environment() -> Vec<(String, String)> {
    ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Names an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct ImageKey(pub(crate) [u8; 32]);

impl fmt::Display for ImageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Why there is no image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// A sentence.
    pub(crate) reason: String,
    /// Whether it is because of the packages, and so for ever; not because of the machine.
    pub(crate) lasts: bool,
}

impl Refusal {
    pub(crate) fn lasting(reason: impl Into<String>) -> Self {
        Refusal { reason: reason.into(), lasts: true }
    }

    pub(crate) fn passing(reason: impl Into<String>) -> Self {
        Refusal { reason: reason.into(), lasts: false }
    }
}

/// What a sandbox says after it has imported the modules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Prepared {
    /// The names of all top-level modules that are imported.
    pub(crate) names: Vec<String>,
    /// The variables that were asked for; `*` stands for all.
    pub(crate) variables: Vec<String>,
    /// Units of fuel that the imports took.
    pub(crate) import_fuel: u64,
    /// The length of the image in bytes, which is memory of each run that begins as it.
    pub(crate) length: u64,
}
