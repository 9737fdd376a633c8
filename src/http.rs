//! The API over HTTP: the one list of routes with their scopes, and what every request passes.

mod accept;
mod access;
mod answers;
mod attempts;
mod before;
mod below;
mod body;
mod carry_out;
mod connections;
mod described;
mod described_fields;
mod descriptors;
mod docs;
mod documents;
mod events;
mod feed;
mod files;
mod health;
mod intake;
mod known;
mod listen;
mod options;
mod output;
mod paced;
mod pieces;
mod problem;
mod progress;
mod queries;
mod rate;
#[cfg(test)]
pub(crate) mod readers;
mod requests;
mod runs;
mod schedules;
mod scripts;
mod secrets;
mod series;
mod state;
mod streams;
mod submit;
mod tokens;
mod typed;
mod upload;

pub use access::AnonymousAccess;
pub use below::below;
pub use docs::document;
pub use listen::{Listener, serve};

use crate::access::Scope;
use crate::blobs::Blobs;
use crate::checker::Checker;
use crate::clock::Clock;
use crate::disk_usage::Space;
use crate::keyring::Keyring;
use crate::links::Linker;
use crate::live_output::Live;
use crate::metrics::Metrics;
use crate::plan;
use crate::signals::Signals;
use crate::store::Store;
use crate::supervise::Supervisor;
use answers::Answers;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};
use axum::{RequestPartsExt, Router};
use described_fields::Parameters;
use docs::Docs;
use documents::Documents;
use feed::Feed;
use health::Found;
use known::Known;
use problem::Problem;
use rate::Limiter;
use std::collections::BTreeMap;
use std::sync::Arc;
use streams::Streams;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it tells nothing about scripts.
    Nothing,
    /// A scope. What the route tells and changes is about the scripts that the caller may touch.
    Scope(Scope),
    /// A scope, of a caller who may touch all scripts: the route concerns the whole server.
    Server(Scope),
}

