//! The pool of sandbox processes: it distributes runs over processes, queues runs, and handles the death of processes.
//!
//! A run is admitted while the memory limits of all admitted runs are within the budget. It starts in the process with
//! the fewest runs among those without a busy run. When busy runs occupy so many processes that fewer than usual are
//! left, the pool grows (up to [`PoolConfig::max_processes`]). When they occupy all processes, the run starts in the
//! least loaded one, where it has priority over the busy runs. When a process dies, its runs start again, except the
//! run that caused it when that is known. A run whose process died twice runs alone the third time. Starting a process
//! is tried without end (see
//! [`starts`]). Until one is up, runs wait, at most for their own time limit.

mod child;
mod config;
mod death;
mod dispatch;
mod egress;
mod event;
mod frames;
mod held_thread;
mod images;
pub(crate) mod job;
mod network;
mod outbound;
mod parked;
mod parking;
mod patience;
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
pub use images::ImageStatus;
pub use job::{Job, JobError, OnLost};
pub use run::{Run, RunOutput};
pub use starts::Health;

use crate::frame::{self, FrameKind, GuestNumber, Reply, RunNumber, Stream};
use crate::harden::Hardening;
use crate::interpreter::CompiledInterpreter;
use crate::limits::MAX_ARGS;
use crate::machine;
use crate::outcome::{Outcome, Report};
use child::Children;
use egress::EgressProcess;
use images::Images;
use job::check_args;
use outbound::Sends;
use process::{Process, RunEntry};
use redact::RedactedEvents;
use run::CallRate;
use settling::Settling;
use starts::Starts;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;
use tokio::sync::{Notify, mpsc};
use upkeep::{keep_up, supervise};
use watch::watch;

/// After this many failed starts in a row at the beginning, there is no pool.
const MAX_FAILED_STARTS: u32 = 3;

/// The number of runs in a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Runs that wait for memory or for a process.
    pub queued: usize,
    /// Runs in a process.
    pub active: usize,
    /// Active runs that compute and do not wait.
    pub busy: usize,
    /// Active runs that wait and whose memory is away.
    pub parked: usize,
}

/// A pool of sandbox processes. Clones are the same pool. The processes end with the last clone.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    config: PoolConfig,
    /// Read once: the number comes from files of the control group, which is too slow for every run.
    cores: usize,
    children: Children,
    images: Images,
    state: Mutex<PoolState>,
    /// Notified after a change: the first hello, a failed start, an empty pool.
    changed: Notify,
    /// Notified when a process is missing: the task that keeps processes up checks at once.
    wanted: Arc<Notify>,
    /// The watchdog, and the task that keeps processes up.
    tasks: Mutex<Vec<tokio::task::AbortHandle>>,
}

#[derive(Default)]
struct PoolState {
    processes: BTreeMap<u64, Process>,
    queue: VecDeque<RunEntry>,
    /// The bytes of memory that all active runs count with: their limits, or what they take while their memory is away.
    admitted: u64,
    /// The bytes that parked runs will want again, and those that they take meanwhile.
    owed: u64,
    asleep: u64,
    last_process: u64,
    last_run: RunNumber,
    starts: Starts,
    /// The time since which no process is up.
    down_since: Option<Instant>,
    hardening: Option<Hardening>,
    /// The least memory of a run of each guest, in bytes.
    guest_memory: Vec<u64>,
    closing: bool,
    egress: Option<EgressProcess>,
    last_egress: u64,
    egress_starts: Starts,
    settling: HashMap<RunNumber, Settling>,
    sends: Sends,
}

impl Pool {
    /// Starts the processes with one guest, and waits until the first process is up.
    pub async fn start(config: PoolConfig, interpreter: Arc<CompiledInterpreter>) -> Result<Self, PoolError> {
        Self::start_with(config, vec![interpreter]).await
    }

    /// Starts the processes with several guests of different names, and waits until the first process is up. Each process has
    /// all of them, and divides its slots among them by use. Jobs that name no guest have the first one.
    pub async fn start_with(config: PoolConfig, guests: Vec<Arc<CompiledInterpreter>>) -> Result<Self, PoolError> {
        check_names(&guests)?;
        let images = Images::new(&guests, config.images);
        let children = Children::new(guests)?;
        let inner = Arc::new(Inner {
            config,
            cores: machine::cores(),
            children,
            images,
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
                // Only here: a pool that has started tries without end.
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

    /// Returns the measures of hardening in force in the sandbox processes.
    pub fn hardening(&self) -> Hardening {
        self.lock().hardening.clone().unwrap_or_default()
    }

    /// Returns the smallest memory limit that a run of the first guest can have, in bytes.
    pub fn interpreter_memory(&self) -> u64 {
        self.lock().least_memory(0)
    }

    /// Returns the number of runs.
    pub fn load(&self) -> Load {
        let state = self.lock();
        Load {
            queued: state.queue.len(),
            active: state.processes.values().map(|process| process.active.len()).sum(),
            busy: state.processes.values().map(Process::busy).sum(),
            parked: state.processes.values().map(|process| process.parked.count).sum(),
        }
    }

    /// Queues a run. It starts as soon as there is memory and a process. When no process is up, it waits for one, at
    /// most for its own time limit.
    pub fn run(&self, job: Job) -> Result<Run, JobError> {
        let guest = self.guest_of(&job)?;
        let (script, image) = self.inner.images.find(&job);
        let mut state = self.lock();
        self.check(&job, state.least_memory(guest))?;
        let (sender, events) = mpsc::unbounded_channel();
        state.last_run += 1;
        let number = state.last_run;
        let redacted = job.redactor.clone().map(RedactedEvents::new);
        let now = Instant::now();
        let job = Arc::new(job);
        let entry = RunEntry { number, job, guest, script, image, events: sender, lost: 0, moved: 0, since: now };
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

    /// Ends the processes: at once, or after the active runs when `drain` is true.
    pub async fn close(&self, drain: bool) {
        {
            let mut state = self.lock();
            state.closing = true;
            self.inner.images.close();
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

    /// Returns the number of the guest that a job names.
    fn guest_of(&self, job: &Job) -> Result<GuestNumber, JobError> {
        let Some(name) = &job.guest else { return Ok(0) };
        let guests = self.inner.children.guests().iter();
        let found = (0..).zip(guests).find(|(_, guest)| guest.description().name == *name);
        found.map(|(number, _)| number).ok_or_else(|| JobError::NoGuest(name.clone()))
    }

    fn check(&self, job: &Job, least_memory: u64) -> Result<(), JobError> {
        job.limits.check(least_memory)?;
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

    /// Counts bytes that the reader of a run has taken.
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

impl PoolState {
    /// Returns the least memory of a run of a guest, in bytes; 0 before a process has told it.
    fn least_memory(&self, guest: GuestNumber) -> u64 {
        self.guest_memory.get(guest as usize).copied().unwrap_or_default()
    }
}

/// Checks that there is a guest, and that a name means one.
fn check_names(guests: &[Arc<CompiledInterpreter>]) -> Result<(), PoolError> {
    let mut names = BTreeSet::new();
    if guests.is_empty() {
        return Err(PoolError::Guests("there is none".into()));
    }
    for guest in guests {
        let name = &*guest.description().name;
        if !names.insert(name) {
            return Err(PoolError::Guests(format!("two are called {name:?}")));
        }
    }
    Ok(())
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
    // No code should panic while it holds one of these locks. After a panic the pool is repaired (see `Pool::recover`).
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
