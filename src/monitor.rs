//! Calls monitors outside: that of the operator while this node is well ([`Heartbeat`]), and those of scripts about their runs
//! ([`Pinger`]). A monitor speaks when it hears nothing, also when this whole machine is gone.
//!
//! The egress process makes the calls, as it sends messages to channels: under the operator's ceiling, with its addresses
//! checked. A call has a bounded time and a bounded number of tries, so a monitor that never answers costs no run anything.

mod node;
mod scripts;
mod well;

pub use node::{Beat, Heartbeat};
pub use scripts::Pinger;
pub use well::Well;

use crate::address::Address;
use crate::channel::answer::{Meaning, verdict};
use crate::clock::Clock;
use crate::deliverer::{DeliveryRules, NETWORK_OPTION, Sender};
use cronbox_runtime::outbound::{HttpMessage, Outbound, OutboundMessage};
use std::sync::Arc;
use std::time::Duration;

/// The time for one call: the connection, the answer, and all between.
const WITHIN: Duration = Duration::from_secs(10);
/// The time before the second try of a call, and before the third.
pub const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(8)];

/// Makes calls.
pub struct Calls {
    /// What time it is.
    pub clock: Clock,
    /// What the operator decides.
    pub rules: DeliveryRules,
    /// Sends a request by the egress process.
    pub send: Arc<Sender>,
    /// The time before each further try: [`PAUSES`].
    pub pauses: [Duration; 2],
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// Why a call did not come to its end.
struct Missed {
    /// A sentence, without the address.
    why: String,
    /// Whether another try may do better.
    again: bool,
}

impl Calls {
    /// Calls an address until it takes the call, three times at most. The error is a sentence without the address.
    async fn call(&self, address: &Address, method: &'static str, body: &str) -> Result<(), String> {
        let mut pauses = self.pauses.into_iter();
        loop {
            match (self.once(address, method, body).await, pauses.next()) {
                (Ok(()), _) => return Ok(()),
                (Err(Missed { again: true, .. }), Some(pause)) => tokio::time::sleep(pause).await,
                (Err(missed), _) => return Err(missed.why),
            }
        }
    }

    async fn once(&self, address: &Address, method: &'static str, body: &str) -> Result<(), Missed> {
        let headers = if body.is_empty() {
            Vec::new()
        } else {
            vec![("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned())]
        };
        let message = HttpMessage {
            tls: address.is_tls(),
            method: method.to_owned(),
            target: address.target(),
            headers,
            body: body.to_owned(),
        };
        let outbound = Outbound {
            host: address.host(),
            port: address.port(),
            ceiling: self.rules.ceiling.clone(),
            networks: self.rules.networks.clone(),
            option: NETWORK_OPTION.to_owned(),
            within: WITHIN,
            message: OutboundMessage::Http(message),
        };
        let answer = (self.send)(outbound).await;
        let again = match &answer {
            Ok(answer) => matches!(answer.status, 408 | 429 | 500..),
            Err(failure) => !failure.denied,
        };
        let verdict = verdict("webhook", &answer, self.clock.now());
        match (verdict.meaning, verdict.status) {
            (Meaning::Arrived, _) => Ok(()),
            // What it says can be a page; the status says enough.
            (_, Some(status)) if !(300..400).contains(&status) => {
                Err(Missed { why: format!("it answered {status}"), again })
            }
            _ => Err(Missed { why: verdict.text, again }),
        }
    }
}

#[cfg(test)]
mod tests;
