//! Sandboxes that wait, whose memory is put away meanwhile.
//!
//! A sandbox that waits in a host call needs neither its linear memory nor its stack until the call returns. What is
//! different in its memory from the image, and what its stack holds, is packed, and the pages go back to the kernel. The
//! addresses stay reserved, because the machine code has them in its frames. Before the sandbox goes on, every page is made
//! as it was.
//!
//! Packing and making whole are done in steps, because other sandboxes want the thread.

use super::packed::{MOST_PAGES, Part};
use super::place::Place;
use super::region::Region;
use super::shelf::Slot;
use super::slots::Slots;
use super::stacks::{StackRegion, Stacks};
use super::{GUARD, PAGE};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// The largest memory that is put away, in bytes: its pages are searched in one step.
const LARGEST: usize = 64 << 20;
/// Most pages that are packed of one sandbox.
const MOST_CHANGED: usize = 4_096;
/// Most of them on its stack, which is made whole in one step.
const MOST_ON_STACK: usize = 256;
/// After so many pages, packing is given up when it saves less than a quarter.
const TRIED: usize = 256;

/// A sandbox whose memory is being packed, or is away, or is being made whole.
pub(crate) struct Parking {
    slots: Arc<Slots>,
    memory: Place<Slot>,
    stack: Place<StackRegion>,
    stage: Stage,
    is_stack_away: bool,
    /// Pages that were found and are not packed yet: of the memory, then of the stack, the last ones first.
    found: Vec<(Whose, Range<usize>)>,
    parts: Vec<(Whose, Part)>,
    looked_at: usize,
    packed: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Packing,
    Away,
    MakingWhole,
    Whole,
}

/// Whose pages they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Memory,
    Stack,
}

/// How far packing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// There is more to pack.
    More,
    /// The pages are away.
    Away,
    /// The memory stays where it is: it is too large, or packing would save little.
    NotWorth,
}

impl Parking {
    /// Finds the pages of a sandbox that waits, whose stack has the address `on_stack`. None when its memory stays where it
    /// is.
    pub(crate) fn begin(
        slots: &Arc<Slots>,
        stacks: &Stacks,
        memory: &Place<Slot>,
        on_stack: usize,
    ) -> io::Result<Option<Self>> {
        let (Some(pagemap), Some(stack)) = (slots.pagemap(), stacks.find(on_stack)) else { return Ok(None) };
        let (mut found, mut of_memory, mut of_stack) = (Vec::new(), 0, 0);
        let mut search = |whose, start: usize, range: Range<usize>| {
            pagemap.copies(start + range.start..start + range.end, |copies| {
                match whose {
                    Whose::Memory => of_memory += copies.len() / PAGE,
                    Whose::Stack => of_stack += copies.len() / PAGE,
                }
                found.push((whose, range.start + copies.start..range.start + copies.end));
            })
        };
        if let (Some(slot), Some(stack)) = (memory.lock().as_ref(), stack.lock().as_ref())
            && slot.accessible <= LARGEST
            && !slot.is_away
        {
            search(Whose::Memory, slot.address().addr(), 0..slot.accessible)?;
            search(Whose::Stack, stack.region.address(0).addr(), stack.used())?;
        } else {
            return Ok(None);
        }
        if of_memory > MOST_CHANGED || of_stack > MOST_ON_STACK {
            return Ok(None);
        }
        found.reverse();
        Ok(Some(Parking {
            slots: slots.clone(),
            memory: memory.clone(),
            stack,
            stage: Stage::Packing,
            is_stack_away: false,
            found,
            parts: Vec::new(),
            looked_at: 0,
            packed: 0,
        }))
    }

    /// Packs some pages. When all are packed, they are given back to the kernel.
    pub(crate) fn pack_some(&mut self) -> io::Result<Packing> {
        if let Some((whose, _)) = self.found.last() {
            let whose = *whose;
            self.pack_part(whose)?;
            let is_little = self.looked_at >= TRIED && self.packed > self.looked_at * PAGE / 4 * 3;
            if is_little || !self.slots.has_room_for_packed() {
                return Ok(Packing::NotWorth);
            }
            return Ok(Packing::More);
        }
        self.found = Vec::new();
        // What would be left when the kernel did only a part of this is not known.
        self.put_away().unwrap_or_else(|_| super::end_process("the memory of a sandbox cannot be given back"));
        Ok(Packing::Away)
    }

