//! An event, as answers tell it.

use super::values::time;
use crate::event::Event;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that happened to a run or a schedule.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventBody {
    /// Its place in the feed: as `cursor` or `Last-Event-ID` it asks for what came after.
    pub id: String,
    /// When it happened.
    pub at: String,
    /// `run_` and how it ended; `schedule_created`, `schedule_paused` and so on; `scheduler_paused`, `scheduler_resumed`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The script's name.
    pub script: Option<String>,
    /// The schedule's id.
    pub schedule: Option<String>,
    /// The run's id.
    pub run: Option<String>,
    /// Why the run was made.
    pub cause: Option<String>,
    /// When its schedule said it was due.
    pub fire_time: Option<String>,
    /// The last of several fire times that share one row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub fire_time_until: Option<String>,
    /// How many fire times these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub count: Option<u64>,
    /// Why it happened, where that is not plain; of an alert, its condition.
    pub reason: Option<String>,
    /// The id of the alert that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub alert: Option<String>,
    /// What went wrong, as long as the run itself is kept; its traceback is there.
    pub error: Option<EventErrorBody>,
}

/// What went wrong, in a line.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventErrorBody {
    /// The exception's type, or a word for what stopped the run.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says.
    pub message: String,
}

impl From<&Event> for EventBody {
    fn from(event: &Event) -> Self {
        EventBody {
            id: event.place.to_string(),
            at: time(event.at),
            type_name: event.type_name.clone(),
            script: event.name.clone(),
            schedule: event.schedule.clone(),
            run: event.run.clone(),
            cause: event.cause.clone(),
            fire_time: event.fire_time.map(time),
            fire_time_until: event.fire_until.map(|(until, _)| time(until)),
            count: event.fire_until.map(|(_, count)| count),
            reason: event.reason.clone(),
            alert: event.alert.clone(),
            error: event.error.clone().map(|(kind, message)| EventErrorBody { kind, message }),
        }
    }
}

/// A part of the feed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FeedBody {
    /// What happened, oldest first.
    pub items: Vec<EventBody>,
    /// Ask with `?cursor=` for the next part at once; null when there is no more for now.
    pub next_cursor: Option<String>,
    /// Where this part ends: ask with `?cursor=` later, and nothing is left out.
    pub cursor: String,
}
