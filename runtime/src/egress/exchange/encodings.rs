//! The encodings of a value: those that are searched, and those that write it into a request. They are the same for the
//! network and for what a run leaves. Escapes, which only write some characters differently, are not among them:
//! [`super::escapes`] reads those.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use std::fmt::Write as _;
use zeroize::Zeroizing;

/// Shorter values are not searched: they appear everywhere by chance.
pub(super) const MIN_SEARCHED: usize = 4;
/// Shorter runs of base64 are not searched.
const MIN_BASE64: usize = 6;

/// An encoding of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueEncoding {
    /// The value itself, which can be replaced as a whole.
    Text,
    /// A piece of a longer encoded run: base64, hex.
    Fragment,
}

/// Returns all encodings of a value that are searched, without duplicates.
pub(super) fn encodings(value: &[u8]) -> Vec<(ValueEncoding, Zeroizing<Vec<u8>>)> {
    let mut encodings: Vec<(ValueEncoding, Zeroizing<Vec<u8>>)> = Vec::new();
    let mut add = |encoding, bytes: Vec<u8>| {
        let bytes = Zeroizing::new(bytes);
        if !encodings.iter().any(|(_, known)| *known == bytes) {
            encodings.push((encoding, bytes));
        }
    };
    if value.len() < MIN_SEARCHED {
        return encodings;
    }
    add(ValueEncoding::Text, value.to_vec());
    for shift in 0..3 {
        let mut shifted = Zeroizing::new(vec![0; shift]);
        shifted.extend_from_slice(value);
        // Characters with bits of neighbouring bytes vary; the characters between them are always the same.
        let range = [0, 2, 3][shift]..shifted.len() * 8 / 6;
        if range.len() >= MIN_BASE64 {
            for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                add(ValueEncoding::Fragment, engine.encode(&*shifted).as_bytes()[range.clone()].to_vec());
            }
        }
    }
    add(ValueEncoding::Fragment, hex::encode_upper(value).into_bytes());
    add(ValueEncoding::Fragment, hex::encode(value).into_bytes());
    encodings
}

/// All bytes but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub(super) fn percent(value: &[u8]) -> Vec<u8> {
    percent_encode(value, RESERVED).to_string().into_bytes()
}

/// The inside of a JSON string, as Python's `json.dumps` writes it by default: in ASCII.
pub(super) fn json(value: &str) -> Vec<u8> {
    let mut text = String::new();
    for char in value.chars() {
        match char {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            char if !(' '..='~').contains(&char) => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
            char => text.push(char),
        }
    }
    text.into_bytes()
}

/// Decodes the credentials of `Basic <base64>`, and returns the start of their text.
pub(super) fn basic(value: &[u8]) -> Option<(usize, Zeroizing<Vec<u8>>)> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
    let text = rest[blanks..].trim_ascii_end();
    let unpadded = text.strip_suffix(b"==").or(text.strip_suffix(b"=")).unwrap_or(text);
    Some((6 + blanks, Zeroizing::new(STANDARD_NO_PAD.decode(unpadded).ok()?)))
}

/// Returns the text after `Basic `.
pub(super) fn encode_basic(credentials: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(credentials))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_found_at_every_alignment() {
        let value = b"p\xfb\xff ss/w?rd";
        let encodings = encodings(value);
        for shift in 0..7 {
            for tail in 0..4 {
                let text = [vec![b'x'; shift].as_slice(), value, vec![b'y'; tail].as_slice()].concat();
                for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                    let found = encodings
                        .iter()
                        .any(|(_, encoding)| memchr::memmem::find(encoded.as_bytes(), encoding).is_some());
                    assert!(found, "{shift} {tail} {encoded}");
                }
            }
        }
    }

    #[test]
    fn values_are_written_in_each_encoding() {
        assert_eq!(percent(b"a b/c&\xff~"), b"a%20b%2Fc%26%FF~");
        assert_eq!(json("a\"\\\n\u{1}é😀\u{7f}"), b"a\\\"\\\\\\n\\u0001\\u00e9\\ud83d\\ude00\\u007f");
        assert!(encodings(b"abc").is_empty());
        assert_eq!(basic(b"basic  YTpi").unwrap().1.as_slice(), b"a:b");
        assert_eq!(basic(b"Basic YTpiYw==").unwrap().1.as_slice(), b"a:bc");
        assert!(basic(b"Bearer YTpi").is_none() && basic(b"Basic a b").is_none() && basic(b"Bas").is_none());
    }
}
