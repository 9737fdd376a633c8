//! Which blobs are referred to, and which may go.
//!
//! A blob is announced as condemned, then written, then referred to in the transaction that needs it, which saves it. The
//! transaction that takes the last reference away condemns it again. Only when nothing has come to refer to it for an hour
//! is it deleted: a writer that had just written the same content has long committed by then.

use super::tx::{Args, Tx, args, placeholders, stamp};
use super::{Store, StoreError};
use crate::clock::Time;

/// Blobs let go of in one go.
const RELEASED_TOGETHER: usize = 500;

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

/// Refers to a blob, which saves it when it was condemned.
pub(super) async fn refer(tx: &mut Tx<'_>, blob: &str, kind: Owner, owner: &str, now: Time) -> Result<(), StoreError> {
    let sql = "INSERT INTO blobs (key, size, created_at) VALUES ($1, 0, $2) ON CONFLICT (key) DO UPDATE SET condemned_at = NULL";
    tx.run(sql, args![blob, stamp(now)]).await?;
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
    let owned = |first| format!("kind = ${first} AND owner IN ({})", placeholders(first + 1, owners.len()));
    let push_owners = |values: &mut Args| {
        values.push(kind.as_str());
        owners.iter().for_each(|owner| values.push(&**owner));
    };
    let blobs = match only {
        Some(blobs) => blobs,
        None => {
            let mut values = args![];
            push_owners(&mut values);
            let sql = format!("SELECT DISTINCT blob FROM blob_references WHERE {}", owned(1));
            tx.all(sql, values).await?.iter().map(|row| row.text("blob")).collect::<Result<_, _>>()?
        }
    };
    for some in blobs.chunks(RELEASED_TOGETHER) {
        let list = |first| placeholders(first, some.len());
        let push_blobs = |values: &mut Args| some.iter().for_each(|blob| values.push(&**blob));
        // Two that let go of the last two references at once would each see the other's: the row's lock sets them in order.
        if !tx.dialect.for_update().is_empty() {
            let mut values = args![];
            push_blobs(&mut values);
            let lock = tx.dialect.for_update();
            tx.all(format!("SELECT key FROM blobs WHERE key IN ({}) ORDER BY key{lock}", list(1)), values).await?;
        }
        let mut values = args![];
        push_blobs(&mut values);
        push_owners(&mut values);
        let sql = format!("DELETE FROM blob_references WHERE blob IN ({}) AND {}", list(1), owned(some.len() + 1));
        tx.run(sql, values).await?;
        let mut values = args![stamp(now)];
        push_blobs(&mut values);
        let sql = format!(
            "UPDATE blobs SET condemned_at = $1 WHERE key IN ({}) AND condemned_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM blob_references WHERE blob = key)",
            list(2)
        );
        tx.run(sql, values).await?;
    }
    Ok(())
}

impl Store {
    /// Makes a blob known before it is written, so that one that nobody comes to refer to is found and deleted.
    pub async fn announce_blob(&self, key: &str, size: u64, now: Time) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let sql = "INSERT INTO blobs (key, size, created_at, condemned_at) VALUES ($1, $2, $3, $3)
                    ON CONFLICT (key) DO UPDATE SET size = excluded.size,
                    condemned_at = CASE WHEN blobs.condemned_at IS NULL THEN NULL ELSE excluded.condemned_at END";
                tx.run(sql, args![key, i64::try_from(size).unwrap_or(i64::MAX), stamp(now)]).await.map(|_| ())
            })
        })
        .await
    }

    /// Blobs that were condemned before `before`, and that nothing has come to refer to since.
    pub async fn condemned_blobs(&self, before: Time, limit: usize) -> Result<Vec<String>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let sql = format!(
                    "SELECT key FROM blobs WHERE condemned_at < $1 AND NOT EXISTS
                    (SELECT 1 FROM blob_references WHERE blob = key) ORDER BY condemned_at LIMIT {limit}"
                );
                tx.all(sql, args![stamp(before)]).await?.iter().map(|row| row.text("key")).collect()
            })
        })
        .await
    }

    /// Forgets a blob that is about to be deleted. False when something has come to refer to it: it stays.
    pub async fn forget_blob(&self, key: &str, before: Time) -> Result<bool, StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let sql = "DELETE FROM blobs WHERE key = $1 AND condemned_at < $2 AND NOT EXISTS
                    (SELECT 1 FROM blob_references WHERE blob = $1)";
                Ok(tx.run(sql, args![key, stamp(before)]).await? > 0)
            })
        })
        .await
    }
}
