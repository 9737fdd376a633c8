//! Runs of a schedule by request: one now, and those for fire times of the past.

use super::MOST;
use crate::access::{Caller, Scope};
use crate::api::{BackfillBody, RunBody};
use crate::clock::{Time, rfc3339};
use crate::http::body::{self, Query};
use crate::http::endpoints::{Endpoints, Need};
use crate::http::options::{output_of, wait_of};
use crate::http::problem::Problem;
use crate::http::requests::TriggerNowRequest;
use crate::http::submit::Shown;
use crate::http::{App, Part, request_body, requests};
use crate::service::{self, Backfill, BackfillRequest};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Run), routes!(trigger_schedule))
        .add(Need::Scope(Scope::Run), routes!(backfill_schedule))
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
    let TriggerNowRequest { args } = request_body::read(&content)?;
    let now = app.clock.now();
    let new = app.run_of_schedule(&caller, &id, args, now).await?;
    app.launch(new, Shown::output(output), None, wait, now).await
}

/// What a request for a backfill asks for.
fn asked_of(request: requests::BackfillRequest, now: Time) -> Result<BackfillRequest, Problem> {
    let requests::BackfillRequest { from, until, which, concurrency, priority } = request;
    let time = |field: &str, text: Option<String>| {
        text.map(|text| body::parse_time(&text, now)).transpose().map_err(|why| Problem::invalid(field, why))
    };
    let needed = || Problem::invalid("from", "from is needed: a time, or 7d for so long ago");
    let (from, until) = (time("from", from)?.ok_or_else(needed)?, time("until", until)?);
    let only_missing = match which.as_deref() {
        None | Some("missing") => true,
        Some("all") => false,
        Some(other) => {
            return Err(Problem::invalid("which", format!("{:?} is neither missing nor all", service::quoted(other))));
        }
    };
    Ok(BackfillRequest { from, until, only_missing, concurrency, priority })
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
    request_body(content = requests::BackfillRequest, content_type = "application/json"),
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
    let asked = asked_of(request_body::read(&content)?, app.clock.now())?;
    let made = app.backfill(&caller, &id, &asked, query.flag("dry_run", false)?).await?;
    let status = if made.runs.is_empty() { StatusCode::OK } else { StatusCode::CREATED };
    let Backfill { id, schedule, fire_times, left_out, runs } = made;
    let fire_times = fire_times.into_iter().map(rfc3339).collect();
    Ok((status, Json(BackfillBody { id, schedule, fire_times, left_out, runs })).into_response())
}
