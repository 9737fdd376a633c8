//! The pool of sandbox processes, as the node sees it: who runs where, who waits, and what happens when a process dies.
//!
//! A run is admitted while the memory limits of all admitted runs stay within the budget, and goes to the process with
//! the fewest runs among those that have no busy one. When every process has a busy run, the pool grows (up to
//! [`PoolConfig::max_processes`]) and the run starts at once in the least loaded process, where it takes its turns before
//! the busy ones. A process that dies takes no run with it: those aboard, except the culprit when there is one, start
//! again; a run that was aboard two processes that died runs alone the third time.

mod child;

use crate::bundle::{Bundle, BundleHash};
use crate::frame::{self, Call, Credit, Done, Hello, Incoming, Kind, Out, Reply, RunNumber, RunUsage, Start, Stream};
use crate::harden::{self, Hardening};
use crate::interpreter::CompiledInterpreter;
use crate::limits::{LimitError, Limits, MAX_ARGS, MAX_JSON_DEPTH};
use crate::outcome::{Outcome, Report, ResultKind, ScriptError, Usage};
use crate::{engine, machine, output};
use bytes::Bytes;
use child::{Children, Death};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// A run past its wall clock by this much, or not gone this long after it was cancelled, costs its process its life.
const OVERDUE: Duration = Duration::from_secs(2);
/// A process that has not answered for this long is dead.
const SILENT: Duration = Duration::from_secs(5);
/// How often processes are asked whether they are there.
const PING_EVERY: Duration = Duration::from_secs(1);
/// How often the watchdog looks.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// A process beyond the usual number ends when it has been empty for this long.
const LINGER: Duration = Duration::from_secs(10);
/// A process has this long to load the interpreter and say hello.
const START_WITHIN: Duration = Duration::from_secs(60);
/// As many processes in a row that did not even start mean that none will.
const MAX_FAILED_STARTS: u32 = 3;
/// A run that was aboard so many processes that died is given up.
const MAX_LOST: u32 = 3;
/// Bytes of bundles that a process keeps mapped.
const BUNDLE_BYTES: usize = 256 << 20;
/// Bundles that a process keeps mapped.
const BUNDLES: usize = 512;
/// Bytes of output that wait for a run's reader before the script has to wait.
const UNREAD: u64 = 1 << 20;
/// What a stream may bring beyond its credit, at the end of its run.
const LAST_BYTES: u64 = (output::BUFFER + output::PERMIT) as u64;
/// Bytes waiting for a process to read before it is taken for dead.
const MAX_QUEUED: usize = 64 << 20;

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
    pub aboard: usize,
    /// Those of them that compute and do not wait.
    pub busy: usize,
}

/// What to do with a run whose process died through no fault of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLost {
    /// Start it again, at most three times in all.
    #[default]
    Retry,
    /// Report it as crashed.
    Report,
}

/// One run to be made.
#[derive(Clone, Debug)]
pub struct Job {
    /// The script's files.
    pub bundle: Arc<Bundle>,
    /// The source's path in the bundle.
    pub path: String,
    /// The script's name, `__name__` in function mode.
    pub name: String,
    /// `function` or `module:function`.
    pub entry: Option<String>,
    /// A JSON object or array.
    pub args: String,
    /// Which arguments were given as text.
    pub text_args: Vec<String>,
    /// `sys.argv[1:]` in script mode.
    pub argv: Vec<String>,
    /// The environment, all of it.
    pub env: Vec<(String, String)>,
    /// The JSON object behind `context`.
    pub context: String,
    /// What becomes of the result.
    pub result_kind: ResultKind,
    /// What it may use.
    pub limits: Limits,
    /// What happens when its process dies.
    pub on_lost: OnLost,
}

/// Why a job was refused before it was queued.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// A limit that cannot be.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The memory limit is larger than everything all runs may use together.
    #[error("a memory limit of {asked} bytes never fits into the memory budget of {budget} bytes")]
    OverBudget {
        /// What was asked for.
        asked: u64,
        /// What there is for all.
        budget: u64,
    },
    /// The arguments are larger than arguments may be.
    #[error("the arguments have {size} bytes; at most {MAX_ARGS} are taken")]
    ArgsTooLarge {
        /// Their size.
        size: usize,
    },
    /// The arguments are not JSON, or nested too deep, or neither an object nor an array.
    #[error("the arguments are not a JSON object or array: {0}")]
    BadArgs(String),
    /// The bundle has no such file.
    #[error("the bundle has no file {0:?}")]
    NoSource(String),
}

