//! Runs: making them, and reading them.

use super::columns::Columns;
use super::rows::queue::Lane;
use super::rows::run::{RUN, run_of, split, value_of, write_labels};
use super::rows::script::is_there;
use super::tx::{Row, Tx, args, json, stamp, stamp_of};
use super::{Store, StoreError, blobs, locks, queue};
use crate::clock::Time;
use crate::run::{Claim, Idempotency, Made, NewRun, OutputFile, Run, Status, Value};

async fn make(
    tx: &mut Tx<'_>,
    new: &NewRun,
    idempotency: Option<&Idempotency>,
    claim: Option<&Claim>,
    bound: u64,
    now: Time,
) -> Result<Made, StoreError> {
    if let Some(request) = idempotency {
        // Names that count no longer make room first.
        let sql = "DELETE FROM idempotency WHERE key = $1 AND created_at < $2";
        tx.run(sql, args![&*request.key, stamp(request.since)]).await?;
        let sql =
            "INSERT INTO idempotency (key, body, run, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO NOTHING";
        if tx.run(sql, args![&*request.key, &*request.body, &*new.id, stamp(now)]).await? == 0 {
            let sql = "SELECT body, run FROM idempotency WHERE key = $1";
            let row = tx.one(sql, args![&*request.key]).await?;
            return Ok(if row.text("body")? == request.body { Made::Again(row.text("run")?) } else { Made::KeyReused });
        }
    }
    let lane = Lane::of(new.script.as_deref(), new.created_by.as_deref());
    if let (Some(key), Some(_)) = (&new.script, new.spec.concurrency) {
        locks::script(tx, key).await?;
    }
    let look = queue::look(tx, &lane, bound).await?;
    if !look.has_script {
        forget(tx, idempotency).await?;
        return Ok(Made::NoScript);
    }
    let run_at = new.run_at.unwrap_or(now).max(now);
    // Those whose time is ahead have a bound of their own: they keep nobody from running now.
    let waiting = if run_at > now { queue::bounded_ahead(tx, bound).await? } else { look.waiting };
    if new.bounded && waiting >= i64::try_from(bound).unwrap_or(i64::MAX) {
        forget(tx, idempotency).await?;
        return Ok(Made::QueueFull);
    }
    let place =
        if run_at > now { queue::AHEAD } else { queue::place(tx, &lane, &look, new.spec.concurrency, claim).await? };
    // What is there already was made by this request before its connection was lost. If this node has it, it gives it back.
    let is_new = write(tx, new, &lane, &place, claim, run_at, now).await?;
    let is_claimed = is_new && place.state == queue::QueueState::Claimed;
    Ok(if is_claimed { Made::Claimed { may_have_secrets: true } } else { Made::Waits })
}

/// Inserts a run that a schedule makes; its script's row is locked when anything may have to wait. With `hold` it waits for
/// others of its gate. False when its fire time has a row already, or its script is gone.
pub(super) async fn insert(tx: &mut Tx<'_>, new: &NewRun, hold: bool, now: Time) -> Result<bool, StoreError> {
    let lane = Lane::of(new.script.as_deref(), None);
    let place = if hold {
        if !is_there(tx, lane.key()).await? {
            return Ok(false);
        }
        queue::BEFORE_GATE
    } else {
        let look = queue::look(tx, &lane, 0).await?;
        if !look.has_script {
            return Ok(false);
        }
        queue::place(tx, &lane, &look, new.spec.concurrency, None).await?
    };
    write(tx, new, &lane, &place, None, new.run_at.unwrap_or(now), now).await
}

/// Writes the rows of a run. False when there is one for its fire time.
async fn write(
    tx: &mut Tx<'_>,
    new: &NewRun,
    lane: &Lane,
    place: &queue::QueuePosition,
    claim: Option<&Claim>,
    run_at: Time,
    now: Time,
) -> Result<bool, StoreError> {
    let status = match place.state {
        queue::QueueState::Waiting => Status::Scheduled,
        queue::QueueState::Held | queue::QueueState::Ready => Status::Queued,
        queue::QueueState::Claimed => Status::Running,
    };
    let is_claimed = place.state == queue::QueueState::Claimed;
    let (sql, values) = columns_of_new(new, run_at, now)?
        .set("status", status.as_str())
        .set("attempt", i64::from(is_claimed))
        .set("started_at", is_claimed.then(|| stamp(now)))
        .insert_into("runs");
    if tx.run(format!("{sql} ON CONFLICT DO NOTHING"), values).await? == 0 {
        return Ok(false);
    }
    queue::insert(tx, &new.id, lane, place, new, claim, run_at).await?;
    write_labels(tx, new).await?;
    // What a script's version refers to needs no reference of the run's.
    let sent_along = if new.script.is_none() { [&new.spec.blob, &new.spec.packages] } else { [&None, &None] };
    let (_, args_blob) = split(Some(&new.args));
    for blob in args_blob.iter().chain(sent_along.into_iter().flatten()) {
        blobs::refer(tx, blob, blobs::Owner::Run, &new.id).await?;
    }
    Ok(true)
}

