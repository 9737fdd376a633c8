//! Files, directories and symbolic links as nodes of the tree.

use super::device::Device;
use super::file::File;
use super::link::Link;
use super::quota::{Charge, Quota};
use super::shared::{FileError, Nanos, Result, Times, lock};
use crate::bundle::Bundle;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

/// A file, a directory or a symbolic link.
#[derive(Clone)]
pub(super) enum Node {
    File(Arc<File>),
    Directory(Arc<Directory>),
    Link(Arc<Link>),
}

/// A directory.
pub(super) struct Directory {
    pub(super) id: u64,
    /// The depth, or a larger number. It is limited, so that dropping nested directories needs little stack.
    pub(super) depth: AtomicUsize,
    /// True when entries can be added and removed.
    pub(super) writable: bool,
    /// The quota of its entries.
    pub(super) quota: Arc<Quota>,
    pub(super) entries: Mutex<BTreeMap<String, Node>>,
    pub(super) parent: Mutex<Weak<Directory>>,
    pub(super) times: Mutex<Times>,
    pub(super) _charge: Option<Charge>,
}

impl Node {
    /// Returns the number of the node, which is unique in the tree.
    pub(super) fn id(&self) -> u64 {
        match self {
            Node::File(file) => file.id,
            Node::Directory(directory) => directory.id,
            Node::Link(link) => link.id,
        }
    }

    /// Returns the times.
    pub(super) fn times(&self) -> Times {
        match self {
            Node::File(file) => *lock(&file.times),
            Node::Directory(directory) => *lock(&directory.times),
            Node::Link(link) => *lock(&link.times),
        }
    }

    /// Sets the times. Refused for read-only nodes.
    pub(super) fn set_times(&self, accessed: Option<Nanos>, modified: Option<Nanos>, now: Nanos) -> Result<()> {
        let times = match self {
            Node::File(file) => {
                file.check_writable()?;
                &file.times
            }
            Node::Directory(directory) => {
                directory.check_writable()?;
                &directory.times
            }
            // Links are only in writable directories.
            Node::Link(link) => &link.times,
        };
        let mut times = lock(times);
        times.accessed = accessed.unwrap_or(times.accessed);
        times.modified = modified.unwrap_or(times.modified);
        times.changed = now;
        Ok(())
    }

    /// Returns the size of a file, or of the target of a link, in bytes; 0 for a directory.
    pub(super) fn size(&self) -> u64 {
        match self {
            Node::File(file) => file.size(),
            Node::Directory(_) => 0,
            Node::Link(link) => link.target.len() as u64,
        }
    }
}

impl Directory {
    /// Makes a directory that the script does not pay for.
    pub(super) fn fixed(
        quota: &Arc<Quota>,
        parent: Option<&Arc<Directory>>,
        times: Times,
        writable: bool,
    ) -> Arc<Directory> {
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

    /// Makes `/dev`.
    pub(super) fn of_devices(quota: &Arc<Quota>, root: &Arc<Directory>, times: Times) -> Arc<Directory> {
        let dev = Directory::fixed(quota, Some(root), times, false);
        for (name, device) in Device::ALL {
            let file = File::device(quota.id(), device, times);
            dev.lock().insert(name.into(), Node::File(Arc::new(file)));
        }
        dev
    }

    /// Adds the files of a bundle, read-only.
    pub(super) fn hold(self: &Arc<Self>, bundle: &Arc<Bundle>, quota: &Arc<Quota>, times: Times) {
        for (path, range) in bundle.files() {
            let mut directory = self.clone();
            let mut parts = path.split('/').peekable();
            while let Some(part) = parts.next() {
                if parts.peek().is_some() {
                    let known = directory.lock().get(part).cloned();
                    directory = match known {
                        Some(Node::Directory(next)) => next,
                        // Bundle::new refuses a path that is both a file and a directory.
                        Some(Node::File(_) | Node::Link(_)) => break,
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

    /// Returns names and nodes, in order.
    pub(super) fn list(&self) -> Vec<(String, Node)> {
        self.lock().iter().map(|(name, node)| (name.clone(), node.clone())).collect()
    }

    /// Returns the next entry after a name, or the first. So a reader of a directory holds only a name, and each entry
    /// that stays is returned once, whatever happens to the others.
    pub(super) fn next_after(&self, name: Option<&str>) -> Option<(String, Node)> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.lock();
        let (name, node) = entries.range::<str, _>((from, Bound::Unbounded)).next()?;
        Some((name.clone(), node.clone()))
    }

    pub(super) fn depth(&self) -> usize {
        self.depth.load(Relaxed)
    }

    pub(super) fn check_writable(&self) -> Result<()> {
        if self.writable { Ok(()) } else { Err(FileError::ReadOnly) }
    }

    pub(super) fn is_inside(self: &Arc<Self>, other: &Arc<Directory>) -> bool {
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

    pub(super) fn touch(&self, now: Nanos) {
        let mut times = lock(&self.times);
        times.modified = now;
        times.changed = now;
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Node>> {
        lock(&self.entries)
    }
}
