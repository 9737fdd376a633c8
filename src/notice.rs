//! What a channel is told: one message about an alert, before it is put into the words and the form of a service.
//!
//! A notice is recorded with the delivery it belongs to, so that a delivery that is sent again says what the first one said.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why a notice is sent.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The condition of an alert became true.
    Firing,
    /// The condition of an alert is still true, and the time after which it is said again is over.
    Repeated,
    /// The condition of an alert is no longer true.
    Ok,
    /// Several notices in one, counted by script: those of one cause, or those that the rate of a channel held back.
    Summary,
    /// Someone tries a channel.
    Test,
}

/// One message for one channel or several.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Notice {
    /// Why it is sent.
    pub kind: NoticeKind,
    /// When the cause happened, in milliseconds since 1970.
    pub at: i64,
    /// The alert it is about; `None` for `Summary` and `Test`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<NoticeAlert>,
    /// The run that caused it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<NoticeRun>,
    /// The script it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// The schedule it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The value of the result before and now, for alerts on results and on cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<NoticeValue>,
    /// What a summary counts: the notices of each script that are not told one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_back: Vec<HeldBack>,
    /// What made this alert fire, and others with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<NoticeCause>,
    /// Of a summary with a cause: whether it tells that alerts are over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_over: bool,
}

/// The alert of a notice.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct NoticeAlert {
    /// Its id.
    pub id: String,
    /// The condition as it is printed back, e.g. `failed 3`.
    pub text: String,
    /// Since when it fires, in milliseconds since 1970.
    pub since: i64,
}

/// The run of a notice.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct NoticeRun {
    /// Its id.
    pub id: String,
    /// Its status, e.g. `failed`.
    pub status: String,
    /// The number of its last attempt, from 1.
    pub attempt: u32,
    /// Its fire time in milliseconds since 1970, if a schedule made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fire_time: Option<i64>,
    /// The time zone of its schedule, e.g. `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The name of the error, e.g. `ValueError`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_name: Option<String>,
    /// The last line of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Where in the script's source it happened, e.g. `report.py:12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The source line at this place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
}

/// A value that crossed a line.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct NoticeValue {
    /// The JSON pointer into the result, or `fuel`, `memory`, `duration`.
    pub path: String,
    /// The value before, or the median it is compared with.
    pub before: Option<Value>,
    /// The value now.
    pub now: Option<Value>,
}

/// What makes alerts of many scripts fire at once.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// A node was lost with its runs.
    NodeLost,
    /// A node gave its runs back: it went down, or had been without the database.
    NodeStopped,
    /// Sources and arguments cannot be fetched.
    BlobsAway,
    /// Nothing fired schedules: no scheduler ran, or the database was away.
    NotFired,
}

impl CauseKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            CauseKind::NodeLost => "node_lost",
            CauseKind::NodeStopped => "node_stopped",
            CauseKind::BlobsAway => "blobs_away",
            CauseKind::NotFired => "not_fired",
        }
    }
}

/// What made several alerts fire. Their notices become one message of a channel.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NoticeCause {
    /// What happened.
    pub kind: CauseKind,
    /// To whom: the id of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl NoticeCause {
    /// What happened to nobody in particular.
    pub fn new(kind: CauseKind) -> Self {
        NoticeCause { kind, id: None, name: None }
    }

    /// What happened to a node.
    pub fn of_node(kind: CauseKind, id: &str, name: Option<&str>) -> Self {
        NoticeCause { kind, id: Some(id.to_owned()), name: name.map(str::to_owned) }
    }
}

impl Notice {
    /// A notice that is about nothing yet; `at` is in milliseconds since 1970.
    pub fn new(kind: NoticeKind, at: i64) -> Self {
        let (alert, run, script, schedule, value, cause) = Default::default();
        Notice { kind, at, alert, run, script, schedule, value, held_back: Vec::new(), cause, is_over: false }
    }

    /// Notices with the same one become one message; none: this one is told by itself. The beginning of what a cause made and its
    /// end are told apart.
    pub fn together(&self) -> Option<String> {
        let cause = self.cause.as_ref()?;
        let phase = if self.kind == NoticeKind::Ok { "ok" } else { "firing" };
        Some(format!("{}:{}:{phase}", cause.kind.as_str(), cause.id.as_deref().unwrap_or_default()))
    }
}

/// How many notices of one script are told by a summary.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct HeldBack {
    /// The script; empty for notices about no script.
    pub script: String,
    /// How many.
    pub count: u64,
}
