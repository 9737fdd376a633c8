//! A script, its versions and its state, as answers tell them.

use super::schedule::ScheduleBody;
use super::values::{time, word};
use crate::exact::Exact;
use crate::limits::NotGranted;
use crate::requirement::Locked;
use crate::script::{Script, Settings, Version, Warning};
use serde::{Deserialize, Serialize};
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
    /// What holds: what was set by request, then what the source says.
    #[schema(value_type = Object)]
    pub settings: Settings,
    /// Where it is read from, when it is linked.
    pub link: Option<LinkBody>,
    /// What may not be meant.
    pub warnings: Vec<Warning>,
    /// The packages that the version in force has.
    pub packages: Vec<Locked>,
    /// Bytes of all files.
    pub size: u64,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
}

impl From<&Script> for ScriptBody {
    fn from(script: &Script) -> Self {
        let settings = script.in_force();
        ScriptBody {
            name: script.name.clone(),
            title: settings.title.clone(),
            version: script.version.number,
            sha256: script.version.sha256.clone(),
            entry: settings.entry.clone(),
            mode: script.version.facts.mode.as_ref().and_then(word),
            signature: script.version.facts.signature.clone(),
            link: script.link.as_ref().map(|from| LinkBody {
                from: from.clone(),
                checked_at: script.link_state.checked_at.map(time),
                error: script.link_state.error.clone(),
            }),
            settings,
            warnings: script.version.facts.warnings.clone(),
            packages: locked(&script.version),
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
    /// What may not be meant.
    pub warnings: Vec<Warning>,
    /// When it came.
    pub created_at: String,
    /// Whether it is in force.
    pub in_force: bool,
}

impl VersionBody {
    /// A version; `in_force` is the number of the one that is.
    pub fn new(version: &Version, in_force: i64) -> Self {
        VersionBody {
            version: version.number,
            sha256: version.sha256.clone(),
            size: version.size,
            main: version.main.clone(),
            mode: version.facts.mode.as_ref().and_then(word),
            signature: version.facts.signature.clone(),
            warnings: version.facts.warnings.clone(),
            created_at: time(version.created_at),
            in_force: version.number == in_force,
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
