//! A run, as answers tell it.

use super::values::{millis, time, word};
use crate::exact::Exact;
use crate::limits::NotGranted;
use crate::run::{Attempt, OutputFile, Run, Status, Written};
use crate::script::Labels;
use cronbox_runtime::Limits;
use cronbox_runtime::report::HostUsage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What went wrong in a script.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// The exception's type, or a word for what stopped the run.
    #[serde(rename = "type")]
    pub kind: String,
    /// One sentence.
    pub message: String,
    /// As Python prints it, the script's own lines only.
    pub traceback: String,
}

/// What a run used.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct UsageBody {
    /// Units of fuel: about one per WebAssembly instruction.
    pub fuel: u64,
    /// Units of fuel that importing its packages at the beginning takes. They are not part of `fuel`, and not counted against
    /// its limit. The same whether the sandbox imported them or began with them imported.
    #[serde(default)]
    #[schema(required = true)]
    pub import_fuel: u64,
    /// Most bytes of memory and files together.
    pub peak_memory_bytes: u64,
    /// Wall-clock time in the sandbox.
    pub wall_ms: f64,
    /// What it did on the network, by host and port.
    #[serde(default)]
    #[schema(value_type = Vec<HostUsageBody>, required = true)]
    pub network: Vec<HostUsage>,
}

/// The use that a run made of one host and port.
// `HostUsage` for the description: the runtime knows none.
#[derive(Serialize, ToSchema)]
struct HostUsageBody {
    /// Host and port, such as `api.example.com:443`.
    host: String,
    /// Connections that were made.
    connections: u64,
    /// Bytes received from it.
    received_bytes: u64,
    /// Bytes sent to it.
    sent_bytes: u64,
    /// The time that connections to it were open, in milliseconds, added up.
    ms: u64,
}

/// The limits in force.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct LimitsBody {
    /// Units of fuel.
    pub fuel: u64,
    /// Bytes.
    pub memory: u64,
    /// Seconds.
    pub timeout: f64,
    /// Bytes of each stream.
    pub output: u64,
    /// Bytes of the result as JSON.
    pub result: u64,
}

impl From<&Limits> for LimitsBody {
    fn from(limits: &Limits) -> Self {
        LimitsBody {
            fuel: limits.fuel,
            memory: limits.memory,
            timeout: limits.wall.as_secs_f64(),
            output: limits.stdout,
            result: limits.result.into(),
        }
    }
}

/// What a run wrote to a stream.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct StreamBody {
    /// Bytes kept, with the mark where the stream was cut.
    pub bytes: u64,
    /// Whether some were not kept.
    pub truncated: bool,
    /// The beginning, where it was asked for (`?wait`, `?output=8KiB`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub text: Option<String>,
}

impl From<Written> for StreamBody {
    fn from(written: Written) -> Self {
        StreamBody { bytes: written.bytes, truncated: written.dropped > 0, text: None }
    }
}

/// A run.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RunBody {
    /// UUIDv7.
    pub id: String,
    /// The script's name, or the name given to source in a request.
    pub script: String,
    /// The script's version; null for source in a request.
    pub version: Option<i64>,
    /// What was asked to be called; null: `run`, or the file from top to bottom.
    pub entry: Option<String>,
    /// `function` or `script`, when it is known.
    pub mode: Option<String>,
    /// The schedule that made it.
    pub schedule: Option<String>,
    /// `fire`, `api`, `manual`, `chain`, `backfill` or `retry`.
    pub cause: String,
    /// The instant a schedule says it was due.
    pub fire_time: Option<String>,
    /// The same in the schedule's zone, with its offset.
    pub fire_local: Option<String>,
    /// The last of several fire times that share this row, when there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub fire_time_until: Option<String>,
    /// How many they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub count: Option<u64>,
    /// The run that was made for this fire time too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub stood_in_by: Option<String>,
    /// The run whose end made it due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub upstream: Option<String>,
    /// When it was accepted.
    pub created_at: String,
    /// When it may start.
    pub run_at: String,
    /// When its last attempt began.
    pub started_at: Option<String>,
    /// When it became final.
    pub finished_at: Option<String>,
    /// From when it might have begun to when it did.
    pub lateness_ms: Option<f64>,
    /// `scheduled`, `queued`, `running`, or how it ended.
    pub status: String,
    /// Why it has this status, where that is not clear.
    pub reason: Option<String>,
    /// The number of its last attempt; 0 before the first.
    pub attempt: u32,
    /// How many of them were lost with a node or a sandbox process.
    pub lost_attempts: u32,
    /// Runs of a higher one start first.
    pub priority: i64,
    /// The arguments, as they were written; null in lists when they are large.
    #[schema(value_type = Value)]
    pub args: Exact,
    /// `sys.argv[1:]`.
    pub argv: Vec<String>,
    /// What it returned, as Python wrote it; null in lists when it is large.
    #[schema(value_type = Value)]
    pub result: Exact,
    /// The size of the result as JSON.
    pub result_bytes: Option<u64>,
    /// `json`, `text` or `none`.
    pub result_kind: Option<String>,
    /// What went wrong.
    pub error: Option<ErrorBody>,
    /// What the script gave to `sys.exit`, when it ended so and that was not 0.
    pub exit_code: Option<i32>,
    /// Sentences for people.
    pub notes: Vec<String>,
    /// What it used; null before its end.
    pub usage: Option<UsageBody>,
    /// The limits in force.
    pub limits: LimitsBody,
    /// What was asked for beyond the defaults and not granted; only where the run was just made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_granted: Vec<NotGranted>,
    /// Words to find it by.
    pub labels: Labels,
    /// What it wrote.
    pub stdout: StreamBody,
    /// What it wrote to standard error.
    pub stderr: StreamBody,
    /// What it left under `/output`: see `/v1/runs/{id}/files`.
    pub files: LeftBody,
    /// The run it is a new try of.
    pub retry_of: Option<String>,
}

