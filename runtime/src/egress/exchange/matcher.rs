//! The search for values in text, in all usual escapes.

use super::escapes::{Escaping, Unescaped};
use super::reasons::SecretError;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use std::ops::Range;
use zeroize::Zeroizing;

/// The number of held bytes is a multiple of this, so that it tells little about the length of the values.
const STEP: usize = 64;

/// The values. Each is found as it is and under every [`Escaping`], some of them twice over; a text is read once for
/// each, so the time is linear in the text.
pub(super) struct Matcher {
    search: AhoCorasick,
    patterns: usize,
    /// Bytes that are held because a value, however it is written, can start in them.
    hold: usize,
    /// True when no value contains a line end; true when no value contains blanks.
    in_lines: bool,
    in_words: bool,
    /// True when a value contains a space, which forms write as `+`.
    has_space: bool,
}

/// A value in a text. Overlapping values are one hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) pattern: usize,
    pub(super) range: Range<usize>,
}

impl Matcher {
    /// Makes a search. No value can be empty.
    pub(super) fn new(patterns: &[Zeroizing<Vec<u8>>]) -> Result<Self, SecretError> {
        // The kind is named because the default can choose a table of every state and byte, which for long values takes
        // hundreds of megabytes.
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(patterns.iter().map(|pattern| pattern.as_slice()))
            .map_err(|_| SecretError::TooMuch)?;
        let none_has = |what: fn(&u8) -> bool| !patterns.iter().any(|pattern| pattern.iter().any(what));
        let longest = patterns.iter().map(|pattern| spelled(pattern)).max().unwrap_or(0);
        Ok(Matcher {
            search,
            patterns: patterns.len(),
            hold: longest.next_multiple_of(STEP),
            in_lines: none_has(|byte| *byte == b'\n'),
            in_words: none_has(u8::is_ascii_whitespace),
            has_space: !none_has(|byte| *byte == b' '),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.patterns == 0
    }

    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        let mut found = false;
        self.read(text, |_, _| found = true);
        found
    }

    /// Returns all values in a text, in order.
    pub(super) fn hits(&self, text: &[u8]) -> Vec<Hit> {
        let mut hits = Vec::new();
        self.read(text, |pattern, range| hits.push(Hit { pattern, range }));
        hits.sort_by_key(|hit| (hit.range.start, std::cmp::Reverse(hit.range.end)));
        hits.dedup_by(|next, hit| {
            let overlaps = next.range.start < hit.range.end;
            if overlaps {
                hit.range.end = hit.range.end.max(next.range.end);
            }
            overlaps
        });
        hits
    }

    /// Searches a text in all escapes.
    fn read(&self, text: &[u8], mut found: impl FnMut(usize, Range<usize>)) {
        let mut find = |text: &[u8], place: &dyn Fn(Range<usize>) -> Range<usize>| {
            for hit in self.search.find_iter(text) {
                found(hit.pattern().as_usize(), place(hit.range()));
            }
        };
        if self.is_empty() {
            return;
        }
        find(text, &|range| range);
        // An escape, and the escapes that can be inside it: JSON in JSON, HTML in JSON and the other way
        // round, a URL in a URL.
        let chains: [(Escaping, &[Escaping]); 3] = [
            (Escaping::Backslash, &[Escaping::Backslash, Escaping::Entities]),
            (Escaping::Entities, &[Escaping::Backslash]),
            (Escaping::Percent, &[Escaping::Percent]),
        ];
        for (way, before) in chains {
            let Some(once) = Unescaped::new(way, text) else { continue };
            find(&once.text, &|range| once.written(range));
            for twice in before.iter().filter_map(|way| Unescaped::new(*way, &once.text)) {
                find(&twice.text, &|range| once.written(twice.written(range)));
            }
        }
        if self.has_space
            && let Some(form) = Unescaped::new(Escaping::Form, text)
        {
            find(&form.text, &|range| form.written(range));
        }
    }

    /// Returns the start of the suffix of a stream that can become part of a value. It depends on lengths and lines
    /// only, so that held bytes tell nothing. A little more than necessary is held, so that little is read again for
    /// every piece.
    pub(super) fn settled(&self, text: &[u8]) -> usize {
        let far = if text.len() > self.hold * 2 { text.len() - self.hold } else { 0 };
        far.max(self.line(text))
    }

    fn line(&self, text: &[u8]) -> usize {
        memchr::memrchr(b'\n', text).filter(|_| self.in_lines).map_or(0, |at| at + 1)
    }

    /// Returns the start of the suffix of a cut text that can be the start of a value: the last word, or when values
    /// have blanks the last line, or at most the length of a value.
    pub(super) fn cut_end(&self, text: &[u8]) -> usize {
        let word = text.iter().rposition(u8::is_ascii_whitespace).filter(|_| self.in_words).map_or(0, |at| at + 1);
        word.max(self.line(text)).max(text.len().saturating_sub(self.hold))
    }
}

/// Returns the length of a value in the longest of the usual escapes.
fn spelled(value: &[u8]) -> usize {
    let long = |byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() => 1,
        0..=0x7f => 8,
        _ => 4,
    };
    value.iter().map(long).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(patterns: &[&str]) -> Matcher {
        let patterns: Vec<_> = patterns.iter().map(|text| Zeroizing::new(text.as_bytes().to_vec())).collect();
        Matcher::new(&patterns).unwrap()
    }

