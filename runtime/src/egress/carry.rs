//! Carrying the bytes of one connection, both ways at once.

use super::buffers::{HeldExchange, Outgoing};
use super::exchange::{Exchange, SecretEvent, Step};
use super::grants::{ConnectionSlot, RunGrant};
use super::inbox::ChannelReply;
use super::messages::{Failed, Failure, StartTls, WINDOW};
use crate::frame::{FrameKind, MAX_PAYLOAD};
use crate::policy::Destination;
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::Instant;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// How long what a script wrote before it closed a connection may take to go out.
const CLOSE_WITHIN: Duration = Duration::from_secs(30);

/// Bytes that may wait for a sandbox process to read before nothing more is read for it.
const MAX_QUEUED: usize = 4 << 20;

/// How long what a script wrote before it ended may take to go out.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// What bytes of a connection are carrier with.
pub(super) struct Carrier<'c> {
    pub(super) granted: &'c RunGrant,
    pub(super) slot: &'c ConnectionSlot,
    pub(super) reply: &'c ChannelReply,
    pub(super) destination: &'c Destination,
    /// Where its bytes are counted.
    pub(super) counted: usize,
    /// Bytes that the script would take now.
    pub(super) room: i64,
}

/// How carrying bytes came to an end that is none of the connection's.
pub(super) enum CarryEnd {
    /// The script or the server is done.
    Over,
    /// It goes on in TLS.
    Tls(StartTls),
}

/// What is to be done with the writing half when everything was given to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Todo {
    Nothing,
    Flush,
    Shutdown,
}

