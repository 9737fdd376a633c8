//! What the API says: the bodies of its answers, for the server that writes them and the command line that reads them.

use crate::access::{Scope, Token};
use crate::clock::Time;
use crate::event::Event;
use crate::exact::Exact;
use crate::limits::NotGranted;
use crate::requirement::Locked;
use crate::run::{Attempt, OutputFile, Run, Status, Written};
use crate::schedule::{self, Grace, Policies, Schedule};
use crate::script::{Labels, Script, Settings, Version, Warning};
use crate::secret::{Secret, SecretTerms};
use crate::trigger::{Fire, Trigger};
use cronbox_runtime::Limits;
use cronbox_runtime::report::HostUsage;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The header of an answer that holds a sentence for whoever runs the server.
pub const WARNING: &str = "x-cronbox-warning";

/// A part of a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The things themselves.
    pub items: Vec<T>,
    /// Ask with `?cursor=` for the next part; null when there is none.
    pub next_cursor: Option<String>,
}

/// A request that was not carried out (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProblemBody {
    /// `about:blank`: the code says what it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A stable word for programs.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
    /// The field or parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Counted from 1: where in the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Counted from 1: where in the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Names the request in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

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
    /// Most bytes of memory and files together.
    pub peak_memory_bytes: u64,
    /// Wall-clock time in the sandbox.
    pub wall_ms: f64,
    /// What it did on the network, by host and port: `{host, connections, received_bytes, sent_bytes, ms}`.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub network: Vec<HostUsage>,
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
    pub fire_time_until: Option<String>,
    /// How many they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The run that was made for this fire time too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stood_in_by: Option<String>,
    /// The run whose end made it due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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

/// A name as a part of an address: what is not a plain letter or digit in percent (RFC 3986).
pub fn part(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn time(at: Time) -> String {
    crate::clock::rfc3339(at)
}

/// A word of a closed set.
fn word<T: Serialize>(value: &T) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

/// Milliseconds, to the microsecond.
fn millis(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
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

/// Where a linked script is read from.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LinkBody {
    /// `s3://bucket/key` or `file:///path`.
    pub from: String,
    /// When it was looked at last.
    pub checked_at: Option<String>,
    /// Why it cannot be read; the last good version stays in force.
    pub error: Option<String>,
}

/// A script.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ScriptBody {
    /// Its name.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// The version in force.
    pub version: i64,
    /// Of its content, in hexadecimal.
    pub sha256: String,
    /// What is called; null: `run`, or the file from top to bottom.
    pub entry: Option<String>,
    /// `function` or `script`; null when it was not checked.
    pub mode: Option<String>,
    /// The entry's parameters, as Python writes them.
    pub signature: Option<String>,
    /// What holds: what was set by request, then what the source says.
    #[schema(value_type = Object)]
    pub settings: Settings,
    /// Where it is read from, when it is linked.
    pub link: Option<LinkBody>,
    /// What may not be meant.
    #[schema(value_type = Vec<Object>)]
    pub warnings: Vec<Warning>,
    /// The packages that the version in force has.
    pub packages: Vec<Locked>,
    /// Bytes of all files.
    pub size: u64,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
}

impl From<&Script> for ScriptBody {
    fn from(script: &Script) -> Self {
        let settings = script.in_force();
        ScriptBody {
            name: script.name.clone(),
            title: settings.title.clone(),
            version: script.version.number,
            sha256: script.version.sha256.clone(),
            entry: settings.entry.clone(),
            mode: script.version.facts.mode.as_ref().and_then(word),
            signature: script.version.facts.signature.clone(),
            link: script.link.as_ref().map(|from| LinkBody {
                from: from.clone(),
                checked_at: script.link_state.checked_at.map(time),
                error: script.link_state.error.clone(),
            }),
            settings,
            warnings: script.version.facts.warnings.clone(),
            packages: locked(&script.version),
            size: script.version.size,
            created_at: time(script.created_at),
            updated_at: time(script.updated_at),
        }
    }
}

fn locked(version: &Version) -> Vec<Locked> {
    version.packages.as_ref().map(|packages| packages.locked.clone()).unwrap_or_default()
}

/// What an upload came to: the script as it is now, and what was made beside it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UploadedBody {
    /// The script's name.
    pub script: String,
    /// The script itself.
    #[serde(flatten)]
    pub body: ScriptBody,
    /// The schedules that start it.
    pub schedules: Vec<ScheduleBody>,
    /// What became of its schedules.
    #[serde(default)]
    pub schedule_changes: Vec<ScheduleChangeBody>,
    /// What was asked for beyond the defaults and not granted.
    pub not_granted: Vec<NotGranted>,
}

