//! The script's file system: a tree in memory.
//!
//! `/app` has the bundle, read-only, directly from sealed memory; `/packages` has the script's packages in the same
//! way. `/tmp` is writable and ends with the run. `/output` is writable, with a quota of its own; its files are kept
//! with the run. `/dev` has a few devices without content. There are no links and no paths of the host.
//!
//! Every number that a guest can make large (bytes, files, names, depth, open descriptors) is limited here.

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
