//! Lets go of what is old, and of blobs that nothing refers to.

use crate::blobs::Blobs;
use crate::clock::{Clock, Time};
use crate::run::{Status, first_id_of};
use crate::script::Keep;
use crate::store::retention::{BATCH, Of, Old};
use crate::store::{Store, StoreError};
use chrono::TimeDelta;
use std::collections::HashMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often old things are looked for.
const ROUND: Duration = Duration::from_secs(60);
/// Runs are counted, and their bytes added up, once in so many rounds: what is kept has to be looked at for that.
const ROUNDS_BETWEEN_COUNTS: u64 = 10;
/// The pause between batches, so that nobody waits for them.
const PAUSE: Duration = Duration::from_millis(20);
/// A blob that nothing has referred to for so long is deleted.
const CONDEMNED: TimeDelta = TimeDelta::hours(1);
/// How long a delete of a blob may take. Its mark stays when it takes longer: whether it was done is not known.
const DELETED_WITHIN: Duration = Duration::from_secs(60);
/// A mark that is older was left behind: no delete of that time can be under way.
const LEFT: TimeDelta = TimeDelta::minutes(5);
/// After so many blobs that cannot be deleted the rest waits for the next round: the store is likely to be away.
const FAILED: usize = 5;
/// How long is remembered how many runs followed from one that nothing follows from any more.
const CAUSES: TimeDelta = TimeDelta::hours(24);
/// Blobs deleted in one go.
const BLOBS: usize = 500;
/// Scripts looked at together.
const SCRIPTS: usize = 1_000;

/// How much is kept.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Of each script that does not say otherwise, and of source that was sent along; none: all.
    pub keep: Keep,
    /// Rows of runs that never started by policy.
    pub unstarted: Duration,
    /// Events of the feed, and deliveries to channels that are not waiting.
    pub events: Duration,
    /// Entries of the audit log.
    pub audit: Duration,
    /// A client's name for a request.
    pub requests: TimeDelta,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        Retention {
            keep: Keep { output: Some(days(30)), ..Keep::default() },
            unstarted: days(90),
            events: days(30),
            audit: days(400),
            requests: TimeDelta::hours(24),
        }
    }
}

/// Cleans up.
#[derive(Clone, Debug)]
pub struct Cleaner {
    /// The database.
    pub store: Store,
    /// Sources and large values.
    pub blobs: Blobs,
    /// What time it is.
    pub clock: Clock,
    /// How much is kept.
    pub retention: Retention,
}

/// What is let go of about an old run.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Output,
    Everything,
}

/// So long before now; an age beyond what a calendar holds keeps everything.
fn ago(age: Duration, now: Time) -> Option<Time> {
    now.checked_sub_signed(TimeDelta::from_std(age).ok()?)
}

