//! `cronbox secrets`, `secret`: what scripts may use without seeing it.

use super::client::{Refusal, Server, ServerArgs, part, say, talk};
use super::list::list;
use super::table::{Cell, column};
use super::{Exit, complain};
use crate::api::{ResealedBody, SecretBody};
use crate::secret;
use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::json;
use std::io::{IsTerminal, Read, Write};
use zeroize::Zeroizing;

/// What `cronbox secrets` takes.
#[derive(Debug, Args)]
pub(super) struct SecretsArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What `cronbox secret` takes.
#[derive(Debug, Args)]
pub(super) struct SecretArgs {
    #[command(subcommand)]
    verb: SecretVerb,
    /// Print one JSON document
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Where in a request a secret may stand beside the headers.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    #[value(alias = "header")]
    Headers,
    Query,
    Body,
}

#[derive(Debug, Subcommand)]
enum SecretVerb {
    /// Set a secret; its value comes from standard input
    Set {
        /// The environment variable in which scripts find its placeholder
        name: String,
        /// A host that may get it: api.example.com, *.example.org:443; repeatable
        #[arg(long, required = true, value_name = "HOST[:PORT]")]
        host: Vec<String>,
        /// A script that it is for; repeatable
        #[arg(long, required_unless_present = "label")]
        script: Vec<String>,
        /// Scripts that it is for, by label, key=value; repeatable
        #[arg(long)]
        label: Vec<String>,
        /// Where it may stand beside the headers of a request; repeatable
        #[arg(long = "in", value_name = "PART", value_delimiter = ',')]
        parts: Vec<Part>,
        /// Only in requests with this method; repeatable
        #[arg(long)]
        method: Vec<String>,
        /// Only in requests for this path, or below it
        #[arg(long, value_name = "PATH")]
        path: Option<String>,
        /// Give the script the value itself, for protocols other than HTTP: it can then send it to every host that it may
        /// reach
        #[arg(long, conflicts_with_all = ["parts", "method", "path"])]
        in_clear: bool,
    },
    /// Remove a secret
    Rm {
        /// Its name
        name: String,
    },
    /// Seal all secrets with another key: a new one, or the first in the operator's file
    Rotate,
}

impl SecretsArgs {
    pub(super) fn execute(self) -> Exit {
        let row = |secret: &SecretBody| {
            let whom = [secret.scripts.as_slice(), &secret.labels].concat();
            vec![
                Cell::from(&*secret.name),
                secret.hosts.join(" ").into(),
                whom.join(" ").into(),
                how(secret).into(),
                Cell::time(&secret.updated_at),
            ]
        };
        let columns = [
            column("NAME"),
            column("HOSTS").shrinks_to(10),
            column("FOR").shrinks_to(8),
            column("HOW").shrinks_to(8),
            column("SET"),
        ];
        talk(async || list(&self.server, "/v1/secrets", self.json, &columns, row).await)
    }
}

/// How a secret reaches its host, and whether it can.
pub(super) fn how(secret: &SecretBody) -> String {
    let mut words = vec![if secret.in_clear { "IN CLEAR, to the script".to_owned() } else { secret.places.join("+") }];
    words.extend(secret.methods.iter().map(|methods| methods.join("|")));
    words.extend(secret.path_prefix.clone());
    if !secret.readable {
        words.push("KEY IS LOST".into());
    }
    words.join(" ")
}

