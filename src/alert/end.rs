//! What the end of a run says about a condition.

use super::condition::{Condition, Cost, FAILURES, Failing, Test};
use super::memory::Memory;
use super::result::passes;
use super::state::Seen;
use crate::clock::Time;
use crate::exact::pointer;
use crate::run::Status;
use std::time::Duration;

/// How a run ended; or a fire time that was missed or skipped.
#[derive(Clone, Debug)]
pub struct End<'e> {
    /// Its outcome.
    pub status: Status,
    /// When.
    pub at: Time,
    /// What it returned, as JSON; none when it returned nothing, or when that is not known here.
    pub result: Option<&'e str>,
    /// Units of fuel.
    pub fuel: Option<u64>,
    /// Most bytes in use.
    pub memory: Option<u64>,
    /// Wall-clock time of its last attempt.
    pub wall: Option<Duration>,
}

impl<'e> End<'e> {
    /// An end of which nothing is known but how it was, and when.
    pub fn new(status: Status, at: Time) -> End<'e> {
        End { status, at, result: None, fuel: None, memory: None, wall: None }
    }

    fn cost(&self, cost: Cost) -> Option<u64> {
        match cost {
            Cost::Fuel => self.fuel,
            Cost::Memory => self.memory,
            Cost::Duration => self.wall.map(|wall| u64::try_from(wall.as_micros()).unwrap_or(u64::MAX)),
        }
    }
}

/// What an end says about a condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Whether the condition is true.
    pub seen: Seen,
    /// What is remembered from now on.
    pub memory: Memory,
    /// The values that were compared.
    pub values: Option<Values>,
}

/// The values that were compared, as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// What was before, or the median.
    pub before: Option<String>,
    /// What is now.
    pub now: Option<String>,
}

/// What is remembered of these ends, oldest first.
pub fn remember<'e>(condition: &Condition, ends: impl IntoIterator<Item = End<'e>>) -> Memory {
    ends.into_iter().fold(Memory::default(), |memory, end| judge(condition, &end, &memory).memory)
}

/// Judges the end of a run by a condition and what is remembered.
pub fn judge(condition: &Condition, end: &End<'_>, memory: &Memory) -> Judgement {
    let is_success = end.status == Status::Succeeded;
    let is_failure = FAILURES.contains(&end.status);
    let mut after = memory.clone();
    let mut values = None;
    let when = |is_true: bool| match (is_true, is_success) {
        (true, _) => Seen::True,
        (false, true) => Seen::False,
        (false, false) => Seen::Nothing,
    };
    let seen = match condition {
        Condition::Failed(Failing::InARow(most)) => {
            if is_success {
                after.failures = 0;
            } else if is_failure {
                // Counted no further: it is kept with each run.
                after.failures = memory.failures.saturating_add(1).min(*most);
            }
            when(is_failure && after.failures >= *most)
        }
        Condition::Failed(Failing::As(outcome)) => when(end.status == *outcome),
        Condition::Recovered => when(is_failure),
        Condition::Missed => when(end.status == Status::Missed),
        Condition::Skipped => when(end.status == Status::Skipped),
        Condition::Stale(_) => {
            if is_success {
                after.succeeded_at = Some(memory.succeeded_at.map_or(end.at, |before| before.max(end.at)));
            }
            when(false)
        }
        // Whether there are others is looked at.
        Condition::Late(_) | Condition::Running(_) | Condition::Queued(_) => Seen::Nothing,
        Condition::Cost(cost, times) => {
            let (seen, compared) = cost_of(condition, (*cost, *times), end, &mut after);
            values = compared;
            seen
        }
        Condition::Result(place, test) => {
            let (seen, compared) = result_of(condition, (place, test), end, &mut after);
            values = compared;
            seen
        }
    };
    Judgement { seen, memory: after, values }
}

fn cost_of(
    condition: &Condition,
    (cost, times): (Cost, f64),
    end: &End<'_>,
    memory: &mut Memory,
) -> (Seen, Option<Values>) {
    // What never began cost nothing.
    let Some(now) = end.cost(cost).filter(|_| end.status != Status::Missed && end.status != Status::Skipped) else {
        return (Seen::Nothing, None);
    };
    let is_success = end.status == Status::Succeeded;
    let median = memory.median().map(|(median, _)| median);
    let values =
        Values { before: median.map(|median| (median.round() as u64).to_string()), now: Some(now.to_string()) };
    if is_success {
        memory.add(condition, &now.to_string());
    }
    let Some(median) = median else { return (Seen::Nothing, None) };
    match (now as f64 > times * median, is_success) {
        (true, _) => (Seen::True, Some(values)),
        (false, true) => (Seen::False, Some(values)),
        // It may have ended too early to cost much.
        (false, false) => (Seen::Nothing, None),
    }
}

