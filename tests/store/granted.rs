//! What scripts are granted, secrets, the state that a script's runs leave to the next, and what else is asked of the store.

use super::{
    DatabaseUrl, Store, TestFile, after, by, cluster, ended, keep, made_and_ended, make, new_run, start, status,
    version,
};
use cronbox::access::{Scope, Token};
use cronbox::limits::RequestedLimits;
use cronbox::publication::NewVersion;
use cronbox::run::{Ended, NewRun, Recorded, Status};
use cronbox::schedule::{NewSchedule, Origin, State, StoredTrigger};
use cronbox::script::{LinkState, NewState};
use cronbox::secret::{Secret, SecretTerms};
use cronbox::store::grants::{GrantedHosts, How, NewGrants};
use cronbox::store::notices::Notice;
use cronbox::store::output::{Found, Part};
use cronbox::store::retention::Of;
use cronbox_runtime::Stream;
use cronbox_runtime::network::HostPattern;
use serde_json::json;
use std::time::Duration;

on_every_engine![
    secrets_are_granted,
    hosts_are_granted,
    grants_are_made_together,
    a_state_is_written_by_one_run_after_another,
    runs_are_found_by_age_size_and_time,
    links_of_scripts_are_found,
    a_token_is_found_by_its_id,
    the_store_answers,
];

pub(super) fn secret(name: &str, sealed: &str) -> Secret {
    let terms = SecretTerms { hosts: ["api.example.com"].into_iter().collect(), ..SecretTerms::default() };
    Secret {
        name: name.into(),
        sealed_terms: serde_json::to_string(&terms).expect("JSON"),
        terms,
        key: "k1".into(),
        sealed: sealed.into(),
        created_at: start(),
        updated_at: start(),
        created_by: Some("t1".into()),
    }
}

async fn names_of(store: &Store, script: &str) -> Vec<String> {
    store.secrets_of(script).await.expect("asks").into_iter().map(|secret| secret.name).collect()
}

async fn secrets_are_granted(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    // Asked before there are any: the answer is not remembered when there are.
    assert!(names_of(&store, "a").await.is_empty());
    let to = |script: &str, how| vec![(script.to_owned(), how)];
    let grants = |name, how| NewGrants { secrets: to(name, how), ..NewGrants::default() };
    let first = secret("TOKEN", "one");
    assert!(store.set_secret(first.clone(), Vec::new(), to("a", How::ByLabel), start()).await.expect("sets"));
    assert_eq!(store.secret("TOKEN").await.expect("reads"), Some(first.clone()));
    assert_eq!(names_of(&store, "a").await, ["TOKEN"]);
    assert!(names_of(&store, "b").await.is_empty());
    let grant = store.grants().await.expect("lists").pop().expect("a grant");
    assert_eq!((grant.script.as_str(), grant.kind.as_str(), grant.name.as_str()), ("a", "secret", "TOKEN"));
    assert_eq!(grant.created_by.as_deref(), Some("t1"));
    // What was taken back is given again by name only.
    assert!(store.revoke("a", "secret", "TOKEN").await.expect("revokes"));
    assert!(!store.revoke("a", "secret", "TOKEN").await.expect("asks"));
    assert!(store.grant("a", grants("TOKEN", How::ByLabel), None, after(1)).await.expect("grants"));
    assert!(names_of(&store, "a").await.is_empty());
    assert!(store.grant("a", grants("TOKEN", How::ByName), None, after(1)).await.expect("grants"));
    assert!(store.grant("a", grants("NONE", How::ByName), None, after(1)).await.expect("grants"));
    assert_eq!(names_of(&store, "a").await, ["TOKEN"]);
    // Set again: the grants of scripts that it is no longer for go.
    let other = secret("TOKEN", "two");
    let covered = vec!["a".to_owned()];
    assert!(!store.set_secret(other.clone(), covered, to("b", How::ByName), after(2)).await.expect("sets"));
    assert_eq!((names_of(&store, "a").await.len(), names_of(&store, "b").await.len()), (1, 1));
    store.set_secret(other.clone(), vec!["b".into()], Vec::new(), after(3)).await.expect("sets");
    assert_eq!((names_of(&store, "a").await.len(), names_of(&store, "b").await.len()), (0, 1));
    // Sealed with another key: only what is still as it was.
    let sealed = Secret { key: "k2".into(), sealed: "three".into(), ..other.clone() };
    assert_eq!(store.reseal_secrets(vec![(first, sealed.clone())]).await.expect("asks"), 0);
    assert_eq!(store.reseal_secrets(vec![(other, sealed)]).await.expect("seals"), 1);
    let all = store.secrets().await.expect("lists");
    assert_eq!((all.len(), all[0].key.as_str(), all[0].sealed.as_str()), (1, "k2", "three"));
    assert!(store.remove_secret("TOKEN").await.expect("removes"));
    assert!(!store.remove_secret("TOKEN").await.expect("asks"));
    assert!(names_of(&store, "b").await.is_empty());
}

