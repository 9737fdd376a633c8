//! `cronbox schedule import`, `export`: schedules from a crontab, and from one server to another.

use super::Exit;
use super::client::{Refusal, Server, part, say, table, told};
use super::schedules::{Fields, all_of};
use crate::api::ScheduleBody;
use crate::config;
use crate::crontab::{self, Crontab, Job, Other};
use crate::exact::Exact;
use crate::script::Name;
use crate::timetable::as_asked;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What an exported document says it is.
const VERSION: u64 = 1;

/// What is exported.
#[derive(Serialize)]
struct Exported {
    schedules: Vec<Fields>,
    version: u64,
}

/// The same, read again: each field as it was written.
#[derive(Deserialize)]
struct Document {
    version: u64,
    schedules: Vec<BTreeMap<String, Exact>>,
}

/// Prints all schedules as they would be asked for.
pub(super) async fn export(server: &Server) -> Result<Exit, Refusal> {
    let asked = |schedule: &ScheduleBody| {
        let mut asked = as_asked(&schedule.settings, &schedule.trigger);
        asked.insert("id".into(), schedule.id.clone().into());
        asked.insert("script".into(), schedule.script.clone().into());
        asked.insert("paused".into(), (schedule.state == "paused").into());
        Fields { args: schedule.settings.args.clone(), rest: asked }
    };
    // Those of a script's metadata come with the script; those that are over are history.
    let all = all_of(server, &[]).await?;
    let kept = all.iter().filter(|schedule| schedule.origin == "request" && schedule.state != "finished");
    let document = Exported { version: VERSION, schedules: kept.map(asked).collect() };
    say(&serde_json::to_string_pretty(&document).map_err(Refusal::unavailable)?)?;
    Ok(Exit::Succeeded)
}

/// Makes the schedules of an exported document; those that are there and the same are left alone.
pub(super) async fn document(server: &Server, file: &Path, dry_run: bool, as_json: bool) -> Result<Exit, Refusal> {
    let shown = file.display();
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|error| Refusal::usage(format!("{shown}: {error}")))?;
    // JSON first: a file that is none is told of by the place where it breaks.
    Exact::parse(&text).map_err(|error| Refusal::usage(format!("{shown}: {error}")))?;
    let document = serde_json::from_str(&text).ok().filter(|document: &Document| document.version == VERSION);
    let Some(document) = document else {
        return Err(Refusal::usage(format!("{shown} is no document of `cronbox schedule export` of this version")));
    };
    let mut report = Report::default();
    for mut body in document.schedules {
        let id = body.remove("id").and_then(|id| id.as_text()).unwrap_or_default();
        report.put(server, &id, &body, dry_run).await?.map_err(Refusal::unavailable)?;
    }
    report.tell(&[], as_json)
}

/// Pushes the Python files of a crontab and makes schedules of its lines.
pub(super) async fn crontab(
    server: &Server,
    file: &Path,
    timezone: Option<&str>,
    home: Option<PathBuf>,
    dry_run: bool,
    as_json: bool,
) -> Result<Exit, Refusal> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| Refusal::usage(format!("{shown}: {error}")))?;
    let home = home.or_else(config::home).unwrap_or_else(|| "/".into());
    let Crontab { jobs, mut others } = crontab::read(&text, &home);
    let names = names(&jobs);
    let mut report = Report::default();
    let mut pushed: BTreeMap<&Path, &Job> = BTreeMap::new();
    for job in &jobs {
        let mut refuse = |why: String| {
            let text = text.lines().nth(job.line - 1).unwrap_or_default().trim().to_owned();
            others.push(Other { line: job.line, text, why });
        };
        let script = match names.get(job.file.as_path()) {
            Some(Ok(script)) => script,
            Some(Err(why)) => {
                refuse(why.clone());
                continue;
            }
            None => continue,
        };
        match pushed.get(job.file.as_path()) {
            Some(other) if other.env != job.env => {
                refuse(format!("it runs {} with another environment than line {}", job.file.display(), other.line));
                continue;
            }
            Some(_) => {}
            None => {
                if let Err(why) = push(server, script, job, dry_run).await? {
                    refuse(why);
                    continue;
                }
                pushed.insert(&job.file, job);
            }
        }
        let mut trigger = json!({"type": "cron", "crontab": job.when});
        if let Some(zone) = job.timezone.as_deref().or(timezone) {
            trigger["timezone"] = zone.into();
        }
        let mut body = json!({"script": script.as_str(), "trigger": trigger});
        if !job.argv.is_empty() {
            body["argv"] = json!(job.argv);
        }
        if let Some(timeout) = &job.timeout {
            body["limits"] = json!({"timeout": timeout});
        }
        // Without its script on the server, nothing can be tried there.
        let id = job.id(script.as_str());
        if dry_run {
            report.rows.push((id, job.when.clone(), "would be made"));
        } else if let Err(why) = report.put(server, &id, &body, false).await? {
            refuse(why);
        }
    }
    others.sort_by_key(|other| other.line);
    report.tell(&others, as_json)
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

