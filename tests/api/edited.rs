//! Schedules that people change by hand, and what follows from runs that failed or were missed.

use super::{code, ended, until};
use crate::support::postgres::Cluster;
use crate::support::server::{Folder, Server};
use reqwest::Method;
use serde_json::{Value, json};

const TICK: &str = "def run(n=1):\n    return n\n";

fn with_block(lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("# {line}\n")).collect();
    format!("# /// script\n# [tool.cronbox]\n{lines}# ///\n{TICK}")
}

async fn patch(server: &Server, id: &str, body: Value) -> Value {
    let (status, body) = server.json(server.request(Method::PATCH, &format!("/v1/schedules/{id}")).json(&body)).await;
    assert_eq!(status, 200, "{body}");
    body
}

/// E1: a trigger that names no zone is meant in the schedule's own.
#[tokio::test(flavor = "multi_thread")]
async fn another_trigger_keeps_the_zone() {
    let (_folder, server) = Server::ephemeral();
    server.put("tick", TICK).await;
    let made = json!({"id": "daily", "script": "tick", "trigger": "0 9 * * *", "timezone": "Asia/Shanghai"});
    assert_eq!(server.post("/v1/schedules", &made).await.0, 201);
    for (trigger, text) in [
        (json!("30 7 * * *"), "cron: 30 7 * * * @ Asia/Shanghai"),
        (json!({"type": "cron", "hour": 7, "minute": 45}), "fields: hour=7 minute=45 @ Asia/Shanghai"),
        (json!("every 1 day at 08:00"), "every 1 day at 08:00 @ Asia/Shanghai"),
        (json!("30 7 * * * @ Europe/Berlin"), "cron: 30 7 * * * @ Europe/Berlin"),
        (json!("15 7 * * *"), "cron: 15 7 * * * @ Europe/Berlin"),
    ] {
        let shown = patch(&server, "daily", json!({"trigger": trigger})).await;
        assert!(shown["text"].as_str().expect("text").starts_with(text), "{trigger}: {}", shown["text"]);
    }
    let shown = patch(&server, "daily", json!({"trigger": "0 6 * * *", "timezone": "Asia/Tokyo"})).await;
    assert_eq!((&shown["text"], &shown["timezone"]), (&json!("cron: 0 6 * * * @ Asia/Tokyo"), &json!("Asia/Tokyo")));
    let shown = patch(&server, "daily", json!({"title": "T"})).await;
    assert_eq!(shown["timezone"], "Asia/Tokyo");
    let (status, said, why) = server.cronbox(&["schedule", "edit", "daily", "--trigger", "30 5 * * *"]);
    assert_eq!(status, Some(0), "{said}{why}");
    assert_eq!(server.get("/v1/schedules/daily").await.1["text"], "cron: 30 5 * * * @ Asia/Tokyo");
    // Without a zone on purpose: the script's, else the server's.
    let shown = patch(&server, "daily", json!({"trigger": "0 6 * * *", "timezone": null})).await;
    assert_eq!(shown["timezone"], "UTC");
}

