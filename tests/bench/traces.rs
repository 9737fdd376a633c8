//! What traces cost a node: for a run, where they are off and where they are on.

use super::server::cpu;
use super::support::server::{Folder, Server};
use super::{at, ms, row};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::json;
use tokio::net::TcpListener;

/// Runs of a turn, and turns of each node.
const RUNS: usize = 500;
const TURNS: usize = 8;

/// A collector that takes everything.
async fn collector() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/traces", post(async || StatusCode::OK));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

pub(super) async fn costs() {
    let folders = [Folder::new(), Folder::new()];
    let words = ["--log", "warn", "--rate-limit", "1000000"];
    let url = collector().await;
    let (off, on) = (
        Server::start(&folders[0].0, &words),
        Server::start(&folders[1].0, &[&words[..], &["--otlp-endpoint", &url]].concat()),
    );
    for server in [&off, &on] {
        server.put("tiny", super::TINY).await;
    }
    let mut costs = [Vec::new(), Vec::new()];
    for turn in 0..=TURNS {
        for (server, costs) in [&off, &on].into_iter().zip(&mut costs) {
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
    let [off, on] = costs.map(|mut costs| {
        costs.sort();
        at(&costs, 0.5)
    });
    let added = on.as_secs_f64() / off.as_secs_f64() - 1.0;
    row("CPU of the node for a run without traces", ms(off), "", None);
    row("the same with traces, four spans each", format!("{} ({:+.0} %)", ms(on), added * 100.0), "", None);
}
