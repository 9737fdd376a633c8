//! What is counted, for Prometheus.

use crate::run::Status;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartLabel {
    part: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskLabel {
    task: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabel {
    method: &'static str,
    route: &'static str,
    status: u16,
}

/// All that is counted on a node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    runs: Family<OutcomeLabel, Counter>,
    start: Histogram,
    wall: Histogram,
    requests: Family<HttpLabel, Counter>,
    request_time: Histogram,
    database: Histogram,
    queue: Family<StateLabel, Gauge>,
    queue_age: Gauge<f64, AtomicU64>,
    aboard: Gauge,
    sandbox: Family<StateLabel, Gauge>,
    space: Family<PartLabel, Gauge>,
    panics: Family<TaskLabel, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let times = || Histogram::new(exponential_buckets(0.000_25, 2.0, 20));
        let metrics = Metrics {
            registry: Registry::with_prefix("cronbox"),
            runs: Family::default(),
            start: times(),
            wall: times(),
            requests: Family::default(),
            request_time: times(),
            database: times(),
            queue: Family::default(),
            queue_age: Gauge::default(),
            aboard: Gauge::default(),
            sandbox: Family::default(),
            space: Family::default(),
            panics: Family::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("runs", "Attempts that ended, by outcome", self.runs.clone());
        registry.register("run_start_seconds", "From when a run may start to when it does", self.start.clone());
        registry.register("run_wall_seconds", "Wall-clock time of attempts in the sandbox", self.wall.clone());
        registry.register("http_requests", "Requests answered", self.requests.clone());
        registry.register("http_request_seconds", "Time to answer a request", self.request_time.clone());
        registry.register(
            "database_ping_seconds",
            "Time the database takes for the smallest question",
            self.database.clone(),
        );
        registry.register("queue_runs", "Runs that are not final, by their state in the queue", self.queue.clone());
        registry.register(
            "queue_age_seconds",
            "How long the oldest run that may start has waited",
            self.queue_age.clone(),
        );
        registry.register("node_runs", "Runs that this node has", self.aboard.clone());
        registry.register(
            "sandbox_runs",
            "Runs in this node's pool: queued for memory or a process, aboard, busy",
            self.sandbox.clone(),
        );
        registry.register(
            "space_bytes",
            "The data directory's bytes, those of its disk, and those of it that can still be written",
            self.space.clone(),
        );
        registry.register("panics", "Panics that were caught, by the node's task", self.panics.clone());
        self
    }

    /// An attempt began, so long after it might have.
    pub fn started(&self, lateness: Duration) {
        self.start.observe(lateness.as_secs_f64());
    }

    /// An attempt ended.
    pub fn ended(&self, outcome: Status, wall: Duration) {
        self.runs.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).inc();
        self.wall.observe(wall.as_secs_f64());
    }

    /// A request was answered. The words come from closed sets: what clients make up is never kept here.
    pub fn answered(&self, method: &'static str, route: &'static str, status: u16, time: Duration) {
        let label = HttpLabel { method, route, status };
        self.requests.get_or_create(&label).inc();
        self.request_time.observe(time.as_secs_f64());
    }

    /// The database answered the smallest question.
    pub fn pinged(&self, time: Duration) {
        self.database.observe(time.as_secs_f64());
    }

    /// How long the queue is, by state, and how long its oldest run has waited.
    pub fn queue(&self, states: [(&'static str, u64); 4], age: Duration) {
        for (state, runs) in states {
            self.queue.get_or_create(&StateLabel { state }).set(i64::try_from(runs).unwrap_or(i64::MAX));
        }
        self.queue_age.set(age.as_secs_f64());
    }

    /// How many runs this node has, and how they are in its pool.
    pub fn node(&self, aboard: usize, states: [(&'static str, usize); 3]) {
        self.aboard.set(i64::try_from(aboard).unwrap_or(i64::MAX));
        for (state, runs) in states {
            self.sandbox.get_or_create(&StateLabel { state }).set(i64::try_from(runs).unwrap_or(i64::MAX));
        }
    }

    /// How much room there is.
    pub fn space(&self, parts: [(&'static str, u64); 3]) {
        for (part, bytes) in parts {
            self.space.get_or_create(&PartLabel { part }).set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    /// A panic inside a task was caught.
    pub fn panicked(&self, task: &'static str) {
        self.panics.get_or_create(&TaskLabel { task }).inc();
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_written() {
        let metrics = Metrics::default();
        metrics.started(Duration::from_millis(3));
        metrics.ended(Status::Succeeded, Duration::from_millis(2));
        metrics.answered("GET", "/v1/runs", 200, Duration::from_millis(1));
        metrics.queue([("ready", 3), ("held", 0), ("waiting", 0), ("claimed", 1)], Duration::from_secs(2));
        metrics.node(1, [("queued", 0), ("aboard", 1), ("busy", 0)]);
        metrics.pinged(Duration::from_millis(1));
        let text = metrics.text();
        for line in [
            r#"cronbox_runs_total{outcome="succeeded"} 1"#,
            "cronbox_run_start_seconds_count 1",
            r#"cronbox_http_requests_total{method="GET",route="/v1/runs",status="200"} 1"#,
            r#"cronbox_queue_runs{state="ready"} 3"#,
            "cronbox_queue_age_seconds 2.0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