/// What happens to a run, in order; [`Event::Done`] is the last.
#[derive(Debug)]
pub enum Event {
    /// The script wrote.
    Output {
        /// Where to.
        stream: Stream,
        /// What.
        bytes: Bytes,
    },
    /// Its process died: it starts again, and what it wrote so far is void.
    Restarted,
    /// The script asks for something; answer with [`Run::reply`].
    Call {
        /// Names the question in the answer.
        number: u64,
        /// What is asked for.
        verb: String,
        /// The question, as JSON.
        request: String,
    },
    /// It is over.
    Done(Box<Report>),
}

/// The pool. Clones are the same pool; the processes end with the last.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    config: PoolConfig,
    children: Children,
    state: Mutex<State>,
    /// Something changed that somebody may wait for: the first hello, a failed start, an empty pool.
    changed: Notify,
    watchdog: Mutex<Option<tokio::task::AbortHandle>>,
}

#[derive(Default)]
struct State {
    processes: BTreeMap<u64, Process>,
    queue: VecDeque<Entry>,
    admitted: u64,
    last_process: u64,
    last_run: RunNumber,
    failed_starts: u32,
    broken: Option<String>,
    hardening: Option<Hardening>,
    interpreter_memory: u64,
    closing: bool,
}

struct Process {
    link: frame::Sender,
    kill: Arc<Notify>,
    pid: u32,
    up: bool,
    draining: bool,
    /// Belongs to one run alone.
    reserved: bool,
    /// Its CPU priority can be changed, and was lowered.
    may_favour: bool,
    lowered: bool,
    aboard: HashMap<RunNumber, Aboard>,
    started: u64,
    bundles: VecDeque<(BundleHash, usize)>,
    since: Instant,
    heard: Instant,
    pinged: Instant,
    idle_since: Instant,
    /// The run for whose sake the watchdog ends the process, and how that run ended.
    culprit: Option<(RunNumber, Outcome, &'static str)>,
}

struct Aboard {
    entry: Entry,
    busy: bool,
    began: Instant,
    cancelled: Option<Instant>,
    streams: [StreamCount; 2],
}

#[derive(Default)]
struct StreamCount {
    received: u64,
    /// Bytes the reader has not taken yet.
    unread: u64,
    credit: u64,
}

struct Entry {
    number: RunNumber,
    job: Arc<Job>,
    events: mpsc::UnboundedSender<Event>,
    lost: u32,
}

impl Pool {
    /// Starts the processes and waits until the first has said hello.
    pub async fn start(config: PoolConfig, interpreter: Arc<CompiledInterpreter>) -> Result<Self, PoolError> {
        let children = Children::new(interpreter)?;
        let inner = Arc::new(Inner {
            config,
            children,
            state: Mutex::default(),
            changed: Notify::new(),
            watchdog: Mutex::default(),
        });
        let pool = Pool { inner };
        for _ in 0..pool.inner.config.processes.max(1) {
            pool.spawn(&mut pool.lock());
        }
        loop {
            let changed = pool.inner.changed.notified();
            {
                let state = pool.lock();
                if let Some(why) = &state.broken {
                    return Err(PoolError::Start(why.clone()));
                }
                if let Some(hardening) = &state.hardening {
                    let missing: Vec<_> = hardening.missing().map(|measure| measure.name.as_str()).collect();
                    if pool.inner.config.require_hardening && !missing.is_empty() {
                        return Err(PoolError::Hardening(missing.join(", ")));
                    }
                    break;
                }
            }
            changed.await;
        }
        let watchdog = tokio::spawn(watch(Arc::downgrade(&pool.inner))).abort_handle();
        *pool.inner.watchdog.lock().unwrap_or_else(PoisonError::into_inner) = Some(watchdog);
        Ok(pool)
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
            aboard: state.processes.values().map(|process| process.aboard.len()).sum(),
            busy: state.processes.values().map(Process::busy).sum(),
        }
    }

