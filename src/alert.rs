//! Alerts: what is watched, about what, and who is told.
//!
//! An alert is a condition about a script, a label, a schedule, or every script, and the channels that are told. For each script
//! (or schedule) that it is about it has a state: it is ok, or it fires since an instant. It speaks when that changes, again
//! after a time while it fires, and at the end. This room knows no database: what was seen comes in, what is to be said goes out.
//!
//! # Conditions
//!
//! ```ebnf
//! condition = "failed" , [ number | outcome ]          (* any outcome but succeeded; the third in a row; this outcome *)
//!           | "recovered"                              (* the first success after a failure *)
//!           | "missed" | "skipped"                     (* a fire time without a run *)
//!           | ( "late" | "running" | "stale" | "queued" ) , span
//!           | ( "fuel" | "memory" | "duration" ) , factor , "x"          (* of the median of the last 20 successes *)
//!           | place , test ;
//! outcome   = "failed" | "timed_out" | "out_of_fuel" | "out_of_memory" | "crashed" | "cancelled" | "abandoned" ;
//! test      = ( ">" | "<" ) , json number | ( "=" | "!=" ) , ( json value | word )
//!           | "changed" , [ number , "%" ] | "outside" , json number , ".." , json number
//!           | "missing" | "outlier" , factor ;
//! place     = json pointer | quoted json pointer | "result" ;           (* "result": the whole of it *)
//! span      = number , unit , { number , unit } ;      (* units: w d h m s, without spaces *)
//! ```
//!
//! A condition is understood to its end, or refused with the place that is wrong. It prints back in one form, which reads back
//! the same.

mod about;
mod condition;
mod end;
mod error;
mod memory;
mod result;
mod show;
mod span;
mod state;
mod text;

use crate::clock::Time;
use crate::precondition;
use std::time::Duration;

pub use about::{About, BadAbout};
pub use condition::{Condition, Cost, Failing, Test};
pub use end::{End, Judgement, Values, judge, remember};
pub use error::ConditionError;
pub use memory::{KEPT, Memory};
pub use state::{Rules, Said, Seen, State, step};

/// Most bytes of a condition.
pub const MAX_CONDITION: usize = 300;
/// Most alerts of a script's own block.
pub const MAX_OWN: usize = 50;
/// Most channels that an alert tells.
pub const MAX_NOTIFY: usize = 20;
/// After how long an alert that still fires says so again, unless it says otherwise.
pub const REPEAT: Duration = Duration::from_hours(24);
/// The shortest time after which it can be said again.
pub const LEAST_REPEAT: Duration = Duration::from_mins(1);

/// Who made an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A request.
    Request,
    /// The block of a script.
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

    /// The one of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Origin::Request, Origin::Metadata].into_iter().find(|origin| origin.as_str() == word)
    }
}

/// What is asked of an alert, complete.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAlert {
    /// What it is about.
    pub about: About,
    /// What is watched.
    pub condition: Condition,
    /// The channels that are told, by name.
    pub notify: Vec<String>,
    /// After how long it is said again while it fires; none: never.
    pub repeat: Option<Duration>,
    /// Whether it is said that it is over.
    pub recovered: bool,
}

/// An alert as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its name.
    pub id: String,
    /// By which it is found.
    pub key: String,
    /// What is asked of it.
    pub asked: NewAlert,
    /// Who made it.
    pub origin: Origin,
    /// The script whose block made it, by key.
    pub script: Option<String>,
    /// Until when it says nothing.
    pub muted_until: Option<Time>,
    /// Counted up with every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
    /// The id of the token that made it; none: no token did.
    pub created_by: Option<String>,
    /// Of what it fires, oldest first.
    pub firing: Vec<Firing>,
}

/// A script or a schedule of which an alert fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The key of the script; of an alert about a schedule, that of the schedule.
    pub subject: String,
    /// Since when.
    pub since: Time,
    /// The run that caused it, if one did.
    pub run: Option<String>,
}

impl Alert {
    /// What changes with every change.
    pub fn tag(&self) -> String {
        precondition::tag(self.revision, self.created_at)
    }

    /// Since when it fires, of whatever; none: it is ok.
    pub fn since(&self) -> Option<Time> {
        self.firing.iter().map(|firing| firing.since).min()
    }
}
