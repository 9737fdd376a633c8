//! Alerts.

use super::below::placed;
use super::body::{self, Query, bad_cursor};
use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::{App, Part, precondition, request_body};
use crate::access::{Caller, Scope};
use crate::alert::About;
use crate::api::{self, AlertAboutBody, AlertBody, ConditionPreviewBody, Page};
use crate::clock::Time;
use crate::quantity::Quantity;
use crate::script::Name;
use crate::service::{self, AlertView};
use crate::store::alerts::AlertFilter;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Read), routes!(list_alerts))
        .add(Need::Scope(Scope::Read), routes!(get_alert))
        .add(Need::Scope(Scope::Write), routes!(put_alert))
        .add(Need::Scope(Scope::Write), routes!(delete_alert))
        .add(Need::Scope(Scope::Write), routes!(mute_alert))
        .add(Need::Scope(Scope::Write), routes!(unmute_alert))
        .add(Need::Scope(Scope::Read), routes!(preview_condition))
}

/// The largest request.
const MOST: usize = 16 << 10;

/// An alert to be kept.
#[derive(Debug, Deserialize, ToSchema)]
struct AlertRequest {
    /// What is watched: `{"script": …}`, `{"schedule": …}`, `{"label": "team=data"}` or `{"everything": true}`.
    #[schema(required = true, value_type = AlertAboutBody)]
    about: Option<AlertAboutBody>,
    /// The condition: `failed 3`, `late 5m`, `/price > 100`.
    #[schema(required = true, value_type = String, max_length = 300)]
    text: Option<String>,
    /// The channels that are told.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 20)]
    notify: Vec<String>,
    /// After how long it says again that it fires: `24h` by default, `never`.
    #[schema(value_type = Option<Value>)]
    repeat: Option<Quantity>,
    /// Whether it says that it is over; by default it does.
    recovered: Option<bool>,
}

/// A condition to be looked at.
#[derive(Debug, Deserialize, ToSchema)]
struct ConditionPreviewRequest {
    /// The condition: `failed 3`, `late 5m`, `/price > 100`.
    #[schema(required = true, value_type = String, max_length = 300)]
    text: Option<String>,
    /// What an alert with it would watch.
    #[schema(value_type = Option<AlertAboutBody>)]
    about: Option<AlertAboutBody>,
}

/// How long nothing is said: one of these.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct MuteRequest {
    /// For so long: `2h`.
    #[schema(value_type = Option<Value>)]
    r#for: Option<Quantity>,
    /// Until this instant.
    until: Option<String>,
}

/// Until when a request mutes.
pub(super) fn mute_until(content: &[u8], now: Time) -> Result<Time, Problem> {
    let MuteRequest { r#for: span, until } = request_body::read(content)?;
    let text = match (span, until) {
        (Some(span), None) => {
            let time = crate::quantity::parse_duration(&span.to_string());
            let time = time.map_err(|why| Problem::invalid("for", format!("for: {why}")))?;
            return Ok(crate::clock::after(now, time));
        }
        (None, Some(until)) => until,
        _ => return Err(Problem::invalid("for", "say how long: {\"for\": \"2h\"}, or {\"until\": …} with an instant")),
    };
    body::parse_time_ahead(&text, now).map_err(|why| Problem::invalid("until", why))
}

fn about_of(asked: AlertAboutBody) -> Result<About, Problem> {
    let name = |field: &str, name: &str| {
        Name::parse(name).map_err(|error| Problem::invalid(&format!("about.{field}"), error.to_string()))
    };
    let AlertAboutBody { script, schedule, label, everything } = asked;
    match (script, schedule, label, everything.unwrap_or_default()) {
        (Some(script), None, None, false) => Ok(About::Script(name("script", &script)?)),
        (None, Some(schedule), None, false) => Ok(About::Schedule(name("schedule", &schedule)?)),
        (None, None, Some(label), false) => {
            About::label(&label).map_err(|error| Problem::invalid("about.label", error.to_string()))
        }
        (None, None, None, true) => Ok(About::Everything),
        _ => {
            let why = "an alert is about one thing: {\"script\": …}, {\"schedule\": …}, {\"label\": \"team=data\"} or {\"everything\": true}";
            Err(Problem::invalid("about", why))
        }
    }
}

/// What a list of alerts is to be about.
fn about_asked(query: &Query) -> Result<Option<String>, Problem> {
    let [script, schedule, label] = [query.one("script")?, query.one("schedule")?, query.one("label")?];
    let asked = AlertAboutBody {
        script: script.map(str::to_owned),
        schedule: schedule.map(str::to_owned),
        label: label.map(str::to_owned),
        everything: None,
    };
    match (script, schedule, label) {
        (None, None, None) => Ok(None),
        _ => about_of(asked).map(|about| Some(about.key())),
    }
}

fn answer(status: StatusCode, view: AlertView) -> Response {
    let tag = view.alert.tag();
    let response = (status, Json(AlertBody::of(&view.alert, view.warnings))).into_response();
    precondition::tagged(response, &tag)
}

/// List alerts
///
/// Their warnings are told where one alert is asked for.
#[utoipa::path(
    get, path = "/v1/alerts", tag = "alerts", operation_id = "list_alerts",
    params(
        ("script" = Option<String>, Query, description = "Only those about this script"),
        ("schedule" = Option<String>, Query, description = "Only those about this schedule"),
        ("label" = Option<String>, Query, description = "Only those about this label"),
        ("state" = Option<String>, Query, description = "Only those that are ok, or that fire"),
        ("notify" = Option<String>, Query, description = "Only those that tell this channel"),
        ("limit" = Option<usize>, Query, description = "How many; 100 by default, at most 1000"),
        ("cursor" = Option<String>, Query, description = "Where the last page ended"),
    ),
    responses(
        (status = 200, description = "Alerts by id", body = Page<AlertBody>),
    )
)]
pub(super) async fn list_alerts(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Result<Json<Page<AlertBody>>, Problem> {
    let limit = query.limit(100, 1000)?;
    let is_firing = query.parse("state", |word| match word {
        "ok" => Ok(false),
        "firing" => Ok(true),
        other => Err(format!("{:?} is not a state: there are ok and firing", service::quoted(other))),
    })?;
    let after =
        query.parse("cursor", |text| Name::parse(text).map(|name| name.key().to_owned()).map_err(|_| bad_cursor()))?;
    let notify = query.one("notify")?.map(str::to_owned);
    let filter = AlertFilter { about: about_asked(&query)?, is_firing, notify, after, limit: limit + 1 };
    let mut alerts = app.alerts_for(&caller, filter).await?;
    let more = alerts.len() > limit;
    alerts.truncate(limit);
    let next_cursor = alerts.last().filter(|_| more).map(|alert| alert.key.clone());
    Ok(Json(Page { items: alerts.iter().map(|alert| AlertBody::of(alert, Vec::new())).collect(), next_cursor }))
}

/// Look at an alert
#[utoipa::path(
    get, path = "/v1/alerts/{id}", tag = "alerts", operation_id = "get_alert",
    params(("id" = String, Path, description = "The alert")),
    responses(
        (status = 200, description = "The alert", body = AlertBody),
    )
)]
pub(super) async fn get_alert(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
) -> Result<Response, Problem> {
    Ok(answer(StatusCode::OK, app.alert_for(&caller, &id).await?))
}

