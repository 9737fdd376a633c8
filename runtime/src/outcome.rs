//! The report of a run: its outcome is one of a closed set, never a text to be parsed.

use crate::limits::{MAX_MESSAGE, MAX_NOTE, MAX_NOTES, MAX_TRACEBACK, MAX_TYPE_NAME};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;
use std::time::Duration;

/// The end of a run. The host alone decides it; the guest only says what its script returned or raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The entry returned, and its result was accepted.
    Succeeded,
    /// A Python exception, an exit status other than 0, or a result that is not accepted.
    Failed,
    /// The time limit was reached.
    TimedOut,
    /// The fuel was used up.
    OutOfFuel,
    /// The run ended, by `MemoryError` or a trap, after memory had been refused.
    OutOfMemory,
    /// The interpreter itself ended: a trap, an exhausted stack, an abort, `os._exit`, or its process died.
    Crashed,
    /// The caller cancelled it.
    Cancelled,
}

impl Outcome {
    /// Returns the word for it in the API and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed_out",
            Outcome::OutOfFuel => "out_of_fuel",
            Outcome::OutOfMemory => "out_of_memory",
            Outcome::Crashed => "crashed",
            Outcome::Cancelled => "cancelled",
        }
    }
}

/// The way a script is run: a function is called, or the file runs from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A function was called.
    Function,
    /// The file ran as `__main__`.
    Script,
}

/// The form in which the entry's return value is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultKind {
    /// JSON, or a value with one obvious JSON form. Any other value fails the run.
    #[default]
    Json,
    /// As JSON; a value that is not JSON is kept as its `str()`.
    Text,
    /// The value is ignored.
    None,
}

/// The error of a run: the exception, when Python raised one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptError {
    /// The exception's type, or a word for the reason why the run stopped.
    #[serde(rename = "type")]
    pub type_name: String,
    /// One sentence.
    pub message: String,
    /// The traceback as CPython prints it, with the user's lines only. Empty when there is none.
    pub traceback: String,
    /// The exit status, when the script called `sys.exit`. It is 1 when the argument was a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

/// `Type: message`, as the last line of a traceback.
impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.type_name, self.message)
    }
}

impl ScriptError {
    /// An error without a traceback.
    pub fn new(type_name: impl Into<String>, message: impl Into<String>) -> Self {
        ScriptError { type_name: type_name.into(), message: message.into(), traceback: String::new(), exit_code: None }
    }

    /// Returns the error cut to the size that is kept with a run.
    pub(crate) fn bounded(self) -> Self {
        ScriptError {
            type_name: bounded_text(self.type_name, MAX_TYPE_NAME),
            message: bounded_text(self.message, MAX_MESSAGE),
            traceback: bounded_text(self.traceback, MAX_TRACEBACK),
            exit_code: self.exit_code,
        }
    }
}

/// The mark where a text was cut.
const CUT: &str = "… (cut)";

/// Returns a text of at most `most` bytes, without NUL, which PostgreSQL cannot store.
fn bounded_text(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most.saturating_sub(CUT.len())));
        text.push_str(CUT);
    }
    if text.contains('\0') { text.replace('\0', "?") } else { text }
}

/// Returns notes cut to the size and number that are kept with a run. When some are left out, the last one says so.
pub(crate) fn bounded_notes(mut notes: Vec<String>) -> Vec<String> {
    let left_out = notes.len().saturating_sub(MAX_NOTES);
    if left_out > 0 {
        notes.truncate(MAX_NOTES - 1);
    }
    let mut notes: Vec<String> = notes.into_iter().map(|note| bounded_text(note, MAX_NOTE)).collect();
    if left_out > 0 {
        notes.push(format!("{} more notes were left out", left_out + 1));
    }
    notes
}

/// A line of the user's source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLocation {
    /// The file as the script sees it, such as `/app/price.py`.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
    /// The function's qualified name; `<module>` outside of functions.
    pub function: String,
}

impl SourceLocation {
    /// Returns true when it can be shown: it is short and has no control characters.
    pub(crate) fn is_plausible(&self) -> bool {
        [&self.file, &self.function].iter().all(|text| text.len() <= 300 && !text.contains(char::is_control))
    }
}

/// The resources that a run used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Units of fuel since the script's first instruction.
    pub fuel: u64,
    /// Units of fuel that importing its packages takes at its beginning, also when the sandbox began as an image that had
    /// them imported. Not part of `fuel`, and not counted against the limit of it.
    #[serde(default)]
    pub import_fuel: u64,
    /// The peak of linear memory and files together, in bytes.
    pub peak_memory_bytes: u64,
    /// Bytes of the last request for memory that was refused; 0 when none was.
    #[serde(default)]
    pub refused_memory_bytes: u64,
    /// Wall-clock time from the start in the sandbox to the end. Serialised in nanoseconds.
    #[serde(with = "nanos")]
    pub wall: Duration,
}

