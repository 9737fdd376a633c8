//! Letting go of what is old: found by reading, deleted by key and in batches, so that nobody waits for it.

use super::rows::script::in_force;
use super::tx::{Args, Dialect, args, list, stamp};
use super::{Store, StoreError, audit, blobs};
use crate::clock::Time;
use crate::run::Status;
use crate::script::Keep;

/// Most runs found, and changed in one transaction: everybody else waits for that long (a run takes a quarter of a
/// millisecond to delete from a million).
pub const BATCH: usize = 50;
/// Rows looked at together when their bytes are added up.
const STRIDE: usize = 2_000;
/// As the index of runs with output says it.
const WITH_OUTPUT: &str =
    "(stdout IS NOT NULL OR stderr IS NOT NULL OR stdout_blob IS NOT NULL OR stderr_blob IS NOT NULL)";

/// Whose runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// Those of the script with this key.
    Script(String),
    /// Those of source that was sent along.
    Sent,
    /// All but those of these scripts.
    AllBut(Vec<String>),
}

impl Of {
    /// As a condition whose values begin at `$first`.
    fn condition(&self, dialect: Dialect, first: usize, values: &mut Args) -> String {
        match self {
            Of::Script(key) => {
                values.push(key.clone());
                format!(" AND script = ${first}")
            }
            Of::Sent => " AND script IS NULL".into(),
            Of::AllBut(keys) if keys.is_empty() => String::new(),
            Of::AllBut(keys) => {
                let (these, _) = list(dialect, first, keys, values);
                format!(" AND (script IS NULL OR script NOT IN {these})")
            }
        }
    }
}

/// Final runs that are let go of.
#[derive(Clone, Debug)]
pub struct Old {
    /// Whose.
    pub of: Of,
    /// Made before the run with this id, or with this beginning of an id.
    pub before: String,
    /// And ended before.
    pub ended: Time,
    /// With one of these statuses; any final one when empty.
    pub statuses: Vec<Status>,
    /// Only those whose output is still there.
    pub with_output: bool,
}

