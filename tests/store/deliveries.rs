//! Deliveries: recorded, claimed by one node, tried again, held back, given up. The time is a parameter, and the service at the
//! other end is a function.

use super::{DatabaseUrl, Store, TestFile, after, cluster, start};
use chrono::TimeDelta;
use cronbox::channel::{Channel, ChannelSpec, DeliveryState, Target};
use cronbox::clock::{Clock, Time};
use cronbox::deliverer::{Deliverer, DeliveryRules};
use cronbox::keyring::{KeySource, Keyring};
use cronbox::metrics::Metrics;
use cronbox::notice::{Notice, NoticeAlert, NoticeKind};
use cronbox::precondition::Precondition;
use cronbox::signals::Signals;
use cronbox::store::channels::KeptChannel;
use cronbox::store::deliveries::DeliveryFilter;
use cronbox::store::deliveries::claim::Claim;
use cronbox::store::deliveries::outcome::{Ended, Outcome};
use cronbox_runtime::network::{Ceiling, Networks};
use cronbox_runtime::outbound::{Outbound, OutboundAnswer, OutboundFailure, OutboundMessage};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

on_every_engine![
    channels_are_kept_sealed,
    a_delivery_is_claimed_by_one_node,
    a_message_is_tried_again_until_it_arrives,
    a_channel_that_wants_nothing_is_switched_off,
    a_flood_becomes_one_summary_and_loses_no_count,
    a_clock_that_is_set_back_holds_nothing_up,
    deliveries_are_found_and_go,
];

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

fn notice(script: &str) -> Notice {
    Notice {
        kind: NoticeKind::Firing,
        at: start().timestamp_millis(),
        alert: Some(NoticeAlert { id: format!("alert-{script}"), text: "failed".into(), since: 0 }),
        run: None,
        script: Some(script.into()),
        schedule: None,
        value: None,
        held_back: Vec::new(),
        cause: None,
        is_over: false,
    }
}

pub(super) type Answer = Result<OutboundAnswer, OutboundFailure>;
/// What arrived: the id of each message and its body.
pub(super) type Arrived = Arc<Mutex<Vec<(String, Value)>>>;

pub(super) struct Rig {
    deliverer: Arc<Deliverer>,
    pub(super) clock: Clock,
    pub(super) arrived: Arrived,
    answer: Arc<Mutex<Answer>>,
}

fn fine() -> Answer {
    Ok(OutboundAnswer { status: 204, ..OutboundAnswer::default() })
}

fn status(status: u16, retry_after: Option<&str>) -> Answer {
    Ok(OutboundAnswer { status, retry_after: retry_after.map(str::to_owned), ..OutboundAnswer::default() })
}

pub(super) fn rig(store: &Store, keyring: &Arc<Keyring>, node: &str, rate: u64) -> Rig {
    let (signals, ..) = Signals::new(0);
    let (clock, arrived, answer) = (Clock::manual(start()), Arrived::default(), Arc::new(Mutex::new(fine())));
    let (seen, says) = (arrived.clone(), answer.clone());
    let send = move |outbound: Outbound| {
        let OutboundMessage::Http(http) = outbound.message else { panic!("HTTP") };
        let id = http.headers.iter().find(|(name, _)| name == "webhook-id").expect("an id").1.clone();
        let answer = says.lock().expect("says").clone();
        if answer.as_ref().is_ok_and(|answer| answer.status == 204) {
            seen.lock().expect("sees").push((id, serde_json::from_str(&http.body).expect("JSON")));
        }
        Box::pin(async move { answer }) as futures_util::future::BoxFuture<'static, Answer>
    };
    let deliverer = Arc::new(Deliverer {
        store: store.clone(),
        keyring: keyring.clone(),
        clock: clock.clone(),
        signals,
        metrics: Arc::new(Metrics::default()),
        node: node.into(),
        rules: DeliveryRules {
            rate,
            public_url: None,
            ceiling: Ceiling::parse(["*"]).expect("reads"),
            networks: Networks::default(),
        },
        send: Box::new(send),
        under_way: Mutex::default(),
    });
    Rig { deliverer, clock, arrived, answer }
}

