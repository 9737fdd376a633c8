//! Alerts as rows: keeping, finding, muting and deleting them.
//!
//! What becomes of their states is decided in the transaction of its cause ([`ends`]), or, where time is the cause, in one that
//! holds the alert's row ([`looks`]).

mod ends;
mod looks;
mod notices;
mod own;
mod seen;
mod states;

pub use looks::Looked;

pub(super) use ends::{note_end, note_end_of, note_unstarted};
pub(super) use own::{make_equal, release};

use super::columns::Columns;
use super::tx::{Args, Row, Tx, args, json, list, stamp, stamp_of};
use super::{Store, StoreError, audit};
use crate::alert::{About, Alert, Condition, Firing, NewAlert, Origin};
use crate::clock::{Time, rfc3339};
use crate::notice::Notice;
use crate::precondition::Precondition;
use crate::script::Name;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Everything about an alert but its states.
const ALERT: &str =
    "SELECT key, id, about, named, condition, notify, repeat, recovered, origin, script, muted_until, revision,
    created_at, updated_at, created_by FROM alerts";

/// Whether any alert is about a run of the queue, as 1 or 0: asked beside other things, so that runs that no alert is about pay
/// next to nothing. Alerts about labels count for every run.
pub(super) const IS_WATCHED: &str =
    "CASE WHEN EXISTS (SELECT 1 FROM alerts WHERE about IN ('*', 'script:' || queue.lane,
        'schedule:' || coalesce((SELECT schedule FROM runs WHERE id = queue.run), '')))
    OR EXISTS (SELECT 1 FROM alerts WHERE about >= 'label:' AND about < 'label;') THEN 1 ELSE 0 END";

/// Which alerts are asked for.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// About this: [`About::key`].
    pub about: Option<String>,
    /// Only those that fire, or only those that do not.
    pub is_firing: Option<bool>,
    /// That tell this channel.
    pub notify: Option<String>,
    /// Whose key comes after this one.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// What became of an alert that was to be kept or deleted.
#[derive(Clone, Debug, PartialEq)]
pub enum KeptAlert {
    /// It is kept; whether there was none.
    Kept(Box<Alert>, bool),
    /// It is deleted.
    Deleted,
    /// What is there is not what was asked for: its tag.
    Other(Option<String>),
    /// It is made by the block of this script.
    OfBlock(String),
}

/// The name that a row has; a name that was once taken is taken.
fn name(row: &Row, column: &str) -> Result<Name, StoreError> {
    let name = row.text(column)?;
    Name::parse(&name).map_err(|_| StoreError::Corrupt(format!("{column}: {name:?}")))
}

/// What an alert is about.
fn about_of(row: &Row) -> Result<About, StoreError> {
    let about = row.text("about")?;
    Ok(match about.split_once(':') {
        Some(("script", _)) => About::Script(name(row, "named")?),
        Some(("schedule", _)) => About::Schedule(name(row, "named")?),
        Some(("label", label)) => About::label(label).map_err(|error| StoreError::Corrupt(error.to_string()))?,
        _ => About::Everything,
    })
}

fn alert_of(row: &Row) -> Result<Alert, StoreError> {
    let condition = row.text("condition")?;
    let condition: Condition =
        condition.parse().map_err(|error| StoreError::Corrupt(format!("the condition {condition:?}: {error}")))?;
    Ok(Alert {
        id: row.text("id")?,
        key: row.text("key")?,
        asked: NewAlert {
            about: about_of(row)?,
            condition,
            notify: row.json("notify")?,
            repeat: row.size_or_none("repeat")?.map(Duration::from_micros),
            recovered: row.int("recovered")? != 0,
        },
        origin: row.word("origin", Origin::parse)?,
        script: row.text_or_none("script")?,
        muted_until: row.time_or_none("muted_until")?,
        revision: row.int("revision")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        created_by: row.text_or_none("created_by")?,
        firing: Vec::new(),
    })
}

/// The alerts of rows. One that this version cannot read, because a later one made it, is left out: it must keep no run from
/// being recorded.
fn readable(rows: &[Row]) -> Vec<Alert> {
    let read = |row: &Row| match alert_of(row) {
        Ok(alert) => Some(alert),
        Err(error) => {
            tracing::warn!(%error, "an alert cannot be read; it is left out");
            None
        }
    };
    rows.iter().filter_map(read).collect()
}

/// The alert of a key, with what it fires of; its row is locked on a transaction that writes.
async fn alert(tx: &mut Tx<'_>, key: &str, lock: &str) -> Result<Option<Alert>, StoreError> {
    let row = tx.first(format!("{ALERT} WHERE key = $1{lock}"), args![key]).await?;
    let Some(mut alert) = row.as_ref().map(alert_of).transpose()? else { return Ok(None) };
    add_firing(tx, std::slice::from_mut(&mut alert)).await?;
    Ok(Some(alert))
}

