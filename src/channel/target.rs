//! Where a channel's messages go, and the message that a notice becomes.

use super::address::Address;
use super::email::{Mailbox, Smtp};
use super::template::Template;
use super::webhook::SigningKey;
use super::words::Words;
use super::{ChannelView, Language};
use crate::clock::Time;
use crate::notice::Notice;
use cronbox_runtime::outbound::{HttpMessage, OutboundMessage};
use serde_json::Value;

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

/// Where messages go, by the kind of a channel.
#[derive(Clone, PartialEq)]
pub(super) enum Destination {
    Webhook { address: Address, keys: Vec<SigningKey> },
    Email { to: Vec<Mailbox>, from: Mailbox, smtp: Smtp },
    Slack(Hook),
    Discord(Hook),
    Teams(Hook),
    Telegram(Bot),
    Ntfy(Bot),
    Feishu(Hook),
    DingTalk(Hook),
    WeCom(Hook),
    Template(Box<Template>),
}

/// Where a channel's messages go.
#[derive(Clone, PartialEq)]
pub struct Target {
    /// Their language.
    pub language: Language,
    pub(super) destination: Destination,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

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

impl Target {
    /// Its kind, as a word.
    pub fn kind(&self) -> &'static str {
        match &self.destination {
            Destination::Webhook { .. } => "webhook",
            Destination::Email { .. } => "email",
            Destination::Slack(_) => "slack",
            Destination::Discord(_) => "discord",
            Destination::Teams(_) => "teams",
            Destination::Telegram(_) => "telegram",
            Destination::Ntfy(_) => "ntfy",
            Destination::Feishu(_) => "feishu",
            Destination::DingTalk(_) => "dingtalk",
            Destination::WeCom(_) => "wecom",
            Destination::Template(_) => "template",
        }
    }

    /// The message that a notice becomes.
    pub fn message(&self, letter: &Letter<'_>) -> Message {
        let words = Words::of(letter, self.language);
        match &self.destination {
            Destination::Webhook { address, keys } => super::webhook::message(address, keys, letter, &words),
            Destination::Email { to, from, smtp } => super::email::message(to, from, smtp, letter, &words),
            Destination::Slack(hook) => super::slack::message(hook, &words),
            Destination::Discord(hook) => super::discord::message(hook, &words),
            Destination::Teams(hook) => super::teams::message(hook, &words),
            Destination::Telegram(bot) => super::telegram::message(bot, &words),
            Destination::Ntfy(bot) => super::ntfy::message(bot, &words),
            Destination::Feishu(hook) => super::feishu::message(hook, letter, &words),
            Destination::DingTalk(hook) => super::dingtalk::message(hook, letter, &words),
            Destination::WeCom(hook) => super::wecom::message(hook, &words),
            Destination::Template(template) => template.message(letter, &words),
        }
    }

    /// What can be shown of it.
    pub fn view(&self) -> ChannelView {
        let base = ChannelView { kind: self.kind().to_owned(), language: self.language, ..ChannelView::default() };
        let hook = |hook: &Hook, base: ChannelView| ChannelView {
            origin: Some(hook.address.origin()),
            secrets: usize::from(hook.secret.is_some()),
            ..base
        };
        match &self.destination {
            Destination::Webhook { address, keys } => {
                ChannelView { origin: Some(address.origin()), secrets: keys.len(), ..base }
            }
            Destination::Email { to, from, smtp } => ChannelView {
                to: to.iter().map(ToString::to_string).collect(),
                from: Some(from.to_string()),
                smtp: Some(format!("{}:{}", smtp.host, smtp.port)),
                ..base
            },
            Destination::Slack(of) | Destination::Discord(of) | Destination::Teams(of) => hook(of, base),
            Destination::Feishu(of) | Destination::DingTalk(of) | Destination::WeCom(of) => hook(of, base),
            Destination::Telegram(bot) => {
                ChannelView { origin: Some(bot.address.origin()), chat: Some(bot.chat.clone()), ..base }
            }
            Destination::Ntfy(bot) => {
                ChannelView { origin: Some(bot.address.origin()), topic: Some(bot.chat.clone()), ..base }
            }
            Destination::Template(template) => template.view(base),
        }
    }
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
