//! Where backups are: a directory or bucket for many of them, or an archive of one.

use super::BackupError;
use super::archive::{ArchiveReader, ArchiveWriter};
use crate::blobs::{BlobError, BlobLocation, Found, Objects, S3Access};
use crate::clock::Time;
use bytes::Bytes;
use chrono::TimeDelta;
use std::fmt;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The folder of the manifests and rows.
pub(super) const BACKUPS: &str = "backups";
/// The folder of the blobs.
pub(super) const BLOBS: &str = "blobs";
/// The folder of the words that what no backup needs is being deleted.
pub(super) const PRUNING: &str = "pruning";
/// The word of a backup that is older was left behind by one that has ended, and that of deletes, which is said again more often.
const LEFT: TimeDelta = TimeDelta::hours(1);
const PRUNING_LEFT: TimeDelta = TimeDelta::minutes(5);
/// What the name of an archive ends with.
const ARCHIVE: &str = ".tar";

/// Whether what a backup wrote was left behind by one that has ended.
pub(super) fn is_left(written_at: Time, now: Time) -> bool {
    now - written_at > LEFT
}

/// Whether the word that something is being deleted was left behind by somebody who has ended.
pub(super) fn is_left_by_deletes(written_at: Time, now: Time) -> bool {
    now - written_at > PRUNING_LEFT
}

/// The objects of a backup, in the order in which they are deleted: without its manifest it is no backup any more, should this
/// end in the middle.
pub(super) fn manifest_first(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|found| !found.name.ends_with("/manifest.json"));
    found
}

/// Where backups are, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupPlace {
    /// A directory or bucket.
    Objects(BlobLocation),
    /// A tar file of one backup.
    Archive(PathBuf),
}

impl BackupPlace {
    /// Reads `s3://BUCKET/PREFIX`, a file that ends with `.tar`, or a directory.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("file://").unwrap_or(text) {
            path if path.ends_with(ARCHIVE) && !path.starts_with("s3://") => Ok(BackupPlace::Archive(path.into())),
            _ => BlobLocation::parse(text).map(BackupPlace::Objects),
        }
    }

    /// The same for a place of many backups.
    pub fn parse_for_many(text: &str) -> Result<Self, String> {
        match Self::parse(text)? {
            BackupPlace::Archive(_) => Err("an archive has one backup: name a directory or s3://BUCKET/PREFIX".into()),
            place => Ok(place),
        }
    }
}

impl BackupPlace {
    /// Whether backups would be among the blobs of a server, or its blobs among theirs: each would delete what the other needs.
    pub fn overlaps(&self, blobs: &BlobLocation) -> bool {
        match (self, blobs) {
            (BackupPlace::Objects(BlobLocation::Disk(place)), BlobLocation::Disk(blobs)) => {
                let (place, blobs) = (real(place), real(blobs));
                place.starts_with(&blobs) || is_own(|own| blobs.starts_with(place.join(own)))
            }
            (
                BackupPlace::Objects(BlobLocation::S3 { bucket, prefix }),
                BlobLocation::S3 { bucket: of_blobs, prefix: blobs },
            ) => {
                let (place, blobs) = (Path::new(prefix), Path::new(blobs));
                bucket == of_blobs && (place.starts_with(blobs) || is_own(|own| blobs.starts_with(place.join(own))))
            }
            _ => false,
        }
    }
}

/// Whether something is so of one of the folders of backups.
fn is_own(is_so: impl Fn(&str) -> bool) -> bool {
    [BACKUPS, BLOBS, PRUNING].into_iter().any(is_so)
}

/// A path without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut there = path.as_path();
    let mut rest = Vec::new();
    loop {
        if let Ok(real) = there.canonicalize() {
            return rest.iter().rev().fold(real, |path, name| path.join(name));
        }
        match (there.parent(), there.file_name()) {
            (Some(parent), Some(name)) => {
                rest.push(name.to_owned());
                there = parent;
            }
            // `..` of what is not there.
            (Some(parent), None) => there = parent.parent().unwrap_or(parent),
            (None, _) => return path,
        }
    }
}

impl fmt::Display for BackupPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupPlace::Archive(path) | BackupPlace::Objects(BlobLocation::Disk(path)) => path.display().fmt(f),
            BackupPlace::Objects(BlobLocation::Memory) => f.write_str("memory"),
            BackupPlace::Objects(BlobLocation::S3 { bucket, prefix }) if prefix.is_empty() => {
                write!(f, "s3://{bucket}")
            }
            BackupPlace::Objects(BlobLocation::S3 { bucket, prefix }) => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// A place that is open.
pub struct Place {
    name: String,
    inner: Inner,
}

