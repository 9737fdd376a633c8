//! What is bounded: what a held run costs, how many are held, how long a text may be, and that an end can always be recorded.

use super::{
    DatabaseUrl, Store, TestFile, after, announce, by, cluster, ended, keep, make, new_run, start, status, version,
};
use chrono::TimeDelta;
use cronbox::precondition::Precondition;
use cronbox::run::{
    Cause, Claim, Ended, Gate, Idempotency, Made, NewRun, OutputFile, Recorded, Run, Status, Value, new_id,
};
use cronbox::schedule::{NewSchedule, Origin, ScheduleFilter, StoredTrigger};
use cronbox::script::{MAX_LABEL, Settings};
use cronbox::store::StoreError;
use cronbox::store::backfill::Backfilled;
use cronbox::store::grants::{GrantedHosts, NewGrants};
use cronbox::store::queries::RunFilter;
use cronbox::store::retention::{Of, Old};
use serde_json::json;

on_every_engine![
    lines_are_let_through_in_order,
    a_gate_and_a_limit_hold_together,
    a_limit_that_is_lifted_lets_all_go,
    what_is_stuck_is_let_go,
    a_backfill_fits_or_is_not_made,
    an_end_can_always_be_recorded,
    texts_that_cannot_be_kept_are_refused,
    texts_at_their_longest_are_kept,
    lists_may_be_long,
    nodes_that_end_runs_at_once_lose_none,
];

/// Runs of a backfill of script a, of which `most` run at once.
fn backfilled(name: &str, most: u32, count: i64) -> Vec<NewRun> {
    let run = |n| NewRun {
        id: new_id(start() + TimeDelta::microseconds(n)),
        cause: Cause::Backfill,
        fire_time: Some(after(n - 100_000)),
        backfill: Some(name.into()),
        gate: Some(Gate { name: name.into(), most: Some(most) }),
        ..new_run(Some("a"), start())
    };
    (0..count)
        .map(run)
        .map(|mut new| {
            new.spec.gated = true;
            new
        })
        .collect()
}

async fn take(store: &Store) -> Vec<(Run, Claim)> {
    let claim = by("n");
    let runs = store.claim(claim.clone(), 16, start()).await.expect("claims");
    runs.into_iter().map(|run| (run, claim.clone())).collect()
}

async fn end(store: &Store, (run, claim): &(Run, Claim)) {
    let lock = run.script.clone();
    let end = Ended { lock, ..ended(Status::Succeeded, "1") };
    assert_ne!(store.record(&run.id, &claim.token, end, start()).await.expect("records"), Recorded::Late);
}

/// Ends runs one by one until nothing starts any more; their ids in order, and most that ran at once.
async fn end_all(store: &Store) -> (Vec<String>, usize) {
    let (mut order, mut most, mut running) = (Vec::new(), 0, take(store).await);
    while !running.is_empty() {
        most = most.max(running.len());
        let first = running.remove(0);
        end(store, &first).await;
        order.push(first.0.id);
        running.extend(take(store).await);
    }
    (order, most)
}

async fn lines_are_let_through_in_order(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let mut runs = backfilled("x", 2, 50);
    // One in the middle goes before all that wait.
    runs[30].priority = 5;
    let ids: Vec<String> = runs.iter().map(|run| run.id.clone()).collect();
    assert_eq!(store.backfill(runs, 100, start()).await.expect("makes"), Backfilled::Made(50));
    let depth = store.queue_depth().await.expect("asks");
    assert_eq!((depth.ready, depth.held), (2, 48));
    let (order, most) = end_all(&store).await;
    assert_eq!(most, 2);
    let mut expected = ids.clone();
    let urgent = expected.remove(30);
    expected.insert(2, urgent);
    assert_eq!(order, expected);
}

