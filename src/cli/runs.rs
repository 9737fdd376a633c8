//! `cronbox runs`, `logs`, `run --remote`: runs on a server.

use super::Exit;
use super::client::{Refusal, Server, ServerArgs, Told, moment, part, plain, say, table, talk};
use super::terminal::Sink;
use crate::api::{FileBody, Page, RunBody};
use crate::quantity;
use crate::run::Status;
use bytes::Bytes;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Serialize;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

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
    /// With this label: key=value
    #[arg(long)]
    label: Option<String>,
    /// Made then or later: a time, or 24h, 7d ago
    #[arg(long)]
    since: Option<String>,
    /// Made before
    #[arg(long)]
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
        /// Its id, or the beginning of it
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

/// What `cronbox logs` takes.
#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    /// A run's id, or the beginning of it
    id: String,
    /// Go on while it runs
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// The whole id of a run whose beginning was typed.
async fn whole_id(server: &Server, typed: &str) -> Result<String, Refusal> {
    let given = typed.to_ascii_lowercase();
    if given.len() == 36 {
        return Ok(given);
    }
    if given.len() < 4 || !given.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return Err(Refusal::usage(format!("{typed:?} is no run's id, nor four characters of one")));
    }
    let query = [("id", given.as_str()), ("limit", "2")];
    let (_, page): (_, Page<RunBody>) = server.ask(server.request(Method::GET, "/v1/runs").query(&query)).await?;
    match page.items.as_slice() {
        [] => Err(Refusal::unavailable(format!("there is no run that begins with {typed}"))),
        [run] => Ok(run.id.clone()),
        _ => Err(Refusal::usage(format!("more than one run begins with {typed}: type more of the id"))),
    }
}

/// The exit code that a run's status comes to.
pub(super) fn exit_of(status: Option<Status>) -> Exit {
    match status {
        Some(Status::Succeeded) => Exit::Succeeded,
        Some(Status::TimedOut | Status::OutOfFuel | Status::OutOfMemory) => Exit::Limit,
        Some(Status::Crashed | Status::Abandoned) => Exit::Crashed,
        Some(Status::Cancelled) => Exit::Interrupted,
        _ => Exit::Failed,
    }
}

fn row(run: &RunBody) -> Vec<String> {
    let wall = run.usage.as_ref().map(|usage| quantity::duration(Duration::from_secs_f64(usage.wall_ms / 1e3)));
    let what = match &run.error {
        Some(error) => format!("{}: {}", error.kind, error.message),
        None if run.result.is_null() => run.reason.clone().unwrap_or_default(),
        None => run.result.to_string(),
    };
    vec![
        run.id[..18].to_owned(),
        run.script.clone(),
        run.version.map_or_else(|| "-".into(), |version| version.to_string()),
        run.status.clone(),
        moment(&run.created_at),
        wall.unwrap_or_else(|| "-".into()),
        plain(&what, 60),
    ]
}

