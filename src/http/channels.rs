//! Channels: set, shown without their secrets, tried, removed.

use super::body;
use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::{App, Part, precondition, request_body};
use crate::access::{Caller, Scope};
use crate::api::{ChannelBody, ChannelTestBody, Page};
use crate::channel::{ChannelSpec, SmtpSpec};
use crate::service::{SetChannel, TestedChannel};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Read), routes!(list_channels))
        .add(Need::Scope(Scope::Read), routes!(get_channel))
        .add(Need::Server(Scope::Grant), routes!(put_channel))
        .add(Need::Server(Scope::Grant), routes!(delete_channel))
        .add(Need::Server(Scope::Grant), routes!(test_channel))
}

/// The largest channel.
const MOST: usize = 256 << 10;

/// How a mail server is reached.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SmtpRequest {
    /// Its host.
    host: String,
    /// Its port; 587, 465 or 25 by default, by `tls`.
    port: Option<u16>,
    /// `starttls` by default, `implicit`, or `none`.
    tls: Option<String>,
    /// The user.
    username: Option<String>,
    /// The password.
    #[schema(write_only)]
    password: Option<String>,
}

/// A channel to be set. Which fields it has depends on its type.
#[derive(Deserialize, ToSchema)]
struct ChannelRequest {
    /// `webhook`, `email`, `slack`, `discord`, `teams`, `telegram`, `ntfy`, `feishu`, `dingtalk`, `wecom`, `template`.
    #[serde(rename = "type", default)]
    #[schema(required = true)]
    kind: String,
    /// The language of its messages: `en` by default, or `zh`.
    language: Option<String>,
    /// Where it is sent; of telegram and ntfy a server of one's own.
    #[schema(write_only)]
    url: Option<String>,
    /// What is signed with: of a webhook `whsec_` and base64, of feishu and dingtalk the secret of the robot.
    #[schema(write_only)]
    secret: Option<String>,
    /// Several secrets of a webhook, while one takes the place of another.
    #[serde(default)]
    #[schema(write_only, value_type = Option<Vec<String>>)]
    secrets: Vec<String>,
    /// The recipients of mails.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    to: Vec<String>,
    /// The sender of mails; the user of the mail server by default.
    from: Option<String>,
    /// The mail server.
    smtp: Option<SmtpRequest>,
    /// The token of a bot (telegram), or of an account (ntfy).
    #[schema(write_only)]
    token: Option<String>,
    /// The chat that a bot writes to.
    chat: Option<String>,
    /// The topic that is published to.
    topic: Option<String>,
    /// The method of a template's request: `POST` by default.
    method: Option<String>,
    /// Its headers, with placeholders.
    #[serde(default)]
    #[schema(write_only, value_type = Option<BTreeMap<String, String>>)]
    headers: BTreeMap<String, String>,
    /// Its body, with placeholders: a text, or JSON.
    #[schema(value_type = Option<Value>)]
    body: Option<Value>,
}

impl From<ChannelRequest> for ChannelSpec {
    fn from(asked: ChannelRequest) -> Self {
        let smtp = asked.smtp.map(|smtp| SmtpSpec {
            host: smtp.host,
            port: smtp.port,
            tls: smtp.tls,
            username: smtp.username,
            password: smtp.password,
        });
        ChannelSpec {
            kind: asked.kind,
            language: asked.language,
            url: asked.url,
            secret: asked.secret,
            secrets: asked.secrets,
            to: asked.to,
            from: asked.from,
            smtp,
            token: asked.token,
            chat: asked.chat,
            topic: asked.topic,
            method: asked.method,
            headers: asked.headers,
            body: asked.body,
        }
    }
}

/// List channels
///
/// Without their secrets: no answer contains those.
#[utoipa::path(
    get, path = "/v1/channels", tag = "messages", operation_id = "list_channels",
    responses(
        (status = 200, description = "Channels by name", body = Page<ChannelBody>),
    )
)]
pub(super) async fn list_channels(State(app): State<App>) -> Result<Json<Page<ChannelBody>>, Problem> {
    let items = app.channels().await?.iter().map(ChannelBody::from).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

/// Show a channel
///
/// Without its secrets.
#[utoipa::path(
    get, path = "/v1/channels/{name}", tag = "messages", operation_id = "get_channel",
    params(("name" = String, Path, description = "The channel")),
    responses(
        (status = 200, description = "The channel", body = ChannelBody),
    )
)]
pub(super) async fn get_channel(State(app): State<App>, Part(name): Part) -> Result<Response, Problem> {
    let channel = app.channel(&name).await?;
    Ok(precondition::tagged(Json(ChannelBody::from(&channel)).into_response(), &channel.tag()))
}

/// Set a channel
///
/// As a whole, in place of one of that name, if there is one. It is on from then on.
#[utoipa::path(
    put, path = "/v1/channels/{name}", tag = "messages", operation_id = "put_channel",
    params(
        ("name" = String, Path, description = "Its name: a-z 0-9 _ -"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the channel that is changed: 412 when it was changed meanwhile"),
        ("If-None-Match" = Option<String>, Header, description = "*: 412 when there is one"),
    ),
    request_body(content = ChannelRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "It was there, and is so now", body = ChannelBody),
        (status = 201, description = "It was made", body = ChannelBody),
    )
)]
pub(super) async fn put_channel(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    request: Request,
) -> Result<Response, Problem> {
    let asked = precondition::read(request.headers())?;
    let content = body::read(request.into_body(), MOST).await?;
    let spec: ChannelRequest = request_body::read(&content)?;
    let SetChannel { channel, is_new, warning } = app.set_channel(&caller, &name, &spec.into(), &asked).await?;
    let body = ChannelBody { warning, ..ChannelBody::from(&channel) };
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(precondition::tagged((status, Json(body)).into_response(), &channel.tag()))
}

/// Remove a channel
///
/// What is still to be sent to it is given up.
#[utoipa::path(
    delete, path = "/v1/channels/{name}", tag = "messages", operation_id = "delete_channel",
    params(
        ("name" = String, Path, description = "The channel"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the channel: 412 when it was changed meanwhile"),
    ),
    responses(
        (status = 204, description = "It is gone"),
    )
)]
pub(super) async fn delete_channel(
    State(app): State<App>,
    Part(name): Part,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    app.remove_channel(&name, &precondition::read(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Test a channel
///
/// Sends a message now, also when the channel is off, and waits for the answer, at most half a minute.
#[utoipa::path(
    post, path = "/v1/channels/{name}/test", tag = "messages", operation_id = "test_channel",
    params(("name" = String, Path, description = "The channel")),
    responses(
        (status = 200, description = "Whether it has arrived, and what was answered", body = ChannelTestBody),
    )
)]
pub(super) async fn test_channel(State(app): State<App>, Part(name): Part) -> Result<Json<ChannelTestBody>, Problem> {
    let TestedChannel { has_arrived, status, answer } = app.test_channel(&name).await?;
    Ok(Json(ChannelTestBody { arrived: has_arrived, status, answer }))
}
