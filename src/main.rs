//! The program: parse, run, exit code.

use clap::Parser;
use cronbox::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    Cli::parse().execute()
}
