//! CPython's own tests, each module in a sandbox of its own. `cpython/modules.txt` says which and how many must pass,
//! `cpython/known.txt` which fail, and why. `cpython/fetch.sh` brings the tests.

use crate::support;
use cronbox_runtime::testing::Inspect as _;
use cronbox_runtime::{Bundle, Job, Limits, Outcome, Report, RunOutput};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How many run at once.
const PLACES: usize = 4;
/// Another version of the tests than the one that was counted may lack this share of them, in percent.
const OTHER_VERSION: u64 = 5;
/// What no module that is listed needs: foreign code, threads without a lock, tests of the test runner.
const LEFT_OUT: [&str; 6] =
    ["test_ctypes", "test_capi", "test_free_threading", "test_tkinter", "libregrtest", "wheeldata"];

/// A line of `modules.txt`.
struct Module {
    name: String,
    must_pass: u64,
    only_in_soak: bool,
    /// Whether its tests run that need threads. Most modules would only fail in more places.
    threads: bool,
}

/// A line of `known.txt`: the name of a test, or a pattern with `*`.
struct Known {
    name: String,
    is_run: bool,
}

impl Known {
    fn belongs_to(&self, module: &str) -> bool {
        self.name.strip_prefix(module).is_some_and(|rest| rest.starts_with(['.', '/']))
    }
}

/// What `run.py` says of a module.
#[derive(Deserialize)]
struct Counts {
    passed: u64,
    skipped: u64,
    /// Failed as `known.txt` says.
    known: u64,
    /// Failed, and `known.txt` does not say so.
    unknown: BTreeMap<String, String>,
    /// Passed, though `known.txt` says that they fail.
    mended: Vec<String>,
    /// Seconds of CPU of the tests that take long.
    slow: BTreeMap<String, f64>,
}

fn lines(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(support::tests_folder().join("cpython").join(file)).expect(file);
    text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).map(str::to_owned).collect()
}

fn modules() -> Vec<Module> {
    let read = |line: String| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, count, rest @ ..] = &*words else { panic!("modules.txt: {line}") };
        assert!(rest.iter().all(|word| ["soak", "threads"].contains(word)), "modules.txt: {line}");
        let must_pass = count.parse().unwrap_or_else(|_| panic!("modules.txt: {line}"));
        let has = |word| rest.contains(&word);
        Module { name: (*name).to_owned(), must_pass, only_in_soak: has("soak"), threads: has("threads") }
    };
    lines("modules.txt").into_iter().map(read).collect()
}

/// The reasons of `known.txt`, each with its tests.
fn reasons() -> Vec<(String, Vec<Known>)> {
    let mut is_run = true;
    let mut reasons: Vec<(String, Vec<Known>)> = Vec::new();
    for line in lines("known.txt") {
        if let Some(name) = line.strip_prefix("    ") {
            let (_, tests) = reasons.last_mut().unwrap_or_else(|| panic!("known.txt: {name} has no reason"));
            tests.push(Known { name: name.to_owned(), is_run });
        } else {
            let (kind, reason) = line.split_once(": ").unwrap_or_else(|| panic!("known.txt: {line}"));
            is_run = match kind {
                "fails" => true,
                "not run" => false,
                _ => panic!("known.txt: {line}"),
            };
            reasons.push((reason.to_owned(), Vec::new()));
        }
    }
    reasons
}

fn known() -> Vec<Known> {
    reasons().into_iter().flat_map(|(_, tests)| tests).collect()
}

/// "Mended later" says by which change, and in which release.
fn says_when(reason: &str) -> bool {
    let Some((_, rest)) = reason.split_once("Mended later (") else { return !reason.contains("later 3.14") };
    let Some((changes, words)) = rest.split_once("): ") else { return false };
    let is_change = |change: &str| {
        let words: Vec<&str> = change.split(' ').collect();
        matches!(&*words, [number, release]
            if (number.starts_with("gh-") || number.starts_with("bpo-")) && release.starts_with("3.14."))
    };
    changes.split(", ").all(is_change) && words.len() > 20
}

