//! Tables: rows in columns that fit the terminal. The one place that knows how wide things are.
//!
//! On a terminal that is too narrow, times become relative, then columns that may shrink do so, then those that can be done
//! without are left out. Where standard output is not a terminal nothing is cut.

use super::client::{Refusal, say};
use super::progress::cut;
use super::times::{Times, read};
use super::view::{DIM, HEAD, View, view};
use std::collections::BTreeMap;
use unicode_width::UnicodeWidthStr;

/// Blanks between two columns.
const BETWEEN: usize = 2;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    head: &'static str,
    right: bool,
    /// The least columns it may shrink to; none: it does not.
    least: Option<usize>,
    /// Whether it may be left out.
    spare: bool,
}

/// A column that keeps its width.
pub(super) const fn column(head: &'static str) -> Column {
    Column { head, right: false, least: None, spare: false }
}

impl Column {
    /// It may shrink to so many columns.
    pub(super) const fn shrinks_to(self, least: usize) -> Self {
        Column { least: Some(least), ..self }
    }

    /// What is in it ends at its right.
    pub(super) const fn right(self) -> Self {
        Column { right: true, ..self }
    }

    /// It is left out where there is no room.
    pub(super) const fn spare(self) -> Self {
        Column { spare: true, ..self }
    }
}

/// What is in a column.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// As it is.
    Text(String),
    /// How something is: with a sign and a colour on a terminal.
    Status(String),
    /// A time of the API's; none: there is none.
    Time(Option<String>),
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::Text(text.into())
    }
}

impl Cell {
    /// The word for how something is.
    pub(super) fn status(word: &str) -> Self {
        Cell::Status(word.to_owned())
    }

    /// A time of the API's.
    pub(super) fn time(text: &str) -> Self {
        Cell::Time(Some(text.to_owned()))
    }

    /// A text, or a dash where there is none.
    pub(super) fn or_dash(text: Option<impl Into<String>>) -> Self {
        Cell::Text(text.map_or_else(|| "-".to_owned(), Into::into))
    }
}

/// How times are written in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `2026-11-26 17:03:12`
    Local,
    /// The same, and how long ago that is.
    Both,
    /// How long ago that is.
    Relative,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    /// Heads that are not the columns' own.
    heads: BTreeMap<usize, String>,
    rows: Vec<Vec<Cell>>,
}

/// A row whose cells are text, with how it is painted.
type Row = Vec<(String, String)>;

impl Table {
    /// One without rows.
    pub(super) fn new(columns: &[Column]) -> Self {
        Table { columns: columns.to_vec(), heads: BTreeMap::new(), rows: Vec::new() }
    }

    /// The same with a row for each item.
    pub(super) fn of<T>(columns: &[Column], items: &[T], row: impl Fn(&T) -> Vec<Cell>) -> Self {
        Table { columns: columns.to_vec(), heads: BTreeMap::new(), rows: items.iter().map(row).collect() }
    }

