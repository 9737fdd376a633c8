//! The schedules that a script brings along, and whose runs a schedule may follow.

use super::{KeepError, Keeper};
use crate::access::{self, Reach};
use crate::clock::Time;
use crate::computations::compute;
use crate::metadata::Metadata;
use crate::schedule::request::{self, BadSchedule, ReadContext};
use crate::schedule::{Link, NewSchedule, Origin, Schedule};
use crate::script::{Name, Settings};
use crate::store::{Store, StoreError};
use crate::trigger::Budget;
use serde_json::{Map, Value as Json};

impl Keeper {
    /// The schedules that a script brings along. Those without an id are called as the script is, and numbered from the
    /// second on.
    pub(super) async fn schedules(
        &self,
        script: &Name,
        metadata: &Metadata,
        set: Option<&Settings>,
        (reach, with_priority): (&Reach, bool),
        now: Time,
    ) -> Result<Vec<NewSchedule>, KeepError> {
        let zone = set.and_then(|set| set.timezone.as_deref()).or(metadata.cronbox.timezone.as_deref());
        let timezone = zone.unwrap_or(&self.timezone).to_owned();
        let mut wanted: Vec<(Map<String, Json>, Name, Option<Schedule>)> = Vec::new();
        for (number, asked) in (1..).zip(&metadata.schedules) {
            let bad = |field: &str, why: String| {
                let line = metadata.line_of_schedule(number - 1, field);
                let (code, field) = ("bad_schedule", format!("schedules.{field}"));
                KeepError::Schedule(BadSchedule { code, field, why, at: None, line })
            };
            let id = match asked.get("id") {
                Some(Json::String(id)) => Name::parse(id).map_err(|error| bad("id", error.to_string()))?,
                Some(_) => return Err(bad("id", "a schedule's id is a text".into())),
                None if number == 1 => script.clone(),
                None => Name::parse(&format!("{script}-{number}")).map_err(|error| bad("id", error.to_string()))?,
            };
            if asked.contains_key("script") {
                return Err(bad("script", "a script's own schedules start the script itself".into()));
            }
            let existing = self.store.schedule(id.key()).await?;
            if let Some(other) =
                existing.as_ref().filter(|other| other.origin != Origin::Metadata || other.script != script.key())
            {
                // Who is limited to some scripts does not learn the names of others.
                let of = if reach.is_all() { format!(", of {}", other.script_name) } else { String::new() };
                let why = format!(
                    "there is a schedule {} already{of}, which is not of this script's block: delete it first, or give the \
                     block's another id",
                    other.id
                );
                return Err(bad("id", why));
            }
            if wanted.iter().any(|(_, other, _)| other.key() == id.key()) {
                return Err(bad("id", format!("two of the script's schedules are called {id}")));
            }
            wanted.push((asked.clone(), id, existing));
        }
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let found: Vec<Option<Schedule>> = wanted.iter().map(|(_, _, existing)| existing.clone()).collect();
        let key = script.key().to_owned();
        let read = move || {
            // One budget for all: a script is no way around it.
            let budget = Budget::whole();
            let read = |(asked, id, existing): (Map<String, Json>, Name, Option<Schedule>)| {
                let (existing, origin) = (existing.as_ref(), Origin::Metadata);
                let context = ReadContext { timezone: &timezone, now, origin, existing, jitter: 0.5 };
                request::read_within(&asked, &id, &key, &context, &budget)
            };
            let all = wanted.into_iter().map(read).enumerate();
            all.map(|(at, new)| new.map_err(|error| (at, error))).collect::<Result<Vec<_>, _>>()
        };
        let refused = |(at, error): (usize, BadSchedule)| {
            let line = metadata.line_of_schedule(at, &error.field);
            KeepError::Schedule(BadSchedule { field: format!("schedules.{}", error.field), line, ..error })
        };
        let mut schedules = compute(script.key(), "the script's schedules", read).await?.map_err(refused)?;
        for (at, (new, existing)) in schedules.iter_mut().zip(&found).enumerate() {
            check_upstreams(&self.store, reach, new, existing.as_ref()).await.map_err(|error| match error {
                UpstreamError::OutOfReach(error) => refused((at, error)),
                UpstreamError::Store(error) => error.into(),
            })?;
            let had = existing.as_ref().and_then(|existing| existing.settings.priority);
            if !with_priority && let Some(why) = access::needs_grant(new.settings.priority, had) {
                return Err(KeepError::NotAllowed(format!("schedules.priority: {why}")));
            }
        }
        Ok(schedules)
    }
}

/// The code of an error of access: a script that the caller may not touch.
pub const OUT_OF_REACH: &str = "script_out_of_reach";

/// Why a schedule may not follow what it asks to follow.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// It names a script that whoever keeps it may not touch.
    #[error("{0}")]
    OutOfReach(BadSchedule),
    /// The database did not say.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Decides whose runs may start a schedule, for it hands on what they return: those of the scripts that whoever keeps it may
/// touch. A script that is named must be one of them; `after *` and `after label …` are kept, and follow no others. What
/// stays as somebody with a wider reach has made it stays theirs.
pub async fn check_upstreams(
    store: &Store,
    reach: &Reach,
    new: &mut NewSchedule,
    existing: Option<&Schedule>,
) -> Result<(), UpstreamError> {
    let is_same = |existing: &&Schedule| {
        let links = existing.trigger.parsed().and_then(|trigger| Link::of(&trigger));
        existing.script == new.script && links.is_ok_and(|links| links == new.links)
    };
    if let Some(existing) = existing.filter(is_same) {
        new.reach = existing.reach.clone();
        return Ok(());
    }
    new.reach = reach.clone();
    if reach.is_all() {
        return Ok(());
    }
    for link in &new.links {
        let Some(key) = link.upstream.strip_prefix("script:") else { continue };
        let labels = store.script(key).await?.map(|script| script.in_force().labels).unwrap_or_default();
        if !reach.covers(key, &labels) {
            let why = format!("this token is limited to other scripts than {key}, whose result the schedule would get");
            let field = "trigger".to_owned();
            return Err(UpstreamError::OutOfReach(BadSchedule {
                code: OUT_OF_REACH,
                field,
                why,
                at: None,
                line: None,
            }));
        }
    }
    Ok(())
}
