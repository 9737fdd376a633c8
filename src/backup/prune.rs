//! Deletes old backups, and blobs that no backup needs any more.

use super::BackupError;
use super::place::{BACKUPS, BLOBS, PRUNING, Place, is_left, is_left_by_deletes, manifest_first};
use super::read::{Backup, names_in};
use crate::blobs::{Found, Objects};
use crate::clock::Time;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long deletes may take: what is left then is deleted another time.
const WITHIN: Duration = Duration::from_secs(1_800);
/// How often the word that they go on is said again. When it was not said for so long, a backup may begin that counts on what would
/// be deleted now: a delete that begins before has ended when the word counts as left.
const AGAIN: Duration = Duration::from_secs(30);
const COUNTS: Duration = Duration::from_secs(180);

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
    stop: &'p CancellationToken,
}

impl<'p> Word<'p> {
    async fn say(place: &'p Place, objects: &'p Objects, stop: &'p CancellationToken) -> Result<Self, BackupError> {
        let (name, since) = (format!("{PRUNING}/{}", uuid::Uuid::new_v4()), Instant::now());
        place.put(&name, Bytes::new()).await?;
        Ok(Word { place, objects, name, since, said: since, stop })
    }

    /// Says it again when it is time. False: it did not count for a while, so nothing may be deleted any more.
    async fn say_again(&mut self) -> Result<bool, BackupError> {
        if self.said.elapsed() > COUNTS {
            return Ok(false);
        }
        if self.said.elapsed() > AGAIN {
            let now = Instant::now();
            self.place.put(&self.name, Bytes::new()).await?;
            self.said = now;
        }
        Ok(self.said.elapsed() <= COUNTS)
    }

    /// Does something that takes long, and says it again meanwhile.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = Result<T, BackupError>>) -> Result<T, BackupError> {
        let mut work = std::pin::pin!(work);
        loop {
            match tokio::time::timeout(AGAIN, &mut work).await {
                Ok(done) => return done,
                Err(_) => self.say_again().await?,
            };
        }
    }

    /// Deletes an object while the word counts, and says it again when it is time. False: it is not deleted now.
    async fn delete(&mut self, name: &str) -> Result<bool, BackupError> {
        if self.since.elapsed() > WITHIN || self.stop.is_cancelled() || !self.say_again().await? {
            return Ok(false);
        }
        self.objects.delete(name).await.map_err(BackupError::Place)?;
        Ok(true)
    }
}

/// Keeps the newest backups at a place and the one that was just made, deletes the others, and then the blobs that none needs.
/// Nothing is deleted while another backup is being made there; what was left in the middle of one goes too. After `stop` no
/// further delete begins: the next time goes on.
pub async fn prune(place: &Place, keep: usize, made: &str, stop: &CancellationToken) -> Result<Pruned, BackupError> {
    let Some(objects) = place.shared() else { return Ok(Pruned::default()) };
    let found = place.list(BACKUPS).await?;
    let whole = names_in(&found);
    let has_left = found.iter().filter_map(id_of).any(|id| !whole.contains(&id));
    if whole.len() <= keep && !has_left {
        // Nobody has to wait for a word that nothing is deleted after.
        return Ok(Pruned::default());
    }
    let mut word = Word::say(place, objects, stop).await?;
    let pruned = pruned(keep, made, &mut word).await;
    objects.delete(&word.name).await.map_err(BackupError::Place)?;
    pruned
}

/// The backup that an object belongs to.
fn id_of(found: &Found) -> Option<String> {
    found.name.split('/').nth(1).map(str::to_owned)
}

async fn pruned(keep: usize, made: &str, word: &mut Word<'_>) -> Result<Pruned, BackupError> {
    let (place, objects) = (word.place, word.objects);
    let now = objects.find(&word.name).await.map_err(BackupError::Place)?.map(|own| own.written_at);
    let is_old = |other: &Found| now.is_some_and(|now| is_left_by_deletes(other.written_at, now));
    for other in place.list(PRUNING).await?.into_iter().filter(is_old) {
        objects.delete(&other.name).await.map_err(BackupError::Place)?;
    }
    let mut folders: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    let found = place.list(BACKUPS).await?;
    let whole = names_in(&found);
    for found in found {
        folders.entry(id_of(&found).unwrap_or_default()).or_default().push(found);
    }
    let unfinished = |id: &String| !whole.contains(id);
    if folders.iter().any(|(id, found)| unfinished(id) && is_under_way(found, now)) {
        return Ok(Pruned::default());
    }
    let mut pruned = Pruned::default();
    let mut old = whole[..whole.len().saturating_sub(keep.max(1))].to_vec();
    // Those of a clock that was ahead seem to be newer.
    old.retain(|id| id != made);
    // What the others need. One that cannot be read may need any blob: then nothing is deleted.
    let mut needed: BTreeSet<String> = BTreeSet::new();
    for id in whole.iter().filter(|id| !old.contains(id)) {
        let index = async { Backup::at(place, id).await?.index().await };
        needed.extend(word.meanwhile(index).await?.into_keys());
    }
    for (id, found) in folders.iter().filter(|(id, _)| unfinished(id) || old.contains(id)) {
        for found in manifest_first(found.clone()) {
            if !word.delete(&found.name).await? {
                return Ok(pruned);
            }
        }
        pruned.backups += u64::from(!unfinished(id));
    }
    for found in word.meanwhile(place.list(BLOBS)).await? {
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
