//! What was decided about fire times, written down: a row for each, in the transaction that moves the cursor.
//!
//! Nothing but the database keeps two schedulers from firing the same time twice: a decision is dropped when the schedule is
//! no longer as it was when it was looked at (cursor and revision), its row is locked meanwhile, and the schema allows one
//! row per schedule and fire time. Locks are taken in this order: schedules by key, then scripts, then the queue.

use super::queue::Gate;
use super::runs::{NewRun, insert};
use super::tx::{Tx, args, json, stamp, stamp_of};
use super::{Store, StoreError, queue, schedules, scripts};
use crate::clock::Time;
use crate::run::{Status, new_id};
use crate::schedule::{Decision, Overlap, Row, Verdict};
use chrono::TimeDelta;
use std::collections::HashMap;

/// Decisions written in one transaction.
pub const TOGETHER: usize = 32;
/// Runs of a backfill made in one transaction.
const BACKFILLED_TOGETHER: usize = 100;

/// A decision, and the runs for those of its rows that start.
#[derive(Clone, Debug)]
pub struct Fire {
    /// What was decided.
    pub decision: Decision,
    /// A run for each [`Verdict::Start`], in their order.
    pub runs: Vec<NewRun>,
    /// A run for rows that do not start: only its names are used.
    pub like: NewRun,
    /// What happens while as many run as may, and how many these are.
    pub overlap: (Overlap, u32),
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fired {
    /// Runs that may start now or later.
    pub started: usize,
    /// Rows of fire times that do not start.
    pub rows: usize,
    /// Runs that were ended before they began, to make room.
    pub cancelled: Vec<String>,
    /// Runs that are to stop, to make room.
    pub stopping: Vec<String>,
    /// Schedules that had changed since they were looked at: nothing of theirs was written.
    pub stale: usize,
}

impl Store {
    /// Writes decisions down, at most [`TOGETHER`]: all or none.
    pub async fn fire(&self, mut fires: Vec<Fire>, now: Time) -> Result<Fired, StoreError> {
        fires.sort_by(|one, other| one.decision.key.cmp(&other.decision.key));
        let fires = std::sync::Arc::new(fires);
        self.write(move |tx| {
            let fires = fires.clone();
            Box::pin(async move { fire(tx, &fires, now).await })
        })
        .await
    }
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

