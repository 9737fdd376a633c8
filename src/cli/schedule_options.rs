//! What a schedule starts, and how, as it is typed.

use super::client::Refusal;
use crate::exact::Exact;
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};

/// What a schedule starts, and how.
#[derive(Debug, Args)]
pub(super) struct ScheduleOptions {
    /// The zone of a trigger that names none [default: the script's, else the server's]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// A title for people
    #[arg(long)]
    title: Option<String>,
    /// Arguments for the entry: a JSON object (by name) or array (by position)
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    args: Option<String>,
    /// A word of sys.argv for a script that runs from top to bottom; repeatable
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    argv: Vec<String>,
    /// Function to call, or module:function
    #[arg(long, value_name = "NAME")]
    entry: Option<String>,
    /// A version of the script instead of the one in force
    #[arg(long, value_name = "N")]
    script_version: Option<i64>,
    /// A label of its runs: key=value; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// How late a run may start: 60, 5m, any
    #[arg(long, value_name = "TIME")]
    misfire_grace_time: Option<String>,
    /// Which of several fire times that came due together is started: latest, earliest, all
    #[arg(long, value_name = "WHICH")]
    coalesce: Option<String>,
    /// How many of its runs may run at once
    #[arg(long, value_name = "N")]
    max_instances: Option<u32>,
    /// What happens to a fire time while so many do: skip, queue_one, queue_all, cancel_running, allow
    #[arg(long, value_name = "POLICY")]
    overlap: Option<String>,
    /// How often a run that failed is tried again
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// After how many failures in a row it is paused
    #[arg(long, value_name = "N")]
    pause_on_failure: Option<u32>,
}

/// What is asked for: the arguments as they were written, and everything else.
#[derive(Debug, Serialize)]
pub(super) struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) args: Option<Exact>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// A trigger as it was typed: JSON when it looks so.
pub(super) fn typed(trigger: &str) -> Value {
    match serde_json::from_str::<Value>(trigger) {
        Ok(value @ Value::Object(_)) => value,
        _ => Value::from(trigger),
    }
}

impl ScheduleOptions {
    /// What is asked for; the arguments as they were typed, with white space between their parts gone.
    pub(super) fn fields(&self) -> Result<Fields, Refusal> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(name.into(), value);
            }
        };
        let text = |text: &Option<String>| text.clone().map(Value::from);
        set("timezone", text(&self.timezone));
        set("title", text(&self.title));
        set("argv", (!self.argv.is_empty()).then(|| self.argv.clone().into()));
        set("entry", text(&self.entry));
        set("misfire_grace_time", text(&self.misfire_grace_time));
        set("coalesce", text(&self.coalesce));
        set("overlap", text(&self.overlap));
        set("version", self.script_version.map(Value::from));
        set("max_instances", self.max_instances.map(Value::from));
        set("retries", self.retries.map(Value::from));
        set("pause_on_failure", self.pause_on_failure.map(Value::from));
        if !self.label.is_empty() {
            let pair = |label: &String| match label.split_once('=') {
                Some((key, value)) => Ok((key.to_owned(), Value::from(value))),
                None => Err(Refusal::usage(format!("--label {label}: write key=value"))),
            };
            let labels: Map<String, Value> = self.label.iter().map(pair).collect::<Result<_, _>>()?;
            set("labels", Some(labels.into()));
        }
        let args = self.args.as_deref().map(Exact::parse).transpose();
        let args = args.map_err(|error| Refusal::usage(format!("--args: {error}")))?;
        Ok(Fields { args, rest: fields })
    }
}
