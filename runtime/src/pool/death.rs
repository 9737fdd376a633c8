//! The death of a sandbox process: its runs end, or start again in another one.

use super::Pool;
use super::child::Death;
use super::event::Event;
use super::held_thread::{MAX_MOVED, report_of_culprit};
use super::job::OnLost;
use crate::outcome::{Outcome, Report};
use std::time::Instant;

/// The number of dead processes after which a run is not started again.
const MAX_LOST: u32 = 3;

impl Pool {
    /// Handles the end of a process: its runs end, or start again.
    pub(super) fn gone(&self, number: u64, death: &Death) {
        let mut state = self.lock();
        let state = &mut *state;
        let Some(process) = state.processes.remove(&number) else { return };
        let alone = process.active.len() == 1;
        if let Some(egress) = &mut state.egress {
            egress.detached(number);
            for (run, _) in process.active.iter().filter(|(_, active)| active.entry.job.network.is_some()) {
                egress.revoke(number, *run);
            }
        }
        for (run, active) in process.active {
            state.release(&active);
            let mut entry = active.entry;
            let moves = process.culprit.is_some() && entry.moved < MAX_MOVED;
            let fate = match process.culprit {
                Some((culprit, outcome)) if culprit == run => Some(report_of_culprit(outcome)),
                _ if active.cancelled.is_some() => Some(Report::ended(Outcome::Cancelled)),
                // A script cannot cause a SIGKILL of the kernel or an operator. Every other death of a process with one
                // active run is caused by that run.
                None if alone && !death.killed => Some(Report::crashed(format!("the sandbox process died: {death}"))),
                _ if entry.job.on_lost == OnLost::Report || state.closing || !moves && entry.lost + 1 >= MAX_LOST => {
                    Some(Report::crashed(format!("the sandbox process died: {death}")))
                }
                _ => None,
            };
            match fate {
                Some(mut report) => {
                    report.usage.wall = active.began.elapsed();
                    report.lost_attempts = entry.lost;
                    entry.end(report);
                }
                None => {
                    *if moves { &mut entry.moved } else { &mut entry.lost } += 1;
                    entry.since = Instant::now();
                    entry.tell(Event::Restarted);
                    state.queue.push_front(entry);
                }
            }
        }
        state.note_up(Instant::now());
        if !process.up && !state.closing {
            self.failed_start(state, death.to_string());
        }
        self.replenish(state);
        self.dispatch(state);
        self.inner.changed.notify_waiters();
    }
}
