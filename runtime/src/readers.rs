//! The list of everything in this crate that reads bytes from outside: from scripts, servers, and the other end of a link.
//!
//! Each reader has a name, a function that gives it bytes, and inputs to start from. The function panics when the
//! reader is wrong, for example when a value that was read does not read back from the text that it is shown as.
//!
//! The tests give random changes of these inputs to every reader (`tests/support/try_readers.rs`). This module exists
//! only in tests.

use crate::bundle::Bundle;
use crate::crypto::Work;
use crate::egress::exchange::{ConnectionMode, Exchange, Secrets};
use crate::egress::messages;
use crate::egress::{self, Networks, Redactor, RequestParts, Secret};
use crate::files;
use crate::frame::{self, Credit, Done, FilePart, FrameKind, Out};
use crate::policy::{Ceiling, Destination, HostPattern};
use crate::pool::job;
use crate::process::ProcessArgs;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use zeroize::Zeroizing;

/// The name of a reader, the function that gives it bytes, and inputs to start from.
pub type Reader = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// Returns all readers.
pub fn readers() -> Vec<Reader> {
    [READERS, egress::readers::READERS, files::readers::READERS].concat()
}

const READERS: &[Reader] = &[
    ("frames", read_frames, seeds_of_frames),
    ("frames of connections", read_messages, seeds_of_messages),
    ("link", frame::read_all, seeds_of_links),
    ("bundle", read_bundle, seeds_of_bundles),
    ("arguments and results", read_values, seeds_of_values),
    ("requests to hosts", read_requests, seeds_of_requests),
    ("answers of hosts", read_answers, seeds_of_answers),
    ("output with secrets", read_output, seeds_of_output),
    ("hosts", read_hosts, seeds_of_hosts),
    ("networks", read_networks, seeds_of_networks),
    ("encryption", read_crypto, seeds_of_crypto),
    ("command line of a process", read_words, seeds_of_words),
];

pub(crate) fn seeds(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|seed| seed.as_bytes().to_vec()).collect()
}

pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A frame that decodes must encode to the same bytes.
fn read_frames(bytes: &[u8]) {
    if let Ok(out) = Out::decode(bytes) {
        assert_eq!(out.encode(), bytes);
    }
    if let Ok(part) = FilePart::decode(bytes) {
        assert_eq!(part.encode(), bytes);
    }
    if let Ok(credit) = Credit::decode(bytes) {
        assert_eq!(credit.encode(), bytes);
    }
    if let Ok((done, result)) = Done::decode(bytes)
        && let Ok(result) = std::str::from_utf8(result)
    {
        let again = done.encode(result).ok();
        assert!(again.is_some_and(|again| Done::decode(&again).is_ok_and(|(_, same)| same == result.as_bytes())));
    }
    as_json::<frame::Start>(FrameKind::Start, bytes);
    as_json::<frame::Load>(FrameKind::Load, bytes);
    as_json::<frame::Reply>(FrameKind::Reply, bytes);
    as_json::<frame::Call>(FrameKind::Call, bytes);
    as_json::<frame::RunUsage>(FrameKind::Usage, bytes);
    as_json::<frame::ParkedMemory>(FrameKind::Parked, bytes);
    as_json::<frame::Hello>(FrameKind::Hello, bytes);
}

fn as_json<T: DeserializeOwned + serde::Serialize>(kind: FrameKind, bytes: &[u8]) {
    if let Ok(value) = frame::from_json::<T>(kind, bytes) {
        assert!(frame::from_json::<T>(kind, &frame::to_json(&value)).is_ok());
    }
}

fn seeds_of_frames() -> Vec<Vec<u8>> {
    let mut all = seeds(&[
        r#"{"number": 3, "verb": "input", "request": "{}"}"#,
        r#"{"number": 3, "answer": {"Ok": "null"}}"#,
        r#"{"busy": true}"#,
        r#"{"bytes": 250000}"#,
        r#"{"hash": [0,1], "forget": []}"#,
        "\x01\0\0\0\0\0\0\0\0text",
    ]);
    all.push(FilePart { path: "a/b.txt", size: 3, bytes: b"abc" }.encode());
    all.push(crate::process::run::crashed("a fault".into()).encode("null").unwrap_or_default());
    all
}

