//! Both forms, printed.

use super::field::Unit;
use super::units::UNITS;
use super::{After, Core, Days, Dst, Form, Moment, On, Trigger, Upstream};
use crate::clock::Time;
use crate::zone::{Local, Zone};
use chrono::{NaiveDateTime, NaiveTime, SubsecRound, TimeDelta, Timelike};
use serde_json::{Map, Value, json};
use std::fmt;

/// The JSON form of a trigger in one with the zone `within`.
pub(super) fn json(trigger: &Trigger, within: Option<&Zone>) -> Value {
    let mut map = Map::new();
    let mut set = |name: &str, value: Value| map.insert(name.to_owned(), value);
    let zone = trigger.zone();
    let kind = match &trigger.core {
        Core::Cron(cron) => {
            match &cron.crontab {
                Some(line) => _ = set("crontab", json!(line)),
                None => cron.fields.iter().for_each(|(unit, field)| _ = set(unit.name(), number_or_text(&field.shown))),
            }
            "cron"
        }
        Core::Interval(seconds) => {
            parts(*seconds).for_each(|(unit, number)| _ = set(unit, json!(number)));
            "interval"
        }
        Core::Calendar(calendar) => {
            calendar_parts(calendar).for_each(|(unit, number)| _ = set(unit, json!(number)));
            set("time", json!(clock(calendar.time)));
            "calendar_interval"
        }
        Core::Date(date) => {
            set("run_date", json!(moment(date, zone)));
            if let Some(fold) = fold(date, zone) {
                set("fold", json!(fold));
            }
            "date"
        }
        Core::And(members, threshold) => {
            set("triggers", members.iter().map(|member| json(member, Some(zone))).collect());
            if *threshold > 0 {
                set("threshold", json!(threshold));
            }
            "and"
        }
        Core::Or(members) => {
            set("triggers", members.iter().map(|member| json(member, Some(zone))).collect());
            "or"
        }
        Core::After(after) => {
            match &after.upstream {
                Upstream::Any => set("script", json!("*")),
                Upstream::Script(name) => set("script", json!(name)),
                Upstream::Label(key, value) => set("label", json!(format!("{key}={value}"))),
            };
            set("on", json!(after.on.name()));
            "after"
        }
    };
    set("type", json!(kind));
    let options = &trigger.options;
    if within != Some(zone) {
        set("timezone", json!(zone.name()));
    }
    for (name, date) in [("start_date", options.start), ("end_date", options.end)] {
        if let Some(date) = date {
            set(name, json!(moment(&date, zone)));
        }
    }
    if options.jitter > 0 {
        set("jitter", json!(options.jitter));
    }
    if let Some(max) = options.max_runs {
        set("max_runs", json!(max));
    }
    if !options.exclude.is_empty() {
        set("exclude", options.exclude.iter().map(Days::to_string).collect());
    }
    if options.dst != Dst::Default {
        set("dst", json!(options.dst.name()));
    }
    Value::Object(map)
}

/// A field that is a number is shown as one.
fn number_or_text(shown: &str) -> Value {
    shown.parse::<u32>().map_or_else(|_| json!(shown), |number| json!(number))
}

/// The text form.
impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text(self, None, f)
    }
}

fn text(trigger: &Trigger, within: Option<&Zone>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let zone = trigger.zone();
    match &trigger.core {
        Core::Cron(cron) => match &cron.crontab {
            Some(line) => write!(f, "cron: {line}")?,
            None => {
                f.write_str("fields:")?;
                for (unit, field) in &cron.fields {
                    write_field(*unit, &field.shown, f)?;
                }
            }
        },
        Core::Interval(seconds) => write!(f, "every {}", span(*seconds))?,
        Core::Calendar(calendar) => {
            f.write_str("every")?;
            for (unit, number) in calendar_parts(calendar) {
                write!(f, " {number} {}", if number == 1 { &unit[..unit.len() - 1] } else { unit })?;
            }
            write!(f, " at {}", clock(calendar.time))?;
        }
        Core::Date(date) => {
            write!(f, "at {}", moment(date, zone))?;
            if let Some(fold) = fold(date, zone) {
                write!(f, " fold={fold}")?;
            }
        }
        Core::And(members, _) | Core::Or(members) => {
            let between = if matches!(trigger.core, Core::Or(_)) { " or " } else { " and " };
            f.write_str("(")?;
            for (index, member) in members.iter().enumerate() {
                f.write_str(if index > 0 { between } else { "" })?;
                text(member, Some(zone), f)?;
            }
            f.write_str(")")?;
        }
        Core::After(after) => write!(f, "{after}")?,
    }
    let options = &trigger.options;
    if within != Some(zone) {
        write!(f, " @ {zone}")?;
    }
    for (word, date) in [("from", options.start), ("until", options.end)] {
        if let Some(date) = date {
            write!(f, " {word} {}", moment(&date, zone))?;
        }
    }
    if options.jitter > 0 {
        write!(f, " jitter {}", span(options.jitter))?;
    }
    if let Some(max) = options.max_runs {
        write!(f, " max {max}")?;
    }
    for (index, days) in options.exclude.iter().enumerate() {
        write!(f, "{}{days}", if index == 0 { " except " } else { ", " })?;
    }
    if options.dst != Dst::Default {
        write!(f, " dst {}", options.dst.name())?;
    }
    match trigger.core {
        Core::And(_, threshold) if threshold > 0 => write!(f, " within {}", span(threshold)),
        _ => Ok(()),
    }
}

