//! The target of a request: its host, and its path when all servers read it the same way.

use super::reasons::OpaqueReason;
use crate::policy::Destination;
use std::ops::Range;

/// Returns the range of the path in a head. The target is a path, or an absolute URL of the connected host.
pub(super) fn path_of(
    bytes: &[u8],
    target: Range<usize>,
    destination: &Destination,
) -> Result<Range<usize>, OpaqueReason> {
    let text = &bytes[target.clone()];
    let mut start = target.start;
    if text.contains(&b'#') {
        return Err(OpaqueReason::Target);
    }
    if !text.starts_with(b"/") {
        let (scheme, rest) = text.split_at_checked(8).ok_or(OpaqueReason::Target)?;
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        if !scheme.eq_ignore_ascii_case(b"https://") || !is_authority(&rest[..end], destination) {
            return Err(OpaqueReason::Target);
        }
        start += 8 + end;
    }
    let rest = &bytes[start..target.end];
    Ok(start..start + rest.iter().position(|byte| *byte == b'?').unwrap_or(rest.len()))
}

/// Returns true when a `Host`, or the authority of a URL, is the connected host. Without a port it means port 443.
pub(super) fn is_authority(text: &[u8], destination: &Destination) -> bool {
    let (host, port) = (destination.host().to_string(), destination.port());
    let Some((name, rest)) = text.split_at_checked(host.len()) else { return false };
    let port = if rest.is_empty() { port == 443 } else { rest == format!(":{port}").as_bytes() };
    port && name.eq_ignore_ascii_case(host.as_bytes())
}

/// Returns true when all servers read the same segments: nothing is resolved, merged or decoded.
pub(super) fn is_clear_path(path: &[u8]) -> bool {
    let dots = |segment: &[u8]| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        name == b"." || name == b".."
    };
    let encoded = |code: &[u8]| {
        let digits = code.get(1..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        code[0] == b'%' && byte.is_none_or(|byte| byte <= b' ' || byte >= 0x7f || b"./\\%;?#".contains(&byte))
    };
    let merged = path.contains(&b'\\') || memchr::memmem::find(path, b"//").is_some();
    !merged && !path.split(|byte| *byte == b'/').any(dots) && !(0..path.len()).any(|at| encoded(&path[at..]))
}

pub(super) fn is_under(path: &[u8], prefix: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(prefix) else { return false };
    rest.is_empty() || prefix.ends_with(b"/") || rest.starts_with(b"/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, prefix, expected) in [
            ("/v1", "/v1", true),
            ("/v1/x", "/v1", true),
            ("/v1x", "/v1", false),
            ("/v1/", "/v1/", true),
            ("/v1", "/v1/", false),
            ("/v2", "/v1", false),
            ("/", "/", true),
            ("/x", "/", true),
        ] {
            assert_eq!(is_under(path.as_bytes(), prefix.as_bytes()), expected, "{path} {prefix}");
        }
        for clear in ["/", "/v1/a.b/..c", "/v1/a;b=c", "/v1/%41~", "/a%20b".replace("%20", "+").as_str()] {
            assert!(is_clear_path(clear.as_bytes()), "{clear}");
        }
        for unclear in [
            "/v1/../x",
            "/v1/./x",
            "/v1/..",
            "/v1/..;/x",
            "/v1/.;a/x",
            "/v1//x",
            "/v1\\..\\x",
            "/v1/%2e%2e/x",
            "/v1/%2E./x",
            "/v1/%2fx",
            "/v1/%5cx",
            "/v1/%252e",
            "/v1/%00",
            "/v1/%",
            "/v1/%4",
            "/v1/%zz",
            "/v1/%3b",
            "/v1/%c0%ae",
        ] {
            assert!(!is_clear_path(unclear.as_bytes()), "{unclear}");
        }
    }

    #[test]
    fn authorities() {
        let is = |text: &str, name: &str, port| is_authority(text.as_bytes(), &Destination::parse(name, port).unwrap());
        assert!(is("API.example.com", "api.example.com", 443));
        assert!(is("api.example.com:443", "api.example.com", 443));
        assert!(is("api.example.com:8443", "api.example.com", 8443));
        assert!(is("[fd00::1]:443", "fd00::1", 443));
        for wrong in [
            "api.example.com:80",
            "api.example.com.",
            "api.example.com:",
            "api.example.com:0443",
            "x@api.example.com",
            "api.example.comx",
            "example.com",
            "",
            "api.example.com, evil.com",
            "api.example.com evil.com",
        ] {
            assert!(!is(wrong, "api.example.com", 443), "{wrong}");
        }
        assert!(!is("api.example.com", "api.example.com", 8443));
        assert!(!is("api.example.com", "api.example.com", 80));
    }
}
