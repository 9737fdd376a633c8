//! `cronbox grants`, `grant`, `revoke`: what scripts may do beyond the default.

use super::Exit;
use super::client::{Refusal, Server, ServerArgs, part, say, talk};
use super::list::list;
use super::table::{Cell, Column, column};
use crate::api::GrantBody;
use crate::quantity;
use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What `cronbox grants` takes.
#[derive(Debug, Args)]
pub(super) struct GrantsArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What `cronbox grant` takes.
#[derive(Debug, Args)]
pub(super) struct GrantArgs {
    /// The script
    script: String,
    /// A host that it may reach when it asks for it: api.example.com, *.example.org:443; repeatable
    #[arg(long, value_name = "HOST[:PORT]")]
    host: Vec<String>,
    /// The same for a host whose certificate need not prove its name; repeatable
    #[arg(long, value_name = "HOST[:PORT]")]
    unverified: Vec<String>,
    /// A secret that is set for a label of its; repeatable
    #[arg(long, value_name = "NAME")]
    secret: Vec<String>,
    /// A limit up to which it may ask, such as memory=512MiB; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    limit: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What `cronbox revoke` takes.
#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The script
    script: String,
    /// A host that it was granted; repeatable
    #[arg(long, value_name = "HOST[:PORT]")]
    host: Vec<String>,
    /// A secret that it was granted; repeatable
    #[arg(long, value_name = "NAME")]
    secret: Vec<String>,
    /// A limit that it was granted, such as memory; repeatable
    #[arg(long, value_name = "NAME")]
    limit: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// The columns of `cronbox grants`.
const COLUMNS: [Column; 5] = [
    column("SCRIPT").shrinks_to(10),
    column("KIND"),
    column("NAME").shrinks_to(12),
    column("VALUE").shrinks_to(8),
    column("SINCE"),
];

/// How much is granted, with its unit.
pub(super) fn value_of(grant: &GrantBody) -> String {
    let number = grant.value.parse::<u64>().ok().filter(|_| grant.kind == "limit");
    match (number, grant.name.as_str()) {
        (Some(bytes), "memory" | "output") => quantity::bytes(bytes),
        (Some(units), "fuel") => quantity::fuel(units),
        (Some(millis), "timeout") => quantity::duration(Duration::from_millis(millis)),
        _ => grant.value.clone(),
    }
}

impl GrantsArgs {
    pub(super) fn execute(self) -> Exit {
        let row = |grant: &GrantBody| {
            let (script, kind) = (grant.script.as_str().into(), grant.kind.as_str().into());
            vec![script, kind, Cell::from(&*grant.name), value_of(grant).into(), Cell::time(&grant.created_at)]
        };
        talk(async || list(&self.server, "/v1/grants", self.json, &COLUMNS, row).await)
    }
}

impl GrantArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || {
            let mut limits = Map::new();
            for text in &self.limit {
                let (name, value) = text.split_once('=').ok_or_else(|| {
                    Refusal::usage(format!("--limit {text}: write NAME=VALUE, such as memory=512MiB"))
                })?;
                limits.insert(name.to_owned(), Value::from(value));
            }
            let body = json!({
                "limits": limits, "hosts": self.host, "unverified": self.unverified, "secrets": self.secret,
            });
            let nothing = [&self.host, &self.unverified, &self.secret, &self.limit].iter().all(|list| list.is_empty());
            if nothing {
                return Err(Refusal::usage("name what is granted: --host, --unverified, --secret or --limit"));
            }
            let server = Server::new(&self.server)?;
            let path = format!("/v1/grants/{}", part(&self.script));
            server.send(server.request(Method::PUT, &path).json(&body)).await?;
            if self.json {
                say(&json!({"script": self.script, "granted": body}).to_string())?;
                return Ok(Exit::Succeeded);
            }
            let limits = self.limit.iter();
            let all: Vec<&str> =
                limits.chain(&self.host).chain(&self.unverified).chain(&self.secret).map(String::as_str).collect();
            say(&format!("{} may use {}", self.script, all.join(", ")))?;
            Ok(Exit::Succeeded)
        })
    }
}

impl RevokeArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || {
            let of = |kind: &'static str, names: &[String]| {
                names.iter().map(|name| (kind, name.clone())).collect::<Vec<_>>()
            };
            let all = [of("host", &self.host), of("secret", &self.secret), of("limit", &self.limit)].concat();
            if all.is_empty() {
                return Err(Refusal::usage("name what is taken back: --host, --secret or --limit"));
            }
            let server = Server::new(&self.server)?;
            for (kind, name) in &all {
                let path = format!("/v1/grants/{}/{kind}/{}", part(&self.script), part(name));
                server.send(server.request(Method::DELETE, &path)).await?;
            }
            if self.json {
                let all: Vec<Value> = all.iter().map(|(kind, name)| json!({"kind": kind, "name": name})).collect();
                say(&json!({"script": self.script, "revoked": all}).to_string())?;
                return Ok(Exit::Succeeded);
            }
            let names: Vec<&str> = all.iter().map(|(_, name)| name.as_str()).collect();
            say(&format!("{} may no longer use {}", self.script, names.join(", ")))?;
            Ok(Exit::Succeeded)
        })
    }
}
