//! Every condition through every state, under times that are set by hand: it fires, says so again, is muted, is over; and the
//! program is started anew in between.

use super::alerts::{about, alert, firing, keep_scripts, named, said, watch};
use super::schedules::{keep_new, schedule};
use super::{DatabaseUrl, Store, TestFile, after, by, cluster, ended, made_and_ended, make, new_run};
use cronbox::alert::NewAlert;
use cronbox::clock::Clock;
use cronbox::notice::NoticeKind;
use cronbox::run::{Cause, Ended, NewRun, Status};
use cronbox::schedule::{Decision, Overlap, Row, Verdict};
use cronbox::store::fire::Fire;
use cronbox::watcher::Watcher;
use std::time::Duration;

/// Far enough from one step to the next that `stale 26h` is over, or true again, between them.
const STEP: i64 = 100_000;
const HOUR: i64 = 3_600;

/// What makes a condition true, and what makes it false.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Runs end in this way, so many of them; one that succeeds ends it.
    Ends(Status, u32),
    /// Runs return this; this ends it. `N` is another number each time; what ends it is then what was there before.
    Returns(&'static str, &'static str),
    /// A run uses ten times of what is usual.
    Costs,
    /// A fire time has a row and no run.
    Unstarted(Status),
    /// A run waits, or runs, for so long; its end ends it.
    Lasts(Lasting, i64),
    /// Nothing succeeds.
    Stale,
}

#[derive(Clone, Copy, Debug)]
enum Lasting {
    Queued,
    Running,
    Late,
}

