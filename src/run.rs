//! Runs: what one is, how it stands, and what is fixed when it is made.

use crate::clock::Time;
use crate::limits::RequestedLimits;
use crate::script::{Labels, OnLost, Retries};
use crate::stdin::Stdin;
use cronbox_runtime::network::HostPattern;
use cronbox_runtime::report::{HostUsage, Mode, ResultKind, ScriptError};
use cronbox_runtime::{Limits, Outcome};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

mod attempt;
mod end;
pub mod explain;
mod new;
mod queued;
mod recent;

pub use attempt::{Attempt, AttemptUsage};
pub use end::{Ended, Output, Recorded};
pub use new::{Idempotency, Made, NewRun};
pub use queued::{BLOBS_AWAY, Cancelled, Claim, Displaced, Gate, GivenUp};
pub use recent::{Activity, RECENT, RecentRun};

/// How often an attempt may be lost with its node or process before its run is given up.
pub const MAX_LOST: u32 = 3;
/// Results, arguments and output up to this size stand in the run's row, in bytes; larger ones are blobs.
pub const INLINE: usize = 16 << 10;
/// The range of priorities; runs of a higher one start first.
pub const PRIORITIES: std::ops::RangeInclusive<i64> = -100..=100;

/// A new id: UUIDv7 of this instant. The first bits after the millisecond tell the microsecond (RFC 9562, section 6.2,
/// method 3), so that ids are in the order of time without a memory that a clock set back would confuse: the contexts of
/// the `uuid` crate have such a memory.
pub fn new_id(now: Time) -> String {
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    let micros = now.timestamp_subsec_micros() % 1000;
    // 1,000 microseconds are ten bits, which take the place of a counter; all bits after them are random.
    let at = uuid::Timestamp::from_unix_time(seconds, now.timestamp_subsec_nanos(), micros.into(), 10);
    uuid::Uuid::new_v7(at).to_string()
}

/// An id that none made at `at` or later is less than.
pub fn first_id_of(at: Time) -> String {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0) & 0xffff_ffff_ffff;
    format!("{:08x}-{:04x}-", millis >> 16, millis & 0xffff)
}

/// Where a run stands. The schema refuses any step but those of `migrations/README.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its time is ahead, or it waits for its next attempt.
    Scheduled,
    /// It may start.
    Queued,
    /// An attempt is under way.
    Running,
    /// The entry returned.
    Succeeded,
    /// Python said no.
    Failed,
    /// The wall clock ran out.
    TimedOut,
    /// The fuel ran out.
    OutOfFuel,
    /// The memory ran out.
    OutOfMemory,
    /// The interpreter ended, or its process did.
    Crashed,
    /// Somebody asked for it.
    Cancelled,
    /// Its node died and it is not to be tried again.
    Abandoned,
    /// It never started: too late.
    Missed,
    /// It never started, by policy.
    Skipped,
}

/// All statuses, in the order of a run's life.
pub const STATUSES: [Status; 13] = [
    Status::Scheduled,
    Status::Queued,
    Status::Running,
    Status::Succeeded,
    Status::Failed,
    Status::TimedOut,
    Status::OutOfFuel,
    Status::OutOfMemory,
    Status::Crashed,
    Status::Cancelled,
    Status::Abandoned,
    Status::Missed,
    Status::Skipped,
];

impl Status {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Scheduled => "scheduled",
            Status::Queued => "queued",
            Status::Running => "running",
            Status::Succeeded => "succeeded",
            Status::Failed => "failed",
            Status::TimedOut => "timed_out",
            Status::OutOfFuel => "out_of_fuel",
            Status::OutOfMemory => "out_of_memory",
            Status::Crashed => "crashed",
            Status::Cancelled => "cancelled",
            Status::Abandoned => "abandoned",
            Status::Missed => "missed",
            Status::Skipped => "skipped",
        }
    }

    /// The status of a word.
    pub fn parse(word: &str) -> Option<Self> {
        STATUSES.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether nothing comes after it.
    pub fn is_final(self) -> bool {
        !matches!(self, Status::Scheduled | Status::Queued | Status::Running)
    }
}

impl From<Outcome> for Status {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Status::Succeeded,
            Outcome::Failed => Status::Failed,
            Outcome::TimedOut => Status::TimedOut,
            Outcome::OutOfFuel => Status::OutOfFuel,
            Outcome::OutOfMemory => Status::OutOfMemory,
            Outcome::Crashed => Status::Crashed,
            Outcome::Cancelled => Status::Cancelled,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a run was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A schedule came due.
    Fire,
    /// A request.
    Api,
    /// Somebody triggered a schedule by hand.
    Manual,
    /// Another run ended.
    Chain,
    /// A range in the past was asked for.
    Backfill,
    /// A run is tried anew as another.
    Retry,
}

/// All causes.
pub const CAUSES: [Cause; 6] = [Cause::Fire, Cause::Api, Cause::Manual, Cause::Chain, Cause::Backfill, Cause::Retry];

