//! Channels: where notices go. What one is set to, the requests that a notice becomes on it, and what the answers mean.
//! Nothing here has a database, and nothing is sent from here.

pub mod answer;
mod delivery;
mod dingtalk;
mod discord;
mod email;
mod feishu;
mod fit;
mod markdown;
mod message;
mod ntfy;
mod parse;
#[cfg(test)]
pub(crate) mod readers;
mod sign;
mod slack;
mod spec;
mod target;
mod teams;
mod telegram;
pub mod template;
#[cfg(test)]
mod tests;
mod view;
mod webhook;
mod wecom;
mod words;

pub use delivery::{Delivery, DeliveryState, GIVE_UP_AFTER, pause};
pub use message::{Letter, Message};
pub use spec::{ChannelSpec, SmtpSpec};
pub use target::Target;
pub use view::ChannelView;
pub use words::{Fact, Tone, Words};

use crate::address::Address;
use crate::clock::Time;
use crate::precondition;
use serde::{Deserialize, Serialize};

/// Longest name of a channel, in bytes.
pub const MAX_CHANNEL_NAME: usize = 100;

/// The kinds of channels, by their words.
pub const KINDS: [&str; 11] =
    ["webhook", "email", "slack", "discord", "teams", "telegram", "ntfy", "feishu", "dingtalk", "wecom", "template"];

/// The language of a channel's messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Simplified Chinese.
    #[serde(rename = "zh")]
    Chinese,
}

/// What is wrong with a channel: which field, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct BadChannel {
    /// `name`, `url`, `smtp.host`, …
    pub field: String,
    /// A sentence.
    pub why: String,
}

pub(crate) fn bad<T>(field: impl Into<String>, why: impl Into<String>) -> Result<T, BadChannel> {
    Err(BadChannel { field: field.into(), why: why.into() })
}

/// Reads the URL in a field.
fn address(field: &str, text: &str) -> Result<Address, BadChannel> {
    Address::parse(text).or_else(|why| bad(field, why.0))
}

/// Checks the name of a channel.
///
/// # Errors
/// It is empty, too long, or has other characters than `a-z 0-9 _ -`.
pub fn check_channel_name(name: &str) -> Result<(), BadChannel> {
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    if (1..=MAX_CHANNEL_NAME).contains(&name.len()) && name.bytes().all(is_fine) {
        return Ok(());
    }
    bad("name", format!("the name of a channel has 1 to {MAX_CHANNEL_NAME} of a-z 0-9 _ -, such as ops"))
}

/// A channel as it is kept: what can be shown, and the rest sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// What can be shown.
    pub view: ChannelView,
    /// The same as it is sealed with the rest: a byte that is changed makes that unreadable.
    pub sealed_view: String,
    /// The id of the key that it is sealed with.
    pub key: String,
    /// All that it is set to, sealed.
    pub sealed: String,
    /// Why nothing is sent; none: it is on.
    pub off_reason: Option<String>,
    /// Counted up with every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
    /// The id of the token that set it last; none: no token did.
    pub created_by: Option<String>,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("name", &self.name).field("view", &self.view).finish_non_exhaustive()
    }
}

impl Channel {
    /// What changes with every change.
    pub fn tag(&self) -> String {
        precondition::tag(self.revision, self.created_at)
    }
}
