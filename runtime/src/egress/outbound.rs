//! Messages of the node itself to the outside: one request over HTTP, or one mail. The node makes none of its connections;
//! it hands the message to the egress process, which checks the address like that of a script.

mod http;
mod limited;
mod mail;

use super::connect::{self, Reach};
use super::grants::Egress;
use super::messages::{Failed, Failure};
use super::secure;
use crate::frame::{self, FrameKind};
use crate::policy::{Ceiling, Destination};
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::address::Networks;

/// Most messages on their way at one time.
const MAX_AT_ONCE: u32 = 64;
/// Most bytes of an answer that are kept.
const MAX_ANSWER: usize = 16 << 10;

/// A message, and how far it may go.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outbound {
    /// The host: a name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The hosts that can be reached at all.
    pub ceiling: Ceiling,
    /// The operator's exceptions: addresses that are not public and can be reached by certain names.
    pub networks: Networks,
    /// The option with which the operator makes an exception, for the sentence that refuses.
    pub option: String,
    /// The time for all of it.
    pub within: Duration,
    /// What is sent.
    pub message: OutboundMessage,
}

/// What is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum OutboundMessage {
    /// A request over HTTP/1.1.
    Http(HttpMessage),
    /// A mail over SMTP.
    Mail(MailMessage),
}

/// A request over HTTP/1.1. The headers `Host`, `User-Agent` and `Content-Length` are added.
#[derive(Clone, Serialize, Deserialize)]
pub struct HttpMessage {
    /// Whether in TLS.
    pub tls: bool,
    /// The method, such as `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

// The target, the headers and the body can hold secrets.
impl std::fmt::Debug for HttpMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpMessage").field("method", &self.method).field("tls", &self.tls).finish_non_exhaustive()
    }
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailTls {
    /// TLS from the first byte on (port 465).
    Implicit,
    /// After the command `STARTTLS`, which the server must have (port 587).
    StartTls,
    /// Not at all.
    None,
}

/// A mail.
#[derive(Clone, Serialize, Deserialize)]
pub struct MailMessage {
    /// How the connection is encrypted.
    pub tls: MailTls,
    /// The name that this side says it has.
    pub hello: String,
    /// User and password. Never sent without TLS.
    pub login: Option<(String, String)>,
    /// The address of the sender.
    pub from: String,
    /// The addresses of the recipients.
    pub to: Vec<String>,
    /// The message with its headers (RFC 5322).
    pub text: String,
}

// It can hold a password.
impl std::fmt::Debug for MailMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailMessage").field("tls", &self.tls).field("to", &self.to).finish_non_exhaustive()
    }
}

/// What the other side answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundAnswer {
    /// The status over HTTP, or the code of SMTP.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The header `Location`.
    pub location: Option<String>,
    /// The beginning of the answer.
    pub text: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct OutboundFailure {
    /// Whether it is refused here, by the ceiling or because of an address.
    pub denied: bool,
    /// A sentence.
    pub text: String,
}

impl OutboundFailure {
    /// A failure that is not a refusal.
    pub fn new(text: impl Into<String>) -> Self {
        OutboundFailure { denied: false, text: text.into() }
    }
}

impl From<Failed> for OutboundFailure {
    fn from(failed: Failed) -> Self {
        OutboundFailure { denied: failed.failure == Failure::Denied, text: failed.text }
    }
}

/// Sends a message, and the answer to the node.
pub(super) async fn carry_out(egress: Rc<Egress>, number: u64, outbound: Outbound) {
    let answer = if egress.outbound.get() < MAX_AT_ONCE {
        egress.outbound.set(egress.outbound.get() + 1);
        let _slot = Slot(&egress);
        let within = outbound.within;
        tokio::time::timeout(within, send(&egress, &outbound)).await.unwrap_or_else(|_| {
            let seconds = within.as_secs();
            Err(OutboundFailure::new(format!("{} did not answer within {seconds} seconds", outbound.host)))
        })
    } else {
        Err(OutboundFailure::new("this server sends as many messages as it can at one time"))
    };
    egress.node.send(FrameKind::OutboundAnswer, number, &frame::to_json(&answer));
}

/// One of the messages on their way.
struct Slot<'e>(&'e Egress);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.outbound.set(self.0.outbound.get() - 1);
    }
}

async fn send(egress: &Egress, outbound: &Outbound) -> Result<OutboundAnswer, OutboundFailure> {
    let denied = |text: String| OutboundFailure { denied: true, text };
    let destination = Destination::parse(&outbound.host, outbound.port).map_err(|error| denied(error.to_string()))?;
    if !outbound.ceiling.patterns().iter().any(|pattern| pattern.matches(&destination)) {
        return Err(denied(format!("{destination} is outside of the hosts that this server allows (--host-ceiling)")));
    }
    let reach = Reach { networks: &outbound.networks, option: &outbound.option };
    let stream = connect::reach(egress, &destination, reach).await?;
    let answer = match &outbound.message {
        OutboundMessage::Http(message) if message.tls => {
            http::exchange(tls(egress, stream, &destination).await?, &destination, message).await?
        }
        OutboundMessage::Http(message) => http::exchange(stream, &destination, message).await?,
        OutboundMessage::Mail(message) => mail::send(egress, stream, &destination, message).await?,
    };
    Ok(answer)
}

/// Makes the connection one in TLS, with a certificate that is verified.
async fn tls(egress: &Egress, stream: TcpStream, destination: &Destination) -> Result<TlsStream<TcpStream>, Failed> {
    let name = destination.host().to_string();
    let server = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
        .map_err(|_| Failed::new(Failure::Tls, format!("{name} cannot be a name in a certificate")))?;
    let config = Arc::new(egress.secure.config(true, &[]));
    let shaken = tokio_rustls::TlsConnector::from(config).connect(server, stream).await;
    shaken.map_err(|error| {
        let failed = secure::failure(&error, &name);
        Failed::new(failed.failure, format!("{destination}: {}", failed.text))
    })
}

/// The beginning of a text, at most so many bytes of it.
fn beginning(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..MAX_ANSWER).unwrap_or(bytes)).into_owned()
}
