//! The states of alerts as rows, and a step from one to the next with all that it says.

use super::notices::{self, Cause};
use crate::alert::{Alert, Condition, Memory, Rules, Seen, State, Values, step};
use crate::clock::Time;
use crate::notice::NoticeCause;
use crate::store::StoreError;
use crate::store::tx::{Row, Tx, args, json, stamp, stamp_of};

/// The state of a row.
pub(super) fn state_of(row: &Row) -> Result<State, StoreError> {
    Ok(State {
        since: row.time_or_none("since")?,
        told_at: row.time_or_none("told_at")?,
        run: row.text_or_none("run")?,
        cause: row.text_or_none("cause")?,
        // What a later version remembers otherwise is forgotten.
        memory: row.json::<Memory>("memory").unwrap_or_default(),
    })
}

/// The state of an alert about a subject, if it has one; locked.
pub(super) async fn find(tx: &mut Tx<'_>, alert: &str, subject: &str) -> Result<Option<State>, StoreError> {
    let sql = format!(
        "SELECT since, told_at, run, cause, memory FROM alert_states WHERE alert = $1 AND subject = $2{}",
        tx.dialect.for_update()
    );
    tx.first(sql, args![alert, subject]).await?.as_ref().map(state_of).transpose()
}

/// How an alert speaks; `muted_until` is until when all are muted.
pub(super) fn rules_of(alert: &Alert, muted_until: Option<Time>) -> Rules {
    Rules {
        repeat: alert.asked.repeat,
        recovered: alert.asked.recovered,
        only_recovered: alert.asked.condition == Condition::Recovered,
        muted_until: alert.muted_until.max(muted_until),
    }
}

/// What was seen of a subject.
pub(super) struct Sight<'s> {
    /// Whether the condition is true.
    pub(super) seen: Seen,
    /// What is remembered from now on.
    pub(super) memory: Memory,
    /// The values that were compared.
    pub(super) values: Option<Values>,
    /// Since when it is so.
    pub(super) since: Time,
    /// The run that it was seen of.
    pub(super) run: Option<&'s str>,
    /// What made it so, and others with it.
    pub(super) cause: Option<&'s NoticeCause>,
}

/// Takes the step that what was seen asks for: writes the state, records the event and the deliveries. The state then; none when
/// another transaction made the row meanwhile: look at it again.
pub(super) async fn take_step(
    tx: &mut Tx<'_>,
    (alert, subject, rules): (&Alert, &str, &Rules),
    found: Option<&State>,
    sight: Sight<'_>,
    now: Time,
) -> Result<Option<State>, StoreError> {
    let before = found.cloned().unwrap_or_default();
    let (mut after, said) =
        step(&State { memory: sight.memory, ..before.clone() }, sight.seen, rules, sight.since, now);
    if before.since.is_none() && after.since.is_some() {
        after.run = sight.run.map(str::to_owned);
        after.cause = sight.cause.map(json).transpose()?;
    }
    if after.since.is_none() {
        after.cause = None;
    }
    if !write(tx, (&alert.key, subject), found, &after, rules.next(&after, now), now).await? {
        return Ok(None);
    }
    let changed = before.since.is_some() != after.since.is_some();
    if !changed && said.is_none() {
        return Ok(Some(after));
    }
    let cause = Cause {
        alert,
        subject,
        run: sight.run.or(before.run.as_deref()),
        since: after.since.or(before.since).unwrap_or(now),
        values: sight.values,
        // One of a later version, which this one cannot read, is told by itself.
        made_by: after.cause.as_ref().or(before.cause.as_ref()).and_then(|cause| serde_json::from_str(cause).ok()),
    };
    notices::tell(tx, &cause, changed.then_some(after.since.is_some()), said, now).await?;
    Ok(Some(after))
}

/// Writes a state, if it is another than before. False when it had no row, and has one by now.
async fn write(
    tx: &mut Tx<'_>,
    (alert, subject): (&str, &str),
    found: Option<&State>,
    after: &State,
    speak_at: Option<Time>,
    now: Time,
) -> Result<bool, StoreError> {
    let values = args![
        alert,
        subject,
        stamp_of(after.since),
        stamp_of(after.told_at),
        stamp_of(speak_at),
        after.run.clone(),
        after.cause.clone(),
        json(&after.memory)?,
        stamp(now),
    ];
    match found {
        None if *after == State::default() => Ok(true),
        None => {
            let sql =
                "INSERT INTO alert_states (alert, subject, since, told_at, speak_at, run, cause, memory, updated_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
            Ok(tx.run(sql, values).await? > 0)
        }
        Some(before) if before == after => Ok(true),
        Some(_) => {
            let sql =
                "UPDATE alert_states SET since = $3, told_at = $4, speak_at = $5, run = $6, cause = $7, memory = $8,
                updated_at = $9
                WHERE alert = $1 AND subject = $2";
            tx.run(sql, values).await?;
            Ok(true)
        }
    }
}

/// Sets when an alert has something to say about a subject, where nothing else of its state changes.
pub(super) async fn speak_at(tx: &mut Tx<'_>, alert: &str, subject: &str, at: Option<Time>) -> Result<(), StoreError> {
    let sql = "UPDATE alert_states SET speak_at = $3 WHERE alert = $1 AND subject = $2";
    tx.run(sql, args![alert, subject, stamp_of(at)]).await.map(|_| ())
}

/// Lets alerts that fire find out when to speak: how they speak was changed. All of them, or the one of this key.
pub(super) async fn speak_soon(tx: &mut Tx<'_>, alert: Option<&str>, now: Time) -> Result<(), StoreError> {
    let (sql, values) = match alert {
        Some(alert) => {
            ("UPDATE alert_states SET speak_at = $1 WHERE since IS NOT NULL AND alert = $2", args![stamp(now), alert])
        }
        None => ("UPDATE alert_states SET speak_at = $1 WHERE since IS NOT NULL", args![stamp(now)]),
    };
    tx.run(sql, values).await.map(|_| ())
}
