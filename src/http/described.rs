//! The description of the API, finished: what the types of this program do not say by themselves, in the words of OpenAPI.

use crate::access::SCOPES;
use crate::run::{CAUSES, STATUSES};
use crate::schedule::STATES;
use serde_json::{Map, Value, json};

/// The names of schemas as clients see them: those of the program's types, without what only tells types apart here.
fn name_of(schema: &str) -> String {
    let plain = |name: &str| match name {
        "ErrorBody" => "ScriptError".to_owned(),
        "EventErrorBody" => "EventError".to_owned(),
        "LeftBody" => "FilesLeft".to_owned(),
        "BTreeMap" => "Labels".to_owned(),
        "Locked" => "Package".to_owned(),
        name => name.strip_suffix("Body").unwrap_or(name).to_owned(),
    };
    match schema.strip_prefix("Page_") {
        Some(items) => format!("{}Page", plain(items)),
        None => plain(schema),
    }
}

/// The values of properties that are words of a closed set, by the name of the schema (as clients see it; `*` for any) and of the
/// property.
fn words() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    let statuses: Vec<&str> = STATUSES.iter().map(|status| status.as_str()).collect();
    let outcomes: Vec<&str> = ["failed", "timed_out", "out_of_fuel", "out_of_memory", "crashed"].to_vec();
    vec![
        ("Run", "status", statuses.clone()),
        ("LastRun", "status", statuses),
        ("*", "cause", CAUSES.iter().map(|cause| cause.as_str()).collect()),
        ("*", "mode", vec!["function", "script"]),
        ("*", "result_kind", vec!["json", "text", "none"]),
        ("*", "result", vec!["json", "text", "none"]),
        ("Schedule", "state", STATES.iter().map(|state| state.as_str()).collect()),
        ("Schedule", "coalesce", vec!["latest", "earliest", "all"]),
        ("*", "overlap", vec!["skip", "queue_one", "queue_all", "cancel_running", "allow"]),
        ("Schedule", "origin", vec!["request", "metadata"]),
        ("ScheduleChange", "change", vec!["created", "changed", "removed"]),
        ("Grant", "kind", vec!["limit", "host", "secret"]),
        ("*", "on_lost", vec!["retry", "abandon"]),
        ("*", "retry_on", outcomes),
        ("BackfillRequest", "which", vec!["missing", "all"]),
        ("Event", "type", crate::event::TYPES.to_vec()),
        ("Secret", "in", vec!["headers", "query", "body"]),
        ("SecretRequest", "in", vec!["query", "body"]),
        ("TokenRequest", "scopes", SCOPES.iter().map(|scope| scope.as_str()).collect()),
    ]
}

/// Parameters that are words of a closed set.
const PARAMETERS: &[(&str, &[&str])] = &[
    ("format", &["json", "csv"]),
    ("agg", &["avg", "sum", "min", "max", "count", "first", "last"]),
    ("stream", &["stdout", "stderr"]),
    ("kind", &["limit", "host", "secret"]),
    ("schedules", &["delete", "keep"]),
    ("state", &["active", "paused", "finished"]),
];

/// Properties that are instants, beside those whose names end in `_at`.
const INSTANTS: [&str; 5] = ["fire_time", "fire_time_until", "at", "next_fire_local", "fire_local"];
/// Properties that are instants where the program writes them, and anything that stands for one where somebody asks.
const ASKED: [&str; 2] = ["from", "until"];

/// Finishes a description of the API at this path.
pub(super) fn finish(document: &mut Value, base_path: &str) {
    document["servers"] = json!([{"url": base_path, "description": "This server"}]);
    document["info"]["contact"] = json!({"name": "Whoever runs this server"});
    whole_parts(document);
    rename(document);
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        for (name, schema) in schemas.iter_mut() {
            describe(name, schema);
        }
    }
    plain(document);
    operations(document);
    examples(document);
    drop_unused(document);
}

/// OpenAPI has only parts of a path without slashes, so `{*path}` of the router is `{path}` here.
fn whole_parts(document: &mut Value) {
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        *paths = std::mem::take(paths).into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    }
}

/// Gives schemas their names, where they stand and where they are referred to.
fn rename(document: &mut Value) {
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        let renamed = std::mem::take(schemas).into_iter().map(|(name, schema)| (name_of(&name), schema));
        *schemas = renamed.collect();
        refer(schemas);
    }
    each(document, &mut |fields| {
        if let Some(Value::String(reference)) = fields.get_mut("$ref")
            && let Some(name) = reference.strip_prefix("#/components/schemas/")
        {
            *reference = format!("#/components/schemas/{}", name_of(name));
        }
    });
}