impl Rig {
    fn arrived(&self) -> usize {
        self.arrived.lock().expect("sees").len()
    }

    pub(super) async fn round(&self) -> Option<Time> {
        self.deliverer.round().await.expect("delivers")
    }
}

pub(super) fn keyring() -> Arc<Keyring> {
    Arc::new(Keyring::new(KeySource::Memory))
}

pub(super) async fn set(store: &Store, keyring: &Keyring, name: &str) -> Channel {
    let spec: ChannelSpec =
        serde_json::from_value(json!({"type": "webhook", "url": "https://a.example/secret-path", "secret": KEY}))
            .expect("a channel");
    let view = Target::parse(&spec).expect("a target").view();
    let mut channel = Channel {
        name: name.into(),
        sealed_view: serde_json::to_string(&view).expect("JSON"),
        view,
        key: String::new(),
        sealed: String::new(),
        off_reason: None,
        revision: 0,
        created_at: start(),
        updated_at: start(),
        created_by: Some("t".into()),
    };
    keyring.seal_channel(&mut channel, &spec, &[]).expect("seals");
    match store.keep_channel(channel, &Precondition::None, start()).await.expect("keeps") {
        KeptChannel::Kept(channel, _) => *channel,
        KeptChannel::Other(tag) => panic!("{tag:?}"),
    }
}

async fn channels_are_kept_sealed(store: Store) {
    let keyring = keyring();
    let first = set(&store, &keyring, "ops").await;
    assert_eq!((first.revision, store.channel("ops").await.expect("reads")), (1, Some(first.clone())));
    assert!(!first.sealed.contains("secret-path") && !first.sealed_view.contains("secret-path"));
    let keys = keyring.keys().expect("keys");
    assert_eq!(keys.open_channel(&first).expect("opens").kind(), "webhook");
    let elsewhere = Channel { sealed_view: first.sealed_view.replace("a.example", "b.example"), ..first.clone() };
    assert!(keys.open_channel(&elsewhere).is_err(), "what is shown is sealed with it");
    let second = set(&store, &keyring, "ops").await;
    assert_eq!(second.revision, 2);
    let taken = store.keep_channel(first.clone(), &Precondition::Absent, after(1)).await.expect("asks");
    assert_eq!(taken, KeptChannel::Other(Some(second.tag())));
    // Sealed with another key, unless it was set meanwhile.
    let other = Channel { key: "other".into(), sealed: "sealed again".into(), ..second.clone() };
    let resealed = vec![(second.clone(), other.clone()), (first.clone(), first.clone())];
    assert_eq!(store.reseal_channels(resealed).await.expect("seals"), 1);
    assert_eq!(store.channel("ops").await.expect("reads"), Some(other));
    set(&store, &keyring, "dev").await;
    let names: Vec<String> = store.channels().await.expect("lists").into_iter().map(|channel| channel.name).collect();
    assert_eq!(names, ["dev", "ops"]);
    let stale = Precondition::Tagged(vec![first.tag()]);
    assert_eq!(store.delete_channel("ops", &stale).await.expect("asks"), Err(Some(second.tag())));
    assert_eq!(store.delete_channel("ops", &Precondition::None).await.expect("deletes"), Ok(()));
    assert_eq!(store.channel("ops").await.expect("reads"), None);
}

