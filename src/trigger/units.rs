//! Numbers and spans: `1h30m`, and the units of an interval.

use super::error::{Cursor, Piece, TriggerError};

/// The units of an interval, in seconds.
pub(super) const UNITS: [(&str, i64); 5] =
    [("weeks", 604_800), ("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1)];

/// Largest number in an interval.
pub(super) const MAX_COUNT: u32 = 1_000_000_000;

/// A whole number and nothing else.
pub(super) fn whole(piece: &Piece, what: &str, least: u32, most: u32) -> Result<u32, TriggerError> {
    let mut cursor = Cursor::new(piece);
    let number = cursor.number(what, least, most)?;
    if cursor.is_done() { Ok(number) } else { Err(cursor.expected("the end of the number")) }
}

/// A span such as `1m30s`; a number alone is seconds.
pub(super) fn seconds(piece: &Piece) -> Result<i64, TriggerError> {
    if !piece.text().is_empty() && piece.text().bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(whole(piece, "a number of seconds", 0, MAX_COUNT)?.into());
    }
    if piece.text().is_empty() {
        return Err(piece.error("expected a span such as 30s"));
    }
    let mut total = 0;
    for (name, number) in span(piece)? {
        let unit = UNITS.iter().find(|(known, _)| *known == name).map_or(1, |(_, unit)| *unit);
        total += i64::from(whole(&number, name, 0, MAX_COUNT)?) * unit;
    }
    Ok(total)
}

/// The letters of a span, and the field of an interval each is.
const LETTERS: &[(u8, &str)] =
    &[(b'w', "weeks"), (b'd', "days"), (b'h', "hours"), (b'm', "minutes"), (b's', "seconds")];

/// The parts of a span, by the field of an interval each is.
pub(super) fn span(piece: &Piece) -> Result<Vec<(&'static str, Piece)>, TriggerError> {
    let mut parts: Vec<(&'static str, Piece)> = Vec::new();
    let mut cursor = Cursor::new(piece);
    while !cursor.is_done() {
        let from = cursor.at();
        if cursor.digits().is_empty() {
            return Err(cursor.expected("a number"));
        }
        let number = piece.part(from, cursor.at());
        let Some((_, field)) = LETTERS.iter().find(|(letter, _)| cursor.eat(*letter)) else {
            return Err(cursor.expected("a unit: w, d, h, m or s"));
        };
        if parts.iter().any(|(given, _)| given == field) {
            return Err(cursor.error_at(from, format!("{field} are given twice")));
        }
        parts.push((field, number));
    }
    Ok(parts)
}
