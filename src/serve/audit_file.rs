//! A copy of the audit log as a file of JSON lines, for programs that collect logs.

use super::config::{BadSetting, RetentionConfig};
use crate::api::AuditBody;
use crate::audit::AuditEntry;
use crate::store::Store;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Has entries of the audit log that are made on this node written to a file too, if the configuration names one.
///
/// # Errors
/// The file cannot be written.
pub(super) fn keep(store: &Store, config: &RetentionConfig) -> Result<(), BadSetting> {
    let Some(path) = config.audit_file.clone() else { return Ok(()) };
    let refused = |error| BadSetting::new("audit-file", format!("{} cannot be written: {error}", path.display()));
    append(&path, b"").map_err(refused)?;
    let file = Arc::new(AuditFile { path, turn: Mutex::new(()) });
    store.on_audit(move |entries| file.add(entries));
    Ok(())
}

/// The file, which is opened for each change: it can be moved away at any time.
struct AuditFile {
    path: PathBuf,
    /// Held while lines are written: each line is whole.
    turn: Mutex<()>,
}

impl AuditFile {
    /// Adds entries, beside the threads that answer requests: a disk can be slow.
    fn add(self: &Arc<Self>, entries: &[AuditEntry]) {
        let mut lines = Vec::new();
        for entry in entries {
            // Texts, and nothing that JSON could not say.
            let _ = serde_json::to_writer(&mut lines, &AuditBody::from(entry));
            lines.push(b'\n');
        }
        let file = self.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = file.turn.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = append(&file.path, &lines) {
                let path = file.path.display();
                tracing::error!(%error, %path, "the audit file cannot be written; the entries are in the database");
            }
        });
    }
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)?.write_all(bytes)
}
