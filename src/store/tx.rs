//! One transaction, whatever the engine: statements, rows, and what the engines' errors mean.

use super::acting::Acting;
use super::sqlite::{self, SqliteRow};
use super::value::{Bind, Kind, Value};
use super::{EngineError, StoreError};
use crate::clock::{Time, from_micros, micros};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Any, AnyConnection, Arguments, AssertSqlSafe, Row as _, Type};
use tracing::Level;

/// The target of the log that has the statements.
const STATEMENTS: &str = "cronbox::store::statements";

/// What engines do differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// One writer: nothing to lock.
    Sqlite,
    /// Many writers.
    Postgres,
}

impl Dialect {
    fn as_str(self) -> &'static str {
        match self {
            Dialect::Sqlite => "sqlite",
            Dialect::Postgres => "postgres",
        }
    }

    /// Ends a `SELECT` whose rows nobody else may change meanwhile.
    pub(super) fn for_update(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::Postgres => " FOR UPDATE",
        }
    }

    /// The same, without those that somebody else holds.
    pub(super) fn for_update_skipping(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }
}

/// A transaction under way, or a connection that is only read from.
pub(super) struct Tx<'c> {
    connection: Wire<'c>,
    /// Which engine it is on.
    pub(super) dialect: Dialect,
    /// Whether it records something that is to be told to somebody outside: who tells it is woken when it is committed.
    pub(super) is_told: bool,
    /// Whoever asked for it: changes of theirs are entered in the audit log.
    pub(super) acting: Option<Acting>,
}

