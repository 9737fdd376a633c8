//! Asking a trigger when it fires.

use super::budget::{Budget, cost};
use super::moment::before;
use super::search::Search;
use super::wall::Found;
use super::{Core, Trigger, TriggerError, show};
use crate::clock::Time;
use crate::zone::Local;
use chrono::{NaiveDateTime, TimeDelta, Timelike};
use std::collections::VecDeque;

/// Most fire times that a preview shows.
pub const MAX_PREVIEW: usize = 1_000;
/// How many fires are looked at to see whether the jitter fits between them.
const GAPS_CHECKED: usize = 100;
/// How many older fires are counted one by one; beyond, the count is a lower bound.
const MAX_COUNTED: u64 = 100_000;

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
    /// The same trigger, asked with a budget that lasts for all that is asked of it.
    pub fn within<'a>(&'a self, budget: &'a Budget) -> Asked<'a> {
        Asked { trigger: self, budget }
    }

    /// [`Asked::next_after`], with a budget of its own.
    pub fn next_after(&self, after: Time) -> Result<Option<Fire>, TriggerError> {
        self.within(&Budget::whole()).next_after(after)
    }

    /// [`Asked::preview`], with a budget of its own.
    pub fn preview(&self, after: Time, count: usize) -> Result<Vec<Fire>, TriggerError> {
        self.within(&Budget::whole()).preview(after, count)
    }

    /// [`Asked::fires_between`], with a budget of its own.
    pub fn fires_between(&self, from: Time, until: Time, limit: usize) -> Result<Between, TriggerError> {
        self.within(&Budget::whole()).fires_between(from, until, limit)
    }

    /// [`Asked::newest_between`], with a budget of its own.
    pub fn newest_between(&self, from: Time, until: Time, limit: usize) -> Result<Newest, TriggerError> {
        self.within(&Budget::whole()).newest_between(from, until, limit)
    }

    /// [`Asked::validate`], with a budget of its own.
    pub fn validate(&self, now: Time) -> Result<(), TriggerError> {
        self.within(&Budget::whole()).validate(now)
    }
}

/// A trigger that is asked with a budget. What goes beyond it is an error that says so.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    trigger: &'a Trigger,
    budget: &'a Budget,
}

impl<'a> Asked<'a> {
    /// The first fire strictly after an instant; nothing when there is none.
    pub fn next_after(self, after: Time) -> Result<Option<Fire>, TriggerError> {
        let found = Search::new(self.trigger).find(after, self.budget)?;
        Ok(found.map(|found| self.trigger.fire(found)))
    }

    /// The fires strictly after an instant, each with a note where clocks have changed since the one before.
    pub fn fires(self, after: Time) -> Fires<'a> {
        let offset = self.trigger.zone().offset_at(after);
        Fires { asked: self, search: Search::new(self.trigger), after, offset, first: true, over: false }
    }

    /// The next fires, at most [`MAX_PREVIEW`] and no more than the trigger has runs.
    pub fn preview(self, after: Time, count: usize) -> Result<Vec<Fire>, TriggerError> {
        let runs = self.trigger.max_runs().and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
        self.fires(after).take(count.min(runs).min(MAX_PREVIEW)).collect()
    }

    /// The fires after `from` and not after `until`, the oldest first, at most `limit`.
    pub fn fires_between(self, from: Time, until: Time, limit: usize) -> Result<Between, TriggerError> {
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
    pub fn newest_between(self, from: Time, until: Time, limit: usize) -> Result<Newest, TriggerError> {
        if let Some(begin) = self.trigger.newest_of_interval(from, until, limit) {
            let fires = self.fires_between(begin.map_or(from, |older| older.last), until, limit)?.fires;
            return Ok(Newest { fires, older: begin });
        }
        // Back from the end in steps that grow, until there are enough; one more is the last of the older.
        let mut width = TimeDelta::hours(1);
        let mut newest: VecDeque<Found>;
        let mut begin;
        loop {
            begin = until.checked_sub_signed(width).map_or(from, |begin| begin.max(from));
            newest = VecDeque::new();
            let mut search = Search::new(self.trigger);
            let mut after = begin;
            while let Some(found) = search.find(after, self.budget)?.filter(|found| found.0 <= until) {
                newest.push_back(found);
                if newest.len() > limit.saturating_add(1) {
                    newest.pop_front();
                }
                after = found.0;
            }
            if newest.len() > limit || begin <= from {
                break;
            }
            width = width.checked_mul(4).unwrap_or(TimeDelta::MAX);
        }
        let older = if newest.len() > limit { newest.pop_front() } else { None };
        self.budget.pay(cost::FIRE.saturating_mul(newest.len() as u64))?;
        let fires = newest.into_iter().map(|found| self.trigger.fire(found)).collect();
        let older = older.map(|last| self.count(from, last.0)).transpose()?.flatten();
        Ok(Newest { fires, older })
    }

    /// Counts the fires after `from` up to one of them. What they cost together leaves room for what else is asked.
    fn count(self, from: Time, last: Time) -> Result<Option<Older>, TriggerError> {
        let mut older: Option<Older> = None;
        let mut search = Search::new(self.trigger);
        let mut after = from;
        while let Some((at, _)) = search.find(after, self.budget)?.filter(|found| found.0 <= last) {
            let older = older.get_or_insert(Older { first: at, last, count: 0, exact: true });
            if older.count == MAX_COUNTED || (older.count > 0 && self.budget.is_below(3)) {
                older.exact = false;
                break;
            }
            older.count += 1;
            after = at;
        }
        Ok(older)
    }

    /// Whether a schedule may be made of it now: it can fire, and the jitter fits between two fires.
    pub fn validate(self, now: Time) -> Result<(), TriggerError> {
        self.trigger.check("", now, self.budget)
    }
}

