//! Nodes and their beats.

use super::tx::{args, stamp};
use super::{Store, StoreError};
use crate::clock::Time;

/// A node as the others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// New with every start.
    pub id: String,
    /// For people.
    pub name: String,
    /// The version of its program.
    pub program: String,
    /// What it does.
    pub roles: String,
    /// When it was started.
    pub started_at: Time,
    /// A counter that stands still when the node does.
    pub beat: i64,
}

impl Store {
    /// Makes a node known.
    pub async fn join(&self, id: &str, name: &str, roles: &str, now: Time) -> Result<(), StoreError> {
        let (id, name, roles) = (id.to_owned(), name.to_owned(), roles.to_owned());
        self.write(move |tx| {
            let (id, name, roles) = (id.clone(), name.clone(), roles.clone());
            Box::pin(async move {
                let sql =
                    "INSERT INTO nodes (id, name, program, roles, beat, started_at) VALUES ($1, $2, $3, $4, 0, $5)";
                tx.run(sql, args![id, name, env!("CARGO_PKG_VERSION"), roles, stamp(now)]).await.map(|_| ())
            })
        })
        .await
    }

    /// Says that a node is alive. False when the others have given it up: what it held is no longer its own.
    pub async fn beat(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |tx| {
            let id = id.clone();
            Box::pin(async move { Ok(tx.run("UPDATE nodes SET beat = beat + 1 WHERE id = $1", args![id]).await? > 0) })
        })
        .await
    }

    /// All nodes.
    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                let rows =
                    tx.all("SELECT id, name, program, roles, beat, started_at FROM nodes ORDER BY id", args![]).await?;
                let node = |row: &super::tx::Row| {
                    Ok(Node {
                        id: row.text("id")?,
                        name: row.text("name")?,
                        program: row.text("program")?,
                        roles: row.text("roles")?,
                        started_at: row.time("started_at")?,
                        beat: row.int("beat")?,
                    })
                };
                rows.iter().map(node).collect()
            })
        })
        .await
    }

    /// Forgets a node that went, or died and whose runs were taken; not while it still holds some.
    pub async fn leave(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                let sql = "DELETE FROM nodes WHERE id = $1 AND NOT EXISTS
                    (SELECT 1 FROM queue WHERE state = 'claimed' AND node = $1)";
                tx.run(sql, args![id]).await.map(|_| ())
            })
        })
        .await
    }

    /// Forgets a node at once, so that its next beat tells it that it was given up.
    pub async fn disown(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |tx| {
            let id = id.clone();
            Box::pin(async move { tx.run("DELETE FROM nodes WHERE id = $1", args![id]).await.map(|_| ()) })
        })
        .await
    }

    /// Nodes that hold runs and are not known: runs that nobody would miss.
    pub async fn unknown_holders(&self) -> Result<Vec<String>, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                let sql =
                    "SELECT DISTINCT node FROM queue WHERE state = 'claimed' AND node NOT IN (SELECT id FROM nodes)";
                tx.all(sql, args![]).await?.iter().map(|row| row.text("node")).collect()
            })
        })
        .await
    }
}
