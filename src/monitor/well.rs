//! Whether this node does what it is there for: the database takes a write, schedules fire in time, and a script runs.

use crate::clock::Clock;
use crate::store::{Store, StoreError};
use crate::supervise::Supervisor;
use chrono::TimeDelta;
use cronbox_runtime::{Bundle, Job, Limits, Outcome, Pool};
use std::sync::Arc;
use std::time::Duration;

/// The time for the database.
const DATABASE_WITHIN: Duration = Duration::from_secs(5);
/// The time for the run of the self-test.
const RUN_WITHIN: Duration = Duration::from_secs(20);
/// A schedule that has been due for longer is not fired.
const LATE: TimeDelta = TimeDelta::seconds(60);
/// The memory of the self-test beyond that of the interpreter.
const MEMORY: u64 = 8 << 20;
/// The script of the self-test, and what it returns.
const SCRIPT: (&str, &str) = ("def run():\n    return sum(range(10))\n", "45");

/// Looks whether this node is well.
pub struct Well {
    /// The database.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// Knows of tasks that panic.
    pub supervisor: Arc<Supervisor>,
    /// Where scripts run; none on a node that runs none.
    pub pool: Option<Pool>,
}

impl std::fmt::Debug for Well {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Well").field("runs", &self.pool.is_some()).finish_non_exhaustive()
    }
}

impl Well {
    /// Looks at everything. The error is a sentence on what is not well.
    pub(super) async fn look(&self) -> Result<(), String> {
        let silent = |_| format!("the database did not answer within {} s", DATABASE_WITHIN.as_secs());
        let database = tokio::time::timeout(DATABASE_WITHIN, self.database()).await.map_err(silent)?;
        database.map_err(|error| error.to_string())??;
        if let Some(trouble) = self.supervisor.trouble() {
            return Err(trouble);
        }
        match &self.pool {
            Some(pool) => self_test(pool).await,
            None => Ok(()),
        }
    }

    /// Writes to the database, and looks whether schedules fire.
    async fn database(&self) -> Result<Result<(), String>, StoreError> {
        self.store.try_write().await?;
        if self.store.scheduler().await?.paused {
            return Ok(Ok(()));
        }
        let lag = self.store.next_schedule().await?.map(|due| self.clock.now() - due);
        Ok(match lag.filter(|lag| *lag > LATE) {
            Some(lag) => Err(format!("a schedule has been due for {} s, and is not fired", lag.num_seconds())),
            None => Ok(()),
        })
    }
}

/// Runs a script.
async fn self_test(pool: &Pool) -> Result<(), String> {
    let (source, expected) = SCRIPT;
    let bundle = Bundle::of_files(&[("self_test.py", source.as_bytes())]).map_err(|error| error.to_string())?;
    let limits = Limits { memory: pool.interpreter_memory() + MEMORY, wall: RUN_WITHIN, ..Limits::default() };
    let job = Job::new(bundle, "self_test.py").with_name("self_test").with_limits(limits);
    let run = pool.run(job).map_err(|error| format!("the self-test cannot run: {error}"))?;
    let Ok(output) = tokio::time::timeout(RUN_WITHIN, run.finish()).await else {
        let load = pool.load();
        // It waits for runs that have limits of their own: the node is full, and not ill.
        if load.queued > 0 && load.active > 0 {
            return Ok(());
        }
        return Err(format!("the self-test did not end within {} s", RUN_WITHIN.as_secs()));
    };
    let report = output.report;
    let result = report.result.as_ref().map(|result| result.get());
    match (report.outcome, result) {
        (Outcome::Succeeded, Some(result)) if result == expected => Ok(()),
        (Outcome::Succeeded, result) => Err(format!("the self-test returned {}", result.unwrap_or("nothing"))),
        (_, _) => {
            let error = report.error.map(|error| format!(": {error}")).unwrap_or_default();
            Err(format!("the self-test did not succeed{error}"))
        }
    }
}
