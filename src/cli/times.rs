//! Times as people read and write them: in this machine's zone, or in UTC where `--utc` says so.

use super::view::view;
use crate::clock::{Clock, Time};
use crate::quantity;
use chrono::{
    DateTime, Datelike, FixedOffset, Local, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc,
    Weekday,
};
use std::time::Duration;

/// From so long ago on, a date says more than a number of days.
const LONG_AGO: TimeDelta = TimeDelta::days(30);

/// What a time can be written as.
const FORMS: &str =
    "2026-01-31, \"2026-01-31 09:00\", 2026-01-31T09:00:00Z, yesterday, monday, or 24h, 7d for so long ago";

/// Where and when times are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    now: Time,
    zone: Zone,
}

#[derive(Clone, Copy, Debug)]
enum Zone {
    Local,
    Fixed(FixedOffset),
}

impl Zone {
    fn offset_at(self, time: Time) -> FixedOffset {
        match self {
            Zone::Local => Local.offset_from_utc_datetime(&time.naive_utc()).fix(),
            Zone::Fixed(offset) => offset,
        }
    }

    /// The instant of a local time; of one that comes twice the first, of one that does not exist none.
    fn instant(self, local: NaiveDateTime) -> Option<Time> {
        match self {
            Zone::Local => Local.from_local_datetime(&local).earliest().map(|time| time.to_utc()),
            Zone::Fixed(offset) => offset.from_local_datetime(&local).earliest().map(|time| time.to_utc()),
        }
    }
}

/// So many milliseconds as the server says them. What is no length of time is none.
pub(super) fn millis(number: f64) -> String {
    quantity::duration(Duration::try_from_secs_f64(number / 1e3).unwrap_or_default())
}

/// A time of the API's.
pub(super) fn read(text: &str) -> Option<Time> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

impl Times {
    /// Now, in the zone that the flags say.
    pub(super) fn here() -> Self {
        let zone = if view().utc { Zone::Fixed(Utc.fix()) } else { Zone::Local };
        Times { now: Clock::system().now(), zone }
    }

    /// The same as of another instant and offset.
    #[cfg(test)]
    pub(super) fn at(now: &str, east: i32) -> Self {
        let now = read(now).unwrap_or_default();
        Times { now, zone: FixedOffset::east_opt(east).map_or(Zone::Local, Zone::Fixed) }
    }

    /// The zone for the head of a table: `UTC`, `+08:00`.
    pub(super) fn zone(self) -> String {
        match self.zone.offset_at(self.now) {
            offset if offset.local_minus_utc() == 0 => "UTC".into(),
            offset => offset.to_string(),
        }
    }

