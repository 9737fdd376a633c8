//! Whose turn a backup is, and blobs that stay while one is made.

use super::{DatabaseUrl, Store, TestFile, after, announce, cluster, start, version};
use crate::support::wait::until;
use chrono::TimeDelta;
use cronbox::blobs::{BlobLocation, Blobs, S3Access};
use cronbox::cleaner::{Cleaner, Retention};
use cronbox::clock::{Clock, Time};
use cronbox::event::EventPosition;
use cronbox::publication::ScriptFilter;
use cronbox::store::backups::{LastBackup, NewBackup};
use cronbox::store::{Loader, StoreError, Target};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

on_every_engine![blobs_stay_while_a_backup_is_made, one_of_many_has_the_turn];

fn backup(id: &str, started_at: Time) -> NewBackup {
    NewBackup {
        id: id.into(),
        place: "s3://a".into(),
        node: Some("n".into()),
        started_at,
        held_until: started_at + TimeDelta::minutes(15),
    }
}

async fn blobs_stay_while_a_backup_is_made(store: Store) {
    let clock = Clock::manual(start());
    let cleaner = Cleaner {
        store: store.clone(),
        blobs: Blobs::open(&BlobLocation::Memory, &S3Access::default()).expect("opens"),
        clock: clock.clone(),
        retention: Retention::default(),
    };
    let condemned = async |now: Time| {
        clock.set(now);
        cleaner.round(false, &CancellationToken::new()).await.expect("cleans");
        let before = now + TimeDelta::days(1);
        store.condemned_blobs(before, before, 10).await.expect("looks")
    };
    announce(&store, "sources/a", start()).await;
    store.begin_backup(&backup("b", after(3500))).await.expect("begins");
    assert!(store.is_being_backed_up(after(3700)).await.expect("asks"));
    assert_eq!(condemned(after(3700)).await, ["sources/a"]);
    // Also when the cleaner looked before the backup began.
    let before = after(3700) - TimeDelta::hours(1);
    assert!(!store.begin_delete("sources/a", before, before, after(3700)).await.expect("asks"));
    assert!(store.hold_backup("b", after(4000), after(9000)).await.expect("holds"));
    assert_eq!(condemned(after(8000)).await, ["sources/a"]);
    store.end_backup("b", Ok(1), after(8001)).await.expect("ends");
    assert!(!store.hold_backup("b", after(8002), after(9000)).await.expect("asks"), "it has ended");
    assert!(condemned(after(8002)).await.is_empty());
    // One that is not heard of any more holds nothing.
    announce(&store, "sources/b", after(10_000)).await;
    store.begin_backup(&backup("c", after(13_700))).await.expect("begins");
    assert_eq!(condemned(after(13_800)).await, ["sources/b"]);
    assert!(condemned(after(13_700 + 901)).await.is_empty());
    assert!(!store.hold_backup("c", after(13_700 + 901), after(20_000)).await.expect("asks"), "too late");
}

