//! Taking values out of what a run leaves: its output, its result, its errors.

use super::SecretError;
use super::forms::forms;
use super::needles::{Found, Needles, Stream};
use std::fmt;
use std::sync::Arc;

/// Replaces values in a stream by a text each, in the plain, percent-encoded, JSON-escaped, base64 (any alignment, both
/// alphabets) and hex forms.
///
/// This is the last and the weakest of the walls: it finds what came out by accident. Who wants to bring a value out
/// writes it backwards. Values of less than four bytes are not looked for, base64 is not found across the lines that
/// some encoders make, and a base64 run keeps up to four bits of a value at either end.
#[derive(Clone)]
pub struct Scrubber {
    shared: Arc<Shared>,
}

struct Shared {
    needles: Needles,
    /// By pattern.
    replacements: Vec<Arc<str>>,
}

/// One stream on its way through a [`Scrubber`].
pub struct Scrubbing {
    shared: Arc<Shared>,
    stream: Stream,
}

// Neither shows what it looks for, or what passed.
impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrubber").finish_non_exhaustive()
    }
}

impl fmt::Debug for Scrubbing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrubbing").finish_non_exhaustive()
    }
}

impl Scrubber {
    /// From values and what is written in their place.
    pub fn new<'a>(values: impl IntoIterator<Item = (&'a [u8], String)>) -> Result<Self, SecretError> {
        let (mut patterns, mut replacements) = (Vec::new(), Vec::new());
        for (value, replacement) in values {
            super::check_length(value)?;
            let replacement: Arc<str> = replacement.into();
            for (_, form) in forms(value) {
                patterns.push(form);
                replacements.push(Arc::clone(&replacement));
            }
        }
        Ok(Scrubber { shared: Arc::new(Shared { needles: Needles::new(patterns)?, replacements }) })
    }

    /// For a stream of its own.
    pub fn stream(&self) -> Scrubbing {
        Scrubbing { shared: Arc::clone(&self.shared), stream: Stream::default() }
    }

    /// For a text that is there as a whole.
    pub fn scrub(&self, text: &[u8]) -> Vec<u8> {
        self.stream().next(text, true)
    }
}

impl Scrubbing {
    fn next(&mut self, bytes: &[u8], last: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let Shared { needles, replacements } = &*self.shared;
        self.stream.push(needles, bytes, last, &mut out, |found: Found<'_>, out| {
            out.extend_from_slice(replacements[found.pattern].as_bytes());
        });
        out
    }

    /// The next bytes; what may be the beginning of a value is kept until the rest is known.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.next(bytes, false)
    }

    /// The end of the stream: what was kept.
    pub fn finish(mut self) -> Vec<u8> {
        self.next(b"", true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn every_form_at_every_cut() {
        let value = "pä\"ss/w 0rd+";
        let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        let scrubber = Scrubber::new([(value.as_bytes(), "[secret KEY]".to_owned())]).unwrap();
        for (text, expected) in [
            (format!("a {value} b"), "a [secret KEY] b"),
            (serde_json::json!([value]).to_string(), "[\"[secret KEY]\"]"),
            (r#"["p\u00e4\"ss/w 0rd+"]"#.to_owned(), "[\"[secret KEY]\"]"),
            ("?q=p%C3%A4%22ss%2Fw%200rd%2B&".to_owned(), "?q=[secret KEY]&"),
            ("?q=p%C3%A4%22ss/w+0rd%2B&".to_owned(), "?q=[secret KEY]&"),
            ("?q=p%c3%a4%22ss%2fw%200rd%2b&".to_owned(), "?q=[secret KEY]&"),
            (format!("0x{hex}0"), "0x[secret KEY]0"),
            (hex.to_ascii_uppercase(), "[secret KEY]"),
            (format!("{value}{value}"), "[secret KEY][secret KEY]"),
            (value[..value.len() - 1].to_owned(), &value[..value.len() - 1]),
        ] {
            for cut in 0..=text.len() {
                let mut stream = scrubber.stream();
                let mut out = stream.push(&text.as_bytes()[..cut]);
                out.extend(stream.push(&text.as_bytes()[cut..]));
                out.extend(stream.finish());
                assert_eq!(String::from_utf8_lossy(&out), expected, "{text} at {cut}");
            }
            let mut stream = scrubber.stream();
            let mut out: Vec<u8> = text.bytes().flat_map(|byte| stream.push(&[byte])).collect();
            out.extend(stream.finish());
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
        for shift in 0..3 {
            let text = STANDARD.encode(format!("{}{value} and more", "x".repeat(shift)));
            let out = String::from_utf8(scrubber.scrub(text.as_bytes())).unwrap();
            assert!(out.contains("[secret KEY]"), "{out}");
        }
    }

    #[test]
    fn short_values_are_left_alone_and_long_ones_refused() {
        let scrubber = Scrubber::new([(b"abc".as_slice(), "x".to_owned())]).unwrap();
        assert_eq!(scrubber.scrub(b"abcabc"), b"abcabc");
        assert!(Scrubber::new([(vec![b'a'; 8193].as_slice(), "x".to_owned())]).is_err());
        assert!(Scrubber::new([(b"".as_slice(), "x".to_owned())]).is_err());
    }

    #[test]
    fn a_value_within_another() {
        let values = [(b"abcd".as_slice(), "[1]".to_owned()), (b"abcdefgh".as_slice(), "[2]".to_owned())];
        let scrubber = Scrubber::new(values).unwrap();
        assert_eq!(scrubber.scrub(b"abcdefgh abcdefg"), b"[2] [1]efg");
    }
}
