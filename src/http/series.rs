//! Values over time, gathered into slots; numbers of any size.

use super::problem::Problem;
use crate::chart::Aggregate;
use crate::clock::{Time, from_micros, micros};
use crate::exact::{self, Exact};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most bytes of values that are kept for the slots of one answer.
const MOST: usize = super::answers::MOST / 2;

/// What is known of a slot so far.
#[derive(Debug, Default)]
struct Slot {
    count: u64,
    numbers: u64,
    /// The sum, as long as it is a whole number that fits.
    whole: Option<i128>,
    sum: f64,
    /// The value that is kept: the first, last, least or largest.
    kept: Option<Exact>,
}

/// The slots of an answer.
#[derive(Debug)]
pub(super) struct Slots {
    width: i64,
    aggregate: Aggregate,
    slots: BTreeMap<i64, Slot>,
    /// Bytes of what is kept.
    bytes: usize,
}

impl Slots {
    pub(super) fn new(bucket: Duration, aggregate: Aggregate) -> Self {
        let width = i64::try_from(bucket.as_micros()).unwrap_or(i64::MAX).max(1);
        Slots { width, aggregate, slots: BTreeMap::new(), bytes: 0 }
    }

    /// The number of the slot that an instant is in.
    pub(super) fn number(&self, at: Time) -> i64 {
        micros(at).div_euclid(self.width)
    }

    /// Forgets the last slot, which may have more values, if it is not the only one.
    pub(super) fn drop_last(&mut self) -> bool {
        self.slots.len() > 1 && self.slots.pop_last().is_some()
    }

    /// Adds a value.
    pub(super) fn add(&mut self, at: Time, value: Exact) {
        let number = self.number(at);
        let slot = self.slots.entry(number).or_default();
        slot.count += 1;
        let is_number = value.is_number();
        if is_number {
            let before = if slot.numbers == 0 { Some(0) } else { slot.whole };
            slot.whole = before.zip(value.get().parse::<i128>().ok()).and_then(|(sum, one)| sum.checked_add(one));
            slot.sum += value.get().parse::<f64>().unwrap_or(f64::INFINITY);
            slot.numbers += 1;
        }
        let beats = |wanted: Ordering| {
            is_number
                && slot
                    .kept
                    .as_ref()
                    .is_none_or(|kept| exact::order(value.get(), kept.get()).is_some_and(|it| it == wanted))
        };
        let keeps = match self.aggregate {
            Aggregate::Average | Aggregate::Sum | Aggregate::Count => false,
            Aggregate::First => slot.kept.is_none(),
            Aggregate::Last => true,
            Aggregate::Least => beats(Ordering::Less),
            Aggregate::Most => beats(Ordering::Greater),
        };
        if keeps {
            self.bytes += value.get().len();
            if let Some(before) = slot.kept.replace(value) {
                self.bytes -= before.get().len();
            }
        }
    }

    /// Whether more can be kept.
    pub(super) fn has_room(&self) -> bool {
        self.bytes <= MOST
    }

    /// Each slot's beginning, its value, and how many values it has.
    pub(super) fn values(self) -> impl Iterator<Item = Result<(Time, Exact, u64), Problem>> {
        let (width, aggregate) = (self.width, self.aggregate);
        self.slots.into_iter().map(move |(number, slot)| {
            let count = slot.count;
            Ok((from_micros(number.saturating_mul(width)), slot.value(aggregate)?, count))
        })
    }
}

impl Slot {
    fn value(self, aggregate: Aggregate) -> Result<Exact, Problem> {
        let number = |number: f64| match serde_json::Number::from_f64(number) {
            Some(number) => Ok(Exact::from(serde_json::Value::Number(number))),
            None => {
                let detail = "these values come to more than a float can be: take min, max, first, last or count";
                Err(Problem::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, "too_large_to_add", detail).field("agg"))
            }
        };
        match aggregate {
            Aggregate::Count => Ok(Exact::from(serde_json::Value::from(self.count))),
            Aggregate::First | Aggregate::Last | Aggregate::Least | Aggregate::Most => {
                Ok(self.kept.unwrap_or_default())
            }
            _ if self.numbers == 0 => Ok(Exact::default()),
            Aggregate::Sum => match self.whole {
                Some(sum) => Exact::parse(&sum.to_string()).map_err(|_| Problem::mistake()),
                None => number(self.sum),
            },
            Aggregate::Average => number(self.sum / self.numbers as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service;

    fn of(word: &str, values: &[&str]) -> Result<String, String> {
        let mut slots = Slots::new(Duration::from_secs(1), service::aggregate(word).expect(word));
        for value in values {
            slots.add(from_micros(1_500_000), Exact::parse(value).expect("JSON"));
        }
        let (at, value, count) =
            slots.values().next().expect("a slot").map_err(|problem| problem.error.code.into_owned())?;
        assert_eq!((at, count), (from_micros(1_000_000), values.len() as u64));
        Ok(value.get().to_owned())
    }

    #[test]
    fn the_values_of_a_slot_become_one() {
        let values = ["1", "4", "\"x\"", "2.5"];
        for (word, value) in [
            ("avg", "2.5"),
            ("sum", "7.5"),
            ("min", "1"),
            ("max", "4"),
            ("count", "4"),
            ("first", "1"),
            ("last", "2.5"),
        ] {
            assert_eq!(of(word, &values).as_deref(), Ok(value), "{word}");
        }
        assert_eq!(of("avg", &["\"x\""]).as_deref(), Ok("null"));
        assert!(service::aggregate("median").is_err());
    }

    #[test]
    fn the_last_slot_is_left_to_the_next_part() {
        let mut slots = Slots::new(Duration::from_secs(1), Aggregate::Count);
        slots.add(from_micros(0), Exact::default());
        assert!(!slots.drop_last(), "the only one stays");
        slots.add(from_micros(1_000_000), Exact::default());
        assert!(slots.drop_last());
        assert_eq!(slots.values().count(), 1);
    }

    #[test]
    fn large_integers_stay_whole() {
        let values = ["9007199254740993", "9007199254740992", "36893488147419103232"];
        assert_eq!(of("min", &values).as_deref(), Ok("9007199254740992"));
        assert_eq!(of("max", &values).as_deref(), Ok("36893488147419103232"));
        assert_eq!(of("sum", &values).as_deref(), Ok("36911502545928585217"));
        let huge = format!("1{}", "0".repeat(400));
        assert_eq!(of("max", &[&*huge, "1"]).as_deref(), Ok(&*huge));
        assert_eq!(of("sum", &[&*huge, "1"]), Err("too_large_to_add".to_owned()));
    }
}
