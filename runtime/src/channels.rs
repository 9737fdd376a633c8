//! The sandbox process's side of connections: the channels of its runs, over one link to the egress process.
//!
//! Nothing is decided here. A channel has a number, received bytes, and the number of bytes that can be sent. The
//! egress process opens it when the run's grant covers it.

use crate::budget::HeldMemory;
use crate::egress::messages::{
    Failed, Failure, MAX_CHANNELS, Open, Session, StartTls, Token, WINDOW, read_window, window,
};
use crate::frame::{self, FrameKind, Incoming, NetworkPass, RunNumber};
use crate::policy::{Destination, Host, Policy};
use bytes::BytesMut;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Longest name that is parsed. A name in DNS has at most 253 characters, but more before it is normalised.
const LONGEST_NAME: usize = 1_000;
/// Most bytes that the egress process has not read. Above it no channel is opened.
const MAX_QUEUED: usize = 4 << 20;
/// Most bytes of one read or write.
const MAX_PIECE: usize = 256 << 10;

/// The link to the egress process, when there is one. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct EgressLink {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    link: Option<frame::Sender>,
    /// The number of the link: frames from a link that was replaced are ignored.
    generation: u64,
    last: u64,
    channels: HashMap<u64, Arc<Shared>>,
}

impl EgressLink {
    /// Takes the socket of a new link. The channels of the old link fail.
    pub(crate) fn attach(&self, socket: OwnedFd) -> std::io::Result<()> {
        let (sender, mut receiver) = frame::connect_locked(socket)?;
        let generation = {
            let mut inner = self.lock();
            inner.break_all();
            inner.link = Some(sender.clone());
            inner.generation += 1;
            inner.generation
        };
        let this = self.clone();
        tokio::task::spawn_local(async move {
            let flushing = tokio::task::spawn_local(async move { sender.flush().await });
            while let Ok(Some(incoming)) = receiver.next().await {
                if !this.heard(generation, incoming) {
                    break;
                }
                // Other tasks get the thread, however much is received.
                tokio::task::coop::consume_budget().await;
            }
            flushing.abort();
            let mut inner = this.lock();
            if inner.generation == generation {
                inner.link = None;
                inner.break_all();
            }
        });
        Ok(())
    }

