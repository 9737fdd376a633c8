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
    /// Returns a run that should have ended, and its outcome.
    fn overdue(&self, now: Instant) -> Option<(RunNumber, Outcome)> {
        self.active.iter().find_map(|(run, active)| {
            if active.cancelled.is_some_and(|cancelled| now.duration_since(cancelled) > OVERDUE) {
                return Some((*run, Outcome::Cancelled));
            }
            let late = now.duration_since(active.began) > active.entry.job.limits.wall + OVERDUE;
            late.then_some((*run, Outcome::TimedOut))
        })
    }
}
