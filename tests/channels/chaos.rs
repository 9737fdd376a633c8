//! Alerts while nodes, egress processes and the receiver go away: each arrives, with one id.

use crate::support::postgres::cluster;
use crate::support::receiver::{Received, Receiver};
use crate::support::s3::Bucket;
use crate::support::server::{Folder, Server};
use crate::support::wait::within;
use crate::support::{self};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use reqwest::{Client, Method};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Scripts whose runs fail and succeed in turns.
const SCRIPTS: usize = 40;
const FLIP: &str = "def run(fail):\n    if fail:\n        raise ValueError('no price')\n    return 1\n";
/// An attempt is another node's after a minute, when its node or its egress process was killed under it.
const PATIENCE: Duration = Duration::from_secs(240);

/// Failures of each script.
fn failures() -> usize {
    if std::env::var_os("CRONBOX_SOAK").is_some() { 50 } else { 5 }
}

/// The egress process of a node.
fn egress_of(node: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").expect("reads").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent = |id: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let mut of_node = ids.filter(|id| {
        let words = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let is_egress = words.split(|byte| *byte == 0).any(|word| word == b"egress-process");
        let mut above = Some(*id);
        let is_below = std::iter::from_fn(|| {
            above = above.and_then(parent).filter(|id| *id > 1);
            above
        });
        is_egress && is_below.into_iter().any(|id| id == node)
    });
    of_node.next()
}

struct Nodes {
    up: Vec<String>,
    client: Client,
}

impl Nodes {
    /// Runs a script on a node, on another one when that is gone.
    async fn run(&self, script: usize, fail: bool) {
        for turn in 0..self.up.len() {
            let node = &self.up[(script + turn) % self.up.len()];
            let url = format!("{node}/v1/scripts/flip{script}/runs?wait=60s&output=false");
            let asked = self.client.request(Method::POST, url).json(&json!({"args": {"fail": fail}})).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
        }
        panic!("no node takes a run of flip{script}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_alert_arrives_whatever_is_killed() {
    let _alone = support::alone().await;
    let mut receiver = Receiver::start().await;
    let shared = Folder::new();
    let bucket = Bucket::start(&shared.0).await;
    shared.write("key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    let key = shared.0.join("key");
    let database = cluster().database();
    let words = [
        "--database",
        &database,
        "--blobs",
        "s3://jobs/cronbox",
        "--secret-key-file",
        key.to_str().expect("text"),
        "--channel-network",
        "localhost=127.0.0.0/8",
        "--notify-rate",
        "1000000",
        "--lease",
        "3s",
        "--log",
        "warn",
    ];
    let env = bucket.env();
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let folders = [Folder::new(), Folder::new(), Folder::new()];
    let mut nodes: Vec<Server> = folders.iter().map(|folder| Server::start_with(&folder.0, &words, &env)).collect();
    let channel = json!({"type": "webhook", "url": receiver.url(), "secret": super::SECRETS[0]});
    let set = nodes[0].request(Method::PUT, "/v1/channels/ops").json(&channel);
    assert_eq!(nodes[0].json(set).await.0, 201);
    for script in 0..SCRIPTS {
        assert_eq!(nodes[script % 3].put(&format!("flip{script}"), FLIP).await.0, 201);
    }
    let alert = json!({"about": {"everything": true}, "text": "failed", "notify": ["ops"]});
    assert_eq!(nodes[0].json(nodes[0].request(Method::PUT, "/v1/alerts/all").json(&alert)).await.0, 201);

    let client = Client::builder().no_proxy().timeout(Duration::from_secs(90)).build().expect("a client");
    let running = Nodes { up: nodes.iter().map(|node| node.url.clone()).collect(), client };
    let done = AtomicUsize::new(0);
    let all = SCRIPTS * failures();
    let work = join_all((0..SCRIPTS).map(|script| {
        let (running, done) = (&running, &done);
        async move {
            for _ in 0..failures() {
                running.run(script, true).await;
                running.run(script, false).await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    }));
    let mut kills: Vec<DateTime<Utc>> = Vec::new();
    let chaos = async {
        let so_far = async |share: usize| {
            let reached = within(PATIENCE, async || done.load(Ordering::Relaxed) * 10 >= all * share).await;
            reached.expect("runs go on");
        };
        so_far(2).await;
        let egress = within(PATIENCE, async || egress_of(nodes[1].pid())).await.expect("an egress process");
        let killed = Command::new("kill").args(["-KILL", &egress.to_string()]).status();
        kills.push(Utc::now());
        assert!(killed.expect("kill").success());
        so_far(4).await;
        nodes[2].kill();
        kills.push(Utc::now());
        so_far(5).await;
        receiver.down().await;
        so_far(7).await;
        receiver.up().await;
    };
    tokio::join!(work, chaos);

    let sql = |statement: &str| cluster().sql(database.rsplit('/').next().expect("a name"), statement);
    let waiting = || sql("SELECT count(*) FROM deliveries WHERE state = 'waiting'");
    let settled = within(PATIENCE, async || if waiting().trim() == "0" { Ok(()) } else { Err(waiting()) }).await;
    settled.unwrap_or_else(|left| panic!("{left} are waiting\n{}", nodes[0].log()));
    let ids: BTreeSet<String> =
        sql("SELECT id FROM deliveries WHERE state = 'sent'").lines().map(|line| line.trim().to_owned()).collect();
    let count = |of: &str| sql(&format!("SELECT count(*) FROM events WHERE type = '{of}'")).trim().parse::<usize>();
    let (firing, ok) = (count("alert_firing").expect("a number"), count("alert_ok").expect("a number"));
    // A request whose node was killed under it is made again elsewhere, beside the one that is taken over.
    assert!(firing + 20 >= all && ids.len() == firing + ok, "{all} {firing} {ok} {}", ids.len());
    let mut arrived: BTreeMap<String, Vec<DateTime<Utc>>> = BTreeMap::new();
    for Received { id, at, body } in receiver.all().iter() {
        assert!(matches!(body["type"].as_str(), Some("alert.firing" | "alert.ok")), "{body}");
        arrived.entry(id.clone()).or_default().push(*at);
    }
    let missing: Vec<&String> = ids.iter().filter(|id| !arrived.contains_key(*id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let unknown: Vec<&String> = arrived.keys().filter(|id| !ids.contains(*id)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    for (id, times) in arrived.iter().filter(|(_, times)| times.len() > 1) {
        let at_a_kill = kills.iter().any(|kill| (*kill - times[0]).abs() < TimeDelta::seconds(25));
        assert!(at_a_kill && times.len() == 2, "{id} arrived at {times:?}, and something was killed at {kills:?}");
    }
}
