//! Which blobs are referred to, and which may go.
//!
//! A blob is written first, then its reference in the transaction that needs it. One that nothing refers to is condemned;
//! only when nothing has come to refer to it for an hour is it deleted: a writer that had just written the same content
//! has long committed by then.

use super::tx::{Tx, args, stamp};
use super::{Store, StoreError};
use crate::clock::Time;

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
pub(super) async fn release(tx: &mut Tx<'_>, kind: Owner, owner: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM blob_references WHERE kind = $1 AND owner = $2";
    tx.run(sql, args![kind.as_str(), owner]).await.map(|_| ())
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

    /// Condemns what nothing refers to, and brings what was condemned before `before` and still is not referred to.
    pub async fn condemned_blobs(&self, before: Time, limit: i64, now: Time) -> Result<Vec<String>, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE blobs SET condemned_at = $1 WHERE condemned_at IS NULL AND NOT EXISTS
                    (SELECT 1 FROM blob_references WHERE blob = key)";
                tx.run(sql, args![stamp(now)]).await?;
                let sql = "SELECT key FROM blobs WHERE condemned_at < $1 AND NOT EXISTS
                    (SELECT 1 FROM blob_references WHERE blob = key) ORDER BY condemned_at LIMIT $2";
                tx.all(sql, args![stamp(before), limit]).await?.iter().map(|row| row.text("key")).collect()
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
