//! `cronbox events`: what happened on a server, and what happens.

use super::Exit;
use super::client::{Refusal, Server, ServerArgs, moment, plain, say, table, talk};
use crate::api::{EventBody, FeedBody};
use clap::Args;
use reqwest::{Method, header};
use serde_json::json;

/// What `cronbox events` takes.
#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    /// Go on: show what happens as it happens
    #[arg(short, long)]
    follow: bool,
    /// Of this type, such as run_failed or schedule_paused; repeatable
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Of this script; repeatable
    #[arg(long)]
    script: Vec<String>,
    /// Of this schedule
    #[arg(long)]
    schedule: Option<String>,
    /// From then on: a time, or 24h, 7d ago [default: all that is kept; with --follow, from now on]
    #[arg(long)]
    since: Option<String>,
    /// After the event with this id
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// At most so many [default: 100]
    #[arg(long, conflicts_with = "follow")]
    limit: Option<usize>,
    /// Print one JSON document; with --follow, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

fn row(event: &EventBody) -> Vec<String> {
    let why = match (&event.error, &event.reason, event.count) {
        (Some(error), ..) => format!("{}: {}", error.kind, error.message),
        (None, Some(reason), Some(count)) => format!("{reason}, {count} fire times"),
        (None, reason, _) => reason.clone().unwrap_or_default(),
    };
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    vec![
        moment(&event.at),
        event.type_name.clone(),
        or_dash(&event.script),
        or_dash(&event.schedule),
        event.run.as_ref().map_or_else(|| "-".into(), |run| run[..18].to_owned()),
        plain(&why, 80),
    ]
}

impl EventsArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || self.act().await)
    }

    async fn act(&self) -> Result<Exit, Refusal> {
        let server = Server::new(&self.server)?;
        let mut query: Vec<(&str, String)> = Vec::new();
        query.extend(self.types.iter().map(|word| ("type", word.clone())));
        query.extend(self.script.iter().map(|script| ("script", script.clone())));
        query.extend(self.schedule.clone().map(|schedule| ("schedule", schedule)));
        query.extend(self.since.clone().map(|since| ("since", since)));
        if self.follow {
            return self.follow(&server, query).await;
        }
        let most = self.limit.unwrap_or(100).max(1);
        let (mut all, mut cursor, mut more) = (Vec::new(), self.after.clone(), true);
        while more && all.len() < most {
            let mut query = query.clone();
            query.push(("limit", (most - all.len()).min(1000).to_string()));
            query.extend(cursor.clone().map(|cursor| ("cursor", cursor)));
            let (_, page): (_, FeedBody) = server.ask(server.request(Method::GET, "/v1/events").query(&query)).await?;
            all.extend(page.items);
            (cursor, more) = (Some(page.cursor), page.next_cursor.is_some());
        }
        if self.json {
            let next = cursor.clone().filter(|_| more);
            say(&json!({"items": all, "next_cursor": next, "cursor": cursor}).to_string())?;
        } else {
            table(&["AT", "TYPE", "SCRIPT", "SCHEDULE", "RUN", "WHY"], &all.iter().map(row).collect::<Vec<_>>())?;
        }
        Ok(Exit::Succeeded)
    }

    async fn follow(&self, server: &Server, mut query: Vec<(&str, String)>) -> Result<Exit, Refusal> {
        query.extend(self.after.clone().map(|after| ("cursor", after)));
        let request =
            || server.request(Method::GET, "/v1/events").query(&query).header(header::ACCEPT, "text/event-stream");
        server
            .follow(request, |told| {
                if self.json && !told.data.is_null() {
                    say(&told.data.to_string())?;
                } else if let Ok(event) = serde_json::from_value::<EventBody>(told.data) {
                    say(&row(&event).join("  "))?;
                }
                Ok(None)
            })
            .await
    }
}
