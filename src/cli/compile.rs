//! `cronbox compile`: the machine code of the interpreter, before anybody waits for it.

use super::{Exit, complain, open_interpreter};
use crate::serve::config::InterpreterConfig;
use clap::Args;
use cronbox_runtime::CompiledInterpreter;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

/// What `cronbox compile` takes.
#[derive(Debug, Args)]
pub(super) struct CompileArgs {
    #[command(flatten)]
    interpreter: InterpreterConfig,
    /// Write to this file instead, and what belongs to it beside it; give it to other commands with --interpreter-cache
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write machine code for every x86-64 processor since about 2013 into this directory; a program that has it beside
    /// itself, in the directory `interpreter`, need not compile
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "interpreter_cache"])]
    portable: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl CompileArgs {
    pub(super) fn execute(self) -> Exit {
        let announce = || complain("compiling the interpreter to machine code; this takes about ten seconds …");
        // The path, and whether it was compiled now.
        let made = match (self.portable, self.out) {
            (Some(directory), _) => {
                announce();
                CompiledInterpreter::compile_to_ship(&directory).map(|path| (path, true)).map_err(|e| e.to_string())
            }
            (None, Some(file)) => {
                announce();
                let made = CompiledInterpreter::compile(&file).map_err(|error| error.to_string());
                made.map(|made| (made.path().to_owned(), made.compiled_now))
            }
            (None, None) => open_interpreter(&self.interpreter).map(|made| (made.path().to_owned(), made.compiled_now)),
        };
        match made {
            Ok((path, compiled_now)) if self.json => {
                let path = json!({"interpreter": path, "compiled": compiled_now});
                let written = writeln!(std::io::stdout().lock(), "{path}");
                if written.is_ok() { Exit::Succeeded } else { Exit::Unavailable }
            }
            Ok((path, _)) => {
                complain(&format!("the compiled interpreter is {}", path.display()));
                Exit::Succeeded
            }
            Err(why) => {
                complain(&why);
                Exit::Unavailable
            }
        }
    }
}
