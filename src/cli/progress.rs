//! Progress of what takes long, on standard error: one line that is written over on a terminal, and a line for each step
//! elsewhere.

use super::view::{DIM, view};
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How often a line is written over at most.
const OFTEN: Duration = Duration::from_millis(50);
/// What turns at the beginning of a line while it changes.
const SIGNS: [&str; 4] = ["◐", "◓", "◑", "◒"];
/// The columns of a line that is written over; more would leave a part of it on a narrow terminal.
const WIDTH: usize = 79;

/// Shows steps: `resolving packages`, `fetching packages 3 of 17`. What was shown is cleared when it is dropped.
#[derive(Debug)]
pub(super) struct Progress {
    /// Whether lines are written over; none where nothing is shown.
    over: Option<bool>,
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    step: String,
    at: Option<Instant>,
    turns: usize,
    /// Whether a line is there to be written over.
    line: bool,
}

impl Progress {
    /// On standard error; on none with `quiet`.
    pub(super) fn new(quiet: bool) -> Self {
        Progress { over: (!quiet).then(|| std::io::stderr().is_terminal()), shown: Mutex::default() }
    }

    /// On standard error where that is a terminal; what is short is not worth a line of a log.
    pub(super) fn on_terminal() -> Self {
        Progress::new(!std::io::stderr().is_terminal())
    }

    /// Shows a step, with how much of it is done where that is known.
    pub(super) fn show(&self, step: &str, of: Option<(usize, usize)>) {
        let Some(over) = self.over else { return };
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = shown.step != step;
        let is_whole = of.is_some_and(|(done, all)| done == all);
        if !over {
            // A log wants each step once, and the end of those that are counted.
            if is_new {
                step.clone_into(&mut shown.step);
                super::complain(&line(step, of));
            }
            return;
        }
        let too_soon = shown.at.is_some_and(|at| at.elapsed() < OFTEN);
        if too_soon && !is_new && !is_whole {
            return;
        }
        step.clone_into(&mut shown.step);
        (shown.at, shown.line, shown.turns) = (Some(Instant::now()), true, shown.turns + 1);
        let sign = SIGNS.get(shown.turns % SIGNS.len()).copied().unwrap_or_default();
        let text = cut(&format!("{sign} {}", line(step, of)), WIDTH);
        let _ = write!(std::io::stderr().lock(), "\r\x1b[2K{}", view().paint(DIM, &text));
        let _ = std::io::stderr().flush();
    }

    /// Clears what is shown: what comes next on standard error has a line of its own.
    pub(super) fn clear(&self) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut shown.line) {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[2K");
            let _ = std::io::stderr().flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(step: &str, of: Option<(usize, usize)>) -> String {
    match of {
        Some((done, all)) => format!("{step} {done} of {all}"),
        None => format!("{step} …"),
    }
}

/// The beginning of a text that takes at most so many columns.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let (mut out, mut used) = (String::new(), 0);
    for c in text.chars() {
        used += c.width().unwrap_or_default();
        if used + 1 > width {
            break;
        }
        out.push(c);
    }
    out + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_written_in_one_way() {
        assert_eq!(line("fetching packages", Some((3, 17))), "fetching packages 3 of 17");
        assert_eq!(line("resolving packages", None), "resolving packages …");
        assert_eq!(cut("天气预报", 5), "天气…");
        assert_eq!(cut("天气", 4), "天气");
        // Where nothing is shown, nothing is written.
        let silent = Progress::new(true);
        silent.show("x", Some((1, 1)));
        silent.clear();
    }
}
