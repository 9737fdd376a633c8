//! A script's source and files, in one block of memory that never changes.
//!
//! The node makes a bundle once, in a sealed memfd. Every sandbox process that needs it receives the descriptor and
//! maps the same pages. Layout: magic, number of files (u32), then for each file the length of its path (u32), the
//! path, the length of its content (u64); then the contents in the same order. Numbers are little-endian.

use crate::limits::{MAX_DEPTH, MAX_NAME, MAX_PATH};
use crate::sealed::Sealed;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"cronbox1";
/// Most files in a bundle.
const MAX_FILES: usize = 16_384;

/// An error in a bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A path that is empty, absolute, leaves the bundle, repeats another, or is too long.
    #[error("the bundle cannot hold a file named {0:?}")]
    BadPath(String),
    /// Too many files.
    #[error("the bundle has {0} files; at most {MAX_FILES} fit")]
    TooManyFiles(usize),
    /// The bytes are not a bundle.
    #[error("not a bundle")]
    Malformed,
    /// The kernel refused the memory.
    #[error("no memory for the bundle")]
    Memory(#[from] std::io::Error),
}

/// The SHA-256 of a bundle, which names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleHash([u8; 32]);

impl BundleHash {
    /// Returns the hash as 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        BundleHash(bytes)
    }
}

impl fmt::Debug for BundleHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// A script's files. They never change.
#[derive(Debug)]
pub struct Bundle {
    memory: Sealed,
    files: Vec<(String, Range<usize>)>,
    hash: BundleHash,
}

impl Bundle {
    /// Packs files into new sealed memory. Paths are relative to `/app` and use `/`.
    pub fn of_files(files: &[(&str, &[u8])]) -> Result<Self, BundleError> {
        if files.len() > MAX_FILES {
            return Err(BundleError::TooManyFiles(files.len()));
        }
        check_paths(files.iter().map(|(path, _)| *path))?;
        let mut bytes = Vec::new();
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(files.len() as u32).to_le_bytes());
        for (path, content) in files {
            bytes.extend_from_slice(&(path.len() as u32).to_le_bytes());
            bytes.extend_from_slice(path.as_bytes());
            bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
        }
        for (_, content) in files {
            bytes.extend_from_slice(content);
        }
        let hash = BundleHash(Sha256::digest(&bytes).into());
        Self::read(Sealed::new("cronbox-bundle", &bytes)?, hash)
    }

    /// A bundle without files, for a process that cannot make memory to be shared. It is not sent anywhere.
    pub(crate) fn empty() -> Self {
        Bundle { memory: Sealed::nothing(), files: Vec::new(), hash: BundleHash([0; 32]) }
    }

    /// Copies the bytes of a bundle into new sealed memory, and checks them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BundleError> {
        let hash = BundleHash(Sha256::digest(bytes).into());
        Self::read(Sealed::new("cronbox-bundle", bytes)?, hash)
    }

    /// Maps a bundle that another process made. The hash is the one that process gave; it is not computed again.
    pub(crate) fn from_descriptor(descriptor: OwnedFd, hash: BundleHash) -> Result<Self, BundleError> {
        Self::read(Sealed::from_descriptor(descriptor)?, hash)
    }

    fn read(memory: Sealed, hash: BundleHash) -> Result<Self, BundleError> {
        let files = parse(memory.bytes()).ok_or(BundleError::Malformed)?;
        check_paths(files.iter().map(|(path, _)| path.as_str()))?;
        Ok(Bundle { memory, files, hash })
    }

    /// Returns the hash of the bundle.
    pub fn hash(&self) -> BundleHash {
        self.hash
    }

    /// Returns the content of a file.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        let (_, range) = self.files.iter().find(|(name, _)| name == path)?;
        Some(&self.bytes()[range.clone()])
    }

    /// Iterates over paths and contents, in the order in which they were packed.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, range)| (path.as_str(), &self.bytes()[range.clone()]))
    }

    pub(crate) fn files(&self) -> &[(String, Range<usize>)] {
        &self.files
    }

    /// Returns the whole bundle, as [`Bundle::from_bytes`] reads it.
    pub fn bytes(&self) -> &[u8] {
        self.memory.bytes()
    }

    pub(crate) fn descriptor(&self) -> Option<&Arc<OwnedFd>> {
        self.memory.descriptor()
    }
}

