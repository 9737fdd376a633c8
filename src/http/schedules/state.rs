//! Pausing and resuming schedules and the whole scheduler, and deleting schedules.

use super::common::{MOST, TRIES, changed, computed, just_before, trigger_of};
use crate::access::{Caller, Scope};
use crate::api::{ScheduleBody, SchedulerBody};
use crate::clock::{Time, rfc3339};
use crate::http::access::warn;
use crate::http::body::{self, Fields};
use crate::http::described_fields::fields;
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::http::requests::ResumeRequest;
use crate::http::{App, Part};
use crate::schedule::request::{self, jitter};
use crate::schedule::{Origin, State as Standing};
use crate::zone;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Write), routes!(delete_schedule))
        .add(Need::Scope(Scope::Write), routes!(pause_schedule))
        .add(Need::Scope(Scope::Write), routes!(resume_schedule))
        .add(Need::Scope(Scope::Read), routes!(get_scheduler))
        .add(Need::Server(Scope::Admin), routes!(pause_scheduler))
        .add(Need::Server(Scope::Admin), routes!(resume_scheduler))
}

impl App {
    async fn show_scheduler(&self, caller: &Caller) -> Result<SchedulerBody, Problem> {
        let whole = self.store.scheduler().await?;
        // The next fire time is some script's: one that a limited caller may not know of.
        let next = if caller.is_limited() { None } else { self.store.next_schedule().await? };
        Ok(SchedulerBody {
            paused: whole.paused,
            timezone: self.policy.timezone.clone(),
            tzdata: zone::installed().release().to_owned(),
            next_fire_at: next.map(rfc3339),
        })
    }
}

/// Delete a schedule
///
/// Its runs stay; those that wait for their start are skipped.
#[utoipa::path(
    delete, path = "/v1/schedules/{id}", tag = "schedules", operation_id = "delete_schedule",
    params(("id" = String, Path, description = "The schedule")),
    responses(
        (status = 204, description = "It is gone; the header x-cronbox-warning says when it will come back"),
    )
)]
pub(crate) async fn delete_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
) -> Result<Response, Problem> {
    let schedule = app.schedule_for(&caller, &id).await?;
    let gone = app.store.delete_schedule(&schedule.key, app.clock.now()).await?;
    let gone = gone.ok_or_else(|| Problem::not_found("no_such_schedule", "the schedule was deleted meanwhile"))?;
    gone.skipped.iter().for_each(|id| app.signals.notify_ended(id));
    app.signals.notify_queued();
    let mut response = StatusCode::NO_CONTENT.into_response();
    let own = (schedule.origin == Origin::Metadata).then(|| {
        format!(
            "the block of {} names the schedule {}: it comes back with the next push of a source that names it; take it out of \
             the block too",
            schedule.script_name, schedule.id
        )
    });
    warn(&mut response, own.as_deref());
    Ok(response)
}

/// Pause a schedule
///
/// While it is paused its fire times leave no rows; runs that wait for their start are skipped.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/pause", tag = "schedules", operation_id = "pause_schedule",
    params(("id" = String, Path, description = "The schedule")),
    responses(
        (status = 200, description = "It is paused", body = ScheduleBody),
    )
)]
pub(crate) async fn pause_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
) -> Result<Json<ScheduleBody>, Problem> {
    let schedule = app.schedule_for(&caller, &id).await?;
    let paused = app.store.pause_schedule(&schedule.key, None, app.clock.now()).await?;
    let finished = || Problem::conflict("schedule_finished", "the schedule can fire no more");
    let paused = paused.ok_or_else(finished)?;
    paused.skipped.iter().for_each(|id| app.signals.notify_ended(id));
    app.signals.notify_queued();
    app.shown(&schedule.key).await.map(Json)
}

/// Let a schedule fire again
///
/// From now on; or from a time in the past, under its misfire policy.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/resume", tag = "schedules", operation_id = "resume_schedule",
    params(("id" = String, Path, description = "The schedule")),
    request_body(content = Option<ResumeRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "It fires, or has nothing left to fire", body = ScheduleBody),
    )
)]
pub(crate) async fn resume_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    request: Request,
) -> Result<Json<ScheduleBody>, Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    let from = resume_from(&content, app.clock.now())?;
    for _ in 0..TRIES {
        let schedule = app.schedule_for(&caller, &id).await?;
        let now = app.clock.now();
        if schedule.state == Standing::Active && from.is_none() {
            return app.show(&schedule).map(Json);
        }
        let trigger = trigger_of(&schedule)?;
        let cursor = from.map_or(now, just_before);
        let next = computed(&caller, move || request::first(&trigger, cursor, jitter())).await??;
        if app.store.resume_schedule(&schedule.key, schedule.revision, cursor, next, now).await? {
            app.signals.schedules.notify_one();
            return app.shown(&schedule.key).await.map(Json);
        }
    }
    Err(changed())
}

/// `{"from": "2026-01-01T00:00:00Z"}`, or nothing.
fn resume_from(content: &[u8], now: Time) -> Result<Option<Time>, Problem> {
    let from: Option<String> = Fields::read(content, fields::<ResumeRequest>())?.take("from")?;
    let Some(text) = from else { return Ok(None) };
    let from = body::parse_time(&text, now).map_err(|why| Problem::invalid("from", why))?;
    if from > now {
        return Err(Problem::invalid("from", "from lies in the past; to fire from a later time on, set start_date"));
    }
    Ok(Some(from))
}

/// The state of the whole scheduler
#[utoipa::path(
    get, path = "/v1/scheduler", tag = "schedules", operation_id = "get_scheduler",
    responses(
        (status = 200, description = "Whether anything fires, by which zones", body = SchedulerBody),
    )
)]
pub(crate) async fn get_scheduler(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<SchedulerBody>, Problem> {
    app.show_scheduler(&caller).await.map(Json)
}

/// Pause all schedules
#[utoipa::path(
    post, path = "/v1/scheduler/pause", tag = "schedules", operation_id = "pause_scheduler",
    responses(
        (status = 200, description = "Nothing fires", body = SchedulerBody),
    )
)]
pub(crate) async fn pause_scheduler(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<SchedulerBody>, Problem> {
    app.store.pause_scheduler(app.clock.now()).await?;
    app.show_scheduler(&caller).await.map(Json)
}

/// Let all schedules fire again
///
/// From now on; or from a time in the past, each under its misfire policy.
#[utoipa::path(
    post, path = "/v1/scheduler/resume", tag = "schedules", operation_id = "resume_scheduler",
    request_body(content = Option<ResumeRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "They fire", body = SchedulerBody),
    )
)]
pub(crate) async fn resume_scheduler(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<SchedulerBody>, Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    let now = app.clock.now();
    let from = resume_from(&content, now)?;
    app.store.resume_scheduler(from.unwrap_or(now), now).await?;
    app.signals.schedules.notify_one();
    app.show_scheduler(&caller).await.map(Json)
}
