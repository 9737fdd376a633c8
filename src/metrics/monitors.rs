//! What is counted of calls to monitors.

use super::{Metrics, OutcomeLabel};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// What became of a heartbeat of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beaten {
    /// The operator's monitor took it.
    Sent,
    /// It did not.
    Failed,
    /// The node is not well, so the monitor was not called.
    Withheld,
}

/// What became of a ping to the monitor of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinged {
    /// The monitor took it.
    Sent,
    /// It did not, and the ping is given up.
    Failed,
    /// Too many waited before it.
    Dropped,
}

const BEATEN: [(Beaten, &str); 3] =
    [(Beaten::Sent, "sent"), (Beaten::Failed, "failed"), (Beaten::Withheld, "withheld")];
const PINGED: [(Pinged, &str); 3] = [(Pinged::Sent, "sent"), (Pinged::Failed, "failed"), (Pinged::Dropped, "dropped")];

fn label<T: PartialEq>(words: &[(T, &'static str)], outcome: &T) -> OutcomeLabel {
    let word = words.iter().find(|(known, _)| known == outcome);
    OutcomeLabel { outcome: word.map_or("failed", |(_, word)| word) }
}

/// What is counted of calls to monitors.
#[derive(Debug, Default)]
pub(super) struct MonitorMetrics {
    heartbeats: Family<OutcomeLabel, Counter>,
    pings: Family<OutcomeLabel, Counter>,
}

impl MonitorMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        for (_, outcome) in BEATEN {
            self.heartbeats.get_or_create(&OutcomeLabel { outcome }).inc_by(0);
        }
        for (_, outcome) in PINGED {
            self.pings.get_or_create(&OutcomeLabel { outcome }).inc_by(0);
        }
        registry.register(
            "heartbeats",
            "Heartbeats of this node (--heartbeat): sent, failed, or withheld because it is not well",
            self.heartbeats.clone(),
        );
        registry.register(
            "pings",
            "Pings of this node to monitors of scripts (heartbeat): sent, failed, or dropped because too many waited",
            self.pings.clone(),
        );
    }
}

impl Metrics {
    /// A heartbeat of the node ended in this way.
    pub fn beaten(&self, outcome: Beaten) {
        self.monitors.heartbeats.get_or_create(&label(&BEATEN, &outcome)).inc();
    }

    /// So many pings to monitors of scripts ended in this way.
    pub fn pinged_monitor(&self, outcome: Pinged, pings: u64) {
        self.monitors.pings.get_or_create(&label(&PINGED, &outcome)).inc_by(pings);
    }
}
