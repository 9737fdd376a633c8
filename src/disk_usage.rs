//! How much room the data takes on this machine, and a word when it becomes too little.

use crate::quantity;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The part of its disk that may be in use before there are warnings.
const FULL: f64 = 0.9;
/// How often it is looked at.
const ROUND: Duration = Duration::from_secs(60);

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Bytes of all files of the data directory.
    pub data: u64,
    /// Bytes of its disk.
    pub disk: u64,
    /// Bytes of its disk that can still be written.
    pub free: u64,
    /// What somebody should know: a sentence.
    pub warning: Option<String>,
}

/// A data directory that is looked at from time to time.
#[derive(Clone, Debug)]
pub struct Space {
    path: Arc<PathBuf>,
    max_data: u64,
    found: watch::Sender<Found>,
}

impl Space {
    /// Looks at this directory; from `max_data` bytes on there are warnings.
    pub fn new(path: PathBuf, max_data: u64) -> Self {
        Space { path: Arc::new(path), max_data, found: watch::Sender::new(Found::default()) }
    }

    /// What was found last.
    pub fn found(&self) -> Found {
        self.found.borrow().clone()
    }

    /// What somebody should know: a sentence.
    pub fn warning(&self) -> Option<String> {
        self.found.borrow().warning.clone()
    }

    /// Looks now, and until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            self.look().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
        }
    }

    /// Looks now.
    pub async fn look(&self) {
        let (path, max_data) = (self.path.clone(), self.max_data);
        // A task that only reads directories does not end otherwise.
        let Ok(found) = tokio::task::spawn_blocking(move || look(&path, max_data)).await else { return };
        if let Some(warning) = &found.warning
            && self.found.borrow().warning.is_none()
        {
            tracing::warn!(data_bytes = found.data, free_bytes = found.free, "{warning}");
        }
        self.found.send_replace(found);
    }
}

fn look(path: &Path, max_data: u64) -> Found {
    let mut found = Found { data: size_of(path), ..Found::default() };
    if let Ok(disk) = rustix::fs::statvfs(path) {
        found.disk = disk.f_blocks.saturating_mul(disk.f_frsize);
        found.free = disk.f_bavail.saturating_mul(disk.f_frsize);
    }
    let keep = "let go of old runs (--keep-runs, --keep-count, --keep-bytes, or keep of a script) or make room";
    if found.disk > 0 && found.free as f64 <= found.disk as f64 * (1.0 - FULL) {
        found.warning = Some(format!(
            "the disk of the data directory is nearly full: {} of {} are free; when it is full, requests are refused; {keep}",
            quantity::bytes(found.free),
            quantity::bytes(found.disk),
        ));
    } else if found.data > max_data {
        found.warning = Some(format!(
            "the data directory has {}, more than {} (--max-data); nothing is deleted for that; {keep}",
            quantity::bytes(found.data),
            quantity::bytes(max_data),
        ));
    }
    found
}

/// Bytes of all files below; what goes away meanwhile counts for nothing.
fn size_of(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// Less room than this, in bytes, is none: a database needs some pages to be opened.
const NONE: u64 = 256 << 10;

/// Whether the disk of a folder has no room left.
pub fn is_full(folder: &Path) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_directory_is_told_of() {
        let directory = std::env::temp_dir().join(format!("cronbox-space-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("below")).expect("made");
        std::fs::write(directory.join("below/file"), [0; 3000]).expect("written");
        let small = look(&directory, 3000);
        assert_eq!((small.data, small.disk > 0), (3000, true));
        assert!(small.warning.is_none_or(|warning| warning.contains("nearly full")));
        let large = look(&directory, 2999).warning.expect("a warning");
        assert!(large.contains("--max-data") || large.contains("nearly full"), "{large}");
        std::fs::remove_dir_all(&directory).expect("removed");
    }
}
