//! Jobs, and the checks of their arguments and results.

use crate::bundle::Bundle;
use crate::egress::{NetworkGrant, Redactor};
use crate::limits::{LimitError, Limits, MAX_ARGS, MAX_JSON_DEPTH};
use crate::outcome::ResultKind;
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// The handling of a run whose process died because of something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLost {
    /// Start it again, up to three attempts in total.
    #[default]
    Retry,
    /// Report it as crashed.
    Report,
}

/// One run to be made: begin with [`Job::new`] and add what the run needs.
///
/// ```
/// use cronbox_runtime::{Bundle, Job};
/// use cronbox_runtime::limits::Limits;
/// use std::time::Duration;
///
/// let bundle = Bundle::of_files(&[("price.py", b"def run(symbol):\n    return symbol.lower()\n")])?;
/// let job = Job::new(bundle, "price.py")
///     .with_args(r#"{"symbol": "INIT"}"#)
///     .with_limits(Limits { wall: Duration::from_secs(5), ..Limits::default() });
/// assert_eq!(job.name, "price");
/// # Ok::<(), cronbox_runtime::BundleError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Job {
    /// The name of the guest that runs it; none: the pool's first.
    pub guest: Option<String>,
    /// The script's files.
    pub bundle: Arc<Bundle>,
    /// Its packages, with their paths below `/packages`.
    pub packages: Option<Arc<Bundle>>,
    /// The source's path in the bundle.
    pub path: String,
    /// The path in the bundle of its code object (the content of a `.pyc` file), when it is compiled already. It must
    /// be a code object that this interpreter made.
    pub code: Option<String>,
    /// The script's name, `__name__` in function mode.
    pub name: String,
    /// `function` or `module:function`.
    pub entry: Option<String>,
    /// The arguments: a JSON object or array.
    pub args: String,
    /// The names of arguments that were given as text.
    pub text_args: Vec<String>,
    /// `sys.argv[1:]` in script mode.
    pub argv: Vec<String>,
    /// The environment, all of it.
    pub env: Vec<(String, String)>,
    /// The JSON object behind `context`.
    pub context: String,
    /// The form of the result.
    pub result_kind: ResultKind,
    /// The limits.
    pub limits: Limits,
    /// The grant on the network; none: no access.
    pub network: Option<Arc<NetworkGrant>>,
    /// Takes the values of secrets out of everything that the run leaves.
    pub redactor: Option<Redactor>,
    /// The handling when its process dies.
    pub on_lost: OnLost,
    /// A name of the caller's for the script's files, by which [`Pool::image_of`](super::Pool::image_of) knows them.
    pub subject: Option<String>,
}

// Its environment can contain a secret.
impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("name", &self.name).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Job {
    /// A run of the file `path` of a bundle, without arguments, environment or network, under the default limits.
    pub fn new(bundle: impl Into<Arc<Bundle>>, path: impl Into<String>) -> Self {
        let path = path.into();
        Job {
            guest: None,
            bundle: bundle.into(),
            packages: None,
            name: name_of(&path),
            path,
            code: None,
            entry: None,
            args: "{}".into(),
            text_args: Vec::new(),
            argv: Vec::new(),
            env: Vec::new(),
            context: "{}".into(),
            result_kind: ResultKind::Json,
            limits: Limits::default(),
            network: None,
            redactor: None,
            on_lost: OnLost::Retry,
            subject: None,
        }
    }

    /// Names the guest that runs it; see [`Job::guest`].
    pub fn with_guest(mut self, name: impl Into<String>) -> Self {
        self.guest = Some(name.into());
        self
    }

    /// Sets the arguments: a JSON object (by name) or array (by position). [`Pool::run`](super::Pool::run) checks them.
    pub fn with_args(mut self, json: impl Into<String>) -> Self {
        self.args = json.into();
        self
    }

    /// Names the arguments that were given as text: they are converted as the function's annotations say.
    pub fn with_text_args(mut self, names: Vec<String>) -> Self {
        self.text_args = names;
        self
    }

    /// Sets `sys.argv[1:]`, for scripts without a function to call.
    pub fn with_argv(mut self, words: Vec<String>) -> Self {
        self.argv = words;
        self
    }

    /// Sets the environment, all of it.
    pub fn with_env(mut self, env: Vec<(String, String)>) -> Self {
        self.env = env;
        self
    }

    /// Sets the packages that the script can import.
    pub fn with_packages(mut self, packages: Option<Arc<Bundle>>) -> Self {
        self.packages = packages;
        self
    }

    /// Sets the path of the code object; see [`Job::code`].
    pub fn with_code(mut self, path: Option<String>) -> Self {
        self.code = path;
        self
    }

    /// Sets the script's name.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the function to call: `function` or `module:function`.
    pub fn with_entry(mut self, entry: Option<String>) -> Self {
        self.entry = entry;
        self
    }

    /// Sets the JSON object behind `context`.
    pub fn with_context(mut self, json: impl Into<String>) -> Self {
        self.context = json.into();
        self
    }

    /// Sets the form of the result.
    pub fn with_result_kind(mut self, kind: ResultKind) -> Self {
        self.result_kind = kind;
        self
    }

    /// Sets the limits.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Grants access to the network.
    pub fn with_network(mut self, grant: Option<Arc<NetworkGrant>>) -> Self {
        self.network = grant;
        self
    }

    /// Sets the redactor, which takes the values of secrets out of everything that the run leaves.
    pub fn with_redactor(mut self, redactor: Option<Redactor>) -> Self {
        self.redactor = redactor;
        self
    }

    /// Sets the name for the script's files; see [`Job::subject`].
    pub fn with_subject(mut self, subject: Option<String>) -> Self {
        self.subject = subject;
        self
    }

    /// Sets the handling when the run's process dies because of something else.
    pub fn with_on_lost(mut self, on_lost: OnLost) -> Self {
        self.on_lost = on_lost;
        self
    }
}

