//! The command line.

mod absent;
mod address;
mod alerts;
mod audit;
mod backup;
mod bundle;
mod channels;
mod client;
mod compile;
mod data;
mod deliveries;
mod doctor;
mod events;
mod exit;
mod export;
mod grants;
mod hints;
mod import;
mod input;
mod list;
mod logs;
mod migrate;
mod packages;
mod preview;
mod progress;
mod push;
#[cfg(test)]
pub(crate) mod readers;
mod remote;
mod restore;
mod run;
mod runs;
mod schedule;
mod schedule_options;
mod schedules;
mod scripts;
mod secrets;
mod series;
mod serve;
mod show_run;
mod show_schedule;
mod table;
mod terminal;
mod times;
mod tokens;
mod view;

use crate::config;
use crate::packages::PACKAGE_PROCESS;
use crate::serve::config::{InterpreterConfig, this_program};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use cronbox_runtime::{CompiledInterpreter, InterpreterError, PoolConfig, SANDBOX_PROCESS};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use exit::Exit;

/// Runs Python scripts in throw-away WebAssembly sandboxes.
#[derive(Debug, Parser)]
#[command(name = "cronbox", version, max_term_width = 100, after_help = exit::HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    view: view::ViewArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a script in a sandbox of its own
    Run(Box<run::RunArgs>),
    /// Start the server
    Serve(Box<serve::ServeArgs>),
    /// Upload a script
    Push(Box<push::PushArgs>),
    /// List scripts
    Scripts(scripts::ScriptsArgs),
    /// Show, roll back or delete a script
    Script(scripts::ScriptArgs),
    /// List runs, or show, cancel or retry one
    Runs(Box<runs::RunsArgs>),
    /// List schedules
    Schedules(schedules::SchedulesArgs),
    /// Make, show, change, pause, resume, trigger, backfill, delete or preview a schedule
    Schedule(Box<schedule::ScheduleArgs>),
    /// List what happened to runs and schedules, or follow it
    Events(Box<events::EventsArgs>),
    /// Show what a run wrote
    Logs(logs::LogsArgs),
    /// Make, list, show, mute or delete alerts: what is watched, and who is told
    #[command(visible_alias = "alerts")]
    Alert(Box<alerts::AlertArgs>),
    /// Show a value of a script's results over time
    Series(series::SeriesArgs),
    /// List what scripts were granted
    Grants(grants::GrantsArgs),
    /// Grant a script hosts, secrets or larger limits
    Grant(Box<grants::GrantArgs>),
    /// Take a grant back
    Revoke(grants::RevokeArgs),
    /// List secrets
    Secrets(secrets::SecretsArgs),
    /// Set or remove a secret, or seal all with another key
    Secret(Box<secrets::SecretArgs>),
    /// Set, test, list or remove a channel, to which messages are sent
    #[command(visible_alias = "channels")]
    Channel(channels::ChannelArgs),
    /// List messages to channels, or send one again
    Deliveries(deliveries::DeliveriesArgs),
    /// List who changed what, and who was refused
    Audit(Box<audit::AuditArgs>),
    /// List tokens
    Tokens(tokens::TokensArgs),
    /// Make or remove a token
    Token(tokens::TokenArgs),
    /// Save the data of a server, which can run meanwhile; or list or check what was saved
    Backup(Box<backup::BackupArgs>),
    /// Restore a backup into an empty place
    Restore(Box<restore::RestoreArgs>),
    /// Print the description of the server's API (OpenAPI 3.1)
    Openapi,
    /// Compile the interpreter to machine code, so that the first run need not
    Compile(compile::CompileArgs),
    /// Print a configuration file with every setting of the server, as comments
    Config,
    /// Bring a database up to date, or say what would be done
    Migrate(migrate::MigrateArgs),
    /// Say what this installation is and whether everything works
    Doctor(doctor::DoctorArgs),
    /// Print the completions of a shell: bash, zsh, fish, elvish, powershell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command into a directory
    Man {
        /// The directory
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// What gets packages; not for people
    #[command(name = PACKAGE_PROCESS, hide = true)]
    PackageProcess,
}

impl Cli {
    /// What was typed; or the exit code, after it was said what is wrong with it, and what was meant.
    pub fn typed() -> Result<Self, ExitCode> {
        let words = config::words();
        let typed = command_line().try_get_matches_from(&words).map_err(|error| refused(&error, &words))?;
        let (typed, file) = serve::with_file(typed, &words).map_err(|why| {
            complain(&why);
            ExitCode::from(Exit::Usage)
        })?;
        let mut cli = Self::from_arg_matches(&typed).map_err(|error| refused(&error, &words))?;
        if let Command::Serve(args) = &mut cli.command {
            args.file = file;
        }
        Ok(cli)
    }

