//! `cronbox channel`: where messages go.

use super::client::{Refusal, Server, ServerArgs, part, say, talk};
use super::list::list;
use super::table::{Cell, column};
use super::{Exit, complain};
use crate::api::{ChannelBody, ChannelTestBody};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Most bytes of a file, and of standard input.
const MOST: u64 = 256 << 10;

/// What `cronbox channel` takes.
#[derive(Debug, Args)]
pub(super) struct ChannelArgs {
    /// None: the list.
    #[command(subcommand)]
    verb: Option<ChannelVerb>,
    /// Print one JSON document
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What a channel is set to, as flags.
#[derive(Debug, Args)]
struct Given {
    /// webhook, email, slack, discord, teams, telegram, ntfy, feishu, dingtalk, wecom or template
    #[arg(long = "type", value_name = "TYPE", required_unless_present = "file")]
    kind: Option<String>,
    /// The language of its messages: en or zh
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<String>,
    /// The URL of the service, as it gives it
    #[arg(long = "to-url", value_name = "URL")]
    to_url: Option<String>,
    /// A recipient of mails; repeatable
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<String>,
    /// The sender of mails
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// The mail server
    #[arg(long, value_name = "HOST[:PORT]")]
    smtp: Option<String>,
    /// How the connection to it is encrypted: starttls, implicit or none
    #[arg(long, value_name = "HOW")]
    smtp_tls: Option<String>,
    /// The user of the mail server
    #[arg(long, value_name = "NAME")]
    smtp_user: Option<String>,
    /// The chat that a bot of telegram writes to
    #[arg(long, value_name = "ID")]
    chat: Option<String>,
    /// The topic of ntfy
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Read the secret, the token or the password from standard input
    #[arg(long)]
    secret_stdin: bool,
}

#[derive(Debug, Subcommand)]
enum ChannelVerb {
    /// Set a channel, in place of one of that name
    Add {
        /// Its name
        name: String,
        /// A file of JSON with all that it is set to, as the API takes it; -: standard input
        #[arg(long, value_name = "FILE", conflicts_with = "secret_stdin")]
        file: Option<PathBuf>,
        #[command(flatten)]
        given: Box<Given>,
    },
    /// Send a message now, and show the answer
    Test {
        /// The channel
        name: String,
    },
    /// List channels, without their secrets
    List,
    /// Remove a channel
    Rm {
        /// The channel
        name: String,
    },
}

impl Given {
    /// The fields that the flags give.
    fn fields(self) -> Result<Map<String, Value>, Refusal> {
        let mut fields = Map::new();
        let kind = self.kind.unwrap_or_default();
        let texts = [
            ("type", Some(kind.clone()).filter(|kind| !kind.is_empty())),
            ("language", self.language),
            ("url", self.to_url),
            ("from", self.from),
            ("chat", self.chat),
            ("topic", self.topic),
        ];
        fields.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?)))));
        if !self.to.is_empty() {
            fields.insert("to".into(), json!(self.to));
        }
        let secret = if self.secret_stdin { Some(line_of_stdin()?) } else { None };
        if let Some(smtp) = self.smtp {
            let (host, port) = match smtp.rsplit_once(':') {
                Some((host, port)) => {
                    let port = port.parse::<u16>();
                    (host.to_owned(), Some(port.map_err(|_| Refusal::usage("--smtp: write HOST or HOST:PORT"))?))
                }
                None => (smtp, None),
            };
            let password = secret.as_ref().map(|secret| secret.as_str());
            let all = json!({"host": host, "port": port, "tls": self.smtp_tls, "username": self.smtp_user, "password": password});
            fields.insert("smtp".into(), all);
        } else if let Some(secret) = &secret {
            let name = if matches!(kind.as_str(), "telegram" | "ntfy") { "token" } else { "secret" };
            fields.insert(name.into(), secret.as_str().into());
        }
        Ok(fields)
    }
}

/// A secret for a webhook.
fn new_secret() -> Result<Zeroizing<String>, Refusal> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|_| Refusal::unavailable("the system gives no randomness"))?;
    Ok(Zeroizing::new(format!("whsec_{}", BASE64_STANDARD.encode(*bytes))))
}

