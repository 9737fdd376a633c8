//! The sandbox process: holds the interpreter and nothing else, and runs what its node sends.
//!
//! Descriptor 0 is the socket to the node, descriptor 1 the compiled interpreter, descriptor 2 a pipe into the node's
//! log. One thread does everything; runs take turns on it (see [`crate::fair_share`]).

use crate::bundle::{Bundle, BundleHash};
use crate::engine;
use crate::fair_share::{FairShare, run_fairly};
use crate::files::Packages;
use crate::frame::{
    self, Credit, FilePart, FrameKind, Hello, Incoming, Load, Out, Reply, RunNumber, RunUsage, Start, Stream,
};
use crate::guard::{Panicked, guarded};
use crate::guest::{NodeCalls, RunInput};
use crate::harden::{self, Hardening};
use crate::heap;
use crate::holder::Page;
use crate::limits::{CEILING, Limits};
use crate::network::{EgressLink, RunNetwork};
use crate::outcome::{Outcome, ResultKind, ScriptError};
use crate::output::Output;
use crate::prefault::Prefault;
use crate::sandbox::{FinishedSandbox, Interpreter, ReadySandbox};
use crate::stop_location::StopLocator;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use wasmtime::component::Component;

/// A run that took longer may have left holes in the heap worth giving back.
const SMALL_RUN: Duration = Duration::from_millis(100);

/// What the node tells a sandbox process on its command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessArgs {
    /// The node's process.
    pub parent: u32,
    /// Most bytes of private memory this process may have.
    pub data: u64,
    /// Sandboxes that stand ready.
    pub ready: usize,
}

impl ProcessArgs {
    /// As words of a command line.
    pub(crate) fn to_words(&self) -> [String; 3] {
        [self.parent.to_string(), self.data.to_string(), self.ready.to_string()]
    }

    /// From words of a command line; none when they are not what [`Self::to_words`] makes.
    pub fn from_words(words: &[String]) -> Option<Self> {
        let [parent, data, ready] = words else { return None };
        Some(ProcessArgs { parent: parent.parse().ok()?, data: data.parse().ok()?, ready: ready.parse().ok()? })
    }
}

/// Why a sandbox process ended before it took any run. Goes to the node's log.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// Wasmtime could not load or start the interpreter.
    #[error("the interpreter cannot be started: {0}")]
    Interpreter(String),
    /// The node is gone.
    #[error("the node is gone")]
    Orphaned,
    /// The socket or the runtime failed.
    #[error("the process cannot be set up")]
    Io(#[from] std::io::Error),
    /// The node broke the protocol.
    #[error("the node sent what it must not: {0}")]
    Protocol(String),
}

impl From<wasmtime::Error> for ProcessError {
    fn from(error: wasmtime::Error) -> Self {
        ProcessError::Interpreter(format!("{error:#}"))
    }
}

