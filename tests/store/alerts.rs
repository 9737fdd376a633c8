//! Alerts as rows: kept, decided with the ends of runs and by time, muted.

use super::schedules::{keep_new, schedule};
use super::{
    Claim, DatabaseUrl, Store, TestFile, after, by, cluster, ended, keep, made_and_ended, make, new_run, start, version,
};
use cronbox::alert::{About, Alert, NewAlert, REPEAT};
use cronbox::event::EventPosition;
use cronbox::notice::{Notice, NoticeKind};
use cronbox::precondition::Precondition;
use cronbox::publication::NewVersion;
use cronbox::run::{Cause, Ended, NewRun, Recorded, Status, Value};
use cronbox::schedule::{Decision, Overlap, Row, Verdict};
use cronbox::script::{Name, Settings};
use cronbox::store::alerts::{AlertFilter, KeptAlert};
use cronbox::store::fire::Fire;
use std::time::Duration;

on_every_engine![
    alerts_are_kept_and_found,
    failures_fire_and_successes_end_it,
    alerts_about_many_have_a_state_for_each,
    failures_in_a_row_are_counted_from_earlier_runs,
    results_are_compared_with_those_before,
    large_results_are_looked_at,
    fire_times_without_a_run_fire,
    a_run_that_ends_otherwise_is_seen_too,
    what_fires_is_said_again,
    mutes_hold_back_what_is_said,
    time_makes_them_fire,
    late_fire_times_are_told_while_they_are_late,
    stale_scripts_are_told_when_they_are_gone,
    what_is_gone_is_said_no_more_of,
    a_block_makes_its_alerts_equal,
    two_ends_at_once_fire_once,
];

pub(super) fn named(name: &str) -> Name {
    Name::parse(name).expect("a name")
}

pub(super) fn about(script: &str) -> About {
    About::Script(named(script))
}

pub(super) fn alert(about: About, condition: &str) -> NewAlert {
    NewAlert {
        about,
        condition: condition.parse().expect("a condition"),
        notify: vec!["ops".into(), "me".into()],
        repeat: Some(REPEAT),
        recovered: true,
    }
}

pub(super) async fn watch(store: &Store, id: &str, new: NewAlert) {
    let kept = store.keep_alert(&named(id), new, &Precondition::None, Some("t"), start()).await.expect("keeps");
    assert!(matches!(kept, KeptAlert::Kept(..)), "{kept:?}");
}

pub(super) async fn read(store: &Store, id: &str) -> Alert {
    store.alert(id).await.expect("reads").expect("there")
}

/// Of what an alert fires, and since which second.
pub(super) async fn firing(store: &Store, id: &str) -> Vec<(String, i64)> {
    let firing = read(store, id).await.firing;
    firing.into_iter().map(|one| (one.subject, (one.since - start()).num_seconds())).collect()
}

/// What an alert has said: why, and at which second.
pub(super) async fn said(store: &Store, id: &str) -> Vec<(NoticeKind, i64)> {
    let second = |notice: Notice| (notice.kind, notice.at / 1_000 - start().timestamp());
    store.said_by_alert(id).await.expect("reads").into_iter().map(second).collect()
}

pub(super) async fn end(store: &Store, script: &str, ended: Ended, second: i64) -> String {
    let at = after(second);
    made_and_ended(
        store,
        NewRun { script: Some(script.into()), name: script.into(), ..new_run(Some(script), at) },
        ended,
        at,
    )
    .await
}

pub(super) async fn fails(store: &Store, script: &str, second: i64) -> String {
    end(store, script, ended(Status::Failed, ""), second).await
}

pub(super) async fn succeeds(store: &Store, script: &str, second: i64) -> String {
    end(store, script, ended(Status::Succeeded, "1"), second).await
}

pub(super) async fn keep_scripts(store: &Store, names: &[&str]) {
    for name in names {
        keep(store, version(name, name), start()).await.expect("keeps");
    }
}

