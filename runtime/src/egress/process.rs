//! The egress process: makes every connection of every script of a node, and nothing else.
//!
//! Descriptor 0 is the link to the node, descriptor 2 a pipe into its log. For each sandbox process it holds one end of a
//! socket pair. It reads how names are looked up and whom to believe before it locks itself; from then on it can open no
//! file, start no process and listen to nobody. It has no database, and no key but the values of secrets that runs under
//! way were granted.

use super::connection::{Command, Reply, connection};
use super::exchange::Secrets;
use super::messages::{
    Failed, Failure, Grant, MAX_CHANNELS, NetworkGrant, Offence, Open, Revoke, Setup, Spent, StartTls, Token, WINDOW,
    read_window,
};
use super::names::Names;
use super::secure::Secure;
use crate::frame::{self, Hello, Incoming, Kind, LinkError, Receiver, RunNumber};
use crate::harden::{self, Hardening};
use crate::outcome::HostUsage;
use crate::policy::Destination;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

/// How long a channel waits for the grant that it names: the node tells of a grant and of the run that has it on two
/// links, and either may be read first.
const GRANT_WITHIN: Duration = Duration::from_secs(2);
/// How long a revoked grant's connections may still send what their script wrote.
const SETTLE_WITHIN: Duration = Duration::from_millis(2_500);
/// Most sentences about a run.
const MAX_NOTES: usize = 10;
/// Most hosts that are told apart in what a run used.
const MAX_HOSTS: usize = 100;
/// Private memory of this process, in bytes.
const DATA: u64 = 2 << 30;

/// Why an egress process ended before it took any grant. Goes to the node's log.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// Names or certificates cannot be had.
    #[error("{0}")]
    Setup(String),
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

/// The whole life of an egress process: returns when the node has closed the link. `parent` is the node's process.
pub fn egress_process(parent: u32) -> Result<(), EgressError> {
    let mut hardening = Hardening::default();
    harden::step_back(&mut hardening);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build_local(Default::default())?;
    runtime.block_on(async {
        let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
        let (node, mut receiver) = frame::connect(socket, true)?;
        let protocol = |why: String| EgressError::Protocol(why);
        let first = receiver.next().await.map_err(|error| protocol(error.to_string()))?.ok_or(EgressError::Orphaned)?;
        if first.kind != Kind::Setup {
            return Err(protocol("no setup".into()));
        }
        let setup: Setup = frame::from_json(first.kind, &first.payload).map_err(|error| protocol(error.to_string()))?;
        let names = Names::new(&setup.dns).map_err(EgressError::Setup)?;
        let secure = Secure::new(&setup.authorities).map_err(EgressError::Setup)?;
        harden::lock_egress(&mut hardening, DATA, parent).map_err(|_| EgressError::Orphaned)?;
        let hello =
            Hello { protocol: frame::PROTOCOL, build: crate::BUILD.to_owned(), hardening, interpreter_memory: 0 };
        node.send(Kind::Hello, 0, &frame::to_json(&hello));
        let hub = Rc::new(Hub {
            node: node.clone(),
            names,
            secure,
            grants: RefCell::default(),
            granted: Notify::new(),
            links: RefCell::default(),
        });
        let flushing = tokio::task::spawn_local(async move { node.flush().await });
        let served = hub.serve(&mut receiver).await;
        flushing.abort();
        served
    })
}

/// Everything of the process.
pub(super) struct Hub {
    node: frame::Sender,
    pub(super) names: Names,
    pub(super) secure: Secure,
    /// By sandbox process and run.
    grants: RefCell<HashMap<(u64, RunNumber), Rc<Granted>>>,
    /// A grant has come.
    granted: Notify,
    /// What ends the links to sandbox processes.
    links: RefCell<HashMap<u64, CancellationToken>>,
}

/// A grant in force, and what it was used for.
pub(super) struct Granted {
    token: Token,
    pub(super) grant: NetworkGrant,
    pub(super) secrets: Option<Arc<Secrets>>,
    /// No more of it: what is under way sends what was said, and ends.
    pub(super) ended: CancellationToken,
    open: Cell<u32>,
    /// The last connection has ended.
    idle: Notify,
    made: Cell<u32>,
    received: Cell<u64>,
    sent: Cell<u64>,
    hosts: RefCell<Vec<HostUsage>>,
    notes: RefCell<Vec<String>>,
}

/// One of the connections that a run may have at once.
pub(super) struct Slot(Rc<Granted>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.idle.notify_one();
    }
}

impl Granted {
    fn new(grant: Grant) -> Self {
        let mut notes = Vec::new();
        // A set of secrets that cannot be used places none: placeholders go out as they are.
        let secrets = match Secrets::new(grant.grant.secrets.clone()) {
            _ if grant.grant.secrets.is_empty() => None,
            Ok(secrets) => Some(Arc::new(secrets)),
            Err(error) => {
                notes.push(format!("no secret is put in: {error}"));
                None
            }
        };
        Granted {
            token: grant.token,
            grant: NetworkGrant { secrets: Vec::new(), ..grant.grant },
            secrets,
            ended: CancellationToken::new(),
            open: Cell::default(),
            idle: Notify::new(),
            made: Cell::default(),
            received: Cell::default(),
            sent: Cell::default(),
            hosts: RefCell::default(),
            notes: RefCell::new(notes),
        }
    }

