//! What was decided about fire times, written down: a row for each, in the transaction that moves the cursor.
//!
//! Nothing but the database keeps two schedulers from firing the same time twice: a decision is dropped when the schedule is
//! no longer as it was when it was looked at (cursor and revision), its row is locked meanwhile, and the schema allows one
//! row per schedule and fire time. Locks are taken in the order of [`super::locks`].

use super::queue::OverlapDecision;
use super::rows::run::write_labels;
use super::runs::insert;
use super::tx::{Tx, args, json, stamp, stamp_of};
use super::{Store, StoreError, chains, held, locks, queue, schedules};
use crate::clock::Time;
use crate::run::{Displaced, Gate, NewRun, Status, new_id};
use crate::schedule::{Decision, Overlap, Row, Verdict};
use chrono::TimeDelta;
use std::collections::HashMap;

/// Decisions written in one go.
pub const TOGETHER: usize = 32;
/// Rows written in one transaction, or those of one decision: whoever writes to SQLite waits for these.
const ROWS_TOGETHER: usize = 100;
/// Runs of a backfill made in one transaction: whoever writes to SQLite waits for no more than these.
const BACKFILLED_TOGETHER: usize = 20;

/// A decision, and what the runs of those of its rows that start are like.
#[derive(Clone, Debug)]
pub struct Fire {
    /// What was decided.
    pub decision: Decision,
    /// What the runs are like; of rows that do not start, only its names are used.
    pub like: NewRun,
    /// What happens while as many run as may, and how many these are.
    pub overlap: (Overlap, u32),
}

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

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fired {
    /// Runs that may start now or later.
    pub started: usize,
    /// Rows of fire times that do not start.
    pub rows: usize,
    /// Runs that make room for them.
    pub room: Displaced,
    /// Schedules that had changed since they were looked at: nothing of theirs was written.
    pub stale: usize,
}

