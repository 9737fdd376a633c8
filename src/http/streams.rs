//! Answers that go on and on, and requests that wait: how many a caller has at once, and for how long they are its own.
//!
//! A caller is asked for its token when it begins. A stream may go on for minutes, so it is asked again while it does: a
//! token that was removed or has expired, and a script that is out of its reach by now, end it.

use super::App;
use super::carry_out;
use super::client::Client;
use super::connections::Open;
use super::problem::Problem;
use crate::access::{Caller, Session};
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Streams of one caller, and of all.
const STREAMS: (usize, usize) = (64, 1_024);
/// Requests of one caller that wait for a run's end, and of all.
const WAITS: (usize, usize) = (1_024, 2_048);
/// How often a caller is asked for its token again.
const AGAIN: Duration = Duration::from_secs(30);
/// A stream ends after so long; the client comes again and goes on where it was.
const LONGEST: Duration = Duration::from_secs(600);

/// What goes on and on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Server-sent events.
    Stream,
    /// `?wait`
    Wait,
}

impl Kind {
    fn most(self) -> (usize, usize) {
        match self {
            Kind::Stream => STREAMS,
            Kind::Wait => WAITS,
        }
    }
}

/// The streams of a node.
#[derive(Debug)]
pub(super) struct Streams {
    open: Mutex<BTreeMap<(Kind, String), usize>>,
    /// Counted up when tokens are made or removed here.
    tokens: watch::Sender<u64>,
}

impl Default for Streams {
    fn default() -> Self {
        Streams { open: Mutex::default(), tokens: watch::Sender::new(0) }
    }
}

impl Streams {
    /// Tokens were made or removed here: every stream looks whether its own is still there.
    pub(super) fn tokens_changed(&self) {
        self.tokens.send_modify(|changes| *changes += 1);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Kind, String), usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more, if there is one.
    fn enter(self: &Arc<Self>, kind: Kind, whose: String) -> Result<Stay, Problem> {
        let (each, all) = kind.most();
        let key = (kind, whose);
        let mut open = self.lock();
        let own = open.get(&key).copied().unwrap_or_default();
        let together: usize = open.iter().filter(|((of, _), _)| *of == kind).map(|(_, count)| count).sum();
        let what = match kind {
            Kind::Stream => "streams are open",
            Kind::Wait => "requests wait for runs",
        };
        if own >= each || together >= all {
            let whose = if own >= each { "of this caller" } else { "on this server" };
            let most = if own >= each { each } else { all };
            let detail = format!("{most} {what} {whose} already, and no more are taken; end some first");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail).retry_after(5));
        }
        open.insert(key.clone(), own + 1);
        Ok(Stay { streams: self.clone(), key })
    }
}

/// A place that somebody has.
#[derive(Debug)]
struct Stay {
    streams: Arc<Streams>,
    key: (Kind, String),
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        if let Some(count) = open.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

/// What a request that goes on is about, for asking again whether its caller may.
#[derive(Clone, Debug)]
enum About {
    Run(String),
    Script(String),
    /// What is told is chosen anew each time.
    Everything,
}

fn about(route: &str, path: &str) -> About {
    let part = path.split('/').nth(3).unwrap_or_default().to_owned();
    if route.starts_with("/v1/runs/{id}") {
        About::Run(part)
    } else if route.starts_with("/v1/scripts/{name}") {
        About::Script(part)
    } else {
        About::Everything
    }
}

fn kind_of(route: &str, query: Option<&str>, headers: &HeaderMap) -> Option<Kind> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let waits = || form_urlencoded::parse(query.unwrap_or_default().as_bytes()).any(|(name, _)| name == "wait");
    match route {
        "/v1/runs/{id}/events" => Some(Kind::Stream),
        "/v1/events" if accept.contains("text/event-stream") => Some(Kind::Stream),
        _ if waits() => Some(Kind::Wait),
        _ => None,
    }
}

