//! One field of a cron trigger. Both dialects are read by the same code; where they differ is said in data.

use super::error::{Cursor, Piece, TriggerError};

/// A field of a cron trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    Year,
    Month,
    Day,
    Week,
    Weekday,
    Hour,
    Minute,
    Second,
}

/// A way of writing cron triggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// As in a crontab, by cronie's rules.
    Crontab,
    /// Named fields, by APScheduler's rules.
    Fields,
}

/// All units, the most significant first.
pub(super) const UNITS: [Unit; 8] =
    [Unit::Year, Unit::Month, Unit::Day, Unit::Week, Unit::Weekday, Unit::Hour, Unit::Minute, Unit::Second];

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const FROM_SUNDAY: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FROM_MONDAY: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Names as they are written in full, or are cut otherwise than to three letters; by their first three letters each is one
/// of those above.
const IN_FULL: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "sept",
    "september",
    "october",
    "november",
    "december",
    "sunday",
    "monday",
    "tues",
    "tuesday",
    "wednesday",
    "thur",
    "thurs",
    "thursday",
    "friday",
    "saturday",
];
/// Most items of a field: a list of years can be long, everything else has fewer values.
const MAX_ITEMS: usize = 500;
/// The words before a weekday in `day`.
const ORDINALS: [&str; 5] = ["1st", "2nd", "3rd", "4th", "5th"];

impl Unit {
    /// As the JSON form names it.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Year => "year",
            Unit::Month => "month",
            Unit::Day => "day",
            Unit::Week => "week",
            Unit::Weekday => "day_of_week",
            Unit::Hour => "hour",
            Unit::Minute => "minute",
            Unit::Second => "second",
        }
    }

    /// The unit of a name.
    pub fn named(name: &str) -> Option<Unit> {
        UNITS.into_iter().find(|unit| unit.name() == name)
    }

    /// The numbers that may be written, and the largest that `*` stands for: in a crontab, 7 is Sunday again.
    fn bounds(self, dialect: Dialect) -> (u32, u32, u32) {
        match self {
            Unit::Year => (1970, 9999, 9999),
            Unit::Month => (1, 12, 12),
            Unit::Day => (1, 31, 31),
            Unit::Week => (1, 53, 53),
            Unit::Weekday if dialect == Dialect::Crontab => (0, 7, 6),
            Unit::Weekday => (0, 6, 6),
            Unit::Hour => (0, 23, 23),
            Unit::Minute | Unit::Second => (0, 59, 59),
        }
    }

    fn names(self, dialect: Dialect) -> &'static [&'static str] {
        match self {
            Unit::Month => MONTHS,
            Unit::Weekday if dialect == Dialect::Crontab => FROM_SUNDAY,
            Unit::Weekday => FROM_MONDAY,
            _ => &[],
        }
    }

    /// What a field left out stands for when a more significant one is given.
    pub fn least(self) -> &'static str {
        match self {
            Unit::Week | Unit::Weekday => "*",
            Unit::Year => "1970",
            Unit::Month | Unit::Day => "1",
            Unit::Hour | Unit::Minute | Unit::Second => "0",
        }
    }
}

/// Days that are found by looking at the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MonthDay {
    /// The last one.
    Last,
    /// The last such weekday; 0 is Monday.
    LastWeekday(u32),
    /// The first to fifth such weekday; 0 is Monday.
    Nth(u32, u32),
}

/// A field that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// As it is shown: in the fields dialect weekdays are named, because their numbers count from Monday there.
    pub shown: String,
    /// Whether it begins with `*`.
    pub star: bool,
    /// First, last and step of each range; weekdays count from Monday or from Sunday as the dialect says.
    pub ranges: Vec<(u32, u32, u32)>,
    /// What cannot be said as a range.
    pub days: Vec<MonthDay>,
    /// Whether weekdays were written as numbers that count from Monday.
    pub renamed: bool,
}

