//! Slots: linear memories that begin as the image, and are reset in place.

use super::hot_pages::HotPages;
use super::image::{Image, LARGE};
use super::pagemap::Pagemap;
use super::region::{Region, page_faults};
use super::{GUARD, PAGE, RESERVED};
use std::io::{self, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

/// Most slots that wait for a sandbox. Each keeps its hot pages in memory.
const MOST_FREE: usize = 32;
/// Which resets are checked, where nothing else is said.
const CHECK_ONE_IN: u64 = if cfg!(debug_assertions) { 1 } else { 1_000 };

/// Which resets are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Checks {
    /// One in a thousand; in debug builds every one.
    #[default]
    Usual,
    /// Every one: for tests.
    All,
    /// Every one, and pages are not searched, as on a kernel that does not show a process its own pages: for tests.
    AllWithoutPagemap,
}

/// The slots of a process, all of one image.
pub(crate) struct Slots {
    image: Image,
    /// None when the kernel does not show a process its own pages.
    pagemap: Option<Pagemap>,
    /// True when pages of the image are mapped before a slot's first use.
    populates: bool,
    check_one_in: u64,
    /// Most slots in use.
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    free: Vec<Slot>,
    in_use: usize,
    hot: HotPages,
    is_learning: bool,
    resets: u64,
    /// Used again for each search.
    cold: Vec<Range<usize>>,
}

/// Addresses for one linear memory.
struct Slot {
    region: Region,
    /// The bytes with access rights, from the memory's start.
    accessible: usize,
    /// The number of page faults of the process when it was handed out.
    faults: u64,
}

/// The linear memory of one sandbox.
struct SlotMemory {
    /// None only while it is dropped.
    slot: Option<Slot>,
    size: usize,
    slots: Arc<Slots>,
}

/// Gives the memories of an engine's sandboxes.
#[derive(Clone)]
pub(crate) struct Creator(pub(crate) Arc<Slots>);

impl Slots {
    /// Makes slots for an image, at most `most` in use. Call it before the process is locked.
    pub(crate) fn new(image: Image, most: usize, populates: bool, checks: Checks) -> Arc<Self> {
        // Where slots are hardly used again, the search costs more than it saves.
        let searches = populates && checks != Checks::AllWithoutPagemap;
        let pagemap = if searches { Pagemap::open().ok() } else { None };
        let check_one_in = if checks == Checks::Usual { CHECK_ONE_IN } else { 1 };
        Arc::new(Slots { image, pagemap, populates, check_one_in, most, state: Mutex::default() })
    }

    /// Takes these pages of the image for hot. Numbers that are no pages of it are left out.
    pub(crate) fn set_hot(&self, pages: &[u32]) {
        self.state().hot.add(pages.iter().copied(), self.image.length());
    }

    /// Begins to count which pages runs write.
    pub(crate) fn begin_learning(&self) {
        self.state().is_learning = true;
    }

    /// Takes the pages for hot that at least `least` runs have written since learning began, and returns all hot pages.
    pub(crate) fn end_learning(&self, least: u32) -> Vec<u32> {
        let mut state = self.state();
        state.is_learning = false;
        state.hot.add_found(least, self.image.length());
        state.hot.pages().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, minimum: usize) -> io::Result<SlotMemory> {
        let mut state = self.state();
        if state.in_use >= self.most {
            return Err(io::Error::other("all slots are in use"));
        }
        let mut slot = match state.free.pop() {
            Some(slot) => slot,
            None => self.make(&state.hot)?,
        };
        // After everything that is done to the slot here, and before anything that a sandbox does to it.
        slot.faults = page_faults();
        state.in_use += 1;
        drop(state);
        let mut memory = SlotMemory { slot: Some(slot), size: self.image.length(), slots: self.clone() };
        if minimum > memory.size {
            memory.grow(minimum)?;
        }
        Ok(memory)
    }

    /// Makes a slot that is as the image.
    fn make(&self, hot: &HotPages) -> io::Result<Slot> {
        let length = self.image.length();
        let mut region = Region::reserve(GUARD + RESERVED + GUARD, GUARD, LARGE)?;
        if length > 0 {
            region.map_file(GUARD..GUARD + length, self.image.file(), true)?;
            if self.populates {
                // Without it pages are mapped when they are read.
                let _ = region.populate(GUARD..GUARD + length);
            }
        }
        let mut slot = Slot { region, accessible: length, faults: 0 };
        slot.copy(hot, &self.image)?;
        Ok(slot)
    }

    /// Takes a slot back whose sandbox has ended.
    fn give_back(&self, mut slot: Slot) {
        let mut state = self.state();
        state.in_use -= 1;
        state.resets += 1;
        // One that cannot be reset is unmapped.
        if self.reset(&mut slot, &mut state).is_err() {
            return;
        }
        if state.resets.is_multiple_of(self.check_one_in) && !self.is_as_image(&slot) {
            // The process's standard error is the node's log.
            let _ = writeln!(io::stderr(), "a sandbox's memory was not reset: this process ends");
            std::process::abort();
        }
        if state.free.len() < MOST_FREE {
            state.free.push(slot);
        }
    }

