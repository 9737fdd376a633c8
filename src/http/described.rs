//! The description of the API, finished: what the types of this program do not say by themselves, in the words of OpenAPI.

use super::described_words::{self, is_of_type};
use super::endpoints::{Endpoint, Need};
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

/// Properties that are instants, beside those whose names end in `_at`.
const INSTANTS: [&str; 5] = ["fire_time", "fire_time_until", "at", "next_fire_local", "fire_local"];
/// Properties that are instants where the program writes them, and anything that stands for one where somebody asks.
const ASKED: [&str; 2] = ["from", "until"];

/// Finishes a description of these endpoints at this path.
pub(super) fn finish(document: &mut Value, endpoints: &[Endpoint], base_path: &str) {
    document["servers"] = json!([{"url": base_path, "description": "This server"}]);
    document["info"]["contact"] = json!({"name": "Whoever runs this server"});
    whole_parts(document);
    rename(document);
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        for (name, schema) in schemas.iter_mut() {
            describe(name, schema);
        }
        described_words::add_schemas(schemas);
    }
    plain(document);
    operations(document);
    add_scopes(document, endpoints);
    examples(document);
    drop_unused(document);
}

/// OpenAPI has only parts of a path without slashes, so `{*path}` of the router is `{path}` here.
fn described_path(path: &str) -> String {
    path.replace("{*", "{")
}

fn whole_parts(document: &mut Value) {
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        *paths = std::mem::take(paths).into_iter().map(|(path, item)| (described_path(&path), item)).collect();
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

/// Whether a value can be null.
fn is_nullable(schema: &Value) -> bool {
    let one_of = schema["oneOf"].as_array().into_iter().flatten();
    is_of_type(schema, "null") || one_of.into_iter().any(|part| is_of_type(part, "null"))
}

/// Says of a schema's properties what they are: instants, words of closed sets, and what every answer has.
fn describe(of: &str, schema: &mut Value) {
    let is_sent = of.ends_with("Request") || of.ends_with("Form");
    each(schema, &mut |fields| {
        let Some(Value::Object(properties)) = fields.get_mut("properties") else { return };
        let mut always = Vec::new();
        for (name, property) in properties {
            let is_instant = name.ends_with("_at") || INSTANTS.contains(&name.as_str());
            let asked = is_sent && ASKED.contains(&name.as_str());
            if is_of_type(property, "string") && is_instant && !asked {
                property["format"] = "date-time".into();
            } else if is_of_type(property, "array") && name.ends_with("_times") {
                property["items"]["format"] = "date-time".into();
            }
            described_words::describe_property(of, name, property);
            // What an answer can leave out is never null there: its field says `nullable = false`.
            if !is_sent && is_nullable(property) {
                always.push(Value::from(name.as_str()));
            }
        }
        if !always.is_empty()
            && let Value::Array(required) = fields.entry("required").or_insert_with(|| json!([]))
        {
            always.retain(|name| !required.contains(name));
            required.append(&mut always);
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
            describe_body(operation);
            if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
                describe_responses(path, responses);
            }
        }
    }
}

/// Says of each operation which scope it needs.
fn add_scopes(document: &mut Value, endpoints: &[Endpoint]) {
    for endpoint in endpoints {
        let needs = match endpoint.need {
            Need::Nothing => "Needs no token.".to_owned(),
            Need::Scope(scope) => format!("Needs a token with the scope `{}`.", scope.as_str()),
            Need::Server(scope) => {
                format!("Needs a token with the scope `{}` that is not limited to some scripts.", scope.as_str())
            }
        };
        let path = described_path(&endpoint.path);
        let operation = document["paths"].get_mut(path).and_then(|path| path.get_mut(endpoint.method.to_lowercase()));
        if let Some(Value::String(description)) = operation.and_then(|operation| operation.get_mut("description")) {
            description.push_str("\n\n");
            description.push_str(&needs);
        }
    }
}

/// A body that can be left out (`Option` at its handler) is not null, but missing.
fn describe_body(operation: &mut Value) {
    let contents = operation.pointer_mut("/requestBody/content").and_then(Value::as_object_mut);
    for content in contents.into_iter().flat_map(|contents| contents.values_mut()) {
        let schema = content["schema"].take();
        let parts = schema["oneOf"].as_array().into_iter().flatten();
        let body = parts.into_iter().find(|part| !is_of_type(part, "null")).filter(|_| is_nullable(&schema)).cloned();
        content["schema"] = body.unwrap_or(schema);
    }
}

fn describe_parameter(path: &str, parameter: &mut Value) {
    described_words::describe_parameter(path, parameter);
    let name = parameter["name"].as_str().unwrap_or_default();
    let example = match name {
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

/// Addresses whose answers have an ETag.
const TAGGED: [&str; 9] = [
    "/v1/scripts",
    "/v1/scripts/{name}",
    "/v1/scripts/{name}/rollback",
    "/v1/schedules",
    "/v1/schedules/{id}",
    "/v1/charts/{id}",
    "/v1/alerts/{id}",
    "/v1/alerts/{id}/mute",
    "/v1/alerts/{id}/unmute",
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
        if ["200", "201"].contains(&status.as_str()) && TAGGED.contains(&path) {
            let text = "Changes with every change of it: send it as If-Match to change only what you have seen";
            headers.insert("ETag".into(), header(text, json!({"type": "string"})));
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
        ("SessionRequest", json!({"token": "cbx_…", "expires_in": "12h"})),
        (
            "ChartRequest",
            json!({"title": "Prices", "labels": ["morning"], "lines": [{"script": "price", "path": "/price"}], "bucket": "auto"}),
        ),
        (
            "AlertRequest",
            json!({"about": {"script": "price"}, "text": "/price changed 5%", "notify": ["ops"], "repeat": "6h"}),
        ),
        ("MuteRequest", json!({"for": "2h"})),
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
