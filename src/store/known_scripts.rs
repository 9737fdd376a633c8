//! Scripts that were read, kept for the next run of each: reading one and its JSON costs as much as half of making a run.
//!
//! Only where this program alone writes to the database, on SQLite. The connection that writes tells of every row of the tables
//! that a script is read from, whichever statement or cascade changes it, so no change can be forgotten. What is kept goes after
//! the commit and before whoever made the change hears of it. A reader who began before that keeps nothing.

use super::StoreError;
use crate::script::Script;
use hashlink::LruCache;
use rusqlite::Connection;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most scripts that are kept.
const MOST: usize = 128;

/// Scripts by key.
#[derive(Debug)]
pub(super) struct KnownScripts {
    kept: Mutex<Kept>,
    /// Whether the transaction under way changes any.
    touched: AtomicBool,
}

struct Kept {
    /// How often scripts were changed.
    changes: u64,
    scripts: LruCache<String, Script>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("changes", &self.changes).field("scripts", &self.scripts.len()).finish()
    }
}

impl Default for KnownScripts {
    fn default() -> Self {
        let kept = Kept { changes: 0, scripts: LruCache::new(MOST) };
        KnownScripts { kept: Mutex::new(kept), touched: AtomicBool::new(false) }
    }
}

impl KnownScripts {
    /// Hears of all changes that are made through the one connection that writes.
    pub(super) fn watch(self: &Arc<Self>, writer: &Connection) -> Result<(), StoreError> {
        let known = self.clone();
        writer.update_hook(Some(move |_, _: &str, table: &str, _| {
            if matches!(table, "scripts" | "versions") {
                known.touched.store(true, Ordering::Relaxed);
            }
        }))?;
        Ok(())
    }

    /// A transaction has ended: what is kept goes when it changed a script, or may have.
    pub(super) fn ended(&self) {
        if self.touched.swap(false, Ordering::Relaxed) {
            let mut kept = self.lock();
            kept.changes += 1;
            kept.scripts.clear();
        }
    }

    /// The script of a key, or how many changes there had been before it is read.
    pub(super) fn find(&self, key: &str) -> Result<Script, u64> {
        let mut kept = self.lock();
        let found = kept.scripts.get(key).cloned();
        found.ok_or(kept.changes)
    }

    /// Keeps what was read when there had been so many changes.
    pub(super) fn keep(&self, script: &Script, changes: u64) {
        let mut kept = self.lock();
        if kept.changes == changes {
            kept.scripts.insert(script.key.clone(), script.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
