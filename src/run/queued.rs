//! Runs in the queue: who takes them, what they wait for, and how they leave it.

use super::Status;
use crate::clock::Time;

/// Who takes a run at once, when nothing goes before it.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The node.
    pub node: String,
    /// The attempt's token.
    pub token: String,
}

/// What a run stands before beside its script's limit: others of its schedule or backfill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Whose: a schedule's key, or a backfill's id.
    pub name: String,
    /// How many may pass at once; none: it passes, and is only counted.
    pub most: Option<u32>,
}

/// Runs that make room for others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Displaced {
    /// Ended before they began.
    pub cancelled: Vec<String>,
    /// To be stopped.
    pub stopping: Vec<String>,
}

/// What became of a wish to cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It had not begun, and will not.
    Done,
    /// It is under way on this node, which was told through the database.
    Asked(String),
    /// It had ended so already.
    Final(Status),
    /// There is no such run.
    Unknown,
}

/// How the reason begins of a run that is put off because its source cannot be fetched, and because its arguments cannot be.
pub const BLOBS_AWAY: [&str; 2] = ["its source cannot be fetched", "its arguments cannot be fetched"];

/// Why a node gives up a run it has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// It is going down and had no time left.
    HandedBack,
    /// It died. Its name, where that is known.
    Lost(Option<String>),
    /// What the run needs cannot be had now: nothing of it was started.
    Postponed {
        /// When to try again.
        until: Time,
        /// A sentence.
        reason: String,
    },
}
