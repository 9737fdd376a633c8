//! `cronbox runs`: runs on a server.

use super::Exit;
use super::absent::tell_why_empty;
use super::client::{Refusal, Server, ServerArgs, part, plain, say, talk};
use super::show_run::{short_id, show, show_attempt};
use super::table::{Cell, Column, Table, column};
use super::terminal::Sink;
use super::times::{Times, millis};
use crate::api::{AttemptBody, FileBody, Page, RunBody};
use crate::quantity;
use crate::script::Name;
use bytes::Bytes;
use clap::{Args, Subcommand};
use reqwest::Method;
use std::path::{Component, Path, PathBuf};

/// What `cronbox runs` takes.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct RunsArgs {
    #[command(subcommand)]
    verb: Option<RunVerb>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Print one JSON document
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct FilterArgs {
    /// Of this script; repeatable
    #[arg(long)]
    script: Vec<String>,
    /// In this status; repeatable
    #[arg(long)]
    status: Vec<String>,
    /// Made by this schedule
    #[arg(long, value_name = "ID")]
    schedule: Option<String>,
    /// Made for this reason: fire, api, manual, chain, backfill, retry
    #[arg(long)]
    cause: Option<String>,
    /// With this label: key=value
    #[arg(long)]
    label: Option<String>,
    /// Made then or later: 2026-01-31, "2026-01-31 09:00", yesterday, monday, or 24h, 7d ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Made before
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Whose error holds this text
    #[arg(long, value_name = "TEXT")]
    error_contains: Option<String>,
    /// Whose result passes: /price>100
    #[arg(long, value_name = "TEST")]
    result: Option<String>,
    /// At most so many [default: 50]
    #[arg(long)]
    limit: Option<usize>,
}

