//! What is wrong with a condition, and where.

use crate::suggest::nearest;
use std::fmt;

/// Why a condition is refused: a sentence, and the place that it is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConditionError {
    /// What is wrong, and what was expected.
    pub message: String,
    /// How many bytes of the text are before the place.
    pub at: usize,
    /// The whole text.
    pub text: String,
}

impl ConditionError {
    /// The text with a caret under the place.
    pub fn caret(&self) -> String {
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        let text: String = self.text.chars().map(shown).collect();
        format!("{text}\n{}^", " ".repeat(self.column()))
    }

    /// How many characters are before the place.
    fn column(&self) -> usize {
        self.text.get(..self.at).map_or(0, |before| before.chars().count())
    }
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.column() {
            // What is wrong from the beginning needs no place.
            0 => Ok(()),
            column => write!(f, " (at character {column})"),
        }
    }
}

/// A word that was written, short enough for a sentence.
pub(super) fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(40).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// The sentence about a word that is not one of those that are known: the nearest one, or all of them.
pub(super) fn unknown<'a>(what: &str, word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let meant = match nearest(word, known.clone()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
    };
    format!("there is no {what} {:?}; {meant}", short(word))
}
