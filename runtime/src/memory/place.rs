//! What a sandbox uses and what puts it away while the sandbox waits share.

use super::shelf::Slot;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The place of a memory or of a stack. It is empty before it is made, and after its sandbox has ended.
#[derive(Debug)]
pub(crate) struct Place<T>(Arc<Mutex<Option<T>>>);

impl<T> Place<T> {
    pub(super) fn of(value: T) -> Self {
        Place(Arc::new(Mutex::new(Some(value))))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn downgrade(&self) -> WeakPlace<T> {
        WeakPlace(Arc::downgrade(&self.0))
    }
}

impl<T> Default for Place<T> {
    fn default() -> Self {
        Place(Arc::default())
    }
}

impl<T> Clone for Place<T> {
    fn clone(&self) -> Self {
        Place(self.0.clone())
    }
}

impl Place<Slot> {
    /// Returns the addresses of the memory; none when it is not made yet, or is away.
    pub(crate) fn addresses(&self) -> Option<Range<usize>> {
        let slot = self.lock();
        let slot = slot.as_ref().filter(|slot| !slot.is_away)?;
        let start = slot.address().addr();
        Some(start..start + slot.accessible)
    }
}

/// A place that does not keep it.
#[derive(Debug)]
pub(super) struct WeakPlace<T>(Weak<Mutex<Option<T>>>);

impl<T> WeakPlace<T> {
    pub(super) fn upgrade(&self) -> Option<Place<T>> {
        self.0.upgrade().map(Place)
    }
}
