//! Schedules as rows: keeping, finding, pausing and deleting them.

use super::columns::Columns;
use super::rows::schedule::{NEWEST, NO_RUN, schedule_of, scheduler_state, with_run};
use super::tx::{Tx, args, json, stamp, stamp_of};
use super::{Store, StoreError, audit, cancel, chains, locks};
use crate::clock::Time;
use crate::schedule::{KeptSchedule, NewSchedule, Origin, Paused, Schedule, ScheduleFilter, SchedulerState, State};

/// Keeps a schedule, by request or because its script was uploaded; `expected` is the revision that it must still have, when it
/// is there.
async fn keep(
    tx: &mut Tx<'_>,
    new: &NewSchedule,
    expected: Option<i64>,
    by_request: bool,
    now: Time,
) -> Result<KeptSchedule, StoreError> {
    let found = locks::schedule(tx, &new.key).await?;
    if !locks::script(tx, &new.script).await? {
        return Ok(KeptSchedule::NoScript);
    }
    match (found, expected) {
        (None, None) => {}
        (Some((_, revision)), Some(expected)) if revision == expected => {}
        _ => return Ok(KeptSchedule::Taken),
    }
    if let Some(circle) = chains::circle(tx, &new.key, &new.script, &new.links).await? {
        return Ok(KeptSchedule::Circle(circle));
    }
    let kept = match found {
        None => {
            let (sql, values) = columns_of(new, now)?
                .set("key", &*new.key)
                .set("cursor", stamp(new.cursor))
                .set("created_at", stamp(now))
                .set("created_by", new.created_by.clone())
                .set_sql("revision", "1")
                .insert_into("schedules");
            if tx.run(format!("{sql} ON CONFLICT DO NOTHING"), values).await? == 0 {
                return Ok(KeptSchedule::Taken);
            }
            KeptSchedule::Created
        }
        Some(_) => {
            let (sql, values) = columns_of(new, now)?
                .set("edited", i64::from(by_request && new.origin == Origin::Metadata))
                .set_to("cursor", "CASE WHEN cursor > ? THEN cursor ELSE ? END", stamp(new.cursor))
                .set_sql("reason", "NULL")
                .set_sql("revision", "revision + 1")
                .set_sql("failures", "0")
                .set_to("fired", "CASE WHEN trigger_json = ? THEN fired ELSE 0 END", json(new.trigger.json())?)
                .update("schedules", "key", &*new.key);
            tx.run(sql, values).await?;
            if new.state == State::Paused {
                cancel::skip_unstarted(tx, &new.key, "schedule_paused", now).await?;
            }
            KeptSchedule::Changed
        }
    };
    chains::set(tx, &new.key, &new.links).await?;
    audit::note(tx, format!("schedules/{}", new.id), format!("{} for {}", new.trigger.text(), new.script)).await?;
    Ok(kept)
}

/// The columns that a schedule has when it is made, and when it is changed.
fn columns_of(new: &NewSchedule, now: Time) -> Result<Columns, StoreError> {
    let next = new.next.filter(|_| new.state == State::Active);
    Ok(Columns::default()
        .set("id", &*new.id)
        .set("script", &*new.script)
        .set("origin", new.origin.as_str())
        .set("settings", json(&new.settings)?)
        .set("trigger_json", json(new.trigger.json())?)
        .set("state", new.state.as_str())
        .set("next_fire_at", stamp_of(new.next.map(|next| next.0)))
        .set("next_due_at", stamp_of(next.map(|next| next.1)))
        .set("updated_at", stamp(now))
        .set("read_at", stamp(new.read_at))
        .set("reach", if new.reach.is_all() { None } else { Some(json(&new.reach)?) }))
}

impl Store {
    /// Keeps a schedule. `expected` is the revision that is to be changed; none when it is to be new.
    pub async fn keep_schedule(
        &self,
        new: NewSchedule,
        expected: Option<i64>,
        now: Time,
    ) -> Result<KeptSchedule, StoreError> {
        self.write(move |tx| {
            let new = new.clone();
            Box::pin(async move { keep(tx, &new, expected, true, now).await })
        })
        .await
    }

