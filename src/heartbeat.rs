//! Says that this node lives, and takes over what nodes held that do not.
//!
//! A node counts; the others watch the count. Only a node that has *itself* seen another's count stand still for the lease
//! time, by its own monotonic clock and with the database answering all along, takes over: no wall clock is compared. A
//! node that cannot count stops its runs before its lease is over; should it wake up later all the same, its records are
//! refused, because each needs the attempt's token.

use crate::clock::{Clock, rfc3339};
use crate::metrics::{LostWith, Metrics};
use crate::run::{GivenUp, Status};
use crate::signals::Signals;
use crate::store::{Store, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Counts for a node, and watches the others.
pub struct Rescuer {
    /// The database.
    pub store: Store,
    /// What time it is; a clock that follows the database is told the database's time with every beat.
    pub clock: Clock,
    /// The signals of this node.
    pub signals: Arc<Signals>,
    /// The node's id.
    pub node: String,
    /// The node's name, for people.
    pub name: String,
    /// What it does.
    pub roles: String,
    /// How long a count may stand still.
    pub lease: Duration,
    /// Where runs are counted that other nodes lost.
    pub metrics: Arc<Metrics>,
    /// What to do when this node's runs are no longer its own.
    pub on_lost: Box<dyn Fn() + Send + Sync>,
}

/// A node's count, and since when it is so.
struct Seen {
    beat: i64,
    since: Instant,
}

impl Rescuer {
    /// Makes the node known. What other nodes of a database that only one can use have left is taken at once.
    pub async fn join(&self) -> Result<(), StoreError> {
        if !self.store.is_shared() {
            for node in self.store.nodes().await? {
                self.take_over(&node.id, Some(&node.name)).await?;
            }
            for node in self.store.unknown_holders().await? {
                self.take_over(&node, None).await?;
            }
        }
        self.store.join(&self.node, &self.name, &self.roles, self.clock.now()).await
    }

    /// Counts and watches until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let beat = self.lease / 15;
        // Five seconds of the usual fifteen.
        let patience = self.lease - self.lease / 3;
        let mut beaten = Instant::now();
        let mut others: HashMap<String, Seen> = HashMap::new();
        let mut stopped = false;
        loop {
            match self.beat().await {
                Ok(true) => {
                    beaten = Instant::now();
                    stopped = false;
                    if let Err(error) = self.watch(&mut others).await {
                        tracing::warn!(%error, "other nodes cannot be watched");
                        // What was seen before the gap says nothing about it.
                        others.clear();
                    }
                }
                Ok(false) => {
                    tracing::error!("this node was taken for dead: its runs are others' now");
                    (self.on_lost)();
                    others.clear();
                    if let Err(error) = self.store.join(&self.node, &self.name, &self.roles, self.clock.now()).await {
                        tracing::warn!(%error, "this node cannot make itself known again");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "this node cannot say that it lives");
                    others.clear();
                    if self.store.is_shared() && !stopped && beaten.elapsed() >= patience {
                        tracing::error!("the database has been away for too long: this node's runs are stopped");
                        (self.on_lost)();
                        stopped = true;
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(beat) => {}
            }
        }
    }

    async fn beat(&self) -> Result<bool, StoreError> {
        if let Some(now) = self.store.time().await? {
            self.clock.set(now);
        }
        self.store.beat(&self.node).await
    }

    /// Looks at the others' counts, and takes over what nodes held whose count stands still.
    async fn watch(&self, others: &mut HashMap<String, Seen>) -> Result<(), StoreError> {
        if !self.store.is_shared() {
            self.signals.set_alone(true);
            return Ok(());
        }
        let now = Instant::now();
        let nodes = self.store.nodes().await?;
        let mut holders: Vec<(String, i64)> = nodes.iter().map(|node| (node.id.clone(), node.beat)).collect();
        // Whoever took over and died in the middle left a node that is no longer known.
        holders.extend(self.store.unknown_holders().await?.into_iter().map(|node| (node, -1)));
        self.signals.set_alone(holders.iter().all(|(id, _)| *id == self.node));
        others.retain(|id, _| holders.iter().any(|(holder, _)| holder == id));
        for (id, beat) in holders {
            if id == self.node {
                continue;
            }
            let seen = others.entry(id.clone()).or_insert(Seen { beat, since: now });
            if seen.beat != beat {
                *seen = Seen { beat, since: now };
            } else if seen.since.elapsed() >= self.lease {
                let node = nodes.iter().find(|node| node.id == id);
                tracing::warn!(
                    node = %id,
                    node.name = node.map(|node| &*node.name),
                    node.roles = node.map(|node| &*node.roles),
                    node.program = node.map(|node| &*node.program),
                    node.started_at = node.map(|node| rfc3339(node.started_at)),
                    "a node is dead: its runs are taken over"
                );
                self.take_over(&id, node.map(|node| &*node.name)).await?;
                others.remove(&id);
            }
        }
        Ok(())
    }

    async fn take_over(&self, node: &str, name: Option<&str>) -> Result<(), StoreError> {
        // First its next beat fails, then its runs are given to others.
        self.store.disown(node).await?;
        for (run, token) in self.store.held_by_node(node).await? {
            let status =
                self.store.give_up(&run, &token, GivenUp::Lost(name.map(str::to_owned)), self.clock.now()).await?;
            tracing::warn!(run.id = %run, node, status = status.map(Status::as_str), "a run was lost with its node");
            self.metrics.lost(LostWith::Node, u32::from(status.is_some()));
            if status.is_some_and(Status::is_final) {
                self.signals.notify_ended(&run);
                self.signals.pings.tell_end_of(&run);
            }
        }
        self.signals.notify_queued();
        Ok(())
    }
}
