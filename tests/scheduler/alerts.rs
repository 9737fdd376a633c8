//! Alerts about schedules on the two days of a year on which clocks change.

use super::Rig;
use chrono::{TimeDelta, TimeZone, Utc};
use cronbox::alert::{About, NewAlert};
use cronbox::clock::Time;
use cronbox::notice::{Notice, NoticeKind};
use cronbox::precondition::Precondition;
use cronbox::run::Status;
use cronbox::script::Name;
use serde_json::json;

fn utc(year: i32, month: u32, day: u32, hour: u32, minute: u32) -> Time {
    Utc.with_ymd_and_hms(year, month, day, hour, minute, 0).unwrap()
}

/// A schedule that fires at half past two in Berlin, with alerts on fire times that are late and missed.
async fn rig(from: Time) -> Rig {
    let rig = Rig::memory().await;
    rig.clock.set(from);
    rig.add("s", json!({"trigger": "30 2 * * *", "timezone": "Europe/Berlin", "misfire_grace_time": 60})).await;
    for (id, about, condition) in [("late", "s", "late 5m"), ("missed", "a", "missed")] {
        let named = Name::parse(about).expect("a name");
        let new = NewAlert {
            about: if id == "late" { About::Schedule(named) } else { About::Script(named) },
            condition: condition.parse().expect("a condition"),
            notify: vec!["ops".into()],
            repeat: None,
            recovered: true,
        };
        let id = Name::parse(id).expect("a name");
        rig.store.keep_alert(&id, new, &Precondition::None, None, from).await.expect("keeps");
    }
    rig
}

impl Rig {
    async fn look(&self, at: Time) {
        self.clock.set(at);
        self.store.look_at_alerts(at).await.expect("looks");
    }

    /// What an alert has said so far.
    async fn said(&self, id: &str) -> Vec<Notice> {
        self.store.said_by_alert(id).await.expect("reads")
    }

    async fn kinds(&self, id: &str) -> Vec<NoticeKind> {
        self.said(id).await.into_iter().map(|notice| notice.kind).collect()
    }
}

/// The fire time of the day is at `fire`; the clock shows the same once more at `again`, or would have shown it then.
async fn a_fire_time_is_late_and_missed_once(from: Time, fire: Time, again: Time) {
    use NoticeKind::{Firing, Ok};
    let rig = rig(from).await;
    let minutes = TimeDelta::minutes;
    rig.look(fire + minutes(5) - TimeDelta::seconds(1)).await;
    assert_eq!(rig.kinds("late").await, []);
    rig.look(fire + minutes(5)).await;
    assert_eq!(rig.kinds("late").await, [Firing], "nothing has fired it");
    let since = rig.said("late").await[0].alert.clone().expect("an alert").since;
    assert_eq!(since, (fire + minutes(5)).timestamp_millis());
    rig.at(fire + minutes(6)).await;
    rig.look(fire + minutes(6)).await;
    assert_eq!((rig.kinds("late").await, rig.kinds("missed").await), (vec![Firing, Ok], vec![Firing]));
    let run = rig.said("missed").await[0].run.clone().expect("a row");
    assert_eq!(
        (run.status.as_str(), run.fire_time, run.timezone.as_deref()),
        ("missed", Some(fire.timestamp_millis()), Some("Europe/Berlin"))
    );
    // The other half past two is no fire time.
    for later in [again, again + minutes(1), again + minutes(5), again + minutes(10)] {
        rig.at(later).await;
        rig.look(later).await;
    }
    assert_eq!((rig.kinds("late").await, rig.kinds("missed").await), (vec![Firing, Ok], vec![Firing]));
    assert_eq!(rig.runs("s").await.len(), 1);
}

#[tokio::test]
async fn a_fire_time_that_comes_twice_is_told_once() {
    // 02:30 is at 00:30 UTC and again at 01:30 UTC.
    let day = |hour, minute| utc(2026, 10, 25, hour, minute);
    a_fire_time_is_late_and_missed_once(utc(2026, 10, 24, 12, 0), day(0, 30), day(1, 30)).await;
}

#[tokio::test]
async fn a_fire_time_that_does_not_exist_is_told_at_the_end_of_the_gap() {
    // 02:30 does not exist: the clock goes from 02:00 to 03:00 at 01:00 UTC.
    let day = |hour, minute| utc(2027, 3, 28, hour, minute);
    a_fire_time_is_late_and_missed_once(utc(2027, 3, 27, 12, 0), day(1, 0), day(1, 30)).await;
}

#[tokio::test]
async fn the_day_after_a_change_is_in_time_again() {
    let rig = rig(utc(2026, 10, 24, 12, 0)).await;
    rig.at(utc(2026, 10, 25, 0, 40)).await;
    assert_eq!(rig.kinds("missed").await, [NoticeKind::Firing]);
    // Half past two of winter is an hour later in UTC.
    rig.look(utc(2026, 10, 26, 0, 40)).await;
    assert_eq!(rig.kinds("late").await, []);
    rig.at(utc(2026, 10, 26, 1, 30)).await;
    let taken = rig.take().await;
    rig.end(&taken[0], Status::Succeeded).await;
    rig.look(utc(2026, 10, 26, 1, 36)).await;
    assert_eq!(rig.kinds("missed").await, [NoticeKind::Firing, NoticeKind::Ok]);
    assert_eq!(rig.kinds("late").await, []);
}
