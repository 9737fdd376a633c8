//! What all parts of the file system use: its errors, its times, and how a path is opened.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why a file operation was refused. The names are those of `wasi:filesystem`.
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
}

pub(super) type Result<T> = std::result::Result<T, FileError>;

/// A moment, as the guest's clock counts it: nanoseconds since 1970.
pub(super) type Nanos = u64;

/// When a node was read and written last.
#[derive(Clone, Copy, Default)]
pub(super) struct Times {
    pub(super) accessed: Nanos,
    pub(super) modified: Nanos,
    pub(super) changed: Nanos,
}

/// OpenOptions a path is opened.
#[derive(Clone, Copy, Default)]
pub(super) struct OpenOptions {
    pub(super) create: bool,
    pub(super) exclusive: bool,
    pub(super) directory: bool,
    pub(super) truncate: bool,
    pub(super) write: bool,
}

/// Nothing panics while it holds one of these locks, and what they protect is consistent after every statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
