//! What is shown: tables that fit, times with their zone, nothing for nothing, help.

use super::{Place, cronbox, text};
use crate::support::server::{Folder, Server};
use crate::support::{self, PROGRAM};
use std::process::Command;

/// C12: a script without a result prints none.
#[test]
fn nothing_is_printed_for_nothing() {
    let place = Place::new("nothing");
    let top = place.file("top.py", "print('out')\n");
    let none = place.file("none.py", "def run(): pass\n");
    for (script, out) in [(&top, "out\n"), (&none, "")] {
        assert_eq!(text(&cronbox(&["run", script]).stdout), out);
        assert_eq!(text(&cronbox(&["run", "--quiet", script]).stdout), "");
    }
}

/// C3: a folder is run as a bundle; a module beside a file comes along; a file beside it is named.
#[test]
fn folders_and_neighbours_are_run() {
    let place = Place::new("folders");
    std::fs::create_dir_all(place.0.join("job/lib")).unwrap();
    place.file("job/main.py", "from lib import words\ndef run(): return [words.WORD, open('.env').read()]\n");
    place.file("job/lib/__init__.py", "");
    place.file("job/lib/words.py", "WORD = 'w'\n");
    place.file("job/.env", "T=1");
    let job = place.0.join("job");
    assert_eq!(text(&cronbox(&["run", "-q", job.to_str().unwrap()]).stdout), "[\"w\",\"T=1\"]\n");
    let alone = place.file("x.py", "import helper\ndef run(): return helper.N\n");
    place.file("helper.py", "N = 7\n");
    assert_eq!(text(&cronbox(&["run", "-q", &alone]).stdout), "7\n");
    let reads = place.file("reads.py", "def run(): return open('data.csv').read()\n");
    place.file("data.csv", "1,2");
    let output = cronbox(&["run", &reads]);
    let why = text(&output.stderr);
    assert!(
        output.status.code() == Some(1) && why.contains("data.csv lies beside") && why.contains("--main reads.py"),
        "{why}"
    );
    let folder = place.0.to_str().unwrap();
    assert_eq!(text(&cronbox(&["run", "-q", folder, "--main", "reads.py"]).stdout), "\"1,2\"\n");
}

/// C9: tables fit 80 columns, and times say their zone.
#[tokio::test(flavor = "multi_thread")]
async fn tables_fit_the_terminal() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    let name = "a_script_with_quite_a_long_name_that_fills_the_line";
    server.put(name, "# /// script\n# tool.cronbox = {schedule = \"0 9 * * 1-5 @ Asia/Shanghai\"}\n# ///\ndef run(): raise ValueError('x' * 500)\n").await;
    server.run(name, &serde_json::json!({})).await;
    let wide = |words: &[&str], columns: &str, zone: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(words).env("CRONBOX_URL", &server.url).env("COLUMNS", columns).env("TZ", zone);
        text(&command.output().expect("starts").stdout)
    };
    for words in [&["runs"][..], &["scripts"], &["schedules"], &["events"], &["grants"], &["tokens"]] {
        for line in wide(words, "80", "Asia/Shanghai").lines() {
            assert!(line.chars().count() <= 80, "{words:?}: {line}");
        }
    }
    assert!(wide(&["runs"], "80", "UTC").contains("just now") || wide(&["runs"], "80", "UTC").contains("s ago"));
    let all = wide(&["runs"], "400", "Asia/Shanghai");
    assert!(all.contains("CREATED (+08:00)"), "{all}");
    let (_, piped, _) = server.cronbox(&["runs", "--utc"]);
    assert!(piped.contains("CREATED (UTC)") && !piped.contains('\u{1b}'), "{piped}");
    let coloured = Command::new(PROGRAM)
        .args(["runs", "--color", "always"])
        .env("CRONBOX_URL", &server.url)
        .output()
        .expect("starts");
    assert!(text(&coloured.stdout).contains("\u{1b}[31m✗ failed"), "{coloured:?}");
}

/// C15: an address without a scheme says so.
#[test]
fn an_address_without_a_scheme_is_explained() {
    let done = Command::new(PROGRAM).args(["scripts"]).env("CRONBOX_URL", "127.0.0.1:8080").output().unwrap();
    let why = text(&done.stderr);
    assert!(done.status.code() == Some(2) && why.contains("lacks its scheme: write http://127.0.0.1:8080"), "{why}");
}

/// C18: completions, manual pages, groups and variables in the help.
#[test]
fn completions_manual_and_help_are_there() {
    let place = Place::new("manual");
    for shell in ["bash", "zsh", "fish"] {
        let said = text(&cronbox(&["completions", shell]).stdout);
        assert!(said.contains("schedule") && said.contains("cronbox"), "{shell}");
        assert!(!said.contains("sandbox-probe"), "{shell}: what the node starts is not for people");
    }
    assert!(text(&cronbox(&["man"]).stdout).contains(".TH cronbox"));
    let pages = place.0.join("man");
    assert_eq!(cronbox(&["man", "--dir", pages.to_str().unwrap()]).status.code(), Some(0));
    assert!(pages.join("cronbox-push.1").is_file());
    let run = text(&cronbox(&["run", "--help"]).stdout);
    for part in ["Limits:", "Server:", "Packages:", "Display:", "Examples:", "[env: CRONBOX_URL", "--utc"] {
        assert!(run.contains(part), "{part} is not in\n{run}");
    }
    assert!(text(&cronbox(&["serve", "--help"]).stdout).contains("Retention:"));
    support::interpreter();
}

/// C13, C14: triggers and zones as people write them, without a server.
#[test]
fn triggers_are_taken_where_they_are_certain() {
    let first = |words: &[&str]| {
        let words = [&["schedule", "preview"][..], words, &["--count", "1", "--json"]].concat();
        let output = cronbox(&words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["fires"][0]["at"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(first(&["at 2026-11-26 18:00 @ Asia/Shanghai", "--from", "2026-11-01T00:00Z"]), "2026-11-26T10:00:00Z");
    assert_eq!(
        first(&["@every 1h30m from 2026-11-26 18:00", "--from", "2026-11-26 17:00", "--utc"]),
        "2026-11-26T18:00:00Z"
    );
    assert_eq!(first(&["0 9 * * monday", "--from", "2026-11-26", "--utc"]), "2026-11-30T09:00:00Z");
    for (zone, says) in [("Asia/Beijing", "Asia/Shanghai"), ("UTC+8", "Etc/GMT-8"), ("CST", "several zones")] {
        let output = cronbox(&["schedule", "preview", "0 9 * * *", "--timezone", zone]);
        let why = text(&output.stderr);
        assert!(output.status.code() == Some(2) && why.contains(says), "{zone}: {why}");
    }
}

/// A configuration file that lies in the working directory is in force, and the start says so.
#[test]
fn the_start_names_the_configuration_file() {
    let folder = Folder::new();
    folder.write("cronbox.toml", "timezone = \"Europe/Berlin\"\n");
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--ephemeral", "--listen", "127.0.0.1:0"]).current_dir(&folder.0);
    command.env("CRONBOX_INTERPRETER_CACHE", support::interpreter_cache());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("starts");
    let lines = std::io::BufReader::new(child.stdout.take().expect("piped"));
    let told: Vec<String> = std::io::BufRead::lines(lines).map_while(Result::ok).take(4).collect();
    child.kill().expect("ends");
    child.wait().expect("ended");
    let file = folder.0.join("cronbox.toml").canonicalize().expect("there");
    assert!(told.contains(&format!("settings from {}", file.display())), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("zone Europe/Berlin ")), "{told:?}");
}
