//! The queue: which runs may start, whose turn it is, and who has taken them.
//!
//! What one transaction ends makes room for the next run of the same lane in the same transaction. Locks are taken in the
//! order of `locks.rs`.

use super::columns::Columns;
use super::rows::queue::{HeldEntry, Lane};
use super::rows::run::{RUN, run_of};
use super::tx::{Tx, args, placeholders, stamp};
use super::{Store, StoreError, alerts, held, locks};
use crate::clock::Time;
use crate::run::{Claim, NewRun, Run};

/// A turn is counted no further: a lane so long waits in order of priority and age.
pub(super) const LONGEST_TURN: i64 = 1_000;
/// Most runs taken at once.
pub const MAX_CLAIM: usize = 16;
/// Most runs that become due in one transaction.
const DUE_TOGETHER: i64 = 25;

/// Where a run stands in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueState {
    /// Its time is ahead.
    Waiting,
    /// As many of its gate or its lane run as may.
    Held,
    /// It may start.
    Ready,
    /// A node has it.
    Claimed,
}

impl QueueState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            QueueState::Waiting => "waiting",
            QueueState::Held => "held",
            QueueState::Ready => "ready",
            QueueState::Claimed => "claimed",
        }
    }
}

/// A place in the queue.
pub(super) struct QueuePosition {
    pub(super) state: QueueState,
    turn: i64,
    /// Whether it has passed its gate.
    passed: bool,
}

/// What a new run has to know of the queue, asked in one go.
pub(super) struct QueueSnapshot {
    /// Whether its script is there; true when it has none.
    pub(super) has_script: bool,
    /// How many bounded runs wait, counted to the bound.
    pub(super) waiting: i64,
    /// How many of its lane are there before it, counted to [`LONGEST_TURN`].
    turn: i64,
    /// Whether any run may start.
    any_ready: bool,
}

/// The place of a run that has to wait before its gate. Its turn is known when it passes.
pub(super) const BEFORE_GATE: QueuePosition = QueuePosition { state: QueueState::Held, turn: 0, passed: false };

/// Looks at the queue for a run of this lane.
pub(super) async fn look(tx: &mut Tx<'_>, lane: &Lane, bound: u64) -> Result<QueueSnapshot, StoreError> {
    // Limits stand in the text: SQLite compiles a statement again whenever a bound limit is bound.
    let sql = format!(
        "SELECT (SELECT count(*) FROM scripts WHERE key = $1) AS scripts,
        (SELECT count(*) FROM (SELECT 1 FROM queue WHERE bounded = 1 AND state IN ('ready', 'held') LIMIT {bound}) AS a) AS waiting,
        (SELECT count(*) FROM (SELECT 1 FROM queue WHERE lane = $1 AND state IN ('claimed', 'held', 'ready') LIMIT {LONGEST_TURN}) AS b) AS turn,
        (SELECT count(*) FROM (SELECT 1 FROM queue WHERE state = 'ready' LIMIT 1) AS c) AS ready"
    );
    let row = tx.one(sql, args![lane.key()]).await?;
    Ok(QueueSnapshot {
        has_script: lane.script().is_none() || row.int("scripts")? > 0,
        waiting: row.int("waiting")?,
        turn: row.int("turn")?,
        any_ready: row.int("ready")? > 0,
    })
}

/// How many runs wait that count towards the bound of the queue, counted to it.
pub(super) async fn bounded(tx: &mut Tx<'_>, bound: u64) -> Result<u64, StoreError> {
    let sql = format!(
        "SELECT count(*) AS waiting FROM
        (SELECT 1 FROM queue WHERE bounded = 1 AND state IN ('ready', 'held') LIMIT {bound}) AS a"
    );
    tx.one(sql, args![]).await?.size("waiting")
}

/// How many runs that count towards the bound of the queue wait for their time, or for their next attempt; counted to the bound.
pub(super) async fn bounded_ahead(tx: &mut Tx<'_>, bound: u64) -> Result<i64, StoreError> {
    let sql = format!(
        "SELECT count(*) AS waiting FROM (SELECT 1 FROM queue WHERE bounded = 1 AND state = 'waiting' LIMIT {bound}) AS a"
    );
    tx.one(sql, args![]).await?.int("waiting")
}

/// Decides where a run stands whose time has come. The script's row is locked when it has a limit.
pub(super) async fn place(
    tx: &mut Tx<'_>,
    lane: &Lane,
    look: &QueueSnapshot,
    concurrency: Option<u32>,
    claim: Option<&Claim>,
) -> Result<QueuePosition, StoreError> {
    let turn = look.turn;
    if let Some(most) = concurrency.map(i64::from)
        && turn > 0
        && held::active_in_lane(tx, lane, most).await? >= most
    {
        return Ok(QueuePosition { state: QueueState::Held, turn, passed: true });
    }
    let state = if claim.is_some() && !look.any_ready { QueueState::Claimed } else { QueueState::Ready };
    Ok(QueuePosition { state, turn, passed: true })
}