/// The error when a job is refused before it is queued.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// A limit is not accepted.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The memory limit is larger than the budget of all runs.
    #[error("a memory limit of {asked} bytes never fits into the memory budget of {budget} bytes")]
    OverBudget {
        /// The limit, in bytes.
        asked: u64,
        /// The budget, in bytes.
        budget: u64,
    },
    /// The arguments are too large.
    #[error("the arguments have {size} bytes; at most {MAX_ARGS} are taken")]
    ArgsTooLarge {
        /// Their size in bytes.
        size: usize,
    },
    /// The arguments are not JSON, are nested too deep, or are neither an object nor an array.
    #[error("the arguments are not a JSON object or array: {0}")]
    BadArgs(String),
    /// The pool has no guest of this name.
    #[error("there is no guest {0:?}")]
    NoGuest(String),
    /// The bundle has no such file.
    #[error("the bundle has no file {0:?}")]
    NoSource(String),
}

/// Returns a file's path without the ending of its name.
fn name_of(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((name, ending)) if !name.is_empty() && !name.ends_with('/') && !ending.contains('/') => name.to_owned(),
        _ => path.to_owned(),
    }
}

/// Checks arguments before a process sees them: JSON of limited depth, an object or an array.
pub(crate) fn check_args(args: &str) -> Result<(), String> {
    check_depth(args.as_bytes())?;
    let value: Box<RawValue> = serde_json::from_str(args).map_err(|error| error.to_string())?;
    match value.get().as_bytes().first() {
        Some(b'{' | b'[') => Ok(()),
        _ => Err("it is neither of the two".into()),
    }
}

/// Checks a result of a guest: UTF-8, JSON, limited size and depth.
pub(crate) fn check_result(result: &[u8], limit: u32) -> Result<Box<RawValue>, String> {
    if result.len() > limit as usize {
        return Err(format!("the result has {} bytes as JSON; the limit is {limit}", result.len()));
    }
    check_depth(result)?;
    let text = std::str::from_utf8(result).map_err(|_| "the result is not UTF-8".to_owned())?;
    serde_json::from_str(text).map_err(|error| format!("the result is not JSON: {error}"))
}

/// Refuses JSON that is nested too deep for later parsers. It counts brackets outside of strings; other errors are
/// found by the parser that follows.
fn check_depth(json: &[u8]) -> Result<(), String> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_JSON_DEPTH {
            return Err(format!("it is nested deeper than {MAX_JSON_DEPTH}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_objects_or_arrays_of_bounded_depth() {
        assert_eq!(check_args("{}"), Ok(()));
        assert_eq!(check_args(" [1, \"[[[\\\"[\"] "), Ok(()));
        for bad in ["", "1", "\"x\"", "null", "{", "{}x", "[NaN]", "[1,]"] {
            assert!(check_args(bad).is_err(), "{bad}");
        }
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert_eq!(check_args(&deep(MAX_JSON_DEPTH)), Ok(()));
        assert!(check_args(&deep(MAX_JSON_DEPTH + 1)).is_err());
        assert!(check_args(&deep(100_000)).is_err());
    }

    #[test]
    fn results_are_parsed_again() {
        assert_eq!(check_result(b"[1.5]", 100).expect("takes").get(), "[1.5]");
        for bad in [&b"NaN"[..], b"", b"\"\xff\"", b"[1", b"{\"a\":1}{}", b"\"\\ud800"] {
            assert!(check_result(bad, 100).is_err(), "{bad:?}");
        }
        assert!(check_result(b"[1234567]", 5).is_err());
    }
}
