//! From the server to the script: values become placeholders, or `*` where lengths must not change.

use super::blind::BlindStream;
use super::encodings::{ValueEncoding, basic, encode_basic};
use super::http::{Chunked, Field, Framing, Head, HeadBuffer, MessageSide, Piece, fields, is_value_byte};
use super::inject::Injector;
use super::reasons::{ConnectionMode, OpaqueReason, Unsearchable};
use super::search::Match;
use super::secrets::{SearchedValues, Secrets};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The time for which the end of received bytes is kept: in the body of a response, which usually continues, and in
/// other protocols, where the script can be waiting for these bytes.
pub(super) const BODY_PATIENCE: Duration = Duration::from_millis(100);
pub(super) const RAW_PATIENCE: Duration = Duration::from_millis(20);
/// Headers that are never changed, even when they contain a value by chance.
const KEPT: [&str; 6] = ["content-length", "transfer-encoding", "content-encoding", "connection", "upgrade", "trailer"];

enum ResponseState {
    Head(HeadBuffer),
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    /// Not parsed as responses, from here to the end.
    Raw,
    /// Not passed on, from here to the end.
    Refused,
}

pub(super) struct ResponseRedactor {
    secrets: Arc<Secrets>,
    searched: Arc<SearchedValues>,
    state: ResponseState,
    /// The present body, or the stream.
    mask: BlindStream,
    /// The reason why nothing more is passed on, until it is reported.
    refused: Option<Unsearchable>,
}

/// Writes `*` for each byte of the value that is not sent yet.
fn stars(found: Match<'_>, out: &mut Vec<u8>) {
    found.mask(out);
}

impl ResponseRedactor {
    pub(super) fn new(secrets: Arc<Secrets>, searched: Arc<SearchedValues>, mode: ConnectionMode) -> Self {
        let state =
            if mode == ConnectionMode::Http { ResponseState::Head(HeadBuffer::default()) } else { ResponseState::Raw };
        ResponseRedactor { secrets, searched, state, mask: BlindStream::default(), refused: None }
    }

    pub(super) fn push(&mut self, mut input: &[u8], injector: &mut Injector, out: &mut Vec<u8>) {
        while !input.is_empty() {
            match &mut self.state {
                ResponseState::Head(buffer)
                    if injector.mode() == ConnectionMode::Opaque && injector.asked.is_empty() =>
                {
                    let bytes = buffer.give_up();
                    self.raw(&bytes, out);
                }
                ResponseState::Head(buffer) => match buffer.take(&mut input, MessageSide::Response) {
                    Ok(None) => {}
                    Ok(Some(head)) => {
                        if self.response(&head, injector, out).is_err() {
                            self.raw(&head, out);
                        }
                    }
                    Err(_) => {
                        let bytes = buffer.give_up();
                        self.raw(&bytes, out);
                    }
                },
                ResponseState::Length(left) => {
                    let now = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    *left -= now as u64;
                    let ends = *left == 0;
                    let data = input.split_off(..now).unwrap_or_default();
                    self.mask.push(&self.searched.values, data, out, stars);
                    if ends {
                        // Released, but remembered: the next bytes are possibly not a response.
                        self.mask.release(&self.searched.values, out, stars);
                        self.state = ResponseState::Head(HeadBuffer::default());
                    }
                }
                ResponseState::Chunked(chunked) => match chunked.take(&mut input) {
                    Ok(None) => {}
                    Ok(Some(Piece::Data(data))) => self.chunk(data, false, out),
                    Ok(Some(Piece::End(trailers))) => {
                        self.chunk(b"", true, out);
                        out.extend_from_slice(b"0\r\n");
                        // They were parsed before; trailers that cannot be parsed are not passed on.
                        self.fields(&trailers, 0, &fields(&trailers, 0).unwrap_or_default(), out);
                        self.state = ResponseState::Head(HeadBuffer::default());
                    }
                    Err(_) => {
                        let bytes = chunked.give_up();
                        self.chunk(b"", true, out);
                        self.raw(&bytes, out);
                    }
                },
                ResponseState::UntilClose | ResponseState::Raw => {
                    self.mask.push(&self.searched.values, std::mem::take(&mut input), out, stars);
                }
                ResponseState::Refused => return,
            }
        }
    }

    pub(super) fn quiet(&mut self, out: &mut Vec<u8>) {
        let mut bytes = Vec::new();
        self.mask.release(&self.searched.values, &mut bytes, stars);
        self.frame(&bytes, out);
    }

    pub(super) fn refused(&mut self) -> Option<Unsearchable> {
        self.refused.take()
    }

