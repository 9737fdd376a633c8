//! The schema of a database: what is missing is told, planned and applied, and a newer one is left alone. What an earlier
//! version asks goes on working.

mod rolling;
mod statements;

use crate::support::beside_others;
use crate::support::server::{Folder, Server};
use rusqlite::Connection;

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_that_are_missing_are_told_planned_and_applied() {
    let _shared = beside_others().await;
    let folder = Folder::new();
    let words = ["--data-dir", "data"];
    let mut server = Server::start(&folder.0, &words);
    let migrate =
        |server: &Server, words: &[&str]| server.cronbox(&[&["migrate", "--data-dir", "data"], words].concat());
    let is_up_to_date = (Some(0), "the database is up to date\n".to_owned(), String::new());
    assert_eq!(migrate(&server, &["--check"]), is_up_to_date, "beside a server");
    let (code, _, told) = migrate(&server, &[]);
    assert_eq!(code, Some(5));
    assert!(told.contains("another server is using the data directory data"), "{told}");
    server.kill();

    // As the version before the last step left it.
    let database = Connection::open(folder.0.join("data/cronbox.db")).expect("opens");
    let last: i64 =
        database.query_row("SELECT max(version) FROM _sqlx_migrations", [], |row| row.get(0)).expect("asks");
    assert_eq!(last, 26, "the table below is the one of the last step");
    database.execute_batch("DELETE FROM _sqlx_migrations WHERE version = 26; DROP TABLE backups").expect("changes");
    let (code, told, _) = migrate(&server, &["--check"]);
    assert_eq!(code, Some(1));
    assert!(told.starts_with("missing: 0026_backups: Backups"), "{told}");
    let (code, plan, _) = migrate(&server, &["--plan"]);
    assert_eq!(code, Some(0));
    assert!(plan.starts_with("-- 0026_backups\n") && plan.contains("CREATE TABLE backups ("), "{plan}");
    assert_eq!(migrate(&server, &["--check", "--json"]).1, "{\"pending\":[\"0026_backups\"]}\n");
    assert_eq!(migrate(&server, &[]), (Some(0), "applied: 0026_backups\n".to_owned(), String::new()));
    assert_eq!(migrate(&server, &["--check"]), is_up_to_date);

    // A newer version has used it: nobody of this version touches it.
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (999, 'later', 1, x'00', 0)";
    database.execute_batch(newer).expect("changes");
    for words in [["--check"].as_slice(), &["--plan"], &[]] {
        let (code, _, told) = migrate(&server, words);
        assert_eq!(code, Some(5), "{told}");
        assert!(told.contains("a newer Cronbox has used it; start that one"), "{told}");
    }
    let (code, _, told) = server.cronbox(&["migrate", "--check", "--data-dir", "nowhere"]);
    assert_eq!(code, Some(5));
    assert!(told.contains("there is no database nowhere/cronbox.db"), "{told}");
    assert!(!folder.0.join("nowhere").exists(), "a question makes nothing");
}