/// The whole life of a sandbox process: returns when the node has closed the link or everything was drained.
pub fn sandbox_process(args: &ProcessArgs) -> Result<(), ProcessError> {
    let mut hardening = Hardening::default();
    harden::step_back(&mut hardening);
    heap::configure();
    // `event_interval(1)`: the socket is looked at after every slice, so that a cancel is not late behind a busy run. (A
    // `LocalSet` would run 61 slices before that, whatever the interval is.)
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .event_interval(1)
        .build_local(Default::default())?;
    runtime.block_on(async {
        let engine = engine::runner(CEILING.memory)?;
        // SAFETY: the file was compiled by this build of the program and kept where nobody else can write (the node has
        // checked both before it handed the descriptor down); it is never changed while it is mapped.
        let component = unsafe { Component::deserialize_file(&engine, "/proc/self/fd/1")? };
        let interpreter = Interpreter::new(engine, &component, CEILING.memory).await?;
        let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
        let (sender, mut receiver) = frame::connect(socket, true)?;
        let finished = warm_up(&interpreter, &sender).await?;
        let prefault = learn(&interpreter, args.ready).await?;
        drop(finished);
        // A kernel that shows a process no memory, not even its own, leaves the line of a stopped run untold.
        let stop_locator = StopLocator::open().ok();
        harden::lock(&mut hardening, args.data, args.parent).map_err(|_| ProcessError::Orphaned)?;
        let hello = Hello {
            protocol: frame::PROTOCOL,
            build: crate::BUILD.to_owned(),
            hardening,
            interpreter_memory: interpreter.memory(),
        };
        sender.send(FrameKind::Hello, 0, &frame::to_json(&hello));
        let process = Rc::new(SandboxProcess {
            interpreter,
            node: sender.clone(),
            ready: RefCell::default(),
            ready_wanted: args.ready,
            prefault,
            stop_locator,
            refill: Notify::new(),
            bundles: RefCell::default(),
            runs: RefCell::default(),
            fair_share: Arc::default(),
            egress: EgressLink::default(),
            page: RefCell::default(),
            draining: Cell::new(false),
            empty: Notify::new(),
        });
        let refilling = tokio::task::spawn_local(process.clone().keep_ready());
        let flushing = tokio::task::spawn_local(async move { sender.flush().await });
        let served = process.serve(&mut receiver).await;
        process.node.drained().await;
        refilling.abort();
        flushing.abort();
        served
    })
}

/// Runs one small script before the locks close, so that everything that is set up at first use is set up.
async fn warm_up(interpreter: &Interpreter, node: &frame::Sender) -> Result<FinishedSandbox, ProcessError> {
    let source = b"import sys\ndef run():\n    print('warm')\n    return {'warm': [1, 2.5, None]}\n";
    let bundle =
        Bundle::of_files(&[("warm.py", source)]).map_err(|error| ProcessError::Interpreter(error.to_string()))?;
    let start = Start {
        bundle: *bundle.hash().as_bytes(),
        packages: None,
        path: "warm.py".into(),
        code: None,
        name: "warm".into(),
        entry: None,
        args: "{}".into(),
        text_args: Vec::new(),
        argv: Vec::new(),
        env: Vec::new(),
        context: "{}".into(),
        result_kind: ResultKind::Json,
        limits: Limits { memory: interpreter.memory().max(Limits::default().memory), ..Limits::default() },
        network: None,
    };
    let bytes = Arc::new(Notify::new());
    let input = RunInput {
        bundle: &Arc::new(bundle),
        packages: None,
        start: &start,
        stdout: Output::new(Stream::Stdout, 1 << 10, bytes.clone()),
        stderr: Output::new(Stream::Stderr, 1 << 10, bytes),
        node_calls: NodeCalls::new(0, node.clone()),
        network: RunNetwork::new(EgressLink::default(), 0, None),
    };
    let (done, _, finished) = interpreter.prepare().await?.run(input, &Notify::new()).await;
    if done.outcome == Outcome::Succeeded {
        return Ok(finished);
    }
    let said = done.error.map_or_else(|| done.outcome.as_str().to_owned(), |error| error.message + &error.traceback);
    Err(ProcessError::Interpreter(said))
}

/// Learns which pages runs write, while the warm-up's sandbox is still there. As many sandboxes as will usually exist at
/// once are made for it and dropped again: the pool gives their places out first.
async fn learn(interpreter: &Interpreter, ready: usize) -> Result<Option<Prefault>, ProcessError> {
    if ready == 0 {
        // A process for one run: what it would prepare for is already waiting.
        return Ok(None);
    }
    let mut sandboxes = Vec::new();
    for _ in 0..ready * 2 {
        sandboxes.push(interpreter.prepare().await?);
    }
    let file = std::fs::File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    // Where a process may not see its own pages, runs fault for themselves.
    Ok(Prefault::learn(&file).unwrap_or_default())
}

