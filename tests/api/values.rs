//! What runs leave: output in the answer, values over time, runs by name, and runs that are let go of.

use super::{code, get, header};
use crate::support::server::{Server, answer};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};

/// D5: who waits for a run sees what it wrote.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_sees_the_output() {
    let (_folder, server) = Server::ephemeral();
    let (_, run) =
        server.post("/v1/runs?wait", &json!({"source": "import sys\nprint(6*7)\nprint('é', file=sys.stderr)"})).await;
    assert_eq!((&run["stdout"]["text"], &run["stderr"]["text"]), (&json!("42\n"), &json!("é\n")), "{run}");
    server.put("wide", "def run(n):\n    print('é' * n)\n").await;
    let post = async |query: &str, n: u64| {
        server.post(&format!("/v1/scripts/wide/runs?{query}"), &json!({"args": {"n": n}})).await
    };
    let (mut ids, text) = (Vec::new(), |run: &Value| run["stdout"]["text"].as_str().map(str::to_owned));
    for (query, n, shown) in [
        ("wait=60s", 3, Some("ééé\n".to_owned())),
        ("wait=60s", 20_000, Some("é".repeat(4096))),
        ("wait=60s&output=5", 9, Some("éé".to_owned())),
        ("wait=60s&output=64KiB", 20_000, Some("é".repeat(20_000) + "\n")),
        ("wait=60s&output=false", 3, None),
    ] {
        let (status, run) = post(query, n).await;
        assert_eq!((status, text(&run)), (200, shown), "{query}");
        ids.push(run["id"].as_str().expect("an id").to_owned());
    }
    // Looking at it later shows it when that is asked for.
    let (_, run) = server.get(&format!("/v1/runs/{}", ids[0])).await;
    assert_eq!(run["stdout"], json!({"bytes": 7, "truncated": false}));
    let (_, run) = server.get(&format!("/v1/runs/{}?output", ids[0])).await;
    assert_eq!(text(&run).as_deref(), Some("ééé\n"));
    assert_eq!(code(&server.get(&format!("/v1/runs/{}?output=2GiB", ids[0])).await), (400, "bad_parameter"));
}

