//! Secrets on their way: a script holds a placeholder, and outside of its sandbox the value takes its place.
//!
//! An [`Exchange`] stands between the script's bytes and one connection, in both directions, and does no input or
//! output itself: bytes go in, in whatever pieces they come, and bytes and [`SecretEvent`]s come out.
//!
//! **To the server**, over verified TLS:
//! - As long as the bytes are HTTP/1.1 requests by a strict reading (one `Host`, which is the connected host; one way
//!   of framing; no folded lines, bare CR, LF or NUL; a head of at most 64 KiB and 200 fields), a secret granted for
//!   this host, method and path replaces its placeholder in the values of headers, within `Authorization: Basic`, and,
//!   where its grant says so, in the query and in bodies with `Content-Length` of at most 1 MiB. Never in the method,
//!   the path, a header's name, a trailer, or a header that frames or routes.
//! - From the first byte that does not fit, after `Upgrade` was agreed to, and for what is not HTTP at all, the
//!   connection is opaque: all passes unchanged, placeholders too, and no secret is placed on it any more. So a
//!   malformed request, smuggled or not, carries no secret: what two readers could read differently gets none.
//! - A connection without TLS, or whose server did not prove its name, is opaque from its beginning.
//!
//! **To the script**: values become placeholders again in the heads of responses. In bodies, and in what cannot be
//! read as responses, they become as many `*`, which leaves every length as it is. Values are looked for in the forms
//! of [`Redactor`], those of secrets that are granted for the connected host, over verified TLS. Elsewhere nothing is
//! looked for: what is replaced tells whoever sent it that a guess was right.
//!
//! **A guess has no answer**: a host may send back what a script asks it to, and the script sees what comes when. So the
//! end of what came is held whatever it is: by length (as long as a value may be, however it is written) or up to the last
//! line's end, and let go when the body ends or nothing more came for a fixed time. Beginnings of a value pass like any
//! other text. Only who sends a whole value learns something: that it is one. The price, where a secret is granted for the
//! host: the end of a message that no line's end closes comes 20 ms later on what is not HTTP, and 100 ms later within a
//! streamed body; whole bodies and lines come as they are.
//!
//! **Compression**: what is compressed cannot be searched. Requests to a host that a secret is granted for ask for none
//! (`Accept-Encoding: identity`, no extensions of WebSocket); when an answer is compressed all the same on a connection on
//! which a secret was placed, the connection is broken off.
//!
//! **Memory** is bounded: a head (64 KiB, twice that with values), a body that is collected (1 MiB, 2 MiB with values),
//! twice the longest spelling of a value, and the beginning of a placeholder that a piece ends with.
//!
//! **What this cannot prevent**: a granted host that hands the secret on, or hands it back in a form that is not looked
//! for; a server and a script that agree to send it slowly, piece by piece (a range of a document, a part of a field), or
//! changed. A grant is trust in the host. Methods and paths narrow a grant as far as the server reads them as they are
//! written.

mod blind;
mod encodings;
mod escapes;
mod http;
mod inject;
mod matcher;
mod overrides;
mod redact_output;
mod redact_response;
mod search;
mod target;

pub use redact_output::{RedactingStream, Redactor};

use crate::policy::{Destination, HostPattern};
use bytes::Bytes;
use encodings::ValueEncoding;
use inject::Injector;
use matcher::Matcher;
use redact_response::ResponseRedactor;
use search::Search;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

/// Longest value. A service account's key file has less than 3 KiB.
pub const MAX_VALUE: usize = 4 << 10;
/// Most bytes of all values of a run.
pub const MAX_VALUES: usize = 64 << 10;

/// How long the beginning of a request's first line is kept: a script may send it in parts, and takes its time.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the end of what came is kept where it belongs to the body of a response, which mostly goes on; and where it is
/// any protocol's, whose other end may be waiting for just these bytes.
const BODY_PATIENCE: Duration = Duration::from_millis(100);
const RAW_PATIENCE: Duration = Duration::from_millis(20);

