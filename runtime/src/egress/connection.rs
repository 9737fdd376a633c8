//! One connection of a script, from the request to its end.

use super::carry::{Carrier, CarryEnd};
use super::connect::connect;
use super::exchange::{ConnectionMode, Exchange};
use super::grants::{Egress, RunGrant};
use super::inbox::ChannelReply;
use super::messages::{Failed, Failure, Open, StartTls, WINDOW};
use super::secure;
use crate::frame::{self, FrameKind};
use crate::policy::Destination;
use rustls::pki_types::ServerName;
use std::rc::Rc;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Makes and carries a connection.
pub(super) async fn connection(egress: Rc<Egress>, granted: Rc<RunGrant>, open: Open, reply: ChannelReply) {
    let made = tokio::select! {
        made = connect(&egress, &granted, &open) => made,
        // It was closed before it was made.
        () = reply.inbox.closed() => return,
        () = granted.ended.cancelled() => return,
    };
    let (stream, destination, slot) = match made {
        Ok(made) => made,
        Err(failed) => {
            if failed.failure == Failure::Denied {
                granted.note(&failed.text);
            }
            return reply.failed(&failed);
        }
    };
    reply.opened();
    let counted = granted.counted(&destination);
    granted.count(counted, |host| host.connections += 1);
    let began = Instant::now();
    let mut carrier = Carrier {
        granted: &granted,
        slot: &slot,
        reply: &reply,
        destination: &destination,
        counted,
        room: i64::from(WINDOW),
    };
    let failed = carrier.plain(&egress, stream).await.err();
    let ended = Instant::now();
    let open_ms = u64::try_from(ended.duration_since(began).as_millis()).unwrap_or(u64::MAX);
    granted.count(counted, |host| host.ms += open_ms);
    granted.note_connection(&destination, began, ended);
    if let Some(failed) = failed {
        reply.failed(&failed);
    }
}

impl Carrier<'_> {
    async fn plain(&mut self, egress: &Egress, stream: TcpStream) -> Result<(), Failed> {
        let (reader, writer) = tokio::io::split(stream);
        let exchange = self.exchange(ConnectionMode::Opaque);
        let (turn, reader, writer) = self.carry(reader, writer, exchange).await?;
        let CarryEnd::Tls(wanted) = turn else { return Ok(()) };
        let stream = reader.unsplit(writer);
        self.secured(egress, stream, wanted).await
    }

    fn exchange(&self, mode: ConnectionMode) -> Option<Exchange> {
        let secrets = self.granted.secrets.clone()?;
        // A part of the set that was checked with the grant cannot fail.
        Exchange::new(secrets, self.destination.clone(), mode).ok()
    }

    async fn secured(&mut self, egress: &Egress, stream: TcpStream, wanted: StartTls) -> Result<(), Failed> {
        let name = self.destination.host().to_string();
        let same =
            Destination::parse(&wanted.name, self.destination.port()).is_ok_and(|named| named == *self.destination);
        if !same {
            let text = format!("the certificate asked for is that of {}, and the connection is to {name}", wanted.name);
            return Err(Failed::new(Failure::Tls, text));
        }
        if !wanted.verify && !self.granted.grant.unverified.iter().any(|host| host.matches(self.destination)) {
            let text = format!(
                "{0} needs a valid certificate: only a user who grants hosts can switch verification off, \
                 with --allow-unverified {0}",
                self.destination
            );
            self.granted.note(&text);
            return Err(Failed::new(Failure::Denied, text));
        }
        let server = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
            .map_err(|_| Failed::new(Failure::Tls, format!("{name} cannot be a name in a certificate")))?;
        let config = Arc::new(egress.secure.config(wanted.verify, &wanted.protocols));
        let handshake = tokio_rustls::TlsConnector::from(config).connect(server, stream);
        let caps = self.granted.grant.caps;
        let timed_out = || {
            let seconds = caps.connect.as_secs();
            Failed::new(Failure::TimedOut, format!("the TLS handshake with {name} took longer than {seconds} seconds"))
        };
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(caps.connect, handshake) => shaken.map_err(|_| timed_out())?,
            () = self.reply.inbox.closed() => return Ok(()),
            () = self.granted.ended.cancelled() => return Ok(()),
        };
        let stream = shaken.map_err(|error| secure::failure(&error, &name))?;
        self.reply.send(FrameKind::Secured, &frame::to_json(&secure::session(stream.get_ref().1)));
        // A server without a verified certificate gets no secret.
        let exchange = self.exchange(if wanted.verify { ConnectionMode::Http } else { ConnectionMode::Opaque });
        let (reader, writer) = tokio::io::split(stream);
        match self.carry(reader, writer, exchange).await?.0 {
            CarryEnd::Over => Ok(()),
            CarryEnd::Tls(_) => Err(Failed::new(Failure::Tls, "TLS inside TLS is not possible")),
        }
    }
}
