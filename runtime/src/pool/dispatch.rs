//! The start of runs in processes, and of further processes for them.

use super::child::Death;
use super::process::{Process, choose};
use super::silence::Silence;
use super::upkeep::in_task;
use super::{Pool, PoolState};
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Notify;

impl Pool {
    /// Starts one more process.
    pub(super) fn spawn(&self, state: &mut PoolState) {
        state.last_process += 1;
        let number = state.last_process;
        let (config, children) = (&self.inner.config, &self.inner.children);
        match children.spawn(&config.command, config.memory_budget, config.ready, children.guests()) {
            Ok(child) => {
                let now = Instant::now();
                let process = Process {
                    link: child.link.clone(),
                    kill: Arc::new(Notify::new()),
                    pid: child.pid,
                    up: false,
                    draining: false,
                    reserved: false,
                    may_favour: false,
                    lowered: false,
                    active: HashMap::new(),
                    started: 0,
                    bundles: VecDeque::new(),
                    images: VecDeque::new(),
                    since: now,
                    heard: now,
                    pinged: now,
                    idle_since: now,
                    culprit: None,
                    silence: Silence::watch(&child.link),
                };
                let kill = process.kill.clone();
                state.processes.insert(number, process);
                let weak = Arc::downgrade(&self.inner);
                let taking = weak.clone();
                tokio::spawn(async move {
                    // When the pool is dropped, its links close and the processes end.
                    let take = move |incoming| match taking.upgrade() {
                        Some(inner) => Pool { inner }.take(number, incoming),
                        None => Err("the pool is gone".to_owned()),
                    };
                    // A panic of the pool over a frame counts as the death of the process.
                    let death = in_task(child.live(kill, take)).await.unwrap_or_else(Death::of_panic);
                    if let Some(inner) = weak.upgrade() {
                        let pool = Pool { inner };
                        if catch_unwind(AssertUnwindSafe(|| pool.gone(number, &death))).is_err() {
                            pool.recover();
                        }
                    }
                });
            }
            Err(error) => self.failed_start(state, error.to_string()),
        }
    }

    /// Starts the queued runs that can start.
    pub(super) fn dispatch(&self, state: &mut PoolState) {
        // Runs before this one wait for an egress process; runs that need none overtake them.
        let mut at = 0;
        while let Some(entry) = state.queue.get(at) {
            if state.admitted.saturating_add(entry.job.limits.memory) > self.inner.config.memory_budget {
                return;
            }
            let alone = entry.lost >= 2;
            let Some(choice) = choose(&state.processes, alone, self.inner.cores, self.usual()) else {
                // A run that must be alone waits for an empty process; another process is started for it.
                if alone {
                    self.grow(state);
                }
                return;
            };
            let (number, job) = (entry.number, entry.job.clone());
            if choice.crowded {
                self.grow(state);
            }
            let Ok(pass) = self.pass(state, choice.process, number, &job) else {
                at += 1;
                continue;
            };
            let Some(entry) = state.queue.remove(at) else { return };
            state.admitted += job.limits.memory;
            if let Some(process) = state.processes.get_mut(&choice.process) {
                process.reserved = alone;
                process.start(entry, pass);
                process.favour();
            }
        }
    }

    /// Starts another process, when the configuration allows it and none is starting already.
    fn grow(&self, state: &mut PoolState) {
        let coming = state.processes.values().any(|process| !process.up);
        let may = state.starts.may(Instant::now());
        if may && !coming && !state.closing && state.processes.len() < self.inner.config.max_processes {
            self.spawn(state);
        }
    }

    /// Replaces a process that has run enough runs.
    pub(super) fn recycle(&self, state: &mut PoolState, number: u64) {
        let Some(process) = state.processes.get_mut(&number) else { return };
        if process.started >= self.inner.config.recycle_after && !process.draining && !state.closing {
            process.drain();
            self.replenish(state);
        }
    }
}
