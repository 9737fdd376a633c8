//! Finding fires: a trigger that is asked again and again, and remembers what it found.

use super::budget::{Budget, cost};
use super::cron::LAST_YEAR;
use super::moment::{EPOCH, before, beginning};
use super::wall::{Found, Walls};
use super::{Core, Moment, Trigger, TriggerError};
use crate::clock::Time;
use crate::zone::Span;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

/// No fire is later: years are written with four digits.
const LAST: Time = match NaiveDate::from_ymd_opt(LAST_YEAR, 12, 30) {
    Some(date) => date.and_time(NaiveTime::MIN).and_utc(),
    None => EPOCH,
};

/// A trigger that is asked, and the work that may go into it.
///
/// What was found last is remembered at every trigger in it: a member that fires rarely is looked for once, and not again
/// at every step of the others.
#[derive(Debug)]
pub(super) struct Search<'a> {
    trigger: &'a Trigger,
    members: Vec<Search<'a>>,
    /// What was found last and after which instant: true for every instant from there up to what was found.
    known: Option<(Time, Option<Found>)>,
    /// The stretch between changes of the clocks that was looked at last.
    span: Option<Span>,
}

impl<'a> Search<'a> {
    pub fn new(trigger: &'a Trigger) -> Self {
        let members = match &trigger.core {
            Core::And(members, _) | Core::Or(members) => members.iter().map(Search::new).collect(),
            _ => Vec::new(),
        };
        Search { trigger, members, known: None, span: None }
    }

    /// The first fire strictly after an instant, within the bounds that stand on any trigger.
    pub fn find(&mut self, after: Time, budget: &Budget) -> Result<Option<Found>, TriggerError> {
        budget.pay(cost::ASK)?;
        if let Some((since, found)) = self.known
            && since <= after
            && found.is_none_or(|found| found.0 > after)
        {
            return Ok(found);
        }
        let found = self.find_new(after, budget)?;
        self.known = Some((after, found));
        Ok(found)
    }

    fn find_new(&mut self, after: Time, budget: &Budget) -> Result<Option<Found>, TriggerError> {
        let options = &self.trigger.options;
        // Years before 1970 cannot be written, so that nothing is missed.
        let begin = before(options.start.map_or(EPOCH, |start| start.at));
        let mut after = after.max(begin);
        loop {
            let Some(found) = self.find_free(after, budget)? else { return Ok(None) };
            if options.end.is_some_and(|end| found.0 > end.at) {
                return Ok(None);
            }
            if options.exclude.is_empty() {
                return Ok(Some(found));
            }
            budget.pay(cost::LOCAL)?;
            budget.pay_scan(options.exclude.len())?;
            let date = options.zone.clocks(found.0).date();
            let Some(days) = options.exclude.iter().find(|days| (days.first..=days.last).contains(&date)) else {
                return Ok(Some(found));
            };
            // On to the day after; where that was reached before, because clocks are put back over midnight, one by one.
            let Some(next) = days.last.succ_opt() else { return Ok(None) };
            after = found.0.max(before(beginning(&options.zone, next)));
        }
    }

    /// The same, without bounds.
    fn find_free(&mut self, after: Time, budget: &Budget) -> Result<Option<Found>, TriggerError> {
        let options = &self.trigger.options;
        let span = &mut self.span;
        let mut walls = |elapsed, next: &dyn Fn(NaiveDateTime) -> Result<Option<NaiveDateTime>, TriggerError>| {
            Walls { zone: &options.zone, elapsed, dst: options.dst, next, budget }.after(after, span)
        };
        match &self.trigger.core {
            Core::Cron(cron) => walls(cron.elapsed, &|from| cron.next_wall(from, budget)),
            Core::Calendar(calendar) => walls(false, &|from| calendar.next_wall(from, budget)),
            Core::Date(Moment { at, .. }) => Ok((*at > after).then_some((*at, None))),
            Core::Interval(seconds) => Ok(self.step(*seconds, after).map(|at| (at, None))),
            Core::After(_) => Ok(None),
            Core::Or(_) => self.earliest(after, budget),
            Core::And(_, threshold) => self.agreed(TimeDelta::seconds(*threshold), after, budget),
        }
    }

    /// The first fire of any member.
    fn earliest(&mut self, after: Time, budget: &Budget) -> Result<Option<Found>, TriggerError> {
        let mut first: Option<Found> = None;
        for member in &mut self.members {
            let found = member.find(after, budget)?;
            first = match (first, found) {
                (Some(first), Some(found)) if first.0 <= found.0 => Some(first),
                (first, found) => found.or(first),
            };
        }
        Ok(first)
    }

    /// The first time at which all members fire within so much of one another: the earliest of theirs.
    fn agreed(&mut self, threshold: TimeDelta, after: Time, budget: &Budget) -> Result<Option<Found>, TriggerError> {
        let mut after = after;
        loop {
            let mut first: Option<Found> = None;
            let mut last = after;
            for member in &mut self.members {
                let found = member.find(after, budget).map_err(|error| error.in_and(after))?;
                let Some(found) = found else { return Ok(None) };
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
            after = first.0.max(last.checked_sub_signed(threshold).map_or(first.0, before));
        }
    }

    /// The first step of an interval after an instant.
    fn step(&self, seconds: i64, after: Time) -> Option<Time> {
        let start = self.trigger.options.start?.at;
        if after < start {
            return Some(start);
        }
        let period = seconds.checked_mul(1_000_000)?;
        let steps = ((after - start).num_microseconds()? / period).checked_add(1)?;
        start.checked_add_signed(TimeDelta::microseconds(steps.checked_mul(period)?)).filter(|at| *at <= LAST)
    }
}
