//! What to use instead of packages of native code. The table is the guest's too, which says the same when a script
//! imports one.

use serde::Deserialize;
use std::collections::HashMap;
use std::sync::LazyLock;

#[derive(Deserialize)]
struct Entry {
    distributions: Vec<String>,
    #[serde(default)]
    modules: Vec<String>,
    #[serde(default)]
    packages: Vec<String>,
    #[serde(default)]
    words: String,
}

static HINTS: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let table = include_str!("../../python-wasm/harness/guest/instead.json");
    // The table is part of this program; a test reads it.
    let entries: Vec<Entry> = serde_json::from_str(table).unwrap_or_default();
    let mut hints = HashMap::new();
    for entry in entries {
        let hint = entry.hint();
        hints.extend(entry.distributions.into_iter().map(|name| (name, hint.clone())));
    }
    hints
});

impl Entry {
    fn hint(&self) -> String {
        let mut ways = Vec::new();
        if !self.modules.is_empty() {
            ways.push(format!("{} of the standard library", self.modules.join(" or ")));
        }
        if !self.packages.is_empty() {
            ways.push(format!("{}, which is pure Python", self.packages.join(" or ")));
        }
        let mut said = Vec::new();
        if !ways.is_empty() {
            said.push(format!("use {}", ways.join(", or ")));
        }
        if !self.words.is_empty() {
            said.push(self.words.clone());
        }
        said.join("; ")
    }
}

/// What to use instead of a package, by the name that it is installed under.
pub fn hint(distribution: &str) -> Option<&'static str> {
    HINTS.get(distribution).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_packages_have_a_hint() {
        assert!(HINTS.len() >= 25, "{}", HINTS.len());
        assert_eq!(hint("psycopg2"), Some("use pg8000, which is pure Python"));
        assert!(hint("lxml").is_some_and(|hint| hint.contains("html.parser")));
        assert_eq!(hint("requests"), None);
        assert!(HINTS.values().all(|hint| !hint.is_empty()));
    }
}
