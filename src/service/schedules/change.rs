//! Making schedules and changing them, as a whole or in parts.

use super::{TRIES, changed_meanwhile, computed};
use crate::access::Caller;
use crate::clock::Time;
use crate::exact::Exact;
use crate::limits::{NotGranted, RequestedLimits};
use crate::precondition::Precondition;
use crate::publish;
use crate::run::new_id;
use crate::schedule::request::{self, ReadContext, jitter};
use crate::schedule::{KeptSchedule, NewSchedule, Origin, Schedule};
use crate::script::{Name, Script};
use crate::service::{Service, ServiceError, check_priority};
use crate::store::StoreError;
use serde_json::{Map, Value};

/// What is asked of a schedule's arguments.
#[derive(Clone, Debug, Default)]
pub enum AskedArgs {
    /// Nothing: they stay as they are where there are some.
    #[default]
    Unchanged,
    /// That there are none.
    Nothing,
    /// What they are.
    Args(Exact),
}

impl AskedArgs {
    /// The arguments that are in force then, where `before` were.
    fn over(&self, before: Option<&Exact>) -> Option<Exact> {
        match self {
            AskedArgs::Unchanged => before.cloned(),
            AskedArgs::Nothing => None,
            AskedArgs::Args(args) => Some(args.clone()),
        }
    }
}

/// What is asked of a schedule.
#[derive(Clone, Debug, Default)]
pub struct ScheduleRequest {
    /// Its fields by name, but for the arguments: see [`request::names`].
    pub fields: Map<String, Value>,
    /// The arguments, as they were written.
    pub args: AskedArgs,
    /// What the schedule must still be.
    pub precondition: Precondition,
}

/// Which schedule is asked for, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A new one, by the id in its fields or one that is composed. An id that is taken is a conflict, unless `replace` says
    /// that its schedule is changed.
    New {
        /// Whether a schedule of that id is changed.
        replace: bool,
    },
    /// The one of this id, as a whole: what is not named is as it is by default, but for the trigger, which stays. It is made
    /// when there is none.
    Whole(&'a str),
    /// Parts of the one of this id: what is not named stays, what is null is as it is by default again.
    Parts(&'a str),
}

/// A schedule that was made or changed.
#[derive(Clone, Debug)]
pub struct ScheduleKept {
    /// The schedule as it is now.
    pub schedule: Schedule,
    /// Whether there was none of its id.
    pub is_new: bool,
    /// What it asks for beyond the defaults and is not granted.
    pub not_granted: Vec<NotGranted>,
    /// What the caller has to know, in a sentence.
    pub warning: Option<String>,
}

/// What is asked for, with what is known about it.
struct Asked<'a> {
    fields: Map<String, Value>,
    args: Option<Exact>,
    id: Name,
    script: Script,
    existing: Option<Schedule>,
    /// The zone of a trigger that names none; none: the script's, else the server's.
    zone: Option<String>,
    caller: &'a Caller,
}

impl Asked<'_> {
    /// Refuses a change of a schedule that is not what the change was to be made to.
    fn check(&self, asked: &Precondition) -> Result<(), ServiceError> {
        let tag = self.existing.as_ref().map(Schedule::tag);
        if asked.holds(tag.as_deref()) {
            return Ok(());
        }
        Err(ServiceError::changed(&format!("the schedule {}", self.id), "revision", asked, tag.as_deref()))
    }
}

fn bad_id(error: &impl std::fmt::Display) -> ServiceError {
    ServiceError::invalid("id", error.to_string()).code("bad_name")
}

fn no_script_named() -> ServiceError {
    ServiceError::invalid("script", "a schedule starts a script: name it")
}

/// The id of a new schedule: the one that is named, or one that is composed of its script's name.
fn id_of_new(script: &Script, request: &ScheduleRequest, now: Time) -> Result<Name, ServiceError> {
    let id = match request.fields.get("id") {
        None | Some(Value::Null) => {
            let random = new_id(now);
            Name::parse(&Name::with_ending(&script.name, &random[random.len() - 8..]))
        }
        Some(Value::String(id)) => Name::parse(id),
        Some(_) => return Err(ServiceError::invalid("id", "id is a text")),
    };
    id.map_err(|error| bad_id(&error))
}

/// The id of a schedule that is asked for as a whole; its fields can name it, too.
fn id_of_whole(id: &str, request: &ScheduleRequest) -> Result<Name, ServiceError> {
    let name = Name::parse(id).map_err(|error| ServiceError::from(error).field("id"))?;
    let is_other =
        |other: &Value| other.as_str().and_then(|other| Name::parse(other).ok()).is_none_or(|other| other != name);
    if request.fields.get("id").is_some_and(is_other) {
        return Err(ServiceError::invalid("id", "the id in the body is not the one in the address"));
    }
    Ok(name)
}

/// Refuses changes that no part of a schedule can have.
fn check_parts(request: &ScheduleRequest) -> Result<(), ServiceError> {
    if request.fields.contains_key("id") {
        let detail = "an id does not change: make another schedule and delete this one";
        return Err(ServiceError::invalid("id", detail));
    }
    if request.fields.get("trigger").is_some_and(Value::is_null) {
        let detail = "a schedule has a trigger; to stop it, pause or delete it";
        return Err(ServiceError::invalid("trigger", detail));
    }
    Ok(())
}

