//! Who a caller is and whether they may; how many requests there may be; and what is told about each.

use super::audit::RequestId;
use super::body::Query;
use super::client::{AnonymousAccess, Client};
use super::endpoints::{Endpoint, Need};
use super::intake::SENDER;
use super::problem::Problem;
use super::traces::{Answered, RequestTrace};
use super::{App, audit, declared, rate, session_cookie};
use crate::access::{Caller, Scope, Session, hash};
use crate::api::{ProblemBody, WARNING};
use crate::audit::acting_as;
use crate::disk_usage::Space;
use crate::store::StoreError;
use crate::trace;
use axum::Extension;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long the database may take to answer what is counted.
pub(super) const COUNTED_WITHIN: Duration = Duration::from_secs(2);
/// The route that is read while the database is away.
const METRICS: &str = "/metrics";
const NO_GATHERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Lets in who may.
pub(super) async fn guard(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let method = if request.method() == "HEAD" { Method::GET } else { request.method().clone() };
    let method = method.as_str();
    let Some(endpoint) = declared().find(method, path.as_str()) else {
        // A method that this address does not have gets its own answer from the router.
        if declared().has(path.as_str()) {
            return Ok(next.run(request).await);
        }
        return Err(Problem::forbidden("no_scope", "this address has no scope; nobody may use it"));
    };
    if !rate::is_probe(path.as_str()) {
        app.limiter.pass(None)?;
    }
    if let Need::Scope(scope) | Need::Server(scope) = endpoint.need {
        let (caller, session) = match path.as_str() {
            METRICS => (identify_reader(&app, &client, request.headers()).await?, None),
            _ => identified(&app, &client, request.headers()).await?,
        };
        app.limiter.pass(Some(caller.id().unwrap_or("local")))?;
        let actor = audit::actor(&app, request.extensions(), &endpoint.operation, Some(&caller), session.is_some());
        let address = request.uri().path().to_owned();
        if let Err(problem) = check_scope(endpoint, scope, &caller) {
            audit::note_refusal(&app, actor, &address, &problem.error.code).await;
            return Err(problem);
        }
        if app.tools.stop.is_cancelled() && makes_work(method, path.as_str()) {
            let detail = "this server is going down and takes nothing new; try again";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "going_down", detail).retry_after(1));
        }
        if path.as_str() != METRICS {
            let query = Query::read(request.uri().query(), &endpoint.parameters)?;
            request.extensions_mut().insert(query);
        }
        request.extensions_mut().insert(caller);
        if let Some(session) = session {
            request.extensions_mut().insert(session);
        }
        let mut response = acting_as(actor.clone(), next.run(request)).await;
        if let Some(code) = audit::refusal(&response) {
            audit::note_refusal(&app, actor, &address, &code).await;
        }
        warn(&mut response, app.tools.space.as_ref().and_then(Space::warning).as_deref());
        return Ok(response);
    } else if client.anonymous_access == AnonymousAccess::Loopback
        && !rate::is_probe(path.as_str())
        // Who does not know whether there are tokens takes it that there are none.
        && !any_token(&app).await.unwrap_or(false)
    {
        check_local(request.headers())?;
    }
    if path.as_str().starts_with("/v1/") {
        Query::read(request.uri().query(), &endpoint.parameters)?;
    }
    Ok(next.run(request).await)
}

/// Refuses a caller without the scope of an endpoint, or with less than all scripts where it concerns the whole server.
fn check_scope(endpoint: &Endpoint, scope: Scope, caller: &Caller) -> Result<(), Problem> {
    if !caller.has(scope) {
        let detail = format!("this needs a token with the scope {}", scope.as_str());
        return Err(Problem::forbidden("missing_scope", detail));
    }
    if matches!(endpoint.need, Need::Server(_)) && caller.is_limited() {
        let detail = "this concerns the whole server, and this token is limited to some scripts";
        return Err(Problem::forbidden("token_is_limited", detail));
    }
    Ok(())
}

/// Adds a sentence for whoever asks to an answer.
pub(super) fn warn(response: &mut Response, warning: Option<&str>) {
    // Names may have letters of any language: they go as they are, in UTF-8.
    if let Some(warning) = warning.and_then(|warning| HeaderValue::from_bytes(warning.as_bytes()).ok()) {
        response.headers_mut().append(WARNING, warning);
    }
}