impl SecretArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || self.act().await)
    }

    async fn act(&self) -> Result<Exit, Refusal> {
        match &self.verb {
            SecretVerb::Set { name, host, script, label, parts, method, path, in_clear } => {
                secret::check_name(name).map_err(|bad| Refusal::usage(bad.why))?;
                let server = Server::new(&self.server)?;
                let value = value(name).await?;
                let parts: Vec<&str> = parts
                    .iter()
                    .map(|part| match part {
                        Part::Headers => "headers",
                        Part::Query => "query",
                        Part::Body => "body",
                    })
                    .collect();
                let mut body = json!({
                    "value": *value, "hosts": host, "scripts": script, "labels": label, "in": parts,
                    "path_prefix": path, "in_clear": in_clear,
                });
                if !method.is_empty() {
                    body["methods"] = json!(method);
                }
                let request = server.request(Method::PUT, &format!("/v1/secrets/{}", part(name))).json(&body);
                let (text, set): (_, SecretBody) = server.ask(request).await?;
                if let Some(warning) = &set.warning {
                    complain(&format!("warning: {warning}"));
                }
                if self.json {
                    say(&text)?;
                } else {
                    let whom = [script.as_slice(), label.as_slice()].concat().join(", ");
                    say(&format!("{name} is set for {whom}, for {}: {}", host.join(", "), how(&set)))?;
                    if !label.is_empty() {
                        say(&format!("scripts that have it: {}", set.granted.join(", ")))?;
                    }
                }
                Ok(Exit::Succeeded)
            }
            SecretVerb::Rm { name } => {
                let server = Server::new(&self.server)?;
                server.send(server.request(Method::DELETE, &format!("/v1/secrets/{}", part(name)))).await?;
                say(&if self.json { json!({"deleted": name}).to_string() } else { "the secret is gone".into() })?;
                Ok(Exit::Succeeded)
            }
            SecretVerb::Rotate => {
                let server = Server::new(&self.server)?;
                let (text, resealed): (_, ResealedBody) =
                    server.ask(server.request(Method::POST, "/v1/keys/rotate")).await?;
                if let Some(warning) = &resealed.warning {
                    complain(&format!("warning: {warning}"));
                }
                if self.json {
                    say(&text)?;
                } else {
                    say(&format!("sealed again: {}; the key is {}", resealed.resealed, resealed.key))?;
                }
                if resealed.unreadable.is_empty() {
                    return Ok(Exit::Succeeded);
                }
                complain(&format!("no key opens these any more, set them again: {}", resealed.unreadable.join(", ")));
                Ok(Exit::Failed)
            }
        }
    }
}

/// The value: what standard input has, without the line break at its end. On a terminal it is not shown.
async fn value(name: &str) -> Result<Zeroizing<String>, Refusal> {
    let unreadable = |error: std::io::Error| Refusal::usage(format!("standard input cannot be read: {error}"));
    let input = std::io::stdin();
    let mut bytes = if input.is_terminal() {
        let _ = write!(std::io::stderr(), "value of {name} (not shown): ");
        let before = tcgetattr(&input).map_err(|error| unreadable(error.into()))?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&input, OptionalActions::Flush, &hidden).map_err(|error| unreadable(error.into()))?;
        let reading = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|_| Zeroizing::new(line.into_bytes()))
        });
        let read = tokio::select! {
            read = reading => Some(read),
            _ = tokio::signal::ctrl_c() => None,
        };
        // The terminal is as it was, whatever was read.
        let _ = tcsetattr(&input, OptionalActions::Now, &before);
        let _ = writeln!(std::io::stderr());
        match read {
            Some(read) => read.map_err(|error| unreadable(error.into()))?.map_err(unreadable)?,
            // Nothing waits for the line that nobody will type.
            None => std::process::exit(Exit::Interrupted as i32),
        }
    } else {
        // More than a value can have is not read.
        let mut bytes = Zeroizing::new(Vec::new());
        let read = input.lock().take(secret::MAX_VALUE as u64 + 3).read_to_end(&mut bytes);
        read.map_err(unreadable)?;
        bytes
    };
    let line = bytes.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    if let Some(length) = line.map(<[u8]>::len) {
        bytes.truncate(length);
    }
    if bytes.len() > secret::MAX_VALUE {
        return Err(Refusal::usage(format!("a secret has at most {} bytes; this one has more", secret::MAX_VALUE)));
    }
    let text = str::from_utf8(&bytes).map_err(|_| Refusal::usage("a secret is text in UTF-8; this one is not"))?;
    secret::check_value(text).map_err(|bad| Refusal::usage(bad.why))?;
    Ok(Zeroizing::new(text.to_owned()))
}
