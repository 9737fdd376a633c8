//! The fields that a template can name, and their values.

use crate::channel::words::{Words, time_of};
use crate::channel::{Letter, webhook};
use crate::clock::rfc3339;
use serde_json::{Value, json};

/// The fields that a template can name.
pub const FIELDS: [&str; 30] = [
    "id",
    "kind",
    "at",
    "title",
    "text",
    "details",
    "script",
    "schedule",
    "alert.id",
    "alert.text",
    "alert.since",
    "run.id",
    "run.script",
    "run.schedule",
    "run.status",
    "run.attempt",
    "run.fire_time",
    "run.timezone",
    "run.duration_ms",
    "run.error.name",
    "run.error.message",
    "run.error.place",
    "run.error.line",
    "run.url",
    "mute_url",
    "value",
    "value.path",
    "value.before",
    "held_back",
    "cause",
];

/// The values of the fields.
pub(super) struct Values(Vec<(&'static str, Value)>);

impl Values {
    /// Those of a notice.
    pub(super) fn of(letter: &Letter<'_>, words: &Words) -> Self {
        let notice = letter.notice;
        let time = |millis: i64| Value::from(rfc3339(time_of(millis)));
        let (alert, run, value) = (notice.alert.as_ref(), notice.run.as_ref(), notice.value.as_ref());
        let link = |link: &Option<(&'static str, String)>| json!(link.as_ref().map(|(_, url)| url));
        let of = |name: &'static str| {
            let value = match name {
                "id" => json!(letter.id),
                "kind" => json!(webhook::type_of(notice.kind)),
                "at" => time(notice.at),
                "title" => json!(words.title),
                "text" => json!(words.sentence),
                "details" => json!(words.lines().join("\n")),
                "script" | "run.script" => json!(notice.script),
                "schedule" | "run.schedule" => json!(notice.schedule),
                "alert.id" => json!(alert.map(|alert| &alert.id)),
                "alert.text" => json!(alert.map(|alert| &alert.text)),
                "alert.since" => alert.map_or(Value::Null, |alert| time(alert.since)),
                "run.id" => json!(run.map(|run| &run.id)),
                "run.status" => json!(run.map(|run| &run.status)),
                "run.attempt" => json!(run.map(|run| run.attempt)),
                "run.fire_time" => run.and_then(|run| run.fire_time).map_or(Value::Null, time),
                "run.timezone" => json!(run.and_then(|run| run.timezone.as_ref())),
                "run.duration_ms" => json!(run.and_then(|run| run.duration_ms)),
                "run.error.name" => json!(run.and_then(|run| run.error_name.as_ref())),
                "run.error.message" => json!(run.and_then(|run| run.error_message.as_ref())),
                "run.error.place" => json!(run.and_then(|run| run.place.as_ref())),
                "run.error.line" => json!(run.and_then(|run| run.line.as_ref())),
                "run.url" => link(&words.run_link),
                "mute_url" => link(&words.mute_link),
                "value" => json!(value.and_then(|value| value.now.as_ref())),
                "value.path" => json!(value.map(|value| &value.path)),
                "value.before" => json!(value.and_then(|value| value.before.as_ref())),
                "cause" => json!(words.cause),
                "held_back" => json!(notice.held_back.iter().map(|held| held.count).sum::<u64>()),
                _ => Value::Null,
            };
            (name, value)
        };
        Values(FIELDS.into_iter().map(of).collect())
    }

    /// Some values, to see what a template becomes with them.
    pub(super) fn sample() -> Self {
        Values(FIELDS.into_iter().map(|name| (name, json!("a \"b\"\n{c}"))).collect())
    }

    /// A field as a value; null when the notice does not have it.
    pub(super) fn value(&self, field: &str) -> Value {
        self.0.iter().find(|(name, _)| *name == field).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// A field as a text; empty when the notice does not have it.
    pub(super) fn text(&self, field: &str) -> String {
        match self.value(field) {
            Value::Null => String::new(),
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}
