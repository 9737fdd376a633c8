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

/// Bytes of one read.
const CHUNK: usize = 64 << 10;

/// The time for sending what a script wrote before it closed a connection.
const CLOSE_WITHIN: Duration = Duration::from_secs(30);

/// Most bytes that a sandbox process has not read. Above it nothing more is read from the server.
const MAX_QUEUED: usize = 4 << 20;

/// The time for sending what a script wrote before its run ended.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Carries the bytes of one connection.
pub(super) struct Carrier<'c> {
    pub(super) granted: &'c RunGrant,
    pub(super) slot: &'c ConnectionSlot,
    pub(super) reply: &'c ChannelReply,
    pub(super) destination: &'c Destination,
    /// The index of the destination in the usage.
    pub(super) counted: usize,
    /// Bytes that the script can take now.
    pub(super) room: i64,
}

/// The end of carrying bytes without an error.
pub(super) enum CarryEnd {
    /// The script or the server has ended the connection.
    Over,
    /// The connection continues in TLS.
    Tls(StartTls),
}

/// The next step of the writing half when all bytes are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Todo {
    Nothing,
    Flush,
    Shutdown,
}

/// The state of carrying bytes.
struct Flow {
    exchange: Option<HeldExchange>,
    out: Outgoing,
    todo: Todo,
    /// The server has sent its last byte.
    ended: bool,
    /// The script has written its last byte.
    shut: bool,
    /// The server was told so, or cannot be told any more.
    down: bool,
    /// The reason why nothing more can be written. What the server sent before is read first.
    unwritable: Option<Failed>,
    /// The deadline of the first byte from the server.
    first_by: Option<Instant>,
    answered: bool,
    /// The script has requested TLS.
    tls: Option<StartTls>,
    /// The script has closed the connection. The deadline for sending what it wrote.
    closing: Option<Instant>,
}

impl Flow {
    fn new(exchange: Option<Exchange>) -> Self {
        Flow {
            exchange: exchange.map(HeldExchange::new),
            out: Outgoing::default(),
            todo: Todo::Nothing,
            ended: false,
            shut: false,
            down: false,
            unwritable: None,
            first_by: None,
            answered: false,
            tls: None,
            closing: None,
        }
    }

    /// Returns the bytes that wait here.
    fn kept(&self) -> usize {
        self.out.bytes.len() + self.exchange.as_ref().map_or(0, |held| held.exchange.kept())
    }

    fn has_to_write(&self) -> bool {
        !self.out.bytes.is_empty() || self.todo != Todo::Nothing
    }

    /// Returns the end, once everything is written and an end has come.
    fn end(&mut self) -> Option<Result<CarryEnd, Failed>> {
        if self.has_to_write() {
            return None;
        }
        if let Some(wanted) = self.tls.take() {
            return Some(Ok(CarryEnd::Tls(wanted)));
        }
        if self.ended
            && let Some(failed) = self.unwritable.take()
        {
            return Some(Err(failed));
        }
        (self.closing.is_some() || self.ended && self.shut).then_some(Ok(CarryEnd::Over))
    }

    /// Returns the deadline of the first byte, while it has not come.
    fn silent_by(&self) -> Option<Instant> {
        self.first_by.filter(|_| !self.answered && self.out.bytes.is_empty())
    }

    fn outgoing_by(&self) -> Option<Instant> {
        self.exchange.as_ref().and_then(|held| held.outgoing_by)
    }

    fn incoming_by(&self) -> Option<Instant> {
        self.exchange.as_ref().and_then(|held| held.incoming_by)
    }
}

