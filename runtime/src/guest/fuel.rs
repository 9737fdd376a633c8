//! The fuel of a run.
//!
//! The guest counts its work itself: the merge puts a meter into it (`python-wasm/merge/src/meter.rs`). It takes the price
//! of each piece of code off its slice, and asks here when the slice is used up. Here is the rest of the fuel, which the
//! guest does not see. What the guest says is used of a slice is what its code counts: no script can change it, short of a
//! fault in wasmtime.
//!
//! Slices depend on the fuel that was used, never on time. So does the point at which a run is out of fuel.

use super::Guest;
use std::task::Poll;
use wasmtime::{StoreContextMut, Trap};

/// Fuel between two yields: at most 2 ms of the slowest code (regular expressions, 2.3 G a second on a slow machine),
/// so that one run cannot hold its process for longer.
const SLICE: i64 = 4_000_000;

/// The fuel of a run.
#[derive(Debug, Default)]
pub(crate) struct Fuel {
    /// What is left of the slice, as the guest said last. Negative when more was used than the slice had.
    slice: i64,
    /// What is left behind the slice.
    rest: i64,
    /// The whole fuel from now on, when the guest has not begun it yet.
    filled: Option<i64>,
}

impl Guest {
    /// Sets the fuel that is left.
    pub(crate) fn fill(&mut self, fuel: u64) {
        self.meter.take();
        self.fuel.filled = Some(i64::try_from(fuel).unwrap_or(i64::MAX));
    }

    /// Returns the fuel that is left, as of the last host call or slice. The guest says what is left before each host call,
    /// so it is exact in one, and exact at the end.
    pub(crate) fn fuel_left(&self) -> u64 {
        let left = self.fuel.filled.unwrap_or(self.fuel.slice.saturating_add(self.fuel.rest));
        u64::try_from(left).unwrap_or(0).saturating_sub(self.meter.owed())
    }

    /// Takes the price of the last host calls. An error when the fuel is used up.
    fn settle(&mut self, slice: i64) -> wasmtime::Result<()> {
        let owed = i64::try_from(self.meter.take()).unwrap_or(i64::MAX);
        match self.fuel.filled.take() {
            Some(fuel) => self.fuel = Fuel { slice: 0, rest: fuel.saturating_sub(owed), filled: None },
            None => self.fuel.slice = slice.saturating_sub(owed),
        }
        if self.fuel.slice.saturating_add(self.fuel.rest) < 0 {
            return Err(Trap::OutOfFuel.into());
        }
        Ok(())
    }

    /// Begins a slice.
    fn next_slice(&mut self) {
        let left = self.fuel.slice.saturating_add(self.fuel.rest);
        self.fuel.slice = left.min(SLICE);
        self.fuel.rest = left - self.fuel.slice;
    }
}

/// Takes the price of the host calls before, with what is left of the guest's slice. Returns what is left then.
pub(super) fn settle(mut store: StoreContextMut<'_, Guest>, (slice,): (i64,)) -> wasmtime::Result<(i64,)> {
    let guest = store.data_mut();
    let begins = guest.fuel.filled.is_some();
    guest.settle(slice)?;
    if begins {
        guest.next_slice();
    }
    Ok((guest.fuel.slice,))
}

/// Lets other runs have the thread, and returns the next slice.
pub(super) async fn refuel(mut store: StoreContextMut<'_, Guest>, slice: i64) -> wasmtime::Result<(i64,)> {
    store.data_mut().settle(slice)?;
    yield_once().await;
    let guest = store.data_mut();
    guest.next_slice();
    Ok((guest.fuel.slice,))
}

/// Yields: woken while it is polled, which is no wait (`crate::fair_share`).
async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A guest that has begun with so much fuel.
    fn begun(fuel: u64) -> Guest {
        let mut guest = Guest::waiting(1 << 20);
        guest.fill(fuel);
        assert_eq!(guest.fuel_left(), fuel);
        // What is left of a slice before the first one does not count.
        guest.settle(1 << 62).expect("it has fuel");
        guest.next_slice();
        guest
    }

    fn is_out_of_fuel(ended: wasmtime::Result<()>) -> bool {
        ended.is_err_and(|error| matches!(error.downcast_ref(), Some(Trap::OutOfFuel)))
    }

    #[test]
    fn what_slices_and_host_calls_use_is_taken_from_the_whole() {
        let mut guest = begun(10_000_000);
        assert_eq!((guest.fuel.slice, guest.fuel.rest), (SLICE, 10_000_000 - SLICE));
        guest.settle(SLICE - 100).expect("it has fuel");
        assert_eq!(guest.fuel_left(), 10_000_000 - 100);
        guest.meter.work(5_000_000);
        assert_eq!(guest.fuel_left(), 5_000_000 - 100);
        // The host call took more than the slice: the next look begins another one.
        guest.settle(SLICE - 100).expect("it has fuel");
        assert_eq!(guest.fuel.slice, SLICE - 100 - 5_000_000);
        guest.settle(guest.fuel.slice - 900).expect("it has fuel");
        guest.next_slice();
        assert_eq!((guest.fuel_left(), guest.fuel.slice), (4_999_000, SLICE));
    }

    #[test]
    fn the_last_unit_can_be_used_and_no_more() {
        let mut guest = begun(1_000);
        assert_eq!((guest.fuel.slice, guest.fuel.rest), (1_000, 0));
        guest.settle(0).expect("all of it is used, and no more");
        assert_eq!(guest.fuel_left(), 0);
        assert!(is_out_of_fuel(guest.settle(-1)));
        let mut guest = begun(1_000);
        guest.meter.work(u64::MAX);
        assert_eq!(guest.fuel_left(), 0);
        assert!(is_out_of_fuel(guest.settle(1_000)));
    }

    #[test]
    fn fuel_that_is_filled_again_replaces_what_was_left() {
        let mut guest = begun(1_000);
        guest.settle(10).expect("it has fuel");
        guest.meter.call();
        guest.fill(2_000);
        assert_eq!(guest.fuel_left(), 2_000);
        guest.settle(3).expect("it has fuel");
        guest.next_slice();
        assert_eq!((guest.fuel.slice, guest.fuel.rest), (2_000, 0));
    }
}
