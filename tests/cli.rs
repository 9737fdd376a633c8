//! The command line, as people and programs use it.

use crate::support;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

mod imports;
mod names;
mod pushing;
mod remote;
mod series;
mod shown;
mod sources;
mod tour;

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Place(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().into()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn cronbox(args: &[&str]) -> Output {
    // The cache is made once, before any command is judged by what it says.
    support::interpreter();
    let mut command = Command::new(support::PROGRAM);
    command.args(args).env_clear().env("CRONBOX_INTERPRETER_CACHE", support::interpreter_cache()).stdin(Stdio::null());
    command.output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn a_run_prints_output_then_the_result_then_what_it_cost() {
    let place = Place::new("plain");
    let script = place.file(
        "hello.py",
        "import sys\ndef run(n=1):\n    print('out')\n    print('err', file=sys.stderr)\n    return {'n': n}\n",
    );
    let output = cronbox(&["run", &script, "--arg", "n:=3"]);
    assert_eq!(code(&output), 0, "{output:?}");
    assert_eq!(text(&output.stdout), "out\n{\"n\": 3}\n".replace("\": ", "\":"));
    let stderr = text(&output.stderr);
    let (first, summary) = stderr.split_once('\n').unwrap();
    assert_eq!(first, "err");
    assert!(
        summary.starts_with("succeeded in ") && summary.contains(" fuel · ") && summary.ends_with("iB\n"),
        "{summary}"
    );
    let quiet = cronbox(&["run", "--quiet", &script]);
    assert_eq!(text(&quiet.stdout), "{\"n\":1}\n");
}

#[test]
fn json_has_the_keys_it_promises() {
    let place = Place::new("json");
    let script = place.file("a.py", "def run(n):\n    print('x')\n    return 1 / n\n");
    let good = json(&cronbox(&["run", "--json", "--args", "{\"n\": 4}", &script]));
    let keys: Vec<&str> = good.as_object().unwrap().keys().map(String::as_str).collect();
    insta::assert_snapshot!(keys.join("\n"));
    assert_eq!(
        (good["status"].as_str(), good["result"].as_f64(), good["stdout"].as_str()),
        (Some("succeeded"), Some(0.25), Some("x\n"))
    );
    assert!(good["error"].is_null());
    assert!(good["usage"]["fuel"].as_u64().unwrap() > 0);
    assert!(good["usage"]["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
    assert!(good["usage"]["wall_ms"].as_f64().unwrap() > 0.0);
    let output = cronbox(&["run", "--json", "--args", "[0]", &script]);
    let bad = json(&output);
    assert_eq!((code(&output), bad["status"].as_str()), (1, Some("failed")));
    assert_eq!(bad["error"]["type"], "ZeroDivisionError");
    assert!(bad["error"]["traceback"].as_str().unwrap().contains("return 1 / n"));
}

#[test]
fn exit_codes_tell_the_outcomes_apart() {
    let place = Place::new("codes");
    let cases: &[(&str, &[&str], i32, &str)] = &[
        ("pass", &[], 0, "succeeded"),
        ("raise ValueError('no')", &[], 1, "ValueError: no"),
        ("import sys; sys.exit(3)", &[], 1, "failed"),
        ("while True: pass", &["--fuel", "1e8"], 3, "raise with --fuel"),
        ("import time; time.sleep(60)", &["--timeout", "200ms"], 3, "limit 200 ms; raise with --timeout"),
        ("x = bytearray(1 << 30)", &["--memory", "64MiB"], 3, "raise with --memory"),
        ("import os; os._exit(0)", &[], 4, "ended the interpreter"),
    ];
    for (source, flags, expected, says) in cases {
        let script = place.file("case.py", source);
        let output = cronbox(&[&["run"][..], flags, &[script.as_str()]].concat());
        assert_eq!(code(&output), *expected, "{source}: {output:?}");
        let stderr = text(&output.stderr);
        assert!(stderr.contains(says), "{source}: {stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains("RUST_BACKTRACE"), "{stderr}");
    }
}

#[test]
fn commands_that_cannot_be_meant_are_explained() {
    let place = Place::new("usage");
    let good = place.file("good.py", "def run(n=1): return n\n");
    let empty = place.file("empty.py", "");
    let large = place.file("large.py", "#".repeat(10 << 20));
    let folder = place.0.to_str().unwrap();
    // As long as one word of a command line may be.
    let deep = "[".repeat(100_000);
    let missing = place.0.join("none.py");
    let cases: &[(&[&str], &str)] = &[
        (&[missing.to_str().unwrap()], "there is no such file"),
        (&[folder], "has no main.py"),
        (&[&empty], "is empty"),
        (&[&large], "larger than a script may be (1 MiB)"),
        (&[&good, "--fuel", "0"], "--fuel must be greater than 0"),
        (&[&good, "--fuel", "-5"], "--fuel: \"-5\" is negative"),
        (&[&good, "--fuel", "9e15"], "the ceiling is 2000 G fuel"),
        (&[&good, "--memory", "0"], "--memory must be greater than 0"),
        (&[&good, "--memory", "1MiB"], "the interpreter itself needs"),
        (&[&good, "--memory", "64GiB"], "the ceiling is 1 GiB"),
        (&[&good, "--memory", "lots"], "does not begin with a number"),
        (&[&good, "--timeout", "0s"], "--timeout must be greater than 0"),
        (&[&good, "--timeout", "99999999999999999999999h"], "too long a time"),
        (&[&good, "--timeout", "2h"], "--timeout 2 h: the ceiling is 1 h"),
        (&[&good, "--output-limit", "-1"], "is negative"),
        (&[&good, "--args", "3"], "not a JSON object or array"),
        (&[&good, "--args", "{"], "not a JSON object or array"),
        (&[&good, "--args", &deep], "--args: "),
        (&[&good, "--args", "[1]", "--arg", "n=1"], "--args must be a JSON object"),
        (&[&good, "--arg", "n"], "write NAME=TEXT or NAME:=JSON"),
        (&[&good, "--arg", "n:=x"], "not JSON"),
        (&[&good, "--env", "novalue"], "write NAME=VALUE"),
        (&[&good, "--result", "xml"], "none of json, text, none"),
        (&[&good, "--no-such-flag"], "unexpected argument"),
    ];
    for (args, says) in cases {
        let output = cronbox(&[&["run"][..], args].concat());
        let stderr = text(&output.stderr);
        assert_eq!(code(&output), 2, "{args:?}: {stderr}");
        assert!(stderr.contains(says), "{says}: {stderr}");
        assert!(output.stdout.is_empty());
        assert!(stderr.lines().count() <= 12 && !stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn sources_of_every_kind_get_a_sentence() {
    let place = Place::new("sources");
    let utf16: Vec<u8> = "print(1)\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bom16 = [&[0xff, 0xfe][..], &utf16].concat();
    let nested = "(".repeat(100_000);
    let cases: &[(&[u8], i32, &str)] = &[
        (b"\xef\xbb\xbfprint('bom')\n", 0, "bom"),
        (b"def run():\r\n    return 'crlf'\r\n", 0, "crlf"),
        (b"# -*- coding: latin-1 -*-\nprint('\xe9')\n", 0, "\u{e9}"),
        (b"print('\xff')\n", 1, "SyntaxError"),
        (&bom16, 1, "SyntaxError"),
        (b"x = 1\0\n", 1, "NUL byte"),
        (b"# coding: no-such-thing\n", 1, "SyntaxError"),
        (b"def run(:\n    pass\n", 1, "line 1"),
        (b"x = 1\nif x\n    pass\n", 1, "    if x\n        ^\n"),
        (nested.as_bytes(), 1, ""),
    ];
    for (source, expected, says) in cases {
        let script = place.file("source.py", source);
        let output = cronbox(&["run", &script]);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(code(&output), *expected, "{said}");
        assert!(said.contains(says), "{says:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn arguments_that_do_not_fit_name_the_parameter() {
    let place = Place::new("arguments");
    let script = place.file("a.py", "def run(price, count=1):\n    return price * 2 + count\n");
    for (args, says) in [
        (&["--args", "{}"][..], "price"),
        (&["--args", "{\"price\": 1, \"cuont\": 2}"], "cuont"),
        (&["--args", "[1, 2, 3]"], "3"),
        (&["--arg", "price=4"], "price:=4"),
    ] {
        let output = cronbox(&[&["run"][..], args, &[script.as_str()]].concat());
        let stderr = text(&output.stderr);
        assert_eq!(code(&output), 1, "{stderr}");
        assert!(stderr.contains(says), "{says}: {stderr}");
    }
    let absent = cronbox(&["run", "--entry", "absent", &script]);
    assert_eq!(code(&absent), 1);
    assert!(text(&absent.stderr).contains("absent"), "{absent:?}");
}

#[test]
fn output_beyond_the_limit_is_cut_with_a_mark() {
    let place = Place::new("cut");
    let script = place.file("a.py", "print('x' * 100_000)\n");
    let output = cronbox(&["run", "--json", "--output-limit", "1KiB", &script]);
    let stdout = json(&output)["stdout"].as_str().unwrap().to_owned();
    assert!(stdout.starts_with(&"x".repeat(1024)) && !stdout.starts_with(&"x".repeat(1025)));
    assert!(stdout.contains("96.7 KiB more were written; the limit is 1 KiB"), "{}", &stdout[1024..]);
}

#[test]
fn what_a_script_says_about_itself_is_honoured() {
    let place = Place::new("metadata");
    let script = place.file(
        "a.py",
        "# /// script\n# [tool.cronbox]\n# entry = \"main\"\n# timezone = \"Asia/Shanghai\"\n# labels = {team = \"a\"}\n\
         # limits = {fuel = \"1e8\"}\n# env = {GREETING = \"hi\"}\n# ///\nimport os\ndef main(context, spin=False):\n    \
         while spin: pass\n    return [os.environ['GREETING'], str(context.timezone), context.labels['team']]\n",
    );
    let output = cronbox(&["run", "--quiet", &script]);
    assert_eq!(text(&output.stdout), "[\"hi\",\"Asia/Shanghai\",\"a\"]\n", "{output:?}");
    assert_eq!(code(&cronbox(&["run", "--arg", "spin:=true", &script])), 3);
}

#[test]
fn a_script_from_standard_input() {
    support::interpreter();
    let mut child = Command::new(support::PROGRAM)
        .args(["run", "--quiet", "-"])
        .env("CRONBOX_INTERPRETER_CACHE", support::interpreter_cache())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"def run(): return [1]\n").unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "[1]\n");
}

#[test]
fn an_interrupt_cancels_the_run() {
    support::interpreter();
    let place = Place::new("interrupt");
    let script = place.file("a.py", "print('began', flush=True)\nwhile True: pass\n");
    let mut child = Command::new(support::PROGRAM)
        .args(["run", &script])
        .env("CRONBOX_INTERPRETER_CACHE", support::interpreter_cache())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut began = [0; 5];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut began).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 130, "{output:?}");
    assert!(text(&output.stderr).contains("cancelled in"), "{output:?}");
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly() {
    let place = Place::new("pipe");
    support::interpreter();
    let script = place.file("a.py", "while True: print('y' * 1000)\n");
    let cache = support::interpreter_cache();
    let line = format!("'{}' run '{script}' | head -c 1", support::PROGRAM);
    let output = Command::new("sh").args(["-c", &line]).env("CRONBOX_INTERPRETER_CACHE", cache).output().unwrap();
    assert_eq!(text(&output.stdout), "y");
    assert!(!text(&output.stderr).contains("panicked"), "{output:?}");
}

#[test]
fn doctor_finds_everything_in_order() {
    let output = cronbox(&["doctor", "--json"]);
    let findings = json(&output);
    assert_eq!(code(&output), 0, "{findings}");
    assert_eq!(findings["problems"], serde_json::json!([]));
    assert_eq!(findings["self_test"]["n"], 1000);
    assert!(findings["self_test"]["python"].as_str().unwrap().starts_with("3.14"));
    let version = findings["interpreter"]["versions"]["cpython"].as_str().unwrap();
    assert_eq!(findings["self_test"]["python"], version);
    let faults = std::fs::read_to_string(support::tests_folder().with_file_name("docs/interpreter.md")).unwrap();
    assert_eq!(findings["interpreter_faults"], "docs/interpreter.md");
    assert!(faults.contains(&format!("CPython **{version}**")), "the list is about another version than {version}");
    assert_eq!(findings["self_test"]["tzdata"], true);
    assert_eq!(findings["forbidden_calls"]["tried"], findings["forbidden_calls"]["stopped"]);
    assert!(findings["hardening"].as_array().unwrap().len() >= 8);
    let people = text(&cronbox(&["doctor"]).stdout);
    let line =
        format!("Python: CPython {version}; the faults of this release that scripts can meet: docs/interpreter.md\n");
    assert!(people.contains(&line), "{people}");
    assert!(people.contains("tzdata") && people.contains("hardening seccomp: in force"), "{people}");
}

#[test]
fn the_interpreter_can_be_carried_in_an_image() {
    let place = Place::new("image");
    let file = place.0.join("python.cwasm");
    let compiled = cronbox(&["compile", "--out", file.to_str().unwrap()]);
    assert_eq!(code(&compiled), 0, "{compiled:?}");
    let script = place.file("a.py", "def run(): return 'carried'\n");
    let with_cache = |cache: &str| {
        Command::new(support::PROGRAM)
            .args(["run", "--quiet", "--interpreter-cache", cache, &script])
            .env_clear()
            .output()
            .unwrap()
    };
    assert_eq!(text(&with_cache(file.to_str().unwrap()).stdout), "\"carried\"\n");
    // Damage is found before anything runs from it.
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let damaged = with_cache(file.to_str().unwrap());
    assert_eq!(code(&damaged), 5);
    assert!(text(&damaged.stderr).contains("is damaged"), "{damaged:?}");
}