    /// Makes the runs of a backfill, which are all of one script.
    pub async fn backfill(&self, runs: Vec<NewRun>, now: Time) -> Result<(), StoreError> {
        for together in runs.chunks(BACKFILLED_TOGETHER) {
            let together = std::sync::Arc::new(together.to_vec());
            self.write(move |tx| {
                let together = together.clone();
                Box::pin(async move {
                    if let Some(script) = together.first().and_then(|run| run.script.as_deref()) {
                        scripts::lock(tx, script).await?;
                    }
                    for new in together.iter() {
                        let hold = match &new.gate {
                            Some(Gate { name, most: Some(most) }) => {
                                queue::active_of_gate(tx, name).await? >= i64::from(*most)
                            }
                            _ => false,
                        };
                        insert(tx, new, hold, now).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        }
        Ok(())
    }
}

async fn fire(tx: &mut Tx<'_>, fires: &[Fire], now: Time) -> Result<Fired, StoreError> {
    let mut fired = Fired::default();
    if schedules::whole(tx).await?.paused {
        fired.stale = fires.len();
        return Ok(fired);
    }
    let mut held = Vec::new();
    for fire in fires {
        let decision = &fire.decision;
        let sql = format!(
            "SELECT fired FROM schedules WHERE key = $1 AND revision = $2 AND cursor = $3 AND state = 'active'{}",
            tx.dialect.for_update_skipping()
        );
        match tx.first(sql, args![&*decision.key, decision.revision, stamp(decision.cursor)]).await? {
            Some(row) => held.push((fire, row.int("fired")?)),
            None => fired.stale += 1,
        }
    }
    let mut scripts: Vec<&str> = held
        .iter()
        .filter(|(fire, _)| fire.runs.iter().any(|run| run.spec.concurrency.is_some() || fire.waits()))
        .filter_map(|(fire, _)| fire.like.script.as_deref())
        .collect();
    scripts.sort_unstable();
    scripts.dedup();
    for script in scripts {
        scripts::lock(tx, script).await?;
    }
    // Ids in the order of the rows.
    let mut tick = 0;
    let mut id = || {
        tick += 1;
        new_id(now + TimeDelta::microseconds(tick))
    };
    for (fire, before) in held {
        let mut count = before;
        let mut made: HashMap<Time, String> = HashMap::new();
        let mut runs = fire.runs.iter();
        // The runs first, so that the others can name them.
        let ids: Vec<String> = fire.decision.rows.iter().map(|_| id()).collect();
        for (row, id) in fire.decision.rows.iter().zip(&ids) {
            let Verdict::Start { due, wait } = row.verdict else { continue };
            let Some(new) = runs.next() else { continue };
            let most = fire.decision.max_runs.unwrap_or(u64::MAX);
            if u64::try_from(count).unwrap_or_default() >= most {
                continue;
            }
            if start(tx, fire, row, due, wait, NewRun { id: id.clone(), ..new.clone() }, now, &mut fired, &mut made)
                .await?
            {
                count += 1;
            }
        }
        let is_finished = fire.decision.max_runs.is_some_and(|most| u64::try_from(count).unwrap_or_default() >= most);
        for (row, id) in fire.decision.rows.iter().zip(ids) {
            fired.rows += usize::from(note(tx, fire, row, id, &made, now).await?);
        }
        let next = fire.decision.next.filter(|_| !is_finished);
        let sql = "UPDATE schedules SET cursor = $2, next_fire_at = $3, next_due_at = $4, fired = $5, state = $6 WHERE key = $1";
        let is_over = next.is_none() && (is_finished || !fire.decision.hangs_on);
        let state = if is_over { "finished" } else { "active" };
        let values = args![
            &*fire.decision.key,
            stamp(fire.decision.decided),
            stamp_of(next.map(|next| next.0)),
            stamp_of(next.map(|next| next.1)),
            count,
            state,
        ];
        tx.run(sql, values).await?;
    }
    Ok(fired)
}

impl Fire {
    /// Whether any of its runs may have to wait for another of the schedule.
    fn waits(&self) -> bool {
        matches!(self.overlap.0, Overlap::QueueOne | Overlap::QueueAll | Overlap::CancelRunning)
            || self.decision.rows.iter().any(|row| matches!(row.verdict, Verdict::Start { wait: true, .. }))
    }
}

/// Starts a run, or skips it when as many run as may. Whether it is there.
#[allow(clippy::too_many_arguments, reason = "one step of a loop, apart for the reader's sake")]
async fn start(
    tx: &mut Tx<'_>,
    fire: &Fire,
    row: &Row,
    due: Time,
    wait: bool,
    mut new: NewRun,
    now: Time,
    fired: &mut Fired,
    made: &mut HashMap<Time, String>,
) -> Result<bool, StoreError> {
    let (overlap, most) = fire.overlap;
    let key = &fire.decision.key;
    let waits = fire.waits();
    new.gate = Some(Gate { name: key.clone(), most: waits.then_some(most) });
    new.spec.gated = waits;
    (new.run_at, new.fire_time, new.fire_local) = (Some(due), Some(row.fire_time), Some(row.local.clone()));
    let active = queue::active_of_gate(tx, key).await?;
    let mut hold = false;
    if overlap != Overlap::Allow && active >= i64::from(most) {
        match overlap {
            _ if wait => hold = true,
            Overlap::Skip => return skip(tx, &new, "max_instances", now, fired).await.map(|()| false),
            Overlap::QueueOne if queue::held_of_gate(tx, key).await? > 0 => {
                return skip(tx, &new, "max_instances", now, fired).await.map(|()| false);
            }
            Overlap::CancelRunning => {
                let (cancelled, stopping) = queue::cancel_gate(tx, key, "cancelled_by_overlap", now).await?;
                hold = !stopping.is_empty();
                fired.cancelled.extend(cancelled);
                fired.stopping.extend(stopping);
            }
            _ => hold = true,
        }
    }
    if insert(tx, &new, hold, now).await? {
        fired.started += 1;
        made.insert(row.fire_time, new.id);
        return Ok(true);
    }
    // The fire time has its row already: the schedule was set back by hand.
    Ok(false)
}

async fn skip(
    tx: &mut Tx<'_>,
    new: &NewRun,
    reason: &'static str,
    now: Time,
    fired: &mut Fired,
) -> Result<(), StoreError> {
    fired.rows += usize::from(write_row(tx, new, Status::Skipped, reason, None, None, now).await?);
    Ok(())
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
        for (key, value) in &new.labels {
            let label = format!("{key}={value}");
            tx.run("INSERT INTO run_labels (label, run) VALUES ($1, $2)", args![label, &*new.id]).await?;
        }
    }
    Ok(written)
}
