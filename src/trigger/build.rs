//! From what was written to a trigger that can be asked: here every value is understood.

use super::calendar::Calendar;
use super::cron::{Cron, LAST_YEAR};
use super::error::{Cursor, Piece, TriggerError, short};
use super::field::Unit;
use super::node::{Kind, MAX_EXCLUDE, Node};
use super::search::before;
use super::text::span;
use super::{After, Core, Days, Defaults, Dst, Form, Moment, On, Options, Trigger, Upstream};
use crate::clock::Time;
use crate::zone::{Local, Zone};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use unicode_normalization::char::is_combining_mark;

/// Most triggers in one.
const MAX_TRIGGERS: usize = 100;
/// How deep they may stand in one another.
const MAX_DEPTH: usize = 8;
/// The first year that is understood.
const FIRST_YEAR: i32 = 1970;
/// Largest number in an interval.
const MAX_COUNT: u32 = 1_000_000_000;
/// Longest interval: a hundred years.
const MAX_INTERVAL: i64 = 36_525 * 86_400;
/// Largest number in a calendar interval.
const MAX_CALENDAR: u32 = 36_525;
/// Longest jitter: a day. What is spread wider is another schedule.
const MAX_JITTER: i64 = 86_400;
/// The units of an interval, in seconds.
pub(super) const UNITS: [(&str, i64); 5] =
    [("weeks", 604_800), ("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1)];

/// Refuses what was written when it is more than a new trigger may hold. What is stored already was judged when it was new.
pub(super) fn check_new(node: &Node) -> Result<(), TriggerError> {
    match node.excess() {
        Some(piece) => Err(piece.error(format!("at most {MAX_EXCLUDE} dates and ranges are excluded"))),
        None => Ok(()),
    }
}

/// Makes the outermost trigger.
pub(super) fn trigger(node: &Node, defaults: &Defaults) -> Result<Trigger, TriggerError> {
    let (count, depth) = node.size();
    if count > MAX_TRIGGERS || depth > MAX_DEPTH {
        let why = format!("at most {MAX_TRIGGERS} triggers go together, and at most {MAX_DEPTH} deep");
        return Err(node.error("", why));
    }
    build(node, defaults, &defaults.timezone, None)
}

/// Makes a trigger that stands in one of the kind `within`, whose zone is its own unless it names another.
fn build(node: &Node, defaults: &Defaults, zone: &Zone, within: Option<Kind>) -> Result<Trigger, TriggerError> {
    let mut options = options(node, defaults, zone, within)?;
    let mut notes = Vec::new();
    let core = match node.kind {
        Kind::Cron => cron(node, &mut notes)?,
        Kind::Interval => {
            let seconds = interval(node)?;
            options.start.get_or_insert(Moment { at: defaults.now, form: Form::Offset });
            Core::Interval(seconds)
        }
        Kind::Calendar => calendar(node, defaults, &mut options)?,
        Kind::Date => {
            let piece = node.get("run_date").ok_or_else(|| node.error("run_date", "a date trigger needs its time"))?;
            Core::Date(moment(piece, &options.zone, Bound::Exact(node.get("fold")))?)
        }
        Kind::And | Kind::Or => {
            if node.triggers.len() < 2 {
                return Err(node.error("triggers", format!("{} needs two triggers or more", node.kind.name())));
            }
            let mut members = Vec::new();
            for member in &node.triggers {
                let member = build(member, defaults, &options.zone, Some(node.kind))?;
                notes.extend(member.notes.iter().cloned());
                members.push(member);
            }
            match node.kind {
                Kind::Or => Core::Or(members),
                _ => Core::And(members, node.get("threshold").map_or(Ok(0), threshold)?),
            }
        }
        Kind::After if within == Some(Kind::And) => {
            return Err(node.error("", "a chain has no fire times that others could agree with; use `or`"));
        }
        Kind::After => Core::After(after(node)?),
    };
    check_options(node, &options, &core)?;
    Ok(Trigger { core, options, notes })
}

fn options(node: &Node, defaults: &Defaults, zone: &Zone, within: Option<Kind>) -> Result<Options, TriggerError> {
    let zone = match node.get("timezone") {
        Some(piece) => defaults.zones.get(piece.text()).map_err(|bad| piece.error(bad.to_string()))?,
        None => zone.clone(),
    };
    if within.is_some()
        && let Some(piece) = ["jitter", "max_runs"].iter().find_map(|name| node.get(name))
    {
        return Err(piece.error("this is said of the whole trigger, not of one in it"));
    }
    let start = node.get("start_date").map(|piece| moment(piece, &zone, Bound::Start)).transpose()?;
    let end = node.get("end_date").map(|piece| moment(piece, &zone, Bound::End)).transpose()?;
    let jitter = match node.get("jitter") {
        Some(piece) => seconds(piece)?,
        None => 0,
    };
    if let Some(piece) = node.get("jitter").filter(|_| jitter > MAX_JITTER) {
        return Err(piece.error("a jitter is at most a day"));
    }
    let max_runs = node.get("max_runs").map(|piece| whole(piece, "max_runs", 1, u32::MAX)).transpose()?;
    let exclude = node.exclude.iter().map(days).collect::<Result<_, _>>()?;
    let dst = match node.get("dst") {
        Some(piece) => one_of(piece, &[("default", Dst::Default), ("skip", Dst::Skip), ("both", Dst::Both)])?,
        None => Dst::Default,
    };
    Ok(Options { zone, start, end, jitter, max_runs: max_runs.map(u64::from), exclude, dst })
}

/// What only the whole can tell.
fn check_options(node: &Node, options: &Options, core: &Core) -> Result<(), TriggerError> {
    if let (Some(start), Some(end), Some(piece)) = (options.start, options.end, node.get("end_date"))
        && end.at < start.at
    {
        let begins = super::show::moment(&start, &options.zone);
        return Err(piece.error(format!("it ends before it begins: start_date is {begins}")));
    }
    if let Some(piece) = node.get("dst")
        && !matches!(core, Core::Cron(_) | Core::Calendar(_))
    {
        return Err(piece.error(match core {
            Core::Interval(_) => "an interval is elapsed time: changes of the clocks do not touch it",
            Core::Date(_) => "a date says with fold which of two equal times is meant",
            _ => "this is said of a cron trigger or a calendar interval in it",
        }));
    }
    if let (Core::Interval(seconds), Some(piece)) = (core, node.get("jitter"))
        && options.jitter >= *seconds
    {
        return Err(piece.error("the jitter has to be shorter than the interval"));
    }
    Ok(())
}

fn cron(node: &Node, notes: &mut Vec<String>) -> Result<Core, TriggerError> {
    let fields: Vec<(Unit, Piece)> =
        node.values.iter().filter_map(|(name, piece)| Some((Unit::named(name)?, piece.clone()))).collect();
    let mut cron = match node.get("crontab") {
        Some(line) => {
            if let Some((unit, piece)) = fields.first() {
                let why = format!("crontab and {} are two dialects; use one", unit.name());
                return Err(piece.error(why));
            }
            Cron::crontab(line)?
        }
        None if fields.is_empty() => {
            return Err(node.error("crontab", "a cron trigger needs crontab, or fields such as hour"));
        }
        None => Cron::fields(&fields)?,
    };
    for (_, field) in &mut cron.fields {
        // Said once: what is stored has names.
        if std::mem::take(&mut field.renamed) {
            let shown = &field.shown;
            notes
                .push(format!("day_of_week counts from Monday = 0 here, so this is {shown}; in a crontab 0 is Sunday"));
        }
    }
    Ok(Core::Cron(cron))
}

fn interval(node: &Node) -> Result<i64, TriggerError> {
    let mut total = 0;
    let mut given = None;
    for (name, unit) in UNITS {
        if let Some(piece) = node.get(name) {
            total += i64::from(whole(piece, name, 0, MAX_COUNT)?) * unit;
            given = given.or(Some(piece));
        }
    }
    match given {
        None => Err(node.error("", "an interval needs weeks, days, hours, minutes or seconds")),
        Some(piece) if total == 0 => Err(piece.error("an interval of zero never passes; the shortest is 1 second")),
        Some(piece) if total > MAX_INTERVAL => Err(piece.error("an interval is at most 100 years")),
        Some(_) => Ok(total),
    }
}

fn calendar(node: &Node, defaults: &Defaults, options: &mut Options) -> Result<Core, TriggerError> {
    let count = |name: &str| node.get(name).map_or(Ok(0), |piece| whole(piece, name, 0, MAX_CALENDAR));
    let start = match options.start {
        None => options.zone.local(defaults.now).0.date(),
        Some(Moment { form: Form::Date(date), .. }) => date,
        Some(_) => {
            let why = "a calendar interval begins on a date; its time of day is `time`";
            return Err(node.get("start_date").map_or_else(|| node.error("start_date", why), |piece| piece.error(why)));
        }
    };
    let at = beginning(&options.zone, start);
    options.start = Some(Moment { at, form: Form::Date(start) });
    let time = match node.get("time") {
        Some(piece) => {
            let mut cursor = Cursor::new(piece);
            let time = clock(&mut cursor)?;
            if !cursor.is_done() {
                return Err(cursor.expected("the end of the time"));
            }
            time
        }
        None => NaiveTime::MIN,
    };
    let calendar = Calendar {
        years: count("years")?,
        months: count("months")?,
        weeks: count("weeks")?,
        days: count("days")?,
        time,
        start,
    };
    if calendar.is_zero() {
        let given = ["years", "months", "weeks", "days"].iter().find_map(|name| node.get(name));
        let why = "a calendar interval needs years, months, weeks or days, and not all of them zero";
        return Err(given.map_or_else(|| node.error("", why), |piece| piece.error(why)));
    }
    Ok(Core::Calendar(calendar))
}

fn after(node: &Node) -> Result<After, TriggerError> {
    let upstream = match (node.get("script"), node.get("label")) {
        (Some(_), Some(label)) => return Err(label.error("a chain follows a script or a label; use one")),
        (Some(script), None) if script.text() == "*" => Upstream::Any,
        (Some(script), None) => {
            // Letters of any language; the server's rule for names is stricter, and is asked where the chain is kept.
            let fine = |c: char| c.is_alphanumeric() || is_combining_mark(c) || matches!(c, '.' | '_' | '-');
            if script.text().is_empty() || script.text().chars().count() > 100 || !script.text().chars().all(fine) {
                let shown = short(script.text());
                return Err(script
                    .error(format!("{shown:?} is not a script's name: it has 1 to 100 letters or digits, or . _ -")));
            }
            Upstream::Script(script.text().to_owned())
        }
        (None, Some(label)) => match label.text().split_once('=') {
            Some((key, value)) if !key.is_empty() && !label.text().contains(|c: char| c == '"' || c.is_control()) => {
                Upstream::Label(key.to_owned(), value.to_owned())
            }
            _ => return Err(label.error("a label is written key=value")),
        },
        (None, None) => return Err(node.error("script", "a chain needs a script, \"*\" for every one, or a label")),
    };
    let on = match node.get("on") {
        Some(piece) => {
            let all = [On::Succeeded, On::Failed, On::Any, On::Missed].map(|on| (on.name(), on));
            one_of(piece, &all)?
        }
        None => On::Succeeded,
    };
    Ok(After { upstream, on })
}

fn one_of<T: Copy>(piece: &Piece, choices: &[(&str, T)]) -> Result<T, TriggerError> {
    let word = piece.text().to_ascii_lowercase();
    choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        piece.error(format!("expected one of {}, found `{}`", names.join(", "), short(piece.text())))
    })
}

