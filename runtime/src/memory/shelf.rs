//! The slots of one image.

use super::hot_pages::HotPages;
use super::image::{Image, LARGE};
use super::pagemap::Pagemap;
use super::region::{Region, page_faults};
use super::{GUARD, ImageNumber, PAGE, RESERVED};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// An image, and its slots that wait for a sandbox.
pub(super) struct Shelf {
    image: Arc<Image>,
    /// The guest's own image, which this one was made from or is.
    base: ImageNumber,
    free: Vec<Slot>,
    hot: HotPages,
    /// When a slot of it was last handed out, in uses of the process.
    last_use: u64,
    /// Used again for each search.
    cold: Vec<Range<usize>>,
}

/// Addresses for one linear memory.
pub(crate) struct Slot {
    pub(super) region: Region,
    /// The bytes with access rights, from the memory's start.
    pub(super) accessible: usize,
    /// The number of page faults of the process when it was handed out.
    faults: u64,
    /// The image that is mapped in it.
    image: Arc<Image>,
    /// True when its pages were given back to the kernel while its sandbox waits (`parking`).
    pub(super) is_away: bool,
}

/// A memory beside an image.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changes {
    /// The size of the memory in bytes.
    pub(crate) length: usize,
    pub(crate) stretches: Vec<Stretch>,
}

/// Pages in a row that differ from the image: the first byte's place in memory, and the bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) start: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Shelf {
    pub(super) fn new(image: Image, base: ImageNumber) -> Self {
        let image = Arc::new(image);
        Shelf { image, base, free: Vec::new(), hot: HotPages::default(), last_use: 0, cold: Vec::new() }
    }

    pub(super) fn base(&self) -> ImageNumber {
        self.base
    }

    pub(super) fn length(&self) -> usize {
        self.image.length()
    }

    /// Returns the number of slots that wait.
    pub(super) fn free(&self) -> usize {
        self.free.len()
    }

    pub(super) fn last_use(&self) -> u64 {
        self.last_use
    }

    pub(super) fn hot(&self) -> impl Iterator<Item = u32> {
        self.hot.pages()
    }

    pub(super) fn set_hot(&mut self, pages: &[u32]) {
        self.hot.add(pages.iter().copied(), self.image.length());
    }

    pub(super) fn end_learning(&mut self, least: u32) -> Vec<u32> {
        self.hot.add_found(least, self.image.length());
        self.hot.pages().collect()
    }

    /// Returns a slot that is as the image.
    pub(super) fn take(&mut self, populates: bool, uses: u64) -> io::Result<Slot> {
        self.last_use = uses;
        match self.free.pop() {
            Some(slot) => Ok(slot),
            None => self.make(populates),
        }
    }

    /// Keeps a slot that was reset.
    pub(super) fn put(&mut self, slot: Slot) {
        self.free.push(slot);
    }

    /// Unmaps a slot that waits.
    pub(super) fn drop_one(&mut self) {
        self.free.pop();
    }

    fn make(&self, populates: bool) -> io::Result<Slot> {
        let length = self.image.length();
        let region = Region::reserve(GUARD + RESERVED + GUARD, GUARD, LARGE)?;
        let mut slot = Slot { region, accessible: length, faults: 0, image: self.image.clone(), is_away: false };
        slot.map_image()?;
        if length > 0 && populates {
            // Without it pages are mapped when they are read.
            let _ = slot.region.populate(GUARD..GUARD + length);
        }
        slot.copy(&self.hot, &self.image)?;
        Ok(slot)
    }

    /// Makes a slot as the image again. The room's documentation says why nothing of the run is left.
    pub(super) fn reset(&mut self, slot: &mut Slot, pagemap: Option<&Pagemap>, is_learning: bool) -> io::Result<()> {
        let length = self.image.length();
        // Pages beyond the image (4).
        if slot.accessible > length {
            slot.drop_pages(length..slot.accessible)?;
            slot.set_access(length..slot.accessible, false)?;
            slot.accessible = length;
        }
        // Copies of pages of the image that are not hot (3): there are none when there was no page fault.
        if page_faults() != slot.faults {
            self.cold.clear();
            let (hot, cold) = (&self.hot, &mut self.cold);
            let start = slot.region.address(GUARD).addr();
            let found = pagemap.map(|pagemap| {
                pagemap.copies(start..start + length, |copies| hot.cold(copies, |range| cold.push(range)))
            });
            if let Some(Ok(())) = found {
                for range in cold.iter() {
                    slot.drop_pages(range.clone())?;
                }
                match is_learning {
                    true => self.hot.count(&self.cold),
                    false => self.hot.note(&self.cold, length),
                }
            } else {
                slot.drop_pages(0..length)?;
            }
        }
        // Hot pages (1). The list can have grown just now: pages that were dropped above become copies here.
        slot.copy(&self.hot, &self.image)
    }

    /// Whether a slot is as the image.
    pub(super) fn is_as_image(&self, slot: &Slot) -> bool {
        let length = self.image.length();
        let (slot_bytes, image) = (slot.region.bytes(GUARD..GUARD + length), self.image.bytes().bytes(0..length));
        slot.accessible == length && matches!((slot_bytes, image), (Ok(one), Ok(other)) if one == other)
    }

    /// Returns the pages of a slot that differ from this image; pages beyond it are compared with zeros.
    pub(super) fn changes(&self, slot: &Slot) -> io::Result<Changes> {
        const ZERO: [u8; PAGE] = [0; PAGE];
        let memory = slot.region.bytes(GUARD..GUARD + slot.accessible)?;
        let image = self.image.bytes().bytes(0..self.image.length())?;
        let mut stretches: Vec<Stretch> = Vec::new();
        for (page, bytes) in memory.chunks(PAGE).enumerate() {
            let start = page * PAGE;
            if bytes == image.get(start..start + PAGE).unwrap_or(&ZERO) {
                continue;
            }
            match stretches.last_mut() {
                Some(last) if last.start + last.bytes.len() == start => last.bytes.extend_from_slice(bytes),
                _ => stretches.push(Stretch { start, bytes: bytes.to_vec() }),
            }
        }
        Ok(Changes { length: slot.accessible, stretches })
    }
}

