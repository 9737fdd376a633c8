//! Asking a trigger when it fires.

use super::build::{EPOCH, beginning};
use super::wall::{Found, Walls};
use super::{Core, Moment, Trigger, TriggerError, show};
use crate::clock::Time;
use crate::zone::Local;
use chrono::{NaiveDateTime, TimeDelta, Timelike};
use std::collections::VecDeque;

/// Most fire times that a preview shows.
pub const MAX_PREVIEW: usize = 1_000;
/// How many times the members of an `and` are asked before they count as never agreeing.
const MAX_STEPS: u32 = 20_000;
/// How many more times for each fire that was found: a long list of fires that are hard to find ends early.
const STEPS_A_FIRE: u32 = 500;
/// How many fires are looked at to see whether the jitter fits between them.
const GAPS_CHECKED: usize = 100;
/// How many older fires are counted one by one; beyond, the count is a lower bound.
const MAX_COUNTED: u64 = 100_000;
/// How many fires are walked over in the search for the newest.
const MAX_WALKED: u64 = 1_000_000;

/// A time at which a schedule says that a run is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fire {
    /// The instant.
    pub at: Time,
    /// What the clocks in the trigger's zone show then.
    pub local: NaiveDateTime,
    /// How far they are east of UTC, in seconds.
    pub offset: i32,
    /// Whether they show this for the second time.
    pub fold: bool,
    /// What a change of the clocks has to do with it.
    pub note: Option<String>,
}

impl Fire {
    /// The local time with its offset, in RFC 3339.
    pub fn rfc3339(&self) -> String {
        show::with_offset(self.local, self.offset)
    }
}

/// The fires of a stretch of time, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Between {
    /// As many as were asked for.
    pub fires: Vec<Fire>,
    /// Whether there are more.
    pub more: bool,
}

/// The last fires of a stretch of time, and how many were before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The newest, the oldest of them first.
    pub fires: Vec<Fire>,
    /// Those before.
    pub older: Option<Older>,
}

/// Fires that are only counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Older {
    /// The first of them.
    pub first: Time,
    /// The last of them.
    pub last: Time,
    /// How many.
    pub count: u64,
    /// Whether all were counted; otherwise there are more.
    pub exact: bool,
}

impl Trigger {
    /// The first fire strictly after an instant; nothing when there is none.
    pub fn next_after(&self, after: Time) -> Result<Option<Fire>, TriggerError> {
        let mut steps = MAX_STEPS;
        Ok(self.find(after, &mut steps)?.map(|found| self.fire(found)))
    }