    #[test]
    fn values_are_found_in_mixed_spellings() {
        let value = "wJ/al&r=X<U>t +\"K'7\\é😀";
        let matcher = matcher(&[value, "unrelated"]);
        for text in [
            // As it is; PHP; Go; Gson; Python; in capitals; every second one only.
            value,
            r#"wJ\/al&r=X<U>t +\"K'7\\\u00e9\ud83d\ude00"#,
            r#"wJ/al\u0026r=X\u003cU\u003et +\"K'7\\é😀"#,
            r#"wJ/al\u0026r\u003dX\u003cU\u003et +\"K\u00277\\é😀"#,
            r#"wJ\u002Fal\u0026r\u003DX\u003CU\u003Et\u0020\u002B\u0022K\u00277\u005C\u00E9\uD83D\uDE00"#,
            r#"wJ\/al&r\u003dX<U\u003Et +\u0022K\'7\\\u00e9😀"#,
            // HTML.
            "wJ/al&amp;r=X&lt;U&gt;t +&quot;K&apos;7\\é😀",
            "wJ/al&#38;r=X&#60;U&#62;t +&#34;K&#39;7&#92;&#233;&#128512;",
            "wJ&#x2F;al&amp;r&#x3d;X&lt;U>t +&#x22;K&#x27;7&bsol;&#xE9;&#x1f600;",
            // URLs, twice over too.
            "wJ%2Fal%26r%3DX%3CU%3Et%20%2B%22K%277%5C%C3%A9%F0%9F%98%80",
            "wJ/al%26r=X%3cU%3et+%2b%22K'7%5c%c3%a9%f0%9f%98%80",
            "wJ%252Fal%2526r%253DX%253CU%253Et%2520%252B%2522K%25277%255C%25C3%25A9%25F0%259F%2598%2580",
            // JSON in JSON; HTML in JSON; JSON in an attribute of HTML.
            r#"wJ\\\/al\\u0026r=X<U>t +\\\"K'7\\\\\\u00e9\\ud83d\\ude00"#,
            r#"wJ\/al&amp;r=X\u0026lt;U&gt;t +&quot;K'7\\é😀"#,
            r"wJ\/al&amp;r=X&lt;U&gt;t +\&quot;K'7\\\u00e9😀",
        ] {
            let around = format!("{{\"a\":\"{text}\"}}");
            let hits = matcher.hits(around.as_bytes());
            let expected = Hit { pattern: 0, range: 6..6 + text.len() };
            assert_eq!(hits, [expected], "{text}");
            assert!(matcher.hits(format!("{}x", &text[1..]).as_bytes()).is_empty(), "{text}");
        }
        assert!(!matcher.is_in(b"wJ\\/al unrelate"));
    }

    #[test]
    fn overlapping_values_are_one_hit() {
        let found = matcher(&["abcd", "cdef", "abcdefgh"]).hits(b"xabcd.abcdefg.");
        let ranges: Vec<_> = found.iter().map(|hit| (hit.pattern, hit.range.clone())).collect();
        assert_eq!(ranges, [(0, 1..5), (0, 6..10)]);
        let hits = matcher(&["a/b", "/bc"]).hits(br"a\/b \/bc a\/b\/bc");
        assert_eq!(hits.iter().map(|hit| hit.range.clone()).collect::<Vec<_>>(), [0..4, 5..9, 10..14, 14..18]);
    }
}