async fn a_delivery_is_claimed_by_one_node(store: Store) {
    let keyring = keyring();
    set(&store, &keyring, "ops").await;
    let mut ids = Vec::new();
    for n in 0..40 {
        ids.extend(store.record_notice(vec!["ops".into()], notice(&format!("s{n}")), start()).await.expect("records"));
    }
    let rigs: Vec<Rig> = (0..3).map(|n| rig(&store, &keyring, &format!("node-{n}"), 1_000)).collect();
    let rounds = rigs.iter().map(Rig::round);
    futures_util::future::join_all(rounds).await;
    let mut arrived: Vec<String> = Vec::new();
    for rig in &rigs {
        arrived.extend(rig.arrived.lock().expect("sees").iter().map(|(id, _)| id.clone()));
    }
    arrived.sort();
    ids.sort();
    assert_eq!(arrived, ids, "each once");
    // One that was claimed by a node that died is another's after the lease, and the dead one's word is not taken.
    store.record_notice(vec!["ops".into()], notice("late"), start()).await.expect("records");
    let claim = Claim {
        node: "dead".into(),
        token: "t".into(),
        rate: 1_000,
        lease: Duration::from_secs(60),
        busy: Vec::new(),
        most: 100,
    };
    let claims = store.claim_deliveries(claim.clone(), start()).await.expect("claims");
    let id = claims.claimed[0].delivery.id.clone();
    assert_eq!((claims.claimed.len(), claims.next_at), (1, Some(after(60))));
    assert!(store.claim_deliveries(claim.clone(), after(59)).await.expect("claims").claimed.is_empty());
    let again = store.claim_deliveries(Claim { token: "u".into(), ..claim.clone() }, after(60)).await.expect("claims");
    assert_eq!((again.claimed[0].delivery.id.as_str(), again.claimed[0].delivery.attempts), (id.as_str(), 2));
    let ended = |token: &str, outcome| Ended {
        id: id.clone(),
        token: token.into(),
        outcome,
        status: None,
        answer: String::new(),
    };
    assert_eq!(store.end_delivery(ended("t", Outcome::Sent), after(61)).await.expect("records"), None);
    // Where one program alone uses the database, what its last one had is taken back when it starts.
    assert_eq!(store.release_deliveries(after(61)).await.expect("takes back"), 1);
    let back = store.claim_deliveries(Claim { token: "u".into(), ..claim }, after(61)).await.expect("claims");
    assert_eq!((back.claimed[0].delivery.id.as_str(), back.claimed[0].delivery.attempts), (id.as_str(), 3));
    assert_eq!(store.end_delivery(ended("u", Outcome::Sent), after(61)).await.expect("records"), Some("sent"));
}

async fn a_message_is_tried_again_until_it_arrives(store: Store) {
    let keyring = keyring();
    set(&store, &keyring, "ops").await;
    let rig = rig(&store, &keyring, "node", 20);
    let ids = store.record_notice(vec!["ops".into(), "gone".into()], notice("price"), start()).await.expect("records");
    *rig.answer.lock().expect("says") = Err(OutboundFailure { denied: false, text: "no server listens there".into() });
    let next = rig.round().await.expect("another attempt");
    let delivery = store.delivery(&ids[0]).await.expect("reads").expect("is there");
    assert_eq!((delivery.state, delivery.attempts, delivery.status), (DeliveryState::Waiting, 1, None));
    assert_eq!(delivery.answer.as_deref(), Some("no server listens there"));
    assert!(next >= after(5) && next < after(6), "{next}");
    // A channel that is not there says so, and the feed tells of it.
    let gone = store.delivery(&ids[1]).await.expect("reads").expect("is there");
    assert_eq!((gone.state, gone.answer.as_deref()), (DeliveryState::Dead, Some("there is no channel gone")));
    // On PostgreSQL the feed shows an event when no transaction that began before it is open, in any database of the server.
    let events = crate::support::wait::until("the feed tells", async || {
        let beginning = store.oldest_event().await.map_err(|error| error.to_string())?;
        let events = store.events(beginning).await.map_err(|error| error.to_string())?.unwrap_or_default();
        if events.is_empty() { Err("nothing".to_owned()) } else { Ok(events) }
    })
    .await;
    let told: Vec<_> =
        events.iter().map(|event| (&*event.type_name, event.name.as_deref(), event.reason.as_deref())).collect();
    assert_eq!(told, [("delivery_dead", Some("price"), Some("gone: there is no channel gone"))]);
    // A wait that is asked for is kept.
    *rig.answer.lock().expect("says") = status(429, Some("600"));
    rig.clock.set(after(6));
    assert_eq!(rig.round().await, Some(after(606)));
    rig.clock.set(after(605));
    assert_eq!(rig.round().await, Some(after(606)));
    let delivery = store.delivery(&ids[0]).await.expect("reads").expect("is there");
    assert_eq!((delivery.attempts, delivery.status), (2, Some(429)));
    // After 72 hours it is given up; it can be sent again, with the same id.
    *rig.answer.lock().expect("says") = status(500, None);
    let mut attempts = 0;
    while let Some(next) = rig.round().await {
        rig.clock.set(next);
        attempts += 1;
        assert!(attempts < 50);
    }
    let delivery = store.delivery(&ids[0]).await.expect("reads").expect("is there");
    assert_eq!((delivery.state, delivery.status), (DeliveryState::Dead, Some(500)));
    assert!(rig.clock.now() > start() + TimeDelta::hours(60) && rig.clock.now() <= start() + TimeDelta::hours(72));
    assert!((10..30).contains(&delivery.attempts), "{}", delivery.attempts);
    *rig.answer.lock().expect("says") = fine();
    assert!(store.redeliver(&ids[0], rig.clock.now()).await.expect("records"));
    assert!(!store.redeliver("none", rig.clock.now()).await.expect("records"));
    assert_eq!(rig.round().await, None);
    assert_eq!(rig.arrived.lock().expect("sees")[0].0, ids[0]);
    assert_eq!(store.outbox().await.expect("reads").waiting, 0);
}

