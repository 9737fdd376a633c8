//! What a caller can see and change: scripts, their runs and schedules, by the reach of the caller's token.

use super::text::quoted;
use super::{Service, ServiceError};
use crate::access::{self, Caller};
use crate::clock::Time;
use crate::publication::ScriptFilter;
use crate::run::Run;
use crate::schedule::{Schedule, ScheduleFilter};
use crate::script::{Name, Script, Version};
use crate::suggest;
use std::collections::BTreeMap;

/// The scripts that a limited caller can see.
#[derive(Debug)]
pub struct Reached {
    /// By key, from when on: what is older belongs to a deleted script of the same name.
    since: BTreeMap<String, Time>,
}

impl Reached {
    /// Whether a script is one of them.
    pub fn contains(&self, key: &str) -> bool {
        self.since.contains_key(key)
    }

    /// Whether the caller can see what happened to a script at an instant.
    pub fn holds(&self, key: &str, at: Time) -> bool {
        self.since.get(key).is_some_and(|since| *since <= at)
    }

    /// The keys of those whose earlier scripts of the same name can be seen too.
    pub fn whole(&self) -> Vec<String> {
        self.since.iter().filter(|(_, since)| **since == Time::MIN_UTC).map(|(key, _)| key.clone()).collect()
    }

    /// Their keys.
    pub fn into_keys(self) -> Vec<String> {
        self.since.into_keys().collect()
    }
}

/// Refuses a priority that goes before others, from a caller who cannot give it; `had` is what was there before.
pub(crate) fn check_priority(caller: &Caller, priority: Option<i64>, had: Option<i64>) -> Result<(), ServiceError> {
    match access::needs_grant(priority, had) {
        Some(why) if !caller.grants_itself() => Err(ServiceError::forbidden("missing_scope", why).field("priority")),
        _ => Ok(()),
    }
}

/// Whether a caller can see a run of a saved script: its script is within reach. A label reaches the runs of the script that
/// has it, and not those of an earlier one of the same name, which was deleted.
fn reaches_run(caller: &Caller, run: &Run, script: Option<&Script>) -> bool {
    let Some(key) = &run.script else { return !caller.is_limited() };
    let same = script.filter(|script| run.created_at >= script.created_at);
    caller.reaches(key, &same.map(|script| script.in_force().labels).unwrap_or_default())
}

impl Service {
    /// Refuses a caller that cannot touch a script.
    pub(crate) fn check_reach(&self, caller: &Caller, key: &str, script: Option<&Script>) -> Result<(), ServiceError> {
        let labels = script.map(|script| script.in_force().labels).unwrap_or_default();
        if caller.reaches(key, &labels) {
            return Ok(());
        }
        Err(ServiceError::out_of_reach(caller))
    }

    /// The scripts that a caller can see; none when they can see all.
    ///
    /// # Errors
    /// The database is not available.
    pub async fn reach_of(&self, caller: &Caller) -> Result<Option<Reached>, ServiceError> {
        if !caller.is_limited() {
            return Ok(None);
        }
        let scripts = self.store.scripts(ScriptFilter::all()).await?;
        let reach = caller.reach();
        let reached = scripts.into_iter().filter(|script| reach.covers(&script.key, &script.in_force().labels));
        let mut since: BTreeMap<String, Time> = reached
            .map(|script| {
                let since = if reach.names(&script.key) { Time::MIN_UTC } else { script.created_at };
                (script.key, since)
            })
            .collect();
        // Scripts that were deleted have runs too; only names reach those. A pattern is no script's key.
        since.extend(reach.scripts.into_iter().flatten().map(|key| (key, Time::MIN_UTC)));
        Ok(Some(Reached { since }))
    }

    /// The script of that name.
    ///
    /// # Errors
    /// It is not there, or not within the caller's reach.
    pub async fn script_for(&self, caller: &Caller, name: &str) -> Result<Script, ServiceError> {
        let name = Name::parse(name)?;
        let script = self.store.script(name.key()).await?;
        self.check_reach(caller, name.key(), script.as_ref())?;
        match script {
            Some(script) => Ok(script),
            None => Err(self.no_such_script(caller, &name).await),
        }
    }

    async fn no_such_script(&self, caller: &Caller, name: &Name) -> ServiceError {
        let filter = ScriptFilter { limit: 1000, ..ScriptFilter::default() };
        let known = self.store.scripts(filter).await.unwrap_or_default();
        let seen = known.iter().filter(|script| caller.reaches(&script.key, &script.in_force().labels));
        let near = suggest::nearest(name.as_str(), seen.map(|script| script.name.as_str()));
        let meant = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        ServiceError::not_found("no_such_script", format!("there is no script {name}{meant}"))
    }

