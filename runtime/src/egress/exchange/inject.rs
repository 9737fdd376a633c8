//! From the script to the server: requests are read, and values placed in them.

use super::encodings::{basic, encode_basic, json, percent};
use super::http::{Chunked, Framing, Head, HeadBuffer, MessageSide, Piece, fields, is_value_byte};
use super::overrides::{self, Beginning};
use super::search::{Match, SearchStream};
use super::target::{is_authority, is_clear_path, is_under, path_of};
use super::{ConnectionMode, OpaqueReason, PATIENCE, RequestPart, Secret, SecretEvent, Secrets, SkipReason};
use crate::policy::Destination;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Largest body that is collected to place something in it.
const MAX_BODY: u64 = 1 << 20;
/// Most bytes of a head with values in it, and of a body.
const MAX_GROWN_HEAD: usize = 128 << 10;
const MAX_GROWN_BODY: usize = 2 << 20;
/// Most requests that may wait for their answers.
const MAX_ASKED: usize = 1_000;

/// Headers that say how a message is framed, to whom it goes or what becomes of the connection.
const NEVER: [&str; 11] = [
    "Host",
    "Content-Length",
    "Content-BodyEncoding",
    "Transfer-BodyEncoding",
    "Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Upgrade",
    "Expect",
    "Proxy-Authorization",
];
/// What became of a secret, by its number: placed, or why not.
type Mark = (usize, Option<SkipReason>);

/// A request whose answer is not there yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// `HEAD`: its answer has no body, whatever its head says.
    pub(super) head: bool,
    pub(super) upgrade: bool,
}

enum RequestState {
    Head(HeadBuffer),
    Length(u64),
    Chunked(Chunked),
    Collect(Collect),
    /// After a request with `Upgrade`, until its answer: the next bytes may be HTTP or something else.
    Answer,
    Opaque(OpaqueReason),
}

/// A request whose body is kept until it is complete. Nothing was placed in it yet.
#[derive(Default)]
struct Collect {
    head: Vec<u8>,
    /// Where in `head` the method ends, and the path is.
    method_end: usize,
    path: Range<usize>,
    /// SkipReason a secret may not be placed in it, by its number.
    grants: Vec<Option<SkipReason>>,
    body: Vec<u8>,
    left: usize,
    encoding: BodyEncoding,
    /// Whether the body may have parameters that change the method.
    suspect: bool,
}

/// How a value is written into a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum BodyEncoding {
    #[default]
    Raw,
    Json,
    Form,
}

pub(super) struct Injector {
    secrets: Arc<Secrets>,
    destination: Destination,
    state: RequestState,
    /// To be taken up with the next call, since only that can send what is kept.
    opaque_next: Option<OpaqueReason>,
    /// Set while the request at hand has `Upgrade`.
    upgrade: bool,
    /// A request had a body that some servers leave unread (with `GET`, or after `Expect`), or that begins like a request,
    /// which a server that leaves it unread would take for one: the next request's secret would go with a method and path
    /// that were never checked.
    doubtful: bool,
    /// Of the body at hand.
    beginning: Beginning,
    /// A secret is granted for this host: what comes back is asked for as it can be searched.
    in_force: bool,
    /// One was placed.
    injected: bool,
    pub(super) asked: VecDeque<Asked>,
    /// What this request's body may not have, by the number of the secret; `None` is a body it may be placed in.
    body: Vec<Option<SkipReason>>,
    watch: SearchStream,
    told: Vec<Mark>,
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

    /// Whether a secret went out on this connection.
    pub(super) fn has_injected(&self) -> bool {
        self.injected
    }

