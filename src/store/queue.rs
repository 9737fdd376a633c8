//! The queue: which runs may start, whose turn it is, and who has taken them.
//!
//! What one transaction ends makes room for the next run of the same lane in the same transaction. Locks are taken in the
//! order of [`super::locks`].

use super::attempts::{self, AttemptEnd};
use super::rows::queue::{HeldEntry, Lane};
use super::rows::run::{RUN, run_of};
use super::tx::{Row, Tx, args, list, placeholders, stamp};
use super::{Store, StoreError, chains, held, locks};
use crate::clock::Time;
use crate::run::{Cancelled, Claim, Displaced, GivenUp, MAX_LOST, NewRun, Run, Status};
use crate::schedule::Overlap;
use crate::script::OnLost;
use std::collections::BTreeMap;

/// A turn is counted no further: a lane so long waits in order of priority and age.
const LONGEST_TURN: i64 = 1_000;
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
    fn as_str(self) -> &'static str {
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
    let sql = "INSERT INTO queue (run, state, lane, priority, turn, run_at, bounded, concurrency, node, token, gate, gate_most, passed)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    let values = args![
        id,
        place.state.as_str(),
        lane.key(),
        new.priority,
        place.turn,
        stamp(run_at),
        i64::from(new.bounded),
        new.spec.concurrency.map(i64::from),
        claim.map(|claim| claim.node.clone()),
        claim.map(|claim| claim.token.clone()),
        new.gate.as_ref().map(|gate| gate.name.clone()),
        new.gate.as_ref().and_then(|gate| gate.most).map(i64::from),
        i64::from(place.passed),
    ];
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

/// Ends a node's hold on a run, if the holder of `token` still has it; and whether any schedule hangs on the ends of runs,
/// asked beside it so that those without chains pay nothing. `lock` is the script's key when its runs are limited:
/// its row is locked first.
pub(super) async fn release(
    tx: &mut Tx<'_>,
    id: &str,
    token: &str,
    lock: Option<&str>,
) -> Result<Option<(HeldEntry, bool)>, StoreError> {
    if let Some(key) = lock {
        locks::script(tx, key).await?;
    }
    let sql = "DELETE FROM queue WHERE run = $1 AND token = $2 RETURNING node, lane, concurrency, gate, gate_most,
        (SELECT count(*) FROM (SELECT 1 FROM chains LIMIT 1) AS any_chain) AS chains";
    let Some(row) = tx.first(sql, args![id, token]).await? else { return Ok(None) };
    Ok(Some((HeldEntry::of(&row, row.text("node")?)?, row.int("chains")? > 0)))
}

pub(super) async fn remove(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    tx.run("DELETE FROM queue WHERE run = $1", args![id]).await.map(|_| ())
}

/// The run waits for its next attempt.
pub(super) async fn wait_again(tx: &mut Tx<'_>, id: &str, until: Time) -> Result<(), StoreError> {
    let sql = "UPDATE queue SET state = 'waiting', run_at = $2, node = NULL, token = NULL, cancel = 0 WHERE run = $1";
    tx.run(sql, args![id, stamp(until)]).await.map(|_| ())
}

