//! Dates and times of day, and the instants that they are in a zone.

use super::cron::LAST_YEAR;
use super::error::{Cursor, Piece, TriggerError};
use super::units::whole;
use super::{Days, Form, Moment};
use crate::clock::Time;
use crate::zone::{Local, Zone};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

/// The first year that is understood.
const FIRST_YEAR: i32 = 1970;

/// No instant is before this one, as far as triggers go.
pub(super) const EPOCH: Time = DateTime::<Utc>::UNIX_EPOCH;

/// The first instant of a date; where midnight does not exist, the first that does.
pub(super) fn beginning(zone: &Zone, date: NaiveDate) -> Time {
    match zone.resolve(date.and_time(NaiveTime::MIN)) {
        Local::Unique(at) | Local::Gap { at, .. } | Local::Fold { first: at, .. } => at,
    }
}

/// What an instant is for.
pub(super) enum Bound<'a> {
    /// A date means its first instant.
    Start,
    /// A date means its last instant.
    End,
    /// A date alone is not enough; says which of two equal times is meant.
    Exact(Option<&'a Piece>),
}

/// A date, a local time, or a time with its offset.
pub(super) fn moment(piece: &Piece, zone: &Zone, bound: Bound<'_>) -> Result<Moment, TriggerError> {
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

/// A date, or two with `..` between.
pub(super) fn days(piece: &Piece) -> Result<Days, TriggerError> {
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

/// `2026-12-24`
pub(super) fn date(cursor: &mut Cursor<'_>) -> Result<NaiveDate, TriggerError> {
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

/// A time of day alone, to the end of the piece: as [`clock`], and `9:00`.
pub(super) fn time_of_day(piece: &Piece) -> Result<NaiveTime, TriggerError> {
    let mut cursor = Cursor::new(piece);
    let time = match piece.text().as_bytes() {
        [digit @ b'0'..=b'9', b':', ..] => {
            cursor.digits();
            after_hour(&mut cursor, u32::from(digit - b'0'))?
        }
        _ => clock(&mut cursor)?,
    };
    if cursor.is_done() { Ok(time) } else { Err(cursor.expected("the end of the time")) }
}

/// `09:00`, `09:00:30`, `09:00:30.5`
pub(super) fn clock(cursor: &mut Cursor<'_>) -> Result<NaiveTime, TriggerError> {
    let hour = pair(cursor, "an hour", 23)?;
    after_hour(cursor, hour)
}

fn after_hour(cursor: &mut Cursor<'_>, hour: u32) -> Result<NaiveTime, TriggerError> {
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

/// The instant before another: "strictly after" it includes that other.
pub(super) fn before(time: Time) -> Time {
    time.checked_sub_signed(TimeDelta::microseconds(1)).unwrap_or(Time::MIN_UTC)
}
