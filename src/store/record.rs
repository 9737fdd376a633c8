//! How attempts ended, written down.

use super::attempts::{self, AttemptEnd};
use super::columns::Columns;
use super::queue::Released;
use super::rows::run::{micros_of, number, split, word};
use super::tx::{Tx, args, json, stamp, stamp_of};
use super::{Store, StoreError, alerts, blobs, chains, held, locks, queue, schedules, script_state};
use crate::clock::Time;
use crate::run::{Ended, Recorded, Status};
use cronbox_runtime::report::ScriptError;

async fn record(tx: &mut Tx<'_>, id: &str, token: &str, ended: &Ended, now: Time) -> Result<Recorded, StoreError> {
    if let (Some(state), Status::Succeeded) = (&ended.state, ended.status) {
        // In the order of `locks`.
        if let Some((schedule, _)) = &ended.pauses {
            locks::schedule(tx, schedule).await?;
        }
        if let Some(script) = &ended.lock {
            locks::script(tx, script).await?;
        }
        if !script_state::is_unchanged(tx, id, state.read).await? {
            let attempt = tx.one("SELECT attempt FROM runs WHERE id = $1", args![id]).await?.int("attempt")?;
            let conflicted = ended.conflicted(attempt, now);
            return Ok(match write_end(tx, id, token, &conflicted, now).await? {
                Recorded::Late => Recorded::Late,
                _ => Recorded::Conflict(Box::new(conflicted)),
            });
        }
    }
    write_end(tx, id, token, ended, now).await
}

/// Writes down how an attempt ended.
async fn write_end(tx: &mut Tx<'_>, id: &str, token: &str, ended: &Ended, now: Time) -> Result<Recorded, StoreError> {
    let is_final = ended.next.is_none();
    let pauses = ended.pauses.as_ref().filter(|_| is_final);
    if let Some((schedule, _)) = pauses {
        locks::schedule(tx, schedule).await?;
    }
    let held = match ended.next {
        // It goes on standing in the queue.
        Some(_) => {
            let held = queue::held_by(tx, id, token).await?;
            held.map(|entry| Released { entry, has_chains: false, is_watched: false })
        }
        None => queue::release(tx, id, token, ended.lock.as_deref()).await?,
    };
    let Some(Released { entry: held, has_chains, is_watched }) = held else { return Ok(Recorded::Late) };
    attempts::write(tx, id, &held.node, AttemptEnd::recorded(ended), now).await?;
    if ended.has_parts {
        tx.run("DELETE FROM output WHERE run = $1", args![id]).await?;
    }
    let (sql, values) = columns_of(ended, now)?.update("runs", "id", id);
    tx.run(sql, values).await?;
    keep_files(tx, id, ended).await?;
    let status = status_of(ended);
    if let (Some(state), Status::Succeeded) = (&ended.state, status) {
        script_state::write(tx, id, state, now).await?;
    }
    if let Some(next) = ended.next {
        queue::wait_again(tx, id, next).await?;
    }
    held::make_room(tx, &held).await?;
    if let Some((schedule, most)) = pauses {
        count_failure(tx, schedule, *most, status, now).await?;
    }
    let makes_due = has_chains && chains::note_end(tx, id, status).await?;
    if is_watched {
        alerts::note_end(tx, id, ended.large_result.as_deref(), now).await?;
    }
    Ok(if makes_due { Recorded::MakesDue } else { Recorded::Done })
}

/// How the run stands when the attempt is recorded.
fn status_of(ended: &Ended) -> Status {
    if ended.next.is_none() { ended.status } else { Status::Scheduled }
}

