//! The facts beside the sentence of a notice.

use super::{Fact, Speech, clock, one_line, time_of, zone_of};
use crate::channel::fit;
use crate::notice::{Notice, NoticeKind};
use serde_json::Value;

/// Most characters of a fact.
const MOST: usize = 500;
/// Most scripts that a summary counts one by one.
const MOST_SCRIPTS: usize = 20;

/// A value of a result, as it is shown in a sentence.
pub(super) fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    fit::characters(&one_line(&text), MOST)
}

/// The facts of a notice.
pub(super) fn facts(notice: &Notice, speech: &dyn Speech) -> Vec<Fact> {
    let labels = speech.labels();
    let fact = |label, value: &str, is_code| Fact { label, value: fit::characters(&one_line(value), MOST), is_code };
    let mut facts = Vec::new();
    if let Some(alert) = &notice.alert {
        facts.push(fact(labels.alert, &alert.text, true));
    }
    if let Some(run) = notice.run.as_ref().filter(|_| notice.kind != NoticeKind::Ok) {
        let error = match (&run.error_name, &run.error_message) {
            (Some(name), Some(message)) => Some(format!("{name}: {}", last_line(message))),
            (None, Some(message)) => Some(last_line(message).to_owned()),
            (name, None) => name.clone(),
        };
        facts.extend(error.map(|error| fact(labels.error, &error, true)));
        let place = match (&run.place, &run.line) {
            (Some(place), Some(line)) => Some(format!("{place}: {}", line.trim())),
            (place, line) => place.clone().or_else(|| line.clone()),
        };
        facts.extend(place.map(|place| fact(labels.place, &place, true)));
    }
    if let Some(value) = &notice.value {
        facts.extend(value.before.as_ref().map(|before| fact(labels.before, &shown(before), true)));
        facts.extend(value.now.as_ref().map(|now| fact(labels.now, &shown(now), true)));
    }
    if let Some(took) = notice.run.as_ref().and_then(|run| run.duration_ms) {
        facts.push(fact(labels.took, &speech.duration(took / 1_000), false));
    }
    if let Some(cause) = notice.cause.as_ref().filter(|_| notice.kind != NoticeKind::Summary) {
        facts.push(fact(labels.cause, &speech.cause(cause), false));
    }
    facts.extend(counts(notice, speech));
    facts.push(fact(labels.at, &clock(time_of(notice.at), zone_of(notice)), false));
    facts
}

/// How many notices of each script a summary tells of.
fn counts(notice: &Notice, speech: &dyn Speech) -> Vec<Fact> {
    let mut held: Vec<_> = notice.held_back.iter().collect();
    held.sort_by(|one, other| (other.count, &one.script).cmp(&(one.count, &other.script)));
    let name = |script: &str| if script.is_empty() { speech.no_script().to_owned() } else { script.to_owned() };
    let (shown, rest) = held.split_at(held.len().min(MOST_SCRIPTS));
    let mut parts: Vec<String> = shown.iter().map(|held| format!("{} × {}", name(&held.script), held.count)).collect();
    if !rest.is_empty() {
        let count: u64 = rest.iter().map(|held| held.count).sum();
        parts.push(format!("… × {count}"));
    }
    let labels = speech.labels();
    let label = if notice.cause.is_some() { labels.scripts } else { labels.held_back };
    let fact = |value| Fact { label, value, is_code: false };
    if parts.is_empty() { Vec::new() } else { vec![fact(parts.join(", "))] }
}

fn last_line(text: &str) -> &str {
    text.trim_end().rsplit('\n').next().unwrap_or(text)
}
