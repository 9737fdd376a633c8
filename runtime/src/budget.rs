//! The memory of one run. Linear memory and files share one limit; the peak and the refusals are recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use wasmtime::{Error, ResourceLimiter};

/// The memory account of one run, shared by the interpreter's limiter and the file system.
///
/// A sandbox process has one thread, so the atomics are there only because a store's data must be `Send`.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: AtomicU64,
    linear: AtomicU64,
    files: AtomicU64,
    peak: AtomicU64,
    refusals: AtomicU64,
    /// The last request that was refused, in bytes.
    refused: AtomicU64,
}

impl Budget {
    /// Makes an account with a limit in bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Budget {
            limit: AtomicU64::new(limit),
            linear: AtomicU64::new(0),
            files: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Sets the run's own limit. Until it gets a run, a sandbox has a common limit.
    pub(crate) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Relaxed);
    }

    /// Returns the most bytes that were in use at one time.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Relaxed)
    }

    /// Returns the bytes that are in use outside linear memory.
    pub(crate) fn outside(&self) -> u64 {
        self.files.load(Relaxed)
    }

    /// Returns the number of refused requests.
    pub(crate) fn refusals(&self) -> u64 {
        self.refusals.load(Relaxed)
    }

    /// Takes bytes for a file, or for something else outside linear memory. Returns false, and takes nothing, when the
    /// limit is reached.
    pub(crate) fn take_for_files(&self, bytes: u64) -> bool {
        let files = self.files.load(Relaxed).saturating_add(bytes);
        if files.saturating_add(self.linear.load(Relaxed)) > self.limit.load(Relaxed) {
            return false;
        }
        self.files.store(files, Relaxed);
        self.note_peak();
        true
    }

    /// Takes bytes that the run needs in any case. When they exceed the limit, later requests are refused.
    pub(crate) fn hold(&self, bytes: u64) {
        self.files.store(self.files.load(Relaxed).saturating_add(bytes), Relaxed);
        self.note_peak();
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&self, bytes: u64) {
        let files = self.files.load(Relaxed);
        self.files.store(files.saturating_sub(bytes), Relaxed);
    }

    /// Notes the size that linear memory begins with.
    pub(crate) fn set_linear(&self, bytes: u64) {
        self.linear.store(bytes, Relaxed);
        self.note_peak();
    }

    fn grow_linear(&self, desired: u64) -> bool {
        if desired.saturating_add(self.files.load(Relaxed)) > self.limit.load(Relaxed) {
            self.refuse(desired.saturating_sub(self.linear.load(Relaxed)));
            return false;
        }
        self.linear.store(desired, Relaxed);
        self.note_peak();
        true
    }

    /// Returns the bytes of the last request that was refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    fn refuse(&self, bytes: u64) {
        self.refusals.fetch_add(1, Relaxed);
        self.refused.store(bytes, Relaxed);
    }

    fn note_peak(&self) {
        let used = self.linear.load(Relaxed).saturating_add(self.files.load(Relaxed));
        self.peak.fetch_max(used, Relaxed);
    }
}

/// Host memory that a run holds. It is given back on drop.
#[derive(Debug)]
pub(crate) struct HeldMemory {
    budget: Arc<Budget>,
    bytes: u64,
}

impl HeldMemory {
    /// Takes the bytes, when the run has them left.
    pub(crate) fn take(budget: &Arc<Budget>, bytes: u64) -> Option<Self> {
        budget.take_for_files(bytes).then(|| HeldMemory { budget: budget.clone(), bytes })
    }
}

impl Drop for HeldMemory {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

/// The limiter of one store. The merged interpreter has one memory; the unmerged form has one too, and its tables are
/// fixed at instantiation, so no table ever grows later.
#[derive(Debug)]
pub(crate) struct Limiter {
    pub(crate) budget: Arc<Budget>,
    /// True once the instance is made: from then on tables keep their size.
    pub(crate) tables_fixed: bool,
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool, Error> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            self.budget.refuse(desired.saturating_sub(current) as u64);
            return Ok(false);
        }
        Ok(self.budget.grow_linear(desired as u64))
    }

    fn memory_grow_failed(&mut self, _error: Error) -> Result<(), Error> {
        // Python sees a failed allocation and raises MemoryError; the run is not ended here.
        self.budget.refuse(0);
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, _desired: usize, _maximum: Option<usize>) -> Result<bool, Error> {
        Ok(!self.tables_fixed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_memory_share_the_limit() {
        let budget = Arc::new(Budget::new(100));
        let mut limiter = Limiter { budget: budget.clone(), tables_fixed: true };
        assert!(matches!(limiter.memory_growing(0, 60, None), Ok(true)));
        assert!(budget.take_for_files(40));
        assert!(!budget.take_for_files(1));
        assert!(matches!(limiter.memory_growing(60, 61, None), Ok(false)));
        budget.give_back(40);
        assert!(matches!(limiter.memory_growing(60, 90, None), Ok(true)));
        assert_eq!((budget.peak(), budget.refusals(), budget.outside()), (100, 1, 0));
        budget.hold(30);
        assert!(!budget.take_for_files(1));
        assert!(matches!(limiter.memory_growing(90, 91, None), Ok(false)));
    }

    #[test]
    fn tables_keep_their_size_after_instantiation() {
        let mut limiter = Limiter { budget: Arc::new(Budget::new(1)), tables_fixed: false };
        assert!(matches!(limiter.table_growing(0, 9, None), Ok(true)));
        limiter.tables_fixed = true;
        assert!(matches!(limiter.table_growing(9, 10, None), Ok(false)));
    }
}
