//! The line at which a script was stopped.
//!
//! A script that runs out of fuel or time is stopped without an exception. Its memory still exists, and the description of its
//! guest says how a line is found in it. CPython describes in it, for external debuggers, where the fields of its structures
//! are (`_Py_DebugOffsets` in its Include/internal/pycore_debug_offsets.h, used by PEP 768). So the innermost frame in the user's code can be found:
//! from the runtime to the interpreter, its thread and its frames; and from the frame's instruction the line, with the
//! code's line table (InternalDocs/code_objects.md in CPython's sources).
//!
//! The memory belongs to the guest and can contain anything. It is read through the kernel, only within that memory,
//! and every search is limited. The result is two short texts and a number, which are not trusted.

use crate::guest_description::StopLines;
use crate::outcome::SourceLocation;
use std::cell::Cell;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;

/// The start of CPython's description of itself.
const COOKIE: &[u8; 8] = b"xdebugpy";
/// The supported version: 3.14, with any micro version. The indexes of its fields are below.
const VERSION: u64 = 0x030e;
/// Most frames that are read. The user's frame is among the innermost; above it are only frames of libraries.
const MAX_FRAMES: usize = 1_000;
/// Most bytes of a text, and of a line table, that are read.
const MAX_TEXT: usize = 300;
const MAX_TABLE: usize = 1 << 20;
/// Most bytes that are read in total after CPython's description is found: about a millisecond, whatever the memory
/// contains.
const MAX_READ: usize = 2 << 20;
/// Most reads in total: each is a system call.
const MAX_READS: usize = 8_000;
/// Bytes in which the cookie is searched. It is at 3.7 MB, in CPython's static data, which come before the heap.
const MAX_SEARCHED: usize = 8 << 20;
/// Bytes of one read while the cookie is searched.
const CHUNK: usize = 256 << 10;
/// The directory of the user's files.
const USERS: &str = "/app/";

/// Finds lines in the memories of this process's sandboxes.
pub(crate) struct StopLocator {
    memory: OwnedFd,
}

impl StopLocator {
    /// Opens the file that cannot be opened after the process is locked.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(StopLocator { memory: File::open("/proc/self/mem")?.into() })
    }

    /// Returns the line of the script whose sandbox has this memory, a range of addresses of this process.
    pub(crate) fn locate(&self, memory: Range<usize>, lines: StopLines) -> Option<SourceLocation> {
        match lines {
            StopLines::CPython => self.locate_in_cpython(memory),
        }
    }

    fn locate_in_cpython(&self, memory: Range<usize>) -> Option<SourceLocation> {
        let mut memory = GuestMemory::new(&self.memory, memory);
        // Searched each time: the memory of one run must not influence the search for another.
        let runtime = memory.find(COOKIE)?;
        memory.left = Cell::new((MAX_READ, MAX_READS));
        let offsets = Offsets::read(&memory, runtime)?;
        let interpreter = memory.word(runtime.checked_add(offsets.interpreter)?)?;
        let thread = memory.word(interpreter.checked_add(offsets.thread)?)?;
        let mut frame = memory.word(thread.checked_add(offsets.frame)?)?;
        for _ in 0..MAX_FRAMES {
            if frame == 0 {
                return None;
            }
            if let Some(location) = offsets.location_of(&memory, frame) {
                return Some(location);
            }
            frame = memory.word(frame.checked_add(offsets.previous)?)?;
        }
        None
    }
}

/// The linear memory of a guest, with the guest's addresses.
struct GuestMemory<'a> {
    file: &'a OwnedFd,
    range: Range<usize>,
    /// The bytes and reads that are left.
    left: Cell<(usize, usize)>,
}

impl<'a> GuestMemory<'a> {
    fn new(file: &'a OwnedFd, range: Range<usize>) -> Self {
        GuestMemory { file, range, left: Cell::new((MAX_SEARCHED, MAX_READS)) }
    }

    fn read(&self, at: u32, into: &mut [u8]) -> Option<()> {
        let (bytes, reads) = self.left.get();
        self.left.set((bytes.checked_sub(into.len())?, reads.checked_sub(1)?));
        let start = self.range.start.checked_add(at as usize)?;
        if start.checked_add(into.len())? > self.range.end {
            return None;
        }
        let mut done = 0;
        while done < into.len() {
            match rustix::io::pread(self.file, &mut into[done..], (start + done) as u64).ok()? {
                0 => return None,
                read => done += read,
            }
        }
        Some(())
    }

