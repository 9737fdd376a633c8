//! The guest: its own unit tests, run where it runs, and its two forms compared.

use crate::support::{self, expect};
use cronbox_runtime::{Bundle, CompiledInterpreter, GuestComponent, Job, Outcome, Pool, RunOutput};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn guest_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python-wasm")
}

/// The harness's modules and tests as a bundle, and a main that runs them all.
fn unit_tests() -> Bundle {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for folder in ["guest", "tests"] {
        for entry in std::fs::read_dir(guest_folder().join("harness").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "py" || extension == "json") {
                let name = path.file_name().unwrap().to_str().unwrap();
                files.push((format!("{folder}/{name}"), std::fs::read(&path).unwrap()));
            }
        }
    }
    let main = "import sys, unittest\nsys.path.insert(0, '/app/tests')\n\
        def run():\n    suite = unittest.defaultTestLoader.discover('/app/tests', 'test_*.py', '/app/tests')\n    \
        done = unittest.TextTestRunner(sys.stderr, verbosity=2).run(suite)\n    \
        return [done.testsRun, len(done.failures), len(done.errors), len(done.skipped)]\n";
    files.push(("main.py".into(), main.into()));
    let borrowed: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    Bundle::of_files(&borrowed).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_harness_passes_its_own_tests_in_the_sandbox() {
    let _shared = support::beside_others().await;
    let pool = support::pool_with(|config| config.processes = 1).await;
    let mut job = support::job("");
    job.bundle = Arc::new(unit_tests());
    job.path = "main.py".into();
    let RunOutput { report, stderr, .. } = support::start(&pool, job).finish().await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
    let counts: Vec<u64> = serde_json::from_str(support::result(&report)).unwrap();
    assert!(counts[0] >= 40 && counts[1..] == [0, 0, 0], "{counts:?}\n{}", String::from_utf8_lossy(&stderr));
}

