//! The server behind a proxy, with a token, with a full disk, without its database, and on its way down.

use super::{code, get, header, until};
use crate::support::postgres::Cluster;
use crate::support::promtool::promtool;
use crate::support::s3::Bucket;
use crate::support::server::{Folder, Server, answer};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

async fn token(server: &Server, body: Value) -> String {
    let (status, made) = server.post("/v1/tokens", &body).await;
    assert_eq!(status, 201, "{made}");
    made["token"].as_str().expect("a token").to_owned()
}

/// D1: once there is a token, a proxy on this machine passes other names on; probes always answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_may_use_its_own_name_once_there_is_a_token() {
    let (_folder, mut server) = Server::ephemeral();
    let of_proxy = [("host", "cron.example.com"), ("x-forwarded-proto", "https")];
    let public = ["/healthz", "/readyz", "/openapi.json", "/docs/api/index.html"];
    for (path, status) in public.iter().zip([200, 200, 403, 403]) {
        assert_eq!(get(&server, path, &of_proxy).await.status(), status, "{path} without tokens");
    }
    let admin = token(&server, json!({"name": "a", "scopes": ["admin"]})).await;
    for path in public {
        assert_eq!(get(&server, path, &of_proxy).await.status(), 200, "{path} with tokens");
    }
    assert_eq!(get(&server, "/docs", &of_proxy).await.status(), 200);
    assert_eq!(get(&server, "/v1/scripts", &of_proxy).await.status(), 401);
    server.token = Some(admin);
    let response =
        get(&server, "/v1/scripts", &[("host", "cron.example.com"), ("origin", "https://cron.example.com")]).await;
    assert_eq!(response.status(), 200);
    // The last token goes: the names count again.
    let (_, tokens) = server.get("/v1/tokens").await;
    let id = tokens["items"][0]["id"].as_str().expect("an id").to_owned();
    server.request(Method::DELETE, &format!("/v1/tokens/{id}")).send().await.expect("answers");
    server.token = None;
    assert_eq!(get(&server, "/openapi.json", &of_proxy).await.status(), 403);
    assert_eq!(get(&server, "/healthz", &of_proxy).await.status(), 200);
}

/// D1: a server that has tokens says so at its start.
#[tokio::test(flavor = "multi_thread")]
async fn the_start_says_that_a_token_is_needed() {
    let folder = Folder::new();
    let mut server = Server::start(&folder.0, &[]);
    token(&server, json!({"name": "a", "scopes": ["admin"]})).await;
    server.signal("-TERM");
    assert!(server.ended(Duration::from_secs(20)).success());
    let mut started = Started::new(&folder, &[]);
    let lines = started.lines_until("callers need a token");
    assert!(!lines.iter().any(|line| line.contains("every user of this machine")), "{lines:?}");
}

/// The program as it starts, line by line.
struct Started(Child, std::io::Lines<BufReader<std::process::ChildStdout>>);

impl Started {
    fn new(folder: &Folder, words: &[&str]) -> Self {
        let mut command = Command::new(crate::support::PROGRAM);
        command.arg("serve").args(words).args(["--listen", "127.0.0.1:0"]).current_dir(&folder.0);
        command.env("CRONBOX_INTERPRETER_CACHE", crate::support::interpreter_cache());
        command.env("CRONBOX_SANDBOX_PROCESSES", "1").stdout(Stdio::piped());
        let log = std::fs::File::create(folder.0.join("log-of-start")).expect("a log");
        let mut child = command.stderr(log).spawn().expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Started(child, lines)
    }

