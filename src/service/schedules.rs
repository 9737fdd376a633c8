//! Schedules: looked at, paused, resumed, deleted, previewed; their making is in [`change`], runs by request in
//! [`backfill`].

mod backfill;
mod change;

pub use backfill::{Backfill, BackfillRequest};
pub use change::{AskedArgs, ScheduleKept, ScheduleRequest, Target};

use super::{Service, ServiceError};
use crate::access::Caller;
use crate::clock::Time;
use crate::computations::compute;
use crate::schedule::request::{self, BadSchedule, jitter};
use crate::schedule::{Origin, Schedule, ScheduleFilter, State};
use crate::trigger::{Budget, Fire, MAX_PREVIEW, Trigger};
use crate::zone;
use chrono::TimeDelta;
use serde_json::Value;
use std::sync::Arc;

/// How often a change that met another one is tried again.
const TRIES: usize = 3;
/// Most schedules of a script that are looked at.
const MOST_OF_SCRIPT: usize = 1000;

/// The whole scheduler, as a caller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchedulerView {
    /// Whether nothing fires.
    pub paused: bool,
    /// The zone of triggers that name none.
    pub timezone: String,
    /// The release of the time zones.
    pub tzdata: String,
    /// The next fire time of all schedules; none for a caller who is limited to some scripts.
    pub next_fire_at: Option<Time>,
    /// Until when no alert says anything; none: alerts are not muted.
    pub muted_until: Option<Time>,
}

/// A trigger and its next fire times.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The trigger.
    pub trigger: Arc<Trigger>,
    /// The fire times, the earliest first.
    pub fires: Vec<Fire>,
}

/// What is asked about a trigger that belongs to no schedule.
#[derive(Clone, Debug)]
pub struct PreviewRequest {
    /// Text or JSON.
    pub trigger: Value,
    /// The zone, when it names none.
    pub timezone: Option<String>,
    /// Strictly after this time; none: now.
    pub from: Option<Time>,
    /// How many fire times.
    pub count: usize,
}

/// A stored trigger that a caller wants to be used.
fn usable(schedule: &Schedule) -> Result<Arc<Trigger>, ServiceError> {
    schedule.trigger.parsed().map_err(|why| ServiceError::invalid("trigger", why))
}

fn changed_meanwhile() -> ServiceError {
    ServiceError::conflict("changed_meanwhile", "another request is changing this schedule; try again").retry_after(1)
}

fn schedule_gone() -> ServiceError {
    ServiceError::not_found("no_such_schedule", "the schedule was deleted meanwhile")
}

/// Computes something over a trigger, beside the threads that answer requests.
async fn computed<T: Send + 'static>(
    caller: &Caller,
    computation: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServiceError> {
    Ok(compute(caller.id().unwrap_or("local"), "the trigger", computation).await?)
}

/// The instant before another: "strictly after" it includes that other.
fn just_before(time: Time) -> Time {
    time.checked_sub_signed(TimeDelta::microseconds(1)).unwrap_or(time)
}

impl Service {
    /// The schedules that start a script, by its key.
    ///
    /// # Errors
    /// The database is not available.
    pub async fn schedules_of(&self, key: &str) -> Result<Vec<Schedule>, ServiceError> {
        let scripts = Some(vec![key.to_owned()]);
        let filter = ScheduleFilter { scripts, limit: MOST_OF_SCRIPT, ..ScheduleFilter::default() };
        Ok(self.store.schedules(filter).await?)
    }

    async fn schedule_now(&self, key: &str) -> Result<Schedule, ServiceError> {
        self.store.schedule(key).await?.ok_or_else(schedule_gone)
    }

    /// Deletes a schedule: its runs stay, those that wait for their start are skipped. A sentence when it comes back with the
    /// next push of its script.
    ///
    /// # Errors
    /// It is not there, or its script is not within the caller's reach.
    pub async fn delete_schedule(&self, caller: &Caller, id: &str) -> Result<Option<String>, ServiceError> {
        let schedule = self.schedule_for(caller, id).await?;
        let gone = self.store.delete_schedule(&schedule.key, self.clock.now()).await?;
        let gone = gone.ok_or_else(schedule_gone)?;
        gone.skipped.iter().for_each(|id| self.signals.notify_ended(id));
        self.signals.notify_queued();
        let (script, id) = (&schedule.script_name, &schedule.id);
        Ok((schedule.origin == Origin::Metadata).then(|| {
            format!(
                "the block of {script} names the schedule {id}: it comes back with the next push of a source that names it; \
                 take it out of the block too"
            )
        }))
    }

    /// Pauses a schedule: its fire times leave no rows, runs that wait for their start are skipped.
    ///
    /// # Errors
    /// It is not there, or can fire no more.
    pub async fn pause_schedule(&self, caller: &Caller, id: &str) -> Result<Schedule, ServiceError> {
        let schedule = self.schedule_for(caller, id).await?;
        let paused = self.store.pause_schedule(&schedule.key, None, self.clock.now()).await?;
        let finished = || ServiceError::conflict("schedule_finished", "the schedule can fire no more");
        let paused = paused.ok_or_else(finished)?;
        paused.skipped.iter().for_each(|id| self.signals.notify_ended(id));
        self.signals.notify_queued();
        self.schedule_now(&schedule.key).await
    }

