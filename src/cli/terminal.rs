//! Text from scripts, made safe for a terminal.
//!
//! A script's output may hold escape sequences that rewrite the screen or answer for the user. When it goes to a file or
//! a pipe it is passed on as it is; on a terminal every control character but line feed and tab, and every character
//! that changes the direction of text, is shown as its code.

use super::client::turns_text;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

/// Standard output or standard error, for bytes of a script.
pub(super) struct Sink<W> {
    to: W,
    escape: bool,
    /// The beginning of a character that was cut by the end of a chunk.
    cut: Vec<u8>,
    at_line_start: bool,
}

impl<W: Write + IsTerminal> Sink<W> {
    pub(super) fn new(to: W) -> Self {
        let escape = to.is_terminal();
        Sink { to, escape, cut: Vec::new(), at_line_start: true }
    }
}

impl<W: Write> Sink<W> {
    /// Passes bytes on.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(last) = bytes.last() {
            self.at_line_start = *last == b'\n';
        }
        if !self.escape {
            self.to.write_all(bytes)?;
            return self.to.flush();
        }
        self.cut.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.cut);
        let mut text = String::with_capacity(held.len());
        let mut rest = held.as_slice();
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    escape_into(&mut text, valid);
                    rest = &[];
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    escape_into(&mut text, &String::from_utf8_lossy(valid));
                    match error.error_len() {
                        None => {
                            self.cut = after.to_vec();
                            rest = &[];
                        }
                        Some(length) => {
                            text.push(char::REPLACEMENT_CHARACTER);
                            rest = &after[length..];
                        }
                    }
                }
            }
        }
        self.to.write_all(text.as_bytes())?;
        self.to.flush()
    }

    /// Text that is not the script's alone, such as a message with the script's words in it: on a line of its own.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        if !self.at_line_start {
            self.write(b"\n")?;
        }
        self.write(text.as_bytes())?;
        if !text.ends_with('\n') {
            self.write(b"\n")?;
        }
        Ok(())
    }
}

fn escape_into(text: &mut String, from: &str) {
    for c in from.chars() {
        if turns_text(c) || c.is_control() && !matches!(c, '\n' | '\t') {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}", c.escape_unicode());
        } else {
            text.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(chunks: &[&[u8]], escape: bool) -> Vec<u8> {
        let mut sink = Sink { to: Vec::new(), escape, cut: Vec::new(), at_line_start: true };
        for chunk in chunks {
            sink.write(chunk).expect("writes");
        }
        sink.to
    }

    #[test]
    fn a_pipe_gets_the_bytes_and_a_terminal_gets_codes() {
        let hostile = b"a\x1b[2J\r\x00\xe2\x80\xaeb\tc\n\xff";
        assert_eq!(shown(&[hostile], false), hostile);
        let text = String::from_utf8(shown(&[hostile], true)).expect("is text");
        assert_eq!(text, "a\\u{1b}[2J\\u{d}\\u{0}\\u{202e}b\tc\n\u{fffd}");
    }

    #[test]
    fn a_character_cut_by_a_chunk_stays_whole() {
        assert_eq!(shown(&[b"\xc3", b"\xa4\xe2\x82", b"\xac"], true), "ä€".as_bytes());
    }

    #[test]
    fn a_line_begins_on_a_line_of_its_own() {
        let mut sink = Sink { to: Vec::new(), escape: false, cut: Vec::new(), at_line_start: true };
        sink.write(b"no end").expect("writes");
        sink.line("next").expect("writes");
        assert_eq!(sink.to, b"no end\nnext\n");
    }
}
