//! The keys that seal the values of secrets: where they are kept, and what is done with them.
//!
//! A value is sealed by XChaCha20-Poly1305 with 192 random bits of nonce, together with the secret's name and terms: who
//! changes the database cannot make a secret go to another host. Keys stand in a file of the operator's, in a variable,
//! or in the data directory, where one is made when the first secret is set. The first key seals; all of them open.

mod channels;

pub use channels::SealedChannelError;

use crate::durable;
use crate::secret::Secret;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// The file in the data directory in which keys of a server's own are.
pub const OWN_FILE: &str = "secret.key";

const KEY: usize = 32;
const NONCE: usize = 24;
/// Most bytes of a file of keys.
const MAX_FILE: u64 = 64 << 10;

/// Where keys are.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file of the operator's, which is read whenever a key is needed.
    File(PathBuf),
    /// A variable of the environment, as it was at the start.
    Variable(Zeroizing<String>),
    /// A file in the data directory, made when it is needed.
    Own(PathBuf),
    /// Nowhere but in memory: gone with the server, as its database is.
    Memory,
    /// Nowhere: this node has no directory of its own.
    Nowhere,
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::File(path) => f.debug_tuple("File").field(path).finish(),
            KeySource::Variable(_) => f.write_str("Variable"),
            KeySource::Own(path) => f.debug_tuple("Own").field(path).finish(),
            KeySource::Memory => f.write_str("Memory"),
            KeySource::Nowhere => f.write_str("Nowhere"),
        }
    }
}

/// Why a value cannot be sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A file that cannot be read or written. Which one is the operator's business, and in the log.
    #[error("the keys for secrets cannot be used: {0}")]
    File(String),
    /// A line that is no key.
    #[error(
        "line {line} of the keys for secrets ({from}) is no key: a key is 32 random bytes in base64 (openssl rand -base64 32)"
    )]
    Malformed {
        /// The file or the variable.
        from: String,
        /// Counted from 1.
        line: usize,
    },
    /// No key, and nowhere to keep one.
    #[error(
        "this node has no key for secrets, and no data directory to keep one in: give every node the same, with --secret-key-file FILE or in CRONBOX_SECRET_KEY"
    )]
    None,
    /// The key that sealed it is not there.
    #[error(
        "the secret {name} was sealed with the key {key}, which this node does not have: give it back with --secret-key-file or CRONBOX_SECRET_KEY; if it is lost, remove the secret and set it again"
    )]
    Lost {
        /// The secret.
        name: String,
        /// The key's id.
        key: String,
    },
    /// It is not what was sealed.
    #[error("the secret {0} is not as it was sealed: its row in the database was changed; set it again")]
    Tampered(String),
    /// There are secrets that no key of this node opens: a new key beside them would hide that the old one is lost.
    #[error(
        "the key {0}, with which other secrets were sealed, is not here: give it back with --secret-key-file or CRONBOX_SECRET_KEY; or, if it is lost, remove those secrets, and a new key is made"
    )]
    Missing(String),
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    NoRandomness,
}

/// One key.
#[derive(Clone)]
struct Key {
    id: String,
    bytes: Zeroizing<[u8; KEY]>,
}

/// The keys that were there at one moment, the one that seals first.
#[derive(Clone, Default)]
pub struct Keys(Vec<Key>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

impl Keys {
    /// The id of the key that seals.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(|key| key.id.as_str())
    }

    /// Whether the key with this id is here.
    pub fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id == id)
    }

    /// The key that a secret is sealed with, if it is here.
    fn key_of(&self, secret: &Secret) -> Option<&Key> {
        self.0.iter().find(|key| key.id == secret.key)
    }

    /// Whether the key that a secret is sealed with is here.
    pub fn has_key_of(&self, secret: &Secret) -> bool {
        self.key_of(secret).is_some()
    }

    /// Opens a secret's value.
    pub fn open(&self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let lost = || KeyError::Lost { name: secret.name.clone(), key: secret.key.clone() };
        let key = self.key_of(secret).ok_or_else(lost)?;
        let tampered = || KeyError::Tampered(secret.name.clone());
        let bytes = BASE64_STANDARD.decode(&secret.sealed).map_err(|_| tampered())?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE>().ok_or_else(tampered)?;
        let bound = bound(&secret.name, &secret.sealed_terms);
        let payload = Payload { msg: text, aad: bound.as_bytes() };
        key.cipher().decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| tampered())
    }
}

