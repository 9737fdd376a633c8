//! Symbolic links, and how the end of a path is followed.

use super::quota::{Charge, NODE_COST};
use super::shared::{Result, Times};
use std::sync::Mutex;

/// A symbolic link.
pub(crate) struct Link {
    pub(super) id: u64,
    pub(super) target: String,
    pub(super) times: Mutex<Times>,
    _charge: Charge,
}

impl Link {
    /// Makes a link. It takes the memory of a node and of its target.
    pub(super) fn new(id: u64, target: &str, charge: Charge, times: Times) -> Result<Self> {
        charge.resize(NODE_COST + target.len() as u64)?;
        Ok(Link { id, target: target.to_owned(), times: Mutex::new(times), _charge: charge })
    }
}

/// When a link that is the last name of a path is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    Always,
    /// When a slash follows the name, as in POSIX for `lstat`.
    BeforeSlash,
    Never,
}

/// The last name of a path.
pub(super) struct Last {
    pub(super) name: String,
    /// True when a slash follows the name.
    pub(super) must_be_directory: bool,
}
