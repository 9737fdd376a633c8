//! Looks at schedules when their time has come, decides what becomes of their fire times, and has it written down.
//!
//! Any number of nodes may do so at once: what keeps a fire time from being fired twice is the database
//! ([`crate::store::firing`]). A look costs what is due, not what exists.

use crate::blobs::{Blobs, Kind};
use crate::clock::{Clock, Time};
use crate::keeper::{KeepError, keep_blob};
use crate::limits::Asked;
use crate::order::Rules;
use crate::run::{Cause, INLINE, Value};
use crate::schedule::{Schedule, Verdict};
use crate::script::{Script, Version};
use crate::store::firing::{Fire, Fired, TOGETHER};
use crate::store::{Store, StoreError};
use crate::timetable::{chance, trigger_of};
use crate::wake::Wake;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often schedules are looked at though nobody rang.
const LOOK: Duration = Duration::from_millis(500);
/// The time before another try when the database is away.
const RETRY: Duration = Duration::from_millis(500);
/// Schedules looked at in one go.
const BATCH: usize = 256;

/// Fires schedules.
#[derive(Clone, Debug)]
pub struct Scheduler {
    /// The database.
    pub store: Store,
    /// Where large arguments go.
    pub blobs: Blobs,
    /// What time it is.
    pub clock: Clock,
    /// The bell.
    pub wake: Arc<Wake>,
    /// What holds for runs.
    pub rules: Arc<Rules>,
}

/// Why a schedule was not fired now.
enum Unfired {
    /// It never can be as it stands: a sentence.
    Broken(String),
    /// Something is away; the next look may find it.
    Away(String),
}

impl From<KeepError> for Unfired {
    fn from(error: KeepError) -> Self {
        Unfired::Away(error.to_string())
    }
}

impl From<StoreError> for Unfired {
    fn from(error: StoreError) -> Self {
        Unfired::Away(error.to_string())
    }
}

impl Scheduler {
    /// Fires until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            // Registered before looking.
            let rung = self.wake.schedules.notified();
            let wait = match self.tick().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(%error, "schedules cannot be looked at; trying again");
                    RETRY
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = rung => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Fires what is due; how long there is nothing to do then.
    pub async fn tick(&self) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        match self.store.next_schedule().await? {
            None => return Ok(LOOK),
            Some(next) if next > now => return Ok(LOOK.min((next - now).to_std().unwrap_or_default())),
            Some(_) => {}
        }
        let whole = self.store.scheduler().await?;
        if whole.paused {
            return Ok(LOOK);
        }
        let due = self.store.due_schedules(now, BATCH).await?;
        let is_full = due.len() == BATCH;
        let mut scripts = HashMap::new();
        let (mut fires, mut is_stuck) = (Vec::new(), false);
        for schedule in due {
            match self.decide(&schedule, whole.floor, now, &mut scripts).await {
                Ok(fire) => fires.push(fire),
                Err(Unfired::Broken(why)) => {
                    tracing::error!(schedule = %schedule.id, why, "a schedule cannot be fired and is paused");
                    self.store.pause_schedule(&schedule.key, Some(why), now).await?;
                }
                Err(Unfired::Away(why)) => {
                    tracing::warn!(schedule = %schedule.id, why, "a schedule cannot be fired now; trying again");
                    is_stuck = true;
                }
            }
        }
        let mut all = Fired::default();
        for together in fires.chunks(TOGETHER) {
            let fired = self.store.fire(together.to_vec(), now).await?;
            if fired.started > 0 {
                self.wake.ring_queued();
                self.wake.timed.notify_one();
            }
            fired.cancelled.iter().for_each(|id| self.wake.ring_ended(id));
            fired.stopping.iter().for_each(|id| self.wake.ring_cancel(id));
            all.stale += fired.stale;
        }
        // What another node was quicker with is not ours; what was changed meanwhile is looked at again.
        Ok(if is_stuck {
            RETRY
        } else if is_full || all.stale == 0 {
            Duration::ZERO
        } else {
            Duration::from_millis(20)
        })
    }

    async fn decide(
        &self,
        schedule: &Schedule,
        floor: Time,
        now: Time,
        scripts: &mut HashMap<String, (Script, Asked)>,
    ) -> Result<Fire, Unfired> {
        let trigger = trigger_of(schedule).map_err(Unfired::Broken)?;
        let decision = schedule
            .decide(&trigger, &self.rules.job_defaults, floor, now, chance())
            .map_err(|why| Unfired::Broken(format!("its next fire time cannot be computed: {why}")))?;
        if !scripts.contains_key(&schedule.script) {
            let script = self.store.script(&schedule.script).await?;
            let script = script.ok_or_else(|| Unfired::Away("its script is being deleted".into()))?;
            let granted = self.store.granted_limits(&schedule.script).await?;
            scripts.insert(schedule.script.clone(), (script, granted));
        }
        let (script, granted) = &scripts[&schedule.script];
        let version = self.version_of(schedule, script).await?;
        let text = schedule.settings.args.as_ref().map_or_else(|| "{}".to_owned(), ToString::to_string);
        let args = if text.len() <= INLINE {
            Value::Inline(text)
        } else {
            let (key, _) = Blobs::name(Kind::Value, text.as_bytes());
            keep_blob(&self.store, &self.blobs, &key, Bytes::from(text), now).await?;
            Value::Blob(key)
        };
        let zone = trigger.zone().name();
        let like = self
            .rules
            .run_of_schedule(schedule, script, &version, granted, zone, args, Cause::Fire, now)
            .map_err(Unfired::Broken)?;
        let starts = decision.rows.iter().filter(|row| matches!(row.verdict, Verdict::Start { .. })).count();
        let policies = schedule.settings.policies.in_force(&self.rules.job_defaults);
        Ok(Fire {
            runs: vec![like.clone(); starts],
            like,
            overlap: (policies.overlap.unwrap_or_default(), policies.max_instances.unwrap_or(1)),
            decision,
        })
    }

    async fn version_of(&self, schedule: &Schedule, script: &Script) -> Result<Version, Unfired> {
        match schedule.settings.version {
            Some(number) if number != script.version.number => {
                let version = self.store.version(&script.key, number).await?;
                version.ok_or_else(|| Unfired::Broken(format!("{} has no version {number}", script.name)))
            }
            _ => Ok(script.version.clone()),
        }
    }
}
