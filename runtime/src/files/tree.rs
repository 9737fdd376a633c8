//! The tree of one run, and its operations by path.

use super::directory::{Directory, Node};
use super::file::File;
use super::link::{Follow, Last, Link};
use super::quota::{Charge, NODE_COST, Quota};
use super::shared::{FileError, Nanos, OpenOptions, Result, Times, lock};
use crate::budget::Budget;
use crate::bundle::Bundle;
use crate::limits::{MAX_DEPTH, MAX_OUTPUT_FILES, MAX_OUTPUT_FILES_BYTES, MAX_PATH};
use crate::meter::Meter;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Most files, directories and links in the tree that a script made.
const MAX_NODES: u64 = 16_384;

/// The first number of nodes under `/output`, different from all others of the tree.
const FIRST_OUTPUT_ID: u64 = 1 << 40;

/// The first number of nodes under `/packages`.
const FIRST_PACKAGE_ID: u64 = 1 << 41;

/// The whole tree of one run.
#[derive(Clone)]
pub(crate) struct Files {
    pub(super) root: Arc<Directory>,
    pub(super) quota: Arc<Quota>,
    pub(super) output: Option<Arc<Directory>>,
    /// How often something below `/app` was looked for.
    pub(super) app_looks: Arc<AtomicU64>,
}

/// The tree of a set of packages. It never changes, so that all runs with this set share it.
#[derive(Clone)]
pub(crate) struct Packages {
    root: Arc<Directory>,
}

impl Packages {
    /// Makes the tree of a bundle of packages.
    pub(crate) fn new(bundle: &Arc<Bundle>) -> Self {
        // The tree is read-only, so that this quota is never used.
        let account = (Arc::new(Budget::new(0)), Arc::default());
        let quota = Arc::new(Quota::new(account, 0, 0, FIRST_PACKAGE_ID));
        // The time that archives give to files without a time.
        let since_1980 = 315_532_800 * 1_000_000_000;
        let times = Times { accessed: since_1980, modified: since_1980, changed: since_1980 };
        let root = Directory::fixed(&quota, None, times, false);
        root.hold(bundle, &quota, times);
        Packages { root }
    }
}

impl Files {
    /// Makes the tree of a run: the bundle under `/app`, its packages under `/packages` if it has any, an empty `/tmp`
    /// of at most `limit` bytes, an empty `/output`, and `now` as all times.
    pub(crate) fn new(
        bundle: &Arc<Bundle>,
        packages: Option<&Packages>,
        limit: u64,
        account: (Arc<Budget>, Arc<Meter>),
        now: Nanos,
    ) -> Self {
        account.0.hold(bundle.files().len() as u64 * NODE_COST);
        let kept = Quota::new(account.clone(), MAX_OUTPUT_FILES_BYTES.min(limit), MAX_OUTPUT_FILES, FIRST_OUTPUT_ID);
        let kept = Arc::new(kept);
        let quota = Arc::new(Quota::new(account, limit, MAX_NODES, 1));
        let times = Times { accessed: now, modified: now, changed: now };
        let root = Directory::fixed(&quota, None, times, false);
        let app = Directory::fixed(&quota, Some(&root), times, false);
        app.hold(bundle, &quota, times);
        let tmp = Directory::fixed(&quota, Some(&root), times, true);
        let output = Directory::fixed(&kept, Some(&root), times, true);
        root.lock().insert("app".into(), Node::Directory(app));
        root.lock().insert("dev".into(), Node::Directory(Directory::of_devices(&quota, &root, times)));
        root.lock().insert("output".into(), Node::Directory(output.clone()));
        root.lock().insert("tmp".into(), Node::Directory(tmp));
        if let Some(packages) = packages {
            root.lock().insert("packages".into(), Node::Directory(packages.root.clone()));
        }
        Files { root, quota, output: Some(output), app_looks: Arc::default() }
    }

    /// Returns how often something below `/app` was looked for.
    pub(crate) fn app_looks(&self) -> u64 {
        self.app_looks.load(Relaxed)
    }

    /// Whether nothing was written.
    pub(crate) fn are_untouched(&self) -> bool {
        let tmp = self.root.lock().get("tmp").cloned();
        let is_empty = |directory: &Directory| directory.lock().is_empty();
        matches!(tmp, Some(Node::Directory(tmp)) if is_empty(&tmp)) && self.output.as_deref().is_none_or(is_empty)
    }