/// A whole number and nothing else.
fn whole(piece: &Piece, what: &str, least: u32, most: u32) -> Result<u32, TriggerError> {
    let mut cursor = Cursor::new(piece);
    let number = cursor.number(what, least, most)?;
    if cursor.is_done() { Ok(number) } else { Err(cursor.expected("the end of the number")) }
}

/// A span such as `1m30s`; a number alone is seconds.
fn seconds(piece: &Piece) -> Result<i64, TriggerError> {
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

/// How far apart the members of an `and` may be.
fn threshold(piece: &Piece) -> Result<i64, TriggerError> {
    match seconds(piece)? {
        apart if apart > MAX_INTERVAL => Err(piece.error("members of `and` are at most 100 years apart")),
        apart => Ok(apart),
    }
}

/// A date, or two with `..` between.
fn days(piece: &Piece) -> Result<Days, TriggerError> {
    let mut cursor = Cursor::new(piece);
    let first = date(&mut cursor)?;
    let mut last = first;
    if !cursor.is_done() {
        if !(cursor.eat(b'.') && cursor.eat(b'.')) {
            return Err(cursor.expected("`..` and a date, or the end"));
        }
        last = date(&mut cursor)?;
        if !cursor.is_done() {
            return Err(cursor.expected("the end of the range"));
        }
    }
    if last < first { Err(piece.error("the range runs backwards")) } else { Ok(Days { first, last }) }
}

/// What an instant is for.
enum Bound<'a> {
    /// A date means its first instant.
    Start,
    /// A date means its last instant.
    End,
    /// A date alone is not enough; says which of two equal times is meant.
    Exact(Option<&'a Piece>),
}

/// A date, a local time, or a time with its offset.
fn moment(piece: &Piece, zone: &Zone, bound: Bound<'_>) -> Result<Moment, TriggerError> {
    let mut cursor = Cursor::new(piece);
    let day = date(&mut cursor)?;
    let fold = match bound {
        Bound::Exact(fold) => fold,
        _ => None,
    };
    if cursor.is_done() {
        let at = match bound {
            Bound::Start => beginning(zone, day),
            Bound::End => before(beginning(zone, day.succ_opt().unwrap_or(day))),
            Bound::Exact(_) => return Err(cursor.expected("`T` and a time of day, such as T18:00")),
        };
        return Ok(Moment { at, form: Form::Date(day) });
    }
    if !(cursor.eat(b'T') || cursor.eat(b' ')) {
        return Err(cursor.expected("`T` and a time of day, or the end"));
    }
    let local = day.and_time(clock(&mut cursor)?);
    let east = match cursor.peek() {
        None => None,
        Some(b'Z' | b'z') => {
            cursor.eat(b'Z');
            Some(0)
        }
        Some(sign @ (b'+' | b'-')) => {
            cursor.eat(sign);
            let hours = pair(&mut cursor, "hours of the offset", 23)?;
            if !cursor.eat(b':') {
                return Err(cursor.expected("`:` and the minutes of the offset"));
            }
            let seconds = i64::from(hours * 3600 + pair(&mut cursor, "minutes of the offset", 59)? * 60);
            Some(if sign == b'-' { -seconds } else { seconds })
        }
        Some(_) => return Err(cursor.expected("an offset such as +02:00 or Z, or the end")),
    };
    if !cursor.is_done() {
        return Err(cursor.expected("the end of the time"));
    }
    match east {
        Some(_) if fold.is_some() => Err(fold.map_or_else(|| piece.error(NO_FOLD), |fold| fold.error(NO_FOLD))),
        Some(east) => Ok(Moment { at: (local - TimeDelta::seconds(east)).and_utc(), form: Form::Offset }),
        None => Ok(Moment { at: once(piece, zone, local, fold)?, form: Form::Local }),
    }
}

const NO_FOLD: &str = "fold chooses between two equal local times, and this time comes once";

/// The one instant that a local time stands for.
fn once(piece: &Piece, zone: &Zone, local: NaiveDateTime, fold: Option<&Piece>) -> Result<Time, TriggerError> {
    let second = fold.map(|fold| whole(fold, "fold", 0, 1)).transpose()?;
    let (day, time) = (local.date(), local.time());
    match (zone.resolve(local), second) {
        (Local::Unique(at), None) => Ok(at),
        (Local::Unique(_), Some(_)) => Err(fold.map_or_else(|| piece.error(NO_FOLD), |fold| fold.error(NO_FOLD))),
        (Local::Gap { before_offset, at, .. }, _) => {
            let from = at.naive_utc() + TimeDelta::seconds(before_offset.into());
            let to = zone.local(at).0;
            Err(piece.error(format!("{time} does not exist in {zone} on {day}: clocks go from {from} to {to}")))
        }
        (Local::Fold { first, .. }, Some(0)) => Ok(first),
        (Local::Fold { second, .. }, Some(_)) => Ok(second),
        (Local::Fold { first, second }, None) => Err(piece.error(format!(
            "{time} comes twice in {zone} on {day}: write {} or {}, or for a date fold=0 (the first) or fold=1",
            super::show::rfc3339(first, zone),
            super::show::rfc3339(second, zone),
        ))),
    }
}

/// The first instant of a date; where midnight does not exist, the first that does.
pub(super) fn beginning(zone: &Zone, date: NaiveDate) -> Time {
    match zone.resolve(date.and_time(NaiveTime::MIN)) {
        Local::Unique(at) | Local::Gap { at, .. } | Local::Fold { first: at, .. } => at,
    }
}

/// `2026-12-24`
fn date(cursor: &mut Cursor<'_>) -> Result<NaiveDate, TriggerError> {
    let from = cursor.at();
    let year = cursor.digits();
    let Some(year) = Some(year).filter(|year| year.len() == 4).and_then(|year| year.parse().ok()) else {
        cursor.back_to(from);
        return Err(if year.is_empty() {
            cursor.expected("a date such as 2026-12-24")
        } else {
            cursor.error_at(from, "expected a year of four digits, as in 2026-12-24")
        });
    };
    if !(FIRST_YEAR..=LAST_YEAR).contains(&year) {
        return Err(cursor.error_at(from, format!("years are {FIRST_YEAR} to {LAST_YEAR}")));
    }
    let mut part = |what: &str, most: u32| {
        if cursor.eat(b'-') { pair(cursor, what, most) } else { Err(cursor.expected("`-`, as in 2026-12-24")) }
    };
    let (month, day) = (part("a month", 12)?, part("a day", 31)?);
    let date = NaiveDate::from_ymd_opt(year, month, day);
    date.ok_or_else(|| cursor.error_at(from, format!("there is no {year}-{month:02}-{day:02}")))
}

/// `09:00`, `09:00:30`, `09:00:30.5`
fn clock(cursor: &mut Cursor<'_>) -> Result<NaiveTime, TriggerError> {
    let hour = pair(cursor, "an hour", 23)?;
    if !cursor.eat(b':') {
        return Err(cursor.expected("`:` and minutes, as in 09:00"));
    }
    let minute = pair(cursor, "minutes", 59)?;
    let second = if cursor.eat(b':') { pair(cursor, "seconds", 59)? } else { 0 };
    let mut micros = 0;
    if cursor.eat(b'.') {
        let from = cursor.at();
        let digits = cursor.digits();
        if !(1..=6).contains(&digits.len()) {
            return Err(cursor.error_at(from, "expected one to six digits: times are kept to the microsecond"));
        }
        micros = format!("{digits:0<6}").parse().unwrap_or(0);
    }
    let time = NaiveTime::from_hms_micro_opt(hour, minute, second, micros);
    time.ok_or_else(|| cursor.expected("a time of day"))
}

/// Two digits.
fn pair(cursor: &mut Cursor<'_>, what: &str, most: u32) -> Result<u32, TriggerError> {
    let from = cursor.at();
    let digits = cursor.digits();
    match digits.parse() {
        Ok(number) if digits.len() == 2 && number <= most => Ok(number),
        _ => Err(cursor.error_at(from, format!("expected {what} of two digits, up to {most}"))),
    }
}

/// No instant is before this one, as far as triggers go.
pub(super) const EPOCH: Time = DateTime::<Utc>::UNIX_EPOCH;
