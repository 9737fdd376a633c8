//! Runs of a schedule by request: one now, and those for fire times of the past.

use super::{computed, just_before, usable};
use crate::access::Caller;
use crate::audit;
use crate::clock::{Time, rfc3339};
use crate::exact::Exact;
use crate::panics;
use crate::plan::ScheduleStart;
use crate::publish::keep_value;
use crate::run::{Cause, Gate, NewRun, new_id};
use crate::schedule::Schedule;
use crate::schedule::request::BadSchedule;
use crate::service::check_args::check_args;
use crate::service::{ErrorKind, Service, ServiceError, arguments, check_priority, check_priority_range};
use crate::store::backfill::Backfilled;
use chrono::TimeDelta;

/// Most fire times of one backfill.
const MOST_FIRE_TIMES: usize = 1_000;
/// How many runs of a backfill can run at once, at most.
const MOST_AT_ONCE: u32 = 1_000;
/// The priority of a backfill's runs: behind everything else.
const PRIORITY: i64 = -10;

/// What a backfill is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillRequest {
    /// The first instant.
    pub from: Time,
    /// The last instant; none: now.
    pub until: Option<Time>,
    /// Whether fire times are left out that have a run which succeeded, or still can.
    pub only_missing: bool,
    /// How many of its runs run at once; none: one.
    pub concurrency: Option<u32>,
    /// The priority of its runs; none: -10.
    pub priority: Option<i64>,
}

/// What a backfill came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// Its id.
    pub id: String,
    /// The schedule's id.
    pub schedule: String,
    /// The fire times that are run for, the oldest first.
    pub fire_times: Vec<Time>,
    /// How many fire times were left out.
    pub left_out: u64,
    /// The runs, in the order of the fire times; none when nothing was made.
    pub runs: Vec<String>,
}

impl Service {
    /// A run that a schedule starts now, whatever its state.
    ///
    /// # Errors
    /// The schedule is not there, its script is gone, or its trigger, limits or arguments cannot be.
    pub async fn run_of_schedule(
        &self,
        caller: &Caller,
        id: &str,
        args: Option<Exact>,
        now: Time,
    ) -> Result<NewRun, ServiceError> {
        let schedule = self.schedule_for(caller, id).await?;
        usable(&schedule)?;
        let mut new = self.run_like(&schedule, args, Cause::Manual, now).await?;
        (new.created_by, new.bounded) = (caller.id().map(str::to_owned), true);
        Ok(new)
    }

    async fn run_like(
        &self,
        schedule: &Schedule,
        args: Option<Exact>,
        cause: Cause,
        now: Time,
    ) -> Result<NewRun, ServiceError> {
        let script = self.store.script(&schedule.script).await?.ok_or_else(ServiceError::script_gone)?;
        let version = self.version_of(&script, schedule.settings.version).await?;
        let text = arguments(args.or_else(|| schedule.settings.args.clone()))?;
        let settings = script.settings.or(&version.table);
        check_args((&script.name, &version), &settings, schedule.settings.entry.as_deref(), &text)?;
        let args = keep_value(&self.store, &self.blobs, text, now).await?;
        let granted = self.store.granted_limits(&script.key).await?;
        let start = ScheduleStart { schedule, script: &script, version: &version, granted: &granted };
        Ok(self.policy.run_of_schedule(start, args, cause, now)?)
    }