/// Every route: method, path, what it asks of its caller. A route that is not here answers nobody.
pub const ROUTES: &[(&str, &str, Need)] = &[
    ("GET", "/healthz", Need::Nothing),
    ("GET", "/readyz", Need::Nothing),
    ("GET", "/openapi.json", Need::Nothing),
    ("GET", "/docs", Need::Nothing),
    ("GET", "/docs/", Need::Nothing),
    ("GET", "/docs/{file}", Need::Nothing),
    ("GET", "/docs/api", Need::Nothing),
    ("GET", "/docs/api/", Need::Nothing),
    ("GET", "/docs/api/{file}", Need::Nothing),
    ("GET", "/metrics", Need::Server(Scope::Metrics)),
    ("GET", "/v1/script-sources/problems", Need::Server(Scope::Read)),
    ("GET", "/v1/scripts", Need::Scope(Scope::Read)),
    ("POST", "/v1/scripts", Need::Scope(Scope::Write)),
    ("GET", "/v1/scripts/{name}", Need::Scope(Scope::Read)),
    ("PUT", "/v1/scripts/{name}", Need::Scope(Scope::Write)),
    ("PATCH", "/v1/scripts/{name}", Need::Scope(Scope::Write)),
    ("DELETE", "/v1/scripts/{name}", Need::Scope(Scope::Write)),
    ("GET", "/v1/scripts/{name}/versions", Need::Scope(Scope::Read)),
    ("GET", "/v1/scripts/{name}/versions/{number}/source", Need::Scope(Scope::Read)),
    ("POST", "/v1/scripts/{name}/rollback", Need::Scope(Scope::Write)),
    ("GET", "/v1/scripts/{name}/state", Need::Scope(Scope::Read)),
    ("PUT", "/v1/scripts/{name}/state", Need::Scope(Scope::Write)),
    ("DELETE", "/v1/scripts/{name}/state", Need::Scope(Scope::Write)),
    ("POST", "/v1/scripts/{name}/runs", Need::Scope(Scope::Run)),
    ("GET", "/v1/scripts/{name}/series", Need::Scope(Scope::Read)),
    ("GET", "/v1/runs", Need::Scope(Scope::Read)),
    ("POST", "/v1/runs", Need::Scope(Scope::Exec)),
    ("GET", "/v1/runs/counts", Need::Scope(Scope::Read)),
    ("GET", "/v1/runs/{id}", Need::Scope(Scope::Read)),
    ("DELETE", "/v1/runs/{id}", Need::Scope(Scope::Write)),
    ("GET", "/v1/runs/{id}/output/{stream}", Need::Scope(Scope::Read)),
    ("GET", "/v1/runs/{id}/attempts", Need::Scope(Scope::Read)),
    ("GET", "/v1/runs/{id}/files", Need::Scope(Scope::Read)),
    ("GET", "/v1/runs/{id}/files/{*path}", Need::Scope(Scope::Read)),
    ("GET", "/v1/runs/{id}/events", Need::Scope(Scope::Read)),
    ("POST", "/v1/runs/{id}/cancel", Need::Scope(Scope::Run)),
    ("POST", "/v1/runs/{id}/retry", Need::Scope(Scope::Run)),
    ("GET", "/v1/schedules", Need::Scope(Scope::Read)),
    ("POST", "/v1/schedules", Need::Scope(Scope::Write)),
    ("GET", "/v1/schedules/{id}", Need::Scope(Scope::Read)),
    ("PUT", "/v1/schedules/{id}", Need::Scope(Scope::Write)),
    ("PATCH", "/v1/schedules/{id}", Need::Scope(Scope::Write)),
    ("DELETE", "/v1/schedules/{id}", Need::Scope(Scope::Write)),
    ("POST", "/v1/schedules/{id}/pause", Need::Scope(Scope::Write)),
    ("POST", "/v1/schedules/{id}/resume", Need::Scope(Scope::Write)),
    ("POST", "/v1/schedules/{id}/trigger", Need::Scope(Scope::Run)),
    ("POST", "/v1/schedules/{id}/backfill", Need::Scope(Scope::Run)),
    ("GET", "/v1/schedules/{id}/preview", Need::Scope(Scope::Read)),
    ("POST", "/v1/triggers/preview", Need::Scope(Scope::Read)),
    ("GET", "/v1/scheduler", Need::Scope(Scope::Read)),
    ("POST", "/v1/scheduler/pause", Need::Server(Scope::Admin)),
    ("POST", "/v1/scheduler/resume", Need::Server(Scope::Admin)),
    ("GET", "/v1/events", Need::Scope(Scope::Read)),
    ("GET", "/v1/secrets", Need::Scope(Scope::Read)),
    ("GET", "/v1/secrets/{name}", Need::Scope(Scope::Read)),
    ("PUT", "/v1/secrets/{name}", Need::Scope(Scope::Grant)),
    ("DELETE", "/v1/secrets/{name}", Need::Scope(Scope::Grant)),
    ("POST", "/v1/keys/rotate", Need::Server(Scope::Admin)),
    ("GET", "/v1/tokens", Need::Server(Scope::Admin)),
    ("POST", "/v1/tokens", Need::Server(Scope::Admin)),
    ("DELETE", "/v1/tokens/{id}", Need::Server(Scope::Admin)),
    ("GET", "/v1/grants", Need::Scope(Scope::Read)),
    ("PUT", "/v1/grants/{script}", Need::Scope(Scope::Grant)),
    ("DELETE", "/v1/grants/{script}/{kind}/{name}", Need::Scope(Scope::Grant)),
];

/// What the operator decides about requests.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What holds for runs.
    pub runs: Arc<plan::RunPolicy>,
    /// How many runs may wait that were asked for by request.
    pub queue_bound: u64,
    /// Requests a second, of all and of each token.
    pub rate: (u32, u32),
}

/// What the node has found out about its parts: `ok`, or a sentence.
pub type Readiness = BTreeMap<String, String>;

