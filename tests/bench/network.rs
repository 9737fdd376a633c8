//! What the network and packages cost: the same program in a sandbox and natively, against the same server, in turns.

use super::support::server::{Folder, Server};
use super::support::world::world;
use super::{at, ms, row};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often each side has its turn.
const ROUNDS: usize = 7;
/// Requests one after the other, each on a connection of its own.
const REQUESTS: u32 = 20;
/// Requests at once.
const AT_ONCE: u32 = 100;
/// Bytes of a small answer, and of a large one.
const SMALL: u32 = 10_000;
const LARGE: u32 = 20_000_000;

/// Tells how long each of its works took, in seconds, whichever Python runs it.
const PROGRAM: &str = r#"
# /// script
# dependencies = ["requests", "httpx", "beautifulsoup4"]
# [tool.cronbox]
# allow = ["localhost:PORT"]
# limits = { memory = "512MiB", timeout = "10m" }
# ///
import asyncio, json, sys, time

BASE = "https://localhost:PORT"

def timed(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began

async def together(count):
    import httpx
    limits = httpx.Limits(max_connections=50)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:
        answers = await asyncio.gather(*(client.get(f"{BASE}/size/SMALL") for _ in range(count)))
    assert all(len(answer.content) == SMALL for answer in answers)

def run(work):
    import requests
    match work:
        case "one":
            requests.get(f"{BASE}/size/SMALL")
        case "each":
            return timed(lambda: [requests.get(f"{BASE}/size/SMALL").content for _ in range(REQUESTS)])
        case "kept":
            session = requests.Session()
            session.get(f"{BASE}/size/SMALL")
            return timed(lambda: [session.get(f"{BASE}/size/SMALL").content for _ in range(REQUESTS)])
        case "together":
            return timed(lambda: asyncio.run(together(AT_ONCE)))
        case "down":
            return timed(lambda: requests.get(f"{BASE}/size/LARGE").content)
        case "up":
            data = b"x" * LARGE
            return timed(lambda: requests.post(f"{BASE}/count", data=data))

if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1])))
"#;

/// The script that only imports.
const IMPORTS: &str = "# /// script\n# dependencies = [\"requests\", \"beautifulsoup4\"]\n# ///\nimport bs4, requests\n\
                       def run():\n    return len(requests.__name__ + bs4.__name__)\n";

pub(super) async fn costs() {
    let wheels = std::env::var("CRONBOX_TEST_WHEELS").expect("CRONBOX_TEST_WHEELS: `make bench` sets it");
    let folder = Folder::new();
    let port = world().port("https");
    let words = ["--index", &wheels, "--allow-network", "localhost=127.0.0.0/8", "--ca-file", world().ca()];
    let mut server = Server::start(&folder.0, &words);
    let program = ["PORT", "SMALL", "LARGE", "REQUESTS", "AT_ONCE"]
        .into_iter()
        .zip([u32::from(port), SMALL, LARGE, REQUESTS, AT_ONCE])
        .fold(PROGRAM.to_owned(), |program, (word, number)| program.replace(word, &number.to_string()));
    let (status, kept) = server.put("program", &program).await;
    assert_eq!((status, &kept["not_granted"]), (201, &json!([])), "{kept}");
    let native = Native::new(&folder.0, &wheels, &program);
    let took = async |work: &str| -> Duration {
        let done = server.run("program", &json!({"args": {"work": work}})).await;
        Duration::from_secs_f64(done["result"].as_f64().unwrap_or_else(|| panic!("{done}")))
    };
    for (work, what, parts) in [
        ("each", "HTTPS GET of 10 kB with `requests`, a connection for each", REQUESTS),
        ("kept", "the same on one connection", REQUESTS),
        ("together", "100 of them in one script's `gather` (`httpx`, 50 connections)", 1),
        ("down", "20 MB down", 1),
        ("up", "20 MB up", 1),
    ] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(took(work).await / parts);
            theirs.push(native.took(work) / parts);
        }
        compare(what, ours, theirs);
    }
    runs_at_once(&server, &native).await;
    imports(&mut server, &native).await;
}

/// A row of both medians.
fn compare(what: &str, mut ours: Vec<Duration>, mut theirs: Vec<Duration>) {
    ours.sort();
    theirs.sort();
    let (ours, theirs) = (at(&ours, 0.5), at(&theirs, 0.5));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    row(what, format!("{} ({ratio:.2} × native Python, {})", ms(ours), ms(theirs)), "", None);
}

