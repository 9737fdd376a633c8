//! The store's conformance suite: the same questions to SQLite on disk, SQLite in memory, and PostgreSQL.

use crate::support::postgres::cluster;
use crate::support::statements;
use chrono::TimeDelta;
use cronbox::access::{Scope, Token};
use cronbox::blobs::{self, Blobs, S3Access};
use cronbox::cleaner::{Cleaner, Retention};
use cronbox::clock::{Clock, Time, from_micros};
use cronbox::event::{Event, EventPosition};
use cronbox::limits::RequestedLimits;
use cronbox::precondition::Precondition;
use cronbox::publication::{Deleted, Kept, NewVersion, ScriptFilter};
use cronbox::requirement::{Packages, Request};
use cronbox::run::{
    Attempt, AttemptUsage, Cancelled, Cause, Claim, Ended, GivenUp, Idempotency, Made, NewRun, Output, RETRY_ON,
    Recorded, Spec, Status, Value, new_id,
};
use cronbox::script::{Facts, Keep, OnLost, Settings};
use cronbox::store::grants::How;
use cronbox::store::output::{Found, Part};
use cronbox::store::queries::{ResultTest, RunFilter};
use cronbox::store::retention::{Of, Old};
use cronbox::store::series::Entry;
use cronbox::store::{DatabaseUrl, Store, StoreError};
use cronbox_runtime::report::{ResultKind, ScriptError};
use cronbox_runtime::{Limits, Stream};
use serde_json::json;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Runs every case on every engine.
macro_rules! on_every_engine {
    ($($case:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                crate::support::statements::record();
                super::$case(super::Store::open(&super::DatabaseUrl::Memory).await.expect("opens")).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let file = super::TestFile::new();
                super::$case(super::Store::open(&file.place()).await.expect("opens")).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let place = super::DatabaseUrl::Postgres(super::cluster().database());
                super::$case(super::Store::open(&place).await.expect("opens")).await;
            })+
        }
    };
}

mod alert_causes;
mod alert_states;
mod alerts;
mod audit;
mod backups;
mod blobs_deleted;
mod bounds;
mod charts;
mod deliveries;
mod granted;
mod recent;
mod schedules;
mod schema;

on_every_engine![
    a_script_has_versions,
    a_version_keeps_its_packages,
    settings_join_what_the_source_says,
    a_deleted_script_leaves_its_runs,
    a_run_goes_from_the_queue_to_its_outcome,
    a_free_node_takes_a_run_at_once,
    who_takes_a_run_knows_whether_it_has_secrets,
    a_script_is_read_as_it_is_now,
    a_late_record_changes_nothing,
    the_schema_refuses_other_steps,
    the_same_request_makes_one_run,
    the_queue_is_bounded,
    lanes_take_turns,
    a_limit_holds_and_lets_go,
    times_come,
    cancelling,
    a_lost_node_gives_its_runs_back,
    runs_are_tried_again,
    every_attempt_is_listed,
    output_comes_in_parts,
    pages_and_filters,
    counts_and_series,
    blobs_go_when_nothing_refers_to_them,
    tokens_and_grants,
    old_things_go,
    what_a_script_keeps,
    the_feed_tells_everything_once,
    many_at_once,
];

/// A database file that goes with the test.
struct TestFile(PathBuf);

