//! Runs as rows: the columns of a run, and a run read from them.

use crate::run::{Cause, NewRun, OutputTotals, Run, Status, Value, Written};
use crate::store::StoreError;
use crate::store::tx::{Row, Tx, args, json};
use cronbox_runtime::report::{Mode, ResultKind};
use std::time::Duration;

/// Everything about a run but what it wrote and the source that was sent along.
pub(in crate::store) const RUN: &str =
    "SELECT id, script, name, version, mode, schedule, cause, fire_time, fire_local, fire_until, fire_count, stood_in, upstream, status, reason, attempt, lost,
    priority, created_at, run_at, started_at, finished_at, spec, args, args_blob, result, result_blob, result_bytes,
    result_kind, error, notes, fuel, import_fuel, memory, wall, network, labels, stdout_bytes, stdout_dropped, stderr_bytes, stderr_dropped,
    files, files_bytes, retry_of, created_by FROM runs";

/// A value that stands in one of two columns: as text, or as the key of a blob.
pub(in crate::store) fn value_of(row: &Row, text: &str, blob: &str) -> Result<Option<Value>, StoreError> {
    Ok(match row.text_or_none(text)? {
        Some(text) => Some(Value::Inline(text)),
        None => row.text_or_none(blob)?.map(Value::Blob),
    })
}

/// The run of a row of [`RUN`].
pub(in crate::store) fn run_of(row: &Row) -> Result<Run, StoreError> {
    let number = |column: &str| row.size_or_none(column);
    let word = |column: &str| -> Result<Option<serde_json::Value>, StoreError> {
        Ok(row.text_or_none(column)?.map(serde_json::Value::from))
    };
    let mode = word("mode")?.map(serde_json::from_value::<Mode>).transpose();
    let kind = word("result_kind")?.map(serde_json::from_value::<ResultKind>).transpose();
    let corrupt = |error: serde_json::Error| StoreError::Corrupt(error.to_string());
    Ok(Run {
        id: row.text("id")?,
        script: row.text_or_none("script")?,
        name: row.text("name")?,
        version: row.int_or_none("version")?,
        schedule: row.text_or_none("schedule")?,
        cause: row.word("cause", Cause::parse)?,
        fire_time: row.time_or_none("fire_time")?,
        fire_local: row.text_or_none("fire_local")?,
        fire_until: row.time_or_none("fire_until")?.zip(number("fire_count")?),
        stood_in: row.text_or_none("stood_in")?,
        upstream: row.text_or_none("upstream")?,
        status: row.word("status", Status::parse)?,
        reason: row.text_or_none("reason")?,
        attempt: row.small("attempt")?,
        lost: row.small("lost")?,
        priority: row.int("priority")?,
        created_at: row.time("created_at")?,
        run_at: row.time("run_at")?,
        started_at: row.time_or_none("started_at")?,
        finished_at: row.time_or_none("finished_at")?,
        spec: row.json("spec")?,
        source: None,
        args: value_of(row, "args", "args_blob")?.unwrap_or_else(|| Value::Inline("{}".into())),
        mode: mode.map_err(corrupt)?,
        result: value_of(row, "result", "result_blob")?,
        result_bytes: number("result_bytes")?,
        result_kind: kind.map_err(corrupt)?,
        error: row.json_or_none("error")?,
        notes: row.json_or_none("notes")?.unwrap_or_default(),
        fuel: number("fuel")?,
        import_fuel: row.size("import_fuel")?,
        memory: number("memory")?,
        wall: number("wall")?.map(Duration::from_micros),
        network: row.json_or_none("network")?.unwrap_or_default(),
        labels: row.json("labels")?,
        stdout: Written { bytes: row.size("stdout_bytes")?, dropped: row.size("stdout_dropped")? },
        stderr: Written { bytes: row.size("stderr_bytes")?, dropped: row.size("stderr_dropped")? },
        left: OutputTotals { files: row.size("files")?, bytes: row.size("files_bytes")? },
        retry_of: row.text_or_none("retry_of")?,
        created_by: row.text_or_none("created_by")?,
    })
}

/// A value as the two columns that can hold it: its text, or the key of its blob.
pub(in crate::store) fn split(value: Option<&Value>) -> (Option<String>, Option<String>) {
    match value {
        Some(Value::Inline(text)) => (Some(text.clone()), None),
        Some(Value::Blob(key)) => (None, Some(key.clone())),
        None => (None, None),
    }
}

/// A size as it is kept.
pub(in crate::store) fn number(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A duration as it is kept: in microseconds.
pub(in crate::store) fn micros_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A word of a closed set, as serde writes it, without the quotes.
pub(in crate::store) fn word<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    Ok(json(value)?.trim_matches('"').to_owned())
}

/// Makes a run findable by its labels.
pub(in crate::store) async fn write_labels(tx: &mut Tx<'_>, new: &NewRun) -> Result<(), StoreError> {
    for (key, value) in &new.labels {
        let label = format!("{key}={value}");
        tx.run("INSERT INTO run_labels (label, run) VALUES ($1, $2)", args![label, &*new.id]).await?;
    }
    Ok(())
}
