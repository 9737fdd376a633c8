//! `cronbox alert`: what is watched on a server, and who is told.

use super::Exit;
use super::client::{Refusal, Server, ServerArgs, all_pages, part, plain, say, talk};
use super::complain;
use super::table::{Cell, Column, Table, column};
use super::times::Times;
use super::view::view;
use crate::api::{AlertAboutBody, AlertBody, SchedulerBody};
use clap::{ArgGroup, Args, Subcommand};
use reqwest::Method;
use serde_json::json;

/// What `cronbox alert` takes.
#[derive(Debug, Args)]
#[command(after_help = "Conditions:
  failed, failed 3, failed timed_out     a run does not succeed; three in a row; with this outcome
  recovered                              the first success after a failure
  missed, skipped                        a fire time without a run
  late 5m, running 10m, queued 1m        a run that has not started, or not ended
  stale 26h                              no success for so long
  fuel 3x, memory 2x, duration 3x        against the median of the last 20 successes
  '/price > 100', '/price changed 5%'    a value of the result; also < = != outside 1..2, missing, outlier 5")]
pub(super) struct AlertArgs {
    /// None: the list.
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Print one JSON document
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What an alert is about.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("about").required(true))]
struct AboutArgs {
    /// A script
    #[arg(long, group = "about")]
    script: Option<String>,
    /// A schedule
    #[arg(long, group = "about")]
    schedule: Option<String>,
    /// The scripts with this label, key=value
    #[arg(long, group = "about")]
    label: Option<String>,
    /// Every script
    #[arg(long, group = "about")]
    everything: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make or change an alert: cronbox alert add price-up '/price > 100' --script price --notify ops
    Add {
        /// Its name
        id: String,
        /// The condition, such as failed, 'late 5m' or '/price > 100'
        condition: String,
        #[command(flatten)]
        about: AboutArgs,
        /// A channel that is told; repeatable
        #[arg(long, value_delimiter = ',')]
        notify: Vec<String>,
        /// After how long it says again that it fires, or never [default: 24h]
        #[arg(long, value_name = "TIME")]
        repeat: Option<String>,
        /// Do not say that it is over
        #[arg(long)]
        no_recovered: bool,
    },
    /// List alerts
    List {
        /// Only those about this script
        #[arg(long)]
        script: Option<String>,
        /// Only those about this schedule
        #[arg(long)]
        schedule: Option<String>,
        /// Only those about this label
        #[arg(long)]
        label: Option<String>,
        /// Only those that are ok, or that fire
        #[arg(long, value_parser = ["ok", "firing"])]
        state: Option<String>,
        /// Only those that tell this channel
        #[arg(long)]
        notify: Option<String>,
    },
    /// Show an alert
    Show {
        /// The alert
        id: String,
    },
    /// Let an alert say nothing for a time
    Mute {
        /// The alert
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All alerts: a maintenance window
        #[arg(long)]
        all: bool,
        /// For how long
        #[arg(long = "for", value_name = "TIME", default_value = "1h")]
        span: String,
    },
    /// Let an alert speak again
    Unmute {
        /// The alert
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All alerts, but for those that are muted one by one
        #[arg(long)]
        all: bool,
    },
    /// Delete an alert
    Rm {
        /// The alert
        id: String,
    },
}

/// The columns of `cronbox alert list`.
const COLUMNS: [Column; 6] = [
    column("ID").shrinks_to(12),
    column("ABOUT").shrinks_to(10),
    column("CONDITION").shrinks_to(12),
    column("STATE"),
    column("SINCE"),
    column("NOTIFY").shrinks_to(8).spare(),
];

fn about_words(about: &AlertAboutBody) -> String {
    let words = [("script", &about.script), ("schedule", &about.schedule), ("label", &about.label)];
    let word = words.into_iter().find_map(|(what, name)| Some(format!("{what} {}", plain(name.as_deref()?, 200))));
    word.unwrap_or_else(|| "everything".into())
}

fn row(alert: &AlertBody) -> Vec<Cell> {
    vec![
        Cell::from(&*alert.id),
        about_words(&alert.about).into(),
        plain(&alert.text, 300).into(),
        alert.state.as_str().into(),
        alert.since.as_deref().map_or_else(|| Cell::from("-"), Cell::time),
        alert.notify.join(" ").into(),
    ]
}

/// One line: what, and what of it.
fn line(name: &str, text: &str) -> Result<(), Refusal> {
    say(&format!("{name:<9} {text}"))
}

