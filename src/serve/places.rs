//! What a node is opened on: its directory, its database, its address, the interpreter.

use super::{Config, Say, ServeError, Setup, failed};
use crate::blobs::{self, Blobs};
use crate::clock::Clock;
use crate::config;
use crate::disk_usage;
use crate::http::Readiness;
use crate::links::Root;
use crate::store::{self, Store, StoreError};
use cronbox_runtime::{CompiledInterpreter, InterpreterError};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a start waits for a database that is not there yet.
const DATABASE_PATIENCE: Duration = Duration::from_secs(10);

/// The directory of a node, its own as long as this lives.
#[derive(Debug)]
pub struct DataDir {
    _lock: File,
    /// Whether it was made just now.
    pub(super) is_new: bool,
    pub(super) path: PathBuf,
}

impl DataDir {
    /// Opens a directory, and makes it when it is not there. One that another has open is refused.
    pub fn open(path: &Path) -> Result<Self, ServeError> {
        let is_new = !path.exists();
        let shown = path.display();
        std::fs::create_dir_all(path)
            .map_err(|error| failed(format_args!("the data directory {shown} cannot be made: {error}")))?;
        if is_new {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
        }
        let path = path.canonicalize().map_err(failed)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(|error| failed(format_args!("the data directory {shown} cannot be written to: {error}")))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            failed(format_args!(
                "another server is using the data directory {shown}; stop it, or name another with --data-dir"
            ))
        })?;
        Ok(DataDir { _lock: lock, is_new, path })
    }
}

/// Opens the database, when it is there; none when the node is to end before that.
pub(super) async fn open_store(
    place: &store::DatabaseUrl,
    ready: &watch::Sender<Readiness>,
    stop: &CancellationToken,
) -> Result<Option<Store>, ServeError> {
    let until = Instant::now() + DATABASE_PATIENCE;
    loop {
        let opened = Store::open(place).await.map_err(|error| match error {
            // SQLite has several words for a full disk while it is opened.
            StoreError::Unavailable(_) if is_full(place) => StoreError::Full,
            other => other,
        });
        match opened {
            // A disk that is full may have room again at any time: the node says so meanwhile, and needs no restart.
            Err(error)
                if matches!(error, StoreError::Full)
                    || matches!(error, StoreError::Unavailable(_)) && Instant::now() < until =>
            {
                tracing::warn!(%error, "waiting for the database");
                ready.send_replace(Readiness::from([("database".to_owned(), error.to_string())]));
                tokio::select! {
                    () = stop.cancelled() => return Ok(None),
                    () = tokio::time::sleep(Duration::from_millis(500)) => {}
                }
            }
            opened => return opened.map(Some).map_err(failed),
        }
    }
}

/// Whether the disk of a database in a file has no room left.
fn is_full(place: &store::DatabaseUrl) -> bool {
    matches!(place, store::DatabaseUrl::Sqlite(path) if path.parent().is_some_and(disk_usage::is_full))
}

/// What is said when the address cannot be listened at.
pub(super) fn taken(address: &str, error: &std::io::Error) -> ServeError {
    if error.kind() == std::io::ErrorKind::AddrInUse
        && let Some((host, port)) = address.rsplit_once(':')
        && let Ok(port) = port.parse::<u16>()
    {
        let free = (port.saturating_add(1)..port.saturating_add(50))
            .find(|port| std::net::TcpListener::bind(format!("{host}:{port}")).is_ok());
        let next = free.map(|port| format!("; {host}:{port} is free: --listen {host}:{port}")).unwrap_or_default();
        return failed(format_args!("{address} is taken by another program{next}"));
    }
    failed(format_args!("cannot listen at {address}: {error}"))
}

/// The clock that was given, else the database's where it has one, else the system's.
pub(super) async fn clock_of(config: &Config, store: &Store) -> Result<Clock, ServeError> {
    Ok(match (&config.clock, store.time().await.map_err(failed)?) {
        (Some(clock), _) => clock.clone(),
        (None, Some(now)) => Clock::database(now),
        (None, None) => Clock::system(),
    })
}

pub(super) async fn load_interpreter(cache: &Path, say: &Say) -> Result<CompiledInterpreter, ServeError> {
    let (cache, say) = (cache.to_owned(), say.clone());
    let load = move || {
        let progress = |why_not: Option<&InterpreterError>| {
            if let Some(why_not) = why_not {
                say(&format!("the machine code that came with this program is not used: {why_not}"));
            }
            say("compiling the interpreter to machine code, once; this takes about ten seconds …");
        };
        CompiledInterpreter::open_or_take(&cache, config::shipped_interpreter().as_deref(), progress)
    };
    tokio::task::spawn_blocking(load).await.map_err(failed)?.map_err(failed)
}

/// What a node is opened on before it listens.
pub(super) struct Places {
    /// None where everything is on other machines or in memory.
    pub(super) directory: Option<DataDir>,
    pub(super) blobs: Blobs,
    /// Where scripts may be read from.
    pub(super) roots: Vec<Root>,
}

impl Places {
    pub(super) fn open(config: &Config, setup: &Setup) -> Result<Self, ServeError> {
        let needs_directory = matches!(setup.database, store::DatabaseUrl::Sqlite(_))
            || matches!(setup.blobs, blobs::BlobLocation::Disk(_));
        let directory = if needs_directory { Some(DataDir::open(&config.storage.data_dir)?) } else { None };
        let blobs = Blobs::open(&setup.blobs, &config.s3).map_err(failed)?;
        let roots = config.storage.script_source.iter().map(|source| Root::open(source, &config.s3));
        let roots = roots.collect::<Result<_, _>>().map_err(failed)?;
        Ok(Places { directory, blobs, roots })
    }
}
