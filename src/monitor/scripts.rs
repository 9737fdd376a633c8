//! Tells the monitors of scripts about their runs.

use super::Calls;
use crate::address::Address;
use crate::metrics::{Metrics, Pinged};
use crate::ping::{Next, Ping, Told};
use crate::signals::Signals;
use crate::store::Store;
use cronbox_runtime::network::Policy;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Most calls on their way at one time: with the messages to channels fewer than the egress process takes.
const MOST: usize = 12;
/// The time for what waits when the node goes down.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);

/// Tells the monitors of scripts about their runs.
#[derive(Debug)]
pub struct Pinger {
    /// Makes the calls.
    pub calls: Calls,
    /// Holds the pings that wait.
    pub signals: Arc<Signals>,
    /// Knows the runs of which only the id is told.
    pub store: Store,
    /// Where calls are counted.
    pub metrics: Arc<Metrics>,
}

impl Pinger {
    /// Tells until `stop`, and then, for a short time, what still waits.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut calling = JoinSet::new();
        loop {
            self.begin(&mut calling).await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.signals.pings.wait() => {}
                Some(_) = calling.join_next() => {}
            }
        }
        let all = async {
            self.begin(&mut calling).await;
            while calling.join_next().await.is_some() {
                self.begin(&mut calling).await;
            }
        };
        let _ = tokio::time::timeout(SETTLE_WITHIN, all).await;
    }

    /// Begins as many calls as may be on their way.
    async fn begin(self: &Arc<Self>, calling: &mut JoinSet<()>) {
        while calling.len() < MOST
            && let Some(next) = self.signals.pings.next()
        {
            match next {
                Next::Ping(ping) => {
                    let pinger = self.clone();
                    calling.spawn(async move {
                        let _way = Way { pinger: &pinger, url: &ping.url };
                        pinger.send(&ping).await;
                    });
                }
                Next::Ended(run) => self.look_up(&run).await,
            }
        }
        self.metrics.pinged_monitor(Pinged::Dropped, self.signals.pings.take_dropped());
    }

    /// Tells of a run of which only the id is known.
    async fn look_up(&self, id: &str) {
        match self.store.run(id).await {
            Ok(run) => {
                if let Some(ping) = run.as_ref().and_then(Ping::ended) {
                    self.signals.pings.tell(ping);
                }
            }
            Err(error) => {
                tracing::warn!(%error, run.id = id, "whether a monitor waits for a run is not known; it is not told");
                self.metrics.pinged_monitor(Pinged::Failed, 1);
            }
        }
    }

    /// Whether the host of a monitor is granted to the script: what a run says of its failure goes there.
    async fn check(&self, ping: &Ping, address: &Address) -> Result<(), String> {
        let granted = self.store.granted_hosts(&ping.key).await.map_err(|error| error.to_string())?;
        let host = address.pattern().map_err(|error| error.to_string())?;
        match Policy::in_force(std::slice::from_ref(&host), &granted.hosts, &self.calls.rules.ceiling).covers(&host) {
            true => Ok(()),
            false => Err(format!("its host is not granted; `cronbox grant {} --host {host}` allows it", ping.script)),
        }
    }

    async fn send(&self, ping: &Ping) {
        let told = match ping.request() {
            Ok((address, method, body)) => match self.check(ping, &address).await {
                Ok(()) => self.calls.call(&address, method, &body).await,
                Err(why) => Err(why),
            },
            Err(why) => Err(why.to_string()),
        };
        let why = match told {
            Ok(()) => return self.metrics.pinged_monitor(Pinged::Sent, 1),
            Err(why) => why,
        };
        self.metrics.pinged_monitor(Pinged::Failed, 1);
        let script = &*ping.script;
        match ping.told {
            // Some monitors know no start.
            Told::Started => tracing::debug!(script, why, "a monitor was not told of a start"),
            _ => tracing::warn!(script, why, "the monitor of a script was not told of a run"),
        }
    }
}

/// A call on its way: the next one to its address begins when it ends, however it ends.
struct Way<'p> {
    pinger: &'p Pinger,
    url: &'p str,
}

impl Drop for Way<'_> {
    fn drop(&mut self) {
        self.pinger.signals.pings.sent(self.url);
    }
}
