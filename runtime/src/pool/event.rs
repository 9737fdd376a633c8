//! The events of a run.

use crate::frame::Stream;
use crate::outcome::Report;
use bytes::Bytes;
use std::fmt;

/// An event of a run. The last one is [`Event::Done`].
#[derive(Debug)]
pub enum Event {
    /// The script wrote output.
    Output {
        /// The stream.
        stream: Stream,
        /// The bytes.
        bytes: Bytes,
    },
    /// The run leaves a file under `/output`. Files come at its end, in the order of their paths.
    File {
        /// The path below `/output`.
        path: String,
        /// The content.
        content: Bytes,
    },
    /// The process of the run died. The run starts again; drop what it wrote so far.
    Restarted,
    /// The script asks for something. Answer with [`Run::reply`](super::Run::reply).
    Call {
        /// The number of the call, for the answer.
        number: u64,
        /// The kind of the call.
        call: HostCall,
        /// The request as JSON.
        request: String,
    },
    /// The run has ended.
    Done(Box<Report>),
}

/// A call of a script to its host.
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
