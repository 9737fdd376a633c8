//! What a scheduler remembers between two looks: what deciding about schedules costs, and the schedules whose computation
//! waits for its turn.

use crate::clock::Time;
use crate::schedule::Schedule;
use crate::trigger::QUICK;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Costs that are remembered.
const MOST: usize = 10_000;

/// What is remembered. It can be forgotten at any time.
#[derive(Debug, Default)]
pub struct Memory {
    costs: Mutex<HashMap<String, Cost>>,
    costly: Mutex<Costly>,
    /// Rings when a schedule waits for its turn.
    pub(super) waiting: Notify,
}

/// What deciding about a schedule took the last time.
#[derive(Debug)]
struct Cost {
    /// Of which schedule: the revision, and when that was made.
    edition: (i64, Time),
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
    fn costs(&self) -> MutexGuard<'_, HashMap<String, Cost>> {
        self.costs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn costly(&self) -> MutexGuard<'_, Costly> {
        self.costly.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what deciding about a schedule took.
    pub(super) fn took(&self, schedule: &Schedule, work: u64) {
        let mut costs = self.costs();
        if costs.len() >= MOST && !costs.contains_key(&schedule.key) {
            // The costly ones hold others up until they are known again.
            costs.retain(|_, cost| cost.work > QUICK);
            if costs.len() >= MOST {
                costs.clear();
            }
        }
        costs.insert(schedule.key.clone(), Cost { edition: edition(schedule), work });
    }

    /// What deciding about a schedule took the last time; nothing when that is not known.
    pub(super) fn cost(&self, schedule: &Schedule) -> u64 {
        self.costs().get(&schedule.key).filter(|cost| cost.edition == edition(schedule)).map_or(0, |cost| cost.work)
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
