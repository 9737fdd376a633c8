//! Where a channel's messages go.

use super::email::{Mailbox, Smtp};
use super::message::{Bot, Hook, Letter, Message};
use super::template::Template;
use super::webhook::SigningKey;
use super::words::Words;
use super::{ChannelView, Language};
use crate::address::Address;

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
