//! Monitors outside that are called by a real node: that of the node itself, and those of scripts.

use super::receivers;
use crate::support::beside_others;
use crate::support::server::{Folder, Server};
use crate::support::wait::until;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SOURCE: &str = "def run(fail=False):\n    if fail:\n        raise ValueError('no price')\n    return 1\n";

/// The calls to a monitor so far: method, path and body.
async fn calls(monitor: &str) -> Vec<(String, String, String)> {
    let seen = receivers().seen(|one| one["kind"] == "ping").await;
    let text = |one: &Value, field: &str| one[field].as_str().unwrap_or_default().to_owned();
    let call = |one: &Value| (text(one, "method"), text(one, "path"), text(one, "body"));
    seen.iter().map(call).filter(|(_, path, _)| path.starts_with(&format!("/ping/{monitor}"))).collect()
}

async fn calls_when(monitor: &str, count: usize) -> Vec<(String, String, String)> {
    until("the calls come", async || {
        let calls = calls(monitor).await;
        if calls.len() >= count { Ok(calls) } else { Err(calls) }
    })
    .await
}

fn call(method: &str, path: &str, body: &str) -> (String, String, String) {
    (method.into(), path.into(), body.into())
}

fn server(folder: &Folder, more: &[&str]) -> Server {
    let words = [&["--ephemeral", "--channel-network", "localhost=127.0.0.0/8"], more].concat();
    Server::start(&folder.0, &words)
}

async fn patch(server: &Server, script: &str, body: &Value) -> (u16, Value) {
    server.json(server.request(Method::PATCH, &format!("/v1/scripts/{script}")).json(body)).await
}

