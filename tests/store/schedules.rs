//! Schedules: kept, paused and deleted; their fire times and links of chains written down.

use super::{
    DatabaseUrl, Store, TestFile, after, by, cluster, ended, keep, made_and_ended, make, new_run, start, status,
    version,
};
use cronbox::publication::NewVersion;
use cronbox::run::{Cause, NewRun, Recorded, Run, Status, new_id};
use cronbox::schedule::{
    Decision, KeptSchedule, Link, NewSchedule, Origin, Overlap, Row, Schedule, ScheduleFilter, State, StoredTrigger,
    Verdict,
};
use cronbox::store::chains::DueLink;
use cronbox::store::fire::{Fire, Fired, Followed, LinkRules};
use cronbox::store::queries::RunFilter;
use serde_json::json;

on_every_engine![
    schedules_are_kept_and_found,
    schedules_pause_and_resume,
    fire_times_are_written_down_once,
    links_are_followed_once,
    scripts_in_a_circle_are_refused,
];

/// A schedule of a script that fires first at second 10.
pub(super) fn schedule(id: &str, script: &str) -> NewSchedule {
    NewSchedule {
        id: id.to_uppercase(),
        key: id.into(),
        script: script.into(),
        origin: Origin::Request,
        reach: Default::default(),
        settings: Default::default(),
        trigger: StoredTrigger::from_row(json!({"type": "interval", "seconds": 10}), start()),
        read_at: start(),
        state: State::Active,
        cursor: start(),
        next: Some((after(10), after(11))),
        created_by: None,
        links: Vec::new(),
    }
}

async fn keep_scripts(store: &Store, names: &[&str]) {
    for name in names {
        keep(store, version(name, name), start()).await.expect("keeps");
    }
}

pub(super) async fn keep_new(store: &Store, new: NewSchedule) {
    assert_eq!(store.keep_schedule(new, None, start()).await.expect("keeps"), KeptSchedule::Created);
}

async fn read(store: &Store, key: &str) -> Schedule {
    store.schedule(key).await.expect("reads").expect("there")
}

/// The runs and rows of a schedule, by fire time.
async fn runs_of(store: &Store, schedule: &str) -> Vec<Run> {
    let filter = RunFilter { schedule: Some(schedule.into()), ..RunFilter::default() };
    let mut runs = store.runs(filter, 100).await.expect("lists").runs;
    runs.sort_by_key(|run| run.fire_time);
    runs
}

fn keys(schedules: &[Schedule]) -> Vec<&str> {
    schedules.iter().map(|schedule| schedule.key.as_str()).collect()
}

async fn schedules_are_kept_and_found(store: Store) {
    keep_scripts(&store, &["a", "b"]).await;
    keep_new(&store, NewSchedule { created_by: Some("t1".into()), ..schedule("s", "a") }).await;
    let kept = read(&store, "s").await;
    assert_eq!((kept.id.as_str(), kept.revision, kept.state, kept.fired), ("S", 1, State::Active, 0));
    assert_eq!((kept.next_fire_at, kept.next_due_at, kept.cursor), (Some(after(10)), Some(after(11)), start()));
    assert_eq!((kept.reason, kept.edited, kept.reach.is_all()), (None, false, true));
    assert_eq!(kept.created_by.as_deref(), Some("t1"));
    for (expected, script, kept) in [
        (None, "a", KeptSchedule::Taken),
        (Some(2), "a", KeptSchedule::Taken),
        (Some(1), "none", KeptSchedule::NoScript),
        (Some(1), "b", KeptSchedule::Changed),
    ] {
        let new = NewSchedule { cursor: after(-5), ..schedule("s", script) };
        assert_eq!(store.keep_schedule(new, expected, after(1)).await.expect("keeps"), kept);
    }
    let kept = read(&store, "s").await;
    // The cursor never goes back.
    assert_eq!((kept.script.as_str(), kept.revision, kept.cursor, kept.updated_at), ("b", 2, start(), after(1)));
    let later = NewSchedule { next: Some((after(20), after(20))), ..schedule("t", "a") };
    keep_new(&store, later).await;
    keep_new(&store, NewSchedule { state: State::Paused, ..schedule("u", "a") }).await;
    assert_eq!(store.next_schedule().await.expect("asks"), Some(after(11)));
    assert_eq!(store.next_schedule_after(after(11)).await.expect("asks"), Some(after(20)));
    assert_eq!(store.next_schedule_after(after(20)).await.expect("asks"), None);
    assert_eq!(keys(&store.due_schedules(after(10), 9).await.expect("asks")), [""; 0]);
    assert_eq!(keys(&store.due_schedules(after(20), 9).await.expect("asks")), ["s", "t"]);
    assert_eq!(keys(&store.due_schedules(after(20), 1).await.expect("asks")), ["s"]);
    store.set_next("s", 2, Some(after(30)), after(31)).await.expect("sets");
    store.set_next("t", 9, Some(after(40)), after(41)).await.expect("asks");
    assert_eq!(store.next_schedule().await.expect("asks"), Some(after(20)));
    let filter = |filter: ScheduleFilter| {
        let store = store.clone();
        async move { store.schedules(ScheduleFilter { limit: 9, ..filter }).await.expect("lists") }
    };
    assert_eq!(keys(&filter(ScheduleFilter::default()).await), ["s", "t", "u"]);
    assert_eq!(keys(&filter(ScheduleFilter { after: Some("s".into()), ..Default::default() }).await), ["t", "u"]);
    assert_eq!(keys(&filter(ScheduleFilter { state: Some(State::Paused), ..Default::default() }).await), ["u"]);
    let of_a = ScheduleFilter { scripts: Some(vec!["a".into()]), state: Some(State::Active), ..Default::default() };
    assert_eq!(keys(&filter(of_a).await), ["t"]);
    let soon = ScheduleFilter { fires_before: Some(after(31)), ..Default::default() };
    assert_eq!(keys(&filter(soon.clone()).await), ["t", "s"]);
    assert_eq!(keys(&filter(ScheduleFilter { after_fire: Some((after(20), "t".into())), ..soon }).await), ["s"]);
}