impl RunBody {
    /// A run with its arguments and result, as far as they are at hand.
    pub fn new(run: &Run, args: Exact, result: Exact) -> Self {
        let lateness = run.started_at.map(|started| (started - run.run_at).to_std().unwrap_or_default());
        RunBody {
            id: run.id.clone(),
            script: run.name.clone(),
            version: run.version,
            entry: run.spec.entry.clone(),
            mode: run.mode.as_ref().and_then(word),
            schedule: run.spec.schedule.clone().or_else(|| run.schedule.clone()),
            cause: run.cause.as_str().into(),
            fire_time: run.fire_time.map(time),
            fire_local: run.fire_local.clone(),
            fire_time_until: run.fire_until.map(|(until, _)| time(until)),
            count: run.fire_until.map(|(_, count)| count),
            stood_in_by: run.stood_in.clone(),
            upstream: run.upstream.clone(),
            created_at: time(run.created_at),
            run_at: time(run.run_at),
            started_at: run.started_at.map(time),
            finished_at: run.finished_at.map(time),
            lateness_ms: lateness.map(millis),
            status: run.status.as_str().into(),
            reason: run.reason.clone(),
            attempt: run.attempt,
            lost_attempts: run.lost,
            priority: run.priority,
            args,
            argv: run.spec.argv.clone(),
            result,
            result_bytes: run.result_bytes,
            result_kind: run.result_kind.as_ref().and_then(word),
            exit_code: run.error.as_ref().and_then(|error| error.exit_code),
            error: run.error.as_ref().map(|error| ErrorBody {
                kind: error.type_name.clone(),
                message: error.message.clone(),
                traceback: error.traceback.clone(),
            }),
            notes: run.notes.clone(),
            usage: run.fuel.map(|fuel| UsageBody {
                fuel,
                import_fuel: run.import_fuel,
                peak_memory_bytes: run.memory.unwrap_or_default(),
                wall_ms: run.wall.map(millis).unwrap_or_default(),
                network: run.network.clone(),
            }),
            limits: LimitsBody::from(&run.spec.limits),
            not_granted: Vec::new(),
            labels: run.labels.clone(),
            stdout: run.stdout.into(),
            stderr: run.stderr.into(),
            files: LeftBody { count: run.left.files, bytes: run.left.bytes },
            retry_of: run.retry_of.clone(),
        }
    }

    /// Its status.
    pub fn status(&self) -> Option<Status> {
        Status::parse(&self.status)
    }
}

/// What a run left under `/output`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct LeftBody {
    /// How many files.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// An attempt to run a run.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AttemptBody {
    /// Counted from 1.
    pub number: i64,
    /// The id of the node that made it.
    pub node: Option<String>,
    /// When it began.
    pub started_at: String,
    /// When its end was recorded; null: it is running.
    pub finished_at: Option<String>,
    /// How it ended: a final status, `lost` (its node went away) or `handed_back` (its node was shut down); null: it is running.
    pub outcome: Option<String>,
    /// The type and the message of its error.
    pub error: Option<String>,
    /// What it used; null: unknown.
    pub usage: Option<AttemptUsageBody>,
}

/// What an attempt used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct AttemptUsageBody {
    /// Units of fuel: about one per WebAssembly instruction.
    pub fuel: u64,
    /// Most bytes of memory and files together.
    pub peak_memory_bytes: u64,
    /// Wall-clock time in the sandbox.
    pub wall_ms: f64,
}

impl From<&Attempt> for AttemptBody {
    fn from(attempt: &Attempt) -> Self {
        AttemptBody {
            number: attempt.number,
            node: attempt.node.clone(),
            started_at: time(attempt.started_at),
            finished_at: attempt.finished_at.map(time),
            outcome: attempt.outcome.clone(),
            error: attempt.error.clone(),
            usage: attempt.usage.map(|usage| AttemptUsageBody {
                fuel: usage.fuel,
                peak_memory_bytes: usage.memory,
                wall_ms: usage.wall.as_secs_f64() * 1e3,
            }),
        }
    }
}

/// A file that a run left under `/output`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FileBody {
    /// Below `/output`.
    pub path: String,
    /// How large it is.
    pub bytes: u64,
    /// What it looks like: a media type.
    #[serde(rename = "type")]
    pub media_type: String,
}

impl From<&OutputFile> for FileBody {
    fn from(file: &OutputFile) -> Self {
        FileBody { path: file.path.clone(), bytes: file.bytes, media_type: file.media_type.clone() }
    }
}

/// Runs of one slot of time.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CountBody {
    /// When the slot begins.
    pub at: String,
    /// How many were made in it.
    pub total: u64,
    /// How many of them stand how.
    pub by_status: BTreeMap<String, u64>,
}

/// A number that results have at one place.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NumberBody {
    /// Where it is: a JSON Pointer into the result, as a series takes it.
    pub path: String,
    /// How many of the results that were looked at have a number there.
    pub count: u64,
    /// The newest of these numbers.
    #[schema(value_type = f64)]
    pub last: Exact,
    /// When the run of that one was due.
    pub last_at: String,
}

/// A value over time.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PointBody {
    /// When its run was due, or when the slot begins.
    pub at: String,
    /// The value, or what the slot's values come to.
    #[schema(value_type = Value)]
    pub value: Exact,
    /// The run, when it is the value of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub run: Option<String>,
    /// How many values the slot has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub count: Option<u64>,
}
