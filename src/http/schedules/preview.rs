//! The next fire times of a schedule, and of a trigger in the request.

use super::MOST;
use crate::access::{Caller, Scope};
use crate::api::{FireBody, PreviewBody};
use crate::http::body::{self, Query};
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::http::{App, Part, request_body, requests};
use crate::service::{Preview, PreviewRequest};
use crate::trigger::MAX_PREVIEW;
use axum::extract::{Request, State};
use axum::{Extension, Json};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Read), routes!(preview_schedule))
        .add(Need::Scope(Scope::Read), routes!(preview_trigger))
}

/// A schedule's next fire times
#[utoipa::path(
    get, path = "/v1/schedules/{id}/preview", tag = "schedules", operation_id = "preview_schedule",
    params(
        ("id" = String, Path, description = "The schedule"),
        ("from" = Option<String>, Query, description = "Strictly after this time; now by default"),
        ("count" = Option<usize>, Query, description = "How many; 10 by default, at most 1000"),
    ),
    responses(
        (status = 200, description = "Fire times", body = PreviewBody),
    )
)]
pub(crate) async fn preview_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    query: Query,
) -> Result<Json<PreviewBody>, Problem> {
    let from = query.time("from", app.clock.now())?;
    let count = query.limit_named("count", 10, MAX_PREVIEW)?;
    Ok(body_of(&app.preview_schedule(&caller, &id, from, count).await?))
}

/// The next fire times of a trigger in the request
///
/// Nothing is kept: this is how to find out whether a trigger is understood, and how.
#[utoipa::path(
    post, path = "/v1/triggers/preview", tag = "schedules", operation_id = "preview_trigger",
    request_body(content = requests::PreviewRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "Fire times", body = PreviewBody),
    )
)]
pub(crate) async fn preview_trigger(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<PreviewBody>, Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    let requests::PreviewRequest { trigger, timezone, from, count } = request_body::read(&content)?;
    let now = app.clock.now();
    let from = from.map(|text| body::parse_time(&text, now)).transpose();
    let asked = PreviewRequest {
        trigger: trigger.ok_or_else(|| Problem::invalid("trigger", "there is no trigger to look at"))?,
        timezone,
        from: from.map_err(|why| Problem::invalid("from", why))?,
        count: count.unwrap_or(10),
    };
    Ok(body_of(&app.preview_trigger(&caller, asked).await?))
}

fn body_of(preview: &Preview) -> Json<PreviewBody> {
    let Preview { trigger, fires } = preview;
    Json(PreviewBody {
        trigger: trigger.to_json(),
        text: trigger.to_string(),
        timezone: trigger.zone().name().to_owned(),
        notes: trigger.notes().to_vec(),
        fires: fires.iter().map(FireBody::from).collect(),
    })
}
