//! What a proxy says of a request that it passes on: `Forwarded` (RFC 7239) and the `X-Forwarded-…` that came before it.
//!
//! Anybody can write these headers. They are believed of the peers that the operator names, and taken away from all others'
//! requests, so that nothing here meets one that was not believed. Of the addresses in them the last counts that is not a
//! proxy's own: what stands before it was written by the client.

use super::client::{AnonymousAccess, Client, is_base};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

/// How the request of a trusted proxy says which host the client asked; of other requests it is taken away.
pub(super) const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// `https` when the client's connection is encrypted; see [`HOST`].
pub(super) const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
/// All that proxies add.
static ADDED: [HeaderName; 8] = [
    header::FORWARDED,
    FOR,
    PROTO,
    HOST,
    PREFIX,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-real-ip"),
];

/// A peer whose word about its clients is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedProxy {
    /// All of these addresses.
    Range(IpNet),
    /// Whoever may open the listener's socket of files.
    Unix,
}

impl FromStr for TrustedProxy {
    type Err = String;

    /// `10.0.0.0/8`, `192.0.2.1`, `unix`. The error is a sentence.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "unix" {
            return Ok(TrustedProxy::Unix);
        }
        let range = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        let range = range.ok_or_else(|| {
            format!("{text:?} is not a range of addresses, such as 10.0.0.0/8 or 192.0.2.1, nor unix")
        })?;
        Ok(TrustedProxy::Range(range.trunc()))
    }
}

/// The peers that are believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[TrustedProxy]>);

impl FromIterator<TrustedProxy> for TrustedProxies {
    fn from_iter<T: IntoIterator<Item = TrustedProxy>>(proxies: T) -> Self {
        TrustedProxies(proxies.into_iter().collect())
    }
}

impl TrustedProxies {
    fn include(&self, peer: Option<IpAddr>) -> bool {
        self.0.iter().any(|proxy| match (proxy, peer) {
            (TrustedProxy::Range(range), Some(peer)) => range.contains(&peer),
            (TrustedProxy::Unix, None) => true,
            _ => false,
        })
    }

    /// Who sends a request that came from this peer. The headers that proxies add are gone then, but for the host and the
    /// protocol that were believed.
    pub(super) fn client(
        &self,
        peer: Option<IpAddr>,
        anonymous_access: AnonymousAccess,
        is_encrypted: bool,
        headers: &mut HeaderMap,
    ) -> Client {
        let is_trusted = self.include(peer);
        let is_forwarded = is_trusted || ADDED.iter().any(|name| headers.contains_key(name));
        let said = if is_trusted { self.said(peer, headers) } else { Said::default() };
        if is_forwarded {
            ADDED.iter().for_each(|name| drop(headers.remove(name)));
        }
        if said.is_https.unwrap_or(is_encrypted) {
            headers.insert(PROTO, HeaderValue::from_static("https"));
        }
        if let Some(host) = said.host.and_then(|host| HeaderValue::from_str(&host).ok()) {
            headers.insert(HOST, host);
        }
        let address = said.address.or(peer);
        Client { address, anonymous_access, is_forwarded, prefix: said.prefix.map(Arc::from) }
    }

