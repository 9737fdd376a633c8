//! A guest's questions to the node.

use crate::frame::{self, Call, FrameKind, RunNumber, Sender};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// The way of a guest to ask the node.
#[derive(Clone)]
pub(crate) struct NodeCalls {
    run: RunNumber,
    node: Sender,
    pending: Arc<Mutex<Pending>>,
}

#[derive(Default)]
struct Pending {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Result<String, String>>>,
}

impl NodeCalls {
    pub(crate) fn new(run: RunNumber, node: Sender) -> Self {
        NodeCalls { run, node, pending: Arc::default() }
    }

    /// Takes the node's answer. An answer to no call is dropped.
    pub(crate) fn answer(&self, reply: frame::Reply) {
        let waiting = self.pending.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&reply.number);
        if let Some(waiting) = waiting {
            // The run has possibly ended.
            let _ = waiting.send(reply.answer);
        }
    }

    pub(super) fn ask(&self, verb: String, request: String) -> oneshot::Receiver<Result<String, String>> {
        let (sender, receiver) = oneshot::channel();
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.last += 1;
        let number = pending.last;
        pending.waiting.insert(number, sender);
        drop(pending);
        self.node.send(FrameKind::Call, self.run, &frame::to_json(&Call { number, verb, request }));
        receiver
    }
}
