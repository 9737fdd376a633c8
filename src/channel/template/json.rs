//! JSON with placeholders: written as a text, in which a placeholder can stand for a whole value, or given as JSON.

use super::fields::Values;
use super::text::{Escape, Piece, Text, pieces};
use crate::channel::{BadChannel, bad};
use crate::misfit;
use serde_json::Value;

/// JSON that was written as a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JsonBody(Vec<(Piece, Escape)>);

impl JsonBody {
    /// Reads it: what is in quotes is escaped as a part of a text, the rest as a value.
    pub(super) fn parse(place: &str, text: &str) -> Result<Self, BadChannel> {
        let (mut in_text, mut escaped) = (false, false);
        let mut parts = Vec::new();
        for piece in pieces(place, text)? {
            if let Piece::Plain(plain) = &piece {
                for letter in plain.chars() {
                    match (in_text, escaped, letter) {
                        (true, true, _) => escaped = false,
                        (true, false, '\\') => escaped = true,
                        (true, false, '"') => in_text = false,
                        (false, _, '"') => in_text = true,
                        _ => {}
                    }
                }
            }
            parts.push((piece, if in_text { Escape::JsonText } else { Escape::JsonValue }));
        }
        let body = JsonBody(parts);
        match serde_json::from_str::<Value>(&body.fill(&Values::sample())) {
            Ok(_) => Ok(body),
            Err(error) => {
                bad(place, format!("with its placeholders filled it is not JSON: {}", misfit::not_json(&error)))
            }
        }
    }

    pub(super) fn fill(&self, values: &Values) -> String {
        let part = |(piece, escape): &(Piece, Escape)| match piece {
            Piece::Plain(text) => text.clone(),
            Piece::Field(name) => escape.apply(name, values),
        };
        self.0.iter().map(part).collect()
    }
}

/// Checks the texts of a value.
pub(super) fn check(place: &str, value: &Value) -> Result<(), BadChannel> {
    match value {
        Value::String(text) => Text::parse(place, text, Escape::Nothing).map(|_| ()),
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(at, item)| check(&format!("{place}.{at}"), item))
        }
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| check(&format!("{place}.{name}"), value)),
        _ => Ok(()),
    }
}

/// Fills the texts of a value. One that is a placeholder and nothing else becomes the field's value: a number stays one.
pub(super) fn fill(value: &Value, values: &Values) -> Value {
    match value {
        Value::String(text) => match pieces("", text).as_deref() {
            Ok([Piece::Field(name)]) => values.value(name),
            Ok(_) => Text::parse("", text, Escape::Nothing).map_or(Value::Null, |text| text.fill(values).into()),
            Err(_) => Value::Null,
        },
        Value::Array(items) => items.iter().map(|item| fill(item, values)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), fill(value, values))).collect(),
        other => other.clone(),
    }
}