/// The columns of a new run, but for those that tell where it is in the queue: status, attempt, and when that began.
pub(super) fn columns_of_new(new: &NewRun, run_at: Time, now: Time) -> Result<Columns, StoreError> {
    let (args, args_blob) = split(Some(&new.args));
    Ok(Columns::default()
        .set("id", &*new.id)
        .set("script", new.script.clone())
        .set("name", &*new.name)
        .set("version", new.version)
        .set("cause", new.cause.as_str())
        .set("priority", new.priority)
        .set("created_at", stamp(now))
        .set("run_at", stamp(run_at))
        .set("spec", json(&new.spec)?)
        .set("source", new.source.clone())
        .set("args", args)
        .set("args_blob", args_blob)
        .set("labels", json(&new.labels)?)
        .set("retry_of", new.retry_of.clone())
        .set("created_by", new.created_by.clone())
        .set("schedule", new.schedule.clone())
        .set("fire_time", stamp_of(new.fire_time))
        .set("fire_local", new.fire_local.clone())
        .set("backfill", new.backfill.clone())
        .set("upstream", new.upstream.clone())
        // Those of scripts are found by these.
        .set("name_key", new.script.is_none().then(|| new.name.to_lowercase())))
}

async fn forget(tx: &mut Tx<'_>, idempotency: Option<&Idempotency>) -> Result<(), StoreError> {
    if let Some(request) = idempotency {
        tx.run("DELETE FROM idempotency WHERE key = $1", args![&*request.key]).await?;
    }
    Ok(())
}

impl Store {
    /// Makes a run, when the queue has room for it (`bound`) and its request did not make one before. `claim` takes it at
    /// once when it may start and nothing ready goes before it.
    pub async fn make_run(
        &self,
        new: NewRun,
        idempotency: Option<Idempotency>,
        claim: Option<Claim>,
        bound: u64,
        now: Time,
    ) -> Result<Made, StoreError> {
        let all = std::sync::Arc::new((new, idempotency, claim));
        if let Some(made) = self.make_run_in_one(&all, bound, now).await? {
            return Ok(made);
        }
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move { make(tx, &all.0, all.1.as_ref(), all.2.as_ref(), bound, now).await })
        })
        .await
    }

    /// A run by its id.
    pub async fn run(&self, id: &str) -> Result<Option<Run>, StoreError> {
        let id = id.to_owned();
        self.read(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                let row = tx.first(format!("{RUN} WHERE id = $1"), args![id]).await?;
                row.as_ref().map(run_of).transpose()
            })
        })
        .await
    }

    /// What a run left, by path.
    pub async fn files(&self, id: &str) -> Result<Vec<OutputFile>, StoreError> {
        let id = id.to_owned();
        self.read(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                let sql = "SELECT path, bytes, type, blob FROM run_files WHERE run = $1 ORDER BY path";
                let file = |row: &Row| {
                    Ok(OutputFile {
                        path: row.text("path")?,
                        bytes: row.size("bytes")?,
                        media_type: row.text("type")?,
                        blob: row.text("blob")?,
                    })
                };
                tx.all(sql, args![id]).await?.iter().map(file).collect()
            })
        })
        .await
    }

    /// The source that was sent along with a run, when it stands in its row.
    pub async fn run_source(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let id = id.to_owned();
        self.read(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                let row = tx.first("SELECT source FROM runs WHERE id = $1", args![id]).await?;
                Ok(row.map(|row| row.bytes_or_none("source")).transpose()?.flatten())
            })
        })
        .await
    }

    /// The status of a run and the number of its last attempt, without the rest of it.
    pub async fn status(&self, id: &str) -> Result<Option<(Status, u32)>, StoreError> {
        let id = id.to_owned();
        self.read(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                let Some(row) = tx.first("SELECT status, attempt FROM runs WHERE id = $1", args![id]).await? else {
                    return Ok(None);
                };
                Ok(Some((row.word("status", Status::parse)?, row.small("attempt")?)))
            })
        })
        .await
    }

    /// The result of a schedule's last succeeded run before this one; of its script's, when it has no schedule.
    pub async fn previous_result(
        &self,
        script: &str,
        schedule: Option<&str>,
        before: &str,
    ) -> Result<Option<Value>, StoreError> {
        let all = std::sync::Arc::new((script.to_owned(), schedule.map(str::to_owned), before.to_owned()));
        self.read(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (script, schedule, before) = &*all;
                // A script and a schedule of a name that was used before have nothing of those.
                let condition = if schedule.is_some() { "schedule = $3 AND" } else { "" };
                let sql = format!(
                    "SELECT result, result_blob FROM runs WHERE {condition} script = $1 AND status = 'succeeded' AND id < $2
                    AND created_at >= (SELECT created_at FROM scripts WHERE key = $1) ORDER BY id DESC LIMIT 1"
                );
                let mut values = args![&**script, &**before];
                if let Some(schedule) = schedule {
                    values.push(&**schedule);
                }
                let Some(row) = tx.first(sql, values).await? else { return Ok(None) };
                value_of(&row, "result", "result_blob")
            })
        })
        .await
    }
}
