//! Tells the operator's monitor that this node is well.

use super::{Calls, Well};
use crate::address::Address;
use crate::metrics::{Beaten, Metrics};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often the monitor is called.
const EVERY: Duration = Duration::from_secs(60);

/// What became of one heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beat {
    /// The monitor was told that this node is well.
    Sent,
    /// The monitor did not take the call: why.
    Failed(String),
    /// The node is not well, and the monitor was not called: why.
    Withheld(String),
}

/// Calls the operator's monitor every minute while this node is well, and not otherwise.
#[derive(Debug)]
pub struct Heartbeat {
    /// Makes the calls.
    pub calls: Calls,
    /// The monitor.
    pub address: Address,
    /// Knows whether the node is well.
    pub well: Well,
    /// Where heartbeats are counted.
    pub metrics: Arc<Metrics>,
}

impl Heartbeat {
    /// Calls until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                _ = self.beat() => {}
            }
        }
    }

    /// Looks whether the node is well, and tells the monitor if it is.
    pub async fn beat(&self) -> Beat {
        let beat = match self.well.look().await {
            Err(why) => Beat::Withheld(why),
            Ok(()) => match self.calls.call(&self.address, "GET", "").await {
                Ok(()) => Beat::Sent,
                Err(why) => Beat::Failed(why),
            },
        };
        match &beat {
            Beat::Sent => self.metrics.beaten(Beaten::Sent),
            Beat::Failed(why) => {
                tracing::warn!(why, monitor = self.address.origin(), "the monitor (--heartbeat) did not take the call");
                self.metrics.beaten(Beaten::Failed);
            }
            Beat::Withheld(why) => {
                tracing::warn!(why, "this node is not well, so the monitor (--heartbeat) is not called");
                self.metrics.beaten(Beaten::Withheld);
            }
        }
        beat
    }
}
