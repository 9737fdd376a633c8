//! The program of an earlier revision and this one, side by side on one database and one bucket, under load.

use crate::support::postgres::cluster;
use crate::support::s3::Bucket;
use crate::support::server::{Folder, Server};
use crate::support::wait::within;
use chrono::DateTime;
use reqwest::Client;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Requests that each step of the upgrade goes on for.
const STEP: usize = 150;
/// Clients that send requests at the same time.
const CLIENTS: usize = 4;
/// For how long a request is tried at one node after the other, as whatever stands before the nodes does.
const PATIENCE: Duration = Duration::from_secs(60);

/// Clients that have runs made as fast as the nodes take them.
struct Load {
    nodes: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    taken: Arc<AtomicUsize>,
    clients: Vec<tokio::task::JoinHandle<BTreeMap<String, usize>>>,
}

impl Load {
    fn begin(urls: Vec<String>) -> Self {
        let (nodes, stop, taken) = (Arc::new(Mutex::new(urls)), Arc::default(), Arc::default());
        let mut load = Load { nodes, stop, taken, clients: Vec::new() };
        for client in 0..CLIENTS {
            let (nodes, stop, taken) = (load.nodes.clone(), load.stop.clone(), load.taken.clone());
            load.clients.push(tokio::spawn(async move {
                let mut made = BTreeMap::new();
                let http = Client::new();
                let mut number = client;
                while !stop.load(Ordering::Relaxed) {
                    made.insert(id_of_new_run(&http, &nodes, number).await, number);
                    taken.fetch_add(1, Ordering::Relaxed);
                    number += CLIENTS;
                }
                made
            }));
        }
        load
    }

    /// Waits until so many more requests were answered.
    async fn goes_on(&self) {
        let wanted = self.taken.load(Ordering::Relaxed) + STEP;
        let is_there = async || self.taken.load(Ordering::Relaxed) >= wanted;
        within(PATIENCE, is_there).await.expect("requests are answered");
    }

    fn add(&self, node: &Server) {
        self.nodes.lock().expect("unpoisoned").push(node.url.clone());
    }

    fn remove(&self, url: &str) {
        self.nodes.lock().expect("unpoisoned").retain(|other| other != url);
    }

    /// The ids of all runs, with the number that each was given.
    async fn end(self) -> BTreeMap<String, usize> {
        self.stop.store(true, Ordering::Relaxed);
        let mut made = BTreeMap::new();
        for client in self.clients {
            made.extend(client.await.expect("ends"));
        }
        made
    }
}

/// Asks a node for a run; its id.
async fn ask(http: &Client, node: &str, number: usize) -> Result<String, String> {
    let request = http.post(format!("{node}/v1/scripts/job/runs"));
    let request = request.header("idempotency-key", format!("n{number}")).json(&json!({"args": {"n": number}}));
    let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
    let (status, text) = (answer.status(), answer.text().await.map_err(|error| format!("{error:?}"))?);
    let run: Value = serde_json::from_str(&text).map_err(|_| text.clone())?;
    match (status.is_success(), run["id"].as_str()) {
        (true, Some(id)) => Ok(id.to_owned()),
        _ => Err(format!("{status} {text}")),
    }
}

/// Has a run made by one of the nodes, another one while that does not take it. Its key makes it one run, however often it is
/// asked for.
async fn id_of_new_run(http: &Client, nodes: &Mutex<Vec<String>>, number: usize) -> String {
    let deadline = Instant::now() + PATIENCE;
    let mut turn = number;
    loop {
        turn += 1;
        let all = nodes.lock().expect("unpoisoned").clone();
        match ask(http, &all[turn % all.len()], number).await {
            Ok(id) => return id,
            Err(why) => assert!(Instant::now() < deadline, "request {number} was lost: {why}"),
        }
        tokio::task::yield_now().await;
    }
}

