//! The address of a service: an URL, taken apart once.

use super::{BadChannel, bad};
use reqwest::Url;

/// Longest URL, in bytes.
const MAX_URL: usize = 4_000;

/// Where a request goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    url: Url,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.origin())
    }
}

impl Address {
    /// Reads `http://…` or `https://…`.
    ///
    /// # Errors
    /// It is no such URL, or has a user in it.
    pub fn parse(field: &str, text: &str) -> Result<Self, BadChannel> {
        // The URL itself can hold a secret, so it is not repeated.
        if text.len() > MAX_URL {
            return bad(field, format!("an URL has at most {MAX_URL} bytes"));
        }
        let url = Url::parse(text).or_else(|error| bad(field, format!("it is not an URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return bad(field, "it begins with https:// or http:// and a host");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return bad(field, "an URL with a user or a password is not accepted; use a header");
        }
        if url.fragment().is_some() {
            return bad(field, "an URL with # is not accepted: what comes after it is never sent");
        }
        if url.port() == Some(0) {
            return bad(field, "0 is not a port");
        }
        Ok(Address { url })
    }

    /// Whether it is in TLS.
    pub fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host, as the egress process reads it.
    pub fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    /// Path and query.
    pub fn target(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }

    /// Scheme, host and port: what can be shown.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The same with words behind its path.
    pub fn below(&self, words: &[&str]) -> Self {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(words);
        }
        Address { url }
    }

    /// The same with more in its query.
    pub fn with_query(&self, more: &[(&str, &str)]) -> Self {
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(more);
        Address { url }
    }
}