/// Where in a request a secret may be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestParts {
    /// In the values of headers.
    pub headers: bool,
    /// In the query of the URL, which servers like to log.
    pub query: bool,
    /// In the body.
    pub body: bool,
}

impl Default for RequestParts {
    fn default() -> Self {
        RequestParts { headers: true, query: false, body: false }
    }
}

/// One of [`RequestParts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestPart {
    /// [`RequestParts::headers`]
    #[error("headers")]
    Headers,
    /// [`RequestParts::query`]
    #[error("the query")]
    Query,
    /// [`RequestParts::body`]
    #[error("bodies")]
    Body,
}

/// A secret and what it is granted for.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secret {
    /// What people call it.
    pub name: String,
    /// What the script holds: a random token that stands nowhere by chance.
    pub placeholder: String,
    /// What the server is to get.
    #[serde(with = "value_text")]
    pub value: Zeroizing<Vec<u8>>,
    /// The hosts that may get it.
    pub hosts: Vec<HostPattern>,
    /// The parts of a request it may stand in.
    pub parts: RequestParts,
    /// The methods, in capitals; `None` is any.
    pub methods: Option<Vec<String>>,
    /// The path, or what is below it (`/v1` is not `/v1x`); `None` is any.
    pub path_prefix: Option<String>,
}

/// A value on its way to the egress process.
mod value_text {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    use serde::{Deserialize, Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub(super) fn serialize<S: Serializer>(value: &Zeroizing<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&Zeroizing::new(BASE64_STANDARD.encode(&**value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Zeroizing<Vec<u8>>, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        let value = BASE64_STANDARD.decode(&*text).map_err(serde::de::Error::custom)?;
        Ok(Zeroizing::new(value))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// SkipReason a set of secrets cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Empty, long, or with control characters.
    #[error("a secret's name has 1 to 100 characters, and no control characters")]
    Name,
    /// No value.
    #[error("a secret's value is empty")]
    Empty,
    /// Longer than [`MAX_VALUE`].
    #[error("a secret's value is longer than 4 KiB")]
    TooLong,
    /// More than [`MAX_VALUES`].
    #[error("the values of the secrets of one run are too long together")]
    TooMuch,
    /// Too short, or with characters that do not survive everywhere.
    #[error("the placeholder of {0} is not one: 16 to 200 letters, digits, - and _")]
    Placeholder(String),
    /// Two of them could be taken for each other.
    #[error("the placeholders of {0} and {1} cannot be told apart")]
    Ambiguous(String, String),
    /// Not a method in capitals.
    #[error("{0} is granted for something that is not a method in capitals")]
    Method(String),
    /// Does not begin with `/`.
    #[error("{0} is granted for something that is not a path: a path begins with /")]
    Path(String),
}

fn check_length(value: &[u8]) -> Result<(), SecretError> {
    match value.len() {
        0 => Err(SecretError::Empty),
        1..=MAX_VALUE => Ok(()),
        _ => Err(SecretError::TooLong),
    }
}

impl Secret {
    fn check(&self) -> Result<(), SecretError> {
        if !(1..=100).contains(&self.name.chars().count()) || self.name.contains(char::is_control) {
            return Err(SecretError::Name);
        }
        check_length(&self.value)?;
        let tame = self.placeholder.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !tame || !(16..=200).contains(&self.placeholder.len()) {
            return Err(SecretError::Placeholder(self.name.clone()));
        }
        let is_method =
            |method: &String| !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        if !self.methods.iter().flatten().all(is_method) {
            return Err(SecretError::Method(self.name.clone()));
        }
        if self.path_prefix.as_ref().is_some_and(|prefix| !prefix.starts_with('/')) {
            return Err(SecretError::Path(self.name.clone()));
        }
        Ok(())
    }
}

/// All secrets of a run, ready to be looked for. Made once per run; the search keeps copies of the values that are
/// freed, and not overwritten, with it.
pub struct Secrets {
    secrets: Vec<Secret>,
    /// By the number of the secret.
    placeholders: Search,
    /// By the numbers of the secrets that are looked for.
    searched: Mutex<BTreeMap<Vec<usize>, Arc<SearchedValues>>>,
}

/// Values that may come back.
struct SearchedValues {
    values: Matcher,
    /// What the patterns of `values` are.
    encodings: Vec<(usize, ValueEncoding)>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.secrets).finish()
    }
}

impl Secrets {
    /// Checks them and makes them ready.
    pub fn new(secrets: Vec<Secret>) -> Result<Self, SecretError> {
        secrets.iter().try_for_each(Secret::check)?;
        if secrets.iter().map(|secret| secret.value.len()).sum::<usize>() > MAX_VALUES {
            return Err(SecretError::TooMuch);
        }
        for (at, one) in secrets.iter().enumerate() {
            let clash =
                |(other, secret): &(usize, &Secret)| *other != at && secret.placeholder.contains(&one.placeholder);
            if let Some((_, other)) = secrets.iter().enumerate().find(clash) {
                return Err(SecretError::Ambiguous(one.name.clone(), other.name.clone()));
            }
        }
        let placeholders =
            secrets.iter().map(|secret| Zeroizing::new(secret.placeholder.as_bytes().to_vec())).collect();
        let secrets = Secrets { placeholders: Search::new(placeholders)?, secrets, searched: Mutex::default() };
        // Whatever is looked for later is less than this.
        secrets.searched((0..secrets.secrets.len()).collect())?;
        Ok(secrets)
    }

