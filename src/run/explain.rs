//! How a run that ended is told to people: what stopped it, against which limit, and what to type.

use crate::limits::RequestedLimits;
use crate::quantity;
use cronbox_runtime::report::{ScriptError, SourceLocation, StreamUsage};
use cronbox_runtime::{Limits, Outcome, Report};

/// Under what a run ran.
#[derive(Clone, Copy, Debug)]
pub struct LimitContext {
    /// What was in force.
    pub limits: Limits,
    /// What was asked for; the rest is default.
    pub asked: RequestedLimits,
    /// The most that can be asked for.
    pub ceiling: Limits,
}

impl LimitContext {
    /// What stopped the run, against which limit, what to type, and where the script stood. None for a run that nothing
    /// stopped.
    pub fn stop_sentence(&self, report: &Report) -> Option<String> {
        let sentence = self.reason(report)?;
        Some(match &report.stopped_at {
            Some(SourceLocation { file, line, function }) => {
                format!("{sentence}; it stopped at {file}, line {line}, in {function}")
            }
            None => sentence,
        })
    }

    fn reason(&self, report: &Report) -> Option<String> {
        let LimitContext { limits, asked, ceiling } = self;
        let given = |asked: bool| if asked { "" } else { ", the default" };
        Some(match report.outcome {
            Outcome::TimedOut => format!(
                "stopped after {} (limit {}{}; raise with --timeout or limits.timeout; the ceiling is {})",
                quantity::duration(report.usage.wall),
                quantity::duration(limits.wall),
                given(asked.timeout.is_some()),
                quantity::duration(ceiling.wall),
            ),
            Outcome::OutOfFuel if report.usage.fuel == 0 && report.usage.import_fuel > 0 => format!(
                "stopped while its packages were imported, after {} (raise with --fuel, --cpu or limits.fuel; the ceiling is {})",
                quantity::fuel_and_time(report.usage.import_fuel),
                quantity::fuel(ceiling.fuel),
            ),
            Outcome::OutOfFuel => format!(
                "stopped after {} (limit {}{}; raise with --fuel, --cpu or limits.fuel; the ceiling is {})",
                quantity::fuel_and_time(report.usage.fuel),
                quantity::fuel(limits.fuel),
                given(asked.fuel.is_some()),
                quantity::fuel(ceiling.fuel),
            ),
            Outcome::OutOfMemory => format!(
                "stopped at {} of memory{} (limit {}{}; raise with --memory or limits.memory; the ceiling is {})",
                quantity::bytes(report.usage.peak_memory_bytes),
                refused(report.usage.refused_memory_bytes),
                quantity::bytes(limits.memory),
                given(asked.memory.is_some()),
                quantity::bytes(ceiling.memory),
            ),
            Outcome::Crashed => report.error.as_ref()?.message.clone(),
            Outcome::Failed => {
                // The traceback ends with the message; without one the message stands alone.
                report.error.as_ref().filter(|error| error.traceback.is_empty())?.to_string()
            }
            Outcome::Succeeded | Outcome::Cancelled => return None,
        })
    }

    /// What went wrong: the script's own word, or what stopped it.
    pub fn error(&self, report: &Report) -> Option<ScriptError> {
        let stopped = |type_name: &str| {
            let message = self.stop_sentence(report).unwrap_or_default();
            Some(ScriptError::new(type_name, message))
        };
        match (&report.error, report.outcome) {
            // Python raises MemoryError without a message.
            (Some(error), Outcome::OutOfMemory) if error.message.is_empty() => {
                Some(ScriptError { message: self.stop_sentence(report).unwrap_or_default(), ..error.clone() })
            }
            (Some(error), _) => Some(error.clone()),
            (None, Outcome::TimedOut) => stopped("TimedOut"),
            (None, Outcome::OutOfFuel) => stopped("OutOfFuel"),
            (None, Outcome::OutOfMemory) => stopped("OutOfMemory"),
            (None, _) => None,
        }
    }
}

/// What the script asked for when it was stopped, where that says more than the limit alone.
fn refused(bytes: u64) -> String {
    if bytes < 1 << 20 { String::new() } else { format!(" when it asked for {} more", quantity::bytes(bytes)) }
}

/// What stands at the end of a stream of which not everything was kept; empty when it was. `limit` is in bytes.
pub fn cut_mark(usage: &StreamUsage, limit: u64) -> String {
    if usage.dropped == 0 {
        return String::new();
    }
    let (dropped, limit) = (quantity::bytes(usage.dropped), quantity::bytes(limit));
    format!(
        "\n[cut here: {dropped} more were written; the limit is {limit}, raise it with --output-limit or limits.output]\n"
    )
}