#[derive(Debug, Subcommand)]
enum RunVerb {
    /// Show a run
    Show {
        /// Its id, the beginning of it, or a script's name for its newest run
        id: String,
    },
    /// Cancel a run
    Cancel {
        /// Its id, or the beginning of it
        id: String,
    },
    /// List what a run left under /output, or fetch it
    Files {
        /// Its id, or the beginning of it
        id: String,
        /// One file, below /output: its content goes to standard output
        #[arg(conflicts_with = "to")]
        path: Option<String>,
        /// Fetch all of them into this directory
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
    /// Make a new run like another
    Retry {
        /// Its id, or the beginning of it
        id: String,
        /// Wait for its end
        #[arg(long)]
        wait: bool,
    },
}

/// The run that was typed: an id, the beginning of one, or the name of a script for its newest run.
pub(super) async fn find(server: &Server, typed: &str) -> Result<RunBody, Refusal> {
    let given = typed.to_ascii_lowercase();
    let like_an_id =
        (4..=36).contains(&given.len()) && given.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if given.len() == 36 && like_an_id {
        return Ok(server.ask(server.request(Method::GET, &format!("/v1/runs/{given}"))).await?.1);
    }
    let list = async |name: &'static str, value: &str, limit: &'static str| {
        let query = [(name, value), ("limit", limit)];
        server
            .ask::<Page<RunBody>>(server.request(Method::GET, "/v1/runs").query(&query))
            .await
            .map(|(_, page)| page.items)
    };
    if like_an_id {
        match list("id", &given, "2").await?.as_slice() {
            [] => {}
            [run] => return Ok(server.ask(server.request(Method::GET, &format!("/v1/runs/{}", run.id))).await?.1),
            _ => return Err(Refusal::usage(format!("more than one run begins with {typed}: type more of the id"))),
        }
    }
    let neither =
        || Refusal::usage(format!("there is no run that begins with {typed}, and no run of a script {typed}"));
    let name = Name::parse(typed).map_err(|_| neither())?;
    let Some(newest) = list("script", name.as_str(), "1").await?.into_iter().next() else {
        let script = server.request(Method::GET, &format!("/v1/scripts/{}", part(name.as_str())));
        return Err(match server.attempt(script).await? {
            // The server knows which name is nearest.
            Err(problem) if problem.status == 404 => {
                Refusal(Exit::Usage, format!("{}: {}", neither().1, problem.detail))
            }
            _ => neither(),
        });
    };
    Ok(server.ask(server.request(Method::GET, &format!("/v1/runs/{}", newest.id))).await?.1)
}

/// The columns of `cronbox runs`.
pub(super) const COLUMNS: [Column; 8] = [
    column("ID"),
    column("SCRIPT").shrinks_to(10),
    column("STATUS"),
    column("CREATED"),
    column("TOOK").right(),
    column("RESULT").shrinks_to(12),
    column("CAUSE").spare(),
    column("VERSION").right().spare(),
];

pub(super) fn row(run: &RunBody) -> Vec<Cell> {
    let wall = run.usage.as_ref().map(|usage| millis(usage.wall_ms));
    let what = match &run.error {
        Some(error) => format!("{}: {}", error.kind, error.message),
        None if run.result.is_null() => run.reason.clone().unwrap_or_default(),
        None => run.result.to_string(),
    };
    vec![
        Cell::from(short_id(&run.id)),
        run.script.as_str().into(),
        Cell::status(&run.status),
        Cell::time(&run.created_at),
        Cell::or_dash(wall),
        plain(&what, 200).into(),
        run.cause.as_str().into(),
        Cell::or_dash(run.version.map(|version| version.to_string())),
    ]
}

impl RunsArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || self.act().await)
    }

    async fn act(&self) -> Result<Exit, Refusal> {
        let server = Server::new(&self.server)?;
        let Some(verb) = &self.verb else { return self.list(&server).await };
        let is_shown = matches!(verb, RunVerb::Show { .. });
        let (id, method, verb, wait) = match verb {
            RunVerb::Show { id } => (id, Method::GET, "", false),
            RunVerb::Cancel { id } => (id, Method::POST, "/cancel", false),
            RunVerb::Retry { id, wait } => (id, Method::POST, "/retry", *wait),
            RunVerb::Files { id, path, to } => return self.files(&server, id, path.as_deref(), to.as_deref()).await,
        };
        // A script's name means its newest run, but not where that would be cancelled.
        let id = match verb {
            "/cancel" => named_by_id(&server, id).await?,
            _ => find(&server, id).await?.id,
        };
        let query = if wait { "?wait=300s" } else { "" };
        let (text, run): (_, RunBody) =
            server.ask(server.request(method, &format!("/v1/runs/{id}{verb}{query}"))).await?;
        if self.json {
            say(&text)?;
        } else {
            show(&run, &text)?;
            if is_shown && (run.attempt > 1 || run.lost_attempts > 0) {
                let list = server.request(Method::GET, &format!("/v1/runs/{id}/attempts"));
                let (_, page): (_, Page<AttemptBody>) = server.ask(list).await?;
                page.items.iter().try_for_each(show_attempt)?;
            }
        }
        Ok(if wait { Exit::of_run(run.status()) } else { Exit::Succeeded })
    }

    async fn files(&self, server: &Server, id: &str, path: Option<&str>, to: Option<&Path>) -> Result<Exit, Refusal> {
        let id = find(server, id).await?.id;
        let at = |path: &str| {
            let parts: Vec<String> = path.split('/').map(part).collect();
            format!("/v1/runs/{id}/files/{}", parts.join("/"))
        };
        let fetch = async |path: &str| {
            let response = server.send(server.request(Method::GET, &at(path))).await?;
            response.bytes().await.map_err(Refusal::unavailable)
        };
        if let Some(path) = path {
            write("stdout", &fetch(path).await?)?;
            return Ok(Exit::Succeeded);
        }
        let list = server.request(Method::GET, &format!("/v1/runs/{id}/files"));
        let (text, page): (_, Page<FileBody>) = server.ask(list).await?;
        if let Some(folder) = to {
            let mut files = Vec::new();
            for file in &page.items {
                files.push((file.path.clone(), fetch(&file.path).await?));
            }
            save(folder, &files).map_err(Refusal::unavailable)?;
        }
        if self.json {
            say(&text)?;
        } else {
            let row = |file: &FileBody| {
                vec![Cell::from(&*file.path), quantity::bytes(file.bytes).into(), file.media_type.as_str().into()]
            };
            let columns = [column("PATH").shrinks_to(20), column("SIZE").right(), column("TYPE").spare()];
            Table::of(&columns, &page.items, row).print()?;
        }
        Ok(Exit::Succeeded)
    }

    async fn list(&self, server: &Server) -> Result<Exit, Refusal> {
        let filter = &self.filter;
        let typed = |flag: &str, text: &Option<String>| {
            let time = text.as_deref().map(|text| Times::here().typed(text)).transpose();
            time.map_err(|why| Refusal::usage(format!("{flag}: {why}")))
        };
        let (since, until) = (typed("--since", &filter.since)?, typed("--until", &filter.until)?);
        let most = filter.limit.unwrap_or(50).max(1);
        let mut all: Vec<RunBody> = Vec::new();
        let mut cursor: Option<String> = None;
        while all.len() < most {
            let mut query = vec![("limit", (most - all.len()).min(500).to_string())];
            query.extend(filter.script.iter().map(|script| ("script", script.clone())));
            query.extend(filter.status.iter().map(|status| ("status", status.clone())));
            for (name, value) in [
                ("label", &filter.label),
                ("schedule", &filter.schedule),
                ("cause", &filter.cause),
                ("since", &since),
                ("until", &until),
                ("error_contains", &filter.error_contains),
                ("result", &filter.result),
            ] {
                query.extend(value.clone().map(|value| (name, value)));
            }
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            let (_, page): (_, Page<RunBody>) =
                server.ask(server.request(Method::GET, "/v1/runs").query(&query)).await?;
            all.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        if self.json {
            // Written by itself: a number of any size in a result stays as it is.
            let page = Page { items: all, next_cursor: cursor };
            say(&serde_json::to_string(&page).map_err(Refusal::unavailable)?)?;
            return Ok(Exit::Succeeded);
        }
        Table::of(&COLUMNS, &all, row).print()?;
        if all.is_empty() {
            tell_why_empty(server, "runs", &filter.script, filter.schedule.as_deref()).await?;
        }
        Ok(Exit::Succeeded)
    }
}

