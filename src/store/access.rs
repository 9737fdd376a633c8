//! Tokens and grants.

use super::tx::{Row, Tx, args, json, stamp, stamp_of};
use super::{Store, StoreError};
use crate::access::Token;
use crate::clock::Time;
use crate::limits::RequestedLimits;
use cronbox_runtime::network::HostPattern;

const TOKEN: &str = "SELECT id, name, scopes, scripts, labels, created_at, expires_at, last_used_at FROM tokens";

fn token_of(row: &Row) -> Result<Token, StoreError> {
    Ok(Token {
        id: row.text("id")?,
        name: row.text("name")?,
        scopes: row.json("scopes")?,
        scripts: row.json_or_none("scripts")?,
        labels: row.json_or_none("labels")?,
        created_at: row.time("created_at")?,
        expires_at: row.time_or_none("expires_at")?,
        last_used_at: row.time_or_none("last_used_at")?,
    })
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

impl Store {
    /// Keeps a token; `hash` is what will be compared.
    pub async fn add_token(&self, token: &Token, hash: &str) -> Result<(), StoreError> {
        let all = std::sync::Arc::new((token.clone(), hash.to_owned()));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (token, hash) = &*all;
                let sql = "INSERT INTO tokens (id, name, hash, scopes, scripts, labels, created_at, expires_at)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
                let values = args![
                    &*token.id,
                    &*token.name,
                    &**hash,
                    json(&token.scopes)?,
                    token.scripts.as_ref().map(json).transpose()?,
                    token.labels.as_ref().map(json).transpose()?,
                    stamp(token.created_at),
                    stamp_of(token.expires_at),
                ];
                tx.run(sql, values).await.map(|_| ())
            })
        })
        .await
    }

    /// The token of a hash, expired or not.
    pub async fn token(&self, hash: &str) -> Result<Option<Token>, StoreError> {
        let hash = hash.to_owned();
        self.read(move |tx| {
            let hash = hash.clone();
            Box::pin(async move {
                let row = tx.first(format!("{TOKEN} WHERE hash = $1"), args![hash]).await?;
                row.as_ref().map(token_of).transpose()
            })
        })
        .await
    }

    /// The token of an id, expired or not.
    pub async fn token_of(&self, id: &str) -> Result<Option<Token>, StoreError> {
        let id = id.to_owned();
        self.read(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                let row = tx.first(format!("{TOKEN} WHERE id = $1"), args![id]).await?;
                row.as_ref().map(token_of).transpose()
            })
        })
        .await
    }

    /// All tokens, oldest first.
    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                tx.all(format!("{TOKEN} ORDER BY created_at, id"), args![]).await?.iter().map(token_of).collect()
            })
        })
        .await
    }

    /// Ends a token. False when there is none.
    pub async fn remove_token(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |tx| {
            let id = id.clone();
            Box::pin(async move { Ok(tx.run("DELETE FROM tokens WHERE id = $1", args![id]).await? > 0) })
        })
        .await
    }

    /// Says that a token was used.
    pub async fn token_used(&self, id: &str, now: Time) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                tx.run("UPDATE tokens SET last_used_at = $2 WHERE id = $1", args![id, stamp(now)]).await.map(|_| ())
            })
        })
        .await
    }

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
        let key = key.to_owned();
        self.write(move |tx| {
            let (key, by) = (key.clone(), by.clone());
            Box::pin(async move {
                if !super::locks::script(tx, &key).await? {
                    return Ok(false);
                }
                let both = granted(tx, &key).await?.larger(&limits);
                for (name, number) in both.numbers() {
                    let sql = "INSERT INTO grants (script, kind, name, value, created_at, created_by)
                        VALUES ($1, 'limit', $2, $3, $4, $5)
                        ON CONFLICT (script, kind, name) DO UPDATE SET value = excluded.value";
                    tx.run(sql, args![&*key, name, number.to_string(), stamp(now), by.clone()]).await?;
                }
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

    /// Grants hosts to a script, beside what it was granted before. False when there is no such script.
    pub async fn grant_hosts(
        &self,
        key: &str,
        granted: GrantedHosts,
        by: Option<String>,
        now: Time,
    ) -> Result<bool, StoreError> {
        let all = std::sync::Arc::new((key.to_owned(), granted, by));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (key, granted, by) = &*all;
                if !super::locks::script(tx, key).await? {
                    return Ok(false);
                }
                let verified = granted.hosts.iter().map(|host| (host, VERIFIED));
                let unverified = granted.unverified.iter().map(|host| (host, UNVERIFIED));
                for (host, value) in verified.chain(unverified) {
                    // What need not prove its name need not because it is granted once more.
                    let sql = "INSERT INTO grants (script, kind, name, value, created_at, created_by)
                        VALUES ($1, 'host', $2, $3, $4, $5) ON CONFLICT (script, kind, name) DO UPDATE
                        SET value = CASE WHEN excluded.value = 'unverified' THEN excluded.value ELSE grants.value END";
                    tx.run(sql, args![&**key, host.to_string(), value, stamp(now), by.clone()]).await?;
                }
                Ok(true)
            })
        })
        .await
    }

    /// All grants: script, kind, name, value, since when.
    pub async fn grants(&self) -> Result<Vec<Grant>, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                let sql = "SELECT script, kind, name, value, created_at FROM grants ORDER BY script, kind, name";
                let grant = |row: &Row| -> Result<Grant, StoreError> {
                    Ok(Grant {
                        script: row.text("script")?,
                        kind: row.text("kind")?,
                        name: row.text("name")?,
                        value: row.text("value")?,
                        created_at: row.time("created_at")?,
                    })
                };
                let mut grants: Vec<Grant> = tx.all(sql, args![]).await?.iter().map(grant).collect::<Result<_, _>>()?;
                grants.append(&mut super::secrets::grants(tx).await?);
                grants.sort_by(|one, other| one.script.cmp(&other.script));
                Ok(grants)
            })
        })
        .await
    }

    /// Takes a grant back. False when there is none.
    pub async fn revoke(&self, key: &str, kind: &str, name: &str) -> Result<bool, StoreError> {
        let all = std::sync::Arc::new((key.to_owned(), kind.to_owned(), name.to_owned()));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                if all.1 == "secret" {
                    return super::secrets::revoke(tx, &all.0, &all.2).await;
                }
                let sql = "DELETE FROM grants WHERE script = $1 AND kind = $2 AND name = $3";
                Ok(tx.run(sql, args![&*all.0, &*all.1, &*all.2]).await? > 0)
            })
        })
        .await
    }
}

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
}
