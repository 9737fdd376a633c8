//! What traces cost a node: for a run, where they are off and where they are on.

use super::server::cpu_of_runs;
use super::support::server::{Folder, Server};
use super::{ms, row};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::net::TcpListener;

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
    let [off, on] = cpu_of_runs([&off, &on]).await;
    let added = on.as_secs_f64() / off.as_secs_f64() - 1.0;
    row("CPU of the node for a run without traces", ms(off), "", None);
    row("the same with traces, four spans each", format!("{} ({:+.0} %)", ms(on), added * 100.0), "", None);
}
