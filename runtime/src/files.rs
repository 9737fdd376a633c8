//! The script's file system: a tree in memory, and nothing behind it.
//!
//! `/app` holds the bundle, read-only, straight from sealed memory, and so does `/packages` the script's packages; `/tmp`
//! is writable and ends with the run; `/output` is writable, too, with a quota of its own, and what it holds at the end is
//! kept with the run. `/dev` has the few devices that hold nothing. There are no links and no host paths: a name either is
//! in this tree or does not exist.
//! Every number a guest can make large (bytes, files, names, depth, open descriptors) has a bound here.

mod device;
mod file;
mod wasi;

pub(crate) use device::Device;
pub(crate) use file::File;
pub(crate) use wasi::{FilesView, HasFiles};

use crate::budget::{Budget, HeldMemory};
use crate::bundle::Bundle;
use crate::limits::{MAX_DEPTH, MAX_NAME, MAX_OUTPUT_FILES, MAX_OUTPUT_FILES_BYTES, MAX_PATH};
use crate::meter::Meter;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Most files and directories in the tree that a script made.
pub const MAX_NODES: u64 = 16_384;
/// Most files and directories open at once.
pub const MAX_DESCRIPTORS: u64 = 256;
/// What a file or directory costs of the run's memory besides its content, in bytes: about what the host keeps for it.
const NODE_COST: u64 = 512;

/// What an open file, or a directory that is being read, costs of the run's memory, in bytes.
const HANDLE_COST: u64 = 512;

/// The numbers of what is under `/output` begin here, so that they meet no other of the tree.
const FIRST_OUTPUT_ID: u64 = 1 << 40;
/// The numbers of what is under `/packages` begin here.
const FIRST_PACKAGE_ID: u64 = 1 << 41;

/// Why a file operation was refused. The names are those of `wasi:filesystem`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileError {
    NoEntry,
    Exist,
    NotDirectory,
    IsDirectory,
    NotEmpty,
    ReadOnly,
    NotPermitted,
    NameTooLong,
    InsufficientSpace,
    TooManyOpen,
    InsufficientMemory,
    FileTooLarge,
    CrossDevice,
    Invalid,
}

type Result<T> = std::result::Result<T, FileError>;

/// A moment, as the guest's clock counts it: nanoseconds since 1970.
pub(crate) type Nanos = u64;

/// The whole tree of one run.
#[derive(Clone)]
pub(crate) struct Files {
    root: Arc<Directory>,
    quota: Arc<Quota>,
    output: Option<Arc<Directory>>,
}

/// The tree of a set of packages. Nothing in it ever changes, so that all runs with this set have the same one.
#[derive(Clone)]
pub(crate) struct Packages {
    root: Arc<Directory>,
}

/// What the files of one run may use together, in one part of the tree.
pub(crate) struct Quota {
    budget: Arc<Budget>,
    meter: Arc<Meter>,
    limit: u64,
    most_nodes: u64,
    used: AtomicU64,
    nodes: AtomicU64,
    open: AtomicU64,
    next_id: AtomicU64,
}

/// A file or a directory.
#[derive(Clone)]
pub(crate) enum Node {
    File(Arc<File>),
    Directory(Arc<Directory>),
}

/// A directory.
pub(crate) struct Directory {
    id: u64,
    /// At least as deep as it really is. Bounded, so that dropping one directory inside the other needs little stack.
    depth: AtomicUsize,
    /// Whether entries may be added and removed.
    writable: bool,
    /// What its entries are taken from.
    quota: Arc<Quota>,
    entries: Mutex<BTreeMap<String, Node>>,
    parent: Mutex<Weak<Directory>>,
    times: Mutex<Times>,
    _charge: Option<Charge>,
}

/// When a node was read and written last.
#[derive(Clone, Copy, Default)]
pub(crate) struct Times {
    pub(crate) accessed: Nanos,
    pub(crate) modified: Nanos,
    pub(crate) changed: Nanos,
}

