//! The feed of events, as those who read it meet it.

use crate::support::postgres::{binary, cluster};
use crate::support::server::{Folder, Server};
use crate::support::wait::until;
use cronbox::event::EventPosition;
use cronbox::store::{self, Store};
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Events as they come.
struct Followed {
    stream: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    waiting: String,
}

impl Followed {
    async fn begin(server: &Server, query: &str, last: Option<&str>) -> Self {
        let mut request =
            server.request(Method::GET, &format!("/v1/events{query}")).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.expect("answers");
        assert_eq!(
            (response.status().as_u16(), response.headers()["content-type"].to_str().expect("text")),
            (200, "text/event-stream")
        );
        Followed { stream: response.bytes_stream().boxed(), waiting: String::new() }
    }

    /// The next event; none when the server ended the answer.
    async fn next(&mut self) -> Option<Value> {
        // Of the whole: what keeps a connection alive comes every 15 seconds.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            if let Some((event, rest)) = self.waiting.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let (name, id, data) = (field("event:"), field("id:"), field("data:"));
                let told = data.map(|data| serde_json::from_str::<Value>(data).expect("JSON"));
                if let Some(told) = &told {
                    assert_eq!((told["type"].as_str(), told["id"].as_str()), (name, id));
                }
                self.waiting = rest.to_owned();
                match told {
                    Some(told) => return Some(told),
                    None => continue,
                }
            }
            let piece = tokio::time::timeout_at(deadline, self.stream.next()).await.expect("comes in time")?;
            self.waiting.push_str(std::str::from_utf8(&piece.ok()?).expect("UTF-8"));
        }
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().expect("a type")).collect()
}

/// All events from a cursor on, page by page.
async fn pages(server: &Server, query: &str, limit: usize) -> (Vec<Value>, String) {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let from = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let (status, page) = server.get(&format!("/v1/events?limit={limit}{query}{from}")).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= limit);
        all.extend(items.iter().cloned());
        if page["next_cursor"].is_null() {
            return (all, page["cursor"].as_str().expect("a cursor").to_owned());
        }
        assert_eq!(page["next_cursor"], page["cursor"]);
        cursor = page["cursor"].as_str().map(str::to_owned);
    }
}

/// What a script that succeeds, one that fails, and the life of a schedule make of events; after them comes the schedule's
/// first run.
const HAPPENED: [&str; 7] = [
    "run_succeeded",
    "run_failed",
    "schedule_created",
    "schedule_changed",
    "schedule_paused",
    "schedule_resumed",
    "schedule_deleted",
];

