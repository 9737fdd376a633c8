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
//! **A guess has no answer**: a host may send back what a script asks it to, and the script sees what comes when. So
//! the end of what came is held whatever it is: by length (as long as a value may be, however it is written) or up to
//! the last line's end, and let go when the body ends or nothing more came for a fixed time. Beginnings of a value pass
//! like any other text. Only who sends a whole value learns something: that it is one. The price, where a secret is
//! granted for the host: the end of a message that no line's end closes comes 20 ms later on what is not HTTP, and 100
//! ms later within a streamed body; whole bodies and lines come as they are.
//!
//! **Compression**: what is compressed cannot be searched. Requests to a host that a secret is granted for ask for none
//! (`Accept-Encoding: identity`, no extensions of WebSocket); when an answer is compressed all the same on a connection
//! on which a secret was placed, the connection is broken off.
//!
//! **Memory** is bounded: a head (64 KiB, twice that with values), a body that is collected (1 MiB, 2 MiB with values),
//! twice the longest spelling of a value, and the beginning of a placeholder that a piece ends with.
//!
//! **What this cannot prevent**: a granted host that hands the secret on, or hands it back in a form that is not looked
//! for; a server and a script that agree to send it slowly, piece by piece (a range of a document, a part of a field),
//! or changed. A grant is trust in the host. Methods and paths narrow a grant as far as the server reads them as they
//! are written.

mod blind;
mod body_encoding;
mod encodings;
mod escapes;
mod http;
mod inject;
mod inject_head;
mod matcher;
mod overrides;
mod reasons;
mod redact_output;
mod redact_response;
mod request;
mod search;
mod secrets;
mod target;

pub use reasons::{ConnectionMode, SecretError, SecretEvent};
pub use redact_output::{RedactingStream, Redactor};
pub use secrets::{MAX_VALUE, RequestParts, Secret, Secrets};

use crate::policy::Destination;
use bytes::Bytes;
use inject::Injector;
use reasons::Unsearchable;
use redact_response::ResponseRedactor;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What one call gave.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// To be sent on, in this direction.
    pub bytes: Bytes,
    /// To be told.
    pub events: Vec<SecretEvent>,
    /// Why nothing more is passed on: the connection is to be broken off.
    pub refused: Option<Unsearchable>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("bytes", &self.bytes.len()).field("events", &self.events).finish()
    }
}

/// The two directions of one connection.
///
/// Both directions keep bytes until more is known: the beginning of a first line on the way out, what may belong to a
/// value on the way in. After every call [`Exchange::outgoing_patience`] and [`Exchange::incoming_patience`] say
/// whether that is so; when nothing comes for that long, the caller calls [`Exchange::outgoing_quiet`] or
/// [`Exchange::incoming_quiet`]. Without that, a protocol whose message ends with such bytes would wait for ever.
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
    /// `mode` is [`ConnectionMode::Http`] over TLS whose certificate was verified for the destination, and
    /// [`ConnectionMode::Opaque`] over anything else.
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
