//! Schedules: what starts a script by the clock, and the policies for when the clock and the script disagree.

use crate::access::Reach;
use crate::clock::Time;
use crate::exact::Exact;
use crate::limits::WrittenLimits;
use crate::precondition;
use crate::run::Status;
use crate::script::{Labels, MAX_LABEL, MAX_RETRIES, MAX_TITLE, Name, OnLost, Retries};
use crate::trigger::{After, Budget, Trigger, TriggerError, Upstream};
use chrono::TimeDelta;
use cronbox_runtime::Outcome;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod keep;
mod policies;
pub mod request;
mod stored_trigger;

pub use keep::{KeptSchedule, NewSchedule, Paused, ScheduleFilter, SchedulerState};
pub use policies::{CATCHUP_LIMIT, Coalesce, Grace, Overlap, POLICIES, Policies};
pub use stored_trigger::StoredTrigger;

/// Whether a schedule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It does.
    Active,
    /// Somebody, or its own failure, stopped it; it leaves no rows meanwhile.
    Paused,
    /// It can fire no more.
    Finished,
}

/// All states.
pub const STATES: [State; 3] = [State::Active, State::Paused, State::Finished];

impl State {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Paused => "paused",
            State::Finished => "finished",
        }
    }

    /// The state of a word.
    pub fn parse(word: &str) -> Option<Self> {
        STATES.into_iter().find(|state| state.as_str() == word)
    }
}

/// Who made a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A request.
    Request,
    /// The script's own metadata: the next upload makes it equal to that again.
    Metadata,
}

impl Origin {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Request => "request",
            Origin::Metadata => "metadata",
        }
    }

    /// The origin of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Origin::Request, Origin::Metadata].into_iter().find(|origin| origin.as_str() == word)
    }
}

/// What a schedule starts, and by which policies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// A title for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The version of the script; none: the one in force at each fire time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// What to call instead of what the script says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// By name (an object) or by position (an array).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Exact>,
    /// `sys.argv[1:]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    /// Words to find its runs by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    /// Limits that are asked for.
    #[serde(skip_serializing_if = "WrittenLimits::is_empty")]
    pub limits: WrittenLimits,
    /// Runs of a higher one start first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// How often a run that failed is tried again.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::script::retries")]
    pub retries: Option<Retries>,
    /// After which outcomes it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<Vec<Outcome>>,
    /// What happens to an attempt that was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_lost: Option<OnLost>,
    /// The policies.
    #[serde(flatten)]
    pub policies: Policies,
}

/// The names of all settings but the policies.
pub const SETTINGS: &[&str] =
    &["title", "version", "entry", "args", "argv", "labels", "limits", "priority", "retries", "retry_on", "on_lost"];

impl Settings {
    /// What cannot be meant, as the setting's name and a sentence.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.title.as_ref().is_some_and(|title| title.chars().count() > MAX_TITLE) {
            return Err(("title", format!("a title has at most {MAX_TITLE} characters")));
        }
        if let Some(entry) = &self.entry {
            crate::script::check_entry(entry).map_err(|why| ("entry", why))?;
        }
        if self.argv.len() > 1000 || self.argv.iter().map(String::len).sum::<usize>() > 64 << 10 {
            return Err(("argv", "argv has at most 1000 words and 64 KiB".into()));
        }
        if let Some(why) = crate::script::bad_labels(&self.labels) {
            return Err(("labels", why));
        }
        if self.priority.is_some_and(|priority| !crate::run::PRIORITIES.contains(&priority)) {
            let range = crate::run::PRIORITIES;
            return Err(("priority", format!("priority is between {} and {}", range.start(), range.end())));
        }
        if self.retries.as_ref().is_some_and(|retries| retries.count > MAX_RETRIES) {
            return Err(("retries", format!("at most {MAX_RETRIES} retries are made")));
        }
        self.policies.check()
    }
}