async fn alerts_are_kept_and_found(store: Store) {
    let new = alert(about("Price"), "failed 3");
    let kept = store.keep_alert(&named("Watch"), new.clone(), &Precondition::Absent, Some("t"), after(1)).await;
    let KeptAlert::Kept(first, true) = kept.expect("keeps") else { panic!("not kept") };
    assert_eq!((first.id.as_str(), first.key.as_str(), first.revision), ("Watch", "watch", 1));
    assert_eq!((&first.asked, first.created_by.as_deref(), first.since()), (&new, Some("t"), None));
    assert_eq!(read(&store, "watch").await, *first);
    let taken = store.keep_alert(&named("watch"), new, &Precondition::Absent, None, after(2)).await.expect("asks");
    assert_eq!(taken, KeptAlert::Other(Some(first.tag())));
    let asked = Precondition::Tagged(vec![first.tag()]);
    let never =
        NewAlert { repeat: None, recovered: false, notify: vec!["me".into()], ..alert(About::Everything, "missed") };
    let kept = store.keep_alert(&named("watch"), never.clone(), &asked, None, after(2)).await.expect("keeps");
    let KeptAlert::Kept(second, false) = kept else { panic!("not kept") };
    assert_eq!((second.revision, &second.asked, second.created_at), (2, &never, after(1)));
    watch(&store, "a", alert(About::label("team=data").expect("a label"), "late 5m")).await;
    watch(&store, "b", alert(About::Schedule(named("Daily")), "stale 26h")).await;
    let keys = async |filter: AlertFilter| {
        let found = store.alerts(AlertFilter { limit: 10, ..filter }).await.expect("lists");
        found.into_iter().map(|alert| alert.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(AlertFilter::default()).await, ["a", "b", "watch"]);
    assert_eq!(keys(AlertFilter { after: Some("a".into()), ..AlertFilter::default() }).await, ["b", "watch"]);
    assert_eq!(keys(AlertFilter { about: Some("schedule:daily".into()), ..AlertFilter::default() }).await, ["b"]);
    assert_eq!(keys(AlertFilter { notify: Some("ops".into()), ..AlertFilter::default() }).await, ["a", "b"]);
    assert_eq!(keys(AlertFilter { is_firing: Some(true), ..AlertFilter::default() }).await, [""; 0]);
    assert_eq!(keys(AlertFilter { is_firing: Some(false), ..AlertFilter::default() }).await, ["a", "b", "watch"]);
    assert_eq!(store.delete_alert("watch", &asked).await.expect("asks"), KeptAlert::Other(Some(second.tag())));
    assert_eq!(store.delete_alert("watch", &Precondition::None).await.expect("deletes"), KeptAlert::Deleted);
    assert_eq!(store.delete_alert("watch", &Precondition::None).await.expect("asks"), KeptAlert::Other(None));
}

async fn failures_fire_and_successes_end_it(store: Store) {
    keep_scripts(&store, &["a", "b"]).await;
    watch(&store, "w", alert(about("a"), "failed")).await;
    watch(&store, "timeouts", alert(about("a"), "failed timed_out")).await;
    watch(&store, "recovery", alert(about("a"), "recovered")).await;
    fails(&store, "b", 1).await;
    succeeds(&store, "a", 2).await;
    assert_eq!((firing(&store, "w").await, said(&store, "w").await), (Vec::new(), Vec::new()));
    let failed = fails(&store, "a", 3).await;
    fails(&store, "a", 4).await;
    assert_eq!(firing(&store, "w").await, [("a".to_owned(), 3)]);
    assert_eq!(said(&store, "w").await, [(NoticeKind::Firing, 3)], "once for two channels, and not again");
    tokio::time::timeout(Duration::from_secs(30), store.told()).await.expect("who tells it is woken");
    assert_eq!(store.recent_results(&about("a")).await.expect("reads"), ["1"], "of runs that succeeded");
    assert_eq!(store.unknown_channels(vec!["ops".into(), "me".into()]).await.expect("reads"), ["ops", "me"]);
    let notice = store.said_by_alert("w").await.expect("reads").remove(0);
    let run = notice.run.expect("a run");
    assert_eq!((run.id.as_str(), run.status.as_str(), run.attempt), (failed.as_str(), "failed", 1));
    assert_eq!((run.error_name.as_deref(), run.error_message.as_deref()), (Some("ValueError"), Some("Not\0 this")));
    assert_eq!(notice.script.as_deref(), Some("a"));
    assert_eq!(
        notice.alert.map(|alert| (alert.text, alert.since)),
        Some(("failed".into(), after(3).timestamp_millis()))
    );
    let ok = succeeds(&store, "a", 63).await;
    assert_eq!(firing(&store, "w").await, []);
    assert_eq!(said(&store, "w").await, [(NoticeKind::Firing, 3), (NoticeKind::Ok, 63)]);
    let notice = store.said_by_alert("w").await.expect("reads").remove(1);
    assert_eq!(notice.run.map(|run| run.id), Some(ok));
    assert_eq!(notice.alert.map(|alert| alert.since), Some(after(3).timestamp_millis()), "it says how long it lasted");
    assert_eq!((firing(&store, "timeouts").await, said(&store, "timeouts").await), (vec![], vec![]));
    assert_eq!(said(&store, "recovery").await, [(NoticeKind::Ok, 63)]);
    let events = store.events(EventPosition::default()).await.expect("reads").expect("all");
    let told: Vec<_> = events.iter().filter(|event| event.alert.as_deref() == Some("w")).collect();
    assert_eq!(told.iter().map(|event| event.type_name.as_str()).collect::<Vec<_>>(), ["alert_firing", "alert_ok"]);
    assert_eq!((told[0].name.as_deref(), told[0].run.as_deref()), (Some("a"), Some(failed.as_str())));
}

async fn alerts_about_many_have_a_state_for_each(store: Store) {
    let labelled = Settings { labels: [("team".into(), "data".into())].into(), ..Settings::default() };
    keep(&store, NewVersion { table: labelled, ..version("a", "a") }, start()).await.expect("keeps");
    keep_scripts(&store, &["b"]).await;
    watch(&store, "all", alert(About::Everything, "failed")).await;
    watch(&store, "team", alert(About::label("team=data").expect("a label"), "failed")).await;
    fails(&store, "a", 1).await;
    fails(&store, "b", 2).await;
    made_and_ended(&store, new_run(None, after(3)), ended(Status::Failed, ""), after(3)).await;
    assert_eq!(firing(&store, "all").await, [("a".to_owned(), 1), ("b".to_owned(), 2)], "not of source in a request");
    assert_eq!(firing(&store, "team").await, [("a".to_owned(), 1)]);
    succeeds(&store, "a", 4).await;
    assert_eq!(firing(&store, "all").await, [("b".to_owned(), 2)]);
    assert_eq!(read(&store, "all").await.since(), Some(after(2)));
    assert_eq!(firing(&store, "team").await, []);
}

async fn failures_in_a_row_are_counted_from_earlier_runs(store: Store) {
    keep_scripts(&store, &["a"]).await;
    for (second, fine) in [(1, false), (2, true), (3, false)] {
        if fine {
            succeeds(&store, "a", second).await
        } else {
            fails(&store, "a", second).await
        };
    }
    watch(&store, "w", alert(about("a"), "failed 3")).await;
    fails(&store, "a", 4).await;
    assert_eq!(firing(&store, "w").await, []);
    fails(&store, "a", 5).await;
    assert_eq!(firing(&store, "w").await, [("a".to_owned(), 5)], "3, 4 and 5");
    succeeds(&store, "a", 6).await;
    fails(&store, "a", 7).await;
    assert_eq!(firing(&store, "w").await, []);
}

async fn results_are_compared_with_those_before(store: Store) {
    keep_scripts(&store, &["a"]).await;
    let price = async |price: &str, second| {
        end(&store, "a", ended(Status::Succeeded, &format!("{{\"price\":{price}}}")), second).await;
    };
    price("100", 1).await;
    price("100", 2).await;
    watch(&store, "changed", alert(about("a"), "/price changed 5%")).await;
    watch(&store, "outlier", alert(about("a"), "/price outlier 10")).await;
    watch(&store, "fuel", alert(about("a"), "fuel 3x")).await;
    price("106", 3).await;
    assert_eq!(firing(&store, "changed").await, [("a".to_owned(), 3)], "against the run before the alert was made");
    let notice = store.said_by_alert("changed").await.expect("reads").remove(0);
    let value = notice.value.expect("values");
    assert_eq!((value.path.as_str(), value.before, value.now), ("/price", Some(100.into()), Some(106.into())));
    fails(&store, "a", 4).await;
    price("106", 5).await;
    assert_eq!(firing(&store, "changed").await, []);
    price("300", 6).await;
    assert_eq!(firing(&store, "outlier").await, [("a".to_owned(), 6)]);
    assert_eq!(firing(&store, "fuel").await, []);
    end(&store, "a", Ended { fuel: 16, ..ended(Status::Succeeded, "1") }, 7).await;
    assert_eq!(firing(&store, "fuel").await, [("a".to_owned(), 7)]);
    let value = store.said_by_alert("fuel").await.expect("reads").remove(0).value.expect("values");
    assert_eq!((value.path.as_str(), value.before, value.now), ("fuel", Some(5.into()), Some(16.into())));
}

async fn large_results_are_looked_at(store: Store) {
    keep_scripts(&store, &["a"]).await;
    watch(&store, "w", alert(about("a"), "/price > 5")).await;
    super::announce(&store, "values/x", start()).await;
    let large = Ended {
        result: Some(Value::Blob("values/x".into())),
        large_result: Some("{\"price\":6}".into()),
        ..ended(Status::Succeeded, "")
    };
    end(&store, "a", large, 1).await;
    assert_eq!(firing(&store, "w").await, [("a".to_owned(), 1)]);
}

/// Writes down fire times of the schedule `s`, whose cursor is at second `cursor`.
pub(super) async fn fire(store: &Store, cursor: i64, next: i64, rows: Vec<(i64, Verdict)>, now: i64) {
    let rows: Vec<Row> = rows
        .into_iter()
        .map(|(second, verdict)| Row { fire_time: after(second), local: String::new(), verdict })
        .collect();
    let decided = rows.iter().map(|row| row.fire_time).max().unwrap_or(after(cursor));
    let decision = Decision {
        key: "s".into(),
        revision: 1,
        cursor: after(cursor),
        rows,
        decided,
        next: Some((after(next), after(next))),
        max_runs: None,
        hangs_on: false,
    };
    let like = NewRun { schedule: Some("s".into()), cause: Cause::Fire, ..new_run(Some("a"), after(now)) };
    let fired =
        store.fire(vec![Fire { decision, like, overlap: (Overlap::Skip, 1) }], after(now)).await.expect("fires");
    assert_eq!(fired.stale, 0);
}

async fn fire_times_without_a_run_fire(store: Store) {
    keep_scripts(&store, &["a"]).await;
    keep_new(&store, schedule("s", "a")).await;
    watch(&store, "missed", alert(about("a"), "missed")).await;
    watch(&store, "skipped", alert(About::Schedule(named("s")), "skipped")).await;
    let missed = Verdict::Missed("misfire_grace_time");
    fire(&store, 0, 30, vec![(10, missed.clone()), (20, missed)], 25).await;
    assert_eq!(firing(&store, "missed").await, [("a".to_owned(), 25)]);
    assert_eq!(said(&store, "missed").await, [(NoticeKind::Firing, 25)], "one for both");
    assert_eq!(firing(&store, "skipped").await, []);
    let start_now = |second| Verdict::Start { due: after(second), wait: false };
    fire(&store, 20, 40, vec![(30, start_now(30))], 30).await;
    fire(&store, 30, 50, vec![(40, start_now(40))], 40).await;
    assert_eq!(firing(&store, "skipped").await, [("s".to_owned(), 40)], "max_instances");
    let notice = store.said_by_alert("skipped").await.expect("reads").remove(0);
    assert_eq!((notice.script.as_deref(), notice.schedule.as_deref()), (Some("a"), Some("S")));
    let claim = by("n");
    let run = store.claim(claim.clone(), 1, after(41)).await.expect("claims").remove(0);
    store.record(&run.id, &claim.token, ended(Status::Succeeded, "1"), after(42)).await.expect("records");
    assert_eq!((firing(&store, "missed").await, firing(&store, "skipped").await), (vec![], vec![]));
}

async fn a_run_that_ends_otherwise_is_seen_too(store: Store) {
    keep_scripts(&store, &["a", "b", "c"]).await;
    for script in ["a", "b", "c"] {
        watch(&store, script, alert(about(script), "failed")).await;
    }
    let waits = make(&store, new_run(Some("a"), after(1)), after(1)).await;
    store.cancel(&waits, "cancelled", after(2)).await.expect("cancels");
    assert_eq!(firing(&store, "a").await, [("a".to_owned(), 2)]);
    let id = make(&store, new_run(Some("b"), after(3)), after(3)).await;
    let claim = by("n");
    store.claim(claim.clone(), 1, after(3)).await.expect("claims");
    store.record_minimal(&id, &claim.token, "no", after(4)).await.expect("records");
    assert_eq!(firing(&store, "b").await, [("b".to_owned(), 4)]);
    make(&store, new_run(Some("c"), after(5)), after(5)).await;
    store.delete_script("c", false, after(6)).await.expect("deletes");
    assert_eq!(said(&store, "c").await, [(NoticeKind::Firing, 6)], "its run was cancelled");
    assert_eq!(firing(&store, "c").await, [], "and its script is gone");
}

async fn what_fires_is_said_again(store: Store) {
    keep_scripts(&store, &["a"]).await;
    watch(&store, "w", alert(about("a"), "failed")).await;
    watch(&store, "once", NewAlert { repeat: None, ..alert(about("a"), "failed") }).await;
    fails(&store, "a", 10).await;
    let day = 24 * 3600;
    assert_eq!(store.next_alert_look().await.expect("asks"), Some(after(10 + day)));
    store.look_at_alerts(after(9 + day)).await.expect("looks");
    assert_eq!(said(&store, "w").await.len(), 1);
    let looked = store.look_at_alerts(after(10 + day)).await.expect("looks");
    assert_eq!((looked.is_full, looked.next), (false, Some(after(10 + 2 * day))));
    assert_eq!(said(&store, "w").await, [(NoticeKind::Firing, 10), (NoticeKind::Repeated, 10 + day)]);
    let often = NewAlert { repeat: Some(Duration::from_hours(1)), ..alert(about("a"), "failed") };
    store.keep_alert(&named("w"), often, &Precondition::None, None, after(11 + day)).await.expect("keeps");
    store.look_at_alerts(after(12 + day)).await.expect("looks");
    let looked = store.look_at_alerts(after(10 + day + 3600)).await.expect("looks");
    assert_eq!(looked.next, Some(after(10 + day + 7200)));
    assert_eq!(said(&store, "w").await.len(), 3);
    assert_eq!(said(&store, "once").await, [(NoticeKind::Firing, 10)]);
    succeeds(&store, "a", 20 + day + 3600).await;
    assert_eq!(store.next_alert_look().await.expect("asks"), None);
}

async fn mutes_hold_back_what_is_said(store: Store) {
    keep_scripts(&store, &["a"]).await;
    watch(&store, "w", alert(about("a"), "failed")).await;
    let muted = store.mute_alert("w", Some(after(100)), after(1)).await.expect("mutes").expect("there");
    assert_eq!((muted.muted_until, muted.revision), (Some(after(100)), 2));
    assert_eq!(store.mute_alert("none", None, after(1)).await.expect("asks"), None);
    fails(&store, "a", 10).await;
    assert_eq!((firing(&store, "w").await.len(), said(&store, "w").await.len()), (1, 0));
    store.mute_all(Some(after(200)), after(20)).await.expect("mutes");
    assert_eq!(store.all_muted_until().await.expect("reads"), Some(after(200)));
    for second in [21, 100, 199] {
        store.look_at_alerts(after(second)).await.expect("looks");
    }
    assert_eq!(said(&store, "w").await, []);
    let looked = store.look_at_alerts(after(200)).await.expect("looks");
    assert_eq!(looked.next, Some(after(200 + 24 * 3600)));
    assert_eq!(said(&store, "w").await, [(NoticeKind::Firing, 200)]);
    store.mute_alert("w", Some(after(300)), after(201)).await.expect("mutes");
    succeeds(&store, "a", 250).await;
    fails(&store, "a", 260).await;
    store.mute_alert("w", None, after(270)).await.expect("unmutes");
    store.look_at_alerts(after(271)).await.expect("looks");
    assert_eq!(said(&store, "w").await, [(NoticeKind::Firing, 200), (NoticeKind::Firing, 271)]);
}

async fn time_makes_them_fire(store: Store) {
    keep_scripts(&store, &["a", "b"]).await;
    watch(&store, "running", alert(about("a"), "running 10m")).await;
    watch(&store, "all", alert(About::Everything, "running 5m")).await;
    watch(&store, "queued", alert(about("a"), "queued 1m")).await;
    assert_eq!(store.next_alert_look().await.expect("asks"), Some(start()));
    let looked = store.look_at_alerts(start()).await.expect("looks");
    assert_eq!(looked.next, Some(after(60)), "nothing that begins now is over before");
    let id = make(&store, new_run(Some("a"), after(1)), after(1)).await;
    store.look_at_alerts(after(60)).await.expect("looks");
    assert_eq!(firing(&store, "queued").await, []);
    store.look_at_alerts(after(61)).await.expect("looks");
    assert_eq!(firing(&store, "queued").await, [("a".to_owned(), 61)]);
    let claim = by("n");
    store.claim(claim.clone(), 1, after(62)).await.expect("claims");
    store.look_at_alerts(after(67)).await.expect("looks");
    assert_eq!(firing(&store, "queued").await, []);
    assert_eq!(said(&store, "queued").await, [(NoticeKind::Firing, 61), (NoticeKind::Ok, 67)]);
    store.look_at_alerts(after(362)).await.expect("looks");
    store.look_at_alerts(after(662)).await.expect("looks");
    assert_eq!(firing(&store, "running").await, [("a".to_owned(), 662)]);
    assert_eq!(firing(&store, "all").await, [("a".to_owned(), 362)]);
    let notice = store.said_by_alert("running").await.expect("reads").remove(0);
    assert_eq!(notice.run.map(|run| (run.id, run.status)), Some((id.clone(), "running".into())));
    store.record(&id, &claim.token, ended(Status::Succeeded, "1"), after(663)).await.expect("records");
    assert_eq!(store.next_alert_look().await.expect("asks"), Some(after(663)), "its end is looked at");
    store.look_at_alerts(after(663)).await.expect("looks");
    assert_eq!((firing(&store, "running").await, firing(&store, "all").await), (vec![], vec![]));
}

async fn late_fire_times_are_told_while_they_are_late(store: Store) {
    keep_scripts(&store, &["a"]).await;
    // Its first fire time is second 10, due at 11.
    keep_new(&store, schedule("s", "a")).await;
    watch(&store, "w", alert(About::Schedule(named("s")), "late 5m")).await;
    let looked = store.look_at_alerts(after(1)).await.expect("looks");
    assert_eq!(looked.next, Some(after(301)), "a change of the schedule can bring nothing earlier");
    store.look_at_alerts(after(310)).await.expect("looks");
    assert_eq!(firing(&store, "w").await, []);
    store.look_at_alerts(after(311)).await.expect("looks");
    assert_eq!(firing(&store, "w").await, [("s".to_owned(), 311)], "nothing has looked at the schedule");
    fire(&store, 0, 1_000, vec![(10, Verdict::Start { due: after(11), wait: false })], 312).await;
    store.look_at_alerts(after(316)).await.expect("looks");
    assert_eq!(firing(&store, "w").await, [("s".to_owned(), 311)], "the run has not started");
    store.claim(by("n"), 1, after(317)).await.expect("claims");
    store.look_at_alerts(after(321)).await.expect("looks");
    assert_eq!((firing(&store, "w").await, said(&store, "w").await.len()), (vec![], 2));
    // Nothing is late that nobody wants to start.
    store.pause_scheduler(after(400)).await.expect("pauses");
    store.look_at_alerts(after(2_000)).await.expect("looks");
    assert_eq!(firing(&store, "w").await, []);
    store.resume_scheduler(after(2_001), after(0)).await.expect("resumes");
    store.look_at_alerts(after(2_300)).await.expect("looks");
    assert_eq!(firing(&store, "w").await, [("s".to_owned(), 1_300)]);
}

async fn stale_scripts_are_told_when_they_are_gone(store: Store) {
    keep_scripts(&store, &["a", "b"]).await;
    succeeds(&store, "a", 100).await;
    watch(&store, "w", alert(about("a"), "stale 1h")).await;
    watch(&store, "none", alert(about("none"), "stale 1h")).await;
    watch(&store, "all", alert(About::Everything, "stale 2h")).await;
    let looked = store.look_at_alerts(after(200)).await.expect("looks");
    assert_eq!(looked.next, Some(after(3_600)), "what was never there is watched from the alert's beginning on");
    store.look_at_alerts(after(3_600)).await.expect("looks");
    assert_eq!((firing(&store, "w").await, firing(&store, "none").await), (vec![], vec![("none".into(), 3_600)]));
    succeeds(&store, "a", 3_650).await;
    store.look_at_alerts(after(3_800)).await.expect("looks");
    assert_eq!(firing(&store, "w").await, []);
    fails(&store, "a", 4_000).await;
    store.delete_script("a", false, after(4_001)).await.expect("deletes");
    store.look_at_alerts(after(7_250)).await.expect("looks");
    assert_eq!(firing(&store, "w").await, [("a".to_owned(), 7_250)], "its script is gone");
    keep_scripts(&store, &["a"]).await;
    succeeds(&store, "a", 7_300).await;
    assert_eq!(firing(&store, "w").await, []);
    store.look_at_alerts(after(7_400)).await.expect("looks");
    assert_eq!(firing(&store, "all").await, [("b".to_owned(), 7_200)]);
}

async fn what_is_gone_is_said_no_more_of(store: Store) {
    let labelled = Settings { labels: [("team".into(), "data".into())].into(), ..Settings::default() };
    keep(&store, NewVersion { table: labelled, ..version("a", "a") }, start()).await.expect("keeps");
    keep_scripts(&store, &["b"]).await;
    keep_new(&store, schedule("s", "b")).await;
    watch(&store, "team", alert(About::label("team=data").expect("a label"), "failed")).await;
    watch(&store, "all", alert(About::Everything, "failed")).await;
    watch(&store, "s", alert(About::Schedule(named("s")), "failed")).await;
    fails(&store, "a", 1).await;
    let of_schedule = NewRun { schedule: Some("s".into()), ..new_run(Some("b"), after(2)) };
    made_and_ended(&store, of_schedule, ended(Status::Failed, ""), after(2)).await;
    assert_eq!((firing(&store, "all").await.len(), firing(&store, "s").await.len()), (2, 1));
    store.delete_schedule("s", after(3)).await.expect("deletes");
    store.delete_script("b", false, after(3)).await.expect("deletes");
    assert_eq!(firing(&store, "all").await, [("a".to_owned(), 1)]);
    keep(&store, version("a", "c"), after(4)).await.expect("keeps");
    let day = 24 * 3600;
    store.look_at_alerts(after(2 + day)).await.expect("looks");
    assert_eq!((firing(&store, "team").await, firing(&store, "s").await), (vec![], vec![]));
    assert_eq!(said(&store, "team").await, [(NoticeKind::Firing, 1)], "it has lost its label");
    assert_eq!(said(&store, "all").await.len(), 3, "a, b, and a again");
}

async fn a_block_makes_its_alerts_equal(store: Store) {
    let with = |conditions: &[&str]| NewVersion {
        alerts: conditions.iter().map(|condition| alert(about("a"), condition)).collect(),
        ..version("a", "a")
    };
    let all = async || {
        let found = store.alerts(AlertFilter { limit: 10, ..AlertFilter::default() }).await.expect("lists");
        found.into_iter().map(|alert| (alert.id.clone(), alert.revision)).collect::<Vec<_>>()
    };
    let ids = |all: &[(&str, i64)]| all.iter().map(|(id, revision)| ((*id).to_owned(), *revision)).collect::<Vec<_>>();
    keep(&store, with(&["failed", "stale 1h", "/a > 1"]), start()).await.expect("keeps");
    assert_eq!(all().await, ids(&[("a.a-above-1", 1), ("a.failed", 1), ("a.stale-1h", 1)]));
    fails(&store, "a", 1).await;
    keep(&store, with(&["/a-above > 1", "failed", "stale 1h"]), after(2)).await.expect("keeps");
    assert_eq!(all().await, ids(&[("a.a-above-above-1", 1), ("a.failed", 1), ("a.stale-1h", 1)]));
    assert_eq!(firing(&store, "a.failed").await, [("a".to_owned(), 1)], "it keeps its state");
    let other = NewVersion {
        alerts: vec![NewAlert { notify: Vec::new(), ..alert(about("a"), "failed") }],
        ..version("a", "a")
    };
    keep(&store, other, after(3)).await.expect("keeps");
    assert_eq!(all().await, ids(&[("a.failed", 2)]));
    assert_eq!(firing(&store, "a.failed").await, [("a".to_owned(), 1)]);
    let new = alert(about("a"), "missed");
    let refused = store.keep_alert(&named("a.failed"), new, &Precondition::None, None, after(4)).await.expect("asks");
    assert_eq!(refused, KeptAlert::OfBlock("a".into()));
    let refused = store.delete_alert("a.failed", &Precondition::None).await.expect("asks");
    assert_eq!(refused, KeptAlert::OfBlock("a".into()));
    watch(&store, "a.stale-1h", alert(about("b"), "failed")).await;
    keep(&store, with(&["failed", "stale 1h"]), after(5)).await.expect("keeps");
    assert_eq!(all().await, ids(&[("a.failed", 3), ("a.stale-1h", 1), ("a.stale-1h-2", 1)]));
    store.delete_script("a", false, after(6)).await.expect("deletes");
    assert_eq!(all().await, ids(&[("a.stale-1h", 1), ("a.stale-1h-2", 1)]), "it tells that the script is gone");
    assert_eq!(store.delete_alert("a.stale-1h-2", &Precondition::None).await.expect("deletes"), KeptAlert::Deleted);
}

async fn two_ends_at_once_fire_once(store: Store) {
    keep_scripts(&store, &["a"]).await;
    watch(&store, "w", alert(about("a"), "failed")).await;
    watch(&store, "many", alert(about("a"), "failed 20")).await;
    let mut held: Vec<(String, Claim)> = Vec::new();
    for _ in 0..20 {
        make(&store, new_run(Some("a"), start()), start()).await;
        let claim = by("n");
        held.push((store.claim(claim.clone(), 1, start()).await.expect("claims").remove(0).id, claim));
    }
    let records = held.into_iter().map(|(id, claim)| {
        let store = store.clone();
        tokio::spawn(async move { store.record(&id, &claim.token, ended(Status::Failed, ""), after(1)).await })
    });
    for record in records.collect::<Vec<_>>() {
        assert_eq!(record.await.expect("ends").expect("records"), Recorded::Done);
    }
    assert_eq!(said(&store, "w").await, [(NoticeKind::Firing, 1)]);
    assert_eq!(said(&store, "many").await, [(NoticeKind::Firing, 1)], "each was counted");
}
