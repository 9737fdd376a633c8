//! What the API says: the bodies of its answers, for the server that writes them and the command line that reads them.

mod access;
mod alert;
mod audit;
mod channel;
mod chart;
mod event;
mod run;
mod schedule;
mod script;
mod values;

pub use access::{GrantBody, ResealedBody, SecretBody, SessionBody, SessionTokenBody, TokenBody};
pub use alert::{AlertAboutBody, AlertBody, ConditionPreviewBody, FiringBody};
pub use audit::AuditBody;
pub use channel::{ChannelBody, ChannelTestBody, DeliveryBody};
pub use chart::{ChartBody, ChartLineBody};
pub use event::{EventBody, EventErrorBody, FeedBody};
pub use run::{
    AttemptBody, AttemptUsageBody, CountBody, ErrorBody, FileBody, LeftBody, LimitsBody, NumberBody, PointBody,
    RunBody, StreamBody, UsageBody,
};
pub use schedule::{BackfillBody, FireBody, LastRunBody, PreviewBody, ScheduleBody, SchedulerBody};
pub use script::{
    CheckedBody, FunctionBody, LeftOutBody, LinkBody, RecentRunBody, ScheduleChangeBody, ScriptBody, StateBody,
    UploadedBody, VersionBody,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The header of an answer that holds a sentence for whoever runs the server.
pub const WARNING: &str = "x-cronbox-warning";

/// A part of a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The things themselves.
    pub items: Vec<T>,
    /// Ask with `?cursor=` for the next part; null when there is none.
    pub next_cursor: Option<String>,
}

/// A request that was not carried out (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProblemBody {
    /// `about:blank`: the code says what it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A stable word for programs.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
    /// The field or parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub field: Option<String>,
    /// Counted from 1: where in the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub line: Option<u32>,
    /// Counted from 1: where in the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub column: Option<u32>,
    /// Names the request in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub request_id: Option<String>,
}

/// All bytes but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A name as a part of an address: percent-encoded but for the unreserved characters of RFC 3986.
pub fn part(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Whether a node is ready, and why not.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadyBody {
    /// Whether everything is there.
    pub ready: bool,
    /// Each part: `ok`, or a sentence.
    pub parts: BTreeMap<String, String>,
    /// What needs attention, although it works.
    #[serde(default)]
    #[schema(required = true)]
    pub warnings: Vec<String>,
}
