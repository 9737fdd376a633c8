//! Where traces go.

use super::values::{public_url, share};
use crate::metrics::Metrics;
use crate::trace::{TraceConfig, TraceError, Traces};
use clap::Args;
use std::sync::Arc;

/// Where traces go.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Traces")]
pub struct TracingConfig {
    /// Send traces to this OpenTelemetry collector, by OTLP over HTTP: http://localhost:4318. Headers for it are in the variable
    /// OTEL_EXPORTER_OTLP_HEADERS
    #[arg(long, value_name = "URL", env = "CRONBOX_OTLP_ENDPOINT", value_parser = public_url)]
    pub otlp_endpoint: Option<String>,
    /// The share of traces that are recorded, from 0 to 1, of those that begin here: a request that brings a traceparent says
    /// itself whether it is recorded
    #[arg(long, value_name = "SHARE", env = "CRONBOX_TRACE_SAMPLE", default_value = "1", value_parser = share)]
    pub trace_sample: f64,
}

impl TracingConfig {
    /// Sends traces from now on, where that is asked for.
    pub(in crate::serve) fn traces(&self, node: &str, metrics: &Arc<Metrics>) -> Result<Traces, TraceError> {
        let Some(endpoint) = self.otlp_endpoint.clone() else { return Ok(Traces::default()) };
        let config = TraceConfig { endpoint, ratio: self.trace_sample, node: node.to_owned() };
        Traces::start(config, metrics.clone())
    }
}
