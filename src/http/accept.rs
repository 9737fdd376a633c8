//! What a client accepts (RFC 9110, 12.5.1 and 12.5.3).

use axum::http::{HeaderMap, header};

/// How much a client wants a range of a header, by the parts after its name.
fn weight<'h>(mut parts: impl Iterator<Item = &'h str>) -> f32 {
    parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |text| text.parse().unwrap_or(0.0))
}

/// Whether a client takes a content coding by its name.
pub(super) fn takes(headers: &HeaderMap, coding: &str) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding)) && weight(parts) > 0.0
    })
}

/// How much a client wants a media type: 0 to 1, nothing when it does not name it; how closely it names it.
fn wanted(headers: &HeaderMap, kind: &str) -> (f32, u8) {
    let main = kind.split('/').next().unwrap_or_default();
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut best = (0.0, 0);
    for range in accepted.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let closeness = match name.as_str() {
            name if name == kind => 3,
            "*/*" => 1,
            name if name.strip_suffix("/*") == Some(main) => 2,
            _ => continue,
        };
        let weight = weight(parts);
        if closeness > best.1 {
            best = (weight, closeness);
        }
    }
    best
}

/// Whether a client would rather have one media type than the other, which is the usual one.
pub(super) fn prefers(headers: &HeaderMap, one: &str, usual: &str) -> bool {
    let ((weight, closeness), (of_usual, usual_closeness)) = (wanted(headers, one), wanted(headers, usual));
    weight > of_usual || (weight > 0.0 && weight == of_usual && closeness > usual_closeness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    /// D16, D10: what a client asks for by `Accept`.
    #[test]
    fn the_type_that_a_client_wants_is_found() {
        for (accept, csv) in [
            ("text/csv", true),
            ("text/*", true),
            ("text/csv, */*;q=0.1", true),
            ("text/csv, */*", true),
            ("application/json, text/csv;q=0.5", false),
            ("text/csv;q=0.9, application/json;q=0.8", true),
            ("text/csv, application/json", false),
            ("*/*", false),
            ("text/html,application/xhtml+xml,*/*;q=0.8", false),
            ("text/csv;q=0", false),
            ("application/json", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(prefers(&headers, "text/csv", "application/json"), csv, "{accept}");
        }
        assert!(!prefers(&HeaderMap::new(), "text/csv", "application/json"));
    }

    #[test]
    fn a_client_gets_a_coding_that_it_takes() {
        for (accepted, brotli, gzip) in [
            ("gzip, deflate, br, zstd", true, true),
            ("gzip;q=1.0, BR;q=0", false, true),
            ("gzip ; q=0.5", false, true),
            ("identity", false, false),
            ("", false, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            assert_eq!((takes(&headers, "br"), takes(&headers, "gzip")), (brotli, gzip), "{accepted}");
        }
        assert!(!takes(&HeaderMap::new(), "br"));
    }
}