    fn lines_until(&mut self, end: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for line in self.1.by_ref() {
            lines.push(line.expect("text"));
            if lines.last().is_some_and(|line| line.contains(end)) {
                return lines;
            }
        }
        panic!("{end:?} is not said: {lines:?}");
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// D2: what comes as it is written says so to a proxy that would gather it.
#[tokio::test(flavor = "multi_thread")]
async fn streams_are_not_gathered() {
    let (_folder, server) = Server::ephemeral();
    server.put("tick", "print(1)").await;
    let run = server.run("tick", &json!({})).await;
    let id = run["id"].as_str().expect("an id");
    for (path, accept) in [("/v1/events", "text/event-stream"), (&*format!("/v1/runs/{id}/events"), "*/*")] {
        let response = get(&server, path, &[("accept", accept), ("accept-encoding", "gzip")]).await;
        assert_eq!(header(&response, "x-accel-buffering"), "no", "{path}");
        assert!(!response.headers().contains_key("content-encoding"), "{path}");
    }
    assert!(!get(&server, "/v1/runs", &[]).await.headers().contains_key("x-accel-buffering"));
}

/// D3: while a node waits for its database it is alive, and says what it waits for.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_its_database_is_alive() {
    let folder = Folder::new();
    let place = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let mut command = Command::new(crate::support::PROGRAM);
    command.args(["serve", "--database", "postgres://nobody@127.0.0.1:1/none", "--listen", &place.to_string()]);
    command.current_dir(&folder.0).env("CRONBOX_INTERPRETER_CACHE", crate::support::interpreter_cache());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::new();
    let healthy = until("an answer", async || client.get(format!("http://{place}/healthz")).send().await.ok()).await;
    assert_eq!(healthy.status(), 200);
    let ready = client.get(format!("http://{place}/readyz")).send().await.expect("answers");
    let (status, ready) = answer(ready).await;
    assert_eq!((status, &ready["ready"]), (503, &json!(false)));
    assert!(ready["parts"]["database"].is_string(), "{ready}");
    // A browser gets the page, which says that the node starts.
    let browse = async |path: &str| {
        let request = client.get(format!("http://{place}{path}")).header("accept", "text/html,*/*;q=0.8");
        request.send().await.expect("answers")
    };
    for path in ["/", "/scripts/prices"] {
        let page = browse(path).await;
        assert_eq!(page.status(), 200, "{path}");
        assert!(page.headers()["content-security-policy"].to_str().expect("text").contains("default-src 'none'"));
        let page = page.text().await.expect("text");
        let (_, script) = page.split_once("src=\"./assets/").or_else(|| page.split_once("src=\"assets/")).expect(&page);
        let script = script.split('"').next().expect("a name");
        assert_eq!(browse(&format!("/assets/{script}")).await.status(), 200, "{script}");
    }
    for path in ["/v1/runs", "/assets/none.js", "/docs"] {
        assert_eq!(browse(path).await.status(), 503, "{path}");
    }
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    assert!(child.wait().expect("ends").success(), "it ends in order while it waits");
}

/// D3: probes answer however many requests there are; what is counted is told while the database is away.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_is_told_without_the_database() {
    let folder = Folder::new();
    let postgres = Cluster::start(false);
    let url = postgres.database();
    let mut server = Server::start(&folder.0, &["--database", &url, "--rate-limit", "1000,20"]);
    let scraper = token(&server, json!({"name": "s", "scopes": ["metrics"]})).await;
    server.token = Some(scraper);
    let metrics = async || {
        let response = get(&server, "/metrics", &[]).await;
        (response.status().as_u16(), response.text().await.expect("text"))
    };
    let (status, text) = metrics().await;
    assert!(status == 200 && text.contains("cronbox_database_up 1"), "{text}");
    for _ in 0..200 {
        assert_eq!(get(&server, "/healthz", &[]).await.status(), 200);
    }
    postgres.down();
    let (status, text) = until("the database is away", async || {
        let (status, text) = metrics().await;
        text.contains("cronbox_database_up 0").then_some((status, text))
    })
    .await;
    assert!(status == 200 && text.contains("process_cpu_seconds_total"), "{text}");
    assert!(!text.contains("cronbox_queue_runs{"), "what only the database knows is not told: {text}");
    server.token = Some("cbx_other".into());
    assert_eq!(get(&server, "/metrics", &[]).await.status(), 503, "who was not known before is not let in");
}

/// D9: a token for what is counted reads no sources.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_metrics_reads_metrics() {
    let (_folder, mut server) = Server::ephemeral();
    server.put("price", "x = 1").await;
    let limited = json!({"name": "l", "scopes": ["metrics"], "scripts": ["price"]});
    let (scraper, limited) = (json!({"name": "s", "scopes": ["metrics"]}), limited);
    let admin = token(&server, json!({"name": "a", "scopes": ["admin"]})).await;
    server.token = Some(admin);
    let (scraper, limited) = (token(&server, scraper).await, token(&server, limited).await);
    server.token = Some(scraper);
    assert_eq!(server.get("/metrics").await.0, 200);
    for path in ["/v1/scripts", "/v1/scripts/price/versions/1/source", "/v1/runs", "/v1/tokens", "/v1/events"] {
        assert_eq!(code(&server.get(path).await), (403, "missing_scope"), "{path}");
    }
    server.token = Some(limited);
    assert_eq!(code(&server.get("/metrics").await), (403, "token_is_limited"));
}

