//! One mail over SMTP. The commands of a message are the library's; `STARTTLS` comes before them, so that TLS is ours, and
//! nothing that came before it is believed afterwards.

use super::limited::Limited;
use super::{MailMessage, MailTls, OutboundAnswer, OutboundFailure, beginning, tls};
use crate::egress::grants::Egress;
use crate::policy::Destination;
use lettre::Address;
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Most bytes that are read from a server.
const MAX_READ: usize = 256 << 10;
/// Most bytes of one answer before TLS.
const MAX_REPLY: usize = 8 << 10;
/// What the library is to read in place of the greeting, which came before TLS.
const GREETED: &[u8] = b"220 TLS\r\n";

/// Sends the mail.
pub(super) async fn send(
    egress: &Egress,
    mut stream: TcpStream,
    destination: &Destination,
    message: &MailMessage,
) -> Result<OutboundAnswer, OutboundFailure> {
    let broken = |error: io::Error| OutboundFailure::new(format!("{destination} broke the connection off: {error}"));
    let peer = stream.peer_addr().map_err(broken)?;
    let stream: Box<dyn AsyncTokioStream> = match message.tls {
        MailTls::None => Box::new(Limited::new(b"", stream, MAX_READ, peer)),
        MailTls::Implicit => Box::new(Limited::new(b"", tls(egress, stream, destination).await?, MAX_READ, peer)),
        MailTls::StartTls => {
            start_tls(&mut stream, destination, &message.hello).await?;
            Box::new(Limited::new(GREETED, tls(egress, stream, destination).await?, MAX_READ, peer))
        }
    };
    deliver(stream, destination, message).await
}

async fn deliver(
    stream: Box<dyn AsyncTokioStream>,
    destination: &Destination,
    message: &MailMessage,
) -> Result<OutboundAnswer, OutboundFailure> {
    let address = |text: &String| {
        text.parse::<Address>().map_err(|error| OutboundFailure::new(format!("{text} is not a mail address: {error}")))
    };
    let to = message.to.iter().map(address).collect::<Result<Vec<_>, _>>()?;
    let envelope = Envelope::new(Some(address(&message.from)?), to)
        .map_err(|error| OutboundFailure::new(format!("the mail cannot be sent: {error}")))?;
    let hello = ClientId::Domain(message.hello.clone());
    let mut connection = match AsyncSmtpConnection::connect_with_transport(stream, &hello).await {
        Ok(connection) => connection,
        Err(error) => return refused(destination, "the greeting", &error),
    };
    if let Some((user, password)) = &message.login {
        if message.tls == MailTls::None {
            return Err(OutboundFailure::new("a password is not sent without TLS"));
        }
        let credentials = Credentials::new(user.clone(), password.clone());
        if let Err(error) = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await {
            connection.abort().await;
            return refused(destination, "the login", &error);
        }
    }
    match connection.send(&envelope, message.text.as_bytes()).await {
        Ok(response) => {
            // The mail is the server's already.
            let _ = connection.quit().await;
            let text = beginning(response.message().collect::<Vec<_>>().join(" ").as_bytes());
            Ok(OutboundAnswer { status: response.code().into(), text, ..OutboundAnswer::default() })
        }
        Err(error) => refused(destination, "the mail", &error),
    }
}

/// What the server said no with, or why it said nothing.
fn refused(
    destination: &Destination,
    what: &str,
    error: &lettre::transport::smtp::Error,
) -> Result<OutboundAnswer, OutboundFailure> {
    match error.status() {
        Some(code) => {
            let text = beginning(format!("{destination} refuses {what}: {error}").as_bytes());
            Ok(OutboundAnswer { status: code.into(), text, ..OutboundAnswer::default() })
        }
        None => Err(OutboundFailure::new(format!("{destination}: {what} failed: {error}"))),
    }
}

/// Speaks SMTP up to the answer to `STARTTLS` (RFC 3207).
async fn start_tls(stream: &mut TcpStream, destination: &Destination, hello: &str) -> Result<(), OutboundFailure> {
    let broken = |error: io::Error| OutboundFailure::new(format!("{destination} broke the connection off: {error}"));
    expect(stream, destination, 220).await?;
    stream.write_all(format!("EHLO {hello}\r\n").as_bytes()).await.map_err(broken)?;
    let said = expect(stream, destination, 250).await?;
    let offers = |line: &str| line.get(4..).is_some_and(|word| word.trim().eq_ignore_ascii_case("STARTTLS"));
    if !said.lines().any(offers) {
        return Err(OutboundFailure::new(format!(
            "{destination} does not offer STARTTLS: use smtp.tls = \"implicit\" with port 465, or \"none\" without a login"
        )));
    }
    stream.write_all(b"STARTTLS\r\n").await.map_err(broken)?;
    expect(stream, destination, 220).await.map(|_| ())
}

/// Reads one answer, of one line or several, and nothing behind it.
async fn expect(stream: &mut TcpStream, destination: &Destination, code: u16) -> Result<String, OutboundFailure> {
    let mut said = Vec::new();
    let mut line = 0;
    loop {
        let byte = stream
            .read_u8()
            .await
            .map_err(|error| OutboundFailure::new(format!("{destination} broke the connection off: {error}")))?;
        said.push(byte);
        if said.len() > MAX_REPLY {
            return Err(OutboundFailure::new(format!("{destination} does not speak SMTP: its answer has no end")));
        }
        if byte != b'\n' {
            continue;
        }
        // `250-` is followed by more lines, `250 ` is the last one (RFC 5321, 4.2.1).
        if said.get(line + 3) == Some(&b'-') {
            line = said.len();
            continue;
        }
        let text = String::from_utf8_lossy(&said).into_owned();
        return match said.get(line..line + 3) {
            Some(digits) if digits == code.to_string().as_bytes() => Ok(text),
            _ => Err(OutboundFailure::new(format!("{destination} does not take mail: it says {:?}", text.trim_end()))),
        };
    }
}