    /// Returns the bytes that are kept.
    pub(super) fn kept(&self) -> usize {
        self.mask.size()
    }

    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        match &mut self.state {
            ResponseState::Head(buffer) => {
                let bytes = buffer.give_up();
                self.raw(&bytes, out);
            }
            ResponseState::Chunked(chunked) => {
                let bytes = chunked.give_up();
                self.chunk(b"", true, out);
                self.raw(&bytes, out);
            }
            _ => {}
        }
        self.mask.end(&self.searched.values, out, stars);
    }

    pub(super) fn patience(&self) -> Option<Duration> {
        // The end of a body is known and releases held bytes: only a body that is a stream of messages waits.
        let patience = if matches!(self.state, ResponseState::Raw) { RAW_PATIENCE } else { BODY_PATIENCE };
        self.mask.is_holding().then_some(patience)
    }

    fn raw(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if matches!(self.state, ResponseState::Refused) {
            return;
        }
        self.state = ResponseState::Raw;
        self.mask.push(&self.searched.values, bytes, out, stars);
    }

    /// Writes data of a chunked body in new chunks, because held bytes belong to a later chunk. The chunks depend on
    /// lengths and lines only.
    fn chunk(&mut self, data: &[u8], last: bool, out: &mut Vec<u8>) {
        let mut bytes = Vec::with_capacity(data.len());
        self.mask.push(&self.searched.values, data, &mut bytes, stars);
        if last {
            self.mask.release(&self.searched.values, &mut bytes, stars);
        }
        self.frame(&bytes, out);
    }

    fn frame(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let chunked = matches!(self.state, ResponseState::Chunked(_)) && !bytes.is_empty();
        if chunked {
            out.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
        }
        out.extend_from_slice(bytes);
        if chunked {
            out.extend_from_slice(b"\r\n");
        }
    }

    fn response(&mut self, bytes: &[u8], injector: &mut Injector, out: &mut Vec<u8>) -> Result<(), OpaqueReason> {
        let head = Head::parse(bytes)?;
        let (old, status) = status(head.text(&head.first_line))?;
        let interim = (100..200).contains(&status) && status != 101;
        let asked = injector.asked.front().copied().unwrap_or_default();
        let next = || ResponseState::Head(HeadBuffer::default());
        if injector.has_injected()
            && let Some(unsearchable) = unsearchable(&head)
            && !(interim || asked.head || matches!(status, 204 | 304) || head.framing() == Ok(Framing::Length(0)))
        {
            (self.state, self.refused) = (ResponseState::Refused, Some(unsearchable));
            return Ok(());
        }
        let state = match head.framing() {
            _ if interim || asked.head || status == 204 || status == 304 => next(),
            _ if status == 101 => ResponseState::Raw,
            Ok(Framing::None) => ResponseState::UntilClose,
            Ok(Framing::Length(0)) => next(),
            Ok(Framing::Length(length)) => ResponseState::Length(length),
            Ok(Framing::Chunked) if !old => ResponseState::Chunked(Chunked::new(MessageSide::Response)),
            Ok(Framing::Chunked) => return Err(OpaqueReason::Coding),
            Err(malformed) => return Err(malformed),
        };
        if status == 101 {
            injector.switched();
        }
        if !interim {
            injector.asked.pop_front();
            if asked.upgrade && status != 101 {
                injector.not_upgraded();
            }
        }
        self.state = state;
        self.mask = BlindStream::default();
        // "HTTP/1.1 200" frames the response; the words after it do not.
        out.extend_from_slice(&bytes[..12]);
        self.value(&bytes[12..head.first_line.end], out);
        self.fields(bytes, head.first_line.end, &head.fields, out);
        Ok(())
    }

    /// Writes fields with placeholders in their values, and the bytes before, between and after them, from `at` on.
    fn fields(&self, bytes: &[u8], mut at: usize, fields: &[Field], out: &mut Vec<u8>) {
        for field in fields {
            let (name, value) = (&bytes[field.name.clone()], &bytes[field.value.clone()]);
            out.extend_from_slice(&bytes[at..field.name.start]);
            let kept = KEPT.iter().any(|kept| name.eq_ignore_ascii_case(kept.as_bytes()));
            if kept {
                out.extend_from_slice(&bytes[field.name.start..field.value.end]);
            } else {
                self.searched.values.replace(name, out, stars);
                out.extend_from_slice(&bytes[field.name.end..field.value.start]);
                self.value(value, out);
            }
            at = field.value.end;
        }
        out.extend_from_slice(&bytes[at..]);
    }

    fn value(&self, value: &[u8], out: &mut Vec<u8>) {
        let secrets = &self.secrets.secrets;
        let SearchedValues { values, encodings } = &*self.searched;
        let placeholder = |found: Match<'_>, out: &mut Vec<u8>| match encodings[found.pattern] {
            (number, ValueEncoding::Text) => out.extend_from_slice(secrets[number].placeholder.as_bytes()),
            (_, ValueEncoding::Fragment) => stars(found, out),
        };
        if let Some((start, plain)) = basic(value)
            && values.is_in(&plain)
        {
            let mut with_placeholders = Zeroizing::new(Vec::new());
            values.replace(&plain, &mut with_placeholders, placeholder);
            out.extend_from_slice(&value[..start]);
            out.extend_from_slice(encode_basic(&with_placeholders).as_bytes());
        } else {
            values.replace(value, out, placeholder);
        }
    }
}

/// Returns the coding that makes a response unsearchable, if there is one.
fn unsearchable(head: &Head<'_>) -> Option<Unsearchable> {
    let coded = |name: &str| {
        let mut codings = head.values(name).flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        codings
            .find(|coding| ![&b""[..], b"identity", b"chunked"].iter().any(|plain| coding.eq_ignore_ascii_case(plain)))
    };
    let extended = || head.values("sec-websocket-extensions").map(<[u8]>::trim_ascii).find(|value| !value.is_empty());
    let coding = coded("content-encoding").or_else(|| coded("transfer-encoding")).or_else(extended)?;
    Some(Unsearchable(String::from_utf8_lossy(coding).chars().filter(|c| !c.is_control()).take(60).collect()))
}

/// Parses a status line: true for version 1.0, and the status.
fn status(line: &[u8]) -> Result<(bool, u16), OpaqueReason> {
    let old = line.starts_with(b"HTTP/1.0 ");
    if !old && !line.starts_with(b"HTTP/1.1 ") {
        return Err(OpaqueReason::NotHttp);
    }
    let (digits, words) = line[9..].split_at_checked(3).ok_or(OpaqueReason::NotHttp)?;
    let plain = digits.iter().all(u8::is_ascii_digit) && (words.is_empty() || words.starts_with(b" "));
    let status = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    let status = status.filter(|status| *status >= 100 && plain && words.iter().all(|byte| is_value_byte(*byte)));
    Ok((old, status.ok_or(OpaqueReason::NotHttp)?))
}
