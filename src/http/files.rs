//! What runs left under `/output`: listed, and downloaded.

use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::{App, Part, PathParts, pieces};
use crate::access::{Caller, Scope};
use crate::api::{FileBody, Page};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Read), routes!(list_files))
        .add(Need::Scope(Scope::Read), routes!(get_file))
}

/// List the files that a run left
///
/// What its last attempt wrote under `/output`, at most 256 files and 16 MiB; kept as long as the run.
#[utoipa::path(
    get, path = "/v1/runs/{id}/files", tag = "runs", operation_id = "list_files",
    params(("id" = String, Path, description = "The run")),
    responses(
        (status = 200, description = "Files, by path", body = Page<FileBody>),
    )
)]
pub(super) async fn list_files(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
) -> Result<Json<Page<FileBody>>, Problem> {
    let run = app.run_for(&caller, &id).await?;
    let files = app.store.files(&run.id).await?;
    Ok(Json(Page { items: files.iter().map(FileBody::from).collect(), next_cursor: None }))
}

/// Download a file that a run left
#[utoipa::path(
    get, path = "/v1/runs/{id}/files/{*path}", tag = "runs", operation_id = "get_file",
    params(
        ("id" = String, Path, description = "The run"),
        ("path" = String, Path, description = "Below /output; may have slashes"),
    ),
    responses(
        (status = 200, description = "Its content", body = Vec<u8>, content_type = "application/octet-stream"),
    )
)]
pub(super) async fn get_file(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    PathParts(parts): PathParts,
) -> Result<Response, Problem> {
    let [id, path] = parts.as_slice() else {
        return Err(Problem::not_found("no_such_file", "a file has a path"));
    };
    let run = app.run_for(&caller, id).await?;
    let files = app.store.files(&run.id).await?;
    let file = files.into_iter().find(|file| file.path == *path);
    let file = file.ok_or_else(|| Problem::not_found("no_such_file", "the run left no file of this path"))?;
    let content = pieces::of_blob(&app.blobs, &file.blob, 0).await?;
    let kind = HeaderValue::from_str(&file.media_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    // A browser keeps it as a file and shows none of it: it comes from a script.
    let guarded = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    ];
    Ok((StatusCode::OK, guarded, pieces::with_length(content)).into_response())
}