    /// Makes a slot as the image again. The room's documentation says why nothing of the run is left.
    fn reset(&self, slot: &mut Slot, state: &mut State) -> io::Result<()> {
        let length = self.image.length();
        // Pages beyond the image (4).
        if slot.accessible > length {
            slot.drop_pages(length..slot.accessible)?;
            slot.set_access(length..slot.accessible, false)?;
            slot.accessible = length;
        }
        // Copies of pages of the image that are not hot (3): there are none when there was no page fault.
        if page_faults() != slot.faults {
            state.cold.clear();
            let (hot, cold) = (&state.hot, &mut state.cold);
            let start = slot.region.address(GUARD).addr();
            let found = self.pagemap.as_ref().map(|pagemap| {
                pagemap.copies(start..start + length, |copies| hot.cold(copies, |range| cold.push(range)))
            });
            if let Some(Ok(())) = found {
                for range in cold.iter() {
                    slot.drop_pages(range.clone())?;
                }
                match state.is_learning {
                    true => state.hot.count(&state.cold),
                    false => state.hot.note(&state.cold, length),
                }
            } else {
                slot.drop_pages(0..length)?;
            }
        }
        // Hot pages (1). The list can have grown just now: pages that were dropped above become copies here.
        slot.copy(&state.hot, &self.image)
    }

    /// Whether a slot is as the image.
    fn is_as_image(&self, slot: &Slot) -> bool {
        let length = self.image.length();
        let (slot_bytes, image) = (slot.region.bytes(GUARD..GUARD + length), self.image.bytes().bytes(0..length));
        slot.accessible == length && matches!((slot_bytes, image), (Ok(one), Ok(other)) if one == other)
    }
}

impl Slot {
    fn copy(&mut self, hot: &HotPages, image: &Image) -> io::Result<()> {
        hot.stretches().iter().try_for_each(|hot| self.region.copy_from(GUARD, hot.clone(), image.bytes()))
    }

    fn drop_pages(&mut self, range: Range<usize>) -> io::Result<()> {
        self.region.drop_pages(GUARD + range.start..GUARD + range.end)
    }

    fn set_access(&mut self, range: Range<usize>, is_given: bool) -> io::Result<()> {
        self.region.set_access(GUARD + range.start..GUARD + range.end, is_given)
    }
}

impl SlotMemory {
    fn grow(&mut self, size: usize) -> io::Result<()> {
        let slot = self.slot.as_mut().ok_or(io::ErrorKind::NotFound)?;
        if size > RESERVED || !size.is_multiple_of(PAGE) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if size > slot.accessible {
            slot.set_access(slot.accessible..size, true)?;
            slot.accessible = size;
        }
        self.size = size;
        Ok(())
    }
}

// SAFETY: a slot has the addresses and guards that the settings of `engine` say, and a memory is as the interpreter's
// initial memory: zero, or the image whose data segments the machine code does not have.
unsafe impl MemoryCreator for Creator {
    fn new_memory(
        &self,
        _ty: MemoryType,
        minimum: usize,
        _maximum: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        if reserved != Some(RESERVED) || guard != GUARD {
            return Err(format!(
                "a memory with {reserved:?} reserved bytes and a guard of {guard} bytes is not made here"
            ));
        }
        let length = self.0.image.length();
        if length > minimum {
            return Err(format!("the image has {length} bytes, but the memory begins with {minimum}"));
        }
        Ok(Box::new(self.0.take(minimum).map_err(|error| error.to_string())?))
    }
}

// SAFETY: the address does not change while the value lives; from there on `size` bytes are accessible, and the rest of
// the reserved bytes is not.
unsafe impl LinearMemory for SlotMemory {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        RESERVED
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        Ok(self.grow(new_size)?)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.slot.as_ref().map_or(std::ptr::null_mut(), |slot| slot.region.address(GUARD))
    }
}