    /// Takes a run; it starts as soon as memory and a process allow.
    pub fn run(&self, job: Job) -> Result<Run, JobError> {
        let mut state = self.lock();
        self.check(&job, &state)?;
        let (sender, events) = mpsc::unbounded_channel();
        state.last_run += 1;
        let number = state.last_run;
        let entry = Entry { number, job: Arc::new(job), events: sender, lost: 0 };
        match &state.broken {
            Some(why) => entry.end(Report::crashed(format!("no sandbox process can be started: {why}"))),
            None => {
                state.queue.push_back(entry);
                self.dispatch(&mut state);
            }
        }
        Ok(Run { pool: self.clone(), number, events, over: false })
    }

    /// Ends the processes: at once, or when the runs aboard are done.
    pub async fn close(&self, drain: bool) {
        {
            let mut state = self.lock();
            state.closing = true;
            for entry in std::mem::take(&mut state.queue) {
                entry.end(Report::ended(Outcome::Cancelled));
            }
            for process in state.processes.values_mut() {
                process.draining = true;
                if drain {
                    process.link.send(Kind::Drain, 0, b"");
                } else {
                    process.kill.notify_one();
                }
            }
        }
        loop {
            let changed = self.inner.changed.notified();
            if self.lock().processes.is_empty() {
                return;
            }
            changed.await;
        }
    }

