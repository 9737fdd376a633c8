//! What is counted of traces.

use super::{Metrics, OutcomeLabel};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// What became of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exported {
    /// The collector took them.
    Sent,
    /// It did not.
    Failed,
}

impl Exported {
    fn as_str(self) -> &'static str {
        match self {
            Exported::Sent => "sent",
            Exported::Failed => "failed",
        }
    }
}

/// What is counted of traces.
#[derive(Debug, Default)]
pub(super) struct TraceMetrics {
    spans: Family<OutcomeLabel, Counter>,
}

impl TraceMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        for outcome in [Exported::Sent, Exported::Failed] {
            self.spans.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).inc_by(0);
        }
        let help = "Spans of traces (--otlp-endpoint): sent, or failed because the collector did not take them";
        registry.register("spans", help, self.spans.clone());
    }
}

impl Metrics {
    /// So many spans ended in this way.
    pub fn exported(&self, outcome: Exported, spans: u64) {
        self.traces.spans.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).inc_by(spans);
    }
}
