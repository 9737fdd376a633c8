//! How long things are kept.

use super::values::{age, count};
use crate::cleaner::Retention;
use crate::quantity::parse_bytes;
use crate::script::Keep;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// How long things are kept.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Retention")]
pub struct RetentionConfig {
    /// How long what runs wrote is kept
    #[arg(long, value_name = "TIME", env = "CRONBOX_KEEP_OUTPUT", default_value = "30d", value_parser = age)]
    pub keep_output: Duration,
    /// How long runs are kept [default: for ever]
    #[arg(long, value_name = "TIME", env = "CRONBOX_KEEP_RUNS", value_parser = age)]
    pub keep_runs: Option<Duration>,
    /// How many of each script's newest runs are kept [default: all]
    #[arg(long, value_name = "N", env = "CRONBOX_KEEP_COUNT", value_parser = count::<u64>)]
    pub keep_count: Option<u64>,
    /// How many bytes of each script's newest runs are kept [default: all]
    #[arg(long, value_name = "SIZE", env = "CRONBOX_KEEP_BYTES", value_parser = parse_bytes)]
    pub keep_bytes: Option<u64>,
    /// How long events are kept
    #[arg(long, value_name = "TIME", env = "CRONBOX_KEEP_EVENTS", default_value = "30d", value_parser = age)]
    pub keep_events: Duration,
    /// How long entries of the audit log are kept
    #[arg(long, value_name = "TIME", env = "CRONBOX_KEEP_AUDIT", default_value = "400d", value_parser = age)]
    pub keep_audit: Duration,
    /// A file that gets each entry of the audit log, too, as a line of JSON
    #[arg(long, value_name = "FILE", env = "CRONBOX_AUDIT_FILE")]
    pub audit_file: Option<PathBuf>,
}

impl RetentionConfig {
    pub(in crate::serve) fn retention(&self) -> Retention {
        let keep = Keep {
            age: self.keep_runs,
            count: self.keep_count,
            bytes: self.keep_bytes,
            output: Some(self.keep_output),
        };
        Retention { keep, events: self.keep_events, audit: self.keep_audit, ..Retention::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::Config;

    #[test]
    fn the_defaults_of_the_flags_are_those_of_the_cleaner() {
        let config = Config::of_flags([""; 0]).expect("defaults");
        assert_eq!(format!("{:?}", config.retention.retention()), format!("{:?}", Retention::default()));
        assert!(Config::of_flags(["--drain=soon"]).is_err_and(|why| why.contains("--drain")));
    }
}
