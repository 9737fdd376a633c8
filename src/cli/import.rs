//! Schedules out of a crontab: its Python files are pushed, its lines become schedules.
//!
//! A line is judged before anything of it is kept: its trigger first, then its file. What a dry run says is what the import
//! does.

use super::Exit;
use super::bundle::Files;
use super::client::{Refusal, Server, part, told};
use super::export::Report;
use crate::api::{PreviewBody, ScriptBody};
use crate::config;
use crate::crontab::{self, Crontab, Job};
use crate::script::Name;
use crate::source_files::Sources;
use crate::zone;
use bytes::Bytes;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How a crontab is taken over.
#[derive(Debug, Default)]
pub(super) struct ImportOptions {
    /// The zone of lines that name none; without it, the zone of this machine, as for cron itself.
    pub(super) timezone: Option<String>,
    /// Where its commands begin.
    pub(super) home: Option<PathBuf>,
    /// Whether nothing is kept.
    pub(super) dry_run: bool,
    /// Whether scripts that are there already get a new version.
    pub(super) replace: bool,
}

/// Pushes the Python files of a crontab and makes schedules of its lines.
pub(super) async fn crontab(
    server: &Server,
    file: &Path,
    options: &ImportOptions,
    as_json: bool,
) -> Result<Exit, Refusal> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| Refusal::usage(format!("{shown}: {error}")))?;
    let home = options.home.clone().or_else(config::home).unwrap_or_else(|| "/".into());
    let Crontab { jobs, others } = crontab::read(&text, &home);
    let names = names(&jobs);
    let mut report = Report::default();
    let timezone = options.timezone.clone().or_else(|| machines_zone(&jobs, &mut report));
    let mut import = Import { server, options, timezone, report, pushed: BTreeMap::new() };
    let mut refused: Vec<(usize, String)> = others.into_iter().map(|other| (other.line, other.why)).collect();
    for job in &jobs {
        let taken = match names.get(job.file.as_path()) {
            Some(Ok(script)) => import.take(job, script).await?,
            Some(Err(why)) => Err(why.clone()),
            None => continue,
        };
        match taken {
            Ok(()) => {
                for note in &job.notes {
                    import.report.note(format!("line {}: {note}", job.line));
                }
            }
            Err(why) => refused.push((job.line, why)),
        }
    }
    refused.sort();
    let mut report = import.report;
    for (number, why) in refused {
        let line = text.lines().nth(number.saturating_sub(1)).unwrap_or_default().trim();
        report.refuse(format!("line {number}"), format!("{why}: {line}"));
    }
    report.tell(as_json)
}

/// The zone in which cron reads the lines on this machine; says which one it is, if a line needs it.
fn machines_zone(jobs: &[Job], report: &mut Report) -> Option<String> {
    let zone = zone::of_machine(config::variable("TZ").and_then(|zone| zone.into_string().ok()).as_deref());
    if jobs.iter().any(|job| job.timezone.is_none()) {
        report.note(match &zone {
            Some(zone) => format!(
                "lines without CRON_TZ fire in the zone {zone}, which is this machine's; --timezone ZONE sets another"
            ),
            None => "this machine's time zone is not known (TZ, /etc/localtime): lines without CRON_TZ fire in the \
                     server's zone; --timezone ZONE sets another"
                .to_owned(),
        });
    }
    zone
}

/// An import under way.
struct Import<'a> {
    server: &'a Server,
    options: &'a ImportOptions,
    /// The zone of lines that name none; without it, the server's.
    timezone: Option<String>,
    report: Report,
    /// The first line of each file that was taken, or why the file was not.
    pushed: BTreeMap<&'a Path, (&'a Job, Result<(), String>)>,
}

