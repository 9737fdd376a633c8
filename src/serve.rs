//! The node: all rooms put together, started in order and ended in order.

use crate::blobs::{self, S3Access};
use crate::cleaner::Retention;
use crate::clock::Clock;
use crate::disk_usage::MAX_DATA;
use crate::heartbeat::LEASE;
use crate::http::Listener;
use crate::keyring;
use crate::packages::ResolverConfig;
use crate::schedule::Policies;
use crate::store;
use cronbox_runtime::limits::CEILING;
use cronbox_runtime::network::{Ceiling, Networks};
use cronbox_runtime::{Limits, PoolConfig};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

mod announce;
mod node;
mod places;
mod secrets;

use node::{Front, Node};
use places::{Places, taken};

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// It answers requests.
    pub api: bool,
    /// It fires schedules.
    pub scheduler: bool,
    /// It runs scripts.
    pub worker: bool,
}

/// How a node is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// `HOST:PORT` or `unix:PATH`.
    pub listen: String,
    /// What every address begins with, `/cronbox`, where a proxy gives the server a part of its own; empty: nothing.
    pub base_path: String,
    /// The file that settings were read from, if one was.
    pub file: Option<PathBuf>,
    /// Where SQLite and the blobs are, unless they are elsewhere.
    pub data_dir: PathBuf,
    /// The database.
    pub database: store::DatabaseUrl,
    /// The blobs.
    pub blobs: blobs::BlobLocation,
    /// How buckets are reached.
    pub s3: S3Access,
    /// Where scripts may be read from.
    pub script_sources: Vec<String>,
    /// The zone of scripts that name none.
    pub timezone: String,
    /// What the node does.
    pub roles: Roles,
    /// The pool of sandbox processes.
    pub pool: PoolConfig,
    /// Where the compiled interpreter is kept.
    pub interpreter_cache: PathBuf,
    /// How packages are resolved.
    pub packages: ResolverConfig,
    /// Runs of this node at once.
    pub max_running: usize,
    /// How many runs may wait that were asked for by request.
    pub queue_bound: u64,
    /// How long runs under way may go on when the node goes down.
    pub drain: Duration,
    /// How long a node's count may stand still before others take over.
    pub lease: Duration,
    /// The limits of a run that asks for none.
    pub defaults: Limits,
    /// The largest limits.
    pub ceiling: Limits,
    /// The hosts that can be granted at most.
    pub hosts: Ceiling,
    /// Addresses that are not everybody's, and by which names they may be reached.
    pub networks: Networks,
    /// Requests a second, of all and of each token.
    pub rate: (u32, u32),
    /// Policies of schedules that name none.
    pub job_defaults: Policies,
    /// Whether all schedules are paused at the start.
    pub paused: bool,
    /// How long things are kept.
    pub retention: Retention,
    /// The size of the data directory from which on there are warnings.
    pub max_data: u64,
    /// Where the keys of secrets are.
    pub secret_key: keyring::KeySource,
    /// Holds, or is to hold, the first token.
    pub admin_token_file: Option<PathBuf>,
    /// The node's name, for people.
    pub name: String,
    /// What time it is; none: the database's time where it has one, else the system's.
    pub clock: Option<Clock>,
}

impl Config {
    /// A node with all roles and the defaults, that keeps everything in `data_dir`. No host can be granted until some are
    /// named.
    pub fn new(data_dir: PathBuf, pool: PoolConfig, packages: ResolverConfig, interpreter_cache: PathBuf) -> Self {
        Config {
            listen: "127.0.0.1:8080".into(),
            base_path: String::new(),
            file: None,
            database: store::DatabaseUrl::Sqlite(data_dir.join("cronbox.db")),
            blobs: blobs::BlobLocation::Disk(data_dir.join("blobs")),
            s3: S3Access::default(),
            script_sources: Vec::new(),
            timezone: "UTC".into(),
            roles: Roles { api: true, scheduler: true, worker: true },
            pool,
            interpreter_cache,
            packages,
            max_running: 64,
            queue_bound: 10_000,
            drain: Duration::from_secs(30),
            lease: LEASE,
            defaults: Limits::default(),
            ceiling: CEILING,
            hosts: Ceiling::default(),
            networks: Networks::default(),
            rate: (5_000, 1_000),
            job_defaults: Policies::default(),
            paused: false,
            retention: Retention::default(),
            max_data: MAX_DATA,
            secret_key: keyring::KeySource::Own(data_dir.join(keyring::OWN_FILE)),
            admin_token_file: None,
            name: "node".into(),
            clock: None,
            data_dir,
        }
    }
}

/// Why a node did not start, or ended: a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ServeError(pub String);

fn failed(what: impl std::fmt::Display) -> ServeError {
    ServeError(what.to_string())
}

/// What is told when the node is up, line by line.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// Ends a node.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Nothing new begins; what runs may go on for as long as the configuration says.
    pub stop: CancellationToken,
    /// Nothing is waited for any more.
    pub at_once: CancellationToken,
}

/// Runs a node until `shutdown` says that it ends, and everything has ended in order. It answers at `listener`; without
/// one, it listens where the configuration says.
pub async fn run(config: Config, listener: Option<Listener>, say: Say, shutdown: Shutdown) -> Result<(), ServeError> {
    let places = Places::open(&config)?;
    let listener = match listener {
        Some(listener) => listener,
        None => Listener::bind(&config.listen).await.map_err(|error| taken(&config.listen, &error))?,
    };
    let front = Front::open(listener, &config.base_path);
    let Some(node) = Node::open(config, places, front, &say, shutdown).await? else { return Ok(()) };
    node.start(&say).await?;
    node.work().await;
    node.end().await;
    Ok(())
}
