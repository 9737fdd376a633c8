//! Making a connection: the policy decides, the name is looked up, every address is checked, and one of them is used.

use super::address::{self, Networks, Prohibited};
use super::grants::{ConnectionSlot, Egress, RunGrant};
use super::messages::{Failed, Failure, Open};
use crate::policy::Destination;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;

/// The time for one address before the next one is tried.
const EACH_ADDRESS: Duration = Duration::from_secs(4);

/// Decides on a destination, looks it up, checks all its addresses, and connects to one of them.
pub(super) async fn connect(
    egress: &Rc<Egress>,
    granted: &Rc<RunGrant>,
    open: &Open,
) -> Result<(TcpStream, Destination, ConnectionSlot), Failed> {
    let denied = |text: String| Failed::new(Failure::Denied, text);
    let grant = &granted.grant;
    let destination = Destination::parse(&open.name, open.port).map_err(|error| denied(error.to_string()))?;
    grant.policy.decide(&destination).map_err(|refusal| denied(refusal.to_string()))?;
    let caps = grant.caps;
    let slot = granted.take_slot(egress).map_err(|text| Failed::new(Failure::Unreachable, text))?;
    let timed_out = || {
        let seconds = caps.connect.as_secs();
        Failed::new(Failure::TimedOut, format!("{destination} was not reached within {seconds} seconds"))
    };
    let reached = reach(egress, &destination, Reach { networks: &grant.networks, option: "--allow-network" });
    let stream = tokio::time::timeout(caps.connect, reached).await.map_err(|_| timed_out())??;
    Ok((stream, destination, slot))
}

/// The operator's exceptions for a connection, and the option with which more are made.
#[derive(Clone, Copy)]
pub(super) struct Reach<'r> {
    pub(super) networks: &'r Networks,
    pub(super) option: &'r str,
}

/// Looks a destination up, checks all its addresses, and connects to one of them.
pub(super) async fn reach(egress: &Egress, destination: &Destination, by: Reach<'_>) -> Result<TcpStream, Failed> {
    let addresses = egress.names.look_up(destination).await?;
    address::check_all(&addresses, destination, by.networks).map_err(|error| {
        let (host, option) = (destination.host(), by.option);
        match error {
            Prohibited::NoAddress { .. } => Failed::new(Failure::NoName, error.to_string()),
            _ => Failed::new(
                Failure::Denied,
                format!("{error}; the operator of cronbox can allow it with {option} {host}=ADDRESS/LENGTH"),
            ),
        }
    })?;
    let stream = first_of(&addresses, destination).await?;
    // Small writes are sent without delay, as a script expects.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Connects to the first address that answers.
async fn first_of(addresses: &[IpAddr], destination: &Destination) -> Result<TcpStream, Failed> {
    let mut last = Failed::new(Failure::Unreachable, format!("{destination} cannot be reached"));
    for address in addresses {
        let tried = TcpStream::connect(SocketAddr::new(*address, destination.port()));
        match tokio::time::timeout(EACH_ADDRESS, tried).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = could_not_connect(&error, destination),
            Err(_) => last = Failed::new(Failure::TimedOut, format!("{destination} does not answer")),
        }
    }
    Err(last)
}

fn could_not_connect(error: &io::Error, destination: &Destination) -> Failed {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Failed::new(Failure::Refused, format!("{destination} refused the connection: no server listens there"))
        }
        io::ErrorKind::TimedOut => Failed::new(Failure::TimedOut, format!("{destination} does not answer")),
        _ => Failed::new(Failure::Unreachable, format!("{destination} cannot be reached: {error}")),
    }
}