    /// Does what the command says.
    pub fn execute(self) -> ExitCode {
        self.view.install();
        match self.command {
            Command::Run(args) => args.execute().into(),
            Command::Serve(args) => args.execute().into(),
            Command::Push(args) => args.execute().into(),
            Command::Scripts(args) => args.execute().into(),
            Command::Script(args) => args.execute().into(),
            Command::Runs(args) => args.execute().into(),
            Command::Schedules(args) => args.execute().into(),
            Command::Schedule(args) => args.execute().into(),
            Command::Events(args) => args.execute().into(),
            Command::Logs(args) => args.execute().into(),
            Command::Alert(args) => args.execute().into(),
            Command::Series(args) => args.execute().into(),
            Command::Grants(args) => args.execute().into(),
            Command::Grant(args) => args.execute().into(),
            Command::Revoke(args) => args.execute().into(),
            Command::Secrets(args) => args.execute().into(),
            Command::Secret(args) => args.execute().into(),
            Command::Channel(args) => args.execute().into(),
            Command::Deliveries(args) => args.execute().into(),
            Command::Audit(args) => args.execute().into(),
            Command::Tokens(args) => args.execute().into(),
            Command::Token(args) => args.execute().into(),
            Command::Backup(args) => args.execute().into(),
            Command::Restore(args) => args.execute().into(),
            Command::Openapi => match writeln!(std::io::stdout().lock(), "{}", crate::http::document()) {
                Ok(()) => Exit::Succeeded.into(),
                Err(_) => Exit::Failed.into(),
            },
            Command::Compile(args) => args.execute().into(),
            Command::Config => printed(serve::template().as_bytes()).into(),
            Command::Migrate(args) => args.execute().into(),
            Command::Doctor(args) => args.execute().into(),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut for_people(), "cronbox", &mut script);
                printed(&script).into()
            }
            Command::Man { dir } => manual(dir.as_deref()).into(),
            Command::PackageProcess => match crate::packages::package_process() {
                Ok(()) => Exit::Succeeded.into(),
                Err(error) => {
                    complain(&format!("this command is for the node to get packages with: {error}"));
                    Exit::Failed.into()
                }
            },
        }
    }
}

/// How completions are set up.
const COMPLETIONS: &str = "Examples:
  cronbox completions bash > ~/.local/share/bash-completion/completions/cronbox
  cronbox completions zsh > ~/.zfunc/_cronbox
  cronbox completions fish > ~/.config/fish/completions/cronbox.fish";

/// The command line, with what is the same for all flags: help shows no values of variables, which can be secrets, and a
/// variable without a value is as one that is not set.
fn command_line() -> clap::Command {
    let flag = |flag: clap::Arg| {
        let is_empty = flag.get_env().is_some_and(config::is_empty);
        let flag = flag.hide_env_values(true);
        if is_empty { flag.env(None::<&'static str>) } else { flag }
    };
    Cli::command().mut_subcommands(|command| command.mut_args(flag))
}

/// Says what is wrong with the command line, and what was meant.
fn refused(error: &clap::Error, words: &[OsString]) -> ExitCode {
    // There is nowhere else to say it.
    let _ = error.print();
    let hint = || hints::variable(&command_line(), error, words).or_else(|| hints::command(words.get(1..)?));
    if let Some(hint) = error.use_stderr().then(hint).flatten() {
        complain(&hint);
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// The command line without what only the node starts.
fn for_people() -> clap::Command {
    let whole = command_line();
    let mut shown = clap::Command::new("cronbox").version(env!("CARGO_PKG_VERSION")).after_help(exit::HELP);
    shown = shown.about(whole.get_about().cloned().unwrap_or_default());
    shown = shown.args(whole.get_arguments().cloned());
    shown.subcommands(whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned())
}

/// Writes to standard output.
fn printed(bytes: &[u8]) -> Exit {
    if std::io::stdout().lock().write_all(bytes).is_ok() { Exit::Succeeded } else { Exit::Failed }
}

/// The manual page on standard output, or one for each command in a directory.
fn manual(dir: Option<&Path>) -> Exit {
    let written = match dir {
        Some(dir) => std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(for_people(), dir)),
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(for_people()).render(&mut page).map(|()| {
                let _ = printed(&page);
            })
        }
    };
    match written {
        Ok(()) => Exit::Succeeded,
        Err(error) => {
            fail(&format!("the manual cannot be written: {error}"));
            Exit::Usage
        }
    }
}

/// The pool of this program's own sandbox processes, with the machine's defaults.
fn pool_config() -> PoolConfig {
    PoolConfig::for_machine(vec![this_program().into(), SANDBOX_PROCESS.into()])
}

/// The compiled interpreter; when it has to be compiled first, says so on standard error.
fn open_interpreter(config: &InterpreterConfig) -> Result<CompiledInterpreter, String> {
    let cache = config.cache().map_err(|error| error.to_string())?;
    let progress = progress::Progress::new(false);
    let show = |why_not: Option<&InterpreterError>| {
        if let Some(why_not) = why_not {
            complain(&format!("the machine code that came with this program is not used: {why_not}"));
        }
        progress.show("compiling the interpreter to machine code, once; this takes about ten seconds", None);
    };
    let shipped = config::shipped_interpreter();
    CompiledInterpreter::open_or_take(&cache, shipped.as_deref(), show).map_err(|error| error.to_string())
}

/// What went wrong, for people, on standard error.
fn fail(why: &str) {
    let view = view::View { colours: view::view().colours_of_errors, ..view::view() };
    let why = client::harmless(why);
    let _ = writeln!(std::io::stderr().lock(), "{} {why}", view.paint(view::BAD.bold(), "cronbox:"));
}

/// A line for people, on standard error. One that cannot be written is lost: there is nowhere else to say it.
fn complain(line: &str) {
    let line = client::harmless(line);
    #[cfg(test)]
    if readers::hears(&line) {
        return;
    }
    let _ = writeln!(std::io::stderr().lock(), "cronbox: {line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No command has two flags of one name: the second would take the first one's values.
    fn check(command: &clap::Command) {
        let mut flags: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
        let count = flags.len();
        flags.sort_unstable();
        flags.dedup();
        assert_eq!(flags.len(), count, "{}: {flags:?}", command.get_name());
        command.get_subcommands().for_each(check);
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        // The checks above are not compiled into an optimised build; this one is.
        check(&Cli::command());
    }
}
