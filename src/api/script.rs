//! A script, its versions and its state, as answers tell them.

use super::schedule::ScheduleBody;
use super::values::{millis, time, word};
use crate::exact::Exact;
use crate::limits::NotGranted;
use crate::publication::NewVersion;
use crate::requirement::Locked;
use crate::run::{Activity, RecentRun};
use crate::script::{Function, Functions, Script, Settings, Version, Warning};
use cronbox_runtime::ImageStatus;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Where a linked script is read from.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LinkBody {
    /// `s3://bucket/key` or `file:///path`.
    pub from: String,
    /// When it was looked at last.
    pub checked_at: Option<String>,
    /// Why it cannot be read; the last good version stays in force.
    pub error: Option<String>,
}

/// A run that has ended, in short.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecentRunBody {
    /// Its id.
    pub id: String,
    /// How it ended.
    pub status: String,
    /// When it was made.
    pub created_at: String,
    /// How long its last attempt took; null: it never began.
    pub wall_ms: Option<f64>,
}

impl From<&RecentRun> for RecentRunBody {
    fn from(run: &RecentRun) -> Self {
        RecentRunBody {
            id: run.id.clone(),
            status: run.status.as_str().to_owned(),
            created_at: time(run.created_at),
            wall_ms: run.wall.map(millis),
        }
    }
}

/// A function that a run can call.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FunctionBody {
    /// Its parameters, as Python writes them.
    pub signature: String,
    /// The same as a JSON Schema (2020-12); null when it is too large.
    #[serde(default, deserialize_with = "schema")]
    #[schema(required = true, value_type = Option<Object>)]
    pub parameters: Option<Exact>,
}

impl From<&Function> for FunctionBody {
    fn from(function: &Function) -> Self {
        FunctionBody { signature: function.signature.clone(), parameters: function.parameters.clone() }
    }
}

/// What a run of a script of this name calls with this entry, and what else it can call.
struct Callable {
    signature: Option<String>,
    parameters: Option<Exact>,
    others: BTreeMap<String, FunctionBody>,
}

impl Callable {
    fn of(functions: Option<&Functions>, entry: Option<&str>, script: &str) -> Self {
        let found = functions.and_then(|functions| functions.named(entry, script));
        let name = found.map(|(name, _)| name);
        let others = functions.map(|functions| &functions.0).into_iter().flatten();
        let others = others.filter(|(other, _)| Some(other.as_str()) != name);
        Callable {
            signature: found.map(|(_, function)| function.signature.clone()),
            parameters: found.and_then(|(_, function)| function.parameters.clone()),
            others: others.map(|(name, function)| (name.clone(), function.into())).collect(),
        }
    }
}

/// A schema of an answer that is read as a part of another.
fn schema<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Exact>, D::Error> {
    Ok(Option::<serde_json::Value>::deserialize(from)?.map(Exact::from))
}

/// What the check of a script finds, of which nothing is kept.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckedBody {
    /// `function` or `script`; null when it was not checked.
    pub mode: Option<String>,
    /// The entry's parameters, as Python writes them.
    pub signature: Option<String>,
    /// The same as a JSON Schema (2020-12), the properties in the order of the signature; null when the entry is not known.
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Exact>,
    /// The other functions that a run can call (`entry`), by name.
    pub entries: BTreeMap<String, FunctionBody>,
    /// What the request sets, then what the source says.
    #[schema(value_type = Object)]
    pub settings: Settings,
    /// What may not be meant.
    pub warnings: Vec<Warning>,
    /// The packages that it would have.
    pub packages: Vec<Locked>,
    /// Of its content, in hexadecimal.
    pub sha256: String,
    /// Bytes of all files.
    pub size: u64,
}

impl From<&NewVersion> for CheckedBody {
    fn from(version: &NewVersion) -> Self {
        let settings = version.settings.as_ref().map_or_else(|| version.table.clone(), |set| set.or(&version.table));
        let callable = Callable::of(version.functions.as_ref(), settings.entry.as_deref(), &version.name);
        CheckedBody {
            mode: version.facts.mode.as_ref().and_then(word),
            signature: callable.signature,
            parameters: callable.parameters,
            entries: callable.others,
            settings: settings.shown(),
            warnings: version.facts.warnings.clone(),
            packages: version.packages.as_ref().map(|packages| packages.locked.clone()).unwrap_or_default(),
            sha256: version.sha256.clone(),
            size: version.size,
        }
    }
}

/// A script.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ScriptBody {
    /// Its name.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// The version in force.
    pub version: i64,
    /// Of its content, in hexadecimal.
    pub sha256: String,
    /// What is called; null: `run`, or the file from top to bottom.
    pub entry: Option<String>,
    /// `function` or `script`; null when it was not checked.
    pub mode: Option<String>,
    /// The entry's parameters, as Python writes them.
    pub signature: Option<String>,
    /// The same as a JSON Schema (2020-12), the properties in the order of the signature; null when the entry is not known.
    #[serde(default, deserialize_with = "schema")]
    #[schema(required = true, value_type = Option<Object>)]
    pub parameters: Option<Exact>,
    /// The other functions that a run can call (`entry`), by name.
    #[serde(default)]
    #[schema(required = true)]
    pub entries: BTreeMap<String, FunctionBody>,
    /// What holds: what was set by request, then what the source says.
    #[schema(value_type = Object)]
    pub settings: Settings,
    /// Where it is read from, when it is linked.
    pub link: Option<LinkBody>,
    /// Its last runs that have ended, at most 20, the newest first.
    #[serde(default)]
    #[schema(required = true)]
    pub recent: Vec<RecentRunBody>,
    /// The next fire time of its schedules; null: none of them will fire.
    pub next_fire_at: Option<String>,
    /// What may not be meant.
    pub warnings: Vec<Warning>,
    /// The packages that the version in force has.
    pub packages: Vec<Locked>,
    /// What its runs begin as on the node that answers; null when it has no packages, or has not run there since the node was
    /// started.
    #[serde(default)]
    #[schema(required = true)]
    pub image: Option<ImageBody>,
    /// Bytes of all files.
    pub size: u64,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
}

