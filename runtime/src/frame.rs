//! Frames: the messages between the node and its processes over their socket pairs.
//!
//! A frame is a header of 16 bytes (length of the payload, kind, flags, two zero bytes, run) and at most 256 KiB of
//! payload; numbers are little-endian. A larger value is sent in parts: every part but the last carries the flag
//! [`MORE`]. Small structures are JSON, the script's own bytes travel as they are.
//!
//! The node trusts a sandbox process no more than a script: a frame that does not parse, is not expected, or is about a
//! run that is not active ends the process.

mod link;

#[cfg(test)]
pub(crate) use link::read_all;
pub(crate) use link::{Incoming, LinkError, Receiver, Sender, connect, connect_locked, pair, pair_for_locked};

use crate::guest_description::GuestDescription;
use crate::harden::Hardening;
use crate::limits::Limits;
use crate::outcome::{Mode, Outcome, ResultKind, ScriptError, SourceLocation, StreamUsage, Usage};
use crate::policy::Policy;
use crate::prepared::{ImageKey, Prepared, Refusal};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The version of the protocol. It changes with every change of this module that the other side can notice.
pub(crate) const PROTOCOL: u32 = 9;
/// Most bytes of one frame's payload.
pub(crate) const MAX_PAYLOAD: usize = 256 << 10;
/// Most bytes of a value in parts: the largest result, and the data around it.
pub(crate) const MAX_VALUE: usize = crate::limits::CEILING.result as usize + (1 << 20);
/// Bytes of a header.
pub(crate) const HEADER: usize = 16;
/// The flag of a value that continues in the next frame of the same kind and run.
pub(crate) const MORE: u8 = 1;
/// The bytes of a stream that can be sent before the node has taken any.
pub(crate) const OUT_CREDIT: u64 = 256 << 10;

/// The number that the node gave to a run. 0 is the process as a whole.
pub(crate) type RunNumber = u64;

/// The place of a guest among those of a process.
pub(crate) type GuestNumber = u32;

/// The kinds of frames. `>` goes to the sandbox process, `<` comes from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// `<` [`Hello`]: the process is ready for runs, with these measures of hardening.
    Hello = 1,
    /// `>` [`Load`], with the descriptor of a bundle.
    Load = 2,
    /// `>` [`Start`]: start this run.
    Start = 3,
    /// `>` Stop the run.
    Cancel = 4,
    /// `<` [`Out`]: bytes the script wrote.
    Out = 5,
    /// `>` [`Credit`]: the node has taken bytes, and this many more can be sent.
    Credit = 6,
    /// `<` [`RunUsage`]: the run has become busy, or waits again.
    Usage = 7,
    /// `<` [`Call`]: a question of the script to the node.
    Call = 8,
    /// `>` [`Reply`]: the answer to a call.
    Reply = 9,
    /// `<` [`Done`]: the run has ended.
    Done = 10,
    /// `>` A check that the process answers: eight bytes to send back.
    Ping = 11,
    /// `<` The same eight bytes.
    Pong = 12,
    /// `>` Start no more runs, and end when none is active.
    Drain = 13,
    /// `<` [`FilePart`]: a part of a file that the run leaves. It comes before the end of the run.
    File = 14,
    /// `>` The socket of the link to the egress process.
    Network = 15,

    // Between node (`>`) and egress process (`<`); see `egress::messages`.
    /// `>` The name servers and the trusted authorities.
    Setup = 16,
    /// `>` The socket of the link to a sandbox process, whose number is in place of the run's.
    Attach = 17,
    /// `>` The grant of a run.
    Grant = 18,
    /// `>` The end of a grant.
    Revoke = 19,
    /// `<` The use of a grant that has ended.
    NetworkUsage = 20,
    /// `<` A sandbox process violated the protocol of its link.
    Violation = 21,

    // Between sandbox process (`>`) and egress process (`<`), about a channel.
    /// `>` A request for a connection.
    Open = 22,
    /// `<` The connection is made.
    Opened = 23,
    /// `>` A request to start TLS.
    StartTls = 24,
    /// `<` The TLS handshake is done.
    Secured = 25,
    /// Both ways: bytes.
    Data = 26,
    /// Both ways: this many more bytes can be sent.
    Window = 27,
    /// Both ways: no more bytes will come.
    Shut = 28,
    /// `<` The connection was not made, or has ended, with the reason.
    Failed = 29,
    /// `>` The connection is not needed any more.
    Close = 30,

    // Between node and sandbox process.
    /// `>` The page for the number of the run that has the thread.
    Holder = 31,
    /// `>` [`GuestSetup`], with the descriptor of the guest's image. The first frames of a process are this one and its
    /// [`FrameKind::Code`], for each guest.
    Image = 32,
    /// `>` [`Prepare`]: prepare an image of packages.
    Prepare = 33,
    /// `<` [`PageBytes`]: pages of the image that is prepared.
    Page = 34,
    /// `<` [`PrepareEnd`]: the image is prepared, or cannot be.
    PrepareEnd = 35,
    /// `>` [`LoadImage`], with the descriptor of an image of packages.
    LoadImage = 36,

    // Between node (`>`) and egress process (`<`), about a message of the node itself, whose number is in place of the
    // run's; see `egress::outbound`.
    /// `>` A message to be sent.
    Outbound = 37,
    /// `<` The answer to it, or why there is none.
    OutboundAnswer = 38,

    // Between node and sandbox process.
    /// `>` The descriptor of a guest's machine code, after its image.
    Code = 39,

    // Between node and sandbox process, about a run that waits.
    /// `<` [`ParkedMemory`]: the memory of the run is away, so that other runs can have it.
    Parked = 40,
    /// `<` The run wants to go on, and its memory again.
    Wake = 41,
    /// `>` It can have it.
    Resume = 42,
}