/// The keys of a node.
#[derive(Debug)]
pub struct Keyring {
    place: KeySource,
    /// Held while the file is read and written, and the keys of [`KeySource::Memory`].
    kept: Mutex<Keys>,
}

impl Key {
    fn new(bytes: Zeroizing<[u8; KEY]>) -> Self {
        let digest = Sha256::new().chain_update(b"cronbox key id\0").chain_update(bytes.as_slice()).finalize();
        Key { id: hex::encode(&digest[..6]), bytes }
    }

    fn make() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; KEY]);
        getrandom::fill(&mut *bytes).map_err(|_| KeyError::NoRandomness)?;
        Ok(Key::new(bytes))
    }

    fn seal(&self, secret: &mut Secret, value: &[u8]) -> Result<(), KeyError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| KeyError::NoRandomness)?;
        let bound = bound(&secret.name, &secret.sealed_terms);
        let payload = Payload { msg: value, aad: bound.as_bytes() };
        // It fails for values of more than 2^38 bytes alone.
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| KeyError::Tampered(secret.name.clone()))?;
        secret.key.clone_from(&self.id);
        secret.sealed = BASE64_STANDARD.encode([&nonce[..], &sealed].concat());
        Ok(())
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.bytes).into())
    }
}

/// What is sealed with a value. A name has no line break.
fn bound(name: &str, terms: &str) -> String {
    format!("cronbox secret\n{name}\n{terms}")
}

impl Keyring {
    /// The keys of a place. Nothing is read yet.
    pub fn new(place: KeySource) -> Self {
        Keyring { place, kept: Mutex::default() }
    }

    /// The keys as they are now. Reads a file, which is a small one.
    pub fn keys(&self) -> Result<Keys, KeyError> {
        self.read(&self.lock())
    }

    /// Seals a value into its secret. `others` are the ids of keys that other secrets are sealed with: where no key is
    /// there, one is made only when there are none. With a warning when one was made.
    pub fn seal(&self, secret: &mut Secret, value: &[u8], others: &[String]) -> Result<Option<String>, KeyError> {
        let mut kept = self.lock();
        if let Some(first) = self.read(&kept)?.0.first() {
            first.seal(secret, value)?;
            return Ok(None);
        }
        if let Some(missing) = others.first() {
            return Err(KeyError::Missing(missing.clone()));
        }
        let warning = self.warning().ok_or(KeyError::None)?;
        let key = Key::make()?;
        key.seal(secret, value)?;
        self.keep(&mut kept, Keys(vec![key]))?;
        Ok(Some(warning))
    }

    /// Makes a new key the first one, where keys are this server's own; elsewhere the operator has put one first. The old
    /// ones stay until [`Keyring::forget_old`]. `used` are the ids of keys that secrets are sealed with: where no key is
    /// there, none is made beside those that are lost. With a warning when one was made.
    pub fn renew(&self, used: &[String]) -> Result<Option<String>, KeyError> {
        let mut kept = self.lock();
        let mut keys = self.read(&kept)?;
        if let (true, Some(missing)) = (keys.0.is_empty(), used.first()) {
            return Err(KeyError::Missing(missing.clone()));
        }
        let Some(warning) = self.warning() else { return Ok(None) };
        keys.0.insert(0, Key::make()?);
        self.keep(&mut kept, keys)?;
        Ok(Some(warning))
    }

    /// What is to be known about a key that was made here; none where keys are the operator's.
    fn warning(&self) -> Option<String> {
        match &self.place {
            KeySource::Own(path) => Some(format!(
                "a key for secrets was made in {}: without it they cannot be read any more, so keep a copy elsewhere, and give it to every other node (--secret-key-file)",
                path.display()
            )),
            KeySource::Memory => Some("a key for secrets was made in memory: it goes with the server".to_owned()),
            KeySource::File(_) | KeySource::Variable(_) | KeySource::Nowhere => None,
        }
    }

