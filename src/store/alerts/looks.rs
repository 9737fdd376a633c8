//! What time makes of alerts: those whose condition becomes true without anything happening, and those that still fire when they
//! are to say so again. Decided in a transaction that holds the alert's row: of several nodes one looks.

use super::states::{Sight, rules_of, speak_at, state_of, take_step};
use super::{ALERT, readable, seen};
use crate::alert::{About, Alert, Condition, Rules, Seen, State};
use crate::clock::{Time, after};
use crate::notice::{CauseKind, NoticeCause};
use crate::run::BLOBS_AWAY;
use crate::script::{Settings, has_label};
use crate::store::rows::script::{in_force, is_there};
use crate::store::tx::{Args, Row, Tx, args, list, stamp};
use crate::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Alerts looked at in one transaction.
const TOGETHER: usize = 16;
/// States that are spoken of in one transaction.
const SPOKEN_TOGETHER: usize = 50;
/// Runs and schedules looked at for one alert. They come oldest first, so that what is left out is younger.
const MOST: usize = 1_000;
/// How soon it is looked whether what fires is over, at the latest.
const SOON: Duration = Duration::from_secs(5);
/// The shortest time between two looks; of alerts about many scripts.
const LEAST: Duration = Duration::from_secs(1);
const LEAST_OF_MANY: Duration = Duration::from_secs(10);

/// What a look came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Whether others may be due: look again at once.
    pub is_full: bool,
    /// When the next look is due; none: nothing is to be looked at.
    pub next: Option<Time>,
}

impl Store {
    /// When an alert is to be looked at next because of time; none: never.
    pub async fn next_alert_look(&self) -> Result<Option<Time>, StoreError> {
        self.read(|tx| Box::pin(async move { next(tx).await })).await
    }

    /// Has alerts looked at now whose next look is after `beyond`, and those spoken of that would speak then: the clock was set back.
    pub async fn look_again(&self, beyond: Time, now: Time) -> Result<(), StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE alerts SET look_at = $1 WHERE look_at > $2";
                tx.run(sql, args![stamp(now), stamp(beyond)]).await?;
                let sql = "UPDATE alert_states SET speak_at = $1 WHERE speak_at > $2";
                tx.run(sql, args![stamp(now), stamp(beyond)]).await.map(|_| ())
            })
        })
        .await
    }

    /// Looks at alerts that are due, at most a batch.
    pub async fn look_at_alerts(&self, now: Time) -> Result<Looked, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let spoken = speak_due(tx, now).await?;
                let looked = look_due(tx, now).await?;
                let is_full = spoken == SPOKEN_TOGETHER || looked == TOGETHER;
                Ok(Looked { is_full, next: next(tx).await? })
            })
        })
        .await
    }
}

async fn next(tx: &mut Tx<'_>) -> Result<Option<Time>, StoreError> {
    let sql = "SELECT (SELECT min(look_at) FROM alerts WHERE look_at IS NOT NULL) AS look,
        (SELECT min(speak_at) FROM alert_states WHERE speak_at IS NOT NULL) AS speak";
    let row = tx.one(sql, args![]).await?;
    let (look, speak) = (row.time_or_none("look")?, row.time_or_none("speak")?);
    Ok([look, speak].into_iter().flatten().min())
}

async fn all_muted_until(tx: &mut Tx<'_>) -> Result<Option<Time>, StoreError> {
    tx.one("SELECT muted_until FROM scheduler", args![]).await?.time_or_none("muted_until")
}

/// Says again what is to be said again; how many states were looked at.
async fn speak_due(tx: &mut Tx<'_>, now: Time) -> Result<usize, StoreError> {
    let sql = format!(
        "SELECT alert, subject, since, told_at, run, cause, memory FROM alert_states WHERE speak_at <= $1
        ORDER BY speak_at LIMIT {SPOKEN_TOGETHER}{}",
        tx.dialect.for_update_skipping()
    );
    let rows = tx.all(sql, args![stamp(now)]).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let muted = all_muted_until(tx).await?;
    for row in &rows {
        let (key, subject, state) = (row.text("alert")?, row.text("subject")?, state_of(row)?);
        let rows = tx.all(format!("{ALERT} WHERE key = $1"), args![&*key]).await?;
        let alert = match (rows.is_empty(), readable(&rows).pop()) {
            (true, _) => None,
            // A later version knows when.
            (false, None) => {
                speak_at(tx, &key, &subject, None).await?;
                continue;
            }
            (false, Some(alert)) => is_subject(tx, &alert, &subject).await?.then_some(alert),
        };
        let Some(alert) = alert else {
            tx.run("DELETE FROM alert_states WHERE alert = $1 AND subject = $2", args![&*key, &*subject]).await?;
            continue;
        };
        let rules = rules_of(&alert, muted);
        let sight = Sight {
            seen: Seen::Nothing,
            memory: state.memory.clone(),
            values: None,
            since: now,
            run: state.run.as_deref(),
            cause: None,
        };
        if let Some(after) = take_step(tx, (&alert, &subject, &rules), Some(&state), sight, now).await? {
            speak_at(tx, &key, &subject, rules.next(&after, now)).await?;
        }
    }
    Ok(rows.len())
}

