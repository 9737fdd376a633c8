//! Triggers that cost: previews and schedules whose fire times are hard to find end within their budget, off the threads that
//! answer, and delay only themselves.

use crate::support;
use crate::support::server::{Folder, Server};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use cronbox::clock::Time;
use cronbox::trigger::{Budget, Defaults, Trigger, TriggerError};
use cronbox::zone::Zones;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What one computation may take of a processor: the goal is 50 ms, optimised, and tests are not.
const LONGEST: Duration = Duration::from_millis(500);

/// Time that this thread has computed: on a machine that is shared the clock goes on meanwhile.
fn computed() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn time(text: &str) -> Time {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn defaults() -> Defaults {
    let zones = Zones::embedded();
    let timezone = zones.get("UTC").unwrap();
    Defaults { zones, timezone, now: time("2026-11-26T00:00:00Z") }
}

fn read(value: &Value) -> Result<Trigger, TriggerError> {
    Trigger::from_json(value, &defaults())
}

/// A Monday the 29th of February, at some time of the day.
fn rare(number: usize) -> Value {
    json!({"type": "cron", "month": 2, "day": 29, "day_of_week": "mon", "hour": number % 24, "minute": number * 7 % 60})
}

fn or(mut members: Vec<Value>) -> Value {
    if members.len() == 1 { members.remove(0) } else { json!({"type": "or", "triggers": members}) }
}

fn and(members: &[Value]) -> Value {
    json!({"type": "and", "triggers": members})
}

fn cron(line: &str) -> Value {
    json!({"type": "cron", "crontab": line})
}

/// Midnight, or one of so many rare times; and noon.
fn preview_bomb(rares: usize) -> Value {
    let midnight = std::iter::once(cron("0 0 * * *")).chain((0..rares).map(rare)).collect();
    and(&[or(midnight), cron("0 12 * * *")])
}

/// Days that agree only on a date far away, after every day until then was looked at.
fn far(days: u64, hour: usize) -> Value {
    let date = Utc::now().date_naive().checked_add_days(Days::new(days)).unwrap();
    let then = json!({"type": "date", "run_date": format!("{date}T00:00")});
    and(&[or(vec![cron(&format!("0 {hour} * * *")), then.clone()]), or(vec![cron("30 12 * * *"), then])])
}

fn mondays(count: usize) -> Vec<String> {
    let first = NaiveDate::from_ymd_opt(2026, 11, 30).unwrap();
    (0..count as u64).map(|week| first.checked_add_days(Days::new(week * 7)).unwrap().to_string()).collect()
}

/// Everything that is made to cost.
fn poison() -> Vec<(&'static str, Value)> {
    let excluding = |count| json!({"type": "cron", "crontab": "0 0 * * 1", "exclude": mondays(count)});
    let excluded = std::iter::once(cron("0 0 * * *")).chain((0..60).map(|_| excluding(16))).collect();
    let years: Vec<String> = (0..500).map(|year| (1_990 - year % 20).to_string()).collect();
    let listed = json!({"type": "cron", "year": years.join(","), "month": 2, "day": 29});
    let drifting = |days| json!({"type": "calendar_interval", "months": 1, "days": days, "start_date": "1970-01-31", "time": "09:00"});
    let zoned = |zone: &str, line: &str| json!({"type": "cron", "crontab": line, "timezone": zone, "dst": "both"});
    let nested = (0..7).fold(preview_bomb(10), |inner, hour| or(vec![inner, far(14_000, hour)]));
    let apart = json!({"type": "and", "threshold": "100m", "triggers": [cron("0 0 * * *"), cron("0 12 * * *")]});
    vec![
        ("bomb", preview_bomb(96)),
        ("bomb that never agrees", preview_bomb(60)),
        ("exclusions", and(&[or(excluded), cron("0 12 * * *")])),
        ("exclusions of one", excluding(1_000)),
        ("years", or((0..99).map(|_| listed.clone()).chain([cron("0 0 29 2 *")]).collect())),
        ("drifting", or((1..99).map(drifting).collect())),
        ("drifting together", and(&[drifting(1), drifting(2), drifting(3)])),
        ("far", far(14_600, 3)),
        ("seconds", and(&[json!({"type": "cron", "second": "*/2"}), json!({"type": "cron", "second": "1-59/2"})])),
        ("zones", and(&[zoned("Europe/Berlin", "30 2 * * *"), zoned("America/New_York", "30 2 * * *")])),
        ("nested", nested),
        ("apart", apart),
        (
            "all rare",
            or((0..100)
                .map(|number| json!({"type": "cron", "year": "9999", "week": 53, "day": 30 + number % 2}))
                .collect()),
        ),
    ]
}

#[test]
fn no_trigger_takes_longer_than_its_budget() {
    let now = time("2026-11-26T12:00:00Z");
    let mut slow = Vec::new();
    for (name, value) in poison() {
        let trigger = match read(&value) {
            Ok(trigger) => trigger,
            Err(error) => {
                assert!(!error.message.is_empty() && !error.too_costly, "{name}: {error}");
                continue;
            }
        };
        for (what, ask) in asks() {
            let began = computed();
            let answer = ask(&trigger, now);
            let took = computed() - began;
            if let Err(error) = answer {
                assert!(error.too_costly || what == "validate", "{name}, {what}: {error}");
            }
            if took > LONGEST {
                slow.push(format!("{name}, {what}: {took:?}"));
            }
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}

type Ask = fn(&Trigger, Time) -> Result<usize, TriggerError>;

/// Every way in which a trigger is asked.
fn asks() -> [(&'static str, Ask); 5] {
    [
        ("validate", |trigger, now| trigger.validate(now).map(|()| 0)),
        ("next", |trigger, now| trigger.next_after(now).map(|fire| usize::from(fire.is_some()))),
        ("preview", |trigger, now| trigger.preview(now, 1_000).map(|fires| fires.len())),
        ("between", |trigger, now| {
            trigger.fires_between(time("1970-01-01T00:00:00Z"), now, 1_000).map(|found| found.fires.len())
        }),
        ("newest", |trigger, now| {
            trigger.newest_between(time("1970-01-01T00:00:00Z"), now, 1_000).map(|found| found.fires.len())
        }),
    ]
}

/// What people mean in earnest is far from the bound, the rarest dates included.
#[test]
fn honest_triggers_are_within_a_tenth_of_the_budget() {
    let now = time("2026-11-26T12:00:00Z");
    let holidays: Vec<String> =
        (0..250).map(|n| format!("{}-{:02}-{:02}", 2027 + n / 10, n % 10 + 1, n % 25 + 1)).collect();
    let workdays = json!({"type": "cron", "crontab": "0 9 * * 1-5", "timezone": "Europe/Berlin", "exclude": holidays});
    for (text, next) in [
        (json!("fields: month=2 day=29 day_of_week=mon hour=0"), "2044-02-29T00:00:00+00:00"),
        (json!("0 0 29 2 * and 0 0 * * 1"), "2044-02-29T00:00:00+00:00"),
        (json!("fields: month=2 day=29 day_of_week=sun hour=0 from 2088-03-01"), "2128-02-29T00:00:00+00:00"),
        (json!("fields: day=last hour=18 and 0 18 * * 5"), "2027-04-30T18:00:00+00:00"),
        (json!("fields: week=53 day_of_week=sun hour=0"), "2027-01-03T00:00:00+00:00"),
        (json!("0 9 13 * * and 0 9 * * 5"), "2027-08-13T09:00:00+00:00"),
        (json!("every 1 month from 2024-01-31"), "2026-12-31T00:00:00+00:00"),
        (json!("every 1 month 1 day from 1990-01-01"), "2026-11-27T00:00:00+00:00"),
        (workdays, "2026-11-27T09:00:00+01:00"),
    ] {
        let trigger = read(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let budget = Budget::of(cronbox::trigger::WHOLE / 10);
        let asked = trigger.within(&budget);
        asked.validate(now).unwrap_or_else(|error| panic!("{text}: {error}"));
        let found = asked.next_after(now).unwrap().unwrap_or_else(|| panic!("{text} does not fire"));
        assert_eq!(found.rfc3339(), next, "{text}");
        assert!(trigger.preview(now, 100).is_ok(), "{text}");
    }
    assert_eq!(
        read(&preview_bomb(96)).unwrap().next_after(now).unwrap().unwrap().rfc3339(),
        "2044-02-29T12:00:00+00:00"
    );
}

#[test]
fn what_is_too_large_is_refused_with_a_sentence() {
    let item = |count: usize| vec!["1"; count].join(",");
    let excluding = |count: usize| json!({"type": "cron", "crontab": "0 0 * * 1", "exclude": mondays(count)});
    let deep = (0..70).fold(cron("0 0 * * *"), |inner, _| or(vec![inner, cron("0 1 * * *")]));
    for (value, field, why) in [
        (json!({"type": "cron", "minute": item(501)}), "minute", "at most 500 items"),
        (json!(format!("{} 0 * * *", item(501))), "crontab", "at most 500 items"),
        (excluding(1_001), "exclude[1000]", "at most 1000 dates"),
        (or(vec![excluding(600), excluding(600)]), "triggers[1].exclude[400]", "at most 1000 dates"),
        (
            json!(format!("0 0 * * * except {}", vec!["2026-01-01"; 1_001].join(","))),
            "exclude[1000]",
            "at most 1000 dates",
        ),
        (or(vec![cron("0 0 * * *"); 101]), "", "at most 100 triggers"),
        (json!({"type": "cron", "crontab": " ".repeat(300_000)}), "", "at most 262144 bytes"),
        (or(vec![cron("0 0 * * *"); 20_000]), "", "at most 262144 bytes"),
        (deep, "", "in one another"),
        (
            json!({"type": "and", "threshold": "1000000000w", "triggers": [cron("0 0 * * *"), cron("0 1 * * *")]}),
            "threshold",
            "at most 100 years",
        ),
    ] {
        let error = read(&value).expect_err(why);
        assert!(error.message.contains(why), "{error}");
        let at = error.field.as_deref().unwrap_or_default();
        assert!(at.ends_with(field), "{error} at {at}");
    }
    // What was taken before stays readable.
    assert!(Trigger::from_stored(&or(vec![excluding(600), excluding(600)]), &defaults()).is_ok());
}

/// Dates at both ends of what can be written, the largest of everything, and questions from before and after all time.
#[test]
fn no_extreme_panics() {
    let dates = [
        "1970-01-01",
        "1970-01-01T00:00",
        "9999-12-31",
        "9999-12-31T23:59:59.999999",
        "1970-01-01T00:00+23:59",
        "9999-12-31T23:59-23:59",
    ];
    let zones = ["UTC", "Etc/GMT+12", "Pacific/Kiritimati", "America/New_York", "Europe/Berlin", "Africa/Monrovia"];
    let cores = [
        cron("* * * * *"),
        cron("59 23 31 12 *"),
        json!({"type": "cron", "year": 9999, "second": "*"}),
        json!({"type": "cron", "day": "last", "hour": 2, "minute": 30}),
        json!({"type": "cron", "day": "5th sun", "week": 53}),
        json!({"type": "interval", "days": 36_525}),
        json!({"type": "interval", "seconds": 1}),
        json!({"type": "calendar_interval", "years": 36_525, "days": 36_525}),
        json!({"type": "calendar_interval", "months": 1}),
        json!({"type": "calendar_interval", "months": 1, "days": 1}),
        json!({"type": "calendar_interval", "weeks": 36_525, "time": "23:59:59.999999"}),
    ];
    let ends = [
        Time::MIN_UTC,
        time("1969-12-31T23:59:59Z"),
        time("9999-12-31T23:59:59Z"),
        time("9999-12-30T12:00:00Z"),
        Time::MAX_UTC,
    ];
    for core in &cores {
        for (date, zone) in dates.iter().flat_map(|date| zones.iter().map(move |zone| (date, zone))) {
            for bound in ["start_date", "end_date"] {
                let mut value = core.clone();
                value[bound] = json!(date);
                value["timezone"] = json!(zone);
                value["exclude"] = json!(["1970-01-01", "9999-12-31"]);
                let Ok(trigger) = read(&value) else { continue };
                let both = read(&or(vec![value.clone(), and(&[value.clone(), cron("0 0 1 1 *")])]));
                for trigger in std::iter::once(trigger).chain(both) {
                    for at in ends {
                        let budget = Budget::of(20_000);
                        let asked = trigger.within(&budget);
                        let _ = (asked.validate(at), asked.next_after(at), asked.preview(at, 3));
                        let _ = (asked.fires_between(at, Time::MAX_UTC, 3), asked.newest_between(Time::MIN_UTC, at, 3));
                        let _ = (trigger.to_string(), trigger.to_json());
                    }
                }
            }
        }
    }
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}

async fn schedule(server: &Server, id: &str, script: &str, trigger: &Value) -> (u16, Value) {
    let body = json!({"script": script, "trigger": trigger});
    server.json(server.request(Method::PUT, &format!("/v1/schedules/{id}")).json(&body)).await
}

/// Fire times of a schedule, the oldest first, with the reasons of those that did not start.
async fn rows(server: &Server, id: &str) -> Vec<(Time, Option<String>)> {
    let (status, page) = server.get(&format!("/v1/runs?schedule={id}&limit=500")).await;
    assert_eq!(status, 200, "{page}");
    let row = |run: &Value| (time(run["fire_time"].as_str().unwrap()), run["reason"].as_str().map(str::to_owned));
    let mut rows: Vec<_> = page["items"].as_array().unwrap().iter().map(row).collect();
    rows.sort();
    rows
}

/// Waits until a schedule has so many more fire times, and checks that it has every one of them.
async fn misses_none(server: &Server, id: &str, more: usize) {
    let before = rows(server, id).await.len();
    let deadline = Instant::now() + Duration::from_secs(60) + Duration::from_secs(2) * more as u32;
    let all = loop {
        let all = rows(server, id).await;
        if all.len() >= before + more {
            break all;
        }
        assert!(Instant::now() < deadline, "{all:?}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    for pair in all.windows(2) {
        assert_eq!(pair[1].0 - pair[0].0, TimeDelta::seconds(1), "{all:?}\n{}", server.log());
    }
    let lost: Vec<_> = all[before..].iter().filter(|(_, reason)| reason.as_deref() == Some("coalesced")).collect();
    assert!(lost.is_empty(), "{lost:?}\n{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn previews_that_cost_leave_the_server_answering() {
    let _alone = support::alone().await;
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    let asks: Vec<Value> =
        poison().into_iter().map(|(_, trigger)| json!({"trigger": trigger, "count": 1_000})).collect();
    let until = Instant::now() + Duration::from_secs(3);
    let attack = async |number: usize| {
        let mut answers = Vec::new();
        while Instant::now() < until {
            let ask = &asks[(number + answers.len()) % asks.len()];
            let began = Instant::now();
            let answer = server.post("/v1/triggers/preview", ask).await;
            answers.push((began.elapsed(), answer.0, answer.1["code"].as_str().unwrap_or_default().to_owned()));
        }
        answers
    };
    let watch = async {
        let mut waits = Vec::new();
        while Instant::now() < until {
            let began = Instant::now();
            assert_eq!(server.request(Method::GET, "/healthz").send().await.unwrap().status(), 200);
            waits.push(began.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        waits.sort();
        waits
    };
    let attacks = futures_util::future::join_all((0..12).map(attack));
    let (attacks, waits) = tokio::join!(attacks, watch);
    let worst = *waits.last().unwrap();
    assert!(waits[waits.len() * 9 / 10] < Duration::from_millis(100), "{waits:?}");
    assert!(worst < Duration::from_secs(1), "{worst:?}");
    let answers: Vec<_> = attacks.into_iter().flatten().collect();
    for (took, status, code) in &answers {
        let known = matches!(
            (*status, code.as_str()),
            (200, "") | (422, "trigger_too_costly" | "bad_trigger") | (429, "too_many_computations")
        );
        assert!(known && *took < Duration::from_secs(5), "{status} {code} after {took:?}");
    }
    assert!(answers.iter().any(|(_, status, _)| *status == 200), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_that_cost_delay_no_other() {
    let _alone = support::alone().await;
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    for script in ["quick", "mine"] {
        assert_eq!(server.put(script, "def run():\n    return 1\n").await.0, 201);
    }
    let every = json!({"type": "interval", "seconds": 1});
    assert_eq!(schedule(&server, "tick", "quick", &every).await.0, 201);
    // The scripts of the attack, and triggers that take nearly all of the budget at every fire time.
    for (number, trigger) in
        [far(14_600, 3), far(14_600, 4), preview_bomb(60), preview_bomb(88), far(118, 5)].iter().enumerate()
    {
        let made = schedule(&server, &format!("evil{number}"), "mine", &or(vec![every.clone(), trigger.clone()])).await;
        assert!(made.0 == 201 || code(&made) == (422, "trigger_too_costly"), "{made:?}");
    }
    for number in 0..20 {
        let made =
            schedule(&server, &format!("many{number}"), "mine", &or(vec![every.clone(), far(14_000, number % 12)]))
                .await;
        assert_eq!(made.0, 201, "{made:?}");
    }
    misses_none(&server, "tick", 10).await;
    // They fire too, each in its turn.
    for id in ["evil0", "many0", "many19"] {
        server.until(id, async || !rows(&server, id).await.is_empty()).await;
    }
}

/// A trigger that comes to take more than its budget after it was taken: its schedule is paused and says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_over_its_budget_is_paused_with_its_reason() {
    use crate::support::scheduler::scheduler;
    use cronbox::clock::Clock;
    use cronbox::schedule::request::{self, ReadContext};
    use cronbox::schedule::{Origin, State, StoredTrigger};
    use cronbox::script::{Name, Settings};
    use cronbox::store::{DatabaseUrl, Store};
    let start = time("2026-11-26T12:00:00Z");
    let store = Store::open(&DatabaseUrl::Memory).await.unwrap();
    let version = cronbox::publication::NewVersion {
        name: "a".into(),
        key: "a".into(),
        sha256: "a".into(),
        blob: "sources/a".into(),
        main: "a.py".into(),
        size: 1,
        table: Settings::default(),
        facts: cronbox::script::Facts::default(),
        functions: None,
        code: None,
        packages: None,
        settings: None,
        link: None,
        only_new: false,
        precondition: cronbox::precondition::Precondition::None,
        schedules: Vec::new(),
        alerts: Vec::new(),
    };
    crate::store::announce(&store, &version.blob, start).await;
    store.keep_version(version, start).await.unwrap();
    let clock = Clock::manual(start);
    let (scheduler, _ears) = scheduler(&store, &clock);
    let never = and(&[cron("0 0 * * *"), cron("30 12 * * *")]);
    for (id, trigger) in [
        ("evil", or(vec![json!({"type": "date", "run_date": "2026-11-26T12:00:01"}), never])),
        ("tick", cron("* * * * *")),
    ] {
        let context = ReadContext { timezone: "UTC", now: start, origin: Origin::Request, existing: None, jitter: 0.0 };
        let asked = json!({"trigger": "every 1s"});
        let name = Name::parse(id).unwrap();
        let mut new = request::read(asked.as_object().unwrap(), &name, "a", &context).unwrap();
        let trigger = read(&trigger).unwrap();
        let next = if id == "evil" { start + TimeDelta::seconds(1) } else { start + TimeDelta::seconds(60) };
        (new.trigger, new.next) = (StoredTrigger::of(trigger, start), Some((next, next)));
        store.keep_schedule(new, None, start).await.unwrap();
    }
    clock.set(start + TimeDelta::seconds(61));
    scheduler.tick().await.unwrap();
    let evil = store.schedule("evil").await.unwrap().unwrap();
    let reason = evil.reason.unwrap_or_default();
    assert_eq!(evil.state, State::Paused);
    assert!(reason.contains("cannot be computed") && reason.contains("too rarely or never"), "{reason}");
    let tick = store.schedule("tick").await.unwrap().unwrap();
    assert_eq!((tick.state, tick.next_fire_at), (State::Active, Some(start + TimeDelta::seconds(120))));
}