/// A server on which all of that has happened: with the two runs, and with the events as a follower heard them, the
/// schedule's first run apart.
async fn with_events() -> (Folder, Server, [Value; 2], Vec<Value>, Value) {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    server.put("Good", "def run():\n    return 1\n").await;
    server.put("bad", "def run():\n    raise ValueError('no')\n").await;
    let mut follower = Followed::begin(&server, "", None).await;
    let runs = [server.run("good", &json!({})).await, server.run("bad", &json!({})).await];
    let schedule = |body: Value| server.json(server.request(Method::PUT, "/v1/schedules/S").json(&body));
    assert_eq!(schedule(json!({"script": "good", "trigger": "every 1h"})).await.0, 201);
    // The interval's first fire time is its start.
    let mut told = Vec::new();
    while told.len() < 4 {
        told.push(follower.next().await.expect("goes on"));
    }
    let fired = told.pop().expect("the last one");
    // The same again is no change; a title is one.
    assert_eq!(schedule(json!({"script": "good", "trigger": "every 1h"})).await.0, 200);
    assert_eq!(schedule(json!({"script": "good", "trigger": "every 1h", "title": "T"})).await.0, 200);
    for verb in ["pause", "resume"] {
        assert_eq!(server.post(&format!("/v1/schedules/S/{verb}"), &json!({})).await.0, 200);
    }
    assert_eq!(server.json(server.request(Method::DELETE, "/v1/schedules/S")).await.0, 204);
    while told.len() < HAPPENED.len() {
        told.push(follower.next().await.expect("goes on"));
    }
    (folder, server, runs, told, fired)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_in_order() {
    let (_folder, _server, [good, bad], told, fired) = with_events().await;
    assert_eq!(types(&told), HAPPENED);
    assert_eq!((&told[0]["run"], &told[0]["script"], &told[0]["error"]), (&good["id"], &json!("Good"), &Value::Null));
    assert_eq!((&told[1]["run"], &told[1]["error"]), (&bad["id"], &json!({"type": "ValueError", "message": "no"})));
    assert!(told[2..].iter().all(|event| event["schedule"] == "S"), "{told:?}");
    assert_eq!(
        (&fired["type"], &fired["cause"], &fired["schedule"], &fired["script"]),
        (&json!("run_succeeded"), &json!("fire"), &json!("S"), &json!("Good"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_size_and_filters_show_the_same_events() {
    let (_folder, server, ..) = with_events().await;
    let (all, end) = pages(&server, "", 3).await;
    assert_eq!(all.len(), HAPPENED.len() + 1);
    assert_eq!(all, pages(&server, "", 1000).await.0);
    assert_eq!(pages(&server, &format!("&cursor={end}"), 3).await.0, Vec::<Value>::new());
    assert_eq!(
        types(&pages(&server, "&type=run_failed,schedule_paused", 1).await.0),
        ["run_failed", "schedule_paused"]
    );
    assert_eq!(pages(&server, "&script=bad", 5).await.0.len(), 1);
    assert_eq!(pages(&server, "&schedule=s", 2).await.0.len(), HAPPENED.len() - 1);
    assert_eq!(pages(&server, "&since=1h", 2).await.0.len(), HAPPENED.len() + 1);
    assert_eq!(pages(&server, "&since=0s", 2).await.0.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_goes_on_where_its_connection_broke_and_does_not_hold_up_the_end() {
    let (_folder, mut server, ..) = with_events().await;
    let (all, _) = pages(&server, "", 1000).await;
    let mut rest = Followed::begin(&server, "?type=schedule_deleted,schedule_paused", all[1]["id"].as_str()).await;
    assert_eq!(rest.next().await.expect("told")["type"], "schedule_paused");
    assert_eq!(rest.next().await.expect("told")["type"], "schedule_deleted");
    server.signal("-TERM");
    assert!(server.ended(Duration::from_secs(4)).success(), "{}", server.log());
    assert!(rest.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_for_events_that_cannot_be_meant_are_refused() {
    let (_folder, server) = Server::ephemeral();
    for (query, wanted) in [
        ("?type=run_faild", (400, "bad_parameter")),
        ("?cursor=abc", (400, "bad_cursor")),
        ("?cursor=0-999999", (410, "events_gone")),
        ("?limit=0", (400, "bad_parameter")),
        ("?typ=x", (400, "unknown_parameter")),
    ] {
        let (status, problem) = server.get(&format!("/v1/events{query}")).await;
        assert_eq!((status, problem["code"].as_str().expect("a code")), wanted, "{problem}");
    }
    let (_, problem) = server.get("/v1/events?type=run_faild").await;
    assert!(problem["detail"].as_str().expect("text").contains("did you mean run_failed?"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_reader_hears_of_its_scripts_only() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    for name in ["mine", "other"] {
        server.put(name, "def run():\n    return 1\n").await;
        server.run(name, &json!({})).await;
    }
    server.json(server.request(Method::POST, "/v1/runs").json(&json!({"source": "print(1)"}))).await;
    let (_, token) = server.post("/v1/tokens", &json!({"name": "t", "scopes": ["read"], "scripts": ["mine"]})).await;
    let secret = token["token"].as_str().expect("a token");
    let ask = server.request(Method::GET, "/v1/events").bearer_auth(secret);
    let (status, page) = server.json(ask).await;
    assert_eq!(status, 200, "{page}");
    let scripts: Vec<&Value> = page["items"].as_array().expect("items").iter().map(|event| &event["script"]).collect();
    assert_eq!(scripts, [&json!("mine")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_tells_what_happened() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    server.put("bad", "def run():\n    raise ValueError('no')\n").await;
    server.run("bad", &json!({})).await;
    let (status, said, why) = server.cronbox(&["events", "--type", "run_failed"]);
    assert!(status == Some(0) && said.contains("run_failed") && said.contains("ValueError: no"), "{said}{why}");
    let (_, said, _) = server.cronbox(&["events", "--json"]);
    let page: Value = serde_json::from_str(&said).expect("one document");
    assert_eq!((page["items"].as_array().expect("items").len(), &page["next_cursor"]), (1, &Value::Null));
    let after = page["cursor"].as_str().expect("a cursor");
    let (_, said, _) = server.cronbox(&["events", "--json", "--after", after]);
    assert_eq!(serde_json::from_str::<Value>(&said).expect("JSON")["items"], json!([]));
    let (status, _, why) = server.cronbox(&["events", "--type", "failed"]);
    assert!(status == Some(2) && why.contains("there are run_succeeded"), "{why}");
    let mut follow = Command::new(crate::support::PROGRAM)
        .args(["events", "--follow", "--json", "--since", "1h", "--url", &server.url])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(follow.stdout.take().expect("piped")).lines();
    let line = lines.next().expect("a line").expect("text");
    assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON")["type"], "run_failed");
    server.run("bad", &json!({})).await;
    let line = lines.next().expect("a line").expect("text");
    assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON")["type"], "run_failed");
    follow.kill().expect("ends");
    follow.wait().expect("ended");
    // One that comes after another has followed hears of what was before, too.
    for _ in 0..3 {
        let mut follow = Command::new(crate::support::PROGRAM)
            .args(["events", "--follow", "--since", "1h", "--url", &server.url])
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let line = BufReader::new(follow.stdout.take().expect("piped")).lines().next().expect("a line").expect("text");
        assert!(line.contains("run_failed") && line.contains("bad"), "{line}");
        follow.kill().expect("ends");
        follow.wait().expect("ended");
    }
}

/// Everything that can be read by now.
async fn all(store: &Store) -> Vec<String> {
    let mut place = store.oldest_event().await.expect("asks");
    let mut all = Vec::new();
    loop {
        let some = store.events(place).await.expect("reads").expect("is kept");
        let Some(last) = some.last() else { return all };
        place = last.place;
        all.extend(some.into_iter().map(|event| event.type_name));
    }
}

/// Waits until so many events can be read: other tests' transactions may be open.
async fn all_when(store: &Store, count: usize) -> Vec<String> {
    until("the events can be read", async || Some(all(store).await).filter(|found| found.len() >= count)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_stays_open_is_waited_for() {
    let url = cluster().database();
    let store = Store::open(&store::DatabaseUrl::Postgres(url.clone())).await.expect("opens");
    let now = cronbox::clock::from_micros(0);
    let mut slow = Command::new(binary("psql"))
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("psql starts");
    let mut to = slow.stdin.take().expect("piped");
    let mut from = BufReader::new(slow.stdout.take().expect("piped")).lines();
    writeln!(to, "BEGIN; INSERT INTO events (at, type) VALUES (0, 'schedule_created');\n\\echo open").expect("writes");
    assert_eq!(from.next().expect("a line").expect("text"), "open");
    // Written later, and on disk earlier.
    store.pause_scheduler(now).await.expect("pauses");
    let place = store.newest_event(None).await.expect("asks");
    assert_eq!(place, EventPosition::default());
    assert_eq!(all(&store).await, Vec::<String>::new());
    writeln!(to, "COMMIT;\n\\echo closed").expect("writes");
    assert_eq!(from.next().expect("a line").expect("text"), "closed");
    assert_eq!(all_when(&store, 2).await, ["schedule_created", "scheduler_paused"]);
    drop(to);
    slow.wait().expect("ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_on_another_cluster_goes_on_where_it_was() {
    let url = cluster().database();
    let place = store::DatabaseUrl::Postgres(url.clone());
    let now = cronbox::clock::from_micros(0);
    let store = Store::open(&place).await.expect("opens");
    store.pause_scheduler(now).await.expect("pauses");
    assert_eq!(all_when(&store, 1).await.len(), 1);
    store.close().await;
    // As after a dump from a cluster that has seen more transactions.
    let name = url.rsplit('/').next().expect("a name");
    cluster().sql(name, "UPDATE events SET place = place + 1000000000");
    let store = Store::open(&place).await.expect("opens");
    assert_eq!(all_when(&store, 1).await, ["scheduler_paused"]);
    let before = store.newest_event(None).await.expect("asks");
    store.resume_scheduler(now, now).await.expect("resumes");
    assert_eq!(all_when(&store, 2).await, ["scheduler_paused", "scheduler_resumed"]);
    assert!(store.newest_event(None).await.expect("asks") > before);
}
