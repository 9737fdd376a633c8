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
    pub fn scrub(&self, text: &str) -> String {
        // What is cut out of UTF-8 and put into it is UTF-8: bytes that are none come in nowhere.
        String::from_utf8_lossy(&self.stream().next(text.as_bytes(), true)).into_owned()
    }

    /// The same for JSON: what is in its strings is looked at without escapes too, and a number that holds a value
    /// becomes a string. All else stays as it is written.
    pub fn scrub_json(&self, json: &str) -> String {
        let mut out = String::with_capacity(json.len());
        let mut rest = json;
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '"' => string_length(rest),
                '-' | '0'..='9' => rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(rest.len()),
                _ => first.len_utf8(),
            };
            let (token, after) = rest.split_at(length);
            rest = after;
            let read = match first {
                '"' => serde_json::from_str(token).unwrap_or_else(|_| token.to_owned()),
                '-' | '0'..='9' => token.to_owned(),
                _ => {
                    out.push(first);
                    continue;
                }
            };
            let scrubbed = self.scrub(&read);
            if scrubbed == read {
                out.push_str(token);
            } else {
                out.push_str(&serde_json::Value::from(scrubbed).to_string());
            }
        }
        out
    }

    /// For the content of a file, which is as long afterwards: every byte of a value becomes `*`.
    pub fn mask(&self, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(content.len());
        self.shared.needles.replace(content, &mut out, |found, out| out.resize(out.len() + found.rest.len(), b'*'));
        out
    }
}

/// The length of the JSON string that a text begins with.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
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
            let out = scrubber.scrub(&text);
            assert!(out.contains("[secret KEY]"), "{out}");
        }
    }

    #[test]
    fn json_stays_json() {
        let values =
            [(b"12345678".as_slice(), "[secret PIN]".to_owned()), ("käse\nbrot".as_bytes(), "[secret K]".into())];
        let scrubber = Scrubber::new(values).unwrap();
        for (json, expected) in [
            (r#"{"a": 1.50, "b": [1e400, true, null, "x"]}"#, r#"{"a": 1.50, "b": [1e400, true, null, "x"]}"#),
            (r#"[12345678,-0.12345678 , 1]"#, r#"["[secret PIN]","-0.[secret PIN]" , 1]"#),
            (r#"{"12345678":"a\"12345678\\"}"#, r#"{"[secret PIN]":"a\"[secret PIN]\\"}"#),
            (r#"["1234567\u0038", "k\u00e4se\nbrot"]"#, r#"["[secret PIN]", "[secret K]"]"#),
            ("12345678", r#""[secret PIN]""#),
            (r#""""#, r#""""#),
        ] {
            let scrubbed = scrubber.scrub_json(json);
            assert_eq!(scrubbed, expected);
            assert!(serde_json::from_str::<Box<serde_json::value::RawValue>>(&scrubbed).is_ok());
        }
    }

    #[test]
    fn files_keep_their_length() {
        let scrubber = Scrubber::new([(b"12345678".as_slice(), "[secret PIN]".to_owned())]).unwrap();
        assert_eq!(scrubber.mask(b"\xff12345678\0MTIzNDU2Nzg="), b"\xff********\0**********g=");
    }

    #[test]
    fn short_values_are_left_alone_and_long_ones_refused() {
        let scrubber = Scrubber::new([(b"abc".as_slice(), "x".to_owned())]).unwrap();
        assert_eq!(scrubber.scrub("abcabc"), "abcabc");
        assert!(Scrubber::new([(vec![b'a'; 4097].as_slice(), "x".to_owned())]).is_err());
        assert!(Scrubber::new([(b"".as_slice(), "x".to_owned())]).is_err());
    }

    #[test]
    fn a_value_within_another() {
        let values = [(b"abcd".as_slice(), "[1]".to_owned()), (b"abcdefgh".as_slice(), "[2]".to_owned())];
        let scrubber = Scrubber::new(values).unwrap();
        assert_eq!(scrubber.scrub("abcdefgh abcdefg"), "[2] [1]efg");
    }
}
