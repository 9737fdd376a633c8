//! A range of addresses, and what the kernel is asked to do with its pages. All of the room's unsafe calls are here.

use super::PAGE;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use std::fs::File;
use std::io;
use std::ops::Range;

/// A range of addresses that belongs to this value alone. It has no access rights at first.
///
/// Ranges of its methods are in bytes from its start. One that is not whole pages within the region is an error.
#[derive(Debug)]
pub(super) struct Region {
    /// The reserved addresses, which can begin before the aligned start.
    reserved: Range<usize>,
    start: usize,
    length: usize,
}

impl Region {
    /// Reserves `length` bytes of addresses such that the byte at `aligned` has an address that is a multiple of
    /// `alignment`. Both are multiples of a page.
    pub(super) fn reserve(length: usize, aligned: usize, alignment: usize) -> io::Result<Self> {
        let whole = length + alignment;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice, without access rights.
        let at = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), whole, ProtFlags::empty(), flags) }?;
        let reserved = at.expose_provenance()..at.expose_provenance() + whole;
        let start = (reserved.start + aligned).next_multiple_of(alignment) - aligned;
        Ok(Region { reserved, start, length })
    }

    /// Returns the address of a byte.
    pub(super) fn address(&self, offset: usize) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(self.start + offset)
    }

    /// Maps the beginning of a file, private. Pages that were there are gone.
    pub(super) fn map_file(&mut self, range: Range<usize>, file: &File, is_writable: bool) -> io::Result<()> {
        let address = self.check(&range)?;
        let rights = if is_writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        // SAFETY: the addresses are this region's, so nothing else is mapped over.
        unsafe { rustix::mm::mmap(address, range.len(), rights, MapFlags::PRIVATE | MapFlags::FIXED, file, 0) }?;
        Ok(())
    }

    /// Gives the right to read and write, or takes all rights.
    pub(super) fn set_access(&mut self, range: Range<usize>, is_given: bool) -> io::Result<()> {
        let address = self.check(&range)?;
        let rights = if is_given { MprotectFlags::READ | MprotectFlags::WRITE } else { MprotectFlags::empty() };
        // SAFETY: the addresses are this region's. Memory whose rights are taken belongs to no sandbox any more.
        unsafe { rustix::mm::mprotect(address, range.len(), rights) }?;
        Ok(())
    }

    /// Gives the pages back to the kernel, with the file that was mapped and all rights. Whoever touches an address of the
    /// range after this ends the process.
    pub(super) fn take_away(&mut self, range: Range<usize>) -> io::Result<()> {
        let address = self.check(&range)?;
        // The kernel maps no empty ranges: a memory can have no pages.
        if range.is_empty() {
            return Ok(());
        }
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
        // SAFETY: the addresses are this region's and stay reserved for it. A sandbox that has them waits, and touches none
        // until its pages are there again (`parking`).
        unsafe { rustix::mm::mmap_anonymous(address, range.len(), ProtFlags::empty(), flags) }?;
        Ok(())
    }

    /// Drops the pages: after this they are the file's again, or zero.
    pub(super) fn drop_pages(&mut self, range: Range<usize>) -> io::Result<()> {
        let address = self.check(&range)?;
        // SAFETY: the addresses are this region's, and no sandbox uses them now.
        unsafe { rustix::mm::madvise(address, range.len(), Advice::LinuxDontNeed) }?;
        Ok(())
    }

    /// Maps the pages of the file now that are mapped at the first reading otherwise. It can fail without harm.
    pub(super) fn populate(&self, range: Range<usize>) -> io::Result<()> {
        let address = self.check(&range)?;
        // SAFETY: populating for reading changes no byte of memory.
        unsafe { rustix::mm::madvise(address, range.len(), Advice::LinuxPopulateRead) }?;
        Ok(())
    }

    /// Asks the kernel to write the pages to swap: for tests.
    #[cfg(test)]
    pub(super) fn page_out(&self, range: Range<usize>) -> io::Result<()> {
        let address = self.check(&range)?;
        // SAFETY: moving pages to swap changes no byte of memory.
        unsafe { rustix::mm::madvise(address, range.len(), Advice::LinuxPageOut) }?;
        Ok(())
    }

    /// Copies a range of another region to the same place after `start` here. Both have to be accessible.
    pub(super) fn copy_from(&mut self, start: usize, range: Range<usize>, other: &Region) -> io::Result<()> {
        let (to, from) = (self.check(&(start + range.start..start + range.end))?, other.check(&range)?);
        // SAFETY: both ranges are within their regions, which are different values and therefore do not overlap; the
        // caller has made them accessible; no sandbox runs in this one while it is borrowed mutably.
        unsafe { std::ptr::copy_nonoverlapping(from.cast::<u8>(), to.cast::<u8>(), range.len()) };
        Ok(())
    }

    /// Writes zeros over the range, which has to be accessible.
    pub(super) fn clear(&mut self, range: Range<usize>) -> io::Result<()> {
        let address = self.check(&range)?;
        // SAFETY: the range is within the region, accessible, and no sandbox uses it.
        unsafe { std::ptr::write_bytes(address.cast::<u8>(), 0, range.len()) };
        Ok(())
    }

    /// Returns the bytes of the range, which has to be accessible, and in which no sandbox runs meanwhile.
    pub(super) fn bytes(&self, range: Range<usize>) -> io::Result<&[u8]> {
        let address = self.check(&range)?;
        // SAFETY: the range is within the region and accessible; every byte of a mapping is initialised; nobody writes
        // while it is borrowed, because a sandbox process has one thread, and it is the caller's.
        Ok(unsafe { std::slice::from_raw_parts(address.cast::<u8>(), range.len()) })
    }

    /// The same, to write to.
    pub(super) fn bytes_mut(&mut self, range: Range<usize>) -> io::Result<&mut [u8]> {
        let address = self.check(&range)?;
        // SAFETY: as above; and no one reads or writes while it is borrowed mutably.
        Ok(unsafe { std::slice::from_raw_parts_mut(address.cast::<u8>(), range.len()) })
    }

    fn check(&self, range: &Range<usize>) -> io::Result<*mut std::ffi::c_void> {
        let is_whole = range.start.is_multiple_of(PAGE) && range.end.is_multiple_of(PAGE);
        if range.start > range.end || range.end > self.length || !is_whole {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a range outside its region"));
        }
        Ok(self.address(range.start).cast())
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let start = std::ptr::with_exposed_provenance_mut(self.reserved.start);
        // SAFETY: the addresses are this region's, and whoever was given one of them is gone: memories and stacks own
        // their region. A failure leaves the addresses reserved.
        let _ = unsafe { rustix::mm::munmap(start, self.reserved.len()) };
    }
}

