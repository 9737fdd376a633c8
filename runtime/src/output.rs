//! The script's standard output and error: bounded, counted, and delivered while the script writes.
//!
//! A stream keeps at most its limit of bytes over the whole run; further bytes are counted and dropped. Kept bytes are
//! sent in frames as far as the node has given credit. Without credit the script waits in its write (its time limit
//! continues), so that a slow reader costs the node no memory.

use crate::frame::{OUT_CREDIT, Stream};
use crate::meter::Meter;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// Most bytes that wait in the sandbox process. Then the script waits.
pub(crate) const BUFFER: usize = 64 << 10;
/// Most bytes of one write. wasi-libc asks for this number before it writes.
pub(crate) const PERMIT: usize = 64 << 10;

/// One of the two streams, as the run and its sender see it.
#[derive(Clone)]
pub(crate) struct Output {
    which: Stream,
    state: Arc<Mutex<OutputState>>,
    /// The guest waits here for room.
    room: Arc<Notify>,
    /// The sender waits here for bytes, one for both streams of the run.
    bytes: Arc<Notify>,
    /// The meter that charges its writes.
    meter: Arc<Meter>,
}

struct OutputState {
    limit: u64,
    written: u64,
    dropped: u64,
    buffer: BytesMut,
    credit: u64,
    sent: u64,
}

impl Output {
    /// Makes a stream that keeps `limit` bytes and notifies `bytes` when there are bytes to send.
    pub(crate) fn new(which: Stream, limit: u64, bytes: Arc<Notify>) -> Self {
        let state = OutputState { limit, written: 0, dropped: 0, buffer: BytesMut::new(), credit: OUT_CREDIT, sent: 0 };
        Output { which, state: Arc::new(Mutex::new(state)), room: Arc::default(), bytes, meter: Arc::default() }
    }

    /// Returns the same stream with the meter that charges its writes.
    pub(crate) fn paid_in(self, meter: &Arc<Meter>) -> Self {
        Output { meter: meter.clone(), ..self }
    }

    /// Returns which of the two streams it is.
    pub(crate) fn which(&self) -> Stream {
        self.which
    }

    /// Takes the bytes that can be sent now: within the credit, at most `max`. Empty when there are none.
    pub(crate) fn take(&self, max: usize) -> Bytes {
        let mut state = self.lock();
        let credit = usize::try_from(state.credit).unwrap_or(usize::MAX);
        let size = state.buffer.len().min(credit).min(max);
        if size == 0 {
            return Bytes::new();
        }
        state.credit -= size as u64;
        state.sent += size as u64;
        let bytes = state.buffer.split_to(size).freeze();
        drop(state);
        self.room.notify_one();
        bytes
    }

    /// Adds credit: the node has taken bytes.
    pub(crate) fn add_credit(&self, bytes: u64) {
        let mut state = self.lock();
        state.credit = state.credit.saturating_add(bytes);
        let pending = !state.buffer.is_empty();
        drop(state);
        if pending {
            self.bytes.notify_one();
        }
    }

    /// Returns the bytes that the script has written, and how many were dropped.
    pub(crate) fn totals(&self) -> crate::outcome::StreamUsage {
        let state = self.lock();
        crate::outcome::StreamUsage { bytes: state.written, dropped: state.dropped }
    }

    /// Returns the bytes taken so far.
    pub(crate) fn sent(&self) -> u64 {
        self.lock().sent
    }

    fn lock(&self) -> MutexGuard<'_, OutputState> {
        // No code panics while it holds this lock; a poisoned one would still hold consistent counters.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for it, which this host does not link.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.meter.bytes(bytes.len());
        if bytes.len() > PERMIT {
            return Err(StreamError::trap("a write of more bytes than were permitted"));
        }
        let mut state = self.lock();
        state.written = state.written.saturating_add(bytes.len() as u64);
        let kept_so_far = state.written - state.dropped - bytes.len() as u64;
        let room = usize::try_from(state.limit.saturating_sub(kept_so_far)).unwrap_or(usize::MAX);
        let keep = bytes.len().min(room);
        state.dropped += (bytes.len() - keep) as u64;
        state.buffer.extend_from_slice(&bytes[..keep]);
        drop(state);
        if keep > 0 {
            self.bytes.notify_one();
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        // The sender is woken by every write: there is nothing to wait for that the script could observe.
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let state = self.lock();
        Ok(if state.buffer.len() >= BUFFER { 0 } else { PERMIT })
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        loop {
            if self.lock().buffer.len() < BUFFER {
                return;
            }
            self.room.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(limit: u64) -> Output {
        Output::new(Stream::Stdout, limit, Arc::default())
    }

    #[test]
    fn what_is_over_the_limit_is_counted_and_dropped() {
        let mut out = output(5);
        out.write(Bytes::from_static(b"abc")).expect("writes");
        out.write(Bytes::from_static(b"defg")).expect("writes");
        out.write(Bytes::from_static(b"h")).expect("writes");
        assert_eq!(out.take(100), Bytes::from_static(b"abcde"));
        assert_eq!(out.totals(), crate::outcome::StreamUsage { bytes: 8, dropped: 3 });
    }

    #[test]
    fn no_more_leaves_than_the_node_gave_credit_for() {
        let mut out = output(u64::MAX);
        let chunk = Bytes::from(vec![b'x'; PERMIT]);
        let mut sent = 0;
        for _ in 0..20 {
            if out.check_write().expect("checks") > 0 {
                out.write(chunk.clone()).expect("writes");
            }
            sent += out.take(usize::MAX).len() as u64;
        }
        assert_eq!(sent, OUT_CREDIT);
        assert_eq!(out.check_write().expect("checks"), 0);
        out.add_credit(10);
        assert_eq!(out.take(usize::MAX).len(), 10);
    }
}
