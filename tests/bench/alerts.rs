//! What alerts cost: from an event to its receiver, at rest, and for runs that no alert is about.

use super::server::{cpu, cpu_of_runs};
use super::support::postgres::cluster;
use super::support::receiver::Receiver;
use super::support::server::{Folder, Server};
use super::{at, ms, row};
use chrono::DateTime;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Alerts a second, and for how long.
const RATE: u64 = 10;
const SECONDS: u64 = 30;
/// Alerts that time makes true.
const AT_REST: usize = 1_000;
const FLIP: &str = "def run(fail):\n    if fail:\n        raise ValueError('no price')\n";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

pub(super) async fn costs() {
    latency("SQLite", &[]).await;
    latency("PostgreSQL", &["--database", &cluster().database()]).await;
    at_rest().await;
    of_runs().await;
}

async fn put(server: &Server, path: &str, body: &Value) {
    let (status, kept) = server.json(server.request(Method::PUT, path).json(body)).await;
    assert!(status == 200 || status == 201, "{kept}");
}

/// From the end of a run to the receiver of its message.
async fn latency(name: &str, more: &[&str]) {
    let (folder, receiver) = (Folder::new(), Receiver::start().await);
    let mut words = vec!["--log", "warn", "--notify-rate", "1000000", "--channel-network", "localhost=127.0.0.0/8"];
    words.extend(more);
    let server = Server::start(&folder.0, &words);
    put(&server, "/v1/channels/ops", &json!({"type": "webhook", "url": receiver.url(), "secret": SECRET})).await;
    server.put("flip", FLIP).await;
    let alert = json!({"about": {"script": "flip"}, "text": "failed", "notify": ["ops"]});
    put(&server, "/v1/alerts/flip", &alert).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / RATE));
    for n in 0..RATE * SECONDS {
        ticks.tick().await;
        // Each run changes the state of the alert: it fails and succeeds in turns.
        server.run("flip", &json!({"args": {"fail": n % 2 == 0}})).await;
    }
    while receiver.all().len() < (RATE * SECONDS) as usize {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let of = |body: &Value| body["timestamp"].as_str().unwrap().parse::<DateTime<chrono::Utc>>().unwrap();
    let mut times: Vec<Duration> =
        receiver.all().iter().map(|one| (one.at - of(&one.body)).to_std().unwrap_or_default()).collect();
    times.sort();
    let p99 = at(&times, 0.99);
    row(
        &format!("end of a run to the receiver of its alert, {RATE} a second, {name}, p50"),
        ms(at(&times, 0.5)),
        "",
        None,
    );
    row("the same, p99", ms(p99), "under 1 s", Some(p99 < Duration::from_secs(1)));
}

/// A node whose alerts are about this script.
async fn with_alerts(folder: &Folder, script: &str) -> Server {
    let server = Server::start(&folder.0, &["--log", "warn", "--rate-limit", "1000000"]);
    server.put("tiny", super::TINY).await;
    server.put("other", super::TINY).await;
    for n in 0..AT_REST {
        let text = ["late 5m", "running 10m", "queued 5m", "stale 26h"][n % 4];
        put(
            &server,
            &format!("/v1/alerts/a{n}"),
            &json!({"about": {"script": script}, "text": text, "notify": ["ops"]}),
        )
        .await;
    }
    server
}

async fn at_rest() {
    let each = async |server: &Server| {
        // Alerts are looked at once when they are made.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let before = cpu(server.pid());
        tokio::time::sleep(Duration::from_secs(60)).await;
        (cpu(server.pid()) - before).as_secs_f64() / 60.0
    };
    let folders = [Folder::new(), Folder::new()];
    let (none, many) = (Server::start(&folders[0].0, &["--log", "warn"]), with_alerts(&folders[1], "tiny").await);
    let (none, many) = tokio::join!(each(&none), each(&many));
    let cost = (many - none).max(0.0) * 1e3;
    row(
        &format!("CPU of {AT_REST} alerts that time makes true, at rest, beyond that of a node without"),
        format!("{cost:.1} ms a second"),
        "under 5 ms",
        Some(cost < 5.0),
    );
}

/// Runs of a script that no alert is about, on a node with alerts about another one, and on a node without, in turns.
async fn of_runs() {
    let folders = [Folder::new(), Folder::new()];
    let none = Server::start(&folders[0].0, &["--log", "warn", "--rate-limit", "1000000"]);
    none.put("tiny", super::TINY).await;
    let many = with_alerts(&folders[1], "other").await;
    let [none, many] = cpu_of_runs([&none, &many]).await;
    let added = many.as_secs_f64() / none.as_secs_f64() - 1.0;
    row(
        &format!("CPU of the node for a run that none of {AT_REST} alerts is about, and for one where there are none"),
        format!("{} and {}", ms(many), ms(none)),
        "the same within 5 %",
        Some(added < 0.05),
    );
}