/// Keep an alert
///
/// As a whole: what is not said is as it is by default. With another condition it begins as ok.
#[utoipa::path(
    put, path = "/v1/alerts/{id}", tag = "alerts", operation_id = "put_alert",
    params(
        ("id" = String, Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the alert that is changed: 412 when it was changed meanwhile"),
        ("If-None-Match" = Option<String>, Header, description = "*: 412 when there is one"),
    ),
    request_body(content = AlertRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "It was there, and is so now", body = AlertBody),
        (status = 201, description = "It was made", body = AlertBody),
    )
)]
pub(super) async fn put_alert(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    request: Request,
) -> Result<Response, Problem> {
    let asked = precondition::read(request.headers())?;
    let content = body::read(request.into_body(), MOST).await?;
    let AlertRequest { about, text, notify, repeat, recovered } = request_body::read(&content)?;
    let about = about.map(about_of).transpose()?;
    let request = service::AlertRequest { about, text, notify, repeat, recovered };
    let (view, is_new) = app.put_alert(&caller, &id, request, &asked).await?;
    let address = format!("/v1/alerts/{}", api::part(&view.alert.id));
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(placed(answer(status, view), &address))
}

/// Delete an alert
///
/// One of a script's block is deleted there; when its script is gone, here.
#[utoipa::path(
    delete, path = "/v1/alerts/{id}", tag = "alerts", operation_id = "delete_alert",
    params(
        ("id" = String, Path, description = "The alert"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the alert: 412 when it was changed meanwhile"),
    ),
    responses(
        (status = 204, description = "It is gone"),
    )
)]
pub(super) async fn delete_alert(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    app.delete_alert(&caller, &id, &precondition::read(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Mute an alert
///
/// Its state still changes. When it fires at the end of that time, it says so then.
#[utoipa::path(
    post, path = "/v1/alerts/{id}/mute", tag = "alerts", operation_id = "mute_alert",
    params(("id" = String, Path, description = "The alert")),
    request_body(content = MuteRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "It says nothing for that time", body = AlertBody),
    )
)]
pub(super) async fn mute_alert(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    request: Request,
) -> Result<Response, Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    let until = mute_until(&content, app.clock.now())?;
    Ok(answer(StatusCode::OK, app.mute_alert(&caller, &id, Some(until)).await?))
}

/// Let an alert speak again
#[utoipa::path(
    post, path = "/v1/alerts/{id}/unmute", tag = "alerts", operation_id = "unmute_alert",
    params(("id" = String, Path, description = "The alert")),
    responses(
        (status = 200, description = "It is not muted", body = AlertBody),
    )
)]
pub(super) async fn unmute_alert(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
) -> Result<Response, Problem> {
    Ok(answer(StatusCode::OK, app.mute_alert(&caller, &id, None).await?))
}

/// Read a condition
///
/// Nothing is kept: this is how to find out whether a condition is understood, and how. With `about`, also what can keep an alert
/// with it from being useful.
#[utoipa::path(
    post, path = "/v1/conditions/preview", tag = "alerts", operation_id = "preview_condition",
    request_body(content = ConditionPreviewRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "How it is read", body = ConditionPreviewBody),
    )
)]
pub(super) async fn preview_condition(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<ConditionPreviewBody>, Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    let ConditionPreviewRequest { text, about } = request_body::read(&content)?;
    let text = text.ok_or_else(|| Problem::invalid("text", "there is no condition to look at"))?;
    let about = about.map(about_of).transpose()?;
    let (condition, warnings) = app.preview_condition(&caller, &text, about).await?;
    Ok(Json(ConditionPreviewBody { text: condition.to_string(), words: condition.words(), warnings }))
}
