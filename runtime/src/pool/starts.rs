//! Starting processes, and starting them again: a start that fails is tried again for ever, less and less often. What
//! was short (memory, descriptors, processes) comes back, and nothing but time is needed then.

use std::time::{Duration, Instant};

/// The time after a start that failed, and the longest, to which it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How starts of one kind of process go.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// In a row.
    failures: u32,
    /// Since when they fail, and why the last one did.
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

    /// Since when starts fail, and why the last one did.
    pub(super) fn failing(&self) -> Option<(Instant, &str)> {
        self.failing.as_ref().map(|(since, why)| (*since, why.as_str()))
    }

    /// Whether another may be tried now.
    pub(super) fn may(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|time| now >= time)
    }

    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.not_before.map(|time| time.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }
}

/// Whether a pool can take runs, for whoever watches a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Processes that are up.
    pub up: usize,
    /// Processes that are to be up when nothing is to do.
    pub usual: usize,
    /// Why the last start of a process failed, when no start has worked since.
    pub failing: Option<String>,
    /// Why there is no egress process, when one was needed and could not be started.
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
