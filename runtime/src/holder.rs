//! Which run has the thread of a sandbox process: on a page that the process writes at each turn and its node reads.
//!
//! When a process no longer answers, the node knows so whose doing it is. A process that was taken over can write there
//! what it likes; that concerns the runs that are active in it, which are in its hands anyway.

use crate::frame::RunNumber;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const SIZE: usize = 4_096;
/// Its size never changes: whoever reads a page that is gone is ended by the kernel.
const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW);

/// The page, as one of its two sides has mapped it.
#[derive(Debug)]
pub(crate) struct Page {
    number: NonNull<AtomicU64>,
}

// SAFETY: it is only ever used as an atomic number, which any thread may read and write at any time.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    /// A new page for a process, and what it maps it from.
    pub(crate) fn new() -> io::Result<(Self, OwnedFd)> {
        let descriptor = memfd_create("holder", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&descriptor, SIZE as u64)?;
        fcntl_add_seals(&descriptor, SEALS)?;
        Ok((Page::map(&descriptor)?, descriptor))
    }

    /// The page that a node made.
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

    /// This run has the thread; 0: none has.
    pub(crate) fn note(&self, run: RunNumber) {
        self.number().store(run, Relaxed);
    }

    /// The run that has the thread, if one has.
    pub(crate) fn holder(&self) -> Option<RunNumber> {
        Some(self.number().load(Relaxed)).filter(|run| *run != 0)
    }

    fn number(&self) -> &AtomicU64 {
        // SAFETY: a mapping of a whole page, so aligned and large enough, readable and writable, that lives as long as
        // `self`. The file has this size when it is mapped by the node, which made it, and its seals keep it so; what
        // others write meanwhile is atomic, too.
        unsafe { self.number.as_ref() }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `map`; `number` borrows `self`, so no reference is left.
        // The only error there is (a wrong address) cannot happen, and a drop has nobody to tell.
        let _ = unsafe { munmap(self.number.as_ptr().cast(), SIZE) };
    }
}

/// The CPU time that a process has used in all its threads; none when there is no such process.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    let pid = libc::pid_t::try_from(pid).ok()?;
    let mut clock: libc::clockid_t = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both only write to the variable whose address they get.
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
