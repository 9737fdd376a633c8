//! The network, for scripts that were granted some: by name, with TLS and secrets outside of the sandbox.
//!
//! [`process`] is the egress process, one a node; a [`connection`] in it is decided upon by [`crate::policy`], looked
//! up by
//! [`names`], checked by [`address`], made, and carried, in TLS where [`secure`] agrees, with [`exchange`] putting
//! secrets in on the way out and taking them back on the way in. [`messages`] is what it is told and tells.

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
mod process;
mod sandbox_link;
mod secure;

pub use address::{Network, NetworkError, Networks};
pub use exchange::{MAX_VALUE as MAX_SECRET, RedactingStream, Redactor, RequestParts, Secret, SecretError};
pub use messages::{Caps, NetworkGrant};
pub(crate) use process::egress_process;
