//! Fills an empty database with the rows of a snapshot, of either engine.
//!
//! The rows are written in one transaction, without the triggers: what these would write is among the rows. On SQLite the file
//! gets its name last. So whoever looks finds an empty database or a whole one.

use super::connections::connect;
use super::file::{NotShown, name_whole, new_file, remove, unfinished};
use super::open::options_for;
use super::tables::{self, Column, Table, quoted};
use super::tx::{Args, Dialect, Tx, args, placeholders};
use super::value::Value;
use super::{DatabaseUrl, StoreError, migrations, sqlite};
use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, AssertSqlSafe};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Tables in which the steps of the schema themselves write a row.
const SEEDED: [&str; 2] = ["feed", "scheduler"];
/// Most values of one statement.
const MOST_VALUES: usize = 8_000;
/// How a database is written that nobody uses yet.
const ALONE: &str = "PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY";

/// What is filled.
#[derive(Clone, Debug)]
pub enum Target {
    /// A database that servers are to use. It has to be empty.
    Database(DatabaseUrl),
    /// One of SQLite's that is gone afterwards.
    Scratch,
}

/// A database that is being filled.
pub struct Loader {
    wire: Wire,
    tables: BTreeMap<String, Table>,
    /// The file, and where it goes when it is whole.
    file: Option<(PathBuf, PathBuf)>,
    /// Statements that make the triggers of SQLite's again.
    triggers: Vec<String>,
}

enum Wire {
    Sqlite(rusqlite::Connection),
    Postgres(AnyConnection),
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Wire {
    fn tx(&mut self) -> Tx<'_> {
        match self {
            Wire::Sqlite(connection) => Tx::on_sqlite(connection),
            Wire::Postgres(connection) => Tx::new(connection),
        }
    }

    /// Carries out statements without values and answers.
    async fn batch(&mut self, sql: String) -> Result<(), StoreError> {
        match self {
            Wire::Sqlite(connection) => sqlite::batch(connection, &sql),
            Wire::Postgres(connection) => {
                Ok(sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(|_| ())?)
            }
        }
    }
}

impl Loader {
    /// Prepares a database whose tables are those of a step, without rows. One that has rows is refused.
    pub async fn open(target: &Target, schema: i64) -> Result<Self, StoreError> {
        install_default_drivers();
        if schema > migrations::last() {
            return Err(StoreError::Newer(schema));
        }
        let (wire, file) = match target {
            // Without a name it is SQLite's own temporary file, which grows beyond memory and is nobody else's.
            Target::Scratch => (Wire::Sqlite(migrations::scratch(schema)?), None),
            Target::Database(DatabaseUrl::Memory) => {
                return Err(StoreError::Unavailable("it would be gone with this program".into()));
            }
            Target::Database(DatabaseUrl::Sqlite(path)) => {
                let beside = unfinished(path)?;
                let connection = new_file(&beside, schema).await.inspect_err(|_| remove(&beside))?;
                (Wire::Sqlite(connection), Some((beside, path.clone())))
            }
            Target::Database(DatabaseUrl::Postgres(url)) => {
                let mut connection = connect(&options_for(url)?).await?;
                check_usable(&mut Tx::new(&mut connection), schema).await?;
                migrations::apply_up_to(&mut connection, Dialect::Postgres, schema).await?;
                (Wire::Postgres(connection), None)
            }
        };
        let mut loader = Loader { wire, tables: BTreeMap::new(), file, triggers: Vec::new() };
        match loader.begin(schema).await {
            Ok(()) => Ok(loader),
            Err(error) => {
                loader.give_up().await;
                Err(error)
            }
        }
    }