const CONDITIONS: &[(&str, Way)] = &[
    ("failed", Way::Ends(Status::Failed, 1)),
    ("failed 3", Way::Ends(Status::Crashed, 3)),
    ("failed timed_out", Way::Ends(Status::TimedOut, 1)),
    ("failed out_of_fuel", Way::Ends(Status::OutOfFuel, 1)),
    ("failed out_of_memory", Way::Ends(Status::OutOfMemory, 1)),
    ("failed crashed", Way::Ends(Status::Crashed, 1)),
    ("failed abandoned", Way::Ends(Status::Abandoned, 1)),
    ("missed", Way::Unstarted(Status::Missed)),
    ("skipped", Way::Unstarted(Status::Skipped)),
    ("late 5m", Way::Lasts(Lasting::Late, 300)),
    ("running 10m", Way::Lasts(Lasting::Running, 600)),
    ("queued 1m", Way::Lasts(Lasting::Queued, 60)),
    ("stale 26h", Way::Stale),
    ("/p > 100", Way::Returns(r#"{"p": 100.5}"#, r#"{"p": 100}"#)),
    ("/p < 1", Way::Returns(r#"{"p": 0}"#, r#"{"p": 1}"#)),
    ("/p = 5", Way::Returns(r#"{"p": 5}"#, r#"{"p": 6}"#)),
    ("/p != 5", Way::Returns(r#"{"p": 6}"#, r#"{"p": 5}"#)),
    ("/p changed", Way::Returns(r#"{"p": N}"#, r#"{"p": N}"#)),
    ("/p changed 5%", Way::Returns(r#"{"p": N}"#, r#"{"p": N}"#)),
    ("/p outside 10..20", Way::Returns(r#"{"p": 20.1}"#, r#"{"p": 10}"#)),
    ("/p missing", Way::Returns("{}", r#"{"p": 0}"#)),
    ("/p outlier 5", Way::Returns(r#"{"p": 99}"#, r#"{"p": 10}"#)),
    ("fuel 3x", Way::Costs),
    ("memory 3x", Way::Costs),
    ("duration 3x", Way::Costs),
];

/// One alert on a database, which can be opened anew.
struct Rig {
    place: DatabaseUrl,
    store: Store,
    way: Way,
    /// The number of the last result.
    number: i64,
    /// The fire time up to which the schedule was looked at.
    cursor: i64,
    /// The run that waits, or runs, with the token of its attempt.
    open: Option<(String, Option<String>)>,
    said: usize,
}

impl Rig {
    async fn new(place: DatabaseUrl, condition: &str, way: Way) -> Self {
        let store = Store::open(&place).await.expect("opens");
        keep_scripts(&store, &["a"]).await;
        keep_new(&store, schedule("s", "a")).await;
        let new = NewAlert {
            notify: vec!["ops".into()],
            repeat: Some(Duration::from_hours(1)),
            ..alert(about("a"), condition)
        };
        watch(&store, "w", new).await;
        // So that nothing is due but what a step makes.
        let mut rig = Rig { place, store, way, number: 1, cursor: 0, open: None, said: 0 };
        rig.fire(Vec::new(), 1, 1).await;
        for second in 1..=9 {
            rig.end(ended(Status::Succeeded, r#"{"p": 10}"#), second).await;
        }
        rig.look(10).await;
        if let Way::Returns(_, over) = way {
            let over = over.replace('N', "1");
            rig.end(ended(Status::Succeeded, &over), 11).await;
            rig.end(ended(Status::Succeeded, &over), 12).await;
        }
        rig.said = said(&rig.store, "w").await.len();
        rig
    }

    async fn look(&self, at: i64) {
        for _ in 0..3 {
            self.store.look_at_alerts(after(at)).await.expect("looks");
        }
    }

    /// The program ends, and is started again.
    async fn restart(&mut self) {
        self.store.close().await;
        self.store = Store::open(&self.place).await.expect("opens");
    }

    async fn mute(&self, until: i64, now: i64) {
        self.store.mute_alert("w", Some(after(until)), after(now)).await.expect("mutes").expect("is there");
    }

    async fn end(&self, ended: Ended, at: i64) {
        made_and_ended(&self.store, new_run(Some("a"), after(at)), ended, after(at)).await;
    }

    /// Writes down fire times of the schedule, whose next one is far away then.
    async fn fire(&mut self, rows: Vec<Row>, decided: i64, now: i64) {
        let far = after(1_000 * STEP);
        let decision = Decision {
            key: "s".into(),
            revision: 1,
            cursor: after(self.cursor),
            rows,
            decided: after(decided),
            next: Some((far, far)),
            max_runs: None,
            hangs_on: false,
        };
        let like = NewRun { schedule: Some("s".into()), cause: Cause::Fire, ..new_run(Some("a"), after(now)) };
        let fire = Fire { decision, like, overlap: (Overlap::Allow, 1) };
        assert_eq!(self.store.fire(vec![fire], after(now)).await.expect("fires").stale, 0);
        self.cursor = decided;
    }

    async fn row(&mut self, verdict: Verdict, second: i64, now: i64) {
        let row = Row { fire_time: after(second), local: String::new(), verdict };
        self.fire(vec![row], second, now).await;
    }

    /// The condition becomes true, or what makes it true happens again.
    async fn happens(&mut self, at: i64) {
        match self.way {
            Way::Ends(status, times) => {
                for earlier in (0..i64::from(times)).rev() {
                    self.end(ended(status, ""), at - earlier).await;
                }
            }
            Way::Returns(result, _) => {
                self.number *= 2;
                let result = result.replace('N', &self.number.to_string());
                self.end(ended(Status::Succeeded, &result), at).await;
            }
            Way::Costs => {
                let usual = ended(Status::Succeeded, "1");
                let costly = Ended { fuel: usual.fuel * 10, memory: usual.memory * 10, wall: usual.wall * 10, ..usual };
                self.end(costly, at).await;
            }
            Way::Unstarted(Status::Missed) => self.row(Verdict::Missed("misfire_grace_time"), at, at).await,
            Way::Unstarted(_) => self.row(Verdict::Coalesced(after(at)), at, at).await,
            Way::Lasts(lasting, span) if self.open.is_none() => {
                let began = at - span;
                let id = match lasting {
                    Lasting::Late => {
                        self.row(Verdict::Start { due: after(began), wait: false }, began, began).await;
                        None
                    }
                    _ => Some(make(&self.store, new_run(Some("a"), after(began)), after(began)).await),
                };
                let claim = by("n");
                self.open = Some(match lasting {
                    Lasting::Running => {
                        self.store.claim(claim.clone(), 1, after(began)).await.expect("claims");
                        (id.expect("was made"), Some(claim.token))
                    }
                    _ => (id.unwrap_or_default(), None),
                });
            }
            Way::Lasts(..) | Way::Stale => {}
        }
        self.look(at).await;
    }

    /// The condition is no longer true.
    async fn is_over(&mut self, at: i64) {
        match self.way {
            Way::Returns(_, over) => {
                let over = over.replace('N', &self.number.to_string());
                self.end(ended(Status::Succeeded, &over), at).await;
            }
            Way::Lasts(..) => {
                let (mut id, token) = self.open.take().expect("is open");
                let claim = by("n");
                let token = match token {
                    Some(token) => token,
                    None => {
                        id = self.store.claim(claim.clone(), 1, after(at)).await.expect("claims").remove(0).id;
                        claim.token
                    }
                };
                self.store.record(&id, &token, ended(Status::Succeeded, "1"), after(at)).await.expect("records");
            }
            _ => self.end(ended(Status::Succeeded, "1"), at).await,
        }
        self.look(at).await;
    }

    /// What was said since this was last asked, and whether the alert fires.
    async fn told(&mut self) -> (Vec<NoticeKind>, bool) {
        let all = said(&self.store, "w").await;
        let new = all[self.said..].iter().map(|(kind, _)| *kind).collect();
        self.said = all.len();
        (new, !firing(&self.store, "w").await.is_empty())
    }
}

async fn goes_through_every_state(place: DatabaseUrl, condition: &str, way: Way) {
    use NoticeKind::{Firing, Ok, Repeated};
    let mut rig = Rig::new(place, condition, way).await;
    macro_rules! expect {
        ($what:literal, $said:expr, $fires:literal) => {
            assert_eq!(rig.told().await, ($said.to_vec(), $fires), "{condition}: {}", $what);
        };
    }
    const NOTHING: [NoticeKind; 0] = [];
    let at = |step: i64, second: i64| step * STEP + second;

    rig.happens(at(1, 0)).await;
    expect!("it becomes true", [Firing], true);
    rig.happens(at(1, 100)).await;
    expect!("it is true once more", NOTHING, true);
    rig.restart().await;
    rig.look(at(1, HOUR - 1)).await;
    expect!("before the time of repeat", NOTHING, true);
    rig.look(at(1, HOUR)).await;
    expect!("after the time of repeat", [Repeated], true);

    rig.mute(at(3, 0), at(1, HOUR + 100)).await;
    rig.look(at(2, 0)).await;
    expect!("it is muted", NOTHING, true);
    rig.happens(at(2, 100)).await;
    expect!("it is true once more, and muted", NOTHING, true);
    rig.restart().await;
    rig.look(at(3, 0)).await;
    expect!("the mute is over", [Repeated], true);
    rig.is_over(at(3, 100)).await;
    expect!("it is over", [Ok], false);

    rig.happens(at(4, 0)).await;
    expect!("it becomes true again", [Firing], true);
    rig.mute(at(4, 1_000), at(4, 10)).await;
    rig.restart().await;
    rig.is_over(at(4, 100)).await;
    expect!("it is over while it is muted", NOTHING, false);
    rig.look(at(4, 1_000)).await;
    expect!("that mute is over", NOTHING, false);

    rig.mute(at(6, 0), at(4, 2_000)).await;
    rig.happens(at(5, 1_000)).await;
    expect!("it becomes true while it is muted", NOTHING, true);
    rig.look(at(6, 0)).await;
    expect!("it still is when the mute is over", [Firing], true);
    rig.restart().await;
    rig.is_over(at(6, 100)).await;
    expect!("it is over at last", [Ok], false);
    rig.look(at(6, 200)).await;
    expect!("and stays so", NOTHING, false);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    for (condition, way) in CONDITIONS {
        let file = TestFile::new();
        goes_through_every_state(file.place(), condition, *way).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    for (condition, way) in CONDITIONS {
        goes_through_every_state(DatabaseUrl::Postgres(cluster().database()), condition, *way).await;
    }
}

/// What was to be looked at, and said again, at a time that is far away now.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_keeps_no_alert_silent() {
    let store = Store::open(&DatabaseUrl::Memory).await.expect("opens");
    keep_scripts(&store, &["a", "b"]).await;
    let of = |script: &str| NewAlert {
        notify: vec!["ops".into()],
        repeat: Some(Duration::from_hours(1)),
        ..alert(about(script), "failed")
    };
    watch(&store, "failed", of("a")).await;
    watch(&store, "running", NewAlert { condition: "running 10m".parse().expect("a condition"), ..of("b") }).await;
    let year = 365 * 24 * HOUR;
    let clock = Clock::manual(after(year));
    let watcher = Watcher { store: store.clone(), clock: clock.clone() };
    let mut last = watcher.follow_clock(None).await.expect("looks");
    watcher.look().await.expect("looks");
    made_and_ended(&store, new_run(Some("a"), after(year)), ended(Status::Failed, ""), after(year)).await;
    assert_eq!(said(&store, "failed").await, [(NoticeKind::Firing, year)]);
    // A year back: what runs now runs too long in ten minutes.
    let id = make(&store, new_run(Some("b"), after(0)), after(0)).await;
    let claim = by("n");
    store.claim(claim.clone(), 1, after(0)).await.expect("claims");
    for second in [0, 1, 600, 610] {
        clock.set(after(second));
        last = watcher.follow_clock(Some(last)).await.expect("looks");
        watcher.look().await.expect("looks");
    }
    assert_eq!(said(&store, "running").await, [(NoticeKind::Firing, 600)]);
    assert_eq!(said(&store, "failed").await.len(), 1, "nothing is repeated early");
    clock.set(after(2 * HOUR));
    watcher.look().await.expect("looks");
    // Messages are in the order of their times, and the first one was of a year ahead.
    let failed = said(&store, "failed").await;
    assert_eq!(failed, [(NoticeKind::Repeated, 2 * HOUR), (NoticeKind::Firing, year)], "and not a year late");
    // Where no node ran meanwhile, the next start finds it.
    store.look_at_alerts(after(10 * year)).await.expect("looks");
    assert!(store.next_alert_look().await.expect("asks") > Some(after(9 * year)));
    clock.set(after(2 * HOUR + 1));
    let year_ahead = after(2 * HOUR + 1 + year);
    store.look_again(after(20 * year), year_ahead).await.expect("looks");
    assert_ne!(store.next_alert_look().await.expect("asks"), Some(year_ahead), "nothing is so far ahead");
    watcher.follow_clock(None).await.expect("looks");
    assert_eq!(store.next_alert_look().await.expect("asks"), Some(after(2 * HOUR + 1)));
    store.record(&id, &claim.token, ended(Status::Succeeded, "1"), after(2 * HOUR + 2)).await.expect("records");
    clock.set(after(2 * HOUR + 3));
    watcher.look().await.expect("looks");
    assert!(firing(&store, "running").await.is_empty());
}

/// It says only that a failure is over, and does so whatever happened in between.
#[tokio::test(flavor = "multi_thread")]
async fn recovered_says_one_thing() {
    let file = TestFile::new();
    let store = Store::open(&file.place()).await.expect("opens");
    keep_scripts(&store, &["a"]).await;
    watch(&store, "w", NewAlert { notify: vec!["ops".into()], ..alert(about("a"), "recovered") }).await;
    let end = async |store: &Store, status, at| {
        made_and_ended(store, new_run(Some("a"), after(at)), ended(status, "1"), after(at)).await
    };
    end(&store, Status::Succeeded, 1).await;
    end(&store, Status::Failed, 2).await;
    store.look_at_alerts(after(3 * 24 * HOUR)).await.expect("looks");
    assert_eq!(said(&store, "w").await, []);
    store.close().await;
    let store = Store::open(&file.place()).await.expect("opens");
    end(&store, Status::TimedOut, 3 * 24 * HOUR).await;
    end(&store, Status::Succeeded, 4 * 24 * HOUR).await;
    end(&store, Status::Succeeded, 5 * 24 * HOUR).await;
    assert_eq!(said(&store, "w").await, [(NoticeKind::Ok, 4 * 24 * HOUR)]);
    let since = store.said_by_alert("w").await.expect("reads")[0].alert.clone().expect("an alert").since;
    assert_eq!(since, after(2).timestamp_millis());
    // Muted, it says nothing, and does not say it later.
    end(&store, Status::Failed, 6 * 24 * HOUR).await;
    let until = after(7 * 24 * HOUR);
    store.mute_alert(named("w").key(), Some(until), after(6 * 24 * HOUR)).await.expect("mutes");
    end(&store, Status::Succeeded, 6 * 24 * HOUR + 1).await;
    store.look_at_alerts(until).await.expect("looks");
    assert_eq!(said(&store, "w").await.len(), 1);
}
