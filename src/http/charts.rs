//! Charts that are kept.

use super::below::placed;
use super::body::{self, Query, bad_cursor};
use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::{App, Part, precondition, request_body};
use crate::access::{Caller, Scope};
use crate::api::{self, ChartBody, Page};
use crate::chart::ChartLine;
use crate::script::Name;
use crate::service;
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
        .add(Need::Scope(Scope::Read), routes!(list_charts))
        .add(Need::Scope(Scope::Read), routes!(get_chart))
        .add(Need::Scope(Scope::Write), routes!(put_chart))
        .add(Need::Scope(Scope::Write), routes!(delete_chart))
}

/// The largest chart.
const MOST: usize = 64 << 10;

/// A number of a script's results over time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChartLineRequest {
    /// The script.
    script: String,
    /// Where the number is in the results: a JSON Pointer.
    path: String,
    /// How the values of a slot become one: `avg` by default, `sum`, `min`, `max`, `count`, `first`, `last`.
    agg: Option<String>,
    /// For people.
    label: Option<String>,
}

/// A chart to be kept.
#[derive(Debug, Deserialize, ToSchema)]
struct ChartRequest {
    /// For people; its id by default.
    title: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    labels: Vec<String>,
    /// What it shows: 1 to 20 lines.
    #[serde(default)]
    #[schema(required = true, min_items = 1, max_items = 20)]
    lines: Vec<ChartLineRequest>,
    /// From when on: `30d` by default, or an instant.
    since: Option<String>,
    /// The width of a slot: `1h`, or `auto`; nothing: every value.
    bucket: Option<String>,
}

/// List charts
#[utoipa::path(
    get, path = "/v1/charts", tag = "charts", operation_id = "list_charts",
    params(
        ("label" = Option<String>, Query, description = "Only those with this label"),
        ("limit" = Option<usize>, Query, description = "How many; 100 by default, at most 1000"),
        ("cursor" = Option<String>, Query, description = "Where the last page ended"),
    ),
    responses(
        (status = 200, description = "Charts by id", body = Page<ChartBody>),
    )
)]
pub(super) async fn list_charts(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Result<Json<Page<ChartBody>>, Problem> {
    let limit = query.limit(100, 1000)?;
    let label = query.one("label")?;
    let after =
        query.parse("cursor", |text| Name::parse(text).map(|name| name.key().to_owned()).map_err(|_| bad_cursor()))?;
    let mut charts = app.charts_for(&caller, label, after, limit + 1).await?;
    let more = charts.len() > limit;
    charts.truncate(limit);
    let next_cursor = charts.last().filter(|_| more).map(|chart| chart.key.clone());
    Ok(Json(Page { items: charts.iter().map(ChartBody::from).collect(), next_cursor }))
}

/// Look at a chart
#[utoipa::path(
    get, path = "/v1/charts/{id}", tag = "charts", operation_id = "get_chart",
    params(("id" = String, Path, description = "The chart")),
    responses(
        (status = 200, description = "The chart", body = ChartBody),
    )
)]
pub(super) async fn get_chart(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
) -> Result<Response, Problem> {
    let chart = app.chart_for(&caller, &id).await?;
    Ok(precondition::tagged(Json(ChartBody::from(&chart)).into_response(), &chart.tag()))
}

/// Keep a chart
///
/// As a whole: what is not said is as it is by default.
#[utoipa::path(
    put, path = "/v1/charts/{id}", tag = "charts", operation_id = "put_chart",
    params(
        ("id" = String, Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the chart that is changed: 412 when it was changed meanwhile"),
        ("If-None-Match" = Option<String>, Header, description = "*: 412 when there is one"),
    ),
    request_body(content = ChartRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "It was there, and is so now", body = ChartBody),
        (status = 201, description = "It was made", body = ChartBody),
    )
)]
pub(super) async fn put_chart(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    request: Request,
) -> Result<Response, Problem> {
    let asked = precondition::read(request.headers())?;
    let content = body::read(request.into_body(), MOST).await?;
    let ChartRequest { title, labels, lines, since, bucket } = request_body::read(&content)?;
    let lines =
        lines.into_iter().map(|ChartLineRequest { script, path, agg, label }| ChartLine { script, path, agg, label });
    let request = service::ChartRequest { title, labels, lines: lines.collect(), since, bucket };
    let (chart, is_new) = app.put_chart(&caller, &id, request, &asked).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let response = (status, Json(ChartBody::from(&chart))).into_response();
    let response = placed(response, &format!("/v1/charts/{}", api::part(&chart.id)));
    Ok(precondition::tagged(response, &chart.tag()))
}

/// Delete a chart
#[utoipa::path(
    delete, path = "/v1/charts/{id}", tag = "charts", operation_id = "delete_chart",
    params(
        ("id" = String, Path, description = "The chart"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the chart: 412 when it was changed meanwhile"),
    ),
    responses(
        (status = 204, description = "It is gone"),
    )
)]
pub(super) async fn delete_chart(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    app.delete_chart(&caller, &id, &precondition::read(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
