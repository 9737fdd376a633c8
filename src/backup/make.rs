//! Makes a backup of a database in use and of its blobs.

use super::BackupError;
use super::format::{Manifest, Part, RowWriter, write_index};
use super::place::{BACKUPS, BLOBS, BackupPlace, PRUNING, Place, is_left_by_deletes, manifest_first};
use super::read::blob_at;
use crate::blobs::{BlobError, Blobs, Found};
use crate::clock::{Clock, rfc3339};
use crate::store::backups::NewBackup;
use crate::store::{Page, SnapshotOf, Store, Value};
use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};

/// For how long a backup holds off deletes of blobs without another word, and how often it says so again.
const HELD: TimeDelta = TimeDelta::minutes(15);
const AGAIN: Duration = Duration::from_secs(60);
/// How long is waited for whoever deletes what no backup needs: longer than the word of one who was killed counts.
const PRUNING_PATIENCE: Duration = Duration::from_secs(360);
const PRUNING_LOOK: Duration = Duration::from_millis(500);
/// Blobs copied at once, and their bytes together.
const COPIES: usize = 8;
const COPIED_BYTES: u32 = 128 << 20;
/// How long a backup that failed tries to remove what it has written.
const CLEANED_WITHIN: Duration = Duration::from_secs(20);

/// What is saved.
#[derive(Clone, Debug)]
pub struct Source {
    /// The database.
    pub store: Store,
    /// The blobs.
    pub blobs: Blobs,
    /// What time it is.
    pub clock: Clock,
}

/// A backup that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// What it consists of.
    pub manifest: Manifest,
    /// Blobs that were not at the place before.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Blobs that the server has lost, and that the place has from an earlier backup.
    pub lost: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Source {
    /// A backup to be made now; its name begins with its time, so precisely that names are in the order of the backups.
    pub fn announce(&self, place: &BackupPlace, node: Option<String>) -> NewBackup {
        let now = self.clock.now();
        let random = uuid::Uuid::new_v4().simple().to_string();
        let id = format!("{}-{}", now.format("%Y%m%dT%H%M%S%.6fZ"), &random[..8]);
        NewBackup { id, place: place.to_string(), node, started_at: now, held_until: now + HELD }
    }
}

/// Makes a backup that was begun in the database, and says there how it ended.
pub async fn make(source: &Source, place: &Place, new: &NewBackup) -> Result<Made, BackupError> {
    let began = Instant::now();
    let made = tokio::select! {
        made = written(source, place, new, began) => made,
        lost = keep_alive(source, place, new) => Err(lost),
    };
    let ended = match &made {
        Ok(made) => Ok(made.manifest.bytes()),
        Err(error) => Err(error.to_string()),
    };
    if made.is_err() {
        // What stays is taken for no backup, and the next one that deletes old ones removes it.
        let _ = tokio::time::timeout(CLEANED_WITHIN, remove(place, &new.id)).await;
    }
    match source.store.end_backup(&new.id, ended, source.clock.now()).await {
        Ok(()) => made,
        // It is whole all the same.
        Err(error) => {
            tracing::warn!(%error, backup = new.id, "the database cannot be told how a backup ended");
            made
        }
    }
}

/// Says again and again that the backup goes on, until that is no longer believed.
async fn keep_alive(source: &Source, place: &Place, new: &NewBackup) -> BackupError {
    let mut until = new.held_until;
    loop {
        tokio::time::sleep(AGAIN).await;
        let now = source.clock.now();
        let next = now + HELD;
        match source.store.hold_backup(&new.id, now, next).await {
            Ok(true) => until = next,
            Ok(false) => return BackupError::Lost,
            Err(error) if source.clock.now() < until => {
                tracing::warn!(%error, backup = new.id, "the database cannot be told that a backup goes on");
            }
            Err(_) => return BackupError::Lost,
        }
        if place.shared().is_some()
            && let Err(error) = place.put(&started(&new.id), Bytes::new()).await
        {
            tracing::warn!(%error, backup = new.id, "the place cannot be told that a backup goes on");
        }
    }
}

fn started(id: &str) -> String {
    format!("{BACKUPS}/{id}/started")
}

