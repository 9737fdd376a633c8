//! `cronbox deliveries`: the messages to channels.

use super::Exit;
use super::client::{Refusal, Server, ServerArgs, part, say, talk};
use super::list::list;
use super::table::{Cell, column};
use crate::api::DeliveryBody;
use clap::Args;
use reqwest::Method;

/// What `cronbox deliveries` takes.
#[derive(Debug, Args)]
pub(super) struct DeliveriesArgs {
    /// Only those to this channel
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// Only those in this state: waiting, sent or dead
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Only those of this alert
    #[arg(long, value_name = "ID")]
    alert: Option<String>,
    /// Only those about this script
    #[arg(long, value_name = "NAME")]
    script: Option<String>,
    /// Only those about this run
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Send one again, with the same id
    #[arg(long, value_name = "ID", conflicts_with_all = ["channel", "state", "alert", "script", "run"])]
    redeliver: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl DeliveriesArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || match &self.redeliver {
            Some(id) => self.redeliver(id).await,
            None => self.list().await,
        })
    }

    async fn redeliver(&self, id: &str) -> Result<Exit, Refusal> {
        let server = Server::new(&self.server)?;
        let request = server.request(Method::POST, &format!("/v1/deliveries/{}/redeliver", part(id)));
        let (text, delivery): (_, DeliveryBody) = server.ask(request).await?;
        say(&if self.json { text } else { format!("it is sent to {} again", delivery.channel) })?;
        Ok(Exit::Succeeded)
    }

    async fn list(&self) -> Result<Exit, Refusal> {
        let all = [
            ("channel", &self.channel),
            ("state", &self.state),
            ("alert", &self.alert),
            ("script", &self.script),
            ("run", &self.run),
        ];
        let mut path = format!("/v1/deliveries?limit={}", self.limit);
        for (name, value) in all {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", part(value)));
            }
        }
        let row = |delivery: &DeliveryBody| {
            vec![
                Cell::from(&*delivery.id),
                Cell::time(&delivery.created_at),
                delivery.channel.as_str().into(),
                Cell::or_dash(delivery.script.clone()),
                Cell::or_dash(delivery.text.clone()),
                delivery.kind.as_str().into(),
                delivery.state.as_str().into(),
                delivery.attempts.to_string().into(),
                Cell::or_dash(delivery.answer.clone()),
            ]
        };
        let columns = [
            column("ID"),
            column("AT"),
            column("CHANNEL"),
            column("SCRIPT").shrinks_to(8),
            column("ALERT").shrinks_to(8),
            column("KIND"),
            column("STATE"),
            column("TRIES").right().spare(),
            column("ANSWER").shrinks_to(10).spare(),
        ];
        list(&self.server, &path, self.json, &columns, row).await
    }
}
