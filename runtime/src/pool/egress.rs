//! The egress process as the pool sees it: started with the first run that may use the network, told who may do what.

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

/// A run's end waits this long for what it used of the network.
pub(super) const NETWORK_USAGE_WITHIN: Duration = Duration::from_secs(6);

/// How the egress process is set up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressConfig {
    /// The command that becomes an egress process: a program and its first words. Empty: there is none, and no run has
    /// access to the network.
    pub command: Vec<OsString>,
    /// Name servers instead of the system's.
    pub dns: Vec<SocketAddr>,
    /// Certificates of authorities (PEM) beside the system's.
    pub authorities: String,
}

/// The egress process that is up.
pub(super) struct EgressProcess {
    /// Which one it is: what is said about another is not about this one.
    pub(super) number: u64,
    pub(super) link: frame::Sender,
    pub(super) pid: u32,
    pub(super) kill: Arc<Notify>,
    pub(super) heard: Instant,
    pub(super) pinged: Instant,
    pub(super) hardening: Option<Hardening>,
    /// Sandbox processes that have a link to it.
    attached: HashSet<u64>,
}

impl EgressProcess {
    /// Starts one. What it says, and its end, go to `take` and `gone`.
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

    /// Tells it what a run in a sandbox process may do, and gives the process a link to it when it has none.
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

    /// A sandbox process is gone, or broke the rules of its link.
    pub(super) fn detached(&mut self, process: u64) {
        self.attached.remove(&process);
    }

    /// Asks what a run used, which ends its grant.
    pub(super) fn revoke(&self, process: u64, run: RunNumber) {
        self.link.send(FrameKind::Revoke, run, &frame::to_json(&Revoke { link: process }));
    }
}
