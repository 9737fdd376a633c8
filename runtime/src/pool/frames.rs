//! Handling the frames of a sandbox process.

use super::settling::Settling;
use super::{Pool, PoolState};
use crate::frame::{self, Call, FrameKind, Hello, Incoming, Out, ParkedMemory, RunNumber, RunUsage};
use crate::harden;
use std::time::Instant;

impl Pool {
    /// Handles a frame from a process. An error is the reason to end the process.
    pub(super) fn take(&self, number: u64, incoming: Incoming) -> Result<(), String> {
        let mut state = self.lock();
        let state = &mut *state;
        let process = state.processes.get_mut(&number).ok_or("it is not in the pool any more")?;
        let now = Instant::now();
        process.heard = now;
        let Incoming { kind, run, payload, .. } = incoming;
        match kind {
            FrameKind::Hello => {
                let hello: Hello = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                let guests = self.inner.children.guests().len();
                let is_ours = hello.protocol == frame::PROTOCOL && hello.build == crate::BUILD;
                if process.up || !is_ours || hello.guests.len() != guests {
                    return Err("it is not of this build".into());
                }
                process.up = true;
                process.idle_since = now;
                process.may_favour = harden::can_change_priority(process.pid);
                state.starts.worked();
                state.note_up(now);
                state.guest_memory = hello.guests.iter().map(|guest| guest.memory).collect();
                state.hardening = Some(hello.hardening);
                for (at, guest) in hello.guests.into_iter().enumerate() {
                    if let Some(hot) = guest.hot {
                        self.inner.children.note_hot(at, hot);
                    }
                }
                self.inner.changed.notify_waiters();
                self.replenish(state);
                self.dispatch(state);
            }
            FrameKind::Pong => {}
            FrameKind::Out => {
                let out = Out::decode(&payload).map_err(|error| error.to_string())?;
                let active = process.active.get_mut(&run).ok_or("output of a run that is not active")?;
                let bytes = payload.slice(Out::HEAD..);
                active.output(&process.link, out, bytes)?;
            }
            FrameKind::Usage => {
                let usage: RunUsage = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                process.active.get_mut(&run).ok_or("usage of a run that is not active")?.busy = usage.busy;
                process.favour();
                // A process without busy runs can take a run; when all processes are busy, another one is started.
                self.dispatch(state);
            }
            FrameKind::Call => {
                let call: Call = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                process.active.get_mut(&run).ok_or("a call of a run that is not active")?.call(call)?;
            }
            FrameKind::File => {
                let part = frame::FilePart::decode(&payload).map_err(|error| error.to_string())?;
                process.active.get_mut(&run).ok_or("a file of a run that is not active")?.file(&part)?;
            }
            FrameKind::Parked => {
                let memory: ParkedMemory = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                state.park(number, run, memory.bytes, self.inner.config.memory_budget)?;
                self.dispatch(state);
            }
            FrameKind::Wake => {
                process.wants_to_wake(run, now)?;
                self.dispatch(state);
            }
            FrameKind::Done => {
                self.ended(state, number, run, &payload, now)?;
            }
            _ => return Err("a frame for the other direction".into()),
        }
        Ok(())
    }

    /// A run of a process has ended.
    fn ended(
        &self,
        state: &mut PoolState,
        number: u64,
        run: RunNumber,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), String> {
        let (done, result) = frame::Done::decode(payload).map_err(|error| error.to_string())?;
        let process = state.processes.get_mut(&number).ok_or("it is not in the pool any more")?;
        let active = process.remove(run, now).ok_or("the end of a run that is not active")?;
        let report = active.report(done, result)?;
        process.reserved = false;
        process.idle_since = now;
        process.favour();
        state.release(&active);
        if let Some(script) = active.entry.script {
            self.want_image(script, &active.entry.job);
        }
        match (&state.egress, &active.entry.job.network) {
            (Some(egress), Some(grant)) if !grant.policy.allow.is_empty() => {
                egress.revoke(number, run);
                let settling = Settling { process: number, entry: active.entry, report, since: now };
                state.settling.insert(run, settling);
            }
            _ => active.entry.end(report),
        }
        self.recycle(state, number);
        self.dispatch(state);
        Ok(())
    }
}
