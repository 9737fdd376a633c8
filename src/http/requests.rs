//! What clients send as JSON or as a form, field by field, as the description tells it.

use crate::exact::Exact;
use crate::hosts::WrittenHosts;
use crate::limits::WrittenLimits;
use crate::quantity::Quantity;
use crate::script::Labels;
use crate::stdin::Stdin;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The settings of a script, as they are sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SettingsRequest {
    /// For people.
    title: Option<String>,
    /// `function`, or `module:function`.
    entry: Option<String>,
    /// `json`, `text` or `none`.
    result: Option<String>,
    /// An IANA zone.
    timezone: Option<String>,
    /// Words to find the script and its runs by.
    labels: Option<BTreeMap<String, String>>,
    /// Whether a run is refused whose arguments do not fit the entry's parameters.
    validate_args: Option<bool>,
    /// `fuel`, `memory`, `timeout`, `output`: numbers, or texts with units.
    limits: Option<LimitsRequest>,
    /// The environment.
    env: Option<BTreeMap<String, String>>,
    /// Hosts the script wants to reach.
    allow: Option<Vec<String>>,
    /// Secrets the script wants, by name; one that names none gets those that are set for it.
    secrets: Option<Vec<String>>,
    /// How many of its runs may run at once.
    #[schema(minimum = 1)]
    concurrency: Option<u32>,
    /// How often a run that failed is tried again: a number, or `{count, delay, backoff, max_delay}`.
    retries: Option<Value>,
    /// After which outcomes it is.
    retry_on: Option<Vec<String>>,
    /// `retry` or `abandon`.
    on_lost: Option<String>,
    /// How much of its history is kept.
    keep: Option<KeepRequest>,
    /// The address of a monitor, such as `https://hc-ping.com/…`: called after each run that succeeded, with `/start` behind it
    /// when one begins, and with `/fail` when one ended otherwise. Answers show its host only.
    heartbeat: Option<String>,
}

/// How much of a script's history is kept; what says nothing is as the server has it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeepRequest {
    /// Runs younger than this: `"90d"`, or seconds.
    age: Option<Value>,
    /// So many of the newest runs.
    #[schema(minimum = 1)]
    count: Option<u64>,
    /// The newest runs whose arguments, results and output have so many bytes together: `"1GiB"`, or bytes.
    bytes: Option<Value>,
    /// The output of runs younger than this: `"7d"`, or seconds.
    output: Option<Value>,
}

/// Limits that are asked for: numbers, or texts with units.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LimitsRequest {
    /// `2e9`
    fuel: Option<Value>,
    /// `"256MiB"`, or bytes.
    memory: Option<Value>,
    /// `"30s"`, or seconds.
    timeout: Option<Value>,
    /// `"1MiB"`, or bytes; of each stream.
    output: Option<Value>,
}

/// A script as JSON.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScriptRequest {
    /// Its name, when the address has none.
    name: Option<String>,
    /// Python.
    source: Option<String>,
    /// Several files, by path; a run begins in `main.py`, or in the one that is named as the script.
    files: Option<BTreeMap<String, String>>,
    /// The path of another file where a run begins.
    main: Option<String>,
    /// Where it is read from: `s3://bucket/key`, `file:///path`.
    from: Option<String>,
    #[serde(flatten)]
    settings: SettingsRequest,
}

/// A script as a form.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScriptForm {
    /// Files, or one archive.
    #[schema(value_type = Vec<String>, format = Binary)]
    file: Vec<u8>,
    /// Python, instead of a file.
    source: Option<String>,
    /// Its name, when the address has none.
    name: Option<String>,
    /// Where it is read from: `s3://bucket/key`, `file:///path`.
    from: Option<String>,
    /// Settings, as JSON in one field; each can also be a field of its own.
    settings: Option<String>,
    #[serde(flatten)]
    own_settings: SettingsRequest,
}

