//! Calls to monitors, with a sender that is told what to answer.

use super::{Beat, Calls, Heartbeat, Pinger, Well};
use crate::address::Address;
use crate::clock::{Clock, Time, from_micros};
use crate::deliverer::DeliveryRules;
use crate::metrics::Metrics;
use crate::ping::{Ping, Told};
use crate::precondition::Precondition;
use crate::publication::NewVersion;
use crate::script::{Facts, Settings};
use crate::signals::Signals;
use crate::store::grants::{GrantedHosts, NewGrants};
use crate::store::{DatabaseUrl, Store};
use crate::supervise::Supervisor;
use cronbox_runtime::network::{Ceiling, Networks};
use cronbox_runtime::outbound::{Outbound, OutboundAnswer, OutboundFailure, OutboundMessage};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What a monitor does with a call.
#[derive(Clone, Copy)]
enum Does {
    Answers(u16),
    Redirects,
    /// It never answers.
    Hangs,
    /// Its address is refused here.
    Denied,
    /// Nobody is there.
    Away,
}

#[derive(Default)]
struct Monitors {
    calls: Mutex<Vec<String>>,
    called: Notify,
}

impl Monitors {
    /// The calls so far: method, host, path and body.
    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn wait_for(&self, count: usize) -> Vec<String> {
        let enough = async {
            loop {
                let called = self.called.notified();
                if self.calls().len() >= count {
                    return;
                }
                called.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), enough).await.unwrap_or_else(|_| panic!("{:?}", self.calls()));
        self.calls()
    }
}

/// Calls to monitors each of which does the same with every call.
fn calls(does: impl Fn(&str) -> Does + Send + Sync + 'static) -> (Calls, Arc<Monitors>) {
    let monitors = Arc::new(Monitors::default());
    let seen = monitors.clone();
    let send: crate::deliverer::Sender = Box::new(move |outbound: Outbound| {
        let OutboundMessage::Http(message) = &outbound.message else { panic!("no request") };
        let call = format!("{} {}{} {}", message.method, outbound.host, message.target, message.body);
        seen.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call.trim().to_owned());
        seen.called.notify_one();
        let does = does(&outbound.host);
        Box::pin(async move {
            match does {
                Does::Answers(status) => Ok(OutboundAnswer { status, ..OutboundAnswer::default() }),
                Does::Redirects => Ok(OutboundAnswer {
                    status: 302,
                    location: Some("https://b.example/key".into()),
                    ..OutboundAnswer::default()
                }),
                Does::Hangs => std::future::pending().await,
                Does::Denied => Err(OutboundFailure { denied: true, text: "refused".into() }),
                Does::Away => Err(OutboundFailure::new("no server listens there")),
            }
        })
    });
    let rules = DeliveryRules {
        rate: 20,
        public_url: None,
        ceiling: Ceiling::parse(["*"]).expect("reads"),
        networks: Networks::default(),
    };
    let pauses = [Duration::from_millis(1); 2];
    (Calls { clock: Clock::manual(from_micros(1_800_000_000_000_000)), rules, send: Arc::new(send), pauses }, monitors)
}

/// Keeps a script, which grants are made to.
async fn published(store: &Store, name: &str, now: Time) {
    let new = NewVersion {
        name: name.into(),
        key: name.into(),
        sha256: "a".into(),
        blob: "sources/a".into(),
        main: "s.py".into(),
        size: 1,
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
    };
    store.announce_blob(&new.blob, now).await.expect("announces");
    store.blob_written(&new.blob).await.expect("writes");
    store.keep_version(new, now).await.expect("keeps");
}

fn counted(metrics: &Metrics, line: &str) -> bool {
    metrics.prometheus().lines().any(|counted| counted == line)
}

#[tokio::test]
async fn a_call_is_made_three_times_at_most_and_only_where_that_can_help() {
    for (does, tries, why) in [
        (Does::Answers(200), 1, None),
        (Does::Answers(204), 1, None),
        (Does::Answers(404), 1, Some("it answered 404")),
        (Does::Answers(410), 1, Some("it answered 410")),
        (Does::Answers(429), 3, Some("it answered 429")),
        (Does::Answers(500), 3, Some("it answered 500")),
        (
            Does::Redirects,
            1,
            Some("a redirect to https://b.example, which is not followed: set the URL that it leads to"),
        ),
        (Does::Away, 3, Some("no server listens there")),
        (Does::Denied, 1, Some("refused")),
    ] {
        let (calls, monitors) = calls(move |_| does);
        let address = Address::parse("https://a.example/key").expect("reads");
        let told = calls.call(&address, "GET", "").await;
        assert_eq!(told.err().as_deref(), why);
        assert_eq!(monitors.calls(), vec!["GET a.example/key"; tries], "{why:?}");
    }
}

