//! What an operator looks at first: everything that a server with this configuration would use, tried from outside. Nothing of
//! it is changed, but for one object that is written to the blobs and deleted again.

use super::Config;
use crate::blobs::{BlobLocation, Blobs};
use crate::clock::{Clock, Time, rfc3339};
use crate::http::validity;
use crate::keyring::Keyring;
use crate::quantity::{self, bytes, written};
use crate::schedule::{Schedule, ScheduleFilter, State};
use crate::store::{DatabaseUrl, Store};
use rustix::fs::statvfs;
use std::path::Path;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// As it should be.
    Fine,
    /// Somebody should look at it.
    Warning,
    /// The server does not start with it, or loses something.
    Problem,
}

/// What was found about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub topic: &'static str,
    /// How that is.
    pub severity: Severity,
    /// A sentence.
    pub text: String,
}

/// The part of a disk that has to be free.
const FREE: f64 = 0.1;
/// How far this machine's clock may be from the database's, in seconds. Nodes go by that of the database.
const SKEW: i64 = 2;
/// Most schedules that are looked at.
const MOST: usize = 100_000;

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, topic: &'static str, severity: Severity, text: impl Into<String>) {
        self.0.push(Finding { topic, severity, text: text.into() });
    }
}

/// Looks at everything that a server with this configuration would use.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let mut found = Findings::default();
    look_at_certificate(config, Clock::system().now(), &mut found);
    look_at_disk(config, &mut found);
    look_at_blobs(config, &mut found).await;
    match config.storage.database() {
        Ok(place) => look_at_database(config, &place, &mut found).await,
        Err(why) => found.add("database", Severity::Problem, why.to_string()),
    }
    found.0
}

fn look_at_certificate(config: &Config, now: Time, found: &mut Findings) {
    let topic = "certificate";
    let files = match config.listening.certificate() {
        Ok(None) => return,
        Ok(Some(files)) => files,
        Err(why) => return found.add(topic, Severity::Problem, why.to_string()),
    };
    let certificate = match files.read() {
        Ok(certificate) => certificate,
        Err(why) => return found.add(topic, Severity::Problem, why.to_string()),
    };
    let is_valid = (certificate.begins_at..certificate.expires_at).contains(&now);
    let (severity, text) = match validity(certificate.begins_at, certificate.expires_at, now) {
        None => (Severity::Fine, format!("valid until {}", rfc3339(certificate.expires_at))),
        Some(warning) => (if is_valid { Severity::Warning } else { Severity::Problem }, warning),
    };
    found.add(topic, severity, format!("{}: {text}", files.certificate.display()));
}

/// How much room there is where something is kept in files.
fn look_at_disk(config: &Config, found: &mut Findings) {
    let mut folders = Vec::new();
    if let Ok(DatabaseUrl::Sqlite(path)) = config.storage.database() {
        folders.extend(path.parent().map(Path::to_owned));
    }
    if let BlobLocation::Disk(path) = config.storage.blobs() {
        folders.push(path);
    }
    let places = folders.iter().map(|folder| (folder, folder.ancestors().find(|folder| folder.is_dir())));
    let mut seen = Vec::new();
    for (folder, there) in places {
        // A path that does not say where it begins is below this folder.
        let there = there.unwrap_or(Path::new("."));
        let Ok(disk) = statvfs(if there.as_os_str().is_empty() { Path::new(".") } else { there }) else { continue };
        if seen.contains(&disk.f_fsid) {
            continue;
        }
        seen.push(disk.f_fsid);
        let room = |blocks: u64| bytes(blocks.saturating_mul(disk.f_frsize));
        let text = format!("{}: {} of {} are free", folder.display(), room(disk.f_bavail), room(disk.f_blocks));
        let is_short = (disk.f_bavail as f64) < disk.f_blocks as f64 * FREE;
        found.add("disk", if is_short { Severity::Warning } else { Severity::Fine }, text);
    }
}

async fn look_at_blobs(config: &Config, found: &mut Findings) {
    let (topic, place) = ("blobs", config.storage.blobs());
    let shown = match &place {
        BlobLocation::Memory => return,
        BlobLocation::Disk(path) if !path.exists() => {
            return found.add(topic, Severity::Fine, format!("{} is not there yet; a server makes it", path.display()));
        }
        BlobLocation::Disk(path) => path.display().to_string(),
        BlobLocation::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
    };
    let blobs = match Blobs::open(&place, &config.s3) {
        Ok(blobs) => blobs,
        Err(why) => return found.add(topic, Severity::Problem, why.to_string()),
    };
    let tried = blobs.try_each().await;
    for (verb, why) in tried.iter().filter_map(|(verb, done)| Some((verb, done.as_ref().err()?))) {
        found.add(topic, Severity::Problem, format!("{shown}: objects cannot be {verb}: {why}"));
    }
    if tried.iter().all(|(_, done)| done.is_ok()) {
        let verbs: Vec<&str> = tried.iter().map(|(verb, _)| *verb).collect();
        found.add(topic, Severity::Fine, format!("{shown}: objects can be {}", verbs.join(", ")));
    }
}

