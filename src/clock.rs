//! What time it is. Rooms are handed a [`Clock`]; only this one asks the system.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// An instant, in UTC, to the microsecond.
pub type Time = DateTime<Utc>;

/// A clock. Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    hands: Arc<Hands>,
}

#[derive(Debug)]
enum Hands {
    /// The system's time.
    System,
    /// A time that was set by hand.
    Manual(Mutex<Time>),
    /// The database's time, carried on by this machine's monotonic clock: a wall clock that jumps changes nothing.
    Database {
        started: Instant,
        /// Microseconds since 1970 at `started`, by the database's last word.
        origin: AtomicI64,
    },
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Clock { hands: Arc::new(Hands::System) }
    }

    /// A clock that shows `now` until it is set.
    pub fn manual(now: Time) -> Self {
        Clock { hands: Arc::new(Hands::Manual(Mutex::new(now.trunc_subsecs(6)))) }
    }

    /// A clock that follows a database's: [`Clock::set`] tells it what that says.
    pub fn database(now: Time) -> Self {
        Clock { hands: Arc::new(Hands::Database { started: Instant::now(), origin: AtomicI64::new(micros(now)) }) }
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        match &*self.hands {
            Hands::System => Utc::now().trunc_subsecs(6),
            Hands::Manual(time) => *time.lock().unwrap_or_else(PoisonError::into_inner),
            Hands::Database { started, origin } => {
                let passed = i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX);
                from_micros(origin.load(Ordering::Relaxed).saturating_add(passed))
            }
        }
    }

    /// Sets a manual clock, or tells one that follows a database what that says; the system's clock is not touched.
    pub fn set(&self, now: Time) {
        match &*self.hands {
            Hands::System => {}
            Hands::Manual(time) => *time.lock().unwrap_or_else(PoisonError::into_inner) = now.trunc_subsecs(6),
            Hands::Database { started, origin } => {
                let passed = i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX);
                origin.store(micros(now).saturating_sub(passed), Ordering::Relaxed);
            }
        }
    }

    /// Moves a manual clock on.
    pub fn advance(&self, by: TimeDelta) {
        self.set(self.now() + by);
    }
}

/// Microseconds since 1970.
pub fn micros(time: Time) -> i64 {
    time.timestamp_micros()
}

/// The instant so many microseconds after 1970; the nearest that can be told when there is none.
pub fn from_micros(micros: i64) -> Time {
    DateTime::from_timestamp_micros(micros).unwrap_or(if micros < 0 { Time::MIN_UTC } else { Time::MAX_UTC })
}

/// The instant so long after another; the last that can be told when it lies beyond that.
pub fn after(time: Time, wait: std::time::Duration) -> Time {
    TimeDelta::from_std(wait).ok().and_then(|wait| time.checked_add_signed(wait)).unwrap_or(Time::MAX_UTC)
}

/// As the API writes times: RFC 3339 with microseconds, in UTC.
pub fn rfc3339(time: Time) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_when_told() {
        let clock = Clock::manual(from_micros(5));
        let same = clock.clone();
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(micros(same.now()), 1_000_005);
    }

    #[test]
    fn a_clock_that_follows_a_database_goes_on_from_its_word() {
        let clock = Clock::database(from_micros(1_000_000_000));
        assert!(micros(clock.now()) >= 1_000_000_000);
        clock.set(from_micros(77_000_000_000));
        let shown = micros(clock.now());
        assert!((77_000_000_000..77_060_000_000).contains(&shown), "{shown}");
    }

    #[test]
    fn times_are_written_in_one_way() {
        assert_eq!(rfc3339(from_micros(1_500)), "1970-01-01T00:00:00.001500Z");
        assert_eq!(from_micros(i64::MAX), Time::MAX_UTC);
    }
}