    /// Lets a schedule fire again: from now on, or from a time in the past under its misfire policy.
    ///
    /// # Errors
    /// It is not there; the time is in the future; its trigger cannot be computed; other requests change it again and again.
    pub async fn resume_schedule(
        &self,
        caller: &Caller,
        id: &str,
        from: Option<Time>,
    ) -> Result<Schedule, ServiceError> {
        check_past(from, self.clock.now())?;
        for _ in 0..TRIES {
            let schedule = self.schedule_for(caller, id).await?;
            let now = self.clock.now();
            if schedule.state == State::Active && from.is_none() {
                return Ok(schedule);
            }
            let trigger = usable(&schedule)?;
            let cursor = from.map_or(now, just_before);
            let next = computed(caller, move || request::first(&trigger, cursor, jitter())).await??;
            if self.store.resume_schedule(&schedule.key, schedule.revision, cursor, next, now).await? {
                self.signals.schedules.notify_one();
                return self.schedule_now(&schedule.key).await;
            }
        }
        Err(changed_meanwhile())
    }

    /// The whole scheduler.
    ///
    /// # Errors
    /// The database is not available.
    pub async fn scheduler(&self, caller: &Caller) -> Result<SchedulerView, ServiceError> {
        let whole = self.store.scheduler().await?;
        // The next fire time is some script's: one that a limited caller cannot know of.
        let next_fire_at = if caller.is_limited() { None } else { self.store.next_schedule().await? };
        let (timezone, tzdata) = (self.policy.timezone.clone(), zone::installed().release().to_owned());
        let now = self.clock.now();
        let muted_until = self.store.all_muted_until().await?.filter(|until| *until > now);
        Ok(SchedulerView { paused: whole.paused, timezone, tzdata, next_fire_at, muted_until })
    }

    /// Pauses all schedules.
    ///
    /// # Errors
    /// The database is not available.
    pub async fn pause_scheduler(&self, caller: &Caller) -> Result<SchedulerView, ServiceError> {
        self.store.pause_scheduler(self.clock.now()).await?;
        self.scheduler(caller).await
    }

    /// Lets all schedules fire again: from now on, or from a time in the past, each under its misfire policy.
    ///
    /// # Errors
    /// The time is in the future.
    pub async fn resume_scheduler(&self, caller: &Caller, from: Option<Time>) -> Result<SchedulerView, ServiceError> {
        let now = self.clock.now();
        check_past(from, now)?;
        self.store.resume_scheduler(from.unwrap_or(now), now).await?;
        self.signals.schedules.notify_one();
        self.scheduler(caller).await
    }

    /// A schedule's next fire times, strictly after `from`; none: after now.
    ///
    /// # Errors
    /// It is not there, or its trigger cannot be computed.
    pub async fn preview_schedule(
        &self,
        caller: &Caller,
        id: &str,
        from: Option<Time>,
        count: usize,
    ) -> Result<Preview, ServiceError> {
        let now = self.clock.now();
        let trigger = usable(&self.schedule_for(caller, id).await?)?;
        let (from, of) = (from.unwrap_or(now), trigger.clone());
        let fires = computed(caller, move || of.preview(from, count)).await?;
        Ok(Preview { trigger, fires: fires.map_err(|error| BadSchedule::trigger(&error))? })
    }

    /// The next fire times of a trigger that belongs to no schedule.
    ///
    /// # Errors
    /// It is not understood, or cannot be computed.
    pub async fn preview_trigger(&self, caller: &Caller, asked: PreviewRequest) -> Result<Preview, ServiceError> {
        let PreviewRequest { trigger, timezone, from, count } = asked;
        if !(1..=MAX_PREVIEW).contains(&count) {
            return Err(ServiceError::invalid("count", format!("count is between 1 and {MAX_PREVIEW}")));
        }
        let (timezone, now) = (timezone.unwrap_or_else(|| self.policy.timezone.clone()), self.clock.now());
        let from = from.unwrap_or(now);
        let look = move || -> Result<Preview, BadSchedule> {
            let (trigger, budget) = (request::read_trigger(&trigger, &timezone, now)?, Budget::whole());
            let fires = trigger.within(&budget).validate(from.min(now));
            let fires = fires.and_then(|()| trigger.within(&budget).preview(from, count));
            let fires = fires.map_err(|error| BadSchedule::trigger(&error))?;
            Ok(Preview { trigger: Arc::new(trigger), fires })
        };
        Ok(computed(caller, look).await??)
    }
}

fn check_past(from: Option<Time>, now: Time) -> Result<(), ServiceError> {
    if from.is_some_and(|from| from > now) {
        let detail = "from lies in the past; to fire from a later time on, set start_date";
        return Err(ServiceError::invalid("from", detail));
    }
    Ok(())
}
