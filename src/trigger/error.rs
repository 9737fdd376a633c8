//! What is wrong with a trigger, and where.

use crate::clock::Time;
use crate::suggest::nearest;
use std::fmt;
use std::rc::Rc;

/// Why a trigger is refused, or cannot be computed. A sentence, and the place it is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TriggerError {
    /// What is wrong and what was expected.
    pub message: String,
    /// The path into the JSON form: `triggers[1].minute`.
    pub field: Option<String>,
    /// How many bytes of the text stand before the place; nothing when it is about no place in a text.
    pub at: Option<usize>,
    /// The text that `at` counts in: the whole text form, or the value of the JSON field.
    pub text: Option<String>,
    /// Whether it is understood, and computing it takes more work than a trigger may.
    pub too_costly: bool,
}

impl TriggerError {
    /// About the whole trigger.
    pub(super) fn new(message: impl Into<String>) -> Self {
        TriggerError { message: message.into(), field: None, at: None, text: None, too_costly: false }
    }

    /// A computation that was ended because of its cost.
    pub(super) fn too_costly() -> Self {
        let why =
            "finding its fire times takes too much work: use fewer triggers in one, fewer exclusions, or ask for less";
        TriggerError { too_costly: true, ..Self::new(why) }
    }

    /// The same, when it happened while the members of an `and` were asked after an instant.
    pub(super) fn in_and(self, after: Time) -> Self {
        if !self.too_costly {
            return self;
        }
        let reached = after.format("%Y-%m-%d");
        let why = "they agree too rarely or never";
        TriggerError { message: format!("the triggers of `and` were followed up to {reached}: {why}"), ..self }
    }

    /// About a field.
    pub(super) fn field(field: &str, message: impl Into<String>) -> Self {
        TriggerError { field: Some(field.to_owned()).filter(|field| !field.is_empty()), ..Self::new(message) }
    }

    /// The text with a caret under the place; nothing when the error is about no place in a text.
    pub fn caret(&self) -> Option<String> {
        /// As much of the text as is shown on each side.
        const AROUND: usize = 60;
        let (text, at) = (self.text.as_deref()?, self.at?);
        let before: Vec<char> = text.get(..at)?.chars().collect();
        let cut = before.len().saturating_sub(AROUND);
        let shown = |c: &char| if c.is_control() { ' ' } else { *c };
        let left: String = before[cut..].iter().map(shown).collect();
        let right: String = text.get(at..)?.chars().take(AROUND).map(|c| shown(&c)).collect();
        Some(format!("{left}{right}\n{}^", " ".repeat(before.len() - cut)))
    }
}

impl fmt::Display for TriggerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)?;
        match self.at {
            // What is wrong from the beginning needs no pointing at.
            Some(at) if at > 0 => write!(f, " (at character {at})"),
            _ => Ok(()),
        }
    }
}

/// A piece of what somebody wrote: one value, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// The whole text form, or the whole value of a JSON field.
    whole: Rc<str>,
    from: usize,
    to: usize,
    /// The path into the JSON form.
    pub field: String,
}

impl Piece {
    /// The whole of a text.
    pub fn new(text: &str, field: String) -> Self {
        Piece { whole: text.into(), from: 0, to: text.len(), field }
    }

    /// Something that nobody wrote: what stands for a field that was left out.
    pub fn implied(text: &str) -> Self {
        Piece::new(text, String::new())
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.whole[self.from..self.to]
    }

    /// Whether it is this keyword.
    pub fn is(&self, keyword: &str) -> bool {
        self.text().eq_ignore_ascii_case(keyword)
    }

    /// An error about the whole piece.
    pub fn error(&self, message: impl Into<String>) -> TriggerError {
        self.error_at(0, message)
    }

    /// An error about the place after so many bytes of it.
    pub fn error_at(&self, offset: usize, message: impl Into<String>) -> TriggerError {
        let (at, text) = (Some(self.from + offset), Some(self.whole.to_string()));
        TriggerError { at, text, ..TriggerError::field(&self.field, message) }
    }

    /// A part of it, as a piece of its own.
    pub fn part(&self, from: usize, to: usize) -> Piece {
        Piece { from: self.from + from, to: self.from + to, ..self.clone() }
    }

    /// From its beginning to the end of another piece of the same text.
    pub fn up_to(&self, last: &Piece) -> Piece {
        Piece { to: last.to, ..self.clone() }
    }

