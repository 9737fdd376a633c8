//! How things are shown: the width of the terminal, colours, and the zone of times. Set once, from flags and environment.

use crate::config;
use anstyle::{AnsiColor, Color, Style};
use clap::{Args, ValueEnum};
use rustix::termios::tcgetwinsize;
use std::io::IsTerminal;
use std::sync::OnceLock;

/// Fewer columns than this no table is made for.
const NARROWEST: usize = 20;

static VIEW: OnceLock<View> = OnceLock::new();

/// The flags about how things are shown, for every command.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct ViewArgs {
    /// Show times in UTC instead of this machine's zone
    #[arg(long, global = true, env = "CRONBOX_UTC", help_heading = "Display")]
    utc: bool,
    /// Whether colours and signs are used; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", global = true, value_enum, help_heading = "Display")]
    color: Option<When>,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    Auto,
    Always,
    Never,
}

/// How things are shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct View {
    /// Whether standard output has colours and signs.
    pub(super) colours: bool,
    /// Whether standard error has colours.
    pub(super) colours_of_errors: bool,
    /// How many columns standard output has; none where it is not a terminal.
    pub(super) width: Option<usize>,
    /// Whether times are shown in UTC.
    pub(super) utc: bool,
}

impl ViewArgs {
    /// Sets how things are shown from now on.
    pub(super) fn install(self) {
        let out = std::io::stdout();
        let terminal = out.is_terminal();
        let colours_on = |terminal: bool| match self.color {
            Some(When::Always) => true,
            Some(When::Never) => false,
            Some(When::Auto) | None => config::colours_forced() || terminal && !config::colours_off(),
        };
        let colours = colours_on(terminal);
        let colours_of_errors = colours_on(std::io::stderr().is_terminal());
        let size = || tcgetwinsize(&out).ok().map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        let width = config::columns().or_else(|| if terminal { size().or(Some(80)) } else { None });
        let width = width.map(|width| width.max(NARROWEST));
        // Whoever comes second finds the first.
        let _ = VIEW.set(View { colours, colours_of_errors, width, utc: self.utc });
    }
}

/// How things are shown.
pub(super) fn view() -> View {
    VIEW.get().copied().unwrap_or_default()
}

const fn colour(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(colour)))
}

/// What heads a table.
pub(super) const HEAD: Style = Style::new().bold();
/// What is beside the point.
pub(super) const DIM: Style = Style::new().dimmed();
/// What went well.
pub(super) const GOOD: Style = colour(AnsiColor::Green);
/// What should be looked at.
pub(super) const WARN: Style = colour(AnsiColor::Yellow);
/// What went wrong.
pub(super) const BAD: Style = colour(AnsiColor::Red);
/// What is under way.
pub(super) const BUSY: Style = colour(AnsiColor::Cyan);

/// A sign and a colour for a word that says how something is.
pub(super) fn of_status(word: &str) -> (&'static str, Style) {
    match word {
        "succeeded" | "active" | "in force" | "ok" | "made" | "granted" => ("✓", GOOD),
        "failed" | "crashed" | "timed_out" | "out_of_fuel" | "out_of_memory" | "abandoned" | "firing" => ("✗", BAD),
        "missed" | "cancelled" | "skipped" | "paused" | "not granted" | "changed" => ("!", WARN),
        "running" => ("●", BUSY),
        "queued" | "scheduled" => ("○", DIM),
        _ => (" ", Style::new()),
    }
}

impl View {
    /// Text in a style, where there are colours.
    pub(super) fn paint(self, style: Style, text: &str) -> String {
        if self.colours && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// A word that says how something is: with its sign and colour, where there are colours.
    pub(super) fn status(self, word: &str) -> String {
        let (sign, style) = of_status(word);
        if self.colours { self.paint(style, format!("{sign} {word}").trim_start()) } else { word.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_signs_are_for_terminals() {
        let plain = View::default();
        assert_eq!((plain.status("failed"), plain.paint(BAD, "x")), ("failed".to_owned(), "x".to_owned()));
        let coloured = View { colours: true, ..plain };
        assert_eq!(coloured.status("failed"), "\u{1b}[31m✗ failed\u{1b}[0m");
        assert_eq!(coloured.status("unheard of"), "unheard of");
    }
}
