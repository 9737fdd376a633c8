//! What happens to a run.

use crate::frame::Stream;
use crate::outcome::Report;
use bytes::Bytes;
use std::fmt;

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
        call: HostCall,
        /// The question, as JSON.
        request: String,
    },
    /// It is over.
    Done(Box<Report>),
}

/// What a script asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostCall {
    /// The result of the run before this one, as `context.previous_result`.
    PreviousResult,
    /// The run that this one follows, as `context.upstream`.
    Upstream,
    /// The state that the script kept, as `context.state`.
    State,
    /// The state to keep, which is in the request.
    SetState,
    /// A part of standard input, which the request names.
    Stdin,
    /// A word that this version does not know, from a script that called the host by itself. Answer it with an error.
    Other(String),
}

impl HostCall {
    pub(super) fn from_word(word: String) -> Self {
        match &*word {
            "previous_result" => HostCall::PreviousResult,
            "upstream" => HostCall::Upstream,
            "state" => HostCall::State,
            "set_state" => HostCall::SetState,
            "stdin" => HostCall::Stdin,
            _ => HostCall::Other(word),
        }
    }

    /// Returns the word for it in the guest's interface.
    pub fn as_str(&self) -> &str {
        match self {
            HostCall::PreviousResult => "previous_result",
            HostCall::Upstream => "upstream",
            HostCall::State => "state",
            HostCall::SetState => "set_state",
            HostCall::Stdin => "stdin",
            HostCall::Other(word) => word,
        }
    }
}

impl fmt::Display for HostCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
