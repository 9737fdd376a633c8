//! Rows of runs that never start.

use super::rows::run::write_labels;
use super::tx::{Tx, args, json, stamp, stamp_of};
use super::{StoreError, chains};
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
