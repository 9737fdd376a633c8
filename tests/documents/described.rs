//! The description of the API and what the server takes are the same.

use crate::support::server::{Server, answer};
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The description's lines that clients depend on. `CRONBOX_WRITE_SNAPSHOT=1` writes them again after a change that is meant.
const SNAPSHOT: &str = "tests/documents/openapi.txt";

fn document() -> Value {
    serde_json::from_str(cronbox::http::document()).expect("JSON")
}

/// A schema, or the one that it refers to.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect("a schema"),
        None => schema,
    }
}

/// The properties of a schema, also of those that it takes into itself.
fn properties(document: &Value, schema: &Value) -> Map<String, Value> {
    let schema = resolved(document, schema);
    let mut found = schema["properties"].as_object().cloned().unwrap_or_default();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        found.extend(properties(document, part));
    }
    found
}

/// The properties that each value of a schema has, also of those that it takes into itself.
fn needed(document: &Value, schema: &Value) -> BTreeSet<String> {
    let schema = resolved(document, schema);
    let own = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let parts = schema["allOf"].as_array().into_iter().flatten().flat_map(|part| needed(document, part));
    own.chain(parts).collect()
}

/// The fields of an operation's body as JSON.
fn fields(document: &Value, operation: &Value) -> BTreeSet<String> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    properties(document, schema).into_iter().map(|(name, _)| name).collect()
}

/// The type of a schema in a few words.
fn kind(schema: &Value) -> String {
    let name = |schema: &Value| schema["$ref"].as_str().map(|name| name.rsplit('/').next().expect("a name").to_owned());
    if let Some(name) = name(schema) {
        return name;
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(parts) = schema[several].as_array() {
            return parts.iter().map(kind).collect::<Vec<_>>().join("|");
        }
    }
    let mut text = match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("|"),
        _ => "any".to_owned(),
    };
    if schema["items"].is_object() {
        text = text.replace("array", &format!("[{}]", kind(&schema["items"])));
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words.iter().map(|word| word.as_str().unwrap_or("null")).collect();
        text.push_str(&format!(" {}", words.join("/")));
    }
    text
}

fn operations(document: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    paths.flat_map(|(path, methods)| {
        methods.as_object().expect("methods").iter().map(move |(method, operation)| (path, method, operation))
    })
}

fn snapshot(document: &Value) -> String {
    let mut text = String::new();
    for (path, method, operation) in operations(document) {
        writeln!(text, "{} {path}", method.to_uppercase()).expect("writes");
        let description = operation["description"].as_str().expect("a description");
        writeln!(text, "  {}", description.lines().last().expect("what it needs")).expect("writes");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let (name, place) =
                (parameter["name"].as_str().expect("a name"), parameter["in"].as_str().expect("a place"));
            writeln!(text, "  {place} {name}: {}", kind(&parameter["schema"])).expect("writes");
        }
        let optional = if operation["requestBody"]["required"] == true { "" } else { "?" };
        for (media, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            writeln!(text, "  body{optional} {media}: {}", kind(&content["schema"])).expect("writes");
        }
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let media = response["content"].as_object().into_iter().flatten();
            let media: Vec<_> = media.map(|(media, content)| format!("{media} {}", kind(&content["schema"]))).collect();
            writeln!(text, "  {status} {}", media.join(", ")).expect("writes");
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        let words = if schema["enum"].is_array() { format!(" {}", kind(schema)) } else { String::new() };
        writeln!(text, "{name}{words}").expect("writes");
        let needed = needed(document, schema);
        for (field, schema) in properties(document, schema) {
            let optional = if needed.contains(&field) { "" } else { "?" };
            writeln!(text, "  {field}{optional}: {}", kind(&schema)).expect("writes");
        }
    }
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn a_change_of_the_description_is_seen() {
    let (now, place) = (snapshot(&document()), super::root().join(SNAPSHOT));
    if std::env::var_os("CRONBOX_WRITE_SNAPSHOT").is_some() {
        std::fs::write(&place, &now).expect("writes");
    }
    let kept = super::read(SNAPSHOT);
    let (kept_lines, now_lines): (BTreeSet<_>, BTreeSet<_>) = (kept.lines().collect(), now.lines().collect());
    let gone: Vec<_> = kept_lines.difference(&now_lines).collect();
    let new: Vec<_> = now_lines.difference(&kept_lines).collect();
    assert!(kept == now, "the description changed: gone {gone:#?}, new {new:#?}; see the head of this file");
}

/// A path with names of things that are there.
fn filled(path: &str) -> String {
    let id = if path.starts_with("/v1/schedules") { "daily" } else { "0198c2a4-5d3c-7b11-9c1e-0d2f6a7b8c9d" };
    let name = if path.starts_with("/v1/secrets") { "API_KEY" } else { "price" };
    let parts = [("{id}", id), ("{name}", name), ("{script}", "price"), ("{number}", "1"), ("{stream}", "stdout")];
    let filled = parts.iter().fold(path.to_owned(), |path, (part, value)| path.replace(part, value));
    filled.replace("{kind}", "host").replace("{path}", "a.txt")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_described_is_taken_and_nothing_else() {
    let (_folder, server) = Server::ephemeral();
    server.put("price", "def run():\n    return 1\n").await;
    let made = json!({"id": "daily", "script": "price", "trigger": "0 9 * * *"});
    assert_eq!(server.post("/v1/schedules", &made).await.0, 201);
    let document = document();
    let (mut wrong, mut parameters, mut sent) = (Vec::new(), 0, 0);
    for (path, method, operation) in operations(&document).filter(|(path, ..)| path.starts_with("/v1/")) {
        let (verb, address) = (Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method"), filled(path));
        let code = async |query: &str, body: Option<Value>| {
            let request = server.request(verb.clone(), &format!("{address}{query}"));
            let request = match &body {
                Some(body) => request.json(body),
                None => request,
            };
            let response = request.header("accept", "application/json").send().await.expect("answers");
            if response.status().is_success() {
                return String::new();
            }
            answer(response).await.1["code"].as_str().unwrap_or_default().to_owned()
        };
        if code("?stranger=1", None).await != "unknown_parameter" {
            wrong.push(format!("{method} {path} takes any parameter"));
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().expect("a name");
            if parameter["in"] == "query" {
                parameters += 1;
                // Of no use as a value: nothing is changed by it.
                if code(&format!("?{name}=%3F"), None).await == "unknown_parameter" {
                    wrong.push(format!("{method} {path} does not take {name}"));
                }
            }
        }
        let fields = fields(&document, operation);
        for field in &fields {
            sent += 1;
            if code("", Some(json!({field: null}))).await == "unknown_field" {
                wrong.push(format!("{method} {path} does not take the field {field}"));
            }
        }
        if !fields.is_empty() && code("", Some(json!({"stranger": 1}))).await != "unknown_field" {
            wrong.push(format!("{method} {path} takes any field"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(parameters > 60 && sent > 100, "{parameters} parameters and {sent} fields are described");
}
