//! Slots: linear memories that begin as an image, and are reset in place.

use super::image::Image;
use super::packed::Packer;
use super::pagemap::Pagemap;
use super::place::Place;
use super::shelf::{Changes, Shelf, Slot};
use super::{GUARD, ImageNumber, PAGE, RESERVED};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

/// Most slots that wait for a sandbox, of all images. Each keeps its hot pages in memory.
const MOST_FREE: usize = 32;
/// Most packed bytes of sandboxes that wait.
const MOST_PACKED: usize = 512 << 20;
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

/// The image of the first guest.
pub(crate) const BASE: ImageNumber = 0;

/// The slots of a process.
pub(crate) struct Slots {
    /// None when the kernel does not show a process its own pages.
    pagemap: Option<Pagemap>,
    /// True when pages of an image are mapped before a slot's first use.
    populates: bool,
    check_one_in: u64,
    /// Most slots in use. Those whose pages are away are not.
    most: usize,
    state: Mutex<State>,
    /// Packs the memories of sandboxes that wait; made for the first one.
    packer: OnceLock<Mutex<Packer>>,
    /// Packed bytes of sandboxes that wait.
    packed: AtomicUsize,
    /// Held by the sandbox that is taken down after it was parked: many of them can end at once, and there is not room for
    /// all their memories.
    taking_down: Arc<Semaphore>,
}

struct State {
    shelves: BTreeMap<ImageNumber, Shelf>,
    /// The image of the next memory, and its place.
    next: (ImageNumber, Place<Slot>),
    in_use: usize,
    is_learning: bool,
    resets: u64,
    /// The number of slots that were handed out: the time by which a shelf's last use is told.
    uses: u64,
    /// What the next memory that ends has changed is kept.
    keeps_changes: bool,
    changes: Option<Changes>,
}

/// The linear memory of one sandbox.
struct SlotMemory {
    slot: Place<Slot>,
    address: usize,
    image: ImageNumber,
    size: usize,
    slots: Arc<Slots>,
}

/// Gives the memories of an engine's sandboxes.
#[derive(Clone)]
pub(crate) struct Creator(pub(crate) Arc<Slots>);

impl Slots {
    /// Makes slots for the image of the first guest, at most `most` in use of all images. Call it before the process is locked.
    pub(crate) fn new(image: Image, most: usize, populates: bool, checks: Checks) -> Arc<Self> {
        // Where slots are hardly used again, the search costs more than it saves.
        let searches = populates && checks != Checks::AllWithoutPagemap;
        let pagemap = if searches { Pagemap::open().ok() } else { None };
        let check_one_in = if checks == Checks::Usual { CHECK_ONE_IN } else { 1 };
        let state = State {
            shelves: [(BASE, Shelf::new(image, BASE))].into(),
            next: (BASE, Place::default()),
            in_use: 0,
            is_learning: false,
            resets: 0,
            uses: 0,
            keeps_changes: false,
            changes: None,
        };
        let state = Mutex::new(state);
        let (packer, packed) = (OnceLock::new(), AtomicUsize::new(0));
        let taking_down = Arc::new(Semaphore::new(1));
        Arc::new(Slots { pagemap, populates, check_one_in, most, state, packer, packed, taking_down })
    }

    /// Adds the image of another guest.
    pub(crate) fn add_base(&self, number: ImageNumber, image: Image) {
        self.state().shelves.insert(number, Shelf::new(image, number));
    }

    /// Adds an image that was made from the image `base` of a guest. The pages that runs from that one write often are hot in
    /// it as well.
    pub(crate) fn add(&self, number: ImageNumber, image: Image, base: ImageNumber) {
        let mut state = self.state();
        let hot: Vec<u32> = state.shelves.get(&base).map(|base| base.hot().collect()).unwrap_or_default();
        let mut shelf = Shelf::new(image, base);
        shelf.set_hot(&hot);
        state.shelves.insert(number, shelf);
    }

    /// Forgets an image that is no guest's own. Memories that began as it live on, and are unmapped when they end.
    pub(crate) fn forget(&self, number: ImageNumber) {
        let mut state = self.state();
        if state.shelves.get(&number).is_some_and(|shelf| shelf.base() != number) {
            state.shelves.remove(&number);
        }
    }

    /// Has the next memory begin as this image, and returns where it will be.
    pub(crate) fn choose(&self, number: ImageNumber) -> Place<Slot> {
        let place = Place::default();
        self.state().next = (number, place.clone());
        place
    }

