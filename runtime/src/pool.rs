//! The pool of sandbox processes, as the node sees it: who runs where, who waits, and what happens when a process dies.
//!
//! A run is admitted while the memory limits of all admitted runs stay within the budget, and goes to the process with
//! the fewest runs among those that have no busy one. When busy runs occupy so many processes that newcomers queue in
//! fewer than usual, the pool grows (up to [`PoolConfig::max_processes`]); when they occupy all, the run starts at once
//! in the least loaded process, where it takes its turns before the busy ones. A process that dies takes no run with
//! it: those active, except the culprit when there is one, start again; a run that was active in two processes that
//! died runs alone the third time. Processes that cannot be started are tried again for ever (see [`starts`]); until
//! one is up, runs wait, at most as long as they may take themselves.

mod child;
mod config;
mod death;
mod dispatch;
mod egress;
mod event;
mod frames;
mod held_thread;
mod job;
mod network;
mod process;
mod redact;
mod run;
mod settling;
mod silence;
mod starts;
pub mod testing;
mod upkeep;
mod watch;

pub use config::{PoolConfig, PoolError};
pub use egress::EgressConfig;
pub use event::{Event, HostCall};
pub use job::{Job, JobError, OnLost};
pub use run::{Run, RunOutput};
pub use starts::Health;

use crate::frame::{self, FrameKind, Reply, RunNumber, Stream};
use crate::harden::Hardening;
use crate::interpreter::CompiledInterpreter;
use crate::limits::MAX_ARGS;
use crate::machine;
use crate::outcome::{Outcome, Report};
use child::Children;
use egress::EgressProcess;
use job::check_args;
use process::{Process, RunEntry};
use redact::RedactedEvents;
use run::CallRate;
use settling::Settling;
use starts::Starts;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;
use tokio::sync::{Notify, mpsc};
use upkeep::{keep_up, supervise};
use watch::watch;

/// As many processes in a row that did not even start, when the pool begins, mean that there will be none.
const MAX_FAILED_STARTS: u32 = 3;

/// How many runs a pool has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Waiting for memory or for a process.
    pub queued: usize,
    /// In a process.
    pub active: usize,
    /// Those of them that compute and do not wait.
    pub busy: usize,
}

/// The pool. Clones are the same pool; the processes end with the last.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    config: PoolConfig,
    /// Asked once: the answer comes from files of the control group, too slow for every run.
    cores: usize,
    children: Children,
    state: Mutex<PoolState>,
    /// Something changed that somebody may wait for: the first hello, a failed start, an empty pool.
    changed: Notify,
    /// Something is missing: whoever keeps processes up looks at once.
    wanted: Arc<Notify>,
    /// The watchdog, and what keeps processes up.
    tasks: Mutex<Vec<tokio::task::AbortHandle>>,
}

#[derive(Default)]
struct PoolState {
    processes: BTreeMap<u64, Process>,
    queue: VecDeque<RunEntry>,
    admitted: u64,
    last_process: u64,
    last_run: RunNumber,
    starts: Starts,
    /// Since when no process is up.
    down_since: Option<Instant>,
    hardening: Option<Hardening>,
    interpreter_memory: u64,
    closing: bool,
    egress: Option<EgressProcess>,
    last_egress: u64,
    egress_starts: Starts,
    settling: HashMap<RunNumber, Settling>,
}

impl Pool {
    /// Starts the processes and waits until the first has said hello.
    pub async fn start(config: PoolConfig, interpreter: Arc<CompiledInterpreter>) -> Result<Self, PoolError> {
        let children = Children::new(interpreter)?;
        let inner = Arc::new(Inner {
            config,
            cores: machine::cores(),
            children,
            state: Mutex::default(),
            changed: Notify::new(),
            wanted: Arc::default(),
            tasks: Mutex::default(),
        });
        let pool = Pool { inner };
        {
            let mut state = pool.lock();
            state.note_up(Instant::now());
            pool.replenish(&mut state);
        }
        pool.keep(|weak, wanted| {
            supervise("keeper of processes", weak.clone(), move || keep_up(weak.clone(), wanted.clone()))
        });
        loop {
            let changed = pool.inner.changed.notified();
            {
                let state = pool.lock();
                if let Some(hardening) = &state.hardening {
                    let missing: Vec<_> = hardening.missing().map(|measure| measure.name.as_str()).collect();
                    if pool.inner.config.require_hardening && !missing.is_empty() {
                        return Err(PoolError::Hardening(missing.join(", ")));
                    }
                    break;
                }
                // Only here: a pool that has begun goes on trying.
                if let Some((_, why)) = state.starts.failing()
                    && state.starts.failures() >= MAX_FAILED_STARTS
                {
                    return Err(PoolError::Start(why.to_owned()));
                }
            }
            changed.await;
        }
        pool.keep(|weak, _| supervise("watchdog", weak.clone(), move || watch(weak.clone())));
        Ok(pool)
    }