/// A schedule as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// As its owner writes it.
    pub id: String,
    /// By which it is found: in lower case.
    pub key: String,
    /// Its script's key.
    pub script: String,
    /// Its script's name.
    pub script_name: String,
    /// Who made it.
    pub origin: Origin,
    /// Whether it is of the script's own, and was changed by request since the script's last upload.
    pub edited: bool,
    /// The scripts whose runs may start it: those that whoever made it could touch.
    pub reach: Reach,
    /// What it starts, and how.
    pub settings: Settings,
    /// When it fires.
    pub trigger: StoredTrigger,
    /// Whether it fires.
    pub state: State,
    /// Why it stands so, where nobody asked for it.
    pub reason: Option<String>,
    /// Counted up with every change.
    pub revision: i64,
    /// The last fire time that was decided.
    pub cursor: Time,
    /// The next fire time.
    pub next_fire_at: Option<Time>,
    /// When that is looked at: its jitter later.
    pub next_due_at: Option<Time>,
    /// Fire times that count towards the trigger's `max_runs`.
    pub fired: u64,
    /// Its newest run.
    pub last_run: Option<LastRun>,
    /// The instant that stood for now when its trigger was read.
    pub read_at: Time,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
    /// The token that made it.
    pub created_by: Option<String>,
}

/// A schedule's newest run.
#[derive(Clone, Debug, PartialEq)]
pub struct LastRun {
    /// The run.
    pub id: String,
    /// How it stands.
    pub status: Status,
    /// What it was made for.
    pub fire_time: Option<Time>,
}

/// What a schedule hangs on: it is due when a run of it ends so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// `script:KEY`, `label:KEY=VALUE`, or [`Link::ANY`].
    pub upstream: String,
    /// `succeeded`, `failed` (anything but success), `any` of these, or `missed`.
    pub outcome: &'static str,
}

impl Link {
    /// Every script but its own.
    pub const ANY: &'static str = "*";
    /// A chain of runs is no longer than this: beyond, the next one is skipped.
    pub const DEEPEST: u32 = 50;
    /// No more runs than this follow from one, along all its chains: beyond, they are skipped.
    pub const MOST_FOLLOWING: u64 = 1_000;

    /// What a trigger hangs on. The error is a sentence.
    pub fn of(trigger: &Trigger) -> Result<Vec<Link>, String> {
        let link = |after: &After| {
            let upstream = match &after.upstream {
                Upstream::Any => Link::ANY.to_owned(),
                // Longer ones no script can have, and no index holds.
                Upstream::Label(key, value) if [key, value].iter().any(|part| part.chars().count() > MAX_LABEL) => {
                    return Err(format!("a label's key and value have at most {MAX_LABEL} characters"));
                }
                Upstream::Label(key, value) => format!("label:{key}={value}"),
                Upstream::Script(name) => {
                    format!("script:{}", Name::parse(name).map_err(|error| error.to_string())?.key())
                }
            };
            Ok(Link { upstream, outcome: after.on.name() })
        };
        trigger.chains().into_iter().map(link).collect()
    }
}

/// What is decided about one fire time, or about several that share a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The fire time.
    pub fire_time: Time,
    /// The same in the schedule's zone, with its offset.
    pub local: String,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What becomes of a fire time.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// A run, due at this instant. With `wait` it waits while as many run as may, whatever the policy: it was coalesced
    /// with none, so that all are to run one after another.
    Start {
        /// The fire time and its jitter.
        due: Time,
        /// Whether it waits for those before it.
        wait: bool,
    },
    /// It came too late.
    Missed(&'static str),
    /// The run for this fire time stands for it too.
    Coalesced(Time),
    /// The first of so many, up to this one, that are too many for a row each.
    Older(Time, u64),
}

/// What a look at a schedule came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The schedule's key.
    pub key: String,
    /// As it was when it was looked at.
    pub revision: i64,
    /// As it was when it was looked at.
    pub cursor: Time,
    /// What becomes of its fire times, the oldest first.
    pub rows: Vec<Row>,
    /// The last fire time that is decided now.
    pub decided: Time,
    /// The next one, and when it is looked at; none when it can fire no more.
    pub next: Option<(Time, Time)>,
    /// After how many runs it is finished.
    pub max_runs: Option<u64>,
    /// Whether it also hangs on other runs: it can be due though it has no fire times left.
    pub hangs_on: bool,
}

