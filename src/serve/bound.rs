//! Where a node listens, and who comes in there without a token.

use super::places::taken;
use super::{Config, ServeError, Setup, failed};
use crate::http::{AnonymousAccess, Listener};
use std::net::SocketAddr;

/// Where a node listens.
pub(super) struct BoundAddress {
    /// For people.
    pub(super) url: String,
    /// None of a socket of files.
    tcp: Option<SocketAddr>,
    /// Who comes in there without a token.
    anonymous_access: AnonymousAccess,
}

impl BoundAddress {
    pub(super) fn of(listener: &Listener) -> Self {
        BoundAddress { url: listener.url(), tcp: listener.tcp(), anonymous_access: listener.anonymous_access() }
    }
}

/// Listens where the configuration says.
pub(super) async fn listen(config: &Config, setup: &Setup) -> Result<Vec<Listener>, ServeError> {
    let mut listeners = Vec::new();
    for (address, speaks_tls) in config.listening.addresses() {
        let listener = Listener::bind(address).await.map_err(|error| taken(address, &error))?;
        listeners.push(match setup.tls.clone().filter(|_| speaks_tls) {
            Some(tls) => listener.with_tls(tls),
            None => listener,
        });
    }
    Ok(listeners)
}

/// Who comes in without a token, of all places where the node listens. One that other machines can reach needs a token
/// first.
pub(super) fn reach(addresses: &[BoundAddress], has_tokens: bool) -> Result<AnonymousAccess, ServeError> {
    let find = |access| addresses.iter().find(|address| address.anonymous_access == access);
    if let Some(address) = find(AnonymousAccess::Nobody).and_then(|address| address.tcp).filter(|_| !has_tokens) {
        return Err(failed(format_args!(
            "{address} can be reached from other machines, and there is no token yet: make one with `cronbox token create`, or name a \
             file for the first with CRONBOX_ADMIN_TOKEN_FILE; or listen on 127.0.0.1"
        )));
    }
    let kinds = [AnonymousAccess::Loopback, AnonymousAccess::Unix];
    Ok(kinds.into_iter().find(|kind| find(*kind).is_some()).unwrap_or(AnonymousAccess::Nobody))
}
