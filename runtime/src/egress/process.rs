//! The egress process: it makes every connection of every script of a node, and does nothing else.
//!
//! Descriptor 0 is the link to the node, descriptor 2 a pipe into its log. For each sandbox process it holds one end of
//! a socket pair. It reads name servers and authorities before it locks itself. From then on it cannot open a file,
//! start a process or listen. It has no database and no keys, except for the values of secrets that active runs were
//! granted.

use super::grants::{Egress, RunGrant};
use super::messages::{Grant, NetworkUsage, Revoke, Setup, Violation};
use super::names::Names;
use super::outbound::{self, Outbound};
use super::sandbox_link::SandboxLink;
use super::secure::Secure;
use crate::frame::{self, FrameKind, Hello, Incoming, LinkError, Receiver, RunNumber};
use crate::harden::{self, Hardening};
use std::cell::RefCell;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The time in which the connections of an ended grant can still send what their script wrote.
const SETTLE_WITHIN: Duration = Duration::from_millis(2_500);

/// The time in which they can end by themselves before they are told that the run has ended.
const CLOSED_WITHIN: Duration = Duration::from_millis(1_500);

/// Most private memory of this process, in bytes.
const DATA: u64 = 2 << 30;

/// The error with which an egress process ends. It goes to the node's log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EgressError {
    /// Names cannot be looked up, or authorities cannot be read.
    #[error("{0}")]
    Setup(String),
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

/// Runs as an egress process until the node closes the link. `parent` is the node's process.
pub(crate) fn egress_process(parent: u32) -> Result<(), EgressError> {
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
        let hello = Hello { protocol: frame::PROTOCOL, build: crate::BUILD.to_owned(), hardening, guests: Vec::new() };
        node.send(FrameKind::Hello, 0, &frame::to_json(&hello));
        let egress = Rc::new(Egress::new(node.clone(), names, secure));
        let flushing = tokio::task::spawn_local(async move { node.flush().await });
        let served = egress.serve(&mut receiver).await;
        flushing.abort();
        served
    })
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
                // When a socket cannot be received (too many are open), only this sandbox process has no link.
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
            FrameKind::Outbound => {
                let outbound: Outbound = frame::from_json(kind, &payload).map_err(malformed)?;
                tokio::task::spawn_local(outbound::carry_out(self.clone(), run, outbound));
            }
            FrameKind::Ping => self.node.send(FrameKind::Pong, 0, &payload),
            _ => return Err(EgressError::Protocol("a frame for the other direction".into())),
        }
        Ok(())
    }

    /// Ends a grant, and reports its usage.
    async fn revoke(self: Rc<Self>, link: u64, run: RunNumber) {
        let granted = self.grants.borrow_mut().remove(&(link, run));
        let mut usage = NetworkUsage { link, ..NetworkUsage::default() };
        if let Some(granted) = granted {
            let end = Instant::now();
            let settled = async || {
                while granted.open.get() > 0 {
                    granted.idle.notified().await;
                }
            };
            // Frames that the sandbox process sent before the run's end can still be in the socket; the closing of
            // every channel comes after them. Only channels that are not closed in time are cancelled.
            let _ = tokio::time::timeout(CLOSED_WITHIN, settled()).await;
            granted.ended.cancel();
            let _ = tokio::time::timeout(SETTLE_WITHIN, settled()).await;
            usage.hosts = granted.hosts.take();
            usage.connections = granted.take_connections(end);
            usage.notes = granted.notes.take();
        }
        self.node.send(FrameKind::NetworkUsage, run, &frame::to_json(&usage));
    }

    /// Adds a link to a sandbox process, and ends an older one with the same number.
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::address::Networks;
    use crate::egress::messages::{NetworkGrant, Open, Token, WINDOW, window};
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
        /// The socket itself, for bytes that are not frames.
        socket: OwnedFd,
    }

    impl Drill {
        /// Runs a test with one.
        async fn run<F: Future<Output = ()>>(test: impl FnOnce(Drill) -> F) {
            tokio::task::LocalSet::new()
                .run_until(async {
                    let (ours, theirs) = frame::pair().expect("a pair");
                    let (node, from_egress) = frame::connect(ours, false).expect("connects");
                    let (to_node, mut receiver) = frame::connect(theirs, true).expect("connects");
                    let egress = Rc::new(Egress::new(
                        to_node.clone(),
                        Names::new(&[([127, 0, 0, 1], 9).into()]).expect("names"),
                        Secure::new("").expect("roots"),
                    ));
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
            let socket = ours.try_clone().expect("a copy");
            let (sender, receiver) = frame::connect_locked(ours).expect("connects");
            let flushing = sender.clone();
            tokio::task::spawn_local(async move { flushing.flush().await });
            Impostor { sender, receiver, socket }
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
        fn write_bytes(&self, bytes: &[u8]) {
            assert_eq!(rustix::io::write(&self.socket, bytes).expect("writes"), bytes.len());
        }

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
            let [connection] = usage.connections.as_slice() else { panic!("{:?}", usage.connections) };
            assert_eq!(connection.host, usage.hosts[0].host);
            assert!(connection.opened_before_end > Duration::ZERO, "{connection:?}");
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
            let raw = move |bytes: Vec<u8>| -> Offend { Box::new(move |_, impostor| impostor.write_bytes(&bytes)) };
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
                        impostor.write_bytes(&[&head[..], &run.to_le_bytes(), b"x"].concat());
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
}