/// What handlers work with.
pub struct Tools {
    /// The database.
    pub store: Store,
    /// Sources and large values.
    pub blobs: Blobs,
    /// Looks at scripts before they are kept.
    pub checker: Checker,
    /// Reads linked scripts.
    pub linker: Linker,
    /// The keys of secrets.
    pub keyring: Arc<Keyring>,
    /// What time it is.
    pub clock: Clock,
    /// The signals of this node.
    pub signals: Arc<Signals>,
    /// What runs of this node write.
    pub live: Arc<Live>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Catches panics of requests.
    pub supervisor: Arc<Supervisor>,
    /// Requests that are carried out whether their clients stay or not.
    pub changes: TaskTracker,
    /// The node that takes runs while they are made; none when this one has no worker.
    pub node: Option<String>,
    /// What the operator decides.
    pub rules: Rules,
    /// How the node's parts are.
    pub ready: watch::Receiver<Readiness>,
    /// How much room the data has; none where it is on another machine.
    pub space: Option<Space>,
    /// Who comes in without a token.
    pub anonymous_access: AnonymousAccess,
    /// When nothing new is taken: the node goes down.
    pub stop: CancellationToken,
    /// When answers that go on and on end.
    pub down: CancellationToken,
}

/// Shared by all handlers.
#[derive(Clone)]
pub(crate) struct App {
    docs: Arc<Docs>,
    /// The parameters that each operation knows.
    parameters: Arc<Parameters>,
    documents: Arc<Documents>,
    known: Arc<Known>,
    tools: Arc<Tools>,
    limiter: Arc<Limiter>,
    answers: Arc<Answers>,
    streams: Arc<Streams>,
    feed: Arc<Feed>,
    /// How the database and the blobs were a moment ago.
    found: Arc<Found>,
    /// Held while secrets are sealed.
    sealing: Arc<tokio::sync::Mutex<()>>,
}

impl std::ops::Deref for App {
    type Target = Tools;

    fn deref(&self) -> &Tools {
        &self.tools
    }
}

