//! How the node is.

use super::problem::Problem;
use super::{App, Readiness};
use crate::api::{ProblemBody, ReadyBody};
use crate::space::Space;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cronbox_runtime::Health;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

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
        let silent = || format!("no answer within {} s", PATIENCE.as_secs());
        let (database, blobs) = tokio::join!(
            tokio::time::timeout(PATIENCE, self.store.ping()),
            tokio::time::timeout(PATIENCE, self.blobs.ping())
        );
        let database = database.map_or_else(|_| Some(silent()), |pinged| pinged.err().map(|error| error.to_string()));
        let blobs = blobs.map_or_else(|_| Some(silent()), |pinged| pinged.err().map(|error| error.to_string()));
        let word = |problem: Option<String>| problem.unwrap_or_else(|| "ok".into());
        let parts = Readiness::from([("database".into(), word(database)), ("blobs".into(), word(blobs))]);
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
pub(super) async fn readyz(State(app): State<App>) -> Response {
    let mut parts = app.ready.borrow().clone();
    parts.extend(app.found().await);
    if let Some(trouble) = app.supervisor.trouble() {
        parts.insert("tasks".into(), trouble);
    }
    let sandboxes = app.checker.pool().health();
    parts.extend(no_sandboxes(&sandboxes).map(|why| ("sandboxes".to_owned(), why)));
    let ready = parts.values().all(|part| part == "ok");
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut warnings: Vec<String> = app.space.as_ref().and_then(Space::warning).into_iter().collect();
    warnings.extend(few_sandboxes(&sandboxes));
    warnings.extend(app.linker.warnings());
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
#[utoipa::path(
    get, path = "/metrics", tag = "node", operation_id = "metrics",
    responses(
        (status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"),
        (status = "4XX", description = "It is not told", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The database is away", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let asked = Instant::now();
    app.store.ping().await?;
    app.metrics.pinged(asked.elapsed());
    let depth = app.store.queue_depth().await?;
    let age = depth.oldest.and_then(|oldest| (app.clock.now() - oldest).to_std().ok()).unwrap_or_default();
    let states = [("waiting", depth.waiting), ("held", depth.held), ("ready", depth.ready), ("claimed", depth.claimed)];
    app.metrics.queue(states, age);
    if let Some(space) = &app.space {
        let found = space.found();
        app.metrics.space([("data", found.data), ("disk", found.disk), ("free", found.free)]);
    }
    let load = app.checker.load();
    app.metrics.node(app.live.count(), [("queued", load.queued), ("aboard", load.aboard), ("busy", load.busy)]);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], app.metrics.text()).into_response())
}
