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
    /// Notices that the rate of a channel held back, counted by script.
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
    /// What a summary counts: how many notices of each script were held back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_back: Vec<HeldBack>,
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

/// How many notices of one script a channel held back.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct HeldBack {
    /// The script; empty for notices about no script.
    pub script: String,
    /// How many.
    pub count: u64,
}
