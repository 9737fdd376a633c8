use super::inject::PATIENCE;
use super::inject_head::never;
use super::reasons::{OpaqueReason, RequestPart, SkipReason};
use super::redact_response::{BODY_PATIENCE, RAW_PATIENCE};
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::cell::RefCell;
use std::collections::HashMap;
use zeroize::Zeroizing;

/// A small generator (xorshift) for tests that must run the same way every time.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

const KEY: &str = "cronbox-secret-00112233445566778899aabbccddeeff";
const OTHER: &str = "cronbox-secret-ffeeddccbbaa99887766554433221100";
const VALUE: &str = "s3cr&t/v+l\"ue";
const OTHER_VALUE: &str = "another one's";

fn secret() -> Secret {
    Secret {
        name: "API_KEY".into(),
        placeholder: KEY.into(),
        value: Zeroizing::new(VALUE.into()),
        hosts: vec!["*.example.com".parse().unwrap()],
        parts: RequestParts::default(),
        methods: None,
        path_prefix: None,
    }
}

thread_local! {
    /// What the tests make again and again, by what is in it: the search takes its time to make.
    static MADE: RefCell<HashMap<String, Arc<Secrets>>> = RefCell::default();
}

/// The secret as `change` makes it, and one of another host.
fn exchange_as(mode: ConnectionMode, change: impl FnOnce(&mut Secret)) -> Exchange {
    let mut first = secret();
    change(&mut first);
    let Secret { value, hosts, parts, methods, path_prefix, .. } = &first;
    let key = format!("{:?}", (value.as_slice(), hosts, parts, methods, path_prefix));
    let second = Secret {
        name: "OTHER".into(),
        placeholder: OTHER.into(),
        value: Zeroizing::new(OTHER_VALUE.into()),
        hosts: vec!["other.example".parse().unwrap()],
        parts: RequestParts { headers: true, query: true, body: true },
        ..secret()
    };
    let make = || Arc::new(Secrets::new(vec![first, second]).unwrap());
    let secrets = MADE.with_borrow_mut(|made| Arc::clone(made.entry(key).or_insert_with(make)));
    Exchange::new(secrets, Destination::parse("api.example.com", 443).unwrap(), mode).unwrap()
}

fn exchange(change: impl FnOnce(&mut Secret)) -> Exchange {
    exchange_as(ConnectionMode::Http, change)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn has(bytes: &[u8], part: &str) -> bool {
    memchr::memmem::find(bytes, part.as_bytes()).is_some()
}

/// The lists of pieces that an input is tried in: whole, byte by byte, and every cut in two.
fn cuts(input: &[u8]) -> Vec<Vec<&[u8]>> {
    let two = (1..input.len()).map(|at| vec![&input[..at], &input[at..]]);
    [vec![input], input.chunks(1).collect()].into_iter().chain(two).collect()
}

#[derive(Clone, Copy)]
enum Way {
    Out,
    In,
}

fn run(exchange: &mut Exchange, way: Way, pieces: &[&[u8]]) -> (Vec<u8>, Vec<SecretEvent>) {
    let (mut bytes, mut events) = (Vec::new(), Vec::new());
    for piece in pieces {
        let step = match way {
            Way::Out => exchange.outgoing(piece),
            Way::In => exchange.incoming(piece),
        };
        bytes.extend_from_slice(&step.bytes);
        events.extend(step.events);
    }
    (bytes, events)
}

/// Sends `input` in all cuts, and expects the same bytes and events of each.
fn sends(make: impl Fn() -> Exchange, input: &str, expected: &str, events: &[SecretEvent]) {
    for pieces in cuts(input.as_bytes()) {
        let (bytes, told) = run(&mut make(), Way::Out, &pieces);
        assert_eq!(text(&bytes), expected, "{pieces:?}");
        assert_eq!(told, events, "{input}");
    }
}

fn injected() -> SecretEvent {
    SecretEvent::Injected { name: "API_KEY".into() }
}

fn not_injected(why: SkipReason) -> SecretEvent {
    SecretEvent::NotInjected { name: "API_KEY".into(), why }
}

fn request(fields: &str, body: &str) -> String {
    format!("POST /v1/x?a=b HTTP/1.1\r\nHost: api.example.com\r\n{fields}\r\n{body}")
}

#[test]
fn headers_get_the_value_and_keep_alive_goes_on() {
    let make = || exchange(|_| {});
    let input = format!(
        "GET /a HTTP/1.1\r\nHost: API.example.com:443\r\nAuthorization:  Bearer {KEY} \r\nX-Two: {KEY},{KEY}\r\n\r\n\
         POST https://api.example.com/b HTTP/1.1\r\nhost: api.example.com\r\ncontent-length: 3\r\n\r\nabc\
         POST /c HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: Chunked\r\n\r\n\
         3\r\nG\r\n\r\n00A\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n\
         GET /d HTTP/1.1\r\nHost: api.example.com\r\nX-Key:{KEY}\r\n\r\n"
    );
    sends(make, &input, &input.replace(KEY, VALUE), &[injected(), injected()]);
    let nothing = request("X-A: \t \r\nX-B:\r\nX-C: caf\u{e9}\r\nContent-Length: 0\r\n", "");
    sends(make, &nothing, &nothing, &[]);
}

#[test]
fn basic_credentials_are_encoded_again() {
    let make = || exchange(|_| {});
    let credentials = STANDARD.encode(format!("user:{KEY}"));
    let expected = STANDARD.encode(format!("user:{VALUE}"));
    for (scheme, name) in [("Basic", "Authorization"), ("basic", "AUTHORIZATION")] {
        let input = request(&format!("{name}: {scheme} {credentials}\r\n"), "");
        sends(make, &input, &input.replace(&credentials, &expected), &[injected()]);
    }
    let input = request(&format!("Proxy-Authorization: Basic {credentials}\r\nX-Other: Basic {credentials}\r\n"), "");
    sends(make, &input, &input, &[]);
    let foreign = STANDARD.encode(format!("user:{OTHER}"));
    let input = request(&format!("Authorization: Basic {foreign}\r\n"), "");
    let why = SkipReason::Host(Destination::parse("api.example.com", 443).unwrap());
    sends(make, &input, &input, &[SecretEvent::NotInjected { name: "OTHER".into(), why }]);
}

#[test]
fn grants_are_narrow() {
    let field = format!("Authorization: Bearer {KEY}\r\n");
    let input = request(&field, "");
    type Change = fn(&mut Secret);
    let placing: [Change; 4] = [
        |secret| secret.methods = Some(vec!["GET".into(), "POST".into()]),
        |secret| secret.path_prefix = Some("/v1".into()),
        |secret| secret.path_prefix = Some("/v1/x".into()),
        |secret| secret.hosts = vec!["api.example.com:443".parse().unwrap()],
    ];
    for change in placing {
        sends(|| exchange(change), &input, &input.replace(KEY, VALUE), &[injected()]);
    }
    let destination = Destination::parse("api.example.com", 443).unwrap();
    let refusing: [(Change, SkipReason); 6] = [
        (|secret| secret.methods = Some(vec!["GET".into()]), SkipReason::Method("POST".into())),
        (|secret| secret.path_prefix = Some("/v1/y".into()), SkipReason::Path("/v1/y".into())),
        (|secret| secret.hosts = vec!["api.example.com:8443".parse().unwrap()], SkipReason::Host(destination.clone())),
        (|secret| secret.hosts = vec!["example.com".parse().unwrap()], SkipReason::Host(destination)),
        (|secret| secret.parts.headers = false, SkipReason::Part(RequestPart::Headers)),
        (|secret| secret.value = Zeroizing::new(b"line\nbreak".to_vec()), SkipReason::Control),
    ];
    for (change, why) in refusing {
        sends(|| exchange(change), &input, &input, &[not_injected(why)]);
    }
    for control in [b"a\rbcd", b"a\nbcd", b"a\0bcd", b"a\x7fbcd", b"abcd\n"] {
        let make = || exchange(|secret| secret.value = Zeroizing::new(control.to_vec()));
        sends(make, &input, &input, &[not_injected(SkipReason::Control)]);
        let basic = request(&format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("u:{KEY}"))), "");
        sends(make, &basic, &basic, &[not_injected(SkipReason::Control)]);
    }
    let narrow: Change = |secret| secret.methods = Some(vec!["POST".into()]);
    for name in ["x-http-method-override", "X_HTTP_Method_Override", "X-Forwarded-Uri"] {
        let input = request(&format!("{name}: DELETE\r\n{field}"), "");
        sends(|| exchange(narrow), &input, &input, &[not_injected(SkipReason::Override(name.into()))]);
    }
    let narrow: Change = |secret| secret.path_prefix = Some("/v1".into());
    let input = request(&field, "").replace("/v1/x", "/v1/%2e%2e/admin");
    sends(|| exchange(narrow), &input, &input, &[not_injected(SkipReason::PathUnclear)]);
    // A body that is a request to a server which reads no body with GET, or none at all there.
    let smuggled = "GET /admin HTTP/1.1\r\nHost: api.example.com\r\nX: ";
    let with = |body: &str| request(&format!("Content-Length: {}\r\n", body.len()), body);
    let (first, plain, second) = (with(smuggled), with("{\"a\": 1}"), request(&field, ""));
    let expect = request(&format!("Expect: 100-continue\r\nContent-Length: {}\r\n", smuggled.len()), smuggled);
    let injected_second = second.replace(KEY, VALUE);
    sends(|| exchange(narrow), &(plain.clone() + &second), &(plain.clone() + &injected_second), &[injected()]);
    for doubtful in [first.clone(), plain.replacen("POST", "GET", 1), expect] {
        let input = doubtful.clone() + &second;
        sends(|| exchange(narrow), &input, &input, &[not_injected(SkipReason::Doubtful)]);
        sends(|| exchange(|_| {}), &input, &(doubtful + &injected_second), &[injected()]);
    }
    assert_eq!(
        not_injected(SkipReason::Method("POST".into())).to_string(),
        "the secret API_KEY was not placed: it is not granted for POST"
    );
}