fn write_field(unit: Unit, shown: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let quote = if shown.contains(' ') { "\"" } else { "" };
    write!(f, " {}={quote}{shown}{quote}", unit.name())
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => self.first.fmt(f),
            false => write!(f, "{}..{}", self.first, self.last),
        }
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.upstream {
            Upstream::Any => f.write_str("after *")?,
            // In quotes, no name is taken for the keyword or for a parenthesis.
            Upstream::Script(name) if name.eq_ignore_ascii_case("label") => write!(f, "after \"{name}\"")?,
            Upstream::Script(name) => write!(f, "after {name}")?,
            Upstream::Label(key, value) => write!(f, "after label \"{key}={value}\"")?,
        }
        match self.on {
            On::Succeeded => Ok(()),
            on => write!(f, " on {}", on.name()),
        }
    }
}

impl On {
    /// As both forms write it.
    pub fn name(self) -> &'static str {
        match self {
            On::Succeeded => "succeeded",
            On::Failed => "failed",
            On::Missed => "missed",
            On::Any => "any",
        }
    }
}

impl Dst {
    fn name(self) -> &'static str {
        match self {
            Dst::Default => "default",
            Dst::Skip => "skip",
            Dst::Both => "both",
        }
    }
}

/// The units in a number of seconds.
fn parts(seconds: i64) -> impl Iterator<Item = (&'static str, i64)> {
    let mut rest = seconds;
    UNITS.into_iter().filter_map(move |(name, unit)| {
        let number = rest / unit;
        rest %= unit;
        (number > 0).then_some((name, number))
    })
}

/// `1h30m`
pub(super) fn span(seconds: i64) -> String {
    parts(seconds).map(|(name, number)| format!("{number}{}", &name[..1])).collect()
}

fn calendar_parts(calendar: &super::calendar::Calendar) -> impl Iterator<Item = (&'static str, u32)> {
    let all =
        [("years", calendar.years), ("months", calendar.months), ("weeks", calendar.weeks), ("days", calendar.days)];
    all.into_iter().filter(|(_, number)| *number > 0)
}

/// `09:00`, with seconds when there are any.
fn clock(time: NaiveTime) -> String {
    let form = match (time.second(), time.nanosecond()) {
        (0, 0) => "%H:%M",
        (_, 0) => "%H:%M:%S",
        _ => "%H:%M:%S%.6f",
    };
    time.format(form).to_string()
}

fn local(time: NaiveDateTime) -> String {
    format!("{}T{}", time.date(), clock(time.time()))
}

/// A local time with its offset.
pub(super) fn rfc3339(at: Time, zone: &Zone) -> String {
    let east = zone.offset_at(at);
    with_offset(at.naive_utc() + TimeDelta::seconds(east.into()), east)
}

/// A local time with its offset in seconds.
pub(super) fn with_offset(shown: NaiveDateTime, east: i32) -> String {
    let form = if shown.nanosecond() == 0 { "%Y-%m-%dT%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S%.6f" };
    let (sign, east) = if east < 0 { ('-', -east) } else { ('+', east) };
    format!("{}{sign}{:02}:{:02}", shown.format(form), east / 3600, east / 60 % 60)
}

/// As it was written.
pub(super) fn moment(moment: &Moment, zone: &Zone) -> String {
    match moment.form {
        Form::Date(date) => date.to_string(),
        Form::Local => local(zone.local(moment.at).0),
        // Offsets of old had seconds, which RFC 3339 cannot say.
        Form::Offset if zone.offset_at(moment.at) % 60 != 0 => {
            format!("{}Z", local(moment.at.trunc_subsecs(6).naive_utc()))
        }
        Form::Offset => rfc3339(moment.at.trunc_subsecs(6), zone),
    }
}

/// Which of two equal local times is meant.
fn fold(moment: &Moment, zone: &Zone) -> Option<u8> {
    let (local, second) = zone.local(moment.at);
    let twice = moment.form == Form::Local && matches!(zone.resolve(local), Local::Fold { .. });
    twice.then_some(second.into())
}
