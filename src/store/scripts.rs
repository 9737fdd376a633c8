//! Scripts and their versions.

use super::columns::Columns;
use super::rows::script::{SCRIPT, VERSION, script, script_of, version_of};
use super::tx::{Row, Tx, args, json, stamp};
use super::{Store, StoreError, alerts, audit, blobs, cancel, grants, locks, queue, schedules};
use crate::alert::NewAlert;
use crate::clock::Time;
use crate::precondition::Precondition;
use crate::publication::{Deleted, Kept, NewVersion, ScriptFilter};
use crate::schedule::NewSchedule;
use crate::script::{LinkState, Script, Settings, Version, key_of};

async fn keep(tx: &mut Tx<'_>, new: &NewVersion, now: Time) -> Result<Kept, StoreError> {
    locks::own_schedules(tx, &new.key, &new.schedules).await?;
    let kept = keep_version(tx, new, now).await?;
    audit::note(tx, format!("scripts/{}", new.key), format!("version {}", kept.script.version.number)).await?;
    schedules::make_equal(tx, &new.key, &new.schedules, now).await?;
    alerts::make_equal(tx, (&kept.script.name, &new.key), &new.alerts, now).await?;
    Ok(kept)
}

async fn keep_version(tx: &mut Tx<'_>, new: &NewVersion, now: Time) -> Result<Kept, StoreError> {
    let found = if locks::script(tx, &new.key).await? { script(tx, &new.key).await? } else { None };
    let tag = found.as_ref().map(Script::tag);
    if !new.precondition.holds(tag.as_deref()) {
        return Err(StoreError::Changed(tag));
    }
    let Some(old) = found else {
        let settings = json(&new.settings.clone().unwrap_or_default())?;
        let sql = "INSERT INTO scripts (key, name, settings, version, latest, link, created_at, updated_at)
            VALUES ($1, $2, $3, 1, 1, $4, $5, $5)";
        tx.run(sql, args![&*new.key, &*new.name, settings, new.link.clone(), stamp(now)]).await?;
        insert_version(tx, new, 1, now).await?;
        let script =
            script(tx, &new.key).await?.ok_or_else(|| StoreError::Corrupt("a script without a version".into()))?;
        return Ok(Kept { script, is_new: true });
    };
    if new.only_new {
        return Err(StoreError::Conflict);
    }
    let settings = json(&new.settings.as_ref().map_or_else(|| old.settings.clone(), |set| set.or(&old.settings)))?;
    // The content in force again: nothing new. Content of an earlier version: that one is in force again.
    let same =
        "SELECT number FROM versions WHERE script = $1 AND sha256 = $2 AND main = $3 ORDER BY number DESC LIMIT 1";
    let known = tx.first(same, args![&*new.key, &*new.sha256, &*new.main]).await?;
    let known = known.map(|row| row.int("number")).transpose()?;
    let number = match known {
        Some(number) => {
            let sql =
                "UPDATE versions SET table_json = $3, facts = $4, functions = $5 WHERE script = $1 AND number = $2";
            let functions = new.functions.as_ref().map(json).transpose()?;
            tx.run(sql, args![&*new.key, number, json(&new.table)?, json(&new.facts)?, functions]).await?;
            keep_made(tx, new, number).await?;
            number
        }
        None => {
            insert_version(tx, new, old.latest + 1, now).await?;
            old.latest + 1
        }
    };
    let sql = "UPDATE scripts SET name = $2, settings = $3, version = $4, latest = $5, link = $6, updated_at = $7 WHERE key = $1";
    let latest = old.latest.max(number);
    tx.run(sql, args![&*new.key, &*new.name, settings, number, latest, new.link.clone(), stamp(now)]).await?;
    let script = script(tx, &new.key).await?.ok_or_else(|| StoreError::Corrupt("a script without a version".into()))?;
    queue::set_concurrency(tx, &new.key, script.in_force().concurrency).await?;
    Ok(Kept { is_new: known.is_none(), script })
}

