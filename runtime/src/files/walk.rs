//! Following a path through the tree, with its symbolic links.
//!
//! The target of a link is a path that is followed in the same tree: from the root when it is absolute, otherwise from
//! the directory of the link. So a link leads only to nodes that a path can name, and their own rules apply.

use super::directory::{Directory, Node};
use super::link::{Follow, Last, Link};
use super::shared::{FileError, Result, lock};
use super::tree::Files;
use crate::limits::{MAX_NAME, MAX_PATH};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Most links that are followed for one path, as on Linux.
const MAX_LINKS: usize = 40;

/// Most names that are looked up for one path, with those of its links. A path without links has fewer. It limits the
/// work of one host call to about one slice of fuel.
const MAX_NAMES: usize = MAX_PATH;

/// How far a path was followed.
enum Step {
    End(Arc<Directory>, Option<Last>),
    /// Up to a link: its directory, the link, and the rest of the path.
    Link(Arc<Directory>, Arc<Link>, String),
}

impl Files {
    /// Follows `path` up to its last name. Without a last name the path ends in the returned directory.
    pub(super) fn walk(
        &self,
        base: &Arc<Directory>,
        path: &str,
        follow: Follow,
    ) -> Result<(Arc<Directory>, Option<Last>)> {
        self.quota.meter().bytes(path.len());
        if path.is_empty() {
            return Err(FileError::NoEntry);
        }
        if path.starts_with('/') {
            // wasi-libc strips the root; an absolute path comes from a script that calls WASI itself.
            return Err(FileError::NotPermitted);
        }
        if path == "app" || path.starts_with("app/") {
            self.app_looks.fetch_add(1, Relaxed);
        }
        let mut directory = base.clone();
        let mut path = Cow::Borrowed(path);
        let mut names = 0;
        for _ in 0..=MAX_LINKS {
            match self.walk_to_link(directory, &path, follow, &mut names)? {
                Step::End(directory, last) => return Ok((directory, last)),
                Step::Link(at, link, rest) => {
                    directory = if link.target.starts_with('/') { self.root.clone() } else { at };
                    path = Cow::Owned(format!("{}{rest}", link.target));
                    self.quota.meter().bytes(path.len());
                }
            }
        }
        Err(FileError::Loop)
    }

    /// Follows `path` up to its last name or to the first link that is followed, and adds the number of names to `names`.
    fn walk_to_link(
        &self,
        mut directory: Arc<Directory>,
        path: &str,
        follow: Follow,
        names: &mut usize,
    ) -> Result<Step> {
        if path.len() > MAX_PATH {
            return Err(FileError::NameTooLong);
        }
        let mut rest = path;
        while let Some((name, after)) = next_name(rest) {
            rest = after;
            self.quota.meter().things(1);
            *names += 1;
            if *names > MAX_NAMES {
                return Err(FileError::Loop);
            }
            if name.len() > MAX_NAME {
                return Err(FileError::NameTooLong);
            }
            if name.contains('\0') {
                return Err(FileError::Invalid);
            }
            if name == ".." {
                // The root is its own parent, and the parent of packages, which are in many trees.
                let parent = lock(&directory.parent).upgrade();
                directory = parent.unwrap_or_else(|| self.root.clone());
                continue;
            }
            let is_last = next_name(after).is_none();
            let must_be_directory = is_last && after.starts_with('/');
            let is_followed = match follow {
                Follow::Always => true,
                Follow::BeforeSlash => must_be_directory,
                Follow::Never => false,
            };
            let known = directory.lock().get(name).cloned();
            match known {
                Some(Node::Link(link)) if !is_last || is_followed => {
                    return Ok(Step::Link(directory, link, after.to_owned()));
                }
                _ if is_last => {
                    let last = Last { name: name.to_owned(), must_be_directory };
                    return Ok(Step::End(directory, Some(last)));
                }
                Some(Node::Directory(next)) => directory = next,
                Some(Node::File(_) | Node::Link(_)) => return Err(FileError::NotDirectory),
                None => return Err(FileError::NoEntry),
            }
        }
        Ok(Step::End(directory, None))
    }
}