impl TestFile {
    fn new() -> Self {
        statements::record();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("store {}-{}.db", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        TestFile(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn place(&self) -> DatabaseUrl {
        DatabaseUrl::Sqlite(self.0.clone())
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }
}

/// An instant to begin at.
pub fn start() -> Time {
    from_micros(1_800_000_000_000_000)
}

fn after(seconds: i64) -> Time {
    start() + TimeDelta::seconds(seconds)
}

pub fn version(name: &str, content: &str) -> NewVersion {
    NewVersion {
        name: name.into(),
        key: name.to_lowercase(),
        sha256: content.into(),
        blob: format!("sources/{content}"),
        main: "price.py".into(),
        size: 10,
        table: Settings::default(),
        facts: Facts::default(),
        functions: None,
        code: None,
        packages: None,
        settings: None,
        link: None,
        only_new: false,
        precondition: Precondition::None,
        schedules: Vec::new(),
        alerts: Vec::new(),
    }
}

fn spec() -> Spec {
    Spec {
        blob: Some("sources/a".into()),
        code: None,
        packages: None,
        main: "price.py".into(),
        entry: None,
        text_args: Vec::new(),
        argv: Vec::new(),
        stdin: None,
        env: Vec::new(),
        allow: Vec::new(),
        allowed: Vec::new(),
        secrets: None,
        result: ResultKind::Json,
        limits: Limits::default(),
        asked: RequestedLimits::default(),
        timezone: "UTC".into(),
        retries: None,
        retry_on: RETRY_ON.to_vec(),
        on_lost: OnLost::Retry,
        concurrency: None,
        heartbeat: None,
        traceparent: None,
        gated: false,
        schedule: None,
        pause_after: None,
        chain_depth: 0,
        chain_cause: None,
    }
}

pub fn new_run(script: Option<&str>, now: Time) -> NewRun {
    NewRun {
        script: script.map(str::to_owned),
        version: script.map(|_| 1),
        bounded: true,
        ..NewRun::new(new_id(now), script.unwrap_or("sent").into(), spec())
    }
}

fn by(node: &str) -> Claim {
    Claim { node: node.into(), token: new_id(start()) }
}

pub fn ended(status: Status, result: &str) -> Ended {
    Ended {
        result: (status == Status::Succeeded).then(|| Value::Inline(result.into())),
        result_bytes: Some(result.len() as u64),
        result_kind: ResultKind::Json,
        error: (status != Status::Succeeded)
            .then(|| ScriptError { traceback: "…".into(), ..ScriptError::new("ValueError", "Not\0 this") }),
        fuel: 5,
        memory: 7,
        wall: Duration::from_millis(3),
        ..Ended::new(status)
    }
}

/// Makes a run that waits.
async fn make(store: &Store, new: NewRun, now: Time) -> String {
    let id = new.id.clone();
    assert_eq!(store.make_run(new, None, None, 1000, now).await.expect("makes"), Made::Waits);
    id
}

/// Makes a run and ends it.
async fn made_and_ended(store: &Store, new: NewRun, end: Ended, now: Time) -> String {
    let id = make(store, new, now).await;
    let claim = by("n");
    let claimed = store.claim(claim.clone(), 1, now).await.expect("claims");
    assert_eq!(claimed[0].id, id);
    assert_ne!(store.record(&id, &claim.token, end, now).await.expect("records"), Recorded::Late);
    id
}

/// Makes a blob known as one whose content is there.
pub async fn announce(store: &Store, key: &str, now: Time) {
    store.announce_blob(key, now).await.expect("announces");
    store.blob_written(key).await.expect("writes");
}

/// Keeps a version, whose blobs are announced first as whoever writes them does.
async fn keep(store: &Store, new: NewVersion, now: Time) -> Result<Kept, StoreError> {
    announce(store, &new.blob, now).await;
    store.keep_version(new, now).await
}

async fn status(store: &Store, id: &str) -> Status {
    store.status(id).await.expect("reads").expect("there").0
}

async fn a_script_has_versions(store: Store) {
    let first = keep(&store, version("Price", "a"), start()).await.expect("keeps");
    assert!(first.is_new);
    assert_eq!((first.script.name.as_str(), first.script.version.number), ("Price", 1));
    let same = keep(&store, version("price", "a"), after(1)).await.expect("keeps");
    assert!(!same.is_new);
    assert_eq!((same.script.name.as_str(), same.script.version.number), ("price", 1));
    let second = keep(&store, version("price", "b"), after(2)).await.expect("keeps");
    assert_eq!((second.is_new, second.script.version.number), (true, 2));
    let back = store.set_version("price", 1, None, after(3)).await.expect("sets").expect("there");
    assert_eq!((back.version.number, back.version.sha256.as_str(), back.latest), (1, "a", 2));
    assert!(store.set_version("price", 3, None, after(3)).await.expect("asks").is_none());
    assert!(store.set_version("other", 1, None, after(3)).await.expect("asks").is_none());
    let third = keep(&store, version("price", "c"), after(4)).await.expect("keeps");
    assert_eq!(third.script.version.number, 3);
    let again = keep(&store, version("price", "b"), after(5)).await.expect("keeps");
    assert_eq!((again.is_new, again.script.version.number, again.script.latest), (false, 2, 3));
    let numbers = |versions: Vec<cronbox::script::Version>| versions.iter().map(|v| v.number).collect::<Vec<_>>();
    assert_eq!(numbers(store.versions("price", None, 2).await.expect("lists")), [3, 2]);
    assert_eq!(numbers(store.versions("price", Some(2), 9).await.expect("lists")), [1]);
    assert_eq!(store.version("price", 9).await.expect("asks"), None);
    assert_eq!(store.script("nothing").await.expect("asks"), None);
    assert_eq!(store.count_scripts().await.expect("counts"), 1);
}

async fn a_version_keeps_its_packages(store: Store) {
    let requirement = |version: &str| cronbox::requirement::Locked { name: "six".into(), version: version.into() };
    let packages = Packages {
        request: Request::default(),
        blob: "packages/six".into(),
        locked: vec![requirement("1.17.0")],
        modules: vec!["six".into()],
    };
    announce(&store, &packages.blob, start()).await;
    let new = NewVersion { packages: Some(packages.clone()), ..version("price", "a") };
    let kept = keep(&store, new, start()).await.expect("keeps");
    assert_eq!(kept.script.version.packages, Some(packages.clone()));
    let version = store.version("price", 1).await.expect("asks").expect("there");
    assert_eq!(version.packages, Some(packages));
}

async fn settings_join_what_the_source_says(store: Store) {
    let labelled = |team: &str| Settings { labels: [("team".into(), team.into())].into(), ..Settings::default() };
    let new = NewVersion { table: labelled("data"), ..version("a", "a") };
    keep(&store, new, start()).await.expect("keeps");
    keep(&store, version("b", "b"), start()).await.expect("keeps");
    let set = Settings { title: Some("T".into()), concurrency: Some(2), ..Settings::default() };
    let script = store.set_settings("a", set, &Precondition::None, after(1)).await.expect("sets").expect("there");
    assert_eq!((script.in_force().title.as_deref(), script.in_force().labels["team"].as_str()), (Some("T"), "data"));
    assert!(store.set_settings("c", Settings::default(), &Precondition::None, after(1)).await.expect("asks").is_none());
    let label = Some(("team".to_owned(), "data".to_owned()));
    let found = store.scripts(ScriptFilter { label, limit: 10, ..ScriptFilter::default() }).await.expect("lists");
    assert_eq!(found.iter().map(|script| script.key.as_str()).collect::<Vec<_>>(), ["a"]);
    let rest = store
        .scripts(ScriptFilter { after: Some("a".into()), limit: 10, ..ScriptFilter::default() })
        .await
        .expect("lists");
    assert_eq!(rest.iter().map(|script| script.key.as_str()).collect::<Vec<_>>(), ["b"]);
}

async fn a_deleted_script_leaves_its_runs(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let waiting = make(&store, new_run(Some("a"), start()), start()).await;
    let running = make(&store, NewRun { priority: 1, ..new_run(Some("a"), start()) }, start()).await;
    assert_eq!(store.claim(by("n"), 1, start()).await.expect("claims")[0].id, running);
    let deleted = store.delete_script("a", false, after(1)).await.expect("deletes");
    assert_eq!(deleted, Deleted::Done { cancelled: vec![waiting.clone()], running: vec![running.clone()] });
    let run = store.run(&waiting).await.expect("reads").expect("there");
    assert_eq!((run.status, run.reason.as_deref()), (Status::Cancelled, Some("script_deleted")));
    assert_eq!(store.wanted_cancelled("n").await.expect("asks"), [running]);
    assert_eq!(store.delete_script("a", false, after(1)).await.expect("asks"), Deleted::Unknown);
    let made = store.make_run(new_run(Some("a"), start()), None, None, 10, start()).await.expect("asks");
    assert_eq!(made, Made::NoScript);
}

async fn a_run_goes_from_the_queue_to_its_outcome(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let new = NewRun {
        args: Value::Inline(r#"{"n":4}"#.into()),
        labels: [("k".into(), "v".into())].into(),
        source: Some(b"\0\xffx".to_vec()),
        ..new_run(Some("a"), start())
    };
    let id = make(&store, new.clone(), start()).await;
    let queued = store.run(&id).await.expect("reads").expect("there");
    assert_eq!((queued.status, queued.attempt, queued.started_at), (Status::Queued, 0, None));
    assert_eq!((queued.spec, queued.args, queued.labels), (new.spec, new.args, new.labels));
    let claim = by("n");
    let claimed = store.claim(claim.clone(), 5, after(1)).await.expect("claims");
    assert_eq!(claimed.len(), 1);
    assert_eq!((claimed[0].status, claimed[0].attempt, claimed[0].started_at), (Status::Running, 1, Some(after(1))));
    assert_eq!(claimed[0].source.as_deref(), Some(&b"\0\xffx"[..]));
    assert!(store.claim(by("m"), 5, after(1)).await.expect("claims").is_empty());
    assert_eq!(store.held_by_node("n").await.expect("asks"), [(id.clone(), claim.token.clone())]);
    let end = ended(Status::Succeeded, "[1]");
    let expected = end.applied_to(&claimed[0], after(2));
    assert_ne!(store.record(&id, &claim.token, end, after(2)).await.expect("records"), Recorded::Late);
    let run = store.run(&id).await.expect("reads").expect("there");
    assert_eq!(run, cronbox::run::Run { source: None, ..expected }, "what waiters are told is what is kept");
    let run = store.run(&id).await.expect("reads").expect("there");
    assert_eq!(
        (run.status, run.result, run.finished_at),
        (Status::Succeeded, Some(Value::Inline("[1]".into())), Some(after(2)))
    );
    assert_eq!((run.fuel, run.memory, run.wall), (Some(5), Some(7), Some(Duration::from_millis(3))));
    assert_eq!(store.held_by_node("n").await.expect("asks"), []);
    assert_eq!(store.previous_result("a", None, "ffffffff").await.expect("asks"), Some(Value::Inline("[1]".into())));
    assert_eq!(store.previous_result("a", None, &id).await.expect("asks"), None);
    assert_eq!(store.previous_result("a", Some("hourly"), "ffffffff").await.expect("asks"), None);
    let beginning = |prefix: &str| {
        let (store, prefix) = (store.clone(), Some(prefix.to_owned()));
        async move {
            let page = store.runs(RunFilter { prefix, ..RunFilter::default() }, 9).await.expect("lists");
            page.runs.into_iter().map(|run| run.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(beginning(&id[..8]).await, [id]);
    assert!(beginning("ff").await.is_empty());
}

async fn a_free_node_takes_a_run_at_once(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let claim = by("n");
    let new = new_run(Some("a"), start());
    let made = store.make_run(new.clone(), None, Some(claim.clone()), 10, start()).await.expect("makes");
    assert!(matches!(made, Made::Claimed { .. }), "{made:?}");
    let run = store.run(&new.id).await.expect("reads").expect("there");
    assert_eq!((run.status, run.attempt, run.started_at), (Status::Running, 1, Some(start())));
    // What is ready goes before what comes.
    make(&store, new_run(Some("a"), start()), start()).await;
    let made = store.make_run(new_run(Some("a"), start()), None, Some(by("n")), 10, start()).await.expect("makes");
    assert_eq!(made, Made::Waits);
    // And what is to run later is nobody's yet.
    let later = NewRun { run_at: Some(after(60)), ..new_run(Some("a"), start()) };
    assert_eq!(store.make_run(later, None, Some(by("n")), 10, start()).await.expect("makes"), Made::Waits);
    assert_ne!(
        store.record(&new.id, &claim.token, ended(Status::Failed, ""), after(1)).await.expect("records"),
        Recorded::Late
    );
}

async fn who_takes_a_run_knows_whether_it_has_secrets(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let take = async || {
        let made = store.make_run(new_run(Some("a"), start()), None, Some(by("n")), 10, start()).await;
        let Made::Claimed { may_have_secrets } = made.expect("makes") else { panic!("it was not taken") };
        may_have_secrets
    };
    // Where it is not asked with the run, whoever takes it asks afterwards.
    assert_eq!(take().await, !store.is_shared());
    let secret = granted::secret("TOKEN", "one");
    store.set_secret(secret, Vec::new(), vec![("a".into(), How::ByName)], start()).await.expect("sets");
    assert!(take().await);
    assert!(store.revoke("a", "secret", "TOKEN").await.expect("revokes"));
    assert_eq!(take().await, !store.is_shared());
}

async fn a_script_is_read_as_it_is_now(store: Store) {
    let read = async |key: &'static str| store.script(key).await.expect("reads");
    assert_eq!(read("a").await, None);
    let kept = keep(&store, version("a", "one"), start()).await.expect("keeps").script;
    // Twice, as what was read once may be at hand.
    assert_eq!((read("a").await, read("a").await), (Some(kept.clone()), Some(kept)));
    let kept = keep(&store, version("a", "two"), after(1)).await.expect("keeps").script;
    assert_eq!((read("a").await, read("a").await), (Some(kept.clone()), Some(kept)));
    let set = Settings { concurrency: Some(2), ..Settings::default() };
    let set = store.set_settings("a", set, &Precondition::None, after(2)).await.expect("sets");
    assert_eq!((read("a").await, read("a").await), (set.clone(), set));
    let earlier = store.set_version("a", 1, None, after(3)).await.expect("sets");
    assert_eq!((read("a").await, read("a").await), (earlier.clone(), earlier));
    // A change that fails changes nothing, and what is kept of it neither.
    keep(&store, version("b", "b"), start()).await.expect("keeps");
    assert!(store.set_version("b", 9, None, after(4)).await.expect("asks").is_none());
    assert_eq!(read("b").await.map(|script| script.version.number), Some(1));
    let deleted = store.delete_script("a", false, after(5)).await.expect("deletes");
    assert!(matches!(deleted, Deleted::Done { .. }), "{deleted:?}");
    assert_eq!((read("a").await, read("a").await), (None, None));
}

async fn a_late_record_changes_nothing(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let id = make(&store, new_run(Some("a"), start()), start()).await;
    let claim = by("n");
    store.claim(claim.clone(), 1, start()).await.expect("claims");
    assert_eq!(
        store.record(&id, "another", ended(Status::Succeeded, "1"), after(1)).await.expect("asks"),
        Recorded::Late
    );
    assert_eq!(status(&store, &id).await, Status::Running);
    let given_up = store.give_up(&id, &claim.token, GivenUp::Lost(None), after(2)).await.expect("gives up");
    assert_eq!(given_up, Some(Status::Queued));
    assert_eq!(
        store.record(&id, &claim.token, ended(Status::Succeeded, "1"), after(3)).await.expect("asks"),
        Recorded::Late
    );
    let other = by("m");
    store.claim(other.clone(), 1, after(4)).await.expect("claims");
    assert_ne!(
        store.record(&id, &other.token, ended(Status::Succeeded, "2"), after(5)).await.expect("records"),
        Recorded::Late
    );
    assert_eq!(
        store.record(&id, &other.token, ended(Status::Failed, ""), after(6)).await.expect("asks"),
        Recorded::Late
    );
    let run = store.run(&id).await.expect("reads").expect("there");
    assert_eq!(
        (run.status, run.attempt, run.lost, run.result),
        (Status::Succeeded, 2, 1, Some(Value::Inline("2".into())))
    );
}

async fn the_schema_refuses_other_steps(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let id = make(&store, new_run(Some("a"), start()), start()).await;
    let claim = by("n");
    store.claim(claim.clone(), 1, start()).await.expect("claims");
    // A running run cannot be skipped, whatever the program thinks.
    let refused = store.record(&id, &claim.token, ended(Status::Skipped, ""), after(1)).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert_eq!(status(&store, &id).await, Status::Running);
    assert_ne!(
        store.record(&id, &claim.token, ended(Status::Succeeded, "1"), after(1)).await.expect("records"),
        Recorded::Late
    );
}

async fn the_same_request_makes_one_run(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let request = |body: &str, at: Time| Idempotency {
        key: "t:runs:k".into(),
        body: body.into(),
        since: at - TimeDelta::days(1),
    };
    let first = new_run(Some("a"), start());
    let made = store.make_run(first.clone(), Some(request("b", start())), None, 10, start()).await.expect("makes");
    assert_eq!(made, Made::Waits);
    let ask = |body: &'static str, at: Time| {
        let store = store.clone();
        async move { store.make_run(new_run(Some("a"), at), Some(request(body, at)), None, 10, at).await.expect("asks") }
    };
    assert_eq!(ask("b", after(9)).await, Made::Again(first.id.clone()));
    assert_eq!(ask("c", after(9)).await, Made::KeyReused);
    assert_eq!(ask("c", after(90_000)).await, Made::Waits);
    // Many at once: one run.
    let key = |n: usize| Idempotency { key: format!("t:runs:{}", n / 8), body: "x".into(), since: start() };
    let asked = (0..32).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.make_run(new_run(Some("a"), start()), Some(key(n)), None, 100, start()).await })
    });
    let mut waits = 0;
    for asked in asked.collect::<Vec<_>>() {
        waits += usize::from(asked.await.expect("joins").expect("asks") == Made::Waits);
    }
    assert_eq!(waits, 4);
}

async fn the_queue_is_bounded(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    for _ in 0..3 {
        make(&store, new_run(Some("a"), start()), start()).await;
    }
    let ask = |new: NewRun| {
        let store = store.clone();
        async move { store.make_run(new, None, None, 3, start()).await.expect("asks") }
    };
    assert_eq!(ask(new_run(Some("a"), start())).await, Made::QueueFull);
    assert_eq!(ask(NewRun { bounded: false, ..new_run(Some("a"), start()) }).await, Made::Waits);
    store.claim(by("n"), 1, start()).await.expect("claims");
    assert_eq!(ask(new_run(Some("a"), start())).await, Made::Waits);
}

async fn lanes_take_turns(store: Store) {
    for name in ["a", "b"] {
        keep(&store, version(name, name), start()).await.expect("keeps");
    }
    let mut expected = Vec::new();
    let mut of_a = Vec::new();
    for at in 0..3 {
        of_a.push(make(&store, new_run(Some("a"), after(at)), after(at)).await);
    }
    let b = make(&store, new_run(Some("b"), after(3)), after(3)).await;
    let urgent = make(&store, NewRun { priority: 5, ..new_run(Some("a"), after(4)) }, after(4)).await;
    expected.extend([urgent, of_a[0].clone(), b, of_a[1].clone(), of_a[2].clone()]);
    let mut taken = Vec::new();
    while let Some(run) = store.claim(by("n"), 1, start()).await.expect("claims").pop() {
        taken.push(run.id);
    }
    assert_eq!(taken, expected);
}

async fn a_limit_holds_and_lets_go(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let limited = |at: i64| {
        let mut new = new_run(Some("a"), after(at));
        new.spec.concurrency = Some(2);
        new
    };
    let mut ids = Vec::new();
    for at in 0..5 {
        ids.push(make(&store, limited(at), after(at)).await);
    }
    let claim = by("n");
    let claimed = store.claim(claim.clone(), 10, after(9)).await.expect("claims");
    assert_eq!(
        claimed.iter().map(|run| run.id.clone()).collect::<std::collections::BTreeSet<_>>(),
        ids[..2].iter().cloned().collect()
    );
    assert!(store.claim(by("n"), 10, after(9)).await.expect("claims").is_empty());
    assert_ne!(
        store.record(&ids[0], &claim.token, ended(Status::Succeeded, "1"), after(10)).await.expect("records"),
        Recorded::Late
    );
    let next = store.claim(by("n"), 10, after(10)).await.expect("claims");
    assert_eq!(next.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), [ids[2].as_str()]);
    // A cancelled one that was held makes no room; the limit taken away makes all.
    assert_eq!(store.cancel(&ids[3], "asked", after(11)).await.expect("cancels"), Cancelled::Done);
    assert!(store.claim(by("n"), 10, after(11)).await.expect("claims").is_empty());
    let raised = Settings { concurrency: Some(3), ..Settings::default() };
    store.set_settings("a", raised, &Precondition::None, after(12)).await.expect("sets");
    let next = store.claim(by("n"), 10, after(12)).await.expect("claims");
    assert_eq!(next.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), [ids[4].as_str()]);
}

