//! `cronbox audit`: who changed what.

use super::Exit;
use super::client::{ServerArgs, part, talk};
use super::list::list;
use super::table::{Cell, column};
use crate::api::AuditBody;
use clap::Args;

/// What `cronbox audit` takes.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// Only those of this kind of caller: token, session, local or server
    #[arg(long, value_name = "KIND")]
    actor: Option<String>,
    /// Only those of the token with this id; `--token` is the caller's own
    #[arg(long, value_name = "ID")]
    by: Option<String>,
    /// Only those of this operation of the API, such as put_script
    #[arg(long, value_name = "NAME")]
    action: Option<String>,
    /// Only those about this, or what is below it, such as scripts/price
    #[arg(long, value_name = "PATH")]
    object: Option<String>,
    /// Only those with this outcome: done or refused
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,
    /// Only those of the request with this id
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Only those then or later: 24h, 7d ago, or a time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those before: 24h, 7d ago, or a time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl AuditArgs {
    pub(super) fn execute(self) -> Exit {
        let all = [
            ("actor", &self.actor),
            ("token", &self.by),
            ("action", &self.action),
            ("object", &self.object),
            ("outcome", &self.outcome),
            ("request", &self.request),
            ("since", &self.since),
            ("until", &self.until),
        ];
        let mut path = format!("/v1/audit?limit={}", self.limit);
        for (name, value) in all {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", part(value)));
            }
        }
        let row = |entry: &AuditBody| {
            vec![
                Cell::time(&entry.at),
                entry.token_name.as_deref().unwrap_or(&entry.actor).into(),
                Cell::or_dash(entry.address.clone()),
                entry.action.as_str().into(),
                entry.object.as_str().into(),
                entry.outcome.as_str().into(),
                Cell::or_dash(entry.detail.clone()),
            ]
        };
        let columns = [
            column("AT"),
            column("WHO").shrinks_to(8),
            column("FROM").spare(),
            column("ACTION"),
            column("OBJECT").shrinks_to(12),
            column("OUTCOME"),
            column("DETAIL").shrinks_to(8).spare(),
        ];
        talk(async || list(&self.server, &path, self.json, &columns, row).await)
    }
}
