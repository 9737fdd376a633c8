//! The keys of secrets and the first token, at the start of a node.

use super::{Config, ServeError, failed};
use crate::access::{Scope, TOKEN_PREFIX, Token, hash, new_token};
use crate::clock::Clock;
use crate::keyring::{self, KeySource, Keyring};
use crate::run::new_id;
use crate::store::{Store, StoreError};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What is to be said when there are secrets that this node has no key for. Keys that cannot be read are an error.
pub(super) async fn unreadable_secrets(
    store: &Store,
    keyring: &Keyring,
    source: &KeySource,
    data_dir: &Path,
) -> Result<Option<String>, ServeError> {
    let keys = keyring.keys().map_err(|error| match source {
        KeySource::File(path) => failed(format_args!("--secret-key-file {}: {error}", path.display())),
        _ => failed(error),
    })?;
    let secrets = store.secrets().await.map_err(failed)?;
    let mut lost: Vec<String> =
        secrets.into_iter().filter(|secret| !keys.has_key_of(secret)).map(|secret| secret.name).collect();
    let channels = store.channels().await.map_err(failed)?.into_iter();
    let channels = channels.filter(|channel| !keys.has_key_of_channel(channel));
    lost.extend(channels.map(|channel| format!("channel {}", channel.name)));
    if lost.is_empty() {
        return Ok(None);
    }
    let own = data_dir.join(keyring::OWN_FILE);
    let there = if !matches!(source, KeySource::Own(_)) && own.exists() {
        format!(" (there is also {}, which is not read beside the operator's)", own.display())
    } else {
        String::new()
    };
    let warning = format!(
        "no key that is here opens these secrets, and runs that need them will fail: {}. Give the key back with \
         --secret-key-file or CRONBOX_SECRET_KEY{there}; if it is lost, remove the secrets and set them again",
        lost.join(", ")
    );
    tracing::warn!("{warning}");
    Ok(Some(warning))
}

/// Makes the first token when a file is named for it; whether there are tokens then.
pub(super) async fn first_token(store: &Store, config: &Config, clock: &Clock) -> Result<bool, ServeError> {
    let tokens = store.tokens().await.map_err(failed)?;
    let Some(path) = &config.admin_token_file else { return Ok(!tokens.is_empty()) };
    let shown = path.display();
    let secret = match File::open(path) {
        Ok(file) => {
            let mut text = String::new();
            file.take(1000)
                .read_to_string(&mut text)
                .map_err(|error| failed(format_args!("{shown} cannot be read: {error}")))?;
            text.trim().to_owned()
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret = new_token().map_err(failed)?;
            write_secret(path, &secret).map_err(|error| failed(format_args!("{shown} cannot be written: {error}")))?;
            secret
        }
        Err(error) => return Err(failed(format_args!("{shown} cannot be read: {error}"))),
    };
    if !secret.starts_with(TOKEN_PREFIX) || secret.len() < 36 || secret.len() > 190 || !secret.is_ascii() {
        return Err(failed(format_args!(
            "{shown} holds no token: write {TOKEN_PREFIX} and at least 32 random letters and digits, or remove the file to have one made"
        )));
    }
    if store.token(&hash(&secret)).await.map_err(failed)?.is_none() {
        let now = clock.now();
        let token = Token {
            id: new_id(now),
            name: "admin".into(),
            scopes: vec![Scope::Admin],
            scripts: None,
            labels: None,
            created_at: now,
            expires_at: None,
            last_used_at: None,
        };
        match store.add_token(&token, &hash(&secret)).await {
            // Another node that starts from the same file was first.
            Ok(()) | Err(StoreError::Conflict) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(true)
}

/// Writes a file that only its owner may read.
fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{secret}")
}
