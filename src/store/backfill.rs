//! Backfills: runs for fire times of the past.

use super::runs::insert;
use super::tx::{Tx, args, stamp};
use super::{Store, StoreError, audit, held, locks, queue};
use crate::clock::Time;
use crate::run::{Gate, NewRun};

/// Runs of a backfill made in one transaction: whoever writes to SQLite waits for no more than these.
const BACKFILLED_TOGETHER: usize = 20;

/// What came of a backfill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backfilled {
    /// So many runs are there.
    Made(usize),
    /// The queue has no room for them all, and none was made.
    QueueFull {
        /// How many runs wait.
        waiting: u64,
        /// How many more may.
        fits: u64,
    },
}

async fn backfill(tx: &mut Tx<'_>, runs: &[NewRun], now: Time) -> Result<usize, StoreError> {
    if let Some(script) = runs.first().and_then(|run| run.script.as_deref()) {
        locks::script(tx, script).await?;
    }
    if let Some(schedule) = runs.first().and_then(|run| run.schedule.as_deref()) {
        audit::note(tx, format!("schedules/{schedule}"), format!("{} runs", runs.len())).await?;
    }
    let mut made = 0;
    for new in runs {
        let hold = match &new.gate {
            Some(Gate { name, most: Some(most) }) => {
                let most = i64::from(*most);
                held::active_of_gate(tx, name, most).await? >= most
            }
            _ => false,
        };
        made += usize::from(insert(tx, new, hold, now).await?);
    }
    Ok(made)
}

impl Store {
    /// Fire times of a schedule in a range (both ends included) that have a run which succeeded, or may yet.
    pub async fn fire_times_done(&self, schedule: &str, from: Time, until: Time) -> Result<Vec<Time>, StoreError> {
        let schedule = schedule.to_owned();
        self.read(move |tx| {
            let schedule = schedule.clone();
            Box::pin(async move {
                let sql =
                    "SELECT DISTINCT fire_time FROM runs WHERE schedule = $1 AND fire_time >= $2 AND fire_time <= $3
                    AND status IN ('succeeded', 'scheduled', 'queued', 'running')";
                let rows = tx.all(sql, args![schedule, stamp(from), stamp(until)]).await?;
                rows.iter().map(|row| row.time("fire_time")).collect()
            })
        })
        .await
    }

    /// Makes the runs of a backfill, which are all of one script, when the queue has room for them all (`bound`). In small
    /// transactions: what is interrupted leaves some of them, each whole.
    pub async fn backfill(&self, runs: Vec<NewRun>, bound: u64, now: Time) -> Result<Backfilled, StoreError> {
        let _one_at_a_time = self.inner.backfilling.lock().await;
        let waiting = self.read(move |tx| Box::pin(async move { queue::bounded(tx, bound).await })).await?;
        let fits = bound.saturating_sub(waiting);
        if runs.len() as u64 > fits {
            return Ok(Backfilled::QueueFull { waiting, fits });
        }
        let mut made = 0;
        for together in runs.chunks(BACKFILLED_TOGETHER) {
            let together = std::sync::Arc::new(together.to_vec());
            made += self
                .write(move |tx| {
                    let together = together.clone();
                    Box::pin(async move { backfill(tx, &together, now).await })
                })
                .await?;
        }
        Ok(Backfilled::Made(made))
    }
}