enum Wire<'c> {
    Sqlite(&'c mut rusqlite::Connection),
    Postgres(&'c mut AnyConnection),
}

/// Values for `$1`, `$2`, …
#[derive(Default)]
pub(super) struct Args {
    values: Vec<Value>,
    /// Whether any text holds what PostgreSQL cannot keep.
    bad_text: bool,
}

impl Args {
    pub(super) fn push(&mut self, value: impl Bind) {
        let value = value.into_value();
        self.push_value(value);
    }

    pub(super) fn push_value(&mut self, value: Value) {
        self.bad_text |= matches!(&value, Value::Text(text) if text.as_bytes().contains(&0));
        self.values.push(value);
    }

    /// The values, if a database can keep them. Both engines are asked the same, so that neither keeps what the other does not.
    fn checked(self) -> Result<Vec<Value>, StoreError> {
        if self.bad_text { Err(StoreError::BadText) } else { Ok(self.values) }
    }
}

/// The same for PostgreSQL.
fn arguments(values: Vec<Value>) -> AnyArguments {
    let mut all = AnyArguments::default();
    for value in values {
        // Text, numbers and bytes can all be written.
        let _ = match value {
            Value::Null(Kind::Int) => all.add(None::<i64>),
            Value::Null(Kind::Text) => all.add(None::<String>),
            Value::Null(Kind::Bytes) => all.add(None::<Vec<u8>>),
            Value::Int(number) => all.add(number),
            Value::Text(text) => all.add(text),
            Value::Bytes(bytes) => all.add(bytes),
        };
    }
    all
}

/// Values for `$1`, `$2`, … in order.
macro_rules! args {
    ($($value:expr),* $(,)?) => {{
        #[allow(unused_mut, reason = "a statement may have no values")]
        let mut args = $crate::store::tx::Args::default();
        $(args.push($value);)*
        args
    }};
}
pub(super) use args;

/// A time as it is kept.
pub(super) fn stamp(time: Time) -> i64 {
    micros(time)
}

/// The same for a time that may not be there.
pub(super) fn stamp_of(time: Option<Time>) -> Option<i64> {
    time.map(micros)
}

impl<'c> Tx<'c> {
    /// On PostgreSQL.
    pub(super) fn new(connection: &'c mut AnyConnection) -> Self {
        Tx { connection: Wire::Postgres(connection), dialect: Dialect::Postgres, is_told: false, acting: None }
    }

    /// On SQLite.
    pub(super) fn on_sqlite(connection: &'c mut rusqlite::Connection) -> Self {
        Tx { connection: Wire::Sqlite(connection), dialect: Dialect::Sqlite, is_told: false, acting: None }
    }

    /// A statement and its values, if a database can keep these. Every statement comes by here: the log has it, without the
    /// values, where this target is wished for at the level `trace`.
    fn asked(&self, Sql(sql): Sql, args: Args) -> Result<(String, Vec<Value>), StoreError> {
        let values = args.checked()?;
        if tracing::enabled!(target: STATEMENTS, Level::TRACE) {
            let types: Vec<_> = values.iter().map(Value::column_type).collect();
            let (dialect, types) = (self.dialect.as_str(), types.join(", "));
            tracing::trace!(target: STATEMENTS, dialect, types, sql);
        }
        Ok((sql, values))
    }

    /// Carries out a statement; how many rows it changed.
    pub(super) async fn run(&mut self, sql: impl Into<Sql>, args: Args) -> Result<u64, StoreError> {
        let (sql, values) = self.asked(sql.into(), args)?;
        match &mut self.connection {
            Wire::Sqlite(connection) => sqlite::run(connection, &sql, &values),
            Wire::Postgres(connection) => {
                let query = sqlx::query_with(AssertSqlSafe(sql), arguments(values));
                Ok(query.execute(&mut **connection).await?.rows_affected())
            }
        }
    }

    /// All rows of an answer.
    pub(super) async fn all(&mut self, sql: impl Into<Sql>, args: Args) -> Result<Vec<Row>, StoreError> {
        let (sql, values) = self.asked(sql.into(), args)?;
        match &mut self.connection {
            Wire::Sqlite(connection) => {
                Ok(sqlite::rows(connection, &sql, &values, usize::MAX)?.into_iter().map(Row::Sqlite).collect())
            }
            Wire::Postgres(connection) => {
                let query = sqlx::query_with(AssertSqlSafe(sql), arguments(values));
                Ok(query.fetch_all(&mut **connection).await?.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// The first row of an answer, if it has one.
    pub(super) async fn first(&mut self, sql: impl Into<Sql>, args: Args) -> Result<Option<Row>, StoreError> {
        let (sql, values) = self.asked(sql.into(), args)?;
        match &mut self.connection {
            Wire::Sqlite(connection) => Ok(sqlite::rows(connection, &sql, &values, 1)?.pop().map(Row::Sqlite)),
            Wire::Postgres(connection) => {
                let query = sqlx::query_with(AssertSqlSafe(sql), arguments(values));
                Ok(query.fetch_optional(&mut **connection).await?.map(Row::Postgres))
            }
        }
    }

    /// The one row that an answer must have.
    pub(super) async fn one(&mut self, sql: impl Into<Sql>, args: Args) -> Result<Row, StoreError> {
        self.first(sql, args).await?.ok_or_else(|| StoreError::Corrupt("an answer without a row".into()))
    }
}

/// A statement of this program's: never text from outside.
pub(super) struct Sql(String);

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Sql(text.to_owned())
    }
}

impl From<String> for Sql {
    fn from(text: String) -> Self {
        Sql(text)
    }
}

/// Values that one list of [`placeholders`] may stand for: engines have a bound on all of a statement's (32,766 on SQLite).
const MOST_PLACEHOLDERS: usize = 500;

/// A list of texts to compare with, after `IN` or `NOT IN`: what is written there, whose values begin at `$first`, and how many
/// these are. However long it is: a long one is one value.
pub(super) fn list(dialect: Dialect, first: usize, texts: &[String], values: &mut Args) -> (String, usize) {
    if texts.is_empty() {
        return ("(SELECT '' WHERE 1 = 0)".into(), 0);
    }
    if texts.len() <= MOST_PLACEHOLDERS {
        texts.iter().for_each(|text| values.push(&**text));
        return (format!("({})", placeholders(first, texts.len())), texts.len());
    }
    // In JSON no text holds U+0000 as it is, but the database would read it back.
    values.bad_text |= texts.iter().any(|text| text.as_bytes().contains(&0));
    values.push(serde_json::Value::from(texts).to_string());
    let all = match dialect {
        Dialect::Sqlite => format!("(SELECT value FROM json_each(${first}))"),
        Dialect::Postgres => format!("(SELECT json_array_elements_text(${first}::json))"),
    };
    (all, 1)
}

/// `$3, $4, $5`: as many placeholders as there are values.
pub(super) fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

/// A row of an answer.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(AnyRow),
}

impl Row {
    /// A column of one kind; none when it is null.
    fn get<T>(&self, column: &str, of_value: fn(&Value) -> Option<T>) -> Result<Option<T>, StoreError>
    where
        T: for<'r> sqlx::Decode<'r, Any> + Type<Any>,
    {
        match self {
            Row::Postgres(row) => row.try_get(column).map_err(|error| StoreError::Corrupt(error.to_string())),
            Row::Sqlite(row) => match row.get(column) {
                None => Err(StoreError::Corrupt(format!("{column}: no such column"))),
                Some(Value::Null(_)) => Ok(None),
                Some(value) => match of_value(value) {
                    Some(value) => Ok(Some(value)),
                    None => Err(StoreError::Corrupt(format!("{column}: {value:?}"))),
                },
            },
        }
    }

    pub(super) fn int(&self, column: &str) -> Result<i64, StoreError> {
        there(column, self.int_or_none(column)?)
    }

    pub(super) fn int_or_none(&self, column: &str) -> Result<Option<i64>, StoreError> {
        self.get(column, |value| if let Value::Int(number) = value { Some(*number) } else { None })
    }

    pub(super) fn size(&self, column: &str) -> Result<u64, StoreError> {
        Ok(self.int(column)?.unsigned_abs())
    }

    pub(super) fn size_or_none(&self, column: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.int_or_none(column)?.map(i64::unsigned_abs))
    }

    /// A count; one that is too large for its type is the largest.
    pub(super) fn small(&self, column: &str) -> Result<u32, StoreError> {
        Ok(u32::try_from(self.int(column)?).unwrap_or(u32::MAX))
    }

    pub(super) fn text(&self, column: &str) -> Result<String, StoreError> {
        there(column, self.text_or_none(column)?)
    }

    pub(super) fn text_or_none(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.get(column, |value| if let Value::Text(text) = value { Some(text.clone()) } else { None })
    }

    pub(super) fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        there(column, self.bytes_or_none(column)?)
    }

    pub(super) fn bytes_or_none(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(column, |value| if let Value::Bytes(bytes) = value { Some(bytes.clone()) } else { None })
    }

    pub(super) fn time(&self, column: &str) -> Result<Time, StoreError> {
        Ok(from_micros(self.int(column)?))
    }

    pub(super) fn time_or_none(&self, column: &str) -> Result<Option<Time>, StoreError> {
        Ok(self.int_or_none(column)?.map(from_micros))
    }

    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        let text = self.text(column)?;
        serde_json::from_str(&text).map_err(|error| StoreError::Corrupt(format!("{column}: {error}")))
    }

    pub(super) fn json_or_none<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<Option<T>, StoreError> {
        let text = self.text_or_none(column)?;
        let parse = |text: String| serde_json::from_str(&text);
        text.map(parse).transpose().map_err(|error| StoreError::Corrupt(format!("{column}: {error}")))
    }

    /// A column of this kind, as it is.
    pub(super) fn value(&self, column: &str, kind: Kind) -> Result<Value, StoreError> {
        let value = match kind {
            Kind::Int => self.int_or_none(column)?.map(Value::Int),
            Kind::Text => self.text_or_none(column)?.map(Value::Text),
            Kind::Bytes => self.bytes_or_none(column)?.map(Value::Bytes),
        };
        Ok(value.unwrap_or(Value::Null(kind)))
    }

    /// A word out of a closed set.
    pub(super) fn word<T>(&self, column: &str, parse: fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let word = self.text(column)?;
        parse(&word).ok_or_else(|| StoreError::Corrupt(format!("{column}: {word:?}")))
    }
}

