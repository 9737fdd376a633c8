//! Keeps the tasks of a node going: a panic inside one is logged with its place, counted in `/metrics`, shown by `/readyz`
//! when it keeps happening, and the task starts again. A mistake in one piece of work costs that piece, not the node.

use crate::guard::said;
use crate::metrics::Metrics;
use futures_util::FutureExt;
use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Panics older than this are forgotten by `/readyz`.
const WINDOW: Duration = Duration::from_secs(60);
/// So many panics within [`WINDOW`] make a node unready.
const UNREADY: usize = 3;
/// The time before a task that panicked starts again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest such time.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

thread_local! {
    /// Where this thread panicked last: the hook knows it, the code that catches the panic does not.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has panics written to the log, with their place, instead of to standard error as plain text. For the whole process.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, message = said(info.payload()), "panic");
        PLACE.with_borrow_mut(|last| *last = Some(place));
    }));
}

/// Work that was ended by a panic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", .place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default())]
pub struct Panicked {
    message: String,
    place: Option<String>,
}

struct Seen {
    at: Instant,
    task: &'static str,
    panicked: Panicked,
}

/// Watches over the tasks of one node.
#[derive(Default)]
pub struct Supervisor {
    metrics: Arc<Metrics>,
    recent: Mutex<VecDeque<Seen>>,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor").field("recent", &self.lock().len()).finish_non_exhaustive()
    }
}

impl Supervisor {
    /// A supervisor that counts in these metrics.
    pub fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Supervisor { metrics, recent: Mutex::default() })
    }

    /// Does a piece of work of a task, and brings a panic inside it as an error.
    pub async fn catch<T>(&self, task: &'static str, work: impl Future<Output = T>) -> Result<T, Panicked> {
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(value) => Ok(value),
            Err(payload) => Err(self.note(task, &*payload)),
        }
    }

    /// Runs a task until it returns; after a panic it starts again, after a pause that grows while it keeps panicking.
    pub async fn keep_going<F, W>(self: Arc<Self>, task: &'static str, mut start: F)
    where
        F: FnMut() -> W,
        W: Future<Output = ()>,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            if self.catch(task, async { start().await }).await.is_ok() {
                return;
            }
            if began.elapsed() >= WINDOW {
                pause = FIRST_PAUSE;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Logs and counts a panic that was caught.
    pub fn note(&self, task: &'static str, payload: &(dyn Any + Send)) -> Panicked {
        let place = PLACE.with_borrow_mut(Option::take);
        let panicked = Panicked { message: said(payload).to_owned(), place };
        tracing::error!(task, error = %panicked, "a task panicked; it goes on");
        self.metrics.panicked(task);
        let mut recent = self.lock();
        let now = Instant::now();
        recent.retain(|seen| now - seen.at < WINDOW);
        recent.push_back(Seen { at: now, task, panicked: panicked.clone() });
        while recent.len() > 2 * UNREADY {
            recent.pop_front();
        }
        panicked
    }

    /// What `/readyz` says of panics: none, unless they keep happening.
    pub fn trouble(&self) -> Option<String> {
        let mut recent = self.lock();
        let now = Instant::now();
        recent.retain(|seen| now - seen.at < WINDOW);
        let last = recent.back().filter(|_| recent.len() >= UNREADY)?;
        Some(format!("{UNREADY} panics or more in the last minute, the last in {}: {}", last.task, last.panicked))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Seen>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_starts_again_and_is_counted() {
        let metrics = Arc::new(Metrics::default());
        let supervisor = Supervisor::new(metrics.clone());
        let mut starts = 0;
        supervisor
            .clone()
            .keep_going("cleaner", || {
                starts += 1;
                let this = starts;
                async move { assert!(this > 2, "mistake {this}") }
            })
            .await;
        assert_eq!(starts, 3);
        assert!(metrics.text().contains(r#"cronbox_panics_total{task="cleaner"} 2"#), "{}", metrics.text());
        assert_eq!(supervisor.trouble(), None);
    }

    #[tokio::test]
    async fn the_third_panic_in_a_minute_is_told() {
        let supervisor = Supervisor::new(Arc::default());
        for number in 1..=3 {
            assert_eq!(supervisor.trouble(), None);
            let caught = supervisor.catch("scheduler", async move { panic!("mistake {number}") }).await;
            let caught: Panicked = caught.map(|(): ()| ()).expect_err("it panicked");
            assert!(caught.to_string().starts_with(&format!("mistake {number}")), "{caught}");
        }
        let told = supervisor.trouble().expect("trouble");
        assert!(told.contains("in scheduler: mistake 3"), "{told}");
    }

    #[tokio::test]
    async fn what_does_not_panic_is_passed_on() {
        let supervisor = Supervisor::new(Arc::default());
        assert_eq!(supervisor.catch("request", async { 7 }).await, Ok(7));
    }
}
