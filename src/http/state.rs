//! What scripts leave for their next runs, to look at and to set by hand.

use super::body;
use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::{App, Part};
use crate::access::{Caller, Scope};
use crate::api::StateBody;
use crate::clock::rfc3339;
use crate::exact::Exact;
use crate::misfit;
use crate::script::{MAX_STATE, Script};
use crate::service::stored_json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Read), routes!(get_state))
        .add(Need::Scope(Scope::Write), routes!(put_state))
        .add(Need::Scope(Scope::Write), routes!(delete_state))
}

impl App {
    async fn state_of(&self, script: &Script) -> Result<StateBody, Problem> {
        let state = self.store.state(&script.key).await?;
        Ok(StateBody {
            script: script.name.clone(),
            state: stored_json(state.as_ref().map_or(b"{}", |state| state.value.as_bytes()))?,
            revision: state.as_ref().map_or(0, |state| state.revision),
            run: state.as_ref().and_then(|state| state.run.clone()),
            updated_at: state.as_ref().map(|state| rfc3339(state.updated_at)),
        })
    }
}

/// Show a script's state
///
/// What its last run that succeeded left in `context.state`, or what was set since.
#[utoipa::path(
    get, path = "/v1/scripts/{name}/state", tag = "scripts", operation_id = "get_state",
    params(("name" = String, Path, description = "The script")),
    responses(
        (status = 200, description = "The state", body = StateBody),
    )
)]
pub(super) async fn get_state(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
) -> Result<Json<StateBody>, Problem> {
    let script = app.script_for(&caller, &name).await?;
    app.state_of(&script).await.map(Json)
}

/// Set a script's state
///
/// The body is the state: a JSON object of at most 64 KiB. A run under way that changes the state, too, is made again.
#[utoipa::path(
    put, path = "/v1/scripts/{name}/state", tag = "scripts", operation_id = "put_state",
    params(("name" = String, Path, description = "The script")),
    request_body(content = serde_json::Map<String, serde_json::Value>, content_type = "application/json"),
    responses(
        (status = 200, description = "The state as it is now", body = StateBody),
    )
)]
pub(super) async fn put_state(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    request: Request,
) -> Result<Json<StateBody>, Problem> {
    let script = app.script_for(&caller, &name).await?;
    let content = body::read(request.into_body(), MAX_STATE * 2).await?;
    let bad = |error| Problem::bad("bad_json", format!("the body is not JSON: {}", misfit::not_json(&error)));
    let state = Exact::from_slice(&content).map_err(bad)?;
    app.set_state(&script, &state).await?;
    app.state_of(&script).await.map(Json)
}

/// Empty a script's state
#[utoipa::path(
    delete, path = "/v1/scripts/{name}/state", tag = "scripts", operation_id = "delete_state",
    params(("name" = String, Path, description = "The script")),
    responses(
        (status = 204, description = "It is empty"),
    )
)]
pub(super) async fn delete_state(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
) -> Result<StatusCode, Problem> {
    let script = app.script_for(&caller, &name).await?;
    app.clear_state(&script).await?;
    Ok(StatusCode::NO_CONTENT)
}
