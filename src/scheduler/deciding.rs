//! Deciding about fire times, beside the threads that do everything else.
//!
//! Each schedule is judged on its own. First all are decided about that take no work to speak of, the cheapest first; what
//! takes more waits for its turn among its like, and is late itself. Nothing waits for it.

use super::{Scheduler, Unfired};
use crate::clock::Time;
use crate::panics;
use crate::schedule::request::{self, jitter};
use crate::schedule::{Decision, Schedule, State};
use crate::store::StoreError;
use crate::trigger::{Budget, QUICK, Trigger};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The time before a costly schedule that met an error of the database has its turn again.
const RETRY: Duration = Duration::from_millis(500);

/// A schedule, and what is decided about it.
pub(super) type Decided = (Schedule, Result<Decision, Undecided>);

/// Why nothing was decided about a schedule.
#[derive(Debug)]
pub(super) enum Undecided {
    /// It takes more work than this look gives it: a sentence.
    Costly(String),
    /// It never can be: a sentence.
    Broken(String),
}

impl Scheduler {
    /// Decides about schedules, each with its own budget of so much work.
    pub(super) async fn decide(
        &self,
        schedules: Vec<Schedule>,
        floor: Time,
        now: Time,
        budget: u64,
    ) -> Result<Vec<Decided>, Unfired> {
        let (memory, defaults) = (self.memory.clone(), self.rules.job_defaults.clone());
        let decide = move |mut schedule: Schedule| -> Decided {
            memory.recall(&mut schedule);
            let decide = || {
                let trigger = schedule.trigger.parsed().map_err(Undecided::Broken)?;
                let budget = Budget::of(budget);
                let decided = schedule.decide(&trigger, &defaults, (floor, now), jitter(), &budget);
                memory.took(&schedule, budget.spent());
                decided.map_err(|error| match error.too_costly {
                    true => Undecided::Costly(uncomputable(&error)),
                    false => Undecided::Broken(uncomputable(&error)),
                })
            };
            let decided = panics::caught("the trigger", decide);
            let decided = decided.unwrap_or_else(|panicked| Err(Undecided::Broken(uncomputable(&panicked))));
            (schedule, decided)
        };
        let all = tokio::task::spawn_blocking(move || schedules.into_iter().map(decide).collect());
        all.await.map_err(|_| Unfired::Away("the server goes down".into()))
    }

    /// The next fire time of a schedule by the rules of its zone; `None` when finding it takes more than a quick look.
    pub(super) async fn next_by_zone(&self, schedule: &Schedule) -> Result<Option<Option<(Time, Time)>>, String> {
        let (trigger, cursor) = (schedule.trigger.clone(), schedule.cursor);
        let next = move || {
            let (trigger, budget) = (trigger.parsed()?, Budget::of(QUICK));
            match request::first_within(&trigger, cursor, jitter(), &budget) {
                Ok(next) => Ok(Some(next)),
                Err(_) if budget.spent() == QUICK => Ok(None),
                Err(error) => Err(error.to_string()),
            }
        };
        let next = tokio::task::spawn_blocking(move || panics::caught("the trigger", next)).await;
        match next {
            Ok(next) => next.map_err(|panicked| panicked.to_string())?,
            Err(_) => Ok(None),
        }
    }

    /// Gives the costly schedules their turns until `stop`, one after another, and rests after each for as long as it took.
    pub(super) async fn take_turns(&self, stop: CancellationToken) {
        loop {
            let waiting = self.memory.waiting.notified();
            let Some(key) = self.memory.next() else {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = waiting => continue,
                }
            };
            let began = Instant::now();
            let turn = self.turn(&key).await;
            self.memory.done(&key);
            let rest = match turn {
                Ok(()) => began.elapsed(),
                Err(error) => {
                    tracing::warn!(%error, schedule = key, "a schedule cannot be looked at; trying again");
                    RETRY
                }
            };
            self.signals.schedules.notify_one();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Decides about a costly schedule and fires it.
    pub(super) async fn turn(&self, key: &str) -> Result<(), StoreError> {
        let (now, whole) = (self.clock.now(), self.store.scheduler().await?);
        let Some(schedule) = self.store.schedule(key).await? else { return Ok(()) };
        let is_due = schedule.next_due_at.is_some_and(|due| due <= now);
        if schedule.state != State::Active || !is_due || whole.paused {
            return Ok(());
        }
        let decided = match self.decide(vec![schedule], whole.floor, now, crate::trigger::WHOLE).await {
            Ok(decided) => decided,
            Err(_) => return Ok(()),
        };
        let mut scripts = HashMap::new();
        for (schedule, decided) in decided {
            // There is no larger budget.
            let decided = decided.map_err(|why| match why {
                Undecided::Costly(why) | Undecided::Broken(why) => Undecided::Broken(why),
            });
            if let Some(fire) = self.fire_of(&schedule, decided, now, &mut scripts).await?.into_fire() {
                self.write_down(vec![fire], now).await?;
            }
        }
        Ok(())
    }
}

/// Parses a schedule's trigger beside the threads that do everything else. The error is a sentence.
pub(super) async fn parse(schedule: &Schedule) -> Result<Arc<Trigger>, String> {
    let trigger = schedule.trigger.clone();
    let parsed = tokio::task::spawn_blocking(move || trigger.parsed()).await;
    parsed.unwrap_or_else(|_| Err("its trigger cannot be read".into()))
}

fn uncomputable(why: &impl std::fmt::Display) -> String {
    format!("its next fire time cannot be computed: {why}")
}
