//! The events of an exchange, and the reasons why a secret is not injected.

use crate::policy::Destination;

/// The way in which an exchange treats a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionMode {
    /// Requests are parsed.
    Http,
    /// Bytes pass unchanged.
    Opaque,
}

/// One of [`super::RequestParts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestPart {
    /// [`super::RequestParts::headers`]
    #[error("headers")]
    Headers,
    /// [`super::RequestParts::query`]
    #[error("the query")]
    Query,
    /// [`super::RequestParts::body`]
    #[error("bodies")]
    Body,
}

/// An error in a set of secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The name is empty, too long, or has control characters.
    #[error("a secret's name has 1 to 100 characters, and no control characters")]
    Name,
    /// The value is empty.
    #[error("a secret's value is empty")]
    Empty,
    /// The value is longer than [`super::MAX_VALUE`].
    #[error("a secret's value is longer than 4 KiB")]
    TooLong,
    /// All values together are longer than 64 KiB.
    #[error("the values of the secrets of one run are too long together")]
    TooMuch,
    /// The placeholder is too short, or has characters that are encoded in some places.
    #[error("the placeholder of {0} is not valid: it has 16 to 200 letters, digits, - and _")]
    Placeholder(String),
    /// One placeholder contains another.
    #[error("the placeholders of {0} and {1} cannot be told apart")]
    Ambiguous(String, String),
    /// A method that is not in capitals.
    #[error("{0} is granted for something that is not a method in capitals")]
    Method(String),
    /// A path that does not start with `/`.
    #[error("{0} is granted for something that is not a path: a path begins with /")]
    Path(String),
}

/// The reason why a connection is opaque: its bytes are not HTTP/1.1 requests by the strict reading, or it is not
/// proven.
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
    #[error("a trailer of the request is one that only a header can be")]
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

/// The reason why a placeholder was sent unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// The connection is opaque.
    #[error("{0}")]
    Opaque(OpaqueReason),
    /// The secret is for another host.
    #[error("it is not granted for {0}")]
    Host(Destination),
    /// The secret is for another method.
    #[error("it is not granted for {0}")]
    Method(String),
    /// A header can make the server use another method or path than the one that was checked.
    #[error("it is granted for some methods or paths only, and the header {0} can change them")]
    Override(String),
    /// A parameter in the query or the body can do the same.
    #[error("it is granted for some methods only, and a parameter such as _method can change them")]
    Parameter,
    /// The body could have such a parameter and cannot be searched.
    #[error("it is granted for some methods only, and the body, which can change them, cannot be looked at: {0}")]
    UnreadBody(Box<SkipReason>),
    /// The secret is for another path.
    #[error("it is granted for {0} and what is below it only")]
    Path(String),
    /// The path can be read in several ways: `/v1/%2e%2e/admin`.
    #[error("it is granted for some paths only, and this one can be read in more than one way")]
    PathUnclear,
    /// The request follows a body that some servers leave unread and parse as the next request.
    #[error(
        "it is granted for some methods or paths only, and servers differ on where the request before this one ended"
    )]
    Doubtful,
    /// The secret is for another part of the request.
    #[error("it is not granted for {0}")]
    Part(RequestPart),
    /// The header is for the host, the framing or the connection.
    #[error("a secret is never placed in the header {0}")]
    Header(&'static str),
    /// The placeholder is in the path.
    #[error("a secret is never placed in the path of a URL")]
    InPath,
    /// The placeholder is anywhere else in a head.
    #[error("a secret is never placed in a method, a header's name or a trailer")]
    Elsewhere,
    /// The value has CR, LF, NUL or the like.
    #[error("its value has a line break or another control character, which no header can hold")]
    Control,
    /// The value is not text, and the body is JSON.
    #[error("its value is not text, which a body of JSON needs")]
    NotText,
    /// The request would be too large with the values in it.
    #[error("the request would become too large with it")]
    TooLarge,
    /// The body has no `Content-Length`.
    #[error("the request's body is sent in chunks: send it with Content-Length")]
    ChunkedBody,
    /// The body is compressed.
    #[error("the request's body is compressed or otherwise encoded")]
    EncodedBody,
    /// The body has more than 1 MiB.
    #[error("the request's body is larger than 1 MiB")]
    LargeBody,
    /// With `Expect: 100-continue` the head is sent before the body.
    #[error("the request's body is sent after an answer only (Expect)")]
    Expect,
}

/// An event of an exchange: once per request and secret, or once on an opaque stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretEvent {
    /// A placeholder was replaced.
    #[error("the secret {name} was placed")]
    Injected {
        /// The secret's name.
        name: String,
    },
    /// A placeholder was sent unchanged.
    #[error("the secret {name} was not placed: {why}")]
    NotInjected {
        /// The secret's name.
        name: String,
        /// The reason.
        why: SkipReason,
    },
    /// No secret is injected on this connection any more.
    #[error("no secret is placed on this connection from here on: {0}")]
    Opaque(OpaqueReason),
}

/// A response that cannot be searched, on a connection on which a secret was injected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it sent an answer in {0}, which was not asked for; what is compressed cannot be searched for the secret that was \
     placed on this connection, and is not passed on"
)]
pub struct Unsearchable(pub(super) String);
