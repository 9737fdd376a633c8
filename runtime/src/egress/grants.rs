//! The grants in force in the egress process, the connections they allow, and what they were used for.

use super::exchange::Secrets;
use super::messages::{Grant, MAX_CONNECTIONS, MAX_HOSTS, MAX_NOTES, NetworkGrant, Token, WINDOW};
use super::names::Names;
use super::secure::Secure;
use crate::frame::{self, RunNumber};
use crate::outcome::{Connection, HostUsage};
use crate::policy::Destination;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The time that a channel waits for its grant. The node sends the grant and the run on two links, and either can be
/// read first.
const GRANT_WITHIN: Duration = Duration::from_secs(2);

/// Most connections of all runs at one time. It bounds the memory of this process.
const MAX_OPEN: u32 = 2_048;

/// Most bytes that are kept for the connections of one run, beyond a window each: bodies of requests that are collected
/// for secrets.
const MAX_KEPT_OF_RUN: usize = 32 << 20;

/// The same for the connections of all runs together.
const MAX_KEPT: usize = 512 << 20;

/// The state of the egress process.
pub(super) struct Egress {
    pub(super) node: frame::Sender,
    pub(super) names: Names,
    pub(super) secure: Secure,
    /// The grants, by sandbox process and run.
    pub(super) grants: RefCell<HashMap<(u64, RunNumber), Rc<RunGrant>>>,
    /// Notified when a grant has come.
    pub(super) granted: Notify,
    /// The tokens that end the links to sandbox processes, with the number of each link.
    pub(super) links: RefCell<HashMap<u64, (u64, CancellationToken)>>,
    pub(super) last_link: Cell<u64>,
    /// Open connections of all runs.
    pub(super) open: Cell<u32>,
    /// Messages of the node that are on their way.
    pub(super) outbound: Cell<u32>,
    /// Bytes that are kept for all connections.
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
            outbound: Cell::default(),
            kept: Cell::default(),
        }
    }

    /// Returns the grant of a channel. Waits a short time for a grant that has not come yet.
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

/// A connection that has ended.
struct EndedConnection {
    host: String,
    opened: Instant,
    ended: Instant,
}

/// A grant in force, and its usage.
pub(super) struct RunGrant {
    token: Token,
    pub(super) grant: NetworkGrant,
    pub(super) secrets: Option<Arc<Secrets>>,
    /// Cancelled when the grant has ended: its connections send what was written, and end.
    pub(super) ended: CancellationToken,
    pub(super) open: Cell<u32>,
    /// Bytes that are kept for its connections.
    kept: Cell<usize>,
    /// Notified when a connection has ended.
    pub(super) idle: Notify,
    made: Cell<u32>,
    received: Cell<u64>,
    sent: Cell<u64>,
    pub(super) hosts: RefCell<Vec<HostUsage>>,
    connections: RefCell<Vec<EndedConnection>>,
    pub(super) notes: RefCell<Vec<String>>,
}

/// One of the connections that a run, and all runs together, can have at one time.
pub(super) struct ConnectionSlot {
    egress: Rc<Egress>,
    pub(super) granted: Rc<RunGrant>,
    /// Bytes that are kept for it beyond a window.
    kept: Cell<usize>,
}

impl ConnectionSlot {
    /// Sets the number of bytes that are kept for it. The error is a sentence.
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
        // A smaller number is never an error.
        let _ = self.keep(0);
        self.egress.open.set(self.egress.open.get() - 1);
        self.granted.open.set(self.granted.open.get() - 1);
        self.granted.idle.notify_one();
    }
}

impl RunGrant {
    pub(super) fn new(grant: Grant) -> Self {
        let mut notes = Vec::new();
        // When the set of secrets cannot be used, no secret is injected: placeholders are sent as they are.
        let secrets = match Secrets::new(grant.grant.secrets.clone()) {
            _ if grant.grant.secrets.is_empty() => None,
            Ok(secrets) => Some(Arc::new(secrets)),
            Err(error) => {
                notes.push(format!("no secret is injected: {error}"));
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
            connections: RefCell::default(),
            notes: RefCell::new(notes),
        }
    }

    /// Takes a slot for one more connection. The error is a sentence.
    pub(super) fn take_slot(self: &Rc<Self>, egress: &Rc<Egress>) -> Result<ConnectionSlot, String> {
        let caps = &self.grant.caps;
        if egress.open.get() >= MAX_OPEN {
            return Err("this server has as many connections open as it can have".into());
        }
        if self.open.get() >= caps.at_once {
            return Err(format!("the script has {} connections open, the most that it can have at once", caps.at_once));
        }
        if self.made.get() >= caps.in_all {
            return Err(format!("the script has made {} connections, the most that a run can make", caps.in_all));
        }
        egress.open.set(egress.open.get() + 1);
        self.open.set(self.open.get() + 1);
        self.made.set(self.made.get() + 1);
        Ok(ConnectionSlot { egress: egress.clone(), granted: self.clone(), kept: Cell::default() })
    }

    /// Counts received bytes. The error is a sentence.
    pub(super) fn receive(&self, bytes: u64) -> Result<(), String> {
        self.spend(&self.received, bytes, self.grant.caps.received, ("received", "receive"))
    }

    /// Counts sent bytes. The error is a sentence.
    pub(super) fn send(&self, bytes: u64) -> Result<(), String> {
        self.spend(&self.sent, bytes, self.grant.caps.sent, ("sent", "send"))
    }

    fn spend(&self, so_far: &Cell<u64>, bytes: u64, most: u64, (done, to_do): (&str, &str)) -> Result<(), String> {
        so_far.set(so_far.get().saturating_add(bytes));
        if so_far.get() > most {
            let text = format!("the script has {done} more than {most} bytes, the most that a run can {to_do}");
            self.note(&text);
            return Err(text);
        }
        Ok(())
    }

    /// Returns the index of a destination in the usage.
    pub(super) fn counted(&self, destination: &Destination) -> usize {
        let mut hosts = self.hosts.borrow_mut();
        let host = destination.to_string();
        let at = match hosts.iter().position(|known| known.host == host) {
            Some(at) => at,
            None if hosts.len() < MAX_HOSTS => {
                hosts.push(HostUsage { host, ..HostUsage::default() });
                hosts.len() - 1
            }
            // The last line is for all others.
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

    /// Keeps the times of a connection that has ended, when it is one of the first.
    pub(super) fn note_connection(&self, destination: &Destination, opened: Instant, ended: Instant) {
        let mut connections = self.connections.borrow_mut();
        if connections.len() < MAX_CONNECTIONS {
            connections.push(EndedConnection { host: destination.to_string(), opened, ended });
        }
    }

    /// Returns the times of its first connections, seen from the end of the run, and forgets them.
    pub(super) fn take_connections(&self, end: Instant) -> Vec<Connection> {
        let seen = |connection: EndedConnection| Connection {
            host: connection.host,
            opened_before_end: end.saturating_duration_since(connection.opened),
            open_for: connection.ended.saturating_duration_since(connection.opened),
        };
        self.connections.take().into_iter().map(seen).collect()
    }

    /// Adds a note to the run's report.
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