fn parse(bytes: &[u8]) -> Option<Vec<(String, Range<usize>)>> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let count = u32::from_le_bytes(take(&mut rest)?) as usize;
    let mut heads = Vec::new();
    for _ in 0..count {
        let length = u32::from_le_bytes(take(&mut rest)?) as usize;
        let (path, after) = rest.split_at_checked(length)?;
        rest = after;
        let size = usize::try_from(u64::from_le_bytes(take(&mut rest)?)).ok()?;
        heads.push((String::from_utf8(path.to_vec()).ok()?, size));
    }
    let mut start = bytes.len() - rest.len();
    let mut files = Vec::with_capacity(heads.len());
    for (path, size) in heads {
        let end = start.checked_add(size).filter(|end| *end <= bytes.len())?;
        files.push((path, start..end));
        start = end;
    }
    (start == bytes.len()).then_some(files)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*head)
}

/// Refuses every path that does not name exactly one file of the bundle.
fn check_paths<'p>(paths: impl Iterator<Item = &'p str>) -> Result<(), BundleError> {
    let mut files = BTreeSet::new();
    let mut directories = BTreeSet::new();
    for path in paths {
        let bad = || BundleError::BadPath(path.chars().take(100).collect());
        let depth = path.split('/').count();
        if path.len() > MAX_PATH || depth + 2 > MAX_DEPTH {
            return Err(bad());
        }
        for part in path.split('/') {
            let control = part.chars().any(char::is_control);
            if part.is_empty() || part == "." || part == ".." || control || part.len() > MAX_NAME {
                return Err(bad());
            }
        }
        for (at, _) in path.match_indices('/') {
            directories.insert(path[..at].to_owned());
        }
        if !files.insert(path.to_owned()) {
            return Err(bad());
        }
    }
    match files.intersection(&directories).next() {
        Some(both) => Err(BundleError::BadPath(both.chars().take(100).collect())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_reads_back_through_its_descriptor() {
        let made =
            Bundle::of_files(&[("main.py", b"x = 1"), ("pkg/data.bin", b"\0\xff"), ("empty", b"")]).expect("packs");
        let descriptor = made.descriptor().expect("made here").try_clone().expect("duplicates");
        let read = Bundle::from_descriptor(descriptor, made.hash()).expect("maps");
        assert_eq!(read.file("pkg/data.bin"), Some(&b"\0\xff"[..]));
        assert_eq!(read.file("empty"), Some(&b""[..]));
        assert_eq!(read.file("nothing"), None);
        let again = Bundle::from_bytes(made.bytes()).expect("reads");
        assert_eq!(again.hash(), made.hash());
        assert_eq!(again.iter().collect::<Vec<_>>(), made.iter().collect::<Vec<_>>());
        assert!(Bundle::from_bytes(b"anything").is_err());
    }

    #[test]
    fn the_hash_is_of_the_content() {
        let one = Bundle::of_files(&[("a", b"1")]).expect("packs");
        let same = Bundle::of_files(&[("a", b"1")]).expect("packs");
        let other = Bundle::of_files(&[("a", b"2")]).expect("packs");
        assert_eq!(one.hash(), same.hash());
        assert_ne!(one.hash(), other.hash());
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for path in
            ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".", "a\0b", "a\nb", &"n".repeat(256), &"d/".repeat(80)]
        {
            let refused = Bundle::of_files(&[(path, b"")]);
            assert!(matches!(refused, Err(BundleError::BadPath(_))), "{path:?}");
        }
        assert!(Bundle::of_files(&[("a", b""), ("a", b"")]).is_err());
        assert!(Bundle::of_files(&[("a", b""), ("a/b", b"")]).is_err());
    }

    #[test]
    fn truncated_memory_is_not_a_bundle() {
        let made = Bundle::of_files(&[("a", b"content")]).expect("packs");
        for length in 0..made.bytes().len() {
            assert!(parse(&made.bytes()[..length]).is_none(), "{length}");
        }
    }
}
