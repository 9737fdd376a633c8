//! What the program does for callers, called in process: no HTTP, no server, and the same rules.

mod sessions;

use crate::support::{self, server::Folder};
use chrono::TimeDelta;
use cronbox::access::{Caller, Reach, Scope, Token};
use cronbox::blobs::{BlobLocation, Blobs, S3Access};
use cronbox::checker::Checker;
use cronbox::clock::{Clock, Time, from_micros};
use cronbox::deliverer::{Deliverer, DeliveryRules};
use cronbox::keyring::{KeySource, Keyring};
use cronbox::links::Linker;
use cronbox::packages::{Index, Resolver, ResolverConfig};
use cronbox::plan::RunPolicy;
use cronbox::precondition::Precondition;
use cronbox::publish::{Keeper, Progress, Recent};
use cronbox::run::{Cause, Status};
use cronbox::schedule::{KeptSchedule, NewSchedule, Origin, Policies, State, StoredTrigger};
use cronbox::script::Name;
use cronbox::secret::SecretTerms;
use cronbox::service::{
    AskedArgs, BackfillRequest, ErrorKind, GrantRequest, PreviewRequest, PublishRequest, RunOptions, ScheduleRequest,
    ScriptContent, Service, ServiceError, Target, TokenRequest,
};
use cronbox::signals::Signals;
use cronbox::source_files::Sources;
use cronbox::store::{DatabaseUrl, Store};
use cronbox_runtime::Limits;
use cronbox_runtime::limits::CEILING;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// 2027-01-15T08:00:30Z, a Friday.
const NOW: i64 = 1_800_000_030_000_000;
const PRICE: &str = "# /// script\n# [[tool.cronbox.schedules]]\n# id = \"daily\"\n# trigger = \"0 9 * * *\"\n# ///\n\
                     def run(symbol='INIT'):\n    return {'price': 1}\n";

/// A service that nothing else runs beside: what is submitted waits.
struct Rig {
    service: Service,
    _folder: Folder,
}

async fn rig() -> Rig {
    let folder = Folder::new();
    let pool = support::pool().await;
    let (signals, ..) = Signals::new(0);
    let (store, blobs) = (
        Store::open(&DatabaseUrl::Memory).await.expect("opens"),
        Blobs::open(&BlobLocation::Memory, &S3Access::default()).expect("opens"),
    );
    let keeper = Keeper {
        store: store.clone(),
        blobs: blobs.clone(),
        checker: Checker::new(pool.clone()),
        resolver: Resolver::new(ResolverConfig {
            command: Vec::new(),
            uv: None,
            index: Index::Directory(folder.0.clone()),
            cache: folder.0.join("packages"),
        }),
        timezone: "UTC".into(),
        recent: Recent::default(),
    };
    let policy = RunPolicy {
        defaults: Limits::default(),
        ceiling: CEILING,
        hosts: cronbox_runtime::network::Ceiling::parse(["*.example.com"]).expect("reads"),
        interpreter_memory: pool.interpreter_memory(),
        timezone: "UTC".into(),
        job_defaults: Policies::default(),
    };
    let keyring = Arc::new(Keyring::new(KeySource::Memory));
    let clock = Clock::manual(from_micros(NOW));
    let deliverer = Arc::new(Deliverer {
        store: store.clone(),
        keyring: keyring.clone(),
        clock: clock.clone(),
        signals: signals.clone(),
        metrics: Arc::default(),
        node: "node".into(),
        rules: DeliveryRules {
            rate: 20,
            public_url: None,
            ceiling: policy.hosts.clone(),
            networks: cronbox_runtime::network::Networks::default(),
        },
        send: Box::new(|_| Box::pin(async { Err(cronbox_runtime::outbound::OutboundFailure::new("nothing is sent")) })),
        under_way: std::sync::Mutex::default(),
    });
    let service = Service {
        store,
        blobs,
        linker: Linker::new(keeper, Vec::new()),
        keyring,
        clock,
        signals,
        live: Arc::default(),
        policy: Arc::new(policy),
        queue_bound: 5,
        node: None,
        sealing: tokio::sync::Mutex::default(),
        deliverer,
    };
    Rig { service, _folder: folder }
}