/// Whether an alert is still about something: what is gone, or has lost its label, is said no more of; but for alerts that watch
/// whether it still succeeds.
async fn is_subject(tx: &mut Tx<'_>, alert: &Alert, subject: &str) -> Result<bool, StoreError> {
    let about = &alert.asked.about;
    match about {
        About::Script(_) | About::Schedule(_) if matches!(alert.asked.condition, Condition::Stale(_)) => Ok(true),
        About::Schedule(_) => {
            Ok(tx.first("SELECT 1 AS one FROM schedules WHERE key = $1", args![subject]).await?.is_some())
        }
        About::Label(..) => Ok(labelled(tx, about).await?.contains(subject)),
        About::Script(_) | About::Everything => is_there(tx, subject).await,
    }
}

/// Looks at the alerts whose time has come; how many.
async fn look_due(tx: &mut Tx<'_>, now: Time) -> Result<usize, StoreError> {
    let sql = format!(
        "SELECT key FROM alerts WHERE look_at <= $1 ORDER BY look_at LIMIT {TOGETHER}{}",
        tx.dialect.for_update_skipping()
    );
    let rows = tx.all(sql, args![stamp(now)]).await?;
    let keys: Vec<String> = rows.iter().map(|row| row.text("key")).collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Ok(0);
    }
    let muted = all_muted_until(tx).await?;
    // Those that cannot be read are for a later version.
    let mut looks: BTreeMap<String, Option<Time>> = keys.iter().map(|key| (key.clone(), None)).collect();
    let mut values = Args::default();
    let (these, _) = list(tx.dialect, 1, &keys, &mut values);
    for alert in readable(&tx.all(format!("{ALERT} WHERE key IN {these}"), values).await?) {
        let next = look(tx, &alert, &rules_of(&alert, muted), now).await?;
        looks.insert(alert.key, next);
    }
    for (key, next) in looks {
        tx.run("UPDATE alerts SET look_at = $2 WHERE key = $1", args![key, next.map(stamp)]).await?;
    }
    Ok(keys.len())
}

/// Something of which a condition becomes true at an instant.
struct Candidate {
    /// The key of the script; of an alert about a schedule, that of the schedule.
    subject: String,
    /// When it becomes true, or became.
    since: Time,
    run: Option<String>,
    /// What makes it so, and others with it.
    cause: Option<NoticeCause>,
}

