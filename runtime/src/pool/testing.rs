//! What tests of a pool look at.

use super::Pool;
use crate::harden::Hardening;

/// The insides of a pool, for tests. Not a part of the interface.
pub trait Inspect {
    /// Returns the numbers of the sandbox processes that are up.
    fn process_ids(&self) -> Vec<u32>;
    /// Returns the measures in force in the egress process, when it is up.
    fn egress_hardening(&self) -> Option<Hardening>;
    /// Returns the number of the egress process, when there is one.
    fn egress_id(&self) -> Option<u32>;
}

impl Inspect for Pool {
    fn process_ids(&self) -> Vec<u32> {
        self.lock().processes.values().filter(|process| process.up).map(|process| process.pid).collect()
    }

    fn egress_hardening(&self) -> Option<Hardening> {
        self.lock().egress.as_ref().and_then(|egress| egress.hardening.clone())
    }

    fn egress_id(&self) -> Option<u32> {
        self.lock().egress.as_ref().map(|egress| egress.pid)
    }
}
