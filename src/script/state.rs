//! The state of a script: a JSON object that one run leaves to the next.

use crate::clock::Time;
use crate::exact::Exact;

/// The largest state as JSON, in bytes. The interpreter's side says the same (`python-wasm/harness/guest/context.py`).
pub const MAX_STATE: usize = 64 << 10;

/// A state as it was written, when it can be one: a JSON object, bounded in size and depth. The error is a sentence.
pub fn check_state(text: &str) -> Result<String, String> {
    let is_object = |state: &Exact| state.is_object();
    let state = Exact::parse(text).ok().filter(is_object).ok_or("a state is a JSON object")?;
    let state = state.compact(cronbox_runtime::limits::MAX_JSON_DEPTH).map_err(|flaw| format!("the state: {flaw}"))?;
    if state.get().len() > MAX_STATE {
        return Err(format!("a state is a JSON object of at most {MAX_STATE} bytes"));
    }
    Ok(state.get().to_owned())
}

/// A script's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptState {
    /// A JSON object.
    pub value: String,
    /// Counted up with every change; a state that was never written has 0.
    pub revision: i64,
    /// The run that wrote it; none: a request.
    pub run: Option<String>,
    /// When it was written.
    pub updated_at: Time,
}

/// What a run leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewState {
    /// A JSON object.
    pub value: String,
    /// The revision that the run has read.
    pub read: i64,
}
