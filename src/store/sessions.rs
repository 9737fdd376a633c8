//! Sessions: logins of browsers with a token.

use super::tokens::{TOKEN_COLUMNS, token_of};
use super::tx::{Tx, args, stamp};
use super::{Store, StoreError, audit};
use crate::access::{Session, Token};
use crate::audit::Actor;
use crate::clock::Time;
use std::sync::Arc;

/// Most sessions of one token: a new one ends the oldest.
pub const MOST_SESSIONS: usize = 100;
/// Expired sessions deleted in one transaction.
const BATCH: usize = 500;

/// Whoever logs in or out is known by the token of the session, which is found here.
fn acts_with(tx: &mut Tx<'_>, token: String, name: String) {
    if let Some(acting) = &mut tx.acting {
        acting.actor = Arc::new(Actor { token: Some(token), token_name: Some(name), ..Actor::clone(&acting.actor) });
    }
}

impl Store {
    /// Keeps a session of a token. False when the token is gone.
    pub async fn add_session(&self, session: &Session, token: &str, now: Time) -> Result<bool, StoreError> {
        let all = Arc::new((session.clone(), token.to_owned()));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (session, token) = &*all;
                // The row of the token is locked: it cannot be removed in between, and sessions are counted one by one.
                let sql = format!("SELECT name FROM tokens WHERE id = $1{}", tx.dialect.for_update());
                let Some(found) = tx.first(sql, args![&**token]).await? else { return Ok(false) };
                let name = found.text("name")?;
                let sql = format!(
                    "DELETE FROM sessions WHERE token = $1 AND hash NOT IN (
                    SELECT hash FROM sessions WHERE token = $1 ORDER BY created_at DESC, hash LIMIT {})",
                    MOST_SESSIONS - 1
                );
                tx.run(sql, args![&**token]).await?;
                let sql = "INSERT INTO sessions (hash, token, created_at, expires_at) VALUES ($1, $2, $3, $4)";
                tx.run(sql, args![&*session.hash, &**token, stamp(now), stamp(session.expires_at)]).await?;
                acts_with(tx, token.clone(), name);
                audit::note(tx, "session", None).await?;
                Ok(true)
            })
        })
        .await
    }

    /// The session of a hash with its token, each expired or not.
    pub async fn session(&self, hash: &str) -> Result<Option<(Session, Token)>, StoreError> {
        let hash = hash.to_owned();
        self.read(move |tx| {
            let hash = hash.clone();
            Box::pin(async move {
                let sql = format!(
                    "SELECT {TOKEN_COLUMNS}, s.hash AS session, s.expires_at AS session_end
                    FROM sessions s JOIN tokens t ON t.id = s.token WHERE s.hash = $1"
                );
                let Some(row) = tx.first(sql, args![hash]).await? else { return Ok(None) };
                let session = Session { hash: row.text("session")?, expires_at: row.time("session_end")? };
                Ok(Some((session, token_of(&row)?)))
            })
        })
        .await
    }

    /// Ends a session. False when there is none.
    pub async fn remove_session(&self, hash: &str) -> Result<bool, StoreError> {
        let hash = hash.to_owned();
        self.write(move |tx| {
            let hash = hash.clone();
            Box::pin(async move {
                let sql = "SELECT t.id, t.name FROM sessions s JOIN tokens t ON t.id = s.token WHERE s.hash = $1";
                let found = tx.first(sql, args![&*hash]).await?;
                let is_removed = tx.run("DELETE FROM sessions WHERE hash = $1", args![&*hash]).await? > 0;
                if let Some(token) = found.filter(|_| is_removed) {
                    acts_with(tx, token.text("id")?, token.text("name")?);
                    audit::note(tx, "session", None).await?;
                }
                Ok(is_removed)
            })
        })
        .await
    }

    /// Forgets sessions that have expired: how many, at most a batch.
    pub async fn forget_sessions(&self, now: Time) -> Result<u64, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = format!(
                    "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE expires_at <= $1 LIMIT {BATCH})"
                );
                tx.run(sql, args![stamp(now)]).await
            })
        })
        .await
    }
}
