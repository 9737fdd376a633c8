//! Grafana's dashboard. Grafana has no tool that checks one without a server; so this looks at what its format asks for.

use super::DASHBOARD;
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Kinds of panels that come with Grafana.
const KINDS: [&str; 4] = ["row", "stat", "table", "timeseries"];
/// Panels are laid out in so many columns.
const COLUMNS: u64 = 24;
/// The format in which panels have the fields that are used here.
const SCHEMA: u64 = 36;

/// The dashboard as it is delivered.
pub fn read() -> Value {
    serde_json::from_str(&super::read(DASHBOARD)).expect("JSON")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The expressions of its panels, as Prometheus gets them.
pub fn expressions(board: &Value) -> Vec<String> {
    let targets = list(board, "panels").iter().flat_map(|panel| list(panel, "targets"));
    targets.map(|target| text(target, "expr").replace("$__rate_interval", "5m")).collect()
}

/// The figures that its lists of nodes are asked from.
pub fn questions(board: &Value) -> Vec<String> {
    let asked = Regex::new(r"^label_values\((.+), \w+\)$").expect("a pattern");
    let variables = list(&board["templating"], "list").iter().filter(|variable| variable["type"] == "query");
    variables.filter_map(|variable| Some(asked.captures(text(variable, "query"))?[1].to_owned())).collect()
}

/// The squares that a panel covers.
fn squares(panel: &Value) -> Vec<(u64, u64)> {
    let number = |key: &str| panel["gridPos"][key].as_u64().unwrap_or_default();
    let (x, y, width, height) = (number("x"), number("y"), number("w"), number("h"));
    (y..y + height).flat_map(|row| (x..x + width).map(move |column| (column, row))).collect()
}

/// What is wrong with one panel.
fn problems_of(panel: &Value, board: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    if !KINDS.contains(&text(panel, "type")) {
        problems.push(format!("no kind of panel: {}", panel["type"]));
    }
    let squares = squares(panel);
    if squares.is_empty() || squares.iter().any(|(column, _)| *column >= COLUMNS) {
        problems.push(format!("no place: {}", panel["gridPos"]));
    }
    if text(panel, "title").is_empty() {
        problems.push("no title".into());
    }
    if panel["type"] == "row" {
        return problems;
    }
    if !text(panel, "description").ends_with('.') || text(&panel["fieldConfig"]["defaults"], "unit").is_empty() {
        problems.push("no description or no unit".into());
    }
    let targets = list(panel, "targets");
    let names: BTreeSet<&str> =
        targets.iter().map(|target| text(target, "refId")).filter(|name| !name.is_empty()).collect();
    if targets.is_empty() || names.len() != targets.len() {
        problems.push("its targets have no names of their own".into());
    }
    let variable = Regex::new(r"\$\{?(\w+)").expect("a pattern");
    let known: BTreeSet<&str> = list(&board["templating"], "list").iter().map(|known| text(known, "name")).collect();
    for target in targets {
        if text(target, "expr").is_empty() {
            problems.push(format!("no expression: {target}"));
        }
        if target["datasource"] != panel["datasource"] || target["datasource"]["type"] != "prometheus" {
            problems.push(format!("another source: {}", target["datasource"]));
        }
        for found in variable.captures_iter(&target.to_string()) {
            if !known.contains(&found[1]) && &found[1] != "__rate_interval" {
                problems.push(format!("no variable {}", &found[1]));
            }
        }
    }
    problems
}

/// What is wrong with a dashboard.
pub fn problems(board: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for key in ["uid", "title", "description"] {
        if text(board, key).is_empty() {
            problems.push(format!("no {key}"));
        }
    }
    if board["schemaVersion"].as_u64().is_none_or(|version| version < SCHEMA) {
        problems.push(format!("schemaVersion {}", board["schemaVersion"]));
    }
    let panels = list(board, "panels");
    if panels.is_empty() {
        problems.push("no panels".into());
    }
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        let name = text(panel, "title");
        if !ids.insert(panel["id"].as_u64()) || panel["id"].as_u64().is_none() {
            problems.push(format!("{name}: its id is not its own: {}", panel["id"]));
        }
        if squares(panel).into_iter().any(|square| !taken.insert(square)) {
            problems.push(format!("{name}: it covers another panel"));
        }
        problems.extend(problems_of(panel, board).into_iter().map(|problem| format!("{name}: {problem}")));
    }
    problems
}

#[test]
fn a_faulty_dashboard_is_found() {
    let changed = |pointer: &str, value: Value| {
        let mut board = read();
        *board.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        problems(&board)
    };
    for (pointer, value, why) in [
        ("/uid", json!(""), "no uid"),
        ("/schemaVersion", json!(20), "schemaVersion 20"),
        ("/panels", json!([]), "no panels"),
        ("/panels/1/id", json!(1), "Database: its id is not its own: 1"),
        ("/panels/1/gridPos/x", json!(0), "Database: it covers another panel"),
        ("/panels/7/gridPos/x", json!(22), "Certificate ends in: no place"),
        ("/panels/1/type", json!("graph"), "Database: no kind of panel"),
        ("/panels/1/title", json!(""), ": no title"),
        ("/panels/1/description", json!(""), "Database: no description or no unit"),
        ("/panels/1/targets", json!([]), "Database: its targets have no names"),
        ("/panels/1/targets/0/expr", json!(""), "Database: no expression"),
        ("/panels/1/targets/0/expr", json!("up{job=\"$jobs\"}"), "Database: no variable jobs"),
        ("/panels/1/targets/0/datasource/uid", json!("mine"), "Database: another source"),
    ] {
        let problems = changed(pointer, value);
        assert!(problems.iter().any(|problem| problem.starts_with(why)), "{why}: {problems:#?}");
    }
}
