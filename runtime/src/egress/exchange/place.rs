//! From the script to the server: requests are read, and values placed in them.

use super::forms::{basic, encode_basic, json, percent};
use super::http::{Chunked, Framing, Head, HeadBuffer, Piece, Side, fields, is_value_byte};
use super::needles::{Found, Stream};
use super::{Event, Malformed, Mode, PATIENCE, Part, Secret, Secrets, Why};
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
    "Content-Encoding",
    "Transfer-Encoding",
    "Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Upgrade",
    "Expect",
    "Proxy-Authorization",
];
/// Headers by which some servers take another method or path than the request line's.
const OVERRIDES: [&str; 5] =
    ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"];

/// What became of a secret, by its number: placed, or why not.
type Mark = (usize, Option<Why>);

/// A request whose answer is not there yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// `HEAD`: its answer has no body, whatever its head says.
    pub(super) head: bool,
    pub(super) upgrade: bool,
}

enum State {
    Head(HeadBuffer),
    Length(u64),
    Chunked(Chunked),
    Collect(Collect),
    /// After a request with `Upgrade`, until its answer: the next bytes may be HTTP or something else.
    Answer,
    Opaque(Malformed),
}

/// A request whose body is kept until it is complete.
struct Collect {
    head: Vec<u8>,
    /// Where in `head` the value of `Content-Length` is.
    length: Range<usize>,
    body: Vec<u8>,
    left: usize,
    encoding: Encoding,
}

/// How a value is written into a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Raw,
    Json,
    Form,
}

pub(super) struct Place {
    secrets: Arc<Secrets>,
    destination: Destination,
    state: State,
    /// To be taken up with the next call, since only that can send what is kept.
    opaque_next: Option<Malformed>,
    /// Set while the request at hand has `Upgrade`.
    upgrade: bool,
    /// A request had a body that some servers leave unread (with `GET`, or after `Expect`). Those would take it for the
    /// beginning of the next request, and that one's secret for a method and path that were never checked.
    doubtful: bool,
    pub(super) asked: VecDeque<Asked>,
    /// What this request's body may not have, by the number of the secret; `None` is a body it may be placed in.
    body: Vec<Option<Why>>,
    watch: Stream,
    told: Vec<Mark>,
    events: Vec<Event>,
}

impl Place {
    pub(super) fn new(secrets: Arc<Secrets>, destination: Destination, mode: Mode) -> Self {
        let state = match mode {
            Mode::Http => State::Head(HeadBuffer::default()),
            Mode::Opaque => State::Opaque(Malformed::Unproven),
        };
        Place {
            secrets,
            destination,
            state,
            opaque_next: None,
            upgrade: false,
            doubtful: false,
            asked: VecDeque::new(),
            body: Vec::new(),
            watch: Stream::default(),
            told: Vec::new(),
            events: Vec::new(),
        }
    }