/// A run of a saved script.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct RunRequest {
    /// By name (an object) or by position (an array).
    #[schema(value_type = Option<Value>)]
    pub(super) args: Option<Exact>,
    /// `sys.argv[1:]`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub(super) argv: Vec<String>,
    /// Another version than the one in force.
    pub(super) version: Option<i64>,
    /// What to call instead.
    pub(super) entry: Option<String>,
    /// Limits that are asked for.
    #[schema(value_type = Option<LimitsRequest>)]
    pub(super) limits: Option<WrittenLimits>,
    /// Runs of a higher one start first; above 0 it needs the scope grant.
    #[schema(minimum = -100, maximum = 100)]
    pub(super) priority: Option<i64>,
    /// Not before this time (RFC 3339).
    pub(super) run_at: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub(super) labels: Labels,
    /// Which arguments were given as text on a command line.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub(super) text_args: Vec<String>,
    /// Standard input: a text, or `{"base64": …}`, or `{"file": "data.csv"}` of the bundle; at most 1 MiB.
    #[schema(value_type = Option<Value>)]
    pub(super) stdin: Option<Stdin>,
}

/// A run of source in the request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SourceRequest {
    /// Python.
    source: String,
    /// A name for it.
    name: Option<String>,
    /// By name (an object) or by position (an array).
    args: Option<Value>,
    /// `sys.argv[1:]`.
    argv: Option<Vec<String>>,
    /// What to call.
    entry: Option<String>,
    /// Limits that are asked for.
    limits: Option<LimitsRequest>,
    /// Runs of a higher one start first; above 0 it needs the scope grant.
    #[schema(minimum = -100, maximum = 100)]
    priority: Option<i64>,
    /// Not before this time (RFC 3339).
    run_at: Option<String>,
    /// Words to find it by.
    labels: Option<BTreeMap<String, String>>,
    /// `json`, `text` or `none`.
    result: Option<String>,
    /// The environment.
    env: Option<BTreeMap<String, String>>,
    /// An IANA zone.
    timezone: Option<String>,
    /// For people.
    title: Option<String>,
    /// Hosts that it wants to reach.
    allow: Option<Vec<String>>,
    /// Secrets that it wants, by name.
    secrets: Option<Vec<String>>,
    /// How often a run that failed is tried again: a number, or `{count, delay, backoff, max_delay}`.
    retries: Option<Value>,
    /// After which outcomes it is.
    retry_on: Option<Vec<String>>,
    /// `retry` or `abandon`.
    on_lost: Option<String>,
    /// How much of the history is kept.
    keep: Option<KeepRequest>,
    /// Which arguments were given as text on a command line.
    text_args: Option<Vec<String>>,
    /// Standard input: a text, or `{"base64": …}`; at most 1 MiB.
    stdin: Option<Value>,
}

/// Which version to put in force.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct RollbackRequest {
    /// Its number.
    pub(super) version: Option<i64>,
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct TokenRequest {
    /// For people.
    #[serde(default)]
    #[schema(required = true)]
    pub(super) name: String,
    /// What it allows.
    #[serde(default)]
    #[schema(required = true, value_type = Vec<crate::access::Scope>)]
    pub(super) scopes: Vec<String>,
    /// Only these scripts.
    pub(super) scripts: Option<Vec<String>>,
    /// Only scripts with one of these labels: `key=value`.
    pub(super) labels: Option<Vec<String>>,
    /// When it ends: `"90d"`.
    #[schema(value_type = Option<Value>)]
    pub(super) expires_in: Option<Quantity>,
}

/// What to grant.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct GrantRequest {
    /// Limits above the defaults.
    #[schema(value_type = Option<LimitsRequest>)]
    pub(super) limits: Option<WrittenLimits>,
    /// Hosts that the script may reach when it asks for them: `api.example.com`, `*.example.org:443`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub(super) hosts: Vec<String>,
    /// The same for hosts whose certificate need not prove their name.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub(super) unverified: Vec<String>,
    /// Secrets that are set for a label of the script's.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub(super) secrets: Vec<String>,
}

