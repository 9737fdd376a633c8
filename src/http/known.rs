//! Who has read what is counted: they may go on while the database, which knows the tokens, is away.

use super::session_cookie;
use crate::access::{Caller, hash};
use crate::clock::Time;
use axum::http::{HeaderMap, header};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Most callers that are known; the next one takes the place of all.
const MOST: usize = 100;

/// Callers by the hash of what they sent; nothing for those who send none.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<String, Caller>>);

impl Known {
    /// A caller was let in.
    pub(super) fn keep(&self, headers: &HeaderMap, caller: &Caller) {
        let Some(sent) = sent(headers) else { return };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(caller, Caller::Token(_)) {
            // There are tokens now: nobody comes in without one.
            known.retain(|_, caller| matches!(caller, Caller::Token(_)));
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(sent, caller.clone());
    }

    /// The caller who was let in with the same, if their token has not expired since.
    pub(super) fn find(&self, headers: &HeaderMap, now: Time) -> Option<Caller> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&sent(headers)?)? {
            Caller::Token(token) if token.expires_at.is_some_and(|end| end <= now) => None,
            caller => Some(caller.clone()),
        }
    }
}

/// What a request says of its sender: its token, or else the host that it is meant for, which decides where there are no tokens.
/// None for a page of another origin.
fn sent(headers: &HeaderMap) -> Option<String> {
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        return Some(hash(&String::from_utf8_lossy(given.as_bytes())));
    }
    // Sessions are in the database: while it is away, a cookie does not count.
    if headers.contains_key(header::ORIGIN) || session_cookie::value(headers).is_some() {
        return None;
    }
    let host = headers.get(header::HOST)?;
    Some(format!("host {}", String::from_utf8_lossy(host.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Scope, Token};
    use crate::clock::from_micros;
    use axum::http::HeaderValue;

    #[test]
    fn who_was_let_in_is_known() {
        let known = Known::default();
        let headers = |name: &'static str, value: &'static str| {
            let name = header::HeaderName::from_static(name);
            HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
        };
        let (local, bearer) = (headers("host", "127.0.0.1:1"), headers("authorization", "Bearer cbx_1"));
        assert!(known.find(&local, from_micros(0)).is_none());
        known.keep(&local, &Caller::Local);
        assert!(known.find(&local, from_micros(0)).is_some());
        assert!(known.find(&headers("host", "evil.example"), from_micros(0)).is_none());
        let token = Token {
            id: "t".into(),
            name: "n".into(),
            scopes: vec![Scope::Metrics],
            scripts: None,
            labels: None,
            created_at: from_micros(0),
            expires_at: Some(from_micros(10)),
            last_used_at: None,
        };
        known.keep(&bearer, &Caller::Token(token));
        assert!(known.find(&bearer, from_micros(9)).is_some() && known.find(&bearer, from_micros(10)).is_none());
        assert!(known.find(&local, from_micros(0)).is_none(), "there are tokens now");
    }
}
