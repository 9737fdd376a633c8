//! Where requests come in: addresses and sockets of files, with TLS or without.

use super::client::AnonymousAccess;
use super::tls::Tls;
use rustix::fs::{Mode, chmod};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream, lookup_host};

/// Bytes of an answer that the kernel keeps for a client that has not read them yet; it makes twice as many of it. More
/// would be kept for clients that never read, and would hide for how long they have not.
const KEPT: u32 = 128 << 10;
/// Connections that wait to be accepted.
const WAITING: u32 = 1_024;

/// Where requests come in.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    /// What its connections are encrypted with; none: they are not.
    pub(super) tls: Option<Tls>,
}

#[derive(Debug)]
enum Socket {
    /// An address.
    Tcp(TcpListener),
    /// A socket that only its owner may open.
    Unix(UnixListener, PathBuf),
}

/// A connection that was just taken.
pub(super) enum Stream {
    /// Of an address.
    Tcp(TcpStream),
    /// Of a socket of files.
    Unix(UnixStream),
}

impl Listener {
    /// Listens at `HOST:PORT` or `unix:PATH`.
    pub async fn bind(address: &str) -> io::Result<Self> {
        let Some(path) = address.strip_prefix("unix:") else {
            return Ok(Listener { socket: Socket::Tcp(bind(address).await?), tls: None });
        };
        let path = Path::new(path);
        // A socket that nobody answers at is left by a server that was killed.
        if path.exists() && UnixStream::connect(path).await.is_err() {
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        chmod(path, Mode::RUSR | Mode::WUSR)?;
        Ok(Listener { socket: Socket::Unix(listener, path.to_owned()), tls: None })
    }

    /// The same with TLS, if it is an address: a socket of files leaves this machine for nobody.
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls).filter(|_| matches!(self.socket, Socket::Tcp(_)));
        self
    }

    /// Where it listens, as clients write it: `https://127.0.0.1:8443`, `unix:PATH`.
    pub fn url(&self) -> String {
        match &self.socket {
            Socket::Tcp(listener) => {
                let scheme = if self.tls.is_some() { "https" } else { "http" };
                let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
                format!("{scheme}://{address}")
            }
            Socket::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// The address, unless it is a socket of files.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix(..) => None,
        }
    }

    /// Who comes in here without a token.
    pub fn anonymous_access(&self) -> AnonymousAccess {
        match (&self.socket, self.tcp()) {
            (Socket::Unix(..), _) => AnonymousAccess::Unix,
            (Socket::Tcp(_), Some(address)) if address.ip().is_loopback() => AnonymousAccess::Loopback,
            (Socket::Tcp(_), _) => AnonymousAccess::Nobody,
        }
    }

    /// The next connection, and its address; none for one that came through a socket of files.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Option<IpAddr>)> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Answers are small: waiting to fill a packet would cost 40 ms. A client that is gone already has no say in
                // whether others are taken.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Some(address.ip().to_canonical())))
            }
            Socket::Unix(listener, _) => Ok((Stream::Unix(listener.accept().await?.0), None)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Socket::Unix(_, path) = &self.socket {
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
