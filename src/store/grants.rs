//! Grants: what somebody with the right allowed a script beyond the default: limits, hosts, and secrets.
//!
//! A script has a secret when its terms name the script, by name or by a label, and there is a grant: made for the named
//! scripts, and those that have a label that is new to the secret, when the secret is set, and later when somebody who may
//! grant uploads a script that has the label. So nobody gets a secret by putting a label on a script. A grant that was
//! taken back is remembered, and given again by name only. A script that is deleted takes its grants with it.

use super::tx::{Row, Tx, args, stamp};
use super::{Store, StoreError, audit, locks};
use crate::clock::Time;
use crate::limits::RequestedLimits;
use cronbox_runtime::network::HostPattern;
use std::fmt;
use std::sync::Arc;

/// The values of grants of hosts.
const VERIFIED: &str = "verified";
const UNVERIFIED: &str = "unverified";

/// Hosts that a script was granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantedHosts {
    /// Those that it may reach.
    pub hosts: Vec<HostPattern>,
    /// Those of them whose certificate need not prove their name.
    pub unverified: Vec<HostPattern>,
}

/// What somebody with the right allowed a script beyond the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The script's key.
    pub script: String,
    /// `limit`, `host`, `secret`.
    pub kind: String,
    /// Which.
    pub name: String,
    /// How much: bytes, units of fuel, milliseconds; of a host `verified` or `unverified`; of a secret `granted`.
    pub value: String,
    /// Since when.
    pub created_at: Time,
    /// The token that granted it.
    pub created_by: Option<String>,
}

/// Whether somebody said which script is meant, or it is one of those that have a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Also one from which it was taken back.
    ByName,
    /// Not one from which it was taken back.
    ByLabel,
}

async fn granted(tx: &mut Tx<'_>, key: &str) -> Result<RequestedLimits, StoreError> {
    let mut granted = RequestedLimits::default();
    let rows = tx.all("SELECT name, value FROM grants WHERE script = $1 AND kind = 'limit'", args![key]).await?;
    for row in rows {
        let value = row.text("value")?;
        let number = value.parse().map_err(|_| StoreError::Corrupt(format!("a grant of {value:?}")))?;
        granted.add_number(&row.text("name")?, number);
    }
    Ok(granted)
}

/// Grants a secret to a script.
pub(super) async fn grant_secret(
    tx: &mut Tx<'_>,
    secret: &str,
    script: &str,
    how: How,
    by: Option<&str>,
    now: Time,
) -> Result<(), StoreError> {
    let known = match how {
        How::ByName => {
            "UPDATE SET revoked = 0, created_at = excluded.created_at, created_by = excluded.created_by
            WHERE secret_grants.revoked = 1"
        }
        How::ByLabel => "NOTHING",
    };
    let sql = format!(
        "INSERT INTO secret_grants (secret, script, created_at, created_by) VALUES ($1, $2, $3, $4)
        ON CONFLICT (secret, script) DO {known}"
    );
    tx.run(sql, args![secret, script, stamp(now), by]).await.map(|_| ())
}

/// A script that is deleted has no secrets any more, nor has the next one of its name.
pub(super) async fn release_secrets(tx: &mut Tx<'_>, script: &str) -> Result<(), StoreError> {
    tx.run("DELETE FROM secret_grants WHERE script = $1", args![script]).await.map(|_| ())
}

/// Grants of secrets as they are told beside those of limits and hosts.
async fn secret_grants(tx: &mut Tx<'_>) -> Result<Vec<Grant>, StoreError> {
    let sql =
        "SELECT script, secret, created_at, created_by FROM secret_grants WHERE revoked = 0 ORDER BY script, secret";
    let grant = |row: &Row| {
        Ok(Grant {
            script: row.text("script")?,
            kind: "secret".into(),
            name: row.text("secret")?,
            value: "granted".into(),
            created_at: row.time("created_at")?,
            created_by: row.text_or_none("created_by")?,
        })
    };
    tx.all(sql, args![]).await?.iter().map(grant).collect()
}

