//! What a handle of a guest's file or directory stands for.

use super::directory::Node;
use super::quota::Quota;
use crate::budget::HeldMemory;
use std::any::Any;
use std::sync::Arc;
use wasmtime_wasi::p2::bindings::sync::filesystem::types::DescriptorFlags;

/// An open file or directory.
pub(super) struct OpenNode {
    pub(super) node: Node,
    pub(super) flags: DescriptorFlags,
    pub(super) quota: Arc<Quota>,
    pub(super) _held: HeldMemory,
}

impl Drop for OpenNode {
    fn drop(&mut self) {
        self.quota.close();
    }
}

/// Whether an entry of a guest's table of handles is an open file.
pub(crate) fn is_open_file(entry: &(dyn Any + Send)) -> bool {
    entry.downcast_ref::<OpenNode>().is_some_and(|open| matches!(open.node, Node::File(_)))
}