impl FrameKind {
    fn from_byte(byte: u8) -> Option<Self> {
        const ALL: [FrameKind; 42] = [
            FrameKind::Hello,
            FrameKind::Load,
            FrameKind::Start,
            FrameKind::Cancel,
            FrameKind::Out,
            FrameKind::Credit,
            FrameKind::Usage,
            FrameKind::Call,
            FrameKind::Reply,
            FrameKind::Done,
            FrameKind::Ping,
            FrameKind::Pong,
            FrameKind::Drain,
            FrameKind::File,
            FrameKind::Network,
            FrameKind::Setup,
            FrameKind::Attach,
            FrameKind::Grant,
            FrameKind::Revoke,
            FrameKind::NetworkUsage,
            FrameKind::Violation,
            FrameKind::Open,
            FrameKind::Opened,
            FrameKind::StartTls,
            FrameKind::Secured,
            FrameKind::Data,
            FrameKind::Window,
            FrameKind::Shut,
            FrameKind::Failed,
            FrameKind::Close,
            FrameKind::Holder,
            FrameKind::Image,
            FrameKind::Prepare,
            FrameKind::Page,
            FrameKind::PrepareEnd,
            FrameKind::LoadImage,
            FrameKind::Outbound,
            FrameKind::OutboundAnswer,
            FrameKind::Code,
            FrameKind::Parked,
            FrameKind::Wake,
            FrameKind::Resume,
        ];
        ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// One of a script's output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    /// Standard output.
    Stdout = 1,
    /// Standard error.
    Stderr = 2,
}

impl Stream {
    fn from_byte(byte: u8) -> Option<Self> {
        [Stream::Stdout, Stream::Stderr].into_iter().find(|stream| *stream as u8 == byte)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) protocol: u32,
    /// The build of the program: both ends must be of the same build.
    pub(crate) build: String,
    pub(crate) hardening: Hardening,
    /// The guests, in the order in which they came. Empty for a process that has none.
    pub(crate) guests: Vec<GuestReady>,
}

/// What a process has found out about a guest.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GuestReady {
    /// The least memory of a run, in bytes.
    pub(crate) memory: u64,
    /// The pages of the image that most runs write, when this process has found them out.
    pub(crate) hot: Option<Vec<u32>>,
}

/// A guest. Its image and its machine code come as descriptors. With an empty file as its image the initial memory is zero.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GuestSetup {
    pub(crate) description: GuestDescription,
    /// The pages that most runs write, when that is known.
    pub(crate) hot: Option<Vec<u32>>,
    /// True when no other guest follows.
    pub(crate) is_last: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) hash: [u8; 32],
    /// Bundles that the process can drop.
    pub(crate) forget: Vec<[u8; 32]>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) guest: GuestNumber,
    pub(crate) bundle: [u8; 32],
    /// The bundle of its packages.
    pub(crate) packages: Option<[u8; 32]>,
    /// The image that its memory begins as; none: the guest's own.
    pub(crate) image: Option<ImageKey>,
    /// The source's path in the bundle.
    pub(crate) path: String,
    /// The path of its code object, when it is compiled already.
    pub(crate) code: Option<String>,
    pub(crate) name: String,
    pub(crate) entry: Option<String>,
    pub(crate) args: String,
    pub(crate) text_args: Vec<String>,
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) context: String,
    pub(crate) result_kind: ResultKind,
    pub(crate) limits: Limits,
    /// Its pass to the egress process, when it can use the network.
    pub(crate) network: Option<NetworkPass>,
}

