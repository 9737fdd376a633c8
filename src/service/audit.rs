//! The audit log: looked at.

use super::text::quoted;
use super::{Service, ServiceError};
use crate::audit::{ActorKind, AuditEntry, AuditOutcome};
use crate::clock::Time;
use crate::store::audit::AuditFilter;

/// Which entries are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditRequest {
    /// Of this kind of actor.
    pub actor: Option<String>,
    /// Of the token with this id.
    pub token: Option<String>,
    /// Of this operation of the API.
    pub action: Option<String>,
    /// About this object, or what is below its address.
    pub object: Option<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// Of this request.
    pub request: Option<String>,
    /// At this time or later.
    pub since: Option<Time>,
    /// Before this time.
    pub until: Option<Time>,
    /// Those before this id.
    pub before: Option<String>,
}

/// What a word of a closed set means, or which words there are.
fn known<T>(
    field: &'static str,
    word: Option<String>,
    parse: fn(&str) -> Option<T>,
    words: &[&str],
) -> Result<Option<T>, ServiceError> {
    let read = |word: String| {
        let why = || ServiceError::invalid(field, format!("{:?} is none of {}", quoted(&word), words.join(", ")));
        parse(&word).ok_or_else(why)
    };
    word.map(read).transpose()
}

impl Service {
    /// At most `limit` entries of the audit log, the newest first.
    ///
    /// # Errors
    /// The actor or the outcome is none that there is.
    pub async fn audit(&self, asked: AuditRequest, limit: usize) -> Result<Vec<AuditEntry>, ServiceError> {
        let filter = AuditFilter {
            actor: known("actor", asked.actor, ActorKind::parse, &ActorKind::WORDS)?,
            outcome: known("outcome", asked.outcome, AuditOutcome::parse, &AuditOutcome::WORDS)?,
            token: asked.token,
            action: asked.action,
            // As it stands in a URL, or as it is listed.
            object: asked.object.map(|object| object.trim_start_matches("/v1/").trim_matches('/').to_owned()),
            request: asked.request,
            since: asked.since,
            until: asked.until,
            before: asked.before,
        };
        Ok(self.store.audit(filter, limit).await?)
    }
}
