//! Cron triggers: which local times they name, and finding the next of them without trying each minute.

use super::budget::{Budget, cost};
use super::error::{Piece, TriggerError, unknown};
use super::field::{Dialect, Field, MonthDay, UNITS, Unit, from_monday};
use super::years::{Kinds, kind, representatives};
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use cron::TimeUnitSpec;
use std::str::FromStr;

/// Years are written with four digits.
pub(super) const LAST_YEAR: i32 = 9999;

/// Short names for crontab lines.
const MACROS: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// The order of fields in a crontab.
const CRONTAB: [Unit; 5] = [Unit::Minute, Unit::Hour, Unit::Day, Unit::Month, Unit::Weekday];

/// A set of local times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    /// The crontab line as it is shown; nothing in the fields dialect.
    pub crontab: Option<String>,
    /// The fields that were given, the most significant first.
    pub fields: Vec<(Unit, Field)>,
    /// Whether it follows elapsed time when clocks change, because the minute or the hour begins with `*`.
    pub elapsed: bool,
    days: Days,
    years: Field,
    /// The kinds of years that have one of its days.
    kinds: Kinds,
    months: u64,
    hours: u64,
    minutes: u64,
    seconds: u64,
}

/// The rule for days.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Days {
    of_month: u64,
    /// From Monday.
    of_week: u64,
    weeks: u64,
    day: Vec<MonthDay>,
    weekday: Vec<MonthDay>,
    /// Whether one of day and weekday is enough.
    either: bool,
}

impl Cron {
    /// Reads a crontab line: five fields, or one of `@hourly … @yearly`.
    pub fn crontab(line: &Piece) -> Result<Cron, TriggerError> {
        let line = line.trimmed();
        if line.text().starts_with('@') {
            return Cron::shorthand(&line);
        }
        let mut words = line.split(|c| c.is_ascii_whitespace());
        words.retain(|word| !word.text().is_empty());
        let count = words.len();
        let five = format!("a crontab line has five fields (minute hour day month weekday), not {count}");
        if let Some(sixth) = words.get(CRONTAB.len()) {
            let hint = if count == 6 { "; for seconds write fields: second=*/10" } else { "" };
            return Err(sixth.error(five + hint));
        }
        let mut fields = Vec::new();
        for (unit, word) in CRONTAB.into_iter().zip(&words) {
            fields.push((unit, Field::parse(unit, Dialect::Crontab, word)?));
        }
        let [_, _, day, _, _] = &words[..] else { return Err(line.error_at(line.text().len(), five)) };
        let shown: Vec<&str> = words.iter().map(Piece::text).collect();
        let cron = Cron::build(Some(shown.join(" ")), fields)?;
        cron.check_days(|| day.error(NEVER))?;
        Ok(cron)
    }

    fn shorthand(line: &Piece) -> Result<Cron, TriggerError> {
        let name = line.text().to_ascii_lowercase();
        if let Some((_, fields)) = MACROS.iter().find(|(known, _)| *known == name) {
            let cron = Cron::crontab(&Piece::implied(fields))?;
            return Ok(Cron { crontab: Some(name), ..cron });
        }
        if name == "@reboot" {
            let why = "@reboot is not a time: a schedule outlives restarts, so it does not start over with the server";
            return Err(line.error(why));
        }
        Err(line.error(unknown("shorthand", &name, MACROS.iter().map(|(name, _)| *name))))
    }

    /// Reads named fields. Those left out are `*` when they are more significant than the least significant one that is
    /// given, otherwise their least value; week and day_of_week are always `*`.
    pub fn fields(given: &[(Unit, Piece)]) -> Result<Cron, TriggerError> {
        let mut fields = Vec::new();
        for (unit, piece) in given {
            fields.push((*unit, Field::parse(*unit, Dialect::Fields, piece)?));
        }
        fields.sort_by_key(|(unit, _)| *unit);
        let cron = Cron::build(None, fields)?;
        let about =
            given.iter().filter(|(unit, _)| (Unit::Month..=Unit::Weekday).contains(unit)).min_by_key(|(unit, _)| {
                // The day is most likely what was meant otherwise.
                (*unit != Unit::Day, *unit)
            });
        cron.check_days(|| about.map_or_else(|| TriggerError::new(NEVER), |(_, piece)| piece.error(NEVER)))?;
        Ok(cron)
    }

