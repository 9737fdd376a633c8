//! Secrets: what may be done with one, by whom. Their values are sealed by the [`crate::keyring`].

use crate::clock::Time;
use crate::hosts::WrittenHosts;
use crate::script::{Labels, MAX_NAME, bad_labels, has_label, is_variable, shortened};
use cronbox_runtime::network::HostPattern;
use cronbox_runtime::secrets::{Redactor, RequestParts, SecretError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Most bytes of a value.
pub const MAX_VALUE: usize = cronbox_runtime::secrets::MAX_SECRET;
/// Fewest bytes of a value: a shorter one would be found by chance in everything that is searched for it.
pub const MIN_VALUE: usize = 8;
/// Most hosts, scripts, labels and methods of a secret, each.
const MOST: usize = 100;

/// What a secret may be used for, and by which scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretTerms {
    /// The hosts that may get it: `api.example.com`, `*.example.org:443`.
    pub hosts: WrittenHosts,
    /// The scripts that it is set for, by key, whether they are there yet or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scripts: Vec<String>,
    /// The scripts that it is set for, by label: `team=data`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Where in a request it may be placed.
    pub places: RequestParts,
    /// The methods of requests that it may be placed in, in capitals; nothing: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// The path of requests that it may be placed in, and what is below it; nothing: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<String>,
    /// Whether the script itself gets the value, for protocols in which nobody else can put it into its place.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_clear: bool,
}

/// A secret as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The environment variable in which scripts find its placeholder.
    pub name: String,
    /// What it may be used for.
    pub terms: SecretTerms,
    /// The same as it is sealed with the value: a byte that is changed makes the value unreadable.
    pub sealed_terms: String,
    /// The id of the key that it is sealed with.
    pub key: String,
    /// The sealed value.
    pub sealed: String,
    /// When it was set first.
    pub created_at: Time,
    /// When it was set last.
    pub updated_at: Time,
    /// The token that set it last.
    pub created_by: Option<String>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).field("terms", &self.terms).finish_non_exhaustive()
    }
}

/// What is wrong with a secret: which part of it, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {why}")]
pub struct BadSecret {
    /// `name`, `value`, `hosts`, …
    pub part: &'static str,
    /// A sentence.
    pub why: String,
}

fn bad<T>(part: &'static str, why: impl Into<String>) -> Result<T, BadSecret> {
    Err(BadSecret { part, why: why.into() })
}

/// Checks a name: that of an environment variable.
pub fn check_name(name: &str) -> Result<(), BadSecret> {
    if !is_variable(name) {
        // What stands there may be the value, and is not repeated.
        return bad(
            "name",
            format!(
                "a secret's name is that of a variable: 1 to {MAX_NAME} of A-Z a-z 0-9 _, not beginning with a digit"
            ),
        );
    }
    if matches!(name, "HOME" | "TMPDIR") {
        return bad("name", format!("{name} is a variable that every run has already"));
    }
    Ok(())
}

/// Checks a value.
pub fn check_value(value: &str) -> Result<(), BadSecret> {
    let bytes = value.len();
    if !(MIN_VALUE..=MAX_VALUE).contains(&bytes) {
        return bad("value", format!("a secret has {MIN_VALUE} to {MAX_VALUE} bytes; this one has {bytes}"));
    }
    if value.contains('\0') {
        return bad("value", "a secret has no character U+0000");
    }
    Ok(())
}

