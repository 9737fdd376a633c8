//! What the documentation says about this repository is so.

use std::fs;
use std::path::Path;

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
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/security.md")).expect("the threat model");
    let mut found = 0;
    for name in quoted(&text).filter(|name| name.contains("::") && !name.contains('…')) {
        assert!(is_test(root, name), "docs/security.md names the test {name}, which is not there");
        found += 1;
    }
    assert!(found > 10, "the threat model names {found} tests");
}
