//! The sandbox process: it holds only the interpreters, and runs what its node sends.
//!
//! Descriptor 0 is the socket to the node, descriptor 2 a pipe into the node's log. The first frames are the guests, which the
//! process loads before it locks itself. It has one thread, which the runs share (see [`crate::fair_share`]).

mod learn;
mod prepare;
mod ready;
pub(crate) mod run;
mod serve;

use self::ready::Ready;
use self::serve::{Images, SandboxProcess};
use crate::bundle::Bundle;
use crate::channels::{EgressLink, RunNetwork};
use crate::engine;
use crate::faults;
use crate::files::Packages;
use crate::frame::{self, FrameKind, GuestReady, GuestSetup, Hello, Incoming, Start, Stream};
use crate::guest::{NodeCalls, RunInput};
use crate::harden::{self, Hardening};
use crate::heap;
use crate::limits::{CEILING, Limits};
use crate::memory::{BASE, Checks, Image, Slots, Stacks};
use crate::outcome::{Outcome, ResultKind};
use crate::output::Output;
use crate::sandbox::{FinishedSandbox, Interpreter};
use crate::stop_location::StopLocator;
use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;
use wasmtime::component::Component;

/// The command line of a sandbox process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessArgs {
    /// The node's process.
    pub(crate) parent: u32,
    /// Most private memory of this process, in bytes.
    pub(crate) data: u64,
    /// Sandboxes that are kept ready.
    pub(crate) ready: usize,
    /// Calls of the host that are to panic, and what else is to be different: for tests, in a word of their own before the
    /// others.
    pub(crate) faults: Vec<String>,
}

impl ProcessArgs {
    /// Returns the words of the command line.
    pub(crate) fn to_words(&self) -> [String; 3] {
        [self.parent.to_string(), self.data.to_string(), self.ready.to_string()]
    }

    /// Returns which resets of memories are checked. Tests say so among the faults.
    fn checks(&self) -> Checks {
        let is_asked = |name: &str| self.faults.iter().any(|asked| asked == name);
        match (is_asked("no pagemap"), is_asked("check every reset")) {
            (true, _) => Checks::AllWithoutPagemap,
            (_, true) => Checks::All,
            _ => Checks::Usual,
        }
    }

    const FAULTS: &str = "faults=";

    /// Parses the words of the command line.
    pub(crate) fn from_words(words: &[String]) -> Option<Self> {
        let asked = words.split_first().and_then(|(first, rest)| Some((first.strip_prefix(Self::FAULTS)?, rest)));
        let (faults, words) = asked.unwrap_or(("", words));
        let [parent, data, ready] = words else { return None };
        Some(ProcessArgs {
            parent: parent.parse().ok()?,
            data: data.parse().ok()?,
            ready: ready.parse().ok()?,
            faults: faults.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        })
    }
}

/// The error with which a sandbox process ends. It goes to the node's log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// Wasmtime could not load or start the interpreter.
    #[error("the interpreter cannot be started: {0}")]
    Interpreter(String),
    /// The node is gone.
    #[error("the node is gone")]
    Orphaned,
    /// The socket or the runtime failed.
    #[error("the process cannot be set up")]
    Io(#[from] std::io::Error),
    /// The node violated the protocol.
    #[error("the node violated the protocol: {0}")]
    Protocol(String),
}

impl From<wasmtime::Error> for ProcessError {
    fn from(error: wasmtime::Error) -> Self {
        ProcessError::Interpreter(format!("{error:#}"))
    }
}

