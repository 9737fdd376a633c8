//! Looks at scripts before they are kept: syntax, mode, parameters, warnings, and the code object, so that no run compiles
//! again. All of it happens in a sandbox that sees only that source; no Python of the node's ever does.

use crate::script::{Facts, Function, Functions, Warning};
use crate::source_files::{Sources, is_compiled};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use cronbox_runtime::limits::MAX_SOURCE;
use cronbox_runtime::report::Mode;
use cronbox_runtime::{Bundle, BundleError, Job, Limits, Load, Outcome, Pool, Report, Run, RunOutput};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// What looks at a source; a run begins in the first file.
const PROGRAM: [(&str, &[u8]); 3] = [
    ("check.py", include_bytes!("checker/check.py")),
    ("parameters.py", include_bytes!("checker/parameters.py")),
    ("docstrings.py", include_bytes!("checker/docstrings.py")),
];

/// The code of a refusal that says nothing of the script: no process could be had to look at it.
pub const NO_SANDBOX: &str = "no_sandbox";
/// How long an upload waits for a process.
const PROCESS_WITHIN: Duration = Duration::from_secs(10);

/// Why a script is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `syntax_error`, `wrong_magic`, `damaged`, `check_failed`; [`NO_SANDBOX`].
    pub code: String,
    /// A sentence.
    pub message: String,
    /// Counted from 1, when it is known.
    pub line: Option<u32>,
    /// Counted from 1, when it is known.
    pub column: Option<u32>,
    /// The line itself, when it is known.
    pub text: Option<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: {}", self.message),
            (Some(line), None) => write!(f, "line {line}: {}", self.message),
            (None, _) => f.write_str(&self.message),
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// For the version.
    pub facts: Facts,
    /// What a run can call; none for compiled source.
    pub functions: Option<Functions>,
    /// The content of a `.pyc` file.
    pub code: Option<Vec<u8>>,
}

#[derive(Deserialize)]
struct Answer {
    error: Option<Problem>,
    #[serde(default)]
    mode: Option<Mode>,
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    warnings: Vec<Warning>,
    #[serde(default)]
    uses_state: bool,
    #[serde(default)]
    functions: Option<BTreeMap<String, Function>>,
    #[serde(default)]
    code: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
    line: Option<u32>,
    column: Option<u32>,
    text: Option<String>,
    #[serde(default)]
    code: Option<String>,
}

fn no_sandbox(why: Option<&str>) -> Refused {
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    let message = format!("no sandbox can be had to look at the script{why}; try again");
    Refused { code: NO_SANDBOX.into(), message, line: None, column: None, text: None }
}

/// Checks scripts in sandboxes of a pool.
#[derive(Clone)]
pub struct Checker {
    pool: Pool,
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checker")
    }
}

impl Checker {
    /// A checker with this pool.
    pub fn new(pool: Pool) -> Self {
        Checker { pool }
    }

    /// How many runs its pool has.
    pub fn load(&self) -> Load {
        self.pool.load()
    }

    /// The pool that it checks in.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The end of a run that looks at a script; an error when no process can be had for it.
    async fn followed(&self, run: Run) -> Result<Report, Refused> {
        let mut finished = std::pin::pin!(run.finish());
        loop {
            match tokio::time::timeout(PROCESS_WITHIN, &mut finished).await {
                Ok(RunOutput { report, .. }) if report.is_unplaced() => {
                    return Err(no_sandbox(report.error.as_ref().map(|error| error.message.as_str())));
                }
                Ok(RunOutput { report, .. }) => return Ok(report),
                Err(_) => {}
            }
            // Where there are processes, it is in one of them or waits for its turn.
            let health = self.pool.health();
            if health.up == 0 {
                return Err(no_sandbox(health.failing.as_deref()));
            }
        }
    }

    /// Looks at a script whose entry is `entry`, or the usual one, and which can import `packages`.
    pub async fn check(
        &self,
        name: &str,
        sources: &Sources,
        entry: Option<&str>,
        packages: &[String],
    ) -> Result<Checked, Refused> {
        let source = sources.source();
        let failed =
            |message: String| Refused { code: "check_failed".into(), message, line: None, column: None, text: None };
        let [check, parameters, docstrings] = PROGRAM;
        let files = [check, parameters, docstrings, ("source", source)];
        let bundle = Bundle::of_files(&files).map_err(|error| match &error {
            BundleError::Memory(why) => no_sandbox(Some(&format!("{error}: {why}"))),
            _ => failed(error.to_string()),
        })?;
        let own = sources.files.iter().filter_map(|(path, _)| path.split(['/', '.']).next());
        let modules: BTreeSet<&str> = own.chain(packages.iter().map(String::as_str)).collect();
        let args = json!({"path": format!("/app/{}", sources.main), "name": name, "entry": entry, "modules": modules});
        // The code object of the largest source, in base64.
        let limits = Limits { wall: Duration::from_secs(30), result: (MAX_SOURCE * 12) as u32, ..Limits::default() };
        let job = Job::new(bundle, "check.py").with_args(args.to_string()).with_limits(limits);
        let run = self.pool.run(job).map_err(|error| failed(error.to_string()))?;
        let report = self.followed(run).await?;
        let answer = match (report.outcome, &report.result) {
            (Outcome::Succeeded, Some(result)) => {
                serde_json::from_str::<Answer>(result.get()).map_err(|error| failed(error.to_string()))?
            }
            (outcome, _) => {
                let why = report.error.map(|error| format!(": {}", error.message)).unwrap_or_default();
                return Err(failed(format!("looking at the source ended {}{why}", outcome.as_str())));
            }
        };
        if let Some(problem) = answer.error {
            return Err(Refused {
                code: problem.code.unwrap_or_else(|| "syntax_error".into()),
                message: problem.message,
                line: problem.line,
                column: problem.column,
                text: problem.text,
            });
        }
        let facts = Facts {
            mode: answer.mode,
            signature: answer.signature,
            uses_state: answer.uses_state,
            warnings: answer.warnings,
        };
        let code = answer.code.and_then(|code| BASE64_STANDARD.decode(code).ok()).filter(|code| is_compiled(code));
        Ok(Checked { facts, functions: answer.functions.map(Functions), code })
    }
}
