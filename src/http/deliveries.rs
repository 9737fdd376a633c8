//! Messages to channels: looked at, and sent again.

use super::body::Query;
use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::{App, Part};
use crate::access::Scope;
use crate::api::{DeliveryBody, Page};
use crate::service::DeliveryRequest;
use axum::Json;
use axum::extract::State;
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Server(Scope::Read), routes!(list_deliveries))
        .add(Need::Server(Scope::Write), routes!(redeliver))
}

/// List messages to channels
///
/// The newest first.
#[utoipa::path(
    get, path = "/v1/deliveries", tag = "messages", operation_id = "list_deliveries",
    params(
        ("channel" = Option<String>, Query, description = "Only those to this channel"),
        ("state" = Option<String>, Query, description = "`waiting`, `sent` or `dead`"),
        ("alert" = Option<String>, Query, description = "Only those of this alert"),
        ("script" = Option<String>, Query, description = "Only those about this script"),
        ("run" = Option<String>, Query, description = "Only those about this run"),
        ("limit" = Option<usize>, Query, description = "How many; 100 by default, at most 1000"),
        ("cursor" = Option<String>, Query, description = "Where the last page ended"),
    ),
    responses(
        (status = 200, description = "Messages", body = Page<DeliveryBody>),
    )
)]
pub(super) async fn list_deliveries(State(app): State<App>, query: Query) -> Result<Json<Page<DeliveryBody>>, Problem> {
    let limit = query.limit(100, 1000)?;
    let one = |name: &str| query.one(name).map(|value| value.map(str::to_owned));
    let asked = DeliveryRequest {
        channel: one("channel")?,
        alert: one("alert")?,
        run: one("run")?,
        script: one("script")?,
        state: one("state")?,
        before: one("cursor")?,
    };
    let mut found = app.deliveries(asked, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|delivery| delivery.id.clone());
    Ok(Json(Page { items: found.iter().map(DeliveryBody::from).collect(), next_cursor }))
}

/// Send a message again
///
/// With the same id, whether it had arrived or not.
#[utoipa::path(
    post, path = "/v1/deliveries/{id}/redeliver", tag = "messages", operation_id = "redeliver",
    params(("id" = String, Path, description = "The message")),
    responses(
        (status = 200, description = "It waits to be sent", body = DeliveryBody),
    )
)]
pub(super) async fn redeliver(State(app): State<App>, Part(id): Part) -> Result<Json<DeliveryBody>, Problem> {
    Ok(Json(DeliveryBody::from(&app.redeliver(&id).await?)))
}
