//! The egress process: makes every connection of every script of a node, and nothing else.
//!
//! Descriptor 0 is the link to the node, descriptor 2 a pipe into its log. For each sandbox process it holds one end of a
//! socket pair. It reads how names are looked up and whom to believe before it locks itself; from then on it can open no
//! file, start no process and listen to nobody. It has no database, and no key but the values of secrets that runs under
//! way were granted.

use super::connection::{ChannelReply, Inbox, connection};
use super::exchange::Secrets;
use super::messages::{
    Failed, Failure, Grant, MAX_CHANNELS, MAX_HOSTS, MAX_NOTES, NetworkGrant, NetworkUsage, Open, Revoke, Setup,
    StartTls, Token, Violation, WINDOW, read_window,
};
use super::names::Names;
use super::secure::Secure;
use crate::frame::{self, FrameKind, Hello, Incoming, LinkError, Receiver, RunNumber};
use crate::harden::{self, Hardening};
use crate::outcome::HostUsage;
use crate::policy::Destination;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long a channel waits for the grant that it names: the node tells of a grant and of the run that has it on two
/// links, and either may be read first.
const GRANT_WITHIN: Duration = Duration::from_secs(2);
/// How long a revoked grant's connections may still send what their script wrote.
const SETTLE_WITHIN: Duration = Duration::from_millis(2_500);
/// How long they are waited for before they are told that the run has ended.
const CLOSED_WITHIN: Duration = Duration::from_millis(1_500);
/// Connections of all runs at once: what they may keep waiting stays far below this process's memory.
const MAX_OPEN: u32 = 2_048;
/// Bytes that may be kept for the connections of one run, and of all runs, beyond a window each: requests whose bodies are
/// collected for secrets.
const MAX_KEPT_OF_RUN: usize = 32 << 20;
const MAX_KEPT: usize = 512 << 20;
/// Longest name of a host that is looked at.
const LONGEST_NAME: usize = 1_000;
/// Bytes that may wait for a sandbox process to read before its link is given up.
const MAX_QUEUED: usize = 32 << 20;
/// Most bytes of a request for a connection, or for TLS.
const MAX_REQUEST: usize = 16 << 10;
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
        if first.kind != FrameKind::Setup {
            return Err(protocol("no setup".into()));
        }
        let setup: Setup = frame::from_json(first.kind, &first.payload).map_err(|error| protocol(error.to_string()))?;
        let names = Names::new(&setup.dns).map_err(EgressError::Setup)?;
        let secure = Secure::new(&setup.authorities).map_err(EgressError::Setup)?;
        harden::lock_egress(&mut hardening, DATA, parent).map_err(|_| EgressError::Orphaned)?;
        let hello =
            Hello { protocol: frame::PROTOCOL, build: crate::BUILD.to_owned(), hardening, interpreter_memory: 0 };
        node.send(FrameKind::Hello, 0, &frame::to_json(&hello));
        let egress = Rc::new(Egress {
            node: node.clone(),
            names,
            secure,
            grants: RefCell::default(),
            granted: Notify::new(),
            links: RefCell::default(),
            last_link: Cell::default(),
            open: Cell::default(),
            kept: Cell::default(),
        });
        let flushing = tokio::task::spawn_local(async move { node.flush().await });
        let served = egress.serve(&mut receiver).await;
        flushing.abort();
        served
    })
}

/// Everything of the process.
pub(super) struct Egress {
    node: frame::Sender,
    pub(super) names: Names,
    pub(super) secure: Secure,
    /// By sandbox process and run.
    grants: RefCell<HashMap<(u64, RunNumber), Rc<RunGrant>>>,
    /// A grant has come.
    granted: Notify,
    /// What ends the links to sandbox processes.
    links: RefCell<HashMap<u64, (u64, CancellationToken)>>,
    last_link: Cell<u64>,
    /// Connections of all runs.
    open: Cell<u32>,
    /// Bytes that are kept for them.
    kept: Cell<usize>,
}

