//! What is run or pushed from this machine: a file, with the modules beside it that it imports, or a folder.

use super::client::Refusal;
use crate::quantity;
use cronbox_runtime::limits::MAX_SOURCE;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Most files, and most bytes of all together: what a server takes.
const MAX_FILES: usize = 2_000;
const MAX_BYTES: u64 = 16 << 20;
/// Folders that hold no source of the script's own.
const NO_SOURCE: &[&str] = &["__pycache__", "node_modules", "venv", "env"];
/// Names that the file has where a folder begins.
const MAINS: [&str; 2] = ["main.py", "__main__.py"];
/// Most names that are shown of what is left out.
const SHOWN: usize = 5;

/// Files to run or push.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Paths and contents.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// The path of the file where a run begins.
    pub(super) main: String,
    /// What was left out of a folder, as it is called there.
    pub(super) left_out: Vec<String>,
    /// Modules beside the file that came along, because it imports them.
    pub(super) along: Vec<String>,
}

impl Files {
    /// A file, with the modules beside it that it imports.
    pub(super) fn of_file(path: &Path, name: String, source: Vec<u8>) -> Result<Self, Refusal> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut found = Files { main: name.clone(), ..Files::default() };
        found.files.insert(name, source.clone());
        let mut seen = BTreeSet::new();
        found.import_into(folder, &source, &mut seen)?;
        Ok(found)
    }

    fn import_into(&mut self, folder: &Path, source: &[u8], seen: &mut BTreeSet<String>) -> Result<(), Refusal> {
        for module in imports(&String::from_utf8_lossy(source)) {
            if !seen.insert(module.clone()) {
                continue;
            }
            let (file, package) = (format!("{module}.py"), folder.join(&module));
            if package.join("__init__.py").is_file() {
                let before: BTreeSet<String> = self.files.keys().cloned().collect();
                self.walk(&package, folder, true)?;
                self.along.push(format!("{module}/"));
                let new: Vec<Vec<u8>> = self
                    .files
                    .iter()
                    .filter(|(path, _)| path.ends_with(".py") && !before.contains(*path))
                    .map(|(_, content)| content.clone())
                    .collect();
                for source in new {
                    self.import_into(folder, &source, seen)?;
                }
            } else if file != self.main && folder.join(&file).is_file() {
                let path = folder.join(&file);
                let content = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
                self.add(file.clone(), content.clone())?;
                self.along.push(file);
                self.import_into(folder, &content, seen)?;
            }
        }
        Ok(())
    }

    /// A folder: all its files but hidden ones and caches. `main` names the file where a run begins.
    pub(super) fn of_folder(folder: &Path, main: Option<&str>, hidden: bool) -> Result<Self, Refusal> {
        let mut found = Files::default();
        found.walk(folder, folder, hidden)?;
        found.left_out.sort();
        let shown = folder.display();
        let sources: Vec<&String> =
            found.files.keys().filter(|path| path.ends_with(".py") && !path.contains('/')).collect();
        let own = folder.canonicalize().ok().and_then(|folder| Some(format!("{}.py", folder.file_name()?.to_str()?)));
        let main = match main {
            Some(main) if found.files.contains_key(main) => main.to_owned(),
            Some(main) => return Err(Refusal::usage(format!("--main {main}: there is no such file in {shown}"))),
            None => match (MAINS.iter().find(|main| found.files.contains_key(**main)), own, sources.as_slice()) {
                (Some(main), ..) => (*main).to_owned(),
                (None, Some(own), _) if found.files.contains_key(&own) => own,
                (None, _, [only]) => (*only).clone(),
                (None, _, []) => return Err(Refusal::usage(format!("{shown} has no Python file in it"))),
                (None, _, several) => {
                    let several: Vec<&str> = several.iter().take(SHOWN).map(|path| path.as_str()).collect();
                    return Err(Refusal::usage(format!(
                        "{shown} has no main.py: name the file where a run begins with --main ({}{})",
                        several.join(", "),
                        if sources.len() > SHOWN { ", …" } else { "" }
                    )));
                }
            },
        };
        found.main = main;
        Ok(found)
    }

    fn walk(&mut self, folder: &Path, root: &Path, hidden: bool) -> Result<(), Refusal> {
        let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(folder, &error))?;
            let (path, name) = (entry.path(), entry.file_name());
            let inside = path.strip_prefix(root).unwrap_or(&path);
            let shown = inside.display().to_string();
            let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
            let name = name.to_string_lossy();
            if NO_SOURCE.contains(&&*name) && kind.is_dir() || matches!(&*name, ".git" | ".venv" | ".DS_Store") {
                continue;
            }
            let Some(inside) = inside.to_str().filter(|_| hidden || !name.starts_with('.')) else {
                self.left_out.push(shown);
                continue;
            };
            if kind.is_dir() {
                self.walk(&path, root, hidden)?;
            } else if kind.is_file() {
                let size = entry.metadata().map_err(|error| unreadable(&path, &error))?.len();
                if size > MAX_BYTES {
                    return Err(too_large(&path));
                }
                let content = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
                self.add(inside.to_owned(), content)?;
            } else {
                // Links and devices: a server takes none either.
                self.left_out.push(shown);
            }
        }
        Ok(())
    }

    fn add(&mut self, path: String, content: Vec<u8>) -> Result<(), Refusal> {
        self.files.insert(path, content);
        let bytes: u64 = self.files.values().map(|content| content.len() as u64).sum();
        if self.files.len() > MAX_FILES {
            return Err(Refusal::usage(format!(
                "there are more than {MAX_FILES} files: push a folder with the script alone"
            )));
        }
        if bytes > MAX_BYTES {
            let limit = quantity::bytes(MAX_BYTES);
            return Err(Refusal::usage(format!(
                "the files have more than {limit} together, which is the most of a script"
            )));
        }
        Ok(())
    }

    /// What was left out, in one line; none when nothing was.
    pub(super) fn left_out(&self) -> Option<String> {
        let (all, shown) = (self.left_out.len(), self.left_out.iter().take(SHOWN));
        if all == 0 {
            return None;
        }
        let shown: Vec<&str> = shown.map(String::as_str).collect();
        let more = if all > SHOWN { format!(" and {} more", all - SHOWN) } else { String::new() };
        Some(format!("left out: {}{more} (hidden files, links and devices)", shown.join(", ")))
    }

    /// The source of the file where a run begins.
    pub(super) fn source(&self) -> &[u8] {
        self.files.get(&self.main).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether its main file can be a script's.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let size = self.source().len();
        if size == 0 {
            return Err(Refusal::usage(format!("{} is empty", self.main)));
        }
        if size > MAX_SOURCE {
            return Err(too_large(Path::new(&self.main)));
        }
        Ok(())
    }
}

