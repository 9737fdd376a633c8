//! Channels against real receivers: the reference library of Standard Webhooks, a mail server with TLS and login, and stand-ins
//! for chat services that check what these document. The egress process is the real one.

mod chaos;
mod monitors;

use crate::support::postgres::cluster;
use crate::support::server::Server;
use crate::support::wait::until;
use crate::support::world::world;
use crate::support::{self, beside_others, server::Folder, tests_folder};
use cronbox::channel::{Channel, ChannelSpec, DeliveryState, Target};
use cronbox::clock::Clock;
use cronbox::deliverer::{Deliverer, DeliveryRules, NETWORK_OPTION};
use cronbox::keyring::{KeySource, Keyring};
use cronbox::notice::{Notice, NoticeAlert, NoticeKind, NoticeRun, NoticeValue};
use cronbox::precondition::Precondition;
use cronbox::signals::Signals;
use cronbox::store::{DatabaseUrl, Store};
use cronbox_runtime::Pool;
use cronbox_runtime::network::{Ceiling, Networks};
use cronbox_runtime::testing::Inspect as _;
use reqwest::Method;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const SECRETS: [&str; 2] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=", "whsec_bm90aGluZyBidXQgYW5vdGhlciBvbmUgb2YgdGhlbQ=="];

/// The receivers of `channels/receivers.py`; they end with this process, whose end of their standard input closes then.
struct Receivers {
    _process: Child,
    ports: Value,
}

fn receivers() -> &'static Receivers {
    static RECEIVERS: OnceLock<Receivers> = OnceLock::new();
    RECEIVERS.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let python =
            std::env::var("CRONBOX_TEST_VENV").expect("CRONBOX_TEST_VENV: `make test` installs what is needed");
        let certificates = Path::new(world().ca()).parent().expect("a folder");
        let mut process = Command::new(PathBuf::from(python).join("bin/python"))
            .arg(tests_folder().join("channels/receivers.py"))
            .arg(certificates)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        Receivers { ports: serde_json::from_str(&line).expect("JSON"), _process: process }
    })
}

impl Receivers {
    fn port(&self, name: &str) -> u64 {
        self.ports[name].as_u64().expect(name)
    }

    fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port("http"))
    }

    /// What has arrived and fits.
    async fn seen(&self, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let answer = reqwest::Client::builder().no_proxy().build().expect("a client").get(self.url("/seen")).send();
        let all: Vec<Value> = answer.await.expect("answers").json().await.expect("JSON");
        all.into_iter().filter(|one| fits(one)).collect()
    }
}

struct Rig {
    deliverer: Arc<Deliverer>,
    pool: Pool,
    store: Store,
    keyring: Arc<Keyring>,
}

async fn rig_on(store: Store, node: &str, rate: u64, networks: &[&str]) -> Rig {
    receivers();
    let pool = world().pool().await;
    let (signals, ..) = Signals::new(0);
    let keyring = Arc::new(Keyring::new(KeySource::Memory));
    let sender = pool.clone();
    let deliverer = Arc::new(Deliverer {
        store: store.clone(),
        keyring: keyring.clone(),
        clock: Clock::system(),
        signals,
        metrics: Arc::default(),
        node: node.into(),
        rules: DeliveryRules {
            rate,
            public_url: Some("https://cronbox.example.com".into()),
            ceiling: Ceiling::parse(["*"]).expect("reads"),
            networks: Networks::parse(networks.iter().copied()).expect("reads"),
        },
        send: Box::new(move |outbound| {
            let pool = sender.clone();
            Box::pin(async move { pool.send(&outbound).await })
        }),
        under_way: Mutex::default(),
    });
    Rig { deliverer, pool, store, keyring }
}

async fn rig() -> Rig {
    let store = Store::open(&DatabaseUrl::Memory).await.expect("opens");
    rig_on(store, "node", 1_000, &["localhost=127.0.0.0/8"]).await
}

