//! Every question that is asked of the database, for SQLite on disk, SQLite in memory, and PostgreSQL.
//!
//! There is one text of SQL for all three: both engines understand `$1`, and the tables use types that both have
//! (`migrations/README.md`). What differs (locking rows) is asked of [`tx::Dialect`]. So there is no
//! trait with several implementations that could drift apart; the conformance suite (`tests/store.rs`) runs on all three.
//!
//! Writing on SQLite goes through one connection that commits many callers' changes together ([`writer`]); nobody waits
//! for a lock and nobody is told that the database is locked. On PostgreSQL each change is a transaction of its own.

mod acting;
pub mod alerts;
mod attempts;
pub mod audit;
pub mod backfill;
pub mod backups;
pub mod blobs;
mod cancel;
pub mod chains;
pub mod channels;
pub mod charts;
mod columns;
mod connections;
pub mod deliveries;
pub mod events;
mod file;
pub mod fire;
mod give_up;
pub mod grants;
mod held;
mod known_scripts;
mod load;
mod locks;
mod migrations;
pub mod nodes;
pub mod notices;
mod one_trip;
mod open;
pub mod output;
mod overlap;
pub mod queries;
pub mod queue;
mod readers;
pub mod recent;
mod record;
pub mod retention;
mod rows;
pub mod runs;
pub mod schedules;
pub mod script_state;
pub mod scripts;
pub mod secrets;
pub mod series;
pub mod sessions;
mod snapshot;
mod sqlite;
mod tables;
pub mod tokens;
mod tx;
mod unrecorded;
mod unstarted;
mod value;
mod writer;

use crate::clock::{Time, from_micros};
use crate::fullness::Fullness;
pub use file::NotShown;
pub use load::{Loader, Target};
pub use migrations::PendingStep;
pub use snapshot::{Page, SnapshotOf};
pub use tables::{Column, Table};
pub use value::{Kind, Value};

use acting::{Acting, AuditSink};
use connections::{Connections, begin};
use futures_util::future::BoxFuture;
use known_scripts::KnownScripts;
use readers::Readers;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tx::Tx;
use writer::Writer;

/// How long a caller waits for a connection before it is told that the database is away.
const PATIENCE: Duration = Duration::from_secs(4);
/// What is said to each connection that only reads when it is new.
const READ_ONLY: &str = "PRAGMA query_only = ON; PRAGMA busy_timeout = 10000";

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or is going down. Nothing is known to have been changed.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// There is no more room on its disk. Nothing was changed.
    #[error("the database's disk is full")]
    Full,
    /// It was changed by a later version of this program.
    #[error("the database has step {0}, which this program does not know: a newer Cronbox has used it; start that one")]
    Newer(i64),
    /// It is at an earlier step than this program's.
    #[error(
        "the database is at step {step} and this program's is {needed}: start the server of this version first, or use the program of the server that runs"
    )]
    Older {
        /// The last step that it has.
        step: i64,
        /// The last step of this program's.
        needed: i64,
    },
    /// It is to be filled, and something is in it.
    #[error("the database is not empty: {0}")]
    NotEmpty(String),
    /// It has a step whose content differs from this program's.
    #[error("step {0} of the database is not the one this program knows")]
    Altered(i64),
    /// Schedules would make these scripts start one another for ever.
    #[error("these scripts would start one another in a circle: {}", .0.join(" → "))]
    Circle(Vec<String>),
    /// It is not what a change was to be made to: the tag of what is there, if anything is.
    #[error("it was changed meanwhile")]
    Changed(Option<String>),
    /// A row that should be unique is there already.
    #[error("it is there already")]
    Conflict,
    /// A row holds what this program did not write.
    #[error("the database holds something that cannot be read: {0}")]
    Corrupt(String),
    /// A text holds the character U+0000.
    #[error("a text holds the character U+0000, which cannot be kept or looked for")]
    BadText,
    /// A blob that was to be referred to is being deleted, or was: it has to be written again first.
    #[error("the blob {0} was deleted meanwhile")]
    BlobGone(String),
    /// Anything else the database said.
    #[error("the database refused: {0}")]
    Refused(#[source] EngineError),
}

/// What an engine says.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL.
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
}

impl StoreError {
    /// Whether the database will never take what it was given, however often it is asked; not that it cannot take anything now.
    pub fn refuses_content(&self) -> bool {
        match self {
            StoreError::BadText | StoreError::Corrupt(_) => true,
            StoreError::Refused(error) => tx::refuses_content(error),
            _ => false,
        }
    }
}

/// Where the data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// In memory, gone with the program.
    Memory,
    /// A file.
    Sqlite(std::path::PathBuf),
    /// `postgres://…`
    Postgres(String),
}

impl DatabaseUrl {
    /// Reads `sqlite:PATH` or `postgres://…`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(DatabaseUrl::Postgres(text.to_owned()));
        }
        match text.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(DatabaseUrl::Sqlite(path.strip_prefix("//").unwrap_or(path).into())),
            _ => Err("a database is written sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME".into()),
        }
    }
}

/// The database. Clones are the same.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    /// For those who listen to PostgreSQL's notices.
    url: Option<String>,
    /// What is known of secrets.
    secrets: secrets::Known,
    /// Scripts that were read; none where other nodes can change them.
    scripts: Option<Arc<KnownScripts>>,
    /// Whether changes find its disk full.
    fullness: Fullness,
    /// Held while the runs of a backfill are made: whether the queue has room for them all is decided before the first.
    backfilling: tokio::sync::Mutex<()>,
    /// Woken when something was recorded that is to be told outside.
    told: Arc<Notify>,
    /// Is given what was entered in the audit log.
    audit_sink: AuditSink,
}

