//! Faulting in the pages that every run touches, before the run starts.
//!
//! The memory of a sandbox is a private mapping of the interpreter's image. Each page that a run writes for the first
//! time costs a fault and a copy, each group of pages that it reads a fault, and for a small run this is most of its
//! time. All runs touch mostly the same pages first. So one run is observed before the process locks itself, and later
//! these pages of unused sandboxes are copied or mapped while the process is idle, by one system call for each stretch.
//!
//! Scripts see no difference: a page that was faulted in early has the content of the image.

use rustix::mm::{Advice, madvise};
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

const PAGE: usize = 4096;
/// Most other pages between two written pages of one stretch: copying them is cheaper than another call.
const GAP: usize = 2;
/// Most pages that are copied for a sandbox. A warm-up run that writes more is not a small run.
const MAX_PAGES: usize = 1_024;
/// Pages that the kernel maps together when one page of a file is read (the default of its `fault_around_bytes`).
const AROUND: usize = 16;
/// Bits of /proc/self/pagemap: the page is in memory; it is a page of a file (or shared).
const PRESENT: u64 = 1 << 63;
const OF_FILE: u64 = 1 << 61;

/// The pages of the interpreter's image that runs touch, and where the image is mapped.
pub(crate) struct Prefault {
    pagemap: OwnedFd,
    /// The start of each sandbox's memory.
    slots: Vec<usize>,
    /// The ranges to copy, in bytes from the start.
    written: Vec<Range<usize>>,
    /// The ranges to map.
    read: Vec<Range<usize>>,
}

/// Pages of a mapping, counted from its start.
#[derive(Debug, Default)]
struct Touched {
    /// Pages that were copied.
    written: Vec<usize>,
    /// Pages of the file.
    read: Vec<usize>,
}

/// A writable private mapping of the interpreter's file.
#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    memory: Range<usize>,
    offset: u64,
}

impl Prefault {
    /// Observes the sandboxes that exist now, one of which has had a small run. None when this is not possible (an old
    /// kernel, another layout): runs then fault by themselves.
    pub(crate) fn learn(interpreter: &File) -> io::Result<Option<Self>> {
        let pagemap: OwnedFd = File::open("/proc/self/pagemap")?.into();
        let file = interpreter.metadata()?;
        let maps = fs::read_to_string("/proc/self/maps")?;
        let mappings = mappings_of(&maps, file.ino());
        // Every sandbox maps the same part of the file; mappings of other parts are machine code.
        let Some(offset) = most_common(&mappings) else { return Ok(None) };
        let images: Vec<&Mapping> = mappings.iter().filter(|mapping| mapping.offset == offset).collect();
        let mut touched = Touched::default();
        for image in &images {
            let pages = touched_pages(&pagemap, image)?;
            if pages.written.len() > touched.written.len() {
                touched = pages;
            }
        }
        if touched.written.is_empty() || touched.written.len() > MAX_PAGES {
            return Ok(None);
        }
        let slots = images.iter().map(|image| image.memory.start).collect();
        let (written, read) = (stretches(&touched.written, GAP), stretches(&touched.read, AROUND));
        Ok(Some(Prefault { pagemap, slots, written, read }))
    }

    /// Copies the written pages for one sandbox that does not have them. Returns false when all have them.
    pub(crate) fn copy_one(&self) -> bool {
        self.fill_one(&self.written, Advice::LinuxPopulateWrite, is_written)
    }

    /// Maps the read pages for one sandbox that does not have them. Returns false when all have them. Call it after
    /// copying: a page that is mapped for reading first would be faulted in twice.
    pub(crate) fn map_one(&self) -> bool {
        self.fill_one(&self.read, Advice::LinuxPopulateRead, |entry| entry & PRESENT != 0)
    }

    fn fill_one(&self, stretches: &[Range<usize>], advice: Advice, is_there: impl Fn(u64) -> bool) -> bool {
        let Some(last) = stretches.last() else { return false };
        // The last stretch is faulted in last.
        let is_filled = |slot: &usize| {
            let entry = entries(&self.pagemap, slot + last.end - PAGE, 1);
            entry.is_ok_and(|entry| is_there(entry[0]))
        };
        let Some(slot) = self.slots.iter().find(|slot| !is_filled(slot)) else { return false };
        stretches.iter().all(|stretch| {
            let start = std::ptr::without_provenance_mut(slot + stretch.start);
            // SAFETY: populating changes no byte of memory; the kernel only maps or copies pages now that it would map
            // or copy at an access later. The addresses were mapped when they were observed, and belong to wasmtime's
            // pool for the life of this process; for other addresses the call would fail. It also fails when memory is
            // short: the run then faults by itself.
            unsafe { madvise(start, stretch.len(), advice) }.is_ok()
        })
    }
}

fn is_written(entry: u64) -> bool {
    entry & PRESENT != 0 && entry & OF_FILE == 0
}

