//! B2: packages whose machine code is optional, each used in a sandbox: pinned wheels, the pure files of each.

use super::*;

/// The scripts beside this file, each of which asks for one package and uses it.
fn scripts() -> Vec<PathBuf> {
    let folder = crate::support::tests_folder().join("packages/optional");
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut scripts: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ending| ending == "py")).collect();
    scripts.sort();
    scripts
}

#[test]
fn packages_whose_machine_code_is_optional_are_used_without_it() {
    let scripts = scripts();
    assert!(scripts.len() >= 25, "{}", scripts.len());
    let folder = Folder::new();
    let use_one = |script: &PathBuf| {
        let mut command = Command::new(PROGRAM);
        command.arg("run").arg(script).args([
            "--quiet",
            "--interpreter-cache",
            text(&crate::support::interpreter_cache()),
        ]);
        command.args(["--package-cache", text(&folder.0.join("cache")), "--index", text(&wheels())]);
        let (code, _, why) = said(&command.output().expect("starts"));
        (code != Some(0)).then(|| format!("{}: {why}", script.display()))
    };
    let failed: Vec<String> = scripts.iter().filter_map(use_one).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// What is in the list and cannot be imported without its machine code is refused before it is kept.
#[test]
fn a_package_that_needs_its_machine_code_after_all_is_refused() {
    let folder = Folder::new();
    let wheels = folder.0.join("wheels");
    let tag = Some("cp314-cp314-manylinux_2_17_x86_64");
    Wheel { tag, ..Wheel::new("msgpack", "9.0", "from ._cmsgpack import packb\n") }
        .with("msgpack/_cmsgpack.cpython-314-x86_64-linux-gnu.so", b"\x7fELF")
        .write(&wheels);
    let (code, _, why) = said(&run(&folder, &asking(&["msgpack"], "import msgpack"), &["--index", text(&wheels)]));
    assert_ne!(code, Some(0));
    assert!(
        why.contains("msgpack 9.0 was taken without") && why.contains("No module named 'msgpack._cmsgpack'"),
        "{why}"
    );
}