#[test]
fn a_grant_for_methods_is_not_widened_by_parameters() {
    let narrow = |secret: &mut Secret| {
        secret.methods = Some(vec!["POST".into()]);
        secret.parts.body = true;
    };
    let send = |target: &str, fields: &str, body: &str| {
        let fields = format!("{fields}Content-Length: {}\r\nX-Key: {KEY}\r\n", body.len());
        request(&fields, body).replace("/v1/x?a=b", target)
    };
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let json = "Content-Type: application/json\r\n";
    for (target, fields, body) in [
        ("/v1?_method=DELETE", json, "{}"),
        ("/v1?%5fmethod=DELETE", json, "{}"),
        ("/v1", form, "a=b&_method=DELETE"),
        ("/v1", json, r#"{"_method": "DELETE"}"#),
        ("/v1", "", "_method=DELETE"),
    ] {
        let input = send(target, fields, body);
        sends(|| exchange(narrow), &input, &input, &[not_injected(SkipReason::Parameter)]);
        sends(|| exchange(|_| {}), &input, &input.replace(KEY, VALUE), &[injected()]);
    }
    for (fields, body) in
        [(form, "method=x&payment_method=card"), (json, "{}"), ("Content-Type: text/plain\r\n", "_method")]
    {
        let input = send("/v1?method=a", fields, body);
        sends(|| exchange(narrow), &input, &input.replace(KEY, VALUE), &[injected()]);
    }
    // What cannot be looked at before the head goes out.
    let chunks = format!("{form}Transfer-Encoding: chunked\r\nX-Key: {KEY}\r\n");
    let input = request(&chunks, "e\r\n_method=DELETE\r\n0\r\n\r\n");
    let why = SkipReason::UnreadBody(Box::new(SkipReason::ChunkedBody));
    sends(|| exchange(narrow), &input, &input, &[not_injected(why)]);
    let input = input.replace("application/x-www-form-urlencoded", "application/octet-stream");
    sends(|| exchange(narrow), &input, &input.replace(KEY, VALUE), &[injected()]);
}

#[test]
fn a_connection_that_may_carry_a_secret_asks_for_what_can_be_searched() {
    let ask = |fields: &str| format!("GET / HTTP/1.1\r\nHost: api.example.com\r\n{fields}X: y\r\n\r\n");
    let input = ask("accept-encoding: gzip, br;q=0.5\r\nSec-WebSocket-Extensions: permessage-deflate\r\n");
    sends(|| exchange(|_| {}), &input, &ask("accept-encoding: identity\r\n"), &[]);
    sends(|| exchange(|secret| secret.hosts = vec!["other.example".parse().unwrap()]), &input, &input, &[]);
    // An answer that cannot be searched all the same, on a connection on which a secret went out, and on another one.
    let answer = |coding: &str| format!("HTTP/1.1 200 OK\r\n{coding}\r\nContent-Length: 3\r\n\r\nabc");
    for (coding, passes) in [
        ("Content-Encoding: gzip", false),
        ("content-encoding: identity, br", false),
        ("Transfer-Encoding: gzip, chunked", false),
        ("Sec-WebSocket-Extensions: permessage-deflate", false),
        ("Content-Encoding: identity", true),
        ("Content-Encoding:", true),
    ] {
        for carried in [true, false] {
            let mut exchange = exchange(|_| {});
            let field = if carried { format!("Authorization: {KEY}\r\n") } else { String::new() };
            exchange.outgoing(ask(&field).as_bytes());
            let step = exchange.incoming(answer(coding).as_bytes());
            assert_eq!(step.refused.is_none(), passes || !carried, "{coding}");
            if let Some(refused) = step.refused {
                assert!(step.bytes.is_empty() && refused.to_string().contains("cannot be searched"), "{refused}");
                assert!(exchange.incoming(b"more").bytes.is_empty() && exchange.incoming_end().bytes.is_empty());
            }
        }
    }
    // No body, nothing to search.
    for none in [
        "HTTP/1.1 304 X\r\nContent-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 X\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
    ] {
        let mut exchange = exchange(|_| {});
        exchange.outgoing(ask(&format!("Authorization: {KEY}\r\n")).as_bytes());
        assert_eq!(text(&exchange.incoming(none.as_bytes()).bytes), none);
    }
}

#[test]
fn only_where_a_secret_may_stand() {
    let all = |secret: &mut Secret| secret.parts = RequestParts { headers: true, query: true, body: true };
    let make = || exchange(all);
    for (input, why) in [
        (format!("GET /{KEY} HTTP/1.1\r\nHost: api.example.com\r\n\r\n"), SkipReason::InPath),
        (request(&format!("{KEY}: x\r\n"), ""), SkipReason::Elsewhere),
        (request(&format!("Proxy-Authorization: {KEY}\r\n"), ""), SkipReason::Header("Proxy-Authorization")),
        (request(&format!("Proxy-X: {KEY}\r\n"), ""), SkipReason::Header("Proxy-*")),
        (request(&format!("Connection: {KEY}\r\n"), ""), SkipReason::Header("Connection")),
        (request(&format!("Expect: {KEY}\r\n"), ""), SkipReason::Header("Expect")),
        (request(&format!("Transfer-Encoding: chunked\r\n\r\n0\r\nX-A: {KEY}\r\n"), ""), SkipReason::Elsewhere),
    ] {
        sends(make, &input, &input, &[not_injected(why)]);
    }
    // A method of 47 letters is none.
    let input = format!("{KEY} / HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    let opaque = OpaqueReason::NotHttp;
    sends(make, &input, &input, &[SecretEvent::Opaque(opaque), not_injected(SkipReason::Opaque(opaque))]);
}

#[test]
fn no_secret_in_a_header_for_the_connection() {
    for name in [
        "Host",
        "Content-Length",
        "Content-Encoding",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Proxy-Authorization",
    ] {
        assert_eq!(never(name.as_bytes()), Some(name));
        assert_eq!(never(name.to_lowercase().as_bytes()), Some(name));
    }
    assert_eq!(never(b"Proxy-X"), Some("Proxy-*"));
    for name in ["Authorization", "X-Api-Key", "Cookie"] {
        assert_eq!(never(name.as_bytes()), None);
    }
}

#[test]
fn the_query_only_if_granted() {
    let input = format!("GET /a?key={KEY}&x={KEY} HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    sends(|| exchange(|_| {}), &input, &input, &[not_injected(SkipReason::Part(RequestPart::Query))]);
    let make = || exchange(|secret| secret.parts = RequestParts { headers: false, query: true, body: false });
    sends(make, &input, &input.replace(KEY, "s3cr%26t%2Fv%2Bl%22ue"), &[injected()]);
    let make = || {
        exchange(|secret| {
            secret.parts.query = true;
            secret.value = Zeroizing::new(b"x HTTP/1.1\r\nHost: evil".to_vec());
        })
    };
    sends(make, &input, &input.replace(KEY, "x%20HTTP%2F1.1%0D%0AHost%3A%20evil"), &[injected()]);
}

#[test]
fn bodies_only_if_granted_and_counted() {
    let with = |fields: &str, body: &str| request(&format!("{fields}Content-Length: {}\r\n", body.len()), body);
    let make = || exchange(|secret| secret.parts.body = true);
    let next = "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
    for (kind, value) in [
        ("text/plain", VALUE),
        ("application/json; charset=utf-8", "s3cr&t/v+l\\\"ue"),
        ("application/problem+JSON", "s3cr&t/v+l\\\"ue"),
        ("application/x-www-form-urlencoded", "s3cr%26t%2Fv%2Bl%22ue"),
    ] {
        let fields = format!("Content-Type: {kind}\r\n");
        let (before, after) = (format!("a={KEY}&b={KEY}"), format!("a={value}&b={value}"));
        sends(make, &(with(&fields, &before) + next), &(with(&fields, &after) + next), &[injected()]);
    }
    let input = with("", KEY);
    sends(|| exchange(|_| {}), &input, &input, &[not_injected(SkipReason::Part(RequestPart::Body))]);
    for (input, why) in [
        (request("Transfer-Encoding: chunked\r\n", &format!("2f\r\n{KEY}\r\n0\r\n\r\n")), SkipReason::ChunkedBody),
        (
            request(
                "Transfer-Encoding: chunked\r\n",
                &format!("a\r\n{}\r\n25\r\n{}\r\n0\r\n\r\n", &KEY[..10], &KEY[10..]),
            ),
            SkipReason::ChunkedBody,
        ),
        (with("Content-Encoding: gzip\r\n", KEY), SkipReason::EncodedBody),
        (with("Expect: 100-continue\r\n", KEY), SkipReason::Expect),
    ] {
        sends(make, &(input.clone() + next), &(input + next), &[not_injected(why)]);
    }
    let large = with("", &format!("{KEY}{}", "x".repeat(1 << 20)));
    let (bytes, events) = run(&mut make(), Way::Out, &[large.as_bytes()]);
    assert!(bytes == large.as_bytes() && events == [not_injected(SkipReason::LargeBody)]);
    // Many placeholders of a long value.
    let make = || {
        exchange(|secret| {
            secret.parts.body = true;
            secret.value = Zeroizing::new(vec![b'v'; MAX_VALUE]);
        })
    };
    let many = with("", &KEY.repeat(1000));
    let (bytes, events) = run(&mut make(), Way::Out, &[many.as_bytes()]);
    assert!(bytes == many.as_bytes() && events == [not_injected(SkipReason::TooLarge)]);
    let many = request(&format!("X: {}\r\n", KEY.repeat(1000)), "");
    let (bytes, events) = run(&mut make(), Way::Out, &[many.as_bytes()]);
    assert!(bytes == many.as_bytes() && events == [not_injected(SkipReason::TooLarge)]);
    let latin = || {
        exchange(|secret| {
            secret.parts.body = true;
            secret.value = Zeroizing::new(b"caf\xe9".to_vec());
        })
    };
    let input = with("Content-Type: application/json\r\n", KEY);
    sends(latin, &input, &input, &[not_injected(SkipReason::NotText)]);
    // The end within a body that is being collected.
    let mut exchange = make();
    let step = exchange.outgoing(with("", "abcdef").strip_suffix("f").unwrap().as_bytes());
    assert!(step.bytes.is_empty());
    assert_eq!(text(&exchange.outgoing_end().bytes), with("", "abcdef").strip_suffix("f").unwrap());
}

#[test]
fn what_is_not_strictly_http_gets_no_secret() {
    let make = || exchange(|secret| secret.parts = RequestParts { headers: true, query: true, body: true });
    let auth = format!("Authorization: Bearer {KEY}\r\n");
    let get = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n");
    let host = "Host: api.example.com\r\n";
    let table = [
        // Attack 46: own Host, two lengths, length and coding, line breaks, trailers.
        (get(&format!("Host: evil.com\r\n{auth}")), OpaqueReason::ForeignHost),
        (get(&format!("Host: api.example.com.\r\n{auth}")), OpaqueReason::ForeignHost),
        (get(&format!("Host: api.example.com:80\r\n{auth}")), OpaqueReason::ForeignHost),
        (get(&format!("Host: api.example.com, evil.com\r\n{auth}")), OpaqueReason::ForeignHost),
        (get(&format!("Host: {KEY}\r\n{auth}")), OpaqueReason::ForeignHost),
        (get(&auth), OpaqueReason::Hosts),
        (get(&format!("{host}{auth}Host: evil.com\r\n")), OpaqueReason::Hosts),
        (get(&format!("{host}{auth}{host}")), OpaqueReason::Hosts),
        (get(&format!("{host}{auth}Content-Length: 1\r\nContent-Length: 2\r\n")), OpaqueReason::Lengths),
        (get(&format!("{host}{auth}Content-Length: 1\r\nContent-Length: 1\r\n")), OpaqueReason::Lengths),
        (get(&format!("{host}{auth}Content-Length: 1, 1\r\n")), OpaqueReason::Length),
        (get(&format!("{host}{auth}Content-Length: +1\r\n")), OpaqueReason::Length),
        (get(&format!("{host}{auth}Content-Length: 0x1\r\n")), OpaqueReason::Length),
        (get(&format!("{host}{auth}Content-Length: -1\r\n")), OpaqueReason::Length),
        (get(&format!("{host}{auth}Content-Length:\r\n")), OpaqueReason::Length),
        (get(&format!("{host}{auth}Content-Length: {KEY}\r\n")), OpaqueReason::Length),
        (get(&format!("{host}{auth}Content-Length: 99999999999999999999\r\n")), OpaqueReason::Length),
        (
            get(&format!("{host}{auth}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")),
            OpaqueReason::LengthAndCoding,
        ),
        (get(&format!("{host}{auth}Transfer-Encoding: gzip, chunked\r\n")), OpaqueReason::Coding),
        (
            get(&format!("{host}{auth}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
            OpaqueReason::Coding,
        ),
        (get(&format!("{host}{auth}Transfer-Encoding: xchunked\r\n")), OpaqueReason::Coding),
        (get(&format!("{host}{auth}Transfer-Encoding : chunked\r\n")), OpaqueReason::Line),
        (get(&format!("{host}{auth}X: a\r\n b\r\n")), OpaqueReason::Line),
        (get(&format!(" {host}{auth}")), OpaqueReason::Line),
        (get(&format!("{host}{auth}X: a\nY: b\r\n")), OpaqueReason::Line),
        (get(&format!("{host}{auth}X: a\rY: b\r\n")), OpaqueReason::Line),
        (get(&format!("{host}{auth}X: a\0b\r\n")), OpaqueReason::Line),
        (get(&format!("{host}{auth}X: a\x7fb\r\n")), OpaqueReason::Line),
        (get(&format!("{host}{auth}X\r\n")), OpaqueReason::Line),
        (get(&format!("{host}{auth}: x\r\n")), OpaqueReason::Line),
        (get(&format!("{host}{auth}X Y: x\r\n")), OpaqueReason::Line),
        (get(&format!("{host}{auth}{}", "X: y\r\n".repeat(200))), OpaqueReason::TooManyFields),
        // Attack 45: another target than the connected host.
        (format!("GET https://evil.com/ HTTP/1.1\r\n{host}{auth}\r\n"), OpaqueReason::Target),
        (format!("GET https://api.example.com@evil.com/ HTTP/1.1\r\n{host}{auth}\r\n"), OpaqueReason::Target),
        (format!("GET http://api.example.com/ HTTP/1.1\r\n{host}{auth}\r\n"), OpaqueReason::Target),
        (format!("GET /#x HTTP/1.1\r\n{host}{auth}\r\n"), OpaqueReason::Target),
        (format!("OPTIONS * HTTP/1.1\r\n{host}{auth}\r\n"), OpaqueReason::Target),
        (format!("CONNECT api.example.com:443 HTTP/1.1\r\n{host}{auth}\r\n"), OpaqueReason::Target),
        (format!("CONNECT /x HTTP/1.1\r\n{host}{auth}\r\n"), OpaqueReason::Target),
        (format!("GET / HTTP/1.0\r\n{host}{auth}\r\n"), OpaqueReason::NotHttp),
        (format!("GET /a b HTTP/1.1\r\n{host}{auth}\r\n"), OpaqueReason::NotHttp),
        (format!("GET  / HTTP/1.1\r\n{host}{auth}\r\n"), OpaqueReason::NotHttp),
        (format!("GET / HTTP/1.1\n{host}{auth}\r\n"), OpaqueReason::NotHttp),
        (format!("\r\nGET / HTTP/1.1\r\n{host}{auth}\r\n"), OpaqueReason::NotHttp),
        (format!("G(T / HTTP/1.1\r\n{host}{auth}\r\n"), OpaqueReason::NotHttp),
        (format!("GET /\u{e9} HTTP/1.1\r\n{host}{auth}\r\n"), OpaqueReason::NotHttp),
        (format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{auth}"), OpaqueReason::NotHttp),
        (format!("EHLO {KEY}\r\n"), OpaqueReason::NotHttp),
        (format!("*2\r\n$4\r\nAUTH\r\n${}\r\n{KEY}\r\n", KEY.len()), OpaqueReason::NotHttp),
    ];
    let good = format!("GET /good HTTP/1.1\r\n{host}{auth}\r\n");
    for (input, malformed) in &table {
        // Nothing that follows gets it back, and nothing before it is lost.
        let all = format!("{good}{input}{good}");
        let expected = format!("{}{input}{good}", good.replace(KEY, VALUE));
        let events = [injected(), SecretEvent::Opaque(*malformed), not_injected(SkipReason::Opaque(*malformed))];
        let each = if input.len() < 1000 { cuts(all.as_bytes()) } else { vec![vec![all.as_bytes()]] };
        for pieces in each {
            let mut exchange = make();
            let (bytes, told) = run(&mut exchange, Way::Out, &pieces);
            assert_eq!(text(&bytes), expected, "{pieces:?}");
            assert_eq!(told, events, "{input}");
            assert_eq!(exchange.mode(), ConnectionMode::Opaque);
        }
    }
    // A body whose end is not certain.
    for (body, malformed) in [
        ("x\r\n", OpaqueReason::Chunk),
        ("1;a=b\r\na\r\n", OpaqueReason::Chunk),
        ("1\na\r\n", OpaqueReason::Chunk),
        (" 1\r\na\r\n", OpaqueReason::Chunk),
        ("0x1\r\na\r\n", OpaqueReason::Chunk),
        ("1\r\nab\r\n", OpaqueReason::Chunk),
        ("1\r\na\n", OpaqueReason::Chunk),
        ("-1\r\na\r\n", OpaqueReason::Chunk),
        ("10000000000000000\r\na\r\n", OpaqueReason::Chunk),
        ("0\r\nContent-Length: 3\r\n\r\n", OpaqueReason::Trailer),
        ("0\r\nHost: evil.com\r\n\r\n", OpaqueReason::Trailer),
        ("0\r\nTransfer-Encoding: chunked\r\n\r\n", OpaqueReason::Trailer),
        ("0\r\nauthorization: x\r\n\r\n", OpaqueReason::Trailer),
        ("0\r\n x: y\r\n\r\n", OpaqueReason::Line),
        ("0\r\nx: y\nz\r\n\r\n", OpaqueReason::Chunk),
    ] {
        let input = request("Transfer-Encoding: chunked\r\n", body) + &good;
        sends(make, &input, &input, &[SecretEvent::Opaque(malformed), not_injected(SkipReason::Opaque(malformed))]);
    }
    let long = get(&format!("{host}{auth}X: {}\r\n", "x".repeat(http::MAX_HEAD)));
    let (bytes, events) = run(&mut make(), Way::Out, &[long.as_bytes()]);
    assert!(bytes == long.as_bytes() && events[0] == SecretEvent::Opaque(OpaqueReason::HeadTooLarge));
}

#[test]
fn other_protocols_are_not_kept_waiting() {
    let mut exchange = exchange(|_| {});
    assert_eq!(text(&exchange.outgoing(b"PING\r\n").bytes), "PING\r\n");
    let mut exchange = exchange_as(ConnectionMode::Http, |_| {});
    assert!(exchange.outgoing(b"abc").bytes.is_empty());
    assert_eq!(exchange.outgoing_patience(), Some(PATIENCE));
    let step = exchange.outgoing_quiet();
    assert_eq!((text(&step.bytes), step.events), ("abc".into(), vec![SecretEvent::Opaque(OpaqueReason::NotHttp)]));
    assert_eq!((exchange.outgoing_patience(), exchange.mode()), (None, ConnectionMode::Opaque));
    // A slow script that does speak HTTP.
    let mut exchange = exchange_as(ConnectionMode::Http, |_| {});
    exchange.outgoing(b"GET / HTTP/1.1\r\n");
    assert_eq!((exchange.outgoing_patience(), exchange.outgoing_quiet()), (None, Step::default()));
    assert_eq!(exchange.mode(), ConnectionMode::Http);
    assert_eq!(text(&exchange.outgoing_end().bytes), "GET / HTTP/1.1\r\n");
}

#[test]
fn too_many_requests_without_an_answer() {
    let mut exchange = exchange(|_| {});
    let input = "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n".repeat(1001);
    let step = exchange.outgoing(input.as_bytes());
    assert_eq!((step.bytes.len(), step.events), (input.len(), vec![SecretEvent::Opaque(OpaqueReason::Unanswered)]));
}

#[test]
fn upgrades() {
    let ask = request(&format!("Connection: upgrade\r\nUpgrade: websocket\r\nAuthorization: {KEY}\r\n"), "");
    let begin = || {
        let mut exchange = exchange(|_| {});
        assert_eq!(text(&exchange.outgoing(ask.as_bytes()).bytes), ask.replace(KEY, VALUE));
        exchange
    };
    let get = format!("GET / HTTP/1.1\r\nHost: api.example.com\r\nX: {KEY}\r\n\r\n");
    // Agreed to.
    let mut exchange = begin();
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(text(&exchange.incoming(format!("{answer}\x01{VALUE}").as_bytes()).bytes), answer);
    assert_eq!(text(&exchange.incoming_quiet().bytes), "\x01*************");
    let step = exchange.outgoing(get.as_bytes());
    let opaque = OpaqueReason::Switched;
    assert_eq!(
        (text(&step.bytes), step.events),
        (get.clone(), vec![SecretEvent::Opaque(opaque), not_injected(SkipReason::Opaque(opaque))])
    );
    // Declined.
    let mut exchange = begin();
    exchange.incoming(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(text(&exchange.outgoing(get.as_bytes()).bytes), get.replace(KEY, VALUE));
    // Not waited for.
    let mut exchange = begin();
    let step = exchange.outgoing(get.as_bytes());
    assert_eq!((text(&step.bytes), &step.events[0]), (get.clone(), &SecretEvent::Opaque(OpaqueReason::BeforeAnswer)));
    // Never asked for, in the middle of a head.
    let mut exchange = exchange_as(ConnectionMode::Http, |_| {});
    exchange.outgoing(&get.as_bytes()[..30]);
    exchange.incoming(answer.as_bytes());
    assert!(exchange.mode() == ConnectionMode::Opaque && exchange.outgoing_patience().is_some());
    assert_eq!(text(&exchange.outgoing_quiet().bytes), get[..30]);
    assert_eq!(text(&exchange.outgoing(&get.as_bytes()[30..]).bytes), get[30..]);
}

#[test]
fn nothing_is_placed_on_a_connection_that_is_not_proven() {
    let input = format!("GET / HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: {KEY}\r\n\r\n");
    let why = SkipReason::Opaque(OpaqueReason::Unproven);
    sends(|| exchange_as(ConnectionMode::Opaque, |_| {}), &input, &input, &[not_injected(why.clone())]);
    assert_eq!(
        not_injected(why).to_string(),
        "the secret API_KEY was not placed: the connection is without TLS, or its server did not prove its name"
    );
}

#[test]
fn who_is_not_to_know_a_value_learns_nothing_of_it() {
    // Neither from what is replaced nor from what waits: without a proof of who it is, and of another host's secret.
    for guess in [VALUE, &VALUE[..5], OTHER_VALUE, &OTHER_VALUE[..5]] {
        let answer = format!("+{guess}");
        let mut exchange = exchange_as(ConnectionMode::Opaque, |_| {});
        assert_eq!(text(&exchange.incoming(answer.as_bytes()).bytes), answer);
        assert_eq!(exchange.incoming_patience(), None);
    }
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    for guess in [&OTHER_VALUE[..12], &OTHER_VALUE[..5]] {
        let answer = format!("{head}{guess}");
        let mut exchange = exchange(|_| {});
        exchange.outgoing(request("", "").as_bytes());
        // It waits because another secret is granted for this host, and like anything else.
        assert_eq!(text(&exchange.incoming(answer.as_bytes()).bytes), head);
        assert_eq!(text(&exchange.incoming_quiet().bytes), guess);
    }
    let mut exchange = exchange(|_| {});
    exchange.outgoing(request("", "").as_bytes());
    exchange.incoming(head.as_bytes());
    assert_eq!(text(&exchange.incoming(OTHER_VALUE.as_bytes()).bytes), "");
    assert_eq!(text(&exchange.incoming_quiet().bytes), OTHER_VALUE);
}

/// Answers a request of this method with `input` in all cuts.
fn answers(method: &str, input: &str, expected: &str) {
    for pieces in cuts(input.as_bytes()) {
        let mut exchange = exchange(|_| {});
        let ask = format!("{method} / HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
        exchange.outgoing(ask.repeat(2).as_bytes());
        let (mut bytes, _) = run(&mut exchange, Way::In, &pieces);
        bytes.extend_from_slice(&exchange.incoming_end().bytes);
        assert_eq!(text(&unchunk(&bytes)), expected, "{pieces:?}");
    }
}

/// Joins all chunks of a body, so that differently cut ones compare equal. What is not well-formed stays.
fn unchunk(bytes: &[u8]) -> Vec<u8> {
    let Some(at) = memchr::memmem::find(bytes, b"chunked\r\n\r\n").map(|at| at + 11) else { return bytes.to_vec() };
    let (mut chunked, mut rest) = (http::Chunked::new(http::MessageSide::Response), &bytes[at..]);
    let mut data = Vec::new();
    while let Ok(Some(piece)) = chunked.take(&mut rest) {
        match piece {
            http::Piece::Data(piece) => data.extend_from_slice(piece),
            http::Piece::End(trailers) => {
                return [&bytes[..at], b"<", &data, b">", &trailers, &unchunk(rest)].concat();
            }
        }
    }
    bytes.to_vec()
}

#[test]
fn responses_come_back_with_placeholders() {
    let stars = "*".repeat(VALUE.len());
    let basic = |secret: &str| STANDARD.encode(format!("user:{secret}"));
    let head = |secret: &str, quoted: &str| {
        format!(
            "HTTP/1.1 200 Hello {secret}\r\nX-Key:  a {secret} b\r\nLocation: https://evil.com/?k={quoted}\r\n\
             X-Basic: Basic {}\r\n",
            basic(secret)
        )
    };
    let (from, to) = (head(VALUE, "s3cr%26t%2Fv%2Bl%22ue"), head(KEY, KEY));
    let next = "HTTP/1.1 204 No Content\r\n\r\n";
    // Counted.
    let body = |secret: &str| format!("Content-Length: {}\r\n\r\nab{secret}cd{secret}{next}", 4 + 2 * VALUE.len());
    answers("GET", &(from.clone() + &body(VALUE)), &(to.clone() + &body(&stars)));
    // A body that ends with what could be the beginning of a value.
    let short = format!("Content-Length: 4\r\n\r\n{}{next}", &VALUE[..4]);
    answers("GET", &(from.clone() + &short), &(to.clone() + &short));
    // In chunks, the value across them.
    let (one, two) = VALUE.split_at(5);
    let chunks = format!(
        "Transfer-Encoding: chunked\r\n\r\n7;x=y\r\nab{one}\r\na \r\n{two}cd\r\n0\r\nX-T: {VALUE}\r\n\r\n{next}"
    );
    let chunks = chunks.replace("a \r\n", "a\r\n");
    let joined = format!("Transfer-Encoding: chunked\r\n\r\n<ab{stars}cd>X-T: {KEY}\r\n\r\n{next}");
    answers("GET", &(from.clone() + &chunks), &(to.clone() + &joined));
    // Until the end of the connection; encoded forms too.
    let open = |secret: &str, encoded: &str| format!("\r\nab{secret}{encoded}{}", &VALUE[..6]);
    let encoded = "s3cr%26t%2fv%2bl%22ue";
    answers("GET", &(from.clone() + &open(VALUE, encoded)), &(to.clone() + &open(&stars, &"*".repeat(encoded.len()))));
    // No body, whatever the head says.
    for (method, status) in [("HEAD", "200"), ("GET", "304"), ("GET", "204"), ("GET", "103"), ("GET", "100")] {
        let one = |secret: &str| format!("HTTP/1.1 {status} X\r\nX: {secret}\r\nContent-Length: 5\r\n\r\n");
        let two = |secret: &str| one(secret) + &one(secret);
        answers(method, &two(VALUE), &two(KEY));
    }
    // Framing stays framing.
    let make = || exchange(|secret| secret.value = Zeroizing::new(b"chunked".to_vec()));
    let input = b"HTTP/1.1 200 chunked\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nchunked\r\n0\r\n\r\n";
    let expected = format!("HTTP/1.1 200 {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n*******\r\n0\r\n\r\n");
    assert_eq!(text(&make().incoming(input).bytes), expected);
    // A redirect to another host brings the placeholder there, and nothing else.
    let old = format!("HTTP/1.0 302 Found\r\nLocation: https://evil.com/{VALUE}\r\n\r\n{VALUE}");
    answers("GET", &old, &format!("HTTP/1.0 302 Found\r\nLocation: https://evil.com/{KEY}\r\n\r\n{stars}"));
}

#[test]
fn what_is_not_a_response_is_masked_as_it_comes() {
    let stars = "*".repeat(VALUE.len());
    for input in [
        format!("220 hello {VALUE}\r\n{VALUE}"),
        format!("HTTP/2 200\r\nX: {VALUE}\r\n\r\n"),
        format!("HTTP/1.1 20 X\r\nX: {VALUE}\r\n\r\n"),
        format!("HTTP/1.1 2000 X\r\nX: {VALUE}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nX: {VALUE}\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n{VALUE}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{VALUE}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n{VALUE}"),
        format!("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{VALUE}"),
        format!("HTTP/1.1 200 OK\r\nX: {VALUE}\r\n folded {VALUE}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nX: {VALUE}\nY: {VALUE}\n\n{VALUE}"),
        format!("HTTP/1.1 200 OK\r\nX: {VALUE}\0\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nX: {VALUE}"),
        "HTT".to_owned(),
        // A length that cuts a value.
        format!("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab{VALUE}cd"),
    ] {
        let mut expected = input.replace(VALUE, &stars);
        if input.contains("Length: 6") {
            expected = expected.replace("ab****", &format!("ab{}", &VALUE[..4]));
        }
        answers("GET", &input, &expected);
    }
    // Chunks that go wrong after some went well.
    let input = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nzz{VALUE}");
    let mut exchange = exchange(|_| {});
    let mut bytes = exchange.incoming(input.as_bytes()).bytes.to_vec();
    bytes.extend_from_slice(&exchange.incoming_end().bytes);
    assert_eq!(text(&bytes), input.replace(VALUE, &stars));
    // A head that does not end.
    let input = format!("HTTP/1.1 200 OK\r\nX: {}{VALUE}", "x".repeat(http::MAX_HEAD));
    let mut exchange = exchange_as(ConnectionMode::Http, |_| {});
    let mut bytes = exchange.incoming(input.as_bytes()).bytes.to_vec();
    bytes.extend_from_slice(&exchange.incoming_end().bytes);
    assert_eq!(text(&bytes), input.replace(VALUE, &stars));
    // The answer to requests that were not read, after the ones that were.
    let mut exchange = exchange_as(ConnectionMode::Http, |_| {});
    exchange.outgoing(b"GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    let input = |first: &str, second: &str| {
        format!("HTTP/1.1 200 OK\r\nX: {first}\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nX: {second}\r\n\r\n")
    };
    assert_eq!(text(&exchange.incoming(input(VALUE, VALUE).as_bytes()).bytes), input(KEY, &stars));
}

#[test]
fn a_quiet_server_is_not_kept_waiting() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut exchange = exchange(|_| {});
    assert_eq!(text(&exchange.incoming(format!("{head}5\r\nab s3\r\n").as_bytes()).bytes), head);
    assert_eq!(exchange.incoming_patience(), Some(BODY_PATIENCE));
    assert_eq!(text(&exchange.incoming_quiet().bytes), "5\r\nab s3\r\n");
    assert_eq!((exchange.incoming_patience(), exchange.incoming_quiet().bytes.len()), (None, 0));
    assert_eq!(text(&exchange.incoming(b"b\r\ncr&t/v+l\"ue\r\n0\r\n\r\n").bytes), "b\r\n***********\r\n0\r\n\r\n");
    // A stream of lines passes as it comes.
    let mut exchange = exchange_as(ConnectionMode::Http, |_| {});
    let stream = format!("{head}d\r\ndata: s3cr&t\n\r\n");
    assert_eq!(text(&exchange.incoming(stream.as_bytes()).bytes), stream);
    assert_eq!(exchange.incoming_patience(), None);
    // What cannot be read as a response.
    let mut exchange = exchange_as(ConnectionMode::Http, |_| {});
    assert_eq!(text(&exchange.incoming(b"a s3cr").bytes), "");
    assert_eq!(exchange.incoming_patience(), Some(RAW_PATIENCE));
    assert_eq!(text(&exchange.incoming_quiet().bytes), "a s3cr");
}

/// What a script sees of an answer that comes in pieces: the bytes of each step, and whether anything waits after it.
fn seen(ask: &str, head: &str, pieces: &[Option<Vec<u8>>]) -> Vec<(Vec<u8>, Option<Duration>)> {
    let mut exchange = exchange(|_| {});
    exchange.outgoing(ask.as_bytes());
    exchange.incoming(head.as_bytes());
    let steps = pieces.iter().map(|piece| {
        let step = piece.as_ref().map_or_else(Step::default, |piece| exchange.incoming(piece));
        let quiet = if piece.is_none() { exchange.incoming_quiet().bytes } else { Bytes::new() };
        ([step.bytes, quiet].concat(), exchange.incoming_patience())
    });
    let mut steps: Vec<_> = steps.collect();
    steps.push((exchange.incoming_end().bytes.to_vec(), None));
    steps
}

/// The attack: a granted host that sends back what it is asked to, in whatever framing, and a script that looks at what
/// comes when.
#[test]
fn a_guess_has_no_answer() {
    let get = "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
    let upgrade = "GET / HTTP/1.1\r\nHost: api.example.com\r\nUpgrade: x\r\n\r\n";
    let spelled = |part: &str, how: usize| match how {
        0 => part.to_owned(),
        1 => text(&encodings::percent(part.as_bytes())),
        2 => part.replace('/', "\\/").replace('&', "\\u0026"),
        3 => part.replace('&', "&amp;").replace('"', "&quot;"),
        4 => STANDARD.encode(part),
        _ => part.bytes().map(|byte| format!("{byte:02x}")).collect(),
    };
    let mut random = Random(29);
    for (ask, head, chunked) in [
        (upgrade, "HTTP/1.1 101 Switching Protocols\r\n\r\n", false),
        (get, "SSH-2.0\r\n", false),
        (get, "HTTP/1.1 200 OK\r\n\r\n", false),
        (get, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", false),
        (get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true),
    ] {
        for _ in 0..300 {
            let (mut right, mut wrong) = (Vec::new(), Vec::new());
            for _ in 0..1 + random.below(12) {
                if random.below(3) == 0 {
                    right.push(None);
                    wrong.push(None);
                    continue;
                }
                let part = &VALUE[..1 + random.below(VALUE.len() - 1)];
                let guess = format!("{}{}", "x".repeat(random.below(90)), spelled(part, random.below(6)));
                // The same with a letter in the wrong place, and ends of lines where they were.
                let end = if random.below(2) == 0 { "\n~" } else { "~" };
                let noise = "#".repeat(guess.len());
                for (into, said) in [(&mut right, guess + end), (&mut wrong, noise + end)] {
                    let framed = if chunked { format!("{:x}\r\n{said}\r\n", said.len()) } else { said };
                    into.push(Some(framed.into_bytes()));
                }
            }
            let shape = |seen: Vec<(Vec<u8>, Option<Duration>)>| -> Vec<_> {
                seen.into_iter().map(|(bytes, patience)| (bytes.len(), patience)).collect()
            };
            let (right_seen, wrong_seen) = (seen(ask, head, &right), seen(ask, head, &wrong));
            assert!(!right_seen.iter().any(|(bytes, _)| has(bytes, "**")));
            assert_eq!(shape(right_seen), shape(wrong_seen), "{head}");
        }
    }
}

#[test]
fn damaged_requests_never_carry_a_value_without_a_placement() {
    let base = format!(
        "POST /v1?k={KEY} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Length: 51\r\n\r\nkey={KEY}\
         POST / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\nX: {KEY}\r\n\r\n\
         2f\r\n{KEY}\r\n0\r\n\r\n\
         GET / HTTP/1.1\r\nHost: api.example.com\r\nX: {KEY}\r\n\r\n"
    );
    let noise = b"\r\n\0 :;,/?#%\t01aAHCT\x7f\xff";
    let mut random = Random(11);
    for _ in 0..4000 {
        let mut input = base.clone().into_bytes();
        for _ in 0..1 + random.below(3) {
            let at = random.below(input.len());
            match random.below(3) {
                0 => input[at] = noise[random.below(noise.len())],
                1 => input.insert(at, noise[random.below(noise.len())]),
                _ => _ = input.remove(at),
            }
        }
        let (whole, events) = run(&mut exchange(|_| {}), Way::Out, &[&input]);
        let restored = text(&whole).replace(VALUE, KEY);
        // Only the headers get a value here, so that taking it out again gives what came in.
        let mut ended = exchange(|_| {});
        let (mut cut, mut told, mut rest) = (Vec::new(), Vec::new(), input.as_slice());
        while !rest.is_empty() {
            let now = rest.split_off(..1 + random.below(rest.len().min(60))).unwrap();
            let step = ended.outgoing(now);
            cut.extend_from_slice(&step.bytes);
            told.extend(step.events);
        }
        assert_eq!((&cut, &told), (&whole, &events), "{}", text(&input));
        assert!(text(&input).starts_with(&restored), "{}", text(&input));
        assert!(!has(&whole, VALUE) || events.contains(&injected()));
        cut.extend_from_slice(&ended.outgoing_end().bytes);
        assert_eq!(text(&cut).replace(VALUE, KEY), text(&input));
    }
}

#[test]
fn damaged_responses_never_carry_a_value() {
    let base = format!(
        "HTTP/1.1 200 OK\r\nX: {VALUE}\r\nContent-Length: 20\r\n\r\nabc{VALUE}xyz!\
         HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc{VALUE}\r\n0\r\nX: {VALUE}\r\n\r\n\
         HTTP/1.1 200 OK\r\nX: {VALUE}\r\n\r\n{VALUE}{VALUE}"
    );
    let noise = b"\r\n\0 :;,/?#%\t01aAHCT\x7f\xff";
    let mut random = Random(13);
    for _ in 0..4000 {
        let mut input = base.clone().into_bytes();
        for _ in 0..random.below(4) {
            let at = random.below(input.len());
            match random.below(3) {
                0 => input[at] = noise[random.below(noise.len())],
                1 => input.insert(at, noise[random.below(noise.len())]),
                _ => _ = input.remove(at),
            }
        }
        let mut exchange = exchange(|_| {});
        let (mut bytes, mut rest) = (Vec::new(), input.as_slice());
        while !rest.is_empty() {
            let now = rest.split_off(..1 + random.below(rest.len().min(90))).unwrap();
            bytes.extend_from_slice(&exchange.incoming(now).bytes);
        }
        bytes.extend_from_slice(&exchange.incoming_end().bytes);
        assert!(!has(&bytes, VALUE), "{}\n=>\n{}", text(&input), text(&bytes));
    }
}

#[test]
fn secrets_are_checked() {
    let with = |change: fn(&mut Secret)| {
        let mut one = secret();
        change(&mut one);
        Secrets::new(vec![one]).map(|_| ())
    };
    assert_eq!(with(|_| {}), Ok(()));
    let name = || "API_KEY".to_owned();
    assert_eq!(with(|secret| secret.name = "a\nb".into()), Err(SecretError::Name));
    assert_eq!(with(|secret| secret.value = Zeroizing::new(Vec::new())), Err(SecretError::Empty));
    assert_eq!(with(|secret| secret.value = Zeroizing::new(vec![b'a'; MAX_VALUE + 1])), Err(SecretError::TooLong));
    assert_eq!(with(|secret| secret.placeholder = "short".into()), Err(SecretError::Placeholder(name())));
    assert_eq!(with(|secret| secret.placeholder = "with a blank in it".into()), Err(SecretError::Placeholder(name())));
    assert_eq!(with(|secret| secret.methods = Some(vec!["get".into()])), Err(SecretError::Method(name())));
    assert_eq!(with(|secret| secret.path_prefix = Some("v1".into())), Err(SecretError::Path(name())));
    assert!(matches!(Secrets::new(vec![secret(), secret()]), Err(SecretError::Ambiguous(..))));
    let many = (0..17).map(|number| Secret {
        placeholder: format!("{KEY}-{number}"),
        value: Zeroizing::new(vec![b'a'; MAX_VALUE]),
        ..secret()
    });
    assert_eq!(Secrets::new(many.collect()).map(|_| ()), Err(SecretError::TooMuch));
    let secrets = Secrets::new(vec![secret()]).unwrap();
    let mut exchange = exchange(|_| {});
    let step = exchange.outgoing(request(&format!("X: {KEY}\r\n"), "").as_bytes());
    let shown = format!("{:?} {secrets:?} {exchange:?} {step:?}", secret());
    assert!(!shown.contains("s3c") && !shown.contains(&format!("{:?}", VALUE.as_bytes())[1..20]), "{shown}");
}
