//! The log: text for a person at a terminal, JSON for everything else, on standard error. Fields have the same names
//! everywhere: `run.id`, `request.id`, `script`, `node`, `status`, `attempt`, `http.method`, `http.path`, `http.status`,
//! `duration_ms`, `error`.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// What is told unless the operator says otherwise.
const DEFAULT: &str = "info";

/// Begins to log. `filter` is a level, or directives such as `info,cronbox::http=debug`.
pub fn begin(filter: Option<&str>, json: Option<bool>) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter.unwrap_or(DEFAULT)).map_err(|error| error.to_string())?;
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A log that was begun before, by a test, goes on.
    let _ = if json.unwrap_or(!terminal) {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    } else {
        builder.with_ansi(terminal).with_target(false).try_init()
    };
    Ok(())
}
