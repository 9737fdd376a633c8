//! The waits of a guest in which its memory can be put away (`crate::memory`).

use super::Channel;
use crate::files;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wasmtime::component::ResourceTable;

/// Tells whether a guest waits in a host call, and on which stack.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// An address on the stack of the wait; 0 when there is none.
    on_stack: AtomicUsize,
}

impl Waits {
    /// Returns an address on the stack of the guest, when it waits without open files and connections.
    pub(crate) fn on_stack(&self) -> Option<usize> {
        let address = self.on_stack.load(Relaxed);
        (address != 0).then_some(address)
    }

    /// Notes that the guest waits until the value is dropped. Nothing is noted when it has files or connections open.
    pub(super) fn begin(self: &Arc<Self>, table: &mut ResourceTable) -> Waiting {
        let holds = table.iter_mut().any(|entry| (*entry).is::<Channel>() || files::is_open_file(entry));
        if !holds {
            self.on_stack.store(address_on_stack(), Relaxed);
        }
        Waiting { waits: self.clone() }
    }
}

/// A wait of a guest.
pub(super) struct Waiting {
    waits: Arc<Waits>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waits.on_stack.store(0, Relaxed);
    }
}

/// Returns an address on the stack on which this is called.
#[inline(never)]
fn address_on_stack() -> usize {
    let here = 0_u8;
    black_box(&raw const here).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_noted_while_it_lasts() {
        let (waits, mut table) = (Arc::new(Waits::default()), ResourceTable::new());
        assert_eq!(waits.on_stack(), None);
        table.push(7_u8).expect("there is room");
        let waiting = waits.begin(&mut table);
        let here = 0_u8;
        let distance = waits.on_stack().expect("it waits").abs_diff((&raw const here).addr());
        assert!(distance < 64 << 10, "{distance}");
        drop(waiting);
        assert_eq!(waits.on_stack(), None);
    }
}