impl Trigger {
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
        let count = last.checked_sub(first)?.checked_add(1)?.max(0);
        if count <= limit {
            return Some(None);
        }
        let at = |index: i64| start.at.checked_add_signed(TimeDelta::microseconds(index.checked_mul(period)?));
        let count = count - limit;
        Some(Some(Older { first: at(first)?, last: at(first + count - 1)?, count: count.unsigned_abs(), exact: true }))
    }

    /// What `validate` says, for a trigger at a place in another.
    fn check(&self, path: &str, now: Time, budget: &Budget) -> Result<(), TriggerError> {
        let field = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        if let Core::Or(members) | Core::And(members, _) = &self.core {
            let (mut over, mut first) = (0, None);
            for (index, member) in members.iter().enumerate() {
                match member.check(&field(&format!("triggers[{index}]")), now, budget) {
                    // One of several that has fired all it will: the others go on.
                    Err(error) if matches!(self.core, Core::Or(_)) && member.is_over(now, budget) => {
                        over += 1;
                        first = first.or(Some(error));
                    }
                    checked => checked?,
                }
            }
            if let Some(error) = first.filter(|_| over == members.len()) {
                return Err(error);
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
        let before = before(now);
        let (mut search, mut after, mut times) = (Search::new(self), before, Vec::new());
        while times.len() < if self.options.jitter > 0 { GAPS_CHECKED } else { 1 }
            && let Some((at, _)) = search.find(after, budget)?
        {
            times.push(at);
            after = at;
        }
        if times.is_empty() && self.chains().is_empty() {
            return Err(self.never(&field, before, budget));
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

    /// Whether it has fired, and does not any more.
    fn is_over(&self, now: Time, budget: &Budget) -> bool {
        let fires = |after: Time| Search::new(self).find(after, budget).is_ok_and(|found| found.is_some());
        self.chains().is_empty() && !fires(before(now)) && fires(before(Time::UNIX_EPOCH))
    }

    /// Why it does not fire any more: the first of its bounds without which it would.
    fn never(&self, field: &dyn Fn(&str) -> String, before: Time, budget: &Budget) -> TriggerError {
        let fires = |trigger: &Trigger| Search::new(trigger).find(before, budget).is_ok_and(|found| found.is_some());
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

/// Fires one after another.
#[derive(Debug)]
pub struct Fires<'a> {
    asked: Asked<'a>,
    search: Search<'a>,
    after: Time,
    /// The offset at the fire before.
    offset: i32,
    first: bool,
    over: bool,
}

impl Iterator for Fires<'_> {
    type Item = Result<Fire, TriggerError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let Asked { trigger, budget } = self.asked;
        let found = budget.pay(cost::FIRE).and_then(|()| self.search.find(self.after, budget));
        match found {
            Ok(Some(found)) => {
                let mut fire = trigger.fire(found);
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
