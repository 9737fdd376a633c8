//! Backups: whose turn it is to make one, and what became of them.

use super::tx::{Tx, args, stamp};
use super::{Store, StoreError, locks};
use crate::clock::{Time, after};
use chrono::TimeDelta;
use std::time::Duration;

/// How long what became of a backup is remembered.
const REMEMBERED: TimeDelta = TimeDelta::days(90);
/// How long after one that failed the next one is made.
const AGAIN: Duration = Duration::from_secs(15 * 60);

/// A backup that is about to be made.
#[derive(Clone, Debug)]
pub struct NewBackup {
    /// Its name at the place.
    pub id: String,
    /// Where it is kept.
    pub place: String,
    /// The node that makes it; none: the command line.
    pub node: Option<String>,
    /// When it begins.
    pub started_at: Time,
    /// Until when no blob is deleted, unless it says so again.
    pub held_until: Time,
}

/// The last backup that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastBackup {
    /// When it began: what it holds is of that moment or a little later.
    pub started_at: Time,
    /// The bytes of all that it consists of.
    pub bytes: u64,
}

/// Says of backups that nobody makes any more that they failed.
const FAIL_LEFT: &str = "UPDATE backups SET outcome = 'failed', finished_at = $1, held_until = NULL,
    reason = 'whoever made it has ended in the middle' WHERE outcome IS NULL";

async fn insert(tx: &mut Tx<'_>, new: &NewBackup, is_scheduled: bool) -> Result<(), StoreError> {
    let forget = "DELETE FROM backups WHERE held_until IS NULL AND started_at < $1";
    tx.run(forget, args![stamp(new.started_at - REMEMBERED)]).await?;
    let sql =
        "INSERT INTO backups (id, place, scheduled, node, started_at, held_until) VALUES ($1, $2, $3, $4, $5, $6)";
    let values = args![
        &*new.id,
        &*new.place,
        i64::from(is_scheduled),
        new.node.clone(),
        stamp(new.started_at),
        stamp(new.held_until)
    ];
    tx.run(sql, values).await.map(|_| ())
}

impl Store {
    /// Says that a backup begins. From now on no blob is deleted until it ends, or has not been heard of for long.
    pub async fn begin_backup(&self, new: &NewBackup) -> Result<(), StoreError> {
        let new = new.clone();
        self.write(move |tx| {
            let new = new.clone();
            Box::pin(async move { insert(tx, &new, false).await })
        })
        .await
    }

    /// The same for the backup that is made every so often, when it is time for it: one node of many gets the turn. One that
    /// was under way and has not been heard of for long has failed.
    pub async fn begin_due_backup(&self, new: &NewBackup, every: Duration) -> Result<bool, StoreError> {
        let new = new.clone();
        self.write(move |tx| {
            let new = new.clone();
            Box::pin(async move {
                locks::scheduler(tx).await?;
                let now = new.started_at;
                tx.run(format!("{FAIL_LEFT} AND held_until <= $1"), args![stamp(now)]).await?;
                let last = "SELECT started_at, outcome FROM backups WHERE scheduled = 1 AND place = $1
                    ORDER BY started_at DESC, id DESC LIMIT 1";
                if let Some(row) = tx.first(last, args![&*new.place]).await? {
                    let wait = match row.text_or_none("outcome")?.as_deref() {
                        None => return Ok(false),
                        Some("succeeded") => every,
                        Some(_) => every.min(AGAIN),
                    };
                    if now < after(row.time("started_at")?, wait) {
                        return Ok(false);
                    }
                }
                insert(tx, &new, true).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Says of backups that servers made themselves and that have not ended that they failed. For a server that has the database
    /// alone and makes none yet: the one before it ended in the middle.
    pub async fn end_left_backups(&self, now: Time) -> Result<(), StoreError> {
        self.write(move |tx| {
            Box::pin(
                async move { tx.run(format!("{FAIL_LEFT} AND scheduled = 1"), args![stamp(now)]).await.map(|_| ()) },
            )
        })
        .await
    }

    /// Says that a backup is still being made. False when that was not said for too long: blobs may have been deleted.
    pub async fn hold_backup(&self, id: &str, now: Time, until: Time) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                let sql = "UPDATE backups SET held_until = $2 WHERE id = $1 AND outcome IS NULL AND held_until > $3";
                Ok(tx.run(sql, args![id, stamp(until), stamp(now)]).await? > 0)
            })
        })
        .await
    }

    /// Says how a backup ended: how many bytes it has, or why it failed. The schema writes the event.
    pub async fn end_backup(&self, id: &str, ended: Result<u64, String>, now: Time) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |tx| {
            let (id, ended) = (id.clone(), ended.clone());
            Box::pin(async move {
                let (outcome, bytes, reason) = match ended {
                    Ok(bytes) => ("succeeded", Some(i64::try_from(bytes).unwrap_or(i64::MAX)), None),
                    Err(why) => ("failed", None, Some(why)),
                };
                let sql =
                    "UPDATE backups SET outcome = $2, bytes = $3, reason = $4, finished_at = $5, held_until = NULL
                    WHERE id = $1 AND outcome IS NULL";
                tx.run(sql, args![id, outcome, bytes, reason, stamp(now)]).await.map(|_| ())
            })
        })
        .await
    }

    /// Forgets a backup that was begun and is not made after all: the turn is another node's.
    pub async fn forget_backup(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                tx.run("DELETE FROM backups WHERE id = $1 AND outcome IS NULL", args![id]).await.map(|_| ())
            })
        })
        .await
    }

    /// Whether a backup is being made: then no blob may be deleted.
    pub async fn is_being_backed_up(&self, now: Time) -> Result<bool, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let sql = "SELECT 1 AS one FROM backups WHERE held_until > $1 LIMIT 1";
                Ok(tx.first(sql, args![stamp(now)]).await?.is_some())
            })
        })
        .await
    }

    /// The last backup that succeeded, whoever made it.
    pub async fn last_backup(&self) -> Result<Option<LastBackup>, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                let sql = "SELECT started_at, bytes FROM backups WHERE outcome = 'succeeded'
                    ORDER BY started_at DESC LIMIT 1";
                let row = tx.first(sql, args![]).await?;
                row.map(|row| Ok(LastBackup { started_at: row.time("started_at")?, bytes: row.size("bytes")? }))
                    .transpose()
            })
        })
        .await
    }
}
