//! What a package process is told and what it answers, line by line.

use super::{Index, PackageError, ResolverConfig, Step, Trial};
use crate::config;
use crate::requirement::{Locked, Request};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::process::Command;

const UV_PIN: &str = include_str!("uv.txt");

/// What of the environment a package process may have: ways out, and whom to believe there.
const PASSED_ON: [&str; 10] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// What a package process is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) request: Request,
    pub(super) uv: PathBuf,
    pub(super) python: PathBuf,
    /// Where the library of that Python is.
    pub(super) prefix: PathBuf,
    pub(super) index: Option<String>,
    pub(super) wheels: Option<PathBuf>,
    pub(super) cache: PathBuf,
}

/// What it answers when all went well; the files follow.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) locked: Vec<Locked>,
    pub(super) warnings: Vec<String>,
    pub(super) trials: Vec<Trial>,
}

/// A line of what it says: how far it is, and at last the answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    Step(Step),
    Done(Result<Answer, PackageError>),
}

/// Says how far the order is. Nobody has to listen.
pub(super) fn tell(step: Step) {
    let _ = say(&Said::Step(step));
}

pub(super) fn say(said: &Said) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(&serde_json::to_vec(said)?)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// The environment of a package process.
pub(super) fn environment() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    PASSED_ON.into_iter().filter_map(|name| Some((name, config::variable(name)?)))
}

/// The version of the resolver that is taken, and no other: another may lock differently.
pub(super) fn uv_version() -> &'static str {
    let pin = UV_PIN.lines().find_map(|line| line.strip_prefix("uv==")).unwrap_or_default();
    pin.trim_end_matches('\\').trim()
}

/// The program behind `python3` in the search path, which may be a script that starts another, and its prefix. The
/// resolver asks it nothing but what it is.
async fn python() -> Result<(PathBuf, PathBuf), PackageError> {
    let missing = |why: &str| {
        PackageError::NoResolver(format!("the resolver of packages needs a python3 in the search path; {why}"))
    };
    let found = config::in_search_path("python3").ok_or_else(|| missing("there is none"))?;
    let asked = Command::new(&found)
        .args(["-I", "-c", "import os, sys; print(os.path.realpath(sys.executable)); print(sys.base_prefix)"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let said = asked.map_err(|error| missing(&format!("{}: {error}", found.display())))?.stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    match said.lines().collect::<Vec<_>>()[..] {
        [program, prefix] => Ok((program.into(), prefix.into())),
        _ => Err(missing(&format!("{} does not say what it is", found.display()))),
    }
}

impl Order {
    pub(super) async fn new(setup: &ResolverConfig, request: &Request) -> Result<Self, PackageError> {
        let version = uv_version();
        let found = || config::beside_program("uv").or_else(|| config::in_search_path("uv"));
        let uv = setup.uv.clone().or_else(found).ok_or_else(|| {
            PackageError::NoResolver(format!(
                "packages need uv {version}, which is neither beside cronbox nor in the search path: pip install uv=={version}, \
                 or name it with --uv"
            ))
        })?;
        let (python, prefix) = python().await?;
        let failed = |error: std::io::Error| PackageError::Failed(format!("{}: {error}", setup.cache.display()));
        std::fs::create_dir_all(&setup.cache).map_err(failed)?;
        let (index, wheels) = match &setup.index {
            Index::Usual => (None, None),
            Index::Address(address) => (Some(address.clone()), None),
            Index::Directory(directory) => (None, Some(directory.clone())),
        };
        let cache = setup.cache.canonicalize().map_err(failed)?;
        let uv = uv.canonicalize().map_err(|error| PackageError::NoResolver(format!("{}: {error}", uv.display())))?;
        Ok(Order { request: request.clone(), uv, python, prefix, index, wheels, cache })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resolver_is_pinned() {
        assert!(uv_version().split('.').count() == 3, "{:?}", uv_version());
    }
}