impl Cleaner {
    /// Cleans up until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        for round in 0.. {
            if let Err(error) = self.store.look_at_held().await {
                tracing::warn!(%error, "held runs cannot be looked at; trying again");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
            let counting = round % ROUNDS_BETWEEN_COUNTS == 0;
            if let Err(error) = self.round(counting, &stop).await {
                tracing::warn!(%error, "old things cannot be let go; trying again");
            }
        }
    }

    /// Lets go of everything that is old by now; with `counting`, also of what is beyond a script's count or bytes.
    pub async fn round(&self, counting: bool, stop: &CancellationToken) -> Result<(), StoreError> {
        let now = self.clock.now();
        let keeps = self.store.keeps().await?;
        self.by_age(&keeps, now, stop).await?;
        if counting {
            self.by_count(&keeps, now, stop).await?;
        }
        while !stop.is_cancelled() && self.store.forget_requests(now - self.retention.requests).await? > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        while !stop.is_cancelled() && self.store.forget_sessions(now).await? > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        while !stop.is_cancelled() && self.store.forget_causes(now - CAUSES).await? > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        if let Some(then) = ago(self.retention.events, now) {
            while !stop.is_cancelled() && self.store.forget_events(then).await? > 0 {
                tokio::time::sleep(PAUSE).await;
            }
        }
        if let Some(then) = ago(self.retention.events, now) {
            while !stop.is_cancelled() && self.store.forget_deliveries(then).await? > 0 {
                tokio::time::sleep(PAUSE).await;
            }
        }
        if let Some(then) = ago(self.retention.audit, now) {
            while !stop.is_cancelled() && self.store.forget_audit(then).await? > 0 {
                tokio::time::sleep(PAUSE).await;
            }
        }
        self.condemned(now - CONDEMNED, stop).await
    }

    async fn by_age(&self, keeps: &[(String, Keep)], now: Time, stop: &CancellationToken) -> Result<(), StoreError> {
        let default = &self.retention.keep;
        let unstarted = [Status::Skipped, Status::Missed];
        self.older(Of::AllBut(Vec::new()), Some(self.retention.unstarted), &unstarted, Part::Everything, now, stop)
            .await?;
        for (part, of_keep) in
            [(Part::Output, (|keep| keep.output) as fn(&Keep) -> Option<Duration>), (Part::Everything, |keep| keep.age)]
        {
            let own: Vec<(&String, Duration)> =
                keeps.iter().filter_map(|(key, keep)| Some((key, of_keep(keep)?))).collect();
            let but = own.iter().map(|(key, _)| (*key).clone()).collect();
            self.older(Of::AllBut(but), of_keep(default), &[], part, now, stop).await?;
            for (key, age) in own {
                self.older(Of::Script(key.clone()), Some(age), &[], part, now, stop).await?;
            }
        }
        Ok(())
    }

    /// Lets go of runs that ended longer ago than `age`.
    async fn older(
        &self,
        of: Of,
        age: Option<Duration>,
        statuses: &[Status],
        part: Part,
        now: Time,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let Some(then) = age.and_then(|age| ago(age, now)) else { return Ok(()) };
        let (before, with_output) = (first_id_of(then), part == Part::Output);
        self.forget(Old { of, before, ended: then, statuses: statuses.to_vec(), with_output }, now, stop).await
    }

    async fn by_count(&self, keeps: &[(String, Keep)], now: Time, stop: &CancellationToken) -> Result<(), StoreError> {
        let default = &self.retention.keep;
        let limited = |keep: &Keep| keep.count.is_some() || keep.bytes.is_some();
        let own: HashMap<&str, &Keep> = keeps.iter().map(|(key, keep)| (key.as_str(), keep)).collect();
        let mut after = String::new();
        loop {
            let keys = if limited(default) {
                self.store.script_keys(&after, SCRIPTS).await?
            } else {
                keeps.iter().map(|(key, _)| key.clone()).collect()
            };
            for key in &keys {
                let own = own.get(key.as_str()).map(|keep| keep.or(default));
                self.beyond(Of::Script(key.clone()), own.as_ref().unwrap_or(default), now, stop).await?;
            }
            match keys.last() {
                Some(last) if limited(default) && keys.len() == SCRIPTS => after.clone_from(last),
                _ => break,
            }
        }
        self.beyond(Of::Sent, default, now, stop).await
    }

    /// Lets go of runs beyond the newest ones that a script keeps.
    async fn beyond(&self, of: Of, keep: &Keep, now: Time, stop: &CancellationToken) -> Result<(), StoreError> {
        let mut last = None;
        if let Some(count) = keep.count {
            last = self.store.beyond_count(&of, count).await?;
        }
        if let Some(bytes) = keep.bytes {
            last = last.max(self.store.beyond_bytes(&of, bytes).await?);
        }
        // The run itself too: with one more letter its id comes before.
        let Some(before) = last.map(|id| id + "-") else { return Ok(()) };
        self.forget(Old { of, before, ended: now, statuses: Vec::new(), with_output: false }, now, stop).await
    }

    async fn forget(&self, old: Old, now: Time, stop: &CancellationToken) -> Result<(), StoreError> {
        let mut after = String::new();
        while !stop.is_cancelled() {
            let runs = self.store.old_runs(old.clone(), &after).await?;
            let Some(last) = runs.last() else { break };
            let is_last = runs.len() < BATCH;
            after.clone_from(last);
            if old.with_output {
                self.store.forget_output(runs, now).await?;
            } else {
                self.store.delete_runs(runs, now).await?;
            }
            if is_last {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Deletes blobs that were condemned before `before`. Each is marked first, so that nothing refers to it and nothing
    /// writes it meanwhile, and forgotten only when its object is known to be gone.
    async fn condemned(&self, before: Time, stop: &CancellationToken) -> Result<(), StoreError> {
        // A backup may need what it found to be referred to when it began. Each mark asks again.
        if self.store.is_being_backed_up(self.clock.now()).await? {
            return Ok(());
        }
        let mut failed = 0;
        for key in self.store.condemned_blobs(before, self.clock.now() - LEFT, BLOBS).await? {
            if stop.is_cancelled() || failed >= FAILED {
                break;
            }
            let mark = self.clock.now();
            if !self.store.begin_delete(&key, before, mark - LEFT, mark).await? {
                continue;
            }
            let error = match tokio::time::timeout(DELETED_WITHIN, self.blobs.delete(&key)).await {
                Ok(Ok(())) => {
                    self.store.end_delete(&key, mark).await?;
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("it takes longer than {} s", DELETED_WITHIN.as_secs()),
            };
            failed += 1;
            tracing::warn!(
                blob = key,
                error,
                "a blob that nothing refers to cannot be deleted; trying again in some minutes"
            );
        }
        Ok(())
    }
}