impl<'a> Import<'a> {
    /// Takes a line. The inner error is a sentence: nothing of it is kept.
    async fn take(&mut self, job: &'a Job, script: &Name) -> Result<Result<(), String>, Refusal> {
        let mut trigger = json!({"type": "cron", "crontab": job.when});
        if let Some(zone) = job.timezone.as_deref().or(self.timezone.as_deref()) {
            trigger["timezone"] = zone.into();
        }
        // The server judges it: its zones, its rules.
        let body = json!({"trigger": trigger, "count": 1});
        let asked = self.server.request(Method::POST, "/v1/triggers/preview").json(&body);
        let text = match self.server.attempt(asked).await? {
            Ok(response) => response.json::<PreviewBody>().await.map_err(Refusal::unavailable)?.text,
            Err(problem) if problem.status == 422 || problem.status == 400 => return Ok(Err(told(&problem))),
            Err(problem) => return Err(self.server.refused(&problem)),
        };
        let is_new = match self.pushed.get(job.file.as_path()) {
            Some((other, _)) if other.env != job.env => {
                let why = format!("it runs {} with another environment than line {}", job.file.display(), other.line);
                return Ok(Err(why));
            }
            Some((_, pushed)) => match pushed {
                Ok(()) => false,
                Err(why) => return Ok(Err(why.clone())),
            },
            None => {
                let pushed = self.push(script, job).await?;
                let is_new = pushed.as_ref().copied().unwrap_or_default();
                let pushed = pushed.map(|_| ());
                self.pushed.insert(&job.file, (job, pushed.clone()));
                if let Err(why) = pushed {
                    return Ok(Err(why));
                }
                is_new
            }
        };
        let mut body = json!({"script": script.as_str(), "trigger": trigger});
        if !job.argv.is_empty() {
            body["argv"] = json!(job.argv);
        }
        if let Some(timeout) = &job.timeout {
            body["limits"] = json!({"timeout": timeout});
        }
        let id = job.id(script.as_str());
        // Without its script on the server, nothing more can be tried there.
        if self.options.dry_run && is_new {
            self.report.would_make(id, text);
            return Ok(Ok(()));
        }
        let made = self.report.put(self.server, &id, &body, self.options.dry_run).await?;
        if made.is_err() && is_new {
            // Nothing is left behind of a line that is refused.
            let path = format!("/v1/scripts/{}", part(script.as_str()));
            let _ = self.server.attempt(self.server.request(Method::DELETE, &path)).await?;
            self.pushed.remove(job.file.as_path());
        }
        Ok(made)
    }

    /// Uploads a file as a script; whether that is new. The inner error is a sentence: the line is not taken.
    async fn push(&mut self, script: &Name, job: &Job) -> Result<Result<bool, String>, Refusal> {
        let shown = job.file.display();
        let content = match std::fs::read(&job.file) {
            Ok(content) => content,
            Err(error) => return Ok(Err(format!("{shown} cannot be read: {error}"))),
        };
        let file = job.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let files = match Files::of_file(&job.file, file, content) {
            Ok(files) => files,
            Err(Refusal(_, why)) => return Ok(Err(why)),
        };
        let texts: Option<BTreeMap<&str, &str>> =
            files.files.iter().map(|(path, content)| Some((&**path, str::from_utf8(content).ok()?))).collect();
        let Some(texts) = texts else {
            return Ok(Err(format!("{shown} is not UTF-8 text; push it by itself: cronbox push {shown}")));
        };
        let path = format!("/v1/scripts/{}", part(script.as_str()));
        let before: Option<ScriptBody> = match self.server.attempt(self.server.request(Method::GET, &path)).await? {
            Ok(response) => Some(response.json().await.map_err(Refusal::unavailable)?),
            Err(problem) if problem.status == 404 => None,
            Err(problem) if problem.status == 403 => return Ok(Err(told(&problem))),
            Err(problem) => return Err(self.server.refused(&problem)),
        };
        if let Some(before) = &before {
            if is_same(script, &files, before, job) {
                return Ok(Ok(false));
            }
            if !self.options.replace {
                return Ok(Err(format!(
                    "there is a script {} already, with another content or environment than {shown}: --replace makes \
                     a new version of it; to keep both, push {shown} with --name",
                    before.name
                )));
            }
        }
        let mut body = match files.files.len() {
            1 => json!({"source": texts.values().next()}),
            _ => json!({"files": texts, "main": files.main}),
        };
        if !job.env.is_empty() {
            body["env"] = json!(job.env);
        }
        let path = format!("{path}?dry_run={}", self.options.dry_run);
        let request = self.server.request(Method::PUT, &path).json(&body);
        match self.server.attempt(request).await? {
            Ok(_) => {}
            Err(problem) if (400..500).contains(&problem.status) => {
                return Ok(Err(format!("{shown} was refused: {}", told(&problem))));
            }
            Err(problem) => return Err(self.server.refused(&problem)),
        }
        if !files.along.is_empty() {
            self.report.note(format!("{} came along with {shown}, which imports it", files.along.join(", ")));
        }
        if let Some(before) = &before {
            let would = if self.options.dry_run { "would get" } else { "got" };
            self.report.note(format!("the script {}, which was there already, {would} a new version", before.name));
        }
        Ok(Ok(before.is_none()))
    }
}

