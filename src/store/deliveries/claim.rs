//! Claiming deliveries that are due, under the rate of each channel.
//!
//! A channel sends at most so many messages within any hour; an attempt takes one of these, and the next attempts of the same
//! delivery take its place. What is beyond that is held back until one is free again, and then told together in one summary.

use super::{DELIVERY, causes, counts_by_script, delivery_of, enqueue};
use crate::channel::{Channel, Delivery};
use crate::clock::{Time, after};
use crate::notice::{Notice, NoticeKind};
use crate::store::channels::locked_channel;
use crate::store::tx::{Args, Tx, args, list, stamp};
use crate::store::{Store, StoreError};
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;

/// The time in which a channel's messages are counted.
pub const RATE_WINDOW: Duration = Duration::from_secs(3_600);
/// Most deliveries of a channel that are claimed at once.
const MOST_OF_CHANNEL: usize = 16;
/// Most channels that are looked at in one transaction.
const MOST_CHANNELS: usize = 50;
/// No delivery waits longer than this for its next attempt: a time that is later was written before the clock was set back.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(25);

/// Who claims, and how.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The node.
    pub node: String,
    /// Names the attempts of this claim.
    pub token: String,
    /// Most messages of a channel within [`RATE_WINDOW`].
    pub rate: u64,
    /// How long an attempt can take before it is taken for lost.
    pub lease: Duration,
    /// Channels of which nothing is claimed: this node has enough of theirs on their way.
    pub busy: Vec<String>,
    /// Most deliveries that are claimed.
    pub most: usize,
}

/// A delivery that is this node's to send.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The delivery; its attempts count this one.
    pub delivery: Delivery,
    /// Its channel.
    pub channel: Channel,
    /// Until when nothing more is sent, when this message is the last one that the rate allows.
    pub quiet_until: Option<Time>,
}

/// What a look at the deliveries that are due has brought.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// Those to be sent.
    pub claimed: Vec<Claimed>,
    /// How many were given up: their channel is off, or not there.
    pub dead: u64,
    /// When the next one is due, as far as it is not of a busy channel.
    pub next_at: Option<Time>,
}

/// What is due now, with the time as `$1` and what cannot be as `$2`.
const DUE: &str = "state = 'waiting' AND next_at IS NOT NULL AND (next_at <= $1 OR next_at > $2)";

impl Store {
    /// Claims deliveries that are due.
    pub async fn claim_deliveries(&self, claim: Claim, now: Time) -> Result<Claims, StoreError> {
        let claim = Arc::new(claim);
        self.write(move |tx| {
            let claim = claim.clone();
            Box::pin(async move {
                let mut claims = Claims::default();
                let mut values = args![stamp(now), stamp(now + LONGEST_WAIT)];
                let (busy, _) = list(tx.dialect, 3, &claim.busy, &mut values);
                let sql = format!(
                    "SELECT DISTINCT channel FROM deliveries WHERE {DUE} AND channel NOT IN {busy}
                    ORDER BY channel LIMIT {MOST_CHANNELS}"
                );
                for row in tx.all(sql, values).await? {
                    of_channel(tx, &row.text("channel")?, &claim, now, &mut claims).await?;
                }
                let mut values = Args::default();
                let (busy, _) = list(tx.dialect, 1, &claim.busy, &mut values);
                let sql = format!(
                    "SELECT min(next_at) AS next_at FROM deliveries
                    WHERE state = 'waiting' AND next_at IS NOT NULL AND channel NOT IN {busy}"
                );
                claims.next_at = tx.one(sql, values).await?.time_or_none("next_at")?;
                Ok(claims)
            })
        })
        .await
    }
}

impl Store {
    /// Takes back the deliveries that a program had which has ended, where only one uses the database.
    pub async fn release_deliveries(&self, now: Time) -> Result<u64, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE deliveries SET token = NULL, node = NULL, next_at = $1
                    WHERE token IS NOT NULL AND state = 'waiting'";
                tx.run(sql, args![stamp(now)]).await
            })
        })
        .await
    }
}

