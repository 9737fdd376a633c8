//! The grammar of HTTP/1.1, parsed strictly: text that two readers could read differently is refused. For both
//! directions.

use super::reasons::OpaqueReason;
use std::ops::Range;

/// Most bytes of a head, and of a trailer section.
pub(super) const MAX_HEAD: usize = 64 << 10;
/// Most fields of a head.
pub(super) const MAX_FIELDS: usize = 200;
/// Longest method; the longest registered one has 17 letters.
const MAX_METHOD: usize = 32;
/// Longest line before a chunk, with its extensions.
const MAX_CHUNK_LINE: usize = 4 << 10;

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageSide {
    Request,
    Response,
}

/// A head while it is received. It is checked byte by byte, so that with other protocols no bytes are kept that the
/// other side waits for.
#[derive(Default)]
pub(super) struct HeadBuffer {
    bytes: Vec<u8>,
    first_line: bool,
}

impl HeadBuffer {
    /// Takes bytes up to the end of the head. Returns a whole head. After an error the taken bytes are in the buffer.
    pub(super) fn take(&mut self, input: &mut &[u8], side: MessageSide) -> Result<Option<Vec<u8>>, OpaqueReason> {
        while let Some((byte, rest)) = input.split_first() {
            if self.bytes.len() == MAX_HEAD {
                return Err(OpaqueReason::HeadTooLarge);
            }
            let after_cr = self.bytes.last() == Some(&b'\r');
            *input = rest;
            self.bytes.push(*byte);
            if *byte == 0 || after_cr != (*byte == b'\n') {
                return Err(if self.first_line { OpaqueReason::Line } else { OpaqueReason::NotHttp });
            }
            if !self.first_line {
                self.first_line = match side {
                    MessageSide::Request => check_request_line(&self.bytes)?,
                    MessageSide::Response => check_status_line(&self.bytes)?,
                };
            } else if self.bytes.ends_with(b"\r\n\r\n") {
                self.first_line = false;
                return Ok(Some(std::mem::take(&mut self.bytes)));
            }
        }
        Ok(None)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns true when the first line is complete.
    pub(super) fn is_http(&self) -> bool {
        self.first_line
    }

    /// Returns the bytes of a head that will not be completed.
    pub(super) fn give_up(&mut self) -> Vec<u8> {
        self.first_line = false;
        std::mem::take(&mut self.bytes)
    }
}

/// Returns true when these bytes are a whole request line; an error when they cannot become one. It is called for each
/// byte, so it checks only what is new.
fn check_request_line(bytes: &[u8]) -> Result<bool, OpaqueReason> {
    const END: &[u8] = b" HTTP/1.1\r\n";
    let last = bytes.last().copied().unwrap_or_default();
    if !bytes.contains(&b' ') {
        return if is_token_byte(last) && bytes.len() <= MAX_METHOD { Ok(false) } else { Err(OpaqueReason::NotHttp) };
    }
    match last {
        b'\n' => {
            let line = bytes.strip_suffix(END).ok_or(OpaqueReason::NotHttp)?;
            let mut parts = line.split(|byte| *byte == b' ');
            let whole = parts.all(|part| !part.is_empty()) && line.contains(&b' ');
            if whole && line.iter().filter(|byte| **byte == b' ').count() == 1 {
                Ok(true)
            } else {
                Err(OpaqueReason::NotHttp)
            }
        }
        b'\r' if END.starts_with(&bytes[bytes.len().saturating_sub(END.len() - 1)..]) => Ok(false),
        b' ' if bytes.len() == 1 => Err(OpaqueReason::NotHttp),
        b' ' | b'!'..=b'~' => Ok(false),
        _ => Err(OpaqueReason::NotHttp),
    }
}

fn check_status_line(bytes: &[u8]) -> Result<bool, OpaqueReason> {
    const START: &[u8] = b"HTTP/1.";
    let start = &bytes[..bytes.len().min(START.len())];
    if START.starts_with(start) { Ok(bytes.ends_with(b"\r\n")) } else { Err(OpaqueReason::NotHttp) }
}

pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Returns true for bytes of a field's value (RFC 9110, 5.5).
pub(super) fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// A field of a head, as ranges of the head's bytes. The value has no blanks around it.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

/// A parsed head.
pub(super) struct Head<'a> {
    pub(super) bytes: &'a [u8],
    /// The first line without its line end.
    pub(super) first_line: Range<usize>,
    pub(super) fields: Vec<Field>,
}

impl<'a> Head<'a> {
    /// Parses a head, which ends with the empty line.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, OpaqueReason> {
        let end = memchr::memmem::find(bytes, b"\r\n").ok_or(OpaqueReason::Line)?;
        Ok(Head { bytes, first_line: 0..end, fields: fields(bytes, end + 2)? })
    }

    pub(super) fn text(&self, range: &Range<usize>) -> &'a [u8] {
        &self.bytes[range.clone()]
    }

    /// Returns the values of all fields of this name.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let named =
            self.fields.iter().filter(move |field| self.text(&field.name).eq_ignore_ascii_case(name.as_bytes()));
        named.map(|field| self.text(&field.value))
    }

    /// Returns the framing of the body: one `Content-Length`, one `Transfer-Encoding`, or neither.
    pub(super) fn framing(&self) -> Result<Framing, OpaqueReason> {
        let (mut lengths, mut codings) = (self.values("content-length"), self.values("transfer-encoding"));
        match (lengths.next(), codings.next()) {
            (None, None) => Ok(Framing::None),
            (Some(_), Some(_)) => Err(OpaqueReason::LengthAndCoding),
            (Some(_), None) if lengths.next().is_some() => Err(OpaqueReason::Lengths),
            (Some(digits), None) => {
                let plain = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
                let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                number.filter(|_| plain).map(Framing::Length).ok_or(OpaqueReason::Length)
            }
            (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none() => {
                Ok(Framing::Chunked)
            }
            (None, Some(_)) => Err(OpaqueReason::Coding),
        }
    }
}

