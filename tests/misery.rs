//! Everything at once: clients that hang up, attackers as tenants, killed processes, few descriptors, a full disk, clocks that
//! jump, a database and a bucket that go away. Afterwards nothing is stuck, and no restart was needed for that.
//!
//! In `make soak` each of the two lasts 15 minutes, in `make test` some seconds; `CRONBOX_MISERY_SECONDS` says how long instead.

use crate::support::clocks::Clocks;
use crate::support::dice::Dice;
use crate::support::postgres::Cluster;
use crate::support::s3::Bucket;
use crate::support::server::{Folder, Server};
use crate::support::{self, descriptors, private_memory};
use reqwest::Client;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What tenants run: the honest ones first.
const SCRIPTS: &[(&str, &str)] = &[
    ("honest", "def run():\n    return 1\n"),
    (
        "solo",
        "# /// script\n# [tool.cronbox]\n# concurrency = 1\n# ///\nimport time\ndef run():\n    time.sleep(0.01)\n    return 1\n",
    ),
    (
        "again",
        "# /// script\n# [tool.cronbox]\n# retries = {count = 2, delay = '1s'}\n# ///\ndef run():\n    raise ValueError('no')\n",
    ),
    (
        "truncates",
        "import os\ndef run():\n    f = os.open('/tmp/x', os.O_RDWR | os.O_CREAT)\n    while True:\n        os.ftruncate(f, 60 << 20)\n        os.ftruncate(f, 0)\n",
    ),
    (
        "lists",
        "import os\ndef run():\n    for n in range(4000):\n        open(f'/tmp/{n:0100}', 'w').close()\n    held = []\n    while True:\n        held.append(os.scandir('/tmp'))\n        next(held[-1])\n",
    ),
    ("sleeps", "import time\ndef run():\n    while True:\n        for _ in range(2000): pass\n        time.sleep(0)\n"),
    ("computes", "def run():\n    while True: pass\n"),
    ("fills", "def run():\n    return len(bytearray(10 << 30))\n"),
    ("returns", "def run():\n    return [0] * 300_000\n"),
    ("writes", "def run():\n    for _ in range(5_000): print('x' * 1000)\n"),
    ("ends", "import os\ndef run():\n    os._exit(0)\n"),
    ("asks", "def run(context):\n    while True: context.previous_result\n"),
    ("nests", "def f(n): return f(n + 1)\ndef run():\n    f(0)\n"),
];

fn lasting() -> Duration {
    let told = std::env::var("CRONBOX_MISERY_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let usual = if std::env::var_os("CRONBOX_SOAK").is_some() { 900 } else { 15 };
    Duration::from_secs(told.unwrap_or(usual))
}

/// What the clients of one misery share.
struct Clients {
    addresses: Vec<SocketAddr>,
    client: Client,
    accepted: Mutex<Vec<String>>,
    stop: CancellationToken,
}

impl Clients {
    /// Asks for runs until the end: some wait, some read the answer, some hang up.
    async fn ask(&self, mut dice: Dice) {
        while !self.stop.is_cancelled() {
            let address = dice.pick(&self.addresses);
            let honest = dice.roll(3) > 0;
            let (name, _) = if honest { dice.pick(&SCRIPTS[..3]) } else { dice.pick(&SCRIPTS[3..]) };
            let wait = if dice.roll(3) == 0 { "?wait=2s" } else { "" };
            let path = format!("/v1/scripts/{name}/runs{wait}");
            let body = r#"{"limits": {"timeout": "2s", "memory": "64MiB"}}"#;
            if dice.roll(3) == 0 {
                let bytes = format!(
                    "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let after = Duration::from_micros(dice.roll(4_000));
                let hung_up = tokio::task::spawn_blocking(move || {
                    if let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
                        let _ = stream.write_all(bytes.as_bytes());
                        std::thread::park_timeout(after);
                    }
                });
                let _ = hung_up.await;
            } else {
                let request = self.client.post(format!("http://{address}{path}")).body(body);
                let sent =
                    request.header("content-type", "application/json").timeout(Duration::from_secs(10)).send().await;
                if let Ok(answer) = sent
                    && answer.status().is_success()
                    && let Ok(run) = answer.json::<Value>().await
                    && let Some(id) = run["id"].as_str()
                {
                    self.accepted.lock().expect("ours").push(id.to_owned());
                }
            }
            let pause = Duration::from_millis(dice.roll(60));
            let _ = tokio::time::timeout(pause, self.stop.cancelled()).await;
        }
    }
}

/// Something more that can go wrong.
type Mishap<'a> = &'a mut dyn FnMut(&mut Dice);

/// One of the processes that a node has started.
fn child_of(server: &Server, dice: &mut Dice) -> Option<String> {
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid())).unwrap_or_default();
    let children: Vec<&str> = children.split_whitespace().collect();
    (!children.is_empty()).then(|| dice.pick(&children).to_owned())
}