/// An image of packages, whose descriptor comes with it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LoadImage {
    /// The guest that it belongs to.
    pub(crate) guest: GuestNumber,
    pub(crate) key: ImageKey,
    /// Images that the process can drop.
    pub(crate) forget: Vec<ImageKey>,
}

/// The image that a process is to prepare, of its first guest. The bundles were loaded before.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Prepare {
    pub(crate) bundle: [u8; 32],
    pub(crate) packages: [u8; 32],
    /// The source's path in the bundle, and that of its code object.
    pub(crate) path: String,
    pub(crate) code: Option<String>,
    /// The modules to import; none: find out which the script imports first, and no more.
    pub(crate) modules: Option<Vec<String>>,
}

/// The end of a preparation.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PrepareEnd {
    /// The modules.
    pub(crate) modules: Vec<String>,
    /// What is known of the image, or why there is none; none when that was not asked.
    pub(crate) made: Option<Result<Prepared, Refusal>>,
}

impl PrepareEnd {
    pub(crate) fn failed(why: String) -> Self {
        PrepareEnd { modules: Vec::new(), made: Some(Err(Refusal::passing(why))) }
    }
}

/// Bytes of an image, and their place in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PageBytes<'b> {
    pub(crate) start: u64,
    pub(crate) bytes: &'b [u8],
}

/// The pass with which a run asks the egress process for connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NetworkPass {
    /// The secret that the egress process knows, too. None: no connection is made for the run.
    pub(crate) token: Option<[u8; 16]>,
    /// The policy by which the egress process decides. Here it gives refusals without delay.
    pub(crate) policy: Policy,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Out<'b> {
    pub(crate) stream: Stream,
    /// The bytes of this stream that were sent before these.
    pub(crate) offset: u64,
    pub(crate) bytes: &'b [u8],
}

/// A part of a file: its path below `/output`, its whole size, and the next bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FilePart<'b> {
    pub(crate) path: &'b str,
    pub(crate) size: u64,
    pub(crate) bytes: &'b [u8],
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credit {
    pub(crate) stream: Stream,
    pub(crate) bytes: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct RunUsage {
    /// True when it has computed for 20 ms without waiting.
    pub(crate) busy: bool,
}

/// The memory of a run that is away.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ParkedMemory {
    /// The bytes that it still takes.
    pub(crate) bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) number: u64,
    pub(crate) verb: String,
    pub(crate) request: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) number: u64,
    pub(crate) answer: Result<String, String>,
}

/// The end of a run without the result, whose text follows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    pub(crate) mode: Option<Mode>,
    pub(crate) result_kind: ResultKind,
    pub(crate) error: Option<ScriptError>,
    pub(crate) stopped_at: Option<SourceLocation>,
    pub(crate) notes: Vec<String>,
    pub(crate) usage: Usage,
    pub(crate) stdout: StreamUsage,
    pub(crate) stderr: StreamUsage,
}

/// A payload that does not fit its kind.
#[derive(Debug, thiserror::Error)]
#[error("a malformed {0:?} frame")]
pub(crate) struct MalformedFrame(pub(crate) FrameKind);

impl Out<'_> {
    /// The bytes of the payload before the script's own.
    pub(crate) const HEAD: usize = 9;

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(Self::HEAD + self.bytes.len());
        payload.push(self.stream as u8);
        payload.extend_from_slice(&self.offset.to_le_bytes());
        payload.extend_from_slice(self.bytes);
        payload
    }

    pub(crate) fn decode(payload: &[u8]) -> Result<Out<'_>, MalformedFrame> {
        let parts = || {
            let (stream, rest) = payload.split_first()?;
            let (offset, bytes) = rest.split_first_chunk()?;
            Some(Out { stream: Stream::from_byte(*stream)?, offset: u64::from_le_bytes(*offset), bytes })
        };
        parts().ok_or(MalformedFrame(FrameKind::Out))
    }
}

impl<'b> FilePart<'b> {
    /// Most bytes of a file in one part.
    pub(crate) const MAX_BYTES: usize = MAX_PAYLOAD - crate::limits::MAX_WHOLE_PATH - 12;

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(12 + self.path.len() + self.bytes.len());
        payload.extend_from_slice(&self.size.to_le_bytes());
        payload.extend_from_slice(&(self.path.len() as u32).to_le_bytes());
        payload.extend_from_slice(self.path.as_bytes());
        payload.extend_from_slice(self.bytes);
        payload
    }

    pub(crate) fn decode(payload: &'b [u8]) -> Result<Self, MalformedFrame> {
        let parts = || {
            let (size, rest) = payload.split_first_chunk()?;
            let (length, rest) = rest.split_first_chunk()?;
            let (path, bytes) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            Some(FilePart { path: std::str::from_utf8(path).ok()?, size: u64::from_le_bytes(*size), bytes })
        };
        parts().ok_or(MalformedFrame(FrameKind::File))
    }
}

