//! Pages that are kept packed: what is different from the pages that they began as.

use super::PAGE;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::io;
use zeroize::{Zeroize, Zeroizing};

/// Bytes that are compared at once, and that many of them in a page.
const WORD: usize = 8;
const WORDS: usize = PAGE / WORD;
/// One bit for each word of a page.
const BITS: usize = WORDS / 8;
/// Bytes of a page's number.
const NUMBER: usize = 4;

/// Most pages of a part: packing and unpacking so many takes a millisecond or two.
pub(super) const MOST_PAGES: usize = 64;

/// Pages that were packed together.
#[derive(Debug)]
pub(super) struct Part {
    /// Overwritten when it is dropped.
    bytes: Zeroizing<Vec<u8>>,
    /// The number of bytes before they were compressed; none when they are not.
    whole: Option<usize>,
}

impl Part {
    /// Returns the bytes that it takes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Packs and unpacks.
///
/// A part is, for each page: its number, a bit for each word that is different, and those words, as the difference
/// (exclusive or). This is compressed.
pub(super) struct Packer {
    deflate: Compress,
    inflate: Decompress,
    /// What is packed, before it is compressed; empty between uses.
    plain: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> Self {
        Packer {
            // Not the first level: zlib-rs panics there when the output does not fit.
            deflate: Compress::new(Compression::new(2), false),
            inflate: Decompress::new(false),
            // Never moved: a vector that grows would leave copies of what it held.
            plain: Vec::with_capacity(MOST_PAGES * (NUMBER + BITS + PAGE)),
        }
    }

    /// Adds a page to the part that is being packed, when it is different from what it began as. Returns whether it is.
    pub(super) fn add(&mut self, number: usize, page: &[u8], began: &[u8]) -> bool {
        if page == began {
            return false;
        }
        let start = self.plain.len();
        self.plain.extend_from_slice(&(number as u32).to_le_bytes());
        self.plain.resize(start + NUMBER + BITS, 0);
        let words = page.as_chunks::<WORD>().0.iter().zip(began.as_chunks::<WORD>().0);
        for (at, (word, before)) in words.enumerate() {
            if word != before {
                self.plain[start + NUMBER + at / 8] |= 1 << (at % 8);
                let difference = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*before);
                self.plain.extend_from_slice(&difference.to_le_bytes());
            }
        }
        true
    }

    /// Returns what was added as a part.
    pub(super) fn finish(&mut self) -> io::Result<Part> {
        let mut plain = Zeroizing::new(std::mem::take(&mut self.plain));
        self.deflate.reset();
        // Room for bytes that become more by it, so that compressing always ends. Those are kept as they are.
        let mut packed = Zeroizing::new(Vec::with_capacity(plain.len() + plain.len() / 4 + 1024));
        let status = self.deflate.compress_vec(&plain, &mut packed, FlushCompress::Finish);
        let part = status.map_err(io::Error::other).map(|status| {
            if status == Status::StreamEnd && packed.len() < plain.len() {
                // A vector of the right size: what is left of the other one is overwritten.
                Part { bytes: Zeroizing::new(packed.to_vec()), whole: Some(plain.len()) }
            } else {
                Part { bytes: Zeroizing::new(plain.to_vec()), whole: None }
            }
        });
        plain.zeroize();
        self.plain = std::mem::take(&mut *plain);
        part
    }

    /// Gives up what was added.
    pub(super) fn forget(&mut self) {
        self.plain.zeroize();
    }

    /// Calls `each` with the number of every page of a part, and what is different in it.
    pub(super) fn unpack(
        &mut self,
        part: &Part,
        mut each: impl FnMut(usize, &Differences<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut unpacked = Zeroizing::new(Vec::new());
        let plain: &[u8] = match part.whole {
            None => &part.bytes,
            Some(whole) => {
                self.inflate.reset(false);
                unpacked.reserve_exact(whole);
                let status = self.inflate.decompress_vec(&part.bytes, &mut unpacked, FlushDecompress::Finish);
                if status.map_err(io::Error::other)? == Status::BufError || unpacked.len() != whole {
                    return Err(damaged());
                }
                &unpacked
            }
        };
        let mut rest = plain;
        while !rest.is_empty() {
            let (number, differences, after) = Differences::read(rest).ok_or_else(damaged)?;
            each(number, &differences)?;
            rest = after;
        }
        Ok(())
    }
}

/// What is different in a page from what it began as.
pub(super) struct Differences<'a> {
    bits: &'a [u8; BITS],
    words: &'a [[u8; WORD]],
}