    fn check(&self, job: &Job, state: &State) -> Result<(), JobError> {
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

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.inner.state)
    }

    /// Starts one more process.
    fn spawn(&self, state: &mut State) {
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
                    aboard: HashMap::new(),
                    started: 0,
                    bundles: VecDeque::new(),
                    since: now,
                    heard: now,
                    pinged: now,
                    idle_since: now,
                    culprit: None,
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
                    let death = child.live(kill, take).await;
                    if let Some(inner) = weak.upgrade() {
                        Pool { inner }.gone(number, &death);
                    }
                });
            }
            Err(error) => self.failed_start(state, error.to_string()),
        }
    }

    fn failed_start(&self, state: &mut State, why: String) {
        state.failed_starts += 1;
        if state.failed_starts >= MAX_FAILED_STARTS {
            for entry in std::mem::take(&mut state.queue) {
                entry.end(Report::crashed(format!("no sandbox process can be started: {why}")));
            }
            state.broken = Some(why);
        } else if !state.closing {
            self.spawn(state);
        }
        self.inner.changed.notify_waiters();
    }

    /// Starts what can be started.
    fn dispatch(&self, state: &mut State) {
        while let Some(entry) = state.queue.front() {
            if state.admitted.saturating_add(entry.job.limits.memory) > self.inner.config.memory_budget {
                return;
            }
            let alone = entry.lost >= 2;
            let Some((number, every_one_busy)) = choose(&state.processes, alone, machine::cores()) else {
                // A run that must be alone waits for an empty process; one more makes sure that there will be one.
                if alone {
                    self.grow(state);
                }
                return;
            };
            if every_one_busy {
                self.grow(state);
            }
            let Some(entry) = state.queue.pop_front() else { return };
            state.admitted += entry.job.limits.memory;
            if let Some(process) = state.processes.get_mut(&number) {
                process.reserved = alone;
                process.start(entry);
                process.favour();
            }
        }
    }

    /// One more process, if there may be one and none is on its way already.
    fn grow(&self, state: &mut State) {
        let coming = state.processes.values().any(|process| !process.up);
        if !coming && !state.closing && state.processes.len() < self.inner.config.max_processes {
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
            Kind::Hello => {
                let hello: Hello = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                if process.up || hello.protocol != frame::PROTOCOL || hello.build != crate::BUILD {
                    return Err("it is not of this build".into());
                }
                process.up = true;
                process.idle_since = now;
                process.may_favour = harden::can_change_priority(process.pid);
                state.failed_starts = 0;
                state.interpreter_memory = hello.interpreter_memory;
                state.hardening = Some(hello.hardening);
                self.inner.changed.notify_waiters();
                self.dispatch(state);
            }
            Kind::Pong => {}
            Kind::Out => {
                let out = Out::decode(&payload).map_err(|error| error.to_string())?;
                let aboard = process.aboard.get_mut(&run).ok_or("output of a run that is not aboard")?;
                let bytes = payload.slice(Out::HEAD..);
                aboard.output(&process.link, out, bytes)?;
            }
            Kind::Usage => {
                let usage: RunUsage = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                process.aboard.get_mut(&run).ok_or("usage of a run that is not aboard")?.busy = usage.busy;
                process.favour();
                // A process that is free again may take somebody; one that is busy now may mean that all are.
                self.dispatch(state);
            }
            Kind::Call => {
                let Call { number, verb, request } =
                    frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                let aboard = process.aboard.get(&run).ok_or("a call of a run that is not aboard")?;
                aboard.entry.tell(Event::Call { number, verb, request });
            }
            Kind::Done => {
                let (done, result) = Done::decode(&payload).map_err(|error| error.to_string())?;
                let aboard = process.aboard.remove(&run).ok_or("the end of a run that is not aboard")?;
                let report = aboard.report(done, result)?;
                process.reserved = false;
                process.idle_since = now;
                process.favour();
                state.admitted -= aboard.entry.job.limits.memory;
                aboard.entry.end(report);
                self.recycle(state, number);
                self.dispatch(state);
            }
            Kind::Load | Kind::Start | Kind::Cancel | Kind::Credit | Kind::Reply | Kind::Ping | Kind::Drain => {
                return Err("a frame of the wrong direction".into());
            }
        }
        Ok(())
    }

    /// Replaces a process that has run enough.
    fn recycle(&self, state: &mut State, number: u64) {
        let Some(process) = state.processes.get_mut(&number) else { return };
        if process.started >= self.inner.config.recycle_after && !process.draining && !state.closing {
            process.drain();
            self.spawn(state);
        }
    }

    /// A process has ended: its runs are told, or start again.
    fn gone(&self, number: u64, death: &Death) {
        let mut state = self.lock();
        let state = &mut *state;
        let Some(process) = state.processes.remove(&number) else { return };
        let alone = process.aboard.len() == 1;
        for (run, aboard) in process.aboard {
            let mut entry = aboard.entry;
            state.admitted -= entry.job.limits.memory;
            let fate = match process.culprit {
                Some((culprit, outcome, why)) if culprit == run => Some(match outcome {
                    Outcome::Crashed => Report::crashed(why),
                    outcome => Report::ended(outcome),
                }),
                _ if aboard.cancelled.is_some() => Some(Report::ended(Outcome::Cancelled)),
                // The kernel's or an operator's SIGKILL is nothing a script can bring about; every other death of a
                // process with one run aboard is that run's doing.
                None if alone && !death.killed => Some(Report::crashed(format!("the sandbox process died: {death}"))),
                _ if entry.lost + 1 >= MAX_LOST || entry.job.on_lost == OnLost::Report || state.closing => {
                    Some(Report::crashed(format!("the sandbox process died: {death}")))
                }
                _ => None,
            };
            match fate {
                Some(mut report) => {
                    report.usage.wall = aboard.began.elapsed();
                    report.lost_attempts = entry.lost;
                    entry.end(report);
                }
                None => {
                    entry.lost += 1;
                    entry.tell(Event::Restarted);
                    state.queue.push_front(entry);
                }
            }
        }
        if !process.up {
            self.failed_start(state, death.to_string());
        } else if !state.closing
            && state.processes.values().filter(|process| !process.draining).count() < self.inner.config.processes.max(1)
        {
            self.spawn(state);
        }
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
            if let Some(aboard) = process.aboard.get_mut(&run) {
                if aboard.cancelled.is_none() {
                    aboard.cancelled = Some(Instant::now());
                    process.link.send(Kind::Cancel, run, b"");
                }
                return;
            }
        }
    }

    /// The reader of a run has taken bytes.
    fn consumed(&self, run: RunNumber, stream: Stream, bytes: u64) {
        let mut state = self.lock();
        for process in state.processes.values_mut() {
            if let Some(aboard) = process.aboard.get_mut(&run) {
                let count = &mut aboard.streams[stream as usize - 1];
                count.unread = count.unread.saturating_sub(bytes);
                count.give_credit(&process.link, run, stream);
                return;
            }
        }
    }

    fn reply(&self, run: RunNumber, reply: &Reply) {
        let state = self.lock();
        if let Some(process) = state.processes.values().find(|process| process.aboard.contains_key(&run)) {
            process.link.send(Kind::Reply, run, &frame::to_json(reply));
        }
    }
}

