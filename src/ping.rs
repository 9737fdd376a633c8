//! Pings: what the monitor of a script is to be told about its runs, until it is sent.
//!
//! A script names the address of its monitor (`heartbeat`). Pings wait in the memory of the node and are lost with it. A monitor
//! speaks when it hears nothing, so a ping that is lost is a false alarm, and never a silence.

use crate::address::{Address, BadAddress};
use crate::run::{Run, Status};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Most pings that wait for one address. The oldest is dropped: what happened last says more.
pub const MOST_WAITING: usize = 16;
/// Most runs that wait to be looked up.
const MOST_RUNS: usize = 1_000;
/// Most characters of what is said about a failure.
const MOST_SAID: usize = 1_000;

/// What a ping tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A run has started.
    Started,
    /// A run has succeeded.
    Succeeded,
    /// A run has ended otherwise: how, in words.
    Failed(String),
}

/// What a monitor is told about a run.
#[derive(Clone, PartialEq, Eq)]
pub struct Ping {
    /// The address of the monitor, as the script names it.
    pub url: String,
    /// The script's name.
    pub script: String,
    /// Its key.
    pub key: String,
    /// What is told.
    pub told: Told,
}

// Whoever knows the address can use it.
impl std::fmt::Debug for Ping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ping").field("script", &self.script).field("told", &self.told).finish_non_exhaustive()
    }
}

impl Ping {
    /// What is told when a run begins: only of its first attempt.
    pub fn started(run: &Run) -> Option<Ping> {
        (run.attempt == 1).then(|| Ping::of(run, Told::Started))?
    }

    /// What is told when a run has ended. A run that was cancelled is somebody's wish, and no failure.
    pub fn ended(run: &Run) -> Option<Ping> {
        let told = match run.status {
            Status::Succeeded => Told::Succeeded,
            Status::Cancelled | Status::Missed | Status::Skipped => return None,
            status if !status.is_final() => return None,
            status => {
                let error = run.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
                let said: String = format!("{status}{error}").chars().take(MOST_SAID).collect();
                Told::Failed(said)
            }
        };
        Ping::of(run, told)
    }

    fn of(run: &Run, told: Told) -> Option<Ping> {
        let (url, key) = run.spec.heartbeat.clone().zip(run.script.clone())?;
        Some(Ping { url, script: run.name.clone(), key, told })
    }

    /// Where it is sent, the method, and the body.
    ///
    /// # Errors
    /// The address cannot be.
    pub fn request(&self) -> Result<(Address, &'static str, String), BadAddress> {
        let address = Address::parse(&self.url)?;
        Ok(match &self.told {
            Told::Started => (address.below(&["start"]), "GET", String::new()),
            Told::Succeeded => (address, "GET", String::new()),
            Told::Failed(why) => (address.below(&["fail"]), "POST", why.clone()),
        })
    }
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A ping is to be sent. Nothing else is sent to its address before [`Pings::sent`].
    Ping(Ping),
    /// A run has ended, of which only the id is known here.
    Ended(String),
}

/// The pings of a node that wait. They are sent to each address one after the other, and the addresses take turns.
#[derive(Debug, Default)]
pub struct Pings {
    waiting: Mutex<Waiting>,
    told: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    of: BTreeMap<String, VecDeque<Ping>>,
    /// The addresses that have pings and to which nothing is on its way, in the order of their turns.
    turns: VecDeque<String>,
    /// The addresses to which something is on its way.
    busy: BTreeSet<String>,
    ended: VecDeque<String>,
    dropped: u64,
}

impl Pings {
    /// Something is to be sent.
    pub fn tell(&self, ping: Ping) {
        let mut waiting = self.lock();
        let waiting = &mut *waiting;
        let of = waiting.of.entry(ping.url.clone()).or_default();
        if of.is_empty() && !waiting.busy.contains(&ping.url) {
            waiting.turns.push_back(ping.url.clone());
        }
        if of.len() >= MOST_WAITING {
            of.pop_front();
            waiting.dropped += 1;
        }
        of.push_back(ping);
        self.told.notify_one();
    }