impl Service {
    /// Makes or changes a schedule.
    ///
    /// # Errors
    /// A field cannot be; the script or the schedule is not there, or not within the caller's reach; its id is taken; its
    /// priority needs the scope `grant`; other requests change it again and again.
    pub async fn change_schedule(
        &self,
        caller: &Caller,
        target: Target<'_>,
        request: &ScheduleRequest,
    ) -> Result<ScheduleKept, ServiceError> {
        for _ in 0..TRIES {
            let asked = self.asked(caller, target, request).await?;
            asked.check(&request.precondition)?;
            let expected = asked.existing.as_ref().map(|existing| existing.revision);
            let new = self.plan_schedule(asked).await?;
            if let Some(kept) = self.keep_schedule(caller, new, expected).await? {
                return Ok(kept);
            }
        }
        Err(changed_meanwhile())
    }

    /// The schedule that a change would come to; nothing is kept.
    ///
    /// # Errors
    /// Those of [`Service::change_schedule`].
    pub async fn try_change_schedule(
        &self,
        caller: &Caller,
        target: Target<'_>,
        request: &ScheduleRequest,
    ) -> Result<Schedule, ServiceError> {
        let asked = self.asked(caller, target, request).await?;
        asked.check(&request.precondition)?;
        let new = self.plan_schedule(asked).await?;
        let now = self.clock.now();
        Ok(Schedule {
            id: new.id,
            key: new.key,
            script_name: new.script.clone(),
            script: new.script,
            origin: new.origin,
            edited: false,
            reach: new.reach,
            settings: new.settings,
            trigger: new.trigger,
            state: new.state,
            reason: None,
            revision: 0,
            cursor: new.cursor,
            next_fire_at: new.next.map(|next| next.0),
            next_due_at: new.next.map(|next| next.1),
            fired: 0,
            last_run: None,
            read_at: new.read_at,
            created_at: now,
            updated_at: now,
            created_by: new.created_by,
        })
    }

