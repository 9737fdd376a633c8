//! Restores a backup into an empty place, or checks it without one.

use super::BackupError;
use super::read::Backup;
use crate::blobs::{Blobs, Objects};
use crate::store::{DatabaseUrl, Loader, NotShown, StoreError, Target};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says at the place of the blobs which backup is being restored there: who begins again can go on.
const RESTORING: &str = "restoring";
/// Blobs read and written at once.
const COPIES: usize = 4;

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// How many blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a check of a backup found.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// How many blobs it has.
    pub blobs: u64,
    /// What is wrong with it, in words; at most some. None: it is whole.
    pub faults: Vec<String>,
}

/// Reads everything of a backup: each part and each blob by its SHA-256, and the rows into a database of their own that is
/// gone afterwards.
pub async fn check(backup: &Backup<'_>) -> Result<Checked, BackupError> {
    let mut checked = Checked::default();
    let index = match backup.index().await {
        Ok(index) => index,
        Err(error) => return checked.with(error),
    };
    let loaded = async {
        let mut loader = Loader::open(&Target::Scratch, backup.manifest.schema).await?;
        backup.load(&mut loader, &index).await
    };
    if let Err(error) = loaded.await {
        checked = checked.with(error)?;
    }
    checked.blobs = index.len() as u64;
    let read = stream::iter(index.keys()).map(async |key| backup.blob(key).await.err());
    let mut read = std::pin::pin!(read.buffer_unordered(COPIES));
    while let Some(error) = read.next().await {
        if let Some(error) = error {
            checked = checked.with(error)?;
        }
    }
    Ok(checked)
}

impl Checked {
    /// Faults that are listed.
    const MOST: usize = 20;

    /// Notes damage; what is no damage is an error.
    fn with(mut self, error: BackupError) -> Result<Self, BackupError> {
        match error {
            BackupError::Damaged(why) => {
                if self.faults.len() < Self::MOST {
                    self.faults.push(why);
                }
                Ok(self)
            }
            error => Err(error),
        }
    }
}

/// Restores a backup into an empty database and an empty place of blobs.
///
/// First everything is looked at that can be without writing: the parts, the sizes of the blobs, whether both places are
/// empty. Then the rows are written where nobody sees them, and are looked at there; then the blobs, each by its SHA-256; and
/// last the rows are shown. What fails leaves both places empty.
pub async fn restore(backup: &Backup<'_>, database: &DatabaseUrl, blobs: &Blobs) -> Result<Restored, BackupError> {
    let index = backup.index().await?;
    backup.check_parts().await?;
    backup.check_sizes(&index).await?;
    let objects = blobs.objects();
    let has_begun = check_empty(&objects, &backup.manifest.id).await?;
    let opened = Loader::open(&Target::Database(database.clone()), backup.manifest.schema).await;
    let mut loader = opened.map_err(|error| match error {
        // The rows are shown when all blobs are there.
        StoreError::NotEmpty(why) if has_begun => BackupError::NotEmpty(format!(
            "the database is not empty ({why}), and a restore of this backup ended before it could say that all is done: if \
             nothing else writes there, it is complete: start the server"
        )),
        error => error.into(),
    })?;
    let written = async {
        backup.load(&mut loader, &index).await?;
        loader.unwritten(&backup.manifest.missing).await?;
        copy(backup, &objects, blobs, &index).await
    };
    if let Err(error) = written.await {
        loader.give_up().await;
        take_back(&objects, &index).await;
        return Err(error);
    }
    match loader.finish().await {
        Ok(()) => {}
        Err(NotShown::Not(error)) => {
            take_back(&objects, &index).await;
            return Err(error.into());
        }
        // The rows may need the blobs.
        Err(NotShown::Perhaps(error)) => return Err(BackupError::PerhapsRestored(error)),
    }
    if let Err(error) = objects.delete(RESTORING).await {
        tracing::warn!(%error, "all is restored; the object `{RESTORING}` beside the blobs can be deleted");
    }
    Ok(Restored { blobs: index.len() as u64, bytes: index.values().sum() })
}

/// Refuses a place that has anything but what an earlier try with this backup left. Whether there was one.
async fn check_empty(objects: &Objects, id: &str) -> Result<bool, BackupError> {
    let found = objects.list("").await.map_err(BackupError::Blobs)?;
    let Some(first) = found.first() else { return Ok(false) };
    let is_ours = match found.iter().find(|found| found.name == RESTORING) {
        Some(_) => objects.get(RESTORING).await.map_err(BackupError::Blobs)? == id.as_bytes(),
        None => false,
    };
    match is_ours {
        true => Ok(true),
        false => Err(BackupError::NotEmpty(format!(
            "the place of the blobs is not empty (there is {}): name an empty one, or remove what is there",
            first.name
        ))),
    }
}

async fn copy(
    backup: &Backup<'_>,
    objects: &Objects,
    blobs: &Blobs,
    index: &BTreeMap<String, u64>,
) -> Result<(), BackupError> {
    let id = Bytes::from(backup.manifest.id.clone());
    objects.put(RESTORING, id).await.map_err(BackupError::Blobs)?;
    // After a failure no copy begins, and those that are under way end: one that was let go of would still write its blob, after
    // what was written is taken back.
    let has_failed = AtomicBool::new(false);
    let copies = stream::iter(index.keys()).map(async |key| {
        if has_failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let copied = copy_one(backup, blobs, key).await;
        has_failed.fetch_or(copied.is_err(), Ordering::Relaxed);
        copied
    });
    copies.buffer_unordered(COPIES).collect::<Vec<_>>().await.into_iter().collect()
}

async fn copy_one(backup: &Backup<'_>, blobs: &Blobs, key: &str) -> Result<(), BackupError> {
    let content = backup.blob(key).await?;
    blobs.put(key, content).await.map_err(BackupError::Blobs)
}

/// Removes what was written. What cannot be removed now is what the next try finds, and goes on from: then the word stays.
async fn take_back(objects: &Objects, index: &BTreeMap<String, u64>) {
    let mut is_empty = true;
    for key in index.keys() {
        is_empty &= objects.delete(key).await.is_ok();
    }
    if is_empty {
        let _ = objects.delete(RESTORING).await;
    }
}
