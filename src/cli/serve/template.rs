//! `cronbox config`: a configuration file that has every setting as a comment. It is made of the flags of `serve`, so that
//! it has all settings of this program.

use super::file::{SERVE, is_setting};
use crate::cli::for_people;
use clap::{Arg, ArgAction};
use std::fmt::Write as _;

/// How many characters a line of text has at most.
const WIDTH: usize = 100;

/// What the file begins with.
const HEAD: &str = "\
# The settings of `cronbox serve`. Each line that begins with `#` and a name has the default of that
# setting; one that has no default shows what kind of value it takes. Remove the `#` of a line to
# set it.
#
# A flag of the command line comes before its variable (CRONBOX_ and the name), and the variable
# before this file.
";

/// The text of the file.
pub(in crate::cli) fn template() -> String {
    let command = for_people();
    let mut text = HEAD.to_owned();
    let mut heading = "";
    for flag in command.find_subcommand(SERVE).into_iter().flat_map(clap::Command::get_arguments) {
        let Some(name) = flag.get_long().filter(|_| is_setting(flag)) else { continue };
        let of_flag = flag.get_help_heading().unwrap_or("Address");
        if of_flag != heading {
            heading = of_flag;
            let _ = write!(text, "\n## {heading}\n");
        }
        let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
        text.push('\n');
        for line in wrapped(&help) {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "#{name} = {}", value(flag));
    }
    text
}

/// A text in lines of at most [`WIDTH`] characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The default of a flag as the file has it; or the kind of value that the flag takes.
fn value(flag: &Arg) -> String {
    let quoted = |text: &str| toml_text(text);
    let defaults: Vec<String> =
        flag.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let name = flag.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default();
    match (flag.get_action(), defaults.as_slice()) {
        (ArgAction::SetTrue, _) => "false".into(),
        (ArgAction::Append, []) => "[]".into(),
        (ArgAction::Append, values) => {
            let split = values.iter().flat_map(|value| match flag.get_value_delimiter() {
                Some(delimiter) => value.split(delimiter).map(str::to_owned).collect::<Vec<_>>(),
                None => vec![value.clone()],
            });
            format!("[{}]", split.map(|value| quoted(&value)).collect::<Vec<_>>().join(", "))
        }
        (_, [number]) if number.parse::<i64>().is_ok() => number.clone(),
        (_, [text]) => quoted(text),
        _ => quoted(&name),
    }
}

/// A text as TOML writes it.
fn toml_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// The lines of settings, as if every `#` before one was removed.
    fn settings() -> String {
        let is_setting =
            |line: &&str| line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        template().lines().filter(is_setting).map(|line| format!("{}\n", &line[1..])).collect()
    }

    #[test]
    fn every_setting_is_there_once_with_its_default() {
        let read = config::read(&settings()).expect("a file that is read");
        let command = for_people();
        let serve = command.find_subcommand(SERVE).expect("serve");
        let mut flags: Vec<_> =
            serve.get_arguments().filter(|flag| is_setting(flag)).filter_map(Arg::get_long).collect();
        flags.sort_unstable();
        assert_eq!(read.keys().map(String::as_str).collect::<Vec<_>>(), flags);
        let one = |name: &str| match &read[name].values {
            config::Values::One(value) => value.clone(),
            config::Values::List(values) => format!("{values:?}"),
        };
        assert_eq!(one("listen"), r#"["127.0.0.1:8080"]"#);
        assert_eq!(one("data-dir"), "cronbox-data");
        assert_eq!(one("max-running"), "64");
        assert_eq!(one("paused"), "false");
        assert_eq!(one("roles"), r#"["api", "scheduler", "worker"]"#);
        assert_eq!(one("script-source"), "[]");
        assert_eq!(one("database"), "URL");
    }

    #[test]
    fn a_line_is_at_most_so_wide() {
        assert!(template().lines().all(|line| line.chars().count() <= 120), "{}", template());
        assert!(config::read(&template()).expect("a file that is read").is_empty(), "everything is a comment");
    }
}
