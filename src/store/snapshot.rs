//! All rows of the database as they are at one moment, while it is in use.
//!
//! Both engines are read by the same questions, in one transaction that sees one moment: on SQLite a reader of the write-ahead
//! log, on PostgreSQL `REPEATABLE READ`. So a backup has one form, which no program of the engine's is needed for, and which
//! both engines can be restored from. SQLite's own ways would each give a file of SQLite's: its backup begins again with each
//! commit of another connection, which under load is each millisecond, and `VACUUM INTO` writes all indexes too.

use super::connections::connect;
use super::open::options_for;
use super::tables::{Table, quoted, schema, tables};
use super::tx::{Args, Dialect, Tx, placeholders};
use super::value::Value;
use super::{Engine, READ_ONLY, Store, StoreError, sqlite};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Rows read at once.
const STRIDE: usize = 200;

/// Rows of one table, in the order of its key.
#[derive(Clone, Debug)]
pub struct Page {
    /// The table.
    pub table: Arc<Table>,
    /// Each row has a value for each column.
    pub rows: Vec<Vec<Value>>,
}

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotOf {
    /// The last step of its schema.
    pub schema: i64,
    /// `sqlite` or `postgres`.
    pub engine: &'static str,
}

/// The rows of a table that belong to a snapshot. A blob that nothing refers to may be deleted as soon as the snapshot was made:
/// who finds its row would believe that its content is there.
fn kept(table: &str) -> &'static str {
    match table {
        "blobs" => "EXISTS (SELECT 1 FROM blob_references r WHERE r.blob = blobs.key)",
        _ => "1 = 1",
    }
}

impl Store {
    /// Reads all rows as they are at one moment, and sends them on page by page, tables first that others refer to. Of a table
    /// without rows there is one page. It waits while nobody takes pages.
    pub async fn snapshot(&self, pages: mpsc::Sender<Page>) -> Result<SnapshotOf, StoreError> {
        match &self.inner.engine {
            Engine::Memory { .. } => Err(StoreError::Corrupt("a database in memory has no snapshots".into())),
            Engine::Sqlite { readers, .. } => {
                let (path, runtime) = (readers.path().to_owned(), tokio::runtime::Handle::current());
                let read = move || {
                    let mut connection = sqlite::open(&path)?;
                    sqlite::batch(&connection, READ_ONLY)?;
                    // The moment is that of the first question.
                    sqlite::batch(&connection, "BEGIN")?;
                    runtime.block_on(send_all(&mut Tx::on_sqlite(&mut connection), &pages))
                };
                match tokio::task::spawn_blocking(read).await {
                    Ok(read) => read,
                    Err(error) => Err(StoreError::Unavailable(format!("the snapshot was not read: {error}"))),
                }
            }
            Engine::Postgres { .. } => {
                let url = self.inner.url.as_deref().unwrap_or_default();
                let mut connection = connect(&options_for(url)?).await?;
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0;
                    SET LOCAL idle_in_transaction_session_timeout = 0";
                sqlx::raw_sql(begin).execute(&mut connection).await?;
                send_all(&mut Tx::new(&mut connection), &pages).await
            }
        }
    }
}

async fn send_all(tx: &mut Tx<'_>, pages: &mpsc::Sender<Page>) -> Result<SnapshotOf, StoreError> {
    let engine = match tx.dialect {
        Dialect::Sqlite => "sqlite",
        Dialect::Postgres => "postgres",
    };
    let schema = schema(tx).await?.ok_or_else(|| StoreError::Corrupt("it has no tables".into()))?;
    for table in tables(tx, schema).await? {
        send_table(tx, Arc::new(table), pages).await?;
    }
    Ok(SnapshotOf { schema, engine })
}

async fn send_table(tx: &mut Tx<'_>, table: Arc<Table>, pages: &mpsc::Sender<Page>) -> Result<(), StoreError> {
    let Table { name, columns, key } = &*table;
    if key.is_empty() {
        return Err(StoreError::Corrupt(format!("the table {name} has no primary key")));
    }
    let at = |part: &String| table.column(part).ok_or_else(|| StoreError::Corrupt(format!("{name} has no {part}")));
    let places: Vec<usize> = key.iter().map(at).collect::<Result<_, _>>()?;
    let order = quoted(key.iter().map(String::as_str));
    let all = quoted(columns.iter().map(|column| column.name.as_str()));
    let from = format!("SELECT {all} FROM \"{name}\" WHERE {}", kept(name));
    let mut last: Option<Vec<Value>> = None;
    loop {
        let mut values = Args::default();
        let after = match &last {
            None => String::new(),
            Some(last) => {
                last.iter().for_each(|value| values.push_value(value.clone()));
                format!(" AND ({order}) > ({})", placeholders(1, last.len()))
            }
        };
        let found = tx.all(format!("{from}{after} ORDER BY {order} LIMIT {STRIDE}"), values).await?;
        let row = |row: &super::tx::Row| {
            columns.iter().map(|column| row.value(&column.name, column.kind)).collect::<Result<Vec<Value>, _>>()
        };
        let rows: Vec<Vec<Value>> = found.iter().map(row).collect::<Result<_, _>>()?;
        let is_last = rows.len() < STRIDE;
        if let Some(row) = rows.last() {
            last = Some(places.iter().filter_map(|place| row.get(*place).cloned()).collect());
        }
        if !rows.is_empty() || last.is_none() {
            let sent = pages.send(Page { table: table.clone(), rows }).await;
            sent.map_err(|_| StoreError::Unavailable("nobody takes the rows any more".into()))?;
        }
        if is_last {
            return Ok(());
        }
    }
}