async fn a_gate_and_a_limit_hold_together(store: Store) {
    let limited = Settings { concurrency: Some(2), ..Settings::default() };
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    store.set_settings("a", limited, &Precondition::None, start()).await.expect("sets");
    for (name, most) in [("x", 1), ("y", 3)] {
        let mut runs = backfilled(name, most, 6);
        runs.iter_mut().for_each(|run| run.spec.concurrency = Some(2));
        store.backfill(runs, 100, start()).await.expect("makes");
    }
    let mut free = new_run(Some("a"), start());
    (free.priority, free.spec.concurrency) = (1, Some(2));
    let free = make(&store, free, after(1)).await;
    let mut running = take(&store).await;
    let mut done = Vec::new();
    while !running.is_empty() {
        assert!(running.len() <= 2, "the script's limit");
        let of_x = running.iter().filter(|(run, _)| run.fire_time.is_some() && run.spec.gated).count();
        assert!(of_x <= 2);
        let first = running.remove(0);
        end(&store, &first).await;
        done.push(first.0.id);
        running.extend(take(&store).await);
    }
    assert_eq!(done.len(), 13);
    assert!(done[..4].contains(&free), "the one of a higher priority goes when the first has ended");
    let depth = store.queue_depth().await.expect("asks");
    assert_eq!((depth.ready, depth.held, depth.claimed), (0, 0, 0));
}

async fn a_limit_that_is_lifted_lets_all_go(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let one = |concurrency| Settings { concurrency, ..Settings::default() };
    store.set_settings("a", one(Some(1)), &Precondition::None, start()).await.expect("sets");
    for n in 0..250 {
        let mut new = new_run(Some("a"), after(n));
        new.spec.concurrency = Some(1);
        make(&store, new, after(n)).await;
    }
    assert_eq!(store.queue_depth().await.expect("asks").held, 249);
    store.set_settings("a", one(Some(150)), &Precondition::None, start()).await.expect("sets");
    assert_eq!(store.queue_depth().await.expect("asks").held, 100);
    store.set_settings("a", one(None), &Precondition::None, start()).await.expect("sets");
    assert_eq!(store.queue_depth().await.expect("asks").held, 0);
}

/// What runs when a limit is lowered, and what was made by a program that knows one line only.
async fn what_is_stuck_is_let_go(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    store.backfill(backfilled("x", 1, 3), 100, start()).await.expect("makes");
    assert_eq!(store.look_at_held().await.expect("looks"), 1);
    let running = take(&store).await;
    assert_eq!((running.len(), take(&store).await.len()), (1, 0));
    // Its own end does not tell of its gate: as if the limit had been set only afterwards.
    store
        .set_settings("a", Settings { concurrency: Some(1), ..Settings::default() }, &Precondition::None, start())
        .await
        .expect("sets");
    end(&store, &running[0]).await;
    assert_eq!(store.look_at_held().await.expect("looks"), 1, "the last one waits");
    let (order, most) = end_all(&store).await;
    assert_eq!((order.len(), most), (2, 1));
    assert_eq!(store.look_at_held().await.expect("looks"), 0);
}

async fn a_backfill_fits_or_is_not_made(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let runs = |count| {
        let mut runs = backfilled("x", 1, count);
        runs.iter_mut().for_each(|run| run.bounded = true);
        runs
    };
    let full = store.backfill(runs(51), 50, start()).await.expect("asks");
    assert_eq!(full, Backfilled::QueueFull { waiting: 0, fits: 50 });
    assert_eq!(store.queue_depth().await.expect("asks").held, 0, "all or none");
    assert_eq!(store.backfill(runs(45), 50, start()).await.expect("makes"), Backfilled::Made(45));
    let mut other = runs(6);
    other.iter_mut().for_each(|run| run.backfill = Some("y".into()));
    let full = store.backfill(other, 50, start()).await.expect("asks");
    assert_eq!(full, Backfilled::QueueFull { waiting: 45, fits: 5 });
    // They count for requests too.
    let ask = |bound| {
        let store = store.clone();
        async move { store.make_run(new_run(Some("a"), start()), None, None, bound, start()).await.expect("asks") }
    };
    assert_eq!((ask(45).await, ask(46).await), (Made::QueueFull, Made::Waits));
    // A second time, it is there; of a script that is gone, none is made.
    assert_eq!(store.backfill(runs(3), 100, start()).await.expect("asks"), Backfilled::Made(0));
    store.delete_script("a", false, start()).await.expect("deletes");
    assert_eq!(store.backfill(runs(3), 100, start()).await.expect("asks"), Backfilled::Made(0));
}

