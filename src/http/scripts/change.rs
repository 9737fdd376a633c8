//! Changing the settings of a script, going back to a version, and deleting it.

use super::publish::body_of;
use crate::access::{Caller, Scope};
use crate::api::{ScriptBody, UploadedBody};
use crate::http::access::warn;
use crate::http::body::{self, Fields, Query};
use crate::http::described_fields::fields;
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::http::requests::{RollbackRequest, SettingsRequest};
use crate::http::{App, Part, precondition, request_body};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Write), routes!(patch_script))
        .add(Need::Scope(Scope::Write), routes!(delete_script))
        .add(Need::Scope(Scope::Write), routes!(roll_back_script))
}

/// The largest change of settings.
const MOST_SETTINGS: usize = 1 << 20;

/// Change a script's settings
///
/// What is not there stays; null takes away what was set, so that what the source says holds again.
#[utoipa::path(
    patch, path = "/v1/scripts/{name}", tag = "scripts", operation_id = "patch_script",
    params(
        ("name" = String, Path, description = "The script"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the script that is changed: 412 when it was changed meanwhile"),
    ),
    request_body(content = SettingsRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The script as it is now", body = UploadedBody),
    )
)]
pub(crate) async fn patch_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    request: Request,
) -> Result<Response, Problem> {
    let asked = precondition::read(request.headers())?;
    let content = body::read(request.into_body(), MOST_SETTINGS).await?;
    let changes = Fields::read(&content, fields::<SettingsRequest>())?.rest()?;
    let change = app.change_settings(&caller, &name, changes, &asked).await?;
    let tag = change.script.tag();
    let body = body_of(&app, change).await?;
    Ok(precondition::tagged(Json(body).into_response(), &tag))
}

/// Delete a script
///
/// All its versions go; its runs stay. Those that wait are cancelled, those under way are stopped.
#[utoipa::path(
    delete, path = "/v1/scripts/{name}", tag = "scripts", operation_id = "delete_script",
    params(
        ("name" = String, Path, description = "The script"),
        ("schedules" = Option<String>, Query, description = "delete: its schedules go too; otherwise a script that has some stays"),
    ),
    responses(
        (status = 204, description = "It is gone; the header x-cronbox-warning says when it will come back"),
    )
)]
pub(crate) async fn delete_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    query: Query,
) -> Result<Response, Problem> {
    let with_schedules = query.word("schedules", "delete")?;
    let warning = app.delete_script(&caller, &name, with_schedules).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    warn(&mut response, warning.as_deref());
    Ok(response)
}

/// Put an earlier version in force
///
/// Without a body: the one before.
#[utoipa::path(
    post, path = "/v1/scripts/{name}/rollback", tag = "scripts", operation_id = "roll_back_script",
    params(
        ("name" = String, Path, description = "The script"),
        ("schedules" = Option<String>, Query, description = "keep: the script's own schedules stay as they are"),
    ),
    request_body(content = Option<RollbackRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "The script as it is now", body = ScriptBody),
    )
)]
pub(crate) async fn roll_back_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let keep_schedules = query.word("schedules", "keep")?;
    let content = body::read(request.into_body(), MOST_SETTINGS).await?;
    let RollbackRequest { version } = request_body::read(&content)?;
    let change = app.roll_back(&caller, &name, version, keep_schedules).await?;
    let mut response = Json(app.script_body(&change.script).await?).into_response();
    change.warnings.iter().for_each(|warning| warn(&mut response, Some(warning)));
    Ok(precondition::tagged(response, &change.script.tag()))
}
