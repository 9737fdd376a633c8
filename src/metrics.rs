//! What is counted, for Prometheus. The names follow its conventions: units are base units and stand at the end, counters end in
//! `_total`.

use crate::run::Status;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

mod backups;
mod certificates;
mod deliveries;
mod monitors;
mod process;
mod traces;

pub use deliveries::Delivered;
pub use monitors::{Beaten, Pinged};
pub use process::Process;
pub use traces::Exported;

use backups::BackupMetrics;
use certificates::CertificateMetrics;
use deliveries::DeliveryMetrics;
use monitors::MonitorMetrics;
use traces::TraceMetrics;

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
struct ScriptLabel {
    script: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ScriptOutcomeLabel {
    script: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabel {
    version: &'static str,
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

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LostWithLabel {
    with: &'static str,
}

/// What went away while an attempt ran on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostWith {
    /// Another node: this one took over its runs.
    Node,
    /// A sandbox process of this node.
    SandboxProcess,
}

impl LostWith {
    fn label(self) -> LostWithLabel {
        let with = match self {
            LostWith::Node => "node",
            LostWith::SandboxProcess => "sandbox_process",
        };
        LostWithLabel { with }
    }
}

/// How attempts end: each is counted from zero, so that the first one of a kind is an increase.
const ENDS: [Status; 7] = [
    Status::Succeeded,
    Status::Failed,
    Status::TimedOut,
    Status::OutOfFuel,
    Status::OutOfMemory,
    Status::Crashed,
    Status::Cancelled,
];

/// Most scripts with counts of their own: each costs a line for each outcome, here and in whatever reads them.
pub const MOST_SCRIPTS: usize = 1_000;
/// What the others are counted under: no script has this name.
const OTHERS: &str = "*";

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
    lost: Family<LostWithLabel, Counter>,
    deliveries: DeliveryMetrics,
    monitors: MonitorMetrics,
    traces: TraceMetrics,
    certificates: CertificateMetrics,
    backups: BackupMetrics,
    script_runs: Family<ScriptOutcomeLabel, Counter>,
    last_success: Family<ScriptLabel, Gauge<f64, AtomicU64>>,
    /// The scripts that have counts of their own.
    scripts: Mutex<HashSet<String>>,
    lag: Gauge<f64, AtomicU64>,
    database_up: Gauge,
    build: Family<BuildLabel, Gauge>,
    process: ProcessMetrics,
}

/// What every program that Prometheus reads says of its process.
#[derive(Debug, Default)]
struct ProcessMetrics {
    cpu: Counter<f64, AtomicU64>,
    resident: Gauge,
    memory: Gauge,
    open: Gauge,
    most_open: Gauge,
    started: Gauge<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let times = || Histogram::new(exponential_buckets(0.000_25, 2.0, 20));
        let metrics = Metrics {
            registry: Registry::default(),
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
            lost: Family::default(),
            deliveries: DeliveryMetrics::default(),
            monitors: MonitorMetrics::default(),
            traces: TraceMetrics::default(),
            certificates: CertificateMetrics::default(),
            backups: BackupMetrics::default(),
            script_runs: Family::default(),
            last_success: Family::default(),
            scripts: Mutex::default(),
            lag: Gauge::default(),
            database_up: Gauge::default(),
            build: Family::default(),
            process: ProcessMetrics::default(),
        };
        for with in [LostWith::Node, LostWith::SandboxProcess] {
            metrics.lost(with, 0);
        }
        for outcome in ENDS {
            metrics.runs.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).inc_by(0);
        }
        let build = BuildLabel { version: env!("CARGO_PKG_VERSION") };
        metrics.build.get_or_create(&build).set(1);
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let process = &self.process;
        let registry = &mut self.registry;
        registry.register("process_cpu_seconds", "CPU time of the node's own process", process.cpu.clone());
        registry.register(
            "process_resident_memory_bytes",
            "Resident memory of the node's own process",
            process.resident.clone(),
        );
        registry.register(
            "process_virtual_memory_bytes",
            "Virtual memory of the node's own process",
            process.memory.clone(),
        );
        registry.register("process_open_fds", "Open file descriptors", process.open.clone());
        registry.register("process_max_fds", "Most file descriptors that can be open", process.most_open.clone());
        registry.register(
            "process_start_time_seconds",
            "When the process started, since 1970",
            process.started.clone(),
        );
        let registry = registry.sub_registry_with_prefix("cronbox");
        registry.register("build_info", "The program that runs: always 1", self.build.clone());
        registry.register("database_up", "Whether the database answered just now: 1 or 0", self.database_up.clone());
        registry.register(
            "script_runs",
            "Attempts on this node that ended, by script and outcome; those of scripts beyond 1000 under *",
            self.script_runs.clone(),
        );
        registry.register(
            "script_last_success_timestamp_seconds",
            "When the newest run of a script that succeeded ended, on any node, since 1970",
            self.last_success.clone(),
        );
        registry.register(
            "scheduler_lag_seconds",
            "How long ago the longest due schedule should have been looked at",
            self.lag.clone(),
        );
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
            "Runs in this node's pool: queued for memory or a process, aboard, busy, parked",
            self.sandbox.clone(),
        );
        registry.register(
            "space_bytes",
            "The data directory's bytes, those of its disk, and those of it that can still be written",
            self.space.clone(),
        );
        registry.register(
            "attempts_lost",
            "Attempts without an end, by what went away: a node whose runs this node took over, or a sandbox process",
            self.lost.clone(),
        );
        self.deliveries.register(registry);
        self.monitors.register(registry);
        self.traces.register(registry);
        self.certificates.register(registry);
        self.backups.register(registry);
        registry.register("panics", "Panics that were caught, by the node's task", self.panics.clone());
        self
    }

    /// So many attempts were lost.
    pub fn lost(&self, with: LostWith, attempts: u32) {
        self.lost.get_or_create(&with.label()).inc_by(attempts.into());
    }

    /// An attempt began, so long after it might have.
    pub fn started(&self, lateness: Duration) {
        self.start.observe(lateness.as_secs_f64());
    }

    /// An attempt ended; `script` is the name of its script, when that is a saved one.
    pub fn ended(&self, script: Option<&str>, outcome: Status, wall: Duration) {
        self.runs.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).inc();
        if let Some(script) = script {
            let label = ScriptOutcomeLabel { script: self.label_of(script), outcome: outcome.as_str() };
            self.script_runs.get_or_create(&label).inc();
        }
        self.wall.observe(wall.as_secs_f64());
    }

    /// The word that a script is counted under: there are only so many.
    fn label_of(&self, script: &str) -> String {
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        if !scripts.contains(script) {
            if scripts.len() >= MOST_SCRIPTS {
                return OTHERS.to_owned();
            }
            scripts.insert(script.to_owned());
        }
        script.to_owned()
    }

    /// When each script succeeded last, in seconds since 1970: in the place of what was known before.
    pub fn last_successes(&self, found: impl IntoIterator<Item = (String, f64)>) {
        self.last_success.clear();
        for (script, at) in found {
            self.last_success.get_or_create(&ScriptLabel { script }).set(at);
        }
    }

    /// How long ago the longest due schedule should have been looked at.
    pub fn lag(&self, lag: Duration) {
        self.lag.set(lag.as_secs_f64());
    }

    /// Whether the database answers. What it told before is no longer known when it does not.
    pub fn database(&self, is_up: bool) {
        self.database_up.set(i64::from(is_up));
        if !is_up {
            self.queue.clear();
            self.last_success.clear();
        }
    }

    /// What the operating system says of the process.
    pub fn process(&self, process: &Process) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let own = &self.process;
        own.cpu.inc_by((process.cpu_seconds - own.cpu.get()).max(0.0));
        own.resident.set(whole(process.resident_bytes));
        own.memory.set(whole(process.virtual_bytes));
        own.open.set(whole(process.open_files));
        own.most_open.set(whole(process.most_open_files));
        own.started.set(process.started_at);
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
    pub fn node(&self, aboard: usize, states: [(&'static str, usize); 4]) {
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

    /// A task begins: its panics are counted from zero, so that the first one is an increase.
    pub fn begins(&self, task: &'static str) {
        self.panics.get_or_create(&TaskLabel { task }).inc_by(0);
    }

    /// A panic inside a task was caught.
    pub fn panicked(&self, task: &'static str) {
        self.panics.get_or_create(&TaskLabel { task }).inc();
    }

    /// The text that Prometheus reads, in its own format (0.0.4).
    pub fn prometheus(&self) -> String {
        prometheus(&self.text())
    }

    /// The same as OpenMetrics.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// OpenMetrics as Prometheus's own format: a counter is described under the name that its lines have, and units and the end are
/// not told.
fn prometheus(open_metrics: &str) -> String {
    let lines: Vec<&str> = open_metrics.lines().collect();
    let counters: HashSet<&str> =
        lines.iter().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in lines {
        let described = ["# HELP ", "# TYPE "].into_iter().find_map(|head| Some((head, line.strip_prefix(head)?)));
        match described.and_then(|(head, rest)| Some((head, rest.split_once(' ')?))) {
            Some((head, (name, rest))) if counters.contains(name) => {
                text.push_str(&format!("{head}{name}_total {rest}\n"));
            }
            _ if line.starts_with("# UNIT ") || line == "# EOF" => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_written() {
        let metrics = Metrics::default();
        metrics.started(Duration::from_millis(3));
        metrics.ended(Some("price"), Status::Succeeded, Duration::from_millis(2));
        metrics.ended(None, Status::Failed, Duration::from_millis(2));
        metrics.answered("GET", "/v1/runs", 200, Duration::from_millis(1));
        metrics.queue([("ready", 3), ("held", 0), ("waiting", 0), ("claimed", 1)], Duration::from_secs(2));
        metrics.node(1, [("queued", 0), ("aboard", 1), ("busy", 0), ("parked", 0)]);
        metrics.pinged(Duration::from_millis(1));
        metrics.lost(LostWith::SandboxProcess, 2);
        metrics.begins("worker");
        let text = metrics.text();
        for line in [
            r#"cronbox_attempts_lost_total{with="sandbox_process"} 2"#,
            r#"cronbox_attempts_lost_total{with="node"} 0"#,
            r#"cronbox_runs_total{outcome="succeeded"} 1"#,
            r#"cronbox_runs_total{outcome="crashed"} 0"#,
            r#"cronbox_panics_total{task="worker"} 0"#,
            r#"cronbox_script_runs_total{script="price",outcome="succeeded"} 1"#,
            "cronbox_run_start_seconds_count 1",
            r#"cronbox_http_requests_total{method="GET",route="/v1/runs",status="200"} 1"#,
            r#"cronbox_queue_runs{state="ready"} 3"#,
            "cronbox_queue_age_seconds 2.0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    /// D10: the rules of `promtool check metrics`, as far as they concern names and descriptions.
    #[test]
    fn the_text_follows_the_conventions_of_prometheus() {
        let metrics = Metrics::default();
        metrics.ended(Some("price"), Status::Succeeded, Duration::from_millis(2));
        metrics.last_successes([("price".to_owned(), 1.5e9)]);
        metrics.process(&Process { cpu_seconds: 0.5, ..Process::default() });
        metrics.panicked("worker");
        let text = metrics.prometheus();
        let of = |head: &str| -> Vec<(String, String)> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(head)?.split_once(' '));
            lines.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
        };
        let (help, types) = (of("# HELP "), of("# TYPE "));
        assert_eq!(help.len(), types.len());
        for (name, kind) in &types {
            assert!(help.iter().any(|(known, text)| known == name && !text.is_empty()), "{name} has no description");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
            let words: Vec<&str> = name.split('_').collect();
            for bad in ["counter", "gauge", "histogram", "ms", "sec", "milliseconds", "kb", "mb"] {
                assert!(!words.contains(&bad), "{name}");
            }
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
                "{name}"
            );
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().expect("a name");
            let ends = ["_bucket", "_sum", "_count", ""];
            let is_described = |(known, _): &(String, String)| ends.iter().any(|end| format!("{known}{end}") == name);
            assert!(types.iter().any(is_described), "{line}");
        }
        assert!(!text.contains("# EOF") && !text.contains("# UNIT") && text.ends_with('\n'));
        assert!(metrics.text().ends_with("# EOF\n"));
        for line in ["process_cpu_seconds_total 0.5", "# TYPE process_cpu_seconds_total counter"] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn only_so_many_scripts_are_counted_by_themselves() {
        let metrics = Metrics::default();
        for n in 0..MOST_SCRIPTS + 5 {
            metrics.ended(Some(&format!("s{n}")), Status::Succeeded, Duration::ZERO);
        }
        let text = metrics.text();
        assert_eq!(text.matches("cronbox_script_runs_total{").count(), MOST_SCRIPTS + 1);
        assert!(text.contains(r#"cronbox_script_runs_total{script="*",outcome="succeeded"} 5"#));
    }
}
