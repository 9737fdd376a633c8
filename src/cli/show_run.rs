//! A run, for people.

use super::client::{Refusal, plain, say};
use super::times::{Times, millis};
use super::view::view;
use crate::api::{AttemptBody, LimitsBody, RunBody};
use crate::quantity;
use serde_json::Value;
use std::time::Duration;

/// One line: what, and what of it.
fn line(name: &str, text: &str) -> Result<(), Refusal> {
    say(&format!("{name:<10} {text}"))
}

/// Shows a run; `text` is the server's document.
pub(super) fn show(run: &RunBody, text: &str) -> Result<(), Refusal> {
    let version = run.version.map(|version| format!(" version {version}")).unwrap_or_default();
    say(&format!("{} · {}{version} · {}", run.id, run.script, view().status(&run.status)))?;
    if let Some(reason) = &run.reason {
        line("reason", &plain(reason, 500))?;
    }
    why(run)?;
    times(run)?;
    line("args", &plain(&run.args.to_string(), 2_000))?;
    if !run.argv.is_empty() {
        line("argv", &plain(&run.argv.join(" "), 2_000))?;
    }
    if !run.labels.is_empty() {
        let labels: Vec<String> = run.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        line("labels", &plain(&labels.join(", "), 500))?;
    }
    costs(run)?;
    if !run.result.is_null() {
        line("result", &plain(&run.result.to_string(), 10_000))?;
    }
    if run.files.count > 0 {
        let size = quantity::bytes(run.files.bytes);
        let next = format!("`cronbox runs files {}`", short_id(&run.id));
        line("files", &format!("{} · {size} · {next}", run.files.count))?;
    }
    output(run)?;
    if let Some(code) = exit_code(text) {
        line("exit code", &code.to_string())?;
    }
    if let Some(error) = &run.error {
        line("error", &format!("{}: {}", error.kind, plain(&error.message, 1000)))?;
        for line in error.traceback.lines() {
            say(&format!("  {}", plain(line, 1000)))?;
        }
    }
    run.notes.iter().try_for_each(|note| line("note", &plain(note, 1000)))
}

/// Why it was made, and of what.
fn why(run: &RunBody) -> Result<(), Refusal> {
    let schedule = run.schedule.as_ref().map(|id| format!(" of the schedule {id}")).unwrap_or_default();
    line("cause", &format!("{}{schedule}", run.cause))?;
    if let Some(due) = &run.fire_time {
        let local = run.fire_local.as_deref().filter(|local| !local.ends_with("+00:00"));
        let there = local.map(|local| format!(" · there {}", local.replace('T', " "))).unwrap_or_default();
        line("fire time", &format!("{}{there}", Times::here().full(due)))?;
    }
    if let (Some(until), Some(count)) = (&run.fire_time_until, run.count) {
        line("until", &format!("{} · {count} fire times", Times::here().full(until)))?;
    }
    for (name, other) in [("upstream", &run.upstream), ("retry of", &run.retry_of), ("instead", &run.stood_in_by)] {
        if let Some(other) = other {
            line(name, other)?;
        }
    }
    Ok(())
}

/// One line per attempt: which, when, how it ended, what it used.
pub(super) fn show_attempt(attempt: &AttemptBody) -> Result<(), Refusal> {
    let outcome = attempt.outcome.as_deref().unwrap_or("running");
    let mut text = format!("{} · {}", Times::here().full(&attempt.started_at), view().status(outcome));
    if let Some(usage) = &attempt.usage {
        let wall = millis(usage.wall_ms);
        let (fuel, memory) = (quantity::fuel(usage.fuel), quantity::bytes(usage.peak_memory_bytes));
        text.push_str(&format!(" · {wall} · {fuel} · {memory}"));
    }
    line(&format!("attempt {}", attempt.number), &text)?;
    match &attempt.error {
        Some(error) => line("", &plain(error, 200)),
        None => Ok(()),
    }
}

fn times(run: &RunBody) -> Result<(), Refusal> {
    let times = Times::here();
    line("created", &times.full(&run.created_at))?;
    if run.run_at != run.created_at && run.started_at.is_none() {
        line("not before", &times.full(&run.run_at))?;
    }
    if let Some(started) = &run.started_at {
        let late = run.lateness_ms.map(millis);
        line(
            "started",
            &format!("{}{}", times.full(started), late.map(|late| format!(" · waited {late}")).unwrap_or_default()),
        )?;
    }
    if let Some(finished) = &run.finished_at {
        line("finished", &times.full(finished))?;
    }
    let lost = if run.lost_attempts > 0 { format!(" · {} lost", run.lost_attempts) } else { String::new() };
    line("attempt", &format!("{}{lost}", run.attempt))
}

fn costs(run: &RunBody) -> Result<(), Refusal> {
    line("limits", &limits(&run.limits))?;
    for refused in &run.not_granted {
        line("", &format!("{} {} is not granted ({})", refused.what, refused.asked, refused.in_force))?;
    }
    let Some(usage) = &run.usage else { return Ok(()) };
    let wall = millis(usage.wall_ms);
    let (fuel, memory) = (quantity::fuel(usage.fuel), quantity::bytes(usage.peak_memory_bytes));
    line("used", &format!("{wall} · {fuel} · {memory}"))?;
    if usage.import_fuel > 0 {
        line("", &format!("and {} to import its packages, which does not count", quantity::fuel(usage.import_fuel)))?;
    }
    for host in &usage.network {
        let (received, sent) = (quantity::bytes(host.received_bytes), quantity::bytes(host.sent_bytes));
        let connections = quantity::count(usize::try_from(host.connections).unwrap_or(usize::MAX), "connection");
        line("network", &format!("{} · {connections} · {received} in · {sent} out", host.host))?;
    }
    Ok(())
}

/// `60 s · 200 G fuel · 256 MiB · output 1 MiB`
fn limits(limits: &LimitsBody) -> String {
    let timeout = Duration::try_from_secs_f64(limits.timeout).unwrap_or(Duration::MAX);
    let (memory, output) = (quantity::bytes(limits.memory), quantity::bytes(limits.output));
    format!("{} · {} · {memory} · output {output}", quantity::duration(timeout), quantity::fuel(limits.fuel))
}

fn output(run: &RunBody) -> Result<(), Refusal> {
    let of =
        |bytes: u64, truncated: bool| format!("{}{}", quantity::bytes(bytes), if truncated { " (cut)" } else { "" });
    if run.stdout.bytes + run.stderr.bytes == 0 {
        return Ok(());
    }
    let (stdout, stderr) = (of(run.stdout.bytes, run.stdout.truncated), of(run.stderr.bytes, run.stderr.truncated));
    line("output", &format!("{stdout}, standard error {stderr} · `cronbox logs {}`", short_id(&run.id)))
}

/// So much of an id as tells one run from others.
pub(super) fn short_id(id: &str) -> &str {
    id.get(..18).unwrap_or(id)
}

/// What the script gave to `sys.exit`, where the server tells it.
pub(super) fn exit_code(run: &str) -> Option<i64> {
    serde_json::from_str::<Value>(run).ok()?.get("exit_code")?.as_i64().filter(|code| *code != 0)
}
