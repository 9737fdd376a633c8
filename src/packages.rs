//! Packages of scripts: from what a script asks for to a set of files that its sandboxes have in common.
//!
//! What is asked for was read before ([`crate::requirement`]) and is given to a process of its own ([`process`]), which has
//! none of the node's files, keys and connections. It has uv resolve the request to a lock, fetches the wheels of pure
//! Python that the lock names, and unpacks them under the rules of [`wheel`]. What it answers is a bundle. The node
//! compiles its modules in a sandbox that sees nothing else, and keeps the whole as one blob named by its content.
//! Runs never come near an index.

mod cache;
mod chosen;
mod fetch;
mod held;
mod instead;
mod lock;
mod offer;
mod optional;
mod order;
mod page;
mod process;
#[cfg(test)]
pub(crate) mod readers;
mod refusal;
mod sdist;
mod standin;
mod trial;
mod uv;
mod view;
mod wheel;

pub use instead::hint;
pub use process::{PACKAGE_PROCESS, package_process};
pub use trial::{Trial, tried};

use crate::panics;
use crate::requirement::{Locked, Request};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use cronbox_runtime::limits::MAX_SOURCE;
use cronbox_runtime::{Bundle, BundleError, Job, Limits, Outcome, Pool};
use order::{Answer, Order, Said};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::Semaphore;

const COMPILE: &[u8] = include_bytes!("packages/compile.py");
/// Bytes of source that one sandbox compiles, so that what it answers is no larger than a result may be.
const TOGETHER: usize = MAX_SOURCE;
/// Most files of a bundle.
const MOST_TOGETHER: usize = 16_384;
/// Package processes at once.
const AT_ONCE: usize = 2;
/// The time that all of resolving, fetching and unpacking may take.
const WITHIN: Duration = Duration::from_secs(180);
/// How often the cache is looked at.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);
/// Most bytes of a package process's answer, besides the files.
const MOST_ANSWER: usize = 4 << 20;

/// Why a script's packages cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum PackageError {
    /// There are no versions that fit together, or a name that the index does not have.
    #[error("{0}")]
    Unsatisfiable(String),
    /// A package is native code, or only source.
    #[error("{0}")]
    NotPure(String),
    /// A wheel is not what it should be.
    #[error("{0}")]
    BadWheel(String),
    /// The index does not answer.
    #[error("the package index cannot be reached: {0}")]
    IndexAway(String),
    /// There is no resolver here.
    #[error("{0}")]
    NoResolver(String),
    /// It took too long.
    #[error("the packages were not there after {} seconds", WITHIN.as_secs())]
    TimedOut,
    /// Nothing of what was asked for was here, and nothing may be fetched.
    #[error("{0}")]
    Offline(String),
    /// Something broke.
    #[error("{0}")]
    Failed(String),
}

/// Where packages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Index {
    /// The resolver's default.
    Usual,
    /// The address of an index (PEP 503 or 691).
    Address(String),
    /// A directory of wheels, and nothing else.
    Directory(PathBuf),
}

impl Index {
    /// Reads an address or a directory.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("https://") || text.starts_with("http://") {
            return Ok(Index::Address(text.to_owned()));
        }
        let path = Path::new(text.strip_prefix("file://").unwrap_or(text));
        match path.canonicalize() {
            Ok(path) if path.is_dir() => Ok(Index::Directory(path)),
            Ok(_) => Err(format!("{text} is neither the address of an index nor a directory of wheels")),
            Err(error) => Err(format!("{text}: {error}")),
        }
    }
}

/// How packages are resolved.
#[derive(Clone, Debug)]
pub struct ResolverConfig {
    /// The command that becomes a package process.
    pub command: Vec<OsString>,
    /// The resolver; none: the file `uv` beside this program, or in the search path.
    pub uv: Option<PathBuf>,
    /// Where packages come from.
    pub index: Index,
    /// A directory for what was fetched, so that it is fetched once.
    pub cache: PathBuf,
}

/// Resolves requests. Clones share their bound of processes at once.
#[derive(Clone, Debug)]
pub struct Resolver {
    config: Arc<ResolverConfig>,
    turns: Arc<Semaphore>,
    pruned: Arc<Mutex<Option<Instant>>>,
}

/// Packages as they came out of the package process: not compiled yet.
#[derive(Debug)]
pub struct Resolved {
    /// The files.
    pub files: Bundle,
    /// What was chosen.
    pub locked: Vec<Locked>,
    /// Sentences for the user.
    pub warnings: Vec<String>,
    /// Packages that are to be imported once before they are kept.
    pub trials: Vec<Trial>,
}

