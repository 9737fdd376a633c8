//! The tables of a database as they are: names, columns, keys, and which refer to which.

use super::tx::{Dialect, Tx, args};
use super::value::Kind;
use super::{StoreError, migrations, sqlite};
use std::collections::{BTreeMap, BTreeSet};

/// Tables that are no part of the data: what the steps of the schema are counted in, backups themselves, and nodes, which are
/// those of the moment.
const NOT_DATA: [&str; 3] = ["_sqlx_migrations", "backups", "nodes"];

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// The columns of its primary key, in order.
    pub(super) key: Vec<String>,
}

impl Table {
    /// The place of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// The step that the schema is at; none: the database has no tables of this program's.
pub(super) async fn schema(tx: &mut Tx<'_>) -> Result<Option<i64>, StoreError> {
    let sql = match tx.dialect {
        Dialect::Sqlite => "SELECT count(*) AS tables FROM sqlite_schema WHERE name = '_sqlx_migrations'",
        Dialect::Postgres => {
            "SELECT count(*) AS tables FROM pg_tables WHERE schemaname = current_schema() AND tablename = '_sqlx_migrations'"
        }
    };
    if tx.one(sql, args![]).await?.int("tables")? == 0 {
        return Ok(None);
    }
    tx.one("SELECT max(version) AS step FROM _sqlx_migrations", args![]).await?.int_or_none("step")
}

/// How many tables of others there are, where no step of the schema was applied. The list of steps is the first thing that is made:
/// who was killed then left nothing else.
pub(super) async fn count_of_others(tx: &mut Tx<'_>) -> Result<i64, StoreError> {
    let sql = match tx.dialect {
        Dialect::Sqlite => {
            "SELECT count(*) AS tables FROM sqlite_schema WHERE type = 'table' AND name <> '_sqlx_migrations'"
        }
        Dialect::Postgres => {
            "SELECT count(*) AS tables FROM pg_tables WHERE schemaname = current_schema() AND tablename <> '_sqlx_migrations'"
        }
    };
    tx.one(sql, args![]).await?.int("tables")
}

/// The names of the tables that the steps of the schema make up to one of them.
fn own_tables(step: i64) -> Result<BTreeSet<String>, StoreError> {
    let mut scratch = migrations::scratch(step)?;
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table'";
    let rows = sqlite::at_once(async { Tx::on_sqlite(&mut scratch).all(sql, args![]).await })??;
    rows.iter().map(|row| row.text("name")).collect()
}

/// The tables of the data of a database that is at a step, each after those that it refers to. Tables that others have made in
/// the same database are not among them.
pub(super) async fn tables(tx: &mut Tx<'_>, step: i64) -> Result<Vec<Table>, StoreError> {
    let mut own = own_tables(step)?;
    own.retain(|name| !NOT_DATA.contains(&name.as_str()));
    let sql = match tx.dialect {
        Dialect::Sqlite => {
            r#"SELECT t.name AS owner, c.name AS name, c.type AS type, c.pk AS place
            FROM sqlite_schema t JOIN pragma_table_info(t.name) c
            WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY t.name, c.cid"#
        }
        Dialect::Postgres => {
            "SELECT t.relname::text AS owner, c.attname::text AS name, format_type(c.atttypid, NULL)::text AS type,
                (coalesce(array_position(k.indkey::int2[], c.attnum), -1) + 1)::bigint AS place
            FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
            JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped AND c.attgenerated = ''
            LEFT JOIN pg_index k ON k.indrelid = t.oid AND k.indisprimary
            WHERE t.relkind = 'r' AND n.nspname = current_schema() ORDER BY t.relname, c.attnum"
        }
    };
    let mut found: BTreeMap<String, (Table, BTreeMap<i64, String>)> = BTreeMap::new();
    for row in tx.all(sql, args![]).await? {
        let (owner, name, place) = (row.text("owner")?, row.text("name")?, row.int("place")?);
        if !own.contains(&owner) {
            continue;
        }
        let kind = match row.text("type")?.to_ascii_lowercase().as_str() {
            "bigint" | "integer" => Kind::Int,
            "text" => Kind::Text,
            "blob" | "bytea" => Kind::Bytes,
            other => return Err(StoreError::Corrupt(format!("{owner}.{name} is of the type {other}"))),
        };
        let (table, key) = found
            .entry(owner.clone())
            .or_insert_with(|| (Table { name: owner, columns: Vec::new(), key: Vec::new() }, BTreeMap::new()));
        if place > 0 {
            key.insert(place, name.clone());
        }
        table.columns.push(Column { name, kind });
    }
    let refers = references(tx).await?;
    let mut waiting: Vec<Table> =
        found.into_values().map(|(table, key)| Table { key: key.into_values().collect(), ..table }).collect();
    let mut ordered: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let named: BTreeSet<String> = waiting.iter().map(|table| table.name.clone()).collect();
        let is_free =
            |table: &Table| !refers.iter().any(|(from, to)| *from == table.name && to != from && named.contains(to));
        let (free, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_free);
        if free.is_empty() {
            return Err(StoreError::Corrupt("tables refer to one another in a circle".into()));
        }
        ordered.extend(free);
        waiting = rest;
    }
    Ok(ordered)
}

/// Which tables refer to which.
async fn references(tx: &mut Tx<'_>) -> Result<Vec<(String, String)>, StoreError> {
    let sql = match tx.dialect {
        Dialect::Sqlite => {
            r#"SELECT t.name AS owner, r."table" AS other FROM sqlite_schema t JOIN pragma_foreign_key_list(t.name) r
            WHERE t.type = 'table'"#
        }
        Dialect::Postgres => {
            "SELECT t.relname::text AS owner, o.relname::text AS other FROM pg_constraint r
            JOIN pg_class t ON t.oid = r.conrelid JOIN pg_class o ON o.oid = r.confrelid
            JOIN pg_namespace n ON n.oid = t.relnamespace WHERE r.contype = 'f' AND n.nspname = current_schema()"
        }
    };
    tx.all(sql, args![]).await?.iter().map(|row| Ok((row.text("owner")?, row.text("other")?))).collect()
}

/// Names of columns, as statements have them.
pub(super) fn quoted<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}