/// Adds to alerts what they fire of.
async fn add_firing(tx: &mut Tx<'_>, alerts: &mut [Alert]) -> Result<(), StoreError> {
    let keys: Vec<String> = alerts.iter().map(|alert| alert.key.clone()).collect();
    let mut values = Args::default();
    let (these, _) = list(tx.dialect, 1, &keys, &mut values);
    let sql = format!(
        "SELECT alert, subject, since, run FROM alert_states WHERE since IS NOT NULL AND alert IN {these} ORDER BY since, subject"
    );
    let mut firing: HashMap<String, Vec<Firing>> = HashMap::new();
    for row in tx.all(sql, values).await? {
        let one = Firing { subject: row.text("subject")?, since: row.time("since")?, run: row.text_or_none("run")? };
        firing.entry(row.text("alert")?).or_default().push(one);
    }
    for alert in alerts {
        alert.firing = firing.remove(&alert.key).unwrap_or_default();
    }
    Ok(())
}

/// The columns that an alert has when it is made, and when it is changed.
fn columns_of(id: &str, new: &NewAlert, now: Time) -> Result<Columns, StoreError> {
    let named = match &new.about {
        About::Script(name) | About::Schedule(name) => Some(name.as_str().to_owned()),
        About::Label(..) | About::Everything => None,
    };
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    Ok(Columns::default()
        .set("id", id)
        .set("about", new.about.key())
        .set("named", named)
        .set("condition", new.condition.to_string())
        .set("notify", json(&new.notify)?)
        .set("repeat", new.repeat.map(micros))
        .set("recovered", i64::from(new.recovered))
        .set("unstarted", i64::from(new.condition.is_about_unstarted()))
        // It is looked at now, and finds out when to look again.
        .set("look_at", new.condition.after().map(|_| stamp(now)))
        .set("updated_at", stamp(now)))
}

/// Writes an alert; `old` is the one of that key, if there is one. What is watched otherwise begins from ok.
async fn write(
    tx: &mut Tx<'_>,
    (id, key): (&str, &str),
    new: &NewAlert,
    (origin, script): (Origin, Option<&str>),
    old: Option<&Alert>,
    created_by: Option<&str>,
    now: Time,
) -> Result<(), StoreError> {
    let columns = columns_of(id, new, now)?.set("origin", origin.as_str()).set("script", script.map(str::to_owned));
    let (sql, values) = match old {
        Some(_) => columns.set_sql("revision", "revision + 1").update("alerts", "key", key),
        None => columns
            .set("key", key)
            .set_sql("revision", "1")
            .set("created_at", stamp(now))
            .set("created_by", created_by.map(str::to_owned))
            .insert_into("alerts"),
    };
    tx.run(sql, values).await?;
    let is_same = |old: &Alert| old.asked.about.key() == new.about.key() && old.asked.condition == new.condition;
    if old.is_some_and(is_same) {
        return states::speak_soon(tx, Some(key), now).await;
    }
    // Also those that a run left which ended while an alert of this key was deleted.
    tx.run("DELETE FROM alert_states WHERE alert = $1", args![key]).await.map(|_| ())
}

/// Deletes an alert with its states.
async fn delete(tx: &mut Tx<'_>, key: &str) -> Result<(), StoreError> {
    tx.run("DELETE FROM alerts WHERE key = $1", args![key]).await?;
    tx.run("DELETE FROM alert_states WHERE alert = $1", args![key]).await.map(|_| ())
}