    fn bytes(&self, at: u32, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.read(at, &mut bytes)?;
        Some(bytes)
    }

    fn word(&self, at: u32) -> Option<u32> {
        let mut word = [0; 4];
        self.read(at, &mut word)?;
        Some(u32::from_le_bytes(word))
    }

    fn find(&self, what: &[u8]) -> Option<u32> {
        let mut at = 0;
        let size = self.range.len().min(MAX_SEARCHED);
        while at < size {
            let length = CHUNK.min(size - at);
            let bytes = self.bytes(u32::try_from(at).ok()?, length)?;
            if let Some(found) = memchr::memmem::find(&bytes, what) {
                return u32::try_from(at + found).ok();
            }
            // The cookie is aligned to its own length, so it is within one chunk.
            at += length;
        }
        None
    }
}

/// The offsets of the fields that lead to a line, from the start of their structures.
struct Offsets {
    interpreter: u32,
    thread: u32,
    frame: u32,
    previous: u32,
    executable: u32,
    instruction: u32,
    file_name: u32,
    qualified_name: u32,
    line_table: u32,
    first_line: u32,
    instructions: u32,
    bytes_size: u32,
    bytes_content: u32,
    text_length: u32,
    text_content: u32,
}

impl Offsets {
    fn read(memory: &GuestMemory<'_>, runtime: u32) -> Option<Self> {
        // The cookie, then numbers of eight bytes each.
        let bytes = memory.bytes(runtime, 81 * 8)?;
        let (words, _) = bytes.as_chunks::<8>();
        let number = |index: usize| words.get(index + 1).map(|word| u64::from_le_bytes(*word));
        let field = |index: usize| number(index).and_then(|offset| u32::try_from(offset).ok());
        if words.first()? != COOKIE || number(0)? >> 16 != VERSION {
            return None;
        }
        Some(Offsets {
            interpreter: field(4)?,
            thread: field(8)?,
            frame: field(25)?,
            previous: field(31)?,
            executable: field(32)?,
            instruction: field(33)?,
            file_name: field(39)?,
            qualified_name: field(41)?,
            line_table: field(42)?,
            first_line: field(43)?,
            instructions: field(47)?,
            bytes_size: field(74)?,
            bytes_content: field(75)?,
            text_length: field(78)?,
            text_content: field(79)?,
        })
    }

    /// Returns the line of a frame of the user; none for other frames.
    fn location_of(&self, memory: &GuestMemory<'_>, frame: u32) -> Option<SourceLocation> {
        let pointer = |structure: u32, field: u32| memory.word(structure.checked_add(field)?);
        // The two lowest bits of a reference on the stack are a tag.
        let code = pointer(frame, self.executable)? & !3;
        let file = self.text(memory, pointer(code, self.file_name)?)?;
        if !file.starts_with(USERS) {
            return None;
        }
        let function = self.text(memory, pointer(code, self.qualified_name)?)?;
        let table = pointer(code, self.line_table)?;
        let size = pointer(table, self.bytes_size)? as usize;
        let table = memory.bytes(table.checked_add(self.bytes_content)?, size.min(MAX_TABLE))?;
        let first = pointer(code, self.first_line)?;
        let offset = pointer(frame, self.instruction)?.checked_sub(code.checked_add(self.instructions)?)?;
        // An instruction has two bytes.
        let line = line_of(first, &table, offset / 2)?;
        Some(SourceLocation { file, line, function })
    }

    /// Reads a text in ASCII; none for other texts.
    fn text(&self, memory: &GuestMemory<'_>, text: u32) -> Option<String> {
        let length = memory.word(text.checked_add(self.text_length)?)? as usize;
        if length > MAX_TEXT {
            return None;
        }
        let bytes = memory.bytes(text.checked_add(self.text_content)?, length)?;
        let plain = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
        String::from_utf8(bytes).ok().filter(|_| plain)
    }
}