async fn one_of_many_has_the_turn(store: Store) {
    let day = Duration::from_secs(86_400);
    let due = async |id: &str, at: i64| store.begin_due_backup(&backup(id, after(at)), day).await.expect("asks");
    let has_failed = async |expected: &[&str]| {
        // On PostgreSQL a transaction of another test can hold the feed back for a while.
        until("the feed tells it", async || {
            let events = store.events(EventPosition::default()).await.expect("reads").expect("all of them");
            let failed = events.into_iter().filter(|event| event.type_name == "backup_failed");
            let reasons: Vec<String> = failed.filter_map(|event| event.reason).collect();
            if reasons == expected { Ok(()) } else { Err(reasons) }
        })
        .await;
    };
    let tries = (0..8).map(|n| {
        let store = store.clone();
        async move { store.begin_due_backup(&backup(&format!("a{n}"), start()), day).await.expect("asks") }
    });
    let turns = futures_util::future::join_all(tries).await;
    assert_eq!(turns.iter().filter(|turn| **turn).count(), 1, "{turns:?}");
    let first = format!("a{}", turns.iter().position(|turn| *turn).expect("one"));
    assert_eq!(store.last_backup().await.expect("asks"), None);
    store.end_backup(&first, Ok(7), after(5)).await.expect("ends");
    assert_eq!(store.last_backup().await.expect("asks"), Some(LastBackup { started_at: start(), bytes: 7 }));
    assert!(!due("b", 86_399).await);
    // One by hand changes nothing about the turns.
    store.begin_backup(&backup("hand", after(86_399))).await.expect("begins");
    assert!(due("c", 86_400).await);
    store.end_backup("c", Err("its disk is full".into()), after(86_401)).await.expect("ends");
    has_failed(&["s3://a: its disk is full"]).await;
    assert!(!due("d", 86_400 + 899).await, "not at once again");
    assert!(due("e", 86_400 + 900).await);
    // Its node is gone: whoever comes finds that out, and tries again when a failed one is.
    assert!(!due("f", 86_400 + 1799).await);
    assert!(due("g", 86_400 + 1800).await);
    let left = "s3://a: whoever made it has ended in the middle";
    // Also the one by hand that nobody ended.
    has_failed(&["s3://a: its disk is full", left, left]).await;
    store.end_backup("e", Ok(9), after(86_400 + 1801)).await.expect("is too late");
    assert_eq!(store.last_backup().await.expect("asks").map(|last| last.bytes), Some(7));
    // A node that stops gives its turn back.
    store.forget_backup("g").await.expect("forgets");
    assert!(due("h", 86_400 + 1802).await);
    // A server that has the database alone starts again: the one before it ended in the middle. One by hand goes on.
    store.begin_backup(&backup("goes on", after(86_400 + 1803))).await.expect("begins");
    store.end_left_backups(after(86_400 + 1804)).await.expect("ends");
    has_failed(&["s3://a: its disk is full", left, left, left]).await;
    let now = after(86_400 + 1804);
    assert!(store.hold_backup("goes on", now, after(86_400 + 9000)).await.expect("holds"));
    assert!(!due("i", 86_400 + 1802 + 899).await);
    assert!(due("i", 86_400 + 1802 + 900).await);
}

/// All rows of one moment, written into an empty database; what a server then finds there.
async fn goes_over(from: DatabaseUrl, to: DatabaseUrl) {
    let store = Store::open(&from).await.expect("opens");
    announce(&store, "sources/a", start()).await;
    store.keep_version(version("Price", "a"), start()).await.expect("keeps");
    store.set_state("price", "{\"seen\":1}".into(), start()).await.expect("sets");
    assert_eq!(Store::pending(&from).await.expect("asks"), []);
    let (pages, mut taken) = mpsc::channel(4);
    let reader = store.clone();
    let reading = tokio::spawn(async move { reader.snapshot(pages).await });
    let mut kept = Vec::new();
    while let Some(page) = taken.recv().await {
        kept.push(page);
    }
    let of = reading.await.expect("ends").expect("reads");
    let peek = Store::peek(&from).await.expect("looks").expect("is there");
    assert_eq!((peek.schema, peek.newest), (Some(of.schema), of.schema));
    let mut loader = Loader::open(&Target::Database(to.clone()), of.schema).await.expect("is empty");
    for page in kept {
        loader.rows(&page.table.name, &page.table.columns, page.rows).await.expect("writes");
    }
    loader.unwritten(&["sources/a".into()]).await.expect("says");
    assert_eq!(loader.faults().await.expect("looks"), Vec::<String>::new());
    loader.finish().await.expect("is whole");
    let there = Store::open_in_use(&to).await.expect("opens");
    let all = ScriptFilter { limit: 10, ..ScriptFilter::default() };
    assert_eq!(there.scripts(all.clone()).await.expect("lists"), store.scripts(all).await.expect("lists"));
    assert_eq!(there.state("price").await.expect("reads"), store.state("price").await.expect("reads"));
    let full = Loader::open(&Target::Database(to), of.schema).await.map(|_| ());
    assert!(matches!(full, Err(StoreError::NotEmpty(_))), "{full:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_from_each_engine_to_the_other() {
    let postgres = || DatabaseUrl::Postgres(cluster().database());
    let (one, other, third) = (TestFile::new(), TestFile::new(), TestFile::new());
    goes_over(one.place(), other.place()).await;
    goes_over(one.place(), postgres()).await;
    goes_over(postgres(), third.place()).await;
}