    /// Begins the transaction in which everything is written.
    async fn begin(&mut self, schema: i64) -> Result<(), StoreError> {
        if matches!(self.wire, Wire::Sqlite(_)) {
            self.wire.batch(ALONE.into()).await?;
        }
        self.wire.batch("BEGIN".into()).await?;
        let tables = tables::tables(&mut self.wire.tx(), schema).await?;
        match self.wire {
            Wire::Sqlite(_) => {
                let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'";
                for row in self.wire.tx().all(sql, args![]).await? {
                    self.triggers.push(row.text("sql")?);
                    self.wire.batch(format!("DROP TRIGGER \"{}\"", row.text("name")?)).await?;
                }
            }
            Wire::Postgres(_) => {
                let begun = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
                self.wire.batch(begun.into()).await?;
                for table in &tables {
                    self.wire.batch(format!("ALTER TABLE \"{}\" DISABLE TRIGGER USER", table.name)).await?;
                }
                // Nobody else writes from now on. A server, or another restore, may have done so until now.
                check_usable(&mut self.wire.tx(), schema).await?;
            }
        }
        for name in SEEDED {
            self.wire.batch(format!("DELETE FROM \"{name}\"")).await?;
        }
        self.tables = tables.into_iter().map(|table| (table.name.clone(), table)).collect();
        Ok(())
    }

    /// Writes rows of a table, whose values are in the order of these columns. Columns that the other engine has and this one
    /// has not are left out.
    pub async fn rows(&mut self, name: &str, columns: &[Column], rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(format!("{name}{what}"));
        let table = self.tables.get(name).ok_or_else(|| corrupt(": there is no such table"))?;
        let mut taken = Vec::new();
        for (place, column) in columns.iter().enumerate() {
            match table.columns.iter().find(|own| own.name == column.name) {
                Some(own) if own.kind == column.kind => taken.push(place),
                None if OF_ONE_ENGINE.contains(&(name, &column.name)) => {}
                _ => return Err(corrupt(&format!(".{}: there is no such column", column.name))),
            }
        }
        let mut names: Vec<&str> = taken.iter().filter_map(|place| Some(columns.get(*place)?.name.as_str())).collect();
        // An event of SQLite's has its number alone: it stays before all that come later.
        let adds_place = name == "events" && table.column("place").is_some() && !names.contains(&"place");
        if adds_place {
            names.push("place");
        }
        let overriding = if matches!(self.wire, Wire::Postgres(_)) { " OVERRIDING SYSTEM VALUE" } else { "" };
        let head = format!("INSERT INTO \"{name}\" ({}){overriding} VALUES ", quoted(names.iter().copied()));
        let width = names.len();
        for some in rows.chunks((MOST_VALUES / width.max(1)).max(1)) {
            let mut values = Args::default();
            for row in some {
                for place in &taken {
                    values.push_value(row.get(*place).cloned().ok_or_else(|| corrupt(": a row is too short"))?);
                }
                if adds_place {
                    values.push_value(Value::Int(0));
                }
            }
            let tuple = |row: usize| format!("({})", placeholders(1 + row * width, width));
            let sql = format!("{head}{}", (0..some.len()).map(tuple).collect::<Vec<_>>().join(", "));
            self.wire.tx().run(sql, values).await?;
        }
        Ok(())
    }

    /// Says of blobs that their content is not there: who writes the same content again writes it.
    pub async fn unwritten(&mut self, keys: &[String]) -> Result<(), StoreError> {
        for key in keys {
            self.wire.tx().run("UPDATE blobs SET written = 0 WHERE key = $1", args![&**key]).await?;
        }
        Ok(())
    }

