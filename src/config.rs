//! What the environment and the configuration file say, read in one place.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

/// Names the configuration file.
pub const CONFIG: &str = "CRONBOX_CONFIG";
/// The server that the command line talks to.
pub const URL: &str = "CRONBOX_URL";
/// The token it talks with.
pub const TOKEN: &str = "CRONBOX_TOKEN";
/// The configuration file that is read when it is there.
const FILE: &str = "cronbox.toml";

/// Where fetched packages are kept: `packages` in cronbox's cache directory.
pub fn package_cache() -> Option<PathBuf> {
    user_cache().map(|cache| cache.join("packages"))
}

/// Cronbox's directory in the user's cache directory (XDG). None when the user has no home.
pub fn user_cache() -> Option<PathBuf> {
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

/// The words of the command line, the program's name first.
pub fn words() -> Vec<OsString> {
    env::args_os().collect()
}

/// What a variable says, when it says anything.
pub fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Whether a variable is set, and to nothing.
pub fn is_empty(name: &OsStr) -> bool {
    env::var_os(name).is_some_and(|value| value.is_empty())
}

/// The first file of that name in the search path.
pub fn in_search_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The file of that name beside this program.
pub fn beside_program(name: &str) -> Option<PathBuf> {
    env::current_exe().ok().map(|program| program.with_file_name(name)).filter(|file| file.is_file())
}

/// The machine code of the interpreter that came with this program: the directory `interpreter` beside it.
pub fn shipped_interpreter() -> Option<PathBuf> {
    env::current_exe().ok().map(|program| program.with_file_name("interpreter")).filter(|folder| folder.is_dir())
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

/// A setting in the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSetting {
    /// The line of its name, counted from 1.
    pub line: usize,
    /// Its values, as they would be typed.
    pub values: Values,
}

/// The values of a setting in the configuration file, as they would be typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// `"30s"`, `8` or `true`.
    One(String),
    /// `["s3://jobs/", "/srv/jobs"]`
    List(Vec<String>),
}

impl Values {
    fn of(value: &DeValue<'_>) -> Option<Self> {
        let text = |value: &DeValue<'_>| value.as_str().map(str::to_owned);
        match value {
            DeValue::String(text) => Some(Values::One(text.to_string())),
            DeValue::Boolean(flag) => Some(Values::One(flag.to_string())),
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
                Some(Values::One(number.to_string()))
            }
            DeValue::Array(items) => {
                items.iter().map(|item| text(item.get_ref())).collect::<Option<_>>().map(Values::List)
            }
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
        }
    }
}

/// The configuration file: the one that was named, which must be there, or `cronbox.toml` when it is.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// Its settings by name, as [`read`] says.
    pub settings: BTreeMap<String, FileSetting>,
}

impl File {
    /// Reads the file. The error is a sentence that names it.
    pub fn open(named: Option<&Path>) -> Result<Option<Self>, String> {
        let path = named.unwrap_or(Path::new(FILE)).to_owned();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
        };
        let settings = read(&text).map_err(|why| format!("{}: {why}", path.display()))?;
        Ok(Some(File { path, settings }))
    }
}

/// Reads the settings in the text of a configuration file. Their names are those of the flags; `_` is the same as `-`. The
/// error is a sentence that begins with the line.
pub fn read(text: &str) -> Result<BTreeMap<String, FileSetting>, String> {
    let line_at = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| match error.span() {
        Some(at) => format!("line {}: {}", line_at(at.start), error.message()),
        None => error.message().to_owned(),
    })?;
    let mut settings: BTreeMap<String, FileSetting> = BTreeMap::new();
    for (key, value) in table.get_ref() {
        let (name, line) = (key.get_ref(), line_at(key.span().start));
        let values = Values::of(value.get_ref()).ok_or_else(|| match value.get_ref().is_table() {
            true => format!("line {line}: [{name}] is a table, and settings are outside tables: remove this line"),
            false => format!("line {line}: {name} must be a text, a whole number, true or false, or a list of texts"),
        })?;
        let name = name.replace('_', "-");
        if let Some(other) = settings.insert(name.clone(), FileSetting { line, values }) {
            let (first, second) = (other.line.min(line), other.line.max(line));
            return Err(format!("line {second}: {name} is there twice, also in line {first}: remove one of them"));
        }
    }
    Ok(settings)
}

/// The keys of secrets, when the environment holds them. The error is a sentence.
pub fn secret_key() -> Result<Option<Zeroizing<String>>, String> {
    match variable("CRONBOX_SECRET_KEY").map(OsString::into_string) {
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
        let why = "line 2: max-running is there twice, also in line 1: remove one of them";
        assert_eq!(read("max_running = 8\nmax-running = 9\n"), Err(why.to_owned()));
        let eight = FileSetting { line: 1, values: Values::One("8".into()) };
        assert_eq!(read("max_running = 8\n"), Ok([("max-running".to_owned(), eight)].into()));
    }
}
