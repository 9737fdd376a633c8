//! Answers of an HTTP/2 connection that wait for their client. It says itself how much of each it takes: one that reads the
//! connection and takes nothing of its answers is not seen by [`super::paced`].

use futures_util::Stream;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How long a client may take for a piece of an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// The answers of a connection that wait for their client, and since when.
#[derive(Debug, Default)]
pub(super) struct Untaken {
    since: Mutex<BTreeMap<u64, Instant>>,
    next: AtomicU64,
}

impl Untaken {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same body, watched: after each piece, and before the first, it waits for the client until it is asked for the next.
    pub(super) fn watched<S>(self: &Arc<Self>, body: S) -> Watched<S> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(id, Instant::now());
        Watched { body, id, all: self.clone() }
    }

    fn longest(&self) -> Duration {
        self.lock().values().min().map(Instant::elapsed).unwrap_or_default()
    }

    /// Ends when the client has taken nothing of an answer for too long.
    pub(super) async fn is_too_long(&self) {
        while self.longest() < PATIENCE {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// A body that is watched.
#[derive(Debug)]
pub(super) struct Watched<S> {
    body: S,
    id: u64,
    all: Arc<Untaken>,
}

impl<S: Stream + Unpin> Stream for Watched<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let polled = Pin::new(&mut self.body).poll_next(context);
        let mut since = self.all.lock();
        if matches!(polled, Poll::Ready(Some(_))) {
            since.insert(self.id, Instant::now());
        } else {
            since.remove(&self.id);
        }
        drop(since);
        polled
    }
}

impl<S> Drop for Watched<S> {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, StreamExt, stream};

    #[test]
    fn an_answer_waits_for_its_client_from_one_piece_to_the_next() {
        let all = Arc::new(Untaken::default());
        assert_eq!(all.longest(), Duration::ZERO);
        let pieces = stream::iter([1, 2]).chain(stream::pending());
        let mut body = all.watched(pieces);
        assert!(all.lock().contains_key(&0), "nothing was asked for yet");
        let before = all.lock()[&0];
        assert_eq!(body.next().now_or_never(), Some(Some(1)));
        assert!(all.lock()[&0] >= before && all.longest() > Duration::ZERO);
        assert_eq!(body.next().now_or_never(), Some(Some(2)));
        assert_eq!(body.next().now_or_never(), None, "now it waits for us");
        assert!(all.lock().is_empty());
        let second = all.watched(stream::iter([1]));
        drop((body, second));
        assert!(all.lock().is_empty());
    }
}
