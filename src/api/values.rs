//! Values as answers write them.

use crate::clock::Time;
use serde::Serialize;

pub(super) fn time(at: Time) -> String {
    crate::clock::rfc3339(at)
}

/// A word of a closed set.
pub(super) fn word<T: Serialize>(value: &T) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

/// Milliseconds, to the microsecond.
pub(super) fn millis(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