/// What a node took from the quota; gives it back when the node is gone.
struct Charge {
    quota: Arc<Quota>,
    bytes: AtomicU64,
}

impl Charge {
    fn new(quota: &Arc<Quota>) -> Result<Self> {
        let nodes = quota.nodes.fetch_add(1, Relaxed);
        let charge = Charge { quota: quota.clone(), bytes: AtomicU64::new(0) };
        // From here on dropping the charge gives the node back.
        if nodes >= quota.most_nodes {
            return Err(FileError::InsufficientSpace);
        }
        charge.resize(NODE_COST)?;
        Ok(charge)
    }

    fn meter(&self) -> &Meter {
        &self.quota.meter
    }

    /// Changes what is taken to `bytes`.
    fn resize(&self, bytes: u64) -> Result<()> {
        let held = self.bytes.load(Relaxed);
        if bytes > held {
            self.quota.take(bytes - held)?;
        } else {
            self.quota.give_back(held - bytes);
        }
        self.bytes.store(bytes, Relaxed);
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.quota.give_back(self.bytes.load(Relaxed));
        self.quota.nodes.fetch_sub(1, Relaxed);
    }
}

impl Quota {
    fn new((budget, meter): (Arc<Budget>, Arc<Meter>), limit: u64, most_nodes: u64, first_id: u64) -> Self {
        Quota {
            budget,
            meter,
            limit,
            most_nodes,
            used: AtomicU64::new(0),
            nodes: AtomicU64::new(0),
            open: AtomicU64::new(0),
            next_id: AtomicU64::new(first_id),
        }
    }

    fn take(&self, bytes: u64) -> Result<()> {
        let used = self.used.load(Relaxed).saturating_add(bytes);
        if used > self.limit || !self.budget.take_for_files(bytes) {
            return Err(FileError::InsufficientSpace);
        }
        self.used.store(used, Relaxed);
        Ok(())
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
        self.budget.give_back(bytes);
    }

    fn id(&self) -> u64 {
        self.next_id.fetch_add(1, Relaxed)
    }

    /// What its operations cost.
    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Takes memory for something that the guest has a handle of, until that is dropped.
    pub(crate) fn handle(&self) -> Result<HeldMemory> {
        HeldMemory::take(&self.budget, HANDLE_COST).ok_or(FileError::InsufficientMemory)
    }

    /// Counts one more open descriptor.
    pub(crate) fn open(&self) -> Result<()> {
        if self.open.fetch_add(1, Relaxed) >= MAX_DESCRIPTORS {
            self.open.fetch_sub(1, Relaxed);
            return Err(FileError::TooManyOpen);
        }
        Ok(())
    }

    /// Counts one open descriptor less.
    pub(crate) fn close(&self) {
        self.open.fetch_sub(1, Relaxed);
    }
}

impl Packages {
    /// The files of a bundle as packages.
    pub(crate) fn new(bundle: &Arc<Bundle>) -> Self {
        // Nothing in it is ever written, so that nothing of it is ever taken or paid for here.
        let account = (Arc::new(Budget::new(0)), Arc::default());
        let quota = Arc::new(Quota::new(account, 0, 0, FIRST_PACKAGE_ID));
        // Packages have the time that archives give to files without one.
        let since_1980 = 315_532_800 * 1_000_000_000;
        let times = Times { accessed: since_1980, modified: since_1980, changed: since_1980 };
        let root = Directory::fixed(&quota, None, times, false);
        root.hold(bundle, &quota, times);
        Packages { root }
    }
}

