//! Scripts: published from any origin, their settings changed, an earlier version put in force, deleted.

use super::schedule_changes::{Before, ScheduleChange};
use super::{Service, ServiceError};
use crate::access::Caller;
use crate::limits::NotGranted;
use crate::misfit;
use crate::precondition::Precondition;
use crate::publication::{Deleted, NewVersion};
use crate::publish::{KeepError, Progress, PublishOptions};
use crate::schedule::Schedule;
use crate::schedule::request::BadSchedule;
use crate::script::{LinkState, Name, Script, Settings};
use crate::source_files::Sources;
use crate::store::StoreError;
use serde_json::{Map, Value};

/// Where the content of a script is.
#[derive(Clone, Debug)]
pub enum ScriptContent {
    /// Here.
    Sources(Sources),
    /// At an address that the server reads: `s3://bucket/key`, `file:///path`.
    Link(String),
}

/// A script to be published.
#[derive(Clone, Debug)]
pub struct PublishRequest {
    /// Its name.
    pub name: Name,
    /// Its content.
    pub content: ScriptContent,
    /// What is set beside it, if anything is.
    pub settings: Option<Settings>,
    /// Whether source is taken that is no valid Python.
    pub unchecked: bool,
    /// Whether packages are resolved again, although it asks for the same as before.
    pub upgrade: bool,
    /// What the script must still be.
    pub precondition: Precondition,
    /// Where it is told how far its packages are.
    pub progress: Progress,
}

/// A script after a change.
#[derive(Clone, Debug)]
pub struct ScriptChange {
    /// The script as it is now.
    pub script: Script,
    /// Whether this made a new version.
    pub is_new: bool,
    /// The schedules that start it.
    pub schedules: Vec<Schedule>,
    /// What became of them.
    pub schedule_changes: Vec<ScheduleChange>,
    /// What the script asks for and is not granted.
    pub not_granted: Vec<NotGranted>,
    /// What the caller has to know, in sentences.
    pub warnings: Vec<String>,
}

/// Settings from JSON, field by field, so that the one at fault is known. Null is the same as nothing.
///
/// # Errors
/// A field cannot be.
pub fn read_settings(fields: Map<String, Value>) -> Result<Settings, ServiceError> {
    let mut settings = Settings::default();
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_null()) {
        let whole = misfit::shown(&value);
        let one: Settings =
            serde_json::from_value(Value::Object(Map::from_iter([(name.clone(), value)]))).map_err(|error| {
                ServiceError::invalid(name.clone(), misfit::sentence(&name, &whole, &error.to_string()))
            })?;
        settings = one.or(&settings);
    }
    settings.limits.asked()?;
    settings.check().map_err(|(field, why)| ServiceError::invalid(field, why))?;
    Ok(settings)
}

/// Settings with changes: what is null is taken away. Labels, limits and the environment are changed name by name.
fn merged(settings: &Settings, changes: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = match serde_json::to_value(settings) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    for (name, value) in changes {
        match (merged.get_mut(name), value) {
            (_, Value::Null) => {
                merged.remove(name);
            }
            (Some(Value::Object(old)), Value::Object(new)) if name != "retries" => {
                old.extend(new.clone());
                old.retain(|_, value| !value.is_null());
            }
            (_, value) => {
                merged.insert(name.clone(), value.clone());
                if let Some(Value::Object(new)) = merged.get_mut(name).filter(|_| name != "retries") {
                    new.retain(|_, value| !value.is_null());
                }
            }
        }
    }
    merged
}

/// The changes without what is null, also in the objects in them: what is taken away asks for nothing.
fn without_nulls(mut changes: Map<String, Value>) -> Map<String, Value> {
    changes.retain(|_, value| !value.is_null());
    for value in changes.values_mut() {
        if let Value::Object(object) = value {
            object.retain(|_, value| !value.is_null());
        }
    }
    changes
}

/// A script that is not what a change was to be made to.
fn changed(name: &str, asked: &Precondition, tag: Option<&str>) -> ServiceError {
    ServiceError::changed(&format!("the script {name}"), "version", asked, tag)
}

/// A script that can be kept.
struct Prepared {
    sources: Sources,
    options: PublishOptions,
    /// Of a link: what tells whether its content changed since.
    tag: Option<String>,
    /// The script of that name, when there is one.
    known: Option<Script>,
}

