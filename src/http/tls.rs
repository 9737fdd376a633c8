//! TLS of the listeners: one certificate for all of them, which is read again when its files change.

use super::certificate::{Certificate, CertificateError, CertificateFiles, Content};
use super::paced::Paced;
use super::problem::Problem;
use crate::api::ProblemBody;
use crate::clock::{Clock, Time, rfc3339};
use crate::metrics::Metrics;
use axum::response::IntoResponse;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt::{self, Debug};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// The first byte of every client that speaks TLS.
const HANDSHAKE: [u8; 1] = [22];
/// How much is read of a request without TLS, so that its client reads the answer.
const MOST_PLAIN: u64 = 64 << 10;
/// What a client that speaks HTTP/2 and one that speaks HTTP/1.1 name their protocol.
const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";
/// How often the files are looked at. They are compared with what is in force, so that it does not matter how they were
/// replaced: written to, renamed, or behind a link that now leads elsewhere.
const LOOK: Duration = Duration::from_secs(2);
/// From when on it is told that the certificate ends soon. Authorities that are asked by a program replace theirs earlier.
pub const SOON: chrono::TimeDelta = chrono::TimeDelta::days(14);
/// How often that is told in the log.
const TOLD: Duration = Duration::from_secs(86_400);

/// TLS of the listeners.
#[derive(Clone)]
pub struct Tls {
    state: Arc<State>,
    config: Arc<ServerConfig>,
}

impl Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.state.files).finish_non_exhaustive()
    }
}

/// The certificate that is in force.
#[derive(Debug)]
struct State {
    files: CertificateFiles,
    now: RwLock<Certificate>,
    /// Why what is in the files is not taken; none: it is what is in force.
    refused: RwLock<Option<CertificateError>>,
}

impl ResolvesServerCert for State {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now.read().unwrap_or_else(PoisonError::into_inner).key.clone())
    }
}

