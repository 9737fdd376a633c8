//! The life of runs, simulated: requests, claims, hand-overs, records, cancels and lost nodes in an order that a seed chooses,
//! each of them cut off at an `await` that the seed chooses too. Whatever is cut off, every run that is in the database ends,
//! and ends once.
//!
//! The database is the real one; what a node keeps in memory is modelled: which runs it has aboard, and which claims of its are
//! open. A failure names its seed.

use crate::store::{announce, ended, new_run, start, version};
use crate::support::dice::Dice;
use chrono::TimeDelta;
use cronbox::clock::{Clock, Time};
use cronbox::event::EventPosition;
use cronbox::run::{Cancelled, Claim, GivenUp, Idempotency, Made, Recorded, Run, Status};
use cronbox::script::{OnLost, Settings};
use cronbox::store::queue::MAX_CLAIM;
use cronbox::store::{DatabaseUrl, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// How many runs of one script may run at once.
const LIMIT: u32 = 2;

/// Drives a future for at most so many polls, as if its caller went away then. None when it was cut off.
async fn cut_off<T>(work: impl Future<Output = T>, polls: u64) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// One node, with what it keeps in memory.
struct Node {
    id: String,
    /// Runs by id, each with its attempt's token.
    aboard: BTreeMap<String, (String, Run)>,
}

struct Simulation {
    store: Store,
    clock: Clock,
    dice: Dice,
    nodes: Vec<Node>,
    made: u64,
    /// Runs whose requests were answered.
    answered: BTreeSet<String>,
}

impl Simulation {
    async fn new(seed: u64) -> Self {
        let store = Store::open(&DatabaseUrl::Memory).await.expect("opens");
        // What source that is sent with a run refers to.
        announce(&store, "sources/a", start()).await;
        for (name, concurrency) in [("free", None), ("limited", Some(LIMIT))] {
            let table = Settings { concurrency, ..Settings::default() };
            let mut new = version(name, name);
            new.table = table;
            announce(&store, &new.blob, start()).await;
            store.keep_version(new, start()).await.expect("keeps");
        }
        let mut simulation = Simulation {
            store,
            clock: Clock::manual(start()),
            dice: Dice::new(seed),
            nodes: Vec::new(),
            made: 0,
            answered: BTreeSet::new(),
        };
        simulation.start_node().await;
        simulation
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    /// How long the next step lasts before it is cut off; mostly longer than it needs.
    fn patience(&mut self) -> u64 {
        if self.dice.roll(3) == 0 { self.dice.roll(4) } else { 1_000 }
    }

    async fn start_node(&mut self) {
        let id = format!("node-{}", self.made);
        self.made += 1;
        self.store.join(&id, &id, "worker", self.now()).await.expect("joins");
        self.nodes.push(Node { id, aboard: BTreeMap::new() });
    }

    fn claim(&mut self, node: usize) -> Claim {
        self.made += 1;
        Claim { node: self.nodes[node].id.clone(), token: format!("token-{}", self.made) }
    }

    /// Somebody asks for a run, and may go away; the node takes it at once where it can.
    async fn request(&mut self) {
        self.made += 1;
        self.clock.advance(TimeDelta::milliseconds(2));
        let now = self.now();
        let name = self.dice.pick(&["free", "limited", "sent"]);
        let mut new = new_run(Some(name).filter(|name| *name != "sent"), now);
        new.spec.concurrency = (name == "limited").then_some(LIMIT);
        new.spec.on_lost = self.dice.pick(&[OnLost::Retry, OnLost::Retry, OnLost::Abandon]);
        new.run_at = (self.dice.roll(5) == 0).then(|| now + TimeDelta::milliseconds(self.dice.roll(50) as i64));
        let key = format!("key-{}", self.dice.roll(200));
        let body = name.to_owned();
        let idempotency = (self.dice.roll(4) == 0).then(|| Idempotency { key, body, since: start() });
        let node = self.dice.roll(self.nodes.len() as u64) as usize;
        let claim = (self.dice.roll(2) == 0).then(|| self.claim(node));
        let (id, run) = (new.id.clone(), new.as_begun(now));
        let patience = self.patience();
        let making = self.store.make_run(new, idempotency, claim.clone(), 1_000, now);
        match cut_off(making, patience).await.map(|made| made.expect("makes")) {
            // The client, or the code that served it, is gone: no one was told of a claim.
            None => {}
            Some(Made::Claimed { .. }) => {
                let token = claim.expect("a claim").token;
                self.nodes[node].aboard.insert(id.clone(), (token, run));
                self.answered.insert(id);
            }
            Some(Made::Waits) => {
                self.answered.insert(id);
            }
            // The run of the same request before, or none.
            Some(Made::Again(earlier)) => assert!(self.store.run(&earlier).await.expect("reads").is_some()),
            Some(Made::KeyReused | Made::QueueFull) => {}
            Some(Made::NoScript) => panic!("the script is there"),
        }
    }

    async fn take(&mut self) {
        let node = self.dice.roll(self.nodes.len() as u64) as usize;
        let (claim, now, patience) = (self.claim(node), self.now(), self.patience());
        let most = 1 + self.dice.roll(MAX_CLAIM as u64) as usize;
        let Some(taken) = cut_off(self.store.claim(claim.clone(), most, now), patience).await else { return };
        for run in taken.expect("claims") {
            self.nodes[node].aboard.insert(run.id.clone(), (claim.token.clone(), run));
        }
    }

    /// An attempt ends; its record may be cut off, and is then made again, as a worker does.
    async fn record(&mut self) {
        let node = self.dice.roll(self.nodes.len() as u64) as usize;
        let count = self.nodes[node].aboard.len() as u64;
        if count == 0 {
            return;
        }
        let place = self.dice.roll(count) as usize;
        let (id, (token, run)) =
            self.nodes[node].aboard.iter().nth(place).map(|(id, held)| (id.clone(), held.clone())).expect("one");
        let now = self.now();
        let status = self.dice.pick(&[Status::Succeeded, Status::Failed, Status::TimedOut]);
        let mut end = ended(status, "1");
        end.lock = cronbox::run::Ended::lock_of(&run);
        end.next = (status == Status::Failed && run.attempt < 3).then(|| now + TimeDelta::milliseconds(5));
        let patience = self.patience();
        // What was cut off stays aboard, and is recorded again, late if the first record was made after all.
        if let Some(recorded) = cut_off(self.store.record(&id, &token, end, now), patience).await {
            assert!(matches!(recorded.expect("records"), Recorded::Done | Recorded::Late | Recorded::MakesDue));
            self.nodes[node].aboard.remove(&id);
        }
    }

    /// Code between a claim and its record panicked: the node no longer has the run, and the database does not know.
    fn panic(&mut self) {
        let node = self.dice.roll(self.nodes.len() as u64) as usize;
        let first = self.nodes[node].aboard.keys().next().cloned();
        if let Some(id) = first {
            self.nodes[node].aboard.remove(&id);
        }
    }

    async fn cancel(&mut self) {
        let Some(id) = self.answered.iter().nth(self.dice.roll(self.answered.len().max(1) as u64) as usize).cloned()
        else {
            return;
        };
        let (now, patience) = (self.now(), self.patience());
        if let Some(cancelled) = cut_off(self.store.cancel(&id, "asked", now), patience).await {
            assert_ne!(cancelled.expect("cancels"), Cancelled::Unknown);
        }
    }

    /// A node is killed, and another takes over what it held, or is cut off itself while it does.
    async fn kill(&mut self) {
        let victim = self.dice.roll(self.nodes.len() as u64) as usize;
        self.nodes.remove(victim);
        if self.nodes.is_empty() {
            self.start_node().await;
        }
        let patience = self.patience();
        let alive: Vec<String> = self.nodes.iter().map(|node| node.id.clone()).collect();
        let (store, now) = (self.store.clone(), self.now());
        cut_off(take_over(&store, &alive, now), patience).await;
    }

    /// Nodes give back what the database says they have and they do not.
    async fn strays(&mut self) {
        for node in &self.nodes {
            for (id, token) in self.store.held_by_node(&node.id).await.expect("reads") {
                if node.aboard.get(&id).is_none_or(|(held, _)| *held != token) {
                    self.store.give_up(&id, &token, GivenUp::HandedBack, self.clock.now()).await.expect("gives up");
                }
            }
        }
    }

    async fn times(&mut self) {
        self.clock.advance(TimeDelta::milliseconds(self.dice.roll(40) as i64));
        let (now, patience) = (self.now(), self.patience());
        cut_off(self.store.ready_due(now), patience).await;
    }

    async fn step(&mut self) {
        match self.dice.roll(20) {
            0..=6 => self.request().await,
            7..=9 => self.take().await,
            10..=13 => self.record().await,
            14 => self.cancel().await,
            15 => self.kill().await,
            16 => self.panic(),
            17 => self.start_node().await,
            18 => self.strays().await,
            _ => self.times().await,
        }
    }

    /// Never more of a script with a limit than that are claimed.
    async fn check(&self) {
        let mut running = BTreeSet::new();
        for node in self.store.nodes().await.expect("reads") {
            running.extend(self.store.held_by_node(&node.id).await.expect("reads").into_iter().map(|(id, _)| id));
        }
        let mut limited = 0;
        for id in running {
            let run = self.store.run(&id).await.expect("reads").expect("a run");
            assert_eq!(run.status, Status::Running);
            limited += u32::from(run.script.as_deref() == Some("limited"));
        }
        assert!(limited <= LIMIT, "{limited} runs of a script at once that may run {LIMIT}");
    }

    /// Nothing more is asked for and nothing goes wrong: everything ends.
    async fn settle(&mut self) {
        let alive: Vec<String> = self.nodes.iter().map(|node| node.id.clone()).collect();
        take_over(&self.store, &alive, self.now()).await;
        for _ in 0..2_000 {
            self.clock.advance(TimeDelta::milliseconds(100));
            let now = self.now();
            self.strays().await;
            self.store.ready_due(now).await.expect("readies");
            let claim = self.claim(0);
            for run in self.store.claim(claim.clone(), MAX_CLAIM, now).await.expect("claims") {
                self.nodes[0].aboard.insert(run.id.clone(), (claim.token.clone(), run));
            }
            for node in &mut self.nodes {
                for (id, (token, run)) in std::mem::take(&mut node.aboard) {
                    let mut end = ended(Status::Succeeded, "1");
                    end.lock = cronbox::run::Ended::lock_of(&run);
                    self.store.record(&id, &token, end, now).await.expect("records");
                }
            }
            let depth = self.store.queue_depth().await.expect("reads");
            if depth.waiting + depth.held + depth.ready + depth.claimed == 0 {
                return;
            }
        }
        panic!("runs are left: {:?}", self.store.queue_depth().await);
    }

    /// Every run has ended once, and every one that was answered is there.
    async fn check_ends(&self) {
        let mut ends: BTreeMap<String, u32> = BTreeMap::new();
        let mut place = EventPosition { place: 0, seq: 0 };
        loop {
            let events = self.store.events(place).await.expect("reads").expect("nothing was deleted");
            let Some(last) = events.last() else { break };
            place = last.place;
            for event in events.iter().filter(|event| event.type_name.starts_with("run_")) {
                *ends.entry(event.run.clone().expect("a run")).or_default() += 1;
            }
        }
        for id in self.answered.iter().chain(ends.keys()) {
            let run = self.store.run(id).await.expect("reads").expect("a run that was accepted is there");
            assert!(run.status.is_final(), "{} is {}", id, run.status);
            assert_eq!(ends.get(id), Some(&1), "{id} did not end once");
        }
    }
}

/// What a node does that finds others dead.
async fn take_over(store: &Store, alive: &[String], now: Time) {
    let nodes = store.nodes().await.expect("reads").into_iter().map(|node| node.id);
    let unknown = store.unknown_holders().await.expect("reads");
    for node in nodes.chain(unknown).filter(|node| !alive.contains(node)) {
        store.disown(&node).await.expect("disowns");
        for (id, token) in store.held_by_node(&node).await.expect("reads") {
            store.give_up(&id, &token, GivenUp::Lost(None), now).await.expect("gives up");
        }
    }
}

fn seeds() -> u64 {
    if std::env::var_os("CRONBOX_SOAK").is_some() { 2_000 } else { 60 }
}

#[test]
fn every_run_ends_once_whatever_is_cut_off() {
    for seed in 0..seeds() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let simulated = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(async {
                let mut simulation = Simulation::new(seed).await;
                for step in 0..200 {
                    simulation.step().await;
                    if step % 20 == 0 {
                        simulation.check().await;
                    }
                }
                simulation.settle().await;
                simulation.check_ends().await;
            });
        }));
        assert!(simulated.is_ok(), "the simulation of seed {seed} failed");
    }
}