async fn schedules_pause_and_resume(store: Store) {
    keep_scripts(&store, &["a"]).await;
    for id in ["s", "t", "u"] {
        keep_new(&store, schedule(id, "a")).await;
    }
    let paused = store.pause_schedule("s", Some("why\0".into()), after(1)).await.expect("pauses");
    assert_eq!(paused.map(|paused| paused.skipped), Some(Vec::new()));
    assert_eq!(store.pause_schedule("none", None, after(1)).await.expect("asks"), None);
    let s = read(&store, "s").await;
    assert_eq!((s.state, s.reason.as_deref(), s.revision, s.next_due_at), (State::Paused, Some("why "), 2, None));
    let next = Some((after(30), after(30)));
    assert!(!store.resume_schedule("s", 1, after(20), next, after(2)).await.expect("asks"));
    assert!(store.resume_schedule("s", 2, after(20), next, after(2)).await.expect("resumes"));
    let s = read(&store, "s").await;
    assert_eq!((s.state, s.reason, s.revision, s.cursor), (State::Active, None, 3, after(20)));
    // One that can fire no more is finished, and not paused.
    store.pause_schedule("t", None, after(3)).await.expect("pauses");
    assert!(store.resume_schedule("t", 2, after(20), None, after(4)).await.expect("resumes"));
    assert_eq!(read(&store, "t").await.state, State::Finished);
    assert_eq!(store.pause_schedule("t", None, after(5)).await.expect("asks"), None);
    assert_eq!(store.pause_schedules_of("a", "gone", after(6)).await.expect("pauses"), 2);
    assert_eq!(read(&store, "u").await.reason.as_deref(), Some("gone"));
    assert!(store.delete_schedule("u", after(7)).await.expect("deletes").is_some());
    assert!(store.delete_schedule("u", after(7)).await.expect("asks").is_none());
    assert_eq!(store.schedule("u").await.expect("reads"), None);

    let whole = store.scheduler().await.expect("reads");
    assert!(!whole.paused);
    store.pause_scheduler(after(8)).await.expect("pauses");
    store.set_tzdata("2026a").await.expect("sets");
    let whole = store.scheduler().await.expect("reads");
    assert_eq!((whole.paused, whole.tzdata.as_deref()), (true, Some("2026a")));
    store.resume_scheduler(after(9), after(9)).await.expect("resumes");
    let whole = store.scheduler().await.expect("reads");
    assert_eq!((whole.paused, whole.floor), (false, after(9)));
}

/// What a look at a schedule came to, with these rows, up to second `decided`.
fn fire(schedule: &Schedule, rows: Vec<(i64, Verdict)>, decided: i64) -> Fire {
    let rows = rows.into_iter().map(|(at, verdict)| Row { fire_time: after(at), local: format!("at {at}"), verdict });
    let next = after(decided + 10);
    Fire {
        decision: Decision {
            key: schedule.key.clone(),
            revision: schedule.revision,
            cursor: schedule.cursor,
            rows: rows.collect(),
            decided: after(decided),
            next: Some((next, next)),
            max_runs: None,
            hangs_on: false,
        },
        like: NewRun {
            cause: Cause::Fire,
            schedule: Some(schedule.key.clone()),
            ..new_run(Some(&schedule.script), start())
        },
        overlap: (Overlap::Skip, 1),
    }
}

