//! From what a channel is set to, to where its messages go.

use super::email::{Mailbox, Smtp};
use super::message::{Bot, Hook};
use super::target::{Destination, Target};
use super::template::Template;
use super::webhook::SigningKey;
use super::{BadChannel, ChannelSpec, KINDS, Language, bad};
use crate::address::Address;
use crate::suggest::nearest;

/// Most secrets, recipients and headers, each.
const MOST: usize = 20;
/// Longest text in a field, in bytes.
const MAX_TEXT: usize = 1_000;

/// The fields of each kind: those that it needs, and those that it can have.
fn fields_of(kind: &str) -> Option<(&'static [&'static str], &'static [&'static str])> {
    Some(match kind {
        "webhook" => (&["url"], &["secret", "secrets"]),
        "email" => (&["to", "smtp"], &["from"]),
        "slack" | "discord" | "teams" | "wecom" => (&["url"], &[]),
        "feishu" | "dingtalk" => (&["url"], &["secret"]),
        "telegram" => (&["token", "chat"], &["url"]),
        "ntfy" => (&["topic"], &["url", "token"]),
        "template" => (&["url"], &["method", "headers", "body"]),
        _ => return None,
    })
}

impl Target {
    /// Reads what a channel is set to.
    ///
    /// # Errors
    /// The kind is not known, a field is missing, is not for this kind, or its value cannot be.
    pub fn parse(spec: &ChannelSpec) -> Result<Self, BadChannel> {
        let Some((needed, others)) = fields_of(&spec.kind) else {
            let shown: String = spec.kind.chars().take(60).collect();
            return match nearest(&spec.kind, KINDS.into_iter()) {
                Some(near) => bad("type", format!("there is no type {shown:?}: did you mean {near:?}?")),
                None => bad("type", format!("there is no type {shown:?}: there are {}", KINDS.join(", "))),
            };
        };
        let there = spec.fields();
        if let Some(missing) = needed.iter().find(|field| !there.contains(field)) {
            return bad(*missing, format!("a channel of type {} needs {missing}", spec.kind));
        }
        if let Some(stranger) = there.iter().find(|field| !needed.contains(field) && !others.contains(field)) {
            let all: Vec<&str> = needed.iter().chain(others).copied().collect();
            let why = format!("a channel of type {} has no {stranger}; it has {}", spec.kind, all.join(", "));
            return bad(*stranger, why);
        }
        let language = match spec.language.as_deref() {
            None | Some("en") => Language::English,
            Some("zh" | "zh-CN") => Language::Chinese,
            Some(_) => return bad("language", "a channel speaks en or zh"),
        };
        for (field, text) in [("secret", &spec.secret), ("token", &spec.token), ("chat", &spec.chat)] {
            check_text(field, text.as_deref())?;
        }
        Ok(Target { language, destination: destination(spec)? })
    }
}

fn destination(spec: &ChannelSpec) -> Result<Destination, BadChannel> {
    let hook = || -> Result<Hook, BadChannel> {
        Ok(Hook { address: address(spec, None)?, secret: spec.secret.clone().filter(|secret| !secret.is_empty()) })
    };
    Ok(match spec.kind.as_str() {
        "webhook" => Destination::Webhook { address: address(spec, None)?, keys: signing_keys(spec)? },
        "email" => email(spec)?,
        "slack" => Destination::Slack(hook()?),
        "discord" => Destination::Discord(hook()?),
        "teams" => Destination::Teams(hook()?),
        "feishu" => Destination::Feishu(hook()?),
        "dingtalk" => Destination::DingTalk(hook()?),
        "wecom" => Destination::WeCom(hook()?),
        "telegram" => Destination::Telegram(telegram(spec)?),
        "ntfy" => Destination::Ntfy(ntfy(spec)?),
        _ => Destination::Template(Box::new(Template::parse(spec)?)),
    })
}

fn address(spec: &ChannelSpec, otherwise: Option<&str>) -> Result<Address, BadChannel> {
    super::address("url", spec.url.as_deref().or(otherwise).unwrap_or_default())
}

fn check_text(field: &'static str, text: Option<&str>) -> Result<(), BadChannel> {
    match text {
        Some(text) if text.is_empty() || text.len() > MAX_TEXT || text.contains(char::is_control) => {
            bad(field, format!("it has 1 to {MAX_TEXT} bytes, without control characters"))
        }
        _ => Ok(()),
    }
}

fn signing_keys(spec: &ChannelSpec) -> Result<Vec<SigningKey>, BadChannel> {
    if spec.secret.is_some() && !spec.secrets.is_empty() {
        return bad("secrets", "give secret or secrets, not both");
    }
    if spec.secrets.len() > MOST {
        return bad("secrets", format!("there are {}; at most {MOST} are kept", spec.secrets.len()));
    }
    let field = if spec.secret.is_some() { "secret" } else { "secrets" };
    let keys: Vec<SigningKey> =
        spec.secret.iter().chain(&spec.secrets).map(|text| SigningKey::parse(field, text)).collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return bad("secret", "a webhook is signed: give a secret, whsec_ and 24 to 64 random bytes in base64");
    }
    Ok(keys)
}

fn telegram(spec: &ChannelSpec) -> Result<Bot, BadChannel> {
    let token = spec.token.clone().unwrap_or_default();
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-');
    if !token.contains(':') || !token.bytes().all(is_fine) {
        return bad("token", "it is the token of a bot, such as 123456:ABC-DEF");
    }
    let address = address(spec, Some("https://api.telegram.org"))?;
    Ok(Bot { address, token: Some(token), chat: spec.chat.clone().unwrap_or_default() })
}

fn ntfy(spec: &ChannelSpec) -> Result<Bot, BadChannel> {
    let topic = spec.topic.clone().unwrap_or_default();
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !(1..=64).contains(&topic.len()) || !topic.bytes().all(is_fine) {
        return bad("topic", "a topic has 1 to 64 of A-Z a-z 0-9 _ -");
    }
    let address = address(spec, Some("https://ntfy.sh"))?;
    Ok(Bot { address, token: spec.token.clone(), chat: topic })
}

fn email(spec: &ChannelSpec) -> Result<Destination, BadChannel> {
    if spec.to.len() > MOST {
        return bad("to", format!("there are {} recipients; at most {MOST} are kept", spec.to.len()));
    }
    let to = spec.to.iter().map(|text| Mailbox::parse("to", text)).collect::<Result<Vec<_>, _>>()?;
    let smtp = Smtp::parse(spec.smtp.clone().unwrap_or_default())?;
    let from = match (&spec.from, smtp.login.as_ref().map(|(user, _)| user)) {
        (Some(from), _) => Mailbox::parse("from", from)?,
        (None, Some(user)) if user.contains('@') => Mailbox::parse("from", user)?,
        (None, _) => return bad("from", "a mail has a sender: give from, such as cronbox@example.com"),
    };
    Ok(Destination::Email { to, from, smtp })
}