async fn times_come(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let later = NewRun { run_at: Some(after(60)), ..new_run(Some("a"), start()) };
    let id = make(&store, later, start()).await;
    assert_eq!(status(&store, &id).await, Status::Scheduled);
    let due = store.ready_due(after(59)).await.expect("looks");
    assert_eq!((due.readied, due.next), (0, Some(after(60))));
    assert!(store.claim(by("n"), 1, after(59)).await.expect("claims").is_empty());
    let due = store.ready_due(after(60)).await.expect("looks");
    assert_eq!((due.readied, due.next), (1, None));
    assert_eq!(status(&store, &id).await, Status::Queued);
    assert_eq!(store.claim(by("n"), 1, after(60)).await.expect("claims").len(), 1);
}

async fn cancelling(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let waiting = make(&store, NewRun { run_at: Some(after(60)), ..new_run(Some("a"), start()) }, start()).await;
    assert_eq!(store.cancel(&waiting, "asked", after(1)).await.expect("cancels"), Cancelled::Done);
    let run = store.run(&waiting).await.expect("reads").expect("there");
    assert_eq!(
        (run.status, run.reason.as_deref(), run.finished_at),
        (Status::Cancelled, Some("asked"), Some(after(1)))
    );
    assert_eq!(store.cancel(&waiting, "asked", after(2)).await.expect("asks"), Cancelled::Final(Status::Cancelled));
    let running = make(&store, new_run(Some("a"), start()), start()).await;
    let claim = by("n");
    store.claim(claim.clone(), 1, start()).await.expect("claims");
    assert_eq!(store.cancel(&running, "asked", after(2)).await.expect("cancels"), Cancelled::Asked("n".into()));
    assert_eq!(store.wanted_cancelled("n").await.expect("asks"), std::slice::from_ref(&running));
    assert_ne!(
        store.record(&running, &claim.token, ended(Status::Cancelled, ""), after(3)).await.expect("records"),
        Recorded::Late
    );
    assert_eq!(store.cancel(&new_id(start()), "asked", after(2)).await.expect("asks"), Cancelled::Unknown);
}