    /// A schedule by its key.
    pub async fn schedule(&self, key: &str) -> Result<Option<Schedule>, StoreError> {
        let key = key.to_owned();
        self.read(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let row = tx.first(format!("{} WHERE s.key = $1", with_run(NEWEST)), args![key]).await?;
                row.as_ref().map(schedule_of).transpose()
            })
        })
        .await
    }

    /// Schedules by key.
    pub async fn schedules(&self, filter: ScheduleFilter) -> Result<Vec<Schedule>, StoreError> {
        self.read(move |tx| {
            let filter = filter.clone();
            Box::pin(async move {
                let key = match (&filter.fires_before, &filter.after_fire) {
                    (Some(_), after) => after.as_ref().map(|(_, key)| key.clone()),
                    (None, _) => filter.after.clone(),
                };
                let mut values = args![key.unwrap_or_default()];
                let mut sql = format!("{} WHERE s.key > $1", with_run(NEWEST));
                let mut next = 2;
                if let Some(state) = filter.state {
                    values.push(state.as_str());
                    sql.push_str(" AND s.state = $2");
                    next = 3;
                }
                if let Some(scripts) = &filter.scripts {
                    let (these, _) = super::tx::list(tx.dialect, next, scripts, &mut values);
                    sql.push_str(&format!(" AND s.script IN {these}"));
                }
                let mut order = "s.key";
                if let Some(before) = filter.fires_before {
                    // Numbers of our own: they can stand in the text. What is due is looked for by its index.
                    let time = filter.after_fire.as_ref().map_or(i64::MIN, |(time, _)| stamp(*time));
                    sql = sql.replace("s.key > $1", "(s.next_fire_at > $0 OR s.next_fire_at = $0 AND s.key > $1)");
                    sql = sql.replace("$0", &time.to_string());
                    sql.push_str(&format!(" AND s.next_due_at IS NOT NULL AND s.next_fire_at < {}", stamp(before)));
                    order = "s.next_fire_at, s.key";
                }
                sql.push_str(&format!(" ORDER BY {order} LIMIT {}", filter.limit));
                tx.all(sql, values).await?.iter().map(schedule_of).collect()
            })
        })
        .await
    }

    /// Deletes a schedule. Its runs stay; those that wait for it end `skipped`. None when there is none.
    pub async fn delete_schedule(&self, key: &str, now: Time) -> Result<Option<Paused>, StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                if locks::schedule(tx, &key).await?.is_none() {
                    return Ok(None);
                }
                let skipped = cancel::skip_unstarted(tx, &key, "schedule_deleted", now).await?;
                delete(tx, &key, now).await?;
                Ok(Some(Paused { skipped }))
            })
        })
        .await
    }

    /// Pauses a schedule, with a reason when nobody asked for it: what waits for it ends `skipped`. None when there is
    /// none, or it can fire no more.
    pub async fn pause_schedule(
        &self,
        key: &str,
        reason: Option<String>,
        now: Time,
    ) -> Result<Option<Paused>, StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            let (key, reason) = (key.clone(), reason.clone());
            Box::pin(async move {
                match locks::schedule(tx, &key).await? {
                    None | Some((State::Finished, _)) => Ok(None),
                    Some(_) => pause(tx, &key, reason, now).await.map(Some),
                }
            })
        })
        .await
    }

    /// Lets a schedule fire again, from `cursor` on. False when it was changed meanwhile.
    pub async fn resume_schedule(
        &self,
        key: &str,
        revision: i64,
        cursor: Time,
        next: Option<(Time, Time)>,
        now: Time,
    ) -> Result<bool, StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let sql =
                    "UPDATE schedules SET state = $3, reason = NULL, cursor = $4, next_fire_at = $5, next_due_at = $6,
                    updated_at = $7, failures = 0, revision = revision + 1 WHERE key = $1 AND revision = $2";
                let hangs_on = chains::hangs_on(tx, &key).await?;
                let state = if next.is_some() || hangs_on { State::Active } else { State::Finished };
                let (fire, due) = (stamp_of(next.map(|next| next.0)), stamp_of(next.map(|next| next.1)));
                let values = args![&*key, revision, state.as_str(), stamp(cursor), fire, due, stamp(now)];
                let is_resumed = tx.run(sql, values).await? > 0;
                if is_resumed {
                    audit::note(tx, format!("schedules/{key}"), None).await?;
                }
                Ok(is_resumed)
            })
        })
        .await
    }

    /// Pauses what a script's schedules fire, for a reason; how many.
    pub async fn pause_schedules_of(&self, script: &str, reason: &str, now: Time) -> Result<usize, StoreError> {
        let all = std::sync::Arc::new((script.to_owned(), reason.to_owned()));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let sql = "SELECT key FROM schedules WHERE script = $1 AND state = 'active' ORDER BY key";
                let rows = tx.all(sql, args![&*all.0]).await?;
                for row in &rows {
                    let key = row.text("key")?;
                    if let Some((State::Active, _)) = locks::schedule(tx, &key).await? {
                        pause(tx, &key, Some(all.1.clone()), now).await?;
                    }
                }
                Ok(rows.len())
            })
        })
        .await
    }

    /// When the next schedule is to be looked at.
    pub async fn next_schedule(&self) -> Result<Option<Time>, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                let sql = "SELECT min(next_due_at) AS next FROM schedules WHERE next_due_at IS NOT NULL";
                tx.one(sql, args![]).await?.time_or_none("next")
            })
        })
        .await
    }

    /// When the next schedule after an instant is to be looked at.
    pub async fn next_schedule_after(&self, after: Time) -> Result<Option<Time>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let sql = "SELECT min(next_due_at) AS next FROM schedules WHERE next_due_at > $1";
                tx.one(sql, args![stamp(after)]).await?.time_or_none("next")
            })
        })
        .await
    }

    /// Schedules that are to be looked at by now, the longest due first: at most `limit`.
    pub async fn due_schedules(&self, now: Time, limit: usize) -> Result<Vec<Schedule>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let head = with_run(NO_RUN);
                let sql = format!("{head} WHERE s.next_due_at <= $1 ORDER BY s.next_due_at LIMIT {limit}");
                tx.all(sql, args![stamp(now)]).await?.iter().map(schedule_of).collect()
            })
        })
        .await
    }

    /// How the whole scheduler stands.
    pub async fn scheduler(&self) -> Result<SchedulerState, StoreError> {
        self.read(|tx| Box::pin(async move { scheduler_state(tx).await })).await
    }

    /// A schedule's next fire time is another one, and is looked at then. Nothing is changed when the schedule was
    /// meanwhile.
    pub async fn set_next(&self, key: &str, revision: i64, next: Option<Time>, due: Time) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let sql = "UPDATE schedules SET next_fire_at = $3, next_due_at = $4
                    WHERE key = $1 AND revision = $2 AND state = 'active'";
                tx.run(sql, args![key, revision, stamp_of(next), stamp(due)]).await.map(|_| ())
            })
        })
        .await
    }

    /// Next fire times were computed with this release of time zones.
    pub async fn set_tzdata(&self, release: &str) -> Result<(), StoreError> {
        let release = release.to_owned();
        self.write(move |tx| {
            let release = release.clone();
            Box::pin(async move { tx.run("UPDATE scheduler SET tzdata = $1", args![release]).await.map(|_| ()) })
        })
        .await
    }

    /// Stops all schedules.
    pub async fn pause_scheduler(&self, now: Time) -> Result<(), StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE scheduler SET paused = 1, updated_at = $1 WHERE paused = 0";
                tx.run(sql, args![stamp(now)]).await?;
                audit::note(tx, "scheduler", None).await
            })
        })
        .await
    }

    /// Lets all schedules fire again. Fire times up to `floor` get no rows; it never goes back.
    pub async fn resume_scheduler(&self, floor: Time, now: Time) -> Result<(), StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE scheduler SET paused = 0, floor = CASE WHEN $1 > floor THEN $1 ELSE floor END,
                    updated_at = $2 WHERE paused = 1";
                tx.run(sql, args![stamp(floor), stamp(now)]).await?;
                audit::note(tx, "scheduler", None).await
            })
        })
        .await
    }
}

