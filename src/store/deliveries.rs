//! Deliveries: what is told to a channel. A delivery is recorded in the transaction of its cause, and sent afterwards by one node.

mod causes;
pub mod claim;
mod list;
pub mod outcome;

pub use list::{DeliveryFilter, Outbox};

use super::columns::Columns;
use super::tx::{Args, Row, Tx, json, stamp};
use super::{Store, StoreError};
use crate::channel::{Delivery, DeliveryState, GIVE_UP_AFTER};
use crate::clock::{Time, after};
use crate::notice::{HeldBack, Notice, NoticeKind};
use crate::run::new_id;
use std::sync::Arc;

const DELIVERY: &str =
    "SELECT id, channel, kind, alert, script, run, notice, state, attempts, next_at, give_up_at, counted_at,
    held_at, summary, token, status, answer, created_at, updated_at FROM deliveries";

/// The word of a kind, as it is kept.
pub(super) fn kind_word(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Firing => "firing",
        NoticeKind::Repeated => "repeated",
        NoticeKind::Ok => "ok",
        NoticeKind::Summary => "summary",
        NoticeKind::Test => "test",
    }
}

/// How many deliveries of each script there are where `condition` holds, for a summary.
async fn counts_by_script(tx: &mut Tx<'_>, condition: &str, values: Args) -> Result<Vec<HeldBack>, StoreError> {
    let sql = format!(
        "SELECT coalesce(script, '') AS of_script, count(*) AS count FROM deliveries WHERE {condition} GROUP BY 1 ORDER BY 1"
    );
    let count = |row: &Row| Ok(HeldBack { script: row.text("of_script")?, count: row.size("count")? });
    tx.all(sql, values).await?.iter().map(count).collect()
}

fn delivery_of(row: &Row) -> Result<Delivery, StoreError> {
    let status = row.int_or_none("status")?;
    Ok(Delivery {
        id: row.text("id")?,
        channel: row.text("channel")?,
        kind: row.text("kind")?,
        alert: row.text_or_none("alert")?,
        script: row.text_or_none("script")?,
        run: row.text_or_none("run")?,
        notice: row.json("notice")?,
        state: row.word("state", DeliveryState::parse)?,
        attempts: row.small("attempts")?,
        next_at: row.time_or_none("next_at")?,
        give_up_at: row.time("give_up_at")?,
        held_at: row.time_or_none("held_at")?,
        summary: row.text_or_none("summary")?,
        status: status.and_then(|status| u16::try_from(status).ok()),
        answer: row.text_or_none("answer")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

impl Store {
    /// Records deliveries of a notice that no other change causes; see [`Notice`]. Their ids.
    pub async fn record_notice(
        &self,
        channels: Vec<String>,
        notice: Notice,
        at: Time,
    ) -> Result<Vec<String>, StoreError> {
        let all = Arc::new((channels, notice));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move { enqueue(tx, &all.0, &all.1, at).await })
        })
        .await
    }
}

/// Records one delivery of `notice` for each of these channels, in the transaction of what caused it. After the commit, call
/// [`crate::signals::Signals::notify_deliveries`]. A channel that is not there is recorded too: its delivery says so. Returns
/// the ids of the deliveries, in the order of the channels.
pub(super) async fn enqueue(
    tx: &mut Tx<'_>,
    channels: &[String],
    notice: &Notice,
    at: Time,
) -> Result<Vec<String>, StoreError> {
    let cause = notice.together();
    let mut ids = Vec::with_capacity(channels.len());
    for channel in channels {
        let due = match &cause {
            Some(cause) => causes::told_at(tx, channel, cause, at).await?,
            None => at,
        };
        ids.push(record(tx, channel, notice, (cause.as_deref(), due), at).await?);
    }
    Ok(ids)
}

/// Records a delivery with its cause and the time at which it is due; its id.
async fn record(
    tx: &mut Tx<'_>,
    channel: &str,
    notice: &Notice,
    (cause, due): (Option<&str>, Time),
    at: Time,
) -> Result<String, StoreError> {
    let id = new_id(at);
    let (sql, values) = Columns::default()
        .set("id", &*id)
        .set("channel", channel)
        .set("kind", kind_word(notice.kind))
        .set("alert", notice.alert.as_ref().map(|alert| alert.id.clone()))
        .set("script", notice.script.clone())
        .set("run", notice.run.as_ref().map(|run| run.id.clone()))
        .set("notice", json(notice)?)
        .set("state", "waiting")
        .set("next_at", stamp(due))
        .set("cause", cause.map(str::to_owned))
        .set("give_up_at", stamp(after(at, GIVE_UP_AFTER)))
        .set("created_at", stamp(at))
        .set("updated_at", stamp(at))
        .insert_into("deliveries");
    tx.run(sql, values).await?;
    Ok(id)
}