fn read_messages(bytes: &[u8]) {
    if let Ok(window) = messages::read_window(bytes) {
        assert_eq!(messages::window(window), bytes);
    }
    as_json::<messages::Setup>(FrameKind::Hello, bytes);
    as_json::<messages::Grant>(FrameKind::Hello, bytes);
    as_json::<messages::Revoke>(FrameKind::Hello, bytes);
    as_json::<messages::NetworkUsage>(FrameKind::Hello, bytes);
    as_json::<messages::Violation>(FrameKind::Hello, bytes);
    as_json::<messages::Open>(FrameKind::Hello, bytes);
    as_json::<messages::StartTls>(FrameKind::Hello, bytes);
    as_json::<messages::Session>(FrameKind::Hello, bytes);
    as_json::<messages::Failed>(FrameKind::Hello, bytes);
}

fn seeds_of_messages() -> Vec<Vec<u8>> {
    seeds(&[
        r#"{"run": 1, "token": [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15], "name": "api.example.com", "port": 443}"#,
        r#"{"name": "api.example.com", "verify": true, "protocols": ["http/1.1"]}"#,
        r#"{"link": 1, "hosts": [], "notes": ["x"]}"#,
        r#"{"failure": "Unreachable", "text": "x"}"#,
        "\0\0\x04\0",
    ])
}

fn seeds_of_links() -> Vec<Vec<u8>> {
    let frame = |kind: u8, flags: u8, payload: &[u8]| {
        let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
        bytes.extend([kind, flags, 0, 0]);
        bytes.extend(7_u64.to_le_bytes());
        bytes.extend(payload);
        bytes
    };
    let one = |byte: u8| frame(byte, 0, b"{}");
    vec![
        [one(FrameKind::Start as u8), one(FrameKind::Out as u8)].concat(),
        [
            frame(FrameKind::Done as u8, 1, b"part"),
            frame(FrameKind::Done as u8, 1, b"more"),
            frame(FrameKind::Done as u8, 0, b""),
        ]
        .concat(),
    ]
}

fn read_bundle(bytes: &[u8]) {
    if let Ok(bundle) = Bundle::from_bytes(bytes) {
        let files: Vec<(&str, &[u8])> = bundle.iter().collect();
        assert!(Bundle::of_files(&files).is_ok(), "what was read can be written");
    }
    // One path on each line.
    let text = text(bytes);
    let paths: Vec<(&str, &[u8])> = text.lines().map(|path| (path, &b"x"[..])).collect();
    if let Ok(bundle) = Bundle::of_files(&paths) {
        assert_eq!(bundle.iter().count(), paths.len());
    }
}

fn seeds_of_bundles() -> Vec<Vec<u8>> {
    let one = |path: &str| {
        let mut bytes = b"cronbox1\x01\0\0\0".to_vec();
        bytes.extend((path.len() as u32).to_le_bytes());
        bytes.extend(path.as_bytes());
        bytes.extend(3_u64.to_le_bytes());
        bytes.extend(b"x=1");
        bytes
    };
    let mut all = vec![one("main.py"), one("a/b/c.py")];
    all.extend(seeds(&["main.py\na/b.txt\na/c.txt", "../x\n/etc\na//b\na\\b", "a\na/b"]));
    all
}

fn read_values(bytes: &[u8]) {
    let _ = job::check_args(&text(bytes));
    if let Ok(result) = job::check_result(bytes, 1 << 20) {
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(result.get()).is_ok());
    }
}

