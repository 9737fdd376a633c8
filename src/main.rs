//! The program: parse, run, exit code.

use cronbox::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(status) = cronbox_runtime::dispatch_child() {
        return status;
    }
    match Cli::typed() {
        Ok(cli) => cli.execute(),
        Err(status) => status,
    }
}