/// A grant in force, and what it was used for.
pub(super) struct RunGrant {
    token: Token,
    pub(super) grant: NetworkGrant,
    pub(super) secrets: Option<Arc<Secrets>>,
    /// No more of it: what is under way sends what was said, and ends.
    pub(super) ended: CancellationToken,
    open: Cell<u32>,
    /// Bytes that are kept for its connections.
    kept: Cell<usize>,
    /// The last connection has ended.
    idle: Notify,
    made: Cell<u32>,
    received: Cell<u64>,
    sent: Cell<u64>,
    hosts: RefCell<Vec<HostUsage>>,
    notes: RefCell<Vec<String>>,
}

/// One of the connections that a run, and all runs together, may have at once.
pub(super) struct ConnectionSlot {
    egress: Rc<Egress>,
    granted: Rc<RunGrant>,
    /// Bytes that are kept for it beyond a window.
    kept: Cell<usize>,
}

impl ConnectionSlot {
    /// Counts the bytes that are kept for it now; the error is a sentence.
    pub(super) fn keep(&self, bytes: usize) -> Result<(), String> {
        let now = bytes.saturating_sub(WINDOW as usize);
        let before = self.kept.replace(now);
        let mut kept = Ok(());
        for (all, most) in [(&self.granted.kept, MAX_KEPT_OF_RUN), (&self.egress.kept, MAX_KEPT)] {
            all.set(all.get() - before + now);
            if now > before && all.get() > most {
                kept = Err(format!("more than {most} bytes wait to be sent: too many large requests at once"));
            }
        }
        kept
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        // Less than before is never too much.
        let _ = self.keep(0);
        self.egress.open.set(self.egress.open.get() - 1);
        self.granted.open.set(self.granted.open.get() - 1);
        self.granted.idle.notify_one();
    }
}