async fn fire_times_are_written_down_once(store: Store) {
    keep_scripts(&store, &["a"]).await;
    keep_new(&store, schedule("s", "a")).await;
    let first = read(&store, "s").await;
    let starts = |at: i64| Verdict::Start { due: after(at), wait: false };
    let rows = vec![
        (1, Verdict::Older(after(5), 3)),
        (10, Verdict::Missed("misfire_grace_time")),
        (20, Verdict::Coalesced(after(30))),
        (30, starts(30)),
    ];
    let decided = fire(&first, rows, 30);
    let fired = store.fire(vec![decided.clone()], after(31)).await.expect("fires");
    assert_eq!(fired, Fired { started: 1, rows: 3, ..Fired::default() });
    // The same decision again: the schedule is no longer as it was.
    let again = store.fire(vec![decided], after(31)).await.expect("fires");
    assert_eq!(again, Fired { stale: 1, ..Fired::default() });
    let s = read(&store, "s").await;
    assert_eq!((s.cursor, s.next_fire_at, s.fired, s.revision), (after(30), Some(after(40)), 1, 1));
    let runs = runs_of(&store, "s").await;
    let told: Vec<_> = runs.iter().map(|run| (run.status, run.reason.as_deref().unwrap_or(""))).collect();
    assert_eq!(
        told,
        [
            (Status::Missed, "catchup_limit"),
            (Status::Missed, "misfire_grace_time"),
            (Status::Skipped, "coalesced"),
            (Status::Queued, ""),
        ]
    );
    assert_eq!((runs[0].fire_until, runs[0].finished_at), (Some((after(5), 3)), Some(after(31))));
    assert_eq!(runs[2].stood_in.as_ref(), Some(&runs[3].id));
    assert_eq!((runs[3].fire_local.as_deref(), runs[3].run_at), (Some("at 30"), after(30)));
    assert_eq!(s.last_run.map(|run| run.id), runs.iter().map(|run| run.id.clone()).max());
    assert_eq!(store.fire_times_done("s", after(10), after(30)).await.expect("asks"), [after(30)]);
    assert!(store.fire_times_done("s", after(31), after(99)).await.expect("asks").is_empty());
    // As many run as may.
    let fired = store.fire(vec![fire(&read(&store, "s").await, vec![(40, starts(40))], 40)], after(41)).await;
    assert_eq!(fired.expect("fires"), Fired { rows: 1, ..Fired::default() });
    let skipped = runs_of(&store, "s").await.pop().expect("a row");
    assert_eq!((skipped.status, skipped.reason.as_deref()), (Status::Skipped, Some("max_instances")));
    // The one that runs makes room for the next.
    let mut cancels = fire(&read(&store, "s").await, vec![(50, starts(50))], 50);
    cancels.overlap = (Overlap::CancelRunning, 1);
    let fired = store.fire(vec![cancels], after(51)).await.expect("fires");
    assert_eq!((fired.started, fired.room.cancelled), (1, vec![runs[3].id.clone()]));
    assert_eq!(status(&store, &runs[3].id).await, Status::Cancelled);
    // With the last run the schedule is finished.
    let mut last = fire(&read(&store, "s").await, vec![(60, starts(60))], 60);
    (last.decision.max_runs, last.overlap) = (Some(3), (Overlap::Allow, 1));
    assert_eq!(store.fire(vec![last], after(61)).await.expect("fires").started, 1);
    let s = read(&store, "s").await;
    assert_eq!((s.state, s.fired, s.next_fire_at, s.next_due_at), (State::Finished, 3, None, None));
    keep_new(&store, schedule("t", "a")).await;
    store.pause_scheduler(after(62)).await.expect("pauses");
    let fired = store.fire(vec![fire(&read(&store, "t").await, vec![(10, starts(10))], 10)], after(62)).await;
    assert_eq!(fired.expect("fires"), Fired { stale: 1, ..Fired::default() });
}

/// A schedule that fires when a run of script a succeeds.
fn hangs_on_a(id: &str, script: &str) -> NewSchedule {
    let links = vec![Link { upstream: "script:a".into(), outcome: "succeeded" }];
    NewSchedule { next: None, links, ..schedule(id, script) }
}

