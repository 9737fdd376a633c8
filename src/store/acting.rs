//! Who a transaction is made for, and where what is entered about it in the audit log goes besides the database.

use crate::audit::{Actor, AuditEntry, actor};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Somebody for whom a transaction is made, and what was entered for them in it.
#[derive(Clone, Debug)]
pub(super) struct Acting {
    pub(super) actor: Arc<Actor>,
    noted: Arc<Mutex<Vec<AuditEntry>>>,
}

impl Acting {
    /// Whoever acts in this task.
    pub(super) fn now() -> Option<Self> {
        actor().map(|actor| Acting { actor, noted: Arc::default() })
    }

    /// Notes what was entered for them.
    pub(super) fn note(&self, entry: AuditEntry) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// The same for a transaction that begins: what an earlier try of it entered is forgotten.
    pub(super) fn begun(&self) -> Self {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.clone()
    }
}

/// Is given entries of the audit log, after they were written.
pub(super) type Sink = Box<dyn Fn(&[AuditEntry]) + Send + Sync>;

/// Where entries go besides the database, if anywhere.
#[derive(Default)]
pub(super) struct AuditSink(OnceLock<Sink>);

impl AuditSink {
    /// Gives on what was entered in a transaction that is committed.
    pub(super) fn tell(&self, acting: Acting) {
        let noted = std::mem::take(&mut *acting.noted.lock().unwrap_or_else(PoisonError::into_inner));
        self.pass_on(&noted);
    }

    /// Names the one who is given them. Only the first call counts.
    pub(super) fn set(&self, sink: Sink) {
        let _ = self.0.set(sink);
    }

    /// Gives entries on that are on disk.
    pub(super) fn pass_on(&self, entries: &[AuditEntry]) {
        if let Some(sink) = self.0.get().filter(|_| !entries.is_empty()) {
            sink(entries);
        }
    }
}

impl fmt::Debug for AuditSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuditSink").field(&self.0.get().is_some()).finish()
    }
}