/// Takes a grant back. Whether there was one.
async fn revoke_secret(tx: &mut Tx<'_>, script: &str, secret: &str) -> Result<bool, StoreError> {
    let sql = "UPDATE secret_grants SET revoked = 1 WHERE script = $1 AND secret = $2 AND revoked = 0";
    Ok(tx.run(sql, args![script, secret]).await? > 0)
}

/// What is to be granted to a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewGrants {
    /// Limits above the defaults.
    pub limits: RequestedLimits,
    /// Hosts.
    pub hosts: GrantedHosts,
    /// Secrets by name. Those that are gone are granted to nobody.
    pub secrets: Vec<(String, How)>,
}

impl fmt::Display for NewGrants {
    /// `limits memory, timeout; hosts api.example.com; secrets KEY`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = self.limits.numbers().into_iter().map(|(name, _)| name.to_owned()).collect();
        let hosts = self.hosts.hosts.iter().chain(&self.hosts.unverified).map(HostPattern::to_string).collect();
        let secrets = self.secrets.iter().map(|(name, _)| name.clone()).collect();
        let parts: [(&str, Vec<String>); 3] = [("limits", limits), ("hosts", hosts), ("secrets", secrets)];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<String> = parts.map(|(kind, names)| format!("{kind} {}", names.join(", "))).collect();
        f.write_str(&parts.join("; "))
    }
}

/// To which script something is granted, by which token, and when.
struct Made<'a> {
    script: &'a str,
    by: Option<&'a str>,
    now: Time,
}

async fn grant_limits(tx: &mut Tx<'_>, made: &Made<'_>, limits: RequestedLimits) -> Result<(), StoreError> {
    let both = granted(tx, made.script).await?.larger(&limits);
    for (name, number) in both.numbers() {
        let sql = "INSERT INTO grants (script, kind, name, value, created_at, created_by)
            VALUES ($1, 'limit', $2, $3, $4, $5)
            ON CONFLICT (script, kind, name) DO UPDATE SET value = excluded.value,
                created_at = excluded.created_at, created_by = excluded.created_by
            WHERE grants.value <> excluded.value";
        tx.run(sql, args![made.script, name, number.to_string(), stamp(made.now), made.by]).await?;
    }
    Ok(())
}

async fn grant_hosts(tx: &mut Tx<'_>, made: &Made<'_>, hosts: &GrantedHosts) -> Result<(), StoreError> {
    let verified = hosts.hosts.iter().map(|host| (host, VERIFIED));
    let unverified = hosts.unverified.iter().map(|host| (host, UNVERIFIED));
    for (host, value) in verified.chain(unverified) {
        // What need not prove its name need not because it is granted once more.
        let sql = "INSERT INTO grants (script, kind, name, value, created_at, created_by)
            VALUES ($1, 'host', $2, $3, $4, $5) ON CONFLICT (script, kind, name) DO UPDATE
            SET value = excluded.value, created_at = excluded.created_at, created_by = excluded.created_by
            WHERE excluded.value = 'unverified' AND grants.value <> excluded.value";
        tx.run(sql, args![made.script, host.to_string(), value, stamp(made.now), made.by]).await?;
    }
    Ok(())
}

async fn grant_secrets(tx: &mut Tx<'_>, made: &Made<'_>, names: &[(String, How)]) -> Result<(), StoreError> {
    for (name, how) in names {
        let sql = "SELECT 1 AS one FROM secrets WHERE name = $1";
        if tx.first(sql, args![&**name]).await?.is_some() {
            grant_secret(tx, name, made.script, *how, made.by, made.now).await?;
        }
    }
    Ok(())
}

