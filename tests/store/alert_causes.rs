//! Alerts of one cause: they know it, and a channel is told of them in one message.

use super::alerts::{about, alert, fire, firing, keep_scripts, named, succeeds, watch};
use super::deliveries::{keyring, rig, set};
use super::schedules::{keep_new, schedule};
use super::{DatabaseUrl, Store, TestFile, after, by, cluster, make, new_run, start};
use chrono::TimeDelta;
use cronbox::alert::{About, NewAlert};
use cronbox::channel::DeliveryState;
use cronbox::notice::{CauseKind, Notice, NoticeAlert, NoticeCause, NoticeKind};
use cronbox::run::{Claim, GivenUp, Status};
use cronbox::schedule::Verdict;
use cronbox::script::OnLost;
use cronbox::store::deliveries::DeliveryFilter;
use serde_json::{Value, json};

on_every_engine![
    runs_that_a_node_took_along_are_one_message,
    what_is_late_for_one_reason_is_one_message,
    later_ones_of_a_cause_wait_for_one_another,
    a_cause_is_told_under_the_rate_of_its_channel,
];

fn told(script: &str, cause: Option<NoticeCause>, at: i64) -> Notice {
    Notice {
        kind: NoticeKind::Firing,
        at: after(at).timestamp_millis(),
        alert: Some(NoticeAlert { id: format!("alert-{script}"), text: "failed".into(), since: 0 }),
        run: None,
        script: Some(script.into()),
        schedule: None,
        value: None,
        held_back: Vec::new(),
        cause,
        is_over: false,
    }
}

/// The type of a message, its cause, and what it counts.
fn shown(message: &Value) -> (&str, &Value, Vec<(&str, u64)>) {
    let data = &message["data"];
    let counts = data["held_back"].as_array().expect("a list").iter();
    let counts = counts.map(|one| (one["script"].as_str().expect("a name"), one["count"].as_u64().expect("a number")));
    (message["type"].as_str().expect("a type"), &data["cause"]["kind"], counts.collect())
}

async fn watched(store: &Store, scripts: &[&str], condition: &str) {
    keep_scripts(store, scripts).await;
    for script in scripts {
        watch(store, script, NewAlert { notify: vec!["ops".into()], ..alert(about(script), condition) }).await;
    }
}

async fn runs_that_a_node_took_along_are_one_message(store: Store) {
    let keyring = keyring();
    set(&store, &keyring, "ops").await;
    let rig = rig(&store, &keyring, "node", 20);
    watched(&store, &["a", "b", "c"], "failed").await;
    let mut lost = Vec::new();
    for (script, node) in [("a", "n1"), ("a", "n1"), ("b", "n1"), ("c", "n2"), ("b", "n1")] {
        let mut new = new_run(Some(script), start());
        new.spec.on_lost = OnLost::Abandon;
        let claim = by(node);
        let id = make(&store, new, start()).await;
        assert_eq!(store.claim(claim.clone(), 1, start()).await.expect("claims")[0].id, id);
        lost.push((id, claim, node));
    }
    let give_up = async |(id, claim, node): &(String, Claim, &str), at: i64| {
        let name = (*node == "n1").then(|| "worker-1".to_owned());
        let status = store.give_up(id, &claim.token, GivenUp::Lost(name), after(at)).await.expect("gives up");
        assert_eq!(status, Some(Status::Abandoned));
    };
    for one in &lost[..4] {
        give_up(one, 10).await;
    }
    assert_eq!((firing(&store, "a").await.len(), firing(&store, "b").await.len()), (1, 1));
    rig.clock.set(after(10));
    assert_eq!(rig.round().await, Some(after(15)), "others of the cause may come");
    give_up(&lost[4], 12).await;
    rig.clock.set(after(15));
    assert_eq!(rig.round().await, None);
    let arrived = || rig.arrived.lock().expect("sees").iter().map(|(_, body)| body.clone()).collect::<Vec<_>>();
    let messages = arrived();
    assert_eq!(messages.len(), 2, "{messages:#?}");
    let single = messages.iter().find(|one| one["type"] == "alert.firing").expect("of the other node");
    assert_eq!((&single["data"]["script"], &single["data"]["cause"]["id"]), (&json!("c"), &json!("n2")));
    let both = messages.iter().find(|one| one["type"] == "alert.summary").expect("of the first node");
    assert_eq!(shown(both), ("alert.summary", &json!("node_lost"), vec![("a", 1), ("b", 1)]));
    assert_eq!(both["data"]["text"], "2 alerts fire because the node worker-1 was lost.");
    // What is told together is as far as its message is, and the end is told together too.
    let filter = DeliveryFilter { alert: Some("a".into()), ..DeliveryFilter::default() };
    let delivery = store.deliveries(filter, 10).await.expect("lists").remove(0);
    assert_eq!((delivery.state, delivery.summary.is_some()), (DeliveryState::Sent, true));
    succeeds(&store, "a", 100).await;
    succeeds(&store, "b", 101).await;
    rig.clock.set(after(105));
    assert_eq!(rig.round().await, None);
    let over = arrived().pop().expect("a message");
    assert_eq!(over["data"]["text"], "2 alerts are over that fired because the node worker-1 was lost.");
    assert_eq!(arrived().len(), 3);
    // The next time is another cause.
    super::alerts::fails(&store, "a", 200).await;
    rig.clock.set(after(200));
    assert_eq!(rig.round().await, None);
    let last = arrived().pop().expect("a message");
    assert_eq!((&last["type"], &last["data"]["cause"]), (&json!("alert.firing"), &Value::Null));
}