async fn a_channel_that_wants_nothing_is_switched_off(store: Store) {
    let keyring = keyring();
    set(&store, &keyring, "ops").await;
    let rig = rig(&store, &keyring, "node", 20);
    *rig.answer.lock().expect("says") = status(410, None);
    let ids = store.record_notice(vec!["ops".into()], notice("price"), start()).await.expect("records");
    assert_eq!(rig.round().await, None);
    let channel = store.channel("ops").await.expect("reads").expect("is there");
    assert_eq!(channel.off_reason.as_deref(), Some("it answered that it wants nothing any more (410 Gone:)"));
    let later = store.record_notice(vec!["ops".into()], notice("price"), start()).await.expect("records");
    assert_eq!(rig.round().await, None);
    let states = async |id: &str| {
        let delivery = store.delivery(id).await.expect("reads").expect("is there");
        (delivery.state, delivery.attempts, delivery.answer.unwrap_or_default())
    };
    assert_eq!(states(&ids[0]).await, (DeliveryState::Dead, 1, "410 Gone:".into()));
    let (state, attempts, answer) = states(&later[0]).await;
    assert_eq!((state, attempts), (DeliveryState::Dead, 0));
    assert!(answer.starts_with("the channel ops is off: it answered"), "{answer}");
    // Set again, it is on.
    set(&store, &keyring, "ops").await;
    *rig.answer.lock().expect("says") = fine();
    store.redeliver(&later[0], start()).await.expect("records");
    rig.round().await;
    assert_eq!((rig.arrived(), states(&later[0]).await.0), (1, DeliveryState::Sent));
}