enum Inner {
    Objects(Objects),
    Writing(Mutex<ArchiveWriter>),
    Reading(ArchiveReader),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Place {
    /// Opens a place to make a backup there.
    pub fn to(place: &BackupPlace, access: &S3Access) -> Result<Self, BackupError> {
        if let BackupPlace::Objects(BlobLocation::Disk(path)) = place {
            // The directory itself may be there already, for all to read.
            for own in [BACKUPS, BLOBS, PRUNING] {
                make_private(&path.join(own)).map_err(BackupError::Place)?;
            }
        }
        let inner = match place {
            BackupPlace::Objects(location) => Objects::open(location, access).map(Inner::Objects),
            BackupPlace::Archive(path) => ArchiveWriter::create(path).map(|writer| Inner::Writing(Mutex::new(writer))),
        };
        Ok(Place { name: place.to_string(), inner: inner.map_err(BackupError::Place)? })
    }

    /// Opens a place to read backups. Nothing is made there.
    pub fn from(place: &BackupPlace, access: &S3Access) -> Result<Self, BackupError> {
        let inner = match place {
            BackupPlace::Objects(BlobLocation::Disk(path)) if !path.is_dir() => {
                return Err(BackupError::NotFound(format!("there is no directory {}", path.display())));
            }
            BackupPlace::Objects(location) => Objects::open(location, access).map(Inner::Objects),
            BackupPlace::Archive(path) => ArchiveReader::open(path).map(Inner::Reading),
        };
        Ok(Place { name: place.to_string(), inner: inner.map_err(BackupError::Place)? })
    }

    /// The objects of a place that many backups share; none: it is an archive.
    pub(super) fn shared(&self) -> Option<&Objects> {
        match &self.inner {
            Inner::Objects(objects) => Some(objects),
            Inner::Writing(_) | Inner::Reading(_) => None,
        }
    }

    pub(super) async fn put(&self, name: &str, content: Bytes) -> Result<(), BackupError> {
        let put = match &self.inner {
            Inner::Objects(objects) => objects.put(name, content).await,
            Inner::Writing(writer) => lock(writer).put(name, &content),
            Inner::Reading(_) => Err(BlobError::Unavailable("it is only read".into())),
        };
        put.map_err(written)
    }

    /// Writes what is last: without it there is no backup.
    pub(super) async fn put_last(&self, name: &str, content: Bytes) -> Result<(), BackupError> {
        self.put(name, content).await?;
        match &self.inner {
            Inner::Writing(writer) => lock(writer).finish().map_err(written),
            Inner::Objects(_) | Inner::Reading(_) => Ok(()),
        }
    }

    pub(super) async fn get(&self, name: &str) -> Result<Bytes, BlobError> {
        match &self.inner {
            Inner::Objects(objects) => objects.get(name).await,
            Inner::Reading(reader) => reader.get(name),
            Inner::Writing(_) => Err(BlobError::Missing(name.to_owned())),
        }
    }

    pub(super) async fn list(&self, under: &str) -> Result<Vec<Found>, BackupError> {
        match &self.inner {
            Inner::Objects(objects) => objects.list(under).await.map_err(BackupError::Place),
            Inner::Reading(reader) => Ok(reader.list(under)),
            Inner::Writing(_) => Ok(Vec::new()),
        }
    }
}

fn written(error: BlobError) -> BackupError {
    if matches!(error, BlobError::Full) { BackupError::Full } else { BackupError::Place(error) }
}

/// Makes a directory that is not there yet for this user alone: what a server keeps is in it.
fn make_private(path: &Path) -> Result<(), BlobError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| BlobError::BadPlace(format!("{} cannot be made: {error}", path.display())))
}

fn lock(writer: &Mutex<ArchiveWriter>) -> MutexGuard<'_, ArchiveWriter> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        for (text, shown) in [
            ("s3://jobs/a/", "s3://jobs/a"),
            ("s3://jobs", "s3://jobs"),
            ("s3://jobs/a.tar", "s3://jobs/a.tar"),
            ("/srv/b", "/srv/b"),
            ("file:///srv/b.tar", "/srv/b.tar"),
        ] {
            assert_eq!(BackupPlace::parse(text).map(|place| place.to_string()).as_deref(), Ok(shown));
        }
        assert_eq!(BackupPlace::parse("x.tar"), Ok(BackupPlace::Archive("x.tar".into())));
        assert!(BackupPlace::parse("").is_err() && BackupPlace::parse_for_many("x.tar").is_err());
        assert!(BackupPlace::parse_for_many("s3://jobs/a.tar").is_ok());
    }

    #[test]
    fn backups_and_blobs_are_not_at_one_place() {
        for (place, blobs, overlap) in [
            ("data", "data/blobs", true),
            ("./data/../data", "data/blobs", true),
            ("data/blobs", "data/blobs", true),
            ("data/blobs/saved", "data/blobs", true),
            ("data", "data/backups/x", true),
            ("data/saved", "data/blobs", false),
            ("saved", "data/blobs", false),
            ("data/blobs2", "data/blobs", false),
            ("s3://a/x", "s3://a/x/blobs", true),
            ("s3://a/x/blobs/y", "s3://a/x/blobs", true),
            ("s3://a/x", "s3://a", true),
            ("s3://a", "s3://a/blobs/x", true),
            ("s3://a", "s3://a/cronbox", false),
            ("s3://a/saved", "s3://a/cronbox", false),
            ("s3://a/x", "s3://b/x/blobs", false),
            ("s3://a/x", "data/blobs", false),
            ("x.tar", "data/blobs", false),
        ] {
            let (place, blobs) = (BackupPlace::parse(place), BlobLocation::parse(blobs).expect("a place"));
            assert_eq!(place.map(|place| place.overlaps(&blobs)), Ok(overlap), "{blobs:?}");
        }
    }
}
