//! Mails: the message with plain text and HTML, and how the server is reached.

use super::markdown::html;
use super::words::{Tone, Words};
use super::{BadChannel, Letter, Message, SmtpSpec, bad, fit};
use cronbox_runtime::network::Destination;
use cronbox_runtime::outbound::{MailMessage, MailTls, OutboundMessage};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox as Parsed, MultiPart, MultiPartKind, SinglePart};
use std::fmt;
use std::time::SystemTime;

/// Most characters of a subject.
const MAX_SUBJECT: usize = 200;

/// A sender or a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mailbox(Parsed);

impl Mailbox {
    /// Reads `ops@example.com` or `Ops <ops@example.com>`.
    pub(super) fn parse(field: &str, text: &str) -> Result<Self, BadChannel> {
        match text.parse::<Parsed>() {
            Ok(parsed) if text.len() <= 320 && !text.contains(char::is_control) => Ok(Mailbox(parsed)),
            _ => {
                let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
                bad(field, format!("{shown} is not a mail address, such as ops@example.com"))
            }
        }
    }

    fn address(&self) -> String {
        self.0.email.to_string()
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a mail server is reached.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Smtp {
    pub(super) host: String,
    pub(super) port: u16,
    tls: MailTls,
    pub(super) login: Option<(String, String)>,
}

impl Smtp {
    pub(super) fn parse(spec: SmtpSpec) -> Result<Self, BadChannel> {
        let (tls, usual) = match spec.tls.as_deref() {
            None | Some("starttls") => (MailTls::StartTls, 587),
            Some("implicit") => (MailTls::Implicit, 465),
            Some("none") => (MailTls::None, 25),
            Some(_) => return bad("smtp.tls", "it is starttls, implicit or none"),
        };
        let port = spec.port.unwrap_or(usual);
        if let Err(error) = Destination::parse(&spec.host, port) {
            return bad("smtp.host", error.to_string());
        }
        let login = match (spec.username, spec.password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            (Some(_), None) => return bad("smtp.password", "a login has a username and a password"),
            (None, Some(_)) => return bad("smtp.username", "a login has a username and a password"),
        };
        if login.is_some() && tls == MailTls::None {
            return bad("smtp.tls", "a password is not sent without TLS: use starttls or implicit");
        }
        Ok(Smtp { host: spec.host, port, tls, login })
    }
}

/// The message.
pub(super) fn message(to: &[Mailbox], from: &Mailbox, smtp: &Smtp, letter: &Letter<'_>, words: &Words) -> Message {
    let text = text_of(to, from, letter, words).unwrap_or_default();
    let content = MailMessage {
        tls: smtp.tls,
        hello: from.0.email.domain().to_owned(),
        login: smtp.login.clone(),
        from: from.address(),
        to: to.iter().map(Mailbox::address).collect(),
        text,
    };
    Message { host: smtp.host.clone(), port: smtp.port, content: OutboundMessage::Mail(content) }
}

fn text_of(to: &[Mailbox], from: &Mailbox, letter: &Letter<'_>, words: &Words) -> Option<String> {
    // The same at every attempt: a mail that arrives twice is one to its reader's program.
    let id = format!("<{}@{}>", letter.id, from.0.email.domain());
    let by_program = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into());
    let mut builder = lettre::Message::builder()
        .from(from.0.clone())
        .subject(fit::characters(&words.title, MAX_SUBJECT))
        .message_id(Some(id))
        .date(SystemTime::from(letter.now))
        .raw_header(by_program);
    for mailbox in to {
        builder = builder.to(mailbox.0.clone());
    }
    let parts = MultiPart::builder()
        .kind(MultiPartKind::Alternative)
        .boundary(format!("cronbox-{}", letter.id))
        .singlepart(SinglePart::plain(words.lines().join("\r\n")))
        .singlepart(SinglePart::html(page(words)));
    let message = builder.multipart(parts).ok()?;
    String::from_utf8(message.formatted()).ok()
}

/// The mail as HTML: no pictures and no scripts, so that nothing is fetched when it is opened.
fn page(words: &Words) -> String {
    let color = match words.tone {
        Tone::Bad => "#b42318",
        Tone::Good => "#027a48",
        Tone::Plain => "#344054",
    };
    let mut page = format!(
        "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>{0}</title></head>\n<body style=\"font-family:sans-serif\">\n\
         <h2 style=\"color:{color}\">{0}</h2>\n<p>{1}</p>\n<table cellpadding=\"4\">\n",
        html(&words.title),
        html(&words.sentence)
    );
    for fact in &words.facts {
        let value = html(&fact.value);
        let value = if fact.is_code { format!("<code>{value}</code>") } else { value };
        page.push_str(&format!("<tr><td>{}</td><td>{value}</td></tr>\n", html(fact.label)));
    }
    page.push_str("</table>\n");
    if let Some(quiet) = &words.quiet {
        page.push_str(&format!("<p>{}</p>\n", html(quiet)));
    }
    let links = [&words.run_link, &words.mute_link];
    let links: Vec<String> = links
        .into_iter()
        .flatten()
        .map(|(word, url)| format!("<a href=\"{}\">{}</a>", html(url), html(word)))
        .collect();
    if !links.is_empty() {
        page.push_str(&format!("<p>{}</p>\n", links.join(" · ")));
    }
    page + "</body></html>\n"
}