impl Rig {
    async fn set(&self, name: &str, fields: Value) -> Channel {
        let spec: ChannelSpec = serde_json::from_value(fields).expect("a channel");
        let view = Target::parse(&spec).expect("a target").view();
        let now = self.deliverer.clock.now();
        let mut channel = Channel {
            name: name.into(),
            sealed_view: serde_json::to_string(&view).expect("JSON"),
            view,
            key: String::new(),
            sealed: String::new(),
            off_reason: None,
            revision: 0,
            created_at: now,
            updated_at: now,
            created_by: None,
        };
        self.keyring.seal_channel(&mut channel, &spec, &[]).expect("seals");
        self.store.keep_channel(channel.clone(), &Precondition::None, now).await.expect("keeps");
        channel
    }

    async fn record(&self, channels: &[&str], notice: Notice) -> Vec<String> {
        let channels = channels.iter().map(|name| (*name).to_owned()).collect();
        let ids = self.store.record_notice(channels, notice, self.deliverer.clock.now()).await.expect("records");
        self.deliverer.signals.notify_deliveries();
        ids
    }

    async fn answer_of(&self, id: &str) -> (DeliveryState, Option<u16>, String) {
        let delivery = self.store.delivery(id).await.expect("reads").expect("is there");
        (delivery.state, delivery.status, delivery.answer.unwrap_or_default())
    }
}

fn notice(script: &str) -> Notice {
    let at = chrono::Utc::now().timestamp_millis();
    Notice {
        kind: NoticeKind::Firing,
        at,
        alert: Some(NoticeAlert { id: "a".into(), text: "/price > 100".into(), since: at }),
        run: Some(NoticeRun {
            id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
            status: "failed".into(),
            attempt: 1,
            fire_time: Some(at),
            timezone: Some("Asia/Shanghai".into()),
            error_name: Some("ValueError".into()),
            error_message: Some("没有 <价格> & \"*x*\"".into()),
            place: Some("price.py:12".into()),
            line: Some("return row[\"价格\"]".into()),
            duration_ms: Some(1_500),
        }),
        script: Some(script.into()),
        schedule: Some("daily".into()),
        value: Some(NoticeValue { path: "/price".into(), before: Some(json!(99)), now: Some(json!(101.5)) }),
        held_back: Vec::new(),
        cause: None,
        is_over: false,
    }
}