    /// Gives a frame to its channel. Returns false when the link was replaced.
    fn heard(&self, generation: u64, incoming: Incoming) -> bool {
        let inner = self.lock();
        if inner.generation != generation {
            return false;
        }
        // The egress process is trusted: a wrong frame only fails its channel.
        if let Some(channel) = inner.channels.get(&incoming.run) {
            channel.take(incoming);
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Inner {
    fn break_all(&mut self) {
        for (_, channel) in self.channels.drain() {
            channel.fail(Failed::new(Failure::Reset, "the process that makes connections has ended"));
        }
    }
}

/// A run's access to the network.
pub(crate) struct RunNetwork {
    network: EgressLink,
    run: RunNumber,
    pass: Option<NetworkPass>,
    /// Notified when something has happened on one of its channels.
    changed: Arc<Notify>,
    open: Arc<Mutex<usize>>,
}

impl RunNetwork {
    pub(crate) fn new(network: EgressLink, run: RunNumber, pass: Option<NetworkPass>) -> Self {
        RunNetwork { network, run, pass, changed: Arc::default(), open: Arc::default() }
    }

    /// Checks that the run's grant covers a destination. The error is a sentence.
    pub(crate) fn allowed(&self, name: &str, port: u16) -> Result<(), String> {
        let nothing = Policy::default();
        let policy = self.pass.as_ref().map_or(&nothing, |pass| &pass.policy);
        let destination = destination(name, port)?;
        policy.decide(&destination).map_err(|denied| denied.to_string())
    }

    /// Requests a connection. `held` is its memory.
    pub(crate) fn open(&self, name: &str, port: u16, held: HeldMemory) -> Result<Channel, Failed> {
        let denied = |text: String| Failed::new(Failure::Denied, text);
        self.allowed(name, port).map_err(denied)?;
        // The parsed name, so that the egress process receives one form of bounded length.
        let name = match destination(name, port).map_err(denied)?.host() {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
        };
        let Some(pass) = &self.pass else { return Err(denied("the run has no access to the network".into())) };
        let no_process = || Failed::new(Failure::Reset, "the process that makes connections is not running");
        let token: Token = pass.token.ok_or_else(no_process)?;
        let mut inner = self.network.lock();
        let Some(link) = inner.link.clone() else {
            return Err(no_process());
        };
        if link.queued() > MAX_QUEUED {
            return Err(Failed::new(Failure::Reset, "the process that makes connections does not keep up"));
        }
        {
            let mut open = lock(&self.open);
            if *open >= MAX_CHANNELS {
                let text = format!("a script has at most {MAX_CHANNELS} connections at once");
                return Err(Failed::new(Failure::Unreachable, text));
            }
            *open += 1;
        }
        inner.last += 1;
        let number = inner.last;
        let shared = Arc::new(Shared { state: Mutex::new(ChannelState::new()), changed: self.changed.clone() });
        inner.channels.insert(number, shared.clone());
        link.send(FrameKind::Open, number, &frame::to_json(&Open { run: self.run, token, name, port }));
        Ok(Channel { network: self.network.clone(), link, number, shared, open: self.open.clone(), _held: held })
    }

    /// Closes all channels of the run. Bytes that were written are still sent.
    pub(crate) fn close(&self) {
        let mut inner = self.network.lock();
        let own = |channel: &Arc<Shared>| Arc::ptr_eq(&channel.changed, &self.changed);
        let numbers: Vec<u64> =
            inner.channels.iter().filter(|(_, channel)| own(channel)).map(|(number, _)| *number).collect();
        for number in numbers {
            if let (Some(channel), Some(link)) = (inner.channels.remove(&number), &inner.link) {
                channel.fail(Failed::new(Failure::Reset, "the run has ended"));
                link.send(FrameKind::Close, number, b"");
            }
        }
    }

    /// Waits until something can have happened on a channel of the run.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// A connection of a run.
pub struct Channel {
    network: EgressLink,
    link: frame::Sender,
    number: u64,
    shared: Arc<Shared>,
    open: Arc<Mutex<usize>>,
    _held: HeldMemory,
}

struct Shared {
    state: Mutex<ChannelState>,
    changed: Arc<Notify>,
}

struct ChannelState {
    established: bool,
    tls: bool,
    session: Option<Session>,
    /// Received bytes in one buffer, so that pieces of one byte do not cost more than a byte.
    incoming: BytesMut,
    /// Bytes that were read and are not reported yet.
    unreported: u32,
    ended: bool,
    failed: Option<Failed>,
    /// Bytes that can be sent.
    room: usize,
    shut: bool,
}

impl ChannelState {
    fn new() -> Self {
        ChannelState {
            established: false,
            tls: false,
            session: None,
            incoming: BytesMut::new(),
            unreported: 0,
            ended: false,
            failed: None,
            room: WINDOW as usize,
            shut: false,
        }
    }
}

impl Channel {
    /// Returns true when the connection is made and no handshake is in progress.
    pub(crate) fn established(&self) -> Result<bool, Failed> {
        let state = self.state();
        match &state.failed {
            Some(failed) => Err(failed.clone()),
            None => Ok(state.established),
        }
    }

    /// Starts TLS.
    pub(crate) fn start_tls(&self, wanted: StartTls) -> Result<(), Failed> {
        let mut state = self.state();
        if let Some(failed) = &state.failed {
            return Err(failed.clone());
        }
        let wrong = |text: &str| Err(Failed::new(Failure::Tls, text));
        if state.tls {
            return wrong("TLS inside TLS is not possible: TLS is done outside the sandbox, once for a connection");
        }
        if !state.established || state.shut {
            return wrong("TLS can start only on a connection that is made");
        }
        if !state.incoming.is_empty() || state.ended {
            return wrong("the other side sent something before TLS was started, which has not been read");
        }
        (state.established, state.tls) = (false, true);
        drop(state);
        self.link.send(FrameKind::StartTls, self.number, &frame::to_json(&wanted));
        Ok(())
    }

    /// Returns the TLS session, when there is one.
    pub(crate) fn session(&self) -> Option<Session> {
        self.state().session.clone()
    }

    /// Reads received bytes; none at the end of the stream.
    pub(crate) fn read(&self, max: usize) -> Result<Option<Vec<u8>>, Failed> {
        let mut state = self.state();
        if state.incoming.is_empty() {
            return match &state.failed {
                Some(failed) => Err(failed.clone()),
                None if state.ended => Ok(None),
                None => Ok(Some(Vec::new())),
            };
        }
        let wanted = max.min(MAX_PIECE).min(state.incoming.len());
        let bytes = state.incoming.split_to(wanted).to_vec();
        // A piece is far below u32::MAX.
        state.unreported += bytes.len() as u32;
        if state.unreported >= WINDOW / 4 {
            let taken = std::mem::take(&mut state.unreported);
            self.link.send(FrameKind::Window, self.number, &window(taken));
        }
        Ok(Some(bytes))
    }

    /// Writes bytes, and returns how many were taken.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<u32, Failed> {
        let mut state = self.state();
        if let Some(failed) = &state.failed {
            return Err(failed.clone());
        }
        if state.shut {
            return Err(Failed::new(Failure::Reset, "the script has already ended its writing"));
        }
        if !state.established {
            return Ok(0);
        }
        let taken = bytes.len().min(state.room).min(MAX_PIECE);
        if taken > 0 {
            state.room -= taken;
            self.link.send(FrameKind::Data, self.number, &bytes[..taken]);
        }
        // Bounded by MAX_PIECE.
        Ok(taken as u32)
    }

    /// Ends writing.
    pub(crate) fn shutdown(&self) -> Result<(), Failed> {
        let mut state = self.state();
        if let Some(failed) = &state.failed {
            return Err(failed.clone());
        }
        if !state.shut {
            state.shut = true;
            self.link.send(FrameKind::Shut, self.number, b"");
        }
        Ok(())
    }

    /// Returns whether a read and a write would make progress.
    pub(crate) fn ready(&self) -> (bool, bool) {
        let state = self.state();
        if state.failed.is_some() {
            return (true, true);
        }
        if !state.established {
            return (false, false);
        }
        (!state.incoming.is_empty() || state.ended, state.room > 0 || state.shut)
    }

    fn state(&self) -> MutexGuard<'_, ChannelState> {
        lock(&self.shared.state)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // Written bytes are sent first: they are on the link before this frame.
        self.link.send(FrameKind::Close, self.number, b"");
        self.network.lock().channels.remove(&self.number);
        *lock(&self.open) -= 1;
    }
}

impl Shared {
    fn take(&self, incoming: Incoming) {
        let mut state = lock(&self.state);
        let said = match incoming.kind {
            FrameKind::Opened => {
                state.established = true;
                Ok(())
            }
            FrameKind::Secured => frame::from_json(incoming.kind, &incoming.payload).map(|session| {
                state.session = Some(session);
                state.established = true;
            }),
            FrameKind::Data if state.tls && state.session.is_none() => {
                // It was sent before TLS started, and must not be read as if TLS had protected it.
                let text = "the other side sent something before TLS was started, which has not been read";
                state.failed.get_or_insert(Failed::new(Failure::Tls, text));
                Ok(())
            }
            FrameKind::Data => {
                state.incoming.extend_from_slice(&incoming.payload);
                Ok(())
            }
            FrameKind::Window => read_window(&incoming.payload).map(|bytes| {
                state.room = (state.room + bytes as usize).min(WINDOW as usize);
            }),
            FrameKind::Shut => {
                state.ended = true;
                Ok(())
            }
            FrameKind::Failed => frame::from_json(incoming.kind, &incoming.payload).map(|failed| {
                state.failed = Some(failed);
            }),
            other => Err(frame::MalformedFrame(other)),
        };
        if let Err(error) = said {
            state.failed.get_or_insert(Failed::new(Failure::Reset, error.to_string()));
        }
        drop(state);
        self.changed.notify_one();
    }

    fn fail(&self, failed: Failed) {
        lock(&self.state).failed.get_or_insert(failed);
        self.changed.notify_one();
    }
}

fn destination(name: &str, port: u16) -> Result<Destination, String> {
    if name.len() > LONGEST_NAME {
        return Err("the name is too long".into());
    }
    Destination::parse(name, port).map_err(|error| error.to_string())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds one of these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