    fn searched(&self, numbers: Vec<usize>) -> Result<Arc<SearchedValues>, SecretError> {
        // No code panics while it holds this lock.
        let mut searched = self.searched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = searched.get(&numbers) {
            return Ok(Arc::clone(known));
        }
        let (mut patterns, mut encodings) = (Vec::new(), Vec::new());
        for number in &numbers {
            for (encoding, pattern) in encodings::encodings(&self.secrets[*number].value) {
                patterns.push(pattern);
                encodings.push((*number, encoding));
            }
        }
        let made = Arc::new(SearchedValues { values: Matcher::new(&patterns)?, encodings });
        searched.insert(numbers, Arc::clone(&made));
        Ok(made)
    }

    /// What is looked for in what comes over a connection: the values that its other end may know, if it has proven to
    /// be who it is. Another one would learn from what is replaced, or waits to be, which of its guesses are right.
    fn searched_for(
        &self,
        destination: &Destination,
        mode: ConnectionMode,
    ) -> Result<Arc<SearchedValues>, SecretError> {
        let known = |secret: &Secret| secret.hosts.iter().any(|host| host.matches(destination));
        let numbers =
            self.secrets.iter().enumerate().filter(|(_, secret)| mode == ConnectionMode::Http && known(secret));
        self.searched(numbers.map(|(number, _)| number).collect())
    }
}

/// SkipReason bytes from the script are not HTTP/1.1 requests by the strict reading, over a connection that secrets may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the sentence of each says what it is")]
pub enum OpaqueReason {
    #[error("the connection is without TLS, or its server did not prove its name")]
    Unproven,
    #[error("the connection does not speak HTTP/1.1")]
    NotHttp,
    #[error("the request's head is larger than 64 KiB")]
    HeadTooLarge,
    #[error("the request has more than 200 headers")]
    TooManyFields,
    #[error("a header of the request is not well-formed")]
    Line,
    #[error("the request does not have exactly one Host header")]
    Hosts,
    #[error("the request's Host is not the connected host")]
    ForeignHost,
    #[error("the request's URL is not well-formed, or not one of the connected host")]
    Target,
    #[error("the request has more than one Content-Length")]
    Lengths,
    #[error("the request's Content-Length is not a number")]
    Length,
    #[error("the request has both Content-Length and Transfer-Encoding")]
    LengthAndCoding,
    #[error("the request's Transfer-Encoding is not chunked alone")]
    Coding,
    #[error("the chunks of the request's body are not well-formed")]
    Chunk,
    #[error("a trailer of the request is one that only a header may be")]
    Trailer,
    #[error("the connection has switched to another protocol")]
    Switched,
    #[error("the script went on before the answer to its Upgrade")]
    BeforeAnswer,
    #[error("the script sent too many requests without taking an answer")]
    Unanswered,
    #[error("the connection ended within the request's head")]
    Ended,
}

/// SkipReason a placeholder went out as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// The connection is opaque.
    #[error("{0}")]
    Opaque(OpaqueReason),
    /// Another host's secret.
    #[error("it is not granted for {0}")]
    Host(Destination),
    /// Another method.
    #[error("it is not granted for {0}")]
    Method(String),
    /// A header that would make the server take another method or path than the one that was checked.
    #[error("it is granted for some methods or paths only, and the header {0} can change them")]
    Override(String),
    /// A parameter that does the same, in the query or the body.
    #[error("it is granted for some methods only, and a parameter such as _method can change them")]
    Parameter,
    /// A body in which such a parameter could stand.
    #[error("it is granted for some methods only, and the body, which can change them, cannot be looked at: {0}")]
    UnreadBody(Box<SkipReason>),
    /// Another path.
    #[error("it is granted for {0} and what is below it only")]
    Path(String),
    /// `/v1/%2e%2e/admin`
    #[error("it is granted for some paths only, and this one can be read in more than one way")]
    PathUnclear,
    /// After a body that some servers leave unread, and take for the next request.
    #[error(
        "it is granted for some methods or paths only, and servers differ on where the request before this one ended"
    )]
    Doubtful,
    /// Another part of the request.
    #[error("it is not granted for {0}")]
    Part(RequestPart),
    /// Host, framing, connection.
    #[error("a secret is never placed in the header {0}")]
    Header(&'static str),
    /// In the path.
    #[error("a secret is never placed in the path of a URL")]
    InPath,
    /// Anywhere else in a head.
    #[error("a secret is never placed in a method, a header's name or a trailer")]
    Elsewhere,
    /// CR, LF, NUL and the like.
    #[error("its value has a line break or another control character, which no header can hold")]
    Control,
    /// Bytes in JSON.
    #[error("its value is not text, which a body of JSON needs")]
    NotText,
    /// With the values in it.
    #[error("the request would become too large with it")]
    TooLarge,
    /// No `Content-Length`.
    #[error("the request's body is sent in chunks: send it with Content-Length")]
    ChunkedBody,
    /// Compressed.
    #[error("the request's body is compressed or otherwise encoded")]
    EncodedBody,
    /// More than 1 MiB.
    #[error("the request's body is larger than 1 MiB")]
    LargeBody,
    /// `Expect: 100-continue` wants the head sent before the body is there.
    #[error("the request's body is sent after an answer only (Expect)")]
    Expect,
}

