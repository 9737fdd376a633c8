//! Numbers that look random and are told by their seed, so that what they chose can be chosen again.

#![allow(dead_code, reason = "each crate of tests uses a part of it")]

/// A small generator.
pub struct Dice(u64);

/// Texts that often make readers fail.
const PIECES: &[&str] = &[
    "\0",
    "\u{feff}",
    "\u{202e}",
    "é",
    "😀",
    "\u{301}",
    "\r\n",
    "\t",
    " ",
    "\"",
    "'",
    "\\",
    "\\u",
    "\\ud800",
    "%",
    "%zz",
    "0",
    "-1",
    "00",
    "1e999",
    "-0",
    "nan",
    "inf",
    "18446744073709551616",
    "9223372036854775807",
    "4294967296",
    "99999",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "<",
    ">",
    "&",
    "*",
    "/",
    "//",
    "..",
    "../",
    ":",
    ";",
    ",",
    ".",
    "=",
    "#",
    "@",
    "-",
    "+",
    "~",
    "^",
    "?",
    "null",
    "true",
    "9999-12-31",
    "0001-01-01",
    "+99:99",
    "Z",
    "PK\u{3}\u{4}",
    "--",
    "a",
];

impl Dice {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        dice.roll(1);
        dice
    }

    /// A number below another.
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len() as u64) as usize]
    }

    /// A number below another, as an index or a count.
    pub fn index(&mut self, below: usize) -> usize {
        self.roll(below.max(1) as u64) as usize
    }

    /// Some pieces, one after the other.
    pub fn joined(&mut self, pieces: &[&str], most: usize) -> String {
        (0..self.index(most)).map(|_| self.pick(pieces)).collect()
    }

    /// Any bytes.
    pub fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.index(most)).map(|_| self.roll(256) as u8).collect()
    }

    /// One of a corpus, changed in some places; sometimes any bytes.
    pub fn like(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        if corpus.is_empty() || self.roll(16) == 0 {
            return self.bytes(80);
        }
        let mut bytes = corpus[self.index(corpus.len())].clone();
        for _ in 0..self.roll(6) {
            self.change(&mut bytes, corpus);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.index(bytes.len() + 1);
        let end = at + self.index((bytes.len() - at).min(40) + 1);
        match self.roll(9) {
            0 if at < bytes.len() => bytes[at] = self.roll(256) as u8,
            1 if at < bytes.len() => bytes[at] ^= 1 << self.roll(8),
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            4 => {
                let part = bytes[at..end].to_vec();
                let times = if self.roll(20) == 0 { 2_000 } else { 1 + self.index(4) };
                bytes.splice(at..at, part.repeat(times));
            }
            5 => {
                let other = &corpus[self.index(corpus.len())];
                let from = self.index(other.len() + 1);
                let to = from + self.index(other.len() - from + 1);
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            // Deep nesting.
            6 if self.roll(10) == 0 => {
                let piece = self.pick(&["[", "{\"a\":", "(", "not ", "[a=", "<a>", "~", "-", "1 or "]);
                bytes.splice(at..at, piece.repeat(20_000).into_bytes());
            }
            _ => {
                let piece = self.pick(PIECES);
                bytes.splice(at..if self.roll(2) == 0 { at } else { end }, piece.bytes());
            }
        }
    }
}