#[tokio::test]
async fn monitors_are_told_in_order_and_one_that_never_answers_keeps_no_other() {
    let (calls, monitors) = calls(|host| if host == "slow.example" { Does::Hangs } else { Does::Answers(200) });
    let (signals, ..) = Signals::new(0);
    let metrics = Arc::new(Metrics::default());
    let store = Store::open(&DatabaseUrl::Memory).await.expect("opens");
    let granted = ["slow.example:443", "a.example:443"].map(|host| host.parse().expect("a pattern")).to_vec();
    let hosts = GrantedHosts { hosts: granted, unverified: Vec::new() };
    let now = calls.clock.now();
    published(&store, "s", now).await;
    store.grant("s", NewGrants { hosts, ..NewGrants::default() }, None, now).await.expect("grants");
    let pinger = Arc::new(Pinger { calls, signals: signals.clone(), store, metrics: metrics.clone() });
    let stop = CancellationToken::new();
    let running = tokio::spawn(pinger.run(stop.clone()));
    let tell = |host: &str, told| {
        signals.pings.tell(Ping { url: format!("https://{host}/key"), script: "s".into(), key: "s".into(), told });
    };
    tell("not-granted.example", Told::Succeeded);
    for told in [Told::Started, Told::Succeeded] {
        tell("slow.example", told);
    }
    for n in 0..5 {
        tell("a.example", Told::Started);
        tell("a.example", if n == 4 { Told::Failed("failed: ValueError: no price".into()) } else { Told::Succeeded });
    }
    let calls = monitors.wait_for(11).await;
    let (slow, others): (Vec<String>, Vec<String>) = calls.into_iter().partition(|call| call.contains("slow.example"));
    assert_eq!(slow, ["GET slow.example/key/start"], "the next one waits for the first");
    let mut expected = ["GET a.example/key/start", "GET a.example/key"].repeat(5);
    expected[9] = "POST a.example/key/fail failed: ValueError: no price";
    assert_eq!(others, expected);
    stop.cancel();
    // It waits for the one that never answers, for a bounded time.
    tokio::time::timeout(Duration::from_secs(20), running).await.expect("ends").expect("ends well");
    assert!(counted(&metrics, "cronbox_pings_total{outcome=\"sent\"} 10"), "{}", metrics.prometheus());
    assert!(counted(&metrics, "cronbox_pings_total{outcome=\"dropped\"} 0"));
    assert!(counted(&metrics, "cronbox_pings_total{outcome=\"failed\"} 1"), "whose host is not granted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_monitor_is_called_while_the_node_is_well_and_not_otherwise() {
    let (calls, monitors) = calls(|_| Does::Answers(200));
    let clock = calls.clock.clone();
    let store = Store::open(&DatabaseUrl::Memory).await.expect("opens");
    let metrics = Arc::new(Metrics::default());
    let supervisor = Supervisor::new(metrics.clone());
    let well = Well { store: store.clone(), clock, supervisor: supervisor.clone(), pool: None };
    let address = Address::parse("https://a.example/key").expect("reads");
    let heartbeat = Heartbeat { calls, address, well, metrics: metrics.clone() };
    assert_eq!(heartbeat.beat().await, Beat::Sent);
    for _ in 0..3 {
        let caught: Result<(), _> = supervisor.catch("scheduler", async { panic!("a mistake") }).await;
        assert!(caught.is_err());
    }
    assert!(matches!(heartbeat.beat().await, Beat::Withheld(why) if why.contains("scheduler")));
    store.close().await;
    assert!(matches!(heartbeat.beat().await, Beat::Withheld(_)));
    assert_eq!(monitors.calls(), ["GET a.example/key"]);
    assert!(counted(&metrics, "cronbox_heartbeats_total{outcome=\"sent\"} 1"), "{}", metrics.prometheus());
    assert!(counted(&metrics, "cronbox_heartbeats_total{outcome=\"withheld\"} 2"));
}

#[tokio::test]
async fn a_monitor_that_does_not_take_the_call_is_counted() {
    let (calls, _) = calls(|_| Does::Away);
    let clock = calls.clock.clone();
    let metrics = Arc::new(Metrics::default());
    let store = Store::open(&DatabaseUrl::Memory).await.expect("opens");
    let well = Well { store, clock, supervisor: Supervisor::new(metrics.clone()), pool: None };
    let address = Address::parse("https://a.example/key").expect("reads");
    let heartbeat = Heartbeat { calls, address, well, metrics: metrics.clone() };
    assert_eq!(heartbeat.beat().await, Beat::Failed("no server listens there".into()));
    assert!(counted(&metrics, "cronbox_heartbeats_total{outcome=\"failed\"} 1"));
}
