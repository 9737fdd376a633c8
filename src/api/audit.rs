//! The audit log, as answers tell it.

use super::values::time;
use crate::audit::AuditEntry;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An entry of the audit log: a change, or a request that was refused.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditBody {
    /// Its id; ids are in the order of time.
    pub id: String,
    /// When.
    pub at: String,
    /// What kind of caller: `token`, `session` (a browser that logged in with a token), `local` (the user of this machine, on a
    /// server without tokens), `server` (it takes scripts from a script source).
    pub actor: String,
    /// The id of the token.
    pub token: Option<String>,
    /// The name of the token at that time.
    pub token_name: Option<String>,
    /// The network address of the client.
    pub address: Option<String>,
    /// The id of the request, which its answer has as `X-Request-Id`.
    pub request: Option<String>,
    /// What was asked for, by the operation of this API: `put_script`.
    pub action: String,
    /// What was changed, as its address without `/v1/`: `scripts/price`; of a refusal the address of the request.
    pub object: String,
    /// `done` or `refused`.
    pub outcome: String,
    /// What changed, in a few words; of a refusal its code.
    pub detail: Option<String>,
}

impl From<&AuditEntry> for AuditBody {
    fn from(entry: &AuditEntry) -> Self {
        let actor = entry.actor.clone();
        AuditBody {
            id: entry.id.clone(),
            at: time(actor.at),
            actor: actor.kind.as_str().to_owned(),
            token: actor.token,
            token_name: actor.token_name,
            address: actor.address,
            request: actor.request,
            action: actor.action,
            object: entry.object.clone(),
            outcome: entry.outcome.as_str().to_owned(),
            detail: entry.detail.clone(),
        }
    }
}
