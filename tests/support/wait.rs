//! Waiting for a condition: one way, and one bound for all tests.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long a test waits for what comes within a second on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// What a look at a condition returns.
pub trait Look {
    /// What the test goes on with.
    type Found;

    /// What was found, or how things are instead.
    fn found(self) -> Result<Self::Found, String>;
}

impl Look for bool {
    type Found = ();

    fn found(self) -> Result<(), String> {
        if self { Ok(()) } else { Err(String::new()) }
    }
}

impl<T> Look for Option<T> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.ok_or_else(String::new)
    }
}

impl<T, E: Debug> Look for Result<T, E> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.map_err(|instead| format!("{instead:?}"))
    }
}

/// Looks until a condition holds. Fails after [`PATIENCE`], with what the last look saw.
pub async fn until<L: Look>(what: &str, look: impl AsyncFnMut() -> L) -> L::Found {
    match within(PATIENCE, look).await {
        Ok(found) => found,
        Err(instead) => panic!("waited {PATIENCE:?} in vain: {what}; {instead}"),
    }
}

/// Looks until a condition holds, for `patience` at most: what was found, or what the last look saw.
pub async fn within<L: Look>(patience: Duration, mut look: impl AsyncFnMut() -> L) -> Result<L::Found, String> {
    let deadline = Instant::now() + patience;
    loop {
        let seen = look().await.found();
        if seen.is_ok() || Instant::now() > deadline {
            return seen;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