    fn pack_part(&mut self, whose: Whose) -> io::Result<()> {
        const ZERO: [u8; PAGE] = [0; PAGE];
        let mut packer = self.slots.packer();
        let (memory, stack) = (self.memory.lock(), self.stack.lock());
        let (slot, stack) = (memory.as_ref().ok_or_else(gone)?, stack.as_ref().ok_or_else(gone)?);
        let image = slot.image().bytes().bytes(0..slot.image().length())?;
        let mut left = MOST_PAGES;
        let mut is_any = false;
        let mut pack = || {
            while left > 0
                && let Some((of, range)) = self.found.last_mut()
                && *of == whose
            {
                let start = range.start;
                range.start += PAGE;
                if range.start >= range.end {
                    self.found.pop();
                }
                (left, self.looked_at) = (left - 1, self.looked_at + 1);
                is_any |= match whose {
                    Whose::Memory => {
                        let page = slot.region.bytes(GUARD + start..GUARD + start + PAGE)?;
                        packer.add(start / PAGE, page, image.get(start..start + PAGE).unwrap_or(&ZERO))
                    }
                    Whose::Stack => packer.add(start / PAGE, stack.region.bytes(start..start + PAGE)?, &ZERO),
                };
            }
            if is_any { packer.finish().map(Some) } else { Ok(None) }
        };
        match pack() {
            Ok(Some(part)) => {
                self.packed += part.len();
                self.slots.add_packed(part.len());
                self.parts.push((whose, part));
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => {
                packer.forget();
                Err(error)
            }
        }
    }

    fn put_away(&mut self) -> io::Result<()> {
        let (mut memory, mut stack) = (self.memory.lock(), self.stack.lock());
        let (slot, stack) = (memory.as_mut().ok_or_else(gone)?, stack.as_mut().ok_or_else(gone)?);
        self.stage = Stage::Away;
        (slot.is_away, self.is_stack_away) = (true, true);
        self.slots.note_away();
        slot.region.take_away(GUARD..GUARD + slot.accessible)?;
        let used = stack.used();
        stack.region.take_away(used)
    }

    /// Returns the number of steps that are left until its pages are as they were.
    pub(crate) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Returns the bytes that the packed pages take.
    pub(crate) fn packed(&self) -> usize {
        self.packed
    }

    /// Makes some pages as they were. Returns whether all are.
    pub(crate) fn make_some_whole(&mut self) -> io::Result<bool> {
        match self.stage {
            Stage::Packing | Stage::Whole => return Ok(true),
            Stage::Away => {
                self.make_stack_whole()?;
                let mut memory = self.memory.lock();
                let slot = memory.as_mut().ok_or_else(gone)?;
                slot.map_image()?;
                let (length, accessible) = (slot.image().length(), slot.accessible);
                slot.set_access(length..accessible, true)?;
                drop(memory);
                self.stage = Stage::MakingWhole;
            }
            Stage::MakingWhole => self.unpack_last()?,
        }
        if !self.parts.is_empty() {
            return Ok(false);
        }
        if let Some(slot) = self.memory.lock().as_mut() {
            slot.is_away = false;
            self.slots.note_back();
        }
        self.stage = Stage::Whole;
        Ok(true)
    }

    fn make_stack_whole(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.is_stack_away) {
            return Ok(());
        }
        let made = self.stack.lock().as_mut().ok_or_else(gone).and_then(|stack| {
            let used = stack.used();
            stack.region.set_access(used, true)
        });
        // Its parts were packed last.
        let unpacked = made.and_then(|()| {
            while let Some((Whose::Stack, _)) = self.parts.last() {
                self.unpack_last()?;
            }
            Ok(())
        });
        // Without it a sandbox cannot even be taken down.
        unpacked.unwrap_or_else(|_| super::end_process("the stack of a sandbox that waited cannot be made whole"));
        Ok(())
    }

    fn unpack_last(&mut self) -> io::Result<()> {
        let Some((whose, part)) = self.parts.pop() else { return Ok(()) };
        self.packed -= part.len();
        self.slots.remove_packed(part.len());
        let mut packer = self.slots.packer();
        let mut unpack = |region: &mut Region, start: usize| {
            packer.unpack(&part, |number, page| {
                page.apply(region.bytes_mut(start + number * PAGE..start + (number + 1) * PAGE)?);
                Ok(())
            })
        };
        match whose {
            Whose::Memory => unpack(&mut self.memory.lock().as_mut().ok_or_else(gone)?.region, GUARD),
            Whose::Stack => unpack(&mut self.stack.lock().as_mut().ok_or_else(gone)?.region, 0),
        }
    }
}

/// A sandbox that waits has its memory and its stack.
fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the sandbox that waits is gone")
}