    fn build(crontab: Option<String>, fields: Vec<(Unit, Field)>) -> Result<Cron, TriggerError> {
        let dialect = if crontab.is_some() { Dialect::Crontab } else { Dialect::Fields };
        let finest = fields.iter().map(|(unit, _)| *unit).max().unwrap_or(Unit::Year);
        let mut all = Vec::new();
        for unit in UNITS {
            all.push(match fields.iter().find(|(given, _)| *given == unit) {
                Some((_, field)) => field.clone(),
                None => {
                    let text = if unit < finest { "*" } else { unit.least() };
                    Field::parse(unit, dialect, &Piece::implied(text))?
                }
            });
        }
        let [year, month, day, week, weekday, hour, minute, second] = &all[..] else {
            return Err(TriggerError::new("a cron trigger has eight fields"));
        };
        // The crate is handed lists of numbers only, and asked only which numbers are in them: it counts weekdays
        // differently, is lenient where we are not, and knows another rule for changes of the clocks.
        let lists = [second, minute, hour, day, month].map(list).join(" ");
        let sets = cron::Schedule::from_str(&format!("{lists} *"))
            .map_err(|error| TriggerError::new(format!("the fields {lists:?} cannot be used: {error}")))?;
        let bits = |numbers: &mut dyn Iterator<Item = u32>| numbers.fold(0u64, |bits, number| bits | 1 << number);
        let of_week =
            &mut weekday.numbers().map(|day| if dialect == Dialect::Crontab { from_monday(day) } else { day });
        Ok(Cron {
            elapsed: [hour, minute, second].iter().any(|field| field.star),
            days: Days {
                of_month: if day.ranges.is_empty() { 0 } else { bits(&mut sets.days_of_month().iter()) },
                of_week: bits(of_week),
                weeks: bits(&mut week.numbers()),
                day: day.days.clone(),
                weekday: weekday.days.clone(),
                either: dialect == Dialect::Crontab && !day.star && !weekday.star,
            },
            years: year.clone(),
            kinds: Kinds::default(),
            months: bits(&mut sets.months().iter()),
            hours: bits(&mut sets.hours().iter()),
            minutes: bits(&mut sets.minutes().iter()),
            seconds: bits(&mut sets.seconds().iter()),
            crontab,
            fields,
        })
    }

    /// Whether it fires in some years only.
    pub fn has_years(&self) -> bool {
        self.fields.iter().any(|(unit, _)| *unit == Unit::Year)
    }

    /// Refuses days that no calendar has, such as the 31st of February.
    fn check_days(&self, error: impl Fn() -> TriggerError) -> Result<(), TriggerError> {
        if self.kinds() == 0 { Err(error()) } else { Ok(()) }
    }

    /// The kinds of years that have one of its days, a bit for each.
    fn kinds(&self) -> u32 {
        self.kinds.get(|| {
            let has = |year: i32| {
                let mut date = NaiveDate::from_ymd_opt(year, 1, 1);
                while let Some(day) = date.filter(|day| day.year() == year) {
                    if has_bit(self.months, day.month()) && self.has_day(day) {
                        return true;
                    }
                    date = self.step(day);
                }
                false
            };
            representatives().filter(|(_, year)| has(*year)).fold(0, |kinds, (kind, _)| kinds | 1 << kind)
        })
    }

    /// The first local time it names, not before another; nothing when there is none before the year 10000.
    pub fn next_wall(&self, from: NaiveDateTime, budget: &Budget) -> Result<Option<NaiveDateTime>, TriggerError> {
        let today = from.date();
        let Some(mut date) = self.next_date(today, budget)? else { return Ok(None) };
        if date == today {
            if let Some(time) = self.next_time(from.time()) {
                return Ok(Some(today.and_time(time)));
            }
            let Some(tomorrow) = today.succ_opt() else { return Ok(None) };
            let Some(next) = self.next_date(tomorrow, budget)? else { return Ok(None) };
            date = next;
        }
        Ok(self.next_time(NaiveTime::MIN).map(|time| date.and_time(time)))
    }

