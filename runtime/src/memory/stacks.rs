//! The stacks of sandboxes, which are used again.

use super::PAGE;
use super::region::{Region, page_faults};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::{StackCreator, StackMemory};

/// Bytes at a stack's top that are cleared when its sandbox ends; the rest goes back to the kernel.
const KEPT: usize = 64 << 10;
/// Most stacks that wait for a sandbox.
const MOST_FREE: usize = 32;

/// Makes stacks, and keeps those of ended sandboxes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stacks {
    free: Arc<Mutex<Vec<Region>>>,
}

/// The stack of one sandbox: a guard page, and above it the stack itself.
struct Stack {
    /// None only while it is dropped.
    region: Option<Region>,
    size: usize,
    /// The number of page faults when it was handed out.
    faults: u64,
    home: Stacks,
}

impl Stacks {
    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Region>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
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
        Ok(Box::new(Stack { region: Some(region), size, faults: page_faults(), home: self.clone() }))
    }
}

impl Stack {
    fn address(&self, offset: usize) -> *mut u8 {
        self.region.as_ref().map_or(std::ptr::null_mut(), |region| region.address(offset))
    }
}

// SAFETY: the ranges are those of the region, which this value owns: it stays mapped until the value is dropped.
unsafe impl StackMemory for Stack {
    fn top(&self) -> *mut u8 {
        self.address(PAGE + self.size)
    }

    fn range(&self) -> Range<usize> {
        self.address(PAGE).addr()..self.address(PAGE + self.size).addr()
    }

    fn guard_range(&self) -> Range<*mut u8> {
        self.address(0)..self.address(PAGE)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let Some(mut region) = self.region.take() else { return };
        let end = PAGE + self.size;
        let kept = end - KEPT.min(self.size);
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