async fn what_is_late_for_one_reason_is_one_message(store: Store) {
    let keyring = keyring();
    set(&store, &keyring, "ops").await;
    let rig = rig(&store, &keyring, "node", 20);
    keep_scripts(&store, &["a", "b"]).await;
    keep_new(&store, schedule("s", "a")).await;
    keep_new(&store, schedule("t", "b")).await;
    for (id, condition) in [("late", "late 5m"), ("missed", "missed")] {
        watch(&store, id, NewAlert { notify: vec!["ops".into()], ..alert(About::Everything, condition) }).await;
    }
    // Nothing has looked at the schedules; both are due at second 11.
    store.look_at_alerts(after(1)).await.expect("looks");
    store.look_at_alerts(after(311)).await.expect("looks");
    assert_eq!(firing(&store, "late").await.len(), 2);
    fire(&store, 0, 100_000, vec![(10, Verdict::Missed("misfire_grace_time"))], 313).await;
    rig.clock.set(after(316));
    assert_eq!(rig.round().await, None);
    let messages: Vec<Value> = rig.arrived.lock().expect("sees").iter().map(|(_, body)| body.clone()).collect();
    assert_eq!(messages.len(), 1, "{messages:#?}");
    assert_eq!(shown(&messages[0]), ("alert.summary", &json!("not_fired"), vec![("a", 2), ("b", 1)]));
    // A run that waits for its source.
    let new = NewAlert { notify: vec!["me".into()], ..alert(About::Script(named("a")), "late 5m") };
    watch(&store, "waits", new).await;
    fire(&store, 10, 200_000, vec![(400, Verdict::Start { due: after(400), wait: false })], 400).await;
    let claim = by("n1");
    let id = store.claim(claim.clone(), 1, after(401)).await.expect("claims").remove(0).id;
    let reason = format!("{}: no answer", cronbox::run::BLOBS_AWAY[0]);
    let why = GivenUp::Postponed { until: after(1_000), reason };
    store.give_up(&id, &claim.token, why, after(401)).await.expect("gives up");
    store.look_at_alerts(after(701)).await.expect("looks");
    let notice = store.said_by_alert("waits").await.expect("reads").remove(0);
    assert_eq!(notice.cause, Some(NoticeCause::new(CauseKind::BlobsAway)));
}

async fn later_ones_of_a_cause_wait_for_one_another(store: Store) {
    let keyring = keyring();
    set(&store, &keyring, "ops").await;
    let rig = rig(&store, &keyring, "node", 20);
    let cause = || Some(NoticeCause::of_node(CauseKind::NodeLost, "n", Some("worker")));
    let record = async |script: &str, cause, at: i64| {
        store.record_notice(vec!["ops".into()], told(script, cause, at), after(at)).await.expect("records");
    };
    let counted = || rig.arrived.lock().expect("sees").len();
    for script in ["a", "b", "a"] {
        record(script, cause(), 0).await;
    }
    record("other", None, 0).await;
    assert_eq!((rig.round().await, counted()), (Some(after(5)), 1), "what has no cause waits for nothing");
    rig.clock.set(after(5));
    assert_eq!((rig.round().await, counted()), (None, 2));
    record("c", cause(), 60).await;
    record("d", cause(), 300).await;
    rig.clock.set(after(300));
    assert_eq!((rig.round().await, counted()), (Some(after(605)), 2));
    rig.clock.set(after(605));
    assert_eq!((rig.round().await, counted()), (None, 3));
    let last = rig.arrived.lock().expect("sees").last().cloned().expect("a message").1;
    assert_eq!(shown(&last).2, [("c", 1), ("d", 1)]);
    // One alone is sent as it is, and says the cause.
    record("e", cause(), 5_000).await;
    rig.clock.set(after(5_005));
    assert_eq!((rig.round().await, counted()), (None, 4));
    let last = rig.arrived.lock().expect("sees").last().cloned().expect("a message").1;
    assert_eq!((&last["type"], &last["data"]["script"]), (&json!("alert.firing"), &json!("e")));
    assert_eq!(last["data"]["cause"], json!({"kind": "node_lost", "id": "n", "name": "worker"}));
    // A clock that is set back keeps nothing waiting for what it knows from then.
    let back = -365 * 24 * 3_600;
    record("f", cause(), back).await;
    rig.clock.set(after(back) + TimeDelta::seconds(5));
    assert_eq!((rig.round().await, counted()), (None, 5));
}

async fn a_cause_is_told_under_the_rate_of_its_channel(store: Store) {
    let keyring = keyring();
    set(&store, &keyring, "ops").await;
    let rig = rig(&store, &keyring, "node", 1);
    let node = |id: &str| Some(NoticeCause::of_node(CauseKind::NodeLost, id, None));
    store.record_notice(vec!["ops".into()], told("first", None, 0), start()).await.expect("records");
    rig.round().await;
    for n in 0..50 {
        let notice = told(&format!("s{}", n % 5), node(&format!("n{}", n % 2)), 1);
        store.record_notice(vec!["ops".into()], notice, after(1)).await.expect("records");
    }
    rig.clock.set(after(6));
    assert_eq!(rig.round().await, Some(after(3_600)));
    assert_eq!(rig.arrived.lock().expect("sees").len(), 1);
    let mut told = 0;
    for hour in 1..=2 {
        rig.clock.set(after(hour * 3_600 + 5));
        rig.round().await;
        let last = rig.arrived.lock().expect("sees").last().cloned().expect("a message").1;
        told += shown(&last).2.iter().map(|(_, count)| count).sum::<u64>();
    }
    assert_eq!((told, rig.arrived.lock().expect("sees").len()), (50, 3), "no count is lost");
}
