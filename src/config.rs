//! What the environment and the configuration file say, read in one place.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Names the directory or file of the compiled interpreter.
pub const INTERPRETER_CACHE: &str = "CRONBOX_INTERPRETER_CACHE";
/// Names the configuration file.
pub const CONFIG: &str = "CRONBOX_CONFIG";
/// The server that the command line talks to.
pub const URL: &str = "CRONBOX_URL";
/// The token it talks with.
pub const TOKEN: &str = "CRONBOX_TOKEN";
/// The configuration file that is read when it is there.
const FILE: &str = "cronbox.toml";

/// Where the compiled interpreter is kept: what the flag says, else `CRONBOX_INTERPRETER_CACHE`, else `cronbox` in the
/// user's cache directory (XDG). None when there is no home to keep it in.
pub fn interpreter_cache(flag: Option<PathBuf>) -> Option<PathBuf> {
    flag.or_else(|| variable(INTERPRETER_CACHE).map(PathBuf::from)).or_else(user_cache)
}

/// Where fetched packages are kept: `packages` in cronbox's cache directory.
pub fn package_cache() -> Option<PathBuf> {
    user_cache().map(|cache| cache.join("packages"))
}

fn user_cache() -> Option<PathBuf> {
    let named = |name: &str| variable(name).map(PathBuf::from);
    named("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .map(|path| path.join("cronbox"))
        .or_else(|| named("HOME").map(|home| home.join(".cache/cronbox")))
}

/// How buckets are reached: the `AWS_…` variables that S3's clients know, their names in lower case.
pub fn aws() -> Vec<(String, String)> {
    env::vars()
        .filter(|(name, value)| name.starts_with("AWS_") && !value.is_empty())
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect()
}

/// The words after the program's name.
pub fn words() -> Vec<String> {
    env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

/// What a variable says, when it says anything.
pub fn variable(name: &str) -> Option<std::ffi::OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The first file of that name in the search path.
pub fn in_search_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The file of that name beside this program.
pub fn beside_program(name: &str) -> Option<PathBuf> {
    env::current_exe().ok().map(|program| program.with_file_name(name)).filter(|file| file.is_file())
}

/// Whether colours are not wanted, whatever they are written to: NO_COLOR is set, or the terminal has none.
pub fn colours_off() -> bool {
    variable("NO_COLOR").is_some() || variable("TERM").is_some_and(|terminal| terminal == "dumb")
}

/// Whether colours are wanted where there is no terminal.
pub fn colours_forced() -> bool {
    variable("CLICOLOR_FORCE").is_some_and(|forced| forced != "0") && variable("NO_COLOR").is_none()
}

/// How many columns the environment says that there are.
pub fn columns() -> Option<usize> {
    variable("COLUMNS")?.to_str()?.parse().ok().filter(|columns| *columns > 0)
}

/// This user's home.
pub fn home() -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from)
}

/// The name of this machine, for people.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "node".into(), |name| name.trim().to_owned())
}

/// A setting of the server as it stands in the file: one value, or several.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// `true`
    Flag(bool),
    /// `8`
    Number(i64),
    /// `"30s"`
    Text(String),
    /// `["s3://jobs/", "/srv/jobs"]`
    Texts(Vec<String>),
}

impl Setting {
    /// As it would be typed.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Setting::Flag(flag) => vec![flag.to_string()],
            Setting::Number(number) => vec![number.to_string()],
            Setting::Text(text) => vec![text.clone()],
            Setting::Texts(texts) => texts.clone(),
        }
    }
}

/// Reads the configuration file: the one that was named, which must be there, or `cronbox.toml` when it is. Names are those
/// of the flags, with `_` or `-`. The error is a sentence.
pub fn file(named: Option<&Path>) -> Result<BTreeMap<String, Setting>, String> {
    let path = named.unwrap_or(Path::new(FILE));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    read(&text).map_err(|why| format!("{}: {why}", path.display()))
}

/// The configuration file that [`file`] reads, if it is there.
pub fn file_read(named: Option<&Path>) -> Option<PathBuf> {
    let path = named.unwrap_or(Path::new(FILE));
    path.exists().then(|| path.to_owned())
}

/// Reads the settings in the text of a configuration file. The error is a sentence.
pub fn read(text: &str) -> Result<BTreeMap<String, Setting>, String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| match error.span() {
        Some(at) => {
            let line = text.bytes().take(at.start).filter(|byte| *byte == b'\n').count() + 1;
            format!("line {line}: {}", error.message())
        }
        None => error.message().to_owned(),
    })?;
    let setting = |(name, value): (String, toml::Value)| {
        let is_table = value.is_table();
        let setting = value.try_into::<Setting>().map_err(|_| {
            let place = line_of(text, &name).map(|line| format!("line {line}: ")).unwrap_or_default();
            match is_table {
                true => format!("{place}[{name}] is a table, and settings are outside tables: remove this line"),
                false => format!("{place}{name} must be a text, a whole number, true or false, or a list of texts"),
            }
        })?;
        Ok((name.replace('_', "-"), setting))
    };
    table.into_iter().map(setting).collect()
}

/// The line, counted from 1, where a name or a table of that name is written.
fn line_of(text: &str, name: &str) -> Option<usize> {
    let begins = |line: &str| {
        let line = line.trim_start().trim_start_matches(['[', '"', ' ']);
        line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with([']', '=', '.', '"']))
    };
    text.lines().position(begins).map(|at| at + 1)
}

/// The keys of secrets, when the environment holds them. The error is a sentence.
pub fn secret_key() -> Result<Option<Zeroizing<String>>, String> {
    match variable("CRONBOX_SECRET_KEY").map(std::ffi::OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(Zeroizing::new(text))),
        Some(Err(_)) => Err("CRONBOX_SECRET_KEY is not UTF-8".into()),
    }
}

/// Where a token for the first start stands, when the environment names a file.
pub fn admin_token_file() -> Option<PathBuf> {
    env::var_os("CRONBOX_ADMIN_TOKEN_FILE").filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_in_the_file_is_told_with_its_line() {
        for (text, why) in [
            (
                "# mine\n[server]\nlisten = \"a:1\"\n",
                "line 2: [server] is a table, and settings are outside tables: remove this line",
            ),
            (
                "zone = \"UTC\"\nrate = 1.5\n",
                "line 2: rate must be a text, a whole number, true or false, or a list of texts",
            ),
            (
                "server.listen = \"a:1\"\n",
                "line 1: [server] is a table, and settings are outside tables: remove this line",
            ),
        ] {
            assert_eq!(read(text), Err(why.to_owned()));
        }
        let why = read("listen = \"a:1\"\nlisten = 2\n").expect_err("twice");
        assert!(why.starts_with("line 2: "), "{why}");
        assert_eq!(read("max_running = 8\n"), Ok([("max-running".to_owned(), Setting::Number(8))].into()));
    }
}
