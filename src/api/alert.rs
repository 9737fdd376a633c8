//! Alerts, as answers tell them.

use super::values::time;
use crate::alert::{About, Alert, Firing};
use crate::quantity;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an alert is about: one of these.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertAboutBody {
    /// A script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub script: Option<String>,
    /// A schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub schedule: Option<String>,
    /// The scripts with a label: `team=data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub label: Option<String>,
    /// `true`: every script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub everything: Option<bool>,
}

impl From<&About> for AlertAboutBody {
    fn from(about: &About) -> Self {
        let none = AlertAboutBody::default();
        match about {
            About::Script(name) => AlertAboutBody { script: Some(name.as_str().into()), ..none },
            About::Schedule(name) => AlertAboutBody { schedule: Some(name.as_str().into()), ..none },
            About::Label(key, value) => AlertAboutBody { label: Some(format!("{key}={value}")), ..none },
            About::Everything => AlertAboutBody { everything: Some(true), ..none },
        }
    }
}

/// A script or a schedule for which an alert fires.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FiringBody {
    /// The script; of an alert about a schedule, the schedule.
    pub subject: String,
    /// Since when.
    pub since: String,
    /// The run that caused it; null: no run did.
    pub run: Option<String>,
}

impl From<&Firing> for FiringBody {
    fn from(firing: &Firing) -> Self {
        FiringBody { subject: firing.subject.clone(), since: time(firing.since), run: firing.run.clone() }
    }
}

/// An alert.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AlertBody {
    /// Its name.
    pub id: String,
    /// What it is about.
    pub about: AlertAboutBody,
    /// The condition: `failed 3`, `late 5m`, `/price > 100`.
    pub text: String,
    /// The same in words.
    pub words: String,
    /// The channels that are told.
    pub notify: Vec<String>,
    /// After how long it says again that it fires: `24h`, or `never`.
    pub repeat: String,
    /// Whether it says that it is over.
    pub recovered: bool,
    /// Whether a request made it, or the block of a script.
    pub origin: String,
    /// `ok` or `firing`.
    pub state: String,
    /// Since when it fires; null: it is ok.
    pub since: Option<String>,
    /// For what it fires, oldest first.
    pub firing: Vec<FiringBody>,
    /// Until when it says nothing; null: it is not muted.
    pub muted_until: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
    /// The id of the token that made it; null: no token did.
    pub created_by: Option<String>,
    /// What can keep it from being useful, in sentences: a script or a channel that is not there, a condition that no result so
    /// far can meet.
    pub warnings: Vec<String>,
}

/// How a condition is read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConditionPreviewBody {
    /// The condition, as it is kept.
    pub text: String,
    /// The same in words.
    pub words: String,
    /// What can keep an alert with it from being useful, in sentences.
    pub warnings: Vec<String>,
}

impl AlertBody {
    /// An alert, with what can keep it from being useful.
    pub fn of(alert: &Alert, warnings: Vec<String>) -> Self {
        let since = alert.since();
        AlertBody {
            id: alert.id.clone(),
            about: AlertAboutBody::from(&alert.asked.about),
            text: alert.asked.condition.to_string(),
            words: alert.asked.condition.words(),
            notify: alert.asked.notify.clone(),
            repeat: alert.asked.repeat.map_or_else(|| "never".to_owned(), quantity::written),
            recovered: alert.asked.recovered,
            origin: alert.origin.as_str().to_owned(),
            state: if since.is_some() { "firing" } else { "ok" }.to_owned(),
            since: since.map(time),
            firing: alert.firing.iter().map(FiringBody::from).collect(),
            muted_until: alert.muted_until.map(time),
            created_at: time(alert.created_at),
            updated_at: time(alert.updated_at),
            created_by: alert.created_by.clone(),
            warnings,
        }
    }
}
