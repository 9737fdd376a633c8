//! What a script says about itself: the `[tool.cronbox]` table of its inline metadata (PEP 723).

use crate::panics;
use crate::script::{SETTINGS, Settings, Warning};
use crate::source_encoding;
use crate::suggest::{field_of, nearest};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

mod fault;
mod places;

pub use fault::BadBlock;

/// Most schedules of a script's own.
const MOST_SCHEDULES: usize = 100;

/// What this version knows of a script's metadata.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// The table `[tool.cronbox]`: what the script asks for itself. Names that this version does not know are left to
    /// later ones.
    pub cronbox: Settings,
    /// Schedules that the script brings along: `schedule = "0 9 * * *"` and `[[tool.cronbox.schedules]]`, as they are asked
    /// for by request.
    pub schedules: Vec<Map<String, Value>>,
    /// Conditions that are watched: `alerts = ["failed", "late 5m"]`.
    pub alerts: Vec<String>,
    /// The channels that are told.
    pub notify: Vec<String>,
    /// Packages the script wants (`dependencies`).
    pub dependencies: Vec<String>,
    /// Versions of Python that it is for (`requires-python`).
    pub requires_python: Option<String>,
    /// Names in the table that say nothing to this version, each with the nearest that does.
    pub warnings: Vec<Warning>,
    /// The text of the block, and the line of the source before it.
    block: (String, usize),
}

impl Metadata {
    /// The line of the source, from 1 on, where a key of the block has its value.
    pub fn line_of(&self, key: &str) -> Option<u32> {
        let (block, first) = &self.block;
        u32::try_from(first + places::line_of_key(block, key)?).ok()
    }

    /// The line of the source, from 1 on, where the schedule of this number, from 0 on, has its value of a field; where it
    /// begins when it has none.
    pub fn line_of_schedule(&self, number: usize, field: &str) -> Option<u32> {
        let (block, first) = &self.block;
        let line = places::line_of_schedule(block, number, field.split('.').next().unwrap_or_default())?;
        u32::try_from(first + line).ok()
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    dependencies: Vec<String>,
    #[serde(default, rename = "requires-python")]
    requires_python: Option<String>,
    #[serde(default)]
    tool: Tool,
}

#[derive(Default, Deserialize)]
struct Tool {
    #[serde(default)]
    cronbox: Table,
}

#[derive(Default, Deserialize)]
struct Table {
    #[serde(default)]
    schedule: Option<String>,
    #[serde(default)]
    schedules: Vec<toml::Table>,
    #[serde(default)]
    alerts: Vec<String>,
    #[serde(default)]
    notify: Vec<String>,
    #[serde(flatten)]
    settings: Settings,
    #[serde(flatten)]
    names: BTreeMap<String, toml::Value>,
}

/// Reads the metadata of a source; a source without a block has the default one.
pub fn read(source: &[u8]) -> Result<Metadata, BadBlock> {
    let text = source_encoding::text_of(source);
    let mut told = near_misses(&text);
    let Some((first, block)) = block(&text)? else { return Ok(Metadata { warnings: told, ..Metadata::default() }) };
    let parse = || toml::from_str::<Document>(&block).map_err(|error| fault::find(&block, first, &error));
    let parsed = panics::caught("the script's metadata (PEP 723)", parse).map_err(|panicked| panicked.to_string())?;
    let document = parsed?;
    if document.tool.cronbox.schedules.len() > MOST_SCHEDULES {
        return Err(format!("a script brings at most {MOST_SCHEDULES} schedules along").into());
    }
    let table = document.tool.cronbox;
    let mut schedules = Vec::new();
    if let Some(trigger) = table.schedule {
        schedules.push(Map::from_iter([("trigger".to_owned(), Value::from(trigger))]));
    }
    for asked in table.schedules {
        let asked = asked.into_iter().map(|(name, value)| Ok((name, json_of(value)?)));
        schedules.push(asked.collect::<Result<_, String>>()?);
    }
    let known = || SETTINGS.iter().copied().chain(["schedule", "schedules", "alerts", "notify"]);
    let unknown = table.names.into_keys().filter(|name| !known().any(|known| known == name));
    let warning = |name: String| {
        let meant = match field_of(&name, |field| field == "trigger" || known().any(|known| known == field)) {
            Some("limits") => format!("; limits go under limits: limits = {{{name} = …}}"),
            Some("trigger") => "; did you mean schedule?".to_owned(),
            Some(field) => format!("; did you mean {field}?"),
            None => nearest(&name, known()).map(|near| format!("; did you mean {near}?")).unwrap_or_default(),
        };
        // The line of the key, or, when it is a table's name, that of the block.
        let line = places::line_of_key(&block, &name).map_or(first, |line| first + line);
        let message = format!("[tool.cronbox]: {name:?} says nothing to this version of Cronbox{meant}");
        Warning { code: "unknown_setting".into(), line: u32::try_from(line).unwrap_or(u32::MAX), message }
    };
    told.extend(unknown.map(warning));
    let warnings = told;
    let (dependencies, requires_python) = (document.dependencies, document.requires_python);
    let block = (block, first);
    let (cronbox, alerts, notify) = (table.settings, table.alerts, table.notify);
    Ok(Metadata { cronbox, schedules, alerts, notify, dependencies, requires_python, warnings, block })
}

/// Lines that were meant to begin a block and do not, and blocks without an end: PEP 723 reads over both.
fn near_misses(text: &str) -> Vec<Warning> {
    let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
    let mut told = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let number = u32::try_from(at + 1).unwrap_or(u32::MAX);
        let comments = lines[at + 1..].iter().take_while(|line| **line == "#" || line.starts_with("# ")).count();
        let body = &lines[at + 1..=at + comments];
        let end = body.iter().rposition(|line| *line == "# ///");
        if *line == "# /// script" {
            if end.is_none() {
                let message =
                    "the metadata block has no end: write a line `# ///` after it; it is not read without one";
                told.push(Warning { code: "block_not_closed".into(), line: number, message: message.into() });
            }
            at += end.unwrap_or_default();
        } else if is_nearly_a_start(line) {
            let shown: String = line.chars().take(60).collect();
            let message = format!("{shown:?} does not begin a metadata block: write exactly `# /// script`");
            told.push(Warning { code: "block_not_read".into(), line: number, message });
        }
        at += 1;
    }
    told.truncate(10);
    told
}

