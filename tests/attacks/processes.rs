//! Processes that cannot be started for a while, and a node that goes on; scripts that ask the node for too much.

use crate::support::server::{Folder, Server};
use crate::support::wait::until;
use crate::support::world::world;
use crate::support::{self, PROGRAM};
use cronbox_runtime::network::Policy;
use cronbox_runtime::testing::Inspect as _;
use cronbox_runtime::{Outcome, Pool};
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// A program that does not start as long as a file is there, and counts how often it was tried.
struct Hurdle {
    folder: Folder,
}

impl Hurdle {
    fn new() -> Self {
        Hurdle { folder: Folder::new() }
    }

    fn file(&self) -> PathBuf {
        self.folder.0.join("hurdle")
    }

    fn raise(&self) {
        std::fs::write(self.file(), "").expect("writes");
    }

    fn lower(&self) {
        std::fs::remove_file(self.file()).expect("removes");
    }

    /// How often it kept a process from starting.
    fn hits(&self) -> usize {
        std::fs::read(self.file()).map_or(0, |tries| tries.len())
    }

    /// The command that becomes a process of this kind.
    fn before(&self, kind: &str) -> Vec<OsString> {
        let file = self.file().display().to_string();
        let script = format!(
            "if [ -e {file} ]; then printf x >> {file}; echo no room for it >&2; exit 1; fi; exec \"$0\" \"$@\""
        );
        ["/bin/sh", "-c", &script, PROGRAM, kind].map(OsString::from).to_vec()
    }
}

fn kill(pid: u32) {
    let status = Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill");
    assert!(status.success());
}

