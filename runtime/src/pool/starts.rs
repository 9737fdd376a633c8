//! Starting processes, and starting them again: a start that fails is tried again for ever, less and less often. What was
//! short (memory, descriptors, processes) comes back, and nothing but time is needed then.

use super::{Inner, Pool, PoolState, lock};
use crate::outcome::Report;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

/// The time after a start that failed, and the longest, to which it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often the pool looks whether something is missing though nothing was told.
const LOOK: Duration = Duration::from_secs(1);
/// The time before a task of the pool that panicked goes on.
const AFTER_PANIC: Duration = Duration::from_millis(100);

/// How starts of one kind of process go.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// In a row.
    failures: u32,
    /// Since when they fail, and why the last one did.
    failing: Option<(Instant, String)>,
    not_before: Option<Instant>,
}

impl Starts {
    pub(super) fn failed(&mut self, now: Instant, why: String) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        let since = self.failing.take().map_or(now, |(since, _)| since);
        self.failing = Some((since, why));
        self.not_before = Some(now + pause);
    }

    pub(super) fn worked(&mut self) {
        *self = Starts::default();
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Since when starts fail, and why the last one did.
    pub(super) fn failing(&self) -> Option<(Instant, &str)> {
        self.failing.as_ref().map(|(since, why)| (*since, why.as_str()))
    }

    /// Whether another may be tried now.
    pub(super) fn may(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|time| now >= time)
    }

    fn wait(&self, now: Instant) -> Option<Duration> {
        self.not_before.map(|time| time.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }
}

/// Whether a pool can take runs, for whoever watches a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Processes that are up.
    pub up: usize,
    /// Processes that are to be up when nothing is to do.
    pub usual: usize,
    /// Why the last start of a process failed, when no start has worked since.
    pub failing: Option<String>,
    /// Why there is no egress process, when one was needed and could not be started.
    pub no_connections: Option<String>,
}

