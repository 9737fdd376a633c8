//! The steps of the schema, and applying them.

use super::StoreError;
use super::tx::Dialect;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, SqlSafeStr};

macro_rules! steps {
    ($folder:literal: $($number:literal $name:literal),+ $(,)?) => {
        [$(($number, $name, include_str!(concat!("../../migrations/", $folder, "/", $name, ".sql")))),+]
    };
}

/// Number, name and SQL. The same numbers for both engines.
const SQLITE: &[(i64, &str, &str)] = &steps!("sqlite": 1 "0001_scripts_and_runs", 2 "0002_retention", 3 "0003_schedules", 4 "0004_chains", 5 "0005_events", 6 "0006_readings",
    7 "0007_kept", 8 "0008_packages", 9 "0009_network", 10 "0010_secrets", 11 "0011_bounds", 12 "0012_reach", 13 "0013_due_and_names", 14 "0014_attempts", 15 "0015_unread", 16 "0016_sessions", 17 "0017_functions", 18 "0018_ended", 19 "0019_charts");
const POSTGRES: &[(i64, &str, &str)] = &steps!("postgres": 1 "0001_scripts_and_runs", 2 "0002_retention", 3 "0003_schedules", 4 "0004_chains", 5 "0005_events", 6 "0006_readings", 7 "0007_kept", 8 "0008_packages", 9 "0009_network", 10 "0010_secrets", 11 "0011_bounds", 12 "0012_reach", 13 "0013_due_and_names", 14 "0014_attempts", 15 "0015_unread", 16 "0016_sessions", 17 "0017_functions", 18 "0018_ended", 19 "0019_charts");

/// Applies what is missing. On PostgreSQL under a lock: others wait and find it done.
pub(super) async fn apply(connection: &mut AnyConnection, dialect: Dialect) -> Result<(), StoreError> {
    let steps = match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
    };
    let migrations = steps
        .iter()
        .map(|(number, name, sql)| {
            Migration::new(*number, (*name).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
        })
        .collect();
    Migrator::with_migrations(migrations).run(connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(number) => StoreError::Newer(number),
        MigrateError::VersionMismatch(number) => StoreError::Altered(number),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        other => StoreError::Corrupt(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_have_the_same_steps() {
        let names =
            |steps: &'static [(i64, &'static str, &str)]| steps.iter().map(|step| (step.0, step.1)).collect::<Vec<_>>();
        assert_eq!(names(SQLITE), names(POSTGRES));
    }
}
