//! During an upgrade nodes of two versions use one database. So what a released version asks is prepared here with the newest
//! schema, on both engines: a table or a column that was taken away is found. `make statements` records the lists.

use crate::support::beside_others;
use crate::support::postgres::{binary, cluster};
use crate::support::server::Folder;
use cronbox::store::{DatabaseUrl, Store};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A statement, and the types of its values.
#[derive(Clone, Debug)]
struct Statement {
    sql: String,
    types: String,
}

/// What one version asks of one engine.
#[derive(Debug)]
struct Recorded {
    file: String,
    /// The newest step of the schema that it knows.
    step: u32,
    statements: Vec<Statement>,
}

impl Recorded {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("a list");
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        let (head, rest) = text.split_once('\n').expect("a first line");
        let step = head.split_once("after step ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        let statement = |line: &str| {
            let (sql, types) = line.rsplit_once(" -- ").unwrap_or((line, ""));
            Statement { sql: sql.to_owned(), types: types.to_owned() }
        };
        let step = step.unwrap_or_else(|| panic!("{file} does not say of which step it is: {head}"));
        Recorded { file, step, statements: rest.lines().map(statement).collect() }
    }

    /// Whether a statement changes this table.
    fn changes(&self, table: &str) -> bool {
        let heads = ["INSERT INTO", "UPDATE", "DELETE FROM"].map(|head| format!("{head} {table}"));
        let is_named = |sql: &str, head: &str| {
            let mut ends = sql.match_indices(head).map(|(at, head)| at + head.len());
            ends.any(|end| sql[end..].starts_with([' ', '(']) || sql.len() == end)
        };
        self.statements.iter().any(|statement| heads.iter().any(|head| is_named(&statement.sql, head)))
    }
}

/// The lists of an engine.
fn lists(engine: &str) -> Vec<Recorded> {
    let folder = root().join("tests/upgrade");
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path());
    let ending = format!(".{engine}.sql");
    let mut files: Vec<PathBuf> = files.filter(|path| path.to_string_lossy().ends_with(&ending)).collect();
    files.sort();
    files.iter().map(|path| Recorded::read(path)).collect()
}

/// The statements that SQLite does not take with the newest schema, each with the reason.
async fn refused_by_sqlite(statements: &[Statement]) -> Vec<String> {
    let folder = Folder::new();
    let file = folder.0.join("new.db");
    Store::open(&DatabaseUrl::Sqlite(file.clone())).await.expect("opens").close().await;
    let database = Connection::open(file).expect("opens");
    let refused = |statement: &Statement| {
        let prepared = database.prepare(&statement.sql).map(|_| ());
        prepared.err().map(|error| format!("{error}\n    {}", statement.sql))
    };
    statements.iter().filter_map(refused).collect()
}

/// The same of PostgreSQL, with the types that the program says its values have.
async fn refused_by_postgres(statements: &[Statement]) -> Vec<String> {
    let url = cluster().database();
    Store::open(&DatabaseUrl::Postgres(url.clone())).await.expect("opens").close().await;
    let prepare = |(number, Statement { sql, types }): (usize, &Statement)| {
        let types = if types.is_empty() { String::new() } else { format!(" ({types})") };
        format!("PREPARE s{number}{types} AS {sql};\n")
    };
    let folder = Folder::new();
    folder.write("all.sql", &statements.iter().enumerate().map(prepare).collect::<String>());
    let mut psql = Command::new(binary("psql"));
    psql.args(["-X", "-q", "-d", &url, "-f", "all.sql"]).current_dir(&folder.0);
    let done = psql.output().expect("psql starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // `psql:all.sql:3: ERROR:  …`: one statement is on each line.
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let refused = said.lines().filter_map(|line| {
        let (line, error) = line.strip_prefix("psql:all.sql:")?.split_once(": ERROR:")?;
        let statement = &statements[line.parse::<usize>().expect("a line") - 1];
        Some(format!("{}\n    {} ({})", error.trim(), statement.sql, statement.types))
    });
    refused.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_released_versions_ask_goes_on_working() {
    let _shared = beside_others().await;
    for list in lists("sqlite") {
        let refused = refused_by_sqlite(&list.statements).await;
        assert!(
            refused.is_empty(),
            "{}: the newest schema lacks what this version asks for:\n{}",
            list.file,
            refused.join("\n")
        );
    }
    for list in lists("postgres") {
        let refused = refused_by_postgres(&list.statements).await;
        assert!(
            refused.is_empty(),
            "{}: the newest schema lacks what this version asks for:\n{}",
            list.file,
            refused.join("\n")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_schema_lacks_is_found() {
    let _shared = beside_others().await;
    let statement = |sql: &str, types: &str| Statement { sql: sql.into(), types: types.into() };
    let wrong = [
        statement("SELECT gone FROM runs WHERE id = $1", "text"),
        statement("INSERT INTO gone (id) VALUES ($1)", "text"),
        statement("UPDATE runs SET gone = $2 WHERE id = $1", "text, bigint"),
    ];
    let right = statement("UPDATE runs SET status = $2 WHERE id = $1", "text, text");
    let all = [&wrong[..], &[right]].concat();
    for refused in [refused_by_sqlite(&all).await, refused_by_postgres(&all).await] {
        assert_eq!(refused.len(), wrong.len(), "{refused:#?}");
        for (refused, statement) in refused.iter().zip(&wrong) {
            assert!(refused.contains("gone") && refused.contains(&statement.sql), "{refused}");
        }
    }
    // Only PostgreSQL knows what a value is: a column whose type was changed is found there.
    let typed = [statement("UPDATE runs SET created_at = $1", "text")];
    assert_eq!(refused_by_postgres(&typed).await.len(), 1);
}

/// Both engines have a list of this version, and each list changes every table that its version has.
#[test]
fn the_lists_are_complete() {
    let steps = std::fs::read_dir(root().join("migrations/sqlite")).expect("a folder").map(|entry| {
        let entry = entry.expect("a step");
        let number: u32 = entry.file_name().to_string_lossy()[..4].parse().expect("a number");
        (number, entry.path())
    });
    let steps: BTreeMap<u32, PathBuf> = steps.collect();
    for engine in ["sqlite", "postgres"] {
        let lists = lists(engine);
        let own = format!("statements-{}.{engine}.sql", env!("CARGO_PKG_VERSION"));
        assert!(lists.iter().any(|list| list.file == own), "there is no tests/upgrade/{own}: run make statements");
        for list in lists {
            let database = Connection::open_in_memory().expect("opens");
            for (_, path) in steps.range(..=list.step) {
                database.execute_batch(&std::fs::read_to_string(path).expect("a step")).expect("applies");
            }
            let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
            let mut asked = database.prepare(sql).expect("prepares");
            let tables = asked.query_map([], |row| row.get::<_, String>(0)).expect("asks");
            let tables: Vec<String> = tables.map(|table| table.expect("a name")).collect();
            assert!(tables.len() > 20, "{tables:?}");
            let missing: Vec<&String> = tables.iter().filter(|table| !list.changes(table)).collect();
            assert!(missing.is_empty(), "{}: no statement changes {missing:?}", list.file);
        }
    }
}

#[test]
fn a_table_that_is_only_read_is_found() {
    let statements = ["SELECT a FROM runs", "INSERT INTO runs_old (a) VALUES ($1)", "DELETE FROM queue"];
    let statements = statements.map(|sql| Statement { sql: sql.into(), types: String::new() }).to_vec();
    let list = Recorded { file: String::new(), step: 1, statements };
    assert!(!list.changes("runs") && list.changes("runs_old") && list.changes("queue"));
}
