//! The text form, as the grammar of the room above has it.

use super::error::{Piece, TriggerError, short, unknown};
use super::field::{UNITS, Unit};
use super::moment::time_of_day;
use super::node::{Kind, MAX_NESTED, MAX_TEXT, Node};
use super::units::span;
use chrono::{NaiveTime, Timelike};

/// Options that take one word, and the field each is.
const OPTIONS: &[(&str, &str)] = &[
    ("@", "timezone"),
    ("from", "start_date"),
    ("until", "end_date"),
    ("jitter", "jitter"),
    ("max", "max_runs"),
    ("dst", "dst"),
    ("within", "threshold"),
];

/// What people write after `every` with a space, its field, and whether it is on the clock rather than in the calendar.
const UNIT_WORDS: &[(&str, &str, bool)] = &[
    ("year", "years", false),
    ("month", "months", false),
    ("week", "weeks", false),
    ("day", "days", false),
    ("hour", "hours", true),
    ("minute", "minutes", true),
    ("second", "seconds", true),
];

/// What people write after `every` for a day of the week, also by its first three letters.
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

const CORES: &str = "a crontab line (0 9 * * 1-5), @daily, cron:, fields:, every, at, after, or (";

/// Whether a core or a term is over when this word comes.
fn ends_core(word: &Piece) -> bool {
    word.text().starts_with('@')
        || ["(", ")", "or", "and", "except"].iter().any(|keyword| word.is(keyword))
        || OPTIONS.iter().any(|(keyword, _)| word.is(keyword))
}

/// A word without its quotes.
fn unquoted(word: &Piece) -> Piece {
    match word.text().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => word.part(1, 1 + inner.len()),
        None => word.clone(),
    }
}

/// Reads the text form, to its end.
pub(super) fn parse(text: &str) -> Result<Node, TriggerError> {
    if text.len() > MAX_TEXT {
        return Err(TriggerError::new(format!("a trigger has at most {MAX_TEXT} bytes")));
    }
    let text = Piece::implied(text);
    let end = text.text().trim_ascii_end().len();
    let mut parser = Parser { words: words(&text)?, next: 0, end: text.part(end, end) };
    let mut node = parser.any(0)?;
    if parser.peek().is_some() {
        return Err(parser.expected("`or`, `and`, an option (@ from until jitter max except dst within) or the end"));
    }
    node.place("");
    Ok(node)
}

/// Splits the text at white space and around parentheses; within quotes neither counts.
fn words(text: &Piece) -> Result<Vec<Piece>, TriggerError> {
    let mut words = Vec::new();
    let mut rest = text.text();
    loop {
        rest = rest.trim_ascii_start();
        let at = text.text().len() - rest.len();
        let mut quoted = false;
        let in_word = |byte: &u8| {
            quoted ^= *byte == b'"';
            quoted || !(byte.is_ascii_whitespace() || matches!(byte, b'(' | b')'))
        };
        let size = match rest.bytes().next() {
            None => return Ok(words),
            Some(b'(' | b')') => 1,
            Some(_) => match PREFIXES.iter().find(|prefix| starts_with(rest, prefix)) {
                Some(prefix) => prefix.len(),
                None => rest.bytes().take_while(in_word).count(),
            },
        };
        if quoted {
            return Err(text.error_at(at + rest.find('"').unwrap_or(0), "this quote is not closed"));
        }
        words.push(text.part(at, at + size));
        rest = &rest[size..];
    }
}

/// After these a word need not end.
const PREFIXES: [&str; 2] = ["cron:", "fields:"];

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

struct Parser {
    words: Vec<Piece>,
    next: usize,
    /// Nothing, at the end of the text.
    end: Piece,
}

impl Parser {
    fn peek(&self) -> Option<Piece> {
        self.words.get(self.next).cloned()
    }

    fn take(&mut self, what: &str) -> Result<Piece, TriggerError> {
        let word = self.peek().ok_or_else(|| self.expected(what))?;
        self.next += 1;
        Ok(word)
    }

    fn eat(&mut self, keyword: &str) -> Option<Piece> {
        let word = self.peek().filter(|word| word.is(keyword))?;
        self.next += 1;
        Some(word)
    }

    fn expected(&self, what: &str) -> TriggerError {
        match self.peek() {
            Some(word) => word.error(format!("expected {what}, found `{}`", short(word.text()))),
            None => self.end.error(format!("expected {what}, found the end")),
        }
    }

    fn any(&mut self, depth: usize) -> Result<Node, TriggerError> {
        self.members(Kind::Or, |parser| parser.members(Kind::And, |parser| parser.term(depth)))
    }

