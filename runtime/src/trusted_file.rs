//! Files whose content is trusted: machine code, and memory that sandboxes begin as.
//!
//! Such a file must never change while a process has it mapped. So its directory has mode 0700, and it is a regular file
//! that this user or root owns and no other user can write. It is written beside its final path, synced and renamed. Its
//! digest is recorded when it is made, and checked once for each (device, inode, size, mtime, ctime).

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a file is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file or its directory is not trusted.
    #[error("the interpreter cache {path} cannot be trusted: {why}")]
    Untrusted {
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// The content of the file has changed.
    #[error("the file {0} of the interpreter cache is damaged: its digest is not the one that was recorded")]
    Damaged(PathBuf),
    /// The file could not be read.
    #[error("the file {path} of the interpreter cache cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of reading.
        source: io::Error,
    },
}

/// What is known of the content of a file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    sha256: String,
    checked: Option<Identity>,
}

/// As long as these values are the same, the content is the same.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn from_metadata(metadata: &fs::Metadata) -> Self {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Content {
    /// The content that these bytes are.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Content { sha256: hex::encode(Sha256::digest(bytes)), checked: None }
    }

    /// The content that a file has now.
    pub(crate) fn of_file(mut file: &File) -> io::Result<Self> {
        Ok(Content { sha256: digest(&mut file)?, checked: None })
    }

    /// Whether the content was checked since it was recorded.
    #[cfg(test)]
    pub(crate) fn is_checked(&self) -> bool {
        self.checked.is_some()
    }

    /// Compares the digest of a file with the recorded one, unless that was done since the file was changed. Returns true
    /// when it was done now.
    pub(crate) fn check(&mut self, path: &Path, mut file: &File, always: bool) -> Result<bool, TrustError> {
        let unreadable = |source| TrustError::Unreadable { path: path.into(), source };
        let identity = Identity::from_metadata(&file.metadata().map_err(unreadable)?);
        if !always && self.checked.as_ref() == Some(&identity) {
            return Ok(false);
        }
        if digest(&mut file).map_err(unreadable)? != self.sha256 {
            return Err(TrustError::Damaged(path.into()));
        }
        self.checked = Some(identity);
        Ok(true)
    }
}

/// Opens a file that only this user or root can change.
pub(crate) fn open(path: &Path) -> Result<File, TrustError> {
    let unreadable = |source| TrustError::Unreadable { path: path.into(), source };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| unreadable(error.into()))?;
    let file = File::from(file);
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(TrustError::Untrusted { path: path.into(), why: "it is not a regular file".into() });
    }
    check_owner(path, &metadata)?;
    Ok(file)
}

/// Checks that no other user can change a file or directory.
pub(crate) fn check_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), TrustError> {
    let untrusted = |why: &str| Err(TrustError::Untrusted { path: path.into(), why: why.into() });
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own && metadata.uid() != 0 {
        return untrusted("it belongs to another user");
    }
    if metadata.mode() & 0o022 != 0 {
        return untrusted("others may write to it");
    }
    Ok(())
}

/// Writes a file beside `path`, syncs and renames it: a reader of `path` sees the old file or the whole new one.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_by(path, |file| file.write_all(bytes))
}

/// The same for a file whose content `fill` writes.
pub(crate) fn write_by(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    // Two threads can write the same file.
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let count = WRITTEN.fetch_add(1, Relaxed);
    // Nor do two containers have the same, whose processes have the same number.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let beside = beside(path, &format!(".{}.{count}.{now:x}", std::process::id()));
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Readable for all, because images are often built by root and used by other users. Only the owner can write.
    let mut file = File::from(rustix::fs::open(&beside, flags, Mode::from_raw_mode(0o644))?);
    let written = fill(&mut file).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is returned.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Returns the path with an ending more.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn digest(file: &mut &File) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let size = file.read(&mut buffer)?;
        if size == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&buffer[..size]);
    }
}
