//! The price of host calls, in the same fuel as the guest's instructions.
//!
//! The guest counts its own work, in which a host call is one call whatever it does. So each host function notes its
//! price here. The price depends on the arguments and the state of the run, never on time: the same script with the
//! same input uses the same fuel. The guest asks for the price before its next call (`guest::fuel`).

use crate::limits::FUEL_PER_SECOND;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Returns the CPU time of this much fuel, in nanoseconds.
pub(crate) fn nanoseconds_of(fuel: u64) -> u64 {
    (fuel as f64 / FUEL_PER_SECOND * 1e9) as u64
}

// About 6 units are a nanosecond of CPU. Measured on two cores of a server, and rounded up.

/// A host call: the switch there and back, and a lookup in a table.
const CALL: u64 = 1_000;
/// A byte that is copied, cleared or read. A call copies its data two or three times.
const BYTE: u64 = 2;
/// A byte of a random generator.
const RANDOM_BYTE: u64 = 15;
/// An object that is looked up, made or released: a name in a path, an entry of a directory, something waited for.
const THING: u64 = 1_000;
/// A wait, however short: another run gets the thread meanwhile.
const WAIT: u64 = 20_000;
/// A question to the node: a message each way, and often a query of its database.
const QUESTION: u64 = 1_000_000;

/// The fuel that the host calls of one run have cost and that is not taken yet.
///
/// A sandbox process has one thread, so the atomics are there only because a store's data must be `Send`.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    owed: AtomicU64,
}

impl Meter {
    /// Charges a host call.
    pub(crate) fn call(&self) {
        self.charge(CALL);
    }

    /// Charges bytes that are copied, cleared or read.
    pub(crate) fn bytes(&self, bytes: usize) {
        self.charge((bytes as u64).saturating_mul(BYTE));
    }

    /// Charges bytes from a random generator.
    pub(crate) fn random(&self, bytes: u64) {
        self.charge(bytes.saturating_mul(RANDOM_BYTE));
    }

    /// Charges objects that are looked up, made or released.
    pub(crate) fn things(&self, things: usize) {
        self.charge((things as u64).saturating_mul(THING));
    }

    /// Charges a wait for so many objects.
    pub(crate) fn wait(&self, things: usize) {
        self.charge(WAIT);
        self.things(things);
    }

    /// Charges a question to the node.
    pub(crate) fn question(&self) {
        self.charge(QUESTION);
    }

    /// Charges work whose price was computed elsewhere.
    pub(crate) fn work(&self, fuel: u64) {
        self.charge(fuel);
    }

    fn charge(&self, fuel: u64) {
        self.owed.store(self.owed.load(Relaxed).saturating_add(fuel), Relaxed);
    }

    /// Returns the fuel that is owed, and sets it to 0.
    pub(crate) fn take(&self) -> u64 {
        self.owed.swap(0, Relaxed)
    }

    /// Returns the fuel that is owed.
    pub(crate) fn owed(&self) -> u64 {
        self.owed.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_owed_adds_up_and_never_wraps() {
        let meter = Meter::default();
        meter.call();
        meter.bytes(10);
        meter.things(2);
        assert_eq!(meter.take(), CALL + 10 * BYTE + 2 * THING);
        meter.random(u64::MAX);
        meter.question();
        assert_eq!((meter.take(), meter.take()), (u64::MAX, 0));
    }
}
