//! Deliveries: what is told to a channel. A delivery is recorded in the transaction of its cause, and sent afterwards.

use super::StoreError;
use super::columns::Columns;
use super::tx::{Tx, json, stamp};
use crate::clock::{Time, after};
use crate::notice::{Notice, NoticeKind};
use crate::run::new_id;
use std::time::Duration;

/// How long a delivery is tried.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(72 * 3600);

/// The word of a kind, as it is kept.
#[allow(dead_code, reason = "used by enqueue")]
pub(super) fn kind_word(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Firing => "firing",
        NoticeKind::Repeated => "repeated",
        NoticeKind::Ok => "ok",
        NoticeKind::Summary => "summary",
        NoticeKind::Test => "test",
    }
}

/// Records one delivery of `notice` for each of these channels, in the transaction of what caused it. After the commit, call
/// [`crate::signals::Signals::notify_deliveries`]. A channel that is not there is recorded too: its delivery says so. Returns
/// the ids of the deliveries, in the order of the channels.
#[allow(dead_code, reason = "called by the decisions about alerts, which follow")]
pub(super) async fn enqueue(
    tx: &mut Tx<'_>,
    channels: &[String],
    notice: &Notice,
    at: Time,
) -> Result<Vec<String>, StoreError> {
    let text = json(notice)?;
    let mut ids = Vec::with_capacity(channels.len());
    for channel in channels {
        let id = new_id(at);
        let (sql, values) = Columns::default()
            .set("id", &*id)
            .set("channel", &**channel)
            .set("kind", kind_word(notice.kind))
            .set("alert", notice.alert.as_ref().map(|alert| alert.id.clone()))
            .set("script", notice.script.clone())
            .set("run", notice.run.as_ref().map(|run| run.id.clone()))
            .set("notice", &*text)
            .set("state", "waiting")
            .set("next_at", stamp(at))
            .set("give_up_at", stamp(after(at, GIVE_UP_AFTER)))
            .set("created_at", stamp(at))
            .set("updated_at", stamp(at))
            .insert_into("deliveries");
        tx.run(sql, values).await?;
        ids.push(id);
    }
    Ok(ids)
}