    /// Makes a tree without files and without quota.
    pub(crate) fn empty(account: (Arc<Budget>, Arc<Meter>)) -> Self {
        let quota = Arc::new(Quota::new(account, 0, 0, 1));
        let root = Directory::fixed(&quota, None, Times::default(), false);
        Files { root, quota, output: None, app_looks: Arc::default() }
    }

    /// Returns the root directory.
    pub(super) fn root(&self) -> Arc<Directory> {
        self.root.clone()
    }

    /// Returns the quota.
    pub(super) fn quota(&self) -> &Arc<Quota> {
        &self.quota
    }

    /// Finds the node at `path`, relative to `base`.
    pub(super) fn find(&self, base: &Arc<Directory>, path: &str, follow: Follow) -> Result<Node> {
        let (directory, last) = self.walk(base, path, follow)?;
        match last {
            None => Ok(Node::Directory(directory)),
            Some(Last { name, must_be_directory }) => {
                let node = directory.lock().get(&name).cloned().ok_or(FileError::NoEntry)?;
                if must_be_directory && matches!(node, Node::File(_)) {
                    return Err(FileError::NotDirectory);
                }
                Ok(node)
            }
        }
    }

    /// Opens a file, and makes it first when the options say so.
    pub(super) fn open(&self, base: &Arc<Directory>, path: &str, options: OpenOptions, now: Nanos) -> Result<Node> {
        // With `exclusive`, the name itself must be new: a link with this name is not followed.
        let follows = options.follow && !(options.create && options.exclusive);
        let follow = if follows { Follow::Always } else { Follow::BeforeSlash };
        let (directory, last) = self.walk(base, path, follow)?;
        let Some(Last { name, must_be_directory }) = last else {
            return Self::opened(Node::Directory(directory), options, true, now);
        };
        let known = directory.lock().get(&name).cloned();
        if let Some(node) = known {
            if options.create && options.exclusive {
                return Err(FileError::Exist);
            }
            return Self::opened(node, options, must_be_directory, now);
        }
        if !options.create {
            return Err(FileError::NoEntry);
        }
        if must_be_directory {
            // As on Linux: only a directory can have this name, and opening does not make directories.
            return Err(FileError::IsDirectory);
        }
        if options.directory {
            return Err(FileError::Invalid);
        }
        directory.check_writable()?;
        let times = Times { accessed: now, modified: now, changed: now };
        let charge = Charge::new(&directory.quota)?;
        let node = Node::File(Arc::new(File::empty(directory.quota.id(), charge, times)));
        directory.lock().insert(name, node.clone());
        directory.touch(now);
        Ok(node)
    }

    fn opened(node: Node, options: OpenOptions, must_be_directory: bool, now: Nanos) -> Result<Node> {
        match &node {
            Node::File(file) => {
                if must_be_directory || options.directory {
                    return Err(FileError::NotDirectory);
                }
                if options.write || options.truncate {
                    file.check_writable()?;
                }
                if options.truncate {
                    file.set_size(0, now)?;
                }
            }
            Node::Directory(_) => {
                if options.write || options.truncate {
                    return Err(FileError::IsDirectory);
                }
            }
            Node::Link(_) => return Err(FileError::Loop),
        }
        Ok(node)
    }

    /// Makes a symbolic link. Its target does not have to exist.
    pub(super) fn make_link(&self, base: &Arc<Directory>, target: &str, path: &str, now: Nanos) -> Result<()> {
        self.quota.meter().bytes(target.len());
        if target.is_empty() {
            return Err(FileError::NoEntry);
        }
        if target.len() > MAX_PATH {
            return Err(FileError::NameTooLong);
        }
        if target.contains('\0') {
            return Err(FileError::Invalid);
        }
        let (directory, last) = self.walk(base, path, Follow::Never)?;
        let Some(Last { name, must_be_directory }) = last else { return Err(FileError::Exist) };
        if directory.lock().contains_key(&name) {
            return Err(FileError::Exist);
        }
        if must_be_directory {
            return Err(FileError::NoEntry);
        }
        directory.check_writable()?;
        let times = Times { accessed: now, modified: now, changed: now };
        let link = Link::new(directory.quota.id(), target, Charge::new(&directory.quota)?, times)?;
        directory.lock().insert(name, Node::Link(Arc::new(link)));
        directory.touch(now);
        Ok(())
    }

