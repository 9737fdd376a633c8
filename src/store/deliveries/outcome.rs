//! What became of an attempt.

use crate::channel::GIVE_UP_AFTER;
use crate::clock::{Time, after};
use crate::store::tx::{Tx, args, stamp};
use crate::store::{Store, StoreError, audit};
use std::sync::Arc;

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has arrived.
    Sent,
    /// It is tried again at this time, unless that is after the time at which it is given up.
    Again(Time),
    /// It is given up, and the channel is switched off.
    Off,
}

/// What became of an attempt, and what was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The delivery.
    pub id: String,
    /// The attempt's token.
    pub token: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The status of the answer.
    pub status: Option<u16>,
    /// The answer in words.
    pub answer: String,
}

/// What is told by a summary is as far as the summary is.
pub(super) async fn settle_summary(
    tx: &mut Tx<'_>,
    id: &str,
    state: &'static str,
    now: Time,
) -> Result<(), StoreError> {
    let sql = "UPDATE deliveries SET state = $2, updated_at = $3 WHERE summary = $1 AND state <> 'sent'";
    tx.run(sql, args![id, state, stamp(now)]).await.map(|_| ())
}

impl Store {
    /// Records what became of an attempt: the state of the delivery from then on; none when the attempt is another node's
    /// meanwhile.
    pub async fn end_delivery(&self, ended: Ended, now: Time) -> Result<Option<&'static str>, StoreError> {
        let ended = Arc::new(ended);
        self.write(move |tx| {
            let ended = ended.clone();
            Box::pin(async move {
                let Ended { id, token, outcome, status, answer } = &*ended;
                let sql = format!(
                    "SELECT channel, give_up_at FROM deliveries WHERE id = $1 AND token = $2{}",
                    tx.dialect.for_update()
                );
                let Some(row) = tx.first(sql, args![&**id, &**token]).await? else { return Ok(None) };
                let (state, next_at) = match outcome {
                    Outcome::Sent => ("sent", None),
                    Outcome::Again(at) if *at < row.time("give_up_at")? => ("waiting", Some(stamp(*at))),
                    Outcome::Again(_) | Outcome::Off => ("dead", None),
                };
                let sql = "UPDATE deliveries SET state = $2, next_at = $3, status = $4, answer = $5, token = NULL, node = NULL,
                    updated_at = $6 WHERE id = $1";
                let status = status.map(i64::from);
                tx.run(sql, args![&**id, state, next_at, status, &**answer, stamp(now)]).await?;
                if state != "waiting" {
                    settle_summary(tx, id, state, now).await?;
                }
                if *outcome == Outcome::Off {
                    let sql = "UPDATE channels SET off_reason = $2, revision = revision + 1, updated_at = $3
                        WHERE name = $1 AND off_reason IS NULL";
                    let why = format!("it answered that it wants nothing any more ({answer})");
                    tx.run(sql, args![row.text("channel")?, why, stamp(now)]).await?;
                }
                Ok(Some(state))
            })
        })
        .await
    }

    /// Sends a delivery again, with the same id. False when there is none.
    pub async fn redeliver(&self, id: &str, now: Time) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                // One that is on its way now goes on.
                let sql = "UPDATE deliveries SET state = 'waiting', next_at = $2, give_up_at = $3, held_at = NULL,
                    summary = NULL, updated_at = $2 WHERE id = $1 AND token IS NULL";
                let until = stamp(after(now, GIVE_UP_AFTER));
                let changed = tx.run(sql, args![&*id, stamp(now), until]).await?;
                if changed > 0 {
                    audit::note(tx, format!("deliveries/{id}"), None).await?;
                    return Ok(true);
                }
                Ok(tx.first("SELECT 1 AS one FROM deliveries WHERE id = $1", args![id]).await?.is_some())
            })
        })
        .await
    }
}
