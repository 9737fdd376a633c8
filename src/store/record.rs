//! How attempts ended, written down.

use super::attempts::{self, AttemptEnd};
use super::rows::run::{number, split, word};
use super::tx::{Tx, args, json, stamp, stamp_of};
use super::{Store, StoreError, blobs, chains, held, locks, queue, schedules, script_state};
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
        Some(_) => queue::held_by(tx, id, token).await?.map(|held| (held, false)),
        None => queue::release(tx, id, token, ended.lock.as_deref()).await?,
    };
    let Some((held, has_chains)) = held else { return Ok(Recorded::Late) };
    attempts::write(tx, id, (&held.node, token), AttemptEnd::recorded(ended), now).await?;
    let error = ended.error.as_ref().map(json).transpose()?;
    let first_line =
        |error: &ScriptError| format!("{}: {}", error.type_name, error.message).to_lowercase().replace('\0', " ");
    if ended.has_parts {
        tx.run("DELETE FROM output WHERE run = $1", args![id]).await?;
    }
    let (result, result_blob) = split(ended.result.as_ref());
    let notes = if ended.notes.is_empty() { None } else { Some(json(&ended.notes)?) };
    let network = if ended.network.is_empty() { None } else { Some(json(&ended.network)?) };
    let status = if is_final { ended.status } else { Status::Scheduled };
    let reason = (!is_final).then(|| "retry".to_owned());
    let sql = "UPDATE runs SET status = $2, reason = $3, mode = $4, result = $5, result_blob = $6, result_bytes = $7,
        result_kind = $8, error = $9, error_text = $10, notes = $11, fuel = $12, memory = $13, wall = $14, stdout = $15,
        stdout_blob = $16, stdout_bytes = $17, stdout_dropped = $18, stderr = $19, stderr_blob = $20, stderr_bytes = $21,
        stderr_dropped = $22, finished_at = $23, lost = lost + $24, run_at = coalesce($25, run_at), files = $26, files_bytes = $27,
        network = $28 WHERE id = $1";
    let values = args![
        id,
        status.as_str(),
        reason,
        ended.mode.as_ref().map(word).transpose()?,
        result,
        result_blob.clone(),
        ended.result_bytes.map(number),
        word(&ended.result_kind)?,
        error,
        ended.error.as_ref().map(first_line),
        notes,
        number(ended.fuel),
        number(ended.memory),
        i64::try_from(ended.wall.as_micros()).unwrap_or(i64::MAX),
        ended.stdout.inline.clone(),
        ended.stdout.blob.clone(),
        number(ended.stdout.written.bytes),
        number(ended.stdout.written.dropped),
        ended.stderr.inline.clone(),
        ended.stderr.blob.clone(),
        number(ended.stderr.written.bytes),
        number(ended.stderr.written.dropped),
        is_final.then(|| stamp(now)),
        i64::from(ended.lost),
        stamp_of(ended.next),
        number(ended.left().files),
        number(ended.left().bytes),
        network,
    ];
    tx.run(sql, values).await?;
    for file in &ended.files {
        let sql = "INSERT INTO run_files (run, path, bytes, type, blob) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT DO NOTHING";
        tx.run(sql, args![id, &*file.path, number(file.bytes), &*file.media_type, &*file.blob]).await?;
        blobs::refer(tx, &file.blob, blobs::Owner::Run, id).await?;
    }
    for blob in [&result_blob, &ended.stdout.blob, &ended.stderr.blob].into_iter().flatten() {
        blobs::refer(tx, blob, blobs::Owner::Run, id).await?;
    }
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
    Ok(if makes_due { Recorded::MakesDue } else { Recorded::Done })
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
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move { record(tx, &all.0, &all.1, &all.2, now).await })
        })
        .await
    }
}
