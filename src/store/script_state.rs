//! The state of scripts: a JSON object that one run leaves to the next.
//!
//! A run writes it in the transaction that records its success, and only when nobody wrote it since the run read it.

use super::tx::{Tx, args, stamp};
use super::{Store, StoreError, audit, locks};
use crate::clock::Time;
use crate::script::{NewState, ScriptState};

/// Whether nobody wrote the state of a run's script since the run read it. Its row is locked.
pub(super) async fn is_unchanged(tx: &mut Tx<'_>, run: &str, read: i64) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT revision FROM states WHERE script = (SELECT script FROM runs WHERE id = $1){}",
        tx.dialect.for_update()
    );
    let row = tx.first(sql, args![run]).await?;
    Ok(row.map(|row| row.int("revision")).transpose()?.unwrap_or(0) == read)
}

/// Writes what a run leaves. A script that was deleted meanwhile has none, also when there is another of its name.
pub(super) async fn write(tx: &mut Tx<'_>, run: &str, new: &NewState, now: Time) -> Result<(), StoreError> {
    let sql = "INSERT INTO states (script, value, revision, run, updated_at)
        SELECT s.key, $2, $3 + 1, $1, $4 FROM scripts s JOIN runs r ON r.script = s.key
        WHERE r.id = $1 AND r.created_at >= s.created_at
        ON CONFLICT (script) DO UPDATE SET value = $2, revision = $3 + 1, run = $1, updated_at = $4
        WHERE states.revision = $3";
    let written = tx.run(sql, args![run, &*new.value, new.read, stamp(now)]).await?;
    if written == 0 && !is_unchanged(tx, run, new.read).await? {
        // Written for the first time by another run in this very moment: the record is made again, and finds it.
        return Err(StoreError::Conflict);
    }
    Ok(())
}

impl Store {
    /// A script's state, if it has one.
    pub async fn state(&self, script: &str) -> Result<Option<ScriptState>, StoreError> {
        let script = script.to_owned();
        self.read(move |tx| {
            let script = script.clone();
            Box::pin(async move {
                let sql = "SELECT value, revision, run, updated_at FROM states WHERE script = $1";
                let row = tx.first(sql, args![script]).await?;
                row.map(|row| {
                    Ok(ScriptState {
                        value: row.text("value")?,
                        revision: row.int("revision")?,
                        run: row.text_or_none("run")?,
                        updated_at: row.time("updated_at")?,
                    })
                })
                .transpose()
            })
        })
        .await
    }

    /// Sets a script's state by hand. False when there is no such script.
    pub async fn set_state(&self, script: &str, value: String, now: Time) -> Result<bool, StoreError> {
        let all = std::sync::Arc::new((script.to_owned(), value));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (script, value) = &*all;
                if !locks::script(tx, script).await? {
                    return Ok(false);
                }
                let sql = "INSERT INTO states (script, value, revision, run, updated_at) VALUES ($1, $2, 1, NULL, $3)
                    ON CONFLICT (script) DO UPDATE SET value = $2, revision = states.revision + 1, run = NULL, updated_at = $3";
                tx.run(sql, args![&**script, &**value, stamp(now)]).await?;
                audit::note(tx, format!("scripts/{script}/state"), None).await?;
                Ok(true)
            })
        })
        .await
    }
}