/// How far the packages of a script are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Versions that fit together are looked for.
    Resolving,
    /// They are fetched: so many of so many.
    Fetching {
        /// What is there.
        done: usize,
        /// What there will be.
        of: usize,
    },
    /// Their modules are compiled.
    Compiling,
}

impl Step {
    /// `resolving`, `fetching` or `compiling`.
    pub fn name(self) -> &'static str {
        match self {
            Step::Resolving => "resolving",
            Step::Fetching { .. } => "fetching",
            Step::Compiling => "compiling",
        }
    }

    /// How much is done, where that can be counted.
    pub fn done(self) -> Option<usize> {
        if let Step::Fetching { done, .. } = self { Some(done) } else { None }
    }

    /// How much there is to do, where that can be counted.
    pub fn total(self) -> Option<usize> {
        if let Step::Fetching { of, .. } = self { Some(of) } else { None }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Resolving => f.write_str("packages: looking for versions that fit"),
            Step::Fetching { done, of } => write!(f, "packages: fetched {done} of {of}"),
            Step::Compiling => f.write_str("packages: compiling"),
        }
    }
}

impl Resolver {
    /// A resolver.
    pub fn new(config: ResolverConfig) -> Self {
        Resolver { config: Arc::new(config), turns: Arc::new(Semaphore::new(AT_ONCE)), pruned: Arc::default() }
    }

    /// Resolves, fetches and unpacks in a process of its own. `tell` hears how far it is.
    pub async fn resolve(&self, request: &Request, tell: &(dyn Fn(Step) + Sync)) -> Result<Resolved, PackageError> {
        let resolved = self.ask(request, tell).await;
        self.prune();
        resolved
    }

    /// Keeps the cache within bounds, now and then, while nobody waits for it.
    fn prune(&self) {
        let mut pruned = self.pruned.lock().unwrap_or_else(PoisonError::into_inner);
        if pruned.is_some_and(|time| time.elapsed() < PRUNE_EVERY) {
            return;
        }
        *pruned = Some(Instant::now());
        let this = self.clone();
        tokio::spawn(panics::caught_in("package_cache", async move {
            let blocking = |work: fn(&Path) -> std::io::Result<bool>| {
                let cache = this.config.cache.clone();
                async move { tokio::task::spawn_blocking(move || work(&cache)).await.map_err(std::io::Error::other)? }
            };
            let work = async {
                if blocking(|cache| Ok(cache::is_full(cache))).await?
                    && let Ok(_alone) = this.turns.acquire_many(AT_ONCE as u32).await
                {
                    blocking(|cache| cache::set_aside(cache).map(|()| true)).await?;
                }
                blocking(|cache| cache::prune(cache).map(|()| true)).await
            };
            if let Err(error) = work.await {
                tracing::warn!(%error, "the cache of packages cannot be pruned; it is tried again later");
            }
        }));
    }

    async fn ask(&self, request: &Request, tell: &(dyn Fn(Step) + Sync)) -> Result<Resolved, PackageError> {
        let Ok(_turn) = self.turns.acquire().await else { return Err(PackageError::TimedOut) };
        let failed =
            |error: std::io::Error| PackageError::Failed(format!("no package process can be started: {error}"));
        let order = Order::new(&self.config, request).await?;
        let [program, words @ ..] = &self.config.command[..] else {
            return Err(PackageError::Failed("there is no command for package processes".into()));
        };
        let mut child = tokio::process::Command::new(program)
            .args(words)
            .env_clear()
            .envs(order::environment())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(PackageError::Failed("a package process without its pipes".into()));
        };
        let talk = async {
            let mut order = serde_json::to_vec(&order).map_err(std::io::Error::other)?;
            order.push(b'\n');
            stdin.write_all(&order).await?;
            stdin.flush().await?;
            let most = (wheel::MOST_BYTES + wheel::MOST_FILES * 600 + MOST_ANSWER) as u64;
            let mut stdout = BufReader::new(stdout.take(most));
            let answer = loop {
                let mut line = String::new();
                if stdout.read_line(&mut line).await? == 0 {
                    return Ok(Err("it said nothing".to_owned()));
                }
                match serde_json::from_str(&line) {
                    Ok(Said::Step(step)) => tell(step),
                    Ok(Said::Done(answer)) => break answer,
                    Err(error) => return Ok(Err(error.to_string())),
                }
            };
            let mut files = Vec::new();
            stdout.read_to_end(&mut files).await?;
            Ok(Ok((answer, files)))
        };
        // Held open until the answer is there: its end tells the process that nobody waits any more.
        let said = tokio::time::timeout(WITHIN, talk).await.map_err(|_| PackageError::TimedOut)?.map_err(failed)?;
        drop(stdin);
        let broken = |why: String| PackageError::Failed(format!("the package process ended without an answer: {why}"));
        let (answer, files) = said.map_err(broken)?;
        let Answer { locked, warnings, trials } = answer?;
        let files = Bundle::from_bytes(&files).map_err(|error| PackageError::BadWheel(error.to_string()))?;
        Ok(Resolved { files, locked, warnings, trials })
    }
}