/// The API, below this path.
pub fn router(tools: Tools, base_path: &str) -> Router {
    let limiter = Arc::new(Limiter::new(tools.rules.rate));
    let app = App {
        docs: Arc::new(Docs::new(base_path)),
        parameters: Arc::new(Parameters::of(document())),
        documents: Arc::new(Documents::new(base_path)),
        known: Arc::default(),
        tools: Arc::new(tools),
        limiter,
        answers: Arc::default(),
        streams: Arc::default(),
        feed: Arc::default(),
        found: Arc::default(),
        sealing: Arc::default(),
    };
    let api = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs", get(documents::index))
        .route("/docs/", get(documents::index))
        .route("/docs/{file}", get(documents::document))
        .route("/docs/api", get(docs::docs))
        .route("/docs/api/", get(docs::docs))
        .route("/docs/api/{file}", get(docs::file))
        .route("/v1/scripts", get(scripts::show::list_scripts).post(scripts::publish::create_script))
        .route(
            "/v1/scripts/{name}",
            get(scripts::show::get_script)
                .put(scripts::publish::put_script)
                .patch(scripts::change::patch_script)
                .delete(scripts::change::delete_script),
        )
        .route("/v1/scripts/{name}/versions", get(scripts::show::list_versions))
        .route("/v1/scripts/{name}/versions/{number}/source", get(scripts::show::get_source))
        .route("/v1/scripts/{name}/rollback", post(scripts::change::roll_back_script))
        .route("/v1/scripts/{name}/state", get(state::get_state).put(state::put_state).delete(state::delete_state))
        .route("/v1/scripts/{name}/runs", post(runs::run_script))
        .route("/v1/scripts/{name}/series", get(queries::values::get_series))
        .route("/v1/runs", get(queries::list::list_runs).post(runs::run_source))
        .route("/v1/runs/counts", get(queries::counts::count_runs))
        .route("/v1/runs/{id}", get(runs::get_run).delete(runs::delete_run))
        .route("/v1/runs/{id}/output/{stream}", get(output::get_output))
        .route("/v1/runs/{id}/attempts", get(attempts::list_attempts))
        .route("/v1/runs/{id}/files", get(files::list_files))
        .route("/v1/runs/{id}/files/{*path}", get(files::get_file))
        .route("/v1/runs/{id}/events", get(output::follow_run))
        .route("/v1/runs/{id}/cancel", post(runs::cancel_run))
        .route("/v1/runs/{id}/retry", post(runs::retry_run))
        .route("/v1/schedules", get(schedules::show::list_schedules).post(schedules::change::create_schedule))
        .route(
            "/v1/schedules/{id}",
            get(schedules::show::get_schedule)
                .put(schedules::change::put_schedule)
                .patch(schedules::change::patch_schedule)
                .delete(schedules::state::delete_schedule),
        )
        .route("/v1/schedules/{id}/pause", post(schedules::state::pause_schedule))
        .route("/v1/schedules/{id}/resume", post(schedules::state::resume_schedule))
        .route("/v1/schedules/{id}/trigger", post(schedules::backfill::trigger_schedule))
        .route("/v1/schedules/{id}/backfill", post(schedules::backfill::backfill_schedule))
        .route("/v1/schedules/{id}/preview", get(schedules::preview::preview_schedule))
        .route("/v1/triggers/preview", post(schedules::preview::preview_trigger))
        .route("/v1/scheduler", get(schedules::state::get_scheduler))
        .route("/v1/scheduler/pause", post(schedules::state::pause_scheduler))
        .route("/v1/scheduler/resume", post(schedules::state::resume_scheduler))
        .route("/v1/events", get(events::list_events))
        .route("/v1/secrets", get(secrets::list_secrets))
        .route("/v1/secrets/{name}", get(secrets::get_secret).put(secrets::put_secret).delete(secrets::delete_secret))
        .route("/v1/keys/rotate", post(secrets::rotate_keys))
        .route("/v1/tokens", get(tokens::list_tokens).post(tokens::create_token))
        .route("/v1/tokens/{id}", delete(tokens::delete_token))
        .route("/v1/script-sources/problems", get(scripts::show::list_source_problems))
        .route("/v1/grants", get(tokens::list_grants))
        .route("/v1/grants/{script}", axum::routing::put(tokens::put_grant))
        .route("/v1/grants/{script}/{kind}/{name}", delete(tokens::delete_grant))
        .method_not_allowed_fallback(rate::no_such_method)
        // The guard comes before it: it knows the caller.
        .route_layer(from_fn_with_state(app.clone(), streams::bounded))
        .route_layer(from_fn_with_state(app.clone(), access::guard))
        .route_layer(from_fn_with_state(app.clone(), carry_out::carry_out))
        .fallback(rate::no_such_address)
        .layer(from_fn_with_state(app.clone(), access::observe))
        .layer(from_fn_with_state(app.clone(), access::never_panic))
        .layer(packed())
        .with_state(app);
    below(base_path, api)
}

/// Packs large answers for clients that take them so; streams of events come as they are written.
fn packed() -> CompressionLayer<impl Predicate> {
    let large =
        SizeAbove::new(LEAST_PACKED).and(NotForContentType::SSE).and(NotForContentType::const_new("application/zip"));
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(large)
}

/// Smaller answers are not worth packing, in bytes.
const LEAST_PACKED: u64 = 1_024;

/// The one part of the path that varies.
pub(crate) struct Part(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Part {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let path = parts.extract::<axum::extract::Path<String>>().await;
        path.map(|path| Part(path.0)).map_err(|_| Problem::bad("bad_path", "the address is not UTF-8"))
    }
}

/// The parts of the path that vary.
pub(crate) struct PathParts(pub(crate) Vec<String>);

impl<S: Send + Sync> FromRequestParts<S> for PathParts {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let path = parts.extract::<axum::extract::Path<Vec<String>>>().await;
        path.map(|path| PathParts(path.0)).map_err(|_| Problem::bad("bad_path", "the address is not UTF-8"))
    }
}
