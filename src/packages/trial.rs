//! Whether packages that were not taken as they came can be imported: tried once, in a sandbox, before a set is kept.

use super::PackageError;
use cronbox_runtime::{Bundle, Job, Limits, Outcome, Pool};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

const TRY: &[u8] = include_bytes!("trial.py");

/// A package to be tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The normalised name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The modules to import.
    pub imports: Vec<String>,
}

/// Imports what is to be tried; an error names the package that does not work.
pub async fn tried(pool: &Pool, files: &Arc<Bundle>, trials: &[Trial]) -> Result<(), PackageError> {
    if trials.is_empty() {
        return Ok(());
    }
    let failed = |why: String| PackageError::Failed(format!("the packages cannot be tried: {why}"));
    let limits = Limits { wall: Duration::from_secs(60), ..Limits::default() };
    for trial in trials {
        let args = serde_json::json!({ "names": trial.imports }).to_string();
        let env = vec![("HOME".into(), "/tmp".into()), ("TMPDIR".into(), "/tmp".into())];
        let bundle = Bundle::of_files(&[("trial.py", TRY)]).map_err(|error| failed(error.to_string()))?;
        let job = Job::new(bundle, "trial.py")
            .with_args(args)
            .with_env(env)
            .with_limits(limits)
            .with_packages(Some(files.clone()));
        let report = pool.run(job).map_err(|error| failed(error.to_string()))?.finish().await.report;
        if report.outcome != Outcome::Succeeded {
            let why = report.error.map_or_else(|| report.outcome.as_str().to_owned(), |error| error.message);
            return Err(PackageError::NotPure(format!(
                "{} {} was taken without what has to be compiled or built, and cannot be imported so: {why}",
                trial.name, trial.version
            )));
        }
    }
    Ok(())
}