    /// What is wrong with the rows that were written: rows that refer to others that are not there, and blobs that something
    /// names and nothing refers to. At most some.
    pub async fn faults(&mut self) -> Result<Vec<String>, StoreError> {
        let mut faults = Vec::new();
        if matches!(self.wire, Wire::Sqlite(_)) {
            let sql = r#"SELECT DISTINCT "table" AS owner, parent AS other FROM pragma_foreign_key_check LIMIT 10"#;
            for row in self.wire.tx().all(sql, args![]).await? {
                faults.push(format!(
                    "{} refers to rows of {} that are not there",
                    row.text("owner")?,
                    row.text("other")?
                ));
            }
        }
        for table in self.tables.values() {
            let is_blob =
                |name: &str| name == "blob" || name.ends_with("_blob") || (table.name == "versions" && name == "code");
            for column in table.columns.iter().filter(|column| is_blob(&column.name)) {
                let sql = format!(
                    "SELECT \"{0}\" AS blob FROM \"{1}\" WHERE \"{0}\" IS NOT NULL
                    AND NOT EXISTS (SELECT 1 FROM blobs b WHERE b.key = \"{1}\".\"{0}\") LIMIT 3",
                    column.name, table.name
                );
                for row in self.wire.tx().all(sql, args![]).await? {
                    let (table, column) = (&table.name, &column.name);
                    faults.push(format!("{table}.{column} names the blob {}, which is not known", row.text("blob")?));
                }
            }
        }
        Ok(faults)
    }

    /// Makes everything so: whoever looks finds all rows from now on.
    pub async fn finish(mut self) -> Result<(), NotShown> {
        if let Err(error) = self.complete().await {
            self.give_up().await;
            return Err(NotShown::Not(error));
        }
        let committed = self.wire.batch("COMMIT".into()).await;
        match (self.file.take(), committed) {
            (Some((beside, path)), Ok(())) => {
                drop(self);
                name_whole(&beside, &path)
            }
            // Nobody has seen the file.
            (Some((beside, _)), Err(error)) => {
                drop(self);
                remove(&beside);
                Err(NotShown::Not(error))
            }
            (None, Ok(())) => {
                if matches!(self.wire, Wire::Postgres(_))
                    && let Err(error) = self.wire.batch("ANALYZE".into()).await
                {
                    tracing::warn!(%error, "the database was not analyzed; PostgreSQL does that itself later");
                }
                Ok(())
            }
            // The database may have carried it out although its answer did not arrive.
            (None, Err(error)) => Err(NotShown::Perhaps(error)),
        }
    }

    /// Writes what comes after all rows.
    async fn complete(&mut self) -> Result<(), StoreError> {
        match &mut self.wire {
            Wire::Sqlite(connection) => {
                for trigger in &self.triggers {
                    sqlite::batch(connection, trigger)?;
                }
                // Numbers of events are never given out again, also when the newest were deleted.
                let count_on = "UPDATE feed SET base = 0, gone_place = 0;
                    DELETE FROM sqlite_sequence WHERE name = 'events';
                    INSERT INTO sqlite_sequence (name, seq) SELECT 'events',
                        max(coalesce((SELECT max(seq) FROM events), 0), (SELECT gone_seq FROM feed))";
                sqlite::batch(connection, count_on)
            }
            Wire::Postgres(connection) => {
                let mut end = String::new();
                for name in self.tables.keys() {
                    end.push_str(&format!("ALTER TABLE \"{name}\" ENABLE TRIGGER USER; "));
                }
                end.push_str(
                    "SELECT setval(pg_get_serial_sequence('events', 'seq'), greatest(1, coalesce((SELECT max(seq) FROM events), 0),
                        (SELECT gone_seq FROM feed)))",
                );
                for table in self.tables.values().filter(|table| table.name != "events") {
                    end = format!("{}{end}", count_on(&table.name, connection).await?);
                }
                Ok(sqlx::raw_sql(AssertSqlSafe(end)).execute(connection).await.map(|_| ())?)
            }
        }
    }

    /// Takes back what was written.
    pub async fn give_up(mut self) {
        // What cannot be taken back was not committed.
        let _ = self.wire.batch("ROLLBACK".into()).await;
        let file = self.file.take();
        drop(self);
        if let Some((beside, _)) = file {
            remove(&beside);
        }
    }
}

/// Statements after which a table of PostgreSQL's that counts its rows itself counts on from those that it has.
async fn count_on(table: &str, connection: &mut AnyConnection) -> Result<String, StoreError> {
    let sql = "SELECT column_name::text AS name FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name::text = $1 AND is_identity = 'YES'";
    let mut statements = String::new();
    for row in Tx::new(connection).all(sql, args![table]).await? {
        let name = row.text("name")?;
        statements.push_str(&format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{name}'), greatest(1, (SELECT max(\"{name}\") FROM \"{table}\"))); "
        ));
    }
    Ok(statements)
}

/// Columns that one engine alone has: the place of an event among those of other nodes, and those that nobody reads any more
/// and that PostgreSQL keeps for nodes of the version before.
const OF_ONE_ENGINE: [(&str, &str); 4] =
    [("events", "place"), ("attempts", "token"), ("blobs", "size"), ("blobs", "created_at")];

