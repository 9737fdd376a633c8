//! How the node is.

use super::access::{COUNTED_WITHIN, identify};
use super::client::Client;
use super::endpoints::{Endpoints, Need};
use super::{App, Readiness, accept};
use crate::access::Scope;
use crate::api::ReadyBody;
use crate::clock::Time;
use crate::disk_usage::Space;
use crate::fullness::Fullness;
use crate::metrics::{MOST_SCRIPTS, Process};
use crate::store::StoreError;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use cronbox_runtime::Health;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Nothing, routes!(healthz))
        .add(Need::Nothing, routes!(readyz))
        .add(Need::Server(Scope::Metrics), routes!(metrics))
}

/// For how long it counts what was found out about the database and the blobs: a probe has no token, and however often it
/// asks, these are asked once.
const COUNTS: Duration = Duration::from_secs(1);
/// How long they may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was found out about the database and the blobs, and when.
#[derive(Debug, Default)]
pub(super) struct Found(Mutex<Option<(Instant, Readiness)>>);

impl App {
    /// How the database and the blobs are, or were a moment ago. Probes that come together wait for one answer.
    async fn found(&self) -> Readiness {
        let mut found = self.found.0.lock().await;
        if let Some((at, parts)) = &*found
            && at.elapsed() < COUNTS
        {
            return parts.clone();
        }
        // Reading goes on when a disk is full: whether it still is says a write.
        let (write, put) = (self.store.fullness().is_full(), self.blobs.fullness().is_full());
        let database = async { if write { self.store.try_write().await } else { self.store.ping().await } };
        let blobs = async { if put { self.blobs.try_put().await } else { self.blobs.ping().await } };
        let silent = || format!("no answer within {} s", PATIENCE.as_secs());
        let (database, blobs) =
            tokio::join!(tokio::time::timeout(PATIENCE, database), tokio::time::timeout(PATIENCE, blobs));
        let database = database.map_or_else(|_| Some(silent()), |pinged| pinged.err().map(|error| error.to_string()));
        let blobs = blobs.map_or_else(|_| Some(silent()), |pinged| pinged.err().map(|error| error.to_string()));
        let word = |problem: Option<String>, fullness: &Fullness| match problem {
            Some(problem) => problem,
            // Something small found room, and what is waited for may be larger.
            None if fullness.is_full() => "its disk is full, or was a moment ago".into(),
            None => "ok".into(),
        };
        let (database, blobs) = (word(database, self.store.fullness()), word(blobs, self.blobs.fullness()));
        let parts = Readiness::from([("database".into(), database), ("blobs".into(), blobs)]);
        *found = Some((Instant::now(), parts.clone()));
        parts
    }
}

