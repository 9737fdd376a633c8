//! One connection of a script: asked for, checked, made, and carrier until one side has had enough.

use super::address::{self, Prohibited};
use super::exchange::{ConnectionMode, Exchange, SecretEvent, Step};
use super::messages::{Failed, Failure, Open, StartTls, WINDOW, window};
use super::process::{ConnectionSlot, Egress, RunGrant};
use super::secure;
use crate::frame::{self, FrameKind, MAX_PAYLOAD};
use crate::policy::Destination;
use bytes::{Buf, Bytes, BytesMut};
use rustls::pki_types::ServerName;
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// The time one of several addresses has before the next is tried.
const EACH_ADDRESS: Duration = Duration::from_secs(4);
/// How long what a script wrote before it closed a connection may take to go out.
const CLOSE_WITHIN: Duration = Duration::from_secs(30);
/// Bytes that may wait for a sandbox process to read before nothing more is read for it.
const MAX_QUEUED: usize = 4 << 20;
/// How long what a script wrote before it ended may take to go out.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// What the sandbox process has said about a connection and nobody has looked at yet: never more than a window of bytes
/// and one of each of the other things.
#[derive(Default)]
pub(super) struct Inbox {
    said: RefCell<Said>,
    changed: Notify,
}

#[derive(Default)]
struct Said {
    data: BytesMut,
    /// Bytes that came and were not reported as taken.
    unreported: usize,
    window: u32,
    /// The connection is there, and the sandbox process was told.
    open: bool,
    start_tls: Option<StartTls>,
    tls_begun: bool,
    shut: bool,
    closed: bool,
}

impl Inbox {
    pub(super) fn data(&self, bytes: &[u8]) -> Result<(), String> {
        let mut said = self.said.borrow_mut();
        // Nobody writes to a connection that is not there yet: what is kept is bounded by the connections that are.
        if !said.open {
            return Err("bytes for a connection that is not there".into());
        }
        said.unreported += bytes.len();
        if said.unreported > WINDOW as usize {
            return Err("more bytes than a channel's window lets through".into());
        }
        if said.shut || said.start_tls.is_some() {
            return Err("bytes after the last".into());
        }
        said.data.extend_from_slice(bytes);
        drop(said);
        self.changed.notify_one();
        Ok(())
    }

    pub(super) fn window(&self, bytes: u32) -> Result<(), String> {
        let mut said = self.said.borrow_mut();
        said.window = said.window.saturating_add(bytes);
        // What is under way may be more than a window by a piece, and more than one report of it may wait here.
        if said.window > 4 * WINDOW {
            return Err("a window larger than windows are".into());
        }
        drop(said);
        self.changed.notify_one();
        Ok(())
    }

