//! From what somebody asks for, in a request or in a script's own metadata, to a schedule that can be kept.

use crate::access::Reach;
use crate::clock::Time;
use crate::misfit;
use crate::schedule::{Link, NewSchedule, Origin, POLICIES, SETTINGS, Schedule, Settings, State, StoredTrigger, due};
use crate::script::Name;
use crate::suggest::nearest;
use crate::trigger::{Budget, Defaults, Trigger, TriggerError};
use crate::zone;
use chrono::TimeDelta;
use serde_json::{Map, Value, json};

/// What can be said beside settings and policies.
const OWN: &[&str] = &["id", "script", "trigger", "timezone", "paused"];

/// A schedule that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{why}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct BadSchedule {
    /// A word for programs.
    pub code: &'static str,
    /// The field at fault.
    pub field: String,
    /// A sentence.
    pub why: String,
    /// Where in the text of a trigger, counted from 0.
    pub at: Option<usize>,
    /// The line of the script whose block asks for it, from 1 on.
    pub line: Option<u32>,
}

impl BadSchedule {
    fn new(field: &str, why: impl Into<String>) -> Self {
        BadSchedule { code: "invalid_value", field: field.into(), why: why.into(), at: None, line: None }
    }

    /// A trigger that cannot be.
    pub fn trigger(error: &TriggerError) -> Self {
        let field = error.field.as_ref().map_or_else(|| "trigger".to_owned(), |field| format!("trigger.{field}"));
        let mut why = error.to_string();
        if let Some(caret) = error.caret() {
            why.push_str(&format!("\n{caret}"));
        }
        let code = if error.too_costly { "trigger_too_costly" } else { "bad_trigger" };
        BadSchedule { code, field, why, at: error.at, line: None }
    }
}

/// What is known beside what is asked.
#[derive(Clone, Debug)]
pub struct ReadContext<'a> {
    /// The zone of a schedule that names none: the script's, else the server's.
    pub timezone: &'a str,
    /// What time it is.
    pub now: Time,
    /// Who asks.
    pub origin: Origin,
    /// The schedule of this id, when there is one.
    pub existing: Option<&'a Schedule>,
    /// Chooses the jitter of the first fire time: 0 to 1.
    pub jitter: f64,
}

/// The names of everything that can be asked for.
pub fn names() -> impl Iterator<Item = &'static str> {
    OWN.iter().chain(SETTINGS).chain(POLICIES).copied()
}

/// Reads a trigger in its text or JSON form.
pub fn read_trigger(asked: &Value, timezone: &str, now: Time) -> Result<Trigger, BadSchedule> {
    let zones = zone::installed();
    let zone = zones.get(timezone).map_err(|error| BadSchedule::new("timezone", error.to_string()))?;
    let defaults = Defaults { zones: zones.clone(), timezone: zone, now };
    Trigger::from_json(asked, &defaults).map_err(|error| BadSchedule::trigger(&error))
}

/// [`read_within`], with a budget of its own.
pub fn read(
    asked: &Map<String, Value>,
    id: &Name,
    script: &str,
    context: &ReadContext<'_>,
) -> Result<NewSchedule, BadSchedule> {
    read_within(asked, id, script, context, &Budget::whole())
}

/// Reads what is asked for. A trigger that is not there means: once, now; or what it was. What is computed for it is paid
/// from the budget.
pub fn read_within(
    asked: &Map<String, Value>,
    id: &Name,
    script: &str,
    context: &ReadContext<'_>,
    budget: &Budget,
) -> Result<NewSchedule, BadSchedule> {
    check_names(asked)?;
    let settings = settings(asked)?;
    let timezone = match asked.get("timezone") {
        None | Some(Value::Null) => context.timezone,
        Some(Value::String(zone)) => zone,
        Some(_) => return Err(BadSchedule::new("timezone", "a time zone is a text, such as \"Europe/Berlin\"")),
    };
    let paused = match asked.get("paused") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(paused)) => Some(*paused),
        Some(_) => return Err(BadSchedule::new("paused", "paused is true or false")),
    };
    let now = context.now;
    let kept = context.existing.filter(|existing| existing.script == script);
    let Read { trigger, same_as } = trigger_asked(asked.get("trigger"), timezone, kept, now, budget)?;
    let links = Link::of(&trigger).map_err(|why| BadSchedule::new("trigger", why))?;
    let firing = match same_as {
        Some(kept) => Firing::as_kept(kept, paused, &trigger, context, budget)?,
        None => Firing::from_now(paused, &trigger, context, budget)?,
    };
    let read_at = same_as.map_or(now, |kept| kept.read_at);
    Ok(NewSchedule {
        id: id.as_str().to_owned(),
        key: id.key().to_owned(),
        script: script.to_owned(),
        origin: context.origin,
        reach: Reach::default(),
        settings,
        trigger: StoredTrigger::of(trigger, now),
        read_at,
        state: firing.state,
        cursor: firing.cursor,
        next: firing.next,
        created_by: None,
        links,
    })
}

/// Refuses what cannot be asked for.
fn check_names(asked: &Map<String, Value>) -> Result<(), BadSchedule> {
    let Some(name) = asked.keys().find(|name| !names().any(|known| known == name.as_str())) else { return Ok(()) };
    let shown: String = name.chars().take(60).collect();
    let meant = match nearest(name, names()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
    };
    let why = format!("there is no field {shown:?}: {meant}");
    Err(BadSchedule { code: "unknown_field", ..BadSchedule::new(&shown, why) })
}