async fn insert_version(tx: &mut Tx<'_>, new: &NewVersion, number: i64, now: Time) -> Result<(), StoreError> {
    let (sql, values) = Columns::default()
        .set("script", &*new.key)
        .set("number", number)
        .set("sha256", &*new.sha256)
        .set("blob", &*new.blob)
        .set("main", &*new.main)
        .set("size", i64::try_from(new.size).unwrap_or(i64::MAX))
        .set("table_json", json(&new.table)?)
        .set("facts", json(&new.facts)?)
        .set("functions", new.functions.as_ref().map(json).transpose()?)
        .set("created_at", stamp(now))
        .insert_into("versions");
    tx.run(sql, values).await?;
    blobs::refer(tx, &new.blob, blobs::Owner::Version, &owner(&new.key, number)).await?;
    keep_made(tx, new, number).await
}

/// Keeps what was made of a version's content: its code object and its packages.
async fn keep_made(tx: &mut Tx<'_>, new: &NewVersion, number: i64) -> Result<(), StoreError> {
    let owner = owner(&new.key, number);
    if let Some((code, build)) = &new.code {
        let sql = "UPDATE versions SET code = $3, code_build = $4 WHERE script = $1 AND number = $2";
        tx.run(sql, args![&*new.key, number, &**code, &**build]).await?;
        blobs::refer(tx, code, blobs::Owner::Version, &owner).await?;
    }
    if let Some(packages) = &new.packages {
        let sql = "UPDATE versions SET packages = $3 WHERE script = $1 AND number = $2";
        tx.run(sql, args![&*new.key, number, json(packages)?]).await?;
        blobs::refer(tx, &packages.blob, blobs::Owner::Version, &owner).await?;
    }
    Ok(())
}

/// A version's name as an owner of blobs.
fn owner(key: &str, number: i64) -> String {
    format!("{key}@{number}")
}

/// A script that is read from somewhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedScript {
    /// Its key.
    pub key: String,
    /// Where it is read from.
    pub link: String,
    /// What was found there.
    pub state: LinkState,
    /// Whether an active schedule starts it.
    pub is_scheduled: bool,
}

impl Store {
    /// Keeps a version. Content that the script has or had already gets no new number.
    pub async fn keep_version(&self, new: NewVersion, now: Time) -> Result<Kept, StoreError> {
        self.write(move |tx| {
            let new = new.clone();
            Box::pin(async move { keep(tx, &new, now).await })
        })
        .await
    }

    /// A script by its key.
    pub async fn script(&self, key: &str) -> Result<Option<Script>, StoreError> {
        let known = self.inner.scripts.as_ref();
        let changes = match known.map(|known| known.find(key)) {
            Some(Ok(script)) => return Ok(Some(script)),
            Some(Err(changes)) => changes,
            None => 0,
        };
        let key = key.to_owned();
        let found = self
            .read(move |tx| {
                let key = key.clone();
                Box::pin(async move { script(tx, &key).await })
            })
            .await?;
        if let (Some(known), Some(script)) = (known, &found) {
            known.keep(script, changes);
        }
        Ok(found)
    }

    /// Scripts by key.
    pub async fn scripts(&self, filter: ScriptFilter) -> Result<Vec<Script>, StoreError> {
        self.read(move |tx| {
            let filter = filter.clone();
            Box::pin(async move {
                let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
                let mut after = filter.after.unwrap_or_default();
                let mut found = Vec::new();
                loop {
                    let sql = format!("{SCRIPT} WHERE s.key > $1 ORDER BY s.key LIMIT $2");
                    let rows = tx.all(sql, args![&*after, limit]).await?;
                    for row in &rows {
                        let script = script_of(row)?;
                        after.clone_from(&script.key);
                        let has = |(key, value): &(String, String)| script.in_force().labels.get(key) == Some(value);
                        if filter.label.as_ref().is_none_or(has) && script.mentions(&filter.words) {
                            found.push(script);
                        }
                    }
                    if found.len() >= filter.limit || rows.len() < filter.limit {
                        found.truncate(filter.limit);
                        return Ok(found);
                    }
                }
            })
        })
        .await
    }