/// D10: the format that is asked for; and what is told of scripts.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_come_in_the_format_that_is_asked_for() {
    let (_folder, server) = Server::ephemeral();
    server.put("price", "def run(n):\n    return 1 / n\n").await;
    server.run("price", &json!({"args": {"n": 1}})).await;
    server.run("price", &json!({"args": {"n": 0}})).await;
    let of_prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    for (accept, is_open) in
        [("*/*", false), ("text/plain", false), ("application/openmetrics-text", true), (of_prometheus, true)]
    {
        let response = get(&server, "/metrics", &[("accept", accept)]).await;
        let kind = header(&response, "content-type").to_owned();
        let text = response.text().await.expect("text");
        assert_eq!((kind.starts_with("application/openmetrics-text"), text.ends_with("# EOF\n")), (is_open, is_open));
        assert!(is_open || kind.starts_with("text/plain; version=0.0.4"), "{kind}");
        let counter = if is_open { "cronbox_script_runs" } else { "cronbox_script_runs_total" };
        for line in [
            &*format!("# TYPE {counter} counter"),
            r#"cronbox_script_runs_total{script="price",outcome="succeeded"} 1"#,
            r#"cronbox_script_runs_total{script="price",outcome="failed"} 1"#,
            r#"cronbox_script_last_success_timestamp_seconds{script="price"} "#,
            "cronbox_scheduler_lag_seconds ",
            "cronbox_build_info{version=",
            "process_resident_memory_bytes ",
            "process_start_time_seconds ",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
    // By Prometheus's own tool.
    let text = get(&server, "/metrics", &[]).await.text().await.expect("text");
    assert_eq!(promtool(&["check", "metrics"], &text), Ok(String::new()));
}

/// D12: a node on its way down takes nothing new, and still stops what runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_goes_down_takes_nothing_new() {
    let folder = Folder::new();
    let mut server = Server::start(&folder.0, &["--drain", "60s"]);
    server.put("sleep", "import time\ndef run(s):\n    time.sleep(s)\n").await;
    let (_, run) = server.post("/v1/scripts/sleep/runs", &json!({"args": {"s": 600}})).await;
    let id = run["id"].as_str().expect("an id").to_owned();
    server.run_when(&id, |run| run["status"] == "running").await;
    server.signal("-TERM");
    until("the node goes down", async || (server.get("/readyz").await.0 == 503).then_some(())).await;
    assert_eq!(get(&server, "/healthz", &[]).await.status(), 200);
    for (path, body) in [
        ("/v1/scripts/sleep/runs", json!({"args": {"s": 0}})),
        ("/v1/runs", json!({"source": "print(1)"})),
        (&*format!("/v1/runs/{id}/retry"), json!({})),
        ("/v1/schedules", json!({"script": "sleep"})),
    ] {
        let request = server.request(Method::POST, path).json(&body);
        let response = request.send().await.expect("answers");
        assert_eq!(header(&response, "retry-after"), "1", "{path}");
        assert_eq!(code(&answer(response).await), (503, "going_down"), "{path}");
    }
    assert_eq!(code(&server.put("new", "x = 1").await), (503, "going_down"));
    assert_eq!(server.get("/v1/runs").await.0, 200);
    assert!(server.post(&format!("/v1/runs/{id}/cancel"), &json!({})).await.0 < 300);
    assert!(server.ended(Duration::from_secs(30)).success());
    server.up();
    let (_, page) = server.get("/v1/runs").await;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "nothing was taken: {page}");
}

