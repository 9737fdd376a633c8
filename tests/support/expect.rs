//! The first line of a test script: how it is to be run, and how it must end. README.md in `tests/scripts` has the table.

use super::job_named;
use cronbox_runtime::report::ResultKind;
use cronbox_runtime::{Job, OnLost, Report};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A script and what it says of itself.
#[derive(Debug)]
pub struct Script {
    pub path: PathBuf,
    pub job: Job,
    outcomes: Vec<String>,
    error: Option<String>,
    message: Option<String>,
    result: Option<Value>,
    stdout: Option<String>,
    stderr: Option<String>,
    truncated: Option<String>,
    stopped_at: Option<String>,
}

/// Every script of a folder, in order.
pub fn scripts(folder: &Path) -> Vec<Script> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .collect();
    paths.sort();
    paths.into_iter().map(|path| Script::read(path).unwrap_or_else(|error| panic!("{error}"))).collect()
}

impl Script {
    pub fn read(path: PathBuf) -> Result<Self, String> {
        let wrong = |why: &str| format!("{}: {why}", path.display());
        let source = std::fs::read(&path).map_err(|error| wrong(&error.to_string()))?;
        let first = source.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let first = String::from_utf8_lossy(first).into_owned();
        let words = first.strip_prefix("# expect: ").ok_or_else(|| wrong("the first line is not `# expect: …`"))?;
        let mut words = split(words).map_err(|why| wrong(&why))?.into_iter();
        let outcomes: Vec<String> =
            words.next().ok_or_else(|| wrong("no outcome"))?.split('|').map(str::to_owned).collect();
        let known = ["succeeded", "failed", "timed_out", "out_of_fuel", "out_of_memory", "crashed"];
        if let Some(unknown) = outcomes.iter().find(|outcome| !known.contains(&outcome.as_str())) {
            return Err(wrong(&format!("no outcome {unknown}")));
        }
        let file = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| wrong("its name"))?.to_owned();
        let mut script = Script {
            job: job_named(&file, &source),
            path: path.clone(),
            outcomes,
            error: None,
            message: None,
            result: None,
            stdout: None,
            stderr: None,
            truncated: None,
            stopped_at: None,
        };
        script.job.on_lost = OnLost::Report;
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(|| wrong(&format!("{word} has no value")))?;
            script.set(key, value).map_err(|why| wrong(&format!("{key}: {why}")))?;
        }
        let limits = &mut script.job.limits;
        limits.files = limits.files.min(limits.memory);
        Ok(script)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        use cronbox::quantity::{parse_bytes, parse_duration, parse_fuel};
        let text = || Some(value.to_owned());
        let limits = &mut self.job.limits;
        match key {
            "error" => self.error = text(),
            "message" => self.message = text(),
            "result" => self.result = Some(serde_json::from_str(value).map_err(|error| error.to_string())?),
            "stdout" => self.stdout = text(),
            "stderr" => self.stderr = text(),
            "truncated" => self.truncated = text(),
            "stopped_at" => self.stopped_at = text(),
            "args" => self.job.args = value.into(),
            "argv" => self.job.argv = split(value)?,
            "entry" => self.job.entry = text(),
            "result_kind" => {
                self.job.result_kind = match value {
                    "json" => ResultKind::Json,
                    "text" => ResultKind::Text,
                    "none" => ResultKind::None,
                    _ => return Err("no such kind".into()),
                }
            }
            "fuel" => limits.fuel = parse_fuel(value)?,
            "memory" => limits.memory = parse_bytes(value)?,
            "timeout" => limits.wall = parse_duration(value)?,
            "output_limit" => {
                limits.stdout = parse_bytes(value)?;
                limits.stderr = limits.stdout;
            }
            _ => return Err("no such key".into()),
        }
        Ok(())
    }

    /// Everything in which the end differs from what the script said; and its limits, which no run may pass.
    pub fn differences(&self, report: &Report, stdout: &[u8], stderr: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        let error = report.error.as_ref();
        let mut check = |holds: bool, what: String| {
            if !holds {
                found.push(what);
            }
        };
        let outcome = report.outcome.as_str();
        check(
            self.outcomes.iter().any(|one| one == outcome),
            format!("ended {outcome}, not {}", self.outcomes.join("|")),
        );
        let type_name = error.map_or("", |error| error.type_name.as_str());
        if let Some(expected) = &self.error {
            // Where several outcomes are allowed, the error belongs to those that carry one of Python's.
            let short = type_name.rsplit('.').next().unwrap_or_default();
            let applies = matches!(outcome, "failed" | "out_of_memory");
            check(!applies || short == expected || type_name == expected, format!("error {type_name}, not {expected}"));
        }
        if let Some(expected) = &self.message {
            let message = error.map_or("", |error| error.message.as_str());
            check(
                outcome == "succeeded" || message.contains(expected),
                format!("message {message:?} without {expected:?}"),
            );
        }
        if let Some(expected) = &self.result {
            let result: Option<Value> = report.result.as_ref().and_then(|text| serde_json::from_str(text.get()).ok());
            let has_one = outcome == "succeeded" || error.is_some_and(|error| error.type_name == "RunFailed");
            check(!has_one || result.as_ref() == Some(expected), format!("result {result:?}, not {expected}"));
        }
        for (name, expected, bytes) in [("stdout", &self.stdout, stdout), ("stderr", &self.stderr, stderr)] {
            if let Some(expected) = expected {
                let text = String::from_utf8_lossy(bytes);
                check(text.contains(expected.as_str()), format!("{name} {:?} without {expected:?}", head(&text)));
            }
        }
        let (out_cut, err_cut) = (report.stdout.dropped > 0, report.stderr.dropped > 0);
        let cut = match self.truncated.as_deref() {
            None => true,
            Some("stdout") => out_cut,
            Some("stderr") => err_cut,
            Some(_) => false,
        };
        check(cut, format!("{} was not cut", self.truncated.as_deref().unwrap_or_default()));
        if let Some(expected) = &self.stopped_at {
            let place = report.stopped_at.as_ref().map(|place| format!("{}:{}", place.function, place.line));
            let place = place.unwrap_or_else(|| "none".into());
            check(place == *expected, format!("it stood at {:?}", report.stopped_at));
        }
        let limits = &self.job.limits;
        let usage = &report.usage;
        check(usage.fuel <= limits.fuel, format!("{} of {} fuel", usage.fuel, limits.fuel));
        check(
            usage.peak_memory_bytes <= limits.memory,
            format!("{} of {} bytes", usage.peak_memory_bytes, limits.memory),
        );
        let grace = Duration::from_millis(500);
        check(usage.wall <= limits.wall + grace, format!("{:?} of {:?}", usage.wall, limits.wall));
        check(stdout.len() as u64 <= limits.stdout, format!("{} bytes of stdout", stdout.len()));
        check(stderr.len() as u64 <= limits.stderr, format!("{} bytes of stderr", stderr.len()));
        if let Some(error) = error.filter(|_| !found.is_empty()) {
            found.push(format!("{}: {}", error.type_name, head(&error.message)));
            found.push(head(&error.traceback).to_owned());
        }
        found
    }
}

fn head(text: &str) -> &str {
    text.get(..600).unwrap_or(text)
}

/// Splits words as a shell does, as far as the grammar needs it: blanks, single and double quotes, backslashes.
pub fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or("a quote is not closed")? {
                        end if end == c => break,
                        '\\' if c == '"' => word.extend(chars.next()),
                        other => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[test]
fn words_are_split_as_a_shell_does() {
    assert_eq!(split(r#"a b='c "d" e' f="g\"h" i\ j"#).unwrap(), ["a", "b=c \"d\" e", "f=g\"h", "i j"]);
    assert!(split("a 'b").is_err());
}
