//! The attempts of a run.

use crate::clock::Time;
use std::time::Duration;

/// An attempt to run a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Counted from 1.
    pub number: i64,
    /// The id of the node that made it; none: no node has it now, and its end was not recorded.
    pub node: Option<String>,
    /// When it began.
    pub started_at: Time,
    /// When its end was recorded; none: it is running.
    pub finished_at: Option<Time>,
    /// A final status, `lost` (its node went away) or `handed_back` (its node was shut down); none: it is running.
    pub outcome: Option<String>,
    /// `Type: message`.
    pub error: Option<String>,
    /// What it used; none: unknown.
    pub usage: Option<AttemptUsage>,
}

/// What an attempt used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptUsage {
    /// Units of fuel.
    pub fuel: u64,
    /// Most bytes of memory and files together.
    pub memory: u64,
    /// Wall-clock time in the sandbox.
    pub wall: Duration,
}
