//! The configuration file under the command line: its values are the defaults of the flags that are neither typed nor in
//! the environment.

use crate::cli::{command_line, hints};
use crate::config::{File, FileSetting, Values};
use crate::serve::Config;
use crate::suggest::nearest;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use std::ffi::OsString;
use std::path::PathBuf;

/// The command whose flags are the settings.
pub(super) const SERVE: &str = "serve";
/// The commands that read the file: those beside the server take the settings that they have a flag for.
const READ_IT: [&str; 3] = [SERVE, "backup", "restore"];
/// The flag that names the file, and cannot be in it.
const CONFIG: &str = "config";

/// The command line read with the configuration file, where the command has one, and what of the file is in force. The
/// error is a sentence.
pub(in crate::cli) fn with_file(typed: ArgMatches, words: &[OsString]) -> Result<(ArgMatches, Option<File>), String> {
    let Some((name, own)) = typed.subcommand().filter(|(name, _)| READ_IT.contains(name)) else {
        return Ok((typed, None));
    };
    match File::open(own.get_one::<PathBuf>(CONFIG).map(PathBuf::as_path))? {
        None => Ok((typed, None)),
        Some(file) => layered(name, own, words, file).map(|(typed, file)| (typed, Some(file))),
    }
}

/// How `cronbox serve` would be configured with these flags, here and now: by them, by the environment and by the file. The
/// error is a sentence.
pub(in crate::cli) fn configured(flags: &[OsString]) -> Result<Config, String> {
    let words = ["cronbox", SERVE].map(OsString::from);
    let words: Vec<OsString> = words.into_iter().chain(flags.iter().cloned()).collect();
    let typed = command_line().try_get_matches_from(&words).map_err(|error| error.to_string())?;
    let (typed, _) = with_file(typed, &words)?;
    let serve = typed.subcommand_matches(SERVE).ok_or("these are no flags of cronbox serve")?;
    Config::from_arg_matches(serve).map_err(|error| error.to_string())
}

/// The command line read again, with the values of the file as defaults. `typed` is what the command came to without them.
fn layered(reader: &str, typed: &ArgMatches, words: &[OsString], mut file: File) -> Result<(ArgMatches, File), String> {
    let mut command = command_line();
    for (name, setting) in std::mem::take(&mut file.settings) {
        let place = |why: String| format!("{}: line {}: {why}", file.path.display(), setting.line);
        let flag = flag(&command, &name).map_err(place)?;
        let (id, values) = (flag.get_id().clone(), values(flag, &setting).map_err(place)?);
        let has_flag = |own: &Command| own.get_arguments().any(|flag| *flag.get_id() == id);
        if !command.find_subcommand(reader).is_some_and(has_flag) {
            continue;
        }
        let is_given =
            matches!(typed.value_source(id.as_str()), Some(ValueSource::CommandLine | ValueSource::EnvVariable));
        if is_given || values.is_empty() {
            continue;
        }
        let is_list = matches!(setting.values, Values::List(_));
        let with_default = |flag: Arg| {
            let flag = flag.default_values(values);
            // The values of a list are apart already.
            if is_list { flag.value_delimiter(None) } else { flag }
        };
        command = command.mut_subcommand(reader, |own| own.mut_arg(id, with_default));
        file.settings.insert(name, setting);
    }
    // The command line alone was read before: what is wrong now is in the file.
    command.try_get_matches_from(words).map(|typed| (typed, file.clone())).map_err(|error| {
        let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        told(Some(&file), hints::flag_of(&error).unwrap_or_default(), &why)
    })
}

/// The flag that a name in the file is of. The error is a sentence.
fn flag<'a>(command: &'a Command, name: &str) -> Result<&'a Arg, String> {
    let serve = command.find_subcommand(SERVE);
    let flags = || serve.into_iter().flat_map(Command::get_arguments).filter(|flag| is_setting(flag));
    flags().find(|flag| flag.get_long() == Some(name)).ok_or_else(|| {
        let near = nearest(name, flags().filter_map(Arg::get_long));
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        format!("there is no setting {name:?}{near}")
    })
}

/// Whether a flag can be in the file.
pub(super) fn is_setting(flag: &Arg) -> bool {
    flag.get_long().is_some_and(|name| name != CONFIG)
}

/// The values of a setting; none: it is as if it was not there. The error is a sentence.
fn values(flag: &Arg, setting: &FileSetting) -> Result<Vec<String>, String> {
    let takes_many = matches!(flag.get_action(), ArgAction::Append);
    match &setting.values {
        Values::One(value) => Ok(vec![value.clone()]),
        Values::List(values) if takes_many || values.len() == 1 => Ok(values.clone()),
        Values::List(_) => Err(format!("{} is one value, and not several", flag.get_long().unwrap_or_default())),
    }
}

