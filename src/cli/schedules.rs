//! `cronbox schedules`: schedules on a server.

use super::Exit;
use super::absent::tell_why_empty;
use super::client::{Refusal, Server, ServerArgs, all_of, plain, say, talk};
use super::table::{Cell, Column, Table, column};
use crate::api::ScheduleBody;
use clap::Args;

/// What `cronbox schedules` takes.
#[derive(Debug, Args)]
pub(super) struct SchedulesArgs {
    /// Of this script; repeatable
    #[arg(long)]
    script: Vec<String>,
    /// In this state: active, paused, finished
    #[arg(long)]
    state: Option<String>,
    /// What fires until then, sorted by time: 24h or 7d from now, or a time such as 2026-01-31T09:00:00Z
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// The columns of `cronbox schedules`.
pub(super) const COLUMNS: [Column; 6] = [
    column("ID").shrinks_to(10),
    column("SCRIPT").shrinks_to(10),
    column("STATE"),
    column("NEXT"),
    column("LAST RUN"),
    column("TRIGGER").shrinks_to(14),
];

pub(super) fn row(schedule: &ScheduleBody) -> Vec<Cell> {
    let next = schedule.next_fire_at.clone().filter(|_| schedule.state == "active");
    vec![
        Cell::from(&*schedule.id),
        schedule.script.as_str().into(),
        Cell::status(&schedule.state),
        Cell::Time(next),
        schedule.last_run.as_ref().map_or_else(|| Cell::from("-"), |run| Cell::status(&run.status)),
        plain(&schedule.text, 200).into(),
    ]
}

impl SchedulesArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || {
            let server = Server::new(&self.server)?;
            let mut filter: Vec<(&str, String)> = self.script.iter().map(|script| ("script", script.clone())).collect();
            filter.extend(self.state.clone().map(|state| ("state", state)));
            filter.extend(self.until.clone().map(|until| ("until", until)));
            let all = all_of(&server, &filter).await?;
            if self.json {
                let items = serde_json::to_string(&all).map_err(Refusal::unavailable)?;
                say(&format!("{{\"items\":{items}}}"))?;
                return Ok(Exit::Succeeded);
            }
            Table::of(&COLUMNS, &all, row).print()?;
            if all.is_empty() {
                tell_why_empty(&server, "schedules", &self.script, None).await?;
            }
            Ok(Exit::Succeeded)
        })
    }
}
