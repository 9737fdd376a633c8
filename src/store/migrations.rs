//! The steps of the schema, and applying them.

mod peek;

use super::tx::Dialect;
use super::{StoreError, sqlite};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, Connection as _, SqlSafeStr};

macro_rules! steps {
    ($folder:literal: $($number:literal $name:literal),+ $(,)?) => {
        [$(($number, $name, include_str!(concat!("../../migrations/", $folder, "/", $name, ".sql")))),+]
    };
}

/// Number, name and SQL. The same numbers for both engines.
const SQLITE: &[(i64, &str, &str)] = &steps!("sqlite": 1 "0001_scripts_and_runs", 2 "0002_retention", 3 "0003_schedules", 4 "0004_chains", 5 "0005_events", 6 "0006_readings",
    7 "0007_kept", 8 "0008_packages", 9 "0009_network", 10 "0010_secrets", 11 "0011_bounds", 12 "0012_reach", 13 "0013_due_and_names", 14 "0014_attempts", 15 "0015_unread", 16 "0016_sessions", 17 "0017_functions", 18 "0018_ended", 19 "0019_charts", 20 "0020_imports", 21 "0021_no_lists", 22 "0022_channels", 23 "0023_alerts", 24 "0024_causes", 25 "0025_audit", 26 "0026_backups");
const POSTGRES: &[(i64, &str, &str)] = &steps!("postgres": 1 "0001_scripts_and_runs", 2 "0002_retention", 3 "0003_schedules", 4 "0004_chains", 5 "0005_events", 6 "0006_readings", 7 "0007_kept", 8 "0008_packages", 9 "0009_network", 10 "0010_secrets", 11 "0011_bounds", 12 "0012_reach", 13 "0013_due_and_names", 14 "0014_attempts", 15 "0015_unread", 16 "0016_sessions", 17 "0017_functions", 18 "0018_ended", 19 "0019_charts", 20 "0020_imports", 21 "0021_no_lists", 22 "0022_channels", 23 "0023_alerts", 24 "0024_causes", 25 "0025_audit", 26 "0026_backups");

/// The last step that this program knows.
pub(super) fn last() -> i64 {
    SQLITE.iter().map(|step| step.0).max().unwrap_or_default()
}

/// A step of the schema that a database does not have yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingStep {
    /// Its number and its name: `0022_channels`.
    pub name: &'static str,
    /// What it does, as SQL; its first lines say it in words.
    pub sql: &'static str,
}

fn steps_of(dialect: Dialect) -> &'static [(i64, &'static str, &'static str)] {
    match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
    }
}

/// Applies what is missing, under a lock: others wait and find it done. On SQLite a command such as `cronbox token create` can
/// open a new file at the same time as the server.
pub(super) async fn apply(connection: &mut AnyConnection, dialect: Dialect) -> Result<(), StoreError> {
    match dialect {
        // The lock is that of one transaction for all steps: sqlx has none for SQLite.
        Dialect::Sqlite => {
            let mut all = connection.begin_with("BEGIN IMMEDIATE").await?;
            apply_steps(&mut all, steps_of(dialect)).await?;
            Ok(all.commit().await?)
        }
        Dialect::Postgres => apply_steps(connection, steps_of(dialect)).await,
    }
}

/// The numbers of the steps that a database has, in order; none in a database that no server has used. Changes nothing.
async fn applied(connection: &mut AnyConnection, dialect: Dialect) -> Result<Vec<i64>, StoreError> {
    let is_used = match dialect {
        Dialect::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'",
        Dialect::Postgres => "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('_sqlx_migrations')",
    };
    let tables: i64 = sqlx::query_scalar(is_used).fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(Vec::new());
    }
    let sql = "SELECT version FROM _sqlx_migrations ORDER BY version";
    Ok(sqlx::query_scalar(sql).fetch_all(connection).await?)
}

/// The steps that a database does not have yet. Changes nothing.
pub(super) async fn pending(connection: &mut AnyConnection, dialect: Dialect) -> Result<Vec<PendingStep>, StoreError> {
    let (known, applied) = (steps_of(dialect), applied(connection, dialect).await?);
    if let Some(newer) = applied.iter().find(|number| known.iter().all(|step| step.0 != **number)) {
        return Err(StoreError::Newer(*newer));
    }
    let missing = known.iter().filter(|step| !applied.contains(&step.0));
    Ok(missing.map(|(_, name, sql)| PendingStep { name, sql }).collect())
}

/// Applies what is missing up to a step.
pub(super) async fn apply_up_to(connection: &mut AnyConnection, dialect: Dialect, last: i64) -> Result<(), StoreError> {
    let steps: Vec<_> = steps_of(dialect).iter().filter(|step| step.0 <= last).copied().collect();
    apply_steps(connection, &steps).await
}

