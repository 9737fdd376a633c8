//! Faulting in, ahead of a run, the pages that every run writes.
//!
//! The memory of a sandbox is a private mapping of the interpreter's image: each page a run writes for the first time
//! costs a fault and a copy, and for a small run those are most of its time. Every run writes much the same pages first,
//! so one run is watched before the process locks itself, and from then on those pages of a sandbox that nobody uses yet
//! are copied at once, by one system call for each stretch, while its process has nothing else to do.
//!
//! Nothing a script can see changes: a page that was faulted in early holds what the image holds.

use rustix::mm::{Advice, madvise};
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

const PAGE: usize = 4096;
/// Two written pages with no more than this many others between them are one stretch: a copy is cheaper than a call.
const GAP: usize = 2;
/// Most pages that are copied for a sandbox. A warm-up run that wrote more was no small run.
const MOST: usize = 1_024;
/// Bits of /proc/self/pagemap: the page is in memory; it is a page of a file (or shared).
const PRESENT: u64 = 1 << 63;
const OF_FILE: u64 = 1 << 61;

/// The written pages of the interpreter's image, and where the image is mapped.
pub(crate) struct Prefault {
    pagemap: OwnedFd,
    /// Where each sandbox's memory begins.
    slots: Vec<usize>,
    /// What to fault in, in bytes from there.
    stretches: Vec<Range<usize>>,
}

/// A writable private mapping of the interpreter's file.
#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    memory: Range<usize>,
    offset: u64,
}

impl Prefault {
    /// Learns from the sandboxes that exist now, one of which has had a small run. None when there is nothing to be
    /// learnt here (an old kernel, another layout): runs then fault for themselves.
    pub(crate) fn learn(interpreter: &File) -> io::Result<Option<Self>> {
        let pagemap: OwnedFd = File::open("/proc/self/pagemap")?.into();
        let file = interpreter.metadata()?;
        let maps = fs::read_to_string("/proc/self/maps")?;
        let mappings = mappings_of(&maps, file.ino());
        // Every sandbox maps the same part of the file; what maps another part is the machine code.
        let Some(offset) = most_common(&mappings) else { return Ok(None) };
        let images: Vec<&Mapping> = mappings.iter().filter(|mapping| mapping.offset == offset).collect();
        let mut written = Vec::new();
        for image in &images {
            let pages = written_pages(&pagemap, image)?;
            if pages.len() > written.len() {
                written = pages;
            }
        }
        if written.is_empty() || written.len() > MOST {
            return Ok(None);
        }
        let slots = images.iter().map(|image| image.memory.start).collect();
        Ok(Some(Prefault { pagemap, slots, stretches: stretches(&written) }))
    }

    /// Faults in the pages of every sandbox whose pages are not there yet.
    pub(crate) fn fill(&self) {
        for slot in &self.slots {
            if self.is_filled(*slot) {
                continue;
            }
            for stretch in &self.stretches {
                let start = std::ptr::without_provenance_mut(slot + stretch.start);
                // SAFETY: MADV_POPULATE_WRITE changes no byte of memory, whoever uses it; it only makes the kernel copy
                // pages now that a write would make it copy later. The addresses were mapped when they were learnt and
                // belong to wasmtime's pool for as long as this process lives; if they did not, the call would fail.
                let filled = unsafe { madvise(start, stretch.len(), Advice::LinuxPopulateWrite) };
                if filled.is_err() {
                    // The sandbox is being taken down, or memory is short: the run will fault for itself.
                    break;
                }
            }
        }
    }

    fn is_filled(&self, slot: usize) -> bool {
        let Some(last) = self.stretches.last() else { return true };
        // The last stretch is the one that is faulted in last.
        let entry = entries(&self.pagemap, slot + last.end - PAGE, 1);
        entry.is_ok_and(|entry| is_written(entry[0]))
    }
}

fn is_written(entry: u64) -> bool {
    entry & PRESENT != 0 && entry & OF_FILE == 0
}

/// Which pages of a mapping are copies of its own, counted from its start.
fn written_pages(pagemap: &OwnedFd, image: &Mapping) -> io::Result<Vec<usize>> {
    let entries = entries(pagemap, image.memory.start, image.memory.len() / PAGE)?;
    Ok(entries.iter().enumerate().filter(|(_, entry)| is_written(**entry)).map(|(page, _)| page).collect())
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

/// Pages that lie close together as ranges of bytes.
fn stretches(pages: &[usize]) -> Vec<Range<usize>> {
    let mut stretches: Vec<Range<usize>> = Vec::new();
    for page in pages {
        let (start, end) = (page * PAGE, (page + 1) * PAGE);
        match stretches.last_mut() {
            Some(last) if start <= last.end + GAP * PAGE => last.end = end,
            _ => stretches.push(start..end),
        }
    }
    stretches
}

/// The writable private mappings of a file, from the text of /proc/self/maps.
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
        assert_eq!(stretches(&[1, 2, 5, 9, 10]), [page(1, 6), page(9, 11)]);
        assert_eq!(stretches(&[]), []);
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
        let file = std::env::temp_dir().join(format!("cronbox-prefault-{}", std::process::id()));
        fs::write(&file, vec![7; 4 * PAGE]).expect("writes");
        let open = File::open(&file).expect("opens");
        // SAFETY: a new private mapping at an address of the kernel's choice; the file is the test's own.
        let start = unsafe {
            let rights = rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE;
            rustix::mm::mmap(std::ptr::null_mut(), 4 * PAGE, rights, rustix::mm::MapFlags::PRIVATE, &open, 0)
        }
        .expect("maps");
        let image = Mapping { memory: start.addr()..start.addr() + 4 * PAGE, offset: 0 };
        let pagemap: OwnedFd = File::open("/proc/self/pagemap").expect("opens").into();
        // SAFETY: inside the mapping made above, which nothing else refers to.
        let read = unsafe {
            start.cast::<u8>().add(2 * PAGE).write_volatile(1);
            start.cast::<u8>().add(PAGE).read_volatile()
        };
        assert_eq!(read, 7);
        assert_eq!(written_pages(&pagemap, &image).expect("reads"), [2]);
        let prefault = Prefault { pagemap, slots: vec![image.memory.start], stretches: stretches(&[0, 1]) };
        prefault.fill();
        assert_eq!(written_pages(&prefault.pagemap, &image).expect("reads"), [0, 1, 2]);
        // SAFETY: as above.
        assert_eq!(unsafe { start.cast::<u8>().read_volatile() }, 7);
        fs::remove_file(&file).expect("removes");
    }
}
