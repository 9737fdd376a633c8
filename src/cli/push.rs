//! `cronbox push`: a script goes to a server, and what that made, changed and removed is told.

use super::bundle::Files;
use super::client::{Refusal, Server, ServerArgs, all_pages, part, plain, say, talk};
use super::progress::Progress;
use super::times::{Times, read};
use super::view::{BAD, DIM, GOOD, WARN, view};
use super::{Exit, complain, hints};
use crate::api::{ProblemBody, ScheduleBody, ScriptBody, UploadedBody};
use crate::quantity;
use crate::requirement::Locked;
use crate::script::Name;
use crate::source_files;
use bytes::Bytes;
use clap::Args;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use unicode_width::UnicodeWidthStr;

/// What `cronbox push` takes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cronbox push price.py                    its name is price; modules beside it that it imports come along
  cronbox push jobs/report --main cli.py   a folder: a run begins in cli.py instead of main.py
  cronbox push s3://jobs/price.py          read by the server, again when it changes")]
pub(super) struct PushArgs {
    /// A Python file, a zip archive, a folder, or an address (s3://…, file:///…) that the server reads
    what: String,
    /// Its name on the server [default: the file's]
    #[arg(long)]
    name: Option<String>,
    /// Of a folder: the file where a run begins [default: main.py]
    #[arg(long, value_name = "FILE")]
    main: Option<String>,
    /// Of a folder: take hidden files too, such as .env
    #[arg(long)]
    hidden: bool,
    /// Keep it though it is not valid Python
    #[arg(long)]
    no_check: bool,
    /// Resolve its packages again, though it asks for the same as before
    #[arg(long)]
    upgrade: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What goes to the server.
enum Sent {
    /// An address that the server reads.
    Address,
    /// One file, or an archive.
    File(Vec<u8>),
    /// Several files.
    Files(Files),
}

/// How the script was before; none when it was not there.
pub(super) struct Before {
    script: ScriptBody,
    schedules: BTreeMap<String, ScheduleBody>,
}

impl PushArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || self.push().await)
    }

    async fn push(&self) -> Result<Exit, Refusal> {
        let server = Server::new(&self.server)?;
        let name = self.script_name()?;
        let sent = self.content()?;
        let before = self.before(&server, &name).await?;
        let request = self.request(&server, &name, &sent)?;
        let progress = Progress::on_terminal();
        // Packages are fetched and compiled before the answer.
        progress.show(&format!("uploading {name}"), None);
        let answer = server.attempt(request).await;
        progress.clear();
        let response = match answer? {
            Ok(response) => response,
            Err(problem) if problem.code == "syntax_error" => {
                return Err(Refusal(Exit::Usage, as_python(&problem, &sent, &self.what)));
            }
            Err(problem) => return Err(server.refused(&problem)),
        };
        let text = response.text().await.map_err(Refusal::unavailable)?;
        let kept: UploadedBody = serde_json::from_str(&text).map_err(Refusal::unavailable)?;
        if self.json {
            say(&text)?;
            return Ok(Exit::Succeeded);
        }
        if let Sent::Files(files) = &sent {
            if !files.along.is_empty() {
                complain(&format!("note: {} came along: {} imports it", files.along.join(", "), files.main));
            }
            if let Some(left_out) = files.left_out() {
                complain(&format!("note: {left_out}; --hidden takes hidden files"));
            }
        }
        tell(&kept, before.as_ref())
    }

    fn script_name(&self) -> Result<Name, Refusal> {
        let path = PathBuf::from(&self.what);
        let file =
            path.canonicalize().ok().and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
        let file = file.or_else(|| self.what.rsplit('/').next().map(str::to_owned)).unwrap_or_default();
        match &self.name {
            Some(name) => Name::parse(name).map_err(|error| Refusal::usage(error.to_string())),
            None => Name::of_file(file.strip_suffix(".zip").unwrap_or(&file)).map_err(|error| {
                let near = error.near().map(|near| format!("; --name {near} gives it one")).unwrap_or_default();
                Refusal::usage(format!("{error}{near}"))
            }),
        }
    }

    fn content(&self) -> Result<Sent, Refusal> {
        let path = Path::new(&self.what);
        if self.what.starts_with("s3://") || self.what.starts_with("file://") {
            return Ok(Sent::Address);
        }
        if path.is_dir() {
            let files = Files::of_folder(path, self.main.as_deref(), self.hidden)?;
            files.check()?;
            return Ok(Sent::Files(files));
        }
        if self.main.is_some() {
            return Err(Refusal::usage("--main is for a folder; a file is where its own run begins"));
        }
        let content = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Refusal::usage(format!("{}: {}", path.display(), hints::no_such_file(path)))
            }
            _ => Refusal::usage(format!("{}: {error}", path.display())),
        })?;
        if source_files::is_archive(&content) || source_files::is_compiled(&content) {
            return Ok(Sent::File(content));
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let files = Files::of_file(path, file, content.clone())?;
        // One file alone goes as it is: the server reads its encoding.
        Ok(if files.files.len() == 1 { Sent::File(content) } else { Sent::Files(files) })
    }

    /// The script as it is on the server. A token that may not look at it pushes all the same.
    async fn before(&self, server: &Server, name: &Name) -> Result<Option<Before>, Refusal> {
        let path = format!("/v1/scripts/{}", part(name.as_str()));
        let script: ScriptBody = match server.attempt(server.request(Method::GET, &path)).await? {
            Ok(response) => response.json().await.map_err(Refusal::unavailable)?,
            Err(problem) if matches!(problem.status, 403 | 404) => return Ok(None),
            Err(problem) => return Err(server.refused(&problem)),
        };
        if script.name != name.as_str() && self.name.is_none() {
            return Err(Refusal::usage(format!(
                "there is a script {} already, whose name differs in case only: --name {} makes this a version of it, another \
                 name keeps both",
                script.name, script.name
            )));
        }
        let schedules = all_pages::<ScheduleBody>(server, "/v1/schedules", &[("script", script.name.clone())]).await;
        let schedules = schedules.unwrap_or_default().into_iter();
        Ok(Some(Before { script, schedules: schedules.map(|schedule| (schedule.id.clone(), schedule)).collect() }))
    }

    fn request(&self, server: &Server, name: &Name, sent: &Sent) -> Result<RequestBuilder, Refusal> {
        let mut query = Vec::new();
        query.extend(self.no_check.then_some(("check", "false")));
        query.extend(self.upgrade.then_some(("upgrade", "true")));
        let mut request = server.request(Method::PUT, &format!("/v1/scripts/{}", part(name.as_str()))).query(&query);
        let bytes = |content: Vec<u8>| (reqwest::header::CONTENT_TYPE, "application/octet-stream", content);
        let (header, kind, body) = match sent {
            Sent::Address => return Ok(request.json(&json!({"from": self.what}))),
            Sent::File(content) => bytes(content.clone()),
            Sent::Files(files) => {
                let texts: Option<BTreeMap<&str, &str>> =
                    files.files.iter().map(|(path, content)| Some((&**path, str::from_utf8(content).ok()?))).collect();
                match texts {
                    Some(texts) => return Ok(request.json(&json!({"files": texts, "main": files.main}))),
                    None => {
                        request = request.query(&[("main", &files.main)]);
                        let list: Vec<(String, Bytes)> = files
                            .files
                            .iter()
                            .map(|(path, content)| (path.clone(), Bytes::from(content.clone())))
                            .collect();
                        bytes(source_files::pack(&list).map_err(|error| Refusal::usage(error.to_string()))?)
                    }
                }
            }
        };
        Ok(request.header(header, kind).body(body))
    }
}