/// A trigger that was asked for.
struct Read<'a> {
    trigger: Trigger,
    /// The schedule that has the same trigger already.
    same_as: Option<&'a Schedule>,
}

/// Reads the trigger that is asked for.
fn trigger_asked<'a>(
    asked: Option<&Value>,
    timezone: &str,
    kept: Option<&'a Schedule>,
    now: Time,
    budget: &Budget,
) -> Result<Read<'a>, BadSchedule> {
    let Some(asked) = asked.filter(|asked| !asked.is_null()) else {
        let once = json!({"type": "date", "run_date": crate::clock::rfc3339(now)});
        return Ok(Read { trigger: read_trigger(&once, "UTC", now)?, same_as: None });
    };
    if let Some(kept) = kept {
        // The same words as before mean the same, though an interval begins when it is read.
        let again = read_trigger(asked, timezone, kept.read_at)?;
        if again.to_json() == *kept.trigger.json() {
            return Ok(Read { trigger: again, same_as: Some(kept) });
        }
    }
    let trigger = read_trigger(asked, timezone, now)?;
    trigger.within(budget).validate(now).map_err(|error| BadSchedule::trigger(&error))?;
    Ok(Read { trigger, same_as: None })
}

/// Whether a schedule fires, and when.
struct Firing {
    state: State,
    cursor: Time,
    next: Option<(Time, Time)>,
}

impl Firing {
    /// Of a schedule that has this trigger already: nothing about its fire times changes. One that was paused stays paused
    /// when the request does not say otherwise.
    fn as_kept(
        kept: &Schedule,
        paused: Option<bool>,
        trigger: &Trigger,
        context: &ReadContext<'_>,
        budget: &Budget,
    ) -> Result<Self, BadSchedule> {
        let next = kept.next_fire_at.map(|next| (next, kept.next_due_at.unwrap_or(next)));
        let state = match (kept.state, paused) {
            (State::Paused, Some(false)) => {
                let next = first_within(trigger, context.now, context.jitter, budget)?;
                let fires = next.is_some() || !trigger.chains().is_empty();
                let state = if fires { State::Active } else { State::Finished };
                return Ok(Firing { state, cursor: context.now, next });
            }
            (State::Finished, _) => State::Finished,
            (_, Some(paused)) => state_of(paused),
            (was, None) => was,
        };
        Ok(Firing { state, cursor: kept.cursor, next })
    }

    /// Of a trigger that is new to the schedule.
    fn from_now(
        paused: Option<bool>,
        trigger: &Trigger,
        context: &ReadContext<'_>,
        budget: &Budget,
    ) -> Result<Self, BadSchedule> {
        // The very instant of its making counts: an interval's first fire is its start, which is that.
        let cursor = context.now.checked_sub_signed(TimeDelta::microseconds(1)).unwrap_or(context.now);
        let next = first_within(trigger, cursor, context.jitter, budget)?;
        if next.is_none() && trigger.chains().is_empty() {
            return Err(BadSchedule { code: "bad_trigger", ..BadSchedule::new("trigger", "this can never fire") });
        }
        let was_paused = context.existing.is_some_and(|existing| existing.state == State::Paused);
        Ok(Firing { state: state_of(paused.unwrap_or(was_paused)), cursor, next })
    }
}

fn state_of(paused: bool) -> State {
    if paused { State::Paused } else { State::Active }
}

/// [`first_within`], with a budget of its own.
pub fn first(trigger: &Trigger, after: Time, jitter: f64) -> Result<Option<(Time, Time)>, BadSchedule> {
    first_within(trigger, after, jitter, &Budget::whole())
}

/// The first fire time after an instant, and when it is looked at.
pub fn first_within(
    trigger: &Trigger,
    after: Time,
    jitter: f64,
    budget: &Budget,
) -> Result<Option<(Time, Time)>, BadSchedule> {
    let fire = trigger.within(budget).next_after(after).map_err(|error| BadSchedule::trigger(&error))?;
    Ok(fire.map(|fire| (fire.at, due(trigger, fire.at, jitter))))
}

/// Settings and policies, one by one, so that the one at fault is known.
fn settings(asked: &Map<String, Value>) -> Result<Settings, BadSchedule> {
    let mut rest = Map::new();
    for (name, value) in asked {
        if OWN.contains(&name.as_str()) || value.is_null() {
            continue;
        }
        let alone = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
        serde_json::from_value::<Settings>(alone).map_err(|error| {
            BadSchedule::new(name, misfit::sentence(name, &misfit::shown(value), &error.to_string()))
        })?;
        rest.insert(name.clone(), value.clone());
    }
    let settings: Settings =
        serde_json::from_value(Value::Object(rest)).map_err(|error| BadSchedule::new("settings", error.to_string()))?;
    settings.check().map_err(|(field, why)| BadSchedule::new(field, why))?;
    settings
        .limits
        .asked()
        .map_err(|error| BadSchedule::new(&format!("limits.{}", error.name), format!("limits.{error}")))?;
    if let Some(args) = &settings.args
        && !args.is_object()
        && !args.is_array()
    {
        return Err(BadSchedule::new("args", "args is an object (by name) or an array (by position)"));
    }
    Ok(settings)
}

/// By jitter, 0 to 1.
pub fn jitter() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

/// What would have to be asked for to get a schedule of these settings and this trigger again, but for its arguments, which
/// are kept as they were written: what a change is made on.
pub fn as_asked(settings: &Settings, trigger: &Value) -> Map<String, Value> {
    let settings = Settings { args: None, ..settings.clone() };
    let mut asked = match serde_json::to_value(settings) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    asked.insert("trigger".into(), trigger.clone());
    asked
}
