//! What the server costs over HTTP, on SQLite and on PostgreSQL; lists over a million runs, and what retention costs.

use super::support::postgres::Cluster;
use super::support::server::{Folder, Server};
use super::{at, ms, row};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Requests one after the other.
const ALONE: usize = 500;
/// Clients at once, and requests of each.
const CLIENTS: (usize, usize) = (16, 250);
/// Runs of a turn, and turns of each node.
const RUNS: usize = 500;
const TURNS: usize = 8;
/// Runs in the lists.
const MANY: usize = 1_000_000;
/// Runs that are let go of.
const OLD: usize = 100_000;

/// One server on SQLite, one on PostgreSQL, both durable.
pub(super) async fn costs() {
    let cluster = Cluster::start(true);
    for (name, rate, cost) in [("SQLite", 1_800.0, 0.45), ("PostgreSQL", 900.0, 0.5)] {
        let folder = Folder::new();
        let database = cluster.database();
        let mut words = vec!["--rate-limit", "1000000", "--log", "warn", "--sandbox-processes", "2"];
        if name == "PostgreSQL" {
            words.extend(["--database", &database]);
        }
        let server = Arc::new(Server::start(&folder.0, &words));
        server.put("tiny", super::TINY).await;
        one_after_the_other(&server, name).await;
        many_at_once(&server, name, (rate, cost)).await;
        drop(server);
        if name == "SQLite" {
            service_of_today().await;
        }
    }
}

/// What a server with a million runs costs.
pub(super) async fn lists() {
    let cluster = Cluster::start(true);
    for name in ["SQLite", "PostgreSQL"] {
        lists_of(name, &cluster).await;
    }
}

