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
    pub(super) fn set_sql(mut self, column: &'static str, expression: &'static str) -> Self {
        self.columns.push((column, expression.to_owned()));
        self
    }

    /// The statement that inserts the row, and its values.
    pub(super) fn insert_into(self, table: &'static str) -> (String, Args) {
        let columns: Vec<&str> = self.columns.iter().map(|(column, _)| *column).collect();
        let values: Vec<&str> = self.columns.iter().map(|(_, sql)| &**sql).collect();
        (format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", ")), self.values)
    }

    /// The statement that changes the row whose `key` is this value, and its values.
    pub(super) fn update(mut self, table: &'static str, key: &'static str, value: impl Bind) -> (String, Args) {
        let place = self.push(value);
        let all: Vec<String> = self.columns.iter().map(|(column, sql)| format!("{column} = {sql}")).collect();
        (format!("UPDATE {table} SET {} WHERE {key} = {place}", all.join(", ")), self.values)
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
    }
}
