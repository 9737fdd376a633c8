//! The API's description (OpenAPI 3.1), made from the code, and a page that shows it without the network.

use super::client::Base;
use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::{App, Part, described};
use crate::api::{ErrorBody, ProblemBody};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::Config;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add_page(Need::Nothing, "/openapi.json", openapi)
        .add_page(Need::Nothing, "/docs/api", docs)
        .add_page(Need::Nothing, "/docs/api/", docs)
        .add_page(Need::Nothing, "/docs/api/{file}", file)
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Cronbox", description = "Takes Python scripts, runs each run in a sandbox of its own, and keeps the results."),
    components(schemas(ErrorBody, ProblemBody)),
    modifiers(&Bearer),
    security((), ("token" = [])),
    tags(
        (name = "scripts", description = "Python sources with numbered versions and settings"),
        (name = "runs", description = "Executions and their results"),
        (name = "schedules", description = "What starts scripts by the clock"),
        (name = "events", description = "What happened, in order"),
        (name = "charts", description = "Charts of results that are kept"),
        (name = "messages", description = "Channels, and the messages to them"),
        (name = "alerts", description = "What is watched, and which channels are told"),
        (name = "access", description = "Tokens, sessions, grants and secrets"),
        (name = "node", description = "How the node is"),
    )
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("cbx_…").build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The description as JSON.
pub fn document() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| written("/"))
}

/// The description of the API at this path.
fn written(path: &str) -> String {
    let mut document = Document::openapi();
    document.merge(super::declared().description().clone());
    document.info.version = env!("CARGO_PKG_VERSION").into();
    // A document of our own types can always be written.
    let mut document = serde_json::to_value(&document).unwrap_or_default();
    described::finish(&mut document, super::endpoints(), path);
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

async fn openapi(State(app): State<App>, Extension(base): Extension<Base>) -> Response {
    let document = app.docs.of(&base, Docs::new).document.clone();
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}

/// The description and the page as they are below a path.
pub(super) struct Docs {
    document: Bytes,
    page: Arc<Config<'static>>,
    /// The page's files, each once: these need no token, and clients that do not read them would hold a copy each.
    files: Mutex<BTreeMap<String, Shown>>,
}

impl Docs {
    fn new(base_path: &str) -> Self {
        let document = match base_path {
            "" => Bytes::from_static(document().as_bytes()),
            path => Bytes::from(written(path)),
        };
        let page = Arc::new(Config::from(format!("{base_path}/openapi.json")));
        Docs { document, page, files: Mutex::default() }
    }
}

/// Whether the page has a file of that name.
pub(super) fn is_file(name: &str) -> bool {
    matches!(utoipa_swagger_ui::serve(name, Arc::new(Config::from(String::new()))), Ok(Some(_)))
}

pub(super) async fn docs() -> Redirect {
    Redirect::temporary("/docs/api/index.html")
}

/// A file of the docs: its type and its bytes.
type Shown = (String, Bytes);

async fn file(State(app): State<App>, Extension(base): Extension<Base>, Part(name): Part) -> Result<Response, Problem> {
    let docs = app.docs.of(&base, Docs::new);
    let files = &docs.files;
    let known = files.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
    let (kind, bytes) = match known {
        Some(file) => file,
        None => {
            let Ok(Some(file)) = utoipa_swagger_ui::serve(&name, docs.page.clone()) else {
                return Err(Problem::not_found("no_such_address", "the API reference has no such file"));
            };
            let shown = (file.content_type, Bytes::from(file.bytes.into_owned()));
            files.lock().unwrap_or_else(PoisonError::into_inner).insert(name, shown.clone());
            shown
        }
    };
    Ok(([(header::CONTENT_TYPE, kind)], bytes).into_response())
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{endpoints, rate};
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn every_endpoint_is_described_but_the_pages() {
        let document: Value = serde_json::from_str(document()).expect("JSON");
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for method in methods.as_object().expect("methods").keys() {
                described.insert((method.to_uppercase(), path.clone()));
            }
        }
        let pages = ["/", "/icon.svg", "/openapi.json"];
        let is_page = |path: &str| pages.contains(&path) || path.starts_with("/docs") || path.starts_with("/assets");
        let endpoints: BTreeSet<_> = endpoints()
            .iter()
            .filter(|endpoint| !is_page(&endpoint.path))
            // The description knows no part of a path that has slashes.
            .map(|endpoint| (endpoint.method.to_owned(), endpoint.path.replace("{*", "{")))
            .collect();
        assert_eq!(endpoints, described);
        assert_eq!(document["openapi"], "3.1.0");
    }

    #[test]
    fn only_probes_and_pages_need_nothing() {
        for endpoint in endpoints() {
            let is_open = rate::is_probe(&endpoint.path)
                // Who logs in has no token yet.
                || endpoint.path == "/v1/session"
                || !endpoint.path.starts_with("/v1/") && endpoint.path != "/metrics";
            assert_eq!(endpoint.need == Need::Nothing, is_open, "{endpoint:?}");
        }
    }
}
