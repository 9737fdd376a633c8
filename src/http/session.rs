//! Logging in with a token, for browsers: who is logged in, and logging out.

use super::access::identified;
use super::client::{Base, Client};
use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::{App, audit, body, request_body, session_cookie};
use crate::access::{Caller, Token};
use crate::api::SessionBody;
use crate::audit::acting_as;
use crate::quantity::{self, Quantity};
use crate::service::LoggedIn;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Nothing, routes!(get_session))
        .add(Need::Nothing, routes!(create_session))
        .add(Need::Nothing, routes!(delete_session))
}

/// The largest login.
const MOST: usize = 4 << 10;

/// A login with a token.
#[derive(Deserialize, ToSchema)]
struct SessionRequest {
    /// `cbx_…`
    #[serde(default)]
    #[schema(required = true, write_only)]
    token: String,
    /// For how long: `"12h"` by default, at most `"30d"`, and never longer than the token.
    #[schema(value_type = Option<serde_json::Value>)]
    expires_in: Option<Quantity>,
}

/// Show who is logged in
///
/// By the cookie of a session together with the header `X-Cronbox-Csrf: 1`, or by a token. Who is neither is told whether a
/// login is required.
#[utoipa::path(
    get, path = "/v1/session", tag = "access", operation_id = "get_session",
    responses(
        (status = 200, description = "Who asks, and what they may do", body = SessionBody),
    )
)]
pub(super) async fn get_session(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<Json<SessionBody>, Problem> {
    let caller = match identified(&app, &client, &headers).await {
        Ok((caller, _)) => Some(caller),
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED => None,
        Err(problem) => return Err(problem),
    };
    Ok(Json(SessionBody::new(caller.as_ref())))
}

/// Log in
///
/// Sets the cookie `cronbox_session` (`HttpOnly`, `SameSite=Strict`). It replaces the token in every request that has the
/// header `X-Cronbox-Csrf: 1` and no `Authorization`. It ends after 12 hours if nothing else is asked for, and together with
/// its token.
#[utoipa::path(
    post, path = "/v1/session", tag = "access", operation_id = "create_session",
    request_body(content = SessionRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "Who is logged in", body = SessionBody),
    )
)]
pub(super) async fn create_session(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    Extension(Base(base)): Extension<Base>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, stream) = request.into_parts();
    // A form on another page could log its visitor in with a token of its own.
    session_cookie::check_origin(&parts.headers)?;
    app.limiter.pass(Some(&format!("login at {:?}", client.address)))?;
    let content = body::read(stream, MOST).await?;
    let SessionRequest { token, expires_in } = request_body::read(&content)?;
    let expires_in = expires_in.map(|text| quantity::parse_duration(&text.to_string())).transpose();
    let expires_in = expires_in.map_err(|why| Problem::invalid("expires_in", why))?;
    let actor = audit::actor(&app, &parts.extensions, "create_session", None, true);
    let LoggedIn { token, session, value } = acting_as(actor, app.log_in(token.trim(), expires_in)).await?;
    let age = (session.expires_at - app.clock.now()).to_std().unwrap_or_default();
    let cookie = session_cookie::set(&value, age, &base, &parts.headers)?;
    let caller = Caller::Token(Token { expires_at: Some(session.expires_at), ..token });
    let body = Json(SessionBody::new(Some(&caller)));
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), body).into_response())
}

/// Log out
///
/// Ends the session of the cookie at once, and takes the cookie away. It needs the header `X-Cronbox-Csrf: 1`.
#[utoipa::path(
    delete, path = "/v1/session", tag = "access", operation_id = "delete_session",
    responses(
        (status = 204, description = "The session has ended, if there was one"),
    )
)]
pub(super) async fn delete_session(
    State(app): State<App>,
    Extension(Base(base)): Extension<Base>,
    request: Request,
) -> Result<Response, Problem> {
    // Without the body, which cannot be held over what is waited for.
    let (parts, _) = request.into_parts();
    let value = session_cookie::value(&parts.headers).filter(|_| !parts.headers.contains_key(header::AUTHORIZATION));
    if let Some(value) = value {
        session_cookie::check_sender(&parts.headers)?;
        let actor = audit::actor(&app, &parts.extensions, "delete_session", None, true);
        acting_as(actor, app.log_out(&value)).await?;
        app.streams.tokens_changed();
    }
    let cookie = session_cookie::clear(&base, &parts.headers)?;
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, cookie)])).into_response())
}
