//! Schedules from one server to another: `cronbox schedule export`, `cronbox schedule import`.

use super::Exit;
use super::client::{Refusal, Server, all_of, part, say, told};
use super::schedule_options::Fields;
use super::table::{Cell, Table, column};
use super::view::{BAD, WARN, view};
use crate::api::ScheduleBody;
use crate::exact::Exact;
use crate::schedule::request::as_asked;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

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

/// Makes the schedules of an exported document, each by itself: one that is refused is named, and holds up no other.
pub(super) async fn import(server: &Server, file: &Path, dry_run: bool, as_json: bool) -> Result<Exit, Refusal> {
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
        return Err(Refusal::usage(format!("{shown} is not a document of `cronbox schedule export` of this version")));
    };
    let mut report = Report::default();
    for (number, mut body) in (1..).zip(document.schedules) {
        let id = body.remove("id").and_then(|id| id.as_text()).unwrap_or_default();
        if id.is_empty() {
            report.refuse(format!("schedule {number}"), "it has no id".into());
        } else if let Err(why) = report.put(server, &id, &body, dry_run).await? {
            report.refuse(format!("schedule {id}"), why);
        }
    }
    report.tell(as_json)
}

/// What was done, schedule by schedule.
#[derive(Default)]
pub(super) struct Report {
    rows: Vec<(String, String, &'static str)>,
    /// What was not taken, and why.
    refused: Vec<(String, String)>,
    /// What the user should know of what was taken.
    notes: Vec<String>,
}

impl Report {
    /// Notes what would be made, where the server cannot be asked yet.
    pub(super) fn would_make(&mut self, id: String, trigger: String) {
        self.rows.push((id, trigger, "would be made"));
    }

    /// Notes what is not taken.
    pub(super) fn refuse(&mut self, what: String, why: String) {
        self.refused.push((what, why));
    }

    /// Notes what the user should know.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Makes a schedule so. The inner error is a sentence: the server refuses it.
    pub(super) async fn put(
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
            Err(problem) if (400..500).contains(&problem.status) => return Ok(Err(told(&problem))),
            Err(problem) => return Err(server.refused(&problem)),
        };
        let request = server.request(Method::PUT, &format!("{path}?dry_run={dry_run}")).json(body);
        let now: ScheduleBody = match server.attempt(request).await? {
            Ok(response) => response.json().await.map_err(Refusal::unavailable)?,
            // What is refused is this schedule; a server that is away refuses nothing.
            Err(problem) if (400..500).contains(&problem.status) => return Ok(Err(told(&problem))),
            Err(problem) => return Err(server.refused(&problem)),
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

    /// Tells all of it; the exit code says whether anything was not taken.
    pub(super) fn tell(&self, as_json: bool) -> Result<Exit, Refusal> {
        if as_json {
            let row = |(id, text, what): &(String, String, &str)| json!({"id": id, "trigger": text, "what": what});
            let other = |(what, why): &(String, String)| json!({"what": what, "why": why});
            let rows: Vec<Value> = self.rows.iter().map(row).collect();
            let refused: Vec<Value> = self.refused.iter().map(other).collect();
            say(&json!({"schedules": rows, "not_imported": refused, "notes": self.notes}).to_string())?;
        } else {
            let row = |(id, text, what): &(String, String, &'static str)| {
                vec![Cell::from(&**id), Cell::status(what), text.as_str().into()]
            };
            let columns = [column("ID").shrinks_to(12), column("WHAT"), column("TRIGGER").shrinks_to(14)];
            Table::of(&columns, &self.rows, row).print()?;
            for (what, why) in &self.refused {
                say(&format!("{} {what}: {why}", view().paint(BAD, "not imported:")))?;
            }
            for note in &self.notes {
                say(&format!("{} {note}", view().paint(WARN, "note:")))?;
            }
        }
        Ok(if self.refused.is_empty() { Exit::Succeeded } else { Exit::Failed })
    }
}