impl RunGrant {
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
        RunGrant {
            token: grant.token,
            grant: NetworkGrant { secrets: Vec::new(), ..grant.grant },
            secrets,
            ended: CancellationToken::new(),
            open: Cell::default(),
            kept: Cell::default(),
            idle: Notify::new(),
            made: Cell::default(),
            received: Cell::default(),
            sent: Cell::default(),
            hosts: RefCell::default(),
            notes: RefCell::new(notes),
        }
    }

    /// Room for one more connection; the error is a sentence.
    pub(super) fn take_slot(self: &Rc<Self>, egress: &Rc<Egress>) -> Result<ConnectionSlot, String> {
        let caps = &self.grant.caps;
        if egress.open.get() >= MAX_OPEN {
            return Err("this server has as many connections open as it can have".into());
        }
        if self.open.get() >= caps.at_once {
            return Err(format!("the script has {} connections open, as many as it may have at once", caps.at_once));
        }
        if self.made.get() >= caps.in_all {
            return Err(format!("the script has made {} connections, as many as a run may make", caps.in_all));
        }
        egress.open.set(egress.open.get() + 1);
        self.open.set(self.open.get() + 1);
        self.made.set(self.made.get() + 1);
        Ok(ConnectionSlot { egress: egress.clone(), granted: self.clone(), kept: Cell::default() })
    }

    /// Counts bytes that came from outside; the error is a sentence.
    pub(super) fn receive(&self, bytes: u64) -> Result<(), String> {
        self.spend(&self.received, bytes, self.grant.caps.received, ("received", "receive"))
    }

    /// Counts bytes that go outside; the error is a sentence.
    pub(super) fn send(&self, bytes: u64) -> Result<(), String> {
        self.spend(&self.sent, bytes, self.grant.caps.sent, ("sent", "send"))
    }

    fn spend(&self, so_far: &Cell<u64>, bytes: u64, most: u64, (done, to_do): (&str, &str)) -> Result<(), String> {
        so_far.set(so_far.get().saturating_add(bytes));
        if so_far.get() > most {
            let text = format!("the script has {done} more than {most} bytes, which is all that a run may {to_do}");
            self.note(&text);
            return Err(text);
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

impl Egress {
    /// Takes frames from the node until it closes the link.
    async fn serve(self: &Rc<Self>, receiver: &mut Receiver) -> Result<(), EgressError> {
        loop {
            match receiver.next().await {
                Ok(Some(incoming)) => self.take(incoming)?,
                Ok(None) | Err(LinkError::Cut) => return Ok(()),
                Err(error) => return Err(EgressError::Protocol(error.to_string())),
            }
        }
    }

    fn take(self: &Rc<Self>, incoming: Incoming) -> Result<(), EgressError> {
        let Incoming { kind, run, payload, descriptor } = incoming;
        let malformed = |error: frame::MalformedFrame| EgressError::Protocol(error.to_string());
        match kind {
            FrameKind::Attach => {
                // A socket that could not be received (too many are open) costs one sandbox process its way here, and
                // no other.
                let attached = descriptor.ok_or_else(|| "a link without its socket".to_owned());
                let attached = attached.and_then(|socket| self.attach(run, socket).map_err(|error| error.to_string()));
                if let Err(why) = attached {
                    self.node.send(FrameKind::Violation, 0, &frame::to_json(&Violation { link: run, why }));
                }
            }
            FrameKind::Grant => {
                let grant: Grant = frame::from_json(kind, &payload).map_err(malformed)?;
                let link = grant.link;
                self.grants.borrow_mut().insert((link, run), Rc::new(RunGrant::new(grant)));
                self.granted.notify_waiters();
            }
            FrameKind::Revoke => {
                let Revoke { link } = frame::from_json(kind, &payload).map_err(malformed)?;
                tokio::task::spawn_local(self.clone().revoke(link, run));
            }
            FrameKind::Ping => self.node.send(FrameKind::Pong, 0, &payload),
            _ => return Err(EgressError::Protocol("a frame of the wrong direction".into())),
        }
        Ok(())
    }

    /// Ends a grant, and says what it was used for.
    async fn revoke(self: Rc<Self>, link: u64, run: RunNumber) {
        let granted = self.grants.borrow_mut().remove(&(link, run));
        let mut usage = NetworkUsage { link, ..NetworkUsage::default() };
        if let Some(granted) = granted {
            let settled = async || {
                while granted.open.get() > 0 {
                    granted.idle.notified().await;
                }
            };
            // What the sandbox process said before the run's end may still be on its way: the closing of every channel
            // comes after it. Only what does not come is cut off.
            let _ = tokio::time::timeout(CLOSED_WITHIN, settled()).await;
            granted.ended.cancel();
            let _ = tokio::time::timeout(SETTLE_WITHIN, settled()).await;
            usage.hosts = granted.hosts.take();
            usage.notes = granted.notes.take();
        }
        self.node.send(FrameKind::NetworkUsage, run, &frame::to_json(&usage));
    }

    /// A link to a sandbox process; one with the same number is replaced.
    fn attach(self: &Rc<Self>, link: u64, socket: OwnedFd) -> Result<(), EgressError> {
        let (sender, receiver) = frame::connect_locked(socket)?;
        let ended = CancellationToken::new();
        let number = self.last_link.get() + 1;
        self.last_link.set(number);
        if let Some((_, before)) = self.links.borrow_mut().insert(link, (number, ended.clone())) {
            before.cancel();
        }
        let sandbox_link = Rc::new(SandboxLink { egress: self.clone(), link, sender, channels: RefCell::default() });
        tokio::task::spawn_local(async move {
            let flushing = sandbox_link.sender.clone();
            let flushing = tokio::task::spawn_local(async move { flushing.flush().await });
            let broken = tokio::select! {
                broken = sandbox_link.clone().serve(receiver) => broken,
                () = ended.cancelled() => None,
            };
            flushing.abort();
            for (_, inbox) in sandbox_link.channels.borrow_mut().drain() {
                inbox.close();
            }
            let mut links = sandbox_link.egress.links.borrow_mut();
            if links.get(&sandbox_link.link).is_some_and(|(known, _)| *known == number) {
                links.remove(&sandbox_link.link);
            }
            drop(links);
            if let Some(why) = broken {
                sandbox_link.egress.node.send(
                    FrameKind::Violation,
                    0,
                    &frame::to_json(&Violation { link: sandbox_link.link, why }),
                );
            }
        });
        Ok(())
    }

    /// The grant that a channel names. One that is not there yet is waited for a short time.
    async fn grant_of(&self, link: u64, run: RunNumber, token: &Token) -> Option<Rc<RunGrant>> {
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
struct SandboxLink {
    egress: Rc<Egress>,
    link: u64,
    sender: frame::Sender,
    channels: RefCell<HashMap<u64, Rc<Inbox>>>,
}

impl SandboxLink {
    /// Takes frames until the sandbox process closes the link; the text is what it did wrong.
    async fn serve(self: Rc<Self>, mut receiver: Receiver) -> Option<String> {
        loop {
            match receiver.next().await {
                Ok(Some(incoming)) => {
                    if let Err(why) = self.take(incoming) {
                        return Some(why);
                    }
                    // However much one process says, the others have their turns.
                    tokio::task::coop::consume_budget().await;
                }
                Ok(None) | Err(LinkError::Socket(_) | LinkError::Cut) => return None,
                Err(error) => return Some(error.to_string()),
            }
        }
    }

    fn take(self: &Rc<Self>, incoming: Incoming) -> Result<(), String> {
        let Incoming { kind, run: channel, payload, .. } = incoming;
        let malformed = |error: frame::MalformedFrame| error.to_string();
        if self.sender.queued() > MAX_QUEUED {
            return Err("it asks for more than it reads".into());
        }
        if matches!(kind, FrameKind::Open | FrameKind::StartTls) && payload.len() > MAX_REQUEST {
            return Err("a request larger than requests are".into());
        }
        if kind == FrameKind::Open {
            return self.open(channel, frame::from_json(kind, &payload).map_err(malformed)?);
        }
        let channels = self.channels.borrow();
        let inbox = channels.get(&channel);
        match kind {
            // A channel that has just ended on this side is no mistake of the other's.
            FrameKind::Data | FrameKind::Window | FrameKind::StartTls | FrameKind::Shut | FrameKind::Close
                if inbox.is_none() =>
            {
                Ok(())
            }
            FrameKind::Data => inbox.map_or(Ok(()), |inbox| inbox.data(&payload)),
            FrameKind::Window => {
                let bytes = read_window(&payload).map_err(malformed)?;
                inbox.map_or(Ok(()), |inbox| inbox.window(bytes))
            }
            FrameKind::StartTls => {
                let wanted: StartTls = frame::from_json(kind, &payload).map_err(malformed)?;
                inbox.map_or(Ok(()), |inbox| inbox.start_tls(wanted))
            }
            FrameKind::Shut => {
                inbox.inspect(|inbox| inbox.shut());
                Ok(())
            }
            FrameKind::Close => {
                inbox.inspect(|inbox| inbox.close());
                Ok(())
            }
            _ => Err("a frame of the wrong direction".into()),
        }
    }

    fn open(self: &Rc<Self>, channel: u64, open: Open) -> Result<(), String> {
        if open.name.len() > LONGEST_NAME {
            return Err("a name that is longer than names are".into());
        }
        let inbox: Rc<Inbox> = Rc::default();
        {
            let mut channels = self.channels.borrow_mut();
            // Runs have fewer, each; this many of all active runs is no script's doing.
            if channels.len() >= MAX_CHANNELS * 64 {
                return Err("more channels than channels are".into());
            }
            if channels.insert(channel, inbox.clone()).is_some() {
                return Err("a channel that is open already".into());
            }
        }
        let sandbox_link = self.clone();
        tokio::task::spawn_local(async move {
            let _entry = ChannelEntry { sandbox_link: sandbox_link.clone(), channel };
            let reply = ChannelReply { link: sandbox_link.sender.clone(), channel, inbox };
            let granted = tokio::select! {
                granted = sandbox_link.egress.grant_of(sandbox_link.link, open.run, &open.token) => granted,
                // It was given up meanwhile.
                () = reply.inbox.closed() => return,
            };
            match granted {
                Some(granted) => connection(sandbox_link.egress.clone(), granted, open, reply).await,
                None => {
                    let text = "the run's access to the network has ended, or was lost with the process that gave it";
                    sandbox_link.sender.send(
                        FrameKind::Failed,
                        channel,
                        &frame::to_json(&Failed::new(Failure::Reset, text)),
                    );
                }
            }
        });
        Ok(())
    }
}

/// A channel in the table of its link, as long as its task lives.
struct ChannelEntry {
    sandbox_link: Rc<SandboxLink>,
    channel: u64,
}

impl Drop for ChannelEntry {
    fn drop(&mut self) {
        self.sandbox_link.channels.borrow_mut().remove(&self.channel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::address::Networks;
    use crate::egress::messages::window;
    use crate::frame::Sender;
    use crate::policy::Policy;
    use std::future::Future;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const TOKEN: Token = [7; 16];
    const OTHER: Token = [8; 16];

    /// An egress process in this one, its node's end of the link, and a server that sends back what it gets.
    struct Drill {
        node: Sender,
        from_egress: Receiver,
        port: u16,
    }

    /// The end of a link that a sandbox process has; one that was taken over may say anything on it.
    struct Impostor {
        sender: Sender,
        receiver: Receiver,
    }

    impl Drill {
        /// Runs a test with one.
        async fn run<F: Future<Output = ()>>(test: impl FnOnce(Drill) -> F) {
            tokio::task::LocalSet::new()
                .run_until(async {
                    let (ours, theirs) = frame::pair().expect("a pair");
                    let (node, from_egress) = frame::connect(ours, false).expect("connects");
                    let (to_node, mut receiver) = frame::connect(theirs, true).expect("connects");
                    let egress = Rc::new(Egress {
                        node: to_node.clone(),
                        names: Names::new(&[([127, 0, 0, 1], 9).into()]).expect("names"),
                        secure: Secure::new("").expect("roots"),
                        grants: RefCell::default(),
                        granted: Notify::new(),
                        links: RefCell::default(),
                        last_link: Cell::default(),
                        open: Cell::default(),
                        kept: Cell::default(),
                    });
                    for sender in [node.clone(), to_node.clone()] {
                        tokio::task::spawn_local(async move { sender.flush().await });
                    }
                    tokio::task::spawn_local(async move { egress.serve(&mut receiver).await });
                    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                    let port = server.local_addr().expect("bound").port();
                    tokio::task::spawn_local(async move {
                        while let Ok((mut stream, _)) = server.accept().await {
                            tokio::task::spawn_local(async move {
                                let mut bytes = [0; 100];
                                while let Ok(size @ 1..) = stream.read(&mut bytes).await {
                                    let _ = stream.write_all(&bytes[..size]).await;
                                }
                            });
                        }
                    });
                    test(Drill { node, from_egress, port }).await;
                })
                .await;
        }

        fn attach(&self, link: u64) -> Impostor {
            let (ours, theirs) = frame::pair_for_locked().expect("a pair");
            self.node.send_with(FrameKind::Attach, link, b"", Some(theirs));
            let (sender, receiver) = frame::connect_locked(ours).expect("connects");
            let flushing = sender.clone();
            tokio::task::spawn_local(async move { flushing.flush().await });
            Impostor { sender, receiver }
        }

        fn grant(&self, link: u64, run: RunNumber) {
            let policy =
                Policy { allow: vec![format!("127.0.0.1:{}", self.port).parse().expect("reads")], ..Policy::default() };
            let networks = Networks::parse(["127.0.0.1=127.0.0.0/8"]).expect("reads");
            let grant = NetworkGrant { policy, networks, ..NetworkGrant::default() };
            self.node.send(FrameKind::Grant, run, &frame::to_json(&Grant { link, token: TOKEN, grant }));
        }

        async fn said(&mut self) -> Incoming {
            self.from_egress.next().await.expect("receives").expect("a frame")
        }

        fn open(&self, run: RunNumber, token: Token) -> Vec<u8> {
            frame::to_json(&Open { run, token, name: "127.0.0.1".into(), port: self.port })
        }
    }

    impl Impostor {
        async fn next(&mut self) -> (FrameKind, u64) {
            let incoming = self.receiver.next().await.expect("receives").expect("a frame");
            (incoming.kind, incoming.run)
        }

        /// Whether a connection can be made and used.
        async fn speaks(&mut self, drill: &Drill, channel: u64, run: RunNumber, token: Token) -> bool {
            self.sender.send(FrameKind::Open, channel, &drill.open(run, token));
            loop {
                match self.next().await {
                    // Of the channel before this one.
                    (FrameKind::Window, _) => {}
                    (FrameKind::Opened, at) if at == channel => break,
                    _ => return false,
                }
            }
            self.sender.send(FrameKind::Data, channel, b"hello");
            loop {
                match self.next().await {
                    (FrameKind::Window, _) => {}
                    said => return said == (FrameKind::Data, channel),
                }
            }
        }
    }

    #[tokio::test]
    async fn nothing_is_reached_but_with_the_run_token_and_link_of_a_grant() {
        Drill::run(async |mut drill| {
            let (mut one, mut other) = (drill.attach(1), drill.attach(2));
            drill.grant(1, 70);
            assert!(one.speaks(&drill, 1, 70, TOKEN).await);
            assert!(!one.speaks(&drill, 2, 70, OTHER).await, "a token that was guessed");
            assert!(!one.speaks(&drill, 3, 71, TOKEN).await, "another run");
            assert!(!other.speaks(&drill, 1, 70, TOKEN).await, "another sandbox process");
            let elsewhere = Open { run: 70, token: TOKEN, name: "127.0.0.1".into(), port: drill.port ^ 1 };
            one.sender.send(FrameKind::Open, 4, &frame::to_json(&elsewhere));
            assert_eq!(one.next().await, (FrameKind::Failed, 4), "another port");
            one.sender.send(FrameKind::Close, 1, b"");
            drill.node.send(FrameKind::Revoke, 70, &frame::to_json(&Revoke { link: 1 }));
            let usage = drill.said().await;
            assert_eq!((usage.kind, usage.run), (FrameKind::NetworkUsage, 70));
            let usage: NetworkUsage = frame::from_json(FrameKind::NetworkUsage, &usage.payload).expect("reads");
            assert_eq!((usage.hosts[0].connections, usage.hosts[0].sent_bytes), (1, 5));
            assert!(usage.notes[0].contains("is not allowed"), "{:?}", usage.notes);
            assert!(!one.speaks(&drill, 5, 70, TOKEN).await, "after its run");
        })
        .await;
    }

    #[tokio::test]
    async fn a_process_that_breaks_the_rules_loses_its_link_and_no_other_does() {
        Drill::run(async |mut drill| {
            let mut honest = drill.attach(1);
            drill.grant(1, 70);
            type Offend = Box<dyn Fn(&Drill, &Impostor)>;
            let frame_of = |kind: FrameKind, payload: Vec<u8>| -> Offend {
                Box::new(move |_, impostor| impostor.sender.send(kind, 1, &payload))
            };
            let after_open = |kind: FrameKind, payload: Vec<u8>, times: usize| -> Offend {
                Box::new(move |drill, impostor| {
                    impostor.sender.send(FrameKind::Open, 1, &drill.open(70, TOKEN));
                    for _ in 0..times {
                        impostor.sender.send(kind, 1, &payload);
                    }
                })
            };
            let raw = move |bytes: Vec<u8>| -> Offend { Box::new(move |_, impostor| impostor.sender.send_raw(&bytes)) };
            let violations = [
                ("a grant of its own", frame_of(FrameKind::Grant, Vec::new())),
                ("a link of its own", frame_of(FrameKind::Attach, Vec::new())),
                ("the other direction", frame_of(FrameKind::Opened, Vec::new())),
                ("a greeting", frame_of(FrameKind::Hello, b"{}".to_vec())),
                ("no request", frame_of(FrameKind::Open, b"{".to_vec())),
                ("a large request", frame_of(FrameKind::Open, vec![b' '; 20 << 10])),
                (
                    "a channel twice",
                    Box::new(|drill, impostor| {
                        impostor.sender.send(FrameKind::Open, 1, &drill.open(70, TOKEN));
                        impostor.sender.send(FrameKind::Open, 1, &drill.open(70, TOKEN));
                    }),
                ),
                ("bytes before there is a connection", after_open(FrameKind::Data, vec![0], 1)),
                (
                    "a name without an end",
                    Box::new(|_, impostor| {
                        let open = Open { run: 70, token: TOKEN, name: "a".repeat(2_000), port: 1 };
                        impostor.sender.send(FrameKind::Open, 1, &frame::to_json(&open));
                    }),
                ),
                ("windows without end", after_open(FrameKind::Window, window(WINDOW).to_vec(), 8)),
                ("half a window", after_open(FrameKind::Window, vec![1], 1)),
                (
                    "TLS twice",
                    after_open(FrameKind::StartTls, br#"{"name":"x","verify":true,"protocols":[]}"#.to_vec(), 2),
                ),
                ("no frame", raw(vec![0xff; 64])),
                ("values in parts without end", raw(Vec::new())),
            ];
            for (number, (what, offend)) in (10..).zip(violations) {
                let mut impostor = drill.attach(number);
                offend(&drill, &impostor);
                if what == "values in parts without end" {
                    for run in 0..100u64 {
                        let head = [1, 0, 0, 0, FrameKind::Open as u8, 1, 0, 0];
                        impostor.sender.send_raw(&[&head[..], &run.to_le_bytes(), b"x"].concat());
                    }
                }
                let said = drill.said().await;
                assert_eq!(said.kind, FrameKind::Violation, "{what}");
                let violation: Violation = frame::from_json(FrameKind::Violation, &said.payload).expect("reads");
                assert_eq!(violation.link, number, "{what}: {}", violation.why);
                while let Ok(Some(_)) = impostor.receiver.next().await {}
            }
            assert!(honest.speaks(&drill, 1, 70, TOKEN).await);
        })
        .await;
    }

    #[test]
    fn what_is_kept_for_a_run_is_bounded() {
        let grant = Grant { link: 1, token: TOKEN, grant: NetworkGrant::default() };
        let granted = Rc::new(RunGrant::new(grant));
        let (_, theirs) = frame::pair().expect("a pair");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        let _inside = runtime.enter();
        let egress = Rc::new(Egress {
            node: frame::connect(theirs, false).expect("connects").0,
            names: Names::new(&[([127, 0, 0, 1], 9).into()]).expect("names"),
            secure: Secure::new("").expect("roots"),
            grants: RefCell::default(),
            granted: Notify::new(),
            links: RefCell::default(),
            last_link: Cell::default(),
            open: Cell::default(),
            kept: Cell::default(),
        });
        let (one, other) = (granted.take_slot(&egress).expect("a slot"), granted.take_slot(&egress).expect("a slot"));
        let window = WINDOW as usize;
        assert_eq!((one.keep(window), egress.kept.get()), (Ok(()), 0));
        assert_eq!((one.keep(window + MAX_KEPT_OF_RUN), egress.kept.get()), (Ok(()), MAX_KEPT_OF_RUN));
        assert!(other.keep(window + 1).is_err());
        assert_eq!(one.keep(window + 1), Ok(()));
        drop((one, other));
        assert_eq!((egress.kept.get(), granted.kept.get(), egress.open.get()), (0, 0, 0));
    }
}
