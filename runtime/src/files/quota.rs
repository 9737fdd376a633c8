//! The quota of the files of one run, and the part that each node takes.

use super::shared::{FileError, Result};
use crate::budget::{Budget, HeldMemory};
use crate::meter::Meter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Most open files and directories at one time.
pub(super) const MAX_DESCRIPTORS: u64 = 256;

/// The memory of a file or directory without its content, in bytes: about the memory that the host needs for it.
pub(super) const NODE_COST: u64 = 512;

/// The memory of an open file, or of a directory that is being read, in bytes.
const HANDLE_COST: u64 = 512;

/// The quota of the files in one part of a run's tree.
pub(super) struct Quota {
    budget: Arc<Budget>,
    meter: Arc<Meter>,
    limit: u64,
    most_nodes: u64,
    used: AtomicU64,
    nodes: AtomicU64,
    open: AtomicU64,
    next_id: AtomicU64,
}

/// The part of the quota that a node has taken. It is given back on drop.
pub(super) struct Charge {
    quota: Arc<Quota>,
    bytes: AtomicU64,
}

impl Charge {
    pub(super) fn new(quota: &Arc<Quota>) -> Result<Self> {
        let nodes = quota.nodes.fetch_add(1, Relaxed);
        let charge = Charge { quota: quota.clone(), bytes: AtomicU64::new(0) };
        // From here on, dropping the charge gives the node back.
        if nodes >= quota.most_nodes {
            return Err(FileError::InsufficientSpace);
        }
        charge.resize(NODE_COST)?;
        Ok(charge)
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.quota.meter
    }

    /// Changes the number of taken bytes.
    pub(super) fn resize(&self, bytes: u64) -> Result<()> {
        let held = self.bytes.load(Relaxed);
        if bytes > held {
            self.quota.take(bytes - held)?;
        } else {
            self.quota.give_back(held - bytes);
        }
        self.bytes.store(bytes, Relaxed);
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.quota.give_back(self.bytes.load(Relaxed));
        self.quota.nodes.fetch_sub(1, Relaxed);
    }
}

impl Quota {
    pub(super) fn new((budget, meter): (Arc<Budget>, Arc<Meter>), limit: u64, most_nodes: u64, first_id: u64) -> Self {
        Quota {
            budget,
            meter,
            limit,
            most_nodes,
            used: AtomicU64::new(0),
            nodes: AtomicU64::new(0),
            open: AtomicU64::new(0),
            next_id: AtomicU64::new(first_id),
        }
    }

    fn take(&self, bytes: u64) -> Result<()> {
        let used = self.used.load(Relaxed).saturating_add(bytes);
        if used > self.limit || !self.budget.take_for_files(bytes) {
            return Err(FileError::InsufficientSpace);
        }
        self.used.store(used, Relaxed);
        Ok(())
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
        self.budget.give_back(bytes);
    }

    pub(super) fn id(&self) -> u64 {
        self.next_id.fetch_add(1, Relaxed)
    }

    /// Returns the meter that charges operations.
    pub(super) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Takes memory for a handle of the guest, until it is dropped.
    pub(super) fn handle(&self) -> Result<HeldMemory> {
        HeldMemory::take(&self.budget, HANDLE_COST).ok_or(FileError::InsufficientMemory)
    }

    /// Counts an open descriptor.
    pub(super) fn open(&self) -> Result<()> {
        if self.open.fetch_add(1, Relaxed) >= MAX_DESCRIPTORS {
            self.open.fetch_sub(1, Relaxed);
            return Err(FileError::TooManyOpen);
        }
        Ok(())
    }

    /// Counts a closed descriptor.
    pub(super) fn close(&self) {
        self.open.fetch_sub(1, Relaxed);
    }
}
