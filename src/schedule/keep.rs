//! A schedule to be kept, what becomes of it, and which ones a list shows.

use super::{Link, Origin, Settings, State, StoredTrigger};
use crate::access::Reach;
use crate::clock::Time;

/// A schedule to be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSchedule {
    /// As its owner writes it.
    pub id: String,
    /// In lower case.
    pub key: String,
    /// Its script's key.
    pub script: String,
    /// Who makes it.
    pub origin: Origin,
    /// The scripts whose runs may start it.
    pub reach: Reach,
    /// What it starts, and how.
    pub settings: Settings,
    /// When it fires.
    pub trigger: StoredTrigger,
    /// The instant that stood for now when that was read.
    pub read_at: Time,
    /// Whether it fires from now on.
    pub state: State,
    /// Fire times up to this one are not its business.
    pub cursor: Time,
    /// Its next fire time, and when that is looked at.
    pub next: Option<(Time, Time)>,
    /// The token that asked for it.
    pub created_by: Option<String>,
    /// What else it hangs on.
    pub links: Vec<Link>,
}

/// What became of a schedule that was to be kept.
#[derive(Clone, Debug, PartialEq)]
pub enum KeptSchedule {
    /// It is new.
    Created,
    /// It was there, and is as asked for now.
    Changed,
    /// There is one of this id, and it was not to be changed; or it was changed by somebody else meanwhile.
    Taken,
    /// It would make these scripts start one another in a circle.
    Circle(Vec<String>),
    /// Its script is not there.
    NoScript,
}

/// Which schedules a list is to show.
#[derive(Clone, Debug, Default)]
pub struct ScheduleFilter {
    /// Of these scripts, by key; none: of all.
    pub scripts: Option<Vec<String>>,
    /// In this state.
    pub state: Option<State>,
    /// Those whose key comes after this one.
    pub after: Option<String>,
    /// Those that fire before this instant, in the order in which they do; then `after` is not asked, but `after_fire`.
    pub fires_before: Option<Time>,
    /// Those that fire after this one, by fire time and key.
    pub after_fire: Option<(Time, String)>,
    /// At most so many.
    pub limit: usize,
}

/// The whole scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchedulerState {
    /// Whether nothing fires.
    pub paused: bool,
    /// Fire times at or before it are not looked at.
    pub floor: Time,
    /// The release of time zones that next fire times were computed with.
    pub tzdata: Option<String>,
}

/// What a pause came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Paused {
    /// Runs that waited for it and never start.
    pub skipped: Vec<String>,
}
