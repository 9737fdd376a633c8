//! The pool of sandbox processes, as the node sees it: who runs where, who waits, and what happens when a process dies.
//!
//! A run is admitted while the memory limits of all admitted runs stay within the budget, and goes to the process with
//! the fewest runs among those that have no busy one. When busy runs occupy so many processes that newcomers queue in
//! fewer than usual, the pool grows (up to [`PoolConfig::max_processes`]); when they occupy all, the run starts at once in
//! the least loaded process, where it takes its turns before the busy ones. A process that dies takes no run with it: those active, except the culprit when there is one, start
//! again; a run that was active in two processes that died runs alone the third time. Processes that cannot be started are
//! tried again for ever (see [`starts`]); until one is up, runs wait, at most as long as they may take themselves.

mod child;
mod egress;
mod job;
mod process;
mod redact;
mod run;
mod silence;
mod starts;
mod watch;

pub use egress::EgressConfig;
pub use job::{Job, JobError, OnLost};
pub use run::{Event, Run};
pub use starts::Health;

use crate::egress::messages::NetworkUsage;
use crate::frame::{self, Call, FrameKind, Hello, Incoming, Out, Reply, RunNumber, RunUsage, Stream};
use crate::harden::{self, Hardening};
use crate::interpreter::CompiledInterpreter;
use crate::limits::MAX_ARGS;
use crate::machine;
use crate::outcome::{Outcome, Report};
use child::{Children, Death};
use egress::EgressProcess;
use job::check_args;
use process::{Process, RunEntry, choose};
use redact::RedactedEvents;
use run::CallRate;
use silence::{MAX_MOVED, Silence, report_of_culprit};
use starts::{Starts, guarded, keep_up, supervise};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;
use tokio::sync::{Notify, mpsc};
use watch::watch;

/// As many processes in a row that did not even start, when the pool begins, mean that there will be none.
const MAX_FAILED_STARTS: u32 = 3;
/// A run that was active in so many processes that died is given up.
const MAX_LOST: u32 = 3;

/// How the pool is set up.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The command that becomes a sandbox process: a program and its first words.
    pub command: Vec<OsString>,
    /// Processes that stand ready; usually one a core.
    pub processes: usize,
    /// Processes at most, while busy runs occupy the others.
    pub max_processes: usize,
    /// Sandboxes that stand ready in each process.
    pub ready: usize,
    /// Bytes that the memory limits of all running runs may add up to.
    pub memory_budget: u64,
    /// A process that has started this many runs is replaced by a new one.
    pub recycle_after: u64,
    /// Refuse to start when a measure of hardening is not in force.
    pub require_hardening: bool,
    /// How connections are made for scripts.
    pub egress: EgressConfig,
}

impl PoolConfig {
    /// One process a core, four at most while runs are busy, and half of the memory for runs. `command` becomes a
    /// sandbox process.
    pub fn for_machine(command: Vec<OsString>) -> Self {
        let cores = machine::cores();
        PoolConfig {
            command,
            processes: cores,
            max_processes: cores * 4,
            ready: 8,
            memory_budget: machine::memory() / 2,
            recycle_after: 10_000,
            require_hardening: false,
            egress: EgressConfig::default(),
        }
    }
}

/// Why there is no pool.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// No process could be started at all.
    #[error("no sandbox process can be started: {0}")]
    Start(String),
    /// The kernel lacks measures that were required.
    #[error("this machine lacks hardening that was required: {0}")]
    Hardening(String),
    /// Threads or sockets were refused.
    #[error("the pool cannot be set up")]
    Io(#[from] io::Error),
}

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

/// A run that has ended, and of which it is not known yet what it used of the network.
struct Settling {
    process: u64,
    entry: RunEntry,
    report: Report,
    since: Instant,
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

