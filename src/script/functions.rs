//! What a run can call of a version, and what that takes: JSON Schemas (2020-12) made from signatures by the check.

use crate::exact::Exact;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is called where nothing else is asked for.
pub const USUAL_ENTRY: &str = "run";

/// A function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its parameters, as Python writes them: `(a, b=1)`.
    pub signature: String,
    /// The same as a schema of an object, its properties in the order of the signature; none when it is too large.
    pub parameters: Option<Exact>,
}

/// The functions of the file where a run begins, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Functions(pub BTreeMap<String, Function>);

impl Functions {
    /// The function that an entry names in a script of this name; none where it is of another file.
    pub fn named(&self, entry: Option<&str>, script: &str) -> Option<(&str, &Function)> {
        let entry = entry.unwrap_or(USUAL_ENTRY);
        let name = match entry.split_once(':') {
            None => entry,
            Some((module, name)) if module == "main" || module == script => name,
            Some(_) => return None,
        };
        self.0.get_key_value(name).map(|(name, function)| (name.as_str(), function))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_a_function() {
        let function = |signature: &str| Function { signature: signature.into(), parameters: None };
        let functions =
            Functions([("run".to_owned(), function("()")), ("go".to_owned(), function("(n)"))].into_iter().collect());
        let named = |entry| functions.named(entry, "price").map(|(_, function)| function.signature.as_str());
        assert_eq!(named(None), Some("()"));
        for (entry, signature) in
            [("go", Some("(n)")), ("main:go", Some("(n)")), ("price:go", Some("(n)")), ("other:go", None), ("x", None)]
        {
            assert_eq!(named(Some(entry)), signature, "{entry}");
        }
    }
}
