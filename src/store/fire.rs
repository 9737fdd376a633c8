//! What was decided about fire times and links of chains, written down: for a fire time a row, in the transaction that moves
//! the cursor.
//!
//! Nothing but the database keeps two schedulers from firing the same time twice: a decision is dropped when the schedule is
//! no longer as it was when it was looked at (cursor and revision), its row is locked meanwhile, and the schema allows one
//! row per schedule and fire time. Locks are taken in the order of `locks.rs`.

use super::chains::DueLink;
use super::overlap::{OverlapDecision, decide_overlap};
use super::rows::schedule::scheduler_state;
use super::runs::insert;
use super::tx::{Tx, args, stamp, stamp_of};
use super::unstarted::write_row;
use super::{Store, StoreError, chains, locks, queue};
use crate::clock::Time;
use crate::run::{Displaced, Gate, NewRun, Status, new_id};
use crate::schedule::{Decision, Link, Overlap, Row, State, Verdict};
use chrono::TimeDelta;
use std::collections::HashMap;

/// Decisions written in one go.
pub const TOGETHER: usize = 32;
/// Rows written in one transaction, or those of one decision: whoever writes to SQLite waits for these.
const ROWS_TOGETHER: usize = 100;

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

/// What a schedule says about the runs that its links make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkRules {
    /// What happens while as many run as may, and how many these are.
    pub overlap: (Overlap, u32),
    /// Whether the chain is longer than it may be.
    pub too_deep: bool,
    /// After how many runs the schedule is finished.
    pub max_runs: Option<u64>,
    /// How many runs may wait in the queue that count towards its bound.
    pub bound: u64,
}

/// What came of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// A run is there; these make room for it.
    Started(Displaced),
    /// There is a row that says why there is none.
    Skipped,
    /// The schedule does not fire, or had its run already; or far more follow from the same cause than may.
    Nothing,
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

    /// Follows a link: makes the run, or the row that says why there is none.
    pub async fn follow_link(
        &self,
        link: DueLink,
        new: NewRun,
        rules: LinkRules,
        now: Time,
    ) -> Result<Followed, StoreError> {
        let all = std::sync::Arc::new((link, new));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move { follow(tx, &all.0, &all.1, rules, now).await })
        })
        .await
    }
}

async fn fire(tx: &mut Tx<'_>, fires: &[Fire], now: Time) -> Result<Fired, StoreError> {
    let mut fired = Fired::default();
    if scheduler_state(tx).await?.paused {
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
            if count < most && start_fire_time(tx, fire, row, (due, wait), id, now, (&mut fired, &mut before)).await? {
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

/// Starts the run of a fire time, or skips it when as many run as may. Whether it is there.
async fn start_fire_time(
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
    put_before_gate(&mut new, key, fire.waits(), fire.overlap.1);
    let (started, room) = start(tx, &new, key, fire.overlap, wait, before, now).await?;
    fired.room.cancelled.extend(room.cancelled);
    fired.room.stopping.extend(room.stopping);
    match started {
        Started::Run => fired.started += 1,
        Started::Row(written) => fired.rows += usize::from(written),
        // A fire time that has its row already gets no other: the schedule was set back by hand.
        Started::Nothing => {}
    }
    Ok(matches!(started, Started::Run))
}

/// Puts a run of a schedule before the schedule's gate; with `waits` it may have to wait there.
fn put_before_gate(new: &mut NewRun, schedule: &str, waits: bool, most: u32) {
    new.spec.gated = waits;
    new.gate = Some(Gate { name: schedule.to_owned(), most: waits.then_some(most) });
}

/// What became of one more run of a schedule.
enum Started {
    /// It is there.
    Run,
    /// It is skipped, as many run as may; whether there is a row that says so which was not there.
    Row(bool),
    /// There is a row of the same fire time or upstream run, or its script is gone.
    Nothing,
}

/// Makes one more run of a schedule, for a fire time or a link of a chain, or skips it when as many run as may; and which runs
/// make room for it. The schedule's row is locked, and its script's when anything may have to wait.
async fn start(
    tx: &mut Tx<'_>,
    new: &NewRun,
    schedule: &str,
    overlap: (Overlap, u32),
    wait: bool,
    before: &mut Option<i64>,
    now: Time,
) -> Result<(Started, Displaced), StoreError> {
    let (hold, room) = match decide_overlap(tx, schedule, overlap, wait, before, now).await? {
        OverlapDecision::Open(room) => (false, room),
        OverlapDecision::Hold(room) => (true, room),
        OverlapDecision::Full(reason) => {
            let written = write_row(tx, new, Status::Skipped, reason, None, None, now).await?;
            return Ok((Started::Row(written), Displaced::default()));
        }
    };
    let started = if insert(tx, new, hold, now).await? { Started::Run } else { Started::Nothing };
    Ok((started, room))
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

/// Counts one more run that follows from a cause, whether it starts or only leaves a row; how many there are.
async fn count_following(tx: &mut Tx<'_>, cause: &str, now: Time) -> Result<u64, StoreError> {
    let sql = "INSERT INTO chain_causes (run, followed, updated_at) VALUES ($1, 1, $2)
        ON CONFLICT (run) DO UPDATE SET followed = chain_causes.followed + 1, updated_at = excluded.updated_at
        RETURNING followed";
    tx.one(sql, args![cause, stamp(now)]).await?.size("followed")
}

async fn follow(
    tx: &mut Tx<'_>,
    link: &DueLink,
    new: &NewRun,
    rules: LinkRules,
    now: Time,
) -> Result<Followed, StoreError> {
    let (overlap, most) = rules.overlap;
    let state = locks::schedule(tx, &link.schedule).await?;
    let waits = overlap.waits();
    if waits || new.spec.concurrency.is_some() {
        locks::script(tx, new.script.as_deref().unwrap_or_default()).await?;
    }
    if !chains::take(tx, link).await? || !matches!(state, Some((State::Active, _))) {
        return Ok(Followed::Nothing);
    }
    let mut new = new.clone();
    put_before_gate(&mut new, &link.schedule, waits, most);
    let cause = new.spec.chain_cause.clone().unwrap_or_else(|| link.upstream.clone());
    let following = count_following(tx, &cause, now).await?;
    if following > 2 * Link::MOST_FOLLOWING {
        // So many rows have said so.
        return Ok(Followed::Nothing);
    }
    let refused = if rules.too_deep {
        Some("chain_depth")
    } else if following > Link::MOST_FOLLOWING {
        Some("chain_limit")
    } else if queue::bounded(tx, rules.bound).await? >= rules.bound {
        Some("queue_full")
    } else {
        None
    };
    if let Some(reason) = refused {
        write_row(tx, &new, Status::Skipped, reason, None, None, now).await?;
        return Ok(Followed::Skipped);
    }
    let (started, room) = start(tx, &new, &link.schedule, rules.overlap, false, &mut None, now).await?;
    match started {
        Started::Run => {}
        Started::Row(_) => return Ok(Followed::Skipped),
        Started::Nothing => return Ok(Followed::Nothing),
    }
    // It counts as a fire time does: with the last one the schedule is finished.
    let sql = "UPDATE schedules SET fired = fired + 1 WHERE key = $1 RETURNING fired";
    let fired = tx.one(sql, args![&*link.schedule]).await?.size("fired")?;
    if rules.max_runs.is_some_and(|most| fired >= most) {
        let sql = "UPDATE schedules SET state = 'finished', next_fire_at = NULL, next_due_at = NULL, updated_at = $2 WHERE key = $1";
        tx.run(sql, args![&*link.schedule, stamp(now)]).await?;
    }
    Ok(Followed::Started(room))
}
