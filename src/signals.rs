//! Signals between the parts of a node: something happened, look again. A lost signal costs time, nothing else: whoever waits also looks
//! by the clock.

use crate::ping::Pings;
use crate::run::Run;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

/// What is said to other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerSignal {
    /// Runs may start.
    Queued,
    /// Somebody wants a run cancelled.
    Cancel(String),
    /// A run is final.
    Ended(String),
}

/// A claim that this node makes in the database, from before it is made until a worker has the run. A claim that is
/// neither open nor a worker's belongs to no one: the worker looks for those and gives their runs back. So whatever ends the
/// code in between (a panic, a lost answer of the database), no run stays claimed.
#[derive(Debug)]
pub struct OpenClaim {
    signals: Arc<Signals>,
    token: String,
}

impl OpenClaim {
    /// The attempt's token.
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl Drop for OpenClaim {
    fn drop(&mut self) {
        self.signals.claims().remove(&self.token);
    }
}

/// A run that was taken for this node while it was made, with the slot that was kept for it.
#[derive(Debug)]
pub struct Dispatched {
    /// The run, as it is in the database.
    pub run: Box<Run>,
    /// What it was taken by.
    pub claim: OpenClaim,
    /// Its slot.
    pub slot: OwnedSemaphorePermit,
    /// False when it is known to have no secrets.
    pub may_have_secrets: bool,
}

/// The signals of a node.
#[derive(Debug)]
pub struct Signals {
    /// Runs may start.
    pub queued: Notify,
    /// A run's time was set.
    pub timed: Notify,
    /// A schedule was changed.
    pub schedules: Notify,
    /// Something happened that the feed tells of.
    pub happened: Notify,
    /// A delivery was recorded.
    pub deliveries: Notify,
    /// What monitors of scripts are to be told.
    pub pings: Pings,
    /// How many more runs this node can take.
    pub slots: Arc<Semaphore>,
    waiting: Mutex<HashMap<String, Waiting>>,
    /// Tokens of claims that are open.
    claims: Mutex<HashSet<String>>,
    cancel: mpsc::UnboundedSender<String>,
    dispatched: mpsc::UnboundedSender<Dispatched>,
    others: mpsc::UnboundedSender<PeerSignal>,
    /// Whether no other node can hear what this one says.
    alone: AtomicBool,
}

/// Those who wait for one run's end.
#[derive(Debug)]
struct Waiting {
    count: u64,
    end: Arc<End>,
}

/// A run's end: its signal, and the run itself when it ended on this node.
#[derive(Debug, Default)]
struct End {
    notify: Notify,
    run: OnceLock<Box<Run>>,
}

/// What the worker listens to.
#[derive(Debug)]
pub struct WorkerInbox {
    /// Runs that somebody wants cancelled.
    pub cancel: mpsc::UnboundedReceiver<String>,
    /// Runs that were taken while they were made.
    pub dispatched: mpsc::UnboundedReceiver<Dispatched>,
}

/// Waits for a run's end.
#[derive(Debug)]
pub struct EndWatch {
    signals: Arc<Signals>,
    id: String,
    end: Arc<End>,
}

impl Signals {
    /// Signals, what the worker receives of them, and what other nodes should know; `slots` runs can be taken at once.
    pub fn new(slots: usize) -> (Arc<Self>, WorkerInbox, mpsc::UnboundedReceiver<PeerSignal>) {
        let (cancel, cancels) = mpsc::unbounded_channel();
        let (dispatched, hands) = mpsc::unbounded_channel();
        let (others, peer_signals) = mpsc::unbounded_channel();
        let signals = Signals {
            queued: Notify::new(),
            timed: Notify::new(),
            schedules: Notify::new(),
            happened: Notify::new(),
            deliveries: Notify::new(),
            pings: Pings::default(),
            slots: Arc::new(Semaphore::new(slots)),
            waiting: Mutex::default(),
            claims: Mutex::default(),
            cancel,
            dispatched,
            others,
            alone: AtomicBool::new(false),
        };
        (Arc::new(signals), WorkerInbox { cancel: cancels, dispatched: hands }, peer_signals)
    }

    /// Runs may start, here or on another node.
    pub fn notify_queued(&self) {
        self.queued.notify_one();
        self.tell(PeerSignal::Queued);
    }

