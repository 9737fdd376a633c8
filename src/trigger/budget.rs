//! How much work one computation over a trigger may be.
//!
//! Everything that is looked at is paid for from one [`Budget`]: days, years, members, exclusions, changes of the clocks,
//! steps of an interval. So no trigger, however it is put together, takes longer than the budget lasts.

use super::TriggerError;
use std::cell::Cell;

/// Work that one whole computation may be: about 50 ms of a core. The rarest dates that a calendar has, for 40 years on,
/// are a few thousand.
pub const WHOLE: u64 = 1_500_000;
/// Work of a computation that holds nothing up: about half a millisecond of a core.
pub const QUICK: u64 = 15_000;

/// What looking at something costs, in days looked at (about 30 ns).
pub(super) mod cost {
    /// Asking a trigger, or one in another.
    pub const ASK: u64 = 1;
    /// A day, a month or a year of the calendar, or a step of a calendar interval.
    pub const DAY: u64 = 1;
    /// Where in a zone's changes of the clocks an instant lies.
    pub const CLOCKS: u64 = 20;
    /// Which local time an instant is.
    pub const LOCAL: u64 = 4;
    /// What is told about a fire beside its instant.
    pub const FIRE: u64 = 8;
    /// So many exclusions, or ranges of years, cost as much as a day.
    pub const SCANNED: u64 = 16;
}

/// Work that may still be done. It is handed through a whole computation, whatever that consists of.
#[derive(Clone, Debug)]
pub struct Budget {
    whole: u64,
    left: Cell<u64>,
}

impl Budget {
    /// As much as one whole computation may be.
    pub fn whole() -> Self {
        Self::of(WHOLE)
    }

    /// So much work.
    pub fn of(units: u64) -> Self {
        Budget { whole: units, left: Cell::new(units) }
    }

    /// How much was done.
    pub fn spent(&self) -> u64 {
        self.whole - self.left.get()
    }

    /// Whether less than a part of it is left: a half, a third …
    pub(super) fn is_below(&self, part: u64) -> bool {
        self.left.get() < self.whole / part
    }

    /// Pays for work before it is done. Nothing is left after an error.
    pub(super) fn pay(&self, units: u64) -> Result<(), TriggerError> {
        match self.left.get().checked_sub(units) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                Err(TriggerError::too_costly())
            }
        }
    }

    /// Pays for looking through so many exclusions or ranges.
    pub(super) fn pay_scan(&self, count: usize) -> Result<(), TriggerError> {
        self.pay(cost::DAY + count as u64 / cost::SCANNED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_paid_is_gone() {
        let budget = Budget::of(10);
        budget.pay(7).expect("there is enough");
        assert_eq!((budget.spent(), budget.is_below(2), budget.is_below(4)), (7, true, false));
        assert!(budget.pay(4).expect_err("there is not").too_costly);
        assert!(budget.pay(1).is_err(), "an error is the end");
        assert_eq!(budget.spent(), 10);
    }
}
