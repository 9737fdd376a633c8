//! The schema of a database, looked at from outside.

use super::{DatabaseUrl, Store, TestFile, cluster};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_tells_its_step_and_what_it_lacks() {
    let file = TestFile::new();
    let postgres = DatabaseUrl::Postgres(cluster().database());
    let all = Store::pending(&postgres).await.expect("asks");
    assert_eq!(all.first().map(|step| step.name), Some("0001_scripts_and_runs"), "nothing is there yet");
    assert_eq!(Store::peek(&file.place()).await.expect("looks"), None, "there is no file");
    for place in [file.place(), postgres] {
        Store::open(&place).await.expect("opens").close().await;
        assert_eq!(Store::pending(&place).await.expect("asks"), []);
        let peek = Store::peek(&place).await.expect("looks").expect("is there");
        assert_eq!(peek.schema, Some(peek.newest));
        assert_eq!(all.len(), usize::try_from(peek.newest).expect("a count"), "a step for each number");
    }
    assert_eq!(Store::peek(&DatabaseUrl::Memory).await.expect("looks"), None);
}

/// As a server and `cronbox token create --database` can.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_database_can_be_opened_by_many_at_once() {
    let file = TestFile::new();
    for place in [file.place(), DatabaseUrl::Postgres(cluster().database())] {
        let stores = futures_util::future::join_all((0..8).map(|_| Store::open(&place))).await;
        for store in stores {
            store.expect("opens").close().await;
        }
    }
}