fn show(alert: &AlertBody) -> Result<(), Refusal> {
    let times = Times::here();
    say(&format!("{} · {}", alert.id, view().status(&alert.state)))?;
    line("about", &about_words(&alert.about))?;
    line("condition", &format!("{}: {}", plain(&alert.text, 300), plain(&alert.words, 300)))?;
    let end = if alert.recovered { "says when it is over" } else { "does not say when it is over" };
    line("notify", &format!("{} · again after {} · {end}", alert.notify.join(", "), alert.repeat))?;
    if let Some(until) = &alert.muted_until {
        line("muted", &format!("until {}", times.full(until)))?;
    }
    for firing in alert.firing.iter().take(20) {
        let run = firing.run.as_ref().map(|run| format!(" · run {run}")).unwrap_or_default();
        line("fires", &format!("{} since {}{run}", firing.subject, times.full(&firing.since)))?;
    }
    warn(alert);
    Ok(())
}

fn warn(alert: &AlertBody) {
    for warning in &alert.warnings {
        complain(&format!("warning: {}", plain(warning, 500)));
    }
}

impl Verb {
    /// The whole list.
    const ALL: Verb = Verb::List { script: None, schedule: None, label: None, state: None, notify: None };
}

impl AlertArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || self.act().await)
    }

    async fn act(&self) -> Result<Exit, Refusal> {
        let server = Server::new(&self.server)?;
        match self.verb.as_ref().unwrap_or(&Verb::ALL) {
            Verb::Add { id, condition, about, notify, repeat, no_recovered } => {
                let AboutArgs { script, schedule, label, everything } = about;
                let about = json!({"script": script, "schedule": schedule, "label": label, "everything": everything.then_some(true)});
                let body = json!({
                    "about": about, "text": condition, "notify": notify, "repeat": repeat, "recovered": !no_recovered
                });
                let path = format!("/v1/alerts/{}", part(id));
                let (text, alert) = server.ask(server.request(Method::PUT, &path).json(&body)).await?;
                self.tell(&text, &alert)?;
            }
            Verb::List { script, schedule, label, state, notify } => {
                let asked = [
                    ("script", script),
                    ("schedule", schedule),
                    ("label", label),
                    ("state", state),
                    ("notify", notify),
                ];
                let query: Vec<(&str, String)> =
                    asked.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
                let alerts: Vec<AlertBody> = all_pages(&server, "/v1/alerts", &query).await?;
                if self.json {
                    say(&json!({"items": alerts}).to_string())?;
                } else {
                    Table::of(&COLUMNS, &alerts, row).print()?;
                }
            }
            Verb::Show { id } => {
                let path = format!("/v1/alerts/{}", part(id));
                let (text, alert): (String, AlertBody) = server.ask(server.request(Method::GET, &path)).await?;
                if self.json { say(&text)? } else { show(&alert)? }
            }
            Verb::Mute { id, span, .. } => self.mute(&server, id.as_deref(), Some(span)).await?,
            Verb::Unmute { id, .. } => self.mute(&server, id.as_deref(), None).await?,
            Verb::Rm { id } => {
                let path = format!("/v1/alerts/{}", part(id));
                let gone = server.attempt(server.request(Method::DELETE, &path)).await?;
                gone.map_err(|problem| server.refused(&problem))?;
                say(&if self.json { json!({"deleted": id}).to_string() } else { "the alert is gone".into() })?;
            }
        }
        Ok(Exit::Succeeded)
    }

    /// Mutes an alert, or all, for a time; or lets them speak again.
    async fn mute(&self, server: &Server, id: Option<&str>, span: Option<&String>) -> Result<(), Refusal> {
        let verb = if span.is_some() { "mute" } else { "unmute" };
        let path = id.map_or_else(|| format!("/v1/scheduler/{verb}"), |id| format!("/v1/alerts/{}/{verb}", part(id)));
        let request = server.request(Method::POST, &path);
        let request = if let Some(span) = span { request.json(&json!({"for": span})) } else { request };
        let (text, until): (String, Option<String>) = if id.is_some() {
            let (text, alert): (String, AlertBody) = server.ask(request).await?;
            (text, alert.muted_until)
        } else {
            let (text, scheduler): (String, SchedulerBody) = server.ask(request).await?;
            (text, scheduler.muted_until)
        };
        let whom = id.map_or_else(|| "all alerts".to_owned(), |id| format!("the alert {}", plain(id, 100)));
        let are = if id.is_some() { "is" } else { "are" };
        if self.json {
            return say(&text);
        }
        match until {
            Some(until) => say(&format!("{whom} {are} muted until {}", Times::here().full(&until))),
            None => say(&format!("{whom} {are} not muted")),
        }
    }

    fn tell(&self, text: &str, alert: &AlertBody) -> Result<(), Refusal> {
        if self.json {
            return say(text);
        }
        say(&format!("{} fires when {}", alert.id, plain(&alert.words, 300)))?;
        warn(alert);
        Ok(())
    }
}