impl Files {
    /// The tree of a run: the bundle under `/app`, its packages under `/packages` if it has any, an empty `/tmp` of at most
    /// `limit` bytes, an empty `/output`, `now` as every time.
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
        Files { root, quota, output: Some(output) }
    }

    /// A tree that holds nothing and takes nothing.
    pub(crate) fn empty(account: (Arc<Budget>, Arc<Meter>)) -> Self {
        let quota = Arc::new(Quota::new(account, 0, 0, 1));
        let root = Directory::fixed(&quota, None, Times::default(), false);
        Files { root, quota, output: None }
    }

    /// What is under `/output`: paths below it, in order, and files. Directories without files are nothing.
    pub(crate) fn kept(&self) -> Vec<(String, Arc<File>)> {
        let mut kept = Vec::new();
        let mut todo: Vec<(String, Arc<Directory>)> =
            self.output.iter().map(|root| (String::new(), root.clone())).collect();
        while let Some((path, directory)) = todo.pop() {
            for (name, node) in directory.list() {
                let path = if path.is_empty() { name } else { format!("{path}/{name}") };
                match node {
                    Node::File(file) => kept.push((path, file)),
                    Node::Directory(directory) => todo.push((path, directory)),
                }
            }
        }
        kept.sort_by(|one, other| one.0.cmp(&other.0));
        kept
    }

    /// The root directory.
    pub(crate) fn root(&self) -> Arc<Directory> {
        self.root.clone()
    }

    /// The account of descriptors and bytes.
    pub(crate) fn quota(&self) -> &Arc<Quota> {
        &self.quota
    }

    /// Finds what `path` names, seen from `base`.
    pub(crate) fn find(&self, base: &Arc<Directory>, path: &str) -> Result<Node> {
        let (directory, last) = self.walk(base, path)?;
        match last {
            None => Ok(Node::Directory(directory)),
            Some(Last { name, must_be_directory }) => {
                let node = directory.lock().get(name).cloned().ok_or(FileError::NoEntry)?;
                if must_be_directory && matches!(node, Node::File(_)) {
                    return Err(FileError::NotDirectory);
                }
                Ok(node)
            }
        }
    }

    /// Opens a file, making it first when `create` says so.
    pub(crate) fn open(&self, base: &Arc<Directory>, path: &str, options: OpenOptions, now: Nanos) -> Result<Node> {
        let (directory, last) = self.walk(base, path)?;
        let Some(Last { name, must_be_directory }) = last else {
            return Self::opened(Node::Directory(directory), options, true, now);
        };
        let known = directory.lock().get(name).cloned();
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
            // As Linux has it: the name could only be a directory's, and those are not made by opening.
            return Err(FileError::IsDirectory);
        }
        if options.directory {
            return Err(FileError::Invalid);
        }
        directory.check_writable()?;
        let times = Times { accessed: now, modified: now, changed: now };
        let charge = Charge::new(&directory.quota)?;
        let node = Node::File(Arc::new(File::empty(directory.quota.id(), charge, times)));
        directory.lock().insert(name.into(), node.clone());
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
        }
        Ok(node)
    }

    /// Makes a directory.
    pub(crate) fn make_directory(&self, base: &Arc<Directory>, path: &str, now: Nanos) -> Result<()> {
        let (directory, last) = self.walk(base, path)?;
        let Some(Last { name, .. }) = last else { return Err(FileError::Exist) };
        if directory.lock().contains_key(name) {
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
        directory.lock().insert(name.into(), Node::Directory(Arc::new(made)));
        directory.touch(now);
        Ok(())
    }

    /// Removes an empty directory.
    pub(crate) fn remove_directory(&self, base: &Arc<Directory>, path: &str, now: Nanos) -> Result<()> {
        let (directory, last) = self.walk(base, path)?;
        let Some(Last { name, .. }) = last else { return Err(FileError::Invalid) };
        let node = directory.lock().get(name).cloned().ok_or(FileError::NoEntry)?;
        let Node::Directory(victim) = node else { return Err(FileError::NotDirectory) };
        directory.check_writable()?;
        if !victim.lock().is_empty() {
            return Err(FileError::NotEmpty);
        }
        directory.lock().remove(name);
        directory.touch(now);
        Ok(())
    }

    /// Removes a file.
    pub(crate) fn remove_file(&self, base: &Arc<Directory>, path: &str, now: Nanos) -> Result<()> {
        let (directory, last) = self.walk(base, path)?;
        let Some(Last { name, must_be_directory }) = last else { return Err(FileError::IsDirectory) };
        match directory.lock().get(name) {
            None => return Err(FileError::NoEntry),
            Some(Node::Directory(_)) => return Err(FileError::IsDirectory),
            Some(Node::File(_)) if must_be_directory => return Err(FileError::NotDirectory),
            Some(Node::File(_)) => {}
        }
        directory.check_writable()?;
        directory.lock().remove(name);
        directory.touch(now);
        Ok(())
    }

    /// Gives a file or directory another name, replacing a file or an empty directory that has it.
    pub(crate) fn rename(
        &self,
        (old_base, old_path): (&Arc<Directory>, &str),
        (new_base, new_path): (&Arc<Directory>, &str),
        now: Nanos,
    ) -> Result<()> {
        let (old_directory, old_last) = self.walk(old_base, old_path)?;
        let (new_directory, new_last) = self.walk(new_base, new_path)?;
        let (Some(old), Some(new)) = (old_last, new_last) else { return Err(FileError::Invalid) };
        let node = old_directory.lock().get(old.name).cloned().ok_or(FileError::NoEntry)?;
        old_directory.check_writable()?;
        new_directory.check_writable()?;
        if !Arc::ptr_eq(&old_directory.quota, &new_directory.quota) {
            // As between two file systems: Python's shutil.move copies then.
            return Err(FileError::CrossDevice);
        }
        let target = new_directory.lock().get(new.name).cloned();
        match &node {
            Node::File(_) if old.must_be_directory || new.must_be_directory => return Err(FileError::NotDirectory),
            Node::File(file) => match target {
                Some(Node::Directory(_)) => return Err(FileError::IsDirectory),
                Some(Node::File(same)) if Arc::ptr_eq(&same, file) => return Ok(()),
                _ => {}
            },
            Node::Directory(moved) => {
                match target {
                    Some(Node::File(_)) => return Err(FileError::NotDirectory),
                    Some(Node::Directory(same)) if Arc::ptr_eq(&same, moved) => return Ok(()),
                    Some(Node::Directory(other)) if !other.lock().is_empty() => return Err(FileError::NotEmpty),
                    _ => {}
                }
                if new_directory.is_inside(moved) {
                    return Err(FileError::Invalid);
                }
                // The tree below would have to be measured to know its new depth: a directory moves only where it
                // gets no deeper, or is empty.
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
        old_directory.lock().remove(old.name);
        new_directory.lock().insert(new.name.into(), node);
        old_directory.touch(now);
        new_directory.touch(now);
        Ok(())
    }

    /// Follows `path` up to its last name. No last name means the path ends in a directory that is already found.
    fn walk<'p>(&self, base: &Arc<Directory>, path: &'p str) -> Result<(Arc<Directory>, Option<Last<'p>>)> {
        self.quota.meter.bytes(path.len());
        if path.is_empty() {
            return Err(FileError::NoEntry);
        }
        if path.len() > MAX_PATH {
            return Err(FileError::NameTooLong);
        }
        if path.starts_with('/') {
            // wasi-libc strips the root before it asks; an absolute path here was made by hand.
            return Err(FileError::NotPermitted);
        }
        let trimmed = path.trim_end_matches('/');
        let must_be_directory = trimmed.len() < path.len();
        let mut directory = base.clone();
        let mut parts = trimmed.split('/').filter(|part| !part.is_empty() && *part != ".").peekable();
        while let Some(name) = parts.next() {
            self.quota.meter.things(1);
            if name.len() > MAX_NAME {
                return Err(FileError::NameTooLong);
            }
            if name.contains('\0') {
                return Err(FileError::Invalid);
            }
            if name == ".." {
                // The root is its own parent, and that of packages, which stand in many trees.
                let parent = lock(&directory.parent).upgrade();
                directory = parent.unwrap_or_else(|| self.root.clone());
                continue;
            }
            if parts.peek().is_none() {
                return Ok((directory, Some(Last { name, must_be_directory })));
            }
            let next = directory.lock().get(name).cloned().ok_or(FileError::NoEntry)?;
            match next {
                Node::Directory(next) => directory = next,
                Node::File(_) => return Err(FileError::NotDirectory),
            }
        }
        Ok((directory, None))
    }
}

/// The last name of a path.
struct Last<'p> {
    name: &'p str,
    /// It was followed by a slash.
    must_be_directory: bool,
}