/// What an upload did to a schedule of the script's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleChangeBody {
    /// The schedule's name.
    pub id: String,
    /// `created`, `changed` or `removed`.
    pub change: String,
    /// When it fired before, as text.
    pub before: Option<String>,
    /// When it fires now, as text.
    pub after: Option<String>,
}

/// A schedule.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ScheduleBody {
    /// Its name.
    pub id: String,
    /// For people.
    pub title: Option<String>,
    /// The script it starts.
    pub script: String,
    /// The script's version; null: the one in force at each fire time.
    pub version: Option<i64>,
    /// What is called instead of what the script says.
    pub entry: Option<String>,
    /// The arguments.
    #[schema(value_type = Value)]
    pub args: Exact,
    /// `sys.argv[1:]`.
    pub argv: Vec<String>,
    /// When it fires, as JSON.
    pub trigger: Value,
    /// When it fires, as text.
    pub text: String,
    /// What people should know about how the trigger was read.
    pub notes: Vec<String>,
    /// The zone of its local times.
    pub timezone: String,
    /// `active`, `paused` or `finished`.
    pub state: String,
    /// Why it is in this state, where no request asked for it.
    pub reason: Option<String>,
    /// The next fire time.
    pub next_fire_at: Option<String>,
    /// The same in its zone, with the offset.
    pub next_fire_local: Option<String>,
    /// Its newest run.
    pub last_run: Option<LastRunBody>,
    /// Fire times that count towards the trigger's `max_runs`.
    pub fired: u64,
    /// How late a run may start, in seconds; null: however late.
    pub misfire_grace_time: Option<f64>,
    /// Which of several fire times that came due together is started: `latest`, `earliest` or `all`.
    pub coalesce: String,
    /// How many of its runs may run at once.
    pub max_instances: u32,
    /// What happens to a fire time while so many do: `skip`, `queue_one`, `queue_all`, `cancel_running` or `allow`.
    pub overlap: String,
    /// After how many failures in a row it is paused; 0: never.
    pub pause_on_failure: u32,
    /// How many fire times get a row of their own after an outage.
    pub catchup_limit: u32,
    /// Words to find its runs by.
    pub labels: Labels,
    /// What it asks for itself: limits, priority, retries, policies.
    #[schema(value_type = Object)]
    pub settings: schedule::Settings,
    /// What it asks for beyond the defaults and was not granted; only where it was just made or changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_granted: Vec<NotGranted>,
    /// `request`, or `metadata`: the script's own.
    pub origin: String,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
}

/// A schedule's newest run.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LastRunBody {
    /// The run.
    pub id: String,
    /// Its status.
    pub status: String,
    /// What it was made for.
    pub fire_time: Option<String>,
}

impl ScheduleBody {
    /// A schedule, with its trigger and what holds where it says nothing.
    pub fn new(schedule: &Schedule, trigger: &Trigger, server: &Policies) -> Self {
        let settings = &schedule.settings;
        let policies = settings.policies.in_force(server);
        ScheduleBody {
            id: schedule.id.clone(),
            title: settings.title.clone(),
            script: schedule.script_name.clone(),
            version: settings.version,
            entry: settings.entry.clone(),
            args: settings.args.clone().unwrap_or_else(|| Exact::from(Value::Object(serde_json::Map::new()))),
            argv: settings.argv.clone(),
            trigger: schedule.trigger.clone(),
            text: trigger.to_string(),
            notes: trigger.notes().to_vec(),
            timezone: trigger.zone().name().to_owned(),
            state: schedule.state.as_str().into(),
            reason: schedule.reason.clone(),
            next_fire_at: schedule.next_fire_at.map(time),
            next_fire_local: schedule.next_fire_at.map(|at| trigger.zone().rfc3339(at)),
            last_run: schedule.last_run.as_ref().map(|run| LastRunBody {
                id: run.id.clone(),
                status: run.status.as_str().into(),
                fire_time: run.fire_time.map(time),
            }),
            fired: schedule.fired,
            misfire_grace_time: match policies.misfire_grace_time {
                Some(Grace::Within(grace)) => Some(grace.as_secs_f64()),
                _ => None,
            },
            coalesce: policies.coalesce.as_ref().and_then(word).unwrap_or_default(),
            max_instances: policies.max_instances.unwrap_or(1),
            overlap: policies.overlap.as_ref().and_then(word).unwrap_or_default(),
            pause_on_failure: policies.pause_on_failure.unwrap_or_default(),
            catchup_limit: policies.catchup_limit.unwrap_or_default(),
            labels: settings.labels.clone(),
            settings: settings.clone(),
            not_granted: Vec::new(),
            origin: schedule.origin.as_str().into(),
            created_at: time(schedule.created_at),
            updated_at: time(schedule.updated_at),
        }
    }
}

