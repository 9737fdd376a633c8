//! Backups that the server makes itself.

use super::{Setting, fill, works};
use crate::support::server::{Folder, Server};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name}: {text}")).parse().expect("a number")
}

async fn metrics(server: &Server) -> String {
    let answer = server.request(reqwest::Method::GET, "/metrics").send().await.expect("answers");
    answer.text().await.expect("text")
}

/// Two nodes: each time one of them makes the backup, and so many are kept.
#[tokio::test(flavor = "multi_thread")]
async fn one_node_of_two_makes_each_backup() {
    let mut setting = Setting::new(true).await;
    let words = ["--backup-every", "2s", "--backup-to", "s3://jobs/saved", "--backup-keep", "2"];
    setting.words.extend(words.map(str::to_owned));
    let (server, other) = (setting.start(), setting.start());
    server.put("a", "def run():\n    return 'x' * 20_000\n").await;
    let made = || {
        let log = server.log();
        log.lines().filter(|line| line.contains("a backup was made")).count()
    };
    server.until("there are backups", async || made() >= 4).await;
    let (one, two) = (metrics(&server).await, metrics(&other).await);
    assert!(metric(&one, "cronbox_backup_last_success_timestamp_seconds") > 1.7e9, "{one}");
    assert!(metric(&two, "cronbox_backup_bytes") > 100.0, "{two}");
    assert_eq!(metric(&one, "cronbox_backup_failures_total"), 0.0);
    drop((server, other));
    let (said, _) = works(&setting.folder.0, &["backup", "--list", "--json", "s3://jobs/saved"], &setting.env);
    let listed: Value = serde_json::from_str(&said).expect("JSON");
    let ids: Vec<&str> =
        listed["backups"].as_array().expect("a list").iter().filter_map(|one| one["id"].as_str()).collect();
    assert!((2..=3).contains(&ids.len()), "one may not be deleted yet: {ids:?}");
    let seconds: BTreeSet<&str> = ids.iter().filter_map(|id| id.split('-').next()).collect();
    assert_eq!(seconds.len(), ids.len(), "two nodes did not make the same: {ids:?}");
    works(&setting.folder.0, &["backup", "--verify", "s3://jobs/saved"], &setting.env);
}

/// A place that is away: the log, the feed and the metrics tell it, runs go on, and when it is back there is a backup.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told() {
    let folder = Folder::new();
    folder.write("saved", "a file where the directory should be");
    let words = ["--data-dir", "data", "--backup-every", "1s", "--backup-to", "saved"];
    let server = Server::start(&folder.0, &words);
    let failed = server.items_when("/v1/events?type=backup_failed", |items| !items.is_empty()).await;
    assert!(
        failed[0]["reason"].as_str().expect("a reason").starts_with("saved: the place of the backup: "),
        "{failed:?}"
    );
    assert!(server.log().contains("a backup was not made"), "{}", server.log());
    server
        .until("it is counted", async || metric(&metrics(&server).await, "cronbox_backup_failures_total") >= 1.0)
        .await;
    assert_eq!(metric(&metrics(&server).await, "cronbox_backup_last_success_timestamp_seconds"), 0.0);
    fill(&server).await;
    std::fs::remove_file(folder.0.join("saved")).expect("removed");
    server.until("it is made", async || server.log().contains("a backup was made")).await;
    works(&folder.0, &["backup", "--verify", "saved"], &[]);
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let folder = Folder::new();
    for (words, why) in [
        (&["--backup-every", "1h"][..], "--backup-every: it needs --backup-to PLACE as well"),
        (&["--backup-to", "saved"], "--backup-to: it needs --backup-every TIME as well"),
        (&["--ephemeral", "--backup-every", "1h", "--backup-to", "saved"], "exclude one another"),
        (&["--backup-every", "7", "--backup-to", "saved"], "7 has no unit"),
        (&["--backup-every", "1h", "--backup-to", "a.tar"], "an archive has one backup"),
        (&["--backup-every", "1h", "--backup-to", "saved", "--backup-keep", "0"], "not a whole number greater than 0"),
    ] {
        let (status, said) = Server::refused(&folder.0, words, &[]);
        assert!(status.code() == Some(2) && said.contains(why), "{words:?}: {status} {said}");
    }
}

/// The commands read what the server's file says about its data.
#[tokio::test(flavor = "multi_thread")]
async fn commands_read_the_file_of_the_server() {
    let folder = Folder::new();
    folder.write("cronbox.toml", "data-dir = \"elsewhere\"\nmax-running = 2\n");
    let server = Server::start(&folder.0, &[]);
    server.put("a", "def run():\n    return 1\n").await;
    server.run("a", &json!({})).await;
    let (said, _) = works(&folder.0, &["backup", "saved"], &[]);
    assert!(said.contains("1 script, 1 run, "), "{said}");
    drop(server);
    folder.write("other.toml", "data-dir = \"restored\"\n");
    works(&folder.0, &["restore", "saved", "--config", "other.toml"], &[]);
    let server = Server::start(&folder.0, &["--config", "other.toml"]);
    let (_, runs) = server.get("/v1/runs").await;
    assert_eq!(runs["items"][0]["status"], "succeeded", "{runs}");
    drop(server);
}