#[derive(Debug)]
enum Engine {
    Sqlite {
        writer: Writer,
        readers: Readers,
    },
    /// One connection is the whole database: reading goes through the writer too.
    Memory {
        writer: Writer,
    },
    Postgres {
        connections: Connections,
    },
}

impl Store {
    /// Whether several nodes can share it.
    pub fn is_shared(&self) -> bool {
        matches!(self.inner.engine, Engine::Postgres { .. })
    }

    /// What time the database says it is; none where the node's own clock decides.
    pub async fn time(&self) -> Result<Option<Time>, StoreError> {
        if !self.is_shared() {
            return Ok(None);
        }
        self.read(|tx| {
            Box::pin(async move {
                let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros";
                let row = tx.one(sql, tx::args![]).await?;
                Ok(Some(from_micros(row.int("micros")?)))
            })
        })
        .await
    }

    /// Whether it answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.read(|tx| Box::pin(async move { tx.one("SELECT 1 AS one", tx::args![]).await.map(|_| ()) })).await
    }

    /// Whether changes find its disk full.
    pub fn fullness(&self) -> &Fullness {
        &self.inner.fullness
    }

    /// Waits until something was recorded on this node that is to be told outside: an alert has spoken.
    pub async fn told(&self) {
        self.inner.told.notified().await;
    }

    /// Whether something small can be written: asked again when the disk was full.
    pub async fn try_write(&self) -> Result<(), StoreError> {
        self.write(|tx| {
            Box::pin(
                async move { tx.run("UPDATE scheduler SET updated_at = updated_at", tx::args![]).await.map(|_| ()) },
            )
        })
        .await
    }

    /// Ends its connections, when what was asked of it is done.
    pub async fn close(&self) {
        match &self.inner.engine {
            Engine::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Engine::Memory { writer } => writer.close().await,
            Engine::Postgres { connections } => connections.close().await,
        }
    }

    /// Carries out a change: all of it or nothing, and on disk when this returns. `change` may be called again when
    /// PostgreSQL asks for that (a deadlock, a conflict of transactions).
    async fn write<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        let acting = Acting::now();
        let theirs = acting.clone();
        let changing = self.change(move |tx| {
            tx.acting = acting.as_ref().map(Acting::begun);
            change(tx)
        });
        let changed = changing.await;
        if let Some(acting) = theirs.filter(|_| changed.is_ok()) {
            self.inner.audit_sink.tell(acting);
        }
        match &changed {
            Ok(_) => self.inner.fullness.note(false, Instant::now()),
            Err(StoreError::Full) => self.inner.fullness.note(true, Instant::now()),
            Err(_) => {}
        }
        changed
    }

    /// Carries out a change that is one statement and so a transaction by itself, on PostgreSQL. None: the change itself found
    /// that it is to be made by [`Store::write`], or a connection was lost (then it may have been made all the same).
    async fn write_in_one<T, F>(&self, change: F) -> Result<Option<T>, StoreError>
    where
        F: for<'t> Fn(&'t mut Tx<'_>) -> BoxFuture<'t, Result<Option<T>, StoreError>>,
    {
        let Engine::Postgres { connections } = &self.inner.engine else { return Ok(None) };
        let mut connection = connections.take().await?;
        match change(&mut Tx::new(&mut connection)).await {
            Ok(value) => {
                connection.give_back();
                if value.is_some() {
                    self.inner.fullness.note(false, Instant::now());
                }
                Ok(value)
            }
            Err(StoreError::Unavailable(_)) => {
                drop(connection);
                connections.forget_idle();
                Ok(None)
            }
            Err(StoreError::Refused(error)) if tx::asks_for_another_try(&error) => Ok(None),
            Err(error) => {
                if matches!(error, StoreError::Full) {
                    self.inner.fullness.note(true, Instant::now());
                }
                Err(error)
            }
        }
    }

    async fn change<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        match &self.inner.engine {
            Engine::Sqlite { writer, .. } | Engine::Memory { writer } => writer.write(change).await,
            Engine::Postgres { connections } => {
                let mut tries = 0;
                loop {
                    let mut connection = begin(connections).await?;
                    let mut tx = Tx::new(&mut connection);
                    let done = change(&mut tx).await;
                    let is_told = tx.is_told;
                    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
                    let ended = sqlx::raw_sql(end).execute(&mut *connection).await;
                    if ended.is_ok() {
                        connection.give_back();
                    }
                    if is_told && done.is_ok() && ended.is_ok() {
                        self.inner.told.notify_one();
                    }
                    match done {
                        Err(StoreError::Refused(error)) if tx::asks_for_another_try(&error) && tries < 5 => tries += 1,
                        // Whether a commit whose answer did not come was made, nobody knows.
                        Ok(value) => return ended.map(|_| value).map_err(StoreError::from),
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }

    /// Asks something that changes nothing; again, for a while, when the connection turns out to be dead.
    async fn read<T, F>(&self, question: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        let connections = match &self.inner.engine {
            Engine::Memory { writer } => return writer.write(question).await,
            Engine::Sqlite { readers, .. } => return readers.read(question).await,
            Engine::Postgres { connections } => connections,
        };
        let until = Instant::now() + PATIENCE;
        loop {
            let mut connection = connections.take().await?;
            match question(&mut Tx::new(&mut connection)).await {
                Err(StoreError::Unavailable(_)) if Instant::now() < until => {
                    drop(connection);
                    connections.forget_idle();
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                answer => {
                    if answer.is_ok() {
                        connection.give_back();
                    }
                    return answer;
                }
            }
        }
    }
}