/// The clock of a node is wrong by at most so many seconds.
const MAX_JUMP: u64 = 40;

/// One of the clocks jumps, forwards or back.
fn jump(clocks: &Clocks, dice: &mut Dice) {
    let seconds = dice.roll(2 * MAX_JUMP + 1) as i64 - MAX_JUMP as i64;
    clocks.set(dice.roll(clocks.count() as u64) as usize, seconds);
}

/// Something that goes wrong, one after another, until the end.
fn go_wrong(servers: &mut [Server], clocks: &Clocks, dice: &mut Dice, kinds: &mut [Mishap<'_>]) {
    let kind = dice.roll(7 + kinds.len() as u64) as usize;
    let victim = dice.roll(servers.len() as u64) as usize;
    match kind {
        0 => {
            servers[victim].kill();
            servers[victim].up();
        }
        1 | 2 => {
            if let Some(child) = child_of(&servers[victim], dice) {
                let _ = Command::new("kill").args(["-KILL", &child]).status();
            }
        }
        // More connections than there are descriptors for, which say nothing.
        3 => {
            let address: SocketAddr = servers[victim].url.trim_start_matches("http://").parse().expect("an address");
            let held: Vec<_> = (0..300)
                .filter_map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok())
                .collect();
            std::thread::park_timeout(Duration::from_millis(500));
            drop(held);
        }
        // No more descriptors for a while.
        4 => {
            let limit = |limit: &str| {
                let pid = servers[victim].pid().to_string();
                let _ = Command::new("prlimit").args(["--pid", &pid, limit]).status();
            };
            limit("--nofile=16:512");
            std::thread::park_timeout(Duration::from_millis(700));
            limit("--nofile=512:512");
        }
        // No more memory for a sandbox process for a while.
        5 => {
            let Some(child) = child_of(&servers[victim], dice) else { return };
            let limits = std::fs::read_to_string(format!("/proc/{child}/limits")).unwrap_or_default();
            let before = limits.lines().find_map(|line| line.strip_prefix("Max data size")?.split_whitespace().next());
            if let Some(before) = before {
                let limit = |soft: &str| {
                    let _ = Command::new("prlimit").args(["--pid", &child, &format!("--data={soft}:")]).output();
                };
                limit("100000000");
                std::thread::park_timeout(Duration::from_millis(700));
                limit(before);
            }
        }
        6 => jump(clocks, dice),
        other => kinds[other - 7](dice),
    }
}

/// An address that is free now.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("an address")
}

fn start(folder: &Path, words: &[&str], env: &[(String, String)]) -> Server {
    let address = free_address().to_string();
    let mut all = vec!["--listen", &address, "--drain", "1s"];
    all.extend(words);
    let mut through: Vec<String> = vec!["env".into()];
    through.extend(env.iter().map(|(name, value)| format!("{name}={value}")));
    through.extend(["prlimit".into(), "--nofile=512:512".into()]);
    let through: Vec<&str> = through.iter().map(String::as_str).collect();
    Server::start_through(&through, folder, &all)
}

