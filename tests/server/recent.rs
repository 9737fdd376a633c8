//! Scripts at a glance: searched for, with their last outcomes, their next fire time, and the numbers of their results.

use crate::support::server::Server;
use reqwest::Method;
use serde_json::{Value, json};

fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().expect("items").iter().map(|one| one["name"].as_str().expect("text")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_are_searched_for() {
    let (_folder, server) = Server::ephemeral();
    for (name, title, team) in
        [("Price", "Kurs von INIT", "data"), ("backup", "Nightly", "ops"), ("größe", "x", "Data")]
    {
        let body = json!({"source": "x = 1", "title": title, "labels": {"team": team}});
        assert_eq!(server.json(server.request(Method::PUT, &format!("/v1/scripts/{name}")).json(&body)).await.0, 201);
    }
    for (query, right) in [
        ("pri", &["Price"][..]),
        ("init", &["Price"]),
        ("team=data", &["größe", "Price"]),
        ("DATA%20kurs", &["Price"]),
        ("GR%C3%96SSE", &[]),
        ("GR%C3%96", &["größe"]),
        ("nothing", &[]),
        ("", &["backup", "größe", "Price"]),
    ] {
        let (status, page) = server.get(&format!("/v1/scripts?q={query}")).await;
        assert_eq!((status, names(&page)), (200, right.to_vec()), "{query}: {page}");
    }
    let (_, first) = server.get("/v1/scripts?q=a&limit=1").await;
    assert_eq!(names(&first), ["backup"]);
    let cursor = first["next_cursor"].as_str().expect("there are more");
    let (_, second) = server.get(&format!("/v1/scripts?q=a&limit=1&cursor={cursor}")).await;
    assert_eq!(names(&second), ["größe"]);
    assert_eq!(server.get(&format!("/v1/scripts?q={}", "x".repeat(201))).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_shows_what_it_did_and_does_next() {
    let (_folder, server) = Server::ephemeral();
    let (_, made) = server.put("some", "def run(fails=False):\n    assert not fails\n    return {'n': 1}\n").await;
    assert_eq!((&made["recent"], &made["next_fire_at"]), (&json!([]), &Value::Null), "{made}");
    server.put("idle", "x = 1").await;
    let mut ids = Vec::new();
    for fails in [false, true] {
        ids.push(server.run("some", &json!({"args": {"fails": fails}})).await["id"].clone());
    }
    let far = chrono::Utc::now() + chrono::TimeDelta::days(30);
    let waits = json!({"run_at": far.to_rfc3339()});
    assert_eq!(server.post("/v1/scripts/some/runs", &waits).await.0, 201);
    // An interval would fire at once, beside what is looked at.
    let soon = (chrono::Utc::now() + chrono::TimeDelta::hours(1)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let once = json!({"type": "date", "run_date": soon});
    let yearly = json!("0 0 1 1 *");
    for (id, trigger, paused) in [("far", &yearly, false), ("near", &once, false), ("off", &json!("every 1m"), true)] {
        let body = json!({"id": id, "script": "some", "trigger": trigger, "paused": paused});
        assert_eq!(server.post("/v1/schedules", &body).await.0, 201);
    }
    let (_, near) = server.get("/v1/schedules/near").await;
    let (_, page) = server.get("/v1/scripts").await;
    let (_, shown) = server.get("/v1/scripts/some").await;
    assert_eq!(page["items"][1], shown);
    let recent = shown["recent"].as_array().expect("a list");
    let told: Vec<_> = recent.iter().map(|run| (&run["id"], &run["status"])).collect();
    assert_eq!(told, [(&ids[1], &json!("failed")), (&ids[0], &json!("succeeded"))], "the newest first: {shown}");
    assert!(recent[0]["wall_ms"].as_f64().is_some_and(|wall| wall > 0.0) && recent[0]["created_at"].is_string());
    assert_eq!((&shown["next_fire_at"], near["next_fire_at"].is_string()), (&near["next_fire_at"], true));
    let idle = &page["items"][0];
    assert_eq!((&idle["recent"], &idle["next_fire_at"]), (&json!([]), &Value::Null));
    // A script of the same name that is made later has done nothing.
    assert_eq!(server.json(server.request(Method::DELETE, "/v1/scripts/some?schedules=delete")).await.0, 204);
    let (_, again) = server.put("some", "x = 1").await;
    assert_eq!(again["recent"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_results_are_listed() {
    let (_folder, server) = Server::ephemeral();
    server.put("many", "def run(result):\n    return result\n").await;
    assert_eq!(server.get("/v1/scripts/many/numbers").await, (200, json!({"items": [], "next_cursor": null})));
    let large = json!({"big": 7, "text": "x".repeat(100_000)});
    for result in [
        json!({"price": 1.5, "old": 3}),
        json!("text"),
        large,
        json!({"price": 2, "deep": {"a/b": [1, {"n": 4}]}, "ok": true}),
    ] {
        let run = server.run("many", &json!({"args": {"result": result}})).await;
        assert_eq!(run["status"], "succeeded", "{run}");
    }
    let (status, page) = server.get("/v1/scripts/many/numbers").await;
    let found: Vec<Value> = page["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| json!([item["path"], item["count"], item["last"]]))
        .collect();
    // The arguments, and so the results, have their keys in the order of the alphabet.
    let right =
        json!([["/deep/a~1b/0", 1, 1], ["/deep/a~1b/1/n", 1, 4], ["/price", 2, 2], ["/big", 1, 7], ["/old", 1, 3]]);
    assert_eq!((status, json!(found)), (200, right), "{page}");
    assert!(page["items"][0]["last_at"].is_string());
    // Each is a path that a series takes.
    let (status, series) = server.get("/v1/scripts/many/series?path=/deep/a~1b/1/n").await;
    assert_eq!((status, &series["items"][0]["value"]), (200, &json!(4)), "{series}");
    let wide: Value = (0..500).map(|n| (format!("k{n}"), json!(n))).collect::<serde_json::Map<_, _>>().into();
    server.run("many", &json!({"args": {"result": wide}})).await;
    assert_eq!(server.get("/v1/scripts/many/numbers").await.1["items"].as_array().map(Vec::len), Some(100));
}
