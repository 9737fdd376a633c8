//! What lasts beyond a run: the state of its script, and the files it leaves.

use crate::support::PROGRAM;
use crate::support::server::{Folder, Server};
use reqwest::Method;
use serde_json::{Value, json};
use std::process::Command;

const COUNTER: &str = "import asyncio\n\nasync def run(context, wait=0, fail=False):\n    n = context.state.get('n', 0) + 1\n    await asyncio.sleep(wait)\n    context.state['n'] = n\n    if fail:\n        raise ValueError('no')\n    return n\n";

async fn state(server: &Server, script: &str) -> Value {
    let (status, body) = server.get(&format!("/v1/scripts/{script}/state")).await;
    assert_eq!(status, 200, "{body}");
    body["state"].clone()
}

/// A server with the script `count`.
async fn counting() -> (Folder, Server) {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &[]);
    let (_, kept) = server.put("count", COUNTER).await;
    assert_eq!(kept["settings"]["concurrency"], 1, "two at once would lose a change: {kept}");
    (folder, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_goes_from_run_to_run_and_outlives_the_server() {
    let (_folder, mut server) = counting().await;
    assert_eq!(state(&server, "count").await, json!({}));
    for n in [1, 2] {
        assert_eq!(server.run("count", &json!({})).await["result"], n);
    }
    server.kill();
    server.up();
    let third = server.run("count", &json!({})).await;
    assert_eq!(third["result"], 3);
    let (_, shown) = server.get("/v1/scripts/count/state").await;
    assert_eq!((&shown["run"], &shown["revision"]), (&third["id"], &json!(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_leaves_the_state_as_it_was() {
    let (_folder, server) = counting().await;
    assert_eq!(server.run("count", &json!({})).await["result"], 1);
    assert_eq!(server.run("count", &json!({"args": {"fail": true}})).await["status"], "failed");
    assert_eq!(state(&server, "count").await, json!({"n": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_set_and_deleted_by_hand() {
    let (_folder, server) = counting().await;
    let put = |text: &'static str| server.request(Method::PUT, "/v1/scripts/count/state").body(text);
    assert_eq!(server.json(put("{\"n\": 41}")).await.0, 200);
    assert_eq!(server.run("count", &json!({})).await["result"], 42);
    for bad in ["[1]", "{", "4"] {
        assert_eq!(server.json(put(bad)).await.0, 400, "{bad}");
    }
    assert_eq!(server.json(server.request(Method::DELETE, "/v1/scripts/count/state")).await.0, 204);
    assert_eq!(server.run("count", &json!({})).await["result"], 1);
    let (status, said, why) = server.cronbox(&["script", "state", "count"]);
    assert_eq!((status, said.trim()), (Some(0), "{\"n\":1}"), "{why}");
    server.cronbox(&["script", "state", "count", "--set", "{\"n\": 5}"]);
    assert_eq!(state(&server, "count").await, json!({"n": 5}));
}

#[tokio::test(flavor = "multi_thread")]
async fn backfills_and_source_in_a_request_neither_read_nor_write_the_state() {
    let (_folder, server) = counting().await;
    server.cronbox(&["script", "state", "count", "--set", "{\"n\": 5}"]);
    let daily = json!({"script": "count", "trigger": "0 0 * * *", "id": "daily"});
    assert_eq!(server.post("/v1/schedules", &daily).await.0, 201);
    let (status, filled) = server.post("/v1/schedules/daily/backfill", &json!({"from": "3d", "until": "0s"})).await;
    assert_eq!(status, 201, "{filled}");
    let all_ended = |items: &[Value]| items.len() >= 3 && items.iter().all(|run| run["finished_at"].is_string());
    for run in server.items_when("/v1/runs?cause=backfill", all_ended).await {
        assert_eq!(run["result"], 1);
        assert!(run["notes"][0].as_str().expect("a note").contains("is not kept: a backfill"), "{run}");
    }
    let sent = server.request(Method::POST, "/v1/runs?wait=30s").json(&json!({"source": COUNTER}));
    assert_eq!(server.json(sent).await.1["result"], 1);
    assert_eq!(state(&server, "count").await, json!({"n": 5}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_is_refused() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    let bad = "def run(context, what):\n    state = context.state\n    if what == 'large':\n        state['x'] = 'x' * 70000\n    elif what == 'set':\n        state['a'] = {'b': object()}\n    elif what == 'own':\n        context.state = {}\n    elif what == 'nan':\n        state['n'] = float('nan')\n    return 1\n";
    server.put("bad", bad).await;
    for (what, type_name, message) in [
        (
            "large",
            "StateError",
            "context.state cannot be kept: it is at least 70,006 bytes of JSON; the limit is 65,536",
        ),
        ("set", "StateError", "context.state cannot be kept: at /a/b: object has no JSON form"),
        ("nan", "StateError", "context.state cannot be kept: at /n"),
        ("own", "AttributeError", "change what is in context.state"),
    ] {
        let run = server.run("bad", &json!({"args": {"what": what}})).await;
        assert_eq!((&run["status"], &run["error"]["type"]), (&json!("failed"), &json!(type_name)), "{run}");
        assert!(run["error"]["message"].as_str().expect("text").contains(message), "{run}");
    }
    assert_eq!(state(&server, "bad").await, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_change_the_same_state_lose_nothing() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    server.put("count", &format!("# /// script\n# [tool.cronbox]\n# concurrency = 8\n# ///\n{COUNTER}")).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        let (status, run) = server.post("/v1/scripts/count/runs", &json!({"args": {"wait": 0.3}})).await;
        assert_eq!(status, 201, "{run}");
        ids.push(run["id"].as_str().expect("an id").to_owned());
    }
    let mut results = Vec::new();
    let mut attempts = 0;
    for id in ids {
        let run = server.run_when(&id, |run| run["finished_at"].is_string()).await;
        assert_eq!(run["status"], "succeeded", "{run}");
        results.push(run["result"].as_i64().expect("a number"));
        attempts += run["attempt"].as_i64().expect("a number");
    }
    results.sort_unstable();
    assert_eq!(results, [1, 2, 3, 4]);
    assert!(attempts > 4, "they ran beside one another, and some had to be made again");
    assert_eq!(state(&server, "count").await, json!({"n": 4}));
}

const REPORT: &str = "import os\n\ndef run(fail=False):\n    with open('/output/a.csv', 'w') as file:\n        file.write('a,b\\n1,2\\n')\n    os.makedirs('/output/charts/é x')\n    with open('/output/charts/é x/p.png', 'wb') as file:\n        file.write(b'\\x89PNG\\r\\n\\x1a\\n' + bytes(300000))\n    with open('/tmp/gone', 'w') as file:\n        file.write('gone')\n    if fail:\n        raise ValueError('no')\n    return len(os.listdir('/output'))\n";

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_with_the_run() {
    let folder = Folder::new();
    let mut server = Server::start(&folder.0, &[]);
    server.put("report", REPORT).await;
    let run = server.run("report", &json!({})).await;
    assert_eq!((&run["result"], &run["files"]), (&json!(2), &json!({"count": 2, "bytes": 300_016})), "{run}");
    let id = run["id"].as_str().expect("an id");
    let listed = json!([
        {"path": "a.csv", "bytes": 8, "type": "text/csv"},
        {"path": "charts/é x/p.png", "bytes": 300_008, "type": "image/png"},
    ]);
    server.kill();
    server.up();
    let (_, page) = server.get(&format!("/v1/runs/{id}/files")).await;
    assert_eq!(page["items"], listed);
    let fetched = server.request(Method::GET, &format!("/v1/runs/{id}/files/charts/%C3%A9%20x/p.png"));
    let fetched = fetched.send().await.expect("answers");
    let header = |name: &str| fetched.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(
        (header("content-type"), header("content-disposition"), header("x-content-type-options")),
        ("image/png".into(), "attachment".into(), "nosniff".into())
    );
    let content = fetched.bytes().await.expect("a body");
    assert!(content.starts_with(b"\x89PNG") && content.len() == 300_008);
    for path in ["b.csv", "..%2fa.csv", "charts"] {
        let (status, problem) = server.get(&format!("/v1/runs/{id}/files/{path}")).await;
        assert_eq!((status, &problem["code"]), (404, &json!("no_such_file")), "{path}");
    }
    // Those of a run that failed, too; and of each run its own.
    let failed = server.run("report", &json!({"args": {"fail": true}})).await;
    assert_eq!((&failed["status"], &failed["files"]["count"]), (&json!("failed"), &json!(2)));
    // On the command line.
    let (_, said, why) = server.cronbox(&["runs", "files", &id[..18]]);
    assert!(said.contains("a.csv") && said.contains("image/png"), "{said}{why}");
    assert_eq!(server.cronbox(&["runs", "files", id, "a.csv"]).1, "a,b\n1,2\n");
    let to = folder.0.join("fetched");
    server.cronbox(&["runs", "files", id, "--to", to.to_str().expect("UTF-8")]);
    assert_eq!(std::fs::read(to.join("charts/é x/p.png")).expect("there").len(), 300_008);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_a_server_leaves_its_files_where_it_is_told() {
    let folder = Folder::new();
    let script = folder.0.join("report.py");
    std::fs::write(&script, REPORT).expect("writes");
    let to = folder.0.join("out");
    let run = |words: &[&str]| {
        let done = Command::new(PROGRAM)
            .args(["run", script.to_str().expect("UTF-8")])
            .args(words)
            .env("CRONBOX_INTERPRETER_CACHE", crate::support::interpreter_cache())
            .output()
            .expect("starts");
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    crate::support::interpreter();
    let (status, why) = run(&["--output-dir", to.to_str().expect("UTF-8")]);
    assert_eq!(status, Some(0), "{why}");
    assert_eq!(std::fs::read_to_string(to.join("a.csv")).expect("there"), "a,b\n1,2\n");
    assert_eq!(std::fs::read_dir(to.join("charts")).expect("there").count(), 1);
    let (status, why) = run(&[]);
    assert!(status == Some(0) && why.contains("--output-dir DIR keeps it"), "{why}");
}

const LINKS: &str = "import os\n\ndef run():\n    os.mkdir('/output/2026')\n    with open('/output/2026/a.csv', 'w') as file:\n        file.write('a,b\\n')\n    with open('/tmp/log', 'w') as file:\n        file.write('log')\n    os.symlink('2026/a.csv', '/output/latest.csv')\n    os.symlink('/tmp/log', '/output/log')\n    os.symlink('2026', '/output/current')\n    os.symlink('gone', '/output/dangling')\n";

#[tokio::test(flavor = "multi_thread")]
async fn links_are_kept_as_the_files_that_they_lead_to() {
    let folder = Folder::new();
    let (script, to) = (folder.0.join("links.py"), folder.0.join("out"));
    std::fs::write(&script, LINKS).expect("writes");
    crate::support::interpreter();
    let done = Command::new(PROGRAM)
        .args(["run", script.to_str().expect("UTF-8"), "--output-dir", to.to_str().expect("UTF-8")])
        .env("CRONBOX_INTERPRETER_CACHE", crate::support::interpreter_cache())
        .output()
        .expect("starts");
    let why = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(0), "{why}");
    for (path, text) in [("2026/a.csv", "a,b\n"), ("latest.csv", "a,b\n"), ("log", "log")] {
        let path = to.join(path);
        assert!(std::fs::symlink_metadata(&path).expect("there").is_file(), "{}", path.display());
        assert_eq!(std::fs::read_to_string(&path).expect("there"), text);
    }
    assert!(!to.join("current").exists() && !to.join("dangling").exists());
    let said = "2 symbolic links under /output were not kept, the first is \"current\"";
    assert!(why.contains(said), "{why}");
}
