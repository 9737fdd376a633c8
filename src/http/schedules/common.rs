//! What several requests about schedules need: bounds, computations over a trigger, and a conflict.

use crate::access::Caller;
use crate::clock::Time;
use crate::computations::compute;
use crate::http::problem::Problem;
use crate::schedule::Schedule;
use crate::trigger::Trigger;
use chrono::TimeDelta;
use std::sync::Arc;

/// The largest request: a trigger, and arguments.
pub(super) const MOST: usize = 1 << 20;

/// How often a change that met another one is tried again.
pub(super) const TRIES: usize = 3;

pub(super) fn changed() -> Problem {
    Problem::conflict("changed_meanwhile", "another request is changing this schedule; try again").retry_after(1)
}

/// A schedule's trigger, for a request that needs it.
pub(super) fn trigger_of(schedule: &Schedule) -> Result<Arc<Trigger>, Problem> {
    schedule.trigger.parsed().map_err(|why| Problem::invalid("trigger", why))
}

/// Computes something over a trigger, beside the threads that answer requests.
pub(super) async fn computed<T: Send + 'static>(
    caller: &Caller,
    computation: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let who = caller.id().unwrap_or("local");
    Ok(compute(who, "the trigger", computation).await?)
}

/// The instant before another: "strictly after" it includes that other.
pub(super) fn just_before(time: Time) -> Time {
    time.checked_sub_signed(TimeDelta::microseconds(1)).unwrap_or(time)
}
