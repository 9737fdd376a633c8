//! Runs on a server, followed from a terminal.

use crate::support::PROGRAM;
use crate::support::server::{Folder, Server};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// What a terminal does at Ctrl-C: a signal to the whole group.
fn interrupt(child: &Child) {
    let group = format!("-{}", child.id());
    assert!(Command::new("kill").args(["-INT", "--", &group]).status().expect("kill").success());
}

fn start(folder: &Folder, server: Option<&Server>, words: &[&str]) -> Child {
    let mut command = Command::new(PROGRAM);
    command.args(words).current_dir(&folder.0).process_group(0);
    command.env("CRONBOX_INTERPRETER_CACHE", crate::support::interpreter_cache());
    if let Some(server) = server {
        command.env("CRONBOX_URL", &server.url);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
}

/// The first line of a stream.
fn first_line(from: &mut impl Read) -> String {
    let mut line = String::new();
    BufReader::new(from).read_line(&mut line).expect("reads");
    line
}

/// C2: a terminal interrupts the sandbox too; the run is cancelled all the same, and has not crashed.
#[test]
fn ctrl_c_of_a_terminal_cancels_a_local_run() {
    crate::support::interpreter();
    let folder = Folder::new();
    folder.write("spin.py", "print('began', flush=True)\nwhile True: pass\n");
    let mut child = start(&folder, None, &["run", "spin.py"]);
    assert_eq!(first_line(child.stdout.as_mut().expect("piped")), "began\n");
    interrupt(&child);
    let done = child.wait_with_output().expect("ends");
    let why = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(130), "{why}");
    assert!(why.contains("cancelled in") && !why.contains("crashed"), "{why}");
}

/// A run that was tried again shows what each attempt did, in the terminal and as JSON.
#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_shown() {
    let (_folder, server) = Server::ephemeral();
    let source = "# /// script\n# [tool.cronbox]\n# retries = { count = 1, delay = \"10ms\" }\n# ///\n\
        def run(context):\n    if context.attempt == 1: raise ValueError('Not yet')\n    return context.attempt\n";
    server.put("again", source).await;
    let run = server.run("again", &json!({})).await;
    let id = run["id"].as_str().expect("an id");
    let run = server.run_when(id, |run| run["finished_at"].is_string()).await;
    assert_eq!((run["status"].as_str(), run["attempt"].as_i64()), (Some("succeeded"), Some(2)), "{run}");
    let (status, page) = server.get(&format!("/v1/runs/{id}/attempts")).await;
    assert_eq!(status, 200, "{page}");
    let items = page["items"].as_array().expect("items");
    let told: Vec<_> =
        items.iter().map(|item| (item["number"].as_i64(), item["outcome"].as_str(), item["error"].as_str())).collect();
    assert_eq!(told, [(Some(1), Some("failed"), Some("ValueError: Not yet")), (Some(2), Some("succeeded"), None)]);
    assert!(items.iter().all(|item| item["usage"]["fuel"].as_u64().is_some_and(|fuel| fuel > 1000)), "{page}");
    assert_eq!(items[1]["finished_at"], run["finished_at"]);
    let (code, shown, _) = server.cronbox(&["runs", "show", id, "--utc"]);
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = shown.lines().filter(|line| line.starts_with("attempt ")).collect();
    assert!(lines.iter().any(|line| line.starts_with("attempt 1") && line.contains("failed")), "{shown}");
    assert!(lines.iter().any(|line| line.starts_with("attempt 2") && line.contains("succeeded")), "{shown}");
    assert!(shown.contains("ValueError: Not yet"), "{shown}");
    assert_eq!(server.get("/v1/runs/none/attempts").await.0, 404);
}

/// C2: a run on a server goes on after Ctrl-C, and says as what; once more cancels it.
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_a_remote_run_and_twice_cancels_it() {
    let (folder, server) = Server::ephemeral();
    server.put("wait", "import time\nprint('began', flush=True)\ntime.sleep(50)\n").await;
    let mut child = start(&folder, Some(&server), &["run", "--remote", "wait"]);
    assert_eq!(first_line(child.stdout.as_mut().expect("piped")), "began\n");
    interrupt(&child);
    let mut said = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    said.read_line(&mut line).expect("reads");
    let (_, page) = server.get("/v1/runs").await;
    let id = page["items"][0]["id"].as_str().expect("an id").to_owned();
    assert!(
        line.contains(&format!("cronbox logs -f {id}")) && line.contains(&format!("cronbox runs cancel {id}")),
        "{line}"
    );
    assert_eq!(page["items"][0]["status"], "running", "it goes on");
    interrupt(&child);
    assert_eq!(child.wait().expect("ends").code(), Some(130));
    server.run_when(&id, |run| run["status"] == "cancelled").await;
}

