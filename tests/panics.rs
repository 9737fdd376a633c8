//! Nothing dies unseen: every task of a node panics once, which is logged with its place, counted and shown, and the task
//! goes on. In a sandbox process a call that panics ends its own run.

use crate::support::server::{Folder, Server};
use crate::support::{self, tests_folder};
use cronbox_runtime::testing::Inspect as _;
use cronbox_runtime::{Outcome, RunOutput};
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The tasks of a node that begin with it.
const FROM_THE_START: &[&str] = &[
    "scheduler",
    "rescuer",
    "notifier",
    "hearer",
    "cleaner",
    "disk_usage",
    "linker",
    "timer",
    "worker",
    "listener",
    "writer",
    "watcher",
    "teller",
    "deliverer",
];
/// What is done for whoever asks.
const ASKED_FOR: &[&str] = &["connection", "request", "attempt", "token", "feed", "backfill"];
/// What a node does rarely; a panic there is caught in the same way.
const RARE: &[&str] = &["package_cache", "change", "certificate", "monitor", "pinger", "backup"];
/// Tasks of the pool; what only the runtime catches is counted as `other`.
const OF_THE_POOL: &[&str] = &["keeper of processes", "watchdog"];

/// Where tasks are started that no supervision is named for in the same file: file, how often, and why that is enough.
const BESIDE: &[(&str, usize, &str)] = &[
    ("src/links.rs", 2, "what they do is caught inside"),
    ("src/packages.rs", 1, "a process is started"),
    ("src/packages/uv.rs", 1, "a process is started"),
    ("src/packages/view.rs", 1, "in the process of one resolution, which ends with it"),
    ("src/http/carry_out.rs", 1, "the request is caught inside"),
    ("src/http/progress.rs", 1, "the request is caught inside"),
    ("src/worker.rs", 2, "the attempt is caught inside; what is left at the end is given back by others"),
    ("src/serve/node.rs", 1, "the listener is kept going inside"),
    ("src/cli/serve.rs", 1, "signals; a second one ends the program at once"),
    ("src/store/writer.rs", 1, "the writer is caught inside"),
    ("src/monitor/scripts.rs", 1, "one call; a panic ends it alone, and its place is given back"),
    ("src/deliverer.rs", 1, "one message; its delivery is taken again when its lease is over"),
];

/// The files of the program, without their tests.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                let product = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
                found.push((path, product));
            }
        }
    }
    let mut found = Vec::new();
    walk(&tests_folder().with_file_name("src"), &mut found);
    found
}

