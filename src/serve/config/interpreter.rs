//! Where the compiled interpreter is.

use super::BadSetting;
use crate::config;
use clap::Args;
use std::path::PathBuf;

/// Where the compiled interpreter is.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Interpreter")]
pub struct InterpreterConfig {
    /// Directory or file of the compiled interpreter; may be read-only [default: cronbox in the user's cache directory]
    #[arg(long, value_name = "DIR", env = "CRONBOX_INTERPRETER_CACHE")]
    pub interpreter_cache: Option<PathBuf>,
}

impl InterpreterConfig {
    /// Where it is kept; where there is no home, it is used where it came with the program.
    pub fn cache(&self) -> Result<PathBuf, BadSetting> {
        let named = self.interpreter_cache.clone();
        named.or_else(config::user_cache).or_else(config::shipped_interpreter).ok_or_else(|| {
            let why = "there is no home directory to keep the compiled interpreter in; name a directory";
            BadSetting::new("interpreter-cache", why)
        })
    }
}
