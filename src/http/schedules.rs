//! Schedules: making, changing, pausing, triggering and deleting them, and what they will do.

pub(super) mod backfill;
pub(super) mod change;
pub(super) mod common;
pub(super) mod preview;
pub(super) mod show;
pub(super) mod state;