    /// One or more, with the kind's name between.
    fn members(
        &mut self,
        kind: Kind,
        mut member: impl FnMut(&mut Self) -> Result<Node, TriggerError>,
    ) -> Result<Node, TriggerError> {
        let first = member(self)?;
        let mut node = Node::new(kind, first.word.clone());
        node.triggers.push(first);
        while self.eat(kind.name()).is_some() {
            node.triggers.push(member(self)?);
        }
        match node.triggers.len() {
            1 => Ok(node.triggers.remove(0)),
            _ => Ok(node),
        }
    }

    fn term(&mut self, depth: usize) -> Result<Node, TriggerError> {
        let mut node = match self.eat("(") {
            Some(open) => {
                if depth == MAX_NESTED {
                    return Err(open.error("too many parentheses in one another"));
                }
                let node = self.any(depth + 1)?;
                self.eat(")").ok_or_else(|| self.expected("`)`"))?;
                node
            }
            None => self.core()?,
        };
        while self.option(&mut node)? {}
        Ok(node)
    }

    fn core(&mut self) -> Result<Node, TriggerError> {
        let Some(word) = self.peek() else { return Err(self.expected(CORES)) };
        let at = Some(word.clone());
        // As other crons write an interval.
        if self.eat("@every").is_some() {
            return self.every(at);
        }
        if self.eat("cron:").is_some()
            || word.text().starts_with(|c: char| c.is_ascii_digit() || matches!(c, '*' | '@'))
        {
            let mut node = Node::new(Kind::Cron, at);
            node.values.push(("crontab", self.line()));
            return Ok(node);
        }
        self.next += 1;
        match word.text().to_ascii_lowercase().as_str() {
            "fields:" => self.fields(at),
            "every" => self.every(at),
            "at" => {
                let mut node = Node::new(Kind::Date, at);
                node.values.push(("run_date", self.moment("a time such as 2026-12-24T18:00")?));
                if let Some(word) = self.peek()
                    && let Some(("fold", _)) = word.text().split_once('=')
                {
                    self.next += 1;
                    node.values.push(("fold", word.part("fold=".len(), word.text().len())));
                }
                Ok(node)
            }
            "after" => self.after(at),
            _ => {
                self.next -= 1;
                Err(self.expected(CORES))
            }
        }
    }

    /// The words of a crontab line, as one piece.
    fn line(&mut self) -> Piece {
        let Some(first) = self.peek().filter(|word| !word.is(")")) else { return self.end.clone() };
        let mut line = first.clone();
        self.next += 1;
        while let Some(word) = self.peek().filter(|word| !ends_core(word)) {
            line = first.up_to(&word);
            self.next += 1;
        }
        line
    }

    fn fields(&mut self, at: Option<Piece>) -> Result<Node, TriggerError> {
        let mut node = Node::new(Kind::Cron, at);
        while let Some(word) = self.peek().filter(|word| !ends_core(word)) {
            let Some((name, _)) = word.text().split_once('=') else {
                return Err(self.expected("a field and its value, such as hour=9"));
            };
            let Some(unit) = Unit::named(&name.to_ascii_lowercase()) else {
                return Err(word.error(unknown("field", name, UNITS.into_iter().map(Unit::name))));
            };
            let value = word.part(name.len() + 1, word.text().len());
            set(&mut node, unit.name(), unquoted(&value))?;
            self.next += 1;
        }
        if node.values.is_empty() {
            return Err(self.expected("a field and its value, such as hour=9"));
        }
        Ok(node)
    }

    fn every(&mut self, at: Option<Piece>) -> Result<Node, TriggerError> {
        let day = self.peek().and_then(|word| WEEKDAYS.iter().find(|day| word.is(day) || word.is(&day[..3])));
        if let Some(day) = day {
            self.next += 1;
            return self.every_weekday(at, &day[..3]);
        }
        let what = "a span such as 2m or 1h30m, a number and a unit such as 1 month, or a day of the week";
        let glued = |word: &Piece| {
            word.text().starts_with(|c: char| c.is_ascii_digit()) && word.text().contains(|c: char| !c.is_ascii_digit())
        };
        let mut node = Node::new(Kind::Interval, at);
        if self.peek().is_some_and(|word| glued(&word)) {
            let word = self.take(what)?;
            for (field, piece) in span(&word)? {
                set(&mut node, field, piece)?;
            }
        }
        let mut clock = !node.values.is_empty();
        while let Some(word) = self.peek().filter(|word| !ends_core(word) && !word.is("at")) {
            let number = word.text().bytes().all(|byte| byte.is_ascii_digit());
            let first = node.values.is_empty();
            if !(number || first && UNIT_WORDS.iter().any(|(unit, ..)| word.is(unit))) {
                return Err(self.expected(if first {
                    what
                } else {
                    "another number and a unit, an option or the end"
                }));
            }
            self.next += usize::from(number);
            let unit = self.take("a unit: years, months, weeks, days, hours, minutes or seconds")?;
            let known = UNIT_WORDS.iter().find(|(one, many, _)| unit.is(one) || unit.is(many));
            let Some((_, field, on_clock)) = known else {
                let why = "expected a unit: years, months, weeks, days, hours, minutes or seconds; a letter stands \
                           without a space, as in 2m";
                return Err(unit.error(why));
            };
            if !first && clock != *on_clock {
                let why = "dates and hours do not go together: an interval is elapsed time (every 1d12h), a calendar \
                           interval has a time of day (every 2 days at 12:00)";
                return Err(unit.error(why));
            }
            clock = *on_clock;
            let count = if number { word } else { Piece::implied("1") };
            set(&mut node, field, count)?;
        }
        if node.values.is_empty() {
            return Err(self.expected(what));
        }
        if !clock {
            node.kind = Kind::Calendar;
        }
        if let Some(word) = self.eat("at") {
            if clock {
                let why = "an interval has no time of day: it is elapsed time, and `from` says when it begins";
                return Err(word.error(why));
            }
            node.values.push(("time", self.take("a time of day such as 09:00")?));
        }
        Ok(node)
    }

