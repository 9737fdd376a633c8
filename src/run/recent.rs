//! What a script did lately and does next, in short.

use super::Status;
use crate::clock::Time;
use std::time::Duration;

/// How many ended runs of a script are told.
pub const RECENT: usize = 20;

/// A run that has ended, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentRun {
    /// Its id.
    pub id: String,
    /// How it ended.
    pub status: Status,
    /// When it was made.
    pub created_at: Time,
    /// How long its last attempt took; none: it never began.
    pub wall: Option<Duration>,
}

/// What a script did lately and does next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Its last ended runs, the newest first: at most [`RECENT`].
    pub recent: Vec<RecentRun>,
    /// The next fire time of its schedules.
    pub next_fire_at: Option<Time>,
}
