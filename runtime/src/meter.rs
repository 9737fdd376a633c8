//! What host calls cost, in the same fuel as the guest's own instructions.
//!
//! Wasmtime counts instructions, and a host call is one of them however much it does. So each host function notes here
//! what it is about to cost, from its arguments and the state of the run alone, never from time: the same script with the
//! same input uses the same fuel. One hook of the store (`guest::settle`) takes it when the call returns, ends the run when
//! nothing is left, and makes the run yield when its slice is used up, by instructions and host calls together.

use crate::limits::FUEL_PER_SECOND;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The time of CPU that this fuel stands for, in nanoseconds.
pub(crate) fn nanoseconds_of(fuel: u64) -> u64 {
    (fuel as f64 / FUEL_PER_SECOND * 1e9) as u64
}

// About 6 units are a nanosecond of CPU. Measured on two cores of a server, and rounded up.

/// Any host call: there and back, and a look into a table.
const CALL: u64 = 1_000;
/// A byte that is copied, cleared or looked at; a call copies what it takes or brings two or three times.
const BYTE: u64 = 2;
/// A byte of a random generator.
const RANDOM_BYTE: u64 = 15;
/// A thing that is looked up, made or given back: a name on a path, an entry of a directory, something waited for.
const THING: u64 = 1_000;
/// A wait, however short: the thread goes to others and comes back.
const WAIT: u64 = 20_000;
/// A question to the node, which costs it a message each way and often a look into its database.
const QUESTION: u64 = 1_000_000;

/// What the host calls of one run have cost and that has not been taken yet.
///
/// A sandbox process has one thread, so the atomics are there only because a store's data must be `Send`.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    owed: AtomicU64,
    /// How often the run was given the thread.
    polls: AtomicU64,
}

impl Meter {
    /// One host call.
    pub(crate) fn call(&self) {
        self.charge(CALL);
    }

    /// Bytes that are copied, cleared or looked at.
    pub(crate) fn bytes(&self, bytes: usize) {
        self.charge((bytes as u64).saturating_mul(BYTE));
    }

    /// Bytes from a random generator.
    pub(crate) fn random(&self, bytes: u64) {
        self.charge(bytes.saturating_mul(RANDOM_BYTE));
    }

    /// Things that are looked up, made or given back.
    pub(crate) fn things(&self, things: usize) {
        self.charge((things as u64).saturating_mul(THING));
    }

    /// A wait for so many things.
    pub(crate) fn wait(&self, things: usize) {
        self.charge(WAIT);
        self.things(things);
    }

    /// A question to the node.
    pub(crate) fn question(&self) {
        self.charge(QUESTION);
    }

    /// Work whose price was worked out elsewhere.
    pub(crate) fn work(&self, fuel: u64) {
        self.charge(fuel);
    }

    fn charge(&self, fuel: u64) {
        self.owed.store(self.owed.load(Relaxed).saturating_add(fuel), Relaxed);
    }

    /// What is owed; afterwards nothing is.
    pub(crate) fn take(&self) -> u64 {
        self.owed.swap(0, Relaxed)
    }

    /// How often the run was given the thread so far.
    pub(crate) fn polls(&self) -> u64 {
        self.polls.load(Relaxed)
    }

    /// Polls `run` to its end and notes each time that it is polled.
    pub(crate) async fn count_polls<F: Future>(&self, run: F) -> F::Output {
        let mut run = pin!(run);
        std::future::poll_fn(|context| {
            self.polls.fetch_add(1, Relaxed);
            run.as_mut().poll(context)
        })
        .await
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