/// Looks at an alert; when to look again.
async fn look(tx: &mut Tx<'_>, alert: &Alert, rules: &Rules, now: Time) -> Result<Option<Time>, StoreError> {
    let Some(span) = alert.asked.condition.after() else { return Ok(None) };
    let mut states = states_of(tx, &alert.key).await?;
    let candidates = match alert.asked.condition {
        Condition::Running(_) => running(tx, alert, span).await?,
        Condition::Queued(_) => queued(tx, alert, span).await?,
        Condition::Late(_) => late(tx, alert, span).await?,
        _ => stale(tx, alert, span, &mut states).await?,
    };
    let candidates = of_label(tx, alert, candidates).await?;
    // The oldest of each subject.
    let mut first: BTreeMap<&str, &Candidate> = BTreeMap::new();
    for candidate in &candidates {
        let known = first.entry(&candidate.subject).or_insert(candidate);
        if candidate.since < known.since {
            *known = candidate;
        }
    }
    let subjects: BTreeSet<&str> = first.keys().copied().chain(states.keys().map(String::as_str)).collect();
    let (mut fires, mut ahead) = (false, None);
    for subject in subjects {
        let (state, is_kept) = match states.get(subject) {
            Some((state, is_kept)) => (Some(state), *is_kept),
            None => (None, false),
        };
        let candidate = first.get(subject);
        let is_true = candidate.is_some_and(|candidate| candidate.since <= now);
        let was_firing = state.is_some_and(|state| state.since.is_some());
        fires |= is_true;
        if let Some(since) = candidate.map(|candidate| candidate.since).filter(|since| *since > now) {
            ahead = Some(ahead.map_or(since, |other: Time| other.min(since)));
        }
        let is_new = state.is_some() && !is_kept;
        if !is_true && !was_firing && !is_new {
            continue;
        }
        let sight = Sight {
            seen: if is_true { Seen::True } else { Seen::False },
            memory: state.map(|state| state.memory.clone()).unwrap_or_default(),
            values: None,
            since: candidate.map_or(now, |candidate| candidate.since.min(now)),
            run: candidate.and_then(|candidate| candidate.run.as_deref()).filter(|_| is_true),
            cause: candidate.and_then(|candidate| candidate.cause.as_ref()),
        };
        // One that another transaction makes at this moment is seen by the next look.
        take_step(tx, (alert, subject, rules), state.filter(|_| is_kept), sight, now).await?;
    }
    let is_stale = matches!(alert.asked.condition, Condition::Stale(_));
    let patience = if fires && !is_stale { span.min(SOON) } else { span };
    let least = if alert.asked.about.only().is_some() { LEAST } else { LEAST_OF_MANY.min(patience.max(LEAST)) };
    let next = ahead.map_or(after(now, patience), |ahead: Time| ahead.min(after(now, patience)));
    Ok(Some(next.max(after(now, least))))
}

/// The states of an alert, each with whether it has a row.
async fn states_of(tx: &mut Tx<'_>, alert: &str) -> Result<BTreeMap<String, (State, bool)>, StoreError> {
    let sql = format!(
        "SELECT subject, since, told_at, run, cause, memory FROM alert_states WHERE alert = $1 ORDER BY subject{}",
        tx.dialect.for_update()
    );
    let rows = tx.all(sql, args![alert]).await?;
    rows.iter().map(|row| Ok((row.text("subject")?, (state_of(row)?, true)))).collect()
}

/// Leaves out what has not the label that an alert is about.
async fn of_label(tx: &mut Tx<'_>, alert: &Alert, found: Vec<Candidate>) -> Result<Vec<Candidate>, StoreError> {
    if !matches!(alert.asked.about, About::Label(..)) || found.is_empty() {
        return Ok(found);
    }
    let scripts = labelled(tx, &alert.asked.about).await?;
    Ok(found.into_iter().filter(|candidate| scripts.contains(&candidate.subject)).collect())
}

/// The keys of the scripts that have the label that an alert is about; all, when it is about everything.
async fn labelled(tx: &mut Tx<'_>, about: &About) -> Result<BTreeSet<String>, StoreError> {
    let has = |settings: &Settings| match about {
        About::Label(key, value) => has_label(&settings.labels, &format!("{key}={value}")),
        _ => true,
    };
    let scripts = in_force(tx, "1 = 1").await?;
    Ok(scripts.into_iter().filter(|(_, settings)| has(settings)).map(|(key, _)| key).collect())
}

/// What an alert is about, in SQL on `queue q` in a state and `runs r`, and the value for `$1`.
fn of_runs(about: &About, state: &str) -> (&'static str, String) {
    match about {
        // Few are claimed; of those that wait, which can be many, the gate has an index.
        About::Schedule(name) if state == "claimed" => ("r.schedule = $1", name.key().to_owned()),
        About::Script(name) => ("q.lane = $1 AND r.script = $1", name.key().to_owned()),
        About::Schedule(name) => ("q.gate = $1 AND r.schedule = $1", name.key().to_owned()),
        About::Label(..) | About::Everything => ("r.script IS NOT NULL AND $1 = ''", String::new()),
    }
}

/// Runs of the queue in a state, as candidates; `since` says when each becomes one.
async fn of_queue(
    tx: &mut Tx<'_>,
    alert: &Alert,
    (state, and): (&'static str, &'static str),
    order: &'static str,
    since: impl Fn(&Row) -> Result<Time, StoreError>,
) -> Result<Vec<Candidate>, StoreError> {
    let (about, value) = of_runs(&alert.asked.about, state);
    let sql = format!(
        "SELECT r.id, r.script, r.schedule, r.created_at, r.run_at, r.started_at, r.fire_time, r.reason FROM queue q JOIN runs r ON r.id = q.run
        WHERE q.state = '{state}' AND {about}{and} ORDER BY {order} LIMIT {MOST}"
    );
    let subject = match alert.asked.about {
        About::Schedule(_) => "schedule",
        _ => "script",
    };
    let candidate = |row: &Row| {
        let reason = row.text_or_none("reason")?.unwrap_or_default();
        let is_away = BLOBS_AWAY.iter().any(|beginning| reason.starts_with(beginning));
        let cause = is_away.then(|| NoticeCause::new(CauseKind::BlobsAway));
        Ok(Candidate { subject: row.text(subject)?, since: since(row)?, run: Some(row.text("id")?), cause })
    };
    tx.all(sql, args![value]).await?.iter().map(candidate).collect()
}

