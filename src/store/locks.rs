//! Locks on rows, and the one order in which they are taken.
//!
//! On SQLite there is one writer, and nothing to lock. On PostgreSQL a transaction takes its locks in this order, so that no two
//! wait for each other for ever:
//!
//! 1. the rows of schedules, by key ([`schedule`], [`own_schedules`]);
//! 2. the rows of scripts, by key ([`script`], [`lane`]);
//! 3. the row of the whole scheduler, for changes of what hangs on what ([`scheduler`]);
//! 4. the state of a script;
//! 5. entries of the queue.
//!
//! A transaction that needs only some of them leaves out the others and keeps the order. Who fires a schedule does not wait
//! for its row, and leaves out those that another transaction holds.

use super::StoreError;
use super::rows::queue::Lane;
use super::tx::{Tx, args};
use crate::schedule::{NewSchedule, State};

/// Takes the lock of a schedule's row; the schedule's state and revision, if it is there.
pub(super) async fn schedule(tx: &mut Tx<'_>, key: &str) -> Result<Option<(State, i64)>, StoreError> {
    let sql = format!("SELECT state, revision FROM schedules WHERE key = $1{}", tx.dialect.for_update());
    let row = tx.first(sql, args![key]).await?;
    row.map(|row| Ok((row.word("state", State::parse)?, row.int("revision")?))).transpose()
}

/// Locks the schedules that a script brought along and those that it brings now, before its own row.
pub(super) async fn own_schedules(tx: &mut Tx<'_>, script: &str, new: &[NewSchedule]) -> Result<(), StoreError> {
    let mut keys = schedules_of_metadata(tx, script).await?;
    keys.extend(new.iter().map(|new| new.key.clone()));
    keys.sort();
    keys.dedup();
    for key in keys {
        schedule(tx, &key).await?;
    }
    Ok(())
}

/// The keys of the schedules that a script brought along.
pub(super) async fn schedules_of_metadata(tx: &mut Tx<'_>, script: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT key FROM schedules WHERE script = $1 AND origin = 'metadata'";
    tx.all(sql, args![script]).await?.iter().map(|row| row.text("key")).collect()
}

/// Takes the script's row lock; whether there is such a script.
pub(super) async fn script(tx: &mut Tx<'_>, key: &str) -> Result<bool, StoreError> {
    let sql = format!("SELECT key FROM scripts WHERE key = $1{}", tx.dialect.for_update());
    Ok(tx.first(sql, args![key]).await?.is_some())
}

/// Takes the lock of the script's row for a run of this lane, when its runs or its schedule's are limited.
pub(super) async fn lane(tx: &mut Tx<'_>, lane: &Lane, is_limited: bool) -> Result<(), StoreError> {
    if let (Some(key), true) = (lane.script(), is_limited) {
        script(tx, key).await?;
    }
    Ok(())
}

/// Takes the lock of the row of the whole scheduler: changes of what hangs on what are made one after another.
pub(super) async fn scheduler(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.all(format!("SELECT one FROM scheduler{}", tx.dialect.for_update()), args![]).await.map(|_| ())
}