async fn counted(server: &Server, line: &str) {
    until(line, async || {
        let text = server.request(Method::GET, "/metrics").send().await.expect("answers").text().await.expect("text");
        if text.lines().any(|counted| counted == line) { Ok(()) } else { Err(text) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_monitor_of_a_script_is_told_of_its_runs() {
    let _shared = beside_others().await;
    let folder = Folder::new();
    let server = server(&folder, &[]);
    let url = receivers().url("/ping/script?key=secret-path");
    let block = format!("# /// script\n# [tool.cronbox]\n# heartbeat = \"{url}\"\n# ///\n");
    assert_eq!(server.put("price", &format!("{block}{SOURCE}")).await.0, 201);
    server.run("price", &json!({})).await;
    server.run("price", &json!({"args": {"fail": true}})).await;
    let told = calls_when("script", 4).await;
    assert_eq!(
        told,
        [
            call("GET", "/ping/script/start?key=secret-path", ""),
            call("GET", "/ping/script?key=secret-path", ""),
            call("GET", "/ping/script/start?key=secret-path", ""),
            call("POST", "/ping/script/fail?key=secret-path", "failed: ValueError: no price"),
        ]
    );
    // Of source that is sent along, it is told nothing.
    let (_, sent) =
        server.post("/v1/runs?wait=60s", &json!({"source": format!("{block}def run():\n    return 2\n")})).await;
    assert_eq!(sent["result"], 2, "{sent}");
    let (_, shown) = server.get("/v1/scripts/price").await;
    assert_eq!(shown["settings"]["heartbeat"], format!("http://localhost:{}/…", receivers().port("http")));
    let (_, head, _) = server.cronbox(&["script", "show", "price"]);
    assert!(head.contains("heartbeat    http://localhost:") && !head.contains("secret-path"), "{head}");
    // Set by request it takes the place of the one in the block, and is not shown either.
    let elsewhere = json!({"heartbeat": receivers().url("/ping/elsewhere")});
    let (status, changed) = patch(&server, "price", &elsewhere).await;
    assert!(status == 200 && !changed.to_string().contains("elsewhere"), "{changed}");
    server.run("price", &json!({})).await;
    assert_eq!(calls_when("elsewhere", 2).await.len(), 2);
    assert_eq!(calls("script").await.len(), 4);
    for bad in ["ftp://a.example", "https://me:key@a.example", &shown["settings"]["heartbeat"].to_string(), "5"] {
        let (status, problem) = patch(&server, "price", &json!({"heartbeat": bad})).await;
        assert_eq!((status, &problem["field"]), (422, &json!("heartbeat")), "{problem}");
    }
    counted(&server, "cronbox_pings_total{outcome=\"sent\"} 6").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_of_a_monitor_has_to_be_granted() {
    let _shared = beside_others().await;
    let folder = Folder::new();
    let mut server = server(&folder, &[]);
    let (_, admin) = server.post("/v1/tokens", &json!({"name": "admin", "scopes": ["admin"]})).await;
    server.token = admin["token"].as_str().map(str::to_owned);
    let (_, writer) = server.post("/v1/tokens", &json!({"name": "writer", "scopes": ["read", "write", "run"]})).await;
    server.token = writer["token"].as_str().map(str::to_owned);
    let url = receivers().url("/ping/not-granted");
    let block = format!("# /// script\n# [tool.cronbox]\n# heartbeat = \"{url}\"\n# ///\n");
    let (status, kept) = server.put("leak", &format!("{block}def run():\n    raise ValueError('all I know')\n")).await;
    let host = format!("localhost:{}", receivers().port("http"));
    assert_eq!((status, &kept["not_granted"][0]["asked"]), (201, &json!(host)), "{kept}");
    server.run("leak", &json!({})).await;
    server.until("the log says it", async || server.log().contains("its host is not granted")).await;
    assert_eq!(calls("not-granted").await, []);
    server.token = admin["token"].as_str().map(str::to_owned);
    let (code, _, why) = server.cronbox_with(
        &["grant", "leak", "--host", &host],
        &[("CRONBOX_TOKEN", server.token.as_deref().expect("a token"))],
    );
    assert_eq!(code, Some(0), "{why}");
    server.run("leak", &json!({})).await;
    assert_eq!(calls_when("not-granted", 2).await[1].2, "failed: ValueError: all I know");
}

#[tokio::test(flavor = "multi_thread")]
async fn monitors_that_mean_no_good_cost_no_run_anything() {
    let _shared = beside_others().await;
    let folder = Folder::new();
    let server = server(&folder, &["--notify-rate", "20"]);
    for (n, place) in ["silent", "drip", "big", "endless-head", "redirect", "gone", "fail"].into_iter().enumerate() {
        let url = receivers().url(&format!("/ping/{place}"));
        let block = format!("# /// script\n# [tool.cronbox]\n# heartbeat = \"{url}\"\n# ///\n");
        assert_eq!(server.put(&format!("s{n}"), &format!("{block}def run():\n    return {n}\n")).await.0, 201);
    }
    let refused =
        "# /// script\n# [tool.cronbox]\n# heartbeat = \"http://127.0.0.1:1/x\"\n# ///\ndef run():\n    return 7\n";
    assert_eq!(server.put("s7", refused).await.0, 201);
    let started = Instant::now();
    for n in 0..8 {
        assert_eq!(server.run(&format!("s{n}"), &json!({})).await["result"], n);
    }
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
    // Refused at once, and not tried again.
    counted(&server, "cronbox_pings_total{outcome=\"dropped\"} 0").await;
    until("the monitor with an answer of a gigabyte is told", async || calls("big").await.len() >= 2).await;
    assert_eq!(calls("gone").await.len(), 2, "the start and the end, each once");
    let log = server.log();
    assert!(!log.contains("/ping/") && log.contains("the monitor of a script was not told of a run"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_calls_its_monitor() {
    let _shared = beside_others().await;
    let folder = Folder::new();
    let url = receivers().url("/ping/node/k3y");
    let server = server(&folder, &["--heartbeat", &url]);
    assert_eq!(calls_when("node", 1).await[0], call("GET", "/ping/node/k3y", ""));
    counted(&server, "cronbox_heartbeats_total{outcome=\"sent\"} 1").await;
    assert!(!server.log().contains("k3y"), "{}", server.log());
    let (status, why) = Server::refused(&folder.0, &["--ephemeral", "--heartbeat", "hc-ping.com/x"], &[]);
    assert!(!status.success() && why.contains("--heartbeat") && why.contains("it is not an URL"), "{why}");
}