async fn running(tx: &mut Tx<'_>, alert: &Alert, span: Duration) -> Result<Vec<Candidate>, StoreError> {
    let since = |row: &Row| Ok(after(row.time("started_at")?, span));
    of_queue(tx, alert, ("claimed", " AND r.started_at IS NOT NULL"), "r.started_at", since).await
}

async fn queued(tx: &mut Tx<'_>, alert: &Alert, span: Duration) -> Result<Vec<Candidate>, StoreError> {
    let mut found = Vec::new();
    for state in ["ready", "held"] {
        let since = |row: &Row| Ok(after(row.time("created_at")?.max(row.time("run_at")?), span));
        found.extend(of_queue(tx, alert, (state, ""), "q.run", since).await?);
    }
    Ok(found)
}

/// Fire times whose runs have not started, and those for which no run was made yet.
async fn late(tx: &mut Tx<'_>, alert: &Alert, span: Duration) -> Result<Vec<Candidate>, StoreError> {
    let mut found = Vec::new();
    for state in ["waiting", "ready", "held"] {
        // With its jitter it is due later than its fire time.
        let since = |row: &Row| Ok(after(row.time("fire_time")?.max(row.time("run_at")?), span));
        let only = " AND r.cause = 'fire' AND r.attempt = 0 AND r.fire_time IS NOT NULL";
        found.extend(of_queue(tx, alert, (state, only), "q.run", since).await?);
    }
    let (about, value) = match &alert.asked.about {
        About::Script(name) => ("s.script = $1", name.key().to_owned()),
        About::Schedule(name) => ("s.key = $1", name.key().to_owned()),
        About::Label(..) | About::Everything => ("$1 = ''", String::new()),
    };
    // Who pauses the scheduler wants nothing to start.
    let sql = format!(
        "SELECT s.key, s.script, s.next_due_at FROM schedules s WHERE s.next_due_at IS NOT NULL AND s.state = 'active'
        AND {about} AND NOT EXISTS (SELECT 1 FROM scheduler WHERE paused <> 0) ORDER BY s.next_due_at LIMIT {MOST}"
    );
    let subject = if let About::Schedule(_) = alert.asked.about { "key" } else { "script" };
    for row in tx.all(sql, args![value]).await? {
        let since = after(row.time("next_due_at")?, span);
        let cause = Some(NoticeCause::new(CauseKind::NotFired));
        found.push(Candidate { subject: row.text(subject)?, since, run: None, cause });
    }
    Ok(found)
}

/// When each subject has had no success for so long. What is found of earlier runs is remembered from now on.
async fn stale(
    tx: &mut Tx<'_>,
    alert: &Alert,
    span: Duration,
    states: &mut BTreeMap<String, (State, bool)>,
) -> Result<Vec<Candidate>, StoreError> {
    let about = &alert.asked.about;
    let mut made: BTreeMap<String, Time> = BTreeMap::new();
    match about.only() {
        // It is watched whether it is there or not.
        Some(subject) => _ = made.insert(subject.to_owned(), alert.created_at),
        None => {
            let wanted = labelled(tx, about).await?;
            for row in tx.all("SELECT key, created_at FROM scripts", args![]).await? {
                let key = row.text("key")?;
                if wanted.contains(&key) {
                    made.insert(key, row.time("created_at")?.max(alert.created_at));
                }
            }
        }
    }
    let mut found = Vec::with_capacity(made.len());
    for (subject, made_at) in made {
        let known = states.get(&subject).and_then(|(state, _)| state.memory.succeeded_at);
        let last = match known {
            Some(last) => Some(last),
            None => seen::last_success(tx, about, &subject).await?,
        };
        if let (Some(last), None) = (last, known) {
            states.entry(subject.clone()).or_default().0.memory.succeeded_at = Some(last);
        }
        found.push(Candidate { since: after(last.unwrap_or(made_at), span), subject, run: None, cause: None });
    }
    Ok(found)
}