impl Field {
    /// Reads a field, to its end.
    pub fn parse(unit: Unit, dialect: Dialect, piece: &Piece) -> Result<Field, TriggerError> {
        let star = piece.text().starts_with('*');
        let mut reader = Reader {
            unit,
            dialect,
            cursor: Cursor::new(piece),
            field: Field { shown: String::new(), star, ranges: Vec::new(), days: Vec::new(), renamed: false },
        };
        loop {
            let from = reader.cursor.at();
            if reader.field.ranges.len() + reader.field.days.len() == MAX_ITEMS {
                return Err(reader.cursor.error_at(from, format!("a field has at most {MAX_ITEMS} items")));
            }
            reader.item()?;
            let to = reader.cursor.at();
            let last = reader.field.ranges.last().filter(|_| reader.named());
            let shown = match last {
                Some(range) => weekdays_by_name(*range, piece.text()[from..to].starts_with('*')),
                None => piece.text()[from..to].trim().to_owned(),
            };
            reader.field.shown.push_str(&shown);
            if reader.cursor.is_done() {
                break;
            }
            if !reader.cursor.eat(b',') {
                return Err(reader.cursor.expected("`,` or the end of the field"));
            }
            reader.field.shown.push(',');
        }
        if dialect == Dialect::Fields {
            reader.field.shown.make_ascii_lowercase();
        }
        Ok(reader.field)
    }

    /// Whether a number is in one of the ranges.
    pub fn has(&self, number: u32) -> bool {
        self.ranges
            .iter()
            .any(|(first, last, step)| (*first..=*last).contains(&number) && (number - first).is_multiple_of(*step))
    }

    /// The numbers up to 63 that are in one of the ranges.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        (0..64).filter(|number| self.has(*number))
    }
}

fn weekdays_by_name((first, last, step): (u32, u32, u32), star: bool) -> String {
    let name = |day: u32| FROM_MONDAY[day as usize % 7];
    let days = match (star, first == last) {
        (true, _) => "*".to_owned(),
        (false, true) => name(first).to_owned(),
        (false, false) => format!("{}-{}", name(first), name(last)),
    };
    if step == 1 { days } else { format!("{days}/{step}") }
}

/// A number or name that was read.
struct Value {
    number: u32,
    at: usize,
    by_name: bool,
}

struct Reader<'a> {
    unit: Unit,
    dialect: Dialect,
    cursor: Cursor<'a>,
    field: Field,
}

