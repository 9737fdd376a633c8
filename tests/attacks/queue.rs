//! Who fills the queue waits himself: backfills, chains, priorities, and texts and paths that a database does not keep.

use crate::support::alone;
use crate::support::postgres::cluster;
use crate::support::server::{Folder, Server};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}

fn ago(seconds: i64) -> String {
    (chrono::Utc::now() - chrono::TimeDelta::seconds(seconds)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A script, and a paused schedule of it that has a fire time each second.
async fn with_schedule(server: &Server) {
    assert_eq!(server.put("mine", "def run(): return 1\n").await.0, 201);
    let every_second = json!({"script": "mine", "trigger": {"type": "cron", "second": "*"}, "paused": true});
    let made = server.json(server.request(Method::PUT, "/v1/schedules/bf").json(&every_second)).await;
    assert_eq!(made.0, 201, "{made:?}");
}

/// The fire times of the schedule's runs, each as often as it has one.
async fn fire_times(server: &Server, query: &str) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = server.get(&format!("/v1/runs?schedule=bf&limit=500{query}{cursor}")).await;
        let items = page["items"].as_array().expect("items");
        all.extend(items.iter().map(|run| run["fire_time"].as_str().expect("a time").to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// How many runs there are, by status, of those that meet a query.
async fn counts(server: &Server, query: &str) -> std::collections::BTreeMap<String, u64> {
    let (status, body) = server.get(&format!("/v1/runs/counts?{query}")).await;
    assert_eq!(status, 200, "{body}");
    let mut all = std::collections::BTreeMap::new();
    for slot in body["items"].as_array().expect("items") {
        for (status, count) in slot["by_status"].as_object().expect("counts") {
            *all.entry(status.clone()).or_insert(0) += count.as_u64().expect("a number");
        }
    }
    all
}

/// How long so many runs of another script take, one after another: the median and the longest.
async fn honest(server: &Server, runs: usize) -> (Duration, Duration) {
    let mut times = Vec::new();
    for _ in 0..runs {
        let begun = Instant::now();
        assert_eq!(server.run("other", &json!({})).await["status"], "succeeded");
        times.push(begun.elapsed());
    }
    times.sort();
    (times[runs / 2], times[runs - 1])
}

/// Three backfills as large as they may be: whoever else runs something hardly notices, and they are done soon.
#[tokio::test(flavor = "multi_thread")]
async fn three_backfills_delay_nobody() {
    let _machine = alone().await;
    three_backfills(&[]).await;
    three_backfills(&["--database", &cluster().database()]).await;
}

async fn three_backfills(words: &[&str]) {
    let folder = Folder::new();
    let server = Server::start(&folder.0, words);
    with_schedule(&server).await;
    assert_eq!(server.put("other", "def run(): return 2\n").await.0, 201);
    let (before, _) = honest(&server, 40).await;
    let begun = Instant::now();
    for n in 0..3 {
        let range = json!({"from": ago(990 * (n + 1)), "until": ago(990 * n + 1), "which": "all"});
        let (status, made) = server.post("/v1/schedules/bf/backfill", &range).await;
        assert_eq!(status, 201, "{made}");
        assert!(made["runs"].as_array().expect("runs").len() >= 985);
    }
    let made_in = begun.elapsed();
    let (during, longest) = honest(&server, 60).await;
    let done = counts(&server, "cause=backfill").await["succeeded"];
    let rate = done as f64 / begun.elapsed().as_secs_f64();
    // What a run costs while they wait, whose fair share of one process is a fourth: not what it costs to look at all that wait.
    let figures = format!(
        "{before:?} alone; made in {made_in:?}; {during:?} beside them, {longest:?} at most; {rate:.0} a second"
    );
    assert!(during < before * 4 + Duration::from_millis(50) && rate > 20.0, "{figures}");
    let deadline = Instant::now() + Duration::from_secs(200);
    loop {
        let all = counts(&server, "cause=backfill").await;
        if all.len() == 1 && all.contains_key("succeeded") {
            break;
        }
        assert!(Instant::now() < deadline, "{all:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_fits_into_the_queue_or_is_refused() {
    let folder = Folder::new();
    // Nothing is run here: what waits goes on waiting.
    let server = Server::start(&folder.0, &["--max-queued", "100", "--roles", "api"]);
    with_schedule(&server).await;
    let (from, until) = (ago(300), ago(1));
    let refused = server.post("/v1/schedules/bf/backfill", &json!({"from": from, "until": until})).await;
    assert_eq!(code(&refused), (429, "queue_full"));
    let detail = refused.1["detail"].as_str().expect("text");
    assert!(detail.contains("0 runs are waiting, of at most 100 (--max-queued)"), "{detail}");
    assert_eq!(fire_times(&server, "").await.len(), 0, "all or none");
    let last = detail.split("100 more fit: to ask for these, set until to ").nth(1).expect("how");
    let (status, made) = server.post("/v1/schedules/bf/backfill", &json!({"from": from, "until": last})).await;
    assert_eq!((status, made["runs"].as_array().map(Vec::len)), (201, Some(100)), "{made}");
    let refused = server.post("/v1/scripts/mine/runs", &json!({})).await;
    assert_eq!(code(&refused), (429, "queue_full"));
    let refused = server.post("/v1/schedules/bf/backfill", &json!({"from": from, "until": until})).await;
    assert_eq!(code(&refused), (429, "queue_full"));
    assert!(refused.1["detail"].as_str().expect("text").contains("100 runs are waiting"), "{refused:?}");
}

/// A client that hangs up changes nothing; a server that dies in the middle leaves what the same request completes.
#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_is_interrupted_is_completed() {
    let folder = Folder::new();
    let mut server = Server::start(&folder.0, &["--roles", "api"]);
    with_schedule(&server).await;
    let body = json!({"from": ago(600), "until": ago(1)}).to_string();
    let address = server.url.trim_start_matches("http://").to_owned();
    let head = format!(
        "POST /v1/schedules/bf/backfill HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let hang_up_when_some_are_there = async |server: &Server, least: usize| {
        let mut client = TcpStream::connect(&address_of(server)).await.expect("connects");
        client.write_all(head.replace(&address, &address_of(server)).as_bytes()).await.expect("sends");
        let deadline = Instant::now() + Duration::from_secs(60);
        while fire_times(server, "").await.len() < least {
            assert!(Instant::now() < deadline, "{}", server.log());
        }
    };
    hang_up_when_some_are_there(&server, 1).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while fire_times(&server, "").await.len() < 600 {
        assert!(Instant::now() < deadline, "{}", server.log());
    }
    // Again, and the server dies.
    let all = json!({"script": "mine", "trigger": {"type": "cron", "second": "*"}, "paused": true});
    assert_eq!(server.json(server.request(Method::DELETE, "/v1/schedules/bf")).await.0, 204);
    assert_eq!(server.json(server.request(Method::DELETE, "/v1/scripts/mine")).await.0, 204);
    assert_eq!(server.put("mine", "def run(): return 1\n").await.0, 201);
    assert_eq!(server.json(server.request(Method::PUT, "/v1/schedules/bf").json(&all)).await.0, 201);
    hang_up_when_some_are_there(&server, 601).await;
    server.kill();
    server.up();
    let (status, made) = server.post("/v1/schedules/bf/backfill", &serde_json::from_str(&body).expect("JSON")).await;
    assert!(status == 201 || status == 200, "{made}");
    let (_, page) = server.get("/v1/runs?schedule=bf&status=queued&limit=500").await;
    assert!(page["items"].as_array().is_some_and(|items| !items.is_empty()));
    let queued = fire_times(&server, "&status=queued").await;
    let distinct: BTreeSet<&String> = queued.iter().collect();
    assert_eq!((queued.len(), distinct.len()), (600, 600), "each once");
}

fn address_of(server: &Server) -> String {
    server.url.trim_start_matches("http://").to_owned()
}

/// Who may start runs, and no more, does not go before others.
#[tokio::test(flavor = "multi_thread")]
async fn a_priority_above_the_default_wants_a_scope() {
    let folder = Folder::new();
    let mut server = Server::start(&folder.0, &["--ephemeral"]);
    with_schedule(&server).await;
    let run = |priority: i64| json!({"priority": priority});
    // The local user may, on a server without tokens.
    let (_, urgent) = server.post("/v1/scripts/mine/runs?wait=60s", &run(100)).await;
    assert_eq!(urgent["priority"], 100);
    let (status, admin) = server.post("/v1/tokens", &json!({"name": "admin", "scopes": ["admin"]})).await;
    assert_eq!(status, 201, "{admin}");
    let token = |body: &Value| body["token"].as_str().map(str::to_owned);
    server.token = token(&admin);
    let scopes = json!({"name": "runner", "scopes": ["read", "run", "write", "exec"]});
    let (_, runner) = server.post("/v1/tokens", &scopes).await;
    let scopes = json!({"name": "granter", "scopes": ["read", "run", "write", "grant"]});
    let (_, granter) = server.post("/v1/tokens", &scopes).await;
    let schedule = json!({"script": "mine", "trigger": "every 1h", "priority": 5, "paused": true});
    let source = "# /// script\n# [tool.cronbox]\n# schedule = \"every 1h\"\n# ///\ndef run(): return 1\n";
    let eager = source.replace("schedule = \"every 1h\"", "schedules = [{trigger = \"every 1h\", priority = 5}]");
    let backfill = json!({"from": ago(3), "until": ago(1), "priority": 1});
    let ask = async |server: &Server| {
        vec![
            server.post("/v1/scripts/mine/runs?wait=60s", &run(1)).await,
            server.post("/v1/schedules/bf/backfill", &backfill).await,
            server.json(server.request(Method::PUT, "/v1/schedules/eager").json(&schedule)).await,
            server.json(server.request(Method::PATCH, "/v1/schedules/bf").json(&run(1))).await,
            server.put("eager-itself", &eager).await,
        ]
    };
    server.token = token(&runner);
    let refused = ask(&server).await;
    for answer in &refused {
        assert_eq!(code(answer), (403, "missing_scope"), "{answer:?}");
        assert!(answer.1["detail"].as_str().is_some_and(|detail| detail.contains("scope grant")), "{answer:?}");
    }
    let refused = server.post("/v1/runs", &json!({"source": "1", "priority": 1})).await;
    assert_eq!(code(&refused), (403, "missing_scope"));
    assert_eq!(server.post("/v1/scripts/mine/runs?wait=60s", &run(-100)).await.0, 200);
    assert_eq!(server.post("/v1/scripts/mine/runs?wait=60s", &run(0)).await.0, 200);
    // What somebody else was allowed is not allowed to whoever runs it again.
    let again = format!("/v1/runs/{}/retry?wait=60s", urgent["id"].as_str().expect("an id"));
    assert_eq!(server.post(&again, &json!({})).await.1["priority"], 0);
    server.token = token(&granter);
    for answer in ask(&server).await {
        assert!(answer.0 == 200 || answer.0 == 201, "{answer:?}");
    }
    // What has it keeps it when something else is changed, and can have less.
    server.token = token(&runner);
    let change = |body: Value| server.request(Method::PATCH, "/v1/schedules/eager").json(&body);
    let (status, changed) = server.json(change(json!({"title": "T"}))).await;
    assert_eq!((status, &changed["settings"]["priority"]), (200, &json!(5)), "{changed}");
    assert_eq!(server.json(change(run(4))).await.0, 200);
    assert_eq!(code(&server.json(change(run(5))).await), (403, "missing_scope"));
}

/// A path that no index of PostgreSQL's holds, chosen by the script.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_path_is_no_reason_to_be_recorded_for_ever() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--database", &cluster().database()]);
    let source = "import os
def run(levels):
    path = '/output'
    for _ in range(levels):
        path += '/' + os.urandom(120).hex()
        os.mkdir(path)
        os.chdir(path)
    for name in 'ab':
        with open(name, 'w') as file:
            file.write('x')
    return 'ok'
";
    assert_eq!(server.put("long", source).await.0, 201);
    assert_eq!(server.put("tiny", "def run(): return 1\n").await.0, 201);
    let run = server.run("long", &json!({"args": {"levels": 14}})).await;
    assert_eq!((&run["status"], &run["result"]), (&json!("succeeded"), &json!("ok")), "{run}");
    let note = "2 files under /output not kept: a path has at most 1024 bytes; the first begins";
    let notes = run["notes"].as_array().expect("notes");
    assert!(notes.iter().any(|text| text.as_str().is_some_and(|text| text.starts_with(note))), "{run}");
    let files = |run: &Value| format!("/v1/runs/{}/files", run["id"].as_str().expect("an id"));
    assert_eq!(server.get(&files(&run)).await.1["items"], json!([]));
    // The longest that is kept: 4 × 241 bytes and two more.
    let run = server.run("long", &json!({"args": {"levels": 4}})).await;
    let (_, kept) = server.get(&files(&run)).await;
    assert_eq!(kept["items"].as_array().map(Vec::len), Some(2), "{kept}");
    assert_eq!(server.run("tiny", &json!({})).await["status"], "succeeded");
}

/// U+0000 wherever a request can put it: never a mistake of the server's.
#[tokio::test(flavor = "multi_thread")]
async fn text_that_cannot_be_kept_is_refused() {
    for database in [Some(cluster().database()), None] {
        let folder = Folder::new();
        let words: Vec<&str> = database.iter().flat_map(|url| ["--database", url.as_str()]).collect();
        let server = Server::start(&folder.0, &words);
        assert_eq!(server.put("one", "def run(): return 1\n").await.0, 201);
        for (method, path) in [
            (Method::GET, "/v1/runs?label=a%00=b"),
            (Method::GET, "/v1/runs?schedule=a%00"),
            (Method::GET, "/v1/runs?error_contains=a%00"),
            (Method::GET, "/v1/runs?cursor=a%00"),
            (Method::GET, "/v1/runs/counts?schedule=a%00"),
            (Method::GET, "/v1/runs/a%00"),
            (Method::GET, "/v1/runs/a%00/output/stdout"),
            (Method::GET, "/v1/runs/a%00/files/b%00"),
            (Method::POST, "/v1/runs/a%00/cancel"),
            (Method::GET, "/v1/scripts?cursor=a%00"),
            (Method::GET, "/v1/scripts?label=a%00=b"),
            (Method::GET, "/v1/scripts/a%00"),
            (Method::GET, "/v1/schedules?cursor=a%00"),
            (Method::GET, "/v1/schedules/a%00"),
            (Method::GET, "/v1/secrets/a%00"),
            (Method::DELETE, "/v1/secrets/a%00"),
            (Method::DELETE, "/v1/tokens/a%00"),
            (Method::DELETE, "/v1/grants/one/host/a%00"),
            (Method::DELETE, "/v1/grants/one/secret/a%00"),
            (Method::GET, "/v1/events?schedule=a%00"),
        ] {
            let response = server.request(method.clone(), path).send().await.expect("answers");
            assert!(response.status().as_u16() < 500, "{method} {path}: {}", response.status());
        }
        assert_eq!(code(&server.get("/v1/runs?label=a%00=b").await), (400, "bad_text"));
        assert_eq!(code(&server.get("/v1/secrets/a%00").await), (400, "bad_text"));
        for (path, body) in [
            ("/v1/tokens", json!({"name": "a\0", "scopes": ["read"]})),
            ("/v1/scripts/one/runs", json!({"labels": {"a\0": "b"}})),
            ("/v1/scripts/one/runs?wait=60s", json!({"args": {"n\0": "\0"}})),
            ("/v1/schedules", json!({"script": "one", "trigger": "every 1h", "title": "a\0", "args": {"a\0": "\0"}})),
            ("/v1/schedules", json!({"script": "one", "trigger": "every 1h", "entry": "a\0"})),
            ("/v1/runs?wait=60s", json!({"source": "print('a\0')", "name": "a\0"})),
        ] {
            let (status, answer) = server.post(path, &body).await;
            assert!(status < 500, "{path} {body}: {answer}");
        }
        assert_eq!(server.run("one", &json!({})).await["status"], "succeeded");
    }
}

/// Five levels of eight schedules that follow one another: one request asks for 37,448 runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_has_a_bound() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    for level in 0..=5 {
        assert_eq!(server.put(&format!("l{level}"), "def run(): return 1\n").await.0, 201);
    }
    assert_eq!(server.put("other", "def run(): return 1\n").await.0, 201);
    for level in 1..=5 {
        for n in 0..8 {
            let follows =
                json!({"script": format!("l{level}"), "trigger": format!("after l{}", level - 1), "overlap": "allow"});
            let path = format!("/v1/schedules/s{level}-{n}");
            assert_eq!(server.json(server.request(Method::PUT, &path).json(&follows)).await.0, 201);
        }
    }
    server.run("l0", &json!({})).await;
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let all = counts(&server, "cause=chain").await;
        let (succeeded, rows) = (all.get("succeeded").copied().unwrap_or(0), all.values().sum::<u64>());
        assert!(rows <= 2_000, "{all:?}");
        if (succeeded, rows) == (1_000, 2_000) {
            break;
        }
        assert!(Instant::now() < deadline, "{all:?}\n{}", server.log());
        honest(&server, 1).await;
    }
    let (_, skipped) = server.get("/v1/runs?cause=chain&status=skipped&limit=1").await;
    assert_eq!(skipped["items"][0]["reason"], "chain_limit");
    honest(&server, 20).await;
    assert_eq!(counts(&server, "cause=chain").await.values().sum::<u64>(), 2_000);
}
