//! A version of a script to be published, with the schedules that it brings, and what becomes of it.

use crate::alert::NewAlert;
use crate::precondition::Precondition;
use crate::requirement::Packages;
use crate::schedule::NewSchedule;
use crate::script::{Facts, Functions, Script, Settings};

/// A version to be kept.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// The script's name as it was written this time.
    pub name: String,
    /// By which the script is found.
    pub key: String,
    /// Of the content.
    pub sha256: String,
    /// Where the content is; the blob is there already.
    pub blob: String,
    /// The source's path.
    pub main: String,
    /// Bytes of all files.
    pub size: u64,
    /// What the source says about itself.
    pub table: Settings,
    /// What the check found.
    pub facts: Facts,
    /// What a run can call; none when it was not checked.
    pub functions: Option<Functions>,
    /// The blob of its code object, and the interpreter that made it; the blob is there already.
    pub code: Option<(String, String)>,
    /// Its packages; their blob is there already.
    pub packages: Option<Packages>,
    /// What the request sets, if it sets anything.
    pub settings: Option<Settings>,
    /// Where it is read from from now on; none: it is no linked script, or no longer.
    pub link: Option<String>,
    /// Whether there must be no script of this name yet.
    pub only_new: bool,
    /// What the script must still be.
    pub precondition: Precondition,
    /// The schedules that it brings along: those that an earlier version brought and this one does not go.
    pub schedules: Vec<NewSchedule>,
    /// The alerts of its block: those of an earlier version's that this one has not go.
    pub alerts: Vec<NewAlert>,
}

/// What became of a version that was to be kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The script as it is now.
    pub script: Script,
    /// Whether its content is new, and so has a new number.
    pub is_new: bool,
}

/// What became of a wish to delete a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone; these runs of it were waiting and are cancelled, these are running and were asked to stop.
    Done {
        /// Ended without having begun.
        cancelled: Vec<String>,
        /// Under way.
        running: Vec<String>,
    },
    /// These schedules start it; it stays.
    HasSchedules(Vec<String>),
    /// There is none.
    Unknown,
}

/// Which scripts a list is to show.
#[derive(Clone, Debug, Default)]
pub struct ScriptFilter {
    /// Only with this label, `key=value`.
    pub label: Option<(String, String)>,
    /// Only those with each of these words in name, title or labels; in lower case.
    pub words: Vec<String>,
    /// Only those whose key comes after this one.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

impl ScriptFilter {
    /// Every script.
    pub fn all() -> Self {
        // One more than the limit is asked for.
        ScriptFilter { limit: usize::MAX >> 1, ..Self::default() }
    }
}
