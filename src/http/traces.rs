//! The span of a request.

use super::App;
use crate::clock::Time;
use crate::trace::{self, Span, TraceContext};
use axum::http::{HeaderMap, Method};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

/// A request's place in a trace.
pub(super) struct RequestTrace {
    parent: Option<TraceContext>,
    /// What runs that the request makes are parts of.
    pub(super) context: Option<TraceContext>,
    began: Time,
}

/// What is said of a request in its span.
pub(super) struct Answered<'a> {
    pub(super) id: &'a str,
    pub(super) method: &'a Method,
    pub(super) route: &'static str,
    pub(super) path: &'a str,
    pub(super) client: &'a str,
    pub(super) status: u16,
}

impl RequestTrace {
    /// That of a request of the API; others have none.
    pub(super) fn begin(app: &App, headers: &HeaderMap, route: &str, id: &str, began: Time) -> Self {
        if !route.starts_with("/v1/") {
            return RequestTrace { parent: None, context: None, began };
        }
        let parent = headers.get(trace::HEADER).and_then(|value| value.to_str().ok()).and_then(TraceContext::parse);
        RequestTrace { parent, context: app.tools.traces.context(parent, id), began }
    }

    /// Sends its span, where spans are sent.
    pub(super) fn end(self, app: &App, answered: &Answered<'_>) {
        let Some(context) = self.context.filter(|_| app.tools.traces.is_on()) else { return };
        let Answered { id, method, route, path, client, status } = *answered;
        app.tools.traces.record(Span {
            context,
            parent: self.parent,
            kind: SpanKind::Server,
            name: format!("{method} {route}"),
            start: self.began,
            end: app.clock.now().max(self.began),
            attributes: vec![
                KeyValue::new("http.request.method", method.to_string()),
                KeyValue::new("http.route", route),
                KeyValue::new("http.response.status_code", i64::from(status)),
                KeyValue::new("url.path", path.to_owned()),
                KeyValue::new("client.address", client.to_owned()),
                KeyValue::new("cronbox.request.id", id.to_owned()),
            ],
            error: (status >= 500).then(|| format!("answered with {status}")),
        });
    }
}