/// E2, E8: a schedule of a script's block that was changed or removed by hand is made equal to the block by the next push, and
/// each step says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_makes_the_schedules_equal_to_the_block() {
    let (_folder, server) = Server::ephemeral();
    let source = with_block("timezone = \"Asia/Shanghai\"\nschedule = \"0 9 * * *\"");
    let push = async |source: &str| {
        let request = server.request(Method::PUT, "/v1/scripts/price").body(source.to_owned());
        let response = request.send().await.expect("answers");
        let all = response.headers().get_all("x-cronbox-warning").iter();
        let warnings: Vec<String> = all.map(|text| text.to_str().expect("text").to_owned()).collect();
        let (status, kept) = crate::support::server::answer(response).await;
        assert!(status == 200 || status == 201, "{kept}");
        (kept, warnings)
    };
    let (kept, warnings) = push(&source).await;
    assert_eq!(warnings, [""; 0]);
    let was = "cron: 0 9 * * * @ Asia/Shanghai";
    assert_eq!(kept["schedule_changes"], json!([{"id": "price", "change": "created", "before": null, "after": was}]));
    let request = server.request(Method::PATCH, "/v1/schedules/price").json(&json!({"trigger": "30 7 * * *"}));
    let edited = request.send().await.expect("answers");
    let told = edited.headers()["x-cronbox-warning"].to_str().expect("text").to_owned();
    assert!(told.contains("the block of price names the schedule price"), "{told}");
    assert_eq!(server.get("/v1/schedules/price").await.1["origin"], "metadata");
    // The same source again, and then another: the block wins, and says so.
    for (source, edit) in [(source.clone(), None), (source.clone() + "# more\n", Some("0 3 * * *"))] {
        if let Some(trigger) = edit {
            patch(&server, "price", json!({"trigger": trigger, "max_instances": 3})).await;
        }
        let (kept, warnings) = push(&source).await;
        assert_eq!(kept["schedules"][0]["text"], was);
        assert_eq!(kept["schedule_changes"][0]["change"], "changed", "{kept}");
        assert!(warnings[0].contains("the schedule price had been changed by hand"), "{warnings:?}");
        assert_eq!(server.get("/v1/schedules/price").await.1["max_instances"], 1);
    }
    let (kept, warnings) = push(&source).await;
    assert_eq!((&kept["schedule_changes"], warnings.len()), (&json!([]), 0), "there is nothing left to say");
    // A pause is no change of the block's business: it stays.
    assert_eq!(server.post("/v1/schedules/price/pause", &json!({})).await.0, 200);
    push(&source).await;
    assert_eq!(server.get("/v1/schedules/price").await.1["state"], "paused");
    // Removed by hand: it is told that it comes back, and it does.
    let (status, _, why) = server.cronbox(&["schedule", "rm", "price"]);
    assert!(status == Some(0) && why.contains("comes back with the next push"), "{why}");
    let (kept, _) = push(&source).await;
    assert_eq!(kept["schedule_changes"][0]["change"], "created", "{kept}");
    // Edited, and then no longer in the block.
    patch(&server, "price", json!({"trigger": "0 4 * * *"})).await;
    let (kept, warnings) = push(TICK).await;
    assert_eq!((&kept["schedules"], kept["schedule_changes"][0]["change"].as_str()), (&json!([]), Some("removed")));
    assert!(warnings[0].contains("the block no longer names it"), "{warnings:?}");
    // What was made by hand is nobody's block's: nothing is said, and no block takes it.
    let made = json!({"id": "by-hand", "script": "price", "trigger": "@daily"});
    assert_eq!(server.post("/v1/schedules", &made).await.0, 201);
    let gone = server.request(Method::DELETE, "/v1/schedules/by-hand").send().await.expect("answers");
    assert!(gone.status() == 204 && !gone.headers().contains_key("x-cronbox-warning"));
}

/// D19: what follows a run that failed is told which run that was, and how it ended.
#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_failure_knows_which_run_failed() {
    let (_folder, server) = Server::ephemeral();
    let source = "def run(how='raise'):\n    if how == 'raise':\n        raise ValueError('no price today')\n    if how == 'exit':\n        raise SystemExit(3)\n    while how == 'loop':\n        pass\n    return {'price': 1}\n";
    server.put("price", source).await;
    server.put("alarm", "def run(upstream, context):\n    return upstream\n").await;
    server.put("any", "def run(upstream=None):\n    return upstream\n").await;
    server.put("missing", "def run(upstream, context):\n    return [upstream, context.cause]\n").await;
    for (id, script, trigger) in [
        ("on-failure", "alarm", "after * on failed"),
        ("whatever", "any", "after price on any"),
        ("then", "any", "after price"),
    ] {
        let made = server.post("/v1/schedules", &json!({"id": id, "script": script, "trigger": trigger})).await;
        assert_eq!(made.0, 201, "{}", made.1);
    }
    let told = async |schedule: &str, run: &Value| {
        until("the chain", async || {
            let (_, page) = server.get(&format!("/v1/runs?schedule={schedule}")).await;
            let items = page["items"].as_array().expect("items").clone();
            items.into_iter().find(|next| next["upstream"] == run["id"] && next["finished_at"].is_string())
        })
        .await["result"]
            .clone()
    };
    for (how, status, error) in
        [("raise", "failed", "ValueError"), ("exit", "failed", "SystemExit"), ("loop", "out_of_fuel", "")]
    {
        let run = server.run("price", &json!({"args": {"how": how}, "limits": {"fuel": 500_000_000}})).await;
        for schedule in ["on-failure", "whatever"] {
            let upstream = told(schedule, &run).await;
            assert_eq!(
                (&upstream["id"], &upstream["script"], &upstream["schedule"], &upstream["status"]),
                (&run["id"], &json!("price"), &Value::Null, &json!(status)),
                "{upstream}"
            );
            let kind = upstream["error"]["type"].as_str().expect("a type");
            assert!(error.is_empty() || kind == error, "{upstream}");
            assert_eq!(upstream["error"]["message"], run["error"]["message"]);
        }
    }
    let run = server.run("price", &json!({"args": {"how": ""}})).await;
    for schedule in ["whatever", "then"] {
        assert_eq!(told(schedule, &run).await, json!({"price": 1}), "the result, as ever");
    }
    // Of a schedule's run, the schedule is named.
    let made = json!({"id": "soon", "script": "price", "trigger": "every 1h"});
    assert_eq!(server.post("/v1/schedules", &made).await.0, 201);
    let fired = until("the fire", async || {
        let (_, page) = server.get("/v1/runs?schedule=soon&status=failed").await;
        page["items"].as_array().and_then(|items| items.first().cloned())
    })
    .await;
    let upstream = told("on-failure", &fired).await;
    assert_eq!((&upstream["schedule"], &upstream["fire_time"]), (&json!("soon"), &fired["fire_time"]), "{upstream}");
}