/// Whether a script is on the server as this line has it.
fn is_same(script: &Name, files: &Files, before: &ScriptBody, job: &Job) -> bool {
    let list = files.files.iter().map(|(path, content)| (path.clone(), Bytes::from(content.clone()))).collect();
    let sha256 =
        Sources::of_script(script.as_str(), list, Some(&files.main)).ok().and_then(|sources| sources.blob().ok());
    let settings = serde_json::to_value(&before.settings).unwrap_or_default();
    let env: Map<String, Value> = job.env.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let had = settings.get("env").and_then(Value::as_object).cloned().unwrap_or_default();
    // What the source itself sets is not the line's.
    let has_env = env.iter().all(|(name, value)| had.get(name) == Some(value));
    has_env && sha256.is_some_and(|(_, sha256, _)| sha256 == before.sha256)
}

/// The scripts' names: those of the files; where several files have the same, the names of the folders above go before it
/// until they differ. The error is a sentence: the file has no name that a script can have.
fn names(jobs: &[Job]) -> BTreeMap<&Path, Result<Name, String>> {
    let files: BTreeSet<&Path> = jobs.iter().map(|job| job.file.as_path()).collect();
    let deepest = files.iter().map(|file| file.components().count()).max().unwrap_or_default();
    let mut names = BTreeMap::new();
    let mut left: Vec<&Path> = files.into_iter().collect();
    for folders in 0..deepest.max(1) {
        let tried: Vec<(&Path, Result<Name, String>)> =
            left.iter().map(|file| (*file, name_with(file, folders))).collect();
        left.clear();
        for (file, name) in &tried {
            let Ok(own) = name else {
                names.insert(*file, name.clone());
                continue;
            };
            let is_own = |(other, name): &(&Path, Result<Name, String>)| other != file && name.as_ref() == Ok(own);
            let is_taken = names.values().any(|taken: &Result<Name, String>| taken.as_ref() == Ok(own));
            if tried.iter().any(is_own) || is_taken {
                left.push(file);
            } else {
                names.insert(*file, name.clone());
            }
        }
    }
    for file in left {
        names.insert(file, Err(format!("another line's file has the same name as {}", file.display())));
    }
    names
}

/// A file's name with those of so many folders above it.
fn name_with(file: &Path, folders: usize) -> Result<Name, String> {
    let mut parts: Vec<String> =
        file.iter().rev().take(folders + 1).map(|part| part.to_string_lossy().into_owned()).collect();
    parts.retain(|part| part != "/");
    parts.reverse();
    Name::of_file(&parts.join("-")).map_err(|error| {
        let near = error.near().map(|near| format!("; push it with --name {near}")).unwrap_or_default();
        format!("{error}{near}")
    })
}