struct SandboxProcess {
    interpreter: Interpreter,
    node: frame::Sender,
    ready: RefCell<VecDeque<ReadySandbox>>,
    ready_wanted: usize,
    prefault: Option<Prefault>,
    stop_locator: Option<StopLocator>,
    refill: Notify,
    bundles: RefCell<HashMap<[u8; 32], Loaded>>,
    runs: RefCell<HashMap<RunNumber, Rc<RunHandles>>>,
    fair_share: Arc<FairShare>,
    egress: EgressLink,
    /// Where the node sees which run has the thread.
    page: RefCell<Option<Page>>,
    draining: Cell<bool>,
    empty: Notify,
}

/// Files that the node has handed over: a script's, or packages.
#[derive(Clone)]
struct Loaded {
    bundle: Arc<Bundle>,
    /// Made when the first run has them as packages.
    packages: Rc<OnceCell<Packages>>,
}

impl Loaded {
    fn packages(&self) -> &Packages {
        self.packages.get_or_init(|| Packages::new(&self.bundle))
    }
}

/// A run, as the frames about it reach it.
struct RunHandles {
    cancel: Notify,
    stdout: Output,
    stderr: Output,
    bytes: Arc<Notify>,
    node_calls: NodeCalls,
}

impl SandboxProcess {
    /// Takes frames until the node closes the link, or until everything is drained.
    async fn serve(self: &Rc<Self>, receiver: &mut frame::Receiver) -> Result<(), ProcessError> {
        loop {
            if self.draining.get() && self.runs.borrow().is_empty() {
                return Ok(());
            }
            let incoming = tokio::select! {
                incoming = receiver.next() => incoming,
                () = self.empty.notified() => continue,
            };
            match incoming {
                Ok(Some(incoming)) => self.take(incoming)?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(ProcessError::Protocol(error.to_string())),
            }
        }
    }

    fn take(self: &Rc<Self>, incoming: Incoming) -> Result<(), ProcessError> {
        let Incoming { kind, run, payload, descriptor } = incoming;
        let wrong = |what: &str| ProcessError::Protocol(what.to_owned());
        let malformed = |error: frame::MalformedFrame| ProcessError::Protocol(error.to_string());
        // Frames about a run that has just ended are no mistake of the node's: it did not know yet.
        let handles = self.runs.borrow().get(&run).cloned();
        match kind {
            FrameKind::Load => {
                let load: Load = frame::from_json(kind, &payload).map_err(malformed)?;
                let descriptor = descriptor.ok_or_else(|| wrong("a bundle without its descriptor"))?;
                let bundle = Bundle::from_descriptor(descriptor, BundleHash::from_bytes(load.hash))
                    .map_err(|error| ProcessError::Protocol(error.to_string()))?;
                let mut bundles = self.bundles.borrow_mut();
                for hash in load.forget {
                    bundles.remove(&hash);
                }
                bundles.insert(load.hash, Loaded { bundle: Arc::new(bundle), packages: Rc::default() });
            }
            FrameKind::Start => {
                let start: Start = frame::from_json(kind, &payload).map_err(malformed)?;
                let loaded =
                    |hash| self.bundles.borrow().get(hash).cloned().ok_or_else(|| wrong("a run without its files"));
                let bundle = loaded(&start.bundle)?.bundle;
                let packages = start.packages.as_ref().map(loaded).transpose()?;
                let bytes = Arc::new(Notify::new());
                let handles = Rc::new(RunHandles {
                    cancel: Notify::new(),
                    stdout: Output::new(Stream::Stdout, start.limits.stdout, bytes.clone()),
                    stderr: Output::new(Stream::Stderr, start.limits.stderr, bytes.clone()),
                    bytes,
                    node_calls: NodeCalls::new(run, self.node.clone()),
                });
                if self.runs.borrow_mut().insert(run, handles.clone()).is_some() {
                    return Err(wrong("a run that is active already"));
                }
                tokio::task::spawn_local(self.clone().run(run, start, (bundle, packages), handles));
            }
            FrameKind::Cancel => {
                if let Some(handles) = handles {
                    handles.cancel.notify_one();
                }
            }
            FrameKind::Credit => {
                let credit = Credit::decode(&payload).map_err(malformed)?;
                if let Some(handles) = handles {
                    handles.stream(credit.stream).add_credit(credit.bytes);
                }
            }
            FrameKind::Reply => {
                let reply: Reply = frame::from_json(kind, &payload).map_err(malformed)?;
                if let Some(handles) = handles {
                    handles.node_calls.answer(reply);
                }
            }
            FrameKind::Network => {
                let socket = descriptor.ok_or_else(|| wrong("a link without its socket"))?;
                self.egress.attach(socket)?;
            }
            FrameKind::Holder => {
                let memory = descriptor.ok_or_else(|| wrong("a page without its memory"))?;
                self.page.replace(Some(Page::from_descriptor(&memory)?));
            }
            FrameKind::Ping => self.node.send(FrameKind::Pong, 0, &payload),
            FrameKind::Drain => self.draining.set(true),
            _ => return Err(wrong("a frame of the wrong direction")),
        }
        Ok(())
    }

