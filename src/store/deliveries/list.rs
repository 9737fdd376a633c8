//! Looking at deliveries.

use super::{DELIVERY, delivery_of};
use crate::channel::{Delivery, DeliveryState};
use crate::clock::Time;
use crate::store::tx::{Args, args, stamp};
use crate::store::{Store, StoreError};
use std::sync::Arc;

/// Rows deleted in one transaction.
const BATCH: usize = 500;

/// Which deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Of this channel.
    pub channel: Option<String>,
    /// Of this alert.
    pub alert: Option<String>,
    /// About this run.
    pub run: Option<String>,
    /// About this script, by name.
    pub script: Option<String>,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Those before this id.
    pub before: Option<String>,
}

/// How much is to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outbox {
    /// Deliveries that wait.
    pub waiting: u64,
    /// When the oldest of them was recorded.
    pub oldest: Option<Time>,
}

impl Store {
    /// At most `limit` deliveries, the newest first.
    pub async fn deliveries(&self, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let filter = Arc::new(filter);
        self.read(move |tx| {
            let filter = filter.clone();
            Box::pin(async move {
                let (mut conditions, mut values) = (vec!["1 = 1".to_owned()], Args::default());
                let DeliveryFilter { channel, alert, run, script, state, before } = &*filter;
                let state = state.map(|state| state.as_str().to_owned());
                let all = [
                    ("channel =", channel),
                    ("alert =", alert),
                    ("run =", run),
                    ("script =", script),
                    ("state =", &state),
                    ("id <", before),
                ];
                for (condition, value) in all {
                    if let Some(value) = value {
                        values.push(value.clone());
                        conditions.push(format!("{condition} ${}", conditions.len()));
                    }
                }
                let sql = format!("{DELIVERY} WHERE {} ORDER BY id DESC LIMIT {limit}", conditions.join(" AND "));
                tx.all(sql, values).await?.iter().map(delivery_of).collect()
            })
        })
        .await
    }

    /// The delivery of an id.
    pub async fn delivery(&self, id: &str) -> Result<Option<Delivery>, StoreError> {
        let id = id.to_owned();
        self.read(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                let row = tx.first(format!("{DELIVERY} WHERE id = $1"), args![id]).await?;
                row.as_ref().map(delivery_of).transpose()
            })
        })
        .await
    }

    /// How much is to be sent.
    pub async fn outbox(&self) -> Result<Outbox, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                let sql =
                    "SELECT count(*) AS waiting, min(created_at) AS oldest FROM deliveries WHERE state = 'waiting'";
                let row = tx.one(sql, args![]).await?;
                Ok(Outbox { waiting: row.size("waiting")?, oldest: row.time_or_none("oldest")? })
            })
        })
        .await
    }

    /// Deletes deliveries that are not waiting and were recorded before a time, at most a batch; how many.
    pub async fn forget_deliveries(&self, before: Time) -> Result<u64, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = format!(
                    "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries
                    WHERE state IN ('sent', 'dead') AND created_at < $1 LIMIT {BATCH})"
                );
                tx.run(sql, args![stamp(before)]).await
            })
        })
        .await
    }
}
