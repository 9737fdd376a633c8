//! Keeping the processes and tasks of a pool up.

use super::starts::Health;
use super::{Inner, Pool, PoolState, lock};
use crate::faults;
use crate::outcome::Report;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

/// The interval at which the pool checks for missing processes without a notification.
const LOOK: Duration = Duration::from_secs(1);

/// The pause before a task of the pool is started again after a panic.
const AFTER_PANIC: Duration = Duration::from_millis(100);

/// Keeps the pool's processes up until the pool is dropped.
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

/// Runs a task of the pool. After a panic, it is logged, the pool is repaired, and the task starts again.
pub(super) fn supervise<F>(what: &'static str, pool: Weak<Inner>, task: impl Fn() -> F + Send + 'static) -> AbortHandle
where
    F: Future<Output = ()> + Send + 'static,
{
    let supervising = async move {
        loop {
            let task = task();
            let work = async move {
                faults::come(what);
                task.await;
            };
            if in_task(work).await.is_some() {
                return;
            }
            tracing::error!("the pool's {what} panicked and is started again");
            match pool.upgrade() {
                Some(inner) => Pool { inner }.recover(),
                None => return,
            }
            tokio::time::sleep(AFTER_PANIC).await;
        }
    };
    tokio::spawn(supervising).abort_handle()
}

/// Runs a future as a task, which ends with this future. None when it panicked.
pub(super) async fn in_task<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let mut tasks = JoinSet::new();
    tasks.spawn(task);
    tasks.join_next().await.and_then(Result::ok)
}

impl Pool {
    /// Returns the health of the pool.
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

    /// Starts missing processes, and ends runs that have waited too long. Returns the time until the next check.
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

    /// Starts processes up to the usual number. After a failure one at a time, until one is up.
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

    /// Ends runs that have waited for a process for longer than their own time limit.
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

    /// Repairs the state after a panic.
    pub(super) fn recover(&self) {
        let mut state = lock(&self.inner.state);
        state.count_memory();
        state.note_up(Instant::now());
        drop(state);
        self.inner.wanted.notify_one();
        self.inner.changed.notify_waiters();
    }
}

impl PoolState {
    /// Returns the number of processes that are up.
    pub(super) fn up(&self) -> usize {
        self.processes.values().filter(|process| process.up).count()
    }

    /// Notes the time since which no process is up.
    pub(super) fn note_up(&mut self, now: Instant) {
        self.down_since = if self.up() > 0 { None } else { Some(self.down_since.unwrap_or(now)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_told_from_one_that_ends() {
        assert_eq!(in_task(async { 7 }).await, Some(7));
        assert_eq!(in_task(async { panic!("on purpose") }).await, None::<()>);
    }
}
