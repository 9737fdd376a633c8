//! Conditions: what has to be so for an alert to fire.

use crate::exact::Exact;
use crate::run::Status;
use std::time::Duration;

/// What is watched.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Runs that do not succeed.
    Failed(Failing),
    /// The first success after a failure.
    Recovered,
    /// A fire time for which it was too late.
    Missed,
    /// A fire time, or a link of a chain, for which a policy made no run.
    Skipped,
    /// A run that has not started so long after its fire time.
    Late(Duration),
    /// A run that still runs after so long.
    Running(Duration),
    /// No success for so long.
    Stale(Duration),
    /// A run that has waited in the queue for so long.
    Queued(Duration),
    /// What a run costs against the median of the last successes: more than so many times as much.
    Cost(Cost, f64),
    /// What a run returned: where it is (a JSON Pointer), and the test that makes the alert fire.
    Result(String, Test),
}

/// Which runs that do not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// So many in a row, whatever their outcome.
    InARow(u32),
    /// Each with this outcome.
    As(Status),
}

/// What a run costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Units of fuel.
    Fuel,
    /// Most bytes in use.
    Memory,
    /// Wall-clock time.
    Duration,
}

/// What the value of a result is tested for.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It is greater than this number.
    Greater(Exact),
    /// It is less than this number.
    Less(Exact),
    /// It is this value.
    Equal(Exact),
    /// It is another value.
    Unequal(Exact),
    /// It differs from the one before; with a number, by more than so many percent of it.
    Changed(Option<f64>),
    /// It is less than the first number, or greater than the second.
    Outside(Exact, Exact),
    /// It is not there, or null.
    Missing,
    /// It is further from the median than so many times the usual distance from it.
    Outlier(f64),
}

impl Cost {
    /// All.
    pub const ALL: [Cost; 3] = [Cost::Fuel, Cost::Memory, Cost::Duration];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Cost::Fuel => "fuel",
            Cost::Memory => "memory",
            Cost::Duration => "duration",
        }
    }
}

/// The outcomes that `failed` can name.
pub(super) const FAILURES: [Status; 7] = [
    Status::Failed,
    Status::TimedOut,
    Status::OutOfFuel,
    Status::OutOfMemory,
    Status::Crashed,
    Status::Cancelled,
    Status::Abandoned,
];

impl Condition {
    /// The time after which it becomes true without anything happening; none when only what happens makes it true.
    pub fn after(&self) -> Option<Duration> {
        match self {
            Condition::Late(time) | Condition::Running(time) | Condition::Stale(time) | Condition::Queued(time) => {
                Some(*time)
            }
            _ => None,
        }
    }

    /// Whether it becomes true when a fire time is missed or skipped.
    pub fn is_about_unstarted(&self) -> bool {
        matches!(self, Condition::Missed | Condition::Skipped)
    }

    /// Whether earlier runs are needed to decide about one.
    pub fn needs_history(&self) -> bool {
        matches!(self, Condition::Cost(..) | Condition::Result(_, Test::Changed(_) | Test::Outlier(_)))
    }
}
