//! What a scheduler remembers between two looks: triggers that were read, what computing them costs, and the schedules whose
//! computation waits for its turn.

use crate::clock::Time;
use crate::schedule::Schedule;
use crate::trigger::{QUICK, Trigger};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Triggers that are kept read.
const MOST: usize = 10_000;
/// Bytes that they may take together, about.
const MOST_BYTES: usize = 64 << 20;
/// How much more memory a trigger takes than its JSON.
const BLOWN_UP: usize = 8;

/// What is remembered. It can be forgotten at any time.
#[derive(Debug, Default)]
pub struct Memory {
    triggers: Mutex<Triggers>,
    costly: Mutex<Costly>,
    /// Rings when a schedule waits for its turn.
    pub(super) waiting: Notify,
}

#[derive(Debug, Default)]
struct Triggers {
    read: HashMap<String, Read>,
    bytes: usize,
}

/// A trigger as it was read.
#[derive(Debug)]
struct Read {
    /// Of which schedule: the revision, and when that was made.
    of: (i64, Time),
    trigger: Arc<Trigger>,
    /// What deciding about it took the last time.
    cost: u64,
}

#[derive(Debug, Default)]
struct Costly {
    waiting: VecDeque<String>,
    /// Those that wait, and the one whose turn it is.
    there: HashSet<String>,
}

fn of(schedule: &Schedule) -> (i64, Time) {
    (schedule.revision, schedule.created_at)
}

impl Memory {
    fn triggers(&self) -> MutexGuard<'_, Triggers> {
        self.triggers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn costly(&self) -> MutexGuard<'_, Costly> {
        self.costly.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A schedule's trigger, when it was read already.
    pub(super) fn trigger(&self, schedule: &Schedule) -> Option<Arc<Trigger>> {
        let triggers = self.triggers();
        triggers.read.get(&schedule.key).filter(|read| read.of == of(schedule)).map(|read| read.trigger.clone())
    }

    /// Keeps a trigger that was read.
    pub(super) fn keep(&self, schedule: &Schedule, trigger: Arc<Trigger>) {
        let bytes = schedule.trigger.to_string().len() * BLOWN_UP;
        let mut triggers = self.triggers();
        if triggers.read.len() >= MOST || triggers.bytes + bytes > MOST_BYTES {
            *triggers = Triggers::default();
        }
        triggers.bytes += bytes;
        triggers.read.insert(schedule.key.clone(), Read { of: of(schedule), trigger, cost: 0 });
    }

    /// Notes what deciding about a schedule took.
    pub(super) fn took(&self, schedule: &Schedule, cost: u64) {
        if let Some(read) = self.triggers().read.get_mut(&schedule.key).filter(|read| read.of == of(schedule)) {
            read.cost = cost;
        }
    }

    /// What deciding about a schedule took the last time; nothing when that is not known.
    pub(super) fn cost(&self, schedule: &Schedule) -> u64 {
        self.triggers().read.get(&schedule.key).filter(|read| read.of == of(schedule)).map_or(0, |read| read.cost)
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