fn result_of(
    condition: &Condition,
    (place, test): (&str, &Test),
    end: &End<'_>,
    memory: &mut Memory,
) -> (Seen, Option<Values>) {
    if end.status != Status::Succeeded {
        return (Seen::Nothing, None);
    }
    let found = end.result.and_then(|result| pointer(result, place)).filter(|value| *value != "null");
    let passed = passes(test, found, memory);
    let before = match test {
        Test::Outlier(_) => memory.median().map(|(median, _)| median.to_string()),
        Test::Changed(_) => memory.last().map(str::to_owned),
        _ => None,
    };
    if let (Some(value), true) = (found, condition.needs_history()) {
        memory.add(condition, value);
    }
    let values = Values { before, now: found.map(str::to_owned) };
    match passed {
        Some(true) => (Seen::True, Some(values)),
        Some(false) => (Seen::False, Some(values)),
        None => (Seen::Nothing, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;

    fn end(status: Status) -> End<'static> {
        End { fuel: Some(10), ..End::new(status, from_micros(1_000_000)) }
    }

    /// What each of these ends says, one after another.
    fn seen<'e>(text: &str, ends: impl IntoIterator<Item = End<'e>>) -> Vec<Seen> {
        let condition: Condition = text.parse().expect(text);
        let mut memory = Memory::default();
        let mut judged = |end: End<'e>| {
            let judgement = judge(&condition, &end, &memory);
            memory = judgement.memory;
            judgement.seen
        };
        ends.into_iter().map(&mut judged).collect()
    }

    #[test]
    fn outcomes() {
        use Seen::{False as F, Nothing as N, True as T};
        use Status::{Cancelled, Crashed, Failed, Missed, Skipped, Succeeded, TimedOut};
        let all = [Failed, TimedOut, Missed, Skipped, Crashed, Succeeded, Cancelled, Failed];
        for (text, expected) in [
            ("failed", [T, T, N, N, T, F, T, T]),
            ("failed 2", [N, T, N, N, T, F, N, T]),
            ("failed 3", [N, N, N, N, T, F, N, N]),
            ("failed timed_out", [N, T, N, N, N, F, N, N]),
            ("recovered", [T, T, N, N, T, F, T, T]),
            ("missed", [N, N, T, N, N, F, N, N]),
            ("skipped", [N, N, N, T, N, F, N, N]),
            ("stale 1h", [N, N, N, N, N, F, N, N]),
            ("running 1h", [N, N, N, N, N, N, N, N]),
            ("/a missing", [N, N, N, N, N, T, N, N]),
        ] {
            assert_eq!(seen(text, all.map(end)), expected, "{text}");
        }
    }

    #[test]
    fn costs() {
        use Seen::{False as F, Nothing as N, True as T};
        use Status::{OutOfFuel, Succeeded, TimedOut};
        let cost = |status, fuel| End { fuel: Some(fuel), ..end(status) };
        let ends = [
            cost(Succeeded, 100),
            cost(Succeeded, 110),
            cost(Succeeded, 90),
            cost(Succeeded, 300),
            cost(Succeeded, 316),
            // The median is 110 by now.
            cost(OutOfFuel, 331),
            cost(TimedOut, 5),
            cost(Succeeded, 100),
            End { fuel: None, ..end(Status::Crashed) },
        ];
        assert_eq!(seen("fuel 3x", ends), [N, N, N, F, T, T, N, F, N]);
    }

    #[test]
    fn values_over_several_runs() {
        use Seen::{False as F, Nothing as N, True as T};
        let results = ["{\"a\":100}", "{\"a\":104}", "{\"a\":110}", "{\"a\":null}", "{\"b\":1}", "{\"a\":111}"];
        let ends = |status| results.map(|result| End { result: Some(result), ..end(status) });
        assert_eq!(seen("/a changed 5%", ends(Status::Succeeded)), [N, F, T, N, N, F]);
        assert_eq!(seen("/a missing", ends(Status::Succeeded)), [F, F, F, T, T, F]);
        assert_eq!(seen("/a > 105", ends(Status::Succeeded)), [F, F, T, N, N, T]);
        assert_eq!(seen("/a > 105", ends(Status::Failed)), [N; 6]);
        let condition: Condition = "/a changed".parse().expect("a condition");
        let first = judge(&condition, &End { result: Some(results[0]), ..end(Status::Succeeded) }, &Memory::default());
        let second = judge(&condition, &End { result: Some(results[1]), ..end(Status::Succeeded) }, &first.memory);
        assert_eq!(second.values, Some(Values { before: Some("100".into()), now: Some("104".into()) }));
    }

    #[test]
    fn what_is_remembered_can_be_had_from_earlier_runs() {
        let condition: Condition = "failed 3".parse().expect("a condition");
        let ends = [Status::Failed, Status::Succeeded, Status::Failed, Status::Crashed].map(end);
        assert_eq!(remember(&condition, ends).failures, 2);
    }
}
