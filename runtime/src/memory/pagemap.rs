//! Which pages of this process are copies: /proc/self/pagemap (proc_pid_pagemap(5), and the kernel's
//! Documentation/admin-guide/mm/pagemap.rst).

use super::PAGE;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

/// Bits of an entry: the page is in memory; it is in swap; it is a page of a file, or shared.
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const OF_FILE: u64 = 1 << 61;
/// Bytes of entries that are read at once.
const CHUNK: usize = 64 << 10;

/// The kernel's table of this process's pages.
#[derive(Debug)]
pub(super) struct Pagemap {
    file: OwnedFd,
    /// Used again, because reading into new memory would be page faults of its own.
    buffer: Mutex<Vec<u8>>,
}

impl Pagemap {
    /// Opens the table. A process can do so only before it is locked.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Pagemap { file: File::open("/proc/self/pagemap")?.into(), buffer: Mutex::new(vec![0; CHUNK]) })
    }

    /// Calls `each` for every stretch of copies in a private mapping of a file, in order. `addresses` are whole pages;
    /// stretches are in bytes from their start.
    pub(super) fn copies(&self, addresses: Range<usize>, mut each: impl FnMut(Range<usize>)) -> io::Result<()> {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let count = addresses.len() / PAGE;
        let (mut page, mut first) = (0, None);
        while page < count {
            let wanted = ((count - page) * 8).min(buffer.len());
            let place = ((addresses.start / PAGE + page) * 8) as u64;
            let read = rustix::io::pread(&self.file, &mut buffer[..wanted], place)?;
            if read == 0 || !read.is_multiple_of(8) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            for entry in buffer[..read].as_chunks().0 {
                match (is_copy(u64::from_le_bytes(*entry)), first) {
                    (true, None) => first = Some(page),
                    (false, Some(start)) => {
                        each(start * PAGE..page * PAGE);
                        first = None;
                    }
                    _ => {}
                }
                page += 1;
            }
        }
        if let Some(start) = first {
            each(start * PAGE..count * PAGE);
        }
        Ok(())
    }
}

/// Whether a page is a copy. A page that was never touched, or is the file's, is none.
fn is_copy(entry: u64) -> bool {
    entry & (PRESENT | SWAPPED) != 0 && entry & OF_FILE == 0
}

#[cfg(test)]
mod tests {
    use super::super::region::Region;
    use super::*;

    #[test]
    fn a_copy_is_told_from_a_page_that_was_only_read() {
        const PAGES: usize = 40;
        let path = std::env::temp_dir().join(format!("cronbox-pagemap-{}", std::process::id()));
        std::fs::write(&path, vec![7; PAGES * PAGE]).expect("writes");
        let file = File::open(&path).expect("opens");
        std::fs::remove_file(&path).expect("removes");
        let mut region = Region::reserve(PAGES * PAGE, 0, PAGE).expect("reserves");
        region.map_file(0..PAGES * PAGE, &file, true).expect("maps");
        let pagemap = Pagemap::open().expect("opens");
        let start = region.address(0).addr();
        let copies = || {
            let mut found = Vec::new();
            pagemap.copies(start..start + PAGES * PAGE, |range| found.push(range)).expect("reads");
            found
        };
        assert!(region.bytes(0..PAGES * PAGE).expect("reads").iter().all(|byte| *byte == 7));
        assert!(copies().is_empty());
        for page in [2, 3, PAGES - 1] {
            region.clear(page * PAGE..(page + 1) * PAGE).expect("clears");
        }
        assert_eq!(copies(), [2 * PAGE..4 * PAGE, (PAGES - 1) * PAGE..PAGES * PAGE]);
        // In swap, where there is one, it is a copy as well.
        region.page_out(0..PAGES * PAGE).expect("asks");
        assert_eq!(copies(), [2 * PAGE..4 * PAGE, (PAGES - 1) * PAGE..PAGES * PAGE]);
        region.drop_pages(0..3 * PAGE).expect("drops");
        assert_eq!(copies(), [3 * PAGE..4 * PAGE, (PAGES - 1) * PAGE..PAGES * PAGE]);
    }
}