/// The framing of a message's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// Parses the fields from `at` to the empty line.
pub(super) fn fields(bytes: &[u8], mut at: usize) -> Result<Vec<Field>, OpaqueReason> {
    let mut fields = Vec::new();
    loop {
        let length = memchr::memmem::find(&bytes[at..], b"\r\n").ok_or(OpaqueReason::Line)?;
        let line = &bytes[at..at + length];
        if line.is_empty() {
            return Ok(fields);
        }
        if fields.len() == MAX_FIELDS {
            return Err(OpaqueReason::TooManyFields);
        }
        // Folded lines, and blanks before the colon, are errors here, too.
        let colon = line.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(length);
        if colon == 0 || line.get(colon) != Some(&b':') || !line[colon..].iter().all(|byte| is_value_byte(*byte)) {
            return Err(OpaqueReason::Line);
        }
        let is_blank = |byte: &&u8| matches!(**byte, b' ' | b'\t');
        let end = at + length - line[colon + 1..].iter().rev().take_while(is_blank).count();
        let start = (at + colon + 1 + line[colon + 1..].iter().take_while(is_blank).count()).min(end);
        fields.push(Field { name: at..at + colon, value: start..end });
        at += length + 2;
    }
}

/// The framing of a chunked body.
pub(super) struct Chunked {
    side: MessageSide,
    state: ChunkState,
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum ChunkState {
    Size,
    Data(u64),
    AfterData,
    Trailers,
}

/// A piece of a chunked body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Data(&'a [u8]),
    /// The end, with the trailer section and the empty line after it.
    End(Vec<u8>),
}

impl Chunked {
    pub(super) fn new(side: MessageSide) -> Self {
        Chunked { side, state: ChunkState::Size, line: Vec::new() }
    }

    /// Returns the next piece; none when the input is used up.
    pub(super) fn take<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, OpaqueReason> {
        loop {
            if let ChunkState::Data(left) = self.state {
                if input.is_empty() {
                    return Ok(None);
                }
                let now = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let data = input.split_off(..now).unwrap_or_default();
                let left = left - now as u64;
                self.state = if left == 0 { ChunkState::AfterData } else { ChunkState::Data(left) };
                return Ok(Some(Piece::Data(data)));
            }
            if !self.take_line(input)? {
                return Ok(None);
            }
            match self.state {
                ChunkState::Size => {
                    let size = self.size()?;
                    self.state = if size == 0 { ChunkState::Trailers } else { ChunkState::Data(size) };
                    self.line.clear();
                }
                ChunkState::AfterData => {
                    self.state = ChunkState::Size;
                    self.line.clear();
                }
                // Trailers are kept until their end.
                ChunkState::Trailers if self.line == b"\r\n" || self.line.ends_with(b"\r\n\r\n") => {
                    let trailers = std::mem::take(&mut self.line);
                    self.state = ChunkState::Size;
                    if let Err(error) = fields(&trailers, 0) {
                        self.line = trailers;
                        return Err(error);
                    }
                    return Ok(Some(Piece::End(trailers)));
                }
                ChunkState::Trailers | ChunkState::Data(_) => {}
            }
        }
    }

    /// Takes bytes up to the next line end.
    fn take_line(&mut self, input: &mut &[u8]) -> Result<bool, OpaqueReason> {
        let most = match self.state {
            ChunkState::AfterData => 2,
            ChunkState::Trailers => MAX_HEAD,
            ChunkState::Size | ChunkState::Data(_) => MAX_CHUNK_LINE,
        };
        while let Some(byte) = input.split_off_first() {
            let after_cr = self.line.last() == Some(&b'\r');
            self.line.push(*byte);
            let in_place = match byte {
                b'\n' => after_cr,
                b'\r' => !after_cr,
                byte => !after_cr && is_value_byte(*byte) && !matches!(self.state, ChunkState::AfterData),
            };
            if !in_place || self.line.len() > most {
                return Err(OpaqueReason::Chunk);
            }
            if *byte == b'\n' {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Parses the size of a chunk. Extensions are refused in requests: they have no use, and attacks use them to make
    /// two readers differ.
    fn size(&self) -> Result<u64, OpaqueReason> {
        let line = self.line.strip_suffix(b"\r\n").unwrap_or_default();
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let rest = &line[digits..];
        let extension = self.side == MessageSide::Response && rest.trim_ascii_start().starts_with(b";");
        if !(1..=15).contains(&digits) || !(rest.is_empty() || extension) {
            return Err(OpaqueReason::Chunk);
        }
        let digits = std::str::from_utf8(&line[..digits]).map_err(|_| OpaqueReason::Chunk)?;
        u64::from_str_radix(digits, 16).map_err(|_| OpaqueReason::Chunk)
    }

    /// Returns the bytes that were taken and are not part of a piece yet.
    pub(super) fn give_up(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.line)
    }
}
