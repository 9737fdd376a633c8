//! Who changed what: the entries of the audit log.
//!
//! An entry is written in the transaction of its change, so there is no change without its entry, and no entry without its
//! change. Who acts is known at the edge, and needed where the change is made: it goes along with the task ([`acting_as`]), and
//! the store takes it from there. What nobody asked for (a schedule that a policy pauses) has no entry: the feed of events has it.

use crate::clock::Time;
use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    static ACTOR: Arc<Actor>;
}

/// What kind of caller acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// A client with a token.
    Token,
    /// A browser that logged in with a token.
    Session,
    /// The user of this machine, on a server without tokens.
    Local,
    /// The server itself: it takes scripts from a script source.
    Server,
}

impl ActorKind {
    /// The words of all kinds.
    pub const WORDS: [&str; 4] = ["token", "session", "local", "server"];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            ActorKind::Token => "token",
            ActorKind::Session => "session",
            ActorKind::Local => "local",
            ActorKind::Server => "server",
        }
    }

    /// The kind of a word.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [ActorKind::Token, ActorKind::Session, ActorKind::Local, ActorKind::Server];
        all.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Who acts, and by which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// What kind of caller.
    pub kind: ActorKind,
    /// The id of the token.
    pub token: Option<String>,
    /// The name of the token, as it is now: it is told after the token is gone.
    pub token_name: Option<String>,
    /// The network address of the client; none on a Unix socket, and of the server itself.
    pub address: Option<String>,
    /// The id of the request, which its answer has as `X-Request-Id`.
    pub request: Option<String>,
    /// What is asked for, by the name of the operation of the API: `put_script`.
    pub action: String,
    /// When.
    pub at: Time,
}

impl Actor {
    /// The server itself.
    pub fn server(action: &str, at: Time) -> Self {
        let (token, token_name, address, request) = Default::default();
        Actor { kind: ActorKind::Server, token, token_name, address, request, action: action.to_owned(), at }
    }

    /// The user of this machine, who works on the database itself.
    pub fn local(action: &str, at: Time) -> Self {
        Actor { kind: ActorKind::Local, ..Self::server(action, at) }
    }
}

/// Whether something was changed or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditOutcome {
    /// It was changed.
    Done,
    /// The caller was not allowed to.
    Refused,
}

impl AuditOutcome {
    /// The words of all outcomes.
    pub const WORDS: [&str; 2] = ["done", "refused"];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            AuditOutcome::Done => "done",
            AuditOutcome::Refused => "refused",
        }
    }

    /// The outcome of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [AuditOutcome::Done, AuditOutcome::Refused].into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id: a UUIDv7, so that ids are in the order of time.
    pub id: String,
    /// Who, when, and by which action.
    pub actor: Actor,
    /// What was changed, as its address in the API without `/v1/`: `scripts/price`.
    pub object: String,
    /// Whether it was changed.
    pub outcome: AuditOutcome,
    /// What changed in a few words, or the code of the refusal.
    pub detail: Option<String>,
}

/// Does something on behalf of an actor: what it changes has an entry in the audit log.
pub fn acting_as<F: Future>(actor: Actor, work: F) -> impl Future<Output = F::Output> {
    ACTOR.scope(Arc::new(actor), work)
}

/// Goes on in another task on behalf of whoever acted in the one that began it: [`actor`] there.
pub async fn carried_on<F: Future>(actor: Option<Arc<Actor>>, work: F) -> F::Output {
    match actor {
        Some(actor) => ACTOR.scope(actor, work).await,
        None => work.await,
    }
}

/// Who acts in this task, if anybody does.
pub fn actor() -> Option<Arc<Actor>> {
    ACTOR.try_with(Arc::clone).ok()
}
