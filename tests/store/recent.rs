//! What scripts did lately, for many scripts at once.

use super::{DatabaseUrl, Store, TestFile, after, cluster, ended, keep, made_and_ended, make, new_run, start, version};
use cronbox::run::{RECENT, Status};
use cronbox::script::Script;

on_every_engine![the_last_runs_of_many_scripts_are_found];

async fn the_last_runs_of_many_scripts_are_found(store: Store) {
    let mut scripts: Vec<Script> = Vec::new();
    for number in 0..120 {
        let name = format!("s{number:03}");
        scripts.push(keep(&store, version(&name, &name), start()).await.expect("keeps").script);
    }
    assert!(store.activity(&[]).await.expect("reads").is_empty());
    assert!(store.activity(&scripts).await.expect("reads").is_empty());
    let mut ids = Vec::new();
    for second in 1..=25 {
        let status = if second % 2 == 0 { Status::Failed } else { Status::Succeeded };
        ids.push(made_and_ended(&store, new_run(Some("s007"), after(second)), ended(status, "1"), after(second)).await);
    }
    let other = made_and_ended(&store, new_run(Some("s119"), after(1)), ended(Status::Succeeded, "1"), after(2)).await;
    make(&store, new_run(Some("s007"), after(30)), after(30)).await;
    ids.reverse();
    let found = store.activity(&scripts).await.expect("reads");
    assert_eq!(found.len(), 2);
    let recent = &found["s007"].recent;
    assert_eq!(recent.iter().map(|run| run.id.clone()).collect::<Vec<_>>(), ids[..RECENT]);
    assert_eq!((recent[0].status, recent[1].status), (Status::Succeeded, Status::Failed));
    assert!(recent[0].created_at >= after(25) && recent[0].wall.is_some());
    assert_eq!(found["s119"].recent[0].id, other);
    // Runs of an earlier script of the name are not among it.
    let later = Script { created_at: after(20), ..scripts[7].clone() };
    let found = store.activity(&[later]).await.expect("reads");
    assert_eq!(found["s007"].recent.iter().map(|run| run.id.clone()).collect::<Vec<_>>(), ids[..6]);
}
