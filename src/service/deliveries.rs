//! Deliveries: looked at, and sent again.

use super::text::quoted;
use super::{Service, ServiceError};
use crate::channel::{Delivery, DeliveryState};
use crate::store::deliveries::DeliveryFilter;

/// Which deliveries are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryRequest {
    /// Of this channel.
    pub channel: Option<String>,
    /// Of this alert.
    pub alert: Option<String>,
    /// About this run.
    pub run: Option<String>,
    /// About this script.
    pub script: Option<String>,
    /// In this state.
    pub state: Option<String>,
    /// Those before this id.
    pub before: Option<String>,
}

impl Service {
    /// At most `limit` deliveries, the newest first.
    ///
    /// # Errors
    /// The state is none that there is.
    pub async fn deliveries(&self, asked: DeliveryRequest, limit: usize) -> Result<Vec<Delivery>, ServiceError> {
        let state = asked.state.map(|word| {
            DeliveryState::parse(&word).ok_or_else(|| {
                let known = DeliveryState::WORDS.join(", ");
                ServiceError::invalid("state", format!("{:?} is none of {known}", quoted(&word)))
            })
        });
        let filter = DeliveryFilter {
            channel: asked.channel,
            alert: asked.alert,
            run: asked.run,
            script: asked.script,
            state: state.transpose()?,
            before: asked.before,
        };
        Ok(self.store.deliveries(filter, limit).await?)
    }

    /// Sends a delivery again, with the same id; the delivery as it is now.
    ///
    /// # Errors
    /// It is not there.
    pub async fn redeliver(&self, id: &str) -> Result<Delivery, ServiceError> {
        let none = || ServiceError::not_found("no_such_delivery", format!("there is no delivery {:?}", quoted(id)));
        if !self.store.redeliver(id, self.clock.now()).await? {
            return Err(none());
        }
        self.signals.notify_deliveries();
        self.store.delivery(id).await?.ok_or_else(none)
    }
}
