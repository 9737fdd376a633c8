//! The readers of requests, for [`crate::readers`].

use super::body::{Fields, Query, parse_time, parse_time_ahead};
use super::client::AnonymousAccess;
use super::forwarded::{TrustedProxies, TrustedProxy};
use super::{accept, access, certificate, output, upload};
use crate::clock::from_micros;
use crate::readers::{Reader, seeds, text};
use axum::http::{HeaderMap, HeaderValue, Request, header};
use bytes::Bytes;
use futures_util::FutureExt;

pub(crate) const READERS: &[Reader] = &[
    ("fields of a request", read_fields, seeds_of_fields),
    ("query", read_query, seeds_of_queries),
    ("times", read_times, seeds_of_times),
    ("headers", read_headers, seeds_of_headers),
    ("places of output", read_places, seeds_of_queries),
    ("certificate", certificate::read_files, seeds_of_certificates),
    ("form", read_form, seeds_of_forms),
    ("upload", read_upload, seeds_of_uploads),
];

fn read_fields(bytes: &[u8]) {
    let known = ["args", "wait", "limits", "labels", "source", "a"];
    if let Ok(mut fields) = Fields::read(bytes, &known) {
        let _ = fields.take::<String>("source");
        let _ = fields.take::<u64>("wait");
        let _ = crate::service::arguments(fields.exact("args"));
        let _ = fields.rest();
    }
}

fn seeds_of_fields() -> Vec<Vec<u8>> {
    seeds(&[
        r#"{"args": {"n": 12345678901234567890123, "x": [1.50]}, "wait": 5, "limits": {"memory": "64MiB"}, "labels": {"a": "b"}}"#,
        r#"{"source": "def run(): return 1\n", "args": [1, "a"], "a": null}"#,
    ])
}

fn read_query(bytes: &[u8]) {
    let text = text(bytes);
    let Ok(query) = Query::read(Some(&*text), &["since", "limit", "wait", "status", "cursor"]) else { return };
    let now = from_micros(1_795_000_000_000_000);
    let _ = (query.time("since", now), query.limit(10, 100), query.flag("wait", false), query.many("status").len());
}

fn read_places(bytes: &[u8]) {
    let _ = output::Places::parse(&text(bytes));
}

fn seeds_of_queries() -> Vec<Vec<u8>> {
    seeds(&[
        "since=2026-01-31T09%3A00%3A00%2B01:00&limit=10&wait=yes&status=a,b&status=c",
        "cursor=0-1&since=7d",
        "12-34",
    ])
}

fn read_times(bytes: &[u8]) {
    let (text, now) = (text(bytes), from_micros(1_795_000_000_000_000));
    let _ = (parse_time(&text, now), parse_time_ahead(&text, now));
}

fn seeds_of_times() -> Vec<Vec<u8>> {
    seeds(&["2026-01-31T09:00:00.123+01:00", "7d", "1h30m", "-262143-01-01T00:00:00Z", "262142-12-31T23:59:59Z"])
}

/// Input: one header on each line.
fn read_headers(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(at);
        let name = header::HeaderName::from_bytes(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.get(1..).unwrap_or_default())) {
            headers.append(name, value);
        }
    }
    let _ = accept::prefers(&headers, "text/csv", "application/json");
    let _ = access::check_local(&headers);
    let _ = upload::kind_of(&headers);
    let proxies = TrustedProxies::from_iter("127.0.0.0/8".parse::<TrustedProxy>().ok());
    let peer = "127.0.0.1".parse().ok();
    let client = proxies.client(peer, AnonymousAccess::Loopback, false, &mut headers);
    assert!(client.is_forwarded);
}

fn seeds_of_headers() -> Vec<Vec<u8>> {
    seeds(&[
        "Host:localhost:1\nOrigin:http://[::1]:3000\nAccept:text/csv;q=0.5, */*;q=1e9\nAuthorization:Bearer cbx_a",
        "Content-Type:multipart/form-data; boundary=\"a b\"",
        "Forwarded:for=\"[2001:db8::7]:4711\";proto=https;host=\"a\\\"b\", for=unknown\nX-Forwarded-Prefix:/a/b",
        "X-Forwarded-For:192.0.2.7, 127.0.0.1\nX-Forwarded-Proto:https, http\nX-Forwarded-Host:a, b",
    ])
}

fn seeds_of_certificates() -> Vec<Vec<u8>> {
    let pem = |kind: &str, content: &str| format!("-----BEGIN {kind}-----\n{content}\n-----END {kind}-----\n");
    // What the first bytes of every certificate are: sequences in sequences, the version, a serial number.
    let certificate = pem("CERTIFICATE", "MIIBHjCBxaADAgECAgEBMAoGCCqGSM49BAMCMAAwHhcNMjYwMTAxMDAwMDAwWhcN");
    vec![format!("{certificate}KEY\n{}", pem("PRIVATE KEY", "MIGHAgEAMBMGByqGSM49")).into_bytes()]
}

fn read_as(kind: &str, content: &[u8]) {
    let parts = Request::builder().header(header::CONTENT_TYPE, kind).body(()).map(|request| request.into_parts().0);
    if let Ok(parts) = parts {
        // The whole body is there, so nothing waits.
        let read = upload::read(parts, Bytes::copy_from_slice(content), None, None).now_or_never();
        assert!(read.is_some());
    }
}

fn read_form(bytes: &[u8]) {
    read_as("multipart/form-data; boundary=b", bytes);
}

fn seeds_of_forms() -> Vec<Vec<u8>> {
    seeds(&[
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"price.py\"\r\n\r\nx = 1\r\n--b\r\n\
         Content-Disposition: form-data; name=\"settings\"\r\n\r\n{\"title\": \"T\"}\r\n--b--\r\n",
        "--b\r\nContent-Disposition: form-data; name=source; filename*=UTF-8''a%20b.py\r\nContent-Type: text/plain\r\n\r\n\r\n--b--",
    ])
}

fn read_upload(bytes: &[u8]) {
    for kind in ["", "application/json", "application/x-www-form-urlencoded", "application/zip", "text/x-python"] {
        read_as(kind, bytes);
    }
}

fn seeds_of_uploads() -> Vec<Vec<u8>> {
    seeds(&[
        r#"{"name": "a", "source": "def run(): return 1\n", "title": "T"}"#,
        r#"{"files": {"main.py": "x = 1", "a/b.txt": ""}, "main": "main.py", "name": "b"}"#,
        "source=import+os%0Aprint%281%29&title=T&name=x",
        "\u{feff}{\"from\": \"s3://jobs/a.py\"}",
        "print(1)\n",
    ])
}
