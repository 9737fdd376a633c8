//! Looks at schedules when their time has come, decides what becomes of their fire times, and has it written down.
//!
//! Any number of nodes may do so at once: what keeps a fire time from being fired twice is the database
//! ([`crate::store::fire`]). A look costs what is due, not what exists. A trigger whose computation is costly delays
//! its own schedule, and no other.

use crate::blobs::Blobs;
use crate::clock::{Clock, Time};
use crate::limits::RequestedLimits;
use crate::plan::{BadPlan, RunPolicy, ScheduleStart};
use crate::publish::{KeepError, keep_value};
use crate::run::{Cause, Displaced};
use crate::schedule::{Decision, Schedule, ScheduleFilter, State};
use crate::script::{Script, Version};
use crate::signals::Signals;
use crate::store::fire::{Fire, TOGETHER};
use crate::store::{Store, StoreError};
use crate::trigger::QUICK;
use crate::zone;
use deciding::Undecided;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

mod deciding;
mod links;
mod memory;

pub use memory::Memory;

/// How often schedules are looked at without a signal.
const LOOK: Duration = Duration::from_millis(500);
/// The time before another try when the database is away.
const RETRY: Duration = Duration::from_millis(500);
/// Schedules looked at in one go.
const BATCH: usize = 256;
/// Schedules that wait for their turn and are passed over in one look.
const PASSED_OVER: usize = 4_096;
/// How long one look goes on before it is asked again what is due.
const SLICE: Duration = Duration::from_millis(100);

/// Fires schedules.
#[derive(Clone, Debug)]
pub struct Scheduler {
    /// The database.
    pub store: Store,
    /// Where large arguments go.
    pub blobs: Blobs,
    /// What time it is.
    pub clock: Clock,
    /// The signals of this node.
    pub signals: Arc<Signals>,
    /// What holds for runs.
    pub rules: Arc<RunPolicy>,
    /// How many runs may wait that count towards the bound of the queue.
    pub queue_bound: u64,
    /// What deciding costs, and what waits for its turn.
    pub memory: Arc<Memory>,
}

/// Why a schedule was not fired now.
enum Unfired {
    /// It never can be as it stands: a sentence.
    Broken(String),
    /// Something is away; the next look may find it.
    Away(String),
}

/// What a look at a schedule comes to.
enum Look {
    /// This is to be written down.
    Fire(Box<Fire>),
    /// Something is away; the next look may find it.
    Away,
    /// Nothing, or not now.
    Nothing,
}

impl Look {
    fn into_fire(self) -> Option<Fire> {
        match self {
            Look::Fire(fire) => Some(*fire),
            Look::Away | Look::Nothing => None,
        }
    }
}

impl From<KeepError> for Unfired {
    fn from(error: KeepError) -> Self {
        Unfired::Away(error.to_string())
    }
}

