//! Taking connections, and answering on each until the node goes down.

use super::connections::{Connections, FIRST, Open};
use super::forwarded::TrustedProxies;
use super::listener::{Listener, Stream};
use super::paced::Paced;
use super::talk::{self, Room};
use super::tls::Tls;
use super::typed::Typed;
use crate::panics;
use crate::supervise::Supervisor;
use axum::Router;
use futures_util::future::join_all;
use hyper_util::server::graceful::GracefulConnection;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a client may take for the handshake of TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long it may take for the handshake and its first request.
const SILENT: Duration = Duration::from_secs(20);
/// The shortest and the longest time before another try when no connection can be taken.
const AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How long answers under way may take when the node goes down.
const LAST: Duration = Duration::from_secs(5);

/// What all listeners share.
struct Front {
    router: Arc<RwLock<Router>>,
    trusted: TrustedProxies,
    connections: Arc<Connections>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Answers until `stop`; then finishes what is under way. A connection keeps the router it began with.
pub async fn serve(
    listeners: Vec<Listener>,
    router: Arc<RwLock<Router>>,
    trusted: TrustedProxies,
    supervisor: Arc<Supervisor>,
    stop: CancellationToken,
) {
    let connections = Arc::new(Connections::new());
    let places = Arc::new(Semaphore::new(connections.places()));
    let front = Front { router, trusted, connections, places, tasks: TaskTracker::new(), stop };
    let each =
        listeners.iter().map(|listener| supervisor.clone().keep_going("listener", || front.accept_all(listener)));
    join_all(each).await;
    drop(listeners);
    front.tasks.close();
    let _ = tokio::time::timeout(LAST, front.tasks.wait()).await;
}

impl Front {
    /// Takes connections until the node goes down, each answered by a task of its own.
    async fn accept_all(&self, listener: &Listener) {
        let mut again = AGAIN.0;
        loop {
            let place = tokio::select! {
                () = self.stop.cancelled() => return,
                place = self.a_place() => place,
            };
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_of_client(&error) => continue,
                Err(error) => {
                    // Too many descriptors, most likely: those in use come back.
                    tracing::warn!(%error, "a connection cannot be taken");
                    tokio::time::sleep(again).await;
                    again = (again * 2).min(AGAIN.1);
                    continue;
                }
            };
            again = AGAIN.0;
            self.take(listener, stream, peer, place);
        }
    }

    /// Answers on a connection, in a task of its own.
    fn take(&self, listener: &Listener, stream: Stream, peer: Option<IpAddr>, place: Option<OwnedSemaphorePermit>) {
        let open = self.connections.enter();
        let room = Room {
            router: self.router.read().unwrap_or_else(PoisonError::into_inner).clone(),
            open: open.clone(),
            trusted: self.trusted.clone(),
            peer,
            anonymous_access: listener.anonymous_access(),
            is_encrypted: listener.tls.is_some(),
            untaken: Arc::default(),
        };
        let is_encrypted = room.is_encrypted;
        let (tls, stop, all) = (listener.tls.clone(), self.stop.clone(), self.connections.clone());
        self.tasks.spawn(async move {
            let live = async {
                open.listen();
                tokio::select! {
                    // A client that goes away, or never says what it wants, is no error of ours.
                    () = begin(stream, tls, room, &stop) => {}
                    () = open.ended.notified() => {}
                    () = asks_nothing(&open, is_encrypted) => {}
                }
            };
            // A panic ends this connection alone, and its place is free again.
            let _ = panics::caught_in("connection", live).await;
            all.leave(&open);
            drop(place);
        });
    }

    /// Waits for a place; whoever needs one least gives it up meanwhile.
    async fn a_place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(place) = self.places.clone().try_acquire_owned() {
                return Some(place);
            }
            self.connections.make_room();
            if let Ok(place) = tokio::time::timeout(AGAIN.0, self.places.clone().acquire_owned()).await {
                return place.ok();
            }
        }
    }
}

/// Whether a connection broke before it was taken: that is the client's doing, and says nothing about the next.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Ends when a connection has not asked for anything in time: one that came while there were many, or an encrypted one.
async fn asks_nothing(open: &Open, is_encrypted: bool) {
    let patience = match open.is_crowded() {
        true => FIRST,
        false if is_encrypted => SILENT,
        // Its first head has a time of its own.
        false => return std::future::pending().await,
    };
    if tokio::time::timeout(patience, open.asked.notified()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

/// Answers on a connection, after its handshake where it has one, until it ends.
async fn begin(stream: Stream, tls: Option<Tls>, room: Room, stop: &CancellationToken) {
    match (stream, tls) {
        (Stream::Unix(stream), _) => speak_plainly(stream, room, stop).await,
        (Stream::Tcp(stream), None) => speak_plainly(stream, room, stop).await,
        (Stream::Tcp(stream), Some(tls)) => {
            let open = room.open.clone();
            let shaken = tokio::select! {
                () = stop.cancelled() => return,
                shaken = tokio::time::timeout(HANDSHAKE, tls.shake_hands(stream, open.stalled.clone())) => shaken,
            };
            match shaken {
                Ok(Some((stream, true))) => {
                    let untaken = room.untaken.clone();
                    tokio::select! {
                        () = live(talk::http2(stream, room), &open, stop) => {}
                        () = untaken.is_too_long() => {}
                    }
                }
                Ok(Some((stream, false))) => live(talk::http1(Typed::new(stream), room), &open, stop).await,
                // It said nothing, or nothing that is understood.
                Ok(None) | Err(_) => {}
            }
        }
    }
}

async fn speak_plainly<S>(stream: S, room: Room, stop: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let open = room.open.clone();
    let stream = Typed::new(Paced::new(stream, open.stalled.clone()));
    live(talk::http1(stream, room), &open, stop).await;
}

/// Answers until the connection ends. When the node goes down, and when the connection is to make room, what is under way is
/// finished.
async fn live(connection: impl GracefulConnection, open: &Open, stop: &CancellationToken) {
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = open.last.notified() => {}
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