/// What an exchange has to tell, once per request and secret; on a stream that is not read as requests, once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretEvent {
    /// A placeholder was replaced.
    #[error("the secret {name} was placed")]
    Injected {
        /// The secret's name.
        name: String,
    },
    /// A placeholder went out as it is.
    #[error("the secret {name} was not placed: {why}")]
    NotInjected {
        /// The secret's name.
        name: String,
        /// SkipReason.
        why: SkipReason,
    },
    /// No secret is placed on this connection any more.
    #[error("no secret is placed on this connection from here on: {0}")]
    Opaque(OpaqueReason),
}

/// What a connection is, as far as secrets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionMode {
    /// Requests are read.
    Http,
    /// Bytes pass as they are.
    Opaque,
}

/// An answer that cannot be searched, on a connection on which a secret was placed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it sent an answer in {0}, which was not asked for; what is compressed cannot be searched for the secret that was \
     placed on this connection, and is not passed on"
)]
pub struct Unsearchable(String);

/// What one call gave.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// To be sent on, in this direction.
    pub bytes: Bytes,
    /// To be told.
    pub events: Vec<SecretEvent>,
    /// SkipReason nothing more is passed on: the connection is to be broken off.
    pub refused: Option<Unsearchable>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("bytes", &self.bytes.len()).field("events", &self.events).finish()
    }
}