/// A fire time to come.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FireBody {
    /// The instant.
    pub at: String,
    /// What clocks in the trigger's zone show then, with their offset.
    pub local: String,
    /// What a change of the clocks has to do with it.
    pub note: Option<String>,
}

impl From<&Fire> for FireBody {
    fn from(fire: &Fire) -> Self {
        FireBody {
            at: fire.at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
            local: fire.rfc3339(),
            note: fire.note.clone(),
        }
    }
}

/// What a trigger will do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PreviewBody {
    /// The trigger as JSON.
    pub trigger: Value,
    /// The trigger as text.
    pub text: String,
    /// The zone of its local times.
    pub timezone: String,
    /// What people should know about how it was read.
    pub notes: Vec<String>,
    /// Its fire times.
    pub fires: Vec<FireBody>,
}

/// What a backfill made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BackfillBody {
    /// Names it.
    pub id: String,
    /// The schedule.
    pub schedule: String,
    /// The fire times that are run for, the oldest first.
    pub fire_times: Vec<String>,
    /// Fire times that have a run which succeeded, or still may.
    pub left_out: u64,
    /// The runs, in the same order; none yet when nothing was made.
    pub runs: Vec<String>,
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

/// What a script leaves for its next run.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StateBody {
    /// The script.
    pub script: String,
    /// `context.state`; empty when nothing was left.
    #[schema(value_type = Object)]
    pub state: Exact,
    /// Counted up with every change.
    pub revision: i64,
    /// The run that wrote it; null: a request, or none yet.
    pub run: Option<String>,
    /// When it was written.
    pub updated_at: Option<String>,
}

/// Something that happened to a run or a schedule.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventBody {
    /// Its place in the feed: as `cursor` or `Last-Event-ID` it asks for what came after.
    pub id: String,
    /// When it happened.
    pub at: String,
    /// `run_` and how it ended; `schedule_created`, `schedule_paused` and so on; `scheduler_paused`, `scheduler_resumed`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The script's name.
    pub script: Option<String>,
    /// The schedule's id.
    pub schedule: Option<String>,
    /// The run's id.
    pub run: Option<String>,
    /// Why the run was made.
    pub cause: Option<String>,
    /// When its schedule said it was due.
    pub fire_time: Option<String>,
    /// The last of several fire times that share one row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fire_time_until: Option<String>,
    /// How many fire times these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Why it happened, where that is not plain.
    pub reason: Option<String>,
    /// What went wrong, as long as the run itself is kept; its traceback is there.
    pub error: Option<EventErrorBody>,
}

/// What went wrong, in a line.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventErrorBody {
    /// The exception's type, or a word for what stopped the run.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says.
    pub message: String,
}

impl From<&Event> for EventBody {
    fn from(event: &Event) -> Self {
        EventBody {
            id: event.place.to_string(),
            at: time(event.at),
            type_name: event.type_name.clone(),
            script: event.name.clone(),
            schedule: event.schedule.clone(),
            run: event.run.clone(),
            cause: event.cause.clone(),
            fire_time: event.fire_time.map(time),
            fire_time_until: event.fire_until.map(|(until, _)| time(until)),
            count: event.fire_until.map(|(_, count)| count),
            reason: event.reason.clone(),
            error: event.error.clone().map(|(kind, message)| EventErrorBody { kind, message }),
        }
    }
}

/// A part of the feed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FeedBody {
    /// What happened, oldest first.
    pub items: Vec<EventBody>,
    /// Ask with `?cursor=` for the next part at once; null when there is no more for now.
    pub next_cursor: Option<String>,
    /// Where this part ends: ask with `?cursor=` later, and nothing is left out.
    pub cursor: String,
}

/// The whole scheduler.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SchedulerBody {
    /// Whether nothing fires.
    pub paused: bool,
    /// The zone of schedules and scripts that name none.
    pub timezone: String,
    /// The release of the time zones.
    pub tzdata: String,
    /// When the next schedule is looked at.
    pub next_fire_at: Option<String>,
}

/// A version of a script.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionBody {
    /// Counted from 1.
    pub version: i64,
    /// Of its content.
    pub sha256: String,
    /// Bytes of all files.
    pub size: u64,
    /// The path of the file where a run begins.
    pub main: String,
    /// `function` or `script`.
    pub mode: Option<String>,
    /// The entry's parameters.
    pub signature: Option<String>,
    /// What may not be meant.
    #[schema(value_type = Vec<Object>)]
    pub warnings: Vec<Warning>,
    /// When it came.
    pub created_at: String,
    /// Whether it is in force.
    pub in_force: bool,
}

