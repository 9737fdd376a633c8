//! The lookup of names, by the system's name servers or by the operator's.

use super::messages::{Failed, Failure};
use crate::policy::{Destination, Host};
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ConnectionProvider, Resolver, ResolverBuilder, TokioResolver};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The time for one question to a name server.
const ASK_WITHIN: Duration = Duration::from_secs(3);
/// Most time that an answer is cached, whatever its TTL.
const KEPT: Duration = Duration::from_secs(30);

pub(super) struct Names<P: ConnectionProvider = TokioRuntimeProvider> {
    resolver: Resolver<P>,
}

impl Names {
    /// Reads the system's configuration, or uses `servers` when there are any. Call it before the process is locked.
    pub(super) fn new(servers: &[SocketAddr]) -> Result<Self, String> {
        let provider = TokioRuntimeProvider::default();
        let builder = if servers.is_empty() {
            TokioResolver::builder(provider).map_err(|error| format!("no name servers are known: {error}"))?
        } else {
            let server = |address: &SocketAddr| {
                let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
                for connection in &mut connections {
                    connection.port = address.port();
                }
                NameServerConfig::new(address.ip(), true, connections)
            };
            let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
            let mut builder = TokioResolver::builder_with_config(config, provider);
            *builder.options_mut() = ResolverOpts::default();
            // The operator's servers only: the machine's own table of hosts is not used.
            builder.options_mut().use_hosts_file = ResolveHosts::Never;
            builder
        };
        Names::of(builder)
    }
}

impl<P: ConnectionProvider> Names<P> {
    /// Looks names up as this configuration says, with our own bounds of time.
    pub(super) fn of(mut builder: ResolverBuilder<P>) -> Result<Self, String> {
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = ASK_WITHIN;
        options.attempts = 2;
        options.positive_max_ttl = Some(KEPT);
        options.negative_max_ttl = Some(KEPT);
        let resolver = builder.build().map_err(|error| error.to_string())?;
        Ok(Names { resolver })
    }

    /// Returns all addresses of a destination. The name is looked up once, as it is written, without search domains.
    pub(super) async fn look_up(&self, destination: &Destination) -> Result<Vec<IpAddr>, Failed> {
        let name = match destination.host() {
            Host::Address(address) => return Ok(vec![*address]),
            Host::Name(name) => name,
        };
        let found = self.resolver.lookup_ip(format!("{name}.")).await;
        match found {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) if error.is_no_records_found() || error.is_nx_domain() => {
                Err(Failed::new(Failure::NoName, format!("{name} is not known: there is no such name")))
            }
            Err(error) => Err(Failed::new(Failure::NoName, format!("{name} cannot be looked up: {error}"))),
        }
    }
}
