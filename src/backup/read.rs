//! The backups that are at a place, and what one of them holds.

use super::BackupError;
use super::format::{Manifest, Part, read_index, read_rows};
use super::place::{BACKUPS, BLOBS, Place};
use crate::blobs::{BlobError, Blobs, Found};
use crate::store::{Loader, Value};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A backup that is at a place.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub id: String,
    /// What it consists of, or why that cannot be read.
    pub manifest: Result<Manifest, BackupError>,
}

/// The names of the whole backups at a place, the oldest first.
async fn names(place: &Place) -> Result<Vec<String>, BackupError> {
    Ok(names_in(&place.list(BACKUPS).await?))
}

/// The names of the whole backups whose objects are among these, the oldest first.
pub(super) fn names_in(found: &[Found]) -> Vec<String> {
    let name = |found: &Found| {
        let name = found.name.strip_prefix(BACKUPS)?.strip_prefix('/')?;
        name.strip_suffix("/manifest.json").map(str::to_owned)
    };
    let mut names: Vec<String> = found.iter().filter_map(name).collect();
    names.sort();
    names
}

/// The whole backups at a place, the oldest first.
pub async fn list(place: &Place) -> Result<Vec<Listed>, BackupError> {
    let mut listed = Vec::new();
    for id in names(place).await? {
        let manifest = manifest(place, &id).await;
        listed.push(Listed { id, manifest });
    }
    Ok(listed)
}

async fn manifest(place: &Place, id: &str) -> Result<Manifest, BackupError> {
    let content = place.get(&format!("{BACKUPS}/{id}/manifest.json")).await.map_err(BackupError::Place)?;
    let manifest = Manifest::read(&content).map_err(|error| match error {
        BackupError::Damaged(why) => BackupError::Damaged(format!("{id}: {why}")),
        error => error,
    })?;
    match manifest.id == id {
        true => Ok(manifest),
        false => Err(BackupError::Damaged(format!("{id}: its manifest is that of {}", manifest.id))),
    }
}

/// A blob at a place, as it was written.
pub(super) async fn blob_at(place: &Place, key: &str) -> Result<Bytes, BackupError> {
    let name = format!("{BLOBS}/{key}");
    let content = place.get(&name).await.map_err(|error| told(place, error))?;
    match Blobs::sha256_of_key(key) {
        Some(sha256) if hex::encode(Sha256::digest(&content)) == sha256 => Ok(content),
        _ => Err(BackupError::Damaged(format!("{name} is not as it was written (its SHA-256 is another)"))),
    }
}

fn told(place: &Place, error: BlobError) -> BackupError {
    match error {
        BlobError::Missing(name) => BackupError::Damaged(format!("{name} is not in {place}")),
        error => BackupError::Place(error),
    }
}

/// A backup that is read.
#[derive(Debug)]
pub struct Backup<'p> {
    place: &'p Place,
    /// What it consists of.
    pub manifest: Manifest,
}

impl<'p> Backup<'p> {
    /// Opens a backup, the newest when none is named.
    pub async fn open(place: &'p Place, id: Option<&str>) -> Result<Self, BackupError> {
        let names = names(place).await?;
        let name = match id {
            Some(id) => names.into_iter().find(|name| name == id),
            None => names.into_iter().next_back(),
        };
        match (name, id) {
            (Some(name), _) => Self::at(place, &name).await,
            (None, Some(id)) => Err(BackupError::NotFound(format!(
                "there is no whole backup {id} in {place}: --list shows those that are there"
            ))),
            (None, None) => Err(BackupError::NotFound(format!("there is no whole backup in {place}"))),
        }
    }

    /// Opens a backup that was listed.
    pub(super) async fn at(place: &'p Place, name: &str) -> Result<Self, BackupError> {
        Ok(Backup { place, manifest: manifest(place, name).await? })
    }

    /// A part, as it was written.
    async fn part(&self, part: &Part) -> Result<Bytes, BackupError> {
        let name = format!("{BACKUPS}/{}/{}", self.manifest.id, part.name);
        let content = self.place.get(&name).await.map_err(|error| told(self.place, error))?;
        match part.is(&content) {
            true => Ok(content),
            false => Err(BackupError::Damaged(format!("{name} is not as it was written (its SHA-256 is another)"))),
        }
    }

    /// A blob, as it was written.
    pub(super) async fn blob(&self, key: &str) -> Result<Bytes, BackupError> {
        blob_at(self.place, key).await
    }

    /// The keys of all blobs that it needs, with their sizes.
    pub(super) async fn index(&self) -> Result<BTreeMap<String, u64>, BackupError> {
        let part = &self.manifest.index;
        let damaged = |why: String| BackupError::Damaged(format!("{}: {}: {why}", self.manifest.id, part.name));
        read_index(&self.part(part).await?).map_err(damaged)
    }

    /// Looks whether all parts with rows are as they were written, before anything is done with them.
    pub(super) async fn check_parts(&self) -> Result<(), BackupError> {
        for part in &self.manifest.rows {
            self.part(part).await?;
        }
        Ok(())
    }

    /// Looks whether all blobs are at the place and as large as they were.
    pub(super) async fn check_sizes(&self, index: &BTreeMap<String, u64>) -> Result<(), BackupError> {
        let found = self.place.list(BLOBS).await?.into_iter();
        let sizes: BTreeMap<String, u64> = found.map(|found| (found.name, found.bytes)).collect();
        for (key, bytes) in index {
            let name = format!("{BLOBS}/{key}");
            match sizes.get(&name) {
                Some(size) if size == bytes => {}
                Some(size) => {
                    return Err(BackupError::Damaged(format!("{name} has {size} bytes instead of {bytes}")));
                }
                None => return Err(told(self.place, BlobError::Missing(name))),
            }
        }
        Ok(())
    }

    /// Writes all rows into a database, and looks whether they are all and fit together.
    pub(super) async fn load(&self, loader: &mut Loader, index: &BTreeMap<String, u64>) -> Result<(), BackupError> {
        let damaged = |why: String| BackupError::Damaged(why);
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut known: BTreeSet<String> = BTreeSet::new();
        for part in &self.manifest.rows {
            let content = self.part(part).await?;
            for some in read_rows(&content).map_err(|why| damaged(format!("{}: {why}", part.name)))? {
                *counts.entry(some.table.clone()).or_default() += some.rows.len() as u64;
                if some.table == "blobs" {
                    let place = some.columns.iter().position(|column| column.name == "key");
                    let keys = some.rows.iter().filter_map(|row| row.get(place?));
                    known.extend(
                        keys.filter_map(|key| if let Value::Text(key) = key { Some(key.clone()) } else { None }),
                    );
                }
                loader.rows(&some.table, &some.columns, some.rows).await?;
            }
        }
        if counts != self.manifest.tables {
            return Err(damaged("its rows are not as many as its manifest says".into()));
        }
        let held: BTreeSet<String> = index.keys().chain(&self.manifest.missing).cloned().collect();
        if let Some(key) = known.symmetric_difference(&held).next() {
            return Err(damaged(format!("the blob {key} is only in one of its rows and its list of blobs")));
        }
        match loader.faults().await?.first() {
            Some(fault) => Err(damaged(fault.clone())),
            None => Ok(()),
        }
    }
}
