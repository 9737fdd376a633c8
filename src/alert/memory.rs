//! What an alert remembers of the runs that it has seen, so that it need not look for them again.

use super::condition::{Condition, Test};
use crate::clock::Time;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;

/// Of how many runs that succeeded a value is remembered.
pub const KEPT: usize = 20;
/// Fewest values that have a median worth comparing with.
pub(super) const FEWEST: usize = 3;
/// Longest value that is remembered as it is, in bytes of JSON; of a longer one its hash is.
const LONGEST: usize = 1_024;
/// What a hash begins with: JSON never does.
const HASH: char = '#';

/// What an alert remembers of one subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// How many runs in a row did not succeed.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// When a run last succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub succeeded_at: Option<Time>,
    /// Values of the last runs that succeeded, oldest first: JSON, or a hash of it.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    values: VecDeque<String>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Memory {
    /// The last value.
    pub(super) fn last(&self) -> Option<&str> {
        self.values.back().map(String::as_str)
    }

    /// Adds a value, and forgets what no condition of this kind compares with.
    pub(super) fn add(&mut self, condition: &Condition, value: &str) {
        let most = if matches!(condition, Condition::Result(_, Test::Changed(_))) { 1 } else { KEPT };
        self.values.push_back(kept(value));
        while self.values.len() > most {
            self.values.pop_front();
        }
    }

    /// The median of the values that are numbers, and the median of their distances from it; none when they are too few.
    pub(super) fn median(&self) -> Option<(f64, f64)> {
        let numbers: Vec<f64> = self.values.iter().filter_map(|value| value.parse().ok()).collect();
        if numbers.len() < FEWEST {
            return None;
        }
        let middle = median(numbers.clone())?;
        let distance = median(numbers.iter().map(|number| (number - middle).abs()).collect())?;
        Some((middle, distance))
    }
}

/// A value as it is remembered.
pub(super) fn kept(value: &str) -> String {
    if value.len() <= LONGEST {
        return value.to_owned();
    }
    format!("{HASH}{}", hex::encode(Sha256::digest(value.as_bytes())))
}

/// Whether a remembered value is a hash.
pub(super) fn is_hash(value: &str) -> bool {
    value.starts_with(HASH)
}

/// The number in the middle, or the mean of the two there.
fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.retain(|number| number.is_finite());
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    let upper = *numbers.get(half)?;
    if numbers.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *numbers.get(half.checked_sub(1)?)?;
    Some(lower / 2.0 + upper / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(vec![f64::NAN, f64::INFINITY, 7.0]), Some(7.0));
    }

    #[test]
    fn what_is_remembered_reads_back_and_has_a_bound() {
        let condition: Condition = "/a outlier 5".parse().expect("a condition");
        let mut memory = Memory::default();
        for number in 0..50 {
            memory.add(&condition, &number.to_string());
        }
        memory.add(&condition, &"x".repeat(2_000));
        let text = serde_json::to_string(&memory).expect("writes");
        assert!(text.len() < 300, "{text}");
        assert_eq!(serde_json::from_str::<Memory>(&text).expect("reads"), memory);
        assert_eq!(memory.values.len(), KEPT);
        assert!(memory.last().is_some_and(is_hash));
        assert_eq!(memory.median(), Some((40.0, 5.0)), "the hash is not a number");
        assert_eq!(serde_json::to_string(&Memory::default()).expect("writes"), "{}");
    }
}
