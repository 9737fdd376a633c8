//! The addresses that a name can resolve to.
//!
//! Refused are the addresses that IANA's special-purpose registries do not list as globally reachable, and a few
//! reachable addresses that answer with a machine's credentials. When one address of a name is prohibited, the name is
//! refused: a name in two networks is usually an attack. The connection is made to the addresses that were checked,
//! because a second lookup could give another answer.
//!
//! The operator's exceptions have a host and a range, and both must match. A wide exception does not include sensitive
//! addresses by accident: for the lines marked `strict` the exception must lie within the line.

use crate::policy::{Destination, Host, HostError, HostPattern};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Range {
    /// The address as 128 bits; an IPv4 address is in the upper 32.
    bits: u128,
    length: u8,
    v4: bool,
}

fn bits_of(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(address) => ((u32::from(address) as u128) << 96, true),
        IpAddr::V6(address) => (u128::from(address), false),
    }
}

impl Range {
    const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Self {
        Range { bits: (Ipv4Addr::new(a, b, c, d).to_bits() as u128) << 96, length, v4: true }
    }

    const fn v6(bits: u128, length: u8) -> Self {
        Range { bits, length, v4: false }
    }

    fn mask(self) -> u128 {
        u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0)
    }

    fn contains(self, address: IpAddr) -> bool {
        let (bits, v4) = bits_of(address);
        v4 == self.v4 && bits & self.mask() == self.bits
    }

    fn is_loopback(self) -> bool {
        self.within(Range::v4(127, 0, 0, 0, 8)) || self.within(Range::v6(1, 128))
    }

    fn within(self, outer: Range) -> bool {
        self.v4 == outer.v4 && self.length >= outer.length && self.bits & outer.mask() == outer.bits
    }
}

impl FromStr for Range {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError::Range(text.chars().take(100).collect());
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (bits, v4) = bits_of(address);
        let most = if v4 { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_err(|_| wrong())?,
            Some(_) => return Err(wrong()),
        };
        let range = Range { bits, length, v4 };
        if length > most || bits & range.mask() != bits {
            return Err(wrong());
        }
        Ok(range)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.v4 {
            write!(f, "{}/{}", Ipv4Addr::from_bits((self.bits >> 96) as u32), self.length)
        } else {
            write!(f, "{}/{}", Ipv6Addr::from_bits(self.bits), self.length)
        }
    }
}

/// An error in an exception.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// There is no `=`.
    #[error("{0} names no host: write host and range, as in db.internal=10.1.0.0/16 (*={0} for any host)")]
    NoHost(String),
    /// An error in the host, before `=`.
    #[error(transparent)]
    Host(#[from] HostError),
    /// An error in the range, after `=`.
    #[error("{0} is not a range of addresses: write the first address and a length, as in 10.1.0.0/16")]
    Range(String),
}

/// An exception: a prohibited range that a host can resolve to, such as `db.internal=10.1.0.0/16`. Without a port it is
/// for every port; the policy decides on ports. `*` is any host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    host: HostPattern,
    range: Range,
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let Some((host, range)) = text.split_once('=') else {
            return Err(NetworkError::NoHost(text.chars().take(100).collect()));
        };
        Ok(Network { host: HostPattern::parse_operator(host)?, range: range.parse()? })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.host, self.range)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The addresses of `localhost`.
const LOCALHOST: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// The operator's exceptions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Networks(Vec<Network>);

impl FromIterator<Network> for Networks {
    fn from_iter<T: IntoIterator<Item = Network>>(networks: T) -> Self {
        Networks(networks.into_iter().collect())
    }
}

impl Networks {
    /// Parses exceptions.
    pub fn parse<T: AsRef<str>>(networks: impl IntoIterator<Item = T>) -> Result<Self, NetworkError> {
        networks.into_iter().map(|text| text.as_ref().parse()).collect::<Result<_, _>>().map(Networks)
    }

    fn except(&self, address: IpAddr, destination: &Destination, line: &Line) -> bool {
        // The name always means both addresses: an exception for one of them is for the other, too.
        let is_localhost = matches!(destination.host(), Host::Name(name) if name == "localhost");
        self.0.iter().any(|network| {
            let loopback = is_localhost && LOCALHOST.contains(&address) && network.range.is_loopback();
            (network.range.contains(address) || loopback)
                && network.host.matches_on_any_port(destination)
                && (!line.strict || network.range.within(line.range))
        })
    }
}

