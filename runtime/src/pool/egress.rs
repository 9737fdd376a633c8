//! The pool's side of the egress process.

use super::child::{Child, Children};
use crate::egress::NetworkGrant;
use crate::egress::messages::{Grant, Revoke, Setup, Token};
use crate::frame::{self, FrameKind, RunNumber};
use crate::harden::Hardening;
use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The time that the end of a run waits for its use of the network.
pub(super) const NETWORK_USAGE_WITHIN: Duration = Duration::from_secs(6);

/// The configuration of the egress process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressConfig {
    /// The command of the egress process: a program and its first arguments. Empty: there is none, and no run has
    /// access to the network.
    pub command: Vec<OsString>,
    /// Name servers to use instead of the system's.
    pub dns: Vec<SocketAddr>,
    /// Certificates of authorities (PEM) in addition to the system's.
    pub authorities: String,
}

/// The running egress process.
pub(super) struct EgressProcess {
    /// The number of this process: frames and deaths of earlier ones are ignored.
    pub(super) number: u64,
    pub(super) link: frame::Sender,
    pub(super) pid: u32,
    pub(super) kill: Arc<Notify>,
    pub(super) heard: Instant,
    pub(super) pinged: Instant,
    pub(super) hardening: Option<Hardening>,
    /// The sandbox processes with a link to it.
    attached: HashSet<u64>,
}

impl EgressProcess {
    /// Starts an egress process, and gives it to `live`.
    pub(super) fn start(
        config: &EgressConfig,
        children: &Children,
        number: u64,
        live: impl FnOnce(Child, Arc<Notify>),
    ) -> io::Result<Self> {
        let child = children.spawn_egress(&config.command)?;
        let (link, pid) = (child.link.clone(), child.pid);
        let kill = Arc::new(Notify::new());
        let setup = Setup { dns: config.dns.clone(), authorities: config.authorities.clone() };
        link.send(FrameKind::Setup, 0, &frame::to_json(&setup));
        live(child, kill.clone());
        let now = Instant::now();
        Ok(EgressProcess {
            number,
            link,
            pid,
            kill,
            heard: now,
            pinged: now,
            hardening: None,
            attached: HashSet::new(),
        })
    }

    /// Sends the grant of a run, and makes a link to its sandbox process when there is none.
    pub(super) fn grant(
        &mut self,
        process: u64,
        sandbox: &frame::Sender,
        run: RunNumber,
        token: Token,
        grant: &NetworkGrant,
    ) -> io::Result<()> {
        if !self.attached.contains(&process) {
            let (ours, theirs) = frame::pair_for_locked()?;
            self.attached.insert(process);
            self.link.send_with(FrameKind::Attach, process, b"", Some(ours));
            sandbox.send_with(FrameKind::Network, 0, b"", Some(theirs));
        }
        let granted = Grant { link: process, token, grant: grant.clone() };
        self.link.send(FrameKind::Grant, run, &frame::to_json(&granted));
        Ok(())
    }

    /// Forgets the link of a sandbox process that has ended or violated the protocol.
    pub(super) fn detached(&mut self, process: u64) {
        self.attached.remove(&process);
    }

    /// Ends the grant of a run, which is answered with its usage.
    pub(super) fn revoke(&self, process: u64, run: RunNumber) {
        self.link.send(FrameKind::Revoke, run, &frame::to_json(&Revoke { link: process }));
    }
}
