//! One connection of a script: asked for, checked, made, and carried until one side has had enough.

use super::address;
use super::exchange::{Event, Exchange, Mode, Step};
use super::messages::{Failed, Failure, Open, StartTls, WINDOW, window};
use super::process::{Granted, Hub, Slot};
use super::secure;
use crate::frame::{self, Kind, MAX_PAYLOAD};
use crate::policy::Destination;
use bytes::{Buf, Bytes};
use rustls::pki_types::ServerName;
use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// The time one of several addresses has before the next is tried.
const EACH_ADDRESS: Duration = Duration::from_secs(4);
/// How long what a script wrote before it ended may take to go out.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// What the sandbox process says about a connection.
#[derive(Debug)]
pub(super) enum Command {
    Data(Bytes),
    Window(u32),
    StartTls(StartTls),
    Shut,
    Close,
}

/// The way back to the sandbox process.
#[derive(Clone)]
pub(super) struct Reply {
    pub(super) link: frame::Sender,
    pub(super) channel: u64,
    /// Bytes of the script that came and were not reported as taken.
    pub(super) unreported: Rc<Cell<usize>>,
}

impl Reply {
    fn send(&self, kind: Kind, payload: &[u8]) {
        self.link.send(kind, self.channel, payload);
    }

    /// Lets the script write so many bytes more.
    fn taken(&self, bytes: u32) {
        if bytes > 0 {
            self.unreported.set(self.unreported.get().saturating_sub(bytes as usize));
            self.send(Kind::Window, &window(bytes));
        }
    }

    fn failed(&self, failed: &Failed) {
        self.send(Kind::Failed, &frame::to_json(failed));
    }
}

