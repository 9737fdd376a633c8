//! The audit log: each operation of the API that changes something leaves an entry, in the transaction of its change, and so
//! does a request of a known token that is refused.

use crate::support::beside_others;
use crate::support::server::{Folder, Server};
use crate::support::wait::until;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

const SCRIPT: &str = "def run(n=1):\n    return {\"n\": n}\n";
const SLOW: &str = "import time\ndef run():\n    time.sleep(600)\n";

/// Operations that leave no entry, each with the reason.
const WITHOUT: &[(&str, &str)] = &[
    ("run_script", "a run says itself who started it"),
    ("run_source", "a run says itself who started it"),
    ("retry_run", "a run says itself who started it"),
    ("trigger_schedule", "a run says itself who started it"),
    ("check_script", "it changes nothing"),
    ("preview_trigger", "it changes nothing"),
    ("preview_condition", "it changes nothing"),
];

/// One request after the other: method, path, body, and the object of its entry.
fn requests() -> Vec<(Method, &'static str, Value, &'static str)> {
    let (put, post, patch, delete) = (Method::PUT, Method::POST, Method::PATCH, Method::DELETE);
    let alert = json!({"about": {"script": "price"}, "text": "failed"});
    let schedule = json!({"script": "price", "trigger": "0 9 * * *"});
    let chart = json!({"title": "n", "lines": [{"script": "price", "path": "/n"}]});
    let webhook = json!({"type": "webhook", "url": "https://127.0.0.1:1/x",
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="});
    vec![
        (post.clone(), "/v1/scripts", json!({"name": "other", "source": SCRIPT}), "scripts/other"),
        (patch.clone(), "/v1/scripts/price", json!({"title": "prices"}), "scripts/price"),
        (post.clone(), "/v1/scripts/price/rollback", json!({}), "scripts/price"),
        (put.clone(), "/v1/scripts/price/state", json!({"seen": 1}), "scripts/price/state"),
        (delete.clone(), "/v1/scripts/price/state", Value::Null, "scripts/price/state"),
        (post.clone(), "/v1/schedules", json!({"id": "a", "script": "price", "trigger": "0 9 * * *"}), "schedules/a"),
        (put.clone(), "/v1/schedules/b", schedule, "schedules/b"),
        (patch, "/v1/schedules/b", json!({"trigger": "0 10 * * *"}), "schedules/b"),
        (post.clone(), "/v1/schedules/b/pause", json!({}), "schedules/b"),
        (post.clone(), "/v1/schedules/b/resume", json!({}), "schedules/b"),
        (post.clone(), "/v1/schedules/b/backfill", json!({"from": "3d"}), "schedules/b"),
        (delete.clone(), "/v1/schedules/b", Value::Null, "schedules/b"),
        (post.clone(), "/v1/scheduler/pause", json!({}), "scheduler"),
        (post.clone(), "/v1/scheduler/resume", json!({}), "scheduler"),
        (post.clone(), "/v1/scheduler/mute", json!({"for": "1h"}), "scheduler"),
        (post.clone(), "/v1/scheduler/unmute", json!({}), "scheduler"),
        (put.clone(), "/v1/alerts/bad", alert, "alerts/bad"),
        (post.clone(), "/v1/alerts/bad/mute", json!({"for": "1h"}), "alerts/bad"),
        (post.clone(), "/v1/alerts/bad/unmute", json!({}), "alerts/bad"),
        (delete.clone(), "/v1/alerts/bad", Value::Null, "alerts/bad"),
        (put.clone(), "/v1/channels/ops", webhook, "channels/ops"),
        (post.clone(), "/v1/channels/ops/test", json!({}), "channels/ops"),
        (delete.clone(), "/v1/channels/ops", Value::Null, "channels/ops"),
        (put.clone(), "/v1/charts/c", chart, "charts/c"),
        (delete.clone(), "/v1/charts/c", Value::Null, "charts/c"),
        (put.clone(), "/v1/grants/price", json!({"hosts": ["api.example.com"]}), "grants/price"),
        (delete.clone(), "/v1/grants/price/host/api.example.com", Value::Null, "grants/price/host/api.example.com"),
        (
            put,
            "/v1/secrets/KEY",
            json!({"value": "hidden-value", "hosts": ["api.example.com"], "scripts": ["price"]}),
            "secrets/KEY",
        ),
        (post, "/v1/keys/rotate", json!({}), "keys"),
        (delete.clone(), "/v1/secrets/KEY", Value::Null, "secrets/KEY"),
        (delete, "/v1/scripts/other", Value::Null, "scripts/other"),
    ]
}

async fn admin(server: &mut Server) -> String {
    let (status, token) = server.post("/v1/tokens", &json!({"name": "root", "scopes": ["admin"]})).await;
    assert_eq!(status, 201, "{token}");
    server.token = token["token"].as_str().map(str::to_owned);
    token["id"].as_str().expect("an id").to_owned()
}

/// The entries that a query finds, the newest first.
async fn entries(server: &Server, query: &str) -> Vec<Value> {
    let (status, page) = server.get(&format!("/v1/audit?limit=1000&{query}")).await;
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().expect("items").clone()
}

/// Sends a request; the entries that it left.
async fn entered(server: &Server, method: &Method, path: &str, body: &Value) -> Vec<Value> {
    let request = server.request(method.clone(), path);
    let request = if body.is_null() { request } else { request.json(body) };
    let answer = request.send().await.expect("an answer");
    let id = answer.headers()["x-request-id"].to_str().expect("an id").to_owned();
    let status = answer.status();
    assert!(status.is_success(), "{method} {path}: {status} {}", answer.text().await.expect("a text"));
    entries(server, &format!("request={id}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_that_changes_something_leaves_an_entry() {
    let _shared = beside_others().await;
    let folder = Folder::new();
    let lines = folder.0.join("audit.jsonl");
    let words = ["--data-dir", "data", "--audit-file", "audit.jsonl"];
    let mut server = Server::start(&folder.0, &words);
    let root = admin(&mut server).await;
    let mut seen = BTreeSet::from(["create_token".to_owned()]);
    let first = entries(&server, "action=create_token").await;
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(first[0]["actor"], "local");
    assert_eq!(first[0]["object"], format!("tokens/{root}"));
    assert_eq!(first[0]["detail"], "root: admin");

    assert_eq!(server.put("price", SCRIPT).await.0, 201);
    assert_eq!(server.put("price", &format!("{SCRIPT}# more\n")).await.0, 201);
    let published = entries(&server, "action=put_script").await;
    let told: Vec<_> = published.iter().map(|entry| (&entry["object"], &entry["detail"])).collect();
    assert_eq!(told, [(&json!("scripts/price"), &json!("version 2")), (&json!("scripts/price"), &json!("version 1"))]);
    seen.insert("put_script".into());
    for (method, path, body, object) in requests() {
        let left = entered(&server, &method, path, &body).await;
        let about: Vec<_> = left.iter().filter(|entry| entry["object"] == object).collect();
        assert!(!about.is_empty(), "{method} {path}: {left:?}");
        for entry in left {
            assert_eq!(entry["outcome"], "done", "{entry}");
            assert_eq!(
                (&entry["actor"], &entry["token"], &entry["token_name"]),
                (&json!("token"), &json!(root), &json!("root"))
            );
            assert_eq!(entry["address"], "127.0.0.1", "{entry}");
            assert!(!entry.to_string().contains("hidden"), "{entry}");
            seen.insert(entry["action"].as_str().expect("an action").to_owned());
        }
    }

    // A run that is cancelled and deleted, a token that is removed, a message that is sent again, a browser.
    assert_eq!(server.put("slow", SLOW).await.0, 201);
    let (_, run) = server.post("/v1/scripts/slow/runs", &json!({})).await;
    let run = run["id"].as_str().expect("an id").to_owned();
    let cancelled = entered(&server, &Method::POST, &format!("/v1/runs/{run}/cancel"), &json!({})).await;
    assert_eq!(cancelled[0]["object"], format!("runs/{run}"));
    let deleted = entered(&server, &Method::DELETE, &format!("/v1/runs/{run}"), &Value::Null).await;
    assert_eq!(deleted[0]["object"], format!("runs/{run}"));
    let (_, token) = server.post("/v1/tokens", &json!({"name": "other", "scopes": ["read"]})).await;
    let path = format!("/v1/tokens/{}", token["id"].as_str().expect("an id"));
    let removed = entered(&server, &Method::DELETE, &path, &Value::Null).await;
    assert_eq!(format!("/v1/{}", removed[0]["object"].as_str().expect("an object")), path);
    seen.extend([&cancelled, &deleted, &removed].map(|left| left[0]["action"].as_str().expect("an action").to_owned()));
    seen.insert(redelivered(&server).await);
    seen.extend(browsed(&server, &root).await);

    let (_, document) = server.get("/openapi.json").await;
    let mut all = BTreeSet::new();
    for item in document["paths"].as_object().expect("paths").values() {
        for (method, operation) in item.as_object().expect("methods") {
            if ["put", "post", "patch", "delete"].contains(&method.as_str()) {
                all.insert(operation["operationId"].as_str().expect("an id").to_owned());
            }
        }
    }
    seen.extend(WITHOUT.iter().map(|(operation, _)| (*operation).to_owned()));
    assert_eq!(seen, all);

    // The file has the same entries.
    let total = entries(&server, "").await;
    let copied = until("the file has all entries", async || {
        let text = fs::read_to_string(&lines).expect("the file");
        (text.lines().count() == total.len()).then_some(text)
    })
    .await;
    let mut copied: Vec<Value> = copied.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mut total = total;
    let key = |entry: &Value| entry["id"].as_str().expect("an id").to_owned();
    copied.sort_by_key(key);
    total.sort_by_key(key);
    assert_eq!(copied, total);
}

/// A message that could not be sent is sent again; the action of its entry.
async fn redelivered(server: &Server) -> String {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
    let hook = json!({"type": "webhook", "url": "https://127.0.0.1:1/x", "secret": secret});
    assert_eq!(server.json(server.request(Method::PUT, "/v1/channels/hook").json(&hook)).await.0, 201);
    let alert = json!({"about": {"script": "price"}, "text": "failed", "notify": ["hook"]});
    assert_eq!(server.json(server.request(Method::PUT, "/v1/alerts/x").json(&alert)).await.0, 201);
    let (_, run) = server.post("/v1/scripts/price/runs?wait=30s", &json!({"args": {"n": 1, "m": 2}})).await;
    assert_eq!(run["status"], "failed", "{run}");
    let waiting = server
        .items_when("/v1/deliveries?channel=hook", |items| items.iter().any(|one| one["answer"].is_string()))
        .await;
    let path = format!("/v1/deliveries/{}/redeliver", waiting[0]["id"].as_str().expect("an id"));
    let left = entered(server, &Method::POST, &path, &json!({})).await;
    assert_eq!(left.len(), 1, "{left:?}");
    left[0]["action"].as_str().expect("an action").to_owned()
}

/// Logs in, changes something, and logs out, as a browser; the actions of the entries.
async fn browsed(server: &Server, root: &str) -> Vec<String> {
    let client = reqwest::Client::new();
    let at = |path: &str| format!("{}{path}", server.url);
    let token = server.token.clone().expect("a token");
    let logged = client.post(at("/v1/session")).json(&json!({"token": token})).send().await.expect("an answer");
    assert_eq!(logged.status(), 200);
    let cookie = logged.headers()["set-cookie"].to_str().expect("text").split(';').next().expect("a value").to_owned();
    for (method, path) in [(Method::POST, "/v1/scheduler/unmute"), (Method::DELETE, "/v1/session")] {
        let request = client.request(method, at(path)).header("cookie", &cookie).header("x-cronbox-csrf", "1");
        assert!(request.send().await.expect("an answer").status().is_success(), "{path}");
    }
    let left = entries(server, "actor=session").await;
    let told = left.iter().map(|entry| {
        assert_eq!((&entry["token"], &entry["token_name"]), (&json!(root), &json!("root")), "{entry}");
        entry["action"].as_str().expect("an action").to_owned()
    });
    let told: Vec<String> = told.collect();
    assert_eq!(told, ["delete_session", "unmute_scheduler", "create_session"]);
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_entered_and_what_fails_is_not() {
    let _shared = beside_others().await;
    let (_folder, mut server) = Server::ephemeral();
    admin(&mut server).await;
    assert_eq!(server.put("price", SCRIPT).await.0, 201);
    let (_, reader) = server.post("/v1/tokens", &json!({"name": "reader", "scopes": ["read"]})).await;
    let (_, limited) =
        server.post("/v1/tokens", &json!({"name": "limited", "scopes": ["write"], "scripts": ["mine"]})).await;
    let root = server.token.clone();
    server.token = reader["token"].as_str().map(str::to_owned);
    assert_eq!(server.json(server.request(Method::DELETE, "/v1/scripts/price")).await.0, 403);
    assert_eq!(server.get("/v1/audit").await.0, 403);
    server.token = limited["token"].as_str().map(str::to_owned);
    assert_eq!(server.put("price", SCRIPT).await.1["code"], "script_out_of_reach");
    server.token = root;
    let refused = entries(&server, "outcome=refused").await;
    let told: Vec<_> = refused
        .iter()
        .map(|entry| (&entry["token_name"], &entry["action"], &entry["object"], &entry["detail"]))
        .map(|all| [all.0, all.1, all.2, all.3].map(|value| value.as_str().expect("a text")))
        .collect();
    assert_eq!(
        told,
        [
            ["limited", "put_script", "scripts/price", "script_out_of_reach"],
            ["reader", "list_audit", "audit", "missing_scope"],
            ["reader", "delete_script", "scripts/price", "missing_scope"],
        ]
    );

    // What changes nothing has no entry.
    let before = entries(&server, "").await.len();
    let stale = server.request(Method::DELETE, "/v1/scripts/none");
    assert_eq!(server.json(stale).await.0, 404);
    assert_eq!(server.put("bad", "def run(:\n").await.0, 422);
    let asked = server.request(Method::PATCH, "/v1/scripts/price").header("if-match", "\"other\"");
    assert_eq!(server.json(asked.json(&json!({"title": "x"}))).await.0, 412);
    assert_eq!(entries(&server, "").await.len(), before);

    // By object with what is below it, by action, by time, page by page.
    let (status, _) = server.json(server.request(Method::PUT, "/v1/scripts/price/state").json(&json!({"a": 1}))).await;
    assert_eq!(status, 200);
    assert_eq!(server.put("price-2", SCRIPT).await.0, 201);
    let objects: Vec<Value> = entries(&server, "object=scripts/price&outcome=done")
        .await
        .iter()
        .map(|entry| entry["object"].clone())
        .collect();
    assert_eq!(objects, ["scripts/price/state", "scripts/price"]);
    assert_eq!(entries(&server, "object=/v1/scripts/price&action=put_state").await.len(), 1);
    assert_eq!(entries(&server, "until=1h").await.len(), 0);
    let (status, problem) = server.get("/v1/audit?outcome=maybe").await;
    assert_eq!((status, problem["field"].as_str()), (422, Some("outcome")), "{problem}");
    let all = entries(&server, "").await;
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = server.get(&format!("/v1/audit?limit=2{cursor}")).await;
        pages.extend(page["items"].as_array().expect("items").clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(pages, all);
    let token = server.token.clone().expect("a token");
    let words = ["audit", "--object", "scripts/price", "--outcome", "refused"];
    let (code, out, err) = server.cronbox_with(&words, &[("CRONBOX_TOKEN", &token)]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("limited") && out.contains("script_out_of_reach"), "{out}");
}

/// What a script source brings is entered as the server's.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_takes_is_its_own() {
    let _shared = beside_others().await;
    let folder = Folder::new();
    fs::create_dir(folder.0.join("sources")).expect("makes a folder");
    folder.write("sources/taken.py", SCRIPT);
    let words = ["--data-dir", "data", "--script-source", "sources"];
    let server = Server::start(&folder.0, &words);
    let taken = server.items_when("/v1/audit?object=scripts/taken", |items| !items.is_empty()).await;
    assert_eq!((&taken[0]["actor"], &taken[0]["action"]), (&json!("server"), &json!("take_script")));
    assert_eq!(taken[0]["detail"], "version 1");
}