    pub(super) fn start_tls(&self, wanted: StartTls) -> Result<(), String> {
        let mut said = self.said.borrow_mut();
        if said.tls_begun || said.shut || !said.open {
            return Err("TLS that cannot begin".into());
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

    /// Returns when nobody wants the connection any more.
    pub(super) async fn closed(&self) {
        while !self.said.borrow().closed {
            self.changed.notified().await;
        }
    }
}

/// The way back to the sandbox process.
#[derive(Clone)]
pub(super) struct ChannelReply {
    pub(super) link: frame::Sender,
    pub(super) channel: u64,
    pub(super) inbox: Rc<Inbox>,
}

impl ChannelReply {
    fn send(&self, kind: FrameKind, payload: &[u8]) {
        self.link.send(kind, self.channel, payload);
    }

    fn opened(&self) {
        self.inbox.said.borrow_mut().open = true;
        self.send(FrameKind::Opened, b"");
    }

    /// Lets the script write so many bytes more.
    fn taken(&self, bytes: u32) {
        if bytes > 0 {
            let mut said = self.inbox.said.borrow_mut();
            said.unreported = said.unreported.saturating_sub(bytes as usize);
            drop(said);
            self.send(FrameKind::Window, &window(bytes));
        }
    }

    fn failed(&self, failed: &Failed) {
        self.send(FrameKind::Failed, &frame::to_json(failed));
    }
}

/// A connection from the request to its end.
pub(super) async fn connection(egress: Rc<Egress>, granted: Rc<RunGrant>, open: Open, reply: ChannelReply) {
    let made = tokio::select! {
        made = connect(&egress, &granted, &open) => made,
        // It was given up before it was there.
        () = reply.inbox.closed() => return,
        () = granted.ended.cancelled() => return,
    };
    let (stream, destination, slot) = match made {
        Ok(made) => made,
        Err(failed) => {
            if failed.failure == Failure::Denied {
                granted.note(&failed.text);
            }
            return reply.failed(&failed);
        }
    };
    reply.opened();
    let counted = granted.counted(&destination);
    granted.count(counted, |host| host.connections += 1);
    let began = Instant::now();
    let mut carrier = Carrier {
        granted: &granted,
        slot: &slot,
        reply: &reply,
        destination: &destination,
        counted,
        room: i64::from(WINDOW),
    };
    let failed = carrier.plain(&egress, stream).await.err();
    granted.count(counted, |host| host.ms += u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    if let Some(failed) = failed {
        reply.failed(&failed);
    }
}

/// Decides, looks up, checks every address, and connects to one of exactly those.
async fn connect(
    egress: &Rc<Egress>,
    granted: &Rc<RunGrant>,
    open: &Open,
) -> Result<(TcpStream, Destination, ConnectionSlot), Failed> {
    let denied = |text: String| Failed::new(Failure::Denied, text);
    let grant = &granted.grant;
    let destination = Destination::parse(&open.name, open.port).map_err(|error| denied(error.to_string()))?;
    grant.policy.decide(&destination).map_err(|refusal| denied(refusal.to_string()))?;
    let caps = grant.caps;
    let slot = granted.take_slot(egress).map_err(|text| Failed::new(Failure::Unreachable, text))?;
    let timed_out = || {
        let seconds = caps.connect.as_secs();
        Failed::new(Failure::TimedOut, format!("{destination} was not reached within {seconds} seconds"))
    };
    let reached = async {
        let addresses = egress.names.look_up(&destination).await?;
        address::check_all(&addresses, &destination, &grant.networks).map_err(|error| {
            let host = destination.host();
            match error {
                Prohibited::NoAddress { .. } => Failed::new(Failure::NoName, error.to_string()),
                _ => denied(format!(
                    "{error}; whoever runs cronbox can allow it with --allow-network {host}=ADDRESS/LENGTH"
                )),
            }
        })?;
        let stream = reach(&addresses, &destination).await?;
        // Small pieces go out at once: what a script writes is what it means to send.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    };
    let stream = tokio::time::timeout(caps.connect, reached).await.map_err(|_| timed_out())??;
    Ok((stream, destination, slot))
}

/// Connects to the first address that answers.
async fn reach(addresses: &[IpAddr], destination: &Destination) -> Result<TcpStream, Failed> {
    let mut last = Failed::new(Failure::Unreachable, format!("{destination} cannot be reached"));
    for address in addresses {
        let tried = TcpStream::connect(SocketAddr::new(*address, destination.port()));
        match tokio::time::timeout(EACH_ADDRESS, tried).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = could_not_connect(&error, destination),
            Err(_) => last = Failed::new(Failure::TimedOut, format!("{destination} does not answer")),
        }
    }
    Err(last)
}

fn could_not_connect(error: &io::Error, destination: &Destination) -> Failed {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Failed::new(Failure::Refused, format!("{destination} refused the connection: nobody listens there"))
        }
        io::ErrorKind::TimedOut => Failed::new(Failure::TimedOut, format!("{destination} does not answer")),
        _ => Failed::new(Failure::Unreachable, format!("{destination} cannot be reached: {error}")),
    }
}

/// What bytes of a connection are carrier with.
struct Carrier<'c> {
    granted: &'c RunGrant,
    slot: &'c ConnectionSlot,
    reply: &'c ChannelReply,
    destination: &'c Destination,
    /// Where its bytes are counted.
    counted: usize,
    /// Bytes that the script would take now.
    room: i64,
}

/// How carrying bytes came to an end that is none of the connection's.
enum CarryEnd {
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
    async fn plain(&mut self, egress: &Egress, stream: TcpStream) -> Result<(), Failed> {
        let (reader, writer) = tokio::io::split(stream);
        let exchange = self.exchange(ConnectionMode::Opaque);
        let (turn, reader, writer) = self.carry(reader, writer, exchange).await?;
        let CarryEnd::Tls(wanted) = turn else { return Ok(()) };
        let stream = reader.unsplit(writer);
        self.secured(egress, stream, wanted).await
    }

    fn exchange(&self, mode: ConnectionMode) -> Option<Exchange> {
        let secrets = self.granted.secrets.clone()?;
        // Less of what was made ready with the grant cannot fail.
        Exchange::new(secrets, self.destination.clone(), mode).ok()
    }