/// A syntax error as CPython shows it.
fn as_python(problem: &ProblemBody, sent: &Sent, what: &str) -> String {
    let (message, shown) = problem.detail.split_once('\n').unwrap_or((&problem.detail, ""));
    let message = message.split_once(": ").map_or(message, |(_, message)| message);
    let (Some(number), Sent::File(source)) = (problem.line, sent) else {
        return format!("{}\n{shown}", problem.detail.lines().next().unwrap_or_default()).trim_end().to_owned();
    };
    let source = String::from_utf8_lossy(source);
    let line = source.lines().nth(number.saturating_sub(1) as usize).unwrap_or(shown);
    let (text, indent) = (line.trim(), line.chars().take_while(|c| c.is_whitespace()).count());
    let before: String = text.chars().take((problem.column.unwrap_or(1) as usize).saturating_sub(1 + indent)).collect();
    let caret = format!("{}^", " ".repeat(before.width()));
    format!(
        "{what} was not taken ({})\n  File \"{what}\", line {number}\n    {}\n    {caret}\nSyntaxError: {message}",
        problem.code,
        plain(text, 500)
    )
}

/// Tells what came of it.
pub(super) fn tell(kept: &UploadedBody, before: Option<&Before>) -> Result<Exit, Refusal> {
    let (script, view) = (&kept.body, view());
    let entry = script.entry.as_deref().unwrap_or("run");
    let how = match (script.mode.as_deref(), &script.signature) {
        (Some("function"), Some(signature)) => format!("calls {entry}{}", plain(signature, 80)),
        (Some("function"), None) => format!("calls {entry}()"),
        (Some(_), _) => "runs from top to bottom".to_owned(),
        (None, _) => "not checked".to_owned(),
    };
    let was = match before {
        None => String::new(),
        Some(before) if before.script.version == script.version => " (as it was)".to_owned(),
        Some(before) => format!(" (was {})", before.script.version),
    };
    say(&format!("{} version {}{} · {how}", script.name, script.version, view.paint(DIM, &was)))?;
    packages(&script.packages, before.map(|before| before.script.packages.as_slice()).unwrap_or_default())?;
    schedules(&kept.schedules, before)?;
    let refused =
        |what: &str, name: &str| kept.not_granted.iter().any(|one| one.what.starts_with(what) && one.asked == name);
    for host in script.settings.allow.texts().filter(|host| !refused("allow", host)) {
        line("host", &view.paint(GOOD, "✓"), &format!("{} is granted", plain(host, 200)))?;
    }
    for secret in script.settings.secrets.iter().flatten().filter(|secret| !refused("secrets", secret)) {
        line("secret", &view.paint(GOOD, "✓"), &format!("{secret} is granted"))?;
    }
    for refused in &kept.not_granted {
        let what = match refused.what.as_str() {
            what if what.starts_with("allow") => "host",
            what if what.starts_with("secret") => "secret",
            what => what.strip_prefix("limits.").unwrap_or(what),
        };
        let next = match what {
            _ if !refused.grantable => String::new(),
            "host" => format!("; `cronbox grant {} --host {}` allows it", script.name, refused.asked),
            "secret" => format!("; `cronbox grant {} --secret {}` allows it", script.name, refused.asked),
            limit => {
                // As the script has it: what is shown for people is rounded, and has blanks.
                let written = script.settings.limits.written(limit).map(ToString::to_string);
                let asked = written.unwrap_or_else(|| refused.asked.clone()).replace(' ', "");
                format!("; `cronbox grant {} --limit {limit}={asked}` allows it", script.name)
            }
        };
        let text = format!("{} is not granted ({}){next}", plain(&refused.asked, 200), plain(&refused.in_force, 200));
        line(what, &view.paint(WARN, "!"), &text)?;
    }
    for warning in &script.warnings {
        complain(&format!("warning: line {}: {} ({})", warning.line, warning.message, warning.code));
    }
    Ok(Exit::Succeeded)
}

