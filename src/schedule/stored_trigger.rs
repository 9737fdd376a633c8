//! The trigger of a schedule as it is stored.

use crate::clock::Time;
use crate::panics;
use crate::trigger::{Defaults, Trigger};
use crate::zone;
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The trigger of a schedule: its JSON, and the trigger that it is parsed to.
///
/// Parsing takes up to some milliseconds, and many who read a schedule's row do not ask for its trigger: it is parsed when
/// it is first asked for, once. Clones share it.
#[derive(Clone)]
pub struct StoredTrigger(Arc<Stored>);

struct Stored {
    json: Value,
    /// When an interval begins that does not say it.
    made_at: Time,
    parsed: OnceLock<Result<Arc<Trigger>, String>>,
}

impl StoredTrigger {
    /// What a row holds, of a schedule that was made at `made_at`.
    pub fn from_row(json: Value, made_at: Time) -> Self {
        StoredTrigger(Arc::new(Stored { json, made_at, parsed: OnceLock::new() }))
    }

    /// A trigger that is to be stored.
    pub fn of(trigger: Trigger, made_at: Time) -> Self {
        let json = trigger.to_json();
        StoredTrigger(Arc::new(Stored { json, made_at, parsed: OnceLock::from(Ok(Arc::new(trigger))) }))
    }

    /// Its JSON, which is complete: nothing is taken from its surroundings. Two triggers are the same when this is.
    pub fn json(&self) -> &Value {
        &self.0.json
    }

    /// When it fires, as text; a sentence in its place when it cannot be read.
    pub fn text(&self) -> String {
        match self.parsed() {
            Ok(trigger) => trigger.to_string(),
            Err(why) => format!("a trigger that cannot be read: {why}"),
        }
    }

    /// The trigger.
    ///
    /// # Errors
    /// A sentence: what was stored by another version may not be readable by this one.
    pub fn parsed(&self) -> Result<Arc<Trigger>, String> {
        self.0.parsed.get_or_init(|| self.0.parse().map(Arc::new)).clone()
    }
}

impl Stored {
    fn parse(&self) -> Result<Trigger, String> {
        let zones = zone::installed();
        let utc = zones.get("UTC").map_err(|error| error.to_string())?;
        let defaults = Defaults { zones: zones.clone(), timezone: utc, now: self.made_at };
        let parsed = panics::caught("the trigger", || Trigger::from_stored(&self.json, &defaults));
        parsed.map_err(|panicked| panicked.to_string())?.map_err(|error| error.to_string())
    }
}

impl PartialEq for StoredTrigger {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl fmt::Debug for StoredTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.json().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;
    use serde_json::json;

    #[test]
    fn a_row_is_parsed_once_and_its_clones_share_that() {
        let stored = StoredTrigger::from_row(json!({"type": "interval", "seconds": 10}), from_micros(7_000_000));
        let clone = stored.clone();
        let trigger = stored.parsed().expect("reads");
        assert!(Arc::ptr_eq(&trigger, &clone.parsed().expect("reads")));
        let first = trigger.fires_between(from_micros(0), from_micros(60_000_000), 1).expect("computes");
        assert_eq!(first.fires[0].at, from_micros(7_000_000));
        // What is made of the trigger again is as it is stored then: complete.
        let again = StoredTrigger::of((*trigger).clone(), from_micros(7_000_000));
        assert_eq!(*again.json(), trigger.to_json());
        assert_eq!(StoredTrigger::from_row(again.json().clone(), from_micros(0)), again);
    }

    #[test]
    fn a_row_that_cannot_be_parsed_says_why_each_time() {
        let stored = StoredTrigger::from_row(json!({"type": "sundial"}), from_micros(0));
        let why = stored.parsed().expect_err("refuses");
        assert!(why.contains("sundial"), "{why}");
        assert_eq!(stored.parsed(), Err(why));
    }
}