/// Whether runs of a script begin with its packages imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageBody {
    /// `ready`: they do. `pending`: they will when the image is made, after a run. `none`: they import for themselves.
    pub status: String,
    /// Units of fuel that importing the packages takes; null unless it is ready.
    pub import_fuel: Option<u64>,
    /// Why there is no image; null unless there is none.
    pub reason: Option<String>,
}

impl From<ImageStatus> for ImageBody {
    fn from(status: ImageStatus) -> Self {
        let (status, import_fuel, reason) = match status {
            ImageStatus::Ready { import_fuel } => ("ready", Some(import_fuel), None),
            ImageStatus::Pending => ("pending", None, None),
            ImageStatus::None { reason } => ("none", None, Some(reason)),
        };
        ImageBody { status: status.into(), import_fuel, reason }
    }
}

impl ScriptBody {
    /// A script, what it did lately and does next, and what its runs begin as.
    pub fn new(script: &Script, activity: &Activity, image: Option<ImageStatus>) -> Self {
        let settings = script.in_force();
        let callable = Callable::of(script.version.functions.as_ref(), settings.entry.as_deref(), &script.name);
        ScriptBody {
            name: script.name.clone(),
            title: settings.title.clone(),
            version: script.version.number,
            sha256: script.version.sha256.clone(),
            entry: settings.entry.clone(),
            mode: script.version.facts.mode.as_ref().and_then(word),
            signature: callable.signature.or_else(|| script.version.facts.signature.clone()),
            parameters: callable.parameters,
            entries: callable.others,
            link: script.link.as_ref().map(|from| LinkBody {
                from: from.clone(),
                checked_at: script.link_state.checked_at.map(time),
                error: script.link_state.error.clone(),
            }),
            settings: settings.shown(),
            recent: activity.recent.iter().map(RecentRunBody::from).collect(),
            next_fire_at: activity.next_fire_at.map(time),
            warnings: script.version.facts.warnings.clone(),
            packages: locked(&script.version),
            image: image.map(ImageBody::from),
            size: script.version.size,
            created_at: time(script.created_at),
            updated_at: time(script.updated_at),
        }
    }
}

fn locked(version: &Version) -> Vec<Locked> {
    version.packages.as_ref().map(|packages| packages.locked.clone()).unwrap_or_default()
}

/// What an upload came to: the script as it is now, and what was made beside it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UploadedBody {
    /// The script's name.
    pub script: String,
    /// The script itself.
    #[serde(flatten)]
    pub body: ScriptBody,
    /// The schedules that start it.
    pub schedules: Vec<ScheduleBody>,
    /// What became of its schedules.
    #[serde(default)]
    pub schedule_changes: Vec<ScheduleChangeBody>,
    /// What was asked for beyond the defaults and not granted.
    pub not_granted: Vec<NotGranted>,
}

/// What an upload did to a schedule of the script's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleChangeBody {
    /// The schedule's name.
    pub id: String,
    /// `created`, `changed` or `removed`.
    pub change: String,
    /// When it fired before, as text.
    pub before: Option<String>,
    /// When it fires now, as text.
    pub after: Option<String>,
}

/// A version of a script.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionBody {
    /// Counted from 1.
    pub version: i64,
    /// Of its content.
    pub sha256: String,
    /// Bytes of all files.
    pub size: u64,
    /// The path of the file where a run begins.
    pub main: String,
    /// `function` or `script`.
    pub mode: Option<String>,
    /// The entry's parameters.
    pub signature: Option<String>,
    /// The same as a JSON Schema (2020-12); null when the entry is not known.
    #[serde(default, deserialize_with = "schema")]
    #[schema(required = true, value_type = Option<Object>)]
    pub parameters: Option<Exact>,
    /// The other functions that a run can call (`entry`), by name.
    #[serde(default)]
    #[schema(required = true)]
    pub entries: BTreeMap<String, FunctionBody>,
    /// What may not be meant.
    pub warnings: Vec<Warning>,
    /// When it came.
    pub created_at: String,
    /// Whether it is in force.
    pub in_force: bool,
}

impl VersionBody {
    /// A version of a script.
    pub fn new(version: &Version, script: &Script) -> Self {
        let entry = script.settings.entry.as_deref().or(version.table.entry.as_deref());
        let callable = Callable::of(version.functions.as_ref(), entry, &script.name);
        VersionBody {
            version: version.number,
            sha256: version.sha256.clone(),
            size: version.size,
            main: version.main.clone(),
            mode: version.facts.mode.as_ref().and_then(word),
            signature: callable.signature.or_else(|| version.facts.signature.clone()),
            parameters: callable.parameters,
            entries: callable.others,
            warnings: version.facts.warnings.clone(),
            created_at: time(version.created_at),
            in_force: version.number == script.version.number,
        }
    }
}

/// What a script leaves for its next run.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StateBody {
    /// The script.
    pub script: String,
    /// `context.state`; empty when nothing was left.
    #[schema(value_type = Object)]
    pub state: Exact,
    /// Counted up with every change.
    pub revision: i64,
    /// The run that wrote it; null: a request, or none yet.
    pub run: Option<String>,
    /// When it was written.
    pub updated_at: Option<String>,
}

/// A file of a script source that is not taken.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LeftOutBody {
    /// The script source.
    pub source: String,
    /// The file in it; empty: the source itself cannot be looked through.
    pub file: String,
    /// Why.
    pub why: String,
}
