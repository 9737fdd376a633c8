//! `cronbox serve`: the server.

mod groups;
mod settings;

use super::packages::PackageArgs;
use super::{Exit, InterpreterArgs, complain, pool_config};
use crate::config;
use crate::log;
use crate::serve::{self, Config, Shutdown};
use crate::supervise;
use clap::Args;
use groups::{ConnectionArgs, LogArgs, NodeArgs, RetentionArgs, RunDefaultArgs, StorageArgs};
use settings::{Settings, base_path_of, listen_of};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// What `cronbox serve` takes. Everything can also be in `cronbox.toml` under the flag's name, and in the environment as
/// `CRONBOX_` and the name.
#[derive(Debug, Default, Args)]
pub(super) struct ServeArgs {
    /// Where to listen: HOST:PORT, or unix:PATH [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", env = "CRONBOX_LISTEN", hide_env_values = true)]
    listen: Option<String>,
    /// What every address begins with behind a proxy, such as /cronbox; the proxy may drop it or pass it on
    #[arg(long, value_name = "PATH", env = "CRONBOX_BASE_PATH", hide_env = true)]
    base_path: Option<String>,
    /// The configuration file [default: cronbox.toml, when it is there]
    #[arg(long, value_name = "FILE", env = config::CONFIG, hide_env_values = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    storage: StorageArgs,
    #[command(flatten)]
    runs: RunDefaultArgs,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    retention: RetentionArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    connections: ConnectionArgs,
    #[command(flatten)]
    packages: PackageArgs,
    #[command(flatten)]
    interpreter: InterpreterArgs,
}

/// What is logged, and whether as JSON.
type LogAs = (Option<String>, Option<bool>);

/// The names that can be in the configuration file: those of the flags, but for the one that names the file.
fn names() -> Vec<String> {
    let command = ServeArgs::augment_args(clap::Command::new("serve"));
    let flags = command.get_arguments().filter_map(clap::Arg::get_long);
    flags.filter(|name| *name != "config").map(str::to_owned).collect()
}

impl ServeArgs {
    pub(super) fn execute(self) -> Exit {
        let (config, log) = match self.config() {
            Ok(config) => config,
            Err(why) => {
                complain(&why);
                return Exit::Usage;
            }
        };
        let is_json = log.1 == Some(true);
        if let Err(why) = log::begin(log.0.as_deref(), log.1) {
            complain(&format!("--log: {why}"));
            return Exit::Usage;
        }
        supervise::log_panics();
        // For tests of the whole.
        let faults = config::variable("CRONBOX_TEST_FAULTS").and_then(|names| names.into_string().ok());
        supervise::faults::ask(faults.iter().flat_map(|names| names.split(',')).map(str::to_owned));
        let tell: fn(&str) = if is_json { |text| tracing::info!("{text}") } else { complain };
        let say: serve::Say = Arc::new(move |line: &str| {
            let line = if is_json { log::line(line) } else { line.to_owned() };
            // A start whose reader went away is a start all the same.
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        });
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                complain(&error.to_string());
                return Exit::Unavailable;
            }
        };
        let served = runtime.block_on(async {
            let shutdown = Shutdown::default();
            let Shutdown { stop: first, at_once: second } = shutdown.clone();
            let (mut terminated, mut interrupted) =
                match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
                    (Ok(terminated), Ok(interrupted)) => (terminated, interrupted),
                    (Err(error), _) | (_, Err(error)) => return Err(serve::ServeError(error.to_string())),
                };
            tokio::spawn(async move {
                loop {
                    tokio::select! {
                        _ = terminated.recv() => {}
                        _ = interrupted.recv() => {}
                    }
                    if first.is_cancelled() {
                        tell("going down at once");
                        second.cancel();
                    } else {
                        tell("going down when what runs has ended; once more to go down at once");
                        first.cancel();
                    }
                }
            });
            serve::run(config, None, say, shutdown).await
        });
        runtime.shutdown_timeout(Duration::from_secs(1));
        match served {
            Ok(()) => Exit::Succeeded,
            Err(error) => {
                if is_json {
                    tracing::error!("{error}");
                } else {
                    complain(&error.to_string());
                }
                Exit::Unavailable
            }
        }
    }

    fn config(mut self) -> Result<(Config, LogAs), String> {
        let settings = Settings::read(self.config.as_deref(), &names())?;
        let file = config::file_read(self.config.as_deref());
        let data_dir = self.storage.data_dir(&settings)?;
        let packages = PackageArgs {
            index: settings.one("index", self.packages.index)?,
            uv: settings.one("uv", self.packages.uv)?,
            package_cache: settings.one("package-cache", self.packages.package_cache)?,
        };
        let packages = packages.resolver(Some(data_dir.join("packages")))?;
        let interpreter_cache = match settings.one("interpreter-cache", None)? {
            Some(path) if self.interpreter.interpreter_cache.is_none() => PathBuf::from(path),
            _ => self.interpreter.cache()?,
        };
        let mut config = Config::new(data_dir, pool_config(), packages, interpreter_cache);
        self.storage.apply(&settings, &mut config)?;
        self.runs.apply(&settings, &mut config)?;
        self.node.apply(&settings, &mut config)?;
        self.retention.apply(&settings, &mut config)?;
        self.connections.apply(&settings, &mut config)?;
        if let Some(listen) = settings.parsed("listen", self.listen, listen_of)? {
            config.listen = listen;
        }
        config.file = file;
        config.base_path = settings.parsed("base-path", self.base_path, base_path_of)?.unwrap_or_default();
        config.s3.options = config::aws();
        config.admin_token_file = config::admin_token_file();
        Ok((config, self.log.read(&settings)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_can_be_in_the_file_but_the_one_that_names_it() {
        let names = names();
        for name in ["listen", "keep-bytes", "allow-network", "index", "interpreter-cache", "secret-key-file"] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
        assert!(!names.iter().any(|known| known == "config"));
        assert_eq!(names.len(), 39);
    }
}
