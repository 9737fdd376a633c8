//! From local times to instants: what happens when clocks are put forward or back.

use super::budget::{Budget, cost};
use super::{Dst, TriggerError};
use crate::clock::Time;
use crate::zone::{Span, Zone};
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
    pub next: &'a dyn Fn(NaiveDateTime) -> Result<Option<NaiveDateTime>, TriggerError>,
    /// What it may cost.
    pub budget: &'a Budget,
}

/// A fire, and the local time it stands in for when that does not exist.
pub(super) type Found = (Time, Option<NaiveDateTime>);

/// More than any two offsets are apart.
const FAR: TimeDelta = TimeDelta::days(3);

impl Walls<'_> {
    /// The first fire strictly after an instant.
    ///
    /// It walks over the stretches between changes of the clocks. Within one, local and elapsed time run alike; at its
    /// beginning lies a gap or a fold, and what it means is decided there. Stretches without a fire are leapt over. `known`
    /// is the stretch that was looked at last.
    pub fn after(&self, after: Time, known: &mut Option<Span>) -> Result<Option<Found>, TriggerError> {
        // A wildcard job does not stand still for the fold, and has nothing to make up for after a gap.
        let fills_gap = !self.elapsed && self.dst != Dst::Skip;
        let once = match self.dst {
            Dst::Default => !self.elapsed,
            Dst::Skip => true,
            Dst::Both => false,
        };
        let Some(mut from) = after.trunc_subsecs(0).checked_add_signed(TimeDelta::seconds(1)) else { return Ok(None) };
        // After the last local time, a fold can bring one back.
        let mut folds_left = 2;
        loop {
            let span = self.span(from, known)?;
            let offset = TimeDelta::seconds(span.offset.into());
            let Some(mut wall) = from.naive_utc().checked_add_signed(offset) else { return Ok(None) };
            if let Some((start, before)) = span.start {
                let stopped = start.naive_utc() + TimeDelta::seconds(before.into());
                let resumed = start.naive_utc() + offset;
                if fills_gap && from == start && stopped < resumed {
                    let skipped = (self.next)(stopped)?.filter(|wall| *wall < resumed);
                    if skipped.is_some() {
                        return Ok(Some((start, skipped)));
                    }
                }
                if once {
                    // The second pass of a fold ends where the first did.
                    wall = wall.max(stopped);
                }
            }
            let end = span.end;
            match ((self.next)(wall)?, end) {
                (Some(found), end) if end.is_none_or(|end| found < end.naive_utc() + offset) => {
                    return Ok(found.checked_sub_signed(offset).map(|found| (found.and_utc(), None)));
                }
                (Some(found), Some(end)) => {
                    // A fold close by can bring back local times from before the search began; none further on can.
                    let near = found.checked_sub_signed(FAR).map_or(end, |near| near.and_utc());
                    from = if end - from < FAR { end } else { end.max(near) };
                }
                (None, Some(end)) if folds_left > 0 => {
                    folds_left -= 1;
                    from = end;
                }
                _ => return Ok(None),
            }
        }
    }

    /// The stretch between changes of the clocks in which a whole second lies.
    fn span(&self, at: Time, known: &mut Option<Span>) -> Result<Span, TriggerError> {
        let holds =
            |span: &Span| span.start.is_none_or(|(start, _)| start <= at) && span.end.is_none_or(|end| at < end);
        if let Some(span) = known.filter(holds) {
            self.budget.pay(cost::DAY)?;
            return Ok(span);
        }
        self.budget.pay(cost::CLOCKS)?;
        Ok(*known.insert(self.zone.span(at)))
    }
}
