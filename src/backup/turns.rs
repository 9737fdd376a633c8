//! Makes a backup every so often: of all nodes, one has the turn.

use super::BackupError;
use super::make::{Made, Source, make};
use super::place::{BackupPlace, Place};
use super::prune::prune;
use crate::blobs::S3Access;
use crate::metrics::Metrics;
use crate::store::backups::NewBackup;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often is looked whether it is time, at most.
const LOOK: Duration = Duration::from_secs(30);

/// Makes backups.
#[derive(Clone, Debug)]
pub struct Turns {
    /// What is saved.
    pub source: Source,
    /// Where the backups are.
    pub place: BackupPlace,
    /// How buckets are reached.
    pub access: S3Access,
    /// How often one is made.
    pub every: Duration,
    /// How many are kept.
    pub keep: usize,
    /// The node's id.
    pub node: String,
    /// Where failures are counted.
    pub metrics: Arc<Metrics>,
}

impl Turns {
    /// Makes a backup whenever it is time, until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let Source { store, clock, .. } = &self.source;
        if !store.is_shared()
            && let Err(error) = store.end_left_backups(clock.now()).await
        {
            tracing::warn!(%error, "whether a backup was interrupted by the end of the server cannot be written");
        }
        loop {
            self.look(&stop).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK.min(self.every / 4)) => {}
            }
        }
    }

    /// Makes a backup when it is time and the turn is this node's. What goes wrong is in the log, in the feed of events, and
    /// counted.
    async fn look(&self, stop: &CancellationToken) {
        match self.turn(stop).await {
            Ok(None) => {}
            Ok(Some(made)) => {
                let manifest = &made.manifest;
                tracing::info!(
                    backup = manifest.id,
                    bytes = manifest.bytes(),
                    copied_bytes = made.copied_bytes,
                    duration_ms = u64::try_from(made.took.as_millis()).unwrap_or(u64::MAX),
                    "a backup was made"
                );
                if !made.lost.is_empty() {
                    tracing::error!(
                        backup = manifest.id,
                        blobs = made.lost.len(),
                        first = made.lost.first(),
                        "the server refers to blobs that it has lost; they are in the backup, as earlier ones have them"
                    );
                }
                if !manifest.missing.is_empty() {
                    tracing::error!(
                        backup = manifest.id,
                        blobs = manifest.missing.len(),
                        first = manifest.missing.first(),
                        "the server refers to blobs that it does not have, so they are not in its backup"
                    );
                }
            }
            Err(error) => {
                self.metrics.backup_failed();
                tracing::error!(%error, place = %self.place, "a backup was not made");
            }
        }
    }

    async fn turn(&self, stop: &CancellationToken) -> Result<Option<Made>, BackupError> {
        let source = &self.source;
        let new = source.announce(&self.place, Some(self.node.clone()));
        if !source.store.begin_due_backup(&new, self.every).await? {
            return Ok(None);
        }
        let made = tokio::select! {
            made = self.made(&new) => made?,
            () = stop.cancelled() => {
                // Another node, or the next start, makes it.
                source.store.forget_backup(&new.id).await?;
                return Ok(None);
            }
        };
        let pruned = match Place::to(&self.place, &self.access) {
            Ok(place) => prune(&place, self.keep, &made.manifest.id, stop).await,
            Err(error) => Err(error),
        };
        if let Err(error) = pruned {
            // There is a backup more than is wanted, which is no harm yet.
            tracing::warn!(%error, place = %self.place, "old backups cannot be deleted; trying again after the next one");
        }
        Ok(Some(made))
    }

    async fn made(&self, new: &NewBackup) -> Result<Made, BackupError> {
        match Place::to(&self.place, &self.access) {
            Ok(place) => make(&self.source, &place, new).await,
            Err(error) => {
                self.source.store.end_backup(&new.id, Err(error.to_string()), self.source.clock.now()).await?;
                Err(error)
            }
        }
    }
}