    /// `2026-11-26 17:03:12`, without a zone.
    pub(super) fn local(self, time: Time) -> String {
        time.with_timezone(&self.zone.offset_at(time)).format("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `2026-11-26 17:03:12 +08:00 (3m ago)`.
    pub(super) fn full(self, text: &str) -> String {
        let Some(time) = read(text) else { return text.to_owned() };
        let offset = self.zone.offset_at(time);
        let zone = if offset.local_minus_utc() == 0 { "UTC".to_owned() } else { offset.to_string() };
        format!("{} {zone} ({})", self.local(time), self.relative(time))
    }

    /// `3m ago`, `in 2h`, and a date where that is long ago or far ahead.
    pub(super) fn relative(self, time: Time) -> String {
        let (away, is_past) = if time <= self.now { (self.now - time, true) } else { (time - self.now, false) };
        if away > LONG_AGO {
            return self.local(time)[..10].to_owned();
        }
        let seconds = away.num_seconds();
        let text = match seconds {
            0..=1 if is_past => return "just now".into(),
            0..60 => format!("{}s", seconds.max(1)),
            60..3_600 => format!("{}m", seconds / 60),
            3_600..36_000 if seconds % 3_600 >= 60 => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
            3_600..86_400 => format!("{}h", seconds / 3_600),
            _ => format!("{}d", seconds / 86_400),
        };
        if is_past { format!("{text} ago") } else { format!("in {text}") }
    }

    /// A time as it was typed, for the server: an instant, or so long ago as it is. The error is a sentence.
    pub(super) fn typed(self, text: &str) -> Result<String, String> {
        if quantity::parse_duration(text).is_ok() {
            return Ok(text.to_owned());
        }
        self.instant(text).map(crate::clock::rfc3339)
    }

    /// The instant that was typed. What has no offset is meant in the zone that times are shown in. The error is a sentence.
    pub(super) fn instant(self, text: &str) -> Result<Time, String> {
        let bad = || format!("{text:?} is not a time: write {FORMS}");
        let text = text.trim();
        if let Some(time) = with_offset(text) {
            return Ok(time);
        }
        let parts = text.split_once(' ').or_else(|| text.split_once(['T', 't']).filter(|(day, _)| day.len() == 10));
        let (day, clock) = match parts {
            Some((day, clock)) if self.day(day).is_some() => (day, Some(clock.trim())),
            _ => (text, None),
        };
        if day.eq_ignore_ascii_case("now") {
            return Ok(self.now);
        }
        let (day, clock) = match (self.day(day), clock, clock_of(text)) {
            (Some(day), Some(clock), _) => (day, clock_of(clock).ok_or_else(bad)?),
            (Some(day), None, _) => (day, NaiveTime::MIN),
            (None, _, Some(clock)) => (self.today(), clock),
            (None, _, None) => return Err(bad()),
        };
        let local = day.and_time(clock);
        self.zone.instant(local).ok_or_else(|| format!("{text:?} does not exist here: clocks are put forward over it"))
    }

    fn today(self) -> NaiveDate {
        self.now.with_timezone(&self.zone.offset_at(self.now)).date_naive()
    }

    /// A date, or a word for one. A day of the week is the last one, today included.
    fn day(self, word: &str) -> Option<NaiveDate> {
        let today = self.today();
        match word.to_ascii_lowercase().as_str() {
            "today" => return Some(today),
            "yesterday" => return today.pred_opt(),
            "tomorrow" => return today.succ_opt(),
            _ => {}
        }
        if let Ok(weekday) = word.parse::<Weekday>() {
            let back = (today.weekday().days_since(weekday)).into();
            return today.checked_sub_signed(TimeDelta::days(back));
        }
        let plain = word.len() == 10 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        NaiveDate::parse_from_str(word, "%Y-%m-%d").ok().filter(|_| plain)
    }
}

/// A date and a time with an offset, with a blank or a `T` between, with or without seconds.
fn with_offset(text: &str) -> Option<Time> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let text = match text.strip_suffix(['Z', 'z']) {
        Some(rest) => format!("{rest}+00:00"),
        None => text.strip_suffix("UTC").map_or_else(|| text.to_owned(), |rest| format!("{}+00:00", rest.trim_end())),
    };
    let text = text.replacen(['T', 't'], " ", 1);
    let forms = ["%Y-%m-%d %H:%M%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M %#z", "%Y-%m-%d %H:%M:%S%.f %#z"];
    forms.iter().find_map(|form| DateTime::parse_from_str(&text, form).ok()).map(|time| time.to_utc())
}

/// `09:00`, `09:00:30`, `9:00`.
fn clock_of(text: &str) -> Option<NaiveTime> {
    ["%H:%M", "%H:%M:%S%.f"].iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Time {
        read(text).expect("a time")
    }

    // A Thursday, 17:00 there.
    fn shanghai() -> Times {
        Times::at("2026-11-26T09:00:00Z", 8 * 3600)
    }

    /// C9: one way to write times, with the zone said.
    #[test]
    fn times_are_local_and_say_so() {
        let here = shanghai();
        assert_eq!(here.zone(), "+08:00");
        assert_eq!(here.full("2026-11-26T08:57:00.000000Z"), "2026-11-26 16:57:00 +08:00 (3m ago)");
        let utc = Times::at("2026-11-26T09:00:00Z", 0);
        assert_eq!(
            (utc.zone().as_str(), utc.full("2026-11-26T11:05:00Z").as_str()),
            ("UTC", "2026-11-26 11:05:00 UTC (in 2h 5m)")
        );
        for (text, shown) in [
            ("2026-11-26T08:59:59.5Z", "just now"),
            ("2026-11-26T08:59:50Z", "10s ago"),
            ("2026-11-26T09:00:00.5Z", "in 1s"),
            ("2026-11-26T08:00:01Z", "59m ago"),
            ("2026-11-26T07:00:00Z", "2h ago"),
            ("2026-11-25T10:00:00Z", "23h ago"),
            ("2026-11-24T08:00:00Z", "2d ago"),
            ("2026-08-01T20:00:00Z", "2026-08-02"),
            ("2027-08-01T00:00:00Z", "2027-08-01"),
        ] {
            assert_eq!(here.relative(instant(text)), shown, "{text}");
        }
    }

    /// C13: what is certain is taken.
    #[test]
    fn times_as_people_write_them_are_taken() {
        for (text, at) in [
            ("2026-11-26", "2026-11-25T16:00:00Z"),
            ("today", "2026-11-25T16:00:00Z"),
            ("Yesterday", "2026-11-24T16:00:00Z"),
            ("tomorrow", "2026-11-26T16:00:00Z"),
            ("yesterday 09:30", "2026-11-25T01:30:00Z"),
            ("monday", "2026-11-22T16:00:00Z"),
            ("Thu", "2026-11-25T16:00:00Z"),
            ("2026-11-26 09:00", "2026-11-26T01:00:00Z"),
            ("2026-11-26T09:00", "2026-11-26T01:00:00Z"),
            ("2026-11-26 09:00:30", "2026-11-26T01:00:30Z"),
            ("2026-11-01T00:00Z", "2026-11-01T00:00:00Z"),
            ("2026-11-01 00:00 UTC", "2026-11-01T00:00:00Z"),
            ("2026-11-01T00:00+02:00", "2026-10-31T22:00:00Z"),
            ("2026-11-01 00:00:00.5 +0200", "2026-10-31T22:00:00.500Z"),
            ("09:15", "2026-11-26T01:15:00Z"),
            ("now", "2026-11-26T09:00:00Z"),
            ("2026-11-26T09:00:00.25+01:00", "2026-11-26T08:00:00.250Z"),
        ] {
            assert_eq!(shanghai().instant(text), Ok(instant(at)), "{text}");
        }
        assert_eq!(shanghai().typed("24h").as_deref(), Ok("24h"));
        assert_eq!(shanghai().typed("2026-11-26").as_deref(), Ok("2026-11-25T16:00:00.000000Z"));
        for bad in [
            "",
            "soon",
            "26.11.2026",
            "11/26/2026",
            "2026-13-01",
            "2026-11-26 25:00",
            "26-11-26",
            "2026-1-1",
            "last week",
        ] {
            let why = shanghai().instant(bad).expect_err(bad);
            assert!(why.contains("yesterday"), "{why}");
        }
    }
}
