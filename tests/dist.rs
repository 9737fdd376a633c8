//! The light part of what installs the program: files that the program makes, and that name its parts. `make test-dist`
//! installs everything.

use crate::support::PROGRAM;
use crate::support::server::Folder;
use clap::{CommandFactory, Parser};
use cronbox::cli::Cli;
use regex::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The files of a folder and of those below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn said(words: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(words).output().expect("runs");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Whether a shell takes a script.
fn parses(shell: &str, script: &Path) {
    let output = Command::new(shell).arg("-n").arg(script).output().expect("a shell");
    assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
}

#[test]
fn completions_are_scripts_that_name_every_command() {
    let folder = Folder::new();
    let cli = Cli::command();
    let commands: Vec<_> = cli.get_subcommands().filter(|command| !command.is_hide_set()).collect();
    for shell in ["bash", "zsh", "fish"] {
        let script = said(&["completions", shell]);
        for command in &commands {
            assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
        }
        if shell == "bash" {
            folder.write("cronbox.bash", &script);
            parses(shell, &folder.0.join("cronbox.bash"));
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    fn names(command: &clap::Command, path: &str, into: &mut BTreeSet<String>) {
        into.insert(format!("{path}.1"));
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
            names(sub, &format!("{path}-{}", sub.get_name()), into);
        }
    }
    let folder = Folder::new();
    said(&["man", "--dir", &folder.0.display().to_string()]);
    let mut expected = BTreeSet::new();
    names(&Cli::command(), "cronbox", &mut expected);
    let pages = files(&folder.0);
    for page in &pages {
        assert!(fs::read_to_string(page).expect("text").contains("\n.TH cronbox"), "{}", page.display());
    }
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    let made: BTreeSet<_> = pages.iter().map(name).filter(|name| !name.ends_with("-help.1")).collect();
    assert_eq!(made, expected);
}

#[test]
fn the_configuration_file_is_taken_as_it_is_printed() {
    let folder = Folder::new();
    folder.write("cronbox.toml", &said(&["config"]));
    // It ends before it listens: the file was read by then.
    let output = Command::new(PROGRAM)
        .args(["serve", "--timezone", "Nowhere/City", "--config"])
        .arg(folder.0.join("cronbox.toml"))
        .output()
        .expect("runs");
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(why.contains("--timezone") && !why.contains("cronbox.toml"), "{why}");
}

/// The variables that the files of an installation set are variables of the program.
#[test]
fn variables_of_an_installation_exist() {
    let serve = Cli::command();
    let serve = serve.find_subcommand("serve").expect("serve");
    let mut known: BTreeSet<String> =
        serve.get_arguments().filter_map(|flag| flag.get_env()?.to_str().map(str::to_owned)).collect();
    // Those that are no flags.
    known.extend(["CRONBOX_SECRET_KEY", "CRONBOX_ADMIN_TOKEN_FILE"].map(str::to_owned));
    let variable = Regex::new(r"\bCRONBOX_[A-Z_]+").expect("a pattern");
    let mut found = 0;
    for path in files(&root().join("docs/deploy")).into_iter().chain([root().join(".ci/dist/image.py")]) {
        for name in variable.find_iter(&fs::read_to_string(&path).expect("text")) {
            assert!(known.contains(name.as_str()), "{}: there is no variable {}", path.display(), name.as_str());
            found += 1;
        }
    }
    assert!(found > 10, "{found} variables");
}

#[test]
fn the_unit_starts_a_command_that_exists_and_has_lines_of_a_unit() {
    let (mut section, mut sections) = (String::new(), Vec::new());
    for line in read("docs/deploy/cronbox.service").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
            sections.push(section.clone());
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
        assert!(key.chars().all(|c| c.is_ascii_alphanumeric()), "{line}");
        if key == "ExecStart" {
            let words: Vec<_> = value.split_whitespace().collect();
            Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{error}"));
        }
    }
    assert_eq!(sections, ["Unit", "Service", "Install"]);
    // Where systemd is, it reads the file too. The program that the unit starts is not installed here.
    let verified =
        Command::new("systemd-analyze").arg("verify").arg(root().join("docs/deploy/cronbox.service")).output();
    let Ok(verified) = verified else { return };
    let text = String::from_utf8_lossy(&verified.stderr).into_owned();
    let other = |line: &&str| !line.contains("/usr/bin/cronbox is not executable") && !line.contains("'man ");
    assert_eq!(text.lines().filter(other).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn scripts_of_the_package_are_scripts() {
    for name in ["postinst", "prerm", "postrm"] {
        parses("sh", &root().join("docs/deploy/debian").join(name));
    }
    parses("sh", &root().join("tests/dist/serve.sh"));
    parses("bash", &root().join("tests/dist/service.sh"));
}

#[test]
fn the_chart_and_the_documents_have_the_version_of_the_program() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = read("docs/deploy/helm/cronbox/Chart.yaml");
    assert!(chart.contains(&format!("\nversion: {version}\nappVersion: {version}\n")), "{chart}");
    let named = Regex::new(r"cronbox[-:](\d+\.\d+\.\d+)").expect("a pattern");
    for file in ["README.md", "docs/install.md"] {
        let text = read(file);
        let versions: Vec<_> = named.captures_iter(&text).map(|found| found[1].to_owned()).collect();
        assert!(!versions.is_empty() && versions.iter().all(|found| found == version), "{file}: {versions:?}");
    }
}