async fn an_end_can_always_be_recorded(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let long: String = (0..600).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
    announce(&store, "files/x", start()).await;
    let file = OutputFile { path: long, bytes: 1, media_type: "text/plain".into(), blob: "files/x".into() };
    for (refused, everywhere) in [
        // A step that a run cannot take.
        (ended(Status::Skipped, "1"), true),
        // A text with U+0000.
        (Ended { result: Some(Value::Inline("\"\0\"".into())), ..ended(Status::Succeeded, "1") }, true),
        // A path that no index of PostgreSQL's holds.
        (Ended { files: vec![file], ..ended(Status::Succeeded, "1") }, store.is_shared()),
    ] {
        store.backfill(backfilled(&new_id(start()), 1, 2), 100, start()).await.expect("makes");
        let taken = take(&store).await;
        let (run, claim) = &taken[0];
        let refused = store.record(&run.id, &claim.token, Ended { lock: Some("a".into()), ..refused }, after(1)).await;
        match (everywhere, refused) {
            (true, Err(error)) => {
                assert!(error.refuses_content(), "{error}");
                assert_eq!(status(&store, &run.id).await, Status::Running);
                assert_eq!(store.record_minimal(&run.id, "other", "no", after(2)).await.expect("asks"), Recorded::Late);
                let why = format!("{error}\0{}", "x".repeat(100_000));
                let done = store.record_minimal(&run.id, &claim.token, &why, after(2)).await.expect("records");
                assert_eq!(done, Recorded::Done);
                let kept = store.run(&run.id).await.expect("reads").expect("there");
                let error = kept.error.expect("an error");
                assert_eq!((kept.status, kept.finished_at, kept.result), (Status::Crashed, Some(after(2)), None));
                assert!(error.message.starts_with("the end of this run could not be recorded: "), "{}", error.message);
                assert!(error.message.len() < 2_500);
            }
            (false, Ok(recorded)) => assert_eq!(recorded, Recorded::Done),
            (_, other) => panic!("{other:?}"),
        }
        // What waited for it goes on.
        let next = take(&store).await;
        assert_eq!(next.len(), 1);
        end(&store, &next[0]).await;
    }
    assert!(!StoreError::Unavailable(String::new()).refuses_content() && !StoreError::Full.refuses_content());
}

async fn texts_that_cannot_be_kept_are_refused(store: Store) {
    let bad = |done: Result<(), StoreError>| assert!(matches!(done, Err(StoreError::BadText)), "{done:?}");
    bad(store.secret("a\0").await.map(|_| ()));
    bad(store.run("\0").await.map(|_| ()));
    bad(store.schedule("\0").await.map(|_| ()));
    bad(store.revoke("a", "host", "a\0").await.map(|_| ()));
    let label = Some("a\0=b".into());
    bad(store.runs(RunFilter { label, ..RunFilter::default() }, 9).await.map(|_| ()));
    let many: Vec<String> = (0..600).map(|n| format!("{n}\0")).collect();
    bad(store.runs(RunFilter { scripts: Some(many), ..RunFilter::default() }, 9).await.map(|_| ()));
    // Others that are written and asked for at the same time come through.
    let other = store.clone();
    let (refused, kept) =
        tokio::join!(store.set_state("a\0", "{}".into(), start()), keep(&other, version("a", "a"), start()),);
    bad(refused.map(|_| ()));
    assert!(kept.expect("keeps").is_new);
}