impl Tls {
    /// With the certificate in these files, which has to be one that can be used.
    pub fn open(files: CertificateFiles) -> Result<Self, CertificateError> {
        let now = files.read()?;
        let state = Arc::new(State { files, now: RwLock::new(now), refused: RwLock::default() });
        // The provider has both versions: the only way to fail is not to have one.
        let versions = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12]);
        let bad = |error: rustls::Error| CertificateError::BadKey(state.files.key.clone(), error.to_string());
        let mut config = versions.map_err(bad)?.with_no_client_auth().with_cert_resolver(state.clone());
        config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
        Ok(Tls { state, config: Arc::new(config) })
    }

    /// Shakes hands with a client: the connection, and whether HTTP/2 is spoken on it. None where it came to nothing.
    pub(super) async fn shake_hands(
        &self,
        stream: TcpStream,
        stalled: Arc<AtomicBool>,
    ) -> Option<(TlsStream<Paced<TcpStream>>, bool)> {
        let mut first = [0];
        if stream.peek(&mut first).await.ok()? > 0 && first != HANDSHAKE {
            refuse_plain(stream).await;
            return None;
        }
        let acceptor = TlsAcceptor::from(self.config.clone());
        let stream = acceptor.accept(Paced::new(stream, stalled)).await.ok()?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP_2);
        Some((stream, is_http2))
    }

    /// When the certificate that is in force ends.
    pub fn expires_at(&self) -> Time {
        self.state.now.read().unwrap_or_else(PoisonError::into_inner).expires_at
    }

    /// What an operator should know: a sentence. It names no files: whoever asks how the node is has no token.
    pub fn warning(&self, now: Time) -> Option<String> {
        let refused = self.state.refused.read().unwrap_or_else(PoisonError::into_inner).is_some();
        let (begins, expires) = {
            let certificate = self.state.now.read().unwrap_or_else(PoisonError::into_inner);
            (certificate.begins_at, certificate.expires_at)
        };
        let instead = if refused { "; what is in its files now cannot be used, and the log says why" } else { "" };
        validity(begins, expires, now)
            .map(|warning| format!("{warning}{instead}"))
            .or_else(|| refused.then(|| format!("the certificate of this server is the one from before{instead}")))
    }

    /// Looks at the files until `stop`, and takes what is in them.
    pub async fn watch(&self, metrics: &Metrics, clock: &Clock, stop: &CancellationToken) {
        let (mut last, mut told) = (None, None::<Instant>);
        loop {
            let expires_at = self.expires_at().timestamp();
            metrics.certificate(&self.state.files.certificate, expires_at, self.is_refused());
            if let Some(warning) = self.warning(clock.now())
                && told.is_none_or(|at| at.elapsed() >= TOLD)
            {
                tracing::warn!("{warning}");
                told = Some(Instant::now());
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let files = self.state.files.clone();
            let Ok(content) = tokio::task::spawn_blocking(move || files.content()).await else { continue };
            let is_first = last.as_ref() != Some(&content);
            if self.take(content.clone(), is_first) {
                told = None;
            }
            last = Some(content);
        }
    }

    fn is_refused(&self) -> bool {
        self.state.refused.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Takes what was found in the files; whether something changed. What cannot be used is half a change when it is seen for
    /// the first time: the files are replaced one after the other.
    fn take(&self, content: Content, is_first: bool) -> bool {
        let State { files, now, refused } = &*self.state;
        match content.and_then(|content| files.check(content)) {
            Ok(found) => {
                let had = refused.write().unwrap_or_else(PoisonError::into_inner).take().is_some();
                let mut now = now.write().unwrap_or_else(PoisonError::into_inner);
                if now.key.cert == found.key.cert {
                    return had;
                }
                tracing::info!(expires_at = %rfc3339(found.expires_at), "the certificate was replaced");
                *now = found;
                true
            }
            Err(_) if is_first => false,
            Err(why) => {
                let mut refused = refused.write().unwrap_or_else(PoisonError::into_inner);
                if refused.as_ref() == Some(&why) {
                    return false;
                }
                tracing::warn!("the certificate is not replaced, and the one from before stays: {why}");
                *refused = Some(why);
                true
            }
        }
    }
}

/// Tells a client that speaks without TLS what to do.
async fn refuse_plain(mut stream: TcpStream) {
    let detail = "this address speaks TLS: write https:// instead of http://";
    let problem = Problem::bad("tls_required", detail).into_response();
    let body = serde_json::to_string(&problem.extensions().get::<ProblemBody>()).unwrap_or_default();
    let head =
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close\r\ncontent-length:";
    if stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).await.is_ok()
        && stream.shutdown().await.is_ok()
    {
        // An answer is lost when its connection is closed before the request was read.
        let mut rest = stream.take(MOST_PLAIN);
        let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
    }
}

/// What an operator should know about when a certificate counts: a sentence.
pub fn validity(begins: Time, expires: Time, now: Time) -> Option<String> {
    if now < begins {
        return Some(format!("the certificate of this server counts only from {} on", rfc3339(begins)));
    }
    if now >= expires {
        return Some(format!("the certificate of this server has expired at {}; clients refuse it", rfc3339(expires)));
    }
    (expires - now < SOON).then(|| format!("the certificate of this server expires at {}", rfc3339(expires)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;
    use chrono::TimeDelta;

    #[test]
    fn a_certificate_that_ends_soon_is_told_of() {
        let now = from_micros(1_795_000_000_000_000);
        let of = |begins: TimeDelta, expires: TimeDelta| validity(now + begins, now + expires, now);
        assert_eq!(of(TimeDelta::days(-1), TimeDelta::days(14)), None);
        let soon = of(TimeDelta::days(-1), TimeDelta::days(14) - TimeDelta::seconds(1)).expect("told");
        assert_eq!(soon, "the certificate of this server expires at 2026-12-02T11:06:39.000000Z");
        assert!(of(TimeDelta::days(-1), TimeDelta::zero()).is_some_and(|told| told.contains("has expired")));
        assert!(of(TimeDelta::seconds(1), TimeDelta::days(90)).is_some_and(|told| told.contains("only from")));
    }
}
