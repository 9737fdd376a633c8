//! Looks at alerts when time can have made them true, and wakes those who tell what alerts have said.
//!
//! Any number of nodes may do so at once: what keeps an alert from being looked at twice is its row ([`crate::store::alerts`]).
//! At rest a look is one question about two indexes.

use crate::clock::{Clock, Time};
use crate::signals::Signals;
use crate::store::{Store, StoreError};
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is asked what is due.
const LOOK: Duration = Duration::from_secs(1);
/// A clock that goes back by more was set back.
const SET_BACK: TimeDelta = TimeDelta::seconds(10);
/// At the start, alerts whose next look is later than this are looked at: the clock may have been set back while no node ran.
const FAR: TimeDelta = TimeDelta::hours(25);

/// Looks at alerts.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// The database.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
}

impl Watcher {
    /// Looks until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut last = None;
        loop {
            let looked = async {
                last = Some(self.follow_clock(last).await?);
                self.look().await
            };
            let wait = match looked.await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(%error, "alerts cannot be looked at; trying again");
                    LOOK
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Has alerts looked at that would be looked at far too late, because the clock was set back since it was `last`. The time.
    ///
    /// # Errors
    /// The database is not available.
    pub async fn follow_clock(&self, last: Option<Time>) -> Result<Time, StoreError> {
        let now = self.clock.now();
        match last {
            None => self.store.look_again(now + FAR, now).await?,
            Some(last) if now < last - SET_BACK => self.store.look_again(now, now).await?,
            Some(_) => {}
        }
        Ok(now)
    }

    /// Looks at what is due; how long there is nothing to do then, at most [`LOOK`].
    ///
    /// # Errors
    /// The database is not available.
    pub async fn look(&self) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        let mut next = self.store.next_alert_look().await?;
        while next.is_some_and(|next| next <= now) {
            let looked = self.store.look_at_alerts(now).await?;
            next = looked.next;
            if !looked.is_full {
                break;
            }
        }
        let wait = next.and_then(|next| (next - self.clock.now()).to_std().ok());
        Ok(if next.is_some() { LOOK.min(wait.unwrap_or_default()) } else { LOOK })
    }
}

/// Wakes those who deliver, and those who read the feed, when an alert has spoken on this node.
pub async fn pass_on(store: &Store, signals: &Arc<Signals>, stop: &CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = store.told() => {}
        }
        signals.notify_deliveries();
        signals.happened.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;
    use crate::store::DatabaseUrl;
    use chrono::TimeDelta;

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_looked_at_before_its_time() {
        let store = Store::open(&DatabaseUrl::Memory).await.expect("opens");
        let start = from_micros(1_800_000_000_000_000);
        let clock = Clock::manual(start);
        let watcher = Watcher { store: store.clone(), clock: clock.clone() };
        assert_eq!(watcher.look().await.expect("looks"), LOOK);
        let new = crate::alert::NewAlert {
            about: crate::alert::About::Everything,
            condition: "running 1m".parse().expect("a condition"),
            notify: Vec::new(),
            repeat: None,
            recovered: true,
        };
        let id = crate::script::Name::parse("w").expect("a name");
        let asked = crate::precondition::Precondition::None;
        store.keep_alert(&id, new, &asked, None, start).await.expect("keeps");
        assert_eq!(watcher.look().await.expect("looks"), LOOK);
        assert_eq!(store.next_alert_look().await.expect("asks"), Some(start + TimeDelta::seconds(60)));
        clock.set(start + TimeDelta::milliseconds(59_500));
        assert_eq!(watcher.look().await.expect("looks"), Duration::from_millis(500));
        clock.set(start + TimeDelta::seconds(60));
        watcher.look().await.expect("looks");
        assert_eq!(store.next_alert_look().await.expect("asks"), Some(start + TimeDelta::seconds(120)));
    }
}