#[test]
fn every_test_that_is_known_to_fail_has_a_reason() {
    let modules = modules();
    let (mut names, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for (reason, tests) in reasons() {
        assert!(reason.len() > 20 && reason.ends_with(['.', '…']), "known.txt: no reason: {reason}");
        assert!(seen.insert(reason.clone()), "known.txt has this twice: {reason}");
        assert!(!tests.is_empty(), "known.txt: a reason of no test: {reason}");
        assert!(says_when(&reason), "known.txt: which change? {reason}");
        for Known { name, .. } in &tests {
            assert!(names.insert(name.clone()), "known.txt has {name} twice");
        }
        for test in &tests {
            let is_counted = modules.iter().any(|module| test.belongs_to(&module.name));
            assert!(is_counted, "known.txt: {} is of no module of modules.txt", test.name);
        }
    }
}

/// Where `make test` keeps CPython's tests, and which version they are.
fn suite() -> (PathBuf, String) {
    let folder = std::env::var_os("CRONBOX_TEST_SUITE")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-suite"), PathBuf::from);
    let version = std::fs::read_to_string(folder.join("version")).unwrap_or_else(|_| {
        let folder = folder.display();
        panic!("CPython's own tests are not in {folder}: type `make test`, or `tests/cpython/fetch.sh {folder}`")
    });
    (folder, version.trim().to_owned())
}

/// The package `test` and `run.py`.
fn bundle(suite: &Path) -> Bundle {
    let run = support::tests_folder().join("cpython/run.py");
    let mut files = vec![("run.py".to_owned(), std::fs::read(run).expect("run.py"))];
    let mut folders = vec![suite.join("test")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let kind = entry.file_type().expect("its kind");
            let path = entry.path();
            if kind.is_dir() && !LEFT_OUT.iter().any(|name| path.ends_with(name)) {
                folders.push(path);
            } else if kind.is_file() {
                let name = path.strip_prefix(suite).expect("below").to_str().expect("UTF-8").to_owned();
                files.push((name, std::fs::read(&path).expect("a file")));
            }
        }
    }
    let borrowed: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    Bundle::of_files(&borrowed).expect("a bundle")
}

fn job(bundle: &Arc<Bundle>, args: &serde_json::Value) -> Job {
    let mib = 1 << 20;
    let limits = Limits {
        fuel: 2_000_000_000_000,
        memory: 512 * mib,
        wall: Duration::from_secs(900),
        stdout: mib,
        stderr: mib,
        files: 128 * mib,
        ..Limits::default()
    };
    Job::new(bundle.clone(), "run.py").with_args(args.to_string()).with_limits(limits)
}

/// What `run.py` is to know of a module.
fn args(module: &Module, known: &[Known]) -> serde_json::Value {
    let names = |is_run: bool| -> Vec<&str> {
        let names = known.iter().filter(|known| known.is_run == is_run && known.belongs_to(&module.name));
        names.map(|known| &*known.name).collect()
    };
    serde_json::json!({
        "module": module.name, "not_run": names(false), "fails": names(true), "threads": module.threads,
    })
}

fn is_soak() -> bool {
    std::env::var_os("CRONBOX_SOAK").is_some()
}

/// Past the output of a test, which is shown only when it fails.
fn tell(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).expect("standard error");
}

/// What is said of modules: what is wrong, and what is only told.
#[derive(Default)]
struct Said {
    passed: u64,
    wrong: String,
    told: String,
}