/// What a policy says to one more run of a schedule.
pub(super) enum OverlapDecision {
    /// It may start as far as the schedule goes; these made room for it.
    Open(Displaced),
    /// It waits for the others; these are to make room.
    Hold(Displaced),
    /// It does not start, for this reason.
    Full(&'static str),
}

/// What the policy of a gate says to one more run, of which `most` may run at once. With `wait` it waits whatever the policy.
/// `before` is how many wait before the gate, once that is known: whoever lets many wait in one go counts once.
pub(super) async fn decide_overlap(
    tx: &mut Tx<'_>,
    gate: &str,
    (overlap, most): (Overlap, u32),
    wait: bool,
    before: &mut Option<i64>,
    now: Time,
) -> Result<OverlapDecision, StoreError> {
    let most = i64::from(most);
    if overlap == Overlap::Allow || held::active_of_gate(tx, gate, most).await? < most {
        return Ok(OverlapDecision::Open(Displaced::default()));
    }
    Ok(match overlap {
        // Whoever makes more than are ever run is told so by their rows.
        _ if wait || overlap == Overlap::QueueAll => {
            let count = match *before {
                Some(count) => count,
                None => held::waiting_before(tx, gate, held::MOST_BEFORE_GATE).await?,
            };
            *before = Some(count + 1);
            if count < held::MOST_BEFORE_GATE {
                OverlapDecision::Hold(Displaced::default())
            } else {
                OverlapDecision::Full("queue_full")
            }
        }
        Overlap::Skip => OverlapDecision::Full("max_instances"),
        Overlap::QueueOne if held::waiting_before(tx, gate, 1).await? > 0 => OverlapDecision::Full("max_instances"),
        Overlap::CancelRunning => {
            let (cancelled, stopping) = cancel_where(tx, "gate", gate, "cancelled_by_overlap", now).await?;
            let room = Displaced { cancelled, stopping };
            if room.stopping.is_empty() { OverlapDecision::Open(room) } else { OverlapDecision::Hold(room) }
        }
        Overlap::QueueOne | Overlap::QueueAll | Overlap::Allow => OverlapDecision::Hold(Displaced::default()),
    })
}

/// Ends what waits of a schedule's fire times and has not begun: it was paused or deleted. Their ids.
pub(super) async fn skip_unstarted(
    tx: &mut Tx<'_>,
    schedule: &str,
    reason: &str,
    now: Time,
) -> Result<Vec<String>, StoreError> {
    // In one statement each: a schedule may have left many.
    let sql = "DELETE FROM queue WHERE gate = $1 AND state <> 'claimed' AND EXISTS (SELECT 1 FROM runs
            WHERE runs.id = queue.run AND runs.attempt = 0 AND runs.cause = 'fire')
        RETURNING run, lane, concurrency, gate, gate_most";
    let (mut skipped, mut lanes) = (Vec::new(), BTreeMap::new());
    for row in tx.all(sql, args![schedule]).await? {
        skipped.push(row.text("run")?);
        let entry = HeldEntry::of(&row, String::new())?;
        lanes.insert(entry.lane.clone(), entry);
    }
    end_all(tx, &mut skipped, Status::Skipped, reason, now).await?;
    // What else of their script waited for them may start.
    for entry in lanes.values() {
        held::make_room(tx, entry).await?;
    }
    Ok(skipped)
}

/// Ends runs whose entries are gone.
async fn end_all(
    tx: &mut Tx<'_>,
    runs: &mut [String],
    status: Status,
    reason: &str,
    now: Time,
) -> Result<(), StoreError> {
    if runs.is_empty() {
        return Ok(());
    }
    runs.sort_unstable();
    let mut values = args![status.as_str(), reason, stamp(now)];
    let (these, _) = list(tx.dialect, 4, runs, &mut values);
    tx.run(format!("UPDATE runs SET status = $1, reason = $2, finished_at = $3 WHERE id IN {these}"), values).await?;
    if status != Status::Skipped && tx.first("SELECT 1 AS one FROM chains LIMIT 1", args![]).await?.is_some() {
        for run in runs {
            chains::note_end(tx, run, status).await?;
        }
    }
    Ok(())
}

/// A script's limit has changed: what waits follows it.
pub(super) async fn set_concurrency(tx: &mut Tx<'_>, key: &str, concurrency: Option<u32>) -> Result<(), StoreError> {
    let sql = "UPDATE queue SET concurrency = $2 WHERE lane = $1 AND coalesce(concurrency, 0) <> coalesce($2, 0)";
    if tx.run(sql, args![key, concurrency.map(i64::from)]).await? > 0 {
        held::fill(tx, &Lane::of_key(key.to_owned()), concurrency.map(i64::from)).await?;
    }
    Ok(())
}