impl Store {
    /// The limits a script was granted beyond the default.
    pub async fn granted_limits(&self, key: &str) -> Result<RequestedLimits, StoreError> {
        let key = key.to_owned();
        self.read(move |tx| {
            let key = key.clone();
            Box::pin(async move { granted(tx, &key).await })
        })
        .await
    }

    /// Grants limits to a script, beside what it was granted before. False when there is no such script.
    pub async fn grant_limits(
        &self,
        key: &str,
        limits: RequestedLimits,
        by: Option<String>,
        now: Time,
    ) -> Result<bool, StoreError> {
        self.grant(key, NewGrants { limits, ..NewGrants::default() }, by, now).await
    }

    /// Grants limits, hosts and secrets to a script, all of them or none, beside what it was granted before. False when there
    /// is no such script.
    pub async fn grant(&self, key: &str, grants: NewGrants, by: Option<String>, now: Time) -> Result<bool, StoreError> {
        let all = Arc::new((key.to_owned(), grants, by));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (key, grants, by) = &*all;
                if !locks::script(tx, key).await? {
                    return Ok(false);
                }
                let made = Made { script: key, by: by.as_deref(), now };
                if grants.limits != RequestedLimits::default() {
                    grant_limits(tx, &made, grants.limits).await?;
                }
                grant_hosts(tx, &made, &grants.hosts).await?;
                grant_secrets(tx, &made, &grants.secrets).await?;
                audit::note(tx, format!("grants/{key}"), grants.to_string()).await?;
                Ok(true)
            })
        })
        .await
    }

    /// The hosts a script was granted.
    pub async fn granted_hosts(&self, key: &str) -> Result<GrantedHosts, StoreError> {
        let key = key.to_owned();
        self.read(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let sql = "SELECT name, value FROM grants WHERE script = $1 AND kind = 'host'";
                let mut granted = GrantedHosts::default();
                for row in tx.all(sql, args![&*key]).await? {
                    let name = row.text("name")?;
                    let host: HostPattern =
                        name.parse().map_err(|_| StoreError::Corrupt(format!("a grant of {name:?}")))?;
                    if row.text("value")? == UNVERIFIED {
                        granted.unverified.push(host.clone());
                    }
                    granted.hosts.push(host);
                }
                Ok(granted)
            })
        })
        .await
    }

    /// All grants.
    pub async fn grants(&self) -> Result<Vec<Grant>, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                let sql =
                    "SELECT script, kind, name, value, created_at, created_by FROM grants ORDER BY script, kind, name";
                let grant = |row: &Row| -> Result<Grant, StoreError> {
                    Ok(Grant {
                        script: row.text("script")?,
                        kind: row.text("kind")?,
                        name: row.text("name")?,
                        value: row.text("value")?,
                        created_at: row.time("created_at")?,
                        created_by: row.text_or_none("created_by")?,
                    })
                };
                let mut grants: Vec<Grant> = tx.all(sql, args![]).await?.iter().map(grant).collect::<Result<_, _>>()?;
                grants.append(&mut secret_grants(tx).await?);
                grants.sort_by(|one, other| one.script.cmp(&other.script));
                Ok(grants)
            })
        })
        .await
    }

    /// Takes a grant back. False when there is none.
    pub async fn revoke(&self, key: &str, kind: &str, name: &str) -> Result<bool, StoreError> {
        let all = Arc::new((key.to_owned(), kind.to_owned(), name.to_owned()));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (key, kind, name) = (&*all.0, &*all.1, &*all.2);
                let is_revoked = match kind {
                    "secret" => revoke_secret(tx, key, name).await?,
                    _ => {
                        let sql = "DELETE FROM grants WHERE script = $1 AND kind = $2 AND name = $3";
                        tx.run(sql, args![key, kind, name]).await? > 0
                    }
                };
                if is_revoked {
                    audit::note(tx, format!("grants/{key}/{kind}/{name}"), None).await?;
                }
                Ok(is_revoked)
            })
        })
        .await
    }
}