    /// Room for one more connection; the error is a sentence.
    pub(super) fn take_slot(self: &Rc<Self>) -> Result<Slot, String> {
        let caps = &self.grant.caps;
        if self.open.get() >= caps.at_once {
            return Err(format!("the script has {} connections open, as many as it may have at once", caps.at_once));
        }
        if self.made.get() >= caps.in_all {
            return Err(format!("the script has made {} connections, as many as a run may make", caps.in_all));
        }
        self.open.set(self.open.get() + 1);
        self.made.set(self.made.get() + 1);
        Ok(Slot(self.clone()))
    }

    /// Counts bytes that came from outside; the error is a sentence.
    pub(super) fn receive(&self, bytes: u64) -> Result<(), String> {
        self.received.set(self.received.get().saturating_add(bytes));
        let most = self.grant.caps.received;
        if self.received.get() > most {
            return Err(format!("the script has received more than {most} bytes, which is all that a run may receive"));
        }
        Ok(())
    }

    /// Counts bytes that go outside; the error is a sentence.
    pub(super) fn send(&self, bytes: u64) -> Result<(), String> {
        self.sent.set(self.sent.get().saturating_add(bytes));
        let most = self.grant.caps.sent;
        if self.sent.get() > most {
            return Err(format!("the script has sent more than {most} bytes, which is all that a run may send"));
        }
        Ok(())
    }

    /// Where what is done with a destination is counted.
    pub(super) fn counted(&self, destination: &Destination) -> usize {
        let mut hosts = self.hosts.borrow_mut();
        let host = destination.to_string();
        let at = match hosts.iter().position(|known| known.host == host) {
            Some(at) => at,
            None if hosts.len() < MAX_HOSTS => {
                hosts.push(HostUsage { host, ..HostUsage::default() });
                hosts.len() - 1
            }
            // One line for all the others.
            None => hosts.len() - 1,
        };
        if at == MAX_HOSTS - 1 {
            hosts[at].host = "others".into();
        }
        at
    }

    pub(super) fn count(&self, at: usize, change: impl FnOnce(&mut HostUsage)) {
        if let Some(host) = self.hosts.borrow_mut().get_mut(at) {
            change(host);
        }
    }

    /// Keeps a sentence for the run's report.
    pub(super) fn note(&self, text: &str) {
        let mut notes = self.notes.borrow_mut();
        if notes.len() < MAX_NOTES && !notes.iter().any(|known| known == text) {
            notes.push(text.to_owned());
        }
    }
}

impl Hub {
    /// Takes frames from the node until it closes the link.
    async fn serve(self: &Rc<Self>, receiver: &mut Receiver) -> Result<(), EgressError> {
        loop {
            match receiver.next().await {
                Ok(Some(incoming)) => self.take(incoming)?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(EgressError::Protocol(error.to_string())),
            }
        }
    }

    fn take(self: &Rc<Self>, incoming: Incoming) -> Result<(), EgressError> {
        let Incoming { kind, run, payload, descriptor } = incoming;
        let malformed = |error: frame::Malformed| EgressError::Protocol(error.to_string());
        match kind {
            Kind::Attach => {
                let descriptor = descriptor.ok_or_else(|| EgressError::Protocol("a link without its socket".into()))?;
                self.attach(run, descriptor)?;
            }
            Kind::Grant => {
                let grant: Grant = frame::from_json(kind, &payload).map_err(malformed)?;
                let link = grant.link;
                self.grants.borrow_mut().insert((link, run), Rc::new(Granted::new(grant)));
                self.granted.notify_waiters();
            }
            Kind::Revoke => {
                let Revoke { link } = frame::from_json(kind, &payload).map_err(malformed)?;
                tokio::task::spawn_local(self.clone().revoke(link, run));
            }
            Kind::Ping => self.node.send(Kind::Pong, 0, &payload),
            _ => return Err(EgressError::Protocol("a frame of the wrong direction".into())),
        }
        Ok(())
    }

    /// Ends a grant, and says what it was used for.
    async fn revoke(self: Rc<Self>, link: u64, run: RunNumber) {
        // What the sandbox process said before the run's end may still be on its way through this process.
        tokio::task::yield_now().await;
        let granted = self.grants.borrow_mut().remove(&(link, run));
        let mut spent = Spent { link, ..Spent::default() };
        if let Some(granted) = granted {
            granted.ended.cancel();
            let settled = async {
                while granted.open.get() > 0 {
                    granted.idle.notified().await;
                }
            };
            let _ = tokio::time::timeout(SETTLE_WITHIN, settled).await;
            spent.hosts = granted.hosts.take();
            spent.notes = granted.notes.take();
        }
        self.node.send(Kind::Spent, run, &frame::to_json(&spent));
    }

