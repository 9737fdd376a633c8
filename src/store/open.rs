//! Opening a database.

use super::acting::AuditSink;
use super::connections::{Connections, connect};
use super::known_scripts::KnownScripts;
use super::readers::Readers;
use super::tx::{Dialect, Tx};
use super::writer::Writer;
use super::{DatabaseUrl, Engine, Inner, Store, StoreError, events, migrations, secrets, sqlite, tables};
use crate::fullness::Fullness;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::any::{AnyConnectOptions, install_default_drivers};
use sqlx::{ConnectOptions, Connection};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use tokio::sync::Notify;

/// Connections to PostgreSQL, and readers of SQLite.
const CONNECTIONS: usize = 16;
const READERS: u32 = 4;
/// How SQLite is to write.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
    PRAGMA busy_timeout = 10000; PRAGMA wal_autocheckpoint = 4000; PRAGMA temp_store = MEMORY";

impl Store {
    /// Opens the database and brings its tables up to date. Many can do so at once. But a file of SQLite is for one server
    /// only (its data directory is locked), and for commands that write and close it, such as `cronbox token create`.
    pub async fn open(place: &DatabaseUrl) -> Result<Self, StoreError> {
        install_default_drivers();
        let scripts = Arc::new(KnownScripts::default());
        let told = Arc::new(Notify::new());
        let engine = match place {
            DatabaseUrl::Memory => {
                // It exists as long as a connection to it does, and is migrated by another than the one that stays.
                let name = format!("file:cronbox-{}", uuid::Uuid::now_v7());
                let stays = sqlite::open_in_memory(&name)?;
                let options = options_for(&format!("{}?mode=memory&cache=shared", sqlite_url(Path::new(&name))))?;
                let mut connection = connect(&options).await?;
                migrations::apply(&mut connection, Dialect::Sqlite).await?;
                connection.close().await?;
                Engine::Memory { writer: Writer::start(stays, scripts.clone(), told.clone())? }
            }
            DatabaseUrl::Sqlite(path) => {
                let url = sqlite_url(path);
                let mut connection = connect(&options_for(&format!("{url}?mode=rwc"))?).await?;
                sqlx::raw_sql(SETTINGS).execute(&mut connection).await?;
                migrations::apply(&mut connection, Dialect::Sqlite).await?;
                connection.close().await?;
                let connection = sqlite::open(path)?;
                sqlite::batch(&connection, SETTINGS)?;
                let readers = Readers::new(path.clone(), READERS);
                Engine::Sqlite { writer: Writer::start(connection, scripts.clone(), told.clone())?, readers }
            }
            DatabaseUrl::Postgres(url) => {
                let options = options_for(url)?;
                let mut connection = connect(&options).await?;
                migrations::apply(&mut connection, Dialect::Postgres).await?;
                events::count_on(&mut Tx::new(&mut connection)).await?;
                // A connection that will not close has nothing left to say.
                let _ = connection.close().await;
                let connections = Connections::new(options, CONNECTIONS);
                Engine::Postgres { connections }
            }
        };
        let url = if let DatabaseUrl::Postgres(url) = place { Some(url.clone()) } else { None };
        Ok(Self::over(engine, url, scripts, told))
    }

    /// Opens a database that servers use, as it is: it must be at the last step that this program knows. It does not have to be
    /// this caller's alone.
    pub async fn open_in_use(place: &DatabaseUrl) -> Result<Self, StoreError> {
        install_default_drivers();
        let (scripts, told) = (Arc::new(KnownScripts::default()), Arc::new(Notify::new()));
        let (engine, url) = match place {
            DatabaseUrl::Memory => return Err(StoreError::Unavailable("it is in another program's memory".into())),
            DatabaseUrl::Sqlite(path) => {
                if !path.exists() {
                    return Err(StoreError::Unavailable(format!("there is no file {}", path.display())));
                }
                let connection = sqlite::open(path)?;
                sqlite::batch(&connection, SETTINGS)?;
                let readers = Readers::new(path.clone(), READERS);
                (Engine::Sqlite { writer: Writer::start(connection, scripts.clone(), told.clone())?, readers }, None)
            }
            DatabaseUrl::Postgres(url) => {
                (Engine::Postgres { connections: Connections::new(options_for(url)?, CONNECTIONS) }, Some(url.clone()))
            }
        };
        let store = Self::over(engine, url, scripts, told);
        match store.read(|tx| Box::pin(tables::schema(tx))).await? {
            Some(step) if step == migrations::last() => Ok(store),
            Some(step) if step > migrations::last() => Err(StoreError::Newer(step)),
            Some(step) => Err(StoreError::Older { step, needed: migrations::last() }),
            None => Err(StoreError::Unavailable("it has no tables: no server has used it".into())),
        }
    }

    fn over(engine: Engine, url: Option<String>, scripts: Arc<KnownScripts>, told: Arc<Notify>) -> Self {
        Store {
            inner: Arc::new(Inner {
                scripts: (!matches!(engine, Engine::Postgres { .. })).then_some(scripts),
                engine,
                url,
                secrets: secrets::Known::default(),
                fullness: Fullness::default(),
                backfilling: tokio::sync::Mutex::default(),
                told,
                audit_sink: AuditSink::default(),
            }),
        }
    }
}

pub(super) fn options_for(url: &str) -> Result<AnyConnectOptions, StoreError> {
    Ok(AnyConnectOptions::from_str(url)?.disable_statement_logging())
}

/// The bytes of a path that a URL cannot hold.
const NOT_IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'_').remove(b'-');

/// A path as sqlx wants it: what a URL cannot hold is percent-encoded.
pub(super) fn sqlite_url(path: &Path) -> String {
    format!("sqlite://{}", utf8_percent_encode(&path.to_string_lossy(), NOT_IN_PATH))
}