    fn next_time(&self, from: NaiveTime) -> Option<NaiveTime> {
        let (hour, minute, second) = (from.hour(), from.minute(), from.second());
        let at = |hour, minute, second| NaiveTime::from_hms_opt(hour, minute, second);
        let (first_minute, first_second) = (next_bit(self.minutes, 0)?, next_bit(self.seconds, 0)?);
        if has_bit(self.hours, hour) {
            if has_bit(self.minutes, minute)
                && let Some(second) = next_bit(self.seconds, second)
            {
                return at(hour, minute, second);
            }
            if let Some(minute) = next_bit(self.minutes, minute + 1) {
                return at(hour, minute, first_second);
            }
        }
        at(next_bit(self.hours, hour + 1)?, first_minute, first_second)
    }

    /// The first of its days that is not before another. Years that cannot have one are passed over.
    fn next_date(&self, from: NaiveDate, budget: &Budget) -> Result<Option<NaiveDate>, TriggerError> {
        let kinds = self.kinds();
        let mut date = Some(from);
        let mut fits = None;
        while let Some(day) = date.filter(|day| day.year() <= LAST_YEAR) {
            budget.pay(cost::DAY)?;
            let year = day.year();
            if fits != Some(year) {
                budget.pay_scan(self.years.ranges.len())?;
                let named = u32::try_from(year).is_ok_and(|year| self.years.has(year));
                if !named || kinds & (1 << kind(year)) == 0 {
                    date = NaiveDate::from_ymd_opt(year + 1, 1, 1);
                    continue;
                }
                fits = Some(year);
            }
            if has_bit(self.months, day.month()) && self.has_day(day) {
                return Ok(Some(day));
            }
            date = self.step(day);
        }
        Ok(None)
    }

    /// The next day that is worth looking at: in a month that is none of its own, the first of the next.
    fn step(&self, day: NaiveDate) -> Option<NaiveDate> {
        match has_bit(self.months, day.month()) {
            true => day.succ_opt(),
            false => day.with_day(1)?.checked_add_months(Months::new(1)),
        }
    }

    fn has_day(&self, date: NaiveDate) -> bool {
        let days = &self.days;
        let found = |all: &[MonthDay]| all.iter().any(|day| day.is(date));
        let day = has_bit(days.of_month, date.day()) || found(&days.day);
        let weekday = has_bit(days.of_week, date.weekday().num_days_from_monday()) || found(&days.weekday);
        let agreed = if days.either { day || weekday } else { day && weekday };
        agreed && has_bit(days.weeks, date.iso_week().week())
    }
}

const NEVER: &str = "this day never comes: no date has this day, month, week and weekday together";

impl MonthDay {
    fn is(self, date: NaiveDate) -> bool {
        let weekday = |wanted: u32| date.weekday().num_days_from_monday() == wanted;
        let last = |days: i64| {
            date.checked_add_signed(TimeDelta::days(days)).is_none_or(|later| later.month() != date.month())
        };
        match self {
            MonthDay::Last => last(1),
            MonthDay::LastWeekday(wanted) => weekday(wanted) && last(7),
            MonthDay::Nth(nth, wanted) => weekday(wanted) && date.day0() / 7 + 1 == nth,
        }
    }
}

/// The numbers of a field in the crate's canonical form. A field of special days alone has none, and any will do.
fn list(field: &Field) -> String {
    if field.shown == "*" || field.ranges.is_empty() {
        return "*".into();
    }
    let numbers: Vec<String> = field.numbers().map(|number| number.to_string()).collect();
    numbers.join(",")
}

fn has_bit(bits: u64, number: u32) -> bool {
    number < u64::BITS && bits & (1 << number) != 0
}

/// The lowest number in a set that is not below another.
fn next_bit(bits: u64, from: u32) -> Option<u32> {
    let rest = bits.checked_shr(from)?;
    (rest != 0).then(|| from + rest.trailing_zeros())
}