#[test]
fn every_task_is_supervised_and_in_the_list() {
    let mut named = BTreeSet::new();
    for (path, text) in sources() {
        for call in ["keep_going(\"", ".catch(\"", "caught_in(\""] {
            let names = text.match_indices(call).filter_map(|(at, _)| text[at + call.len()..].split('"').next());
            named.extend(names.map(str::to_owned));
        }
        let inside =
            path.strip_prefix(tests_folder().parent().expect("a parent")).expect("inside").display().to_string();
        let spawned = text.matches("spawn(").count() - text.matches("spawn(panics::caught_in(").count();
        let supervised = text.matches("spawn(supervisor.clone().keep_going(").count();
        let in_place = text.matches("panics::caught_in(\"connection\"").count()
            - text.matches("spawn(panics::caught_in(\"connection\"").count();
        let left = spawned - supervised - in_place;
        let known = BESIDE.iter().find(|(file, ..)| *file == inside).map_or(0, |(_, count, _)| *count);
        assert_eq!(left, known, "{inside}: tasks that are started without supervision");
    }
    let listed: BTreeSet<String> = [FROM_THE_START, ASKED_FOR, RARE].concat().into_iter().map(str::to_owned).collect();
    assert_eq!(named, listed);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_of_a_node_survives_a_panic() {
    let _shared = support::beside_others().await;
    let folder = Folder::new();
    let reader = "the script's metadata (PEP 723)";
    let faults = [FROM_THE_START, ASKED_FOR, OF_THE_POOL, &[reader]].concat();
    let mut server =
        Server::start_with(&folder.0, &["--data-dir", "data"], &[("CRONBOX_TEST_FAULTS", &faults.join(","))]);
    // A connection, and a request, end; the next ones do not.
    assert!(server.request(Method::GET, "/healthz").send().await.is_err());
    let (status, problem) = server.get("/healthz").await;
    assert_eq!((status, problem["code"].as_str()), (500, Some("internal")), "{problem}");
    let (_, token) = server.post("/v1/tokens", &json!({"name": "admin", "scopes": ["admin"]})).await;
    server.token = token["token"].as_str().map(str::to_owned);
    // A reader of foreign text refuses what it fails on.
    let source = "# /// script\n# dependencies = []\n# ///\ndef run(): return 1\n";
    let (status, problem) = server.put("job", source).await;
    assert_eq!(status, 422, "{problem}");
    assert!(problem["detail"].as_str().expect("a sentence").contains("the reader failed on it"), "{problem}");
    assert_eq!(server.put("job", source).await.0, 201);
    let run = server.run("job", &json!({})).await;
    assert_eq!(run["status"], "crashed", "{run}");
    let message = run["error"]["message"].as_str().expect("a sentence");
    let told = "the end of this run could not be recorded: a mistake in this program: a fault in attempt";
    assert!(message.starts_with(told), "{message}");
    assert!(message.contains(".rs:"), "it names its place: {message}");
    assert_eq!(server.run("job", &json!({})).await["result"], 1);
    // Schedules fire, and a backfill that fails is made when it is asked for again.
    let every = json!({"script": "job", "trigger": "every 1s"});
    let put = server.json(server.request(Method::PUT, "/v1/schedules/s").json(&every)).await;
    assert_eq!(put.0, 201, "{}", put.1);
    let hourly = json!({"script": "job", "trigger": "0 * * * *"});
    assert_eq!(server.json(server.request(Method::PUT, "/v1/schedules/h").json(&hourly)).await.0, 201);
    let back = json!({"from": "3h"});
    let (status, problem) = server.post("/v1/schedules/h/backfill", &back).await;
    assert_eq!((status, problem["code"].as_str()), (500, Some("internal")), "{problem}");
    let (status, made) = server.post("/v1/schedules/h/backfill", &back).await;
    assert_eq!(status, 201, "{made}");
    let stream = server.request(Method::GET, "/v1/events").header("accept", "text/event-stream").send().await;
    assert_eq!(stream.as_ref().map(reqwest::Response::status).ok(), Some(reqwest::StatusCode::OK));

    let all_counted = async || {
        let answer = server.request(Method::GET, "/metrics").send().await.expect("an answer");
        let text = answer.text().await.expect("text");
        let lines = |task: &&&str| !text.contains(&format!("cronbox_panics_total{{task=\"{task}\"}} 1\n"));
        let missing: Vec<_> = FROM_THE_START.iter().chain(ASKED_FOR).chain(&["reader"]).filter(lines).collect();
        let others = format!("cronbox_panics_total{{task=\"other\"}} {}\n", OF_THE_POOL.len());
        if missing.is_empty() && text.contains(&others) { Ok(()) } else { Err((missing, text)) }
    };
    server.until("all panics are counted", all_counted).await;
    let log = server.log();
    for task in faults {
        let line = log.lines().find(|line| line.contains(&format!("a fault in {task} that was asked for")));
        assert!(line.is_some_and(|line| line.contains(".rs:")), "{task} is not logged with its place\n{log}");
    }
    let (status, ready) = server.get("/readyz").await;
    assert_eq!(status, 503, "{ready}");
    let told = ready["parts"]["tasks"].as_str().expect("what keeps happening");
    assert!(told.contains("panics or more in the last minute"), "{told}");
    // All of them go on.
    drop(stream);
    let runs = "/v1/runs?schedule=s&status=succeeded";
    let (_, list) = server.get(runs).await;
    let seen = list["items"].as_array().map_or(0, Vec::len);
    server.items_when(runs, |items| items.len() > seen + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_panics_ends_its_own_run_and_no_other() {
    let _shared = support::beside_others().await;
    let pool = support::pool_with(|config| {
        (config.processes, config.max_processes) = (1, 1);
        config.command.push("faults=stdin,stdin".into());
    })
    .await;
    let pids = pool.process_ids();
    let other = support::start(
        &pool,
        support::job("import time\ndef run():\n    print('began')\n    time.sleep(3)\n    return 'whole'\n"),
    );
    // Reading standard input calls the host.
    let caller = "import sys\ndef run():\n    print('before', flush=True)\n    \
        try:\n        sys.stdin.read()\n    finally:\n        print('after')\n";
    for _ in 0..2 {
        let began = Instant::now();
        let RunOutput { report, stdout, .. } = support::start(&pool, support::job(caller)).finish().await;
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert_eq!((report.outcome, report.lost_attempts), (Outcome::Crashed, 0));
        let message = report.error.expect("an error").message;
        assert!(message.contains("a fault of Cronbox's sandbox process ended the run: a fault in stdin"), "{message}");
        assert_eq!(stdout, b"before\n");
    }
    let RunOutput { report, stdout, .. } = other.finish().await;
    assert_eq!((report.outcome, support::result(&report)), (Outcome::Succeeded, "\"whole\""));
    assert_eq!((report.lost_attempts, stdout.as_slice()), (0, &b"began\n"[..]));
    let after = support::finish(&pool, support::job("def run(): return 7\n")).await;
    assert_eq!((support::result(&after), pool.process_ids()), ("7", pids));
}