    /// Returns the target of a symbolic link.
    pub(super) fn read_link(&self, base: &Arc<Directory>, path: &str) -> Result<String> {
        match self.find(base, path, Follow::BeforeSlash)? {
            Node::Link(link) => {
                self.quota.meter().bytes(link.target.len());
                Ok(link.target.clone())
            }
            // POSIX: a file that is not a symbolic link is an invalid argument.
            Node::File(_) | Node::Directory(_) => Err(FileError::Invalid),
        }
    }

    /// Makes a directory.
    pub(super) fn make_directory(&self, base: &Arc<Directory>, path: &str, now: Nanos) -> Result<()> {
        let (directory, last) = self.walk(base, path, Follow::Never)?;
        let Some(Last { name, .. }) = last else { return Err(FileError::Exist) };
        if directory.lock().contains_key(&name) {
            return Err(FileError::Exist);
        }
        directory.check_writable()?;
        let depth = directory.depth() + 1;
        if depth > MAX_DEPTH {
            return Err(FileError::NameTooLong);
        }
        let times = Times { accessed: now, modified: now, changed: now };
        let made = Directory {
            id: directory.quota.id(),
            depth: AtomicUsize::new(depth),
            writable: true,
            quota: directory.quota.clone(),
            entries: Mutex::default(),
            parent: Mutex::new(Arc::downgrade(&directory)),
            times: Mutex::new(times),
            _charge: Some(Charge::new(&directory.quota)?),
        };
        directory.lock().insert(name, Node::Directory(Arc::new(made)));
        directory.touch(now);
        Ok(())
    }

    /// Removes an empty directory.
    pub(super) fn remove_directory(&self, base: &Arc<Directory>, path: &str, now: Nanos) -> Result<()> {
        let (directory, last) = self.walk(base, path, Follow::Never)?;
        let Some(Last { name, .. }) = last else { return Err(FileError::Invalid) };
        let node = directory.lock().get(&name).cloned().ok_or(FileError::NoEntry)?;
        let Node::Directory(victim) = node else { return Err(FileError::NotDirectory) };
        directory.check_writable()?;
        if !victim.lock().is_empty() {
            return Err(FileError::NotEmpty);
        }
        directory.lock().remove(&name);
        directory.touch(now);
        Ok(())
    }

    /// Removes a file or a link.
    pub(super) fn remove_file(&self, base: &Arc<Directory>, path: &str, now: Nanos) -> Result<()> {
        let (directory, last) = self.walk(base, path, Follow::Never)?;
        let Some(Last { name, must_be_directory }) = last else { return Err(FileError::IsDirectory) };
        match directory.lock().get(&name) {
            None => return Err(FileError::NoEntry),
            Some(Node::Directory(_)) => return Err(FileError::IsDirectory),
            Some(Node::File(_) | Node::Link(_)) if must_be_directory => return Err(FileError::NotDirectory),
            Some(Node::File(_) | Node::Link(_)) => {}
        }
        directory.check_writable()?;
        directory.lock().remove(&name);
        directory.touch(now);
        Ok(())
    }

