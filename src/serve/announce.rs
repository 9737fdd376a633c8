//! What a node says of itself while it starts and when it is up.

use super::places::DataDir;
use super::{Config, Roles, Say};
use crate::http::{self, AnonymousAccess, Readiness};
use crate::store;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use cronbox_runtime::Pool;
use tokio::sync::watch;

/// What answers while the node starts.
pub(super) fn starting(ready: watch::Receiver<Readiness>, base_path: &str) -> Router {
    let not_yet = move || {
        let parts = ready.borrow().clone();
        let body = crate::api::ReadyBody { ready: false, parts, warnings: Vec::new() };
        async move {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                [(header::RETRY_AFTER, "1"), (header::CONNECTION, "close")],
                axum::Json(body),
            )
                .into_response()
        }
    };
    http::below(base_path, Router::new().route("/healthz", get(async || "ok\n")).fallback(not_yet))
}

pub(super) fn roles_text(roles: Roles) -> String {
    let names = [(roles.api, "api"), (roles.scheduler, "scheduler"), (roles.worker, "worker")];
    names.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect::<Vec<_>>().join(",")
}

/// Tells where the node is, what it found, and who can reach it.
pub(super) fn announce(
    config: &Config,
    say: &Say,
    address: &str,
    directory: Option<&DataDir>,
    scripts: u64,
    pool: &Pool,
    who: &str,
) {
    let scheme = if address.starts_with("unix:") { "" } else { "http://" };
    let url = format!("{scheme}{address}{}", config.base_path);
    say(&format!("cronbox {} at {url} (docs: {url}/docs)", env!("CARGO_PKG_VERSION")));
    let found = match scripts {
        1 => "1 script".to_owned(),
        count => format!("{count} scripts"),
    };
    match directory {
        Some(directory) if directory.is_new => say(&format!("data in {} (new)", directory.path.display())),
        Some(directory) => say(&format!("data in {} (found, with {found})", directory.path.display())),
        None if config.database == store::DatabaseUrl::Memory => {
            say("data in memory: everything is gone when this ends")
        }
        None => say(&format!("data in the database and the bucket ({found})")),
    }
    let hardening = pool.hardening();
    let missing: Vec<&str> = hardening.missing().map(|measure| measure.name.as_str()).collect();
    let measures =
        if missing.is_empty() { "all measures in force".to_owned() } else { format!("without {}", missing.join(", ")) };
    say(&format!(
        "zone {} (tzdata {}) · {} sandbox processes, at most {} runs at once · hardening: {measures}",
        config.timezone,
        crate::zone::installed().release(),
        config.pool.processes,
        config.max_running
    ));
    say(who);
}

/// Who can use the server, as it is told at its start.
pub(super) fn who_can_use_it(anonymous_access: AnonymousAccess, has_tokens: bool) -> &'static str {
    match anonymous_access {
        _ if has_tokens => "callers need a token",
        AnonymousAccess::Loopback => {
            "every user of this machine can use it until the first token is made (cronbox token create)"
        }
        AnonymousAccess::Unix => "only this user can use it until the first token is made",
        AnonymousAccess::Nobody => "callers need a token",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_with_a_token_says_that_it_wants_one() {
        for anonymous_access in [AnonymousAccess::Loopback, AnonymousAccess::Unix, AnonymousAccess::Nobody] {
            assert_eq!(who_can_use_it(anonymous_access, true), "callers need a token");
        }
        assert!(who_can_use_it(AnonymousAccess::Loopback, false).contains("every user of this machine"));
    }
}
