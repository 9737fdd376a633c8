//! Tokens and grants.

use super::body::{self, Fields};
use super::described_fields::fields;
use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::requests::{GrantRequest, TokenRequest};
use super::{App, Part, PathParts};
use crate::access::{Caller, SCOPES, Scope, Token, hash, new_token, script_pattern};
use crate::api::{GrantBody, Page, TokenBody};
use crate::clock::rfc3339;
use crate::limits::{RequestedLimits, WrittenLimits};
use crate::quantity;
use crate::quantity::Quantity;
use crate::script::Name;
use crate::store::grants::{GrantedHosts, How};
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
    let mut fields = Fields::read(&content, fields::<TokenRequest>())?;
    let name: String = fields.take("name")?.unwrap_or_default();
    if name.is_empty() || name.chars().count() > 100 || name.contains(char::is_control) {
        return Err(Problem::invalid("name", "a token needs a name of 1 to 100 characters, for people to know it by"));
    }
    let words: Vec<String> = fields.take("scopes")?.unwrap_or_default();
    let mut scopes = Vec::new();
    for word in &words {
        let all = SCOPES.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
        let unknown = || Problem::invalid("scopes", format!("{:?} is no scope; there are {all}", body::short(word)));
        scopes.push(Scope::parse(word).ok_or_else(unknown)?);
    }
    scopes.sort();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(Problem::invalid("scopes", "a token without scopes allows nothing: name at least one"));
    }
    let scripts: Option<Vec<String>> = fields.take("scripts")?;
    let patterns = |names: Vec<String>| names.iter().map(|name| script_pattern(name)).collect::<Result<Vec<_>, _>>();
    let scripts = scripts.map(patterns).transpose().map_err(|error| Problem::invalid("scripts", error.to_string()))?;
    let labels: Option<Vec<String>> = fields.take("labels")?;
    if labels.iter().flatten().any(|label| !label.contains('=')) {
        return Err(Problem::invalid("labels", "a label is written key=value"));
    }
    if scopes.contains(&Scope::Admin) && (scripts.is_some() || labels.is_some()) {
        let detail = "the scope admin is about the whole server, so its token cannot be limited to scripts or labels";
        return Err(Problem::invalid("scopes", detail));
    }
    let now = app.clock.now();
    let expires_in: Option<Quantity> = fields.take("expires_in")?;
    let expires_at = match expires_in {
        None => None,
        Some(text) => {
            let time =
                quantity::parse_duration(&text.to_string()).map_err(|why| Problem::invalid("expires_in", why))?;
            let end = chrono::TimeDelta::from_std(time).ok().and_then(|time| now.checked_add_signed(time));
            Some(end.ok_or_else(|| Problem::invalid("expires_in", "that is too long a time"))?)
        }
    };
    let secret = new_token().map_err(|error| {
        tracing::error!(%error, "no randomness");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the system gives no randomness")
    })?;
    let id = crate::run::new_id(now);
    let token = Token { id, name, scopes, scripts, labels, created_at: now, expires_at, last_used_at: None };
    app.store.add_token(&token, &hash(&secret)).await?;
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
    let tokens = app.store.tokens().await?;
    let admins = tokens.iter().filter(|token| token.scopes.contains(&Scope::Admin)).count();
    // Without any token this machine's user would be let in again; on other listeners, nobody ever.
    if admins == 1
        && tokens.len() > 1
        && tokens.iter().any(|token| token.id == id && token.scopes.contains(&Scope::Admin))
    {
        let detail = "this is the last token with the scope admin, and others are left: remove those first";
        return Err(Problem::conflict("last_admin", detail));
    }
    match app.store.remove_token(&id).await? {
        true => {
            app.limiter.tokens_changed();
            app.streams.tokens_changed();
            Ok(StatusCode::NO_CONTENT)
        }
        false => Err(Problem::not_found("no_such_token", format!("there is no token {:?}", body::short(&id)))),
    }
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
    let reach = app.reach_of(&caller).await?;
    let grants = app.store.grants().await?;
    let seen = grants.into_iter().filter(|grant| reach.as_ref().is_none_or(|reach| reach.contains(&grant.script)));
    let items = seen.map(|grant| GrantBody {
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
    let mut fields = Fields::read(&content, fields::<GrantRequest>())?;
    let asked = fields.take::<WrittenLimits>("limits")?.unwrap_or_default().asked()?;
    let mut hosts = |name: &str| -> Result<Vec<HostPattern>, Problem> {
        let texts: Vec<String> = fields.take(name)?.unwrap_or_default();
        let read = |text: &String| {
            text.parse().map_err(|why: HostError| Problem::invalid(name, format!("{:?}: {why}", body::short(text))))
        };
        texts.iter().map(read).collect()
    };
    let granted = GrantedHosts { hosts: hosts("hosts")?, unverified: hosts("unverified")? };
    let secrets: Vec<String> = fields.take("secrets")?.unwrap_or_default();
    if asked == RequestedLimits::default() && granted == GrantedHosts::default() && secrets.is_empty() {
        return Err(Problem::invalid("limits", "there is nothing to grant"));
    }
    let all: Vec<HostPattern> = granted.hosts.iter().chain(&granted.unverified).cloned().collect();
    app.check_grantable(&all)?;
    let script = app.script_for(&caller, &script).await?;
    let (by, now) = (caller.id().map(str::to_owned), app.clock.now());
    if !secrets.is_empty() {
        app.check_secrets_for(&caller, &script, &secrets).await?;
        let named = secrets.into_iter().map(|name| (name, How::ByName)).collect();
        app.store.grant_secrets(&script.key, named, by.clone(), now).await?;
    }
    if asked != RequestedLimits::default() {
        app.store.grant_limits(&script.key, asked, by.clone(), now).await?;
    }
    if granted != GrantedHosts::default() {
        app.store.grant_hosts(&script.key, granted, by, now).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

impl App {
    /// Refuses hosts beyond the operator's ceiling.
    pub(super) fn check_grantable(&self, hosts: &[HostPattern]) -> Result<(), Problem> {
        let possible = self.rules.runs.grantable(hosts);
        match hosts.iter().find(|host| !possible.covers(host)) {
            Some(beyond) => Err(Problem::invalid("hosts", format!("{beyond} is beyond what this server can grant"))),
            None => Ok(()),
        }
    }
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
    let none = || Problem::not_found("no_such_grant", "there is no such grant");
    let [script, kind, name] = parts.as_slice() else { return Err(none()) };
    let key = match Name::parse(script) {
        // A secret can be granted to a script that is not there yet.
        Ok(name) if kind == "secret" && app.store.script(name.key()).await?.is_none() => {
            app.check_reach(&caller, name.key(), None)?;
            name.key().to_owned()
        }
        _ => app.script_for(&caller, script).await?.key,
    };
    match app.store.revoke(&key, kind, name).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(none()),
    }
}