impl RunsArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || self.act().await)
    }

    async fn act(&self) -> Result<Exit, Refusal> {
        let server = Server::new(&self.server)?;
        let Some(verb) = &self.verb else { return self.list(&server).await };
        let (id, method, verb, wait) = match verb {
            RunVerb::Show { id } => (id, Method::GET, "", false),
            RunVerb::Cancel { id } => (id, Method::POST, "/cancel", false),
            RunVerb::Retry { id, wait } => (id, Method::POST, "/retry", *wait),
            RunVerb::Files { id, path, to } => return self.files(&server, id, path.as_deref(), to.as_deref()).await,
        };
        let id = whole_id(&server, id).await?;
        let query = if wait { "?wait=300s" } else { "" };
        let (text, run): (_, RunBody) =
            server.ask(server.request(method, &format!("/v1/runs/{id}{verb}{query}"))).await?;
        if self.json {
            say(&text)?;
        } else {
            show(&run)?;
        }
        Ok(if wait { exit_of(run.status()) } else { Exit::Succeeded })
    }

    async fn files(&self, server: &Server, id: &str, path: Option<&str>, to: Option<&Path>) -> Result<Exit, Refusal> {
        let id = whole_id(server, id).await?;
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
            let row =
                |file: &FileBody| vec![plain(&file.path, 200), quantity::bytes(file.bytes), file.media_type.clone()];
            table(&["PATH", "SIZE", "TYPE"], &page.items.iter().map(row).collect::<Vec<_>>())?;
        }
        Ok(Exit::Succeeded)
    }

    async fn list(&self, server: &Server) -> Result<Exit, Refusal> {
        let filter = &self.filter;
        let most = filter.limit.unwrap_or(50).max(1);
        let mut all: Vec<RunBody> = Vec::new();
        let mut cursor: Option<String> = None;
        while all.len() < most {
            let mut query = vec![("limit", (most - all.len()).min(500).to_string())];
            query.extend(filter.script.iter().map(|script| ("script", script.clone())));
            query.extend(filter.status.iter().map(|status| ("status", status.clone())));
            for (name, value) in [
                ("label", &filter.label),
                ("since", &filter.since),
                ("until", &filter.until),
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
        table(
            &["ID", "SCRIPT", "VERSION", "STATUS", "CREATED", "TIME", "RESULT"],
            &all.iter().map(row).collect::<Vec<_>>(),
        )?;
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

/// A run, for people.
pub(super) fn show(run: &RunBody) -> Result<(), Refusal> {
    let version = run.version.map(|version| format!(" version {version}")).unwrap_or_default();
    say(&format!("{} · {}{version} · {}", run.id, run.script, run.status))?;
    if let Some(reason) = &run.reason {
        say(&format!("reason    {}", plain(reason, 200)))?;
    }
    say(&format!("created   {}", run.created_at))?;
    for (name, time) in [("started", &run.started_at), ("finished", &run.finished_at)] {
        if let Some(time) = time {
            say(&format!("{name:<9} {time}"))?;
        }
    }
    say(&format!("args      {}", run.args))?;
    if let Some(usage) = &run.usage {
        let wall = quantity::duration(Duration::from_secs_f64(usage.wall_ms / 1e3));
        say(&format!(
            "used      {wall} · {} · {}",
            quantity::fuel(usage.fuel),
            quantity::bytes(usage.peak_memory_bytes)
        ))?;
    }
    for host in run.usage.iter().flat_map(|usage| &usage.network) {
        let (received, sent) = (quantity::bytes(host.received_bytes), quantity::bytes(host.sent_bytes));
        say(&format!("network   {} · {} connections · {received} in · {sent} out", host.host, host.connections))?;
    }
    if !run.result.is_null() {
        say(&format!("result    {}", run.result))?;
    }
    if run.files.count > 0 {
        let size = quantity::bytes(run.files.bytes);
        say(&format!("files     {} · {size} (cronbox runs files {})", run.files.count, &run.id[..18]))?;
    }
    if let Some(error) = &run.error {
        say(&format!("error     {}: {}", error.kind, plain(&error.message, 1000)))?;
        for line in error.traceback.lines() {
            say(&format!("  {}", plain(line, 1000)))?;
        }
    }
    for note in &run.notes {
        say(&format!("note      {}", plain(note, 1000)))?;
    }
    Ok(())
}

impl LogsArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || {
            let server = Server::new(&self.server)?;
            let id = whole_id(&server, &self.id).await?;
            if self.follow {
                return follow(&server, &id).await;
            }
            for stream in ["stdout", "stderr"] {
                let response = server
                    .send(server.request(Method::GET, &format!("/v1/runs/{}/output/{stream}", part(&id))))
                    .await?;
                let bytes = response.bytes().await.map_err(Refusal::unavailable)?;
                write(stream, &bytes)?;
            }
            Ok(Exit::Succeeded)
        })
    }
}

fn write(stream: &str, bytes: &[u8]) -> Result<(), Refusal> {
    let written = match stream {
        "stdout" => Sink::new(std::io::stdout()).write(bytes),
        _ => Sink::new(std::io::stderr()).write(bytes),
    };
    // A reader that went away wanted no more.
    written.map_err(|_| Refusal(Exit::Succeeded, String::new()))
}

/// Shows what a run writes until its end; the exit code is its status's.
pub(super) async fn follow(server: &Server, id: &str) -> Result<Exit, Refusal> {
    let path = format!("/v1/runs/{}/events", part(id));
    let hear = |Told { name, data, .. }: Told| {
        match &*name {
            "output" => write(
                data["stream"].as_str().unwrap_or_default(),
                data["text"].as_str().unwrap_or_default().as_bytes(),
            )?,
            "end" => return Ok(Some(exit_of(data["status"].as_str().and_then(Status::parse)))),
            _ => {}
        }
        Ok(None)
    };
    server.follow(|| server.request(Method::GET, &path), hear).await
}

/// `cronbox run --remote`: the server runs it, this shows it.
pub(super) async fn run_remote(
    server: &Server,
    path: &str,
    request: &impl Serialize,
    as_json: bool,
    quiet: bool,
) -> Result<Exit, Refusal> {
    let (_, run): (_, RunBody) = server.ask(server.request(Method::POST, path).json(request)).await?;
    if !as_json && !quiet {
        follow(server, &run.id).await?;
    }
    let run = loop {
        let (text, now): (_, RunBody) =
            server.ask(server.request(Method::GET, &format!("/v1/runs/{}?wait=60s", run.id))).await?;
        if now.status().is_some_and(Status::is_final) {
            if as_json {
                say(&text)?;
                return Ok(exit_of(now.status()));
            }
            break now;
        }
    };
    if !run.result.is_null() || run.status() == Some(Status::Succeeded) {
        say(&run.result.to_string())?;
    }
    if let Some(error) = &run.error {
        let text = if error.traceback.is_empty() {
            format!("{}: {}", error.kind, error.message)
        } else {
            error.traceback.clone()
        };
        write("stderr", format!("{}\n", text.trim_end()).as_bytes())?;
    }
    let usage = run.usage.clone().unwrap_or_default();
    let line = format!(
        "{} in {} · {} · {} · run {}\n",
        run.status,
        quantity::duration(Duration::from_secs_f64(usage.wall_ms / 1e3)),
        quantity::fuel(usage.fuel),
        quantity::bytes(usage.peak_memory_bytes),
        run.id
    );
    write("stderr", line.as_bytes())?;
    Ok(exit_of(run.status()))
}
