//! The API below a path of a proxy's (`--base-path /cronbox`, or what a trusted proxy says), whether the proxy passes that path on
//! or drops it.

use super::client::{Base, Client};
use axum::Router;
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use std::sync::Arc;
use tower::ServiceExt;

/// The same router, with every address below `base`, and below what a trusted proxy says.
pub fn below(base: &str, router: Router) -> Router {
    let base: Arc<str> = base.into();
    Router::new().fallback(move |mut request: Request| {
        let (base, router) = (base.clone(), router.clone());
        async move {
            let inner = if base.is_empty() { None } else { without(&base, request.uri()) };
            let prefix = request.extensions().get::<Client>().and_then(|client| client.prefix.clone());
            let outer = match prefix {
                None => base,
                // The proxy took its own path away, and ours stands where it was.
                Some(prefix) if inner.is_some() => format!("{prefix}{base}").into(),
                Some(prefix) => prefix,
            };
            if let Some(uri) = inner {
                *request.uri_mut() = uri;
            }
            request.extensions_mut().insert(Base(outer.clone()));
            // A router answers everything.
            let Ok(response) = router.oneshot(request).await;
            with_place(&outer, response)
        }
    })
}

/// An address without the path before it; none where it does not begin so.
fn without(base: &str, uri: &Uri) -> Option<Uri> {
    let rest = uri.path().strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    let path = if rest.is_empty() { "/" } else { rest };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{path}{query}").parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

/// Says where what an answer is about can be found. A place whose text no header can have is left out.
pub(super) fn placed(mut response: Response, place: &str) -> Response {
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// The same answer; a place that it names is below the path, as clients see it.
fn with_place(base: &str, mut response: Response) -> Response {
    let place = response.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
    let place = place.filter(|place| place.starts_with('/')).map(|place| format!("{base}{place}"));
    if let Some(place) = place.and_then(|place| HeaderValue::from_str(&place).ok()) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_proxy_is_dropped() {
        for (from, to) in [
            ("/cronbox/v1/runs?limit=1", Some("/v1/runs?limit=1")),
            ("/cronbox", Some("/")),
            ("/cronbox/", Some("/")),
            ("/v1/runs", None),
            ("/cronboxes/v1", None),
        ] {
            let uri: Uri = from.parse().expect("an address");
            assert_eq!(without("/cronbox", &uri).map(|uri| uri.to_string()).as_deref(), to, "{from}");
        }
    }
}
