//! Listening, and answering on each connection until the node goes down.

use super::client::AnonymousAccess;
use super::connections::{Busy, Connections, FIRST, Open};
use super::forwarded::TrustedProxies;
use super::paced::Paced;
use super::typed::Typed;
use crate::panics;
use crate::supervise::Supervisor;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, header};
use futures_util::StreamExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use rustix::fs::{Mode, chmod};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, UnixListener, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long a client may take to send a request's head.
const HEAD: Duration = Duration::from_secs(10);
/// The largest head, in bytes.
const HEAD_BYTES: usize = 64 << 10;
/// Bytes of an answer that the kernel keeps for a client that has not read them yet; it makes twice as many of it. More
/// would be kept for clients that never read, and would hide for how long they have not.
const KEPT: u32 = 128 << 10;
/// Connections that wait to be accepted.
const WAITING: u32 = 1_024;
/// The shortest and the longest time before another try when no connection can be taken.
const AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How long answers under way may take when the node goes down.
const LAST: Duration = Duration::from_secs(5);

/// Where requests come in.
#[derive(Debug)]
pub enum Listener {
    /// An address.
    Tcp(TcpListener),
    /// A socket that only its owner may open.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Listens at `HOST:PORT` or `unix:PATH`.
    pub async fn bind(address: &str) -> io::Result<Self> {
        let Some(path) = address.strip_prefix("unix:") else {
            return Ok(Listener::Tcp(bind(address).await?));
        };
        let path = Path::new(path);
        // A socket that nobody answers at is left by a server that was killed.
        if path.exists() && tokio::net::UnixStream::connect(path).await.is_err() {
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        chmod(path, Mode::RUSR | Mode::WUSR)?;
        Ok(Listener::Unix(listener, path.to_owned()))
    }

    /// Where it listens, as people write it.
    pub fn address(&self) -> String {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(|address| address.to_string()).unwrap_or_default(),
            Listener::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// The address, unless it is a socket of files.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }

    /// Who comes in here without a token.
    fn anonymous_access(&self) -> AnonymousAccess {
        match (self, self.tcp()) {
            (Listener::Unix(..), _) => AnonymousAccess::Unix,
            (Listener::Tcp(_), Some(address)) if address.ip().is_loopback() => AnonymousAccess::Loopback,
            (Listener::Tcp(_), _) => AnonymousAccess::Nobody,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // Whoever comes next finds it and removes it.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Listens at the first address of a name that can be listened at.
async fn bind(address: &str) -> io::Result<TcpListener> {
    let mut last = None;
    for address in lookup_host(address).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        // Connections have it from their listener.
        socket.set_send_buffer_size(KEPT)?;
        match socket.bind(address).and_then(|()| socket.listen(WAITING)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the name has no address")))
}

/// Answers until `stop`; then finishes what is under way. A connection keeps the router it began with.
pub async fn serve(
    listener: Listener,
    router: Arc<RwLock<Router>>,
    trusted: TrustedProxies,
    supervisor: Arc<Supervisor>,
    stop: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    let connections = Arc::new(Connections::new());
    let room = Arc::new(Semaphore::new(connections.places()));
    let work = || accept_all(&listener, (&router, &trusted), (&connections, &room), &graceful, &stop);
    supervisor.keep_going("listener", work).await;
    drop(listener);
    let _ = tokio::time::timeout(LAST, graceful.shutdown()).await;
}

/// Takes connections until `stop`, each answered by a task of its own.
async fn accept_all(
    listener: &Listener,
    (router, trusted): (&RwLock<Router>, &TrustedProxies),
    (connections, room): (&Arc<Connections>, &Arc<Semaphore>),
    graceful: &GracefulShutdown,
    stop: &CancellationToken,
) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES).keep_alive(true);
    let mut again = AGAIN.0;
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => return,
            place = a_place(room, connections) => place,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = accept(listener) => accepted,
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
        let now = router.read().unwrap_or_else(PoisonError::into_inner).clone();
        let open = connections.enter();
        let (of, trusted, access) = (open.clone(), trusted.clone(), listener.anonymous_access());
        let service =
            service_fn(move |request| begun(answer(now.clone(), of.clone(), (trusted.clone(), peer, access), request)));
        let stream = Paced::new(Typed::new(stream), open.stalled.clone());
        let connection = graceful.watch(server.serve_connection(TokioIo::new(stream), service));
        let all = connections.clone();
        tokio::spawn(async move {
            let live = async {
                tokio::select! {
                    // A client that goes away, or never says what it wants, is no error of ours.
                    _ = connection => {}
                    () = open.ended.notified() => {}
                    () = asks_nothing(&open) => {}
                }
            };
            // A panic ends this connection alone, and its place is free again.
            let _ = panics::caught_in("connection", live).await;
            all.leave(&open);
            drop(place);
        });
    }
}

/// Waits for a place; whoever needs one least gives it up meanwhile.
async fn a_place(room: &Arc<Semaphore>, connections: &Connections) -> Option<OwnedSemaphorePermit> {
    loop {
        if let Ok(place) = room.clone().try_acquire_owned() {
            return Some(place);
        }
        connections.make_room();
        if let Ok(place) = tokio::time::timeout(AGAIN.0, room.clone().acquire_owned()).await {
            return place.ok();
        }
    }
}

/// Whether a connection broke before it was taken: that is the client's doing, and says nothing about the next.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Ends when a connection that came while there were many has not asked for anything in time.
async fn asks_nothing(open: &Open) {
    if !open.is_crowded() || tokio::time::timeout(FIRST, open.asked.notified()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

/// Begins an answer before hyper looks at the connection again. When the client has closed its side already, hyper drops the
/// answer to a request without a body before its first step: a change that came whole would be lost. After its first step
/// it is carried out to its end (see [`super::carry_out`]).
fn begun<F: Future>(answer: F) -> impl Future<Output = F::Output> {
    let mut answer = Box::pin(answer);
    // hyper takes the second step in the same turn, so that no waking is lost.
    let first = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    async move {
        match first {
            Poll::Ready(answer) => answer,
            Poll::Pending => answer.await,
        }
    }
}

/// Answers a request of a connection.
async fn answer(
    router: Router,
    open: Arc<Open>,
    (trusted, peer, anonymous_access): (TrustedProxies, Option<IpAddr>, AnonymousAccess),
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let busy = open.begin();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(open.clone());
    let client = trusted.client(peer, anonymous_access, false, request.headers_mut());
    request.extensions_mut().insert(client);
    let mut response = router.oneshot(request).await?;
    if open.ends_after_answer() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(held(response, busy))
}

/// The same answer, under way until the last of its body was taken.
fn held(response: Response<Body>, busy: Busy) -> Response<Body> {
    use hyper::body::Body as _;
    let (parts, body) = response.into_parts();
    if body.size_hint().upper().is_some_and(|bytes| bytes <= HEAD_BYTES as u64) {
        // Sent in one piece: the connection has it as soon as it is given out.
        return Response::from_parts(parts, body);
    }
    let exact = body.size_hint().exact();
    let stream = body.into_data_stream().map(move |piece| {
        let _until_taken = &busy;
        piece
    });
    let mut response = Response::from_parts(parts, Body::from_stream(stream));
    if let Some(length) = exact.and_then(|exact| HeaderValue::from_str(&exact.to_string()).ok()) {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert(length);
    }
    response
}

trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// The next connection, and its address; none for one that came through a socket of files.
async fn accept(listener: &Listener) -> io::Result<(Box<dyn Connection>, Option<IpAddr>)> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            // Answers are small: waiting to fill a packet would cost 40 ms. A client that is gone already has no say in
            // whether others are taken.
            let _ = stream.set_nodelay(true);
            Ok((Box::new(stream), Some(address.ip().to_canonical())))
        }
        Listener::Unix(listener, _) => Ok((Box::new(listener.accept().await?.0), None)),
    }
}
