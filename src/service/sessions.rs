//! Who a caller is, by a token or by a session; logging in and out.

use super::{ErrorKind, Service, ServiceError};
use crate::access::{SESSION_PREFIX, Session, TOKEN_PREFIX, Token, hash, new_session};
use crate::panics;
use chrono::TimeDelta;
use std::time::Duration;

/// How long a session is, where the request says nothing.
const SESSION: Duration = Duration::from_secs(12 * 3600);
/// The longest session.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// The longest text that is looked up, in bytes.
const MOST: usize = 200;
/// The last use of a token is told to so much.
const USE_TOLD: TimeDelta = TimeDelta::seconds(60);

/// A session that was begun.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// The token that it was begun with.
    pub token: Token,
    /// The session.
    pub session: Session,
    /// The value of its cookie, which is told only here.
    pub value: String,
}

impl Service {
    /// The token that a client sends.
    ///
    /// # Errors
    /// It is no token, it is unknown, or it has expired.
    pub async fn token_by_value(&self, value: &str) -> Result<Token, ServiceError> {
        if !value.starts_with(TOKEN_PREFIX) || value.len() >= MOST {
            return Err(ServiceError::unauthorized(
                "a token begins with cbx_: it is sent as Authorization: Bearer cbx_…",
            ));
        }
        // Found by the hash of what was given, which tells nothing about tokens that are near it.
        let Some(token) = self.store.token(&hash(value)).await? else {
            return Err(ServiceError::unauthorized("this token is unknown, or was removed"));
        };
        if token.expires_at.is_some_and(|end| end <= self.clock.now()) {
            return Err(ServiceError::unauthorized("this token has expired"));
        }
        self.note_use(&token);
        Ok(token)
    }

    /// The session whose cookie a client sends, and its token, which ends with the session here.
    ///
    /// # Errors
    /// It is unknown, or it has ended.
    pub async fn session_by_value(&self, value: &str) -> Result<(Session, Token), ServiceError> {
        let ended = || ServiceError::unauthorized("this session has ended: log in again");
        if !value.starts_with(SESSION_PREFIX) || value.len() >= MOST {
            return Err(ended());
        }
        let (session, token) = self.session_of(&hash(value)).await?.ok_or_else(ended)?;
        self.note_use(&token);
        Ok((session, token))
    }

    /// The session of a hash that has not ended, and its token; none when there is none.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn session_of(&self, hash: &str) -> Result<Option<(Session, Token)>, ServiceError> {
        let now = self.clock.now();
        let found = self.store.session(hash).await?;
        let goes_on = |(session, token): &(Session, Token)| {
            session.expires_at > now && token.expires_at.is_none_or(|end| end > now)
        };
        Ok(found.filter(goes_on).map(|(session, token)| {
            let end = token.expires_at.map_or(session.expires_at, |end| end.min(session.expires_at));
            (session, Token { expires_at: Some(end), ..token })
        }))
    }

    /// Begins a session with a token: of 12 hours if nothing else is asked for, and never longer than the token.
    ///
    /// # Errors
    /// The token cannot be used, or the time is too short or too long.
    pub async fn log_in(&self, token: &str, expires_in: Option<Duration>) -> Result<LoggedIn, ServiceError> {
        let time = expires_in.unwrap_or(SESSION);
        if !(Duration::from_secs(1)..=LONGEST).contains(&time) {
            return Err(ServiceError::invalid("expires_in", "a session takes 1s to 30d"));
        }
        let token = self.token_by_value(token).await.map_err(|error| match error.kind {
            ErrorKind::Unauthorized => error.field("token"),
            _ => error,
        })?;
        let now = self.clock.now();
        let end = now + TimeDelta::from_std(time).unwrap_or_default();
        let end = token.expires_at.map_or(end, |token_end| token_end.min(end));
        let value = new_session().map_err(|error| {
            tracing::error!(%error, "no randomness");
            ServiceError::new(ErrorKind::Internal, "internal", "the system gives no randomness")
        })?;
        let session = Session { hash: hash(&value), expires_at: end };
        if !self.store.add_session(&session, &token.id, now).await? {
            return Err(ServiceError::unauthorized("this token is unknown, or was removed").field("token"));
        }
        Ok(LoggedIn { token, session, value })
    }

    /// Ends the session of a cookie, if it is there.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn log_out(&self, value: &str) -> Result<(), ServiceError> {
        self.store.remove_session(&hash(value)).await?;
        Ok(())
    }

    /// Keeps when a token was used last.
    fn note_use(&self, token: &Token) {
        let now = self.clock.now();
        if token.last_used_at.is_some_and(|used| now - used < USE_TOLD) {
            return;
        }
        let (store, id) = (self.store.clone(), token.id.clone());
        tokio::spawn(panics::caught_in("token", async move {
            // For people; the next use tells it again.
            let _ = store.token_used(&id, now).await;
        }));
    }
}