/// Every text of an index that somebody else writes, as long as it may be, of letters that do not compress.
async fn texts_at_their_longest_are_kept(store: Store) {
    // Four bytes each.
    let strange = |count: usize, from: u32| -> String {
        (0..count as u32).filter_map(|n| char::from_u32(0x20000 + (from + n * 7919) % 40_000)).collect()
    };
    let hex = |bytes: usize| -> String {
        (0..bytes.div_ceil(32)).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect::<String>()[..bytes]
            .to_owned()
    };
    let name = format!("s{}", hex(99));
    let labels = (0..32).map(|n| (strange(MAX_LABEL, n * 131), strange(MAX_LABEL, n * 37 + 11)));
    keep(&store, version(&name, &hex(64)), start()).await.expect("keeps");
    let request =
        Idempotency { key: format!("{}:scripts/{name}/runs:{}", hex(36), hex(255)), body: hex(64), since: start() };
    let new = NewRun { labels: labels.clone().collect(), ..new_run(Some(&name), start()) };
    assert_eq!(store.make_run(new.clone(), Some(request), None, 10, start()).await.expect("makes"), Made::Waits);
    let (key, value) = labels.clone().next().expect("a label");
    let label = Some(format!("{key}={value}"));
    assert_eq!(store.runs(RunFilter { label, ..RunFilter::default() }, 9).await.expect("lists").runs.len(), 1);
    let upstream = format!("label:{key}={value}");
    let schedule = NewSchedule {
        id: hex(100),
        key: hex(100),
        script: name.clone(),
        origin: Origin::Request,
        reach: Default::default(),
        settings: Default::default(),
        trigger: StoredTrigger::from_row(json!({}), start()),
        read_at: start(),
        state: cronbox::schedule::State::Active,
        cursor: start(),
        next: None,
        created_by: None,
        links: vec![cronbox::schedule::Link { upstream, outcome: "succeeded" }],
    };
    store.keep_schedule(schedule, None, start()).await.expect("keeps");
    let host = ["a", "b", "c"].map(|_| hex(63)).join(".") + "." + &hex(58) + ".de";
    let hosts = GrantedHosts { hosts: vec![host.parse().expect("a host")], ..GrantedHosts::default() };
    let grants = NewGrants { hosts, ..NewGrants::default() };
    assert!(store.grant(&name, grants, None, start()).await.expect("grants"));
    let claim = by("n");
    store.claim(claim.clone(), 1, start()).await.expect("claims");
    announce(&store, "files/x", start()).await;
    let file = OutputFile { path: hex(1024), bytes: 1, media_type: "text/plain".into(), blob: "files/x".into() };
    let end = Ended { files: vec![file.clone(), file.clone()], ..ended(Status::Succeeded, "1") };
    assert_eq!(store.record(&new.id, &claim.token, end, start()).await.expect("records"), Recorded::Done);
    assert_eq!(store.files(&new.id).await.expect("lists"), [file]);
}

/// More than an engine takes values in one statement: 32,766 on SQLite, 65,535 on PostgreSQL.
async fn lists_may_be_long(store: Store) {
    for name in ["a", "b"] {
        keep(&store, version(name, name), start()).await.expect("keeps");
        super::made_and_ended(&store, new_run(Some(name), start()), ended(Status::Succeeded, "1"), start()).await;
    }
    let many =
        |with: &str| -> Vec<String> { (0..70_000).map(|n| format!("other-{n}")).chain([with.to_owned()]).collect() };
    let old =
        |of: Of| Old { of, before: "g".into(), ended: after(9), statuses: vec![Status::Succeeded], with_output: false };
    for (but, left) in [(many("x"), 2), (many("a"), 1), (Vec::new(), 2), (vec!["a".into(), "b".into()], 0)] {
        assert_eq!(store.old_runs(old(Of::AllBut(but)), "").await.expect("looks").len(), left);
    }
    for (scripts, found) in [(many("x"), 0), (many("a"), 1), (vec!["a".into(), "b".into()], 2), (Vec::new(), 0)] {
        let filter = RunFilter { scripts: Some(scripts.clone()), ..RunFilter::default() };
        assert_eq!(store.runs(filter.clone(), 9).await.expect("lists").runs.len(), found);
        let counts = store.counts(filter, std::time::Duration::from_secs(60)).await.expect("counts");
        assert_eq!(counts.len(), usize::from(found > 0));
        let filter = ScheduleFilter { scripts: Some(scripts), limit: 9, ..ScheduleFilter::default() };
        assert!(store.schedules(filter).await.expect("lists").is_empty());
    }
}

