//! Statements that write many columns, each beside its value: no parameter is counted by hand.

use super::tx::Args;
use super::value::Bind;

/// Columns of one row, and what they are set to.
#[derive(Default)]
pub(super) struct Columns {
    /// Each with its SQL.
    columns: Vec<(&'static str, String)>,
    values: Args,
    /// How many values there are.
    count: usize,
}

impl Columns {
    /// The column is set to this value.
    pub(super) fn set(self, column: &'static str, value: impl Bind) -> Self {
        self.set_to(column, "?", value)
    }

    /// The column is set to an expression in which `?` is this value.
    pub(super) fn set_to(mut self, column: &'static str, expression: &'static str, value: impl Bind) -> Self {
        let place = self.push(value);
        self.columns.push((column, expression.replace('?', &place)));
        self
    }

    /// The column is set to an expression without a value.
    pub(super) fn set_sql(mut self, column: &'static str, expression: impl Into<String>) -> Self {
        self.columns.push((column, expression.into()));
        self
    }

    /// A value that the rest of the statement uses; its placeholder.
    pub(super) fn value(&mut self, value: impl Bind) -> String {
        self.push(value)
    }

    /// The statement that inserts the row, and its values.
    pub(super) fn insert_into(self, table: &'static str) -> (String, Args) {
        let columns: Vec<&str> = self.columns.iter().map(|(column, _)| *column).collect();
        let values: Vec<&str> = self.columns.iter().map(|(_, sql)| &**sql).collect();
        (format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", ")), self.values)
    }

    /// The statement that inserts such a row for each of another table, and its values.
    pub(super) fn insert_from(self, table: &'static str, from: &'static str) -> (String, Args) {
        let columns: Vec<&str> = self.columns.iter().map(|(column, _)| *column).collect();
        let values: Vec<&str> = self.columns.iter().map(|(_, sql)| &**sql).collect();
        let sql = format!("INSERT INTO {table} ({}) SELECT {} FROM {from}", columns.join(", "), values.join(", "));
        (sql, self.values)
    }

    /// The statement that changes the row whose `key` is this value, and its values.
    pub(super) fn update(mut self, table: &'static str, key: &'static str, value: impl Bind) -> (String, Args) {
        let place = self.push(value);
        (format!("UPDATE {table} SET {} WHERE {key} = {place}", self.assignments()), self.values)
    }

    /// The statement that changes the rows whose `id` a column of another table names, and its values.
    pub(super) fn update_from(self, table: &'static str, from: &'static str, id: &'static str) -> (String, Args) {
        (format!("UPDATE {table} SET {} FROM {from} WHERE {table}.id = {id}", self.assignments()), self.values)
    }

    fn assignments(&self) -> String {
        let all: Vec<String> = self.columns.iter().map(|(column, sql)| format!("{column} = {sql}")).collect();
        all.join(", ")
    }

    /// Keeps a value; its placeholder.
    fn push(&mut self, value: impl Bind) -> String {
        self.values.push(value);
        self.count += 1;
        format!("${}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Columns {
        Columns::default().set("a", "x").set_sql("b", "b + 1").set_to("c", "CASE WHEN c > ? THEN c ELSE ? END", 5)
    }

    #[test]
    fn statements_name_each_column_once() {
        let (sql, _) = columns().insert_into("t");
        assert_eq!(sql, "INSERT INTO t (a, b, c) VALUES ($1, b + 1, CASE WHEN c > $2 THEN c ELSE $2 END)");
        let (sql, _) = columns().update("t", "id", "x");
        assert_eq!(sql, "UPDATE t SET a = $1, b = b + 1, c = CASE WHEN c > $2 THEN c ELSE $2 END WHERE id = $3");
        let (sql, _) = columns().insert_from("t", "other");
        assert_eq!(sql, "INSERT INTO t (a, b, c) SELECT $1, b + 1, CASE WHEN c > $2 THEN c ELSE $2 END FROM other");
        let (sql, _) = columns().update_from("t", "other", "other.key");
        let set = "a = $1, b = b + 1, c = CASE WHEN c > $2 THEN c ELSE $2 END";
        assert_eq!(sql, format!("UPDATE t SET {set} FROM other WHERE t.id = other.key"));
    }
}
