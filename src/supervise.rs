//! Keeps the tasks of a node going: a panic inside one is logged with its place, counted in `/metrics`, shown by `/readyz`
//! when it keeps happening, and the task starts again. A mistake in one piece of work costs that piece, not the node.

use crate::metrics::Metrics;
use crate::panics::{self, Caught, READER};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use crate::panics::{faults, log_panics};

/// Panics older than this are forgotten by `/readyz`.
const WINDOW: Duration = Duration::from_secs(60);
/// So many panics of tasks within [`WINDOW`] make a node unready.
const UNREADY: usize = 3;
/// The time before a task that panicked starts again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest such time.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

struct Seen {
    at: Instant,
    task: &'static str,
    caught: Caught,
}

/// Watches over the tasks of one node.
#[derive(Default)]
pub struct Supervisor {
    metrics: Arc<Metrics>,
    recent: Mutex<Recent>,
}

/// The last panics.
#[derive(Default)]
struct Recent {
    /// In tasks.
    tasks: VecDeque<Seen>,
    /// In readers of foreign text: who sends the text must not have a node taken for one that cannot work.
    readers: VecDeque<Seen>,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor").field("recent", &self.lock().tasks.len()).finish_non_exhaustive()
    }
}

impl Supervisor {
    /// A supervisor that counts in these metrics.
    pub fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Supervisor { metrics, recent: Mutex::default() })
    }

    /// Counts all panics of this process from now on, those of readers of foreign text and those of no task included.
    pub fn watch_all(self: &Arc<Self>) {
        let supervisor = Arc::downgrade(self);
        panics::watch(move |task, caught| {
            if let Some(supervisor) = supervisor.upgrade() {
                supervisor.note(task, caught);
            }
        });
    }

    /// Does a piece of work of a task, and brings a panic inside it as an error.
    pub async fn catch<T>(&self, task: &'static str, work: impl Future<Output = T>) -> Result<T, Caught> {
        panics::catching(task, work).await.inspect_err(|caught| self.note(task, caught))
    }

    /// Runs a task until it returns; after a panic it starts again, after a pause that grows while it keeps panicking.
    pub async fn keep_going<F, W>(self: Arc<Self>, task: &'static str, mut start: F)
    where
        F: FnMut() -> W,
        W: Future<Output = ()>,
    {
        self.metrics.begins(task);
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
    fn note(&self, task: &'static str, caught: &Caught) {
        tracing::error!(task, error = %caught, "a task panicked; it goes on");
        self.metrics.panicked(task);
        let mut recent = self.lock();
        let recent = if task == READER { &mut recent.readers } else { &mut recent.tasks };
        recent.push_back(Seen { at: Instant::now(), task, caught: caught.clone() });
        while recent.len() > 2 * UNREADY {
            recent.pop_front();
        }
    }

    /// Why `/readyz` calls the node unready: none, unless tasks keep panicking.
    pub fn trouble(&self) -> Option<String> {
        told(&mut self.lock().tasks)
    }

    /// What `/readyz` says of readers of foreign text that keep panicking.
    pub fn warning(&self) -> Option<String> {
        told(&mut self.lock().readers)
    }

    fn lock(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sentence about panics, when there were many.
fn told(recent: &mut VecDeque<Seen>) -> Option<String> {
    let now = Instant::now();
    recent.retain(|seen| now - seen.at < WINDOW);
    let last = recent.back().filter(|_| recent.len() >= UNREADY)?;
    Some(format!("{UNREADY} panics or more in the last minute, the last in {}: {}", last.task, last.caught))
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
            let caught: Caught = caught.map(|(): ()| ()).expect_err("it panicked");
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

    #[tokio::test]
    async fn text_that_a_reader_fails_on_is_told_and_takes_no_node_away() {
        let supervisor = Supervisor::new(Arc::default());
        let caught =
            panics::catching("a test", async { panic!("mistake") }).await.map(|(): ()| ()).expect_err("panics");
        for _ in 0..100 {
            supervisor.note(READER, &caught);
        }
        assert!(supervisor.warning().expect("a warning").contains("in reader: mistake"));
        assert_eq!(supervisor.trouble(), None);
        let metrics = supervisor.metrics.text();
        assert!(metrics.contains(r#"cronbox_panics_total{task="reader"} 100"#), "{metrics}");
    }
}
