//! The next fire times of a schedule, and of a trigger in the request.

use super::common::{MOST, computed, trigger_of};
use crate::access::{Caller, Scope};
use crate::api::{FireBody, PreviewBody};
use crate::clock::Time;
use crate::http::body::{self, Fields, Query};
use crate::http::described_fields::fields;
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::http::requests::PreviewRequest;
use crate::http::{App, Part};
use crate::schedule::request;
use crate::trigger::{Budget, MAX_PREVIEW, Trigger, TriggerError};
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
    let now = app.clock.now();
    let schedule = app.schedule_for(&caller, &id).await?;
    let trigger = trigger_of(&schedule)?;
    let from = query.time("from", now)?.unwrap_or(now);
    let count = query.limit_named("count", 10, MAX_PREVIEW)?;
    let shown = computed(&caller, move || preview(&trigger, from, count, &Budget::whole())).await?;
    shown.map_err(|error| request::BadSchedule::trigger(&error).into())
}

/// The next fire times of a trigger in the request
///
/// Nothing is kept: this is how to find out whether a trigger is understood, and how.
#[utoipa::path(
    post, path = "/v1/triggers/preview", tag = "schedules", operation_id = "preview_trigger",
    request_body(content = PreviewRequest, content_type = "application/json"),
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
    let mut fields = Fields::read(&content, fields::<PreviewRequest>())?;
    let now = app.clock.now();
    let asked = fields.raw("trigger")?.filter(|trigger| !trigger.is_null());
    let asked = asked.ok_or_else(|| Problem::invalid("trigger", "there is no trigger to look at"))?;
    let timezone: Option<String> = fields.take("timezone")?;
    let from = fields.take::<String>("from")?.map(|text| body::parse_time(&text, now)).transpose();
    let from = from.map_err(|why| Problem::invalid("from", why))?.unwrap_or(now);
    let count: usize = fields.take("count")?.unwrap_or(10);
    if !(1..=MAX_PREVIEW).contains(&count) {
        return Err(Problem::invalid("count", format!("count is between 1 and {MAX_PREVIEW}")));
    }
    let timezone = timezone.unwrap_or_else(|| app.policy.timezone.clone());
    let look = move || {
        let (trigger, budget) = (request::read_trigger(&asked, &timezone, now)?, Budget::whole());
        let shown =
            trigger.within(&budget).validate(from.min(now)).and_then(|()| preview(&trigger, from, count, &budget));
        shown.map_err(|error| request::BadSchedule::trigger(&error))
    };
    Ok(computed(&caller, look).await??)
}

/// The next fire times of a trigger, all of them within one budget.
fn preview(trigger: &Trigger, from: Time, count: usize, budget: &Budget) -> Result<Json<PreviewBody>, TriggerError> {
    let fires = trigger.within(budget).preview(from, count)?;
    Ok(Json(PreviewBody {
        trigger: trigger.to_json(),
        text: trigger.to_string(),
        timezone: trigger.zone().name().to_owned(),
        notes: trigger.notes().to_vec(),
        fires: fires.iter().map(FireBody::from).collect(),
    }))
}