/// The columns of the run that the end of an attempt writes.
pub(super) fn columns_of(ended: &Ended, now: Time) -> Result<Columns, StoreError> {
    let is_final = ended.next.is_none();
    let first_line = |error: &ScriptError| error.to_string().to_lowercase().replace('\0', " ");
    let (result, result_blob) = split(ended.result.as_ref());
    let notes = if ended.notes.is_empty() { None } else { Some(json(&ended.notes)?) };
    let network = if ended.network.is_empty() { None } else { Some(json(&ended.network)?) };
    Ok(Columns::default()
        .set("status", status_of(ended).as_str())
        .set("reason", (!is_final).then(|| "retry".to_owned()))
        .set("mode", ended.mode.as_ref().map(word).transpose()?)
        .set("result", result)
        .set("result_blob", result_blob)
        .set("result_bytes", ended.result_bytes.map(number))
        .set("result_kind", word(&ended.result_kind)?)
        .set("error", ended.error.as_ref().map(json).transpose()?)
        .set("error_text", ended.error.as_ref().map(first_line))
        .set("notes", notes)
        .set("fuel", number(ended.fuel))
        .set("import_fuel", number(ended.import_fuel))
        .set("memory", number(ended.memory))
        .set("wall", micros_of(ended.wall))
        .set("stdout", ended.stdout.inline.clone())
        .set("stdout_blob", ended.stdout.blob.clone())
        .set("stdout_bytes", number(ended.stdout.written.bytes))
        .set("stdout_dropped", number(ended.stdout.written.dropped))
        .set("stderr", ended.stderr.inline.clone())
        .set("stderr_blob", ended.stderr.blob.clone())
        .set("stderr_bytes", number(ended.stderr.written.bytes))
        .set("stderr_dropped", number(ended.stderr.written.dropped))
        .set("finished_at", is_final.then(|| stamp(now)))
        .set_to("lost", "lost + ?", i64::from(ended.lost))
        .set_to("run_at", "coalesce(?, run_at)", stamp_of(ended.next))
        .set("files", number(ended.left().files))
        .set("files_bytes", number(ended.left().bytes))
        .set("network", network))
}

/// Keeps the files that a run left, and refers to the blobs of what it returned and wrote.
async fn keep_files(tx: &mut Tx<'_>, id: &str, ended: &Ended) -> Result<(), StoreError> {
    for file in &ended.files {
        let sql = "INSERT INTO run_files (run, path, bytes, type, blob) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT DO NOTHING";
        tx.run(sql, args![id, &*file.path, number(file.bytes), &*file.media_type, &*file.blob]).await?;
        blobs::refer(tx, &file.blob, blobs::Owner::Run, id).await?;
    }
    let (_, result_blob) = split(ended.result.as_ref());
    for blob in [&result_blob, &ended.stdout.blob, &ended.stderr.blob].into_iter().flatten() {
        blobs::refer(tx, blob, blobs::Owner::Run, id).await?;
    }
    Ok(())
}

/// Counts a schedule's failures in a row, and pauses it when they are too many. Its row is locked.
async fn count_failure(
    tx: &mut Tx<'_>,
    schedule: &str,
    most: u32,
    status: Status,
    now: Time,
) -> Result<(), StoreError> {
    match status {
        Status::Succeeded => {
            tx.run("UPDATE schedules SET failures = 0 WHERE key = $1 AND failures > 0", args![schedule]).await?;
        }
        // Somebody's wish, and no failure.
        Status::Cancelled => {}
        _ => {
            let sql =
                "UPDATE schedules SET failures = failures + 1 WHERE key = $1 AND state = 'active' RETURNING failures";
            let Some(row) = tx.first(sql, args![schedule]).await? else { return Ok(()) };
            let failures = row.int("failures")?;
            if failures >= i64::from(most) {
                let reason = format!("{failures} runs in a row failed, the last one {status} (pause_on_failure)");
                schedules::pause(tx, schedule, Some(reason), now).await?;
            }
        }
    }
    Ok(())
}

impl Store {
    /// Records how an attempt ended, if it is still the holder's of `token`.
    pub async fn record(&self, id: &str, token: &str, ended: Ended, now: Time) -> Result<Recorded, StoreError> {
        let all = std::sync::Arc::new((id.to_owned(), token.to_owned(), ended));
        if let Some(recorded) = self.record_in_one(&all, now).await? {
            return Ok(recorded);
        }
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move { record(tx, &all.0, &all.1, &all.2, now).await })
        })
        .await
    }
}
