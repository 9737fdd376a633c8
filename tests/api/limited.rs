//! Tokens that are limited to scripts by name, pattern or label; and how many runs may wait for their time.

use super::code;
use crate::support::server::{Folder, Server};
use reqwest::Method;
use serde_json::{Value, json};

const LABELLED: &str =
    "# /// script\n# [tool.cronbox]\n# labels = { team = \"data\" }\n# ///\ndef run():\n    return 1\n";
const ALL: [&str; 4] = ["read", "run", "write", "exec"];

/// A server, and a token of it that is limited.
async fn limited(server: &mut Server, limit: Value) -> String {
    let mut body = limit;
    body["name"] = "limited".into();
    body["scopes"] = json!(ALL);
    let (_, admin) = server.post("/v1/tokens", &json!({"name": "admin", "scopes": ["admin"]})).await;
    server.token = admin["token"].as_str().map(str::to_owned);
    let (status, made) = server.post("/v1/tokens", &body).await;
    assert_eq!(status, 201, "{made}");
    made["token"].as_str().expect("a token").to_owned()
}

/// D8: a token of a label makes scripts of that label, and its refusals say which those are.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_label_makes_scripts_of_that_label() {
    let (_folder, mut server) = Server::ephemeral();
    let token = limited(&mut server, json!({"labels": ["team=data"]})).await;
    assert_eq!(server.put("foreign", "x = 1").await.0, 201);
    let admin = server.token.replace(token);
    let (status, kept) = server.put("by-block", LABELLED).await;
    assert_eq!((status, &kept["settings"]["labels"]["team"]), (201, &json!("data")), "{kept}");
    let by_request = json!({"source": "def run():\n    return 2\n", "labels": {"team": "data", "kind": "x"}});
    let put =
        |name: &str, body: &Value| server.json(server.request(Method::PUT, &format!("/v1/scripts/{name}")).json(body));
    assert_eq!(put("by-request", &by_request).await.0, 201);
    assert_eq!(server.run("by-request", &json!({})).await["result"], 2);
    assert_eq!(server.put("by-block", &LABELLED.replace("return 1", "return 3")).await.1["version"], 2);
    for refused in [
        server.put("none", "x = 1").await,
        put("other", &json!({"source": "x = 1", "labels": {"team": "web"}})).await,
        server.put("by-block", "x = 1").await,
        server
            .json(server.request(Method::PATCH, "/v1/scripts/by-request").json(&json!({"labels": {"team": null}})))
            .await,
    ] {
        assert_eq!(code(&refused), (403, "script_out_of_reach"), "{}", refused.1);
        let detail = refused.1["detail"].as_str().expect("text");
        assert!(detail.contains("scripts with the label team=data: give it the label team=data"), "{detail}");
    }
    let foreign = server.put("foreign", LABELLED).await;
    assert_eq!(code(&foreign), (403, "script_out_of_reach"), "what is there and not theirs stays: {}", foreign.1);
    assert!(foreign.1["detail"].as_str().expect("text").contains("limited to scripts with the label team=data"));
    let (_, page) = server.get("/v1/scripts").await;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2), "{page}");
    // D6: what it sent along itself is found by name, and nobody else's.
    let own = server.post("/v1/runs?wait=60s", &json!({"source": "print(1)", "name": "probe"})).await.1;
    let token = std::mem::replace(&mut server.token, admin);
    server.post("/v1/runs?wait=60s", &json!({"source": "print(2)", "name": "probe"})).await;
    assert_eq!(server.get("/v1/runs?script=probe").await.1["items"].as_array().map(Vec::len), Some(2));
    server.token = token;
    let (_, page) = server.get("/v1/runs?script=probe").await;
    assert_eq!((page["items"].as_array().map(Vec::len), &page["items"][0]["id"]), (Some(1), &own["id"]), "{page}");
}

/// D8: a token can be limited to names by a pattern.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_pattern_reaches_what_it_names() {
    let (_folder, mut server) = Server::ephemeral();
    let token = limited(&mut server, json!({"scripts": ["team-*", "Report.py"]})).await;
    for name in ["other", "team-old"] {
        server.put(name, "def run():\n    return 0\n").await;
        server.run(name, &json!({})).await;
    }
    server.token = Some(token);
    for name in ["team-new", "Team-2", "report"] {
        assert_eq!(server.put(name, "def run():\n    return 1\n").await.0, 201, "{name}");
    }
    for name in ["teams", "xteam-1", "reports"] {
        let refused = server.put(name, "x = 1").await;
        assert_eq!(code(&refused), (403, "script_out_of_reach"), "{name}");
        let detail = refused.1["detail"].as_str().expect("text");
        assert!(detail.contains("limited to scripts named team-*, report: give it such a name"), "{detail}");
    }
    server.run("team-new", &json!({})).await;
    let names = |page: &Value, field: &str| -> Vec<String> {
        let items = page["items"].as_array().expect("items").iter();
        items.map(|one| one[field].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(names(&server.get("/v1/scripts").await.1, "name"), ["report", "Team-2", "team-new", "team-old"]);
    assert_eq!(names(&server.get("/v1/runs").await.1, "script"), ["team-new", "team-old"]);
    assert_eq!(names(&server.get("/v1/runs?script=other").await.1, "script"), [""; 0]);
    let made = json!({"id": "t", "script": "team-new", "trigger": "after team-old"});
    assert_eq!(server.post("/v1/schedules", &made).await.0, 201);
    let made = json!({"id": "o", "script": "team-new", "trigger": "after other"});
    assert_eq!(server.post("/v1/schedules", &made).await.0, 403);
    for bad in ["team/*", ".*"] {
        let body = json!({"name": "b", "scopes": ["read"], "scripts": [bad]});
        server.token = None;
        assert!(server.post("/v1/tokens", &body).await.0 >= 400, "{bad}");
    }
}

/// Issue 14: runs whose time is ahead count to a bound of their own, and keep nobody from running now.
#[tokio::test(flavor = "multi_thread")]
async fn runs_whose_time_is_ahead_are_bounded() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral", "--max-queued", "3"]);
    server.put("tick", "def run():\n    return 1\n").await;
    let later = (chrono::Utc::now() + chrono::TimeDelta::hours(5)).to_rfc3339();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let (status, run) = server.post("/v1/scripts/tick/runs", &json!({"run_at": later})).await;
        assert_eq!(status, 201, "{run}");
        ids.push(run["id"].as_str().expect("an id").to_owned());
    }
    let refused = server.post("/v1/scripts/tick/runs", &json!({"run_at": later})).await;
    assert_eq!(code(&refused), (429, "queue_full"), "{}", refused.1);
    assert_eq!(server.run("tick", &json!({})).await["result"], 1, "who runs now is not kept from it");
    server.post(&format!("/v1/runs/{}/cancel", ids[0]), &json!({})).await;
    assert_eq!(server.post("/v1/scripts/tick/runs", &json!({"run_at": later})).await.0, 201);
}
