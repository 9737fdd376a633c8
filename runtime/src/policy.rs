//! What a script may connect to.
//!
//! Text becomes one parsed form, here and only here: patterns, and what a script asks for, go through the same
//! function, and everything after it (the decision, the lookup, TLS, the `Host` header) uses that form.
//! - Names are mapped by IDNA to ASCII, lower case, without the final dot. Scheme, path, user, `%` are refused.
//! - `*.example.org` stands for every name below `example.org`, at any depth, and not for `example.org` itself.
//! - Addresses are taken in their canonical form only: what one parser reads as a name and the next one as an address
//!   (`2130706433`, `0x7f.1`, `0177.0.0.1`, `127.1`) is neither.
//! - A pattern without a port stands for 80 and 443. `*`, everything on any port, is for the operator's ceiling alone.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Longest name, in bytes, and longest label: RFC 1035, 2.3.4.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// Why a text is not a host, a pattern or a destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing there.
    #[error("the host is empty: write the host alone: api.example.com")]
    Empty,
    /// A URL, or parts of one.
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
    /// An address in another form than its canonical one.
    #[error("{0} is not in canonical form: write the address as {1}")]
    NotCanonical(String, IpAddr),
    /// Looks like a number, and is no canonical address.
    #[error("{0} is neither a name nor an address: write an address in full, as in 10.1.2.3")]
    Numeric(String),
    /// An IPv6 address that is not in brackets, or brackets around something else.
    #[error("{0} is not a host: write an IPv6 address in brackets, without a zone: [fd00::1]:443")]
    Brackets(String),
    /// Not a name by the rules of DNS and IDNA.
    #[error("{0} is not a host name")]
    Name(String),
}

/// What somebody else wrote, short enough and tame enough to stand in a sentence.
fn quote(text: &str) -> String {
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
    /// An address, which is not looked up.
    Address(IpAddr),
}

