//! What the black-box tests share: pools of the real program's sandbox processes, and scripts that say how they end.

pub mod certificates;
pub mod clocks;
pub mod dice;
pub mod expect;
pub mod postgres;
pub mod promtool;
pub mod receiver;
pub mod s3;
pub mod scheduler;
pub mod server;
pub mod statements;
pub mod wait;
pub mod world;

use cronbox_runtime::testing::Inspect as _;
use cronbox_runtime::{Bundle, CompiledInterpreter, Job, Limits, Pool, PoolConfig, Report, Run};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_cronbox");

/// The folder of this file's parent.
pub fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Where the tests keep the compiled interpreter.
pub fn interpreter_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("interpreter")
}

/// The compiled interpreter, compiled by whichever test comes first.
pub fn interpreter() -> Arc<CompiledInterpreter> {
    Arc::new(CompiledInterpreter::open(&interpreter_cache(), || ()).expect("an interpreter"))
}

/// How a pool of the program's own processes is set up by default.
pub fn config() -> PoolConfig {
    PoolConfig::for_machine(vec![OsString::from(PROGRAM), "sandbox-process".into()])
}

/// A pool with other settings than the default.
pub async fn pool_with(change: impl FnOnce(&mut PoolConfig)) -> Pool {
    let mut config = config();
    change(&mut config);
    Pool::start(config, interpreter()).await.expect("a pool")
}

/// A pool as a node has it.
pub async fn pool() -> Pool {
    pool_with(|_| ()).await
}

/// Waits until so many processes are up.
pub async fn all_up(pool: &Pool, processes: usize) {
    wait::until("the processes are up", async || pool.process_ids().len() >= processes).await;
}

/// A job that runs `source` as `/app/script.py` with the default limits.
pub fn job(source: &str) -> Job {
    job_named("script.py", source.as_bytes())
}

/// A job that runs `source` under a file name.
pub fn job_named(file: &str, source: &[u8]) -> Job {
    let bundle = Bundle::of_files(&[(file, source)]).expect("a bundle");
    let env = vec![("HOME".into(), "/tmp".into()), ("TMPDIR".into(), "/tmp".into())];
    let job = Job::new(bundle, file).with_env(env);
    let context = context(&job.name, Limits::default().wall);
    job.with_context(context)
}

/// The context a test's script sees: a run that starts now.
fn context(script: &str, wall: std::time::Duration) -> String {
    let now = chrono::Utc::now();
    let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    serde_json::json!({
        "run_id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "script": script,
        "version": 3,
        "schedule": "daily",
        "cause": "fire",
        "attempt": 1,
        "lost_attempts": 0,
        "fire_time": "2026-01-05T01:00:00Z",
        "scheduled_at": time(now),
        "started_at": time(now),
        "deadline": time(now + wall),
        "timezone": "UTC",
        "labels": {"team": "prices"},
    })
    .to_string()
}

/// Starts a job that must be taken.
pub fn start(pool: &Pool, job: Job) -> Run {
    pool.run(job).expect("the job is taken")
}

/// Runs a job to its end.
pub async fn finish(pool: &Pool, job: Job) -> Report {
    start(pool, job).finish().await.report
}

/// The result of a report as JSON text.
pub fn result(report: &Report) -> &str {
    report.result.as_ref().map_or("", |result| result.get())
}

/// Descriptors that a process has open.
pub fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Whether the tests run as root, who may make a network of their own.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Bytes of private memory of a process.
pub fn private_memory(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>() * 1024
}

/// Hundredths of a second that a process has computed.
pub fn computed(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("its status");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number")
}

/// The machine, for a test that measures time and wants it alone, or shared with the tests that do not.
static MACHINE: OnceLock<RwLock<()>> = OnceLock::new();

/// Taken by tests that may run beside others.
pub async fn beside_others() -> RwLockReadGuard<'static, ()> {
    MACHINE.get_or_init(RwLock::default).read().await
}

/// Taken by tests whose figures others would spoil.
pub async fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.get_or_init(RwLock::default).write().await
}