/// A value that must not be null.
fn there<T>(column: &str, value: Option<T>) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::Corrupt(format!("{column}: there is no value")))
}

/// JSON of something that can always be written: maps with text as keys, lists, numbers.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Whether the engine asks to do the whole transaction again.
pub(super) fn asks_for_another_try(error: &EngineError) -> bool {
    let EngineError::Postgres(error) = error else { return false };
    // Serialization failure and deadlock (PostgreSQL, appendix A of its documentation).
    matches!(code_of(error).as_deref(), Some("40001" | "40P01"))
}

/// Whether the engine says no to what it is given, and will the next time too; not that it is in no state to take it.
pub(super) fn refuses_content(error: &EngineError) -> bool {
    let error = match error {
        EngineError::Sqlite(error) => return sqlite::refuses_content(error),
        EngineError::Postgres(error) => error,
    };
    let Some(code) = code_of(error) else {
        return matches!(
            error,
            sqlx::Error::Encode(_) | sqlx::Error::InvalidArgument(_) | sqlx::Error::TypeNotFound { .. }
        );
    };
    match code.parse::<u32>() {
        // SQLite (numbers of at most four digits): ERROR, TOOBIG, CONSTRAINT, MISMATCH, RANGE, each with its kinds.
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 1 | 18 | 19 | 20 | 25),
        // PostgreSQL, by class: data, integrity, a limit of the program's, an exception of the schema's.
        _ => ["22", "23", "54", "P0"].iter().any(|class| code.starts_with(class)),
    }
}

fn code_of(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::error::ErrorKind;
        if let Some(database) = error.as_database_error() {
            if database.kind() == ErrorKind::UniqueViolation {
                return StoreError::Conflict;
            }
            let code = code_of(&error).unwrap_or_default();
            return match code.as_str() {
                // PostgreSQL: disk full. SQLite: SQLITE_FULL.
                "53100" | "13" => StoreError::Full,
                // PostgreSQL: connections, shutting down, starting up, too many connections, a lock or statement that timed
                // out. SQLite: SQLITE_BUSY, SQLITE_LOCKED, SQLITE_IOERR with its kinds, SQLITE_CANTOPEN.
                "57P01" | "57P02" | "57P03" | "53300" | "55P03" | "57014" | "5" | "6" | "14" => {
                    StoreError::Unavailable(database.message().to_owned())
                }
                _ if code.starts_with("08") => StoreError::Unavailable(database.message().to_owned()),
                _ if code.parse::<u32>().is_ok_and(|number| number & 0xff == 10) && code.len() <= 5 => {
                    StoreError::Unavailable(database.message().to_owned())
                }
                _ => StoreError::Refused(error.into()),
            };
        }
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => StoreError::Unavailable(error.to_string()),
            sqlx::Error::Configuration(_) => StoreError::Unavailable(error.to_string()),
            other => StoreError::Refused(other.into()),
        }
    }
}