async fn look_at_database(config: &Config, place: &DatabaseUrl, found: &mut Findings) {
    let topic = "database";
    let peek = match Store::peek(place).await {
        Ok(Some(peek)) => peek,
        Ok(None) if *place == DatabaseUrl::Memory => return,
        Ok(None) => return found.add(topic, Severity::Fine, "it is not there yet; a server makes it"),
        Err(why) => return found.add(topic, Severity::Problem, why.to_string()),
    };
    let settings = peek.settings.iter().map(|(name, value)| format!(", {name} {value}")).collect::<String>();
    let newest = peek.newest;
    let (severity, schema) = match peek.schema {
        None => (Severity::Fine, "no server has used it yet".to_owned()),
        Some(schema) if schema == newest => (Severity::Fine, format!("schema {schema}")),
        Some(schema) if schema < newest => {
            (Severity::Warning, format!("schema {schema}; a server of this version changes it to {newest}"))
        }
        Some(schema) => {
            (Severity::Problem, format!("schema {schema} is newer than this program, which knows it up to {newest}"))
        }
    };
    found.add(topic, severity, format!("{}: {schema}{settings}", peek.engine));
    for (name, value) in &peek.settings {
        if matches!((*name, value.as_str()), ("fsync" | "full_page_writes" | "synchronous_commit", "off")) {
            let text = format!("{name} is off: what was accepted can be lost when the database's machine stops");
            found.add(topic, Severity::Problem, text);
        }
    }
    if let Some(theirs) = peek.time {
        let skew = (Clock::system().now() - theirs).num_seconds();
        let (severity, text) = if skew.abs() > SKEW {
            let text =
                "this machine's clock is not that of the database, which nodes go by, and log lines have other times";
            (Severity::Warning, format!("{skew} s from the database's: {text}"))
        } else {
            (Severity::Fine, "as the database's".to_owned())
        };
        found.add("clock", severity, text);
    }
    // An older database is not opened: that would change it.
    if peek.schema == Some(newest) {
        match Store::open(place).await {
            Ok(store) => {
                look_at_content(config, &store, found).await;
                store.close().await;
            }
            Err(why) => found.add(topic, Severity::Problem, why.to_string()),
        }
    }
}

/// Looks at secrets, schedules and backups.
async fn look_at_content(config: &Config, store: &Store, found: &mut Findings) {
    let lost = match config.keys() {
        Err(why) => Err(why.to_string()),
        Ok(source) => {
            let keyring = Keyring::new(source.clone());
            let lost = super::secrets::unreadable_secrets(store, &keyring, &source, &config.storage.data_dir).await;
            lost.map_err(|error| error.to_string())
        }
    };
    match lost {
        Ok(None) => found.add("secrets", Severity::Fine, "there is a key for each"),
        Ok(Some(why)) | Err(why) => found.add("secrets", Severity::Problem, why),
    }
    let filter = ScheduleFilter { limit: MOST, ..ScheduleFilter::default() };
    match store.schedules(filter).await {
        Err(why) => found.add("schedules", Severity::Problem, why.to_string()),
        Ok(schedules) => {
            let silent: Vec<String> = schedules.iter().filter_map(silent).collect();
            if silent.is_empty() {
                found.add("schedules", Severity::Fine, format!("{} of {} can fire", schedules.len(), schedules.len()));
            }
            silent.into_iter().for_each(|why| found.add("schedules", Severity::Warning, why));
        }
    }
    look_at_backups(config, store, Clock::system().now(), found).await;
}

/// How old the last backup is, whoever made it. One that the server makes itself and that is overdue is worth a warning.
async fn look_at_backups(config: &Config, store: &Store, now: Time, found: &mut Findings) {
    let topic = "backups";
    let last = match store.last_backup().await {
        Ok(last) => last,
        Err(why) => return found.add(topic, Severity::Problem, why.to_string()),
    };
    let every = config.backup.backup_every;
    let age = last.map(|last| (now - last.started_at).to_std().unwrap_or_default());
    let mut text = match (last, age) {
        (Some(last), Some(age)) => {
            format!("the last one was begun {} ago and has {}", quantity::age(age), bytes(last.bytes))
        }
        _ => "none was made: cronbox backup PLACE makes one".to_owned(),
    };
    let is_late = every.is_some_and(|every| age.is_none_or(|age| age > every * 2));
    if let Some(every) = every.filter(|_| is_late) {
        let due = format!(", and the server is to make one every {}: its log says why there is none", written(every));
        text = match age {
            Some(_) => text + &due,
            None => format!("none was made{due}"),
        };
    }
    found.add(topic, if is_late { Severity::Warning } else { Severity::Fine }, text);
}

/// Why a schedule does not fire, where nobody asked for that.
fn silent(schedule: &Schedule) -> Option<String> {
    let id = &schedule.id;
    if let Err(why) = schedule.trigger.parsed() {
        return Some(format!("{id} cannot fire: its trigger cannot be read: {why}"));
    }
    match (schedule.state, &schedule.reason) {
        (State::Paused, Some(why)) => Some(format!("{id} does not fire: it is paused: {why}")),
        (State::Active, _) if schedule.next_fire_at.is_none() && schedule.trigger.json()["type"] != "after" => {
            Some(format!("{id} cannot fire: {} has no fire time any more", schedule.trigger.text()))
        }
        _ => None,
    }
}