/// The process that takes the next run, and whether every process has a busy run.
fn choose(processes: &BTreeMap<u64, Process>, alone: bool, cores: usize) -> Option<(u64, bool)> {
    let open = || {
        processes.iter().filter(|(_, process)| {
            process.up && !process.draining && !process.reserved && process.aboard.len() < engine::SLOTS as usize / 2
        })
    };
    if alone {
        return open().find(|(_, process)| process.aboard.is_empty()).map(|(number, _)| (*number, false));
    }
    let free = open().filter(|(_, process)| !process.has_busy()).min_by_key(|(_, process)| process.aboard.len());
    if let Some((number, _)) = free {
        return Some((*number, false));
    }
    // As many processes as there are cores, those with the fewest busy runs, take all newcomers: these go before the busy
    // ones inside their process, and the other processes, which have busy runs only, go after it (see `favour`).
    let mut busy: Vec<_> = open().collect();
    busy.sort_by_key(|(number, process)| (process.busy(), **number));
    let least = busy.into_iter().take(cores).min_by_key(|(_, process)| process.aboard.len() - process.busy());
    least.map(|(number, _)| (*number, true))
}

impl Process {
    fn busy(&self) -> usize {
        self.aboard.values().filter(|aboard| aboard.busy).count()
    }

    fn has_busy(&self) -> bool {
        self.aboard.values().any(|aboard| aboard.busy)
    }

    /// Gives a process that has busy runs only what CPU the others leave, for as long as that is so. Only a node with the
    /// right to raise a priority again (root, usually) does it; elsewhere the kernel shares out the CPU evenly.
    fn favour(&mut self) {
        let lower = self.has_busy() && self.aboard.values().all(|aboard| aboard.busy);
        if self.may_favour && lower != self.lowered {
            self.lowered = lower;
            harden::set_priority(self.pid, lower);
        }
    }

    fn drain(&mut self) {
        self.draining = true;
        self.link.send(Kind::Drain, 0, b"");
    }

    fn start(&mut self, entry: Entry) {
        self.load(&entry.job.bundle);
        let job = &entry.job;
        let start = Start {
            bundle: *job.bundle.hash().as_bytes(),
            path: job.path.clone(),
            name: job.name.clone(),
            entry: job.entry.clone(),
            args: job.args.clone(),
            text_args: job.text_args.clone(),
            argv: job.argv.clone(),
            env: job.env.clone(),
            context: job.context.clone(),
            result_kind: job.result_kind,
            limits: job.limits,
        };
        self.link.send(Kind::Start, entry.number, &frame::to_json(&start));
        self.started += 1;
        let streams = std::array::from_fn(|_| StreamCount { credit: frame::OUT_CREDIT, ..Default::default() });
        let aboard = Aboard { entry, busy: false, began: Instant::now(), cancelled: None, streams };
        self.aboard.insert(aboard.entry.number, aboard);
    }

    /// Makes sure the process has the bundle; the least recently used ones make room.
    fn load(&mut self, bundle: &Bundle) {
        let hash = bundle.hash();
        if let Some(at) = self.bundles.iter().position(|(known, _)| *known == hash) {
            if let Some(known) = self.bundles.remove(at) {
                self.bundles.push_back(known);
            }
            return;
        }
        self.bundles.push_back((hash, bundle.bytes().len()));
        let mut forget = Vec::new();
        while self.bundles.len() > 1
            && (self.bundles.len() > BUNDLES || self.bundles.iter().map(|(_, size)| size).sum::<usize>() > BUNDLE_BYTES)
        {
            // Forgetting one that a run uses is safe: the run holds it.
            forget.extend(self.bundles.pop_front().map(|(hash, _)| *hash.as_bytes()));
        }
        // A descriptor that cannot be duplicated (too many are open) goes without: the process then refuses the run,
        // which is reported as its crash, and the reason is in the log.
        let descriptor = bundle.descriptor().and_then(|descriptor| descriptor.try_clone_to_owned().ok());
        let load = frame::to_json(&frame::Load { hash: *hash.as_bytes(), forget });
        self.link.send_with(Kind::Load, 0, &load, descriptor);
    }
}

