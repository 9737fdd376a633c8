//! The errors, times and options that all parts of the file system use.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The error of a file operation. The names are those of `wasi:filesystem`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileError {
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
    /// The path has too many symbolic links, or a link at its end that is not followed.
    Loop,
}

pub(super) type Result<T> = std::result::Result<T, FileError>;

/// A time as nanoseconds since 1970.
pub(super) type Nanos = u64;

/// The times of the last read, write and change of a node.
#[derive(Clone, Copy, Default)]
pub(super) struct Times {
    pub(super) accessed: Nanos,
    pub(super) modified: Nanos,
    pub(super) changed: Nanos,
}

/// The options of opening a path.
#[derive(Clone, Copy, Default)]
pub(super) struct OpenOptions {
    pub(super) create: bool,
    pub(super) exclusive: bool,
    pub(super) directory: bool,
    pub(super) truncate: bool,
    pub(super) write: bool,
    /// True when a symbolic link at the end of the path is followed.
    pub(super) follow: bool,
}

/// Takes a lock. No code panics while it holds one, and the data is consistent after every statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