/// Several nodes end runs of the same gates and lane at the same time: no more run at once than may, and none is left behind.
async fn nodes_that_end_runs_at_once_lose_none(store: Store) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    store
        .set_settings("a", Settings { concurrency: Some(6), ..Settings::default() }, &Precondition::None, start())
        .await
        .expect("sets");
    for (name, most) in [("x", 1), ("y", 3), ("z", 4)] {
        let mut runs = backfilled(name, most, 60);
        runs.iter_mut().for_each(|run| run.spec.concurrency = Some(6));
        store.backfill(runs, 1000, start()).await.expect("makes");
    }
    let (running, done) = (std::sync::Arc::new(AtomicUsize::new(0)), std::sync::Arc::new(AtomicUsize::new(0)));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let nodes = (0..6).map(|_| {
        let (store, running, done) = (store.clone(), running.clone(), done.clone());
        tokio::spawn(async move {
            while done.load(Ordering::SeqCst) < 180 {
                assert!(std::time::Instant::now() < deadline, "some are left behind: {:?}", store.queue_depth().await);
                let claim = by("n");
                for run in store.claim(claim.clone(), 1, start()).await.expect("claims") {
                    assert!(running.fetch_add(1, Ordering::SeqCst) < 6);
                    tokio::task::yield_now().await;
                    // Counted before the next may begin.
                    running.fetch_sub(1, Ordering::SeqCst);
                    end(&store, &(run, claim.clone())).await;
                    done.fetch_add(1, Ordering::SeqCst);
                }
            }
        })
    });
    for node in nodes.collect::<Vec<_>>() {
        node.await.expect("joins");
    }
    let depth = store.queue_depth().await.expect("asks");
    assert_eq!((done.load(Ordering::SeqCst), depth.ready, depth.held, depth.claimed), (180, 0, 0, 0));
}

/// On PostgreSQL too the lines are read by their index, however many wait.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_reads_lines_by_their_index() {
    let url = cluster().database();
    Store::open(&DatabaseUrl::Postgres(url.clone())).await.expect("opens");
    let database = url.rsplit('/').next().expect("a name");
    let rows = "INSERT INTO runs (id, name, cause, status, created_at, run_at, spec)
            SELECT 'r' || n, 'a', 'backfill', 'queued', 0, 0, '{}' FROM generate_series(1, 50000) AS n;
        INSERT INTO queue (run, state, lane, priority, turn, run_at, bounded, gate, gate_most, passed)
            SELECT 'r' || n, 'held', 'lane' || n % 3, -10, 0, 0, 1, 'gate' || n % 5, 1, n % 2 FROM generate_series(1, 50000) AS n;
        ANALYZE queue";
    cluster().sql(database, rows);
    for (sql, index) in [
        (
            "SELECT run FROM queue WHERE gate = 'gate1' AND state = 'held' AND passed = 0 ORDER BY priority DESC, run LIMIT 1",
            "queue_before_gate",
        ),
        (
            "SELECT run FROM queue WHERE lane = 'lane1' AND state = 'held' AND passed = 1 ORDER BY priority DESC, run LIMIT 1",
            "queue_before_lane",
        ),
        (
            "SELECT 1 FROM queue WHERE gate = 'none' AND state IN ('ready', 'claimed', 'waiting') LIMIT 3",
            "queue_by_gate",
        ),
        ("SELECT 1 FROM queue WHERE lane = 'lane1' AND state IN ('ready', 'claimed') LIMIT 3", "queue_by_lane"),
    ] {
        let plan = cluster().sql(database, &format!("EXPLAIN {sql}"));
        assert!(plan.contains(index) && !plan.contains("Sort") && !plan.contains("Seq Scan"), "{index}: {plan}");
    }
}
