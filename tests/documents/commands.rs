//! Every command of the documents is run, in order, and its output is compared with what the document shows.
//!
//! | block | is |
//! | --- | --- |
//! | `console` | commands (`$ …`), each followed by its output; no output: it is not compared |
//! | `console keeps-running` | the same; the last command is ended when it has written what is shown |
//! | `console not-run: REASON` | is not run; the commands must be known and their flags too |
//! | `python FILE`, `text FILE`, `toml FILE` | a file that later commands use |
//!
//! A command exits with 0, or as the comment `# exit code N` in it says. `…` stands for any text, on a line of its own for any
//! lines. Ids, times, durations and amounts differ from run to run: they need only have the form of what is shown.

use super::{documents, fences, prose, quoted};
use crate::support::server::{Folder, Server};
use crate::support::world::world;
use crate::support::{PROGRAM, interpreter, interpreter_cache, tests_folder};
use clap::{CommandFactory, Parser};
use cronbox::cli::Cli;
use regex::Regex;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

macro_rules! played {
    ($($name:ident: $file:literal,)*) => {
        const PLAYED: &[&str] = &[$($file),*];
        $(
            #[test]
            fn $name() {
                Play::of($file).play();
            }
        )*
    };
}

played! {
    the_readme: "README.md",
    install: "docs/install.md",
    getting_started: "docs/getting-started.md",
    scripts: "docs/scripts.md",
    schedules: "docs/schedules.md",
    alerts: "docs/alerts.md",
    packages: "docs/packages.md",
    network: "docs/network.md",
    secrets: "docs/secrets.md",
    channels: "docs/channels.md",
    api: "docs/http-api.md",
    operations: "docs/operations.md",
    from_apscheduler: "docs/from-apscheduler.md",
    from_crontab: "docs/from-crontab.md",
    from_windmill: "docs/from-windmill.md",
}

/// Documents whose commands are not run at all, or that have none.
const NOT_PLAYED: &[&str] = &[
    "docs/README.md",
    "docs/interpreter.md",
    "docs/page.md",
    "docs/security.md",
    "docs/performance.md",
    "docs/architecture.md",
];

/// Blocks that are not run: at most so many in all documents.
const NOT_RUN: usize = 8;
/// What begins the note of a block that `make test-dist` runs.
const DIST: &str = "not-run: make test-dist";

#[test]
fn every_document_is_played() {
    let mut known: Vec<_> = PLAYED.iter().chain(NOT_PLAYED).map(|file| (*file).to_owned()).collect();
    known.sort();
    assert_eq!(known, documents());
    for file in NOT_PLAYED {
        let played = fences(file).into_iter().find(|fence| fence.language == "console" && !is_skipped(&fence.note));
        assert!(played.is_none(), "the commands of {file} are not run: {played:?}");
    }
}

/// What is not run is little, has its reason, and can be run: its commands and flags exist.
#[test]
fn what_is_not_run_is_known() {
    let all = documents().iter().flat_map(|file| fences(file)).collect::<Vec<_>>();
    let skipped: Vec<_> = all.iter().filter(|fence| is_skipped(&fence.note)).collect();
    for fence in &skipped {
        let place = &fence.place;
        assert!(fence.note.len() > "not-run: for a reason".len(), "{place}: say why it is not run");
        for Shown { command, .. } in shown(&fence.text) {
            let parsed = Command::new("bash").args(["-n", "-c", &command]).status().expect("bash");
            assert!(parsed.success(), "{place}: {command}");
            let words: Vec<_> = command.split('#').next().unwrap_or_default().split_whitespace().collect();
            match words.first() {
                Some(&"make") => {
                    let target = words.get(1).expect("a target");
                    assert!(super::read("Makefile").contains(&format!("\n{target}:")), "{place}: {command}");
                }
                Some(&"cronbox") => {
                    let parsed = Cli::try_parse_from(&words);
                    assert!(parsed.is_ok(), "{place}: {command}: {}", parsed.expect_err("an error"));
                }
                Some(&("curl" | "export")) => {}
                _ if fence.note.starts_with(DIST) => {}
                _ => panic!("{place}: {command} is not run, and nothing checks it"),
            }
        }
    }
    let places = skipped.iter().filter(|fence| !fence.note.starts_with(DIST));
    let places: Vec<_> = places.map(|fence| format!("{} ({})", fence.place, fence.note)).collect();
    assert!(places.len() <= NOT_RUN, "{} blocks are not run: {places:#?}", places.len());
    for fence in all {
        let is_known = matches!(fence.language.as_str(), "console" | "python" | "text" | "toml");
        let is_note = fence.language != "console"
            || ["", "keeps-running"].contains(&fence.note.as_str())
            || is_skipped(&fence.note);
        assert!(is_known && is_note, "{}: no test reads `{} {}`", fence.place, fence.language, fence.note);
    }
}