/// Ends every run of a lane that has not begun, and asks those under way to stop.
pub(super) async fn cancel_lane(
    tx: &mut Tx<'_>,
    key: &str,
    reason: &str,
    now: Time,
) -> Result<(Vec<String>, Vec<String>), StoreError> {
    cancel_where(tx, "lane", key, reason, now).await
}

async fn cancel_where(
    tx: &mut Tx<'_>,
    column: &str,
    key: &str,
    reason: &str,
    now: Time,
) -> Result<(Vec<String>, Vec<String>), StoreError> {
    let lock = tx.dialect.for_update();
    if !lock.is_empty() {
        tx.all(format!("SELECT run FROM queue WHERE {column} = $1{lock}"), args![key]).await?;
    }
    let runs = |rows: Vec<Row>| rows.iter().map(|row| row.text("run")).collect::<Result<Vec<_>, _>>();
    let sql = format!("DELETE FROM queue WHERE {column} = $1 AND state <> 'claimed' RETURNING run");
    let mut cancelled = runs(tx.all(sql, args![key]).await?)?;
    let sql = format!("UPDATE queue SET cancel = 1 WHERE {column} = $1 AND state = 'claimed' RETURNING run");
    let mut running = runs(tx.all(sql, args![key]).await?)?;
    end_all(tx, &mut cancelled, Status::Cancelled, reason, now).await?;
    running.sort_unstable();
    Ok((cancelled, running))
}

async fn end_unstarted(tx: &mut Tx<'_>, id: &str, status: Status, reason: &str, now: Time) -> Result<(), StoreError> {
    remove(tx, id).await?;
    let sql = "UPDATE runs SET status = $2, reason = $3, finished_at = $4 WHERE id = $1";
    tx.run(sql, args![id, status.as_str(), reason, stamp(now)]).await?;
    chains::note_end(tx, id, status).await.map(|_| ())
}

