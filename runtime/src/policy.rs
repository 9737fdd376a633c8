//! The decision whether a script can connect to a host.
//!
//! Text is parsed once, here. Patterns and the hosts that a script names go through the same function, and all later
//! steps (the decision, the lookup, TLS, the `Host` header) use the parsed form.
//! - Names are mapped by IDNA to ASCII, lower case, without the final dot. Scheme, path, user, `%` are refused.
//! - `*.example.org` matches every name below `example.org`, at any depth, but not `example.org` itself.
//! - Addresses are accepted in their canonical form only. Forms that one parser reads as a name and another one as an
//!   address (`2130706433`, `0x7f.1`, `0177.0.0.1`, `127.1`) are refused.
//! - A pattern without a port matches ports 80 and 443. `*`, every host on every port, is for the operator's ceiling
//!   only.

mod host;
mod pattern;

pub use host::{Destination, Host, HostError};
pub use pattern::HostPattern;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::fmt;

/// The operator's ceiling. Hosts outside of it are never in force, even when they are requested and granted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Ceiling(Vec<HostPattern>);

impl Ceiling {
    /// Parses the operator's patterns. `*` (every host, every port) and `*:443` (every host) are patterns here. Without
    /// a pattern nothing is allowed.
    pub fn parse<T: AsRef<str>>(patterns: impl IntoIterator<Item = T>) -> Result<Self, HostError> {
        patterns
            .into_iter()
            .map(|text| HostPattern::parse_operator(text.as_ref()))
            .collect::<Result<_, _>>()
            .map(Ceiling)
    }

    /// Returns the patterns.
    pub fn patterns(&self) -> &[HostPattern] {
        &self.0
    }
}

impl FromIterator<HostPattern> for Ceiling {
    fn from_iter<T: IntoIterator<Item = HostPattern>>(patterns: T) -> Self {
        Ceiling(patterns.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Ceiling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ceiling::parse(Vec::<String>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// The hosts that one script can connect to: none unless they are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The patterns in force.
    pub allow: Vec<HostPattern>,
    /// The patterns that the script requests, granted or not. A refusal says which of the two it is.
    #[serde(default)]
    pub asked: Vec<HostPattern>,
}

impl Policy {
    /// Returns the policy of the patterns that are requested, granted and within the ceiling.
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

    /// Returns true when the whole pattern is in force.
    pub fn covers(&self, pattern: &HostPattern) -> bool {
        self.allow.iter().any(|allowed| pattern.covered_by(allowed))
    }

    /// Decides on a destination. Call it before anything is sent for it, including the lookup of its name.
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
    /// The destination.
    pub destination: Destination,
    /// True when the script requests it and it is not granted.
    pub asked: bool,
}

impl std::error::Error for Denied {}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Denied { destination, .. } = self;
        let grant = HostPattern::exactly(destination);
        if self.asked {
            return write!(
                f,
                "{destination} is asked for by this script, and not granted: a user with the right to grant can allow {grant}"
            );
        }
        write!(f, "{destination} is not allowed for this script; add --allow-host {grant} (or allow = [\"{grant}\"])")
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