/// Whether a comment was meant to be `# /// script`.
fn is_nearly_a_start(line: &str) -> bool {
    let Some(rest) = line.trim().strip_prefix('#') else { return false };
    let rest = rest.trim_start_matches('#').trim_start();
    let slashes = rest.len() - rest.trim_start_matches('/').len();
    (2..=5).contains(&slashes) && rest[slashes..].trim().eq_ignore_ascii_case("script")
}

/// TOML as JSON; dates and times become texts. An infinite number has no form in JSON.
fn json_of(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) if number.is_finite() => number.into(),
        toml::Value::Float(number) => {
            return Err(format!("[tool.cronbox]: {number} is not a number that JSON has; write it as a text"));
        }
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json_of).collect::<Result<_, _>>()?,
        toml::Value::Table(table) => {
            let entries = table.into_iter().map(|(name, value)| Ok((name, json_of(value)?)));
            Value::Object(entries.collect::<Result<_, String>>()?)
        }
    })
}

/// The content of the one `# /// script` block. The grammar is PEP 723's: the block ends at the last `# ///` of an
/// unbroken run of comment lines. With the number of its first line.
fn block(text: &str) -> Result<Option<(usize, String)>, String> {
    let mut found = None;
    let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
    let mut at = 0;
    while at < lines.len() {
        if lines[at] != "# /// script" {
            at += 1;
            continue;
        }
        let comments = lines[at + 1..].iter().take_while(|line| **line == "#" || line.starts_with("# ")).count();
        let body = &lines[at + 1..=at + comments];
        let Some(end) = body.iter().rposition(|line| *line == "# ///") else {
            at += 1;
            continue;
        };
        if found.is_some() {
            return Err("the script has two metadata blocks (# /// script)".into());
        }
        let content = body[..end].iter().map(|line| line.get(2..).unwrap_or_default());
        found = Some((at + 1, content.collect::<Vec<_>>().join("\n")));
        at += end + 2;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    #[test]
    fn a_block_is_read() {
        let source = b"#!/usr/bin/env python3\n# /// script\n# dependencies = [\"requests\"]\n#\n# [tool.cronbox]\n\
            # entry = \"main\"\n# limits = { memory = \"64MiB\", fuel = 2e9, timeout = 5 }\n# env = { A = \"1\" }\n# ///\nprint()\n";
        let metadata = read(source).expect("reads");
        assert_eq!(metadata.dependencies, ["requests"]);
        assert_eq!(metadata.cronbox.entry.as_deref(), Some("main"));
        let written = |name| metadata.cronbox.limits.written(name).expect("there").to_string();
        assert_eq!(written("memory"), "64MiB");
        assert_eq!(written("fuel"), "2000000000");
        assert_eq!(metadata.cronbox.env["A"], "1");
    }

    #[test]
    fn a_value_of_another_type_is_told_with_its_key_and_its_line() {
        let told = |line: &str| {
            let source = format!("import os\n# /// script\n# [tool.cronbox]\n# {line}\n# title = \"T\"\n# ///\n");
            let bad = read(source.as_bytes()).expect_err(line);
            assert_eq!(bad.line, Some(4), "{line}");
            (bad.field.clone().unwrap_or_default(), bad.to_string())
        };
        for (line, field, sentence) in [
            (
                "allow = \"example.com\"",
                "allow",
                "line 4: allow is a list, and not \"example.com\": write allow = [\"example.com\"]",
            ),
            (
                "secrets = \"KEY\"",
                "secrets",
                "line 4: secrets is a list, and not \"KEY\": write secrets = [\"API_KEY\"]",
            ),
            ("keep = \"7d\"", "keep", "line 4: keep is a table, and not \"7d\": write keep = {age = \"30d\"}"),
            (
                "schedule = [\"0 9 * * *\"]",
                "schedule",
                "line 4: schedule is a text, and not a list: write schedule = \"0 9 * * *\"; several are written as \
                 [[tool.cronbox.schedules]], each with a trigger",
            ),
            (
                "schedule = {cron = \"0 9 * * *\"}",
                "schedule",
                "line 4: schedule is a text, and not a table: write schedule = \"0 9 * * *\"; several are written as \
                 [[tool.cronbox.schedules]], each with a trigger",
            ),
            (
                "concurrency = -1",
                "concurrency",
                "line 4: concurrency is a whole number from 0 to 4294967295, and not -1: write concurrency = 1",
            ),
            ("allow = [\"a.example\", 1]", "allow", "line 4: allow: 1 is not a text: write allow = [\"example.com\"]"),
            (
                "on_lost = \"drop\"",
                "on_lost",
                "line 4: on_lost is one of retry, abandon, and not \"drop\": write on_lost = \"retry\"",
            ),
        ] {
            assert_eq!(told(line), (field.to_owned(), sentence.to_owned()));
        }
        let inline = b"# /// script\n# tool.cronbox = {title = \"T\", allow = \"a.example\"}\n# ///\n";
        let bad = read(inline).expect_err("refuses");
        assert_eq!((bad.line, bad.field.as_deref()), (Some(2), Some("allow")));
        let bad = read(b"# /// script\n# dependencies = \"requests\"\n# ///\n").expect_err("refuses");
        assert_eq!((bad.line, bad.field.as_deref()), (Some(2), Some("dependencies")));
        assert!(bad.to_string().contains("write dependencies = [\"requests\"]"), "{bad}");
        let bad = read(b"# /// script\n# [tool]\n# cronbox = 1\n# ///\n").expect_err("refuses");
        assert!(bad.to_string().contains("[tool.cronbox]"), "{bad}");
        let bad = read(b"# /// script\n#\n# allow = [\n# ///\n").expect_err("refuses");
        assert!(bad.line.is_some_and(|line| line >= 3), "{bad:?}");
    }

    #[test]
    fn names_that_are_settings_elsewhere_are_told_where_they_go() {
        let told = |line: &str| {
            let source = format!("# /// script\n# [tool.cronbox]\n# {line}\n# ///\n");
            read(source.as_bytes()).expect("reads").warnings[0].message.clone()
        };
        assert!(told("timeout = \"5m\"").ends_with("; limits go under limits: limits = {timeout = …}"));
        assert!(told("memory = \"1GiB\"").ends_with("; limits go under limits: limits = {memory = …}"));
        assert!(told("cron = \"0 9 * * *\"").ends_with("; did you mean schedule?"));
        assert!(told("hosts = [\"a.example\"]").ends_with("; did you mean allow?"));
        assert!(told("titel = \"T\"").ends_with("; did you mean title?"));
    }

    #[test]
    fn names_that_say_nothing_are_told() {
        let source = b"import os\n# /// script\n# [tool.cronbox]\n# entry = \"main\"\n# timezon = \"UTC\"\n# [tool.cronbox.other]\n# x = 1\n# ///\n";
        let metadata = read(source).expect("reads");
        let told: Vec<_> = metadata.warnings.iter().map(|warning| (warning.line, &*warning.message)).collect();
        assert_eq!(told[0].0, 6);
        assert!(told[0].1.contains("\"other\" says nothing") && !told[0].1.contains("did you mean"), "{told:?}");
        assert_eq!(told[1].0, 5);
        assert!(told[1].1.contains("did you mean timezone?"), "{told:?}");
        assert_eq!((metadata.cronbox.entry.as_deref(), told.len()), (Some("main"), 2));
    }

    /// Case A18.
    #[test]
    fn a_block_that_is_nearly_one_is_told() {
        let told = |source: &str| {
            let metadata = read(source.as_bytes()).expect("reads");
            metadata.warnings.into_iter().map(|warning| (warning.code, warning.line)).collect::<Vec<_>>()
        };
        let not_read = |line| [("block_not_read".to_owned(), line)];
        assert_eq!(told("#/// script\n# [tool.cronbox]\n# ///\n"), not_read(1));
        assert_eq!(told("import os\n# ///script\n# ///\n"), not_read(2));
        assert_eq!(told("# /// Script\n# ///\n"), not_read(1));
        assert_eq!(told("  # /// script\n# ///\n"), not_read(1));
        assert_eq!(told("# /// script \n# ///\n"), not_read(1));
        assert_eq!(told("# /// script\n# x = 1\n\nprint()\n"), [("block_not_closed".to_owned(), 1)]);
        assert_eq!(told("# /// script\n# ///\n# //////// script\n# // scripts\n"), []);
        let marked = read("\u{feff}# /// script\n# dependencies = [\"requests\"]\n# ///\n".as_bytes()).expect("reads");
        assert_eq!((marked.dependencies, marked.warnings), (vec!["requests".to_owned()], vec![]));
    }

    /// Case A17.
    #[test]
    fn a_block_is_decoded_as_the_script_is() {
        let source =
            b"# -*- coding: gbk -*-\n# /// script\n# [tool.cronbox]\n# env = { T = \"\xc7\xa9\xb5\xbd\" }\n# ///\n";
        assert_eq!(read(source).expect("reads").cronbox.env["T"], "签到");
    }

    #[test]
    fn a_source_without_a_block_has_none() {
        for source in [&b""[..], b"print()", b"\xff\xfe"] {
            assert_eq!(read(source), Ok(Metadata::default()));
        }
    }

    #[test]
    fn no_bytes_panic() {
        let pieces = [
            "# /// script\n",
            "# ///\n",
            "# ",
            "[tool.cronbox]",
            "[[tool.cronbox.schedules]]",
            "dependencies = [",
            "\"",
            "'''",
            "]",
            "\n",
            "=",
            "1979-05-27T07:32:00Z",
            "1e999",
            "{a=1}",
            "schedule = \"0 9 * * *\"",
            "limits.memory = -1",
            "\u{0}",
            "é",
            "#\n",
            "x.y.z = 1",
            "inf",
            "0x",
            "retries = 1e300",
            "[[",
            "env = {}",
        ];
        let mut dice = Dice::new(1);
        let mut roll = |most: usize| dice.index(most);
        for _ in 0..20_000 {
            let inner: String = (0..roll(16)).map(|_| pieces[roll(pieces.len())]).collect();
            let _ = read(inner.as_bytes());
            let _ = read(format!("# /// script\n# {}\n# ///\n", inner.replace('\n', "\n# ")).as_bytes());
            let bytes: Vec<u8> = (0..roll(60)).map(|_| roll(256) as u8).collect();
            let _ = read(&[b"# /// script\n# ", &bytes[..], b"\n# ///\n"].concat());
        }
        let nested = format!("# /// script\n# x = {}{}\n# ///\n", "[".repeat(50_000), "]".repeat(50_000));
        assert!(read(nested.as_bytes()).is_err());
        let many = format!("# /// script\n{}# ///\n", "# [[tool.cronbox.schedules]]\n".repeat(MOST_SCHEDULES + 1));
        assert!(read(many.as_bytes()).expect_err("refuses").to_string().contains("at most 100 schedules"));
    }

    #[test]
    fn what_is_wrong_with_a_block_is_said() {
        assert!(read(b"# /// script\n# = 1\n# ///\n").expect_err("refuses").to_string().contains("PEP 723"));
        let two = b"# /// script\n# ///\nx\n# /// script\n# ///\n";
        assert!(read(two).expect_err("refuses").to_string().contains("two metadata blocks"));
        assert!(read(b"# /// script\n# [tool.cronbox]\n# entry = 1\n# ///\n").is_err());
    }
}