fn is_skipped(note: &str) -> bool {
    note.starts_with("not-run: ")
}

/// Flags of other programs.
const FOREIGN: &[&str] = &["--hash", "--index-url"];

/// Commands and flags within sentences and tables exist.
#[test]
fn commands_within_sentences_exist() {
    let mut cli = Cli::command();
    cli.build();
    let mut all = Vec::new();
    flags(&cli, &mut all);
    for file in documents() {
        let text = prose(&file);
        for span in quoted(&text).flat_map(|span| span.split(" && ")) {
            let words: Vec<_> = span.split_whitespace().collect();
            let named = |word: &str| word.split(['=', '`', '\\']).next().unwrap_or_default().to_owned();
            if words.first() == Some(&"cronbox") {
                let (mut command, mut rest) = (&cli, &words[1..]);
                while let Some(sub) = rest.first().and_then(|word| command.find_subcommand(word)) {
                    (command, rest) = (sub, &rest[1..]);
                }
                assert!(!std::ptr::eq(command, &cli) || rest.is_empty(), "{file}: {span}: there is no such command");
                let mut known = Vec::new();
                flags(command, &mut known);
                for flag in
                    rest.iter().map(|word| named(word.trim_start_matches('['))).filter(|word| word.starts_with("--"))
                {
                    assert!(known.contains(&flag), "{file}: {span}: there is no flag {flag}");
                }
            } else if let Some(flag) = words.first().filter(|word| word.starts_with("--") && word.len() > 2) {
                let flag = named(flag.trim_end_matches(','));
                assert!(all.contains(&flag) || FOREIGN.contains(&flag.as_str()), "{file}: there is no flag {flag}");
            }
        }
    }
}

/// The flags of a command and of those below it.
fn flags(command: &clap::Command, into: &mut Vec<String>) {
    into.extend(command.get_arguments().filter_map(|arg| arg.get_long()).map(|name| format!("--{name}")));
    command.get_subcommands().for_each(|sub| flags(sub, into));
}

/// Addresses of the API within sentences exist.
#[test]
fn addresses_within_sentences_exist() {
    let described: serde_json::Value = serde_json::from_str(cronbox::http::document()).expect("JSON");
    let routes: Vec<_> = described["paths"].as_object().expect("paths").iter().collect();
    let mut found = 0;
    for file in documents() {
        let text = prose(&file);
        for span in quoted(&text) {
            let Some((method, address)) = span.split_once(' ') else { continue };
            let is_method = ["GET", "PUT", "POST", "PATCH", "DELETE"].contains(&method);
            if !is_method || !address.starts_with("/v1/") {
                continue;
            }
            let address = address.split([' ', '?']).next().expect("a part");
            let is_route = |route: &str| {
                let (ours, theirs): (Vec<_>, Vec<_>) = (address.split('/').collect(), route.split('/').collect());
                let fits = |(own, other): (&&str, &&str)| own == other || other.starts_with('{');
                ours.len() == theirs.len() && ours.iter().zip(&theirs).all(fits)
            };
            let known =
                routes.iter().any(|(route, methods)| is_route(route) && methods.get(method.to_lowercase()).is_some());
            assert!(known, "{file}: there is no {method} {address}");
            found += 1;
        }
    }
    assert!(found > 10, "{found} addresses");
}

/// A command, and the output that a document shows after it.
#[derive(Debug, Default)]
struct Shown {
    command: String,
    output: String,
}

fn shown(text: &str) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        if goes_on {
            let last = found.last_mut().expect("a command");
            last.command.push_str(&format!("\n{line}"));
            goes_on = line.ends_with('\\');
        } else if let Some(command) = line.strip_prefix("$ ") {
            found.push(Shown { command: command.into(), output: String::new() });
            goes_on = line.ends_with('\\');
        } else {
            found.last_mut().expect("a command before its output").output.push_str(&format!("{line}\n"));
        }
    }
    found
}

