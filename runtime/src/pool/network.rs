//! The network of a pool's runs. The egress process starts with the first run that can use it, and receives the grants.

use super::child::Death;
use super::egress::EgressProcess;
use super::job::Job;
use super::upkeep::in_task;
use super::{Pool, PoolState};
use crate::egress::messages::{MAX_CONNECTIONS, MAX_HOSTS, MAX_NOTES, NetworkUsage, Token, Violation};
use crate::frame::{self, FrameKind, Hello, Incoming, NetworkPass, RunNumber};
use crate::outcome::Outcome;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

/// The reason why a run waits: it can connect, and there is no egress process for it.
pub(super) struct NoEgress;

impl Pool {
    /// Returns the pass of a run. Starts an egress process when there is none, and sends it the grant.
    pub(super) fn pass(
        &self,
        state: &mut PoolState,
        process: u64,
        run: RunNumber,
        job: &Job,
    ) -> Result<Option<NetworkPass>, NoEgress> {
        let Some(grant) = &job.network else { return Ok(None) };
        let policy = grant.policy.clone();
        // The sandbox process refuses by the policy; no connection is needed for that.
        if policy.allow.is_empty() || self.inner.config.egress.command.is_empty() {
            return Ok(Some(NetworkPass { token: None, policy }));
        }
        self.ensure_egress(state);
        let may = state.egress_starts.may(Instant::now());
        // A process that has not said hello cannot be used.
        let egress = state.egress.as_mut().filter(|egress| may && egress.hardening.is_some());
        let (Some(egress), Some(sandbox)) = (egress, state.processes.get(&process)) else {
            return Err(NoEgress);
        };
        let token =
            new_token().and_then(|token| egress.grant(process, &sandbox.link, run, token, grant).map(|()| token));
        match token {
            Ok(token) => {
                state.egress_starts.worked();
                Ok(Some(NetworkPass { token: Some(token), policy }))
            }
            Err(error) => {
                self.no_egress(state, format!("a run cannot be connected to it: {error}"));
                Err(NoEgress)
            }
        }
    }

    fn no_egress(&self, state: &mut PoolState, why: String) {
        tracing::warn!("no egress process can be started: {why}");
        state.egress_starts.failed(Instant::now(), why);
        self.inner.wanted.notify_one();
    }

    /// Starts an egress process when there is none, and sends it the grants of all active runs.
    pub(super) fn ensure_egress(&self, state: &mut PoolState) {
        if state.egress.is_some() || !state.egress_starts.may(Instant::now()) || state.closing {
            return;
        }
        state.last_egress += 1;
        let mut egress = match self.start_egress(state.last_egress) {
            Ok(egress) => egress,
            Err(error) => return self.no_egress(state, error.to_string()),
        };
        for (number, process) in &state.processes {
            for (run, active) in &process.active {
                if let (Some(token), Some(grant)) = (active.token, &active.entry.job.network)
                    && let Err(error) = egress.grant(*number, &process.link, *run, token, grant)
                {
                    tracing::warn!(%error, "a run cannot be connected to the new egress process");
                }
            }
        }
        state.egress = Some(egress);
    }

    fn start_egress(&self, number: u64) -> io::Result<EgressProcess> {
        let weak = Arc::downgrade(&self.inner);
        EgressProcess::start(&self.inner.config.egress, &self.inner.children, number, |child, kill| {
            tokio::spawn(async move {
                let taking = weak.clone();
                let take = move |incoming| match taking.upgrade() {
                    Some(inner) => Pool { inner }.take_of_egress(number, incoming),
                    None => Err("the pool is gone".to_owned()),
                };
                let death = in_task(child.live(kill, take)).await.unwrap_or_else(Death::of_panic);
                if let Some(inner) = weak.upgrade() {
                    let pool = Pool { inner };
                    if catch_unwind(AssertUnwindSafe(|| pool.egress_gone(number, &death))).is_err() {
                        pool.recover();
                    }
                }
            });
        })
    }

    /// Handles a frame from the egress process. An error is the reason to end the process.
    fn take_of_egress(&self, number: u64, incoming: Incoming) -> Result<(), String> {
        let mut state = self.lock();
        let state = &mut *state;
        let egress = state.egress.as_mut().filter(|egress| egress.number == number).ok_or("it was replaced")?;
        egress.heard = Instant::now();
        let Incoming { kind, run, payload, .. } = incoming;
        match kind {
            FrameKind::Hello => {
                let hello: Hello = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                if egress.hardening.is_some() || hello.protocol != frame::PROTOCOL || hello.build != crate::BUILD {
                    return Err("it is not of this build".into());
                }
                let missing: Vec<_> = hello.hardening.missing().map(|measure| measure.name.clone()).collect();
                if self.inner.config.require_hardening && !missing.is_empty() {
                    return Err(format!("it lacks hardening that was required: {}", missing.join(", ")));
                }
                egress.hardening = Some(hello.hardening);
                state.egress_starts.worked();
                state.sends.begin(&egress.link);
                self.dispatch(state);
            }
            FrameKind::OutboundAnswer => {
                let answer = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                state.sends.end(run, answer);
            }
            FrameKind::Pong => {}
            FrameKind::NetworkUsage => {
                let usage: NetworkUsage = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                // Usage of an earlier attempt is ignored.
                if state.settling.get(&run).is_some_and(|settling| settling.process == usage.link)
                    && let Some(settling) = state.settling.remove(&run)
                {
                    settling.end(Some(bounded(usage)));
                    self.inner.changed.notify_waiters();
                }
            }
            FrameKind::Violation => {
                let violation: Violation = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                egress.detached(violation.link);
                if let Some(process) = state.processes.get_mut(&violation.link) {
                    tracing::warn!(process.pid, "a sandbox process violated its protocol: {}", violation.why);
                    // The only active run is the cause.
                    let mut active = process.active.keys();
                    if let (Some(run), None) = (active.next(), active.next()) {
                        process.culprit.get_or_insert((*run, Outcome::Crashed));
                    }
                    process.kill.notify_one();
                }
            }
            _ => return Err("a frame for the other direction".into()),
        }
        Ok(())
    }

    /// Handles the end of the egress process: open connections have failed. The next run that needs one starts another,
    /// or the watchdog starts one for the active runs.
    fn egress_gone(&self, number: u64, death: &Death) {
        let mut state = self.lock();
        let state = &mut *state;
        if let Some(egress) = state.egress.take_if(|egress| egress.number == number) {
            for (_, settling) in state.settling.drain() {
                settling.end(None);
            }
            state.sends.lose(&death.to_string());
            if egress.hardening.is_none() && !state.closing {
                self.no_egress(state, death.to_string());
            } else if !state.closing {
                tracing::warn!("the egress process ended: {death}");
            }
            self.dispatch(state);
        }
        self.inner.changed.notify_waiters();
    }
}

/// Makes the secret with which a run asks for connections.
fn new_token() -> io::Result<Token> {
    let mut token: Token = [0; 16];
    rustix::rand::getrandom(&mut token, rustix::rand::GetRandomFlags::empty())?;
    Ok(token)
}

/// Returns usage cut to the size of a report.
fn bounded(mut usage: NetworkUsage) -> NetworkUsage {
    usage.hosts.truncate(MAX_HOSTS);
    usage.connections.truncate(MAX_CONNECTIONS);
    usage.notes.truncate(MAX_NOTES);
    usage
}