fn seeds_of_values() -> Vec<Vec<u8>> {
    seeds(&[r#"{"a": [1, 2.5, {"b": null}], "c": "\"[{"}"#, "[]", "[[[[[]]]]]", " 1e400 "])
}

const PLACEHOLDER: &str = "cronbox-secret-00112233445566778899aabbccddeeff";
const VALUE: &str = "s3cret-value-0123456789";

static SECRETS: LazyLock<Option<Arc<Secrets>>> = LazyLock::new(|| {
    let secret = Secret {
        name: "API_KEY".into(),
        placeholder: PLACEHOLDER.into(),
        value: Zeroizing::new(VALUE.into()),
        hosts: vec!["*.example.com".parse().ok()?],
        parts: RequestParts { headers: true, query: true, body: true },
        methods: None,
        path_prefix: None,
    };
    Secrets::new(vec![secret]).ok().map(Arc::new)
});

fn exchange() -> Option<Exchange> {
    let destination = Destination::parse("api.example.com", 443).ok()?;
    Exchange::new(SECRETS.clone()?, destination, ConnectionMode::Http).ok()
}

/// Takes the first byte of an input: the size of the pieces in which the rest comes.
fn pieces(bytes: &[u8]) -> (usize, &[u8]) {
    bytes.split_first().map_or((1, bytes), |(first, rest)| (usize::from(*first) + 1, rest))
}

fn read_requests(bytes: &[u8]) {
    let (size, bytes) = pieces(bytes);
    let Some(mut exchange) = exchange() else { return };
    let mut out = Vec::new();
    for piece in bytes.chunks(size) {
        out.extend(exchange.outgoing(piece).bytes);
        assert!(exchange.kept() <= 4 << 20, "{} bytes are kept", exchange.kept());
    }
    out.extend(exchange.outgoing_quiet().bytes);
    out.extend(exchange.outgoing_end().bytes);
    if memchr::memmem::find(bytes, b"cronbox-secret").is_none() {
        assert!(out.len() <= 4 * bytes.len() + 200, "{} of {}", out.len(), bytes.len());
    }
}

fn seeds_of_requests() -> Vec<Vec<u8>> {
    let key = PLACEHOLDER;
    seeds(&[
        &format!("\u{7f}GET /v1?key={key} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {key}\r\n\r\n"),
        &format!(
            "\u{3}POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 52\r\nContent-Type: application/json\r\n\r\n{{\"k\":\"{key}\"}}"
        ),
        &format!(
            "\u{1f}POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: {key}\r\n\r\n"
        ),
        "\u{7f}CONNECT a:443 HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\0\u{1}binary",
    ])
}

fn read_answers(bytes: &[u8]) {
    let (size, bytes) = pieces(bytes);
    let Some(mut exchange) = exchange() else { return };
    let request = format!("GET / HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: {PLACEHOLDER}\r\n\r\n");
    exchange.outgoing(request.as_bytes());
    let mut out = Vec::new();
    for piece in bytes.chunks(size) {
        let step = exchange.incoming(piece);
        out.extend(step.bytes);
        if step.refused.is_some() {
            break;
        }
        assert!(exchange.kept() <= 4 << 20, "{} bytes are kept", exchange.kept());
    }
    out.extend(exchange.incoming_quiet().bytes);
    out.extend(exchange.incoming_end().bytes);
    let told = memchr::memmem::find(&out, VALUE.as_bytes()).is_some();
    assert!(!told, "the value of a secret came back");
}

fn seeds_of_answers() -> Vec<Vec<u8>> {
    let value = VALUE;
    seeds(&[
        &format!("\u{7f}HTTP/1.1 200 OK\r\nContent-Length: 40\r\nX-Key: {value}\r\n\r\n{{\"key\": \"{value}\"}}"),
        &format!(
            "\u{5}HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n17\r\n{value}\r\n5;x\r\n12345\r\n0\r\nT: {value}\r\n\r\n"
        ),
        "\u{2}HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.0 200\r\n\r\nto the end",
        "\u{7f}HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\0\u{1}s3cret-value-\\u00301",
        "\u{9}HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\u{1f}",
    ])
}

fn redactor() -> Option<Redactor> {
    Redactor::new([(VALUE.as_bytes(), "[API_KEY]".to_owned())]).ok()
}

fn read_output(bytes: &[u8]) {
    let Some(redactor) = redactor() else { return };
    let (size, bytes) = pieces(bytes);
    let mut stream = redactor.stream();
    let mut out: Vec<u8> = bytes.chunks(size).flat_map(|piece| stream.push(piece)).collect();
    out.extend(stream.finish(false));
    assert!(memchr::memmem::find(&out, VALUE.as_bytes()).is_none(), "the value of a secret came out");
    assert!(out.len() <= bytes.len(), "nothing grows");
    assert_eq!(redactor.mask(bytes).len(), bytes.len());
    let text = text(bytes);
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let redacted = redactor.redact_json(&text);
    assert!(!is_json(&text) || is_json(&redacted), "{text} became {redacted}");
    let _ = redactor.redact_cut(&text);
}

fn seeds_of_output() -> Vec<Vec<u8>> {
    seeds(&[
        &format!("\u{4}a {VALUE} b\n{VALUE}"),
        &format!("\u{7f}{{\"a\": \"{VALUE}\", \"b\": [1, -2.5e3, \"s3cret\\u002dvalue-0123456789\"]}}"),
        "\u{1}czNjcmV0LXZhbHVlLTAxMjM0NTY3ODk= 7333637265742d76616c75652d30313233343536373839 &#115;3cret-value",
        "\u{7f}\"text… (12 more)\" 3",
    ])
}

fn read_hosts(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(pattern) = text.parse::<HostPattern>() {
        let again = pattern.to_string().parse::<HostPattern>();
        assert!(again.as_ref().is_ok_and(|again| *again == pattern), "{pattern} became {again:?}");
        assert!(pattern.covered_by(&pattern) && pattern.intersect(&pattern).as_ref() == Some(&pattern), "{pattern}");
    }
    let _ = Ceiling::parse([&*text]);
    if let Ok(destination) = Destination::parse(&text, 443) {
        assert!(!destination.to_string().is_empty());
    }
}

fn seeds_of_hosts() -> Vec<Vec<u8>> {
    seeds(&[
        "api.example.com:8443",
        "*.example.com",
        "[2001:db8::1]:443",
        "127.0.0.1",
        "xn--bcher-kva.example",
        "bücher.example",
        "*",
    ])
}

fn read_networks(bytes: &[u8]) {
    let _ = Networks::parse(text(bytes).split(' '));
}

fn seeds_of_networks() -> Vec<Vec<u8>> {
    seeds(&["10.0.0.0/8=*.internal", "fd00::/8", "127.0.0.1=localhost:8080 192.168.0.0/16"])
}

/// Input: the operation on the first line, its numbers on the second, then its parts, separated by `|`.
fn read_crypto(bytes: &[u8]) {
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let what = text(lines.next().unwrap_or_default()).into_owned();
    let numbers = text(lines.next().unwrap_or_default()).split(' ').filter_map(|number| number.parse().ok()).collect();
    let parts = lines.next().unwrap_or_default().split(|byte| *byte == b'|').map(<[u8]>::to_vec).collect();
    let Ok(work) = Work::read(&what, parts, numbers) else { return };
    // Expensive work is paid for before it is done. Here it is not done.
    if work.price > 200_000_000 || work.memory > 256 << 20 {
        return;
    }
    let mut work = std::pin::pin!(work.run());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..100_000 {
        if work.as_mut().poll(&mut context).is_ready() {
            return;
        }
    }
    panic!("{what} does not end");
}

fn seeds_of_crypto() -> Vec<Vec<u8>> {
    let key = "0123456789abcdef";
    let mut all: Vec<String> = ["aes-ecb-encrypt", "aes-ecb-decrypt", "ghash", "poly1305"]
        .iter()
        .map(|name| format!("{name}\n0\n{key}||{key}{key}"))
        .chain(
            ["aes-cbc-encrypt", "aes-cbc-decrypt", "aes-ctr", "aes-ctr32"]
                .map(|name| format!("{name}\n3\n{key}|{key}|{key}{key}")),
        )
        .collect();
    for curve in ["p256", "p384", "p521", "k256", "ed25519"] {
        all.push(format!("{curve}-public\n\n{key}{key}"));
        all.push(format!("{curve}-point\n\n\u{4}{key}{key}{key}{key}"));
        all.push(format!("{curve}-sign\n\n{key}{key}|{key}{key}"));
        all.push(format!("{curve}-verify\n\n{key}{key}|{key}{key}|{key}{key}{key}{key}"));
    }
    all.extend([
        format!("chacha20\n1\n{key}{key}|0123456789ab|{key}{key}{key}"),
        format!("power\n\n{key}|a|{key}1"),
        format!("rsa-private\n\n{key}|a|{key}|0123456789|abcdefghi|x"),
        format!("hmac\n\nsha256|{key}|{key}"),
        format!("pbkdf2\n10 32\nsha512|{key}|{key}"),
        format!("scrypt\n16 1 1 32\n{key}|{key}"),
    ]);
    all.into_iter().map(String::into_bytes).collect()
}

fn read_words(bytes: &[u8]) {
    let words: Vec<String> = text(bytes).split(' ').map(str::to_owned).collect();
    if let Some(args) = ProcessArgs::from_words(&words) {
        assert_eq!(ProcessArgs::from_words(&args.to_words()).map(|args| args.data), Some(args.data));
    }
}

fn seeds_of_words() -> Vec<Vec<u8>> {
    seeds(&["1 2 3", "faults=a,b 1 18446744073709551615 0"])
}

#[cfg(test)]
mod tests {
    /// Inputs for which a reader was once wrong.
    const FOUND: &[(&str, &[u8])] = &[];

    #[test]
    fn no_reader_is_wrong_about_random_input() {
        crate::try_readers::try_all(&super::readers(), FOUND, 1);
    }
}
