//! The memory that the node keeps free for a run.

use crate::frame::{self, FrameKind, ParkedMemory, RunNumber, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// The way of a run to give back the memory that the node keeps free for it, while its own is away, and to get it again.
pub(crate) struct Admission {
    run: RunNumber,
    node: Sender,
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    /// The node keeps the memory free.
    #[default]
    Held,
    /// Others have it.
    GivenUp,
    /// The node was asked for it.
    Asked(Waker),
}

impl Admission {
    pub(crate) fn new(run: RunNumber, node: Sender) -> Arc<Self> {
        Arc::new(Admission { run, node, state: Mutex::default() })
    }

    /// Gives the memory back, but for the bytes that the run still takes.
    pub(crate) fn give_up(&self, bytes: u64) {
        *self.state() = State::GivenUp;
        self.node.send(FrameKind::Parked, self.run, &frame::to_json(&ParkedMemory { bytes }));
    }

    /// Asks for the memory once, and returns whether it is there. When it is not, the context is woken later.
    pub(crate) fn is_back(&self, context: &Context<'_>) -> bool {
        let mut state = self.state();
        match &mut *state {
            State::Held => return true,
            State::Asked(waker) => waker.clone_from(context.waker()),
            State::GivenUp => {
                *state = State::Asked(context.waker().clone());
                self.node.send(FrameKind::Wake, self.run, b"");
            }
        }
        false
    }

    /// The node has given it. An answer to nothing is ignored.
    pub(crate) fn give(&self) {
        let mut state = self.state();
        if let State::Asked(waker) = &mut *state {
            let waker = std::mem::replace(waker, Waker::noop().clone());
            *state = State::Held;
            drop(state);
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