    /// Gives a file, link or directory another name, replacing a file, a link or an empty directory that has it.
    pub(super) fn rename(
        &self,
        (old_base, old_path): (&Arc<Directory>, &str),
        (new_base, new_path): (&Arc<Directory>, &str),
        now: Nanos,
    ) -> Result<()> {
        let (old_directory, old_last) = self.walk(old_base, old_path, Follow::Never)?;
        let (new_directory, new_last) = self.walk(new_base, new_path, Follow::Never)?;
        let (Some(old), Some(new)) = (old_last, new_last) else { return Err(FileError::Invalid) };
        let node = old_directory.lock().get(&old.name).cloned().ok_or(FileError::NoEntry)?;
        old_directory.check_writable()?;
        new_directory.check_writable()?;
        if !Arc::ptr_eq(&old_directory.quota, &new_directory.quota) {
            // As between two file systems: Python's shutil.move then copies.
            return Err(FileError::CrossDevice);
        }
        let target = new_directory.lock().get(&new.name).cloned();
        match &node {
            Node::File(_) | Node::Link(_) if old.must_be_directory || new.must_be_directory => {
                return Err(FileError::NotDirectory);
            }
            Node::File(_) | Node::Link(_) => match target {
                Some(Node::Directory(_)) => return Err(FileError::IsDirectory),
                Some(same) if same.id() == node.id() => return Ok(()),
                _ => {}
            },
            Node::Directory(moved) => {
                match target {
                    Some(Node::File(_) | Node::Link(_)) => return Err(FileError::NotDirectory),
                    Some(Node::Directory(same)) if Arc::ptr_eq(&same, moved) => return Ok(()),
                    Some(Node::Directory(other)) if !other.lock().is_empty() => return Err(FileError::NotEmpty),
                    _ => {}
                }
                if new_directory.is_inside(moved) {
                    return Err(FileError::Invalid);
                }
                // The new depth of the tree below is not known without a walk: a directory that is not empty moves only
                // to a place that is not deeper.
                if moved.lock().is_empty() {
                    let depth = new_directory.depth() + 1;
                    if depth > MAX_DEPTH {
                        return Err(FileError::NameTooLong);
                    }
                    moved.depth.store(depth, Relaxed);
                } else if new_directory.depth() > old_directory.depth() {
                    return Err(FileError::NameTooLong);
                }
                *lock(&moved.parent) = Arc::downgrade(&new_directory);
            }
        }
        old_directory.lock().remove(&old.name);
        new_directory.lock().insert(new.name, node);
        old_directory.touch(now);
        new_directory.touch(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::quota::MAX_DESCRIPTORS;
    use super::*;

    const KIB: u64 = 1 << 10;

    fn tree(limit: u64) -> Files {
        let bundle = Bundle::of_files(&[("main.py", b"print(1)"), ("data/a.json", b"{}")]).expect("bundle");
        Files::new(&Arc::new(bundle), None, limit, (Arc::new(Budget::new(1 << 30)), Arc::default()), 7)
    }

    fn create() -> OpenOptions {
        OpenOptions { create: true, write: true, ..OpenOptions::default() }
    }

    fn open_file(files: &Files, path: &str, options: OpenOptions) -> Result<Arc<File>> {
        match files.open(&files.root(), path, options, 8)? {
            Node::File(file) => Ok(file),
            Node::Directory(_) | Node::Link(_) => Err(FileError::IsDirectory),
        }
    }

    fn error<T>(result: Result<T>) -> FileError {
        match result {
            Ok(_) => panic!("was not refused"),
            Err(error) => error,
        }
    }

    #[test]
    fn the_bundle_is_there_and_read_only() {
        let files = tree(KIB);
        let file = open_file(&files, "app/data/a.json", OpenOptions::default()).expect("opens");
        assert_eq!(file.read(0, 100), b"{}");
        assert_eq!(file.read(1 << 40, 100), b"");
        let write = OpenOptions { write: true, ..OpenOptions::default() };
        assert_eq!(error(open_file(&files, "app/main.py", write)), FileError::ReadOnly);
        let truncate = OpenOptions { truncate: true, ..OpenOptions::default() };
        assert_eq!(error(open_file(&files, "app/main.py", truncate)), FileError::ReadOnly);
        assert_eq!(error(open_file(&files, "app/new", create())), FileError::ReadOnly);
        assert_eq!(error(open_file(&files, "new", create())), FileError::ReadOnly);
        assert_eq!(error(files.make_directory(&files.root(), "app/d", 1)), FileError::ReadOnly);
        assert_eq!(error(files.remove_file(&files.root(), "app/main.py", 1)), FileError::ReadOnly);
        assert_eq!(error(files.remove_directory(&files.root(), "tmp", 1)), FileError::ReadOnly);
        let root = files.root();
        assert_eq!(error(files.rename((&root, "app/main.py"), (&root, "tmp/x"), 1)), FileError::ReadOnly);
    }

    #[test]
    fn devices_hold_nothing_and_cannot_be_replaced() {
        let files = tree(KIB);
        let options = OpenOptions { create: true, truncate: true, write: true, ..OpenOptions::default() };
        let null = open_file(&files, "dev/null", options).expect("opens");
        null.write(1 << 40, &[1; 4096], 1).expect("takes everything");
        null.append(&[1; 4096], 1).expect("takes everything");
        null.set_size(1 << 50, 1).expect("changes nothing");
        assert_eq!((null.size(), null.read(0, 10)), (0, vec![]));
        let zero = open_file(&files, "dev/zero", OpenOptions::default()).expect("opens");
        assert_eq!(zero.read(1 << 40, 3), [0, 0, 0]);
        let full = open_file(&files, "dev/full", options).expect("opens");
        assert_eq!(error(full.write(0, b"x", 1)), FileError::InsufficientSpace);
        let random = open_file(&files, "dev/urandom", OpenOptions::default()).expect("opens");
        assert_ne!(random.read(0, 32), random.read(0, 32));
        assert_eq!(random.read(0, 100_000).len(), 100_000);
        let root = files.root();
        assert_eq!(error(files.remove_file(&root, "dev/null", 1)), FileError::ReadOnly);
        assert_eq!(error(files.rename((&root, "dev/null"), (&root, "tmp/x"), 1)), FileError::ReadOnly);
        assert_eq!(error(open_file(&files, "dev/sda", options)), FileError::ReadOnly);
    }

    #[test]
    fn paths_cannot_leave_the_tree() {
        let files = tree(KIB);
        let up = files.find(&files.root(), "../../..", Follow::Always).expect("finds");
        let Node::Directory(root) = up else { panic!("a file") };
        assert!(Arc::ptr_eq(&root, &files.root()));
        assert!(files.find(&files.root(), "tmp/../../app/main.py", Follow::Always).is_ok());
        assert_eq!(error(files.find(&files.root(), "/app", Follow::Always)), FileError::NotPermitted);
        assert_eq!(error(files.find(&files.root(), "etc/passwd", Follow::Always)), FileError::NoEntry);
        assert_eq!(error(files.find(&files.root(), "app/main.py/", Follow::Always)), FileError::NotDirectory);
        assert_eq!(error(files.find(&files.root(), "app/main.py/x", Follow::Always)), FileError::NotDirectory);
        assert_eq!(error(files.find(&files.root(), &"n".repeat(256), Follow::Always)), FileError::NameTooLong);
        assert_eq!(error(files.find(&files.root(), "", Follow::Always)), FileError::NoEntry);
        assert_eq!(error(open_file(&files, "tmp/a\0b", create())), FileError::Invalid);
    }

    #[test]
    fn bytes_are_counted_and_given_back() {
        let files = tree(4 * KIB);
        let file = open_file(&files, "tmp/a", create()).expect("creates");
        file.write(0, &[1; 3000], 1).expect("writes");
        assert_eq!(error(file.write(1 << 40, b"x", 1)), FileError::InsufficientSpace);
        assert_eq!(error(file.write(u64::MAX, b"x", 1)), FileError::FileTooLarge);
        assert_eq!(error(file.set_size(1 << 62, 1)), FileError::InsufficientSpace);
        assert_eq!(
            error(open_file(&files, "tmp/b", create()).and_then(|b| b.write(0, &[0; 600], 1))),
            FileError::InsufficientSpace
        );
        files.remove_file(&files.root(), "tmp/a", 1).expect("removes");
        // The open descriptor keeps the bytes.
        assert_eq!(file.read(0, 1), [1]);
        drop(file);
        let again = open_file(&files, "tmp/c", create()).expect("creates");
        again.write(10, &[2; 2500], 1).expect("writes");
        assert_eq!(again.read(0, 11), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    }

    #[test]
    fn nodes_depth_and_descriptors_are_bounded() {
        let files = tree(1 << 30);
        let root = files.root();
        let mut path = String::from("tmp");
        for _ in 1..MAX_DEPTH {
            path.push_str("/d");
            files.make_directory(&root, &path, 1).expect("makes");
        }
        path.push_str("/d");
        assert_eq!(error(files.make_directory(&root, &path, 1)), FileError::NameTooLong);
        let made = MAX_DEPTH as u64 - 1;
        for n in made..MAX_NODES {
            files.open(&root, &format!("tmp/{n}"), create(), 1).expect("creates");
        }
        assert_eq!(error(files.open(&root, "tmp/more", create(), 1)), FileError::InsufficientSpace);
        files.remove_file(&root, "tmp/100", 1).expect("removes");
        files.open(&root, "tmp/more", create(), 1).expect("creates");
        for _ in 0..MAX_DESCRIPTORS {
            files.quota().open().expect("opens");
        }
        assert_eq!(error(files.quota().open()), FileError::TooManyOpen);
        files.quota().close();
        files.quota().open().expect("opens again");
    }

    #[test]
    fn output_has_a_quota_of_its_own() {
        let files = tree(1 << 30);
        let root = files.root();
        assert!(files.kept().files.is_empty());
        files.make_directory(&root, "output/b", 1).expect("makes");
        open_file(&files, "output/b/x", create()).expect("creates").write(0, b"two", 1).expect("writes");
        open_file(&files, "output/a", create()).expect("creates").write(0, b"one", 1).expect("writes");
        open_file(&files, "tmp/t", create()).expect("creates");
        let kept: Vec<_> = files.kept().files.into_iter().map(|(path, file)| (path, file.read(0, 9))).collect();
        assert_eq!(kept, [("a".to_owned(), b"one".to_vec()), ("b/x".to_owned(), b"two".to_vec())]);
        // Another file system, as far as renaming goes.
        assert_eq!(error(files.rename((&root, "tmp/t"), (&root, "output/t"), 1)), FileError::CrossDevice);
        assert_eq!(error(files.rename((&root, "output/a"), (&root, "tmp/a"), 1)), FileError::CrossDevice);
        files.rename((&root, "output/a"), (&root, "output/b/a"), 1).expect("moves");
        let large = open_file(&files, "output/large", create()).expect("creates");
        assert_eq!(error(large.set_size(MAX_OUTPUT_FILES_BYTES, 1)), FileError::InsufficientSpace);
        large.set_size(MAX_OUTPUT_FILES_BYTES - 8 * KIB, 1).expect("fits");
        open_file(&files, "tmp/more", create()).expect("creates").set_size(1 << 20, 1).expect("has a quota of its own");
        large.set_size(0, 1).expect("shrinks");
        for n in 4..MAX_OUTPUT_FILES {
            files.open(&root, &format!("output/{n}"), create(), 1).expect("creates");
        }
        assert_eq!(error(files.open(&root, "output/more", create(), 1)), FileError::InsufficientSpace);
        let ids: std::collections::HashSet<u64> = files.kept().files.iter().map(|(_, file)| file.id).collect();
        assert_eq!(ids.len(), files.kept().files.len());
    }

    #[test]
    fn renames_follow_posix() {
        let files = tree(64 * KIB);
        let root = files.root();
        files.make_directory(&root, "tmp/d", 1).expect("makes");
        files.make_directory(&root, "tmp/d/e", 1).expect("makes");
        open_file(&files, "tmp/f", create()).expect("creates").write(0, b"f", 1).expect("writes");
        let rename = |old: &str, new: &str| files.rename((&root, old), (&root, new), 2);
        assert_eq!(error(rename("tmp/d", "tmp/d/e/x")), FileError::Invalid);
        assert_eq!(error(rename("tmp/f", "tmp/d")), FileError::IsDirectory);
        assert_eq!(error(rename("tmp/d", "tmp/f")), FileError::NotDirectory);
        assert_eq!(error(rename("tmp", "tmp2")), FileError::ReadOnly);
        assert_eq!(error(rename("tmp/f", "app/f")), FileError::ReadOnly);
        assert_eq!(error(rename("tmp/.", "tmp/g")), FileError::ReadOnly);
        rename("tmp/f", "tmp/f").expect("same name");
        rename("tmp/f", "tmp/d/e/f").expect("moves");
        assert_eq!(error(files.find(&root, "tmp/f", Follow::Always)), FileError::NoEntry);
        assert_eq!(error(files.remove_directory(&root, "tmp/d/e", 1)), FileError::NotEmpty);
        rename("tmp/d/e", "tmp/e").expect("moves up");
        assert!(files.find(&root, "tmp/e/../e/f", Follow::Always).is_ok());
    }
}
