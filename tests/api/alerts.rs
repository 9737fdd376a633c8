//! Alerts: made by request and by the block of a script, decided when runs end, muted, shown to whom may see their scripts.

use super::code;
use crate::support::server::{Server, answer};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

const PRICE: &str = "def run(price=100, fails=False):\n    if fails:\n        raise ValueError('no price')\n    return {'price': price}\n";

fn put(server: &Server, id: &str, body: &Value) -> RequestBuilder {
    server.request(Method::PUT, &format!("/v1/alerts/{id}")).json(body)
}

fn about(script: &str, text: &str) -> Value {
    json!({"about": {"script": script}, "text": text, "notify": ["ops"]})
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().expect("items").iter().map(|alert| alert["id"].as_str().expect("text")).collect()
}

async fn state(server: &Server, id: &str) -> String {
    server.get(&format!("/v1/alerts/{id}")).await.1["state"].as_str().expect("a state").to_owned()
}

async fn run(server: &Server, args: Value) -> Value {
    let (_, run) = server.post("/v1/scripts/price/runs?wait=30s", &json!({"args": args})).await;
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_kept_and_fire_when_runs_end() {
    let (_folder, server) = Server::ephemeral();
    server.put("price", PRICE).await;
    let body = json!({"about": {"script": "Price"}, "text": " failed  2 ", "notify": ["ops"], "repeat": "90m", "recovered": false});
    let (status, made) = server.json(put(&server, "Watch", &body)).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(
        (&made["text"], &made["repeat"], &made["recovered"]),
        (&json!("failed 2"), &json!("1h30m"), &json!(false))
    );
    assert_eq!(
        (&made["state"], &made["since"], &made["about"]),
        (&json!("ok"), &Value::Null, &json!({"script": "Price"}))
    );
    assert_eq!(made["warnings"], json!(["there is no channel ops yet"]));
    assert_eq!(server.get("/v1/alerts/watch").await, (200, made.clone()), "whatever the case");
    let (_, plain) = server.json(put(&server, "high", &about("price", "/price > 100"))).await;
    assert_eq!(
        (&plain["repeat"], &plain["recovered"], &plain["origin"]),
        (&json!("1d"), &json!(true), &json!("request"))
    );
    assert_eq!(plain["words"], "/price of the result is greater than 100");
    let all = json!({"about": {"everything": true}, "text": "missed", "repeat": "never"});
    assert_eq!(server.json(put(&server, "all", &all)).await.1["repeat"], "never");
    run(&server, json!({"fails": true})).await;
    assert_eq!(state(&server, "watch").await, "ok");
    let failed = run(&server, json!({"fails": true})).await;
    let (_, fires) = server.get("/v1/alerts/watch").await;
    assert_eq!((&fires["state"], &fires["firing"][0]["run"]), (&json!("firing"), &failed["id"]));
    assert!(fires["since"].is_string() && fires["since"] == fires["firing"][0]["since"]);
    run(&server, json!({"price": 101})).await;
    assert_eq!((state(&server, "watch").await, state(&server, "high").await), ("ok".into(), "firing".into()));
    assert_eq!(ids(&server.get("/v1/alerts").await.1), ["all", "high", "Watch"]);
    assert_eq!(ids(&server.get("/v1/alerts?state=firing").await.1), ["high"]);
    assert_eq!(ids(&server.get("/v1/alerts?state=ok&script=price").await.1), ["Watch"]);
    assert_eq!(ids(&server.get("/v1/alerts?notify=ops&limit=1").await.1), ["high"]);
    assert_eq!(ids(&server.get("/v1/alerts?schedule=x").await.1), [""; 0]);
    let (_, first) = server.get("/v1/alerts?limit=2").await;
    let cursor = first["next_cursor"].as_str().expect("there are more");
    assert_eq!(ids(&server.get(&format!("/v1/alerts?limit=2&cursor={cursor}")).await.1), ["Watch"]);
    let (_, feed) = server.get("/v1/events?type=alert_firing,alert_ok&since=1h").await;
    let told: Vec<_> =
        feed["items"].as_array().expect("items").iter().map(|event| (&event["type"], &event["alert"])).collect();
    let (firing, over) = (json!("alert_firing"), json!("alert_ok"));
    // The last two are of one run: by the keys of their alerts.
    assert_eq!(told, [(&firing, &json!("Watch")), (&firing, &json!("high")), (&over, &json!("Watch"))]);
    assert_eq!(server.json(server.request(Method::DELETE, "/v1/alerts/WATCH")).await.0, 204);
    assert_eq!(code(&server.get("/v1/alerts/watch").await), (404, "no_such_alert"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_alert_can_have_is_named() {
    let (_folder, server) = Server::ephemeral();
    server.put("price", PRICE).await;
    for (body, field, said) in [
        (json!({"text": "failed"}), "about", "about says what is watched"),
        (json!({"about": {}, "text": "failed"}), "about", "about one thing"),
        (json!({"about": {"script": "a", "label": "x=y"}, "text": "failed"}), "about", "about one thing"),
        (json!({"about": {"label": "x"}, "text": "failed"}), "about.label", "key=value"),
        (json!({"about": {"script": "a b"}, "text": "failed"}), "about.script", "not a name"),
        (json!({"about": {"script": "a"}}), "text", "text is the condition"),
        (about("price", "faild"), "text", "did you mean failed?"),
        (about("price", "late 5m1h"), "text", "(at character 7)"),
        (json!({"about": {"script": "a"}, "text": "failed", "notify": ["a", "a"]}), "notify", "each once"),
        (json!({"about": {"script": "a"}, "text": "failed", "repeat": "5s"}), "repeat", "1m at least"),
        (json!({"about": {"script": "a"}, "text": "failed", "repeat": "often"}), "repeat", "never"),
    ] {
        let refused = server.json(put(&server, "x", &body)).await;
        assert_eq!((refused.0, refused.1["field"].as_str()), (422, Some(field)), "{body}: {}", refused.1);
        assert!(refused.1["detail"].as_str().expect("text").contains(said), "{body}: {}", refused.1);
    }
    let refused = server.json(put(&server, "x", &about("price", "/price >= 5"))).await;
    assert_eq!((code(&refused), &refused.1["column"]), ((422, "bad_condition"), &json!(8)));
    let strange = server.json(put(&server, "x", &json!({"condition": "failed"}))).await;
    assert_eq!(code(&strange), (422, "unknown_field"), "{}", strange.1);
    assert!(server.get("/v1/alerts?state=bad").await.1["detail"].as_str().expect("text").contains("ok and firing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_an_alert_from_being_useful_is_told() {
    let (_folder, server) = Server::ephemeral();
    server.put("price", PRICE).await;
    run(&server, json!({})).await;
    let warnings = async |id: &str, body: Value| server.json(put(&server, id, &body)).await.1["warnings"].clone();
    let none = json!({"about": {"script": "none"}, "text": "failed"});
    assert_eq!(
        warnings("a", none).await,
        json!(["it tells no channel: notify is empty", "there is no script none yet"])
    );
    let asked = json!({"about": {"schedule": "none"}, "text": "late 5m", "notify": ["ops"]});
    assert_eq!(warnings("b", asked).await, json!(["there is no channel ops yet", "there is no schedule none yet"]));
    let wrong = warnings("c", about("price", "/prise > 5")).await;
    assert_eq!(wrong[1], "the last result has nothing at /prise; did you mean /price?");
    assert_eq!(warnings("d", about("price", "/price > 5")).await.as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_is_read_and_nothing_is_kept() {
    let (_folder, server) = Server::ephemeral();
    server.put("price", PRICE).await;
    run(&server, json!({})).await;
    let preview = async |body: Value| server.post("/v1/conditions/preview", &body).await;
    assert_eq!(
        preview(json!({"text": " failed   3 "})).await,
        (200, json!({"text": "failed 3", "words": "3 runs in a row do not succeed", "warnings": []}))
    );
    assert_eq!(
        preview(json!({"text": "/prise > 5", "about": {"script": "price"}})).await.1["warnings"],
        json!(["the last result has nothing at /prise; did you mean /price?"])
    );
    assert_eq!(
        preview(json!({"text": "failed", "about": {"schedule": "none"}})).await.1["warnings"],
        json!(["there is no schedule none yet"])
    );
    let refused = preview(json!({"text": "/price >= 5"})).await;
    assert_eq!((code(&refused), &refused.1["column"]), ((422, "bad_condition"), &json!(8)));
    for (body, field) in [(json!({}), "text"), (json!({"text": "failed", "about": {}}), "about")] {
        let refused = preview(body).await;
        assert_eq!((refused.0, &refused.1["field"]), (422, &json!(field)), "{}", refused.1);
    }
    assert_eq!(ids(&server.get("/v1/alerts").await.1), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_makes_alerts() {
    let (_folder, server) = Server::ephemeral();
    let block = |lines: &str| format!("# /// script\n# [tool.cronbox]\n{lines}# ///\n{PRICE}");
    let source = block("# alerts = [\"failed\", \"recovered\", \"/price > 100\"]\n# notify = [\"ops\"]\n");
    let made = server.request(Method::PUT, "/v1/scripts/price").body(source).send().await.expect("an answer");
    assert_eq!(made.status(), 201);
    assert_eq!(super::header(&made, "x-cronbox-warning"), "alerts: there is no channel ops yet");
    assert_eq!(ids(&server.get("/v1/alerts").await.1), ["price.failed", "price.price-above-100"]);
    run(&server, json!({"fails": true})).await;
    assert_eq!(state(&server, "price.failed").await, "firing");
    let refused = server.json(put(&server, "price.failed", &about("price", "missed"))).await;
    assert_eq!(code(&refused), (409, "alert_of_script"), "{}", refused.1);
    let refused = server.json(server.request(Method::DELETE, "/v1/alerts/price.failed")).await;
    assert_eq!(code(&refused), (409, "alert_of_script"));
    server.put("price", &block("# alerts = [\"failed\"]\n# notify = [\"me\"]\n")).await;
    let (_, kept) = server.get("/v1/alerts/price.failed").await;
    assert_eq!(
        (&kept["state"], &kept["notify"], &kept["origin"]),
        (&json!("firing"), &json!(["me"]), &json!("metadata"))
    );
    let (_, back) = server.post("/v1/scripts/price/rollback", &json!({})).await;
    assert_eq!(back["version"], 1, "{back}");
    assert_eq!(ids(&server.get("/v1/alerts").await.1), ["price.failed", "price.price-above-100"]);
    let (status, refused) = server.put("price", &block("# alerts = [\"late\"]\n")).await;
    assert_eq!((status, &refused["line"], &refused["field"]), (422, &json!(3), &json!("alerts")), "{refused}");
    server.put("price", PRICE).await;
    assert_eq!(ids(&server.get("/v1/alerts").await.1), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_muted() {
    let (_folder, server) = Server::ephemeral();
    server.json(put(&server, "w", &about("price", "failed"))).await;
    let (status, muted) = server.post("/v1/alerts/w/mute", &json!({"for": "2h"})).await;
    assert!(status == 200 && muted["muted_until"].is_string(), "{muted}");
    assert_eq!(server.post("/v1/alerts/w/unmute", &json!({})).await.1["muted_until"], Value::Null);
    let (_, whole) = server.post("/v1/scheduler/mute", &json!({"until": "30m"})).await;
    assert!(whole["muted_until"].is_string(), "{whole}");
    assert_eq!(server.get("/v1/scheduler").await.1["muted_until"], whole["muted_until"]);
    assert_eq!(server.post("/v1/scheduler/unmute", &json!({})).await.1["muted_until"], Value::Null);
    for (body, field) in [
        (json!({}), "for"),
        (json!({"for": "2h", "until": "3h"}), "for"),
        (json!({"for": "soon"}), "for"),
        (json!({"for": "9000d"}), "until"),
        (json!({"until": "2020-01-01T00:00:00Z"}), "until"),
    ] {
        let (status, refused) = server.post("/v1/alerts/w/mute", &body).await;
        assert_eq!((status, refused["field"].as_str()), (422, Some(field)), "{body}: {refused}");
    }
    assert_eq!(code(&server.post("/v1/alerts/none/mute", &json!({"for": "2h"})).await), (404, "no_such_alert"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_change_an_alert_do_not_overwrite_one_another() {
    let (_folder, server) = Server::ephemeral();
    let first =
        put(&server, "w", &about("price", "failed")).header("if-none-match", "*").send().await.expect("an answer");
    assert_eq!(first.status(), 201);
    let tag = first.headers()["etag"].to_str().expect("text").to_owned();
    let changed =
        put(&server, "w", &about("price", "missed")).header("if-match", &tag).send().await.expect("an answer");
    assert_eq!(changed.status(), 200);
    let late = put(&server, "w", &about("price", "skipped")).header("if-match", &tag).send().await.expect("an answer");
    assert_eq!(code(&answer(late).await), (412, "precondition_failed"));
    assert_eq!(server.get("/v1/alerts/w").await.1["text"], "missed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_does_the_same() {
    let (_folder, server) = Server::ephemeral();
    let (exit, said, _) =
        server.cronbox(&["alert", "add", "w", "failed 3", "--label", "team=data", "--notify", "ops,me"]);
    assert_eq!((exit, said.trim()), (Some(0), "w fires when 3 runs in a row do not succeed"));
    let (_, listed, _) = server.cronbox(&["alert", "list"]);
    assert!(listed.contains("label team=data") && listed.contains("ops me"), "{listed}");
    let (_, shown, warned) = server.cronbox(&["alert", "show", "w"]);
    assert!(shown.contains("failed 3: 3 runs in a row do not succeed"), "{shown}");
    assert!(warned.contains("there is no channel me yet"), "{warned}");
    let (_, muted, _) = server.cronbox(&["alert", "mute", "w", "--for", "2h"]);
    assert!(muted.starts_with("the alert w is muted until "), "{muted}");
    let (_, spoken, _) = server.cronbox(&["alert", "unmute", "--all"]);
    assert_eq!(spoken.trim(), "all alerts are not muted");
    let (exit, _, refused) = server.cronbox(&["alert", "add", "x", "late 5", "--script", "a"]);
    assert!(exit == Some(2) && refused.contains("expected a unit"), "{exit:?} {refused}");
    assert_eq!(server.cronbox(&["alert", "rm", "w"]).0, Some(0));
    let (_, listed, _) = server.cronbox(&["alert", "list", "--json"]);
    assert_eq!(listed.trim(), "{\"items\":[]}");
}
