//! A notice on its way to a service, and the message that it becomes.

use crate::address::Address;
use crate::clock::Time;
use crate::notice::Notice;
use cronbox_runtime::outbound::{HttpMessage, OutboundMessage};
use serde_json::Value;

/// A notice on its way.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// The id of the delivery: the same at every attempt.
    pub id: &'a str,
    /// What is told.
    pub notice: &'a Notice,
    /// Where the page is; none: messages have no links.
    pub public_url: Option<&'a str>,
    /// Until when nothing more is sent after this one, when the channel has reached its rate with it.
    pub quiet_until: Option<Time>,
    /// The time of this attempt.
    pub now: Time,
}

/// What is sent, and where.
#[derive(Clone, Debug)]
pub struct Message {
    /// The host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The message.
    pub content: OutboundMessage,
}

impl Message {
    /// A message to a host that cannot be: it is refused before anything is sent.
    pub(super) fn nowhere() -> Self {
        let content = HttpMessage {
            tls: true,
            method: "POST".into(),
            target: "/".into(),
            headers: Vec::new(),
            body: String::new(),
        };
        Message { host: String::new(), port: 443, content: OutboundMessage::Http(content) }
    }
}

/// A service that is reached by an URL which is a secret itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    pub(super) address: Address,
    pub(super) secret: Option<String>,
}

/// A service that is reached with a token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Bot {
    pub(super) address: Address,
    pub(super) token: Option<String>,
    /// The chat, or the topic.
    pub(super) chat: String,
}

/// A request with a body of JSON.
pub(super) fn post(address: &Address, body: &Value) -> Message {
    request(address, "POST", vec![("Content-Type".into(), "application/json; charset=utf-8".into())], body.to_string())
}

/// A request.
pub(super) fn request(address: &Address, method: &str, headers: Vec<(String, String)>, body: String) -> Message {
    let content =
        HttpMessage { tls: address.is_tls(), method: method.to_owned(), target: address.target(), headers, body };
    Message { host: address.host(), port: address.port(), content: OutboundMessage::Http(content) }
}
