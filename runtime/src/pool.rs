//! The pool of sandbox processes, as the node sees it: who runs where, who waits, and what happens when a process dies.
//!
//! A run is admitted while the memory limits of all admitted runs stay within the budget, and goes to the process with
//! the fewest runs among those that have no busy one. When busy runs occupy so many processes that newcomers queue in
//! fewer than usual, the pool grows (up to [`PoolConfig::max_processes`]); when they occupy all, the run starts at once in
//! the least loaded process, where it takes its turns before the busy ones. A process that dies takes no run with it: those aboard, except the culprit when there is one, start
//! again; a run that was aboard two processes that died runs alone the third time.

mod child;
mod egress;
mod job;
mod process;
mod run;
mod scrub;
mod watch;

pub use egress::EgressConfig;
pub use job::{Job, JobError, OnLost};
pub use run::{Event, Run};

use crate::egress::NetworkGrant;
use crate::egress::messages::{Offence, Spent, Token};
use crate::frame::{self, Call, Hello, Incoming, Kind, NetworkPass, Out, Reply, RunNumber, RunUsage, Stream};
use crate::harden::{self, Hardening};
use crate::interpreter::CompiledInterpreter;
use crate::limits::MAX_ARGS;
use crate::machine;
use crate::outcome::{Outcome, Report};
use child::{Children, Death};
use egress::Egress;
use job::check_args;
use process::{Entry, Process, choose};
use scrub::Scrubbed;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use watch::watch;

/// As many processes in a row that did not even start mean that none will.
const MAX_FAILED_STARTS: u32 = 3;
/// The time before an egress process is started again that did not say hello.
const RESTART_AFTER: Duration = Duration::from_secs(1);
/// A run that was aboard so many processes that died is given up.
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
    pub aboard: usize,
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
    egress: Option<Egress>,
    last_egress: u64,
    /// After one that did not even start: not one for each run that would need it.
    egress_not_before: Option<Instant>,
    settling: HashMap<RunNumber, Settling>,
}