impl Aboard {
    fn output(&mut self, link: &frame::Sender, out: Out<'_>, bytes: Bytes) -> Result<(), String> {
        let limits = &self.entry.job.limits;
        let limit = match out.stream {
            Stream::Stdout => limits.stdout,
            Stream::Stderr => limits.stderr,
        };
        let count = &mut self.streams[out.stream as usize - 1];
        let size = bytes.len() as u64;
        if out.offset != count.received || count.received + size > limit || size > count.credit + LAST_BYTES {
            return Err("output out of order, over its limit or over its credit".into());
        }
        count.received += size;
        count.unread += size;
        count.credit = count.credit.saturating_sub(size);
        count.give_credit(link, self.entry.number, out.stream);
        self.entry.tell(Event::Output { stream: out.stream, bytes });
        Ok(())
    }

    /// What the process says about the end of a run, checked.
    fn report(&self, done: Done, result: &[u8]) -> Result<Report, String> {
        let job = &self.entry.job;
        for (count, said) in self.streams.iter().zip([done.stdout, done.stderr]) {
            if said.bytes.checked_sub(said.dropped) != Some(count.received) {
                return Err("output is missing at the end of a run".into());
            }
        }
        let usage = Usage { fuel: done.usage.fuel.min(job.limits.fuel), ..done.usage };
        let mut report = Report {
            outcome: done.outcome,
            mode: done.mode,
            result: None,
            result_kind: done.result_kind,
            error: done.error,
            stopped_at: done.stopped_at,
            notes: done.notes,
            usage,
            stdout: done.stdout,
            stderr: done.stderr,
            lost_attempts: self.entry.lost,
        };
        if report.outcome == Outcome::Succeeded {
            match check_result(result, job.limits.result) {
                Ok(result) => report.result = Some(result),
                Err(message) => {
                    report.outcome = Outcome::Failed;
                    let traceback = String::new();
                    report.error = Some(ScriptError { type_name: "ResultError".into(), message, traceback });
                }
            }
        }
        Ok(report)
    }
}

impl StreamCount {
    /// Lets more come, as long as the reader keeps up.
    fn give_credit(&mut self, link: &frame::Sender, run: RunNumber, stream: Stream) {
        let more = frame::OUT_CREDIT.saturating_sub(self.credit);
        if self.unread < UNREAD && more >= frame::OUT_CREDIT / 2 {
            self.credit += more;
            link.send(Kind::Credit, run, &Credit { stream, bytes: more }.encode());
        }
    }
}

impl Entry {
    fn tell(&self, event: Event) {
        // Nobody listens to a run that was dropped; it is being cancelled.
        let _ = self.events.send(event);
    }

    fn end(&self, report: Report) {
        self.tell(Event::Done(Box::new(report)));
    }
}

/// A run under way. Dropping it cancels it.
pub struct Run {
    pool: Pool,
    number: RunNumber,
    events: mpsc::UnboundedReceiver<Event>,
    over: bool,
}

impl Run {
    /// What happens next; none after [`Event::Done`].
    pub async fn next(&mut self) -> Option<Event> {
        if self.over {
            return None;
        }
        let event = self.events.recv().await;
        match &event {
            Some(Event::Output { stream, bytes }) => self.pool.consumed(self.number, *stream, bytes.len() as u64),
            Some(Event::Done(_)) | None => self.over = true,
            _ => {}
        }
        event
    }

    /// Waits for the end and brings all it wrote.
    pub async fn finish(mut self) -> (Report, Vec<u8>, Vec<u8>) {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(event) = self.next().await {
            match event {
                Event::Output { stream: Stream::Stdout, bytes } => stdout.extend_from_slice(&bytes),
                Event::Output { stream: Stream::Stderr, bytes } => stderr.extend_from_slice(&bytes),
                Event::Restarted => {
                    stdout.clear();
                    stderr.clear();
                }
                Event::Call { number, verb, .. } => self.reply(number, Err(format!("nobody answers {verb} here"))),
                Event::Done(report) => return (*report, stdout, stderr),
            }
        }
        (Report::crashed("the pool ended"), stdout, stderr)
    }

    /// Answers a call of the script's.
    pub fn reply(&self, number: u64, answer: Result<String, String>) {
        self.pool.reply(self.number, &Reply { number, answer });
    }