/// What a page holds is described once, and not in the page.
fn refer(schemas: &mut Map<String, Value>) {
    let pages: Vec<String> = schemas.keys().filter(|name| name.ends_with("Page")).cloned().collect();
    for page in pages {
        let name = page.trim_end_matches("Page").to_owned();
        let items = schemas.get_mut(&page).and_then(|page| page.pointer_mut("/properties/items/items"));
        let Some(items) = items.filter(|items| items.get("$ref").is_none()) else { continue };
        let described = std::mem::replace(items, json!({"$ref": format!("#/components/schemas/{name}")}));
        schemas.entry(name).or_insert(described);
    }
}

/// Calls a function with every object of a document.
fn each(value: &mut Value, act: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            act(fields);
            fields.values_mut().for_each(|value| each(value, act));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each(item, act)),
        _ => {}
    }
}

/// Whether a schema is of a type, or of that and null.
fn is_of_type(schema: &Value, wanted: &str) -> bool {
    match &schema["type"] {
        Value::String(kind) => kind == wanted,
        Value::Array(kinds) => kinds.iter().any(|kind| kind == wanted),
        _ => false,
    }
}

/// Says of a schema's properties what they are: instants, and words of closed sets.
fn describe(of: &str, schema: &mut Value) {
    let is_request = of.ends_with("Request");
    let words = words();
    let of_properties = |properties: &mut Map<String, Value>| {
        for (name, property) in properties {
            let is_instant = name.ends_with("_at") || INSTANTS.contains(&name.as_str());
            let asked = is_request && ASKED.contains(&name.as_str());
            if is_of_type(property, "string") && is_instant && !asked {
                property["format"] = "date-time".into();
            }
            let found = words.iter().find(|(schema, word, _)| word == name && (*schema == of || *schema == "*"));
            let Some((_, _, values)) = found else { continue };
            if is_of_type(property, "string") {
                let mut values: Vec<Value> = values.iter().map(|word| Value::from(*word)).collect();
                if is_of_type(property, "null") {
                    values.push(Value::Null);
                }
                property["enum"] = values.into();
            } else if is_of_type(property, "array") && property["items"]["type"] == "string" {
                property["items"]["enum"] = json!(values);
            }
        }
    };
    each(schema, &mut |fields| {
        if let Some(Value::Object(properties)) = fields.get_mut("properties") {
            of_properties(properties);
        }
    });
}

/// Bytes are no lists of numbers.
fn plain(document: &mut Value) {
    each(document, &mut |fields| {
        let item = fields.get("items");
        let is_bytes =
            item.is_some_and(|item| item["type"] == "integer" && item["format"] == "int32" && item["minimum"] == 0);
        if is_bytes {
            fields.remove("items");
            fields.insert("type".into(), "string".into());
            fields.insert("format".into(), "binary".into());
        }
    });
}

fn header(description: &str, schema: Value) -> Value {
    json!({"description": description, "schema": schema})
}

/// What is the same of all operations: descriptions, headers, refusals.
fn operations(document: &mut Value) {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for (path, methods) in paths.iter_mut() {
        for operation in methods.as_object_mut().into_iter().flat_map(|methods| methods.values_mut()) {
            if operation["description"].as_str().is_none_or(str::is_empty) {
                let summary = operation["summary"].as_str().unwrap_or_default().trim_end_matches('.');
                operation["description"] = format!("{summary}.").into();
            }
            for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
                describe_parameter(path, parameter);
            }
            if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
                describe_responses(path, responses);
            }
        }
    }
}

fn describe_parameter(path: &str, parameter: &mut Value) {
    let name = parameter["name"].as_str().unwrap_or_default().to_owned();
    let words = PARAMETERS.iter().find(|(word, _)| *word == name).map(|(_, words)| *words);
    // The one word that each place knows.
    let words: Option<Vec<&str>> = match (words, name.as_str()) {
        (Some(_), "schedules") => Some(vec![if path.ends_with("/rollback") { "keep" } else { "delete" }]),
        (words, _) => words.map(<[&str]>::to_vec),
    };
    if let Some(words) = words.filter(|_| is_of_type(&parameter["schema"], "string")) {
        parameter["schema"]["enum"] = json!(words);
    }
    let listed: Option<Vec<&str>> = match name.as_str() {
        "status" => Some(STATUSES.iter().map(|status| status.as_str()).collect()),
        "type" => Some(crate::event::TYPES.to_vec()),
        _ => None,
    };
    if let Some(words) = listed {
        // With commas between, or several times.
        parameter["schema"] = json!({"type": "array", "items": {"type": "string", "enum": words}});
        parameter["style"] = "form".into();
        parameter["explode"] = false.into();
    }
    if name == "cause" {
        parameter["schema"]["enum"] = CAUSES.iter().map(|cause| cause.as_str()).collect();
    }
    let example = match name.as_str() {
        "wait" => "30s",
        "output" => "8KiB",
        "since" => "7d",
        "label" => "team=data",
        "result" => "/price>100",
        "path" if path.ends_with("/series") => "/price",
        "bucket" => "1h",
        _ => return,
    };
    parameter["example"] = example.into();
}

