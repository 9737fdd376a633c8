//! Letting go of what is old, by key and in batches, so that nobody waits for it.

use super::tx::{args, placeholders, stamp};
use super::{Store, StoreError, blobs};
use crate::clock::Time;

/// Rows changed in one transaction.
const BATCH: i64 = 500;

impl Store {
    /// Lets go of the output of runs that ended before `before`: how many, at most a batch.
    pub async fn forget_output(&self, before: Time) -> Result<u64, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = "SELECT id FROM runs WHERE created_at < $1 AND finished_at < $1
                    AND (stdout IS NOT NULL OR stderr IS NOT NULL OR stdout_blob IS NOT NULL OR stderr_blob IS NOT NULL)
                    LIMIT $2";
                let rows = tx.all(sql, args![stamp(before), BATCH]).await?;
                for row in &rows {
                    let id = row.text("id")?;
                    let sql = "DELETE FROM blob_references WHERE kind = 'run' AND owner = $1 AND blob IN
                        (SELECT stdout_blob FROM runs WHERE id = $1 UNION SELECT stderr_blob FROM runs WHERE id = $1)";
                    tx.run(sql, args![&*id]).await?;
                    let sql = "UPDATE runs SET stdout = NULL, stderr = NULL, stdout_blob = NULL, stderr_blob = NULL WHERE id = $1";
                    tx.run(sql, args![id]).await?;
                }
                Ok(rows.len() as u64)
            })
        })
        .await
    }

    /// Deletes runs that ended before `before` with one of these statuses (any final one when empty): how many, at most a
    /// batch.
    pub async fn forget_runs(&self, statuses: &[crate::run::Status], before: Time) -> Result<u64, StoreError> {
        let words: Vec<String> = statuses.iter().map(|status| status.as_str().to_owned()).collect();
        self.write(move |tx| {
            let words = words.clone();
            Box::pin(async move {
                let mut values = args![stamp(before), BATCH];
                let mut condition = String::new();
                if !words.is_empty() {
                    condition = format!(" AND status IN ({})", placeholders(3, words.len()));
                    words.into_iter().for_each(|word| values.push(word));
                }
                let sql = format!("SELECT id FROM runs WHERE created_at < $1 AND finished_at < $1{condition} LIMIT $2");
                let rows = tx.all(sql, values).await?;
                for row in &rows {
                    let id = row.text("id")?;
                    blobs::release(tx, blobs::Owner::Run, &id).await?;
                    tx.run("DELETE FROM runs WHERE id = $1", args![id]).await?;
                }
                Ok(rows.len() as u64)
            })
        })
        .await
    }

    /// Forgets clients' names for requests that count no longer.
    pub async fn forget_requests(&self, before: Time) -> Result<u64, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql =
                    "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE created_at < $1 LIMIT $2)";
                tx.run(sql, args![stamp(before), BATCH]).await
            })
        })
        .await
    }
}
