//! A whole node whose clock jumps: on SQLite the machine's time decides, and somebody may set it.

use crate::support::server::Folder;
use crate::support::wait::until;
use crate::support::{PROGRAM, beside_others, interpreter, interpreter_cache};
use chrono::{DateTime, TimeDelta, Utc};
use cronbox::clock::Clock;
use cronbox::http::Listener;
use cronbox::serve::{Config, Shutdown, run};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SCHEDULES: usize = 5;

fn node(folder: &Folder, clock: &Clock) -> Config {
    let place = |name: &str| folder.0.join(name).display().to_string();
    let config = Config::of_flags([
        format!("--listen=unix:{}", place("socket")),
        format!("--data-dir={}", place("data")),
        format!("--package-cache={}", place("packages")),
        format!("--interpreter-cache={}", interpreter_cache().display()),
        "--drain=10s".to_owned(),
        "--rate-limit=100000".to_owned(),
        "--max-data=1024TiB".to_owned(),
    ]);
    Config { program: PROGRAM.into(), clock: Some(clock.clone()), ..config.expect("a configuration") }
}

/// A client of the node.
struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    fn cronbox(&self, words: &[&str]) -> bool {
        let done = Command::new(PROGRAM).args(words).args(["--url", &self.url]).output().expect("starts");
        done.status.success()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(format!("http://localhost{path}")).send().await.expect("answers");
        serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON")
    }

    /// The rows of fire times, by schedule: the first and last fire time of each, in order.
    async fn rows(&self) -> BTreeMap<String, Vec<(i64, i64)>> {
        let mut rows: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/v1/runs?cause=fire&limit=500{cursor}")).await;
            for run in page["items"].as_array().expect("items") {
                let second = |field: &str| {
                    run[field].as_str().map(|text| DateTime::parse_from_rfc3339(text).expect("a time").timestamp())
                };
                let first = second("fire_time").expect("a fire time");
                let last = second("fire_time_until").unwrap_or(first);
                assert_eq!(run["count"].as_i64().unwrap_or(1), last - first + 1, "{run}");
                rows.entry(run["schedule"].as_str().expect("an id").into()).or_default().push((first, last));
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        rows.values_mut().for_each(|times| times.sort_unstable());
        rows
    }

    /// Waits until each schedule's last fire time is at least this.
    async fn until(&self, wanted: DateTime<Utc>) {
        until("each schedule comes that far", async || {
            let page = self.get("/v1/schedules").await;
            let reached = |schedule: &Value| {
                let fired = schedule["last_run"]["fire_time"].as_str()?;
                Some(DateTime::parse_from_rfc3339(fired).expect("a time") >= wanted)
            };
            let items = page["items"].as_array().expect("items");
            let all = items.len() == SCHEDULES && items.iter().all(|schedule| reached(schedule) == Some(true));
            if all { Ok(()) } else { Err(page) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_loses_and_doubles_nothing() {
    let _shared = beside_others().await;
    interpreter();
    // As the program does at its start; another test may have.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = Folder::new();
    let clock = Clock::database(Utc::now());
    let shutdown = Shutdown::default();
    let config = node(&folder, &clock);
    let url = config.listening.listen[0].clone();
    let ending = shutdown.clone();
    // A thread of its own: somebody else may hold up the test's.
    let running = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let listener = Listener::bind(&config.listening.listen[0]).await.expect("listens");
            run(config, Some(listener), Arc::new(|_| ()), ending).await
        })
    });
    let http = reqwest::Client::builder().unix_socket(url.trim_start_matches("unix:")).build().expect("a client");
    let client = Client { http, url };
    let script = folder.0.join("tick.py");
    std::fs::write(&script, "def run():\n    return 1\n").expect("writes");
    let script = script.to_str().expect("UTF-8");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !client.cronbox(&["push", script]) {
        assert!(Instant::now() < deadline && !running.is_finished(), "the node does not come up");
    }
    for n in 0..SCHEDULES {
        let id = format!("s{n}");
        assert!(client.cronbox(&["schedule", "add", "tick", "every 1s", "--id", &id, "--overlap", "allow"]));
    }
    client.until(clock.now() + TimeDelta::seconds(2)).await;
    // An hour ahead: what lies between is told, and it goes on.
    clock.set(clock.now() + TimeDelta::hours(1));
    client.until(clock.now() + TimeDelta::seconds(2)).await;
    // An hour back: nothing fires a second time, and other runs go on.
    clock.set(clock.now() - TimeDelta::hours(1));
    let before = client.rows().await;
    for _ in 0..5 {
        assert!(client.cronbox(&["schedule", "trigger", "s0", "--wait"]));
    }
    assert_eq!(client.rows().await, before);
    // And ahead again.
    clock.set(clock.now() + TimeDelta::hours(1));
    client.until(clock.now() + TimeDelta::seconds(2)).await;
    let rows = client.rows().await;
    shutdown.stop.cancel();
    assert_eq!(rows.len(), SCHEDULES);
    for (schedule, times) in rows {
        let whole = times.windows(2).all(|two| two[1].0 == two[0].1 + 1);
        assert!(whole, "{schedule}: a fire time is missing or doubled: {times:?}");
        let (first, last) = (times[0].0, times[times.len() - 1].1);
        assert!(last - first > 3_600, "{schedule}: {first} to {last}");
    }
    running.join().expect("joins").expect("ends in order");
}
