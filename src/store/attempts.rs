//! Attempts as rows: one when an attempt ends, whatever becomes of its run.

use super::rows::run::{micros_of, number};
use super::tx::{Row, Tx, args, stamp};
use super::{Store, StoreError};
use crate::clock::Time;
use crate::run::{Attempt, AttemptUsage, Ended};
use std::time::Duration;

/// How an attempt ended.
pub(super) struct AttemptEnd<'a> {
    /// A final status, `lost` or `handed_back`.
    pub(super) outcome: &'a str,
    /// `Type: message`.
    pub(super) error: Option<String>,
    /// What it used, when that is known.
    pub(super) usage: Option<AttemptUsage>,
}

impl<'a> AttemptEnd<'a> {
    /// One whose node told how it ended.
    pub(super) fn recorded(ended: &Ended) -> Self {
        let error = ended.error.as_ref().map(ToString::to_string);
        let usage = AttemptUsage { fuel: ended.fuel, memory: ended.memory, wall: ended.wall };
        AttemptEnd { outcome: ended.status.as_str(), error, usage: Some(usage) }
    }

    /// One whose node told nothing: `lost` or `handed_back`.
    pub(super) fn unrecorded(outcome: &'a str) -> Self {
        AttemptEnd { outcome, error: None, usage: None }
    }
}

/// Writes the row of the attempt that a run is in. Call it before the run's row changes.
pub(super) async fn write(
    tx: &mut Tx<'_>,
    run: &str,
    node: &str,
    end: AttemptEnd<'_>,
    now: Time,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO attempts (run, number, node, started_at, finished_at, outcome, error, fuel, memory, wall)
        SELECT id, attempt, $2, started_at, $3, $4, $5, $6, $7, $8 FROM runs WHERE id = $1 ON CONFLICT DO NOTHING";
    // PostgreSQL keeps no NUL.
    let error = end.error.map(|error| error.replace('\0', " "));
    let (fuel, memory) = (end.usage.map(|used| number(used.fuel)), end.usage.map(|used| number(used.memory)));
    let wall = end.usage.map(|used| micros_of(used.wall));
    let values = args![run, node, stamp(now), end.outcome, error, fuel, memory, wall];
    tx.run(sql, values).await.map(|_| ())
}

fn attempt_of(row: &Row) -> Result<Attempt, StoreError> {
    let used = (row.size_or_none("fuel")?, row.size_or_none("memory")?, row.size_or_none("wall")?);
    let usage = match used {
        (Some(fuel), Some(memory), Some(wall)) => {
            Some(AttemptUsage { fuel, memory, wall: Duration::from_micros(wall) })
        }
        _ => None,
    };
    Ok(Attempt {
        number: row.int("number")?,
        node: row.text_or_none("node")?,
        started_at: row.time("started_at")?,
        finished_at: row.time_or_none("finished_at")?,
        outcome: row.text_or_none("outcome")?,
        error: row.text_or_none("error")?,
        usage,
    })
}

impl Store {
    /// The attempts of a run, the first one first, with the one that is running now.
    pub async fn attempts(&self, id: &str) -> Result<Vec<Attempt>, StoreError> {
        let id = id.to_owned();
        self.read(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                let sql =
                    "SELECT number, node, started_at, finished_at, outcome, error, fuel, memory, wall FROM attempts
                    WHERE run = $1 ORDER BY number";
                let ended = tx.all(sql, args![&*id]).await?;
                let mut attempts: Vec<Attempt> = ended.iter().map(attempt_of).collect::<Result<_, _>>()?;
                let sql = "SELECT r.attempt AS number, q.node, r.started_at FROM runs r JOIN queue q ON q.run = r.id
                    WHERE r.id = $1 AND r.status = 'running' AND r.started_at IS NOT NULL";
                if let Some(row) = tx.first(sql, args![&*id]).await? {
                    attempts.push(Attempt {
                        number: row.int("number")?,
                        node: row.text_or_none("node")?,
                        started_at: row.time("started_at")?,
                        finished_at: None,
                        outcome: None,
                        error: None,
                        usage: None,
                    });
                }
                Ok(attempts)
            })
        })
        .await
    }
}