impl Carrier<'_> {
    /// Carries bytes both ways until one side ends the connection. It never waits for one direction only: a server that
    /// does not read must not block the other direction, nor a script that does not read.
    pub(super) async fn carry<S: AsyncRead + AsyncWrite>(
        &mut self,
        mut reader: ReadHalf<S>,
        mut writer: WriteHalf<S>,
        exchange: Option<Exchange>,
    ) -> Result<(CarryEnd, ReadHalf<S>, WriteHalf<S>), Failed> {
        let mut buffer = vec![0; CHUNK];
        // The inbox was possibly notified while the connection or the handshake was waited for.
        self.reply.inbox.changed.notify_one();
        let mut flow = Flow::new(exchange);
        loop {
            self.slot.keep(flow.kept()).map_err(|text| Failed::new(Failure::Reset, text))?;
            if let Some(end) = flow.end() {
                return Ok((end?, reader, writer));
            }
            // Nothing is read from the server for a sandbox process that does not read.
            let clogged = self.reply.link.queued() > MAX_QUEUED;
            let may_read = !flow.ended && self.room > 0 && flow.tls.is_none() && flow.closing.is_none() && !clogged;
            tokio::select! {
                read = reader.read(&mut buffer), if may_read => self.take_read(&mut flow, read, &buffer)?,
                done = advance(&mut writer, &flow.out.bytes, flow.todo), if flow.has_to_write() => {
                    self.take_written(&mut flow, done);
                }
                () = self.reply.inbox.changed.notified() => self.take_inbox(&mut flow)?,
                () = self.reply.link.drained(), if clogged => {}
                () = at(flow.closing) => return Ok((CarryEnd::Over, reader, writer)),
                () = at(flow.silent_by()) => {
                    let seconds = self.granted.grant.caps.first_byte.as_secs();
                    let text = format!("{} sent nothing within {seconds} seconds", self.destination);
                    return Err(Failed::new(Failure::TimedOut, text));
                }
                () = at(flow.outgoing_by()) => {
                    if let Some(held) = &mut flow.exchange {
                        let step = held.outgoing_quiet();
                        flow.out.push(&self.noted(step), 0);
                    }
                }
                () = at(flow.incoming_by()) => {
                    if let Some(held) = &mut flow.exchange {
                        let step = held.incoming_quiet();
                        self.deliver(step)?;
                    }
                }
                () = self.granted.ended.cancelled() => {
                    self.write_last(&mut flow, &mut writer).await?;
                    return Ok((CarryEnd::Over, reader, writer));
                }
            }
        }
    }

    /// Handles a read from the server.
    fn take_read(&mut self, flow: &mut Flow, read: io::Result<usize>, buffer: &[u8]) -> Result<(), Failed> {
        let size = match read {
            Ok(size) => size,
            // The end of TLS without close_notify, as many servers have it. Protocols that need it count bytes.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(flow.unwritable.take().unwrap_or_else(|| self.broken(&error))),
        };
        flow.answered |= size > 0;
        self.granted.receive(size as u64).map_err(|text| Failed::new(Failure::Reset, text))?;
        self.granted.count(self.counted, |host| host.received_bytes += size as u64);
        match &mut flow.exchange {
            None => self.pass_on(&buffer[..size]),
            Some(held) => {
                let step = if size == 0 { held.incoming_end() } else { held.incoming(&buffer[..size]) };
                self.deliver(step)?;
            }
        }
        if size == 0 {
            flow.ended = true;
            if flow.unwritable.is_none() {
                self.reply.send(FrameKind::Shut, b"");
            }
        }
        Ok(())
    }

    /// Handles a step of the writing half.
    fn take_written(&self, flow: &mut Flow, done: io::Result<WriteProgress>) {
        let next = |flow: &Flow, otherwise| if flow.shut && !flow.down { Todo::Shutdown } else { otherwise };
        match done {
            Ok(WriteProgress::Wrote(size)) => {
                self.reply.taken(flow.out.written(size));
                if flow.out.bytes.is_empty() {
                    flow.todo = next(flow, Todo::Flush);
                }
                flow.first_by = Some(Instant::now() + self.granted.grant.caps.first_byte);
            }
            Ok(WriteProgress::Finished) => {
                flow.down |= flow.todo == Todo::Shutdown;
                flow.todo = next(flow, Todo::Nothing);
            }
            Err(error) => {
                flow.unwritable.get_or_insert(self.broken(&error));
                self.reply.taken(flow.out.give_up());
                (flow.todo, flow.down) = (Todo::Nothing, true);
            }
        }
    }

    /// Handles the frames of the sandbox process.
    fn take_inbox(&mut self, flow: &mut Flow) -> Result<(), Failed> {
        let (data, window, wanted, now_shut, closed) = {
            let mut said = self.reply.inbox.said.borrow_mut();
            let said = &mut *said;
            let window = std::mem::take(&mut said.window);
            (said.data.split(), window, said.start_tls.take(), said.shut || said.closed, said.closed)
        };
        self.room = (self.room + i64::from(window)).min(i64::from(WINDOW));
        if !data.is_empty() {
            self.write(&data, flow)?;
        }
        if wanted.is_some() || now_shut && !flow.shut {
            // Bytes that were kept until more comes are sent: no more comes in this direction.
            if let Some(held) = &mut flow.exchange {
                let step = held.outgoing_end();
                flow.out.push(&self.noted(step), 0);
            }
        }
        if wanted.is_some() {
            flow.tls = wanted;
        }
        if now_shut && !flow.shut {
            flow.shut = true;
            flow.todo = if flow.down { Todo::Nothing } else { Todo::Shutdown };
        }
        if closed && flow.closing.is_none() {
            flow.closing = Some(Instant::now() + CLOSE_WITHIN);
        }
        Ok(())
    }

    /// Handles bytes that the script wrote.
    fn write(&self, data: &[u8], flow: &mut Flow) -> Result<(), Failed> {
        self.granted.send(data.len() as u64).map_err(|text| Failed::new(Failure::Reset, text))?;
        self.granted.count(self.counted, |host| host.sent_bytes += data.len() as u64);
        if flow.unwritable.is_some() {
            // The bytes are dropped. The script gets the error after what the server sent before.
            self.reply.taken(data.len() as u32);
            return Ok(());
        }
        match &mut flow.exchange {
            None => flow.out.push(data, data.len()),
            Some(held) => {
                let step = held.outgoing(data);
                flow.out.push(&self.noted(step), data.len());
            }
        }
        if flow.out.bytes.is_empty() {
            // All of it is kept for now; the script can continue.
            self.reply.taken(flow.out.give_up());
        }
        Ok(())
    }

    /// Sends what the script wrote before its run ended.
    async fn write_last<S: AsyncWrite>(&self, flow: &mut Flow, writer: &mut WriteHalf<S>) -> Result<(), Failed> {
        let data = self.reply.inbox.said.borrow_mut().data.split();
        self.write(&data, flow)?;
        if let Some(held) = flow.exchange.as_mut().filter(|_| !flow.shut) {
            let step = held.outgoing_end();
            flow.out.push(&self.noted(step), 0);
        }
        let all = async {
            writer.write_all(&flow.out.bytes).await?;
            writer.shutdown().await
        };
        let _ = tokio::time::timeout(FLUSH_WITHIN, all).await;
        Ok(())
    }

    /// Notes the events of a step, and returns its bytes.
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

/// The result of a step of the writing half.
enum WriteProgress {
    Wrote(usize),
    Finished,
}

/// Writes, or flushes or shuts down when there is nothing to write. Cancel safe.
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
