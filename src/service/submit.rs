//! Submitting a run, and waiting for its end.

use super::{ErrorKind, Service, ServiceError};
use crate::clock::Time;
use crate::run::{Claim, GivenUp, Idempotency, Made, NewRun, Run};
use crate::signals::Dispatched;
use crate::trace;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How soon a run is looked at without a signal, and how often when that goes on: a signal that was lost costs time, and
/// many who wait cost the database little.
const LOOK: Duration = Duration::from_millis(500);
const LATER: Duration = Duration::from_secs(2);

/// A run that was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Its id.
    pub id: String,
    /// Whether the same request made it before.
    pub is_replayed: bool,
}

/// Whether the database or the blobs found no room since the waiting began.
struct NoRoom {
    of: [watch::Receiver<u64>; 2],
    found: bool,
}

impl NoRoom {
    /// Ends when they find none.
    async fn changed(&mut self) {
        let [store, blobs] = &mut self.of;
        // Who would tell of it lives as long as the node.
        tokio::select! {
            _ = store.changed() => {}
            _ = blobs.changed() => {}
        }
        self.found = true;
    }
}

impl Service {
    /// Makes a run. A node that has a worker with a free slot takes it at once.
    ///
    /// # Errors
    /// The queue is full, the script is gone, or the request's key came with another request.
    pub async fn submit(
        &self,
        mut new: NewRun,
        request: Option<Idempotency>,
        now: Time,
    ) -> Result<Submitted, ServiceError> {
        let id = new.id.clone();
        new.spec.traceparent = trace::current().map(|context| context.to_string());
        // From here to the hand-over the run is this code's alone. What ends it in between, a panic or a database whose answer
        // is lost, closes the claim: the worker then gives the run back.
        let slot = match &self.node {
            Some(node) if new.run_at.is_none_or(|at| at <= now) => {
                let slot = self.signals.slots.clone().try_acquire_owned().ok();
                slot.map(|slot| (slot, self.signals.open_claim(), node.clone()))
            }
            _ => None,
        };
        let claim = slot.as_ref().map(|(_, open, node)| Claim { node: node.clone(), token: open.token().to_owned() });
        let timed = new.run_at.is_some_and(|at| at > now);
        let dispatched = claim.is_some().then(|| Box::new(new.as_begun(now)));
        match self.store.make_run(new, request, claim, self.queue_bound, now).await? {
            Made::Claimed { may_have_secrets } => {
                if let (Some((slot, claim, _)), Some(run)) = (slot, dispatched)
                    && let Err(unsent) = self.signals.dispatch(Dispatched { run, claim, slot, may_have_secrets })
                {
                    // The worker ended meanwhile: the run waits for another, or for this node's next start.
                    let token = unsent.claim.token();
                    self.store.give_up(&id, token, GivenUp::HandedBack, self.clock.now()).await?;
                }
            }
            Made::Waits if timed => self.signals.timed.notify_one(),
            Made::Waits => {
                drop(slot);
                self.signals.notify_queued();
            }
            Made::Again(earlier) => return Ok(Submitted { id: earlier, is_replayed: true }),
            Made::KeyReused => {
                let detail = "this Idempotency-Key came with another request in the last 24 hours";
                return Err(ServiceError::conflict("idempotency_key_reused", detail));
            }
            Made::QueueFull => {
                let detail = format!("{} runs are waiting, and no more are taken", self.queue_bound);
                return Err(ServiceError::new(ErrorKind::TooMany, "queue_full", detail).retry_after(5));
            }
            Made::NoScript => return Err(ServiceError::script_gone()),
        }
        Ok(Submitted { id, is_replayed: false })
    }

    /// Makes a run, and waits for its end: the run as it is when it has ended, when `wait` is over, or when whoever waits has
    /// `gone`.
    ///
    /// # Errors
    /// Those of [`Service::submit`]; the run is gone; or there is no room to keep its end.
    pub async fn submit_and_wait(
        &self,
        new: NewRun,
        request: Option<Idempotency>,
        (wait, gone): (Duration, &CancellationToken),
        now: Time,
    ) -> Result<(Submitted, Run), ServiceError> {
        let end = self.signals.watch_end(&new.id);
        // Registered before the run is made: its end cannot be missed.
        let mut notified = std::pin::pin!(end.notified());
        notified.as_mut().enable();
        let submitted = self.submit(new, request, now).await?;
        let mut no_room = self.no_room();
        let deadline = Instant::now() + wait;
        if !submitted.is_replayed {
            tokio::select! {
                () = notified => {}
                () = gone.cancelled() => {}
                () = no_room.changed() => {}
                () = tokio::time::sleep_until(deadline.min(Instant::now() + LOOK)) => {}
            }
            // It ended on this node: the database need not be asked.
            if let Some(run) = end.run() {
                return Ok((submitted, run.clone()));
            }
        }
        let run = self.wait_until(&submitted.id, deadline, no_room, gone).await?;
        Ok((submitted, run))
    }

    /// Waits for a run's end: the run as it is when it has ended, when `wait` is over, or when whoever waits has `gone`.
    ///
    /// # Errors
    /// The run is gone, or there is no room to keep its end.
    pub async fn wait_for_end(&self, id: &str, wait: Duration, gone: &CancellationToken) -> Result<Run, ServiceError> {
        self.wait_until(id, Instant::now() + wait, self.no_room(), gone).await
    }

    async fn wait_until(
        &self,
        id: &str,
        deadline: Instant,
        mut no_room: NoRoom,
        gone: &CancellationToken,
    ) -> Result<Run, ServiceError> {
        let end = self.signals.watch_end(id);
        let mut look = LOOK;
        loop {
            let mut notified = std::pin::pin!(end.notified());
            notified.as_mut().enable();
            let is_gone = gone.is_cancelled();
            let run = self.store.run(id).await?.ok_or_else(ServiceError::run_gone)?;
            let now = Instant::now();
            if run.status.is_final() || now >= deadline || is_gone {
                return Ok(run);
            }
            if no_room.found {
                return Err(ServiceError::no_room_for_end(id));
            }
            tokio::select! {
                () = notified => {}
                () = gone.cancelled() => {}
                () = no_room.changed() => {}
                () = tokio::time::sleep_until(deadline.min(now + look)) => {}
            }
            look = (look * 2).min(LATER);
        }
    }

    /// Tells of the database or the blobs finding no room from now on.
    fn no_room(&self) -> NoRoom {
        NoRoom { of: [self.store.fullness().watch(), self.blobs.fullness().watch()], found: false }
    }
}