impl<'a> Differences<'a> {
    /// Reads a page's number and differences, and returns what comes after them.
    fn read(rest: &'a [u8]) -> Option<(usize, Self, &'a [u8])> {
        let (number, rest) = rest.split_first_chunk::<NUMBER>()?;
        let (bits, rest) = rest.split_first_chunk::<BITS>()?;
        let count = bits.iter().map(|byte| byte.count_ones() as usize).sum::<usize>();
        let (words, rest) = rest.split_at_checked(count * WORD)?;
        let differences = Differences { bits, words: words.as_chunks().0 };
        Some((u32::from_le_bytes(*number) as usize, differences, rest))
    }

    /// Makes a page that is as it began as it was.
    pub(super) fn apply(&self, page: &mut [u8]) {
        let mut differences = self.words.iter();
        let words = page.as_chunks_mut::<WORD>().0;
        for (at, word) in words.iter_mut().enumerate().take(WORDS) {
            if self.bits[at / 8] & (1 << (at % 8)) != 0
                && let Some(difference) = differences.next()
            {
                *word = (u64::from_le_bytes(*word) ^ u64::from_le_bytes(*difference)).to_le_bytes();
            }
        }
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "packed pages are damaged")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    fn there_and_back(pages: &[Vec<u8>], began: &[Vec<u8>]) -> usize {
        let mut packer = Packer::new();
        let mut size = 0;
        let mut made = began.to_vec();
        // Twice, so that nothing is left in the packer of the first time.
        for _ in 0..2 {
            let added = (0..pages.len()).filter(|at| packer.add(*at, &pages[*at], &began[*at])).count();
            assert_eq!(added, pages.iter().zip(began).filter(|(page, began)| page != began).count());
            let part = packer.finish().expect("packs");
            assert!(packer.plain.is_empty());
            size = part.len();
            made = began.to_vec();
            let mut apply = |number: usize, page: &Differences<'_>| {
                page.apply(&mut made[number]);
                Ok(())
            };
            packer.unpack(&part, &mut apply).expect("unpacks");
        }
        assert!(made == pages);
        size
    }

    #[test]
    fn pages_come_back_as_they_were() {
        let mut dice = Dice::new(3);
        let began: Vec<Vec<u8>> = (0..40).map(|page| vec![page as u8; PAGE]).collect();
        assert!(there_and_back(&began, &began) < 8, "pages that did not change take nothing");
        let mut few = began.clone();
        for page in &mut few {
            for _ in 0..dice.index(30) {
                page[dice.index(PAGE)] = dice.index(256) as u8;
            }
        }
        assert!(there_and_back(&few, &began) < 10_000);
        let mut edges = began.clone();
        (edges[0][0], edges[0][PAGE - 1], edges[39][PAGE - 1]) = (9, 9, 9);
        there_and_back(&edges, &began);
        let random: Vec<Vec<u8>> = (0..40).map(|_| (0..PAGE).map(|_| dice.index(256) as u8).collect()).collect();
        let size = there_and_back(&random, &began);
        assert!(size <= 40 * (PAGE + NUMBER + BITS), "{size}");
    }

    #[test]
    fn a_damaged_part_is_an_error() {
        let mut packer = Packer::new();
        packer.add(3, &[7; PAGE], &[0; PAGE]);
        let mut part = packer.finish().expect("packs");
        part.whole = part.whole.map(|whole| whole + 1);
        let never = |_: usize, _: &Differences<'_>| Err(io::ErrorKind::NotFound.into());
        assert!(packer.unpack(&part, never).is_err());
        packer.add(3, &[7; PAGE], &[0; PAGE]);
        packer.forget();
        let nothing = packer.finish().expect("packs");
        packer.unpack(&nothing, never).expect("nothing is in it");
        for end in 1..NUMBER + BITS + WORD {
            let part = Part { bytes: Zeroizing::new(vec![1; end]), whole: None };
            let error = packer.unpack(&part, |_, _| Ok(())).expect_err("it is cut off");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{end}");
        }
    }
}
