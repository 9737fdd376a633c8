//! The two changes that every run makes, each as one statement, where the server is asked over a connection: on PostgreSQL.
//!
//! As transactions they were five statements each, with one way to the server and back for each of them. A statement is a
//! transaction by itself, and its parts see the database as it is when it begins. Only what is usual is done so: a run that has
//! to wait for nothing of its own, and an end that nothing hangs on. Each asks for that in its own conditions and changes nothing
//! where they do not hold; the caller then does the same by several statements (`runs.rs`, `record.rs`). Both take the locks
//! of `locks.rs` in its order: the entry of the queue is the only one.

use super::queue::{LONGEST_TURN, QueueState};
use super::record::columns_of;
use super::rows::queue::Lane;
use super::rows::run::{micros_of, number};
use super::runs::columns_of_new;
use super::tx::{Tx, stamp};
use super::{Store, StoreError, alerts};
use crate::clock::Time;
use crate::run::{Claim, Ended, Made, NewRun, Recorded, Status, Value};
use std::sync::Arc;

/// Whether making a run needs no lock and no other row than its own two.
fn is_usual(new: &NewRun, now: Time) -> bool {
    let refers = new.script.is_none() && (new.spec.blob.is_some() || new.spec.packages.is_some());
    new.run_at.is_none_or(|at| at <= now)
        && new.spec.concurrency.is_none()
        && new.gate.is_none()
        && new.labels.is_empty()
        && matches!(new.args, Value::Inline(_))
        && !refers
}

/// Whether an end leaves nothing but its own rows.
fn is_plain(ended: &Ended) -> bool {
    let has_blob = matches!(ended.result, Some(Value::Blob(_)));
    ended.next.is_none()
        && ended.lock.is_none()
        && ended.pauses.is_none()
        && ended.state.is_none()
        && !ended.has_parts
        && ended.files.is_empty()
        && !has_blob
        && ended.stdout.blob.is_none()
        && ended.stderr.blob.is_none()
}

async fn make(
    tx: &mut Tx<'_>,
    new: &NewRun,
    claim: Option<&Claim>,
    bound: u64,
    now: Time,
) -> Result<Option<Made>, StoreError> {
    let lane = Lane::of(new.script.as_deref(), new.created_by.as_deref());
    // Who offers to take the run has it unless another may start before it.
    let is_taken = if claim.is_some() { "look.ready = 0" } else { "look.ready < 0" };
    let cases = |taken: &str, other: &str| format!("CASE WHEN {is_taken} THEN {taken} ELSE {other} END");
    let word = |status: Status| format!("'{}'", status.as_str());
    let mut columns = columns_of_new(new, now, now)?;
    let now = columns.value(stamp(now));
    let mut columns = columns
        .set_sql("status", cases(&word(Status::Running), &word(Status::Queued)))
        .set_sql("attempt", cases("1", "0"))
        .set_sql("started_at", cases(&now, "NULL"));
    let lane_place = columns.value(lane.key());
    let has_room = if new.bounded { format!("look.waiting < {bound}") } else { "1 = 1".into() };
    let has_script = if new.script.is_some() {
        format!("(SELECT count(*) FROM scripts WHERE key = {lane_place})")
    } else {
        "1::bigint".into()
    };
    let state = |state: QueueState| format!("'{}'", state.as_str());
    let queued = [
        ("run", "made.id".to_owned()),
        ("state", cases(&state(QueueState::Claimed), &state(QueueState::Ready))),
        ("lane", lane_place.clone()),
        ("priority", columns.value(new.priority)),
        ("turn", "look.turn".into()),
        ("run_at", now),
        ("bounded", i64::from(new.bounded).to_string()),
        ("node", cases(&columns.value(claim.map(|claim| claim.node.clone())), "NULL")),
        ("token", cases(&columns.value(claim.map(|claim| claim.token.clone())), "NULL")),
        ("passed", "1".into()),
    ];
    let names: Vec<&str> = queued.iter().map(|(name, _)| *name).collect();
    let parts: Vec<&str> = queued.iter().map(|(_, sql)| &**sql).collect();
    let (run, values) = columns.insert_from("runs", "look");
    let sql = format!(
        "WITH look AS (SELECT {has_script} AS scripts,
            (SELECT count(*) FROM (SELECT 1 FROM queue WHERE bounded = 1 AND state IN ('ready', 'held') LIMIT {bound}) AS a) AS waiting,
            (SELECT count(*) FROM (SELECT 1 FROM queue WHERE lane = {lane_place} AND state IN ('claimed', 'held', 'ready') LIMIT {LONGEST_TURN}) AS b) AS turn,
            (SELECT count(*) FROM (SELECT 1 FROM queue WHERE state = 'ready' LIMIT 1) AS c) AS ready),
        made AS ({run} WHERE look.scripts > 0 AND {has_room} ON CONFLICT DO NOTHING RETURNING id),
        queued AS (INSERT INTO queue ({}) SELECT {} FROM look, made RETURNING state)
        SELECT look.scripts, CASE WHEN {has_room} THEN 1::bigint ELSE 0::bigint END AS has_room, (SELECT state FROM queued) AS state,
            (SELECT count(*) FROM (SELECT 1 FROM secret_grants WHERE script = {lane_place} AND revoked = 0 LIMIT 1) AS d) AS secrets
        FROM look",
        names.join(", "),
        parts.join(", "),
    );
    let row = tx.one(sql, values).await?;
    if row.int("scripts")? == 0 {
        return Ok(Some(Made::NoScript));
    }
    if row.int("has_room")? == 0 {
        return Ok(Some(Made::QueueFull));
    }
    Ok(match row.text_or_none("state")? {
        Some(state) if state == QueueState::Claimed.as_str() => {
            Some(Made::Claimed { may_have_secrets: row.int("secrets")? > 0 })
        }
        Some(_) => Some(Made::Waits),
        // A row stood in its way: what becomes of it is told by the other way.
        None => None,
    })
}

