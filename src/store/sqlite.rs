//! SQLite, on the thread that asks: a statement is carried out when it is asked for, and nothing is waited for but the disk.
//!
//! A change or a question is a future (on PostgreSQL it waits for the server). Here each of its statements is ready at once, so
//! that the future is ready when it is polled first. It is polled on a thread that may block: the writer's own, or one of
//! those that the runtime keeps for such work. That costs one way to another thread for a whole change. Through sqlx it was
//! one way for each statement, which took as long as the statements themselves.

use super::StoreError;
use super::value::{Kind, Value};
use futures_util::FutureExt;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, Rows, ffi};
use std::path::Path;
use std::sync::Arc;

/// Statements that a connection keeps prepared.
const PREPARED: usize = 256;

/// A row of an answer.
pub(super) struct SqliteRow {
    columns: Arc<[String]>,
    values: Vec<Value>,
}

impl SqliteRow {
    /// The value of a column.
    pub(super) fn get(&self, column: &str) -> Option<&Value> {
        let at = self.columns.iter().position(|name| name == column)?;
        self.values.get(at)
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null(_) => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Opens a file that is there, to read and write.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Opens a database in memory, which all connections of this process that are open at the same time share by its name:
/// `file:NAME`, as only such a name is shared.
pub(super) fn open_in_memory(name: &str) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_MEMORY
        | OpenFlags::SQLITE_OPEN_SHARED_CACHE
        | OpenFlags::SQLITE_OPEN_URI;
    open_with(Path::new(name), flags)
}

/// Opens a database that is gone when its connection is closed. It takes memory, and a file of SQLite's own when it is large.
pub(super) fn open_scratch() -> Result<Connection, StoreError> {
    open_with(Path::new(""), OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
}

fn open_with(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    Ok(connection)
}

/// Brings what a change or a question comes to, which waits for nothing but this database.
pub(super) fn at_once<T>(work: impl Future<Output = T>) -> Result<T, StoreError> {
    let mistake = "a mistake in this program: it waits for something else than the database";
    work.now_or_never().ok_or_else(|| StoreError::Corrupt(mistake.into()))
}

/// Carries out statements without values and answers.
pub(super) fn batch(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    Ok(connection.execute_batch(sql)?)
}

/// Carries out a statement; how many rows it changed.
pub(super) fn run(connection: &Connection, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let changes = !statement.readonly();
    let mut rows = ask(&mut statement, values)?;
    while rows.next()?.is_some() {}
    drop(rows);
    Ok(if changes { connection.changes() } else { 0 })
}

/// The first rows of an answer, at most `most`.
pub(super) fn rows(
    connection: &Connection,
    sql: &str,
    values: &[Value],
    most: usize,
) -> Result<Vec<SqliteRow>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let columns: Arc<[String]> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut rows = ask(&mut statement, values)?;
    let mut found = Vec::new();
    while found.len() < most
        && let Some(row) = rows.next()?
    {
        let values = (0..columns.len()).map(|column| value_of(row.get_ref(column)?)).collect::<Result<_, _>>()?;
        found.push(SqliteRow { columns: columns.clone(), values });
    }
    Ok(found)
}

/// Binds values and begins. SQLite takes `$1` for a name, and counts names in the order in which they appear.
fn ask<'s>(statement: &'s mut CachedStatement<'_>, values: &[Value]) -> Result<Rows<'s>, StoreError> {
    for place in 1..=statement.parameter_count() {
        let number = statement.parameter_name(place).and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let value = number.and_then(|number| values.get(number.checked_sub(1)?));
        let value = value.ok_or_else(|| StoreError::Corrupt("a statement without one of its values".into()))?;
        statement.raw_bind_parameter(place, value)?;
    }
    Ok(statement.raw_query())
}

fn value_of(value: ValueRef<'_>) -> Result<Value, StoreError> {
    Ok(match value {
        ValueRef::Null => Value::Null(Kind::Text),
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => return Err(StoreError::Corrupt("a text that is not UTF-8".into())),
        },
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_owned()),
        ValueRef::Real(_) => return Err(StoreError::Corrupt("a number with a fraction".into())),
    })
}

/// Whether SQLite says no to what it is given, and will the next time too: ERROR, TOOBIG, CONSTRAINT, MISMATCH, RANGE, each
/// with its kinds.
pub(super) fn refuses_content(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| matches!(error.extended_code & 0xff, 1 | 18 | 19 | 20 | 25))
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|error| error.extended_code);
        let unavailable = || StoreError::Unavailable(error.to_string());
        match code {
            Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => StoreError::Conflict,
            Some(code) => match code & 0xff {
                ffi::SQLITE_FULL => StoreError::Full,
                ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_IOERR | ffi::SQLITE_CANTOPEN => unavailable(),
                _ => StoreError::Refused(error.into()),
            },
            None => StoreError::Refused(error.into()),
        }
    }
}
