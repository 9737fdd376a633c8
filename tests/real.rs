//! Scripts as people wrote them, each run by `cronbox run` against servers on loopback. `real/README.md` has the words.

use crate::support::expect::split;
use crate::support::server::Folder;
use crate::support::{PROGRAM, beside_others, interpreter, interpreter_cache, tests_folder};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// How many run at once.
const PLACES: usize = 4;

/// What `real/server.py` serves, by name; it ends with this.
struct Servers {
    child: Child,
    ports: BTreeMap<String, u16>,
}

impl Servers {
    fn start() -> Self {
        let mut command = Command::new("python3");
        command.arg(tests_folder().join("real/server.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let ports = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Servers { child, ports }
    }

    fn port(&self, name: &str) -> u16 {
        *self.ports.get(name).unwrap_or_else(|| panic!("no server {name}"))
    }

    /// A text with the ports in the places of their names in braces.
    fn fill(&self, text: &str) -> String {
        self.ports
            .iter()
            .fold(text.to_owned(), |text, (name, port)| text.replace(&format!("{{{name}}}"), &port.to_string()))
    }

    /// The messages and mails that they took.
    async fn received(&self) -> Vec<String> {
        // Clients cannot be made without; whoever comes second finds it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let address = format!("http://127.0.0.1:{}/_received", self.port("http"));
        reqwest::get(address).await.expect("answers").json().await.expect("texts")
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A script, or a folder with `main.py`, and how it is to end.
struct Script {
    path: PathBuf,
    outcome: String,
    words: Vec<(String, String)>,
}

impl Script {
    /// None where the first line says nothing: it is a neighbour of scripts.
    fn read(path: PathBuf) -> Option<Self> {
        let main = if path.is_dir() { path.join("main.py") } else { path.clone() };
        let source = std::fs::read(&main).unwrap_or_else(|error| panic!("{}: {error}", main.display()));
        let first = source.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let first = String::from_utf8_lossy(first);
        let first = first.trim_start_matches('\u{feff}').trim_end().strip_prefix("# expect: ")?;
        let mut words = split(first).unwrap_or_else(|why| panic!("{}: {why}", main.display())).into_iter();
        let outcome = words.next().unwrap_or_else(|| panic!("{}: no outcome", main.display()));
        let pair = |word: String| {
            let (key, value) = word.split_once('=').unwrap_or_else(|| panic!("{}: {word}", main.display()));
            (key.to_owned(), value.to_owned())
        };
        Some(Script { outcome, words: words.map(pair).collect(), path })
    }

    fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.words.iter().filter(move |(word, _)| word == key).map(|(_, value)| &**value)
    }

    fn one(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    /// Runs it, with what it leaves in `output`.
    fn run(&self, servers: &Servers, packages: &Path, output: &Path) -> Output {
        let wheels = std::env::var_os("CRONBOX_TEST_WHEELS").expect("CRONBOX_TEST_WHEELS: see make test");
        let mut command = Command::new(PROGRAM);
        command.args(["run", "--json", "--allow-network", "*=127.0.0.0/8", "--interpreter-cache"]);
        command.arg(interpreter_cache()).arg("--index").arg(wheels).arg("--package-cache").arg(packages);
        command.arg("--output-dir").arg(output);
        for (key, value) in &self.words {
            match key.as_str() {
                "hosts" => {
                    let ports = value.split(',').map(|name| servers.port(name));
                    command.args(ports.flat_map(|port| ["--allow-host".into(), format!("127.0.0.1:{port}")]));
                }
                "env" => {
                    command.arg("--env").arg(servers.fill(value));
                }
                "args" | "entry" => {
                    command.arg(format!("--{key}")).arg(value);
                }
                _ => {}
            }
        }
        command.arg(&self.path);
        if let Some(words) = self.one("argv") {
            command.arg("--").args(split(&servers.fill(words)).expect("words"));
        }
        let input = self.one("stdin").map(|text| text.replace("\\n", "\n"));
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        if let (Some(text), Some(mut pipe)) = (input, child.stdin.take()) {
            // A command that refuses the script reads nothing, and says so itself.
            pipe.write_all(text.as_bytes()).ok();
        }
        child.wait_with_output().expect("ends")
    }

    /// Everything in which the end differs from what the first line says.
    fn differences(&self, done: &Output, output: &Path, received: &[String]) -> Vec<String> {
        let Ok(report) = serde_json::from_slice::<Value>(&done.stdout) else {
            return vec![format!("it was not run: {}", String::from_utf8_lossy(&done.stderr))];
        };
        let error = &report["error"];
        let mut found = Vec::new();
        if report["status"] != self.outcome.as_str() {
            found.push(format!("ended {}, not {}", report["status"], self.outcome));
        }
        for (key, value) in &self.words {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let holds = match key.as_str() {
                "stdout" | "stderr" => text(&report[key]).contains(value.as_str()),
                "result" => serde_json::from_str::<Value>(value).expect("JSON") == report["result"],
                "error" => text(&error["type"]).rsplit('.').next() == Some(value),
                "message" => text(&error["message"]).contains(value.as_str()),
                "exit" => error["exit_code"].as_i64().is_some() && error["exit_code"].as_i64() == value.parse().ok(),
                "output" => output.join(value).is_file(),
                "received" => received.iter().any(|text| text.contains(value.as_str())),
                "hosts" | "env" | "args" | "entry" | "argv" | "stdin" | "gap" => true,
                _ => panic!("{}: there is no word {key}", self.path.display()),
            };
            if !holds {
                found.push(format!("not so: {key}={value}"));
            }
        }
        if self.one("stderr").is_none() && report["stderr"] != "" {
            found.push("it wrote to standard error".into());
        }
        if !found.is_empty() {
            let parts = ["stdout", "stderr", "result"].map(|part| format!("{part}: {}", report[part]));
            found.extend(parts);
            found.push(format!("error: {} {}", error["type"], error["message"]));
            found.extend(error["traceback"].as_str().map(str::to_owned));
        }
        found
    }
}

/// Those of the folder, in order.
fn scripts() -> Vec<Script> {
    let entries = std::fs::read_dir(tests_folder().join("real/scripts")).expect("the folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "py") || path.join("main.py").is_file());
    paths.sort();
    paths.into_iter().filter_map(Script::read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_as_people_wrote_them_run_unchanged() {
    let _shared = beside_others().await;
    interpreter();
    let folder = Arc::new(Folder::new());
    let servers = Arc::new(Servers::start());
    let places = Arc::new(Semaphore::new(PLACES));
    let mut runs = tokio::task::JoinSet::new();
    for (number, script) in scripts().into_iter().enumerate() {
        let (folder, servers, places) = (folder.clone(), servers.clone(), places.clone());
        runs.spawn(async move {
            let _place = places.acquire_owned().await;
            let (script, output) = (Arc::new(script), folder.0.join(format!("output-{number}")));
            let (packages, told) = (folder.0.join("packages"), servers.clone());
            let (runner, to) = (script.clone(), output.clone());
            let done = tokio::task::spawn_blocking(move || runner.run(&told, &packages, &to)).await.expect("the run");
            let differences = script.differences(&done, &output, &servers.received().await);
            (script, differences)
        });
    }
    let (mut wrong, mut count) = (Vec::new(), 0);
    while let Some(run) = runs.join_next().await {
        let (script, differences) = run.expect("the task");
        count += 1;
        let name = script.path.file_name().unwrap_or_default().to_string_lossy();
        match script.one("gap") {
            None if !differences.is_empty() => wrong.push(format!("{name}:\n    {}", differences.join("\n    "))),
            Some(gap) if differences.is_empty() => wrong.push(format!("{name} runs: remove the word gap='{gap}'")),
            _ => {}
        }
    }
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {count} scripts:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 30, "only {count} scripts were found");
}
