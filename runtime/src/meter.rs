//! What host calls cost, in the same fuel as the guest's own instructions.
//!
//! Wasmtime counts instructions, and a host call is one of them however much it does. So each host function notes here
//! what it is about to cost, from its arguments and the state of the run alone, never from time: the same script with the
//! same input uses the same fuel. One hook, [`settle`], takes it from the store when the call returns, ends the run when
//! nothing is left, and makes the run yield when its slice is used up, by instructions and host calls together.

use crate::guest::Guest;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use wasmtime::{AsContextMut, CallHook, StoreContextMut, Trap};

/// Fuel between two yields: at most 2 ms of the slowest code (regular expressions, 2.3 G a second on a slow machine), so
/// that one run cannot hold its process for longer.
pub(crate) const SLICE: u64 = 4_000_000;

// About 6 units are a nanosecond of CPU. Measured on two cores of a server, and rounded up.

/// Any host call: there and back, and a look into a table.
pub(crate) const CALL: u64 = 1_000;
/// A byte that is copied, cleared or looked at; a call copies what it takes or brings two or three times.
const BYTE: u64 = 2;
/// A byte of a random generator.
const RANDOM_BYTE: u64 = 15;
/// A thing that is looked up, made or given back: a name on a path, an entry of a directory, something waited for.
const THING: u64 = 1_000;
/// A question to the node, which costs it a message each way and often a look into its database.
const QUESTION: u64 = 1_000_000;

/// What the host calls of one run have cost and that has not been taken yet.
///
/// A sandbox process has one thread, so the atomics are there only because a store's data must be `Send`.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    owed: AtomicU64,
    /// How often the run was given the thread.
    turns: AtomicU64,
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

    /// A question to the node.
    pub(crate) fn question(&self) {
        self.charge(QUESTION);
    }

    fn charge(&self, fuel: u64) {
        self.owed.store(self.owed.load(Relaxed).saturating_add(fuel), Relaxed);
    }

    /// What is owed; afterwards nothing is.
    pub(crate) fn take(&self) -> u64 {
        self.owed.swap(0, Relaxed)
    }

    /// Polls `run` to its end and notes each turn that it gets.
    pub(crate) async fn count_turns<F: Future>(&self, run: F) -> F::Output {
        let mut run = pin!(run);
        std::future::poll_fn(|context| {
            self.turns.fetch_add(1, Relaxed);
            run.as_mut().poll(context)
        })
        .await
    }
}

/// Where a run is in its slice.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    /// The turn it was begun in.
    turn: u64,
    /// Fuel that is left when it is used up.
    ends: u64,
    /// Fuel after which the store yields as it is set now.
    interval: u64,
}

/// The store's hook: takes what the host call that returns now has cost.
///
/// It is called for the store's own helpers, too, and so at every yield. Those cost nothing here: how many there are
/// depends on time.
pub(crate) fn settle(mut store: StoreContextMut<'_, Guest>, hook: CallHook) -> wasmtime::Result<()> {
    if !matches!(hook, CallHook::ReturningFromHost) {
        return Ok(());
    }
    let guest = store.data();
    let (owed, turn) = (guest.meter.take(), guest.meter.turns.load(Relaxed));
    if owed == 0 && turn == guest.slice.turn {
        return Ok(());
    }
    let left = store.get_fuel()?.saturating_sub(owed);
    if left == 0 {
        store.set_fuel(0)?;
        return Err(Trap::OutOfFuel.into());
    }
    let slice = &mut store.data_mut().slice;
    if turn != slice.turn {
        (slice.turn, slice.ends) = (turn, left.saturating_sub(SLICE));
    }
    // What is left of the slice. When nothing is, the next instruction that looks at the fuel yields, which comes here
    // again and begins the next slice.
    let interval = left.saturating_sub(slice.ends).clamp(1, SLICE);
    if owed > 0 || interval != slice.interval {
        slice.interval = interval;
        store.set_fuel(left)?;
        store.fuel_async_yield_interval(Some(interval))?;
    }
    Ok(())
}

/// Gives a store this much fuel, and its run a new slice.
pub(crate) fn fill(mut store: impl AsContextMut<Data = Guest>, fuel: u64) -> wasmtime::Result<()> {
    let mut store = store.as_context_mut();
    let guest = store.data_mut();
    guest.meter.take();
    guest.slice = Slice { turn: guest.meter.turns.load(Relaxed), ends: fuel.saturating_sub(SLICE), interval: SLICE };
    store.set_fuel(fuel)?;
    store.fuel_async_yield_interval(Some(SLICE))
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
