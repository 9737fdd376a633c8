//! How many requests there may be a second: of all together, and of each caller.

use super::client::Base;
use super::problem::Problem;
use super::{App, page};
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// After so many requests of callers, those that have not asked for a while are forgotten.
const FORGET_EVERY: u32 = 10_000;
/// For how long it is taken as known whether there is any token.
const TOKENS_KNOWN: Duration = Duration::from_secs(1);

/// How many requests there may be.
pub(super) struct Limiter {
    all: DefaultDirectRateLimiter,
    each: DefaultKeyedRateLimiter<String>,
    asked: AtomicU32,
    /// Whether there is any token, and until when that is known.
    tokens: RwLock<Option<(bool, Instant)>>,
}

impl Limiter {
    pub(super) fn new((all, each): (u32, u32)) -> Self {
        let quota = |rate: u32| {
            let rate = NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
            Quota::per_second(rate).allow_burst(rate.saturating_mul(NonZeroU32::MIN.saturating_add(1)))
        };
        Limiter {
            all: RateLimiter::direct(quota(all)),
            each: RateLimiter::keyed(quota(each)),
            asked: AtomicU32::new(0),
            tokens: RwLock::new(None),
        }
    }

    /// A token was made or removed here: whether there is any is looked up again.
    pub(super) fn tokens_changed(&self) {
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether there was any token a moment ago, when that is known.
    pub(super) fn knows_of_tokens(&self) -> Option<bool> {
        let known = *self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        known.filter(|(_, until)| Instant::now() < *until).map(|(any, _)| any)
    }

    /// Whether there was any token just now.
    pub(super) fn tokens_found(&self, any: bool) {
        let until = Instant::now() + TOKENS_KNOWN;
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Some((any, until));
    }

    /// Counts a request, of all or of one caller.
    pub(super) fn pass(&self, caller: Option<&str>) -> Result<(), Problem> {
        let clock = DefaultClock::default();
        let wait = match caller {
            None => self.all.check().err().map(|until| until.wait_time_from(clock.now())),
            Some(id) => {
                if self.asked.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
                    self.each.retain_recent();
                    self.each.shrink_to_fit();
                }
                self.each.check_key(&id.to_owned()).err().map(|until| until.wait_time_from(clock.now()))
            }
        };
        let Some(wait) = wait else { return Ok(()) };
        let whose = if caller.is_some() { " of one caller" } else { "" };
        let detail = format!("more requests a second than this server takes{whose}");
        let seconds = u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX);
        Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail).retry_after(seconds))
    }
}

/// Whether a route is a probe: it costs next to nothing and answers however many requests there are.
pub(super) fn is_probe(route: &str) -> bool {
    matches!(route, "/healthz" | "/readyz")
}

/// What an address that does not exist answers. A browser that asks for the server itself gets the documents.
pub(super) async fn no_such_address(
    State(app): State<App>,
    Extension(base): Extension<Base>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Err(problem) = app.limiter.pass(None) {
        return problem.into_response();
    }
    if page::is_wanted(&method, uri.path(), &headers) {
        return page::shown(&base);
    }
    let detail = "there is nothing at this address; /docs/api lists the addresses";
    Problem::not_found("no_such_address", detail).into_response()
}

/// What an address answers to a method that it does not have.
pub(super) async fn no_such_method(State(app): State<App>) -> Problem {
    if let Err(problem) = app.limiter.pass(None) {
        return problem;
    }
    let detail = "this address does not answer this method; /docs/api lists the methods";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

/// The word for a method in what is counted: clients make up as many methods as they like.
pub(super) fn method_word(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "TRACE" => "TRACE",
        "CONNECT" => "CONNECT",
        _ => "other",
    }
}

/// The pattern of a route in what is counted; `none` for an address that does not exist.
pub(super) fn route_word(route: Option<&str>) -> &'static str {
    let mut known = super::endpoints().iter().map(|endpoint| endpoint.path.as_str());
    route.and_then(|route| known.find(|known| *known == route)).unwrap_or("none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_counted_are_known_ones() {
        assert_eq!(method_word(&Method::GET), "GET");
        assert_eq!(method_word(&Method::from_bytes(b"ZEBRA").expect("a method")), "other");
        assert_eq!(route_word(Some("/v1/runs/{id}")), "/v1/runs/{id}");
        assert_eq!(route_word(Some("/v1/runs/7")), "none");
        assert_eq!(route_word(None), "none");
    }

    #[test]
    fn callers_that_ask_no_more_are_forgotten() {
        let limiter = Limiter::new((1_000_000, 1_000_000));
        for n in 0..FORGET_EVERY - 1 {
            limiter.pass(Some(&n.to_string())).expect("passes");
        }
        let before = limiter.each.len();
        std::thread::park_timeout(Duration::from_millis(5));
        limiter.pass(Some("one more")).expect("passes");
        assert!(limiter.each.len() < before, "{} of {before}", limiter.each.len());
    }
}