async fn succeeds(pool: &Pool) {
    let report = support::finish(pool, support::job("def run(): return 1\n")).await;
    assert_eq!((report.outcome, support::result(&report)), (Outcome::Succeeded, "1"), "{:?}", report.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_that_fail_are_tried_again_until_they_work() {
    let _shared = support::beside_others().await;
    let hurdle = Hurdle::new();
    let pool = support::pool_with(|config| {
        config.processes = 2;
        config.command = hurdle.before("sandbox-process");
    })
    .await;
    support::all_up(&pool, 2).await;
    assert_eq!((pool.health().up, pool.health().failing), (2, None));
    hurdle.raise();
    kill(pool.process_ids()[0]);
    // Far more than the three that were the end of it once.
    until("it was tried six times", async || hurdle.hits() >= 6).await;
    let health = pool.health();
    assert_eq!((health.up, health.usual), (1, 2));
    assert!(health.failing.is_some_and(|why| why.contains("no room for it")));
    // The one that is there takes runs.
    succeeds(&pool).await;
    // None is there: a run waits, and one that may not wait for long is told.
    kill(pool.process_ids()[0]);
    until("none is up", async || pool.health().up == 0).await;
    let patient = support::start(&pool, support::job("def run(): return 2\n"));
    let mut hasty = support::job("def run(): return 3\n");
    hasty.limits.wall = Duration::from_millis(200);
    let report = support::start(&pool, hasty).finish().await.report;
    assert!(report.is_unplaced() && report.outcome == Outcome::Crashed, "{:?}", report.error);
    let said = report.error.expect("an error").message;
    assert!(said.contains("no sandbox process can be started") && said.contains("no room for it"), "{said}");
    assert_eq!(pool.load().queued, 1);
    // What was short is back.
    hurdle.lower();
    let report = patient.finish().await.report;
    assert_eq!((report.outcome, support::result(&report)), (Outcome::Succeeded, "2"), "{:?}", report.error);
    until("both are up", async || pool.health().up == 2).await;
    assert_eq!(pool.health().failing, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_may_connect_waits_for_the_egress_process_and_no_other_does() {
    let _shared = support::beside_others().await;
    let hurdle = Hurdle::new();
    hurdle.raise();
    let pool = support::pool_with(|config| {
        config.processes = 1;
        config.egress = world().egress();
        config.egress.command = hurdle.before("egress-process");
    })
    .await;
    let port = world().port("greet");
    let connecting = || {
        let source = format!(
            "import socket\ndef run():\n    with socket.create_connection(('localhost', {port})) as s:\n        return s.recv(9).decode()\n"
        );
        let mut job = support::job(&source);
        job.network = Some(Arc::new(world().grant()));
        job
    };
    let patient = support::start(&pool, connecting());
    let mut hasty = connecting();
    hasty.limits.wall = Duration::from_millis(500);
    let report = support::start(&pool, hasty).finish().await.report;
    let said = report.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
    assert!(report.is_unplaced() && said.contains("no process for connections can be started"), "{said}");
    assert!(pool.health().no_connections.is_some_and(|why| why.contains("no room for it")));
    // Those that need none go past, also such that are granted nothing.
    succeeds(&pool).await;
    let mut nothing = support::job("def run(): return 1\n");
    let policy = Policy { allow: Vec::new(), ..world().grant().policy };
    nothing.network = Some(Arc::new(cronbox_runtime::network::NetworkGrant { policy, ..world().grant() }));
    assert_eq!(support::finish(&pool, nothing).await.outcome, Outcome::Succeeded);
    until("it was tried four times", async || hurdle.hits() >= 4).await;
    assert_eq!(pool.load().queued, 1);
    hurdle.lower();
    let report = patient.finish().await.report;
    assert_eq!((report.outcome, support::result(&report)), (Outcome::Succeeded, "\"hello\""), "{:?}", report.error);
    assert_eq!(pool.health().no_connections, None);
}

/// How many descriptors a process may have.
fn allow_descriptors(pid: u32, most: usize) {
    let set = Command::new("prlimit").args(["--pid", &pid.to_string(), &format!("--nofile={most}:4096")]).status();
    assert!(set.expect("prlimit").success());
}

/// The limit under which a process can open so many more.
fn limit_for(pid: u32, more: usize) -> usize {
    let listed = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors");
    let open: Vec<usize> = listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    (1..).find(|limit| limit - open.iter().filter(|number| *number < limit).count() == more).expect("a limit")
}

fn children(pid: u32, word: &str) -> Vec<u32> {
    let listed = std::fs::read_dir("/proc").expect("/proc");
    let numbers = listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |number: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        let words = std::fs::read(Path::new(&format!("/proc/{number}/cmdline"))).unwrap_or_default();
        parent == Some(pid) && words.windows(word.len()).any(|window| window == word.as_bytes())
    };
    numbers.filter(is_child).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_had_no_descriptors_for_a_while_is_as_before() {
    let scratch = Folder::new();
    let server = Server::start(&scratch.0, &[]);
    assert_eq!(server.put("quick", "def run(): return 1\n").await.0, 201);
    assert_eq!(server.run("quick", &json!({})).await["status"], "succeeded");
    let pid = server.pid();
    let process = children(pid, "sandbox-process");
    assert_eq!(process.len(), 1);
    // With what the dead one leaves enough for a file or two, and not for a process.
    allow_descriptors(pid, limit_for(pid, 1));
    kill(process[0]);
    let ready = until("the node says that it has no process", async || {
        let (status, ready) = server.get("/readyz").await;
        let said = ready["parts"]["sandboxes"].as_str().unwrap_or_default();
        let has_none = said.contains("no sandbox process can be started") && said.ends_with("trying again");
        if status == 503 && has_none { Ok(ready) } else { Err(ready) }
    })
    .await;
    assert!(ready["parts"]["sandboxes"].as_str().is_some_and(|said| said.contains("open files")), "{ready}");
    assert_eq!(ready["ready"], false);
    let (status, run) = server.post("/v1/scripts/quick/runs", &json!({})).await;
    assert_eq!(status, 201, "{run}");
    let request = server.request(reqwest::Method::PUT, "/v1/scripts/other").body("def run(): return 2\n");
    let refused = request.send().await.expect("an answer");
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    let told = refused.text().await.expect("text");
    assert!(told.contains("no_sandbox") && told.contains("open files"), "{told}");
    // They are back: nothing was lost, and nobody has to restart anything.
    allow_descriptors(pid, 1024);
    let done = server.run_when(run["id"].as_str().expect("an id"), |run| run["status"] == "succeeded").await;
    assert_eq!(done["result"], 1, "{done}");
    assert_eq!(server.put("other", "def run(): return 2\n").await.0, 201);
    assert_eq!(server.run("other", &json!({})).await["result"], 2);
    let (status, ready) = server.get("/readyz").await;
    assert_eq!((status, &ready["ready"], ready["parts"].get("sandboxes")), (200, &json!(true), None), "{ready}");
}

/// Asks the node for something as fast as it can, around the harness.
const ASKS: &str = r#"
import sys, time

def find():
    frame = sys._getframe()
    while frame is not None:
        host = frame.f_globals.get("host")
        if host is not None and hasattr(host, "_host"):
            return host._host
        frame = frame.f_back

def run(seconds):
    host, asked, end = find(), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        host.call("previous_result", "{}")
        asked += 1
    return asked
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_asks_the_node_without_end_waits() {
    let scratch = Folder::new();
    let server = Server::start(&scratch.0, &[]);
    assert_eq!(server.put("asks", ASKS).await.0, 201);
    let done = server.run("asks", &json!({"args": {"seconds": 3}})).await;
    let asked = done["result"].as_u64().unwrap_or_else(|| panic!("{done}"));
    // A hundred at once, and fifty a second.
    assert!((100..=100 + 3 * 50 + 10).contains(&asked), "{asked}");
}

/// A resolver that says what it may use instead of its version.
const LIMITED: &str = r#"
import resource
limits = (resource.RLIMIT_DATA, resource.RLIMIT_CPU, resource.RLIMIT_CORE)
print("uv", "-".join(str(most) for limit in limits for most in resource.getrlimit(limit)))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_resolver_of_packages_has_limits() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Folder::new();
    let asked =
        Command::new("python3").args(["-c", "import os, sys; print(os.path.realpath(sys.executable))"]).output();
    let python = String::from_utf8(asked.expect("python3").stdout).expect("a path");
    let uv = scratch.0.join("uv");
    std::fs::write(&uv, format!("#!{python}{LIMITED}")).expect("writes");
    std::fs::set_permissions(&uv, std::fs::Permissions::from_mode(0o755)).expect("permits");
    let (uv, index) = (uv.display().to_string(), scratch.0.display().to_string());
    let server = Server::start(&scratch.0, &["--uv", &uv, "--index", &index]);
    let (status, told) = server.put("a", "# /// script\n# dependencies = [\"x\"]\n# ///\ndef run(): return 1\n").await;
    assert_eq!(status, 503, "{told}");
    let limits = format!("is version {0}-{0}-300-300-0-0", 3_u64 << 30);
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains(&limits)), "{told}");
}
