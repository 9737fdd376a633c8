//! The egress process's end of the link to one sandbox process, and the channels on it.

use super::connection::connection;
use super::grants::Egress;
use super::inbox::{ChannelReply, Inbox};
use super::messages::{Failed, Failure, MAX_CHANNELS, Open, StartTls, read_window};
use crate::frame::{self, FrameKind, Incoming, LinkError, Receiver};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Longest name of a host that is parsed.
const LONGEST_NAME: usize = 1_000;

/// Most bytes that a sandbox process has not read. Above it the link is closed.
const MAX_QUEUED: usize = 32 << 20;

/// Most bytes of a request for a connection, or for TLS.
const MAX_REQUEST: usize = 16 << 10;

/// This end of the link to a sandbox process.
pub(super) struct SandboxLink {
    pub(super) egress: Rc<Egress>,
    pub(super) link: u64,
    pub(super) sender: frame::Sender,
    pub(super) channels: RefCell<HashMap<u64, Rc<Inbox>>>,
}

impl SandboxLink {
    /// Takes frames until the sandbox process closes the link. Returns the violation of the protocol, if there was one.
    pub(super) async fn serve(self: Rc<Self>, mut receiver: Receiver) -> Option<String> {
        loop {
            match receiver.next().await {
                Ok(Some(incoming)) => {
                    if let Err(why) = self.take(incoming) {
                        return Some(why);
                    }
                    // Other tasks get the thread, however much one process sends.
                    tokio::task::coop::consume_budget().await;
                }
                Ok(None) | Err(LinkError::Socket(_) | LinkError::Cut) => return None,
                Err(error) => return Some(error.to_string()),
            }
        }
    }

    fn take(self: &Rc<Self>, incoming: Incoming) -> Result<(), String> {
        let Incoming { kind, run: channel, payload, .. } = incoming;
        let malformed = |error: frame::MalformedFrame| error.to_string();
        if self.sender.queued() > MAX_QUEUED {
            return Err("it does not read its answers".into());
        }
        if matches!(kind, FrameKind::Open | FrameKind::StartTls) && payload.len() > MAX_REQUEST {
            return Err("a request that is too large".into());
        }
        if kind == FrameKind::Open {
            return self.open(channel, frame::from_json(kind, &payload).map_err(malformed)?);
        }
        let channels = self.channels.borrow();
        let inbox = channels.get(&channel);
        match kind {
            // The other side can still send frames about a channel that has just ended here.
            FrameKind::Data | FrameKind::Window | FrameKind::StartTls | FrameKind::Shut | FrameKind::Close
                if inbox.is_none() =>
            {
                Ok(())
            }
            FrameKind::Data => inbox.map_or(Ok(()), |inbox| inbox.data(&payload)),
            FrameKind::Window => {
                let bytes = read_window(&payload).map_err(malformed)?;
                inbox.map_or(Ok(()), |inbox| inbox.window(bytes))
            }
            FrameKind::StartTls => {
                let wanted: StartTls = frame::from_json(kind, &payload).map_err(malformed)?;
                inbox.map_or(Ok(()), |inbox| inbox.start_tls(wanted))
            }
            FrameKind::Shut => {
                inbox.inspect(|inbox| inbox.shut());
                Ok(())
            }
            FrameKind::Close => {
                inbox.inspect(|inbox| inbox.close());
                Ok(())
            }
            _ => Err("a frame for the other direction".into()),
        }
    }

    fn open(self: &Rc<Self>, channel: u64, open: Open) -> Result<(), String> {
        if open.name.len() > LONGEST_NAME {
            return Err("a name that is too long".into());
        }
        let inbox: Rc<Inbox> = Rc::default();
        {
            let mut channels = self.channels.borrow_mut();
            // Each run has fewer; scripts cannot open this many together.
            if channels.len() >= MAX_CHANNELS * 64 {
                return Err("too many channels".into());
            }
            if channels.insert(channel, inbox.clone()).is_some() {
                return Err("a channel that is open already".into());
            }
        }
        let sandbox_link = self.clone();
        tokio::task::spawn_local(async move {
            let _entry = ChannelEntry { sandbox_link: sandbox_link.clone(), channel };
            let reply = ChannelReply { link: sandbox_link.sender.clone(), channel, inbox };
            let granted = tokio::select! {
                granted = sandbox_link.egress.grant_of(sandbox_link.link, open.run, &open.token) => granted,
                // The channel was closed meanwhile.
                () = reply.inbox.closed() => return,
            };
            match granted {
                Some(granted) => connection(sandbox_link.egress.clone(), granted, open, reply).await,
                None => {
                    let text = "the run's access to the network has ended, or was lost with the process that gave it";
                    sandbox_link.sender.send(
                        FrameKind::Failed,
                        channel,
                        &frame::to_json(&Failed::new(Failure::Reset, text)),
                    );
                }
            }
        });
        Ok(())
    }
}

/// The entry of a channel in the table of its link. It is removed when the task of the channel ends.
struct ChannelEntry {
    sandbox_link: Rc<SandboxLink>,
    channel: u64,
}

impl Drop for ChannelEntry {
    fn drop(&mut self) {
        self.sandbox_link.channels.borrow_mut().remove(&self.channel);
    }
}