impl Service {
    /// Publishes a script: checked, with its packages, with the schedules of its block.
    ///
    /// # Errors
    /// Content, block, settings, packages or schedules cannot be; the script is not within the caller's reach, or a limited
    /// caller links one; another request made a script of that name in this moment.
    pub async fn publish(&self, caller: &Caller, request: PublishRequest) -> Result<ScriptChange, ServiceError> {
        let now = self.clock.now();
        let (name, set) = (request.name.clone(), request.settings.clone().unwrap_or_default());
        let precondition = request.precondition.clone();
        let Prepared { sources, options, tag, known } = self.prepare(caller, request).await?;
        let before = match &known {
            Some(known) => Before::of(self.schedules_of(&known.key).await?),
            None => Before::default(),
        };
        let kept = match self.linker.keeper().keep(&name, &sources, options, now).await {
            Err(KeepError::OutOfReach) => return Err(ServiceError::out_of_reach_then(caller)),
            Err(KeepError::Store(StoreError::Changed(tag))) => {
                return Err(changed(name.as_str(), &precondition, tag.as_deref()));
            }
            Err(KeepError::Store(StoreError::Conflict)) if known.is_none() => {
                let detail =
                    format!("a script {name} was made by another request in this moment; look at it and try again");
                return Err(ServiceError::conflict("changed_meanwhile", detail).retry_after(1));
            }
            Err(KeepError::Store(error @ StoreError::Circle(_))) => {
                return Err(ServiceError::chain_circle(&error, caller));
            }
            kept => kept?,
        };
        self.signals.schedules.notify_one();
        let mut script = kept.script;
        if tag.is_some() {
            script.link_state = LinkState { tag, checked_at: Some(now), error: None };
            self.store.set_link_state(name.key(), &script.link_state).await?;
        }
        let asked_now = set.or(&script.version.table);
        let not_granted = self.grant_what_is_asked(caller, &script, &asked_now, now).await?;
        let link_ended = known.and_then(|known| known.link).filter(|_| script.link.is_none()).map(|link| {
            format!(
                "{} was read from {link}: that ends with this upload, and a change there does nothing now",
                script.name
            )
        });
        let mut change = self.after_change(script, before, not_granted, kept.is_new).await?;
        change.warnings.extend(self.warnings_of_own_alerts(&change.script).await?);
        change.warnings.extend(link_ended);
        Ok(change)
    }

    /// The version that would be made of a script, of which none is kept.
    ///
    /// # Errors
    /// Those of [`Service::publish`].
    pub async fn try_publish(&self, caller: &Caller, request: PublishRequest) -> Result<NewVersion, ServiceError> {
        let name = request.name.clone();
        let Prepared { sources, options, .. } = self.prepare(caller, request).await?;
        Ok(self.linker.keeper().try_out(&name, &sources, options, self.clock.now()).await?)
    }

    async fn prepare(&self, caller: &Caller, request: PublishRequest) -> Result<Prepared, ServiceError> {
        let PublishRequest { name, content, settings, unchecked, upgrade, precondition, progress } = request;
        let known = self.store.script(name.key()).await?;
        // A script that is new has the labels that this brings: the keeper asks whether they are within reach.
        if known.is_some() {
            self.check_reach(caller, name.key(), known.as_ref())?;
        }
        let tag = known.as_ref().map(Script::tag);
        if !precondition.holds(tag.as_deref()) {
            return Err(changed(name.as_str(), &precondition, tag.as_deref()));
        }
        let (sources, link, tag) = match content {
            ScriptContent::Sources(sources) => (sources, None, None),
            // A link names a file of the server's, whichever script that is.
            ScriptContent::Link(_) if caller.is_limited() => {
                let detail = "a token that is limited to scripts links none: it could read others' files; send the source, \
                              or use a token that is not limited";
                return Err(ServiceError::forbidden("link_out_of_reach", detail).field("from"));
            }
            ScriptContent::Link(from) => {
                let url = self.linker.normal(&from)?;
                let (content, tag) = self.linker.read(&url).await?;
                (Sources::of_bytes(name.as_str(), content)?, Some(url), Some(tag))
            }
        };
        let options = PublishOptions {
            settings,
            link,
            unchecked,
            upgrade,
            reach: caller.reach(),
            only_new: known.is_none() && caller.is_limited(),
            precondition,
            without_priority: !caller.grants_itself(),
            progress,
        };
        Ok(Prepared { sources, options, tag, known })
    }

