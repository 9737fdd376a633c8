//! Runs of a schedule by request: one now, and those for fire times of the past.

use super::common::{MOST, computed, just_before, trigger_of};
use crate::access::{Caller, Scope};
use crate::api::{BackfillBody, RunBody};
use crate::clock::{Time, rfc3339};
use crate::exact::Exact;
use crate::http::body::{self, Fields, Query};
use crate::http::described_fields::fields;
use crate::http::endpoints::{Endpoints, Need};
use crate::http::options::{output_of, wait_of};
use crate::http::problem::Problem;
use crate::http::requests::{BackfillRequest, TriggerNowRequest};
use crate::http::submit::Shown;
use crate::http::{App, Part};
use crate::plan::ScheduleStart;
use crate::panics;
use crate::publish::keep_value;
use crate::run::{Cause, Gate, NewRun, new_id};
use crate::schedule::Schedule;
use crate::schedule::request;
use crate::service::{self, ServiceError};
use crate::store::backfill::Backfilled;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use chrono::TimeDelta;
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Run), routes!(trigger_schedule))
        .add(Need::Scope(Scope::Run), routes!(backfill_schedule))
}

/// Most fire times of one backfill.
const MOST_BACKFILLED: usize = 1_000;

/// What a backfill's runs stand behind everything else by, unless told otherwise.
const BACKFILL_PRIORITY: i64 = -10;

impl App {
    /// The run that a schedule starts now, or for a fire time.
    async fn run_of(
        &self,
        schedule: &Schedule,
        args: Option<Exact>,
        cause: Cause,
        now: Time,
    ) -> Result<NewRun, Problem> {
        let script = self.store.script(&schedule.script).await?.ok_or_else(ServiceError::script_gone)?;
        let version = self.version_of(&script, schedule.settings.version).await?;
        let text = service::arguments(args.or_else(|| schedule.settings.args.clone()))?;
        let args = keep_value(&self.store, &self.blobs, text, now).await?;
        let granted = self.store.granted_limits(&script.key).await?;
        let start = ScheduleStart { schedule, script: &script, version: &version, granted: &granted };
        Ok(self.policy.run_of_schedule(start, args, cause, now)?)
    }
}

/// Start a schedule's script now
///
/// Whatever its state; its fire times stay as they are.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/trigger", tag = "schedules", operation_id = "trigger_schedule",
    params(
        ("id" = String, Path, description = "The schedule"),
        ("wait" = Option<String>, Query, description = "Wait so long for the end: 30s; at most 300s"),
        ("output" = Option<String>, Query, description = "How much of what it wrote is shown: 8KiB, which it is by itself with wait; false for nothing"),
    ),
    request_body(content = Option<TriggerNowRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "The run has ended", body = RunBody),
        (status = 201, description = "The run", body = RunBody),
        (status = 202, description = "The run has not ended yet", body = RunBody),
    )
)]
pub(crate) async fn trigger_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let wait = wait_of(&query)?;
    let output = output_of(&query, wait)?;
    let content = body::read(request.into_body(), MOST).await?;
    let args = Fields::read(&content, fields::<TriggerNowRequest>())?.exact("args");
    let schedule = app.schedule_for(&caller, &id).await?;
    let now = app.clock.now();
    let mut new = app.run_of(&schedule, args, Cause::Manual, now).await?;
    (new.created_by, new.bounded) = (caller.id().map(str::to_owned), true);
    app.launch(new, Shown::output(output), None, wait, now).await
}

/// What a backfill is for.
struct Range {
    from: Time,
    until: Time,
    only_missing: bool,
    concurrency: u32,
    priority: i64,
}

impl Range {
    fn read(fields: &mut Fields, now: Time) -> Result<Self, Problem> {
        let mut time = |field: &str| -> Result<Option<Time>, Problem> {
            let text: Option<String> = fields.take(field)?;
            text.map(|text| body::parse_time(&text, now)).transpose().map_err(|why| Problem::invalid(field, why))
        };
        let from =
            time("from")?.ok_or_else(|| Problem::invalid("from", "from is needed: a time, or 7d for so long ago"))?;
        let until = time("until")?.unwrap_or(now);
        if until > now || from > until {
            return Err(Problem::invalid("until", "a backfill is for the past: from, then until, then now"));
        }
        let only_missing = match fields.take::<String>("which")?.as_deref() {
            None | Some("missing") => true,
            Some("all") => false,
            Some(other) => {
                return Err(Problem::invalid(
                    "which",
                    format!("{:?} is neither missing nor all", service::short(other)),
                ));
            }
        };
        let concurrency: u32 = fields.take("concurrency")?.unwrap_or(1);
        if !(1..=1000).contains(&concurrency) {
            return Err(Problem::invalid("concurrency", "concurrency is between 1 and 1000"));
        }
        let priority: i64 = fields.take("priority")?.unwrap_or(BACKFILL_PRIORITY);
        service::check_priority_range(priority)?;
        Ok(Range { from, until, only_missing, concurrency, priority })
    }
}