async fn a_flood_becomes_one_summary_and_loses_no_count(store: Store) {
    const FLOOD: u64 = 10_000;
    let keyring = keyring();
    set(&store, &keyring, "ops").await;
    set(&store, &keyring, "dev").await;
    let rig = rig(&store, &keyring, "node", 20);
    let mut counts: HashMap<String, u64> = HashMap::new();
    let scripts: Vec<String> = (0..FLOOD).map(|n| format!("s{}", n % 7)).collect();
    for together in scripts.chunks(200) {
        let recorded = together.iter().map(|script| store.record_notice(vec!["ops".into()], notice(script), start()));
        futures_util::future::try_join_all(recorded).await.expect("records");
    }
    for script in scripts {
        *counts.entry(script).or_default() += 1;
    }
    store.record_notice(vec!["dev".into()], notice("quiet"), start()).await.expect("records");
    let hour = after(3_600);
    assert_eq!(rig.round().await, Some(hour));
    let bodies = || rig.arrived.lock().expect("sees").iter().map(|(_, body)| body.clone()).collect::<Vec<_>>();
    assert_eq!(bodies().len(), 20 + 1, "another channel has its own rate");
    // More while nothing can be sent.
    rig.clock.set(after(1_800));
    store.record_notice(vec!["ops".into()], notice("s0"), after(1_800)).await.expect("records");
    *counts.entry("s0".into()).or_default() += 1;
    assert_eq!(rig.round().await, Some(hour));
    assert_eq!(bodies().len(), 21);
    rig.clock.set(hour);
    assert_eq!(rig.round().await, None);
    let bodies = bodies();
    assert_eq!(bodies.len(), 22, "one summary");
    let mut told: HashMap<String, u64> = HashMap::new();
    let is_of_ops = |body: &&Value| body["data"]["script"] != "quiet";
    for body in bodies.iter().filter(is_of_ops) {
        match body["type"].as_str() {
            Some("alert.summary") => {
                for held in body["data"]["held_back"].as_array().expect("a list") {
                    let script = held["script"].as_str().expect("a name").to_owned();
                    *told.entry(script).or_default() += held["count"].as_u64().expect("a count");
                }
            }
            _ => *told.entry(body["data"]["script"].as_str().expect("a name").to_owned()).or_default() += 1,
        }
    }
    assert_eq!(told, counts);
    let held =
        store.deliveries(DeliveryFilter { channel: Some("ops".into()), ..DeliveryFilter::default() }, 20_000).await;
    let held = held.expect("lists");
    let summary = held.iter().find(|delivery| delivery.kind == "summary").expect("a summary");
    let of_summary = held.iter().filter(|delivery| delivery.summary.as_ref() == Some(&summary.id)).count();
    assert_eq!(of_summary, usize::try_from(FLOOD).expect("small") - 20 + 1);
    assert!(held.iter().all(|delivery| delivery.state == DeliveryState::Sent));
    // A single one that was held back is sent as it is.
    rig.clock.set(after(3_601));
    for n in 0..20 {
        store.record_notice(vec!["ops".into()], notice(&format!("t{n}")), after(3_601)).await.expect("records");
    }
    let next = rig.round().await.expect("one is held back");
    rig.clock.set(next);
    assert_eq!(rig.round().await, None);
    let last = rig.arrived.lock().expect("sees").last().cloned().expect("a message").1;
    assert_eq!((rig.arrived(), last["type"].as_str()), (42, Some("alert.firing")));
}

async fn a_clock_that_is_set_back_holds_nothing_up(store: Store) {
    let keyring = keyring();
    set(&store, &keyring, "ops").await;
    let rig = rig(&store, &keyring, "node", 1);
    let year = TimeDelta::days(365);
    rig.clock.set(start() + year);
    *rig.answer.lock().expect("says") = status(500, None);
    store.record_notice(vec!["ops".into()], notice("price"), start() + year).await.expect("records");
    rig.round().await;
    // What was written in a year that is not yet there is due at once, and counts for no rate.
    *rig.answer.lock().expect("says") = fine();
    rig.clock.set(start());
    rig.round().await;
    assert_eq!(rig.arrived(), 1);
}

async fn deliveries_are_found_and_go(store: Store) {
    let keyring = keyring();
    set(&store, &keyring, "ops").await;
    let rig = rig(&store, &keyring, "node", 20);
    for script in ["a", "b"] {
        store.record_notice(vec!["ops".into(), "none".into()], notice(script), start()).await.expect("records");
    }
    rig.round().await;
    let count = async |filter: DeliveryFilter| store.deliveries(filter, 10).await.expect("lists").len();
    let all = DeliveryFilter::default();
    assert_eq!(count(all.clone()).await, 4);
    assert_eq!(count(DeliveryFilter { channel: Some("ops".into()), ..all.clone() }).await, 2);
    assert_eq!(count(DeliveryFilter { state: Some(DeliveryState::Dead), ..all.clone() }).await, 2);
    let one = DeliveryFilter { script: Some("a".into()), state: Some(DeliveryState::Sent), ..all.clone() };
    assert_eq!(count(one).await, 1);
    assert_eq!(count(DeliveryFilter { alert: Some("alert-b".into()), ..all.clone() }).await, 2);
    let newest = store.deliveries(all.clone(), 1).await.expect("lists").remove(0);
    assert_eq!(count(DeliveryFilter { before: Some(newest.id), ..all }).await, 3);
    assert_eq!(store.forget_deliveries(start()).await.expect("forgets"), 0);
    assert_eq!(store.forget_deliveries(after(1)).await.expect("forgets"), 4);
}
