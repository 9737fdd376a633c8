//! Whoever sends much, reads nothing, or stays for ever: what that costs the server, and what others notice of it.

use crate::support::computed;
use crate::support::server::{Folder, Server};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// MiB of memory that a process has.
fn memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") >> 10
}

/// Files and connections that a process has open.
fn descriptors(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("a directory").count()
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.url.trim_start_matches("http://")).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("sets");
    stream
}

/// Sends the head of a request.
fn ask(server: &Server, head: &str, token: Option<&str>) -> TcpStream {
    let mut stream = connect(server);
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let host = server.url.trim_start_matches("http://");
    stream.write_all(format!("{head} HTTP/1.1\r\nHost: {host}\r\n{token}").as_bytes()).expect("sends");
    stream
}

/// The status of the answer that comes first on a connection.
fn status_of(stream: &mut TcpStream) -> u16 {
    let mut head = [0; 12];
    stream.read_exact(&mut head).expect("an answer");
    std::str::from_utf8(&head[9..]).expect("text").parse().expect("a status")
}

/// Waits for the end of a connection, whatever comes before it.
fn ends(stream: &mut TcpStream, within: Duration) {
    let begun = Instant::now();
    let mut piece = [0; 1 << 16];
    stream.set_read_timeout(Some(Duration::from_millis(200))).expect("sets");
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
        assert!(begun.elapsed() < within, "the connection goes on");
    }
}

async fn healthy(server: &Server) -> Duration {
    let asked = Instant::now();
    let answer =
        server.request(Method::GET, "/healthz").timeout(Duration::from_secs(20)).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    asked.elapsed()
}

/// A server that has a token, which its requests carry.
async fn with_token(words: &[&str]) -> (Folder, Server) {
    let folder = Folder::new();
    let mut server = Server::start(&folder.0, words);
    server.token = Some(made(&server, &json!({"name": "admin", "scopes": ["admin"]})).await.0);
    (folder, server)
}

