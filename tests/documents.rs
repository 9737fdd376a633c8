//! What the documentation says is so: its commands are run, its links lead somewhere, and its words are plain.

mod commands;
mod described;
mod links;
mod served;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

/// Where the source is.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The README and the files of `docs`, by their paths in the source.
fn documents() -> Vec<String> {
    let files = fs::read_dir(root().join("docs")).expect("a folder").map(|entry| entry.expect("a file").path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    files.sort();
    let names = files.iter().map(|path| format!("docs/{}", path.file_name().expect("a name").to_string_lossy()));
    std::iter::once("README.md".to_owned()).chain(names).collect()
}

/// A block of code.
#[derive(Debug)]
struct Fence {
    /// `README.md:12`
    place: String,
    /// The first word after the backticks.
    language: String,
    /// What follows that word.
    note: String,
    text: String,
}

/// The blocks of code of a document.
fn fences(file: &str) -> Vec<Fence> {
    let text = read(file);
    let (mut found, mut open): (Vec<Fence>, Option<Fence>) = (Vec::new(), None);
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(info), None) => {
                let (language, note) = info.split_once(' ').unwrap_or((info, ""));
                let place = format!("{file}:{}", number + 1);
                open = Some(Fence { place, language: language.into(), note: note.into(), text: String::new() });
            }
            (None, Some(fence)) => fence.text.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{file} ends in a block of code");
    found
}

/// A document without its blocks of code.
fn prose(file: &str) -> String {
    let mut is_code = false;
    let lines = read(file).lines().map(str::to_owned).collect::<Vec<_>>();
    let kept = lines.iter().filter(|line| {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    kept.map(|line| format!("{line}\n")).collect()
}

/// The words between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether a test is there: `file::function` (in the file or a part of it in the folder of its name), or `module::tests` of the
/// program or the runtime.
fn is_test(root: &Path, name: &str) -> bool {
    let (place, function) = name.rsplit_once("::").expect("a path");
    let place = place.replace("::", "/");
    let read = |folder: &str| fs::read_to_string(root.join(format!("{folder}/{place}.rs"))).unwrap_or_default();
    if function == "tests" {
        return ["src", "runtime/src"].iter().any(|folder| read(folder).contains("#[cfg(test)]"));
    }
    let function = format!("fn {function}(");
    let parts = fs::read_dir(root.join("tests").join(&place)).into_iter().flatten().flatten();
    read("tests").contains(&function)
        || parts.filter_map(|part| fs::read_to_string(part.path()).ok()).any(|text| text.contains(&function))
}

#[test]
fn the_tests_that_the_threat_model_names_are_there() {
    let text = read("docs/security.md");
    let mut found = 0;
    for name in quoted(&text).filter(|name| name.contains("::") && !name.contains('…')) {
        assert!(is_test(root(), name), "docs/security.md names the test {name}, which is not there");
        found += 1;
    }
    assert!(found > 10, "the threat model names {found} tests");
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 150, "the README has {lines} lines: what is not for a newcomer belongs into docs/");
}

/// The table of rooms and the modules of the program are the same.
#[test]
fn the_architecture_names_every_room() {
    let library = read("src/lib.rs");
    let rooms = library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let text = read("docs/architecture.md");
    let (_, table) = text.split_once("## Layers and rooms").expect("a part");
    let (table, _) = table.split_once("\n## ").expect("its end");
    let missing: Vec<_> = rooms.filter(|room| !table.contains(&format!("| `{room}` |"))).collect();
    assert!(missing.is_empty(), "docs/architecture.md does not say what these rooms are for: {missing:?}");
}
