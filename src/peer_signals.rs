//! Carries signals to other nodes on the same database, and theirs to this one.

#[cfg(test)]
pub(crate) mod readers;

use crate::signals::{PeerSignal, Signals};
use crate::store::Store;
use crate::store::notices::Notice;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

/// Rings within so long are told together.
const TOGETHER: Duration = Duration::from_millis(5);
/// The time before another try when the database is away.
const RETRY: Duration = Duration::from_secs(1);

/// Tells other nodes what happens on this one.
pub async fn tell(store: &Store, peer_signals: &Mutex<mpsc::UnboundedReceiver<PeerSignal>>, stop: &CancellationToken) {
    let mut peer_signals = peer_signals.lock().await;
    loop {
        let first = tokio::select! {
            () = stop.cancelled() => return,
            signal = peer_signals.recv() => signal,
        };
        let Some(first) = first else { return };
        if !store.is_shared() {
            continue;
        }
        // What says that somebody waits is told at once, with whatever else is there.
        if first == PeerSignal::Queued {
            tokio::time::sleep(TOGETHER).await;
        }
        let mut notices = vec![notice(first)];
        while notices.len() < 100
            && let Ok(signal) = peer_signals.try_recv()
        {
            let next = notice(signal);
            if !notices.contains(&next) {
                notices.push(next);
            }
        }
        // One that is lost costs time: everybody looks by the clock too.
        if let Err(error) = store.notify(notices).await {
            tracing::debug!(%error, "other nodes cannot be told");
        }
    }
}

fn notice(signal: PeerSignal) -> Notice {
    match signal {
        PeerSignal::Queued => Notice::Queued,
        PeerSignal::Cancel(id) => Notice::Cancel(id),
        PeerSignal::Ended(id) => Notice::Ended(id),
    }
}

fn heard(signals: &Signals, notice: Notice) {
    match notice {
        Notice::Queued => signals.queued.notify_one(),
        Notice::Cancel(id) => signals.peer_cancel(&id),
        Notice::Ended(id) => signals.peer_ended(&id),
        // This node itself, at worst: then its next beat finds that it is alone.
        Notice::Listens => signals.set_alone(false),
    }
}

/// Hears what happens on other nodes.
pub async fn hear(store: &Store, signals: &Signals, stop: &CancellationToken) {
    let hear = async {
        loop {
            let mut listener = match store.listen().await {
                Ok(Some(listener)) => listener,
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!(%error, "other nodes cannot be heard");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            // Who cannot say so is found by the others' next beat.
            let _ = store.notify(vec![Notice::Listens]).await;
            while let Ok(notice) = listener.next().await {
                heard(signals, notice);
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = hear => {}
    }
}
