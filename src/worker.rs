//! Takes runs from the queue, runs them in the pool, and records how they ended.
//!
//! A run that is taken occupies a slot until it is recorded. When the database or the bucket is away at its end, its
//! record is kept in memory and tried again until it is taken, or until the node has lost the run to another.

mod attempt;
mod sources;

use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::keyring::Keyring;
use crate::live_output::Live;
use crate::metrics::Metrics;
use crate::run::{Claim, GivenUp, Run};
use crate::signals::{Dispatched, Signals, WorkerInbox};
use crate::store::Store;
use crate::store::queue::MAX_CLAIM;
use crate::supervise::Supervisor;
use crate::trace::Traces;
use cronbox_runtime::network::{Ceiling, Networks};
use cronbox_runtime::{Limits, Pool};
use sources::Bundles;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often the queue is looked at without a signal.
const LOOK: Duration = Duration::from_millis(500);
/// The time before another try when the database is away.
const RETRY: Duration = Duration::from_millis(500);

/// What a worker works with.
#[derive(Clone)]
pub struct Tools {
    /// The database.
    pub store: Store,
    /// Sources and large values.
    pub blobs: Blobs,
    /// Where scripts run.
    pub pool: Pool,
    /// What time it is.
    pub clock: Clock,
    /// The signals of this node.
    pub signals: Arc<Signals>,
    /// What runs write, for those who follow them.
    pub live: Arc<Live>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Catches panics of attempts.
    pub supervisor: Arc<Supervisor>,
    /// The node's id.
    pub node: String,
    /// The largest limits.
    pub ceiling: Limits,
    /// The hosts that can be granted at most.
    pub hosts: Ceiling,
    /// Addresses that are not everybody's, and by which names they may be reached.
    pub networks: Networks,
    /// The keys of secrets.
    pub keyring: Arc<Keyring>,
    /// Where spans go.
    pub traces: Traces,
}

/// The worker of a node.
pub struct Worker {
    tools: Tools,
    /// Held by whoever listens: [`Worker::run`], then what drains.
    inbox: tokio::sync::Mutex<WorkerInbox>,
    bundles: Bundles,
    aboard: Mutex<HashMap<String, Aboard>>,
    /// Whether the last look at the queue ended for want of slots: there may be more.
    more: AtomicBool,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("aboard", &self.lock().len()).finish_non_exhaustive()
    }
}

/// A run that this node has.
#[derive(Clone, Debug)]
struct Aboard {
    token: String,
    /// Somebody wants it cancelled.
    cancel: CancellationToken,
    /// The node no longer has it: nothing is recorded.
    abandon: CancellationToken,
    /// False when it is known to have no secrets.
    may_have_secrets: bool,
}

impl Worker {
    /// A worker; [`Worker::run`] makes it work.
    pub fn new(tools: Tools, inbox: WorkerInbox) -> Arc<Self> {
        let bundles = Bundles::new(tools.blobs.clone());
        Arc::new(Worker {
            tools,
            inbox: tokio::sync::Mutex::new(inbox),
            bundles,
            aboard: Mutex::default(),
            more: AtomicBool::new(false),
            tasks: TaskTracker::new(),
        })
    }

