//! The script's file system: a tree in memory.
//!
//! `/app` has the bundle, read-only, directly from sealed memory; `/packages` has the script's packages in the same
//! way. `/tmp` is writable and ends with the run. `/output` is writable, with a quota of its own; its files are kept
//! with the run. `/dev` has a few devices without content. There are no paths of the host: a path is looked for in this
//! tree only, and so is the target of a symbolic link.
//!
//! Every number that a guest can make large (bytes, files, names, depth, open descriptors) is limited here.

mod device;
mod directory;
mod file;
mod kept;
mod link;
mod open_node;
mod quota;
#[cfg(test)]
pub(crate) mod readers;
mod shared;
mod streams;
mod tree;
mod walk;
mod wasi;

pub(crate) use kept::Kept;
pub(crate) use open_node::is_open_file;
pub(crate) use tree::{Files, Packages};
pub(crate) use wasi::{FilesView, HasFiles};
