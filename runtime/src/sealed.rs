//! Memory that two processes share and neither can change: a memfd with every seal.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// A read-only mapping of a sealed memfd.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// Kept by the process that made the memory. A process that only maps it does not need the descriptor.
    descriptor: Option<Arc<OwnedFd>>,
    start: *const u8,
    length: usize,
}

// SAFETY: the mapping is read-only and its content cannot change (see `map`), so any thread can read it at any time.
unsafe impl Send for Sealed {}
// SAFETY: as above.
unsafe impl Sync for Sealed {}

impl Sealed {
    /// Copies `bytes` into new memory and seals it.
    pub(crate) fn new(name: &str, bytes: &[u8]) -> io::Result<Self> {
        let descriptor = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut rest = bytes;
        let mut offset = 0;
        while !rest.is_empty() {
            let written = rustix::io::pwrite(&descriptor, rest, offset)?;
            rest = &rest[written..];
            offset += written as u64;
        }
        fcntl_add_seals(&descriptor, SEALS)?;
        let mut made = Self::map(&descriptor)?;
        made.descriptor = Some(Arc::new(descriptor));
        Ok(made)
    }

    /// No memory at all: a locked process can make no other.
    pub(crate) fn nothing() -> Self {
        Sealed { descriptor: None, start: std::ptr::NonNull::dangling().as_ptr(), length: 0 }
    }

    /// Checks the seals of memory that another process made, and maps it.
    pub(crate) fn from_descriptor(descriptor: OwnedFd) -> io::Result<Self> {
        Self::map(&descriptor)
    }

    fn map(descriptor: &OwnedFd) -> io::Result<Self> {
        let seals = fcntl_get_seals(descriptor)?;
        if !seals.contains(SEALS) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the memory is not sealed"));
        }
        let size = fstat(descriptor)?.st_size;
        let length = usize::try_from(size).map_err(io::Error::other)?;
        if length == 0 {
            return Ok(Self::nothing());
        }
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe { mmap(std::ptr::null_mut(), length, ProtFlags::READ, MapFlags::SHARED, descriptor, 0)? };
        Ok(Sealed { descriptor: None, start: start.cast(), length })
    }

    /// The content.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `start` is a mapping of `length` readable bytes that lives as long as `self`. The seals were checked
        // before the mapping and are themselves sealed: no process can write to, shrink or grow the file.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }

    /// Returns the memfd, to send it to another process. Only in the process that made it.
    pub(crate) fn descriptor(&self) -> Option<&Arc<OwnedFd>> {
        self.descriptor.as_ref()
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        if self.length > 0 {
            // SAFETY: exactly the mapping made in `map`; `bytes` borrows `self`, so no reference is left.
            // The only possible error (a wrong address) cannot happen here.
            let _ = unsafe { munmap(self.start.cast_mut().cast(), self.length) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_shared_and_cannot_change() {
        let made = Sealed::new("test", b"content").expect("makes");
        let other = Sealed::from_descriptor(made.descriptor().expect("made here").try_clone().expect("duplicates"))
            .expect("maps");
        assert_eq!(other.bytes(), b"content");
        assert!(rustix::io::pwrite(made.descriptor().expect("made here"), b"x", 0).is_err());
        assert!(rustix::fs::ftruncate(made.descriptor().expect("made here"), 0).is_err());
    }

    #[test]
    fn memory_that_could_change_is_refused() {
        let descriptor = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("makes");
        assert!(Sealed::from_descriptor(descriptor).is_err());
    }

    #[test]
    fn empty_memory_is_fine() {
        assert_eq!(Sealed::new("test", b"").expect("makes").bytes(), b"");
    }
}
