//! The files that are kept of `/output` when a run has ended.

use super::directory::{Directory, Node};
use super::file::File;
use super::link::Follow;
use super::tree::Files;
use crate::limits::MAX_OUTPUT_FILES_BYTES;
use std::sync::Arc;

/// Most work to follow the links under `/output`, in fuel: about two slices. The run has ended and does not pay for it.
const MAX_FUEL: u64 = 8_000_000;

/// What is kept of `/output`.
#[derive(Default)]
pub(crate) struct Kept {
    /// The files, with their paths below `/output`, in order. Directories without files are ignored.
    pub(crate) files: Vec<(String, Arc<File>)>,
    /// The paths of the links that are not kept: they lead to no file, or their file does not fit.
    pub(crate) links_left_out: Vec<String>,
}

impl Files {
    /// Returns what is kept of `/output`. A link to a file is kept as a copy of the file, as long as all files together
    /// are not larger than `/output` can be. The work for links is limited.
    pub(crate) fn kept(&self) -> Kept {
        let mut kept = Kept::default();
        let mut links = Vec::new();
        let mut todo: Vec<(String, Arc<Directory>)> =
            self.output.iter().map(|root| (String::new(), root.clone())).collect();
        while let Some((path, directory)) = todo.pop() {
            for (name, node) in directory.list() {
                let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                match node {
                    Node::File(file) => kept.files.push((path, file)),
                    Node::Directory(directory) => todo.push((path, directory)),
                    Node::Link(_) => links.push((path, directory.clone(), name)),
                }
            }
        }
        links.sort_by(|one, other| one.0.cmp(&other.0));
        let mut bytes: u64 = kept.files.iter().map(|(_, file)| file.size()).sum();
        let meter = self.quota().meter();
        meter.take();
        let mut fuel = 0;
        for (path, directory, name) in links {
            if fuel >= MAX_FUEL {
                kept.links_left_out.push(path);
                continue;
            }
            let found = self.find(&directory, &name, Follow::Always);
            fuel += meter.take();
            match found {
                Ok(Node::File(file))
                    if file.as_device().is_none() && bytes.saturating_add(file.size()) <= MAX_OUTPUT_FILES_BYTES =>
                {
                    bytes += file.size();
                    kept.files.push((path, file));
                }
                _ => kept.links_left_out.push(path),
            }
        }
        kept.files.sort_by(|one, other| one.0.cmp(&other.0));
        kept
    }
}