async fn hosts_are_granted(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    let hosts =
        |names: &[&str]| names.iter().map(|name| name.parse::<HostPattern>().expect("a host")).collect::<Vec<_>>();
    let granted = GrantedHosts { hosts: hosts(&["a.example.com"]), unverified: hosts(&["b.example.com"]) };
    let granted = NewGrants { hosts: granted, ..NewGrants::default() };
    assert!(store.grant("a", granted, None, start()).await.expect("grants"));
    assert!(!store.grant("none", NewGrants::default(), None, start()).await.expect("asks"));
    // Granted once more, it still need not prove its name.
    let again = GrantedHosts { hosts: hosts(&["b.example.com"]), ..GrantedHosts::default() };
    let again = NewGrants { hosts: again, ..NewGrants::default() };
    assert!(store.grant("a", again, None, after(1)).await.expect("grants"));
    let found = store.granted_hosts("a").await.expect("reads");
    assert_eq!((found.hosts.len(), found.unverified), (2, hosts(&["b.example.com"])));
    assert!(store.revoke("a", "host", "b.example.com").await.expect("revokes"));
    assert_eq!(store.granted_hosts("a").await.expect("reads").hosts, hosts(&["a.example.com"]));
}

async fn grants_are_made_together(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    assert!(store.set_secret(secret("TOKEN", "one"), Vec::new(), Vec::new(), start()).await.expect("sets"));
    let grants = NewGrants {
        limits: RequestedLimits { memory: Some(1 << 30), ..RequestedLimits::default() },
        hosts: GrantedHosts { hosts: vec!["a.example.com".parse().expect("a host")], unverified: Vec::new() },
        secrets: vec![("TOKEN".into(), How::ByName), ("NONE".into(), How::ByName)],
    };
    assert!(!store.grant("none", grants.clone(), None, start()).await.expect("asks"));
    assert!(store.grant("a", grants, Some("t1".into()), start()).await.expect("grants"));
    let all = store.grants().await.expect("lists");
    let told: Vec<_> = all.iter().map(|one| (&*one.kind, &*one.name, one.created_by.as_deref())).collect();
    let by = Some("t1");
    assert_eq!(told, [("host", "a.example.com", by), ("limit", "memory", by), ("secret", "TOKEN", by)]);
    // Who raised a limit granted what is in force; who asks for less has granted nothing.
    let memory = |bytes| NewGrants {
        limits: RequestedLimits { memory: Some(bytes), ..RequestedLimits::default() },
        ..NewGrants::default()
    };
    for (bytes, expected) in [(1 << 20, by), (2 << 30, Some("t2"))] {
        assert!(store.grant("a", memory(bytes), Some("t2".into()), after(1)).await.expect("grants"));
        let all = store.grants().await.expect("lists");
        let limit = all.iter().find(|one| one.kind == "limit").expect("a limit");
        assert_eq!(limit.created_by.as_deref(), expected, "{bytes}");
    }
}