impl Reader<'_> {
    /// Whether weekdays are shown by name.
    fn named(&self) -> bool {
        (self.unit, self.dialect) == (Unit::Weekday, Dialect::Fields)
    }

    fn item(&mut self) -> Result<(), TriggerError> {
        let (least, _, most) = self.unit.bounds(self.dialect);
        if self.cursor.eat(b'*') {
            let step = self.step(most - least)?.unwrap_or(1);
            self.field.ranges.push((least, most, step));
            return Ok(());
        }
        if self.unit == Unit::Day && self.month_day()? {
            return Ok(());
        }
        let first = self.value()?;
        if (self.unit, self.dialect) == (Unit::Weekday, Dialect::Crontab) && self.nth_weekday(&first)? {
            return Ok(());
        }
        self.field.renamed |= self.named() && !first.by_name;
        let range = if self.cursor.eat(b'-') {
            let last = self.value()?;
            let sunday_last = self.dialect == Dialect::Crontab && self.unit == Unit::Weekday && last.by_name;
            let end = if sunday_last && last.number == 0 && first.number > 0 { 7 } else { last.number };
            if first.number > end {
                return Err(self.backwards(&first, &last));
            }
            let step = self.step(end - first.number)?.unwrap_or(1);
            (first.number, end, step)
        } else if self.dialect == Dialect::Fields {
            match self.step(most.saturating_sub(first.number))? {
                Some(step) => (first.number, most, step),
                None => (first.number, first.number, 1),
            }
        } else if self.cursor.peek() == Some(b'/') {
            return Err(self.step_alone(first.number));
        } else {
            (first.number, first.number, 1)
        };
        self.field.ranges.push(range);
        Ok(())
    }

    /// A step after a number, which other crons take for a range to the end: what to write instead.
    fn step_alone(&mut self, first: u32) -> TriggerError {
        let (least, top, _) = self.unit.bounds(self.dialect);
        let at = self.cursor.at();
        self.cursor.eat(b'/');
        let step = Some(self.cursor.digits()).filter(|step| !step.is_empty()).unwrap_or("2").to_owned();
        let hints =
            [format!("{first}-{top}/{step}"), format!("*/{step}"), format!("{least}-{top}/2"), "*/2".to_owned()];
        let hint = self.first_that_reads(hints);
        let such_as = hint.map(|hint| format!(", such as {hint}")).unwrap_or_default();
        self.cursor.error_at(at, format!("a step needs a range or `*` before it{such_as}"))
    }

    /// The first of some hints that is a field itself.
    fn first_that_reads(&self, hints: impl IntoIterator<Item = String>) -> Option<String> {
        hints.into_iter().find(|hint| Field::parse(self.unit, self.dialect, &Piece::implied(hint)).is_ok())
    }

    /// `/2`, if it stands here.
    fn step(&mut self, width: u32) -> Result<Option<u32>, TriggerError> {
        if !self.cursor.eat(b'/') {
            return Ok(None);
        }
        let at = self.cursor.at();
        let digits = self.cursor.digits();
        if digits.is_empty() {
            return Err(self.cursor.expected("a step: a whole number from 1"));
        }
        let step = digits.parse().unwrap_or(u32::MAX);
        if step == 0 {
            return Err(self.cursor.error_at(at, "a step of 0 goes nowhere: a step is a whole number from 1"));
        }
        if step > width.max(1) {
            let why = format!("the step is larger than the range, which spans {width}: it would take only its first");
            return Err(self.cursor.error_at(at, why));
        }
        Ok(Some(step))
    }

    fn value(&mut self) -> Result<Value, TriggerError> {
        let (least, most, _) = self.unit.bounds(self.dialect);
        let names = self.unit.names(self.dialect);
        let at = self.cursor.at();
        if !names.is_empty() && self.cursor.peek().is_some_and(|next| next.is_ascii_alphabetic()) {
            let word = self.cursor.word();
            let Some(number) = names.iter().position(|name| word.starts_with(name)) else {
                let all = names.join(", ");
                return Err(self.cursor.error_at(at, format!("expected a number or one of {all}")));
            };
            let full = IN_FULL.iter().filter(|name| word.starts_with(**name)).map(|name| name.len()).max();
            // What follows the name is judged by who expects what.
            self.cursor.back_to(at + full.unwrap_or(3));
            let first = u32::from(self.unit == Unit::Month);
            return Ok(Value { number: number as u32 + first, at, by_name: true });
        }
        let what = if names.is_empty() { "a number" } else { "a number or a name" };
        if self.cursor.peek().is_none_or(|next| !next.is_ascii_digit()) {
            let star = if at == 0 { "`*`, " } else { "" };
            return Err(self.cursor.expected(&format!("{star}{what}")));
        }
        let number = self.cursor.number(self.unit.name(), least, most)?;
        Ok(Value { number, at, by_name: false })
    }

    /// `L` in a crontab; `last`, `last fri`, `2nd fri` in fields.
    fn month_day(&mut self) -> Result<bool, TriggerError> {
        let from = self.cursor.at();
        if self.dialect == Dialect::Crontab {
            let last = self.cursor.eat(b'L');
            if last {
                self.field.days.push(MonthDay::Last);
            }
            return Ok(last);
        }
        self.cursor.spaces();
        let at = self.cursor.at();
        let word = format!("{}{}", self.cursor.digits(), self.cursor.word());
        let nth = ORDINALS.iter().position(|ordinal| *ordinal == word);
        if nth.is_none() && word != "last" {
            if word.ends_with(|c: char| c.is_ascii_alphabetic()) {
                let why = "expected a number, `last`, or `1st` to `5th` or `last` with a weekday, such as `2nd fri`";
                let known = if word.starts_with("last") { 4 } else { 0 };
                return Err(self.cursor.error_at(at + known, why));
            }
            // Spaces belong before a word only.
            self.cursor.back_to(from);
            return Ok(false);
        }
        let end = self.cursor.at();
        self.cursor.spaces();
        let at = self.cursor.at();
        let weekday = self.cursor.word();
        let is_one = |name: &&str| weekday == **name || weekday.starts_with(*name) && IN_FULL.contains(&&*weekday);
        let weekday = match FROM_MONDAY.iter().position(is_one) {
            Some(weekday) => weekday as u32,
            None if weekday.is_empty() && nth.is_none() => {
                self.cursor.back_to(end);
                self.field.days.push(MonthDay::Last);
                return Ok(true);
            }
            None => {
                let all = FROM_MONDAY.join(", ");
                return Err(self.cursor.error_at(at, format!("expected a weekday: one of {all}")));
            }
        };
        self.field.days.push(match nth {
            Some(nth) => MonthDay::Nth(nth as u32 + 1, weekday),
            None => MonthDay::LastWeekday(weekday),
        });
        Ok(true)
    }

    /// `fri#2`, `5L`, `FRIL`.
    fn nth_weekday(&mut self, day: &Value) -> Result<bool, TriggerError> {
        let weekday = from_monday(day.number);
        let found = if self.cursor.eat(b'#') {
            MonthDay::Nth(self.cursor.number("the weekday's place in the month", 1, 5)?, weekday)
        } else if self.cursor.eat(b'L') {
            MonthDay::LastWeekday(weekday)
        } else {
            return Ok(false);
        };
        self.field.days.push(found);
        Ok(true)
    }

    fn backwards(&self, first: &Value, last: &Value) -> TriggerError {
        let (least, most, _) = self.unit.bounds(self.dialect);
        let names = self.unit.names(self.dialect);
        let show = |number: u32, value: &Value| match names.get((number.saturating_sub(u32::from(least == 1))) as usize)
        {
            Some(name) if value.by_name => (*name).to_owned(),
            _ => number.to_string(),
        };
        // The end of the week is written by the same name or number as its beginning.
        let end = if most == 7 && first.by_name { 0 } else { most };
        let (one, other) = (show(first.number, first), show(last.number, last));
        let (end, least) = (show(end, first), show(least, last));
        let head = if one == end { one } else { format!("{one}-{end}") };
        let tail = if least == other { other } else { format!("{least}-{other}") };
        let hints = [format!("{head},{tail}")];
        let hint = self.first_that_reads(hints).map(|hint| format!("; write two ranges: {hint}")).unwrap_or_default();
        self.cursor.error_at(first.at, format!("the range runs backwards{hint}"))
    }
}

