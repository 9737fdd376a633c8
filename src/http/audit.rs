//! The audit log: who acts in a request, what they were refused, and what it says.

use super::App;
use super::body::Query;
use super::client::Client;
use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use crate::access::{Caller, Scope};
use crate::api::{AuditBody, Page, ProblemBody};
use crate::audit::{Actor, ActorKind};
use crate::service::AuditRequest;
use axum::Json;
use axum::extract::State;
use axum::http::{Extensions, StatusCode};
use axum::response::Response;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default().add(Need::Server(Scope::Admin), routes!(list_audit))
}

/// Most refusals of one caller that are entered within [`WINDOW`]: a client that asks for the same thing all day must not fill
/// the disk.
const MOST_REFUSALS: u32 = 60;
const WINDOW: Duration = Duration::from_secs(3600);

/// The id of a request.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) String);

/// How many refusals were entered for each caller lately.
#[derive(Default)]
pub(super) struct Refusals {
    callers: Mutex<HashMap<String, (Instant, u32)>>,
}

impl Refusals {
    /// Whether one more of a caller is entered. The last one of a window is; those after it are not.
    fn pass(&self, caller: &str, now: Instant) -> bool {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        callers.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
        let (_, count) = callers.entry(caller.to_owned()).or_insert((now, 0));
        *count = count.saturating_add(1);
        *count <= MOST_REFUSALS
    }
}

/// Who sends a request, of a session or not; without a caller it is somebody who logs in or out.
pub(super) fn actor(
    app: &App,
    extensions: &Extensions,
    action: &str,
    caller: Option<&Caller>,
    is_session: bool,
) -> Actor {
    let (kind, token) = match caller {
        Some(Caller::Local) => (ActorKind::Local, None),
        Some(Caller::Token(token)) if !is_session => (ActorKind::Token, Some(token)),
        Some(Caller::Token(token)) => (ActorKind::Session, Some(token)),
        None => (ActorKind::Session, None),
    };
    Actor {
        kind,
        token: token.map(|token| token.id.clone()),
        token_name: token.map(|token| token.name.clone()),
        address: extensions.get::<Client>().and_then(|client| client.address).map(|address| address.to_string()),
        request: extensions.get::<RequestId>().map(|id| id.0.clone()),
        action: action.to_owned(),
        at: app.clock.now(),
    }
}

/// The code of the refusal, if that is what was answered.
pub(super) fn refusal(answer: &Response) -> Option<String> {
    let code = || answer.extensions().get::<ProblemBody>().map_or("forbidden", |problem| &problem.code).to_owned();
    (answer.status() == StatusCode::FORBIDDEN).then(code)
}

/// Enters that a caller was refused something.
pub(super) async fn note_refusal(app: &App, actor: Actor, path: &str, code: &str) {
    let caller = actor.token.as_deref().unwrap_or("local");
    if !app.refusals.pass(caller, Instant::now()) {
        return;
    }
    // The caller has been refused already: that it cannot be entered changes nothing for them.
    if let Err(error) = app.store.note_refusal(actor, path.trim_start_matches("/v1/"), code).await {
        tracing::warn!(%error, "a refusal cannot be entered in the audit log");
    }
}

/// List who changed what
///
/// The newest first. Each change that a user asks for has an entry, written in the transaction of the change, and so has each
/// request of a known token that was refused (at most 60 an hour of each). A run that is started has none: the run itself says
/// who started it.
#[utoipa::path(
    get, path = "/v1/audit", tag = "access", operation_id = "list_audit",
    params(
        ("actor" = Option<String>, Query, description = "`token`, `session`, `local` or `server`"),
        ("token" = Option<String>, Query, description = "Only those of the token with this id"),
        ("action" = Option<String>, Query, description = "Only those of this operation: `put_script`"),
        ("object" = Option<String>, Query, description = "Only those about this, or what is below it: `scripts/price`"),
        ("outcome" = Option<String>, Query, description = "`done` or `refused`"),
        ("request" = Option<String>, Query, description = "Only those of the request with this id"),
        ("since" = Option<String>, Query, description = "Then or later: RFC 3339, or 24h, 7d ago"),
        ("until" = Option<String>, Query, description = "Before: RFC 3339, or 24h, 7d ago"),
        ("limit" = Option<usize>, Query, description = "How many; 100 by default, at most 1000"),
        ("cursor" = Option<String>, Query, description = "Where the last page ended"),
    ),
    responses(
        (status = 200, description = "Entries", body = Page<AuditBody>),
    )
)]
pub(super) async fn list_audit(State(app): State<App>, query: Query) -> Result<Json<Page<AuditBody>>, Problem> {
    let limit = query.limit(100, 1000)?;
    let one = |name: &str| query.one(name).map(|value| value.map(str::to_owned));
    let asked = AuditRequest {
        actor: one("actor")?,
        token: one("token")?,
        action: one("action")?,
        object: one("object")?,
        outcome: one("outcome")?,
        request: one("request")?,
        since: query.time("since", app.clock.now())?,
        until: query.time("until", app.clock.now())?,
        before: one("cursor")?,
    };
    let mut found = app.audit(asked, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|entry| entry.id.clone());
    Ok(Json(Page { items: found.iter().map(AuditBody::from).collect(), next_cursor }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_a_caller_are_bounded_within_an_hour() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let entered = |caller, at| (0..100).filter(|_| refusals.pass(caller, at)).count();
        assert_eq!(entered("a", start), 60);
        assert_eq!(entered("b", start), 60, "each caller has its own");
        assert_eq!(entered("a", start + Duration::from_secs(3599)), 0);
        assert_eq!(entered("a", start + Duration::from_secs(3600)), 60);
        assert_eq!(refusals.callers.lock().expect("not poisoned").len(), 1, "who asks no more is forgotten");
    }
}
