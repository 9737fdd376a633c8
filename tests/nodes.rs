//! Nodes that share a PostgreSQL and a bucket, and what happens when any of them goes away.

use crate::support::postgres::{Cluster, cluster};
use crate::support::s3::Bucket;
use crate::support::server::{Folder, Server};
use crate::support::{PROGRAM, interpreter_cache};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

fn start(folder: &Path, words: &[&str], env: &[(String, String)]) -> Server {
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Server::start_with(folder, words, &env)
}

/// A login with one node is a login with all, and so is its end.
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_sessions() {
    let folder = Folder::new();
    let database = cluster().database();
    let words = ["--database", &database, "--data-dir"];
    let mut one = start(&folder.0, &[&words[..], &["one"]].concat(), &[]);
    let mut other = start(&folder.0, &[&words[..], &["other"]].concat(), &[]);
    let (_, admin) = one.post("/v1/tokens", &json!({"name": "admin", "scopes": ["admin"]})).await;
    one.token = admin["token"].as_str().map(str::to_owned);
    other.token.clone_from(&one.token);
    let (_, made) = one.post("/v1/tokens", &json!({"name": "reader", "scopes": ["read"]})).await;
    let client = reqwest::Client::new();
    let login = client.post(format!("{}/v1/session", one.url)).json(&json!({"token": made["token"]}));
    let answer = login.send().await.expect("answers");
    assert_eq!(answer.status(), 200);
    let cookie = answer.headers()["set-cookie"].to_str().expect("text").split(';').next().expect("a cookie").to_owned();
    let list = async |server: &Server| {
        let request = client.get(format!("{}/v1/scripts", server.url)).header("x-cronbox-csrf", "1");
        request.header("cookie", &cookie).send().await.expect("answers").status().as_u16()
    };
    assert_eq!((list(&one).await, list(&other).await), (200, 200));
    let id = made["id"].as_str().expect("an id");
    assert_eq!(other.json(other.request(Method::DELETE, &format!("/v1/tokens/{id}"))).await.0, 204);
    assert_eq!((list(&one).await, list(&other).await), (401, 401), "its token was removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_a_database_and_a_bucket() {
    let folder = Folder::new();
    let bucket = Bucket::start(&folder.0).await;
    bucket.copy_in("scripts/copied.py", "def run():\n    return 'from the bucket'\n");
    let database = cluster().database();
    let words = [
        "--database",
        &database,
        "--blobs",
        "s3://jobs/cronbox",
        "--script-source",
        "s3://jobs/scripts",
        "--lease",
        "3s",
    ];
    let one = start(&folder.0, &words, &bucket.env());
    let mut other = start(&folder.0, &words, &bucket.env());
    let (status, kept) = one
        .put("sleep", "import time\ndef run(s=0):\n    print('begun', flush=True)\n    time.sleep(s)\n    return s\n")
        .await;
    assert_eq!(status, 201, "{kept}");
    let object = format!("cronbox/sources/{}.py", kept["sha256"].as_str().expect("text"));
    assert!(bucket.path(&object).exists(), "the source is in the bucket, where the docs say");
    assert_eq!(other.run("sleep", &json!({})).await["status"], "succeeded");
    // A script that was only copied into the bucket.
    other.answers("/v1/scripts/copied", 200).await;
    assert_eq!(one.run("copied", &json!({})).await["result"], "from the bucket");
    // The same file without a server.
    let mut command = std::process::Command::new(PROGRAM);
    command.args(["run", "s3://jobs/scripts/copied.py", "--quiet"]).envs(bucket.env());
    command.env("CRONBOX_INTERPRETER_CACHE", interpreter_cache());
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("ran").expect("starts");
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "\"from the bucket\"\n", "{ran:?}");
    // A run of one node is waited for, read and cancelled on the other.
    let (_, run) = one.post("/v1/scripts/sleep/runs", &json!({"args": {"s": 600}})).await;
    let id = run["id"].as_str().expect("an id").to_owned();
    other.run_when(&id, |run| run["status"] == "running").await;
    let has_output = async || {
        let output = other.request(Method::GET, &format!("/v1/runs/{id}/output/stdout")).send().await.expect("answers");
        output.text().await.expect("text") == "begun\n"
    };
    other.until("the output comes", has_output).await;
    let asked = Instant::now();
    let (_, cancelled) = other.post(&format!("/v1/runs/{id}/cancel"), &json!({})).await;
    other.run_when(cancelled["id"].as_str().expect("an id"), |run| run["status"] == "cancelled").await;
    assert!(asked.elapsed() < Duration::from_millis(2500), "{:?}", asked.elapsed());
    // The runs of a node that dies are another's.
    let mut ids = Vec::new();
    for _ in 0..6 {
        let (_, run) = other.post("/v1/scripts/sleep/runs", &json!({"args": {"s": 4}})).await;
        ids.push(run["id"].as_str().expect("an id").to_owned());
    }
    for id in &ids {
        one.run_when(id, |run| run["status"] == "running").await;
    }
    other.kill();
    let mut lost_attempts = 0;
    for id in &ids {
        let run = one.run_when(id, |run| run["finished_at"].is_string()).await;
        assert_eq!(run["status"], "succeeded", "{run}");
        lost_attempts += run["lost_attempts"].as_u64().expect("a count");
    }
    let metrics = one.request(Method::GET, "/metrics").send().await.expect("answers").text().await.expect("text");
    let lost = metrics.lines().find_map(|line| line.strip_prefix("cronbox_attempts_lost_total{with=\"node\"} "));
    assert_eq!(lost, Some(&*lost_attempts.to_string()), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_or_a_database_that_goes_away_comes_back() {
    let folder = Folder::new();
    let mut bucket = Bucket::start(&folder.0).await;
    let own = Cluster::start(true);
    let database = own.database();
    let server = start(&folder.0, &["--database", &database, "--blobs", "s3://jobs/cronbox"], &bucket.env());
    server.put("a", "def run():\n    return 1\n").await;
    server.put("b", "def run():\n    return 2\n").await;
    server.run("a", &json!({})).await;
    bucket.down();
    let ready = server.get("/readyz").await;
    assert!(ready.0 == 503 && ready.1["parts"]["blobs"] != "ok" && ready.1["parts"]["database"] == "ok", "{}", ready.1);
    let refused = server.put("c", "def run():\n    return 3\n").await;
    assert_eq!((refused.0, &refused.1["code"]), (503, &json!("blobs_unavailable")), "{}", refused.1);
    // What is at hand goes on; what is not waits, says why, and is not lost.
    assert_eq!(server.run("a", &json!({})).await["result"], 1);
    let (status, waiting) = server.post("/v1/scripts/b/runs", &json!({})).await;
    assert_eq!(status, 201, "{waiting}");
    let id = waiting["id"].as_str().expect("an id").to_owned();
    let late = server.run_when(&id, |run| run["status"] == "scheduled").await;
    assert!(late["reason"].as_str().expect("a reason").contains("cannot be fetched"), "{late}");
    bucket.up().await;
    let run = server.run_when(&id, |run| run["finished_at"].is_string()).await;
    assert_eq!((&run["result"], &run["attempt"]), (&json!(2), &json!(1)));

    let (_, slow) = server
        .post("/v1/runs", &json!({"source": "import time\ndef run():\n    time.sleep(2)\n    return 'done'\n"}))
        .await;
    let id = slow["id"].as_str().expect("an id").to_owned();
    server.run_when(&id, |run| run["status"] == "running").await;
    own.down();
    let away = server.get("/v1/scripts").await;
    assert_eq!((away.0, &away.1["code"]), (503, &json!("database_unavailable")), "{}", away.1);
    assert_eq!(server.get("/healthz").await.0, 200);
    own.up();
    server.answers("/v1/scripts", 200).await;
    let run = server.run_when(&id, |run| run["finished_at"].is_string()).await;
    assert_eq!(run["result"], "done", "its end was recorded when the database was back: {run}");
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_its_node_does_not_know_of_is_given_back() {
    let folder = Folder::new();
    let database = cluster().database();
    let server = start(&folder.0, &["--database", &database], &[]);
    let (status, kept) = server
        .json(server.request(Method::PUT, "/v1/scripts/slow").json(&json!({
            "source": "import time\ndef run(s):\n    time.sleep(s)\n    return s\n",
            "concurrency": 1,
        })))
        .await;
    assert_eq!(status, 201, "{kept}");
    let (_, first) = server.post("/v1/scripts/slow/runs", &json!({"args": {"s": 2}})).await;
    server.run_when(first["id"].as_str().expect("an id"), |run| run["status"] == "running").await;
    let (_, second) = server.post("/v1/scripts/slow/runs", &json!({"args": {"s": 0}})).await;
    let id = second["id"].as_str().expect("an id");
    // As if the node had claimed it, and the answer had been lost.
    let name = database.rsplit('/').next().expect("a name");
    let sql = format!(
        "BEGIN;
        UPDATE queue SET state = 'claimed', token = 'lost', node = (SELECT node FROM queue WHERE state = 'claimed') WHERE run = '{id}';
        UPDATE runs SET status = 'running', attempt = 1, started_at = created_at WHERE id = '{id}';
        COMMIT"
    );
    cluster().sql(name, &sql);
    let run = server.run_when(id, |run| run["finished_at"].is_string()).await;
    assert_eq!((&run["status"], &run["attempt"]), (&json!("succeeded"), &json!(2)), "{run}");
    assert!(server.log().contains("not carried out"), "{}", server.log());
}

/// How many runs chaos makes.
fn rounds() -> usize {
    if std::env::var_os("CRONBOX_SOAK").is_some() { 10_000 } else { 1_000 }
}

/// Any sequence will do: xorshift.
struct Random(u64);

impl Random {
    fn new() -> Self {
        Random(uuid::Uuid::new_v4().as_u128() as u64 | 1)
    }

    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}

/// Kills a node, or one of its sandbox processes.
fn kill_something(servers: &mut [Server], random: &mut Random) {
    let victim = random.below(servers.len());
    if random.below(3) == 0 {
        servers[victim].kill();
        servers[victim].up();
    } else {
        let children = format!("/proc/{0}/task/{0}/children", servers[victim].pid());
        let children = std::fs::read_to_string(children).unwrap_or_default();
        if let Some(child) = children.split_whitespace().next() {
            let _ = std::process::Command::new("kill").args(["-KILL", child]).status();
        }
    }
}

/// Every accepted run ends in exactly one final status, whatever `disturb` does between the requests. Every seventh run has
/// arguments and a result that are blobs.
async fn chaos(mut servers: Vec<Server>, runs: usize, mut disturb: impl AsyncFnMut(&mut [Server], &mut Random)) {
    let source = "import time\ndef run(n, pad=''):\n    time.sleep(n % 7 / 100)\n    if n % 10 == 9:\n        raise ValueError(n)\n    return [n, pad]\n";
    assert_eq!(servers[0].put("work", source).await.0, 201);
    let pad = |n: usize| if n.is_multiple_of(7) { "x".repeat(20_000) } else { String::new() };
    let mut accepted: BTreeMap<String, usize> = BTreeMap::new();
    let mut random = Random::new();
    let mut sent = 0;
    let deadline = Instant::now() + Duration::from_secs(60 + runs as u64 / 5);
    while sent < runs {
        for _ in 0..50.min(runs - sent) {
            let server = &servers[sent % servers.len()];
            let request = server
                .request(Method::POST, "/v1/scripts/work/runs")
                .header("idempotency-key", format!("chaos-{sent}"))
                .json(&json!({"args": {"n": sent, "pad": pad(sent)}}));
            // A node that was just killed answers nobody; one whose database or bucket is away says so. What was not
            // accepted is sent again.
            if let Ok(response) = request.send().await
                && response.status().is_success()
            {
                let run: Value = response.json().await.expect("a run");
                accepted.insert(run["id"].as_str().expect("an id").to_owned(), sent);
                sent += 1;
            }
        }
        disturb(&mut servers, &mut random).await;
        assert!(Instant::now() < deadline, "only {sent} were accepted\n{}", servers[0].log());
    }
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let (_, open) = servers[0].get("/v1/runs?status=queued,running,scheduled&limit=1").await;
        if open["items"].as_array().is_some_and(Vec::is_empty) {
            break;
        }
        assert!(Instant::now() < deadline, "runs are left over: {open}\n{}", servers[0].log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let (_, page) = servers[0].get(&format!("/v1/runs?limit=500{cursor}")).await;
        for run in page["items"].as_array().expect("items") {
            let id = run["id"].as_str().expect("an id").to_owned();
            let status = run["status"].as_str().expect("a status").to_owned();
            assert!(seen.insert(id, status).is_none(), "a run is listed twice");
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(accepted.len(), runs);
    assert_eq!(seen.len(), runs, "as many as were asked for, and no more");
    for (id, n) in &accepted {
        let status = seen.get(id).unwrap_or_else(|| panic!("run {id} is lost"));
        match status.as_str() {
            "succeeded" => {
                assert_ne!(n % 10, 9, "{id}");
                if n.is_multiple_of(7) {
                    let (_, run) = servers[0].get(&format!("/v1/runs/{id}")).await;
                    assert_eq!(run["result"], json!([n, pad(*n)]), "{id}");
                }
            }
            "failed" => assert_eq!(n % 10, 9, "{id}"),
            // Three times with a process or a node that was killed under it.
            "crashed" => {}
            other => panic!("run {id} ended {other}"),
        }
    }
    let crashed = seen.values().filter(|status| *status == "crashed").count();
    assert!(crashed * 10 < runs, "{crashed} of {runs} runs were aboard three times");
}

#[tokio::test(flavor = "multi_thread")]
async fn chaos_on_one_node() {
    let folder = Folder::new();
    let server = start(&folder.0, &["--rate-limit", "100000"], &[]);
    chaos(vec![server], rounds(), async |servers, random| kill_something(servers, random)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chaos_on_three_nodes() {
    let folder = Folder::new();
    let database = cluster().database();
    let words = ["--database", &database, "--blobs", "shared-blobs", "--lease", "2s", "--rate-limit", "100000"];
    let servers = (0..3).map(|n| {
        let own = folder.0.join(n.to_string());
        std::fs::create_dir_all(&own).expect("a folder");
        let blobs = folder.0.join("blobs");
        let mut words = words.to_vec();
        words[3] = blobs.to_str().expect("text");
        start(&own, &words, &[])
    });
    chaos(servers.collect(), rounds(), async |servers, random| kill_something(servers, random)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chaos_while_the_database_and_the_bucket_come_and_go() {
    let folder = Folder::new();
    let mut bucket = Bucket::start(&folder.0).await;
    let own = Cluster::start(true);
    let database = own.database();
    let words = ["--database", &database, "--blobs", "s3://jobs/cronbox", "--lease", "3s", "--rate-limit", "100000"];
    let servers = (0..2).map(|n| {
        let own = folder.0.join(n.to_string());
        std::fs::create_dir_all(&own).expect("a folder");
        start(&own, &words, &bucket.env())
    });
    let servers: Vec<Server> = servers.collect();
    chaos(servers, rounds(), async |servers, random| match random.below(4) {
        0 => {
            own.down();
            // Asked while it is away, which the next requests would be too late for.
            let away = servers[0].get("/v1/scripts").await;
            assert_eq!(away.0, 503, "{}", away.1);
            own.up();
        }
        1 => {
            bucket.down();
            let large = json!({"args": {"n": 0, "pad": "y".repeat(20_000)}});
            let away = servers[1].post("/v1/scripts/work/runs", &large).await;
            assert_eq!((away.0, &away.1["code"]), (503, &json!("blobs_unavailable")), "{}", away.1);
            bucket.up().await;
        }
        2 => kill_something(servers, random),
        _ => {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_clients_never_meet_a_lock() {
    let folder = Folder::new();
    let server = start(&folder.0, &["--rate-limit", "100000"], &[]);
    server.put("n", "def run(n):\n    return n\n").await;
    let server = std::sync::Arc::new(server);
    let clients = (0..64).map(|client| {
        let server = server.clone();
        tokio::spawn(async move {
            for n in 0..10 {
                let run = server
                    .run("n", &json!({"args": {"n": client * 100 + n}, "labels": {"c": client.to_string()}}))
                    .await;
                assert_eq!((&run["status"], &run["result"]), (&json!("succeeded"), &json!(client * 100 + n)));
                let (status, list) = server.get(&format!("/v1/runs?label=c={client}")).await;
                assert_eq!((status, list["items"].as_array().map(Vec::len)), (200, Some(n + 1)));
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("no client met an error");
    }
    assert!(!server.log().contains("locked"), "{}", server.log());
}