/// The use that a run made of one host and port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostUsage {
    /// Host and port, such as `api.example.com:443`.
    pub host: String,
    /// Connections that were made.
    pub connections: u64,
    /// Bytes received from it.
    pub received_bytes: u64,
    /// Bytes sent to it.
    pub sent_bytes: u64,
    /// The time that connections to it were open, in milliseconds, added up.
    pub ms: u64,
}

/// One connection of a run, for traces. Times are given backwards from the end of the run: no clock is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Host and port, such as `api.example.com:443`.
    pub host: String,
    /// The time from its opening to the end of the run. Serialised in nanoseconds.
    #[serde(with = "nanos")]
    pub opened_before_end: Duration,
    /// The time that it was open. Serialised in nanoseconds.
    #[serde(with = "nanos")]
    pub open_for: Duration,
}

mod nanos {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_nanos()).unwrap_or(u64::MAX))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_nanos)
    }
}

/// The size of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamUsage {
    /// Bytes the script wrote.
    pub bytes: u64,
    /// Bytes of these that were over the limit and are not kept.
    pub dropped: u64,
}

/// The end of a run, and all that is known about it.
#[derive(Debug)]
pub struct Report {
    /// The outcome.
    pub outcome: Outcome,
    /// The mode; none when the run ended before it was known.
    pub mode: Option<Mode>,
    /// The result. The host has checked that it is JSON, its size and its depth. Only with [`Outcome::Succeeded`].
    pub result: Option<Box<RawValue>>,
    /// The kind of the result.
    pub result_kind: ResultKind,
    /// The error. None for `succeeded`, `cancelled` and the limits.
    pub error: Option<ScriptError>,
    /// The line at which a limit or a crash stopped the script, when it is known.
    pub stopped_at: Option<SourceLocation>,
    /// Notes for the user, a sentence each.
    pub notes: Vec<String>,
    /// The resources that it used.
    pub usage: Usage,
    /// The size of standard output.
    pub stdout: StreamUsage,
    /// The size of standard error.
    pub stderr: StreamUsage,
    /// The use of the network, by host.
    pub network: Vec<HostUsage>,
    /// The first connections, in the order in which they ended.
    pub connections: Vec<Connection>,
    /// The number of attempts before this one that were lost because their sandbox process died.
    pub lost_attempts: u32,
}

/// The error type of a run that never started.
const UNPLACED: &str = "NoProcess";

impl Report {
    /// Returns the report of a run about whose end the guest has said nothing.
    pub(crate) fn ended(outcome: Outcome) -> Self {
        Report {
            outcome,
            mode: None,
            result: None,
            result_kind: ResultKind::None,
            error: None,
            stopped_at: None,
            notes: Vec::new(),
            usage: Usage::default(),
            stdout: StreamUsage::default(),
            stderr: StreamUsage::default(),
            network: Vec::new(),
            connections: Vec::new(),
            lost_attempts: 0,
        }
    }

    /// Returns the report of a run that never started, because there was no process for it.
    pub(crate) fn unplaced(why: &str) -> Self {
        let mut report = Report::crashed(why);
        if let Some(error) = &mut report.error {
            error.type_name = UNPLACED.into();
        }
        report
    }

    /// Returns true when the run never started, because there was no process for it. A later attempt can succeed.
    pub fn is_unplaced(&self) -> bool {
        self.outcome == Outcome::Crashed && self.error.as_ref().is_some_and(|error| error.type_name == UNPLACED)
    }

    /// Returns the report of a crash, with a sentence about it.
    pub(crate) fn crashed(message: impl Into<String>) -> Self {
        let mut report = Report::ended(Outcome::Crashed);
        report.error = Some(ScriptError::new("Crashed", message));
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_with_a_run_is_bounded_and_says_where_it_was_cut() {
        let notes = bounded_notes(vec!["ä".repeat(MAX_NOTE); 20]);
        assert_eq!(notes.len(), MAX_NOTES);
        assert!(notes.iter().all(|note| note.len() <= MAX_NOTE));
        assert!(notes[0].starts_with("ää") && notes[0].ends_with(CUT));
        assert_eq!(notes[15], "5 more notes were left out");
        let few = vec!["a".to_owned(), "b\0".to_owned()];
        assert_eq!(bounded_notes(few), ["a", "b?"]);
        assert_eq!(bounded_notes(vec!["n".into(); MAX_NOTES]), ["n"; MAX_NOTES]);
        let long = || "x".repeat(10 << 20);
        let error = ScriptError { traceback: long(), ..ScriptError::new(long(), long()) }.bounded();
        let sizes = [error.type_name.len(), error.message.len(), error.traceback.len()];
        assert_eq!(sizes, [MAX_TYPE_NAME, MAX_MESSAGE, MAX_TRACEBACK]);
    }
}