/// What every operation can answer.
const PROBLEMS: [(&str, &str); 2] = [
    ("4XX", "The request was refused; `code` and `detail` say why"),
    ("5XX", "The server cannot do it now, or has a fault; `code` and `detail` say which"),
];

fn describe_responses(path: &str, responses: &mut Map<String, Value>) {
    for (status, description) in PROBLEMS {
        let problem = json!({"schema": {"$ref": "#/components/schemas/Problem"}});
        let response = json!({"description": description, "content": {"application/problem+json": problem}});
        responses.insert(status.into(), response);
    }
    for (status, response) in responses.iter_mut() {
        let mut headers = Map::new();
        headers.insert(
            "X-Request-Id".into(),
            header("Names the request in the server's log", json!({"type": "string", "format": "uuid"})),
        );
        let makes = ["201", "202"].contains(&status.as_str());
        if makes
            && (path.starts_with("/v1/scripts") || path.starts_with("/v1/runs") || path.starts_with("/v1/schedules"))
        {
            headers
                .insert("Location".into(), header("Where it is", json!({"type": "string", "format": "uri-reference"})));
        }
        if status.starts_with(['4', '5']) {
            let text = "After how many seconds to try again, where that helps (429, 503)";
            headers.insert("Retry-After".into(), header(text, json!({"type": "integer", "minimum": 0})));
        }
        if status == "200" && response.pointer("/content/text~1csv").is_some() {
            headers.insert(
                "X-Next-Cursor".into(),
                header("Of CSV: ask with it as cursor for the next part", json!({"type": "string"})),
            );
        }
        if status == "200" && path.ends_with("/output/{stream}") {
            headers.insert("X-Run-Status".into(), header("The status of the run", json!({"type": "string"})));
        }
        if status.starts_with('2') && path.starts_with("/v1/") {
            headers.insert(
                "X-Cronbox-Warning".into(),
                header("A sentence for whoever runs the server", json!({"type": "string"})),
            );
        }
        response["headers"] = Value::Object(headers);
    }
}

/// Examples of what is sent and answered most.
fn examples(document: &mut Value) {
    let source = "def run(symbol=\"INIT\"):\n    return {\"price\": 104.5}\n";
    for (schema, example) in [
        ("ScriptRequest", json!({"source": source, "title": "Price", "labels": {"team": "data"}})),
        ("RunRequest", json!({"args": {"symbol": "INIT"}, "limits": {"timeout": "30s"}})),
        ("SourceRequest", json!({"source": "print(6 * 7)", "limits": {"timeout": "5s"}})),
        ("ScheduleRequest", json!({"id": "daily", "script": "price", "trigger": "0 9 * * 1-5 @ Asia/Shanghai"})),
        ("SettingsRequest", json!({"title": "Price", "limits": {"memory": "512MiB"}, "labels": {"team": "data"}})),
        ("BackfillRequest", json!({"from": "7d", "which": "missing"})),
        ("PreviewRequest", json!({"trigger": "every 1 month at 09:00", "timezone": "Europe/Berlin", "count": 3})),
        ("TokenRequest", json!({"name": "ci", "scopes": ["write", "run"], "scripts": ["team-*"], "expires_in": "90d"})),
        ("GrantRequest", json!({"hosts": ["api.example.com"], "limits": {"memory": "1GiB"}})),
        ("SecretRequest", json!({"value": "a-long-secret", "hosts": ["api.example.com"], "scripts": ["price"]})),
        ("RollbackRequest", json!({"version": 3})),
        ("ResumeRequest", json!({"from": "24h"})),
        ("TriggerNowRequest", json!({"args": {"symbol": "INIT"}})),
        (
            "Problem",
            json!({
                "type": "about:blank", "title": "Not Found", "status": 404, "code": "no_such_script",
                "detail": "there is no script pricee; did you mean price?",
                "request_id": "0198c2a4-5d3c-7b11-9c1e-0d2f6a7b8c9d"
            }),
        ),
    ] {
        if let Some(described) = document.pointer_mut(&format!("/components/schemas/{schema}")) {
            described["examples"] = json!([example]);
        }
    }
}

/// Takes away schemas that nothing refers to.
fn drop_unused(document: &mut Value) {
    loop {
        let mut used = std::collections::BTreeSet::new();
        each(document, &mut |fields| {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                used.insert(reference.rsplit('/').next().unwrap_or_default().to_owned());
            }
        });
        let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else { return };
        let before = schemas.len();
        schemas.retain(|name, _| used.contains(name));
        if schemas.len() == before {
            return;
        }
    }
}