    /// Asks the run to stop; its end comes as an event like any other.
    pub fn cancel(&self) {
        self.pool.cancel(self.number);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.over {
            self.cancel();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(watchdog) = lock(&self.watchdog).take() {
            watchdog.abort();
        }
        for process in lock(&self.state).processes.values() {
            process.kill.notify_one();
        }
    }
}

/// Ends runs and processes that do not end by themselves, asks processes whether they are there, lets surplus ones go.
async fn watch(pool: std::sync::Weak<Inner>) {
    let mut tick = tokio::time::interval(WATCH_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let late = tick.tick().await;
        let Some(inner) = pool.upgrade() else { return };
        // A node that was itself stopped (suspended, starved) must not blame its processes for the time.
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
        for process in state.processes.values_mut() {
            if let Some(culprit) = process.overdue(now) {
                process.culprit.get_or_insert(culprit);
                process.kill.notify_one();
            }
            let silent = now.duration_since(process.heard);
            let stuck = process.up && silent > SILENT || process.link.queued() > MAX_QUEUED;
            if stuck || !process.up && now.duration_since(process.since) > START_WITHIN {
                process.kill.notify_one();
            }
            if process.up && now.duration_since(process.pinged) >= PING_EVERY {
                process.pinged = now;
                process.link.send(Kind::Ping, 0, &[0; 8]);
            }
            let idle = process.up && process.aboard.is_empty() && now.duration_since(process.idle_since) > LINGER;
            if surplus > 0 && idle && !process.draining {
                surplus -= 1;
                process.drain();
            }
        }
    }
}

impl Process {
    /// The run that should have ended long ago, if there is one, and how it ended.
    fn overdue(&self, now: Instant) -> Option<(RunNumber, Outcome, &'static str)> {
        self.aboard.iter().find_map(|(run, aboard)| {
            if aboard.cancelled.is_some_and(|cancelled| now.duration_since(cancelled) > OVERDUE) {
                return Some((*run, Outcome::Cancelled, "cancelled"));
            }
            let late = now.duration_since(aboard.began) > aboard.entry.job.limits.wall + OVERDUE;
            late.then_some((*run, Outcome::TimedOut, "it did not stop at its time limit"))
        })
    }
}

/// Checks arguments before any process sees them: JSON, bounded in depth, an object or an array.
fn check_args(args: &str) -> Result<(), String> {
    check_depth(args.as_bytes())?;
    let value: Box<RawValue> = serde_json::from_str(args).map_err(|error| error.to_string())?;
    match value.get().as_bytes().first() {
        Some(b'{' | b'[') => Ok(()),
        _ => Err("it is neither".into()),
    }
}

/// Checks a result that came from a guest: UTF-8, JSON, within size and depth.
fn check_result(result: &[u8], limit: u32) -> Result<Box<RawValue>, String> {
    if result.len() > limit as usize {
        return Err(format!("the result has {} bytes as JSON; the limit is {limit}", result.len()));
    }
    check_depth(result)?;
    let text = std::str::from_utf8(result).map_err(|_| "the result is not UTF-8".to_owned())?;
    serde_json::from_str(text).map_err(|error| format!("the result is not JSON: {error}"))
}

/// Refuses JSON nested deeper than any parser after this one should have to go. Counts brackets outside strings; what is
/// not JSON at all is found by the parser that follows.
fn check_depth(json: &[u8]) -> Result<(), String> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_JSON_DEPTH {
            return Err(format!("it is nested deeper than {MAX_JSON_DEPTH}"));
        }
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds one of these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_objects_or_arrays_of_bounded_depth() {
        assert_eq!(check_args("{}"), Ok(()));
        assert_eq!(check_args(" [1, \"[[[\\\"[\"] "), Ok(()));
        for bad in ["", "1", "\"x\"", "null", "{", "{}x", "[NaN]", "[1,]"] {
            assert!(check_args(bad).is_err(), "{bad}");
        }
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert_eq!(check_args(&deep(MAX_JSON_DEPTH)), Ok(()));
        assert!(check_args(&deep(MAX_JSON_DEPTH + 1)).is_err());
        assert!(check_args(&deep(100_000)).is_err());
    }

    #[test]
    fn results_are_parsed_again() {
        assert_eq!(check_result(b"[1.5]", 100).expect("takes").get(), "[1.5]");
        for bad in [&b"NaN"[..], b"", b"\"\xff\"", b"[1", b"{\"a\":1}{}", b"\"\\ud800"] {
            assert!(check_result(bad, 100).is_err(), "{bad:?}");
        }
        assert!(check_result(b"[1234567]", 5).is_err());
    }
}
