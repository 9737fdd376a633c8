//! `cronbox schedules`, `schedule`: schedules on a server, and what a trigger means without one.

use super::client::{Refusal, Server, ServerArgs, all_pages, part, plain, say, talk};
use super::export;
use super::import;
use super::show_run::show as show_run;
use super::table::{Cell, Column, Table, column};
use super::times::Times;
use super::view::view;
use super::{Exit, complain};
use crate::api::{BackfillBody, FireBody, PreviewBody, RunBody, ScheduleBody};
use crate::clock::Clock;
use crate::exact::Exact;
use crate::quantity;
use crate::schedule::request;
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
struct ImportOptions {
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
        options: Box<ImportOptions>,
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
        options: Box<ImportOptions>,
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
        /// The first instant: 2026-01-31, "2026-01-31 09:00", yesterday, or 7d for so long ago
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
        /// Make a new version of a script that is there already under a file's name
        #[arg(long, requires = "crontab")]
        replace: bool,
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
        /// Strictly after this time: 2026-01-31, "2026-01-31 09:00", 2026-01-31T09:00:00Z [default: now]
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// How many fire times
        #[arg(long, default_value_t = 10)]
        count: usize,
        /// The zone of a trigger that names none [default: UTC]
        #[arg(long, value_name = "ZONE")]
        timezone: Option<String>,
        /// A directory of compiled time zones instead of the built-in release
        #[arg(long, value_name = "DIR", env = "CRONBOX_TZDATA", hide_env_values = true)]
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

impl ImportOptions {
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

/// The columns of `cronbox schedules`.
const COLUMNS: [Column; 6] = [
    column("ID").shrinks_to(10),
    column("SCRIPT").shrinks_to(10),
    column("STATE"),
    column("NEXT"),
    column("LAST RUN"),
    column("TRIGGER").shrinks_to(14),
];

fn row(schedule: &ScheduleBody) -> Vec<Cell> {
    let next = schedule.next_fire_at.clone().filter(|_| schedule.state == "active");
    vec![
        Cell::from(&*schedule.id),
        schedule.script.as_str().into(),
        Cell::status(&schedule.state),
        Cell::Time(next),
        schedule.last_run.as_ref().map_or_else(|| Cell::from("-"), |run| Cell::status(&run.status)),
        plain(&schedule.text, 200).into(),
    ]
}

/// One line: what, and what of it.
fn line(name: &str, text: &str) -> Result<(), Refusal> {
    say(&format!("{name:<9} {text}"))
}

fn show(schedule: &ScheduleBody) -> Result<(), Refusal> {
    let times = Times::here();
    let reason = schedule.reason.as_ref().map(|reason| format!(" ({})", plain(reason, 200))).unwrap_or_default();
    let state = view().status(&schedule.state);
    say(&format!("{} starts {} · {state}{reason}", schedule.id, schedule.script))?;
    line("trigger", &plain(&schedule.text, 500))?;
    for note in &schedule.notes {
        line("note", &plain(note, 500))?;
    }
    if let Some(next) = &schedule.next_fire_at {
        line("next", &times.full(next))?;
    }
    if let Some(last) = &schedule.last_run {
        let due = last.fire_time.as_ref().map(|due| format!(" · due {}", times.full(due))).unwrap_or_default();
        line("last run", &format!("{} {}{due}", view().status(&last.status), last.id))?;
    }
    let grace = schedule.misfire_grace_time.map_or_else(|| "any".to_owned(), |grace| format!("{grace} s"));
    line(
        "policies",
        &format!(
            "misfire_grace_time {grace}, coalesce {}, max_instances {}, overlap {}",
            schedule.coalesce, schedule.max_instances, schedule.overlap
        ),
    )?;
    for refused in &schedule.not_granted {
        line("limit", &format!("{} {} is not granted ({})", refused.what, refused.asked, refused.in_force))?;
    }
    Ok(())
}

/// Fire times: as instants, and as clocks in the trigger's zone show them.
fn fires(fires: &[FireBody], zone: &str) -> Result<(), Refusal> {
    let row = |fire: &FireBody| {
        let utc = fire.at.replace('T', " ");
        let (local, note) = (fire.local.replace('T', " "), fire.note.clone().unwrap_or_default());
        vec![Cell::from(local), utc.trim_end_matches('Z').into(), note.into()]
    };
    let (local, spare) = (column("LOCAL"), column("NOTE").shrinks_to(12));
    let mut table = Table::of(&[local, column("UTC"), spare], fires, row);
    if !matches!(zone, "UTC" | "Etc/UTC") {
        table.rename(0, zone);
    }
    table.print()
}

/// All schedules that pass.
pub(super) async fn all_of(server: &Server, filter: &[(&str, String)]) -> Result<Vec<ScheduleBody>, Refusal> {
    all_pages(server, "/v1/schedules", filter).await
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
            Table::of(&COLUMNS, &all, row).print()?;
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
            Verb::Add { script, trigger, id, replace, paused, options } => {
                let mut fields = options.fields()?;
                fields.rest.insert("script".into(), script.clone().into());
                fields.rest.extend(trigger.as_deref().map(|trigger| ("trigger".to_owned(), typed(trigger))));
                fields.rest.extend(id.clone().map(|id| ("id".to_owned(), Value::from(id))));
                if *paused {
                    fields.rest.insert("paused".into(), true.into());
                }
                let query = [("replace_existing", replace.to_string())];
                server.request(Method::POST, "/v1/schedules").query(&query).json(&fields)
            }
            Verb::Edit { id, trigger, options } => {
                let mut fields = options.fields()?;
                fields.rest.extend(trigger.as_deref().map(|trigger| ("trigger".to_owned(), typed(trigger))));
                if fields.rest.is_empty() && fields.args.is_none() {
                    return Err(Refusal::usage("there is nothing to change: name a flag"));
                }
                server.request(Method::PATCH, &at(id, "")).json(&fields)
            }
            Verb::Pause { id } => server.request(Method::POST, &at(id, "/pause")),
            Verb::Resume { id, from } => {
                let from = from.as_deref().map(|from| typed_time("--from", from)).transpose()?;
                server.request(Method::POST, &at(id, "/resume")).json(&json!({"from": from}))
            }
            Verb::Import { file, crontab: None, dry_run, .. } => {
                let file = file.clone().unwrap_or_else(|| "-".into());
                return export::import(&server, &file, *dry_run, self.json).await;
            }
            Verb::Import { crontab: Some(file), timezone, home, dry_run, replace, .. } => {
                let options = import::ImportOptions {
                    timezone: timezone.clone(),
                    home: home.clone(),
                    dry_run: *dry_run,
                    replace: *replace,
                };
                return import::crontab(&server, file, &options, self.json).await;
            }
            Verb::Export => return export::export(&server).await,
            Verb::Show { id, count } => return self.show(&server, id, *count).await,
            Verb::Trigger { id, wait } => {
                let query = if *wait { "?wait=300s" } else { "" };
                let (text, run): (_, RunBody) =
                    server.ask(server.request(Method::POST, &at(id, &format!("/trigger{query}")))).await?;
                if self.json {
                    say(&text)?;
                } else {
                    show_run(&run, &text)?;
                }
                return Ok(if *wait { Exit::of_run(run.status()) } else { Exit::Succeeded });
            }
            Verb::Backfill { id, from, until, all, concurrency, dry_run } => {
                let which = if *all { "all" } else { "missing" };
                let from = typed_time("--from", from)?;
                let until = until.as_deref().map(|until| typed_time("--until", until)).transpose()?;
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
                let runs = quantity::count(count, "run");
                say(&format!("{runs} {would}; {left} fire times have a run that succeeded or still may"))?;
                let mut table = Table::new(&[column("FIRE TIME")]);
                made.fire_times.iter().for_each(|time| table.row(vec![Cell::time(time)]));
                table.print()?;
                return Ok(Exit::Succeeded);
            }
            Verb::Rm { id } => {
                return self.remove(&server, id).await;
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
            fires(&preview.fires, &preview.timezone)?;
        }
        Ok(Exit::Succeeded)
    }

