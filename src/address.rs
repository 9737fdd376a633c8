//! The address of a service: an URL, taken apart once.

use cronbox_runtime::network::{HostError, HostPattern};
use reqwest::Url;

/// Longest URL, in bytes.
const MAX_URL: usize = 4_000;

/// Why a text is not the address of a service: a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAddress(pub String);

fn bad<T>(why: impl Into<String>) -> Result<T, BadAddress> {
    Err(BadAddress(why.into()))
}

/// Where a request goes. Whoever knows it can use it, so its path and its query are shown to nobody.
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
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        // The URL itself can hold a secret, so it is not repeated.
        if text.len() > MAX_URL {
            return bad(format!("an URL has at most {MAX_URL} bytes"));
        }
        let url = Url::parse(text).or_else(|error| bad(format!("it is not an URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return bad("it begins with https:// or http:// and a host");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return bad("an URL with a user or a password is not accepted; use a header");
        }
        if url.fragment().is_some() {
            return bad("an URL with # is not accepted: what comes after it is never sent");
        }
        if url.port() == Some(0) {
            return bad("0 is not a port");
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

    /// The host with its port, as scripts are granted them.
    ///
    /// # Errors
    /// No script can be granted this host.
    pub fn pattern(&self) -> Result<HostPattern, HostError> {
        format!("{}:{}", self.host(), self.port()).parse()
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

    /// What can be shown to everybody: the origin, and whether there is more.
    pub fn shown(&self) -> String {
        let is_whole = self.url.path() == "/" && self.url.query().is_none();
        format!("{}{}", self.origin(), if is_whole { "" } else { "/…" })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_not_shown() {
        let shown = |text: &str| Address::parse(text).expect(text).shown();
        assert_eq!(shown("https://hc-ping.com/5f2a"), "https://hc-ping.com/…");
        assert_eq!(shown("http://a.example:8000/?key=1"), "http://a.example:8000/…");
        assert_eq!(shown("https://a.example"), "https://a.example");
        let address = Address::parse("https://a.example/ping/5f2a/?b=c").expect("reads");
        assert_eq!(format!("{address:?}"), "https://a.example");
        assert_eq!(address.below(&["fail"]).target(), "/ping/5f2a/fail?b=c");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let why = |text: &str| Address::parse(text).expect_err(text).0;
        assert_eq!(why("ftp://a.example"), "it begins with https:// or http:// and a host");
        assert_eq!(why("https://me:key@a.example"), "an URL with a user or a password is not accepted; use a header");
        assert_eq!(why("https://a.example:0"), "0 is not a port");
        assert!(why("a.example").starts_with("it is not an URL"));
        assert!(!why(&format!("https://a.example/{}", "x".repeat(5_000))).contains("xxx"));
    }
}
