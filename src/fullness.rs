//! Whether there is room to write: what the database or the blobs found when something was to be kept.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// For how long a disk counts as full after the last write that found no room, though smaller ones find some.
const HOLDS: Duration = Duration::from_secs(5);

/// What writes found.
#[derive(Debug)]
pub struct Fullness {
    /// The last write that found no room, until one found room later.
    last: Mutex<Option<Instant>>,
    /// How many have found none.
    count: watch::Sender<u64>,
}

impl Default for Fullness {
    fn default() -> Self {
        Fullness { last: Mutex::default(), count: watch::Sender::new(0) }
    }
}

impl Fullness {
    /// Says what a write found at this instant: whether the disk was full.
    pub fn note(&self, is_full: bool, now: Instant) {
        let mut last = self.last();
        if is_full {
            *last = Some(now);
            self.count.send_modify(|count| *count += 1);
        } else if last.is_some_and(|last| now.saturating_duration_since(last) >= HOLDS) {
            *last = None;
        }
    }

    /// Whether a write found no room, and none has found room long enough after that.
    pub fn is_full(&self) -> bool {
        self.last().is_some()
    }

    /// Changes with every write that finds no room.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    fn last(&self) -> MutexGuard<'_, Option<Instant>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_told_when_there_is_no_room() {
        let (fullness, start) = (Fullness::default(), Instant::now());
        let mut watched = fullness.watch();
        fullness.note(false, start);
        assert!(!fullness.is_full() && !watched.has_changed().expect("is there"));
        fullness.note(true, start);
        watched.changed().await.expect("is there");
        fullness.note(false, start + HOLDS / 2);
        assert!(fullness.is_full(), "something smaller found room");
        fullness.note(false, start + HOLDS);
        assert!(!fullness.is_full());
    }
}