/// A connection from the request to its end. What is said about it comes through `commands`.
pub(super) async fn connection(
    hub: Rc<Hub>,
    granted: Rc<Granted>,
    open: Open,
    reply: Reply,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let mut shut = false;
    let made = tokio::select! {
        made = connect(&hub, &granted, &open) => made,
        // It was given up before it was there.
        () = given_up(&mut commands, &mut shut) => return,
        () = granted.ended.cancelled() => return,
    };
    let (stream, destination, _slot) = match made {
        Ok(made) => made,
        Err(failed) => {
            if failed.failure == Failure::Denied {
                granted.note(&failed.text);
            }
            return reply.failed(&failed);
        }
    };
    reply.send(Kind::Opened, b"");
    let counted = granted.counted(&destination);
    granted.count(counted, |host| host.connections += 1);
    let began = Instant::now();
    let mut carried = Carried {
        granted: &granted,
        reply: &reply,
        destination: &destination,
        commands: &mut commands,
        room: i64::from(WINDOW),
        shut,
        closing: None,
    };
    let failed = match carried.plain(&hub, stream).await {
        Ok(()) => None,
        Err(failed) => Some(failed),
    };
    granted.count(counted, |host| host.ms += u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    if let Some(failed) = failed {
        reply.failed(&failed);
    }
}

/// Returns when the script has dropped the connection. That it will write no more is kept; it cannot say anything else
/// while nothing is there to carry bytes.
async fn given_up(commands: &mut mpsc::UnboundedReceiver<Command>, shut: &mut bool) {
    while let Some(command) = commands.recv().await {
        match command {
            Command::Close => return,
            Command::Shut => *shut = true,
            Command::Data(_) | Command::Window(_) | Command::StartTls(_) => {}
        }
    }
}

/// Decides, looks up, checks every address, and connects to one of exactly those.
async fn connect(hub: &Hub, granted: &Rc<Granted>, open: &Open) -> Result<(TcpStream, Destination, Slot), Failed> {
    let denied = |text: String| Failed::new(Failure::Denied, text);
    let grant = &granted.grant;
    let destination = Destination::parse(&open.name, open.port).map_err(|error| denied(error.to_string()))?;
    grant.policy.decide(&destination).map_err(|refusal| denied(refusal.to_string()))?;
    let caps = grant.caps;
    let slot = granted.take_slot().map_err(denied)?;
    let timed_out = || {
        let seconds = caps.connect.as_secs();
        Failed::new(Failure::TimedOut, format!("{destination} was not reached within {seconds} seconds"))
    };
    let reached = async {
        let addresses = hub.names.look_up(&destination).await?;
        address::check_all(&addresses, &destination, &grant.networks).map_err(|error| denied(error.to_string()))?;
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

/// What bytes of a connection are carried with.
struct Carried<'c> {
    granted: &'c Granted,
    reply: &'c Reply,
    destination: &'c Destination,
    commands: &'c mut mpsc::UnboundedReceiver<Command>,
    /// Bytes that the script would take now.
    room: i64,
    /// Whether the script has said that it writes no more.
    shut: bool,
    /// When it must be over, once the script has dropped it or ended.
    closing: Option<Instant>,
}

/// How carrying bytes came to an end that is none of the connection's.
enum Turn {
    /// The script or the server is done.
    Over,
    /// It goes on in TLS.
    Tls(StartTls),
}

impl Carried<'_> {
    async fn plain(&mut self, hub: &Hub, stream: TcpStream) -> Result<(), Failed> {
        let secrets = self.granted.secrets.clone();
        let exchange = secrets.map(|secrets| Exchange::new(secrets, self.destination.clone(), Mode::Clear));
        let (reader, writer) = tokio::io::split(stream);
        let (turn, reader, writer) = self.carry(reader, writer, exchange).await?;
        let Turn::Tls(wanted) = turn else { return Ok(()) };
        let stream = reader.unsplit(writer);
        self.secured(hub, stream, wanted).await
    }

    async fn secured(&mut self, hub: &Hub, stream: TcpStream, wanted: StartTls) -> Result<(), Failed> {
        let name = self.destination.host().to_string();
        let same =
            Destination::parse(&wanted.name, self.destination.port()).is_ok_and(|named| named == *self.destination);
        if !same {
            let text = format!("the certificate asked for is that of {}, and the connection is to {name}", wanted.name);
            return Err(Failed::new(Failure::Tls, text));
        }
        if !wanted.verify && !self.granted.grant.unverified.iter().any(|host| host.matches(self.destination)) {
            let text = format!(
                "{} may not be trusted without a valid certificate: verification is on, and only whoever grants hosts can \
                 switch it off, with --allow-unverified {name}",
                self.destination
            );
            self.granted.note(&text);
            return Err(Failed::new(Failure::Denied, text));
        }
        let server = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
            .map_err(|_| Failed::new(Failure::Tls, format!("{name} is no name that a certificate can have")))?;
        let config = Arc::new(hub.secure.config(wanted.verify, &wanted.protocols));
        let handshake = tokio_rustls::TlsConnector::from(config).connect(server, stream);
        let caps = self.granted.grant.caps;
        let timed_out = || {
            let seconds = caps.connect.as_secs();
            Failed::new(Failure::TimedOut, format!("the TLS handshake with {name} took longer than {seconds} seconds"))
        };
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(caps.connect, handshake) => shaken.map_err(|_| timed_out())?,
            () = given_up(self.commands, &mut self.shut) => return Ok(()),
            () = self.granted.ended.cancelled() => return Ok(()),
        };
        let stream = shaken.map_err(|error| secure::failure(&error, &name))?;
        self.reply.send(Kind::Secured, &frame::to_json(&secure::session(stream.get_ref().1)));
        // What a server has not proven to be gets no secret but those that go anywhere.
        let mode = if wanted.verify { Mode::Http } else { Mode::Clear };
        let secrets = self.granted.secrets.clone();
        let exchange = secrets.map(|secrets| Exchange::new(secrets, self.destination.clone(), mode));
        let (reader, writer) = tokio::io::split(stream);
        match self.carry(reader, writer, exchange).await?.0 {
            Turn::Over => Ok(()),
            Turn::Tls(_) => Err(Failed::new(Failure::Tls, "TLS inside TLS is not possible")),
        }
    }

    /// Carries bytes both ways until one side has had enough.
    async fn carry<S: AsyncRead + AsyncWrite>(
        &mut self,
        mut reader: ReadHalf<S>,
        mut writer: WriteHalf<S>,
        mut exchange: Option<Exchange>,
    ) -> Result<(Turn, ReadHalf<S>, WriteHalf<S>), Failed> {
        let counted = self.granted.counted(self.destination);
        let mut buffer = vec![0; CHUNK];
        let mut out = Outgoing::default();
        // Whether the server has said its last, and the script; and when the first byte must be there.
        let (mut ended, mut shut) = (false, self.shut);
        let (mut first_by, mut answered) = (None, false);
        let mut tls = None;
        if shut {
            writer.shutdown().await.map_err(|error| self.broken(&error))?;
        }
        loop {
            if out.waiting.is_empty() {
                if let Some(wanted) = tls {
                    return Ok((Turn::Tls(wanted), reader, writer));
                }
                if self.closing.is_some() || (ended && shut) {
                    let goodbye = tokio::time::timeout(FLUSH_WITHIN, writer.shutdown());
                    let _ = goodbye.await;
                    return Ok((Turn::Over, reader, writer));
                }
            }
            let may_read = !ended && self.room > 0 && tls.is_none() && self.closing.is_none();
            let quiet = exchange.as_ref().and_then(Self::patience);
            tokio::select! {
                read = reader.read(&mut buffer), if may_read => {
                    let size = match read {
                        // TLS without a goodbye at its end, as many servers have it. Protocols that mind count bytes.
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                        read => read.map_err(|error| self.broken(&error))?,
                    };
                    answered |= size > 0;
                    self.granted.receive(size as u64).map_err(|text| Failed::new(Failure::Reset, text))?;
                    self.granted.count(counted, |host| host.received_bytes += size as u64);
                    if size == 0 {
                        ended = true;
                        if let Some(exchange) = &mut exchange {
                            let step = exchange.incoming_end();
                            self.deliver(step);
                        }
                        self.reply.send(Kind::Shut, b"");
                        continue;
                    }
                    match &mut exchange {
                        None => self.pass_on(&buffer[..size]),
                        Some(exchange) => {
                            let step = exchange.incoming(&buffer[..size]);
                            self.deliver(step);
                        }
                    }
                }
                written = writer.write(out.front()), if !out.waiting.is_empty() => {
                    let size = written.map_err(|error| self.broken(&error))?;
                    self.reply.taken(out.written(size));
                    if out.waiting.is_empty() {
                        writer.flush().await.map_err(|error| self.broken(&error))?;
                        if shut {
                            writer.shutdown().await.map_err(|error| self.broken(&error))?;
                        }
                        if !answered && first_by.is_none() {
                            first_by = Some(Instant::now() + self.granted.grant.caps.first_byte);
                        }
                    }
                }
                command = self.commands.recv() => match command {
                    Some(Command::Data(bytes)) if !shut => {
                        let size = bytes.len();
                        self.granted.send(size as u64).map_err(|text| Failed::new(Failure::Reset, text))?;
                        self.granted.count(counted, |host| host.sent_bytes += size as u64);
                        match &mut exchange {
                            None => out.push(bytes, size),
                            Some(exchange) => {
                                let step = exchange.outgoing(&bytes);
                                out.push(self.noted(step), size);
                            }
                        }
                        if out.waiting.is_empty() {
                            // All of it is kept for now; the script may go on.
                            self.reply.taken(out.take_credit());
                        }
                    }
                    Some(Command::Data(_)) => {}
                    Some(Command::Window(bytes)) => self.room = (self.room + i64::from(bytes)).min(i64::from(WINDOW)),
                    Some(Command::StartTls(wanted)) => tls = Some(wanted),
                    Some(Command::Shut) => {
                        shut = true;
                        if let Some(exchange) = &mut exchange {
                            let step = exchange.outgoing_end();
                            out.push(self.noted(step), 0);
                        }
                        if out.waiting.is_empty() {
                            writer.shutdown().await.map_err(|error| self.broken(&error))?;
                        }
                    }
                    Some(Command::Close) | None => {
                        if let Some(exchange) = exchange.as_mut().filter(|_| !shut) {
                            let step = exchange.outgoing_end();
                            out.push(self.noted(step), 0);
                        }
                        shut = true;
                        self.closing.get_or_insert(Instant::now() + FLUSH_WITHIN);
                        if command.is_none() {
                            // Nobody says anything any more: this branch must not be taken again.
                            self.flush(&mut out, &mut writer).await;
                            return Ok((Turn::Over, reader, writer));
                        }
                    }
                },
                () = at(self.closing) => return Ok((Turn::Over, reader, writer)),
                () = at(first_by.filter(|_| !answered)) => {
                    let seconds = self.granted.grant.caps.first_byte.as_secs();
                    let text = format!("{} sent nothing within {seconds} seconds", self.destination);
                    return Err(Failed::new(Failure::TimedOut, text));
                }
                () = after(quiet) => {
                    if let Some(exchange) = &mut exchange {
                        let step = exchange.outgoing_quiet();
                        out.push(self.noted(step), 0);
                        let step = exchange.incoming_quiet();
                        self.deliver(step);
                    }
                }
                () = self.granted.ended.cancelled() => {
                    // What the script wrote before it ended was said before, and goes out.
                    self.rest(&mut out, exchange.as_mut(), shut);
                    self.flush(&mut out, &mut writer).await;
                    return Ok((Turn::Over, reader, writer));
                }
            }
        }
    }

    /// Takes what the script still said.
    fn rest(&mut self, out: &mut Outgoing, mut exchange: Option<&mut Exchange>, shut: bool) {
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Data(bytes) = command
                && !shut
                && self.granted.send(bytes.len() as u64).is_ok()
            {
                match &mut exchange {
                    None => out.push(bytes, 0),
                    Some(exchange) => {
                        let step = exchange.outgoing(&bytes);
                        out.push(self.noted(step), 0);
                    }
                }
            }
        }
        if let Some(exchange) = exchange.filter(|_| !shut) {
            let step = exchange.outgoing_end();
            out.push(self.noted(step), 0);
        }
    }

    /// Writes what waits, within bounds of time, and says goodbye.
    async fn flush<S: AsyncWrite>(&self, out: &mut Outgoing, writer: &mut WriteHalf<S>) {
        let all = async {
            while !out.waiting.is_empty() {
                let size = writer.write(out.front()).await?;
                out.written(size);
            }
            writer.shutdown().await
        };
        let _ = tokio::time::timeout(FLUSH_WITHIN, all).await;
    }

    fn patience(exchange: &Exchange) -> Option<Duration> {
        match (exchange.outgoing_patience(), exchange.incoming_patience()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// What a step sends, its events noted.
    fn noted(&self, step: Step) -> Bytes {
        for event in step.events {
            match &event {
                Event::Placed { .. } | Event::Opaque(_) => {}
                Event::NotPlaced { .. } => self.granted.note(&format!("{}: {event}", self.destination)),
            }
        }
        step.bytes
    }

    fn deliver(&mut self, step: Step) {
        let bytes = self.noted(step);
        self.pass_on(&bytes);
    }

    fn pass_on(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(MAX_PAYLOAD) {
            self.reply.send(Kind::Data, part);
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

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Bytes on their way to the server.
#[derive(Default)]
struct Outgoing {
    waiting: VecDeque<Bytes>,
    /// Bytes of the script that are in here, and were not reported as taken yet.
    credit: usize,
}

impl Outgoing {
    fn push(&mut self, bytes: Bytes, of_script: usize) {
        self.credit += of_script;
        if !bytes.is_empty() {
            self.waiting.push_back(bytes);
        }
    }

    fn front(&self) -> &[u8] {
        self.waiting.front().map_or(&[], |bytes| bytes)
    }

    /// So many were written; how many of the script's are to be reported as taken.
    fn written(&mut self, size: usize) -> u32 {
        if let Some(front) = self.waiting.front_mut() {
            front.advance(size);
            if front.is_empty() {
                self.waiting.pop_front();
            }
        }
        if self.waiting.is_empty() {
            return self.take_credit();
        }
        // A part of them, so that the script can write on while the rest goes out.
        let taken = self.credit.min(size);
        self.credit -= taken;
        taken as u32
    }

    fn take_credit(&mut self) -> u32 {
        // The window is far below u32::MAX.
        std::mem::take(&mut self.credit) as u32
    }
}