/// The kinds of prohibited addresses. The words complete "it resolves to 10.0.0.7, …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the sentence of each says what it is")]
pub enum AddressKind {
    #[error("an address of a cloud's metadata service")]
    Metadata,
    #[error("an address that means \"this machine\" or none at all")]
    Unspecified,
    #[error("a private address")]
    Private,
    #[error("an address of a carrier's shared network")]
    Shared,
    #[error("a loopback address")]
    Loopback,
    #[error("a link-local address")]
    LinkLocal,
    #[error("an address reserved for protocols")]
    Protocol,
    #[error("an address for documentation")]
    Documentation,
    #[error("an address for benchmarks")]
    Benchmarking,
    #[error("an address of a 6to4 relay")]
    Relay,
    #[error("a multicast address")]
    Multicast,
    #[error("a broadcast address")]
    Broadcast,
    #[error("a reserved address")]
    Reserved,
    #[error("an IPv6 address with an IPv4 address inside")]
    Embedded,
    #[error("a Teredo address")]
    Teredo,
    #[error("an address for discarded traffic")]
    Discard,
    #[error("an address of segment routing")]
    SegmentRouting,
}

struct Line {
    range: Range,
    kind: AddressKind,
    /// An exception must lie within this line; an exception that contains the line is not enough.
    strict: bool,
}

const fn line(range: Range, kind: AddressKind) -> Line {
    Line { range, kind, strict: false }
}

const fn strict(range: Range, kind: AddressKind) -> Line {
    Line { range, kind, strict: true }
}

