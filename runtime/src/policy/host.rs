//! A host in its one parsed form, and where a script wants to connect to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest name, in bytes, and longest label: RFC 1035, 2.3.4.
const MAX_NAME: usize = 253;

const MAX_LABEL: usize = 63;

/// An error in a host, a pattern or a destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The text is empty.
    #[error("the host is empty: write the host alone: api.example.com")]
    Empty,
    /// A URL or a part of one.
    #[error("{0} is more than a host: write the host alone: api.example.com")]
    NotAlone(String),
    /// `*` in the wrong place.
    #[error("{0} cannot be a pattern: * may only stand for the whole first label, as in *.example.com")]
    Wildcard(String),
    /// `*.com`
    #[error("{0} is too wide a pattern: at least two labels must follow *, as in *.example.com")]
    TooWide(String),
    /// `*`
    #[error("{0} would allow every host, which only the operator's ceiling may say")]
    Everything(String),
    /// Not 1 to 65535.
    #[error("{0} is not a port: ports are 1 to 65535, one of them or none: api.example.com:8443")]
    Port(String),
    /// An address that is not in its canonical form.
    #[error("{0} is not in canonical form: write the address as {1}")]
    NotCanonical(String, IpAddr),
    /// A number that is not a canonical address.
    #[error("{0} is neither a name nor an address: write an address in full, as in 10.1.2.3")]
    Numeric(String),
    /// An IPv6 address without brackets, or brackets around something else.
    #[error("{0} is not a host: write an IPv6 address in brackets, without a zone: [fd00::1]:443")]
    Brackets(String),
    /// Not a name by the rules of DNS and IDNA.
    #[error("{0} is not a host name")]
    Name(String),
}

/// Returns the user's text, shortened and escaped for an error message.
pub(super) fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(100).flat_map(char::escape_debug).collect();
    if text.chars().nth(100).is_some() {
        quoted.push('…');
    }
    quoted
}

/// A host in its one parsed form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// Lower-case A-labels, no final dot.
    Name(String),
    /// An address: it needs no lookup.
    Address(IpAddr),
}

impl Host {
    /// Parses a host. Brackets around an IPv6 address are optional: a script gives the port separately.
    pub(super) fn parse(text: &str) -> Result<Self, HostError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or_else(|| HostError::Brackets(quote(text)))?;
            return Self::v6(inner, text);
        }
        if text.contains(':') && !text.contains("://") {
            return Self::v6(text, text);
        }
        if text.contains(|c: char| "/\\@?#%:[]".contains(c) || c.is_whitespace() || c.is_control()) {
            return Err(HostError::NotAlone(quote(text)));
        }
        let name = idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::EMPTY)
            .map_err(|_| HostError::Name(quote(text)))?;
        // The checks come after the mapping, which makes `127.1` of `１２７.１`.
        let whole = name.strip_suffix('.').unwrap_or(&name);
        if whole.is_empty() {
            return Err(if text.is_empty() { HostError::Empty } else { HostError::Name(quote(text)) });
        }
        if whole.contains('*') {
            return Err(HostError::Wildcard(quote(text)));
        }
        let last = whole.rsplit('.').next().unwrap_or_default();
        if is_number(last) {
            // Rust parses only the canonical form: four decimal numbers without leading zeros.
            return match text.parse::<Ipv4Addr>() {
                Ok(address) => Ok(Host::Address(address.into())),
                Err(_) => Err(HostError::Numeric(quote(text))),
            };
        }
        if whole.len() > MAX_NAME || !whole.split('.').all(is_label) {
            return Err(HostError::Name(quote(text)));
        }
        Ok(Host::Name(whole.to_owned()))
    }

    fn v6(inner: &str, whole: &str) -> Result<Self, HostError> {
        let address: Ipv6Addr = inner.parse().map_err(|_| HostError::Brackets(quote(whole)))?;
        if address.to_string() != inner.to_ascii_lowercase() {
            return Err(HostError::NotCanonical(quote(whole), address.into()));
        }
        Ok(Host::Address(address.into()))
    }
}

/// Returns true when a resolver could read a name that ends in this label as an address: `7`, `0x7f`, `0x`.
fn is_number(label: &str) -> bool {
    let digits = label.bytes().all(|b| b.is_ascii_digit());
    (digits && !label.is_empty())
        || label.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Returns true for a label of a host name. `_` is accepted, because many names in private networks have it.
fn is_label(label: &str) -> bool {
    let inner = label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
    inner && !label.is_empty() && label.len() <= MAX_LABEL && !label.starts_with('-') && !label.ends_with('-')
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => address.fmt(f),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// A host and port that a script wants to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    pub(super) host: Host,
    pub(super) port: u16,
}

impl Destination {
    /// Parses the name and port that the script gave.
    pub fn parse(name: &str, port: u16) -> Result<Self, HostError> {
        if port == 0 {
            return Err(HostError::Port("0".into()));
        }
        Ok(Destination { host: Host::parse(name)?, port })
    }

    /// Returns the host: for the lookup, the certificate and the `Host` header.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