/// Where a run stands whose time is ahead.
pub(super) const AHEAD: QueuePosition = QueuePosition { state: QueueState::Waiting, turn: 0, passed: true };

pub(super) async fn insert(
    tx: &mut Tx<'_>,
    id: &str,
    lane: &Lane,
    place: &QueuePosition,
    new: &NewRun,
    claim: Option<&Claim>,
    run_at: Time,
) -> Result<(), StoreError> {
    let claim = claim.filter(|_| place.state == QueueState::Claimed);
    let (sql, values) = Columns::default()
        .set("run", id)
        .set("state", place.state.as_str())
        .set("lane", lane.key())
        .set("priority", new.priority)
        .set("turn", place.turn)
        .set("run_at", stamp(run_at))
        .set("bounded", i64::from(new.bounded))
        .set("concurrency", new.spec.concurrency.map(i64::from))
        .set("node", claim.map(|claim| claim.node.clone()))
        .set("token", claim.map(|claim| claim.token.clone()))
        .set("gate", new.gate.as_ref().map(|gate| gate.name.clone()))
        .set("gate_most", new.gate.as_ref().and_then(|gate| gate.most).map(i64::from))
        .set("passed", i64::from(place.passed))
        .insert_into("queue");
    tx.run(sql, values).await.map(|_| ())
}

/// The entry of a run, if the holder of `token` still has it; locked, after its script's row when it has a limit.
pub(super) async fn held_by(tx: &mut Tx<'_>, id: &str, token: &str) -> Result<Option<HeldEntry>, StoreError> {
    let sql = "SELECT node, lane, concurrency, gate, gate_most FROM queue WHERE run = $1 AND token = $2";
    let Some(row) = tx.first(sql, args![id, token]).await? else { return Ok(None) };
    let entry = HeldEntry::of(&row, row.text("node")?)?;
    locks::lane(tx, &entry.lane, entry.is_limited()).await?;
    if tx.dialect.for_update().is_empty() {
        return Ok(Some(entry));
    }
    let sql = format!("SELECT 1 AS one FROM queue WHERE run = $1 AND token = $2{}", tx.dialect.for_update());
    Ok(tx.first(sql, args![id, token]).await?.map(|_| entry))
}

/// A run that a node does not hold any more.
pub(super) struct Released {
    pub(super) entry: HeldEntry,
    /// Whether any schedule hangs on the ends of runs.
    pub(super) has_chains: bool,
    /// Whether any alert may be about it.
    pub(super) is_watched: bool,
}

/// Ends a node's hold on a run, if the holder of `token` still has it; and whether chains and alerts have to know, asked beside
/// it so that those without pay nothing. `lock` is the script's key when its runs are limited: its row is locked first.
pub(super) async fn release(
    tx: &mut Tx<'_>,
    id: &str,
    token: &str,
    lock: Option<&str>,
) -> Result<Option<Released>, StoreError> {
    if let Some(key) = lock {
        locks::script(tx, key).await?;
    }
    let sql = format!(
        "DELETE FROM queue WHERE run = $1 AND token = $2 RETURNING node, lane, concurrency, gate, gate_most,
        (SELECT count(*) FROM (SELECT 1 FROM chains LIMIT 1) AS any_chain) AS chains, {} AS watched",
        alerts::IS_WATCHED
    );
    let Some(row) = tx.first(sql, args![id, token]).await? else { return Ok(None) };
    Ok(Some(Released {
        entry: HeldEntry::of(&row, row.text("node")?)?,
        has_chains: row.int("chains")? > 0,
        is_watched: row.int("watched")? > 0,
    }))
}

pub(super) async fn remove(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    tx.run("DELETE FROM queue WHERE run = $1", args![id]).await.map(|_| ())
}

/// The run waits for its next attempt.
pub(super) async fn wait_again(tx: &mut Tx<'_>, id: &str, until: Time) -> Result<(), StoreError> {
    let sql = "UPDATE queue SET state = 'waiting', run_at = $2, node = NULL, token = NULL, cancel = 0 WHERE run = $1";
    tx.run(sql, args![id, stamp(until)]).await.map(|_| ())
}

/// A script's limit has changed: what waits follows it.
pub(super) async fn set_concurrency(tx: &mut Tx<'_>, key: &str, concurrency: Option<u32>) -> Result<(), StoreError> {
    let sql = "UPDATE queue SET concurrency = $2 WHERE lane = $1 AND coalesce(concurrency, 0) <> coalesce($2, 0)";
    if tx.run(sql, args![key, concurrency.map(i64::from)]).await? > 0 {
        held::fill(tx, &Lane::of_key(key.to_owned()), concurrency.map(i64::from)).await?;
    }
    Ok(())
}

