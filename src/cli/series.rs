//! `cronbox series`: a value of a script's results over time.

use super::Exit;
use super::absent::tell_why_empty;
use super::client::{Refusal, Server, ServerArgs, all_pages, part, plain, say, talk};
use super::show_run::short_id;
use super::table::{Cell, Column, Table, column};
use super::times::Times;
use crate::api::PointBody;
use crate::chart::Aggregate;
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;

/// What `cronbox series` takes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cronbox series tea /price                              each run's price
  cronbox series tea /price --since 7d --bucket 1d       the average of each day, for a week
  cronbox series tea /price --bucket 1h --agg max --json")]
pub(super) struct SeriesArgs {
    /// The script
    script: String,
    /// Where the value is in the result, as a JSON Pointer: /price, /items/0/price; \"\" for the whole result
    path: String,
    /// From then on: 2026-01-31, yesterday, or 24h, 7d ago [default: all that is kept]
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// One value for each slot of this width, such as 1h or 1d
    #[arg(long, value_name = "DURATION")]
    bucket: Option<String>,
    /// How the values of a slot become one [default: avg]
    #[arg(
        long, value_name = "HOW", requires = "bucket",
        value_parser = PossibleValuesParser::new(Aggregate::WORDS)
    )]
    agg: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// The columns of `cronbox series`.
pub(super) const COLUMNS: [Column; 3] = [column("AT"), column("VALUE").right().shrinks_to(10), column("RUN").spare()];

pub(super) fn row(point: &PointBody) -> Vec<Cell> {
    let of = match (&point.run, point.count) {
        (Some(run), _) => Some(short_id(run).to_owned()),
        (None, count) => count.map(|count| count.to_string()),
    };
    vec![Cell::time(&point.at), plain(point.value.get(), 200).into(), Cell::or_dash(of)]
}

impl SeriesArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || self.act().await)
    }

    async fn act(&self) -> Result<Exit, Refusal> {
        let since = self.since.as_deref().map(|since| Times::here().typed(since)).transpose();
        let since = since.map_err(|why| Refusal::usage(format!("--since: {why}")))?;
        let server = Server::new(&self.server)?;
        let mut query = vec![("path", pointer(&self.path))];
        query.extend(since.map(|since| ("since", since)));
        query.extend(self.bucket.clone().map(|bucket| ("bucket", bucket)));
        query.extend(self.agg.clone().map(|agg| ("agg", agg)));
        let path = format!("/v1/scripts/{}/series", part(&self.script));
        let points: Vec<PointBody> = all_pages(&server, &path, &query).await?;
        if self.json {
            say(&json!({"items": points}).to_string())?;
            return Ok(Exit::Succeeded);
        }
        let mut table = Table::of(&COLUMNS, &points, row);
        if self.bucket.is_some() {
            table.rename(2, "VALUES");
        }
        table.print()?;
        if points.is_empty() {
            tell_why_empty(&server, "values", std::slice::from_ref(&self.script), None).await?;
        }
        Ok(Exit::Succeeded)
    }
}

/// A JSON Pointer. A name alone is meant as one, too: no pointer is written so.
fn pointer(typed: &str) -> String {
    if typed.is_empty() || typed.starts_with('/') { typed.to_owned() } else { format!("/{typed}") }
}
