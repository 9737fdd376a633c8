//! Tokens and grants.

use super::body;
use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::request_body;
use super::requests::{GrantRequest, TokenRequest};
use super::{App, Part, PathParts};
use crate::access::{Caller, Scope};
use crate::api::{GrantBody, Page, TokenBody};
use crate::clock::rfc3339;
use crate::quantity;
use crate::service;
use crate::store::grants::GrantedHosts;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use cronbox_runtime::network::{HostError, HostPattern};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Server(Scope::Admin), routes!(list_tokens))
        .add(Need::Server(Scope::Admin), routes!(create_token))
        .add(Need::Server(Scope::Admin), routes!(delete_token))
        .add(Need::Scope(Scope::Read), routes!(list_grants))
        .add(Need::Scope(Scope::Grant), routes!(put_grant))
        .add(Need::Scope(Scope::Grant), routes!(delete_grant))
}

const MOST: usize = 64 << 10;

/// List tokens
#[utoipa::path(
    get, path = "/v1/tokens", tag = "access", operation_id = "list_tokens",
    responses(
        (status = 200, description = "Tokens, without what they are", body = Page<TokenBody>),
    )
)]
pub(super) async fn list_tokens(State(app): State<App>) -> Result<Json<Page<TokenBody>>, Problem> {
    let tokens = app.store.tokens().await?;
    Ok(Json(Page { items: tokens.iter().map(TokenBody::from).collect(), next_cursor: None }))
}

/// Make a token
///
/// The answer holds it; it is told only this once. The first token ends the time in which this machine's user needs none.
#[utoipa::path(
    post, path = "/v1/tokens", tag = "access", operation_id = "create_token",
    request_body(content = TokenRequest, content_type = "application/json"),
    responses(
        (status = 201, description = "The token", body = TokenBody),
    )
)]
pub(super) async fn create_token(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    let TokenRequest { name, scopes, scripts, labels, expires_in } = request_body::read(&content)?;
    let expires_in = expires_in.map(|text| quantity::parse_duration(&text.to_string())).transpose();
    let expires_in = expires_in.map_err(|why| Problem::invalid("expires_in", why))?;
    let asked = service::TokenRequest { name, scopes, scripts, labels, expires_in };
    let (token, secret) = app.create_token(asked).await?;
    app.limiter.tokens_changed();
    app.streams.tokens_changed();
    Ok((StatusCode::CREATED, Json(TokenBody { token: Some(secret), ..TokenBody::from(&token) })).into_response())
}

/// Remove a token
#[utoipa::path(
    delete, path = "/v1/tokens/{id}", tag = "access", operation_id = "delete_token",
    params(("id" = String, Path, description = "The token's id")),
    responses(
        (status = 204, description = "It is gone, at once"),
    )
)]
pub(super) async fn delete_token(State(app): State<App>, Part(id): Part) -> Result<StatusCode, Problem> {
    app.remove_token(&id).await?;
    app.limiter.tokens_changed();
    app.streams.tokens_changed();
    Ok(StatusCode::NO_CONTENT)
}

/// List grants
#[utoipa::path(
    get, path = "/v1/grants", tag = "access", operation_id = "list_grants",
    responses(
        (status = 200, description = "What scripts were allowed beyond the default", body = Page<GrantBody>),
    )
)]
pub(super) async fn list_grants(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Page<GrantBody>>, Problem> {
    let items = app.grants(&caller).await?.into_iter().map(|grant| GrantBody {
        script: grant.script,
        kind: grant.kind,
        name: grant.name,
        value: grant.value,
        created_at: rfc3339(grant.created_at),
        created_by: grant.created_by,
    });
    Ok(Json(Page { items: items.collect(), next_cursor: None }))
}

/// Grant a script more than the default
#[utoipa::path(
    put, path = "/v1/grants/{script}", tag = "access", operation_id = "put_grant",
    params(("script" = String, Path, description = "The script")),
    request_body(content = GrantRequest, content_type = "application/json"),
    responses(
        (status = 204, description = "It is granted"),
    )
)]
pub(super) async fn put_grant(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(script): Part,
    request: Request,
) -> Result<StatusCode, Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    let GrantRequest { limits, hosts, unverified, secrets } = request_body::read(&content)?;
    let limits = limits.unwrap_or_default().asked()?;
    let hosts = GrantedHosts { hosts: patterns("hosts", &hosts)?, unverified: patterns("unverified", &unverified)? };
    app.grant(&caller, &script, service::GrantRequest { limits, hosts, secrets }).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn patterns(field: &str, texts: &[String]) -> Result<Vec<HostPattern>, Problem> {
    let read = |text: &String| {
        text.parse().map_err(|why: HostError| Problem::invalid(field, format!("{:?}: {why}", service::quoted(text))))
    };
    texts.iter().map(read).collect()
}

/// Take a grant back
#[utoipa::path(
    delete, path = "/v1/grants/{script}/{kind}/{name}", tag = "access", operation_id = "delete_grant",
    params(
        ("script" = String, Path, description = "The script"),
        ("kind" = String, Path, description = "limit, host or secret"),
        ("name" = String, Path, description = "Which: memory, api.example.com, API_KEY"),
    ),
    responses(
        (status = 204, description = "It is gone: a limit for runs that are made from now on, a host or a secret from their next attempt on"),
    )
)]
pub(super) async fn delete_grant(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    PathParts(parts): PathParts,
) -> Result<StatusCode, Problem> {
    let [script, kind, name] = parts.as_slice() else {
        return Err(Problem::not_found("no_such_grant", "there is no such grant"));
    };
    app.revoke(&caller, script, kind, name).await?;
    Ok(StatusCode::NO_CONTENT)
}
