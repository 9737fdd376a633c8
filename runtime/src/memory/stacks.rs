//! The stacks of sandboxes, which are used again.

use super::PAGE;
use super::place::{Place, WeakPlace};
use super::region::{Region, page_faults};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime::{StackCreator, StackMemory};

/// Bytes at a stack's top that are cleared when its sandbox ends; the rest goes back to the kernel.
const KEPT: usize = 64 << 10;
/// Most stacks that wait for a sandbox.
const MOST_FREE: usize = 32;

/// Makes stacks, and keeps those of ended sandboxes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stacks {
    free: Arc<Mutex<Vec<Region>>>,
    /// Those in use, by their first address.
    used: Arc<Mutex<BTreeMap<usize, WeakPlace<StackRegion>>>>,
}

/// The addresses of a stack: a guard page, and above it the stack itself.
#[derive(Debug)]
pub(super) struct StackRegion {
    pub(super) region: Region,
    size: usize,
}

impl StackRegion {
    /// Returns the range of the stack itself.
    pub(super) fn used(&self) -> Range<usize> {
        PAGE..PAGE + self.size
    }
}

/// The stack of one sandbox.
struct Stack {
    place: Place<StackRegion>,
    range: Range<usize>,
    /// The number of page faults when it was handed out.
    faults: u64,
    home: Stacks,
}

impl Stacks {
    fn free(&self) -> MutexGuard<'_, Vec<Region>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self) -> MutexGuard<'_, BTreeMap<usize, WeakPlace<StackRegion>>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the stack that has an address.
    pub(super) fn find(&self, address: usize) -> Option<Place<StackRegion>> {
        let place = self.used().range(..=address).next_back()?.1.upgrade()?;
        let is_there = place.lock().as_ref().is_some_and(|stack| {
            let (used, start) = (stack.used(), stack.region.address(0).addr());
            (start + used.start..start + used.end).contains(&address)
        });
        is_there.then_some(place)
    }
}

// SAFETY: each stack is a region of its own with a guard page below, page-aligned, zero at first and cleared by `drop`
// before it is handed out again. All have one size, that of the settings.
unsafe impl StackCreator for Stacks {
    fn new_stack(&self, size: usize, _zeroed: bool) -> wasmtime::Result<Box<dyn StackMemory>> {
        let size = size.next_multiple_of(PAGE);
        let free = self.free().pop();
        let region = match free {
            Some(region) => region,
            None => {
                let mut region = Region::reserve(PAGE + size, 0, PAGE)?;
                region.set_access(PAGE..PAGE + size, true)?;
                region
            }
        };
        let start = region.address(PAGE).addr();
        let place = Place::of(StackRegion { region, size });
        self.used().insert(start, place.downgrade());
        Ok(Box::new(Stack { place, range: start..start + size, faults: page_faults(), home: self.clone() }))
    }
}

// SAFETY: the ranges are those of the region, which this value owns: it stays mapped until the value is dropped.
unsafe impl StackMemory for Stack {
    fn top(&self) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(self.range.end)
    }

    fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    fn guard_range(&self) -> Range<*mut u8> {
        std::ptr::with_exposed_provenance_mut(self.range.start - PAGE)
            ..std::ptr::with_exposed_provenance_mut(self.range.start)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.home.used().remove(&self.range.start);
        let Some(StackRegion { mut region, .. }) = self.place.lock().take() else { return };
        let end = PAGE + self.range.len();
        let kept = end - KEPT.min(self.range.len());
        // Below the kept part no page is in memory when a stack is handed out. Without a page fault none has come since.
        let is_clean = page_faults() == self.faults || region.drop_pages(PAGE..kept).is_ok();
        let is_clean = is_clean && region.clear(kept..end).is_ok();
        let mut free = self.home.free();
        if is_clean && free.len() < MOST_FREE {
            free.push(region);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_zero_when_it_is_used_again() {
        const SIZE: usize = 1 << 20;
        let stacks = Stacks::default();
        for _ in 0..3 {
            let stack = stacks.new_stack(SIZE, true).expect("a stack");
            let range = stack.range();
            assert_eq!((range.len(), stack.top().addr()), (SIZE, range.end));
            assert_eq!(stack.guard_range().end.addr(), range.start);
            // SAFETY: the range is the stack's, and nobody else uses it.
            let bytes = unsafe {
                std::slice::from_raw_parts_mut(std::ptr::with_exposed_provenance_mut::<u8>(range.start), range.len())
            };
            assert!(bytes.iter().all(|byte| *byte == 0));
            // All of it, then only the top.
            bytes.fill(7);
        }
        assert_eq!(stacks.free().len(), 1);
    }
}
