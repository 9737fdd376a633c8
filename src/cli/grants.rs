//! `cronbox grants`, `grant`, `revoke`: what scripts may do beyond the default.

use super::Exit;
use super::client::{Refusal, Server, ServerArgs, list, moment, part, plain, say, talk};
use crate::api::GrantBody;
use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

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
    #[command(flatten)]
    server: ServerArgs,
}

impl GrantsArgs {
    pub(super) fn execute(self) -> Exit {
        let row = |grant: &GrantBody| {
            let (script, kind, value) = (grant.script.clone(), grant.kind.clone(), grant.value.clone());
            vec![script, kind, plain(&grant.name, 80), value, moment(&grant.created_at)]
        };
        let head = ["SCRIPT", "KIND", "NAME", "VALUE", "SINCE"];
        talk(async || list(&self.server, "/v1/grants", self.json, &head, row).await)
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
            let server = Server::new(&self.server)?;
            let path = format!("/v1/grants/{}", part(&self.script));
            server.send(server.request(Method::PUT, &path).json(&body)).await?;
            say(&format!("{} has it: see cronbox grants", self.script))?;
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
            for (kind, name) in all {
                let path = format!("/v1/grants/{}/{kind}/{}", part(&self.script), part(&name));
                server.send(server.request(Method::DELETE, &path)).await?;
            }
            say(&format!("taken back from {}", self.script))?;
            Ok(Exit::Succeeded)
        })
    }
}