/// A sentence about the value of a setting, with its place in the file when it is from there.
pub(super) fn told(file: Option<&File>, name: &str, why: &str) -> String {
    let place = file.and_then(|file| Some((file, file.settings.get(name)?)));
    let place = place.map(|(file, setting)| format!("{}: line {}: ", file.path.display(), setting.line));
    format!("{}--{name}: {why}", place.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command as Typed};
    use crate::config;
    use crate::serve::config::Role;
    use std::time::Duration;

    /// What `serve` comes to with these words and this text of the file.
    fn read(words: &[&str], text: &str) -> Result<(ArgMatches, Config), String> {
        let words: Vec<OsString> = ["cronbox", SERVE].iter().chain(words).map(OsString::from).collect();
        let typed = command_line().try_get_matches_from(&words).expect("words that are taken");
        let settings = config::read(text).expect("a file that is read");
        let serve = typed.subcommand_matches(SERVE).expect("serve");
        let (typed, _) = layered(SERVE, serve, &words, File { path: "a.toml".into(), settings })?;
        match Cli::from_arg_matches(&typed).expect("reads").command {
            Typed::Serve(args) => Ok((typed, args.node)),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn every_flag_can_be_set_in_the_file_and_by_a_variable() {
        let command = command_line();
        let serve = command.find_subcommand(SERVE).expect("serve");
        let mut flags = 0;
        for flag in serve.get_arguments().filter(|flag| is_setting(flag)) {
            let name = flag.get_long().expect("a name");
            let variable = format!("CRONBOX_{}", name.replace('-', "_").to_uppercase());
            assert_eq!(flag.get_env().and_then(|name| name.to_str()), Some(&*variable));
            // The value of the file comes to the flag's own reader, whether that takes it or not.
            match read(&[], &format!("{name} = \"any text\"")) {
                Ok((typed, _)) => {
                    let serve = typed.subcommand_matches(SERVE).expect("serve");
                    let values = serve.get_raw(flag.get_id().as_str()).expect("a value");
                    assert_eq!(values.collect::<Vec<_>>(), ["any text"], "{name}");
                }
                Err(why) => assert!(why.starts_with(&format!("a.toml: line 1: --{name}: ")), "{why}"),
            }
            flags += 1;
        }
        assert!(flags > 30, "{flags}");
        assert!(read(&[], "config = \"a.toml\"").is_err());
    }

    #[test]
    fn settings_come_from_the_line_then_the_file_then_defaults() {
        let file = "drain = \"7s\"\nlease = \"20s\"\nroles = [\"api\"]\npaused = true\nscript_source = [\"/a,b\"]\n\
                    dns = \"192.0.2.1,192.0.2.2\"\nallow-network = []\nmax_running = 8\nkeep-output = [\"7d\"]\n";
        let (_, config) = read(&["--drain", "5s", "--roles", "worker,api"], file).expect("reads");
        assert_eq!(config.node.drain, Duration::from_secs(5));
        assert_eq!(config.node.lease, Duration::from_secs(20));
        assert_eq!(config.node.roles, [Role::Worker, Role::Api]);
        assert_eq!((config.runs.paused, config.storage.ephemeral, config.runs.max_queued), (true, false, 10_000));
        assert_eq!(config.storage.script_source, ["/a,b"], "a list is not taken apart again");
        assert_eq!(config.network.dns.len(), 2);
        assert_eq!((config.network.allow_network.len(), config.runs.max_running), (0, 8));
        assert_eq!(config.retention.keep_output, Duration::from_secs(7 * 86_400));
        let (_, config) = read(&[], "paused = false\nlisten = \"a:1\"\nroles = [\"api\"]").expect("reads");
        assert_eq!((config.runs.paused, config.node.roles), (false, vec![Role::Api]));
        assert_eq!(config.listening.listen, ["a:1"]);
        let (_, config) = read(&[], "listen = [\"a:1\", \"unix:/b\"]").expect("reads");
        assert_eq!(config.listening.listen, ["a:1", "unix:/b"]);
    }

    #[test]
    fn what_is_wrong_in_the_file_is_told_with_file_line_and_key() {
        let keep = "--keep-output: 7 has no unit: write 7d for days, or 7s for seconds";
        for (text, why) in [
            ("drain = \"1s\"\nkeep_output = 7", format!("a.toml: line 2: {keep}")),
            (
                "roles = [\"api\", \"cook\"]",
                "a.toml: line 1: --roles: \"cook\" is not one of api, scheduler, worker".into(),
            ),
            (
                "\nmax_runing = 3",
                "a.toml: line 2: there is no setting \"max-runing\"; did you mean max-running?".into(),
            ),
            ("drain = [\"1s\", \"2s\"]", "a.toml: line 1: drain is one value, and not several".into()),
            ("paused = \"perhaps\"", "a.toml: line 1: --paused: \"perhaps\" is neither true nor false".into()),
        ] {
            assert_eq!(read(&[], text).map(|_| ()), Err(why));
        }
        // A value of the file that is not in force is not read.
        assert!(read(&["--keep-output", "7d"], "keep_output = 7").is_ok());
    }
}
