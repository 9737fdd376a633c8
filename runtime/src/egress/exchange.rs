//! Secrets on a connection: a script has a placeholder, and outside of its sandbox the value replaces it.
//!
//! An [`Exchange`] is between the script's bytes and one connection, in both directions. It does no input or output: it
//! receives bytes in pieces of any size, and returns bytes and [`SecretEvent`]s.
//!
//! **To the server**, over verified TLS:
//! - While the bytes are HTTP/1.1 requests by a strict reading (one `Host`, which is the connected host; one way
//!   of framing; no folded lines, bare CR, LF or NUL; a head of at most 64 KiB and 200 fields), a secret granted for
//!   this host, method and path replaces its placeholder in the values of headers, within `Authorization: Basic`, and,
//!   where its grant says so, in the query and in bodies with `Content-Length` of at most 1 MiB. Never in the method,
//!   the path, a header's name, a trailer, or a header that frames or routes.
//! - From the first byte that does not fit, after an accepted `Upgrade`, and for other protocols, the connection is
//!   opaque: all bytes pass unchanged, placeholders too, and no secret is injected any more. So a malformed or smuggled
//!   request carries no secret: a request that two readers could read differently gets none.
//! - A connection without TLS, or whose server did not prove its name, is opaque from its beginning.
//!
//! **To the script**: values become placeholders again in the heads of responses. In bodies, and in bytes that cannot
//! be read as responses, each byte of a value becomes `*`, so that lengths do not change. The search is for the values
//! of secrets that are granted for the connected host, in the encodings of [`Redactor`], over verified TLS. Elsewhere
//! there is no search, because a replacement tells the sender that a guess was right.
//!
//! **A guess gets no answer**: a host can send back what a script asks for, and the script sees what arrives when. So
//! the end of received bytes is always held: by length (the longest spelling of a value) or up to the end of the last
//! line. It is released when the body ends, or when nothing is received for a fixed time. The start of a value passes
//! like other text. Only a sender of a whole value learns something: that it is one. The price, where a secret is
//! granted for the host: the end of a message without a line end is 20 ms later on other protocols than HTTP, and 100
//! ms later in a streamed body. Whole bodies and lines are not delayed.
//!
//! **Compression**: compressed bytes cannot be searched. Requests to a host that a secret is granted for ask for none
//! (`Accept-Encoding: identity`, no extensions of WebSocket). When a response is compressed anyway on a connection on
//! which a secret was injected, the connection is closed.
//!
//! **Memory** is bounded: a head (64 KiB, 128 KiB with values), a collected body (1 MiB, 2 MiB with values), twice the
//! longest spelling of a value, and the start of a placeholder at the end of a piece.
//!
//! **Not prevented**: a granted host that passes the secret on, or returns it in an encoding that is not searched; a
//! server and a script that agree to send it slowly, piece by piece (a range of a document, a part of a field), or
//! changed. A grant is trust in the host. Methods and paths narrow a grant only when the server reads them as they are
//! written.

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

/// The result of one call.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// The bytes to send on, in the same direction.
    pub bytes: Bytes,
    /// The events to report.
    pub events: Vec<SecretEvent>,
    /// The reason to close the connection: nothing more is passed on.
    pub refused: Option<Unsearchable>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("bytes", &self.bytes.len()).field("events", &self.events).finish()
    }
}

/// The two directions of one connection. Both directions keep bytes until more is known: the start of a first line on
/// the way out, and possible parts of a value on the way in. After every call [`Exchange::outgoing_patience`] and
/// [`Exchange::incoming_patience`] return the time to wait, if bytes are kept. When nothing comes in this time, call
/// [`Exchange::outgoing_quiet`] or
/// [`Exchange::incoming_quiet`]; otherwise a protocol whose message ends with such bytes would wait without end.
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
    /// Makes an exchange. `mode` is [`ConnectionMode::Http`] only over TLS whose certificate was verified for the
    /// destination.
    pub fn new(secrets: Arc<Secrets>, destination: Destination, mode: ConnectionMode) -> Result<Self, SecretError> {
        let searched = secrets.searched_for(&destination, mode)?;
        let redactor = ResponseRedactor::new(Arc::clone(&secrets), searched, mode);
        Ok(Exchange { redactor, injector: Injector::new(secrets, destination, mode) })
    }

    /// Returns the present mode of the connection.
    pub fn mode(&self) -> ConnectionMode {
        self.injector.mode()
    }

    /// Takes bytes that the script wrote.
    pub fn outgoing(&mut self, bytes: &[u8]) -> Step {
        let mut out = Vec::with_capacity(bytes.len());
        self.injector.push(bytes, &mut out);
        Step { bytes: out.into(), events: self.injector.events(), refused: None }
    }

    /// Takes the end of the script's bytes.
    pub fn outgoing_end(&mut self) -> Step {
        let mut out = Vec::new();
        self.injector.end(&mut out);
        Step { bytes: out.into(), events: self.injector.events(), refused: None }
    }

    /// Takes the news that the script wrote nothing for the time of [`Exchange::outgoing_patience`].
    pub fn outgoing_quiet(&mut self) -> Step {
        let mut out = Vec::new();
        self.injector.quiet(&mut out);
        Step { bytes: out.into(), events: self.injector.events(), refused: None }
    }

    /// Returns the time to wait for more before [`Exchange::outgoing_quiet`]; none when it would send nothing.
    pub fn outgoing_patience(&self) -> Option<Duration> {
        self.injector.patience()
    }

    /// Takes bytes that the server sent.
    pub fn incoming(&mut self, bytes: &[u8]) -> Step {
        let mut out = Vec::with_capacity(bytes.len());
        self.redactor.push(bytes, &mut self.injector, &mut out);
        Step { bytes: out.into(), events: self.injector.events(), refused: self.redactor.refused() }
    }

    /// Takes the end of the server's bytes.
    pub fn incoming_end(&mut self) -> Step {
        let mut out = Vec::new();
        self.redactor.end(&mut out);
        Step { bytes: out.into(), events: Vec::new(), refused: None }
    }

    /// Takes the news that the server sent nothing for the time of [`Exchange::incoming_patience`].
    pub fn incoming_quiet(&mut self) -> Step {
        let mut out = Vec::new();
        self.redactor.quiet(&mut out);
        Step { bytes: out.into(), events: Vec::new(), refused: None }
    }

    /// Returns the bytes that are kept, in both directions.
    pub fn kept(&self) -> usize {
        self.injector.kept() + self.redactor.kept()
    }

    /// Returns the time to wait for more before [`Exchange::incoming_quiet`]; none when it would send nothing.
    pub fn incoming_patience(&self) -> Option<Duration> {
        self.redactor.patience()
    }
}

#[cfg(test)]
mod tests;