/// Counts what goes on and on, and ends it when its caller may no more. Stands behind the guard, which knows the caller.
pub(super) async fn bounded(
    State(app): State<App>,
    route: MatchedPath,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let extensions = request.extensions();
    let Some(caller) = extensions.get::<Caller>().cloned() else { return Ok(next.run(request).await) };
    let session = extensions.get::<Session>().cloned();
    let open = extensions.get::<Arc<Open>>().cloned();
    if let Some(open) = &open {
        open.know();
    }
    let Some(kind) = kind_of(route.as_str(), request.uri().query(), request.headers()) else {
        return Ok(next.run(request).await);
    };
    if open.is_some_and(|open| !open.may_stay()) {
        let detail = "there are too many connections for one that goes on; try again in a moment";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "connections_busy", detail).retry_after(5));
    }
    let address = extensions.get::<Client>().and_then(|client| client.address);
    let whose = caller.id().map_or_else(|| format!("at {address:?}"), str::to_owned);
    let stay = app.streams.enter(kind, whose)?;
    let about = about(route.as_str(), request.uri().path());
    let over = async move {
        let _stay = &stay;
        app.no_more(&caller, session.as_ref(), &about).await
    };
    if kind == Kind::Wait {
        let is_safe = request.method().is_safe();
        let mut response = std::pin::pin!(next.run(request));
        return tokio::select! {
            response = &mut response => Ok(response),
            problem = over => {
                if !is_safe {
                    // What it began is carried out; it only stops waiting.
                    carry_out::stop_waiting();
                    let _ = response.await;
                }
                Err(problem)
            }
        };
    }
    let response = next.run(request).await;
    if !response.status().is_success() {
        return Ok(response);
    }
    let ended = async move {
        tokio::select! {
            _ = over => {}
            () = tokio::time::sleep(LONGEST) => {}
        }
    };
    let (parts, body) = response.into_parts();
    let body = Body::from_stream(body.into_data_stream().take_until(Box::pin(ended)));
    Ok(Response::from_parts(parts, body))
}

impl App {
    /// Ends when a caller may no longer hear what it hears.
    async fn no_more(&self, caller: &Caller, session: Option<&Session>, about: &About) -> Problem {
        let mut changes = self.streams.tokens.subscribe();
        loop {
            let until = Instant::now() + self.time_left(caller).min(AGAIN);
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                changed = changes.changed() => if changed.is_err() { std::future::pending::<()>().await },
            }
            match self.may_go_on(caller, session, about).await {
                Err(problem) if ends(problem.status) => return problem,
                // The database is away for now: asked again when it is back.
                _ => {}
            }
        }
    }

    /// Until a token expires.
    fn time_left(&self, caller: &Caller) -> Duration {
        let Caller::Token(token) = caller else { return AGAIN };
        let left = token.expires_at.map(|end| (end - self.clock.now()).to_std().unwrap_or_default());
        // Not at the very instant, but after it.
        left.map_or(AGAIN, |left| left + Duration::from_millis(10))
    }

    async fn may_go_on(&self, caller: &Caller, session: Option<&Session>, about: &About) -> Result<(), Problem> {
        let denied = |detail: &str| Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail));
        match caller {
            Caller::Local if !self.store.tokens().await?.is_empty() => {
                return denied("this server has tokens now: come again with one");
            }
            Caller::Local => {}
            Caller::Token(token) => match self.store.token_of(&token.id).await? {
                None => return denied("this token was removed"),
                Some(found) if found.expires_at.is_some_and(|end| end <= self.clock.now()) => {
                    return denied("this token has expired");
                }
                Some(_) => {}
            },
        }
        if let Some(session) = session
            && self.session_of(&session.hash).await?.is_none()
        {
            return denied("this session has ended: log in again");
        }
        match about {
            About::Run(id) => self.run_for(caller, id).await.map(|_| ())?,
            About::Script(name) => self.script_for(caller, name).await.map(|_| ())?,
            About::Everything => {}
        }
        Ok(())
    }
}

/// Whether a caller that is answered so may not go on.
fn ends(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_known_by_its_request() {
        let mut headers = HeaderMap::new();
        assert_eq!(kind_of("/v1/runs/{id}", Some("wait=30s"), &headers), Some(Kind::Wait));
        assert_eq!(kind_of("/v1/runs/{id}", Some("await=30s"), &headers), None);
        assert_eq!(kind_of("/v1/runs/{id}/events", None, &headers), Some(Kind::Stream));
        assert_eq!(kind_of("/v1/events", None, &headers), None);
        headers.insert(header::ACCEPT, "text/event-stream".parse().expect("a header"));
        assert_eq!(kind_of("/v1/events", None, &headers), Some(Kind::Stream));
    }

    #[test]
    fn a_caller_has_so_many_and_all_have_so_many() {
        let streams = Arc::new(Streams::default());
        let mut own: Vec<Stay> =
            (0..STREAMS.0).map(|_| streams.enter(Kind::Stream, "a".into()).expect("has room")).collect();
        assert_eq!(streams.enter(Kind::Stream, "a".into()).expect_err("refuses").error.code, "too_many_streams");
        let wait = streams.enter(Kind::Wait, "a".into()).expect("has room");
        own.pop();
        let again = streams.enter(Kind::Stream, "a".into()).expect("has room again");
        let others: Vec<Stay> = (0..STREAMS.1 - STREAMS.0)
            .map(|n| streams.enter(Kind::Stream, format!("b{}", n / STREAMS.0)).expect("has room"))
            .collect();
        let problem = streams.enter(Kind::Stream, "c".into()).expect_err("refuses");
        assert!(problem.error.detail.contains("on this server"), "{}", problem.error.detail);
        drop((own, wait, again, others));
        assert!(streams.lock().is_empty());
    }
}
