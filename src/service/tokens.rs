//! Tokens: made, listed without what they are, removed.

use super::text::quoted;
use super::{ErrorKind, Service, ServiceError};
use crate::access::{SCOPES, Scope, Token, hash, new_token, script_pattern};
use crate::run::new_id;
use std::time::Duration;

/// A token that is asked for.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// For people: 1 to 100 characters.
    pub name: String,
    /// What it allows, by the words for scopes.
    pub scopes: Vec<String>,
    /// Only these scripts: names or patterns.
    pub scripts: Option<Vec<String>>,
    /// Only scripts with one of these labels: `key=value`.
    pub labels: Option<Vec<String>>,
    /// For how long it is valid; none: for ever.
    pub expires_in: Option<Duration>,
}

impl Service {
    /// Makes a token; and what its holder sends, which is told only here.
    ///
    /// # Errors
    /// A field cannot be, or the system has no randomness.
    pub async fn create_token(&self, asked: TokenRequest) -> Result<(Token, String), ServiceError> {
        let TokenRequest { name, scopes: words, scripts, labels, expires_in } = asked;
        if name.is_empty() || name.chars().count() > 100 || name.contains(char::is_control) {
            let detail = "a token needs a name of 1 to 100 characters, for people to know it by";
            return Err(ServiceError::invalid("name", detail));
        }
        let scopes = read_scopes(&words)?;
        let patterns =
            |names: Vec<String>| names.iter().map(|name| script_pattern(name)).collect::<Result<Vec<_>, _>>();
        let scripts =
            scripts.map(patterns).transpose().map_err(|error| ServiceError::invalid("scripts", error.to_string()))?;
        if labels.iter().flatten().any(|label| !label.contains('=')) {
            return Err(ServiceError::invalid("labels", "a label is written key=value"));
        }
        if scopes.contains(&Scope::Admin) && (scripts.is_some() || labels.is_some()) {
            let detail =
                "the scope admin is about the whole server, so its token cannot be limited to scripts or labels";
            return Err(ServiceError::invalid("scopes", detail));
        }
        let now = self.clock.now();
        let end = |time: Duration| {
            let end = chrono::TimeDelta::from_std(time).ok().and_then(|time| now.checked_add_signed(time));
            end.ok_or_else(|| ServiceError::invalid("expires_in", "that is too long a time"))
        };
        let expires_at = expires_in.map(end).transpose()?;
        let secret = new_token().map_err(|error| {
            tracing::error!(%error, "no randomness");
            ServiceError::new(ErrorKind::Internal, "internal", "the system gives no randomness")
        })?;
        let id = new_id(now);
        let token = Token { id, name, scopes, scripts, labels, created_at: now, expires_at, last_used_at: None };
        self.store.add_token(&token, &hash(&secret)).await?;
        Ok((token, secret))
    }

    /// Removes a token.
    ///
    /// # Errors
    /// It is not there; or it is the last one with the scope `admin`, and others are left.
    pub async fn remove_token(&self, id: &str) -> Result<(), ServiceError> {
        let tokens = self.store.tokens().await?;
        let is_admin = |token: &Token| token.scopes.contains(&Scope::Admin);
        let admins = tokens.iter().filter(|token| is_admin(token)).count();
        // Without any token this machine's user would be let in again; on other listeners, nobody ever.
        if admins == 1 && tokens.len() > 1 && tokens.iter().any(|token| token.id == id && is_admin(token)) {
            let detail = "this is the last token with the scope admin, and others are left: remove those first";
            return Err(ServiceError::conflict("last_admin", detail));
        }
        match self.store.remove_token(id).await? {
            true => Ok(()),
            false => Err(ServiceError::not_found("no_such_token", format!("there is no token {:?}", quoted(id)))),
        }
    }
}

/// The scopes that words name, in order, each once.
fn read_scopes(words: &[String]) -> Result<Vec<Scope>, ServiceError> {
    let mut scopes = Vec::new();
    for word in words {
        let all = SCOPES.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
        let unknown = || ServiceError::invalid("scopes", format!("{:?} is no scope; there are {all}", quoted(word)));
        scopes.push(Scope::parse(word).ok_or_else(unknown)?);
    }
    scopes.sort();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(ServiceError::invalid("scopes", "a token without scopes allows nothing: name at least one"));
    }
    Ok(scopes)
}