    pub(super) fn mode(&self) -> Mode {
        match self.state {
            _ if self.opaque_next.is_some() => Mode::Opaque,
            State::Opaque(_) => Mode::Opaque,
            _ => Mode::Http,
        }
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn patience(&self) -> Option<Duration> {
        match &self.state {
            // A script may send a line in parts, and takes its time.
            State::Head(head) if !head.is_empty() && !head.is_http() => Some(PATIENCE),
            State::Head(_) | State::Collect(_) if self.opaque_next.is_some() => Some(PATIENCE),
            _ => None,
        }
    }

    /// The answer to a request with `Upgrade` is there, and it is no.
    pub(super) fn not_upgraded(&mut self) {
        self.upgrade = false;
        if matches!(self.state, State::Answer) {
            self.state = State::Head(HeadBuffer::default());
        }
    }

    /// The server switched protocols.
    pub(super) fn switched(&mut self) {
        if self.mode() == Mode::Http {
            self.opaque_next = Some(Malformed::Switched);
        }
    }

    pub(super) fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        self.settle(out);
        while !input.is_empty() {
            match &mut self.state {
                State::Head(buffer) => match buffer.take(&mut input, Side::Request) {
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
                State::Length(left) => {
                    let now = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    *left -= now as u64;
                    let ends = *left == 0;
                    let data = input.split_off(..now).unwrap_or_default();
                    self.watch(data, ends);
                    out.extend_from_slice(data);
                    if ends {
                        self.next_request();
                    }
                }
                State::Chunked(chunked) => {
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
                State::Collect(collect) => {
                    let now = collect.left.min(input.len());
                    collect.body.extend_from_slice(input.split_off(..now).unwrap_or_default());
                    collect.left -= now;
                    if collect.left == 0 {
                        self.collected(out);
                        self.next_request();
                    }
                }
                State::Answer => self.opaque(Malformed::BeforeAnswer, b"", out),
                State::Opaque(_) => {
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
            State::Head(buffer) if !buffer.is_empty() && !buffer.is_http() => {
                let bytes = buffer.give_up();
                self.opaque(Malformed::NotHttp, &bytes, out);
            }
            _ => {}
        }
    }

    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.settle(out);
        match &mut self.state {
            State::Head(buffer) if buffer.is_empty() => {}
            State::Head(_) | State::Collect(_) => {
                let bytes = self.give_up();
                self.opaque(Malformed::Ended, &bytes, out);
            }
            _ => {}
        }
    }

    /// What is kept. The head of a request whose body is collected was read as a whole; its values stay.
    fn give_up(&mut self) -> Vec<u8> {
        match &mut self.state {
            State::Head(buffer) => buffer.give_up(),
            State::Collect(collect) => {
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

    fn opaque(&mut self, malformed: Malformed, bytes: &[u8], out: &mut Vec<u8>) {
        self.events.push(Event::Opaque(malformed));
        self.state = State::Opaque(malformed);
        self.told.clear();
        self.watch = Stream::default();
        self.watch(bytes, false);
        out.extend_from_slice(bytes);
    }

    fn next_request(&mut self) {
        self.state = if self.upgrade { State::Answer } else { State::Head(HeadBuffer::default()) };
    }

    fn tell(&mut self, mark: Mark) {
        if self.told.contains(&mark) {
            return;
        }
        let name = self.secrets.secrets[mark.0].name.clone();
        self.told.push(mark.clone());
        self.events.push(match mark.1 {
            None => Event::Placed { name },
            Some(why) => Event::NotPlaced { name, why },
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
                State::Opaque(malformed) => Some(Why::Opaque(malformed)),
                _ => self.body.get(number).cloned().flatten(),
            };
            if let Some(why) = why {
                self.tell((number, Some(why)));
            }
        }
    }

    fn trailers(&mut self, trailers: &[u8]) -> Result<(), Malformed> {
        for field in fields(trailers, 0)? {
            let name = &trailers[field.name];
            // The usual credentials count too: a server that merges trailers into headers must find none.
            if never(name).is_some()
                || is_one_of(name, &["Authorization", "Cookie", "Content-Type", "Content-Range"]).is_some()
            {
                return Err(Malformed::Trailer);
            }
        }
        let mut marks = Vec::new();
        self.secrets.placeholders.replace(trailers, &mut Vec::new(), |found, _| add(&mut marks, found.pattern));
        marks.into_iter().for_each(|number| self.tell((number, Some(Why::Elsewhere))));
        Ok(())
    }

    /// A whole head: reads it strictly, places values in it, and sends it or keeps it until its body is there.
    fn request(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        self.told.clear();
        let head = Head::parse(bytes)?;
        let line = head.text(&head.first_line);
        // The line was checked byte by byte: a method, one blank, a target, one blank, the version.
        let method_end = line.iter().position(|byte| *byte == b' ').ok_or(Malformed::NotHttp)?;
        let target = method_end + 1..line.len().saturating_sub(b" HTTP/1.1".len());
        let method = std::str::from_utf8(&line[..method_end]).map_err(|_| Malformed::NotHttp)?;
        if method == "CONNECT" {
            return Err(Malformed::Target);
        }
        let path_at = path_of(bytes, target, &self.destination)?;
        let mut hosts = head.values("host");
        match (hosts.next(), hosts.next()) {
            (Some(host), None) if is_authority(host, &self.destination) => {}
            (Some(_), None) => return Err(Malformed::ForeignHost),
            _ => return Err(Malformed::Hosts),
        }
        let framing = head.framing()?;
        if self.asked.len() == MAX_ASKED {
            return Err(Malformed::Unanswered);
        }

        let secrets = Arc::clone(&self.secrets);
        let mut path = head.text(&path_at);
        if path.is_empty() {
            path = b"/";
        }
        let granted = |secret: &Secret| self.granted(secret, method, path, &head);
        let grants: Vec<Option<Why>> = secrets.secrets.iter().map(|secret| granted(secret).err()).collect();
        let placed = place_in_head(&secrets, &head, method_end, &path_at, &grants);

        let content_type = head.values("content-type").next().unwrap_or_default();
        let unfit = if framing == Framing::Chunked {
            Some(Why::ChunkedBody)
        } else if head.values("content-encoding").any(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            Some(Why::EncodedBody)
        } else if matches!(framing, Framing::Length(length) if length > MAX_BODY) {
            Some(Why::LargeBody)
        } else {
            head.values("expect").next().map(|_| Why::Expect)
        };
        let in_body = |(secret, grant): (&Secret, Option<Why>)| {
            grant.or((!secret.places.body).then_some(Why::Part(Part::Body))).or(unfit.clone())
        };
        self.body = secrets.secrets.iter().zip(grants).map(in_body).collect();
        self.watch = Stream::default();
        self.upgrade = head.values("upgrade").next().is_some();
        let has_body = !matches!(framing, Framing::None | Framing::Length(0));
        let read_by_all = matches!(method, "POST" | "PUT" | "PATCH") && head.values("expect").next().is_none();
        self.doubtful |= has_body && !read_by_all;
        self.asked.push_back(Asked { head: method == "HEAD", upgrade: self.upgrade });
        placed.marks.into_iter().for_each(|mark| self.tell(mark));
        match framing {
            Framing::Length(left @ 1..=MAX_BODY) if self.body.iter().any(Option::is_none) => {
                self.state = State::Collect(Collect {
                    head: placed.bytes,
                    length: placed.length,
                    body: Vec::new(),
                    left: left as usize,
                    encoding: Encoding::of(content_type),
                });
                return Ok(());
            }
            Framing::None | Framing::Length(0) => self.next_request(),
            Framing::Length(left) => self.state = State::Length(left),
            Framing::Chunked => self.state = State::Chunked(Chunked::new(Side::Request)),
        }
        out.extend_from_slice(&placed.bytes);
        Ok(())
    }

    /// Whether a secret may go to this host with this method and path, in whatever part of the request.
    fn granted(&self, secret: &Secret, method: &str, path: &[u8], head: &Head<'_>) -> Result<(), Why> {
        if !secret.hosts.iter().any(|host| host.matches(&self.destination)) {
            return Err(Why::Host(self.destination.clone()));
        }
        if secret.methods.as_ref().is_some_and(|methods| !methods.iter().any(|granted| granted == method)) {
            return Err(Why::Method(method.to_owned()));
        }
        if secret.methods.is_some() || secret.path_prefix.is_some() {
            let names = head.fields.iter().map(|field| head.text(&field.name));
            if let Some(name) = names.filter_map(|name| is_one_of(name, &OVERRIDES)).next() {
                return Err(Why::Override(name));
            }
            if self.doubtful {
                return Err(Why::Doubtful);
            }
        }
        match &secret.path_prefix {
            Some(_) if !is_clear_path(path) => Err(Why::PathUnclear),
            Some(prefix) if !is_under(path, prefix.as_bytes()) => Err(Why::Path(prefix.clone())),
            _ => Ok(()),
        }
    }

    /// A request whose body is complete.
    fn collected(&mut self, out: &mut Vec<u8>) {
        let State::Collect(collect) = &mut self.state else { return };
        let mut filling = Filling { secrets: &self.secrets, most: MAX_GROWN_BODY, too_large: false, marks: Vec::new() };
        let mut body = Vec::with_capacity(collect.body.len());
        filling.fill(&collect.body, &mut body, |secret, number| match &self.body[number] {
            Some(why) => Err(why.clone()),
            None => collect.encoding.encode(&secret.value),
        });
        if filling.too_large {
            body = std::mem::take(&mut collect.body);
        }
        let marks = filling.finish();
        collect.head.splice(collect.length.clone(), body.len().to_string().into_bytes());
        out.append(&mut collect.head);
        out.append(&mut body);
        marks.into_iter().for_each(|mark| self.tell(mark));
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

/// Places values in one text after the other, and notes what was done.
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
        decide: impl Fn(&Secret, usize) -> Result<Zeroizing<Vec<u8>>, Why>,
    ) {
        self.secrets.placeholders.replace(text, out, |found: Found<'_>, out| {
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
        let told = |(number, why): Mark| (number, why.or(too_large.then_some(Why::TooLarge)));
        marks.into_iter().map(told).collect()
    }
}

/// A head with values in it.
struct Placed {
    bytes: Vec<u8>,
    /// Where the value of `Content-Length` is.
    length: Range<usize>,
    marks: Vec<Mark>,
}

fn place_in_head(
    secrets: &Secrets,
    head: &Head<'_>,
    method_end: usize,
    path: &Range<usize>,
    grants: &[Option<Why>],
) -> Placed {
    let mut filling = Filling { secrets, most: MAX_GROWN_HEAD, too_large: false, marks: Vec::new() };
    let mut out = Vec::with_capacity(head.bytes.len());
    let mut length = 0..0;
    let granted = |number: usize, granted: bool, part| match &grants[number] {
        Some(why) => Err(why.clone()),
        None if !granted => Err(Why::Part(part)),
        None => Ok(()),
    };
    let header = |secret: &Secret, number: usize| {
        granted(number, secret.places.headers, Part::Headers)?;
        if !secret.value.iter().all(|byte| is_value_byte(*byte)) {
            return Err(Why::Control);
        }
        Ok(secret.value.clone())
    };
    let query = |secret: &Secret, number: usize| {
        granted(number, secret.places.query, Part::Query)?;
        Ok(Zeroizing::new(percent(&secret.value, "", "%20", false)))
    };

    filling.fill(&head.bytes[..method_end], &mut out, |_, _| Err(Why::Elsewhere));
    filling.fill(&head.bytes[method_end..path.end], &mut out, |_, _| Err(Why::InPath));
    filling.fill(&head.bytes[path.end..head.first_line.end], &mut out, query);
    let mut at = head.first_line.end;
    for field in &head.fields {
        filling.fill(&head.bytes[at..field.value.start], &mut out, |_, _| Err(Why::Elsewhere));
        let (name, value) = (head.text(&field.name), head.text(&field.value));
        let start = out.len();
        let credentials = name.eq_ignore_ascii_case(b"authorization").then(|| basic(value)).flatten();
        if let Some(why) = never(name).map(Why::Header) {
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
    Placed { bytes: out, length, marks: filling.finish() }
}

/// Where in a head the path of its target is: a path, or an absolute URL of the connected host.
fn path_of(bytes: &[u8], target: Range<usize>, destination: &Destination) -> Result<Range<usize>, Malformed> {
    let text = &bytes[target.clone()];
    let mut start = target.start;
    if text.contains(&b'#') {
        return Err(Malformed::Target);
    }
    if !text.starts_with(b"/") {
        let (scheme, rest) = text.split_at_checked(8).ok_or(Malformed::Target)?;
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        if !scheme.eq_ignore_ascii_case(b"https://") || !is_authority(&rest[..end], destination) {
            return Err(Malformed::Target);
        }
        start += 8 + end;
    }
    let rest = &bytes[start..target.end];
    Ok(start..start + rest.iter().position(|byte| *byte == b'?').unwrap_or(rest.len()))
}

/// Whether a `Host`, or the authority of a URL, is the connected one. No port is TLS's own.
fn is_authority(text: &[u8], destination: &Destination) -> bool {
    let (host, port) = (destination.host().to_string(), destination.port());
    let Some((name, rest)) = text.split_at_checked(host.len()) else { return false };
    let port = if rest.is_empty() { port == 443 } else { rest == format!(":{port}").as_bytes() };
    port && name.eq_ignore_ascii_case(host.as_bytes())
}

/// Whether every server reads the same segments: nothing that is resolved, merged or decoded on the way.
fn is_clear_path(path: &[u8]) -> bool {
    let dots = |segment: &[u8]| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        name == b"." || name == b".."
    };
    let encoded = |code: &[u8]| {
        let digits = code.get(1..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        code[0] == b'%' && byte.is_none_or(|byte| byte <= b' ' || byte >= 0x7f || b"./\\%;?#".contains(&byte))
    };
    let merged = path.contains(&b'\\') || memchr::memmem::find(path, b"//").is_some();
    !merged && !path.split(|byte| *byte == b'/').any(dots) && !(0..path.len()).any(|at| encoded(&path[at..]))
}

fn is_under(path: &[u8], prefix: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(prefix) else { return false };
    rest.is_empty() || prefix.ends_with(b"/") || rest.starts_with(b"/")
}

impl Encoding {
    fn of(content_type: &[u8]) -> Self {
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
        match essence.trim_ascii().to_ascii_lowercase().as_slice() {
            b"application/json" => Encoding::Json,
            other if other.ends_with(b"+json") => Encoding::Json,
            b"application/x-www-form-urlencoded" => Encoding::Form,
            _ => Encoding::Raw,
        }
    }

    fn encode(self, value: &Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Why> {
        match self {
            Encoding::Raw => Ok(value.clone()),
            Encoding::Form => Ok(Zeroizing::new(percent(value, "", "%20", false))),
            Encoding::Json => {
                let text = std::str::from_utf8(value).map_err(|_| Why::NotText)?;
                Ok(Zeroizing::new(json(text, true)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, prefix, expected) in [
            ("/v1", "/v1", true),
            ("/v1/x", "/v1", true),
            ("/v1x", "/v1", false),
            ("/v1/", "/v1/", true),
            ("/v1", "/v1/", false),
            ("/v2", "/v1", false),
            ("/", "/", true),
            ("/x", "/", true),
        ] {
            assert_eq!(is_under(path.as_bytes(), prefix.as_bytes()), expected, "{path} {prefix}");
        }
        for clear in ["/", "/v1/a.b/..c", "/v1/a;b=c", "/v1/%41~", "/a%20b".replace("%20", "+").as_str()] {
            assert!(is_clear_path(clear.as_bytes()), "{clear}");
        }
        for unclear in [
            "/v1/../x",
            "/v1/./x",
            "/v1/..",
            "/v1/..;/x",
            "/v1/.;a/x",
            "/v1//x",
            "/v1\\..\\x",
            "/v1/%2e%2e/x",
            "/v1/%2E./x",
            "/v1/%2fx",
            "/v1/%5cx",
            "/v1/%252e",
            "/v1/%00",
            "/v1/%",
            "/v1/%4",
            "/v1/%zz",
            "/v1/%3b",
            "/v1/%c0%ae",
        ] {
            assert!(!is_clear_path(unclear.as_bytes()), "{unclear}");
        }
    }

    #[test]
    fn authorities() {
        let is = |text: &str, name: &str, port| is_authority(text.as_bytes(), &Destination::parse(name, port).unwrap());
        assert!(is("API.example.com", "api.example.com", 443));
        assert!(is("api.example.com:443", "api.example.com", 443));
        assert!(is("api.example.com:8443", "api.example.com", 8443));
        assert!(is("[fd00::1]:443", "fd00::1", 443));
        for wrong in [
            "api.example.com:80",
            "api.example.com.",
            "api.example.com:",
            "api.example.com:0443",
            "x@api.example.com",
            "api.example.comx",
            "example.com",
            "",
            "api.example.com, evil.com",
            "api.example.com evil.com",
        ] {
            assert!(!is(wrong, "api.example.com", 443), "{wrong}");
        }
        assert!(!is("api.example.com", "api.example.com", 8443));
        assert!(!is("api.example.com", "api.example.com", 80));
    }
}
