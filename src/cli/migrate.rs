//! `cronbox migrate`: the schema of a database, before a server is started on it.

use super::{Exit, complain};
use crate::serve::config::StorageConfig;
use crate::serve::upgrade;
use crate::store::PendingStep;
use clap::Args;
use serde_json::json;
use std::io::Write;

/// What `cronbox migrate` takes.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    storage: StorageConfig,
    /// Change nothing; the exit code is 1 if steps are missing
    #[arg(long)]
    check: bool,
    /// Change nothing; print the steps that are missing as SQL
    #[arg(long, conflicts_with = "check")]
    plan: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl MigrateArgs {
    pub(super) fn execute(self) -> Exit {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                complain(&error.to_string());
                return Exit::Unavailable;
            }
        };
        let looks_only = self.check || self.plan;
        let steps = runtime.block_on(async {
            if looks_only { upgrade::pending(&self.storage).await } else { upgrade::apply(&self.storage).await }
        });
        match steps {
            Ok(steps) if self.tell(&steps).is_err() => Exit::Unavailable,
            Ok(steps) if self.check && !steps.is_empty() => Exit::Failed,
            Ok(_) => Exit::Succeeded,
            Err(error) => {
                complain(&error.to_string());
                Exit::Unavailable
            }
        }
    }

    fn tell(&self, steps: &[PendingStep]) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
            let key = if self.check || self.plan { "pending" } else { "applied" };
            return writeln!(out, "{}", json!({ (key): names }));
        }
        if steps.is_empty() {
            return writeln!(out, "the database is up to date");
        }
        for PendingStep { name, sql } in steps {
            match (self.plan, self.check) {
                (true, _) => writeln!(out, "-- {name}\n{}\n", sql.trim_end())?,
                (false, true) => writeln!(out, "missing: {name}: {}", in_words(sql))?,
                (false, false) => writeln!(out, "applied: {name}")?,
            }
        }
        if self.check {
            writeln!(out, "a server of this version applies what is missing when it starts; so does cronbox migrate")?;
        }
        Ok(())
    }
}

/// The first line of a step, which says what it does.
fn in_words(sql: &str) -> &str {
    sql.lines().next().unwrap_or_default().trim_start_matches("-- ")
}