impl Host {
    /// Brackets around an IPv6 address are optional here: names come without a port from a script.
    fn parse(text: &str) -> Result<Self, HostError> {
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
        // The checks come after the mapping: `１２７.１` is `127.1` by then.
        let whole = name.strip_suffix('.').unwrap_or(&name);
        if whole.is_empty() {
            return Err(if text.is_empty() { HostError::Empty } else { HostError::Name(quote(text)) });
        }
        if whole.contains('*') {
            return Err(HostError::Wildcard(quote(text)));
        }
        let last = whole.rsplit('.').next().unwrap_or_default();
        if is_number(last) {
            // Rust takes exactly the canonical form: four decimal numbers without leading zeros.
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

/// Whether resolvers may take a name that ends in this label for an address: `7`, `0x7f`, `0x`.
fn is_number(label: &str) -> bool {
    let digits = label.bytes().all(|b| b.is_ascii_digit());
    (digits && !label.is_empty())
        || label.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// `_` is no letter of a host name, and many names in private networks have it.
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

/// Where a script wants to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    host: Host,
    port: u16,
}

impl Destination {
    /// From the name and the port that the script gave.
    pub fn parse(name: &str, port: u16) -> Result<Self, HostError> {
        if port == 0 {
            return Err(HostError::Port("0".into()));
        }
        Ok(Destination { host: Host::parse(name)?, port })
    }

    /// The host to look up, to verify the certificate for, and to expect in `Host`.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

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
    /// 80 and 443: no port was written.
    Web,
    One(u16),
    /// Only of `*`.
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

/// A host, or all hosts below a name, on one port or on the two of the web.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern {
    hosts: Hosts,
    ports: Ports,
}

impl HostPattern {
    /// With `*` and `*:443`, which are for operators.
    pub(crate) fn parse_operator(text: &str) -> Result<Self, HostError> {
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

    /// Whether it stands for this destination.
    pub fn matches(&self, destination: &Destination) -> bool {
        self.hosts.contains(&destination.host) && self.ports.contains(destination.port)
    }

    /// As [`HostPattern::matches`], for a purpose where no port means any port.
    pub(crate) fn matches_on_any_port(&self, destination: &Destination) -> bool {
        let port = self.ports == Ports::Web || self.ports.contains(destination.port);
        port && self.hosts.contains(&destination.host)
    }

    /// Whether all it stands for, `other` stands for too.
    pub fn covered_by(&self, other: &HostPattern) -> bool {
        other.hosts.covers(&self.hosts) && other.ports.covers(self.ports)
    }

    /// What both stand for. Hosts form a tree and ports three sets, so of each pair one contains the other or they have
    /// nothing in common.
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

/// Takes `host`, `host:port`, `[v6]`, `[v6]:port` apart.
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

/// The operator's ceiling: whatever is asked for and granted, nothing outside of it is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Ceiling(Vec<HostPattern>);

impl Ceiling {
    /// From the operator's patterns, among which `*` (every host, every port) and `*:443` (every host) may stand. None
    /// at all allow nothing.
    pub fn parse<T: AsRef<str>>(patterns: impl IntoIterator<Item = T>) -> Result<Self, HostError> {
        patterns
            .into_iter()
            .map(|text| HostPattern::parse_operator(text.as_ref()))
            .collect::<Result<_, _>>()
            .map(Ceiling)
    }

    /// Its patterns.
    pub fn patterns(&self) -> &[HostPattern] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Ceiling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ceiling::parse(Vec::<String>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// What one script may connect to: nothing, unless something is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// In force, after the intersection.
    pub allow: Vec<HostPattern>,
    /// What the script asks for, granted or not: a refusal says which it is.
    #[serde(default)]
    pub asked: Vec<HostPattern>,
}

impl Policy {
    /// What is asked for, granted, and within the ceiling: all three.
    pub fn in_force(asked: &[HostPattern], granted: &[HostPattern], ceiling: &Ceiling) -> Self {
        let meet = |left: &[HostPattern], right: &[HostPattern]| -> Vec<HostPattern> {
            left.iter().flat_map(|one| right.iter().filter_map(|other| one.intersect(other))).collect()
        };
        let mut allow: Vec<HostPattern> = Vec::new();
        for pattern in meet(&meet(asked, granted), ceiling.patterns()) {
            if !allow.iter().any(|kept| pattern.covered_by(kept)) {
                allow.retain(|kept| !kept.covered_by(&pattern));
                allow.push(pattern);
            }
        }
        Policy { allow, asked: asked.to_vec() }
    }

    /// Whether all of a pattern is in force; what was asked for and is not, is to be told to who asked.
    pub fn covers(&self, pattern: &HostPattern) -> bool {
        self.allow.iter().any(|allowed| pattern.covered_by(allowed))
    }

    /// To be asked before anything of the destination leaves the machine, the question for its address included.
    pub fn decide(&self, destination: &Destination) -> Result<(), Denied> {
        if self.allow.iter().any(|pattern| pattern.matches(destination)) {
            Ok(())
        } else {
            let asked = self.asked.iter().any(|pattern| pattern.matches(destination));
            Err(Denied { destination: destination.clone(), asked })
        }
    }
}

/// A destination that is not in the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Where to.
    pub destination: Destination,
    /// Whether the script asks for it, and it is not granted.
    pub asked: bool,
}

impl std::error::Error for Denied {}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Destination { host, port } = &self.destination;
        let ports = if Ports::Web.contains(*port) { Ports::Web } else { Ports::One(*port) };
        let grant = HostPattern { hosts: Hosts::One(host.clone()), ports };
        if self.asked {
            return write!(
                f,
                "{host}:{port} is asked for by this script, and not granted: somebody with the right to grant can allow {grant}"
            );
        }
        write!(f, "{host}:{port} is not allowed for this script; add --allow-host {grant} (or allow = [\"{grant}\"])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn destination(name: &str, port: u16) -> Destination {
        Destination::parse(name, port).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn patterns(texts: &[&str]) -> Vec<HostPattern> {
        texts.iter().map(|text| pattern(text)).collect()
    }

    #[test]
    fn patterns_have_one_canonical_text() {
        for (text, canonical) in [
            ("api.example.com", "api.example.com"),
            ("API.Example.COM.", "api.example.com"),
            ("*.Example.org:443", "*.example.org:443"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("*.bücher.example:8443", "*.xn--bcher-kva.example:8443"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("example．com", "example.com"),
            ("10.1.2.3:5432", "10.1.2.3:5432"),
            ("[FD00::1]:6379", "[fd00::1]:6379"),
            ("[::1]", "[::1]"),
            ("db_1:5432", "db_1:5432"),
            ("localhost.", "localhost"),
            ("1password.com", "1password.com"),
            ("0xdeadbeef.example", "0xdeadbeef.example"),
            ("example.com:65535", "example.com:65535"),
        ] {
            let parsed = pattern(text);
            assert_eq!(parsed.to_string(), canonical, "{text}");
            assert_eq!(pattern(canonical), parsed);
            let json = serde_json::to_string(&parsed).unwrap();
            assert_eq!(json, format!("\"{canonical}\""));
            assert_eq!(serde_json::from_str::<HostPattern>(&json).unwrap(), parsed);
        }
    }

    #[test]
    fn what_is_not_a_pattern_is_refused_with_a_sentence() {
        let long_label = format!("{}.com", "a".repeat(64));
        let long_name = format!("{}com", "abcdefghi.".repeat(26));
        for (text, sentence) in [
            ("", "is empty"),
            (".", "not a host name"),
            ("https://example.com", "write the host alone: api.example.com"),
            ("https://example.com/x", "write the host alone"),
            ("example.com/x", "write the host alone"),
            ("example.com:443/x", "write the host alone"),
            ("user@example.com", "write the host alone"),
            ("user:pw@example.com", "write the host alone"),
            ("evil.com#example.com", "write the host alone"),
            ("example.com?x", "write the host alone"),
            ("example.com\\x", "write the host alone"),
            ("example .com", "write the host alone"),
            ("exam\0ple.com", "write the host alone"),
            ("example%2ecom", "write the host alone"),
            ("example.com／x", "not a host name"),
            ("user＠example.com", "not a host name"),
            ("*", "only the operator's ceiling"),
            ("*:443", "only the operator's ceiling"),
            ("*.", "whole first label"),
            ("*.com", "at least two labels"),
            ("*.localhost", "at least two labels"),
            ("*.*.x.y", "whole first label"),
            ("a*.b.c", "whole first label"),
            ("a.*.c.d", "whole first label"),
            ("*a.b.c", "whole first label"),
            ("＊.b.c", "whole first label"),
            ("*.10.0.0.1", "whole first label"),
            ("example.com:0", "not a port"),
            ("example.com:65536", "not a port"),
            ("example.com:", "not a port"),
            ("example.com:0443", "not a port"),
            ("example.com:+443", "not a port"),
            ("example.com:8000-8010", "not a port"),
            ("example.com:https", "not a port"),
            ("example.com:1:2", "in brackets"),
            ("fd00::1", "in brackets"),
            ("[fd00::1", "in brackets"),
            ("[fd00::1]6379", "in brackets"),
            ("[fd00::1%eth0]", "in brackets"),
            ("[example.com]", "in brackets"),
            ("[10.0.0.1]", "in brackets"),
            ("[fd00:0::1]", "write the address as fd00::1"),
            ("[0:0:0:0:0:0:0:1]", "write the address as ::1"),
            ("2130706433", "neither a name nor an address"),
            ("0", "neither a name nor an address"),
            ("0x7f.1", "neither a name nor an address"),
            ("0x7f000001", "neither a name nor an address"),
            ("0177.0.0.1", "neither a name nor an address"),
            ("127.1", "neither a name nor an address"),
            ("127.0.0.1.", "neither a name nor an address"),
            ("127.0.0.0x1", "neither a name nor an address"),
            ("１２７.0.0.1", "neither a name nor an address"),
            ("１２７.１", "neither a name nor an address"),
            ("example.123", "neither a name nor an address"),
            ("256.1.1.1", "neither a name nor an address"),
            ("a..b", "not a host name"),
            ("example.com..", "not a host name"),
            (".example.com", "not a host name"),
            ("-a.example", "not a host name"),
            ("a-.example", "not a host name"),
            ("xn--\u{e9}.example", "not a host name"),
            ("xn--a.example", "not a host name"),
            ("a,b.example", "not a host name"),
            (&long_label, "not a host name"),
            (&long_name, "not a host name"),
        ] {
            let error = text.parse::<HostPattern>().expect_err(text).to_string();
            assert!(error.contains(sentence), "{text}: {error}");
        }
        let error = "\u{7}".repeat(500).parse::<HostPattern>().unwrap_err().to_string();
        assert!(error.len() < 1000 && !error.contains('\u{7}'), "{error}");
    }

    #[test]
    fn destinations_are_decided_on_one_parsed_form() {
        let policy = Policy {
            allow: patterns(&["allowed.example", "*.wide.example", "bücher.example:8443", "[fd00::1]"]),
            ..Policy::default()
        };
        for (name, port) in [
            ("allowed.example", 443),
            ("ALLOWED.example.", 80),
            ("a.wide.example", 443),
            ("a.b.c.wide.example", 80),
            ("BÜCHER.example", 8443),
            ("xn--bcher-kva.example", 8443),
            ("fd00::1", 443),
            ("[FD00::1]", 443),
        ] {
            assert_eq!(policy.decide(&destination(name, port)), Ok(()), "{name}");
        }
        for (name, port) in [
            ("allowed.example", 8443),
            ("allowed.example.evil.com", 443),
            ("evil-allowed.example", 443),
            ("wide.example", 443),
            ("evilwide.example", 443),
            ("\u{430}llowed.example", 443), // Cyrillic а
            ("bücher.example", 443),
            ("fd00::2", 443),
            ("cronbox-secret-0123456789abcdef0123456789abcdef.evil.com", 443),
        ] {
            assert!(policy.decide(&destination(name, port)).is_err(), "{name}");
        }
        for name in [
            "allowed.example@evil.com",
            "evil.com#allowed.example",
            "http://allowed.example",
            "allowed.example/x",
            "allowed.example:443",
            "allowed.example%00.evil.com",
            "*",
            "*.wide.example",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "0",
            "",
            "fe80::1%1",
        ] {
            Destination::parse(name, 443).expect_err(name);
        }
        assert!(Destination::parse("allowed.example", 0).is_err());
    }

    #[test]
    fn the_refusal_says_what_to_add() {
        let sentence = |name, port| Policy::default().decide(&destination(name, port)).unwrap_err().to_string();
        assert_eq!(
            sentence("Example.com", 443),
            r#"example.com:443 is not allowed for this script; add --allow-host example.com (or allow = ["example.com"])"#
        );
        assert_eq!(
            sentence("db.internal", 5432),
            r#"db.internal:5432 is not allowed for this script; add --allow-host db.internal:5432 (or allow = ["db.internal:5432"])"#
        );
        assert_eq!(
            sentence("fd00::1", 80),
            r#"[fd00::1]:80 is not allowed for this script; add --allow-host [fd00::1] (or allow = ["[fd00::1]"])"#
        );
    }

    #[test]
    fn covering() {
        for (narrow, wide, covered) in [
            ("api.example.com:443", "*.example.com", true),
            ("api.example.com", "*.example.com", true),
            ("*.a.example.com", "*.example.com", true),
            ("*.example.com", "*.example.com", true),
            ("*.example.com:80", "*.example.com", true),
            ("*.example.com", "*.a.example.com", false),
            ("example.com", "*.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.badexample.com", "*.example.com", false),
            ("api.example.com", "*.example.com:443", false),
            ("api.example.com:8443", "*.example.com", false),
            ("api.example.com:8443", "api.example.com:8443", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
        ] {
            assert_eq!(pattern(narrow).covered_by(&pattern(wide)), covered, "{narrow} by {wide}");
        }
    }

    #[test]
    fn in_force_is_the_intersection() {
        let in_force = |asked: &[&str], granted: &[&str], ceiling: &[&str]| {
            let ceiling = Ceiling::parse(ceiling).unwrap();
            let policy = Policy::in_force(&patterns(asked), &patterns(granted), &ceiling);
            policy.allow.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let none: Vec<String> = Vec::new();
        assert_eq!(in_force(&["a.x.com"], &["*.x.com"], &["*"]), ["a.x.com"]);
        assert_eq!(in_force(&["*.x.com"], &["a.x.com", "b.x.com:9"], &["*"]), ["a.x.com"]);
        assert_eq!(in_force(&["*.x.com"], &["*.x.com"], &["*:443"]), ["*.x.com:443"]);
        assert_eq!(in_force(&["a.x.com", "a.x.com:443"], &["*.x.com", "a.x.com"], &["*"]), ["a.x.com"]);
        assert_eq!(in_force(&["10.0.0.1:5432"], &["10.0.0.1:5432"], &["*"]), ["10.0.0.1:5432"]);
        assert_eq!(in_force(&["a.x.com"], &["*.y.com"], &["*"]), none);
        assert_eq!(in_force(&["a.x.com"], &["a.x.com"], &[]), none);
        assert_eq!(in_force(&["a.x.com"], &[], &["*"]), none);
        let policy = Policy { allow: patterns(&["*.x.com:443"]), ..Policy::default() };
        assert!(policy.covers(&pattern("a.x.com:443")) && !policy.covers(&pattern("a.x.com")));
        let ceiling: Ceiling = serde_json::from_str(r#"["*", "a.b"]"#).unwrap();
        assert_eq!(serde_json::to_string(&ceiling).unwrap(), r#"["*","a.b"]"#);
        assert!(serde_json::from_str::<Policy>(r#"{"allow": ["*"]}"#).is_err());
    }
}
