//! Runs that end before they begin, and those that are asked to stop.

use super::queue::remove;
use super::rows::queue::HeldEntry;
use super::tx::{Row, Tx, args, list, stamp};
use super::{Store, StoreError, alerts, audit, chains, held, locks};
use crate::clock::Time;
use crate::run::{Cancelled, Status};
use std::collections::BTreeMap;

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

/// Ends every run of a lane that has not begun, and asks those under way to stop.
pub(super) async fn cancel_lane(
    tx: &mut Tx<'_>,
    key: &str,
    reason: &str,
    now: Time,
) -> Result<(Vec<String>, Vec<String>), StoreError> {
    cancel_where(tx, "lane", key, reason, now).await
}

/// Ends every run of a gate or a lane that has not begun, and asks those under way to stop: the ids of both.
pub(super) async fn cancel_where(
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
        for run in runs.iter() {
            chains::note_end(tx, run, status).await?;
        }
    }
    if status != Status::Skipped && tx.first("SELECT 1 AS one FROM alerts LIMIT 1", args![]).await?.is_some() {
        for run in runs.iter() {
            alerts::note_end(tx, run, None, now).await?;
        }
    }
    Ok(())
}

async fn end_unstarted(tx: &mut Tx<'_>, id: &str, status: Status, reason: &str, now: Time) -> Result<(), StoreError> {
    remove(tx, id).await?;
    let sql = "UPDATE runs SET status = $2, reason = $3, finished_at = $4 WHERE id = $1";
    tx.run(sql, args![id, status.as_str(), reason, stamp(now)]).await?;
    chains::note_end(tx, id, status).await?;
    alerts::note_end(tx, id, None, now).await
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

impl Store {
    /// Ends a run that has not begun, or has its node told to stop it.
    pub async fn cancel(&self, id: &str, reason: &str, now: Time) -> Result<Cancelled, StoreError> {
        let (id, reason) = (id.to_owned(), reason.to_owned());
        self.write(move |tx| {
            let (id, reason) = (id.clone(), reason.clone());
            Box::pin(async move {
                let cancelled = cancel(tx, &id, &reason, now).await?;
                if matches!(cancelled, Cancelled::Asked(_) | Cancelled::Done) {
                    audit::note(tx, format!("runs/{id}"), None).await?;
                }
                Ok(cancelled)
            })
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
}
