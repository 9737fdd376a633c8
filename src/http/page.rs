//! The page: what a browser shows at `/`. Its files were built in `web` and are part of the program, packed as browsers take
//! them. A program that was built without them says so.

use super::client::Base;
use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::{Part, accept};
use axum::Extension;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::ops::Range;
use std::path::Path;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default().add_page(Need::Nothing, "/", index).add_page(Need::Nothing, "/icon.svg", icon).add_page(
        Need::Nothing,
        "/assets/{file}",
        asset,
    )
}

/// A file of the page.
#[derive(Debug)]
struct File {
    /// Its path in the page's folder.
    name: &'static str,
    /// Where its bytes are in [`BLOB`].
    plain: Option<Range<usize>>,
    brotli: Option<Range<usize>>,
    gzip: Option<Range<usize>>,
}

/// The bytes of all files.
static BLOB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.bin"));

/// Bytes of a file; nothing where it was not packed so.
fn bytes(place: &Option<Range<usize>>) -> Option<&'static [u8]> {
    BLOB.get(place.clone()?)
}

/// All files, in the order of their names.
const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What is shown where the page was not built.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Cronbox</title>\
    <h1>Cronbox</h1><p>This program was built without its page. <code>make build</code> builds both. \
    The API and the command line work without it: <a href=\"docs\">documents</a>, <a href=\"docs/api\">API</a>.</p></html>";

/// The page loads what is its own and nothing else. Scripts and styles are files: nothing is written into the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; \
    connect-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

/// The name of a file of `assets` has a hash of its content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The page for clients whose addresses begin with a base path.
fn html(base: &Base) -> String {
    let built = find("index.html").and_then(|file| std::str::from_utf8(bytes(&file.plain)?).ok());
    // All addresses in the page are relative to this one.
    built.unwrap_or(NOT_BUILT).replace("<base href=\"/\"", &format!("<base href=\"{}/\"", base.0))
}

/// The page. It is the same at all of its addresses.
pub(super) fn shown(base: &Base) -> Response {
    let common = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    (common, html(base)).into_response()
}

/// The page of a node that starts and answers nothing else yet. It says so, and goes on by itself when the node is up.
#[derive(Clone, Copy, Debug)]
pub struct EarlyPage;

impl EarlyPage {
    /// What is answered to a request of the API.
    pub fn refusal(path: &str) -> Option<Response> {
        let detail = "this server is starting; try again in some seconds";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "starting", detail).retry_after(1);
        path.starts_with("/v1/").then(|| problem.into_response())
    }

    /// What is answered at an address of the page; none at others.
    pub fn answer(base: &Base, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let file = path.trim_start_matches('/');
        let mut response = if file == "icon.svg" || file.starts_with("assets/") {
            answer(file, "no-cache", headers).ok()?
        } else if is_wanted(method, path, headers) {
            shown(base)
        } else {
            return None;
        };
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Some(response)
    }
}

fn find(name: &str) -> Option<&'static File> {
    let at = FILES.binary_search_by_key(&name, |file| file.name).ok()?;
    FILES.get(at)
}

/// Whether somebody asks for the page itself: a browser, at one of its addresses.
pub(super) fn is_wanted(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    is_read && has(path) && accept::prefers(headers, "text/html", "application/json")
}

/// Whether an address can be one of the page's own, which the page itself tells from a mistake: no endpoint begins as it does,
/// and it has no file's ending.
fn has(path: &str) -> bool {
    fn first(path: &str) -> &str {
        path.trim_start_matches('/').split('/').next().unwrap_or_default()
    }
    let own = first(path);
    let is_other = !own.is_empty() && super::endpoints().iter().any(|endpoint| first(&endpoint.path) == own);
    let is_file = own == path.trim_start_matches('/') && Path::new(own).extension().is_some();
    !(FILES.is_empty() || is_other || is_file)
}

async fn index(Extension(base): Extension<Base>) -> Response {
    shown(&base)
}

async fn icon(headers: HeaderMap) -> Result<Response, Problem> {
    answer("icon.svg", "public, max-age=86400", &headers)
}

async fn asset(Part(name): Part, headers: HeaderMap) -> Result<Response, Problem> {
    answer(&format!("assets/{name}"), FOR_EVER, &headers)
}

fn answer(name: &str, keep: &'static str, headers: &HeaderMap) -> Result<Response, Problem> {
    let Some(file) = find(name) else {
        let detail =
            "the page has no such file; a page that was open while the program was replaced has to be loaded again";
        return Err(Problem::not_found("no_such_address", detail));
    };
    let kind = match Path::new(name).extension().and_then(|ending| ending.to_str()) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    };
    let packed = [("br", bytes(&file.brotli)), ("gzip", bytes(&file.gzip))];
    let packed = packed
        .into_iter()
        .find_map(|(coding, bytes)| Some((coding, bytes.filter(|_| accept::takes(headers, coding))?)));
    let common = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep), (header::VARY, "accept-encoding")];
    Ok(match packed {
        Some((coding, bytes)) => (common, [(header::CONTENT_ENCODING, coding)], bytes).into_response(),
        None => (common, bytes(&file.plain).unwrap_or_default()).into_response(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_starting_node_says_so_as_the_api_does() {
        let refused = EarlyPage::refusal("/v1/scripts").expect("a problem");
        assert_eq!(
            (refused.status(), &refused.headers()[header::RETRY_AFTER]),
            (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().expect("a value"))
        );
        let body = axum::body::to_bytes(refused.into_body(), 1 << 10).await.expect("a body");
        let problem: crate::api::ProblemBody = serde_json::from_slice(&body).expect("a problem");
        assert_eq!(problem.code, "starting");
        assert!(EarlyPage::refusal("/readyz").is_none());
    }

    #[test]
    fn addresses_of_the_page_are_told_from_others() {
        let is_built = !FILES.is_empty();
        for (path, is_page) in [
            ("/", true),
            ("/scripts/prices/code", true),
            ("/scripts/tea.py", true),
            ("/runs", true),
            ("/v1/nothing", false),
            ("/docs/nothing", false),
            ("/assets/x.js", false),
            ("/favicon.ico", false),
            ("/robots.txt", false),
        ] {
            assert_eq!(has(path), is_page && is_built, "{path}");
        }
    }

    #[test]
    fn the_page_knows_its_base_path() {
        let of = |path: &str| html(&Base(path.into()));
        if FILES.is_empty() {
            assert!(of("/a").contains("built without its page"));
        } else {
            assert!(of("/a").contains("<base href=\"/a/\"") && of("").contains("<base href=\"/\""));
        }
    }
}