impl Store {
    /// Keeps an alert, if what is there is `asked` for.
    pub async fn keep_alert(
        &self,
        id: &Name,
        new: NewAlert,
        asked: &Precondition,
        created_by: Option<&str>,
        now: Time,
    ) -> Result<KeptAlert, StoreError> {
        let all = Arc::new((id.clone(), new, asked.clone(), created_by.map(str::to_owned)));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (id, new, asked, created_by) = &*all;
                let old = alert(tx, id.key(), tx.dialect.for_update()).await?;
                let tag = old.as_ref().map(Alert::tag);
                if !asked.holds(tag.as_deref()) {
                    return Ok(KeptAlert::Other(tag));
                }
                if let Some(script) = old.as_ref().and_then(|old| old.script.clone()) {
                    return Ok(KeptAlert::OfBlock(script));
                }
                let names = (id.as_str(), id.key());
                write(tx, names, new, (Origin::Request, None), old.as_ref(), created_by.as_deref(), now).await?;
                audit::note(tx, format!("alerts/{id}"), new.condition.to_string()).await?;
                let kept = alert(tx, id.key(), "").await?;
                let kept = kept.ok_or_else(|| StoreError::Corrupt("an alert that was kept is not there".into()))?;
                Ok(KeptAlert::Kept(Box::new(kept), old.is_none()))
            })
        })
        .await
    }

    /// The alert of a key.
    pub async fn alert(&self, key: &str) -> Result<Option<Alert>, StoreError> {
        let key = key.to_owned();
        self.read(move |tx| {
            let key = key.clone();
            Box::pin(async move { alert(tx, &key, "").await })
        })
        .await
    }

    /// Alerts by key.
    pub async fn alerts(&self, filter: AlertFilter) -> Result<Vec<Alert>, StoreError> {
        self.read(move |tx| {
            let filter = filter.clone();
            Box::pin(async move {
                let mut sql = format!("{ALERT} WHERE key > $1");
                let mut values = args![filter.after.unwrap_or_default()];
                if let Some(about) = filter.about {
                    sql.push_str(" AND about = $2");
                    values.push(about);
                }
                if let Some(is_firing) = filter.is_firing {
                    let word = if is_firing { "IN" } else { "NOT IN" };
                    sql.push_str(&format!(" AND key {word} (SELECT alert FROM alert_states WHERE since IS NOT NULL)"));
                }
                // How many tell a channel is seen in what is read.
                let limit = if filter.notify.is_some() { i64::MAX as usize } else { filter.limit };
                sql.push_str(&format!(" ORDER BY key LIMIT {limit}"));
                let mut found = readable(&tx.all(sql, values).await?);
                if let Some(channel) = &filter.notify {
                    found.retain(|alert| alert.asked.notify.contains(channel));
                    found.truncate(filter.limit);
                }
                add_firing(tx, &mut found).await?;
                Ok(found)
            })
        })
        .await
    }

    /// Deletes an alert, if what is there is `asked` for. One of a script's block stays as long as the script is there.
    pub async fn delete_alert(&self, key: &str, asked: &Precondition) -> Result<KeptAlert, StoreError> {
        let all = Arc::new((key.to_owned(), asked.clone()));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (key, asked) = &*all;
                let old = alert(tx, key, tx.dialect.for_update()).await?;
                let tag = old.as_ref().map(Alert::tag);
                if old.is_none() || !asked.holds(tag.as_deref()) {
                    return Ok(KeptAlert::Other(tag));
                }
                if let Some(script) = old.and_then(|old| old.script)
                    && super::rows::script::is_there(tx, &script).await?
                {
                    return Ok(KeptAlert::OfBlock(script));
                }
                delete(tx, key).await?;
                audit::note(tx, format!("alerts/{key}"), None).await?;
                Ok(KeptAlert::Deleted)
            })
        })
        .await
    }

    /// Mutes an alert until a time, or lets it speak again. None when it is not there.
    pub async fn mute_alert(&self, key: &str, until: Option<Time>, now: Time) -> Result<Option<Alert>, StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let sql = "UPDATE alerts SET muted_until = $2, revision = revision + 1, updated_at = $3 WHERE key = $1";
                if tx.run(sql, args![&*key, stamp_of(until), stamp(now)]).await? == 0 {
                    return Ok(None);
                }
                audit::note(tx, format!("alerts/{key}"), until.map(|until| format!("until {}", rfc3339(until))))
                    .await?;
                states::speak_soon(tx, Some(&key), now).await?;
                alert(tx, &key, "").await
            })
        })
        .await
    }

    /// Mutes all alerts until a time, or lets them speak again.
    pub async fn mute_all(&self, until: Option<Time>, now: Time) -> Result<(), StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                tx.run("UPDATE scheduler SET muted_until = $1", args![stamp_of(until)]).await?;
                audit::note(tx, "scheduler", until.map(|until| format!("until {}", rfc3339(until)))).await?;
                states::speak_soon(tx, None, now).await
            })
        })
        .await
    }

    /// What an alert has said, oldest first; each once, however many channels were told.
    pub async fn said_by_alert(&self, id: &str) -> Result<Vec<Notice>, StoreError> {
        let id = id.to_owned();
        self.read(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                let sql = "SELECT notice FROM deliveries WHERE alert = $1 ORDER BY id";
                let rows = tx.all(sql, args![id]).await?;
                let mut notices: Vec<Notice> = rows.iter().map(|row| row.json("notice")).collect::<Result<_, _>>()?;
                notices.dedup();
                Ok(notices)
            })
        })
        .await
    }

    /// Until when all alerts are muted, if they are.
    pub async fn all_muted_until(&self) -> Result<Option<Time>, StoreError> {
        self.read(|tx| {
            Box::pin(
                async move { tx.one("SELECT muted_until FROM scheduler", args![]).await?.time_or_none("muted_until") },
            )
        })
        .await
    }
}