    /// When the newest run of each script that succeeded ended, of at most so many scripts: name and time.
    pub async fn last_successes(&self, most: usize) -> Result<Vec<(String, Time)>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let sql = format!(
                    "SELECT s.name, (SELECT r.finished_at FROM runs r WHERE r.script = s.key AND r.status = 'succeeded'
                    ORDER BY coalesce(r.fire_time, r.run_at) DESC, r.id DESC LIMIT 1) AS last
                    FROM scripts s ORDER BY s.key LIMIT {most}"
                );
                let mut found = Vec::new();
                for row in tx.all(sql, args![]).await? {
                    if let Some(last) = row.time_or_none("last")? {
                        found.push((row.text("name")?, last));
                    }
                }
                Ok(found)
            })
        })
        .await
    }

    /// How many scripts there are.
    pub async fn count_scripts(&self) -> Result<u64, StoreError> {
        self.read(|tx| {
            Box::pin(async move { tx.one("SELECT count(*) AS scripts FROM scripts", args![]).await?.size("scripts") })
        })
        .await
    }

    /// The scripts that are read from below an address.
    pub async fn links_below(&self, beginning: &str) -> Result<Vec<LinkedScript>, StoreError> {
        let (from, to) = (beginning.to_owned(), format!("{beginning}\u{10ffff}"));
        self.read(move |tx| {
            let (from, to) = (from.clone(), to.clone());
            Box::pin(async move {
                let sql = "SELECT key, link, link_state,
                    CASE WHEN EXISTS (SELECT 1 FROM schedules WHERE script = scripts.key AND state = 'active')
                        THEN 1 ELSE 0 END AS is_scheduled
                    FROM scripts WHERE link >= $1 AND link < $2 ORDER BY key";
                let linked = |row: &Row| {
                    Ok(LinkedScript {
                        key: row.text("key")?,
                        link: row.text("link")?,
                        state: row.json_or_none("link_state")?.unwrap_or_default(),
                        is_scheduled: row.int("is_scheduled")? == 1,
                    })
                };
                tx.all(sql, args![from, to]).await?.iter().map(linked).collect()
            })
        })
        .await
    }

    /// Says what was found at a script's link.
    pub async fn set_link_state(&self, key: &str, state: &LinkState) -> Result<(), StoreError> {
        let (key, state) = (key.to_owned(), json(state)?);
        self.write(move |tx| {
            let (key, state) = (key.clone(), state.clone());
            Box::pin(async move {
                tx.run("UPDATE scripts SET link_state = $2 WHERE key = $1", args![key, state]).await.map(|_| ())
            })
        })
        .await
    }

    /// A script's versions, newest first, those before `before`.
    pub async fn versions(&self, key: &str, before: Option<i64>, limit: usize) -> Result<Vec<Version>, StoreError> {
        let key = key.to_owned();
        self.read(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let sql = format!("{VERSION} WHERE script = $1 AND number < $2 ORDER BY number DESC LIMIT $3");
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let rows = tx.all(sql, args![key, before.unwrap_or(i64::MAX), limit]).await?;
                rows.iter().map(version_of).collect()
            })
        })
        .await
    }

    /// One version.
    pub async fn version(&self, key: &str, number: i64) -> Result<Option<Version>, StoreError> {
        let key = key.to_owned();
        self.read(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let row = tx.first(format!("{VERSION} WHERE script = $1 AND number = $2"), args![key, number]).await?;
                row.as_ref().map(version_of).transpose()
            })
        })
        .await
    }

    /// The version of that number, or without one the version in force.
    pub async fn version_or_in_force(
        &self,
        script: &Script,
        number: Option<i64>,
    ) -> Result<Option<Version>, StoreError> {
        match number {
            Some(number) if number != script.version.number => self.version(&script.key, number).await,
            _ => Ok(Some(script.version.clone())),
        }
    }

    /// Puts these settings in the place of what was set by request, if the script is still what it must be. The script as it
    /// is then; none when there is none.
    pub async fn set_settings(
        &self,
        key: &str,
        settings: Settings,
        asked: &Precondition,
        now: Time,
    ) -> Result<Option<Script>, StoreError> {
        let all = std::sync::Arc::new((key.to_owned(), settings, asked.clone()));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (key, settings, asked) = &*all;
                let found = if locks::script(tx, key).await? { script(tx, key).await? } else { None };
                let Some(found) = found else { return Ok(None) };
                let tag = found.tag();
                if !asked.holds(Some(&tag)) {
                    return Err(StoreError::Changed(Some(tag)));
                }
                let sql = "UPDATE scripts SET settings = $2, updated_at = $3 WHERE key = $1";
                tx.run(sql, args![&**key, json(settings)?, stamp(now)]).await?;
                audit::note(tx, format!("scripts/{key}"), "settings".to_owned()).await?;
                let script = script(tx, key).await?;
                let concurrency = script.as_ref().and_then(|script| script.in_force().concurrency);
                queue::set_concurrency(tx, key, concurrency).await?;
                Ok(script)
            })
        })
        .await
    }

    /// Puts another version in force. None when the script or the version is not there.
    pub async fn set_version(
        &self,
        key: &str,
        number: i64,
        own: Option<(Vec<NewSchedule>, Vec<NewAlert>)>,
        now: Time,
    ) -> Result<Option<Script>, StoreError> {
        let all = std::sync::Arc::new((key.to_owned(), own));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (key, own) = &*all;
                if let Some((schedules, _)) = own {
                    locks::own_schedules(tx, key, schedules).await?;
                }
                locks::script(tx, key).await?;
                let sql = "UPDATE scripts SET version = $2, updated_at = $3 WHERE key = $1
                    AND EXISTS (SELECT 1 FROM versions WHERE script = $1 AND number = $2)";
                if tx.run(sql, args![&**key, number, stamp(now)]).await? == 0 {
                    return Ok(None);
                }
                audit::note(tx, format!("scripts/{key}"), format!("version {number}")).await?;
                if let Some((schedules, _)) = own {
                    schedules::make_equal(tx, key, schedules, now).await?;
                }
                let script = script(tx, key).await?;
                if let (Some(script), Some((_, alerts))) = (&script, own) {
                    alerts::make_equal(tx, (&script.name, key), alerts, now).await?;
                }
                if let Some(script) = &script {
                    queue::set_concurrency(tx, key, script.in_force().concurrency).await?;
                }
                Ok(script)
            })
        })
        .await
    }

    /// Deletes a script with all its versions. Its runs stay; those that wait are cancelled. A script with schedules stays,
    /// unless these are to be deleted too.
    pub async fn delete_script(&self, key: &str, with_schedules: bool, now: Time) -> Result<Deleted, StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let of_script = schedules::of_script(tx, &key).await?;
                if !of_script.is_empty() && !with_schedules {
                    return Ok(Deleted::HasSchedules(of_script));
                }
                for id in &of_script {
                    locks::schedule(tx, &key_of(id)).await?;
                }
                if !locks::script(tx, &key).await? {
                    return Ok(Deleted::Unknown);
                }
                // Again: from here on nobody makes another.
                let of_script = schedules::of_script(tx, &key).await?;
                if !of_script.is_empty() && !with_schedules {
                    return Ok(Deleted::HasSchedules(of_script));
                }
                for id in &of_script {
                    schedules::delete(tx, &key_of(id), now).await?;
                }
                let (cancelled, running) = cancel::cancel_lane(tx, &key, "script_deleted", now).await?;
                let versions = tx.all("SELECT number FROM versions WHERE script = $1", args![&*key]).await?;
                for row in versions {
                    blobs::release(tx, blobs::Owner::Version, &owner(&key, row.int("number")?), now).await?;
                }
                grants::release_secrets(tx, &key).await?;
                alerts::release(tx, &key).await?;
                tx.run("DELETE FROM scripts WHERE key = $1", args![&*key]).await?;
                audit::note(tx, format!("scripts/{key}"), None).await?;
                Ok(Deleted::Done { cancelled, running })
            })
        })
        .await
    }
}
