//! What happened to runs and schedules, in an order that readers may rely on.

use crate::clock::Time;
use std::fmt;
use std::str::FromStr;

/// Everything that can happen: how runs end (`run_` and the status), and what becomes of schedules.
pub const TYPES: [&str; 22] = [
    "run_succeeded",
    "run_failed",
    "run_timed_out",
    "run_out_of_fuel",
    "run_out_of_memory",
    "run_crashed",
    "run_cancelled",
    "run_abandoned",
    "run_missed",
    "run_skipped",
    "schedule_created",
    "schedule_changed",
    "schedule_paused",
    "schedule_resumed",
    "schedule_finished",
    "schedule_deleted",
    "scheduler_paused",
    "scheduler_resumed",
    "delivery_dead",
    "alert_firing",
    "alert_ok",
    "backup_failed",
];

/// Where an event stands among the others: what comes later is greater, and nothing appears below what a reader has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventPosition {
    /// On PostgreSQL the transaction that wrote it; on SQLite always 0.
    pub place: i64,
    /// Its number among the events of that.
    pub seq: i64,
}

impl fmt::Display for EventPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.place, self.seq)
    }
}

/// A text that names no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no event's id")]
pub struct BadEventId;

impl FromStr for EventPosition {
    type Err = BadEventId;

    fn from_str(text: &str) -> Result<Self, BadEventId> {
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().map_err(|_| BadEventId),
            false => Err(BadEventId),
        };
        let (place, seq) = text.split_once('-').ok_or(BadEventId)?;
        Ok(EventPosition { place: number(place)?, seq: number(seq)? })
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Where it stands.
    pub place: EventPosition,
    /// When it happened.
    pub at: Time,
    /// What: one of [`TYPES`].
    pub type_name: String,
    /// The key of its script; none for source that was sent along, and for the whole scheduler.
    pub script: Option<String>,
    /// The script's name, or that of the source.
    pub name: Option<String>,
    /// The schedule's id.
    pub schedule: Option<String>,
    /// The run.
    pub run: Option<String>,
    /// Why the run was made.
    pub cause: Option<String>,
    /// When its schedule said it was due.
    pub fire_time: Option<Time>,
    /// The last of several fire times that share one row, and how many these are.
    pub fire_until: Option<(Time, u64)>,
    /// Why it happened, where that is not plain; of an alert, its condition.
    pub reason: Option<String>,
    /// The id of the alert that it is about.
    pub alert: Option<String>,
    /// Type and message of what went wrong; none once the run itself is gone.
    pub error: Option<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::STATUSES;

    #[test]
    fn every_way_to_end_is_an_event() {
        for status in STATUSES {
            let type_name = format!("run_{}", status.as_str());
            assert_eq!(TYPES.contains(&&*type_name), status.is_final(), "{type_name}");
        }
    }

    #[test]
    fn places_read_back_and_stand_in_order() {
        let place = EventPosition { place: 7, seq: 12 };
        assert_eq!(place.to_string().parse(), Ok(place));
        assert!(place > EventPosition { place: 7, seq: 9 } && place < EventPosition { place: 8, seq: 1 });
        for bad in ["", "7", "-1", "7-", "+7-1", "7--1", "7-1-2", "99999999999999999999-1"] {
            assert_eq!(bad.parse::<EventPosition>(), Err(BadEventId), "{bad}");
        }
    }
}