async fn links_are_followed_once(store: Store) {
    keep_scripts(&store, &["a", "b"]).await;
    keep_new(&store, hangs_on_a("s", "b")).await;
    let failed = new_run(Some("a"), start());
    made_and_ended(&store, failed, ended(Status::Failed, ""), start()).await;
    assert!(store.due_links().await.expect("asks").is_empty());
    let mut links = Vec::new();
    for n in 0..5 {
        let upstream = make(&store, new_run(Some("a"), after(n)), after(n)).await;
        let claim = by("n");
        store.claim(claim.clone(), 1, after(n)).await.expect("claims");
        let recorded = store.record(&upstream, &claim.token, ended(Status::Succeeded, "1"), after(n)).await;
        assert_eq!(recorded.expect("records"), Recorded::MakesDue);
        links.push(DueLink { schedule: "s".into(), upstream });
    }
    assert_eq!(store.due_links().await.expect("asks"), links);
    let rules = LinkRules { overlap: (Overlap::Skip, 1), too_deep: false, max_runs: Some(2), bound: 100 };
    let follow = |n: usize, rules: LinkRules| {
        let (store, link) = (store.clone(), links[n].clone());
        async move {
            let new = NewRun {
                id: new_id(after(10)),
                cause: Cause::Chain,
                schedule: Some("s".into()),
                upstream: Some(link.upstream.clone()),
                ..new_run(Some("b"), after(10))
            };
            let id = new.id.clone();
            (store.follow_link(link, new, rules, after(10)).await.expect("follows"), id)
        }
    };
    let (followed, first) = follow(0, rules).await;
    assert_eq!(followed, Followed::Started(Default::default()));
    assert_eq!(follow(0, rules).await.0, Followed::Nothing);
    for (n, rules, reason) in [
        (1, rules, "max_instances"),
        (2, LinkRules { too_deep: true, ..rules }, "chain_depth"),
        (3, LinkRules { bound: 0, ..rules }, "queue_full"),
    ] {
        let (followed, id) = follow(n, rules).await;
        assert_eq!(followed, Followed::Skipped);
        let row = store.run(&id).await.expect("reads").expect("there");
        assert_eq!((row.status, row.reason.as_deref()), (Status::Skipped, Some(reason)));
        assert_eq!(row.upstream.as_ref(), Some(&links[n].upstream));
    }
    let run = store.run(&first).await.expect("reads").expect("there");
    assert_eq!((run.status, run.upstream.as_ref()), (Status::Queued, Some(&links[0].upstream)));
    assert_eq!((read(&store, "s").await.fired, read(&store, "s").await.state), (1, State::Active));
    let (followed, _) = follow(4, LinkRules { overlap: (Overlap::Allow, 1), ..rules }).await;
    assert_eq!(followed, Followed::Started(Default::default()));
    assert_eq!((read(&store, "s").await.fired, read(&store, "s").await.state), (2, State::Finished));
    assert!(store.due_links().await.expect("asks").is_empty());
    // Five causes were counted.
    assert_eq!(store.forget_causes(after(10)).await.expect("forgets"), 0);
    assert_eq!(store.forget_causes(after(11)).await.expect("forgets"), 5);

    keep_new(&store, hangs_on_a("t", "b")).await;
    // It goes before those of script b.
    let urgent = NewRun { priority: 5, ..new_run(Some("a"), after(20)) };
    made_and_ended(&store, urgent, ended(Status::Succeeded, "1"), after(20)).await;
    let due = store.due_links().await.expect("asks");
    assert_eq!(due.iter().map(|link| link.schedule.as_str()).collect::<Vec<_>>(), ["t"]);
    store.drop_link(due[0].clone()).await.expect("drops");
    assert!(store.due_links().await.expect("asks").is_empty());
}

async fn scripts_in_a_circle_are_refused(store: Store) {
    keep_scripts(&store, &["a", "b"]).await;
    keep_new(&store, hangs_on_a("s", "b")).await;
    let links = vec![Link { upstream: "script:b".into(), outcome: "any" }];
    let back = NewSchedule { links: links.clone(), ..schedule("t", "a") };
    let circle: Vec<String> = ["a", "b", "a"].map(str::to_owned).into();
    let kept = store.keep_schedule(back, None, start()).await.expect("asks");
    assert_eq!(kept, KeptSchedule::Circle(circle.clone()));
    let own = NewSchedule { origin: Origin::Metadata, links, ..schedule("t", "a") };
    let new = NewVersion { schedules: vec![own], ..version("a", "a") };
    let kept = keep(&store, new, after(1)).await;
    assert!(matches!(&kept, Err(cronbox::store::StoreError::Circle(found)) if *found == circle), "{kept:?}");
    assert_eq!(store.schedule("t").await.expect("reads"), None);
}
