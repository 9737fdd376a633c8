//! From local times to instants: what happens when clocks are put forward or back.

use super::Dst;
use crate::clock::Time;
use crate::zone::Zone;
use chrono::{NaiveDateTime, SubsecRound, TimeDelta};

/// A set of local times; `next` finds the first that is not before another.
pub(super) struct Walls<'a> {
    /// Where they are local.
    pub zone: &'a Zone,
    /// Whether they follow elapsed time: each local time whenever the clocks show it, and never when they do not.
    pub elapsed: bool,
    /// What was asked for.
    pub dst: Dst,
    /// The search among local times.
    pub next: &'a dyn Fn(NaiveDateTime) -> Option<NaiveDateTime>,
}

/// A fire, and the local time it stands in for when that does not exist.
pub(super) type Found = (Time, Option<NaiveDateTime>);

/// More than any two offsets are apart.
const FAR: TimeDelta = TimeDelta::days(3);

impl Walls<'_> {
    /// The first fire strictly after an instant.
    ///
    /// It walks over the stretches between changes of the clocks. Within one, local and elapsed time run alike; at its
    /// beginning lies a gap or a fold, and what it means is decided there. Stretches without a fire are leapt over.
    pub fn after(&self, after: Time) -> Option<Found> {
        // A wildcard job does not stand still for the fold, and has nothing to make up for after a gap.
        let fills_gap = !self.elapsed && self.dst != Dst::Skip;
        let once = match self.dst {
            Dst::Default => !self.elapsed,
            Dst::Skip => true,
            Dst::Both => false,
        };
        let mut from = after.trunc_subsecs(0).checked_add_signed(TimeDelta::seconds(1))?;
        // After the last local time, a fold can bring one back.
        let mut folds_left = 2;
        loop {
            let span = self.zone.span(from);
            let offset = TimeDelta::seconds(span.offset.into());
            let mut wall = from.naive_utc().checked_add_signed(offset)?;
            if let Some((start, before)) = span.start {
                let stopped = start.naive_utc() + TimeDelta::seconds(before.into());
                let resumed = start.naive_utc() + offset;
                if fills_gap && from == start && stopped < resumed {
                    let skipped = (self.next)(stopped).filter(|wall| *wall < resumed);
                    if skipped.is_some() {
                        return Some((start, skipped));
                    }
                }
                if once {
                    // The second pass of a fold ends where the first did.
                    wall = wall.max(stopped);
                }
            }
            let end = span.end;
            match ((self.next)(wall), end) {
                (Some(found), end) if end.is_none_or(|end| found < end.naive_utc() + offset) => {
                    return Some(((found - offset).and_utc(), None));
                }
                (Some(found), Some(end)) => {
                    // A fold close by can bring back local times from before the search began; none further on can.
                    let near = (found - FAR).and_utc();
                    from = if end - from < FAR { end } else { end.max(near) };
                }
                (None, Some(end)) if folds_left > 0 => {
                    folds_left -= 1;
                    from = end;
                }
                _ => return None,
            }
        }
    }
}