/// Uploads a file as a script. The inner error is a sentence: the line is not taken.
async fn push(server: &Server, script: &Name, job: &Job, dry_run: bool) -> Result<Result<(), String>, Refusal> {
    let content = match std::fs::read(&job.file) {
        Ok(content) => content,
        Err(error) => return Ok(Err(format!("{} cannot be read: {error}", job.file.display()))),
    };
    let Ok(source) = String::from_utf8(content) else {
        return Ok(Err(format!("{} is no UTF-8 text", job.file.display())));
    };
    if dry_run {
        return Ok(Ok(()));
    }
    let mut body = json!({"source": source});
    if !job.env.is_empty() {
        body["env"] = json!(job.env);
    }
    let request = server.request(Method::PUT, &format!("/v1/scripts/{}", part(script.as_str()))).json(&body);
    let answer = server.attempt(request).await?;
    Ok(answer.map(|_| ()).map_err(|problem| format!("{} was refused: {}", job.file.display(), told(&problem))))
}

/// What was done, schedule by schedule.
#[derive(Default)]
struct Report {
    rows: Vec<(String, String, &'static str)>,
}

impl Report {
    /// Makes a schedule so. The inner error is a sentence: the server refuses it.
    async fn put(
        &mut self,
        server: &Server,
        id: &str,
        body: &impl Serialize,
        dry_run: bool,
    ) -> Result<Result<(), String>, Refusal> {
        let path = format!("/v1/schedules/{}", part(id));
        let before: Option<ScheduleBody> = match server.attempt(server.request(Method::GET, &path)).await? {
            Ok(response) => Some(response.json().await.map_err(Refusal::unavailable)?),
            Err(problem) if problem.code == "no_such_schedule" => None,
            Err(problem) => return Ok(Err(told(&problem))),
        };
        let request = server.request(Method::PUT, &format!("{path}?dry_run={dry_run}")).json(body);
        let now: ScheduleBody = match server.attempt(request).await? {
            Ok(response) => response.json().await.map_err(Refusal::unavailable)?,
            Err(problem) => return Ok(Err(told(&problem))),
        };
        let made = before.is_none();
        let is_same = before.is_some_and(|before| {
            (before.trigger, before.settings, before.script, before.state)
                == (now.trigger, now.settings, now.script, now.state)
        });
        let what = match (made, is_same, dry_run) {
            (_, true, _) => "as it was",
            (true, _, false) => "made",
            (true, _, true) => "would be made",
            (false, _, false) => "changed",
            (false, _, true) => "would be changed",
        };
        self.rows.push((now.id, now.text, what));
        Ok(Ok(()))
    }

    fn tell(&self, others: &[Other], as_json: bool) -> Result<Exit, Refusal> {
        if as_json {
            let row = |(id, text, what): &(String, String, &str)| json!({"id": id, "trigger": text, "what": what});
            let other = |other: &Other| json!({"line": other.line, "text": other.text, "why": other.why});
            let rows: Vec<Value> = self.rows.iter().map(row).collect();
            say(&json!({"schedules": rows, "not_imported": others.iter().map(other).collect::<Vec<_>>()}).to_string())?;
        } else {
            let row = |(id, text, what): &(String, String, &str)| vec![id.clone(), (*what).to_owned(), text.clone()];
            table(&["ID", "WHAT", "TRIGGER"], &self.rows.iter().map(row).collect::<Vec<_>>())?;
            for other in others {
                say(&format!("not imported: line {}: {}: {}", other.line, other.why, other.text))?;
            }
        }
        Ok(if others.is_empty() { Exit::Succeeded } else { Exit::Failed })
    }
}