    /// One run from its start to its end, whatever becomes of it.
    async fn run(
        self: Rc<Self>,
        run: RunNumber,
        start: Start,
        files: (Arc<Bundle>, Option<Loaded>),
        handles: Rc<RunHandles>,
    ) {
        let mut lived = guarded(self.clone().live(run, start, files, handles.clone()));
        let lived = std::future::poll_fn(|context| {
            self.has_thread(run);
            let polled = Pin::new(&mut lived).poll(context);
            self.has_thread(0);
            polled
        });
        if let Err(Panicked(words)) = lived.await
            && self.runs.borrow_mut().remove(&run).is_some()
        {
            self.send_rest(run, &handles);
            let message = format!("a fault of Cronbox's sandbox process ended the run: {words}");
            let mut done = crashed(message);
            (done.stdout, done.stderr) = (handles.stdout.totals(), handles.stderr.totals());
            self.send_end(run, &done, "");
        }
        self.refill.notify_one();
    }

    fn has_thread(&self, run: RunNumber) {
        if let Some(page) = &*self.page.borrow() {
            page.note(run);
        }
    }

    /// One run from its start to its end; what it leaves is cleared away after its end was told.
    async fn live(
        self: Rc<Self>,
        run: RunNumber,
        start: Start,
        (bundle, packages): (Arc<Bundle>, Option<Loaded>),
        handles: Rc<RunHandles>,
    ) {
        let prepared = self.ready.borrow_mut().pop_front();
        let sandbox = match prepared {
            Some(sandbox) => Ok(sandbox),
            None => self.interpreter.prepare().await,
        };
        let (mut done, result, finished) = match sandbox {
            Ok(sandbox) => {
                let input = RunInput {
                    bundle: &bundle,
                    packages: packages.as_ref().map(Loaded::packages),
                    start: &start,
                    stdout: handles.stdout.clone(),
                    stderr: handles.stderr.clone(),
                    node_calls: handles.node_calls.clone(),
                    network: RunNetwork::new(self.egress.clone(), run, start.network.clone()),
                };
                let running = std::pin::pin!(sandbox.run(input, &handles.cancel));
                let mut running = run_fairly(&self.fair_share, running, |busy| {
                    self.node.send(FrameKind::Usage, run, &frame::to_json(&RunUsage { busy }));
                });
                loop {
                    tokio::select! {
                        biased;
                        ended = &mut running => break (ended.0, ended.1, Some(ended.2)),
                        () = handles.bytes.notified() => self.send_output(run, &handles),
                    }
                }
            }
            Err(error) => (crashed(format!("no sandbox could be made: {error}")), String::new(), None),
        };
        if matches!(done.outcome, Outcome::TimedOut | Outcome::OutOfFuel | Outcome::OutOfMemory | Outcome::Crashed) {
            let mark = finished.as_ref().and_then(FinishedSandbox::mark);
            done.stopped_at = mark.zip(self.stop_locator.as_ref()).and_then(|(mark, locator)| locator.locate(mark));
        }
        self.send_rest(run, &handles);
        if let Some(finished) = &finished {
            finished.leave_network();
            self.send_files(run, finished).await;
        }
        self.runs.borrow_mut().remove(&run);
        self.send_end(run, &done, &result);
        // The kernel may have put the node's thread, which the end has just woken, on this core, in the belief that this
        // process is about to sleep. There it would wait while the sandbox is taken down.
        std::thread::yield_now();
        self.empty.notify_one();
        // Let a run that came meanwhile begin before the memory of this one is given back.
        tokio::task::yield_now().await;
        drop(finished);
        if done.usage.wall > SMALL_RUN {
            heap::trim();
        }
    }

