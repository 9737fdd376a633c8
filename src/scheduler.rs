//! Looks at schedules when their time has come, decides what becomes of their fire times, and has it written down.
//!
//! Any number of nodes may do so at once: what keeps a fire time from being fired twice is the database
//! ([`crate::store::firing`]). A look costs what is due, not what exists.

use crate::blobs::Blobs;
use crate::clock::{Clock, Time};
use crate::keeper::{KeepError, keep_value};
use crate::limits::Asked;
use crate::order::Rules;
use crate::run::{Cause, Run, Value};
use crate::schedule::{Link, Schedule, State};
use crate::script::{Script, Version};
use crate::store::chains::{Followed, LinkRules};
use crate::store::firing::{Fire, Fired, TOGETHER};
use crate::store::queue::Room;
use crate::store::runs::NewRun;
use crate::store::schedules::ScheduleFilter;
use crate::store::{Store, StoreError};
use crate::timetable::{self, chance, trigger_of};
use crate::trigger::Trigger;
use crate::wake::Wake;
use crate::zone;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often schedules are looked at though nobody rang.
const LOOK: Duration = Duration::from_millis(500);
/// The time before another try when the database is away.
const RETRY: Duration = Duration::from_millis(500);
/// The largest result, as JSON, that is passed on along a chain.
const MOST_PASSED: u64 = 256 << 10;
/// Schedules looked at in one go.
const BATCH: usize = 256;

/// Triggers that are kept read.
const READ: usize = 10_000;

