//! Packages whose machine code is optional: each works without it, more slowly. Of such a package the pure files of a
//! wheel are taken, and imported once in a sandbox before they are kept; a test uses each of them.

/// The normalised name, and what is imported to try it.
const LIST: [(&str, &[&str]); 29] = [
    ("aiokafka", &["aiokafka"]),
    ("cassandra-driver", &["cassandra.query"]),
    ("ct3", &["Cheetah.Template"]),
    ("fastavro", &["fastavro"]),
    ("frozenlist", &["frozenlist"]),
    ("google-crc32c", &["google_crc32c"]),
    ("ijson", &["ijson"]),
    ("immutables", &["immutables"]),
    ("lazy-object-proxy", &["lazy_object_proxy"]),
    ("logbook", &["logbook"]),
    ("markupsafe", &["markupsafe"]),
    ("msgpack", &["msgpack"]),
    ("newrelic", &["newrelic.agent"]),
    ("pybase64", &["pybase64"]),
    ("pymongo", &["bson", "pymongo"]),
    ("pyyaml", &["yaml"]),
    ("rapidfuzz", &["rapidfuzz", "rapidfuzz.process"]),
    // Nothing but machine code, which ruamel.yaml does without.
    ("ruamel-yaml-clib", &[]),
    ("simplejson", &["simplejson"]),
    ("sqlalchemy", &["sqlalchemy", "sqlalchemy.orm"]),
    ("tornado", &["tornado.web", "tornado.httpclient"]),
    ("watchdog", &["watchdog.events"]),
    ("websockets", &["websockets"]),
    ("zodbpickle", &["zodbpickle.pickle"]),
    ("zope-hookable", &["zope.hookable"]),
    ("zope-i18nmessageid", &["zope.i18nmessageid"]),
    ("zope-interface", &["zope.interface"]),
    ("zope-proxy", &["zope.proxy"]),
    ("zope-security", &["zope.security"]),
];

/// What is to be imported of a package whose machine code is optional; none: it is not, or not known to be.
pub(super) fn imports(name: &str) -> Option<&'static [&'static str]> {
    LIST.iter().find(|(known, _)| *known == name).map(|(_, imports)| *imports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_known_by_normalised_names() {
        assert!(LIST.windows(2).all(|two| two[0].0 < two[1].0));
        assert!(
            LIST.iter()
                .all(|(name, _)| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
        );
        assert_eq!(imports("pyyaml"), Some(&["yaml"][..]));
        assert_eq!(imports("numpy"), None);
    }
}