    /// The fires strictly after an instant, each with a note where clocks have changed since the one before.
    pub fn fires(&self, after: Time) -> Fires<'_> {
        Fires { trigger: self, after, offset: self.zone().offset_at(after), first: true, over: false, steps: MAX_STEPS }
    }

    /// The next fires, at most [`MAX_PREVIEW`] and no more than the trigger has runs.
    pub fn preview(&self, after: Time, count: usize) -> Result<Vec<Fire>, TriggerError> {
        let runs = self.max_runs().and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
        self.fires(after).take(count.min(runs).min(MAX_PREVIEW)).collect()
    }

    /// The fires after `from` and not after `until`, the oldest first, at most `limit`.
    pub fn fires_between(&self, from: Time, until: Time, limit: usize) -> Result<Between, TriggerError> {
        let mut fires = Vec::new();
        for fire in self.fires(from) {
            let fire = fire?;
            if fire.at > until {
                break;
            }
            if fires.len() == limit {
                return Ok(Between { fires, more: true });
            }
            fires.push(fire);
        }
        Ok(Between { fires, more: false })
    }

    /// The newest fires after `from` and not after `until`, at most `limit`, and what can be said of the older ones
    /// without walking over all of a long outage.
    pub fn newest_between(&self, from: Time, until: Time, limit: usize) -> Result<Newest, TriggerError> {
        if let Some(begin) = self.newest_of_interval(from, until, limit) {
            let fires = self.fires_between(begin.map_or(from, |older| older.last), until, limit)?.fires;
            return Ok(Newest { fires, older: begin });
        }
        // Back from the end in steps that grow, until there are enough; one more is the last of the older.
        let mut width = TimeDelta::hours(1);
        let mut left = MAX_WALKED;
        let mut newest: VecDeque<Fire>;
        let mut begin;
        loop {
            begin = until.checked_sub_signed(width).map_or(from, |begin| begin.max(from));
            newest = VecDeque::new();
            for fire in self.fires(begin) {
                let fire = fire?;
                if fire.at > until {
                    break;
                }
                newest.push_back(fire);
                if newest.len() > limit.saturating_add(1) {
                    newest.pop_front();
                }
                left = left.checked_sub(1).ok_or_else(|| {
                    TriggerError::new(format!("there are more than {MAX_WALKED} fire times to look at; ask for less"))
                })?;
            }
            if newest.len() > limit || begin <= from {
                break;
            }
            width = width * 4;
        }
        let older = if newest.len() > limit { newest.pop_front() } else { None };
        let older = older.map(|last| self.count(from, last.at)).transpose()?.flatten();
        Ok(Newest { fires: newest.into(), older })
    }

    /// What stands before the newest of an interval, by arithmetic; the outer nothing when it has to be walked.
    fn newest_of_interval(&self, from: Time, until: Time, limit: usize) -> Option<Option<Older>> {
        let (Core::Interval(seconds), Some(start)) = (&self.core, self.options.start) else { return None };
        if !self.options.exclude.is_empty() {
            return None;
        }
        let until = self.options.end.map_or(until, |end| until.min(end.at));
        let period = seconds.checked_mul(1_000_000)?;
        let micros = |time: Time| (time - start.at).num_microseconds();
        let first = if from < start.at { 0 } else { micros(from)?.div_euclid(period) + 1 };
        let last = micros(until)?.div_euclid(period);
        let limit = i64::try_from(limit).ok()?;
        let count = (last - first + 1).max(0);
        if count <= limit {
            return Some(None);
        }
        let at = |index: i64| start.at.checked_add_signed(TimeDelta::microseconds(index.checked_mul(period)?));
        let count = count - limit;
        Some(Some(Older { first: at(first)?, last: at(first + count - 1)?, count: count.unsigned_abs(), exact: true }))
    }

    /// Counts the fires after `from` up to one of them.
    fn count(&self, from: Time, last: Time) -> Result<Option<Older>, TriggerError> {
        let mut older: Option<Older> = None;
        for fire in self.fires(from) {
            let at = fire?.at;
            if at > last {
                break;
            }
            let older = older.get_or_insert(Older { first: at, last, count: 0, exact: true });
            if older.count == MAX_COUNTED {
                older.exact = false;
                break;
            }
            older.count += 1;
        }
        Ok(older)
    }

    /// Whether a schedule may be made of it now: it can fire, and the jitter fits between two fires.
    pub fn validate(&self, now: Time) -> Result<(), TriggerError> {
        self.check("", now)
    }

    fn check(&self, path: &str, now: Time) -> Result<(), TriggerError> {
        let field = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        if let Core::Or(members) | Core::And(members, _) = &self.core {
            for (index, member) in members.iter().enumerate() {
                member.check(&field(&format!("triggers[{index}]")), now)?;
            }
        }
        if let Core::Date(date) = &self.core
            && date.at < now
        {
            let why = format!("{} has passed; to run now: POST …/runs", show::moment(date, self.zone()));
            return Err(TriggerError::field(&field("run_date"), why));
        }
        if let Core::After(_) = self.core {
            return match self.options.end {
                Some(end) if end.at < now => Err(TriggerError::field(&field("end_date"), "it has passed")),
                _ => Ok(()),
            };
        }
        // A fire at this very instant counts: an interval's first is its creation.
        let before = now - TimeDelta::microseconds(1);
        let mut times = Vec::new();
        for fire in self.fires(before).take(if self.options.jitter > 0 { GAPS_CHECKED } else { 1 }) {
            times.push(fire?.at);
        }
        if times.is_empty() && self.chains().is_empty() {
            return Err(self.never(&field, before));
        }
        let shortest = times.windows(2).map(|pair| pair[1] - pair[0]).min();
        if let Some(shortest) = shortest.filter(|shortest| *shortest <= self.jitter()) {
            let why = format!(
                "the jitter has to be shorter than the time between two fires, here {} s",
                shortest.num_seconds()
            );
            return Err(TriggerError::field(&field("jitter"), why));
        }
        Ok(())
    }

    /// Why it does not fire any more: the first of its bounds without which it would.
    fn never(&self, field: &dyn Fn(&str) -> String, before: Time) -> TriggerError {
        let fires = |trigger: &Trigger| trigger.next_after(before).is_ok_and(|fire| fire.is_some());
        let mut free = self.clone();
        free.options.exclude.clear();
        if fires(&free) {
            return TriggerError::field(&field("exclude"), "the exclusions leave no fire time");
        }
        free.options.end = None;
        if fires(&free) {
            return TriggerError::field(&field("end_date"), "it ends before the first fire");
        }
        match &self.core {
            Core::Cron(cron) if cron.has_years() => {
                TriggerError::field(&field("year"), "no fire time is left in these years")
            }
            Core::And(..) => TriggerError::field(&field("triggers"), "they never agree"),
            _ => TriggerError::field(&field(""), "it never fires"),
        }
    }

    /// The first fire strictly after an instant, within the bounds that stand on any trigger.
    fn find(&self, after: Time, steps: &mut u32) -> Result<Option<Found>, TriggerError> {
        let options = &self.options;
        // Years before 1970 cannot be written, so that nothing is missed.
        let begin = options.start.map_or(EPOCH, |start| start.at) - TimeDelta::microseconds(1);
        let mut after = after.max(begin);
        loop {
            let Some(found) = self.find_free(after, steps)? else { return Ok(None) };
            if options.end.is_some_and(|end| found.0 > end.at) {
                return Ok(None);
            }
            let date = options.zone.local(found.0).0.date();
            let Some(days) = options.exclude.iter().find(|days| (days.first..=days.last).contains(&date)) else {
                return Ok(Some(found));
            };
            // On to the day after; where that was reached before, because clocks are put back over midnight, one by one.
            let Some(next) = days.last.succ_opt() else { return Ok(None) };
            after = found.0.max(beginning(&options.zone, next) - TimeDelta::microseconds(1));
        }
    }

    /// The same, without bounds.
    fn find_free(&self, after: Time, steps: &mut u32) -> Result<Option<Found>, TriggerError> {
        let options = &self.options;
        let walls = |elapsed, next: &dyn Fn(NaiveDateTime) -> Option<NaiveDateTime>| {
            Walls { zone: &options.zone, elapsed, dst: options.dst, next }.after(after)
        };
        Ok(match &self.core {
            Core::Cron(cron) => walls(cron.elapsed, &|from| cron.next_wall(from)),
            Core::Calendar(calendar) => walls(false, &|from| calendar.next_wall(from)),
            Core::Date(Moment { at, .. }) => (*at > after).then_some((*at, None)),
            Core::Interval(seconds) => self.step(*seconds, after).map(|at| (at, None)),
            Core::After(_) => None,
            Core::Or(members) => {
                let mut first: Option<Found> = None;
                for member in members {
                    let found = member.find(after, steps)?;
                    first = match (first, found) {
                        (Some(first), Some(found)) if first.0 <= found.0 => Some(first),
                        (first, found) => found.or(first),
                    };
                }
                first
            }
            Core::And(members, threshold) => agreed(members, TimeDelta::seconds(*threshold), after, steps)?,
        })
    }

    /// The first step of an interval after an instant.
    fn step(&self, seconds: i64, after: Time) -> Option<Time> {
        let start = self.options.start?.at;
        if after < start {
            return Some(start);
        }
        let period = seconds.checked_mul(1_000_000)?;
        let steps = (after - start).num_microseconds()? / period + 1;
        start.checked_add_signed(TimeDelta::microseconds(steps.checked_mul(period)?)).filter(|at| *at <= LAST)
    }

    fn fire(&self, (at, skipped): Found) -> Fire {
        let zone = self.zone();
        let offset = zone.offset_at(at);
        let local = at.naive_utc() + TimeDelta::seconds(offset.into());
        let twice = match zone.resolve(local) {
            Local::Fold { second, .. } => Some(second == at),
            _ => None,
        };
        let note = match (skipped, twice) {
            (Some(wall), _) => {
                let seconds = if wall.second() > 0 { "%H:%M:%S" } else { "%H:%M" };
                let day = if wall.date() == local.date() { "this day".into() } else { wall.date().to_string() };
                Some(format!("{} does not exist on {day}: first existing time", wall.format(seconds)))
            }
            (None, Some(false)) => Some("this time comes twice: first of two".into()),
            (None, Some(true)) => Some("this time comes twice: second of two".into()),
            (None, None) => None,
        };
        Fire { at, local, offset, fold: twice == Some(true), note }
    }
}