/// Runs as a sandbox process until the node closes the link, or until the process is drained.
pub(crate) fn sandbox_process(args: &ProcessArgs) -> Result<(), ProcessError> {
    faults::ask(args.faults.iter().cloned());
    let mut hardening = Hardening::default();
    harden::step_back(&mut hardening);
    heap::configure();
    // `event_interval(1)`: the socket is checked after every slice, so that a busy run does not delay a cancellation.
    // (A `LocalSet` would run 61 slices before that, with any interval.)
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .event_interval(1)
        .build_local(Default::default())?;
    runtime.block_on(async {
        let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
        let (sender, mut receiver) = frame::connect(socket, true)?;
        let (interpreters, slots, found) = load_guests(args, &mut receiver, &sender).await?;
        // When the kernel does not let a process read its own memory, the line of a stopped run is not known.
        let stop_locator = StopLocator::open().ok();
        harden::lock(&mut hardening, args.data, args.parent).map_err(|_| ProcessError::Orphaned)?;
        let hello = Hello { protocol: frame::PROTOCOL, build: crate::BUILD.to_owned(), hardening, guests: found };
        sender.send(FrameKind::Hello, 0, &frame::to_json(&hello));
        let bases: Vec<_> = interpreters.iter().map(Interpreter::base).collect();
        let process = Rc::new(SandboxProcess {
            images: RefCell::new(Images::beside(&interpreters)),
            interpreters,
            slots,
            node: sender.clone(),
            ready: RefCell::new(Ready::new(args.ready, bases)),
            stop_locator,
            refill: Notify::new(),
            bundles: RefCell::default(),
            runs: RefCell::default(),
            fair_share: Arc::default(),
            egress: EgressLink::default(),
            page: RefCell::default(),
            draining: Cell::new(false),
            trimmed: Cell::new(None),
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

/// Receives and loads the guests, which are the first that the node sends. Returns with them their slots, and what was found
/// out about each.
async fn load_guests(
    args: &ProcessArgs,
    receiver: &mut frame::Receiver,
    node: &frame::Sender,
) -> Result<(Vec<Interpreter>, Arc<Slots>, Vec<GuestReady>), ProcessError> {
    let (mut interpreters, mut found) = (Vec::new(), Vec::new());
    let mut slots: Option<Arc<Slots>> = None;
    let stacks = Stacks::default();
    loop {
        let (payload, image) = receive_file(receiver, FrameKind::Image).await?;
        let setup: GuestSetup =
            frame::from_json(FrameKind::Image, &payload).map_err(|error| ProcessError::Protocol(error.to_string()))?;
        let image = Image::new(image.into())?;
        let (_, code) = receive_file(receiver, FrameKind::Code).await?;
        let base = BASE + interpreters.len() as u64;
        let slots = match &slots {
            Some(slots) => {
                slots.add_base(base, image);
                slots
            }
            // A process for one run does not map pages ahead: the run is already waiting.
            None => slots.insert(Slots::new(image, engine::SLOTS, args.ready > 0, args.checks())),
        };
        let engine = engine::runner(slots.clone(), stacks.clone())?;
        // SAFETY: this build of the program compiled the file, and no other user can write to it (the node checked both
        // before it passed the descriptor); it is never changed while it is mapped.
        let component = unsafe { Component::deserialize_file(&engine, format!("/proc/self/fd/{}", code.as_raw_fd()))? };
        let places = (slots.clone(), stacks.clone(), base);
        let interpreter = Interpreter::new(&component, setup.description, places, CEILING.memory).await?;
        warm_up(&interpreter, node).await?;
        let hot = match setup.hot {
            Some(pages) => {
                slots.set_hot(base, &pages);
                None
            }
            None if args.ready > 0 => learn::learn(&interpreter, slots, node).await?,
            None => None,
        };
        found.push(GuestReady { memory: interpreter.memory(), hot });
        interpreters.push(interpreter);
        if setup.is_last {
            return Ok((interpreters, slots.clone(), found));
        }
    }
}

/// Receives a frame of this kind, with its descriptor.
async fn receive_file(
    receiver: &mut frame::Receiver,
    wanted: FrameKind,
) -> Result<(bytes::Bytes, OwnedFd), ProcessError> {
    let incoming = receiver.next().await.map_err(|error| ProcessError::Protocol(error.to_string()))?;
    let Incoming { kind, payload, descriptor, .. } = incoming.ok_or(ProcessError::Orphaned)?;
    match descriptor {
        Some(descriptor) if kind == wanted => Ok((payload, descriptor)),
        _ => Err(ProcessError::Protocol("the first frames are not the guests".into())),
    }
}

/// Runs one small script before the process is locked, so that everything that is set up at first use is set up.
async fn warm_up(interpreter: &Interpreter, node: &frame::Sender) -> Result<(), ProcessError> {
    match &interpreter.description().rehearsal {
        Some(rehearsal) => run_here(interpreter, node, "warm", &rehearsal.warm_up).await.map(drop),
        None => Ok(()),
    }
}

/// A run of this process's own, which no node has asked for: of the file `path`, without arguments and environment.
fn own_start(path: String) -> Start {
    Start {
        guest: 0,
        bundle: [0; 32],
        packages: None,
        image: None,
        path,
        code: None,
        name: String::new(),
        entry: None,
        args: "{}".into(),
        text_args: Vec::new(),
        argv: Vec::new(),
        env: Vec::new(),
        context: "{}".into(),
        result_kind: ResultKind::Json,
        limits: Limits::default(),
        network: None,
    }
}

/// The input of such a run: it reaches no network, and its output goes nowhere.
fn own_input<'a>(
    start: &'a Start,
    bundle: &'a Arc<Bundle>,
    packages: Option<&'a Packages>,
    node: &frame::Sender,
) -> RunInput<'a> {
    let bytes = Arc::new(Notify::new());
    RunInput {
        bundle,
        packages,
        start,
        stdout: Output::new(Stream::Stdout, 1 << 10, bytes.clone()),
        stderr: Output::new(Stream::Stderr, 1 << 10, bytes),
        node_calls: NodeCalls::new(0, node.clone()),
        network: RunNetwork::new(EgressLink::default(), 0, None),
        admission: None,
    }
}

/// Runs a script of this program's own.
async fn run_here(
    interpreter: &Interpreter,
    node: &frame::Sender,
    name: &str,
    source: &str,
) -> Result<FinishedSandbox, ProcessError> {
    let suffix = interpreter.description().rehearsal.as_ref().map_or("", |rehearsal| &rehearsal.suffix);
    let path = format!("{name}{suffix}");
    let bundle = Bundle::of_files(&[(&*path, source.as_bytes())])
        .map_err(|error| ProcessError::Interpreter(error.to_string()))?;
    let memory = interpreter.memory().max(Limits::default().memory);
    let start = Start { name: name.into(), limits: Limits { memory, ..Limits::default() }, ..own_start(path) };
    let bundle = Arc::new(bundle);
    let input = own_input(&start, &bundle, None, node);
    let (done, _, finished) = interpreter.prepare(interpreter.base()).await?.run(input, &Notify::new()).await;
    if done.outcome == Outcome::Succeeded {
        return Ok(finished);
    }
    let said = done.error.map_or_else(|| done.outcome.as_str().to_owned(), |error| error.message + &error.traceback);
    Err(ProcessError::Interpreter(said))
}
