//! The buffers of a connection: bytes for the server, and an exchange that keeps bytes for a time.

use super::exchange::{Exchange, Step};
use bytes::{Buf, BytesMut};
use tokio::time::Instant;

/// An exchange, with the deadlines of the bytes that it keeps.
pub(super) struct HeldExchange {
    pub(super) exchange: Exchange,
    pub(super) outgoing_by: Option<Instant>,
    pub(super) incoming_by: Option<Instant>,
    /// The time since which received bytes are kept.
    incoming_since: Option<Instant>,
}

/// While more bytes come, bytes are kept for at most this many times the patience for one piece.
const MAX_PATIENCE: u32 = 4;

impl HeldExchange {
    pub(super) fn new(exchange: Exchange) -> Self {
        HeldExchange { exchange, outgoing_by: None, incoming_by: None, incoming_since: None }
    }

    pub(super) fn outgoing(&mut self, bytes: &[u8]) -> Step {
        let step = self.exchange.outgoing(bytes);
        self.outgoing_by = self.exchange.outgoing_patience().map(|patience| Instant::now() + patience);
        step
    }

    pub(super) fn outgoing_quiet(&mut self) -> Step {
        let step = self.exchange.outgoing_quiet();
        self.outgoing_by = None;
        step
    }

    pub(super) fn outgoing_end(&mut self) -> Step {
        self.outgoing_by = None;
        self.exchange.outgoing_end()
    }

    pub(super) fn incoming(&mut self, bytes: &[u8]) -> Step {
        let step = self.exchange.incoming(bytes);
        let now = Instant::now();
        let patience = self.exchange.incoming_patience();
        // Bytes that were kept before were sent now, unless all of them are still kept.
        let since = if step.bytes.is_empty() { self.incoming_since.unwrap_or(now) } else { now };
        self.incoming_since = patience.map(|_| since);
        self.incoming_by = patience.map(|patience| (now + patience).min(since + patience * MAX_PATIENCE));
        step
    }

    pub(super) fn incoming_quiet(&mut self) -> Step {
        let step = self.exchange.incoming_quiet();
        (self.incoming_by, self.incoming_since) = (None, None);
        step
    }

    pub(super) fn incoming_end(&mut self) -> Step {
        self.incoming_by = None;
        self.exchange.incoming_end()
    }
}

/// Bytes for the server.
#[derive(Default)]
pub(super) struct Outgoing {
    pub(super) bytes: BytesMut,
    /// Bytes of the script in here that are not reported as taken yet.
    credit: usize,
}

impl Outgoing {
    pub(super) fn push(&mut self, bytes: &[u8], of_script: usize) {
        self.credit += of_script;
        self.bytes.extend_from_slice(bytes);
    }

    /// Removes written bytes. Returns the number of the script's bytes to report as taken.
    pub(super) fn written(&mut self, size: usize) -> u32 {
        self.bytes.advance(size);
        // All of them at the end, and before that at most the written number: a secret can make the sent bytes longer.
        let taken = if self.bytes.is_empty() { self.credit } else { self.credit.min(size) };
        self.credit -= taken;
        // The window is far below u32::MAX.
        taken as u32
    }

    /// Drops all bytes. Returns the number of the script's bytes to report as taken.
    pub(super) fn give_up(&mut self) -> u32 {
        self.bytes.clear();
        std::mem::take(&mut self.credit) as u32
    }
}
