//! The processes of a pool. The program that embeds this crate is started again for each of them, with a word of its
//! own.

use crate::egress::egress_process;
use crate::harden::run_probe;
use crate::process::{ProcessArgs, sandbox_process};
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// The first argument of a sandbox process.
pub const SANDBOX_PROCESS: &str = "sandbox-process";
/// The first argument of an egress process, which makes the connections of all runs.
pub const EGRESS_PROCESS: &str = "egress-process";
/// The first argument of a probe of the locks of a sandbox process.
pub const SANDBOX_PROBE: &str = "sandbox-probe";

/// The exit status of a command line that no pool made.
const USAGE: u8 = 2;

/// Runs as the process of a pool that the command line names, and returns its exit status; none when it names no such
/// process.
///
/// A program that embeds this crate calls it first of all in its `main`, before it starts a thread or opens a file:
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     if let Some(status) = cronbox_runtime::dispatch_child() {
///         return status;
///     }
///     // The program itself.
///     ExitCode::SUCCESS
/// }
/// ```
pub fn dispatch_child() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let run: fn(&[String]) -> ExitCode = match words.next()?.to_str()? {
        SANDBOX_PROCESS => run_sandbox_process,
        EGRESS_PROCESS => run_egress_process,
        SANDBOX_PROBE => run_sandbox_probe,
        _ => return None,
    };
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    Some(run(&words))
}

fn run_sandbox_process(words: &[String]) -> ExitCode {
    match ProcessArgs::from_words(words) {
        Some(args) => status_of(sandbox_process(&args)),
        None => usage(),
    }
}

fn run_egress_process(words: &[String]) -> ExitCode {
    match parent(words) {
        Some(parent) => status_of(egress_process(parent)),
        None => usage(),
    }
}

fn run_sandbox_probe(words: &[String]) -> ExitCode {
    let Some((name, parent)) = words.split_first().and_then(|(name, rest)| Some((name, parent(rest)?))) else {
        return usage();
    };
    // At once: a process that was locked for the probe does nothing else.
    std::process::exit(run_probe(name, parent))
}

/// Returns the number of the process that started this one.
fn parent(words: &[String]) -> Option<u32> {
    let [parent] = words else { return None };
    parent.parse().ok()
}

fn status_of<E: fmt::Display>(ended: Result<(), E>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    complain(&"this command is for a pool of sandbox processes");
    ExitCode::from(USAGE)
}

/// Writes to standard error, which the pool reads for its log.
fn complain(what: &dyn fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{what}");
}