impl SecretTerms {
    /// What is wrong with them, if anything is.
    pub fn check(&self) -> Result<(), BadSecret> {
        if self.hosts.is_empty() {
            return bad(
                "hosts",
                "a secret is set for the hosts that may get it: name at least one, such as api.example.com",
            );
        }
        if self.scripts.is_empty() && self.labels.is_empty() {
            return bad("scripts", "a secret is set for some scripts: name at least one, or a label");
        }
        for (part, count) in [
            ("hosts", self.hosts.len()),
            ("scripts", self.scripts.len()),
            ("labels", self.labels.len()),
            ("methods", self.methods.iter().flatten().count()),
        ] {
            if count > MOST {
                return bad(part, format!("there are {count}; at most {MOST} are kept"));
            }
        }
        self.patterns()?;
        for label in &self.labels {
            let Some((name, value)) = label.split_once('=') else {
                return bad("labels", format!("{:?} is no label: write key=value", shortened(label)));
            };
            if let Some(why) = bad_labels(&[(name.to_owned(), value.to_owned())].into()) {
                return bad("labels", why);
            }
        }
        let is_method = |method: &&String| {
            (1..=20).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
        };
        if self.methods.as_ref().is_some_and(Vec::is_empty) {
            return bad("methods", "a secret that no method may use is no use: name some, or leave them out");
        }
        if let Some(method) = self.methods.iter().flatten().find(|method| !is_method(method)) {
            return bad("methods", format!("{:?} is no method, such as GET", shortened(method)));
        }
        if let Some(prefix) = &self.path_prefix
            && (!prefix.starts_with('/')
                || prefix.len() > 1000
                || prefix.contains(['?', '#', '%'])
                || !prefix.is_ascii())
        {
            return bad(
                "path_prefix",
                format!(
                    "{:?} is no path as it is written in a request without %, ? and #, such as /v1",
                    shortened(prefix)
                ),
            );
        }
        if self.in_clear
            && (self.methods.is_some() || self.path_prefix.is_some() || self.places != RequestParts::default())
        {
            return bad(
                "in_clear",
                "a script that is given the value itself puts it where it likes: parts of requests, methods and a path cannot be named beside in_clear",
            );
        }
        Ok(())
    }

    /// The hosts, read.
    pub fn patterns(&self) -> Result<Vec<HostPattern>, BadSecret> {
        let bad = |(text, why)| BadSecret { part: "hosts", why: format!("{:?}: {why}", shortened(text)) };
        self.hosts.patterns().map_err(bad)
    }

    /// Its labels among these.
    pub fn labels_of<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = &'a String> {
        self.labels.iter().filter(|label| has_label(labels, label))
    }

    /// Whether it is set for a script of this key and these labels.
    pub fn are_for(&self, key: &str, labels: &Labels) -> bool {
        self.scripts.iter().any(|script| script == key) || self.labels_of(labels).next().is_some()
    }
}

/// What one attempt is given of secrets.
#[derive(Default)]
pub struct AttemptSecrets {
    /// What its environment has: placeholders, and the values that are given in clear.
    pub env: Vec<(String, String)>,
    /// What is put into the place of placeholders, outside of the sandbox.
    pub placed: Vec<cronbox_runtime::secrets::Secret>,
    /// Sentences for the user.
    pub notes: Vec<String>,
    values: Vec<(String, Zeroizing<Vec<u8>>)>,
}

// It holds values, also in its environment.
impl std::fmt::Debug for AttemptSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.values.iter().map(|(name, _)| name)).finish()
    }
}

impl AttemptSecrets {
    /// Gives it one more.
    pub fn add(&mut self, name: &str, terms: &SecretTerms, value: Zeroizing<Vec<u8>>) -> Result<(), getrandom::Error> {
        let text = if terms.in_clear {
            self.notes.push(format!("the script has the secret {name} in clear"));
            String::from_utf8_lossy(&value).into_owned()
        } else {
            let placeholder = placeholder()?;
            self.placed.push(cronbox_runtime::secrets::Secret {
                name: name.to_owned(),
                placeholder: placeholder.clone(),
                value: value.clone(),
                // Hosts are checked before they are kept: none that cannot be read is in there.
                hosts: terms.patterns().unwrap_or_default(),
                parts: terms.places,
                methods: terms.methods.clone(),
                path_prefix: terms.path_prefix.clone(),
            });
            placeholder
        };
        self.env.push((name.to_owned(), text));
        self.values.push((name.to_owned(), value));
        Ok(())
    }