/// C3: a name that the server knows is the server's script, whatever lies here; a folder here is pushed first.
#[tokio::test(flavor = "multi_thread")]
async fn remote_means_the_servers_script() {
    let (folder, server) = Server::ephemeral();
    server.put("sales", "def run(): return 'server'\n").await;
    folder.write("sales/main.py", "def run(): return 'folder'\n");
    folder.write("other/main.py", "def run(): return 'folder'\n");
    folder.write("sales.py", "def run(): return 'file'\n");
    assert_eq!(server.cronbox(&["run", "--remote", "sales", "-q"]).1, "\"server\"\n");
    assert_eq!(server.cronbox(&["run", "--remote", "sales.py", "-q"]).1, "\"file\"\n");
    let (code, _, why) = server.cronbox(&["run", "--remote", "other"]);
    assert!(code == Some(2) && why.contains("cronbox push other"), "{why}");
    let (code, _, why) = server.cronbox(&["run", "--remote", "none"]);
    assert!(code == Some(2) && why.contains("no script none on the server"), "{why}");
}

/// C5: what went wrong is told apart by the exit code.
#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_say_whose_turn_it_is() {
    let (folder, server) = Server::ephemeral();
    folder.write("bad.py", "def run(:\n");
    assert_eq!(server.cronbox(&["push", "bad.py"]).0, Some(2), "422");
    assert_eq!(server.cronbox(&["script", "show", "none"]).0, Some(2), "404");
    server.put("a", "def run(): return 1\n").await;
    assert_eq!(server.cronbox(&["schedule", "add", "a", "every 1h", "--id", "x"]).0, Some(0));
    let (code, _, why) = server.cronbox(&["schedule", "add", "a", "every 1h", "--id", "x"]);
    assert!(code == Some(2) && why.contains("--replace"), "409: {why}");
    let (code, _, why) = server.cronbox(&["scripts", "--url", "http://127.0.0.1:9"]);
    assert!(code == Some(5) && why.contains("cronbox serve"), "no server: {why}");
    let (_, made) = server.post("/v1/tokens", &json!({"name": "r", "scopes": ["read"]})).await;
    let token = made["token"].as_str().expect("a token");
    let (code, _, why) = server.cronbox(&["scripts"]);
    assert!(code == Some(6) && why.contains("CRONBOX_TOKEN"), "401: {why}");
    assert_eq!(
        server.cronbox(&["scripts", "--token", "cbx_0000000000000000000000000000000000000000"]).0,
        Some(6),
        "401"
    );
    assert_eq!(server.cronbox(&["scripts", "--token", token]).0, Some(0));
    assert_eq!(server.cronbox(&["script", "rm", "a", "--token", token]).0, Some(6), "403");
    let help = server.cronbox(&["--help"]).1;
    assert!(help.contains("Exit codes:") && help.contains("6    the server does not allow it"), "{help}");
}

/// C7: the log of a run that failed says why; a script's name is its newest run.
#[tokio::test(flavor = "multi_thread")]
async fn logs_of_a_failed_run_have_its_error() {
    let (_folder, server) = Server::ephemeral();
    server.put("boom", "def run(n=0):\n    print('before', n)\n    raise ValueError('no')\n").await;
    server.run("boom", &json!({})).await;
    let run = server.run("boom", &json!({"args": {"n": 2}})).await;
    let id = run["id"].as_str().expect("an id");
    for words in [&["logs", id][..], &["logs", "boom"], &["logs", &id[..18]], &["logs", "-f", id]] {
        let (_, out, err) = server.cronbox(words);
        assert_eq!(out, "before 2\n", "{words:?}");
        assert!(err.contains("ValueError: no") && err.contains("line 3"), "{words:?}: {err}");
    }
    let (code, text, _) = server.cronbox(&["logs", "boom", "--json"]);
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (code, &document["stdout"], &document["error"]["type"]),
        (Some(0), &json!("before 2\n"), &json!("ValueError"))
    );
    let (code, _, why) = server.cronbox(&["logs", "nothing"]);
    assert!(code == Some(2) && why.contains("no run of a script nothing"), "{why}");
}