    /// Forgets all keys but the first and those of `used`, where keys are this server's own.
    pub fn forget_old(&self, used: &[String]) -> Result<(), KeyError> {
        if !matches!(self.place, KeySource::Own(_) | KeySource::Memory) {
            return Ok(());
        }
        let mut kept = self.lock();
        let mut keys = self.read(&kept)?;
        let first = keys.first().map(str::to_owned);
        keys.0.retain(|key| Some(&key.id) == first.as_ref() || used.contains(&key.id));
        self.keep(&mut kept, keys)
    }

    fn read(&self, kept: &Keys) -> Result<Keys, KeyError> {
        match &self.place {
            KeySource::File(path) => read(path)?.ok_or_else(|| unusable(path, "it is not there")),
            KeySource::Own(path) => Ok(read(path)?.unwrap_or_default()),
            KeySource::Variable(text) => match parse(text, "CRONBOX_SECRET_KEY")? {
                keys if keys.0.is_empty() => Err(KeyError::File("there is none in CRONBOX_SECRET_KEY".into())),
                keys => Ok(keys),
            },
            KeySource::Memory => Ok(kept.clone()),
            KeySource::Nowhere => Ok(Keys::default()),
        }
    }

    fn keep(&self, kept: &mut Keys, keys: Keys) -> Result<(), KeyError> {
        match &self.place {
            KeySource::Own(path) => write(path, &keys).map_err(|error| unusable(path, error)),
            _ => {
                *kept = keys;
                Ok(())
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unusable(path: &Path, why: impl fmt::Display) -> KeyError {
    tracing::error!("the keys for secrets in {} cannot be used: {why}", path.display());
    KeyError::File(why.to_string())
}

/// The keys in a file; none when it is not there.
fn read(path: &Path) -> Result<Option<Keys>, KeyError> {
    let size = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, error)),
    };
    if size > MAX_FILE {
        return Err(unusable(path, "it is too large"));
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| unusable(path, error))?);
    match parse(&text, "the file")? {
        keys if keys.0.is_empty() => Err(unusable(path, "there is no key in it")),
        keys => Ok(Some(keys)),
    }
}

/// One key a line; in a variable, blanks and commas do as well. Lines that begin with `#` say nothing.
pub(crate) fn parse(text: &str, from: &str) -> Result<Keys, KeyError> {
    let mut keys = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        if content.trim_start().starts_with('#') {
            continue;
        }
        for word in content.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
            let malformed = || KeyError::Malformed { from: from.to_owned(), line };
            let bytes = Zeroizing::new(BASE64_STANDARD.decode(word).map_err(|_| malformed())?);
            let bytes: [u8; KEY] = bytes.as_slice().try_into().map_err(|_| malformed())?;
            keys.push(Key::new(Zeroizing::new(bytes)));
        }
    }
    Ok(Keys(keys))
}

