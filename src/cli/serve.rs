//! `cronbox serve`: the server.

mod file;
mod template;

use super::{Exit, complain};
use crate::config;
use crate::keyring::KeySource;
use crate::log;
use crate::serve::{self, BadSetting, Config, ServeError, Shutdown};
use crate::supervise;
use clap::{Args, ValueEnum};
pub(super) use file::with_file;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
pub(super) use template::template;
use tokio::signal::unix::{SignalKind, signal};

/// What `cronbox serve` takes. Everything can also be in `cronbox.toml` under the flag's name, and in the environment as
/// `CRONBOX_` and the name.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The configuration file [default: cronbox.toml, when it is there]
    #[arg(long, value_name = "FILE", env = config::CONFIG)]
    config: Option<PathBuf>,
    #[command(flatten)]
    node: Config,
    #[command(flatten)]
    log: LogArgs,
    /// The configuration file, as far as it is in force.
    #[arg(skip)]
    pub(super) file: Option<config::File>,
}

/// What is logged, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Log")]
struct LogArgs {
    /// What is logged: error, warn, info, debug, trace, or directives
    #[arg(long, value_name = "LEVEL", env = "CRONBOX_LOG", default_value = "info")]
    log: String,
    /// How it is logged: text or json [default: text on a terminal]
    #[arg(long, value_name = "FORMAT", env = "CRONBOX_LOG_FORMAT", hide_possible_values = true)]
    log_format: Option<LogFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// How `cronbox serve` would be configured with these flags, here and now. The error is a sentence.
pub(super) fn configured(flags: &[OsString]) -> Result<Config, String> {
    let mut config = file::configured(flags)?;
    config.s3.options = config::aws();
    config.secret_key = config::secret_key()?.map(KeySource::Variable);
    Ok(config)
}

impl ServeArgs {
    pub(super) fn execute(self) -> Exit {
        let ServeArgs { node: mut config, log, file, .. } = self;
        let place = file.clone();
        let refused = |bad: &BadSetting| {
            complain(&file::told(place.as_ref(), bad.name, &bad.why));
            Exit::Usage
        };
        config.file = file.map(|file| file.path);
        config.s3.options = config::aws();
        config.admin_token_file = config::admin_token_file();
        config.secret_key = match config::secret_key() {
            Ok(key) => key.map(KeySource::Variable),
            Err(why) => {
                complain(&why);
                return Exit::Usage;
            }
        };
        let is_json = log.log_format == Some(LogFormat::Json);
        if let Err(why) = log::begin(&log.log, log.log_format.map(|format| format == LogFormat::Json)) {
            return refused(&BadSetting { name: "log", why });
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
                    (Err(error), _) | (_, Err(error)) => return Err(ServeError::Failed(error.to_string())),
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
            Err(ServeError::Setting(bad)) => refused(&bad),
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
}