/// D17: below a path of a proxy's, whether the proxy drops it or passes it on.
#[tokio::test(flavor = "multi_thread")]
async fn everything_is_below_the_base_path() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral", "--base-path", "/cronbox/"]);
    let root = server.url.strip_suffix("/cronbox").expect("the start says where it is").to_owned();
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    for base in [format!("{root}/cronbox"), root.clone()] {
        let docs = client.get(format!("{base}/docs/api")).send().await.expect("answers");
        assert_eq!(header(&docs, "location"), "/cronbox/docs/api/index.html");
        let old = client.get(format!("{base}/docs/index.html")).send().await.expect("answers");
        assert_eq!(header(&old, "location"), "/cronbox/docs/api/index.html");
        let made = client.post(format!("{base}/v1/scripts?name=price")).body("print(1)").send().await.expect("answers");
        assert_eq!(header(&made, "location"), "/cronbox/v1/scripts/price");
        let run = client.post(format!("{base}/v1/scripts/price/runs")).send().await.expect("answers");
        assert!(header(&run, "location").starts_with("/cronbox/v1/runs/"), "{run:?}");
        let script = client.get(format!("{base}/docs/api/swagger-initializer.js")).send().await.expect("answers");
        assert!(script.text().await.expect("text").contains("\"/cronbox/openapi.json\""));
        let (_, document) = answer(client.get(format!("{base}/openapi.json")).send().await.expect("answers")).await;
        assert_eq!(document["servers"][0]["url"], "/cronbox");
    }
    let elsewhere = client.get(format!("{root}/cronboxes/healthz")).send().await.expect("answers");
    assert_eq!(elsewhere.status(), 404);
    // The command line finds it there.
    let (status, said, why) = server.cronbox(&["scripts"]);
    assert!(status == Some(0) && said.contains("price"), "{said}{why}");
    for bad in ["cronbox", "/a b", "/../x"] {
        let (_, said) = Server::refused(&folder.0, &["--ephemeral", "--base-path", bad], &[]);
        assert!(said.contains("--base-path"), "{said}");
    }
}

/// D18: with a log of JSON every line of the start is JSON too, on both streams.
#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_said_is_json() {
    let folder = Folder::new();
    let mut started = Started::new(&folder, &["--log-format", "json", "--data-dir", "data"]);
    let lines = started.lines_until("every user of this machine");
    let mut all = lines.join("\n");
    let sent = Command::new("kill").args(["-TERM", &started.0.id().to_string()]).status().expect("kill");
    assert!(sent.success() && started.0.wait().expect("ends").success());
    all.push('\n');
    all.push_str(&std::fs::read_to_string(folder.0.join("log-of-start")).expect("a log"));
    for line in all.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}"));
        assert!(value["timestamp"].is_string() && value["level"].is_string() && value["message"].is_string(), "{line}");
    }
    assert!(all.contains("going down when what runs has ended"), "{all}");
}

/// D18: what PostgreSQL says beside its answers is nothing for the log of every day.
#[tokio::test(flavor = "multi_thread")]
async fn notices_of_the_database_are_not_logged() {
    let folder = Folder::new();
    let postgres = Cluster::start(false);
    let mut server = Server::start(&folder.0, &["--database", &postgres.database()]);
    server.kill();
    server.up();
    assert!(!server.log().contains("already exists"), "{}", server.log());
}

/// D21: a script source that cannot be looked through is named to who may know it.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_away_is_named() {
    let folder = Folder::new();
    let bucket = Bucket::start(&folder.0).await;
    let env = bucket.env();
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let words = ["--ephemeral", "--script-source", "s3://jobs/scripts,s3://nowhere/else"];
    let mut server = Server::start_with(&folder.0, &words, &env);
    let warnings = async |server: &Server| {
        let (status, ready) = server.get("/readyz").await;
        assert_eq!((status, &ready["ready"]), (200, &json!(true)), "it works all the same: {ready}");
        ready["warnings"].as_array().expect("warnings").iter().map(|text| text.to_string()).collect::<Vec<_>>()
    };
    let named = until("a warning", async || Some(warnings(&server).await).filter(|found| !found.is_empty())).await;
    assert!(named.len() == 1 && named[0].contains("the script source s3://nowhere/else cannot be"), "{named:?}");
    let admin = token(&server, json!({"name": "a", "scopes": ["admin"]})).await;
    let nameless = warnings(&server).await;
    assert!(nameless[0].contains("a script source cannot be") && !nameless[0].contains("s3://"), "{nameless:?}");
    server.token = Some(admin);
    assert!(warnings(&server).await[0].contains("s3://nowhere/else"));
}

