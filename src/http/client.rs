//! Who sends a request, and how it came here.

use std::net::IpAddr;
use std::sync::Arc;

/// Who comes in without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnonymousAccess {
    /// The user of this machine, when no token was made: the listener is a loopback address. Names of other hosts and pages
    /// of other origins are refused, so that a page in a browser cannot come in.
    Loopback,
    /// Whoever may open the socket, when no token was made.
    Unix,
    /// Nobody.
    Nobody,
}

/// Who sends a request.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// None when it came through a socket of files.
    pub(super) address: Option<IpAddr>,
    /// Who comes in without a token where the request arrived.
    pub(super) anonymous_access: AnonymousAccess,
    /// Whether a proxy passed it on: then it is not of whoever the connection is of.
    pub(super) is_forwarded: bool,
    /// The path before every address that the client uses, when a proxy says so.
    pub(super) prefix: Option<Arc<str>>,
}

/// The path before every address that the client of a request uses; may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base(pub Arc<str>);

/// The longest path before others.
const MOST: usize = 200;

/// Whether a path can be before others: a slash, then letters, digits and - . _ ~, no slash at its end.
pub fn is_base(path: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    path.len() <= MOST && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain))
}