/// A channel of each kind, at its stand-in.
fn each_kind() -> Vec<Value> {
    let receivers = receivers();
    let smtp = |port: &str, tls: &str| json!({"host": "localhost", "port": receivers.port(port), "tls": tls, "username": "cronbox", "password": "mail-password-1"});
    let to = json!(["Ops <ops@example.com>", "dev@example.com"]);
    let from = "cronbox@example.com";
    vec![
        json!({"type": "webhook", "url": receivers.url("/webhook"), "secrets": SECRETS}),
        json!({"type": "webhook", "url": format!("https://localhost:{}/webhook", receivers.port("https")), "secrets": SECRETS}),
        json!({"type": "email", "to": to, "from": from, "smtp": smtp("smtp", "starttls")}),
        json!({"type": "email", "to": to, "from": from, "smtp": smtp("smtps", "implicit")}),
        json!({"type": "email", "to": to, "from": from,
            "smtp": {"host": "localhost", "port": receivers.port("smtp_plain"), "tls": "none"}}),
        json!({"type": "slack", "url": receivers.url("/slack/T/B/x")}),
        json!({"type": "discord", "url": receivers.url("/discord/1/x")}),
        json!({"type": "teams", "url": receivers.url("/teams?sig=x")}),
        json!({"type": "telegram", "url": receivers.url(""), "token": "123:AB-c", "chat": "-100200"}),
        json!({"type": "ntfy", "url": receivers.url(""), "topic": "ops", "token": "tk_x"}),
        json!({"type": "feishu", "url": receivers.url("/feishu"), "secret": "fs-secret"}),
        json!({"type": "dingtalk", "url": receivers.url("/dingtalk?access_token=x"), "secret": "SECdt"}),
        json!({"type": "wecom", "url": receivers.url("/wecom?key=x")}),
        json!({"type": "template", "url": receivers.url("/template/{{run.script}}"), "method": "PUT",
            "headers": {"X-Script": "{{run.script}}"},
            "body": {"error": "{{run.error.message}}", "value": "{{value}}", "text": "{{text}}"}}),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_arrives_in_both_languages() {
    let _shared = beside_others().await;
    let rig = rig().await;
    let (mut names, mut kinds) = (Vec::new(), Vec::new());
    for (n, mut fields) in each_kind().into_iter().enumerate() {
        for language in ["en", "zh"] {
            fields["language"] = language.into();
            let name = format!("{}-{n}-{language}", fields["type"].as_str().expect("a type"));
            rig.set(&name, fields.clone()).await;
            names.push(name);
            kinds.push(fields["type"].as_str().expect("a type").to_owned());
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let long = "长 <\"&*`\\> ".repeat(5_000);
    let mut longest = notice("every-kind-long");
    longest.value = Some(NoticeValue { path: "/price".into(), before: Some(json!(long)), now: Some(json!(long)) });
    if let Some(run) = &mut longest.run {
        (run.error_message, run.line) = (Some(long.clone()), Some(long.clone()));
    }
    let mut ids = rig.record(&names, notice("every-kind")).await;
    ids.extend(rig.record(&names, longest).await);
    rig.deliverer.round().await.expect("delivers");
    for (id, name) in ids.iter().zip(names.iter().chain(&names)) {
        let (state, status, answer) = rig.answer_of(id).await;
        assert_eq!(state, DeliveryState::Sent, "{name}: {status:?} {answer}");
    }
    let seen = receivers().seen(|one| one.to_string().contains("every-kind")).await;
    for kind in &kinds {
        assert!(seen.iter().filter(|one| one["kind"] == **kind).count() >= 4, "{kind}: {seen:#?}");
    }
    let hook = seen.iter().find(|one| one["kind"] == "webhook").expect("a webhook");
    assert!(ids.iter().any(|id| hook["id"] == **id), "{hook}");
    assert_eq!(
        hook["body"]["data"]["run_url"],
        "https://cronbox.example.com/runs/01890a5d-ac96-774b-bcce-b302099a8057"
    );
    let mails: Vec<_> = seen.iter().filter(|one| one["kind"] == "email").collect();
    let short = |mail: &&&Value| mail["subject"] == "[告警] every-kind: /price > 100";
    let mail = mails.iter().find(short).unwrap_or_else(|| panic!("{mails:#?}"));
    assert_eq!(
        (&mail["to"], &mail["sender"]),
        (&json!(["ops@example.com", "dev@example.com"]), &json!("cronbox@example.com"))
    );
    assert!(mail["parts"]["text/plain"].as_str().is_some_and(|text| text.contains("没有 <价格> & \"*x*\"")));
    assert!(mail["parts"]["text/html"].as_str().is_some_and(|text| text.contains("没有 &lt;价格&gt; &amp;")));
    let with_login = mails.iter().filter(|mail| mail["tls"] == true && mail["user"] == "cronbox").count();
    assert_eq!((with_login, mails.len()), (8, 12));
    let filled = seen.iter().find(|one| one["kind"] == "template").expect("a template");
    assert_eq!((&filled["path"], &filled["body"]["value"]), (&json!("/template/every-kind"), &json!(101.5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_mean_no_good_cost_one_attempt() {
    let _shared = beside_others().await;
    let rig = rig().await;
    let (http, https) = (receivers().port("http"), receivers().port("other"));
    let smtp = |port: &str, tls: &str, password: &str| {
        json!({"type": "email", "to": ["o@a.example"], "from": "c@a.example",
            "smtp": {"host": "localhost", "port": receivers().port(port), "tls": tls, "username": "cronbox", "password": password}})
    };
    let cases = [
        ("redirect", None, Some(302), "a redirect to http://localhost:1, which is not followed"),
        ("fail", None, Some(500), "broken"),
        ("gone", None, Some(410), "410 Gone: closed"),
        ("later", None, Some(429), "slow down"),
        ("big", None, Some(200), "xxx"),
        ("drip", None, None, "localhost did not answer within 20 seconds"),
        ("silent", None, None, "localhost did not answer within 20 seconds"),
        ("endless-head", None, None, "no answer over HTTP"),
        ("refused", Some("http://localhost:1/".to_owned()), None, "no server listens there"),
        (
            "certificate",
            Some(format!("https://localhost:{https}/webhook")),
            None,
            "the certificate is not for localhost",
        ),
        ("not-tls", Some(format!("https://localhost:{http}/webhook")), None, "TLS"),
        ("no-name", Some("https://nowhere.invalid/".to_owned()), None, "nowhere.invalid is not known"),
        (
            "private",
            Some(format!("http://127.0.0.1:{http}/webhook")),
            None,
            "127.0.0.1 is not allowed: it is a loopback address",
        ),
    ];
    let mut names = Vec::new();
    for (name, url, _, _) in &cases {
        let url = url.clone().unwrap_or_else(|| receivers().url(&format!("/{name}")));
        rig.set(name, json!({"type": "webhook", "url": url, "secret": SECRETS[0]})).await;
        names.push(*name);
    }
    let mails = [
        (
            "mail-certificate",
            smtp("smtp_other", "starttls", "mail-password-1"),
            None,
            "the certificate is not for localhost",
        ),
        ("mail-password", smtp("smtp", "starttls", "wrong-password"), Some(535), "refuses the login"),
        ("mail-no-starttls", smtp("smtp_plain", "starttls", "mail-password-1"), None, "does not offer STARTTLS"),
        ("mail-not-smtp", smtp("http", "starttls", "x"), None, "localhost"),
    ];
    for (name, fields, _, _) in &mails {
        rig.set(name, fields.clone()).await;
        names.push(*name);
    }
    let ids = rig.record(&names, notice("hostile")).await;
    let started = Instant::now();
    rig.deliverer.round().await.expect("delivers");
    assert!(started.elapsed() < Duration::from_secs(35), "{:?}", started.elapsed());
    let wanted = cases.iter().map(|(name, _, status, text)| (*name, *status, *text));
    let wanted = wanted.chain(mails.iter().map(|(name, _, status, text)| (*name, *status, *text)));
    for (id, (name, status, text)) in ids.iter().zip(wanted) {
        let (state, found, answer) = rig.answer_of(id).await;
        let expected = match name {
            "gone" => DeliveryState::Dead,
            "big" => DeliveryState::Sent,
            _ => DeliveryState::Waiting,
        };
        assert!(found == status && answer.contains(text) && state == expected, "{name}: {state:?} {found:?} {answer}");
        if name == "private" {
            assert!(answer.ends_with(&format!("{NETWORK_OPTION} 127.0.0.1=ADDRESS/LENGTH")), "{answer}");
        }
    }
    let later = rig.store.delivery(&ids[3]).await.expect("reads").expect("is there");
    assert!((later.next_at.expect("a time") - later.updated_at).num_seconds() >= 119);
    // The egress process lives, and has closed what it opened.
    let egress = rig.pool.egress_id().expect("an egress process");
    until("its descriptors are closed", async || {
        let open = support::descriptors(egress);
        if open <= 20 { Ok(()) } else { Err(open) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_with_its_receiver_within_a_second() {
    const COUNT: usize = 60;
    let _alone = support::alone().await;
    let rig = rig().await;
    rig.set("fast", json!({"type": "webhook", "url": receivers().url("/webhook"), "secrets": SECRETS})).await;
    rig.deliverer.test(&rig.store.channel("fast").await.expect("reads").expect("is there")).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(rig.deliverer.clone().run(stop.clone()));
    let mut recorded = std::collections::HashMap::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    for n in 0..COUNT {
        ticks.tick().await;
        let at = chrono::Utc::now().timestamp_micros() as f64 / 1e6;
        let id = rig.record(&["fast"], notice(&format!("fast-{n}"))).await.remove(0);
        recorded.insert(id, at);
    }
    let seen = until("all have arrived", async || {
        let seen = receivers().seen(|one| one.to_string().contains("fast-")).await;
        if seen.len() >= COUNT { Ok(seen) } else { Err(seen.len()) }
    })
    .await;
    stop.cancel();
    running.await.expect("ends");
    let mut times: Vec<f64> = seen
        .iter()
        .map(|one| one["at"].as_f64().expect("a time") - recorded[one["id"].as_str().expect("an id")])
        .collect();
    times.sort_by(f64::total_cmp);
    assert_eq!(times.len(), COUNT, "each once");
    let most = times[COUNT * 99 / 100];
    assert!(most < 1.0, "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_killed_lose_nothing_and_nothing_is_sent_twice_otherwise() {
    const COUNT: usize = 120;
    let _shared = beside_others().await;
    let store = Store::open(&DatabaseUrl::Postgres(cluster().database())).await.expect("opens");
    let mut rigs = Vec::new();
    for n in 0..2 {
        rigs.push(rig_on(store.clone(), &format!("node-{n}"), 1_000, &["localhost=127.0.0.0/8"]).await);
    }
    let keyring = rigs[0].keyring.clone();
    rigs[0].set("many", json!({"type": "webhook", "url": receivers().url("/webhook"), "secrets": SECRETS})).await;
    let stop = CancellationToken::new();
    let mut running = Vec::new();
    for rig in &rigs {
        // One key for both.
        let deliverer = Arc::new(Deliverer {
            store: store.clone(),
            keyring: keyring.clone(),
            clock: Clock::system(),
            signals: rig.deliverer.signals.clone(),
            metrics: Arc::default(),
            node: rig.deliverer.node.clone(),
            rules: rig.deliverer.rules.clone(),
            send: {
                let pool = rig.pool.clone();
                Box::new(move |outbound| {
                    let pool = pool.clone();
                    Box::pin(async move { pool.send(&outbound).await })
                })
            },
            under_way: Mutex::default(),
        });
        running.push(tokio::spawn(deliverer.run(stop.clone())));
    }
    let mut ids = Vec::new();
    for n in 0..COUNT {
        ids.extend(rigs[n % 2].record(&["many"], notice(&format!("killed-{n}"))).await);
        if n == COUNT / 2 {
            let egress = until("an egress process", async || rigs.iter().find_map(|rig| rig.pool.egress_id())).await;
            let _ = Command::new("kill").args(["-KILL", &egress.to_string()]).status();
        }
    }
    let seen = until("all have arrived", async || {
        let seen = receivers().seen(|one| one.to_string().contains("killed-")).await;
        let mut distinct: Vec<String> = seen.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect();
        distinct.sort();
        distinct.dedup();
        if distinct.len() >= COUNT { Ok(seen) } else { Err(distinct.len()) }
    })
    .await;
    stop.cancel();
    for one in running {
        one.await.expect("ends");
    }
    // Only what was on its way when the process was killed can be there twice.
    assert!(seen.len() <= COUNT + 16, "{}", seen.len());
    assert!(seen.iter().all(|one| ids.iter().any(|id| one["id"] == **id)), "each with its one id");
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_set_shown_tried_and_removed() {
    let _shared = beside_others().await;
    let (folder, _) = (Folder::new(), receivers());
    let words =
        ["--channel-network", "localhost=127.0.0.0/8", "--ca-file", world().ca(), "--public-url", "https://c.example/"];
    let server = Server::start(&folder.0, &words);
    let put = async |name: &str, body: &Value| {
        server.json(server.request(Method::PUT, &format!("/v1/channels/{name}")).json(body)).await
    };
    for (n, fields) in each_kind().into_iter().enumerate() {
        let name = format!("c{n}");
        let (status, set) = put(&name, &fields).await;
        assert_eq!((status, &set["type"]), (201, &fields["type"]), "{set}");
        let (status, tested) = server.post(&format!("/v1/channels/{name}/test"), &json!({})).await;
        let is_template = fields["type"] == "template";
        assert!(status == 200 && (tested["arrived"] == true || is_template), "{fields}: {tested}");
    }
    let (_, all) = server.get("/v1/channels").await;
    let text = all.to_string();
    for secret in ["whsec_", "mail-password", "T/B/x", "AB-c", "tk_x", "fs-secret", "SECdt", "access_token", "key=x"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    assert_eq!(all["items"].as_array().map(Vec::len), Some(14));
    for (name, body, status, field) in [
        ("ops", json!({"type": "slak", "url": "https://a.example"}), 422, "type"),
        ("Ops", json!({"type": "slack", "url": "https://a.example"}), 422, "name"),
        ("ops", json!({"type": "template", "url": "https://a.example", "body": "{{run.scrpt}}"}), 422, "body"),
        ("ops", json!({"type": "slack", "url": "https://a.example", "chanel": 1}), 422, "chanel"),
    ] {
        let (found, problem) = put(name, &body).await;
        assert!((400..=422).contains(&found) && problem["field"] == field, "{status} {body}: {found} {problem}");
    }
    let (status, _) = server.json(server.request(Method::DELETE, "/v1/channels/c0")).await;
    assert_eq!((status, server.get("/v1/channels/c0").await.0), (204, 404));
    let (code, said, _) = server.cronbox(&["channel", "test", "c1"]);
    assert_eq!((code, said.trim()), (Some(0), "it has arrived (204)"));
    let (code, said, why) =
        server.cronbox(&["channel", "add", "page", "--type", "slack", "--to-url", "https://127.0.0.1:1/x"]);
    assert_eq!((code, said.trim()), (Some(0), "page is set: slack to https://127.0.0.1:1"), "{why}");
    let (code, said, _) = server.cronbox(&["channel", "test", "page"]);
    assert!(code == Some(1) && said.contains("--channel-network 127.0.0.1="), "{code:?} {said}");
    let (_, said, _) = server.cronbox(&["channel", "list"]);
    assert!(said.contains("page") && said.contains("https://127.0.0.1:1"), "{said}");
    let (code, said, _) = server.cronbox(&["channel", "rm", "page"]);
    assert_eq!((code, said.trim()), (Some(0), "the channel is gone"));
    let (status, page) = server.get("/v1/deliveries?state=dead").await;
    assert_eq!((status, &page["items"]), (200, &json!([])), "tests are recorded nowhere");
    assert_eq!(server.get("/v1/deliveries?state=lost").await.0, 422);
    assert_eq!(server.post("/v1/deliveries/none/redeliver", &json!({})).await.0, 404);
    let metrics = server.request(Method::GET, "/metrics").send().await.expect("answers").text().await.expect("text");
    for line in [
        "cronbox_deliveries_total{outcome=\"dead\"} 0",
        "cronbox_deliveries_waiting 0",
        "cronbox_delivery_age_seconds 0",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    // Channels stay readable when the key is changed.
    let (code, said, why) = server.cronbox(&["secret", "rotate"]);
    assert!(code == Some(0) && said.contains("sealed again: 13"), "{said} {why}");
    assert_eq!(server.cronbox(&["channel", "test", "c1"]).0, Some(0));
}
