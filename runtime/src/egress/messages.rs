//! What node, egress process and sandbox processes say to one another about the network.
//!
//! Between a sandbox process and the egress process the number in a frame's header is that of a channel, which the
//! sandbox process gave it. Neither believes the other: the sandbox process may have been taken over, and what it asks
//! for is held against the grants that the node gave for it.

use super::address::Networks;
use super::exchange::Secret;
use crate::frame::{FrameKind, MalformedFrame, RunNumber};
use crate::outcome::HostUsage;
use crate::policy::{HostPattern, Policy};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Bytes that may be on their way in one direction of a channel before the other side has taken any.
pub(crate) const WINDOW: u32 = 256 << 10;
/// Channels of a run at once, whatever its grant says: what a sandbox process keeps for it is bounded by it.
pub(crate) const MAX_CHANNELS: usize = 128;

/// Most sentences about a run.
pub(crate) const MAX_NOTES: usize = 10;
/// Most hosts that are told apart in what a run used.
pub(crate) const MAX_HOSTS: usize = 100;

/// What only the node and a sandbox process that runs it know of it.
pub(crate) type Token = [u8; 16];

/// What a run may use of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// Connections at once.
    pub at_once: u32,
    /// Connections in all.
    pub in_all: u32,
    /// Bytes received in all.
    pub received: u64,
    /// Bytes sent in all.
    pub sent: u64,
    /// The time to look up a name and connect, and the time of a TLS handshake.
    pub connect: Duration,
    /// The time from the first bytes sent on a connection to the first received.
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

/// What a run is granted on the network.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NetworkGrant {
    /// Which hosts it may reach.
    pub policy: Policy,
    /// Addresses that are not everybody's, and that it may reach by the names that go with them.
    pub networks: Networks,
    /// Hosts whose certificate need not prove their name.
    pub unverified: Vec<HostPattern>,
    /// What it may use.
    pub caps: Caps,
    /// Values that are put in where the script wrote placeholders.
    pub secrets: Vec<Secret>,
}

/// Node to egress process, once: how it looks names up and whom it believes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Name servers instead of the system's.
    pub(crate) dns: Vec<std::net::SocketAddr>,
    /// Certificates of authorities (PEM) beside the system's.
    pub(crate) authorities: String,
}

/// Node to egress process: what a run in a sandbox process may do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// The sandbox process.
    pub(crate) link: u64,
    pub(crate) token: Token,
    pub(crate) grant: NetworkGrant,
}

/// Node to egress process: no more of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Revoke {
    pub(crate) link: u64,
}

/// Egress process to node: what a revoked grant was used for.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct NetworkUsage {
    pub(crate) link: u64,
    pub(crate) hosts: Vec<HostUsage>,
    /// Sentences about what was denied, and what became of secrets.
    pub(crate) notes: Vec<String>,
}

/// Egress process to node: a sandbox process broke the rules of its link.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Violation {
    pub(crate) link: u64,
    pub(crate) why: String,
}

/// Sandbox process to egress process: a connection is wanted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) run: RunNumber,
    pub(crate) token: Token,
    pub(crate) name: String,
    pub(crate) port: u16,
}

/// Sandbox process to egress process: the connection goes on in TLS.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StartTls {
    pub(crate) name: String,
    pub(crate) verify: bool,
    pub(crate) protocols: Vec<String>,
}

/// Egress process to sandbox process: TLS was agreed upon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) version: String,
    pub(crate) cipher: String,
    pub(crate) protocol: Option<String>,
    pub(crate) certificate: Vec<u8>,
}

/// Why there is no connection, or none any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    /// A sentence.
    pub(crate) text: String,
}

/// What kept a connection from being made or used.
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

/// The payload of a window frame: so many more bytes may come.
pub(crate) fn window(bytes: u32) -> [u8; 4] {
    bytes.to_le_bytes()
}

pub(crate) fn read_window(payload: &[u8]) -> Result<u32, MalformedFrame> {
    payload.try_into().map(u32::from_le_bytes).map_err(|_| MalformedFrame(FrameKind::Window))
}
