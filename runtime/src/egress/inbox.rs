//! The frames of a sandbox process about one channel, and the way to answer.

use super::messages::{Failed, StartTls, WINDOW, window};
use crate::frame::{self, FrameKind};
use bytes::BytesMut;
use std::cell::RefCell;
use std::rc::Rc;
use tokio::sync::Notify;

/// Frames about a connection that are not handled yet: at most a window of bytes, and one frame of each other kind.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) said: RefCell<Said>,
    pub(super) changed: Notify,
}

#[derive(Default)]
pub(super) struct Said {
    pub(super) data: BytesMut,
    /// Received bytes that are not reported as taken.
    unreported: usize,
    pub(super) window: u32,
    /// The connection is made, and the sandbox process was told.
    open: bool,
    pub(super) start_tls: Option<StartTls>,
    tls_begun: bool,
    pub(super) shut: bool,
    pub(super) closed: bool,
}

impl Inbox {
    pub(super) fn data(&self, bytes: &[u8]) -> Result<(), String> {
        let mut said = self.said.borrow_mut();
        // Nothing can be written before the connection is made: so the number of connections bounds the kept bytes.
        if !said.open {
            return Err("bytes for a connection that is not made".into());
        }
        said.unreported += bytes.len();
        if said.unreported > WINDOW as usize {
            return Err("more bytes than the window of the channel".into());
        }
        if said.shut || said.start_tls.is_some() {
            return Err("bytes after the end".into());
        }
        said.data.extend_from_slice(bytes);
        drop(said);
        self.changed.notify_one();
        Ok(())
    }

    pub(super) fn window(&self, bytes: u32) -> Result<(), String> {
        let mut said = self.said.borrow_mut();
        said.window = said.window.saturating_add(bytes);
        // Sent bytes can exceed a window by one piece, and several reports of them can wait here.
        if said.window > 4 * WINDOW {
            return Err("a window that is too large".into());
        }
        drop(said);
        self.changed.notify_one();
        Ok(())
    }

    pub(super) fn start_tls(&self, wanted: StartTls) -> Result<(), String> {
        let mut said = self.said.borrow_mut();
        if said.tls_begun || said.shut || !said.open {
            return Err("TLS that cannot start".into());
        }
        (said.tls_begun, said.start_tls) = (true, Some(wanted));
        drop(said);
        self.changed.notify_one();
        Ok(())
    }

    pub(super) fn shut(&self) {
        self.said.borrow_mut().shut = true;
        self.changed.notify_one();
    }

    pub(super) fn close(&self) {
        self.said.borrow_mut().closed = true;
        self.changed.notify_one();
    }

    /// Waits until the sandbox process closes the connection.
    pub(super) async fn closed(&self) {
        while !self.said.borrow().closed {
            self.changed.notified().await;
        }
    }
}

/// The way to answer the sandbox process.
#[derive(Clone)]
pub(super) struct ChannelReply {
    pub(super) link: frame::Sender,
    pub(super) channel: u64,
    pub(super) inbox: Rc<Inbox>,
}

impl ChannelReply {
    pub(super) fn send(&self, kind: FrameKind, payload: &[u8]) {
        self.link.send(kind, self.channel, payload);
    }

    pub(super) fn opened(&self) {
        self.inbox.said.borrow_mut().open = true;
        self.send(FrameKind::Opened, b"");
    }

    /// Reports bytes as taken: the script can write as many more.
    pub(super) fn taken(&self, bytes: u32) {
        if bytes > 0 {
            let mut said = self.inbox.said.borrow_mut();
            said.unreported = said.unreported.saturating_sub(bytes as usize);
            drop(said);
            self.send(FrameKind::Window, &window(bytes));
        }
    }

    pub(super) fn failed(&self, failed: &Failed) {
        self.send(FrameKind::Failed, &frame::to_json(failed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_takes_a_window_of_bytes_once_it_is_open() {
        let inbox = Inbox::default();
        assert!(inbox.data(b"x").is_err());
        inbox.said.borrow_mut().open = true;
        assert_eq!(inbox.data(&vec![0; WINDOW as usize]), Ok(()));
        assert!(inbox.data(b"x").is_err());
    }
}
