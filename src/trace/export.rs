//! Spans on their way to a collector, by OTLP over HTTP.

use super::{Span, TraceContext};
use crate::config;
use crate::metrics::{Exported, Metrics};
use opentelemetry::trace::{SpanContext, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, SpanId, TraceId};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long the spans that are left may take when the node ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent: {0}")]
pub struct TraceError(#[from] ExporterBuildError);

/// Where traces go.
#[derive(Clone, Debug)]
pub struct TraceConfig {
    /// The collector's address, without the path `/v1/traces`.
    pub endpoint: String,
    /// The share of traces that begin here and are recorded, from 0 to 1. Where a request brings a context, its sender has
    /// decided.
    pub ratio: f64,
    /// The node's id.
    pub node: String,
}

/// Sends spans, or does nothing. Clones are the same.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Exporting>>);

struct Exporting {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    ratio: f64,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Traces").field(&self.0.is_some()).finish()
    }
}

/// Counts what becomes of spans, and tells the log of failures.
#[derive(Debug)]
struct Counted {
    exporter: SpanExporter,
    metrics: Arc<Metrics>,
}

impl opentelemetry_sdk::trace::SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let sent = self.exporter.export(batch).await;
        match &sent {
            Ok(()) => self.metrics.exported(Exported::Sent, spans),
            Err(error) => {
                self.metrics.exported(Exported::Failed, spans);
                tracing::warn!(spans, %error, "traces were not taken by the collector (--otlp-endpoint)");
            }
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl Traces {
    /// Sends spans from now on, in batches, on a thread of its own. Headers for the collector are those of the variable
    /// `OTEL_EXPORTER_OTLP_HEADERS`, and what else is told about this service is in `OTEL_RESOURCE_ATTRIBUTES`.
    pub fn start(settings: TraceConfig, metrics: Arc<Metrics>) -> Result<Self, TraceError> {
        // Fails when there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let endpoint = format!("{}/v1/traces", settings.endpoint.trim_end_matches('/'));
        let exporter = SpanExporter::builder().with_http().with_endpoint(endpoint).build()?;
        let mut processor = BatchSpanProcessor::builder(Counted { exporter, metrics }).build();
        let resource = Resource::builder().with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", settings.node),
        ]);
        // The name that a variable gives goes before.
        let named = config::variable("OTEL_SERVICE_NAME").is_some();
        let resource = if named { resource } else { resource.with_service_name("cronbox") };
        processor.set_resource(&resource.build());
        let scope = InstrumentationScope::builder("cronbox").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Traces(Some(Arc::new(Exporting { processor, scope, ratio: settings.ratio }))))
    }

    /// Whether spans are recorded.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The context of a run or request with this id: a part of `parent`, or the first of its trace. None where nothing is recorded
    /// and there is no parent.
    pub fn context(&self, parent: Option<TraceContext>, id: &str) -> Option<TraceContext> {
        let Some(exporting) = &self.0 else { return parent };
        Some(parent.map_or_else(|| TraceContext::root(id, exporting.ratio), |parent| parent.child(id)))
    }

    /// Sends a span, when its trace is recorded. Does not wait; where the queue is full, the span is dropped.
    pub fn record(&self, span: Span) {
        if let Some(exporting) = self.0.as_ref().filter(|_| span.context.is_sampled) {
            exporting.processor.on_end(data(span, &exporting.scope));
        }
    }

    /// Sends what is left, for a few seconds at most.
    pub async fn end(&self) {
        if let Some(exporting) = self.0.clone() {
            let ended = tokio::task::spawn_blocking(move || exporting.processor.shutdown_with_timeout(PATIENCE)).await;
            if let Ok(Err(error)) = ended {
                tracing::warn!(%error, "the last traces were not taken by the collector (--otlp-endpoint)");
            }
        }
    }
}

fn data(span: Span, scope: &InstrumentationScope) -> SpanData {
    let TraceContext { trace, span: id, is_sampled } = span.context;
    let flags = if is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    SpanData {
        span_context: SpanContext::new(
            TraceId::from_bytes(trace),
            SpanId::from_bytes(id),
            flags,
            false,
            TraceState::NONE,
        ),
        parent_span_id: span.parent.map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.span)),
        parent_span_is_remote: false,
        span_kind: span.kind,
        name: span.name.into(),
        start_time: span.start.into(),
        end_time: span.end.into(),
        attributes: span.attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: span.error.map_or(Status::Unset, Status::error),
        instrumentation_scope: scope.clone(),
    }
}