/// Keeps the pool's processes up until it is gone.
pub(super) async fn keep_up(pool: Weak<Inner>, wanted: Arc<Notify>) {
    loop {
        let Some(inner) = pool.upgrade() else { return };
        let wait = Pool { inner }.keep_up(Instant::now());
        tokio::select! {
            () = wanted.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Runs a task of the pool's. One that panics is told of, the pool is put right, and the task begins again.
pub(super) fn supervise<F>(what: &'static str, pool: Weak<Inner>, task: impl Fn() -> F + Send + 'static) -> AbortHandle
where
    F: Future<Output = ()> + Send + 'static,
{
    let supervising = async move {
        loop {
            if guarded(task()).await.is_some() {
                return;
            }
            tracing::error!("the pool's {what} panicked; it goes on");
            match pool.upgrade() {
                Some(inner) => Pool { inner }.recover(),
                None => return,
            }
            tokio::time::sleep(AFTER_PANIC).await;
        }
    };
    tokio::spawn(supervising).abort_handle()
}

/// Runs a future as a task of its own, which ends with this; none when it panicked.
pub(super) async fn guarded<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let mut tasks = JoinSet::new();
    tasks.spawn(task);
    tasks.join_next().await.and_then(Result::ok)
}

impl Pool {
    /// How the pool is.
    pub fn health(&self) -> Health {
        let state = self.lock();
        Health {
            up: state.up(),
            usual: self.usual(),
            failing: state.starts.failing().map(|(_, why)| why.to_owned()),
            no_connections: state.egress_starts.failing().map(|(_, why)| why.to_owned()),
        }
    }

    pub(super) fn usual(&self) -> usize {
        self.inner.config.processes.max(1)
    }

    /// Starts what is missing, ends what has waited too long; when to look again.
    fn keep_up(&self, now: Instant) -> Duration {
        let mut state = self.lock();
        self.replenish(&mut state);
        if state.egress_starts.failing().is_some() {
            self.ensure_egress(&mut state);
        }
        self.give_up_waiting(&mut state, now);
        self.dispatch(&mut state);
        let waits = [state.starts.wait(now), state.egress_starts.wait(now), Some(LOOK)];
        waits.into_iter().flatten().min().unwrap_or(LOOK)
    }

    /// Starts processes until there are as many as usual; after a failure one at a time, until one is up.
    pub(super) fn replenish(&self, state: &mut PoolState) {
        loop {
            let there = state.processes.values().filter(|process| !process.draining).count();
            let coming = state.processes.values().any(|process| !process.up);
            let one_by_one = state.starts.failures() > 0;
            if state.closing || there >= self.usual() || !state.starts.may(Instant::now()) || one_by_one && coming {
                return;
            }
            self.spawn(state);
        }
    }

    pub(super) fn failed_start(&self, state: &mut PoolState, why: String) {
        tracing::warn!("no sandbox process can be started: {why}");
        state.starts.failed(Instant::now(), why);
        self.inner.wanted.notify_one();
        self.inner.changed.notify_waiters();
    }

    /// Runs that found no process within the time that they may take are given up: what they wait for may never come.
    fn give_up_waiting(&self, state: &mut PoolState, now: Instant) {
        let (down, failing) = (state.down_since, state.starts.failing().map(|(_, why)| why.to_owned()));
        let unconnected = state.egress_starts.failing().map(|(since, why)| (since, why.to_owned()));
        state.queue.retain(|entry| {
            let late = |since: Instant| now.saturating_duration_since(since.max(entry.since)) >= entry.job.limits.wall;
            let why = match (down, &unconnected) {
                (Some(since), _) if late(since) => {
                    let why = failing.as_deref().unwrap_or("none is up yet");
                    format!("no sandbox process can be started: {why}")
                }
                (_, Some((since, why))) if entry.may_connect() && late(*since) => {
                    format!("no process for connections can be started: {why}")
                }
                _ => return true,
            };
            let seconds = now.saturating_duration_since(entry.since).as_secs();
            entry.end(Report::unplaced(&format!("{why} (the run has waited for {seconds} seconds)")));
            false
        });
    }

    /// Puts right what code that panicked may have left half done.
    pub(super) fn recover(&self) {
        let mut state = lock(&self.inner.state);
        let active = state.processes.values().flat_map(|process| process.active.values());
        state.admitted = active.map(|active| active.entry.job.limits.memory).sum();
        state.note_up(Instant::now());
        drop(state);
        self.inner.wanted.notify_one();
        self.inner.changed.notify_waiters();
    }
}

impl PoolState {
    /// Processes that are up.
    pub(super) fn up(&self) -> usize {
        self.processes.values().filter(|process| process.up).count()
    }

    /// Notes since when none is.
    pub(super) fn note_up(&mut self, now: Instant) {
        self.down_since = if self.up() > 0 { None } else { Some(self.down_since.unwrap_or(now)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_that_fail_are_tried_less_and_less_often_and_for_ever() {
        let mut now = Instant::now();
        let first = now;
        let mut starts = Starts::default();
        assert!(starts.may(now) && starts.failing().is_none());
        let mut pauses = Vec::new();
        for _ in 0..100 {
            starts.failed(now, "no memory".into());
            assert!(!starts.may(now));
            let wait = starts.wait(now).expect("a pause");
            pauses.push(wait.as_millis());
            now += wait;
            assert!(starts.may(now) && starts.wait(now).is_none());
        }
        assert_eq!(pauses[..8], [50, 100, 200, 400, 800, 1_600, 3_200, 5_000]);
        assert!(pauses[8..].iter().all(|pause| *pause == 5_000));
        assert_eq!(starts.failing(), Some((first, "no memory")));
        starts.worked();
        assert!(starts.may(first) && starts.failing().is_none() && starts.failures() == 0);
    }

    #[tokio::test]
    async fn a_task_that_panics_is_told_from_one_that_ends() {
        assert_eq!(guarded(async { 7 }).await, Some(7));
        assert_eq!(guarded(async { panic!("on purpose") }).await, None::<()>);
    }
}