    /// What a trusted peer says.
    fn said(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Said {
        let old = self.last_of_clients(peer, &hops_of_old(headers));
        let new = headers.contains_key(header::FORWARDED).then(|| self.last_of_clients(peer, &hops(headers)));
        let has_old = [FOR, PROTO, HOST].iter().any(|name| headers.contains_key(name));
        let said = match new {
            // One of the two was written by the client, and nobody here knows which.
            Some(new) if has_old && new.address != old.address => Said::default(),
            Some(new) => Said { host: new.host.or(old.host), is_https: new.is_https.or(old.is_https), ..new },
            None => old,
        };
        let prefix = text(headers, &PREFIX).map(|prefix| prefix.trim_end_matches('/').to_owned());
        Said { prefix: prefix.filter(|prefix| is_base(prefix)), ..said }
    }

    /// The last hop that is not a proxy's own.
    fn last_of_clients(&self, peer: Option<IpAddr>, hops: &[Hop]) -> Said {
        let mut said = Said { address: peer, ..Said::default() };
        for hop in hops.iter().rev() {
            let of_hop = Said {
                address: hop.address.or(said.address),
                is_https: hop.is_https,
                host: hop.host.clone(),
                prefix: None,
            };
            said = of_hop;
            if !hop.address.is_some_and(|address| self.include(Some(address))) {
                break;
            }
        }
        said
    }
}

/// What is believed of a request.
#[derive(Debug, Default, PartialEq)]
struct Said {
    address: Option<IpAddr>,
    is_https: Option<bool>,
    host: Option<String>,
    prefix: Option<String>,
}

/// What one proxy says.
#[derive(Clone, Debug, Default, PartialEq)]
struct Hop {
    /// Who asked it; none when that is no address.
    address: Option<IpAddr>,
    is_https: Option<bool>,
    host: Option<String>,
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// The items of a header that is a list, of all its lines.
fn list(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(|line| line.split(',')).map(|item| item.trim().to_owned()).collect()
}

fn is_https(text: &str) -> Option<bool> {
    let known = [("https", true), ("http", false)];
    known.into_iter().find(|(scheme, _)| text.eq_ignore_ascii_case(scheme)).map(|(_, is_https)| is_https)
}

/// `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`; none for `unknown` and for made-up names.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

/// The hops of `X-Forwarded-…`. A proxy adds its word at the end of each list, or puts one word in the place of a list.
fn hops_of_old(headers: &HeaderMap) -> Vec<Hop> {
    let (addresses, protos, hosts) = (list(headers, &FOR), list(headers, &PROTO), list(headers, &HOST));
    let hop = |from_end: usize| {
        let of = |list: &[String]| list.iter().rev().nth(from_end).or(list.first()).cloned();
        Hop {
            address: addresses.iter().rev().nth(from_end).and_then(|text| address(text)),
            is_https: of(&protos).and_then(|text| is_https(&text)),
            host: of(&hosts).filter(|host| !host.is_empty()),
        }
    };
    let has_any = !(addresses.is_empty() && protos.is_empty() && hosts.is_empty());
    (0..addresses.len().max(usize::from(has_any))).rev().map(hop).collect()
}

/// The hops of `Forwarded`. A line that is not as it should be is one that says nothing: what stands on its left cannot be told
/// from what it says itself.
fn hops(headers: &HeaderMap) -> Vec<Hop> {
    let lines = headers.get_all(header::FORWARDED).iter();
    lines.flat_map(|line| line.to_str().ok().and_then(elements).unwrap_or_else(|| vec![Hop::default()])).collect()
}

/// The elements of a line of `Forwarded`; none when it is not as RFC 7239 says.
fn elements(line: &str) -> Option<Vec<Hop>> {
    let (mut hops, mut hop, mut rest) = (Vec::new(), Hop::default(), line.trim());
    loop {
        if let Some((name, after)) = rest.split_once('=').filter(|_| !rest.starts_with([';', ','])) {
            let (value, after) = value(after)?;
            match name.trim().to_ascii_lowercase().as_str() {
                "for" => hop.address = address(&value),
                "proto" => hop.is_https = is_https(&value),
                "host" => hop.host = Some(value).filter(|host| !host.is_empty()),
                name if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) => {}
                _ => return None,
            }
            rest = after.trim_start();
        }
        match rest.chars().next() {
            None => {
                hops.push(hop);
                return Some(hops);
            }
            Some(',') => hops.push(std::mem::take(&mut hop)),
            Some(';') => {}
            Some(_) => return None,
        }
        rest = rest[1..].trim_start();
    }
}

/// A token or a quoted text at the beginning, and what comes after it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',', ' ', '\t']).unwrap_or(text.len());
        let (token, rest) = text.split_at(end);
        return (!token.contains('"')).then(|| (token.to_owned(), rest));
    };
    let (mut value, mut is_escaped) = (String::new(), false);
    for (at, letter) in quoted.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => {
                is_escaped = true;
                continue;
            }
            '"' => return Some((value, &quoted[at + 1..])),
            _ => {}
        }
        value.push(letter);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(texts: &[&str]) -> TrustedProxies {
        texts.iter().map(|text| text.parse::<TrustedProxy>().expect("a proxy")).collect()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    /// The client's address, and what is left in the headers.
    fn of(trusted: &[&str], peer: &str, pairs: &[(&'static str, &str)]) -> (String, Vec<String>) {
        let mut headers = headers(pairs);
        let peer = peer.parse().ok();
        let client = proxies(trusted).client(peer, AnonymousAccess::Nobody, false, &mut headers);
        let left = ADDED.iter().filter_map(|name| Some(format!("{name}: {}", headers.get(name)?.to_str().ok()?)));
        (client.address.map(|address| address.to_string()).unwrap_or_default(), left.collect())
    }

    const NGINX: &[&str] = &["10.0.0.0/8", "::1"];

    #[test]
    fn the_last_address_that_is_no_proxys_counts() {
        for (written, client) in [
            ("192.0.2.7", "192.0.2.7"),
            ("127.0.0.1, 192.0.2.7", "192.0.2.7"),
            ("127.0.0.1, 192.0.2.7, 10.1.1.1", "192.0.2.7"),
            ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
            ("192.0.2.7:4711", "192.0.2.7"),
            ("[2001:db8::7]:80", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("192.0.2.7, unknown", "10.0.0.1"),
            ("192.0.2.7, unknown, 10.1.1.1", "10.1.1.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(of(NGINX, "10.0.0.1", &[("x-forwarded-for", written)]).0, client, "{written}");
        }
        let lines = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "192.0.2.7")];
        assert_eq!(of(NGINX, "10.0.0.1", &lines).0, "192.0.2.7", "a proxy may add a line");
        assert_eq!(of(NGINX, "::1", &lines).0, "192.0.2.7");
    }

    #[test]
    fn others_are_not_believed() {
        let all = [
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "box.example"),
            ("x-forwarded-prefix", "/box"),
            ("forwarded", "for=127.0.0.1;proto=https"),
            ("x-real-ip", "127.0.0.1"),
        ];
        assert_eq!(of(NGINX, "192.0.2.1", &all), ("192.0.2.1".to_owned(), Vec::new()));
        assert_eq!(of(&[], "127.0.0.1", &all), ("127.0.0.1".to_owned(), Vec::new()));
        assert_eq!(of(NGINX, "", &all), (String::new(), Vec::new()), "a socket of files is not named");
        let own = [("x-forwarded-for", "192.0.2.7")];
        assert_eq!(of(&["unix"], "", &own).0, "192.0.2.7");
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_says() {
        for (written, client, left) in [
            (
                "for=192.0.2.7;proto=https;host=box.example",
                "192.0.2.7",
                &["x-forwarded-proto: https", "x-forwarded-host: box.example"][..],
            ),
            ("For=\"[2001:db8::7]:4711\";Proto=http", "2001:db8::7", &[]),
            ("for=127.0.0.1;proto=https, for=192.0.2.7", "192.0.2.7", &[]),
            ("for=\"a,b;c=\\\"d\", for=192.0.2.7 ; by=_x", "192.0.2.7", &[]),
            ("for=192.0.2.7;host=\"a\\\"b\", for=10.1.1.1;host=c", "192.0.2.7", &["x-forwarded-host: a\"b"]),
            ("for=_hidden;proto=https", "10.0.0.1", &["x-forwarded-proto: https"]),
            ("for=192.0.2.7, for=unknown", "10.0.0.1", &[]),
            // The client has opened a quotation that what the proxy adds closes nowhere.
            ("for=\"127.0.0.1, for=192.0.2.7", "10.0.0.1", &[]),
            ("for=127.0.0.1 x, for=192.0.2.7", "10.0.0.1", &[]),
            ("garbage", "10.0.0.1", &[]),
        ] {
            let (found, kept) = of(NGINX, "10.0.0.1", &[("forwarded", written)]);
            assert_eq!(
                (&*found, kept.iter().map(String::as_str).collect::<Vec<_>>()),
                (client, left.to_vec()),
                "{written}"
            );
        }
    }

    #[test]
    fn a_header_that_the_proxy_does_not_write_lends_no_address() {
        let both = |forwarded: &str, old: &str| {
            of(NGINX, "10.0.0.1", &[("forwarded", forwarded), ("x-forwarded-for", old), ("x-forwarded-proto", "https")])
        };
        assert_eq!(both("for=127.0.0.1", "192.0.2.7"), ("10.0.0.1".to_owned(), Vec::new()));
        let agreed = both("for=192.0.2.7", "127.0.0.1, 192.0.2.7");
        assert_eq!(agreed, ("192.0.2.7".to_owned(), vec!["x-forwarded-proto: https".to_owned()]));
    }

    #[test]
    fn protocol_and_host_are_those_of_the_same_hop() {
        let of = |proto: &str, addresses: &str| {
            of(NGINX, "10.0.0.1", &[("x-forwarded-proto", proto), ("x-forwarded-for", addresses)]).1
        };
        let https = vec!["x-forwarded-proto: https".to_owned()];
        assert_eq!(of("HTTPS", "192.0.2.7, 10.1.1.1"), https);
        assert_eq!(of("https, http", "192.0.2.7, 10.1.1.1"), https);
        assert_eq!(
            of("https, http", "127.0.0.1, 192.0.2.7"),
            Vec::<String>::new(),
            "the first is the client's own word"
        );
        assert_eq!(of("gopher", "192.0.2.7"), Vec::<String>::new());
    }

    #[test]
    fn a_prefix_is_a_plain_path() {
        let prefix = |written: &str| {
            let mut headers = headers(&[("x-forwarded-prefix", written)]);
            proxies(NGINX).client("10.0.0.1".parse().ok(), AnonymousAccess::Nobody, true, &mut headers).prefix
        };
        assert_eq!(prefix("/cronbox/").as_deref(), Some("/cronbox"));
        for bad in ["", "/", "//evil.example", "/a b", "/../x", "cronbox", "/a,/b", "/\"><script>"] {
            assert_eq!(prefix(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_proxy_is_named_by_its_range() {
        for (text, proxy) in [("10.1.2.3/8", "10.0.0.0/8"), ("192.0.2.1", "192.0.2.1/32"), ("::1", "::1/128")] {
            let range = proxy.parse().expect("a range");
            assert_eq!(text.parse(), Ok(TrustedProxy::Range(range)), "{text}");
        }
        assert_eq!("unix".parse(), Ok(TrustedProxy::Unix));
        for bad in ["", "nginx", "10.0.0.0/33", "10.0.0.0-10.0.0.9"] {
            assert!(bad.parse::<TrustedProxy>().is_err_and(|why| why.contains("10.0.0.0/8")), "{bad}");
        }
    }
}