    /// Returns the length of an image in bytes; none when it is not there.
    pub(crate) fn length(&self, number: ImageNumber) -> Option<usize> {
        self.state().shelves.get(&number).map(Shelf::length)
    }

    /// Has the pages kept that the next memory that ends has changed, beside its guest's image.
    pub(crate) fn keep_changes(&self) {
        self.state().keeps_changes = true;
    }

    /// Returns what was kept; none when no memory has ended since, or its pages could not be read.
    pub(crate) fn take_changes(&self) -> Option<Changes> {
        self.state().changes.take()
    }

    /// Takes these pages of an image for hot. Numbers that are no pages of it are left out.
    pub(crate) fn set_hot(&self, image: ImageNumber, pages: &[u32]) {
        if let Some(shelf) = self.state().shelves.get_mut(&image) {
            shelf.set_hot(pages);
        }
    }

    /// Begins to count which pages runs write.
    pub(crate) fn begin_learning(&self) {
        self.state().is_learning = true;
    }

    /// Takes the pages of an image for hot that at least `least` runs have written since learning began, and returns all hot
    /// pages of it.
    pub(crate) fn end_learning(&self, image: ImageNumber, least: u32) -> Vec<u32> {
        let mut state = self.state();
        state.is_learning = false;
        state.shelves.get_mut(&image).map(|shelf| shelf.end_learning(least)).unwrap_or_default()
    }

    /// Returns the length of the guest's own image, in bytes, where the next memory begins as one of this guest.
    fn base_length(&self) -> usize {
        let state = self.state();
        let base = state.shelves.get(&state.next.0).and_then(|next| state.shelves.get(&next.base()));
        base.map_or(0, Shelf::length)
    }

    pub(super) fn pagemap(&self) -> Option<&Pagemap> {
        self.pagemap.as_ref()
    }

    /// Notes that the pages of a slot in use are away.
    pub(super) fn note_away(&self) {
        self.state().in_use -= 1;
    }

    /// Notes that they are there again, even where more are then in use than usual.
    pub(super) fn note_back(&self) {
        self.state().in_use += 1;
    }

    /// Waits until a sandbox that was parked can be taken down. The next one waits until the value is dropped.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        self.taking_down.clone().acquire_owned().await.ok()
    }

    /// Returns what packs and unpacks.
    pub(super) fn packer(&self) -> MutexGuard<'_, Packer> {
        let packer = self.packer.get_or_init(|| Mutex::new(Packer::new()));
        packer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add_packed(&self, bytes: usize) {
        self.packed.fetch_add(bytes, Relaxed);
    }

    pub(super) fn remove_packed(&self, bytes: usize) {
        self.packed.fetch_sub(bytes, Relaxed);
    }

    /// Returns the packed bytes of sandboxes that wait.
    pub(super) fn packed(&self) -> usize {
        self.packed.load(Relaxed)
    }

    /// Whether more can be packed.
    pub(super) fn has_room_for_packed(&self) -> bool {
        self.packed() < MOST_PACKED
    }

    /// Returns the number of slots that wait for a sandbox, of all images.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.state().shelves.values().map(Shelf::free).sum()
    }

    /// Returns the number of slots in use.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> usize {
        self.state().in_use
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, minimum: usize) -> io::Result<SlotMemory> {
        let mut state = self.state();
        if state.in_use >= self.most {
            return Err(io::Error::other("all slots are in use"));
        }
        let (image, place) = std::mem::replace(&mut state.next, (BASE, Place::default()));
        state.uses += 1;
        let uses = state.uses;
        let shelf = state.shelves.get_mut(&image).ok_or_else(|| io::Error::other("the image is not there"))?;
        let length = shelf.length();
        let mut slot = shelf.take(self.populates, uses)?;
        // After everything that is done to the slot here, and before anything that a sandbox does to it.
        slot.note_faults();
        state.in_use += 1;
        drop(state);
        let address = slot.address().expose_provenance();
        *place.lock() = Some(slot);
        let mut memory = SlotMemory { slot: place, address, image, size: length, slots: self.clone() };
        if minimum > memory.size {
            memory.grow(minimum)?;
        }
        Ok(memory)
    }

    /// Takes a slot back whose sandbox has ended.
    fn give_back(&self, mut slot: Slot, image: ImageNumber) {
        // Its pages are back with the kernel already, and it does not count as in use: it is unmapped.
        if slot.is_away {
            return;
        }
        let mut state = self.state();
        let state = &mut *state;
        state.in_use -= 1;
        state.resets += 1;
        if std::mem::take(&mut state.keeps_changes) {
            let base = state.shelves.get(&image).and_then(|shelf| state.shelves.get(&shelf.base()));
            state.changes = base.and_then(|base| base.changes(&slot).ok());
        }
        // A slot whose image is forgotten is unmapped, and so is one that cannot be reset.
        let Some(shelf) = state.shelves.get_mut(&image) else { return };
        if shelf.reset(&mut slot, self.pagemap.as_ref(), state.is_learning).is_err() {
            return;
        }
        if state.resets.is_multiple_of(self.check_one_in) && !shelf.is_as_image(&slot) {
            super::end_process("a sandbox's memory was not reset");
        }
        shelf.put(slot);
        state.bound();
    }
}

