//! The usual escapes of a text inside another: of JSON and programming languages, entities of HTML, percent-encoding.
//! [`Unescaped`] is a text with one of them removed; it knows the origin of each byte.
//!
//! Every position of a text is read by itself, so a mix of escapes (one writer escapes `&`, another `/`, a third
//! everything except ASCII, in capitals or not) is read correctly.

use std::ops::Range;

/// A way to escape characters that have a meaning in their context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escaping {
    /// `\/`, `\u0026`, `\ud83d\ude00`, `\u{e9}`, `\x26`, `\"`.
    Backslash,
    /// `&amp;`, `&#38;`, `&#x26;`.
    Entities,
    /// `%26`, `%u0026`.
    Percent,
    /// Percent-encoding with `+` for a space.
    Form,
}

/// A text without one kind of escapes.
pub(super) struct Unescaped {
    pub(super) text: Vec<u8>,
    /// The escapes, in order.
    tokens: Vec<Token>,
}

struct Token {
    /// The range in the unescaped text, and the range in the original.
    read: Range<usize>,
    written: Range<usize>,
}

/// The bytes of a token: at most four.
type Character = ([u8; 4], usize);

impl Unescaped {
    /// Removes escapes from a text; none when it has none of this kind.
    pub(super) fn new(way: Escaping, text: &[u8]) -> Option<Self> {
        let next = |from: usize| {
            let rest = text.get(from..)?;
            match way {
                Escaping::Backslash => memchr::memchr(b'\\', rest),
                Escaping::Entities => memchr::memchr(b'&', rest),
                Escaping::Percent => memchr::memchr(b'%', rest),
                Escaping::Form => memchr::memchr2(b'%', b'+', rest),
            }
        };
        let mut reading = Unescaped { text: Vec::new(), tokens: Vec::new() };
        let (mut copied, mut looked) = (0, 0);
        while let Some(found) = next(looked) {
            let at = looked + found;
            let Some(((bytes, length), used)) = token(way, &text[at..]) else {
                looked = at + 1;
                continue;
            };
            if reading.text.capacity() == 0 {
                reading.text.reserve_exact(text.len());
            }
            reading.text.extend_from_slice(&text[copied..at]);
            let start = reading.text.len();
            reading.text.extend_from_slice(&bytes[..length]);
            reading.tokens.push(Token { read: start..start + length, written: at..at + used });
            (copied, looked) = (at + used, at + used);
        }
        if reading.tokens.is_empty() {
            return None;
        }
        reading.text.extend_from_slice(&text[copied..]);
        Some(reading)
    }

    /// Returns the range in the original of a part of the text, which is not empty. Tokens count as a whole.
    pub(super) fn written(&self, part: Range<usize>) -> Range<usize> {
        let last = part.end.saturating_sub(1);
        self.place(part.start).start..self.place(last).end
    }

    fn place(&self, at: usize) -> Range<usize> {
        let before = self.tokens.partition_point(|token| token.read.start <= at);
        match before.checked_sub(1).and_then(|index| self.tokens.get(index)) {
            None => at..at + 1,
            Some(token) if at < token.read.end => token.written.clone(),
            Some(token) => {
                let place = token.written.end + (at - token.read.end);
                place..place + 1
            }
        }
    }
}

/// Reads the token at the start of `text`, and returns its bytes and its length.
fn token(way: Escaping, text: &[u8]) -> Option<(Character, usize)> {
    match (way, text) {
        (Escaping::Backslash, [b'\\', rest @ ..]) => backslash(rest).map(|(character, used)| (character, used + 1)),
        (Escaping::Entities, [b'&', rest @ ..]) => entity(rest).map(|(character, used)| (character, used + 1)),
        (Escaping::Percent | Escaping::Form, [b'%', b'u' | b'U', rest @ ..]) => {
            let (character, used) = unit(rest, |rest| match rest {
                [b'%', b'u' | b'U', digits @ ..] => hex(digits, 4).map(|unit| (unit, 6)),
                _ => None,
            })?;
            Some((character, used + 2))
        }
        (Escaping::Percent | Escaping::Form, [b'%', rest @ ..]) => Some((byte(hex(rest, 2)?), 3)),
        (Escaping::Form, [b'+', ..]) => Some((byte(u32::from(b' ')), 1)),
        _ => None,
    }
}

/// Reads the text after a backslash.
fn backslash(rest: &[u8]) -> Option<(Character, usize)> {
    let (first, rest) = rest.split_first()?;
    let plain = |code: u8| Some((byte(code.into()), 1));
    match first {
        b'u' if rest.first() == Some(&b'{') => {
            let end = rest.iter().take(8).position(|byte| *byte == b'}')?;
            Some((character(hex(&rest[1..end], end - 1)?)?, end + 2))
        }
        b'u' => {
            let (character, used) = unit(rest, |rest| match rest {
                [b'\\', b'u', digits @ ..] => hex(digits, 4).map(|unit| (unit, 6)),
                _ => None,
            })?;
            Some((character, used + 1))
        }
        b'U' => Some((character(hex(rest, 8)?)?, 9)),
        b'x' => Some((byte(hex(rest, 2)?), 3)),
        b'n' => plain(b'\n'),
        b'r' => plain(b'\r'),
        b't' => plain(b'\t'),
        b'b' => plain(8),
        b'f' => plain(12),
        other if other.is_ascii_punctuation() => plain(*other),
        _ => None,
    }
}

