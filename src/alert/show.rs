//! Conditions, printed: as they are written, and in words.

use super::condition::{Condition, Cost, Failing, Test};
use super::span;
use crate::quantity::written;
use std::fmt;

/// The word for the whole of a result.
pub(super) const WHOLE: &str = "result";

/// A place in a result, as it is written in a condition.
pub(super) fn place(pointer: &str) -> String {
    if pointer.is_empty() {
        WHOLE.to_owned()
    } else if pointer.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"') {
        serde_json::Value::from(pointer).to_string()
    } else {
        pointer.to_owned()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Failed(Failing::InARow(1)) => f.write_str("failed"),
            Condition::Failed(Failing::InARow(count)) => write!(f, "failed {count}"),
            Condition::Failed(Failing::As(outcome)) => write!(f, "failed {outcome}"),
            Condition::Recovered => f.write_str("recovered"),
            Condition::Missed => f.write_str("missed"),
            Condition::Skipped => f.write_str("skipped"),
            Condition::Late(time) => write!(f, "late {}", written(*time)),
            Condition::Running(time) => write!(f, "running {}", written(*time)),
            Condition::Stale(time) => write!(f, "stale {}", written(*time)),
            Condition::Queued(time) => write!(f, "queued {}", written(*time)),
            Condition::Cost(cost, times) => write!(f, "{} {times}x", cost.as_str()),
            Condition::Result(pointer, test) => write!(f, "{} {test}", place(pointer)),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Test::Greater(number) => write!(f, "> {}", number.get()),
            Test::Less(number) => write!(f, "< {}", number.get()),
            Test::Equal(value) => write!(f, "= {}", value.get()),
            Test::Unequal(value) => write!(f, "!= {}", value.get()),
            Test::Changed(None) => f.write_str("changed"),
            Test::Changed(Some(percent)) => write!(f, "changed {percent}%"),
            Test::Outside(least, most) => write!(f, "outside {}..{}", least.get(), most.get()),
            Test::Missing => f.write_str("missing"),
            Test::Outlier(times) => write!(f, "outlier {times}"),
        }
    }
}

impl Condition {
    /// For people: what happens when the alert fires.
    pub fn words(&self) -> String {
        match self {
            Condition::Failed(Failing::InARow(1)) => "a run does not succeed".into(),
            Condition::Failed(Failing::InARow(count)) => format!("{count} runs in a row do not succeed"),
            Condition::Failed(Failing::As(outcome)) => format!("a run ends with the outcome {outcome}"),
            Condition::Recovered => "a run succeeds after one that did not".into(),
            Condition::Missed => "a fire time is missed".into(),
            Condition::Skipped => "a run is skipped".into(),
            Condition::Late(time) => format!("a run has not started {} after its fire time", span::words(*time)),
            Condition::Running(time) => format!("a run is still running after {}", span::words(*time)),
            Condition::Stale(time) => format!("no run has succeeded for {}", span::words(*time)),
            Condition::Queued(time) => format!("a run has waited in the queue for {}", span::words(*time)),
            Condition::Cost(cost, times) => {
                let what = match cost {
                    Cost::Fuel => "uses more fuel",
                    Cost::Memory => "uses more memory",
                    Cost::Duration => "takes more time",
                };
                format!("a run {what} than {times} times the median of the last 20 runs that succeeded")
            }
            Condition::Result(pointer, test) => {
                let what = if pointer.is_empty() {
                    "the result".to_owned()
                } else {
                    format!("{} of the result", place(pointer))
                };
                format!("{what} {}", test.words())
            }
        }
    }
}

impl Test {
    fn words(&self) -> String {
        match self {
            Test::Greater(number) => format!("is greater than {}", number.get()),
            Test::Less(number) => format!("is less than {}", number.get()),
            Test::Equal(value) => format!("is {}", value.get()),
            Test::Unequal(value) => format!("is not {}", value.get()),
            Test::Changed(None) => "differs from that of the run before".into(),
            Test::Changed(Some(percent)) => format!("differs by more than {percent}% from that of the run before"),
            Test::Outside(least, most) => format!("is less than {} or greater than {}", least.get(), most.get()),
            Test::Missing => "is missing or null".into(),
            Test::Outlier(times) => {
                format!("is further from the median of the last 20 than {times} times their usual distance from it")
            }
        }
    }
}