/// A database of SQLite's with the tables of a step, which is gone afterwards.
pub(super) fn scratch(last: i64) -> Result<rusqlite::Connection, StoreError> {
    let connection = sqlite::open_scratch()?;
    for (_, _, statements) in SQLITE.iter().filter(|step| step.0 <= last) {
        sqlite::batch(&connection, &format!("BEGIN; {statements}; COMMIT"))?;
    }
    Ok(connection)
}

async fn apply_steps(connection: &mut AnyConnection, steps: &[(i64, &str, &'static str)]) -> Result<(), StoreError> {
    let migrations = steps
        .iter()
        .map(|(number, name, sql)| {
            Migration::new(*number, name.to_string().into(), MigrationType::Simple, (*sql).into_sql_str(), false)
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
    use crate::run::Status;
    use sqlx::AssertSqlSafe;

    #[test]
    fn both_engines_have_the_same_steps() {
        let names =
            |steps: &'static [(i64, &'static str, &str)]| steps.iter().map(|step| (step.0, step.1)).collect::<Vec<_>>();
        assert_eq!(names(SQLITE), names(POSTGRES));
    }

    async fn words(connection: &mut AnyConnection, sql: &'static str) -> Vec<String> {
        sqlx::query_scalar(sql).fetch_all(&mut *connection).await.expect("answers")
    }

    /// Changes the text of a table in place; what was allowed before is allowed, and what was refused is refused.
    #[tokio::test]
    async fn a_database_with_runs_gets_checks_without_lists() {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect("sqlite::memory:").await.expect("opens");
        let (before, last) = SQLITE.split_at(SQLITE.iter().position(|step| step.0 == 21).expect("a step"));
        apply_steps(&mut connection, before).await.expect("applies");
        let insert = "INSERT INTO runs (id, name, cause, status, created_at, run_at, spec) VALUES";
        let run = async |connection: &mut AnyConnection, sql: String| {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(|_| ()).map_err(|error| error.to_string())
        };
        run(&mut connection, format!("{insert} ('1', 'n', 'api', 'running', 1, 1, '{{}}')")).await.expect("inserts");
        run(
            &mut connection,
            "INSERT INTO queue (run, state, lane, priority, turn, run_at, bounded, node, token)
            VALUES ('1', 'claimed', 'a', 0, 0, 1, 0, 'n', 't')"
                .into(),
        )
        .await
        .expect("inserts");
        apply_steps(&mut connection, &[before, last].concat()).await.expect("applies");
        // A list of two words, as the one trigger has, costs nothing.
        let lists = "SELECT name FROM sqlite_schema WHERE tbl_name IN ('runs', 'queue', 'attempts', 'events')
            AND type <> 'index' AND name <> 'events_run_unstarted' AND sql LIKE '% IN (%'";
        assert_eq!(words(&mut connection, lists).await, Vec::<String>::new());
        assert_eq!(words(&mut connection, "PRAGMA integrity_check").await, ["ok"]);
        assert_eq!(words(&mut connection, "SELECT state FROM queue WHERE run = '1'").await, ["claimed"]);
        for cause in crate::run::CAUSES {
            let sql = format!("{insert} ('{0}', 'n', '{0}', 'queued', 1, 1, '{{}}')", cause.as_str());
            run(&mut connection, sql).await.expect("a cause");
        }
        for status in crate::run::STATUSES {
            let sql = format!("{insert} ('{0}', 'n', 'api', '{0}', 1, 1, '{{}}')", status.as_str());
            let begins = !status.is_final() || matches!(status, Status::Missed | Status::Skipped);
            assert_eq!(run(&mut connection, sql).await.is_ok(), begins, "{status}");
            let step =
                run(&mut connection, format!("UPDATE runs SET status = '{0}' WHERE id = '1'", status.as_str())).await;
            let is_step = !matches!(status, Status::Missed | Status::Skipped);
            assert_eq!(step.is_ok(), is_step, "from running to {status}");
            if is_step {
                let back = "DELETE FROM queue; DELETE FROM runs WHERE id = '1'; ";
                let again = format!("{back}{insert} ('1', 'n', 'api', 'running', 1, 1, '{{}}')");
                run(&mut connection, again).await.expect("again");
            }
        }
        for (sql, why) in [
            (format!("{insert} ('x', 'n', 'other', 'queued', 1, 1, '{{}}')"), "CHECK"),
            (format!("{insert} ('x', 'n', 'api', 'other', 1, 1, '{{}}')"), "begin with this status"),
            ("UPDATE runs SET status = 'other' WHERE id = '1'".into(), "take this step"),
            (
                "INSERT INTO queue (run, state, lane, priority, turn, run_at, bounded)
                VALUES ('1', 'other', 'a', 0, 0, 1, 0)"
                    .into(),
                "CHECK",
            ),
        ] {
            let refused = run(&mut connection, sql.clone()).await.expect_err(&sql);
            assert!(refused.contains(why), "{sql}: {refused}");
        }
    }
}
