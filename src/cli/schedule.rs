//! `cronbox schedule`: a schedule on a server.

use super::client::{Refusal, Server, ServerArgs, part, say, talk};
use super::export;
use super::import;
use super::preview::preview;
use super::schedule_options::{ScheduleOptions, typed};
use super::show_run::show as show_run;
use super::show_schedule::{fires, show};
use super::table::{Cell, Table, column};
use super::times::Times;
use super::{Exit, complain};
use crate::api::{BackfillBody, PreviewBody, RunBody, ScheduleBody};
use crate::quantity;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

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
        options: Box<ScheduleOptions>,
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
        options: Box<ScheduleOptions>,
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
        /// The zone of a crontab's lines without CRON_TZ [default: this machine's, as for cron]
        #[arg(long, value_name = "ZONE", requires = "crontab")]
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
            Verb::Backfill { .. } => return self.backfill(&server).await,
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

    /// Runs for fire times in the past.
    async fn backfill(&self, server: &Server) -> Result<Exit, Refusal> {
        let Verb::Backfill { id, from, until, all, concurrency, dry_run } = &self.verb else {
            return Ok(Exit::Usage);
        };
        let which = if *all { "all" } else { "missing" };
        let from = typed_time("--from", from)?;
        let until = until.as_deref().map(|until| typed_time("--until", until)).transpose()?;
        let mut body = json!({"from": from, "until": until, "which": which});
        if let Some(concurrency) = concurrency {
            body["concurrency"] = (*concurrency).into();
        }
        let path = format!("/v1/schedules/{}/backfill?dry_run={dry_run}", part(id));
        let (text, made): (_, BackfillBody) = server.ask(server.request(Method::POST, &path).json(&body)).await?;
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
