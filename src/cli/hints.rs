//! What was probably meant by a command or a file that does not exist.

use crate::suggest::nearest;
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

/// What to type instead of words that are not a command: a sentence.
pub(super) fn command(words: &[String]) -> Option<String> {
    let mut typed = words.iter().map(String::as_str).filter(|word| !word.starts_with('-'));
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
        let hint = |line: &str| command(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(hint("price.py").as_deref(), Some("to run this script: cronbox run price.py"));
        assert_eq!(hint("schedule list").as_deref(), Some("to list schedules: cronbox schedules"));
        assert_eq!(hint("--utc token ls").as_deref(), Some("to list tokens: cronbox tokens"));
        assert_eq!(hint("schedule shwo"), None);
        assert_eq!(hint("frobnicate"), None);
    }
}