/// The same requests to FastAPI under uvicorn, which starts a `python3` for each and records to SQLite too.
async fn service_of_today() {
    let folder = Folder::new();
    let venv = std::env::var("CRONBOX_TEST_VENV").expect("CRONBOX_TEST_VENV: `make bench` sets it");
    let service = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/fastapi_service.py");
    let mut process = Command::new(Path::new(&venv).join("bin/python"))
        .arg(service)
        .args([super::python(), folder.0.join("runs.db").display().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = format!("http://127.0.0.1:{}/scripts/tiny/runs", line.trim());
    let client = reqwest::Client::new();
    let ask = || async {
        let started = Instant::now();
        let answer = client.post(&url).json(&json!({"args": {"n": 4}})).send().await.unwrap();
        let run: Value = answer.json().await.unwrap();
        assert_eq!(run["result"], json!({"n": 4}), "{run}");
        started.elapsed()
    };
    for _ in 0..10 {
        ask().await;
    }
    let mut times = Vec::new();
    for _ in 0..ALONE / 5 {
        times.push(ask().await);
    }
    times.sort();
    row("FastAPI, uvicorn and a `python3` for each request, recorded to SQLite: p50", ms(at(&times, 0.5)), "", None);
    row("the same, p99", ms(at(&times, 0.99)), "", None);
    let started = Instant::now();
    let clients = CLIENTS.0 * CLIENTS.1 / 10;
    futures_util::stream::iter(0..clients)
        .for_each_concurrent(CLIENTS.0, |_| async {
            ask().await;
        })
        .await;
    let rate = clients as f64 / started.elapsed().as_secs_f64();
    row(&format!("its runs a second, {} clients", CLIENTS.0), format!("{rate:.0}"), "", None);
    drop(process.stdin.take());
    process.wait().unwrap();
}

async fn post(server: &Server) -> Duration {
    let started = Instant::now();
    let (status, run) = server.post("/v1/scripts/tiny/runs?wait", &json!({"args": {"n": 4}})).await;
    let took = started.elapsed();
    assert!(status == 200 && run["status"] == "succeeded", "{run}");
    took
}

async fn one_after_the_other(server: &Server, name: &str) {
    for _ in 0..50 {
        post(server).await;
    }
    let mut times = Vec::new();
    for _ in 0..ALONE {
        times.push(post(server).await);
    }
    times.sort();
    let p50 = at(&times, 0.5);
    let met = (name == "SQLite").then_some(p50 < Duration::from_millis(5));
    row(&format!("`POST …/runs?wait`, {name}, p50"), ms(p50), if met.is_some() { "under 5 ms" } else { "" }, met);
    row("the same, p99", ms(at(&times, 0.99)), "", None);
}

async fn many_at_once(server: &Arc<Server>, name: &str, (least, target): (f64, f64)) {
    let before = cpu(server.pid());
    let started = Instant::now();
    let clients = (0..CLIENTS.0).map(|_| {
        let server = server.clone();
        tokio::spawn(async move {
            for _ in 0..CLIENTS.1 {
                post(&server).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let runs = (CLIENTS.0 * CLIENTS.1) as f64;
    let rate = runs / started.elapsed().as_secs_f64();
    let what = format!("runs a second, {} clients, {name}", CLIENTS.0);
    row(&what, format!("{rate:.0}"), &format!("at least {least:.0}"), Some(rate >= least));
    let cost = (cpu(server.pid()) - before).as_secs_f64() * 1e3 / runs;
    row(
        "CPU of the node for each, outside the sandbox",
        format!("{cost:.2} ms"),
        &format!("at most {target} ms"),
        Some(cost <= target),
    );
}

/// The time of CPU that a process has used.
pub(super) fn cpu(pid: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // After the name, which may hold anything: state is the first, user and system time the twelfth and thirteenth.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// The CPU time of each of two nodes for a run of `tiny`, median; measured in turns.
pub(super) async fn cpu_of_runs(servers: [&Server; 2]) -> [Duration; 2] {
    let mut costs = [Vec::new(), Vec::new()];
    for turn in 0..=TURNS {
        for (server, costs) in servers.into_iter().zip(&mut costs) {
            let before = cpu(server.pid());
            for _ in 0..RUNS {
                server.run("tiny", &json!({})).await;
            }
            // The first turn warms up.
            if turn > 0 {
                costs.push((cpu(server.pid()) - before) / u32::try_from(RUNS).unwrap());
            }
        }
    }
    costs.map(|mut costs| {
        costs.sort();
        at(&costs, 0.5)
    })
}

/// A million runs over a year, written by the database itself.
async fn lists_of(name: &str, cluster: &Cluster) {
    let folder = Folder::new();
    let database = cluster.database();
    let words = match name {
        "PostgreSQL" => vec!["--database", &database, "--log", "warn"],
        _ => vec!["--log", "warn"],
    };
    let mut server = Server::start(&folder.0, &words);
    server.put("tiny", super::TINY).await;
    let run = server.run("tiny", &json!({})).await;
    let id = run["id"].as_str().unwrap().to_owned();
    server.signal("-TERM");
    server.ended(Duration::from_secs(20));
    // Ids in the order of time, as the program makes them: milliseconds since 1970 in their first twelve digits.
    let columns = "script, name, version, cause, status, attempt, lost, priority, spec, args, result, result_kind, fuel, memory, wall, labels";
    let now = chrono::Utc::now().timestamp_micros();
    let step = 365 * 86_400 * 1_000_000_i64 / MANY as i64;
    let status = "CASE WHEN n % 20 = 0 THEN 'failed' ELSE 'succeeded' END";
    let chosen = columns.replace("status", status);
    if name == "PostgreSQL" {
        let time = format!("({now} - n * {step})");
        let hex = format!("lpad(to_hex(({time} / 1000)::bigint), 12, '0')");
        let made =
            format!("substr({hex}, 1, 8) || '-' || substr({hex}, 9, 4) || '-7000-8000-' || lpad(to_hex(n), 12, '0')");
        let sql = format!(
            "ALTER TABLE runs DISABLE TRIGGER USER; INSERT INTO runs (id, created_at, run_at, started_at, finished_at, {columns})
             SELECT {made}, {time}, {time}, {time}, {time}, {chosen} FROM runs, generate_series(1::bigint, {MANY}) AS n WHERE id = '{id}';
             ALTER TABLE runs ENABLE TRIGGER USER; ANALYZE runs"
        );
        cluster.sql(database.rsplit('/').next().unwrap(), &sql);
    } else {
        let time = format!("({now} - n * {step})");
        let hex = format!("printf('%012x', {time} / 1000)");
        let made = format!("substr({hex}, 1, 8) || '-' || substr({hex}, 9, 4) || '-7000-8000-' || printf('%012x', n)");
        let sql = format!(
            "DROP TRIGGER runs_begin; INSERT INTO runs (id, created_at, run_at, started_at, finished_at, {columns})
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {MANY})
             SELECT {made}, {time}, {time}, {time}, {time}, {chosen} FROM numbers, runs WHERE id = '{id}'; ANALYZE"
        );
        sqlite(&folder.0.join("cronbox-data/cronbox.db"), &sql);
    }
    server.up();
    for (what, path) in [
        ("all", "/v1/runs"),
        ("of a script", "/v1/runs?script=tiny"),
        ("that failed", "/v1/runs?status=failed"),
        ("of a script since a week", "/v1/runs?script=tiny&since=7d"),
    ] {
        let mut times = Vec::new();
        for _ in 0..100 {
            let started = Instant::now();
            let (status, page) = server.get(path).await;
            times.push(started.elapsed());
            assert!(status == 200 && page["items"].as_array().map(Vec::len) == Some(50), "{page}");
        }
        times.sort();
        let p99 = at(&times, 0.99);
        let met = Some(p99 < Duration::from_millis(20));
        row(&format!("first page of a million runs, {name}: {what}, p99"), ms(p99), "under 20 ms", met);
    }
    let started = Instant::now();
    let (_, counts): (u16, Value) = server.get("/v1/runs/counts?bucket=1d&since=365d").await;
    let took = started.elapsed();
    assert!(counts["items"].as_array().unwrap().len() > 360);
    row(&format!("counts a day over a year of them, {name}"), ms(took), "", None);
    retention(&mut server, name).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let resident: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap()
        .trim()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    row("memory of the node after that", format!("{} MiB", resident / 1024), "", None);
}

/// Lets the node delete the oldest 100,000 runs while it serves: how long that takes, and what its users notice.
async fn retention(server: &mut Server, name: &str) {
    let quiet = p99_of_posts(server, async |posted| posted >= ALONE).await;
    server.signal("-TERM");
    server.ended(Duration::from_secs(20));
    server.words.extend(["--keep-count".into(), (MANY - OLD).to_string()]);
    server.up();
    // They were made evenly over a year.
    let oldest = |share: f64| format!("/v1/runs?limit=1&until={}h", (365.0 * 24.0 * share) as u64);
    let gone = async |path: &str| server.get(path).await.1["items"].as_array().is_some_and(Vec::is_empty);
    // The first round comes within a minute.
    while !gone(&oldest(0.9999)).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (started, last) = (Instant::now(), oldest(0.9005));
    let busy = p99_of_posts(server, async |posted| posted % 100 == 99 && gone(&last).await).await;
    let rate = OLD as f64 / started.elapsed().as_secs_f64();
    row(&format!("retention of 100,000 runs while serving, {name}"), format!("{rate:.0} a second"), "", None);
    row("`POST …/runs?wait` meanwhile, p99 (and before it)", format!("{} ({})", ms(busy), ms(quiet)), "", None);
}

/// Posts one after the other until `enough`.
async fn p99_of_posts(server: &Server, enough: impl AsyncFn(usize) -> bool) -> Duration {
    let mut times = Vec::new();
    while !enough(times.len()).await {
        times.push(post(server).await);
    }
    times.sort();
    at(&times, 0.99)
}

/// Python's own SQLite: the program's is inside it.
pub(super) fn sqlite(path: &Path, sql: &str) {
    let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2]); c.commit()";
    let done = Command::new(super::python()).args(["-c", script]).arg(path).arg(sql).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
