//! `cronbox push`, `scripts`, `script`: scripts on a server.

use super::client::{Refusal, Server, ServerArgs, moment, part, plain, say, table, talk};
use super::{Exit, complain};
use crate::api::{Page, ScriptBody, StateBody, UploadedBody, VersionBody};
use crate::script::Name;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// What `cronbox push` takes.
#[derive(Debug, Args)]
pub(super) struct PushArgs {
    /// A Python file, a zip archive, a directory with main.py, or an address (s3://…, file:///…) that the server reads
    what: String,
    /// Its name on the server [default: the file's]
    #[arg(long)]
    name: Option<String>,
    /// Keep it though it is no valid Python
    #[arg(long)]
    no_check: bool,
    /// Resolve its packages anew, though it asks for the same as before
    #[arg(long)]
    upgrade: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What `cronbox scripts` takes.
#[derive(Debug, Args)]
pub(super) struct ScriptsArgs {
    /// Only those with this label: key=value
    #[arg(long)]
    label: Option<String>,
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

/// Files of a directory, with their paths in it; hidden ones and caches are left out.
fn files_of(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            if name.to_string_lossy().starts_with('.') || name == "__pycache__" {
                continue;
            }
            if entry.file_type()?.is_dir() {
                walk(&path, root, found)?;
            } else if entry.file_type()?.is_file() {
                let inside = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                found.push((inside, std::fs::read(&path)?));
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found).map_err(|error| Refusal::usage(format!("{}: {error}", folder.display())))?;
    Ok(found)
}

impl PushArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || self.push().await)
    }

    async fn push(&self) -> Result<Exit, Refusal> {
        let server = Server::new(&self.server)?;
        let linked = self.what.starts_with("s3://") || self.what.starts_with("file://");
        let path = PathBuf::from(&self.what);
        let file =
            path.canonicalize().ok().and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
        let file = file.or_else(|| self.what.rsplit('/').next().map(str::to_owned)).unwrap_or_default();
        let name = match &self.name {
            Some(name) => Name::parse(name).map_err(|error| Refusal::usage(error.to_string()))?,
            None => Name::of_file(file.strip_suffix(".zip").unwrap_or(&file)).map_err(|error| {
                let near = error.near().map(|near| format!("; --name {near} gives it one")).unwrap_or_default();
                Refusal::usage(format!("{error}{near}"))
            })?,
        };
        let mut query = Vec::new();
        query.extend(self.no_check.then_some(("check", "false")));
        query.extend(self.upgrade.then_some(("upgrade", "true")));
        let request = server.request(Method::PUT, &format!("/v1/scripts/{}", part(name.as_str()))).query(&query);
        let request = if linked {
            request.json(&json!({"from": self.what}))
        } else if path.is_dir() {
            let mut files = Map::new();
            for (path, content) in files_of(&path)? {
                let text = String::from_utf8(content)
                    .map_err(|_| Refusal::usage(format!("{path} is no text: push a zip archive instead")))?;
                files.insert(path, Value::from(text));
            }
            request.json(&json!({"files": files}))
        } else {
            let content =
                std::fs::read(&path).map_err(|error| Refusal::usage(format!("{}: {error}", path.display())))?;
            request.header("content-type", "application/octet-stream").body(content)
        };
        let (text, kept): (_, UploadedBody) = server.ask(request).await?;
        if self.json {
            say(&text)?;
            return Ok(Exit::Succeeded);
        }
        let script = &kept.body;
        let entry = script.entry.as_deref().unwrap_or("run");
        let how = match (script.mode.as_deref(), &script.signature) {
            (Some("function"), Some(signature)) => format!("calls {entry}{}", plain(signature, 80)),
            (Some("function"), None) => format!("calls {entry}()"),
            (Some(_), _) => "runs from top to bottom".to_owned(),
            (None, _) => "not checked".to_owned(),
        };
        say(&format!("{} version {} · {how}", script.name, script.version))?;
        for warning in &script.warnings {
            complain(&format!("line {}: {} ({})", warning.line, warning.message, warning.code));
        }
        for refused in &kept.not_granted {
            complain(&format!(
                "{} {} was asked for and is not granted; in force: {}",
                refused.what, refused.asked, refused.in_force
            ));
        }
        Ok(Exit::Succeeded)
    }
}

impl ScriptsArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || {
            let server = Server::new(&self.server)?;
            let mut all: Vec<ScriptBody> = Vec::new();
            let mut cursor: Option<String> = None;
            loop {
                let mut query = vec![("limit", "1000".to_owned())];
                query.extend(self.label.clone().map(|label| ("label", label)));
                query.extend(cursor.map(|cursor| ("cursor", cursor)));
                let (_, page): (_, Page<ScriptBody>) =
                    server.ask(server.request(Method::GET, "/v1/scripts").query(&query)).await?;
                all.extend(page.items);
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            if self.json {
                say(&json!({"items": all}).to_string())?;
                return Ok(Exit::Succeeded);
            }
            let row = |script: &ScriptBody| {
                vec![
                    script.name.clone(),
                    script.version.to_string(),
                    script.mode.clone().unwrap_or_else(|| "-".into()),
                    moment(&script.updated_at),
                    plain(script.title.as_deref().unwrap_or_default(), 60),
                ]
            };
            table(&["NAME", "VERSION", "MODE", "UPDATED", "TITLE"], &all.iter().map(row).collect::<Vec<_>>())?;
            Ok(Exit::Succeeded)
        })
    }
}

impl ScriptArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || self.act().await)
    }

    async fn act(&self) -> Result<Exit, Refusal> {
        let server = Server::new(&self.server)?;
        match &self.verb {
            ScriptVerb::Show { name, source: true, version } => {
                let address = format!("/v1/scripts/{}", part(name));
                let number = match version {
                    Some(number) => *number,
                    None => server.ask::<ScriptBody>(server.request(Method::GET, &address)).await?.1.version,
                };
                let response =
                    server.send(server.request(Method::GET, &format!("{address}/versions/{number}/source"))).await?;
                let content = response.bytes().await.map_err(Refusal::unavailable)?;
                use std::io::Write;
                std::io::stdout().lock().write_all(&content).map_err(Refusal::unavailable)?;
            }
            ScriptVerb::Show { name, .. } => {
                let address = format!("/v1/scripts/{}", part(name));
                let (text, script): (_, ScriptBody) = server.ask(server.request(Method::GET, &address)).await?;
                if self.json {
                    say(&text)?;
                    return Ok(Exit::Succeeded);
                }
                let (_, versions): (_, Page<VersionBody>) =
                    server.ask(server.request(Method::GET, &format!("{address}/versions"))).await?;
                say(&format!("{} · {}", script.name, plain(script.title.as_deref().unwrap_or("no title"), 100)))?;
                if let Some(link) = &script.link {
                    let state =
                        link.error.as_deref().map_or_else(|| "read".to_owned(), |error| format!("unreadable: {error}"));
                    say(&format!("linked to {} ({})", link.from, plain(&state, 200)))?;
                }
                let settings = serde_json::to_string(&script.settings).unwrap_or_default();
                say(&format!("settings {settings}"))?;
                let row = |version: &VersionBody| {
                    vec![
                        version.version.to_string(),
                        if version.in_force { "in force" } else { "" }.to_owned(),
                        version.sha256[..12].to_owned(),
                        version.size.to_string(),
                        moment(&version.created_at),
                    ]
                };
                table(
                    &["VERSION", "", "SHA256", "BYTES", "CREATED"],
                    &versions.items.iter().map(row).collect::<Vec<_>>(),
                )?;
            }
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
}