/// No fire is later: years are written with four digits.
const LAST: Time = match chrono::NaiveDate::from_ymd_opt(9999, 12, 30) {
    Some(date) => match date.and_hms_opt(0, 0, 0) {
        Some(last) => last.and_utc(),
        None => EPOCH,
    },
    None => EPOCH,
};

/// The first time at which all members fire within so much of one another: the earliest of theirs.
fn agreed(
    members: &[Trigger],
    threshold: TimeDelta,
    after: Time,
    steps: &mut u32,
) -> Result<Option<Found>, TriggerError> {
    let mut after = after;
    loop {
        let mut first: Option<Found> = None;
        let mut last = after;
        for member in members {
            *steps = steps.checked_sub(1).ok_or_else(|| {
                let reached = after.format("%Y-%m-%d");
                let why = "they agree too rarely or never";
                TriggerError::new(format!("the triggers of `and` were followed up to {reached}: {why}"))
            })?;
            let Some(found) = member.find(after, steps)? else { return Ok(None) };
            last = last.max(found.0);
            first = match first {
                Some(first) if first.0 < found.0 || (first.0 == found.0 && first.1.is_some()) => Some(first),
                _ => Some(found),
            };
        }
        let Some(first) = first else { return Ok(None) };
        if last - first.0 <= threshold {
            return Ok(Some(first));
        }
        // Nothing earlier can agree with the latest.
        after = first.0.max(last - threshold - TimeDelta::microseconds(1));
    }
}

/// Fires one after another.
#[derive(Debug)]
pub struct Fires<'a> {
    trigger: &'a Trigger,
    after: Time,
    /// The offset at the fire before.
    offset: i32,
    first: bool,
    over: bool,
    /// How many times members may still be asked.
    steps: u32,
}

impl Iterator for Fires<'_> {
    type Item = Result<Fire, TriggerError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        self.steps = MAX_STEPS.min(self.steps + STEPS_A_FIRE);
        match self.trigger.find(self.after, &mut self.steps) {
            Ok(Some(found)) => {
                let mut fire = self.trigger.fire(found);
                let moved = fire.offset - self.offset;
                if moved != 0 && fire.note.is_none() {
                    let way = if moved > 0 { "forward" } else { "back" };
                    let since = if self.first { "" } else { " since the last fire" };
                    fire.note = Some(format!("clocks went {way} {}{since}", show::span(moved.unsigned_abs().into())));
                }
                (self.after, self.offset, self.first) = (fire.at, fire.offset, false);
                Some(Ok(fire))
            }
            Ok(None) => {
                self.over = true;
                None
            }
            Err(error) => {
                self.over = true;
                Some(Err(error))
            }
        }
    }
}