async fn record(
    tx: &mut Tx<'_>,
    id: &str,
    token: &str,
    ended: &Ended,
    now: Time,
) -> Result<Option<Recorded>, StoreError> {
    let mut columns = columns_of(ended, now)?;
    let (id, token) = (columns.value(id), columns.value(token));
    // PostgreSQL keeps no NUL.
    let error = columns.value(ended.error.as_ref().map(|error| error.to_string().replace('\0', " ")));
    let used = [number(ended.fuel), number(ended.memory), micros_of(ended.wall)];
    let used = used.map(|used| columns.value(used)).join(", ");
    let (now, outcome) = (columns.value(stamp(now)), columns.value(ended.status.as_str()));
    let (run, values) = columns.update_from("runs", "released", "released.run");
    let sql = format!(
        "WITH released AS (DELETE FROM queue WHERE run = {id} AND token = {token} AND concurrency IS NULL
            AND gate_most IS NULL AND NOT EXISTS (SELECT 1 FROM chains) AND {} = 0 RETURNING run, node),
        attempt AS (INSERT INTO attempts (run, number, node, started_at, finished_at, outcome, error, fuel, memory, wall)
            SELECT r.id, r.attempt, released.node, r.started_at, {now}, {outcome}, {error}, {used}
            FROM runs r JOIN released ON r.id = released.run ON CONFLICT DO NOTHING),
        ended AS ({run})
        SELECT count(*) AS released FROM released",
        alerts::IS_WATCHED
    );
    // What is late, and what something hangs on, is told by the other way.
    Ok((tx.one(sql, values).await?.int("released")? > 0).then_some(Recorded::Done))
}

impl Store {
    /// [`Store::make_run`] in one way to the server; none where it has to be done by several statements. Nothing was changed
    /// then, unless the connection was lost: a run of this id may be there.
    pub(super) async fn make_run_in_one(
        &self,
        all: &Arc<(NewRun, Option<crate::run::Idempotency>, Option<Claim>)>,
        bound: u64,
        now: Time,
    ) -> Result<Option<Made>, StoreError> {
        if !self.is_shared() || all.1.is_some() || !is_usual(&all.0, now) {
            return Ok(None);
        }
        let all = all.clone();
        self.write_in_one(move |tx| {
            let all = all.clone();
            Box::pin(async move { make(tx, &all.0, all.2.as_ref(), bound, now).await })
        })
        .await
    }

    /// [`Store::record`] in one way to the server; none where it has to be done by several statements.
    pub(super) async fn record_in_one(
        &self,
        all: &Arc<(String, String, Ended)>,
        now: Time,
    ) -> Result<Option<Recorded>, StoreError> {
        if !self.is_shared() || !is_plain(&all.2) {
            return Ok(None);
        }
        let all = all.clone();
        self.write_in_one(move |tx| {
            let all = all.clone();
            Box::pin(async move { record(tx, &all.0, &all.1, &all.2, now).await })
        })
        .await
    }
}
