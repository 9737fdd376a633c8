//! Connections: how many there may be, and who has to go when there are too many.
//!
//! Their number stays below what the process may have open, with a rest for the node itself. When it is nearly reached, a
//! new connection gets a short time for its first request, and is closed after its answer unless it showed a known token.
//! When it is reached, the connection that has been idle for longest goes, those without a token first; and a few places
//! beyond it are kept for probes and for callers with tokens, so that somebody can always ask how the node is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The most connections, whatever the process may have open.
const MOST: usize = 4_096;
/// How long a new connection has for its first request when there are many.
pub(super) const FIRST: Duration = Duration::from_secs(2);
/// How long a connection is there before it can go for want of a request: it has to be read first.
const GRACE: Duration = Duration::from_millis(500);
/// How long an answer may wait for a client that does not read when its place is wanted.
const STALLED: Duration = Duration::from_secs(2);

/// Nothing of a connection was read yet: on a busy machine that can take longer than [`GRACE`].
const NOT_READ: u64 = u64::MAX;

/// The connections of a listener.
#[derive(Debug)]
pub(super) struct Connections {
    /// How many there may be.
    most: usize,
    /// How many places there are beyond that.
    kept: usize,
    /// How long a connection that has asked for nothing yet keeps its place.
    grace: Duration,
    open: Mutex<BTreeMap<u64, Arc<Open>>>,
    next: AtomicU64,
    begun: Instant,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Open {
    id: u64,
    /// Whether it has shown a token that is known, or comes in without one where that is allowed.
    known: AtomicBool,
    /// Whether a request ever came.
    has_asked: AtomicBool,
    /// Requests that are being answered.
    busy: AtomicU64,
    /// Whether an answer waits for the client to read.
    pub(super) stalled: Arc<AtomicBool>,
    /// Since when it is as it is: milliseconds from the listener's beginning, or [`NOT_READ`].
    since: AtomicU64,
    begun: Instant,
    /// Whether there were many when it came.
    crowded: bool,
    /// Whether it has one of the places that are kept.
    kept: AtomicBool,
    /// The others.
    all: Weak<Connections>,
    /// Its first request came.
    pub(super) asked: Notify,
    /// Its place is wanted.
    pub(super) ended: Notify,
    /// It is to end when what is under way was answered.
    pub(super) last: Notify,
}

/// Which places there are.
fn places(descriptors: u64) -> (usize, usize) {
    let half = descriptors / 2;
    let most = half.saturating_sub(128).max(descriptors / 4).min(MOST as u64);
    let most = usize::try_from(most).unwrap_or(MOST).max(8);
    (most, (most / 16).clamp(4, 64))
}

impl Connections {
    /// As many places as this process can have.
    pub(super) fn new() -> Self {
        let (most, kept) = places(super::descriptors::raise());
        let (open, next, begun) = (Mutex::default(), AtomicU64::new(0), Instant::now());
        Connections { most, kept, grace: GRACE, open, next, begun }
    }

