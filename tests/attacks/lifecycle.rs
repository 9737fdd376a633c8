//! Clients that hang up at the wrong moment, and settings that cannot be computed with: every run that was accepted ends.

use crate::support::server::{Folder, Server};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Sends a request whole and hangs up after a while, without reading a byte of the answer.
async fn hang_up(server: &Server, method: &str, path: &str, body: &str, after: Duration) {
    let host = server.url.trim_start_matches("http://").to_owned();
    let length = body.len();
    let bytes = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let sent = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(host).expect("connects");
        stream.write_all(bytes.as_bytes()).expect("sends");
        std::thread::park_timeout(after);
    });
    sent.await.expect("sent");
}

/// Waits until what a path answers is as it should be.
async fn until(server: &Server, path: &str, holds: impl Fn(u16, &Value) -> bool) {
    let look = async || {
        let (status, body) = server.get(path).await;
        if holds(status, &body) { Ok(()) } else { Err((status, body)) }
    };
    server.until(path, look).await;
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

fn unfinished(list: &Value) -> usize {
    let waits = |run: &&Value| matches!(run["status"].as_str(), Some("running" | "queued" | "scheduled"));
    items(list).iter().filter(waits).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_leaves_no_run_behind() {
    let _shared = crate::support::beside_others().await;
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--data-dir", "data"]);
    let solo = "# /// script\n# [tool.cronbox]\n# concurrency = 1\n# ///\ndef run(): return 1\n";
    assert_eq!(server.put("solo", solo).await.0, 201);
    assert_eq!(server.put("many", "def run(): return 1\n").await.0, 201);
    for round in 0..150 {
        // Between 0 and 4 ms: from before the request is read to after it was answered.
        let after = Duration::from_micros(round * 37 % 41 * 100);
        let name = if round % 2 == 0 { "solo" } else { "many" };
        hang_up(&server, "POST", &format!("/v1/scripts/{name}/runs"), "{}", after).await;
    }
    until(&server, "/v1/runs?limit=500", |_, list| unfinished(list) == 0).await;
    // The lane of the script that runs one at a time is free, and so are all seats.
    assert_eq!(server.run("solo", &json!({})).await["result"], 1);
    assert_eq!(server.run("many", &json!({})).await["result"], 1);
}

/// A request that is cut off right after its last byte, where its effect shows, and what that is.
type Step<'a> = (&'a str, &'a str, &'a str, &'a str, fn(u16, &Value) -> bool);

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_carried_out_though_its_client_hangs_up() {
    let _shared = crate::support::beside_others().await;
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--data-dir", "data"]);
    assert_eq!(server.put("job", "def run(context):\n    return context.state.get('n')\n").await.0, 201);
    let source = |text: &str| json!({"source": format!("def run():\n    return {text:?}\n")}).to_string();
    let (one, other) = (source("a"), source("b"));
    let secret = json!({"value": "0123456789abcdef", "hosts": ["a.example"], "scripts": ["job"]}).to_string();
    let yearly = json!({"script": "job", "trigger": "0 0 1 1 *"}).to_string();
    let memory = r#"{"limits": {"memory": "512MiB"}}"#;
    let steps: [Step<'_>; 22] = [
        ("PUT", "/v1/scripts/new", &one, "/v1/scripts/new", |status, _| status == 200),
        ("PUT", "/v1/scripts/new", &other, "/v1/scripts/new", |_, it| it["version"] == 2),
        ("POST", "/v1/scripts/new/rollback", "{}", "/v1/scripts/new", |_, it| it["version"] == 1),
        ("PATCH", "/v1/scripts/new", r#"{"title": "T"}"#, "/v1/scripts/new", |_, it| it["title"] == "T"),
        ("POST", "/v1/scripts/new/runs", "{}", "/v1/runs?script=new&status=succeeded", |_, it| items(it).len() == 1),
        ("PUT", "/v1/scripts/job/state", r#"{"n": 1}"#, "/v1/scripts/job/state", |_, it| {
            it.to_string().contains("\"n\":1")
        }),
        ("DELETE", "/v1/scripts/job/state", "", "/v1/scripts/job/state", |_, it| !it.to_string().contains("\"n\":1")),
        ("PUT", "/v1/schedules/s", &yearly, "/v1/schedules/s", |status, _| status == 200),
        ("POST", "/v1/schedules/s/pause", "{}", "/v1/schedules/s", |_, it| it["state"] == "paused"),
        ("POST", "/v1/schedules/s/resume", "{}", "/v1/schedules/s", |_, it| it["state"] == "active"),
        ("PATCH", "/v1/schedules/s", r#"{"title": "T"}"#, "/v1/schedules/s", |_, it| it["title"] == "T"),
        ("POST", "/v1/schedules/s/trigger", "{}", "/v1/runs?schedule=s&status=succeeded", |_, it| items(it).len() == 1),
        (
            "POST",
            "/v1/schedules/s/backfill",
            r#"{"from": "1100d"}"#,
            "/v1/runs?schedule=s&status=succeeded",
            |_, it| items(it).len() == 4,
        ),
        ("DELETE", "/v1/schedules/s", "", "/v1/schedules/s", |status, _| status == 404),
        ("POST", "/v1/scheduler/pause", "{}", "/v1/scheduler", |_, it| it["paused"] == true),
        ("POST", "/v1/scheduler/resume", "{}", "/v1/scheduler", |_, it| it["paused"] == false),
        ("PUT", "/v1/secrets/KEY", &secret, "/v1/secrets/KEY", |status, _| status == 200),
        ("DELETE", "/v1/secrets/KEY", "", "/v1/secrets/KEY", |status, _| status == 404),
        ("PUT", "/v1/grants/job", memory, "/v1/grants", |_, it| items(it).len() == 1),
        ("DELETE", "/v1/grants/job/limit/memory", "", "/v1/grants", |_, it| items(it).is_empty()),
        ("DELETE", "/v1/scripts/new", "", "/v1/scripts/new", |status, _| status == 404),
        ("POST", "/v1/tokens", r#"{"name": "t", "scopes": ["read"]}"#, "/v1/tokens", |status, _| status == 401),
    ];
    for (method, path, body, look, holds) in steps {
        hang_up(&server, method, path, body, Duration::ZERO).await;
        until(&server, look, holds).await;
    }
}

/// The last byte of a request and the end of its connection are there before the server looks: what came is whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_carried_out_though_its_connection_ended_before_it_was_read() {
    let _shared = crate::support::beside_others().await;
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--data-dir", "data"]);
    assert_eq!(server.put("job", "def run(): return 1\n").await.0, 201);
    let yearly = json!({"script": "job", "trigger": "0 0 1 1 *"}).to_string();
    let steps: [Step<'_>; 5] = [
        ("PUT", "/v1/schedules/s", &yearly, "/v1/schedules/s", |status, _| status == 200),
        ("POST", "/v1/schedules/s/pause", "", "/v1/schedules/s", |_, it| it["state"] == "paused"),
        ("POST", "/v1/scripts/job/runs", "", "/v1/runs?script=job&status=succeeded", |_, it| items(it).len() == 1),
        ("DELETE", "/v1/schedules/s", "", "/v1/schedules/s", |status, _| status == 404),
        ("DELETE", "/v1/scripts/job", "", "/v1/scripts/job", |status, _| status == 404),
    ];
    let host = server.url.trim_start_matches("http://");
    for (method, path, body, look, holds) in steps {
        // A connection that the server watches already: it hears of both at once.
        let mut stream = TcpStream::connect(host).expect("connects");
        stream.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).expect("sends");
        let mut answer = Vec::new();
        while !answer.ends_with(b"ok\n") {
            let mut piece = [0; 1024];
            let count = stream.read(&mut piece).expect("an answer");
            assert!(count > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&piece[..count]);
        }
        server.signal("-STOP");
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n");
        stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes()).expect("sends");
        drop(stream);
        server.signal("-CONT");
        until(&server, look, holds).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_between_attempts_has_a_bound() {
    let _shared = crate::support::beside_others().await;
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--data-dir", "data"]);
    let put = async |retries: Value| {
        let body = json!({"source": "def run(): raise ValueError\n", "retries": retries});
        server.json(server.request(reqwest::Method::PUT, "/v1/scripts/again").json(&body)).await
    };
    for retries in [
        json!({"count": 1, "delay": 10_000_000_000_000_u64}),
        json!({"count": 1, "delay": u64::MAX, "max_delay": u64::MAX}),
        json!({"count": 1, "max_delay": "3000000000h"}),
    ] {
        let (status, answer) = put(retries).await;
        assert_eq!((status, answer["field"].as_str()), (422, Some("retries")), "{answer}");
    }
    let (status, answer) = put(json!({"count": 1, "delay": "365d", "max_delay": "365d"})).await;
    assert_eq!(status, 201, "{answer}");
    let (_, run) = server.post("/v1/scripts/again/runs", &json!({})).await;
    let run = server.run_when(run["id"].as_str().expect("an id"), |run| run["status"] == "scheduled").await;
    assert_eq!(run["attempt"], 1);
}