/// Whole or not at all, and for this user alone.
fn write(path: &Path, keys: &Keys) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let mut text =
        Zeroizing::new(String::from("# Keys for the secrets of this server: the first one seals, all of them open.\n"));
    for key in &keys.0 {
        text.push_str(&Zeroizing::new(BASE64_STANDARD.encode(key.bytes.as_slice())));
        text.push('\n');
    }
    // One that was left by a crash may have other permissions.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    durable::sync_folder_of(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;
    use crate::secret::SecretTerms;

    fn variable(keys: &[[u8; KEY]]) -> Keyring {
        let lines: Vec<String> = keys.iter().map(|key| BASE64_STANDARD.encode(key)).collect();
        Keyring::new(KeySource::Variable(Zeroizing::new(lines.join("\n"))))
    }

    fn secret(terms: &str) -> Secret {
        let at = from_micros(0);
        Secret {
            name: "KEY".into(),
            terms: SecretTerms::default(),
            sealed_terms: terms.into(),
            key: String::new(),
            sealed: String::new(),
            created_at: at,
            updated_at: at,
            created_by: None,
        }
    }

    fn open(keys: &Keyring, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        keys.keys()?.open(secret)
    }

    fn ids(keys: &Keyring) -> Vec<String> {
        keys.keys().expect("keys").0.into_iter().map(|key| key.id).collect()
    }

    fn seal(keys: &Keyring) -> Secret {
        let mut secret = secret(r#"{"hosts":["a.example"]}"#);
        assert_eq!(keys.seal(&mut secret, b"the value", &[]), Ok(None));
        secret
    }

    #[test]
    fn what_was_sealed_is_opened_by_its_key_alone() {
        let (old, new, both) = (variable(&[[1; KEY]]), variable(&[[2; KEY]]), variable(&[[2; KEY], [1; KEY]]));
        let secret = seal(&old);
        assert!(!secret.sealed.contains(&BASE64_STANDARD.encode("the value")));
        assert_eq!(&**open(&old, &secret).expect("opens"), b"the value");
        assert_eq!(&**open(&both, &secret).expect("opens"), b"the value");
        let lost = KeyError::Lost { name: "KEY".into(), key: secret.key.clone() };
        assert_eq!(open(&new, &secret).expect_err("another key"), lost);
        assert_eq!(seal(&both).key, ids(&new)[0]);
        assert_ne!(seal(&old).sealed, secret.sealed);
    }

    #[test]
    fn name_terms_and_value_belong_together() {
        let keys = variable(&[[1; KEY]]);
        let whole = seal(&keys);
        let tampered = |change: fn(&mut Secret)| {
            let mut secret = whole.clone();
            change(&mut secret);
            assert_eq!(open(&keys, &secret), Err(KeyError::Tampered(secret.name.clone())), "{secret:?}");
        };
        tampered(|secret| secret.sealed_terms = r#"{"hosts":["b.example"]}"#.into());
        tampered(|secret| secret.name = "OTHER".into());
        tampered(|secret| secret.sealed.clear());
        tampered(|secret| secret.sealed = "!".into());
        tampered(|secret| secret.sealed = "AAAA".into());
        tampered(|secret| secret.sealed.truncate(secret.sealed.len() - 4));
        assert!(!format!("{whole:?}").contains(&whole.sealed));
    }

    #[test]
    fn a_key_is_made_once_for_this_user_alone_and_renewed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("cronbox-keys-{}", crate::access::new_token().expect("random")));
        std::fs::create_dir(&folder).expect("a folder");
        let path = folder.join("secret.key");
        let keys = Keyring::new(KeySource::Own(path.clone()));
        assert!(ids(&keys).is_empty());
        assert_eq!(keys.renew(&["0a".into()]), Err(KeyError::Missing("0a".into())));
        let mut first = secret("{}");
        let lost = keys.seal(&mut first, b"the value", &["0a".into()]);
        assert_eq!(lost, Err(KeyError::Missing("0a".into())));
        assert!(keys.seal(&mut first, b"the value", &[]).expect("seals").expect("a warning").contains("keep a copy"));
        assert_eq!(seal(&keys).key, first.key);
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert!(keys.renew(&[]).expect("renews").expect("a warning").contains("keep a copy"));
        let both = ids(&keys);
        assert_eq!((both.len(), &both[1]), (2, &first.key));
        assert_eq!(&**open(&Keyring::new(KeySource::Own(path)), &first).expect("opens"), b"the value");
        keys.forget_old(&[]).expect("forgets");
        assert_eq!(ids(&keys), [both[0].clone()]);
        std::fs::remove_dir_all(&folder).expect("removes");
    }

    #[test]
    fn what_is_no_key_is_told_by_its_line() {
        let text = format!("# mine\n{}\nnonsense\n", BASE64_STANDARD.encode([1; KEY]));
        let keys = Keyring::new(KeySource::Variable(Zeroizing::new(text)));
        let error = keys.keys().expect_err("no key").to_string();
        assert!(error.contains("line 3") && error.contains("CRONBOX_SECRET_KEY"), "{error}");
        let keys = Keyring::new(KeySource::File("/nowhere/at/all".into()));
        assert!(matches!(keys.keys(), Err(KeyError::File(_))));
        let keys = Keyring::new(KeySource::Variable(Zeroizing::new(" \n# none\n".into())));
        assert!(matches!(keys.keys(), Err(KeyError::File(_))));
        assert_eq!(Keyring::new(KeySource::Nowhere).seal(&mut secret("{}"), b"x", &[]), Err(KeyError::None));
    }
}
