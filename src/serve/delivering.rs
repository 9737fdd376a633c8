//! The node's sending to the outside: messages to channels, calls to monitors, traces; set up, started, ended.

use super::Config;
use super::config::Role;
use crate::deliverer::{Deliverer, Sender};
use crate::monitor::{Calls, Heartbeat, PAUSES, Pinger, Well};
use crate::supervise::Supervisor;
use crate::trace::Traces;
use crate::worker::Tools;
use cronbox_runtime::Pool;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Sends, beside the other tasks: it ends before the pool does, whose egress process it needs.
pub(super) struct Delivering {
    pub(super) deliverer: Arc<Deliverer>,
    pinger: Arc<Pinger>,
    heartbeat: Option<Arc<Heartbeat>>,
    pub(super) traces: Traces,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Sends by the egress process of a pool.
fn sender(pool: &Pool) -> Sender {
    let pool = pool.clone();
    Box::new(move |outbound| {
        let pool = pool.clone();
        Box::pin(async move { pool.send(&outbound).await })
    })
}

impl Delivering {
    /// Sends with what the worker has.
    pub(super) fn new(tools: &Tools, config: &Config) -> Self {
        let rules = config.notices.rules(config.hosts.ceiling());
        let shared = Arc::new(sender(&tools.pool));
        let calls = || Calls { clock: tools.clock.clone(), rules: rules.clone(), send: shared.clone(), pauses: PAUSES };
        let deliverer = Deliverer {
            store: tools.store.clone(),
            keyring: tools.keyring.clone(),
            clock: tools.clock.clone(),
            signals: tools.signals.clone(),
            metrics: tools.metrics.clone(),
            node: tools.node.clone(),
            rules: rules.clone(),
            send: sender(&tools.pool),
            under_way: Mutex::default(),
        };
        let pinger = Pinger {
            calls: calls(),
            signals: tools.signals.clone(),
            store: tools.store.clone(),
            metrics: tools.metrics.clone(),
        };
        let heartbeat = config.notices.heartbeat.clone().map(|address| Heartbeat {
            calls: calls(),
            address,
            well: Well {
                store: tools.store.clone(),
                clock: tools.clock.clone(),
                supervisor: tools.supervisor.clone(),
                pool: config.node.does(Role::Worker).then(|| tools.pool.clone()),
            },
            metrics: tools.metrics.clone(),
        });
        Delivering {
            deliverer: Arc::new(deliverer),
            pinger: Arc::new(pinger),
            heartbeat: heartbeat.map(Arc::new),
            traces: tools.traces.clone(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Begins to send.
    pub(super) fn start(&self, supervisor: &Arc<Supervisor>) {
        let (deliverer, stop) = (self.deliverer.clone(), self.stop.clone());
        let work = move || deliverer.clone().run(stop.clone());
        self.tasks.spawn(supervisor.clone().keep_going("deliverer", work));
        let (pinger, stop) = (self.pinger.clone(), self.stop.clone());
        let work = move || pinger.clone().run(stop.clone());
        self.tasks.spawn(supervisor.clone().keep_going("pinger", work));
        if let Some(heartbeat) = self.heartbeat.clone() {
            let stop = self.stop.clone();
            let work = move || heartbeat.clone().run(stop.clone());
            self.tasks.spawn(supervisor.clone().keep_going("monitor", work));
        }
    }

    /// Waits for what is on its way, for a short time at most.
    pub(super) async fn end(&self, at_once: &CancellationToken) {
        self.stop.cancel();
        self.tasks.close();
        let work = async {
            self.tasks.wait().await;
            self.traces.end().await;
        };
        tokio::select! {
            () = work => {}
            () = at_once.cancelled() => {}
        }
    }
}
