//! Triggers: when a schedule fires. A trigger knows no schedule, no store and no clock: everything is asked of it with
//! an instant.
//!
//! # Two forms
//!
//! The JSON form names each part; the text form is what people type. Each prints back from the other. The text form:
//!
//! ```ebnf
//! trigger  = all , { "or" , all } ;                   (* fires when one of them does; equal times once *)
//! all      = term , { "and" , term } ;                (* fires when all of them do, at one instant *)
//! term     = ( core | "(" , trigger , ")" ) , { option } ;
//! core     = crontab | fields | interval | calendar | weekly | once | chain ;
//!
//! crontab  = [ "cron:" ] , ( minute , hour , day , month , weekday | "@hourly" | "@daily" | "@midnight"
//!          | "@weekly" | "@monthly" | "@yearly" | "@annually" ) ;
//! fields   = "fields:" , unit , "=" , value , { unit , "=" , value } ;     (* day="last fri" in quotes *)
//! unit     = "year" | "month" | "day" | "week" | "day_of_week" | "hour" | "minute" | "second" ;
//! interval = "every" , ( span | [ number ] , clock , { number , clock } ) ;   (* elapsed time: 1h30m, 2 hours *)
//! span     = number , letter , { number , letter } ;                     (* without spaces; letter: w d h m s *)
//! clock    = "hour" | "hours" | "minute" | "minutes" | "second" | "seconds" ;
//! calendar = "every" , [ number ] , dates , { number , dates } , [ "at" , time ] ;    (* by date: 2 weeks *)
//! dates    = "year" | "years" | "month" | "months" | "week" | "weeks" | "day" | "days" ;
//! weekly   = "every" , weekday , [ "at" , time ] ;              (* becomes the crontab line that it means *)
//! weekday  = "monday" | "mon" | … | "sunday" | "sun" ;
//! once     = "at" , date , "T" , time , [ offset | "fold=" , ( "0" | "1" ) ] ; (* fold: which of two equal times *)
//! chain    = "after" , ( script | "*" | "label" , key , "=" , value ) , [ "on" , ( "succeeded" | "failed" | "any" ) ] ;
//!
//! option   = "@" , zone | "from" , moment | "until" , moment | "jitter" , ( span | number ) | "max" , number
//!          | "except" , days , { "," , days } | "dst" , ( "default" | "skip" | "both" )
//!          | "within" , span ;                        (* how far apart the members of "and" may be *)
//! moment   = date , [ "T" , time , [ offset ] ] ;             (* without an offset: local time of the zone *)
//! days     = date , [ ".." , date ] ;                         (* both ends included *)
//! date     = year , "-" , month , "-" , day ;                 (* 2026-12-24; until a date: until its end *)
//! time     = hour , ":" , minute , [ ":" , second , [ "." , fraction ] ] ;           (* two digits each; after
//!            "every … at" the hour can have one *)
//! offset   = "Z" | ( "+" | "-" ) , hour , ":" , minute ;
//! ```
//!
//! So `every 2w` is 336 hours, and `every 2 weeks` is the same time of day on a date two weeks on, whatever the clocks
//! did in between. Options belong to the term before them; those of a whole `or` stand after its parentheses.
//!
//! # Fields of cron
//!
//! A field is a list, with commas, of `*`, `a`, `a-b`, each range with an optional step (`*/5`, `1-5/2`), where months
//! and weekdays also have names of three letters. The dialects differ in this:
//!
//! - **crontab** (cronie's rules): weekday 0 and 7 are Sunday, and a range may end in Sunday (`5-7`, `sat-sun`); `L` is
//!   the last day of the month, `5L` or `FRIL` the last Friday, `FRI#2` the second. One of the two day fields is enough,
//!   unless one of them *begins with* `*`: then both must agree.
//! - **fields** (APScheduler's rules): all must agree. Weekday 0 is Monday, and names are stored. `a/c` is from `a` to
//!   the end; `day` also takes `last`, `last fri`, `1st fri` … `5th fri`. A field left out is `*` when it is more
//!   significant than the least significant one given, otherwise its least value; week and day_of_week are `*`.
//!
//! # When clocks change
//!
//! By cron's rule, computed in the trigger's zone: a fixed time that does not exist fires at the first instant that
//! does, all those of one gap together, and a time that comes twice fires the first time. Where the minute or the hour
//! (in fields also the second) begins with `*`, the trigger follows elapsed time instead: nothing is made up for after a
//! gap, and both passes of a fold fire. `dst skip` leaves out what does not exist and fires once in a fold, wildcards
//! too; `dst both` treats a gap as the default does and fires in both passes. Intervals are elapsed time always.

mod budget;
mod build;
mod calendar;
mod cron;
mod error;
mod field;
mod fires;
mod moment;
mod node;
mod search;
mod show;
mod text;
mod units;
mod wall;
mod years;