/// A node that starts while its disk is full is alive, says why it does nothing, and goes on by itself when there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_on_a_full_disk() {
    let folder = Folder::new();
    let mut seed = Server::start(&folder.0, &["--data-dir", "seed/data"]);
    seed.put("one", "def run():\n    return 1\n").await;
    seed.signal("-TERM");
    assert!(seed.ended(Duration::from_secs(30)).success());
    let disk = folder.0.join("disk");
    std::fs::create_dir_all(&disk).expect("a folder");
    let disk = disk.to_str().expect("text");
    let mount = "mount -t tmpfs -o size=32m none \"$0\" && cp -a seed/data \"$0\" && { cat /dev/zero > \"$0/filler\"; exec \"$@\"; }";
    let place = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", mount, disk, crate::support::PROGRAM, "serve", "--listen", &place.to_string()]);
    command.args(["--data-dir", &format!("{disk}/data")]).current_dir(&folder.0);
    command.env("CRONBOX_INTERPRETER_CACHE", crate::support::interpreter_cache());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let client = Client::new();
    let get = async |path: &str| client.get(format!("http://{place}{path}")).send().await.ok();
    let healthy = until("an answer", async || get("/healthz").await).await;
    assert_eq!(healthy.status(), 200);
    let (status, ready) = answer(get("/readyz").await.expect("answers")).await;
    assert_eq!((status, &ready["ready"]), (503, &json!(false)), "{ready}");
    assert!(ready.to_string().contains("full"), "{ready}");
    std::fs::remove_file(format!("/proc/{}/root{disk}/filler", child.id())).expect("removes");
    until("the node is ready", async || get("/readyz").await.filter(|answer| answer.status() == 200)).await;
    let run = client.post(format!("http://{place}/v1/scripts/one/runs?wait=30s")).send().await.expect("answers");
    assert_eq!(answer(run).await.1["result"], 1);
    child.kill().expect("ends");
    child.wait().expect("ended");
}

/// D11: who waits for a run is answered as soon as its end cannot be kept, and the node is not ready then.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_that_the_disk_is_full() {
    let folder = Folder::new();
    let disk = folder.0.join("disk");
    std::fs::create_dir_all(&disk).expect("a folder");
    let mount = "mount -t tmpfs -o size=32m none \"$0\" && exec \"$@\"";
    let disk = disk.to_str().expect("text");
    let words = ["--data-dir", &format!("{disk}/data")];
    let server = Server::start_through(&["unshare", "-rm", "sh", "-c", mount, disk], &folder.0, &words);
    let source = "import time\ndef run(s):\n    time.sleep(s)\n    return 'x' * 900_000\n";
    server.put("slow", source).await;
    let waiting = server.request(Method::POST, "/v1/scripts/slow/runs?wait=120s").json(&json!({"args": {"s": 3}}));
    let waiting = tokio::spawn(waiting.send());
    let id = until("the run", async || {
        let (_, page) = server.get("/v1/runs?status=running").await;
        page["items"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    let began = Instant::now();
    let filler = format!("/proc/{}/root{disk}/filler", server.pid());
    let mut file = std::fs::File::create(&filler).expect("a file");
    while file.write_all(&[7; 4096]).is_ok() {}
    let response = waiting.await.expect("ends").expect("answers");
    assert!(began.elapsed() < Duration::from_secs(30), "at once, and not when the waiting ends");
    assert_eq!(header(&response, "location"), format!("/v1/runs/{id}"));
    let told = answer(response).await;
    assert_eq!(code(&told), (503, "disk_full"), "{}", told.1);
    let later = server.get(&format!("/v1/runs/{id}?wait=60s")).await;
    assert_eq!(code(&later), (503, "disk_full"), "{}", later.1);
    let (status, ready) = server.get("/readyz").await;
    assert_eq!((status, &ready["ready"]), (503, &json!(false)), "{ready}");
    assert!(ready["parts"].to_string().contains("full"), "{ready}");
    // There is room again: the run is what it was to be, and the node is ready.
    drop(file);
    std::fs::remove_file(&filler).expect("removes");
    let run = server.run_when(&id, |run| run["finished_at"].is_string()).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    until("the node is ready", async || (server.get("/readyz").await.0 == 200).then_some(())).await;
}