/// All runs of a script.
async fn runs(node: &Server, script: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = node.get(&format!("/v1/runs?script={script}&limit=200{after}")).await;
        assert_eq!(status, 200, "{page}");
        all.extend(page["items"].as_array().expect("a list").clone());
        match page["next_cursor"].as_str() {
            Some(next) => after = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// No fire time of a schedule that fires each second is lost or doubled.
async fn assert_fire_times(node: &Server) {
    let ticks = runs(node, "tick").await;
    let mut seconds = BTreeSet::new();
    for tick in &ticks {
        assert_eq!(tick["status"], "succeeded", "{tick}");
        let time = DateTime::parse_from_rfc3339(tick["fire_time"].as_str().expect("a time")).expect("a time");
        assert!(seconds.insert(time.timestamp()), "twice: {tick}");
    }
    let (first, last) = (*seconds.first().expect("one"), *seconds.last().expect("one"));
    let lost: Vec<i64> = (first..=last).filter(|second| !seconds.contains(second)).collect();
    assert!(lost.is_empty() && seconds.len() > 3, "{lost:?} of {} seconds", seconds.len());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the program of an earlier revision: make test-upgrade EARLIER=REVISION"]
async fn nodes_are_replaced_one_after_the_other_under_load() {
    let earlier = std::env::var("CRONBOX_TEST_EARLIER").expect("`make test-upgrade EARLIER=REVISION` sets it");
    let folder = Folder::new();
    let bucket = Bucket::start(&folder.0).await;
    let database = cluster().database();
    let words = |name: &str| {
        let words = ["--database", &database, "--blobs", "s3://jobs/cronbox", "--lease", "5s", "--data-dir", name];
        words.map(str::to_owned)
    };
    let env: Vec<String> = bucket.env().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let of_earlier = format!("shift; exec '{earlier}' \"$@\"");
    let start_earlier = |folder: &Path, name: &str| {
        let through = ["env"].into_iter().chain(env.iter().map(String::as_str));
        let through: Vec<&str> = through.chain(["bash", "-c", &of_earlier, "bash"]).collect();
        Server::start_through(&through, folder, &words(name).each_ref().map(String::as_str))
    };
    let start_new = |folder: &Path, name: &str| {
        let env = bucket.env();
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (&**name, &**value)).collect();
        Server::start_with(folder, &words(name).each_ref().map(String::as_str), &env)
    };
    let mut old = [start_earlier(&folder.0, "old0"), start_earlier(&folder.0, "old1")];
    assert_eq!(old[0].put("job", "def run(n):\n    return n\n").await.0, 201);
    assert_eq!(old[1].put("tick", "def run():\n    return 1\n").await.0, 201);
    let tick = json!({"id": "tick", "script": "tick", "trigger": "every 1s", "overlap": "allow"});
    let (status, made) = old[0].post("/v1/schedules", &tick).await;
    assert_eq!(status, 201, "{made}");

    let load = Load::begin(old.iter().map(|node| node.url.clone()).collect());
    load.goes_on().await;
    let mut new = Vec::new();
    for (number, node) in old.iter_mut().enumerate() {
        let next = start_new(&folder.0, &format!("new{number}"));
        load.add(&next);
        load.goes_on().await;
        // Whatever stands before the nodes notices only by what fails.
        let url = node.url.clone();
        node.signal("-TERM");
        assert!(node.ended(Duration::from_secs(60)).success());
        load.remove(&url);
        load.goes_on().await;
        new.push(next);
    }
    let made = load.end().await;
    new[0].items_when("/v1/runs?status=scheduled,queued,running&script=job&limit=1", <[Value]>::is_empty).await;
    let (status, _) = new[0].post("/v1/schedules/tick/pause", &json!({})).await;
    assert_eq!(status, 200);
    new[0].items_when("/v1/runs?status=scheduled,queued,running&limit=1", <[Value]>::is_empty).await;

    let found = runs(&new[1], "job").await;
    assert!(made.len() >= 5 * STEP && found.len() == made.len(), "{} runs of {}", found.len(), made.len());
    for run in &found {
        let number = made.get(run["id"].as_str().expect("an id")).unwrap_or_else(|| panic!("nobody asked for {run}"));
        assert_eq!((&run["status"], &run["result"]), (&json!("succeeded"), &json!(number)), "{run}");
    }
    assert_fire_times(&new[0]).await;
    // The way back is refused where the new version has applied steps, and says which.
    let mut back = Command::new(&earlier);
    back.args(["serve", "--listen", "127.0.0.1:0"]).args(words("back")).envs(bucket.env()).current_dir(&folder.0);
    let (code, _, told) = new[0].cronbox(&["migrate", "--check", "--database", &database]);
    assert_eq!(code, Some(0), "{told}");
    if has_fewer_steps(&earlier, &database) {
        let done = back.output().expect("starts");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains("newer Cronbox"), "{said}");
    }
}

/// Whether a program does not know all steps that a database has.
fn has_fewer_steps(program: &str, database: &str) -> bool {
    let done = Command::new(program).args(["migrate", "--check", "--database", database]).output().expect("starts");
    !done.status.success()
}
