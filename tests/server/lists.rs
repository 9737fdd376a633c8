//! A script that was run: its runs, lists of them, and its numbers.

use super::PRICE;
use crate::support::server::{Folder, Server};
use reqwest::Method;
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

/// A server with the script `price`, which ran three times: 104, an error, and 107.
async fn with_runs() -> (Folder, Server, Vec<Value>) {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &[]);
    assert_eq!(server.put("price", PRICE).await.0, 201);
    let mut runs = Vec::new();
    for body in
        [json!({"args": {"n": 4}, "labels": {"k": "v"}}), json!({"args": {"n": "x"}}), json!({"args": ["X", 7]})]
    {
        runs.push(server.run("price", &body).await);
    }
    (folder, server, runs)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_says_what_was_kept_and_is_kept_once() {
    let (_folder, server) = Server::ephemeral();
    let (status, kept) = server.put("price.py", PRICE).await;
    assert_eq!(
        (status, &kept["script"], &kept["version"], &kept["mode"]),
        (201, &json!("price"), &json!(1), &json!("function"))
    );
    assert_eq!(kept["signature"], "(symbol='INIT', n=1)");
    assert_eq!(server.put("price", PRICE).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_says_how_it_went() {
    let (_folder, server, runs) = with_runs().await;
    let run = &runs[0];
    let keys: Vec<&str> = run.as_object().expect("an object").keys().map(String::as_str).collect();
    insta::assert_snapshot!(keys.join("\n"));
    assert_eq!((&run["status"], &run["result"]), (&json!("succeeded"), &json!({"price": 104, "symbol": "INIT"})));
    assert_eq!((&run["cause"], &run["attempt"], &run["mode"]), (&json!("api"), &json!(1), &json!("function")));
    let written = json!({"bytes": 15, "text": "asked for INIT\n", "truncated": false});
    assert_eq!(run["stdout"], written, "who waits sees the output");
    assert!(run["usage"]["fuel"].as_u64().expect("fuel") > 1000);
    let output = format!("/v1/runs/{}/output/stdout?offset=6", run["id"].as_str().expect("an id"));
    let output = server.request(Method::GET, &output).send().await.expect("answers");
    assert_eq!(output.text().await.expect("text"), "for INIT\n");
    let failing = &runs[1];
    assert_eq!((&failing["status"], &failing["error"]["type"]), (&json!("failed"), &json!("TypeError")));
    assert!(failing["error"]["traceback"].as_str().expect("text").contains("price.py\", line 3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_found_by_what_they_were_and_returned() {
    let (_folder, server, runs) = with_runs().await;
    for (query, count) in [
        ("", 3),
        ("?status=succeeded", 2),
        ("?status=failed,crashed", 1),
        ("?script=price&label=k=v", 1),
        ("?result=/price%3E105", 1),
        ("?error_contains=typeerror", 1),
        ("?since=1h", 3),
        ("?until=2020-01-01T00:00:00Z", 0),
        ("?limit=2", 2),
    ] {
        let (status, page) = server.get(&format!("/v1/runs{query}")).await;
        assert_eq!((status, page["items"].as_array().map(Vec::len)), (200, Some(count)), "{query}: {page}");
    }
    // As people type it: curl sends the sign as it is.
    let typed = format!("{}/v1/runs?result=/price>105", server.url);
    let done = Command::new("curl").args(["-sS", &typed]).output().expect("curl starts");
    let page: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page}");
    let (_, page) = server.get("/v1/runs?limit=2").await;
    let next = page["next_cursor"].as_str().expect("more");
    let (_, rest) = server.get(&format!("/v1/runs?limit=2&cursor={next}")).await;
    assert_eq!((&rest["items"][0]["id"], &rest["next_cursor"]), (&runs[0]["id"], &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_results_and_counts_of_runs_are_charted() {
    let (_folder, server, _) = with_runs().await;
    let (_, series) = server.get("/v1/scripts/price/series?path=/price").await;
    assert_eq!(
        series["items"].as_array().expect("items").iter().map(|p| p["value"].clone()).collect::<Vec<_>>(),
        [104, 107]
    );
    let (_, series) = server.get("/v1/scripts/price/series?path=/price&bucket=1d&agg=avg").await;
    assert_eq!((&series["items"][0]["value"], &series["items"][0]["count"]), (&json!(105.5), &json!(2)));
    let (_, counts) = server.get("/v1/runs/counts?bucket=1d").await;
    assert_eq!(counts["items"][0]["by_status"], json!({"failed": 1, "succeeded": 2}));
    let csv = server.request(Method::GET, "/v1/runs?format=csv&limit=1").send().await.expect("answers");
    assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
    assert!(csv.headers().contains_key("x-next-cursor"));
    let text = csv.text().await.expect("text");
    assert!(text.starts_with("id,script,version,cause,status,") && text.contains("\"\"price\"\":107"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_the_same_after_a_restart() {
    let (_folder, mut server, runs) = with_runs().await;
    server.signal("-TERM");
    assert!(server.ended(Duration::from_secs(20)).success());
    server.up();
    let (_, again) = server.get(&format!("/v1/runs/{}?output", runs[0]["id"].as_str().expect("an id"))).await;
    assert_eq!(again, runs[0]);
    assert_eq!(server.run("price", &json!({})).await["status"], "succeeded");
}