    /// The version of that number, or the one in force.
    ///
    /// # Errors
    /// The script has no such version.
    pub async fn version_of(&self, script: &Script, number: Option<i64>) -> Result<Version, ServiceError> {
        let found = self.store.version_or_in_force(script, number).await?;
        found.ok_or_else(|| ServiceError::no_such_version(script, number.unwrap_or_default()))
    }

    /// The run of that id.
    ///
    /// # Errors
    /// It is not there, or the caller cannot see it.
    pub async fn run_for(&self, caller: &Caller, id: &str) -> Result<Run, ServiceError> {
        let quoted = quoted(id);
        let not_found = || ServiceError::not_found("no_such_run", format!("there is no run {quoted:?}"));
        if uuid::Uuid::parse_str(id).is_err() {
            let detail = if id.bytes().all(|byte| byte.is_ascii_digit()) {
                format!("there is no run {quoted:?}: runs are named by UUIDs, such as 0198c2a4-…, and not by numbers")
            } else {
                format!("{quoted:?} is no run's id: those are UUIDs")
            };
            return Err(ServiceError::not_found("no_such_run", detail).field("id"));
        }
        let run = self.store.run(&id.to_ascii_lowercase()).await?.ok_or_else(not_found)?;
        if caller.is_limited() {
            let own = run.created_by.is_some() && run.created_by.as_deref() == caller.id();
            let script = match &run.script {
                Some(key) => self.store.script(key).await?,
                None => None,
            };
            // Own runs of source in a request, or of a script that is gone by now, belong to no other script.
            let is_seen = reaches_run(caller, &run, script.as_ref()) || own && script.is_none();
            if !is_seen {
                return Err(if run.script.is_some() { ServiceError::out_of_reach(caller) } else { not_found() });
            }
        }
        Ok(run)
    }

    /// With the schedules that may be meant: those of the script of that name, or the one whose name is nearest, of all
    /// that the caller can see.
    async fn no_such_schedule(&self, caller: &Caller, name: &Name) -> ServiceError {
        let is_script = self.script_for(caller, name.as_str()).await.is_ok();
        let scripts = is_script.then(|| vec![name.key().to_owned()]);
        let filter = ScheduleFilter { scripts, limit: 1000, ..ScheduleFilter::default() };
        let known = self.store.schedules(filter).await.unwrap_or_default();
        let ids: Vec<&str> = match self.reach_of(caller).await {
            Ok(reached) => known
                .iter()
                .filter(|schedule| reached.as_ref().is_none_or(|reached| reached.contains(&schedule.script)))
                .map(|schedule| schedule.id.as_str())
                .collect(),
            Err(_) => Vec::new(),
        };
        let meant = match (is_script, ids.as_slice()) {
            (true, []) => format!("; the script {name} has no schedules"),
            (true, [one]) => format!("; the schedule of the script {name} is {one}"),
            (true, [some @ .., last]) if some.len() < 10 => {
                format!("; the schedules of the script {name} are {} and {last}", some.join(", "))
            }
            (true, all) => format!("; the script {name} has {} schedules", all.len()),
            (false, all) => suggest::nearest(name.as_str(), all.iter().copied())
                .map(|near| format!("; did you mean {near}?"))
                .unwrap_or_default(),
        };
        ServiceError::not_found("no_such_schedule", format!("there is no schedule {name}{meant}"))
    }

    /// The schedule of that name, if there is one.
    ///
    /// # Errors
    /// Its script is not within the caller's reach.
    pub(crate) async fn schedule_if_any(&self, caller: &Caller, name: &Name) -> Result<Option<Schedule>, ServiceError> {
        let found = self.store.schedule(name.key()).await?;
        if let Some(schedule) = &found {
            let script = self.store.script(&schedule.script).await?;
            self.check_reach(caller, &schedule.script, script.as_ref())?;
        }
        Ok(found)
    }

    /// The schedule of that id.
    ///
    /// # Errors
    /// It is not there, or its script is not within the caller's reach.
    pub async fn schedule_for(&self, caller: &Caller, id: &str) -> Result<Schedule, ServiceError> {
        let name = Name::parse(id).map_err(|error| ServiceError::from(error).field("id"))?;
        match self.schedule_if_any(caller, &name).await? {
            Some(schedule) => Ok(schedule),
            None => Err(self.no_such_schedule(caller, &name).await),
        }
    }
}
