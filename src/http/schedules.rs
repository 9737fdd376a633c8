//! Schedules: making, changing, pausing, triggering and deleting them, and what they will do.

pub(super) mod backfill;
pub(super) mod change;
pub(super) mod preview;
pub(super) mod show;
pub(super) mod state;

use super::endpoints::Endpoints;

/// The largest request: a trigger, and arguments.
const MOST: usize = 1 << 20;

/// The endpoints of this folder.
pub(super) fn endpoints() -> Endpoints {
    show::endpoints()
        .merge(change::endpoints())
        .merge(state::endpoints())
        .merge(backfill::endpoints())
        .merge(preview::endpoints())
}