/// One thing that was made, changed or removed.
fn line(what: &str, sign: &str, text: &str) -> Result<(), Refusal> {
    say(&format!("  {what:<9} {sign} {text}"))
}

fn packages(now: &[Locked], before: &[Locked]) -> Result<(), Refusal> {
    let view = view();
    for package in now {
        let shown = format!("{} {}", package.name, package.version);
        match before.iter().find(|other| other.name == package.name) {
            None => line("package", &view.paint(GOOD, "+"), &shown)?,
            Some(other) if other.version != package.version => {
                line("package", &view.paint(WARN, "~"), &format!("{shown} (was {})", other.version))?;
            }
            Some(_) => {}
        }
    }
    for package in before.iter().filter(|package| !now.iter().any(|other| other.name == package.name)) {
        line("package", &view.paint(BAD, "-"), &format!("{} {}", package.name, package.version))?;
    }
    let same = now.len() - now.iter().filter(|package| !before.contains(package)).count();
    if same > 0 {
        line("packages", "=", &format!("{} as they were", quantity::count(same, "package")))?;
    }
    Ok(())
}

/// The schedules that the script's own block says; those that a request made stay as they are.
fn schedules(now: &[ScheduleBody], before: Option<&Before>) -> Result<(), Refusal> {
    let (view, times) = (view(), Times::here());
    let next = |schedule: &ScheduleBody| match schedule.next_fire_at.as_deref().and_then(read) {
        Some(_) if schedule.state == "active" => {
            format!("next {}", times.full(schedule.next_fire_at.as_deref().unwrap_or_default()))
        }
        _ => schedule.state.clone(),
    };
    for schedule in now {
        let was = before.and_then(|before| before.schedules.get(&schedule.id));
        let (sign, what) = match was {
            _ if schedule.origin == "request" => ("=", ""),
            None => ("+", ""),
            Some(was)
                if (&was.trigger, &was.settings, &was.state)
                    == (&schedule.trigger, &schedule.settings, &schedule.state) =>
            {
                ("=", "")
            }
            Some(_) => ("~", " (changed)"),
        };
        let style = if sign == "~" { WARN } else { GOOD };
        let text = format!("{}{what} · {} · {}", schedule.id, plain(&schedule.text, 100), next(schedule));
        line("schedule", &view.paint(style, sign), &text)?;
    }
    for gone in before.iter().flat_map(|before| before.schedules.values()) {
        if !now.iter().any(|schedule| schedule.id == gone.id) {
            line("schedule", &view.paint(BAD, "-"), &format!("{} · {} · removed", gone.id, plain(&gone.text, 100)))?;
        }
    }
    Ok(())
}