/// OpenOptions a path is opened.
#[derive(Clone, Copy, Default)]
pub(crate) struct OpenOptions {
    pub(crate) create: bool,
    pub(crate) exclusive: bool,
    pub(crate) directory: bool,
    pub(crate) truncate: bool,
    pub(crate) write: bool,
}

impl Node {
    /// A number that no other node of this tree has.
    pub(crate) fn id(&self) -> u64 {
        match self {
            Node::File(file) => file.id,
            Node::Directory(directory) => directory.id,
        }
    }

    /// When it was read and written.
    pub(crate) fn times(&self) -> Times {
        match self {
            Node::File(file) => *lock(&file.times),
            Node::Directory(directory) => *lock(&directory.times),
        }
    }

    /// Sets the times; refused where nothing may be written.
    pub(crate) fn set_times(&self, accessed: Option<Nanos>, modified: Option<Nanos>, now: Nanos) -> Result<()> {
        let times = match self {
            Node::File(file) => {
                file.check_writable()?;
                &file.times
            }
            Node::Directory(directory) => {
                directory.check_writable()?;
                &directory.times
            }
        };
        let mut times = lock(times);
        times.accessed = accessed.unwrap_or(times.accessed);
        times.modified = modified.unwrap_or(times.modified);
        times.changed = now;
        Ok(())
    }

