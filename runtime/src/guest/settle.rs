//! Where a run pays for its host calls, and how its slices go on across them.

use super::Guest;
use wasmtime::{AsContextMut, CallHook, StoreContextMut, Trap};

/// Fuel between two yields: at most 2 ms of the slowest code (regular expressions, 2.3 G a second on a slow machine),
/// so that one run cannot hold its process for longer.
const SLICE: u64 = 4_000_000;

/// Where a run is in its slice.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    /// The poll it began in.
    poll: u64,
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
    let (owed, poll) = (guest.meter.take(), guest.meter.polls());
    if owed == 0 && poll == guest.slice.poll {
        return Ok(());
    }
    let left = store.get_fuel()?.saturating_sub(owed);
    if left == 0 {
        store.set_fuel(0)?;
        return Err(Trap::OutOfFuel.into());
    }
    let slice = &mut store.data_mut().slice;
    if poll != slice.poll {
        (slice.poll, slice.ends) = (poll, left.saturating_sub(SLICE));
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
    guest.slice = Slice { poll: guest.meter.polls(), ends: fuel.saturating_sub(SLICE), interval: SLICE };
    store.set_fuel(fuel)?;
    store.fuel_async_yield_interval(Some(SLICE))
}