/// A trigger as it was read, and of which schedule: the revision, and when that was made.
type ReadTrigger = ((i64, Time), Arc<Trigger>);

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
    /// Triggers that were read, by the schedule's key: reading one takes longer than a look at it.
    pub read: Arc<Mutex<HashMap<String, ReadTrigger>>>,
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
        while let Err(error) = self.adopt_zones().await {
            tracing::warn!(%error, "next fire times cannot be computed anew; trying again");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
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
                let next = self.trigger(schedule).and_then(|trigger| {
                    timetable::first(&trigger, schedule.cursor, chance()).map_err(|error| error.to_string())
                });
                match next {
                    Ok(next) if next.map(|next| next.0) == schedule.next_fire_at => {}
                    Ok(next) => {
                        // One that fires no more is looked at now, and found finished.
                        let due = next.map_or(now, |next| next.1);
                        self.store.set_next(&schedule.key, schedule.revision, next.map(|next| next.0), due).await?;
                        changed += 1;
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

    /// A schedule's trigger, read once.
    fn trigger(&self, schedule: &Schedule) -> Result<Arc<Trigger>, String> {
        let of = (schedule.revision, schedule.created_at);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, trigger)) = read.get(&schedule.key)
            && *known == of
        {
            return Ok(trigger.clone());
        }
        let trigger = Arc::new(trigger_of(schedule)?);
        if read.len() >= READ {
            read.clear();
        }
        read.insert(schedule.key.clone(), (of, trigger.clone()));
        Ok(trigger)
    }

    /// Fires what is due; how long there is nothing to do then.
    pub async fn tick(&self) -> Result<Duration, StoreError> {
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
            self.tell(&fired.room);
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

    /// Follows the links of chains that ended runs have made due. Whether there were any.
    async fn follow_links(&self, now: Time) -> Result<bool, StoreError> {
        let links = self.store.due_links().await?;
        if links.is_empty() || self.store.scheduler().await?.paused {
            return Ok(false);
        }
        let mut scripts = HashMap::new();
        for link in links {
            let (Some(schedule), Some(upstream)) =
                (self.store.schedule(&link.schedule).await?, self.store.run(&link.upstream).await?)
            else {
                // Either went meanwhile, and the link with it.
                continue;
            };
            if schedule.state != State::Active {
                // While a schedule is paused, nothing is kept for it.
                self.store.drop_link(link).await?;
                continue;
            }
            if !self.may_follow(&schedule, &upstream).await? {
                self.store.drop_link(link).await?;
                continue;
            }
            let depth = upstream.spec.chain_depth + 1;
            let made = match self.next_in_chain(&schedule, &upstream, depth, now, &mut scripts).await {
                Ok(made) => made,
                Err(Unfired::Broken(why)) => {
                    tracing::error!(schedule = %schedule.id, why, "a schedule cannot be fired and is paused");
                    self.store.pause_schedule(&schedule.key, Some(why), now).await?;
                    continue;
                }
                Err(Unfired::Away(why)) => {
                    tracing::warn!(schedule = %schedule.id, why, "a schedule cannot be fired now; trying again");
                    return Ok(false);
                }
            };
            let rules = LinkRules {
                overlap: schedule.settings.policies.overlap_in_force(&self.rules.job_defaults),
                too_deep: depth > Link::DEEPEST,
                max_runs: self.trigger(&schedule).ok().and_then(|trigger| trigger.max_runs()),
            };
            if let Followed::Started(room) = self.store.follow_link(link, made, rules, now).await? {
                self.wake.ring_queued();
                self.tell(&room);
            }
        }
        Ok(true)
    }

    /// Whether a schedule's runs may be handed what this run leaves: whoever made the schedule could touch the run's script,
    /// as its labels are now.
    async fn may_follow(&self, schedule: &Schedule, upstream: &Run) -> Result<bool, StoreError> {
        if schedule.reach.is_all() {
            return Ok(true);
        }
        let Some(key) = &upstream.script else { return Ok(false) };
        let script = self.store.script(key).await?;
        let is_of_script = |script: &Script| upstream.created_at >= script.created_at;
        let labels = script.filter(is_of_script).map(|script| script.in_force().labels).unwrap_or_default();
        Ok(schedule.reach.covers(key, &labels))
    }

    /// Tells of what made room for others.
    fn tell(&self, room: &Room) {
        room.cancelled.iter().for_each(|id| self.wake.ring_ended(id));
        room.stopping.iter().for_each(|id| self.wake.ring_cancel(id));
    }

    /// The run that comes after another. A function that takes `upstream` gets what that returned, or its id when it is
    /// large.
    async fn next_in_chain(
        &self,
        schedule: &Schedule,
        upstream: &Run,
        depth: u32,
        now: Time,
        scripts: &mut HashMap<String, (Script, Asked)>,
    ) -> Result<NewRun, Unfired> {
        let trigger = self.trigger(schedule).map_err(Unfired::Broken)?;
        let (script, granted) = self.script_of(schedule, scripts).await?;
        let version = self.version_of(schedule, script).await?;
        let takes =
            version.facts.signature.as_deref().is_some_and(|text| text.contains("upstream") || text.contains("**"));
        let mut args = schedule.settings.args.clone().unwrap_or_else(|| json!({}));
        if let (Json::Object(args), true) = (&mut args, takes) {
            let by_id = || json!({"run_id": upstream.id});
            let text = match &upstream.result {
                Some(Value::Inline(text)) => Some(text.clone()),
                Some(Value::Blob(key)) if upstream.result_bytes.is_some_and(|bytes| bytes <= MOST_PASSED) => {
                    let content = self.blobs.get(key).await.map_err(|error| Unfired::Away(error.to_string()))?;
                    Some(String::from_utf8_lossy(&content).into_owned())
                }
                _ => None,
            };
            let passed = match (text, &upstream.result) {
                (Some(text), _) => serde_json::from_str(&text).unwrap_or_else(|_| by_id()),
                (None, None) => Json::Null,
                (None, Some(_)) => by_id(),
            };
            args.entry("upstream").or_insert(passed);
        }
        let args = keep_value(&self.store, &self.blobs, args.to_string(), now).await?;
        let zone = trigger.zone().name();
        let made = self.rules.run_of_schedule(schedule, script, &version, granted, zone, args, Cause::Chain, now);
        let mut new = made.map_err(Unfired::Broken)?;
        new.upstream = Some(upstream.id.clone());
        new.spec.chain_depth = depth;
        Ok(new)
    }

    async fn script_of<'a>(
        &self,
        schedule: &Schedule,
        scripts: &'a mut HashMap<String, (Script, Asked)>,
    ) -> Result<&'a (Script, Asked), Unfired> {
        if !scripts.contains_key(&schedule.script) {
            let script = self.store.script(&schedule.script).await?;
            let script = script.ok_or_else(|| Unfired::Away("its script is being deleted".into()))?;
            let granted = self.store.granted_limits(&schedule.script).await?;
            scripts.insert(schedule.script.clone(), (script, granted));
        }
        Ok(&scripts[&schedule.script])
    }

    async fn decide(
        &self,
        schedule: &Schedule,
        floor: Time,
        now: Time,
        scripts: &mut HashMap<String, (Script, Asked)>,
    ) -> Result<Fire, Unfired> {
        let trigger = self.trigger(schedule).map_err(Unfired::Broken)?;
        let decision = schedule
            .decide(&trigger, &self.rules.job_defaults, floor, now, chance())
            .map_err(|why| Unfired::Broken(format!("its next fire time cannot be computed: {why}")))?;
        let (script, granted) = self.script_of(schedule, scripts).await?;
        let version = self.version_of(schedule, script).await?;
        let text = schedule.settings.args.as_ref().map_or_else(|| "{}".to_owned(), ToString::to_string);
        let args = keep_value(&self.store, &self.blobs, text, now).await?;
        let zone = trigger.zone().name();
        let like = self
            .rules
            .run_of_schedule(schedule, script, &version, granted, zone, args, Cause::Fire, now)
            .map_err(Unfired::Broken)?;
        Ok(Fire { like, overlap: schedule.settings.policies.overlap_in_force(&self.rules.job_defaults), decision })
    }

    async fn version_of(&self, schedule: &Schedule, script: &Script) -> Result<Version, Unfired> {
        let number = schedule.settings.version;
        let found = self.store.version_or_in_force(script, number).await?;
        found.ok_or_else(|| Unfired::Broken(format!("{} has no version {}", script.name, number.unwrap_or_default())))
    }
}
