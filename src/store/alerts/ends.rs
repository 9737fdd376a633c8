//! What ends of runs, and fire times without a run, make of alerts: decided in the transaction that records them.

use super::seen::{self, Facts};
use super::states::{Sight, find, rules_of, take_step};
use super::{ALERT, readable};
use crate::alert::{About, Alert, Condition, End, Failing, Judgement, Memory, judge, remember};
use crate::clock::Time;
use crate::notice::{CauseKind, NoticeCause};
use crate::run::{NewRun, Status};
use crate::script::Settings;
use crate::store::StoreError;
use crate::store::tx::{Args, Tx, args, placeholders, stamp};
use std::time::Duration;

/// Decides what the end of a run makes of the alerts about it. `large` is what it returned, when that is too large for its row.
pub(in crate::store) async fn note_end(
    tx: &mut Tx<'_>,
    run: &str,
    large: Option<&str>,
    now: Time,
) -> Result<(), StoreError> {
    note_ended(tx, run, (large, None), now).await
}

/// The same of a run that ended with others, because of what happened to all of them.
pub(in crate::store) async fn note_end_of(
    tx: &mut Tx<'_>,
    run: &str,
    cause: Option<NoticeCause>,
    now: Time,
) -> Result<(), StoreError> {
    note_ended(tx, run, (None, cause), now).await
}

async fn note_ended(
    tx: &mut Tx<'_>,
    run: &str,
    (large, cause): (Option<&str>, Option<NoticeCause>),
    now: Time,
) -> Result<(), StoreError> {
    let sql = "SELECT script, schedule, status, result, fuel, memory, wall FROM runs WHERE id = $1";
    let row = tx.one(sql, args![run]).await?;
    let (script, schedule) = (row.text_or_none("script")?, row.text_or_none("schedule")?);
    let facts = Facts { id: run.to_owned(), script, schedule, cause };
    // Who sent the source along has the answer.
    if facts.script.is_none() {
        return Ok(());
    }
    let result = row.text_or_none("result")?;
    let end = End {
        status: row.word("status", Status::parse)?,
        at: now,
        result: result.as_deref().or(large),
        fuel: row.size_or_none("fuel")?,
        memory: row.size_or_none("memory")?,
        wall: row.size_or_none("wall")?.map(Duration::from_micros),
    };
    note(tx, &facts, &end, "", now).await
}

/// The same for a fire time, or a link of a chain, that has a row and no run.
pub(in crate::store) async fn note_unstarted(
    tx: &mut Tx<'_>,
    new: &NewRun,
    status: Status,
    now: Time,
) -> Result<(), StoreError> {
    // Asked first: an outage may have missed many.
    if tx.first("SELECT 1 AS one FROM alerts WHERE unstarted = 1 LIMIT 1", args![]).await?.is_none() {
        return Ok(());
    }
    // A fire time is missed where nothing fired it in time; a policy skips one for a reason of its own.
    let cause = (status == Status::Missed).then(|| NoticeCause::new(CauseKind::NotFired));
    let (script, schedule) = (new.script.clone(), new.schedule.clone());
    let facts = Facts { id: new.id.clone(), script, schedule, cause };
    note(tx, &facts, &End::new(status, now), " AND unstarted = 1", now).await
}

/// The alerts about a run, in the order in which their states are locked, and until when all are muted.
async fn about(tx: &mut Tx<'_>, facts: &Facts, but: &str) -> Result<(Vec<Alert>, Option<Time>), StoreError> {
    let mut values = args!["*"];
    let mut count = 1;
    let mut push = |values: &mut Args, about: String| {
        values.push(about);
        count += 1;
    };
    if let Some(script) = &facts.script {
        push(&mut values, format!("script:{script}"));
        for label in labels_of(tx, script).await? {
            push(&mut values, label);
        }
    }
    if let Some(schedule) = &facts.schedule {
        push(&mut values, format!("schedule:{schedule}"));
    }
    let sql = format!("{ALERT} WHERE about IN ({}){but} ORDER BY key", placeholders(1, count));
    let alerts = readable(&tx.all(sql, values).await?);
    if alerts.is_empty() {
        return Ok((alerts, None));
    }
    let muted = tx.one("SELECT muted_until FROM scheduler", args![]).await?.time_or_none("muted_until")?;
    Ok((alerts, muted))
}

/// The labels that a script has now, as alerts are about them. None where no alert is about a label.
async fn labels_of(tx: &mut Tx<'_>, script: &str) -> Result<Vec<String>, StoreError> {
    let sql =
        "SELECT s.settings, v.table_json FROM scripts s JOIN versions v ON v.script = s.key AND v.number = s.version
        WHERE s.key = $1 AND EXISTS (SELECT 1 FROM alerts WHERE about >= 'label:' AND about < 'label;')";
    let Some(row) = tx.first(sql, args![script]).await? else { return Ok(Vec::new()) };
    let (set, said): (Settings, Settings) = (row.json("settings")?, row.json("table_json")?);
    Ok(set.or(&said).labels.iter().map(|(key, value)| format!("label:{key}={value}")).collect())
}

async fn note(tx: &mut Tx<'_>, facts: &Facts, end: &End<'_>, but: &str, now: Time) -> Result<(), StoreError> {
    let (alerts, muted) = about(tx, facts, but).await?;
    for alert in &alerts {
        let subject = match alert.asked.about {
            About::Schedule(_) => facts.schedule.as_deref(),
            _ => facts.script.as_deref(),
        };
        let Some(subject) = subject else { continue };
        let rules = rules_of(alert, muted);
        if matches!(alert.asked.condition, Condition::Late(_) | Condition::Running(_) | Condition::Queued(_)) {
            look_soon(tx, &alert.key, subject, now).await?;
            continue;
        }
        loop {
            let found = find(tx, &alert.key, subject).await?;
            let memory = match &found {
                Some(state) => state.memory.clone(),
                None => remembered(tx, alert, facts, end).await?,
            };
            let Judgement { seen, memory, values } = judge(&alert.asked.condition, end, &memory);
            let sight = Sight { seen, memory, values, since: now, run: Some(&facts.id), cause: facts.cause.as_ref() };
            if take_step(tx, (alert, subject, &rules), found.as_ref(), sight, now).await?.is_some() {
                break;
            }
        }
    }
    Ok(())
}

/// Has an alert looked at that fires of a subject: whether others keep it firing is for the look to say. Its state is not locked here,
/// for a look locks the alert first.
async fn look_soon(tx: &mut Tx<'_>, alert: &str, subject: &str, now: Time) -> Result<(), StoreError> {
    let sql = "UPDATE alerts SET look_at = $2 WHERE key = $1 AND look_at > $2
        AND EXISTS (SELECT 1 FROM alert_states WHERE alert = $1 AND subject = $3 AND since IS NOT NULL)";
    tx.run(sql, args![alert, stamp(now), subject]).await.map(|_| ())
}

/// What an alert that has seen nothing of a subject yet has to know of its earlier runs.
async fn remembered(tx: &mut Tx<'_>, alert: &Alert, facts: &Facts, end: &End<'_>) -> Result<Memory, StoreError> {
    let condition = &alert.asked.condition;
    let is_needed = match condition {
        Condition::Failed(Failing::InARow(most)) => *most > 1 && end.status != Status::Succeeded,
        other => other.needs_history(),
    };
    if !is_needed {
        return Ok(Memory::default());
    }
    let earlier = seen::earlier(tx, alert, facts).await?;
    Ok(remember(condition, earlier.iter().map(seen::Earlier::end)))
}
