//! How a run ended: a closed set, never a string to be parsed.

use crate::limits::{MAX_MESSAGE, MAX_NOTE, MAX_NOTES, MAX_TRACEBACK, MAX_TYPE_NAME};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::time::Duration;

/// How a run ended. Decided by the host alone: the guest's word counts only for what its own script returned or raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The entry returned and its result was taken.
    Succeeded,
    /// A Python exception, an exit status other than 0, or a result that cannot be taken.
    Failed,
    /// The wall clock ran out.
    TimedOut,
    /// The fuel ran out.
    OutOfFuel,
    /// The run ended, by `MemoryError` or a trap, after memory had been refused.
    OutOfMemory,
    /// The interpreter itself ended: a trap, an exhausted stack, an abort, `os._exit`, or its process died.
    Crashed,
    /// Somebody asked for it.
    Cancelled,
}

impl Outcome {
    /// The word for it in the API and on the command line.
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

/// Whether a function was called or the file ran from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A function was called.
    Function,
    /// The file ran as `__main__`.
    Script,
}

/// What becomes of the entry's return value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultKind {
    /// JSON, or what has one obvious JSON form; anything else fails the run.
    #[default]
    Json,
    /// What is not JSON is kept as its `str()`.
    Text,
    /// Not looked at.
    None,
}

/// What went wrong, in Python's terms where Python said it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptError {
    /// The exception's type, or a word for what stopped the run.
    #[serde(rename = "type")]
    pub type_name: String,
    /// One sentence.
    pub message: String,
    /// As CPython prints it, the user's lines only; empty when there is none.
    pub traceback: String,
    /// What the script gave to `sys.exit`, when that is how it ended: 1 where it was a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

impl ScriptError {
    /// An error without a traceback.
    pub fn new(type_name: impl Into<String>, message: impl Into<String>) -> Self {
        ScriptError { type_name: type_name.into(), message: message.into(), traceback: String::new(), exit_code: None }
    }

    /// The same within the bounds of what is kept with a run.
    pub(crate) fn bounded(self) -> Self {
        ScriptError {
            type_name: bounded_text(self.type_name, MAX_TYPE_NAME),
            message: bounded_text(self.message, MAX_MESSAGE),
            traceback: bounded_text(self.traceback, MAX_TRACEBACK),
            exit_code: self.exit_code,
        }
    }
}

/// Stands where a text was cut.
const CUT: &str = "… (cut)";

/// A text of at most `most` bytes, without NUL, which PostgreSQL keeps in no text.
fn bounded_text(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most.saturating_sub(CUT.len())));
        text.push_str(CUT);
    }
    if text.contains('\0') { text.replace('\0', "?") } else { text }
}

/// Notes within the bounds of what is kept with a run; where some are left out, the last one says so.
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

/// A line of the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLocation {
    /// The file as the script sees it: `/app/price.py`.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// The function's qualified name; `<module>` outside of any.
    pub function: String,
}

impl SourceLocation {
    /// Whether it may be shown: short, and without control characters.
    pub(crate) fn is_plausible(&self) -> bool {
        [&self.file, &self.function].iter().all(|text| text.len() <= 300 && !text.contains(char::is_control))
    }
}

/// What a run used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Units of fuel since the script's first instruction.
    pub fuel: u64,
    /// Most bytes of linear memory and files together.
    pub peak_memory_bytes: u64,
    /// Bytes of memory that were asked for last and refused; 0 when none were.
    #[serde(default)]
    pub refused_memory_bytes: u64,
    /// Wall-clock time, in nanoseconds, from the start in the sandbox to the end.
    #[serde(with = "nanos")]
    pub wall: Duration,
}

/// What a run did with one host and port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostUsage {
    /// `api.example.com:443`
    pub host: String,
    /// Connections that were made.
    pub connections: u64,
    /// Bytes that came from it.
    pub received_bytes: u64,
    /// Bytes that went to it.
    pub sent_bytes: u64,
    /// The time that connections were open, in milliseconds, of all together.
    pub ms: u64,
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

/// How many bytes a stream carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamUsage {
    /// Bytes the script wrote.
    pub bytes: u64,
    /// How many of them were beyond the limit and were not kept.
    pub dropped: u64,
}

/// Everything known about a run that ended.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// Function or script; unknown when it ended before that was decided.
    pub mode: Option<Mode>,
    /// The result, checked by the host to be JSON within bounds. There only with [`Outcome::Succeeded`].
    pub result: Option<Box<RawValue>>,
    /// What kind of result it is.
    pub result_kind: ResultKind,
    /// What went wrong; there for every outcome but `succeeded`, `cancelled` and the limits.
    pub error: Option<ScriptError>,
    /// Where the script stood when a limit or a crash stopped it, as far as that can be known.
    pub stopped_at: Option<SourceLocation>,
    /// Sentences for the user.
    pub notes: Vec<String>,
    /// What it used.
    pub usage: Usage,
    /// What it wrote to standard output.
    pub stdout: StreamUsage,
    /// What it wrote to standard error.
    pub stderr: StreamUsage,
    /// What it did on the network, by host.
    pub network: Vec<HostUsage>,
    /// How many attempts were lost with a sandbox process before this one.
    pub lost_attempts: u32,
}

/// The word for what stopped a run that never began.
const UNPLACED: &str = "NoProcess";

impl Report {
    /// A report of a run that ended without a word from the guest.
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
            lost_attempts: 0,
        }
    }

    /// A report of a run that never began, because no process could be had for it.
    pub(crate) fn unplaced(why: &str) -> Self {
        let mut report = Report::crashed(why);
        if let Some(error) = &mut report.error {
            error.type_name = UNPLACED.into();
        }
        report
    }

    /// Whether the run never began, because no process could be had for it: another try may find one.
    pub fn is_unplaced(&self) -> bool {
        self.outcome == Outcome::Crashed && self.error.as_ref().is_some_and(|error| error.type_name == UNPLACED)
    }

    /// A report of a crash, with the sentence that says which.
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
