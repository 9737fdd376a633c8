//! From what was written to a trigger that can be asked: here every value is understood.

use super::calendar::Calendar;
use super::cron::Cron;
use super::error::{Piece, TriggerError, short};
use super::field::Unit;
use super::moment::{Bound, beginning, days, moment, time_of_day};
use super::node::{Kind, MAX_EXCLUDE, Node};
use super::units::{MAX_COUNT, UNITS, seconds, whole};
use super::{After, Core, Defaults, Dst, Form, Moment, On, Options, Trigger, Upstream};
use crate::zone::Zone;
use chrono::NaiveTime;
use unicode_normalization::char::is_combining_mark;

/// Most triggers in one.
const MAX_TRIGGERS: usize = 100;
/// How deep they may stand in one another.
const MAX_DEPTH: usize = 8;
/// Longest interval: a hundred years.
const MAX_INTERVAL: i64 = 36_525 * 86_400;
/// Largest number in a calendar interval.
const MAX_CALENDAR: u32 = 36_525;
/// Longest jitter: a day. What is spread wider is another schedule.
const MAX_JITTER: i64 = 86_400;
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
        Some(piece) => time_of_day(piece)?,
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

/// How far apart the members of an `and` may be.
fn threshold(piece: &Piece) -> Result<i64, TriggerError> {
    match seconds(piece)? {
        apart if apart > MAX_INTERVAL => Err(piece.error("members of `and` are at most 100 years apart")),
        apart => Ok(apart),
    }
}
