//! The pauses between failed starts of processes. A failed start is tried again without end, after longer and longer
//! pauses: memory, descriptors or processes that are short become available again.

use std::time::{Duration, Instant};

/// The pause after the first failed start. It doubles up to the longest pause.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The failed starts of one kind of process.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// The number of failures in a row.
    failures: u32,
    /// The time of the first failure in a row, and the reason of the last one.
    failing: Option<(Instant, String)>,
    not_before: Option<Instant>,
}

impl Starts {
    pub(super) fn failed(&mut self, now: Instant, why: String) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        let since = self.failing.take().map_or(now, |(since, _)| since);
        self.failing = Some((since, why));
        self.not_before = Some(now + pause);
    }

    pub(super) fn worked(&mut self) {
        *self = Starts::default();
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Returns the time of the first failure in a row, and the reason of the last one.
    pub(super) fn failing(&self) -> Option<(Instant, &str)> {
        self.failing.as_ref().map(|(since, why)| (*since, why.as_str()))
    }

    /// Returns true when another start can be tried now.
    pub(super) fn may(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|time| now >= time)
    }

    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.not_before.map(|time| time.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }
}

/// The health of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Processes that are up.
    pub up: usize,
    /// Processes that are up in normal operation.
    pub usual: usize,
    /// The reason of the last failed start of a process, when no later start succeeded.
    pub failing: Option<String>,
    /// The reason why there is no egress process, when one is needed and could not be started.
    pub no_connections: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_that_fail_are_tried_less_and_less_often_and_for_ever() {
        let mut now = Instant::now();
        let first = now;
        let mut starts = Starts::default();
        assert!(starts.may(now) && starts.failing().is_none());
        let mut pauses = Vec::new();
        for _ in 0..100 {
            starts.failed(now, "no memory".into());
            assert!(!starts.may(now));
            let wait = starts.wait(now).expect("a pause");
            pauses.push(wait.as_millis());
            now += wait;
            assert!(starts.may(now) && starts.wait(now).is_none());
        }
        assert_eq!(pauses[..8], [50, 100, 200, 400, 800, 1_600, 3_200, 5_000]);
        assert!(pauses[8..].iter().all(|pause| *pause == 5_000));
        assert_eq!(starts.failing(), Some((first, "no memory")));
        starts.worked();
        assert!(starts.may(first) && starts.failing().is_none() && starts.failures() == 0);
    }
}