/// Lets clients and mishaps at the servers for a while, then waits until everything has ended, and checks what is left.
async fn survive(servers: &mut [Server], clocks: &Clocks, kinds: &mut [Mishap<'_>]) {
    for (name, source) in SCRIPTS {
        let (status, answer) = servers[0].put(name, source).await;
        assert_eq!(status, 201, "{answer}");
    }
    for (id, trigger) in [("tick", "every 1s"), ("chain", "after honest")] {
        let body = json!({"script": "solo", "trigger": trigger, "overlap": "skip"});
        let request = servers[0].request(reqwest::Method::PUT, &format!("/v1/schedules/{id}")).json(&body);
        assert_eq!(servers[0].json(request).await.0, 201);
    }
    let alone = time_of_honest_run(&servers[0]).await;
    let opened: Vec<usize> = servers.iter().map(|server| descriptors(server.pid())).collect();
    let address = |server: &Server| server.url.trim_start_matches("http://").parse().expect("an address");
    let clients = Arc::new(Clients {
        addresses: servers.iter().map(address).collect(),
        client: Client::new(),
        accepted: Mutex::default(),
        stop: CancellationToken::new(),
    });
    let tasks = TaskTracker::new();
    for seed in 0..8 {
        let clients = clients.clone();
        tasks.spawn(async move { clients.ask(Dice::new(seed)).await });
    }
    let mut dice = Dice::new(uuid::Uuid::new_v4().as_u128() as u64);
    let end = Instant::now() + lasting();
    while Instant::now() < end {
        tokio::task::block_in_place(|| go_wrong(servers, clocks, &mut dice, kinds));
        tokio::time::sleep(Duration::from_millis(dice.roll(1_500))).await;
    }
    clocks.set_right();
    clients.stop.cancel();
    tasks.close();
    tasks.wait().await;
    let pause = servers[0].request(reqwest::Method::POST, "/v1/scheduler/pause").json(&json!({}));
    servers[0].json(pause).await;

    let accepted = clients.accepted.lock().expect("ours").clone();
    let until = Instant::now() + Duration::from_secs(180);
    loop {
        let mut left = 0;
        for status in ["scheduled", "queued", "running"] {
            let (_, list) = servers[0].get(&format!("/v1/runs?status={status}&limit=500")).await;
            left += list["items"].as_array().map_or(1, Vec::len);
        }
        if left == 0 {
            break;
        }
        assert!(Instant::now() < until, "{left} runs have not ended\n{}", servers[0].log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let ends = ends(&servers[0]).await;
    for id in &accepted {
        assert_eq!(ends.get(id), Some(&1), "the run {id} was accepted and did not end once");
    }
    assert!(ends.values().all(|count| *count == 1), "a run ended twice");
    assert!(accepted.len() > 20, "the clients got {} runs accepted", accepted.len());
    for (server, before) in servers.iter().zip(opened) {
        let (status, ready) = server.get("/readyz").await;
        assert_eq!(status, 200, "{ready}");
        let after = descriptors(server.pid());
        assert!(after < before + 60, "{after} descriptors are open, {before} before");
        let memory = private_memory(server.pid());
        assert!(memory < 400 << 20, "the node has {} MiB", memory >> 20);
        assert_eq!(server.run("solo", &json!({})).await["result"], 1);
        let now = time_of_honest_run(server).await;
        assert!(now < alone * 4 + Duration::from_millis(100), "an honest run takes {now:?}, {alone:?} before");
        assert!(!server.log().contains("panicked"), "{}", server.log());
    }
}

/// The median of some runs.
async fn time_of_honest_run(server: &Server) -> Duration {
    let mut times = Vec::new();
    for _ in 0..9 {
        let began = Instant::now();
        assert_eq!(server.run("honest", &json!({})).await["result"], 1);
        times.push(began.elapsed());
    }
    times.sort();
    times[4]
}

/// How often each run has ended, by the feed.
async fn ends(server: &Server) -> BTreeMap<String, u32> {
    let mut ends: BTreeMap<String, u32> = BTreeMap::new();
    let mut path = "/v1/events?since=2h&limit=1000".to_owned();
    loop {
        let (status, page) = server.get(&path).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().expect("a list");
        for event in items.iter().filter(|event| event["type"].as_str().is_some_and(|kind| kind.starts_with("run_"))) {
            *ends.entry(event["run"].as_str().expect("a run").to_owned()).or_default() += 1;
        }
        match page["next_cursor"].as_str() {
            Some(cursor) if !items.is_empty() => path = format!("/v1/events?limit=1000&cursor={cursor}"),
            _ => return ends,
        }
    }
}

/// A small disk of its own where the tests run as root.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a folder");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256m", "tmpfs"]).arg(at).status();
        mounted.is_ok_and(|status| status.success()).then_some(Disk(at))
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_sqlite_survives_everything() {
    let _alone = support::alone().await;
    let folder = Folder::new();
    let data = folder.0.join("data");
    let disk = if support::is_root() { Disk::mount(&data) } else { None };
    let clocks = Clocks::new(&folder.0, 1);
    let mut servers = [start(&folder.0, &["--data-dir", "data", "--max-queued", "2000"], &clocks.env(0))];
    let mut fill = |_: &mut Dice| {
        if disk.is_some() {
            let filler = data.join("filler");
            let _ = Command::new("fallocate").args(["-l", "300M"]).arg(&filler).output();
            let _ =
                Command::new("dd").arg("if=/dev/zero").arg(format!("of={}", filler.display())).arg("bs=1M").output();
            std::thread::park_timeout(Duration::from_secs(1));
            let _ = std::fs::remove_file(&filler);
        }
    };
    survive(&mut servers, &clocks, &mut [&mut fill]).await;
    let [mut server] = servers;
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_on_postgresql_survive_everything() {
    let _alone = support::alone().await;
    let folder = Folder::new();
    let mut bucket = Bucket::start(&folder.0).await;
    let own = Cluster::start(true);
    let database = own.database();
    let words = ["--database", &database, "--blobs", "s3://jobs/cronbox", "--lease", "3s", "--max-queued", "2000"];
    let clocks = Clocks::new(&folder.0, 3);
    let node = |number: usize| start(&folder.0, &words, &[bucket.env(), clocks.env(number)].concat());
    let mut servers = [node(0), node(1), node(2)];
    let mut database_away = |dice: &mut Dice| {
        own.down();
        std::thread::park_timeout(Duration::from_millis(dice.roll(2_000)));
        own.up();
    };
    let handle = tokio::runtime::Handle::current();
    let mut bucket_away = |dice: &mut Dice| {
        bucket.down();
        std::thread::park_timeout(Duration::from_millis(dice.roll(2_000)));
        handle.block_on(bucket.up());
    };
    survive(&mut servers, &clocks, &mut [&mut database_away, &mut bucket_away]).await;
}
