//! The messages of node, egress process and sandbox processes about the network.
//!
//! Between a sandbox process and the egress process the number in a frame's header is that of a channel, which the
//! sandbox process gave it. The egress process does not trust it: the sandbox process can be compromised, and what it
//! asks for is held against the grants that the node gave for it.

use super::address::Networks;
use super::exchange::Secret;
use crate::frame::{FrameKind, MalformedFrame, RunNumber};
use crate::outcome::{Connection, HostUsage};
use crate::policy::{HostPattern, Policy};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Bytes that can be sent in one direction of a channel before the other side has taken any.
pub(crate) const WINDOW: u32 = 256 << 10;
/// Most channels of a run at one time, whatever its grant says. It bounds the memory of a sandbox process.
pub(crate) const MAX_CHANNELS: usize = 128;

/// Most notes of a run.
pub(crate) const MAX_NOTES: usize = 10;
/// Most hosts in the usage of a run.
pub(crate) const MAX_HOSTS: usize = 100;
/// The most connections of a run that are reported one by one.
pub(crate) const MAX_CONNECTIONS: usize = 64;

/// The secret of a run, which only the node, the egress process and its sandbox process know.
pub(crate) type Token = [u8; 16];

/// Limits of a run on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// Most connections at one time.
    pub at_once: u32,
    /// Most connections in total.
    pub in_all: u32,
    /// Most bytes received.
    pub received: u64,
    /// Most bytes sent.
    pub sent: u64,
    /// The time for the lookup and the connection, and the time for a TLS handshake.
    pub connect: Duration,
    /// The time from the first bytes sent on a connection to the first bytes received.
    pub first_byte: Duration,
}

impl Default for Caps {
    fn default() -> Self {
        Caps {
            at_once: 64,
            in_all: 10_000,
            received: 256 << 20,
            sent: 256 << 20,
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(120),
        }
    }
}

/// The grant of a run on the network.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NetworkGrant {
    /// The hosts that it can connect to.
    pub policy: Policy,
    /// The operator's exceptions: addresses that are not public and can be reached by certain names.
    pub networks: Networks,
    /// Hosts whose certificates are not verified when the script says so.
    pub unverified: Vec<HostPattern>,
    /// The limits.
    pub caps: Caps,
    /// Secrets whose values replace the placeholders that the script writes.
    pub secrets: Vec<Secret>,
}

/// Node to egress process, once: name servers and trusted authorities.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Name servers to use instead of the system's.
    pub(crate) dns: Vec<std::net::SocketAddr>,
    /// Certificates of authorities (PEM) in addition to the system's.
    pub(crate) authorities: String,
}

/// Node to egress process: the grant of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// The number of its sandbox process.
    pub(crate) link: u64,
    pub(crate) token: Token,
    pub(crate) grant: NetworkGrant,
}

/// Node to egress process: the end of a grant.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Revoke {
    pub(crate) link: u64,
}

/// Egress process to node: the use of a grant that has ended.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct NetworkUsage {
    pub(crate) link: u64,
    pub(crate) hosts: Vec<HostUsage>,
    /// The connections that ended first, at most [`MAX_CONNECTIONS`].
    #[serde(default)]
    pub(crate) connections: Vec<Connection>,
    /// Notes on refused connections and on secrets.
    pub(crate) notes: Vec<String>,
}

/// Egress process to node: a sandbox process violated the protocol of its link.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Violation {
    pub(crate) link: u64,
    pub(crate) why: String,
}

/// Sandbox process to egress process: a request for a connection.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) run: RunNumber,
    pub(crate) token: Token,
    pub(crate) name: String,
    pub(crate) port: u16,
}

/// Sandbox process to egress process: a request to start TLS.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StartTls {
    pub(crate) name: String,
    pub(crate) verify: bool,
    pub(crate) protocols: Vec<String>,
}

/// Egress process to sandbox process: the TLS session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) version: String,
    pub(crate) cipher: String,
    pub(crate) protocol: Option<String>,
    pub(crate) certificate: Vec<u8>,
}

/// The reason why a connection was not made, or has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    /// The reason as a sentence.
    pub(crate) text: String,
}

/// The kinds of failure of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Failure {
    Denied,
    NoName,
    Refused,
    Unreachable,
    TimedOut,
    Reset,
    Tls,
    Certificate,
}

impl Failed {
    pub(crate) fn new(failure: Failure, text: impl Into<String>) -> Self {
        Failed { failure, text: text.into() }
    }
}

/// Encodes the payload of a window frame: the number of bytes that can be sent in addition.
pub(crate) fn window(bytes: u32) -> [u8; 4] {
    bytes.to_le_bytes()
}

pub(crate) fn read_window(payload: &[u8]) -> Result<u32, MalformedFrame> {
    payload.try_into().map(u32::from_le_bytes).map_err(|_| MalformedFrame(FrameKind::Window))
}
