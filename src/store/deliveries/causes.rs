//! Deliveries of one cause: they wait for one another, and are told in one message.
//!
//! A cause such as a lost node makes many alerts fire, within moments or one after the other. The first deliveries of a cause wait
//! for a few seconds; those that come after their message wait until a longer time after it is over.

use super::{counts_by_script, record};
use crate::clock::{Time, after};
use crate::notice::{Notice, NoticeKind};
use crate::store::StoreError;
use crate::store::tx::{Tx, args, stamp};
use std::time::Duration;

/// How long the first delivery of a cause waits for others.
const FIRST: Duration = Duration::from_secs(5);
/// The time between two messages of a cause.
const BETWEEN: Duration = Duration::from_mins(10);

/// When a delivery of a cause is told, at the earliest.
pub(super) async fn told_at(tx: &mut Tx<'_>, channel: &str, cause: &str, at: Time) -> Result<Time, StoreError> {
    // One that is later than now was made before the clock was set back.
    let sql = "SELECT max(created_at) AS last FROM deliveries
        WHERE channel = $1 AND cause = $2 AND kind = 'summary' AND created_at <= $3";
    let last = tx.one(sql, args![channel, cause, stamp(at)]).await?.time_or_none("last")?;
    Ok(last.map_or(after(at, FIRST), |last| after(last, BETWEEN).max(after(at, FIRST))))
}

/// Puts the deliveries of each cause that is due into one message, when they are more than one.
pub(super) async fn combine(tx: &mut Tx<'_>, channel: &str, now: Time) -> Result<(), StoreError> {
    const OPEN: &str = "channel = $1 AND state = 'waiting' AND kind <> 'summary' AND attempts = 0 AND summary IS NULL AND cause IS NOT NULL";
    let sql = format!(
        "SELECT cause FROM deliveries WHERE {OPEN} GROUP BY cause HAVING count(*) > 1 AND min(next_at) <= $2 ORDER BY cause"
    );
    for row in tx.all(sql, args![channel, stamp(now)]).await? {
        let cause = row.text("cause")?;
        let held_back = counts_by_script(tx, &format!("{OPEN} AND cause = $2"), args![channel, &*cause]).await?;
        let sql = format!("SELECT notice FROM deliveries WHERE {OPEN} AND cause = $2 ORDER BY id LIMIT 1");
        let first: Notice = tx.one(sql, args![channel, &*cause]).await?.json("notice")?;
        let notice = Notice {
            held_back,
            cause: first.cause,
            is_over: first.kind == NoticeKind::Ok,
            ..Notice::new(NoticeKind::Summary, now.timestamp_millis())
        };
        let id = record(tx, channel, &notice, (Some(&cause), now), now).await?;
        let sql =
            format!("UPDATE deliveries SET summary = $3, next_at = NULL, held_at = NULL WHERE {OPEN} AND cause = $2");
        tx.run(sql, args![channel, &*cause, id]).await?;
    }
    Ok(())
}
