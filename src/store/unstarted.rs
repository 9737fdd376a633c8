//! Rows of runs that never start.

use super::columns::Columns;
use super::rows::run::{number, write_labels};
use super::tx::{Tx, json, stamp, stamp_of};
use super::{StoreError, alerts, chains};
use crate::clock::Time;
use crate::run::{NewRun, Status};

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
    let (sql, values) = Columns::default()
        .set("id", &*new.id)
        .set("script", new.script.clone())
        .set("name", &*new.name)
        .set("version", new.version)
        .set("cause", new.cause.as_str())
        .set("status", status.as_str())
        .set("reason", reason)
        .set("priority", new.priority)
        .set("created_at", stamp(now))
        .set("run_at", stamp(new.run_at.unwrap_or(now)))
        .set("finished_at", stamp(now))
        .set("spec", json(&new.spec)?)
        .set_sql("args", "'{}'")
        .set("labels", json(&new.labels)?)
        .set("schedule", new.schedule.clone())
        .set("fire_time", stamp_of(new.fire_time))
        .set("fire_local", new.fire_local.clone())
        .set("fire_until", stamp_of(several.map(|several| several.0)))
        .set("fire_count", several.map(|several| number(several.1)))
        .set("stood_in", stood_in)
        .set("upstream", new.upstream.clone())
        .insert_into("runs");
    let written = tx.run(format!("{sql} ON CONFLICT DO NOTHING"), values).await? > 0;
    if written {
        write_labels(tx, new).await?;
        if status == Status::Missed && chains::follow_missed(tx).await? {
            chains::note_end(tx, &new.id, status).await?;
        }
        alerts::note_unstarted(tx, new, status, now).await?;
    }
    Ok(written)
}
