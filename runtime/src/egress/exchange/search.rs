//! The search for a set of byte strings in a stream, in pieces of any size. It is for placeholders, which are not
//! secret: held bytes tell something about them. For values see [`super::matcher`].

use super::reasons::SecretError;
use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};
use zeroize::Zeroizing;

/// The search for byte strings. The leftmost match counts, and of these the longest.
pub(super) struct Search {
    automaton: AhoCorasick,
    patterns: Vec<Zeroizing<Vec<u8>>>,
    /// For each pattern and each of its prefixes, the longest shorter prefix that is also a suffix (Knuth, Morris,
    /// Pratt).
    borders: Vec<Zeroizing<Vec<u16>>>,
}

/// A match, without the bytes that were sent before it was complete.
pub(super) struct Match<'a> {
    pub(super) pattern: usize,
    /// The bytes of the match that are not sent yet.
    pub(super) rest: &'a [u8],
}

impl Match<'_> {
    /// Writes `*` for each byte that is not sent yet.
    pub(super) fn mask(&self, out: &mut Vec<u8>) {
        out.resize(out.len() + self.rest.len(), b'*');
    }
}

impl Search {
    /// Makes a search. No pattern can be empty or longer than `u16::MAX`.
    pub(super) fn new(patterns: Vec<Zeroizing<Vec<u8>>>) -> Result<Self, SecretError> {
        // The kind is named because the default can choose a table of every state and byte, which for long values takes
        // hundreds of megabytes.
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(patterns.iter().map(|pattern| pattern.as_slice()))
            .map_err(|_| SecretError::TooMuch)?;
        let borders = patterns.iter().map(|pattern| Zeroizing::new(borders(pattern))).collect();
        Ok(Search { automaton, patterns, borders })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    fn find(&self, text: &[u8], from: usize) -> Option<(usize, std::ops::Range<usize>)> {
        let found = self.automaton.find(Input::new(text).range(from..))?;
        Some((found.pattern().as_usize(), found.range()))
    }

    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        self.automaton.is_match(text)
    }

    /// Returns the start of the longest suffix of `text[from..]` that can become a match.
    fn open_end(&self, text: &[u8], from: usize) -> usize {
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

    /// Searches a whole text: matches go to `replace`, all other bytes to the output.
    pub(super) fn replace(&self, text: &[u8], out: &mut Vec<u8>, replace: impl FnMut(Match<'_>, &mut Vec<u8>)) {
        SearchStream::default().push(self, text, true, out, replace);
    }
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

/// The state of a search in a stream: bytes that can start a match are held, at most the longest pattern.
#[derive(Default)]
pub(super) struct SearchStream {
    held: Vec<u8>,
}

impl SearchStream {
    /// Takes the next bytes of the stream. `last` is true when no further bytes can complete a match.
    pub(super) fn push(
        &mut self,
        search: &Search,
        bytes: &[u8],
        last: bool,
        out: &mut Vec<u8>,
        mut replace: impl FnMut(Match<'_>, &mut Vec<u8>),
    ) {
        let joined;
        let text = if self.held.is_empty() {
            bytes
        } else {
            self.held.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.held);
            &joined
        };
        let open_end = |from| if last { text.len() } else { search.open_end(text, from) };
        let mut at = 0;
        let mut hold = open_end(0);
        // A match that starts before `hold` is final: no longer one can start there.
        while let Some((pattern, range)) = search.find(text, at).filter(|(_, range)| range.start < hold) {
            out.extend_from_slice(&text[at..range.start]);
            at = range.end;
            replace(Match { pattern, rest: &text[range] }, out);
            if at > hold {
                hold = open_end(at);
            }
        }
        out.extend_from_slice(&text[at..hold]);
        self.held = text[hold..].to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Random;
    use super::*;

    fn search(patterns: &[&str]) -> Search {
        Search::new(patterns.iter().map(|text| Zeroizing::new(text.as_bytes().to_vec())).collect()).unwrap()
    }

    fn mark(found: Match<'_>, out: &mut Vec<u8>) {
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
            let search = Search::new(patterns).unwrap();
            let mut whole = Vec::new();
            search.replace(&text, &mut whole, mark);
            let (mut cut, mut stream, mut rest) = (Vec::new(), SearchStream::default(), text.as_slice());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(random.below(rest.len() + 1));
                stream.push(&search, now, false, &mut cut, mark);
                assert!(stream.held.len() < 7);
                rest = later;
            }
            stream.push(&search, b"", true, &mut cut, mark);
            assert_eq!(cut, whole, "{text:?}");
            assert!(stream.held.is_empty());
        }
    }

    #[test]
    fn nothing_is_held_without_a_reason() {
        let search = search(&["secret", "secrets and more"]);
        let mut stream = SearchStream::default();
        let mut out = Vec::new();
        stream.push(&search, b"no sec", false, &mut out, mark);
        assert_eq!((out.as_slice(), stream.held.is_empty()), (b"no ".as_slice(), false));
        stream.push(&search, b"ond secret", false, &mut out, mark);
        assert_eq!(out, b"no second ");
        stream.push(&search, b"s and more or", false, &mut out, mark);
        assert_eq!((out.as_slice(), stream.held.is_empty()), (b"no second <1> or".as_slice(), true));
        stream.push(&search, b"secrets a", false, &mut out, mark);
        stream.push(&search, b"nd", false, &mut out, mark);
        assert_eq!(out, b"no second <1> or");
        stream.push(&search, b"?", false, &mut out, mark);
        assert_eq!((out.as_slice(), stream.held.is_empty()), (b"no second <1> or<0>s and?".as_slice(), true));
    }

    #[test]
    fn no_patterns_hold_nothing() {
        let (mut stream, mut out) = (SearchStream::default(), Vec::new());
        stream.push(&search(&[]), b"abc", false, &mut out, mark);
        assert_eq!(out, b"abc");
    }
}
