//! Messages of the program itself, sent by the egress process.

use super::Pool;
use crate::egress::{Outbound, OutboundAnswer, OutboundFailure};
use crate::frame::{self, FrameKind};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::oneshot;

/// The time for the start of an egress process, and for its frames, beyond the time of a message.
const BEYOND: Duration = Duration::from_secs(10);

type Answer = Result<OutboundAnswer, OutboundFailure>;

/// Messages that are on their way, by their numbers.
#[derive(Default)]
pub(super) struct Sends {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    /// Those for an egress process that has not said hello.
    unsent: Vec<(u64, Vec<u8>)>,
}

impl Sends {
    /// Sends what waited for an egress process.
    pub(super) fn begin(&mut self, link: &frame::Sender) {
        for (number, payload) in self.unsent.drain(..) {
            link.send(FrameKind::Outbound, number, &payload);
        }
    }

    /// Hands an answer to whoever waits for it.
    pub(super) fn end(&mut self, number: u64, answer: Answer) {
        if let Some(waiting) = self.waiting.remove(&number) {
            // Who waited can have gone.
            let _ = waiting.send(answer);
        }
    }

    /// The egress process has ended: what it was sending is lost.
    pub(super) fn lose(&mut self, why: &str) {
        self.unsent.clear();
        for (_, waiting) in self.waiting.drain() {
            let text = format!("the egress process ended before there was an answer: {why}");
            let _ = waiting.send(Err(OutboundFailure::new(text)));
        }
    }
}

impl Pool {
    /// Sends a message by the egress process, and waits for the answer.
    ///
    /// # Errors
    /// There is no answer: the address is refused, nobody answers, the egress process ended meanwhile.
    pub async fn send(&self, outbound: &Outbound) -> Answer {
        if self.inner.config.egress.command.is_empty() {
            return Err(OutboundFailure::new("this server has no egress process, so it sends nothing"));
        }
        let payload = frame::to_json(outbound);
        let (number, answer) = {
            let mut state = self.lock();
            let state = &mut *state;
            self.ensure_egress(state);
            state.sends.last += 1;
            let number = state.sends.last;
            let (sender, answer) = oneshot::channel();
            state.sends.waiting.insert(number, sender);
            match state.egress.as_ref().filter(|egress| egress.hardening.is_some()) {
                Some(egress) => egress.link.send(FrameKind::Outbound, number, &payload),
                None => state.sends.unsent.push((number, payload)),
            }
            (number, answer)
        };
        let _entry = Entry { pool: self, number };
        match tokio::time::timeout(outbound.within + BEYOND, answer).await {
            Ok(Ok(answer)) => answer,
            _ => Err(OutboundFailure::new("the egress process did not answer in time")),
        }
    }
}

/// The entry of a message, removed when nobody waits for it any more.
struct Entry<'p> {
    pool: &'p Pool,
    number: u64,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.sends.waiting.remove(&self.number);
        let number = self.number;
        state.sends.unsent.retain(|(unsent, _)| *unsent != number);
    }
}
