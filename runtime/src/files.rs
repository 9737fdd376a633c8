//! The script's file system: a tree in memory, and nothing behind it.
//!
//! `/app` holds the bundle, read-only, straight from sealed memory, and so does `/packages` the script's packages;
//! `/tmp` is writable and ends with the run; `/output` is writable, too, with a quota of its own, and what it holds at
//! the end is kept with the run. `/dev` has the few devices that hold nothing. There are no links and no host paths: a
//! name either is in this tree or does not exist. Every number a guest can make large (bytes, files, names, depth, open
//! descriptors) has a bound here.

mod device;
mod directory;
mod file;
mod quota;
mod shared;
mod streams;
mod tree;
mod wasi;

pub(crate) use file::File;
pub(crate) use tree::{Files, Packages};
pub(crate) use wasi::{FilesView, HasFiles};