/// A crontab's weekday, counted from Monday.
pub(super) fn from_monday(weekday: u32) -> u32 {
    (weekday + 6) % 7
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(unit: Unit, dialect: Dialect, text: &str) -> Result<Field, TriggerError> {
        Field::parse(unit, dialect, &Piece::implied(text))
    }

    #[test]
    fn each_expression_has_its_numbers() {
        use Dialect::{Crontab, Fields};
        let cases: &[(Unit, Dialect, &str, &[u32])] = &[
            (Unit::Hour, Crontab, "*/6", &[0, 6, 12, 18]),
            (Unit::Hour, Crontab, "1-5/2,9,9", &[1, 3, 5, 9]),
            (Unit::Month, Crontab, "jan-mar/2,DEC", &[1, 3, 12]),
            (Unit::Month, Fields, "*/5", &[1, 6, 11]),
            (Unit::Weekday, Crontab, "sat-sun", &[6, 7]),
            (Unit::Weekday, Crontab, "sun-mon", &[0, 1]),
            (Unit::Weekday, Fields, "sat-sun", &[5, 6]),
            (Unit::Hour, Fields, "20/2", &[20, 22]),
            (Unit::Hour, Fields, "09", &[9]),
            (Unit::Week, Fields, "53", &[53]),
        ];
        for (unit, dialect, text, numbers) in cases {
            let field = parse(*unit, *dialect, text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(field.numbers().collect::<Vec<_>>(), *numbers, "{text}");
        }
    }

    /// E10: a hint that is given is taken when it is typed.
    #[test]
    fn every_hint_is_taken_itself() {
        let hint = |unit: Unit, dialect, text: &str| {
            let why = parse(unit, dialect, text).expect_err(text).to_string();
            let said = ["such as ", "two ranges: "].iter().find_map(|before| why.split(before).nth(1));
            (said.map(|said| said.split_whitespace().next().unwrap_or_default().to_owned()), why)
        };
        for (unit, text, given) in [
            (Unit::Minute, "59/15", "*/15"),
            (Unit::Weekday, "7/2", "*/2"),
            (Unit::Weekday, "1/2", "1-7/2"),
            (Unit::Hour, "1/2", "1-23/2"),
            (Unit::Hour, "22/5", "*/5"),
            (Unit::Minute, "5/", "5-59/2"),
            (Unit::Minute, "5/0", "0-59/2"),
            (Unit::Month, "12/99", "1-12/2"),
            (Unit::Weekday, "6-2", "6-7,0-2"),
            (Unit::Weekday, "7-2", "7,0-2"),
            (Unit::Hour, "22-6", "22-23,0-6"),
            (Unit::Month, "nov-feb", "nov-dec,jan-feb"),
        ] {
            let (said, why) = hint(unit, Dialect::Crontab, text);
            assert_eq!(said.as_deref(), Some(given), "{text}: {why}");
        }
        // Whatever is typed: a hint that is given reads.
        for unit in UNITS {
            for dialect in [Dialect::Crontab, Dialect::Fields] {
                for first in 0..100 {
                    for text in [
                        format!("{first}/15"),
                        format!("{first}/2"),
                        format!("{first}/"),
                        format!("{first}-3"),
                        format!("{first}-0"),
                    ] {
                        let Err(error) = parse(unit, dialect, &text) else { continue };
                        let why = error.to_string();
                        let said = ["such as ", "two ranges: "].iter().find_map(|before| why.split(before).nth(1));
                        if let Some(said) = said.and_then(|said| said.split_whitespace().next()) {
                            assert!(parse(unit, dialect, said).is_ok(), "{unit:?} {text}: {why}");
                        }
                    }
                }
            }
        }
    }

    /// C13: names in full are as certain as their first three letters.
    #[test]
    fn names_in_full_are_taken() {
        use Dialect::{Crontab, Fields};
        for (unit, dialect, full, short) in [
            (Unit::Weekday, Crontab, "monday", "mon"),
            (Unit::Weekday, Crontab, "Monday-FRIDAY", "mon-fri"),
            (Unit::Weekday, Crontab, "thurs,tues", "thu,tue"),
            (Unit::Weekday, Crontab, "fridayL", "friL"),
            (Unit::Weekday, Crontab, "monday#1", "mon#1"),
            (Unit::Month, Crontab, "january,september", "jan,sep"),
            (Unit::Weekday, Fields, "saturday-sunday", "sat-sun"),
            (Unit::Day, Fields, "2nd friday", "2nd fri"),
            (Unit::Day, Fields, "last sunday", "last sun"),
        ] {
            let (full, short) = (parse(unit, dialect, full).expect(full), parse(unit, dialect, short).expect(short));
            assert_eq!((full.ranges, full.days), (short.ranges, short.days));
        }
        for bad in ["mond", "mondays", "janu", "fridayx", "tuesd"] {
            assert!(parse(Unit::Weekday, Crontab, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn days_of_the_month_by_weekday() {
        let days = |dialect, unit, text| parse(unit, dialect, text).map(|field| field.days);
        assert_eq!(
            days(Dialect::Crontab, Unit::Weekday, "FRIL,0#1"),
            Ok(vec![MonthDay::LastWeekday(4), MonthDay::Nth(1, 6)])
        );
        assert_eq!(days(Dialect::Crontab, Unit::Weekday, "7#5"), Ok(vec![MonthDay::Nth(5, 6)]));
        let both = vec![MonthDay::Nth(2, 0), MonthDay::Last, MonthDay::LastWeekday(4)];
        assert_eq!(days(Dialect::Fields, Unit::Day, "2nd mon, last,last  fri"), Ok(both));
        for bad in ["L", "fri#2", "last-1", "1st", "2nd fir", "1st fri/2"] {
            assert!(parse(Unit::Day, Dialect::Fields, bad).is_err(), "{bad}");
        }
        for bad in ["L-3", "15W", "last", "L/2"] {
            assert!(parse(Unit::Day, Dialect::Crontab, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_what_begins_with_a_star_is_a_wildcard() {
        assert!(parse(Unit::Minute, Dialect::Crontab, "*/2,7").expect("reads").star);
        assert!(!parse(Unit::Minute, Dialect::Crontab, "7,*/2").expect("reads").star);
        assert!(!parse(Unit::Minute, Dialect::Crontab, "0-59").expect("reads").star);
    }
}
