//! Taking values of secrets out of what a run leaves: its output, its result, its errors.

use super::blind::BlindStream;
use super::encodings::encodings;
use super::matcher::Matcher;
use super::reasons::SecretError;
use super::search::Match;
use super::secrets::{MAX_VALUES, check_length};
use std::fmt;
use std::sync::Arc;

/// Replaces each value by a text. Values are found as they are, in base64 (any alignment, both alphabets) and in hex,
/// and each of these with any mix of the escapes of JSON, HTML, URLs and programming languages.
///
/// Replacements, delays and cuts tell a reader only that a whole value was there. The start of a value is treated like
/// any other text.
///
/// This is the last and weakest line of defence: it finds values that are written by accident. A script that wants to
/// show a value can, for example, write it backwards. Values of less than four bytes are not searched, base64 is not
/// found across the lines that some encoders make, and base64 keeps up to four bits of a value at each end.
#[derive(Clone)]
pub struct Redactor {
    shared: Arc<Shared>,
}

struct Shared {
    values: Matcher,
    /// By pattern.
    replacements: Vec<Arc<str>>,
}

/// A stream that goes through a [`Redactor`].
pub struct RedactingStream {
    shared: Arc<Shared>,
    stream: BlindStream,
}

// Neither shows what it looks for, or what passed.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl fmt::Debug for RedactingStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedactingStream").finish_non_exhaustive()
    }
}

impl Redactor {
    /// Makes a redactor from values and their replacements. Where a replacement would be longer, `*` are written
    /// instead, so that no text grows.
    pub fn new<'a>(values: impl IntoIterator<Item = (&'a [u8], String)>) -> Result<Self, SecretError> {
        let (mut patterns, mut replacements, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (value, replacement) in values {
            check_length(value)?;
            bytes += value.len();
            let replacement: Arc<str> = replacement.into();
            for (_, encoding) in encodings(value) {
                patterns.push(encoding);
                replacements.push(Arc::clone(&replacement));
            }
        }
        if bytes > MAX_VALUES {
            return Err(SecretError::TooMuch);
        }
        Ok(Redactor { shared: Arc::new(Shared { values: Matcher::new(&patterns)?, replacements }) })
    }

    /// Starts a stream.
    pub fn stream(&self) -> RedactingStream {
        RedactingStream { shared: Arc::clone(&self.shared), stream: BlindStream::default() }
    }

    /// Redacts a whole text.
    pub fn redact(&self, text: &str) -> String {
        let mut out = Vec::with_capacity(text.len());
        self.shared.values.replace(text.as_bytes(), &mut out, |found, out| self.shared.replace(&found, out));
        // The text, the values and the replacements are UTF-8, so the result is UTF-8.
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Redacts a text that was possibly cut, and says so in parentheses: the bytes before the cut can be the start of a
    /// value, and are always masked.
    pub fn redact_cut(&self, text: &str) -> String {
        let mut out = self.redact(text);
        let cuts: Vec<usize> = cuts(&out).collect();
        for at in cuts {
            let kept = out[..at].trim_end().len();
            let mut begins = self.shared.values.cut_end(&out.as_bytes()[..kept]);
            while !out.is_char_boundary(begins) {
                begins += 1;
            }
            out.replace_range(begins..kept, &"*".repeat(kept - begins));
        }
        out
    }

    /// Redacts JSON. Its strings are also searched without their escapes, and a number that contains a value becomes a
    /// string. All other tokens stay as they are written.
    pub fn redact_json(&self, json: &str) -> String {
        let plain = !self.shared.values.is_in(json.as_bytes());
        if plain && !json.contains('\\') && cuts(json).next().is_none() {
            return json.to_owned();
        }
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
                '"' if !plain || token.contains('\\') || cuts(token).next().is_some() => {
                    serde_json::from_str(token).unwrap_or_else(|_| token.to_owned())
                }
                '-' | '0'..='9' if !plain => token.to_owned(),
                _ => {
                    out.push_str(token);
                    continue;
                }
            };
            let redacted = self.redact_cut(&read);
            if redacted == read {
                out.push_str(token);
            } else {
                out.push_str(&serde_json::Value::from(redacted).to_string());
            }
        }
        out
    }

    /// Redacts the content of a file. The length does not change: every byte of a value becomes `*`.
    pub fn mask(&self, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(content.len());
        self.shared.values.replace(content, &mut out, |found, out| found.mask(out));
        out
    }
}