/// Returns the line of an instruction, from a code object's line table.
fn line_of(first: u32, table: &[u8], instruction: u32) -> Option<u32> {
    let mut bytes = table.iter().copied();
    let mut line = first;
    let mut end = 0;
    while let Some(head) = bytes.next() {
        end += u32::from(head & 7) + 1;
        let form = head >> 3 & 15;
        match form {
            // These instructions have no line.
            15 => {}
            14 => {
                line = line.checked_add_signed(signed(&mut bytes)?)?;
                (0..3).try_for_each(|_| number(&mut bytes).map(|_| ()))?;
            }
            13 => line = line.checked_add_signed(signed(&mut bytes)?)?,
            10..=12 => {
                line = line.checked_add(u32::from(form) - 10)?;
                bytes.nth(1)?;
            }
            _ => {
                bytes.next()?;
            }
        }
        if instruction < end {
            return (form != 15).then_some(line);
        }
    }
    None
}

/// Reads a number of six bits per byte, the lowest first; all bytes except the last have bit 6 set.
fn number(bytes: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let mut value = 0;
    for shift in (0..30).step_by(6) {
        let byte = bytes.next()?;
        value |= u32::from(byte & 63) << shift;
        if byte & 64 == 0 {
            return Some(value);
        }
    }
    None
}

/// Reads a number with the sign in the lowest bit.
fn signed(bytes: &mut impl Iterator<Item = u8>) -> Option<i32> {
    let value = number(bytes)?;
    let size = i32::try_from(value >> 1).ok()?;
    Some(if value & 1 == 1 { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_line_table_is_read() {
        let table = [
            0x80 | 15 << 3, // one instruction without a line
            0x80 | 13 << 3 | 1,
            0x04, // two, two lines on
            0x80 | 11 << 3 | 2,
            0,
            0, // three, one line on
            0x80 | 3 << 3,
            0, // one, the same line
            0x80 | 14 << 3,
            0x07,
            0,
            0,
            0, // one, three lines back
            0x80 | 13 << 3,
            0x40,
            0x05, // one, 160 lines on
        ];
        let lines: Vec<_> = (0..10).map(|instruction| line_of(10, &table, instruction)).collect();
        let known = [12, 12, 13, 13, 13, 13, 10, 170].map(Some);
        assert_eq!(lines, [&[None], &known[..], &[None]].concat());
    }

    #[test]
    fn a_table_that_is_cut_or_lies_has_no_line() {
        assert_eq!(line_of(1, &[0x80 | 14 << 3, 0x40], 0), None);
        assert_eq!(line_of(1, &[0x80 | 13 << 3, 0x05], 0), None);
        assert_eq!(line_of(1, &[0x80 | 13 << 3, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f], 0), None);
        assert_eq!(line_of(u32::MAX, &[0x80 | 11 << 3, 0, 0], 0), None);
    }

    #[test]
    fn only_what_lies_within_a_memory_is_read() {
        let bytes: Box<[u8; 64]> = Box::new(std::array::from_fn(|index| index as u8));
        let start = std::ptr::from_ref(&*bytes).addr();
        let file: OwnedFd = File::open("/proc/self/mem").expect("opens").into();
        let memory = GuestMemory::new(&file, start..start + 32);
        assert_eq!(memory.word(4), Some(0x0706_0504));
        assert_eq!(memory.word(28), Some(0x1f1e_1d1c));
        assert_eq!((memory.word(29), memory.word(u32::MAX)), (None, None));
        assert_eq!((memory.find(&[9, 10]), memory.find(&[40, 41])), (Some(9), None));
    }

    #[test]
    fn a_look_has_an_end() {
        let bytes: Box<[u8; 64]> = Box::new([1; 64]);
        let start = std::ptr::from_ref(&*bytes).addr();
        let file: OwnedFd = File::open("/proc/self/mem").expect("opens").into();
        let memory = GuestMemory { left: Cell::new((16, 100)), ..GuestMemory::new(&file, start..start + 64) };
        assert_eq!((0..9).filter_map(|_| memory.word(0)).count(), 4);
        let memory = GuestMemory { left: Cell::new((1_000, 3)), ..GuestMemory::new(&file, start..start + 64) };
        assert_eq!((0..9).filter_map(|_| memory.word(0)).count(), 3);
    }
}