/// A run for each request; natively a process for each, and for comparison threads, which share what they import.
async fn runs_at_once(server: &Server, native: &Native) {
    let (mut ours, mut theirs, mut threads) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let began = Instant::now();
        let body = json!({"args": {"work": "one"}});
        let all = (0..AT_ONCE).map(|_| server.run("program", &body));
        for done in futures_util::future::join_all(all).await {
            assert_eq!(done["status"], "succeeded", "{done}");
        }
        ours.push(began.elapsed());
        theirs.push(native.processes());
        threads.push(native.threads());
    }
    threads.sort();
    let shared = ms(at(&threads, 0.5));
    compare("100 runs at once, each with one such GET (native: a process each)", ours, theirs);
    row("the same from 100 threads of one native process, which import `requests` once", shared, "", None);
}

/// Importing both packages: first thing after a start, later, and natively without and with kept code.
async fn imports(server: &mut Server, native: &Native) {
    let (status, kept) = server.put("imports", IMPORTS).await;
    assert_eq!(status, 201, "{kept}");
    let (mut cold, mut warm, mut bare, mut kept) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        server.kill();
        server.up();
        for times in [&mut cold, &mut warm] {
            let done = server.run("imports", &json!({})).await;
            let took = done["usage"]["wall_ms"].as_f64().unwrap_or_else(|| panic!("{done}"));
            times.push(Duration::from_secs_f64(took / 1e3));
        }
        bare.push(native.imports(&["-B"]));
        // Once to keep the code.
        native.imports(&[]);
        kept.push(native.imports(&[]));
    }
    compare("`import requests, bs4`, first thing after a start (native: nothing compiled)", cold, bare);
    compare("the same again (native: compiled before)", warm, kept);
}

/// The same packages for the Python beside it.
struct Native {
    python: String,
    packages: PathBuf,
    program: PathBuf,
}

impl Native {
    fn new(folder: &Path, wheels: &str, program: &str) -> Self {
        let packages = folder.join("native");
        for wheel in std::fs::read_dir(wheels).unwrap() {
            let wheel = wheel.unwrap().path();
            if wheel.extension().is_some_and(|extension| extension == "whl") {
                let unpack = ["-m", "zipfile", "-e"];
                let done = Command::new(super::python()).args(unpack).arg(&wheel).arg(&packages).status().unwrap();
                assert!(done.success());
            }
        }
        let file = folder.join("native.py");
        std::fs::write(&file, program).unwrap();
        Native { python: super::python(), packages, program: file }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.env("PYTHONPATH", &self.packages).env("REQUESTS_CA_BUNDLE", world().ca());
        command.env("SSL_CERT_FILE", world().ca()).env_remove("PYTHONDONTWRITEBYTECODE");
        command
    }

    fn said(mut command: Command) -> Value {
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    fn took(&self, work: &str) -> Duration {
        let mut command = self.command();
        command.arg(&self.program).arg(work);
        Duration::from_secs_f64(Self::said(command).as_f64().unwrap())
    }

    fn threads(&self) -> Duration {
        let source = format!(
            "import runpy, time\nfrom concurrent.futures import ThreadPoolExecutor\nbegan = time.perf_counter()\n\
             run = runpy.run_path({:?})['run']\n\
             with ThreadPoolExecutor({AT_ONCE}) as pool:\n    list(pool.map(run, ['one'] * {AT_ONCE}))\n\
             print(time.perf_counter() - began)",
            self.program.display().to_string()
        );
        let mut command = self.command();
        command.args(["-c", &source]);
        Duration::from_secs_f64(Self::said(command).as_f64().unwrap())
    }

    fn processes(&self) -> Duration {
        let began = Instant::now();
        let start = |_| self.command().arg(&self.program).arg("one").stdout(Stdio::null()).spawn().unwrap();
        let all: Vec<_> = (0..AT_ONCE).map(start).collect();
        for mut process in all {
            assert!(process.wait().unwrap().success());
        }
        began.elapsed()
    }

    /// Without what starting Python costs.
    fn imports(&self, flags: &[&str]) -> Duration {
        if flags.contains(&"-B") {
            let mut clear = self.command();
            clear.args(["-c", "import pathlib, shutil, sys\nfor f in pathlib.Path(sys.argv[1]).rglob('__pycache__'): shutil.rmtree(f)\nprint(0)"]);
            Self::said({
                clear.arg(&self.packages);
                clear
            });
        }
        let mut command = self.command();
        let source =
            "import time\nbegan = time.perf_counter()\nimport bs4, requests\nprint(time.perf_counter() - began)";
        command.args(flags).args(["-c", source]);
        Duration::from_secs_f64(Self::said(command).as_f64().unwrap())
    }
}