use crate::clock::Time;
use crate::zone::{Zone, Zones};
use chrono::{NaiveDate, TimeDelta};
use serde_json::Value;

pub use budget::{Budget, QUICK, WHOLE};
pub use error::TriggerError;
pub use fires::{Asked, Between, Fire, Fires, MAX_PREVIEW, Newest, Older};

/// What a trigger takes from its surroundings when it is read.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The zones there are.
    pub zones: Zones,
    /// The zone of a trigger that names none.
    pub timezone: Zone,
    /// When an interval begins that says nothing about it. To find whether a trigger sent again is the stored one, read
    /// it with the time at which that was created.
    pub now: Time,
}

/// When a schedule fires. What it took from its surroundings is part of it: its zone, and where an interval begins.
#[derive(Clone, Debug)]
pub struct Trigger {
    core: Core,
    options: Options,
    /// What people should know about how it was read.
    notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Core {
    Cron(cron::Cron),
    /// Seconds, from the start date on.
    Interval(i64),
    Calendar(calendar::Calendar),
    Date(Moment),
    /// All agree, to so many seconds.
    And(Vec<Trigger>, i64),
    Or(Vec<Trigger>),
    After(After),
}

/// What stands on any trigger.
#[derive(Clone, Debug, PartialEq)]
struct Options {
    zone: Zone,
    start: Option<Moment>,
    end: Option<Moment>,
    /// Seconds.
    jitter: i64,
    max_runs: Option<u64>,
    exclude: Vec<Days>,
    dst: Dst,
}

/// An instant, and how it was written: so that it is read back the same after the zone's rules have changed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moment {
    at: Time,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// A date: its first instant, or as an end its last.
    Date(NaiveDate),
    /// A local time.
    Local,
    /// A time with its offset.
    Offset,
}

/// Dates from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Days {
    first: NaiveDate,
    last: NaiveDate,
}

/// What becomes of local times that do not exist or come twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Dst {
    #[default]
    Default,
    Skip,
    Both,
}

/// A link of a chain: fires when a run of something else has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// What has to end.
    pub upstream: Upstream,
    /// How it has to end.
    pub on: On,
}

/// What a chain hangs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// A script by its name.
    Script(String),
    /// Every script.
    Any,
    /// Scripts with a label of this key and value.
    Label(String, String),
}

/// Which endings a chain goes on after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum On {
    /// Success.
    #[default]
    Succeeded,
    /// Anything but success.
    Failed,
    /// A fire time that was missed: there was no run.
    Missed,
    /// Any end of a run that began.
    Any,
}

impl Trigger {
    /// Reads the text form. Whether it can ever fire is for [`Trigger::validate`] to say.
    pub fn from_text(text: &str, defaults: &Defaults) -> Result<Trigger, TriggerError> {
        let node = text::parse(text)?;
        build::check_new(&node)?;
        build::trigger(&node, defaults)
    }

    /// Reads the JSON form; a string is taken for the text form.
    pub fn from_json(value: &Value, defaults: &Defaults) -> Result<Trigger, TriggerError> {
        if let Value::String(text) = value {
            return Trigger::from_text(text, defaults);
        }
        node::check_size(value)?;
        let node = node::from_json(value)?;
        build::check_new(&node)?;
        build::trigger(&node, defaults)
    }

    /// Reads the JSON form of a trigger that was taken before, and may be larger than new ones are.
    pub fn from_stored(value: &Value, defaults: &Defaults) -> Result<Trigger, TriggerError> {
        build::trigger(&node::from_json(value)?, defaults)
    }

    /// The JSON form.
    pub fn to_json(&self) -> Value {
        show::json(self, None)
    }

    /// The zone in which its local times are meant.
    pub fn zone(&self) -> &Zone {
        &self.options.zone
    }

    /// Up to how much later than its fire time a run may start, by chance.
    pub fn jitter(&self) -> TimeDelta {
        TimeDelta::seconds(self.options.jitter)
    }

    /// After how many runs the schedule is finished. Counting is the schedule's.
    pub fn max_runs(&self) -> Option<u64> {
        self.options.max_runs
    }

    /// What people should know about how it was read, as sentences: numbers that mean another weekday than in a
    /// crontab, for one.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The chains it is part of; they have no fire times.
    pub fn chains(&self) -> Vec<&After> {
        match &self.core {
            Core::After(after) => vec![after],
            Core::Or(members) => members.iter().flat_map(Trigger::chains).collect(),
            _ => Vec::new(),
        }
    }
}

/// Notes are about the writing, not the trigger.
impl PartialEq for Trigger {
    fn eq(&self, other: &Self) -> bool {
        (&self.core, &self.options) == (&other.core, &other.options)
    }
}
