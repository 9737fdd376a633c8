//! Secrets: set, listed without their values, removed; and what scripts get of them.

use super::body;
use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::request_body;
use super::requests::SecretRequest;
use super::{App, Part};
use crate::access::{Caller, Scope};
use crate::api::{Page, ResealedBody, SecretBody};
use crate::secret::SecretTerms;
use crate::service::{self, Resealed, SecretView, SetSecret};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use utoipa_axum::routes;
use zeroize::Zeroizing;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Read), routes!(list_secrets))
        .add(Need::Scope(Scope::Read), routes!(get_secret))
        .add(Need::Scope(Scope::Grant), routes!(put_secret))
        .add(Need::Scope(Scope::Grant), routes!(delete_secret))
        .add(Need::Server(Scope::Admin), routes!(rotate_keys))
}

const MOST: usize = 256 << 10;

/// List secrets
///
/// Without their values: no answer contains those.
#[utoipa::path(
    get, path = "/v1/secrets", tag = "access", operation_id = "list_secrets",
    responses(
        (status = 200, description = "Secrets, and what they may be used for", body = Page<SecretBody>),
    )
)]
pub(super) async fn list_secrets(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Page<SecretBody>>, Problem> {
    let items = app.secrets(&caller).await?.into_iter().map(body_of).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

/// Show a secret
///
/// Without its value.
#[utoipa::path(
    get, path = "/v1/secrets/{name}", tag = "access", operation_id = "get_secret",
    params(("name" = String, Path, description = "The secret")),
    responses(
        (status = 200, description = "What it may be used for", body = SecretBody),
    )
)]
pub(super) async fn get_secret(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
) -> Result<Json<SecretBody>, Problem> {
    Ok(Json(body_of(app.secret(&caller, &name).await?)))
}

/// Set a secret
///
/// In place of one of that name, if there is one: its value, the hosts that may get it, and the scripts that it is set for,
/// by name or by label. Scripts find a placeholder in the environment variable of that name. A script that has the label
/// already is granted the secret by this; one that gets it later is when a token with the scope `grant` uploads it.
#[utoipa::path(
    put, path = "/v1/secrets/{name}", tag = "access", operation_id = "put_secret",
    params(("name" = String, Path, description = "The environment variable in which scripts find its placeholder")),
    request_body(content = SecretRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "It is set, in place of another value", body = SecretBody),
        (status = 201, description = "It is set", body = SecretBody),
    )
)]
pub(super) async fn put_secret(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    request: Request,
) -> Result<Response, Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    let mut asked: SecretRequest = request_body::read(&content)?;
    let value =
        asked.value.take().map(Zeroizing::new).ok_or_else(|| Problem::invalid("value", "a secret has a value"))?;
    let terms = terms_of(asked)?;
    let SetSecret { view, is_new, warning } = app.set_secret(&caller, name, terms, value).await?;
    let body = SecretBody { warning, ..body_of(view) };
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(body)).into_response())
}

/// Remove a secret
///
/// Attempts that begin from now on do not have it; those under way keep it to their end.
#[utoipa::path(
    delete, path = "/v1/secrets/{name}", tag = "access", operation_id = "delete_secret",
    params(("name" = String, Path, description = "The secret")),
    responses(
        (status = 204, description = "It is gone"),
    )
)]
pub(super) async fn delete_secret(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
) -> Result<StatusCode, Problem> {
    app.remove_secret(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Seal all secrets with another key
///
/// Where the key is the server's own, a new one is made, and the old one is forgotten when nothing needs it any more. Where
/// it is the operator's, it is the first one in their file or variable. Runs go on meanwhile.
#[utoipa::path(
    post, path = "/v1/keys/rotate", tag = "access", operation_id = "rotate_keys",
    responses(
        (status = 200, description = "They are sealed with the first key", body = ResealedBody),
    )
)]
pub(super) async fn rotate_keys(State(app): State<App>) -> Result<Json<ResealedBody>, Problem> {
    let Resealed { key, resealed, unreadable, warning } = app.rotate_keys().await?;
    Ok(Json(ResealedBody { key, resealed, unreadable, warning }))
}

fn body_of(view: SecretView) -> SecretBody {
    let SecretView { secret, granted, is_readable } = view;
    SecretBody { granted, readable: is_readable, ..SecretBody::from(&secret) }
}

/// What a request says about a secret beside its value.
fn terms_of(asked: SecretRequest) -> Result<SecretTerms, Problem> {
    let SecretRequest { value: _, hosts, scripts, labels, r#in, methods, path_prefix, in_clear } = asked;
    Ok(SecretTerms {
        hosts,
        scripts: service::script_keys(&scripts)?,
        labels,
        places: service::request_parts(&r#in)?,
        methods: methods.map(|methods| methods.iter().map(|method| method.to_ascii_uppercase()).collect()),
        path_prefix,
        in_clear: in_clear.unwrap_or_default(),
    })
}