async fn written(source: &Source, place: &Place, new: &NewBackup, began: Instant) -> Result<Made, BackupError> {
    begin(place, &new.id).await?;
    let mut manifest = Manifest::new(&new.id, rfc3339(new.started_at));
    let wanted = write_rows(source, place, &mut manifest).await?;
    let copied = copy_blobs(source, place, wanted).await?;
    let index = write_index(&copied.all)?;
    manifest.index = Part::of("blobs.gz".into(), &index);
    place.put(&format!("{BACKUPS}/{}/{}", new.id, manifest.index.name), index).await?;
    manifest.blobs = copied.all.len() as u64;
    manifest.blob_bytes = copied.all.values().sum();
    manifest.missing = copied.missing;
    manifest.finished_at = rfc3339(source.clock.now());
    check_whole(source, place, new, &manifest, &copied.all).await?;
    place.put_last(&format!("{BACKUPS}/{}/manifest.json", new.id), manifest.write()?).await?;
    if let Some(objects) = place.shared() {
        // Beside a manifest it says nothing.
        let _ = objects.delete(&started(&new.id)).await;
    }
    let (blobs, bytes, lost) = (copied.blobs, copied.bytes, copied.lost);
    Ok(Made { manifest, copied: blobs, copied_bytes: bytes, lost, took: began.elapsed() })
}

/// Looks once more whether blobs were held and all is at the place, before it is said that there is a backup: this process may
/// have stood still for hours, and others have taken it for one that ended.
async fn check_whole(
    source: &Source,
    place: &Place,
    new: &NewBackup,
    manifest: &Manifest,
    blobs: &BTreeMap<String, u64>,
) -> Result<(), BackupError> {
    let now = source.clock.now();
    if !source.store.hold_backup(&new.id, now, now + HELD).await? {
        return Err(BackupError::Lost);
    }
    if place.shared().is_none() {
        return Ok(());
    }
    let mut there: BTreeMap<String, u64> = BTreeMap::new();
    for under in [format!("{BACKUPS}/{}", new.id), BLOBS.to_owned()] {
        there.extend(place.list(&under).await?.into_iter().map(|found| (found.name, found.bytes)));
    }
    let part = |part: &Part| (format!("{BACKUPS}/{}/{}", new.id, part.name), part.bytes);
    let parts = manifest.rows.iter().chain([&manifest.index]).map(part);
    let blobs = blobs.iter().map(|(key, bytes)| (format!("{BLOBS}/{key}"), *bytes));
    match parts.chain(blobs).find(|(name, bytes)| there.get(name) != Some(bytes)) {
        None => Ok(()),
        Some((name, _)) => Err(BackupError::Removed(name)),
    }
}

/// Says at the place that a backup is being made, so that nobody deletes blobs there that it will need; and waits while
/// somebody does. Who deletes says so first too, and then looks whether anybody makes a backup: one of the two sees the other.
async fn begin(place: &Place, id: &str) -> Result<(), BackupError> {
    let Some(objects) = place.shared() else { return Ok(()) };
    let started = started(id);
    let since = Instant::now();
    loop {
        place.put(&started, Bytes::new()).await?;
        let own = objects.find(&started).await.map_err(BackupError::Place)?.map(|own| own.written_at);
        let is_going_on = |word: &Found| own.is_none_or(|own| !is_left_by_deletes(word.written_at, own));
        if !place.list(PRUNING).await?.iter().any(is_going_on) {
            return Ok(());
        }
        if since.elapsed() > PRUNING_PATIENCE {
            return Err(BackupError::Pruning);
        }
        tokio::time::sleep(PRUNING_LOOK).await;
    }
}

/// Writes all rows as they are at one moment; the keys of the blobs that they refer to.
async fn write_rows(source: &Source, place: &Place, manifest: &mut Manifest) -> Result<BTreeSet<String>, BackupError> {
    let (pages, taken) = mpsc::channel(4);
    // Either ends with the other: the channel is closed.
    let (read, wrote) = tokio::join!(source.store.snapshot(pages), take_rows(place, manifest, taken));
    let (wanted, keys) = wrote?;
    let SnapshotOf { schema, engine } = read?;
    (manifest.schema, manifest.engine) = (schema, engine.to_owned());
    manifest.keys = keys.into_iter().collect();
    Ok(wanted)
}

/// Writes the rows that come; the keys of their blobs, and the ids of the keys that something in them is sealed with.
async fn take_rows(
    place: &Place,
    manifest: &mut Manifest,
    mut taken: mpsc::Receiver<Page>,
) -> Result<(BTreeSet<String>, BTreeSet<String>), BackupError> {
    let (mut wanted, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let mut writer = RowWriter::new();
    while let Some(page) = taken.recv().await {
        *manifest.tables.entry(page.table.name.clone()).or_default() += page.rows.len() as u64;
        if page.table.name == "blobs" {
            wanted.extend(texts(&page, "key"));
        }
        if page.table.column("sealed").is_some() {
            keys.extend(texts(&page, "key"));
        }
        // Compressing takes a processor for a while.
        writer = on_another_thread(move || writer.page(&page).map(|()| writer)).await?;
        if writer.is_large() {
            let full = std::mem::replace(&mut writer, RowWriter::new());
            put_rows(place, manifest, full).await?;
        }
    }
    if !writer.is_empty() {
        put_rows(place, manifest, writer).await?;
    }
    Ok((wanted, keys))
}

async fn on_another_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| BackupError::Mistake(error.to_string()))?
}