async fn of_channel(
    tx: &mut Tx<'_>,
    name: &str,
    claim: &Claim,
    now: Time,
    claims: &mut Claims,
) -> Result<(), StoreError> {
    let channel = locked_channel(tx, name).await?;
    let why = match &channel {
        None => Some(format!("there is no channel {name}")),
        Some(channel) => channel.off_reason.as_ref().map(|why| format!("the channel {name} is off: {why}")),
    };
    if let Some(why) = why {
        claims.dead += bury(tx, name, &why, now).await?;
        return Ok(());
    }
    let Some(channel) = channel else { return Ok(()) };
    causes::combine(tx, name, now).await?;
    let mut free = claim.rate.saturating_sub(counted(tx, name, now).await?.0);
    if free > 0 {
        summarize(tx, name, now).await?;
    }
    let sql = format!(
        "{DELIVERY} WHERE channel = $3 AND {DUE} ORDER BY CASE kind WHEN 'summary' THEN 0 ELSE 1 END, id
        LIMIT {MOST_OF_CHANNEL}{}",
        tx.dialect.for_update()
    );
    let due = tx.all(sql, args![stamp(now), stamp(now + LONGEST_WAIT), name]).await?;
    let mut beyond = false;
    for row in due {
        let mut delivery = delivery_of(&row)?;
        if delivery.give_up_at <= now && delivery.attempts > 0 {
            let sql =
                "UPDATE deliveries SET state = 'dead', next_at = NULL, token = NULL, updated_at = $2 WHERE id = $1";
            claims.dead += tx.run(sql, args![&*delivery.id, stamp(now)]).await?;
            super::outcome::settle_summary(tx, &delivery.id, "dead", now).await?;
            continue;
        }
        let has_place = row.time_or_none("counted_at")?.is_some_and(|at| is_counted(at, now));
        if !has_place && free == 0 {
            beyond = true;
            continue;
        }
        if claims.claimed.len() >= claim.most {
            continue;
        }
        if !has_place {
            free -= 1;
        }
        let sql =
            "UPDATE deliveries SET attempts = attempts + 1, counted_at = $2, held_at = NULL, node = $3, token = $4,
            next_at = $5, updated_at = $2 WHERE id = $1";
        let until = stamp(after(now, claim.lease));
        tx.run(sql, args![&*delivery.id, stamp(now), &*claim.node, &*claim.token, until]).await?;
        delivery.attempts += 1;
        let is_last = !has_place && free == 0;
        let quiet_until = if is_last { Some(free_again(tx, name, now).await?) } else { None };
        claims.claimed.push(Claimed { delivery, channel: channel.clone(), quiet_until });
    }
    if beyond {
        hold_back(tx, name, now).await?;
    }
    Ok(())
}

/// Whether an attempt of this time counts now. One that is later than now was made before the clock was set back.
fn is_counted(at: Time, now: Time) -> bool {
    at > now - TimeDelta::seconds(RATE_WINDOW.as_secs().cast_signed()) && at <= now + TimeDelta::minutes(1)
}

/// How many attempts of a channel count, and the oldest one.
async fn counted(tx: &mut Tx<'_>, name: &str, now: Time) -> Result<(u64, Option<Time>), StoreError> {
    let sql = "SELECT count(*) AS count, min(counted_at) AS oldest FROM deliveries
        WHERE channel = $1 AND counted_at > $2 AND counted_at <= $3";
    let from = now - TimeDelta::seconds(RATE_WINDOW.as_secs().cast_signed());
    let row = tx.one(sql, args![name, stamp(from), stamp(now + TimeDelta::minutes(1))]).await?;
    Ok((row.size("count")?, row.time_or_none("oldest")?))
}

/// When a channel that has reached its rate can send again.
async fn free_again(tx: &mut Tx<'_>, name: &str, now: Time) -> Result<Time, StoreError> {
    let (_, oldest) = counted(tx, name, now).await?;
    Ok(after(oldest.unwrap_or(now), RATE_WINDOW).max(now + TimeDelta::seconds(1)))
}

/// Holds back what is due of a channel that has reached its rate.
async fn hold_back(tx: &mut Tx<'_>, name: &str, now: Time) -> Result<(), StoreError> {
    let again = free_again(tx, name, now).await?;
    let sql = format!(
        "UPDATE deliveries SET next_at = $4,
        held_at = CASE WHEN attempts = 0 AND kind <> 'summary' THEN coalesce(held_at, $1) ELSE held_at END
        WHERE channel = $3 AND {DUE}"
    );
    tx.run(sql, args![stamp(now), stamp(now + LONGEST_WAIT), name, stamp(again)]).await.map(|_| ())
}

/// Puts what was held back of a channel into one summary, when it is more than one message.
async fn summarize(tx: &mut Tx<'_>, name: &str, now: Time) -> Result<(), StoreError> {
    const HELD: &str = "channel = $1 AND state = 'waiting' AND held_at IS NOT NULL AND summary IS NULL";
    let held_back = counts_by_script(tx, HELD, args![name]).await?;
    if held_back.iter().map(|held| held.count).sum::<u64>() < 2 {
        return Ok(());
    }
    let notice = Notice { held_back, ..Notice::new(NoticeKind::Summary, now.timestamp_millis()) };
    let ids = enqueue(tx, &[name.to_owned()], &notice, now).await?;
    let id = ids.first().cloned().unwrap_or_default();
    let sql = format!("UPDATE deliveries SET summary = $2, next_at = NULL WHERE {HELD} AND id <> $2");
    tx.run(sql, args![name, id]).await.map(|_| ())
}

/// Gives up everything that is due of a channel.
async fn bury(tx: &mut Tx<'_>, name: &str, why: &str, now: Time) -> Result<u64, StoreError> {
    let sql = format!("SELECT id FROM deliveries WHERE channel = $3 AND {DUE}");
    let due = tx.all(sql, args![stamp(now), stamp(now + LONGEST_WAIT), name]).await?;
    let sql = format!(
        "UPDATE deliveries SET state = 'dead', next_at = NULL, token = NULL, answer = $4, updated_at = $1
        WHERE channel = $3 AND {DUE}"
    );
    let dead = tx.run(sql, args![stamp(now), stamp(now + LONGEST_WAIT), name, why]).await?;
    for row in due {
        super::outcome::settle_summary(tx, &row.text("id")?, "dead", now).await?;
    }
    Ok(dead)
}