impl Schedule {
    /// What changes with every change of it; its fire times are none.
    pub fn tag(&self) -> String {
        precondition::tag(self.revision, self.created_at)
    }

    /// Decides about every fire time after the cursor (and after `floor`) up to now. `chance` (0 to 1) chooses the jitter
    /// of the next one. An error says that its next fire time cannot be computed, or not within the budget.
    pub fn decide(
        &self,
        trigger: &Trigger,
        server: &Policies,
        (floor, now): (Time, Time),
        chance: f64,
        budget: &Budget,
    ) -> Result<Decision, TriggerError> {
        let asked = trigger.within(budget);
        let policies = self.settings.policies.in_force(server);
        let limit = policies.catchup_limit.unwrap_or(CATCHUP_LIMIT) as usize;
        let from = self.cursor.max(floor);
        let newest = asked.newest_between(from, now, limit)?;
        // The jitter that was chosen belongs to the fire time that was next.
        let jitter = |fire_time: Time| match (self.next_fire_at, self.next_due_at) {
            (Some(next), Some(due)) if next == fire_time => due - next,
            _ => TimeDelta::zero(),
        };
        let mut rows = Vec::new();
        if let Some(older) = newest.older {
            let local = trigger.zone().rfc3339(older.first);
            rows.push(Row { fire_time: older.first, local, verdict: Verdict::Older(older.last, older.count) });
        }
        let first_fire = rows.len();
        let mut starts: Vec<usize> = Vec::new();
        for fire in &newest.fires {
            let due = fire.at.checked_add_signed(jitter(fire.at)).unwrap_or(fire.at);
            let late = (now - due).to_std().unwrap_or_default();
            let verdict = match policies.misfire_grace_time {
                Some(Grace::Within(grace)) if late > grace => Verdict::Missed("misfire_grace_time"),
                _ => {
                    starts.push(rows.len());
                    Verdict::Start { due, wait: false }
                }
            };
            rows.push(Row { fire_time: fire.at, local: fire.rfc3339(), verdict });
        }
        let chosen = match policies.coalesce.unwrap_or_default() {
            Coalesce::Latest => starts.last().copied(),
            Coalesce::Earliest => starts.first().copied(),
            Coalesce::All => None,
        };
        match chosen {
            Some(chosen) => {
                let stands = rows[chosen].fire_time;
                for row in starts.into_iter().filter(|row| *row != chosen) {
                    rows[row].verdict = Verdict::Coalesced(stands);
                }
            }
            None => {
                for row in starts.into_iter().skip(1) {
                    if let Verdict::Start { wait, .. } = &mut rows[row].verdict {
                        *wait = true;
                    }
                }
            }
        }
        let decided = rows[first_fire..].last().map_or(from, |row| row.fire_time);
        let next = asked.next_after(decided)?.map(|fire| (fire.at, due(trigger, fire.at, chance)));
        Ok(Decision {
            key: self.key.clone(),
            revision: self.revision,
            cursor: self.cursor,
            rows,
            decided,
            next,
            max_runs: trigger.max_runs(),
            hangs_on: !trigger.chains().is_empty(),
        })
    }
}

/// When a fire time is looked at: a jitter of the trigger's later, by chance (0 to 1).
pub fn due(trigger: &Trigger, at: Time, chance: f64) -> Time {
    at.checked_add_signed(jittered(trigger, chance)).unwrap_or(at)
}

fn jittered(trigger: &Trigger, chance: f64) -> TimeDelta {
    let most = trigger.jitter().num_microseconds().unwrap_or_default() as f64;
    TimeDelta::microseconds((most * chance.clamp(0.0, 1.0)) as i64)
}