impl VersionBody {
    /// A version; `in_force` is the number of the one that is.
    pub fn new(version: &Version, in_force: i64) -> Self {
        VersionBody {
            version: version.number,
            sha256: version.sha256.clone(),
            size: version.size,
            main: version.main.clone(),
            mode: version.facts.mode.as_ref().and_then(word),
            signature: version.facts.signature.clone(),
            warnings: version.facts.warnings.clone(),
            created_at: time(version.created_at),
            in_force: version.number == in_force,
        }
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
    pub run: Option<String>,
    /// How many values the slot has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// A token, without what it is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenBody {
    /// Names it.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Only these scripts; null: any.
    pub scripts: Option<Vec<String>>,
    /// Only scripts with one of these labels; null: any.
    pub labels: Option<Vec<String>>,
    /// When it was made.
    pub created_at: String,
    /// When it ends; null: never.
    pub expires_at: Option<String>,
    /// When it was used last, to a minute.
    pub last_used_at: Option<String>,
    /// The token itself, only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl From<&Token> for TokenBody {
    fn from(token: &Token) -> Self {
        TokenBody {
            id: token.id.clone(),
            name: token.name.clone(),
            scopes: token.scopes.clone(),
            scripts: token.scripts.clone(),
            labels: token.labels.clone(),
            created_at: time(token.created_at),
            expires_at: token.expires_at.map(time),
            last_used_at: token.last_used_at.map(time),
            token: None,
        }
    }
}

/// A secret, without its value.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecretBody {
    /// The environment variable in which scripts find its placeholder.
    pub name: String,
    /// The hosts that may get it.
    pub hosts: Vec<String>,
    /// The scripts that it is set for.
    pub scripts: Vec<String>,
    /// The scripts that it is set for, by label.
    pub labels: Vec<String>,
    /// The scripts that have it, there or not yet.
    pub granted: Vec<String>,
    /// Where in a request it may be placed: `headers`, `query`, `body`.
    #[serde(rename = "in")]
    pub places: Vec<String>,
    /// The methods of requests that it may be placed in; nothing: any.
    pub methods: Option<Vec<String>>,
    /// The path of requests that it may be placed in, and what is below it; nothing: any.
    pub path_prefix: Option<String>,
    /// Whether the script itself gets the value.
    pub in_clear: bool,
    /// The id of the key that it is sealed with.
    pub key: String,
    /// Whether this node has that key. Without it, attempts that need the secret fail.
    pub readable: bool,
    /// When it was set first.
    pub created_at: String,
    /// When it was set last.
    pub updated_at: String,
    /// What whoever set it should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl From<&Secret> for SecretBody {
    fn from(secret: &Secret) -> Self {
        let SecretTerms { hosts, scripts, labels, places, methods, path_prefix, in_clear } = secret.terms.clone();
        let words = [(places.headers, "headers"), (places.query, "query"), (places.body, "body")];
        SecretBody {
            name: secret.name.clone(),
            hosts,
            scripts,
            labels,
            granted: Vec::new(),
            places: words.into_iter().filter(|(may, _)| *may).map(|(_, word)| word.to_owned()).collect(),
            methods,
            path_prefix,
            in_clear,
            key: secret.key.clone(),
            readable: true,
            created_at: time(secret.created_at),
            updated_at: time(secret.updated_at),
            warning: None,
        }
    }
}

/// A file of a script source that is not taken.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LeftOutBody {
    /// The script source.
    pub source: String,
    /// The file in it; empty: the source itself cannot be looked through.
    pub file: String,
    /// Why.
    pub why: String,
}

/// What sealing all secrets with another key came to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ResealedBody {
    /// The id of the key that seals from now on.
    pub key: String,
    /// How many secrets were sealed again.
    pub resealed: u64,
    /// Secrets that no key of this node opens: they are as they were.
    pub unreadable: Vec<String>,
    /// What whoever rotated should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// What a token with the scope `grant` allowed a script.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GrantBody {
    /// The script.
    pub script: String,
    /// `limit`, `host` or `secret`.
    pub kind: String,
    /// Which: `memory`, `api.example.com`, `API_KEY`.
    pub name: String,
    /// How much: bytes, units of fuel, milliseconds; of a host `verified` or `unverified`; of a secret `granted`.
    pub value: String,
    /// Since when.
    pub created_at: String,
}

/// Whether a node is ready, and why not.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadyBody {
    /// Whether everything is there.
    pub ready: bool,
    /// Each part: `ok`, or a sentence.
    pub parts: BTreeMap<String, String>,
    /// What needs attention, although it works.
    #[serde(default)]
    pub warnings: Vec<String>,
}