    async fn secured(&mut self, egress: &Egress, stream: TcpStream, wanted: StartTls) -> Result<(), Failed> {
        let name = self.destination.host().to_string();
        let same =
            Destination::parse(&wanted.name, self.destination.port()).is_ok_and(|named| named == *self.destination);
        if !same {
            let text = format!("the certificate asked for is that of {}, and the connection is to {name}", wanted.name);
            return Err(Failed::new(Failure::Tls, text));
        }
        if !wanted.verify && !self.granted.grant.unverified.iter().any(|host| host.matches(self.destination)) {
            let text = format!(
                "{0} may not be trusted without a valid certificate: only whoever grants hosts can switch verification off, \
                 with --allow-unverified {0}",
                self.destination
            );
            self.granted.note(&text);
            return Err(Failed::new(Failure::Denied, text));
        }
        let server = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
            .map_err(|_| Failed::new(Failure::Tls, format!("{name} is no name that a certificate can have")))?;
        let config = Arc::new(egress.secure.config(wanted.verify, &wanted.protocols));
        let handshake = tokio_rustls::TlsConnector::from(config).connect(server, stream);
        let caps = self.granted.grant.caps;
        let timed_out = || {
            let seconds = caps.connect.as_secs();
            Failed::new(Failure::TimedOut, format!("the TLS handshake with {name} took longer than {seconds} seconds"))
        };
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(caps.connect, handshake) => shaken.map_err(|_| timed_out())?,
            () = self.reply.inbox.closed() => return Ok(()),
            () = self.granted.ended.cancelled() => return Ok(()),
        };
        let stream = shaken.map_err(|error| secure::failure(&error, &name))?;
        self.reply.send(FrameKind::Secured, &frame::to_json(&secure::session(stream.get_ref().1)));
        // A server that has not proven its name gets no secret.
        let exchange = self.exchange(if wanted.verify { ConnectionMode::Http } else { ConnectionMode::Opaque });
        let (reader, writer) = tokio::io::split(stream);
        match self.carry(reader, writer, exchange).await?.0 {
            CarryEnd::Over => Ok(()),
            CarryEnd::Tls(_) => Err(Failed::new(Failure::Tls, "TLS inside TLS is not possible")),
        }
    }

    /// Carries bytes both ways until one side has had enough. Nothing in here waits for one direction alone: a server that
    /// does not read must not keep the script from being heard, nor the other way round.
    async fn carry<S: AsyncRead + AsyncWrite>(
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

/// An exchange, and until when it may keep what it keeps, in each direction.
struct HeldExchange {
    exchange: Exchange,
    outgoing_by: Option<Instant>,
    incoming_by: Option<Instant>,
    /// Since when something is kept of what came.
    incoming_since: Option<Instant>,
}

/// What keeps coming is not kept for longer than this many times the patience for one piece.
const MOST_PATIENCE: u32 = 4;

impl HeldExchange {
    fn new(exchange: Exchange) -> Self {
        HeldExchange { exchange, outgoing_by: None, incoming_by: None, incoming_since: None }
    }

    fn outgoing(&mut self, bytes: &[u8]) -> Step {
        let step = self.exchange.outgoing(bytes);
        self.outgoing_by = self.exchange.outgoing_patience().map(|patience| Instant::now() + patience);
        step
    }

    fn outgoing_quiet(&mut self) -> Step {
        let step = self.exchange.outgoing_quiet();
        self.outgoing_by = None;
        step
    }

    fn outgoing_end(&mut self) -> Step {
        self.outgoing_by = None;
        self.exchange.outgoing_end()
    }

    fn incoming(&mut self, bytes: &[u8]) -> Step {
        let step = self.exchange.incoming(bytes);
        let now = Instant::now();
        let patience = self.exchange.incoming_patience();
        // What was kept until now went out with what came, unless all of it is still kept.
        let since = if step.bytes.is_empty() { self.incoming_since.unwrap_or(now) } else { now };
        self.incoming_since = patience.map(|_| since);
        self.incoming_by = patience.map(|patience| (now + patience).min(since + patience * MOST_PATIENCE));
        step
    }

    fn incoming_quiet(&mut self) -> Step {
        let step = self.exchange.incoming_quiet();
        (self.incoming_by, self.incoming_since) = (None, None);
        step
    }

    fn incoming_end(&mut self) -> Step {
        self.incoming_by = None;
        self.exchange.incoming_end()
    }
}

/// Bytes on their way to the server.
#[derive(Default)]
struct Outgoing {
    bytes: BytesMut,
    /// Bytes of the script that are in here, and were not reported as taken yet.
    credit: usize,
}

impl Outgoing {
    fn push(&mut self, bytes: &[u8], of_script: usize) {
        self.credit += of_script;
        self.bytes.extend_from_slice(bytes);
    }

    /// So many were written; how many of the script's are to be reported as taken.
    fn written(&mut self, size: usize) -> u32 {
        self.bytes.advance(size);
        // All of them at the end, and before that no more than were written: a secret makes what is sent longer.
        let taken = if self.bytes.is_empty() { self.credit } else { self.credit.min(size) };
        self.credit -= taken;
        // The window is far below u32::MAX.
        taken as u32
    }

    /// Forgets what waits; how many bytes of the script's are to be reported as taken.
    fn give_up(&mut self) -> u32 {
        self.bytes.clear();
        std::mem::take(&mut self.credit) as u32
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