/// C8: a run is shown with why it was made; runs are found by schedule and cause.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_shown_whole() {
    let (_folder, server) = Server::ephemeral();
    server.put("a", "def run(): return 1\n").await;
    server.post("/v1/schedules", &json!({"script": "a", "trigger": "every 1s max 1", "id": "tick"})).await;
    server.run("a", &json!({"labels": {"k": "v"}, "limits": {"timeout": "5s"}})).await;
    let fired = server.items_when("/v1/runs?cause=fire&status=succeeded", |items| !items.is_empty()).await;
    let fired = fired[0]["id"].as_str().expect("an id").to_owned();
    let (_, shown, _) = server.cronbox(&["runs", "show", &fired, "--utc"]);
    for part in [
        "cause      fire of the schedule tick",
        "fire time  2",
        " UTC (",
        "attempt    1",
        "limits     ",
        "result     1",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let (_, shown, _) = server.cronbox(&["runs", "show", "a"]);
    assert!(shown.contains("labels     k=v") || shown.contains("fire of"), "{shown}");
    let listed = |words: &[&str]| {
        let text = server.cronbox(&[&["runs", "--json"][..], words].concat()).1;
        serde_json::from_str::<Value>(&text).expect("JSON")["items"].as_array().expect("items").len()
    };
    assert_eq!(
        (listed(&["--schedule", "tick"]), listed(&["--cause", "api"]), listed(&["--cause", "chain"])),
        (1, 1, 0)
    );
    assert_eq!(listed(&["--since", "yesterday", "--until", "tomorrow"]), 2, "C13");
    let (code, _, why) = server.cronbox(&["runs", "--since", "soon"]);
    assert!(code == Some(2) && why.contains("yesterday"), "{why}");
}

/// C11: a limit that was cut is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_above_the_ceiling_is_told() {
    let (_folder, server) = Server::ephemeral();
    server.put("a", "def run(): return 1\n").await;
    let (code, _, why) = server.cronbox(&["run", "--remote", "a", "--memory", "4GiB"]);
    assert!(code == Some(0) && why.contains("memory") && why.contains("not granted"), "{why}");
    assert!(why.contains("beyond what this server can grant") && !why.contains("cronbox grant"), "{why}");
}

/// C6: the newest events are shown, not the oldest.
#[tokio::test(flavor = "multi_thread")]
async fn events_are_the_newest() {
    let (_folder, server) = Server::ephemeral();
    server.put("a", "def run(n): return n\n").await;
    let mut last = String::new();
    for n in 0..5 {
        last = server.run("a", &json!({"args": {"n": n}})).await["id"].as_str().expect("an id").to_owned();
    }
    for words in [&["events", "--json", "--limit", "2"][..], &["events", "--json", "--limit", "2", "--since", "1h"]] {
        let page: Value = serde_json::from_str(&server.cronbox(words).1).expect("JSON");
        let items = page["items"].as_array().expect("items");
        assert_eq!((items.len(), items.last().map(|event| &event["run"])), (2, Some(&json!(last))), "{page}");
    }
}

/// A token that can run and not read gets the result from the request that started the run, which starts it once.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_read_gets_the_result() {
    let (_folder, server) = Server::ephemeral();
    server
        .put(
            "sum",
            "import sys\ndef run(n=1):\n    print('out')\n    print('err', file=sys.stderr)\n    return n + 1\n",
        )
        .await;
    server.put("bad", "raise ValueError('no')\n").await;
    let (_, admin) = server.post("/v1/tokens", &json!({"name": "a", "scopes": ["admin", "read", "run"]})).await;
    let admin = admin["token"].as_str().expect("a token").to_owned();
    let mut server = server;
    server.token = Some(admin);
    let (_, made) = server.post("/v1/tokens", &json!({"name": "ci", "scopes": ["run"]})).await;
    let token = made["token"].as_str().expect("a token");
    let run = |words: &[&str]| server.cronbox(&[&["run", "--remote", "--token", token], words].concat());
    let (code, said, why) = run(&["sum", "--arg", "n:=4"]);
    assert_eq!((code, &*said), (Some(0), "out\n5\n"), "{why}");
    assert!(why.starts_with("err\n") && why.contains("succeeded in"), "{why}");
    assert_eq!(run(&["sum", "-q"]).1, "2\n");
    let (code, said, _) = run(&["sum", "--json"]);
    let document: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &document["result"], &document["stdout"]["text"]), (Some(0), &json!(2), &json!("out\n")));
    let (code, _, why) = run(&["bad"]);
    assert!(code == Some(1) && why.contains("ValueError: no"), "{why}");
    let (_, page) = server.get("/v1/runs").await;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(4), "each ran once: {page}");
}

/// A12: what stopped a script that ran out of memory is told wherever the run is shown.
#[tokio::test(flavor = "multi_thread")]
async fn out_of_memory_names_the_limit_everywhere() {
    let (_folder, server) = Server::ephemeral();
    server.put("hog", "def run():\n    return len(bytearray(1 << 30))\n").await;
    let run = server.run("hog", &json!({})).await;
    let id = run["id"].as_str().expect("an id");
    assert_eq!((run["status"].as_str(), run["error"]["type"].as_str()), (Some("out_of_memory"), Some("MemoryError")));
    let message = run["error"]["message"].as_str().expect("a message");
    assert!(message.starts_with("stopped at ") && message.contains("(limit 256 MiB, the default;"), "{message}");
    for words in [&["runs"][..], &["runs", "show", id], &["logs", id], &["run", "--remote", "hog"]] {
        let (_, said, why) = server.cronbox(words);
        assert!(said.contains("stopped at") || why.contains("stopped at"), "{words:?}: {said}{why}");
    }
}