/// The codecs of the guest, which are written in Python, against the ones in C of a native Python.
#[tokio::test(flavor = "multi_thread")]
async fn codecs_agree_with_those_in_c() {
    let _shared = support::beside_others().await;
    let tests = support::tests_folder().join("codecs/test_codecs.py");
    let done = tokio::process::Command::new("python3").arg(tests).output().await.expect("Python 3");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_optimised_guest_behaves_as_the_one_it_was_made_of() {
    let _shared = support::beside_others().await;
    let plain =
        GuestComponent::from_file(&guest_folder().join("out/plain.wasm")).expect("the guest without the optimiser");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plain").join("python.cwasm");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let plain = CompiledInterpreter::compile_guest(&plain, &path).expect("it compiles");
    let mut config = support::config();
    (config.processes, config.max_processes) = (1, 1);
    let plain = Pool::start(config.clone(), Arc::new(plain)).await.expect("a pool");
    let merged = Pool::start(config, support::interpreter()).await.expect("a pool");
    let mut wrong = Vec::new();
    for script in expect::scripts(&support::tests_folder().join("scripts")) {
        let (one, other) = tokio::join!(
            support::start(&plain, script.job.clone()).finish(),
            support::start(&merged, script.job.clone()).finish()
        );
        let prints_random = script.path.ends_with("randomness_is_fresh.py");
        let same = one.report.outcome == other.report.outcome
            && one.report.mode == other.report.mode
            && one.report.error.as_ref().map(|error| (&error.type_name, &error.traceback))
                == other.report.error.as_ref().map(|error| (&error.type_name, &error.traceback))
            && (prints_random || (one.stdout.len(), one.stderr.len()) == (other.stdout.len(), other.stderr.len()));
        let ends = [
            script.differences(&one.report, &one.stdout, &one.stderr),
            script.differences(&other.report, &other.stdout, &other.stderr),
        ];
        if !same || ends[0].is_empty() != ends[1].is_empty() {
            wrong.push(format!("{}: {:?} and {:?}", script.path.display(), one.report, other.report));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// For each package of native code: refused with what works instead; and the modules that are named do import.
const INSTEAD: &str = r#"
import importlib


def run(table):
    for entry in table:
        for name in entry["imports"]:
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                said = str(error)
                assert error.name == name, said
                assert "native code, which a sandbox does not load; " in said, said
                for what in (*entry.get("modules", ()), *entry.get("packages", ())):
                    assert what in said, said
                assert entry.get("words", "") in said, said
            else:
                raise AssertionError(f"{name} was imported")
        for module in entry.get("modules", ()):
            importlib.import_module(module)
    try:
        import numpy.linalg
    except ModuleNotFoundError as error:
        assert "use statistics or math or array of the standard library" in str(error), error
    return len(table)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_package_of_native_code_is_refused_with_what_works_instead() {
    let _shared = support::beside_others().await;
    let pool = support::pool().await;
    let table = include_str!("../python-wasm/harness/guest/instead.json");
    let count = serde_json::from_str::<Vec<serde_json::Value>>(table).expect("JSON").len();
    assert!(count >= 25, "only {count} packages");
    let job = support::job(INSTEAD).with_args(format!("{{\"table\": {table}}}"));
    let report = support::start(&pool, job).finish().await.report;
    assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
    assert_eq!(report.result.expect("a result").get(), count.to_string());
}

/// The standard library's `test` and `venv` are not in the interpreter; a script's own are what it imports then.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_refused_gives_way_to_one_of_that_name_in_the_bundle() {
    let _shared = support::beside_others().await;
    let pool = support::pool_with(|config| config.processes = 1).await;
    let main = "import test.prices\nimport venv\n\n\ndef run():\n    try:\n        import tkinter\n    \
        except ModuleNotFoundError as error:\n        return [test.prices.LOW, venv.NAME, str(error)]\n";
    let files: &[(&str, &[u8])] = &[
        ("main.py", main.as_bytes()),
        ("test/__init__.py", b""),
        ("test/prices.py", b"LOW = 7\n"),
        ("venv.py", b"NAME = 'mine'\n"),
    ];
    let job = Job::new(Bundle::of_files(files).unwrap(), "main.py");
    let report = support::finish(&pool, job).await;
    let expected = r#"[7,"mine","the module 'tkinter' is not available on WASI: a run has no screen"#;
    assert!(support::result(&report).starts_with(expected), "{report:?}");
}

/// A script's folder comes first, as everywhere: its modules win over those of the library, but for the few that CPython
/// has imported by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_of_the_script_wins_over_one_of_the_library() {
    let _shared = support::beside_others().await;
    let pool = support::pool_with(|config| config.processes = 1).await;
    let main = "import calendar, getpass, http.client, json, os, secrets, smtplib, token\n\
        from email.message import Message\n\n\ndef run():\n    \
        return [secrets.API_KEY, calendar.NAME, getpass.NAME, token.NAME, Message, json.dumps([os.sep]), \
        http.client.OK, smtplib.SMTP_PORT]\n";
    let files: &[(&str, &[u8])] = &[
        ("main.py", main.as_bytes()),
        ("secrets.py", b"API_KEY = 'k'\n"),
        ("calendar.py", b"NAME = 'c'\n"),
        ("getpass/__init__.py", b"NAME = 'g'\n"),
        ("token.py", b"NAME = 't'\n"),
        ("email/__init__.py", b""),
        ("email/message.py", b"Message = 'm'\n"),
        ("os.py", b"sep = 'wrong'\n"),
        // A folder without __init__.py gives way to a module of the library.
        ("json/data.txt", b""),
        ("http.txt", b""),
    ];
    let report = support::finish(&pool, Job::new(Bundle::of_files(files).unwrap(), "main.py")).await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
    assert_eq!(support::result(&report), r#"["k","c","g","t","m","[\"/\"]",200,25]"#);
}
