//! What the environment says, read in one place.

use std::env;
use std::path::PathBuf;

/// Names the directory or file of the compiled interpreter.
pub const INTERPRETER_CACHE: &str = "CRONBOX_INTERPRETER_CACHE";

/// Where the compiled interpreter is kept: what the flag says, else `CRONBOX_INTERPRETER_CACHE`, else `cronbox` in the
/// user's cache directory (XDG). None when there is no home to keep it in.
pub fn interpreter_cache(flag: Option<PathBuf>) -> Option<PathBuf> {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    flag.or_else(|| named(INTERPRETER_CACHE))
        .or_else(|| named("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("cronbox")))
        .or_else(|| named("HOME").map(|home| home.join(".cache/cronbox")))
}