/// A new token, and its id.
async fn made(server: &Server, body: &Value) -> (String, String) {
    let (status, token) = server.post("/v1/tokens", body).await;
    assert_eq!(status, 201, "{token}");
    (token["token"].as_str().expect("a token").to_owned(), token["id"].as_str().expect("an id").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_methods_leave_nothing_behind() {
    let (_folder, server) = with_token(&["--ephemeral"]).await;
    let flood = |from: usize, count: usize| {
        let mut sent = from;
        while sent < from + count {
            let mut stream = connect(&server);
            for _ in 0..100 {
                let method = format!("Z{sent:09}{}", "A".repeat(15_000));
                stream.write_all(format!("{method} /x HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).expect("sends");
                sent += 1;
                let mut answer = Vec::new();
                let mut piece = [0; 4096];
                while !answer.ends_with(b"}") {
                    let count = stream.read(&mut piece).expect("an answer");
                    assert!(count > 0, "{}", String::from_utf8_lossy(&answer));
                    answer.extend_from_slice(&piece[..count]);
                }
            }
        }
    };
    flood(0, 1_000);
    let before = memory(&server);
    flood(1_000, 11_000);
    let after = memory(&server);
    assert!(after < before + 20, "{before} MiB became {after} MiB");
    let metrics = server.request(Method::GET, "/metrics").send().await.expect("an answer").text().await.expect("text");
    assert!(metrics.len() < 100_000 && !metrics.contains("ZA") && !metrics.contains("Z0"), "{} bytes", metrics.len());
    assert!(metrics.contains(r#"method="other",route="none""#), "{metrics}");
}

/// Runs `quick` over a connection of its own: one that is idle can be ended while a client begins to use it again.
async fn status_of_new_run(server: &Server) -> Value {
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().expect("a client");
    let request = client.post(format!("{}/v1/scripts/quick/runs?wait=60s", server.url)).json(&json!({}));
    let answer = request.send().await.expect("an answer");
    answer.json::<Value>().await.expect("JSON")["status"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn half_heads_take_neither_probes_nor_runs_their_place() {
    let folder = Folder::new();
    let limited = ["bash", "-c", "ulimit -n 256 && exec \"$@\"", "bash"];
    let server = Server::start_through(&limited, &folder.0, &["--ephemeral"]);
    server.put("quick", "def run(): return 1\n").await;
    let mut halves = Vec::new();
    let mut more = |count: usize| {
        for _ in 0..count {
            let mut stream = connect(&server);
            // It may be ended already: its place was wanted.
            let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ");
            halves.push(stream);
        }
    };
    more(300);
    assert!(healthy(&server).await < Duration::from_secs(5));
    // All places are those of connections that came just now.
    for count in [64, 68, 128] {
        more(count);
        assert_eq!(status_of_new_run(&server).await, "succeeded", "{count} more");
    }
    let (status, ready) = server.get("/readyz").await;
    assert_eq!((status, &ready["ready"]), (200, &json!(true)));
    assert_eq!(status_of_new_run(&server).await, "succeeded");
    assert_eq!(server.put("other", "def run(): return 2\n").await.0, 201);
    let open = descriptors(&server);
    assert!(open < 220, "{open} descriptors of 256");
    drop(halves);
    assert_eq!(status_of_new_run(&server).await, "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_has_so_many_streams_and_they_cost_little() {
    let (_folder, server) = with_token(&["--ephemeral"]).await;
    let (reader, _) = made(&server, &json!({"name": "reader", "scopes": ["read"]})).await;
    let (other, _) = made(&server, &json!({"name": "other", "scopes": ["read"]})).await;
    let open = |token: &str| {
        let mut stream = ask(&server, "GET /v1/events", Some(token));
        // Where the answer ends, so does the connection.
        stream.write_all(b"Accept: text/event-stream\r\nConnection: close\r\n\r\n").expect("sends");
        let status = status_of(&mut stream);
        (status, stream)
    };
    let mut streams: Vec<TcpStream> = Vec::new();
    for n in 0..80 {
        let (status, stream) = open(&reader);
        assert_eq!(status, if n < 64 { 200 } else { 429 }, "stream {n}");
        streams.push(stream);
    }
    let (status, stream) = open(&other);
    assert_eq!(status, 200);
    streams.push(stream);
    assert!(healthy(&server).await < Duration::from_secs(2));
    let (before, begun) = (computed(server.pid()), Instant::now());
    while begun.elapsed() < Duration::from_secs(2) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let spent = computed(server.pid()) - before;
    assert!(spent < 20, "65 idle streams cost {spent} hundredths of a second in two");
    // All of them hear.
    server.put("bad", "def run(): raise ValueError(1)\n").await;
    server.run("bad", &json!({})).await;
    for (n, stream) in streams.iter_mut().enumerate().filter(|(n, _)| *n < 64 || *n == 80) {
        let mut heard = String::new();
        let mut piece = [0; 4096];
        while !heard.contains("event: run_failed") {
            let count = stream.read(&mut piece).expect("events");
            assert!(count > 0, "stream {n} ended: {heard}");
            heard.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    }
    drop(streams);
    // Their places are free again.
    let deadline = Instant::now() + Duration::from_secs(10);
    while open(&reader).0 != 200 {
        assert!(Instant::now() < deadline, "no place becomes free");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_strangers_go_before_anybody_is_refused() {
    let folder = Folder::new();
    let limited = ["bash", "-c", "ulimit -n 600 && exec \"$@\"", "bash"];
    let mut server = Server::start_through(&limited, &folder.0, &["--ephemeral"]);
    server.token = Some(made(&server, &json!({"name": "admin", "scopes": ["admin"]})).await.0);
    server.put("quick", "def run(): return 1\n").await;
    // More than there are places: halves of heads, and answers that are not read.
    let mut strangers = Vec::new();
    for n in 0..400 {
        let mut stream = connect(&server);
        let head = if n % 2 == 0 {
            "GET / HTTP/1.1\r\nX: "
        } else {
            "GET /docs/api/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\n\r\n"
        };
        let _ = stream.write_all(head.as_bytes());
        strangers.push(stream);
    }
    for _ in 0..20 {
        let mut stream = ask(&server, "GET /healthz", None);
        stream.write_all(b"\r\n").expect("sends");
        assert_eq!(status_of(&mut stream), 200);
    }
    assert_eq!(server.run("quick", &json!({})).await["status"], "succeeded");
    drop(strangers);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_read_holds_little_and_not_for_long() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &[]);
    let source = "import os\ndef run():\n    with open('/output/big.bin', 'wb') as f:\n        for _ in range(15): f.write(os.urandom(1 << 16) * 16)\n";
    server.put("files", source).await;
    let run = server.run("files", &json!({})).await;
    assert_eq!(run["files"]["count"], 1, "{run}");
    let path = format!("/v1/runs/{}/files/big.bin", run["id"].as_str().expect("an id"));
    let content = server.request(Method::GET, &path).send().await.expect("an answer");
    assert_eq!(content.content_length(), Some(15 << 20));
    assert_eq!(content.bytes().await.expect("a body").len(), 15 << 20);
    let before = memory(&server);
    let readers: Vec<TcpStream> = (0..150)
        .map(|_| {
            let mut stream = ask(&server, &format!("GET {path}"), None);
            stream.write_all(b"\r\n").expect("sends");
            stream
        })
        .collect();
    let mut most = 0;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        most = most.max(memory(&server));
        assert!(healthy(&server).await < Duration::from_secs(2));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(most < before + 150, "{before} MiB became {most} MiB");
    // The server ends them by itself, with what it kept for them.
    while descriptors(&server) > 60 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} descriptors are open", descriptors(&server));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(readers.len() == 150 && memory(&server) < before + 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_lack_one_byte_hold_a_bounded_share() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    server.put("quick", "def run(): return 1\n").await;
    let before = memory(&server);
    let size = 16 << 20;
    let body = vec![b'#'; 1 << 20];
    let mut uploads = Vec::new();
    for n in 0..30 {
        let mut stream = ask(&server, &format!("PUT /v1/scripts/u{n}"), None);
        stream
            .write_all(format!("Content-Type: text/x-python\r\nContent-Length: {size}\r\n\r\n").as_bytes())
            .expect("sends");
        stream.set_write_timeout(Some(Duration::from_secs(5))).expect("sets");
        for part in 0..16 {
            let end = if part == 15 { body.len() - 1 } else { body.len() };
            // One that has no place is answered, and may be closed, before all of it came.
            if stream.write_all(&body[..end]).is_err() {
                break;
            }
        }
        uploads.push(stream);
    }
    let held = memory(&server);
    assert!(held < before + 200, "{before} MiB became {held} MiB");
    assert_eq!(server.run("quick", &json!({})).await["status"], "succeeded");
    let statuses: Vec<u16> = uploads.iter_mut().map(status_of).collect();
    assert!(statuses.iter().all(|status| matches!(status, 408 | 503)), "{statuses:?}");
    assert!(statuses.contains(&503) && statuses.contains(&408), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_results_are_charted_in_bounded_memory() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &[]);
    server.put("big", "def run(n): return [0] * n\n").await;
    for _ in 0..100 {
        assert_eq!(server.post("/v1/scripts/big/runs?wait=60s", &json!({"args": {"n": 500_000}})).await.0, 200);
    }
    let before = memory(&server);
    let charting = async |query: &str| {
        let path = format!("/v1/scripts/big/series?{query}");
        let answer = server.request(Method::GET, &path).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.bytes().await.expect("a body").len()
    };
    let charts = async {
        tokio::join!(charting("path=&limit=1000"), charting("path=/0&limit=1000"), charting("path=&limit=1000"))
    };
    let (mut most, mut waits) = (0, Vec::new());
    let mut charts = std::pin::pin!(charts);
    let sizes = loop {
        let look = async {
            let waited = healthy(&server).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            (memory(&server), waited)
        };
        tokio::select! {
            sizes = &mut charts => break sizes,
            (now, waited) = look => {
                most = most.max(now);
                waits.push(waited);
            }
        }
    };
    assert!(sizes.0 <= 33 << 20 && sizes.1 < 100_000 && sizes.2 <= 33 << 20, "{sizes:?}");
    assert!(most < before + 130, "{before} MiB became {most} MiB");
    waits.sort();
    let middle = waits.get(waits.len() / 2).copied().unwrap_or_default();
    assert!(middle < Duration::from_millis(100), "{middle:?} of {}", waits.len());
    assert!(waits.last().is_none_or(|longest| *longest < Duration::from_secs(2)), "{waits:?}");
    // Every value is there, in as many parts as it takes.
    let (mut cursor, mut values, mut parts) = (String::new(), 0, 0);
    loop {
        let (status, page) = server.get(&format!("/v1/scripts/big/series?path=&limit=1000{cursor}")).await;
        assert_eq!(status, 200);
        values += page["items"].as_array().expect("items").len();
        parts += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(values == 100 && (2..=8).contains(&parts), "{values} values in {parts} parts");
    let (_, page) = server.get("/v1/runs?script=big&limit=500&result=/0%3C1").await;
    assert_eq!(page["items"].as_array().expect("items").len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_removed_hears_no_more() {
    let (_folder, server) = with_token(&["--ephemeral"]).await;
    server.put("slow", "import time\ndef run():\n    for i in range(60):\n        print('line', i, flush=True)\n        time.sleep(1)\n").await;
    let (token, id) = made(&server, &json!({"name": "soon gone", "scopes": ["read", "run"]})).await;
    let (_, run) = server.post("/v1/scripts/slow/runs", &json!({})).await;
    let run = run["id"].as_str().expect("an id").to_owned();
    let follow = |path: &str| {
        let mut stream = ask(&server, &format!("GET {path}"), Some(&token));
        // Where the answer ends, so does the connection.
        stream.write_all(b"Accept: text/event-stream\r\nConnection: close\r\n\r\n").expect("sends");
        stream
    };
    let mut streams = [follow(&format!("/v1/runs/{run}/events")), follow("/v1/events")];
    for stream in &mut streams {
        assert_eq!(status_of(stream), 200);
    }
    let mut waits = follow(&format!("/v1/runs/{run}?wait=60s"));
    server.run_when(&run, |run| run["stdout"]["bytes"].as_u64() > Some(0)).await;
    assert_eq!(
        server.request(Method::DELETE, &format!("/v1/tokens/{id}")).send().await.expect("an answer").status(),
        204
    );
    let removed = Instant::now();
    for stream in &mut streams {
        ends(stream, Duration::from_secs(5));
    }
    assert_eq!(status_of(&mut waits), 401);
    assert!(removed.elapsed() < Duration::from_secs(5));
    let (_, run) = server.get(&format!("/v1/runs/{run}")).await;
    assert_eq!(run["status"], "running", "the run itself goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_answer_whatever_the_rate() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral", "--rate-limit", "5"]);
    let mut refused = 0;
    for _ in 0..40 {
        assert_eq!(server.get("/healthz").await.0, 200);
        assert_eq!(server.get("/readyz").await.0, 200);
        refused += u32::from(server.get("/v1/scripts").await.0 == 429);
    }
    assert!(refused > 10, "{refused}");
    let (status, _) = server.get("/nothing/here").await;
    assert_eq!(status, 429, "addresses that do not exist count too");
}
