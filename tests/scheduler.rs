//! The scheduler under a clock that is set by hand: what becomes of each fire time, row by row.

use crate::support::postgres::cluster;
use crate::support::scheduler::scheduler;
use crate::support::statements;
use chrono::{NaiveDate, TimeDelta, TimeZone, Utc};
use cronbox::clock::{Clock, Time};
use cronbox::limits::RequestedLimits;
use cronbox::plan::ScheduleStart;
use cronbox::precondition::Precondition;
use cronbox::publication::NewVersion;
use cronbox::run::{Cause, Claim, Ended, Recorded, Run, Status};
use cronbox::schedule::request::{self, ReadContext};
use cronbox::schedule::{KeptSchedule, Origin, Schedule, State, StoredTrigger};
use cronbox::scheduler::Scheduler;
use cronbox::script::{Facts, Name, Script, Settings};
use cronbox::signals::WorkerInbox;
use cronbox::store::queries::RunFilter;
use cronbox::store::{DatabaseUrl, Store};
use cronbox_runtime::report::ResultKind;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

mod alerts;

/// A schedule starts the version in force of its script, which was granted nothing.
fn start_of<'a>(schedule: &'a Schedule, script: &'a Script) -> ScheduleStart<'a> {
    static NONE: RequestedLimits = RequestedLimits { fuel: None, memory: None, timeout: None, output: None };
    ScheduleStart { schedule, script, version: &script.version, granted: &NONE }
}

/// Monday, noon.
fn noon() -> Time {
    Utc.with_ymd_and_hms(2026, 6, 1, 12, 0, 0).unwrap()
}

fn after(seconds: i64) -> Time {
    noon() + TimeDelta::seconds(seconds)
}

