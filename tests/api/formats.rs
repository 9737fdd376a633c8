//! The forms of answers, and the description of the API.

use super::{get, header};
use crate::support::server::Server;
use serde_json::{Value, json};
use std::process::Command;

/// D16: large answers are packed for who takes them so.
#[tokio::test(flavor = "multi_thread")]
async fn large_answers_are_packed() {
    let (_folder, server) = Server::ephemeral();
    server.put("many", "def run(n):\n    return 'abc' * n\n").await;
    for _ in 0..5 {
        server.run("many", &json!({"args": {"n": 4000}})).await;
    }
    let plain = get(&server, "/v1/runs", &[]).await;
    assert!(!plain.headers().contains_key("content-encoding"));
    let plain = plain.bytes().await.expect("bytes");
    let packed = get(&server, "/v1/runs", &[("accept-encoding", "gzip, deflate, br")]).await;
    assert_eq!((header(&packed, "content-encoding"), header(&packed, "vary")), ("gzip", "accept-encoding"));
    let packed = packed.bytes().await.expect("bytes");
    assert!(packed.len() * 4 < plain.len(), "{} of {}", packed.len(), plain.len());
    let url = format!("{}/v1/runs", server.url);
    let unpacked = Command::new("curl").args(["-sS", "--compressed", &url]).output().expect("curl starts");
    assert_eq!(unpacked.stdout, plain);
    let small = get(&server, "/healthz", &[("accept-encoding", "gzip")]).await;
    assert!(!small.headers().contains_key("content-encoding"));
    let refused = get(&server, "/v1/runs", &[("accept-encoding", "gzip;q=0")]).await;
    assert!(!refused.headers().contains_key("content-encoding"));
}

/// D16: a client that wants CSV gets it.
#[tokio::test(flavor = "multi_thread")]
async fn csv_comes_to_who_accepts_it() {
    let (_folder, server) = Server::ephemeral();
    server.put("price", "def run():\n    return {'price': 1}\n").await;
    server.run("price", &json!({})).await;
    for path in ["/v1/runs", "/v1/runs/counts", "/v1/scripts/price/series?path=/price"] {
        for (accept, kind) in [
            ("text/csv", "text/csv; charset=utf-8"),
            ("text/csv, application/json;q=0.5", "text/csv; charset=utf-8"),
            ("application/json", "application/json"),
            ("*/*", "application/json"),
        ] {
            let response = get(&server, path, &[("accept", accept)]).await;
            assert_eq!((response.status().as_u16(), header(&response, "content-type")), (200, kind), "{path} {accept}");
        }
        let by_hand = format!("{path}{}format=json", if path.contains('?') { "&" } else { "?" });
        let response = get(&server, &by_hand, &[("accept", "text/csv")]).await;
        assert_eq!(header(&response, "content-type"), "application/json", "what the address says goes first");
    }
}

/// D14: what linters of OpenAPI ask for, of the document that is served.
#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_whole() {
    let (_folder, server) = Server::ephemeral();
    let (_, document) = server.get("/openapi.json").await;
    assert_eq!(document["servers"][0]["url"], "/");
    for field in ["title", "version", "description", "license", "contact"] {
        assert!(!document["info"][field].is_null(), "info.{field}");
    }
    let mut ids = std::collections::BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let at = format!("{method} {path}");
            for field in ["summary", "description", "operationId", "tags"] {
                assert!(
                    operation[field].as_array().is_some_and(|tags| !tags.is_empty()) || operation[field].is_string(),
                    "{at}: {field}"
                );
            }
            assert!(ids.insert(operation["operationId"].to_string()), "{at}");
            let responses = operation["responses"].as_object().expect("responses");
            assert!(responses.keys().any(|status| status.starts_with('2')), "{at}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string() && parameter["schema"].is_object(), "{at}: {parameter}");
            }
        }
    }
    let text = document.to_string();
    assert!(
        text.contains("date-time") && text.contains("\"enum\"") && text.contains("\"example"),
        "formats, enums, examples"
    );
    // Types of Rust have no names here, and bytes are no lists of numbers.
    for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
        assert!(!name.ends_with("Body") && !name.contains('_') && name != "Exact", "{name}");
    }
    let mut bad = Vec::new();
    walk("", &document, &mut bad);
    assert!(bad.is_empty(), "{bad:#?}");
    let status = &document["components"]["schemas"]["Run"]["properties"]["status"];
    assert_eq!(status["$ref"], "#/components/schemas/RunStatus");
    let status = &document["components"]["schemas"]["RunStatus"];
    assert!(status["enum"].as_array().is_some_and(|all| all.contains(&json!("out_of_memory"))), "{status}");
    let created = &document["components"]["schemas"]["Run"]["properties"]["created_at"];
    assert_eq!(created["format"], "date-time");
}

/// What no linter likes: lists of numbers that stand for bytes, and fields that end in `_at` without their format.
fn walk(at: &str, value: &Value, bad: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if value["type"] == "array" && value["items"]["format"] == "int32" && value["items"]["minimum"] == 0 {
                bad.push(format!("{at}: bytes as a list of numbers"));
            }
            if let Some(properties) = value["properties"].as_object() {
                for (name, schema) in properties.iter().filter(|(name, _)| name.ends_with("_at")) {
                    if !schema.to_string().contains("date-time") {
                        bad.push(format!("{at}.{name}: no date-time"));
                    }
                }
            }
            fields.iter().for_each(|(name, value)| walk(&format!("{at}/{name}"), value, bad));
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(n, value)| walk(&format!("{at}/{n}"), value, bad)),
        _ => {}
    }
}
