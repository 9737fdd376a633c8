//! Which blobs are referred to, and which may go.
//!
//! A blob is announced as condemned, then written, then known to be written, then referred to in the transaction that needs it, which saves it. The
//! transaction that takes the last reference away condemns it again. When nothing has come to refer to it for an hour, it is
//! deleted in three steps: its row is marked, its object is deleted, its row goes. While it is marked, nothing can refer to
//! it and a writer of the same content waits: no delete that is under way can meet content that was written after it was
//! sent. The row goes only when the delete is known to be done; a mark that is left behind is taken over when it is old.

use super::tx::{Args, Tx, args, list, placeholders, stamp};
use super::{Store, StoreError};
use crate::clock::Time;

/// Blobs let go of in one go.
const RELEASED_TOGETHER: usize = 500;

/// What became of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// It can be written; whether it was already.
    Ready {
        /// Its content is there.
        written: bool,
    },
    /// A node is deleting what was there: it cannot be written yet.
    BeingDeleted,
}

/// Who refers to a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A version of a script.
    Version,
    /// A run.
    Run,
}

impl Owner {
    fn as_str(self) -> &'static str {
        match self {
            Owner::Version => "version",
            Owner::Run => "run",
        }
    }
}

/// Refers to a blob, which saves it when it was condemned. It was written before: one that is not known, is not known to be
/// written, or is being deleted, has no content that can be relied on.
pub(super) async fn refer(tx: &mut Tx<'_>, blob: &str, kind: Owner, owner: &str) -> Result<(), StoreError> {
    let sql = "UPDATE blobs SET condemned_at = NULL WHERE key = $1 AND deleting_at IS NULL AND written = 1";
    if tx.run(sql, args![blob]).await? == 0 {
        return Err(StoreError::BlobGone(blob.to_owned()));
    }
    let sql = "INSERT INTO blob_references (blob, kind, owner) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    tx.run(sql, args![blob, kind.as_str(), owner]).await.map(|_| ())
}

/// An owner is gone, and refers to nothing any more.
pub(super) async fn release(tx: &mut Tx<'_>, kind: Owner, owner: &str, now: Time) -> Result<(), StoreError> {
    release_some(tx, kind, &[owner.to_owned()], None, now).await
}

/// Owners refer no more to these blobs (none: to any). What nothing refers to then is condemned.
pub(super) async fn release_some(
    tx: &mut Tx<'_>,
    kind: Owner,
    owners: &[String],
    only: Option<Vec<String>>,
    now: Time,
) -> Result<(), StoreError> {
    let dialect = tx.dialect;
    let owned = |first: usize, values: &mut Args| {
        values.push(kind.as_str());
        format!("kind = ${first} AND owner IN {}", list(dialect, first + 1, owners, values).0)
    };
    let blobs = match only {
        Some(blobs) => blobs,
        None => {
            let mut values = args![];
            let sql = format!("SELECT DISTINCT blob FROM blob_references WHERE {}", owned(1, &mut values));
            tx.all(sql, values).await?.iter().map(|row| row.text("blob")).collect::<Result<_, _>>()?
        }
    };
    for some in blobs.chunks(RELEASED_TOGETHER) {
        let these = |first| placeholders(first, some.len());
        let push_blobs = |values: &mut Args| some.iter().for_each(|blob| values.push(&**blob));
        // Two that let go of the last two references at once would each see the other's: the row's lock sets them in order.
        if !tx.dialect.for_update().is_empty() {
            let mut values = args![];
            push_blobs(&mut values);
            let lock = tx.dialect.for_update();
            tx.all(format!("SELECT key FROM blobs WHERE key IN ({}) ORDER BY key{lock}", these(1)), values).await?;
        }
        let mut values = args![];
        push_blobs(&mut values);
        let owned = owned(some.len() + 1, &mut values);
        let sql = format!("DELETE FROM blob_references WHERE blob IN ({}) AND {owned}", these(1));
        tx.run(sql, values).await?;
        let mut values = args![stamp(now)];
        push_blobs(&mut values);
        let sql = format!(
            "UPDATE blobs SET condemned_at = $1 WHERE key IN ({}) AND condemned_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM blob_references WHERE blob = key)",
            these(2)
        );
        tx.run(sql, values).await?;
    }
    Ok(())
}

impl Store {
    /// Makes a blob known before it is written, so that one that nobody comes to refer to is found and deleted.
    pub async fn announce_blob(&self, key: &str, now: Time) -> Result<Announced, StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let sql = "INSERT INTO blobs (key, condemned_at, written) VALUES ($1, $2, 0)
                    ON CONFLICT (key) DO UPDATE SET condemned_at = CASE WHEN blobs.condemned_at IS NULL THEN NULL ELSE excluded.condemned_at END
                    WHERE blobs.deleting_at IS NULL RETURNING written";
                Ok(match tx.first(sql, args![key, stamp(now)]).await? {
                    Some(row) => Announced::Ready { written: row.int("written")? == 1 },
                    None => Announced::BeingDeleted,
                })
            })
        })
        .await
    }

    /// The content of a blob that was announced is there. False when it is being deleted, or was, meanwhile.
    pub async fn blob_written(&self, key: &str) -> Result<bool, StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let sql = "UPDATE blobs SET written = 1 WHERE key = $1 AND deleting_at IS NULL";
                Ok(tx.run(sql, args![key]).await? > 0)
            })
        })
        .await
    }

    /// Blobs that were condemned before `before`, that nothing has come to refer to since, and that no node has been deleting
    /// since `left`.
    pub async fn condemned_blobs(&self, before: Time, left: Time, limit: usize) -> Result<Vec<String>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let sql = format!(
                    "SELECT key FROM blobs WHERE condemned_at < $1 AND (deleting_at IS NULL OR deleting_at < $2)
                    AND NOT EXISTS (SELECT 1 FROM blob_references WHERE blob = key) ORDER BY condemned_at LIMIT {limit}"
                );
                let rows = tx.all(sql, args![stamp(before), stamp(left)]).await?;
                rows.iter().map(|row| row.text("key")).collect()
            })
        })
        .await
    }

    /// Marks a blob whose object is about to be deleted; the mark is `now`. False when something has come to refer to it, or
    /// another node is deleting it, or a backup is being made, which may need it: it is left alone.
    pub async fn begin_delete(&self, key: &str, before: Time, left: Time, now: Time) -> Result<bool, StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let sql = "UPDATE blobs SET deleting_at = $4 WHERE key = $1 AND condemned_at < $2
                    AND (deleting_at IS NULL OR deleting_at < $3)
                    AND NOT EXISTS (SELECT 1 FROM blob_references WHERE blob = $1)
                    AND NOT EXISTS (SELECT 1 FROM backups WHERE held_until > $4)";
                Ok(tx.run(sql, args![key, stamp(before), stamp(left), stamp(now)]).await? > 0)
            })
        })
        .await
    }

    /// Forgets a blob whose object is known to be deleted, by whoever set this mark. From now on it can be written again.
    pub async fn end_delete(&self, key: &str, mark: Time) -> Result<bool, StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let sql = "DELETE FROM blobs WHERE key = $1 AND deleting_at = $2";
                Ok(tx.run(sql, args![key, stamp(mark)]).await? > 0)
            })
        })
        .await
    }
}
