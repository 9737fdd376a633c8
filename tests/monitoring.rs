//! The dashboard and the alert rules in `docs/monitoring`: Prometheus's own tool reads them, and each figure that they name is
//! one that a real server has.

mod dashboard;
mod expressions;

use crate::support::beside_others;
use crate::support::certificates::Authority;
use crate::support::promtool::promtool;
use crate::support::server::{Folder, Server};
use expressions::Figures;
use reqwest::Client;
use serde_json::{Value, json};
use std::path::Path;

const RULES: &str = "docs/monitoring/prometheus-rules.yml";
const RULES_TEST: &str = "tests/monitoring/rules-test.yml";
const DASHBOARD: &str = "docs/monitoring/grafana.json";

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What follows `key: ` in the lines of the rules.
fn values(rules: &str, key: &str) -> Vec<String> {
    let lines = rules.lines().map(|line| line.trim_start().trim_start_matches("- "));
    lines.filter_map(|line| line.strip_prefix(&format!("{key}: "))).map(str::to_owned).collect()
}

async fn text(client: &Client, address: String) -> String {
    client.get(address).send().await.expect("answers").text().await.expect("text")
}

/// What a server has in `/metrics` that speaks TLS and has run a script.
async fn real_metrics() -> String {
    let folder = Folder::new();
    let authority = Authority::new(&folder.0);
    authority.certificate("live", 90);
    let words = ["--data-dir", "data", "--tls-cert", "live.pem", "--tls-key", "live.key"];
    let server = Server::start(&folder.0, &words);
    let client = authority.client().build().expect("a client");
    let script = format!("{}/v1/scripts/price", server.url);
    let put = client.put(&script).body("def run():\n    return 1\n").send().await.expect("answers");
    assert!(put.status().is_success(), "{}", put.status());
    let run = client.post(format!("{script}/runs?wait=60s")).json(&json!({})).send().await.expect("answers");
    let run: Value = run.json().await.expect("JSON");
    assert_eq!(run["status"], "succeeded", "{run}");
    server
        .until("the disk was looked at", async || {
            let text = text(&client, format!("{}/metrics", server.url)).await;
            if text.contains("cronbox_space_bytes{") { Ok(text) } else { Err(text) }
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_has_what_the_dashboard_and_the_rules_name() {
    let _shared = beside_others().await;
    let metrics = real_metrics().await;
    assert_eq!(promtool(&["check", "metrics"], &metrics), Ok(String::new()));
    let figures = Figures::of(&metrics);
    let (rules, board) = (values(&read(RULES), "expr"), dashboard::read());
    let expressions = rules.iter().cloned().chain(dashboard::expressions(&board));
    let mut problems: Vec<String> = expressions.flat_map(|expression| figures.problems(&expression)).collect();
    problems.extend(dashboard::questions(&board).iter().flat_map(|question| figures.problems(question)));
    assert!(problems.is_empty(), "{problems:#?}\n{metrics}");
}

#[test]
fn promtool_takes_the_rules() {
    let rules = read(RULES);
    let names = values(&rules, "alert");
    let said = promtool(&["check", "rules", RULES], "").unwrap_or_else(|said| panic!("{said}"));
    assert!(names.len() > 12 && said.contains(&format!("{} rules found", names.len())), "{said}");
    // Each says in a sentence what is so, and what it means.
    for key in ["expr", "labels", "summary", "description"] {
        let found = values(&rules, key);
        assert_eq!(found.len(), names.len(), "each rule has one line {key}: {found:#?}");
        for value in found.iter().filter(|_| ["summary", "description"].contains(&key)) {
            assert!(value.trim_end_matches('\'').ends_with('.'), "{value} is no sentence");
        }
    }
}

#[test]
fn each_rule_speaks_when_it_should_and_only_then() {
    let said = promtool(&["test", "rules", RULES_TEST], "").unwrap_or_else(|said| panic!("{said}"));
    assert!(said.contains("SUCCESS"), "{said}");
    let tested = read(RULES_TEST);
    for name in values(&read(RULES), "alert") {
        assert!(tested.contains(&format!("alertname: {name}\n        exp_alerts:\n")), "no test has {name} speak");
    }
}

#[test]
fn promtool_takes_the_dashboard() {
    let board = dashboard::read();
    assert_eq!(dashboard::problems(&board), Vec::<String>::new());
    // JSON is YAML too: each expression as a rule.
    let expressions = dashboard::expressions(&board);
    assert!(expressions.len() > 30, "{} expressions", expressions.len());
    let checked = |expressions: &[String]| {
        let rule = |(number, expression): (usize, &String)| json!({"record": format!("panel:number{number}"), "expr": expression});
        let rules: Vec<Value> = expressions.iter().enumerate().map(rule).collect();
        let folder = Folder::new();
        folder.write("rules.yml", &json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string());
        promtool(&["check", "rules", folder.0.join("rules.yml").to_str().expect("text")], "")
    };
    let said = checked(&expressions).unwrap_or_else(|said| panic!("{said}"));
    assert!(said.contains(&format!("{} rules found", expressions.len())), "{said}");
    let said = checked(&["sum by (state) (cronbox_queue_runs".to_owned()]).expect_err("is no expression");
    assert!(said.contains("panel:number0"), "{said}");
}