    /// Gives a column another head.
    pub(super) fn rename(&mut self, at: usize, head: &str) {
        self.heads.insert(at, head.to_owned());
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Prints it on standard output.
    pub(super) fn print(&self) -> Result<(), Refusal> {
        self.lines(view(), Times::here()).iter().try_for_each(|line| say(line))
    }

    fn has_times(&self) -> bool {
        self.rows.iter().flatten().any(|cell| matches!(cell, Cell::Time(Some(_))))
    }

    pub(super) fn lines(&self, view: View, times: Times) -> Vec<String> {
        let Some(width) = view.width else { return self.in_form(view, times, Form::Local, None) };
        let fits = |form| self.least_width(view, times, form) <= width;
        let form = match [Form::Both, Form::Local].into_iter().find(|form| self.has_times() && fits(*form)) {
            Some(form) => form,
            None => Form::Relative,
        };
        self.in_form(view, times, form, Some(width))
    }

    /// How wide it is when nothing is cut.
    fn least_width(&self, view: View, times: Times, form: Form) -> usize {
        let (heads, rows) = self.texts(view, times, form);
        let widths = natural(&heads, &rows);
        widths.iter().sum::<usize>() + BETWEEN * widths.len().saturating_sub(1)
    }

    /// Heads and cells as text, each with how it is painted.
    fn texts(&self, view: View, times: Times, form: Form) -> (Vec<String>, Vec<Row>) {
        let is_time = |at: usize| self.rows.iter().any(|row| matches!(row.get(at), Some(Cell::Time(Some(_)))));
        let head = |(at, column): (usize, &Column)| {
            let zone = form != Form::Relative && is_time(at);
            if let Some(other) = self.heads.get(&at) {
                return other.clone();
            }
            if zone { format!("{} ({})", column.head, times.zone()) } else { column.head.to_owned() }
        };
        let heads = self.columns.iter().enumerate().map(head).collect();
        let cell = |cell: &Cell| match cell {
            Cell::Text(text) if text == "-" => ("-".to_owned(), view.paint(DIM, "-")),
            Cell::Text(text) => (clean(text), String::new()),
            Cell::Status(word) => {
                let word = clean(word);
                let shown = view.status(&word);
                let plain = if view.colours {
                    format!("{} {word}", super::view::of_status(&word).0).trim_start().to_owned()
                } else {
                    word
                };
                (plain, shown)
            }
            Cell::Time(None) => ("-".to_owned(), view.paint(DIM, "-")),
            Cell::Time(Some(text)) => {
                let text = match (read(text), form) {
                    (None, _) => clean(text),
                    (Some(time), Form::Local) => times.local(time),
                    (Some(time), Form::Relative) => times.relative(time),
                    (Some(time), Form::Both) => format!("{} · {}", times.local(time), times.relative(time)),
                };
                (text, String::new())
            }
        };
        (heads, self.rows.iter().map(|row| row.iter().map(cell).collect()).collect())
    }

    fn in_form(&self, view: View, times: Times, form: Form, width: Option<usize>) -> Vec<String> {
        let (heads, rows) = self.texts(view, times, form);
        let mut widths: Vec<Option<usize>> = natural(&heads, &rows).into_iter().map(Some).collect();
        if let Some(width) = width {
            self.fit(&mut widths, width);
        }
        let line = |cells: &[(String, String)], head: bool| {
            let last = widths.iter().rposition(Option::is_some);
            let mut line = String::new();
            for (at, (text, painted)) in cells.iter().enumerate() {
                let (Some(Some(width)), Some(column)) = (widths.get(at), self.columns.get(at)) else { continue };
                if !line.is_empty() {
                    line.push_str(&" ".repeat(BETWEEN));
                }
                let cut = cut(text, *width);
                let blanks = " ".repeat(width - cut.width().min(*width));
                let shown = match (head, painted.is_empty()) {
                    (true, _) => view.paint(HEAD, &cut),
                    (false, false) if cut == *text => painted.clone(),
                    _ => cut,
                };
                match (column.right, Some(at) == last) {
                    (true, _) => line.push_str(&format!("{blanks}{shown}")),
                    (false, true) => line.push_str(&shown),
                    (false, false) => line.push_str(&format!("{shown}{blanks}")),
                }
            }
            line.trim_end().to_owned()
        };
        let head: Row = heads.into_iter().map(|head| (head, String::new())).collect();
        std::iter::once(line(&head, true)).chain(rows.iter().map(|row| line(row, false))).collect()
    }

    /// Makes the columns fit: they shrink, the widest first, then spare ones go, the last first, then all may shrink.
    fn fit(&self, widths: &mut [Option<usize>], width: usize) {
        let total = |widths: &[Option<usize>]| {
            let there = widths.iter().flatten();
            there.clone().sum::<usize>() + BETWEEN * there.count().saturating_sub(1)
        };
        let shrink = |widths: &mut [Option<usize>], least: &dyn Fn(&Column) -> Option<usize>| {
            while total(widths) > width {
                let widest = widths.iter().zip(&self.columns).enumerate().filter_map(|(at, (now, column))| {
                    let now = (*now)?;
                    (now > least(column)?).then_some((now, at))
                });
                let Some((now, at)) = widest.max() else { return };
                if let Some(slot) = widths.get_mut(at) {
                    *slot = Some(now - 1);
                }
            }
        };
        let natural = widths.to_vec();
        shrink(widths, &|column| column.least);
        while total(widths) > width {
            let spare =
                |(at, (now, column)): (usize, (&Option<usize>, &Column))| (column.spare && now.is_some()).then_some(at);
            let Some(at) = widths.iter().zip(&self.columns).enumerate().filter_map(spare).next_back() else { break };
            // The others get the room that this makes.
            widths.clone_from_slice(&natural);
            let gone: Vec<usize> = self.spare_from(at);
            for at in gone {
                if let Some(slot) = widths.get_mut(at) {
                    *slot = None;
                }
            }
            shrink(widths, &|column| column.least);
        }
        shrink(widths, &|_| Some(4));
    }

    /// The spare columns from one on.
    fn spare_from(&self, first: usize) -> Vec<usize> {
        self.columns.iter().enumerate().skip(first).filter(|(_, column)| column.spare).map(|(at, _)| at).collect()
    }
}

/// How wide each column is when nothing is cut.
fn natural(heads: &[String], rows: &[Row]) -> Vec<usize> {
    let of = |at: usize| rows.iter().filter_map(move |row| row.get(at)).map(|(text, _)| text.width()).max();
    heads.iter().enumerate().map(|(at, head)| head.width().max(of(at).unwrap_or_default())).collect()
}

/// Text that a terminal shows as it is, on one line.
fn clean(text: &str) -> String {
    super::client::plain(text, 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 5] = [
        column("ID"),
        column("SCRIPT").shrinks_to(8),
        column("BYTES").right().spare(),
        column("CREATED"),
        column("RESULT").shrinks_to(10),
    ];

    fn table() -> Table {
        let mut table = Table::new(&COLUMNS);
        let time = Cell::time("2026-11-26T08:57:00.000000Z");
        table.row(vec![
            "01a1fd70".into(),
            "天气预报_daily_report_of_all".into(),
            "12".into(),
            time,
            "{\"a\": 1}".into(),
        ]);
        table.row(vec!["b".into(), "x".into(), "12345".into(), Cell::Time(None), "long ".repeat(30).trim().into()]);
        table
    }

    fn shown(view: View) -> Vec<String> {
        table().lines(view, Times::at("2026-11-26T09:00:00Z", 8 * 3600))
    }

    /// C9: what goes to a program is whole.
    #[test]
    fn nothing_is_cut_where_there_is_no_terminal() {
        let lines = shown(View::default());
        assert_eq!(lines[0], "ID        SCRIPT                        BYTES  CREATED (+08:00)     RESULT");
        assert!(
            lines[1].starts_with("01a1fd70  天气预报_daily_report_of_all     12  2026-11-26 16:57:00  {"),
            "{}",
            lines[1]
        );
        assert!(lines[2].ends_with("long long") && lines[2].len() > 150, "{}", lines[2]);
    }

    /// C9: a terminal is never too narrow.
    #[test]
    fn tables_fit_every_terminal() {
        for width in 20..200 {
            for line in shown(View { width: Some(width), ..View::default() }) {
                assert!(line.width() <= width.max(34), "{width}: {line}");
            }
        }
        let lines = shown(View { width: Some(80), ..View::default() });
        assert!(lines[1].contains("3m ago") && lines[1].contains("01a1fd70"), "{lines:?}");
        assert!(lines.iter().all(|line| line.width() <= 80));
        let lines = shown(View { width: Some(240), ..View::default() });
        assert!(lines[0].contains("CREATED (+08:00)") && lines[1].contains("16:57:00 · 3m ago"), "{lines:?}");
    }

    #[test]
    fn spare_columns_go_before_others_are_unreadable() {
        let lines = shown(View { width: Some(44), ..View::default() });
        assert!(!lines[0].contains("BYTES") && lines[0].contains("RESULT"), "{lines:?}");
    }

    #[test]
    fn what_a_script_wrote_does_nothing_to_the_terminal() {
        let mut table = Table::new(&[column("A")]);
        table.row(vec!["a\x1b[2Jb\nc\u{202e}d".into()]);
        let lines = table.lines(View::default(), Times::at("2026-11-26T09:00:00Z", 0));
        assert_eq!(lines[1], "a [2Jb c d");
    }
}
