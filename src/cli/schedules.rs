//! `cronbox schedules`, `schedule`: schedules on a server, and what a trigger means without one.

use super::Exit;
use super::client::{Refusal, Server, ServerArgs, part, plain, say, table, talk};
use super::import;
use super::runs::{exit_of, show as show_run};
use crate::api::{BackfillBody, FireBody, Page, PreviewBody, RunBody, ScheduleBody};
use crate::clock::Clock;
use crate::exact::Exact;
use crate::timetable;
use crate::trigger::MAX_PREVIEW;
use crate::zone;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// What `cronbox schedules` takes.
#[derive(Debug, Args)]
pub(super) struct SchedulesArgs {
    /// Of this script; repeatable
    #[arg(long)]
    script: Vec<String>,
    /// In this state: active, paused, finished
    #[arg(long)]
    state: Option<String>,
    /// What fires until then, sorted by time: 24h or 7d from now, or a time such as 2026-01-31T09:00:00Z
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What `cronbox schedule` takes.
#[derive(Debug, Args)]
pub(super) struct ScheduleArgs {
    #[command(subcommand)]
    verb: Verb,
    /// Print one JSON document
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What a schedule starts, and how.
#[derive(Debug, Args)]
struct Wishes {
    /// The zone of a trigger that names none [default: the script's, else the server's]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// A title for people
    #[arg(long)]
    title: Option<String>,
    /// Arguments for the entry: a JSON object (by name) or array (by position)
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    args: Option<String>,
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

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a schedule: cronbox schedule add price "0 9 * * 1-5 @ Asia/Shanghai"
    Add {
        /// The script it starts
        script: String,
        /// When: 0 9 * * 1-5, every 2m, at 2026-12-24T18:00, or JSON; nothing: once, now
        trigger: Option<String>,
        /// Its name [default: one is made up]
        #[arg(long)]
        id: Option<String>,
        /// Change the schedule of that name when there is one
        #[arg(long)]
        replace: bool,
        /// Do not fire yet
        #[arg(long)]
        paused: bool,
        #[command(flatten)]
        wishes: Box<Wishes>,
    },
    /// Show a schedule and its next fire times
    Show {
        /// The schedule
        id: String,
        /// How many fire times
        #[arg(long, default_value_t = 10)]
        count: usize,
    },
    /// Change parts of a schedule
    Edit {
        /// The schedule
        id: String,
        /// Another trigger
        #[arg(long)]
        trigger: Option<String>,
        #[command(flatten)]
        wishes: Box<Wishes>,
    },
    /// Stop a schedule from firing
    Pause {
        /// The schedule
        id: String,
    },
    /// Let a schedule fire again
    Resume {
        /// The schedule
        id: String,
        /// From this time in the past, under its misfire policy [default: now]
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
    },
    /// Start a schedule's script now
    Trigger {
        /// The schedule
        id: String,
        /// Wait for the end
        #[arg(long)]
        wait: bool,
    },
    /// Run for fire times in the past
    Backfill {
        /// The schedule
        id: String,
        /// The first instant: RFC 3339, or 7d for so long ago
        #[arg(long, value_name = "TIME")]
        from: String,
        /// The last instant [default: now]
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// Also fire times that have a run which succeeded
        #[arg(long)]
        all: bool,
        /// How many run at once
        #[arg(long, value_name = "N")]
        concurrency: Option<u32>,
        /// Only say which fire times that would be
        #[arg(long)]
        dry_run: bool,
    },
    /// Take over schedules: from a crontab, or from what export wrote
    Import {
        /// What export wrote; - reads standard input
        #[arg(required_unless_present = "crontab", conflicts_with = "crontab")]
        file: Option<PathBuf>,
        /// A crontab: its lines that run a Python file push it and become schedules
        #[arg(long, value_name = "FILE")]
        crontab: Option<PathBuf>,
        /// The zone of lines that name none [default: the script's, else the server's]
        #[arg(long, value_name = "ZONE")]
        timezone: Option<String>,
        /// Where the crontab's commands begin [default: this user's home]
        #[arg(long, value_name = "DIR")]
        home: Option<PathBuf>,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Print all schedules as one JSON document, for import
    Export,
    /// Delete a schedule; its runs stay
    Rm {
        /// The schedule
        id: String,
    },
    /// Say when a trigger fires; needs no server
    Preview {
        /// The trigger, as text or JSON
        trigger: String,
        /// Strictly after this time (RFC 3339) [default: now]
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// How many fire times
        #[arg(long, default_value_t = 10)]
        count: usize,
        /// The zone of a trigger that names none [default: UTC]
        #[arg(long, value_name = "ZONE")]
        timezone: Option<String>,
        /// A directory of compiled time zones instead of the built-in release
        #[arg(long, value_name = "DIR", env = "CRONBOX_TZDATA", hide_env = true)]
        tzdata: Option<PathBuf>,
    },
}

/// A trigger as it was typed: JSON when it looks so.
fn typed(trigger: &str) -> Value {
    match serde_json::from_str::<Value>(trigger) {
        Ok(value @ Value::Object(_)) => value,
        _ => Value::from(trigger),
    }
}

/// What is asked for: the arguments as they were written, and everything else.
#[derive(Debug, Serialize)]
pub(super) struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) args: Option<Exact>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

impl Wishes {
    /// What is asked for; the arguments as they were typed, with white space between their parts gone.
    fn fields(&self) -> Result<Fields, Refusal> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(name.into(), value);
            }
        };
        let text = |text: &Option<String>| text.clone().map(Value::from);
        set("timezone", text(&self.timezone));
        set("title", text(&self.title));
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

fn row(schedule: &ScheduleBody) -> Vec<String> {
    let last = schedule.last_run.as_ref().map_or_else(|| "-".to_owned(), |run| run.status.clone());
    let next = schedule.next_fire_local.as_deref().filter(|_| schedule.state == "active");
    vec![
        schedule.id.clone(),
        schedule.script.clone(),
        schedule.state.clone(),
        next.map_or_else(|| "-".into(), |next| next.replace('T', " ")),
        last,
        plain(&schedule.text, 70),
    ]
}

fn show(schedule: &ScheduleBody) -> Result<(), Refusal> {
    let reason = schedule.reason.as_ref().map(|reason| format!(" ({})", plain(reason, 200))).unwrap_or_default();
    say(&format!("{} starts {} · {}{reason}", schedule.id, schedule.script, schedule.state))?;
    say(&format!("trigger   {}", plain(&schedule.text, 500)))?;
    for note in &schedule.notes {
        say(&format!("note      {}", plain(note, 500)))?;
    }
    if let Some(next) = &schedule.next_fire_local {
        say(&format!("next      {}", next.replace('T', " ")))?;
    }
    if let Some(last) = &schedule.last_run {
        say(&format!("last run  {} {}", last.status, last.id))?;
    }
    let grace = schedule.misfire_grace_time.map_or_else(|| "any".to_owned(), |grace| format!("{grace} s"));
    say(&format!(
        "policies  misfire_grace_time {grace}, coalesce {}, max_instances {}, overlap {}",
        schedule.coalesce, schedule.max_instances, schedule.overlap
    ))
}

fn fires(fires: &[FireBody]) -> Result<(), Refusal> {
    let row = |fire: &FireBody| vec![fire.at.clone(), fire.local.clone(), fire.note.clone().unwrap_or_default()];
    table(&["UTC", "LOCAL", "NOTE"], &fires.iter().map(row).collect::<Vec<_>>())
}

/// All schedules that pass.
pub(super) async fn all_of(server: &Server, filter: &[(&str, String)]) -> Result<Vec<ScheduleBody>, Refusal> {
    let mut all: Vec<ScheduleBody> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = vec![("limit", "1000".to_owned())];
        query.extend(filter.iter().cloned());
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let (_, page): (_, Page<ScheduleBody>) =
            server.ask(server.request(Method::GET, "/v1/schedules").query(&query)).await?;
        all.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

impl SchedulesArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || {
            let server = Server::new(&self.server)?;
            let mut filter: Vec<(&str, String)> = self.script.iter().map(|script| ("script", script.clone())).collect();
            filter.extend(self.state.clone().map(|state| ("state", state)));
            filter.extend(self.until.clone().map(|until| ("until", until)));
            let all = all_of(&server, &filter).await?;
            if self.json {
                let items = serde_json::to_string(&all).map_err(Refusal::unavailable)?;
                say(&format!("{{\"items\":{items}}}"))?;
                return Ok(Exit::Succeeded);
            }
            let head = ["ID", "SCRIPT", "STATE", "NEXT", "LAST RUN", "TRIGGER"];
            table(&head, &all.iter().map(row).collect::<Vec<_>>())?;
            Ok(Exit::Succeeded)
        })
    }
}

