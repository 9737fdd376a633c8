//! Tokens: who may ask for what.

use super::tx::{Row, args, json, stamp, stamp_of};
use super::{Store, StoreError, audit};
use crate::access::Token;
use crate::clock::Time;

/// The columns of a token, of the table `tokens` as `t`.
pub(super) const TOKEN_COLUMNS: &str =
    "t.id, t.name, t.scopes, t.scripts, t.labels, t.created_at, t.expires_at, t.last_used_at";

/// The token of a row with [`TOKEN_COLUMNS`].
pub(super) fn token_of(row: &Row) -> Result<Token, StoreError> {
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
                tx.run(sql, values).await?;
                let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
                audit::note(tx, format!("tokens/{}", token.id), format!("{}: {}", token.name, scopes.join(", "))).await
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
                let row =
                    tx.first(format!("SELECT {TOKEN_COLUMNS} FROM tokens t WHERE t.hash = $1"), args![hash]).await?;
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
                let row = tx.first(format!("SELECT {TOKEN_COLUMNS} FROM tokens t WHERE t.id = $1"), args![id]).await?;
                row.as_ref().map(token_of).transpose()
            })
        })
        .await
    }

    /// All tokens, oldest first.
    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                let sql = format!("SELECT {TOKEN_COLUMNS} FROM tokens t ORDER BY t.created_at, t.id");
                tx.all(sql, args![]).await?.iter().map(token_of).collect()
            })
        })
        .await
    }

    /// Ends a token. False when there is none.
    pub async fn remove_token(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                let is_removed = tx.run("DELETE FROM tokens WHERE id = $1", args![&*id]).await? > 0;
                if is_removed {
                    audit::note(tx, format!("tokens/{id}"), None).await?;
                }
                Ok(is_removed)
            })
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
}
