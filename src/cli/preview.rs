//! What a trigger means, without a server: `cronbox schedule preview`.

use super::Exit;
use super::client::{Refusal, say};
use super::schedule_options::typed;
use super::show_schedule::fires;
use super::times::Times;
use crate::api::FireBody;
use crate::clock::Clock;
use crate::schedule::request;
use crate::trigger::MAX_PREVIEW;
use crate::zone;
use serde_json::json;
use std::path::PathBuf;

pub(super) fn preview(
    trigger: &str,
    from: Option<&str>,
    count: usize,
    timezone: Option<&str>,
    tzdata: Option<PathBuf>,
    as_json: bool,
) -> Result<Exit, Refusal> {
    if let Some(folder) = tzdata {
        let zones = zone::Zones::from_dir(&folder).map_err(|error| Refusal::usage(format!("--tzdata: {error}")))?;
        zone::install(zones);
    }
    if !(1..=MAX_PREVIEW).contains(&count) {
        return Err(Refusal::usage(format!("--count: between 1 and {MAX_PREVIEW}")));
    }
    let now = Clock::system().now();
    let from = match from {
        None => now,
        Some(text) => Times::here().instant(text).map_err(|why| Refusal::usage(format!("--from: {why}")))?,
    };
    let usage = |error: request::BadSchedule| Refusal::usage(error.to_string());
    let trigger = request::read_trigger(&typed(trigger), timezone.unwrap_or("UTC"), from).map_err(usage)?;
    let wrong = |error| usage(request::BadSchedule::trigger(&error));
    trigger.validate(from.min(now)).map_err(wrong)?;
    let found: Vec<FireBody> = trigger.preview(from, count).map_err(wrong)?.iter().map(FireBody::from).collect();
    if as_json {
        say(&json!({"fires": found}).to_string())?;
        return Ok(Exit::Succeeded);
    }
    say(&trigger.to_string())?;
    for note in trigger.notes() {
        say(&format!("note: {note}"))?;
    }
    fires(&found, trigger.zone().name())?;
    Ok(Exit::Succeeded)
}