    /// Puts them into an environment, in place of what it had under their names.
    pub fn put_into(&self, env: &mut Vec<(String, String)>) {
        env.retain(|(name, _)| self.env.iter().all(|(secret, _)| secret != name));
        env.extend(self.env.iter().cloned());
    }

    /// What takes the values out of everything the attempt leaves.
    pub fn scrubber(&self) -> Result<Option<Redactor>, SecretError> {
        let values = self.values.iter().map(|(name, value)| (value.as_slice(), format!("[secret {name}]")));
        (!self.values.is_empty()).then(|| Redactor::new(values)).transpose()
    }
}

/// What a script holds in place of a value: another one for every attempt, which stands nowhere by chance.
fn placeholder() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("cronbox-secret-{}", hex::encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> SecretTerms {
        SecretTerms {
            hosts: ["api.example.com"].into_iter().collect(),
            scripts: vec!["price".into()],
            ..SecretTerms::default()
        }
    }

    #[test]
    fn names_are_those_of_variables() {
        for good in ["API_KEY", "_x", "a1", &"N".repeat(100)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for wrong in ["", "1A", "A-B", "A B", "Ä", "A=B", "HOME", &"N".repeat(101)] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_are_neither_short_nor_long() {
        for (value, fine) in [
            ("1234567", false),
            ("12345678", true),
            (&*"x".repeat(4096), true),
            (&*"x".repeat(4097), false),
            ("1234567\0", false),
        ] {
            assert_eq!(check_value(value).is_ok(), fine, "{}", value.len());
        }
    }

    #[test]
    fn terms_name_hosts_and_scripts() {
        assert_eq!(terms().check(), Ok(()));
        let wrong = |change: fn(&mut SecretTerms)| {
            let mut changed = terms();
            change(&mut changed);
            changed.check().expect_err("refuses").part
        };
        assert_eq!(wrong(|terms| terms.hosts = WrittenHosts::default()), "hosts");
        assert_eq!(wrong(|terms| terms.hosts = ["*"].into_iter().collect()), "hosts");
        assert_eq!(wrong(|terms| terms.hosts = ["https://x.example/"].into_iter().collect()), "hosts");
        assert_eq!(wrong(|terms| terms.scripts.clear()), "scripts");
        assert_eq!(wrong(|terms| terms.labels = vec!["team".into()]), "labels");
        assert_eq!(wrong(|terms| terms.methods = Some(vec!["get it".into()])), "methods");
        assert_eq!(wrong(|terms| terms.methods = Some(Vec::new())), "methods");
        assert_eq!(wrong(|terms| terms.path_prefix = Some("v1".into())), "path_prefix");
        assert_eq!(wrong(|terms| terms.path_prefix = Some("/a%2f".into())), "path_prefix");
        assert_eq!(wrong(|terms| (terms.in_clear, terms.path_prefix) = (true, Some("/".into()))), "in_clear");
        assert_eq!(wrong(|terms| (terms.in_clear, terms.places.query) = (true, true)), "in_clear");
    }

    #[test]
    fn a_secret_is_for_its_scripts_and_labels() {
        let labels: Labels = [("team".to_owned(), "data".to_owned())].into();
        let by_label = SecretTerms { scripts: Vec::new(), labels: vec!["team=data".into()], ..terms() };
        assert!(terms().are_for("price", &Labels::new()) && !terms().are_for("other", &labels));
        assert!(by_label.are_for("any", &labels) && !by_label.are_for("any", &Labels::new()));
    }

    #[test]
    fn placeholders_differ_and_say_what_they_are() {
        let (one, other) = (placeholder().expect("random"), placeholder().expect("random"));
        assert!(one != other && one.starts_with("cronbox-secret-") && one.len() == 47);
    }
}
