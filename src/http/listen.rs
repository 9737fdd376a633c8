//! Listening, and answering on each connection until the node goes down.

use super::typed::Typed;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustix::fs::{Mode, chmod};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// How long a client may take to send a request's head.
const HEAD: Duration = Duration::from_secs(10);
/// The largest head, in bytes.
const HEAD_BYTES: usize = 64 << 10;
/// Connections at once.
const CONNECTIONS: usize = 4_096;
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
            return Ok(Listener::Tcp(TcpListener::bind(address).await?));
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
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // Whoever comes next finds it and removes it.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Answers until `stop`; then finishes what is under way. A connection keeps the router it began with.
pub async fn serve(listener: Listener, router: Arc<RwLock<Router>>, stop: CancellationToken) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES).keep_alive(true);
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = room.clone().acquire_owned() => place,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener) => accepted,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                // Too many descriptors, most likely: those in use come back.
                tracing::warn!(%error, "a connection cannot be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let now = router.read().unwrap_or_else(PoisonError::into_inner).clone();
        let service = TowerToHyperService::new(now);
        let connection = graceful.watch(server.serve_connection(TokioIo::new(Typed::new(stream)), service));
        tokio::spawn(async move {
            // A client that goes away, or never says what it wants, is no error of ours.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(LAST, graceful.shutdown()).await;
}

trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

async fn accept(listener: &Listener) -> io::Result<Box<dyn Connection>> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            // Answers are small: waiting to fill a packet would cost 40 ms.
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        }
        Listener::Unix(listener, _) => Ok(Box::new(listener.accept().await?.0)),
    }
}
