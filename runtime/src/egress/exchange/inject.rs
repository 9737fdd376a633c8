//! From the script to the server: requests are parsed, and values are injected into them.

use super::body_encoding::BodyEncoding;
use super::http::{Chunked, HeadBuffer, MessageSide, Piece, fields};
use super::inject_head::{Mark, add, is_one_of, never};
use super::overrides::Beginning;
use super::reasons::{ConnectionMode, OpaqueReason, SecretEvent, SkipReason};
use super::search::SearchStream;
use super::secrets::{Secret, Secrets};
use crate::policy::Destination;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// The time for which the start of a request's first line is kept: a script can send it in parts, with pauses.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// A request that is not answered yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// The method is `HEAD`: the response has no body, whatever its head says.
    pub(super) head: bool,
    pub(super) upgrade: bool,
}

pub(super) enum RequestState {
    Head(HeadBuffer),
    Length(u64),
    Chunked(Chunked),
    Collect(Collect),
    /// After a request with `Upgrade`, until its response: the next bytes can be HTTP or another protocol.
    Answer,
    Opaque(OpaqueReason),
}

/// A request whose body is kept until it is complete. Nothing is injected yet.
#[derive(Default)]
pub(super) struct Collect {
    pub(super) head: Vec<u8>,
    /// The end of the method in `head`, and the range of the path.
    pub(super) method_end: usize,
    pub(super) path: Range<usize>,
    /// The reason why a secret is not injected, by the number of the secret.
    pub(super) grants: Vec<Option<SkipReason>>,
    pub(super) body: Vec<u8>,
    pub(super) left: usize,
    pub(super) encoding: BodyEncoding,
    /// True when the body can have parameters that change the method.
    pub(super) suspect: bool,
}

pub(super) struct Injector {
    pub(super) secrets: Arc<Secrets>,
    pub(super) destination: Destination,
    pub(super) state: RequestState,
    /// Applied with the next call, because only that can send the kept bytes.
    opaque_next: Option<OpaqueReason>,
    /// True while the present request has `Upgrade`.
    pub(super) upgrade: bool,
    /// True after a body that some servers leave unread (with `GET`, or after `Expect`), or that starts like a request,
    /// which such a server would parse as one: the next secret would be sent with a method and path that were never
    /// checked.
    pub(super) doubtful: bool,
    /// The start of the present body.
    pub(super) beginning: Beginning,
    /// True when a secret is granted for this host: responses are requested in a form that can be searched.
    pub(super) in_force: bool,
    /// True when one was injected.
    injected: bool,
    pub(super) asked: VecDeque<Asked>,
    /// The reason why a secret is not injected into the present body, by the number of the secret.
    pub(super) body: Vec<Option<SkipReason>>,
    pub(super) watch: SearchStream,
    pub(super) told: Vec<Mark>,
    events: Vec<SecretEvent>,
}

impl Injector {
    pub(super) fn new(secrets: Arc<Secrets>, destination: Destination, mode: ConnectionMode) -> Self {
        let state = match mode {
            ConnectionMode::Http => RequestState::Head(HeadBuffer::default()),
            ConnectionMode::Opaque => RequestState::Opaque(OpaqueReason::Unproven),
        };
        let in_force = secrets.secrets.iter().any(|secret| is_for(secret, &destination));
        Injector {
            secrets,
            destination,
            state,
            opaque_next: None,
            upgrade: false,
            doubtful: false,
            beginning: Beginning::default(),
            in_force,
            injected: false,
            asked: VecDeque::new(),
            body: Vec::new(),
            watch: SearchStream::default(),
            told: Vec::new(),
            events: Vec::new(),
        }
    }

    pub(super) fn mode(&self) -> ConnectionMode {
        match self.state {
            _ if self.opaque_next.is_some() => ConnectionMode::Opaque,
            RequestState::Opaque(_) => ConnectionMode::Opaque,
            _ => ConnectionMode::Http,
        }
    }

    /// Returns true when a secret was sent on this connection.
    pub(super) fn has_injected(&self) -> bool {
        self.injected
    }

    /// Returns the bytes that are kept.
    pub(super) fn kept(&self) -> usize {
        match &self.state {
            RequestState::Collect(collect) => collect.head.len() + collect.body.len(),
            _ => 0,
        }
    }

    pub(super) fn events(&mut self) -> Vec<SecretEvent> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn patience(&self) -> Option<Duration> {
        match &self.state {
            // A script can send a line in parts, with pauses.
            RequestState::Head(head) if !head.is_empty() && !head.is_http() => Some(PATIENCE),
            RequestState::Head(_) | RequestState::Collect(_) if self.opaque_next.is_some() => Some(PATIENCE),
            _ => None,
        }
    }

    /// The server refused the `Upgrade`.
    pub(super) fn not_upgraded(&mut self) {
        self.upgrade = false;
        if matches!(self.state, RequestState::Answer) {
            self.state = RequestState::Head(HeadBuffer::default());
        }
    }

    /// The server switched protocols.
    pub(super) fn switched(&mut self) {
        if self.mode() == ConnectionMode::Http {
            self.opaque_next = Some(OpaqueReason::Switched);
        }
    }

