//! Charging the host calls of a run, within its slices of fuel.

use super::Guest;
use wasmtime::{AsContextMut, CallHook, StoreContextMut, Trap};

/// Fuel between two yields: at most 2 ms of the slowest code (regular expressions, 2.3 G a second on a slow machine),
/// so that one run cannot hold its process for longer.
const SLICE: u64 = 4_000_000;

/// The position of a run in its slice.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    /// The poll in which the slice started.
    poll: u64,
    /// The fuel of the run at the end of the slice.
    ends: u64,
    /// The present yield interval of the store.
    interval: u64,
}

/// The hook of the store: takes the price of the host call that returns now.
///
/// It is called for the store's own helpers, too, and so at every yield. These cost nothing, because their number
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
    // The rest of the slice. When there is none, the next check of the fuel yields, which calls this hook and starts
    // the next slice.
    let interval = left.saturating_sub(slice.ends).clamp(1, SLICE);
    if owed > 0 || interval != slice.interval {
        slice.interval = interval;
        store.set_fuel(left)?;
        store.fuel_async_yield_interval(Some(interval))?;
    }
    Ok(())
}

/// Sets the fuel of a store, and starts a new slice.
pub(crate) fn fill(mut store: impl AsContextMut<Data = Guest>, fuel: u64) -> wasmtime::Result<()> {
    let mut store = store.as_context_mut();
    let guest = store.data_mut();
    guest.meter.take();
    guest.slice = Slice { poll: guest.meter.polls(), ends: fuel.saturating_sub(SLICE), interval: SLICE };
    store.set_fuel(fuel)?;
    store.fuel_async_yield_interval(Some(SLICE))
}