impl State {
    /// Unmaps a free slot of the image that was not used for the longest time, when too many are free.
    fn bound(&mut self) {
        let free: usize = self.shelves.values().map(Shelf::free).sum();
        if free > MOST_FREE
            && let Some(shelf) =
                self.shelves.values_mut().filter(|shelf| shelf.free() > 0).min_by_key(|shelf| shelf.last_use())
        {
            shelf.drop_one();
        }
    }
}

impl SlotMemory {
    fn grow(&mut self, size: usize) -> io::Result<()> {
        let mut slot = self.slot.lock();
        let slot = slot.as_mut().ok_or(io::ErrorKind::NotFound)?;
        if size > RESERVED || !size.is_multiple_of(PAGE) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        slot.make_accessible(size)?;
        self.size = size;
        Ok(())
    }
}

// SAFETY: a slot has the addresses and guards that the settings of `engine` say, and a memory is as a guest's initial
// memory: zero, or an image: the guest's own, whose data segments the machine code does not have, or one that a
// sandbox of the same machine code left behind at rest, with its larger size.
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
        let length = self.0.base_length();
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
        std::ptr::with_exposed_provenance_mut(self.address)
    }
}

impl Drop for SlotMemory {
    fn drop(&mut self) {
        let slot = self.slot.lock().take();
        if let Some(slot) = slot {
            self.slots.give_back(slot, self.image);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::region::{Region, page_faults_of_thread};
    use super::*;
    use crate::dice::Dice;
    use std::fs::File;
    use std::ops::Range;

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

    fn bytes(memory: &SlotMemory) -> Vec<u8> {
        let slot = memory.slot.lock();
        slot.as_ref().expect("a slot").region.bytes(GUARD..GUARD + memory.size).expect("accessible").to_vec()
    }

    fn fill(memory: &mut SlotMemory, pages: Range<usize>) {
        let mut slot = memory.slot.lock();
        let region = &mut slot.as_mut().expect("a slot").region;
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
                let slot = memory.slot.lock();
                let region = &slot.as_ref().expect("a slot").region;
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
            slots.set_hot(BASE, &[0, 1, 7, 40, 63, 64, u32::MAX]);
            write_anywhere(&slots, 2);
            assert!(slots.state().shelves.values().all(|shelf| shelf.free() <= 8));
        }
    }

    #[test]
    fn a_run_on_hot_pages_has_no_page_fault() {
        let slots = Slots::new(image("faults"), 8, true, Checks::Usual);
        slots.set_hot(BASE, &[3, 4, 5]);
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

    fn is_as_image(slots: &Slots, slot: &Slot) -> bool {
        slots.state().shelves[&BASE].is_as_image(slot)
    }

    #[test]
    fn a_memory_begins_as_the_image_that_was_chosen() {
        let slots = Slots::new(image("chosen"), 8, true, Checks::All);
        slots.set_hot(BASE, &[2, 3]);
        let mut prepared = slots.take(LENGTH).expect("a memory");
        prepared.grow(LENGTH + 4 * PAGE).expect("grows");
        fill(&mut prepared, 2..3);
        fill(&mut prepared, 9..11);
        slots.keep_changes();
        drop(prepared);
        // Grown pages without content are as an image's hole.
        let changes = slots.take_changes().expect("changes");
        assert_eq!(changes.length, LENGTH + 4 * PAGE);
        let places: Vec<_> = changes.stretches.iter().map(|one| (one.start / PAGE, one.bytes.len() / PAGE)).collect();
        assert_eq!(places, [(2, 1), (9, 2)]);
        assert!(slots.take_changes().is_none());

        let mut bytes: Vec<u8> =
            (0..LENGTH + 4 * PAGE).map(|at| if at < LENGTH { (at / PAGE + 1) as u8 } else { 0 }).collect();
        for change in changes.stretches {
            bytes[change.start..change.start + change.bytes.len()].copy_from_slice(&change.bytes);
        }
        let path = std::env::temp_dir().join(format!("cronbox-slots-{}-second", std::process::id()));
        std::fs::write(&path, &bytes).expect("writes");
        slots.add(7, Image::new(File::open(&path).expect("opens")).expect("an image"), BASE);
        std::fs::remove_file(&path).expect("removes");
        let mut held = Vec::new();
        for round in 0..6 {
            slots.choose(7);
            let mut second = slots.take(LENGTH).expect("a memory");
            assert!(self::bytes(&second) == bytes, "round {round}");
            fill(&mut second, 9..10);
            fill(&mut second, 30 + round..31 + round);
            // The choice is for one memory.
            let mut first = slots.take(LENGTH).expect("a memory");
            assert_as_image(&first);
            fill(&mut first, 5..6);
            held.push(second);
            held.truncate(2);
        }
        slots.forget(7);
        drop(held);
        slots.choose(7);
        assert!(slots.take(LENGTH).is_err());
        assert_as_image(&slots.take(LENGTH).expect("a memory"));
    }

    #[test]
    fn each_guest_has_its_own_image() {
        let slots = Slots::new(image("of the first"), 40, true, Checks::All);
        slots.add_base(1, Image::empty());
        slots.set_hot(BASE, &[2, 3]);
        for round in 0..4 {
            slots.choose(1);
            assert_eq!(slots.base_length(), 0);
            let mut other = slots.take(2 * PAGE).expect("a memory");
            assert!(bytes(&other) == [0; 2 * PAGE], "round {round}");
            fill(&mut other, 0..1);
            assert_eq!(slots.base_length(), LENGTH);
            let mut memory = slots.take(LENGTH).expect("a memory");
            assert_as_image(&memory);
            fill(&mut memory, 2..4);
            // What a guest has changed is told beside its own image.
            slots.keep_changes();
            drop(other);
            assert_eq!(
                slots.take_changes().map(|changes| (changes.length, changes.stretches.len())),
                Some((2 * PAGE, 0))
            );
        }
        // A guest's own image stays.
        slots.forget(1);
        assert_eq!(slots.length(1), Some(0));
    }

    #[test]
    fn slots_that_wait_belong_to_the_images_that_were_used_last() {
        let slots = Slots::new(image("divided"), 2 * MOST_FREE, false, Checks::All);
        slots.add_base(1, Image::empty());
        let use_at_once = |number: ImageNumber, count: usize| {
            let take = |_| {
                slots.choose(number);
                slots.take(LENGTH).expect("a memory")
            };
            drop((0..count).map(take).collect::<Vec<_>>());
        };
        let free = || [BASE, 1].map(|number| slots.state().shelves[&number].free());
        use_at_once(BASE, MOST_FREE);
        assert_eq!(free(), [MOST_FREE, 0]);
        use_at_once(1, 10);
        assert_eq!(free(), [MOST_FREE - 10, 10]);
        use_at_once(1, MOST_FREE);
        assert_eq!(free(), [0, MOST_FREE]);
        use_at_once(BASE, 3);
        assert_eq!(free(), [3, MOST_FREE - 3]);
    }

    #[test]
    fn a_slot_that_was_not_reset_is_noticed() {
        let slots = Slots::new(image("noticed"), 8, true, Checks::All);
        let slot = |change: &dyn Fn(&mut SlotMemory)| {
            let mut memory = slots.take(LENGTH).expect("a memory");
            change(&mut memory);
            memory.slot.lock().take().expect("a slot")
        };
        assert!(is_as_image(&slots, &slot(&|_| ())));
        assert!(!is_as_image(&slots, &slot(&|memory| memory.grow(LENGTH + PAGE).expect("grows"))));
        for page in [0, 1, PAGES - 1] {
            assert!(!is_as_image(&slots, &slot(&|memory| fill(memory, page..page + 1))), "page {page}");
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
        assert_eq!(slots.end_learning(BASE, 2), [9, 10]);
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
            let other = Region::reserve(0, 0, PAGE).expect("reserves");
            let mut slot = memory.slot.lock();
            assert!(slot.as_mut().expect("a slot").region.copy_from(GUARD, 0..PAGE, &other).is_err());
            drop(slot);
            // SAFETY: the memory is this test's.
            unsafe { std::slice::from_raw_parts_mut(memory.as_ptr(), memory.size) }.fill(9);
        }
    }
}
