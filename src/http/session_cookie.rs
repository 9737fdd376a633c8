//! The cookie of a session. It names a caller only together with a header that a page of another origin cannot send.

use super::forwarded::{HOST as FORWARDED_HOST, PROTO as FORWARDED_PROTO};
use super::problem::Problem;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use cookie::{Cookie, SameSite};
use std::time::Duration;

/// The cookie's name.
const NAME: &str = "cronbox_session";
/// Without this header, with the value `1`, the cookie does not count. A page of another origin would need this server's
/// consent to send it, which no answer gives.
const ANTI_FORGERY: HeaderName = HeaderName::from_static("x-cronbox-csrf");
/// What a browser says of where a request comes from; no page can set it.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The cookie that a request sends. Of several with this name the first counts: browsers send the one of the longest path
/// first.
pub(super) fn value(headers: &HeaderMap) -> Option<String> {
    let sent = headers.get_all(header::COOKIE).iter().filter_map(|sent| sent.to_str().ok());
    let mut cookies = sent.flat_map(Cookie::split_parse).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == NAME).map(|cookie| cookie.value().to_owned())
}

/// Refuses a request whose cookie does not count.
pub(super) fn check_sender(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get(ANTI_FORGERY).is_none_or(|given| given != "1") {
        let detail = "a session's cookie counts only together with the header X-Cronbox-Csrf: 1";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "no_csrf_header", detail));
    }
    check_origin(headers)
}

/// Refuses a request that a page of another origin sends.
pub(super) fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_own = match (text(&FETCH_SITE), text(&header::ORIGIN)) {
        // `none`: the user asked for it, not a page.
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            // A proxy may put its own word for this server in the place of the host that the browser asked. Only what a
            // trusted one says is here.
            [&header::HOST, &FORWARDED_HOST].iter().any(|name| host.is_some() && text(name) == host)
        }
        (None, None) => true,
    };
    if is_own {
        return Ok(());
    }
    let detail = "a page of another origin sends this request; open the page at this server's own address";
    Err(Problem::forbidden("foreign_origin", detail))
}

/// Whether the browser's request came by https, here or to the trusted proxy before this server.
fn is_https(headers: &HeaderMap) -> bool {
    headers.get(FORWARDED_PROTO).is_some_and(|said| said == "https")
}

/// The header that sets the cookie for so long, in answer to a request with these headers.
pub(super) fn set(value: &str, age: Duration, base_path: &str, request: &HeaderMap) -> Result<HeaderValue, Problem> {
    let path = if base_path.is_empty() { "/" } else { base_path };
    let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
    let cookie = Cookie::build((NAME, value))
        .path(path)
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(is_https(request))
        .max_age(cookie::time::Duration::seconds(seconds));
    HeaderValue::from_str(&cookie.build().to_string()).map_err(|_| Problem::mistake())
}

/// The header that takes the cookie away.
pub(super) fn clear(base_path: &str, request: &HeaderMap) -> Result<HeaderValue, Problem> {
    set("", Duration::ZERO, base_path, request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let read = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
        };
        pairs.iter().map(read).collect()
    }

    #[test]
    fn the_first_cookie_of_the_name_counts() {
        let of = |cookie: &str| value(&headers(&[("cookie", cookie)]));
        assert_eq!(of("a=b; cronbox_session=cbs_1; cronbox_session=cbs_2").as_deref(), Some("cbs_1"));
        assert_eq!(of("a=cronbox_session; cronbox_session2=x"), None);
        assert_eq!(of(";;=;cronbox_session"), None);
        assert_eq!(value(&HeaderMap::new()), None);
    }

    #[test]
    fn a_cookie_counts_with_the_header_from_its_own_origin() {
        let code = |pairs: &[(&'static str, &str)]| {
            check_sender(&headers(pairs)).err().map(|problem| problem.error.code.into_owned())
        };
        let own = [("x-cronbox-csrf", "1"), ("host", "box.example:8080")];
        let with = |more: &[(&'static str, &'static str)]| code(&[&own, more].concat());
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[("origin", "http://box.example:8080")]), None);
        assert_eq!(with(&[("origin", "https://box.example"), ("x-forwarded-host", "box.example")]), None);
        assert_eq!(with(&[("origin", "https://box.example"), ("sec-fetch-site", "same-origin")]), None);
        for foreign in ["https://evil.example", "http://box.example", "null", "box.example:8080", ""] {
            assert_eq!(with(&[("origin", foreign)]).as_deref(), Some("foreign_origin"), "{foreign}");
        }
        for site in ["cross-site", "same-site", ""] {
            assert_eq!(with(&[("sec-fetch-site", site)]).as_deref(), Some("foreign_origin"), "{site}");
        }
        for pairs in [&[("host", "box.example")][..], &[("x-cronbox-csrf", "0")], &[("x-cronbox-csrf", "")]] {
            assert_eq!(code(pairs).as_deref(), Some("no_csrf_header"));
        }
    }

    #[test]
    fn the_cookie_says_how_it_may_be_used() {
        let hour = Duration::from_secs(3600);
        let text = |path: &str, request: &HeaderMap| {
            let set = set("cbs_1", hour, path, request).expect("a header");
            set.to_str().expect("text").to_owned()
        };
        let plain = text("", &HeaderMap::new());
        assert_eq!(plain, "cronbox_session=cbs_1; HttpOnly; SameSite=Strict; Path=/; Max-Age=3600");
        let https = text("/cronbox", &headers(&[("x-forwarded-proto", "https")]));
        assert_eq!(https, "cronbox_session=cbs_1; HttpOnly; SameSite=Strict; Secure; Path=/cronbox; Max-Age=3600");
        let cleared = clear("", &HeaderMap::new()).expect("a header");
        assert_eq!(cleared, "cronbox_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
    }
}
