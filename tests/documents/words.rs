//! Plain words: the phrases of `forbidden.txt` are in no text that users read.

use super::{documents, read};
use clap::CommandFactory;
use cronbox::cli::Cli;
use regex::Regex;
use serde_json::Value;

/// The phrases, as patterns, and what to write in their place.
fn forbidden() -> Vec<(Regex, String)> {
    let list = read("tests/documents/forbidden.txt");
    let lines = list.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let pairs = lines.map(|line| line.split_once(" | ").unwrap_or_else(|| panic!("{line}: what is it instead?")));
    let pattern = |phrase: &str| {
        let words: Vec<_> = phrase.split(' ').map(regex::escape).collect();
        Regex::new(&format!(r"(?i)\b{}\b", words.join(r"\s+"))).expect("a pattern")
    };
    pairs.map(|(phrase, instead)| (pattern(phrase), instead.to_owned())).collect()
}

/// The help of a command and of those below it.
fn help(command: &mut clap::Command, path: &str, into: &mut Vec<(String, String)>) {
    into.push((format!("{path} --help"), command.render_long_help().to_string()));
    for sub in command.get_subcommands_mut().filter(|sub| !sub.is_hide_set()) {
        let path = format!("{path} {}", sub.get_name());
        help(sub, &path, into);
    }
}

/// Every text of a JSON document.
fn texts(value: &Value, path: &str, into: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => into.push((format!("OpenAPI {path}"), text.clone())),
        Value::Array(items) => items.iter().for_each(|item| texts(item, path, into)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| texts(field, &format!("{path}/{name}"), into)),
        _ => {}
    }
}

#[test]
fn words_are_plain() {
    let others = ["SECURITY.md", "migrations/README.md", "python-wasm/README.md"].map(str::to_owned);
    let files = documents().into_iter().chain(others);
    let mut all: Vec<(String, String)> = files.map(|file| (file.clone(), read(&file))).collect();
    let mut cli = Cli::command();
    cli.build();
    help(&mut cli, "cronbox", &mut all);
    texts(&serde_json::from_str(cronbox::http::document()).expect("JSON"), "", &mut all);
    let (list, mut found) = (forbidden(), Vec::new());
    for (place, text) in &all {
        for (phrase, instead) in &list {
            for one in phrase.find_iter(text) {
                let start = text[..one.start()].char_indices().rev().nth(40).map_or(0, |(at, _)| at);
                let around = text[start..one.end()].replace('\n', " ");
                found.push(format!("{place}: …{around}… (write: {instead})"));
            }
        }
    }
    assert!(all.len() > 500, "{} texts", all.len());
    assert!(found.is_empty(), "{} places:\n{}", found.len(), found.join("\n"));
}
