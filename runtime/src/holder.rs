//! The run that has the thread of a sandbox process: its number is on a page that the process writes and its node
//! reads.
//!
//! So the node knows which run is the reason when a process does not answer. A compromised process can write any number
//! there; that concerns only its own runs, which it controls anyway.

use crate::frame::RunNumber;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const SIZE: usize = 4_096;
/// The size never changes: reading a page that does not exist any more would end the reader.
const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW);

/// The page, mapped by one of the two sides.
#[derive(Debug)]
pub(crate) struct Page {
    number: NonNull<AtomicU64>,
}

// SAFETY: it is only used as an atomic number, which any thread can read and write at any time.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    /// Makes a page for a process, and the descriptor from which the process maps it.
    pub(crate) fn new() -> io::Result<(Self, OwnedFd)> {
        let descriptor = memfd_create("holder", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&descriptor, SIZE as u64)?;
        fcntl_add_seals(&descriptor, SEALS)?;
        Ok((Page::map(&descriptor)?, descriptor))
    }

    /// Maps the page that the node made.
    pub(crate) fn from_descriptor(descriptor: &OwnedFd) -> io::Result<Self> {
        Page::map(descriptor)
    }

    fn map(descriptor: &OwnedFd) -> io::Result<Self> {
        let both = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe { mmap(std::ptr::null_mut(), SIZE, both, MapFlags::SHARED, descriptor, 0)? };
        let number = NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Page { number })
    }

    /// Notes the run that has the thread; 0 for none.
    pub(crate) fn note(&self, run: RunNumber) {
        self.number().store(run, Relaxed);
    }

    /// Returns the run that has the thread.
    pub(crate) fn holder(&self) -> Option<RunNumber> {
        Some(self.number().load(Relaxed)).filter(|run| *run != 0)
    }

    fn number(&self) -> &AtomicU64 {
        // SAFETY: a mapping of a whole page, so aligned and large enough, readable and writable, that lives as long as
        // `self`. The node made the file with this size, and its seals keep the size. Other writes are atomic, too.
        unsafe { self.number.as_ref() }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `map`; `number` borrows `self`, so no reference is left.
        // The only possible error (a wrong address) cannot happen here.
        let _ = unsafe { munmap(self.number.as_ptr().cast(), SIZE) };
    }
}

/// Returns the CPU time of all threads of a process; none when there is no such process.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    let pid = libc::pid_t::try_from(pid).ok()?;
    let mut clock: libc::clockid_t = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both calls only write to the variable whose address they receive.
    let answered = unsafe {
        libc::clock_getcpuclockid(pid, &raw mut clock) == 0 && libc::clock_gettime(clock, &raw mut time) == 0
    };
    let nanos = u32::try_from(time.tv_nsec).ok()?;
    answered.then(|| Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::fcntl_get_seals;

    #[test]
    fn both_sides_see_one_number() {
        let (node, descriptor) = Page::new().expect("makes");
        let process = Page::from_descriptor(&descriptor).expect("maps");
        assert_eq!(node.holder(), None);
        process.note(7);
        assert_eq!(node.holder(), Some(7));
        process.note(0);
        assert_eq!(node.holder(), None);
        assert!(fcntl_get_seals(&descriptor).expect("asks").contains(SEALS));
        assert!(ftruncate(&descriptor, 0).is_err());
    }

    #[test]
    fn a_process_has_used_time() {
        let own = std::process::id();
        let before = cpu_time(own).expect("this process");
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(30) {}
        assert!(cpu_time(own).expect("this process") > before);
    }
}
