//! The audit log: written with each change that somebody asks for, looked at, and shortened at its old end.

use super::columns::Columns;
use super::tx::{Args, Row, Tx, stamp};
use super::{Store, StoreError};
use crate::audit::{Actor, ActorKind, AuditEntry, AuditOutcome};
use crate::clock::Time;
use crate::run::new_id;
use std::sync::Arc;

/// Rows deleted in one transaction.
const BATCH: usize = 500;
/// Most characters of a detail: names in it come from clients.
const MOST_DETAIL: usize = 500;

/// Which entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this kind of actor.
    pub actor: Option<ActorKind>,
    /// Of the token with this id.
    pub token: Option<String>,
    /// Of this operation of the API.
    pub action: Option<String>,
    /// About this object, or what is below its address.
    pub object: Option<String>,
    /// With this outcome.
    pub outcome: Option<AuditOutcome>,
    /// Of this request.
    pub request: Option<String>,
    /// At this time or later.
    pub since: Option<Time>,
    /// Before this time.
    pub until: Option<Time>,
    /// Those before this id.
    pub before: Option<String>,
}

fn entry_of(row: &Row) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        id: row.text("id")?,
        actor: Actor {
            kind: row.word("actor", ActorKind::parse)?,
            token: row.text_or_none("token")?,
            token_name: row.text_or_none("token_name")?,
            address: row.text_or_none("address")?,
            request: row.text_or_none("request")?,
            action: row.text("action")?,
            at: row.time("at")?,
        },
        object: row.text("object")?,
        outcome: row.word("outcome", AuditOutcome::parse)?,
        detail: row.text_or_none("detail")?,
    })
}

async fn insert(
    tx: &mut Tx<'_>,
    actor: &Actor,
    object: &str,
    outcome: AuditOutcome,
    detail: Option<&str>,
) -> Result<AuditEntry, StoreError> {
    // Paths and names of clients can have what a database cannot keep.
    let clean = |text: &str| text.chars().filter(|letter| *letter != '\0').take(MOST_DETAIL).collect::<String>();
    let (id, object, detail) = (new_id(actor.at), clean(object), detail.map(clean));
    let (sql, values) = Columns::default()
        .set("id", &*id)
        .set("at", stamp(actor.at))
        .set("actor", actor.kind.as_str())
        .set("token", actor.token.clone())
        .set("token_name", actor.token_name.clone())
        .set("address", actor.address.clone())
        .set("request", actor.request.clone())
        .set("action", &*actor.action)
        .set("object", &*object)
        .set("outcome", outcome.as_str())
        .set("detail", detail.clone())
        .insert_into("audit");
    tx.run(sql, values).await?;
    Ok(AuditEntry { id, actor: actor.clone(), object, outcome, detail })
}

/// Records that whoever acts has changed something; nothing where nobody does. The object is its address in the API without
/// `/v1/`.
pub(super) async fn note(
    tx: &mut Tx<'_>,
    object: impl AsRef<str>,
    detail: impl Into<Option<String>>,
) -> Result<(), StoreError> {
    let Some(acting) = tx.acting.clone() else { return Ok(()) };
    let entry = insert(tx, &acting.actor, object.as_ref(), AuditOutcome::Done, detail.into().as_deref()).await?;
    acting.note(entry);
    Ok(())
}

impl Store {
    /// Has entries of the audit log that are made here given to `sink`, too, once they are on disk. Only the first call counts.
    pub fn on_audit(&self, sink: impl Fn(&[AuditEntry]) + Send + Sync + 'static) {
        self.inner.audit_sink.set(Box::new(sink));
    }

    /// Records that somebody was refused something, with the code of the refusal.
    pub async fn note_refusal(&self, actor: Actor, object: &str, code: &str) -> Result<(), StoreError> {
        let all = Arc::new((actor, object.to_owned(), code.to_owned()));
        let noted = self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move { insert(tx, &all.0, &all.1, AuditOutcome::Refused, Some(&all.2)).await })
        });
        self.inner.audit_sink.pass_on(&[noted.await?]);
        Ok(())
    }

    /// Records that somebody did what changes nothing in the database.
    pub async fn note_done(&self, object: &str, detail: Option<String>) -> Result<(), StoreError> {
        let all = Arc::new((object.to_owned(), detail));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move { note(tx, &all.0, all.1.clone()).await })
        })
        .await
    }

    /// At most `limit` entries, the newest first.
    pub async fn audit(&self, filter: AuditFilter, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let filter = Arc::new(filter);
        self.read(move |tx| {
            let filter = filter.clone();
            Box::pin(async move {
                let (mut conditions, mut values) = (vec!["1 = 1".to_owned()], Args::default());
                let words = [
                    ("actor =", filter.actor.map(|kind| kind.as_str().to_owned())),
                    ("token =", filter.token.clone()),
                    ("action =", filter.action.clone()),
                    ("outcome =", filter.outcome.map(|outcome| outcome.as_str().to_owned())),
                    ("request =", filter.request.clone()),
                    ("id <", filter.before.clone()),
                ];
                for (condition, value) in words.into_iter().filter_map(|(condition, value)| Some((condition, value?))) {
                    values.push(value);
                    conditions.push(format!("{condition} ${}", conditions.len()));
                }
                for (condition, time) in [("at >=", filter.since), ("at <", filter.until)] {
                    if let Some(time) = time {
                        values.push(stamp(time));
                        conditions.push(format!("{condition} ${}", conditions.len()));
                    }
                }
                if let Some(object) = &filter.object {
                    // All that begins with the address and a slash: the slash is followed by the digit 0.
                    let first = conditions.len();
                    values.push(object.clone());
                    values.push(format!("{object}/"));
                    values.push(format!("{object}0"));
                    conditions.push(format!(
                        "(object = ${first} OR object >= ${} AND object < ${})",
                        first + 1,
                        first + 2
                    ));
                }
                let sql = format!(
                    "SELECT id, at, actor, token, token_name, address, request, action, object, outcome, detail FROM audit
                    WHERE {} ORDER BY id DESC LIMIT {limit}",
                    conditions.join(" AND ")
                );
                tx.all(sql, values).await?.iter().map(entry_of).collect()
            })
        })
        .await
    }

    /// Deletes entries from before a time, at most a batch; how many.
    pub async fn forget_audit(&self, before: Time) -> Result<u64, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = format!(
                    "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY id LIMIT {BATCH})"
                );
                tx.run(sql, super::tx::args![stamp(before)]).await
            })
        })
        .await
    }
}