/// Whether the process is alive
#[utoipa::path(
    get, path = "/healthz", tag = "node", operation_id = "healthz",
    responses((status = 200, description = "It is", body = String, content_type = "text/plain"))
)]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the node can do its work
#[utoipa::path(
    get, path = "/readyz", tag = "node", operation_id = "readyz",
    responses(
        (status = 200, description = "It can", body = ReadyBody),
        (status = 503, description = "It cannot, and why", body = ReadyBody),
    )
)]
pub(super) async fn readyz(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Response {
    let mut parts = app.tools.ready.borrow().clone();
    parts.extend(app.found().await);
    if let Some(trouble) = app.tools.supervisor.trouble() {
        parts.insert("tasks".into(), trouble);
    }
    let sandboxes = app.tools.checker.pool().health();
    parts.extend(no_sandboxes(&sandboxes).map(|why| ("sandboxes".to_owned(), why)));
    let ready = parts.values().all(|part| part == "ok");
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut warnings: Vec<String> = app.tools.space.as_ref().and_then(Space::warning).into_iter().collect();
    warnings.extend(few_sandboxes(&sandboxes));
    warnings.extend(app.tools.supervisor.warning());
    warnings.extend(app.tools.tls.as_ref().and_then(|tls| tls.warning(app.clock.now())));
    // Who may see all scripts is told which source is meant.
    let is_up = parts.get("database").is_some_and(|part| part == "ok");
    let sees_all = is_up && identify(&app, &client, &headers).await.is_ok_and(|caller| !caller.is_limited());
    warnings.extend(app.linker.warnings(sees_all));
    (status, Json(ReadyBody { ready, parts, warnings })).into_response()
}

/// Why no script can run, when none can.
fn no_sandboxes(health: &Health) -> Option<String> {
    (health.up == 0).then(|| match &health.failing {
        Some(why) => format!("no sandbox process can be started: {why}; trying again"),
        None => "no sandbox process is up; one is being started".into(),
    })
}

/// What is missing while scripts can run.
fn few_sandboxes(health: &Health) -> Vec<String> {
    let mut missing = Vec::new();
    if let Some(why) = health.failing.as_ref().filter(|_| health.up > 0) {
        let Health { up, usual, .. } = health;
        missing
            .push(format!("{up} of {usual} sandbox processes are up; another cannot be started: {why}; trying again"));
    }
    if let Some(why) = &health.no_connections {
        missing.push(format!("scripts cannot use the network: no egress process can be started: {why}; trying again"));
    }
    missing
}

/// What is counted, for Prometheus
///
/// As Prometheus's own text (0.0.4), or as OpenMetrics for who accepts that. While the database is away it tells of the process
/// and of what this node has counted itself.
#[utoipa::path(
    get, path = "/metrics", tag = "node", operation_id = "metrics",
    responses(
        (status = 200, description = "Text", content((String = "text/plain"), (String = "application/openmetrics-text"))),
    )
)]
pub(super) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    // Whoever reads this waits for some seconds only.
    let looked = tokio::time::timeout(COUNTED_WITHIN, app.count_in_database()).await;
    let looked = looked.unwrap_or_else(|_| Err(StoreError::Unavailable("it does not answer in time".into())));
    if let Err(error) = &looked {
        tracing::warn!(%error, "what the database knows is not counted");
    }
    app.tools.metrics.database(looked.is_ok());
    if let Some(space) = &app.tools.space {
        let found = space.found();
        app.tools.metrics.space([("data", found.data), ("disk", found.disk), ("free", found.free)]);
    }
    let load = app.tools.checker.load();
    let states = [("queued", load.queued), ("aboard", load.active), ("busy", load.busy), ("parked", load.parked)];
    app.tools.metrics.node(app.live.count(), states);
    app.tools.metrics.process(&Process::look());
    let (kind, text) = if accept::prefers(&headers, "application/openmetrics-text", "text/plain") {
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", app.tools.metrics.text())
    } else {
        ("text/plain; version=0.0.4; charset=utf-8", app.tools.metrics.prometheus())
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

impl App {
    /// Counts what only the database knows.
    async fn count_in_database(&self) -> Result<(), StoreError> {
        let asked = Instant::now();
        self.store.ping().await?;
        self.tools.metrics.pinged(asked.elapsed());
        let depth = self.store.queue_depth().await?;
        let now = self.clock.now();
        let since = |at: Option<Time>| at.and_then(|at| (now - at).to_std().ok()).unwrap_or_default();
        let states =
            [("waiting", depth.waiting), ("held", depth.held), ("ready", depth.ready), ("claimed", depth.claimed)];
        self.tools.metrics.queue(states, since(depth.oldest));
        let outbox = self.store.outbox().await?;
        self.tools.metrics.outbox(outbox.waiting, since(outbox.oldest));
        let lag = if self.store.scheduler().await?.paused { None } else { self.store.next_schedule().await? };
        self.tools.metrics.lag(since(lag));
        let successes = self.store.last_successes(MOST_SCRIPTS).await?;
        let seconds = |at: Time| at.timestamp_micros() as f64 / 1e6;
        self.tools.metrics.last_successes(successes.into_iter().map(|(script, at)| (script, seconds(at))));
        if let Some(backup) = self.store.last_backup().await? {
            self.tools.metrics.last_backup(seconds(backup.started_at), backup.bytes);
        }
        Ok(())
    }
}
