//! When a run is tried again.

use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;

/// What happens to an attempt that was lost with its node or sandbox process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLost {
    /// It is tried again, at most three times.
    #[default]
    Retry,
    /// The run ends `abandoned`: it starts at most once.
    Abandon,
}

/// How delays between attempts grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// Always the same.
    Fixed,
    /// Twice as long each time.
    #[default]
    Exponential,
}

/// How often, when and after what a run is tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retries {
    /// How many more attempts there may be.
    pub count: u32,
    /// The time before the next attempt; doubled each time with exponential backoff. A number is seconds.
    #[serde(default = "ten_seconds", with = "super::duration_text")]
    pub delay: Duration,
    /// How delays grow.
    #[serde(default)]
    pub backoff: Backoff,
    /// The longest delay.
    #[serde(default = "one_hour", with = "super::duration_text")]
    pub max_delay: Duration,
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn one_hour() -> Duration {
    Duration::from_secs(3600)
}

/// Most retries.
pub const MAX_RETRIES: u32 = 100;

/// The longest time between two attempts.
pub const MAX_RETRY_DELAY: Duration = Duration::from_secs(365 * 24 * 3600);

impl Retries {
    /// So many, ten seconds apart at first.
    pub fn count(count: u32) -> Self {
        Retries { count, delay: ten_seconds(), backoff: Backoff::default(), max_delay: one_hour() }
    }

    /// The time before attempt number `attempt` (2 is the first retry), up to a quarter longer by `chance` (0 to 1), so
    /// that runs that failed together do not come back together.
    pub fn delay_before(&self, attempt: u32, chance: f64) -> Duration {
        let doublings = match self.backoff {
            Backoff::Fixed => 0,
            Backoff::Exponential => attempt.saturating_sub(2).min(30),
        };
        // Settings that were kept before delays had a bound are cut here.
        let base = self.delay.saturating_mul(1 << doublings).min(self.max_delay).min(MAX_RETRY_DELAY);
        base.mul_f64(1.0 + 0.25 * chance.clamp(0.0, 1.0))
    }
}

/// `retries = 3`, or the whole table.
pub(crate) fn retries<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Retries>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Count(u32),
        Table(Retries),
    }
    let written = Option::<Written>::deserialize(from)
        .map_err(|_| serde::de::Error::custom("retries is a number, or {count, delay, backoff, max_delay}"))?;
    let retries = written.map(|written| match written {
        Written::Count(count) => Retries::count(count),
        Written::Table(table) => table,
    });
    match &retries {
        Some(retries) if retries.count > MAX_RETRIES => {
            Err(serde::de::Error::custom(format!("at most {MAX_RETRIES} retries are made")))
        }
        _ => Ok(retries),
    }
}
