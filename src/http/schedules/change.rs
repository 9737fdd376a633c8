//! Making schedules and changing parts of them.

use super::MOST;
use crate::access::{Caller, Scope};
use crate::api::{self, ScheduleBody};
use crate::exact::Exact;
use crate::http::access::warn;
use crate::http::below::placed;
use crate::http::body::{self, Fields, Query};
use crate::http::described_fields::fields;
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::http::{App, Part, precondition, requests};
use crate::precondition::Precondition;
use crate::service::{self, AskedArgs, ScheduleKept, ScheduleRequest, Target};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Write), routes!(create_schedule))
        .add(Need::Scope(Scope::Write), routes!(put_schedule))
        .add(Need::Scope(Scope::Write), routes!(patch_schedule))
}

/// The fields of a request that is an object; the arguments apart from the others, as they were written.
async fn read_request(request: Request) -> Result<ScheduleRequest, Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    let mut fields = Fields::read(&content, fields::<requests::ScheduleRequest>())?;
    let args = match fields.has("args").then(|| fields.exact("args")) {
        None => AskedArgs::Unchanged,
        Some(None) => AskedArgs::Nothing,
        Some(Some(args)) => AskedArgs::Args(Exact::parse(&service::arguments(Some(args))?).unwrap_or_default()),
    };
    Ok(ScheduleRequest { fields: fields.rest()?, args, ..ScheduleRequest::default() })
}

/// Changes a schedule, or shows what would be kept.
async fn answer(
    app: &App,
    caller: &Caller,
    target: Target<'_>,
    query: &Query,
    request: Request,
) -> Result<Response, Problem> {
    let is_dry = query.flag("dry_run", false)?;
    let precondition = match target {
        Target::New { .. } => Precondition::None,
        _ => precondition::read(request.headers())?,
    };
    let request = ScheduleRequest { precondition, ..read_request(request).await? };
    if is_dry {
        let schedule = app.try_change_schedule(caller, target, &request).await?;
        return Ok(Json(app.show(&schedule)).into_response());
    }
    let ScheduleKept { schedule, is_new, not_granted, warning } = app.change_schedule(caller, target, &request).await?;
    let body = ScheduleBody { not_granted, ..app.show(&schedule) };
    let place = format!("/v1/schedules/{}", api::part(&body.id));
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = placed((status, Json(body)).into_response(), &place);
    warn(&mut response, warning.as_deref());
    Ok(precondition::tagged(response, &schedule.tag()))
}

/// Make a schedule
///
/// Without a trigger it runs once, now. An id that is taken is a conflict, unless `replace_existing`.
#[utoipa::path(
    post, path = "/v1/schedules", tag = "schedules", operation_id = "create_schedule",
    params(
        ("replace_existing" = Option<bool>, Query, description = "Whether a schedule of that id is changed"),
        ("dry_run" = Option<bool>, Query, description = "Whether nothing is kept: the answer shows what would be"),
    ),
    request_body(content = requests::ScheduleRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "It was there, and is so now; or what would be kept", body = ScheduleBody),
        (status = 201, description = "It was made", body = ScheduleBody),
    )
)]
pub(crate) async fn create_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let replace = query.flag("replace_existing", false)?;
    answer(&app, &caller, Target::New { replace }, &query, request).await
}

/// Make a schedule, or make it so
///
/// What is not said is as it is by default. A trigger that stays the same keeps its phase and fires nothing.
#[utoipa::path(
    put, path = "/v1/schedules/{id}", tag = "schedules", operation_id = "put_schedule",
    params(
        ("id" = String, Path, description = "The schedule"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the schedule that is changed: 412 when it was changed meanwhile"),
        ("If-None-Match" = Option<String>, Header, description = "*: 412 when there is one"),
        ("dry_run" = Option<bool>, Query, description = "Whether nothing is kept: the answer shows what would be"),
    ),
    request_body(content = requests::ScheduleRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "It was there, and is so now; or what would be kept", body = ScheduleBody),
        (status = 201, description = "It was made", body = ScheduleBody),
    )
)]
pub(crate) async fn put_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    answer(&app, &caller, Target::Whole(&id), &query, request).await
}

/// Change parts of a schedule
///
/// What is null is as it is by default again.
#[utoipa::path(
    patch, path = "/v1/schedules/{id}", tag = "schedules", operation_id = "patch_schedule",
    params(
        ("id" = String, Path, description = "The schedule"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the schedule that is changed: 412 when it was changed meanwhile"),
        ("dry_run" = Option<bool>, Query, description = "Whether nothing is kept: the answer shows what would be"),
    ),
    request_body(content = requests::ScheduleRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The schedule as it is now; or what would be kept", body = ScheduleBody),
    )
)]
pub(crate) async fn patch_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    answer(&app, &caller, Target::Parts(&id), &query, request).await
}
