//! What happens to one more run of a schedule while as many run as may.

use super::cancel::cancel_where;
use super::tx::Tx;
use super::{StoreError, held};
use crate::clock::Time;
use crate::run::Displaced;
use crate::schedule::Overlap;

/// What a policy says to one more run of a schedule.
pub(super) enum OverlapDecision {
    /// It may start as far as the schedule goes; these made room for it.
    Open(Displaced),
    /// It waits for the others; these are to make room.
    Hold(Displaced),
    /// It does not start, for this reason.
    Full(&'static str),
}

/// What the policy of a gate says to one more run, of which `most` may run at once. With `wait` it waits whatever the policy.
/// `before` is how many wait before the gate, once that is known: whoever lets many wait in one go counts once.
pub(super) async fn decide_overlap(
    tx: &mut Tx<'_>,
    gate: &str,
    (overlap, most): (Overlap, u32),
    wait: bool,
    before: &mut Option<i64>,
    now: Time,
) -> Result<OverlapDecision, StoreError> {
    let most = i64::from(most);
    if overlap == Overlap::Allow || held::active_of_gate(tx, gate, most).await? < most {
        return Ok(OverlapDecision::Open(Displaced::default()));
    }
    Ok(match overlap {
        // Whoever makes more than are ever run is told so by their rows.
        _ if wait || overlap == Overlap::QueueAll => {
            let count = match *before {
                Some(count) => count,
                None => held::waiting_before(tx, gate, held::MOST_BEFORE_GATE).await?,
            };
            *before = Some(count + 1);
            if count < held::MOST_BEFORE_GATE {
                OverlapDecision::Hold(Displaced::default())
            } else {
                OverlapDecision::Full("queue_full")
            }
        }
        Overlap::Skip => OverlapDecision::Full("max_instances"),
        Overlap::QueueOne if held::waiting_before(tx, gate, 1).await? > 0 => OverlapDecision::Full("max_instances"),
        Overlap::CancelRunning => {
            let (cancelled, stopping) = cancel_where(tx, "gate", gate, "cancelled_by_overlap", now).await?;
            let room = Displaced { cancelled, stopping };
            if room.stopping.is_empty() { OverlapDecision::Open(room) } else { OverlapDecision::Hold(room) }
        }
        Overlap::QueueOne | Overlap::QueueAll | Overlap::Allow => OverlapDecision::Hold(Displaced::default()),
    })
}
