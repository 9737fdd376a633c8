//! What is counted of messages to channels.

use super::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveredLabel {
    outcome: &'static str,
}

/// What became of an attempt to send a message to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// It has arrived.
    Sent,
    /// It has not, and is tried again.
    Failed,
    /// It has not, and is given up.
    Dead,
}

impl Delivered {
    fn label(self) -> DeliveredLabel {
        let outcome = match self {
            Delivered::Sent => "sent",
            Delivered::Failed => "failed",
            Delivered::Dead => "dead",
        };
        DeliveredLabel { outcome }
    }
}

/// What is counted of messages to channels.
#[derive(Debug, Default)]
pub(super) struct DeliveryMetrics {
    attempts: Family<DeliveredLabel, Counter>,
    waiting: Gauge,
    age: Gauge<f64, AtomicU64>,
}

impl DeliveryMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        for outcome in [Delivered::Sent, Delivered::Failed, Delivered::Dead] {
            self.attempts.get_or_create(&outcome.label()).inc_by(0);
        }
        registry.register(
            "deliveries",
            "Attempts of this node to send a message to a channel: sent, failed and tried again, or dead",
            self.attempts.clone(),
        );
        registry.register("deliveries_waiting", "Messages to channels that wait", self.waiting.clone());
        registry.register(
            "delivery_age_seconds",
            "How long the oldest message to a channel has waited",
            self.age.clone(),
        );
    }
}

impl Metrics {
    /// So many messages to channels ended in this way.
    pub fn delivered(&self, outcome: Delivered, messages: u64) {
        self.deliveries.attempts.get_or_create(&outcome.label()).inc_by(messages);
    }

    /// How many messages to channels wait, and how long the oldest one has.
    pub fn outbox(&self, waiting: u64, age: Duration) {
        self.deliveries.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.deliveries.age.set(age.as_secs_f64());
    }
}