fn caller(scopes: &[Scope], scripts: Option<&[&str]>) -> Caller {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Caller::Token(Token {
        id: "t".into(),
        name: "test".into(),
        scopes: scopes.to_vec(),
        scripts: scripts.map(owned),
        labels: None,
        created_at: from_micros(NOW),
        expires_at: None,
        last_used_at: None,
    })
}

/// A token that reaches the script `other` alone.
fn limited() -> Caller {
    caller(&[Scope::Read, Scope::Write, Scope::Run], Some(&["other"]))
}

fn upload(name: &str, source: &'static str) -> PublishRequest {
    PublishRequest {
        name: Name::parse(name).expect("a name"),
        content: ScriptContent::Sources(Sources::one(name, source.into()).expect("a source")),
        settings: None,
        unchecked: false,
        upgrade: false,
        precondition: Precondition::None,
        progress: Progress::default(),
    }
}

fn asked(fields: Value) -> ScheduleRequest {
    let Value::Object(fields) = fields else { panic!("an object") };
    ScheduleRequest { fields, args: AskedArgs::Unchanged, precondition: Precondition::None }
}

fn at(text: &str) -> Time {
    chrono::DateTime::parse_from_rfc3339(text).expect("a time").to_utc()
}

/// The kind, the code and the field of an error.
fn why<T>(result: Result<T, ServiceError>) -> (ErrorKind, String, Option<String>) {
    match result {
        Ok(_) => panic!("it was done"),
        Err(error) => (error.kind, error.code.into_owned(), error.field.map(Into::into)),
    }
}