/// Refuses a database of PostgreSQL's that is not empty: one with rows, with tables of somebody else's, or of another step.
async fn check_usable(tx: &mut Tx<'_>, wanted: i64) -> Result<(), StoreError> {
    let Some(step) = tables::schema(tx).await? else {
        return match tables::count_of_others(tx).await? {
            0 => Ok(()),
            _ => Err(StoreError::NotEmpty("it has tables that are not Cronbox's".into())),
        };
    };
    let mut all: Vec<String> = tables::tables(tx, step).await?.into_iter().map(|table| table.name).collect();
    all.push("nodes".into());
    for name in all.iter().filter(|name| !SEEDED.contains(&name.as_str())) {
        if tx.first(format!("SELECT 1 AS one FROM \"{name}\" LIMIT 1"), args![]).await?.is_some() {
            return Err(StoreError::NotEmpty(format!("its table {name} has rows")));
        }
    }
    if step > wanted {
        return Err(StoreError::NotEmpty(format!(
            "it has the tables of step {step}, and the backup is of step {wanted}: make the database anew"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;
    use crate::store::{Kind, Store};

    /// A backup of an earlier version becomes one of this when it is used.
    #[tokio::test]
    async fn rows_of_an_earlier_schema_are_taken() {
        let folder = std::env::temp_dir().join(format!("cronbox-load-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("a.db");
        let place = DatabaseUrl::Sqlite(path.clone());
        let mut loader = Loader::open(&Target::Database(place.clone()), 20).await.expect("opens");
        let int = |name: &str| Column { name: name.into(), kind: Kind::Int };
        let feed = ["one", "base", "gone_place", "gone_seq"].map(int);
        let row = [1, 5, 3, 40].map(Value::Int).into();
        loader.rows("feed", &feed, vec![row]).await.expect("writes");
        let scheduler = ["one", "paused", "floor", "updated_at"].map(int);
        loader.rows("scheduler", &scheduler, vec![[1, 1, 0, 0].map(Value::Int).into()]).await.expect("writes");
        let unknown = loader.rows("feed", &[int("other")], vec![vec![Value::Int(1)]]).await;
        assert!(matches!(unknown, Err(StoreError::Corrupt(_))), "{unknown:?}");
        let unknown = loader.rows("other", &[int("one")], vec![vec![Value::Int(1)]]).await;
        assert!(matches!(unknown, Err(StoreError::Corrupt(_))), "{unknown:?}");
        assert_eq!(loader.faults().await.expect("asks"), [""; 0]);
        assert!(!path.exists(), "it is not whole yet");
        loader.finish().await.expect("finishes");
        let again = Loader::open(&Target::Database(place.clone()), 20).await;
        assert!(matches!(again, Err(StoreError::NotEmpty(_))), "{again:?}");
        let store = Store::open(&place).await.expect("takes the other steps");
        assert!(store.scheduler().await.expect("asks").paused);
        let event = store.oldest_event().await.expect("asks");
        assert_eq!((event.place, event.seq), (0, 40));
        store.resume_scheduler(from_micros(0), from_micros(9)).await.expect("resumes");
        let event = store.newest_event(None).await.expect("asks");
        assert_eq!((event.place, event.seq), (0, 41), "numbers go on, and triggers are there again");
        store.close().await;
        std::fs::remove_dir_all(&folder).expect("removed");
        let newer = Loader::open(&Target::Scratch, migrations::last() + 1).await;
        assert!(matches!(newer, Err(StoreError::Newer(_))), "{newer:?}");
    }

    /// What the steps of the schema write themselves is replaced: it has to be known.
    #[tokio::test]
    async fn seeded_tables_are_known() {
        let store = Store::open(&DatabaseUrl::Memory).await.expect("opens");
        let found = store.read(|tx| {
            Box::pin(async move {
                let mut found = Vec::new();
                for table in tables::tables(tx, migrations::last()).await? {
                    let sql = format!("SELECT 1 AS one FROM \"{}\" LIMIT 1", table.name);
                    if tx.first(sql, args![]).await?.is_some() {
                        found.push(table.name);
                    }
                }
                Ok(found)
            })
        });
        assert_eq!(found.await.expect("asks"), SEEDED);
    }
}