/// Whether a request gives the node something to do, which one that goes down does not take: what only stops or deletes
/// something, or tells of something, is carried out to the end.
fn makes_work(method: &str, route: &str) -> bool {
    let stops = ["/cancel", "/pause", "/preview"].iter().any(|end| route.ends_with(end));
    matches!(method, "POST" | "PUT" | "PATCH") && !stops
}

/// Who reads what is counted. That says how the node is while it has no database: who could read it before can then.
async fn identify_reader(app: &App, client: &Client, headers: &HeaderMap) -> Result<Caller, Problem> {
    let identified = tokio::time::timeout(COUNTED_WITHIN, identify(app, client, headers)).await;
    let late = |_| Err(StoreError::Unavailable("it does not answer in time".into()).into());
    match identified.unwrap_or_else(late) {
        Ok(caller) => {
            app.known.keep(headers, &caller);
            Ok(caller)
        }
        Err(problem) if problem.status == StatusCode::SERVICE_UNAVAILABLE => {
            app.known.find(headers, app.clock.now()).ok_or(problem)
        }
        Err(problem) => Err(problem),
    }
}

/// Who sends a request.
pub(super) async fn identify(app: &App, client: &Client, headers: &HeaderMap) -> Result<Caller, Problem> {
    identified(app, client, headers).await.map(|(caller, _)| caller)
}

/// Who sends a request, and the session that it belongs to. The cookie of a session counts where there are tokens, in
/// requests without `Authorization`.
pub(super) async fn identified(
    app: &App,
    client: &Client,
    headers: &HeaderMap,
) -> Result<(Caller, Option<Session>), Problem> {
    let denied = |detail: &str| Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        let given = given.to_str().ok().and_then(|text| text.split_once(' '));
        let token = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let token = token.ok_or_else(|| denied("a token is sent as Authorization: Bearer cbx_…"))?;
        return Ok((Caller::Token(app.token_by_value(token).await?), None));
    }
    // For whomever a proxy speaks: the connection is its own, and says nothing of them.
    if client.anonymous_access != AnonymousAccess::Nobody && !client.is_forwarded && !any_token(app).await? {
        if client.anonymous_access == AnonymousAccess::Loopback {
            check_local(headers)?;
        }
        return Ok((Caller::Local, None));
    }
    let Some(cookie) = session_cookie::value(headers) else {
        return Err(denied(match client.is_forwarded {
            true => "a request that comes through a proxy needs a token: Authorization: Bearer cbx_…",
            false => "this server wants a token: Authorization: Bearer cbx_…",
        }));
    };
    session_cookie::check_sender(headers)?;
    let (session, token) = app.session_by_value(&cookie).await?;
    Ok((Caller::Token(token), Some(session)))
}

/// Whether any token was made. Looked up at most once a second.
async fn any_token(app: &App) -> Result<bool, Problem> {
    if let Some(known) = app.limiter.knows_of_tokens() {
        return Ok(known);
    }
    let any = !app.store.tokens().await?.is_empty();
    app.limiter.tokens_found(any);
    Ok(any)
}