async fn a_lost_node_gives_its_runs_back(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    store.join("n", "node", "api", start()).await.expect("joins");
    assert!(store.beat("n").await.expect("beats"));
    let node = store.nodes().await.expect("lists").remove(0);
    assert_eq!((node.beat, &*node.name, &*node.roles, node.started_at), (1, "node", "api", start()));
    assert_eq!(node.program, env!("CARGO_PKG_VERSION"));
    let id = make(&store, new_run(Some("a"), start()), start()).await;
    let abandon = NewRun { spec: Spec { on_lost: OnLost::Abandon, ..spec() }, ..new_run(Some("a"), start()) };
    let once = make(&store, abandon, start()).await;
    for lost in 1..=3 {
        let claim = by("n");
        for run in store.claim(claim.clone(), 10, after(lost)).await.expect("claims") {
            store
                .give_up(&run.id, &claim.token, GivenUp::Lost(None), after(lost))
                .await
                .expect("gives up")
                .expect("held");
        }
        let expected = if lost < 3 { Status::Queued } else { Status::Crashed };
        assert_eq!(status(&store, &id).await, expected, "{lost}");
    }
    let run = store.run(&id).await.expect("reads").expect("there");
    assert!(run.error.expect("an error").message.contains("lost 3 times"));
    assert_eq!(status(&store, &once).await, Status::Abandoned);
    // Dispatched back is not lost.
    let id = make(&store, new_run(Some("a"), start()), start()).await;
    let claim = by("n");
    store.claim(claim.clone(), 1, start()).await.expect("claims");
    store.leave("n").await.expect("asks");
    assert_eq!(store.nodes().await.expect("lists").len(), 1, "a node that holds runs stays known");
    store.disown("n").await.expect("disowns");
    assert!(!store.beat("n").await.expect("beats"));
    assert_eq!(store.unknown_holders().await.expect("asks"), ["n"]);
    let given = store.give_up(&id, &claim.token, GivenUp::HandedBack, after(1)).await.expect("gives up");
    assert_eq!(given, Some(Status::Queued));
    assert_eq!(store.run(&id).await.expect("reads").expect("there").lost, 0);
}