/// The files with the code objects of their modules, so that no run compiles them. A module that does not compile (some
/// packages carry examples for other versions) stays as it is.
pub async fn compiled(pool: &Pool, files: &Bundle) -> Result<Bundle, PackageError> {
    let failed = |why: String| PackageError::Failed(format!("the packages cannot be compiled: {why}"));
    let jobs = compile_jobs(files).map_err(|error| failed(error.to_string()))?;
    let mut code: BTreeMap<String, Bytes> = BTreeMap::new();
    let runs: Result<Vec<_>, _> = jobs.into_iter().map(|job| pool.run(job)).collect();
    for run in runs.map_err(|error| failed(error.to_string()))? {
        let report = run.finish().await.report;
        let (Outcome::Succeeded, Some(result)) = (report.outcome, &report.result) else {
            let why = report.error.map(|error| error.message).unwrap_or_default();
            return Err(failed(format!("{} {why}", report.outcome.as_str())));
        };
        let made: BTreeMap<String, String> =
            serde_json::from_str(result.get()).map_err(|error| failed(error.to_string()))?;
        for (path, text) in made {
            let content = BASE64_STANDARD.decode(text).map_err(|error| failed(error.to_string()))?;
            code.insert(path, content.into());
        }
    }
    let sources = files.iter().filter(|(path, _)| !code.contains_key(*path));
    // A set of very many modules has room for the code of some; the others are compiled when they are imported.
    let room = MOST_TOGETHER.saturating_sub(files.iter().count());
    let made = code.iter().take(room).map(|(path, content)| (path.as_str(), &content[..]));
    let all: Vec<(&str, &[u8])> = sources.chain(made).collect();
    Bundle::of_files(&all).map_err(|error| failed(error.to_string()))
}

/// What compiles the modules of a set, some at a time.
fn compile_jobs(files: &Bundle) -> Result<Vec<Job>, BundleError> {
    let mut some: Vec<(&str, &[u8])> = Vec::new();
    let (mut jobs, mut bytes) = (Vec::new(), 0);
    let is_module = |(path, content): &(&str, &[u8])| path.ends_with(".py") && content.len() <= TOGETHER;
    for (path, content) in files.iter().filter(is_module) {
        if bytes + content.len() > TOGETHER && !some.is_empty() {
            jobs.push(compile_job(&std::mem::take(&mut some))?);
            bytes = 0;
        }
        bytes += content.len();
        some.push((path, content));
    }
    if !some.is_empty() {
        jobs.push(compile_job(&some)?);
    }
    Ok(jobs)
}

fn compile_job(modules: &[(&str, &[u8])]) -> Result<Job, BundleError> {
    let named: Vec<(String, &[u8])> =
        modules.iter().map(|(path, content)| (format!("source/{path}"), *content)).collect();
    let mut files: Vec<(&str, &[u8])> = named.iter().map(|(path, content)| (path.as_str(), *content)).collect();
    files.push(("compile.py", COMPILE));
    let paths: Vec<&str> = modules.iter().map(|(path, _)| *path).collect();
    let limits = Limits { wall: Duration::from_secs(60), result: (MAX_SOURCE * 12) as u32, ..Limits::default() };
    let args = json!({ "paths": paths }).to_string();
    Ok(Job::new(Bundle::of_files(&files)?, "compile.py").with_args(args).with_limits(limits))
}

/// Writes a file under another name first, so that a process that is killed leaves no half of it.
pub fn write_whole(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let half = path.with_extension(format!("{}.half", std::process::id()));
    let written = std::fs::write(&half, content).and_then(|()| std::fs::rename(&half, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&half);
    }
    written
}

/// What can be imported from a set of files, by its first name.
pub fn modules(files: &Bundle) -> Vec<String> {
    let first = |path: &str| {
        let name = match path.split_once('/') {
            Some((directory, _)) => directory,
            None => path.strip_suffix(".py")?,
        };
        (!name.contains('.') && !name.starts_with("__")).then(|| name.to_owned())
    };
    files.iter().filter_map(|(path, _)| first(path)).collect::<BTreeSet<_>>().into_iter().collect()
}
