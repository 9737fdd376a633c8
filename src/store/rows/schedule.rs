//! Schedules as rows: the columns of a schedule, and a schedule read from them.

use crate::run::Status;
use crate::schedule::{LastRun, Origin, Schedule, SchedulerState, State, StoredTrigger};
use crate::store::StoreError;
use crate::store::tx::{Row, Tx, args};

/// A schedule's newest run.
pub(in crate::store) const NEWEST: &str = "(SELECT id FROM runs WHERE schedule = s.key ORDER BY id DESC LIMIT 1)";

/// None: for those who do not ask for it.
pub(in crate::store) const NO_RUN: &str = "NULL";

/// Schedules, each with this run.
pub(in crate::store) fn with_run(run: &str) -> String {
    format!(
        "SELECT s.key, s.id, s.script, c.name AS script_name, s.origin, s.edited, s.reach, s.settings, s.trigger_json, s.state,
        s.reason, s.revision, s.cursor, s.next_fire_at, s.next_due_at, s.fired,
        coalesce(s.read_at, s.created_at) AS read_at, s.created_at, s.updated_at, s.created_by,
        r.id AS last_id, r.status AS last_status, r.fire_time AS last_fire_time
        FROM schedules s JOIN scripts c ON c.key = s.script LEFT JOIN runs r ON r.id = {run}"
    )
}

/// The schedule of a row of [`with_run`].
pub(in crate::store) fn schedule_of(row: &Row) -> Result<Schedule, StoreError> {
    let last_run = match row.text_or_none("last_id")? {
        Some(id) => Some(LastRun {
            id,
            status: row.word("last_status", Status::parse)?,
            fire_time: row.time_or_none("last_fire_time")?,
        }),
        None => None,
    };
    let created_at = row.time("created_at")?;
    Ok(Schedule {
        id: row.text("id")?,
        key: row.text("key")?,
        script: row.text("script")?,
        script_name: row.text("script_name")?,
        origin: row.word("origin", Origin::parse)?,
        edited: row.int("edited")? != 0,
        reach: row.json_or_none("reach")?.unwrap_or_default(),
        settings: row.json("settings")?,
        trigger: StoredTrigger::from_row(row.json("trigger_json")?, created_at),
        state: row.word("state", State::parse)?,
        reason: row.text_or_none("reason")?,
        revision: row.int("revision")?,
        cursor: row.time("cursor")?,
        next_fire_at: row.time_or_none("next_fire_at")?,
        next_due_at: row.time_or_none("next_due_at")?,
        fired: row.size("fired")?,
        last_run,
        read_at: row.time("read_at")?,
        created_at,
        updated_at: row.time("updated_at")?,
        created_by: row.text_or_none("created_by")?,
    })
}

/// How the whole scheduler stands.
pub(in crate::store) async fn scheduler_state(tx: &mut Tx<'_>) -> Result<SchedulerState, StoreError> {
    let row = tx.one("SELECT paused, floor, tzdata FROM scheduler", args![]).await?;
    Ok(SchedulerState {
        paused: row.int("paused")? != 0,
        floor: row.time("floor")?,
        tzdata: row.text_or_none("tzdata")?,
    })
}
