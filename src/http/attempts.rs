//! The attempts of a run.

use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::{App, Part};
use crate::access::{Caller, Scope};
use crate::api::{AttemptBody, Page};
use axum::extract::State;
use axum::{Extension, Json};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default().add(Need::Scope(Scope::Read), routes!(list_attempts))
}

/// List the attempts of a run
///
/// The first one first, with the one that is running now. A run has several when it was retried, or when its node or its
/// sandbox process went away.
#[utoipa::path(
    get, path = "/v1/runs/{id}/attempts", tag = "runs", operation_id = "list_attempts",
    params(("id" = String, Path, description = "The run")),
    responses(
        (status = 200, description = "Attempts, by number", body = Page<AttemptBody>),
    )
)]
pub(super) async fn list_attempts(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
) -> Result<Json<Page<AttemptBody>>, Problem> {
    let run = app.run_for(&caller, &id).await?;
    let attempts = app.store.attempts(&run.id).await?;
    Ok(Json(Page { items: attempts.iter().map(AttemptBody::from).collect(), next_cursor: None }))
}
