//! How a node is configured: the flags of `cronbox serve`, which are also its variables and the keys of its file. A field
//! here is all that there is about a setting: its name, its default, the reader of its value, its help.

mod backup;
mod interpreter;
mod listen;
mod network;
mod node;
mod notices;
mod packages;
mod retention;
mod runs;
mod storage;
mod traces;
mod values;

pub use backup::BackupConfig;
pub use interpreter::InterpreterConfig;
pub use listen::ListenConfig;
pub use network::{HostConfig, NetworkConfig};
pub use node::{NodeConfig, Role};
pub use notices::NoticeConfig;
pub use packages::PackageConfig;
pub use retention::RetentionConfig;
pub use runs::RunConfig;
pub use storage::StorageConfig;
pub use traces::TracingConfig;

use crate::blobs::S3Access;
use crate::clock::Clock;
use crate::keyring::KeySource;
use clap::{Args, FromArgMatches};
use cronbox_runtime::{PoolConfig, SANDBOX_PROCESS};
use std::path::PathBuf;

/// A value of a setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--{name}: {why}")]
pub struct BadSetting {
    /// The setting: the name of its flag.
    pub name: &'static str,
    /// Why the value cannot be used: a sentence.
    pub why: String,
}

impl BadSetting {
    pub(super) fn new(name: &'static str, why: impl ToString) -> Self {
        BadSetting { name, why: why.to_string() }
    }
}

/// How a node is configured.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Where the node listens.
    #[command(flatten)]
    pub listening: ListenConfig,
    /// Where everything is kept.
    #[command(flatten)]
    pub storage: StorageConfig,
    /// How scripts run, and how schedules fire.
    #[command(flatten)]
    pub runs: RunConfig,
    /// What the node does.
    #[command(flatten)]
    pub node: NodeConfig,
    /// How long things are kept.
    #[command(flatten)]
    pub retention: RetentionConfig,
    /// Backups that the server makes itself.
    #[command(flatten)]
    pub backup: BackupConfig,
    /// What scripts can be granted.
    #[command(flatten)]
    pub hosts: HostConfig,
    /// How connections are made for scripts.
    #[command(flatten)]
    pub network: NetworkConfig,
    /// How messages are sent to channels.
    #[command(flatten)]
    pub notices: NoticeConfig,
    /// Where traces go.
    #[command(flatten)]
    pub tracing: TracingConfig,
    /// Where packages come from.
    #[command(flatten)]
    pub packages: PackageConfig,
    /// Where the compiled interpreter is.
    #[command(flatten)]
    pub interpreter: InterpreterConfig,
    /// The program whose processes run scripts, make connections and get packages; this one, unless a test says otherwise.
    #[arg(skip = this_program())]
    pub program: PathBuf,
    /// The file that settings were read from, if one was.
    #[arg(skip)]
    pub file: Option<PathBuf>,
    /// How buckets are reached.
    #[arg(skip)]
    pub s3: S3Access,
    /// Holds, or is to hold, the first token.
    #[arg(skip)]
    pub admin_token_file: Option<PathBuf>,
    /// Where the keys of secrets are; none: where the settings of the storage say.
    #[arg(skip)]
    pub secret_key: Option<KeySource>,
    /// What time it is; none: the database's time where it has one, else the system's.
    #[arg(skip)]
    pub clock: Option<Clock>,
}

impl Config {
    /// The configuration that these flags make, such as `--drain=10s`; a setting that is not named has its default. No
    /// variables and no file are read. The error is a sentence.
    pub fn of_flags<T: AsRef<str>>(flags: impl IntoIterator<Item = T>) -> Result<Self, String> {
        let command = Self::augment_args(clap::Command::new("serve").no_binary_name(true));
        let command = command.mut_args(|flag| flag.env(None::<&'static str>));
        let flags = flags.into_iter().map(|flag| flag.as_ref().to_owned());
        let typed = command.try_get_matches_from(flags.collect::<Vec<_>>());
        typed.and_then(|typed| Self::from_arg_matches(&typed)).map_err(|error| error.to_string())
    }

    /// How the pool of sandbox processes is set up.
    pub(super) fn pool(&self) -> Result<PoolConfig, BadSetting> {
        let mut pool = PoolConfig::for_machine(vec![self.program.clone().into(), SANDBOX_PROCESS.into()]);
        if let Some(processes) = self.runs.sandbox_processes {
            pool.max_processes = pool.max_processes.max(processes);
            pool.processes = processes;
        }
        pool.memory_budget = self.runs.memory_budget.unwrap_or(pool.memory_budget);
        pool.require_hardening = self.node.require_hardening;
        pool.egress = self.network.egress(&self.program)?;
        Ok(pool)
    }

    /// Where the keys of secrets are.
    pub(super) fn keys(&self) -> Result<KeySource, BadSetting> {
        match (&self.storage.secret_key_file, &self.secret_key) {
            (Some(_), Some(KeySource::Variable(_))) => Err(BadSetting::new(
                "secret-key-file",
                "this and CRONBOX_SECRET_KEY exclude one another: remove one of them",
            )),
            (_, Some(elsewhere)) => Ok(elsewhere.clone()),
            (_, None) => Ok(self.storage.keys()),
        }
    }
}

/// This program again, by the file that is running now, even when another was installed in its place meanwhile.
pub fn this_program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}