    /// Bytes that are kept.
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
            // A script may send a line in parts, and takes its time.
            RequestState::Head(head) if !head.is_empty() && !head.is_http() => Some(PATIENCE),
            RequestState::Head(_) | RequestState::Collect(_) if self.opaque_next.is_some() => Some(PATIENCE),
            _ => None,
        }
    }

    /// The answer to a request with `Upgrade` is there, and it is no.
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
                    // The bytes are sent as they are; the reading only finds where the body ends.
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

    /// What is kept.
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

    fn next_request(&mut self) {
        self.state = if self.upgrade { RequestState::Answer } else { RequestState::Head(HeadBuffer::default()) };
    }

    fn tell(&mut self, mark: Mark) {
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

    /// Looks for placeholders in what passes unchanged, to tell why they do.
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
            // The usual credentials count too: a server that merges trailers into headers must find none.
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

    /// A whole head: reads it strictly, injects values into it, and sends it or keeps it until its body is there.
    fn request(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), OpaqueReason> {
        self.told.clear();
        let head = Head::parse(bytes)?;
        let line = head.text(&head.first_line);
        // The line was checked byte by byte: a method, one blank, a target, one blank, the version.
        let method_end = line.iter().position(|byte| *byte == b' ').ok_or(OpaqueReason::NotHttp)?;
        let target = method_end + 1..line.len().saturating_sub(b" HTTP/1.1".len());
        let method = std::str::from_utf8(&line[..method_end]).map_err(|_| OpaqueReason::NotHttp)?;
        if method == "CONNECT" {
            return Err(OpaqueReason::Target);
        }
        let path_at = path_of(bytes, target.clone(), &self.destination)?;
        let mut hosts = head.values("host");
        match (hosts.next(), hosts.next()) {
            (Some(host), None) if is_authority(host, &self.destination) => {}
            (Some(_), None) => return Err(OpaqueReason::ForeignHost),
            _ => return Err(OpaqueReason::Hosts),
        }
        let framing = head.framing()?;
        if self.asked.len() == MAX_ASKED {
            return Err(OpaqueReason::Unanswered);
        }

        let secrets = Arc::clone(&self.secrets);
        let mut path = head.text(&path_at);
        if path.is_empty() {
            path = b"/";
        }
        let query = &line[path_at.end..target.end];
        let granted = |secret: &Secret| self.granted(secret, method, path, query, &head);
        let mut grants: Vec<Option<SkipReason>> = secrets.secrets.iter().map(|secret| granted(secret).err()).collect();
        let unfit = unfit(&head, framing);
        let has_body = !matches!(framing, Framing::None | Framing::Length(0));
        let content_type = head.values("content-type").next().unwrap_or_default();
        let suspect = has_body
            && method == "POST"
            && overrides::has_parameters(content_type)
            && suspect_body(&secrets, &mut grants, unfit.as_ref());
        let in_body = |(secret, grant): (&Secret, &Option<SkipReason>)| {
            grant.clone().or((!secret.parts.body).then_some(SkipReason::Part(RequestPart::Body))).or(unfit.clone())
        };
        self.body = secrets.secrets.iter().zip(&grants).map(in_body).collect();
        self.watch = SearchStream::default();
        self.beginning = Beginning::default();
        self.upgrade = head.values("upgrade").next().is_some();
        let read_by_all = matches!(method, "POST" | "PUT" | "PATCH") && head.values("expect").next().is_none();
        self.doubtful |= has_body && !read_by_all;
        self.asked.push_back(Asked { head: method == "HEAD", upgrade: self.upgrade });
        if let Framing::Length(left @ 1..=MAX_BODY) = framing
            && (suspect || self.body.iter().any(Option::is_none))
        {
            self.state = RequestState::Collect(Collect {
                head: bytes.to_vec(),
                method_end,
                path: path_at,
                grants,
                body: Vec::new(),
                left: left as usize,
                encoding: BodyEncoding::from_content_type(content_type),
                suspect,
            });
            return Ok(());
        }
        let injected = inject_in_head(&secrets, &head, method_end, &path_at, &grants, self.in_force);
        injected.marks.into_iter().for_each(|mark| self.tell(mark));
        match framing {
            Framing::None | Framing::Length(0) => self.next_request(),
            Framing::Length(left) => self.state = RequestState::Length(left),
            Framing::Chunked => self.state = RequestState::Chunked(Chunked::new(MessageSide::Request)),
        }
        out.extend_from_slice(&injected.bytes);
        Ok(())
    }

    /// Whether a secret may go to this host with this method and path, in whatever part of the request.
    fn granted(
        &self,
        secret: &Secret,
        method: &str,
        path: &[u8],
        query: &[u8],
        head: &Head<'_>,
    ) -> Result<(), SkipReason> {
        if !is_for(secret, &self.destination) {
            return Err(SkipReason::Host(self.destination.clone()));
        }
        if secret.methods.as_ref().is_some_and(|methods| !methods.iter().any(|granted| granted == method)) {
            return Err(SkipReason::Method(method.to_owned()));
        }
        if secret.methods.is_some() || secret.path_prefix.is_some() {
            let mut names = head.fields.iter().map(|field| head.text(&field.name));
            if let Some(name) = names.find(|name| overrides::is_override_header(name)) {
                return Err(SkipReason::Override(String::from_utf8_lossy(name).chars().take(100).collect()));
            }
            if secret.methods.is_some() && overrides::in_query(query) {
                return Err(SkipReason::Parameter);
            }
            if self.doubtful {
                return Err(SkipReason::Doubtful);
            }
        }
        match &secret.path_prefix {
            Some(_) if !is_clear_path(path) => Err(SkipReason::PathUnclear),
            Some(prefix) if !is_under(path, prefix.as_bytes()) => Err(SkipReason::Path(prefix.clone())),
            _ => Ok(()),
        }
    }

    /// A request whose body is complete: it may be placed in, as far as nothing in it speaks against that.
    fn collected(&mut self, out: &mut Vec<u8>) {
        let RequestState::Collect(collect) = &mut self.state else { return };
        let Collect { head, method_end, path, mut grants, mut body, encoding, suspect, .. } = std::mem::take(collect);
        let secrets = Arc::clone(&self.secrets);
        if suspect && overrides::in_body(&body) {
            for (number, _) in secrets.secrets.iter().enumerate().filter(|(_, secret)| secret.methods.is_some()) {
                grants[number].get_or_insert(SkipReason::Parameter);
                self.body[number].get_or_insert(SkipReason::Parameter);
            }
        }
        self.beginning.push(&body);
        self.doubtful |= self.beginning.may_be_request();
        // It was read once already.
        let Ok(read) = Head::parse(&head) else { return };
        let mut injected = inject_in_head(&secrets, &read, method_end, &path, &grants, self.in_force);
        let mut filling = Filling { secrets: &secrets, most: MAX_GROWN_BODY, too_large: false, marks: Vec::new() };
        let mut filled = Vec::with_capacity(body.len());
        filling.fill(&body, &mut filled, |secret, number| match &self.body[number] {
            Some(why) => Err(why.clone()),
            None => encoding.encode(&secret.value),
        });
        if filling.too_large {
            filled = std::mem::take(&mut body);
        }
        let marks = filling.finish();
        injected.bytes.splice(injected.length.clone(), filled.len().to_string().into_bytes());
        out.append(&mut injected.bytes);
        out.append(&mut filled);
        injected.marks.into_iter().chain(marks).for_each(|mark| self.tell(mark));
    }
}

