//! The clocks of a guest.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// Steps of the guest's monotonic clock.
///
/// Memory accesses of the guest are not protected against speculation (guard pages replace bounds checks), so it gets
/// no clock that is fine enough to measure caches.
pub(crate) const RESOLUTION: Duration = Duration::from_millis(1);

/// A monotonic clock in steps of [`RESOLUTION`], counted from a moment before the run.
pub(crate) struct CoarseClock {
    origin: Instant,
}

impl CoarseClock {
    /// Makes a clock whose zero is `origin`.
    pub(crate) fn since(origin: Instant) -> Self {
        CoarseClock { origin }
    }
}

impl HostMonotonicClock for CoarseClock {
    fn resolution(&self) -> u64 {
        RESOLUTION.as_nanos() as u64
    }

    fn now(&self) -> u64 {
        // The first step is 1, because some programs treat a clock of 0 as not set.
        (self.origin.elapsed().as_millis() as u64 + 1) * RESOLUTION.as_nanos() as u64
    }
}

/// The time of day. (The clock of wasmtime-wasi asks the system for its resolution, which a locked process cannot do,
/// and panics when the call is refused.)
pub(crate) struct PresentTime;

impl HostWallClock for PresentTime {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        // When the host's clock is before 1970, the guest sees 1970.
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_has_a_resolution() {
        assert_eq!(PresentTime.resolution(), Duration::from_nanos(1));
        assert!(PresentTime.now() > Duration::from_secs(1_600_000_000));
    }

    #[test]
    fn it_moves_in_whole_steps() {
        let clock = CoarseClock::since(Instant::now() - Duration::from_micros(2_500));
        let now = clock.now();
        assert_eq!(now % clock.resolution(), 0);
        assert!(now >= 3 * clock.resolution());
    }
}
