//! What an exchange tells: what it did with each secret, and why not.

use crate::policy::Destination;

/// What a connection is, as far as secrets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionMode {
    /// Requests are read.
    Http,
    /// Bytes pass as they are.
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

/// Why a set of secrets cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Empty, long, or with control characters.
    #[error("a secret's name has 1 to 100 characters, and no control characters")]
    Name,
    /// No value.
    #[error("a secret's value is empty")]
    Empty,
    /// Longer than [`super::MAX_VALUE`].
    #[error("a secret's value is longer than 4 KiB")]
    TooLong,
    /// More than 64 KiB.
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

/// Why bytes from the script are not HTTP/1.1 requests by the strict reading, over a connection that secrets may use.
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

/// Why a placeholder went out as it is.
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
        /// The reason.
        why: SkipReason,
    },
    /// No secret is placed on this connection any more.
    #[error("no secret is placed on this connection from here on: {0}")]
    Opaque(OpaqueReason),
}

/// An answer that cannot be searched, on a connection on which a secret was placed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it sent an answer in {0}, which was not asked for; what is compressed cannot be searched for the secret that was \
     placed on this connection, and is not passed on"
)]
pub struct Unsearchable(pub(super) String);