/// A pattern for what a command writes, from what a document shows. Of a preview the times are compared too: they are the
/// point of it.
fn pattern(shown: &Shown, is_whole: bool) -> Regex {
    // In this order: the first that fits a place takes it.
    const DIFFER: &[(&str, &str)] = &[
        ("…\n", r"(?:.*\n)*?"),
        ("…", r".*"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}(?:-[0-9a-f]{4}-[0-9a-f]{12})?", "[0-9a-f]{8}-[0-9a-f-]+"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?", r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*"),
        (r"\d[\d.]* (?:ms|s)\b", r"\d[\d.]* m?s"),
        (r"\d[\d.]* (?:G )?fuel\b", r"\d[\d.]* (?:G )?fuel"),
        (r"\d[\d.]* MiB\b", r"\d[\d.]* MiB"),
        (r"\((?:in [^)]*|just now)\)", r"\((?:in [^)]*|just now|[^)]* ago)\)"),
        (r#""id":"0-\d+""#, r#""id":"0-\d+""#),
        (r"id: 0-\d+", r"id: 0-\d+"),
        (r" +", " +"),
    ];
    let exact = shown.command.starts_with("cronbox schedule preview");
    let kinds: Vec<_> = DIFFER.iter().filter(|(from, _)| !exact || !from.starts_with(r"\d{4}")).collect();
    let any = kinds.iter().map(|(from, _)| format!("({from})")).collect::<Vec<_>>().join("|");
    let any = Regex::new(&any).expect("a pattern");
    let (mut pattern, mut at) = (String::from(r"\A"), 0);
    for found in any.captures_iter(&shown.output) {
        let whole = found.get(0).expect("all of it");
        let kind = (1..found.len()).find(|group| found.get(*group).is_some()).expect("one of them");
        pattern += &regex::escape(&shown.output[at..whole.start()]);
        // A document may begin a line in its middle only where it says so.
        pattern += kinds[kind - 1].1;
        at = whole.end();
    }
    pattern += &regex::escape(&shown.output[at..]);
    if is_whole {
        pattern += r"\n*\z";
    }
    Regex::new(&pattern).unwrap_or_else(|error| panic!("{error}"))
}

/// A document, with a server and a folder of its own.
struct Play {
    file: &'static str,
    folder: Folder,
    server: Server,
    /// What a document calls something, and what it is here.
    names: Vec<(&'static str, String)>,
}

impl Play {
    fn of(file: &'static str) -> Self {
        // Compiled before anything is measured.
        interpreter();
        let folder = Folder::new();
        let home = &folder.0;
        std::fs::create_dir_all(home.join("tests")).expect("a folder");
        for part in ["tour", "services"] {
            symlink(tests_folder().join(part), home.join("tests").join(part)).expect("a link");
        }
        symlink(wheels(), home.join("wheels")).expect("a link");
        std::fs::create_dir(home.join("bin")).expect("a folder");
        symlink(PROGRAM, home.join("bin/cronbox")).expect("a link");
        folder.write(".curlrc", "silent\nshow-error\nnoproxy = \"*\"\n");
        let of_server = Folder::new();
        let env: Vec<_> = settings(&folder).into_iter().filter(|(name, _)| *name != "CRONBOX_LISTEN").collect();
        let env: Vec<_> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let server = Server::start_with(&of_server.0, &["--data-dir", &format!("{}/data", home.display())], &env);
        let port = |name: &str| format!("localhost:{}", world().port(name));
        let mut names = vec![("127.0.0.1:8080", server.url.trim_start_matches("http://").to_owned())];
        names.extend(match file {
            "docs/secrets.md" => vec![("api.example.com", port("shop"))],
            _ => vec![("shop.example.com", port("shop")), ("api.example.com", port("https"))],
        });
        Play { file, folder, server, names }
    }

    fn play(&self) {
        for fence in fences(self.file) {
            match fence.language.as_str() {
                "console" if !is_skipped(&fence.note) => {
                    let all = shown(&fence.text);
                    assert!(!all.is_empty(), "{}: no command", fence.place);
                    for (n, one) in all.iter().enumerate() {
                        let goes_on = fence.note == "keeps-running" && n + 1 == all.len();
                        if goes_on { self.start(&fence.place, one) } else { self.run(&fence.place, one) }
                    }
                }
                "python" | "text" | "toml" if !fence.note.is_empty() => {
                    self.folder.write(&fence.note, &self.here(&fence.text));
                }
                "python" => panic!("{}: give the file a name, so that a command can use it", fence.place),
                _ => {}
            }
        }
    }

    /// A text with the names of this machine.
    fn here(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
    }

    /// What a command writes, with the names of the document. JSON of an answer has no end of line, and CSV has other ones.
    fn there(&self, text: &str) -> String {
        let text = &text.replace("\r\n", "\n");
        let text = self.names.iter().fold(text.to_owned(), |text, (there, here)| text.replace(here, there));
        let port = Regex::new(r"127\.0\.0\.1:\d+").expect("a pattern");
        let text = port.replace_all(&text, "127.0.0.1:8080").into_owned();
        if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" }
    }

    fn command(&self, shown: &Shown) -> Command {
        let mut command = Command::new("timeout");
        command.args(["120", "bash", "-c", &format!("exec 2>&1\n{}", self.here(&shown.command))]);
        command.current_dir(&self.folder.0).envs(settings(&self.folder)).env("CRONBOX_URL", &self.server.url);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    fn run(&self, place: &str, shown: &Shown) {
        let done = self.command(shown).output().expect("starts");
        let said = self.there(&String::from_utf8_lossy(&done.stdout));
        let expected = shown.command.split_once("# exit code ").map_or("0", |(_, code)| code.trim());
        let place = format!("{place}: {}", shown.command);
        assert_eq!(done.status.code().map(|code| code.to_string()).as_deref(), Some(expected), "{place}\n{said}");
        let fits = shown.output.is_empty() || pattern(shown, true).is_match(&said);
        assert!(fits, "{place}\n--- it says\n{said}\n--- the document shows\n{}", shown.output);
    }

    /// Runs a command that does not end, until it has written what is shown.
    fn start(&self, place: &str, shown: &Shown) {
        assert!(!shown.output.is_empty(), "{place}: show what it writes, so that its end is known");
        let pattern = pattern(shown, false);
        let mut child = self.command(shown).process_group(0).spawn().expect("starts");
        let mut said = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let found = lines.any(|line| {
            said.push_str(&self.there(&(line.expect("text") + "\n")));
            pattern.is_match(&said)
        });
        let group = format!("-{}", child.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _ = child.wait();
        let command = &shown.command;
        assert!(found, "{place}: {command}\n--- it says\n{said}\n--- the document shows\n{}", shown.output);
    }
}

fn wheels() -> PathBuf {
    std::env::var("CRONBOX_TEST_WHEELS").expect("CRONBOX_TEST_WHEELS: see make test").into()
}

/// What commands and servers find in their environment: servers of the tests in place of the network.
fn settings(folder: &Folder) -> Vec<(&'static str, String)> {
    let home = folder.0.display().to_string();
    let python =
        PathBuf::from(std::env::var("CRONBOX_TEST_VENV").expect("CRONBOX_TEST_VENV: see make test")).join("bin");
    let path = format!("{home}/bin:{}:{}", python.display(), std::env::var("PATH").unwrap_or_default());
    vec![
        ("PATH", path),
        ("HOME", home.clone()),
        ("TZ", "UTC".into()),
        ("CRONBOX_LISTEN", "127.0.0.1:0".into()),
        ("CRONBOX_SANDBOX_PROCESSES", "1".into()),
        ("CRONBOX_INTERPRETER_CACHE", interpreter_cache().display().to_string()),
        ("CRONBOX_INDEX", wheels().display().to_string()),
        ("CRONBOX_UV", std::path::Path::new(PROGRAM).with_file_name("uv").display().to_string()),
        ("CRONBOX_PACKAGE_CACHE", format!("{home}/packages")),
        ("CRONBOX_ALLOW_NETWORK", "localhost=127.0.0.0/8".into()),
        ("CRONBOX_CHANNEL_NETWORK", "localhost=127.0.0.0/8".into()),
        ("CRONBOX_CA_FILE", world().ca().to_owned()),
    ]
}

#[test]
fn what_is_shown_is_compared() {
    let fits =
        |shown: &str, said: &str| pattern(&Shown { command: String::new(), output: shown.into() }, true).is_match(said);
    assert!(fits("a 1.2 ms · run 01a219a0-3a3d-71b2\n", "a   0.9 s · run 01a219a1-0000-7000\n"));
    assert!(fits("{\"a\":1,…}\n", "{\"a\":1,\"b\":2}\n") && !fits("{\"a\":1,…}\n", "{\"a\":2,\"b\":2}\n"));
    assert!(fits("…\nend\n", "1\n2\nend\n") && !fits("…\nend\n", "1\n2\n") && !fits("a\n", "a\nb\n"));
}