async fn runs_are_tried_again(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let id = make(&store, new_run(Some("a"), start()), start()).await;
    let claim = by("n");
    store.claim(claim.clone(), 1, start()).await.expect("claims");
    let failed = Ended { next: Some(after(10)), ..ended(Status::Failed, "") };
    assert_ne!(store.record(&id, &claim.token, failed, after(1)).await.expect("records"), Recorded::Late);
    let run = store.run(&id).await.expect("reads").expect("there");
    assert_eq!(
        (run.status, run.reason.as_deref(), run.run_at, run.finished_at),
        (Status::Scheduled, Some("retry"), after(10), None)
    );
    store.ready_due(after(10)).await.expect("looks");
    let again = store.claim(by("n"), 1, after(10)).await.expect("claims");
    assert_eq!((again[0].attempt, again[0].lost), (2, 0));
}

async fn every_attempt_is_listed(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let id = make(&store, new_run(Some("a"), start()), start()).await;
    assert_eq!(store.attempts(&id).await.expect("lists"), []);
    let claim = by("n");
    store.claim(claim.clone(), 1, start()).await.expect("claims");
    let running = store.attempts(&id).await.expect("lists");
    assert_eq!((running.len(), running[0].number, running[0].node.as_deref()), (1, 1, Some("n")));
    assert_eq!((running[0].outcome.as_deref(), running[0].finished_at, running[0].usage), (None, None, None));
    store.give_up(&id, &claim.token, GivenUp::Lost(None), after(1)).await.expect("gives up");
    let claim = by("m");
    store.claim(claim.clone(), 1, after(2)).await.expect("claims");
    let error = ScriptError::new("ValueError", "No\0!".to_owned());
    let failed = Ended {
        next: Some(after(10)),
        fuel: 7,
        memory: 8,
        wall: Duration::from_millis(9),
        error: Some(error),
        ..ended(Status::Failed, "")
    };
    store.record(&id, &claim.token, failed, after(3)).await.expect("records");
    store.ready_due(after(10)).await.expect("looks");
    let claim = by("n");
    store.claim(claim.clone(), 1, after(10)).await.expect("claims");
    store.record_minimal(&id, &claim.token, "no", after(11)).await.expect("records");
    let attempts = store.attempts(&id).await.expect("lists");
    let told =
        |attempt: &Attempt| (attempt.number, attempt.node.clone(), attempt.outcome.clone(), attempt.error.clone());
    let text = |word: &str| Some(word.to_owned());
    assert_eq!(
        attempts.iter().map(told).collect::<Vec<_>>(),
        [
            (1, text("n"), text("lost"), None),
            (2, text("m"), text("failed"), text("ValueError: No !")),
            (3, text("n"), text("crashed"), text("NotRecorded: the end of this run could not be recorded: no")),
        ]
    );
    let times: Vec<_> = attempts.iter().map(|attempt| (attempt.started_at, attempt.finished_at)).collect();
    assert_eq!(times, [(start(), Some(after(1))), (after(2), Some(after(3))), (after(10), Some(after(11)))]);
    let used = AttemptUsage { fuel: 7, memory: 8, wall: Duration::from_millis(9) };
    assert_eq!(attempts.iter().map(|attempt| attempt.usage).collect::<Vec<_>>(), [None, Some(used), None]);
}

async fn output_comes_in_parts(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let id = make(&store, new_run(Some("a"), start()), start()).await;
    let claim = by("n");
    store.claim(claim.clone(), 1, start()).await.expect("claims");
    let part = |start: u64, bytes: &[u8]| Part { stream: Stream::Stdout, start, bytes: bytes.to_vec() };
    store.keep_output(&id, &claim.token, vec![part(0, b"one "), part(4, b"two")]).await.expect("keeps");
    store.keep_output(&id, "another", vec![part(7, b"forged")]).await.expect("asks");
    let so_far = store.output(&id, Stream::Stdout).await.expect("reads").expect("there");
    assert_eq!((so_far.found, so_far.status), (Found::Bytes(b"one two".to_vec()), Status::Running));
    let all = Output {
        inline: Some(b"one two three".to_vec()),
        blob: None,
        written: cronbox::run::Written { bytes: 13, dropped: 2 },
    };
    let end = Ended { stdout: all, has_parts: true, ..ended(Status::Succeeded, "1") };
    assert_ne!(store.record(&id, &claim.token, end, after(1)).await.expect("records"), Recorded::Late);
    let whole = store.output(&id, Stream::Stdout).await.expect("reads").expect("there");
    assert_eq!((whole.found, whole.written.dropped), (Found::Bytes(b"one two three".to_vec()), 2));
    let nothing = store.output(&id, Stream::Stderr).await.expect("reads").expect("there");
    assert_eq!(nothing.found, Found::Bytes(Vec::new()));
    assert!(store.output("none", Stream::Stderr).await.expect("asks").is_none());
}

