//! Finding any of a set of byte strings in a stream, however the stream is cut.

use super::SecretError;
use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};
use zeroize::Zeroizing;

/// The byte strings. The leftmost match counts, and of those the longest.
pub(super) struct Needles {
    search: AhoCorasick,
    patterns: Vec<Zeroizing<Vec<u8>>>,
    /// Of the longest of them.
    longest: usize,
    /// Whether none of them goes over a line's end.
    in_lines: bool,
    /// For each pattern and each of its beginnings, the longest shorter beginning that it ends with (Knuth, Morris,
    /// Pratt).
    borders: Vec<Zeroizing<Vec<u16>>>,
}

/// A match, as far as it was not sent before all of it was there.
pub(super) struct Found<'a> {
    pub(super) pattern: usize,
    /// What is left of the match to be sent in some form.
    pub(super) rest: &'a [u8],
}

impl Found<'_> {
    /// Sends as many `*` as are left of the match.
    pub(super) fn mask(&self, out: &mut Vec<u8>) {
        out.resize(out.len() + self.rest.len(), b'*');
    }
}

impl Needles {
    /// None may be empty or longer than `u16::MAX`.
    pub(super) fn new(patterns: Vec<Zeroizing<Vec<u8>>>) -> Result<Self, SecretError> {
        // The kind is named because the default may choose a table of every state and byte, which for long values takes
        // hundreds of megabytes.
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(patterns.iter().map(|pattern| pattern.as_slice()))
            .map_err(|_| SecretError::TooMuch)?;
        let borders = patterns.iter().map(|pattern| Zeroizing::new(borders(pattern))).collect();
        let longest = patterns.iter().map(|pattern| pattern.len()).max().unwrap_or(0);
        let in_lines = !patterns.iter().any(|pattern| pattern.contains(&b'\n'));
        Ok(Needles { search, patterns, longest, in_lines, borders })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    fn find(&self, text: &[u8], from: usize) -> Option<(usize, std::ops::Range<usize>)> {
        let found = self.search.find(Input::new(text).range(from..))?;
        Some((found.pattern().as_usize(), found.range()))
    }

    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        self.search.is_match(text)
    }

    /// Where the longest end of `text[from..]` begins that may yet become a match.
    pub(super) fn open_end(&self, text: &[u8], from: usize) -> usize {
        let longest = self.patterns.iter().zip(&self.borders).map(|(pattern, borders)| {
            let start = from.max(text.len().saturating_sub(pattern.len() - 1));
            let mut matched = 0;
            for byte in &text[start..] {
                while matched > 0 && pattern[matched] != *byte {
                    matched = borders[matched - 1].into();
                }
                matched += usize::from(pattern[matched] == *byte);
            }
            matched
        });
        text.len() - longest.max().unwrap_or(0)
    }

    /// Where the end begins that is held whatever stands in it, so that nothing is told by what is held: all that can
    /// be part of a match that is not complete, or the last line where no match goes on after it.
    fn last_part(&self, text: &[u8]) -> usize {
        let part = text.len().saturating_sub(self.longest.saturating_sub(1));
        let line = text.iter().rposition(|byte| *byte == b'\n').filter(|_| self.in_lines).map_or(0, |at| at + 1);
        part.max(line)
    }

    /// A text that is there as a whole: each match goes to `replace`, all else to the output.
    pub(super) fn replace(&self, text: &[u8], out: &mut Vec<u8>, replace: impl FnMut(Found<'_>, &mut Vec<u8>)) {
        Stream::default().push(self, text, true, out, replace);
    }
}

/// What a stream holds back of what it was given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// Nothing: it is the end.
    Nothing,
    /// What may be the beginning of a match.
    Beginnings,
    /// As much as may ever be, whatever it is.
    Always,
}

fn borders(pattern: &[u8]) -> Vec<u16> {
    let mut borders = vec![0_u16; pattern.len()];
    let mut length = 0_usize;
    for at in 1..pattern.len() {
        while length > 0 && pattern[at] != pattern[length] {
            length = borders[length - 1].into();
        }
        length += usize::from(pattern[at] == pattern[length]);
        borders[at] = length as u16;
    }
    borders
}

/// The place in a stream: what may be the beginning of a match is held back, which is less than the longest pattern.
#[derive(Default)]
pub(super) struct Stream {
    held: Vec<u8>,
    /// So many bytes of `held` were sent all the same.
    sent: usize,
}

