//! The node's sending of messages to channels: set up, started, ended.

use crate::deliverer::{Deliverer, DeliveryRules};
use crate::supervise::Supervisor;
use crate::worker::Tools;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Sends messages, beside the other tasks: it ends before the pool does, whose egress process it needs.
pub(super) struct Delivering {
    pub(super) deliverer: Arc<Deliverer>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Delivering {
    /// Sends with what the worker has.
    pub(super) fn new(tools: &Tools, rules: DeliveryRules) -> Self {
        let pool = tools.pool.clone();
        let deliverer = Deliverer {
            store: tools.store.clone(),
            keyring: tools.keyring.clone(),
            clock: tools.clock.clone(),
            signals: tools.signals.clone(),
            metrics: tools.metrics.clone(),
            node: tools.node.clone(),
            rules,
            send: Box::new(move |outbound| {
                let pool = pool.clone();
                Box::pin(async move { pool.send(&outbound).await })
            }),
            under_way: Mutex::default(),
        };
        Delivering { deliverer: Arc::new(deliverer), tasks: TaskTracker::new(), stop: CancellationToken::new() }
    }

    /// Begins to send.
    pub(super) fn start(&self, supervisor: &Arc<Supervisor>) {
        let (deliverer, stop) = (self.deliverer.clone(), self.stop.clone());
        let work = move || deliverer.clone().run(stop.clone());
        self.tasks.spawn(supervisor.clone().keep_going("deliverer", work));
    }

    /// Waits for what is on its way, for a short time at most.
    pub(super) async fn end(&self, at_once: &CancellationToken) {
        self.stop.cancel();
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => {}
            () = at_once.cancelled() => {}
        }
    }
}
