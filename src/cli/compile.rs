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
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl CompileArgs {
    pub(super) fn execute(self) -> Exit {
        let made = match self.out {
            Some(file) => {
                complain("compiling the interpreter to machine code; this takes about ten seconds …");
                CompiledInterpreter::compile(&file).map_err(|error| error.to_string())
            }
            None => open_interpreter(&self.interpreter),
        };
        match made {
            Ok(made) if self.json => {
                let path = json!({"interpreter": made.path(), "compiled": made.compiled_now});
                let written = writeln!(std::io::stdout().lock(), "{path}");
                if written.is_ok() { Exit::Succeeded } else { Exit::Unavailable }
            }
            Ok(made) => {
                complain(&format!("the compiled interpreter is {}", made.path().display()));
                Exit::Succeeded
            }
            Err(why) => {
                complain(&why);
                Exit::Unavailable
            }
        }
    }
}