/// Returns the first name of a path that is not `.`, and the rest with its slash.
fn next_name(path: &str) -> Option<(&str, &str)> {
    let mut rest = path;
    loop {
        rest = rest.trim_start_matches('/');
        if rest.is_empty() {
            return None;
        }
        let (name, after) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if name != "." {
            return Some((name, after));
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::bundle::Bundle;
    use crate::files::shared::OpenOptions;
    use crate::meter::Meter;

    fn tree() -> Files {
        let bundle = Bundle::of_files(&[("main.py", b"print(1)")]).expect("bundle");
        Files::new(&Arc::new(bundle), None, 1 << 20, (Arc::new(Budget::new(1 << 30)), Arc::default()), 7)
    }

    fn link(files: &Files, target: &str, path: &str) -> Result<()> {
        files.make_link(&files.root(), target, path, 1)
    }

    fn write(files: &Files, path: &str, bytes: &[u8]) -> Result<()> {
        let options = OpenOptions { create: true, write: true, follow: true, ..OpenOptions::default() };
        match files.open(&files.root(), path, options, 1)? {
            Node::File(file) => file.write(0, bytes, 1),
            Node::Directory(_) | Node::Link(_) => Err(FileError::IsDirectory),
        }
    }

    fn read(files: &Files, path: &str) -> Result<Vec<u8>> {
        match files.find(&files.root(), path, Follow::Always)? {
            Node::File(file) => Ok(file.read(0, 100)),
            Node::Directory(_) | Node::Link(_) => Err(FileError::IsDirectory),
        }
    }

    #[test]
    fn links_lead_to_files_and_directories_of_the_tree() {
        let files = tree();
        files.make_directory(&files.root(), "tmp/d", 1).expect("makes");
        write(&files, "tmp/d/f", b"f").expect("writes");
        link(&files, "d/f", "tmp/relative").expect("links");
        link(&files, "/tmp/d", "tmp/absolute").expect("links");
        link(&files, "../app/main.py", "tmp/up").expect("links");
        link(&files, "../../../../app", "tmp/far").expect("links");
        link(&files, "relative", "tmp/twice").expect("links");
        for path in ["tmp/relative", "tmp/absolute/f", "tmp/absolute/../d/f", "tmp/absolute/../relative", "tmp/twice"] {
            assert_eq!(read(&files, path), Ok(b"f".to_vec()), "{path}");
        }
        assert_eq!(read(&files, "tmp/up"), Ok(b"print(1)".to_vec()));
        assert_eq!(read(&files, "tmp/far/main.py"), Ok(b"print(1)".to_vec()));
        assert_eq!(write(&files, "tmp/up", b"x"), Err(FileError::ReadOnly));
        assert_eq!(write(&files, "tmp/far/new", b"x"), Err(FileError::ReadOnly));
        // What a link leads to is made through it.
        link(&files, "d/new", "tmp/dangling").expect("links");
        assert_eq!(read(&files, "tmp/dangling"), Err(FileError::NoEntry));
        write(&files, "tmp/dangling", b"new").expect("writes");
        assert_eq!(read(&files, "tmp/d/new"), Ok(b"new".to_vec()));
        let exclusive =
            OpenOptions { create: true, exclusive: true, write: true, follow: true, ..OpenOptions::default() };
        assert!(matches!(files.open(&files.root(), "tmp/dangling", exclusive, 1), Err(FileError::Exist)));
        let itself = OpenOptions { write: true, ..OpenOptions::default() };
        assert!(matches!(files.open(&files.root(), "tmp/relative", itself, 1), Err(FileError::Loop)));
    }

    #[test]
    fn a_link_itself_is_renamed_and_removed() {
        let files = tree();
        let root = files.root();
        files.make_directory(&root, "tmp/d", 1).expect("makes");
        link(&files, "d", "tmp/l").expect("links");
        assert_eq!(link(&files, "d", "tmp/l"), Err(FileError::Exist));
        assert_eq!(files.make_directory(&root, "tmp/l", 1), Err(FileError::Exist));
        assert_eq!(files.remove_directory(&root, "tmp/l", 1), Err(FileError::NotDirectory));
        assert_eq!(files.remove_file(&root, "tmp/l/", 1), Err(FileError::NotDirectory));
        files.rename((&root, "tmp/l"), (&root, "tmp/m"), 1).expect("renames");
        assert!(matches!(files.find(&root, "tmp/m", Follow::BeforeSlash), Ok(Node::Link(_))));
        assert!(matches!(files.find(&root, "tmp/m/", Follow::BeforeSlash), Ok(Node::Directory(_))));
        files.remove_file(&root, "tmp/m", 1).expect("removes");
        assert!(files.find(&root, "tmp/d", Follow::Always).is_ok());
        assert_eq!(link(&files, "", "tmp/empty"), Err(FileError::NoEntry));
        assert_eq!(link(&files, "a\0b", "tmp/nul"), Err(FileError::Invalid));
        assert_eq!(link(&files, &"x".repeat(MAX_PATH + 1), "tmp/long"), Err(FileError::NameTooLong));
        assert_eq!(link(&files, "main.py", "app/l"), Err(FileError::ReadOnly));
    }

    #[test]
    fn circles_and_long_ways_end() {
        let files = tree();
        link(&files, "b", "tmp/a").expect("links");
        link(&files, "a", "tmp/b").expect("links");
        link(&files, "self/x", "tmp/self").expect("links");
        for path in ["tmp/a", "tmp/a/x", "tmp/self", "tmp/self/y"] {
            assert_eq!(read(&files, path), Err(FileError::Loop), "{path}");
        }
        write(&files, "tmp/0", b"end").expect("writes");
        for n in 1..=MAX_LINKS + 1 {
            link(&files, &(n - 1).to_string(), &format!("tmp/{n}")).expect("links");
        }
        assert_eq!(read(&files, &format!("tmp/{MAX_LINKS}")), Ok(b"end".to_vec()));
        assert_eq!(read(&files, &format!("tmp/{}", MAX_LINKS + 1)), Err(FileError::Loop));
    }

    #[test]
    fn the_names_of_all_links_of_a_path_are_limited_together() {
        let meter = Arc::new(Meter::default());
        let bundle = Bundle::of_files(&[("main.py", b"print(1)")]).expect("bundle");
        let account = (Arc::new(Budget::new(1 << 30)), meter.clone());
        let files = Files::new(&Arc::new(bundle), None, 1 << 20, account, 7);
        files.make_directory(&files.root(), "tmp/d", 1).expect("makes");
        write(&files, "tmp/0", b"end").expect("writes");
        let long = "d/../".repeat(800);
        for n in 1..=30 {
            link(&files, &format!("{long}{}", n - 1), &format!("tmp/{n}")).expect("links");
        }
        assert_eq!(read(&files, "tmp/2"), Ok(b"end".to_vec()));
        meter.take();
        assert_eq!(read(&files, "tmp/30"), Err(FileError::Loop));
        let fuel = meter.take();
        assert!((4_000_000..5_000_000).contains(&fuel), "{fuel}");
        // Links that are kept are followed after the run, which cannot pay: their work is limited, too.
        for n in 0..100 {
            link(&files, "/tmp/2", &format!("output/{n:02}")).expect("links");
        }
        let kept = files.kept();
        assert_eq!(kept.files.len() + kept.links_left_out.len(), 100);
        assert!((2..10).contains(&kept.files.len()), "{}", kept.files.len());
    }

    #[test]
    fn links_to_files_are_kept_as_files() {
        let files = tree();
        files.make_directory(&files.root(), "output/d", 1).expect("makes");
        write(&files, "output/d/new.csv", b"1,2").expect("writes");
        write(&files, "tmp/log", b"log").expect("writes");
        for (target, path) in [
            ("d/new.csv", "output/latest.csv"),
            ("/tmp/log", "output/log"),
            ("d", "output/folder"),
            ("nothing", "output/dangling"),
            ("/dev/zero", "output/zero"),
        ] {
            link(&files, target, path).expect("links");
        }
        let kept = files.kept();
        let names: Vec<_> = kept.files.iter().map(|(path, file)| (path.as_str(), file.read(0, 9))).collect();
        let csv = b"1,2".to_vec();
        assert_eq!(names, [("d/new.csv", csv.clone()), ("latest.csv", csv), ("log", b"log".to_vec())]);
        assert_eq!(kept.links_left_out, ["dangling", "folder", "zero"]);
    }

    #[test]
    fn what_links_lead_to_counts_to_the_bound_of_what_is_kept() {
        let bundle = Bundle::of_files(&[("main.py", b"print(1)")]).expect("bundle");
        let account = (Arc::new(Budget::new(1 << 30)), Arc::default());
        let files = Files::new(&Arc::new(bundle), None, 1 << 30, account, 7);
        write(&files, "tmp/large", b"x").expect("writes");
        let Ok(Node::File(large)) = files.find(&files.root(), "tmp/large", Follow::Always) else { panic!("no file") };
        large.set_size(crate::limits::MAX_OUTPUT_FILES_BYTES / 2 + 1, 1).expect("grows");
        for name in ["a", "b", "c"] {
            link(&files, "/tmp/large", &format!("output/{name}")).expect("links");
        }
        let kept = files.kept();
        assert_eq!(kept.files.len(), 1);
        assert_eq!(kept.links_left_out, ["b", "c"]);
    }
}
