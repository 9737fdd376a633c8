//! The feed of events: read from a place on, without ever leaving one out, and shortened at its old end.
//!
//! The schema writes the events (`migrations/*/0005_events.sql`). SQLite commits in the order of its one writer, so a row's
//! number is its place. On PostgreSQL transactions end in another order than they begin: a row's place begins with its
//! transaction's number, and readers see what is below the oldest transaction that is still open
//! (`pg_snapshot_xmin`, PostgreSQL's documentation, 9.28 "System Information Functions"). A transaction that stays open for
//! long, in any database of the cluster, holds the feed back for that long; it loses nothing.

use super::tx::{Dialect, Row, Tx, args, stamp};
use super::{Store, StoreError};
use crate::clock::Time;
use crate::event::{Event, EventPosition};
use cronbox_runtime::report::ScriptError;

/// Events read at once.
pub const STRIDE: usize = 1_000;
/// Events looked at, and deleted, in one transaction.
const BATCH: usize = 500;

/// What the engines write differently.
struct Words {
    /// The columns that say where an event stands.
    place: &'static str,
    /// The same as an order.
    order: &'static str,
    /// The same, the newest first.
    newest: &'static str,
    /// What comes after the place `$1`, `$2`.
    after: &'static str,
    /// What comes up to it.
    up_to: &'static str,
    /// What readers may see.
    visible: &'static str,
}

fn words(dialect: Dialect) -> Words {
    match dialect {
        Dialect::Sqlite => Words {
            place: "0 AS place, e.seq",
            order: "e.seq",
            newest: "e.seq DESC",
            after: "e.seq > $2 AND $1 >= 0",
            up_to: "e.seq <= $2 AND $1 >= 0",
            visible: "1 = 1",
        },
        Dialect::Postgres => Words {
            place: "e.place, e.seq",
            order: "e.place, e.seq",
            newest: "e.place DESC, e.seq DESC",
            after: "(e.place, e.seq) > ($1, $2)",
            up_to: "(e.place, e.seq) <= ($1, $2)",
            visible: "e.place < (SELECT base FROM feed) + pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
        },
    }
}

fn place_of(row: &Row) -> Result<EventPosition, StoreError> {
    Ok(EventPosition { place: row.int("place")?, seq: row.int("seq")? })
}

fn event_of(row: &Row) -> Result<Event, StoreError> {
    let error: Option<ScriptError> = row.json_or_none("error")?;
    let several = row.time_or_none("fire_until")?.zip(row.int_or_none("fire_count")?);
    Ok(Event {
        place: place_of(row)?,
        at: row.time("at")?,
        type_name: row.text("type")?,
        script: row.text_or_none("script")?,
        name: row.text_or_none("name")?,
        schedule: row.text_or_none("schedule")?,
        run: row.text_or_none("run")?,
        cause: row.text_or_none("cause")?,
        fire_time: row.time_or_none("fire_time")?,
        fire_until: several.map(|(until, count)| (until, count.unsigned_abs())),
        reason: row.text_or_none("reason")?,
        alert: row.text_or_none("alert")?,
        error: error.map(|error| (error.type_name, error.message)),
    })
}

/// The place after which nothing was deleted.
async fn gone(tx: &mut Tx<'_>) -> Result<EventPosition, StoreError> {
    place_of(&tx.one("SELECT gone_place AS place, gone_seq AS seq FROM feed", args![]).await?)
}

/// A database that was restored on another cluster of PostgreSQL finds lower transaction numbers there than its events
/// have: from now on they are counted from a higher base.
pub(super) async fn count_on(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let sql = "UPDATE feed SET base = last.place + 1 - pg_current_xact_id()::text::bigint
        FROM (SELECT greatest((SELECT max(place) FROM events), (SELECT gone_place FROM feed)) AS place) AS last
        WHERE last.place >= base + pg_current_xact_id()::text::bigint";
    tx.run(sql, args![]).await.map(|_| ())
}

impl Store {
    /// What happened after a place, oldest first: at most [`STRIDE`]. None when some of it was deleted already.
    pub async fn events(&self, after: EventPosition) -> Result<Option<Vec<Event>>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let Words { place, order, after: later, visible, .. } = words(tx.dialect);
                let sql = format!(
                    "SELECT {place}, e.at, e.type, e.script, e.name, e.schedule, e.run, e.cause,
                    e.fire_time, e.reason, e.alert, r.error, r.fire_until, r.fire_count
                    FROM events e LEFT JOIN runs r ON r.id = e.run
                    WHERE {later} AND {visible} ORDER BY {order} LIMIT {STRIDE}"
                );
                let found = tx.all(sql, args![after.place, after.seq]).await?;
                // Asked afterwards: what was deleted meanwhile counts.
                if gone(tx).await? > after {
                    return Ok(None);
                }
                found.iter().map(event_of).collect::<Result<_, _>>().map(Some)
            })
        })
        .await
    }

    /// The place of the newest event, or of the newest one before `time`.
    pub async fn newest_event(&self, before: Option<Time>) -> Result<EventPosition, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let Words { place, newest, visible, .. } = words(tx.dialect);
                // In the order of the feed, from its new end: what is found is near, for what is read afterwards is all that
                // lies between.
                let sql =
                    format!("SELECT {place} FROM events e WHERE e.at < $1 AND {visible} ORDER BY {newest} LIMIT 1");
                match tx.first(sql, args![before.map_or(i64::MAX, stamp)]).await? {
                    Some(row) => place_of(&row),
                    None => gone(tx).await,
                }
            })
        })
        .await
    }

    /// The place before the oldest event that is kept.
    pub async fn oldest_event(&self) -> Result<EventPosition, StoreError> {
        self.read(|tx| Box::pin(async move { gone(tx).await })).await
    }

    /// Deletes the oldest events, from before `time`, at most a batch; how many.
    pub async fn forget_events(&self, before: Time) -> Result<u64, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let Words { place, order, up_to, visible, .. } = words(tx.dialect);
                // The oldest ones only: what is young among them keeps those behind it.
                let sql = format!("SELECT {place}, e.at FROM events e WHERE {visible} ORDER BY {order} LIMIT {BATCH}");
                let mut last = None;
                for row in tx.all(sql, args![]).await? {
                    if row.time("at")? >= before {
                        break;
                    }
                    last = Some(place_of(&row)?);
                }
                let Some(last) = last else { return Ok(0) };
                let sql = format!("DELETE FROM events AS e WHERE {up_to}");
                let deleted = tx.run(sql, args![last.place, last.seq]).await?;
                tx.run("UPDATE feed SET gone_place = $1, gone_seq = $2", args![last.place, last.seq]).await?;
                Ok(deleted)
            })
        })
        .await
    }
}
