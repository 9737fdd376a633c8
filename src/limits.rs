//! Limits as people ask for them, what of it is granted, and the sentences about both.

use crate::quantity::{self, Quantity};
use crate::suggest::nearest;
use cronbox_runtime::Limits;
use cronbox_runtime::limits::{LimitError, LimitName};
use serde::{Deserialize, Serialize};
use std::time::Duration;

mod written;

pub use written::WrittenLimits;

/// The limits that can be asked for, by name.
pub const NAMES: &[&str] = &["fuel", "memory", "timeout", "output"];

/// What is asked for; none: nothing is said about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestedLimits {
    /// Units of fuel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Wall-clock time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Bytes of each of the two streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
}

/// A limit that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {why}")]
pub struct BadLimit {
    /// The limit, as it was written.
    pub name: String,
    /// A sentence.
    pub why: String,
}

/// What is said of what is asked for above the operator's ceiling: granting it is not possible.
pub const BEYOND: &str = "beyond what this server can grant";

/// A limit that was asked for and not granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NotGranted {
    /// `limits.memory`
    pub what: String,
    /// What was asked for.
    pub asked: String,
    /// What is in force instead.
    pub in_force: String,
    /// Whether a grant can allow it. Not when it is above the ceiling of the server, or when there is no such secret for
    /// the script.
    #[serde(default)]
    #[schema(required)]
    pub grantable: bool,
}

impl RequestedLimits {
    /// This, and where it says nothing, the other.
    pub fn or(&self, other: &RequestedLimits) -> RequestedLimits {
        RequestedLimits {
            fuel: self.fuel.or(other.fuel),
            memory: self.memory.or(other.memory),
            timeout: self.timeout.or(other.timeout),
            output: self.output.or(other.output),
        }
    }

    /// The larger of both, limit by limit.
    pub fn larger(&self, other: &RequestedLimits) -> RequestedLimits {
        RequestedLimits {
            fuel: self.fuel.max(other.fuel),
            memory: self.memory.max(other.memory),
            timeout: self.timeout.max(other.timeout),
            output: self.output.max(other.output),
        }
    }

    /// What of this lies above the defaults, and so needs somebody who grants it.
    pub fn above(&self, defaults: &Limits) -> RequestedLimits {
        RequestedLimits {
            fuel: self.fuel.filter(|fuel| *fuel > defaults.fuel),
            memory: self.memory.filter(|memory| *memory > defaults.memory),
            timeout: self.timeout.filter(|timeout| *timeout > defaults.wall),
            output: self.output.filter(|output| *output > defaults.stdout),
        }
    }

    /// This, but no limit above the ceiling: what can be granted.
    pub fn within(&self, ceiling: &Limits) -> RequestedLimits {
        RequestedLimits {
            fuel: self.fuel.map(|fuel| fuel.min(ceiling.fuel)),
            memory: self.memory.map(|memory| memory.min(ceiling.memory)),
            timeout: self.timeout.map(|timeout| timeout.min(ceiling.wall)),
            output: self.output.map(|output| output.min(ceiling.stdout)),
        }
    }

    /// The first limit above the ceiling: its name, and a sentence.
    pub fn beyond(&self, ceiling: &Limits) -> Option<(&'static str, String)> {
        let highest = self.within(ceiling).numbers();
        let beyond = self.numbers().into_iter().zip(highest).find(|((_, asked), (_, most))| asked > most);
        beyond.map(|((name, asked), (_, most))| {
            let show = |number: u64| match name {
                "fuel" => quantity::fuel(number),
                "timeout" => quantity::duration(Duration::from_millis(number)),
                _ => quantity::bytes(number),
            };
            let options = if name == "memory" { "--ceiling and --memory-budget" } else { "--ceiling" };
            let why = format!(
                "{} is above this server's ceiling of {} ({options} of cronbox serve)",
                show(asked),
                show(most)
            );
            (name, why)
        })
    }

