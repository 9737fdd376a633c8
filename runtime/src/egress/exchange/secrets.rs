//! The secrets of a run: their grants, and the search for their placeholders and values.

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

/// Most bytes of a value. The key file of a service account has less than 3 KiB.
pub const MAX_VALUE: usize = 4 << 10;

/// Most bytes of all values of a run.
pub(super) const MAX_VALUES: usize = 64 << 10;

/// The parts of a request in which a secret can be injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestParts {
    /// The values of headers.
    pub headers: bool,
    /// The query of the URL, which many servers log.
    pub query: bool,
    /// The body.
    pub body: bool,
}

impl Default for RequestParts {
    fn default() -> Self {
        RequestParts { headers: true, query: false, body: false }
    }
}

/// A secret and its grant.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secret {
    /// The name.
    pub name: String,
    /// The placeholder that the script has: a random token that appears nowhere by chance.
    pub placeholder: String,
    /// The value that the server receives.
    #[serde(with = "value_text")]
    pub value: Zeroizing<Vec<u8>>,
    /// The hosts that can receive it.
    pub hosts: Vec<HostPattern>,
    /// The parts of a request in which it is injected.
    pub parts: RequestParts,
    /// The methods, in capitals; none: every method.
    pub methods: Option<Vec<String>>,
    /// The path, with the paths below it (`/v1` is not `/v1x`); none: every path.
    pub path_prefix: Option<String>,
}

/// The value as base64, for the frame to the egress process.
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

/// All secrets of a run, with the search for them. Made once per run. The search keeps copies of the values, which are
/// freed without being overwritten.
pub struct Secrets {
    pub(super) secrets: Vec<Secret>,
    /// The search for placeholders; the number of a pattern is the number of its secret.
    pub(super) placeholders: Search,
    /// The searches for values, by the numbers of the secrets.
    searched: Mutex<BTreeMap<Vec<usize>, Arc<SearchedValues>>>,
}

/// The search for values that a server can return.
pub(super) struct SearchedValues {
    pub(super) values: Matcher,
    /// The secret and encoding of each pattern of `values`.
    pub(super) encodings: Vec<(usize, ValueEncoding)>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.secrets).finish()
    }
}

impl Secrets {
    /// Checks secrets, and makes the search for them.
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
        // The largest search that can be made: later ones cannot fail.
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

    /// Returns the search for a connection: for the values that its host knows, when its certificate is verified. Any
    /// other host would learn from replacements and delays which of its guesses are right.
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