    /// Changes a script's settings. What is not named stays; null takes away what was set, so that what the source says
    /// holds again.
    ///
    /// # Errors
    /// A setting cannot be; the script is not there, or would not be within the caller's reach then.
    pub async fn change_settings(
        &self,
        caller: &Caller,
        name: &str,
        changes: Map<String, Value>,
        asked: &Precondition,
    ) -> Result<ScriptChange, ServiceError> {
        let script = self.script_for(caller, name).await?;
        if !asked.holds(Some(&script.tag())) {
            return Err(changed(&script.name, asked, Some(&script.tag())));
        }
        let settings = merged(&script.settings, &changes);
        let asked_now = read_settings(without_nulls(changes))?;
        let settings = read_settings(settings)?;
        settings.or(&script.version.table).limits.asked()?;
        // A token that reaches scripts by label could otherwise label itself out of its bounds, or into others'.
        let then = Script { settings: settings.clone(), ..script.clone() };
        if self.check_reach(caller, &script.key, Some(&then)).is_err() {
            return Err(ServiceError::out_of_reach_then(caller));
        }
        let now = self.clock.now();
        let kept = match self.store.set_settings(&script.key, settings, asked, now).await {
            Err(StoreError::Changed(tag)) => return Err(changed(&script.name, asked, tag.as_deref())),
            kept => kept?,
        };
        let script = kept.ok_or_else(ServiceError::script_gone)?;
        self.signals.notify_queued();
        let not_granted = self.grant_what_is_asked(caller, &script, &asked_now, now).await?;
        let schedules = self.schedules_of(&script.key).await?;
        let (schedule_changes, warnings) = (Vec::new(), Vec::new());
        Ok(ScriptChange { script, is_new: false, schedules, schedule_changes, not_granted, warnings })
    }

    /// Puts an earlier version in force: the one of that number, or the one before.
    ///
    /// # Errors
    /// There is no such version, or its schedules cannot be.
    pub async fn roll_back(
        &self,
        caller: &Caller,
        name: &str,
        number: Option<i64>,
        keep_schedules: bool,
    ) -> Result<ScriptChange, ServiceError> {
        let script = self.script_for(caller, name).await?;
        let in_force = script.version.number;
        let version = match number {
            Some(number) => {
                let version = self.store.version(&script.key, number).await?;
                version.ok_or_else(|| ServiceError::no_such_version(&script, number))?
            }
            None => {
                let before = self.store.versions(&script.key, Some(in_force), 1).await?;
                let none = || {
                    let detail = format!("{} has no version before {in_force}", script.name);
                    ServiceError::conflict("no_earlier_version", detail)
                };
                before.into_iter().next().ok_or_else(none)?
            }
        };
        let before = Before::of(self.schedules_of(&script.key).await?);
        let (reach, now) = (caller.reach(), self.clock.now());
        let set = self.linker.keeper().roll_back(&script, &version, keep_schedules, &reach, now).await;
        let set = set.map_err(|error| match error {
            KeepError::Schedule(error) => {
                let number = version.number;
                let why = format!(
                    "the schedules of version {number} cannot be: {}; to leave the schedules as they are: ?schedules=keep",
                    error.why
                );
                BadSchedule { why, ..error }.into()
            }
            KeepError::Store(error @ StoreError::Circle(_)) => ServiceError::chain_circle(&error, caller),
            error => ServiceError::from(error),
        })?;
        let script = set.ok_or_else(ServiceError::script_gone)?;
        self.signals.schedules.notify_one();
        self.after_change(script, before, Vec::new(), false).await
    }

    /// What a change of a script's content came to.
    async fn after_change(
        &self,
        script: Script,
        before: Before,
        not_granted: Vec<NotGranted>,
        is_new: bool,
    ) -> Result<ScriptChange, ServiceError> {
        let schedules = self.schedules_of(&script.key).await?;
        let (schedule_changes, warnings) = before.changes(&schedules);
        Ok(ScriptChange { script, is_new, schedules, schedule_changes, not_granted, warnings })
    }

    /// Deletes a script with all its versions; its runs stay. Those that wait are cancelled, those under way are stopped.
    /// A warning when the server will take it again from a script source.
    ///
    /// # Errors
    /// It is not there; or it has schedules, and these are not to be deleted with it.
    pub async fn delete_script(
        &self,
        caller: &Caller,
        name: &str,
        with_schedules: bool,
    ) -> Result<Option<String>, ServiceError> {
        let script = self.script_for(caller, name).await?;
        match self.store.delete_script(&script.key, with_schedules, self.clock.now()).await? {
            Deleted::HasSchedules(ids) => {
                let (name, ids) = (&script.name, ids.join(", "));
                let detail =
                    format!("{name} is started by {ids}: delete them first, or all together with ?schedules=delete");
                Err(ServiceError::conflict("script_has_schedules", detail))
            }
            Deleted::Unknown => Err(ServiceError::script_gone()),
            Deleted::Done { cancelled, running } => {
                cancelled.iter().for_each(|id| self.signals.notify_ended(id));
                running.iter().for_each(|id| self.signals.notify_cancel(id));
                // A file that is gone or refused brings nothing back.
                let brings_back = |link: &&String| script.link_state.error.is_none() && self.linker.takes_in(link);
                Ok(script.link.as_ref().filter(brings_back).map(|link| {
                    let name = &script.name;
                    format!("{name} is read from {link}: it comes back while that is there; remove it there too")
                }))
            }
        }
    }
}