    /// Makes runs for fire times in the past. They count towards the bound of the queue: when it has no room for all of them,
    /// none is made. What a crash cuts short is completed by the same request for what is missing. With `is_dry` nothing is
    /// made.
    ///
    /// # Errors
    /// The schedule is not there; the range, the priority or the number of fire times cannot be; the queue has no room.
    pub async fn backfill(
        &self,
        caller: &Caller,
        id: &str,
        request: &BackfillRequest,
        is_dry: bool,
    ) -> Result<Backfill, ServiceError> {
        let now = self.clock.now();
        let (from, until) = (request.from, request.until.unwrap_or(now));
        let (concurrency, priority) = (request.concurrency.unwrap_or(1), request.priority.unwrap_or(PRIORITY));
        if until > now || from > until {
            let detail = "a backfill is for the past: from, then until, then now";
            return Err(ServiceError::invalid("until", detail));
        }
        if !(1..=MOST_AT_ONCE).contains(&concurrency) {
            let detail = format!("concurrency is between 1 and {MOST_AT_ONCE}");
            return Err(ServiceError::invalid("concurrency", detail));
        }
        check_priority_range(priority)?;
        check_priority(caller, Some(priority), None)?;
        let schedule = self.schedule_for(caller, id).await?;
        let trigger = usable(&schedule)?;
        // Its start is no bound here: somebody asks for what was before it was made.
        let look = move || trigger.fires_between(just_before(from), until, MOST_FIRE_TIMES);
        let found = computed(caller, look).await?.map_err(|error| BadSchedule::trigger(&error))?;
        if found.more {
            let last = found.fires.last().map(|fire| rfc3339(fire.at)).unwrap_or_default();
            let detail = format!(
                "that is more than {MOST_FIRE_TIMES} fire times, which one request may ask for; the first {MOST_FIRE_TIMES} end \
                 at {last}"
            );
            return Err(ServiceError::invalid("until", detail).code("too_many_fire_times"));
        }
        let done = match request.only_missing {
            true => self.store.fire_times_done(&schedule.key, from, until).await?,
            false => Vec::new(),
        };
        let wanted: Vec<_> = found.fires.iter().filter(|fire| !done.contains(&fire.at)).collect();
        let mut backfill = Backfill {
            id: new_id(now),
            schedule: schedule.id.clone(),
            fire_times: wanted.iter().map(|fire| fire.at).collect(),
            left_out: (found.fires.len() - wanted.len()) as u64,
            runs: Vec::new(),
        };
        if wanted.is_empty() || is_dry {
            return Ok(backfill);
        }
        let like = self.run_like(&schedule, None, Cause::Backfill, now).await?;
        let gate = Gate { name: backfill.id.clone(), most: Some(concurrency) };
        let run = |(fire, tick): (&&crate::trigger::Fire, i64)| {
            let mut new = like.clone();
            new.id = new_id(now + TimeDelta::microseconds(tick));
            (new.priority, new.created_by) = (priority, caller.id().map(str::to_owned));
            new.bounded = true;
            (new.fire_time, new.fire_local) = (Some(fire.at), Some(fire.rfc3339()));
            new.backfill = Some(backfill.id.clone());
            new.gate = Some(gate.clone());
            new.spec.gated = true;
            new
        };
        let runs: Vec<NewRun> = wanted.iter().zip(1..).map(run).collect();
        backfill.runs = runs.iter().map(|run| run.id.clone()).collect();
        self.make_backfill(runs, &backfill.fire_times, now).await?;
        Ok(backfill)
    }

    /// Makes the runs of a backfill whole, whether its caller waits for it or not.
    async fn make_backfill(&self, runs: Vec<NewRun>, fire_times: &[Time], now: Time) -> Result<(), ServiceError> {
        let (store, signals, bound) = (self.store.clone(), self.signals.clone(), self.queue_bound);
        let making = audit::carried_on(audit::actor(), async move {
            let made = store.backfill(runs, bound, now).await;
            signals.notify_queued();
            made
        });
        let making = tokio::spawn(panics::caught_in("backfill", making));
        match making.await.ok().and_then(Result::ok).ok_or_else(ServiceError::mistake)?? {
            Backfilled::Made(0) => Err(ServiceError::script_gone()),
            Backfilled::Made(_) => Ok(()),
            Backfilled::QueueFull { waiting, fits } => {
                let last = usize::try_from(fits).ok().and_then(|fits| fits.checked_sub(1));
                let last = last.and_then(|last| fire_times.get(last)).map(|at| rfc3339(*at));
                Err(too_large(fire_times.len(), waiting, bound, last))
            }
        }
    }
}

/// A backfill that the queue has no room for: how much fits, and how to ask for so much.
fn too_large(wanted: usize, waiting: u64, bound: u64, last: Option<String>) -> ServiceError {
    let fits = bound.saturating_sub(waiting);
    let how = match last {
        Some(last) => format!("{fits} more fit: to ask for these, set until to {last}"),
        None => "try again when some have ended".to_owned(),
    };
    let detail = format!(
        "{waiting} runs are waiting, of at most {bound} (--max-queued), and this is for {wanted} fire times; none was made; {how}"
    );
    ServiceError::new(ErrorKind::TooMany, "queue_full", detail).retry_after(5)
}
