//! The program: parse, run, exit code.

use clap::Parser;
use cronbox::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(status) = cronbox_runtime::dispatch_child() {
        return status;
    }
    Cli::parse().execute()
}