impl Store {
    /// Writes decisions down, each whole or not at all.
    pub async fn fire(&self, mut fires: Vec<Fire>, now: Time) -> Result<Fired, StoreError> {
        fires.sort_by(|one, other| one.decision.key.cmp(&other.decision.key));
        let mut fired = Fired::default();
        while !fires.is_empty() {
            let mut rows = 0;
            let count = fires.iter().take_while(|fire| {
                let fits = rows == 0 || rows + fire.decision.rows.len() <= ROWS_TOGETHER;
                rows += fire.decision.rows.len().max(1);
                fits
            });
            let count = count.count();
            let together: std::sync::Arc<Vec<Fire>> = std::sync::Arc::new(fires.drain(..count).collect());
            let done = self
                .write(move |tx| {
                    let fires = together.clone();
                    Box::pin(async move { fire(tx, &fires, now).await })
                })
                .await?;
            fired.started += done.started;
            fired.rows += done.rows;
            fired.stale += done.stale;
            fired.room.cancelled.extend(done.room.cancelled);
            fired.room.stopping.extend(done.room.stopping);
        }
        Ok(fired)
    }

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

async fn backfill(tx: &mut Tx<'_>, runs: &[NewRun], now: Time) -> Result<usize, StoreError> {
    if let Some(script) = runs.first().and_then(|run| run.script.as_deref()) {
        locks::script(tx, script).await?;
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

async fn fire(tx: &mut Tx<'_>, fires: &[Fire], now: Time) -> Result<Fired, StoreError> {
    let mut fired = Fired::default();
    if schedules::whole(tx).await?.paused {
        fired.stale = fires.len();
        return Ok(fired);
    }
    let mut current = Vec::new();
    for fire in fires {
        let decision = &fire.decision;
        let sql = format!(
            "SELECT fired FROM schedules WHERE key = $1 AND revision = $2 AND cursor = $3 AND state = 'active'{}",
            tx.dialect.for_update_skipping()
        );
        match tx.first(sql, args![&*decision.key, decision.revision, stamp(decision.cursor)]).await? {
            Some(row) => current.push((fire, row.size("fired")?)),
            None => fired.stale += 1,
        }
    }
    let mut scripts: Vec<&str> = current
        .iter()
        .filter(|(fire, _)| fire.starts() && (fire.like.spec.concurrency.is_some() || fire.waits()))
        .filter_map(|(fire, _)| fire.like.script.as_deref())
        .collect();
    scripts.sort_unstable();
    scripts.dedup();
    for script in scripts {
        locks::script(tx, script).await?;
    }
    // Ids in the order of the rows.
    let mut tick = 0;
    let mut id = || {
        tick += 1;
        new_id(now + TimeDelta::microseconds(tick))
    };
    for (fire, mut count) in current {
        let most = fire.decision.max_runs.unwrap_or(u64::MAX);
        let mut made: HashMap<Time, String> = HashMap::new();
        let mut before = None;
        // The runs first, so that the others can name them.
        let ids: Vec<String> = fire.decision.rows.iter().map(|_| id()).collect();
        for (row, id) in fire.decision.rows.iter().zip(&ids) {
            let Verdict::Start { due, wait } = row.verdict else { continue };
            if count < most && start(tx, fire, row, (due, wait), id, now, (&mut fired, &mut before)).await? {
                made.insert(row.fire_time, id.clone());
                count += 1;
            }
        }
        let is_finished = count >= most;
        for (row, id) in fire.decision.rows.iter().zip(ids) {
            fired.rows += usize::from(note(tx, fire, row, id, &made, now).await?);
        }
        let next = fire.decision.next.filter(|_| !is_finished);
        let sql = "UPDATE schedules SET cursor = $2, next_fire_at = $3, next_due_at = $4, fired = $5, state = $6,
            updated_at = CASE WHEN state = $6 THEN updated_at ELSE $7 END WHERE key = $1";
        let is_over = next.is_none() && (is_finished || !fire.decision.hangs_on);
        let state = if is_over { "finished" } else { "active" };
        let values = args![
            &*fire.decision.key,
            stamp(fire.decision.decided),
            stamp_of(next.map(|next| next.0)),
            stamp_of(next.map(|next| next.1)),
            i64::try_from(count).unwrap_or(i64::MAX),
            state,
            stamp(now),
        ];
        tx.run(sql, values).await?;
    }
    Ok(fired)
}

impl Fire {
    /// Whether any of its rows starts.
    fn starts(&self) -> bool {
        self.decision.rows.iter().any(|row| matches!(row.verdict, Verdict::Start { .. }))
    }

    /// Whether any of its runs may have to wait for another of the schedule.
    fn waits(&self) -> bool {
        self.overlap.0.waits()
            || self.decision.rows.iter().any(|row| matches!(row.verdict, Verdict::Start { wait: true, .. }))
    }
}

/// Starts a run, or skips it when as many run as may. Whether it is there.
async fn start(
    tx: &mut Tx<'_>,
    fire: &Fire,
    row: &Row,
    (due, wait): (Time, bool),
    id: &str,
    now: Time,
    (fired, before): (&mut Fired, &mut Option<i64>),
) -> Result<bool, StoreError> {
    let key = &fire.decision.key;
    let mut new = NewRun {
        id: id.to_owned(),
        run_at: Some(due),
        fire_time: Some(row.fire_time),
        fire_local: Some(row.local.clone()),
        ..fire.like.clone()
    };
    new.spec.gated = fire.waits();
    new.gate = Some(Gate { name: key.clone(), most: new.spec.gated.then_some(fire.overlap.1) });
    let (hold, room) = match queue::decide_overlap(tx, key, fire.overlap, wait, before, now).await? {
        OverlapDecision::Open(room) => (false, room),
        OverlapDecision::Hold(room) => (true, room),
        OverlapDecision::Full(reason) => {
            let written = write_row(tx, &new, Status::Skipped, reason, None, None, now).await?;
            fired.rows += usize::from(written);
            return Ok(false);
        }
    };
    fired.room.cancelled.extend(room.cancelled);
    fired.room.stopping.extend(room.stopping);
    // A fire time that has its row already gets no other: the schedule was set back by hand.
    let made = insert(tx, &new, hold, now).await?;
    fired.started += usize::from(made);
    Ok(made)
}

/// Writes down a fire time that does not start. Whether it has a row now that it had not.
async fn note(
    tx: &mut Tx<'_>,
    fire: &Fire,
    row: &Row,
    id: String,
    made: &HashMap<Time, String>,
    now: Time,
) -> Result<bool, StoreError> {
    let new = NewRun {
        id,
        fire_time: Some(row.fire_time),
        fire_local: Some(row.local.clone()),
        run_at: Some(row.fire_time),
        ..fire.like.clone()
    };
    match row.verdict {
        Verdict::Start { .. } => Ok(false),
        Verdict::Missed(reason) => write_row(tx, &new, Status::Missed, reason, None, None, now).await,
        Verdict::Coalesced(stands) => {
            write_row(tx, &new, Status::Skipped, "coalesced", made.get(&stands).cloned(), None, now).await
        }
        Verdict::Older(until, count) => {
            write_row(tx, &new, Status::Missed, "catchup_limit", None, Some((until, count)), now).await
        }
    }
}

/// A row of a run that never starts.
pub(super) async fn write_row(
    tx: &mut Tx<'_>,
    new: &NewRun,
    status: Status,
    reason: &str,
    stood_in: Option<String>,
    several: Option<(Time, u64)>,
    now: Time,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO runs (id, script, name, version, entry, cause, status, reason, priority, created_at, run_at,
        finished_at, spec, args, labels, schedule, fire_time, fire_local, fire_until, fire_count, stood_in, upstream)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $10, $12, '{}', $13, $14, $15, $16, $17, $18, $19, $20)
        ON CONFLICT DO NOTHING";
    let values = args![
        &*new.id,
        new.script.clone(),
        &*new.name,
        new.version,
        new.spec.entry.clone(),
        new.cause.as_str(),
        status.as_str(),
        reason,
        new.priority,
        stamp(now),
        stamp(new.run_at.unwrap_or(now)),
        json(&new.spec)?,
        json(&new.labels)?,
        new.schedule.clone(),
        stamp_of(new.fire_time),
        new.fire_local.clone(),
        stamp_of(several.map(|several| several.0)),
        several.map(|several| i64::try_from(several.1).unwrap_or(i64::MAX)),
        stood_in,
        new.upstream.clone(),
    ];
    let written = tx.run(sql, values).await? > 0;
    if written {
        write_labels(tx, new).await?;
        if status == Status::Missed && chains::follow_missed(tx).await? {
            chains::note_end(tx, &new.id, status).await?;
        }
    }
    Ok(written)
}