/// Reads four digits, and when they are the first half of a pair, the second half with `second`.
fn unit(rest: &[u8], second: impl Fn(&[u8]) -> Option<(u32, usize)>) -> Option<(Character, usize)> {
    let first = hex(rest, 4)?;
    if (0xd800..0xdc00).contains(&first)
        && let Some((low, used)) = rest.get(4..).and_then(second)
        && (0xdc00..0xe000).contains(&low)
    {
        return Some((character(0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00))?, 4 + used));
    }
    Some((character(first)?, 4))
}

/// Reads the text after `&`.
fn entity(rest: &[u8]) -> Option<(Character, usize)> {
    let end = rest.iter().take(LONGEST_ENTITY).position(|byte| *byte == b';')?;
    let name = &rest[..end];
    let found = match name {
        [b'#', b'x' | b'X', digits @ ..] => character(hex(digits, digits.len())?)?,
        [b'#', digits @ ..] => {
            let text =
                std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
            character(text.parse().ok()?)?
        }
        name => byte(ENTITIES.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, byte)| u32::from(*byte))?),
    };
    Some((found, end + 1))
}

/// Bytes of an entity between `&` and `;`.
const LONGEST_ENTITY: usize = 10;
/// Entities with a name that are characters of ASCII.
const ENTITIES: [(&str, u8); 41] = [
    ("amp", b'&'),
    ("AMP", b'&'),
    ("lt", b'<'),
    ("LT", b'<'),
    ("gt", b'>'),
    ("GT", b'>'),
    ("quot", b'"'),
    ("QUOT", b'"'),
    ("apos", b'\''),
    ("sol", b'/'),
    ("bsol", b'\\'),
    ("equals", b'='),
    ("plus", b'+'),
    ("num", b'#'),
    ("percnt", b'%'),
    ("dollar", b'$'),
    ("commat", b'@'),
    ("colon", b':'),
    ("semi", b';'),
    ("comma", b','),
    ("period", b'.'),
    ("excl", b'!'),
    ("quest", b'?'),
    ("lpar", b'('),
    ("rpar", b')'),
    ("lsqb", b'['),
    ("lbrack", b'['),
    ("rsqb", b']'),
    ("rbrack", b']'),
    ("lcub", b'{'),
    ("lbrace", b'{'),
    ("rcub", b'}'),
    ("rbrace", b'}'),
    ("lowbar", b'_'),
    ("ast", b'*'),
    ("verbar", b'|'),
    ("vert", b'|'),
    ("Hat", b'^'),
    ("grave", b'`'),
    ("Tab", b'\t'),
    ("NewLine", b'\n'),
];

fn hex(digits: &[u8], count: usize) -> Option<u32> {
    let digits = digits.get(..count).filter(|digits| (1..=8).contains(&digits.len()))?;
    digits.iter().try_fold(0_u32, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}

fn byte(value: u32) -> Character {
    // Two digits are a byte, and so is an entry of the table.
    ([value as u8, 0, 0, 0], 1)
}

fn character(code: u32) -> Option<Character> {
    let mut bytes = [0; 4];
    let length = char::from_u32(code)?.encode_utf8(&mut bytes).len();
    Some((bytes, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(way: Escaping, text: &str) -> Option<String> {
        Unescaped::new(way, text.as_bytes()).map(|reading| String::from_utf8_lossy(&reading.text).into_owned())
    }

    #[test]
    fn tokens_of_every_way() {
        for (way, text, expected) in [
            (Escaping::Backslash, r#"a\/b\u0026\u003C\"\\\x3d\u{e9}\u00e9\ud83d\ude00\U0001F600"#, "a/b&<\"\\=éé😀😀"),
            (Escaping::Backslash, r"\q \u12 \u{} \ud83d \uzzzz \n", "\\q \\u12 \\u{} \\ud83d \\uzzzz \n"),
            (Escaping::Entities, "&amp;&#38;&#x26;&#X3C;&quot;&apos;&#39;&#x27;&sol;&#0000233;", "&&&<\"''\'/é"),
            (
                Escaping::Entities,
                "& &; &nothing; &#; &#x; &#99999999999; &lt;",
                "& &; &nothing; &#; &#x; &#99999999999; <",
            ),
            (Escaping::Percent, "%2f%2F%C3%a9+%u0026%%zz%4", "//é+&%%zz%4"),
            (Escaping::Form, "a+b%2B", "a b+"),
        ] {
            assert_eq!(read(way, text).as_deref(), Some(expected), "{text}");
        }
        for (way, text) in [
            (Escaping::Backslash, "plain & % +"),
            (Escaping::Entities, r"\u0026 %26 &x"),
            (Escaping::Percent, "a+b %"),
            (Escaping::Form, "% plain"),
        ] {
            assert_eq!(read(way, text), None, "{text}");
        }
    }

    #[test]
    fn every_byte_knows_where_it_was_written() {
        let text = br"ab\u00e9c\/d";
        let reading = Unescaped::new(Escaping::Backslash, text).expect("escapes");
        assert_eq!(reading.text, "abéc/d".as_bytes());
        let places: Vec<_> = (0..reading.text.len()).map(|at| reading.written(at..at + 1)).collect();
        assert_eq!(places, [0..1, 1..2, 2..8, 2..8, 8..9, 9..11, 11..12]);
        assert_eq!(reading.written(1..6), 1..11);
    }
}