/// Writes what a run left into a directory. A path that would leave it is refused, whoever says it.
pub(super) fn save(folder: &Path, files: &[(String, Bytes)]) -> Result<(), String> {
    for (path, content) in files {
        if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(format!("{path:?} is no path below a directory"));
        }
        let place = folder.join(path);
        let written = match place.parent() {
            Some(parent) => std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&place, content)),
            None => std::fs::write(&place, content),
        };
        written.map_err(|error| format!("{}: {error}", place.display()))?;
    }
    Ok(())
}

/// The id of a run that is to be ended.
async fn named_by_id(server: &Server, typed: &str) -> Result<String, Refusal> {
    let run = find(server, typed).await?;
    if run.id.starts_with(&typed.to_ascii_lowercase()) {
        return Ok(run.id);
    }
    Err(Refusal::usage(format!(
        "a run is cancelled by its id: the newest of {} is {} ({})",
        run.script, run.id, run.status
    )))
}

/// Passes on what a run wrote.
pub(super) fn write(stream: &str, bytes: &[u8]) -> Result<(), Refusal> {
    let written = match stream {
        "stdout" => Sink::new(std::io::stdout()).write(bytes),
        _ => Sink::new(std::io::stderr()).write(bytes),
    };
    // A reader that went away wanted no more.
    written.map_err(|_| Refusal(Exit::Succeeded, String::new()))
}
