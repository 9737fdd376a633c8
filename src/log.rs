//! The log: text for a person at a terminal, JSON for everything else, on standard error. Fields have the same names
//! everywhere: `run.id`, `request.id`, `script`, `node`, `status`, `attempt`, `http.method`, `http.path`, `http.status`,
//! `duration_ms`, `error`.

use crate::clock::{Clock, rfc3339};
use serde_json::json;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// What PostgreSQL says beside its answers ("relation … already exists, skipping") is nothing for the log of every day.
const QUIET: &str = "sqlx=warn";

/// The filter that the operator wants, with what is quiet unless they name it.
fn with_quiet(filter: &str) -> String {
    if filter.contains("sqlx") { filter.to_owned() } else { format!("{filter},{QUIET}") }
}

/// A line for the operator, as the log writes JSON.
pub fn line(message: &str) -> String {
    let now = rfc3339(Clock::system().now());
    json!({"timestamp": now, "level": "INFO", "message": message, "target": "cronbox"}).to_string()
}

/// Begins to log. `filter` is a level, or directives such as `info,cronbox::http=debug`.
pub fn begin(filter: &str, json: Option<bool>) -> Result<(), String> {
    let filter = with_quiet(filter);
    let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// D18: a line of the start is JSON as the log's are, and notices of the database are not told every day.
    #[test]
    fn lines_are_json_and_notices_are_quiet() {
        let value: serde_json::Value = serde_json::from_str(&line("up at \"x\"")).expect("JSON");
        assert_eq!((&value["level"], &value["message"]), (&"INFO".into(), &"up at \"x\"".into()));
        assert_eq!(with_quiet("info"), "info,sqlx=warn");
        assert_eq!(with_quiet("info,sqlx=debug"), "info,sqlx=debug");
        for filter in ["info", "warn,cronbox=debug"] {
            EnvFilter::try_new(with_quiet(filter)).expect("a filter");
        }
    }
}
