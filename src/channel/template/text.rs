//! A text with placeholders.

use super::fields::{FIELDS, Values};
use crate::channel::markdown::html;
use crate::channel::{BadChannel, bad};
use crate::suggest::nearest;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in an address.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How a value is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// Not at all: plain text.
    Nothing,
    /// As a part of an address or a form.
    Url,
    /// On one line.
    Header,
    /// As text or an attribute of HTML or XML.
    Html,
    /// Inside a text of JSON.
    JsonText,
    /// As a value of JSON.
    JsonValue,
}

impl Escape {
    /// A field, escaped.
    pub(super) fn apply(self, field: &str, values: &Values) -> String {
        let text = || values.text(field);
        match self {
            Escape::Nothing => text(),
            Escape::Url => utf8_percent_encode(&text(), KEPT).to_string(),
            Escape::Header => text().chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect(),
            Escape::Html => html(&text()),
            Escape::JsonText => {
                let quoted = serde_json::Value::from(text()).to_string();
                quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
            }
            Escape::JsonValue => values.value(field).to_string(),
        }
    }
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it is.
    Plain(String),
    /// The name of a field, in the place of which its value is put.
    Field(&'static str),
}

/// Takes a text apart. `place` says where the text itself is.
pub(super) fn pieces(place: &str, text: &str) -> Result<Vec<Piece>, BadChannel> {
    let (mut pieces, mut rest, mut at) = (Vec::new(), text, 0);
    while let Some(begin) = rest.find("{{") {
        let (plain, field) = rest.split_at(begin);
        if !plain.is_empty() {
            pieces.push(Piece::Plain(plain.to_owned()));
        }
        let here = position(text, at + begin);
        let field = field.get(2..).unwrap_or_default();
        let Some(end) = field.find("}}") else {
            return bad(place, format!("{here}: the placeholder that begins here is not closed with }}}}"));
        };
        let name = field.get(..end).unwrap_or_default().trim();
        match FIELDS.iter().find(|known| **known == name) {
            Some(known) => pieces.push(Piece::Field(known)),
            None => return bad(place, format!("{here}: {}", unknown(name))),
        }
        at += begin + 2 + end + 2;
        rest = text.get(at..).unwrap_or_default();
    }
    if !rest.is_empty() {
        pieces.push(Piece::Plain(rest.to_owned()));
    }
    Ok(pieces)
}

fn unknown(name: &str) -> String {
    let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
    match nearest(name, FIELDS.iter().copied()) {
        Some(near) => format!("there is no field {shown:?}: did you mean {near:?}?"),
        None => format!("there is no field {shown:?}: there are {}", FIELDS.join(", ")),
    }
}

/// A byte's line and column, from 1 on.
pub(super) fn position(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}

/// A text whose values are all escaped in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pieces: Vec<Piece>,
    escape: Escape,
}

impl Text {
    pub(super) fn parse(place: &str, text: &str, escape: Escape) -> Result<Self, BadChannel> {
        Ok(Text { pieces: pieces(place, text)?, escape })
    }

    pub(super) fn plain(text: &str) -> Self {
        Text { pieces: vec![Piece::Plain(text.to_owned())], escape: Escape::Nothing }
    }

    pub(super) fn fill(&self, values: &Values) -> String {
        let part = |piece: &Piece| match piece {
            Piece::Plain(text) => text.clone(),
            Piece::Field(name) => self.escape.apply(name, values),
        };
        self.pieces.iter().map(part).collect()
    }
}