    /// Starts a task that ends with the pool.
    fn keep(&self, start: impl FnOnce(Weak<Inner>, Arc<Notify>) -> tokio::task::AbortHandle) {
        let task = start(Arc::downgrade(&self.inner), self.inner.wanted.clone());
        lock(&self.inner.tasks).push(task);
    }

    /// The measures in force in the sandbox processes.
    pub fn hardening(&self) -> Hardening {
        self.lock().hardening.clone().unwrap_or_default()
    }

    /// The least memory limit a run can have, in bytes.
    pub fn interpreter_memory(&self) -> u64 {
        self.lock().interpreter_memory
    }

    /// How many runs there are.
    pub fn load(&self) -> Load {
        let state = self.lock();
        Load {
            queued: state.queue.len(),
            active: state.processes.values().map(|process| process.active.len()).sum(),
            busy: state.processes.values().map(Process::busy).sum(),
        }
    }

    /// Takes a run; it starts as soon as memory and a process allow. When no process is up, it waits for one, at most
    /// as long as it may take itself.
    pub fn run(&self, job: Job) -> Result<Run, JobError> {
        let mut state = self.lock();
        self.check(&job, &state)?;
        let (sender, events) = mpsc::unbounded_channel();
        state.last_run += 1;
        let number = state.last_run;
        let redacted = job.redactor.clone().map(RedactedEvents::new);
        let now = Instant::now();
        let entry = RunEntry { number, job: Arc::new(job), events: sender, lost: 0, moved: 0, since: now };
        if state.closing {
            entry.end(Report::ended(Outcome::Cancelled));
        } else {
            state.queue.push_back(entry);
            self.dispatch(&mut state);
        }
        drop(state);
        let (pool, heard) = (self.clone(), VecDeque::new());
        Ok(Run { pool, number, events, redacted, heard, over: false, calls: CallRate::new(now), waiting: None })
    }

    /// Ends the processes: at once, or when the active runs are done.
    pub async fn close(&self, drain: bool) {
        {
            let mut state = self.lock();
            state.closing = true;
            for entry in std::mem::take(&mut state.queue) {
                entry.end(Report::ended(Outcome::Cancelled));
            }
            for process in state.processes.values_mut() {
                if drain {
                    process.drain();
                } else {
                    process.draining = true;
                    process.kill.notify_one();
                }
            }
        }
        loop {
            let changed = self.inner.changed.notified();
            {
                let mut state = self.lock();
                if state.processes.is_empty() && state.settling.is_empty() {
                    if let Some(egress) = state.egress.take() {
                        egress.kill.notify_one();
                    }
                    return;
                }
            }
            changed.await;
        }
    }

    fn check(&self, job: &Job, state: &PoolState) -> Result<(), JobError> {
        job.limits.check(state.interpreter_memory)?;
        if job.limits.memory > self.inner.config.memory_budget {
            return Err(JobError::OverBudget { asked: job.limits.memory, budget: self.inner.config.memory_budget });
        }
        if job.args.len() > MAX_ARGS {
            return Err(JobError::ArgsTooLarge { size: job.args.len() });
        }
        check_args(&job.args).map_err(JobError::BadArgs)?;
        if job.bundle.file(&job.path).is_none() {
            return Err(JobError::NoSource(job.path.clone()));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        lock(&self.inner.state)
    }

    fn cancel(&self, run: RunNumber) {
        let mut state = self.lock();
        if let Some(at) = state.queue.iter().position(|entry| entry.number == run) {
            if let Some(entry) = state.queue.remove(at) {
                entry.end(Report::ended(Outcome::Cancelled));
            }
            return;
        }
        for process in state.processes.values_mut() {
            if let Some(active) = process.active.get_mut(&run) {
                if active.cancelled.is_none() {
                    active.cancelled = Some(Instant::now());
                    process.link.send(FrameKind::Cancel, run, b"");
                }
                return;
            }
        }
    }

    /// The reader of a run has taken bytes.
    fn consumed(&self, run: RunNumber, stream: Stream, bytes: u64) {
        let mut state = self.lock();
        for process in state.processes.values_mut() {
            if let Some(active) = process.active.get_mut(&run) {
                let count = &mut active.streams[stream as usize - 1];
                count.unread = count.unread.saturating_sub(bytes);
                count.give_credit(&process.link, run, stream);
                return;
            }
        }
    }

    fn reply(&self, run: RunNumber, reply: &Reply) {
        let mut state = self.lock();
        for process in state.processes.values_mut() {
            if let Some(active) = process.active.get_mut(&run) {
                active.calls = active.calls.saturating_sub(1);
                process.link.send(FrameKind::Reply, run, &frame::to_json(reply));
                return;
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in lock(&self.tasks).drain(..) {
            task.abort();
        }
        let state = lock(&self.state);
        for process in state.processes.values() {
            process.kill.notify_one();
        }
        if let Some(egress) = &state.egress {
            egress.kill.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code is to panic while it holds one of these locks; where one does, the pool is put right (see
    // `Pool::recover`).
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
