//! A run under way, as its caller sees it.

use super::Pool;
use super::scrub::Scrubbed;
use crate::frame::{Reply, RunNumber, Stream};
use crate::outcome::Report;
use bytes::Bytes;
use std::collections::VecDeque;
use tokio::sync::mpsc;

/// What happens to a run, in order; [`Event::Done`] is the last.
#[derive(Debug)]
pub enum Event {
    /// The script wrote.
    Output {
        /// Where to.
        stream: Stream,
        /// What.
        bytes: Bytes,
    },
    /// It leaves a file under `/output`. Files come at its end, in the order of their paths.
    File {
        /// Below `/output`.
        path: String,
        /// What is in it.
        content: Bytes,
    },
    /// Its process died: it starts again, and what it wrote so far is void.
    Restarted,
    /// The script asks for something; answer with [`Run::reply`].
    Call {
        /// Names the question in the answer.
        number: u64,
        /// What is asked for.
        verb: String,
        /// The question, as JSON.
        request: String,
    },
    /// It is over.
    Done(Box<Report>),
}

/// A run under way. Dropping it cancels it.
pub struct Run {
    pub(super) pool: Pool,
    pub(super) number: RunNumber,
    pub(super) events: mpsc::UnboundedReceiver<Event>,
    /// What takes values of secrets out, when the run has any.
    pub(super) scrubbed: Option<Scrubbed>,
    /// What was heard and not told yet.
    pub(super) heard: VecDeque<Event>,
    pub(super) over: bool,
}

impl Run {
    /// What happens next; none after [`Event::Done`].
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.heard.pop_front() {
                self.over = matches!(event, Event::Done(_));
                return Some(event);
            }
            if self.over {
                return None;
            }
            let Some(event) = self.events.recv().await else {
                self.over = true;
                return None;
            };
            if let Event::Output { stream, bytes } = &event {
                self.pool.consumed(self.number, *stream, bytes.len() as u64);
            }
            match &mut self.scrubbed {
                Some(scrubbed) => self.heard.extend(scrubbed.take(event)),
                None => self.heard.push_back(event),
            }
        }
    }

    /// Waits for the end and brings all it wrote.
    pub async fn finish(mut self) -> (Report, Vec<u8>, Vec<u8>) {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(event) = self.next().await {
            match event {
                Event::Output { stream: Stream::Stdout, bytes } => stdout.extend_from_slice(&bytes),
                Event::Output { stream: Stream::Stderr, bytes } => stderr.extend_from_slice(&bytes),
                Event::Restarted => {
                    stdout.clear();
                    stderr.clear();
                }
                Event::File { .. } => {}
                Event::Call { number, verb, .. } => self.reply(number, Err(format!("nobody answers {verb} here"))),
                Event::Done(report) => return (*report, stdout, stderr),
            }
        }
        (Report::crashed("the pool ended"), stdout, stderr)
    }

    /// Answers a call of the script's.
    pub fn reply(&self, number: u64, answer: Result<String, String>) {
        self.pool.reply(self.number, &Reply { number, answer });
    }

    /// Asks the run to stop; its end comes as an event like any other.
    pub fn cancel(&self) {
        self.pool.cancel(self.number);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.over {
            self.cancel();
        }
    }
}
