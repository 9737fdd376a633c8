//! What was probably meant by a command or a file that does not exist.

use crate::suggest::nearest;
use clap::error::{ContextKind, ContextValue};
use std::ffi::OsString;
use std::path::Path;

/// Commands that act on one thing, and the command that lists all of them.
const LISTS: [(&str, &str); 7] = [
    ("script", "scripts"),
    ("scripts", "scripts"),
    ("schedule", "schedules"),
    ("schedules", "schedules"),
    ("runs", "runs"),
    ("secret", "secrets"),
    ("token", "tokens"),
];

/// The flag whose value was refused, without its dashes.
pub(super) fn flag_of(error: &clap::Error) -> Option<&str> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
    flag.strip_prefix("--")?.split([' ', '=', '[']).next()
}

/// The variable that a refused value is from: a sentence. None when the value was typed.
pub(super) fn variable(command: &clap::Command, error: &clap::Error, words: &[OsString]) -> Option<String> {
    fn of_flag<'a>(command: &'a clap::Command, flag: &str) -> Option<&'a str> {
        let found = command.get_arguments().find(|arg| arg.get_long() == Some(flag)).and_then(clap::Arg::get_env);
        let below = || command.get_subcommands().find_map(|command| of_flag(command, flag));
        found.and_then(|name| name.to_str()).or_else(below)
    }
    let flag = flag_of(error)?;
    let name = of_flag(command, flag)?;
    let is_typed = |word: &OsString| {
        let rest = word.to_str().and_then(|word| word.strip_prefix("--")?.strip_prefix(flag));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    (!words.iter().any(is_typed)).then(|| format!("the value is that of the variable {name}"))
}

/// What to type instead of words that are not a command: a sentence. The program's name is not among the words.
pub(super) fn command(words: &[OsString]) -> Option<String> {
    let mut typed = words.iter().filter_map(|word| word.to_str()).filter(|word| !word.starts_with('-'));
    let (first, second) = (typed.next()?, typed.next());
    if first.ends_with(".py") {
        return Some(format!("to run this script: cronbox run {first}"));
    }
    let (_, list) = LISTS.iter().find(|(one, _)| *one == first)?;
    matches!(second, Some("list" | "ls")).then(|| format!("to list {list}: cronbox {list}"))
}

/// That there is no such file, with the file in the same folder whose name is nearest: a sentence.
pub(super) fn no_such_file(path: &Path) -> String {
    let near = near(path).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    format!("there is no such file{near}")
}

fn near(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".py"))
        .take(1000)
        .collect();
    let near = nearest(path.file_name()?.to_str()?, names.iter().map(String::as_str))?;
    Some(path.with_file_name(near).display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_do_not_exist_lead_to_those_that_do() {
        let hint = |line: &str| command(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(hint("price.py").as_deref(), Some("to run this script: cronbox run price.py"));
        assert_eq!(hint("schedule list").as_deref(), Some("to list schedules: cronbox schedules"));
        assert_eq!(hint("--utc token ls").as_deref(), Some("to list tokens: cronbox tokens"));
        assert_eq!(hint("schedule shwo"), None);
        assert_eq!(hint("frobnicate"), None);
    }
}
