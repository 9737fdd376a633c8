//! `cronbox series`: a value over time, as a table and as JSON.

use super::text;
use crate::support::PROGRAM;
use crate::support::server::{Folder, Server};
use serde_json::{Value, json};
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn a_value_over_time_is_shown() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    server.put("tea", "def run(n=1):\n    return {'price': n, 'of': {'day': n * 10}}\n").await;
    for n in [1, 2, 6] {
        server.run("tea", &json!({"args": {"n": n}})).await;
    }
    let (code, table, _) = server.cronbox(&["series", "tea", "/price", "--utc"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!((code, lines.len()), (Some(0), 4), "{table}");
    assert!(lines[0].starts_with("AT (UTC)") && lines[0].ends_with("RUN"), "{table}");
    let values: Vec<&str> = lines[1..].iter().filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert_eq!(values, ["1", "2", "6"]);
    let (_, one, _) = server.cronbox(&["series", "tea", "of/day", "--bucket", "1000d", "--agg", "max", "--json"]);
    let document: Value = serde_json::from_str(&one).expect("JSON");
    let point = &document["items"][0];
    assert_eq!(
        (&point["value"], &point["count"], document["items"].as_array().map(Vec::len)),
        (&json!(60), &json!(3), Some(1))
    );
    let (_, average, _) = server.cronbox(&["series", "tea", "/price", "--bucket", "1000d", "--since", "1h"]);
    assert!(average.contains("VALUES") && average.lines().count() == 2, "{average}");
    let value = average.lines().last().and_then(|line| line.split_whitespace().nth(2)).unwrap_or_default();
    assert_eq!(value.parse(), Ok(3.0), "{average}");
    let (code, _, why) = server.cronbox(&["series", "tee", "/price"]);
    assert!(code == Some(2) && why.contains("tea"), "{code:?} {why}");
    let (code, none, why) = server.cronbox(&["series", "tea", "/prise"]);
    assert!(code == Some(0) && none.lines().count() == 1 && why.contains("no values"), "{none}{why}");
    let (code, _, why) = server.cronbox(&["series", "tea", "/price", "--agg", "max"]);
    assert!(code == Some(2) && why.contains("--bucket"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_gives_words_to_a_script() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    server.put("words", "import sys\nprint(sys.argv[1:])\n").await;
    let (code, _, why) = server.cronbox(&[
        "schedule",
        "add",
        "words",
        "every monday at 9:00",
        "--id",
        "weekly",
        "--argv",
        "--since",
        "--argv",
        "a b",
    ]);
    assert_eq!(code, Some(0), "{why}");
    let (_, schedule) = server.get("/v1/schedules/weekly").await;
    assert_eq!(schedule["argv"], json!(["--since", "a b"]), "{schedule}");
    assert_eq!(schedule["text"], "cron: 0 9 * * mon @ UTC", "{schedule}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_token_counts_as_none() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    let list = || {
        let mut command = Command::new(PROGRAM);
        command.arg("scripts").env("CRONBOX_URL", &server.url).env("CRONBOX_TOKEN", "");
        command.output().expect("starts")
    };
    assert_eq!(list().status.code(), Some(0));
    server.post("/v1/tokens", &json!({"name": "boss", "scopes": ["admin"]})).await;
    let why = text(&list().stderr);
    assert!(why.contains("set CRONBOX_TOKEN to a token of this server"), "{why}");
}