    /// A link to a sandbox process; one with the same number is replaced.
    fn attach(self: &Rc<Self>, link: u64, socket: OwnedFd) -> Result<(), EgressError> {
        let (sender, receiver) = frame::connect_locked(socket)?;
        let ended = CancellationToken::new();
        if let Some(before) = self.links.borrow_mut().insert(link, ended.clone()) {
            before.cancel();
        }
        let side = Rc::new(Side { hub: self.clone(), link, sender, channels: RefCell::default() });
        tokio::task::spawn_local(async move {
            let flushing = side.sender.clone();
            let flushing = tokio::task::spawn_local(async move { flushing.flush().await });
            let broken = tokio::select! {
                broken = side.clone().serve(receiver) => broken,
                () = ended.cancelled() => None,
            };
            flushing.abort();
            // Connections end with their commands.
            side.channels.borrow_mut().clear();
            if let Some(why) = broken {
                side.hub.node.send(Kind::Offence, 0, &frame::to_json(&Offence { link: side.link, why }));
            }
        });
        Ok(())
    }

    /// The grant that a channel names. One that is not there yet is waited for a short time.
    async fn grant_of(&self, link: u64, run: RunNumber, token: &Token) -> Option<Rc<Granted>> {
        let find = || self.grants.borrow().get(&(link, run)).filter(|granted| granted.token == *token).cloned();
        let waiting = async {
            loop {
                let granted = self.granted.notified();
                if let Some(found) = find() {
                    return found;
                }
                granted.await;
            }
        };
        tokio::time::timeout(GRANT_WITHIN, waiting).await.ok()
    }
}

/// This end of the link to one sandbox process.
struct Side {
    hub: Rc<Hub>,
    link: u64,
    sender: frame::Sender,
    channels: RefCell<HashMap<u64, Channel>>,
}

/// A channel that its task carries.
struct Channel {
    commands: mpsc::UnboundedSender<Command>,
    /// Bytes that came and were not reported as taken.
    unreported: Rc<Cell<usize>>,
}

impl Side {
    /// Takes frames until the sandbox process closes the link; the text is what it did wrong.
    async fn serve(self: Rc<Self>, mut receiver: Receiver) -> Option<String> {
        loop {
            match receiver.next().await {
                Ok(Some(incoming)) => {
                    if let Err(why) = self.take(incoming) {
                        return Some(why);
                    }
                }
                Ok(None) | Err(LinkError::Socket(_)) => return None,
                Err(error) => return Some(error.to_string()),
            }
        }
    }

    fn take(self: &Rc<Self>, incoming: Incoming) -> Result<(), String> {
        let Incoming { kind, run: channel, payload, .. } = incoming;
        let malformed = |error: frame::Malformed| error.to_string();
        let command = match kind {
            Kind::Open => {
                let open: Open = frame::from_json(kind, &payload).map_err(malformed)?;
                return self.open(channel, open);
            }
            Kind::Data => {
                if let Some(known) = self.channels.borrow().get(&channel) {
                    let unreported = known.unreported.get() + payload.len();
                    known.unreported.set(unreported);
                    if unreported > WINDOW as usize {
                        return Err("more bytes than a channel's window lets through".into());
                    }
                }
                Command::Data(payload)
            }
            Kind::Window => Command::Window(read_window(&payload).map_err(malformed)?),
            Kind::StartTls => Command::StartTls(frame::from_json::<StartTls>(kind, &payload).map_err(malformed)?),
            Kind::Shut => Command::Shut,
            Kind::Close => Command::Close,
            _ => return Err("a frame of the wrong direction".into()),
        };
        let channels = self.channels.borrow();
        // A channel that has just ended on this side is no mistake of the other's.
        if let Some(known) = channels.get(&channel) {
            let _ = known.commands.send(command);
        }
        Ok(())
    }

    fn open(self: &Rc<Self>, channel: u64, open: Open) -> Result<(), String> {
        if open.name.len() > 1_000 {
            return Err("a name longer than names are".into());
        }
        // Its length is bounded by the window, and by what a script may have its process say.
        let (sender, commands) = mpsc::unbounded_channel();
        let unreported: Rc<Cell<usize>> = Rc::default();
        {
            let mut channels = self.channels.borrow_mut();
            // Runs have fewer, each; this many of all runs aboard is no script's doing.
            if channels.len() >= MAX_CHANNELS * 64 {
                return Err("more channels than channels are".into());
            }
            let new = Channel { commands: sender, unreported: unreported.clone() };
            if channels.insert(channel, new).is_some() {
                return Err("a channel that is open already".into());
            }
        }
        let side = self.clone();
        tokio::task::spawn_local(async move {
            let reply = Reply { link: side.sender.clone(), channel, unreported };
            match side.hub.grant_of(side.link, open.run, &open.token).await {
                Some(granted) => connection(side.hub.clone(), granted, open, reply, commands).await,
                None => {
                    let failed = Failed::new(Failure::Denied, "the run has no access to the network, or no longer");
                    side.sender.send(Kind::Failed, channel, &frame::to_json(&failed));
                }
            }
            side.channels.borrow_mut().remove(&channel);
        });
        Ok(())
    }
}