    /// The system's numbers of the processes that are up, for whoever watches or kills them.
    pub fn process_ids(&self) -> Vec<u32> {
        self.lock().processes.values().filter(|process| process.up).map(|process| process.pid).collect()
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

    /// Takes a run; it starts as soon as memory and a process allow. When no process is up, it waits for one, at most as
    /// long as it may take itself.
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

    /// Starts one more process.
    fn spawn(&self, state: &mut PoolState) {
        state.last_process += 1;
        let number = state.last_process;
        let config = &self.inner.config;
        match self.inner.children.spawn(&config.command, config.memory_budget, config.ready) {
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
                    // A pool that is gone takes nothing; its links close and the process with them.
                    let take = move |incoming| match taking.upgrade() {
                        Some(inner) => Pool { inner }.take(number, incoming),
                        None => Err("the pool is gone".to_owned()),
                    };
                    // A process whose frames bring the pool to a panic ends like one that dies.
                    let death = guarded(child.live(kill, take)).await.unwrap_or_else(Death::of_panic);
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

    /// Starts what can be started.
    fn dispatch(&self, state: &mut PoolState) {
        // Runs before this one wait for an egress process; those that need none go past them.
        let mut at = 0;
        while let Some(entry) = state.queue.get(at) {
            if state.admitted.saturating_add(entry.job.limits.memory) > self.inner.config.memory_budget {
                return;
            }
            let alone = entry.lost >= 2;
            let Some(choice) = choose(&state.processes, alone, self.inner.cores, self.usual()) else {
                // A run that must be alone waits for an empty process; one more makes sure that there will be one.
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

    /// One more process, if there may be one and none is on its way already.
    fn grow(&self, state: &mut PoolState) {
        let coming = state.processes.values().any(|process| !process.up);
        let may = state.starts.may(Instant::now());
        if may && !coming && !state.closing && state.processes.len() < self.inner.config.max_processes {
            self.spawn(state);
        }
    }

    /// Takes a frame from a process; an error is a reason to end it.
    fn take(&self, number: u64, incoming: Incoming) -> Result<(), String> {
        let mut state = self.lock();
        let state = &mut *state;
        let process = state.processes.get_mut(&number).ok_or("it is not in the pool any more")?;
        let now = Instant::now();
        process.heard = now;
        let Incoming { kind, run, payload, .. } = incoming;
        match kind {
            FrameKind::Hello => {
                let hello: Hello = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                if process.up || hello.protocol != frame::PROTOCOL || hello.build != crate::BUILD {
                    return Err("it is not of this build".into());
                }
                process.up = true;
                process.idle_since = now;
                process.may_favour = harden::can_change_priority(process.pid);
                state.starts.worked();
                state.note_up(now);
                state.interpreter_memory = hello.interpreter_memory;
                state.hardening = Some(hello.hardening);
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
                // A process that is free again may take somebody; one that is busy now may mean that all are.
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
            FrameKind::Done => {
                let (done, result) = frame::Done::decode(&payload).map_err(|error| error.to_string())?;
                let active = process.active.remove(&run).ok_or("the end of a run that is not active")?;
                let report = active.report(done, result)?;
                process.reserved = false;
                process.idle_since = now;
                process.favour();
                state.admitted = state.admitted.saturating_sub(active.entry.job.limits.memory);
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
            }
            _ => return Err("a frame of the wrong direction".into()),
        }
        Ok(())
    }

    /// Replaces a process that has run enough.
    fn recycle(&self, state: &mut PoolState, number: u64) {
        let Some(process) = state.processes.get_mut(&number) else { return };
        if process.started >= self.inner.config.recycle_after && !process.draining && !state.closing {
            process.drain();
            self.replenish(state);
        }
    }

    /// A process has ended: its runs are told, or start again.
    fn gone(&self, number: u64, death: &Death) {
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
            let mut entry = active.entry;
            state.admitted = state.admitted.saturating_sub(entry.job.limits.memory);
            let moves = process.culprit.is_some() && entry.moved < MAX_MOVED;
            let fate = match process.culprit {
                Some((culprit, outcome)) if culprit == run => Some(report_of_culprit(outcome)),
                _ if active.cancelled.is_some() => Some(Report::ended(Outcome::Cancelled)),
                // The kernel's or an operator's SIGKILL is nothing a script can bring about; every other death of a
                // process with one active run is that run's doing.
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

impl Settling {
    fn end(self, usage: Option<NetworkUsage>) {
        let mut report = self.report;
        match usage {
            Some(usage) => {
                report.network = usage.hosts;
                report.notes.extend(usage.notes);
            }
            None => report.notes.push("what it used of the network is not known".into()),
        }
        self.entry.end(report);
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
    // No code is to panic while it holds one of these locks; where one does, the pool is put right (see `Pool::recover`).
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