async fn claim(tx: &mut Tx<'_>, claim: &Claim, most: usize, now: Time) -> Result<Vec<Run>, StoreError> {
    let sql = format!(
        "UPDATE queue SET state = 'claimed', node = $1, token = $2 WHERE run IN
        (SELECT run FROM queue WHERE state = 'ready' ORDER BY priority DESC, turn, run LIMIT {}{}) RETURNING run",
        most.clamp(1, MAX_CLAIM),
        tx.dialect.for_update_skipping()
    );
    let rows = tx.all(sql, args![&*claim.node, &*claim.token]).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = args![stamp(now)];
    for row in &rows {
        values.push(row.text("run")?);
    }
    let columns = RUN.trim_start_matches("SELECT ").trim_end_matches(" FROM runs");
    let sql = format!(
        "UPDATE runs SET status = 'running', reason = NULL, attempt = attempt + 1, started_at = $1
        WHERE id IN ({}) RETURNING {columns}, source",
        placeholders(2, rows.len())
    );
    let rows = tx.all(sql, values).await?;
    rows.iter()
        .map(|row| {
            let mut run = run_of(row)?;
            run.source = row.bytes_or_none("source")?;
            Ok(run)
        })
        .collect()
}

/// Lets runs start whose time has come. When the next one's does, and how many may start now.
async fn ready_due(tx: &mut Tx<'_>, now: Time) -> Result<Due, StoreError> {
    let sql =
        "SELECT run, lane, concurrency FROM queue WHERE state = 'waiting' AND run_at <= $1 ORDER BY run_at LIMIT $2";
    let mut due = Due { readied: 0, next: None };
    let rows = tx.all(sql, args![stamp(now), DUE_TOGETHER]).await?;
    let all = i64::try_from(rows.len()).is_ok_and(|count| count < DUE_TOGETHER);
    for row in rows {
        let (id, lane, concurrency) =
            (row.text("run")?, Lane::of_key(row.text("lane")?), row.int_or_none("concurrency")?);
        locks::lane(tx, &lane, concurrency.is_some()).await?;
        let look = look(tx, &lane, 0).await?;
        let most = concurrency.map(|most| u32::try_from(most).unwrap_or(u32::MAX));
        let place = place(tx, &lane, &look, most, None).await?;
        let sql = "UPDATE queue SET state = $2, turn = $3, passed = 1 WHERE run = $1 AND state = 'waiting'";
        if tx.run(sql, args![&*id, place.state.as_str(), place.turn]).await? > 0 {
            tx.run("UPDATE runs SET status = 'queued', reason = NULL WHERE id = $1", args![id]).await?;
            due.readied += usize::from(place.state == QueueState::Ready);
        }
    }
    let next = tx.one("SELECT min(run_at) AS next FROM queue WHERE state = 'waiting'", args![]).await?;
    due.next = if all { next.time_or_none("next")? } else { Some(now) };
    Ok(due)
}

/// What [`Store::ready_due`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// So many runs may start now.
    pub readied: usize,
    /// When the next one's time comes.
    pub next: Option<Time>,
}

impl Store {
    /// Takes up to `most` runs for a node: by priority, then by turns over lanes, then by age.
    pub async fn claim(&self, by: Claim, most: usize, now: Time) -> Result<Vec<Run>, StoreError> {
        self.write(move |tx| {
            let by = by.clone();
            Box::pin(async move { claim(tx, &by, most, now).await })
        })
        .await
    }

    /// When the next run's time comes.
    pub async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                let row = tx.one("SELECT min(run_at) AS next FROM queue WHERE state = 'waiting'", args![]).await?;
                row.time_or_none("next")
            })
        })
        .await
    }

    /// Lets runs start whose time has come.
    pub async fn ready_due(&self, now: Time) -> Result<Due, StoreError> {
        self.write(move |tx| Box::pin(async move { ready_due(tx, now).await })).await
    }

    /// How long the queue is: by state, and when the oldest of those that may start was made.
    pub async fn queue_depth(&self) -> Result<Depth, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                let mut depth = Depth::default();
                for row in tx.all("SELECT state, count(*) AS runs FROM queue GROUP BY state", args![]).await? {
                    let runs = row.size("runs")?;
                    match row.text("state")?.as_str() {
                        "waiting" => depth.waiting = runs,
                        "held" => depth.held = runs,
                        "ready" => depth.ready = runs,
                        _ => depth.claimed = runs,
                    }
                }
                let sql = "SELECT min(run_at) AS oldest FROM queue WHERE state = 'ready'";
                depth.oldest = tx.one(sql, args![]).await?.time_or_none("oldest")?;
                Ok(depth)
            })
        })
        .await
    }
}

/// How long the queue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Their time is ahead.
    pub waiting: u64,
    /// As many of their lane run as may.
    pub held: u64,
    /// They may start.
    pub ready: u64,
    /// Nodes have them.
    pub claimed: u64,
    /// Since when the oldest of those that may start waits.
    pub oldest: Option<Time>,
}