async fn pages_and_filters(store: Store) {
    for name in ["a", "b"] {
        keep(&store, version(name, name), start()).await.expect("keeps");
    }
    let mut ids = Vec::new();
    for n in 0..10i64 {
        let script = if n % 2 == 0 { "a" } else { "b" };
        let labels = [("n".to_owned(), n.to_string())].into();
        let new = NewRun { labels, ..new_run(Some(script), after(n)) };
        let end =
            if n < 8 { ended(Status::Succeeded, &format!(r#"{{"price":{n}}}"#)) } else { ended(Status::Failed, "") };
        ids.push(
            made_and_ended(&store, new, Ended { wall: Duration::from_secs(n.unsigned_abs()), ..end }, after(n)).await,
        );
    }
    let list = |filter: RunFilter, limit: usize| {
        let store = store.clone();
        let ids = ids.clone();
        async move {
            let page = store.runs(filter, limit).await.expect("lists");
            let places = page.runs.iter().map(|run| ids.iter().position(|id| *id == run.id).expect("known"));
            (places.collect::<Vec<_>>(), page.next)
        }
    };
    let (first, next) = list(RunFilter::default(), 4).await;
    assert_eq!(first, [9, 8, 7, 6]);
    let (second, next) = list(RunFilter { before: next, ..RunFilter::default() }, 4).await;
    assert_eq!(second, [5, 4, 3, 2]);
    let (last, next) = list(RunFilter { before: next, ..RunFilter::default() }, 4).await;
    assert_eq!((last, next), (vec![1, 0], None));
    let all = |filter: RunFilter| {
        let list = &list;
        async move { list(filter, 100).await.0 }
    };
    let none = RunFilter::default;
    assert_eq!(all(RunFilter { scripts: Some(vec!["a".into()]), ..none() }).await, [8, 6, 4, 2, 0]);
    assert!(all(RunFilter { scripts: Some(Vec::new()), ..none() }).await.is_empty());
    assert_eq!(all(RunFilter { statuses: vec![Status::Failed, Status::Crashed], ..none() }).await, [9, 8]);
    assert_eq!(all(RunFilter { label: Some("n=3".into()), ..none() }).await, [3]);
    assert_eq!(all(RunFilter { since: Some(after(7)), ..none() }).await, [9, 8, 7]);
    assert_eq!(all(RunFilter { until: Some(after(2)), ..none() }).await, [1, 0]);
    assert_eq!(all(RunFilter { cause: Some(Cause::Fire), ..none() }).await, [0usize; 0]);
    assert_eq!(all(RunFilter { min_duration: Some(Duration::from_secs(8)), ..none() }).await, [9, 8]);
    assert_eq!(all(RunFilter { error_contains: Some("valueerror: NOT".into()), ..none() }).await, [9, 8]);
    let test = ResultTest::parse("/price>=6").expect("reads");
    assert_eq!(all(RunFilter { result: Some(test), scripts: Some(vec!["b".into()]), ..none() }).await, [7]);
    let test = ResultTest::parse("/price<4").expect("reads");
    let (found, next) = list(RunFilter { result: Some(test.clone()), ..none() }, 2).await;
    assert_eq!(found, [3, 2]);
    let (found, next) = list(RunFilter { result: Some(test), before: next, ..none() }, 2).await;
    assert_eq!((found, next), (vec![1, 0], None));
}

async fn counts_and_series(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    for n in 0..6 {
        let at = after(n * 1800);
        let end =
            if n == 5 { ended(Status::Failed, "") } else { ended(Status::Succeeded, &format!(r#"{{"p":[{n}]}}"#)) };
        made_and_ended(&store, new_run(Some("a"), at), end, at).await;
    }
    let hour = Duration::from_secs(3600);
    let counts = store.counts(RunFilter::default(), hour).await.expect("counts");
    let slots: Vec<_> = counts.iter().map(|count| (count.at, count.by_status.clone())).collect();
    let row = |statuses: &[(&str, u64)]| statuses.iter().map(|(status, n)| ((*status).to_owned(), *n)).collect();
    let expected = [
        (after(0), row(&[("succeeded", 2)])),
        (after(3600), row(&[("succeeded", 2)])),
        (after(7200), row(&[("succeeded", 1), ("failed", 1)])),
    ];
    assert_eq!(slots, expected);
    let some = RunFilter { since: Some(after(3600)), scripts: Some(vec!["a".into()]), ..RunFilter::default() };
    assert_eq!(store.counts(some, hour).await.expect("counts").len(), 2);
    let (entries, next) = store.series("a", (None, None), None, 3).await.expect("reads");
    let values = |entries: &[Entry]| entries.iter().map(|entry| entry.result.clone()).collect::<Vec<_>>();
    let results =
        |range: std::ops::Range<i32>| range.map(|n| Value::Inline(format!("{{\"p\":[{n}]}}"))).collect::<Vec<_>>();
    assert_eq!((values(&entries), entries[1].at), (results(0..3), after(1800)));
    let (entries, next) = store.series("a", (None, None), next, 3).await.expect("reads");
    assert_eq!((values(&entries), next), (results(3..5), None));
    let last = store.last_results("a", Some(after(1800)), 3).await.expect("reads");
    assert_eq!(values(&last), results(2..5).into_iter().rev().collect::<Vec<_>>(), "those that were due last first");
    let few = store.last_results("a", Some(after(7200)), 3).await.expect("reads");
    assert_eq!(values(&few), results(4..5));
    let (entries, _) = store.series("a", (Some(after(1800)), Some(after(3600))), None, 9).await.expect("reads");
    assert_eq!(values(&entries), results(1..2));
    keep(&store, version("large", "a"), start()).await.expect("keeps");
    announce(&store, "values/large", start()).await;
    let large = Ended { result: Some(Value::Blob("values/large".into())), ..ended(Status::Succeeded, "1") };
    let id = made_and_ended(&store, new_run(Some("large"), after(0)), large, after(0)).await;
    let (entries, _) = store.series("large", (None, None), None, 9).await.expect("reads");
    assert_eq!(values(&entries), [Value::Blob("values/large".into())]);
    let test = Some(ResultTest::parse("/p>5").expect("a test"));
    let page = store.runs(RunFilter { result: test, ..RunFilter::default() }, 9).await.expect("lists");
    assert_eq!(page.runs.into_iter().map(|run| run.id).collect::<Vec<_>>(), [id], "a blob is left to whoever reads it");
}

async fn blobs_go_when_nothing_refers_to_them(store: Store) {
    announce(&store, "sources/a", start()).await;
    announce(&store, "sources/orphan", start()).await;
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let hour = TimeDelta::hours(1);
    let gone = |now: Time| {
        let store = store.clone();
        async move { store.condemned_blobs(now - hour, now - hour, 10).await.expect("looks") }
    };
    assert!(gone(after(1)).await.is_empty());
    assert_eq!(gone(after(3700)).await, ["sources/orphan"]);
    let begin = |key: &'static str, now: Time| {
        let store = store.clone();
        async move { store.begin_delete(key, now - hour, now - hour, now).await.expect("asks") }
    };
    assert!(!begin("sources/a", after(3700)).await);
    assert!(begin("sources/orphan", after(3700)).await);
    assert!(store.end_delete("sources/orphan", after(3700)).await.expect("forgets"));
    store.delete_script("a", false, after(4000)).await.expect("deletes");
    assert!(gone(after(4001)).await.is_empty(), "an hour goes by first");
    // Referred to again, it is saved.
    keep(&store, version("a", "a"), after(5000)).await.expect("keeps");
    assert!(gone(after(9000)).await.is_empty());
    store.delete_script("a", false, after(9000)).await.expect("deletes");
    assert!(gone(after(9001)).await.is_empty());
    assert_eq!(gone(after(13_000)).await, ["sources/a"]);
}

async fn tokens_and_grants(store: Store) {
    let token = Token {
        id: "t1".into(),
        name: "ci".into(),
        scopes: vec![Scope::Read, Scope::Run],
        scripts: Some(vec!["a".into()]),
        labels: None,
        created_at: start(),
        expires_at: Some(after(60)),
        last_used_at: None,
    };
    store.add_token(&token, "hash").await.expect("adds");
    assert_eq!(store.token("hash").await.expect("asks"), Some(token.clone()));
    assert_eq!(store.token("other").await.expect("asks"), None);
    store.token_used("t1", after(5)).await.expect("says");
    assert_eq!(store.tokens().await.expect("lists")[0].last_used_at, Some(after(5)));
    let twice = store.add_token(&Token { id: "t2".into(), ..token }, "hash").await;
    assert!(matches!(twice, Err(StoreError::Conflict)), "{twice:?}");
    assert!(store.remove_token("t1").await.expect("removes"));
    assert!(!store.remove_token("t1").await.expect("asks"));
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let asked = RequestedLimits {
        memory: Some(1 << 30),
        timeout: Some(Duration::from_secs(600)),
        ..RequestedLimits::default()
    };
    assert!(store.grant_limits("a", asked, Some("t1".into()), start()).await.expect("grants"));
    assert!(!store.grant_limits("none", asked, None, start()).await.expect("asks"));
    let less = RequestedLimits { memory: Some(1 << 20), fuel: Some(9), ..RequestedLimits::default() };
    store.grant_limits("a", less, None, after(1)).await.expect("grants");
    let both = RequestedLimits { memory: Some(1 << 30), fuel: Some(9), ..asked };
    assert_eq!(store.granted_limits("a").await.expect("asks"), both);
    assert_eq!(store.grants().await.expect("lists").len(), 3);
    assert!(store.revoke("a", "limit", "fuel").await.expect("revokes"));
    assert!(!store.revoke("a", "limit", "fuel").await.expect("asks"));
    assert_eq!(store.granted_limits("a").await.expect("asks"), asked);
}

async fn old_things_go(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let output = Output { inline: Some(b"x".to_vec()), blob: None, written: Default::default() };
    let end = Ended { stdout: output, ..ended(Status::Succeeded, "1") };
    let old = made_and_ended(&store, new_run(Some("a"), start()), end.clone(), start()).await;
    let new = made_and_ended(&store, new_run(Some("a"), after(100)), end, after(100)).await;
    let older = |statuses: &[Status], with_output| Old {
        of: Of::AllBut(Vec::new()),
        before: cronbox::run::first_id_of(after(50)),
        ended: after(50),
        statuses: statuses.to_vec(),
        with_output,
    };
    let found = |old: Old| {
        let store = store.clone();
        async move { store.old_runs(old, "").await.expect("looks") }
    };
    assert_eq!(found(older(&[], true)).await, std::slice::from_ref(&old));
    store.forget_output(vec![old.clone()], after(60)).await.expect("forgets");
    assert!(found(older(&[], true)).await.is_empty());
    let bytes = |id: String| {
        let store = store.clone();
        async move { store.output(&id, Stream::Stdout).await.expect("reads").expect("there").found }
    };
    assert_eq!(bytes(old.clone()).await, Found::Bytes(Vec::new()));
    assert_eq!(bytes(new.clone()).await, Found::Bytes(b"x".to_vec()));
    assert!(store.run(&old).await.expect("reads").expect("there").result.is_some());
    assert!(found(older(&[Status::Skipped], false)).await.is_empty());
    assert!(found(Old { of: Of::Sent, ..older(&[], false) }).await.is_empty());
    assert!(found(Old { of: Of::AllBut(vec!["a".into()]), ..older(&[], false) }).await.is_empty());
    assert_eq!(found(Old { of: Of::Script("a".into()), ..older(&[], false) }).await, std::slice::from_ref(&old));
    assert_eq!(store.delete_runs(found(older(&[], false)).await, after(60)).await.expect("forgets"), 1);
    assert!(store.run(&old).await.expect("reads").is_none());
    assert!(store.run(&new).await.expect("reads").is_some());
    let request = Idempotency { key: "k".into(), body: "b".into(), since: start() };
    store.make_run(new_run(Some("a"), start()), Some(request), None, 10, start()).await.expect("makes");
    assert_eq!(store.forget_requests(after(1)).await.expect("forgets"), 1);
}

async fn what_a_script_keeps(store: Store) {
    let settings =
        |keep: serde_json::Value| serde_json::from_value::<Settings>(json!({"keep": keep})).expect("settings");
    let some = NewVersion { settings: Some(settings(json!({"count": 2, "age": "1h"}))), ..version("some", "a") };
    let small = NewVersion { table: settings(json!({"bytes": "30KiB"})), ..version("small", "a") };
    for new in [some, small, version("all", "a")] {
        keep(&store, new, start()).await.expect("keeps");
    }
    let of = |keeps: &[(String, Keep)], key: &str| {
        keeps.iter().find(|(other, _)| other == key).map(|(_, keep)| keep.clone())
    };
    let keeps = store.keeps().await.expect("reads");
    assert_eq!(of(&keeps, "some").and_then(|keep| keep.age), Some(Duration::from_secs(3600)));
    assert_eq!(of(&keeps, "small").and_then(|keep| keep.bytes), Some(30 << 10));
    assert_eq!(of(&keeps, "all"), None);
    let large = format!("\"{}\"", "x".repeat(10_000));
    let mut made: HashMap<&str, Vec<String>> = HashMap::new();
    for n in 0..5 {
        for script in ["some", "small", "all"] {
            let end = ended(Status::Succeeded, &large);
            let id = made_and_ended(&store, new_run(Some(script), after(n)), end, after(n)).await;
            made.entry(script).or_default().push(id);
        }
    }
    let waiting = make(&store, new_run(Some("some"), start()), start()).await;
    let blobs = Blobs::open(&blobs::BlobLocation::Memory, &S3Access::default()).expect("opens");
    let clock = Clock::manual(after(60));
    let cleaner = Cleaner { store: store.clone(), blobs, clock: clock.clone(), retention: Retention::default() };
    let left = |script: &str| {
        let (store, script) = (store.clone(), script.to_owned());
        async move {
            let filter = RunFilter { scripts: Some(vec![script]), ..RunFilter::default() };
            let mut ids: Vec<String> =
                store.runs(filter, 100).await.expect("lists").runs.into_iter().map(|run| run.id).collect();
            ids.reverse();
            ids
        }
    };
    let stop = tokio_util::sync::CancellationToken::new();
    cleaner.round(false, &stop).await.expect("cleans");
    assert_eq!(left("some").await.len(), 6, "nothing is old, and nothing was counted");
    cleaner.round(true, &stop).await.expect("cleans");
    assert_eq!(left("some").await, [std::slice::from_ref(&waiting), &made["some"][3..]].concat(), "what waits stays");
    assert_eq!(left("small").await, made["small"][2..], "three of ten thousand bytes");
    assert_eq!(left("all").await, made["all"]);
    clock.set(after(4000));
    cleaner.round(false, &stop).await.expect("cleans");
    assert_eq!(left("some").await, [waiting], "what is not final stays");
    assert_eq!(left("all").await, made["all"]);
    // Events go after a month, whatever is kept of their runs.
    let oldest = store.oldest_event().await.expect("asks");
    clock.set(after(32 * 86_400));
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while store.events(oldest).await.expect("reads").is_some() {
        // On PostgreSQL another test's transaction may be open.
        assert!(std::time::Instant::now() < deadline, "events stay");
        cleaner.round(false, &stop).await.expect("cleans");
    }
    let all = Retention { keep: Keep { count: Some(1), ..Keep::default() }, ..Retention::default() };
    Cleaner { retention: all, ..cleaner }.round(true, &stop).await.expect("cleans");
    assert_eq!(left("all").await, made["all"][4..]);
    assert_eq!(left("small").await, made["small"][4..]);
}

/// Reads the feed from a place on, until `enough`.
async fn feed(store: &Store, from: EventPosition, enough: impl Fn(&[Event]) -> bool) -> Vec<Event> {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    let mut all: Vec<Event> = Vec::new();
    while !enough(&all) {
        let place = all.last().map_or(from, |event| event.place);
        let more = store.events(place).await.expect("reads").expect("is kept");
        if more.is_empty() {
            assert!(std::time::Instant::now() < deadline, "{all:?}");
            // On PostgreSQL another test's transaction may be open.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        all.extend(more);
    }
    all
}

async fn the_feed_tells_everything_once(store: Store) {
    keep(&store, version("A", "a"), start()).await.expect("keeps");
    let beginning = store.oldest_event().await.expect("asks");
    assert_eq!(store.newest_event(None).await.expect("asks"), beginning);
    assert_eq!(store.events(beginning).await.expect("reads"), Some(Vec::new()));
    let new = NewRun { name: "A".into(), ..new_run(Some("a"), start()) };
    let good = made_and_ended(&store, new, ended(Status::Succeeded, "1"), after(1)).await;
    let error = ScriptError { traceback: "long".into(), ..ScriptError::new("ValueError", "no") };
    let bad = Ended { error: Some(error), result: None, ..ended(Status::Failed, "1") };
    let bad = made_and_ended(&store, new_run(Some("a"), start()), bad, after(2)).await;
    // What is tried again has not ended.
    let again = Ended { next: Some(after(4)), ..ended(Status::Failed, "1") };
    made_and_ended(&store, new_run(Some("a"), start()), again, after(3)).await;
    store.pause_scheduler(after(4)).await.expect("pauses");
    store.pause_scheduler(after(5)).await.expect("is paused");
    store.resume_scheduler(after(6), after(6)).await.expect("resumes");
    let all = feed(&store, beginning, |all| all.len() >= 4).await;
    let told: Vec<_> = all.iter().map(|event| (&*event.type_name, event.at, event.run.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("run_succeeded", after(1), Some(&*good)),
            ("run_failed", after(2), Some(&*bad)),
            ("scheduler_paused", after(4), None),
            ("scheduler_resumed", after(6), None),
        ]
    );
    assert_eq!(all[1].error, Some(("ValueError".into(), "no".into())));
    assert_eq!(
        (all[0].script.as_deref(), all[0].name.as_deref(), all[0].cause.as_deref()),
        (Some("a"), Some("A"), Some("api"))
    );
    assert!(all.windows(2).all(|pair| pair[0].place < pair[1].place));
    assert_eq!(store.newest_event(None).await.expect("asks"), all[3].place);
    assert_eq!(store.newest_event(Some(after(4))).await.expect("asks"), all[1].place);
    assert_eq!(store.newest_event(Some(start())).await.expect("asks"), beginning);
    // Its run may go before it.
    store.delete_runs(vec![bad], after(9)).await.expect("deletes");
    assert_eq!(feed(&store, all[0].place, |all| !all.is_empty()).await[0].error, None);
    // Who stands before what was let go of is told so.
    assert_eq!(store.forget_events(after(4)).await.expect("forgets"), 2);
    assert_eq!(store.forget_events(after(4)).await.expect("forgets"), 0);
    for (place, left) in [(beginning, None), (all[0].place, None), (all[1].place, Some(2)), (all[2].place, Some(1))] {
        assert_eq!(store.events(place).await.expect("reads").map(|events| events.len()), left);
    }
    assert_eq!(store.forget_events(after(100)).await.expect("forgets"), 2);
    assert_eq!(store.newest_event(None).await.expect("asks"), all[3].place);
    made_and_ended(&store, new_run(Some("a"), start()), ended(Status::Succeeded, "1"), after(200)).await;
    assert!(feed(&store, all[3].place, |all| !all.is_empty()).await[0].place > all[3].place);
}

async fn many_at_once(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let reader = tokio::spawn({
        let store = store.clone();
        async move { feed(&store, EventPosition::default(), |all| all.len() >= 320).await }
    });
    let makers = (0..64).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..5 {
                store.make_run(new_run(Some("a"), start()), None, None, 10_000, start()).await.expect("makes");
            }
        })
    });
    let takers = (0..8).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut done = 0;
            let deadline = std::time::Instant::now() + Duration::from_secs(60);
            while done < 40 && std::time::Instant::now() < deadline {
                let claim = by(&format!("n{n}"));
                for run in store.claim(claim.clone(), (40 - done).min(5), start()).await.expect("claims") {
                    assert_ne!(
                        store
                            .record(&run.id, &claim.token, ended(Status::Succeeded, "1"), start())
                            .await
                            .expect("records"),
                        Recorded::Late
                    );
                    done += 1;
                }
            }
            done
        })
    });
    let (makers, takers): (Vec<_>, Vec<_>) = (makers.collect(), takers.collect());
    for maker in makers {
        maker.await.expect("joins");
    }
    let mut done = 0;
    for taker in takers {
        done += taker.await.expect("joins");
    }
    assert_eq!(done, 320);
    // Whoever read along has everything, in the order in which it stands.
    let heard = reader.await.expect("joins");
    assert_eq!(heard, feed(&store, EventPosition::default(), |all| all.len() >= 320).await);
    let runs: std::collections::HashSet<_> = heard.iter().map(|event| event.run.clone()).collect();
    assert_eq!((heard.len(), runs.len()), (320, 320));
    let depth = store.queue_depth().await.expect("asks");
    assert_eq!((depth.ready, depth.claimed), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_may_start_at_once() {
    let place = DatabaseUrl::Postgres(cluster().database());
    let (one, other) = tokio::join!(Store::open(&place), Store::open(&place));
    let (one, other) = (one.expect("opens"), other.expect("opens"));
    keep(&one, version("a", "a"), start()).await.expect("keeps");
    assert_eq!(other.count_scripts().await.expect("counts"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_database_is_refused_by_name() {
    let url = cluster().database();
    let place = DatabaseUrl::Postgres(url.clone());
    Store::open(&place).await.expect("opens");
    let name = url.rsplit('/').next().expect("a name");
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (99, 'from the future', true, '', 0)";
    cluster().sql(name, newer);
    let refused = Store::open(&place).await.expect_err("refuses");
    assert!(matches!(refused, StoreError::Newer(99)), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_there_again_after_it_was_closed() {
    let file = TestFile::new();
    let store = Store::open(&file.place()).await.expect("opens");
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    store.close().await;
    assert!(matches!(store.keep_version(version("b", "b"), start()).await, Err(StoreError::Unavailable(_))));
    let again = Store::open(&file.place()).await.expect("opens");
    assert_eq!(again.script("a").await.expect("reads").expect("there").version.number, 1);
}
