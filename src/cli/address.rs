//! Addresses of servers: what is wrong with one, and why a server does not answer there.

use reqwest::Url;
use std::error::Error;

/// The address of a server, ready for paths to follow. The error is a sentence.
pub(super) fn checked(typed: &str) -> Result<String, String> {
    let text = typed.trim().trim_end_matches('/');
    let bad = |why: String| format!("the server's address {typed:?} (CRONBOX_URL or --url) {why}");
    if text.is_empty() {
        return Err(bad("is empty: write http://127.0.0.1:8080".into()));
    }
    // `localhost:8080` would be read as the scheme `localhost`.
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(bad(match text.strip_prefix('/') {
            Some(_) => format!("is a path: write unix:{text} for a socket"),
            None => format!("lacks its scheme: write http://{text}"),
        }));
    };
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
        return Err(bad(format!("begins with {scheme}://: write http://{rest}, https://{rest} or unix:PATH")));
    }
    let url = Url::parse(text).map_err(|error| bad(format!("cannot be read: {error}")))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("has a query: leave out what comes after the path".into()));
    }
    Ok(text.to_owned())
}

/// Why a request has no answer: a sentence, with what to do.
pub(super) fn trouble(error: &reqwest::Error, shown: &str) -> String {
    let mut said = String::new();
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    of_words(&said, error.is_connect(), error.is_timeout(), shown)
}

/// The same by what the libraries below say.
fn of_words(said: &str, is_connect: bool, is_timeout: bool, shown: &str) -> String {
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let is_secure = shown.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
    if has(&["UnknownIssuer", "unknown issuer", "SelfSigned", "self-signed", "UnknownCA"]) {
        return "its certificate is signed by an authority that is not known here; name the authority's file of certificates \
                (PEM) in SSL_CERT_FILE"
            .into();
    }
    if has(&["CaUsedAsEndEntity"]) {
        return "its certificate is an authority's own, as self-signed ones often are; give the server one that an authority \
                signed, and name the authority's file (PEM) in SSL_CERT_FILE"
            .into();
    }
    if has(&["NotValidForName", "not valid for name"]) {
        return "its certificate is for another name than this address has".into();
    }
    if has(&["CertExpired", "Expired", "certificate expired"]) {
        return "its certificate has expired".into();
    }
    if has(&["invalid peer certificate", "certificate"]) {
        return format!("its certificate is not accepted{}", last_words(said));
    }
    if is_secure && has(&["InvalidContentType", "corrupt message", "InvalidMessage"]) {
        return "it does not speak TLS: write http:// instead of https://".into();
    }
    if has(&["dns error", "failed to lookup", "Name or service not known"]) {
        return "there is no host of this name: look at CRONBOX_URL or --url".into();
    }
    if has(&["Connection refused", "No such file or directory"]) {
        return "no server answers there; start one with `cronbox serve`, or name another with CRONBOX_URL or --url"
            .into();
    }
    if is_timeout {
        return "it does not answer in time; look at CRONBOX_URL or --url, and at what lies between".into();
    }
    if is_connect {
        return format!("it cannot be reached{}", last_words(said));
    }
    if !is_secure && has(&["invalid HTTP", "Parse(", "parse", "reset by peer"]) {
        return "it does not answer as a web server does; if it speaks TLS, write https://".into();
    }
    format!("the connection broke{}", last_words(said))
}

/// What the innermost error says.
fn last_words(said: &str) -> String {
    said.rsplit(": ").next().filter(|words| !words.is_empty()).map(|words| format!(" ({words})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C15: what is wrong with an address is said.
    #[test]
    fn an_address_that_cannot_be_meant_is_explained() {
        for (typed, says) in [
            ("127.0.0.1:8080", "lacks its scheme: write http://127.0.0.1:8080"),
            ("localhost:8080", "lacks its scheme: write http://localhost:8080"),
            ("cron.example.com", "write http://cron.example.com"),
            ("/run/cronbox.sock", "unix:/run/cronbox.sock"),
            ("ftp://host", "begins with ftp://"),
            ("", "is empty"),
            ("http://", "lacks its scheme"),
            ("http://host:99999", "cannot be read"),
            ("http://host/?a=b", "has a query"),
        ] {
            let why = checked(typed).expect_err(typed);
            assert!(why.contains(says) && why.contains("CRONBOX_URL"), "{typed}: {why}");
        }
        assert_eq!(checked("http://host:8080/").as_deref(), Ok("http://host:8080"));
        assert_eq!(checked("https://host/cron").as_deref(), Ok("https://host/cron"));
    }

    /// C15: each trouble says what to do.
    #[test]
    fn a_server_that_does_not_answer_is_explained() {
        let say = |said, is_connect, shown| of_words(said, is_connect, false, shown);
        let issuer = ": error sending request: client error (Connect): invalid peer certificate: UnknownIssuer";
        assert!(say(issuer, true, "https://h").contains("SSL_CERT_FILE"));
        let own = ": client error (Connect): invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))";
        assert!(say(own, true, "https://h").contains("an authority's own"));
        let refused =
            ": error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)";
        assert!(say(refused, true, "http://h").contains("cronbox serve"));
        let corrupt = ": client error (Connect): received corrupt message of type InvalidContentType";
        assert!(say(corrupt, true, "https://h").contains("write http://"));
        let name = ": client error (Connect): dns error: failed to lookup address information";
        assert!(say(name, true, "http://nowhere").contains("no host of this name"));
        assert!(say(": error sending request: connection closed", false, "http://h").contains("(connection closed)"));
        assert!(of_words(": x: operation timed out", true, true, "http://h").contains("in time"));
    }
}