    /// Bytes of a file; 0 for a directory.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Node::File(file) => file.size(),
            Node::Directory(_) => 0,
        }
    }
}

impl Directory {
    /// A directory of the tree's own making: it costs the script nothing.
    fn fixed(quota: &Arc<Quota>, parent: Option<&Arc<Directory>>, times: Times, writable: bool) -> Arc<Directory> {
        Arc::new(Directory {
            id: quota.id(),
            depth: AtomicUsize::new(parent.map_or(0, |parent| parent.depth() + 1)),
            writable,
            quota: quota.clone(),
            entries: Mutex::default(),
            parent: Mutex::new(parent.map(Arc::downgrade).unwrap_or_default()),
            times: Mutex::new(times),
            _charge: None,
        })
    }

    /// `/dev`.
    fn of_devices(quota: &Arc<Quota>, root: &Arc<Directory>, times: Times) -> Arc<Directory> {
        let dev = Directory::fixed(quota, Some(root), times, false);
        for (name, device) in Device::ALL {
            let file = File::device(quota.id(), device, times);
            dev.lock().insert(name.into(), Node::File(Arc::new(file)));
        }
        dev
    }

    /// Takes in the files of a bundle, read-only.
    fn hold(self: &Arc<Self>, bundle: &Arc<Bundle>, quota: &Arc<Quota>, times: Times) {
        for (path, range) in bundle.files() {
            let mut directory = self.clone();
            let mut parts = path.split('/').peekable();
            while let Some(part) = parts.next() {
                if parts.peek().is_some() {
                    let known = directory.lock().get(part).cloned();
                    directory = match known {
                        Some(Node::Directory(next)) => next,
                        // Bundle::new refuses a path that is both a file and a directory.
                        Some(Node::File(_)) => break,
                        None => {
                            let next = Directory::fixed(quota, Some(&directory), times, false);
                            directory.lock().insert(part.into(), Node::Directory(next.clone()));
                            next
                        }
                    };
                } else {
                    let file = File::sealed(quota.id(), bundle.clone(), range.clone(), times);
                    directory.lock().insert(part.into(), Node::File(Arc::new(file)));
                }
            }
        }
    }

