//! The spans of an attempt: the run, the attempt, its time in the sandbox, its connections. They are made when it has ended, of
//! what is known then, so that an attempt costs nothing while it runs.

use crate::clock::Time;
use crate::run::{Ended, Run, Status};
use crate::trace::{Span, TraceContext};
use crate::worker::Worker;
use chrono::TimeDelta;
use cronbox_runtime::Report;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use std::time::Duration;

/// An instant so long before another one.
fn before(end: Time, time: Duration) -> Time {
    TimeDelta::from_std(time).ok().and_then(|time| end.checked_sub_signed(time)).unwrap_or(end)
}

/// What went wrong, when something did.
fn error_of(ended: &Ended) -> Option<String> {
    (ended.status != Status::Succeeded).then(|| match &ended.error {
        Some(error) => format!("{}: {}", error.type_name, error.message),
        None => ended.status.to_string(),
    })
}

impl Worker {
    /// The context of a run, and that of the request that made it.
    fn context_of_run(&self, run: &Run) -> (Option<TraceContext>, Option<TraceContext>) {
        let parent = run.spec.traceparent.as_deref().and_then(TraceContext::parse);
        (self.tools.traces.context(parent, &run.id), parent)
    }

    /// The context that a script finds: where it sends it on, its requests are parts of the attempt. Where this node records no
    /// spans, they are parts of what the request said.
    pub(super) fn context_of_attempt(&self, run: &Run) -> Option<TraceContext> {
        let (context, _) = self.context_of_run(run);
        match self.tools.traces.is_on() {
            true => context.map(|context| context.child(&attempt_name(run))),
            false => context,
        }
    }

    /// Sends the spans of an attempt that has ended, and that of its run when this was the last.
    pub(super) fn trace_attempt(&self, run: &Run, ended: &Ended, report: Option<&Report>, now: Time) {
        let traces = &self.tools.traces;
        if !traces.is_on() {
            return;
        }
        let (Some(context), parent) = self.context_of_run(run) else { return };
        let attempt = context.child(&attempt_name(run));
        let span = |context, parent, name: String, start: Time, attributes| Span {
            context,
            parent,
            kind: SpanKind::Internal,
            name,
            start: start.min(now),
            end: now,
            attributes,
            error: error_of(ended),
        };
        let started = run.started_at.unwrap_or(run.created_at);
        if let Some(report) = report {
            let sandbox = attempt.child("sandbox");
            let began = before(now, report.usage.wall).max(started);
            let attributes = vec![
                KeyValue::new("cronbox.fuel", number(ended.fuel)),
                KeyValue::new("cronbox.import_fuel", number(ended.import_fuel)),
                KeyValue::new("cronbox.peak_memory_bytes", number(ended.memory)),
            ];
            traces.record(span(sandbox, Some(attempt), "sandbox".into(), began, attributes));
            for (at, connection) in report.connections.iter().enumerate() {
                let opened = before(now, connection.opened_before_end).max(began);
                let closed = opened + TimeDelta::from_std(connection.open_for).unwrap_or_default();
                traces.record(Span {
                    context: sandbox.child(&format!("connection {at}")),
                    parent: Some(sandbox),
                    kind: SpanKind::Client,
                    name: format!("connection {}", connection.host),
                    start: opened,
                    end: closed.min(now),
                    attributes: vec![KeyValue::new("server.address", connection.host.clone())],
                    error: None,
                });
            }
        }
        let about = |more: Vec<KeyValue>| {
            let mut attributes = vec![
                KeyValue::new("cronbox.run.id", run.id.clone()),
                KeyValue::new("cronbox.script", run.name.clone()),
                KeyValue::new("cronbox.outcome", ended.status.as_str()),
            ];
            attributes.extend(more);
            attributes
        };
        let of_attempt = about(vec![
            KeyValue::new("cronbox.attempt", i64::from(run.attempt)),
            KeyValue::new("cronbox.node", self.tools.node.clone()),
        ]);
        traces.record(span(attempt, Some(context), attempt_name(run), started, of_attempt));
        if ended.next.is_none() {
            let mut more = vec![KeyValue::new("cronbox.cause", run.cause.as_str())];
            more.extend(run.version.map(|version| KeyValue::new("cronbox.version", version)));
            more.extend(run.spec.schedule.clone().map(|schedule| KeyValue::new("cronbox.schedule", schedule)));
            // From when it could start; a later attempt has moved that.
            let due = if run.attempt == 1 { run.run_at } else { run.fire_time.unwrap_or(run.created_at) };
            traces.record(span(context, parent, format!("run {}", run.name), due, about(more)));
        }
    }
}

fn attempt_name(run: &Run) -> String {
    format!("attempt {}", run.attempt)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
