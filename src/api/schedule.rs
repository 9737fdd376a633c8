//! A schedule and its fire times, as answers tell them.

use super::values::{time, word};
use crate::exact::Exact;
use crate::limits::NotGranted;
use crate::schedule::{self, Grace, Policies, Schedule};
use crate::script::Labels;
use crate::trigger::Fire;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A schedule.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ScheduleBody {
    /// Its name.
    pub id: String,
    /// For people.
    pub title: Option<String>,
    /// The script it starts.
    pub script: String,
    /// The script's version; null: the one in force at each fire time.
    pub version: Option<i64>,
    /// What is called instead of what the script says.
    pub entry: Option<String>,
    /// The arguments.
    #[schema(value_type = Value)]
    pub args: Exact,
    /// `sys.argv[1:]`.
    pub argv: Vec<String>,
    /// When it fires, as JSON.
    pub trigger: Value,
    /// When it fires, as text.
    pub text: String,
    /// What people should know about how the trigger was read.
    pub notes: Vec<String>,
    /// The zone of its local times.
    pub timezone: String,
    /// `active`, `paused` or `finished`.
    pub state: String,
    /// Why it is in this state, where no request asked for it.
    pub reason: Option<String>,
    /// The next fire time.
    pub next_fire_at: Option<String>,
    /// The same in its zone, with the offset.
    pub next_fire_local: Option<String>,
    /// Its newest run.
    pub last_run: Option<LastRunBody>,
    /// Fire times that count towards the trigger's `max_runs`.
    pub fired: u64,
    /// How late a run may start, in seconds; null: however late.
    pub misfire_grace_time: Option<f64>,
    /// Which of several fire times that came due together is started: `latest`, `earliest` or `all`.
    pub coalesce: String,
    /// How many of its runs may run at once.
    pub max_instances: u32,
    /// What happens to a fire time while so many do: `skip`, `queue_one`, `queue_all`, `cancel_running` or `allow`.
    pub overlap: String,
    /// After how many failures in a row it is paused; 0: never.
    pub pause_on_failure: u32,
    /// How many fire times get a row of their own after an outage.
    pub catchup_limit: u32,
    /// Words to find its runs by.
    pub labels: Labels,
    /// What it asks for itself: limits, priority, retries, policies.
    #[schema(value_type = Object)]
    pub settings: schedule::Settings,
    /// What it asks for beyond the defaults and was not granted; only where it was just made or changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_granted: Vec<NotGranted>,
    /// `request`, or `metadata`: the script's own.
    pub origin: String,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
    /// The id of the token that made it by request; null: no token did, or the block of its script.
    pub created_by: Option<String>,
}

/// A schedule's newest run.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LastRunBody {
    /// The run.
    pub id: String,
    /// Its status.
    pub status: String,
    /// What it was made for.
    pub fire_time: Option<String>,
}

impl ScheduleBody {
    /// A schedule, with what holds where it says nothing. One whose trigger cannot be read says so in its text.
    pub fn new(schedule: &Schedule, server: &Policies) -> Self {
        let trigger = schedule.trigger.parsed().ok();
        let trigger = trigger.as_deref();
        let stored_zone = || schedule.trigger.json()["timezone"].as_str().unwrap_or("UTC").to_owned();
        let settings = &schedule.settings;
        let policies = settings.policies.in_force(server);
        ScheduleBody {
            id: schedule.id.clone(),
            title: settings.title.clone(),
            script: schedule.script_name.clone(),
            version: settings.version,
            entry: settings.entry.clone(),
            args: settings.args.clone().unwrap_or_else(|| Exact::from(Value::Object(serde_json::Map::new()))),
            argv: settings.argv.clone(),
            trigger: schedule.trigger.json().clone(),
            text: schedule.trigger.text(),
            notes: trigger.map(|trigger| trigger.notes().to_vec()).unwrap_or_default(),
            timezone: trigger.map_or_else(stored_zone, |trigger| trigger.zone().name().to_owned()),
            state: schedule.state.as_str().into(),
            reason: schedule.reason.clone(),
            next_fire_at: schedule.next_fire_at.map(time),
            next_fire_local: schedule.next_fire_at.zip(trigger).map(|(at, trigger)| trigger.zone().rfc3339(at)),
            last_run: schedule.last_run.as_ref().map(|run| LastRunBody {
                id: run.id.clone(),
                status: run.status.as_str().into(),
                fire_time: run.fire_time.map(time),
            }),
            fired: schedule.fired,
            misfire_grace_time: match policies.misfire_grace_time {
                Some(Grace::Within(grace)) => Some(grace.as_secs_f64()),
                _ => None,
            },
            coalesce: policies.coalesce.as_ref().and_then(word).unwrap_or_default(),
            max_instances: policies.max_instances.unwrap_or(1),
            overlap: policies.overlap.as_ref().and_then(word).unwrap_or_default(),
            pause_on_failure: policies.pause_on_failure.unwrap_or_default(),
            catchup_limit: policies.catchup_limit.unwrap_or_default(),
            labels: settings.labels.clone(),
            settings: settings.clone(),
            not_granted: Vec::new(),
            origin: schedule.origin.as_str().into(),
            created_at: time(schedule.created_at),
            updated_at: time(schedule.updated_at),
            created_by: schedule.created_by.clone(),
        }
    }
}

/// A fire time to come.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FireBody {
    /// The instant.
    pub at: String,
    /// What clocks in the trigger's zone show then, with their offset.
    pub local: String,
    /// What a change of the clocks has to do with it.
    pub note: Option<String>,
}

impl From<&Fire> for FireBody {
    fn from(fire: &Fire) -> Self {
        FireBody {
            at: fire.at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
            local: fire.rfc3339(),
            note: fire.note.clone(),
        }
    }
}

/// What a trigger will do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PreviewBody {
    /// The trigger as JSON.
    pub trigger: Value,
    /// The trigger as text.
    pub text: String,
    /// The zone of its local times.
    pub timezone: String,
    /// What people should know about how it was read.
    pub notes: Vec<String>,
    /// Its fire times.
    pub fires: Vec<FireBody>,
}

/// What a backfill made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BackfillBody {
    /// Names it.
    pub id: String,
    /// The schedule.
    pub schedule: String,
    /// The fire times that are run for, the oldest first.
    pub fire_times: Vec<String>,
    /// Fire times that have a run which succeeded, or still may.
    pub left_out: u64,
    /// The runs, in the same order; none yet when nothing was made.
    pub runs: Vec<String>,
}

/// The whole scheduler.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SchedulerBody {
    /// Whether nothing fires.
    pub paused: bool,
    /// The zone of schedules and scripts that name none.
    pub timezone: String,
    /// The release of the time zones.
    pub tzdata: String,
    /// When the next schedule is looked at.
    pub next_fire_at: Option<String>,
    /// Until when no alert says anything; null: alerts are not muted.
    #[serde(default)]
    pub muted_until: Option<String>,
}
