//! Deletes old backups, and blobs that no backup needs any more.

use super::BackupError;
use super::place::{BACKUPS, BLOBS, PRUNING, Place, is_left, is_left_by_deletes};
use super::read::{Backup, names};
use crate::blobs::{Found, Objects};
use crate::clock::Time;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long deletes may take: what is left then is deleted another time.
const WITHIN: Duration = Duration::from_secs(1_800);
/// How often the word that they go on is said again, and how long that may take. A delete that begins then has ended before the
/// word counts as left.
const AGAIN: Duration = Duration::from_secs(30);
const SAID_WITHIN: Duration = Duration::from_secs(60);

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Backups.
    pub backups: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of these blobs.
    pub bytes: u64,
}

/// The word at the place that something is being deleted.
struct Word<'p> {
    place: &'p Place,
    objects: &'p Objects,
    name: String,
    since: Instant,
    said: Instant,
}

impl<'p> Word<'p> {
    async fn say(place: &'p Place, objects: &'p Objects) -> Result<Self, BackupError> {
        let (name, since) = (format!("{PRUNING}/{}", uuid::Uuid::new_v4()), Instant::now());
        place.put(&name, Bytes::new()).await?;
        Ok(Word { place, objects, name, since, said: since })
    }

    /// Deletes an object while the word counts, and says it again when it is time. False: it is not deleted now.
    async fn delete(&mut self, name: &str) -> Result<bool, BackupError> {
        if self.since.elapsed() > WITHIN {
            return Ok(false);
        }
        if self.said.elapsed() > AGAIN {
            self.said = Instant::now();
            self.place.put(&self.name, Bytes::new()).await?;
        }
        if self.said.elapsed() > SAID_WITHIN {
            return Ok(false);
        }
        self.objects.delete(name).await.map_err(BackupError::Place)?;
        Ok(true)
    }
}

/// Keeps the newest backups at a place, deletes the others, and then the blobs that none needs. Nothing is deleted while
/// another backup is being made there; what was left in the middle of one goes too.
pub async fn prune(place: &Place, keep: usize) -> Result<Pruned, BackupError> {
    let Some(objects) = place.shared() else { return Ok(Pruned::default()) };
    let mut word = Word::say(place, objects).await?;
    let pruned = pruned(keep, &mut word).await;
    objects.delete(&word.name).await.map_err(BackupError::Place)?;
    pruned
}

async fn pruned(keep: usize, word: &mut Word<'_>) -> Result<Pruned, BackupError> {
    let (place, objects) = (word.place, word.objects);
    let now = objects.find(&word.name).await.map_err(BackupError::Place)?.map(|own| own.written_at);
    let is_old = |other: &Found| now.is_some_and(|now| is_left_by_deletes(other.written_at, now));
    for other in place.list(PRUNING).await?.into_iter().filter(is_old) {
        objects.delete(&other.name).await.map_err(BackupError::Place)?;
    }
    let mut folders: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    for found in place.list(BACKUPS).await? {
        let id = found.name.split('/').nth(1).unwrap_or_default().to_owned();
        folders.entry(id).or_default().push(found);
    }
    let whole = names(place).await?;
    let unfinished = |id: &String| !whole.contains(id);
    if folders.iter().any(|(id, found)| unfinished(id) && is_under_way(found, now)) {
        return Ok(Pruned::default());
    }
    let mut pruned = Pruned::default();
    let old = &whole[..whole.len().saturating_sub(keep.max(1))];
    // What the others need. One that cannot be read may need any blob: then nothing is deleted.
    let mut needed: BTreeSet<String> = BTreeSet::new();
    for id in whole.iter().filter(|id| !old.contains(id)) {
        needed.extend(Backup::open(place, Some(id)).await?.index().await?.into_keys());
    }
    for (id, found) in folders.iter().filter(|(id, _)| unfinished(id) || old.contains(id)) {
        // Without its manifest it is no backup any more, should this end in the middle.
        let is_manifest = |found: &&Found| found.name.ends_with("/manifest.json");
        for found in found.iter().filter(is_manifest).chain(found.iter().filter(|found| !is_manifest(found))) {
            if !word.delete(&found.name).await? {
                return Ok(pruned);
            }
        }
        pruned.backups += u64::from(!unfinished(id));
    }
    for found in place.list(BLOBS).await? {
        let key = found.name.strip_prefix(BLOBS).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
        if needed.contains(key) {
            continue;
        }
        if !word.delete(&found.name).await? {
            return Ok(pruned);
        }
        pruned.blobs += 1;
        pruned.bytes += found.bytes;
    }
    Ok(pruned)
}

/// Whether somebody may still be writing these; by the clock of the place alone.
fn is_under_way(found: &[Found], now: Option<Time>) -> bool {
    let newest = found.iter().map(|found| found.written_at).max();
    newest.zip(now).is_some_and(|(newest, now)| !is_left(newest, now))
}
