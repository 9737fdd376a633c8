//! One end of a socket pair: sending and receiving frames, some with a descriptor.

use super::{FrameKind, HEADER, MAX_PAYLOAD, MAX_VALUE, MORE, RunNumber};
use bytes::{Buf, Bytes, BytesMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Notify;

/// Most values in parts at one time.
const MAX_PARTS: usize = 64;
/// Bytes of one read from the socket.
const CHUNK: usize = 64 << 10;

/// The reason why a link cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The other side violated the framing.
    #[error("{0}")]
    Violation(&'static str),
    /// The other side closed within a frame, as a process does that is killed.
    #[error("the link closed within a frame")]
    Cut,
    /// The socket failed.
    #[error("the socket failed")]
    Socket(#[from] io::Error),
}

/// A whole value from the other side.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) kind: FrameKind,
    pub(crate) run: RunNumber,
    pub(crate) payload: Bytes,
    pub(crate) descriptor: Option<OwnedFd>,
}

/// Makes two connected sockets that are closed on exec.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// The same for two processes that are locked already: both ends are non-blocking.
pub(crate) fn pair_for_locked() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

/// Makes both halves of a link over `socket`. `descriptors` is true when the other side can send descriptors.
pub(crate) fn connect(socket: OwnedFd, descriptors: bool) -> io::Result<(Sender, Receiver)> {
    let socket = StdUnixStream::from(socket);
    socket.set_nonblocking(true)?;
    connect_nonblocking(socket, descriptors)
}

/// The same over an end of [`pair_for_locked`], in a process that cannot change a socket any more.
pub(crate) fn connect_locked(socket: OwnedFd) -> io::Result<(Sender, Receiver)> {
    connect_nonblocking(StdUnixStream::from(socket), false)
}

fn connect_nonblocking(socket: StdUnixStream, descriptors: bool) -> io::Result<(Sender, Receiver)> {
    let socket = Arc::new(UnixStream::from_std(socket)?);
    let sender = Sender { socket: socket.clone(), queue: Arc::default(), filled: Arc::default() };
    let receiver = Receiver {
        socket,
        descriptors_allowed: descriptors,
        space: vec![0; CHUNK].into_boxed_slice(),
        buffer: BytesMut::new(),
        descriptors: VecDeque::new(),
        parts: HashMap::new(),
        parts_size: 0,
    };
    Ok((sender, receiver))
}

/// The sending half. Clones share one queue. A frame is sent at once when the queue is empty.
#[derive(Clone)]
pub(crate) struct Sender {
    socket: Arc<UnixStream>,
    queue: Arc<Mutex<Queue>>,
    filled: Arc<Notify>,
}

#[derive(Default)]
struct Queue {
    chunks: VecDeque<Chunk>,
    bytes: usize,
}

struct Chunk {
    bytes: Bytes,
    /// Shared with its owner: sending it takes no other descriptor of this process.
    descriptor: Option<Arc<OwnedFd>>,
}

impl Sender {
    /// Sends a value, in parts when it is large. It never waits: bytes that the socket does not take are queued.
    pub(crate) fn send(&self, kind: FrameKind, run: RunNumber, payload: &[u8]) {
        self.send_with(kind, run, payload, None);
    }

    /// Sends a value with a descriptor.
    pub(crate) fn send_with(&self, kind: FrameKind, run: RunNumber, payload: &[u8], descriptor: Option<OwnedFd>) {
        self.send_shared(kind, run, payload, descriptor.map(Arc::new));
    }

    /// Sends a value with a descriptor that the caller keeps.
    pub(crate) fn send_shared(
        &self,
        kind: FrameKind,
        run: RunNumber,
        payload: &[u8],
        mut descriptor: Option<Arc<OwnedFd>>,
    ) {
        let mut rest = payload;
        loop {
            let (part, after) = rest.split_at(rest.len().min(MAX_PAYLOAD));
            rest = after;
            let mut bytes = Vec::with_capacity(HEADER + part.len());
            // A part is at most MAX_PAYLOAD long, far below u32::MAX.
            bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&[kind as u8, if rest.is_empty() { 0 } else { MORE }, 0, 0]);
            bytes.extend_from_slice(&run.to_le_bytes());
            bytes.extend_from_slice(part);
            self.push(Chunk { bytes: bytes.into(), descriptor: descriptor.take() });
            if rest.is_empty() {
                return;
            }
        }
    }

    /// Returns the bytes that the other side has not read.
    pub(crate) fn queued(&self) -> usize {
        self.lock().bytes
    }

    /// Sends the queue whenever the socket takes bytes, until the socket fails.
    pub(crate) async fn flush(&self) -> io::Error {
        loop {
            let filled = self.filled.notified();
            // Outside of the match, so that the lock is not held while waiting.
            let written = self.write_queued(&mut self.lock());
            match written {
                Ok(()) => filled.await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Err(error) = self.socket.writable().await {
                        return error;
                    }
                }
                Err(error) => return error,
            }
        }
    }

    /// Waits until the socket has taken everything, or fails.
    pub(crate) async fn drained(&self) {
        while self.queued() > 0 {
            let written = self.write_queued(&mut self.lock());
            match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.socket.writable().await.is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    fn push(&self, chunk: Chunk) {
        let mut queue = self.lock();
        queue.bytes += chunk.bytes.len();
        queue.chunks.push_back(chunk);
        // The order is kept: what is queued is sent first.
        if self.write_queued(&mut queue).is_err() {
            self.filled.notify_one();
        }
    }

    fn write_queued(&self, queue: &mut Queue) -> io::Result<()> {
        while let Some(chunk) = queue.chunks.front_mut() {
            let written = self.socket.try_io(Interest::WRITABLE, || write(&self.socket, chunk))?;
            // The kernel took the descriptor along with the first byte.
            chunk.descriptor = None;
            chunk.bytes.advance(written);
            queue.bytes -= written;
            if chunk.bytes.is_empty() {
                queue.chunks.pop_front();
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(socket: &UnixStream, chunk: &Chunk) -> io::Result<usize> {
    let slices = [IoSlice::new(&chunk.bytes)];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = chunk.descriptor.as_ref().map(|descriptor| [descriptor.as_fd()]);
    if let Some(descriptors) = &descriptors {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    Ok(sendmsg(socket, &slices, &mut ancillary, SendFlags::NOSIGNAL)?)
}

/// The receiving half.
pub(crate) struct Receiver {
    socket: Arc<UnixStream>,
    descriptors_allowed: bool,
    /// Where one read from the socket goes: to make and clear such room for each would cost more than to copy a small frame.
    space: Box<[u8]>,
    buffer: BytesMut,
    descriptors: VecDeque<OwnedFd>,
    parts: HashMap<(u8, RunNumber), Vec<u8>>,
    parts_size: usize,
}

impl Receiver {
    /// Returns the next whole value; none when the other side has closed. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Incoming>, LinkError> {
        loop {
            if let Some(incoming) = self.parse()? {
                return Ok(Some(incoming));
            }
            self.socket.readable().await?;
            match self.fill() {
                Ok(0) if self.buffer.is_empty() => return Ok(None),
                Ok(0) => return Err(LinkError::Cut),
                Ok(_) => {}
                Err(LinkError::Socket(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes frames from the buffer until one completes a value.
    fn parse(&mut self) -> Result<Option<Incoming>, LinkError> {
        while let Some(header) = self.buffer.first_chunk::<HEADER>() {
            let [l0, l1, l2, l3, kind, flags, 0, 0, run @ ..] = *header else {
                return Err(LinkError::Violation("a malformed header"));
            };
            let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
            let run = RunNumber::from_le_bytes(run);
            if length > MAX_PAYLOAD {
                return Err(LinkError::Violation("a frame that is too large"));
            }
            if flags & !MORE != 0 {
                return Err(LinkError::Violation("a flag that does not exist"));
            }
            let Some(kind) = FrameKind::from_byte(kind) else {
                return Err(LinkError::Violation("a kind of frame that does not exist"));
            };
            if self.buffer.len() < HEADER + length {
                return Ok(None);
            }
            self.buffer.advance(HEADER);
            let payload = self.buffer.split_to(length).freeze();
            if flags & MORE != 0 {
                self.parts_size += length;
                if length == 0 || self.parts_size > MAX_VALUE || self.parts.len() > MAX_PARTS {
                    return Err(LinkError::Violation("a value that is too large"));
                }
                self.parts.entry((kind as u8, run)).or_default().extend_from_slice(&payload);
                continue;
            }
            let payload = match self.parts.remove(&(kind as u8, run)) {
                None => payload,
                Some(mut whole) => {
                    self.parts_size -= whole.len();
                    whole.extend_from_slice(&payload);
                    whole.into()
                }
            };
            let has_one = matches!(
                kind,
                FrameKind::Load
                    | FrameKind::Network
                    | FrameKind::Attach
                    | FrameKind::Holder
                    | FrameKind::Image
                    | FrameKind::Code
                    | FrameKind::LoadImage
            );
            let descriptor = if has_one { self.descriptors.pop_front() } else { None };
            return Ok(Some(Incoming { kind, run, payload, descriptor }));
        }
        Ok(None)
    }

    /// Reads from the socket; returns the number of bytes, 0 at the end.
    fn fill(&mut self) -> Result<usize, LinkError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = self.socket.try_io(Interest::READABLE, || {
            let mut slices = [IoSliceMut::new(&mut self.space)];
            Ok(recvmsg(&self.socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?)
        });
        let size = received?.bytes;
        self.buffer.extend_from_slice(self.space.get(..size).unwrap_or_default());
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        if !self.descriptors_allowed && !self.descriptors.is_empty() {
            return Err(LinkError::Violation("a descriptor from a side that cannot send any"));
        }
        Ok(size)
    }
}

/// Reads bytes as frames until they end or are refused. For [`crate::readers`].
#[cfg(test)]
pub(crate) fn read_all(bytes: &[u8]) {
    use std::io::Write;
    thread_local! {
        static RUNTIME: Option<tokio::runtime::Runtime> =
            tokio::runtime::Builder::new_current_thread().enable_io().build().ok();
    }
    // A socket buffers this much before anything is read.
    let bytes = &bytes[..bytes.len().min(64 << 10)];
    RUNTIME.with(|runtime| {
        let (Some(runtime), Ok((ours, theirs))) = (runtime, pair()) else { return };
        runtime.block_on(async {
            let Ok((_sender, mut receiver)) = connect(ours, true) else { return };
            let mut theirs = StdUnixStream::from(theirs);
            assert!(theirs.write_all(bytes).is_ok());
            drop(theirs);
            let mut size = 0;
            while let Ok(Some(incoming)) = receiver.next().await {
                size += HEADER + incoming.payload.len();
                assert!(size <= bytes.len());
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> ((Sender, Receiver), (Sender, Receiver)) {
        let (here, there) = pair().expect("pair");
        (connect(here, false).expect("connects"), connect(there, true).expect("connects"))
    }

    /// Makes a receiver, and returns the other end of its socket, for bytes that are not frames.
    fn receiver() -> (OwnedFd, Receiver) {
        let (here, there) = pair().expect("pair");
        (here, connect(there, true).expect("connects").1)
    }

    fn write_bytes(socket: &OwnedFd, bytes: &[u8]) {
        assert_eq!(rustix::io::write(socket, bytes).expect("writes"), bytes.len());
    }

    #[tokio::test]
    async fn large_values_arrive_whole_and_in_order() {
        let ((sender, _keep), (_, mut receiver)) = link();
        let large: Vec<u8> = (0..1_500_000u32).map(|n| n as u8).collect();
        let flush = tokio::spawn({
            let sender = sender.clone();
            async move { sender.flush().await }
        });
        sender.send(FrameKind::Start, 1, &large);
        sender.send(FrameKind::Cancel, 1, b"");
        let first = receiver.next().await.expect("receives").expect("a frame");
        assert_eq!((first.kind, first.run, first.payload == large), (FrameKind::Start, 1, true));
        let second = receiver.next().await.expect("receives").expect("a frame");
        assert_eq!(second.kind, FrameKind::Cancel);
        flush.abort();
    }

    #[tokio::test]
    async fn a_descriptor_arrives_with_its_frame() {
        let ((sender, _keep), (_, mut receiver)) = link();
        sender.send(FrameKind::Ping, 0, b"12345678");
        let memory = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).expect("makes");
        sender.send_with(FrameKind::Load, 0, b"{}", Some(memory));
        sender.drained().await;
        assert!(receiver.next().await.expect("receives").expect("a frame").descriptor.is_none());
        assert!(receiver.next().await.expect("receives").expect("a frame").descriptor.is_some());
    }

    #[tokio::test]
    async fn a_descriptor_from_the_wrong_side_is_a_violation() {
        let ((_keep, mut receiver), (sender, _)) = link();
        let memory = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).expect("makes");
        sender.send_with(FrameKind::Load, 0, b"{}", Some(memory));
        sender.drained().await;
        assert!(matches!(receiver.next().await, Err(LinkError::Violation(_))));
    }

    #[tokio::test]
    async fn what_is_no_frame_is_a_violation() {
        let too_long = [[0, 0, 8, 0, 5, 0, 0, 0].as_slice(), &[0; 8]].concat();
        let no_kind = [[0, 0, 0, 0, 99, 0, 0, 0].as_slice(), &[0; 8]].concat();
        let no_flag = [[0, 0, 0, 0, 5, 2, 0, 0].as_slice(), &[0; 8]].concat();
        let padding = [[0, 0, 0, 0, 5, 0, 1, 0].as_slice(), &[0; 8]].concat();
        for bytes in [too_long, no_kind, no_flag, padding] {
            let (socket, mut receiver) = receiver();
            write_bytes(&socket, &bytes);
            assert!(matches!(receiver.next().await, Err(LinkError::Violation(_))), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn values_in_parts_are_few_at_once() {
        let (socket, mut receiver) = receiver();
        for run in 0..100u64 {
            write_bytes(&socket, &[&[1, 0, 0, 0, 5, MORE, 0, 0][..], &run.to_le_bytes(), b"x"].concat());
        }
        assert!(matches!(receiver.next().await, Err(LinkError::Violation(_))));
    }

    #[tokio::test]
    async fn a_link_that_ends_within_a_frame_was_cut() {
        let (socket, mut receiver) = receiver();
        write_bytes(&socket, &[3, 0, 0, 0]);
        drop(socket);
        assert!(matches!(receiver.next().await, Err(LinkError::Cut)));
    }

    #[tokio::test]
    async fn a_link_that_ends_between_frames_just_ends() {
        let ((sender, other), (_, mut receiver)) = link();
        sender.send(FrameKind::Ping, 0, b"12345678");
        sender.drained().await;
        drop((sender, other));
        assert!(receiver.next().await.expect("receives").is_some());
        assert!(receiver.next().await.expect("receives").is_none());
    }
}