fn is_for(secret: &Secret, destination: &Destination) -> bool {
    secret.hosts.iter().any(|host| host.matches(destination))
}

/// Whether a body in which there may be another method is to be looked at before anything is placed: a secret is granted
/// for some methods. Where the body cannot be looked at, none of those is placed.
fn suspect_body(secrets: &Secrets, grants: &mut [Option<SkipReason>], unfit: Option<&SkipReason>) -> bool {
    let by_method = |(secret, grant): &(&Secret, &mut Option<SkipReason>)| secret.methods.is_some() && grant.is_none();
    let mut suspect = false;
    for (_, grant) in secrets.secrets.iter().zip(grants).filter(by_method) {
        *grant = unfit.map(|why| SkipReason::UnreadBody(Box::new(why.clone())));
        suspect |= grant.is_none();
    }
    suspect
}

/// SkipReason a request's body cannot be looked at as a whole, if it cannot.
fn unfit(head: &Head<'_>, framing: Framing) -> Option<SkipReason> {
    if framing == Framing::Chunked {
        Some(SkipReason::ChunkedBody)
    } else if head.values("content-encoding").any(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        Some(SkipReason::EncodedBody)
    } else if matches!(framing, Framing::Length(length) if length > MAX_BODY) {
        Some(SkipReason::LargeBody)
    } else {
        head.values("expect").next().map(|_| SkipReason::Expect)
    }
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn is_one_of(name: &[u8], list: &[&'static str]) -> Option<&'static str> {
    list.iter().copied().find(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

fn never(name: &[u8]) -> Option<&'static str> {
    let proxy = name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"proxy-"));
    is_one_of(name, &NEVER).or(proxy.then_some("Proxy-*"))
}

/// Injects values into one text after the other, and notes what was done.
struct Filling<'a> {
    secrets: &'a Secrets,
    most: usize,
    too_large: bool,
    marks: Vec<Mark>,
}

impl Filling<'_> {
    fn fill(
        &mut self,
        text: &[u8],
        out: &mut Vec<u8>,
        decide: impl Fn(&Secret, usize) -> Result<Zeroizing<Vec<u8>>, SkipReason>,
    ) {
        self.secrets.placeholders.replace(text, out, |found: Match<'_>, out| {
            let why = match decide(&self.secrets.secrets[found.pattern], found.pattern) {
                Ok(value) if out.len() + value.len() > self.most => {
                    self.too_large = true;
                    None
                }
                Ok(value) => {
                    out.extend_from_slice(&value);
                    None
                }
                Err(why) => {
                    out.extend_from_slice(found.rest);
                    Some(why)
                }
            };
            add(&mut self.marks, (found.pattern, why));
        });
    }

    /// What to tell: nothing was placed when all of it was too large.
    fn finish(self) -> Vec<Mark> {
        let Filling { too_large, marks, .. } = self;
        let told = |(number, why): Mark| (number, why.or(too_large.then_some(SkipReason::TooLarge)));
        marks.into_iter().map(told).collect()
    }
}

