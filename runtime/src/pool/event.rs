//! What happens to a run.

use crate::frame::Stream;
use crate::outcome::Report;
use bytes::Bytes;

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