fn line_of_stdin() -> Result<Zeroizing<String>, Refusal> {
    let unreadable = |error: std::io::Error| Refusal::usage(format!("standard input cannot be read: {error}"));
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().lock().take(MOST).read_to_string(&mut text).map_err(unreadable)?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// What a file holds.
fn of_file(file: &Path) -> Result<Map<String, Value>, Refusal> {
    let bad = |why: String| Refusal::usage(format!("{}: {why}", file.display()));
    let mut text = Zeroizing::new(String::new());
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(MOST).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|open| open.take(MOST).read_to_string(&mut text))
    };
    read.map_err(|error| bad(error.to_string()))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(bad("a channel is a JSON object".into())),
        Err(error) => Err(bad(crate::misfit::not_json(&error))),
    }
}

impl ChannelArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || self.act().await)
    }

    async fn act(self) -> Result<Exit, Refusal> {
        let address = |name: &str| format!("/v1/channels/{}", part(name));
        match self.verb.unwrap_or(ChannelVerb::List) {
            ChannelVerb::Add { name, file, given } => {
                let server = Server::new(&self.server)?;
                let mut fields = match file {
                    Some(file) => of_file(&file)?,
                    None => Map::new(),
                };
                fields.extend(given.fields()?);
                let is_webhook = fields.get("type").and_then(Value::as_str) == Some("webhook");
                let made = (is_webhook && !fields.contains_key("secret") && !fields.contains_key("secrets"))
                    .then(new_secret)
                    .transpose()?;
                if let Some(secret) = &made {
                    fields.insert("secret".into(), secret.as_str().into());
                }
                let request = server.request(Method::PUT, &address(&name)).json(&fields);
                let (text, set): (_, ChannelBody) = server.ask(request).await?;
                if let Some(warning) = &set.warning {
                    complain(&format!("warning: {warning}"));
                }
                if self.json {
                    say(&text)?;
                } else {
                    say(&format!("{name} is set: {} to {}", set.kind, destination(&set)))?;
                }
                if let Some(secret) = &made {
                    complain(&format!("its secret is {}; keep it, because it is shown only once", secret.as_str()));
                }
                Ok(Exit::Succeeded)
            }
            ChannelVerb::Test { name } => {
                let server = Server::new(&self.server)?;
                let request = server.request(Method::POST, &format!("{}/test", address(&name)));
                let (text, tested): (_, ChannelTestBody) = server.ask(request).await?;
                let status = tested.status.map_or_else(String::new, |status| format!(" ({status})"));
                if self.json {
                    say(&text)?;
                } else if tested.arrived {
                    say(&format!("it has arrived{status}"))?;
                } else {
                    say(&format!("it has not arrived{status}: {}", tested.answer))?;
                }
                Ok(if tested.arrived { Exit::Succeeded } else { Exit::Failed })
            }
            ChannelVerb::List => {
                let row = |channel: &ChannelBody| {
                    vec![
                        Cell::from(&*channel.name),
                        channel.kind.as_str().into(),
                        channel.language.as_str().into(),
                        destination(channel).into(),
                        channel.off.as_ref().map_or_else(|| "on".to_owned(), |why| format!("OFF: {why}")).into(),
                    ]
                };
                let columns = [
                    column("NAME"),
                    column("TYPE"),
                    column("LANGUAGE").spare(),
                    column("TO").shrinks_to(10),
                    column("STATE").shrinks_to(8),
                ];
                list(&self.server, "/v1/channels", self.json, &columns, row).await
            }
            ChannelVerb::Rm { name } => {
                let server = Server::new(&self.server)?;
                server.send(server.request(Method::DELETE, &address(&name))).await?;
                say(&if self.json { json!({"deleted": name}).to_string() } else { "the channel is gone".into() })?;
                Ok(Exit::Succeeded)
            }
        }
    }
}

/// Where a channel's messages go, in a few words.
fn destination(channel: &ChannelBody) -> String {
    if !channel.to.is_empty() {
        return channel.to.join(", ");
    }
    let inside = channel.chat.as_ref().or(channel.topic.as_ref());
    let origin = channel.origin.as_deref().unwrap_or_default();
    inside.map_or_else(|| origin.to_owned(), |inside| format!("{inside} at {origin}"))
}
