//! The figures that an expression of Prometheus names, held against those that a server has.

use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern")
}

/// `by (a, b)` and its like.
static GROUPING: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)"));
/// A name, the labels that are asked for, and what follows.
static NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^}]*\})?(\s*\()?"));
/// `a="b"` and its like.
static LABEL: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(\w+)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)""#));
/// Words between expressions.
const WORDS: [&str; 5] = ["and", "or", "unless", "offset", "bool"];
/// Labels that Prometheus adds to everything that it reads.
const ADDED: [&str; 2] = ["job", "instance"];

/// The figures of a server: their names, the labels of each, and the values of these.
pub struct Figures(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Figures {
    /// Those of an answer of `/metrics`.
    pub fn of(text: &str) -> Self {
        let mut figures = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a value"));
            let labels: &mut BTreeMap<String, BTreeSet<String>> = figures.entry(name.to_owned()).or_default();
            for found in LABEL.captures_iter(rest) {
                labels.entry(found[1].to_owned()).or_default().insert(found[3].to_owned());
            }
        }
        // Made by Prometheus for each node that it reads.
        figures.insert("up".to_owned(), BTreeMap::new());
        // A script that did not end in each way has no line for it; the node has.
        if let Some(outcomes) = figures.get("cronbox_runs_total").and_then(|labels| labels.get("outcome")).cloned()
            && let Some(labels) = figures.get_mut("cronbox_script_runs_total")
        {
            labels.insert("outcome".to_owned(), outcomes);
        }
        Figures(figures)
    }

    /// What an expression names that the server does not have.
    pub fn problems(&self, expression: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let grouped = GROUPING.captures_iter(expression).flat_map(|found| {
            found[1]
                .split(',')
                .map(|label| label.trim().to_owned())
                .filter(|label| !label.is_empty())
                .collect::<Vec<_>>()
        });
        let grouped: BTreeSet<String> = grouped.collect();
        let rest = GROUPING.replace_all(expression, " ");
        let mut known: BTreeSet<&str> = ADDED.into();
        let mut names = 0;
        for found in NAME.captures_iter(&rest) {
            if found.get(3).is_some() || WORDS.contains(&&found[1]) {
                continue;
            }
            names += 1;
            match self.0.get(&found[1]) {
                Some(labels) => {
                    known.extend(labels.keys().map(String::as_str));
                    let asked = found.get(2).map_or("", |asked| asked.as_str());
                    problems.extend(LABEL.captures_iter(asked).filter_map(|found| {
                        let (_, [label, _, value]) = found.extract();
                        problem(labels, label, value)
                    }));
                }
                None => problems.push(format!("there is no {}", &found[1])),
            }
        }
        if names == 0 {
            problems.push("nothing is named".to_owned());
        }
        problems.extend(
            grouped.iter().filter(|label| !known.contains(&***label)).map(|label| format!("no figure has {label}")),
        );
        problems.into_iter().map(|problem| format!("{problem}: {expression}")).collect()
    }
}

/// What is wrong with a label that is asked for.
fn problem(labels: &BTreeMap<String, BTreeSet<String>>, label: &str, value: &str) -> Option<String> {
    if ADDED.contains(&label) {
        return None;
    }
    let Some(values) = labels.get(label) else { return Some(format!("it has no {label}")) };
    // `5..` stands for many, of which a server need not have one.
    let is_list = value.chars().all(|letter| letter.is_alphanumeric() || "_|".contains(letter));
    let missing: Vec<&str> = value.split('|').filter(|value| is_list && !values.contains(*value)).collect();
    (!missing.is_empty()).then(|| format!("{label} is never {missing:?}"))
}

#[test]
fn what_a_server_does_not_have_is_found() {
    let figures =
        Figures::of("# HELP a_total x\na_total{kind=\"x\",of=\"1\"} 3\na_total{kind=\"y\",of=\"2\"} 3\nb 1\n");
    for right in [
        "b",
        "sum by (kind, job) (rate(a_total{kind=~\"x|y\", job=~\"$job\"}[5m])) > 2 or on (of) b offset 5m",
        "up{job=\"c\"} == 0",
    ] {
        assert_eq!(figures.problems(right), Vec::<String>::new());
    }
    for (wrong, why) in [
        ("sum(c{kind=\"x\"})", "there is no c"),
        ("a_total{kind=\"z\"}", "kind is never [\"z\"]"),
        ("a_total{kind=~\"x|z\"}", "kind is never [\"z\"]"),
        ("b{kind=\"x\"}", "it has no kind"),
        ("sum by (kind) (b)", "no figure has kind"),
        ("1 + 2", "nothing is named"),
    ] {
        assert_eq!(figures.problems(wrong), [format!("{why}: {wrong}")]);
    }
}
