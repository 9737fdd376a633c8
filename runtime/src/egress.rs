//! The network of scripts: connections by name, with TLS and secrets outside of the sandbox.
//!
//! [`process`] is the egress process; a node has one. It holds the [`grants`] of runs and a [`sandbox_link`] to each
//! sandbox process, with an [`inbox`] for each channel. [`connect`] makes a connection: [`crate::policy`] decides,
//! [`names`] looks the name up, [`address`] checks the addresses. [`connection`] and [`carry`] carry its bytes, in TLS
//! by [`secure`]; [`exchange`] puts secrets into requests and takes them out of responses. [`outbound`] sends messages of
//! the node itself. [`messages`] are those of its links.

pub(crate) mod address;
mod buffers;
mod carry;
mod connect;
mod connection;
pub(crate) mod exchange;
mod grants;
mod inbox;
pub(crate) mod messages;
mod names;
mod outbound;
mod process;
#[cfg(test)]
pub(crate) mod readers;
mod sandbox_link;
mod secure;

pub use address::{Network, NetworkError, Networks};
pub use exchange::{MAX_VALUE as MAX_SECRET, RedactingStream, Redactor, RequestParts, Secret, SecretError};
pub use messages::{Caps, NetworkGrant};
pub use outbound::{HttpMessage, MailMessage, MailTls, Outbound, OutboundAnswer, OutboundFailure, OutboundMessage};
pub(crate) use process::egress_process;