impl Drop for Parking {
    /// Makes the stack as it was: a sandbox that is taken down unwinds it. Its memory is not touched any more. If that is
    /// away, or not whole yet, it stays so, and its slot is unmapped at the sandbox's end.
    fn drop(&mut self) {
        let _ = self.make_stack_whole();
        self.slots.remove_packed(self.packed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::image::Image;
    use super::super::slots::{BASE, Checks, Creator};
    use super::*;
    use crate::dice::Dice;
    use std::fs::File;
    use wasmtime::{LinearMemory, MemoryCreator, MemoryType, StackCreator, StackMemory};

    const PAGES: usize = 400;
    const LENGTH: usize = PAGES * PAGE;
    const STACK: usize = 1 << 20;

    fn slots(name: &str, checks: Checks) -> Arc<Slots> {
        let path = std::env::temp_dir().join(format!("cronbox-parking-{}-{name}", std::process::id()));
        let bytes: Vec<u8> = (0..LENGTH).map(|at| (at / PAGE) as u8).collect();
        std::fs::write(&path, bytes).expect("writes");
        let file = File::open(&path).expect("opens");
        std::fs::remove_file(&path).expect("removes");
        Slots::new(Image::new(file).expect("an image"), 8, true, checks)
    }

    /// A memory and a stack, as a sandbox has them.
    struct Sandbox {
        linear: Box<dyn LinearMemory>,
        stack: Box<dyn StackMemory>,
        memory: Place<Slot>,
        slots: Arc<Slots>,
        stacks: Stacks,
    }

    impl Sandbox {
        fn new(slots: &Arc<Slots>, stacks: &Stacks) -> Self {
            let memory = slots.choose(BASE);
            let linear = Creator(slots.clone())
                .new_memory(MemoryType::new(1, None), LENGTH, None, Some(super::super::RESERVED), GUARD)
                .expect("a memory");
            let stack = stacks.new_stack(STACK, true).expect("a stack");
            Sandbox { linear, stack, memory, slots: slots.clone(), stacks: stacks.clone() }
        }

        fn park(&self) -> Option<Parking> {
            let on_stack = self.stack.range().end - 9;
            Parking::begin(&self.slots, &self.stacks, &self.memory, on_stack).expect("searches")
        }

        fn write(&self, page: usize, bytes: &[u8]) {
            let start = GUARD + page * PAGE;
            let mut memory = self.memory.lock();
            let region = &mut memory.as_mut().expect("a slot").region;
            region.bytes_mut(start..start + PAGE).expect("accessible")[..bytes.len()].copy_from_slice(bytes);
        }

        fn write_on_stack(&self, page: usize, bytes: &[u8]) {
            let place = self.stacks.find(self.stack.range().start).expect("the stack");
            let mut stack = place.lock();
            let start = STACK - page * PAGE;
            let region = &mut stack.as_mut().expect("a stack").region;
            region.bytes_mut(start..start + PAGE).expect("accessible")[..bytes.len()].copy_from_slice(bytes);
        }

        fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
            let place = self.stacks.find(self.stack.range().start).expect("the stack");
            let (memory, stack) = (self.memory.lock(), place.lock());
            let slot = memory.as_ref().expect("a slot");
            let memory = slot.region.bytes(GUARD..GUARD + self.linear.byte_size()).expect("accessible").to_vec();
            (memory, stack.as_ref().expect("a stack").region.bytes(PAGE..PAGE + STACK).expect("accessible").to_vec())
        }
    }

    fn pack(parking: &mut Parking) -> Packing {
        loop {
            match parking.pack_some().expect("packs") {
                Packing::More => {}
                end => return end,
            }
        }
    }

    fn random(dice: &mut Dice) -> Vec<u8> {
        (0..PAGE).map(|_| dice.index(256) as u8).collect()
    }

    #[test]
    fn a_memory_that_was_away_is_as_before() {
        let slots = slots("as-before", Checks::All);
        let stacks = Stacks::default();
        slots.set_hot(BASE, &[0, 1, 2, 50, 399]);
        let mut dice = Dice::new(5);
        for round in 0..20 {
            let mut sandbox = Sandbox::new(&slots, &stacks);
            for _ in 0..dice.index(200) {
                let count = 1 + dice.index(200);
                let bytes: Vec<u8> = (0..count).map(|_| dice.index(256) as u8).collect();
                sandbox.write(dice.index(PAGES), &bytes);
                sandbox.write_on_stack(dice.index(60), &bytes);
            }
            if round % 3 == 1 {
                sandbox.linear.grow_to(LENGTH + 90 * PAGE).expect("grows");
                sandbox.write(PAGES + dice.index(90), b"beyond the image");
            }
            let before = sandbox.bytes();
            for times in 0..3 {
                let mut parking = sandbox.park().expect("it is not large");
                assert_eq!(pack(&mut parking), Packing::Away);
                assert!(parking.packed() < 1 << 20, "{}", parking.packed());
                assert!(sandbox.linear.grow_to(LENGTH + 100 * PAGE).is_err(), "it is away");
                while !parking.make_some_whole().expect("is made whole") {}
                // Once more changes nothing.
                assert!(times != 1 || parking.make_some_whole().expect("is whole"));
                drop(parking);
                assert!(sandbox.bytes() == before, "round {round}");
                assert_eq!(slots.packed(), 0);
            }
            // Its memory goes while it is away.
            let away = sandbox.park().map(|mut parking| (pack(&mut parking), parking));
            assert_eq!(away.as_ref().map(|(packing, _)| *packing), Some(Packing::Away));
            drop(sandbox.linear);
            drop(away);
            assert_eq!(slots.packed(), 0);
        }
    }

    #[test]
    fn pages_that_are_away_are_not_in_memory() {
        let slots = slots("in-memory", Checks::All);
        let sandbox = Sandbox::new(&slots, &Stacks::default());
        for page in 0..300 {
            sandbox.write(page, b"something");
        }
        let pagemap = slots.pagemap().expect("the kernel shows pages");
        let start = sandbox.linear.as_ptr().addr();
        let count = || {
            let mut count = 0;
            pagemap.copies(start..start + LENGTH, |range| count += range.len() / PAGE).expect("reads");
            count
        };
        assert_eq!(count(), 300);
        let mut parking = sandbox.park().expect("it is not large");
        assert_eq!(pack(&mut parking), Packing::Away);
        assert_eq!(count(), 0);
        assert!(parking.packed() < 16 << 10, "{}", parking.packed());
        assert_eq!(slots.packed(), parking.packed());
        while !parking.make_some_whole().expect("is made whole") {}
        drop(parking);
        assert_eq!(count(), 300);
        assert_eq!(slots.packed(), 0);
    }

    #[test]
    fn a_sandbox_that_is_taken_down_gets_its_stack_only() {
        let slots = slots("taken-down", Checks::All);
        let stacks = Stacks::default();
        for steps in 0..4 {
            let sandbox = Sandbox::new(&slots, &stacks);
            for page in 0..200 {
                sandbox.write(page, b"something");
            }
            sandbox.write_on_stack(3, b"frames");
            let stack_before = sandbox.bytes().1;
            let mut parking = sandbox.park().expect("it is not large");
            assert_eq!(pack(&mut parking), Packing::Away);
            // Also when its memory is partly whole.
            for _ in 0..steps {
                assert!(!parking.make_some_whole().expect("is made whole"), "step {steps}");
            }
            drop(parking);
            assert_eq!(slots.packed(), 0);
            let place = stacks.find(sandbox.stack.range().start).expect("the stack");
            let stack = place.lock();
            let bytes = stack.as_ref().expect("a stack").region.bytes(PAGE..PAGE + STACK).expect("accessible");
            assert!(bytes == stack_before, "step {steps}");
            assert!(sandbox.memory.lock().as_ref().expect("a slot").is_away);
            drop(stack);
            // Its slot is not used again, and does not count.
            drop(sandbox);
            assert_eq!((slots.free(), slots.in_use()), (0, 0));
        }
    }

    #[test]
    fn what_does_not_become_smaller_stays() {
        let slots = slots("random", Checks::All);
        let mut sandbox = Sandbox::new(&slots, &Stacks::default());
        let mut dice = Dice::new(11);
        for page in 0..TRIED + MOST_PAGES {
            sandbox.write(page, &random(&mut dice));
        }
        let before = sandbox.bytes();
        let mut parking = sandbox.park().expect("it is not large");
        assert_eq!(pack(&mut parking), Packing::NotWorth);
        drop(parking);
        assert!(sandbox.bytes() == before);
        assert_eq!(slots.packed(), 0);
        // Nor what is large.
        sandbox.linear.grow_to(LENGTH + MOST_CHANGED * PAGE).expect("grows");
        for page in 0..=MOST_CHANGED {
            sandbox.write(page, b"a little");
        }
        assert!(sandbox.park().is_none());
        sandbox.linear.grow_to(LARGEST + PAGE).expect("grows");
        assert!(sandbox.park().is_none());
    }

    #[test]
    fn nothing_is_put_away_where_pages_are_not_shown() {
        let slots = slots("not-shown", Checks::AllWithoutPagemap);
        assert!(Sandbox::new(&slots, &Stacks::default()).park().is_none());
    }

    #[test]
    fn packing_that_is_given_up_changes_nothing() {
        let slots = slots("given-up", Checks::All);
        let sandbox = Sandbox::new(&slots, &Stacks::default());
        for page in 0..3 * MOST_PAGES {
            sandbox.write(page, b"something");
        }
        let before = sandbox.bytes();
        let mut parking = sandbox.park().expect("it is not large");
        assert_eq!(parking.pack_some().expect("packs"), Packing::More);
        drop(parking);
        assert!(sandbox.bytes() == before);
        assert_eq!(slots.packed(), 0);
    }
}