    /// What stands between separators, empty pieces too.
    pub fn split(&self, separator: fn(char) -> bool) -> Vec<Piece> {
        let mut from = 0;
        let part = |text: &str| {
            let part = self.part(from, from + text.len());
            // Separators are ASCII.
            from += text.len() + 1;
            part
        };
        self.text().split(separator).map(part).collect()
    }

    /// Without white space around it.
    pub fn trimmed(&self) -> Piece {
        let from = self.text().len() - self.text().trim_ascii_start().len();
        self.part(from, from + self.text().trim_ascii().len())
    }
}

/// Reads a piece from its beginning to its end. Only ASCII is ever taken, so it always stands between characters.
pub(super) struct Cursor<'a> {
    piece: &'a Piece,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(piece: &'a Piece) -> Self {
        Cursor { piece, at: 0 }
    }

    /// How much has been read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Goes back to where it was.
    pub fn back_to(&mut self, at: usize) {
        self.at = at;
    }

    pub fn peek(&self) -> Option<u8> {
        self.piece.text().as_bytes().get(self.at).copied()
    }

    pub fn is_done(&self) -> bool {
        self.peek().is_none()
    }

    /// Takes one character if it is next, without regard to case.
    pub fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek().is_some_and(|next| next.eq_ignore_ascii_case(&byte));
        self.at += usize::from(found);
        found
    }

    pub fn spaces(&mut self) {
        while self.eat(b' ') {}
    }

    /// Takes ASCII letters, in lower case.
    pub fn word(&mut self) -> String {
        self.take(u8::is_ascii_alphabetic).to_ascii_lowercase()
    }

    /// Takes ASCII digits.
    pub fn digits(&mut self) -> &'a str {
        self.take(u8::is_ascii_digit)
    }

    fn take(&mut self, wanted: fn(&u8) -> bool) -> &'a str {
        let rest = &self.piece.text()[self.at..];
        let size = rest.bytes().take_while(wanted).count();
        self.at += size;
        &rest[..size]
    }

    /// Takes a whole number between two others.
    pub fn number(&mut self, what: &str, least: u32, most: u32) -> Result<u32, TriggerError> {
        let from = self.at;
        let digits = self.digits();
        if digits.is_empty() {
            return Err(self.expected(what));
        }
        match digits.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(self.error_at(from, format!("{} is out of range: {what} is {least} to {most}", short(digits)))),
        }
    }

    /// An error about a place.
    pub fn error_at(&self, at: usize, message: impl Into<String>) -> TriggerError {
        self.piece.error_at(at, message)
    }

    /// An error that says what should stand here, and what does.
    pub fn expected(&self, what: &str) -> TriggerError {
        let found = match self.piece.text()[self.at..].chars().next() {
            None if self.piece.text().is_empty() => "nothing".into(),
            None => "the end".into(),
            Some(c) if c.is_ascii_graphic() => format!("`{c}`"),
            Some(' ') => "a space".into(),
            Some(c) if c.is_control() => format!("U+{:04X}", c as u32),
            Some(c) => format!("`{c}` (U+{:04X})", c as u32),
        };
        self.error_at(self.at, format!("expected {what}, found {found}"))
    }
}

/// What somebody wrote, short enough for a sentence.
pub(super) fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(40).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// The sentence about a word that is none of those there are: the nearest one, or all of them.
pub(super) fn unknown<'a>(what: &str, word: &str, there_are: impl Iterator<Item = &'a str> + Clone) -> String {
    let meant = match nearest(word, there_are.clone()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", there_are.collect::<Vec<_>>().join(", ")),
    };
    format!("there is no {what} {:?}; {meant}", short(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_the_place() {
        let piece = Piece::new("0 0 * * fri#2x", "crontab".into());
        let error = piece.part(8, 14).error_at(5, "expected nothing more");
        assert_eq!(error.to_string(), "crontab: expected nothing more (at character 13)");
        assert_eq!(error.caret().as_deref(), Some("0 0 * * fri#2x\n             ^"));
        assert_eq!(TriggerError::new("no place").caret(), None);
        // Counted in bytes, shown in characters, and cut where it is long.
        let error = Piece::implied(&format!("é{}", "x".repeat(200))).error_at(102, "here");
        let caret = error.caret().expect("a place");
        let (text, under) = caret.split_once('\n').expect("two lines");
        assert_eq!((text.chars().count(), under.chars().count()), (120, 61));
    }
}
