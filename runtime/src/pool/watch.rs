//! The watchdog: it ends runs and processes that do not end by themselves, pings processes, and ends surplus ones.

use super::egress::{EgressProcess, NETWORK_USAGE_WITHIN};
use super::process::Process;
use super::settling::Settling;
use super::{Inner, Pool};
use crate::frame::{FrameKind, RunNumber};
use crate::outcome::Outcome;
use std::sync::Weak;
use std::time::{Duration, Instant};

/// The time after the time limit or the cancellation of a run after which its process is killed.
const OVERDUE: Duration = Duration::from_secs(2);
/// The time within which all parked runs that end at once have had their turn.
const TURNS: Duration = Duration::from_secs(60);
/// The time without an answer after which a process is killed.
const SILENT: Duration = Duration::from_secs(5);
/// The interval of pings.
const PING_EVERY: Duration = Duration::from_secs(1);
/// The interval of the watchdog.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// The time without a run after which a surplus process ends.
const LINGER: Duration = Duration::from_secs(10);
/// The time for a process to load the interpreter and say hello.
const START_WITHIN: Duration = Duration::from_secs(60);
/// Most bytes that a process has not read. Above it the process is killed.
const MAX_QUEUED: usize = 64 << 20;

/// Runs the watchdog until the pool is dropped.
pub(super) async fn watch(pool: Weak<Inner>) {
    let mut tick = tokio::time::interval(WATCH_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let late = tick.tick().await;
        let Some(inner) = pool.upgrade() else { return };
        // When the node itself was stopped (suspended, starved), its processes are not the cause of the delay.
        let asleep = late.elapsed() > WATCH_EVERY;
        if !asleep {
            Pool { inner }.watch(Instant::now());
        }
    }
}

impl Pool {
    fn watch(&self, now: Instant) {
        let mut state = self.lock();
        let usual = self.inner.config.processes.max(1);
        let mut surplus = state.processes.values().filter(|process| !process.draining).count().saturating_sub(usual);
        if let Some(egress) = &mut state.egress {
            egress.watch(now);
        }
        let needs_egress = |process: &Process| process.active.values().any(|active| active.token.is_some());
        if state.egress.is_none() && state.processes.values().any(needs_egress) {
            self.ensure_egress(&mut state);
        }
        let late = |settling: &Settling| now.duration_since(settling.since) > NETWORK_USAGE_WITHIN;
        let late: Vec<RunNumber> =
            state.settling.iter().filter(|(_, settling)| late(settling)).map(|(run, _)| *run).collect();
        for run in late {
            if let Some(settling) = state.settling.remove(&run) {
                settling.end(None);
                self.inner.changed.notify_waiters();
            }
        }
        for process in state.processes.values_mut() {
            // When a run holds the thread, that run is the cause, not the runs that do not end in time.
            let holder = process.holder(now);
            if let Some(overdue) = process.overdue(now) {
                process.culprit.get_or_insert(holder.unwrap_or(overdue));
                process.kill.notify_one();
            }
            let silent = now.duration_since(process.heard);
            let stuck = process.up && silent > SILENT || process.link.queued() > MAX_QUEUED;
            if let (true, None, Some(holder)) = (stuck, process.culprit, holder) {
                process.culprit = Some(holder);
            }
            if stuck || !process.up && now.duration_since(process.since) > START_WITHIN {
                process.kill.notify_one();
            }
            if process.up && now.duration_since(process.pinged) >= PING_EVERY {
                process.pinged = now;
                process.link.send(FrameKind::Ping, 0, &[0; 8]);
            }
            let idle = process.up && process.active.is_empty() && now.duration_since(process.idle_since) > LINGER;
            if surplus > 0 && idle && !process.draining {
                surplus -= 1;
                process.drain();
            }
        }
    }
}

impl EgressProcess {
    /// Pings the egress process, and kills it when it does not answer.
    fn watch(&mut self, now: Instant) {
        let up = self.hardening.is_some();
        let silent = now.duration_since(self.heard);
        if up && silent > SILENT || !up && silent > START_WITHIN || self.link.queued() > MAX_QUEUED {
            self.kill.notify_one();
        }
        if up && now.duration_since(self.pinged) >= PING_EVERY {
            self.pinged = now;
            self.link.send(FrameKind::Ping, 0, &[0; 8]);
        }
    }
}

impl Process {
    /// Returns a run that should have ended, and its outcome. Parked runs that end at once are taken down one after the
    /// other: as long as one of them ends now and then, the others are not late, for a while.
    fn overdue(&self, now: Instant) -> Option<(RunNumber, Outcome)> {
        self.active.iter().find_map(|(run, active)| {
            let is_overdue = |due: Instant| {
                let others = self.parked.last_end.filter(|_| active.parked.is_some());
                let since = others.map_or(due, |last| due.max(last.min(due + TURNS)));
                now.saturating_duration_since(since) > OVERDUE
            };
            if active.cancelled.is_some_and(is_overdue) {
                return Some((*run, Outcome::Cancelled));
            }
            is_overdue(active.due(now)).then_some((*run, Outcome::TimedOut))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::process::ActiveRun;
    use super::*;
    use crate::frame;

    #[tokio::test]
    async fn parked_runs_that_end_one_after_the_other_are_not_late() {
        let (ours, _theirs) = frame::pair().expect("a pair");
        let (link, _) = frame::connect(ours, false).expect("connects");
        let now = Instant::now();
        let mut process = Process::of_test(link, now);
        for run in 1..=3 {
            let active = ActiveRun { cancelled: Some(now), ..ActiveRun::of_test(run, 1 << 20, now) };
            process.active.insert(run, active);
        }
        let at = |seconds| now + Duration::from_secs(seconds);
        let is_late = |process: &Process, seconds| process.overdue(at(seconds)).is_some();
        assert!(!is_late(&process, 1) && is_late(&process, 3));
        // The end of a run that had its memory changes nothing.
        process.remove(1, at(2)).expect("it is active");
        assert!(is_late(&process, 3));
        // Nor does that of a parked one, for a run that has its memory.
        process.park_for_test(2);
        process.remove(2, at(2)).expect("it is active");
        assert!(is_late(&process, 3));
        process.park_for_test(3);
        assert!(!is_late(&process, 3) && is_late(&process, 5));
        // Not for ever.
        process.parked.last_end = Some(at(70));
        assert!(!is_late(&process, 61) && is_late(&process, 63));
        // A run whose time ends later is not late before that.
        process.remove(3, at(2)).expect("it is active");
        let later = ActiveRun::of_test(4, 1 << 20, at(10));
        let ends = 10 + later.entry.job.limits.wall.as_secs();
        process.active.insert(4, later);
        assert!(!is_late(&process, ends + 1));
        assert!(process.overdue(at(ends + 3)).is_some_and(|(run, outcome)| (run, outcome) == (4, Outcome::TimedOut)));
    }
}