async fn a_state_is_written_by_one_run_after_another(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    assert_eq!(store.state("a").await.expect("reads"), None);
    assert!(!store.set_state("none", "{}".into(), start()).await.expect("asks"));
    assert!(store.set_state("a", r#"{"n":1}"#.into(), start()).await.expect("sets"));
    for (n, read, is_written) in [(2, 1, true), (3, 1, false)] {
        let id = make(&store, new_run(Some("a"), after(n)), after(n)).await;
        let claim = by("n");
        store.claim(claim.clone(), 1, after(n)).await.expect("claims");
        let state = Some(NewState { value: format!(r#"{{"n":{n}}}"#), read });
        let end = Ended { state, lock: Some("a".into()), ..ended(Status::Succeeded, "1") };
        let recorded = store.record(&id, &claim.token, end, after(n)).await.expect("records");
        let state = store.state("a").await.expect("reads").expect("there");
        assert_eq!((state.value.as_str(), state.revision), (r#"{"n":2}"#, 2));
        if is_written {
            assert_eq!((recorded, state.run), (Recorded::Done, Some(id)));
        } else {
            // Written since it was read: the run is tried again.
            assert!(matches!(recorded, Recorded::Conflict(_)), "{recorded:?}");
            assert_eq!(status(&store, &id).await, Status::Scheduled);
        }
    }
}

async fn runs_are_found_by_age_size_and_time(store: Store) {
    keep(&store, version("a", "a"), start()).await.expect("keeps");
    keep(&store, version("b", "b"), start()).await.expect("keeps");
    assert_eq!(store.script_keys("", 9).await.expect("lists"), ["a", "b"]);
    assert_eq!(store.script_keys("a", 9).await.expect("lists"), ["b"]);
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(made_and_ended(&store, new_run(Some("a"), after(n)), ended(Status::Succeeded, "1"), after(n)).await);
    }
    assert_eq!(store.last_successes(9).await.expect("asks"), [("a".to_owned(), after(2))]);
    let of = Of::Script("a".into());
    assert_eq!(store.beyond_count(&of, 2).await.expect("asks"), Some(ids[0].clone()));
    assert_eq!(store.beyond_count(&of, 3).await.expect("asks"), None);
    // Each has arguments of two bytes and a result of one.
    assert_eq!(store.beyond_bytes(&of, 5).await.expect("asks"), Some(ids[1].clone()));
    assert_eq!(store.beyond_bytes(&of, 9).await.expect("asks"), None);
    let sent = NewRun { source: Some(b"print()".to_vec()), ..new_run(None, after(3)) };
    let id = make(&store, sent, after(3)).await;
    assert_eq!(store.run_source(&id).await.expect("reads"), Some(b"print()".to_vec()));
    assert_eq!(store.run_source(&ids[0]).await.expect("reads"), None);
    let claim = by("n");
    store.claim(claim.clone(), 1, after(3)).await.expect("claims");
    let part = Part { stream: Stream::Stdout, start: 0, bytes: b"x".to_vec() };
    store.keep_output(&id, &claim.token, vec![part]).await.expect("keeps");
    let output = || async { store.output(&id, Stream::Stdout).await.expect("reads").expect("there").found };
    assert_eq!(output().await, Found::Bytes(b"x".to_vec()));
    store.drop_output(&id).await.expect("drops");
    assert_eq!(output().await, Found::Bytes(Vec::new()));
    assert_eq!(store.next_due().await.expect("asks"), None);
    let later = NewRun { run_at: Some(after(60)), ..new_run(Some("a"), after(4)) };
    make(&store, later, after(4)).await;
    assert_eq!(store.next_due().await.expect("asks"), Some(after(60)));
}

async fn links_of_scripts_are_found(store: Store) {
    let linked = |name: &str| NewVersion { link: Some(format!("s3://data/{name}.py")), ..version(name, name) };
    for name in ["a", "b"] {
        keep(&store, linked(name), start()).await.expect("keeps");
    }
    keep(&store, version("a", "a2"), start()).await.expect("keeps");
    keep(&store, linked("a"), start()).await.expect("keeps");
    let schedule = NewSchedule {
        id: "s".into(),
        key: "s".into(),
        script: "a".into(),
        origin: Origin::Request,
        reach: Default::default(),
        settings: Default::default(),
        trigger: StoredTrigger::from_row(json!({"type": "interval", "seconds": 10}), start()),
        read_at: start(),
        state: State::Active,
        cursor: start(),
        next: None,
        created_by: None,
        links: Vec::new(),
    };
    store.keep_schedule(schedule, None, start()).await.expect("keeps");
    let found = store.links_below("s3://data/").await.expect("asks");
    let found: Vec<_> = found.into_iter().map(|linked| (linked.key, linked.link, linked.is_scheduled)).collect();
    let linked = |key: &str, is_scheduled| (key.to_owned(), format!("s3://data/{key}.py"), is_scheduled);
    assert_eq!(found, [linked("a", true), linked("b", false)]);
    assert!(store.links_below("s3://other/").await.expect("asks").is_empty());
    let state = LinkState { tag: Some("t".into()), checked_at: Some(after(1)), error: None };
    store.set_link_state("a", &state).await.expect("sets");
    let script = store.script("a").await.expect("reads").expect("there");
    assert_eq!(script.link_state, state);
    let number = |number| {
        let (store, script) = (store.clone(), script.clone());
        async move { store.version_or_in_force(&script, number).await.expect("reads").map(|version| version.number) }
    };
    assert_eq!((number(None).await, number(Some(2)).await, number(Some(9)).await), (Some(1), Some(2), None));
}

async fn a_token_is_found_by_its_id(store: Store) {
    let token = Token {
        id: "t1".into(),
        name: "ci".into(),
        scopes: vec![Scope::Read],
        scripts: None,
        labels: None,
        created_at: start(),
        expires_at: None,
        last_used_at: None,
    };
    store.add_token(&token, "hash").await.expect("adds");
    assert_eq!(store.token_of("t1").await.expect("reads"), Some(token));
    assert_eq!(store.token_of("t2").await.expect("reads"), None);
}

async fn the_store_answers(store: Store) {
    store.ping().await.expect("answers");
    store.try_write().await.expect("writes");
    assert_eq!(store.time().await.expect("answers").is_some(), store.is_shared());
    let listener = store.listen().await.expect("listens");
    assert_eq!(listener.is_some(), store.is_shared());
    store.notify(vec![Notice::Queued]).await.expect("notifies");
    if let Some(mut listener) = listener {
        let heard = tokio::time::timeout(Duration::from_secs(30), listener.next()).await.expect("in time");
        assert_eq!(heard.expect("listens"), Notice::Queued);
    }
}

/// The files below a folder, and their text.
fn texts(folder: &str) -> String {
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut text = std::fs::read_to_string(folders[0].with_extension("rs")).expect("reads");
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("reads") {
            let path = entry.expect("reads").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                text.push_str(&std::fs::read_to_string(path).expect("reads"));
            }
        }
    }
    text
}

/// What the store can be asked is asked on all three engines.
#[test]
fn every_method_of_the_store_is_called() {
    let (store, tests) = (texts("src/store"), texts("tests/store"));
    let mut methods: Vec<&str> =
        store.split("pub async fn ").skip(1).filter_map(|rest| rest.split_once('(')).map(|(name, _)| name).collect();
    assert!(methods.len() > 50, "{methods:?}");
    methods.retain(|name| !tests.contains(&format!(".{name}(")) && !tests.contains(&format!("Store::{name}(")));
    assert!(methods.is_empty(), "no case in tests/store calls {methods:?}");
}