impl ScheduleArgs {
    pub(super) fn execute(self) -> Exit {
        if let Verb::Preview { trigger, from, count, timezone, tzdata } = &self.verb {
            let done = preview(trigger, from.as_deref(), *count, timezone.as_deref(), tzdata.clone(), self.json);
            return talk(async || done);
        }
        talk(async || self.act().await)
    }

    async fn act(&self) -> Result<Exit, Refusal> {
        let server = Server::new(&self.server)?;
        let at = |id: &str, verb: &str| format!("/v1/schedules/{}{verb}", part(id));
        let request = match &self.verb {
            Verb::Add { script, trigger, id, replace, paused, wishes } => {
                let mut fields = wishes.fields()?;
                fields.rest.insert("script".into(), script.clone().into());
                fields.rest.extend(trigger.as_deref().map(|trigger| ("trigger".to_owned(), typed(trigger))));
                fields.rest.extend(id.clone().map(|id| ("id".to_owned(), Value::from(id))));
                if *paused {
                    fields.rest.insert("paused".into(), true.into());
                }
                let query = [("replace_existing", replace.to_string())];
                server.request(Method::POST, "/v1/schedules").query(&query).json(&fields)
            }
            Verb::Edit { id, trigger, wishes } => {
                let mut fields = wishes.fields()?;
                fields.rest.extend(trigger.as_deref().map(|trigger| ("trigger".to_owned(), typed(trigger))));
                if fields.rest.is_empty() && fields.args.is_none() {
                    return Err(Refusal::usage("there is nothing to change: name a flag"));
                }
                server.request(Method::PATCH, &at(id, "")).json(&fields)
            }
            Verb::Pause { id } => server.request(Method::POST, &at(id, "/pause")),
            Verb::Resume { id, from } => server.request(Method::POST, &at(id, "/resume")).json(&json!({"from": from})),
            Verb::Import { file, crontab: None, dry_run, .. } => {
                let file = file.clone().unwrap_or_else(|| "-".into());
                return import::document(&server, &file, *dry_run, self.json).await;
            }
            Verb::Import { crontab: Some(file), timezone, home, dry_run, .. } => {
                return import::crontab(&server, file, timezone.as_deref(), home.clone(), *dry_run, self.json).await;
            }
            Verb::Export => return import::export(&server).await,
            Verb::Show { id, count } => return self.show(&server, id, *count).await,
            Verb::Trigger { id, wait } => {
                let query = if *wait { "?wait=300s" } else { "" };
                let (text, run): (_, RunBody) =
                    server.ask(server.request(Method::POST, &at(id, &format!("/trigger{query}")))).await?;
                if self.json {
                    say(&text)?;
                } else {
                    show_run(&run)?;
                }
                return Ok(if *wait { exit_of(run.status()) } else { Exit::Succeeded });
            }
            Verb::Backfill { id, from, until, all, concurrency, dry_run } => {
                let which = if *all { "all" } else { "missing" };
                let mut body = json!({"from": from, "until": until, "which": which});
                if let Some(concurrency) = concurrency {
                    body["concurrency"] = (*concurrency).into();
                }
                let path = at(id, &format!("/backfill?dry_run={dry_run}"));
                let (text, made): (_, BackfillBody) =
                    server.ask(server.request(Method::POST, &path).json(&body)).await?;
                if self.json {
                    say(&text)?;
                    return Ok(Exit::Succeeded);
                }
                let would = if *dry_run { "would be made" } else { "were made" };
                let (count, left) = (made.fire_times.len(), made.left_out);
                say(&format!("{count} runs {would}; {left} fire times have a run that succeeded or still may"))?;
                made.fire_times.iter().try_for_each(|time| say(time))?;
                return Ok(Exit::Succeeded);
            }
            Verb::Rm { id } => {
                server.send(server.request(Method::DELETE, &at(id, ""))).await?;
                return Ok(Exit::Succeeded);
            }
            Verb::Preview { .. } => return Ok(Exit::Usage),
        };
        let (text, schedule): (_, ScheduleBody) = server.ask(request).await?;
        if self.json {
            say(&text)?
        } else {
            show(&schedule)?
        }
        Ok(Exit::Succeeded)
    }