/// Returns the positions of marks of a cut: `… (300 more characters)`, `… (the traceback was cut here)`.
fn cuts(text: &str) -> impl Iterator<Item = usize> {
    text.match_indices("… (").map(|(at, mark)| (at, &text[at + mark.len()..])).filter_map(|(at, rest)| {
        let words = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let counted = words.len() < rest.len() && words.starts_with(" more characters)");
        (counted || rest.starts_with("the traceback was cut here)")).then_some(at)
    })
}

/// Returns the length of the JSON string at the start of a text.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

impl Shared {
    fn replace(&self, found: &Match<'_>, out: &mut Vec<u8>) {
        let replacement = self.replacements[found.pattern].as_bytes();
        if found.rest.len() < replacement.len() {
            found.mask(out);
        } else {
            out.extend_from_slice(replacement);
        }
    }
}

impl RedactingStream {
    /// Takes the next bytes, and returns those that can be shown. Bytes that can be part of a value are kept until the
    /// rest is known, and so are all others in the same position: a writer of guesses cannot learn from delays which
    /// one is right.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let shared = &self.shared;
        self.stream.push(&shared.values, bytes, &mut out, |found, out| shared.replace(&found, out));
        out
    }

    /// Ends the stream, and returns the kept bytes. When the stream was `cut`, the bytes that can be the start of a
    /// value are always masked.
    pub fn finish(&mut self, cut: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let shared = &self.shared;
        self.stream.end(&shared.values, &mut out, |found, out| shared.replace(&found, out));
        if cut {
            let end = shared.values.cut_end(&out);
            out[end..].fill(b'*');
        }
        out
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
        let redactor = Redactor::new([(value.as_bytes(), "[secret KEY]".to_owned())]).unwrap();
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
            (r#""p\u00E4\"ss\/w 0rd\u002b""#.to_owned(), "\"[secret KEY]\""),
            ("<p>p&#xE4;&quot;ss/w 0rd&#43;</p>".to_owned(), "<p>[secret KEY]</p>"),
            (value[..value.len() - 1].to_owned(), &value[..value.len() - 1]),
        ] {
            for cut in 0..=text.len() {
                let mut stream = redactor.stream();
                let mut out = stream.push(&text.as_bytes()[..cut]);
                out.extend(stream.push(&text.as_bytes()[cut..]));
                out.extend(stream.finish(false));
                assert_eq!(String::from_utf8_lossy(&out), expected, "{text} at {cut}");
            }
            let mut stream = redactor.stream();
            let mut out: Vec<u8> = text.bytes().flat_map(|byte| stream.push(&[byte])).collect();
            out.extend(stream.finish(false));
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
        for shift in 0..3 {
            let text = STANDARD.encode(format!("{}{value} and more", "x".repeat(shift)));
            let out = redactor.redact(&text);
            assert!(out.contains("[secret KEY]"), "{out}");
        }
    }

    #[test]
    fn json_stays_json() {
        let values =
            [(b"12345678".as_slice(), "[secret PIN]".to_owned()), ("käse\nbrot".as_bytes(), "[secret K]".into())];
        let redactor = Redactor::new(values).unwrap();
        for (json, expected) in [
            (r#"{"a": 1.50, "b": [1e400, true, null, "x"]}"#, r#"{"a": 1.50, "b": [1e400, true, null, "x"]}"#),
            (r#"[12345678,-0.12345678 , 1]"#, r#"["********","-0.********" , 1]"#),
            (r#"{"12345678":"a\"12345678\\"}"#, r#"{"********":"a\"********\\"}"#),
            (r#"["1234567\u0038", "k\u00e4se\nbrot"]"#, r#"["********", "[secret K]"]"#),
            ("12345678", r#""********""#),
            (r#""""#, r#""""#),
        ] {
            let redacted = redactor.redact_json(json);
            assert_eq!(redacted, expected);
            assert!(serde_json::from_str::<Box<serde_json::value::RawValue>>(&redacted).is_ok());
        }
    }

    #[test]
    fn what_waits_tells_nothing() {
        let redactor = Redactor::new([(b"a-long-token-in-one-line".as_slice(), "[secret KEY]".to_owned())]).unwrap();
        for (guess, sent) in
            [("is it a-long-t", ""), ("is it a-wrong-t", ""), ("a-long\nis it a-", "a-long\n"), ("b\n", "b\n")]
        {
            let mut stream = redactor.stream();
            assert_eq!(String::from_utf8_lossy(&stream.push(guess.as_bytes())), sent, "{guess}");
            assert_eq!(String::from_utf8_lossy(&stream.finish(false)), guess[sent.len()..]);
        }
        // Over several lines there is nothing that is certain, but what is far enough behind.
        let lines = Redactor::new([(b"first\nsecond".as_slice(), "[secret K]".to_owned())]).unwrap();
        let sent = ["first\nsec", "first\nsed", "#####\n###"]
            .map(|guess| lines.stream().push(format!("{}{guess}", "x".repeat(200)).as_bytes()).len());
        assert_eq!(sent, [200 + 9 - 64; 3]);
    }

    #[test]
    fn the_beginning_that_a_cut_leaves_is_taken_out() {
        let redactor = Redactor::new([(b"a-long-token".as_slice(), "[secret KEY]".to_owned())]).unwrap();
        let mut stream = redactor.stream();
        let mut out = stream.push(b"it is a-long-token, a-long-tok");
        out.extend(stream.finish(true));
        assert_eq!(String::from_utf8_lossy(&out), "it is [secret KEY], **********");
        // Whatever stands there: in a state, which the next run reads, it would tell the right guess from the others.
        for guess in ["a-long-t", "a-wrong-", "xxxxxxxx"] {
            let cut = format!("bad: {guess}… (300 more characters)");
            assert_eq!(redactor.redact_cut(&cut), "bad: ********… (300 more characters)");
            let mut stream = redactor.stream();
            stream.push(format!("it is {guess}").as_bytes());
            assert_eq!(stream.finish(true), b"it is ********");
        }
        let cut = "bad: a-long-t… (300 more characters) and a-lo\n… (the traceback was cut here)\n";
        let masked = "bad: ********… (300 more characters) and ****\n… (the traceback was cut here)\n";
        assert_eq!(redactor.redact_cut(cut), masked);
        for whole in ["it ends a-long-t", "Preis… (inkl. 20 % USt.)", "a… (more characters)"] {
            assert_eq!(redactor.redact_cut(whole), whole);
        }
        let json = serde_json::json!(["x a-long-t… (3 more characters)"]).to_string();
        assert_eq!(redactor.redact_json(&json), r#"["x ********… (3 more characters)"]"#);
    }

    #[test]
    fn files_keep_their_length() {
        let redactor = Redactor::new([(b"12345678".as_slice(), "[secret PIN]".to_owned())]).unwrap();
        assert_eq!(redactor.mask(b"\xff12345678\0MTIzNDU2Nzg="), b"\xff********\0**********g=");
    }

    #[test]
    fn short_values_are_left_alone_and_long_ones_refused() {
        let redactor = Redactor::new([(b"abc".as_slice(), "x".to_owned())]).unwrap();
        assert_eq!(redactor.redact("abcabc"), "abcabc");
        assert!(Redactor::new([(vec![b'a'; 4097].as_slice(), "x".to_owned())]).is_err());
        assert!(Redactor::new([(b"".as_slice(), "x".to_owned())]).is_err());
    }

    #[test]
    fn a_value_within_another() {
        let values = [(b"abcd".as_slice(), "[1]".to_owned()), (b"abcdefgh".as_slice(), "[2]".to_owned())];
        let redactor = Redactor::new(values).unwrap();
        assert_eq!(redactor.redact("abcdefgh abcdefg"), "[2] [1]efg");
    }
}