/// The file that lies beside a script and that it asked for in vain, by what its error says.
pub(super) fn lies_beside(script: &Path, message: &str) -> Option<PathBuf> {
    let folder = script.parent()?;
    let quoted = message.split(['\'', '"']).skip(1).step_by(2);
    let beside = |name: &str| {
        let name = name.strip_prefix("/app/").unwrap_or(name).trim_start_matches("./");
        let plain = !name.is_empty() && !name.starts_with('/') && !name.split('/').any(|part| part == "..");
        plain.then(|| folder.join(name)).filter(|path| path.exists())
    };
    quoted.filter_map(beside).next()
}

fn too_large(path: &Path) -> Refusal {
    Refusal::usage(format!(
        "{} is larger than a script may be ({})",
        path.display(),
        quantity::bytes(MAX_SOURCE as u64)
    ))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Refusal {
    Refusal::usage(format!("{} cannot be read: {error}", path.display()))
}

/// The first parts of the modules that a source imports, at any depth of its blocks.
fn imports(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut take = |module: &str| {
        let first = module.trim().split(['.', ' ', '\t', ';', '#']).next().unwrap_or_default();
        if !first.is_empty() && first.chars().all(|c| c.is_alphanumeric() || c == '_') {
            found.insert(first.to_owned());
        }
    };
    for statement in source.lines().flat_map(|line| line.split(';')) {
        let statement = statement.trim_start();
        if let Some(modules) = statement.strip_prefix("import ").or_else(|| statement.strip_prefix("import\t")) {
            modules.split('#').next().unwrap_or_default().split(',').for_each(&mut take);
        } else if let Some(module) = statement.strip_prefix("from ").or_else(|| statement.strip_prefix("from\t")) {
            take(module);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let path = std::env::temp_dir().join(format!("cronbox-bundle-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            for (file, content) in files {
                let file = path.join(file);
                std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
                std::fs::write(file, content).expect("written");
            }
            Place(path)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn imports_are_found_wherever_they_stand() {
        let source = "import os, helper as h  # x, y\nfrom lib.deep import (a,\n  b)\nif 1:\n\timport 工具;import late\n# import no\n\
                      from . import rel\nfrom __future__ import annotations\nimporting = 1\n";
        let found: Vec<String> = imports(source).into_iter().collect();
        assert_eq!(found, ["__future__", "helper", "late", "lib", "os", "工具"]);
    }

    /// C3: a module beside the file comes along, with what it imports itself; nothing else does.
    #[test]
    fn modules_beside_a_file_come_along() {
        let files = [
            ("x.py", "import helper, os\n"),
            ("helper.py", "import deeper\nimport x\n"),
            ("deeper.py", "from pkg import a\n"),
            ("pkg/__init__.py", ""),
            ("pkg/a.py", "import other\n"),
            ("pkg/data.txt", "d"),
            ("other.py", ""),
            ("unused.py", ""),
            ("secret.txt", ""),
        ];
        let place = Place::new("along", &files);
        let source = std::fs::read(place.0.join("x.py")).expect("read");
        let found = Files::of_file(&place.0.join("x.py"), "x.py".into(), source).expect("reads");
        let paths: Vec<&str> = found.files.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            ["deeper.py", "helper.py", "other.py", "pkg/__init__.py", "pkg/a.py", "pkg/data.txt", "x.py"]
        );
        assert_eq!(found.main, "x.py");
        let beside = |message: &str| lies_beside(&place.0.join("x.py"), message);
        assert_eq!(beside("[Errno 44] No such file or directory: 'secret.txt'"), Some(place.0.join("secret.txt")));
        assert_eq!(beside("No such file or directory: '/app/pkg/data.txt'"), Some(place.0.join("pkg/data.txt")));
        assert_eq!(
            (beside("'none.txt'"), beside("'../x'"), beside("'/etc/passwd'"), beside("")),
            (None, None, None, None)
        );
    }

    /// C3, C19: a folder is a bundle, and what is left out of it is told.
    #[test]
    fn a_folder_is_a_bundle() {
        let files = [
            ("main.py", "x"),
            (".env", "T=1"),
            ("lib/a.py", ""),
            ("lib/.hidden", ""),
            ("__pycache__/m.pyc", ""),
            (".git/HEAD", ""),
        ];
        let place = Place::new("folder", &files);
        std::os::unix::fs::symlink("/etc/passwd", place.0.join("link")).expect("linked");
        let found = Files::of_folder(&place.0, None, false).expect("reads");
        assert_eq!(found.files.keys().collect::<Vec<_>>(), ["lib/a.py", "main.py"]);
        assert_eq!(
            found.left_out().as_deref(),
            Some("left out: .env, lib/.hidden, link (hidden files, links and devices)")
        );
        let found = Files::of_folder(&place.0, None, true).expect("reads");
        assert!(found.files.contains_key(".env") && !found.files.contains_key(".git/HEAD"), "{:?}", found.files.keys());
        assert_eq!(found.left_out, ["link"]);
    }

    #[test]
    fn the_file_where_a_folder_begins_is_certain_or_asked_for() {
        let main = |files: &[&str], main: Option<&str>| {
            let files: Vec<(&str, &str)> = files.iter().map(|file| (*file, "x = 1")).collect();
            let place = Place::new("main", &files);
            Files::of_folder(&place.0, main, false).map(|found| found.main).map_err(|Refusal(_, why)| why)
        };
        assert_eq!(main(&["a.py", "main.py"], None).as_deref(), Ok("main.py"));
        assert_eq!(main(&["a.py", "lib/b.py", "data.csv"], None).as_deref(), Ok("a.py"));
        assert_eq!(main(&["a.py", "b.py"], Some("b.py")).as_deref(), Ok("b.py"));
        assert!(main(&["a.py", "b.py"], None).expect_err("two").contains("--main (a.py, b.py)"));
        assert!(main(&["a.txt"], None).expect_err("none").contains("no Python file"));
        assert!(main(&["a.py"], Some("c.py")).expect_err("no such").contains("no such file"));
    }
}
