//! A look at a database from outside: nothing is made in it, and no step of the schema is applied.

use super::{PendingStep, applied, last, pending};
use crate::clock::{Time, from_micros};
use crate::store::connections::connect;
use crate::store::open::{options_for, sqlite_url};
use crate::store::tx::Dialect;
use crate::store::{DatabaseUrl, Store, StoreError};
use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, Connection as _};

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek {
    /// `SQLite 3.51.0`, `PostgreSQL 17.2`
    pub engine: String,
    /// The newest step of the schema that was applied; none in a database that no server has used.
    pub schema: Option<i64>,
    /// The newest step that this program knows.
    pub newest: i64,
    /// Settings on which it depends that nothing accepted is lost, with their values.
    pub settings: Vec<(&'static str, String)>,
    /// What time it says it is; none where the node's own clock decides.
    pub time: Option<Time>,
}

impl Store {
    /// The steps of the schema that a database does not have yet: those that [`Store::open`] would apply. Changes nothing.
    ///
    /// # Errors
    /// There is no database, it does not answer, or a newer version of this program has used it.
    pub async fn pending(place: &DatabaseUrl) -> Result<Vec<PendingStep>, StoreError> {
        install_default_drivers();
        let (url, dialect) = match place {
            DatabaseUrl::Memory => return Ok(Vec::new()),
            DatabaseUrl::Sqlite(path) => (format!("{}?mode=ro", sqlite_url(path)), Dialect::Sqlite),
            DatabaseUrl::Postgres(url) => (url.clone(), Dialect::Postgres),
        };
        let mut connection = connect(&options_for(&url)?).await?;
        let steps = pending(&mut connection, dialect).await;
        // A connection that will not close has nothing left to say.
        let _ = connection.close().await;
        steps
    }

    /// Looks at a database; none where there is no file yet, or only memory.
    pub async fn peek(place: &DatabaseUrl) -> Result<Option<Peek>, StoreError> {
        install_default_drivers();
        match place {
            DatabaseUrl::Memory => Ok(None),
            DatabaseUrl::Sqlite(path) if !path.exists() => Ok(None),
            DatabaseUrl::Sqlite(path) => {
                let mut connection = connect(&options_for(&format!("{}?mode=ro", sqlite_url(path)))?).await?;
                let found = peek_sqlite(&mut connection).await;
                connection.close().await?;
                Ok(Some(found?))
            }
            DatabaseUrl::Postgres(url) => {
                let mut connection = connect(&options_for(url)?).await?;
                let found = peek_postgres(&mut connection).await;
                // A connection that will not close has nothing left to say.
                let _ = connection.close().await;
                Ok(Some(found?))
            }
        }
    }
}

async fn text(connection: &mut AnyConnection, sql: &'static str) -> Result<String, StoreError> {
    Ok(sqlx::query_scalar(sql).fetch_one(connection).await?)
}

async fn number(connection: &mut AnyConnection, sql: &'static str) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar(sql).fetch_one(connection).await?)
}

async fn peek_sqlite(connection: &mut AnyConnection) -> Result<Peek, StoreError> {
    let schema = applied(connection, Dialect::Sqlite).await?.last().copied();
    Ok(Peek {
        engine: format!("SQLite {}", text(connection, "SELECT sqlite_version()").await?),
        schema,
        newest: last(),
        settings: vec![("journal_mode", text(connection, "PRAGMA journal_mode").await?)],
        time: None,
    })
}

async fn peek_postgres(connection: &mut AnyConnection) -> Result<Peek, StoreError> {
    let schema = applied(connection, Dialect::Postgres).await?.last().copied();
    let settings = vec![
        ("fsync", text(connection, "SELECT current_setting('fsync')").await?),
        ("full_page_writes", text(connection, "SELECT current_setting('full_page_writes')").await?),
        ("synchronous_commit", text(connection, "SELECT current_setting('synchronous_commit')").await?),
        ("max_connections", text(connection, "SELECT current_setting('max_connections')").await?),
    ];
    let now = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
    Ok(Peek {
        engine: format!("PostgreSQL {}", text(connection, "SELECT current_setting('server_version')").await?),
        schema,
        newest: last(),
        settings,
        time: number(connection, now).await?.map(from_micros),
    })
}