impl<'b> PageBytes<'b> {
    /// Most bytes of one frame: whole pages.
    pub(crate) const MOST: usize = MAX_PAYLOAD - 4096;
    /// The bytes of the payload before the image's own.
    pub(crate) const HEAD: usize = 8;

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(Self::HEAD + self.bytes.len());
        payload.extend_from_slice(&self.start.to_le_bytes());
        payload.extend_from_slice(self.bytes);
        payload
    }

    pub(crate) fn decode(payload: &'b [u8]) -> Result<Self, MalformedFrame> {
        let (start, bytes) = payload.split_first_chunk().ok_or(MalformedFrame(FrameKind::Page))?;
        Ok(PageBytes { start: u64::from_le_bytes(*start), bytes })
    }
}

impl Credit {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut payload = vec![self.stream as u8];
        payload.extend_from_slice(&self.bytes.to_le_bytes());
        payload
    }

    pub(crate) fn decode(payload: &[u8]) -> Result<Self, MalformedFrame> {
        let parts = || {
            let (stream, rest) = payload.split_first()?;
            let bytes = u64::from_le_bytes(rest.try_into().ok()?);
            Some(Credit { stream: Stream::from_byte(*stream)?, bytes })
        };
        parts().ok_or(MalformedFrame(FrameKind::Credit))
    }
}

impl Done {
    pub(crate) fn encode(&self, result: &str) -> Result<Vec<u8>, serde_json::Error> {
        let head = serde_json::to_vec(self)?;
        let mut payload = Vec::with_capacity(4 + head.len() + result.len());
        payload.extend_from_slice(&(head.len() as u32).to_le_bytes());
        payload.extend_from_slice(&head);
        payload.extend_from_slice(result.as_bytes());
        Ok(payload)
    }

    /// Decodes the end of a run and the text of its result.
    pub(crate) fn decode(payload: &[u8]) -> Result<(Self, &[u8]), MalformedFrame> {
        let parts = || {
            let (length, rest) = payload.split_first_chunk()?;
            let (head, result) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            Some((serde_json::from_slice(head).ok()?, result))
        };
        parts().ok_or(MalformedFrame(FrameKind::Done))
    }
}

/// Encodes a structure as the payload of its frame.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    // This fails only for keys that are not strings and for a `Serialize` that fails. These structures have neither.
    serde_json::to_vec(value).unwrap_or_default()
}

/// Decodes the structure in a payload of this kind.
pub(crate) fn from_json<T: DeserializeOwned>(kind: FrameKind, payload: &[u8]) -> Result<T, MalformedFrame> {
    serde_json::from_slice(payload).map_err(|_| MalformedFrame(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_payloads_read_back() {
        let out = Out { stream: Stream::Stderr, offset: 77, bytes: b"\xff\0" };
        assert_eq!(Out::decode(&out.encode()).expect("decodes"), out);
        let part = FilePart { path: "a/ä", size: 7, bytes: b"\0\xff" };
        assert_eq!(FilePart::decode(&part.encode()).expect("decodes"), part);
        let page = PageBytes { start: 1 << 40, bytes: b"\0\xff" };
        assert_eq!(PageBytes::decode(&page.encode()).expect("decodes"), page);
        let credit = Credit { stream: Stream::Stdout, bytes: u64::MAX };
        assert_eq!(Credit::decode(&credit.encode()).expect("decodes"), credit);
    }

    #[test]
    fn every_cut_of_a_payload_is_refused() {
        let credit = Credit { stream: Stream::Stdout, bytes: 1 }.encode();
        for length in 0..credit.len() {
            assert!(Credit::decode(&credit[..length]).is_err());
        }
        let out = Out { stream: Stream::Stdout, offset: 0, bytes: b"" }.encode();
        for length in 0..out.len() {
            assert!(Out::decode(&out[..length]).is_err());
        }
        let part = FilePart { path: "ä", size: 0, bytes: b"" }.encode();
        for length in 0..part.len() {
            assert!(FilePart::decode(&part[..length]).is_err());
        }
        assert!(Out::decode(&[9; 12]).is_err());
        assert!(Done::decode(&[255, 255, 255, 255, 1]).is_err());
    }

    #[test]
    fn kinds_are_their_bytes() {
        for byte in 0..=u8::MAX {
            if let Some(kind) = FrameKind::from_byte(byte) {
                assert_eq!(kind as u8, byte);
            }
        }
        assert_eq!(FrameKind::from_byte(0), None);
        assert_eq!(FrameKind::from_byte(43), None);
    }
}