    /// Deliveries were recorded on this node, which sends them itself.
    pub fn notify_deliveries(&self) {
        self.deliveries.notify_one();
    }

    /// A run became final on this node.
    pub fn notify_ended(&self, id: &str) {
        self.peer_ended(id);
        self.tell(PeerSignal::Ended(id.to_owned()));
    }

    /// A run became final on this node, and this is how it was recorded: those who wait here need not look.
    pub fn notify_ended_as(&self, run: impl FnOnce() -> Run, id: &str) {
        if let Some(waiting) = self.lock().get(id) {
            let _ = waiting.end.run.set(Box::new(run()));
        }
        self.notify_ended(id);
    }

    /// Somebody wants a run cancelled.
    pub fn notify_cancel(&self, id: &str) {
        self.peer_cancel(id);
        self.tell(PeerSignal::Cancel(id.to_owned()));
    }

    /// A run became final somewhere.
    pub fn peer_ended(&self, id: &str) {
        self.happened.notify_waiters();
        if let Some(waiting) = self.lock().get(id) {
            waiting.end.notify.notify_waiters();
        }
    }

    /// Somebody somewhere wants a run cancelled.
    pub fn peer_cancel(&self, id: &str) {
        // Nobody listens on a node without a worker.
        let _ = self.cancel.send(id.to_owned());
    }

    /// Begins to claim runs.
    pub fn open_claim(self: &Arc<Self>) -> OpenClaim {
        let token = uuid::Uuid::new_v4().to_string();
        self.claims().insert(token.clone());
        OpenClaim { signals: self.clone(), token }
    }

    /// Whether a claim is open.
    pub fn is_open_claim(&self, token: &str) -> bool {
        self.claims().contains(token)
    }

    /// A run was taken for this node while it was made.
    pub fn dispatch(&self, dispatched: Dispatched) -> Result<(), Dispatched> {
        self.dispatched.send(dispatched).map_err(|unsent| unsent.0)
    }

    /// Begins to wait for a run's end. Begin before looking whether it has ended.
    pub fn watch_end(self: &Arc<Self>, id: &str) -> EndWatch {
        let mut waiting = self.lock();
        let waiting = waiting.entry(id.to_owned()).or_insert_with(|| Waiting { count: 0, end: Arc::default() });
        waiting.count += 1;
        EndWatch { signals: self.clone(), id: id.to_owned(), end: waiting.end.clone() }
    }

    fn claims(&self) -> MutexGuard<'_, HashSet<String>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is no other node, as far as this one knows. A node that has just come misses what is not told; it looks by
    /// the clock.
    pub fn set_alone(&self, alone: bool) {
        self.alone.store(alone, Ordering::Relaxed);
    }

    fn tell(&self, signal: PeerSignal) {
        if self.alone.load(Ordering::Relaxed) {
            return;
        }
        // Nobody listens on a node that has no others.
        let _ = self.others.send(signal);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EndWatch {
    /// The next signal. Make this future before looking, await it after.
    pub fn notified(&self) -> tokio::sync::futures::Notified<'_> {
        self.end.notify.notified()
    }

    /// The run as it ended, when it ended on this node while this waited.
    pub fn run(&self) -> Option<&Run> {
        self.end.run.get().map(|run| &**run)
    }
}

impl Drop for EndWatch {
    fn drop(&mut self) {
        let mut waiting = self.signals.lock();
        if let Some(of_run) = waiting.get_mut(&self.id) {
            of_run.count -= 1;
            if of_run.count == 0 {
                waiting.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_told_and_forgotten() {
        let (signals, _ears, mut peer_signals) = Signals::new(1);
        {
            let (one, other) = (signals.watch_end("r"), signals.watch_end("r"));
            let (mut first, mut second) = (std::pin::pin!(one.notified()), std::pin::pin!(other.notified()));
            first.as_mut().enable();
            second.as_mut().enable();
            signals.notify_ended("other");
            signals.notify_ended("r");
            first.await;
            second.await;
        }
        assert!(signals.lock().is_empty());
        assert_eq!(peer_signals.recv().await, Some(PeerSignal::Ended("other".into())));
    }
}