impl Stream {
    /// Takes the next bytes of the stream; `last` when nothing can follow that would complete a match.
    pub(super) fn push(
        &mut self,
        needles: &Needles,
        bytes: &[u8],
        last: bool,
        out: &mut Vec<u8>,
        replace: impl FnMut(Found<'_>, &mut Vec<u8>),
    ) {
        self.take(needles, bytes, if last { Hold::Nothing } else { Hold::Beginnings }, out, replace);
    }

    /// The same for a stream whose reader must not learn what is looked for from what is held back.
    pub(super) fn push_blindly(
        &mut self,
        needles: &Needles,
        bytes: &[u8],
        out: &mut Vec<u8>,
        replace: impl FnMut(Found<'_>, &mut Vec<u8>),
    ) {
        self.take(needles, bytes, Hold::Always, out, replace);
    }

    fn take(
        &mut self,
        needles: &Needles,
        bytes: &[u8],
        what: Hold,
        out: &mut Vec<u8>,
        mut replace: impl FnMut(Found<'_>, &mut Vec<u8>),
    ) {
        let joined;
        let text = if self.held.is_empty() {
            bytes
        } else {
            self.held.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.held);
            &joined
        };
        let open_end = |from| match what {
            Hold::Nothing => text.len(),
            Hold::Beginnings => needles.open_end(text, from),
            Hold::Always => needles.last_part(text).max(from),
        };
        let mut at = 0;
        let mut hold = open_end(0);
        // A match that begins before `hold` is certain: no longer one can begin at its place.
        while let Some((pattern, range)) = needles.find(text, at).filter(|(_, range)| range.start < hold) {
            out.extend_from_slice(&text[at.max(self.sent).min(range.start)..range.start]);
            let unsent = range.start.max(self.sent).min(range.end);
            if unsent < range.end {
                replace(Found { pattern, rest: &text[unsent..range.end] }, out);
            }
            at = range.end;
            if at > hold {
                hold = open_end(at);
            }
        }
        out.extend_from_slice(&text[at.max(self.sent).min(hold)..hold]);
        self.sent = self.sent.saturating_sub(hold);
        self.held = text[hold..].to_vec();
    }

    /// Sends what is held without forgetting it: should it become a match, the rest of that is still replaced.
    pub(super) fn release(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.held[self.sent..]);
        self.sent = self.held.len();
    }

    /// Whether bytes wait here for what follows.
    pub(super) fn is_holding(&self) -> bool {
        self.sent < self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Random;
    use super::*;

    fn needles(patterns: &[&str]) -> Needles {
        Needles::new(patterns.iter().map(|text| Zeroizing::new(text.as_bytes().to_vec())).collect()).unwrap()
    }

    fn mark(found: Found<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("<{}>", found.pattern).as_bytes());
    }

    #[test]
    fn any_cut_gives_what_the_whole_gives() {
        let mut random = Random(7);
        for round in 0..3000 {
            let letters = 2 + random.below(2) as u8;
            let mut word = |longest: usize| -> Vec<u8> {
                let length = 1 + random.below(longest);
                (0..length).map(|_| b'a' + random.below(letters.into()) as u8).collect()
            };
            let patterns: Vec<_> = (0..1 + round % 4).map(|_| Zeroizing::new(word(7))).collect();
            let text = word(40);
            let needles = Needles::new(patterns).unwrap();
            let mut whole = Vec::new();
            needles.replace(&text, &mut whole, mark);
            let (mut cut, mut stream, mut rest) = (Vec::new(), Stream::default(), text.as_slice());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(random.below(rest.len() + 1));
                stream.push(&needles, now, false, &mut cut, mark);
                assert!(stream.held.len() < 7);
                rest = later;
            }
            stream.push(&needles, b"", true, &mut cut, mark);
            assert_eq!(cut, whole, "{text:?}");
            assert!(!stream.is_holding());
        }
    }

    #[test]
    fn nothing_is_held_without_a_reason() {
        let needles = needles(&["secret", "secrets and more"]);
        let mut stream = Stream::default();
        let mut out = Vec::new();
        stream.push(&needles, b"no sec", false, &mut out, mark);
        assert_eq!((out.as_slice(), stream.is_holding()), (b"no ".as_slice(), true));
        stream.push(&needles, b"ond secret", false, &mut out, mark);
        assert_eq!(out, b"no second ");
        stream.push(&needles, b"s and more or", false, &mut out, mark);
        assert_eq!((out.as_slice(), stream.is_holding()), (b"no second <1> or".as_slice(), false));
        stream.push(&needles, b"secrets a", false, &mut out, mark);
        stream.push(&needles, b"nd", false, &mut out, mark);
        assert_eq!(out, b"no second <1> or");
        stream.push(&needles, b"?", false, &mut out, mark);
        assert_eq!((out.as_slice(), stream.is_holding()), (b"no second <1> or<0>s and?".as_slice(), false));
    }

    #[test]
    fn a_released_beginning_still_counts() {
        let needles = needles(&["secret"]);
        let stars = |found: Found<'_>, out: &mut Vec<u8>| found.mask(out);
        let (mut stream, mut out) = (Stream::default(), Vec::new());
        stream.push(&needles, b"a sec", false, &mut out, stars);
        stream.release(&mut out);
        stream.release(&mut out);
        assert_eq!((out.as_slice(), stream.is_holding()), (b"a sec".as_slice(), false));
        stream.push(&needles, b"r", false, &mut out, stars);
        assert_eq!((out.as_slice(), stream.is_holding()), (b"a sec".as_slice(), true));
        stream.push(&needles, b"et, sec", false, &mut out, stars);
        assert_eq!(out, b"a sec***, ");
        stream.release(&mut out);
        stream.push(&needles, b"ond", true, &mut out, stars);
        assert_eq!(out, b"a sec***, second");
    }

    #[test]
    fn no_needles_hold_nothing() {
        let (mut stream, mut out) = (Stream::default(), Vec::new());
        stream.push(&needles(&[]), b"abc", false, &mut out, mark);
        assert_eq!(out, b"abc");
    }
}