    /// Takes runs until `stop`; what was begun goes on (see [`Worker::drain`]). After a panic it can be called again.
    pub async fn run(self: &Arc<Self>, stop: &CancellationToken) {
        let signals = self.tools.signals.clone();
        let mut inbox = self.inbox.lock().await;
        let inbox = &mut *inbox;
        let mut looked = Instant::now();
        let mut strays = HashSet::new();
        // None: at once. A run that is dispatched over, and a cancel, say nothing about the queue.
        let mut next_claim = None;
        loop {
            let at = match next_claim {
                Some(at) => at,
                None => {
                    let full = self.take_all(stop).await;
                    self.more.store(full, Ordering::Relaxed);
                    // Where every slot is taken, a run that ends gives a signal.
                    tokio::time::Instant::now() + if full { LOOK * 4 } else { LOOK }
                }
            };
            next_claim = Some(at);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(id) = inbox.cancel.recv() => self.cancel(&id),
                Some(dispatched) = inbox.dispatched.recv() => self.begin_dispatched(dispatched),
                // A signal that came while the queue was looked at is kept.
                () = signals.queued.notified() => next_claim = None,
                () = tokio::time::sleep_until(at) => next_claim = None,
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                self.look_for_cancels().await;
                self.look_for_strays(&mut strays).await;
            }
        }
        // Runs that were dispatched over and not begun, and wishes to cancel, while the rest drains.
        let worker = self.clone();
        self.tasks.spawn(async move {
            let mut inbox = worker.inbox.lock().await;
            let inbox = &mut *inbox;
            loop {
                tokio::select! {
                    Some(id) = inbox.cancel.recv() => worker.cancel(&id),
                    Some(dispatched) = inbox.dispatched.recv() => worker.begin_dispatched(dispatched),
                    () = worker.idle() => break,
                }
            }
            // From here on a run that is dispatched over goes back to whoever made it.
            inbox.dispatched.close();
            while let Some(Dispatched { run, claim, .. }) = inbox.dispatched.recv().await {
                worker.give_back(&run.id, claim.token()).await;
            }
        });
        self.tasks.close();
    }

    /// Takes what is ready while there are slots. Whether it stopped for want of slots.
    async fn take_all(self: &Arc<Self>, stop: &CancellationToken) -> bool {
        let slots = &self.tools.signals.slots;
        while !stop.is_cancelled() {
            let mut kept = Vec::new();
            while kept.len() < MAX_CLAIM
                && let Ok(slot) = slots.clone().try_acquire_owned()
            {
                kept.push(slot);
            }
            if kept.is_empty() {
                return true;
            }
            let open = self.tools.signals.open_claim();
            let claim = Claim { node: self.tools.node.clone(), token: open.token().to_owned() };
            match self.tools.store.claim(claim, kept.len(), self.tools.clock.now()).await {
                Ok(runs) => {
                    let more = runs.len() == kept.len();
                    for run in runs {
                        if let Some(slot) = kept.pop() {
                            self.begin(run, open.token(), slot, true);
                        }
                    }
                    if !more {
                        return false;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the queue cannot be looked at; trying again");
                    tokio::time::sleep(RETRY).await;
                    return false;
                }
            }
        }
        false
    }

    /// Begins a run that was claimed while it was made.
    fn begin_dispatched(self: &Arc<Self>, dispatched: Dispatched) {
        let Dispatched { run, claim, slot, may_have_secrets } = dispatched;
        self.begin(*run, claim.token(), slot, may_have_secrets);
    }

    /// Begins a run that was claimed; its claim is still open. From here on the run is in `aboard`, until its attempt has
    /// ended in whatever way.
    fn begin(self: &Arc<Self>, run: Run, token: &str, slot: OwnedSemaphorePermit, may_have_secrets: bool) {
        let aboard = Aboard {
            token: token.to_owned(),
            cancel: CancellationToken::new(),
            abandon: CancellationToken::new(),
            may_have_secrets,
        };
        self.lock().insert(run.id.clone(), aboard.clone());
        let place = Place {
            worker: self.clone(),
            id: run.id.clone(),
            token: token.to_owned(),
            is_limited: run.spec.concurrency.is_some() || run.spec.gated,
            slot: Some(slot),
        };
        self.tasks.spawn(async move {
            let worker = &place.worker;
            let attempt = worker.tools.supervisor.catch("attempt", worker.attempt(&run, &aboard)).await;
            if let Err(panicked) = attempt {
                let crash = worker.record_crash(&run, &aboard, format!("a mistake in this program: {panicked}"));
                // A second panic leaves the run to the search for strays.
                let _ = worker.tools.supervisor.catch("attempt", crash).await;
            }
        });
    }

    /// Somebody wants a run cancelled; nothing happens when it is not here.
    fn cancel(&self, id: &str) {
        if let Some(aboard) = self.lock().get(id) {
            aboard.cancel.cancel();
        }
    }

    /// Looks in the database for cancellations that no signal told of.
    async fn look_for_cancels(&self) {
        if self.lock().is_empty() {
            return;
        }
        if let Ok(wanted) = self.tools.store.wanted_cancelled(&self.tools.node).await {
            wanted.iter().for_each(|id| self.cancel(id));
        }
    }

    /// Gives back runs that the database says this node has, and that it does not: the answer to a claim was lost with the
    /// connection, what was to carry it out was ended by a panic, or the node had stopped its runs for want of a database.
    /// `strays` are those found the last time: what is found twice is given back.
    async fn look_for_strays(&self, strays: &mut HashSet<(String, String)>) {
        let Ok(held) = self.tools.store.held_by_node(&self.tools.node).await else { return };
        let unknown: HashSet<(String, String)> = {
            let aboard = self.lock();
            let is_known = |(id, token): &(String, String)| {
                // In this order: a claim is closed only after its runs are aboard.
                self.tools.signals.is_open_claim(token) || aboard.get(id).is_some_and(|run| run.token == *token)
            };
            held.into_iter().filter(|held| !is_known(held)).collect()
        };
        for (id, token) in unknown.intersection(strays) {
            self.give_back(id, token).await;
        }
        *strays = unknown;
    }

    /// Gives a run back to the queue that this node claimed and will not carry out.
    async fn give_back(&self, id: &str, token: &str) {
        match self.tools.store.give_up(id, token, GivenUp::HandedBack, self.tools.clock.now()).await {
            Ok(None) => {}
            Ok(Some(status)) => {
                tracing::warn!(run.id = %id, %status, "a run was claimed here and not carried out; it was given back");
                self.tools.signals.notify_queued();
                if status.is_final() {
                    self.tools.signals.notify_ended(id);
                    self.tools.signals.pings.tell_end_of(id);
                }
            }
            Err(error) => tracing::warn!(run.id = %id, %error, "a stray run cannot be given back; trying again"),
        }
    }

    /// Stops everything and records nothing: others have these runs now.
    pub fn abandon_all(&self) {
        for aboard in self.lock().values() {
            aboard.abandon.cancel();
        }
    }

    /// How many runs this node has.
    pub fn aboard(&self) -> usize {
        self.lock().len()
    }

    async fn idle(&self) {
        while self.aboard() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until what was begun has ended, at most so long; then gives the rest back to the queue. [`Worker::run`] has
    /// ended by then.
    pub async fn drain(&self, patience: Duration, at_once: CancellationToken) {
        // Closed already, unless this node takes no runs.
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => {}
            () = tokio::time::sleep(patience) => {}
            () = at_once.cancelled() => {}
        }
        let left: Vec<(String, Aboard)> = self.lock().iter().map(|(id, aboard)| (id.clone(), aboard.clone())).collect();
        for (id, aboard) in left {
            aboard.abandon.cancel();
            let now = self.tools.clock.now();
            match self.tools.store.give_up(&id, &aboard.token, GivenUp::HandedBack, now).await {
                Ok(Some(status)) => {
                    tracing::info!(run.id = %id, %status, "dispatched back");
                    if status.is_final() {
                        self.tools.signals.pings.tell_end_of(&id);
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(run.id = %id, %error, "cannot be dispatched back; it will be taken for lost")
                }
            }
        }
        // What was claimed and never begun.
        if let Ok(held) = self.tools.store.held_by_node(&self.tools.node).await {
            for (id, token) in held {
                self.give_back(&id, &token).await;
            }
        }
        self.tools.signals.notify_queued();
    }

    /// Lets runs start whose time has come, until `stop`.
    pub async fn watch_times(&self, stop: &CancellationToken) {
        let store = &self.tools.store;
        loop {
            let set = self.tools.signals.timed.notified();
            let mut wait = LOOK * 2;
            match store.next_due().await {
                Ok(Some(next)) => {
                    let now = self.tools.clock.now();
                    if next <= now {
                        wait = match store.ready_due(now).await {
                            Ok(due) => {
                                if due.readied > 0 {
                                    self.tools.signals.notify_queued();
                                }
                                Duration::ZERO
                            }
                            Err(error) => {
                                tracing::warn!(%error, "runs whose time has come cannot be let go; trying again");
                                RETRY
                            }
                        };
                    } else {
                        wait = wait.min((next - now).to_std().unwrap_or_default());
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the queue cannot be looked at; trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = set => {}
                () = tokio::time::sleep(wait.max(Duration::from_millis(1))) => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Aboard>> {
        self.aboard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run's place aboard and its slot: both are free again when this goes, however the attempt ended.
struct Place {
    worker: Arc<Worker>,
    id: String,
    token: String,
    /// Whether a run of the same script or schedule may wait for this one.
    is_limited: bool,
    slot: Option<OwnedSemaphorePermit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut runs = self.worker.lock();
        if runs.get(&self.id).is_some_and(|now| now.token == self.token) {
            runs.remove(&self.id);
        }
        drop(runs);
        drop(self.slot.take());
        // A slot is free, and a run of the same script may start. Looking at an empty queue for nothing after every run
        // would cost as much as making it.
        if self.is_limited || self.worker.more.load(Ordering::Relaxed) {
            self.worker.tools.signals.queued.notify_one();
        }
    }
}
