//! Backups: all rows of the database and all blobs that they refer to, of one moment, at another place; and back.
//!
//! | name at the place | is |
//! | --- | --- |
//! | `backups/ID/manifest.json` | what the backup consists of, with the SHA-256 of each part. It is written last: without it there is no backup |
//! | `backups/ID/rows-00001.gz` | rows of tables, in JSON |
//! | `backups/ID/blobs.gz` | the keys and sizes of the blobs that it needs |
//! | `backups/ID/started` | it is being made |
//! | `blobs/KEY` | a blob, for all backups that need it |
//! | `pruning/NAME` | what no backup needs is being deleted |
//!
//! An archive is the same, of one backup, as a tar file.
//!
//! No blob is deleted while a backup is made: its row in `backups` says so to the cleaner of every node. What the snapshot
//! refers to is there, however long the copy takes.

mod archive;
mod format;
mod make;
mod place;
mod prune;
mod read;
#[cfg(test)]
pub(crate) mod readers;
mod restore;
mod turns;

pub use format::{Manifest, Part};
pub use make::{Made, Source, make};
pub use place::{BackupPlace, Place};
pub use prune::{Pruned, prune};
pub use read::{Backup, Listed, list};
pub use restore::{Checked, Restored, check, restore};
pub use turns::Turns;

use crate::blobs::BlobError;
use crate::store::StoreError;

/// Why a backup was not made, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database that is saved or filled.
    #[error("{0}")]
    Database(#[from] StoreError),
    /// The blobs that are saved, or where they are restored to.
    #[error("the blobs: {0}")]
    Blobs(BlobError),
    /// The place of the backups has no room.
    #[error(
        "the disk of the backups is full: make room, or name another place. Nothing of this backup is kept but blobs"
    )]
    Full,
    /// The place of the backups.
    #[error("the place of the backup: {0}")]
    Place(BlobError),
    /// No backup is there, or not that one.
    #[error("{0}")]
    NotFound(String),
    /// It is not what was written.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// A later version of this program wrote it.
    #[error("the backup has format {0}, which this program does not know: a newer Cronbox wrote it; use that one")]
    NewerFormat(u32),
    /// The rows of a restore may be there.
    #[error(
        "{0}. Whether the rows are shown is not known: type the same command again; it goes on, or says that all is there"
    )]
    PerhapsRestored(StoreError),
    /// Something is where it would be written.
    #[error("{0}")]
    NotEmpty(String),
    /// It was not heard of for too long, and others took it for one that has ended.
    #[error(
        "the database could not be told for too long that the backup goes on, so blobs may have been deleted: make it again"
    )]
    Lost,
    /// Somebody deleted something of it while it was made.
    #[error("{0} is gone from the place, or was changed there, while the backup was made: make it again")]
    Removed(String),
    /// Another is deleting what no backup needs.
    #[error("old backups are being deleted at the place, which takes long: try again in some minutes")]
    Pruning,
    /// A mistake in this program.
    #[error("a mistake in this program: {0}")]
    Mistake(String),
}
