//! The start of runs in processes, and of further processes for them.

use super::child::Death;
use super::process::Process;
use super::silence::Silence;
use super::upkeep::in_task;
use super::{Pool, PoolState};
use crate::engine;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Notify;

/// The process for the next run.
struct Choice {
    process: u64,
    /// True when another process would help new runs: few processes are without a busy run.
    crowded: bool,
}

/// Chooses the process for the next run. `usual` is the number of processes in normal operation.
fn choose(processes: &BTreeMap<u64, Process>, alone: bool, cores: usize, usual: usize) -> Option<Choice> {
    let open = || {
        processes.iter().filter(|(_, process)| {
            let has_room = process.present() < engine::SLOTS / 2 && process.active.len() < engine::RUNS;
            process.up && !process.draining && !process.reserved && has_room
        })
    };
    if alone {
        let empty = open().find(|(_, process)| process.active.is_empty());
        return empty.map(|(number, _)| Choice { process: *number, crowded: false });
    }
    let free = || open().filter(|(_, process)| !process.has_busy());
    if let Some((number, process)) = free().min_by_key(|(_, process)| (process.present(), process.active.len())) {
        let crowded = process.present() > 0 && free().count() < usual;
        return Some(Choice { process: *number, crowded });
    }
    // The processes with the fewest busy runs, one per core, take all new runs. New runs have priority over the busy
    // runs in their process, and the other processes, which have only busy runs, have a lower priority (see `favour`).
    let mut busy: Vec<_> = open().collect();
    busy.sort_by_key(|(number, process)| (process.busy(), **number));
    let least =
        busy.into_iter().take(cores).min_by_key(|(_, process)| process.present().saturating_sub(process.busy()));
    least.map(|(number, _)| Choice { process: *number, crowded: true })
}

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
                    parked: Default::default(),
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
        let budget = self.inner.config.memory_budget;
        // Runs that wake go before those that start.
        if state.admit_woken(budget) {
            return;
        }
        // Runs before this one wait for an egress process; runs that need none overtake them.
        let mut at = 0;
        while let Some(entry) = state.queue.get(at) {
            if !state.has_memory_for(entry.job.limits.memory, budget) {
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
