//! The API over HTTP: all endpoints, and what every request passes.

mod accept;
mod access;
mod alerts;
mod answers;
mod attempts;
mod audit;
mod below;
mod body;
mod carry_out;
mod certificate;
mod channels;
mod charts;
mod client;
mod connections;
mod deliveries;
mod described;
mod described_fields;
mod described_words;
mod descriptors;
mod docs;
mod documents;
mod endpoints;
mod events;
mod feed;
mod files;
mod forwarded;
mod health;
mod intake;
mod known;
mod listen;
mod listener;
mod options;
mod output;
mod paced;
mod page;
mod per_base;
mod pieces;
mod precondition;
mod problem;
mod progress;
mod queries;
mod rate;
#[cfg(test)]
pub(crate) mod readers;
mod request_body;
mod requests;
mod runs;
mod schedules;
mod scripts;
mod secrets;
mod series;
mod session;
mod session_cookie;
mod state;
mod streams;
mod submit;
mod talk;
mod tls;
mod tokens;
mod traces;
mod typed;
mod untaken;
mod upload;

pub use below::below;
pub use certificate::{Certificate, CertificateError, CertificateFiles};
pub use client::{AnonymousAccess, Base, is_base};
pub use docs::document;
pub use endpoints::{Endpoint, Need};
pub use forwarded::{TrustedProxies, TrustedProxy};
pub use listen::serve;
pub use listener::Listener;
pub use page::EarlyPage;
pub use tls::{Tls, validity};

use crate::checker::Checker;
use crate::disk_usage::Space;
use crate::metrics::Metrics;
use crate::service::Service;
use crate::supervise::Supervisor;
use crate::trace::Traces;
use answers::Answers;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::{RequestPartsExt, Router};
use docs::Docs;
use documents::Documents;
use endpoints::Endpoints;
use feed::Feed;
use health::Found;
use known::Known;
use per_base::PerBase;
use problem::Problem;
use rate::Limiter;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use streams::Streams;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

/// All endpoints with their handlers and their description.
fn declared() -> &'static Endpoints {
    static DECLARED: LazyLock<Endpoints> = LazyLock::new(|| {
        health::endpoints()
            .merge(docs::endpoints())
            .merge(documents::endpoints())
            .merge(page::endpoints())
            .merge(scripts::endpoints())
            .merge(state::endpoints())
            .merge(charts::endpoints())
            .merge(channels::endpoints())
            .merge(deliveries::endpoints())
            .merge(alerts::endpoints())
            .merge(queries::endpoints())
            .merge(runs::endpoints())
            .merge(output::endpoints())
            .merge(attempts::endpoints())
            .merge(audit::endpoints())
            .merge(files::endpoints())
            .merge(schedules::endpoints())
            .merge(events::endpoints())
            .merge(secrets::endpoints())
            .merge(tokens::endpoints())
            .merge(session::endpoints())
    });
    &DECLARED
}

/// Every endpoint. What is not here is refused to every caller.
pub fn endpoints() -> &'static [Endpoint] {
    declared().list()
}

/// What the node has found out about its parts: `ok`, or a sentence.
pub type Readiness = BTreeMap<String, String>;

/// What handlers work with.
pub struct Tools {
    /// What is done for callers.
    pub service: Arc<Service>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Catches panics of requests.
    pub supervisor: Arc<Supervisor>,
    /// Requests that are carried out whether their clients stay or not.
    pub changes: TaskTracker,
    /// The sandbox processes, to tell how they are.
    pub checker: Checker,
    /// Requests a second, of all and of each token.
    pub rate: (u32, u32),
    /// How the node's parts are.
    pub ready: watch::Receiver<Readiness>,
    /// How much room the data has; none where it is on another machine.
    pub space: Option<Space>,
    /// Where spans go.
    pub traces: Traces,
    /// TLS of the listeners, if they have it.
    pub tls: Option<Tls>,
    /// When nothing new is taken: the node goes down.
    pub stop: CancellationToken,
    /// When answers that go on and on end.
    pub down: CancellationToken,
}

/// Shared by all handlers. Each layer of a request has a clone: one count, and not one for each part.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// What handlers share.
pub(crate) struct Shared {
    docs: PerBase<Docs>,
    documents: PerBase<Documents>,
    known: Arc<Known>,
    refusals: Arc<audit::Refusals>,
    tools: Arc<Tools>,
    limiter: Arc<Limiter>,
    answers: Arc<Answers>,
    streams: Arc<Streams>,
    feed: Arc<Feed>,
    /// How the database and the blobs were a moment ago.
    found: Arc<Found>,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl std::ops::Deref for Shared {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.tools.service
    }
}

/// The API, below this path.
pub fn router(tools: Tools, base_path: &str) -> Router {
    let limiter = Arc::new(Limiter::new(tools.rate));
    let app = App(Arc::new(Shared {
        docs: PerBase::new(base_path),
        documents: PerBase::new(base_path),
        known: Arc::default(),
        refusals: Arc::default(),
        tools: Arc::new(tools),
        limiter,
        answers: Arc::default(),
        streams: Arc::default(),
        feed: Arc::default(),
        found: Arc::default(),
    }));
    let api = declared()
        .router()
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
