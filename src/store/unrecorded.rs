//! Ends that the database does not take as they are: a record that says so, and lets go what waited.

use super::attempts::{self, AttemptEnd};
use super::tx::{Tx, args, json, stamp};
use super::{Store, StoreError, alerts, chains, held, queue};
use crate::clock::Time;
use crate::run::{Recorded, Status};
use cronbox_runtime::report::ScriptError;

/// Most characters of the reason that are kept.
const LONGEST: usize = 500;

impl Store {
    /// Records that the end of an attempt cannot be recorded, because of `why`, if it is still the holder's of `token`: the run
    /// is `crashed`, with nothing else of what it was. For an end that the database refuses, and would refuse for ever
    /// ([`StoreError::refuses_content`]): the run's seat, its lane and its gate are free then.
    pub async fn record_minimal(&self, id: &str, token: &str, why: &str, now: Time) -> Result<Recorded, StoreError> {
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let why: String = why.chars().map(plain).take(LONGEST).collect();
        let message = format!("the end of this run could not be recorded: {why}");
        let error = ScriptError::new("NotRecorded", message);
        let all = std::sync::Arc::new((id.to_owned(), token.to_owned(), error));
        let record = |is_followed: bool| {
            let all = all.clone();
            self.write(move |tx| {
                let all = all.clone();
                Box::pin(async move { record(tx, &all.0, &all.1, &all.2, is_followed, now).await })
            })
        };
        match record(true).await {
            // What hangs on it is no reason to keep it.
            Err(error) if error.refuses_content() => record(false).await,
            recorded => recorded,
        }
    }
}

async fn record(
    tx: &mut Tx<'_>,
    id: &str,
    token: &str,
    error: &ScriptError,
    is_followed: bool,
    now: Time,
) -> Result<Recorded, StoreError> {
    let Some(held) = queue::held_by(tx, id, token).await? else { return Ok(Recorded::Late) };
    let text = error.to_string();
    let end = AttemptEnd { outcome: Status::Crashed.as_str(), error: Some(text.clone()), usage: None };
    attempts::write(tx, id, &held.node, end, now).await?;
    queue::remove(tx, id).await?;
    tx.run("DELETE FROM output WHERE run = $1", args![id]).await?;
    let sql = "UPDATE runs SET status = 'crashed', reason = NULL, error = $2, error_text = $3, finished_at = $4 WHERE id = $1";
    tx.run(sql, args![id, json(error)?, text.to_lowercase(), stamp(now)]).await?;
    held::make_room(tx, &held).await?;
    if is_followed {
        alerts::note_end(tx, id, None, now).await?;
    }
    let makes_due = is_followed && chains::note_end(tx, id, Status::Crashed).await?;
    Ok(if makes_due { Recorded::MakesDue } else { Recorded::Done })
}
