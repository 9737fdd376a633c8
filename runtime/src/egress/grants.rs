//! The grants in force in the egress process, the connections they allow, and what they were used for.

use super::exchange::Secrets;
use super::messages::{Grant, MAX_HOSTS, MAX_NOTES, NetworkGrant, Token, WINDOW};
use super::names::Names;
use super::secure::Secure;
use crate::frame::{self, RunNumber};
use crate::outcome::HostUsage;
use crate::policy::Destination;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long a channel waits for the grant that it names: the node tells of a grant and of the run that has it on two
/// links, and either may be read first.
const GRANT_WITHIN: Duration = Duration::from_secs(2);

/// Connections of all runs at once: what they may keep waiting stays far below this process's memory.
const MAX_OPEN: u32 = 2_048;

/// Bytes that can be kept for the connections of one run beyond a window each: requests whose bodies are
/// collected for secrets.
const MAX_KEPT_OF_RUN: usize = 32 << 20;

/// The same for the connections of all runs together.
const MAX_KEPT: usize = 512 << 20;

/// Everything of the process.
pub(super) struct Egress {
    pub(super) node: frame::Sender,
    pub(super) names: Names,
    pub(super) secure: Secure,
    /// By sandbox process and run.
    pub(super) grants: RefCell<HashMap<(u64, RunNumber), Rc<RunGrant>>>,
    /// A grant has come.
    pub(super) granted: Notify,
    /// What ends the links to sandbox processes.
    pub(super) links: RefCell<HashMap<u64, (u64, CancellationToken)>>,
    pub(super) last_link: Cell<u64>,
    /// Connections of all runs.
    pub(super) open: Cell<u32>,
    /// Bytes that are kept for them.
    kept: Cell<usize>,
}

impl Egress {
    pub(super) fn new(node: frame::Sender, names: Names, secure: Secure) -> Self {
        Egress {
            node,
            names,
            secure,
            grants: RefCell::default(),
            granted: Notify::new(),
            links: RefCell::default(),
            last_link: Cell::default(),
            open: Cell::default(),
            kept: Cell::default(),
        }
    }

    /// The grant that a channel names. One that is not there yet is waited for a short time.
    pub(super) async fn grant_of(&self, link: u64, run: RunNumber, token: &Token) -> Option<Rc<RunGrant>> {
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

/// A grant in force, and what it was used for.
pub(super) struct RunGrant {
    token: Token,
    pub(super) grant: NetworkGrant,
    pub(super) secrets: Option<Arc<Secrets>>,
    /// No more of it: what is under way sends what was said, and ends.
    pub(super) ended: CancellationToken,
    pub(super) open: Cell<u32>,
    /// Bytes that are kept for its connections.
    kept: Cell<usize>,
    /// The last connection has ended.
    pub(super) idle: Notify,
    made: Cell<u32>,
    received: Cell<u64>,
    sent: Cell<u64>,
    pub(super) hosts: RefCell<Vec<HostUsage>>,
    pub(super) notes: RefCell<Vec<String>>,
}

/// One of the connections that a run, and all runs together, may have at once.
pub(super) struct ConnectionSlot {
    egress: Rc<Egress>,
    pub(super) granted: Rc<RunGrant>,
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
    pub(super) fn new(grant: Grant) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_a_run_is_bounded() {
        let grant = Grant { link: 1, token: [7; 16], grant: NetworkGrant::default() };
        let granted = Rc::new(RunGrant::new(grant));
        let (_, theirs) = frame::pair().expect("a pair");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        let _inside = runtime.enter();
        let egress = Rc::new(Egress::new(
            frame::connect(theirs, false).expect("connects").0,
            Names::new(&[([127, 0, 0, 1], 9).into()]).expect("names"),
            Secure::new("").expect("roots"),
        ));
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
