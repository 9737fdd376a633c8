//! The files of a database of SQLite's that is written under another name until it is whole.

use super::connections::connect;
use super::open::{options_for, sqlite_url};
use super::tx::Dialect;
use super::{StoreError, migrations, sqlite};
use crate::durable::{Named, rename_to_new};
use sqlx::Connection as _;
use std::path::{Path, PathBuf};

/// Why a database was not filled.
#[derive(Debug)]
pub enum NotShown {
    /// It is as it was before.
    Not(StoreError),
    /// Its rows may be shown, whole.
    Perhaps(StoreError),
}

/// What a file is called until it is whole, after its name.
const UNFINISHED: &str = ".restoring";

/// What a database of SQLite's consists of: the file, and those beside it, which are there while it is used and after it was
/// killed. A log that is there is read as a part of any file that gets its name.
fn files(path: &Path) -> impl Iterator<Item = PathBuf> {
    ["", "-wal", "-shm", "-journal"].into_iter().map(|end| with_end(path, end))
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn check_absent(path: &Path) -> Result<(), StoreError> {
    match files(path).find(|file| file.exists()) {
        Some(file) => Err(StoreError::NotEmpty(format!("there is a file {}", file.display()))),
        None => Ok(()),
    }
}

/// The file to fill instead of this one, which must not be there. What an earlier try left is removed.
pub(super) fn unfinished(path: &Path) -> Result<PathBuf, StoreError> {
    check_absent(path)?;
    let beside = with_end(path, UNFINISHED);
    remove(&beside);
    Ok(beside)
}

/// Makes a file with the tables of a step.
pub(super) async fn new_file(path: &Path, schema: i64) -> Result<rusqlite::Connection, StoreError> {
    let url = format!("{}?mode=rwc", sqlite_url(path));
    let mut connection = connect(&options_for(&url)?).await?;
    migrations::apply_up_to(&mut connection, Dialect::Sqlite, schema).await?;
    connection.close().await?;
    sqlite::open(path)
}

/// Removes a file of SQLite's, with those beside it.
pub(super) fn remove(path: &Path) {
    for file in files(path) {
        // It need not be there.
        let _ = std::fs::remove_file(file);
    }
}

fn unwritable(error: std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::StorageFull => StoreError::Full,
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// Gives a file its name when it is on disk; or removes it, when another has taken the name meanwhile.
pub(super) fn name_whole(beside: &Path, path: &Path) -> Result<(), NotShown> {
    let named = check_absent(path).and_then(|()| {
        rename_to_new(beside, path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => StoreError::NotEmpty(format!("there is a file {}", path.display())),
            _ => unwritable(error),
        })
    });
    match named {
        Ok(Named::Synced) => Ok(()),
        Ok(Named::Unsynced(error)) => Err(NotShown::Perhaps(unwritable(error))),
        Err(error) => {
            remove(beside);
            Err(NotShown::Not(error))
        }
    }
}