    /// A run has ended that no attempt of this node brought to its end.
    pub fn tell_end_of(&self, run: &str) {
        let mut waiting = self.lock();
        if waiting.ended.len() >= MOST_RUNS {
            waiting.ended.pop_front();
            waiting.dropped += 1;
        }
        waiting.ended.push_back(run.to_owned());
        self.told.notify_one();
    }

    /// What is to be done next; none: nothing is, now.
    pub fn next(&self) -> Option<Next> {
        let mut waiting = self.lock();
        if let Some(run) = waiting.ended.pop_front() {
            return Some(Next::Ended(run));
        }
        let url = waiting.turns.pop_front()?;
        let ping = waiting.of.get_mut(&url).and_then(VecDeque::pop_front)?;
        waiting.busy.insert(url);
        Some(Next::Ping(ping))
    }

    /// A ping to this address was sent, or was given up.
    pub fn sent(&self, url: &str) {
        let mut waiting = self.lock();
        waiting.busy.remove(url);
        if waiting.of.get(url).is_some_and(|of| !of.is_empty()) {
            waiting.turns.push_back(url.to_owned());
            self.told.notify_one();
        } else {
            waiting.of.remove(url);
        }
    }

    /// How many were dropped since this was last asked.
    pub fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.lock().dropped)
    }

    /// Waits until there may be something to do.
    pub async fn wait(&self) {
        self.told.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ping(url: &str, told: Told) -> Ping {
        Ping { url: url.into(), script: "s".into(), key: "s".into(), told }
    }

    #[test]
    fn an_address_has_one_ping_on_its_way_and_addresses_take_turns() {
        let pings = Pings::default();
        let (a, b) = ("https://a.example/1", "https://b.example/1");
        for told in [Told::Started, Told::Succeeded] {
            pings.tell(ping(a, told.clone()));
            pings.tell(ping(b, told));
        }
        assert_eq!(pings.next(), Some(Next::Ping(ping(a, Told::Started))));
        assert_eq!(pings.next(), Some(Next::Ping(ping(b, Told::Started))));
        assert_eq!(pings.next(), None, "both are on their way");
        pings.sent(b);
        assert_eq!(pings.next(), Some(Next::Ping(ping(b, Told::Succeeded))));
        pings.sent(a);
        assert_eq!(pings.next(), Some(Next::Ping(ping(a, Told::Succeeded))));
        pings.sent(a);
        pings.sent(b);
        assert_eq!(pings.next(), None);
        pings.tell_end_of("r");
        assert_eq!(pings.next(), Some(Next::Ended("r".into())));
        assert!(pings.lock().of.is_empty() && pings.lock().busy.is_empty() && pings.lock().turns.is_empty());
    }

    #[test]
    fn an_address_that_takes_nothing_keeps_a_bounded_number() {
        let pings = Pings::default();
        for n in 0..100 {
            pings.tell(ping("https://a.example", Told::Failed(n.to_string())));
        }
        assert_eq!(pings.take_dropped(), 100 - MOST_WAITING as u64);
        assert_eq!(pings.take_dropped(), 0);
        let first = Told::Failed((100 - MOST_WAITING).to_string());
        assert_eq!(pings.next(), Some(Next::Ping(ping("https://a.example", first))));
    }

    #[test]
    fn a_ping_is_a_request() {
        let of = |told| ping("https://hc-ping.com/5f2a", told).request().expect("an address");
        let shown = |(address, method, body): (Address, &'static str, String)| (address.target(), method, body);
        assert_eq!(shown(of(Told::Started)), ("/5f2a/start".into(), "GET", String::new()));
        assert_eq!(shown(of(Told::Succeeded)), ("/5f2a".into(), "GET", String::new()));
        assert_eq!(shown(of(Told::Failed("failed: x".into()))), ("/5f2a/fail".into(), "POST", "failed: x".into()));
        let kuma = ping("https://kuma.example/api/push/k?status=up", Told::Succeeded).request().expect("an address");
        assert_eq!(kuma.0.target(), "/api/push/k?status=up");
        assert!(!format!("{:?}", ping("https://hc-ping.com/5f2a", Told::Succeeded)).contains("5f2a"));
    }
}