    /// What is asked for, beside the schedule as it is now.
    async fn asked<'a>(
        &self,
        caller: &'a Caller,
        target: Target<'_>,
        request: &ScheduleRequest,
    ) -> Result<Asked<'a>, ServiceError> {
        let asked = |id, script, existing| Asked {
            fields: request.fields.clone(),
            args: request.args.over(None),
            id,
            script,
            existing,
            zone: None,
            caller,
        };
        match target {
            Target::New { replace } => {
                let script = self.script_named(caller, &request.fields).await?.ok_or_else(no_script_named)?;
                let id = id_of_new(&script, request, self.clock.now())?;
                let existing = self.schedule_if_any(caller, &id).await?;
                if existing.is_some() && !replace {
                    let detail = format!(
                        "there is a schedule {id} already; PUT /v1/schedules/{id}, or ?replace_existing=true, changes it"
                    );
                    return Err(ServiceError::conflict("schedule_exists", detail).field("id"));
                }
                Ok(asked(id, script, existing))
            }
            Target::Whole(id) => {
                let id = id_of_whole(id, request)?;
                let existing = self.schedule_if_any(caller, &id).await?;
                let script = match (self.script_named(caller, &request.fields).await?, &existing) {
                    (Some(script), _) => script,
                    (None, Some(existing)) => self.script_for(caller, &existing.script_name).await?,
                    (None, None) => return Err(no_script_named()),
                };
                let mut asked = asked(id, script, existing);
                asked.fields.remove("id");
                if let (None, Some(existing)) = (asked.fields.get("trigger"), &asked.existing) {
                    asked.fields.insert("trigger".into(), existing.trigger.json().clone());
                }
                Ok(asked)
            }
            Target::Parts(id) => {
                check_parts(request)?;
                let existing = self.schedule_for(caller, id).await?;
                let script = match self.script_named(caller, &request.fields).await? {
                    Some(script) => script,
                    None => self.script_for(caller, &existing.script_name).await?,
                };
                let fields = parts(&existing, &request.fields);
                let args = request.args.over(existing.settings.args.as_ref());
                // A trigger that names no zone is meant in the one that the schedule has.
                let zone = match request.fields.contains_key("timezone") {
                    true => None,
                    false => existing.trigger.parsed().ok().map(|trigger| trigger.zone().name().to_owned()),
                };
                // Its id stays as it was written, whatever the case of the one that is asked for.
                let id = Name::parse(&existing.id)?;
                Ok(Asked { fields, args, zone, ..asked(id, script, Some(existing)) })
            }
        }
    }

    /// The script that a request names.
    async fn script_named(&self, caller: &Caller, fields: &Map<String, Value>) -> Result<Option<Script>, ServiceError> {
        match fields.get("script") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(name)) => match self.script_for(caller, name).await {
                Err(error) if error.code == "no_such_script" => {
                    Err(ServiceError::invalid("script", error.detail).code("no_such_script"))
                }
                found => found.map(Some),
            },
            Some(_) => Err(ServiceError::invalid("script", "script is the name of a script")),
        }
    }

    /// Reads what is asked for, and checks it against the script.
    async fn plan_schedule(&self, asked: Asked<'_>) -> Result<NewSchedule, ServiceError> {
        let Asked { fields, args, id, script, existing, zone, caller } = asked;
        let existing = existing.as_ref();
        // A schedule of the script's own stays that when somebody changes it: the next upload makes it equal to the block.
        let had = existing.filter(|existing| existing.script == script.key);
        let origin = had.map_or(Origin::Request, |existing| existing.origin);
        let read = {
            let timezone = zone.unwrap_or_else(|| self.zone_of(&script).to_owned());
            let (now, key, existing) = (self.clock.now(), script.key.clone(), existing.cloned());
            move || {
                let existing = existing.as_ref();
                let context = ReadContext { timezone: &timezone, now, origin, existing, jitter: jitter() };
                request::read(&fields, &id, &key, &context)
            }
        };
        let mut new = computed(caller, read).await??;
        new.created_by = match existing {
            Some(existing) => existing.created_by.clone(),
            None => caller.id().map(str::to_owned),
        };
        publish::check_upstreams(&self.store, &caller.reach(), &mut new, existing).await?;
        check_priority(caller, new.settings.priority, had.and_then(|existing| existing.settings.priority))?;
        new.settings.args = args;
        if let Some(version) = new.settings.version.filter(|version| *version < 1 || *version > script.latest) {
            return Err(ServiceError::no_such_version(&script, version));
        }
        let limits = new.settings.limits.asked()?;
        let defaults = self.policy.scheduled_defaults();
        // What a schedule asks for beyond that is granted to its script, or not: here only what can never be is refused.
        let (limits, _) = limits.in_force(&limits.above(&defaults), &defaults, &self.policy.ceiling);
        self.check_limits(&limits)?;
        Ok(new)
    }

    /// The zone of a script's triggers that name none.
    fn zone_of<'a>(&'a self, script: &'a Script) -> &'a str {
        let own = script.settings.timezone.as_deref().or(script.version.table.timezone.as_deref());
        own.unwrap_or(&self.policy.timezone)
    }

    /// Keeps a schedule, and tells of it; none when another request changed it meanwhile.
    async fn keep_schedule(
        &self,
        caller: &Caller,
        new: NewSchedule,
        expected: Option<i64>,
    ) -> Result<Option<ScheduleKept>, ServiceError> {
        let key = new.key.clone();
        let not_granted = self.grant_limits_of(caller, &new).await?;
        let is_new = match self.store.keep_schedule(new, expected, self.clock.now()).await? {
            KeptSchedule::Created => true,
            KeptSchedule::Changed => false,
            KeptSchedule::Taken => return Ok(None),
            KeptSchedule::Circle(circle) => {
                return Err(ServiceError::chain_circle(&StoreError::Circle(circle), caller).field("trigger"));
            }
            KeptSchedule::NoScript => return Err(ServiceError::script_gone()),
        };
        // As it was kept: a schedule that is due now may have fired a moment later.
        let schedule = self.schedule_now(&key).await;
        self.signals.schedules.notify_one();
        let schedule = schedule?;
        let (script, id) = (&schedule.script_name, &schedule.id);
        let warning = (schedule.origin == Origin::Metadata).then(|| {
            format!(
                "the block of {script} names the schedule {id}: the next push of a source that names it makes it so again; \
                 change the block too"
            )
        });
        Ok(Some(ScheduleKept { schedule, is_new, not_granted, warning }))
    }

    /// Grants a schedule's script what the schedule asks for, when the caller can; what is not granted.
    async fn grant_limits_of(&self, caller: &Caller, new: &NewSchedule) -> Result<Vec<NotGranted>, ServiceError> {
        let (asked, defaults) = (new.settings.limits.asked()?, self.policy.scheduled_defaults());
        let above = asked.above(&defaults);
        if above == RequestedLimits::default() {
            return Ok(Vec::new());
        }
        if caller.grants_itself() {
            let by = caller.id().map(str::to_owned);
            self.store.grant_limits(&new.script, above.within(&self.policy.ceiling), by, self.clock.now()).await?;
        }
        let granted = self.store.granted_limits(&new.script).await?;
        Ok(asked.in_force(&granted, &defaults, &self.policy.ceiling).1)
    }
}

/// What a schedule is asked to be whose parts are changed.
fn parts(existing: &Schedule, changes: &Map<String, Value>) -> Map<String, Value> {
    let mut whole = request::as_asked(&existing.settings, existing.trigger.json());
    whole.extend(changes.clone());
    // Another zone alone means the same trigger there.
    if let (Some(zone), None) = (changes.get("timezone").filter(|zone| !zone.is_null()), changes.get("trigger"))
        && let Some(Value::Object(trigger)) = whole.get_mut("trigger")
    {
        trigger.insert("timezone".into(), zone.clone());
    }
    whole
}