    /// Limit by limit, `name` and number, as grants are kept.
    pub fn numbers(&self) -> Vec<(&'static str, u64)> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let rows = [
            ("fuel", self.fuel),
            ("memory", self.memory),
            ("timeout", self.timeout.map(millis)),
            ("output", self.output),
        ];
        rows.into_iter().filter_map(|(name, number)| Some((name, number?))).collect()
    }

    /// Adds what a grant of this name and number allows.
    pub fn add_number(&mut self, name: &str, number: u64) {
        match name {
            "fuel" => self.fuel = self.fuel.max(Some(number)),
            "memory" => self.memory = self.memory.max(Some(number)),
            "timeout" => self.timeout = self.timeout.max(Some(Duration::from_millis(number))),
            "output" => self.output = self.output.max(Some(number)),
            _ => {}
        }
    }

    /// What is in force: asked, as far as it is within the default or was granted, under the ceiling; and what was asked
    /// for beyond that. An output or a file tree never needs more than the memory there is.
    pub fn in_force(
        &self,
        granted: &RequestedLimits,
        defaults: &Limits,
        ceiling: &Limits,
    ) -> (Limits, Vec<NotGranted>) {
        let mut refused = Vec::new();
        let mut decide =
            |name: &str, asked: Option<u64>, granted: Option<u64>, default: u64, most: u64, show: fn(u64) -> String| {
                let Some(asked) = asked else { return default.min(most) };
                let allowed = granted.unwrap_or(0).max(default).min(most);
                if asked > allowed {
                    let in_force = match show(allowed) {
                        allowed_text if asked <= most => allowed_text,
                        allowed_text if allowed == most => format!("{allowed_text}; more is {BEYOND}"),
                        allowed_text => format!("{allowed_text}; more than {} is {BEYOND}", show(most)),
                    };
                    let (what, asked_text) = (format!("limits.{name}"), show(asked));
                    refused.push(NotGranted { what, asked: asked_text, in_force, grantable: asked <= most });
                }
                asked.min(allowed)
            };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let fuel = decide("fuel", self.fuel, granted.fuel, defaults.fuel, ceiling.fuel, quantity::fuel);
        let memory = decide("memory", self.memory, granted.memory, defaults.memory, ceiling.memory, quantity::bytes);
        let wall = decide(
            "timeout",
            self.timeout.map(millis),
            granted.timeout.map(millis),
            millis(defaults.wall),
            millis(ceiling.wall),
            |millis| quantity::duration(Duration::from_millis(millis)),
        );
        let output = decide("output", self.output, granted.output, defaults.stdout, ceiling.stdout, quantity::bytes);
        let limits = Limits {
            fuel,
            memory,
            wall: Duration::from_millis(wall),
            stdout: output,
            stderr: output,
            files: defaults.files.min(memory),
            ..*defaults
        };
        (limits, refused)
    }
}

/// What one limit asks for: a number, or a number with its unit.
fn one(name: &str, value: &Quantity) -> Result<RequestedLimits, BadLimit> {
    let bad = |why: String| BadLimit { name: name.chars().take(40).collect(), why };
    let (text, mut asked) = (value.to_string(), RequestedLimits::default());
    match name {
        "fuel" => asked.fuel = Some(quantity::parse_fuel(&text).map_err(bad)?),
        "memory" => asked.memory = Some(quantity::parse_bytes(&text).map_err(bad)?),
        "timeout" => asked.timeout = Some(quantity::parse_duration(&text).map_err(bad)?),
        "output" => asked.output = Some(quantity::parse_bytes(&text).map_err(bad)?),
        _ => {
            let near = nearest(name, NAMES.iter().copied());
            let meant = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
            return Err(bad(format!("{meant}there are {}", NAMES.join(", "))));
        }
    }
    Ok(asked)
}

