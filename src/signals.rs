//! The bell between rooms: something happened, look again. Losing a ring costs time, nothing else: whoever waits also looks
//! by the clock.

use crate::run::Run;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

/// What is said to other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ring {
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
    wake: Arc<Wake>,
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
        self.wake.claims().remove(&self.token);
    }
}

/// A run that was taken for this node while it was made, with the seat that was kept for it.
#[derive(Debug)]
pub struct Handed {
    /// The run, as it is in the database.
    pub run: Box<Run>,
    /// What it was taken by.
    pub claim: OpenClaim,
    /// Its seat.
    pub seat: OwnedSemaphorePermit,
}

/// The bell of a node.
#[derive(Debug)]
pub struct Wake {
    /// Runs may start.
    pub queued: Notify,
    /// A run's time was set.
    pub timed: Notify,
    /// A schedule was changed.
    pub schedules: Notify,
    /// Something happened that the feed tells of.
    pub happened: Notify,
    /// How many more runs this node can take.
    pub seats: Arc<Semaphore>,
    waiting: Mutex<HashMap<String, Waiting>>,
    /// Tokens of claims that are open.
    claims: Mutex<HashSet<String>>,
    cancel: mpsc::UnboundedSender<String>,
    handed: mpsc::UnboundedSender<Handed>,
    others: mpsc::UnboundedSender<Ring>,
}

/// Those who wait for one run's end.
#[derive(Debug)]
struct Waiting {
    count: u64,
    end: Arc<End>,
}

/// A run's end: the bell, and the run itself when it ended on this node.
#[derive(Debug, Default)]
struct End {
    bell: Notify,
    run: OnceLock<Box<Run>>,
}

/// What the worker listens to.
#[derive(Debug)]
pub struct Ears {
    /// Runs that somebody wants cancelled.
    pub cancel: mpsc::UnboundedReceiver<String>,
    /// Runs that were taken while they were made.
    pub handed: mpsc::UnboundedReceiver<Handed>,
}

/// Waits for a run's end.
#[derive(Debug)]
pub struct EndOf {
    wake: Arc<Wake>,
    id: String,
    end: Arc<End>,
}

impl Wake {
    /// A bell, the ears for it, and what other nodes should know; `seats` runs can be taken at once.
    pub fn new(seats: usize) -> (Arc<Self>, Ears, mpsc::UnboundedReceiver<Ring>) {
        let (cancel, cancels) = mpsc::unbounded_channel();
        let (handed, hands) = mpsc::unbounded_channel();
        let (others, rings) = mpsc::unbounded_channel();
        let wake = Wake {
            queued: Notify::new(),
            timed: Notify::new(),
            schedules: Notify::new(),
            happened: Notify::new(),
            seats: Arc::new(Semaphore::new(seats)),
            waiting: Mutex::default(),
            claims: Mutex::default(),
            cancel,
            handed,
            others,
        };
        (Arc::new(wake), Ears { cancel: cancels, handed: hands }, rings)
    }

    /// Runs may start, here or on another node.
    pub fn ring_queued(&self) {
        self.queued.notify_one();
        self.tell(Ring::Queued);
    }

    /// A run became final on this node.
    pub fn ring_ended(&self, id: &str) {
        self.heard_ended(id);
        self.tell(Ring::Ended(id.to_owned()));
    }

    /// A run became final on this node, and this is how it was recorded: those who wait here need not look.
    pub fn ring_ended_as(&self, run: impl FnOnce() -> Run, id: &str) {
        if let Some(waiting) = self.lock().get(id) {
            let _ = waiting.end.run.set(Box::new(run()));
        }
        self.ring_ended(id);
    }

    /// Somebody wants a run cancelled.
    pub fn ring_cancel(&self, id: &str) {
        self.heard_cancel(id);
        self.tell(Ring::Cancel(id.to_owned()));
    }

    /// A run became final somewhere.
    pub fn heard_ended(&self, id: &str) {
        self.happened.notify_waiters();
        if let Some(waiting) = self.lock().get(id) {
            waiting.end.bell.notify_waiters();
        }
    }

    /// Somebody somewhere wants a run cancelled.
    pub fn heard_cancel(&self, id: &str) {
        // Nobody listens on a node without a worker.
        let _ = self.cancel.send(id.to_owned());
    }

    /// Begins to claim runs.
    pub fn open_claim(self: &Arc<Self>) -> OpenClaim {
        let token = uuid::Uuid::new_v4().to_string();
        self.claims().insert(token.clone());
        OpenClaim { wake: self.clone(), token }
    }

    /// Whether a claim is open.
    pub fn is_open_claim(&self, token: &str) -> bool {
        self.claims().contains(token)
    }

    /// A run was taken for this node while it was made.
    pub fn hand_over(&self, handed: Handed) -> Result<(), Handed> {
        self.handed.send(handed).map_err(|unsent| unsent.0)
    }

    /// Begins to wait for a run's end. Begin before looking whether it has ended.
    pub fn end_of(self: &Arc<Self>, id: &str) -> EndOf {
        let mut waiting = self.lock();
        let waiting = waiting.entry(id.to_owned()).or_insert_with(|| Waiting { count: 0, end: Arc::default() });
        waiting.count += 1;
        EndOf { wake: self.clone(), id: id.to_owned(), end: waiting.end.clone() }
    }

    fn claims(&self) -> MutexGuard<'_, HashSet<String>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, ring: Ring) {
        // Nobody listens on a node that has no others.
        let _ = self.others.send(ring);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EndOf {
    /// The next ring. Make this future before looking, await it after.
    pub fn rung(&self) -> tokio::sync::futures::Notified<'_> {
        self.end.bell.notified()
    }

    /// The run as it ended, when it ended on this node while this waited.
    pub fn run(&self) -> Option<&Run> {
        self.end.run.get().map(|run| &**run)
    }
}

impl Drop for EndOf {
    fn drop(&mut self) {
        let mut waiting = self.wake.lock();
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
        let (wake, _ears, mut rings) = Wake::new(1);
        {
            let (one, other) = (wake.end_of("r"), wake.end_of("r"));
            let (mut first, mut second) = (std::pin::pin!(one.rung()), std::pin::pin!(other.rung()));
            first.as_mut().enable();
            second.as_mut().enable();
            wake.ring_ended("other");
            wake.ring_ended("r");
            first.await;
            second.await;
        }
        assert!(wake.lock().is_empty());
        assert_eq!(rings.recv().await, Some(Ring::Ended("other".into())));
    }
}
