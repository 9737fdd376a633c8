//! Which of two values is larger, and whether they are the same; numbers by their decimal digits.

use super::{Exact, entries, is_number};
use serde_json::value::RawValue;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A number by its digits: `0.d₁d₂d₃… × 10^point`, without zeros at either end; nothing but zeros has no digits.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    point: i128,
    digits: String,
}

impl Decimal {
    fn read(text: &str) -> Option<Self> {
        if !is_number(text) {
            return None;
        }
        let (sign, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i128 = match exponent.trim_start_matches('+').parse() {
            Ok(exponent) => exponent,
            // Further than any other number is.
            Err(_) if exponent.starts_with('-') => i128::MIN / 4,
            Err(_) => i128::MAX / 4,
        };
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let leading = all.len() - digits.len();
        let digits = digits.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Decimal { negative: false, point: 0, digits });
        }
        let point = (exponent.clamp(i128::MIN / 4, i128::MAX / 4)) + whole.len() as i128 - leading as i128;
        Some(Decimal { negative: sign, point, digits })
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Decimal| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let (one, two) = (sign(self), sign(other));
        if one != two || one == 0 {
            return one.cmp(&two);
        }
        let size = self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits));
        if self.negative { size.reverse() } else { size }
    }
}

/// How two numbers, or two texts, stand to one another; numbers by their decimal digits, however long. None for anything else.
pub fn order(one: &str, other: &str) -> Option<Ordering> {
    if let (Some(one), Some(other)) = (Decimal::read(one), Decimal::read(other)) {
        return Some(one.cmp(&other));
    }
    if one.starts_with('"') && other.starts_with('"') {
        let text = |json: &str| serde_json::from_str::<String>(json).ok();
        return Some(text(one)?.cmp(&text(other)?));
    }
    None
}

/// Whether two values are the same: numbers by what they are worth, objects whatever the order of their keys.
pub fn same(one: &str, other: &str) -> bool {
    if let Some(order) = order(one, other) {
        return order == Ordering::Equal;
    }
    if one.starts_with('[') && other.starts_with('[') {
        let items = |json| serde_json::from_str::<Vec<&RawValue>>(json);
        let (Ok(one), Ok(other)) = (items(one), items(other)) else { return false };
        return one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| same(one.get(), other.get()));
    }
    if one.starts_with('{') && other.starts_with('{') {
        let (Ok(one), Ok(other)) = (keyed(one), keyed(other)) else { return false };
        let equal = |(name, value): (&String, &Exact)| other.get(name).is_some_and(|it| same(value.get(), it.get()));
        return one.len() == other.len() && one.iter().all(equal);
    }
    one == other
}

fn keyed(text: &str) -> Result<BTreeMap<String, Exact>, serde_json::Error> {
    Ok(entries(text)?.into_iter().collect())
}