impl Carrier<'_> {
    /// Carries bytes both ways until one side has had enough. Nothing in here waits for one direction alone: a server that
    /// does not read must not keep the script from being heard, nor the other way round.
    pub(super) async fn carry<S: AsyncRead + AsyncWrite>(
        &mut self,
        mut reader: ReadHalf<S>,
        mut writer: WriteHalf<S>,
        exchange: Option<Exchange>,
    ) -> Result<(CarryEnd, ReadHalf<S>, WriteHalf<S>), Failed> {
        let mut buffer = vec![0; CHUNK];
        // Whoever waited for the connection or the handshake may have heard of something without looking at it.
        self.reply.inbox.changed.notify_one();
        let mut exchange = exchange.map(HeldExchange::new);
        let mut out = Outgoing::default();
        let mut todo = Todo::Nothing;
        // Whether the server has said its last; whether the script has, and whether the server was told.
        let (mut ended, mut shut, mut down) = (false, false, false);
        // Why nothing more can be written: what the server said before is read first.
        let mut unwritable = None;
        let (mut first_by, mut answered) = (None, false);
        let (mut tls, mut closing) = (None, None);
        loop {
            let kept = out.bytes.len() + exchange.as_ref().map_or(0, |held| held.exchange.kept());
            self.slot.keep(kept).map_err(|text| Failed::new(Failure::Reset, text))?;
            if out.bytes.is_empty() && todo == Todo::Nothing {
                if let Some(wanted) = tls {
                    return Ok((CarryEnd::Tls(wanted), reader, writer));
                }
                if ended && let Some(failed) = unwritable {
                    return Err(failed);
                }
                if closing.is_some() || ended && shut {
                    return Ok((CarryEnd::Over, reader, writer));
                }
            }
            // A sandbox process that does not read is not read for.
            let clogged = self.reply.link.queued() > MAX_QUEUED;
            let may_read = !ended && self.room > 0 && tls.is_none() && closing.is_none() && !clogged;
            tokio::select! {
                read = reader.read(&mut buffer), if may_read => {
                    let size = match read {
                        // TLS without a goodbye at its end, as many servers have it. Protocols that mind count bytes.
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                        read => read.map_err(|error| unwritable.take().unwrap_or_else(|| self.broken(&error)))?,
                    };
                    answered |= size > 0;
                    self.granted.receive(size as u64).map_err(|text| Failed::new(Failure::Reset, text))?;
                    self.granted.count(self.counted, |host| host.received_bytes += size as u64);
                    match &mut exchange {
                        None => self.pass_on(&buffer[..size]),
                        Some(held) => {
                            let step = if size == 0 { held.incoming_end() } else { held.incoming(&buffer[..size]) };
                            self.deliver(step)?;
                        }
                    }
                    if size == 0 {
                        ended = true;
                        if unwritable.is_none() {
                            self.reply.send(FrameKind::Shut, b"");
                        }
                    }
                }
                done = advance(&mut writer, &out.bytes, todo), if !out.bytes.is_empty() || todo != Todo::Nothing => match done {
                    Ok(WriteProgress::Wrote(size)) => {
                        self.reply.taken(out.written(size));
                        if out.bytes.is_empty() {
                            todo = if shut && !down { Todo::Shutdown } else { Todo::Flush };
                        }
                        first_by = Some(Instant::now() + self.granted.grant.caps.first_byte);
                    }
                    Ok(WriteProgress::Finished) => {
                        down |= todo == Todo::Shutdown;
                        todo = if shut && !down { Todo::Shutdown } else { Todo::Nothing };
                    }
                    Err(error) => {
                        unwritable.get_or_insert(self.broken(&error));
                        self.reply.taken(out.give_up());
                        (todo, down) = (Todo::Nothing, true);
                    }
                },
                () = self.reply.inbox.changed.notified() => {
                    let (data, window, wanted, now_shut, closed) = {
                        let mut said = self.reply.inbox.said.borrow_mut();
                        let said = &mut *said;
                        let window = std::mem::take(&mut said.window);
                        (said.data.split(), window, said.start_tls.take(), said.shut || said.closed, said.closed)
                    };
                    self.room = (self.room + i64::from(window)).min(i64::from(WINDOW));
                    if !data.is_empty() {
                        self.write(&data, &mut out, exchange.as_mut(), unwritable.is_some())?;
                    }
                    if wanted.is_some() || now_shut && !shut {
                        // What was kept back for more to come goes out: no more will come this way.
                        if let Some(held) = &mut exchange {
                            let step = held.outgoing_end();
                            out.push(&self.noted(step), 0);
                        }
                    }
                    if wanted.is_some() {
                        tls = wanted;
                    }
                    if now_shut && !shut {
                        shut = true;
                        todo = if down { Todo::Nothing } else { Todo::Shutdown };
                    }
                    if closed && closing.is_none() {
                        closing = Some(Instant::now() + CLOSE_WITHIN);
                    }
                }
                () = self.reply.link.drained(), if clogged => {}
                () = at(closing) => return Ok((CarryEnd::Over, reader, writer)),
                () = at(first_by.filter(|_| !answered && out.bytes.is_empty())) => {
                    let seconds = self.granted.grant.caps.first_byte.as_secs();
                    let text = format!("{} sent nothing within {seconds} seconds", self.destination);
                    return Err(Failed::new(Failure::TimedOut, text));
                }
                () = at(exchange.as_ref().and_then(|held| held.outgoing_by)) => {
                    if let Some(held) = &mut exchange {
                        let step = held.outgoing_quiet();
                        out.push(&self.noted(step), 0);
                    }
                }
                () = at(exchange.as_ref().and_then(|held| held.incoming_by)) => {
                    if let Some(held) = &mut exchange {
                        let step = held.incoming_quiet();
                        self.deliver(step)?;
                    }
                }
                () = self.granted.ended.cancelled() => {
                    // What the script wrote before it ended was said before, and goes out.
                    let data = self.reply.inbox.said.borrow_mut().data.split();
                    self.write(&data, &mut out, exchange.as_mut(), unwritable.is_some())?;
                    if let Some(held) = exchange.as_mut().filter(|_| !shut) {
                        let step = held.outgoing_end();
                        out.push(&self.noted(step), 0);
                    }
                    let all = async {
                        writer.write_all(&out.bytes).await?;
                        writer.shutdown().await
                    };
                    let _ = tokio::time::timeout(FLUSH_WITHIN, all).await;
                    return Ok((CarryEnd::Over, reader, writer));
                }
            }
        }
    }

    /// Takes what the script wrote.
    fn write(
        &self,
        data: &[u8],
        out: &mut Outgoing,
        exchange: Option<&mut HeldExchange>,
        unwritable: bool,
    ) -> Result<(), Failed> {
        self.granted.send(data.len() as u64).map_err(|text| Failed::new(Failure::Reset, text))?;
        self.granted.count(self.counted, |host| host.sent_bytes += data.len() as u64);
        if unwritable {
            // Nobody takes it any more; the script hears why after what the server said before.
            self.reply.taken(data.len() as u32);
            return Ok(());
        }
        match exchange {
            None => out.push(data, data.len()),
            Some(held) => {
                let step = held.outgoing(data);
                out.push(&self.noted(step), data.len());
            }
        }
        if out.bytes.is_empty() {
            // All of it is kept for now; the script may go on.
            self.reply.taken(out.give_up());
        }
        Ok(())
    }

    /// What a step sends, its events noted.
    fn noted(&self, step: Step) -> Bytes {
        for event in step.events {
            match &event {
                SecretEvent::Injected { .. } | SecretEvent::Opaque(_) => {}
                SecretEvent::NotInjected { .. } => self.granted.note(&format!("{}: {event}", self.destination)),
            }
        }
        step.bytes
    }

    fn deliver(&mut self, mut step: Step) -> Result<(), Failed> {
        let refused = step.refused.take();
        let bytes = self.noted(step);
        self.pass_on(&bytes);
        let Some(refused) = refused else { return Ok(()) };
        let text = format!("{}: {refused}", self.destination);
        self.granted.note(&text);
        Err(Failed::new(Failure::Reset, text))
    }

    fn pass_on(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(MAX_PAYLOAD) {
            self.reply.send(FrameKind::Data, part);
        }
        self.room -= i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    }

    fn broken(&self, error: &io::Error) -> Failed {
        let text = match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                format!("{} broke the connection off", self.destination)
            }
            _ => format!("the connection to {} broke: {error}", self.destination),
        };
        Failed::new(Failure::Reset, text)
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// What came of the writing half's turn.
enum WriteProgress {
    Wrote(usize),
    Finished,
}

/// Writes, or, when nothing is to be written, flushes or shuts down. Nothing is lost when it is dropped and begun again.
async fn advance<S: AsyncWrite>(writer: &mut WriteHalf<S>, bytes: &[u8], todo: Todo) -> io::Result<WriteProgress> {
    if !bytes.is_empty() {
        return writer.write(bytes).await.map(WriteProgress::Wrote);
    }
    std::future::poll_fn(|context| match todo {
        Todo::Nothing => Poll::Pending,
        Todo::Flush => Pin::new(&mut *writer).poll_flush(context),
        Todo::Shutdown => Pin::new(&mut *writer).poll_shutdown(context),
    })
    .await
    .map(|()| WriteProgress::Finished)
}