impl Store {
    /// Scripts with a rule of their own for what is kept.
    pub async fn keeps(&self) -> Result<Vec<(String, Keep)>, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                let named = "s.settings LIKE '%\"keep\"%' OR v.table_json LIKE '%\"keep\"%'";
                let found = in_force(tx, named).await?;
                Ok(found.into_iter().filter_map(|(key, settings)| Some((key, settings.keep?))).collect())
            })
        })
        .await
    }

    /// The keys of all scripts after `after`, at most `limit`.
    pub async fn script_keys(&self, after: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let after = after.to_owned();
        self.read(move |tx| {
            let after = after.clone();
            Box::pin(async move {
                let sql = format!("SELECT key FROM scripts WHERE key > $1 ORDER BY key LIMIT {limit}");
                tx.all(sql, args![after]).await?.iter().map(|row| row.text("key")).collect()
            })
        })
        .await
    }

    /// The ids of runs to let go of, oldest first, those after `after`: at most [`BATCH`].
    pub async fn old_runs(&self, old: Old, after: &str) -> Result<Vec<String>, StoreError> {
        let all = std::sync::Arc::new((old, after.to_owned()));
        self.read(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (old, after) = &*all;
                let mut values = args![&**after, &*old.before, stamp(old.ended)];
                let mut sql = String::from("SELECT id FROM runs WHERE id > $1 AND id < $2 AND finished_at < $3");
                if old.with_output {
                    sql.push_str(&format!(" AND {WITH_OUTPUT}"));
                }
                let mut next = 4;
                if !old.statuses.is_empty() {
                    let statuses: Vec<String> = old.statuses.iter().map(|status| status.as_str().to_owned()).collect();
                    let (these, count) = list(tx.dialect, next, &statuses, &mut values);
                    sql.push_str(&format!(" AND status IN {these}"));
                    next += count;
                }
                sql.push_str(&old.of.condition(tx.dialect, next, &mut values));
                sql.push_str(&format!(" ORDER BY id LIMIT {BATCH}"));
                tx.all(sql, values).await?.iter().map(|row| row.text("id")).collect()
            })
        })
        .await
    }

    /// Where the newest `count` runs end: the id of the first one beyond them, if there is one.
    pub async fn beyond_count(&self, of: &Of, count: u64) -> Result<Option<String>, StoreError> {
        let of = of.clone();
        self.read(move |tx| {
            let of = of.clone();
            Box::pin(async move {
                let mut values = args![];
                let condition = of.condition(tx.dialect, 1, &mut values);
                let sql = format!("SELECT id FROM runs WHERE 1 = 1{condition} ORDER BY id DESC LIMIT 1 OFFSET {count}");
                tx.first(sql, values).await?.map(|row| row.text("id")).transpose()
            })
        })
        .await
    }

    /// The id of the newest run with which, and with all newer ones, the arguments, results and output have more than
    /// `bytes` bytes.
    pub async fn beyond_bytes(&self, of: &Of, bytes: u64) -> Result<Option<String>, StoreError> {
        let (mut before, mut left) = (String::from("g"), bytes);
        loop {
            let all = std::sync::Arc::new((of.clone(), before.clone()));
            let sizes = self.read(move |tx| {
                let all = all.clone();
                Box::pin(async move {
                    let (of, before) = &*all;
                    let mut values = args![&**before];
                    let condition = of.condition(tx.dialect, 2, &mut values);
                    let sql = format!(
                        "SELECT id, coalesce(length(args), 0) + coalesce(result_bytes, 0) + stdout_bytes + stderr_bytes + files_bytes AS bytes
                        FROM runs WHERE id < $1{condition} ORDER BY id DESC LIMIT {STRIDE}"
                    );
                    let rows = tx.all(sql, values).await?;
                    rows.iter().map(|row| Ok((row.text("id")?, row.size("bytes")?))).collect::<Result<Vec<_>, StoreError>>()
                })
            });
            let sizes = sizes.await?;
            for (id, size) in &sizes {
                match left.checked_sub(*size) {
                    Some(rest) => left = rest,
                    None => return Ok(Some(id.clone())),
                }
            }
            match sizes.last() {
                Some((id, _)) if sizes.len() == STRIDE => before.clone_from(id),
                _ => return Ok(None),
            }
        }
    }

    /// Lets go of what these runs wrote.
    pub async fn forget_output(&self, runs: Vec<String>, now: Time) -> Result<(), StoreError> {
        if runs.is_empty() {
            return Ok(());
        }
        self.write(move |tx| {
            let runs = runs.clone();
            Box::pin(async move {
                let mut values = args![];
                let (these, _) = list(tx.dialect, 1, &runs, &mut values);
                let sql = format!(
                    "SELECT DISTINCT blob FROM blob_references r JOIN runs ON runs.id = r.owner
                    WHERE r.kind = 'run' AND r.owner IN {these} AND (r.blob = runs.stdout_blob OR r.blob = runs.stderr_blob)"
                );
                let blobs: Vec<String> =
                    tx.all(sql, values).await?.iter().map(|row| row.text("blob")).collect::<Result<_, _>>()?;
                blobs::release_some(tx, blobs::Owner::Run, &runs, Some(blobs), now).await?;
                let mut values = args![];
                let (these, _) = list(tx.dialect, 1, &runs, &mut values);
                let sql = format!(
                    "UPDATE runs SET stdout = NULL, stderr = NULL, stdout_blob = NULL, stderr_blob = NULL WHERE id IN {these}"
                );
                tx.run(sql, values).await.map(|_| ())
            })
        })
        .await
    }

    /// Deletes runs, with all that hangs on them. Those that are not final stay.
    pub async fn delete_runs(&self, runs: Vec<String>, now: Time) -> Result<u64, StoreError> {
        if runs.is_empty() {
            return Ok(0);
        }
        self.write(move |tx| {
            let runs = runs.clone();
            Box::pin(async move {
                blobs::release_some(tx, blobs::Owner::Run, &runs, None, now).await?;
                let mut values = args![];
                let (these, _) = list(tx.dialect, 1, &runs, &mut values);
                let deleted =
                    tx.run(format!("DELETE FROM runs WHERE finished_at IS NOT NULL AND id IN {these}"), values).await?;
                // The cleaner acts for nobody: it notes nothing.
                if tx.acting.is_some() && deleted > 0 {
                    for run in &runs {
                        audit::note(tx, format!("runs/{run}"), None).await?;
                    }
                }
                Ok(deleted)
            })
        })
        .await
    }

    /// Forgets clients' names for requests that count no longer: how many, at most a batch.
    pub async fn forget_requests(&self, before: Time) -> Result<u64, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = format!(
                    "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE created_at < $1 LIMIT {BATCH})"
                );
                tx.run(sql, args![stamp(before)]).await
            })
        })
        .await
    }
}