    async fn show(&self, server: &Server, id: &str, count: usize) -> Result<Exit, Refusal> {
        let path = format!("/v1/schedules/{}", part(id));
        let (text, schedule): (_, ScheduleBody) = server.ask(server.request(Method::GET, &path)).await?;
        if self.json {
            say(&text)?;
            return Ok(Exit::Succeeded);
        }
        show(&schedule)?;
        if schedule.state == "active" {
            let path = format!("{path}/preview?count={count}");
            let (_, preview): (_, PreviewBody) = server.ask(server.request(Method::GET, &path)).await?;
            fires(&preview.fires)?;
        }
        Ok(Exit::Succeeded)
    }
}

fn preview(
    trigger: &str,
    from: Option<&str>,
    count: usize,
    timezone: Option<&str>,
    tzdata: Option<PathBuf>,
    as_json: bool,
) -> Result<Exit, Refusal> {
    if let Some(folder) = tzdata {
        let zones = zone::Zones::from_dir(&folder).map_err(|error| Refusal::usage(format!("--tzdata: {error}")))?;
        zone::install(zones);
    }
    if !(1..=MAX_PREVIEW).contains(&count) {
        return Err(Refusal::usage(format!("--count: between 1 and {MAX_PREVIEW}")));
    }
    let now = Clock::system().now();
    let from = match from {
        None => now,
        Some(text) => chrono::DateTime::parse_from_rfc3339(text)
            .map_err(|_| Refusal::usage(format!("--from: {text:?} is no time: write 2026-01-31T09:00:00Z")))?
            .to_utc(),
    };
    let usage = |error: timetable::BadSchedule| Refusal::usage(error.to_string());
    let trigger = timetable::read_trigger(&typed(trigger), timezone.unwrap_or("UTC"), from).map_err(usage)?;
    let wrong = |error| usage(timetable::BadSchedule::trigger(&error));
    trigger.validate(from.min(now)).map_err(wrong)?;
    let found: Vec<FireBody> = trigger.preview(from, count).map_err(wrong)?.iter().map(FireBody::from).collect();
    if as_json {
        say(&json!({"fires": found}).to_string())?;
        return Ok(Exit::Succeeded);
    }
    say(&trigger.to_string())?;
    for note in trigger.notes() {
        say(&format!("note: {note}"))?;
    }
    fires(&found)?;
    Ok(Exit::Succeeded)
}