/// A run that has ended, and of which it is not known yet what it used of the network.
struct Settling {
    process: u64,
    entry: Entry,
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
        let scrubbed = job.scrubber.clone().map(Scrubbed::new);
        let entry = Entry { number, job: Arc::new(job), events: sender, lost: 0 };
        match &state.broken {
            Some(why) => entry.end(Report::crashed(format!("no sandbox process can be started: {why}"))),
            None => {
                state.queue.push_back(entry);
                self.dispatch(&mut state);
            }
        }
        Ok(Run { pool: self.clone(), number, events, scrubbed, heard: VecDeque::new(), over: false })
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
            let usual = self.inner.config.processes.max(1);
            let Some(choice) = choose(&state.processes, alone, self.inner.cores, usual) else {
                // A run that must be alone waits for an empty process; one more makes sure that there will be one.
                if alone {
                    self.grow(state);
                }
                return;
            };
            if choice.crowded {
                self.grow(state);
            }
            let Some(entry) = state.queue.pop_front() else { return };
            state.admitted += entry.job.limits.memory;
            let pass = entry.job.network.clone().map(|grant| self.grant(state, choice.process, entry.number, &grant));
            if let Some(process) = state.processes.get_mut(&choice.process) {
                process.reserved = alone;
                process.start(entry, pass);
                process.favour();
            }
        }
    }

    /// Lets a run use the network: the egress process, which is started when there is none, is told what it may do there.
    fn grant(&self, state: &mut State, process: u64, run: RunNumber, grant: &NetworkGrant) -> NetworkPass {
        // It is told what it is refused; nobody has to connect for that.
        let token = if grant.policy.allow.is_empty() { None } else { self.token(state, process, run, grant) };
        NetworkPass { token, policy: grant.policy.clone() }
    }

    /// What a run shows when it asks for a connection, known to the egress process; one that it cannot be told of has none.
    fn token(&self, state: &mut State, process: u64, run: RunNumber, grant: &NetworkGrant) -> Option<Token> {
        self.ensure_egress(state);
        let (egress, sandbox) = (state.egress.as_mut()?, state.processes.get(&process)?);
        let token = egress::new_token()
            .and_then(|token| egress.grant(process, &sandbox.link, run, token, grant).map(|()| token));
        token.inspect_err(|error| tracing::warn!(%error, "a run cannot be given a way to the egress process")).ok()
    }

    /// Starts an egress process when there is none, and tells it of all runs that may use the network.
    fn ensure_egress(&self, state: &mut State) {
        let may_start = state.egress_not_before.is_none_or(|time| Instant::now() >= time);
        if state.egress.is_some() || !may_start || state.closing {
            return;
        }
        state.last_egress += 1;
        let mut egress = match self.start_egress(state.last_egress) {
            Ok(egress) => egress,
            Err(error) => return tracing::warn!(%error, "the egress process cannot be started"),
        };
        for (number, process) in &state.processes {
            for (run, aboard) in &process.aboard {
                if let (Some(token), Some(grant)) = (aboard.token, &aboard.entry.job.network)
                    && let Err(error) = egress.grant(*number, &process.link, *run, token, grant)
                {
                    tracing::warn!(%error, "a run cannot be given a way to the new egress process");
                }
            }
        }
        state.egress = Some(egress);
    }

    fn start_egress(&self, number: u64) -> io::Result<Egress> {
        let weak = Arc::downgrade(&self.inner);
        Egress::start(&self.inner.config.egress, &self.inner.children, number, |child, kill| {
            tokio::spawn(async move {
                let taking = weak.clone();
                let take = move |incoming| match taking.upgrade() {
                    Some(inner) => Pool { inner }.take_of_egress(number, incoming),
                    None => Err("the pool is gone".to_owned()),
                };
                let death = child.live(kill, take).await;
                if let Some(inner) = weak.upgrade() {
                    Pool { inner }.egress_gone(number, &death);
                }
            });
        })
    }

    /// Takes a frame from the egress process; an error is a reason to end it.
    fn take_of_egress(&self, number: u64, incoming: Incoming) -> Result<(), String> {
        let mut state = self.lock();
        let state = &mut *state;
        let egress = state.egress.as_mut().filter(|egress| egress.number == number).ok_or("it was replaced")?;
        egress.heard = Instant::now();
        let Incoming { kind, run, payload, .. } = incoming;
        match kind {
            Kind::Hello => {
                let hello: Hello = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                if egress.hardening.is_some() || hello.protocol != frame::PROTOCOL || hello.build != crate::BUILD {
                    return Err("it is not of this build".into());
                }
                let missing: Vec<_> = hello.hardening.missing().map(|measure| measure.name.clone()).collect();
                if self.inner.config.require_hardening && !missing.is_empty() {
                    return Err(format!("it lacks hardening that was required: {}", missing.join(", ")));
                }
                egress.hardening = Some(hello.hardening);
            }
            Kind::Pong => {}
            Kind::Spent => {
                let spent: Spent = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                // A run that started again elsewhere is not the one that this is about.
                if state.settling.get(&run).is_some_and(|settling| settling.process == spent.link)
                    && let Some(settling) = state.settling.remove(&run)
                {
                    settling.end(Some(egress::bounded(spent)));
                    self.inner.changed.notify_waiters();
                }
            }
            Kind::Offence => {
                let offence: Offence = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                egress.detached(offence.link);
                if let Some(process) = state.processes.get_mut(&offence.link) {
                    tracing::warn!(process.pid, "a sandbox process broke the rules of its link: {}", offence.why);
                    // Whoever is alone aboard has done it.
                    let mut aboard = process.aboard.keys();
                    if let (Some(run), None) = (aboard.next(), aboard.next()) {
                        process.culprit.get_or_insert((*run, Outcome::Crashed));
                    }
                    process.kill.notify_one();
                }
            }
            _ => return Err("a frame of the wrong direction".into()),
        }
        Ok(())
    }

    /// The egress process has ended: what runs had open is broken. The next run that needs one starts another, or the
    /// watchdog does for the runs aboard.
    fn egress_gone(&self, number: u64, death: &Death) {
        let mut state = self.lock();
        if state.egress.as_ref().is_some_and(|egress| egress.number == number) {
            if !state.closing {
                tracing::warn!("the egress process ended: {death}");
            }
            let started = state.egress.take().is_some_and(|egress| egress.hardening.is_some());
            state.egress_not_before = (!started).then(|| Instant::now() + RESTART_AFTER);
            for (_, settling) in state.settling.drain() {
                settling.end(None);
            }
        }
        self.inner.changed.notify_waiters();
    }

    /// The measures in force in the egress process, when one is up.
    pub fn egress_hardening(&self) -> Option<Hardening> {
        self.lock().egress.as_ref().and_then(|egress| egress.hardening.clone())
    }

    /// The system's number of the egress process, when there is one.
    pub fn egress_id(&self) -> Option<u32> {
        self.lock().egress.as_ref().map(|egress| egress.pid)
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
            Kind::File => {
                let part = frame::FilePart::decode(&payload).map_err(|error| error.to_string())?;
                process.aboard.get_mut(&run).ok_or("a file of a run that is not aboard")?.file(&part)?;
            }
            Kind::Done => {
                let (done, result) = frame::Done::decode(&payload).map_err(|error| error.to_string())?;
                let aboard = process.aboard.remove(&run).ok_or("the end of a run that is not aboard")?;
                let report = aboard.report(done, result)?;
                process.reserved = false;
                process.idle_since = now;
                process.favour();
                state.admitted -= aboard.entry.job.limits.memory;
                match (&state.egress, &aboard.entry.job.network) {
                    (Some(egress), Some(grant)) if !grant.policy.allow.is_empty() => {
                        egress.revoke(number, run);
                        let settling = Settling { process: number, entry: aboard.entry, report, since: now };
                        state.settling.insert(run, settling);
                    }
                    _ => aboard.entry.end(report),
                }
                self.recycle(state, number);
                self.dispatch(state);
            }
            _ => return Err("a frame of the wrong direction".into()),
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
        if let Some(egress) = &mut state.egress {
            egress.detached(number);
            for (run, _) in process.aboard.iter().filter(|(_, aboard)| aboard.entry.job.network.is_some()) {
                egress.revoke(number, *run);
            }
        }
        for (run, aboard) in process.aboard {
            let mut entry = aboard.entry;
            state.admitted -= entry.job.limits.memory;
            let fate = match process.culprit {
                Some((culprit, outcome)) if culprit == run => Some(Report::ended(outcome)),
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

impl Settling {
    fn end(self, spent: Option<Spent>) {
        let mut report = self.report;
        match spent {
            Some(spent) => {
                report.network = spent.hosts;
                report.notes.extend(spent.notes);
            }
            None => report.notes.push("what it used of the network is not known".into()),
        }
        self.entry.end(report);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(watchdog) = lock(&self.watchdog).take() {
            watchdog.abort();
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
    // No code panics while it holds one of these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
