//! A pattern: a host, or all hosts below a name, on some ports.

use super::host::{Destination, Host, HostError, quote};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::str::FromStr;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Hosts {
    One(Host),
    /// All names below this one.
    Below(String),
    All,
}

impl Hosts {
    fn contains(&self, host: &Host) -> bool {
        match (self, host) {
            (Hosts::All, _) => true,
            (Hosts::One(own), host) => own == host,
            (Hosts::Below(base), Host::Name(name)) => is_below(name, base),
            (Hosts::Below(_), Host::Address(_)) => false,
        }
    }

    fn covers(&self, other: &Hosts) -> bool {
        match (self, other) {
            (own, Hosts::One(host)) => own.contains(host),
            (Hosts::Below(base), Hosts::Below(name)) => base == name || is_below(name, base),
            (Hosts::All, _) => true,
            _ => false,
        }
    }
}

fn is_below(name: &str, base: &str) -> bool {
    name.strip_suffix(base).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Ports {
    /// 80 and 443: the pattern has no port.
    Web,
    One(u16),
    /// Only in `*`.
    All,
}

impl Ports {
    fn contains(self, port: u16) -> bool {
        match self {
            Ports::Web => port == 80 || port == 443,
            Ports::One(own) => own == port,
            Ports::All => true,
        }
    }

    fn covers(self, other: Ports) -> bool {
        self == Ports::All || self == other || matches!(other, Ports::One(port) if self.contains(port))
    }
}

/// A host, or all hosts below a name, on one port or on ports 80 and 443.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern {
    hosts: Hosts,
    ports: Ports,
}

impl HostPattern {
    /// Parses a pattern. `*` and `*:443`, which are for operators, are accepted too.
    pub fn parse_operator(text: &str) -> Result<Self, HostError> {
        let (host, port) = split_port(text)?;
        let ports = match port {
            Some(port) => Ports::One(port),
            None if host == "*" => Ports::All,
            None => Ports::Web,
        };
        let hosts = match host.strip_prefix("*.") {
            _ if host == "*" => Hosts::All,
            Some("") => return Err(HostError::Wildcard(quote(text))),
            Some(base) => match Host::parse(base)? {
                Host::Name(base) if base.contains('.') => Hosts::Below(base),
                Host::Name(_) => return Err(HostError::TooWide(quote(text))),
                Host::Address(_) => return Err(HostError::Wildcard(quote(text))),
            },
            None => Hosts::One(Host::parse(host)?),
        };
        Ok(HostPattern { hosts, ports })
    }

    /// Returns the narrowest pattern that matches a destination.
    pub(super) fn exactly(destination: &Destination) -> Self {
        let port = destination.port;
        let ports = if Ports::Web.contains(port) { Ports::Web } else { Ports::One(port) };
        HostPattern { hosts: Hosts::One(destination.host.clone()), ports }
    }

    /// Returns true when the pattern matches the destination.
    pub fn matches(&self, destination: &Destination) -> bool {
        self.hosts.contains(&destination.host) && self.ports.contains(destination.port)
    }

    /// The same, but a pattern without a port matches every port.
    pub(crate) fn matches_on_any_port(&self, destination: &Destination) -> bool {
        let port = self.ports == Ports::Web || self.ports.contains(destination.port);
        port && self.hosts.contains(&destination.host)
    }

    /// Returns true when `other` matches everything that this pattern matches.
    pub fn covered_by(&self, other: &HostPattern) -> bool {
        other.hosts.covers(&self.hosts) && other.ports.covers(self.ports)
    }

    /// Returns the pattern of what both match. Hosts form a tree and ports three sets: of each pair one contains the
    /// other, or they are disjoint.
    pub fn intersect(&self, other: &HostPattern) -> Option<HostPattern> {
        let hosts = match (self.hosts.covers(&other.hosts), other.hosts.covers(&self.hosts)) {
            (true, _) => &other.hosts,
            (_, true) => &self.hosts,
            _ => return None,
        };
        let ports = match (self.ports.covers(other.ports), other.ports.covers(self.ports)) {
            (true, _) => other.ports,
            (_, true) => self.ports,
            _ => return None,
        };
        Some(HostPattern { hosts: hosts.clone(), ports })
    }
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(text: &str) -> Result<(&str, Option<u16>), HostError> {
    if text.contains("://") {
        return Err(HostError::NotAlone(quote(text)));
    }
    let after_host = match text.strip_prefix('[') {
        Some(inner) => inner.find(']').ok_or_else(|| HostError::Brackets(quote(text)))? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(after_host);
    if port.is_empty() {
        return Ok((host, None));
    }
    let digits = port.strip_prefix(':').ok_or_else(|| HostError::Brackets(quote(text)))?;
    if digits.contains(|c| "/@?#\\".contains(c)) {
        return Err(HostError::NotAlone(quote(text)));
    }
    if digits.contains(':') {
        return Err(HostError::Brackets(quote(text)));
    }
    let canonical = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    match digits.parse() {
        Ok(port) if canonical => Ok((host, Some(port))),
        _ => Err(HostError::Port(quote(digits))),
    }
}

impl FromStr for HostPattern {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let pattern = Self::parse_operator(text)?;
        if pattern.hosts == Hosts::All { Err(HostError::Everything(quote(text))) } else { Ok(pattern) }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts {
            Hosts::One(host) => host.fmt(f)?,
            Hosts::Below(base) => write!(f, "*.{base}")?,
            Hosts::All => f.write_str("*")?,
        }
        match self.ports {
            Ports::One(port) => write!(f, ":{port}"),
            Ports::Web | Ports::All => Ok(()),
        }
    }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