/// The first line that contains an address counts, so special addresses come before the ranges that contain them.
const LINES: &[Line] = &[
    // Metadata services, by their vendors' manuals: AWS, Azure, Google and most others; Alibaba; Oracle; Azure's
    // platform address, which is globally reachable by its number; AWS and Google over IPv6.
    strict(Range::v4(169, 254, 169, 254, 32), AddressKind::Metadata),
    strict(Range::v4(100, 100, 100, 200, 32), AddressKind::Metadata),
    strict(Range::v4(192, 0, 0, 192, 32), AddressKind::Metadata),
    strict(Range::v4(168, 63, 129, 16, 32), AddressKind::Metadata),
    strict(Range::v6(0xfd00_0ec2 << 96 | 0x0254, 128), AddressKind::Metadata),
    strict(Range::v6(0xfd20_00ce << 96 | 0x0254, 128), AddressKind::Metadata),
    // IANA IPv4 Special-Purpose Address Registry.
    strict(Range::v4(0, 0, 0, 0, 8), AddressKind::Unspecified), // RFC 791, 3.2; Linux connects 0.0.0.0 to itself
    line(Range::v4(10, 0, 0, 0, 8), AddressKind::Private),      // RFC 1918
    line(Range::v4(100, 64, 0, 0, 10), AddressKind::Shared),    // RFC 6598
    line(Range::v4(127, 0, 0, 0, 8), AddressKind::Loopback),    // RFC 1122, 3.2.1.3
    line(Range::v4(169, 254, 0, 0, 16), AddressKind::LinkLocal), // RFC 3927
    line(Range::v4(172, 16, 0, 0, 12), AddressKind::Private),   // RFC 1918
    line(Range::v4(192, 0, 0, 0, 24), AddressKind::Protocol),   // RFC 6890, 2.1, with the anycast addresses in it
    line(Range::v4(192, 0, 2, 0, 24), AddressKind::Documentation), // RFC 5737
    line(Range::v4(192, 88, 99, 0, 24), AddressKind::Relay),    // RFC 7526, was RFC 3068
    line(Range::v4(192, 168, 0, 0, 16), AddressKind::Private),  // RFC 1918
    line(Range::v4(198, 18, 0, 0, 15), AddressKind::Benchmarking), // RFC 2544
    line(Range::v4(198, 51, 100, 0, 24), AddressKind::Documentation), // RFC 5737
    line(Range::v4(203, 0, 113, 0, 24), AddressKind::Documentation), // RFC 5737
    line(Range::v4(224, 0, 0, 0, 4), AddressKind::Multicast),   // RFC 5771
    line(Range::v4(255, 255, 255, 255, 32), AddressKind::Broadcast), // RFC 919
    line(Range::v4(240, 0, 0, 0, 4), AddressKind::Reserved),    // RFC 1112, 4
    // IANA IPv6 Special-Purpose Address Registry. An IPv4 address inside is not looked at: whether the network takes
    // it out, and sends to it from where, is not known here.
    strict(Range::v6(0, 128), AddressKind::Unspecified), // RFC 4291
    line(Range::v6(1, 128), AddressKind::Loopback),      // RFC 4291
    strict(Range::v6(0xffff << 32, 96), AddressKind::Embedded), // ::ffff:0:0/96, RFC 4291
    strict(Range::v6(0, 96), AddressKind::Embedded),     // v4-compatible, RFC 4291, 2.5.5.1
    strict(Range::v6(0x0064_ff9b << 96, 96), AddressKind::Embedded), // NAT64, RFC 6052
    strict(Range::v6(0x0064_ff9b_0001 << 80, 48), AddressKind::Embedded), // local NAT64, RFC 8215
    strict(Range::v6(0x2002 << 112, 16), AddressKind::Embedded), // 6to4, RFC 3056
    strict(Range::v6(0x2001_0000 << 96, 32), AddressKind::Teredo), // RFC 4380: IPv4 addresses inside as well
    line(Range::v6(0x2001_0002 << 96, 48), AddressKind::Benchmarking), // RFC 5180
    line(Range::v6(0x2001_0000 << 96, 23), AddressKind::Protocol), // RFC 2928: ORCHID (RFC 4843, 7343), anycast, AMT, drones
    line(Range::v6(0x2001_0db8 << 96, 32), AddressKind::Documentation), // RFC 3849
    line(Range::v6(0x3fff << 112, 20), AddressKind::Documentation), // RFC 9637
    line(Range::v6(0x0100 << 112, 64), AddressKind::Discard),      // RFC 6666
    line(Range::v6(0x5f00 << 112, 16), AddressKind::SegmentRouting), // RFC 9602
    line(Range::v6(0xfc00 << 112, 7), AddressKind::Private),       // RFC 4193
    line(Range::v6(0xfe80 << 112, 10), AddressKind::LinkLocal),    // RFC 4291
    line(Range::v6(0xfec0 << 112, 10), AddressKind::Private),      // site-local, RFC 3879
    line(Range::v6(0xff00 << 112, 8), AddressKind::Multicast),     // RFC 4291
    // Global unicast is 2000::/3 (RFC 4291, 2.4, and IANA's IPv6 Address Space registry); the rest is not allocated.
    line(Range::v6(0, 3), AddressKind::Reserved),
    line(Range::v6(1 << 126, 2), AddressKind::Reserved),
    line(Range::v6(1 << 127, 1), AddressKind::Reserved),
];

/// A name that is refused because of its addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Prohibited {
    /// The name has a prohibited address.
    #[error("{host} is not allowed: it resolves to {address}, {kind}")]
    Resolves {
        /// The name.
        host: String,
        /// The prohibited address.
        address: IpAddr,
        /// The kind of the address.
        kind: AddressKind,
    },
    /// The script gave a prohibited address.
    #[error("{address} is not allowed: it is {kind}")]
    Literal {
        /// The address.
        address: IpAddr,
        /// The kind of the address.
        kind: AddressKind,
    },
    /// The name has no address.
    #[error("{host} has no address")]
    NoAddress {
        /// The name.
        host: String,
    },
}

/// Checks that a connection can be made to this address of the destination.
pub fn check(address: IpAddr, destination: &Destination, networks: &Networks) -> Result<(), Prohibited> {
    let Some(line) = LINES.iter().find(|line| line.range.contains(address)) else {
        return Ok(());
    };
    if networks.except(address, destination, line) {
        return Ok(());
    }
    Err(match destination.host() {
        Host::Name(name) => Prohibited::Resolves { host: name.clone(), address, kind: line.kind },
        Host::Address(_) => Prohibited::Literal { address, kind: line.kind },
    })
}

