//! The secrets of a run: what they are granted for, and their placeholders and values made ready for the search.

use super::encodings::{self, ValueEncoding};
use super::matcher::Matcher;
use super::reasons::{ConnectionMode, SecretError};
use super::search::Search;
use crate::policy::{Destination, HostPattern};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// Longest value. A service account's key file has less than 3 KiB.
pub const MAX_VALUE: usize = 4 << 10;

/// Most bytes of all values of a run.
pub(super) const MAX_VALUES: usize = 64 << 10;

/// Where in a request a secret may be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestParts {
    /// In the values of headers.
    pub headers: bool,
    /// In the query of the URL, which servers like to log.
    pub query: bool,
    /// In the body.
    pub body: bool,
}

impl Default for RequestParts {
    fn default() -> Self {
        RequestParts { headers: true, query: false, body: false }
    }
}

/// A secret and what it is granted for.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secret {
    /// What people call it.
    pub name: String,
    /// What the script holds: a random token that stands nowhere by chance.
    pub placeholder: String,
    /// What the server is to get.
    #[serde(with = "value_text")]
    pub value: Zeroizing<Vec<u8>>,
    /// The hosts that may get it.
    pub hosts: Vec<HostPattern>,
    /// The parts of a request it may stand in.
    pub parts: RequestParts,
    /// The methods, in capitals; `None` is any.
    pub methods: Option<Vec<String>>,
    /// The path, or what is below it (`/v1` is not `/v1x`); `None` is any.
    pub path_prefix: Option<String>,
}

/// A value on its way to the egress process.
mod value_text {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    use serde::{Deserialize, Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub(super) fn serialize<S: Serializer>(value: &Zeroizing<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&Zeroizing::new(BASE64_STANDARD.encode(&**value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Zeroizing<Vec<u8>>, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        let value = BASE64_STANDARD.decode(&*text).map_err(serde::de::Error::custom)?;
        Ok(Zeroizing::new(value))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

pub(super) fn check_length(value: &[u8]) -> Result<(), SecretError> {
    match value.len() {
        0 => Err(SecretError::Empty),
        1..=MAX_VALUE => Ok(()),
        _ => Err(SecretError::TooLong),
    }
}

impl Secret {
    fn check(&self) -> Result<(), SecretError> {
        if !(1..=100).contains(&self.name.chars().count()) || self.name.contains(char::is_control) {
            return Err(SecretError::Name);
        }
        check_length(&self.value)?;
        let tame = self.placeholder.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !tame || !(16..=200).contains(&self.placeholder.len()) {
            return Err(SecretError::Placeholder(self.name.clone()));
        }
        let is_method =
            |method: &String| !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        if !self.methods.iter().flatten().all(is_method) {
            return Err(SecretError::Method(self.name.clone()));
        }
        if self.path_prefix.as_ref().is_some_and(|prefix| !prefix.starts_with('/')) {
            return Err(SecretError::Path(self.name.clone()));
        }
        Ok(())
    }
}

/// All secrets of a run, ready to be looked for. Made once per run; the search keeps copies of the values that are
/// freed, and not overwritten, with it.
pub struct Secrets {
    pub(super) secrets: Vec<Secret>,
    /// By the number of the secret.
    pub(super) placeholders: Search,
    /// By the numbers of the secrets that are looked for.
    searched: Mutex<BTreeMap<Vec<usize>, Arc<SearchedValues>>>,
}

/// Values that may come back.
pub(super) struct SearchedValues {
    pub(super) values: Matcher,
    /// What the patterns of `values` are.
    pub(super) encodings: Vec<(usize, ValueEncoding)>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.secrets).finish()
    }
}

impl Secrets {
    /// Checks them and makes them ready.
    pub fn new(secrets: Vec<Secret>) -> Result<Self, SecretError> {
        secrets.iter().try_for_each(Secret::check)?;
        if secrets.iter().map(|secret| secret.value.len()).sum::<usize>() > MAX_VALUES {
            return Err(SecretError::TooMuch);
        }
        for (at, one) in secrets.iter().enumerate() {
            let clash =
                |(other, secret): &(usize, &Secret)| *other != at && secret.placeholder.contains(&one.placeholder);
            if let Some((_, other)) = secrets.iter().enumerate().find(clash) {
                return Err(SecretError::Ambiguous(one.name.clone(), other.name.clone()));
            }
        }
        let placeholders =
            secrets.iter().map(|secret| Zeroizing::new(secret.placeholder.as_bytes().to_vec())).collect();
        let secrets = Secrets { placeholders: Search::new(placeholders)?, secrets, searched: Mutex::default() };
        // Whatever is looked for later is less than this.
        secrets.searched((0..secrets.secrets.len()).collect())?;
        Ok(secrets)
    }

    fn searched(&self, numbers: Vec<usize>) -> Result<Arc<SearchedValues>, SecretError> {
        // No code panics while it holds this lock.
        let mut searched = self.searched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = searched.get(&numbers) {
            return Ok(Arc::clone(known));
        }
        let (mut patterns, mut encodings) = (Vec::new(), Vec::new());
        for number in &numbers {
            for (encoding, pattern) in encodings::encodings(&self.secrets[*number].value) {
                patterns.push(pattern);
                encodings.push((*number, encoding));
            }
        }
        let made = Arc::new(SearchedValues { values: Matcher::new(&patterns)?, encodings });
        searched.insert(numbers, Arc::clone(&made));
        Ok(made)
    }

    /// What is looked for in what comes over a connection: the values that its other end may know, if it has proven to
    /// be who it is. Another one would learn from what is replaced, or waits to be, which of its guesses are right.
    pub(super) fn searched_for(
        &self,
        destination: &Destination,
        mode: ConnectionMode,
    ) -> Result<Arc<SearchedValues>, SecretError> {
        let known = |secret: &Secret| secret.hosts.iter().any(|host| host.matches(destination));
        let numbers =
            self.secrets.iter().enumerate().filter(|(_, secret)| mode == ConnectionMode::Http && known(secret));
        self.searched(numbers.map(|(number, _)| number).collect())
    }
}