fn version(name: &str) -> NewVersion {
    let takes = Facts { signature: Some("(upstream=None)".into()), ..Facts::default() };
    NewVersion {
        name: name.into(),
        key: name.into(),
        sha256: name.into(),
        blob: format!("sources/{name}"),
        main: format!("{name}.py"),
        size: 1,
        table: Settings { labels: [("team".to_owned(), name.to_owned())].into(), ..Settings::default() },
        facts: takes,
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

/// A scheduler without anything that runs.
struct Rig {
    store: Store,
    clock: Clock,
    scheduler: Scheduler,
    _ears: WorkerInbox,
}

impl Rig {
    async fn new(place: &DatabaseUrl) -> Self {
        statements::record();
        let store = Store::open(place).await.expect("opens");
        for name in ["a", "b", "c"] {
            let blob = format!("sources/{name}");
            store.announce_blob(&blob, noon()).await.expect("announces");
            store.blob_written(&blob).await.expect("writes");
            store.keep_version(version(name), noon()).await.expect("keeps");
        }
        let clock = Clock::manual(noon());
        let (scheduler, inbox) = scheduler(&store, &clock);
        Rig { store, clock, scheduler, _ears: inbox }
    }

    async fn memory() -> Self {
        Self::new(&DatabaseUrl::Memory).await
    }

    async fn add(&self, id: &str, asked: Value) -> Schedule {
        let kept = self.keep(id, "a", asked).await;
        assert!(matches!(kept, KeptSchedule::Created | KeptSchedule::Changed), "{kept:?}");
        self.schedule(id).await
    }

    /// A schedule of a script.
    async fn keep(&self, id: &str, script: &str, asked: Value) -> KeptSchedule {
        let name = Name::parse(id).expect("a name");
        let existing = self.store.schedule(name.key()).await.expect("reads");
        let context = ReadContext {
            timezone: "UTC",
            now: self.clock.now(),
            origin: Origin::Request,
            existing: existing.as_ref(),
            jitter: 0.0,
        };
        let new = request::read(asked.as_object().expect("an object"), &name, script, &context).expect("a schedule");
        let expected = existing.map(|existing| existing.revision);
        self.store.keep_schedule(new, expected, self.clock.now()).await.expect("keeps")
    }

    async fn schedule(&self, id: &str) -> Schedule {
        self.store.schedule(id).await.expect("reads").expect("there")
    }

    /// Sets the clock, and lets the scheduler look until it has nothing to do.
    async fn at(&self, time: Time) {
        self.clock.set(time);
        for _ in 0..1000 {
            if self.scheduler.tick().await.expect("ticks") > Duration::ZERO {
                return;
            }
        }
        panic!("the scheduler does not come to rest");
    }

    async fn runs(&self, schedule: &str) -> Vec<Run> {
        let filter = RunFilter { schedule: Some(schedule.into()), ..RunFilter::default() };
        let mut runs = self.store.runs(filter, 100_000).await.expect("lists").runs;
        runs.sort_by_key(|run| run.fire_time);
        runs
    }

    /// Seconds after noon, status, reason.
    async fn rows(&self, schedule: &str) -> Vec<(i64, &'static str, String)> {
        let row = |run: Run| {
            let at = run.fire_time.map_or(-1, |at| (at - noon()).num_seconds());
            (at, run.status.as_str(), run.reason.unwrap_or_default())
        };
        self.runs(schedule).await.into_iter().map(row).collect()
    }

    /// Takes what may start, as a node does.
    async fn take(&self) -> Vec<(Run, String)> {
        let claim = Claim { node: "node".into(), token: uuid::Uuid::new_v4().to_string() };
        let runs = self.store.claim(claim.clone(), 16, self.clock.now()).await.expect("claims");
        runs.into_iter().map(|run| (run, claim.token.clone())).collect()
    }

    async fn end(&self, (run, token): &(Run, String), status: Status) {
        let ended = Ended {
            result_kind: ResultKind::Json,
            fuel: 1,
            memory: 1,
            wall: Duration::from_millis(1),
            lock: run.spec.gated.then(|| "a".to_owned()),
            ..Ended::of(run, status)
        };
        assert_ne!(self.store.record(&run.id, token, ended, self.clock.now()).await.expect("records"), Recorded::Late);
    }
}

fn expect(rows: &[(i64, &'static str, &str)]) -> Vec<(i64, &'static str, String)> {
    rows.iter().map(|(at, status, reason)| (*at, *status, (*reason).to_owned())).collect()
}

/// Fire times at 0, 10, 20 and 30 s; nobody looked before second 35.
#[tokio::test]
async fn what_an_outage_leaves() {
    let rig = Rig::memory().await;
    for (id, policies, rows) in [
        (
            "latest",
            json!({}),
            [
                (0, "skipped", "coalesced"),
                (10, "skipped", "coalesced"),
                (20, "skipped", "coalesced"),
                (30, "queued", ""),
            ],
        ),
        (
            "earliest",
            json!({"coalesce": "earliest"}),
            [
                (0, "queued", ""),
                (10, "skipped", "coalesced"),
                (20, "skipped", "coalesced"),
                (30, "skipped", "coalesced"),
            ],
        ),
        (
            "all",
            json!({"coalesce": false}),
            [(0, "queued", ""), (10, "queued", ""), (20, "queued", ""), (30, "queued", "")],
        ),
        (
            "grace",
            json!({"misfire_grace_time": 7}),
            [
                (0, "missed", "misfire_grace_time"),
                (10, "missed", "misfire_grace_time"),
                (20, "missed", "misfire_grace_time"),
                (30, "queued", ""),
            ],
        ),
        (
            "no-grace",
            json!({"misfire_grace_time": 1}),
            [
                (0, "missed", "misfire_grace_time"),
                (10, "missed", "misfire_grace_time"),
                (20, "missed", "misfire_grace_time"),
                (30, "missed", "misfire_grace_time"),
            ],
        ),
        (
            "all-in-grace",
            json!({"misfire_grace_time": "16s", "coalesce": "all"}),
            [
                (0, "missed", "misfire_grace_time"),
                (10, "missed", "misfire_grace_time"),
                (20, "queued", ""),
                (30, "queued", ""),
            ],
        ),
    ] {
        let mut asked = policies.as_object().expect("an object").clone();
        asked.insert("trigger".into(), "every 10s".into());
        rig.clock.set(noon());
        rig.add(id, Value::Object(asked)).await;
        rig.at(after(35)).await;
        assert_eq!(rig.rows(id).await, expect(&rows), "{id}");
        assert_eq!(rig.schedule(id).await.next_fire_at, Some(after(40)), "{id}");
    }
    // Skipped ones name the run that stood in for them.
    let runs = rig.runs("latest").await;
    assert!(runs[..3].iter().all(|run| run.stood_in.as_ref() == Some(&runs[3].id)));
    // All of them run one after another.
    rig.store.cancel(&rig.runs("latest").await[3].id, "x", after(35)).await.expect("cancels");
    let of = |taken: Vec<(Run, String)>, id: &str| {
        taken.into_iter().filter(|(run, _)| run.schedule.as_deref() == Some(id)).collect::<Vec<_>>()
    };
    let first = of(rig.take().await, "all");
    assert_eq!(first.iter().map(|(run, _)| run.fire_time).collect::<Vec<_>>(), [Some(noon())]);
    assert!(of(rig.take().await, "all").is_empty());
    rig.end(&first[0], Status::Failed).await;
    assert_eq!(of(rig.take().await, "all")[0].0.fire_time, Some(after(10)));
}

#[tokio::test]
async fn a_long_outage_leaves_a_row_for_all_that_are_older() {
    let rig = Rig::memory().await;
    rig.add("x", json!({"trigger": "every 10s", "catchup_limit": 2})).await;
    rig.at(after(10_005)).await;
    let runs = rig.runs("x").await;
    assert_eq!(
        rig.rows("x").await,
        expect(&[(0, "missed", "catchup_limit"), (9990, "skipped", "coalesced"), (10_000, "queued", "")])
    );
    assert_eq!(runs[0].fire_until, Some((after(9980), 999)));
    assert_eq!(runs[0].fire_local.as_deref(), Some("2026-06-01T12:00:00+00:00"));
}

#[tokio::test]
async fn what_happens_while_one_runs() {
    let rig = Rig::memory().await;
    for (overlap, rows) in [
        ("skip", vec![(0, "running", ""), (10, "skipped", "max_instances"), (20, "skipped", "max_instances")]),
        ("queue_one", vec![(0, "running", ""), (10, "queued", ""), (20, "skipped", "max_instances")]),
        ("queue_all", vec![(0, "running", ""), (10, "queued", ""), (20, "queued", "")]),
        ("allow", vec![(0, "running", ""), (10, "queued", ""), (20, "queued", "")]),
        ("cancel_running", vec![(0, "running", ""), (10, "queued", ""), (20, "queued", "")]),
    ] {
        let id = overlap.replace('_', "-");
        rig.clock.set(noon());
        rig.add(&id, json!({"trigger": "every 10s", "overlap": overlap})).await;
        rig.at(after(0)).await;
        let taken = rig.take().await;
        assert_eq!(taken.len(), 1, "{overlap}");
        rig.at(after(10)).await;
        rig.at(after(20)).await;
        let expected: Vec<_> = rows.iter().map(|(at, status, reason)| (*at, *status, (*reason).to_owned())).collect();
        if overlap == "cancel_running" {
            // The run at 10 s was itself replaced before it began.
            let rows = rig.rows(&id).await;
            assert_eq!(rows[1], (10, "cancelled", "cancelled_by_overlap".to_owned()), "{rows:?}");
            assert_eq!((rows[0].1, rows[2].1), ("running", "queued"));
            assert_eq!(rig.store.wanted_cancelled("node").await.expect("asks"), [taken[0].0.id.clone()]);
        } else {
            assert_eq!(rig.rows(&id).await, expected, "{overlap}");
        }
        let ready = rig.take().await;
        let at = |taken: &[(Run, String)]| {
            taken.iter().filter_map(|(run, _)| Some((run.fire_time? - noon()).num_seconds())).collect::<Vec<_>>()
        };
        let (now, then) = match overlap {
            "skip" => (vec![], vec![]),
            "queue_one" | "queue_all" => (vec![], vec![10]),
            "allow" => (vec![10, 20], vec![]),
            _ => (vec![], vec![20]),
        };
        assert_eq!(at(&ready), now, "{overlap}");
        rig.end(&taken[0], Status::Succeeded).await;
        let next = rig.take().await;
        assert_eq!(at(&next), then, "{overlap}: after the first has ended");
        for run in ready.iter().chain(&next) {
            rig.end(run, Status::Succeeded).await;
        }
        for run in rig.take().await {
            assert_eq!(overlap, "queue_all");
            rig.end(&run, Status::Succeeded).await;
        }
        rig.store.delete_schedule(&id, rig.clock.now()).await.expect("deletes");
    }
}

#[tokio::test]
async fn two_may_run_at_once() {
    let rig = Rig::memory().await;
    rig.add("x", json!({"trigger": "every 10s", "max_instances": 2})).await;
    for second in [0, 10, 20] {
        rig.at(after(second)).await;
    }
    assert_eq!(rig.rows("x").await, expect(&[(0, "queued", ""), (10, "queued", ""), (20, "skipped", "max_instances")]));
    let taken = rig.take().await;
    rig.end(&taken[1], Status::Failed).await;
    rig.at(after(30)).await;
    assert_eq!(rig.rows("x").await[3], (30, "queued", String::new()));
}

/// What another version stored, and this one cannot parse.
#[tokio::test]
async fn a_stored_trigger_that_cannot_be_parsed_pauses_its_schedule_alone() {
    let rig = Rig::memory().await;
    let context = ReadContext { timezone: "UTC", now: noon(), origin: Origin::Request, existing: None, jitter: 0.0 };
    let asked = json!({"trigger": "every 10s"});
    let name = Name::parse("strange").expect("a name");
    let mut new = request::read(asked.as_object().expect("an object"), &name, "a", &context).expect("a schedule");
    new.trigger = StoredTrigger::from_row(json!({"type": "sundial"}), noon());
    assert_eq!(rig.store.keep_schedule(new, None, noon()).await.expect("keeps"), KeptSchedule::Created);
    rig.add("x", asked).await;
    rig.at(after(10)).await;
    let strange = rig.schedule("strange").await;
    assert_eq!(strange.state, State::Paused);
    assert!(strange.reason.as_ref().is_some_and(|why| why.contains("sundial")), "{strange:?}");
    assert!(rig.rows("strange").await.is_empty());
    assert_eq!(rig.runs("x").await.last().and_then(|run| run.fire_time), Some(after(10)));
}

#[tokio::test]
async fn schedules_end() {
    let rig = Rig::memory().await;
    rig.add("twice", json!({"trigger": "every 10s max 2", "overlap": "allow"})).await;
    rig.add("until", json!({"trigger": "every 10s until 2026-06-01T12:00:15", "overlap": "allow"})).await;
    rig.add("once", json!({"trigger": "at 2026-06-01T12:00:05"})).await;
    rig.add("now", json!({})).await;
    for second in [0, 5, 10, 20, 30] {
        rig.at(after(second)).await;
    }
    assert_eq!(rig.rows("twice").await, expect(&[(0, "queued", ""), (10, "queued", "")]));
    assert_eq!(rig.rows("until").await, expect(&[(0, "queued", ""), (10, "queued", "")]));
    assert_eq!(rig.rows("once").await, expect(&[(5, "queued", "")]));
    assert_eq!(rig.rows("now").await, expect(&[(0, "queued", "")]));
    for id in ["twice", "until", "once", "now"] {
        let schedule = rig.schedule(id).await;
        assert_eq!((schedule.state, schedule.next_fire_at), (State::Finished, None), "{id}");
    }
    // Its id is free for another trigger; the same one stays finished.
    assert_eq!(rig.add("once", json!({"trigger": "at 2026-06-01T12:00:05"})).await.state, State::Finished);
    let again = rig.add("once", json!({"trigger": "every 1h"})).await;
    assert_eq!((again.state, again.next_fire_at), (State::Active, Some(after(30))));
}

#[tokio::test]
async fn pausing_leaves_no_rows_and_skips_what_waits() {
    let rig = Rig::memory().await;
    let trigger = json!({"trigger": "every 10s", "overlap": "allow"});
    rig.add("x", trigger.clone()).await;
    rig.at(after(0)).await;
    let paused = rig.store.pause_schedule("x", None, after(1)).await.expect("pauses").expect("there");
    assert_eq!(paused.skipped.len(), 1);
    rig.at(after(35)).await;
    assert_eq!(rig.rows("x").await, expect(&[(0, "skipped", "schedule_paused")]));
    // The same again changes nothing, whether it is paused or not.
    assert_eq!(rig.add("x", trigger).await.state, State::Paused);
    let schedule = rig.schedule("x").await;
    let next = request::first(&schedule.trigger.parsed().expect("reads"), after(35), 0.0).expect("computes");
    assert!(rig.store.resume_schedule("x", schedule.revision, after(35), next, after(35)).await.expect("resumes"));
    assert!(!rig.store.resume_schedule("x", schedule.revision, after(35), next, after(35)).await.expect("asks"));
    rig.at(after(40)).await;
    assert_eq!(rig.rows("x").await[1..], expect(&[(40, "queued", "")]));
    // From a time in the past: under its policies, and no fire time twice.
    let schedule = rig.schedule("x").await;
    let next = request::first(&schedule.trigger.parsed().expect("reads"), after(-1), 0.0).expect("computes");
    assert!(rig.store.resume_schedule("x", schedule.revision, after(-1), next, after(45)).await.expect("resumes"));
    rig.at(after(45)).await;
    assert_eq!(
        rig.rows("x").await,
        expect(&[
            (0, "skipped", "schedule_paused"),
            (10, "skipped", "coalesced"),
            (20, "skipped", "coalesced"),
            (30, "skipped", "coalesced"),
            (40, "queued", ""),
        ])
    );
}

#[tokio::test]
async fn the_whole_scheduler_is_paused() {
    let rig = Rig::memory().await;
    rig.add("x", json!({"trigger": "every 10s", "overlap": "allow"})).await;
    rig.store.pause_scheduler(rig.clock.now()).await.expect("pauses");
    rig.clock.set(after(25));
    assert!(rig.scheduler.tick().await.expect("ticks") > Duration::ZERO);
    assert!(rig.rows("x").await.is_empty());
    rig.store.resume_scheduler(after(25), rig.clock.now()).await.expect("resumes");
    rig.at(after(30)).await;
    assert_eq!(rig.rows("x").await, expect(&[(30, "queued", "")]));
}

#[tokio::test]
async fn failures_pause_a_schedule() {
    let rig = Rig::memory().await;
    rig.add("x", json!({"trigger": "every 10s", "pause_on_failure": 2})).await;
    for (second, status) in [(0, Status::Failed), (10, Status::Succeeded), (20, Status::Failed), (30, Status::TimedOut)]
    {
        rig.at(after(second)).await;
        let taken = rig.take().await;
        rig.end(&taken[0], status).await;
    }
    rig.at(after(40)).await;
    assert_eq!(rig.runs("x").await.len(), 4);
    let schedule = rig.schedule("x").await;
    assert_eq!(schedule.state, State::Paused);
    assert!(schedule.reason.expect("a reason").contains("2 runs in a row failed, the last one timed_out"));
}

#[tokio::test]
async fn a_changed_schedule_keeps_its_phase_or_begins_anew() {
    let rig = Rig::memory().await;
    rig.add("x", json!({"trigger": "every 10s", "overlap": "allow"})).await;
    rig.at(after(0)).await;
    rig.clock.set(after(5));
    let same = rig.add("x", json!({"trigger": "every 10s", "overlap": "allow", "title": "other"})).await;
    assert_eq!((same.next_fire_at, same.settings.title.as_deref()), (Some(after(10)), Some("other")));
    let other = rig.add("x", json!({"trigger": "every 20s", "overlap": "allow"})).await;
    assert_eq!(other.next_fire_at, Some(after(5)), "another interval begins when it is made");
    rig.at(after(26)).await;
    assert_eq!(rig.rows("x").await, expect(&[(0, "queued", ""), (5, "skipped", "coalesced"), (25, "queued", "")]));
}

/// A clock that jumps doubles nothing and leaves nothing out.
#[tokio::test]
async fn a_clock_that_jumps() {
    let rig = Rig::memory().await;
    rig.add("x", json!({"trigger": "every 10m", "overlap": "allow", "coalesce": false})).await;
    for minute in [0, 10, 70, 10, 20, 70, 80] {
        rig.at(after(minute * 60)).await;
    }
    let rows = rig.rows("x").await;
    let times: Vec<i64> = rows.iter().map(|row| row.0 / 60).collect();
    assert_eq!(times, (0..=8).map(|n| n * 10).collect::<Vec<_>>());
}

#[tokio::test]
async fn jitter_moves_the_start_and_not_the_fire_time() {
    let rig = Rig::memory().await;
    let schedule = rig.add("x", json!({"trigger": "every 60s jitter 30s", "overlap": "allow"})).await;
    assert_eq!((schedule.next_fire_at, schedule.next_due_at), (Some(after(0)), Some(after(0))));
    rig.at(after(0)).await;
    let next = rig.schedule("x").await;
    let due = next.next_due_at.expect("a time");
    assert_eq!(next.next_fire_at, Some(after(60)));
    assert!(due >= after(60) && due <= after(90), "{due}");
    rig.at(due - TimeDelta::microseconds(1)).await;
    assert_eq!(rig.runs("x").await.len(), 1);
    rig.at(due).await;
    let runs = rig.runs("x").await;
    assert_eq!((runs[1].fire_time, runs[1].run_at), (Some(after(60)), due));
}

#[tokio::test]
async fn backfilled_runs_wait_for_one_another() {
    let rig = Rig::memory().await;
    let schedule = rig.add("x", json!({"trigger": "0 * * * *", "overlap": "allow"})).await;
    let script = rig.store.script("a").await.expect("reads").expect("there");
    let args = cronbox::run::Value::Inline("{}".into());
    let like = rig
        .scheduler
        .rules
        .run_of_schedule(start_of(&schedule, &script), args, Cause::Backfill, noon())
        .expect("a run");
    let gate = cronbox::run::Gate { name: "backfill".into(), most: Some(2) };
    let runs = (1..=5).map(|hour| {
        let mut new = like.clone();
        new.id = cronbox::run::new_id(noon() + TimeDelta::microseconds(hour));
        new.fire_time = Some(noon() - TimeDelta::hours(hour));
        (new.backfill, new.gate) = (Some("backfill".into()), Some(gate.clone()));
        new.spec.gated = true;
        new
    });
    let runs: Vec<_> = runs.collect();
    rig.store.backfill(runs.clone(), 100, noon()).await.expect("makes");
    // Sent twice, it is there once.
    rig.store.backfill(runs, 100, noon()).await.expect("asks");
    assert_eq!(rig.runs("x").await.len(), 5);
    let done = rig.store.fire_times_done("x", noon() - TimeDelta::hours(3), noon()).await.expect("asks");
    assert_eq!(done.len(), 3);
    let mut order = Vec::new();
    loop {
        let taken = rig.take().await;
        if taken.is_empty() {
            break;
        }
        assert!(taken.len() <= 2);
        for run in taken {
            order.push((noon() - run.0.fire_time.expect("a time")).num_hours());
            rig.end(&run, Status::Succeeded).await;
        }
    }
    assert_eq!(order, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn chains_go_on_when_runs_end() {
    let rig = Rig::memory().await;
    rig.add("first", json!({"trigger": "every 10s", "overlap": "allow"})).await;
    for (id, script, trigger) in [
        ("good", "b", "after a"),
        ("bad", "b", "after a on failed"),
        ("both", "c", "after label team=a on any"),
        ("all", "c", "after *"),
    ] {
        let made = rig.keep(id, script, json!({"trigger": trigger, "overlap": "allow"})).await;
        assert_eq!(made, KeptSchedule::Created, "{id}");
        assert_eq!(rig.schedule(id).await.state, State::Active);
    }
    rig.at(after(0)).await;
    let first = rig.take().await;
    rig.end(&first[0], Status::Succeeded).await;
    rig.at(after(1)).await;
    for (id, count) in [("good", 1), ("bad", 0), ("both", 1), ("all", 1)] {
        let runs = rig.runs(id).await;
        assert_eq!(runs.len(), count, "{id}");
        assert!(runs.iter().all(|run| run.cause == Cause::Chain && run.upstream.as_ref() == Some(&first[0].0.id)));
    }
    let args = rig.runs("good").await[0].args.clone();
    assert_eq!(args, cronbox::run::Value::Inline(r#"{"upstream":null}"#.into()));
    // What comes after b hangs on it through * alone: c never starts itself.
    for run in rig.take().await {
        rig.end(&run, Status::Failed).await;
    }
    rig.at(after(2)).await;
    assert_eq!((rig.runs("all").await.len(), rig.runs("both").await.len()), (1, 1));
    rig.at(after(10)).await;
    let second = rig.take().await;
    rig.store.pause_schedule("good", None, after(10)).await.expect("pauses");
    rig.end(&second[0], Status::TimedOut).await;
    rig.at(after(11)).await;
    assert_eq!(rig.runs("bad").await.len(), 1);
    assert_eq!(rig.runs("good").await.len(), 1, "paused");
}

#[tokio::test]
async fn chains_make_no_circle() {
    let rig = Rig::memory().await;
    assert_eq!(rig.keep("ab", "b", json!({"trigger": "after a"})).await, KeptSchedule::Created);
    assert_eq!(rig.keep("bc", "c", json!({"trigger": "after b on any"})).await, KeptSchedule::Created);
    let circle = |names: &[&str]| KeptSchedule::Circle(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(rig.keep("ca", "a", json!({"trigger": "after c"})).await, circle(&["a", "b", "c", "a"]));
    assert!(rig.store.schedule("ca").await.expect("reads").is_none());
    assert_eq!(rig.keep("aa", "a", json!({"trigger": "after a"})).await, circle(&["a", "a"]));
    assert_eq!(rig.keep("any", "a", json!({"trigger": "after *"})).await, circle(&["a", "b", "a"]));
    assert_eq!(rig.keep("label", "a", json!({"trigger": "after label team=c"})).await, circle(&["a", "b", "c", "a"]));
    // A change that would close one changes nothing.
    assert_eq!(rig.keep("x", "a", json!({"trigger": "every 1h"})).await, KeptSchedule::Created);
    assert!(matches!(rig.keep("x", "a", json!({"trigger": "after b"})).await, KeptSchedule::Circle(_)));
    assert_eq!(rig.schedule("x").await.trigger.json()["type"], "interval");
}

/// Two requests that each close half of a circle.
#[tokio::test(flavor = "multi_thread")]
async fn two_halves_of_a_circle_do_not_meet() {
    let place = DatabaseUrl::Postgres(cluster().database());
    let (one, other) = (Rig::new(&place).await, Rig::new(&place).await);
    for round in 0..10 {
        let (x, y) = (format!("x{round}"), format!("y{round}"));
        let both = tokio::join!(
            one.keep(&x, "b", json!({"trigger": "after a"})),
            other.keep(&y, "a", json!({"trigger": "after b"})),
        );
        let made = [&both.0, &both.1].into_iter().filter(|kept| **kept == KeptSchedule::Created).count();
        assert_eq!(made, 1, "{both:?}");
        for id in [&x, &y] {
            one.store.delete_schedule(id, noon()).await.expect("deletes");
        }
    }
}

#[tokio::test]
async fn a_chain_is_only_so_long() {
    let rig = Rig::memory().await;
    rig.keep("ab", "b", json!({"trigger": "after a", "overlap": "allow"})).await;
    let schedule = rig.add("x", json!({"trigger": "every 1h"})).await;
    rig.at(after(0)).await;
    rig.take().await;
    let script = rig.store.script("a").await.expect("reads").expect("there");
    for (depth, expected) in [(49, "queued"), (50, "skipped")] {
        let args = cronbox::run::Value::Inline("{}".into());
        let rules = &rig.scheduler.rules;
        let made = rules.run_of_schedule(start_of(&schedule, &script), args, Cause::Api, noon());
        let mut new = made.expect("a run");
        new.id = cronbox::run::new_id(noon() + TimeDelta::microseconds(depth));
        new.spec.chain_depth = u32::try_from(depth).expect("small");
        (new.schedule, new.spec.pause_after) = (None, None);
        let id = new.id.clone();
        rig.store.make_run(new, None, None, 100, noon()).await.expect("makes");
        let taken = rig.take().await;
        let own = taken.iter().find(|(run, _)| run.id == id).expect("taken");
        rig.end(own, Status::Succeeded).await;
        rig.at(after(depth)).await;
        let runs = rig.runs("ab").await;
        let last = runs.iter().max_by_key(|run| &run.id).expect("a run");
        assert_eq!(last.status.as_str(), expected, "{depth}: {:?}", last.reason);
    }
}

/// One run, and after each run twelve others, and after each of those: what follows from one is bounded, in runs and in rows.
#[tokio::test]
async fn only_so_many_runs_follow_from_one() {
    let rig = Rig::memory().await;
    for n in 0..60 {
        for (script, after) in [("b", "a"), ("c", "b")] {
            let asked = json!({"trigger": format!("after {after}"), "overlap": "allow"});
            rig.keep(&format!("{script}{n}"), script, asked).await;
        }
    }
    rig.add("x", json!({"trigger": "every 1h"})).await;
    rig.at(after(0)).await;
    loop {
        let taken = rig.take().await;
        if taken.is_empty() {
            break;
        }
        for run in taken {
            rig.end(&run, Status::Succeeded).await;
        }
        rig.at(after(1)).await;
    }
    let runs =
        rig.store.runs(RunFilter { cause: Some(Cause::Chain), ..RunFilter::default() }, 10_000).await.expect("lists");
    let started = runs.runs.iter().filter(|run| run.status == Status::Succeeded).count();
    let skipped = runs.runs.iter().filter(|run| run.reason.as_deref() == Some("chain_limit")).count();
    // 60 of b, each followed by 60 of c: 3,660 are asked for.
    assert_eq!((started, skipped, runs.runs.len()), (1_000, 1_000, 2_000));
    // Another run is another cause; after a day nothing is known of the first.
    assert_eq!(rig.store.forget_causes(after(60)).await.expect("forgets"), 1);
    rig.at(after(3600)).await;
    let next = rig.take().await;
    rig.end(&next[0], Status::Succeeded).await;
    rig.at(after(3601)).await;
    assert_eq!(rig.take().await.len(), 16, "as many as are taken at once");
}

/// What a chain makes counts towards the bound of the queue.
#[tokio::test]
async fn a_chain_does_not_fill_the_queue() {
    let mut rig = Rig::memory().await;
    rig.scheduler.queue_bound = 3;
    for n in 0..5 {
        rig.keep(&format!("b{n}"), "b", json!({"trigger": "after a", "overlap": "allow"})).await;
    }
    rig.add("x", json!({"trigger": "every 1h"})).await;
    rig.at(after(0)).await;
    let first = rig.take().await;
    rig.end(&first[0], Status::Succeeded).await;
    rig.at(after(1)).await;
    let mut reasons = BTreeMap::new();
    for n in 0..5 {
        for run in rig.runs(&format!("b{n}")).await {
            *reasons.entry(run.reason.unwrap_or_default()).or_insert(0) += 1;
        }
    }
    assert_eq!(reasons, BTreeMap::from([(String::new(), 3), ("queue_full".to_owned(), 2)]));
}

/// A schedule whose runs take longer than its period leaves only so many that wait.
#[tokio::test]
async fn a_schedule_has_only_so_many_that_wait() {
    let rig = Rig::memory().await;
    rig.add("x", json!({"trigger": "every 1s", "overlap": "queue_all", "coalesce": "all", "catchup_limit": 10_000}))
        .await;
    rig.at(after(0)).await;
    assert_eq!(rig.take().await.len(), 1);
    rig.at(after(9_999)).await;
    assert_eq!(rig.store.queue_depth().await.expect("asks").held, 9_999);
    rig.at(after(10_002)).await;
    let rows = rig.rows("x").await;
    assert_eq!(rows.len(), 10_003);
    assert_eq!(rows[10_000], (10_000, "queued", String::new()));
    assert_eq!(rows[10_001..], expect(&[(10_001, "skipped", "queue_full"), (10_002, "skipped", "queue_full")]));
    // All that wait end at once when it is paused.
    let paused = rig.store.pause_schedule("x", None, after(10_003)).await.expect("pauses").expect("there");
    assert_eq!((paused.skipped.len(), rig.store.queue_depth().await.expect("asks").held), (10_000, 0));
}

/// A run that waits for its script's limit has passed its schedule's: others of the schedule do not pile up behind it.
#[tokio::test]
async fn what_waits_for_the_script_counts_as_one_of_the_schedule() {
    for (overlap, waiting) in [("skip", 1), ("queue_one", 2), ("queue_all", 4)] {
        let rig = Rig::memory().await;
        let limited = Settings { concurrency: Some(1), ..Settings::default() };
        rig.store.set_settings("a", limited, &Precondition::None, noon()).await.expect("sets");
        rig.add("long", json!({"trigger": "every 1h"})).await;
        rig.at(after(0)).await;
        let long = rig.take().await;
        assert_eq!(long.len(), 1);
        rig.clock.set(after(5));
        rig.add("x", json!({"trigger": "every 10s", "overlap": overlap})).await;
        rig.at(after(35)).await;
        for second in [15, 25, 35, 45] {
            rig.at(after(second.max(35))).await;
        }
        rig.at(after(45)).await;
        let rows = rig.rows("x").await;
        let queued = rows.iter().filter(|row| row.1 == "queued").count();
        assert!(queued <= waiting, "{overlap}: {rows:?}");
        // All go, one after another, whatever they waited for.
        let mut running = long;
        let mut done = 0;
        while let Some(run) = running.pop() {
            rig.end(&run, Status::Succeeded).await;
            running = rig.take().await;
            assert!(running.len() <= 1);
            done += 1;
        }
        assert_eq!(done, queued + 1, "{overlap}");
    }
}

/// Two schedulers of two nodes look at the same schedules at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn two_schedulers_fire_nothing_twice() {
    let place = DatabaseUrl::Postgres(cluster().database());
    let (one, other) = (Rig::new(&place).await, Rig::new(&place).await);
    for n in 0..20 {
        one.add(&format!("s{n}"), json!({"trigger": "every 10s", "overlap": "allow", "coalesce": n % 2 == 0})).await;
    }
    for second in [0, 5, 10, 50, 55, 60, 120] {
        tokio::join!(one.at(after(second)), other.at(after(second)));
    }
    for n in 0..20 {
        let rows = one.rows(&format!("s{n}")).await;
        let times: Vec<i64> = rows.iter().map(|row| row.0).collect();
        assert_eq!(times, (0..=12).map(|n| n * 10).collect::<Vec<_>>(), "s{n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_starts_and_stops_at_any_moment() {
    let rig = Rig::memory().await;
    rig.add("x", json!({"trigger": "every 1s", "overlap": "allow"})).await;
    for second in 0..50 {
        rig.clock.set(after(second));
        let stop = CancellationToken::new();
        let (scheduler, stopping) = (rig.scheduler.clone(), stop.clone());
        let running = tokio::spawn(async move { scheduler.run(stopping).await });
        rig.scheduler.signals.schedules.notify_one();
        if second % 3 == 0 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
        running.await.expect("ends");
    }
    rig.at(after(50)).await;
    let times: Vec<i64> = rig.rows("x").await.iter().map(|row| row.0).collect();
    assert_eq!(times, (0..=50).collect::<Vec<_>>());
}

/// A hundred schedules of every kind, a year: each fire time has its row, and there is no other.
#[tokio::test]
async fn a_year_of_a_hundred_schedules() {
    let rig = Rig::memory().await;
    let zones = ["Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "UTC"];
    let mut triggers: BTreeMap<String, String> = BTreeMap::new();
    for n in 0..100 {
        let zone = zones[n % zones.len()];
        let trigger = match n % 10 {
            0 if n == 0 => format!("15 */6 * * * @ {zone}"),
            0 => format!("30 2 * * {} @ {zone}", n / 10 % 7),
            1 => format!("fields: day=\"last fri\" hour=9 @ {zone}"),
            2 => format!("every 1 month at 08:{:02} @ {zone}", n % 60),
            3 => format!("0 12 L * * @ {zone}"),
            4 => format!("every {}h @ {zone}", 150 + n),
            5 => format!("fields: week={} day_of_week=mon hour=7 @ {zone}", 1 + n / 2),
            6 => format!("(0 9 1 * * or 0 18 15 * *) @ {zone}"),
            7 => format!("0 {} * * MON#{} @ {zone}", n % 24, 1 + n / 20 % 4),
            8 => format!("every 2 weeks at 03:30 @ {zone} except 2026-12-20..2027-01-05"),
            _ => format!("{} 4 29 2,3,6 * @ {zone}", n % 60),
        };
        let id = format!("s{n:03}");
        rig.add(&id, json!({"trigger": trigger, "overlap": "allow", "coalesce": false})).await;
        triggers.insert(id, trigger);
    }
    let end = Utc
        .from_utc_datetime(&NaiveDate::from_ymd_opt(2027, 6, 1).expect("a day").and_hms_opt(12, 0, 0).expect("a time"));
    while let Some(next) = rig.store.next_schedule().await.expect("asks") {
        if next > end {
            break;
        }
        rig.at(next).await;
    }
    let mut all = 0;
    for (id, text) in &triggers {
        let trigger = rig.schedule(id).await.trigger.parsed().expect("reads");
        let expected = trigger.fires_between(noon() - TimeDelta::microseconds(1), end, 100_000).expect("computes");
        let expected: Vec<Option<Time>> = expected.fires.iter().map(|fire| Some(fire.at)).collect();
        let runs = rig.runs(id).await;
        assert_eq!(runs.iter().map(|run| run.fire_time).collect::<Vec<_>>(), expected, "{id}: {text}");
        assert!(runs.iter().all(|run| run.status == Status::Queued && run.cause == Cause::Fire), "{id}");
        all += runs.len();
    }
    assert!(all > 3000, "{all}");
}
