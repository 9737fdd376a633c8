//! Whether the value of a result passes a test.

use super::condition::Test;
use super::memory::{self, Memory};
use crate::exact::{order, same};
use std::cmp::Ordering;

/// The smallest distance from a median that counts as usual, as a part of the median: values that were all the same have none.
const LEAST_DISTANCE: f64 = 0.01;

/// Whether a value (JSON; none: it is not there, or null) makes a test true; none when that cannot be said: it is not of the kind
/// that is tested, or there is too little to compare with.
pub(super) fn passes(test: &Test, value: Option<&str>, memory: &Memory) -> Option<bool> {
    if let Test::Missing = test {
        return Some(value.is_none());
    }
    let value = value?;
    match test {
        Test::Greater(number) => numbers(value, number.get()).map(Ordering::is_gt),
        Test::Less(number) => numbers(value, number.get()).map(Ordering::is_lt),
        Test::Equal(other) => Some(same(value, other.get())),
        Test::Unequal(other) => Some(!same(value, other.get())),
        Test::Changed(percent) => changed(memory.last()?, value, *percent),
        Test::Outside(least, most) => Some(numbers(value, least.get())?.is_lt() || numbers(value, most.get())?.is_gt()),
        Test::Missing => Some(false),
        Test::Outlier(times) => {
            let (median, distance) = memory.median()?;
            let usual = distance.max(median.abs() * LEAST_DISTANCE);
            Some((number(value)? - median).abs() > times * usual)
        }
    }
}

/// How two numbers compare; none when one is not a number.
fn numbers(one: &str, other: &str) -> Option<Ordering> {
    if one.starts_with('"') { None } else { order(one, other) }
}

/// A JSON number.
pub(super) fn number(value: &str) -> Option<f64> {
    let is_number = value.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    value.parse::<f64>().ok().filter(|number| is_number && number.is_finite())
}

/// Whether a value differs from the one before.
fn changed(before: &str, now: &str, percent: Option<f64>) -> Option<bool> {
    let Some(percent) = percent else {
        let kept = memory::kept(now);
        let is_same =
            if memory::is_hash(before) || memory::is_hash(&kept) { before == kept } else { same(before, now) };
        return Some(!is_same);
    };
    let (before, now) = (number(before)?, number(now)?);
    // Without rounding where the limit is met exactly: from 100 to 105 is 5%, and not more.
    Some((now - before).abs() * 100.0 > percent * before.abs())
}

#[cfg(test)]
mod tests {
    use super::super::condition::Condition;
    use super::*;

    fn judged(text: &str, before: &[&str], value: Option<&str>) -> Option<bool> {
        let condition: Condition = text.parse().expect(text);
        let mut memory = Memory::default();
        before.iter().for_each(|value| memory.add(&condition, value));
        let Condition::Result(_, test) = &condition else { panic!("{text}") };
        passes(test, value, &memory)
    }

    #[test]
    fn tests_of_values() {
        let (yes, no) = (Some(true), Some(false));
        for (text, before, value, passes) in [
            ("/a > 100", &[][..], Some("100"), no),
            ("/a > 100", &[], Some("100.0000000000000000001"), yes),
            ("/a > 100", &[], Some("\"200\""), None),
            ("/a > 100", &[], None, None),
            ("/a > 12345678901234567890123", &[], Some("12345678901234567890124"), yes),
            ("/a < -1", &[], Some("-1e0"), no),
            ("/a < -1", &[], Some("-2"), yes),
            ("/a = ok", &[], Some("\"ok\""), yes),
            ("/a = 1", &[], Some("1.0"), yes),
            ("/a = 1", &[], Some("true"), no),
            ("/a != ok", &[], Some("\"no\""), yes),
            ("/a != ok", &[], None, None),
            ("/a outside 1..2", &[], Some("1"), no),
            ("/a outside 1..2", &[], Some("2.0001"), yes),
            ("/a outside 1..2", &[], Some("0.9"), yes),
            ("/a missing", &[], None, yes),
            ("/a missing", &[], Some("0"), no),
            ("/a changed", &[], Some("1"), None),
            ("/a changed", &["1"], Some("1.0"), no),
            ("/a changed", &["1"], Some("2"), yes),
            ("/a changed", &["{\"a\":1,\"b\":2}"], Some("{\"b\":2,\"a\":1}"), no),
            ("/a changed 5%", &["100"], Some("105"), no),
            ("/a changed 5%", &["100"], Some("105.01"), yes),
            ("/a changed 5%", &["100"], Some("94.9"), yes),
            ("/a changed 5%", &["-100"], Some("-105.01"), yes),
            ("/a changed 5%", &["0"], Some("0.0001"), yes),
            ("/a changed 5%", &["0"], Some("0"), no),
            ("/a changed 5%", &["100"], Some("\"x\""), None),
            ("/a outlier 3", &["1", "2"], Some("900"), None),
            ("/a outlier 3", &["10", "11", "12"], Some("14"), no),
            ("/a outlier 3", &["10", "11", "12"], Some("14.1"), yes),
            ("/a outlier 3", &["100", "100", "100"], Some("103"), no),
            ("/a outlier 3", &["100", "100", "100"], Some("96.9"), yes),
            ("/a outlier 3", &["0", "0", "0"], Some("0.1"), yes),
        ] {
            assert_eq!(judged(text, before, value), passes, "{text} {before:?} {value:?}");
        }
    }

    #[test]
    fn long_values_are_compared_by_their_hash() {
        let long = |end: &str| format!("\"{}{end}\"", "x".repeat(5_000));
        assert_eq!(judged("/a changed", &[&long("a")], Some(&long("a"))), Some(false));
        assert_eq!(judged("/a changed", &[&long("a")], Some(&long("b"))), Some(true));
        assert_eq!(judged("/a changed", &["1"], Some(&long("b"))), Some(true));
    }
}
