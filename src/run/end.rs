//! How an attempt ended, to be recorded, and what becomes of the record.

use super::{OutputFile, OutputTotals, Run, Status, Value, Written};
use crate::clock::Time;
use crate::script::NewState;
use chrono::TimeDelta;
use cronbox_runtime::report::{HostUsage, Mode, ResultKind, ScriptError};
use std::sync::Arc;
use std::time::Duration;

/// After so many attempts, one that meets a state which was written meanwhile is the last.
const MAX_CONFLICTS: i64 = 10;

/// What became of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// It was made.
    Done,
    /// It was made, and schedules that hang on the run are due.
    MakesDue,
    /// The attempt is no longer the holder's: nothing was changed.
    Late,
    /// The state of its script was written since the attempt read it: it was recorded as a failure, to be tried again or not.
    Conflict(Box<Ended>),
}

/// How an attempt ended, to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The outcome.
    pub status: Status,
    /// Function or script.
    pub mode: Option<Mode>,
    /// What it returned.
    pub result: Option<Value>,
    /// Its size as JSON.
    pub result_bytes: Option<u64>,
    /// The text of a result that is a blob: alerts look at it while the end is recorded.
    pub large_result: Option<Arc<str>>,
    /// What kind it is.
    pub result_kind: ResultKind,
    /// What went wrong.
    pub error: Option<ScriptError>,
    /// Sentences for the user.
    pub notes: Vec<String>,
    /// Units of fuel.
    pub fuel: u64,
    /// Units of fuel that importing its packages takes.
    pub import_fuel: u64,
    /// Most bytes in use.
    pub memory: u64,
    /// Wall-clock time.
    pub wall: Duration,
    /// What it used of the network, by host.
    pub network: Vec<HostUsage>,
    /// What it wrote.
    pub stdout: Output,
    /// What it wrote to standard error.
    pub stderr: Output,
    /// How many attempts were lost with sandbox processes within this one.
    pub lost: u32,
    /// When it is tried again, if it is.
    pub next: Option<Time>,
    /// Whether parts of its output were kept while it ran.
    pub has_parts: bool,
    /// Its script's key, when others may wait for its end.
    pub lock: Option<String>,
    /// Its schedule's key, and after how many failures in a row that is paused.
    pub pauses: Option<(String, u32)>,
    /// What it leaves to the next run of its script, when it succeeded.
    pub state: Option<NewState>,
    /// What it left under `/output`; none when it is tried again.
    pub files: Vec<OutputFile>,
}

impl Ended {
    /// An attempt that ended so, left nothing and used nothing, of a run that nothing waits for.
    pub fn new(status: Status) -> Ended {
        Ended {
            status,
            mode: None,
            result: None,
            result_bytes: None,
            large_result: None,
            result_kind: ResultKind::None,
            error: None,
            notes: Vec::new(),
            fuel: 0,
            import_fuel: 0,
            memory: 0,
            wall: Duration::ZERO,
            network: Vec::new(),
            stdout: Output::default(),
            stderr: Output::default(),
            lost: 0,
            next: None,
            has_parts: false,
            lock: None,
            pauses: None,
            state: None,
            files: Vec::new(),
        }
    }

    /// The same of this run: with what waits for its end, and the schedule that failures pause.
    pub fn of(run: &Run, status: Status) -> Ended {
        Ended { lock: Self::lock_of(run), pauses: run.schedule.clone().zip(run.spec.pause_after), ..Ended::new(status) }
    }

    /// A run that crashed and left nothing but this error.
    pub fn crashed(run: &Run, error: ScriptError, has_parts: bool) -> Ended {
        Ended { error: Some(error), has_parts, ..Ended::of(run, Status::Crashed) }
    }

    /// The script whose row is locked when a run of it ends: one whose runs, or whose schedule's, may wait for that.
    pub fn lock_of(run: &Run) -> Option<String> {
        run.script.clone().filter(|_| run.spec.concurrency.is_some() || run.spec.gated)
    }

    /// The same attempt when somebody wrote the state that it would have written: it failed, and is tried again at once,
    /// whatever the retry policy, unless that happened too often.
    pub fn conflicted(&self, attempt: i64, now: Time) -> Ended {
        let message = "another run of the script, or a request, wrote context.state while this one ran".to_owned();
        let error = ScriptError::new("StateConflict", message);
        let again = now + TimeDelta::milliseconds(20) * i32::try_from(attempt).unwrap_or(i32::MAX);
        Ended {
            status: Status::Failed,
            result: None,
            result_bytes: None,
            large_result: None,
            error: Some(error),
            next: (attempt < MAX_CONFLICTS).then_some(again),
            state: None,
            files: if attempt < MAX_CONFLICTS { Vec::new() } else { self.files.clone() },
            ..self.clone()
        }
    }

    /// How many files it left, and their bytes.
    pub fn left(&self) -> OutputTotals {
        OutputTotals { files: self.files.len() as u64, bytes: self.files.iter().map(|file| file.bytes).sum() }
    }

    /// The run as it is when this has been recorded as its end.
    pub fn applied_to(&self, run: &Run, now: Time) -> Run {
        Run {
            status: self.status,
            reason: None,
            mode: self.mode,
            result: self.result.clone(),
            result_bytes: self.result_bytes,
            result_kind: Some(self.result_kind),
            error: self.error.clone(),
            notes: self.notes.clone(),
            fuel: Some(self.fuel),
            import_fuel: self.import_fuel,
            memory: Some(self.memory),
            wall: Some(Duration::from_micros(u64::try_from(self.wall.as_micros()).unwrap_or(u64::MAX))),
            network: self.network.clone(),
            stdout: self.stdout.written,
            stderr: self.stderr.written,
            left: self.left(),
            finished_at: Some(now),
            lost: run.lost + self.lost,
            ..run.clone()
        }
    }
}

/// What a run wrote to one stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// The bytes, when they are few.
    pub inline: Option<Vec<u8>>,
    /// The blob, when they are many.
    pub blob: Option<String>,
    /// How many.
    pub written: Written,
}
