//! A schedule and its fire times, for people.

use super::client::{Refusal, plain, say};
use super::table::{Cell, Table, column};
use super::times::Times;
use super::view::view;
use crate::api::{FireBody, ScheduleBody};

/// One line: what, and what of it.
fn line(name: &str, text: &str) -> Result<(), Refusal> {
    say(&format!("{name:<9} {text}"))
}

pub(super) fn show(schedule: &ScheduleBody) -> Result<(), Refusal> {
    let times = Times::here();
    let reason = schedule.reason.as_ref().map(|reason| format!(" ({})", plain(reason, 200))).unwrap_or_default();
    let state = view().status(&schedule.state);
    say(&format!("{} starts {} · {state}{reason}", schedule.id, schedule.script))?;
    line("trigger", &plain(&schedule.text, 500))?;
    for note in &schedule.notes {
        line("note", &plain(note, 500))?;
    }
    if let Some(next) = &schedule.next_fire_at {
        line("next", &times.full(next))?;
    }
    if let Some(last) = &schedule.last_run {
        let due = last.fire_time.as_ref().map(|due| format!(" · due {}", times.full(due))).unwrap_or_default();
        line("last run", &format!("{} {}{due}", view().status(&last.status), last.id))?;
    }
    let grace = schedule.misfire_grace_time.map_or_else(|| "any".to_owned(), |grace| format!("{grace} s"));
    line(
        "policies",
        &format!(
            "misfire_grace_time {grace}, coalesce {}, max_instances {}, overlap {}",
            schedule.coalesce, schedule.max_instances, schedule.overlap
        ),
    )?;
    for refused in &schedule.not_granted {
        line("limit", &format!("{} {} is not granted ({})", refused.what, refused.asked, refused.in_force))?;
    }
    Ok(())
}

/// Fire times: as instants, and as clocks in the trigger's zone show them.
pub(super) fn fires(fires: &[FireBody], zone: &str) -> Result<(), Refusal> {
    let row = |fire: &FireBody| {
        let utc = fire.at.replace('T', " ");
        let (local, note) = (fire.local.replace('T', " "), fire.note.clone().unwrap_or_default());
        vec![Cell::from(local), utc.trim_end_matches('Z').into(), note.into()]
    };
    let (local, spare) = (column("LOCAL"), column("NOTE").shrinks_to(12));
    let mut table = Table::of(&[local, column("UTC"), spare], fires, row);
    if !matches!(zone, "UTC" | "Etc/UTC") {
        table.rename(0, zone);
    }
    table.print()
}