/// The two directions of one connection.
///
/// Both directions keep bytes until more is known: the beginning of a first line on the way out, what may belong to a value
/// on the way in. After every call [`Exchange::outgoing_patience`] and [`Exchange::incoming_patience`] say whether that is so;
/// when nothing comes for that long, the caller calls [`Exchange::outgoing_quiet`] or [`Exchange::incoming_quiet`].
/// Without that, a protocol whose message ends with such bytes would wait for ever.
pub struct Exchange {
    injector: Injector,
    redactor: ResponseRedactor,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("mode", &self.mode()).finish_non_exhaustive()
    }
}

impl Exchange {
    /// `mode` is [`ConnectionMode::Http`] over TLS whose certificate was verified for the destination, and [`ConnectionMode::Opaque`] over
    /// anything else.
    pub fn new(secrets: Arc<Secrets>, destination: Destination, mode: ConnectionMode) -> Result<Self, SecretError> {
        let searched = secrets.searched_for(&destination, mode)?;
        let redactor = ResponseRedactor::new(Arc::clone(&secrets), searched, mode);
        Ok(Exchange { redactor, injector: Injector::new(secrets, destination, mode) })
    }

    /// What the connection is by now.
    pub fn mode(&self) -> ConnectionMode {
        self.injector.mode()
    }

    /// Bytes that the script wrote.
    pub fn outgoing(&mut self, bytes: &[u8]) -> Step {
        let mut out = Vec::with_capacity(bytes.len());
        self.injector.push(bytes, &mut out);
        Step { bytes: out.into(), events: self.injector.events(), refused: None }
    }

    /// The script writes nothing more.
    pub fn outgoing_end(&mut self) -> Step {
        let mut out = Vec::new();
        self.injector.end(&mut out);
        Step { bytes: out.into(), events: self.injector.events(), refused: None }
    }

    /// The script wrote nothing for a while.
    pub fn outgoing_quiet(&mut self) -> Step {
        let mut out = Vec::new();
        self.injector.quiet(&mut out);
        Step { bytes: out.into(), events: self.injector.events(), refused: None }
    }

    /// How long to wait for more before [`Exchange::outgoing_quiet`]; `None` when nothing is kept that it would send.
    pub fn outgoing_patience(&self) -> Option<Duration> {
        self.injector.patience()
    }

    /// Bytes that the server sent.
    pub fn incoming(&mut self, bytes: &[u8]) -> Step {
        let mut out = Vec::with_capacity(bytes.len());
        self.redactor.push(bytes, &mut self.injector, &mut out);
        Step { bytes: out.into(), events: self.injector.events(), refused: self.redactor.refused() }
    }

    /// The server sends nothing more.
    pub fn incoming_end(&mut self) -> Step {
        let mut out = Vec::new();
        self.redactor.end(&mut out);
        Step { bytes: out.into(), events: Vec::new(), refused: None }
    }

    /// The server sent nothing for a while.
    pub fn incoming_quiet(&mut self) -> Step {
        let mut out = Vec::new();
        self.redactor.quiet(&mut out);
        Step { bytes: out.into(), events: Vec::new(), refused: None }
    }

    /// Bytes that are kept, in both directions.
    pub fn kept(&self) -> usize {
        self.injector.kept() + self.redactor.kept()
    }

    /// How long to wait for more before [`Exchange::incoming_quiet`]; `None` when nothing is kept that it would send.
    pub fn incoming_patience(&self) -> Option<Duration> {
        self.redactor.patience()
    }
}

#[cfg(test)]
mod tests;