    /// `every monday at 9:00`, as the crontab line that it means.
    fn every_weekday(&mut self, at: Option<Piece>, day: &str) -> Result<Node, TriggerError> {
        let mut time = NaiveTime::MIN;
        if self.eat("at").is_some() {
            let word = self.take("a time of day such as 09:00")?;
            time = time_of_day(&word)?;
            if time.second() != 0 || time.nanosecond() != 0 {
                return Err(word.error("a time on a weekday has hours and minutes: for seconds write fields: day_of_week=mon hour=9 second=30"));
            }
        }
        let mut node = Node::new(Kind::Cron, at);
        let line = format!("{} {} * * {day}", time.minute(), time.hour());
        node.values.push(("crontab", Piece::implied(&line)));
        Ok(node)
    }

    fn after(&mut self, at: Option<Piece>) -> Result<Node, TriggerError> {
        let mut node = Node::new(Kind::After, at);
        let word = self.take("a script's name, `*` or `label`")?;
        match self.peek().filter(|next| word.is("label") && next.text().contains('=')) {
            Some(label) => {
                self.next += 1;
                node.values.push(("label", unquoted(&label)));
            }
            None => node.values.push(("script", unquoted(&word))),
        }
        if self.eat("on").is_some() {
            node.values.push(("on", self.take("succeeded, failed or any")?));
        }
        Ok(node)
    }

    /// Reads an option, if one stands here.
    fn option(&mut self, node: &mut Node) -> Result<bool, TriggerError> {
        let Some(word) = self.peek() else { return Ok(false) };
        if word.text().len() > 1 && word.text().starts_with('@') {
            self.next += 1;
            set(node, "timezone", word.part(1, word.text().len()))?;
            return Ok(true);
        }
        if self.eat("except").is_some() {
            self.days(node)?;
            return Ok(true);
        }
        let Some((_, field)) = OPTIONS.iter().find(|(keyword, _)| word.is(keyword)) else { return Ok(false) };
        if *field == "threshold" && node.kind != Kind::And {
            return Err(self.expected("an option of this trigger (`within` belongs to `and`, after its parentheses)"));
        }
        self.next += 1;
        let value = match *field {
            "timezone" => self.take("a time zone such as Europe/Berlin"),
            "start_date" | "end_date" => self.moment("a date or a time such as 2026-12-24T18:00"),
            "max_runs" => self.take("a number"),
            "dst" => self.take("default, skip or both"),
            _ => self.take("a span such as 30s"),
        }?;
        set(node, field, value)?;
        Ok(true)
    }

    /// A date, or a date and a time with a `T` or a blank between.
    fn moment(&mut self, what: &str) -> Result<Piece, TriggerError> {
        let day = self.take(what)?;
        let is_date = |text: &str| text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let is_clock = |text: &str| text.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) && text.contains(':');
        match self.peek().filter(|clock| is_date(day.text()) && is_clock(clock.text())) {
            Some(clock) => {
                self.next += 1;
                Ok(day.up_to(&clock))
            }
            None => Ok(day),
        }
    }

    /// Dates and ranges with commas between; a comma may stand alone, at the end of a word or at its beginning.
    fn days(&mut self, node: &mut Node) -> Result<(), TriggerError> {
        let first = self.take("a date such as 2026-12-25, or a range such as 2026-12-25..2026-12-31")?;
        let mut last = first.clone();
        while let Some(word) = self.peek().filter(|word| last.text().ends_with(',') || word.text().starts_with(',')) {
            last = word;
            self.next += 1;
        }
        node.exclude.extend(first.up_to(&last).split(|c| c == ',').iter().map(Piece::trimmed));
        Ok(())
    }
}

/// Each value is given once.
fn set(node: &mut Node, name: &'static str, piece: Piece) -> Result<(), TriggerError> {
    if node.get(name).is_some() {
        return Err(piece.error(format!("{name} is given twice")));
    }
    node.values.push((name, piece));
    Ok(())
}