/// On a server that lets this machine's user in, a request must be meant for this machine and come from no page of
/// another: a name that resolves to 127.0.0.1 (DNS rebinding) and a form on a page elsewhere are refused.
pub(super) fn check_local(headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |what: &str| {
        let detail = format!("this server has no tokens, so it only answers this machine itself; {what}");
        Err(Problem::forbidden("not_local", detail))
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(is_loopback) {
        return refused("the Host of this request is another's");
    }
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    let own = |origin: &str| {
        origin.split_once("://").is_some_and(|(scheme, rest)| matches!(scheme, "http" | "https") && is_loopback(rest))
    };
    if origin.is_some_and(|origin| !own(origin)) {
        return refused("the Origin of this request is another's");
    }
    Ok(())
}

/// Whether `host` or `host:port` is this machine's own.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Who sends a request, for its share of what all requests hold: a token or a session, else an address.
fn sender(request: &Request) -> String {
    let headers = request.headers();
    let token = headers.get(header::AUTHORIZATION).map(|given| hash(&String::from_utf8_lossy(given.as_bytes())));
    let known = token.or_else(|| session_cookie::value(headers).map(|cookie| hash(&cookie)));
    known.unwrap_or_else(|| format!("{:?}", address_of(request)))
}

/// The address that a request comes from.
fn address_of(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<Client>().and_then(|client| client.address)
}

/// Names a request, counts it, and tells the log of it.
pub(super) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let (started, began) = (Instant::now(), app.clock.now());
    let id = crate::run::new_id(began);
    request.extensions_mut().insert(RequestId(id.clone()));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = rate::route_word(request.extensions().get::<MatchedPath>().map(MatchedPath::as_str));
    let client = address_of(&request).map_or_else(|| "unix".to_owned(), |address| address.to_string());
    let traced = RequestTrace::begin(&app, request.headers(), route, &id, began);
    let mut response = trace::within(traced.context, SENDER.scope(sender(&request), next.run(request))).await;
    if let Some(mut problem) = response.extensions_mut().remove::<ProblemBody>() {
        problem.request_id = Some(id.clone());
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        response = (status, axum::Json(problem)).into_response();
        let length = response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().extend(headers);
        response.headers_mut().remove(header::CONTENT_LENGTH);
        if let Some(length) = length {
            response.headers_mut().insert(header::CONTENT_LENGTH, length);
        }
    }
    let is_stream = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/event-stream");
    if response.headers().get(header::CONTENT_TYPE).is_some_and(is_stream) {
        // A proxy such as nginx would gather what comes, and pass it on late.
        response.headers_mut().insert(NO_GATHERING, HeaderValue::from_static("no"));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response.headers_mut().entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    let (status, time) = (response.status().as_u16(), started.elapsed());
    app.tools.metrics.answered(rate::method_word(&method), route, status, time);
    let duration_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (id, method, path, client) = (id.as_str(), &method, path.as_str(), client.as_str());
    traced.end(&app, &Answered { id, method, route, path, client, status });
    tracing::debug!(request.id = %id, client.address = %client, http.method = %method, http.path = %path, http.status = status, duration_ms, "request");
    response
}

/// A handler that panics is a mistake of ours: the caller is told so, and the node goes on.
pub(super) async fn never_panic(State(app): State<App>, request: Request, next: Next) -> Response {
    match app.tools.supervisor.catch("request", next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::mistake().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).expect("a header"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).expect("a header"));
        }
        headers
    }

    /// D12: what a node that goes down takes no more.
    #[test]
    fn what_makes_work_is_known() {
        for (method, route, makes) in [
            ("POST", "/v1/runs", true),
            ("POST", "/v1/schedules/{id}/trigger", true),
            ("PUT", "/v1/scripts/{name}", true),
            ("POST", "/v1/runs/{id}/cancel", false),
            ("POST", "/v1/scheduler/pause", false),
            ("POST", "/v1/triggers/preview", false),
            ("DELETE", "/v1/schedules/{id}", false),
            ("GET", "/v1/runs", false),
        ] {
            assert_eq!(makes_work(method, route), makes, "{method} {route}");
        }
    }

    #[test]
    fn only_this_machine_is_let_in_without_tokens() {
        for (host, origin) in [
            ("127.0.0.1:8080", None),
            ("localhost", None),
            ("LOCALHOST:1", None),
            ("[::1]:8080", None),
            ("127.9.9.9", Some("http://localhost:3000")),
        ] {
            assert!(check_local(&headers(host, origin)).is_ok(), "{host} {origin:?}");
        }
        for (host, origin) in [
            ("evil.example", None),
            ("127.0.0.1.evil.example:8080", None),
            ("localhost.evil.example", None),
            ("127.0.0.1:8080", Some("https://evil.example")),
            ("127.0.0.1:8080", Some("null")),
            ("10.0.0.1", None),
        ] {
            assert!(check_local(&headers(host, origin)).is_err(), "{host} {origin:?}");
        }
        assert!(check_local(&HeaderMap::new()).is_err());
    }
}
