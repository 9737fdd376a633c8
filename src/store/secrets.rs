//! Secrets. Which scripts they are granted to is told by [`super::grants`].

use super::grants::{How, grant_secret};
use super::tx::{Row, args, stamp};
use super::{Store, StoreError, audit};
use crate::clock::Time;
use crate::secret::{Secret, SecretTerms};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SECRET: &str = "SELECT name, terms, key, sealed, created_at, updated_at, created_by FROM secrets";

fn secret_of(row: &Row) -> Result<Secret, StoreError> {
    let sealed_terms = row.text("terms")?;
    let terms: SecretTerms = row.json("terms")?;
    Ok(Secret {
        name: row.text("name")?,
        terms,
        sealed_terms,
        key: row.text("key")?,
        sealed: row.text("sealed")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        created_by: row.text_or_none("created_by")?,
    })
}

/// Whether it is known that there are no secrets at all, so that runs on a database without any do not ask for theirs.
/// Only where this program alone writes to the database.
#[derive(Debug, Default)]
pub(super) struct Known {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    changes: u64,
    none: bool,
}

impl Known {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        let mut kept = self.lock();
        (kept.changes, kept.none) = (kept.changes + 1, false);
    }

    /// Takes what was read when there had been so many changes.
    fn found_none(&self, changes: u64) {
        let mut kept = self.lock();
        kept.none = kept.changes == changes;
    }
}

impl Store {
    /// Sets a secret, in place of one of that name, and grants it. Of the grants of that one, those stay whose scripts
    /// are `covered` still. Whether it is new.
    pub async fn set_secret(
        &self,
        secret: Secret,
        covered: Vec<String>,
        granted: Vec<(String, How)>,
        now: Time,
    ) -> Result<bool, StoreError> {
        let all = Arc::new((secret, covered, granted));
        let is_new = self
            .write(move |tx| {
                let all = all.clone();
                Box::pin(async move {
                    let (secret, covered, granted) = &*all;
                    let (name, by) = (&*secret.name, secret.created_by.as_deref());
                    let known = tx.first("SELECT 1 AS one FROM secrets WHERE name = $1", args![name]).await?.is_some();
                    let sql = "INSERT INTO secrets (name, terms, key, sealed, created_at, updated_at, created_by)
                        VALUES ($1, $2, $3, $4, $5, $5, $6) ON CONFLICT (name) DO UPDATE SET terms = excluded.terms,
                        key = excluded.key, sealed = excluded.sealed, updated_at = excluded.updated_at,
                        created_by = excluded.created_by";
                    let values = args![name, &*secret.sealed_terms, &*secret.key, &*secret.sealed, stamp(now), by];
                    tx.run(sql, values).await?;
                    let covered: HashSet<&str> = covered.iter().map(String::as_str).collect();
                    let sql = "SELECT script FROM secret_grants WHERE secret = $1";
                    for row in tx.all(sql, args![name]).await? {
                        let script = row.text("script")?;
                        if !covered.contains(&*script) {
                            let sql = "DELETE FROM secret_grants WHERE secret = $1 AND script = $2";
                            tx.run(sql, args![name, script]).await?;
                        }
                    }
                    for (script, how) in granted {
                        grant_secret(tx, name, script, *how, by, now).await?;
                    }
                    audit::note(tx, format!("secrets/{name}"), None).await?;
                    Ok(!known)
                })
            })
            .await?;
        self.inner.secrets.changed();
        Ok(is_new)
    }

    /// All secrets, by name.
    pub async fn secrets(&self) -> Result<Vec<Secret>, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                tx.all(format!("{SECRET} ORDER BY name"), args![]).await?.iter().map(secret_of).collect()
            })
        })
        .await
    }

    /// The secret of a name.
    pub async fn secret(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        let name = name.to_owned();
        self.read(move |tx| {
            let name = name.clone();
            Box::pin(async move {
                let row = tx.first(format!("{SECRET} WHERE name = $1"), args![name]).await?;
                row.as_ref().map(secret_of).transpose()
            })
        })
        .await
    }

    /// The secrets that a script was granted, by name. Whether it still has the label that a secret is for is not looked
    /// at here.
    pub async fn secrets_of(&self, script: &str) -> Result<Vec<Secret>, StoreError> {
        let alone = !self.is_shared();
        let changes = {
            let kept = self.inner.secrets.lock();
            if kept.none && alone {
                return Ok(Vec::new());
            }
            kept.changes
        };
        let script = script.to_owned();
        let (found, any) = self
            .read(move |tx| {
                let script = script.clone();
                Box::pin(async move {
                    let sql = format!(
                        "{SECRET} WHERE name IN (SELECT secret FROM secret_grants WHERE script = $1 AND revoked = 0)
                        ORDER BY name"
                    );
                    let found: Vec<Secret> =
                        tx.all(sql, args![script]).await?.iter().map(secret_of).collect::<Result<_, _>>()?;
                    let any = !found.is_empty()
                        || !alone
                        || tx.first("SELECT 1 AS one FROM secrets LIMIT 1", args![]).await?.is_some();
                    Ok((found, any))
                })
            })
            .await?;
        if !any {
            self.inner.secrets.found_none(changes);
        }
        Ok(found)
    }

    /// Removes a secret. False when there is none.
    pub async fn remove_secret(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(move |tx| {
            let name = name.clone();
            Box::pin(async move {
                let is_removed = tx.run("DELETE FROM secrets WHERE name = $1", args![&*name]).await? > 0;
                if is_removed {
                    audit::note(tx, format!("secrets/{name}"), None).await?;
                }
                Ok(is_removed)
            })
        })
        .await
    }

    /// Keeps values that were sealed anew, each with what it was before; what was set meanwhile stays as it was set. How
    /// many there were.
    pub async fn reseal_secrets(&self, resealed: Vec<(Secret, Secret)>) -> Result<u64, StoreError> {
        let rows = resealed.into_iter().map(|(before, after)| [after.name, after.key, after.sealed, before.sealed]);
        self.reseal("secrets", rows.collect()).await
    }

    /// Keeps what was sealed with another key: of each row of `table` its name, the key, and what is sealed, now and before.
    /// A row that was set meanwhile stays. How many there were.
    pub(super) async fn reseal(&self, table: &'static str, rows: Vec<[String; 4]>) -> Result<u64, StoreError> {
        let rows = Arc::new(rows);
        self.write(move |tx| {
            let rows = rows.clone();
            Box::pin(async move {
                let mut count = 0;
                for [name, key, sealed, before] in &*rows {
                    let sql = format!("UPDATE {table} SET key = $2, sealed = $3 WHERE name = $1 AND sealed = $4");
                    count += tx.run(sql, args![&**name, &**key, &**sealed, &**before]).await?;
                }
                audit::note(tx, "keys", format!("{count} of {table} are sealed with the new key")).await?;
                Ok(count)
            })
        })
        .await
    }
}
