//! Computations for requests: off the threads that answer requests, few at once, in turn for those who
//! ask, and none that waits for long.

use crate::panics::{self, Panicked};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Computations at once, of the whole process.
const AT_ONCE: usize = 2;
/// Computations that are there at once, those that wait too.
const MOST: usize = 256;
/// The same, of one who asks.
const MOST_OF_ONE: usize = 64;

/// Why something was not computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComputeError {
    /// Who asks has asked for too much already.
    #[error("{MOST_OF_ONE} computations for the same caller are not done yet; try again when one is")]
    TooMany,
    /// All callers together have.
    #[error("{MOST} computations are not done yet; try again")]
    Busy,
    /// It failed.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// The program ends.
    #[error("the server goes down")]
    Down,
}

/// The computations of this process.
#[derive(Debug)]
struct Computing {
    running: Arc<Semaphore>,
    callers: Mutex<HashMap<String, Caller>>,
}

/// Who asks.
#[derive(Debug)]
struct Caller {
    /// Computations that are there.
    count: usize,
    /// One at a time runs or waits for the others', so that each caller has its turn.
    turn: Arc<Semaphore>,
}

static SHARED: LazyLock<Computing> =
    LazyLock::new(|| Computing { running: Arc::new(Semaphore::new(AT_ONCE)), callers: Mutex::default() });

/// Computes something on a thread of its own. A caller that stops waiting for it leaves it running to its end: until then it
/// counts.
pub async fn compute<T: Send + 'static>(
    who: &str,
    what: &'static str,
    computation: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ComputeError> {
    SHARED.compute(who, what, computation).await
}

impl Computing {
    async fn compute<T: Send + 'static>(
        &'static self,
        who: &str,
        what: &'static str,
        computation: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ComputeError> {
        let (place, turn) = self.enter(who)?;
        let turn = turn.acquire_owned().await.map_err(|_| ComputeError::Down)?;
        let running = self.running.clone().acquire_owned().await.map_err(|_| ComputeError::Down)?;
        let held: (Place, OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, turn, running);
        let computed = tokio::task::spawn_blocking(move || {
            let computed = panics::caught(what, computation);
            drop(held);
            computed
        });
        computed.await.map_err(|_| ComputeError::Down)?.map_err(ComputeError::from)
    }

    fn enter(&'static self, who: &str) -> Result<(Place, Arc<Semaphore>), ComputeError> {
        let mut callers = self.callers();
        if callers.values().map(|caller| caller.count).sum::<usize>() >= MOST {
            return Err(ComputeError::Busy);
        }
        let caller =
            callers.entry(who.to_owned()).or_insert_with(|| Caller { count: 0, turn: Arc::new(Semaphore::new(1)) });
        if caller.count >= MOST_OF_ONE {
            return Err(ComputeError::TooMany);
        }
        caller.count += 1;
        Ok((Place { all: self, who: who.to_owned() }, caller.turn.clone()))
    }

    fn callers(&self) -> MutexGuard<'_, HashMap<String, Caller>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A computation that is there, until this is dropped.
#[derive(Debug)]
struct Place {
    all: &'static Computing,
    who: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut callers = self.all.callers();
        if let Some(caller) = callers.get_mut(&self.who) {
            caller.count -= 1;
            if caller.count == 0 {
                callers.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn own() -> &'static Computing {
        Box::leak(Box::new(Computing { running: Arc::new(Semaphore::new(AT_ONCE)), callers: Mutex::default() }))
    }

    /// Waits until so many computations are there.
    async fn there(all: &Computing, count: usize) {
        while all.callers().values().map(|caller| caller.count).sum::<usize>() != count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_caller_neither_fills_the_queue_nor_keeps_others_waiting() {
        let all = own();
        let (open, gate) = mpsc::channel::<()>();
        let mut waiting = vec![tokio::spawn(all.compute("greedy", "it", move || gate.recv().is_err()))];
        there(all, 1).await;
        for _ in 1..MOST_OF_ONE {
            waiting.push(tokio::spawn(all.compute("greedy", "it", || true)));
        }
        there(all, MOST_OF_ONE).await;
        assert_eq!(all.compute("greedy", "it", || ()).await, Err(ComputeError::TooMany));
        // Its others wait for the one that runs, and hold up no other caller.
        assert_eq!(all.compute("honest", "it", || 7).await, Ok(7));
        drop(open);
        for one in waiting {
            assert_eq!(one.await.expect("ends"), Ok(true));
        }
        there(all, 0).await;
        assert!(all.callers().is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_no_caller_waits_for_counts_until_it_ends() {
        let all = own();
        let (open, gate) = mpsc::channel::<()>();
        let (began, begun) = mpsc::channel::<()>();
        let left = tokio::spawn(all.compute("gone", "it", move || {
            began.send(()).expect("told");
            gate.recv().is_err()
        }));
        tokio::task::spawn_blocking(move || begun.recv().expect("begins")).await.expect("begins");
        left.abort();
        assert!(left.await.is_err());
        assert_eq!(all.callers()["gone"].count, 1);
        drop(open);
        there(all, 0).await;
        let panicked = all.compute("clumsy", "it", || -> u8 { panic!("no") }).await;
        assert!(matches!(panicked, Err(ComputeError::Panicked(_))));
        there(all, 0).await;
    }
}