impl Slot {
    pub(super) fn address(&self) -> *mut u8 {
        self.region.address(GUARD)
    }

    /// Returns the image that its memory began as.
    pub(super) fn image(&self) -> &Image {
        &self.image
    }

    /// Maps the image. Pages that were there are gone.
    pub(super) fn map_image(&mut self) -> io::Result<()> {
        let length = self.image.length();
        match length {
            0 => Ok(()),
            _ => self.region.map_file(GUARD..GUARD + length, self.image.file(), true),
        }
    }

    /// Notes how many page faults there were so far.
    pub(super) fn note_faults(&mut self) {
        self.faults = page_faults();
    }

    /// Gives access to at least so many bytes.
    pub(super) fn make_accessible(&mut self, size: usize) -> io::Result<()> {
        if self.is_away {
            return Err(io::Error::other("the memory of a sandbox that waits does not grow"));
        }
        if size > self.accessible {
            self.set_access(self.accessible..size, true)?;
            self.accessible = size;
        }
        Ok(())
    }

    fn copy(&mut self, hot: &HotPages, image: &Image) -> io::Result<()> {
        hot.stretches().iter().try_for_each(|hot| self.region.copy_from(GUARD, hot.clone(), image.bytes()))
    }

    fn drop_pages(&mut self, range: Range<usize>) -> io::Result<()> {
        self.region.drop_pages(GUARD + range.start..GUARD + range.end)
    }

    pub(super) fn set_access(&mut self, range: Range<usize>, is_given: bool) -> io::Result<()> {
        self.region.set_access(GUARD + range.start..GUARD + range.end, is_given)
    }
}
