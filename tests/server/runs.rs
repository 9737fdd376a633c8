//! Runs that are asked for over HTTP: when they start, what they are given, how they are stopped and repeated.

use super::code;
use crate::support::server::Server;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SLEEP: &str = "import time\ndef run(s):\n    print('begun', flush=True)\n    time.sleep(s)\n    return s\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_goes_on_is_answered_after_the_wait_and_can_be_cancelled() {
    let (_folder, server) = Server::ephemeral();
    server.put("sleep", SLEEP).await;
    let (status, run) = server.post("/v1/scripts/sleep/runs?wait=100ms", &json!({"args": {"s": 600}})).await;
    assert_eq!((status, &run["status"]), (202, &json!("running")));
    let id = run["id"].as_str().expect("an id").to_owned();
    assert_eq!(code(&server.post(&format!("/v1/runs/{id}/retry"), &json!({})).await), (409, "run_is_not_final"));
    let asked = Instant::now();
    let (status, cancelled) = server.post(&format!("/v1/runs/{id}/cancel"), &json!({})).await;
    assert_eq!((status, &cancelled["status"]), (200, &json!("cancelled")));
    assert!(asked.elapsed() < Duration::from_secs(2));
    assert_eq!(server.post(&format!("/v1/runs/{id}/cancel"), &json!({})).await.0, 200, "twice is once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_accepted_at_once_with_its_address_and_repeated_from_there() {
    let (_folder, server) = Server::ephemeral();
    server.put("n", "def run(n=0):\n    return n\n").await;
    let response = server.request(Method::POST, "/v1/scripts/n/runs").send().await.expect("answers");
    assert_eq!(response.status(), 201);
    let place = response.headers()["location"].to_str().expect("text").to_owned();
    let (_, run) = server.get(&format!("{place}?wait=10s")).await;
    assert_eq!((&run["status"], &run["result"]), (&json!("succeeded"), &json!(0)));
    assert_eq!(code(&server.post(&format!("{place}/cancel"), &json!({})).await), (409, "run_is_final"));
    let (_, again) = server.post(&format!("{place}/retry?wait"), &json!({})).await;
    assert_eq!(
        (&again["cause"], &again["retry_of"], &again["status"]),
        (&json!("retry"), &run["id"], &json!("succeeded"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_with_an_idempotency_key_makes_one_run() {
    let (_folder, server) = Server::ephemeral();
    server.put("n", "def run(n=0):\n    return n\n").await;
    let keyed = |body: Value| {
        server.json(server.request(Method::POST, "/v1/scripts/n/runs?wait").header("idempotency-key", "k1").json(&body))
    };
    let first = keyed(json!({"args": {"n": 1}})).await;
    assert_eq!(keyed(json!({"args": {"n": 1}})).await.1["id"], first.1["id"]);
    assert_eq!(code(&keyed(json!({"args": {"n": 2}})).await), (409, "idempotency_key_reused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_for_later_starts_then_and_not_before() {
    let (_folder, server) = Server::ephemeral();
    server.put("n", "def run(n=0):\n    return n\n").await;
    let at = chrono::Utc::now() + chrono::TimeDelta::milliseconds(700);
    let (_, later) = server.post("/v1/scripts/n/runs", &json!({"run_at": at.to_rfc3339()})).await;
    assert_eq!(later["status"], "scheduled");
    let run = server.run_when(later["id"].as_str().expect("an id"), |run| run["status"] == "succeeded").await;
    let started = chrono::DateTime::parse_from_rfc3339(run["started_at"].as_str().expect("a time")).expect("a time");
    assert!(started.to_utc() >= at, "{run}");
    assert!(run["lateness_ms"].as_f64().expect("a number") < 3000.0, "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_is_tried_as_often_as_its_script_says() {
    let (_folder, server) = Server::ephemeral();
    let failing = "# /// script\n# [tool.cronbox]\n# retries = { count = 2, delay = \"10ms\" }\n# ///\ndef run(context):\n    raise ValueError(context.attempt)\n";
    server.put("fail", failing).await;
    let run = server.run("fail", &json!({})).await;
    assert_eq!((&run["status"], &run["attempt"], &run["error"]["message"]), (&json!("failed"), &json!(3), &json!("3")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_asked_for_stops_a_run_and_the_error_says_how_to_raise_it() {
    let (_folder, server) = Server::ephemeral();
    server.put("sleep", SLEEP).await;
    let run = server.run("sleep", &json!({"args": {"s": 60}, "limits": {"timeout": "200ms"}})).await;
    assert_eq!(run["status"], "timed_out");
    let message = run["error"]["message"].as_str().expect("text");
    assert!(message.contains("raise with --timeout or limits.timeout"), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_has_the_result_of_the_run_before() {
    let (_folder, server) = Server::ephemeral();
    server.put("prev", "def run(context):\n    return (context.previous_result or 0) + 1\n").await;
    for n in 1..=3 {
        assert_eq!(server.run("prev", &json!({})).await["result"], n);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_values_come_back_whole() {
    let (_folder, server) = Server::ephemeral();
    server.put("large", "def run(n, text):\n    print('x' * n)\n    return text * 2\n").await;
    let text = "é".repeat(20_000);
    let run = server.run("large", &json!({"args": {"n": 100_000, "text": text}})).await;
    assert_eq!(run["result"].as_str().map(str::len), Some(80_000));
    assert_eq!(run["args"]["text"], text);
    let output = server.request(Method::GET, &format!("/v1/runs/{}/output/stdout", run["id"].as_str().expect("an id")));
    assert_eq!(output.send().await.expect("answers").bytes().await.expect("bytes").len(), 100_001);
}