async fn cancel(tx: &mut Tx<'_>, id: &str, reason: &str, now: Time) -> Result<Cancelled, StoreError> {
    let unlocked = tx.first("SELECT lane, concurrency, gate, gate_most FROM queue WHERE run = $1", args![id]).await?;
    if let Some(row) = unlocked {
        let entry = HeldEntry::of(&row, String::new())?;
        locks::lane(tx, &entry.lane, entry.is_limited()).await?;
        let sql = format!("SELECT node FROM queue WHERE run = $1{}", tx.dialect.for_update());
        match tx.first(sql, args![id]).await?.map(|row| row.text_or_none("node")).transpose()? {
            Some(Some(node)) => {
                tx.run("UPDATE queue SET cancel = 1 WHERE run = $1", args![id]).await?;
                return Ok(Cancelled::Asked(node));
            }
            Some(None) => {
                end_unstarted(tx, id, Status::Cancelled, reason, now).await?;
                held::make_room(tx, &entry).await?;
                return Ok(Cancelled::Done);
            }
            // It ended meanwhile.
            None => {}
        }
    }
    let row = tx.first("SELECT status FROM runs WHERE id = $1", args![id]).await?;
    Ok(match row {
        Some(row) => Cancelled::Final(row.word("status", Status::parse)?),
        None => Cancelled::Unknown,
    })
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

/// Takes a run from a node that does not end it. How it stands then; none when it is no longer held so.
async fn give_up(
    tx: &mut Tx<'_>,
    id: &str,
    token: &str,
    why: &GivenUp,
    now: Time,
) -> Result<Option<Status>, StoreError> {
    let Some(held) = held_by(tx, id, token).await? else { return Ok(None) };
    let row = tx.one(format!("{RUN} WHERE id = $1"), args![id]).await?;
    let run = run_of(&row)?;
    let wanted = tx.one("SELECT cancel FROM queue WHERE run = $1", args![id]).await?.int("cancel")? == 1;
    if let (GivenUp::Postponed { until, reason }, false) = (why, wanted) {
        let sql =
            "UPDATE runs SET status = 'scheduled', reason = $2, attempt = attempt - 1, started_at = NULL WHERE id = $1";
        // Some of it may be what somebody else's server said.
        tx.run(sql, args![id, reason.replace('\0', " ")]).await?;
        wait_again(tx, id, *until).await?;
        held::make_room(tx, &held).await?;
        return Ok(Some(Status::Scheduled));
    }
    let lost = run.lost + u32::from(*why == GivenUp::Lost);
    let (status, reason, error) = if wanted {
        (Status::Cancelled, Some("cancelled while its node was lost"), None)
    } else if run.spec.on_lost == OnLost::Abandon {
        (Status::Abandoned, Some("its node went away, and on_lost is abandon"), None)
    } else if lost >= MAX_LOST {
        let message = format!("the run was lost {lost} times with the node it ran on");
        (Status::Crashed, None, Some(format!(r#"{{"type":"Crashed","message":"{message}","traceback":""}}"#)))
    } else {
        (Status::Queued, Some(if *why == GivenUp::Lost { "lost" } else { "handed_back" }), None)
    };
    let word = if *why == GivenUp::Lost { "lost" } else { "handed_back" };
    attempts::write(tx, id, (&held.node, token), AttemptEnd::unrecorded(word), now).await?;
    tx.run("DELETE FROM output WHERE run = $1", args![id]).await?;
    let finished = status.is_final().then(|| stamp(now));
    let sql = "UPDATE runs SET status = $2, reason = $3, error = $4, lost = $5, finished_at = $6 WHERE id = $1";
    tx.run(sql, args![id, status.as_str(), reason.map(str::to_owned), error, i64::from(lost), finished]).await?;
    if status.is_final() {
        remove(tx, id).await?;
        held::make_room(tx, &held).await?;
        chains::note_end(tx, id, status).await?;
    } else {
        let sql = "UPDATE queue SET state = 'ready', node = NULL, token = NULL, turn = 0 WHERE run = $1";
        tx.run(sql, args![id]).await?;
    }
    Ok(Some(status))
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

    /// Ends a run that has not begun, or has its node told to stop it.
    pub async fn cancel(&self, id: &str, reason: &str, now: Time) -> Result<Cancelled, StoreError> {
        let (id, reason) = (id.to_owned(), reason.to_owned());
        self.write(move |tx| {
            let (id, reason) = (id.clone(), reason.clone());
            Box::pin(async move { cancel(tx, &id, &reason, now).await })
        })
        .await
    }

    /// Which of a node's runs somebody wants cancelled.
    pub async fn wanted_cancelled(&self, node: &str) -> Result<Vec<String>, StoreError> {
        let node = node.to_owned();
        self.read(move |tx| {
            let node = node.clone();
            Box::pin(async move {
                let sql = "SELECT run FROM queue WHERE state = 'claimed' AND node = $1 AND cancel = 1";
                tx.all(sql, args![node]).await?.iter().map(|row| row.text("run")).collect()
            })
        })
        .await
    }

    /// Takes a run from a node that will not end it: it starts again, or ends as its `on_lost` says. None when the node
    /// did not have it by this token any more.
    pub async fn give_up(&self, id: &str, token: &str, why: GivenUp, now: Time) -> Result<Option<Status>, StoreError> {
        let (id, token) = (id.to_owned(), token.to_owned());
        self.write(move |tx| {
            let (id, token, why) = (id.clone(), token.clone(), why.clone());
            Box::pin(async move { give_up(tx, &id, &token, &why, now).await })
        })
        .await
    }

    /// The runs a node holds, with their tokens.
    pub async fn held_by_node(&self, node: &str) -> Result<Vec<(String, String)>, StoreError> {
        let node = node.to_owned();
        self.read(move |tx| {
            let node = node.clone();
            Box::pin(async move {
                let rows =
                    tx.all("SELECT run, token FROM queue WHERE state = 'claimed' AND node = $1", args![node]).await?;
                rows.iter().map(|row| Ok((row.text("run")?, row.text("token")?))).collect()
            })
        })
        .await
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