    pub(super) fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        self.settle(out);
        while !input.is_empty() {
            match &mut self.state {
                RequestState::Head(buffer) => match buffer.take(&mut input, MessageSide::Request) {
                    Ok(None) => {}
                    Ok(Some(head)) => {
                        if let Err(malformed) = self.request(&head, out) {
                            self.opaque(malformed, &head, out);
                        }
                    }
                    Err(malformed) => {
                        let bytes = buffer.give_up();
                        self.opaque(malformed, &bytes, out);
                    }
                },
                RequestState::Length(left) => {
                    let now = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    *left -= now as u64;
                    let ends = *left == 0;
                    let data = input.split_off(..now).unwrap_or_default();
                    self.watch(data, ends);
                    self.beginning.push(data);
                    out.extend_from_slice(data);
                    if ends {
                        self.doubtful |= self.beginning.may_be_request();
                        self.next_request();
                    }
                }
                RequestState::Chunked(chunked) => {
                    // The bytes are sent unchanged; they are parsed only to find the end of the body.
                    let before = input;
                    let taken = chunked.take(&mut input);
                    let bytes = &before[..before.len() - input.len()];
                    out.extend_from_slice(bytes);
                    match taken {
                        Ok(None) => {}
                        Ok(Some(Piece::Data(data))) => self.watch(data, false),
                        Ok(Some(Piece::End(trailers))) => {
                            self.watch(b"", true);
                            match self.trailers(&trailers) {
                                Ok(()) => self.next_request(),
                                Err(malformed) => self.opaque(malformed, b"", out),
                            }
                        }
                        Err(malformed) => self.opaque(malformed, b"", out),
                    }
                }
                RequestState::Collect(collect) => {
                    let now = collect.left.min(input.len());
                    collect.body.extend_from_slice(input.split_off(..now).unwrap_or_default());
                    collect.left -= now;
                    if collect.left == 0 {
                        self.collected(out);
                        self.next_request();
                    }
                }
                RequestState::Answer => self.opaque(OpaqueReason::BeforeAnswer, b"", out),
                RequestState::Opaque(_) => {
                    let rest = std::mem::take(&mut input);
                    self.watch(rest, false);
                    out.extend_from_slice(rest);
                }
            }
        }
    }

    pub(super) fn quiet(&mut self, out: &mut Vec<u8>) {
        self.settle(out);
        match &mut self.state {
            RequestState::Head(buffer) if !buffer.is_empty() && !buffer.is_http() => {
                let bytes = buffer.give_up();
                self.opaque(OpaqueReason::NotHttp, &bytes, out);
            }
            _ => {}
        }
    }

    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.settle(out);
        match &mut self.state {
            RequestState::Head(buffer) if buffer.is_empty() => {}
            RequestState::Head(_) | RequestState::Collect(_) => {
                let bytes = self.give_up();
                self.opaque(OpaqueReason::Ended, &bytes, out);
            }
            _ => {}
        }
    }

    /// Returns the kept bytes.
    fn give_up(&mut self) -> Vec<u8> {
        match &mut self.state {
            RequestState::Head(buffer) => buffer.give_up(),
            RequestState::Collect(collect) => {
                let mut bytes = std::mem::take(&mut collect.head);
                bytes.append(&mut collect.body);
                bytes
            }
            _ => Vec::new(),
        }
    }

    fn settle(&mut self, out: &mut Vec<u8>) {
        if let Some(malformed) = self.opaque_next.take() {
            let bytes = self.give_up();
            self.opaque(malformed, &bytes, out);
        }
    }

    fn opaque(&mut self, malformed: OpaqueReason, bytes: &[u8], out: &mut Vec<u8>) {
        self.events.push(SecretEvent::Opaque(malformed));
        self.state = RequestState::Opaque(malformed);
        self.told.clear();
        self.watch = SearchStream::default();
        self.watch(bytes, false);
        out.extend_from_slice(bytes);
    }

    pub(super) fn next_request(&mut self) {
        self.state = if self.upgrade { RequestState::Answer } else { RequestState::Head(HeadBuffer::default()) };
    }

    pub(super) fn tell(&mut self, mark: Mark) {
        if self.told.contains(&mark) {
            return;
        }
        let name = self.secrets.secrets[mark.0].name.clone();
        self.told.push(mark.clone());
        self.injected |= mark.1.is_none();
        self.events.push(match mark.1 {
            None => SecretEvent::Injected { name },
            Some(why) => SecretEvent::NotInjected { name, why },
        });
    }

    /// Looks for placeholders in bytes that pass unchanged, to report the reason.
    fn watch(&mut self, bytes: &[u8], last: bool) {
        let mut seen = Vec::new();
        if self.secrets.placeholders.is_empty() {
            return;
        }
        let mut sink = Vec::new();
        self.watch.push(&self.secrets.placeholders, bytes, last, &mut sink, |found, _| add(&mut seen, found.pattern));
        for number in seen {
            let why = match self.state {
                RequestState::Opaque(malformed) => Some(SkipReason::Opaque(malformed)),
                _ => self.body.get(number).cloned().flatten(),
            };
            if let Some(why) = why {
                self.tell((number, Some(why)));
            }
        }
    }

    fn trailers(&mut self, trailers: &[u8]) -> Result<(), OpaqueReason> {
        for field in fields(trailers, 0)? {
            let name = &trailers[field.name];
            // The usual credentials, too: a server that merges trailers into headers must not find any.
            if never(name).is_some()
                || is_one_of(name, &["Authorization", "Cookie", "Content-Type", "Content-Range"]).is_some()
            {
                return Err(OpaqueReason::Trailer);
            }
        }
        let mut marks = Vec::new();
        self.secrets.placeholders.replace(trailers, &mut Vec::new(), |found, _| add(&mut marks, found.pattern));
        marks.into_iter().for_each(|number| self.tell((number, Some(SkipReason::Elsewhere))));
        Ok(())
    }
}

pub(super) fn is_for(secret: &Secret, destination: &Destination) -> bool {
    secret.hosts.iter().any(|host| host.matches(destination))
}
