//! What a scheduler remembers between two looks: triggers that were parsed, what deciding about schedules costs, and the
//! schedules whose computation waits for its turn.

use crate::clock::Time;
use crate::schedule::{Schedule, StoredTrigger};
use crate::trigger::QUICK;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Schedules that are remembered.
const MOST: usize = 10_000;
/// Bytes that their triggers can take together, about.
const MOST_BYTES: usize = 64 << 20;
/// How much more memory a trigger takes than its JSON.
const BLOWN_UP: usize = 8;

/// What is remembered. It can be forgotten at any time.
#[derive(Debug, Default)]
pub struct Memory {
    schedules: Mutex<Schedules>,
    costly: Mutex<Costly>,
    /// Rings when a schedule waits for its turn.
    pub(super) waiting: Notify,
}

#[derive(Debug, Default)]
struct Schedules {
    known: HashMap<String, Known>,
    /// Bytes of their triggers, about.
    bytes: usize,
}

/// What is known about a schedule.
#[derive(Debug)]
struct Known {
    /// Of which schedule: the revision, and when that was made.
    edition: (i64, Time),
    /// Its trigger, parsed.
    trigger: StoredTrigger,
    bytes: usize,
    /// What deciding about it took the last time.
    work: u64,
}

#[derive(Debug, Default)]
struct Costly {
    waiting: VecDeque<String>,
    /// Those that wait, and the one whose turn it is.
    there: HashSet<String>,
}

fn edition(schedule: &Schedule) -> (i64, Time) {
    (schedule.revision, schedule.created_at)
}

impl Memory {
    fn schedules(&self) -> MutexGuard<'_, Schedules> {
        self.schedules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn costly(&self) -> MutexGuard<'_, Costly> {
        self.costly.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a schedule that was read the trigger that was parsed at an earlier look.
    pub(super) fn recall(&self, schedule: &mut Schedule) {
        let schedules = self.schedules();
        if let Some(known) = schedules.known.get(&schedule.key).filter(|known| known.edition == edition(schedule)) {
            schedule.trigger = known.trigger.clone();
        }
    }

    /// Notes what deciding about a schedule took, and keeps its trigger.
    pub(super) fn took(&self, schedule: &Schedule, work: u64) {
        let mut schedules = self.schedules();
        let edition = edition(schedule);
        if let Some(known) = schedules.known.get_mut(&schedule.key).filter(|known| known.edition == edition) {
            known.work = work;
            return;
        }
        let bytes = schedule.trigger.json().to_string().len() * BLOWN_UP;
        if schedules.known.len() >= MOST || schedules.bytes + bytes > MOST_BYTES {
            // The costly ones hold others up until they are known again.
            schedules.known.retain(|_, known| known.work > QUICK);
            schedules.bytes = schedules.known.values().map(|known| known.bytes).sum();
            if schedules.known.len() >= MOST || schedules.bytes + bytes > MOST_BYTES {
                *schedules = Schedules::default();
            }
        }
        let known = Known { edition, trigger: schedule.trigger.clone(), bytes, work };
        let before = schedules.known.insert(schedule.key.clone(), known).map_or(0, |before| before.bytes);
        schedules.bytes = schedules.bytes + bytes - before;
    }

    /// What deciding about a schedule took the last time; nothing when that is not known.
    pub(super) fn cost(&self, schedule: &Schedule) -> u64 {
        let schedules = self.schedules();
        let known = schedules.known.get(&schedule.key).filter(|known| known.edition == edition(schedule));
        known.map_or(0, |known| known.work)
    }

    /// Whether deciding about a schedule would hold others up.
    pub(super) fn is_costly(&self, schedule: &Schedule) -> bool {
        self.cost(schedule) > QUICK
    }

    /// Lets a schedule wait for its turn among the costly ones, once.
    pub(super) fn wait(&self, key: &str) {
        let mut costly = self.costly();
        if costly.there.insert(key.to_owned()) {
            costly.waiting.push_back(key.to_owned());
            self.waiting.notify_one();
        }
    }

    /// Whether a schedule waits, or has its turn.
    pub(super) fn is_waiting(&self, key: &str) -> bool {
        self.costly().there.contains(key)
    }

    /// How many wait.
    pub(super) fn count_waiting(&self) -> usize {
        self.costly().there.len()
    }

    /// The one whose turn it is, until [`Memory::done`].
    pub(super) fn next(&self) -> Option<String> {
        self.costly().waiting.pop_front()
    }

    /// A turn has ended.
    pub(super) fn done(&self, key: &str) {
        self.costly().there.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Reach;
    use crate::clock::from_micros;
    use crate::schedule::{Origin, Settings, State};
    use serde_json::json;
    use std::sync::Arc;

    fn schedule(revision: i64) -> Schedule {
        let time = from_micros(0);
        Schedule {
            id: "a".into(),
            key: "a".into(),
            script: "s".into(),
            script_name: "s".into(),
            origin: Origin::Request,
            edited: false,
            reach: Reach::default(),
            settings: Settings::default(),
            trigger: StoredTrigger::from_row(json!({"type": "interval", "seconds": 10}), time),
            state: State::Active,
            reason: None,
            revision,
            cursor: time,
            next_fire_at: None,
            next_due_at: None,
            fired: 0,
            last_run: None,
            read_at: time,
            created_at: time,
            updated_at: time,
            created_by: None,
        }
    }

    #[test]
    fn a_trigger_is_parsed_once_for_all_looks() {
        let memory = Memory::default();
        let first = schedule(1);
        let parsed = first.trigger.parsed().expect("reads");
        memory.took(&first, QUICK + 1);
        let mut again = schedule(1);
        memory.recall(&mut again);
        assert!(Arc::ptr_eq(&again.trigger.parsed().expect("reads"), &parsed));
        assert!(memory.is_costly(&again));
        let mut changed = schedule(2);
        memory.recall(&mut changed);
        assert!(!Arc::ptr_eq(&changed.trigger.parsed().expect("reads"), &parsed), "it is another trigger now");
        assert_eq!(memory.cost(&changed), 0);
    }
}