/// Returns the pages of a mapping that are in memory: copies and pages of the file.
fn touched_pages(pagemap: &OwnedFd, image: &Mapping) -> io::Result<Touched> {
    let entries = entries(pagemap, image.memory.start, image.memory.len() / PAGE)?;
    let mut touched = Touched::default();
    for (page, entry) in entries.into_iter().enumerate().filter(|(_, entry)| entry & PRESENT != 0) {
        if is_written(entry) {
            touched.written.push(page);
        } else {
            touched.read.push(page);
        }
    }
    Ok(touched)
}

fn entries(pagemap: &OwnedFd, address: usize, count: usize) -> io::Result<Vec<u64>> {
    let mut bytes = vec![0; count * 8];
    let mut done = 0;
    while done < bytes.len() {
        let at = (address / PAGE * 8 + done) as u64;
        match rustix::io::pread(pagemap, &mut bytes[done..], at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(bytes.as_chunks().0.iter().map(|entry| u64::from_le_bytes(*entry)).collect())
}

/// Joins pages with at most `gap` other pages between them to ranges of bytes.
fn stretches(pages: &[usize], gap: usize) -> Vec<Range<usize>> {
    let mut stretches: Vec<Range<usize>> = Vec::new();
    for page in pages {
        let (start, end) = (page * PAGE, (page + 1) * PAGE);
        match stretches.last_mut() {
            Some(last) if start <= last.end + gap * PAGE => last.end = end,
            _ => stretches.push(start..end),
        }
    }
    stretches
}

/// Returns the writable private mappings of a file, from the text of /proc/self/maps.
fn mappings_of(maps: &str, inode: u64) -> Vec<Mapping> {
    let parse = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let rights = fields.next()?;
        let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
        let same = fields.nth(1)?.parse() == Ok(inode);
        let memory = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        (same && rights == "rw-p").then_some(Mapping { memory, offset })
    };
    maps.lines().filter_map(parse).collect()
}

fn most_common(mappings: &[Mapping]) -> Option<u64> {
    let count = |offset| mappings.iter().filter(|mapping| mapping.offset == offset).count();
    mappings
        .iter()
        .map(|mapping| mapping.offset)
        .max_by_key(|offset| count(*offset))
        .filter(|offset| count(*offset) > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_close_together_are_one_stretch() {
        let page = |from: usize, to: usize| from * PAGE..to * PAGE;
        assert_eq!(stretches(&[1, 2, 5, 9, 10], 2), [page(1, 6), page(9, 11)]);
        assert!(stretches(&[], 2).is_empty());
    }

    #[test]
    fn writable_private_mappings_of_the_file_are_found() {
        let maps = "1000-3000 rw-p 00010000 fe:00 77   /x\n4000-6000 rw-p 00010000 fe:00 77   /x\n\
            7000-8000 r-xp 00020000 fe:00 77 /x\n9000-a000 rw-p 00010000 fe:00 78 /y\nb000-c000 rw-p 00000000 00:00 0\n";
        let found = mappings_of(maps, 77);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], Mapping { memory: 0x1000..0x3000, offset: 0x10000 });
        assert_eq!(most_common(&found), Some(0x10000));
        assert_eq!(most_common(&found[..1]), None);
    }

    #[test]
    fn a_written_page_is_told_from_one_that_was_only_read() {
        // Far enough from the others that the kernel does not map it along with them.
        const FAR: usize = 40;
        const LENGTH: usize = (FAR + 1) * PAGE;
        let file = std::env::temp_dir().join(format!("cronbox-prefault-{}", std::process::id()));
        fs::write(&file, vec![7; LENGTH]).expect("writes");
        let open = File::open(&file).expect("opens");
        // SAFETY: a new private mapping at an address of the kernel's choice; the file is the test's own.
        let start = unsafe {
            let rights = rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE;
            rustix::mm::mmap(std::ptr::null_mut(), LENGTH, rights, rustix::mm::MapFlags::PRIVATE, &open, 0)
        }
        .expect("maps");
        let image = Mapping { memory: start.addr()..start.addr() + LENGTH, offset: 0 };
        let pagemap: OwnedFd = File::open("/proc/self/pagemap").expect("opens").into();
        // SAFETY: inside the mapping made above, which nothing else refers to.
        let read = unsafe {
            start.cast::<u8>().add(2 * PAGE).write_volatile(1);
            start.cast::<u8>().add(PAGE).read_volatile()
        };
        assert_eq!(read, 7);
        let touched = touched_pages(&pagemap, &image).expect("reads");
        assert_eq!(touched.written, [2]);
        assert!(touched.read.contains(&1) && !touched.read.contains(&2), "{touched:?}");
        let written = stretches(&[0, 1], GAP);
        let read = stretches(&[FAR], AROUND);
        let prefault = Prefault { pagemap, slots: vec![image.memory.start], written, read };
        assert!(prefault.copy_one() && prefault.map_one());
        assert!(!prefault.copy_one() && !prefault.map_one());
        let touched = touched_pages(&prefault.pagemap, &image).expect("reads");
        assert_eq!(touched.written, [0, 1, 2]);
        assert!(touched.read.contains(&FAR), "{touched:?}");
        // SAFETY: as above.
        assert_eq!(unsafe { start.cast::<u8>().read_volatile() }, 7);
        fs::remove_file(&file).expect("removes");
    }
}