/// Makes the schedules that a script brings along equal to these; others of it stay.
pub(super) async fn make_equal(
    tx: &mut Tx<'_>,
    script: &str,
    new: &[NewSchedule],
    now: Time,
) -> Result<(), StoreError> {
    for key in locks::schedules_of_metadata(tx, script).await? {
        if !new.iter().any(|new| new.key == key) {
            cancel::skip_unstarted(tx, &key, "schedule_deleted", now).await?;
            delete(tx, &key, now).await?;
        }
    }
    for new in new {
        let found = locks::schedule(tx, &new.key).await?;
        match keep(tx, new, found.map(|found| found.1), false, now).await? {
            // Somebody made one of this id in this very moment.
            KeptSchedule::Taken => return Err(StoreError::Conflict),
            KeptSchedule::Circle(circle) => return Err(StoreError::Circle(circle)),
            _ => {}
        }
    }
    Ok(())
}

/// Deletes a schedule's row.
pub(super) async fn delete(tx: &mut Tx<'_>, key: &str, now: Time) -> Result<(), StoreError> {
    // The feed tells of it with the row's last time.
    tx.run("UPDATE schedules SET updated_at = $2 WHERE key = $1", args![key, stamp(now)]).await?;
    tx.run("DELETE FROM schedules WHERE key = $1", args![key]).await?;
    audit::note(tx, format!("schedules/{key}"), "deleted".to_owned()).await
}

/// Pauses a schedule whose row is locked.
pub(super) async fn pause(tx: &mut Tx<'_>, key: &str, reason: Option<String>, now: Time) -> Result<Paused, StoreError> {
    let sql = "UPDATE schedules SET state = 'paused', reason = $2, next_due_at = NULL, updated_at = $3,
        revision = revision + 1 WHERE key = $1";
    // Whatever it quotes, it can be paused.
    let reason = reason.map(|reason| reason.replace('\0', " "));
    audit::note(tx, format!("schedules/{key}"), reason.clone()).await?;
    tx.run(sql, args![key, reason, stamp(now)]).await?;
    Ok(Paused { skipped: cancel::skip_unstarted(tx, key, "schedule_paused", now).await? })
}

/// The ids of a script's schedules.
pub(super) async fn of_script(tx: &mut Tx<'_>, script: &str) -> Result<Vec<String>, StoreError> {
    let rows = tx.all("SELECT id FROM schedules WHERE script = $1 ORDER BY key", args![script]).await?;
    rows.iter().map(|row| row.text("id")).collect()
}