/// A head with values in it.
struct InjectedHead {
    bytes: Vec<u8>,
    /// Where the value of `Content-Length` is.
    length: Range<usize>,
    marks: Vec<Mark>,
}

fn inject_in_head(
    secrets: &Secrets,
    head: &Head<'_>,
    method_end: usize,
    path: &Range<usize>,
    grants: &[Option<SkipReason>],
    in_force: bool,
) -> InjectedHead {
    let mut filling = Filling { secrets, most: MAX_GROWN_HEAD, too_large: false, marks: Vec::new() };
    let mut out = Vec::with_capacity(head.bytes.len());
    let mut length = 0..0;
    let granted = |number: usize, granted: bool, part| match &grants[number] {
        Some(why) => Err(why.clone()),
        None if !granted => Err(SkipReason::Part(part)),
        None => Ok(()),
    };
    let header = |secret: &Secret, number: usize| {
        granted(number, secret.parts.headers, RequestPart::Headers)?;
        if !secret.value.iter().all(|byte| is_value_byte(*byte)) {
            return Err(SkipReason::Control);
        }
        Ok(secret.value.clone())
    };
    let query = |secret: &Secret, number: usize| {
        granted(number, secret.parts.query, RequestPart::Query)?;
        Ok(Zeroizing::new(percent(&secret.value)))
    };

    filling.fill(&head.bytes[..method_end], &mut out, |_, _| Err(SkipReason::Elsewhere));
    filling.fill(&head.bytes[method_end..path.end], &mut out, |_, _| Err(SkipReason::InPath));
    filling.fill(&head.bytes[path.end..head.first_line.end], &mut out, query);
    let mut at = head.first_line.end;
    for field in &head.fields {
        let is = |name: &str| in_force && head.text(&field.name).eq_ignore_ascii_case(name.as_bytes());
        if is("sec-websocket-extensions") {
            at = field.value.end;
            continue;
        }
        filling.fill(&head.bytes[at..field.value.start], &mut out, |_, _| Err(SkipReason::Elsewhere));
        let (name, value) = (head.text(&field.name), head.text(&field.value));
        let start = out.len();
        let credentials = name.eq_ignore_ascii_case(b"authorization").then(|| basic(value)).flatten();
        if is("accept-encoding") {
            out.extend_from_slice(b"identity");
        } else if let Some(why) = never(name).map(SkipReason::Header) {
            filling.fill(value, &mut out, |_, _| Err(why.clone()));
        } else if let Some((start, plain)) = credentials.filter(|(_, plain)| secrets.placeholders.is_in(plain)) {
            let mut with_values = Zeroizing::new(Vec::new());
            filling.fill(&plain, &mut with_values, header);
            out.extend_from_slice(&value[..start]);
            out.extend_from_slice(encode_basic(&with_values).as_bytes());
        } else {
            filling.fill(value, &mut out, header);
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            length = start..out.len();
        }
        at = field.value.end;
    }
    out.extend_from_slice(&head.bytes[at..]);
    if filling.too_large || out.len() > MAX_GROWN_HEAD {
        filling.too_large = true;
        out = head.bytes.to_vec();
        let original = head.fields.iter().find(|field| head.text(&field.name).eq_ignore_ascii_case(b"content-length"));
        length = original.map(|field| field.value.clone()).unwrap_or_default();
    }
    InjectedHead { bytes: out, length, marks: filling.finish() }
}

impl BodyEncoding {
    fn from_content_type(content_type: &[u8]) -> Self {
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
        match essence.trim_ascii().to_ascii_lowercase().as_slice() {
            b"application/json" => BodyEncoding::Json,
            other if other.ends_with(b"+json") => BodyEncoding::Json,
            b"application/x-www-form-urlencoded" => BodyEncoding::Form,
            _ => BodyEncoding::Raw,
        }
    }

    fn encode(self, value: &Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, SkipReason> {
        match self {
            BodyEncoding::Raw => Ok(value.clone()),
            BodyEncoding::Form => Ok(Zeroizing::new(percent(value))),
            BodyEncoding::Json => {
                let text = std::str::from_utf8(value).map_err(|_| SkipReason::NotText)?;
                Ok(Zeroizing::new(json(text)))
            }
        }
    }
}
