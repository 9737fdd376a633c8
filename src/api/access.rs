//! Tokens, grants and secrets, as answers tell them.

use super::values::time;
use crate::access::{Caller, SCOPES, Scope, Token};
use crate::secret::{Secret, SecretTerms};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A token, without what it is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenBody {
    /// Names it.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Only these scripts; null: any.
    pub scripts: Option<Vec<String>>,
    /// Only scripts with one of these labels; null: any.
    pub labels: Option<Vec<String>>,
    /// When it was made.
    pub created_at: String,
    /// When it ends; null: never.
    pub expires_at: Option<String>,
    /// When it was used last, to a minute.
    pub last_used_at: Option<String>,
    /// The token itself, only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub token: Option<String>,
}

impl From<&Token> for TokenBody {
    fn from(token: &Token) -> Self {
        TokenBody {
            id: token.id.clone(),
            name: token.name.clone(),
            scopes: token.scopes.clone(),
            scripts: token.scripts.clone(),
            labels: token.labels.clone(),
            created_at: time(token.created_at),
            expires_at: token.expires_at.map(time),
            last_used_at: token.last_used_at.map(time),
            token: None,
        }
    }
}

/// The token of a caller.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionTokenBody {
    /// Names it.
    pub id: String,
    /// For people.
    pub name: String,
}

/// Who asks, and what they may do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionBody {
    /// Whether this server wants a login; without one it answers the user of its own machine.
    pub login_required: bool,
    /// The token that was used; null: none.
    pub token: Option<SessionTokenBody>,
    /// What the caller may do; empty for who is not logged in.
    pub scopes: Vec<Scope>,
    /// Only these scripts; null: any.
    pub scripts: Option<Vec<String>>,
    /// Only scripts with one of these labels; null: any.
    pub labels: Option<Vec<String>>,
    /// When the session or the token ends; null: never.
    pub expires_at: Option<String>,
    /// The version of this program.
    pub version: String,
}

impl SessionBody {
    /// What is told to a caller; none: a client that is not known.
    pub fn new(caller: Option<&Caller>) -> Self {
        let none = SessionBody {
            login_required: true,
            token: None,
            scopes: Vec::new(),
            scripts: None,
            labels: None,
            expires_at: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        match caller {
            None => none,
            Some(Caller::Local) => SessionBody { login_required: false, scopes: SCOPES.to_vec(), ..none },
            Some(Caller::Token(token)) => SessionBody {
                token: Some(SessionTokenBody { id: token.id.clone(), name: token.name.clone() }),
                scopes: token.scopes.clone(),
                scripts: token.scripts.clone(),
                labels: token.labels.clone(),
                expires_at: token.expires_at.map(time),
                ..none
            },
        }
    }
}

/// A secret, without its value.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecretBody {
    /// The environment variable in which scripts find its placeholder.
    pub name: String,
    /// The hosts that may get it.
    pub hosts: Vec<String>,
    /// The scripts that it is set for.
    pub scripts: Vec<String>,
    /// The scripts that it is set for, by label.
    pub labels: Vec<String>,
    /// The scripts that have it, there or not yet.
    pub granted: Vec<String>,
    /// Where in a request it may be placed: `headers`, `query`, `body`.
    #[serde(rename = "in")]
    pub places: Vec<String>,
    /// The methods of requests that it may be placed in; nothing: any.
    pub methods: Option<Vec<String>>,
    /// The path of requests that it may be placed in, and what is below it; nothing: any.
    pub path_prefix: Option<String>,
    /// Whether the script itself gets the value.
    pub in_clear: bool,
    /// The id of the key that it is sealed with.
    pub key: String,
    /// Whether this node has that key. Without it, attempts that need the secret fail.
    pub readable: bool,
    /// When it was set first.
    pub created_at: String,
    /// When it was set last.
    pub updated_at: String,
    /// The id of the token that set it last; null: no token did.
    pub created_by: Option<String>,
    /// What whoever set it should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub warning: Option<String>,
}

impl From<&Secret> for SecretBody {
    fn from(secret: &Secret) -> Self {
        let SecretTerms { hosts, scripts, labels, places, methods, path_prefix, in_clear } = secret.terms.clone();
        let words = [(places.headers, "headers"), (places.query, "query"), (places.body, "body")];
        SecretBody {
            name: secret.name.clone(),
            hosts: hosts.texts().map(str::to_owned).collect(),
            scripts,
            labels,
            granted: Vec::new(),
            places: words.into_iter().filter(|(may, _)| *may).map(|(_, word)| word.to_owned()).collect(),
            methods,
            path_prefix,
            in_clear,
            key: secret.key.clone(),
            readable: true,
            created_at: time(secret.created_at),
            updated_at: time(secret.updated_at),
            created_by: secret.created_by.clone(),
            warning: None,
        }
    }
}

/// What sealing all secrets with another key came to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ResealedBody {
    /// The id of the key that seals from now on.
    pub key: String,
    /// How many secrets were sealed again.
    pub resealed: u64,
    /// Secrets that no key of this node opens: they are as they were.
    pub unreadable: Vec<String>,
    /// What whoever rotated should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub warning: Option<String>,
}

/// What a token with the scope `grant` allowed a script.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GrantBody {
    /// The script.
    pub script: String,
    /// `limit`, `host` or `secret`.
    pub kind: String,
    /// Which: `memory`, `api.example.com`, `API_KEY`.
    pub name: String,
    /// How much: bytes, units of fuel, milliseconds; of a host `verified` or `unverified`; of a secret `granted`.
    pub value: String,
    /// Since when.
    pub created_at: String,
    /// The id of the token that granted it; null: no token did.
    pub created_by: Option<String>,
}
