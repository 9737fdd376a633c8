//! Lets go of what is old, and of blobs that nothing refers to.

use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::run::Status;
use crate::store::{Store, StoreError};
use chrono::TimeDelta;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often old things are looked for.
const ROUND: Duration = Duration::from_secs(60);
/// The pause between batches, so that nobody waits for them.
const PAUSE: Duration = Duration::from_millis(20);
/// A blob that nothing has referred to for so long is deleted.
const CONDEMNED: TimeDelta = TimeDelta::hours(1);
/// Blobs deleted in one go.
const BLOBS: i64 = 500;

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// What runs wrote.
    pub output: TimeDelta,
    /// Rows of runs that never started by policy.
    pub unstarted: TimeDelta,
    /// Rows of all other runs; none: for ever.
    pub runs: Option<TimeDelta>,
    /// A client's name for a request.
    pub requests: TimeDelta,
}

impl Default for Retention {
    fn default() -> Self {
        Retention {
            output: TimeDelta::days(30),
            unstarted: TimeDelta::days(90),
            runs: None,
            requests: TimeDelta::hours(24),
        }
    }
}

/// Cleans up.
#[derive(Clone, Debug)]
pub struct Cleaner {
    /// The database.
    pub store: Store,
    /// Sources and large values.
    pub blobs: Blobs,
    /// What time it is.
    pub clock: Clock,
    /// How long things are kept.
    pub retention: Retention,
}

impl Cleaner {
    /// Cleans up until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
            if let Err(error) = self.round(&stop).await {
                tracing::warn!(%error, "old things cannot be let go; trying again");
            }
        }
    }

    /// Lets go of everything that is old by now.
    pub async fn round(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (store, keep) = (&self.store, &self.retention);
        loop {
            let mut gone = store.forget_output(now - keep.output).await?;
            gone += store.forget_runs(&[Status::Skipped, Status::Missed], now - keep.unstarted).await?;
            if let Some(age) = keep.runs {
                gone += store.forget_runs(&[], now - age).await?;
            }
            gone += store.forget_requests(now - keep.requests).await?;
            if gone == 0 || stop.is_cancelled() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        let before = now - CONDEMNED;
        for key in store.condemned_blobs(before, BLOBS, now).await? {
            if stop.is_cancelled() {
                break;
            }
            // Forgotten first: a blob that is written again meanwhile is announced again. One that is deleted and still
            // known would be worse than one that is there and unknown.
            if store.forget_blob(&key, before).await?
                && let Err(error) = self.blobs.delete(&key).await
            {
                tracing::warn!(blob = key, %error, "a blob that nothing refers to cannot be deleted");
            }
        }
        Ok(())
    }
}