impl Cause {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Fire => "fire",
            Cause::Api => "api",
            Cause::Manual => "manual",
            Cause::Chain => "chain",
            Cause::Backfill => "backfill",
            Cause::Retry => "retry",
        }
    }

    /// The cause of a word.
    pub fn parse(word: &str) -> Option<Self> {
        CAUSES.into_iter().find(|cause| cause.as_str() == word)
    }
}

/// What is fixed when a run is made; a later change of its script changes nothing about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The blob of its source; none when the source stands in the run's row.
    pub blob: Option<String>,
    /// The blob of its code object, when it was compiled before.
    #[serde(default)]
    pub code: Option<String>,
    /// The blob of its packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packages: Option<String>,
    /// The source's path.
    pub main: String,
    /// What it asked to be called; none: `run`, or script mode.
    pub entry: Option<String>,
    /// Which arguments were given as text on a command line.
    #[serde(default)]
    pub text_args: Vec<String>,
    /// `sys.argv[1:]`.
    #[serde(default)]
    pub argv: Vec<String>,
    /// What it finds on standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Stdin>,
    /// The environment.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// The hosts it asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<HostPattern>,
    /// Which of them it has whatever its script is granted: where source was sent along, and whoever sent it may grant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<HostPattern>,
    /// Secrets that it asks for, by name; nothing: those that are set for its script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
    /// What becomes of the result.
    pub result: ResultKind,
    /// The limits in force.
    pub limits: Limits,
    /// What of them was asked for.
    pub asked: RequestedLimits,
    /// The zone of its context.
    pub timezone: String,
    /// How often it is tried again.
    pub retries: Option<Retries>,
    /// After which outcomes.
    pub retry_on: Vec<Outcome>,
    /// What happens to an attempt that was lost.
    pub on_lost: OnLost,
    /// How many runs of its script may run at once.
    pub concurrency: Option<u32>,
    /// The address of the monitor that is told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<String>,
    /// The trace that it is a part of: the `traceparent` of the request that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Whether others of its schedule or backfill may wait for its end.
    #[serde(default)]
    pub gated: bool,
    /// The schedule that made it, as its owner writes it.
    #[serde(default)]
    pub schedule: Option<String>,
    /// After how many failures in a row its schedule is paused.
    #[serde(default)]
    pub pause_after: Option<u32>,
    /// How many runs before it in its chain.
    #[serde(default)]
    pub chain_depth: u32,
    /// The first run of its chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_cause: Option<String>,
}

/// After which outcomes a run is tried again unless its script says otherwise.
pub const RETRY_ON: [Outcome; 3] = [Outcome::Failed, Outcome::TimedOut, Outcome::Crashed];

impl Spec {
    /// The time before the next attempt after attempt number `attempt` ended so; none when that was the last.
    /// `lost` attempts do not count: they have a bound of their own. `error` is the exception's type.
    pub fn next_attempt(
        &self,
        outcome: Outcome,
        error: Option<&str>,
        attempt: u32,
        lost: u32,
        chance: f64,
    ) -> Option<Duration> {
        let retries = self.retries.as_ref()?;
        // A result that cannot be taken will not be taken the next time either.
        if !self.retry_on.contains(&outcome) || error == Some("ResultError") {
            return None;
        }
        let made = attempt.saturating_sub(lost);
        (made <= retries.count).then(|| retries.delay_before(made + 1, chance))
    }
}

/// How many bytes a run wrote to a stream, and whether all were kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes kept.
    pub bytes: u64,
    /// Bytes not kept.
    pub dropped: u64,
}

/// What a run left under `/output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputTotals {
    /// How many files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A file that a run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFile {
    /// Below `/output`.
    pub path: String,
    /// How large it is.
    pub bytes: u64,
    /// What it looks like: a media type.
    pub media_type: String,
    /// Where it is.
    pub blob: String,
}

/// A value that stands in the row, or in a blob when it is large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// JSON.
    Inline(String),
    /// The blob's key.
    Blob(String),
}