    /// All places.
    pub(super) fn places(&self) -> usize {
        self.most + self.kept
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends some of those that need their places least.
    pub(super) fn make_room(&self) {
        let mut all = self.lock();
        for _ in 0..self.kept {
            let Some(goes) = self.least_needed(&all) else { return };
            goes.ended.notify_one();
            all.remove(&goes.id);
        }
    }

    /// A connection came.
    pub(super) fn enter(self: &Arc<Self>) -> Arc<Open> {
        let mut all = self.lock();
        let full = all.len() >= self.most;
        if full && let Some(goes) = self.least_needed(&all) {
            goes.ended.notify_one();
            all.remove(&goes.id);
        }
        let open = Arc::new(Open {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            known: AtomicBool::new(false),
            has_asked: AtomicBool::new(false),
            busy: AtomicU64::new(0),
            stalled: Arc::default(),
            since: AtomicU64::new(NOT_READ),
            begun: self.begun,
            crowded: all.len() + (self.most / 8).max(1) >= self.most,
            kept: AtomicBool::new(all.len() >= self.most),
            all: Arc::downgrade(self),
            asked: Notify::new(),
            ended: Notify::new(),
            last: Notify::new(),
        });
        all.insert(open.id, open.clone());
        open
    }

    /// Gives a connection that has one of the places that are kept another: that of the oldest which has asked for nothing,
    /// however short it has been there. Whether there was one.
    fn move_out(&self, open: &Open) -> bool {
        let mut all = self.lock();
        let silent = all.values().filter(|other| !other.has_asked.load(Ordering::Relaxed));
        let Some(goes) = silent.min_by_key(|other| other.id).cloned() else { return false };
        goes.ended.notify_one();
        all.remove(&goes.id);
        open.kept.store(false, Ordering::Relaxed);
        true
    }

    /// A connection is gone.
    pub(super) fn leave(&self, open: &Open) {
        self.lock().remove(&open.id);
    }

    /// The connection that can go first: idle for longest, without a token before those with one; then one whose client
    /// does not read. One that came just now is not idle: its request may be under way.
    fn least_needed(&self, all: &BTreeMap<u64, Arc<Open>>) -> Option<Arc<Open>> {
        let now = millis(self.begun);
        let rank = |open: &Open| {
            let (since, known) = (open.since.load(Ordering::Relaxed), open.known.load(Ordering::Relaxed));
            let age = Duration::from_millis(now.saturating_sub(since));
            if !open.has_asked.load(Ordering::Relaxed) && age < self.grace {
                return None;
            }
            if open.busy.load(Ordering::Relaxed) == 0 {
                return Some((u8::from(known), since));
            }
            let is_stalled = open.stalled.load(Ordering::Relaxed);
            (is_stalled && age >= STALLED).then_some((2 + u8::from(known), since))
        };
        let ranked = all.values().filter_map(|open| Some((rank(open)?, open)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, open)| open.clone())
    }
}

fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Open {
    /// From now on it is read.
    pub(super) fn listen(&self) {
        self.since.store(millis(self.begun), Ordering::Relaxed);
    }

    /// A request came; it is being answered until what this returns is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.asked.notify_one();
        self.has_asked.store(true, Ordering::Relaxed);
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.since.store(millis(self.begun), Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Its caller is known.
    pub(super) fn know(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    /// Whether there were many when it came.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// Whether it has one of the places that are kept: it is for short answers.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    /// Whether its answer may go on. One with a place that is kept gets another if there is one that is needed less.
    pub(super) fn may_stay(&self) -> bool {
        !self.is_kept() || self.all.upgrade().is_some_and(|all| all.move_out(self))
    }

    /// Whether it ends after the answer that is being given.
    pub(super) fn ends_after_answer(&self) -> bool {
        self.is_kept() || (self.crowded && !self.known.load(Ordering::Relaxed))
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Busy(Arc<Open>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.since.store(millis(self.0.begun), Ordering::Relaxed);
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(most: usize, kept: usize, grace: Duration) -> Arc<Connections> {
        let (open, next, begun) = (Mutex::default(), AtomicU64::new(0), Instant::now());
        Arc::new(Connections { most, kept, grace, open, next, begun })
    }

    fn went(open: &Open) -> bool {
        let mut ended = std::pin::pin!(open.ended.notified());
        ended.as_mut().enable()
    }

    #[test]
    fn the_node_keeps_descriptors_for_itself() {
        assert_eq!(places(1 << 20), (4_096, 64));
        assert_eq!(places(1_024), (384, 24));
        assert_eq!(places(256), (64, 4));
        assert!(places(16).0 + places(16).1 <= 16);
    }

    #[test]
    fn the_oldest_idle_stranger_goes_first() {
        let all = of(4, 1, Duration::ZERO);
        let known = all.enter();
        known.know();
        let (first, second) = (all.enter(), all.enter());
        let asking = first.begin();
        let third = all.enter();
        assert!(third.is_crowded() && !third.is_kept() && !second.is_crowded());
        assert!(third.ends_after_answer() && !known.ends_after_answer());
        let fourth = all.enter();
        assert!(went(&second) && !went(&first) && !went(&known) && !went(&third), "an idle one without a token");
        assert!(!fourth.is_kept());
        let (_third, _fourth) = (third.begin(), fourth.begin());
        let fifth = all.enter();
        assert!(went(&known) && !went(&first), "then an idle one with a token");
        let _fifth = fifth.begin();
        let last = all.enter();
        assert!(last.is_kept() && last.ends_after_answer(), "all are being answered: a place that is kept");
        drop(asking);
        all.leave(&last);
        all.enter();
        assert!(went(&first));
    }

    #[test]
    fn a_connection_that_came_just_now_keeps_its_place() {
        let all = of(8, 4, Duration::from_secs(3_600));
        let fresh = all.enter();
        all.make_room();
        assert!(!went(&fresh), "nothing of it was read");
        fresh.listen();
        all.make_room();
        assert!(!went(&fresh), "its request may be under way");
        drop(fresh.begin());
        all.make_room();
        assert!(went(&fresh), "it has asked, and is idle");
    }

    /// Clients that send half a head keep their places for a moment. Whoever asks meanwhile needs one more than they do.
    #[test]
    fn who_asks_gets_the_place_of_one_that_has_not() {
        let all = of(3, 1, Duration::from_secs(3_600));
        let asked = all.enter();
        let (_asking, first, second) = (asked.begin(), all.enter(), all.enter());
        let last = all.enter();
        let _busy = last.begin();
        assert!(last.is_kept() && !went(&first) && !went(&second));
        assert!(last.may_stay() && went(&first) && !went(&second) && !went(&asked));
        assert!(!last.is_kept());
        let other = all.enter();
        let _other = other.begin();
        assert!(other.is_kept() && other.may_stay() && went(&second));
        // All have asked: the place stays one that is kept.
        let more = all.enter();
        let _more = more.begin();
        assert!(more.is_kept() && !more.may_stay());
    }
}
