//! Exit codes: one place says what each means, for every command.

use crate::run::Status;
use cronbox_runtime::Outcome;
use std::process::ExitCode;

/// Exit codes, the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It worked.
    Succeeded = 0,
    /// The script failed, or a check did.
    Failed = 1,
    /// The user must change something: the command, the script, or what was asked of the server.
    Usage = 2,
    /// A limit stopped the script.
    Limit = 3,
    /// The interpreter crashed.
    Crashed = 4,
    /// No sandbox could be made, or no server answered, or it could not do it now.
    Unavailable = 5,
    /// The server does not allow it.
    Forbidden = 6,
    /// Interrupted from the keyboard, or the run was cancelled.
    Interrupted = 130,
}

/// The same for people, at the end of `--help`.
pub(super) const HELP: &str = "Exit codes:
  0    it worked; a run succeeded
  1    the script failed, or a check did
  2    something must be changed: the command, the script, or what was asked
       of the server (it answered 400, 404, 409, 422 …)
  3    a limit stopped the script (fuel, memory, time)
  4    the interpreter crashed, or the run was abandoned
  5    no server answers, it cannot do it now (429, 5xx), or there is no sandbox
  6    the server does not allow it (401, 403): see CRONBOX_TOKEN
  130  interrupted with Ctrl-C, or the run was cancelled";

impl Exit {
    /// What an answer of the server's that is not a success comes to.
    pub(super) fn of_answer(status: u16) -> Self {
        match status {
            401 | 403 => Exit::Forbidden,
            // Too slow, or too much at once: the same request may do later.
            408 | 425 | 429 => Exit::Unavailable,
            400..=499 => Exit::Usage,
            _ => Exit::Unavailable,
        }
    }

    /// What a run without a server comes to.
    pub(super) fn of_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Exit::Succeeded,
            Outcome::Failed => Exit::Failed,
            Outcome::TimedOut | Outcome::OutOfFuel | Outcome::OutOfMemory => Exit::Limit,
            Outcome::Crashed => Exit::Crashed,
            Outcome::Cancelled => Exit::Interrupted,
        }
    }

    /// What a run's status comes to. One that has not ended yet counts as failed.
    pub(super) fn of_run(status: Option<Status>) -> Self {
        match status {
            Some(Status::Succeeded) => Exit::Succeeded,
            Some(Status::TimedOut | Status::OutOfFuel | Status::OutOfMemory) => Exit::Limit,
            Some(Status::Crashed | Status::Abandoned) => Exit::Crashed,
            Some(Status::Cancelled) => Exit::Interrupted,
            _ => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C5: a script that is wrong, a server that is away and a token that does not allow it are told apart.
    #[test]
    fn answers_of_the_server_are_told_apart() {
        for (status, exit) in [
            (400, Exit::Usage),
            (404, Exit::Usage),
            (405, Exit::Usage),
            (409, Exit::Usage),
            (413, Exit::Usage),
            (422, Exit::Usage),
            (401, Exit::Forbidden),
            (403, Exit::Forbidden),
            (429, Exit::Unavailable),
            (500, Exit::Unavailable),
            (502, Exit::Unavailable),
            (503, Exit::Unavailable),
            (507, Exit::Unavailable),
        ] {
            assert_eq!(Exit::of_answer(status), exit, "{status}");
        }
        for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "130 "] {
            assert!(HELP.lines().any(|line| line.trim_start().starts_with(code)), "{code}");
        }
    }
}
