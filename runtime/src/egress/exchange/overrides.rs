//! Headers and parameters that override the method or path of a request, and bodies that a server can parse as another
//! request. A secret that is granted for some methods or paths only is not injected into such requests.

use super::escapes::{Escaping, Unescaped};
use super::http::is_token_byte;

/// Parts of the names of headers that tell servers, proxies and frameworks another method or path: letters and digits
/// only, in lower case, because gateways replace `-` by `_` or the other way round.
const IN_NAMES: [&str; 20] = [
    "methodoverride",
    "httpmethod",
    "originalmethod",
    "requestmethod",
    "forwardedmethod",
    "originalurl",
    "originaluri",
    "originalpath",
    "rewriteurl",
    "rewriteuri",
    "requesturi",
    "requesturl",
    "requestpath",
    "forwardeduri",
    "forwardedurl",
    "forwardedpath",
    "forwardedprefix",
    "scriptname",
    "pathinfo",
    "pathprefix",
];
/// Longest name of a parameter that is checked.
const LONGEST_NAME: usize = 64;
/// Most bytes of a body's first line that are checked.
const LONGEST_LINE: usize = 8 << 10;
/// Longest method that counts as a method.
const LONGEST_METHOD: usize = 32;

/// Returns true when a header of this name can change the method or the path.
pub(super) fn is_override_header(name: &[u8]) -> bool {
    let plain = plain(name);
    IN_NAMES.iter().any(|part| plain.contains(part))
}

/// Returns true when a query has a parameter that can change the method.
pub(super) fn in_query(query: &[u8]) -> bool {
    let names = query.split(|byte| matches!(byte, b'?' | b'&' | b';'));
    names.map(|part| part.split(|byte| *byte == b'=').next().unwrap_or_default()).any(|name| {
        let decoded = Unescaped::new(Escaping::Form, name);
        decoded.as_ref().is_some_and(|decoded| is_method_name(&decoded.text)) || is_method_name(name)
    })
}

/// Returns true when frameworks read parameters from bodies of this type: forms, JSON, and bodies without a type.
pub(super) fn has_parameters(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii().to_ascii_lowercase();
    essence.is_empty()
        || essence.starts_with(b"multipart/")
        || essence == b"application/x-www-form-urlencoded"
        || essence.ends_with(b"/json")
        || essence.ends_with(b"+json")
}

/// Returns true when a body has such a parameter: as a word, in any syntax.
pub(super) fn in_body(body: &[u8]) -> bool {
    let has = |text: &[u8]| {
        let mut words = text.split(|byte| byte.is_ascii_whitespace() || b"\"'&;=:,{}[]()".contains(byte));
        words.any(is_method_name)
    };
    let read = |way| Unescaped::new(way, body).is_some_and(|read| has(&read.text));
    has(body) || read(Escaping::Form) || read(Escaping::Backslash)
}

/// Returns true for `_method`, `X-HTTP-Method-Override` and the like. `method` alone has other meanings.
fn is_method_name(name: &[u8]) -> bool {
    if name.len() > LONGEST_NAME {
        return false;
    }
    let short = plain(name);
    let marked = name.trim_ascii().first().is_some_and(|first| matches!(first, b'_' | b'$'));
    short.contains("methodoverride") || short.ends_with("httpmethod") || marked && short == "method"
}

/// Returns letters and digits only, in lower case.
fn plain(name: &[u8]) -> String {
    name.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

/// The start of a body, to decide whether a server that leaves it unread could parse it as the next request.
#[derive(Default)]
pub(super) struct Beginning {
    line: Vec<u8>,
    decided: Option<bool>,
}

impl Beginning {
    /// Takes the next bytes of the body.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.decided.is_some() {
                return;
            }
            let leading = matches!(byte, b'\r' | b'\n' | b' ' | b'\t') && self.line.is_empty();
            if !leading {
                self.line.push(*byte);
                self.decided = self.decide();
            }
        }
    }

    /// Returns the decision, at the end of the body or of its visible part.
    pub(super) fn may_be_request(&self) -> bool {
        self.decided.unwrap_or_else(|| self.line.contains(&b' '))
    }

    fn decide(&self) -> Option<bool> {
        let method = self.line.iter().position(|byte| !is_token_byte(*byte));
        match (method, self.line.last()) {
            (None, _) if self.line.len() > LONGEST_METHOD => Some(false),
            (None, _) => None,
            (Some(0), _) => Some(false),
            (Some(end), _) if !matches!(self.line[end], b' ' | b'\t') => Some(false),
            (Some(_), Some(b'\n')) => Some(memchr::memmem::find(&self.line.to_ascii_uppercase(), b"HTTP/").is_some()),
            (Some(_), _) => (self.line.len() > LONGEST_LINE).then_some(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_change_method_or_path() {
        for name in [
            "X-HTTP-Method-Override",
            "X_HTTP_Method_Override",
            "x-http_method-override",
            "X-Method-Override",
            "X-HTTP-Method",
            "X-Original-URL",
            "X_ORIGINAL_URI",
            "X-Rewrite-URL",
            "X-Forwarded-Uri",
            "X-Forwarded-Method",
            "X-Forwarded-Prefix",
            "X.HTTP.Method.Override",
            "X-Envoy-Original-Path",
            "Script_Name",
            "Path-Info",
        ] {
            assert!(is_override_header(name.as_bytes()), "{name}");
        }
        for name in ["Authorization", "X-Api-Key", "api_key", "X-Forwarded-For", "X-Request-Id", "Origin", "Accept"] {
            assert!(!is_override_header(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn parameters_that_change_the_method() {
        for query in [
            "?_method=DELETE",
            "?a=b&_METHOD=put",
            "?x;%5Fmethod=x",
            "?X-HTTP-Method-Override=PUT",
            "?$httpMethod=DELETE",
        ] {
            assert!(in_query(query.as_bytes()), "{query}");
        }
        for query in ["", "?method=flickr.photos", "?payment_method=card", "?q=_method", "?http_methods=1"] {
            assert!(!in_query(query.as_bytes()), "{query}");
        }
        for body in [
            "_method=DELETE",
            "a=b&%5fmethod=DELETE",
            r#"{"a": 1, "_method": "DELETE"}"#,
            r#"{"\u005fmethod": "DELETE"}"#,
            "--x\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nDELETE\r\n--x--",
            "--x\r\nContent-Disposition: form-data; name=_method\r\n\r\nDELETE\r\n--x--",
        ] {
            assert!(in_body(body.as_bytes()), "{body}");
        }
        for body in [r#"{"payment_method": "card", "method": "GET"}"#, "shipping_method=air&method=x", ""] {
            assert!(!in_body(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn bodies_that_may_be_requests() {
        let may = |body: &str| {
            let mut beginning = Beginning::default();
            body.as_bytes().chunks(3).for_each(|part| beginning.push(part));
            beginning.may_be_request()
        };
        for body in [
            "GET /admin HTTP/1.1\r\nX: ",
            "\r\n\r\nDELETE\t/x http/1.1\n",
            "GET /admin HTTP/1.",
            &format!("GET /{}", "x".repeat(10_000)),
        ] {
            assert!(may(body), "{body}");
        }
        for body in
            ["", "{\"a\": 1}", "a=b c", "hello", "hello world\nand more", "--x\r\nA: b", "<a b HTTP/>", "[1 HTTP/]"]
        {
            assert!(!may(body), "{body}");
        }
        assert!(!may(&"x".repeat(10_000)));
    }
}
