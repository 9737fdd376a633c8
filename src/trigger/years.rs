//! Kinds of years: all years of a kind have the same weekdays and ISO weeks on the same dates.

use chrono::{Datelike, NaiveDate, Weekday};
use std::sync::OnceLock;

/// How many kinds there are: by the weekday on which a year begins, and by whether it or the year before is a leap year,
/// which tells the ISO week of its first days.
const KINDS: usize = 21;
/// The calendar repeats after 400 years, weekdays and ISO weeks too: what is not found in them never comes.
const CYCLE: std::ops::Range<i32> = 2000..2400;

/// The kind of a year.
pub(super) fn kind(year: i32) -> usize {
    let is_leap = |year: i32| NaiveDate::from_ymd_opt(year, 2, 29).is_some();
    let begins = NaiveDate::from_ymd_opt(year, 1, 1).map_or(Weekday::Mon, |day| day.weekday());
    let leap = if is_leap(year) { 1 } else { 2 * usize::from(is_leap(year - 1)) };
    begins.num_days_from_monday() as usize * 3 + leap
}

/// A year of each kind that there is.
pub(super) fn representatives() -> impl Iterator<Item = (usize, i32)> {
    static YEARS: OnceLock<[Option<i32>; KINDS]> = OnceLock::new();
    let years = YEARS.get_or_init(|| {
        let mut years = [None; KINDS];
        for year in CYCLE {
            if let Some(found) = years.get_mut(kind(year)) {
                *found = Some(year);
            }
        }
        years
    });
    years.iter().enumerate().filter_map(|(kind, year)| Some((kind, (*year)?)))
}

/// A set of kinds that is computed when it is first asked for. It follows from what is beside it: all are equal.
#[derive(Clone, Debug, Default)]
pub(super) struct Kinds(OnceLock<u32>);

impl Kinds {
    pub fn get(&self, compute: impl FnOnce() -> u32) -> u32 {
        *self.0.get_or_init(compute)
    }
}

impl PartialEq for Kinds {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Kinds {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_of_a_kind_are_alike() {
        let days = |year: i32| {
            let first = NaiveDate::from_ymd_opt(year, 1, 1).expect("a date");
            let all = first.iter_days().take_while(move |day| day.year() == year);
            all.map(|day| (day.ordinal(), day.month(), day.weekday(), day.iso_week().week())).collect::<Vec<_>>()
        };
        let known: Vec<_> = representatives().map(|(kind, year)| (kind, days(year))).collect();
        assert_eq!(known.len(), KINDS);
        for year in 1970..2370 {
            let (_, like) = known.iter().find(|(known, _)| *known == kind(year)).expect("a kind");
            assert!(*like == days(year), "{year}");
        }
    }
}
