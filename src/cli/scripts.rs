//! `cronbox scripts`, `script`: scripts on a server.

use super::Exit;
use super::client::{Refusal, Server, ServerArgs, all_pages, part, plain, say, talk};
use super::table::{Cell, Column, Table, column};
use crate::api::{LeftOutBody, Page, ScriptBody, StateBody, VersionBody};
use crate::quantity;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Write;

/// What `cronbox scripts` takes.
#[derive(Debug, Args)]
pub(super) struct ScriptsArgs {
    /// Only those with this label: key=value
    #[arg(long)]
    label: Option<String>,
    /// Instead of scripts: the files of script sources that are not taken, and links that cannot be read
    #[arg(long, conflicts_with = "label")]
    problems: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What `cronbox script` takes.
#[derive(Debug, Args)]
pub(super) struct ScriptArgs {
    #[command(subcommand)]
    verb: ScriptVerb,
    /// Print one JSON document
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum ScriptVerb {
    /// Show a script and its versions
    Show {
        /// Its name
        name: String,
        /// Print the source instead
        #[arg(long)]
        source: bool,
        /// Of this version
        #[arg(long, requires = "source")]
        version: Option<i64>,
    },
    /// Put an earlier version in force
    Rollback {
        /// Its name
        name: String,
        /// The version [default: the one before]
        #[arg(long)]
        to: Option<i64>,
        /// Leave the script's own schedules as they are
        #[arg(long)]
        keep_schedules: bool,
    },
    /// Show what it left for its next run (context.state), or set or empty that
    State {
        /// Its name
        name: String,
        /// The new state, a JSON object
        #[arg(long, value_name = "JSON", conflicts_with = "clear")]
        set: Option<String>,
        /// Empty it
        #[arg(long)]
        clear: bool,
    },
    /// Delete a script; its runs stay
    Rm {
        /// Its name
        name: String,
        /// Delete its schedules too
        #[arg(long)]
        schedules: bool,
    },
}

/// A value as it is typed.
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The columns of `cronbox scripts`.
const COLUMNS: [Column; 5] = [
    column("NAME").shrinks_to(12),
    column("VERSION").right(),
    column("UPDATED"),
    column("MODE").spare(),
    column("TITLE").shrinks_to(12),
];

impl ScriptsArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || {
            let server = Server::new(&self.server)?;
            if self.problems {
                return self.problems(&server).await;
            }
            let filter: Vec<(&str, String)> = self.label.clone().map(|label| ("label", label)).into_iter().collect();
            let all: Vec<ScriptBody> = all_pages(&server, "/v1/scripts", &filter).await?;
            if self.json {
                say(&json!({"items": all}).to_string())?;
                return Ok(Exit::Succeeded);
            }
            let row = |script: &ScriptBody| {
                vec![
                    Cell::from(&*script.name),
                    script.version.to_string().into(),
                    Cell::time(&script.updated_at),
                    Cell::or_dash(script.mode.as_deref()),
                    plain(script.title.as_deref().unwrap_or_default(), 200).into(),
                ]
            };
            Table::of(&COLUMNS, &all, row).print()?;
            Ok(Exit::Succeeded)
        })
    }

    /// What lies in script sources and is not taken, and links that cannot be read any more.
    async fn problems(&self, server: &Server) -> Result<Exit, Refusal> {
        let left_out = server.request(Method::GET, "/v1/script-sources/problems");
        let (_, left_out): (_, Page<LeftOutBody>) = server.ask(left_out).await?;
        let mut all = left_out.items;
        for script in all_pages::<ScriptBody>(server, "/v1/scripts", &[]).await? {
            if let Some((link, why)) = script.link.and_then(|link| link.error.clone().map(|why| (link, why))) {
                // A file that is left out is in the list already.
                if !all.iter().any(|one| format!("{}/{}", one.source, one.file) == link.from) {
                    all.push(LeftOutBody { source: link.from, file: script.name, why });
                }
            }
        }
        if self.json {
            say(&json!({"items": all}).to_string())?;
            return Ok(if all.is_empty() { Exit::Succeeded } else { Exit::Failed });
        }
        let row = |one: &LeftOutBody| vec![Cell::from(&*one.file), one.why.as_str().into(), one.source.as_str().into()];
        let columns =
            [column("FILE").shrinks_to(12), column("WHY").shrinks_to(30), column("SOURCE").shrinks_to(16).spare()];
        Table::of(&columns, &all, row).print()?;
        Ok(if all.is_empty() { Exit::Succeeded } else { Exit::Failed })
    }
}

