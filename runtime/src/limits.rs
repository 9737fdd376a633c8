//! The limits of a run, and the check that they make sense.

use serde::{Deserialize, Serialize};
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Fuel that one second of CPU time uses: the median of the benchmark's kernels on the machine of the README's figures.
/// Other code uses between half and three times as much.
pub const FUEL_PER_SECOND: f64 = 6.5e9;

/// The largest limits that a job can have.
pub const CEILING: Limits = Limits {
    fuel: 2_000_000_000_000,
    memory: 1024 * MIB,
    wall: Duration::from_secs(60 * 60),
    stdout: 64 * MIB,
    stderr: 64 * MIB,
    result: 16 * MIB as u32,
    files: 1024 * MIB,
};

/// Largest arguments, in bytes of JSON.
pub const MAX_ARGS: usize = 256 << 10;
/// Largest source, in bytes.
pub const MAX_SOURCE: usize = 1 << 20;
/// Deepest nesting of arguments and results: well below CPython's recursion limit (1,000) and the depth that serde_json
/// parses by default (128).
pub const MAX_JSON_DEPTH: usize = 100;

/// Most notes of a run, and most bytes of one.
pub(crate) const MAX_NOTES: usize = 16;
pub(crate) const MAX_NOTE: usize = 1 << 10;
/// The fuel that importing a script's packages can take at least, when the limit of the script's own fuel is smaller: some
/// three seconds.
pub const IMPORT_FUEL: u64 = 20_000_000_000;
/// Most bytes of the name of an exception's type, of its message, and of a traceback. The guest stays below them.
pub(crate) const MAX_TYPE_NAME: usize = 1 << 10;
pub(crate) const MAX_MESSAGE: usize = 16 << 10;
pub(crate) const MAX_TRACEBACK: usize = 64 << 10;

/// Most bytes that a run can leave under `/output`.
pub const MAX_OUTPUT_FILES_BYTES: u64 = 16 * MIB;
/// Most files and directories that a run can leave there.
pub const MAX_OUTPUT_FILES: u64 = 256;

/// Longest name of a file, in bytes.
pub(crate) const MAX_NAME: usize = 255;
/// Longest path in one call, in bytes.
pub(crate) const MAX_PATH: usize = 4_096;
/// Deepest nesting of directories.
pub(crate) const MAX_DEPTH: usize = 64;
/// Longest path of a file in the tree, in bytes. A script reaches it with several calls, each relative to the one
/// before.
pub(crate) const MAX_WHOLE_PATH: usize = (MAX_DEPTH + 1) * (MAX_NAME + 1);

/// What one run can use. A run that reaches a limit is stopped, or refused what would take it beyond.
///
/// ```
/// use cronbox_runtime::limits::{CEILING, LimitError, LimitName, Limits};
///
/// let interpreter = 20 << 20;
/// assert_eq!(Limits::default().check(interpreter), Ok(()));
/// let endless = Limits { fuel: CEILING.fuel * 2, ..Limits::default() };
/// assert!(matches!(endless.check(interpreter), Err(LimitError::AboveCeiling { name: LimitName::Fuel, .. })));
/// let tiny = Limits { memory: 1 << 20, ..Limits::default() };
/// assert_eq!(tiny.check(interpreter), Err(LimitError::BelowInterpreter { asked: 1 << 20, needed: interpreter }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Units of fuel: about one per WebAssembly instruction, as the guest counts its own work, from the first instruction of
    /// the script itself.
    pub fuel: u64,
    /// Bytes of memory: the interpreter's linear memory and the files under `/tmp` and `/output` together.
    pub memory: u64,
    /// Wall-clock time, including the start of the sandbox.
    pub wall: Duration,
    /// Bytes of standard output that are kept.
    pub stdout: u64,
    /// Bytes of standard error that are kept.
    pub stderr: u64,
    /// Bytes of the result as JSON text.
    pub result: u32,
    /// Bytes of all files under `/tmp`.
    pub files: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            fuel: 200_000_000_000,
            memory: 256 * MIB,
            wall: Duration::from_secs(60),
            stdout: MIB,
            stderr: MIB,
            result: MIB as u32,
            files: 64 * MIB,
        }
    }
}

/// The name of a limit, as in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitName {
    /// [`Limits::fuel`]
    Fuel,
    /// [`Limits::memory`]
    Memory,
    /// [`Limits::wall`]
    Timeout,
    /// [`Limits::stdout`] and [`Limits::stderr`]
    Output,
    /// [`Limits::result`]
    Result,
    /// [`Limits::files`]
    Files,
}

/// A limit with which no run can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The limit is 0.
    #[error("the limit {0:?} must be greater than 0")]
    Zero(LimitName),
    /// More than [`CEILING`] allows, in the limit's unit (bytes, units of fuel, or milliseconds).
    #[error("the limit {name:?} is {asked}; the ceiling is {ceiling}")]
    AboveCeiling {
        /// The limit.
        name: LimitName,
        /// The value of the job.
        asked: u64,
        /// The largest value that is accepted.
        ceiling: u64,
    },
    /// Less memory than the interpreter itself needs, in bytes.
    #[error("a memory limit of {asked} bytes is too small; the interpreter itself needs {needed} bytes")]
    BelowInterpreter {
        /// The value of the job.
        asked: u64,
        /// The smallest value that is accepted.
        needed: u64,
    },
}

impl Limits {
    /// Checks every limit against 0, [`CEILING`] and the memory that the interpreter needs, in bytes.
    pub fn check(&self, interpreter_memory: u64) -> Result<(), LimitError> {
        let rows = [
            (LimitName::Fuel, self.fuel, CEILING.fuel),
            (LimitName::Memory, self.memory, CEILING.memory),
            (LimitName::Timeout, millis(self.wall), millis(CEILING.wall)),
            (LimitName::Output, self.stdout, CEILING.stdout),
            (LimitName::Output, self.stderr, CEILING.stderr),
            (LimitName::Result, self.result.into(), CEILING.result.into()),
            (LimitName::Files, self.files, CEILING.files),
        ];
        for (name, asked, ceiling) in rows {
            if asked == 0 {
                return Err(LimitError::Zero(name));
            }
            if asked > ceiling {
                return Err(LimitError::AboveCeiling { name, asked, ceiling });
            }
        }
        if self.memory < interpreter_memory {
            return Err(LimitError::BelowInterpreter { asked: self.memory, needed: interpreter_memory });
        }
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    // A time below a millisecond is not zero.
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_and_the_ceiling_pass() {
        assert_eq!(Limits::default().check(32 * MIB), Ok(()));
        assert_eq!(CEILING.check(32 * MIB), Ok(()));
    }

    #[test]
    fn nothing_too_much_and_too_little_are_named() {
        let zero = Limits { wall: Duration::ZERO, ..Limits::default() };
        assert_eq!(zero.check(0), Err(LimitError::Zero(LimitName::Timeout)));
        let much = Limits { fuel: u64::MAX, ..Limits::default() };
        assert!(matches!(much.check(0), Err(LimitError::AboveCeiling { name: LimitName::Fuel, .. })));
        let little = Limits { memory: MIB, ..Limits::default() };
        assert_eq!(little.check(32 * MIB), Err(LimitError::BelowInterpreter { asked: MIB, needed: 32 * MIB }));
        let tiny = Limits { wall: Duration::from_nanos(1), ..Limits::default() };
        assert_eq!(tiny.check(0), Ok(()));
    }
}