/// Checks that the destination has at least one address, and no prohibited one.
pub fn check_all(addresses: &[IpAddr], destination: &Destination, networks: &Networks) -> Result<(), Prohibited> {
    if addresses.is_empty() {
        return Err(Prohibited::NoAddress { host: destination.host().to_string() });
    }
    addresses.iter().try_for_each(|address| check(*address, destination, networks))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(name: &str) -> Destination {
        Destination::parse(name, 443).unwrap()
    }

    fn kind(address: &str) -> Option<AddressKind> {
        match check(address.parse().unwrap(), &to("x.example"), &Networks::default()) {
            Ok(()) => None,
            Err(Prohibited::Resolves { kind, .. }) => Some(kind),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn every_special_range_from_its_first_to_its_last_address() {
        for (first, last, expected) in [
            ("0.0.0.0", "0.255.255.255", AddressKind::Unspecified),
            ("10.0.0.0", "10.255.255.255", AddressKind::Private),
            ("100.64.0.0", "100.127.255.255", AddressKind::Shared),
            ("127.0.0.0", "127.255.255.255", AddressKind::Loopback),
            ("169.254.0.0", "169.254.255.255", AddressKind::LinkLocal),
            ("169.254.169.254", "169.254.169.254", AddressKind::Metadata),
            ("100.100.100.200", "100.100.100.200", AddressKind::Metadata),
            ("168.63.129.16", "168.63.129.16", AddressKind::Metadata),
            ("172.16.0.0", "172.31.255.255", AddressKind::Private),
            ("192.0.0.0", "192.0.0.255", AddressKind::Protocol),
            ("192.0.2.0", "192.0.2.255", AddressKind::Documentation),
            ("192.88.99.0", "192.88.99.255", AddressKind::Relay),
            ("192.168.0.0", "192.168.255.255", AddressKind::Private),
            ("198.18.0.0", "198.19.255.255", AddressKind::Benchmarking),
            ("198.51.100.0", "198.51.100.255", AddressKind::Documentation),
            ("203.0.113.0", "203.0.113.255", AddressKind::Documentation),
            ("224.0.0.0", "239.255.255.255", AddressKind::Multicast),
            ("240.0.0.0", "255.255.255.254", AddressKind::Reserved),
            ("255.255.255.255", "255.255.255.255", AddressKind::Broadcast),
            ("::", "::", AddressKind::Unspecified),
            ("::1", "::1", AddressKind::Loopback),
            ("::0.0.0.2", "::255.255.255.255", AddressKind::Embedded),
            ("::ffff:0.0.0.0", "::ffff:255.255.255.255", AddressKind::Embedded),
            ("64:ff9b::", "64:ff9b::255.255.255.255", AddressKind::Embedded),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", AddressKind::Embedded),
            ("100::", "100::ffff:ffff:ffff:ffff", AddressKind::Discard),
            ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::Teredo),
            ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", AddressKind::Benchmarking),
            ("2001:10::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::Protocol),
            ("2001:1ff::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::Protocol),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::Documentation),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::Embedded),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::Documentation),
            ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::SegmentRouting),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::Private),
            ("fd00:ec2::254", "fd00:ec2::254", AddressKind::Metadata),
            ("fd20:ce::254", "fd20:ce::254", AddressKind::Metadata),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::LinkLocal),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::Private),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::Multicast),
            ("1:2:3::", "ff:ffff::", AddressKind::Reserved),
            ("4000::", "5eff::", AddressKind::Reserved),
            ("8000::", "fbff::", AddressKind::Reserved),
            ("fe00::", "fe7f::", AddressKind::Reserved),
        ] {
            assert_eq!(kind(first), Some(expected), "{first}");
            assert_eq!(kind(last), Some(expected), "{last}");
        }
    }

    #[test]
    fn the_neighbours_are_reachable() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.31.196.1",
            "192.52.193.1",
            "192.175.48.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "8.8.8.8",
            "2000::",
            "2001:200::",
            "2001:4860:4860::8888",
            "2001:db7:ffff::",
            "2001:db9::",
            "2003::1",
            "2620:4f:8000::1",
            "2a00:1450:4001::1",
            "3ffe:ffff::",
            "3fff:1000::",
        ] {
            assert_eq!(kind(address), None, "{address}");
        }
    }

    #[test]
    fn one_prohibited_address_refuses_the_name() {
        let ips = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let sentence = |texts: &[&str], name: &str| {
            check_all(&ips(texts), &to(name), &Networks::default()).map_err(|error| error.to_string())
        };
        assert_eq!(sentence(&["8.8.8.8", "2a00:1450:4001::1"], "db.example.com"), Ok(()));
        assert_eq!(
            sentence(&["8.8.8.8", "10.0.0.7"], "db.example.com"),
            Err("db.example.com is not allowed: it resolves to 10.0.0.7, a private address".into())
        );
        assert_eq!(
            sentence(&["8.8.8.8", "::ffff:8.8.8.8"], "db.example.com"),
            Err("db.example.com is not allowed: it resolves to ::ffff:8.8.8.8, an IPv6 address with an IPv4 address \
                 inside"
                .into())
        );
        assert_eq!(
            sentence(&["127.0.0.1"], "127.0.0.1"),
            Err("127.0.0.1 is not allowed: it is a loopback address".into())
        );
        assert!(sentence(&["127.0.0.1"], "localhost.").unwrap_err().starts_with("localhost is not allowed"));
        assert_eq!(sentence(&[], "db.example.com"), Err("db.example.com has no address".into()));
    }

    #[test]
    fn exceptions_need_name_and_range() {
        let networks = Networks::parse([
            "db.internal=10.1.0.0/16",
            "*.lan.example:5432=fd00::/8",
            "localhost=127.0.0.1",
            "*=192.168.0.0/16",
            "any.internal=0.0.0.0/0",
            "any.internal=::/0",
            "meta.internal=169.254.169.254/32",
            "mapped.internal=::ffff:10.0.0.0/104",
        ])
        .unwrap();
        let allowed = |name: &str, port: u16, address: &str| {
            check(address.parse().unwrap(), &Destination::parse(name, port).unwrap(), &networks).is_ok()
        };
        for (name, port, address, expected) in [
            ("db.internal", 5432, "10.1.255.255", true),
            ("db.internal", 443, "10.2.0.0", false),
            ("other.internal", 443, "10.1.0.1", false),
            ("a.lan.example", 5432, "fd12::1", true),
            ("a.lan.example", 443, "fd12::1", false),
            ("a.lan.example", 5432, "fd00:ec2::254", false),
            ("localhost", 80, "127.0.0.1", true),
            ("localhost", 80, "127.0.0.2", false),
            ("whatever.example", 80, "192.168.3.4", true),
            ("any.internal", 80, "172.16.0.1", true),
            ("any.internal", 80, "169.254.1.1", true),
            ("any.internal", 80, "169.254.169.254", false),
            ("any.internal", 80, "168.63.129.16", false),
            ("any.internal", 80, "0.0.0.0", false),
            ("any.internal", 80, "::", false),
            ("any.internal", 80, "fe80::1", true),
            ("any.internal", 80, "::ffff:10.0.0.1", false),
            ("any.internal", 80, "64:ff9b::10.0.0.1", false),
            ("any.internal", 80, "2002:a00:1::", false),
            ("meta.internal", 80, "169.254.169.254", true),
            ("mapped.internal", 80, "::ffff:10.0.0.1", true),
            ("mapped.internal", 80, "10.0.0.1", false),
        ] {
            assert_eq!(allowed(name, port, address), expected, "{name}:{port} at {address}");
        }
    }

    #[test]
    fn exceptions_as_text() {
        for (text, canonical) in [
            ("DB.internal.=10.1.0.0/16", "db.internal=10.1.0.0/16"),
            ("localhost=127.0.0.1", "localhost=127.0.0.1/32"),
            ("*=fd00::/8", "*=fd00::/8"),
            ("*.x.example:5432=::ffff:0:0/96", "*.x.example:5432=::ffff:0.0.0.0/96"),
            ("[fd00::1]=fd00::1", "[fd00::1]=fd00::1/128"),
            ("any.internal=::/0", "any.internal=::/0"),
        ] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), canonical);
            assert_eq!(canonical.parse::<Network>().unwrap(), network);
            assert_eq!(serde_json::to_string(&network).unwrap(), format!("\"{canonical}\""));
        }
        for text in [
            "10.1.0.0/16",
            "db=10.1.0.1/16",
            "db=10.1.0.0/33",
            "db=10.1.0.0/",
            "db=10.1.0.0/+8",
            "db=10.1/16",
            "db=",
            "=10.0.0.0/8",
            "db=fd00::/129",
            "db=fd00::1/8",
            "a*=10.0.0.0/8",
        ] {
            text.parse::<Network>().expect_err(text);
        }
    }
}
