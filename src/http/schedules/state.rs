//! Pausing and resuming schedules and the whole scheduler, and deleting schedules.

use super::MOST;
use crate::access::{Caller, Scope};
use crate::api::{ScheduleBody, SchedulerBody};
use crate::clock::{Time, rfc3339};
use crate::http::access::warn;
use crate::http::alerts::{MuteRequest, mute_until};
use crate::http::body;
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::http::requests::ResumeRequest;
use crate::http::{App, Part, request_body};
use crate::service::SchedulerView;
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
        .add(Need::Server(Scope::Admin), routes!(mute_scheduler))
        .add(Need::Server(Scope::Admin), routes!(unmute_scheduler))
}

fn body_of(view: SchedulerView) -> Json<SchedulerBody> {
    let SchedulerView { paused, timezone, tzdata, next_fire_at, muted_until } = view;
    let [next_fire_at, muted_until] = [next_fire_at, muted_until].map(|time| time.map(rfc3339));
    Json(SchedulerBody { paused, timezone, tzdata, next_fire_at, muted_until })
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
    let warning = app.delete_schedule(&caller, &id).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    warn(&mut response, warning.as_deref());
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
    let schedule = app.pause_schedule(&caller, &id).await?;
    Ok(Json(app.show(&schedule)))
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
    let schedule = app.resume_schedule(&caller, &id, from).await?;
    Ok(Json(app.show(&schedule)))
}

/// `{"from": "2026-01-01T00:00:00Z"}`, or nothing.
fn resume_from(content: &[u8], now: Time) -> Result<Option<Time>, Problem> {
    let ResumeRequest { from } = request_body::read(content)?;
    let from = from.map(|text| body::parse_time(&text, now)).transpose();
    from.map_err(|why| Problem::invalid("from", why))
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
    Ok(body_of(app.scheduler(&caller).await?))
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
    Ok(body_of(app.pause_scheduler(&caller).await?))
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
    let from = resume_from(&content, app.clock.now())?;
    Ok(body_of(app.resume_scheduler(&caller, from).await?))
}

/// Mute all alerts
///
/// A maintenance window: schedules fire, and no alert says anything. What still fires at its end is said then.
#[utoipa::path(
    post, path = "/v1/scheduler/mute", tag = "alerts", operation_id = "mute_scheduler",
    request_body(content = MuteRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "No alert says anything for that time", body = SchedulerBody),
    )
)]
pub(crate) async fn mute_scheduler(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<SchedulerBody>, Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    app.mute_all(Some(mute_until(&content, app.clock.now())?)).await?;
    Ok(body_of(app.scheduler(&caller).await?))
}

/// Let alerts speak again
#[utoipa::path(
    post, path = "/v1/scheduler/unmute", tag = "alerts", operation_id = "unmute_scheduler",
    responses(
        (status = 200, description = "Alerts are not muted, but for those that are muted one by one", body = SchedulerBody),
    )
)]
pub(crate) async fn unmute_scheduler(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<SchedulerBody>, Problem> {
    app.mute_all(None).await?;
    Ok(body_of(app.scheduler(&caller).await?))
}