fn judge(module: &Module, report: &Report, stderr: &[u8], is_counted_version: bool) -> Said {
    let Said { mut wrong, mut told, .. } = Said::default();
    let Module { name, must_pass, .. } = module;
    if report.outcome != Outcome::Succeeded {
        let stderr = String::from_utf8_lossy(stderr);
        let last = stderr.lines().last().unwrap_or("no test");
        let _ = writeln!(wrong, "{name}: {} in {last}: {:?}", report.outcome.as_str(), report.error);
        return Said { passed: 0, wrong, told };
    }
    let counts: Counts = serde_json::from_str(support::result(report)).expect("counts");
    let Counts { passed, skipped, known, .. } = counts;
    if is_soak() {
        let (seconds, fuel) = (report.usage.wall.as_secs_f64(), report.usage.fuel / 1_000_000_000);
        let _ = writeln!(
            told,
            "{name}: {passed} passed, {skipped} skipped, {known} failed as known, in {seconds:.1} s and {fuel} G of fuel"
        );
        for (test, seconds) in &counts.slow {
            let _ = writeln!(told, "    {test} takes {seconds} s");
        }
    }
    let least = if is_counted_version { *must_pass } else { must_pass * (100 - OTHER_VERSION) / 100 };
    if passed < least {
        let _ = writeln!(wrong, "{name}: {passed} passed, and {least} must");
    }
    if passed > *must_pass {
        let _ = writeln!(told, "{name}: {passed} pass, more than the {must_pass} of modules.txt: raise it");
    }
    for (test, why) in &counts.unknown {
        let text = if is_counted_version { &mut wrong } else { &mut told };
        let _ = writeln!(text, "{test}: {why}");
    }
    for test in &counts.mended {
        let _ = writeln!(told, "{test} passes now: take it out of known.txt");
    }
    Said { passed, wrong, told }
}

#[tokio::test(flavor = "multi_thread")]
async fn cpythons_own_tests_pass_in_the_sandbox() {
    let _shared = support::beside_others().await;
    let (folder, version) = suite();
    let pins = lines("suite.txt");
    let is_counted_version = pins.iter().any(|line| *line == format!("version {version}"));
    let bundle = Arc::new(bundle(&folder));
    let known = known();
    let all = modules();
    assert!(all.len() >= 100, "only {} modules", all.len());
    let due: Vec<Module> = all.into_iter().filter(|module| is_soak() || !module.only_in_soak).collect();
    let count = due.len();

    let pool = support::pool().await;
    let places = Arc::new(Semaphore::new(PLACES));
    let mut runs = tokio::task::JoinSet::new();
    for module in due {
        let (pool, places, job) = (pool.clone(), places.clone(), job(&bundle, &args(&module, &known)));
        runs.spawn(async move {
            let _place = places.acquire().await;
            let RunOutput { report, stderr, .. } = support::start(&pool, job).finish().await;
            judge(&module, &report, &stderr, is_counted_version)
        });
    }
    let mut sum = Said::default();
    while let Some(run) = runs.join_next().await {
        let Said { passed, wrong, told } = run.expect("the task");
        sum.passed += passed;
        sum.wrong.push_str(&wrong);
        sum.told.push_str(&told);
    }
    let Said { passed, wrong, told } = sum;
    tell(&format!("{told}{passed} of CPython's tests of {version} passed, of {count} modules\n"));
    assert!(wrong.is_empty(), "CPython's tests of {version}:\n{wrong}");
}

/// What is not run beside other tests, because it crashes the interpreter or does not end: each alone, in a sandbox that
/// ends for it and takes nothing with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_breaks_the_interpreter_ends_its_own_run() {
    if !is_soak() {
        return;
    }
    let _shared = support::beside_others().await;
    let bundle = Arc::new(bundle(&suite().0));
    let pool = support::pool_with(|config| (config.processes, config.max_processes) = (1, 1)).await;
    let processes = pool.process_ids();
    let modules = modules();
    for known in known().iter().filter(|known| !known.is_run && !known.name.contains('*')) {
        let name = &known.name;
        let module = modules.iter().map(|module| &module.name).find(|module| known.belongs_to(module));
        let module = module.unwrap_or_else(|| panic!("known.txt: {name} is of no module of modules.txt"));
        let mut job = job(&bundle, &serde_json::json!({"module": module, "only": name}));
        job.limits.fuel = 20_000_000_000;
        let report = support::finish(&pool, job).await;
        let ends = [Outcome::Succeeded, Outcome::Crashed, Outcome::OutOfFuel, Outcome::OutOfMemory];
        assert!(ends.contains(&report.outcome), "{name}: {report:?}");
        let counts: Option<Counts> = serde_json::from_str(support::result(&report)).ok();
        if counts.is_some_and(|counts| counts.passed == 1) {
            tell(&format!("{name} passes when it runs alone\n"));
        }
    }
    assert_eq!(pool.process_ids(), processes, "a sandbox process ended");
}