impl ScriptArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || self.act().await)
    }

    async fn act(&self) -> Result<Exit, Refusal> {
        let server = &Server::new(&self.server)?;
        match &self.verb {
            ScriptVerb::Show { name, source: true, version } => print_source(server, name, *version).await?,
            ScriptVerb::Show { name, .. } => self.show(server, name).await?,
            ScriptVerb::Rollback { name, to, keep_schedules } => {
                let body = to.map_or_else(|| json!({}), |number| json!({"version": number}));
                let query = if *keep_schedules { "?schedules=keep" } else { "" };
                let path = format!("/v1/scripts/{}/rollback{query}", part(name));
                let request = server.request(Method::POST, &path).json(&body);
                let (text, script): (_, ScriptBody) = server.ask(request).await?;
                say(&if self.json { text } else { format!("{} version {} is in force", script.name, script.version) })?;
            }
            ScriptVerb::State { name, set, clear } => {
                let path = format!("/v1/scripts/{}/state", part(name));
                if *clear {
                    server.send(server.request(Method::DELETE, &path)).await?;
                }
                let request = match set {
                    Some(state) => server
                        .request(Method::PUT, &path)
                        .header("content-type", "application/json")
                        .body(state.clone()),
                    None => server.request(Method::GET, &path),
                };
                let (text, state): (_, StateBody) = server.ask(request).await?;
                say(&if self.json { text } else { state.state.to_string() })?;
            }
            ScriptVerb::Rm { name, schedules } => {
                let query = if *schedules { "?schedules=delete" } else { "" };
                server.send(server.request(Method::DELETE, &format!("/v1/scripts/{}{query}", part(name)))).await?;
                say(&if self.json {
                    json!({"deleted": name}).to_string()
                } else {
                    format!("{name} is deleted; its runs stay")
                })?;
            }
        }
        Ok(Exit::Succeeded)
    }

    /// Shows a script and its versions.
    async fn show(&self, server: &Server, name: &str) -> Result<(), Refusal> {
        let address = format!("/v1/scripts/{}", part(name));
        let (text, script): (_, ScriptBody) = server.ask(server.request(Method::GET, &address)).await?;
        if self.json {
            return say(&text);
        }
        let versions: Vec<VersionBody> = all_pages(server, &format!("{address}/versions"), &[]).await?;
        print_head(&script)?;
        let row = |version: &VersionBody| {
            vec![
                Cell::from(version.version.to_string()),
                Cell::status(if version.in_force { "in force" } else { "" }),
                version.sha256.get(..12).unwrap_or_default().into(),
                quantity::bytes(version.size).into(),
                Cell::time(&version.created_at),
            ]
        };
        let columns = [
            column("VERSION").right(),
            column("STATE"),
            column("SHA256").spare(),
            column("SIZE").right(),
            column("CREATED"),
        ];
        Table::of(&columns, &versions, row).print()
    }
}

/// Prints the source of a version, as it was uploaded; without a number, of the one in force.
async fn print_source(server: &Server, name: &str, version: Option<i64>) -> Result<(), Refusal> {
    let address = format!("/v1/scripts/{}", part(name));
    let number = match version {
        Some(number) => number,
        None => server.ask::<ScriptBody>(server.request(Method::GET, &address)).await?.1.version,
    };
    let response = server.send(server.request(Method::GET, &format!("{address}/versions/{number}/source"))).await?;
    let content = response.bytes().await.map_err(Refusal::unavailable)?;
    std::io::stdout().lock().write_all(&content).map_err(Refusal::unavailable)
}

/// Prints what holds for a script: its title, where it is linked to, its settings and packages.
pub(super) fn print_head(script: &ScriptBody) -> Result<(), Refusal> {
    say(&format!("{} · {}", script.name, plain(script.title.as_deref().unwrap_or("no title"), 100)))?;
    if let Some(link) = &script.link {
        let state = link.error.as_deref().map_or_else(|| "read".to_owned(), |error| format!("unreadable: {error}"));
        say(&format!("linked to {} ({})", link.from, plain(&state, 200)))?;
    }
    let settings = serde_json::to_value(&script.settings).unwrap_or_default();
    for (name, value) in settings.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        say(&format!("{name:<12} {}", plain(&text, 500)))?;
    }
    let packages: Vec<String> =
        script.packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
    if packages.is_empty() {
        return Ok(());
    }
    say(&format!("{:<12} {}", "packages", packages.join(", ")))?;
    let Some(image) = &script.image else { return Ok(()) };
    let text = match (image.status.as_str(), &image.reason) {
        ("ready", _) => "imported when a run begins".to_owned(),
        (_, Some(reason)) => format!("imported by each run: {reason}"),
        _ => "imported by each run, until an image of them is made".to_owned(),
    };
    say(&format!("{:<12} {}", "", plain(&text, 300)))
}