/// A secret, and what it may be used for.
#[derive(Deserialize, ToSchema)]
pub(super) struct SecretRequest {
    /// 8 to 4,096 bytes.
    #[schema(min_length = 8, max_length = 4096, write_only, required = true, value_type = String)]
    pub(super) value: Option<String>,
    /// The hosts that may get it: `api.example.com`, `*.example.org:443`.
    #[serde(default)]
    #[schema(min_items = 1, required = true, value_type = Vec<String>)]
    pub(super) hosts: WrittenHosts,
    /// The scripts that it is set for; this or `labels`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub(super) scripts: Vec<String>,
    /// The scripts that it is set for, by label: `team=data`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub(super) labels: Vec<String>,
    /// Where in a request it may be placed beside the headers: `query`, `body`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub(super) r#in: Vec<String>,
    /// The methods of requests that it may be placed in; nothing: any.
    pub(super) methods: Option<Vec<String>>,
    /// The path of requests that it may be placed in, and what is below it; nothing: any.
    pub(super) path_prefix: Option<String>,
    /// Whether the script itself gets the value, for protocols other than HTTP.
    pub(super) in_clear: Option<bool>,
}

/// A schedule, as it is asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScheduleRequest {
    /// Its name; one is made up when there is none.
    id: Option<String>,
    /// The script it starts.
    script: Option<String>,
    /// When it fires: text (`0 9 * * 1-5 @ Asia/Shanghai`, `every 2m`), or JSON with a `type`. Nothing: once, now.
    trigger: Option<Value>,
    /// The zone of a trigger that names none.
    timezone: Option<String>,
    /// Whether it does not fire yet.
    paused: Option<bool>,
    /// For people.
    title: Option<String>,
    /// The script's version; nothing: the one in force at each fire time.
    version: Option<i64>,
    /// What to call instead of what the script says.
    entry: Option<String>,
    /// By name (an object) or by position (an array).
    args: Option<Value>,
    /// `sys.argv[1:]`.
    argv: Option<Vec<String>>,
    /// Words to find its runs by.
    labels: Option<BTreeMap<String, String>>,
    /// Limits that are asked for.
    limits: Option<LimitsRequest>,
    /// Runs of a higher one start first; above 0 it needs the scope grant.
    #[schema(minimum = -100, maximum = 100)]
    priority: Option<i64>,
    /// How often a run that failed is tried again: a number, or `{count, delay, backoff, max_delay}`.
    retries: Option<Value>,
    /// After which outcomes it is.
    retry_on: Option<Vec<String>>,
    /// `retry` or `abandon`.
    on_lost: Option<String>,
    /// How late a run may start: `60`, `"5m"`, or `"any"`.
    misfire_grace_time: Option<Value>,
    /// `latest` (true), `earliest` or `all` (false).
    coalesce: Option<Value>,
    /// How many of its runs may run at once.
    #[schema(minimum = 1)]
    max_instances: Option<u32>,
    /// `skip`, `queue_one`, `queue_all`, `cancel_running` or `allow`.
    overlap: Option<String>,
    /// true, false, or after how many failures in a row it is paused.
    pause_on_failure: Option<Value>,
    /// How many fire times get a row of their own after an outage.
    #[schema(minimum = 1)]
    catchup_limit: Option<u32>,
}

/// From when a schedule fires again.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ResumeRequest {
    /// A time in the past; nothing: now.
    pub(super) from: Option<String>,
}

/// What a schedule's script is started with.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct TriggerNowRequest {
    /// Instead of the schedule's own.
    #[schema(value_type = Option<Value>)]
    pub(super) args: Option<Exact>,
}

/// Which fire times of the past are run for.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct BackfillRequest {
    /// The first instant: RFC 3339, or 7d for so long ago.
    #[schema(required = true, value_type = String)]
    pub(super) from: Option<String>,
    /// The last instant; now by default.
    pub(super) until: Option<String>,
    /// `missing` or `all`.
    pub(super) which: Option<String>,
    /// How many run at once; 1 by default.
    pub(super) concurrency: Option<u32>,
    /// -10 by default; above 0 it needs the scope grant.
    pub(super) priority: Option<i64>,
}

/// A trigger to look at.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct PreviewRequest {
    /// Text or JSON.
    #[schema(required = true, value_type = Value)]
    pub(super) trigger: Option<Value>,
    /// The zone, when it names none.
    pub(super) timezone: Option<String>,
    /// Strictly after this time; now by default.
    pub(super) from: Option<String>,
    /// How many; 10 by default.
    pub(super) count: Option<usize>,
}