async fn put_rows(place: &Place, manifest: &mut Manifest, writer: RowWriter) -> Result<(), BackupError> {
    let content = on_another_thread(|| writer.finish()).await?;
    let part = Part::of(format!("rows-{:05}.gz", manifest.rows.len() + 1), &content);
    place.put(&format!("{BACKUPS}/{}/{}", manifest.id, part.name), content).await?;
    manifest.rows.push(part);
    Ok(())
}

/// The texts in a column.
fn texts(page: &Page, column: &str) -> Vec<String> {
    let place = page.table.column(column);
    let value = |row: &Vec<Value>| match row.get(place?) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    page.rows.iter().filter_map(value).collect()
}

/// What was copied.
#[derive(Default)]
struct Copied {
    /// All that the backup needs, with their sizes.
    all: BTreeMap<String, u64>,
    missing: Vec<String>,
    /// Those that the server has lost, and an earlier backup has.
    lost: Vec<String>,
    blobs: u64,
    bytes: u64,
}

/// Copies the blobs that are not at the place. Of those that the server itself does not have any more, or not as they were, the
/// copies of earlier backups are kept. Where there is none they are listed: that is no reason to have no backup of the rest.
async fn copy_blobs(source: &Source, place: &Place, wanted: BTreeSet<String>) -> Result<Copied, BackupError> {
    let listed = source.blobs.objects().list("").await.map_err(BackupError::Blobs)?;
    let sizes: BTreeMap<String, u64> = listed.into_iter().map(|found| (found.name, found.bytes)).collect();
    let there = place.list(BLOBS).await?.into_iter();
    let there: BTreeMap<String, u64> = there
        .filter_map(|found| Some((found.name.strip_prefix(BLOBS)?.strip_prefix('/')?.to_owned(), found.bytes)))
        .collect();
    let mut copied = Copied::default();
    let (mut to_copy, mut lost) = (Vec::new(), Vec::new());
    for key in wanted {
        match sizes.get(&key) {
            None => lost.push(key),
            Some(bytes) if there.get(&key) == Some(bytes) => {
                copied.all.insert(key, *bytes);
            }
            Some(bytes) => to_copy.push((key, *bytes)),
        }
    }
    let (room, bytes) = (Semaphore::new(COPIED_BYTES as usize), AtomicU64::new(0));
    let done = Mutex::new(Vec::new());
    let copy = async |(key, size): (String, u64)| -> Result<(), BackupError> {
        let taken = u32::try_from(size).unwrap_or(COPIED_BYTES).min(COPIED_BYTES);
        let _room = room.acquire_many(taken).await.map_err(|error| BackupError::Mistake(error.to_string()))?;
        let read = match source.blobs.read(&key).await {
            Ok(content) => Some(content),
            Err(BlobError::Missing(_) | BlobError::Corrupt(_)) => None,
            Err(error) => return Err(BackupError::Blobs(error)),
        };
        let length = read.as_ref().map(|content| content.len() as u64);
        if let Some(content) = read {
            place.put(&format!("{BLOBS}/{key}"), content).await?;
            bytes.fetch_add(length.unwrap_or_default(), Ordering::Relaxed);
        }
        done.lock().unwrap_or_else(PoisonError::into_inner).push((key, length));
        Ok(())
    };
    stream::iter(to_copy).map(copy).buffer_unordered(COPIES).try_collect::<Vec<()>>().await?;
    for (key, length) in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
        match length {
            Some(length) => {
                copied.blobs += 1;
                copied.all.insert(key, length);
            }
            None => lost.push(key),
        }
    }
    for key in lost {
        match there.get(&key).copied() {
            Some(bytes) if blob_at(place, &key).await.is_ok() => {
                copied.all.insert(key.clone(), bytes);
                copied.lost.push(key);
            }
            _ => copied.missing.push(key),
        }
    }
    copied.bytes = bytes.into_inner();
    Ok(copied)
}

/// Removes what a backup that failed has written for itself. Blobs stay for the next one.
async fn remove(place: &Place, id: &str) -> Result<(), BackupError> {
    let Some(objects) = place.shared() else { return Ok(()) };
    for found in manifest_first(place.list(&format!("{BACKUPS}/{id}")).await?) {
        objects.delete(&found.name).await.map_err(BackupError::Place)?;
    }
    Ok(())
}
