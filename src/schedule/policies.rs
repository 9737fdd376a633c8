//! The policies of schedules: what happens when the clock and the script disagree.

use crate::quantity::{self, Quantity};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::time::Duration;

/// Rows written for one schedule after an outage, unless told otherwise; older fire times share one.
pub const CATCHUP_LIMIT: u32 = 1_000;

/// Which of several fire times that came due together is started; the others get rows that name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Coalesce {
    /// The last one (`true`).
    #[default]
    Latest,
    /// The first one.
    Earliest,
    /// Every one (`false`), one after another.
    All,
}

impl<'de> Deserialize<'de> for Coalesce {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::Bool(true) => Ok(Coalesce::Latest),
            Value::Bool(false) => Ok(Coalesce::All),
            Value::String(word) if word == "latest" => Ok(Coalesce::Latest),
            Value::String(word) if word == "earliest" => Ok(Coalesce::Earliest),
            Value::String(word) if word == "all" => Ok(Coalesce::All),
            _ => Err(serde::de::Error::custom("coalesce is latest (true), earliest or all (false)")),
        }
    }
}

/// What happens to a fire time while as many runs of the schedule run as may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It is skipped.
    #[default]
    Skip,
    /// It waits, unless another waits already.
    QueueOne,
    /// It waits.
    QueueAll,
    /// The others are cancelled, and it starts when they have ended.
    CancelRunning,
    /// It starts.
    Allow,
}

impl Overlap {
    /// Whether a run may have to wait for others by it.
    pub fn waits(self) -> bool {
        matches!(self, Overlap::QueueOne | Overlap::QueueAll | Overlap::CancelRunning)
    }
}

/// How late a run may start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grace {
    /// However late.
    #[default]
    Any,
    /// No later than this.
    Within(Duration),
}

impl Serialize for Grace {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Grace::Any => to.serialize_str("any"),
            Grace::Within(time) => to.serialize_f64(time.as_secs_f64()),
        }
    }
}

impl<'de> Deserialize<'de> for Grace {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Quantity::deserialize(from)
            .map_err(|_| serde::de::Error::custom("misfire_grace_time is a time (60, \"5m\"), or \"any\""))?
            .to_string();
        if text == "any" {
            return Ok(Grace::Any);
        }
        let time = quantity::parse_duration(&text).map_err(serde::de::Error::custom)?;
        if time < Duration::from_millis(1) {
            return Err(serde::de::Error::custom("nothing starts with no delay at all: write \"any\", or a time"));
        }
        Ok(Grace::Within(time))
    }
}

/// `true` is after the first.
fn failures<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    match Option::<Value>::deserialize(from)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(on)) => Ok(Some(u32::from(on))),
        Some(Value::Number(number)) if number.as_u64().is_some_and(|number| number <= 1_000_000) => {
            Ok(number.as_u64().and_then(|number| u32::try_from(number).ok()))
        }
        Some(_) => {
            Err(serde::de::Error::custom("pause_on_failure is true, false, or after how many failures in a row"))
        }
    }
}

/// What happens when the clock and the script disagree. What is not said is as the server has it (`--job-defaults`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policies {
    /// How late a run may start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misfire_grace_time: Option<Grace>,
    /// Which of several fire times is started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coalesce: Option<Coalesce>,
    /// How many of its runs may run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_instances: Option<u32>,
    /// What happens to a fire time while so many do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// After how many failures in a row the schedule is paused; 0: never.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "failures")]
    pub pause_on_failure: Option<u32>,
    /// How many fire times get a row of their own after an outage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catchup_limit: Option<u32>,
}

/// The names of all policies.
pub const POLICIES: &[&str] =
    &["misfire_grace_time", "coalesce", "max_instances", "overlap", "pause_on_failure", "catchup_limit"];

impl Policies {
    /// These, and where they say nothing, the others.
    pub fn or(&self, other: &Policies) -> Policies {
        Policies {
            misfire_grace_time: self.misfire_grace_time.or(other.misfire_grace_time),
            coalesce: self.coalesce.or(other.coalesce),
            max_instances: self.max_instances.or(other.max_instances),
            overlap: self.overlap.or(other.overlap),
            pause_on_failure: self.pause_on_failure.or(other.pause_on_failure),
            catchup_limit: self.catchup_limit.or(other.catchup_limit),
        }
    }

    /// Everything said: these, else the server's, else the defaults.
    pub fn in_force(&self, server: &Policies) -> Policies {
        self.or(server).or(&Policies {
            misfire_grace_time: Some(Grace::Any),
            coalesce: Some(Coalesce::Latest),
            max_instances: Some(1),
            overlap: Some(Overlap::Skip),
            pause_on_failure: Some(0),
            catchup_limit: Some(CATCHUP_LIMIT),
        })
    }

    /// What happens while as many run as may, and how many these are.
    pub fn overlap_in_force(&self, server: &Policies) -> (Overlap, u32) {
        let all = self.in_force(server);
        (all.overlap.unwrap_or_default(), all.max_instances.unwrap_or(1))
    }

    /// What cannot be meant, as the policy's name and a sentence.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.max_instances.is_some_and(|most| !(1..=10_000).contains(&most)) {
            return Err(("max_instances", "max_instances is between 1 and 10000".into()));
        }
        if self.catchup_limit.is_some_and(|most| !(1..=10_000).contains(&most)) {
            return Err(("catchup_limit", "catchup_limit is between 1 and 10000".into()));
        }
        Ok(())
    }
}