    /// Names and nodes, in order.
    fn list(&self) -> Vec<(String, Node)> {
        self.lock().iter().map(|(name, node)| (name.clone(), node.clone())).collect()
    }

    /// The entry that comes next after a name, or the first. A directory is read by this, so that who reads one holds
    /// nothing of it but a name, and an entry that stays is met once whatever happens to the others.
    pub(crate) fn next_after(&self, name: Option<&str>) -> Option<(String, Node)> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.lock();
        let (name, node) = entries.range::<str, _>((from, Bound::Unbounded)).next()?;
        Some((name.clone(), node.clone()))
    }

    fn depth(&self) -> usize {
        self.depth.load(Relaxed)
    }

    fn check_writable(&self) -> Result<()> {
        if self.writable { Ok(()) } else { Err(FileError::ReadOnly) }
    }

    fn is_inside(self: &Arc<Self>, other: &Arc<Directory>) -> bool {
        let mut at = self.clone();
        loop {
            if Arc::ptr_eq(&at, other) {
                return true;
            }
            let parent = lock(&at.parent).upgrade();
            match parent {
                Some(parent) => at = parent,
                None => return false,
            }
        }
    }

    fn touch(&self, now: Nanos) {
        let mut times = lock(&self.times);
        times.modified = now;
        times.changed = now;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Node>> {
        lock(&self.entries)
    }
}

/// Nothing panics while it holds one of these locks, and what they protect is consistent after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
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
            Node::Directory(_) => Err(FileError::IsDirectory),
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
        let Node::Directory(root) = files.find(&files.root(), "../../..").expect("finds") else { panic!("a file") };
        assert!(Arc::ptr_eq(&root, &files.root()));
        assert!(files.find(&files.root(), "tmp/../../app/main.py").is_ok());
        assert_eq!(error(files.find(&files.root(), "/app")), FileError::NotPermitted);
        assert_eq!(error(files.find(&files.root(), "etc/passwd")), FileError::NoEntry);
        assert_eq!(error(files.find(&files.root(), "app/main.py/")), FileError::NotDirectory);
        assert_eq!(error(files.find(&files.root(), "app/main.py/x")), FileError::NotDirectory);
        assert_eq!(error(files.find(&files.root(), &"n".repeat(256))), FileError::NameTooLong);
        assert_eq!(error(files.find(&files.root(), "")), FileError::NoEntry);
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
        assert!(files.kept().is_empty());
        files.make_directory(&root, "output/b", 1).expect("makes");
        open_file(&files, "output/b/x", create()).expect("creates").write(0, b"two", 1).expect("writes");
        open_file(&files, "output/a", create()).expect("creates").write(0, b"one", 1).expect("writes");
        open_file(&files, "tmp/t", create()).expect("creates");
        let kept: Vec<_> = files.kept().into_iter().map(|(path, file)| (path, file.read(0, 9))).collect();
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
        let ids: std::collections::HashSet<u64> = files.kept().iter().map(|(_, file)| file.id).collect();
        assert_eq!(ids.len(), files.kept().len());
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
        assert_eq!(error(files.find(&root, "tmp/f")), FileError::NoEntry);
        assert_eq!(error(files.remove_directory(&root, "tmp/d/e", 1)), FileError::NotEmpty);
        rename("tmp/d/e", "tmp/e").expect("moves up");
        assert!(files.find(&root, "tmp/e/../e/f").is_ok());
    }
}