/// A limit's complaint in units that people read; `shown` says how the limit is written where it was asked for
/// (`--memory`, `limits.memory`).
pub fn sentence(error: &LimitError, shown: impl Fn(LimitName) -> String) -> String {
    let number = |name: LimitName, value: u64| match name {
        LimitName::Fuel => quantity::fuel(value),
        LimitName::Timeout => quantity::duration(Duration::from_millis(value)),
        _ => quantity::bytes(value),
    };
    match *error {
        LimitError::Zero(name) => format!("{} must be greater than 0", shown(name)),
        LimitError::AboveCeiling { name, asked, ceiling } => {
            format!("{} {}: the ceiling is {}", shown(name), number(name, asked), number(name, ceiling))
        }
        LimitError::BelowInterpreter { asked, needed } => format!(
            "{} {}: the interpreter itself needs {}",
            shown(LimitName::Memory),
            quantity::bytes(asked),
            quantity::bytes(needed)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cronbox_runtime::limits::CEILING;

    #[test]
    fn what_is_above_the_ceiling_cannot_be_granted() {
        let ceiling = Limits { memory: 1 << 30, ..CEILING };
        let asked = RequestedLimits { memory: Some(5 << 30), output: Some(1), ..RequestedLimits::default() };
        let most = RequestedLimits { memory: Some(1 << 30), output: Some(1), ..RequestedLimits::default() };
        assert_eq!((asked.within(&ceiling), most.beyond(&ceiling)), (most, None));
        let sentence = "5 GiB is above this server's ceiling of 1 GiB (--ceiling and --memory-budget of cronbox serve)";
        assert_eq!(asked.beyond(&ceiling), Some(("memory", sentence.to_owned())));
        let defaults = Limits { memory: 256 << 20, ..Limits::default() };
        let told = |granted| asked.in_force(&granted, &defaults, &ceiling).1[0].in_force.clone();
        assert_eq!(told(most), "1 GiB; more is beyond what this server can grant");
        let nothing = RequestedLimits::default();
        assert_eq!(told(nothing), "256 MiB; more than 1 GiB is beyond what this server can grant");
    }

    #[test]
    fn what_is_asked_is_not_what_is_granted() {
        let defaults = Limits::default();
        let asked = RequestedLimits {
            memory: Some(1 << 30),
            timeout: Some(Duration::from_secs(5)),
            ..RequestedLimits::default()
        };
        let (limits, refused) = asked.in_force(&RequestedLimits::default(), &defaults, &CEILING);
        assert_eq!((limits.memory, limits.wall), (defaults.memory, Duration::from_secs(5)));
        assert_eq!(refused.len(), 1);
        assert_eq!((refused[0].what.as_str(), refused[0].asked.as_str()), ("limits.memory", "1 GiB"));
        let granted = RequestedLimits { memory: Some(512 << 20), ..RequestedLimits::default() };
        let (limits, refused) = asked.in_force(&granted, &defaults, &CEILING);
        assert_eq!((limits.memory, refused.len()), (512 << 20, 1));
        let small = Limits { memory: 64 << 20, ..CEILING };
        let (limits, _) = asked.in_force(&granted, &defaults, &small);
        assert_eq!((limits.memory, limits.files), (64 << 20, 64 << 20));
    }

    #[test]
    fn grants_are_kept_as_numbers() {
        let asked =
            RequestedLimits { fuel: Some(7), timeout: Some(Duration::from_millis(1500)), ..RequestedLimits::default() };
        let mut back = RequestedLimits::default();
        for (name, number) in asked.numbers() {
            back.add_number(name, number);
        }
        assert_eq!(back, asked);
        assert_eq!(asked.above(&Limits::default()), RequestedLimits::default());
    }

    #[test]
    fn a_limit_names_where_it_was_asked_for() {
        let error = LimitError::AboveCeiling { name: LimitName::Timeout, asked: 7_200_000, ceiling: 3_600_000 };
        assert_eq!(sentence(&error, |_| "--timeout".into()), "--timeout 2 h: the ceiling is 1 h");
    }
}
