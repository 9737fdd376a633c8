//! `cronbox events`: what happened on a server, and what happens.

use super::Exit;
use super::absent::tell_why_empty;
use super::client::{Refusal, Server, ServerArgs, plain, say, talk};
use super::show_run::short_id;
use super::table::{Cell, Column, Table, column};
use super::times::{Times, read};
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
    /// From then on: 2026-01-31, yesterday, or 24h, 7d ago [default: all that is kept; with --follow, from now on]
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// After the event with this id, the oldest first
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// At most so many, the newest ones [default: 100]
    #[arg(long, conflicts_with = "follow")]
    limit: Option<usize>,
    /// Print one JSON document; with --follow, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// The columns of `cronbox events`.
pub(super) const COLUMNS: [Column; 6] = [
    column("AT"),
    column("TYPE"),
    column("SCRIPT").shrinks_to(8),
    column("SCHEDULE").shrinks_to(8),
    column("RUN").spare(),
    column("WHY").shrinks_to(12),
];

/// The first windows of time that are looked through for the newest events; then all that is kept.
const WINDOWS: [&str; 5] = ["1m", "15m", "3h", "2d", "14d"];

fn why(event: &EventBody) -> String {
    match (&event.error, &event.reason, event.count) {
        (Some(error), ..) => format!("{}: {}", error.kind, error.message),
        (None, Some(reason), Some(count)) => format!("{reason}, {count} fire times"),
        (None, reason, _) => reason.clone().unwrap_or_default(),
    }
}

pub(super) fn row(event: &EventBody) -> Vec<Cell> {
    vec![
        Cell::time(&event.at),
        event.type_name.as_str().into(),
        Cell::or_dash(event.script.as_deref()),
        Cell::or_dash(event.schedule.as_deref()),
        Cell::or_dash(event.run.as_deref().map(short_id)),
        plain(&why(event), 200).into(),
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
        let since = self.since.as_deref().map(|since| Times::here().typed(since)).transpose();
        let since = since.map_err(|why| Refusal::usage(format!("--since: {why}")))?;
        query.extend(since.clone().map(|since| ("since", since)));
        if self.follow {
            return self.follow(&server, query).await;
        }
        let most = self.limit.unwrap_or(100).max(1);
        let (all, cursor, more) = match (&self.after, since) {
            // From a place on, page by page: nothing is left out.
            (Some(after), _) => pages(&server, &query, Some(after.clone()), most).await?,
            (None, Some(_)) => newest_of(pages(&server, &query, None, usize::MAX).await?, most),
            (None, None) => newest(&server, &query, most).await?,
        };
        if self.json {
            let next = cursor.clone().filter(|_| more);
            say(&json!({"items": all, "next_cursor": next, "cursor": cursor}).to_string())?;
        } else {
            Table::of(&COLUMNS, &all, row).print()?;
            if all.is_empty() {
                tell_why_empty(&server, "events", &self.script, self.schedule.as_deref()).await?;
            }
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
                    say(&line(&event))?;
                }
                Ok(None)
            })
            .await
    }
}

/// An event on a line of its own: when, what, of what, why.
pub(super) fn line(event: &EventBody) -> String {
    let at = read(&event.at).map_or_else(|| event.at.clone(), |at| Times::here().local(at));
    let what = [&event.script, &event.schedule].into_iter().flatten().cloned();
    let run = event.run.as_deref().map(|run| short_id(run).to_owned());
    let parts: Vec<String> =
        [at, event.type_name.clone()].into_iter().chain(what).chain(run).chain(Some(why(event))).collect();
    plain(parts.join("  ").trim_end(), 1_000)
}

/// Events, where they end, and whether there are more behind.
type Found = (Vec<EventBody>, Option<String>, bool);

/// Events from a place on, the oldest first.
async fn pages(
    server: &Server,
    query: &[(&str, String)],
    after: Option<String>,
    most: usize,
) -> Result<Found, Refusal> {
    let (mut all, mut cursor, mut more) = (Vec::new(), after, true);
    while more && all.len() < most {
        let mut query = query.to_vec();
        // Where an earlier page ended, that says where to go on.
        if cursor.is_some() {
            query.retain(|(name, _)| *name != "since");
        }
        query.push(("limit", (most - all.len()).min(1000).to_string()));
        query.extend(cursor.clone().map(|cursor| ("cursor", cursor)));
        let (_, page): (_, FeedBody) = server.ask(server.request(Method::GET, "/v1/events").query(&query)).await?;
        all.extend(page.items);
        (cursor, more) = (Some(page.cursor), page.next_cursor.is_some());
    }
    Ok((all, cursor, more))
}

/// The last ones of those that were found.
fn newest_of((mut all, cursor, more): Found, most: usize) -> Found {
    all.drain(..all.len().saturating_sub(most));
    (all, cursor, more)
}

/// The newest events: from a short time back on, from longer and longer ago until there are enough.
async fn newest(server: &Server, query: &[(&str, String)], most: usize) -> Result<Found, Refusal> {
    for window in WINDOWS {
        let mut query = query.to_vec();
        query.push(("since", window.to_owned()));
        let found = pages(server, &query, None, usize::MAX).await?;
        if found.0.len() >= most {
            return Ok(newest_of(found, most));
        }
    }
    Ok(newest_of(pages(server, query, None, usize::MAX).await?, most))
}