    /// Deletes a schedule; says where it comes from, when that makes it again.
    async fn remove(&self, server: &Server, id: &str) -> Result<Exit, Refusal> {
        let path = format!("/v1/schedules/{}", part(id));
        // A token that may not look at it may delete it all the same.
        let known = server.attempt(server.request(Method::GET, &path)).await?.ok();
        let schedule: Option<ScheduleBody> = match known {
            Some(response) => response.json().await.ok(),
            None => None,
        };
        server.send(server.request(Method::DELETE, &path)).await?;
        if self.json {
            say(&json!({"deleted": id}).to_string())?;
            return Ok(Exit::Succeeded);
        }
        say(&format!("{id} is deleted; its runs stay"))?;
        if let Some(schedule) = schedule.filter(|schedule| schedule.origin == "metadata") {
            complain(&format!(
                "note: it comes from the block of the script {}: the next push makes it again, unless it is removed there",
                schedule.script
            ));
        }
        Ok(Exit::Succeeded)
    }
}

/// A time as it was typed, for the server.
fn typed_time(flag: &str, text: &str) -> Result<String, Refusal> {
    Times::here().typed(text).map_err(|why| Refusal::usage(format!("{flag}: {why}")))
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
        Some(text) => Times::here().instant(text).map_err(|why| Refusal::usage(format!("--from: {why}")))?,
    };
    let usage = |error: request::BadSchedule| Refusal::usage(error.to_string());
    let trigger = request::read_trigger(&typed(trigger), timezone.unwrap_or("UTC"), from).map_err(usage)?;
    let wrong = |error| usage(request::BadSchedule::trigger(&error));
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
    fires(&found, trigger.zone().name())?;
    Ok(Exit::Succeeded)
}
