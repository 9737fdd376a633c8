//! Calendar intervals: so many years, months, weeks and days from a date, at a time of day.

use super::TriggerError;
use super::budget::{Budget, cost};
use super::cron::LAST_YEAR;
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

/// A calendar interval, by APScheduler's rule: years and months first, keeping the day and passing over months that do
/// not have it; then weeks and days; then the time of day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Calendar {
    pub years: u32,
    pub months: u32,
    pub weeks: u32,
    pub days: u32,
    pub time: NaiveTime,
    /// The first date.
    pub start: NaiveDate,
}

impl Calendar {
    fn step_days(&self) -> i64 {
        i64::from(self.weeks) * 7 + i64::from(self.days)
    }

    fn step_months(&self) -> u32 {
        self.years.saturating_mul(12).saturating_add(self.months)
    }

    /// Whether it goes nowhere.
    pub fn is_zero(&self) -> bool {
        self.step_days() == 0 && self.step_months() == 0
    }

    /// The first local time it names, not before another.
    pub fn next_wall(&self, from: NaiveDateTime, budget: &Budget) -> Result<Option<NaiveDateTime>, TriggerError> {
        // The first date that can be meant.
        let earliest = if self.time < from.time() { from.date().succ_opt() } else { Some(from.date()) };
        let Some(earliest) = earliest else { return Ok(None) };
        let Some(mut date) = self.leap(earliest, budget)? else { return Ok(None) };
        while date < earliest {
            let Some(next) = self.following(date, budget)? else { return Ok(None) };
            date = next;
        }
        Ok((date.year() <= LAST_YEAR).then(|| date.and_time(self.time)))
    }

    /// A date of the series with none that is looked for before it, and close to that where it can be computed: when the
    /// step is months alone or days alone. Otherwise each step moves the day that the next one keeps, and only walking
    /// tells.
    fn leap(&self, earliest: NaiveDate, budget: &Budget) -> Result<Option<NaiveDate>, TriggerError> {
        if earliest <= self.start {
            return Ok(Some(self.start));
        }
        match (self.step_months(), self.step_days()) {
            (0, days) => {
                let passed = (earliest - self.start).num_days() / days.max(1);
                Ok(passed.checked_mul(days).and_then(|days| later(self.start, days)))
            }
            (months, 0) => {
                let index = |date: NaiveDate| i64::from(date.year()) * 12 + i64::from(date.month0());
                let passed = (index(earliest) - index(self.start)) / i64::from(months);
                // Back to a month that has the day.
                for steps in (0..=u32::try_from(passed).unwrap_or_default()).rev() {
                    budget.pay(cost::DAY)?;
                    let found = months.checked_mul(steps).and_then(|months| keeping_day(self.start, months));
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                Ok(None)
            }
            _ => Ok(Some(self.start)),
        }
    }

    /// The date after one of the series.
    fn following(&self, date: NaiveDate, budget: &Budget) -> Result<Option<NaiveDate>, TriggerError> {
        budget.pay(cost::DAY)?;
        let months = self.step_months();
        let mut moved = date;
        if months > 0 {
            let mut steps = 1_u32;
            moved = loop {
                budget.pay(cost::DAY)?;
                let ahead = months.checked_mul(steps).and_then(|all| date.checked_add_months(Months::new(all)));
                let Some(ahead) = ahead.filter(|ahead| ahead.year() <= LAST_YEAR) else { return Ok(None) };
                if ahead.day() == date.day() {
                    break ahead;
                }
                steps += 1;
            };
        }
        Ok(later(moved, self.step_days()).filter(|date| date.year() <= LAST_YEAR))
    }
}

/// The date so many days later, if it can be told.
fn later(date: NaiveDate, days: i64) -> Option<NaiveDate> {
    date.checked_add_signed(TimeDelta::try_days(days)?)
}

/// The same day so many months later, if that month has it.
fn keeping_day(date: NaiveDate, months: u32) -> Option<NaiveDate> {
    date.checked_add_months(Months::new(months)).filter(|later| later.day() == date.day())
}
