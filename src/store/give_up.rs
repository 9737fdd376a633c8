//! Runs that are taken from a node that does not end them.

use super::attempts::{self, AttemptEnd};
use super::queue::{held_by, remove, wait_again};
use super::rows::run::{RUN, run_of};
use super::tx::{Tx, args, stamp};
use super::{Store, StoreError, alerts, chains, held};
use crate::clock::Time;
use crate::notice::{CauseKind, NoticeCause};
use crate::run::{GivenUp, MAX_LOST, Status};
use crate::script::OnLost;

/// Takes a run from a node that does not end it. How it stands then; none when it is no longer held so.
async fn give_up(
    tx: &mut Tx<'_>,
    id: &str,
    token: &str,
    why: &GivenUp,
    now: Time,
) -> Result<Option<Status>, StoreError> {
    let Some(held) = held_by(tx, id, token).await? else { return Ok(None) };
    let row = tx.one(format!("{RUN} WHERE id = $1"), args![id]).await?;
    let run = run_of(&row)?;
    let wanted = tx.one("SELECT cancel FROM queue WHERE run = $1", args![id]).await?.int("cancel")? == 1;
    if let (GivenUp::Postponed { until, reason }, false) = (why, wanted) {
        let sql =
            "UPDATE runs SET status = 'scheduled', reason = $2, attempt = attempt - 1, started_at = NULL WHERE id = $1";
        // Some of it may be what somebody else's server said.
        tx.run(sql, args![id, reason.replace('\0', " ")]).await?;
        wait_again(tx, id, *until).await?;
        held::make_room(tx, &held).await?;
        return Ok(Some(Status::Scheduled));
    }
    let is_lost = matches!(why, GivenUp::Lost(_));
    let lost = run.lost + u32::from(is_lost);
    let (status, reason, error) = if wanted {
        (Status::Cancelled, Some("cancelled while its node was lost"), None)
    } else if run.spec.on_lost == OnLost::Abandon {
        (Status::Abandoned, Some("its node went away, and on_lost is abandon"), None)
    } else if lost >= MAX_LOST {
        let message = format!("the run was lost {lost} times with the node it ran on");
        (Status::Crashed, None, Some(format!(r#"{{"type":"Crashed","message":"{message}","traceback":""}}"#)))
    } else {
        (Status::Queued, Some(if is_lost { "lost" } else { "handed_back" }), None)
    };
    let word = if is_lost { "lost" } else { "handed_back" };
    attempts::write(tx, id, &held.node, AttemptEnd::unrecorded(word), now).await?;
    tx.run("DELETE FROM output WHERE run = $1", args![id]).await?;
    let finished = status.is_final().then(|| stamp(now));
    let sql = "UPDATE runs SET status = $2, reason = $3, error = $4, lost = $5, finished_at = $6 WHERE id = $1";
    tx.run(sql, args![id, status.as_str(), reason.map(str::to_owned), error, i64::from(lost), finished]).await?;
    if status.is_final() {
        remove(tx, id).await?;
        held::make_room(tx, &held).await?;
        chains::note_end(tx, id, status).await?;
        let cause = match why {
            GivenUp::Lost(name) => NoticeCause::of_node(CauseKind::NodeLost, &held.node, name.as_deref()),
            _ => NoticeCause::of_node(CauseKind::NodeStopped, &held.node, None),
        };
        // Somebody's wish has no other cause.
        alerts::note_end_of(tx, id, (status != Status::Cancelled).then_some(cause), now).await?;
    } else {
        let sql = "UPDATE queue SET state = 'ready', node = NULL, token = NULL, turn = 0 WHERE run = $1";
        tx.run(sql, args![id]).await?;
    }
    Ok(Some(status))
}

impl Store {
    /// Takes a run from a node that will not end it: it starts again, or ends as its `on_lost` says. None when the node
    /// did not have it by this token any more.
    pub async fn give_up(&self, id: &str, token: &str, why: GivenUp, now: Time) -> Result<Option<Status>, StoreError> {
        let (id, token) = (id.to_owned(), token.to_owned());
        self.write(move |tx| {
            let (id, token, why) = (id.clone(), token.clone(), why.clone());
            Box::pin(async move { give_up(tx, &id, &token, &why, now).await })
        })
        .await
    }

    /// The runs a node holds, with their tokens.
    pub async fn held_by_node(&self, node: &str) -> Result<Vec<(String, String)>, StoreError> {
        let node = node.to_owned();
        self.read(move |tx| {
            let node = node.clone();
            Box::pin(async move {
                let rows =
                    tx.all("SELECT run, token FROM queue WHERE state = 'claimed' AND node = $1", args![node]).await?;
                rows.iter().map(|row| Ok((row.text("run")?, row.text("token")?))).collect()
            })
        })
        .await
    }
}
