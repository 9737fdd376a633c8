//! What schedules cost: how late runs start, what a look at many schedules takes, and APScheduler beside it.

use super::server::{cpu, sqlite};
use super::support::scheduler::scheduler;
use super::support::server::{Folder, Server};
use super::{at, ms, row};
use chrono::{TimeDelta, Utc};
use cronbox::clock::Clock;
use cronbox::store::{DatabaseUrl, Store};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long each rate is kept up.
const KEPT_UP: Duration = Duration::from_secs(15);

pub(super) async fn costs() {
    for (rate, target) in [(1, true), (100, true), (500, false)] {
        lag(rate, target).await;
    }
    apscheduler();
    let mut few = None;
    let counts: &[usize] =
        if std::env::var_os("CRONBOX_SOAK").is_some() { &[1_000, 100_000, 1_000_000] } else { &[1_000, 100_000] };
    for count in counts {
        let folder = Folder::new();
        let database = prepared(&folder, *count).await;
        let took = look(&database).await;
        let first = *few.get_or_insert(took);
        let ratio = took.as_secs_f64() / first.as_secs_f64();
        row(
            &format!("a look at {count} schedules of which 10 are due"),
            ms(took),
            "within twice that of 1,000",
            (*count > 1_000).then_some(ratio < 2.0),
        );
        if *count == 100_000 {
            start(&folder).await;
        }
    }
}

/// From fire time to script start, `rate` times a second.
async fn lag(rate: usize, has_target: bool) {
    let folder = Folder::new();
    let words = ["--rate-limit", "1000000", "--log", "warn", "--sandbox-processes", "2"];
    let server = Server::start(&folder.0, &words);
    server.put("tiny", super::TINY).await;
    for n in 0..rate {
        let asked = json!({"id": format!("s{n}"), "script": "tiny", "trigger": "every 1s", "overlap": "allow"});
        let (status, made) = server.post("/v1/schedules", &asked).await;
        assert_eq!(status, 201, "{made}");
    }
    let begun = Utc::now();
    tokio::time::sleep(KEPT_UP).await;
    server.post("/v1/scheduler/pause", &json!({})).await;
    let mut late: Vec<Duration> = Vec::new();
    let mut cursor = String::new();
    loop {
        let since = begun.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let (_, page): (u16, Value) = server.get(&format!("/v1/runs?cause=fire&limit=500&since={since}{cursor}")).await;
        for run in page["items"].as_array().unwrap() {
            late.extend(run["lateness_ms"].as_f64().map(|ms| Duration::from_secs_f64(ms / 1e3)));
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    late.sort();
    let kept_up = KEPT_UP.as_secs() as usize * rate;
    assert!(late.len() * 10 >= kept_up * 9, "{} of {kept_up} runs started", late.len());
    let p99 = at(&late, 0.99);
    row(&format!("fire time to script start, {rate} a second, p50"), ms(at(&late, 0.5)), "", None);
    let met = has_target.then_some(p99 < Duration::from_millis(100));
    row("the same, p99", ms(p99), if has_target { "under 100 ms" } else { "" }, met);
}

/// A database with so many schedules of one script, all of them far from due.
async fn prepared(folder: &Folder, count: usize) -> std::path::PathBuf {
    let mut server = Server::start(&folder.0, &["--log", "warn", "--paused"]);
    server.put("tiny", super::TINY).await;
    let asked = json!({"script": "tiny", "trigger": "0 0 1 1 *", "overlap": "allow"});
    let (status, made) = server.json(server.request(reqwest::Method::PUT, "/v1/schedules/first").json(&asked)).await;
    assert_eq!(status, 201, "{made}");
    server.signal("-TERM");
    server.ended(Duration::from_secs(20));
    let database = folder.0.join("cronbox-data/cronbox.db");
    let columns =
        "script, origin, settings, trigger_json, state, revision, cursor, next_fire_at, created_at, updated_at";
    let sql = format!(
        "INSERT INTO schedules (key, id, next_due_at, {columns})
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
         SELECT 's' || n, 's' || n, next_due_at + n, {columns} FROM numbers, schedules WHERE key = 'first';
         UPDATE scheduler SET paused = 0; ANALYZE"
    );
    sqlite(&database, &sql);
    database
}

/// One look with ten due, the median of many.
async fn look(database: &Path) -> Duration {
    let store = Store::open(&DatabaseUrl::Sqlite(database.to_owned())).await.unwrap();
    let (scheduler, _ears) = scheduler(&store, &Clock::system());
    let mut times = Vec::new();
    for round in 0..30 {
        // Ten that had been due a moment ago.
        for n in 0..10 {
            let schedule = store.schedule(&format!("s{}", 1 + round * 10 + n)).await.unwrap().unwrap();
            let now = Utc::now() - TimeDelta::milliseconds(1);
            let next = Some((now, now));
            assert!(store.resume_schedule(&schedule.key, schedule.revision, now, next, now).await.unwrap());
        }
        let started = Instant::now();
        while scheduler.tick().await.unwrap() == Duration::ZERO {}
        times.push(started.elapsed());
    }
    store.close().await;
    times.sort();
    at(&times, 0.5)
}

/// A node that starts with all of them, and what it costs to have them.
async fn start(folder: &Folder) {
    let started = Instant::now();
    let server = Server::start(&folder.0, &["--log", "warn"]);
    while server.get("/readyz").await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = started.elapsed();
    row("start of a node with 100,000 schedules", ms(took), "under 2 s", Some(took < Duration::from_secs(2)));
    let before = cpu(server.pid());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let each = (cpu(server.pid()) - before).as_secs_f64() / 10.0;
    row("CPU of that node while nothing is due", format!("{:.1} ms a second", each * 1e3), "", None);
}

/// APScheduler 3 with its SQLAlchemy store on SQLite: the same 100 fires a second, and a start with 10,000 jobs.
fn apscheduler() {
    let folder = Folder::new();
    let venv = std::env::var("CRONBOX_TEST_VENV").expect("CRONBOX_TEST_VENV: `make bench` sets it");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/apscheduler_peer.py");
    let done = Command::new(Path::new(&venv).join("bin/python"))
        .arg(script)
        .arg(&folder.0)
        .arg(KEPT_UP.as_secs().to_string())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said: Value = serde_json::from_slice(&done.stdout).unwrap();
    let time = |name: &str| ms(Duration::from_secs_f64(said[name].as_f64().unwrap()));
    row("APScheduler 3 on SQLite, fire time to start, 100 a second, p50", time("p50"), "", None);
    row("the same, p99", time("p99"), "", None);
    row("its fires that were left out, of 100", format!("{:.0}", said["lost"].as_f64().unwrap() * 100.0), "", None);
    row("its start with 10,000 jobs", time("start"), "", None);
}