    /// Sends all the output there is. What credit does not cover is at most the two buffers; the node allows for that at
    /// the end.
    fn send_rest(&self, run: RunNumber, handles: &RunHandles) {
        handles.stdout.add_credit(u64::MAX);
        handles.stderr.add_credit(u64::MAX);
        self.send_output(run, handles);
    }

    fn send_end(&self, run: RunNumber, done: &frame::Done, result: &str) {
        // It has string keys and finite numbers only, so that it always is JSON; what is not ends as malformed.
        self.node.send(FrameKind::Done, run, &done.encode(result).unwrap_or_default());
    }

    fn send_output(&self, run: RunNumber, handles: &RunHandles) {
        for output in [&handles.stdout, &handles.stderr] {
            loop {
                let bytes = output.take(frame::MAX_PAYLOAD - Out::HEAD);
                if bytes.is_empty() {
                    break;
                }
                let offset = output.sent() - bytes.len() as u64;
                let out = Out { stream: output.which(), offset, bytes: &bytes };
                self.node.send(FrameKind::Out, run, &out.encode());
            }
        }
    }

    /// What the run leaves under `/output`, part by part: no more of it waits in this process than one part.
    async fn send_files(&self, run: RunNumber, finished: &FinishedSandbox) {
        for (path, file) in finished.kept() {
            let size = file.size();
            let mut sent = 0;
            loop {
                let bytes = file.read(sent, FilePart::MOST);
                sent += bytes.len() as u64;
                self.node.send(FrameKind::File, run, &FilePart { path: &path, size, bytes: &bytes }.encode());
                self.node.drained().await;
                if sent >= size {
                    break;
                }
            }
        }
    }

    /// Makes sandboxes while nothing else is to do, so that a run finds one standing ready.
    async fn keep_ready(self: Rc<Self>) {
        loop {
            while self.ready.borrow().len() < self.ready_wanted {
                match self.interpreter.prepare().await {
                    Ok(sandbox) => self.ready.borrow_mut().push_back(sandbox),
                    // The pool is full: the next run that ends makes room and asks again.
                    Err(_) => break,
                }
                tokio::task::yield_now().await;
            }
            if let Some(prefault) = &self.prefault {
                while prefault.copy_one() {
                    tokio::task::yield_now().await;
                }
                // What is only read costs a run little, and mapping it ahead costs more in all: for idle times.
                while self.runs.borrow().is_empty() && prefault.map_one() {
                    tokio::task::yield_now().await;
                }
            }
            self.refill.notified().await;
        }
    }
}

impl RunHandles {
    fn stream(&self, stream: Stream) -> &Output {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }
}

/// The end of a run of which nothing else is known.
fn crashed(message: String) -> frame::Done {
    frame::Done {
        outcome: Outcome::Crashed,
        mode: None,
        result_kind: ResultKind::None,
        error: Some(ScriptError::new("Crashed", message)),
        stopped_at: None,
        notes: Vec::new(),
        usage: Default::default(),
        stdout: Default::default(),
        stderr: Default::default(),
    }
}