/// A run as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// UUIDv7.
    pub id: String,
    /// Its script's key; none for source sent along.
    pub script: Option<String>,
    /// Its script's name, or the one given to the source.
    pub name: String,
    /// Its script's version.
    pub version: Option<i64>,
    /// The schedule that made it.
    pub schedule: Option<String>,
    /// Why it was made.
    pub cause: Cause,
    /// The instant a schedule says it was due.
    pub fire_time: Option<Time>,
    /// The same in the schedule's zone, with its offset.
    pub fire_local: Option<String>,
    /// The last of several fire times that share this row, and how many they are.
    pub fire_until: Option<(Time, u64)>,
    /// The run that was made for this fire time too.
    pub stood_in: Option<String>,
    /// The run whose end made it due.
    pub upstream: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Why it stands there, where that is not plain.
    pub reason: Option<String>,
    /// The number of the last attempt that began; 0 before the first.
    pub attempt: u32,
    /// How many attempts were lost.
    pub lost: u32,
    /// Runs of a higher one start first.
    pub priority: i64,
    /// When it was accepted.
    pub created_at: Time,
    /// When it may start.
    pub run_at: Time,
    /// When its last attempt began.
    pub started_at: Option<Time>,
    /// When it became final.
    pub finished_at: Option<Time>,
    /// What is fixed.
    pub spec: Spec,
    /// The source itself, when it was sent along and is small.
    pub source: Option<Vec<u8>>,
    /// The arguments.
    pub args: Value,
    /// What the entry called was.
    pub mode: Option<Mode>,
    /// What it returned.
    pub result: Option<Value>,
    /// Its size as JSON.
    pub result_bytes: Option<u64>,
    /// What kind it is.
    pub result_kind: Option<ResultKind>,
    /// What went wrong.
    pub error: Option<ScriptError>,
    /// Sentences for the user.
    pub notes: Vec<String>,
    /// Units of fuel.
    pub fuel: Option<u64>,
    /// Units of fuel that importing its packages takes, which are not part of `fuel`.
    pub import_fuel: u64,
    /// Most bytes in use.
    pub memory: Option<u64>,
    /// Wall-clock time of the last attempt.
    pub wall: Option<Duration>,
    /// What that used of the network, by host.
    pub network: Vec<HostUsage>,
    /// Words to find it by.
    pub labels: Labels,
    /// What it wrote.
    pub stdout: Written,
    /// What it wrote to standard error.
    pub stderr: Written,
    /// What it left.
    pub left: OutputTotals,
    /// The run it is a new try of.
    pub retry_of: Option<String>,
    /// The token that asked for it.
    pub created_by: Option<String>,
}

/// What a run that goes on after another is told of that one: which it was, and how it ended.
pub fn upstream_body(run: &Run) -> serde_json::Value {
    let error = run.error.as_ref().map(
        |error| serde_json::json!({"type": error.type_name, "message": error.message, "traceback": error.traceback}),
    );
    serde_json::json!({
        "id": run.id,
        "script": run.name,
        "schedule": run.spec.schedule.as_ref().or(run.schedule.as_ref()),
        "status": run.status.as_str(),
        "error": error,
        "reason": run.reason,
        "fire_time": run.fire_time.map(crate::clock::rfc3339),
        "finished_at": run.finished_at.map(crate::clock::rfc3339),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(retries: Option<Retries>) -> Spec {
        Spec {
            blob: None,
            code: None,
            packages: None,
            main: "main.py".into(),
            entry: None,
            text_args: Vec::new(),
            argv: Vec::new(),
            stdin: None,
            env: Vec::new(),
            allow: Vec::new(),
            allowed: Vec::new(),
            secrets: None,
            result: ResultKind::Json,
            limits: Limits::default(),
            asked: RequestedLimits::default(),
            timezone: "UTC".into(),
            retries,
            retry_on: RETRY_ON.to_vec(),
            on_lost: OnLost::Retry,
            concurrency: None,
            heartbeat: None,
            traceparent: None,
            gated: false,
            schedule: None,
            pause_after: None,
            chain_depth: 0,
            chain_cause: None,
        }
    }

    #[test]
    fn retries_count_what_failed_and_not_what_was_lost() {
        let once = spec(Some(Retries::count(1)));
        let next = |attempt, lost| once.next_attempt(Outcome::Failed, None, attempt, lost, 0.0);
        assert_eq!(next(1, 0), Some(Duration::from_secs(10)));
        assert_eq!(next(2, 0), None);
        assert_eq!(next(2, 1), Some(Duration::from_secs(10)));
        assert_eq!(once.next_attempt(Outcome::Failed, Some("ResultError"), 1, 0, 0.0), None);
        assert_eq!(once.next_attempt(Outcome::Cancelled, None, 1, 0, 0.0), None);
        assert_eq!(spec(None).next_attempt(Outcome::Failed, None, 1, 0, 0.0), None);
    }

    #[test]
    fn every_word_has_its_status_and_cause() {
        for status in STATUSES {
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
        for cause in CAUSES {
            assert_eq!(Cause::parse(cause.as_str()), Some(cause));
        }
        assert_eq!(Status::parse("done"), None);
        assert_eq!(STATUSES.into_iter().filter(|status| !status.is_final()).count(), 3);
    }

    #[test]
    fn ids_are_in_the_order_of_time() {
        let at = crate::clock::from_micros(1_700_000_000_123_456);
        let (one, other) = (new_id(at), new_id(at + chrono::TimeDelta::microseconds(1)));
        assert!(one < other, "{one} {other}");
        assert!(first_id_of(at) < one);
        assert!(first_id_of(at + chrono::TimeDelta::milliseconds(1)) > other);
        let earlier = new_id(at - chrono::TimeDelta::hours(1));
        assert!(earlier < one, "a clock set back is believed");
        let version = uuid::Uuid::parse_str(&one).expect("a UUID").get_version_num();
        assert_eq!(version, 7);
        let many: std::collections::BTreeSet<_> = (0..1000).map(|_| new_id(at)).collect();
        assert_eq!(many.len(), 1000);
    }

    #[test]
    fn a_spec_reads_back() {
        let made = spec(Some(Retries::count(3)));
        let text = serde_json::to_string(&made).expect("writes");
        assert_eq!(serde_json::from_str::<Spec>(&text).expect("reads"), made);
    }
}