/// Returns the number of page faults of this process so far. The kernel counts every completed fault.
pub(super) fn page_faults() -> u64 {
    count_page_faults(libc::RUSAGE_SELF)
}

/// Returns the number of page faults of this thread so far: tests run beside each other.
#[cfg(test)]
pub(super) fn page_faults_of_thread() -> u64 {
    count_page_faults(libc::RUSAGE_THREAD)
}

fn count_page_faults(whose: libc::c_int) -> u64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel fills the structure, whose fields are all numbers; zeroed it is valid, too.
    let usage = unsafe {
        libc::getrusage(whose, usage.as_mut_ptr());
        usage.assume_init()
    };
    usage.ru_minflt.cast_unsigned() + usage.ru_majflt.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_outside_is_an_error() {
        let mut region = Region::reserve(4 * PAGE, PAGE, 16 * PAGE).expect("reserves");
        assert!((region.address(PAGE).addr()).is_multiple_of(16 * PAGE));
        for range in [0..5 * PAGE, 0..1, 1..PAGE, 5 * PAGE..5 * PAGE] {
            assert!(region.set_access(range.clone(), true).is_err(), "{range:?}");
        }
        region.set_access(PAGE..3 * PAGE, true).expect("gives");
        region.clear(PAGE..2 * PAGE).expect("clears");
        assert_eq!(region.bytes(PAGE..3 * PAGE).expect("reads"), vec![0; 2 * PAGE]);
    }

    #[test]
    fn faults_are_counted() {
        let mut region = Region::reserve(64 * PAGE, 0, PAGE).expect("reserves");
        region.set_access(0..64 * PAGE, true).expect("gives");
        let before = page_faults();
        // Each page by itself, so that the kernel cannot give a large one.
        for page in (0..64).step_by(2) {
            region.clear(page * PAGE..(page + 1) * PAGE).expect("clears");
        }
        assert!(page_faults() > before);
    }
}