impl Drop for SlotMemory {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.slots.give_back(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::region::page_faults_of_thread;
    use super::*;
    use crate::dice::Dice;
    use std::fs::File;

    const PAGES: usize = 64;
    const LENGTH: usize = PAGES * PAGE;

    /// An image with another byte in each page.
    fn image(name: &str) -> Image {
        let path = std::env::temp_dir().join(format!("cronbox-slots-{}-{name}", std::process::id()));
        let bytes: Vec<u8> = (0..LENGTH).map(|at| (at / PAGE + 1) as u8).collect();
        std::fs::write(&path, bytes).expect("writes");
        let file = File::open(&path).expect("opens");
        std::fs::remove_file(&path).expect("removes");
        Image::new(file).expect("an image")
    }

    fn bytes(memory: &SlotMemory) -> &[u8] {
        let region = &memory.slot.as_ref().expect("a slot").region;
        region.bytes(GUARD..GUARD + memory.size).expect("accessible")
    }

    fn fill(memory: &mut SlotMemory, pages: Range<usize>) {
        let region = &mut memory.slot.as_mut().expect("a slot").region;
        region.clear(GUARD + pages.start * PAGE..GUARD + pages.end * PAGE).expect("accessible");
    }

    fn assert_as_image(memory: &SlotMemory) {
        assert_eq!(memory.size, LENGTH);
        let differs = bytes(memory).iter().enumerate().position(|(at, byte)| *byte != (at / PAGE + 1) as u8);
        assert_eq!(differs.map(|at| at / PAGE), None);
    }

    /// Runs that write anywhere, grow, and are paged out, one after the other and several at once.
    fn write_anywhere(slots: &Arc<Slots>, seed: u64) {
        let mut dice = Dice::new(seed);
        let mut held = Vec::new();
        for _ in 0..400 {
            let mut memory = slots.take(LENGTH).expect("a memory");
            assert_as_image(&memory);
            for _ in 0..dice.index(6) {
                let page = dice.index(PAGES);
                fill(&mut memory, page..page + 1);
            }
            if dice.index(3) == 0 {
                memory.grow(LENGTH + PAGE * (1 + dice.index(50))).expect("grows");
                assert!(bytes(&memory)[LENGTH..].iter().all(|byte| *byte == 0));
                let size = memory.size / PAGE;
                fill(&mut memory, 0..size);
            }
            if dice.index(8) == 0 {
                let region = &memory.slot.as_ref().expect("a slot").region;
                region.page_out(GUARD..GUARD + memory.size).expect("asks");
            }
            match dice.index(4) {
                0 if held.len() < 5 => held.push(memory),
                1 => held.clear(),
                _ => {}
            }
        }
    }

    #[test]
    fn a_memory_begins_as_the_image_whatever_was_written_before() {
        for (name, checks) in [("pagemap", Checks::All), ("none", Checks::AllWithoutPagemap), ("usual", Checks::Usual)]
        {
            let slots = Slots::new(image(name), 8, name != "usual", checks);
            write_anywhere(&slots, 1);
            slots.set_hot(&[0, 1, 7, 40, 63, 64, u32::MAX]);
            write_anywhere(&slots, 2);
            assert!(slots.state().free.len() <= 8);
        }
    }

    #[test]
    fn a_run_on_hot_pages_has_no_page_fault() {
        let slots = Slots::new(image("faults"), 8, true, Checks::Usual);
        slots.set_hot(&[3, 4, 5]);
        for round in 0..4 {
            let mut memory = slots.take(LENGTH).expect("a memory");
            // Reading every page as well.
            assert_as_image(&memory);
            let before = page_faults_of_thread();
            fill(&mut memory, 3..6);
            drop(memory);
            // The first round maps what the others find.
            assert!(round == 0 || page_faults_of_thread() == before, "round {round}");
        }
    }

    #[test]
    fn a_slot_that_was_not_reset_is_noticed() {
        let slots = Slots::new(image("noticed"), 8, true, Checks::All);
        let slot = |change: &dyn Fn(&mut SlotMemory)| {
            let mut memory = slots.take(LENGTH).expect("a memory");
            change(&mut memory);
            memory.slot.take().expect("a slot")
        };
        assert!(slots.is_as_image(&slot(&|_| ())));
        assert!(!slots.is_as_image(&slot(&|memory| memory.grow(LENGTH + PAGE).expect("grows"))));
        for page in [0, 1, PAGES - 1] {
            assert!(!slots.is_as_image(&slot(&|memory| fill(memory, page..page + 1))), "page {page}");
        }
    }

    #[test]
    fn pages_that_most_runs_write_are_learnt() {
        let slots = Slots::new(image("learnt"), 8, true, Checks::All);
        slots.begin_learning();
        for run in 0..6 {
            let mut memory = slots.take(LENGTH).expect("a memory");
            fill(&mut memory, 9..11);
            fill(&mut memory, 20 + run..21 + run);
        }
        assert_eq!(slots.end_learning(2), [9, 10]);
    }

    #[test]
    fn there_are_so_many_memories_at_once() {
        let slots = Slots::new(image("most"), 2, false, Checks::All);
        let held = [slots.take(LENGTH).expect("a memory"), slots.take(LENGTH).expect("a memory")];
        assert!(slots.take(LENGTH).is_err());
        drop(held);
        assert!(slots.take(LENGTH).is_ok());
    }

    #[test]
    fn without_an_image_a_memory_is_zero() {
        let slots = Slots::new(Image::empty(), 2, true, Checks::All);
        for _ in 0..3 {
            let mut memory = slots.take(4 * PAGE).expect("a memory");
            memory.grow(8 * PAGE).expect("grows");
            assert!(bytes(&memory).iter().all(|byte| *byte == 0));
            let region = &mut memory.slot.as_mut().expect("a slot").region;
            let other = Region::reserve(0, 0, PAGE).expect("reserves");
            assert!(region.copy_from(GUARD, 0..PAGE, &other).is_err());
            // SAFETY: the memory is this test's.
            unsafe { std::slice::from_raw_parts_mut(memory.as_ptr(), memory.size) }.fill(9);
        }
    }
}