fn error(kind: ErrorKind, code: &str, field: Option<&str>) -> (ErrorKind, String, Option<String>) {
    (kind, code.to_owned(), field.map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_published_run_and_deleted() {
    let Rig { service, _folder } = rig().await;
    let made = service.publish(&Caller::Local, upload("price", PRICE)).await.expect("publishes");
    assert!(made.is_new && made.script.version.number == 1);
    assert_eq!((made.schedule_changes[0].change, &*made.schedule_changes[0].id), ("created", "daily"));
    let again = service.publish(&Caller::Local, upload("price", PRICE)).await.expect("publishes");
    assert!(!again.is_new && again.schedule_changes.is_empty());

    let options = RunOptions { args: r#"{"symbol":"A"}"#.into(), ..RunOptions::default() };
    let now = service.clock.now();
    let (new, refused) = service.run_of_script(&Caller::Local, made.script, options, now).await.expect("plans");
    assert!(refused.is_empty());
    let submitted = service.submit(new, None, now).await.expect("submits");
    let run = service.run_for(&Caller::Local, &submitted.id).await.expect("is there");
    assert_eq!((run.status, run.cause), (Status::Queued, Cause::Api));
    let wait = std::time::Duration::ZERO;
    let run = service.cancel_run(&Caller::Local, &run.id, wait, &CancellationToken::new()).await.expect("cancels");
    assert_eq!(run.status, Status::Cancelled);
    service.delete_run(&Caller::Local, &run.id).await.expect("deletes");
    assert_eq!(why(service.run_for(&Caller::Local, &run.id).await), error(ErrorKind::NotFound, "no_such_run", None));
    assert_eq!(
        why(service.delete_script(&Caller::Local, "price", false).await),
        error(ErrorKind::Conflict, "script_has_schedules", None)
    );
    service.delete_script(&Caller::Local, "price", true).await.expect("deletes");
    let gone = service.script_for(&Caller::Local, "price").await;
    assert_eq!(why(gone), error(ErrorKind::NotFound, "no_such_script", None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_caller_reaches_nothing_else() {
    let Rig { service, _folder } = rig().await;
    let made = service.publish(&Caller::Local, upload("price", PRICE)).await.expect("publishes");
    let now = service.clock.now();
    let (new, _) = service
        .run_of_script(&Caller::Local, made.script, RunOptions { args: "{}".into(), ..RunOptions::default() }, now)
        .await
        .expect("plans");
    let id = service.submit(new, None, now).await.expect("submits").id;
    let limited = limited();
    let denied = error(ErrorKind::Forbidden, "script_out_of_reach", None);
    assert_eq!(why(service.script_for(&limited, "price").await), denied);
    assert_eq!(why(service.publish(&limited, upload("price", PRICE)).await), denied);
    assert_eq!(why(service.publish(&limited, upload("second", "x = 1\n")).await), denied);
    assert_eq!(why(service.run_for(&limited, &id).await), denied);
    assert_eq!(why(service.delete_run(&limited, &id).await), denied);
    assert_eq!(why(service.run_again(&limited, &id, now).await), denied);
    assert_eq!(why(service.pause_schedule(&limited, "daily").await), denied);
    assert_eq!(why(service.delete_schedule(&limited, "daily").await), denied);
    assert_eq!(why(service.preview_schedule(&limited, "daily", None, 3).await), denied);
    assert_eq!(why(service.delete_script(&limited, "price", true).await), denied);
    let whole = service.change_schedule(&limited, Target::Whole("daily"), &asked(json!({"script": "other"}))).await;
    assert_eq!(why(whole), denied);
    let link = PublishRequest { content: ScriptContent::Link("file:///x.py".into()), ..upload("other", "x = 1\n") };
    let denied_link = error(ErrorKind::Forbidden, "link_out_of_reach", Some("from"));
    assert_eq!(why(service.publish(&limited, link).await), denied_link);
    service.publish(&limited, upload("other", "def run():\n    return 1\n")).await.expect("is its own");
    assert_eq!(service.reach_of(&limited).await.expect("reads").expect("is limited").into_keys(), ["other"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_made_changed_and_tried() {
    let Rig { service, _folder } = rig().await;
    service.publish(&Caller::Local, upload("price", "def run(symbol='A'):\n    return 1\n")).await.expect("publishes");
    let local = &Caller::Local;
    let request = asked(json!({"id": "hourly", "script": "price", "trigger": "0 * * * *"}));
    let tried = service.try_change_schedule(local, Target::New { replace: false }, &request).await.expect("tries");
    assert_eq!(tried.next_fire_at, Some(at("2027-01-15T09:00:00Z")));
    let missing = service.schedule_for(local, "hourly").await;
    assert_eq!(why(missing), error(ErrorKind::NotFound, "no_such_schedule", None), "trying keeps nothing");

    let kept = service.change_schedule(local, Target::New { replace: false }, &request).await.expect("makes");
    assert!(kept.is_new && kept.schedule.state == State::Active);
    let twice = service.change_schedule(local, Target::New { replace: false }, &request).await;
    assert_eq!(why(twice), error(ErrorKind::Conflict, "schedule_exists", Some("id")));
    let parts = asked(json!({"timezone": "Asia/Shanghai", "max_instances": 2}));
    let kept = service.change_schedule(local, Target::Parts("hourly"), &parts).await.expect("changes");
    let trigger = kept.schedule.trigger.parsed().expect("reads");
    assert_eq!(trigger.to_string(), "cron: 0 * * * * @ Asia/Shanghai", "another zone alone is the same trigger there");
    let other_case = service.change_schedule(local, Target::Parts("HOURLY"), &asked(json!({"title": "x"}))).await;
    assert_eq!(other_case.expect("changes").schedule.id, "hourly", "an id stays as it was written");
    let whole = asked(json!({"trigger": "30 9 * * *"}));
    let kept = service.change_schedule(local, Target::Whole("HOURLY"), &whole).await.expect("changes");
    let trigger = kept.schedule.trigger.parsed().expect("reads");
    assert_eq!(trigger.to_string(), "cron: 30 9 * * * @ UTC");
    assert_eq!(kept.schedule.settings.policies, Policies::default(), "what is not named is as by default");
    let bad = service.change_schedule(local, Target::Parts("hourly"), &asked(json!({"trigger": "0 25 * * *"}))).await;
    assert_eq!(why(bad), error(ErrorKind::Invalid, "bad_trigger", Some("trigger.crontab")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_cannot_be_read_does_not_hold_up_its_script() {
    let Rig { service, _folder } = rig().await;
    let local = &Caller::Local;
    service.publish(local, upload("price", PRICE)).await.expect("publishes");
    let request = asked(json!({"id": "own", "script": "price", "trigger": "0 * * * *"}));
    let kept = service.change_schedule(local, Target::New { replace: false }, &request).await.expect("makes");
    let broken = NewSchedule {
        id: "own".into(),
        key: "own".into(),
        script: "price".into(),
        origin: Origin::Request,
        reach: Reach::default(),
        settings: kept.schedule.settings,
        trigger: StoredTrigger::from_row(json!({"type": "sundial"}), service.clock.now()),
        read_at: service.clock.now(),
        state: State::Active,
        cursor: service.clock.now(),
        next: None,
        created_by: None,
        links: Vec::new(),
    };
    let now = service.clock.now();
    let changed = service.store.keep_schedule(broken, Some(kept.schedule.revision), now).await.expect("keeps");
    assert_eq!(changed, KeptSchedule::Changed);
    let made = service.publish(local, upload("price", "def run():\n    return 2\n")).await.expect("publishes");
    let changes: Vec<(&str, &str)> = made.schedule_changes.iter().map(|one| (&*one.id, one.change)).collect();
    assert_eq!((made.script.version.number, changes), (2, vec![("daily", "removed")]));
    let own = made.schedules.iter().find(|schedule| schedule.id == "own").expect("is there");
    assert!(own.trigger.text().starts_with("a trigger that cannot be read: "), "{}", own.trigger.text());
    let used = service.run_of_schedule(local, "own", None, now).await;
    assert_eq!(why(used), error(ErrorKind::Invalid, "invalid_value", Some("trigger")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_overridden_is_not_asked_for() {
    let Rig { service, _folder } = rig().await;
    let source = "# /// script\n# [tool.cronbox]\n# limits = {memory = \"lots\"}\n# ///\ndef run():\n    return 1\n";
    let local = &Caller::Local;
    let bad = error(ErrorKind::Invalid, "invalid_value", Some("limits.memory"));
    assert_eq!(why(service.publish(local, upload("price", source)).await), bad);
    let settings = json!({"limits": {"memory": "256MiB"}});
    let settings = serde_json::from_value(settings).expect("settings");
    let with = PublishRequest { settings: Some(settings), ..upload("price", source) };
    assert_eq!(service.publish(local, with).await.expect("publishes").script.version.number, 1);
    let Value::Object(taken_away) = json!({"limits": null}) else { unreachable!() };
    assert_eq!(
        why(service.change_settings(local, "price", taken_away, &Precondition::None).await),
        bad,
        "it would be in force again"
    );
    let Value::Object(labels) = json!({"labels": {"team": null, "tier": "1"}}) else { unreachable!() };
    let change = service.change_settings(local, "price", labels, &Precondition::None).await.expect("changes");
    assert_eq!(change.script.settings.labels, [("tier".to_owned(), "1".to_owned())].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_made_something_stays_until_somebody_makes_it_anew() {
    let Rig { service, _folder } = rig().await;
    let local = &Caller::Local;
    service.publish(local, upload("price", PRICE)).await.expect("publishes");
    let token = caller(&[Scope::Write, Scope::Grant], None);
    let request = asked(json!({"id": "own", "script": "price", "trigger": "0 * * * *"}));
    let made = service.change_schedule(&token, Target::New { replace: false }, &request).await.expect("makes");
    assert_eq!(made.schedule.created_by.as_deref(), Some("t"));
    let parts = asked(json!({"title": "x"}));
    let tried = service.try_change_schedule(local, Target::Parts("own"), &parts).await.expect("tries");
    let changed = service.change_schedule(local, Target::Parts("own"), &parts).await.expect("changes").schedule;
    assert_eq!((tried.created_by.as_deref(), changed.created_by.as_deref()), (Some("t"), Some("t")));
    let daily = service.change_schedule(&token, Target::Parts("daily"), &parts).await.expect("changes").schedule;
    assert_eq!(daily.created_by, None, "the block made it");

    let memory = |mib: u64| GrantRequest {
        limits: cronbox::limits::RequestedLimits { memory: Some(mib << 20), ..Default::default() },
        ..GrantRequest::default()
    };
    let by = async || service.grants(local).await.expect("lists").remove(0).created_by;
    service.grant(local, "price", memory(512)).await.expect("grants");
    assert_eq!(by().await, None);
    service.grant(&token, "price", memory(256)).await.expect("grants");
    assert_eq!(by().await, None, "less than there is changes nothing");
    service.grant(&token, "price", memory(1024)).await.expect("grants");
    assert_eq!(by().await.as_deref(), Some("t"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_is_whole_or_not_made() {
    let Rig { service, _folder } = rig().await;
    service.publish(&Caller::Local, upload("price", PRICE)).await.expect("publishes");
    let request = |days| BackfillRequest {
        from: service.clock.now() - TimeDelta::days(days),
        until: None,
        only_missing: true,
        concurrency: None,
        priority: None,
    };
    let local = &Caller::Local;
    let tried = service.backfill(local, "daily", &request(2), true).await.expect("tries");
    assert_eq!(tried.fire_times, [at("2027-01-13T09:00:00Z"), at("2027-01-14T09:00:00Z")]);
    assert!(tried.runs.is_empty());
    let made = service.backfill(local, "daily", &request(2), false).await.expect("makes");
    assert_eq!((made.runs.len(), made.left_out), (2, 0));
    let run = service.run_for(local, &made.runs[1]).await.expect("is there");
    assert_eq!((run.cause, run.fire_time), (Cause::Backfill, Some(at("2027-01-14T09:00:00Z"))));
    let again = service.backfill(local, "daily", &request(2), false).await.expect("finds nothing");
    assert_eq!((again.runs.len(), again.left_out), (0, 2));
    // The queue takes five; two wait already.
    let many = service.backfill(local, "daily", &request(9), false).await;
    assert_eq!(why(many), error(ErrorKind::TooMany, "queue_full", None));
    let ahead = BackfillRequest { until: Some(service.clock.now() + TimeDelta::hours(1)), ..request(1) };
    let ahead = service.backfill(local, "daily", &ahead, false).await;
    assert_eq!(why(ahead), error(ErrorKind::Invalid, "invalid_value", Some("until")));
    let runner = caller(&[Scope::Run], None);
    let first = BackfillRequest { priority: Some(1), ..request(1) };
    let first = service.backfill(&runner, "daily", &first, false).await;
    assert_eq!(why(first), error(ErrorKind::Forbidden, "missing_scope", Some("priority")));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_grants_are_within_reach_and_ceiling() {
    let Rig { service, _folder } = rig().await;
    service.publish(&Caller::Local, upload("price", PRICE)).await.expect("publishes");
    let terms = |hosts: &[&str]| SecretTerms {
        hosts: serde_json::from_value(json!(hosts)).expect("hosts"),
        scripts: vec!["price".into()],
        ..SecretTerms::default()
    };
    let local = &Caller::Local;
    let set = |by: Caller, terms| {
        let service = &service;
        async move { service.set_secret(&by, "API_KEY".into(), terms, "a-long-secret".to_owned().into()).await }
    };
    let made = set(Caller::Local, terms(&["api.example.com"])).await.expect("sets");
    assert!(made.is_new && made.view.is_readable && made.view.granted == ["price"]);
    assert!(!set(Caller::Local, terms(&["api.example.com"])).await.expect("sets").is_new);
    let beyond = set(Caller::Local, terms(&["evil.example"])).await;
    assert_eq!(why(beyond), error(ErrorKind::Invalid, "invalid_value", Some("hosts")));
    let limited = limited();
    assert_eq!(
        why(set(limited.clone(), terms(&["api.example.com"])).await),
        error(ErrorKind::Forbidden, "script_out_of_reach", None)
    );
    assert_eq!(why(service.secret(&limited, "API_KEY").await), error(ErrorKind::NotFound, "no_such_secret", None));
    assert!(service.secrets(&limited).await.expect("lists").is_empty());
    assert_eq!(service.secrets(local).await.expect("lists").len(), 1);

    let nothing = service.grant(local, "price", GrantRequest::default()).await;
    assert_eq!(why(nothing), error(ErrorKind::Invalid, "invalid_value", Some("limits")));
    let memory = |bytes| GrantRequest {
        limits: cronbox::limits::RequestedLimits { memory: Some(bytes), ..Default::default() },
        ..GrantRequest::default()
    };
    let beyond = service.grant(local, "price", memory(CEILING.memory + 1)).await;
    assert_eq!(why(beyond), error(ErrorKind::Invalid, "invalid_value", Some("limits.memory")));
    service.grant(local, "price", memory(512 << 20)).await.expect("grants");
    let kinds: Vec<String> = service.grants(local).await.expect("lists").into_iter().map(|grant| grant.kind).collect();
    assert_eq!(kinds, ["limit", "secret"]);
    assert!(service.grants(&limited).await.expect("lists").is_empty());
    service.revoke(local, "price", "limit", "memory").await.expect("takes back");
    let twice = service.revoke(local, "price", "limit", "memory").await;
    assert_eq!(why(twice), error(ErrorKind::NotFound, "no_such_grant", None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_admin_stays_while_there_are_other_tokens() {
    let Rig { service, _folder } = rig().await;
    let make = |scope: &str| TokenRequest { name: "t".into(), scopes: vec![scope.into()], ..TokenRequest::default() };
    let (admin, secret) = service.create_token(make("admin")).await.expect("makes");
    assert!(secret.starts_with("cbx_") && admin.scopes == [Scope::Admin]);
    let (reader, _) = service.create_token(make("read")).await.expect("makes");
    let last = service.remove_token(&admin.id).await;
    assert_eq!(why(last), error(ErrorKind::Conflict, "last_admin", None));
    service.remove_token(&reader.id).await.expect("removes");
    service.remove_token(&admin.id).await.expect("removes");
    let unknown = service.create_token(make("root")).await;
    assert_eq!(why(unknown), error(ErrorKind::Invalid, "invalid_value", Some("scopes")));
    let limited = TokenRequest { scripts: Some(vec!["price".into()]), ..make("admin") };
    assert_eq!(why(service.create_token(limited).await), error(ErrorKind::Invalid, "invalid_value", Some("scopes")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_of_no_schedule_is_previewed() {
    let Rig { service, _folder } = rig().await;
    let look =
        |trigger: Value, count| PreviewRequest { trigger, timezone: Some("Europe/Berlin".into()), from: None, count };
    let shown = service.preview_trigger(&Caller::Local, look(json!("0 9 * * 1-5"), 2)).await.expect("shows");
    let fires: Vec<Time> = shown.fires.iter().map(|fire| fire.at).collect();
    // It is 09:00 in Berlin now: the next is on Monday.
    assert_eq!(fires, [at("2027-01-18T08:00:00Z"), at("2027-01-19T08:00:00Z")]);
    let none = service.preview_trigger(&Caller::Local, look(json!("0 9 * * 1-5"), 0)).await;
    assert_eq!(why(none), error(ErrorKind::Invalid, "invalid_value", Some("count")));
    let bad = service.preview_trigger(&Caller::Local, look(json!("0 9 * *"), 2)).await;
    assert_eq!(why(bad), error(ErrorKind::Invalid, "bad_trigger", Some("trigger.crontab")));
}