/// Run for fire times in the past
///
/// `missing` (the default): those without a run that succeeded or still may; `all`: every one. The runs come
/// after others, and `concurrency` of them run at once. They count towards the bound of the queue (`--max-queued`): when it
/// has no room for all of them, none is made. What a crash cuts short is completed by the same request for what is `missing`.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/backfill", tag = "schedules", operation_id = "backfill_schedule",
    params(
        ("id" = String, Path, description = "The schedule"),
        ("dry_run" = Option<bool>, Query, description = "true makes no runs: the answer shows the fire times"),
    ),
    request_body(content = BackfillRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "There was nothing to run for, or what would be run", body = BackfillBody),
        (status = 201, description = "The runs are there", body = BackfillBody),
    )
)]
pub(crate) async fn backfill_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    let mut fields = Fields::read(&content, fields::<BackfillRequest>())?;
    let now = app.clock.now();
    let Range { from, until, only_missing, concurrency, priority } = Range::read(&mut fields, now)?;
    service::check_priority(&caller, Some(priority), None)?;
    let schedule = app.schedule_for(&caller, &id).await?;
    let trigger = trigger_of(&schedule)?;
    // Its start is no bound here: somebody asks for what was before it was made.
    let bounded = |error| Problem::from(request::BadSchedule::trigger(&error));
    let look = move || trigger.fires_between(just_before(from), until, MOST_BACKFILLED);
    let found = computed(&caller, look).await?.map_err(bounded)?;
    if found.more {
        let last = found.fires.last().map(|fire| rfc3339(fire.at)).unwrap_or_default();
        let detail = format!(
            "that is more than {MOST_BACKFILLED} fire times, which one request may ask for; the first {MOST_BACKFILLED} end at {last}"
        );
        return Err(Problem::invalid("until", detail).code("too_many_fire_times"));
    }
    let done = if only_missing { app.store.fire_times_done(&schedule.key, from, until).await? } else { Vec::new() };
    let wanted: Vec<_> = found.fires.iter().filter(|fire| !done.contains(&fire.at)).collect();
    let backfill = new_id(now);
    let mut body = BackfillBody {
        id: backfill.clone(),
        schedule: schedule.id.clone(),
        fire_times: wanted.iter().map(|fire| rfc3339(fire.at)).collect(),
        left_out: (found.fires.len() - wanted.len()) as u64,
        runs: Vec::new(),
    };
    if wanted.is_empty() || query.flag("dry_run", false)? {
        return Ok((StatusCode::OK, Json(body)).into_response());
    }
    let like = app.run_of(&schedule, None, Cause::Backfill, now).await?;
    let runs: Vec<NewRun> = wanted
        .iter()
        .zip(1..)
        .map(|(fire, tick)| {
            let mut new = like.clone();
            new.id = new_id(now + TimeDelta::microseconds(tick));
            (new.priority, new.created_by) = (priority, caller.id().map(str::to_owned));
            new.bounded = true;
            (new.fire_time, new.fire_local) = (Some(fire.at), Some(fire.rfc3339()));
            new.backfill = Some(backfill.clone());
            new.gate = Some(Gate { name: backfill.clone(), most: Some(concurrency) });
            new.spec.gated = true;
            new
        })
        .collect();
    body.runs = runs.iter().map(|run| run.id.clone()).collect();
    let last_that_fits = |fits: u64| {
        let last = usize::try_from(fits).ok().and_then(|fits| fits.checked_sub(1)).and_then(|last| wanted.get(last));
        last.map(|fire| rfc3339(fire.at))
    };
    // It is made whole whether the client waits for it or not. One that a crash cuts short is made whole by asking for what
    // is missing again.
    let (store, signals, bound) = (app.store.clone(), app.signals.clone(), app.queue_bound);
    let making = tokio::spawn(panics::caught_in("backfill", async move {
        let made = store.backfill(runs, bound, now).await;
        signals.notify_queued();
        made
    }));
    match making.await.ok().and_then(Result::ok).ok_or_else(Problem::mistake)?? {
        Backfilled::Made(0) => Err(ServiceError::script_gone().into()),
        Backfilled::Made(_) => Ok((StatusCode::CREATED, Json(body)).into_response()),
        Backfilled::QueueFull { waiting, fits } => {
            Err(backfill_too_large(wanted.len(), waiting, bound, last_that_fits(fits)))
        }
    }
}

/// A backfill that the queue has no room for: how much fits, and how to ask for so much.
fn backfill_too_large(wanted: usize, waiting: u64, bound: u64, last: Option<String>) -> Problem {
    let fits = bound.saturating_sub(waiting);
    let how = match last {
        Some(last) => format!("{fits} more fit: to ask for these, set until to {last}"),
        None => "try again when some have ended".to_owned(),
    };
    let detail = format!(
        "{waiting} runs are waiting, of at most {bound} (--max-queued), and this is for {wanted} fire times; none was made; {how}"
    );
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", detail).retry_after(5)
}
