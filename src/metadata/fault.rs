//! What is wrong with a metadata block, where, and what to write instead.

use super::places::line_of_key;
use super::{Document, Table};
use crate::misfit;
use serde::Deserialize;
use std::fmt;

/// A block that cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct BadBlock {
    /// A sentence without the line.
    pub message: String,
    /// The line of the source, from 1 on.
    pub line: Option<u32>,
    /// The key at fault.
    pub field: Option<String>,
}

impl fmt::Display for BadBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl From<String> for BadBlock {
    fn from(message: String) -> Self {
        BadBlock { message, ..BadBlock::default() }
    }
}

/// What the keys look like when they are right.
const EXAMPLES: &[(&str, &str)] = &[
    ("title", "\"Prices\""),
    ("entry", "\"run\""),
    ("result", "\"json\""),
    ("timezone", "\"Europe/Paris\""),
    ("labels", "{team = \"data\"}"),
    ("limits", "{memory = \"512MiB\", timeout = \"5m\"}"),
    ("env", "{LEVEL = \"info\"}"),
    ("allow", "[\"example.com\"]"),
    ("secrets", "[\"API_KEY\"]"),
    ("validate_args", "true"),
    ("concurrency", "1"),
    ("retries", "3"),
    ("retry_on", "[\"failed\"]"),
    ("on_lost", "\"retry\""),
    ("keep", "{age = \"30d\"}"),
    ("heartbeat", "\"https://hc-ping.com/your-check\""),
    ("schedule", "\"0 9 * * *\"; several are written as [[tool.cronbox.schedules]], each with a trigger"),
    ("schedules", "[{trigger = \"0 9 * * *\"}]"),
    ("alerts", "[\"failed\", \"late 5m\"]"),
    ("notify", "[\"ops\"]"),
    ("dependencies", "[\"requests\"]"),
    ("requires-python", "\">=3.11\""),
];

/// What of a block, which begins after line `first` of its source, was refused with `error`.
pub(super) fn find(block: &str, first: usize, error: &toml::de::Error) -> BadBlock {
    let number = |line: usize| u32::try_from(first + line).ok();
    let Ok(whole) = toml::from_str::<toml::Table>(block) else {
        let line = error.span().map(|span| 1 + block.get(..span.start).unwrap_or(block).matches('\n').count());
        let message = format!("the script's metadata (PEP 723) is not valid: {}", error.message());
        return BadBlock { message, line: line.and_then(number), field: None };
    };
    let tool = whole.get("tool").and_then(toml::Value::as_table);
    let own = tool.and_then(|tool| tool.get("cronbox")).and_then(toml::Value::as_table);
    // Each key alone: the first that cannot be read is at fault.
    let alone = |(key, value): (&String, &toml::Value)| toml::Table::from_iter([(key.clone(), value.clone())]);
    let fault = own.into_iter().flatten().find_map(|entry| Some((entry, Table::deserialize(alone(entry)).err()?)));
    let fault = fault.or_else(|| {
        let others = whole.iter().filter(|(key, _)| *key != "tool");
        others.into_iter().find_map(|entry| Some((entry, Document::deserialize(alone(entry)).err()?)))
    });
    let Some(((key, value), error)) = fault else {
        let message = "[tool] and [tool.cronbox] are tables: write [tool.cronbox], and the settings below it".into();
        let line = line_of_key(block, "cronbox").or_else(|| line_of_key(block, "tool"));
        return BadBlock { message, line: number(line.unwrap_or(1)), field: None };
    };
    let sentence = misfit::sentence(key, &shown(value), error.message());
    let sentence = sentence.replace("is an object, and", "is a table, and").replace("not an object", "not a table");
    let example = EXAMPLES.iter().find(|(name, _)| name == key);
    let example = example.map(|(name, value)| format!(": write {name} = {value}")).unwrap_or_default();
    BadBlock {
        message: format!("{sentence}{example}"),
        line: number(line_of_key(block, key).unwrap_or(1)),
        field: Some(key.clone()),
    }
}

/// A value as `serde` names it.
fn shown(value: &toml::Value) -> String {
    match value {
        toml::Value::Array(_) => "sequence".into(),
        toml::Value::Table(_) => "map".into(),
        toml::Value::String(text) => format!("string {text:?}"),
        toml::Value::Integer(number) => format!("integer `{number}`"),
        toml::Value::Boolean(flag) => format!("boolean `{flag}`"),
        toml::Value::Float(number) => format!("floating point `{number}`"),
        toml::Value::Datetime(_) => "map".into(),
    }
}