/// D6: source that was sent along under a name is found by it.
#[tokio::test(flavor = "multi_thread")]
async fn sent_source_is_found_by_its_name() {
    let (_folder, server) = Server::ephemeral();
    server.put("both", "def run():\n    return 0\n").await;
    let mut ids = Vec::new();
    for (name, saved) in [("probe", false), ("both", true), ("Both", false), ("both", true), ("other", false)] {
        let (_, run) = match saved {
            true => server.post(&format!("/v1/scripts/{name}/runs?wait=60s"), &json!({})).await,
            false => server.post("/v1/runs?wait=60s", &json!({"source": "print(1)", "name": name})).await,
        };
        assert_eq!(run["status"], "succeeded", "{run}");
        ids.push(run["id"].as_str().expect("an id").to_owned());
    }
    let found = async |query: &str| -> Vec<usize> {
        let (_, page) = server.get(&format!("/v1/runs?{query}")).await;
        let items = page["items"].as_array().expect("items");
        items.iter().filter_map(|run| ids.iter().position(|id| run["id"] == **id)).collect()
    };
    assert_eq!(found("script=probe").await, [0]);
    assert_eq!(found("script=PROBE.py").await, [0]);
    assert_eq!(found("script=both").await, [3, 2, 1]);
    assert_eq!(found("script=both&script=other").await, [4, 3, 2, 1]);
    assert_eq!(found("script=both&status=failed").await, [0usize; 0]);
    assert_eq!(found("script=both&min_duration=0s&limit=2").await, [3, 2]);
    let mut cursor = String::new();
    for expected in [3, 2, 1] {
        let (_, page) = server.get(&format!("/v1/runs?script=both&limit=1{cursor}")).await;
        assert_eq!(page["items"][0]["id"], *ids[expected]);
        cursor = page["next_cursor"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
    }
    assert_eq!(cursor, "");
    let (_, counts) = server.get("/v1/runs/counts?script=both&bucket=1d").await;
    let total: u64 = counts["items"].as_array().expect("items").iter().filter_map(|slot| slot["total"].as_u64()).sum();
    assert_eq!(total, 3, "{counts}");
    let (_, events) = server.get("/v1/events?script=probe").await;
    assert_eq!(events["items"][0]["run"], *ids[0], "{events}");
}

/// D4: a value over time stands in the order of fire times, backfilled or not, as JSON and as CSV; `since` means them.
#[tokio::test(flavor = "multi_thread")]
async fn series_go_by_fire_time() {
    let (_folder, server) = Server::ephemeral();
    let source = "def run(context):\n    return {'hour': context.fire_time.hour if context.fire_time else -1}\n";
    server.put("hourly", source).await;
    let made = json!({"script": "hourly", "trigger": "0 * * * * @ UTC", "paused": true});
    let schedule = server.json(server.request(Method::PUT, "/v1/schedules/h").json(&made)).await;
    assert_eq!(schedule.0, 201, "{}", schedule.1);
    // One now, which is the last; then hours of the past, the newer ones first.
    server.run("hourly", &json!({})).await;
    for (from, until) in [("3h", "1m"), ("6h", "3h")] {
        let (status, made) = server.post("/v1/schedules/h/backfill", &json!({"from": from, "until": until})).await;
        assert_eq!(status, 201, "{made}");
        for id in made["runs"].as_array().expect("runs") {
            server.run_when(id.as_str().expect("an id"), |run| run["finished_at"].is_string()).await;
        }
    }
    let times = |page: &Value| -> Vec<DateTime<Utc>> {
        let items = page["items"].as_array().expect("items").iter();
        items.map(|point| point["at"].as_str().expect("a time").parse().expect("a time")).collect()
    };
    let (_, all) = server.get("/v1/scripts/hourly/series?path=/hour").await;
    let found = times(&all);
    assert_eq!(found.len(), 7, "{all}");
    assert!(found.is_sorted(), "{all}");
    assert_eq!(all["items"][6]["value"], -1, "the run of no schedule was due last");
    // The same by the page, as CSV, and in slots.
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = server.get(&format!("/v1/scripts/hourly/series?path=/hour&limit=2{cursor}")).await;
        paged.extend(page["items"].as_array().expect("items").clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(json!(paged), all["items"]);
    let csv = get(&server, "/v1/scripts/hourly/series?path=/hour&format=csv", &[]).await.text().await.expect("text");
    let lines: Vec<&str> = csv.lines().skip(1).collect();
    assert!(lines.len() == 7 && lines.is_sorted(), "{csv}");
    let (_, last) = server.get("/v1/scripts/hourly/series?path=/hour&bucket=7d&agg=last").await;
    assert_eq!(last["items"].as_array().expect("items").last().expect("a slot")["value"], -1, "{last}");
    // Those of the last two hours, though all were made just now.
    let (_, recent) = server.get("/v1/scripts/hourly/series?path=/hour&since=2h").await;
    assert_eq!(times(&recent).len(), 3, "{recent}");
    let until = (found[3] + TimeDelta::seconds(1)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let (_, early) = server.get(&format!("/v1/scripts/hourly/series?path=/hour&until={until}")).await;
    assert_eq!(times(&early), found[..4], "{early}");
}

/// D13: a run that has ended can be deleted, with what hangs on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_has_ended_is_deleted() {
    let (_folder, server) = Server::ephemeral();
    let source = "def run(s=0):\n    import time\n    time.sleep(s)\n    open('/output/x', 'w').write('y' * 30000)\n    return 'z' * 30000\n";
    server.put("leaves", source).await;
    let run = server.run("leaves", &json!({"labels": {"k": "v"}})).await;
    let path = format!("/v1/runs/{}", run["id"].as_str().expect("an id"));
    assert_eq!(run["files"]["count"], 1, "{run}");
    let gone = server.request(Method::DELETE, &path).send().await.expect("answers");
    assert_eq!(gone.status(), 204);
    for below in ["", "/files", "/files/x", "/output/stdout"] {
        assert_eq!(server.get(&format!("{path}{below}")).await.0, 404, "{below}");
    }
    let (_, page) = server.get("/v1/runs?label=k=v").await;
    assert_eq!(page["items"], json!([]));
    assert_eq!(code(&server.json(server.request(Method::DELETE, &path)).await), (404, "no_such_run"));
    // One that has not ended is cancelled first.
    let (_, under_way) = server.post("/v1/scripts/leaves/runs", &json!({"args": {"s": 600}})).await;
    let path = format!("/v1/runs/{}", under_way["id"].as_str().expect("an id"));
    let refused = server.json(server.request(Method::DELETE, &path)).await;
    assert_eq!(code(&refused), (409, "run_is_not_final"), "{}", refused.1);
    assert!(refused.1["detail"].as_str().expect("text").contains("cancel"), "{}", refused.1);
    server.post(&format!("{path}/cancel"), &json!({})).await;
    server.run_when(under_way["id"].as_str().expect("an id"), |run| run["finished_at"].is_string()).await;
    assert_eq!(answer(server.request(Method::DELETE, &path).send().await.expect("answers")).await.0, 204);
    let listed = get(&server, "/v1/runs", &[]).await;
    assert_eq!(header(&listed, "content-type"), "application/json");
}