/// D19: a fire time that was missed starts what hangs on that.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_can_be_followed() {
    let (_folder, server) = Server::ephemeral();
    follow_what_is_missed(&server).await;
}

/// D19: the same on PostgreSQL, whose tables are changed otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_can_be_followed_on_postgresql() {
    let (folder, postgres) = (Folder::new(), Cluster::start(false));
    let server = Server::start(&folder.0, &["--database", &postgres.database()]);
    follow_what_is_missed(&server).await;
}

async fn follow_what_is_missed(server: &Server) {
    server.put("tick", TICK).await;
    server.put("alarm", "def run(upstream):\n    return upstream\n").await;
    let bad = server.post("/v1/schedules", &json!({"script": "alarm", "trigger": "after tick on mised"})).await;
    assert_eq!(code(&bad), (422, "bad_trigger"));
    assert!(bad.1["detail"].as_str().expect("text").contains("missed"), "{}", bad.1);
    for (id, trigger) in [("missed", "after * on missed"), ("any", "after tick on any")] {
        let made = server.post("/v1/schedules", &json!({"id": id, "script": "alarm", "trigger": trigger})).await;
        assert_eq!(made.0, 201, "{}", made.1);
    }
    assert_eq!(server.get("/v1/schedules/missed").await.1["text"], "after * on missed @ UTC");
    // Exactly one fire time is in the last 24 hours, whatever time of day it is.
    let half_a_day_ago = (chrono::Utc::now() - chrono::TimeDelta::hours(12)).format("%-M %-H * * *").to_string();
    let made = json!({"id": "daily", "script": "tick", "trigger": half_a_day_ago, "misfire_grace_time": 1});
    assert_eq!(server.post("/v1/schedules", &made).await.0, 201);
    server.post("/v1/schedules/daily/pause", &json!({})).await;
    let (_, resumed) = server.post("/v1/schedules/daily/resume", &json!({"from": "24h"})).await;
    assert_eq!(resumed["state"], "active", "{resumed}");
    let upstream = ended(server, "missed").await["result"].clone();
    assert_eq!(
        (&upstream["script"], &upstream["schedule"], &upstream["status"], &upstream["reason"]),
        (&json!("tick"), &json!("daily"), &json!("missed"), &json!("misfire_grace_time")),
        "{upstream}"
    );
    assert_eq!(server.get("/v1/runs?schedule=any").await.1["items"], json!([]), "nothing ran");
}

/// E7: what fires in the next hours, in order.
#[tokio::test(flavor = "multi_thread")]
async fn what_fires_soon_is_listed_in_order() {
    let (_folder, server) = Server::ephemeral();
    server.put("tick", TICK).await;
    let at = |hours: i64| (chrono::Utc::now() + chrono::TimeDelta::hours(hours)).format("%Y-%m-%dT%H:%M").to_string();
    for (id, trigger) in [("z-first", at(2)), ("m-second", at(5)), ("a-third", at(20)), ("k-later", at(30))] {
        let made = json!({"id": id, "script": "tick", "trigger": {"type": "date", "run_date": trigger}});
        assert_eq!(server.post("/v1/schedules", &made).await.0, 201);
    }
    for (id, body) in [
        ("paused", json!({"script": "tick", "trigger": "0 * * * *", "paused": true})),
        ("chained", json!({"script": "tick", "trigger": "after other"})),
    ] {
        server.json(server.request(Method::PUT, &format!("/v1/schedules/{id}")).json(&body)).await;
    }
    let ids = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().expect("items").iter();
        items.map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
    };
    let soon = ["z-first", "m-second", "a-third"];
    let (_, page) = server.get("/v1/schedules?until=24h").await;
    assert_eq!((ids(&page), &page["next_cursor"]), (soon.map(str::to_owned).to_vec(), &Value::Null));
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = server.get(&format!("/v1/schedules?until=24h&limit=1{cursor}")).await;
        found.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, soon);
    assert_eq!(code(&server.get("/v1/schedules?until=tomorrow").await), (400, "bad_parameter"));
    let (status, said, why) = server.cronbox(&["schedules", "--until", "24h"]);
    let order: Vec<usize> = soon.iter().map(|id| said.find(id).expect("is listed")).collect();
    assert!(status == Some(0) && order.is_sorted() && !said.contains("k-later"), "{said}{why}");
}