impl From<BadPlan> for Unfired {
    fn from(error: BadPlan) -> Self {
        Unfired::Broken(error.to_string())
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
        while let Err(error) = self.adopt_zones().await {
            tracing::warn!(%error, "next fire times cannot be computed anew; trying again");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
        tokio::join!(self.fire_until(stop.clone()), self.take_turns(stop));
    }

    async fn fire_until(&self, stop: CancellationToken) {
        loop {
            // Registered before looking.
            let notified = self.signals.schedules.notified();
            let wait = match self.look().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(%error, "schedules cannot be looked at; trying again");
                    RETRY
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = notified => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Computes next fire times anew when they were computed with another release of time zones.
    pub async fn adopt_zones(&self) -> Result<(), StoreError> {
        let release = zone::installed().release();
        // A directory that does not say which release it is may be any.
        if release != zone::UNKNOWN && self.store.scheduler().await?.tzdata.as_deref() == Some(release) {
            return Ok(());
        }
        let (mut after, mut changed) = (None, 0);
        loop {
            let filter =
                ScheduleFilter { state: Some(State::Active), after, limit: BATCH, ..ScheduleFilter::default() };
            let schedules = self.store.schedules(filter).await?;
            for schedule in schedules.iter().filter(|schedule| schedule.next_fire_at.is_some()) {
                let now = self.clock.now();
                match self.next_by_zone(schedule).await {
                    Ok(Some(next)) if next.map(|next| next.0) == schedule.next_fire_at => {}
                    Ok(Some(next)) => {
                        // One that fires no more is looked at now, and found finished.
                        let due = next.map_or(now, |next| next.1);
                        self.store.set_next(&schedule.key, schedule.revision, next.map(|next| next.0), due).await?;
                        changed += 1;
                    }
                    // It is looked at now, and its next fire time found when it has its turn.
                    Ok(None) => {
                        self.store.set_next(&schedule.key, schedule.revision, schedule.next_fire_at, now).await?;
                    }
                    Err(why) => {
                        tracing::error!(schedule = %schedule.id, why, "a schedule cannot be fired and is paused");
                        self.store.pause_schedule(&schedule.key, Some(why), now).await?;
                    }
                }
            }
            match schedules.last() {
                Some(last) if schedules.len() == BATCH => after = Some(last.key.clone()),
                _ => break,
            }
        }
        if changed > 0 {
            tracing::info!(release, changed, "next fire times follow another release of time zones");
        }
        self.store.set_tzdata(release).await
    }

    /// Fires what is due; how long there is nothing to do then.
    pub async fn tick(&self) -> Result<Duration, StoreError> {
        let wait = self.look().await?;
        while let Some(key) = self.memory.next() {
            let turn = self.turn(&key).await;
            self.memory.done(&key);
            turn?;
        }
        Ok(wait)
    }

    /// Fires what is due and costs nothing to speak of; how long there is nothing to do then. What costs more waits for its
    /// turn.
    async fn look(&self) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        let followed = self.follow_links(now).await?;
        match self.store.next_schedule().await? {
            None if followed => return Ok(Duration::ZERO),
            None => return Ok(LOOK),
            Some(next) if next > now => return Ok(LOOK.min((next - now).to_std().unwrap_or_default())),
            Some(_) => {}
        }
        let whole = self.store.scheduler().await?;
        if whole.paused {
            return Ok(LOOK);
        }
        let limit = BATCH + self.memory.count_waiting().min(PASSED_OVER);
        let mut due = self.store.due_schedules(now, limit).await?;
        let mut is_full = due.len() == limit;
        due.retain(|schedule| {
            if self.memory.is_costly(schedule) {
                self.memory.wait(&schedule.key);
            }
            !self.memory.is_waiting(&schedule.key)
        });
        if due.is_empty() {
            let next = self.store.next_schedule_after(now).await?;
            let until = next.and_then(|next| (next - self.clock.now()).to_std().ok());
            return Ok(if next.is_some() { LOOK.min(until.unwrap_or_default()) } else { LOOK });
        }
        due.sort_by_cached_key(|schedule| self.memory.cost(schedule));
        let (mut scripts, mut stale, mut is_stuck) = (HashMap::new(), 0, false);
        let began = Instant::now();
        while !due.is_empty() {
            if began.elapsed() > SLICE {
                // Something cheaper may have come due meanwhile.
                is_full = true;
                break;
            }
            let rest = due.split_off(TOGETHER.min(due.len()));
            let together = std::mem::replace(&mut due, rest);
            let Ok(decided) = self.decide(together, whole.floor, now, QUICK).await else { return Ok(LOOK) };
            let mut fires = Vec::new();
            for (schedule, decided) in decided {
                match self.fire_of(&schedule, decided, now, &mut scripts).await? {
                    Look::Fire(fire) => fires.push(*fire),
                    Look::Away => is_stuck = true,
                    Look::Nothing => {}
                }
            }
            stale += self.write_down(fires, now).await?;
        }
        // What another node was quicker with is not ours; what was changed meanwhile is looked at again.
        Ok(if is_stuck {
            RETRY
        } else if is_full || stale == 0 {
            Duration::ZERO
        } else {
            Duration::from_millis(20)
        })
    }

    /// What is to be written down of a decision; a schedule that can never be fired is paused.
    async fn fire_of(
        &self,
        schedule: &Schedule,
        decided: Result<Decision, Undecided>,
        now: Time,
        scripts: &mut HashMap<String, (Script, RequestedLimits)>,
    ) -> Result<Look, StoreError> {
        let unfired = match decided {
            Err(Undecided::Costly(_)) => {
                self.memory.wait(&schedule.key);
                return Ok(Look::Nothing);
            }
            Err(Undecided::Broken(why)) => Unfired::Broken(why),
            Ok(decision) => match self.like(schedule, decision, now, scripts).await {
                Ok(fire) => return Ok(Look::Fire(Box::new(fire))),
                Err(unfired) => unfired,
            },
        };
        match unfired {
            Unfired::Broken(why) => {
                tracing::error!(schedule = %schedule.id, why, "a schedule cannot be fired and is paused");
                self.store.pause_schedule(&schedule.key, Some(why), now).await?;
                Ok(Look::Nothing)
            }
            Unfired::Away(why) => {
                tracing::warn!(schedule = %schedule.id, why, "a schedule cannot be fired now; trying again");
                Ok(Look::Away)
            }
        }
    }

    /// Writes decisions down, and tells of what came of them; how many were of schedules that had changed.
    async fn write_down(&self, fires: Vec<Fire>, now: Time) -> Result<usize, StoreError> {
        if fires.is_empty() {
            return Ok(0);
        }
        let fired = self.store.fire(fires, now).await?;
        if fired.started > 0 {
            self.signals.notify_queued();
            self.signals.timed.notify_one();
        }
        self.tell(&fired.room);
        Ok(fired.stale)
    }

    /// Tells of what made room for others.
    fn tell(&self, room: &Displaced) {
        room.cancelled.iter().for_each(|id| self.signals.notify_ended(id));
        room.stopping.iter().for_each(|id| self.signals.notify_cancel(id));
    }

    async fn script_of<'a>(
        &self,
        schedule: &Schedule,
        scripts: &'a mut HashMap<String, (Script, RequestedLimits)>,
    ) -> Result<&'a (Script, RequestedLimits), Unfired> {
        if !scripts.contains_key(&schedule.script) {
            let script = self.store.script(&schedule.script).await?;
            let script = script.ok_or_else(|| Unfired::Away("its script is being deleted".into()))?;
            let granted = self.store.granted_limits(&schedule.script).await?;
            scripts.insert(schedule.script.clone(), (script, granted));
        }
        Ok(&scripts[&schedule.script])
    }

    /// What runs of a decision are like.
    async fn like(
        &self,
        schedule: &Schedule,
        decision: Decision,
        now: Time,
        scripts: &mut HashMap<String, (Script, RequestedLimits)>,
    ) -> Result<Fire, Unfired> {
        let (script, granted) = self.script_of(schedule, scripts).await?;
        let version = self.version_of(schedule, script).await?;
        let text = schedule.settings.args.as_ref().map_or_else(|| "{}".to_owned(), ToString::to_string);
        let args = keep_value(&self.store, &self.blobs, text, now).await?;
        let start = ScheduleStart { schedule, script, version: &version, granted };
        let like = self.rules.run_of_schedule(start, args, Cause::Fire, now)?;
        Ok(Fire { like, overlap: schedule.settings.policies.overlap_in_force(&self.rules.job_defaults), decision })
    }

    async fn version_of(&self, schedule: &Schedule, script: &Script) -> Result<Version, Unfired> {
        let number = schedule.settings.version;
        let found = self.store.version_or_in_force(script, number).await?;
        found.ok_or_else(|| Unfired::Broken(format!("{} has no version {}", script.name, number.unwrap_or_default())))
    }
}
